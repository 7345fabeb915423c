"""Kept states: which maps may use which, and what goes first where there are too many."""

from __future__ import annotations

import numpy as np
import torch
from hypothesis import given
from hypothesis import strategies as st

from editor.diffusion.denoise import RunState
from editor.diffusion.kept_states import MAX_STATES, NEVER, KeptStates, ReleaseMap
from tests.support.strategies import quick, thorough

STEPS = 12
untils = st.lists(st.integers(0, STEPS), min_size=6, max_size=6).map(lambda row: np.array([row], np.int64))


def map(*until: int, first: int = 0) -> ReleaseMap:
    return ReleaseMap(first, np.array([until], np.int64))


def state(step: int, bytes: int = 100) -> RunState:
    return RunState(step, torch.zeros(bytes, dtype=torch.uint8))


@given(untils, untils)
@thorough
def test_two_maps_differ_from_the_first_step_at_which_they_hold_other_cells(one: np.ndarray, other: np.ndarray) -> None:
    held = [[(until > step).tolist() for step in range(STEPS)] for until in (one, other)]
    differs = [step for step in range(STEPS) if held[0][step] != held[1][step]]
    found = ReleaseMap(0, one).divergence(ReleaseMap(0, other))
    assert found == (differs[0] if differs else NEVER)
    assert found == ReleaseMap(0, other).divergence(ReleaseMap(0, one))


def test_runs_that_begin_at_different_steps_share_nothing() -> None:
    assert map(5, 6, first=2).divergence(map(5, 6, first=3)) == 0


def test_a_map_goes_on_from_the_last_state_before_it_differs() -> None:
    kept, first = KeptStates(10_000), map(2, 12, 12)
    assert kept.begin(first) is None
    for step in range(3, 12):
        kept.keep(first, state(step))
    found = kept.begin(map(2, 12, 7))
    assert found is not None
    assert found.step == 7
    again = kept.begin(map(2, 12, 12))
    assert again is not None
    assert again.step == 11
    assert kept.begin(map(2, 1, 12)) is None


def test_a_state_of_a_map_that_is_not_the_present_one_is_not_kept() -> None:
    kept, old, new = KeptStates(10_000), map(2, 5), map(2, 6)
    kept.begin(old)
    kept.begin(new)
    kept.keep(old, state(3))
    assert kept.bytes == 0


@given(st.integers(1, 12), st.integers(1, 40))
@quick
def test_what_is_left_of_a_long_run_lies_evenly(places: int, steps: int) -> None:
    kept, run = KeptStates(100 * places), ReleaseMap(0, np.array([[steps + 1, 0]], np.int64))
    kept.begin(run)
    for step in range(1, steps + 1):
        kept.keep(run, state(step))
    assert kept.bytes == 100 * min(places, steps)
    last = kept.begin(run)
    assert last is not None
    assert last.step == steps
    left = sorted(entry.state.step for entry in kept._usable)
    gaps = np.diff([0, *left])
    assert gaps.max() <= max(1, 4 * -(-steps // places))


def test_states_that_only_other_maps_can_use_go_first() -> None:
    kept, old, new = KeptStates(400), map(1, 6), map(1, 3)
    kept.begin(old)
    for step in (2, 3, 4, 5):
        kept.keep(old, state(step))
    kept.begin(new)  # steps 2 and 3 are its too
    for step in (4, 5):
        kept.keep(new, state(step))
    assert [entry.state.step for entry in kept._usable] == [2, 3, 4, 5]
    assert kept.bytes == 400


def test_tensors_that_neighbours_share_count_once() -> None:
    kept, run = KeptStates(10_000), map(1, 6)
    kept.begin(run)
    shared = torch.zeros(100, dtype=torch.uint8)
    kept.keep(run, RunState(2, shared, {"model_outputs": [None, shared]}))
    kept.keep(run, RunState(3, torch.zeros(50, dtype=torch.uint8), {"model_outputs": [shared, None], "step": 3}))
    assert kept.bytes == 150


def test_there_are_never_more_than_can_be_looked_at_in_a_round() -> None:
    kept = KeptStates(2**40)
    for number in range(MAX_STATES):
        run = map(1, 60, first=number)
        kept.begin(run)
        for step in range(2, 6):
            kept.keep(run, state(step))
            assert len(kept) <= MAX_STATES
            assert kept.bytes == 100 * len(kept)
    assert len(kept) == MAX_STATES


def test_a_map_is_known_by_its_key() -> None:
    keys = {map(5, 6).key, map(5, 7).key, map(5, 6, first=1).key, ReleaseMap(0, np.array([[5], [6]], np.int64)).key}
    assert len(keys) == 4
    assert map(5, 6).key == map(5, 6).key


def test_no_room_keeps_nothing() -> None:
    kept, run = KeptStates(99), map(1, 6)
    kept.begin(run)
    kept.keep(run, state(2))
    assert kept.bytes == 0
    assert kept.begin(run) is None
