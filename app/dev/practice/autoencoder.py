"""The VAE of the practice model: what it learns from, the normalisation folded into it, and how well it keeps pictures."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import torch
from diffusers import AutoencoderKL
from torch import Tensor, nn

from app.dev.practice.plan import LATENT_CHANNELS, Plan
from app.dev.practice.scenes import SIDE, draw_scene
from app.dev.practice.training import Arrays, as_batch, to_signed
from app.dev.practice.world import World

CROP = 32
ON_THINGS = 0.85  # of the crops
COUNTS = (0.03, 0.27, 0.4, 0.3)  # how often a scene has 0, 1, 2, 3 things
KL = 6e-5


def make_vae(plan: Plan) -> Any:
    """An `AutoencoderKL` with random weights, f = 4. Residual branches begin at zero, which learns sooner."""
    vae = AutoencoderKL(
        in_channels=3,
        out_channels=3,
        down_block_types=("DownEncoderBlock2D",) * 3,
        up_block_types=("UpDecoderBlock2D",) * 3,
        block_out_channels=plan.vae_channels,
        layers_per_block=1,
        latent_channels=LATENT_CHANNELS,
        norm_num_groups=8,
        sample_size=SIDE,
        scaling_factor=1.0,
        mid_block_add_attention=False,
        force_upcast=False,
    )
    for name, module in vae.named_modules():
        if name.endswith("conv2") and isinstance(module, nn.Conv2d):
            nn.init.zeros_(module.weight)
    return vae


class VaeLesson:
    """Crops of training scenes, most of them on things: L1, squares and gradients, things three times, and a little KL."""

    name = "vae"
    adam_only: tuple[str, ...] = ("conv_in", "conv_out", "quant_conv")

    def __init__(self, plan: Plan) -> None:
        self.course = plan.vae
        self._first = plan.first_scene
        self.module: Any = make_vae(plan)
        self._world = World()

    def arrays(self, step: int) -> Arrays:
        random = np.random.default_rng((step, 11))
        pictures, weights = [], []
        for place in range(self.course.batch):
            scene = draw_scene(
                self._first + step * self.course.batch + place, "training", int(random.choice(4, p=COUNTS))
            )
            drawn = self._world.draw(scene)
            left, top = (int(integer) for integer in random.integers(0, SIDE - CROP + 1, 2))
            if scene.things and random.random() < ON_THINGS:
                thing = scene.things[random.integers(len(scene.things))]
                left, top = (
                    int(np.clip(corner + thing.size // 2 - CROP // 2 + random.integers(-8, 9), 0, SIDE - CROP))
                    for corner in (thing.x, thing.y)
                )
            window = (slice(top, top + CROP), slice(left, left + CROP))
            pictures.append(drawn.picture[window])
            weights.append(1 + 2 * drawn.coverage.sum(axis=0)[window])
        return {"pictures": as_batch(pictures), "weights": np.stack(weights)[:, None].astype(np.float32)}

    def loss(self, batch: Mapping[str, Tensor], random: torch.Generator) -> Tensor:
        pictures, weights = to_signed(batch["pictures"]), batch["weights"]
        posterior = self.module.encode(pictures).latent_dist
        error = self.module.decode(posterior.sample(random)).sample.float() - pictures
        steep = ((error[..., 1:, :] - error[..., :-1, :]).abs() * weights[..., 1:, :]).mean() + (
            (error[..., 1:] - error[..., :-1]).abs() * weights[..., 1:]
        ).mean()
        mean, spread = posterior.mean.float(), posterior.logvar.float()
        kl = 0.5 * (mean.square() + spread.exp() - 1 - spread).mean()
        loss: Tensor = (
            (error.abs() * weights).mean()
            + 2 * (error.square() * weights).mean()
            + 0.5 * steep
            + KL * LATENT_CHANNELS * kl
        )
        return loss


@torch.no_grad()
def fold_normalisation(vae: Any, pictures: Tensor) -> None:
    """Give every latent channel mean 0 and variance 1 over `pictures` (n, 3, h, w) in -1..1, inside the 1x1 convolutions.

    Stable Diffusion knows one scalar for all channels only; after this it is 1 and decoding gives what it gave.
    """
    latents = encode(vae, pictures)
    mean = latents.mean(dim=(0, 2, 3))
    std = latents.std(dim=(0, 2, 3))
    quant, post = vae.quant_conv, vae.post_quant_conv
    channels = mean.shape[0]
    quant.weight[:channels] /= std[:, None, None, None]
    quant.bias[:channels] = (quant.bias[:channels] - mean) / std
    quant.bias[channels:] -= 2 * std.log()
    post.bias += post.weight[..., 0, 0] @ mean
    post.weight *= std[None, :, None, None]


@torch.no_grad()
def encode(vae: Any, pictures: Tensor, batch: int = 32) -> Tensor:
    """The posterior means, (n, C, h/4, w/4); in full precision, also while training runs in half."""
    with torch.autocast(pictures.device.type, enabled=False):
        return torch.cat([vae.encode(part).latent_dist.mean for part in torch.split(pictures, batch)])


@torch.no_grad()
def decode(vae: Any, latents: Tensor, batch: int = 32) -> Tensor:
    """Pictures (n, 3, h, w) in -1..1."""
    return torch.cat([vae.decode(part).sample.float().clamp(-1, 1) for part in torch.split(latents, batch)])
