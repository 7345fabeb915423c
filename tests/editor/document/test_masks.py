"""Maps: growing against brute force, what stays exactly 0 or 1, and shapes against areas."""

from __future__ import annotations

import math
from itertools import pairwise

import cv2
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from editor.document import masks
from editor.document.tiles import Tiles, changed
from editor.geometry import Rect, Size
from tests.support.strategies import Map, any_rects, maps, quick, random_array, seeds, thorough, units

AREA = Rect(-10, 5, 70, 65)
points = st.tuples(st.floats(-40, 100), st.floats(-40, 100)) | st.tuples(
    st.integers(-40, 100).map(float), st.integers(-40, 100).map(float)
)


def largest_within(map: Map, radius: int) -> Map:
    """By trying every pixel of the disc."""
    wide = np.pad(map, radius, constant_values=-np.inf)
    height, width = map.shape
    found = np.full_like(map, -np.inf)
    for dy in range(-radius, radius + 1):
        for dx in range(-radius, radius + 1):
            if dx * dx + dy * dy <= radius * radius:
                here = wide[radius + dy : radius + dy + height, radius + dx : radius + dx + width]
                found = np.maximum(found, here)
    return found


# Growing and feathering


@thorough
@given(maps(), st.integers(0, 12))
def test_growing_takes_the_largest_value_in_the_disc(map: Map, radius: int) -> None:
    before = map.copy()
    assert np.array_equal(masks.grow(map, radius), largest_within(map, radius))
    assert np.array_equal(masks.grow(map, -radius), -largest_within(-map, radius))
    assert np.array_equal(map, before)


def test_growing_a_soft_map_has_no_seams_between_its_pieces() -> None:
    map = random_array(3, (300, 530), np.float32)
    map[map < 0.99] = 0
    assert np.array_equal(masks.grow(map, 17), largest_within(map, 17))


def test_growing_far_reaches_exactly_that_far() -> None:
    map = np.zeros((500, 500), np.float32)
    map[250, 250] = 0.5
    grown = masks.grow(map, 150)
    assert grown[250, 400] == 0.5
    assert grown[250, 401] == 0
    assert grown[250 + 90, 250 + 120] == 0.5
    assert grown[250 + 91, 250 + 120] == 0


@thorough
@given(maps(), st.floats(0, 30))
def test_feathering_inward_never_raises_anything(map: Map, radius: float) -> None:
    found = masks.feather(map, radius)
    assert (found[map == 0] == 0).all()
    assert (found <= map).all()
    assert (found[map > 0] > 0).all()


def test_feathering_inward_leaves_what_lies_deep() -> None:
    map = np.zeros((80, 80), np.float32)
    map[10:70, 10:70] = 0.8
    found = masks.feather(map, 10)
    assert (found[20:60, 20:60] == np.float32(0.8)).all()
    assert (np.diff(found[40, 9:21]) > 0).all()


def test_the_edge_of_the_picture_is_no_rim() -> None:
    map = np.ones((30, 30), np.float32)
    assert np.array_equal(masks.feather(map, 10), map)
    assert np.array_equal(masks.grow(map, -10), map)


def test_feathering_both_ways_spreads_the_rim() -> None:
    map = masks.box(Rect(0, 0, 100, 100), 0, 0, 50, 100)
    row = masks.feather(map, 10, inward=False)[50]
    assert row[45] < 1
    assert row[54] > 0
    assert row[49] + row[50] == pytest.approx(1, abs=1e-3)


# Blurring


@quick
@given(maps(), st.sampled_from([0.0, 0.7, 4.0, 12.0, 12.5, 30.0]))
def test_blurring_stays_between_the_smallest_and_the_largest(map: Map, radius: float) -> None:
    found = masks.blur(map, radius)
    assert found.min() >= map.min() - 1e-6
    assert found.max() <= map.max() + 1e-6
    assert found.min() >= 0
    assert found.max() <= 1


