"""What the tests of the widgets share."""

from __future__ import annotations

import sys

import pytest
from PySide6.QtWidgets import QApplication
from pytestqt.qtbot import QtBot

from tests.support.stub_worker import StubWorker
from widgets.session.session import Session
from widgets.shell.workbench import Workbench
from widgets.theme import Theme


@pytest.fixture
def worker() -> StubWorker:
    return StubWorker()


@pytest.fixture
def bench(session: Session, qapp: QApplication, qtbot: QtBot) -> Workbench:
    """The whole workbench of a module's `session`, shown in the dark theme as a window of 1366 x 768 holds it."""
    theme = Theme(qapp, "dark")
    made = Workbench(session)
    theme.setParent(made)
    qtbot.addWidget(made)
    made.resize(1366, 732)
    made.show()
    qtbot.waitExposed(made)
    return made


@pytest.fixture
def reported(monkeypatch: pytest.MonkeyPatch) -> list[type[BaseException]]:
    """The kinds of errors that nobody caught, collected where they would fail the test otherwise."""
    kinds: list[type[BaseException]] = []
    monkeypatch.setattr(sys, "excepthook", lambda kind, error, trace: kinds.append(kind))
    return kinds
