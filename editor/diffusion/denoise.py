"""The one sampling loop. It knows nothing of prompts or masks."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import Any, Protocol

import torch

from editor.diffusion.blending import Blend
from editor.diffusion.finite import Watch, sound_rows
from editor.diffusion.guidance import Denoiser, Role
from editor.diffusion.noise import StepGenerators
from editor.diffusion.schedule import Schedule
from editor.diffusion.step import Step
from editor.errors import NotFinite
from editor.requests.reports import FinishEarly, Preview, Progress, Reports

# Above this share of cells released since the step before, a multistep solver's history is dropped: it would extrapolate from what was written over.
MAX_RELEASED = 0.25


@dataclass(frozen=True, slots=True, eq=False)
class RunState:
    """A run between two steps, from which it can go on, to the same bits as if it had not stopped.

    step: absolute index of the step that comes next
    latents: (B, C, h, w) before that step, nothing written over yet
    memory: what the sampler remembers of earlier steps (`Schedule.memory`)
    draws: where the generators stand, if they are of one stream for the whole run
    """

    step: int
    latents: torch.Tensor
    memory: Mapping[str, Any] = field(default_factory=dict)
    draws: tuple[torch.Tensor, ...] = ()


@dataclass(frozen=True, slots=True, eq=False)
class Sampled:
    """The outcome of a run.

    latents: (B, C, h, w), clean
    early: whether somebody asked to finish before the last step
    lost: the pictures of the batch whose numbers are not finite any more, by place, each with what to say of it; there are always others
    """

    latents: torch.Tensor
    early: bool = False
    lost: Mapping[int, NotFinite] = field(default_factory=dict)


class Shows(Protocol):
    """Turns clean latents into something to look at, not more often than anybody looks."""

    def due(self) -> bool: ...

    def preview(self, latents: torch.Tensor) -> Preview:
        """Of the clean latents of one picture, (1, C, h, w)."""


@torch.no_grad()
def denoise(
    denoiser: Denoiser,
    start: torch.Tensor | RunState,
    blend: Blend,
    schedule: Schedule,
    generators: StepGenerators | None = None,
    *,
    show: Shows | None = None,
    restore: bool = True,
    roles: Sequence[Role] = (),
    keep: Callable[[RunState], None] | None = None,
) -> Reports[Sampled]:
    """From the state before the first step to clean latents, (B, C, h, w).

    start: the state before the run's first step, (B, C, h, w), or a kept one of a run with the same schedule and generators
    generators: for samplers that add noise
    show: is given the clean latents that a step points at
    restore: cells that are held to the end come out as the clean reference (off only for comparison with published code)
    roles: of the rows of the batch, all candidates unless said; sources are not shown
    keep: is given the state before every step

    Asked to finish early, it returns what the last step points at.

    Raises `NotFinite` as soon as it is known that no picture of the batch has finite numbers any more: on a processor after each step, on a card
    where it is waited for anyway, for a preview or at the end.
    """
    steps = len(schedule)
    released = blend.released_fraction(schedule.steps)
    first = schedule.first
    if isinstance(start, RunState):
        first, latents = start.step, start.latents
        schedule.resume(first, start.memory)
        if start.draws:
            _set_draws(generators, start.draws)
    else:
        latents = start
    watch = Watch(latents, steps)
    for place, step in enumerate(schedule.steps):
        i = step.index
        if i < first:
            continue
        if keep is not None:
            keep(RunState(i, latents, schedule.memory(), _draws(generators)))
        if released[place] > MAX_RELEASED:
            schedule.restart(i)
        latents = blend.before_step(latents, step)
        prediction = denoiser(schedule.model_input(latents, i), step)
        estimate = partial(schedule.estimate, prediction, i, latents)
        try:
            if show is not None and show.due():
                watch.lost()
                clean = blend.finalise(estimate(), step)
                row = _shown(clean, roles)
                if row is not None:
                    yield show.preview(clean[row : row + 1])
            yield Progress((place + 1) / steps, f"Step {place + 1} of {steps}")
        except FinishEarly:
            clean = blend.finalise(estimate(), step)
            watch.see(clean, place)
            return Sampled(clean, early=True, lost=watch.lost())
        stepped = schedule.step(prediction, i, latents, _for_step(generators, step))
        watch.see(stepped, place)
        if not watch.waiting:
            watch.lost()
        latents = blend.after_step(stepped, estimate, step)
    clean = blend.finalise(latents, schedule.steps[-1]) if restore else latents
    return Sampled(clean, lost=watch.lost())


def _shown(latents: torch.Tensor, roles: Sequence[Role]) -> int | None:
    """The first row that is a picture of what is being made, None where none is."""
    sound: list[bool] = sound_rows(latents).tolist()
    return next((row for row, fine in enumerate(sound) if fine and (not roles or roles[row] != "source")), None)


def _for_step(generators: StepGenerators | None, step: Step) -> Sequence[torch.Generator] | None:
    return generators(step) if callable(generators) else generators


def _draws(generators: StepGenerators | None) -> tuple[torch.Tensor, ...]:
    return (
        () if generators is None or callable(generators) else tuple(generator.get_state() for generator in generators)
    )


def _set_draws(generators: StepGenerators | None, states: tuple[torch.Tensor, ...]) -> None:
    if generators is not None and not callable(generators):
        for generator, state in zip(generators, states, strict=True):
            generator.set_state(state)
