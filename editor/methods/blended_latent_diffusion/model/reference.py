"""The published scripts, for comparison: where they begin, what they write over the latents, and when (docs/methods.md, Blended Latent Diffusion 2).

"ref_ldm" blends before each step, at its level, and not after the last. "ref_sd2" and "ref_sdxl" blend after each step at the level that was
just left, one step too noisy, and end so: a little grain with many steps, ruin with few, which are refused.

Each brings its own sampler, built on the configuration of the model's: DDIM without clipping that ends at the level of timestep 0 ("ref_ldm"
from timestep 1 on, with a list of its own; "ref_sd2" from 0 on), or Euler that begins one timestep later ("ref_sdxl"). Fed with the same noise
they are the scripts to the bit; the noise comes from our streams, they work at the request's size, and a region that was turned inside out was
so before it is widened.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import torch

from editor.diffusion.backend import Backend, Image
from editor.diffusion.blending import NoBlend
from editor.diffusion.finite import sound_rows
from editor.diffusion.fits import FitStore
from editor.diffusion.noise import Noise
from editor.diffusion.step import Step
from editor.errors import InvalidRequest
from editor.methods.blended_latent_diffusion.model import editing
from editor.methods.blended_latent_diffusion.model.starting import Region, Start
from editor.methods.blended_latent_diffusion.reference import ReferenceBlendedSettings
from editor.methods.blended_latent_diffusion.region_cells import HALF, nearest_cells, published_stage_of, widened
from editor.requests.edit_request import EditRequest
from editor.requests.reports import Reports, without_results
from editor.requests.results import EditResult
from editor.requests.samplers import Sampler
from editor.requests.variants import Variant

MIN_STEPS = 10  # steps; with 8 the noise that is left is nearly half of all there is
TRAINED = 1000  # timesteps
ALWAYS_GUIDED = ("ref_sd2",)  # its script asks the network twice at any guidance


@dataclass(frozen=True, slots=True, eq=False)
class Late(NoBlend):
    """After every step, the last one too, the source at the level that was left, outside `free`, (1, 1, h, w) bool.

    `latents`: (1, C, h, w) clean. `fresh`: draws (B, C, h, w).
    """

    latents: torch.Tensor
    free: torch.Tensor
    fresh: Callable[[], torch.Tensor]

    def after_step(self, latents: torch.Tensor, estimate: Callable[[], torch.Tensor], step: Step) -> torch.Tensor:
        """The state with the source, noised, outside."""
        return torch.where(self.free, latents, step.noised(self.latents, self.fresh()))


@dataclass(frozen=True, slots=True, eq=False)
class Early(NoBlend):
    """Before every step the source at its level, mixed in by `free`, (T, 1, h, w) in [0, 1], one map for each step.

    After `pictures` steps it is instead the picture that a step pointed at which is mixed with the source: `again` takes clean latents to
    those of that mixture, which are noised to the level that was left. `fresh`: draws (1 + B, C, h, w), the first for all. `first`: the absolute
    index of the run's first step.
    """

    latents: torch.Tensor
    free: torch.Tensor
    fresh: Callable[[], torch.Tensor]
    first: int
    pictures: int
    again: Callable[[torch.Tensor], torch.Tensor]

    def before_step(self, latents: torch.Tensor, step: Step) -> torch.Tensor:
        """The state with the source, noised, mixed in."""
        place = step.index - self.first
        if place >= self.pictures:
            return latents
        return step.noised(self.latents, self.fresh()[:1]) * (1 - self.free[place]) + latents * self.free[place]

    def after_step(self, latents: torch.Tensor, estimate: Callable[[], torch.Tensor], step: Step) -> torch.Tensor:
        """As it is, or the mixed picture, noised."""
        if step.index - self.first < self.pictures:
            return latents
        return step.noised(self.again(estimate()), self.fresh()[1:])


@torch.no_grad()
def edit(request: EditRequest, backend: Backend) -> Reports[EditResult]:
    """One candidate; see `edit_batch`."""
    (result,) = yield from without_results(edit_batch((Variant(0, request),), backend))
    return result


@torch.no_grad()
def edit_batch(
    variants: Sequence[Variant], backend: Backend, fits: FitStore | None = None
) -> Reports[tuple[EditResult, ...]]:
    """As `editing.edit_batch`, by the published rule of the request's settings."""
    rule = editing.Rule(begin, banded=False, always_guided=_published(variants[0].request).rule in ALWAYS_GUIDED)
    return (yield from editing.edit_batch(variants, backend, fits, rule=rule))


