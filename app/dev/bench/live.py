"""Live pictures: that every round is a fresh run to the bit and costs what its strength says, and how little it takes beside its evaluations.

Times are what is left of a round without its network's and its decoder's own time, less the same of the bare loop right beside it: of two long
spans on a shared machine the difference would say nothing. One thread.
"""

from __future__ import annotations

import math
import statistics
import tempfile
import time
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

import resources
from app.dev.bench import Result
from app.dev.bench.diffusion_edits import GUIDANCE, PROMPT, Model, load_model, outcome, picture
from app.dev.bench.random_models import LABELS, SIDES, Kind, Scale, write
from app.dev.practice.export import PIPELINE
from app.dev.practice.scenes import SIDE, draw_scene
from app.dev.practice.world import World
from editor.arrays import Map, Mask
from editor.diffusion.conditioning import conditioning, schedule_for
from editor.diffusion.denoise import denoise
from editor.diffusion.guidance import guided
from editor.diffusion.noise import Noise
from editor.document.document import Document
from editor.edits.dispatch import make_request
from editor.engine import Engine
from editor.execution import EXECUTIONS
from editor.geometry import Rect, Size
from editor.live_runs import MAX_BYTES
from editor.methods.pixels.hold_counts import release_steps
from editor.methods.pixels.model.composing import Pass, compose, releases
from editor.methods.pixels.model.editing import edit
from editor.methods.pixels.model.incremental import IncrementalRun
from editor.methods.pixels.settings import PixelsSettings
from editor.model_canvas.canvas import ModelCanvas
from editor.models.inspect import inspect
from editor.models.library import Library
from editor.planning.plan import Draft
from editor.requests.edit_request import EditRequest, ExemplarInput
from editor.requests.frame import Frame
from editor.requests.live import LiveRequest
from editor.requests.reports import Preview, Progress, Reports, outcome_of
from editor.requests.results import LiveResult
from editor.requests.samplers import OFFERED, Sampler

DIFFERENCE_BAR, PROMISE_BAR, TIME_BAR = 0, 0, 60.0  # the last in milliseconds
DOCUMENTS = (Size(2048, 2048), Size(6000, 4000))
FRAME = 1024  # document pixels a side that the model sees
WORKING = 512  # its own
STRENGTHS = (0.1, 0.2, 0.25, 0.3, 0.5)
OVERALL = 0.5
STROKE = 0.2  # of the overall strength: two of twenty steps
SMALL_BUDGET = 30_000  # bytes: room for a state or so of the small canvas


def live(
    scale: Scale = "small",
    rounds: int = 8,
    stories: int = 1,
    documents: tuple[Size, ...] = DOCUMENTS,
    samplers: tuple[Sampler, ...] = OFFERED,
) -> Iterator[Result]:
    """Rounds against fresh runs, then against the bare loop, then what they change elsewhere.

    scale: of the narrow model that is timed
    stories: of twelve rounds each, for every model, sampler and budget
    """
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    practice = Path(resources.__file__).parent / "models" / PIPELINE
    try:
        with tempfile.TemporaryDirectory() as folder:
            yield from _exactness(practice, Path(folder), stories, samplers)
            narrow = write(Path(folder) / "narrow", "sd", scale, torch.float32)
            yield from _times(practice, narrow, rounds, documents)
        yield from _elsewhere(practice)
    finally:
        torch.set_num_threads(threads)


# Rounds beside fresh runs


class _Backend:
    """A model that remembers what it had to decode, and counts its steps."""

    def __init__(self, own: Any) -> None:
        self._own = own
        self.latents: torch.Tensor | None = None
        self.evaluations = 0

    def predict(self, *args: Any) -> torch.Tensor:
        self.evaluations += 1
        return self._own.predict(*args)  # type: ignore[no-any-return]

    def decode(self, latents: torch.Tensor, **more: Any) -> Any:
        self.latents = latents.clone()
        return self._own.decode(latents, **more)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._own, name)


@dataclass(slots=True)
class _Figures:
    """difference: the largest between a round and a fresh run, in 1/255 or in latents. beyond: steps that were spent beyond the promise."""

    rounds: int = 0
    difference: float = 0.0
    beyond: int = 0
    spent: int = 0
    fresh: int = 0


