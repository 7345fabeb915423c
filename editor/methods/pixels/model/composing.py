"""Set-up of a PIXELS run: encoded and composed exemplars, initial latents, and for how long each cell is held.

The three fields of the general rule (PIXELS specification, section 5).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

import numpy as np
import torch
from numpy.typing import NDArray

from editor.arrays import Map
from editor.diffusion.backend import Backend, Image, PicturePrompt
from editor.diffusion.blending import LatentBlend
from editor.diffusion.noise import Noise
from editor.diffusion.schedule import Schedule
from editor.geometry import Rect
from editor.methods.pixels.hold_counts import counts_of, owners, run_length
from editor.methods.pixels.settings import PixelsSettings
from editor.model_canvas.canvas import ModelCanvas
from editor.requests.edit_request import REVISION, ExemplarInput

# Above this share of half-covered pixels the edges of an exemplar count as soft.
SOFT = 0.02


def _counts(of: Pass, schedule: Schedule) -> NDArray[np.int64]:
    """(h, w): how many of the run's steps each cell is held."""
    settings, levels = of.settings, _levels(of.settings, schedule)
    return counts_of(settings, of.exemplars, of.strength, of.working, len(schedule), levels=levels)


@dataclass(frozen=True, slots=True)
class Rule:
    """What a run is made by. The published scripts, which `reference` runs for comparison, have others.

    published: it draws from the encoder's posterior, holds on to the picture without its exemplars, takes the model's own sampler whatever it does
        to held cells, and restores nothing at the end
    composes: exemplars are laid in
    run_length: of the strength in a frame and a number of steps, how many of them run
    counts: as in `hold_counts.counts_of`
    """

    published: bool = False
    composes: bool = True
    run_length: Callable[[Map, int], int] = run_length
    counts: Callable[[Pass, Schedule], NDArray[np.int64]] = _counts


@dataclass(frozen=True, slots=True, eq=False)
class Pass:
    """One run of the sampler. `strength`: (H, W) of the frame, what may change in it. `sources`: one working canvas, or one for each picture of
    the batch. `revision`: of the request's rules. `rule`: by which it is made.
    """

    settings: PixelsSettings
    exemplars: Sequence[ExemplarInput]
    strength: Map
    sources: Sequence[Image]
    working: ModelCanvas
    backend: Backend
    revision: int = REVISION
    rule: Rule = field(default_factory=Rule)


@dataclass(frozen=True, slots=True, eq=False)
class Start:
    """`sources`: (1 or B, C, h, w) clean latents. `blend`: what held cells are written over with, and until when. `latents`: (B, C, h, w), the
    state before the first step.
    """

    sources: torch.Tensor
    blend: LatentBlend
    latents: torch.Tensor


@torch.no_grad()
def start(of: Pass, schedule: Schedule, noise: Noise) -> Start:
    """Encode, compose, and count for how long each cell is held."""
    settings = of.settings
    published = of.rule.published
    generators = noise.generators("posterior")

    def encode(images: Sequence[Image]) -> torch.Tensor:
        if published:  # the published scripts draw from the posterior, the source first
            pairs = zip([*images] * (noise.batch // len(images)), generators, strict=True)
            return torch.cat([of.backend.sample(image, generator) for image, generator in pairs])
        return torch.cat([of.backend.encode(image) for image in images])

    latents = encode(of.sources)
    composite, owner = latents, np.full(of.working.grid.shape, -1)
    if of.exemplars and of.rule.composes:
        composite, owner = _composed(of, latents, encode)
    until = torch.from_numpy(of.rule.counts(of, schedule) + schedule.first)[None, None].to(latents.device)
    shared = initial = noise.like(latents)
    if settings.noise == "independent":
        owned = torch.from_numpy(owner >= 0)[None, None].to(latents.device)
        initial = torch.where(owned, noise.like(latents, "exemplar"), shared)
    held, held_noise = (latents, shared) if published else (composite, initial)
    return Start(latents, LatentBlend(held, held_noise, until), schedule.noised(composite, initial, schedule.first))


def picture_prompts(exemplars: Sequence[ExemplarInput]) -> tuple[PicturePrompt, ...]:
    """The exemplars by themselves, on white, for models that take pictures as prompts."""
    prompts = []
    for exemplar in exemplars:
        area = Rect.of_mask(exemplar.alpha >= 0.5)
        if area.empty or exemplar.prompt_weight <= 0:
            continue
        alpha = exemplar.alpha[area.slices][..., None]
        image = alpha * (exemplar.pixels[area.slices] / np.float32(255)) + (1 - alpha)
        prompts.append(PicturePrompt(np.asarray(image, np.float32), exemplar.prompt_weight))
    return tuple(prompts)


def _composed(
    of: Pass, latents: torch.Tensor, encode: Callable[[Sequence[Image]], torch.Tensor]
) -> tuple[torch.Tensor, NDArray[np.int64]]:
    """The composite's latents and, for each cell, which exemplar owns it: the topmost that covers at least half of it; -1 for none."""
    working = of.working
    owner = owners(of.exemplars, working)
    amounts = [exemplar.alpha * exemplar.strength for exemplar in of.exemplars]
    images = [working.weighted(exemplar.pixels, amount) for exemplar, amount in zip(of.exemplars, amounts, strict=True)]
    canvases = [working.map(amount)[..., None] for amount in amounts]
    if of.settings.compose == "pixels" or (of.settings.compose == "auto" and _mixes(amounts, of.revision)):
        laid = list(of.sources)
        for image, amount in zip(images, canvases, strict=True):
            laid = [amount * image + (1 - amount) * below for below in laid]
        return encode(laid), owner
    composite = latents
    for index, (image, amount) in enumerate(zip(images, canvases, strict=True)):
        # Outside its cut-out an exemplar's canvas shows the source, not black: the encoder looks across the edge.
        data = encode([amount * image + (1 - amount) * source for source in of.sources])
        composite = torch.where(torch.from_numpy(owner == index)[None, None].to(latents.device), data, composite)
    return composite, owner


def _mixes(amounts: Sequence[Map], revision: int) -> bool:
    """Whether composing in pixels is better: with several exemplars, or where one is let in by halves, however little that is."""
    if len(amounts) > 1:
        return True
    # In revision 1 what is let in by less than this was left out altogether.
    covered = amounts[0] > 0.02 * (1 if revision < 2 else float(amounts[0].max()))
    soft = covered & (amounts[0] < 0.98)
    return int(soft.sum()) > SOFT * int(covered.sum())


def _levels(settings: PixelsSettings, schedule: Schedule) -> Sequence[float]:
    """What strength is compared with, one for each step; nothing where steps count by index."""
    match settings.map_scale:
        case "index":
            return ()
        case "noise":
            return schedule.levels
        case "absolute":
            return (schedule.timesteps.cpu().double() / schedule.train_steps).tolist()
