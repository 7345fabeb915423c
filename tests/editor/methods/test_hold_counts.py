"""From painted strength to whole steps: the numbers that the method and the view of it share."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from editor.document.faint_strength import DEAD_BAND
from editor.geometry import Rect, Size
from editor.methods.pixels.hold_counts import first_step, free_steps, hold_counts, release_steps, with_fidelity
from editor.methods.pixels.reference import published_counts
from editor.methods.pixels.rungs import Ladder
from editor.methods.pixels.settings import PixelsSettings
from editor.model_canvas.canvas import ModelCanvas
from editor.requests.edit_request import ExemplarInput
from editor.requests.frame import Frame
from tests.support.strategies import quick, thorough, units

Map = NDArray[np.float32]
LEVELS = [14.6, 9.0, 5.2, 3.0, 1.6, 0.9, 0.4, 0.1]  # falling, unevenly
step_counts = st.sampled_from([1, 2, 3, 4, 5, 8, 10, 20, 28, 30, 40, 50, 100, 200])
changes = st.lists(units, min_size=1, max_size=40).map(lambda found: np.array([found], np.float32))


def _all_grey() -> Map:
    return (np.arange(256) / 255).astype(np.float32)[None]


def _ramp(rows: int = 64, columns: int = 64) -> Map:
    return np.tile(np.linspace(0, 1, columns, dtype=np.float32), (rows, 1))


@pytest.mark.parametrize("steps", [1, 3, 4, 5, 8, 10, 20, 28, 30, 40, 50, 100])
def test_invariant_01_published_counts_are_the_ceiling(steps: int) -> None:
    """Against integers, so that no rounding can hide: ceil(g T / 255) for a grey level g."""
    expected = [min(steps, -(-grey * steps // 255)) for grey in range(256)]
    assert published_counts(_all_grey(), steps)[0].tolist() == expected


@pytest.mark.parametrize("steps", [1, 3, 8, 40])
def test_invariant_01_there_are_as_many_levels_as_steps_and_one_more(steps: int) -> None:
    fine = np.linspace(0, 1, 5000, dtype=np.float32)[None]
    assert np.unique(published_counts(fine, steps)).tolist() == list(range(steps + 1))
    assert np.unique(hold_counts(fine, steps)).tolist() == list(range(steps + 1))


@pytest.mark.parametrize("steps", [4, 7, 10, 28, 30, 50])
def test_published_counts_on_exact_ties_do_not_fall_behind_by_a_rounding(steps: int) -> None:
    """A cell painted as 1 - i / steps is held i times, although strength is stored in float32, divided by the strongest, and turned round."""
    for overall in (1.0, 0.9, 0.7, 0.55, 0.3):
        painted = np.array([[(1 - i / steps) * overall for i in range(steps + 1)]], np.float32)
        change = painted / np.float32(overall)
        assert published_counts(1 - change, steps)[0].tolist() == list(range(steps + 1)), overall


def test_published_counts_from_the_specification() -> None:
    """The table in section 4.1, T = 40."""
    keep = np.array([[1 / 255, 0.10, 0.25, 0.50, 0.75, 0.90, 1.0]], np.float32)
    assert published_counts(keep, 40)[0].tolist() == [1, 4, 10, 20, 30, 36, 40]


@given(changes, step_counts)
@quick
def test_invariant_01_counts_lie_between_nothing_and_all(change: Map, steps: int) -> None:
    for found in (hold_counts(change, steps), hold_counts(change, steps, dither=True), published_counts(change, steps)):
        assert found.shape == change.shape
        assert found.dtype == np.int64
        assert found.min() >= 0
        assert found.max() <= steps


@given(changes, step_counts)
@quick
def test_invariant_01_more_strength_never_means_more_steps_held(change: Map, steps: int) -> None:
    ordered = np.sort(change)
    assert (np.diff(hold_counts(ordered, steps)) <= 0).all()
    assert (np.diff(published_counts(1 - ordered, steps)) <= 0).all()
    for scale in ("noise", "absolute"):
        levels = np.linspace(0.99, 0.01, steps)
        assert (np.diff(hold_counts(ordered, steps, scale=scale, levels=levels.tolist())) <= 0).all()


@given(changes, step_counts)
@quick
def test_the_ends_of_the_scale_are_exact_in_every_rule(change: Map, steps: int) -> None:
    change = np.concatenate([change, [[0, 1]]], axis=1).astype(np.float32)
    for scale in ("index", "noise", "absolute"):
        for dither in (False, True):
            levels = np.linspace(0.99, 0.01, steps).tolist()
            found = hold_counts(change, steps, scale=scale, levels=levels, dither=dither)
            assert (found[change == 0] == steps).all()
            assert (found[change == 1] == 0).all()


def test_invariant_11_near_black_counts_as_black_in_our_rule_only() -> None:
    keep = np.array([[0, 1, 2, 3, 4, 5]]) / 255
    counts = hold_counts((1 - keep).astype(np.float32), 200)[0]
    assert counts[:4].tolist() == [0, 0, 0, 0]
    assert counts[5] == 4
    assert published_counts(keep.astype(np.float32), 200)[0, 1] == 1


def test_near_white_counts_as_white() -> None:
    change = (np.array([[0, 1, 2, 3, 5]]) / 255).astype(np.float32)
    assert hold_counts(change, 200)[0].tolist() == [200, 200, 200, 200, 196]


@given(step_counts, st.floats(DEAD_BAND + 0.001, 1 - DEAD_BAND - 0.001))
@quick
def test_our_rule_rounds_with_ties_up(steps: int, keep: float) -> None:
    change = np.array([[1 - keep]])  # float64: the tie itself, not what float32 makes of it
    exact = (1 - (1 - keep)) * steps
    assert hold_counts(change, steps)[0, 0] == math.floor(exact + 0.5)


def test_a_tie_goes_up() -> None:
    assert hold_counts(np.array([[0.5, 0.25]], np.float32), 2)[0].tolist() == [1, 2]
    assert hold_counts(np.array([[0.5]], np.float32), 5)[0, 0] == 3


@given(changes)
@quick
def test_noise_scale_holds_while_the_noise_is_above_what_the_cell_allows(change: Map) -> None:
    """Section 6 word for word: held while sigma_i / sigma_0 > 1 - m."""
    share = np.array(LEVELS) / LEVELS[0]
    inner = (change > DEAD_BAND + 1e-6) & (change < 1 - DEAD_BAND - 1e-6)
    expected = (share > change.astype(np.float64)[..., None]).sum(-1)
    found = hold_counts(change, len(LEVELS), scale="noise", levels=LEVELS)
    # 1 - (1 - change) may round: a change within that of a level may fall on either side.
    clear = inner & (np.abs(share - change[..., None]) > 1e-12).all(-1)
    assert (found[clear] == expected[clear]).all()


def test_absolute_scale_means_the_same_level_whatever_ran_before() -> None:
    """The cell is let go at the same timestep in a long and in a short run of the same schedule."""
    whole = np.linspace(0.96, 0.01, 20)
    change = np.array([[0.3, 0.45]], np.float32)
    long = hold_counts(change, 20, scale="absolute", levels=whole.tolist())
    short = hold_counts(change, 12, scale="absolute", levels=whole[8:].tolist())
    assert (long - short == 8).all()


def test_levels_must_match_the_steps() -> None:
    with pytest.raises(ValueError, match="3 levels for 4 steps"):
        hold_counts(np.zeros((1, 1), np.float32), 4, scale="noise", levels=[3, 2, 1])


@pytest.mark.parametrize("steps", [3, 5, 8])
@pytest.mark.parametrize("scale", ["index", "noise"])
def test_dither_keeps_the_mean_and_moves_no_cell_by_more_than_one(steps: int, scale: str) -> None:
    levels = np.linspace(1, 0.1, steps).tolist()
    for change in (0.2, 0.37, 0.5, 0.81):
        flat = np.full((64, 64), change, np.float32)
        dithered = hold_counts(flat, steps, scale=scale, levels=levels, dither=True)  # type: ignore[arg-type]
        plain = hold_counts(flat, steps, scale=scale, levels=levels)  # type: ignore[arg-type]
        assert np.abs(dithered - plain).max() <= 1
        if scale == "index":
            assert dithered.mean() == pytest.approx((1 - change) * steps, abs=0.02)


def test_dither_breaks_the_bands_and_is_the_same_every_time() -> None:
    change = _ramp()
    found = hold_counts(change, 4, dither=True)
    assert (found == hold_counts(change, 4, dither=True)).all()
    assert len(np.unique(found[:, 24])) == 2  # one grey, two levels beside each other
    # Columns of one grey keep their mean over any 8 rows: no clumps.
    means = found.reshape(8, 8, 64).mean(1)
    assert np.abs(means - means.mean(0)).max() <= 0.25


@given(changes, step_counts, st.floats(0, 1))
@quick
def test_fidelity_holds_a_share_of_what_was_free(change: Map, steps: int, fidelity: float) -> None:
    counts = hold_counts(change, steps)
    found = with_fidelity(counts, np.full_like(change, fidelity), steps)
    assert (found >= counts).all()
    assert (found <= steps).all()
    assert (with_fidelity(counts, np.zeros_like(change), steps) == counts).all()
    assert (with_fidelity(counts, np.ones_like(change), steps) == steps).all()


@given(step_counts, st.integers(0, 100))
@quick
def test_fidelity_of_a_fully_free_exemplar_is_that_of_the_specification(steps: int, percent: int) -> None:
    """round(f T), ties up."""
    fidelity = np.full((1, 1), percent / 100, np.float64)
    found = with_fidelity(np.zeros((1, 1), np.int64), fidelity, steps)[0, 0]  # type: ignore[arg-type]
    assert found == math.floor(percent / 100 * steps + 0.5)


@pytest.mark.parametrize(
    ("steps", "strength", "expected"), [(100, 0.29, 29), (50, 0.58, 29), (30, 0.0, 0), (30, 1, 30)]
)
def test_invariant_26_steps_that_run_are_rounded_not_cut(steps: int, strength: float, expected: int) -> None:
    assert free_steps(strength, steps) == expected


def test_invariant_26_no_steps_and_one_step_are_defined() -> None:
    assert hold_counts(_ramp(), 0).max() == 0
    assert published_counts(_ramp(), 0).max() == 0
    assert np.unique(hold_counts(_ramp(), 1)).tolist() == [0, 1]


GRID = Size(64, 48)
WORKING = ModelCanvas(Frame.full_size(Rect.at(0, 0, *GRID)), GRID, 8)
SETTINGS = st.builds(
    PixelsSettings,
    map_scale=st.sampled_from(["index", "noise", "absolute"]),
    dither=st.booleans(),
    thin_strokes=st.booleans(),
)


def _painted(seed: int, overall: float) -> Map:
    """Values of all kinds, cell by cell and within cells."""
    random = np.random.default_rng(seed)
    coarse = random.random((6, 8)).repeat(8, 0).repeat(8, 1)
    painted = np.where(random.random((6, 8)).repeat(8, 0).repeat(8, 1) < 0.5, coarse, random.random(GRID.shape))
    return np.asarray(painted * overall, np.float32)


@given(SETTINGS, step_counts, st.sampled_from([0.3, 0.45, 0.7, 1.0]), st.integers(0, 99), st.integers(0, 47))
@thorough
def test_what_is_painted_elsewhere_does_not_change_when_a_cell_is_released(
    settings: PixelsSettings, steps: int, overall: float, seed: int, cell: int
) -> None:
    one, other = _painted(seed, overall), _painted(seed + 1, overall)
    row, column = cell // 8 * 8, cell % 8 * 8
    other[row : row + 8, column : column + 8] = one[row : row + 8, column : column + 8]
    levels = [] if settings.map_scale == "index" else np.linspace(0.99, 0.01, steps).tolist()
    counts = [
        release_steps(settings, (), strength, WORKING, steps, overall=overall, levels=levels)[row // 8, column // 8]
        for strength in (one, other)
    ]
    assert counts[0] == counts[1]


@given(step_counts, st.floats(0, 1, width=32))
@thorough
def test_a_cell_is_free_for_its_strength_of_all_steps(steps: int, strength: float) -> None:
    flat = np.full(GRID.shape, strength, np.float32)
    until = release_steps(PixelsSettings(), (), flat, WORKING, steps, overall=max(strength, 0.01))
    expected = free_steps(strength, steps) if strength >= DEAD_BAND * 0.01 else 0
    assert (until == steps - expected).all()
    first = first_step(until, flat, Ladder(steps))
    assert first == steps - expected


def test_a_run_begins_when_its_first_cell_is_free() -> None:
    strength = np.zeros(GRID.shape, np.float32)
    strength[:8, :8], strength[8:16, :8] = 0.25, 0.45
    until = release_steps(PixelsSettings(), (), strength, WORKING, 20, overall=0.45)
    assert until[:3, 0].tolist() == [15, 11, 20]
    assert first_step(until, strength, Ladder(20)) == 11
    strength[:] = 0
    strength[0, 0] = 0.45  # of a cell next to nothing
    until = release_steps(PixelsSettings(), (), strength, WORKING, 20, overall=0.45)
    assert (until == 20).all()
    assert first_step(until, strength, Ladder(20)) == 19
    assert first_step(until, strength * np.float32(0.01), Ladder(20)) == 20


def test_the_dead_band_is_relative_to_the_overall_strength_only() -> None:
    strength = np.full(GRID.shape, 0.5 * 252 / 255, np.float32)
    strength[:8] = 0.5 * 3 / 255
    assert np.unique(release_steps(PixelsSettings(), (), strength, WORKING, 200, overall=0.5)).tolist() == [100, 200]
    strength[8:16] = 1.0
    assert np.unique(release_steps(PixelsSettings(), (), strength, WORKING, 200, overall=0.5)).tolist() == [0, 100, 200]


def test_of_what_the_strength_leaves_an_exemplar_holds_its_fidelity() -> None:
    ones, half = np.ones(GRID.shape, np.float32), np.full(GRID.shape, 0.5, np.float32)
    pixels = np.zeros((*GRID.shape, 3), np.uint8)
    for fidelity, released in ((0.0, 10), (0.25, 13), (1.0, 20)):
        exemplar = ExemplarInput("a", pixels, ones, ones, ones * np.float32(fidelity), ones)
        until = release_steps(PixelsSettings(), (exemplar,), half, WORKING, 20, overall=0.5)
        assert (until == released).all()