def _exactness(practice: Path, folder: Path, stories: int, samplers: tuple[Sampler, ...]) -> Iterator[Result]:
    figures, tried = _Figures(), []
    models = [("the practice model", practice, SIDE)]
    kinds: tuple[Kind, ...] = ("sd", "sdxl", "kandinsky")
    models += [(LABELS[kind], write(folder / kind, kind, "tiny", torch.float32), SIDES[kind]["tiny"]) for kind in kinds]
    for (label, path, side), kind in zip(models, ("sd", *kinds), strict=True):
        model = load_model(path, kind, side, "float32")
        tried.append(label)
        for number, sampler in enumerate(samplers):
            for story in range(stories):
                for budget in (MAX_BYTES, SMALL_BUDGET):
                    _story(model, sampler, 1000 * number + story, budget, figures)
    note = f"{figures.rounds} rounds, {', '.join(tried)}, {len(samplers)} samplers, with and without dropped states"
    yield Result.at_most("live: largest difference to a fresh run", figures.difference, "", DIFFERENCE_BAR, note)
    note = f"{figures.spent} steps, where fresh runs take {figures.fresh}"
    yield Result.at_most("live: evaluations beyond the promise", figures.beyond, "steps", PROMISE_BAR, note)


@dataclass(frozen=True, slots=True, eq=False)
class _Painted:
    """A state of a live picture. fidelity: of its one exemplar."""

    strength: Map
    fidelity: float = 0.0

    def request(self, sampler: Sampler) -> EditRequest:
        """On a canvas that is not square."""
        height, width = self.strength.shape
        cover = np.zeros((height, width), np.float32)
        cover[8:32, 40:72] = 1
        exemplar = ExemplarInput(
            "exemplar",
            picture(width, height)[::-1].copy(),
            cover,
            np.ones_like(cover),
            np.full_like(cover, self.fidelity),
            cover * np.float32(OVERALL),
        )
        return EditRequest(
            image=picture(width, height),
            strength=np.maximum(self.strength, exemplar.rim),
            frame=Frame.full_size(Rect(0, 0, width, height)),
            settings=PixelsSettings(),
            seed=1,
            exemplars=(exemplar,),
            prompt=PROMPT,
            steps=12,
            guidance_scale=GUIDANCE,
            sampler=sampler,
            overall=OVERALL,
        )


def _story(model: Model, sampler: Sampler, seed: int, budget: int, figures: _Figures) -> None:
    """Twelve rounds of random strokes, erasures, undo, fidelity, and rounds that are left before their end."""
    random = np.random.default_rng(seed)
    run, backend, fresh = IncrementalRun(budget), _Backend(model.backend), _Backend(model.backend)
    history = [_Painted(np.zeros((SIDE, 2 * SIDE), np.float32))]
    shown: EditRequest | None = None
    for _ in range(12):
        kind = random.choice(["stroke", "stroke", "erase", "undo", "fidelity"])
        if kind == "undo":
            del history[max(1, len(history) - int(random.integers(1, 4))) :]
        else:
            history.append(_changed(history[-1], str(kind), random))
        request = history[-1].request(sampler)
        if random.random() < 0.25:
            _left(run, request, backend, int(random.integers(1, 6)))
            continue
        backend.latents, backend.evaluations, fresh.evaluations = None, 0, 0
        expected = outcome(edit(request, fresh))
        round: LiveResult = outcome(run.edit(request, backend))
        figures.rounds += 1
        figures.spent += backend.evaluations
        figures.fresh += fresh.evaluations
        figures.difference = max(figures.difference, _difference(round, expected, backend.latents, fresh.latents))
        if budget == MAX_BYTES:
            figures.beyond += max(0, backend.evaluations - _promise(model, request, shown, fresh.evaluations))
        shown = request


def _changed(state: _Painted, kind: str, random: np.random.Generator) -> _Painted:
    if kind == "fidelity":
        return replace(state, fidelity=float(random.choice([0.0, 0.3, 0.7, 1.0])))
    strength = state.strength.copy()
    height, width = strength.shape
    top, left = int(random.integers(height - 4)), int(random.integers(width - 4))
    part = strength[top : top + int(random.integers(4, 40)), left : left + int(random.integers(4, 40))]
    part[...] = 0 if kind == "erase" else random.choice(STRENGTHS)
    return replace(state, strength=strength)


def _left(run: IncrementalRun, request: EditRequest, backend: Any, steps: int) -> None:
    reports = run.edit(request, backend)
    for report in reports:
        steps -= isinstance(report, Progress) and report.doing.startswith("Step ")
        if not steps:
            break
    reports.close()


def _difference(round: LiveResult, expected: Any, latents: torch.Tensor | None, fresh: torch.Tensor | None) -> float:
    """The largest, of pixels in 1/255 and of latents; the rectangles must be the same."""
    if round.result.rect != expected.rect:
        return math.inf
    of_pixels = np.abs(round.result.pixels.astype(np.int16) - expected.pixels).max(initial=0)
    of_latents = 0.0 if latents is None or fresh is None else float((latents - fresh).abs().max())
    return max(float(of_pixels), of_latents)


