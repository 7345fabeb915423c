"""What the property tests of the picture half draw: rectangles, arrays, placements, strokes, documents."""

from __future__ import annotations

from dataclasses import replace
from itertools import pairwise
from typing import Any

import numpy as np
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from editor.document.brush import Brush, Sample
from editor.document.contents import BLENDS, Layer
from editor.document.document import Document
from editor.document.tiles import BLOCK, Tiles
from editor.geometry import Placement, Rect, Size

Map = NDArray[np.float32]
Pixels = NDArray[np.uint8]

# The machine may be busy: no deadlines. Few examples of many different kinds keep each file to seconds.
quick = settings(deadline=None, max_examples=40, suppress_health_check=[HealthCheck.too_slow])
thorough = settings(quick, max_examples=150)

# Up to a little more than two blocks, with the borders of blocks drawn often.
sides = st.integers(1, 2 * BLOCK + 40) | st.sampled_from([1, BLOCK - 1, BLOCK, BLOCK + 1, 2 * BLOCK])
sizes = st.builds(Size, sides, sides)
small_sizes = st.builds(Size, st.integers(1, 40), st.integers(1, 40))
units = st.floats(0, 1, width=32)
coordinates = st.floats(-60, 360) | st.integers(-60, 360).map(float)
placements = st.builds(
    Placement,
    x=st.floats(-500, 500),
    y=st.floats(-500, 500),
    scale_x=st.floats(0.1, 5) | st.floats(-5, -0.1),
    scale_y=st.floats(0.1, 5) | st.floats(-5, -0.1),
    rotation=st.floats(-360, 360),
)


def any_rects(low: int = -60, high: int = 360) -> st.SearchStrategy[Rect]:
    """Rectangles that may be empty, and may reach outside a picture."""
    return st.builds(
        lambda x, y, width, height: Rect(x, y, x + width, y + height),
        st.integers(low, high),
        st.integers(low, high),
        st.integers(0, 200),
        st.integers(0, 200),
    )


@st.composite
def rects_within(draw: st.DrawFn, outer: Rect) -> Rect:
    """Rectangles of at least one pixel inside `outer`."""
    left = draw(st.integers(outer.left, outer.right - 1))
    top = draw(st.integers(outer.top, outer.bottom - 1))
    return Rect(left, top, draw(st.integers(left + 1, outer.right)), draw(st.integers(top + 1, outer.bottom)))


def random_array(seed: int, shape: tuple[int, ...], dtype: Any = np.uint8) -> NDArray[Any]:
    """Bytes of every value; or a map of which about half is 0 or 1."""
    rng = np.random.default_rng(seed)
    if np.dtype(dtype) == np.uint8:
        return rng.integers(0, 256, shape, np.uint8)
    return np.asarray(np.clip(rng.random(shape, np.float32) * 2 - 0.5, 0, 1), np.float32)


seeds = st.integers(0, 2**32 - 1)


@st.composite
def maps(draw: st.DrawFn, size: st.SearchStrategy[Size] = small_sizes) -> Map:
    """(H, W) float32 in [0, 1]: noise, a few values, or a mask."""
    found: Map = random_array(draw(seeds), draw(size).shape, np.float32)
    match draw(st.sampled_from(["soft", "steps", "mask", "sparse"])):
        case "steps":
            return np.asarray(np.rint(found * 4) / 4, np.float32)
        case "mask":
            return (found > draw(units)).astype(np.float32)
        case "sparse":
            return np.where(found > 0.97, found, np.float32(0))
        case _:
            return found


@st.composite
def pictures(draw: st.DrawFn, size: Size) -> Pixels:
    """(H, W, 4) uint8; alpha is often wholly opaque, or 0 and 255 in places."""
    seed = draw(seeds)
    found = random_array(seed, (*size.shape, 4))
    match draw(st.sampled_from(["any", "opaque", "holes"])):
        case "opaque":
            found[..., 3] = 255
        case "holes":
            found[..., 3] = np.random.default_rng(seed).choice(np.array([0, 255], np.uint8), size.shape)
    return found


@st.composite
def layers(draw: st.DrawFn, size: Size) -> Layer:
    """A layer with a picture on all of it, or on a part."""
    layer = Layer.empty(0, draw(st.sampled_from(["a", "b"])), size)
    area = draw(rects_within(Rect.of_size(size)))
    pixels = Tiles.of(draw(pictures(size)))
    if draw(st.booleans()):
        pixels = layer.pixels.write(area.left, area.top, draw(pictures(area.size)))
    return replace(
        layer,
        pixels=pixels,
        opacity=draw(st.sampled_from([0.0, 0.3, 1.0])),
        blend=draw(st.sampled_from(BLENDS)),
        visible=draw(st.sampled_from([True, True, False])),
    )


@st.composite
def documents(draw: st.DrawFn, size: st.SearchStrategy[Size] = sizes) -> Document:
    """A document of one to three layers."""
    found = Document.of_picture(draw(pictures(draw(size))))
    for _ in range(draw(st.integers(0, 2))):
        found = found.adding_layer(draw(layers(found.size)))
    return found


brushes = st.builds(
    Brush,
    size=st.sampled_from([1.0, 1.7, 6.0, 25.0, 90.0]),
    hardness=units,
    opacity=st.sampled_from([0.0, 0.4, 1.0]),
    flow=st.sampled_from([0.3, 1.0]),
    spacing=st.sampled_from([0.05, 0.1, 0.25, 1.5]),
    smoothing=st.sampled_from([0.0, 0.3, 1.0]),
    build_up=st.booleans(),
    pressure_size=st.booleans(),
    pressure_flow=st.booleans(),
)
samples = st.builds(Sample, coordinates, coordinates, st.sampled_from([0.0, 0.25, 0.8, 1.0]) | st.floats(0, 1))
strokes = st.lists(samples, min_size=1, max_size=6)


@st.composite
def split(draw: st.DrawFn, corners: list[Sample]) -> list[list[Sample]]:
    """The same way in other samples and portions: some given twice, some more on the straight pieces."""
    found = [corners[0]]
    for start, end in pairwise(corners):
        for share in [*sorted(draw(st.lists(st.floats(0, 1), max_size=4))), 1.0]:
            point = Sample(
                start.x + (end.x - start.x) * share,
                start.y + (end.y - start.y) * share,
                start.pressure + (end.pressure - start.pressure) * share,
            )
            found += [point] * draw(st.sampled_from([1, 1, 2]))
    cuts = sorted(draw(st.lists(st.integers(0, len(found)), max_size=4)))
    return [found[a:b] for a, b in zip([0, *cuts], [*cuts, len(found)], strict=True)]
