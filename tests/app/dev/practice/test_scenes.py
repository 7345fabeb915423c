"""Scenes: what the splits share, and edits as values."""

from __future__ import annotations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from app.dev.practice.scenes import (
    COLOURED,
    GROUNDS,
    MAX_THINGS,
    OVERLAP,
    SIDE,
    SIZES,
    THINGS,
    Ground,
    Scene,
    Thing,
    draw_ground,
    draw_scene,
    draw_thing,
    naming,
    reserved_pair,
    reserved_pose,
)

SEEDS = st.integers(0, 2**40)
CAT, CAR, KEY = Thing("cat", "", 2, 4, 20), Thing("car", "red", 30, 30, 24), Thing("key", "", 5, 40, 22, flip=True)
SCENE = Scene(Ground("grass", 6), (CAT, CAR))


@given(SEEDS)
def test_training_never_draws_what_is_reserved(seed: int) -> None:
    scene = draw_scene(seed, "training")
    names = [thing.name for thing in scene.things]
    assert scene.ground.seed % 2 == 0
    assert not any(reserved_pose(thing.x, thing.y, thing.size) for thing in scene.things)
    assert not any(reserved_pair(one, other) for one in names for other in names if one != other)


@given(SEEDS, st.integers(2, MAX_THINGS))
def test_held_out_scenes_are_made_of_what_is_reserved(seed: int, count: int) -> None:
    scene = draw_scene(seed, "held out", count)
    assert scene.ground.seed % 2 == 1
    assert all(reserved_pose(thing.x, thing.y, thing.size) for thing in scene.things)
    assert reserved_pair(scene.things[0].name, scene.things[1].name)


@given(SEEDS, st.sampled_from(["training", "held out"]))
def test_scenes_are_well_formed_and_follow_their_seed(seed: int, split: str) -> None:
    scene = draw_scene(seed, split)  # type: ignore[arg-type]
    assert scene == draw_scene(seed, split)  # type: ignore[arg-type]
    assert len(scene.things) <= MAX_THINGS
    assert len({thing.name for thing in scene.things}) == len(scene.things)
    for thing in scene.things:
        assert SIZES[0] <= thing.size <= SIZES[1]
        assert 0 <= thing.x <= SIDE - thing.size
        assert 0 <= thing.y <= SIDE - thing.size
        assert bool(thing.colour) == (thing.name in COLOURED)


def test_every_thing_has_partners_in_both_splits() -> None:
    for name in THINGS:
        partners = [other for other in THINGS if other != name and reserved_pair(name, other)]
        assert len(partners) == 3


def test_poses_are_reserved_sparingly_and_in_every_size() -> None:
    kept = {
        size: np.mean([reserved_pose(x, y, size) for x in range(SIDE - size + 1) for y in range(SIDE - size + 1)])
        for size in range(SIZES[0], SIZES[1] + 1)
    }
    assert all(0.05 < part < 0.3 for part in kept.values())


def test_things_seldom_overlap() -> None:
    def overlap(one: Thing, other: Thing) -> float:
        wide = min(one.x + one.size, other.x + other.size) - max(one.x, other.x)
        high = min(one.y + one.size, other.y + other.size) - max(one.y, other.y)
        return max(0, wide) * max(0, high) / min(one.size, other.size) ** 2

    pairs = [draw_scene(seed, "training", 2).things for seed in range(300)]
    assert np.mean([overlap(*pair) > OVERLAP for pair in pairs]) < 0.05


def test_captions() -> None:
    assert SCENE.caption() == "a cat and a red car on grass"
    assert SCENE.with_thing(KEY).caption() == "a cat , a red car and a key on grass"
    assert SCENE.without(0).without(0).caption() == GROUNDS["grass"]
    assert naming(()) == ""


def test_edits_make_new_scenes_and_touch_one_thing() -> None:
    before = SCENE
    assert SCENE.without(0).things == (CAR,)
    assert SCENE.moved(1, 7, 8).things == (CAT, Thing("car", "red", 7, 8, 24))
    assert SCENE.moved(1, 7, 8, 30).things[1].size == 30
    assert SCENE.replaced(0, "dog").things == (Thing("dog", "", 2, 4, 20), CAR)
    assert SCENE.recoloured(1, "blue").things[1].label == "blue car"
    assert SCENE.on(Ground("sand", 8)).things == SCENE.things
    assert before == SCENE


def test_another_ground_and_another_thing_can_be_asked_for() -> None:
    random = np.random.default_rng(1)
    assert all(draw_ground(random, "training", "sand").name != "sand" for _ in range(60))
    assert draw_thing(random, "held out", "frog").name == "frog"
