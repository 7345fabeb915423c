"""The live picture: when it is asked for, with what, what is shown of it, and how it is kept."""

from __future__ import annotations

from dataclasses import replace
from itertools import pairwise

import numpy as np
import pytest
from PySide6.QtTest import QTest
from pytestqt.qtbot import QtBot

from editor.document.document import Document
from editor.errors import InternalError, InvalidRequest
from editor.geometry import Rect
from editor.methods.pixels.settings import PixelsSettings
from editor.methods.quick_fill.settings import QuickFillSettings
from editor.requests.reports import Preview, Progress
from editor.requests.results import EditResult, LiveResult, Recipe
from tests.support.session_cases import model, picture
from tests.support.stub_worker import StubWorker
from widgets.session import live as module
from widgets.session.edit_job import EditJob
from widgets.session.job import Job
from widgets.session.notice import Notice
from widgets.session.session import Session

SPOT = Rect(50, 50, 90, 90)


@pytest.fixture
def session(worker: StubWorker, qtbot: QtBot) -> Session:
    """A plain picture with a method that has a model, and nothing painted yet."""
    worker.known = [model()]
    session = Session(Document.of_picture(np.full((1200, 1600, 4), 255, np.uint8)), worker)
    session.choose_method(PixelsSettings)
    return session


@pytest.fixture
def notices(session: Session) -> list[Notice]:
    notices: list[Notice] = []
    session.noticed.connect(notices.append)
    return notices


def paint(session: Session, rect: Rect = SPOT, value: float = 1.0) -> None:
    document = session.document
    stroke = np.full(rect.size.shape, value, np.float32)
    session.commit("Paint", document.with_strength(document.strength.write(rect.left, rect.top, stroke)))
    QTest.qWait(1)


def laid(session: Session) -> EditResult | None:
    return session.laid


def fresh_of(session: Session) -> Rect | None:
    return session.live.fresh


def job_of(session: Session) -> Job:
    assert session.job is not None
    return session.job


def result(edit_job: EditJob, red: int = 200) -> EditResult:
    pixels = np.full((40, 40, 4), 255, np.uint8)
    pixels[..., :3] = red, 0, 0
    draft = edit_job.draft
    assert draft.seed is not None
    return EditResult(SPOT, pixels, Recipe(draft.settings, "fill", SPOT, draft.seed))


def answer(session: Session, worker: StubWorker, red: int = 200, evaluations: int = 4) -> EditResult:
    edit_job = worker.lived[-1]
    made = result(edit_job, red)
    session.live.finished(edit_job, LiveResult(made, evaluations, evaluations, 20))
    return made


def test_nothing_is_asked_before_something_is_painted_nor_while_it_is_off(session: Session, worker: StubWorker) -> None:
    paint(session)
    assert worker.lived == []
    session.undo()
    session.live.switch(True)
    assert (worker.lived, session.live.state) == ([], "idle")
    session.live.switch(False)
    assert worker.lived_out == 1


def test_every_stroke_and_every_undo_is_asked_for_with_one_seed_and_one_frame(
    session: Session, worker: StubWorker
) -> None:
    session.live.switch(True)
    paint(session)
    paint(session, Rect(60, 60, 120, 80), 0.4)
    session.undo()
    QTest.qWait(1)
    jobs = worker.lived
    assert [job.document.strength.read(SPOT).max() for job in jobs] == [1.0] * 3
    assert jobs[0].document.strength is jobs[2].document.strength
    assert len({job.draft.seed for job in jobs}) == 1
    assert len({job.draft.frame for job in jobs}) == 1
    assert jobs[0].draft.seed == session.live.seed
    assert jobs[0].draft.frame == session.live.pinned is not None
    assert {job.draft.variations for job in jobs} == {1}
    assert session.draft.seed is None
    assert session.draft.frame is None


def test_what_is_being_painted_waits_for_the_end_of_the_stroke(session: Session, worker: StubWorker) -> None:
    session.live.switch(True)
    document = session.document
    stroke = document.with_strength(document.strength.write(50, 50, np.ones((40, 40), np.float32)))
    session.show(stroke)
    QTest.qWait(1)
    assert worker.lived == []
    session.commit("Paint", stroke)
    QTest.qWait(1)
    assert [job.document for job in worker.lived] == [stroke]


