"""The drawn world: exact coverage, clean ground, true pictures after edits."""

from __future__ import annotations

import colorsys

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from app.dev.practice.scenes import COLOURED, COLOURS, GROUNDS, SIDE, THINGS, Ground, Scene, Thing, draw_scene
from app.dev.practice.sheets import write_world
from app.dev.practice.world import World, draw_ground_pixels
from resources import practice_thing

SEEDS = st.integers(0, 2**40)


@pytest.fixture(scope="module")
def world() -> World:
    return World()


@given(seed=SEEDS)
@settings(max_examples=40, deadline=None)
def test_coverage_is_exact(world: World, seed: int) -> None:
    scene = draw_scene(seed, "training", 3)
    drawn = world.draw(scene)
    total = drawn.coverage.sum(axis=0)
    assert drawn.coverage.min() >= 0
    assert total.max() <= 1 + 1e-5
    untouched = total == 0
    assert (drawn.picture[untouched] == drawn.ground[untouched]).all()
    assert (drawn.masks.sum(axis=0) <= 2).all()  # two only where both hold exactly half


@given(seed=SEEDS)
@settings(max_examples=40, deadline=None)
def test_the_truth_after_an_edit_differs_under_the_edited_thing_only(world: World, seed: int) -> None:
    scene = draw_scene(seed, "held out", 2)
    before = world.draw(scene)
    thing = scene.things[0]
    for after in (scene.without(0), scene.replaced(0, "star")):
        changed = (world.draw(after).picture != before.picture).any(axis=-1)
        changed[thing.y : thing.y + thing.size, thing.x : thing.x + thing.size] = False
        assert not changed.any()
    gone = scene.without(0).without(0)
    assert (world.draw(gone).picture == before.ground).all()


@given(seed=SEEDS)
@settings(max_examples=20, deadline=None)
def test_a_hidden_thing_is_seen_less(world: World, seed: int) -> None:
    scene = draw_scene(seed, "training", 1)
    over = scene.with_thing(Thing("football", "", scene.things[0].x, scene.things[0].y, scene.things[0].size))
    assert world.draw(over).coverage[0].sum() < world.draw(scene).coverage[0].sum()


def test_the_same_scene_gives_the_same_bytes() -> None:
    scene = draw_scene(5, "held out", 3)
    assert (World().draw(scene).picture == World().draw(scene).picture).all()


def test_boxes(world: World) -> None:
    scene = Scene(Ground("white", 1), (Thing("football", "", 10, 20, 30), Thing("heart", "red", 40, 2, 20)))
    drawn = world.draw(scene)
    box = drawn.box(0)
    assert (box.left, box.top, box.right, box.bottom) == pytest.approx((10, 20, 40, 50), abs=1)
    hidden = world.draw(Scene(scene.ground, (Thing("key", "", 12, 22, 20), Thing("football", "", 4, 12, 36))))
    assert hidden.box(0).width <= 2


def test_a_flipped_thing_is_the_mirror_of_itself(world: World) -> None:
    plain, flipped = (world.sprite(Thing("duck", "", 0, 0, 30, flip)) for flip in (False, True))
    assert (plain[:, ::-1] == flipped).all()


@pytest.mark.parametrize("name", COLOURED)
@pytest.mark.parametrize("colour", COLOURS)
def test_coloured_things_have_their_colour(world: World, name: str, colour: str) -> None:
    sprite = world.sprite(Thing(name, colour, 0, 0, 36))
    solid = sprite[sprite[..., 3] > 0.9][:, :3]
    vivid = solid[(solid.max(axis=1) - solid.min(axis=1)) > 0.35]
    hues = np.array([colorsys.rgb_to_hsv(*pixel)[0] * 360 for pixel in vivid])
    away = np.abs((hues - COLOURS[colour] + 180) % 360 - 180)
    assert np.median(away) < 16


@pytest.mark.parametrize("name", GROUNDS)
def test_grounds_differ_by_their_seed_and_repeat_with_it(name: str) -> None:
    one, again, other = (draw_ground_pixels(Ground(name, seed)) for seed in (4, 4, 6))
    assert one.shape == (SIDE, SIDE, 3)
    assert (one == again).all()
    assert (one != other).any()
    assert 0 <= one.min() <= one.max() <= 1


@pytest.mark.parametrize("name", THINGS)
def test_packaged_things_fill_their_square(name: str) -> None:
    with practice_thing(name) as path, Image.open(path) as picture:
        alpha = np.asarray(picture.getchannel("A"))
    assert alpha.shape == (72, 72)
    rows, columns = np.nonzero(alpha > 100)
    assert max(np.ptp(rows), np.ptp(columns)) >= 68


def test_the_sheet_shows_every_edit(tmp_path_factory: pytest.TempPathFactory) -> None:
    file = tmp_path_factory.mktemp("sheet") / "world.png"
    write_world(file, rows=1)
    with Image.open(file) as sheet:
        assert sheet.width > 8 * 128