def _promise(model: Model, request: EditRequest, shown: EditRequest | None, run: int) -> int:
    """min(run, ceil(s x steps) + 1), s the largest strength, old or new, of a cell that changed; the run where it begins at another step."""
    if shown is None:
        return run
    working = ModelCanvas.of(request.frame, model.info)

    def counts(of: EditRequest) -> NDArray[np.int64]:
        assert isinstance(of.settings, PixelsSettings)
        return release_steps(of.settings, of.exemplars, of.strength, working, of.steps, overall=of.overall)

    old, new = counts(shown), counts(request)
    if old.min() != new.min():
        return run
    changed = old != new
    if not changed.any():
        return 0
    strongest = max(float(working.cells(of.strength)[changed].max()) for of in (request, shown))
    return min(run, math.ceil(round(strongest, 6) * request.steps) + 1)


# Times beside the bare loop


class _Timed:
    """A model that adds up how long its network and its decoder take."""

    def __init__(self, own: Any) -> None:
        self.own = own
        self.spent: list[float] = []  # seconds of each evaluation since the last `began`
        self.decoding = 0.0

    def began(self) -> None:
        self.spent, self.decoding = [], 0.0

    def predict(self, *args: Any) -> Any:
        begun = time.perf_counter()
        prediction = self.own.predict(*args)
        self.spent.append(time.perf_counter() - begun)
        return prediction

    def decode(self, *args: Any, **more: Any) -> Any:
        begun = time.perf_counter()
        image = self.own.decode(*args, **more)
        self.decoding += time.perf_counter() - begun
        return image

    def __getattr__(self, name: str) -> Any:
        return getattr(self.own, name)


class _TimedRun(IncrementalRun):
    """A live picture whose model is timed. timed: the last one, for whoever measures."""

    timed: _Timed

    def edit(self, request: EditRequest, backend: Any) -> Reports[LiveResult]:
        if getattr(self, "timed", None) is None or self.timed.own is not backend:
            self.timed = _Timed(backend)
        self.timed.began()
        return super().edit(request, self.timed)


@dataclass(slots=True)
class _Times:
    """Milliseconds of rounds: what is beyond the bare loop until the first preview and until the picture, and a step."""

    first: list[float] = field(default_factory=list)
    final: list[float] = field(default_factory=list)
    step: list[float] = field(default_factory=list)


def _times(practice: Path, narrow: Path, rounds: int, documents: tuple[Size, ...]) -> Iterator[Result]:
    found: dict[str, _Times] = {}
    for size in documents:
        for label, path in (("practice model", practice), (f"narrow SD at {WORKING} px", narrow)):
            found[f"{label}, document of {size.width} x {size.height}"] = _timed(path, size, rounds)
    for name, what in (
        ("first", "first preview after a stroke, beyond one step"),
        ("final", "final picture, beyond its evaluations and decode"),
    ):
        medians = {label: statistics.median(getattr(times, name)) for label, times in found.items()}
        said = [
            f"{label}: {median:.0f} (a step {statistics.median(found[label].step):.0f})"
            for label, median in medians.items()
        ]
        yield Result.at_most(
            f"live: {what}", max(medians.values()), "ms", TIME_BAR, f"medians of {rounds}; {'; '.join(said)}"
        )


