"""Checkpoints in the layout of the first latent diffusion models, which Stable Diffusion 1, 2 and XL share: one file, told by its arrays."""

from __future__ import annotations

import re
from collections.abc import Mapping

from editor.models.headers import Header, Tensor
from editor.models.info import Part
from editor.models.settings import FOR_WORDS, FULL_MODEL, USUAL_NOISE, NotUnderstood
from editor.models.single_file import NotAModel, part_of

NETWORK = "model.diffusion_model."
AUTOENCODER = "first_stage_model."
FIRST_LAYER = f"{NETWORK}input_blocks.0.0.weight"
# What a file says that its network predicts, and whether that is v.
SAID: Mapping[str, bool] = {
    **dict.fromkeys(("v", "v_prediction", "v-prediction", "v_pred", "vpred", "velocity"), True),
    **dict.fromkeys(("epsilon", "eps", "noise"), False),
}
# Arrays by which files say that their noise is that of Karras et al. (Playground 2.5, CosXL), with latents that are scaled accordingly.
EDM_KEYS = ("edm_mean", "edm_std", "edm_vpred.sigma_max", "edm_vpred.sigma_min")


def holds_unet(tensors: Mapping[str, Tensor]) -> bool:
    """Whether a file has a U-Net in this layout."""
    return FIRST_LAYER in tensors


def check_rest(tensors: Mapping[str, Tensor]) -> None:
    """Raises `NotAModel`, `NotUnderstood` for a file with a U-Net that is not whole, or made for something else."""
    if not any(name.startswith(AUTOENCODER) for name in tensors):
        raise NotAModel("holds only the U-Net of a model, without VAE and text encoder")
    channels = tensors[FIRST_LAYER].shape[1:2]
    if channels == (9,):
        raise NotUnderstood("is made for inpainting only, which Palimpsest does not use", FULL_MODEL)
    if channels != (4,):
        raise NotUnderstood("is made for another task: its network does not take a picture alone", FOR_WORDS)
    if any(name in tensors for name in EDM_KEYS):
        said = "was trained with noise of another kind (EDM), which Palimpsest cannot make"
        raise NotUnderstood(said, USUAL_NOISE)


def parts_of(tensors: Mapping[str, Tensor], text_encoders: Mapping[str, str]) -> tuple[Part, ...]:
    """U-Net, VAE and text encoders. `text_encoders`: the prefix of each one's arrays, by part. Raises `NotAModel`, `Damaged`."""
    sections = {"unet": NETWORK, "vae": AUTOENCODER, **text_encoders}
    held = {
        name: tuple(tensor for key, tensor in tensors.items() if key.startswith(prefix))
        for name, prefix in sections.items()
    }
    empty = next((name for name, arrays in held.items() if not arrays), "")
    if empty:
        raise NotAModel(f"has no {'first' if empty == 'text_encoder' else 'second'} text encoder in it")
    return tuple(part_of(name, arrays) for name, arrays in held.items())


def predicts_v(header: Header, stem: str, second: bool) -> bool:
    """What the file says; else its name. Stable Diffusion 2 without a word is taken for the 768 model, from which most others were made."""
    metadata = {key.rpartition(".")[2]: value.lower() for key, value in header.metadata.items()}
    said = metadata.get("predict_key", "") or metadata.get("prediction_type", "")
    if said:
        if said not in SAID:
            raise NotUnderstood(f"predicts something that Palimpsest does not know ({said[:60]})", USUAL_NOISE)
        return SAID[said]
    if "v_pred" in header.tensors:
        return True
    if "768-v" in metadata.get("architecture", ""):
        return True
    if re.search(r"(?<![a-z])v[-_ ]?pred", stem.lower()):
        return True
    if not second:
        return False
    if metadata.get("resolution"):
        return not metadata["resolution"].startswith("512")
    return not re.search(r"512|base|epsilon", stem.lower())


def ends_in_noise(header: Header, stem: str) -> bool:
    """Whether a model that predicts v was trained up to pure noise (Lin et al., arXiv 2305.08891), as the file or else its name says."""
    trained = header.metadata.get("ss_zero_terminal_snr", "").lower()
    return (
        "ztsnr" in header.tensors or trained == "true" or re.search(r"z(?:t|ero)?[-_ ]?snr", stem.lower()) is not None
    )
