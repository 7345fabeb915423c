"""The one sampling loop. It knows nothing of prompts or masks."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import Protocol

import torch

from editor.diffusion.blending import Holds
from editor.diffusion.finite import Watch, sound_rows
from editor.diffusion.guidance import Denoiser
from editor.diffusion.schedule import Schedule
from editor.errors import NotFinite
from editor.requests.reports import FinishEarly, Preview, Progress, Reports

# Multistep solvers extrapolate from steps in which more than this share of the cells was still written over (PIXELS specification, section 10).
MUCH = 0.25


@dataclass(frozen=True, slots=True, eq=False)
class Sampled:
    """`latents`: (B, C, h, w), clean. `early`: whether somebody asked to finish before the last step. `lost`: the pictures of the batch whose numbers
    are not finite any more, by place, each with what to say of it; there are always others.
    """

    latents: torch.Tensor
    early: bool = False
    lost: Mapping[int, NotFinite] = field(default_factory=dict)


class Shows(Protocol):
    """Turns clean latents into something to look at, not more often than anybody looks."""

    def due(self) -> bool: ...

    def preview(self, latents: torch.Tensor) -> Preview: ...


@torch.no_grad()
def denoise(
    denoiser: Denoiser,
    latents: torch.Tensor,
    anchor: Holds,
    schedule: Schedule,
    generators: Sequence[torch.Generator] | None = None,
    *,
    show: Shows | None = None,
    restore: bool = True,
) -> Reports[Sampled]:
    """From the state before step 0 to clean latents, (B, C, h, w).

    `show` is given the clean latents that a step points at. `restore`: cells that are
    held to the end come out as the clean anchor (off only for comparison with published code). Asked to finish early, it returns
    what the last step points at.

    Raises `NotFinite` as soon as it is known that no picture of the batch has finite numbers any more: on a processor after each step, on a card
    where it is waited for anyway, for a preview or at the end.
    """
    steps = len(schedule)
    watch = Watch(latents, steps)
    let_go = anchor.let_go(steps)
    for i in range(steps):
        if let_go[i] > MUCH:
            schedule.restart(i)
        latents = anchor.before(latents, schedule, i)
        prediction = denoiser(schedule.model_input(latents, i), schedule.timesteps[i])
        estimate = partial(schedule.estimate, prediction, i, latents)
        try:
            if show is not None and show.due():
                watch.lost()
                seen = anchor.after(estimate(), schedule, i)
                sound = sound_rows(seen)
                if sound.any():
                    yield show.preview(seen if sound.all() else seen[sound])
            yield Progress((i + 1) / steps, f"Step {i + 1} of {steps}")
        except FinishEarly:
            clean = anchor.after(estimate(), schedule, i)
            watch.see(clean, i)
            return Sampled(clean, early=True, lost=watch.lost())
        stepped = schedule.step(prediction, i, latents, generators)
        watch.see(stepped, i)
        if not watch.waiting:
            watch.lost()
        latents = anchor.stepped(stepped, estimate, schedule, i)
    clean = anchor.after(latents, schedule, steps - 1) if restore else latents
    return Sampled(clean, lost=watch.lost())
