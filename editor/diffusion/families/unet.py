"""What families with a U-Net have in common: whether its settings, those of the text encoders and of the noise mean what is computed."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from editor.models.settings import (
    FOR_WORDS,
    FULL_MODEL,
    NOT_FIT_TOGETHER,
    ORDINARY,
    UNDISTILLED,
    NotUnderstood,
    check_autoencoder,
)

Settings = Mapping[str, Any]


def check_unet(unet: Settings, added: tuple[str | None, ...], hidden: tuple[str | None, ...]) -> None:
    """Raises `NotUnderstood` where a U-Net expects more than its family gives it.

    added: what it may be told beside the words (`addition_embed_type`)
    hidden: how what it is told may come in (`encoder_hid_dim_type`)
    """
    if unet.get("in_channels") == 9:
        raise NotUnderstood("is made for inpainting only, which Palimpsest does not use", FULL_MODEL)
    if unet.get("time_cond_proj_dim"):
        raise NotUnderstood("takes its guidance as an input, which Palimpsest does not give it", UNDISTILLED)
    if unet.get("class_embed_type") is not None or unet.get("num_class_embeds"):
        said = "expects a class or a picture beside the words, which Palimpsest does not give it"
        raise NotUnderstood(said, ORDINARY)
    # Settings written by hand, or long ago, may leave out what is not used.
    if (
        unet.get("addition_embed_type", added[0]) not in added
        or unet.get("encoder_hid_dim_type", hidden[0]) not in hidden
    ):
        raise NotUnderstood("expects other things beside the words than models of its kind do", ORDINARY)


def check_latents(denoiser: Settings, autoencoder: Settings, usual: int = 4) -> None:
    """Raises `NotUnderstood` where a network takes other latents than the autoencoder makes, or those cannot be scaled. `usual`: channels."""
    if denoiser.get("in_channels") != autoencoder.get("latent_channels", usual):
        raise NotUnderstood("is made for another task: its network does not take a picture alone", FOR_WORDS)
    check_autoencoder(autoencoder)


def check_width(unet: Settings, encoders: Mapping[str, Settings]) -> None:
    """Raises `NotUnderstood` where a U-Net and the text encoders beside it cannot belong together. `encoders`: settings by part."""
    width, widths = unet.get("cross_attention_dim"), [encoder.get("hidden_size") for encoder in encoders.values()]
    given = sum(number for number in widths if isinstance(number, int))
    whole = isinstance(width, int) and all(isinstance(number, int) for number in widths)
    if whole and unet.get("encoder_hid_dim_type") is None and width != given:
        said = f"does not fit together: its text encoders give {given} numbers a word and its U-Net takes {width}"
        raise NotUnderstood(said, NOT_FIT_TOGETHER)
