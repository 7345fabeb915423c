"""Choosing among variations in the whole program: looked at in place, kept with Enter, dropped with Escape, more on request, one made again."""

from __future__ import annotations

from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from PySide6.QtCore import QPoint, Qt
from PySide6.QtGui import QContextMenuEvent
from PySide6.QtTest import QTest
from PySide6.QtWidgets import QApplication, QMenu, QPushButton, QWidget

from editor.requests.reports import Progress, Reports
from editor.requests.results import EditResult, Recipe
from tests.app.conftest import Tell
from tests.support.program import LEFT, Desk, by_hand
from tests.support.waiting import until
from widgets.session.job import Job
from widgets.session.session import Session
from widgets.variations.strip import Variations

CTRL = Qt.KeyboardModifier.ControlModifier


class Noise:
    """An engine that fills with noise, which is all its seed's."""

    def run(self, request: Any) -> Reports[EditResult]:
        yield Progress(0.5, "Filling")
        pixels = np.random.default_rng(request.seed).integers(0, 256, (*request.strength.shape, 4), np.uint8)
        pixels[..., 3] = np.rint(request.strength * 255)
        return EditResult(request.frame.rect, pixels, Recipe.of(request))


class Unending(Noise):
    """It never comes to an end with the seeds from 8 on."""

    def run(self, request: Any) -> Reports[EditResult]:
        while request.seed >= 8:
            yield Progress(0.5, "Filling")
        return (yield from super().run(request))


async def begin(desk: Desk, photo: Path) -> Session:
    session = await desk.open(photo)
    document = session.document
    strength = document.strength.write(50, 40, np.ones((16, 16), np.float32))
    session.commit("Paint strength", document.with_strength(strength))
    session.set_draft(seed=5)
    await desk.key(Qt.Key.Key_Return, CTRL)
    await desk.finished()
    return session


def strip_of(desk: Desk) -> Variations:
    strip = desk.window.findChild(Variations)
    assert isinstance(strip, Variations)
    return strip


def job_of(session: Session) -> Job:
    assert session.job is not None
    return session.job


def seeds(session: Session) -> list[int]:
    return [result.recipe.seed for result in job_of(session).candidates.results]


async def point(widget: QWidget, at: QPoint) -> None:
    for place in (at - QPoint(1, 1), at):
        await by_hand(partial(QTest.mouseMove, widget, place))


async def press(desk: Desk, words: str) -> None:
    await desk.click(next(button for button in strip_of(desk).findChildren(QPushButton) if button.text() == words))


def test_what_the_pointer_shows_is_what_enter_keeps(tell: Tell, photo: Path) -> None:
    async def story(desk: Desk) -> None:
        session = await begin(desk, photo)
        before = session.document
        card = strip_of(desk).cards[2]
        await point(card, QPoint(20, 20))
        assert job_of(session).candidates.shown is job_of(session).candidates.results[2]
        assert session.document is before
        await desk.key(Qt.Key.Key_Return)
        recipe = session.document.layers[-1].recipe
        assert recipe is not None
        assert recipe.seed == 7
        assert len(session.document.layers) == len(before.layers) + 1
        await desk.do("edit.undo")
        assert session.document.same_as(before)

    tell(story, make_engine=Noise)


def test_escape_stops_first_and_then_keeps_everything_as_it_was(tell: Tell, photo: Path) -> None:
    async def story(desk: Desk) -> None:
        session = await begin(desk, photo)
        before = session.document
        await press(desk, "More variations")
        assert job_of(session).busy
        await desk.key(Qt.Key.Key_Escape)
        await until(lambda: not job_of(session).busy)
        assert seeds(session) == [5, 6, 7]
        await point(strip_of(desk).cards[1], QPoint(20, 20))
        await desk.key(Qt.Key.Key_Escape)
        assert session.job is None
        assert session.document is before
        assert session.history.document is before

    tell(story, make_engine=Unending)


def test_one_of_many_is_made_again_from_its_seed(tell: Tell, photo: Path) -> None:
    async def story(desk: Desk) -> None:
        session = await begin(desk, photo)
        await press(desk, "More variations")
        await desk.finished()
        assert seeds(session) == [5, 6, 7, 8, 9, 10]
        wanted = job_of(session).candidates.results[4]
        card = strip_of(desk).cards[4]
        await point(card, QPoint(20, 20))
        event = QContextMenuEvent(QContextMenuEvent.Reason.Mouse, QPoint(20, 20), card.mapToGlobal(QPoint(20, 20)))
        await by_hand(lambda: QApplication.sendEvent(card, event))
        menu = strip_of(desk).findChild(QMenu)
        assert isinstance(menu, QMenu)
        (entry,) = menu.actions()
        place = menu.actionGeometry(entry).center()
        await by_hand(lambda: QTest.mouseClick(menu, LEFT, pos=place))
        await desk.key(Qt.Key.Key_Escape)
        await desk.key(Qt.Key.Key_Return, CTRL)
        await desk.finished()
        (again,) = job_of(session).candidates.results
        assert (again.recipe, again.rect) == (wanted.recipe, wanted.rect)
        assert np.array_equal(again.pixels, wanted.pixels)

    tell(story, make_engine=Noise)


def test_arrows_and_enter_are_enough(tell: Tell, photo: Path) -> None:
    async def story(desk: Desk) -> None:
        session = await begin(desk, photo)
        await desk.key(Qt.Key.Key_Right)
        await desk.key(Qt.Key.Key_Right)
        await desk.key(Qt.Key.Key_Left)
        await desk.key(Qt.Key.Key_Return)
        recipe = session.document.layers[-1].recipe
        assert recipe is not None
        assert recipe.seed == 6
        assert session.job is None

    tell(story, make_engine=Noise)


def test_enter_keeps_the_card_that_has_the_keyboard(tell: Tell, photo: Path) -> None:
    async def story(desk: Desk) -> None:
        session = await begin(desk, photo)
        first, second = strip_of(desk).cards[:2]
        desk.window.activateWindow()
        await by_hand(first.setFocus)
        assert first.hasFocus()
        await desk.key(Qt.Key.Key_Tab, widget=first)
        assert second.hasFocus()
        await desk.key(Qt.Key.Key_Return, widget=second)
        recipe = session.document.layers[-1].recipe
        assert recipe is not None
        assert recipe.seed == 6
        assert desk.canvas.hasFocus()

    tell(story, make_engine=Noise)
