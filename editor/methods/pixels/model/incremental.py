"""Incremental PIXELS run: after a change of the map it goes on from the first step at which anything differs, to the bits of a fresh run.

A step depends on the map only by the cells that are held before it and the steps before (`editor.diffusion.kept_states`), also where a multistep
solver begins anew. All else that it depends on is read once and kept for as long as it is the same.
"""

from __future__ import annotations

import weakref
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from typing import Final

import numpy as np
import torch

from editor.arrays import Image
from editor.content_key import same_content
from editor.diffusion.backend import Backend
from editor.diffusion.conditioning import conditioning, schedule_for
from editor.diffusion.denoise import RunState, denoise
from editor.diffusion.guidance import Denoiser, Guidance, guided
from editor.diffusion.kept_states import NEVER, KeptStates, ReleaseMap
from editor.diffusion.noise import Noise
from editor.diffusion.previews import LatentColours, Previews
from editor.diffusion.schedule import Schedule
from editor.diffusion.step import Step
from editor.methods.pixels.model.composing import Composition, Pass, compose, picture_prompts, releases
from editor.methods.pixels.model.editing import AFTER, BEFORE, READING, edit, feather_of, in_frame, one_by_one
from editor.methods.pixels.settings import PixelsSettings
from editor.model_canvas.canvas import ModelCanvas
from editor.model_canvas.paste_back import KeptAlpha, result_over
from editor.requests.edit_request import EditRequest, ExemplarInput
from editor.requests.reports import FinishEarly, Progress, Reports, subprogress
from editor.requests.results import LiveResult
from editor.requests.variants import Variant

# What only says when cells are released, or how the result is laid over the picture.
FREE_SETTINGS: Final = ("thin_strokes", "map_scale", "dither", "feather", "match_tone")


@dataclass(frozen=True, slots=True, eq=False)
class _Encoded:
    """The picture and its exemplars as a run begins with them.

    source: the working canvas
    colours: for previews
    """

    source: Image
    composition: Composition
    colours: LatentColours


@dataclass(frozen=True, slots=True, eq=False)
class _Picture:
    """The decoded picture of a run, (canvas height, canvas width, 3), before tone and paste-back, and the run's map."""

    map: ReleaseMap
    image: Image


