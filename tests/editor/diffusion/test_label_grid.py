"""Items on token grids: the largest share of a cell, or the pixel at its top left."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from editor.diffusion.attention.label_grid import labels_on_grid


def test_the_largest_area_wins_and_the_front_wins_ties() -> None:
    labels = np.array([[0, 0, 1, 1], [0, 2, 2, 2]], np.int16)
    assert labels_on_grid(labels, (1, 2)).tolist() == [[0, 2]]  # 1 and 2 share the right cell
    assert labels_on_grid(labels, (1, 2), order=(0, 2, 1)).tolist() == [[0, 1]]
    assert labels_on_grid(labels, (1, 1)).tolist() == [[2]]
    assert labels_on_grid(labels, (1, 1), order=(2, 0, 1)).tolist() == [[0]]
    assert labels_on_grid(labels, (2, 4)).dtype == np.int16


def test_nearest_is_the_top_left_pixel_of_a_cell() -> None:
    labels = np.arange(8 * 12).reshape(8, 12)
    assert np.array_equal(labels_on_grid(labels, (4, 3), "nearest"), labels[::2, ::4])
    assert labels_on_grid(labels, (3, 5), "nearest")[:, 0].tolist() == [0, 2 * 12, 5 * 12]


@given(st.integers(1, 9), st.integers(1, 9), st.integers(1, 6), st.integers(1, 6), st.integers(0, 2**32 - 1))
def test_majority_by_counting_subpixels(height: int, width: int, rows: int, columns: int, seed: int) -> None:
    """Every pixel cut into rows x columns equal parts: then cells hold whole parts, which can be counted."""
    labels = np.random.default_rng(seed).integers(0, 4, (height, width))
    fine = labels.repeat(rows, 0).repeat(columns, 1)
    expected = np.empty((rows, columns), int)
    for i in range(rows):
        for j in range(columns):
            counts = np.bincount(fine[i * height : (i + 1) * height, j * width : (j + 1) * width].ravel())
            expected[i, j] = np.flatnonzero(counts == counts.max())[-1]
    assert np.array_equal(labels_on_grid(labels, (rows, columns)), expected)


@pytest.mark.parametrize("rule", ["majority", "nearest"])
def test_a_grid_of_the_same_size_is_the_picture(rule: str) -> None:
    labels = np.random.default_rng(0).integers(0, 5, (7, 11))
    assert np.array_equal(labels_on_grid(labels, (7, 11), rule), labels)  # type: ignore[arg-type]
