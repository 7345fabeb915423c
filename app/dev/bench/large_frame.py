"""What an edit takes beside its model where the frame has 18 megapixels: the request, the way to the working canvas and back, and the new layer.

Run on the bundled practice model, whose own time (words, autoencoder, network) is taken off. By the processor's time: others may be at work.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any, TypeVar

import numpy as np
import torch

import resources
from app.dev.bench import Result
from app.dev.bench.diffusion_edits import outcome, picture, spot
from editor.diffusion.backend import Backend
from editor.diffusion.loading import load
from editor.document.document import Document
from editor.edits.apply import apply_result
from editor.edits.dispatch import make_request, plan
from editor.geometry import Rect, Size
from editor.methods.blended_latent_diffusion import model as blended
from editor.methods.blended_latent_diffusion.settings import BlendedSettings
from editor.methods.pixels import model as pixels
from editor.methods.pixels.settings import PixelsSettings
from editor.models.inspect import inspect
from editor.models.memory import Fit, Plan
from editor.planning.plan import Draft

T = TypeVar("T")

PICTURE = Size(6000, 4000)
FRAME = Rect(500, 100, 5400, 3800)
SPOT = 300  # pixels across
NATIVE = (
    256  # side that the model is taken to be made for: what it computes itself is taken off, and need not take long
)
STEPS = 2
REPEATS = 2
# Copies of the frame as floats that an edit may take the time of.
SPOT_BAR, WHOLE_BAR = 25.0, 60.0
VERBS = ("embed", "encode", "decode", "predict")


class _Timed:
    """A backend that counts the processor's seconds spent in it."""

    def __init__(self, backend: Backend) -> None:
        self._backend = backend
        self.seconds = 0.0

    def __getattr__(self, name: str) -> Any:
        verb = getattr(self._backend, name)
        if name not in VERBS:
            return verb

        def timed(*arguments: Any, **named: Any) -> Any:
            begun = time.process_time()
            try:
                return verb(*arguments, **named)
            finally:
                self.seconds += time.process_time() - begun

        return timed


def large_frame() -> Iterator[Result]:
    """Milliseconds of each part by both methods, for one painted spot and for a frame painted all over, and how many copies of the frame that is.
    Nothing where the practice model is not packaged."""
    folders = resources.bundled_models()
    if not folders:
        return
    threads = torch.get_num_threads()
    torch.set_num_threads(1)  # others wait busily for work, which counts as time beside the model
    try:
        yield from _measured(practice(folders[0]))
    finally:
        torch.set_num_threads(threads)


def _measured(backend: Backend) -> Iterator[Result]:
    yield (floor := _floor())
    edits: dict[str, tuple[Any, Any]] = {
        "PIXELS": (PixelsSettings(), pixels.edit),
        "Blended Latent Diffusion": (BlendedSettings(), blended.edit),
    }
    for name, (settings, edit) in edits.items():
        draft = Draft(settings, model=backend.info, prompt="red boat", seed=1, steps=STEPS, frame=FRAME)
        for where, whole, bar in (("one spot", False, SPOT_BAR), ("all over", True, WHOLE_BAR)):
            parts = [beside_the_model(painted(whole=whole), draft, backend, edit) for _ in range(REPEATS)]
            least = {part: min(times[part] for times in parts) for part in parts[0]}
            title = f"large frame: {name}, {where}"
            yield from (Result(f"{title}, {part}", seconds * 1e3, "ms") for part, seconds in least.items())
            total = sum(least.values()) * 1e3
            yield Result.at_most(f"{title}, all", total / floor.value, "x", bar, f"{total:.0f} ms")


def practice(folder: Path) -> Backend:
    """The practice model, on the processor, as if it were made for pictures of `NATIVE` pixels."""
    info = replace(inspect(folder), native=NATIVE)
    return outcome(load(info, Fit(Plan("cpu", "float32", "float32"), 0, 0)))


def painted(*, whole: bool) -> Document:
    """A picture of 24 megapixels with one soft spot in its middle, or strength that rises from left to right."""
    width, height = PICTURE
    opaque = np.full((height, width, 1), 255, np.uint8)
    document = Document.of_picture(np.concatenate([picture(width, height), opaque], axis=2))
    if whole:
        ramp = np.broadcast_to(np.linspace(0.2, 0.9, width, dtype=np.float32), (height, width))
        return document.with_strength(document.strength.write(0, 0, ramp))
    return document.with_strength(document.strength.write((width - SPOT) // 2, (height - SPOT) // 2, spot(SPOT)))


def beside_the_model(document: Document, draft: Draft, backend: Backend, edit: Callable[..., Any]) -> dict[str, float]:
    """Seconds of each part of one edit. `edit`: of a method, from request and backend to reports."""
    planned, timed = plan(document, draft), _Timed(backend)
    request, asking = _clocked(lambda: make_request(document, draft, planned))
    result, editing = _clocked(lambda: outcome(edit(request, timed)))
    _, laying = _clocked(lambda: apply_result(document, result, document, planned))
    return {"request": asking, "edit without the model": editing - timed.seconds, "new layer": laying}


def _floor() -> Result:
    frame = np.ones((FRAME.height, FRAME.width, 3), np.float32)
    seconds = min(_clocked(frame.copy)[1] for _ in range(2 * REPEATS))
    return Result("large frame: a copy of it as floats", seconds * 1e3, "ms")


def _clocked(run: Callable[[], T]) -> tuple[T, float]:
    begun = time.process_time()
    value = run()
    return value, time.process_time() - begun
