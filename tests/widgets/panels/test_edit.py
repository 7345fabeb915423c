"""The edit panel: one button that says what it will do."""

from __future__ import annotations

from dataclasses import replace

import pytest
from PySide6.QtCore import QPointF, Qt
from PySide6.QtTest import QTest
from PySide6.QtWidgets import QLabel, QLineEdit, QPlainTextEdit, QProgressBar, QToolButton
from pytestqt.qtbot import QtBot

from editor.errors import InternalError
from editor.methods.pixels.settings import PixelsSettings
from editor.methods.quick_fill.settings import QuickFillSettings
from editor.planning.plan import Draft, Plan
from editor.requests.reports import Progress
from tests.support.session_cases import drag, painted, picture, result, with_exemplars, with_items
from tests.support.stub_worker import StubWorker
from widgets.controls.slider import Slider
from widgets.panels.edit import EditPanel, duration, progress_words
from widgets.panels.more import More
from widgets.session.edit_job import EditJob
from widgets.session.job import Job
from widgets.session.session import Session

LEFT = Qt.MouseButton.LeftButton


@pytest.fixture
def session(worker: StubWorker, qtbot: QtBot) -> Session:
    return Session(picture(), worker)


@pytest.fixture
def panel(session: Session, qtbot: QtBot) -> EditPanel:
    made = EditPanel(session)
    qtbot.addWidget(made)
    made.resize(288, 400)
    made.show()
    qtbot.waitExposed(made)
    return made


def texts(panel: EditPanel) -> list[str]:
    return [label.text() for label in panel.findChildren(QLabel) if label.isVisible()]


def slider(panel: EditPanel, name: str) -> Slider:
    return next(each for each in panel.findChildren(Slider) if each.accessibleName() == name)


def drawn(session: Session) -> int | None:
    """The seed that is fixed, asked anew each time."""
    return session.draft.seed


def test_with_nothing_to_do_it_says_why(panel: EditPanel) -> None:
    assert panel.button.text() == "Fill"
    assert not panel.button.isEnabled()
    assert "Paint where it may change, or select an item." in texts(panel)


def test_the_label_says_what_will_happen(panel: EditPanel, session: Session) -> None:
    session.commit("Paint", painted(session.document))
    assert panel.button.text() == "Fill"
    assert panel.button.isEnabled()
    assert not any("Paint where" in text for text in texts(panel))
    session.commit("Item", with_items(session.document, "Cat"))
    session.activate(item=session.document.items[0].id)
    assert panel.button.text() == "Remove “Cat”"
    session.commit("Exemplar", with_exemplars(session.document, "Boat & sea"))
    session.activate(exemplar=session.document.exemplars[0].id)
    assert panel.button.text() == "Blend “Boat && sea”"
    assert panel.button.accessibleName() == "Blend “Boat & sea”"


def test_a_quotation_that_is_not_begun_is_not_closed(panel: EditPanel, session: Session) -> None:
    """Two quotations, of which the second has no room."""
    session.choose_method(PixelsSettings)
    session.commit("Item", with_items(session.document, "a rather large blue car"))
    session.activate(item=session.document.items[0].id)
    session.set_draft(prompt="a red car")
    assert panel.button.accessibleName() == "Repaint “a rather large blue car” as “a red car”"
    for width in range(200, 420, 7):
        panel.resize(width, panel.height())
        shown = panel.button.text()
        assert shown.count("“") == shown.count("”")


def test_a_long_name_is_cut_and_stands_in_the_tool_tip(panel: EditPanel, session: Session) -> None:
    name = "the very long name of a small thing in the corner of the picture"
    session.commit("Item", with_items(session.document, name))
    session.activate(item=session.document.items[0].id)
    assert panel.button.text().startswith("Remove “the very long")
    assert panel.button.text().endswith("…”")
    # All of that is seen, beside the toggle of live, and in a wider column more of it.
    shown = panel.button.text()
    assert panel.button.fontMetrics().horizontalAdvance(shown) + 14 <= panel.button.width()
    panel.resize(panel.width() + 60, panel.height())
    assert len(panel.button.text()) > len(shown)
    assert panel.button.toolTip() == f"Remove “{name}”"
    assert panel.button.sizeHint().width() <= panel.width() - 24


def test_it_runs_and_then_stops(panel: EditPanel, session: Session, worker: StubWorker) -> None:
    session.commit("Paint", painted(session.document))
    QTest.mouseClick(panel.button, LEFT)
    assert [plan.action for plan in worker.ran] == ["fill"]
    assert panel.button.text() == "Stop"
    session.report(Progress(0.5, "Filling the hole"))
    assert any(text.startswith("Filling the hole · 50\u202f%") for text in texts(panel))
    bar = panel.findChild(QProgressBar)
    assert isinstance(bar, QProgressBar)
    assert bar.isVisible()
    assert bar.value() == 500
    QTest.mouseClick(panel.button, LEFT)
    assert worker.stopped == 1
    assert panel.button.text() == "Stopping…"
    assert not panel.button.isEnabled()
    session.job_cancelled()
    assert panel.button.text() == "Fill"
    assert not bar.isVisible()


