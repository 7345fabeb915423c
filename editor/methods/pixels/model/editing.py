"""One PIXELS edit, from the request to the result."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
import torch

from editor.arrays import Image, Map
from editor.diffusion.backend import Backend
from editor.diffusion.conditioning import conditioned_denoiser, schedule_for
from editor.diffusion.denoise import denoise
from editor.diffusion.fits import FitStore
from editor.diffusion.guidance import Denoiser
from editor.diffusion.noise import Noise
from editor.diffusion.previews import LatentColours, Previews
from editor.diffusion.schedule import Schedule
from editor.errors import NotFinite
from editor.geometry import Rect
from editor.methods.pixels.model.composing import Pass, Rule, compose, picture_prompts
from editor.methods.pixels.rungs import Ladder
from editor.methods.pixels.settings import PixelsSettings
from editor.model_canvas.canvas import ModelCanvas
from editor.model_canvas.paste_back import Pasted, matched, paste_alpha, result_of
from editor.requests.edit_request import EditRequest, ExemplarInput
from editor.requests.reports import FinishEarly, Progress, Reports, emit_result, subprogress, without_results
from editor.requests.results import EditResult
from editor.requests.variants import Variant

# Of the time of an edit, what is spent on reading the words, and of the rest what comes before and after the steps.
READING = 0.04
BEFORE, AFTER = 0.04, 0.06
CANONICAL = Rule()


@torch.no_grad()
def edit(request: EditRequest, backend: Backend) -> Reports[EditResult]:
    """Exemplars and painted strength (arXiv 2501.09826; docs/methods.md, PIXELS 1).

    Departs from the authors' code (`reference` runs that): one noise for source and exemplars, the posterior's mean, exemplars
    that can be held too, cells held to the end restored clean, and a paste-back that leaves every other pixel alone.
    """
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
    """The pictures of a batch's variants, which differ in the seed; each is that of a run by itself, to rounding, and reported at the end.

    Raises `NotFinite` where there is no picture in what the model made, after those results that are sound.
    """
    request, seeds = variants[0].request, [variant.seed for variant in variants]
    yield Progress(0.0, "Reading the words")
    run = yield from subprogress(_Run.of(request, seeds, backend, rule), 0, READING)
    pasted = [Pasted.bare()] * len(seeds)
    passes, lost = run.passes(), dict[int, NotFinite]()
    for number, (exemplars, strength) in enumerate(passes):
        words = f" · reference picture {number + 1} of {len(passes)}" if len(passes) > 1 else ""
        once = run.once(exemplars, strength, pasted, [seed + number for seed in seeds])
        try:
            low, high = (READING + (1 - READING) * at / len(passes) for at in (number, number + 1))
            done = yield from subprogress(once, low, high, more=words)
        except FinishEarly:
            if not number:
                raise  # there is nothing yet
            break
        pasted = done.pasted
        lost |= done.lost
        if done.early or len(lost) == len(seeds):
            break
    whole = [index for index in range(len(seeds)) if index not in lost]
    results = tuple(result_of(variants[index], pasted[index]) for index in whole)
    for result in results:
        yield from emit_result(result)
    if lost:
        raise next(iter(lost.values()))
    return results


@dataclass(frozen=True, slots=True, eq=False)
class _Done:
    """`lost`: what to say of those of the batch that came to nothing, by place; they are as they were."""

    pasted: list[Pasted]
    early: bool = False
    lost: dict[int, NotFinite] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, eq=False)
class _Run:
    """What all passes of one edit share."""

    request: EditRequest
    settings: PixelsSettings
    backend: Backend
    working: ModelCanvas
    denoiser: Denoiser
    rule: Rule

    @classmethod
    def of(cls, request: EditRequest, seeds: Sequence[int], backend: Backend, rule: Rule) -> Reports[_Run]:
        settings = request.settings
        if not isinstance(settings, PixelsSettings):
            raise TypeError(f"PIXELS was given {type(settings).__name__}")
        working = ModelCanvas.of(request.frame, backend.info)
        pictures = picture_prompts(request.exemplars)
        denoiser = yield from conditioned_denoiser(
            backend, request, seeds, working.canvas, pictures=pictures, picture_share=settings.exemplar_prompt
        )
        return cls(request, settings, backend, working, denoiser, rule)

    def passes(self) -> list[tuple[tuple[ExemplarInput, ...], Map]]:
        """The exemplars of each pass and what may change in it: all at once, or one after the other."""
        exemplars, strength = self.request.exemplars, self.request.strength
        if not one_by_one(self.request):
            return [(exemplars, strength)]
        # What no exemplar accounts for was painted, and belongs to the first pass.
        accounted = np.maximum.reduce([exemplar.rim for exemplar in exemplars])
        painted = np.where(strength > accounted, strength, 0)
        maps = [np.minimum(exemplar.rim, strength) for exemplar in exemplars]
        maps[0] = np.maximum(maps[0], painted)
        return [((exemplar,), map) for exemplar, map in zip(exemplars, maps, strict=True) if map.any()]

    def schedule(self, first: int, ladder: Ladder) -> Schedule:
        published, canvas = self.rule.published, self.working.canvas
        return schedule_for(self.backend, self.request, first, canvas, published=published, finer=ladder.finer)

    def once(
        self, exemplars: tuple[ExemplarInput, ...], strength: Map, pasted: list[Pasted], seeds: Sequence[int]
    ) -> Reports[_Done]:
        """One pass over all pictures of the batch."""
        working, backend = self.working, self.backend
        of = Pass(self.request, exemplars, strength, working, backend, self.rule)
        schedule, until = self.rule.releases(of, self.schedule)
        if not len(schedule):
            return _Done(pasted)
        yield Progress(0.0, "Looking at the picture")
        alike = all(paste is pasted[0] for paste in pasted)
        picture = self.request.image
        sources = [
            working.image(picture if paste.area.empty else paste.on(picture))
            for paste in (pasted[:1] if alike else pasted)
        ]
        noise = Noise(seeds)
        composed = compose(of, sources, noise)
        alpha = paste_alpha(strength, feather_of(of))
        area = Rect.of_mask(alpha)
        show = Previews(LatentColours(composed.sources[:1], sources[0]), working, alpha, pasted[0])
        sampled = yield from subprogress(
            denoise(
                self.denoiser,
                composed.start(schedule),
                composed.blend(until),
                schedule,
                noise.generators("sampler") if self.rule.published else noise.sampler(self.request.revision),
                show=show,
                restore=not self.rule.published,
            ),
            BEFORE,
            1 - AFTER,
        )
        results, early, lost = list[Pasted](), sampled.early, dict(sampled.lost)
        for index, paste in enumerate(pasted):
            try:
                yield Progress(1 - AFTER * (1 - index / len(pasted)), "Finishing")
            except FinishEarly:
                early = True  # that is just what happens; later passes are left out
            source = sources[0 if alike else index]
            if index in lost:
                results.append(paste)
                continue
            try:
                image = backend.decode(sampled.latents[index : index + 1])[0]
            except NotFinite as error:
                lost[index] = error
                results.append(paste)
                continue
            changed = in_frame(of, image, source, area)
            results.append(paste.over(changed, alpha[area.slices], area, used_up=True))
        return _Done(results, early, lost)


def one_by_one(request: EditRequest) -> bool:
    """Whether an edit takes several passes, one for each exemplar."""
    settings = request.settings
    return isinstance(settings, PixelsSettings) and settings.passes == "one_by_one" and len(request.exemplars) > 1


def feather_of(of: Pass) -> float:
    """Over how many pixels of the frame what comes of a pass fades in."""
    return of.settings.feather * of.backend.info.shrinking / of.working.scale


def in_frame(of: Pass, image: Image, source: Image, part: Rect | None = None) -> Image:
    """What was decoded, (canvas height, canvas width, 3), in the tone of the source, as (H, W, 3) of the frame, or of a `part` of it."""
    tone = of.settings.match_tone
    if tone != "off":
        image = matched(image, source, of.working.map(of.strength), always=tone == "on")
    return of.working.back(image, part)