class IncrementalRun:
    """One live picture: an edit that is made again and again, with as little as possible computed anew.

    The same model, frame, seed, words, settings, picture and exemplars are needed for that; after another request it begins anew. Any round may be
    left before its end: what it computed stays valid.

    max_bytes: of kept states, which lie where the model computes, and as many of kept pictures
    """

    def __init__(self, max_bytes: int) -> None:
        self._max_bytes = max_bytes
        self.release()

    def release(self) -> None:
        """Forget everything."""
        self._backend: Callable[[], Backend | None] = lambda: None
        self._request: EditRequest | None = None  # what is kept belongs to it, whatever its map
        self._guidance: Guidance | None = None
        self._encoded: _Encoded | None = None
        self._alpha = KeptAlpha()
        self._forget_runs()

    def _forget_runs(self) -> None:
        self._states = KeptStates(self._max_bytes)
        self._pictures: list[_Picture] = []  # shown longest ago comes first
        self._shown: ReleaseMap | None = None  # of the last round that came to its end

    @torch.no_grad()
    def edit(self, request: EditRequest, backend: Backend) -> Reports[LiveResult]:
        """One round. Asked to finish early, it makes a result of what there is.

        Raises what `editing.edit` raises.
        """
        if one_by_one(request):  # what a pass begins with is what the one before came to
            return LiveResult((yield from edit(request, backend)))
        self._forget_what_differs(request, backend)
        working = ModelCanvas.of(request.frame, backend.info)
        of = Pass(request, request.exemplars, request.strength, working, backend)
        schedule, until = releases(of, lambda first: schedule_for(backend, request, first, working.canvas))
        if not len(schedule):
            nothing = np.zeros(of.strength.shape, np.float32)
            return LiveResult(
                result_over(Variant(0, request), np.zeros_like(request.image, np.float32), nothing), 0, 0, 0
            )
        map = ReleaseMap(schedule.first, until)
        promise = self._promise(map, schedule)
        image, evaluations, early = self._known(map), 0, False
        if image is None:
            yield Progress(0.0, "Reading the words")
            guidance = yield from subprogress(self._conditioned(of), 0, READING)
            denoiser = _Counting(guided(backend, guidance))
            image, early = yield from subprogress(self._sampled(of, map, schedule, denoiser), READING, 1)
            evaluations = denoiser.evaluations
        generated = in_frame(of, image, self._encode(of).source)
        result = result_over(Variant(0, request), generated, self._alpha.of(of.strength, feather_of(of)))
        if not early:
            self._shown = map
        return LiveResult(result, evaluations, promise, len(schedule))

    def _forget_what_differs(self, request: EditRequest, backend: Backend) -> None:
        kept = self._request
        if self._backend() is not backend or kept is None:
            self.release()
            self._backend = weakref.ref(backend)
        else:
            words, picture = _same_words(kept, request), _same_picture(kept, request)
            if not words:
                self._guidance = None
            if not picture:
                self._encoded = None
            if not (words and picture and _same_run(kept, request)):
                self._forget_runs()
        self._request = request

    def _promise(self, map: ReleaseMap, schedule: Schedule) -> int:
        """Of all the steps that run, those from one before the first that differs from what was shown last."""
        divergence = 0 if self._shown is None else map.divergence(self._shown)
        return 0 if divergence == NEVER else min(len(schedule), schedule.total - divergence + 1)

    def _known(self, map: ReleaseMap) -> Image | None:
        """The picture of a map, where it is kept."""
        for picture in self._pictures:
            if picture.map.divergence(map) == NEVER:
                self._pictures.remove(picture)
                self._pictures.append(picture)
                return picture.image
        return None

    def _conditioned(self, of: Pass) -> Reports[Guidance]:
        """The words, read once."""
        if self._guidance is None:
            self._guidance = yield from conditioning(
                of.backend,
                of.request,
                (of.request.seed,),
                of.working.canvas,
                pictures=picture_prompts(of.exemplars),
                picture_share=of.settings.exemplar_prompt,
            )
        return self._guidance

    def _encode(self, of: Pass) -> _Encoded:
        """The picture with its exemplars, encoded once."""
        if self._encoded is None:
            source = of.working.image(np.asarray(of.request.image / np.float32(255), np.float32))
            composition = compose(of, [source], Noise((of.request.seed,)))
            self._encoded = _Encoded(source, composition, LatentColours(composition.sources, source))
        return self._encoded

    def _sampled(
        self, of: Pass, map: ReleaseMap, schedule: Schedule, denoiser: Denoiser
    ) -> Reports[tuple[Image, bool]]:
        """The decoded picture of a map, (canvas height, canvas width, 3), and whether somebody asked to finish early."""
        yield Progress(0.0, "Looking at the picture")
        encoded, states, pictures = self._encode(of), self._states, self._pictures
        composition, noise = encoded.composition, Noise((of.request.seed,))
        state = states.begin(map)

        def keep(reached: RunState) -> None:
            if reached.step > map.first:  # the first is at hand without the network
                states.keep(map, reached)

        run = denoise(
            denoiser,
            composition.start(schedule) if state is None else state,
            composition.blend(map.until),
            schedule,
            noise.sampler(of.request.revision),
            show=Previews(encoded.colours, of.working, self._alpha.of(of.strength, feather_of(of))),
            keep=keep,
        )
        try:
            sampled = yield from subprogress(run, BEFORE, 1 - AFTER)
            with suppress(FinishEarly):  # that is just what happens
                yield Progress(1 - AFTER, "Finishing")
            image = of.backend.decode(sampled.latents)[0]
        except Exception:
            self._forget_runs()  # what led there may be no numbers either
            raise
        if not sampled.early:
            pictures.append(_Picture(map, image))
            while len(pictures) > 1 and sum(picture.image.nbytes for picture in pictures) > self._max_bytes:
                del pictures[0]
        return image, sampled.early


class _Counting:
    """A denoiser that counts how often it is asked."""

    def __init__(self, denoiser: Denoiser) -> None:
        self._denoiser = denoiser
        self.evaluations = 0

    def __call__(self, latents: torch.Tensor, step: Step) -> torch.Tensor:
        self.evaluations += 1
        return self._denoiser(latents, step)


def _same_words(one: EditRequest, other: EditRequest) -> bool:
    """Whether the network is told the same."""
    return all(
        getattr(one, name) == getattr(other, name)
        for name in ("prompt", "negative_prompt", "guidance_scale", "seed", "frame")
    ) and _same_exemplars(one.exemplars, other.exemplars)


def _same_picture(one: EditRequest, other: EditRequest) -> bool:
    """Whether runs begin with the same, and draw the same noise."""
    return (
        (one.frame, one.seed, one.revision, _of_run(one)) == (other.frame, other.seed, other.revision, _of_run(other))
        and same_content(one.image, other.image)
        and _same_exemplars(one.exemplars, other.exemplars)
    )


def _same_run(one: EditRequest, other: EditRequest) -> bool:
    """Whether the same steps are taken, whatever the map."""
    return (one.steps, one.sampler, _of_run(one)) == (other.steps, other.sampler, _of_run(other))


def _of_run(request: EditRequest) -> object:
    """The settings without those that change no step."""
    settings, first = request.settings, PixelsSettings()
    return replace(settings, **{name: getattr(first, name) for name in FREE_SETTINGS})


def _same_exemplars(one: Sequence[ExemplarInput], other: Sequence[ExemplarInput]) -> bool:
    """Whether the same is laid in: all but for how long it is held, and how far the picture may adapt to it."""
    return len(one) == len(other) and all(
        own.prompt_weight == its.prompt_weight
        and all(same_content(getattr(own, name), getattr(its, name)) for name in ("pixels", "alpha", "strength"))
        for own, its in zip(one, other, strict=True)
    )
