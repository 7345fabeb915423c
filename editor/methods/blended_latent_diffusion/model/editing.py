"""Edits by Blended Latent Diffusion, from the request to the results."""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import torch

from editor.diffusion.backend import Backend, Image
from editor.diffusion.conditioning import conditioned_denoiser
from editor.diffusion.denoise import denoise
from editor.diffusion.fits import FitStore
from editor.diffusion.previews import LatentColours, Previews
from editor.errors import NotFinite
from editor.methods.blended_latent_diffusion.model import starting
from editor.methods.blended_latent_diffusion.model.finishing import Finish
from editor.methods.blended_latent_diffusion.model.starting import Region, Start
from editor.methods.blended_latent_diffusion.settings import BlendedSettings
from editor.model_canvas.canvas import ModelCanvas
from editor.requests.edit_request import EditRequest
from editor.requests.reports import FinishEarly, Progress, Reports, emit_result, subprogress, without_results
from editor.requests.results import EditResult
from editor.requests.variants import Variant

log = logging.getLogger(__name__)

# Of the time of an edit, what is spent on reading the words, and what comes before and after the steps; learning takes about as long as they do.
READING, BEFORE, AFTER, LEARNING = 0.04, 0.08, 0.06, 0.5


@dataclass(frozen=True, slots=True)
class Rule:
    """What an edit is made by. The published scripts, which `reference` runs for comparison, have others.

    begin: where the run begins, and what it holds on to
    banded: as in `Finish`
    always_guided: the network is asked twice at any guidance
    """

    begin: Callable[[EditRequest, Region, Backend, Sequence[int], Image], Start] = starting.begin
    banded: bool = True
    always_guided: bool = False


CANONICAL = Rule()


@torch.no_grad()
def edit(request: EditRequest, backend: Backend) -> Reports[EditResult]:
    """One candidate; see `edit_batch`."""
    (result,) = yield from without_results(edit_batch((Variant(0, request),), backend))
    return result


@torch.no_grad()
def edit_batch(
    variants: Sequence[Variant],
    backend: Backend,
    fits: FitStore | None = None,
    *,
    rule: Rule = CANONICAL,
) -> Reports[tuple[EditResult, ...]]:
    """One candidate for each variant of a batch, reported as `ResultReady` when it is finished (arXiv 2206.02779, algorithm 1).

    The source, noised to the level where the run begins, is denoised by the words; before every step the cells outside the region are written
    over with the source noised to that step's level, and at the end with the source itself. Each candidate is that of a run by itself, to rounding.

    fits: where what was learned about pictures is kept; asked for the same again, it comes at once

    Raises `NotFinite` where there is no picture in what the model made, after those candidates that are sound.
    """
    request, seeds = variants[0].request, [variant.seed for variant in variants]
    settings = request.settings
    if not isinstance(settings, BlendedSettings):
        raise TypeError(f"Blended Latent Diffusion was given {type(settings).__name__}")
    yield Progress(0.0, "Reading the words")
    working = ModelCanvas.of(request.frame, backend.info)
    reading = conditioned_denoiser(backend, request, seeds, working.canvas, always_guided=rule.always_guided)
    denoiser = yield from subprogress(reading, 0, READING)
    yield Progress(READING, "Looking at the picture")
    region = Region.of(request, settings, working)
    source = working.image(request.image if request.scribble is None else request.scribble)
    start = rule.begin(request, region, backend, seeds, source)
    shown = source if request.scribble is None else None
    finish = Finish.of(request, settings, region, backend, fits, banded=rule.banded, source=shown)
    show = Previews(LatentColours(start.source[:1], source), working, finish.alpha)
    sampling = denoise(denoiser, start.latents, start.blend, start.schedule, start.generators, show=show)
    after = AFTER if finish.learns is None else LEARNING
    sampled = yield from subprogress(sampling, BEFORE, 1 - after)
    results: list[EditResult] = []
    hurried, lost = sampled.early, list(sampled.lost.values())
    for index, (variant, latents) in enumerate(zip(variants, sampled.latents, strict=True)):
        low, high = (1 - after * (1 - count / len(seeds)) for count in (index, index + 1))
        if index in sampled.lost:
            continue
        try:
            yield Progress(low, "Finishing")
        except FinishEarly:
            hurried = True  # that is just what happens; what takes long is left out
        try:
            done = yield from subprogress(finish.finish(latents, variant, allow_learning=not hurried), low, high)
        except NotFinite as error:
            log.warning("A candidate cannot be finished: %s", error)
            lost.append(error)
            continue
        hurried = hurried or done.early
        yield from emit_result(done.result)
        results.append(done.result)
    if lost:
        raise lost[0]
    return tuple(results)
