"""The judge's counting, on readings that are known."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from app.dev.practice.judge import NOTHING, JudgeLesson, Reading, cell_shares, held_out, tally, truth
from app.dev.practice.scenes import Scene
from app.dev.practice.world import Drawn
from tests.support.tiny_practice import TINY


def perfect(count: int) -> tuple[list[Scene], list[Drawn], list[Reading]]:
    """What a judge would say that reads the masks."""
    scenes, drawn, _ = held_out(count)
    readings = []
    for scene, each in zip(scenes, drawn, strict=True):
        things, tints = truth(scene, each)
        readings.append(Reading(np.where(things < 0, NOTHING, things), np.maximum(tints, 0), scene.ground.name))
    return scenes, drawn, readings


def test_the_truth_reads_as_the_truth() -> None:
    scenes, drawn, readings = perfect(60)
    tallies = [tally(*scene) for scene in zip(scenes, drawn, readings, strict=True)]
    assert sum(each.recalled for each in tallies) > 0.98 * sum(each.expected for each in tallies)
    assert all(each.right == each.coloured and each.ground and not each.wrong for each in tallies)
    assert sum(each.coloured for each in tallies) > 20


def test_readings_of_other_scenes_do_not() -> None:
    scenes, drawn, readings = perfect(60)
    others = readings[1:] + readings[:1]
    tallies = [tally(*scene) for scene in zip(scenes, drawn, others, strict=True)]
    assert sum(each.recalled for each in tallies) < 0.1 * sum(each.expected for each in tallies)
    assert sum(each.wrong for each in tallies) > 0.9 * len(tallies)


def test_a_reading_knows_place_and_colour() -> None:
    things = np.full((16, 16), NOTHING)
    things[2:6, 2:6] = 0  # apple
    tints = np.zeros((16, 16), np.int64)
    tints[2:6, 2:6] = 1  # red
    reading = Reading(things, tints, "sand")
    right = np.zeros((16, 16), np.bool_)
    right[:, 8:] = True
    assert reading.names() == {"apple"}
    assert reading.shows("apple", "red")
    assert not reading.shows("apple", "blue")
    assert not reading.shows("apple", where=right)
    assert not reading.shows("cat")


def test_shares_are_parts_of_cells() -> None:
    _, drawn, _ = held_out(3, things=2)
    for each in drawn:
        assert cell_shares(each).sum() * 16 == pytest.approx(each.coverage.sum(), rel=1e-4)


def test_the_lesson_feeds_the_net() -> None:
    lesson = JudgeLesson(TINY)
    batch = {name: torch.from_numpy(value) for name, value in lesson.arrays(0).items()}
    loss = lesson.loss(batch, torch.Generator().manual_seed(0))
    assert 2 < float(loss.detach()) < 12
