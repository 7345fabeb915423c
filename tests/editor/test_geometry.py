"""Rectangles against sets of pixels, and placements against their corners."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from editor.geometry import EMPTY, Placement, Point, Rect, Size, chain, invert, pixel_matrix, transform_point
from tests.support.strategies import placements, quick, small_sizes, thorough

small = st.builds(Rect, *[st.integers(-4, 12)] * 4)
coordinates = st.floats(-1000, 1000)


def pixels(rect: Rect) -> set[tuple[int, int]]:
    return {(x, y) for x in range(rect.left, rect.right) for y in range(rect.top, rect.bottom)}


@thorough
@given(small, small, st.integers(-20, 20), st.integers(-20, 20))
def test_rectangles_are_sets_of_pixels(a: Rect, b: Rect, dx: int, dy: int) -> None:
    assert a.empty == (not pixels(a))
    assert a.size.area == len(pixels(a))
    assert pixels(a.intersect(b)) == pixels(a) & pixels(b)
    assert pixels(a.unite(b)) >= pixels(a) | pixels(b)
    assert a.holds(b) == (pixels(b) <= pixels(a)) or b.empty
    assert pixels(a.moved(dx, dy)) == {(x + dx, y + dy) for x, y in pixels(a)}
    assert a.covers(dx, dy) == ((dx, dy) in pixels(a))
    if not a.empty:
        assert a.unite(b).holds(a)
        assert a.within(b) == Rect(a.left - b.left, a.top - b.top, a.right - b.left, a.bottom - b.top)
        assert a.grow(2).grow(-2) == a
        assert np.zeros((20, 20))[a.intersect(Rect(0, 0, 20, 20)).slices].size == len(
            {(x, y) for x, y in pixels(a) if x >= 0 and y >= 0}
        )


@thorough
@given(small, small, small)
def test_uniting_is_the_smallest_that_holds_both(a: Rect, b: Rect, c: Rect) -> None:
    if c.holds(a) and c.holds(b):
        assert c.holds(a.unite(b))
    if a.empty and b.empty:
        assert a.unite(b).empty


def test_an_empty_rectangle_stays_empty() -> None:
    assert EMPTY.grow(5) == EMPTY
    assert Rect(3, 3, 3, 9).grow(5).empty
    assert Rect(5, 5, 2, 2).size == Size(0, 0)


@quick
@given(st.lists(st.tuples(coordinates, coordinates), max_size=6))
def test_around_holds_every_point_tightly(points: list[tuple[float, float]]) -> None:
    found = Rect.around(points)
    if not points:
        assert found == EMPTY
        return
    assert all(found.left <= x <= found.right and found.top <= y <= found.bottom for x, y in points)
    assert found.left >= min(x for x, _ in points) - 1
    assert found.bottom <= max(y for _, y in points) + 1


@quick
@given(small_sizes, st.lists(st.tuples(st.integers(0, 39), st.integers(0, 39)), max_size=5))
def test_of_mask_is_tight(size: Size, points: list[tuple[int, int]]) -> None:
    mask = np.zeros(size.shape, bool)
    inside = [(x, y) for x, y in points if x < size.width and y < size.height]
    for x, y in inside:
        mask[y, x] = True
    found = Rect.of_mask(mask)
    assert found == Rect.around([p for x, y in inside for p in ((x, y), (x + 1, y + 1))])


@thorough
@given(placements, small_sizes, st.floats(0, 1), st.floats(0, 1))
def test_a_placement_turns_and_scales_about_its_centre(
    placement: Placement, size: Size, across: float, down: float
) -> None:
    x, y = across * size.width, down * size.height
    # Scale about the centre, then turn clockwise (y points down), then move: said once more in words of our own.
    sx, sy = (x - size.width / 2) * placement.scale_x, (y - size.height / 2) * placement.scale_y
    angle = math.radians(placement.rotation)
    wanted = (
        placement.x + sx * math.cos(angle) - sy * math.sin(angle),
        placement.y + sx * math.sin(angle) + sy * math.cos(angle),
    )
    assert transform_point(placement.matrix(size), x, y) == pytest.approx(wanted, abs=1e-6)


@quick
@given(placements, small_sizes)
def test_corners_and_bounds_agree_with_the_matrix(placement: Placement, size: Size) -> None:
    matrix = placement.matrix(size)
    corners = placement.corners(size)
    for corner, (x, y) in zip(corners, ((0, 0), (1, 0), (1, 1), (0, 1)), strict=True):
        assert corner == pytest.approx(transform_point(matrix, x * size.width, y * size.height))
    centre = sum(c.x for c in corners) / 4, sum(c.y for c in corners) / 4
    assert centre == pytest.approx((placement.x, placement.y), abs=1e-6)
    bounds = placement.bounds(size)
    assert all(bounds.left <= c.x <= bounds.right and bounds.top <= c.y <= bounds.bottom for c in corners)
    sides = math.dist(corners[0], corners[1]), math.dist(corners[1], corners[2])
    wanted = size.width * abs(placement.scale_x), size.height * abs(placement.scale_y)
    assert sides == pytest.approx(wanted, abs=1e-6)


def test_a_quarter_turn_is_clockwise() -> None:
    corners = Placement(50, 50, rotation=90).corners(Size(20, 10))
    assert [(round(c.x), round(c.y)) for c in corners] == [(55, 40), (55, 60), (45, 60), (45, 40)]


def test_a_placement_in_the_middle_of_a_rectangle_is_that_rectangle() -> None:
    rect = Rect(10, 20, 40, 33)
    assert Placement(*rect.centre).bounds(rect.size) == rect
    assert Placement(*rect.centre).moved(3, -4).bounds(rect.size) == rect.moved(3, -4)


@thorough
@given(placements, placements, small_sizes, coordinates, coordinates)
def test_maps_chain_and_invert(first: Placement, second: Placement, size: Size, x: float, y: float) -> None:
    inner, outer = first.matrix(size), second.matrix(size)
    there = transform_point(inner, x, y)
    assert transform_point(chain(outer, inner), x, y) == pytest.approx(
        transform_point(outer, *there), rel=1e-9, abs=1e-6
    )
    assert transform_point(invert(inner), *there) == pytest.approx((x, y), rel=1e-7, abs=1e-5)


def test_a_flat_map_has_no_inverse() -> None:
    with pytest.raises(np.linalg.LinAlgError):
        invert(Placement(0, 0, scale_x=0.0).matrix(Size(4, 4)))


@quick
@given(placements, small_sizes, st.integers(0, 39), st.integers(0, 39))
def test_pixel_maps_go_from_middle_to_middle(placement: Placement, size: Size, column: int, row: int) -> None:
    matrix = placement.matrix(size)
    at = transform_point(pixel_matrix(matrix), column, row)
    middle = transform_point(matrix, column + 0.5, row + 0.5)
    assert Point(at.x + 0.5, at.y + 0.5) == pytest.approx(middle, abs=1e-6)