@pytest.mark.parametrize("radius", [3.0, 12.0, 13.0, 40.0])
def test_blurring_reaches_no_farther_than_it_says(radius: float) -> None:
    reach = masks.blur_reach(radius)
    side = 2 * reach + 21
    map = np.zeros((side, side), np.float32)
    map[reach + 10, reach + 10] = 1
    rows = np.flatnonzero(masks.blur(map, radius).any(axis=1))
    assert rows[0] >= 10
    assert rows[-1] < side - 10


@pytest.mark.parametrize("radius", [8.0, 13.0, 40.0])
def test_blurring_an_edge_is_close_to_a_gaussian(radius: float) -> None:
    edge = masks.box(Rect(0, 0, 400, 8), 0, 0, 200, 8)
    exact = [0.5 * math.erfc((x + 0.5 - 200) / radius / math.sqrt(2)) for x in range(400)]
    assert np.abs(masks.blur(edge, radius)[4] - exact).max() < 0.02


def test_a_wide_blur_leaves_far_places_at_exactly_0_and_1() -> None:
    edge = masks.box(Rect(0, 0, 600, 20), 0, 0, 300, 20)
    found = masks.blur(edge, 30)
    assert (found[:, :150] == 1).all()
    assert (found[:, 450:] == 0).all()


# Values


@quick
@given(maps())
def test_inverting_twice_is_the_identity(map: Map) -> None:
    assert np.abs(masks.invert(masks.invert(map)) - map).max() < 1e-6
    assert (masks.invert(map)[map == 0] == 1).all()
    assert (masks.invert(map)[map == 1] == 0).all()


@quick
@given(maps(), st.floats(0, 0.45), st.floats(0.55, 1), st.floats(0.2, 5))
def test_levels_stretch(map: Map, black: float, white: float, gamma: float) -> None:
    found = masks.levels(map, black, white, gamma)
    assert (found[map <= black] == 0).all()
    assert (found[map > white + 1e-6] == 1).all()
    order = np.argsort(map, axis=None)
    assert (np.diff(found.ravel()[order]) >= 0).all()
    exact = np.clip((map.astype(np.float64) - black) / (white - black), 0, 1) ** (1 / gamma)
    assert np.abs(found - exact).max() < 0.02 if gamma > 2 else np.abs(found - exact).max() < 1e-3


@pytest.mark.parametrize(("black", "white", "gamma"), [(0.5, 0.5, 1), (0.7, 0.2, 1), (0, 1, 0), (0, 1, -1)])
def test_levels_that_mean_nothing(black: float, white: float, gamma: float) -> None:
    with pytest.raises(ValueError, match="levels"):
        masks.levels(np.zeros((2, 2), np.float32), black, white, gamma)


@quick
@given(st.lists(st.integers(0, 50), min_size=2, max_size=6, unique=True), st.data())
def test_a_curve_goes_through_its_points_and_turns_only_there(places: list[int], data: st.DataObject) -> None:
    places = sorted(places)
    through = [(x / 50, data.draw(units)) for x in places]
    ramp = np.linspace(0, 1, 1001, dtype=np.float32)[None]
    found = masks.curve(ramp, through)[0]
    for x, y in through:
        assert found[round(x * 1000)] == pytest.approx(y, abs=2e-3)
    for (x0, y0), (x1, y1) in pairwise(through):
        piece = np.diff(found[round(x0 * 1000) : round(x1 * 1000) + 1]) * np.sign(y1 - y0)
        assert piece.min() >= -1e-6
    assert (found[: places[0] * 20] == found[0]).all()


@pytest.mark.parametrize("through", [[], [(0.5, 0.5)], [(0.2, 0.1), (0.2, 0.9)]])
def test_no_curve(through: list[tuple[float, float]]) -> None:
    with pytest.raises(ValueError, match="no curve"):
        masks.curve(np.zeros((2, 2), np.float32), through)


# Gradients


def test_a_linear_gradient_is_even_between_its_ends() -> None:
    found = masks.linear_gradient(Rect(100, 50, 200, 52), (120.5, 0), (160.5, 0), 0.2, 0.8)
    assert (found[:, :21] == np.float32(0.2)).all()
    assert (found[:, 60:] == np.float32(0.8)).all()
    assert found[0, 40] == pytest.approx(0.5)
    assert np.allclose(np.diff(found[0, 20:61]), 0.6 / 40, atol=1e-6)


