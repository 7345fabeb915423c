"""The table of a graphics card: models of full size with random weights, beside what the card could do at best.

It needs no Qt. Copies of the program without the window run it as `python -m app bench gpu --json FILE`.
"""

from __future__ import annotations

import statistics
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import torch
from torch.utils.flop_counter import FlopCounterMode

from app.dev.bench import Result
from app.dev.bench.diffusion_edits import (
    GUIDANCE,
    PROMPT,
    Model,
    load_model,
    make_edit,
    outcome,
    painted,
    run_stock,
    steps_of,
    whole_edit,
)
from app.dev.bench.random_models import KINDS, LABELS, SIDES, Kind, Scale, write
from editor.diffusion.device import this_device
from editor.diffusion.guidance import classifier_free, guided
from editor.diffusion.loading import DTYPES, free
from editor.geometry import Size
from editor.methods.pixels.model import edit
from editor.models.info import Precision
from editor.requests.edit_request import EditRequest
from editor.requests.reports import outcome_of

STEPS, ROUNDS = 30, 5
STEP_BAR, REGION_BAR, MEMORY_BAR, CANCEL_BAR = 1.02, 1.1, 15.0, 1.0
REGION_SIDES = (1024, 4096)


def gpu() -> Iterator[Result]:
    """The whole table; one line that says so where there is no CUDA device."""
    if not torch.cuda.is_available():
        yield Result("gpu: skipped", 0, "", note="there is no CUDA device here")
        return
    yield Result("gpu: device", torch.cuda.get_device_properties(0).total_memory / 1e9, "GB", note=_versions())
    for kind in KINDS:
        yield from table(kind, "full", ("bfloat16", "float16"))


def table(
    kind: Kind, scale: Scale, precisions: tuple[Precision, ...], steps: int = STEPS, rounds: int = ROUNDS
) -> Iterator[Result]:
    """The lines of one model: the first precision eager and compiled, the others eager."""
    side = SIDES[kind][scale]
    with tempfile.TemporaryDirectory() as folder:
        path = write(Path(folder), kind, scale, DTYPES[precisions[0]], this_device().kind)
        for precision in precisions:
            begun = time.perf_counter()
            model = load_model(path, kind, side, precision)
            _wait()
            name = f"gpu: {LABELS[kind]} {side} px, {precision}"
            yield Result(f"{name}, loading", time.perf_counter() - begun, "s")
            request = make_edit(model, side, steps)
            yield from _edits(name, model, request, rounds)
            yield from _steps(name, model, request, rounds)
            yield from _waiting(name, model, request, rounds)
            if precision == precisions[0]:
                yield from _region(name, model, steps, rounds)
                yield from _compiled(name, model, request, rounds)
            free(model.backend)


def _edits(name: str, model: Model, request: EditRequest, rounds: int) -> Iterator[Result]:
    """Seconds of a whole edit, and the memory that it took."""
    seconds = []
    outcome(edit(request, model.backend))  # the first one prepares kernels
    _reset_peak()
    for _ in range(rounds):
        begun = _now()
        outcome(edit(request, model.backend))
        seconds.append(_now() - begun)
    said = f"{request.steps} steps with guidance; median of {rounds}, {min(seconds):.3g} to {max(seconds):.3g}"
    yield Result(f"{name}, edit", statistics.median(seconds), "s", note=said)
    if torch.cuda.is_available():
        peak, expected = torch.cuda.max_memory_allocated(), model.fit.needed
        yield Result(
            f"{name}, peak memory", peak / 1e9, "GB", note=f"{torch.cuda.max_memory_reserved() / 1e9:.2f} held"
        )
        said = f"estimated {expected / 1e9:.2f} GB"
        yield Result.at_most(f"{name}, memory estimate", 100 * abs(peak / expected - 1), "%", MEMORY_BAR, said)


def _steps(name: str, model: Model, request: EditRequest, rounds: int) -> Iterator[Result]:
    """Time per step beside diffusers' own, and the two floors."""
    ours, stock = _by_turns(model, request, rounds)
    ratios = [mine / theirs for mine, theirs in zip(ours, stock, strict=True)]
    step = statistics.median(ours)
    yield Result(f"{name}, step", 1000 * step, "ms", note="previews included")
    said = f"{1000 * statistics.median(stock):.4g} ms theirs; {min(ratios):.3f} to {max(ratios):.3f} in {rounds} rounds"
    yield Result.at_most(f"{name}, step against diffusers", statistics.median(ratios), "×", STEP_BAR, said)
    dtype = model.stock.unet.dtype
    device = model.backend.device
    operations, rate = _operations(model, request), matmul_rate(dtype, device)
    said = f"{operations / 1e12:.3g} Tflop at {rate / 1e12:.3g} Tflop/s measured; {step / (operations / rate):.2f} × the floor"
    yield Result(f"{name}, floor by operations", 1000 * operations / rate, "ms", note=said)
    weights = sum(parameter.numel() * parameter.element_size() for parameter in model.stock.unet.parameters())
    rate = bandwidth(device)
    said = f"{weights / 1e9:.3g} GB of weights at {rate / 1e9:.4g} GB/s measured"
    yield Result(f"{name}, floor by bytes", 1000 * weights / rate, "ms", note=said)


