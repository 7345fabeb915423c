"""An edit by words in a whole workbench, with its strip."""

from __future__ import annotations

import pytest
from PySide6.QtCore import QPoint
from pytestqt.qtbot import QtBot

from editor.methods.blended_latent_diffusion.settings import BlendedSettings
from tests.support.choosing_driver import move
from tests.support.session_cases import model, painted, picture
from tests.support.stub_worker import StubWorker
from widgets.session.session import Session
from widgets.shell.workbench import Workbench
from widgets.variations.strip import Variations


@pytest.fixture
def session(worker: StubWorker) -> Session:
    worker.known = [model()]
    made = Session(painted(picture()), worker)
    made.choose_method(BlendedSettings)
    made.set_draft(prompt="a boat", variations=3, seed=1)
    return made


@pytest.fixture
def bench(session: Session, qtbot: QtBot) -> Workbench:
    made = Workbench(session)
    qtbot.addWidget(made)
    made.resize(1366, 768)
    made.show()
    made.activateWindow()
    made.canvas.setFocus()
    move(made.canvas, QPoint(20, 20))  # Qt remembers where the pointer of the test before was
    return made


@pytest.fixture
def strip(bench: Workbench) -> Variations:
    found = bench.findChild(Variations)
    assert isinstance(found, Variations)
    return found
