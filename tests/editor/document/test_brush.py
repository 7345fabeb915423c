"""Strokes: what they cover, what they leave alone, and that the way alone decides."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from editor.document import masks
from editor.document.brush import Brush, Colour, Darken, Erase, Lighten, Paint, Sample, SetTo, Smooth, Stroke
from editor.document.tiles import Tiles, changed
from editor.geometry import EMPTY, Rect, Size
from tests.support.strategies import brushes, quick, random_array, seeds, split, strokes, thorough

SIZE = Size(300, 280)
BLANK = Tiles.filled(SIZE.shape, 0, np.float32)
CLEAR = Tiles.filled((*SIZE.shape, 4), 0)
PLAIN = Brush(smoothing=0.0, pressure_size=False)
map_paints: st.SearchStrategy[Paint] = st.sampled_from([SetTo(0.7), SetTo(0.0), Lighten(0.6), Darken(0.3), Smooth(3.0)])
pixel_paints: st.SearchStrategy[Paint] = st.sampled_from([Colour((230, 60, 40)), Colour((0, 0, 0)), Erase()])


def drawn(base: Tiles, brush: Brush, paint: Paint, samples: list[Sample]) -> Tiles:
    """The stroke in one go."""
    stroke = Stroke(base, brush, paint)
    stroke.add(samples)
    return stroke.finish()


def cover(brush: Brush, samples: list[Sample]) -> NDArray[np.float32]:
    """How far a stroke covers each pixel."""
    return drawn(BLANK, brush, SetTo(1.0), samples).read()


def some_map(seed: int) -> Tiles:
    return Tiles.of(random_array(seed, SIZE.shape, np.float32))


def some_pixels(seed: int) -> Tiles:
    return Tiles.of(random_array(seed, (*SIZE.shape, 4)))


# The way alone decides


@thorough
@given(brushes, strokes, st.data())
def test_other_samples_on_the_same_way_give_the_same_bytes(
    brush: Brush, way: list[Sample], data: st.DataObject
) -> None:
    stroke = Stroke(BLANK, brush, SetTo(0.8))
    for portion in data.draw(split(way)):
        stroke.add(portion)
    assert stroke.finish().same_as(drawn(BLANK, brush, SetTo(0.8), way))


@quick
@given(brushes, strokes)
def test_portions_change_no_version_in_between(brush: Brush, way: list[Sample]) -> None:
    at_once, one_by_one = Stroke(BLANK, brush, SetTo(1.0)), Stroke(BLANK, brush, SetTo(1.0))
    for sample in way:
        one_by_one.add([sample])
    assert at_once.add(way).same_as(one_by_one.tiles)


@quick
@given(st.lists(st.sampled_from([(10, 0), (-10, 0), (0, 10), (0, -10)]), min_size=1, max_size=8), st.floats(0, 1))
def test_going_back_over_a_wash_adds_nothing(turns: list[tuple[int, int]], hardness: float) -> None:
    # One dab at every corner, so that the way back meets the same dabs in the opposite order.
    brush = replace(PLAIN, size=40.0, spacing=0.25, hardness=hardness, flow=0.6)
    way = [Sample(150.3, 140.6)]
    for dx, dy in turns:
        way.append(Sample(way[-1].x + dx, way[-1].y + dy))
    once = cover(brush, way)
    assert np.array_equal(once, cover(brush, way[::-1]))
    assert np.array_equal(once, cover(brush, [*way, *way[::-1], *way]))
    assert once.max() <= np.float32(0.6)


def test_build_up_adds_up() -> None:
    brush = replace(PLAIN, flow=0.5, spacing=1.5, build_up=True)  # 60 px apart: one dab at each end
    there, back = Sample(100, 100), Sample(160, 100)
    found = cover(brush, [there, back, there, back])
    assert found[100, 100] == pytest.approx(0.75)
    assert found[100, 160] == pytest.approx(0.75)


def test_pressing_and_lifting_in_one_place_leaves_no_blot() -> None:
    brush = replace(PLAIN, flow=0.1, build_up=True, pressure_size=True)
    ramp = [Sample(100, 100, pressure / 10) for pressure in range(1, 10)]
    line = [Sample(100, 100, 1.0), Sample(200, 100, 1.0)]
    lift = [Sample(200, 100, pressure / 10) for pressure in range(9, 0, -1)]
    found = cover(brush, [*ramp, *line, *lift])
    assert found.max() <= cover(brush, line).max() + 0.02


def test_a_steadied_line_ends_where_the_pen_ends() -> None:
    brush = replace(PLAIN, size=10.0, smoothing=1.0)
    stroke = Stroke(BLANK, brush, SetTo(1.0))
    on_the_way = stroke.add([Sample(50, 50), Sample(200, 50)]).read()
    assert on_the_way[50, 196:].max() == 0
    assert stroke.finish().read()[50, 199] == 1


def test_a_steadied_corner_is_cut() -> None:
    way = [Sample(50, 50), Sample(200, 50), Sample(200, 200)]
    assert cover(replace(PLAIN, size=6.0), way)[50, 199] == 1
    assert cover(replace(PLAIN, size=6.0, smoothing=1.0), way)[50, 199] == 0


# One dab


@quick
@given(st.floats(40, 200), st.floats(40, 200), st.sampled_from([2.0, 9.0, 40.0, 75.0]), st.floats(0, 1))
def test_one_press_makes_one_round_dab(x: float, y: float, size: float, hardness: float) -> None:
    found = cover(replace(PLAIN, size=size, hardness=hardness), [Sample(x, y)])
    middles = np.arange(300) + 0.5
    away = np.hypot(*np.meshgrid(middles - x, middles[:280] - y))
    # Places are kept to a quarter of a pixel, and the rim is at least a pixel wide.
    slack = 0.2
    inner, outer = min(hardness * size / 2, size / 2 - 0.5), max(size / 2, min(hardness * size / 2, size / 2 - 0.5) + 1)
    assert (found[away < inner - slack] == 1).all()
    assert (found[away > outer + slack] == 0).all()
    order = np.argsort(away, axis=None)
    falling = found.ravel()[order]
    rise = falling - np.minimum.accumulate(falling)
    assert rise.max() <= 2 * 2 * slack * 1.5 / (outer - inner)


def test_a_hard_dab_covers_its_area_with_a_rim_of_one_pixel() -> None:
    found = cover(replace(PLAIN, size=60.0, hardness=1.0), [Sample(100.3, 90.8)])
    assert found.sum() == pytest.approx(math.pi * 30**2, rel=0.005)
    assert ((found > 0) & (found < 1)).sum() < 2 * math.pi * 30 * 1.5


@quick
@given(st.integers(0, 299), st.integers(0, 279), st.floats(0, 0.99), st.floats(0, 0.99))
def test_a_brush_of_one_pixel_fills_the_pixel_under_the_pointer(
    column: int, row: int, across: float, down: float
) -> None:
    found = cover(replace(PLAIN, size=1.0), [Sample(column + across, row + down)])
    assert found[row, column] == 1
    assert found.sum() == 1


def test_a_line_of_one_pixel_has_no_gaps() -> None:
    found = cover(replace(PLAIN, size=1.0), [Sample(20.5, 20.5), Sample(120.5, 50.5)])
    assert found[:, 20:121].max(axis=0).min() == 1
    assert set(np.unique(found)) == {0, 1}


# Pressure


def test_pressure_makes_the_line_thicker_along_the_way() -> None:
    brush = replace(PLAIN, size=60.0, hardness=1.0, pressure_size=True)
    found = cover(brush, [Sample(50, 100, 0.2), Sample(250, 100, 1.0)])
    widths = found.sum(axis=0)[60:240]
    assert widths[0] == pytest.approx(60 * 0.24, abs=3)
    assert widths[-1] == pytest.approx(60 * 0.96, abs=3)
    assert (np.diff(widths) > -0.6).all()


def test_pressure_makes_the_line_fainter() -> None:
    found = cover(replace(PLAIN, size=20.0, pressure_flow=True), [Sample(50, 100, 0.0), Sample(250, 100, 1.0)])
    assert found[100, 150] == pytest.approx(0.5, abs=0.05)
    assert found[100, 248] == pytest.approx(1.0, abs=0.03)


def test_pressing_harder_in_place_grows_the_dab() -> None:
    brush = replace(PLAIN, size=60.0, hardness=1.0, pressure_size=True)
    found = cover(brush, [Sample(100, 100, 0.1), Sample(100, 100, 1.0)])
    assert found[100, 75] == 1


def test_no_pressure_draws_nothing() -> None:
    stroke = Stroke(BLANK, replace(PLAIN, pressure_size=True), SetTo(1.0))
    assert stroke.add([Sample(100, 100, 0.0)]) is BLANK


# Paints


@quick
@given(seeds, brushes, strokes, map_paints)
def test_maps_keep_what_is_not_covered_and_take_what_is(
    seed: int, brush: Brush, way: list[Sample], paint: Paint
) -> None:
    base = some_map(seed)
    before, after = base.read(), drawn(base, brush, paint, way).read()
    share = cover(brush, way)
    match paint:
        case SetTo(value):
            goal = np.full_like(before, value)
        case Lighten(value):
            goal = np.maximum(before, np.float32(value))
        case Darken(value):
            goal = np.minimum(before, np.float32(value))
        case _:
            goal = masks.blur(before, 3.0)
    assert np.array_equal(after[share == 0], before[share == 0])
    assert np.array_equal(after[before == goal], before[before == goal])
    if not isinstance(paint, Smooth):
        assert np.array_equal(after[share == 1], goal[share == 1])
    assert np.allclose(after, before + (goal - before) * share, atol=1e-6)
    assert after.min() >= 0
    assert after.max() <= 1


@quick
@given(brushes, strokes, map_paints)
def test_a_blank_map_is_a_map_of_zeros(brush: Brush, way: list[Sample], paint: Paint) -> None:
    zeros = Tiles.of(np.zeros(SIZE.shape, np.float32))
    assert drawn(BLANK, brush, paint, way).same_as(drawn(zeros, brush, paint, way))


@quick
@given(seeds, brushes, strokes, pixel_paints)
def test_pixels_are_laid_over_one_another(seed: int, brush: Brush, way: list[Sample], paint: Paint) -> None:
    base = some_pixels(seed)
    before, after = base.read(), drawn(base, brush, paint, way).read()
    share = cover(brush, way).astype(np.float64)
    assert np.array_equal(after[share == 0], before[share == 0])
    alpha = before[..., 3] / 255
    if isinstance(paint, Colour):
        result = share + alpha * (1 - share)
        assert np.abs(after[..., 3] - 255 * result).max() <= 0.51
        full = share == 1
        assert (after[full] == (*paint.rgb, 255)).all()
        seen = result > 0.02
        part = (share[..., None] * paint.rgb + before[..., :3] * (alpha * (1 - share))[..., None])[seen]
        assert np.abs(after[..., :3][seen] - part / result[seen][:, None]).max() <= 0.52
    else:
        left = (after[..., 3] > 0) | (share == 0)
        assert np.array_equal(after[left], np.dstack([before[..., :3], after[..., 3]])[left])
        assert not after[~left].any()
        assert np.abs(after[..., 3] - 255 * alpha * (1 - share)).max() <= 0.51


def test_colour_on_an_opaque_picture_leaves_it_opaque() -> None:
    pixels = random_array(1, (*SIZE.shape, 4))
    pixels[..., 3] = 255
    after = drawn(Tiles.of(pixels), Brush(), Colour((9, 200, 0)), [Sample(20, 20), Sample(200, 150)]).read()
    assert (after[..., 3] == 255).all()
    assert tuple(after[80, 110]) == (9, 200, 0, 255)


def test_smoothing_flattens_noise_without_seams() -> None:
    base = some_map(5)
    after = drawn(base, replace(PLAIN, size=500.0, hardness=1.0), Smooth(4.0), [Sample(150, 140)])
    assert np.allclose(after.read(), masks.blur(base.read(), 4.0), atol=1e-6)


@pytest.mark.parametrize(
    ("base", "paint"), [(BLANK, Colour((1, 2, 3))), (BLANK, Erase()), (CLEAR, SetTo(1.0)), (CLEAR, Smooth(2.0))]
)
def test_a_paint_must_fit_its_base(base: Tiles, paint: Paint) -> None:
    with pytest.raises(ValueError, match="does not fit"):
        Stroke(base, PLAIN, paint)


# What was written


@quick
@given(seeds, brushes, st.lists(strokes, min_size=1, max_size=4))
def test_touched_bounds_what_differs(seed: int, brush: Brush, portions: list[list[Sample]]) -> None:
    base = some_map(seed)
    stroke = Stroke(base, brush, SetTo(0.5))
    before, whole = base, EMPTY
    for portion in [*portions, None]:
        after = stroke.finish() if portion is None else stroke.add(portion)
        differs = Rect.of_mask(before.read() != after.read())
        assert stroke.last.holds(differs)
        assert base.rect.holds(stroke.last)
        assert (after is before) == stroke.last.empty
        assert all(not rect.intersect(stroke.last).empty for rect in changed(before, after))
        whole = whole.unite(stroke.last)
        before = after
    assert stroke.touched == whole
    assert stroke.tiles is before


def test_a_stroke_outside_the_picture_touches_nothing() -> None:
    stroke = Stroke(BLANK, Brush(size=30), SetTo(1.0))
    assert stroke.add([Sample(-40, 10), Sample(-40, 200)]) is BLANK
    assert stroke.finish() is BLANK
    assert stroke.touched == EMPTY


def test_blocks_beside_the_stroke_are_shared() -> None:
    after = drawn(BLANK, replace(PLAIN, size=20.0), SetTo(1.0), [Sample(64, 64)])
    assert after.rows[0][1:] == BLANK.rows[0][1:]
    assert after.rows[1:] == BLANK.rows[1:]
    assert not after.is_blank(after.rows[0][0])


def test_what_is_erased_leaves_no_colours_behind() -> None:
    base = Tiles.of(np.full((40, 40, 4), (10, 200, 30, 255), np.uint8))
    stroke = Stroke(base, Brush(size=12, hardness=1.0), Erase())
    stroke.add([Sample(20, 20)])
    found = stroke.finish().read()
    assert found[20, 20].tolist() == [0, 0, 0, 0]
    assert (found[found[..., 3] > 0][:, :3] == (10, 200, 30)).all()
    assert (found[found[..., 3] == 0] == 0).all()
