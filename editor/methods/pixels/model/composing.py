"""Set-up of a PIXELS run: encoded and composed exemplars, initial latents, and for how long each cell is held.

The three fields of the general rule (docs/methods.md, PIXELS 1).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

import numpy as np
import torch
from numpy.typing import NDArray

from editor.arrays import Counts, Map
from editor.diffusion.backend import Backend, Image, PicturePrompt
from editor.diffusion.blending import LatentBlend
from editor.diffusion.noise import Noise
from editor.diffusion.schedule import Schedule
from editor.geometry import Rect
from editor.methods.pixels.hold_counts import ABSOLUTE, first_step, owners, relative_counts, release_steps, run_length
from editor.methods.pixels.rungs import Ladder
from editor.methods.pixels.settings import PixelsSettings
from editor.model_canvas.canvas import ModelCanvas
from editor.requests.edit_request import EditRequest, ExemplarInput

# Above this share of half-covered pixels the edges of an exemplar count as soft.
SOFT = 0.02


ScheduleFrom = Callable[[int, Ladder], Schedule]


def releases(of: Pass, schedule_from: ScheduleFrom) -> tuple[Schedule, Counts]:
    """The steps that run, and (h, w) before which of all steps each cell is free for the first time.

    schedule_from: the schedule of a run that begins at a step of a ladder
    """
    request, settings = of.request, of.settings
    if request.revision < ABSOLUTE:
        schedule = schedule_from(request.steps - run_length(of.strength, request.steps), Ladder(request.steps))
        levels = _levels(settings, schedule)
        counts = relative_counts(settings, of.exemplars, of.strength, of.working, len(schedule), levels=levels)
        return schedule, counts + schedule.first
    ladder = Ladder.of(settings, request.steps)
    total = len(ladder)
    levels = () if settings.map_scale == "index" else _once(_levels(settings, schedule_from(0, ladder)), total)
    until = release_steps(
        settings, of.exemplars, of.strength, of.working, request.steps, overall=request.overall, levels=levels
    )
    schedule = schedule_from(first_step(until, of.strength, ladder), ladder)
    # A sampler that takes its second level twice has a step more from there on.
    return schedule, until + (schedule.total - total) * (until > schedule.first)


@dataclass(frozen=True, slots=True)
class Rule:
    """What a run is made by. The published scripts, which `reference` runs for comparison, have others.

    published: it draws from the encoder's posterior, holds on to the picture without its exemplars, takes the model's own sampler whatever it does
        to held cells, and restores nothing at the end
    composes: exemplars are laid in
    releases: as the function of that name
    """

    published: bool = False
    composes: bool = True
    releases: Callable[[Pass, ScheduleFrom], tuple[Schedule, Counts]] = releases


@dataclass(frozen=True, slots=True, eq=False)
class Pass:
    """One run of the sampler.

    exemplars: those of the request that are laid in by it
    strength: (H, W) of the frame, what may change in it
    rule: by which it is made
    """

    request: EditRequest
    exemplars: Sequence[ExemplarInput]
    strength: Map
    working: ModelCanvas
    backend: Backend
    rule: Rule = field(default_factory=Rule)

    @property
    def settings(self) -> PixelsSettings:
        """Those of the request, also of a published rule. Raises `TypeError` for those of another method."""
        settings = self.request.settings
        if not isinstance(settings, PixelsSettings):
            raise TypeError(f"PIXELS was given {type(settings).__name__}")
        return settings


@dataclass(frozen=True, slots=True, eq=False)
class Composition:
    """What a run begins with and holds on to, for any map of what may change.

    sources: (1 or B, C, h, w) clean latents of the picture
    held, held_noise: what held cells are written over with, likewise
    composite, noise: what the run begins with, likewise
    """

    sources: torch.Tensor
    held: torch.Tensor
    held_noise: torch.Tensor
    composite: torch.Tensor
    noise: torch.Tensor

    def blend(self, until: Counts) -> LatentBlend:
        """`until`: (h, w), before which of all steps each cell is free for the first time."""
        return LatentBlend(self.held, self.held_noise, torch.from_numpy(until)[None, None].to(self.held.device))

    def start(self, schedule: Schedule) -> torch.Tensor:
        """(B, C, h, w), the state before the run's first step."""
        return schedule.noised(self.composite, self.noise, schedule.first)


@torch.no_grad()
def compose(of: Pass, sources: Sequence[Image], noise: Noise) -> Composition:
    """Encode the picture and lay the exemplars in. `sources`: one working canvas, or one for each picture of the batch."""
    published = of.rule.published
    generators = noise.generators("posterior")

    def encode(images: Sequence[Image]) -> torch.Tensor:
        if published:  # the published scripts draw from the posterior, the source first
            pairs = zip([*images] * (noise.batch // len(images)), generators, strict=True)
            return torch.cat([of.backend.sample(image, generator) for image, generator in pairs])
        return torch.cat([of.backend.encode(image) for image in images])

    latents = encode(sources)
    composite, owner = latents, np.full(of.working.grid.shape, -1)
    if of.exemplars and of.rule.composes:
        composite, owner = _composed(of, sources, latents, encode)
    shared = initial = noise.like(latents)
    if of.settings.noise == "independent":
        owned = torch.from_numpy(owner >= 0)[None, None].to(latents.device)
        initial = torch.where(owned, noise.like(latents, "exemplar"), shared)
    held, held_noise = (latents, shared) if published else (composite, initial)
    return Composition(latents, held, held_noise, composite, initial)


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
    of: Pass, sources: Sequence[Image], latents: torch.Tensor, encode: Callable[[Sequence[Image]], torch.Tensor]
) -> tuple[torch.Tensor, NDArray[np.int64]]:
    """The composite's latents and, for each cell, which exemplar owns it: the topmost that covers at least half of it; -1 for none."""
    working = of.working
    owner = owners(of.exemplars, working)
    amounts = [exemplar.alpha * exemplar.strength for exemplar in of.exemplars]
    images = [working.weighted(exemplar.pixels, amount) for exemplar, amount in zip(of.exemplars, amounts, strict=True)]
    canvases = [working.map(amount)[..., None] for amount in amounts]
    if of.settings.compose == "pixels" or (of.settings.compose == "auto" and _mixes(amounts, of.request.revision)):
        laid = list(sources)
        for image, amount in zip(images, canvases, strict=True):
            laid = [amount * image + (1 - amount) * below for below in laid]
        return encode(laid), owner
    composite = latents
    for index, (image, amount) in enumerate(zip(images, canvases, strict=True)):
        # Outside its cut-out an exemplar's canvas shows the source, not black: the encoder looks across the edge.
        data = encode([amount * image + (1 - amount) * source for source in sources])
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


def _once(levels: Sequence[float], steps: int) -> Sequence[float]:
    """One for each of the steps that were asked for, also of a sampler that takes its second level twice."""
    return levels if len(levels) == steps else [*levels[:1], *levels[2:]]
