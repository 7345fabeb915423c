"""Incremental PIXELS run: after a change of the map it goes on from the first step at which anything differs, to the bits of a fresh run.

A step depends on the map only by the cells that are held before it and the steps before (`editor.diffusion.kept_states`), also where a multistep
solver begins anew. All else that it depends on is read once and kept for as long as it is the same.
"""

from __future__ import annotations

import weakref
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass, field, replace
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

MAX_PICTURES: Final = 128
"""Kept of one live picture, for undo: as many as anybody goes back at once, so that small ones do not pile up for hours."""
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


@dataclass(slots=True, eq=False)
class _Kept:
    """What rounds of one run have in common. Every round holds on to its own, whatever is asked for meanwhile.

    request: what it belongs to, whatever the map
    pictures: decoded, before tone and paste-back, by the keys of their maps; shown longest ago comes first
    shown: the map of the last round that came to its end
    """

    request: EditRequest
    backend: weakref.ref[Backend]
    states: KeptStates
    guidance: Guidance | None = None
    encoded: _Encoded | None = None
    pictures: dict[str, Image] = field(default_factory=dict)
    shown: ReleaseMap | None = None

    def picture(self, map: ReleaseMap) -> Image | None:
        """That of a map, where it is kept."""
        image = self.pictures.pop(map.key, None)
        if image is not None:
            self.pictures[map.key] = image
        return image

    def keep_picture(self, map: ReleaseMap, image: Image, max_bytes: int) -> None:
        """The newest is kept in any case."""
        self.pictures[map.key] = image
        while len(self.pictures) > 1 and (
            len(self.pictures) > MAX_PICTURES or sum(kept.nbytes for kept in self.pictures.values()) > max_bytes
        ):
            del self.pictures[next(iter(self.pictures))]

    def forget_runs(self, max_bytes: int) -> None:
        """All that came of steps."""
        self.states, self.pictures, self.shown = KeptStates(max_bytes), {}, None


class IncrementalRun:
    """One live picture: an edit that is made again and again, with as little as possible computed anew.

    The same model, frame, seed, words, settings, picture and exemplars are needed for that; after another request it begins anew. Any round may be
    left before its end: what it computed stays valid.

    max_bytes: of kept states, which lie where the model computes, and as many of kept pictures
    """

    def __init__(self, max_bytes: int) -> None:
        self._max_bytes = max_bytes
        self._kept: _Kept | None = None
        self._alpha = KeptAlpha()

    def release(self) -> None:
        """Forget everything."""
        self._kept, self._alpha = None, KeptAlpha()

    @torch.no_grad()
    def edit(self, request: EditRequest, backend: Backend) -> Reports[LiveResult]:
        """One round. Asked to finish early, it makes a result of what there is.

        Raises what `editing.edit` raises.
        """
        if one_by_one(request):  # what a pass begins with is what the one before came to
            return LiveResult((yield from edit(request, backend)))
        kept = self._kept = self._still_valid(request, backend)
        working = ModelCanvas.of(request.frame, backend.info)
        of = Pass(request, request.exemplars, request.strength, working, backend)
        schedule, until = releases(
            of, lambda first, ladder: schedule_for(backend, request, first, working.canvas, finer=ladder.finer)
        )
        if not len(schedule):
            nothing = np.zeros(of.strength.shape, np.float32)
            image = np.zeros(request.image.shape, np.float32)
            return LiveResult(result_over(Variant(0, request), image, nothing), 0, 0, 0)
        map = ReleaseMap(schedule.first, until)
        promise = _promise(kept.shown, map, schedule)
        known, evaluations, early = kept.picture(map), 0, False
        if known is None:
            yield Progress(0.0, "Reading the words")
            guidance = yield from subprogress(_conditioned(kept, of), 0, READING)
            denoiser = _Counting(guided(backend, guidance))
            known, early = yield from subprogress(self._sampled(kept, of, map, schedule, denoiser), READING, 1)
            evaluations = denoiser.evaluations
        generated = in_frame(of, known, _encoded(kept, of).source)
        result = result_over(Variant(0, request), generated, self._alpha.of(of.strength, feather_of(of)))
        if not early:
            kept.shown = map
        return LiveResult(result, evaluations, promise, len(schedule))

    def _still_valid(self, request: EditRequest, backend: Backend) -> _Kept:
        """What is kept, as far as it is worth anything for this request."""
        kept, states = self._kept, KeptStates(self._max_bytes)
        if kept is None or kept.backend() is not backend:
            return _Kept(request, weakref.ref(backend), states)
        words, picture = _same_words(kept.request, request), _same_picture(kept.request, request)
        if words and picture and _same_run(kept.request, request):
            return kept
        return _Kept(request, kept.backend, states, kept.guidance if words else None, kept.encoded if picture else None)

    def _sampled(
        self, kept: _Kept, of: Pass, map: ReleaseMap, schedule: Schedule, denoiser: Denoiser
    ) -> Reports[tuple[Image, bool]]:
        """The decoded picture of a map, (canvas height, canvas width, 3), and whether somebody asked to finish early."""
        yield Progress(0.0, "Looking at the picture")
        encoded, states = _encoded(kept, of), kept.states
        state = states.begin(map)

        def keep(reached: RunState) -> None:
            if reached.step > map.first:  # the first is at hand without the network
                states.keep(map, reached)

        run = denoise(
            denoiser,
            encoded.composition.start(schedule) if state is None else state,
            encoded.composition.blend(map.until),
            schedule,
            Noise((of.request.seed,)).sampler(of.request.revision),
            show=Previews(encoded.colours, of.working, self._alpha.of(of.strength, feather_of(of))),
            keep=keep,
        )
        try:
            sampled = yield from subprogress(run, BEFORE, 1 - AFTER)
            with suppress(FinishEarly):  # that is just what happens
                yield Progress(1 - AFTER, "Finishing")
            image = of.backend.decode(sampled.latents)[0]
        except Exception:
            kept.forget_runs(self._max_bytes)  # what led there may be no numbers either
            raise
        if not sampled.early:
            kept.keep_picture(map, image, self._max_bytes)
        return image, sampled.early


def _promise(shown: ReleaseMap | None, map: ReleaseMap, schedule: Schedule) -> int:
    """Of all the steps that run, those from one before the first that differs from what was shown last."""
    divergence = 0 if shown is None else map.divergence(shown)
    return 0 if divergence == NEVER else min(len(schedule), schedule.total - divergence + 1)


def _conditioned(kept: _Kept, of: Pass) -> Reports[Guidance]:
    """The words, read once."""
    if kept.guidance is None:
        kept.guidance = yield from conditioning(
            of.backend,
            of.request,
            (of.request.seed,),
            of.working.canvas,
            pictures=picture_prompts(of.exemplars),
            picture_share=of.settings.exemplar_prompt,
        )
    return kept.guidance


def _encoded(kept: _Kept, of: Pass) -> _Encoded:
    """The picture with its exemplars, encoded once."""
    if kept.encoded is None:
        source = of.working.image(np.asarray(of.request.image / np.float32(255), np.float32))
        composition = compose(of, [source], Noise((of.request.seed,)))
        kept.encoded = _Encoded(source, composition, LatentColours(composition.sources, source))
    return kept.encoded


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
