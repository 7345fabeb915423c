"""Whose a place is that an item left, and how far around it the picture may adapt: golden values, and against the slow definition."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays
from numpy.typing import NDArray

from editor.methods.items.owners import given_away, removed
from editor.methods.items.regions import strength_of

Labels = NDArray[np.int16]
A, B, C = 1, 2, 0  # the rest of the golden picture is its third item


def golden() -> Labels:
    """32 x 32: a square, a strip on the right, and the rest."""
    labels = np.zeros((32, 32), np.int16)
    labels[8:16, 8:16] = A
    labels[:, 24:] = B
    return labels


def areas(labels: Labels) -> tuple[int, ...]:
    return tuple(int((labels == label).sum()) for label in (A, B, C))


@pytest.mark.parametrize(
    ("gone", "expected", "vacated"),
    [(A, (0, 256, 768), 64), (B, (64, 0, 960), 256), (C, (557, 467, 0), 704)],
)
def test_the_golden_table_of_removals(gone: int, expected: tuple[int, ...], vacated: int) -> None:
    after, left = removed(golden(), [gone])
    assert areas(after) == expected
    assert int(left.sum()) == vacated


def test_moved_items_never_grow() -> None:
    """A moves 4 to the right: its new place is its own, and what it left goes to the rest, however near A is."""
    labels = golden()
    vacated = np.zeros((32, 32), np.bool_)
    vacated[8:16, 8:12] = True
    labels[8:16, 8:16], labels[8:16, 12:20] = C, A
    after = given_away(labels, vacated, never=[A])
    assert areas(after) == (64, 256, 704)


def test_where_nothing_stays_all_is_the_rests() -> None:
    after, vacated = removed(np.full((5, 7), 3, np.int16), [3])
    assert vacated.all()
    assert (after == 0).all()


def test_where_nothing_goes_nothing_changes() -> None:
    after, vacated = removed(golden(), [7])
    assert np.array_equal(after, golden())
    assert not vacated.any()


pictures = arrays.arrays(np.int16, st.tuples(st.integers(1, 13), st.integers(1, 13)), elements=st.integers(0, 3))


@given(labels=pictures, gone=st.sets(st.integers(0, 3), min_size=1, max_size=3))
@settings(deadline=None)
def test_each_pixel_goes_to_the_owner_of_the_nearest(labels: Labels, gone: set[int]) -> None:
    """Of equally near ones the topmost, then the leftmost; and nobody else gains or loses any."""
    after, vacated = removed(labels, gone)
    stays = np.argwhere(~vacated)  # in rows from the top, each from the left
    for row, column in np.argwhere(vacated):
        if len(stays):
            distances = np.square(stays - (row, column)).sum(axis=1)
            y, x = stays[int(distances.argmin())]
            assert after[row, column] == labels[y, x]
        else:
            assert after[row, column] == 0
    assert np.array_equal(after[~vacated], labels[~vacated])


@given(
    active=arrays.arrays(np.bool_, st.tuples(st.integers(1, 14), st.integers(1, 14))),
    band=st.sampled_from([0, 1, 1.5, 2, 3]),
)
@settings(deadline=None)
def test_the_band_is_what_lies_that_near(active: NDArray[np.bool_], band: float) -> None:
    strength = strength_of(active, band, 0.25)
    places = np.argwhere(active)
    for row, column in np.ndindex(active.shape):
        away = np.inf if not len(places) else np.sqrt(np.square(places - (row, column)).sum(axis=1).min())
        assert strength[row, column] == (1 if away == 0 else 0.75 if away <= band else 0)


def test_a_band_that_is_held_to_the_end_is_none() -> None:
    active = golden() == A
    assert np.array_equal(strength_of(active, 4, 1.0), active.astype(np.float32))
