"""Frames map there and back."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from editor.geometry import Point, Rect, Size, invert, transform_point
from editor.requests.frame import Frame, choose_frame, frame_at
from tests.support.strategies import any_rects, rects_within, thorough

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


@st.composite
def wishes(draw: st.DrawFn) -> tuple[Rect, Size, int, int, float]:
    """What may change, in which document, on what model."""
    document = Size(draw(st.integers(1, 5000)), draw(st.integers(1, 5000)))
    native, multiple = draw(st.sampled_from([(512, 8), (768, 64), (1024, 8)]))
    return (
        draw(rects_within(Rect.of_size(document))),
        document,
        native,
        multiple,
        draw(st.sampled_from([0.4, 0.75, 1.0, 2.0])),
    )


@thorough
@given(wishes())
def test_a_chosen_frame_shows_enough_and_costs_what_the_model_is_made_for(
    wish: tuple[Rect, Size, int, int, float],
) -> None:
    tight, document, native, multiple, scale = wish
    frame = choose_frame(*wish)
    rect, working = frame.rect, frame.working
    assert Rect.of_size(document).holds(rect)
    assert rect.holds(tight)
    quarter = -(-max(tight.size) // 4)
    assert rect.holds(tight.grow(quarter).intersect(Rect.of_size(document)))
    for side, limit in zip(rect.size, document, strict=True):
        assert side >= min(limit, native / 2)
    if rect.width < document.width and rect.height < document.height:
        assert max(rect.size) <= 2 * min(rect.size) + 1
    across, down = frame.scale
    if min(rect.size) >= 100:
        assert across == pytest.approx(down, rel=0.02)
    assert max(across, down) <= 4.05 or min(working) == 8
    enlarged_fully = rect.size.area * 16 <= (native * scale) ** 2
    if min(rect.size) >= 100 and not enlarged_fully:
        assert working.area == pytest.approx((native * scale) ** 2, rel=0.12)
    assert min(working) >= 8
    assert frame_at(rect, native, multiple, scale) == frame


@pytest.mark.parametrize(
    ("tight", "expected"),
    [
        (Rect(2000, 1000, 2100, 1100), Frame(Rect(1922, 922, 2178, 1178), Size(512, 512))),
        (Rect(2000, 1000, 2600, 1600), Frame(Rect(1850, 850, 2750, 1750), Size(512, 512))),
        (Rect(0, 0, 100, 100), Frame(Rect(0, 0, 256, 256), Size(512, 512))),
        (Rect(3990, 2990, 4000, 3000), Frame(Rect(3744, 2744, 4000, 3000), Size(512, 512))),
    ],
)
def test_frames_of_some_regions(tight: Rect, expected: Frame) -> None:
    assert choose_frame(tight, Size(4000, 3000), 512, 8) == expected


@pytest.mark.parametrize(("native", "multiple"), [(512, 8), (768, 64), (1024, 8)])
def test_where_there_is_room_no_pixel_is_mirrored(native: int, multiple: int) -> None:
    for width, height in ((700, 700), (900, 600), (333, 600), (1500, 760)):
        frame = choose_frame(Rect.at(3000, 3000, width, height), Size(9000, 9000), native, multiple)
        assert all(side % multiple == 0 for side in frame.working)


def test_a_picture_smaller_than_the_model_is_enlarged_four_times_at_most() -> None:
    assert choose_frame(Rect(2, 2, 9, 9), Size(60, 40), 512, 8) == Frame(Rect(0, 0, 60, 40), Size(240, 160))
    assert choose_frame(Rect(0, 0, 1, 1), Size(1, 1), 512, 8).working == Size(8, 8)
