"""Edits by Blended Latent Diffusion, from the request to the results."""

from __future__ import annotations

import logging
from collections.abc import Sequence

import torch

from editor.diffusion.backend import Backend
from editor.diffusion.conditioning import conditioned_denoiser
from editor.diffusion.denoise import denoise
from editor.diffusion.loading import out_of_memory
from editor.diffusion.previews import LatentColours, Previews
from editor.errors import NotFinite, let_go
from editor.methods.blended_latent_diffusion.model import reference, starting
from editor.methods.blended_latent_diffusion.model.finishing import Finish, Finished
from editor.methods.blended_latent_diffusion.model.starting import Region
from editor.methods.blended_latent_diffusion.settings import BlendedSettings
from editor.model_canvas.canvas import ModelCanvas
from editor.requests.edit_request import EditRequest
from editor.requests.reports import FinishEarly, Progress, Reports, emit_result, subprogress, without_results
from editor.requests.results import EditResult

log = logging.getLogger(__name__)

# Of the time of an edit, what is spent on reading the words, and what comes before and after the steps; learning takes about as long as they do.
READING, BEFORE, AFTER, LEARNING = 0.04, 0.08, 0.06, 0.5


@torch.no_grad()
def edit(request: EditRequest, backend: Backend) -> Reports[EditResult]:
    """One candidate; see `edit_batch`."""
    (result,) = yield from without_results(edit_batch(request, (request.seed,), backend))
    return result


@torch.no_grad()
def edit_batch(request: EditRequest, seeds: Sequence[int], backend: Backend) -> Reports[tuple[EditResult, ...]]:
    """One candidate for each seed, reported as `ResultReady` when it is finished (arXiv 2206.02779, algorithm 1; specification, section 4.1).

    The source, noised to the level where the run begins, is denoised by the words; after every step the cells outside the region are written
    over with the source at that step's level, and at the end with the source itself. Each candidate is that of a run by itself, to rounding.

    Raises `NotFinite` where there is no picture in what the model made, after those candidates that are sound.
    """
    settings = request.settings
    if not isinstance(settings, BlendedSettings):
        raise TypeError(f"Blended Latent Diffusion was given {type(settings).__name__}")
    yield Progress(0.0, "Reading the words")
    working = ModelCanvas.of(request.frame, backend.info)
    reading = conditioned_denoiser(
        backend, request, seeds, working.canvas, always_guided=settings.rule in reference.ALWAYS_GUIDED
    )
    denoiser = yield from subprogress(reading, 0, READING)
    yield Progress(READING, "Looking at the picture")
    region = Region.of(request, settings, working)
    source = working.image(request.image if request.scribble is None else request.scribble)
    begin = starting.begin if settings.rule == "canonical" else reference.begin
    start = begin(request, region, backend, seeds, source)
    finish = Finish.of(request, settings, region, backend)
    show = Previews(LatentColours(start.source[:1], source), working, finish.alpha)
    sampling = denoise(denoiser, start.latents, start.blend, start.schedule, start.generators, show=show)
    after = AFTER if finish.learns is None else LEARNING
    sampled = yield from subprogress(sampling, BEFORE, 1 - after)
    results: list[EditResult] = []
    hurried, lost = sampled.early, list(sampled.lost.values())
    for index, (seed, latents) in enumerate(zip(seeds, sampled.latents, strict=True)):
        low, high = (1 - after * (1 - each / len(seeds)) for each in (index, index + 1))
        if index in sampled.lost:
            continue
        try:
            yield Progress(low, "Finishing")
        except FinishEarly:
            hurried = True  # that is just what happens; what takes long is left out
        done: Finished | None = None
        try:
            done = yield from subprogress(finish.finished(latents, seed, hurried=hurried), low, high)
        except NotFinite as error:
            log.warning("A candidate cannot be finished: %s", error)
            if hurried or finish.learns is None:
                lost.append(error)
                continue
        except (RuntimeError, MemoryError) as error:
            if hurried or finish.learns is None or out_of_memory(error) is None:
                raise
            log.warning("There is not enough memory to learn the surroundings; results are pasted")
            hurried = True
            let_go(error)
        if done is None:  # rather with a plainer edge than not at all
            try:
                done = yield from subprogress(finish.finished(latents, seed, hurried=True), high, high)
            except NotFinite as error:
                lost.append(error)
                continue
        hurried = hurried or done.early
        yield from emit_result(done.result)
        results.append(done.result)
    if lost:
        raise lost[0]
    return tuple(results)
