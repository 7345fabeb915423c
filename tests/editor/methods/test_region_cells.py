"""Which cells a region takes, and how a thin one closes in."""

from __future__ import annotations

from itertools import pairwise
from pathlib import Path
from typing import Any, Literal

import numpy as np
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from numpy.typing import NDArray

from editor.diffusion.families.registry import FAMILIES
from editor.geometry import Rect, Size
from editor.methods.blended_latent_diffusion.region_cells import (
    cell_mask,
    held_since,
    nearest_cells,
    published_stage_of,
    stage_of,
    thin,
    widened,
    widening,
)
from editor.methods.blended_latent_diffusion.settings import BlendedSettings
from editor.model_canvas.canvas import ModelCanvas
from editor.models.info import ModelInfo
from editor.requests.frame import Frame
from tests.support.strategies import quick

Map = NDArray[np.float32]
Rule = Literal["auto", "area", "any"]
RULES: tuple[Rule, ...] = ("auto", "area", "any")
sides = st.integers(1, 120)


def working(width: int, height: int, to: tuple[int, int] | None = None, cell: int = 8) -> ModelCanvas:
    info = ModelInfo("key", "A model", FAMILIES.named("stable-diffusion"), Path("nowhere"), 512, cell)
    return ModelCanvas.of(Frame(Rect.at(5, 9, width, height), Size(*(to or (width, height)))), info)


def blocks(values: NDArray[Any]) -> Map:
    return np.ascontiguousarray(values.repeat(8, 0).repeat(8, 1), np.float32)


def column(x: int, width: int = 1) -> Map:
    """A line of 48 rows in a picture 64 wide."""
    found = np.zeros((48, 64), np.float32)
    found[:, x : x + width] = 1
    return found


def in_force(mask: NDArray[np.bool_], widen: int, steps: int) -> list[NDArray[np.bool_]]:
    """The mask for the result of each step, as the loop reads `held_since`: a cell is edited until before which step it is held."""
    until = held_since(mask, widen, steps)
    return [until > step + 1 for step in range(steps)]


