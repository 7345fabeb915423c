"""What floats over the canvas keeps out of the way of what is being judged."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
import pytest
from PySide6.QtCore import QRectF, Qt
from PySide6.QtTest import QTest
from PySide6.QtWidgets import QToolButton
from pytestqt.qtbot import QtBot

from editor.geometry import Rect
from tests.support.session_cases import painted, picture, result
from tests.support.stub_worker import StubWorker
from widgets.canvas.view import CanvasView
from widgets.context_bar.bar import ContextualBar
from widgets.session.notice import Notice
from widgets.session.session import Session
from widgets.shell.canvas_stack import MARGIN, CanvasStack
from widgets.tools import make_tools
from widgets.variations.strip import Variations

LEFT = Qt.MouseButton.LeftButton


@dataclass
class Scene:
    session: Session
    stage: CanvasStack
    canvas: CanvasView
    bar: ContextualBar
    strip: Variations

    @property
    def changing(self) -> QRectF:
        """Where the job may change something, on screen."""
        assert self.session.job is not None
        rect = self.session.job.rect
        box = QRectF(rect.left, rect.top, rect.width, rect.height)
        return self.canvas.viewport.transform().mapRect(box)


@pytest.fixture
def scene(qtbot: QtBot) -> Scene:
    session = Session(painted(picture(600, 400)), StubWorker())
    canvas = CanvasView(session, make_tools(session))
    bar, strip = ContextualBar(session), Variations(session)
    stage = CanvasStack(session, canvas, bar, strip)
    qtbot.addWidget(stage)
    stage.resize(1000, 600)
    stage.show()
    qtbot.waitExposed(stage)
    return Scene(session, stage, canvas, bar, strip)


def paint(scene: Scene, rect: Rect) -> None:
    document = scene.session.document
    strength = document.empty_map().write(rect.left, rect.top, np.ones(rect.size.shape, np.float32))
    scene.session.commit("Paint strength", document.with_strength(strength))


def test_the_bar_makes_way_while_there_is_something_to_choose(scene: Scene) -> None:
    assert scene.bar.isVisible()
    scene.session.run()
    assert scene.strip.isVisible()
    assert not scene.bar.isVisible()
    scene.session.set_options(tool="lasso")
    assert not scene.bar.isVisible()
    scene.session.job_result(result())
    scene.session.job_finished()
    assert not scene.bar.isVisible()
    scene.session.accept()
    assert scene.bar.isVisible()


def test_the_strip_stands_at_the_bottom(scene: Scene) -> None:
    scene.session.run()
    place = scene.strip.geometry()
    assert place.bottom() + 1 == scene.stage.height() - MARGIN
    assert abs(place.center().x() - scene.stage.width() / 2) <= 1


@pytest.mark.parametrize("zoom", [1.0, 2.0])
@pytest.mark.parametrize(
    "rect", [Rect(250, 300, 350, 400), Rect(10, 330, 360, 400), Rect(300, 330, 590, 400), Rect(10, 350, 590, 400)]
)
def test_the_strip_does_not_hide_what_is_judged(scene: Scene, rect: Rect, zoom: float, qtbot: QtBot) -> None:
    paint(scene, rect)
    # The region lies at the lower edge of the screen.
    at = scene.canvas.viewport
    scene.canvas.navigation.set_viewport(replace(at, zoom=zoom, x=300, y=400 - 300 / zoom))
    scene.session.run()
    place = scene.strip.geometry()
    assert scene.stage.rect().contains(place)
    assert not scene.changing.intersects(QRectF(place))


def test_the_strip_stays_where_it_is_while_somebody_zooms(scene: Scene) -> None:
    scene.session.run()
    place = scene.strip.geometry()
    scene.canvas.navigation.zoom_to(8.0)
    scene.session.job_result(result())
    assert scene.strip.geometry().center().y() == place.center().y()


def test_messages_stand_below_a_strip_on_top(scene: Scene) -> None:
    paint(scene, Rect(0, 200, 600, 400))
    scene.canvas.navigation.set_viewport(replace(scene.canvas.viewport, zoom=2.0, x=300, y=250))
    scene.session.run()
    scene.session.notice("Saved.")
    assert scene.strip.geometry().top() == MARGIN
    assert scene.stage.notices.geometry().top() > scene.strip.geometry().bottom()


def test_messages_hide_as_little_of_the_picture_as_they_can(scene: Scene) -> None:
    scene.canvas.navigation.set_viewport(
        replace(scene.canvas.viewport, zoom=1.0, x=300, y=300)
    )  # the lower part of the stage is free
    scene.session.notice("Saved.")
    notices = scene.stage.notices.geometry()
    assert scene.bar.isVisible()
    assert notices.bottom() < scene.bar.geometry().top()
    assert notices.top() > scene.stage.height() / 2
    scene.canvas.navigation.set_viewport(replace(scene.canvas.viewport, x=300, y=200))
    scene.session.notice("Saved again.")
    assert scene.stage.notices.geometry().top() == MARGIN


def test_what_was_offered_goes_when_something_runs(scene: Scene) -> None:
    scene.session.noticed.emit(Notice("Its edge may show.", offers=(("Mend", lambda: None),)))
    scene.session.notice("Saved.")
    scene.session.run()
    assert scene.stage.notices.messages == ["Saved."]


def test_news_wait_until_they_have_been_seen(scene: Scene, qtbot: QtBot, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("widgets.shell.notices.LASTS", 30)
    scene.stage.hide()  # another tab is in front
    scene.session.notice("Rows are missing.")
    qtbot.wait(90)
    assert scene.stage.notices.messages == ["Rows are missing."]
    scene.stage.show()
    qtbot.waitUntil(lambda: not scene.stage.notices.messages)


def test_what_went_wrong_goes_once_the_person_has_gone_on(
    scene: Scene, qtbot: QtBot, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("widgets.shell.notices.LASTS", 30)
    scene.session.notice("It is damaged.", error=True)
    scene.session.noticed.emit(Notice("The disk is full.", error=True, lasts=True))
    qtbot.wait(60)
    assert scene.stage.notices.messages == ["It is damaged.", "The disk is full."]
    document = scene.session.document
    scene.session.commit("Go on", document.with_strength(document.empty_map()))
    qtbot.waitUntil(lambda: scene.stage.notices.messages == ["The disk is full."])
    scene.stage.notices.withdraw("The disk is full.")
    assert scene.stage.notices.messages == []


def test_what_went_wrong_and_has_no_room_comes_when_there_is(scene: Scene) -> None:
    notices = scene.stage.notices
    for number in range(1, 6):
        scene.session.notice(f"Wrong {number}", error=True)
        scene.session.notice("News")
    assert notices.messages == ["Wrong 4", "Wrong 5", "News"]
    read = set(notices.messages)
    while notices.messages:
        crosses = [button for button in notices.findChildren(QToolButton) if button.isVisibleTo(notices)]
        QTest.mouseClick(crosses[-1], LEFT)
        read.update(notices.messages)
    assert read == {"News", *(f"Wrong {number}" for number in range(1, 6))}


def test_the_strip_fits_into_the_narrowest_window(scene: Scene) -> None:
    scene.stage.resize(468, 440)  # what the tools and the column leave of 800 pixels
    scene.session.run()
    for seed in range(3):
        scene.session.job_result(result(seed))
    scene.session.job_finished()
    strip = scene.strip
    assert strip.geometry().right() <= scene.stage.width()
    assert strip.minimumSizeHint().width() <= strip.width(), "else its pictures lie over its words"
