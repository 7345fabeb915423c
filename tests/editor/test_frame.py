"""Frames map there and back."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from editor.frame import Frame
from editor.geometry import Point, Rect, Size, invert, transform_point
from tests.editor.strategies import any_rects, thorough

frames = st.builds(
    Frame,
    any_rects().filter(lambda rect: not rect.empty),
    st.builds(Size, st.integers(1, 2048), st.integers(1, 2048)),
)
coordinates = st.floats(-1000, 1000)


@thorough
@given(frames, coordinates, coordinates)
def test_there_and_back(frame: Frame, x: float, y: float) -> None:
    assert frame.to_document(*frame.to_working(x, y)) == pytest.approx((x, y), abs=1e-6)
    assert frame.to_working(x, y) == pytest.approx(transform_point(frame.matrix(), x, y), rel=1e-9, abs=1e-6)
    assert transform_point(invert(frame.matrix()), *frame.to_working(x, y)) == pytest.approx((x, y), abs=1e-6)


@thorough
@given(frames)
def test_the_rectangle_becomes_the_working_size(frame: Frame) -> None:
    rect, working = frame.rect, frame.working
    assert frame.to_working(rect.left, rect.top) == Point(0, 0)
    assert frame.to_working(rect.right, rect.bottom) == pytest.approx((working.width, working.height))
    assert frame.scale == (working.width / rect.width, working.height / rect.height)


def test_full_size_keeps_pixels() -> None:
    frame = Frame.full_size(Rect(5, 6, 50, 40))
    assert frame.working == Size(45, 34)
    assert frame.scale == (1.0, 1.0)
    assert frame.to_working(7.25, 9.5) == Point(2.25, 3.5)


@pytest.mark.parametrize(
    ("rect", "working"),
    [(Rect(3, 3, 3, 9), Size(8, 8)), (Rect(0, 0, 5, 5), Size(0, 4)), (Rect(0, 0, 5, 5), Size(4, 0))],
)
def test_a_frame_needs_a_pixel(rect: Rect, working: Size) -> None:
    with pytest.raises(ValueError, match="at least one pixel"):
        Frame(rect, working)
