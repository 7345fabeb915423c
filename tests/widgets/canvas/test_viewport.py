"""Viewports: maps both ways, zooming about a point, panning, fitting."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from PySide6.QtCore import QPointF

from editor.geometry import Size
from widgets.viewport import FLOATING, MAX_TIMES, MAX_ZOOM, MIN_ZOOM, Viewport

viewports = st.builds(
    Viewport,
    width=st.integers(50, 4000).map(float),
    height=st.integers(50, 3000).map(float),
    ratio=st.sampled_from([1.0, 1.25, 1.5, 2.0]),
    x=st.floats(-500, 12000),
    y=st.floats(-500, 12000),
    zoom=st.floats(MIN_ZOOM, MAX_ZOOM),
    rotation=st.sampled_from([0.0, 15.0, 45.0, 90.0, 180.0, 285.0]),
    mirrored=st.booleans(),
)
places = st.tuples(st.floats(0, 2000), st.floats(0, 2000))


@given(viewports, places)
def test_there_and_back(viewport: Viewport, place: tuple[float, float]) -> None:
    there = viewport.to_document(*place)
    assert viewport.to_screen(*there) == pytest.approx(place, abs=1e-4)


@given(viewports, places, st.floats(0.1, 10))
def test_zooming_keeps_the_point_under_the_cursor(
    viewport: Viewport, place: tuple[float, float], factor: float
) -> None:
    held = viewport.to_document(*place)
    zoomed = viewport.zoomed(factor, *place)
    # Upright views lie on whole device pixels, so it may move by one.
    assert zoomed.to_screen(*held) == pytest.approx(place, abs=1.01 / viewport.ratio)
    assert MIN_ZOOM <= zoomed.zoom <= MAX_ZOOM


@given(viewports, st.floats(-300, 300), st.floats(-300, 300))
def test_panning_takes_the_picture_along(viewport: Viewport, dx: float, dy: float) -> None:
    before = viewport.to_screen(100, 100)
    after = viewport.panned(dx, dy).to_screen(100, 100)
    assert after == pytest.approx((before.x + dx, before.y + dy), abs=1.01 / viewport.ratio)


@given(viewports, st.integers(1, 30000), st.integers(1, 30000))
def test_fitting_shows_everything(viewport: Viewport, width: int, height: int) -> None:
    fitted = viewport.fitted(Size(width, height))
    if fitted.zoom > MIN_ZOOM:
        for x, y in ((0, 0), (width, 0), (0, height), (width, height)):
            at = fitted.to_screen(x, y)
            assert -1 <= at.x <= viewport.width + 1
            assert -1 <= at.y <= viewport.height + 1
    assert fitted.zoom <= viewport.ratio or fitted.zoom / viewport.ratio in range(2, MAX_TIMES + 1)


@pytest.mark.parametrize(
    ("width", "height", "times"), [(256, 256, 2), (16, 16, MAX_TIMES), (640, 480, 1), (900, 40, 1)]
)
def test_small_pictures_are_enlarged_above_what_floats_at_the_bottom(width: int, height: int, times: int) -> None:
    viewport = Viewport(1035, 708, 2.0).fitted(Size(width, height))
    assert viewport.scale == times
    if times > 1:
        assert viewport.to_screen(0, height).y <= 708 - FLOATING
        assert viewport.to_screen(width / 2, 0).x == pytest.approx(1035 / 2, abs=1)
        assert viewport.to_screen(0, 0).y >= 16


@pytest.mark.parametrize("ratio", [1.0, 1.5, 2.0])
def test_at_full_size_picture_pixels_lie_on_device_pixels(ratio: float) -> None:
    viewport = Viewport(801, 603, ratio, x=333.3, y=77.7, zoom=1.0)
    corner = viewport.device_transform().map(QPointF(0, 0))
    assert (corner.x(), corner.y()) == (round(corner.x()), round(corner.y()))


def test_a_mirrored_view_exchanges_left_and_right() -> None:
    viewport = Viewport(200, 100, x=50, y=50, mirrored=True)
    assert viewport.to_screen(60, 50) == pytest.approx((90, 50))
