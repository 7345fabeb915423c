"""The line at the bottom."""

from __future__ import annotations

from PySide6.QtWidgets import QLabel
from pytestqt.qtbot import QtBot

from editor.report import Progress
from editor.request import PixelsSettings
from tests.widgets.desk_stub import Worker, model, painted, picture
from widgets.session import Session
from widgets.status_bar import StatusBar


def test_it_says_what_computes_and_how_far_it_is(worker: Worker, qtbot: QtBot) -> None:
    worker.known = [model()]
    session = Session(painted(picture()), worker)
    bar = StatusBar(session)
    qtbot.addWidget(bar)

    def texts() -> list[str]:
        return [label.text() for label in bar.findChildren(QLabel)]

    assert "Quick fill · no model" in texts()
    session.choose_method(PixelsSettings)
    assert "PIXELS · Stable Diffusion 1.5" in texts()
    session.run()
    session.report(Progress(0.5, "Painting"))
    assert any(text.startswith("Painting · ") for text in texts())
    session.discard()
    assert not any(text.startswith("Painting") for text in texts())
