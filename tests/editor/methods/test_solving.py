"""The solvers behind quick fill against dense linear algebra, and what they must reproduce exactly."""

from __future__ import annotations

from itertools import pairwise
from typing import TypeVar

import numpy as np
import pytest
from numpy.typing import NDArray

from editor.methods.quick_fill.linear import ROBUSTNESS, SCREENING, System, fusion_system, relax, solve
from editor.methods.quick_fill.pyramid import Level, build, halve
from editor.methods.quick_fill.smooth import membrane, plate
from tests.support.reports import drive

T = TypeVar("T")


def block_level(seed: int = 0) -> Level:
    """20 x 20 random colours with a hole of 5 x 6."""
    pixels = np.random.default_rng(seed).uniform(0, 1, (20, 20, 3)).astype(np.float32)
    hole = np.zeros((20, 20), np.bool_)
    hole[7:12, 7:13] = True
    return Level(pixels, hole, ~hole, ~hole)


def dense_fusion(level: Level, offsets: NDArray[np.intp], copy: NDArray[np.float32]) -> NDArray[np.float64]:
    """The fusion written out pixel by pixel for the colours themselves, with every shift usable."""
    places = [(int(r), int(c)) for r, c in zip(*np.nonzero(level.hole), strict=True)]
    number = {place: i for i, place in enumerate(places)}
    matrix, right = np.zeros((len(places), len(places))), np.zeros((len(places), 3))
    pixels = level.pixels.astype(np.float64)
    for p, (r, c) in enumerate(places):
        matrix[p, p] += SCREENING
        right[p] += SCREENING * copy[p]
        for place in ((r - 1, c), (r + 1, c), (r, c - 1), (r, c + 1)):
            shift = offsets[p]
            at_q = (place[0] + shift[0], place[1] + shift[1])
            readable = level.known[at_q]
            gradient = copy[p] - pixels[at_q] if readable else np.zeros(3)
            if place in number:
                q = number[place]
                other = offsets[q]
                at_p = (r + other[0], c + other[1])
                back = copy[q] - pixels[at_p] if level.known[at_p] else np.zeros(3)
                matrix[p, p] += 1
                matrix[p, q] -= 1
                right[p] += (gradient - back) / 2
            else:
                seen = pixels[at_q] if readable else copy[p]
                weight = 1 / (1 + (np.linalg.norm(seen - pixels[place]) / ROBUSTNESS) ** 2)
                matrix[p, p] += weight
                right[p] += weight * (pixels[place] + copy[p] - seen)
    found: NDArray[np.float64] = np.linalg.solve(matrix, right).astype(np.float64)
    return found


def test_fusion_is_the_screened_poisson_equation() -> None:
    level = block_level()
    count = int(level.hole.sum())
    rows, columns = np.nonzero(level.hole)
    offsets = np.where((columns < 10)[:, None], np.array([5, 1]), np.array([-5, 2]))
    copy = level.colour(rows + offsets[:, 0], columns + offsets[:, 1])
    system = drive(fusion_system(level, offsets, np.ones(count, np.bool_), copy))
    assert np.allclose(copy + solve(system), dense_fusion(level, offsets, copy), atol=1e-4)


def test_a_copy_that_fits_is_left_alone() -> None:
    tile = np.random.default_rng(1).uniform(0, 1, (20, 5, 3)).astype(np.float32)
    level = block_level()
    level = Level(np.tile(tile, (1, 4, 1)), level.hole, level.known, level.usable)
    rows, columns = np.nonzero(level.hole)
    offsets = np.where((columns < 10)[:, None], np.array([0, -5]), np.array([0, 5]))
    copy = level.colour(rows, columns + offsets[:, 1])
    system = drive(fusion_system(level, offsets, level.may_copy(rows, columns + offsets[:, 1]), copy))
    assert np.abs(solve(system)).max() < 1e-5


def test_relaxing_arrives_where_solving_does() -> None:
    generator = np.random.default_rng(2)
    heads = np.arange(199)
    links = np.concatenate([heads, heads + 1]), np.concatenate([heads + 1, heads])
    right = generator.normal(size=(200, 3)).astype(np.float32)
    system = System.of(np.full(200, 2.05), *links, right)
    exact = np.linalg.solve(system.matrix.toarray(), right)
    assert np.allclose(solve(system), exact, atol=1e-4)
    assert np.allclose(drive(relax(system, np.zeros_like(right), 200)), exact, atol=1e-3)


def test_a_membrane_keeps_a_plane_and_a_plate_a_slope() -> None:
    rows, columns = np.mgrid[:20, :24].astype(np.float32)
    slope = np.stack([rows / 20, columns / 24, (rows + columns) / 44], axis=2)
    unknown = np.zeros((20, 24), np.bool_)
    unknown[6:12, 8:15] = True
    for fill in (membrane, plate):
        broken = np.where(unknown[..., None], np.float32(9), slope)
        assert np.allclose(fill(broken, unknown), slope, atol=1e-4)


def test_a_membrane_is_the_mean_of_its_neighbours() -> None:
    level = block_level(3)
    found = membrane(np.asarray(level.pixels, np.float32), level.hole)
    around = (found[6:11, 7:13] + found[8:13, 7:13] + found[7:12, 6:12] + found[7:12, 8:14]) / 4
    assert np.allclose(found[7:12, 7:13], around, atol=1e-5)


@pytest.mark.parametrize("known", [True, False])
def test_fills_without_anything_to_do_return_the_values(known: bool) -> None:
    values = np.random.default_rng(4).uniform(0, 1, (5, 6, 3)).astype(np.float32)
    assert (membrane(values, np.full((5, 6), not known)) == values).all()


def test_halving_averages_known_pixels_only() -> None:
    pixels = np.zeros((4, 4, 3), np.uint8)
    pixels[:2, :2], pixels[:2, 2:] = 100, 255
    pixels[0, 0] = 0
    hole = np.zeros((4, 4), np.bool_)
    hole[0, 0], hole[2:, 2:] = True, True
    barred = np.zeros((4, 4), np.bool_)
    barred[0, 3] = True
    half = halve(Level(pixels, hole, ~hole, ~hole & ~barred))
    assert np.allclose(half.pixels[0, 0], 100 / 255)
    assert half.known.tolist() == [[True, True], [True, False]]
    assert half.hole.tolist() == [[False, False], [False, True]]
    assert half.usable.tolist() == [[True, False], [True, False]], "one barred pixel bars the whole coarse pixel"


def test_a_pyramid_ends_where_the_hole_is_small_and_never_loses_it() -> None:
    pixels = np.zeros((300, 301, 3), np.uint8)
    for hole_of in (np.s_[40:240, 50:250], np.s_[150:151, :], np.s_[:299, :]):
        hole = np.zeros((300, 301), np.bool_)
        hole[hole_of] = True
        levels = drive(build(pixels, hole, ~hole, ~hole))
        assert all(level.hole.any() and level.known.any() for level in levels)
        assert levels[-1].hole.sum() <= 4000
        for fine, coarse in pairwise(levels):
            assert fine.shape == (2 * coarse.shape[0], 2 * coarse.shape[1])
