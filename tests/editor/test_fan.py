"""Strength fans: stripes cover what may change, side by side, and strength rises through them."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from editor.fan import FAN, fanned, stripes
from editor.geometry import EMPTY, Rect
from tests.editor.strategies import Map, maps, thorough

levels = st.lists(st.floats(0.05, 1), min_size=1, max_size=7)
corners = st.tuples(st.integers(-50, 500), st.integers(-50, 500))


def placed(strength: Map, corner: tuple[int, int]) -> Rect:
    return Rect.at(*corner, strength.shape[1], strength.shape[0])


@thorough
@given(maps(), corners, levels)
def test_stripes_lie_side_by_side_and_cover_what_may_change(
    strength: Map, corner: tuple[int, int], levels: list[float]
) -> None:
    rect = placed(strength, corner)
    tight = Rect.of_mask(strength)
    found = stripes(strength, rect, levels)
    if tight.empty:
        assert found == ()
        return
    whole = EMPTY
    for one in found:
        assert not one.rect.empty
        whole = whole.unite(one.rect)
    assert whole == tight.moved(*corner)
    assert sum(one.rect.size.area for one in found) == tight.size.area
    rest = iter(levels)
    assert all(one.level in rest for one in found)  # in the same order
    for one, other in pairwise(found):
        if tight.width >= tight.height:
            assert one.rect.right == other.rect.left
        else:
            assert one.rect.bottom == other.rect.top
    if max(tight.size) >= len(levels):
        assert len(found) == len(levels)


@thorough
@given(maps(), corners, levels, st.floats(0.1, 1))
def test_each_stripe_is_as_it_would_be_with_its_level(
    painted: Map, corner: tuple[int, int], levels: list[float], overall: float
) -> None:
    strength = painted * np.float32(overall)
    rect = placed(strength, corner)
    cut = stripes(strength, rect, levels)
    before = strength.copy()
    found = fanned(strength, rect, cut, overall)
    assert np.array_equal(strength, before)
    assert np.array_equal(found > 0, strength > 0)
    assert found.max(initial=0) <= 1
    for one in cut:
        where = one.rect.within(rect).slices
        expected = painted[where] * one.level
        np.testing.assert_allclose(found[where], expected, rtol=1e-5, atol=1e-7)


def test_long_regions_are_cut_on_whole_cells() -> None:
    strength = np.zeros((400, 900), np.float32)
    strength[30:130, 40:880] = 0.5
    found = stripes(strength, Rect.at(1000, 2000, 900, 400), FAN)
    assert [one.level for one in found] == list(FAN)
    assert all((one.rect.left - 1000) % 8 == 0 for one in found)
    widths = [one.rect.width for one in found]
    assert max(widths) - min(widths) <= 8
    made = fanned(strength, Rect.at(1000, 2000, 900, 400), found)
    assert [round(float(made[80, one.rect.left - 1000]), 4) for one in found] == [
        round(0.5 * level, 4) for level in FAN
    ]


def test_upright_regions_are_cut_across() -> None:
    strength = np.ones((300, 50), np.float32)
    found = stripes(strength, Rect(0, 0, 50, 300), (0.2, 0.8))
    assert [one.rect for one in found] == [Rect(0, 0, 50, 152), Rect(0, 152, 50, 300)]


def test_no_levels_make_no_fan() -> None:
    assert stripes(np.ones((5, 5), np.float32), Rect(0, 0, 5, 5), ()) == ()