def _published(request: EditRequest) -> ReferenceBlendedSettings:
    if not isinstance(request.settings, ReferenceBlendedSettings):
        raise TypeError("not one of the published rules")
    return request.settings


@torch.no_grad()
def begin(request: EditRequest, region: Region, backend: Backend, seeds: Sequence[int], source: Image) -> Start:
    """As `starting.begin`, by the rule of the settings. What a script draws once for all candidates comes from the first one's seed.

    Raises `InvalidRequest` for few steps and models made for few, another sampler, numbers of steps that the script cannot do, and regions
    that it would lose.
    """
    settings = _published(request)
    if min(request.steps, backend.info.own_steps) < MIN_STEPS:
        raise InvalidRequest(
            "The published rule ruins the picture where steps are few.",
            f"Take {MIN_STEPS} or more.",
        )
    sampler: Sampler = "euler" if settings.rule == "ref_sdxl" else "ddim"
    if request.sampler not in ("", sampler):
        raise InvalidRequest(
            "The published rule has a sampler of its own.", "Leave the choice of the sampler to the model."
        )
    cells = nearest_cells(region.soft, region.working)
    if not (cells > 0 if settings.rule == "ref_ldm" else cells >= HALF).any():
        raise InvalidRequest(
            "The published rule loses a region as thin as this one.", "Make it wider, or take the rule “canonical”."
        )
    free = torch.from_numpy(cells)[None, None].to(backend.device)
    if settings.rule == "ref_ldm":
        return _ldm(request, settings, region, backend, seeds, source=source, free=free)
    schedule = backend.schedule(request.steps).altered(
        sampler,
        region.skipped(request.steps),
        timestep_spacing="leading",
        steps_offset=int(settings.rule == "ref_sdxl"),
        clip_sample=False,
        set_alpha_to_one=False,
    )
    latents, noise = backend.encode(source), Noise(seeds)
    initial = noise.like(latents)
    start = initial if settings.rule == "ref_sd2" else schedule.noised(latents, initial, schedule.first)
    blend = Late(latents, free >= HALF, noise.stream(latents, "blend"))
    return Start(schedule, latents, start, blend, noise.generators("sampler"))


def ldm_timesteps(steps: int) -> tuple[int, ...]:
    """The list of "ref_ldm", the noisiest first; not always as long as what was asked for. Raises `InvalidRequest` where it runs out of range."""
    index = tuple(range(1, TRAINED + 1, TRAINED // steps))[::-1]
    if index[0] >= TRAINED:
        raise InvalidRequest(f"The published rule cannot make {steps} steps.", "Choose another number.")
    return index


def _ldm(
    request: EditRequest,
    settings: ReferenceBlendedSettings,
    region: Region,
    backend: Backend,
    seeds: Sequence[int],
    *,
    source: Image,
    free: torch.Tensor,
) -> Start:
    timesteps = ldm_timesteps(request.steps)
    schedule = backend.schedule(request.steps).altered(
        "ddim", region.skipped(len(timesteps)), timesteps=timesteps, clip_sample=False, set_alpha_to_one=False
    )
    ran, stages = len(schedule), region.widen + 1
    masks = [free[0, 0]]
    for reach in range(1, stages):
        wider = torch.from_numpy(widened(free[0, 0].cpu().numpy() > 0, reach))
        masks.insert(0, wider.to(free))
    maps = torch.stack([masks[published_stage_of(step, ran, stages)] for step in range(ran)])[:, None]
    latents = backend.sample(source, Noise([request.seed]).generators("posterior")[0])
    noise = Noise(seeds)
    start = schedule.noised(latents, noise.like(latents), schedule.first)
    edited = region.working.map(region.soft)[..., None] >= HALF
    generators = noise.generators("sampler")  # of which this sampler itself draws nothing

    def again(clean: torch.Tensor) -> torch.Tensor:
        clean = torch.where(sound_rows(clean)[:, None, None, None], clean, 0)  # what is lost must not end the others
        mixed = [np.where(edited, image, source) for image in backend.decode(clean, clamp=False)]
        return torch.cat([backend.sample(*pair) for pair in zip(mixed, generators, strict=True)])

    fresh = Noise([request.seed, *seeds]).stream(latents, "blend")
    blend = Early(latents, maps, fresh, schedule.first, int(ran * (1 - settings.pixel_blending)), again)
    return Start(schedule, latents, start, blend, noise.generators("sampler"))
