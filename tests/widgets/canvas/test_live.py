"""What the canvas shows of the live picture: the result, the preview where it is fresh, and lines instead of colours."""

from __future__ import annotations

import numpy as np
import pytest
from PySide6.QtTest import QTest
from pytestqt.qtbot import QtBot

from editor.document.document import Document
from editor.geometry import Rect
from editor.methods.pixels.settings import PixelsSettings
from editor.requests.reports import Preview
from editor.requests.results import EditResult, LiveResult, Recipe
from tests.support.canvas_driver import Easel
from tests.support.session_cases import model
from widgets.session.edit_job import EditJob

SPOT = Rect(100, 100, 200, 180)
RED, BLUE, GREY = (220, 0, 0), (0, 0, 220), (128, 128, 128)


@pytest.fixture
def easel(qtbot: QtBot) -> Easel:
    """A grey picture at 100 %, with live on."""
    easel = Easel(qtbot, Document.of_picture(np.full((600, 800, 4), (128, 128, 128, 255), np.uint8)))
    easel.look(zoom=1.0, x=200, y=150)  # the picture's corner is the canvas's
    session = easel.session
    session.choose_method(PixelsSettings)
    session.set_draft(model=model())
    session.set_view(frame=False, legend=False)
    session.live.switch(True)
    return easel


def paint(easel: Easel, rect: Rect = SPOT) -> EditJob:
    """A stroke; the state of the live picture that is asked for."""
    document = easel.session.document
    stroke = np.ones(rect.size.shape, np.float32)
    easel.session.commit("Paint", document.with_strength(document.strength.write(rect.left, rect.top, stroke)))
    QTest.qWait(1)
    job = easel.session.live.job
    assert job is not None
    return job


def flat(colour: tuple[int, int, int], rect: Rect = SPOT) -> np.ndarray[tuple[int, ...], np.dtype[np.uint8]]:
    return np.full((*rect.size.shape, 4), (*colour, 255), np.uint8)


def finish(easel: Easel, job: EditJob, colour: tuple[int, int, int]) -> None:
    recipe = Recipe(job.draft.settings, "fill", SPOT, 1)
    easel.session.live.finished(job, LiveResult(EditResult(SPOT, flat(colour), recipe), 3, 3, 9))


def at(easel: Easel, x: int, y: int) -> tuple[int, ...]:
    easel.sharp()
    place = easel.canvas.viewport.to_screen(x, y)
    return tuple(int(value) for value in easel.seen()[round(place.y), round(place.x), :3])


def close(one: tuple[int, ...], other: tuple[int, ...]) -> bool:
    return max(abs(a - b) for a, b in zip(one, other, strict=True)) <= 3


def test_the_result_lies_over_the_picture_under_lines_without_colours(easel: Easel) -> None:
    job = paint(easel)
    assert close(at(easel, 150, 140), GREY)  # the strength is an outline at once
    finish(easel, job, RED)
    assert close(at(easel, 150, 140), RED)
    assert close(at(easel, 60, 60), GREY)
    easel.session.live.switch(False)
    assert not close(at(easel, 150, 140), GREY)  # its strength has colours again
    assert not close(at(easel, 150, 140), RED)


def test_a_preview_is_seen_where_the_stroke_was_and_the_result_stays_elsewhere(easel: Easel) -> None:
    finish(easel, paint(easel), RED)
    stroke = Rect(180, 160, 240, 220)
    job = paint(easel, stroke)
    whole = SPOT.unite(stroke)
    easel.session.live.report(job, Preview(whole, flat(BLUE, whole)))
    assert close(at(easel, 190, 170), BLUE)
    assert close(at(easel, 230, 210), BLUE)
    assert close(at(easel, 120, 120), RED)


def test_undo_to_nothing_shows_the_picture(easel: Easel) -> None:
    finish(easel, paint(easel), RED)
    easel.session.undo()
    QTest.qWait(1)
    assert close(at(easel, 150, 140), GREY)


def test_a_snapshot_is_looked_at_and_left(easel: Easel) -> None:
    finish(easel, paint(easel), RED)
    easel.session.snapshot()
    finish(easel, paint(easel, Rect(180, 160, 240, 220)), BLUE)
    assert close(at(easel, 120, 120), BLUE)
    easel.session.peek(0)
    assert close(at(easel, 120, 120), RED)
    easel.session.peek(None)
    assert close(at(easel, 120, 120), BLUE)
