"""Networks of families with a U-Net run once on zeros, so that their memory can be measured."""

from __future__ import annotations

from typing import Any

import torch

from editor.geometry import Size

TOKENS = 77  # of a prompt, always filled up to this


def evaluate(name: str, network: Any, cells: Size, batch: int, time_ids: int = 0) -> None:
    """As in `Networks.evaluate`. `time_ids`: how many numbers about sizes and scores a U-Net is given."""
    settings, weights = network.config, next(network.parameters())
    like = {"device": weights.device, "dtype": weights.dtype}
    if name == "unet":
        latents = torch.zeros(batch, settings.in_channels, *cells.shape, **like)
        hidden = torch.zeros(batch, TOKENS, _width(settings), **like)
        network(
            latents,
            torch.zeros((), **like),
            hidden,
            added_cond_kwargs=_added(settings, batch, time_ids, like),
            return_dict=False,
        )
    elif name in ("vae", "movq"):
        latents = torch.zeros(batch, settings.latent_channels, *cells.shape, **like)
        network.decode(latents, **({"force_not_quantize": True} if name == "movq" else {}))
    elif name.startswith("text_encoder"):
        network(torch.zeros(batch, TOKENS, dtype=torch.long, device=weights.device), output_hidden_states=True)


def _width(settings: Any) -> int:
    """Numbers a word of what a U-Net is told."""
    width = settings.encoder_hid_dim or settings.cross_attention_dim
    return int(max(width) if isinstance(width, list | tuple) else width)


def _added(settings: Any, batch: int, time_ids: int, like: dict[str, Any]) -> dict[str, torch.Tensor] | None:
    """What a U-Net is told beside the words."""
    if settings.addition_embed_type == "image":
        return {"image_embeds": torch.zeros(batch, settings.encoder_hid_dim, **like)}
    if settings.addition_embed_type == "text_time":
        summary = settings.projection_class_embeddings_input_dim - time_ids * settings.addition_time_embed_dim
        return {"text_embeds": torch.zeros(batch, summary, **like), "time_ids": torch.zeros(batch, time_ids, **like)}
    return None
