"""Run again with changes, from the layer to the accepted result and out of it every other way; and what becomes of runs whose ground is undone."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from PySide6.QtCore import QEvent, Qt
from PySide6.QtGui import QKeyEvent
from PySide6.QtTest import QTest
from PySide6.QtWidgets import QApplication, QPlainTextEdit, QPushButton
from pytestqt.qtbot import QtBot

from editor.document.compose import flatten
from editor.document.contents import Layer
from editor.document.document import Document
from editor.geometry import Rect
from editor.planning.plan import removal
from editor.requests.edit_request import REVISION, Subject
from editor.requests.reports import Progress
from editor.requests.results import EditResult
from tests.support.session_cases import painted, picture, result, with_items
from tests.support.stub_worker import StubWorker
from widgets.session import edits, run_actions
from widgets.session.job import Job
from widgets.session.jobs import OUTDATED
from widgets.session.notice import Notice
from widgets.session.session import Session
from widgets.shell.workbench import Workbench
from widgets.variations.strip import sentence

GREEN = (0, 255, 0, 255)


def green(seed: int = 9) -> EditResult:
    pixels = np.full((40, 40, 4), GREEN, np.uint8)
    return replace(result(seed), pixels=pixels)


@pytest.fixture
def session(worker: StubWorker, qtbot: QtBot) -> Session:
    """With a fill, and an opaque layer over all of it."""
    made = Session(painted(picture()), worker)
    made.set_draft(variations=4)
    accept(made, result(5))
    document = made.history.document
    white = np.full((*document.size.shape, 4), 255, np.uint8)
    over = Layer.empty(0, "Over", document.size)
    made.commit("Add layer", document.adding_layer(replace(over, pixels=over.pixels.write(0, 0, white))))
    return made


def accept(session: Session, found: EditResult) -> None:
    session.run()
    session.job_result(found)
    session.job_finished()
    session.accept()


def filled(session: Session) -> Layer:
    return session.history.document.layers[1]


def again(session: Session) -> None:
    run_actions.run_again(session, filled(session).id)


def visible(document: Document) -> list[bool]:
    return [layer.visible for layer in document.layers]


def heard(session: Session) -> list[Notice]:
    notices: list[Notice] = []
    session.noticed.connect(notices.append)
    return notices


# Asked anew each time: what is done changes what a type checker would remember.


def job(session: Session) -> Job | None:
    return session.job


def seed(session: Session) -> int | None:
    return session.draft.seed


def reopened(session: Session) -> bool:
    return session.document.rerun is not None


def gesture(session: Session) -> bool:
    return session.in_gesture


class TestRunningAgain:
    def test_the_result_takes_the_layers_place_and_all_else_is_as_it_was(self, session: Session) -> None:
        before = session.document
        again(session)
        assert visible(session.document) == [True, False, False]
        assert seed(session) == 5
        assert session.draft.variations == 4, "nobody changed that"
        steps = len(session.history.entries)
        accept(session, green())
        after = session.document
        assert len(session.history.entries) == steps + 1
        assert session.history.entries[-1].label == f"Run again: {before.layers[1].name}"
        assert [layer.id for layer in after.layers] == [layer.id for layer in before.layers]
        assert visible(after) == [True, True, True]
        assert after.layers[2] is not None
        assert after.layers[2].pixels is before.layers[2].pixels
        assert after.layers[1].recipe == green().recipe
        assert session.active_layer == after.layers[1].id
        assert after.strength is before.strength
        assert seed(session) is None, "the next edit would come out the same"
        assert session.draft.variations == 4
        session.undo()
        assert visible(session.document) == [True, False, False]
        session.undo()
        assert session.document.same_as(before)

    def test_an_edit_of_older_rules_runs_by_them_and_what_comes_after_it_does_not(
        self, session: Session, worker: StubWorker
    ) -> None:
        layer, document = filled(session), session.history.document
        assert layer.recipe is not None
        old = replace(layer, recipe=replace(layer.recipe, revision=1))
        session.commit("Older", document.with_layer(old))
        again(session)
        session.run()
        assert worker.asked[-1].draft.revision == 1
        session.job_result(green())
        session.job_finished()
        session.accept()
        assert session.draft.revision == REVISION
        again(session)
        assert session.draft.revision == REVISION  # of the new result

    def test_left_unchanged_it_is_as_if_nothing_had_been(self, session: Session) -> None:
        before, draft = session.document, session.draft
        again(session)
        session.leave_rerun()
        assert session.document.same_as(before)
        assert session.draft == draft
        session.redo()
        assert visible(session.document) == [True, False, False]
        assert seed(session) == 5
        session.undo()
        assert session.draft == draft

    def test_left_after_changes_these_stay_and_the_layers_are_back(self, session: Session) -> None:
        before, draft = session.document, session.draft
        again(session)
        session.set_draft(prompt="a boat", variations=2)
        edits.rename_layer(session, before.layers[0].id, "Photo")
        session.commit("Paint", painted(session.document))
        session.leave_rerun()
        assert not reopened(session)
        assert visible(session.document) == [True, True, True]
        assert session.document.layers[0].name == "Photo"
        assert session.document.strength is before.strength
        assert session.draft == replace(draft, variations=2)
        assert session.history.entries[-1].label == "Leave “Run again”"
        session.undo()
        assert reopened(session)
        session.leave_rerun()
        assert not reopened(session)

    def test_leaving_drops_its_candidates_and_what_runs(self, session: Session, worker: StubWorker) -> None:
        again(session)
        session.run()
        session.report(Progress(0.5, "Filling"))
        session.leave_rerun()
        assert worker.stopped == 1
        assert job(session) is None
        assert visible(session.document) == [True, True, True]

    def test_discarding_candidates_leaves_it_open_for_another_try(self, session: Session) -> None:
        again(session)
        session.run()
        session.job_result(green())
        session.job_finished()
        session.discard()
        assert reopened(session)
        assert run_actions.can_leave(session)

    def test_another_layer_can_be_taken_instead(self, session: Session) -> None:
        session.commit("Paint", painted(session.document))
        accept(session, result(6))
        before = session.document
        again(session)
        assert "reopened already" in run_actions.why_not_again(session, before.layers[1].id)
        run_actions.run_again(session, before.layers[-1].id)
        assert visible(session.document) == [True, True, True, False]
        session.leave_rerun()
        assert visible(session.document) == visible(before)
        assert session.document.strength is before.strength
        assert not reopened(session)

    def test_the_draft_goes_from_one_reopened_edit_to_the_other_with_undo(self, session: Session) -> None:
        session.commit("Paint", painted(session.document))
        accept(session, result(6))
        outside = session.draft
        again(session)
        run_actions.run_again(session, session.document.layers[-1].id)
        assert seed(session) == 6
        session.undo()
        assert seed(session) == 5
        session.redo()
        assert seed(session) == 6
        session.undo()
        session.undo()
        assert session.draft == outside

    def test_what_was_changed_before_leaving_comes_back_with_redo(self, session: Session) -> None:
        outside = session.draft
        again(session)
        session.set_draft(prompt="a red boat", seed=77)
        session.leave_rerun()
        assert session.draft == outside
        session.redo()
        assert (session.draft.prompt, seed(session)) == ("a red boat", 77)
        session.undo()
        assert session.draft == outside
        again(session)  # anew: as it was made
        assert seed(session) == 5

    def test_a_result_whose_layer_is_gone_is_on_top_and_what_was_hidden_is_back(self, session: Session) -> None:
        again(session)
        session.run()
        session.job_result(green())
        session.job_finished()
        session.commit("Delete", session.document.without_layer(filled(session).id))
        session.accept()
        assert visible(session.document) == [True, True, True]
        assert not reopened(session)
        assert session.document.layers[-1].recipe == green().recipe

    def test_a_document_opened_in_the_middle_goes_on(self, session: Session, worker: StubWorker, qtbot: QtBot) -> None:
        again(session)
        opened = Session(session.document, worker)
        assert seed(opened) == 5
        opened.leave_rerun()
        assert visible(opened.document) == [True, True, True]
        assert seed(opened) is None
        assert opened.history.unsaved

    def test_an_accepted_result_of_a_rerun_that_was_undone_is_in_the_layers_place(self, session: Session) -> None:
        before = session.document
        again(session)
        session.run()
        session.job_result(green())
        session.job_finished()
        session.undo()
        session.accept()
        assert [layer.id for layer in session.document.layers] == [layer.id for layer in before.layers]
        assert filled(session).recipe == green().recipe
        assert visible(session.document) == [True, True, True]


class TestSaying:
    def test_it_is_said_as_long_as_it_lasts_and_a_click_leaves(self, session: Session, bench: Workbench) -> None:
        name = filled(session).name
        again(session)
        said = f"“{name}” is reopened."
        assert bench.stage.notices.messages == [said]
        session.run()
        assert bench.stage.notices.messages == [said], "it clears what is past, and this is not"
        session.discard()
        for at in range(5):
            session.notice(f"News {at}")
        assert said in bench.stage.notices.messages
        leave = next(
            button for button in bench.stage.notices.findChildren(QPushButton) if button.text().startswith("Leave")
        )
        QTest.mouseClick(leave, Qt.MouseButton.LeftButton)
        assert not reopened(session)
        assert said not in bench.stage.notices.messages
        session.redo()
        assert said in bench.stage.notices.messages

    def test_it_is_said_of_a_document_that_is_opened_so(
        self, session: Session, worker: StubWorker, qtbot: QtBot
    ) -> None:
        again(session)
        bench = Workbench(Session(session.document, worker))
        qtbot.addWidget(bench)
        assert "is reopened." in bench.stage.notices.messages[0]

    def test_escape_in_the_words_ends_the_typing_and_does_not_leave(self, session: Session, bench: Workbench) -> None:
        words = bench.edit.findChild(QPlainTextEdit)
        assert words is not None
        again(session)
        words.setVisible(True)
        words.setFocus()
        override = QKeyEvent(QEvent.Type.ShortcutOverride, Qt.Key.Key_Escape, Qt.KeyboardModifier.NoModifier)
        override.ignore()
        QApplication.sendEvent(words, override)
        assert override.isAccepted(), "else it would be the shortcut of the command that leaves"
        QTest.keyClick(words, Qt.Key.Key_Escape)
        assert reopened(session)
        assert bench.focusWidget() is bench.canvas


class TestUndone:
    """Edits whose ground is undone."""

    @pytest.fixture
    def session(self, worker: StubWorker, qtbot: QtBot) -> Session:
        made = Session(picture(), worker)
        made.set_draft(variations=2)
        made.commit("Paint", painted(made.document))
        return made

    def test_what_runs_ends_and_says_why(self, session: Session, worker: StubWorker) -> None:
        notices = heard(session)
        session.run()
        session.report(Progress(0.5, "Filling"))
        session.undo()
        assert worker.stopped == 1
        assert job(session) is None
        assert [notice.message for notice in notices] == [
            "The edit was stopped: what it was made from has been undone."
        ]
        session.redo()
        assert job(session) is None
        assert len(worker.ran) == 1

    def test_undoing_what_came_later_changes_nothing(self, session: Session, worker: StubWorker) -> None:
        session.run()
        session.commit("Rename", session.document.with_layer(replace(session.document.layers[0], name="Photo")))
        session.undo()
        assert worker.stopped == 0
        assert job(session) is not None

    def test_going_on_in_one_step_is_no_undo_but_undoing_that_step_is(
        self, session: Session, worker: StubWorker
    ) -> None:
        session.commit("Strength", painted(session.document), merge="drag")
        session.run()
        session.commit("Strength", painted(session.document), merge="drag")
        assert worker.stopped == 0
        session.undo()
        assert worker.stopped == 1

    def test_steps_that_the_budget_forgot_are_not_undone(self, worker: StubWorker, qtbot: QtBot) -> None:
        session = Session(painted(picture()), worker, budget=0)
        session.run()
        for _ in range(3):
            session.commit("Paint", painted(session.document))
        assert len(session.history.entries) == 1
        assert worker.stopped == 0

    def test_finished_candidates_stay_and_say_so(self, session: Session) -> None:
        notices = heard(session)
        session.run()
        session.job_result(green(1))
        session.report(Progress(0.5, "Filling"))
        session.undo()
        current = job(session)
        assert current is not None
        assert (current.state, len(current.candidates)) == ("ready", 1)
        assert sentence(current) == OUTDATED
        assert len(notices) == 1
        session.redo()
        current = job(session)
        assert current is not None
        assert sentence(current) == "Keep this one?"
        session.undo()
        assert notices[-1].message == OUTDATED
        before = session.document
        session.accept()
        assert visible(session.document) == [True, True]
        assert session.active_layer == session.document.layers[-1].id
        assert (flatten(session.document, Rect(50, 50, 90, 90)) == GREEN).all()
        session.undo()
        assert session.document.same_as(before)

    def test_what_waits_from_before_it_goes_on(self, session: Session, worker: StubWorker) -> None:
        first = session.document
        session.run()
        session.commit("Paint", painted(session.document))
        session.queue()
        session.commit("Paint", painted(session.document))
        session.queue()
        session.undo()
        current = job(session)
        assert current is not None
        assert [asked.document.same_as(first) for asked in (current.edit_job, *current.waiting)] == [True, False]
        session.undo()
        session.undo()
        assert job(session) is None
        assert worker.stopped == 1

    def test_a_removal_whose_item_was_undone_is_seen(self, worker: StubWorker, qtbot: QtBot) -> None:
        session = Session(picture(), worker)
        session.commit("Make item", with_items(session.document, "Cup"))
        item = session.document.items[0]
        session.run(removal(item))
        recipe = replace(green().recipe, action="remove", subjects=(Subject(item.id),))
        session.job_result(replace(green(), recipe=recipe))
        session.job_finished()
        session.undo()
        session.accept()
        assert session.history.entries[-1].label == "Remove “Cup”"
        assert visible(session.document) == [True, True]
        assert (flatten(session.document, Rect(50, 50, 90, 90)) == GREEN).all()

    def test_an_accepted_result_is_on_top_of_what_came_meanwhile(self, session: Session) -> None:
        session.run()
        session.job_result(green())
        session.job_finished()
        edits.add_layer(session)
        top = session.document.layers[-1]
        white = np.full((*session.document.size.shape, 4), 255, np.uint8)
        session.commit("Paint", session.document.with_layer(replace(top, pixels=top.pixels.write(0, 0, white))))
        session.accept()  # it was set aside: it is shown again
        session.accept()
        assert session.active_layer == session.document.layers[-1].id
        assert (flatten(session.document, Rect(50, 50, 90, 90)) == GREEN).all()

    def test_accepted_while_something_else_is_shown_it_is_in_the_document(self, session: Session) -> None:
        session.run()
        session.job_result(green())
        session.job_finished()
        session.show(session.document.with_strength(session.document.empty_map()))
        assert gesture(session)
        session.accept()  # it was set aside: it is shown again
        session.accept()
        assert not gesture(session)
        assert (flatten(session.document, Rect(50, 50, 90, 90)) == GREEN).all()


def test_a_stroke_under_way_is_kept_when_a_result_is_accepted(bench: Workbench, session: Session) -> None:
    """What the hand goes on with must not be a document without the result."""
    again(session)
    session.leave_rerun()
    session.set_options(tool="strength")
    session.commit("Paint", painted(session.document))
    session.run()
    session.job_result(green())
    session.job_finished()
    canvas = bench.canvas
    place = canvas.viewport.to_screen(20, 20)
    start = canvas.rect().center()
    start.setX(round(place.x))
    start.setY(round(place.y))
    QTest.mousePress(canvas, Qt.MouseButton.LeftButton, Qt.KeyboardModifier.NoModifier, start)
    QTest.mouseMove(canvas, start + (canvas.rect().center() - start) / 20)
    assert gesture(session)
    session.accept()  # it was set aside: it is shown again
    session.accept()
    QTest.mouseMove(canvas, start + (canvas.rect().center() - start) / 10)
    QTest.mouseRelease(canvas, Qt.MouseButton.LeftButton, Qt.KeyboardModifier.NoModifier, start)
    assert session.document.layers[-1].recipe == green().recipe
    assert session.document.strength.read()[20, 20] > 0