def _timed(path: Path, size: Size, rounds: int) -> _Times:
    """Strokes of little strength beside a stronger one, each from the stroke to the picture."""
    info = inspect(path)
    side = min(FRAME, *size)
    frame = Rect.at((size.width - side) // 2, (size.height - side) // 2, side, side)
    opaque = np.full((size.height, size.width, 1), 255, np.uint8)
    document = Document.of_picture(np.concatenate([picture(*size), opaque], axis=2))
    draft = Draft(
        PixelsSettings(scale=min(2.0, WORKING / info.native)),
        model=info,
        steps=20,
        guidance_scale=GUIDANCE,
        seed=1,
        prompt=PROMPT,
        strength=OVERALL,
        frame=frame,
    )
    runs: list[_TimedRun] = []

    def make(max_bytes: int) -> _TimedRun:
        runs.append(_TimedRun(max_bytes))
        return runs[-1]

    execution = replace(EXECUTIONS[PixelsSettings](), live=make)
    engine = Engine(
        lambda: Library((path.parent,), cache=path / "none"), executions={PixelsSettings: lambda: execution}
    )
    quarter, spot = side // 4, max(8, side // 12)
    document = _stroke(document, Rect.at(frame.left + quarter, frame.top + quarter, 2 * quarter, 2 * quarter), 1.0)
    outcome(engine.run(LiveRequest(make_request(document, draft), 1)))
    bare, random, times = _Bare(runs[0].timed), np.random.default_rng(3), _Times()
    while len(times.first) < rounds:
        left, top = (int(random.integers(0, quarter - spot)) for _ in range(2))
        document = _stroke(document, Rect.at(frame.left + left, frame.top + top, spot, spot), STROKE)
        begun, first = time.perf_counter(), 0.0
        request = make_request(document, draft)

        def hear(report: Any, begun: float = begun) -> None:
            nonlocal first
            if isinstance(report, Preview) and not first:
                first = time.perf_counter() - begun

        round: LiveResult = outcome(engine.run(LiveRequest(request, 1)), hear)
        final, own = time.perf_counter() - begun, runs[0].timed
        spent, decoding = list(own.spent), own.decoding
        if not spent:  # it only painted where it was painted
            document = _stroke(document, Rect.at(frame.left, frame.top, quarter, quarter), 0.0)
            continue
        until_first, whole = bare.run(request, len(spent))
        if round.evaluations != len(spent):
            raise ValueError("a round does not count its evaluations")
        times.first.append(1000 * (first - spent[0] - until_first))
        times.final.append(1000 * (final - sum(spent) - decoding - whole))
        times.step.append(1000 * spent[0])
    return times


def _stroke(document: Document, rect: Rect, strength: float) -> Document:
    painted = np.full(rect.size.shape, strength, np.float32)
    return document.with_strength(document.strength.write(rect.left, rect.top, painted))


class _Bare:
    """The loop and the decoder alone, on what is encoded and read once."""

    def __init__(self, timed: _Timed) -> None:
        self._timed = timed
        self._ready: Any = None

    @torch.no_grad()
    def run(self, request: EditRequest, evaluations: int) -> tuple[float, float]:
        """Seconds beside the network's and the decoder's own, until the first evaluation is made and in all."""
        backend: Any = self._timed
        working = ModelCanvas.of(request.frame, backend.info)
        of = Pass(request, (), request.strength, working, backend)
        if self._ready is None:
            guidance = outcome_of(conditioning(backend, request, (request.seed,), working.canvas))
            composition = compose(of, [working.image(request.image)], Noise((request.seed,)))
            self._ready = guided(backend, guidance), composition
        denoiser, composition = self._ready
        _, until = releases(of, lambda first, ladder: schedule_for(backend, request, first, working.canvas))
        schedule = schedule_for(backend, request, request.steps - evaluations, working.canvas)
        generators = Noise((request.seed,)).sampler(request.revision)
        run = denoise(denoiser, composition.start(schedule), composition.blend(until), schedule, generators)
        backend.began()
        begun, first = time.perf_counter(), 0.0

        def hear(report: Any) -> None:
            nonlocal first
            first = first or time.perf_counter() - begun

        sampled = outcome(run, hear)
        backend.decode(sampled.latents)
        whole = time.perf_counter() - begun
        return first - backend.spent[0], whole - sum(backend.spent) - backend.decoding


# What a stroke changes elsewhere


def _elsewhere(practice: Path, scenes: int = 8) -> Iterator[Result]:
    """In practice scenes: what is free already, and stays as it is painted, after a stroke of little strength well beside it."""
    model = load_model(practice, "sd", SIDE, "float32")
    world, shifts = World(), list[NDArray[np.int16]]()
    for number in range(scenes):
        image = world.draw(draw_scene(number, "held out")).picture
        strength = np.zeros((SIDE, SIDE), np.float32)
        strength[8:32, 8:32] = OVERALL
        before = _shown(model, image, strength)
        strength[40:56, 40:56] = 0.4
        after = _shown(model, image, strength)
        free: Mask = np.zeros((SIDE, SIDE), np.bool_)
        free[8:32, 8:32] = True
        shifts.append(np.abs(before.astype(np.int16) - after)[free])
    shift = np.concatenate(shifts)
    held = float(np.percentile(shift, 95))
    note = f"mean of {scenes} practice scenes at {OVERALL:.0%} strength, a stroke of 40 % beside; 95 % within {held:.0f}, largest {shift.max()}"
    yield Result("live: what is free elsewhere shifts by", float(shift.mean()), "/255", note=note)


def _shown(model: Model, image: NDArray[np.uint8], strength: Map) -> NDArray[np.uint8]:
    """(H, W, 3): the picture with the result laid over it."""
    request = EditRequest(
        image=image.copy(),
        strength=strength.copy(),
        frame=Frame.full_size(Rect(0, 0, *image.shape[1::-1])),
        settings=PixelsSettings(),
        seed=1,
        steps=20,
        guidance_scale=GUIDANCE,
        overall=OVERALL,
        model=model.info.key,
    )
    result = outcome(edit(request, model.backend))
    shown = image.astype(np.float32)
    part = shown[result.rect.slices]
    alpha = result.pixels[..., 3:] / np.float32(255)
    part[...] = alpha * result.pixels[..., :3] + (1 - alpha) * part
    return np.asarray(np.rint(shown), np.uint8)
