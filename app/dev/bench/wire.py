"""Requests as bytes and back: bytes and milliseconds for frames of 1, 6 and 18 megapixels, against copying the same arrays once."""

from __future__ import annotations

import statistics
import time
import zlib
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
from numpy.typing import NDArray

from app.dev.bench import Result
from editor.arrays import Map
from editor.geometry import Rect
from editor.methods.quick_fill.settings import QuickFillSettings
from editor.requests.edit_request import EditRequest, ExemplarInput, ItemInput
from editor.requests.frame import Frame
from editor.requests.wire import Wire

SIDES = {"1 MP": (1152, 864), "6 MP": (3000, 2000), "18 MP": (5184, 3456)}
REPEATS = 5
BAR = 1000.0  # milliseconds there and back: a frame must not cost seconds beside the model
PATCH = 0.2  # of each side, where something is painted


def wire() -> Iterator[Result]:
    """There and back for requests with a painted patch and things, and with strength everywhere; what harder packing would take."""
    codec = Wire((QuickFillSettings,))
    for name, (width, height) in SIDES.items():
        for what, request in (("a patch", painted(width, height)), ("all over", painted(width, height, whole=True))):
            yield from _measured(f"wire: {name}, {what}", codec, request)
        request = painted(width, height, things=True)
        yield from _measured(f"wire: {name}, an item and a reference", codec, request)
    pixels = painted(*SIDES["1 MP"]).image.tobytes()
    packing = _milliseconds(lambda: zlib.compress(pixels, 1))
    share = len(zlib.compress(pixels, 1)) / len(pixels)
    yield Result("wire: squeezing 1 MP of pixels", packing, "ms", note=f"to {share:.0%} of its bytes")


def painted(width: int, height: int, *, whole: bool = False, things: bool = False) -> EditRequest:
    """A request for a fill. `whole`: with strength everywhere. `things`: with an item and an exemplar in the patch."""
    rng = np.random.default_rng(1)
    smooth = np.linspace(0, 200, width)[None, :, None] + np.zeros((height, 1, 3))
    image = np.asarray(smooth + rng.integers(0, 40, (height, width, 3)), np.uint8)
    patch = patch_of(width, height)
    strength = np.asarray(rng.random((height, width)), np.float32) if whole else patch
    exemplars: tuple[ExemplarInput, ...] = ()
    items: tuple[ItemInput, ...] = ()
    if things:
        shown = np.where(patch[..., None] > 0, image, np.uint8(0))
        exemplars = (ExemplarInput("flower", shown, patch.copy(), patch.copy(), patch.copy(), patch.copy()),)
        items = (ItemInput("cat", patch, patch > 0, np.eye(2, 3)),)
    frame = Frame.full_size(Rect(0, 0, width, height))
    return EditRequest(image, strength, frame, QuickFillSettings(), 1, "blend", items=items, exemplars=exemplars)


def patch_of(width: int, height: int) -> Map:
    """Soft, in the middle."""
    patch = np.zeros((height, width), np.float32)
    rows, columns = (np.arange(int(side * PATCH)) for side in (height, width))
    soft = np.sin(rows / len(rows) * np.pi)[:, None] * np.sin(columns / len(columns) * np.pi)
    top, left = int(height * 0.4), int(width * 0.4)
    patch[top : top + len(rows), left : left + len(columns)] = soft
    return patch


def _measured(name: str, codec: Wire, request: EditRequest) -> Iterator[Result]:
    arrays: list[NDArray[Any]] = [request.image, request.strength]
    for exemplar in request.exemplars:
        arrays += [exemplar.pixels, exemplar.alpha, exemplar.strength, exemplar.fidelity, exemplar.rim]
    for item in request.items:
        arrays += [item.mask, item.hole]
    memory = sum(array.nbytes for array in arrays)
    copying = _milliseconds(lambda: [array.copy() for array in arrays])
    message = b"".join(codec.encode(request))
    there = _milliseconds(lambda: b"".join(codec.encode(request)))
    back = _milliseconds(lambda: codec.decode(message))
    note = f"of {memory / 1e6:.1f} MB in memory, {copying:.0f} ms to copy"
    yield Result(f"{name}, sent", len(message) / 1e6, "MB", note=note)
    yield Result(f"{name}, there", there, "ms")
    yield Result(f"{name}, back, with all checks", back, "ms")
    yield Result.at_most(f"{name}, there and back", there + back, "ms", BAR)


def _milliseconds(run: Callable[[], object]) -> float:
    times = []
    for _ in range(REPEATS):
        begun = time.perf_counter()
        run()
        times.append(time.perf_counter() - begun)
    return statistics.median(times) * 1000