def test_words_and_sliders_count_when_they_rest(
    session: Session, worker: StubWorker, qtbot: QtBot, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "REST", 30)
    session.live.switch(True)
    paint(session)
    for words in ("a", "a b", "a boat"):
        session.set_draft(prompt=words)
    assert len(worker.lived) == 1
    qtbot.waitUntil(lambda: len(worker.lived) == 2)
    assert worker.lived[1].draft.prompt == "a boat"
    session.set_draft(variations=2)  # which changes nothing of one result
    QTest.qWait(60)
    assert len(worker.lived) == 2


def test_the_result_lies_over_the_picture_and_stays_while_the_next_is_made(
    session: Session, worker: StubWorker
) -> None:
    session.live.switch(True)
    paint(session)
    edit_job = worker.lived[0]
    preview = Preview(SPOT, np.zeros((5, 5, 4), np.uint8))
    session.live.report(edit_job, Progress(0.5, "Step 3 of 20"))
    session.live.report(edit_job, preview)
    assert (session.laid, session.live.preview, session.live.doing) == (None, preview, "Step 3 of 20")
    assert session.live.fresh is None  # all of it is new
    first = answer(session, worker)
    assert (session.laid, session.live.preview, session.live.state) == (first, None, "current")
    paint(session, Rect(60, 60, 120, 80), 0.4)
    assert laid(session) is first
    assert session.live.state == "computing"
    fresh = fresh_of(session)
    assert fresh is not None
    assert fresh.holds(Rect(60, 60, 120, 80))
    assert fresh.size.area < 1600 * 1200 / 4
    late = LiveResult(result(edit_job, 1))
    session.live.finished(edit_job, late)  # of the state before
    assert laid(session) is first
    second = answer(session, worker, 90)
    assert laid(session) is second


def test_undo_to_nothing_shows_the_picture_as_it_is(session: Session, worker: StubWorker) -> None:
    session.live.switch(True)
    paint(session)
    answer(session, worker)
    session.undo()
    QTest.qWait(1)
    assert (session.laid, session.live.state, session.live.pinned) == (None, "idle", None)
    session.redo()
    QTest.qWait(1)
    assert len(worker.lived) == 2


def test_escape_leaves_everything_as_it_was(session: Session, worker: StubWorker) -> None:
    session.live.switch(True)
    paint(session)
    answer(session, worker)
    document = session.document
    session.live.switch(False)
    assert (session.laid, session.document, session.live.candidate) == (None, document, None)
    assert worker.lived_out == 1
    session.live.finished(worker.lived[0], LiveResult(result(worker.lived[0])))  # too late
    assert laid(session) is None


def test_enter_makes_it_a_layer_and_live_goes_on(session: Session, worker: StubWorker) -> None:
    session.live.switch(True)
    paint(session)
    answer(session, worker)
    seed = session.live.seed
    session.accept()
    QTest.qWait(1)
    assert len(session.document.layers) == 2
    recipe = session.document.layers[-1].recipe
    assert recipe is not None
    assert recipe.seed == seed
    assert session.live.on
    assert (session.laid, session.live.candidate) == (None, None)
    paint(session, Rect(300, 300, 340, 340))
    assert worker.lived[-1].document.layers == session.document.layers


def test_enter_before_it_is_ready_keeps_it_when_it_is(session: Session, worker: StubWorker) -> None:
    session.live.switch(True)
    paint(session)
    session.accept()
    assert (len(session.document.layers), session.live.keeps) == (1, True)
    answer(session, worker)
    assert len(session.document.layers) == 2


def test_a_stroke_outside_of_the_frame_is_said_once_and_a_larger_one_is_offered(
    session: Session, worker: StubWorker, notices: list[Notice]
) -> None:
    session.live.switch(True)
    paint(session)
    frame = session.live.pinned
    assert frame is not None
    far = Rect(1500, 1100, 1540, 1140)
    assert not frame.holds(far)
    paint(session, far)
    paint(session, far, 0.5)
    assert [job.draft.frame for job in worker.lived] == [frame] * 3
    assert session.live.outside
    (notice,) = notices
    assert "outside" in notice.message
    dict(notice.offers)["See it too"]()
    larger = session.live.pinned
    assert larger is not None
    assert larger.holds(far)
    assert larger.holds(SPOT)
    assert worker.lived[-1].draft.frame == larger
    assert not session.live.outside


def test_the_frame_grows_by_itself_where_the_person_wishes(
    session: Session, worker: StubWorker, notices: list[Notice]
) -> None:
    session.live.switch(True)
    paint(session)
    wished: list[bool] = []
    session.live.grows_wished.connect(lambda: wished.append(True))
    session.live.grow_always()
    assert wished == [True]
    paint(session, Rect(1500, 1100, 1540, 1140))
    assert notices == []
    pinned = session.live.pinned
    assert pinned is not None
    assert pinned.holds(Rect(1500, 1100, 1540, 1140))


