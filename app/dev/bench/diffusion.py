"""PIXELS beside its floors: diffusers' own pipeline, the same edit of a smaller picture, the same run without previews.

Machines are shared, so what is compared runs by turns, step by step, and each step is compared with the one beside it. One thread: on a busy
machine more of them wait for one another most of the time.
"""

from __future__ import annotations

import asyncio
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from app.dev.bench import Result
from app.dev.bench.diffusion_edits import (
    GUIDANCE,
    PROMPT,
    Model,
    load_model,
    make_edit,
    painted,
    picture,
    run_stock,
    spot,
    steps_of,
    whole_edit,
)
from app.dev.bench.random_models import LABELS, SIDES, Kind, Scale, write
from editor.diffusion.denoise import denoise
from editor.diffusion.guidance import classifier_free, guided
from editor.diffusion.noise import Noise
from editor.diffusion.previews import INTERVAL, LatentColours, Previews
from editor.geometry import Rect, Size
from editor.methods.pixels.model import edit
from editor.methods.pixels.model.composing import Pass, compose, releases
from editor.methods.pixels.settings import PixelsSettings
from editor.model_canvas.canvas import ModelCanvas
from editor.model_canvas.paste_back import paste_alpha
from editor.requests.edit_request import REVISION, AssessRequest, EditRequest
from editor.requests.frame import Frame
from editor.requests.reports import Progress, Report, Reports, outcome_of
from editor.requests.results import Assessment

STEP_BAR, REGION_BAR, PREVIEW_BAR, CANCEL_BAR = 1.02, 1.1, 5.0, 1.0
ROUNDS = 5
FRAME = Size(1024, 1024)


def pixels_step(scale: Scale = "small", steps: int = 24) -> Iterator[Result]:
    """Time per step of an edit, previews included, against diffusers' img2img on the same networks: a step of theirs, a step of ours, and so on.

    Neither side's encoding and decoding is in it.
    """
    for kind in ("sd", "sdxl", "kandinsky"):
        with _model(kind, scale) as model:
            pairs = _step_pairs(model, make_edit(model, SIDES[kind][scale], steps))
        ours, stock = pairs[:, 0], pairs[:, 1]
        for clock, unit in enumerate(("wall clock", "processor time")):
            ratios = ours[:, clock] / stock[:, clock]
            said = f"{_ms(ours[:, clock])} against {_ms(stock[:, clock])} ms; {_spread(ratios)}"
            name = f"pixels step: {LABELS[kind]} against diffusers, {unit}"
            yield Result.at_most(name, statistics.median(ratios), "×", STEP_BAR, said)


def pixels_region(
    scale: Scale = "small", sides: tuple[int, int] = (1024, 4096), rounds: int = ROUNDS
) -> Iterator[Result]:
    """The same stroke in a large and in a small document, from the press of the button to the new layer, with the same working size."""
    with _model("sd", scale) as model:
        stroke = sides[0] // 4
        documents = [painted(side, side, stroke) for side in sides]
        ratios, outside = [], []
        for turn in range(rounds + 1):
            spent = _by_turns([whole_edit(document, model, 6) for document in documents], later_first=bool(turn % 2))
            if turn:  # the first round only warms up
                small, large = (sum(gaps) for gaps in spent)
                ratios.append(large / small)
                outside.append([gaps[0] + gaps[-1] for gaps in spent])
    small, large = (1000 * statistics.median(gaps) for gaps in zip(*outside, strict=True))
    name = f"pixels region: {sides[1]} px against {sides[0]} px"
    yield Result.at_most(name, statistics.median(ratios), "×", REGION_BAR, f"of {rounds} rounds; {_spread(ratios)}")
    said = f"{large:.0f} against {small:.0f} ms, decoding and describing the prompt included"
    yield Result(f"{name}, all but the steps", large / small, "×", note=said)


def pixels_preview(scale: Scale = "small", steps: int = 24) -> Iterator[Result]:
    """What previews cost, five a second of the run's own time, against the same run without."""
    with _model("sd", scale) as model:
        request = make_edit(model, SIDES["sd"][scale], steps)
        without, shown, cost = _preview_pairs(model, request)
    ratio = 100 * (statistics.median(shown / without) - 1)
    said = f"median over {len(shown)} steps of {_ms(without)} ms; {_spread(shown / without)}"
    yield Result.at_most("pixels preview: overhead of a run", ratio, "%", PREVIEW_BAR, said)
    share = 100 * statistics.median(cost) / INTERVAL
    said = f"{_ms(cost)} ms for each of a {FRAME.width} px frame, five a second"
    yield Result.at_most("pixels preview: share of the time", share, "%", PREVIEW_BAR, said)


