"""Edits of items, from the request to the results."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import suppress
from dataclasses import replace

import numpy as np
import torch

from editor.diffusion.attention.sites import BatchLayout
from editor.diffusion.backend import Backend
from editor.diffusion.blending import LatentBlend
from editor.diffusion.conditioning import conditioning, schedule_for
from editor.diffusion.denoise import denoise
from editor.diffusion.evaluation import during
from editor.diffusion.guidance import Denoiser, guided
from editor.diffusion.noise import Noise
from editor.diffusion.previews import LatentColours, Previews
from editor.errors import NotFinite
from editor.geometry import Rect
from editor.methods.items.model.grouping import grouped
from editor.methods.items.regions import hold_counts
from editor.methods.items.settings import ItemsSettings
from editor.model_canvas.canvas import ModelCanvas
from editor.model_canvas.paste_back import Pasted, matched, paste_alpha, result_of
from editor.requests.edit_request import EditRequest
from editor.requests.reports import FinishEarly, Progress, Reports, emit_result, subprogress, without_results
from editor.requests.results import EditResult
from editor.requests.variants import Variant

READING, BEFORE, AFTER = (
    0.04,
    0.08,
    0.06,
)  # of the time of an edit: reading the words, what comes before the steps, and after


@torch.no_grad()
def edit(request: EditRequest, backend: Backend) -> Reports[EditResult]:
    """One result; see `edit_batch`."""
    (result,) = yield from without_results(edit_batch((Variant(0, request),), backend))
    return result


@torch.no_grad()
def edit_batch(variants: Sequence[Variant], backend: Backend) -> Reports[tuple[EditResult, ...]]:
    """The pictures of a batch's variants, which differ in the seed; each is that of a run by itself, to rounding, and reported at the end.

    What changes begins as noise; all else is written over with the source, noised to the level of each step, for as long as the strength says.

    Raises `NotFinite` where there is no picture in what the model made, after those results that are sound.
    """
    request, seeds = variants[0].request, [variant.seed for variant in variants]
    settings = request.settings
    if not isinstance(settings, ItemsSettings):
        raise TypeError(f"changing items was given {type(settings).__name__}")
    yield Progress(0.0, "Reading the words")
    working = ModelCanvas.of(request.frame, backend.info)
    denoiser = yield from subprogress(_denoiser(request, settings, seeds, backend, working), 0, READING)
    yield Progress(READING, "Looking at the picture")
    until = hold_counts(request.strength, working, request.steps)
    schedule = schedule_for(backend, request, int(until.min()), working.canvas)
    until = until + (schedule.total - request.steps) * (until > schedule.first)  # of samplers that take a level twice
    source = working.image(request.image)
    latents, noise = backend.encode(source), Noise(seeds)
    drawn = noise.like(latents)
    alpha = paste_alpha(request.strength, settings.feather * backend.info.shrinking / working.scale)
    sampled = yield from subprogress(
        denoise(
            denoiser,
            schedule.noised(latents, drawn, schedule.first),
            LatentBlend(latents, drawn, torch.from_numpy(until)[None, None].to(latents.device)),
            schedule,
            noise.sampler(request.revision),
            show=Previews(LatentColours(latents, source), working, alpha),
        ),
        BEFORE,
        1 - AFTER,
    )
    area, results, lost = Rect.of_mask(alpha), list[EditResult](), list(sampled.lost.values())
    for index, variant in enumerate(variants):
        if index in sampled.lost:
            continue
        with suppress(FinishEarly):  # that is just what happens
            yield Progress(1 - AFTER * (1 - index / len(variants)), "Finishing")
        try:
            image = backend.decode(sampled.latents[index : index + 1])[0]
        except NotFinite as error:
            lost.append(error)
            continue
        if settings.match_tone != "off":
            image = matched(image, source, working.map(request.strength), always=settings.match_tone == "on")
        pasted = Pasted.bare().over(working.back(image, area), alpha[area.slices], area, used_up=True)
        result = result_of(variant, pasted)
        yield from emit_result(result)
        results.append(result)
    if lost:
        raise lost[0]
    return tuple(results)


def _denoiser(
    request: EditRequest, settings: ItemsSettings, seeds: Sequence[int], backend: Backend, working: ModelCanvas
) -> Reports[Denoiser]:
    """The network with the words for what changes, or with those of each item in its place."""
    if request.labels is not None and reads_own_words(request, settings):
        own = yield from grouped(backend, request, request.labels, seeds[0], working)
        if own is not None:
            rows = BatchLayout(tuple(branch.name for branch in own.guidance.branches))
            return during(guided(backend, own.guidance), backend.attention(own.operation, rows))
    reworded = replace(request, prompt=words_for_all(request), negative_prompt=avoided(request, settings))
    return guided(backend, (yield from conditioning(backend, reworded, seeds, working.canvas)))


def reads_own_words(request: EditRequest, settings: ItemsSettings) -> bool:
    """Whether each item reads its own words only. Where one becomes another, models that never learned it so follow words for the whole better."""
    if settings.own_words == "auto":
        return request.action == "remove" or settings.is_outside
    return settings.own_words == "on"


def avoided(request: EditRequest, settings: ItemsSettings) -> str:
    """The negative prompt: what was typed, and where an item becomes another, what is around it."""
    typed = request.negative_prompt.strip()
    if settings.avoid == "off" or request.action == "remove" or settings.is_outside:
        return typed
    around = [words for words in (*request.prompts[1:], *request.prompts[:1]) if words and words != request.prompt]
    return ", ".join(filter(None, (typed, " ".join(around))))


def words_for_all(request: EditRequest) -> str:
    """What the whole picture is told: what something becomes; where something goes, the words of what comes in its place."""
    if request.action != "remove" or request.labels is None:
        return request.prompt
    changed = request.labels[request.strength >= request.strength.max()]
    return request.prompts[int(np.bincount(changed.ravel()).argmax())]
