"""The edge of a finished result made better: offered where it shows, done in the background, one step of the history."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from PySide6.QtCore import Qt
from PySide6.QtTest import QTest
from PySide6.QtWidgets import QMenu, QPushButton
from pytestqt.qtbot import QtBot

from editor.methods.blended_latent_diffusion.settings import BlendedSettings
from editor.requests.reports import Progress
from editor.requests.results import EditResult, Recipe
from tests.support.session_cases import model, painted, picture, result
from tests.support.stub_worker import StubWorker
from widgets.controls.icons import IconButton
from widgets.panels.layers import LayersPanel
from widgets.session.job import Job
from widgets.session.notice import Notice
from widgets.session.session import Session
from widgets.shell.notices import Notices


@pytest.fixture
def session(worker: StubWorker, qtbot: QtBot) -> Session:
    worker.known = [model()]
    made = Session(painted(picture()), worker)
    made.choose_model(model())
    made.choose_method(BlendedSettings)
    made.set_draft(variations=1, prompt="a boat")
    return made


def made(seam: float | None = 0.0, seed: int = 7) -> EditResult:
    plain = result(seed)
    recipe = Recipe(BlendedSettings(), "fill", plain.recipe.rect, seed, prompt="a boat")
    return replace(plain, recipe=recipe, seam=seam, latents=np.zeros((4, 8, 8), np.float32))


def mended(of: EditResult) -> EditResult:
    settings = replace(BlendedSettings(), finish="poisson")
    pixels = of.pixels.copy()
    pixels[..., 1] = 99
    return replace(of, pixels=pixels, recipe=replace(of.recipe, settings=settings))


def accepted(session: Session, of: EditResult) -> int:
    session.run()
    session.job_result(of)
    session.job_finished()
    session.accept()
    return session.document.layers[-1].id


def heard(session: Session) -> list[Notice]:
    found: list[Notice] = []
    session.noticed.connect(found.append)
    return found


def job(session: Session) -> Job:
    assert session.job is not None
    return session.job


def test_it_is_offered_where_the_edge_shows(session: Session, worker: StubWorker, qtbot: QtBot) -> None:
    notices = Notices()
    qtbot.addWidget(notices)
    session.noticed.connect(notices.add)
    accepted(session, made(seam=1.4))
    assert notices.messages == ["Its edge may show."]
    button = next(each for each in notices.findChildren(QPushButton) if each.text() == "Even out the edge")
    QTest.mouseClick(button, Qt.MouseButton.LeftButton)
    assert worker.asked[-1].mend is not None
    assert worker.asked[-1].mend.how == "poisson"
    assert notices.messages == []


@pytest.mark.parametrize("seam", [None, 0.4])
def test_it_is_not_offered_where_it_does_not(session: Session, seam: float | None) -> None:
    notices = heard(session)
    layer = accepted(session, made(seam))
    assert notices == []
    assert session.can_mend(layer)


def test_the_layer_changes_in_one_step_and_comes_back_with_one(session: Session) -> None:
    first = made()
    layer = accepted(session, first)
    session.mend(layer, "poisson")
    assert job(session).label == "Even out the edge"
    session.report(Progress(0.5, "Mending the edge"))
    assert job(session).done == 0.5
    assert not job(session).offers
    before = session.document
    session.job_mended(mended(first))
    session.job_finished()
    assert session.job is None
    assert session.document.layers[-1].pixels.read()[60, 60, 1] == 99
    assert session.document.layers[-1].name == before.layers[-1].name
    assert session.document.layers[-1].painted is before.layers[-1].painted
    assert session.can_mend(layer)
    session.undo()
    assert session.document is before
    assert session.can_mend(layer)


def test_what_was_set_on_the_layer_stays(session: Session) -> None:
    layer = accepted(session, made())
    document = session.document
    found = document.layer(layer)
    assert found is not None
    session.commit("Opacity", document.with_layer(replace(found, opacity=0.5, name="boat")))
    session.mend(layer, "decoder")
    session.job_mended(mended(made()))
    assert (session.document.layers[-1].opacity, session.document.layers[-1].name) == (0.5, "boat")


def test_stopped_it_leaves_everything_as_it_was(session: Session, worker: StubWorker) -> None:
    layer = accepted(session, made())
    before = session.document
    session.mend(layer, "decoder")
    session.stop()
    session.job_cancelled()
    assert worker.stopped == 1
    assert session.document is before
    assert session.job is None


def test_a_layer_that_went_away_meanwhile_is_not_brought_back(session: Session) -> None:
    layer = accepted(session, made())
    session.mend(layer, "poisson")
    session.commit("Delete", session.document.without_layer(layer))
    before = session.document
    session.job_mended(mended(made()))
    assert session.document is before
    assert session.job is None


def test_other_layers_and_results_that_left_nothing_cannot(session: Session) -> None:
    first = session.document.layers[0].id
    assert not session.can_mend(first)
    session.mend(first, "poisson")
    assert session.job is None
    layer = accepted(session, replace(made(seam=2.0), latents=None))
    assert not session.can_mend(layer)


def test_the_row_of_the_layer_has_a_button_with_the_ways(session: Session, worker: StubWorker, qtbot: QtBot) -> None:
    panel = LayersPanel(session)
    qtbot.addWidget(panel)
    panel.resize(280, 300)
    panel.show()
    accepted(session, made())
    (button,) = [
        each for each in panel.findChildren(IconButton) if each.accessibleName() == "Mend the edge" and each.isVisible()
    ]
    QTest.mouseClick(button, Qt.MouseButton.LeftButton)
    (menu,) = button.findChildren(QMenu)
    assert menu.isVisible()
    assert [action.text() for action in menu.actions()] == ["Even out the edge", "Learn the surroundings"]
    QTest.keyClick(menu, Qt.Key.Key_Down)
    QTest.keyClick(menu, Qt.Key.Key_Down)
    QTest.keyClick(menu, Qt.Key.Key_Return)
    assert worker.asked[-1].mend is not None
    assert worker.asked[-1].mend.how == "decoder"