def pixels_cancel(scale: Scale = "small", rounds: int = 10) -> Iterator[Result]:
    """From the press of Cancel to the worker having done the next thing it was asked for, in steps of the same run; pressed at ten moments."""
    os.environ.setdefault("QT_QPA_PLATFORM", "offscreen")
    with _model("sd", scale) as model:
        request = make_edit(model, SIDES["sd"][scale], 50)
        waits = _cancelled(_Lends(model), request, rounds)
        gaps = _gaps(model, make_edit(model, SIDES["sd"][scale], 4))
    name = "pixels cancel: until the worker is free"
    yield Result.at_most(name, statistics.median(waits), "steps", CANCEL_BAR, f"median; {_spread(waits)}")
    yield Result(
        f"{name}, longest",
        max(waits),
        "steps",
        note="pressed right after a step: a whole one and what the machine adds",
    )
    said = "encoding and decoding come in one piece"
    yield Result("pixels cancel: longest wait of a whole edit", gaps, "steps", note=said)


def pixels_cold(scale: Scale = "small", steps: int = 4) -> Iterator[Result]:
    """Seconds of the first edit in a fresh process and of the second one."""
    with _folder("sd", scale) as folder:
        side = SIDES["sd"][scale]
        command = [sys.executable, "-c", COLD, str(folder), str(side), str(steps), PROMPT]
        alone = {**os.environ, "OMP_NUM_THREADS": "1"}
        done = subprocess.run(command, capture_output=True, text=True, check=True, env=alone)
    timings: dict[str, float] = json.loads(done.stdout.splitlines()[-1])
    for what, note in (
        ("importing", "torch, diffusers, transformers and the method"),
        ("loading", "a small model with random weights"),
        ("first edit", f"{steps} steps, after the two"),
        ("second edit", "the same again"),
    ):
        yield Result(f"pixels cold: {what}", timings[what], "s", note=note)


# The engine as the worker uses it, in a process that has done nothing before.
COLD = """
import json, sys, time
from pathlib import Path
import numpy as np
from editor.engine import Engine
from editor.requests.frame import Frame
from editor.geometry import Rect
from editor.models.library import Library
from editor.requests.edit_request import EditRequest, PixelsSettings

folder, side, steps = Path(sys.argv[1]), int(sys.argv[2]), int(sys.argv[3])
engine = Engine(lambda: Library(added=(folder,)))
request = EditRequest(
    image=np.zeros((side, side, 3), np.uint8), strength=np.ones((side, side), np.float32), settings=PixelsSettings(),
    frame=Frame.full_size(Rect(0, 0, side, side)), seed=1, model=str(folder), steps=steps, prompt=sys.argv[4],
)
seen = {}

def run():
    for report in engine.run(request):
        seen.setdefault(getattr(report, "doing", "").split(" ")[0], time.perf_counter())

begun = time.perf_counter()
run()
first = time.perf_counter()
run()
second = time.perf_counter()
print(json.dumps({
    "importing": seen["Loading"] - begun, "loading": seen["Looking"] - seen["Loading"],
    "first edit": first - seen["Looking"], "second edit": second - first,
}))
"""


class _Lends:
    """An engine that always has the model ready."""

    def __init__(self, model: Model) -> None:
        self._model = model

    def run(self, request: Any) -> Reports[Any]:
        if isinstance(request, EditRequest):
            return edit(request, self._model.backend)
        return self._nothing()

    def _nothing(self) -> Reports[Assessment]:
        yield Progress(0.0, "Nothing")
        return Assessment("", fits=True)


def _cancelled(engine: _Lends, request: EditRequest, rounds: int) -> list[float]:
    # Qt is for this one alone; the others run where there is none.
    from PySide6.QtCore import QCoreApplication  # noqa: PLC0415
    from qasync import QEventLoop  # noqa: PLC0415

    from app.runner import Runner  # noqa: PLC0415

    nothing = AssessRequest(model=request.model, working=Size(1, 1))

    async def press(runner: Runner, share: float) -> float:
        stamps: list[float] = []
        fifth = asyncio.Event()

        def report(event: Report) -> None:
            if isinstance(event, Progress) and event.doing.startswith("Step "):
                stamps.append(time.perf_counter())
                if len(stamps) == 5:
                    fifth.set()

        running = asyncio.ensure_future(runner.run(request, report))
        await fifth.wait()
        step = statistics.median(np.diff(stamps))
        await asyncio.sleep(share * step)
        pressed = time.perf_counter()
        running.cancel()
        with suppress(asyncio.CancelledError):
            await running
        await runner.run(nothing, lambda report: None)
        return float((time.perf_counter() - pressed) / step)

    async def all_rounds() -> list[float]:
        runner = Runner(lambda: engine)
        try:
            return [await press(runner, index / rounds) for index in range(rounds)]
        finally:
            runner.close()

    application = QCoreApplication.instance() or QCoreApplication([])
    with QEventLoop(application) as loop:
        waits: list[float] = loop.run_until_complete(all_rounds())
    return waits