def test_while_variations_wait_the_accent_is_elsewhere(panel: EditPanel, session: Session) -> None:
    session.commit("Paint", painted(session.document))
    assert panel.button.property("role") == "primary"
    session.run()
    session.job_result(result())
    session.job_finished()
    assert panel.button.property("role") != "primary"
    session.discard()
    assert panel.button.property("role") == "primary"


def test_no_slider_keeps_the_keyboard_when_something_runs(panel: EditPanel, session: Session) -> None:
    given: list[bool] = []
    panel.focus_returned.connect(lambda: given.append(True))
    session.commit("Paint", painted(session.document))
    strength = slider(panel, "Overall strength")
    strength.setFocus()
    QTest.keyClicks(strength, "40")
    field = strength.findChild(QLineEdit)
    assert field is not None
    QTest.keyClick(field, Qt.Key.Key_Return)
    assert panel.focusWidget() is strength
    session.run()
    assert given == [True], "Enter would open its field instead of keeping a result"


def test_what_went_wrong_is_said_beside_the_button(panel: EditPanel, session: Session) -> None:
    session.commit("Paint", painted(session.document))
    session.run()
    session.job_failed(InternalError("It broke.", "Try again."))
    assert "It broke. Try again." in texts(panel)
    assert panel.button.isEnabled()


def test_quick_fill_shows_no_prompt(panel: EditPanel) -> None:
    prompt = panel.findChild(QPlainTextEdit)
    assert isinstance(prompt, QPlainTextEdit)
    assert not prompt.isVisible()


def test_strength_goes_into_the_draft_and_back(panel: EditPanel, session: Session) -> None:
    strength = slider(panel, "Overall strength")
    drag(strength, QPointF(10, 14), QPointF(strength.width() / 2, 14))
    assert session.draft.strength == pytest.approx(0.5, abs=0.01)
    session.set_draft(strength=0.2)
    assert strength.value == 0.2


def test_more_unfolds_groups_that_change_the_draft(panel: EditPanel, session: Session) -> None:
    more = panel.findChild(More)
    assert isinstance(more, More)
    assert not more.isVisible()
    button = next(each for each in panel.findChildren(QToolButton) if each.text() == "More")
    QTest.mouseClick(button, LEFT)
    assert more.isVisible()
    assert {"Quality", "Randomness", "Region"} <= set(texts(panel))
    assert "Expert" not in texts(panel)
    drag(slider(panel, "Variations"), QPointF(10, 14), QPointF(900, 14))
    assert session.draft.variations == 6
    drag(slider(panel, "Margin"), QPointF(10, 14), QPointF(900, 14))
    assert isinstance(session.draft.settings, QuickFillSettings)
    assert session.draft.settings.grow == 200
    fixed = next(each for each in more.findChildren(QToolButton) if each.text() == "Fixed")
    QTest.mouseClick(fixed, LEFT)
    seed = drawn(session)
    assert seed is not None
    field = next(edit for edit in more.findChildren(QLineEdit) if edit.accessibleName() == "Seed")
    assert field.text() == str(seed)
    field.selectAll()
    QTest.keyClicks(field, "123")
    QTest.keyClick(field, Qt.Key.Key_Return)
    assert drawn(session) == 123
    fresh = next(each for each in more.findChildren(QToolButton) if each.text() == "New each time")
    QTest.mouseClick(fresh, LEFT)
    assert drawn(session) is None
    paints = next(each for each in more.findChildren(QToolButton) if "brush paints" in each.accessibleName())
    next(action for action in paints.menu().actions() if action.text() == "Protection").trigger()
    assert (session.options.strength_target, session.options.tool) == ("protect", "strength")


def test_more_fits_the_column(panel: EditPanel) -> None:
    button = next(each for each in panel.findChildren(QToolButton) if each.text() == "More")
    QTest.mouseClick(button, LEFT)
    more = panel.findChild(More)
    assert isinstance(more, More)
    assert more.width() <= panel.width() - 24


def test_progress_is_told_in_words() -> None:
    document = picture()
    job = Job(EditJob(Plan("fill", "Fill"), document, Draft(QuickFillSettings()), document.rect), started=100.0)
    assert progress_words(job, 101.0) == "Waiting"
    job = job.reported(Progress(0.4, "Filling the hole"))
    assert progress_words(job, 102.0) == "Filling the hole · 40\u202f% · about 3\u202fs"
    queued = replace(job, waiting=(job.edit_job, job.edit_job))
    assert progress_words(queued, 102.0) == "Filling the hole · 40\u202f% · about 3\u202fs · 2\u00a0waiting"
    assert progress_words(replace(job, state="stopping", doing="Stopping"), 102.0) == "Stopping"
    assert duration(0.2) == "1\u202fs"
    assert duration(240) == "4\u202fmin"
