"""The line at the bottom."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from PySide6.QtWidgets import QLabel
from pytestqt.qtbot import QtBot

from editor.geometry import Point
from editor.methods.pixels.settings import PixelsSettings
from editor.requests.reports import Progress
from tests.support.session_cases import model, painted, picture
from tests.support.stub_worker import StubWorker
from widgets.session.session import Session
from widgets.shell.status_bar import StatusBar


def test_it_says_what_computes_and_how_far_it_is(worker: StubWorker, qtbot: QtBot) -> None:
    worker.known = [model()]
    session = Session(painted(picture()), worker)
    bar = StatusBar(session)
    qtbot.addWidget(bar)

    def texts() -> list[str]:
        return [label.text() for label in bar.findChildren(QLabel)]

    assert "Fill from the picture · no model" in texts()
    session.choose_method(PixelsSettings)
    assert "Blend and repaint · Stable Diffusion 1.5" in texts()
    session.run()
    session.report(Progress(0.5, "Painting"))
    assert any(text.startswith("Painting · ") for text in texts())
    session.discard()
    assert not any(text.startswith("Painting") for text in texts())


def test_the_strength_under_the_cursor_is_told_where_there_is_any(worker: StubWorker, qtbot: QtBot) -> None:
    session = Session(picture(), worker)
    session.set_options(tool="move")
    bar = StatusBar(session)
    qtbot.addWidget(bar)

    def told() -> list[str]:
        return [label.text() for label in bar.findChildren(QLabel) if label.text().startswith("Strength")]

    bar.where(Point(2, 3))
    assert told() == []
    session.set_options(tool="strength")
    bar.where(Point(2, 3))
    assert told() == ["Strength 0\u202f%"]
    session.set_options(tool="move")
    document = session.document
    session.commit("Paint", document.with_strength(document.strength.write(0, 0, np.full((8, 8), 0.5, np.float32))))
    assert told() == ["Strength 50\u202f%"]


def test_steps_are_those_of_the_ladder(worker: StubWorker, qtbot: QtBot) -> None:
    worker.known = [replace(model(), steps=4)]
    session = Session(picture(), worker)
    session.choose_method(PixelsSettings)
    session.set_draft(strength=1.0)
    session.set_options(tool="strength")
    document = session.document
    session.commit("Paint", document.with_strength(document.strength.write(0, 0, np.full((8, 8), 0.4, np.float32))))
    bar = StatusBar(session)
    qtbot.addWidget(bar)
    for finer, words in ((False, "2 of 4"), (True, "3 of 6")):
        session.set_draft(settings=PixelsSettings(quiet_rungs=finer))
        bar.where(Point(2, 3))
        assert f"Strength 40\u202f% · {words} steps" in [label.text() for label in bar.findChildren(QLabel)]
