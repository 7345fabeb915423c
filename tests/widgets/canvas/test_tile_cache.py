"""Levels and the tiles kept of them, against shrinking the whole picture at once."""

from __future__ import annotations

import time
from dataclasses import replace

import cv2
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from editor.document.contents import Layer
from editor.document.document import Document
from editor.document.tiles import Tiles
from editor.geometry import Rect, Size
from tests.support.canvas_driver import noise, soft
from widgets.canvas.levels import level_for, level_size, map_at, picture_at, sketch_at
from widgets.canvas.strength_overlay import Changes
from widgets.canvas.tile_cache import CompositeCache, TileCache

Pixels = NDArray[np.uint8]


@pytest.mark.parametrize(("zoom", "level"), [(64, 0), (1, 0), (0.75, 0), (0.5, 1), (0.4, 1), (0.25, 2), (1 / 64, 6)])
def test_the_level_is_shown_between_half_and_full_size(zoom: float, level: int) -> None:
    assert level_for(zoom) == level


@pytest.mark.parametrize("level", [0, 1, 2, 3, 6])
def test_a_level_is_the_mean_of_its_pixels(level: int) -> None:
    pixels = noise(512, 384)
    document = Document.of_picture(pixels)
    step = 1 << level
    found = picture_at(document, level, Rect.of_size(level_size(document.size, level)))
    mean = pixels.reshape(384 // step, step, 512 // step, step, 4).astype(float).mean(axis=(1, 3))
    assert np.abs(found[..., [2, 1, 0, 3]] - mean).max() <= 1


@given(
    st.integers(1, 300),
    st.integers(1, 300),
    st.integers(0, 6),
    st.tuples(st.floats(0, 1), st.floats(0, 1), st.floats(0, 1), st.floats(0, 1)),
)
@settings(deadline=None, max_examples=60)
def test_parts_of_a_level_are_parts_of_the_whole(
    width: int, height: int, level: int, corners: tuple[float, float, float, float]
) -> None:
    document = Document.of_picture(noise(width, height))
    strength = Tiles.of(np.random.default_rng(2).random((height, width), np.float32))
    size = level_size(document.size, level)
    left, right = sorted(round(corner * size.width) for corner in corners[:2])
    top, bottom = sorted(round(corner * size.height) for corner in corners[2:])
    rect = Rect(min(left, size.width - 1), min(top, size.height - 1), max(right, left + 1), max(bottom, top + 1))
    rect = rect.intersect(Rect.of_size(size))
    whole = Rect.of_size(size)
    assert np.array_equal(picture_at(document, level, rect), picture_at(document, level, whole)[rect.slices])
    assert np.array_equal(map_at(strength, level, rect), map_at(strength, level, whole)[rect.slices])
    assert sketch_at(document, level, rect).shape == (rect.height, rect.width, 4)


def test_transparent_pixels_do_not_bleed_into_a_level() -> None:
    pixels = np.zeros((64, 64, 4), np.uint8)
    pixels[..., 0] = 255  # red, but unseen
    pixels[::2, ::2] = (0, 0, 255, 255)
    found = picture_at(Document.of_picture(pixels), 1, Rect(0, 0, 32, 32))
    assert (found[..., 2] == 0).all()
    assert np.abs(found[..., 0].astype(int) - 64).max() <= 1
    assert np.array_equal(found[..., 0], found[..., 3])


def test_layers_are_flattened_before_they_are_shrunk() -> None:
    document = Document.of_picture(soft(300, 200))
    layer = Layer.empty(0, "over", document.size)
    document = document.adding_layer(replace(layer, pixels=layer.pixels.write(40, 30, noise(90, 70, 5)), opacity=0.6))
    plain = picture_at(document, 0, document.rect)
    small = cv2.resize(plain[:200, :300], (75, 50), interpolation=cv2.INTER_AREA)
    assert np.abs(picture_at(document, 2, Rect(0, 0, 75, 50)).astype(int) - small).max() <= 1


class _Source:
    """A level source that counts what it is asked for."""

    def __init__(self, array: Pixels) -> None:
        self.array = array
        self.asked: list[Rect] = []

    def __call__(self, level: int, rect: Rect) -> Pixels:
        assert level == 0
        self.asked.append(rect)
        return self.array[rect.slices].copy()


@st.composite
def _steps(draw: st.DrawFn) -> list[tuple[str, Rect]]:
    found = []
    for _ in range(draw(st.integers(1, 8))):
        left, top = draw(st.integers(0, 1090)), draw(st.integers(0, 890))
        width, height = draw(st.integers(1, 1100 - left)), draw(st.integers(1, 900 - top))
        found.append((draw(st.sampled_from(["look", "change"])), Rect.at(left, top, width, height)))
    return found


@given(_steps())
@settings(deadline=None, max_examples=40)
def test_the_cache_never_shows_what_is_no_longer_so(steps: list[tuple[str, Rect]]) -> None:
    source = _Source(np.zeros((900, 1100), np.uint8))
    cache = TileCache(Size(1100, 900), source, budget=400_000)
    for i, (act, rect) in enumerate(steps):
        if act == "change":
            source.array[rect.slices] = i + 1
            cache.invalidate([rect])
        else:
            found, exact = cache.gather(0, rect)
            assert exact
            assert np.array_equal(found, source.array[rect.slices])


def test_what_is_known_is_not_asked_for_again() -> None:
    source = _Source(np.zeros((900, 1100), np.uint8))
    cache = TileCache(Size(1100, 900), source)
    whole = Rect(0, 0, 1100, 900)
    cache.gather(0, whole)
    asked = len(source.asked)
    cache.gather(0, whole)
    cache.gather(0, Rect(100, 100, 120, 130))
    assert len(source.asked) == asked
    cache.invalidate([Rect(10, 10, 20, 20)])
    cache.gather(0, whole)
    assert source.asked[asked:] == [Rect(10, 10, 20, 20)]


def test_past_the_deadline_it_sketches_and_refines_later() -> None:
    exact, rough = _Source(np.full((900, 1100), 7, np.uint8)), _Source(np.full((900, 1100), 3, np.uint8))
    cache = TileCache(Size(1100, 900), exact, rough)
    whole = Rect(0, 0, 1100, 900)
    found, sharp = cache.gather(0, whole, deadline=time.perf_counter() - 1)
    assert not sharp
    assert (found == 3).all()
    while refined := cache.refine(0, whole, time.perf_counter() - 1):
        assert len(refined) == 1  # at least one, and no more than there is time for
    found, sharp = cache.gather(0, whole, deadline=time.perf_counter() - 1)
    assert sharp
    assert (found == 7).all()


def test_a_sight_shows_another_version_only_where_it_differs() -> None:
    document = Document.of_picture(soft(600, 500))
    sight = CompositeCache(document)
    whole = Rect.of_size(level_size(document.size, 1))
    before = sight.gather(1, whole).copy()
    layer = document.layers[0]
    changed = document.with_layer(replace(layer, pixels=layer.pixels.write(200, 200, noise(20, 20))))
    rects = sight.show(changed)
    assert rects == [Rect(200, 200, 220, 220)]
    after = sight.gather(1, whole)
    differs = (before != after).any(axis=2)
    assert differs[100:110, 100:110].any()
    differs[100:110, 100:110] = False
    assert not differs.any()


def test_every_changed_pixel_is_marked_at_every_level() -> None:
    before = Document.of_picture(soft(300, 260))
    layer = before.layers[0]
    spot = layer.pixels.read(Rect(131, 77, 132, 78))
    spot[..., 0] ^= 1
    after = before.with_layer(replace(layer, pixels=layer.pixels.write(131, 77, spot)))
    changes = Changes(before, before)
    assert changes.show(before, after) == [Rect(131, 77, 132, 78)]
    for level in range(7):
        found = changes._exact(level, Rect.of_size(level_size(before.size, level)))
        assert np.argwhere(found).tolist() == [[77 >> level, 131 >> level]]
