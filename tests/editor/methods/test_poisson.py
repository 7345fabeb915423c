"""Poisson blending against dense linear algebra; invariant 24 of the Blended Latent Diffusion specification."""

from __future__ import annotations

import warnings

import numpy as np
import pytest
from numpy.typing import NDArray

from editor.document import masks
from editor.model_canvas.poisson import evened, harmonic, poisson
from tests.support.reports import drive

Image = NDArray[np.float32]


def solved(values: Image, unknown: NDArray[np.bool_]) -> Image:
    """The harmonic continuation, by dense linear algebra."""
    places = np.argwhere(unknown)
    number = {tuple(place): index for index, place in enumerate(places)}
    matrix, right = np.zeros((len(places), len(places))), np.zeros((len(places), values.shape[2]))
    for index, (row, column) in enumerate(places):
        for down, across in ((0, 1), (1, 0), (0, -1), (-1, 0)):
            place = row + down, column + across
            if 0 <= place[0] < unknown.shape[0] and 0 <= place[1] < unknown.shape[1]:
                matrix[index, index] += 1
                if place in number:
                    matrix[index, number[place]] -= 1
                else:
                    right[index] += values[place]
    found = values.copy()
    found[unknown] = np.linalg.solve(matrix, right)
    return found


def regions() -> dict[str, NDArray[np.bool_]]:
    found = {
        name: np.zeros((45, 70), np.bool_) for name in ("inside", "corner", "across", "holes", "parts", "line", "dot")
    }
    found["inside"][10:30, 20:50] = True
    found["corner"][:30, :30] = True
    found["across"][:, 20:50] = True
    found["holes"][5:40, 5:60] = True
    found["holes"][12:14, 20:22] = found["holes"][20, 40] = False
    found["parts"][2:9, 2:9] = found["parts"][30:, 50:] = found["parts"][9:12, 40] = True
    found["line"][22, 5:65] = True
    found["dot"][22, 30] = True
    return found


REGIONS = regions()


def a_picture(seed: int, shape: tuple[int, int] = (45, 70)) -> Image:
    return np.random.default_rng(seed).uniform(0, 1, (*shape, 3)).astype(np.float32)


@pytest.mark.parametrize("name", REGIONS)
def test_invariant_24_poisson(name: str) -> None:
    region, source = REGIONS[name], a_picture(1)
    assert np.abs(drive(poisson(source, source, region)) - source).max() < 1e-6
    for shift in (0.1, -0.3):
        moved = drive(poisson(source + np.float32(shift), source, region))
        assert np.abs(moved - source)[region].max() < 1e-6
    made = a_picture(2)
    found = drive(poisson(made, source, region))
    assert (found[~region] == made[~region]).all()
    exact = made + np.where(region[..., None], solved(source - made, region), 0)
    assert np.abs(found - exact)[region].max() < 0.25 / 255


def test_invariant_24_poisson_leaves_steps_where_they_are() -> None:
    """What was made is a sharp edge, brighter by a constant: it comes out at the very same pixel."""
    source = np.full((60, 80, 3), 0.2, np.float32)
    source[:, 41:] = 0.6
    region = np.zeros((60, 80), np.bool_)
    region[10:50, 20:60] = True
    found = drive(poisson(source + np.float32(0.15), source, region))
    assert np.abs(found - source)[region].max() < 1e-6


def test_poisson_of_large_regions_is_as_exact() -> None:
    """On several grids: each pixel's correction is the mean of its neighbours'."""
    shape = (300, 420)
    rows, columns = np.indices(shape)
    unknown = np.hypot(rows - 140, (columns - 200) * 0.8) < 130
    unknown[:, 390:] = True
    values = a_picture(3, shape) - 0.5
    found = drive(harmonic(values, unknown))
    padded = np.pad(found, ((1, 1), (1, 1), (0, 0)), mode="edge")  # zero flux: as if what is beyond were the same
    around = (padded[:-2, 1:-1] + padded[2:, 1:-1] + padded[1:-1, :-2] + padded[1:-1, 2:]) / 4
    assert np.abs(around - found)[unknown].max() < 1e-3
    assert found[unknown].min() >= values[~unknown].min() - 1e-3
    assert (found[~unknown] == values[~unknown]).all()


def test_poisson_without_surroundings_or_region_changes_nothing() -> None:
    made, source = a_picture(1), a_picture(2)
    for region in (np.ones((45, 70), np.bool_), np.zeros((45, 70), np.bool_)):
        assert (drive(poisson(made, source, region)) == made).all()


BAND = 24.0


def beside_a_wall() -> tuple[Image, Image, NDArray[np.bool_]]:
    """A blue ground beside a yellow wall, another blue with a red ball made in front of both, and the region."""
    rows, columns = np.indices((240, 260))
    source = np.full((240, 260, 3), (0.35, 0.55, 0.85), np.float32)
    source[100:, :90] = (0.9, 0.8, 0.2)
    made = np.full_like(source, (0.33, 0.52, 0.8))
    made[np.hypot(rows - 125, columns - 150) < 30] = (0.85, 0.2, 0.2)
    return made, source, np.hypot(rows - 125, columns - 145) < 85


def steps(image: Image, source: Image, region: NDArray[np.bool_]) -> float:
    """The mean step of colour across the edge of the region, from the picture outside to what is inside."""
    laid = np.where(region[..., None], image, source)
    across = [np.abs(laid[:, 1:] - laid[:, :-1])[region[:, 1:] != region[:, :-1]]]
    across.append(np.abs(laid[1:] - laid[:-1])[region[1:] != region[:-1]])
    return float(np.concatenate(across).mean())


def test_an_even_edge_leaves_what_is_far_from_it_alone() -> None:
    made, source, region = beside_a_wall()
    found = drive(evened(made, source, region, BAND))
    deep = region & (masks.distance(region) > BAND)
    assert deep.sum() > 10_000
    assert np.array_equal(found[deep], made[deep])
    assert np.array_equal(found[~region], made[~region])
    everywhere = drive(poisson(made, source, region))
    assert np.abs(everywhere - made)[deep].max() > 30 / 255  # there the wall's yellow is in the blue
    assert steps(made, source, region) > 20 / 255
    # The step at the edge is gone but for what a slope over the band leaves in a pixel; away from the wall all of it.
    assert steps(found, source, region) < steps(everywhere, source, region) + 2.5 / 255
    right = region & (np.indices(region.shape)[1] > 150)
    edge = right & (masks.distance(region) <= 1)
    assert np.abs(found - source)[edge].max() < 1 / 255


def test_an_even_edge_of_a_thin_region_is_all_of_poisson() -> None:
    made, source, region = beside_a_wall()
    region = region & (np.abs(np.indices(region.shape)[0] - 125) < 0.9 * BAND)
    assert np.array_equal(drive(evened(made, source, region, BAND)), drive(poisson(made, source, region)))


@pytest.mark.parametrize("name", REGIONS)
def test_an_even_edge_changes_nothing_where_both_pictures_agree(name: str) -> None:
    region, source = REGIONS[name], a_picture(1)
    assert np.abs(drive(evened(source, source, region, 6)) - source).max() < 1e-6
    made = a_picture(2)
    with warnings.catch_warnings(action="error"):
        assert (drive(evened(made, source, region, 0.5)) == made).all()
    assert (drive(evened(made, source, region, 6))[~region] == made[~region]).all()