@quick
@given(points, points, units, units)
def test_a_gradient_is_the_same_in_any_rectangle(
    start: tuple[float, float], end: tuple[float, float], low: float, high: float
) -> None:
    whole = masks.linear_gradient(AREA, start, end, low, high)
    part = Rect(0, 20, 30, 50)
    assert np.allclose(masks.linear_gradient(part, start, end, low, high), whole[part.within(AREA).slices], atol=1e-5)
    assert whole.min() >= min(low, high) - 1e-6
    assert whole.max() <= max(low, high) + 1e-6


@pytest.mark.parametrize("length", [0.0, 1e-300, 8e-106, 1e-8])
def test_a_gradient_over_no_way_has_one_value(length: float) -> None:
    assert (masks.linear_gradient(AREA, (5.0, 5.0), (5.0, 5.0 + length), 0.2, 0.7) == np.float32(0.7)).all()
    assert (masks.radial_gradient(AREA, (5.0, 5.0), length, 0.2, 0.7) == np.float32(0.7)).all()


def test_a_radial_gradient_is_round() -> None:
    found = masks.radial_gradient(Rect(0, 0, 101, 101), (50.5, 50.5), 40, 1, 0)
    assert found[50, 50] == 1
    assert found[50, 90] == 0
    assert found[50, 70] == pytest.approx(0.5)
    assert found[50 + 24, 50 + 18] == pytest.approx(0.25)


def test_gradients_without_length() -> None:
    assert (masks.linear_gradient(AREA, (3, 3), (3, 3), 0.1, 0.7) == np.float32(0.7)).all()
    assert (masks.radial_gradient(AREA, (3, 3), 0, 0.1, 0.7) == np.float32(0.7)).all()


# Shapes


@thorough
@given(points, points, points)
def test_a_polygon_covers_its_area(a: tuple[float, float], b: tuple[float, float], c: tuple[float, float]) -> None:
    wide = Rect(-50, -50, 110, 110)
    area = abs((b[0] - a[0]) * (c[1] - a[1]) - (c[0] - a[0]) * (b[1] - a[1])) / 2
    found = masks.polygon(wide, [a, b, c])
    assert found.sum(dtype=np.float64) == pytest.approx(area, abs=0.01)
    assert Rect.around([a, b, c]).grow(1).holds(Rect.of_mask(found).moved(wide.left, wide.top))
    part = Rect(3, 7, 40, 60)
    assert np.allclose(masks.polygon(part, [a, b, c]), found[part.within(wide).slices], atol=1e-5)


@quick
@given(st.floats(-40, 100), st.floats(-40, 100), st.floats(0, 90), st.floats(0, 90))
def test_a_box_is_a_polygon_with_four_corners(left: float, top: float, width: float, height: float) -> None:
    right, bottom = left + width, top + height
    corners = [(left, top), (right, top), (right, bottom), (left, bottom)]
    assert np.allclose(masks.box(AREA, left, top, right, bottom), masks.polygon(AREA, corners), atol=1e-5)


@quick
@given(st.lists(points, min_size=3, max_size=9))
def test_a_polygon_fills_what_it_winds_round(corners: list[tuple[float, float]]) -> None:
    found = masks.polygon(AREA, corners)
    ends = corners[1:] + corners[:1]
    winding = np.zeros(AREA.size.shape, int)
    x, y = np.arange(AREA.left, AREA.right) + 0.5, (np.arange(AREA.top, AREA.bottom) + 0.5)[:, None]
    near = np.zeros(AREA.size.shape, bool)
    for (x0, y0), (x1, y1) in zip(corners, ends, strict=True):
        side = (x1 - x0) * (y - y0) - (x - x0) * (y1 - y0)
        winding += ((y0 <= y) & (y < y1) & (side < 0)).astype(int) - ((y1 <= y) & (y < y0) & (side > 0))
        length = math.hypot(x1 - x0, y1 - y0)
        along = np.clip(((x - x0) * (x1 - x0) + (y - y0) * (y1 - y0)) / max(length**2, 1e-9), 0, 1)
        near |= np.hypot(x - x0 - along * (x1 - x0), y - y0 - along * (y1 - y0)) < 0.75
    assert np.array_equal(found[~near], (winding != 0)[~near].astype(np.float32))
    assert found.min() >= 0
    assert found.max() <= 1


