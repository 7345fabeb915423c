"""The parts of a tiny model as diffusers itself loads and prompts them, for the oracle and for diffusers' own pipelines."""

from __future__ import annotations

from typing import Any

import diffusers
import numpy as np
import torch
from numpy.typing import NDArray

from editor.requests.reports import outcome_of
from tests.support.pixels_cases import NEGATIVE, PROMPT, SEED, SIDE, Model
from tests.support.pixels_oracle import Net

CPU = torch.device("cpu")


def pipeline(name: str, model: Model) -> Any:
    """diffusers' own image-to-image pipeline over the model's folder."""
    kinds: dict[str, Any] = {
        "sd": diffusers.StableDiffusionImg2ImgPipeline,
        "sd_v": diffusers.StableDiffusionImg2ImgPipeline,
        "sdxl": diffusers.StableDiffusionXLImg2ImgPipeline,
        "refiner": diffusers.StableDiffusionXLImg2ImgPipeline,
        "kandinsky": diffusers.KandinskyV22Img2ImgPipeline,
    }
    more = (
        {"safety_checker": None, "requires_safety_checker": False} if name.startswith("sd") and name != "sdxl" else {}
    )
    found = kinds[name].from_pretrained(str(model.folder), local_files_only=True, **more)
    found.set_progress_bar_config(disable=True)
    return found


@torch.no_grad()
def net(name: str, stock: Any, model: Model) -> Net:
    """(twice the batch, t) -> the U-Net's prediction; text, sizes and scores as diffusers makes them."""
    hidden, added = None, {}
    if name == "kandinsky":  # its prior is random: the embedding is given
        positive, negative = outcome_of(model.backend.embed(PROMPT, NEGATIVE, SIDE, seed=SEED))
        added = {"image_embeds": torch.cat([negative.added["image_embeds"], positive.added["image_embeds"]])}
    elif name in ("sdxl", "refiner"):
        texts = {"prompt": PROMPT, "negative_prompt": NEGATIVE, "device": CPU, "num_images_per_prompt": 1}
        pos, neg, pooled, neg_pooled = stock.encode_prompt(**texts, do_classifier_free_guidance=True)
        size = SIDE.shape
        last = ([6.0], [2.5]) if name == "refiner" else (size, size)
        ids = torch.tensor([[*size, 0, 0, *last[1]], [*size, 0, 0, *last[0]]], dtype=torch.float32)
        hidden = torch.cat([neg, pos])
        added = {"text_embeds": torch.cat([neg_pooled, pooled]), "time_ids": ids}
    else:
        pos, neg = stock.encode_prompt(PROMPT, CPU, 1, True, NEGATIVE)
        hidden = torch.cat([neg, pos])

    @torch.no_grad()
    def call(latents: torch.Tensor, t: torch.Tensor) -> torch.Tensor:
        found: torch.Tensor = stock.unet(
            latents, t, encoder_hidden_states=hidden, added_cond_kwargs=added or None
        ).sample
        return found

    return call


@torch.no_grad()
def encoded(stock: Any, image: NDArray[Any], generator: torch.Generator | None = None) -> torch.Tensor:
    """Scaled latents of an (H, W, 3) picture: a draw from the posterior, or its mean."""
    planes = 2.0 * torch.from_numpy(image.transpose(2, 0, 1).astype(np.float32) / np.float32(255))[None] - 1.0
    if hasattr(stock, "movq"):
        unscaled: torch.Tensor = stock.movq.encode(planes.contiguous()).latents
        return unscaled.contiguous()
    posterior = stock.vae.encode(planes.contiguous()).latent_dist
    drawn: torch.Tensor = posterior.mode() if generator is None else posterior.sample(generator)
    return drawn * float(stock.vae.config.scaling_factor)