def _gaps(model: Model, request: EditRequest) -> float:
    """The longest time between two reports of an edit, the end included, in steps."""
    stamps, steps = [time.perf_counter()], []
    for report in edit(request, model.backend):
        stamps.append(time.perf_counter())
        if isinstance(report, Progress) and report.doing.startswith("Step "):
            steps.append(stamps[-1])
    stamps.append(time.perf_counter())
    return float(np.diff(stamps).max() / np.median(np.diff(steps)))


def _step_pairs(model: Model, request: EditRequest) -> NDArray[np.float64]:
    """(steps - 1, 2, 2): ours and theirs, by the wall clock and by the processor's time."""
    ours = steps_of(request, model)
    next(ours)
    pairs: list[tuple[NDArray[np.float64], NDArray[np.float64]]] = []
    begun = _now()

    def after_step() -> None:
        nonlocal begun
        theirs = _now() - begun
        begun = _now()
        if next(ours, None) is not None:
            pairs.append((_now() - begun, theirs))
        begun = _now()

    run_stock(model, request, after_step)
    ours.close()
    return np.array(pairs[1:])  # the first of theirs contains the encoding


def _by_turns(edits: Sequence[Reports[Any]], *, later_first: bool) -> list[list[float]]:
    """Seconds between the reports of each of several edits that take turns."""
    spent: list[list[float]] = [[] for _ in edits]
    order = list(zip(edits, spent, strict=True))
    going = order[::-1] if later_first else order
    while going:
        for run in list(going):
            reports, seconds = run
            begun = time.perf_counter()
            if next(reports, None) is None:
                going.remove(run)
            seconds.append(time.perf_counter() - begun)
    return spent


@torch.no_grad()
def _preview_pairs(
    model: Model, request: EditRequest
) -> tuple[NDArray[np.float64], NDArray[np.float64], NDArray[np.float64]]:
    """Seconds of every step without and with previews, run by turns, and of every preview."""
    backend, working = model.backend, ModelCanvas.of(request.frame, model.info)
    denoiser = guided(backend, classifier_free(*outcome_of(backend.embed(PROMPT, "", working.canvas)), GUIDANCE))
    settings = PixelsSettings()
    own = 0.0  # seconds that the run with previews took so far: what it would know of the time if it ran alone
    cost: list[float] = []

    def run(*, shown: bool) -> Iterator[Report]:
        noise, schedule = Noise([1]), backend.schedule(request.steps)
        sources = [working.image(request.image)]
        of = Pass(request, (), request.strength, working, backend)
        composed, (_, until) = compose(of, sources, noise), releases(of, lambda first, ladder: schedule)
        alpha = paste_alpha(request.strength, settings.feather)
        show = Previews(LatentColours(composed.sources, sources[0]), working, alpha, clock=lambda: own)
        latents, generators = composed.start(schedule), noise.sampler(REVISION)
        yield from denoise(denoiser, latents, composed.blend(until), schedule, generators, show=show if shown else None)

    def step(reports: Iterator[Report]) -> float:
        """To the next report after a step."""
        begun = time.perf_counter()
        for report in reports:
            if isinstance(report, Progress):
                break
        return time.perf_counter() - begun

    runs = [run(shown=False), run(shown=True)]
    for going in runs:
        step(going)  # the first step contains the encoding
    pairs = []
    for turn in range(request.steps - 1):
        pair = [0.0, 0.0]
        for which in (0, 1) if turn % 2 else (1, 0):
            pair[which] = step(runs[which])
        own += pair[1]
        pairs.append(pair)
    seconds = np.array(pairs)
    show = _a_preview(model)
    for _ in range(50):
        begun = time.perf_counter()
        show()
        cost.append(time.perf_counter() - begun)
    return seconds[:, 0], seconds[:, 1], np.array(cost)


def _a_preview(model: Model) -> Callable[[], object]:
    """Makes previews as large as they come, of a frame as large as the whole of a small photograph."""
    working = ModelCanvas.of(Frame(Rect.of_size(FRAME), Size(512, 512)), model.info)
    image = working.image(picture(*FRAME))
    latents = model.backend.encode(image)
    show = Previews(LatentColours(latents, image), working, spot(FRAME.width))
    return lambda: show.preview(latents)


@contextmanager
def _folder(kind: Kind, scale: Scale) -> Iterator[Path]:
    with tempfile.TemporaryDirectory() as folder:
        yield write(Path(folder), kind, scale, torch.float32)


@contextmanager
def _model(kind: Kind, scale: Scale) -> Iterator[Model]:
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        with _folder(kind, scale) as folder:
            yield load_model(folder, kind, SIDES[kind][scale])
    finally:
        torch.set_num_threads(threads)


def _now() -> NDArray[np.float64]:
    """Seconds by the wall clock and of this process."""
    return np.array([time.perf_counter(), time.process_time()])


def _ms(seconds: Any) -> str:
    return f"{1000 * statistics.median(seconds):.3g}"


def _spread(values: Any) -> str:
    low, high = np.percentile(values, [25, 75])
    return f"middle half {low:.3f} to {high:.3f}"