def test_another_thing_has_another_frame_where_it_lies_elsewhere(
    session: Session, worker: StubWorker, notices: list[Notice]
) -> None:
    session.live.switch(True)
    paint(session)
    frame = session.live.pinned
    document = session.document
    far = document.selection.write(1450, 1050, np.ones((60, 60), np.float32))
    session.commit("Select", document.with_map("selection", far))
    QTest.qWait(1)
    assert worker.lived[-1].planned.region == "selection"
    assert worker.lived[-1].draft.frame == session.live.pinned != frame
    assert (notices, session.live.outside) == ([], False)


def test_an_error_is_said_and_the_next_stroke_tries_again(
    session: Session, worker: StubWorker, notices: list[Notice]
) -> None:
    session.live.switch(True)
    paint(session)
    first = answer(session, worker)
    paint(session, Rect(60, 60, 120, 80))
    session.live.failed(worker.lived[-1], InternalError("It broke.", "Try again."))
    assert [(notice.message, notice.error) for notice in notices] == [("It broke.", True)]
    assert (session.live.state, session.laid, session.live.on) == ("failed", first, True)
    paint(session, Rect(60, 60, 130, 80))
    assert session.live.state == "computing"


def test_what_leaves_nothing_to_do_is_no_error(session: Session, worker: StubWorker, notices: list[Notice]) -> None:
    session.live.switch(True)
    paint(session)
    session.live.failed(worker.lived[-1], InvalidRequest("Nothing may change yet."))
    assert (notices, session.live.state, session.live.doing) == ([], "idle", "Nothing may change yet.")


def test_where_a_round_takes_too_long_it_is_off_by_itself(
    session: Session, worker: StubWorker, notices: list[Notice], monkeypatch: pytest.MonkeyPatch
) -> None:
    session.live.switch(True)
    paint(session)
    monkeypatch.setattr(module, "MAX_ROUND", -1.0)
    answer(session, worker)
    assert not session.live.on
    assert "a round takes" in notices[-1].message
    assert "Fewer steps" in notices[-1].advice


def test_variations_keep_the_map_and_begin_with_the_seed_of_live(session: Session, worker: StubWorker) -> None:
    session.live.switch(True)
    paint(session)
    answer(session, worker)
    seed, frame = session.live.seed, session.live.pinned
    session.set_draft(variations=3)
    session.run()
    assert not session.live.on
    (asked,) = worker.asked
    assert (asked.draft.seed, asked.draft.frame, asked.wanted) == (seed, frame, 3)
    assert asked.document is session.document
    assert session.draft.seed is None


def test_snapshots_are_cards_to_compare_and_to_return_to(session: Session, worker: StubWorker) -> None:
    session.live.switch(True)
    paint(session)
    first = answer(session, worker)
    session.snapshot()
    session.snapshot()  # the same is kept once
    paint(session, Rect(60, 60, 120, 80), 0.4)
    second = answer(session, worker, 90)
    session.snapshot()
    job = job_of(session)
    assert job.more is None
    assert (job.candidates.results, job.busy, job.aside) == ((first, second), False, True)
    assert laid(session) is second
    session.peek(0)
    assert laid(session) is first
    session.peek(None)
    assert laid(session) is second
    before = job.candidates[0].edit_job.document
    session.set_draft(prompt="a boat")
    session.return_to(job.candidates[0])
    QTest.qWait(1)
    assert session.document.strength is before.strength
    assert session.draft.prompt == ""
    assert worker.lived[-1].document.strength is before.strength
    session.undo()
    assert session.document.strength is not before.strength
    # A state that was undone is worth looking at all the same.
    assert not any(candidate.outdated for candidate in job_of(session).candidates)
    session.choose(0)
    session.accept()
    assert len(session.document.layers) == 2


def test_a_method_without_a_model_is_live_too(worker: StubWorker, qtbot: QtBot) -> None:
    session = Session(picture(), worker)
    session.choose_method(QuickFillSettings)
    session.live.switch(True)
    paint(session)
    assert (len(worker.lived), session.live.pinned) == (1, None)
    answer(session, worker)
    assert laid(session) is not None


def test_switching_on_makes_what_is_painted_already(session: Session, worker: StubWorker) -> None:
    paint(session)
    session.live.switch(True)
    assert [job.document for job in worker.lived] == [session.document]
    for one, other in pairwise(worker.lived):
        assert replace(one.draft, touched=()) != replace(other.draft, touched=())
