"""The U-Net and its text encoder, learning together from scratch; latents of scenes are kept once they are computed."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import torch
from diffusers import DDIMScheduler, UNet2DConditionModel
from numpy.typing import NDArray
from torch import Tensor, nn
from transformers import CLIPTextModel

from app.dev.practice.autoencoder import encode
from app.dev.practice.clip import text_config, tokens
from app.dev.practice.plan import LATENT_CHANNELS, WIDTH, Plan
from app.dev.practice.scenes import GROUNDS, SIDE, Scene, draw_scene, naming
from app.dev.practice.training import Arrays, as_batch, to_signed
from app.dev.practice.words import make_tokenizer
from app.dev.practice.world import World

GRID = SIDE // 4
STEPS = 1000
SNR = 5.0  # the weights of clean levels are cut here
EMPTY, GROUNDLESS, THINGLESS = (
    0.1,
    0.15,
    0.03,
)  # captions: none at all; things without the ground; the ground without things
BEGIN = 1024  # scenes in the pool before the first step
GROW = 4  # samples learned for each scene that the pool grows by


def make_scheduler() -> DDIMScheduler:
    """Stable Diffusion 2's kind of schedule with a noisier end, because grey leaks through the usual one on so small a grid.

    Velocity, not epsilon: at the noisy end a small error of epsilon is a large one of the picture, and colours go wild.
    """
    return DDIMScheduler(
        num_train_timesteps=STEPS,
        beta_start=0.00085,
        beta_end=0.02,
        beta_schedule="scaled_linear",
        clip_sample=False,
        set_alpha_to_one=False,
        steps_offset=1,
        prediction_type="v_prediction",
    )


def make_denoiser(plan: Plan) -> nn.ModuleDict:
    """`unet` and `text`, with random weights."""
    unet = UNet2DConditionModel(
        sample_size=GRID,
        in_channels=LATENT_CHANNELS,
        out_channels=LATENT_CHANNELS,
        block_out_channels=plan.unet_channels,
        layers_per_block=plan.unet_layers,
        down_block_types=("CrossAttnDownBlock2D",) * 2,
        up_block_types=("CrossAttnUpBlock2D",) * 2,
        cross_attention_dim=WIDTH,
        attention_head_dim=4,
        norm_num_groups=16,
    )
    for name, module in unet.named_modules():
        if name.endswith(("conv2", "conv_out", "proj_out")) and hasattr(module, "weight"):
            nn.init.zeros_(module.weight)
            nn.init.zeros_(module.bias)
    return nn.ModuleDict({"unet": unet, "text": CLIPTextModel(text_config(make_tokenizer()))})


class DenoiserLesson:
    """Noise on kept latents of training scenes; velocity, min-SNR. The pool grows with the steps until it is full.

    The latents lie in `folder` when there is one; they are thrown away when the VAE is another.
    """

    name = "unet"
    adam_only: tuple[str, ...] = ("conv_in", "conv_out", "time_embedding", "embed")

    def __init__(self, plan: Plan, vae: Any, device: torch.device, folder: Path | None) -> None:
        self.course = plan.unet
        self.module: Any = make_denoiser(plan)
        self._plan, self._vae, self._device = plan, vae, device
        self._tokenizer = make_tokenizer()
        self._world = World()
        self._levels = make_scheduler().alphas_cumprod.to(device)
        self._stamp = "" if folder is None else f"{_fingerprint(vae, self._pictures(0, 16))} {plan.pool} {plan.seed}"
        self._note = None if folder is None else folder / "latents.txt"
        self._filled = 0
        shape = (plan.pool, LATENT_CHANNELS, GRID, GRID)
        if folder is None or self._note is None:
            self._pool = torch.zeros(shape, dtype=torch.float16, device=device)
            return
        folder.mkdir(parents=True, exist_ok=True)
        if self._note.exists():
            stamp, _, filled = self._note.read_text("utf-8").rpartition("\n")
            self._filled = int(filled) if stamp == self._stamp else 0
        flat = torch.from_file(str(folder / "latents.bin"), shared=True, size=int(np.prod(shape)), dtype=torch.float16)
        self._pool = flat.view(shape)

    def fill(self, step: int) -> None:
        """Compute the latents that a training resumed at `step` expects to be there."""
        while self._filled < self._held(step):
            self._keep(torch.from_numpy(self._pictures(self._filled, min(self._filled + 256, self._held(step)))))

    def arrays(self, step: int) -> Arrays:
        random = np.random.default_rng((step, 37))
        chosen = random.integers(self._held(step), size=self.course.batch)
        words = [self._words(draw_scene(self._plan.first_scene + int(number), "training"), random) for number in chosen]
        return {
            "chosen": chosen,
            "words": tokens(self._tokenizer, words),
            "first": np.array(self._held(step)),
            "fresh": self._pictures(self._held(step), self._held(step + 1)),
        }

    def loss(self, batch: Mapping[str, Tensor], random: torch.Generator) -> Tensor:
        if len(batch["fresh"]) and int(batch["first"]) == self._filled:  # else a run that was cut off has kept them
            self._keep(batch["fresh"])
        chosen = batch["chosen"]
        latents = self._pool[chosen].float()
        count, device = len(latents), latents.device
        even = (torch.arange(count, device=device) + torch.rand(count, generator=random, device=device)) / count
        t = (even * STEPS).long().clamp(max=STEPS - 1)
        noise = torch.randn(latents.shape, generator=random, device=device)
        level = self._levels[t][:, None, None, None]
        noised = level.sqrt() * latents + (1 - level).sqrt() * noise
        embeddings = self.module["text"](input_ids=batch["words"]).last_hidden_state
        velocity = level.sqrt() * noise - (1 - level).sqrt() * latents
        error = self.module["unet"](noised, t, embeddings).sample.float() - velocity
        ratio = (level / (1 - level)).flatten()
        loss: Tensor = (error.square().mean(dim=(1, 2, 3)) * ratio.clamp(max=SNR) / (ratio + 1)).mean()
        return loss

    def _held(self, step: int) -> int:
        return min(BEGIN + step * self.course.batch // GROW, self._plan.pool)

    def _pictures(self, first: int, last: int) -> NDArray[np.uint8]:
        if first >= last:
            return np.zeros((0, 3, SIDE, SIDE), np.uint8)
        start = self._plan.first_scene
        scenes = (draw_scene(seed, "training") for seed in range(start + first, start + last))
        return as_batch([self._world.draw(scene).picture for scene in scenes])

    def _keep(self, pictures: Tensor) -> None:
        latents = encode(self._vae, to_signed(pictures.to(self._device)))
        self._pool[self._filled : self._filled + len(latents)] = latents.to(self._pool.dtype)
        self._filled += len(latents)
        if self._note is not None:
            self._note.write_text(f"{self._stamp}\n{self._filled}", "utf-8")

    def _words(self, scene: Scene, random: np.random.Generator) -> str:
        drawn = random.random()
        if drawn < EMPTY:
            return ""
        if drawn < EMPTY + GROUNDLESS and scene.things:
            return naming(scene.things)
        if drawn < EMPTY + GROUNDLESS + THINGLESS:
            return GROUNDS[scene.ground.name]
        return scene.caption()


def _fingerprint(vae: Any, pictures: NDArray[np.uint8]) -> str:
    """Changes with the VAE and with how scenes are drawn."""
    digest = hashlib.sha256(pictures.tobytes())
    for name, value in sorted(vae.state_dict().items()):
        digest.update(name.encode() + value.float().cpu().numpy().tobytes())
    return digest.hexdigest()