def test_a_lasso_that_crosses_itself_has_no_hole() -> None:
    star = [(50 + 45 * math.cos(i * math.tau * 2 / 5), 50 + 45 * math.sin(i * math.tau * 2 / 5)) for i in range(5)]
    assert masks.polygon(Rect(0, 0, 100, 100), star)[50, 50] == 1


def test_an_ellipse_covers_its_area() -> None:
    found = masks.ellipse(Rect(0, 0, 200, 100), 10.5, 20.25, 180.5, 80.75)
    assert found.sum() == pytest.approx(math.pi * 85 * 30.25, rel=1e-3)
    assert found[50, 95] == 1
    assert not found[21, 12]
    assert np.allclose(found[:, 11:180], found[:, 11:180][:, ::-1], atol=0.02)


@pytest.mark.parametrize("flat", [(5.0, 5.0, 5.0, 20.0), (5.0, 5.0, 20.0, 5.0), (9.0, 9.0, 5.0, 5.0)])
def test_an_ellipse_without_extent_is_empty(flat: tuple[float, float, float, float]) -> None:
    assert not masks.ellipse(AREA, *flat).any()


# Filling a region


@quick
@given(seeds, st.integers(0, 60), st.integers(0, 19), st.integers(0, 29), st.sampled_from([3, 4]))
def test_a_region_is_what_hangs_together_and_looks_alike(
    seed: int, tolerance: int, y: int, x: int, channels: int
) -> None:
    image = (random_array(seed, (20, 30, channels)) // 64) * 40
    alike = (np.abs(image.astype(int) - image[y, x]) <= tolerance).all(axis=-1)
    assert np.array_equal(masks.fill_region(image, x, y, tolerance, contiguous=False), alike.astype(np.float32))
    found = masks.fill_region(image, x, y, tolerance)
    assert found[y, x] == 1
    _, pieces = cv2.connectedComponents(alike.astype(np.uint8), connectivity=4)
    assert np.array_equal(found, ((pieces == pieces[y, x]) & alike).astype(np.float32))


# Combining


@thorough
@given(seeds, any_rects(), st.sampled_from(["replace", "add", "subtract", "set"]), units)
def test_combining_against_plain_arrays(seed: int, rect: Rect, how: str, value: float) -> None:
    size = Size(200, 150)
    before = random_array(seed, size.shape, np.float32)
    shape = random_array(seed + 1, rect.size.shape, np.float32)
    tiles = Tiles.of(before.copy())
    cover = np.zeros(size.shape, np.float32)
    inside = rect.intersect(tiles.rect)
    cover[inside.slices] = shape[inside.within(rect).slices]
    goal = np.float32(value)
    match how:
        case "replace":
            after, wanted = masks.combined(tiles, rect, shape, "replace", value), cover * goal
        case "add":
            after, wanted = masks.combined(tiles, rect, shape, "add", value), np.maximum(before, cover * goal)
        case "subtract":
            after, wanted = masks.combined(tiles, rect, shape, "subtract", value), np.minimum(before, 1 - cover * goal)
        case _:
            after, wanted = masks.combined(tiles, rect, shape, "set", value), before + (goal - before) * cover
            assert (after.read()[cover == 1] == goal).all()
    assert np.allclose(after.read(), wanted, atol=1e-6)
    if how != "replace":
        assert np.array_equal(after.read()[cover == 0], before[cover == 0])
    assert tiles.same_as(Tiles.of(before))


def test_combining_leaves_blocks_alone_that_the_shape_does_not_touch() -> None:
    tiles = Tiles.filled((512, 512), 0, np.float32)
    whole = tiles.rect
    shape = masks.polygon(whole, [(10, 10), (500, 500), (490, 510), (5, 15)])
    after = masks.combined(tiles, whole, shape, "add")
    assert len(changed(tiles, after)) == 4
    assert after.is_blank(after.rows[0][3])
    assert masks.combined(tiles, whole, np.zeros_like(shape), "add") is tiles