def _waiting(name: str, model: Model, request: EditRequest, rounds: int) -> Iterator[Result]:
    """From a cancel at any moment of a step, at worst right after it was looked for, to the card being idle."""
    waits = []
    for turn in range(rounds):
        reports = steps_of(request, model)
        for _ in range(1 + turn % (request.steps - 2)):
            next(reports)
        _wait()
        begun = _now()
        next(reports)
        step = _now() - begun
        begun = _now()
        next(reports)
        reports.close()
        waits.append((_now() - begun) / step)
    said = f"asked for right after a step began; {min(waits):.3f} to {max(waits):.3f}"
    yield Result(f"{name}, time to cancel", statistics.median(waits), "steps", note=said)


def _region(name: str, model: Model, steps: int, rounds: int) -> Iterator[Result]:
    """The same stroke in a large and a small document."""
    small, large = (painted(side, side, REGION_SIDES[0] // 4) for side in REGION_SIDES)
    ratios = []
    for turn in range(rounds + 1):
        seconds = {}
        for document in (small, large) if turn % 2 else (large, small):
            begun = _now()
            outcome(whole_edit(document, model, steps))
            seconds[document] = _now() - begun
        if turn:
            ratios.append(seconds[large] / seconds[small])
    said = f"the last {seconds[large]:.3g} against {seconds[small]:.3g} s; {min(ratios):.3f} to {max(ratios):.3f}"
    label = f"{name}, {REGION_SIDES[1]} px document against {REGION_SIDES[0]} px"
    yield Result.at_most(label, statistics.median(ratios), "×", REGION_BAR, said)


def _compiled(name: str, model: Model, request: EditRequest, rounds: int) -> Iterator[Result]:
    """The same with a compiled U-Net, for both sides."""
    model.stock.unet.compile()
    begun = _now()
    outcome(edit(request, model.backend))
    yield Result(f"{name}, compiling", _now() - begun, "s", note="the first edit")
    ours, stock = _by_turns(model, request, rounds)
    ratios = [mine / theirs for mine, theirs in zip(ours, stock, strict=True)]
    yield Result(f"{name}, compiled, step", 1000 * statistics.median(ours), "ms")
    said = f"{1000 * statistics.median(stock):.4g} ms theirs; {min(ratios):.3f} to {max(ratios):.3f} in {rounds} rounds"
    yield Result.at_most(f"{name}, compiled, step against diffusers", statistics.median(ratios), "×", STEP_BAR, said)


def _by_turns(model: Model, request: EditRequest, rounds: int) -> tuple[list[float], list[float]]:
    """Seconds per step of ours and of theirs: whole runs by turns, from the first step to the last, waiting for the card only there."""
    ours: list[float] = []
    stock: list[float] = []
    for turn in range(rounds + 1):
        both = (_our_step, _stock_step) if turn % 2 else (_stock_step, _our_step)
        for run in both:
            seconds = run(model, request)
            if turn:  # the first round prepares kernels
                (ours if run is _our_step else stock).append(seconds)
    return ours, stock


def _our_step(model: Model, request: EditRequest) -> float:
    marks = _Marks()
    for _ in steps_of(request, model):
        marks.step(request.steps)
    return marks.seconds


def _stock_step(model: Model, request: EditRequest) -> float:
    marks = _Marks()
    run_stock(model, request, lambda: marks.step(request.steps))
    return marks.seconds


class _Marks:
    """Looks at the clock after the first and after the last step."""

    def __init__(self) -> None:
        self._count = 0
        self._begun = 0.0
        self.seconds = 0.0

    def step(self, of: int) -> None:
        self._count += 1
        if self._count == 1:
            self._begun = _now()
        elif self._count == of:
            self.seconds = (_now() - self._begun) / (of - 1)


@torch.no_grad()
def _operations(model: Model, request: EditRequest) -> float:
    """Floating-point operations of one guided step."""
    size = Size(request.image.shape[1], request.image.shape[0])
    positive, negative = outcome_of(model.backend.embed(PROMPT, "", size))
    denoiser = guided(model.backend, classifier_free(positive, negative, GUIDANCE))
    cell = model.info.cell
    latents = torch.zeros(1, 4, size.height // cell, size.width // cell, device=model.backend.device)
    with FlopCounterMode(display=False) as counter:
        denoiser(latents, model.backend.schedule(request.steps).steps[0])
    return float(counter.get_total_flops())


def matmul_rate(dtype: torch.dtype, device: torch.device) -> float:
    """Operations a second of a large matrix product: what this machine can do at best in this precision."""
    side = 8192 if device.type == "cuda" else 512
    one, other = (torch.randn(side, side, device=device).to(dtype) for _ in range(2))
    return 2.0 * side**3 / _quickest(lambda: one @ other)


def bandwidth(device: torch.device) -> float:
    """Bytes a second, read and written, of a large copy."""
    count = 2**30 if device.type == "cuda" else 2**24
    source = torch.ones(count, dtype=torch.uint8, device=device)
    target = torch.empty_like(source)
    return 2.0 * count / _quickest(lambda: target.copy_(source))


def _quickest(work: Callable[[], Any], rounds: int = 5, times: int = 10) -> float:
    """Seconds of one go; the best of some rounds."""
    work()
    best = float("inf")
    for _ in range(rounds):
        begun = _now()
        for _ in range(times):
            work()
        best = min(best, (_now() - begun) / times)
    return best


def _now() -> float:
    """Seconds, once the card has done all it was told."""
    _wait()
    return time.perf_counter()


def _wait() -> None:
    if torch.cuda.is_available():
        torch.cuda.synchronize()


def _reset_peak() -> None:
    if torch.cuda.is_available():
        torch.cuda.reset_peak_memory_stats()


def _versions() -> str:
    return f"{this_device().name}, torch {torch.__version__}, CUDA {torch.version.cuda}"