class TestCells:
    @pytest.mark.parametrize(("grey", "taken"), [(127, False), (128, True)])
    def test_invariant_13_half_covered_is_enough(self, grey: int, taken: bool) -> None:
        region = np.full((32, 48), grey / 255, np.float32)
        region[:8, :8] = 1
        found = cell_mask(region, working(48, 32), "area")
        assert found[0, 0]
        assert found[1:].all() == taken == found[1:].any()
        assert (nearest_cells(region, working(48, 32)) >= 0.5)[1, 1] == taken

    @pytest.mark.parametrize("wide", [3, 4, 5])
    def test_invariant_13_exactly_half_is_half(self, wide: int) -> None:
        found = cell_mask(column(16, 8) + column(32, wide), working(64, 48), "area")
        assert found[:, 2].all()
        assert found[:, 4].all() == found[:, 4].any() == (wide >= 4)

    def test_what_covers_half_of_a_cell_touches_it_also_where_pixels_are_larger_than_cells(self) -> None:
        """The second of five cells lies for three quarters in the second of four pixels, though it begins in the first."""
        region = np.ones((4, 4), np.float32)
        region[:, 0] = 0
        here = working(4, 4, (40, 40))
        for rule in RULES:
            assert cell_mask(region, here, rule)[:, 1].all()

    @pytest.mark.parametrize(("width", "height"), [(64, 24), (24, 64), (61, 19)])
    @pytest.mark.parametrize("rule", RULES)
    def test_invariant_13_rows_stay_rows(self, width: int, height: int, rule: Rule) -> None:
        region = np.zeros((height, width), np.float32)
        region[8:16, :16] = 1
        found = cell_mask(region, working(width, height), rule)
        assert found.shape == (-(-height // 8), -(-width // 8))
        assert found.dtype == np.bool_
        expected = np.zeros_like(found)
        expected[1, :2] = True
        assert (found == expected).all()
        assert ((nearest_cells(region, working(width, height)) > 0) == expected).all()

    @given(arrays(np.bool_, (5, 7)))
    @quick
    def test_invariant_14_whole_cells_are_what_they_are(self, cells: NDArray[np.bool_]) -> None:
        assume(cells.any())
        for rule in RULES:
            assert (cell_mask(blocks(cells), working(56, 40), rule) == cells).all()
        assert (nearest_cells(blocks(cells), working(56, 40)) == cells).all()

    @pytest.mark.parametrize("x", range(16, 24))
    def test_invariant_14_a_line_of_one_pixel(self, x: int) -> None:
        here = working(64, 48)
        line = column(x)
        assert nearest_cells(line, here).any() == (x % 8 == 4)
        for rule in RULES:  # half of no cell is covered
            found = cell_mask(line, here, rule)
            assert found[:, 2].all()
            assert not np.delete(found, 2, 1).any()

    @pytest.mark.parametrize("width", range(1, 8))
    def test_the_published_rule_keeps_a_line_in_as_many_places_as_it_is_wide(self, width: int) -> None:
        kept = sum(bool(nearest_cells(column(x, width), working(64, 48)).any()) for x in range(16, 24))
        assert kept == width

    def test_any_touch_counts_of_itself_where_half_of_the_cells_would_be_lost(self) -> None:
        region = np.zeros((48, 64), np.float32)
        region[8:16, 0:24] = 1  # three whole cells
        expected: list[tuple[int, Rule]] = [(3, "area"), (4, "any")]
        for touches, rule in expected:
            region[24, 0 : 8 * touches] = 1
            found = cell_mask(region, working(64, 48), "auto")
            assert (found == cell_mask(region, working(64, 48), rule)).all()
            assert found.sum() == (3 if rule == "area" else 3 + touches)

    @given(st.tuples(sides, sides), st.tuples(sides, sides), st.sampled_from([2, 4, 8, 16]), st.data())
    @quick
    def test_something_is_taken_of_every_region_at_every_size(
        self, size: tuple[int, int], to: tuple[int, int], cell: int, data: st.DataObject
    ) -> None:
        here = working(*size, to, cell)
        region = np.zeros((size[1], size[0]), np.float32)
        region[data.draw(st.integers(0, size[1] - 1)), data.draw(st.integers(0, size[0] - 1))] = 1
        taken = {rule: cell_mask(region, here, rule) for rule in RULES}
        for found in taken.values():
            assert found.shape == here.grid.shape
            assert found.any()
        assert not (taken["auto"] & ~taken["any"]).any()
        assert not (taken["area"] & ~taken["any"]).any()
        assert nearest_cells(region, here).shape == here.grid.shape

    @given(st.tuples(sides, sides), st.tuples(sides, sides))
    @quick
    def test_a_region_that_is_everything_takes_every_cell(self, size: tuple[int, int], to: tuple[int, int]) -> None:
        here = working(*size, to)
        region = np.ones((size[1], size[0]), np.float32)
        for rule in RULES:
            assert cell_mask(region, here, rule).all()
        assert nearest_cells(region, here).all()


class TestThin:
    @pytest.mark.parametrize("wide", [1, 2, 3])
    @pytest.mark.parametrize("where", [0, 2])
    def test_up_to_two_cells_wide_is_thin_at_the_edge_of_the_picture_too(self, wide: int, where: int) -> None:
        cells = np.zeros((8, 8))
        cells[where : where + wide] = 1
        for each in (cells, cells.T, cells[::-1]):
            assert thin(blocks(each), working(64, 64)) == (wide < 3)

    def test_what_covers_half_of_no_cell_is_thin_and_what_is_everything_is_not(self) -> None:
        assert thin(column(19, 3), working(64, 48))
        assert not thin(np.ones((48, 64), np.float32), working(64, 48))

    def test_one_place_with_room_is_enough(self) -> None:
        cells = np.zeros((8, 8))
        cells[4, :] = 1
        assert thin(blocks(cells), working(64, 64))
        cells[3:6, 2:5] = 1
        assert not thin(blocks(cells), working(64, 64))

    @pytest.mark.parametrize(
        ("setting", "widen", "expected"),
        [("auto", 3, (3, 0)), ("auto", 5, (5, 0)), ("auto", 0, (0, 0)), ("on", 2, (2, 2)), ("off", 3, (0, 0))],
    )
    def test_it_widens_thin_regions_of_itself_and_others_when_told(
        self, setting: Any, widen: int, expected: tuple[int, int]
    ) -> None:
        settings = BlendedSettings(thin=setting, widen=widen)
        regions = (column(19, 3), column(8, 40))
        assert tuple(widening(settings, region, working(64, 48)) for region in regions) == expected


class TestStages:
    @pytest.mark.parametrize(
        ("steps", "counts"),
        [
            (50, (13, 13, 13, 11)),
            (38, (10, 10, 10, 8)),
            (20, (6, 6, 6, 2)),
            (8, (3, 3, 2, 0)),
            (4, (2, 2, 0, 0)),
        ],
    )
    def test_invariant_16_the_published_counts(self, steps: int, counts: tuple[int, ...]) -> None:
        found = [published_stage_of(step, steps, 4) for step in range(steps)]
        assert tuple(found.count(stage) for stage in range(4)) == counts

    @pytest.mark.parametrize(
        ("steps", "counts"),
        [
            (1, (0, 0, 0, 1)),
            (3, (0, 1, 1, 1)),
            (5, (2, 1, 1, 1)),
            (8, (2, 2, 2, 2)),
            (38, (10, 9, 10, 9)),
            (50, (13, 12, 13, 12)),
        ],
    )
    def test_invariant_17_our_counts(self, steps: int, counts: tuple[int, ...]) -> None:
        found = [stage_of(step, steps, 4) for step in range(steps)]
        assert tuple(found.count(stage) for stage in range(4)) == counts

    @given(st.integers(1, 200), st.integers(1, 6))
    @quick
    def test_invariant_17_the_exact_mask_is_in_force_at_the_end(self, steps: int, stages: int) -> None:
        found = [stage_of(step, steps, stages) for step in range(steps)]
        assert found == sorted(found)
        assert found[-1] == stages - 1
        counts = [found.count(stage) for stage in range(stages) if stage >= stages - min(steps, stages)]
        assert sum(counts) == steps
        assert max(counts) - min(counts) <= 1

    def test_invariant_15_sides_of_seven_five_three_one(self) -> None:
        cell = np.zeros((15, 15), bool)
        cell[7, 7] = True
        found = in_force(cell, 3, 4)
        assert [int(each.sum()) for each in found] == [49, 25, 9, 1]
        for each, reach in zip(found, (3, 2, 1, 0), strict=True):
            square = np.zeros_like(cell)
            square[7 - reach : 8 + reach, 7 - reach : 8 + reach] = True
            assert (each == square).all()
            assert (widened(cell, reach) == square).all()

    @given(arrays(np.bool_, (9, 11), elements=st.booleans()), st.integers(0, 5), st.integers(1, 30))
    @quick
    def test_invariant_15_nested_widest_first_exact_last(self, mask: NDArray[np.bool_], widen: int, steps: int) -> None:
        found = in_force(mask, widen, steps)
        assert (found[-1] == mask).all()
        for before, after in pairwise(found):
            assert not (after & ~before).any()
        for step, each in enumerate(found):
            assert (each == widened(mask, widen - stage_of(step, steps, widen + 1))).all()

    @given(arrays(np.bool_, (6, 9)), st.integers(0, 5), st.integers(1, 12))
    @quick
    def test_invariant_18_an_inverted_region_is_within_every_stage(
        self, mask: NDArray[np.bool_], widen: int, steps: int
    ) -> None:
        assume(not mask.all())
        inverted = cell_mask(1 - blocks(mask), working(72, 48), "area")
        assert (inverted == ~mask).all()
        assert all(not (inverted & ~each).any() for each in in_force(inverted, widen, steps))

    @given(arrays(np.bool_, (6, 9)), st.integers(0, 5), st.integers(1, 12))
    @quick
    def test_cells_beyond_the_widest_are_held_from_the_start_and_the_regions_own_never(
        self, mask: NDArray[np.bool_], widen: int, steps: int
    ) -> None:
        found = held_since(mask, widen, steps)
        assert (found[mask] == steps + 1).all()
        used = min(widen + 1, steps)
        assert ((found == 0) == ~widened(mask, used - 1)).all()
        assert ((found == 0) | (found >= 2)).all()
