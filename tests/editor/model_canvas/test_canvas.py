"""The canvas that a model sees, and the way back."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from editor.arrays import strips
from editor.diffusion.families.registry import FAMILIES
from editor.geometry import Rect, Size
from editor.model_canvas.canvas import ModelCanvas
from editor.models.info import ModelInfo
from editor.requests.frame import Frame
from tests.support.strategies import quick

FAMILY_NAMES = tuple(family.name for family in FAMILIES)
sizes = st.tuples(st.integers(1, 150), st.integers(1, 150))


def _model(family: str, cell: int = 8) -> ModelInfo:
    return ModelInfo("key", "A model", FAMILIES.named(family), Path("nowhere"), 512, cell)


def _working(
    width: int, height: int, to: tuple[int, int] | None = None, family: str = "stable-diffusion", cell: int = 8
) -> ModelCanvas:
    return ModelCanvas.of(Frame(Rect.at(7, 3, width, height), Size(*(to or (width, height)))), _model(family, cell))


@given(sizes, sizes, st.sampled_from(FAMILY_NAMES), st.sampled_from([2, 4, 8, 16]))
@quick
def test_invariant_18_every_size_comes_back_as_it_was(
    size: tuple[int, int], to: tuple[int, int], family: str, cell: int
) -> None:
    working = _working(*size, to, family, cell)
    multiple = max(FAMILIES.named(family).traits.multiple, cell)
    assert working.canvas.width % multiple == 0
    assert working.canvas.height % multiple == 0
    assert working.canvas.width - working.frame.working.width in range(multiple)
    assert working.canvas.height - working.frame.working.height in range(multiple)
    assert (working.grid.width * cell, working.grid.height * cell) == working.canvas
    image = working.image(np.full((size[1], size[0], 3), 200, np.uint8))
    assert image.shape == (*working.canvas.shape, 3)
    back = working.back(image)
    assert back.shape == (size[1], size[0], 3)
    # A plain picture stays plain, margin and all; means of 22,500 float32 values are off by up to 5e-5.
    assert np.abs(back - 200 / 255).max() < 1e-4
    assert working.cells(np.zeros((size[1], size[0]), np.float32)).shape == working.grid.shape


@pytest.mark.parametrize("size", [(1001, 777), (8, 8), (5000, 3), (3, 5000), (1, 1)])
def test_invariant_18_odd_sizes_at_their_own_scale_lose_nothing(size: tuple[int, int]) -> None:
    pixels = np.random.default_rng(0).integers(0, 256, (size[1], size[0], 3), np.uint8)
    working = _working(*size)
    back = working.back(working.image(pixels))
    assert (np.rint(back * 255).astype(np.uint8) == pixels).all()


def test_the_margin_mirrors_the_picture() -> None:
    pixels = np.arange(6, dtype=np.float32)[None, :, None].repeat(8, 0).repeat(3, 2) / np.float32(10)
    found = _working(6, 8).image(pixels)
    assert found[0, :, 0] * 10 == pytest.approx([0, 1, 2, 3, 4, 5, 5, 4])


@pytest.mark.parametrize("offset", range(8))
def test_a_thin_line_counts_by_its_area_or_in_full(offset: int) -> None:
    """Section 6, point 2: three pixels of eight are 0.375 by area and 1 as a thin stroke."""
    line = np.zeros((32, 32), np.float32)
    line[:, 8 + offset : 11 + offset] = 1
    working = _working(32, 32)
    area, thin = working.cells(line), working.cells(line, thin=True)
    assert area.sum() == pytest.approx(4 * 0.375)
    covered = (line.reshape(4, 8, 4, 8).max((1, 3)) > 0).astype(np.float32)
    assert (thin == covered).all()
    if offset <= 5:
        assert (area[:, 1] == np.float32(0.375)).all()


def test_thin_strokes_survive_a_small_working_size() -> None:
    """One pixel of 256, seen by the model at a quarter of the size."""
    line = np.zeros((256, 256), np.float32)
    line[:, 100] = 0.75
    working = _working(256, 256, (64, 64))
    assert working.cells(line, thin=True)[:, 100 // 32].tolist() == [0.75] * 8
    assert working.cells(line)[:, 100 // 32] == pytest.approx(np.full(8, 0.75 / 32))


def test_a_pixel_on_the_border_of_two_cells_is_in_both() -> None:
    """Nine pixels seen as sixteen: the fifth is half in the first cell and half in the second."""
    for at, cells in ((3, [1, 0]), (4, [1, 1]), (5, [0, 1])):
        line = np.zeros((8, 9), np.float32)
        line[:, at] = 1
        assert _working(9, 8, (16, 8)).cells(line, thin=True).tolist() == [cells]


@given(sizes, sizes, st.integers(0, 10**6))
@quick
def test_thin_is_never_less_than_the_greatest_share_and_never_more_than_the_map(
    size: tuple[int, int], to: tuple[int, int], seed: int
) -> None:
    random = np.random.default_rng(seed)
    painted = (random.random((size[1], size[0])) * (random.random((size[1], size[0])) < 0.1)).astype(np.float32)
    thin = _working(*size, to).cells(painted, thin=True)
    assert thin.max() == painted.max()  # nothing painted is lost
    assert set(np.unique(thin)) <= set(np.unique(painted))


def test_averages_reach_the_ends_exactly() -> None:
    """1 and 0 stay 1 and 0: the dead band must not be needed to undo our own rounding."""
    for to in [(100, 60), (33, 21), (300, 201)]:
        working = _working(100, 60, to)
        assert (working.cells(np.ones((60, 100), np.float32)) == 1).all()
        assert (working.cells(np.zeros((60, 100), np.float32)) == 0).all()


def test_scale_is_working_pixels_per_document_pixel() -> None:
    assert _working(200, 100, (100, 50)).scale == pytest.approx(0.5)


def test_pictures_and_maps_share_one_transform() -> None:
    """A white square and its mask lie over each other on the canvas, enlarged and reduced."""
    mask = np.zeros((90, 120), np.float32)
    mask[30:60, 40:80] = 1
    pixels = (mask[..., None] * 255).repeat(3, 2).astype(np.uint8)
    for to in [(60, 45), (120, 90), (240, 180)]:
        working = _working(120, 90, to)
        seen, covered = working.image(pixels)[..., 0], working.map(mask)
        weights = np.indices(seen.shape)
        for axis in (0, 1):
            centre = (weights[axis] * seen).sum() / seen.sum()
            assert centre == pytest.approx((weights[axis] * covered).sum() / covered.sum(), abs=0.05)


@pytest.mark.parametrize("working", [Size(64, 64), Size(300, 300), Size(720, 720)])
def test_what_is_cut_away_does_not_darken_the_edge(working: Size) -> None:
    """A white square on white stays invisible, however its edge falls between the pixels of the working size."""
    found = ModelCanvas(Frame(Rect(0, 0, 300, 300), working), working, 4)
    weight = np.zeros((300, 300), np.float32)
    weight[101:203, 50:151] = 1
    pixels = np.where(weight[..., None] > 0, 255, 0).astype(np.uint8).repeat(3, 2)
    amount = found.map(weight)[..., None]
    laid = amount * found.weighted(pixels, weight) + (1 - amount)
    assert laid.min() > 0.998


@given(sizes, sizes, st.integers(0, 10**6))
@quick
def test_bytes_in_strips_are_shrunk_as_floats_in_one_go(size: tuple[int, int], to: tuple[int, int], seed: int) -> None:
    """To the bit: what a model sees must not depend on how much memory there was."""
    random = np.random.default_rng(seed)
    pixels = random.integers(0, 256, (size[1], size[0], 3), np.uint8)
    pixels[: seed % size[1]] = 0
    working = _working(*size, to)
    assert (working.image(pixels) == working.image(np.asarray(pixels / np.float32(255), np.float32))).all()


@pytest.mark.parametrize("to", [(300, 177), (260, 200), (1300, 1000), (2600, 500)])
def test_a_picture_of_several_strips_is_shrunk_to_the_bit(to: tuple[int, int]) -> None:
    pixels = np.random.default_rng(0).integers(0, 256, (1000, 1300, 3), np.uint8)
    floats = np.asarray(pixels / np.float32(255), np.float32)
    assert len(list(strips(pixels))) > 10
    shrinks = to[0] * to[1] < 1300 * 1000
    whole = cv2.resize(floats, to, interpolation=cv2.INTER_AREA if shrinks else cv2.INTER_CUBIC)
    seen = _working(1300, 1000, to).image(pixels)[: to[1], : to[0]]
    assert (seen == (floats if to == (1300, 1000) else np.clip(whole, 0, 1))).all()


@given(sizes, sizes, st.integers(0, 10**6))
@quick
def test_a_part_comes_back_as_in_the_whole(size: tuple[int, int], to: tuple[int, int], seed: int) -> None:
    random = np.random.default_rng(seed)
    working = _working(*size, to)
    image = np.asarray(random.random((*working.canvas.shape, 3)) * 1.2 - 0.1, np.float32)
    before, whole = image.copy(), working.back(image)
    for fraction in (2, 5, 1000):
        part = Rect(size[0] // fraction, size[1] // fraction, size[0], size[1] - size[1] // fraction)
        assert (working.back(image, part) == whole[part.slices]).all()
    assert (image == before).all()
    assert whole.min() >= 0
    assert whole.max() <= 1


def test_thin_strokes_anywhere_are_the_largest_of_what_each_cell_touches() -> None:
    """Against a plain loop over the cells."""
    random = np.random.default_rng(3)
    for _ in range(30):
        width, height = (int(side) for side in random.integers(9, 120, 2))
        working = _working(width, height, (int(random.integers(8, 130)), int(random.integers(8, 130))))
        map = np.zeros((height, width), np.float32)
        left, top = int(random.integers(0, width)), int(random.integers(0, height))
        map[top : top + 3, left : left + 5] = random.random((3, 5))[: height - top, : width - left]
        largest = np.zeros(working.grid.shape, np.float32)
        for i, j in np.ndindex(*working.grid.shape):
            spans = []
            for place, used, side in (
                (i, working.frame.working.height, height),
                (j, working.frame.working.width, width),
            ):
                cell = min(place, -(-used // 8) - 1)
                spans.append(slice(cell * 8 * side // used, -(-min(cell * 8 + 8, used) * side // used)))
            largest[i, j] = map[tuple(spans)].max()
        assert (working.cells(map, thin=True) == largest).all()
