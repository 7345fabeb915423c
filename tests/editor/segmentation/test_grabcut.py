"""GrabCut on pictures whose outlines are known."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image

import resources
from editor.errors import InvalidRequest
from editor.geometry import Rect
from editor.requests.edit_request import SegmentRequest
from editor.requests.reports import Progress, Report
from editor.requests.results import Masks
from editor.segmentation.grabcut import GrabCut
from editor.segmentation.regions import Regions
from tests.support.reports import drive

Pixels = NDArray[np.uint8]
Mask = NDArray[np.bool_]


def grid(height: int, width: int) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    rows, columns = np.mgrid[:height, :width]
    return columns + 0.5, rows + 0.5


def disc(height: int, width: int, x: float, y: float, radius: float) -> Mask:
    across, down = grid(height, width)
    return np.asarray(np.hypot(across - x, down - y) < radius, np.bool_)


def picture(mask: Mask, inside: tuple[int, int, int], outside: tuple[int, int, int], noise: float = 12.0) -> Pixels:
    """Two grainy colours under a slanting light."""
    random = np.random.default_rng(7)
    height, width = mask.shape
    found = np.where(mask[..., None], inside, outside).astype(np.float64)
    found += random.normal(0, noise, (height, width, 1))
    found += np.linspace(-15, 15, width)[:, None]
    return np.clip(found, 0, 255).astype(np.uint8)


def run(request: SegmentRequest) -> tuple[Masks, list[Report]]:
    reports, seen = GrabCut().segment(request), list[Report]()
    return drive(reports, seen), seen


def overlap(found: NDArray[np.float32], truth: Mask) -> float:
    """Intersection over union."""
    inside = found >= 0.5
    return float((inside & truth).sum() / (inside | truth).sum())


def request(image: Pixels, *points: tuple[float, float, bool], box: Rect | None = None) -> SegmentRequest:
    return SegmentRequest(image, Rect(0, 0, image.shape[1], image.shape[0]), points, box)


RED, GREEN, BLUE = (190, 60, 50), (70, 120, 60), (60, 80, 170)


@pytest.mark.parametrize("radius", [14, 45, 80])
def test_click_on_a_disc_finds_the_disc(radius: int) -> None:
    truth = disc(200, 260, 120, 100, radius)
    found, reports = run(request(picture(truth, RED, GREEN), (120, 100, True)))
    assert overlap(found.masks[0], truth) > 0.95
    assert found.masks.dtype == np.float32
    assert found.masks.shape[1:] == (200, 260)
    assert found.masks.min() >= 0
    assert found.masks.max() <= 1
    assert 1 <= len(found.masks) == len(found.scores) <= 3
    fractions = [report.fraction for report in reports if isinstance(report, Progress)]
    assert len(fractions) == len(reports) >= 3  # it can be stopped in between
    assert all(0 <= fraction <= 1 for fraction in fractions)


def test_a_thing_of_two_colours_is_found_whole_by_a_box() -> None:
    truth = disc(220, 220, 110, 110, 60)
    image = picture(truth, RED, GREEN)
    left = truth & (grid(220, 220)[0] < 110)
    image[left] = np.clip(image[left] + np.array([-130, 20, 120]), 0, 255).astype(np.uint8)
    found, _ = run(request(image, box=Rect(40, 40, 180, 180)))
    assert overlap(found.masks[0], truth) > 0.95


def test_the_rim_is_right_to_the_pixel_on_a_large_picture() -> None:
    """The outline is found in a reduced picture; the guided filter brings it back to the edge."""
    truth = disc(1000, 1400, 700, 480, 300)
    found, _ = run(request(picture(truth, RED, GREEN, noise=4), (700, 480, True)))
    assert overlap(found.masks[0], truth) > 0.985


def test_a_second_click_adds_another_thing() -> None:
    one, two = disc(200, 300, 80, 100, 40), disc(200, 300, 220, 100, 40)
    image = picture(one | two, RED, GREEN)
    found, _ = run(request(image, (80, 100, True)))
    assert overlap(found.masks[0], one) > 0.9
    found, _ = run(request(image, (80, 100, True), (220, 100, True)))
    assert overlap(found.masks[0], one | two) > 0.9


def test_a_negative_click_takes_a_thing_out() -> None:
    one, two = disc(200, 300, 110, 100, 45), disc(200, 300, 190, 100, 45)
    image = picture(one | two, RED, GREEN)
    image[two & ~one] = np.clip(image[two & ~one] + np.array([30, 60, 0]), 0, 255).astype(np.uint8)
    found, _ = run(request(image, (90, 100, True), (215, 100, False)))
    assert found.masks[0][100, 90] > 0.9
    assert found.masks[0][100, 215] < 0.1
    assert overlap(found.masks[0], one) > 0.8


def test_negative_clicks_count_inside_a_box() -> None:
    one, two = disc(200, 300, 100, 100, 40), disc(200, 300, 200, 100, 40)
    image = picture(one, RED, GREEN)
    image[two] = picture(two, BLUE, GREEN)[two]
    found, _ = run(request(image, box=Rect(50, 50, 250, 150)))
    assert overlap(found.masks[0], one | two) > 0.9
    found, _ = run(request(image, (200, 100, False), box=Rect(50, 50, 250, 150)))
    assert found.masks[0][100, 200] < 0.1
    assert overlap(found.masks[0], one) > 0.85


def test_the_picture_may_be_smaller_than_its_rectangle() -> None:
    truth = disc(150, 200, 100, 75, 40)
    rect = Rect(1000, 2000, 1800, 2600)  # four document pixels a pixel
    found, _ = run(SegmentRequest(picture(truth, RED, GREEN), rect, ((1400, 2300, True),)))
    assert found.rect == rect
    assert overlap(found.masks[0], truth) > 0.95


def test_the_same_request_gives_the_same_masks() -> None:
    wanted = request(picture(disc(160, 160, 70, 80, 35), BLUE, GREEN, noise=25), (70, 80, True), (90, 95, True))
    first, second = run(wanted)[0], run(wanted)[0]
    assert np.array_equal(first.masks, second.masks)
    assert np.array_equal(first.scores, second.scores)


def test_it_can_be_stopped_after_every_report() -> None:
    image = picture(disc(120, 120, 60, 60, 30), RED, GREEN)
    total = len(run(request(image, (60, 60, True)))[1])
    for count in range(1, total + 1):
        reports = GrabCut().segment(request(image, (60, 60, True)))
        for _ in range(count):
            next(reports)
        reports.close()
        with pytest.raises(StopIteration):
            next(reports)


@pytest.mark.parametrize("shape", [(1, 1), (1, 40), (40, 1), (3, 5), (15, 200)])
def test_tiny_pictures(shape: tuple[int, int]) -> None:
    image = np.full((*shape, 3), 90, np.uint8)
    for wanted in (request(image, (0.5, 0.5, True)), request(image, box=Rect(0, 0, shape[1], shape[0]))):
        found, _ = run(wanted)
        assert found.masks.shape[1:] == shape
        assert np.isfinite(found.masks).all()


def test_an_even_picture_gives_something_finite() -> None:
    found, _ = run(request(np.zeros((90, 120, 3), np.uint8), (60, 45, True)))
    assert np.isfinite(found.masks).all()
    assert np.isfinite(found.scores).all()
    assert found.masks[0][45, 60] > 0.5  # where was clicked belongs to it at least


def test_what_lies_outside_is_left_out() -> None:
    image = picture(disc(100, 100, 50, 50, 25), RED, GREEN)
    rect = Rect(0, 0, 100, 100)
    for wanted in (
        SegmentRequest(image, rect, ((200, 50, True),)),
        SegmentRequest(image, rect, (), Rect(150, 150, 180, 190)),
    ):
        found, _ = run(wanted)
        assert not found.masks.any()
        assert not found.scores.any()
    beside, _ = run(SegmentRequest(image, rect, ((50, 50, True), (-40, 20, False), (300, 5, True))))
    alone, _ = run(SegmentRequest(image, rect, ((50, 50, True),)))
    assert np.array_equal(beside.masks, alone.masks)
    cut, _ = run(SegmentRequest(image, rect, (), Rect(10, 10, 400, 400)))
    assert overlap(cut.masks[0], disc(100, 100, 50, 50, 25)) > 0.85


def test_a_box_around_everything_still_finds_the_thing() -> None:
    truth = disc(120, 160, 80, 60, 35)
    found, _ = run(request(picture(truth, RED, GREEN), box=Rect(0, 0, 160, 120)))
    assert overlap(found.masks[0], truth) > 0.9


def test_requests_that_say_nothing_are_refused() -> None:
    image = np.zeros((10, 10, 3), np.uint8)
    with pytest.raises(InvalidRequest):
        request(image)
    with pytest.raises(InvalidRequest):
        request(image, (5, 5, False))
    with pytest.raises(InvalidRequest):
        SegmentRequest(image[:0], Rect(0, 0, 10, 10), ((5, 5, True),))


def test_regions_grow_into_one_another() -> None:
    truth = disc(90, 120, 60, 45, 25)
    regions = Regions.of(picture(truth, RED, GREEN))
    line = regions.line(regions.at(60, 45))
    masks = [regions.mask(node) for node in line]
    for node, inner, outer in zip(line, masks, masks[1:], strict=False):
        assert (outer | ~inner).all()
        assert inner.sum() == regions.size[node]
    assert masks[-1].all()
    heights = regions.height[line]
    assert (np.diff(heights) >= 0).all()
    barred = regions.things(line[0], frozenset({regions.at(5, 5)}))
    assert barred
    assert all(not regions.mask(node)[5, 5] for _, node in barred)


def test_a_box_finds_its_thing_though_another_of_the_same_colours_lies_beside_it() -> None:
    """Petals in the box, petals above it: colours alone say that nothing in the box stands out."""
    with resources.photo("flower.jpg") as path, Image.open(path) as opened:
        image = np.asarray(opened.convert("RGB"))
    for box in (Rect(280, 352, 480, 426), Rect(300, 356, 470, 426)):
        found, _ = run(request(image, box=box))
        mask = found.masks[0] > 0.5
        petals = (image[..., 0] > 150) & (image[..., 0].astype(int) - image[..., 2] > 60)
        inside = np.zeros_like(mask)
        inside[380:427, 310:430] = True
        assert mask[petals & inside].mean() > 0.95
        outside = np.ones_like(mask)
        outside[box.slices] = False
        assert not mask[outside].any()
