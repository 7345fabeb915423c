"""Stops: which are asked for, when, which is shown, and what Enter keeps."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

import numpy as np
import pytest
from PySide6.QtTest import QTest
from pytestqt.qtbot import QtBot

from editor.document.contents import Exemplar
from editor.document.document import Document
from editor.edits.scrubbing import Knob, knobs, stops
from editor.errors import InvalidRequest, OutOfMemory
from editor.geometry import Placement, Rect
from editor.methods.pixels.settings import PixelsSettings
from editor.methods.quick_fill.settings import QuickFillSettings
from editor.planning.plan import Draft, Plan
from editor.requests.results import EditResult, LiveResult, Recipe
from tests.support.session_cases import model
from tests.support.stub_worker import StubWorker
from widgets.session import edits
from widgets.session import scrub as module
from widgets.session.edit_job import Candidate, EditJob
from widgets.session.session import Session

SPOT = Rect(50, 50, 90, 90)
FRAME = Rect(0, 0, 512, 512)
STRENGTH, GUIDANCE = Knob("strength"), Knob("guidance")


@pytest.fixture
def session(worker: StubWorker, qtbot: QtBot, monkeypatch: pytest.MonkeyPatch) -> Iterator[Session]:
    """A painted picture with a method that has a model."""
    monkeypatch.setattr(module, "REST", 0)
    worker.known = [model()]
    session = Session(Document.of_picture(np.full((600, 800, 4), 255, np.uint8)), worker)
    session.choose_method(PixelsSettings)
    session.set_draft(strength=0.75, steps=20)
    paint(session)
    yield session
    session.scrub.end()


def paint(session: Session, rect: Rect = SPOT, value: float = 1.0) -> None:
    document = session.document
    stroke = np.full(rect.size.shape, value, np.float32)
    session.commit("Paint", document.with_strength(document.strength.write(rect.left, rect.top, stroke)))
    QTest.qWait(1)


def made(edit_job: EditJob, seed: int = 7) -> EditResult:
    """A result whose red says its strength."""
    draft = edit_job.draft
    pixels = np.full((40, 40, 4), 255, np.uint8)
    pixels[..., 0] = round(draft.strength * 255)
    assert draft.model is not None
    recipe = Recipe(draft.settings, "fill", FRAME, seed if draft.seed is None else draft.seed, strength=draft.strength)
    return EditResult(SPOT, pixels, recipe)


def run(session: Session, worker: StubWorker, count: int = 1) -> EditResult:
    """An edit that came to results; the first is chosen."""
    session.set_draft(variations=count)
    session.run()
    for variant in range(count):
        session.job_result(replace(made(worker.asked[-1], 7 + variant), variant=variant))
    session.job_finished()
    assert session.laid is not None
    return session.laid


def answer(session: Session, worker: StubWorker, qtbot: QtBot) -> EditJob:
    """Make the stop that is asked for next."""
    qtbot.waitUntil(lambda: session.scrub.pending is not None)
    edit_job = worker.scrubbed[-1]
    assert session.scrub.pending is edit_job
    session.scrub.finished(edit_job, made(edit_job))
    return edit_job


def shown_of(session: Session) -> Candidate | None:
    return session.scrub.shown


def strengths(worker: StubWorker) -> list[float]:
    return [job.draft.strength for job in worker.scrubbed]


def test_stops_of_the_strength_come_first_and_the_nearest_of_them(
    session: Session, worker: StubWorker, qtbot: QtBot
) -> None:
    base = run(session, worker)
    for _ in range(10):
        answer(session, worker, qtbot)
    assert sorted(strengths(worker)) == [tenth / 10 for tenth in range(1, 11)]
    distances = [abs(strength - 0.75) for strength in strengths(worker)]
    assert distances == sorted(distances)
    assert {(job.draft.seed, job.draft.frame, job.draft.variations) for job in worker.scrubbed} == {(7, FRAME, 1)}
    assert all(job.document is worker.asked[0].document for job in worker.scrubbed)
    assert (session.laid, session.scrub.words) == (base, "")
    QTest.qWait(20)
    assert len(worker.scrubbed) == 10  # nothing was said, so no words can be followed more or less


def test_guidance_is_scrubbed_where_words_are_followed(session: Session, worker: StubWorker, qtbot: QtBot) -> None:
    session.set_draft(prompt="a boat")
    run(session, worker)
    session.set_draft(guidance_scale=12.5)  # what is moved comes first
    job = answer(session, worker, qtbot)
    assert (job.draft.guidance_scale, job.draft.strength) == (12.0, 0.75)
    assert session.laid is session.scrub.shown.result  # type: ignore[union-attr]
    assert "follow the words 12" in session.scrub.words


def test_the_nearest_stop_is_shown_and_the_base_at_its_own_value(
    session: Session, worker: StubWorker, qtbot: QtBot
) -> None:
    base = run(session, worker)
    for _ in range(4):
        answer(session, worker, qtbot)
    seen = list[object]()
    session.scrub.shown_changed.connect(lambda: seen.append(session.laid))
    session.set_draft(strength=0.62)
    shown = session.scrub.shown
    assert shown is not None
    assert (shown.edit_job.draft.strength, session.laid, seen) == (0.6, shown.result, [shown.result])
    assert session.scrub.words == "Shown: overall strength 60\u202f%, the nearest that is ready. Enter keeps that one."
    session.set_draft(strength=0.6)
    assert session.scrub.words == "Shown: overall strength 60\u202f%. Enter keeps it."
    session.set_draft(strength=0.75)
    assert (session.laid, session.scrub.shown, session.scrub.words) == (base, None, "")
    assert len(session.scrub.marks("strength")) == 5


def test_enter_keeps_what_is_seen_with_the_values_it_was_made_with(
    session: Session, worker: StubWorker, qtbot: QtBot
) -> None:
    run(session, worker, 2)
    for _ in range(4):
        answer(session, worker, qtbot)
    session.set_draft(strength=0.62)
    shown = session.laid
    assert shown is not None
    session.accept()
    layer = session.document.layers[-1]
    assert layer.recipe is shown.recipe
    assert layer.recipe.strength == 0.6
    assert np.array_equal(layer.pixels.read(SPOT), shown.pixels)
    assert (session.draft.strength, session.job, session.laid, session.scrub.pending) == (0.6, None, None, None)
    assert worker.scrubbed_out[-1] is True  # and nothing is kept for it any more
    session.undo()
    assert len(session.document.layers) == 1


def test_another_candidate_has_stops_of_its_own(session: Session, worker: StubWorker, qtbot: QtBot) -> None:
    run(session, worker, 2)
    answer(session, worker, qtbot)
    session.choose(1)
    assert session.scrub.marks("strength") == ()
    assert answer(session, worker, qtbot).draft.seed == 8
    session.set_draft(strength=0.7)
    assert shown_of(session) is not None
    shown = session.laid
    session.choose(0)  # what somebody chose is what they see, until a slider is moved
    assert session.laid is not shown
    assert answer(session, worker, qtbot).draft.seed == 7
    assert shown_of(session) is None
    session.set_draft(strength=0.72)
    assert shown_of(session) is not None
    session.peek(1)
    session.set_draft(strength=0.1)
    assert shown_of(session) is None  # somebody looks at another one
    session.peek(None)
    assert shown_of(session) is not None


@pytest.mark.parametrize("what", ["stroke", "gesture", "run", "discard", "words", "method", "undo", "again"])
def test_what_is_not_wanted_any_more_is_ended(session: Session, worker: StubWorker, qtbot: QtBot, what: str) -> None:
    run(session, worker)
    qtbot.waitUntil(lambda: session.scrub.pending is not None)
    asked, ends = worker.scrubbed[-1], len(worker.scrubbed_out)
    match what:
        case "stroke":
            paint(session, Rect(60, 60, 120, 80), 0.4)
        case "gesture":
            session.show(
                session.document.with_strength(session.document.strength.write(0, 0, np.ones((9, 9), np.float32)))
            )
        case "run":
            session.run()
        case "discard":
            session.discard()
        case "words":
            session.set_draft(prompt="a boat")
        case "method":
            session.choose_method(QuickFillSettings)
        case "undo":
            session.undo()
        case "again":
            session.more()
    assert session.scrub.pending is None
    assert len(worker.scrubbed_out) == ends + 1
    session.scrub.finished(asked, made(asked))  # too late
    session.scrub.failed(asked, OutOfMemory("Full.", ""))
    assert session.scrub.shown is None
    QTest.qWait(10)
    assert len(worker.scrubbed) == 1


def test_what_leaves_nothing_is_passed_over_and_a_full_memory_ends_it(
    session: Session, worker: StubWorker, qtbot: QtBot
) -> None:
    run(session, worker)
    qtbot.waitUntil(lambda: session.scrub.pending is not None)
    session.scrub.failed(worker.scrubbed[-1], InvalidRequest("Nothing may change.", ""))
    qtbot.waitUntil(lambda: len(worker.scrubbed) == 2)
    assert len(set(strengths(worker))) == 2
    session.scrub.failed(worker.scrubbed[-1], OutOfMemory("Full.", ""))
    QTest.qWait(20)
    assert len(worker.scrubbed) == 2


def test_what_was_interrupted_is_asked_for_again(session: Session, worker: StubWorker, qtbot: QtBot) -> None:
    run(session, worker)
    qtbot.waitUntil(lambda: session.scrub.pending is not None)
    session.scrub.interrupted(again=True)
    qtbot.waitUntil(lambda: len(worker.scrubbed) == 2)
    session.scrub.interrupted(again=False)  # until somebody turns to it
    QTest.qWait(20)
    assert len(worker.scrubbed) == 2
    session.set_draft(strength=0.3)
    qtbot.waitUntil(lambda: len(worker.scrubbed) == 3)
    assert worker.scrubbed[-1].draft.strength == 0.3
    session.scrub.end()
    session.set_draft(strength=0.2)
    QTest.qWait(20)
    assert (len(worker.scrubbed), session.scrub.pending) == (3, None)


def test_stops_are_bounded(session: Session, worker: StubWorker, qtbot: QtBot, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "MAX_BYTES", 2 * 40 * 40 * 4)
    run(session, worker)
    answer(session, worker, qtbot)
    answer(session, worker, qtbot)
    QTest.qWait(20)
    assert len(worker.scrubbed) == 2


def test_live_keeps_its_stops_from_one_value_to_the_next(session: Session, worker: StubWorker, qtbot: QtBot) -> None:
    session.live.switch(True)
    first = made(worker.lived[-1])
    QTest.qWait(20)
    assert worker.scrubbed == []  # while it computes
    session.live.finished(worker.lived[-1], LiveResult(first, 4, 4, 20))
    for _ in range(4):
        answer(session, worker, qtbot)
    session.set_draft(strength=0.62)
    nearest = session.laid
    assert nearest is not first
    assert session.scrub.seen == "overall strength 60\u202f%"
    session.snapshot()
    assert session.job is not None
    assert session.job.candidates.results == (nearest,)  # what was seen
    qtbot.waitUntil(lambda: session.live.state == "computing")
    assert session.laid is nearest
    exact = made(worker.lived[-1])
    session.live.finished(worker.lived[-1], LiveResult(exact, 4, 4, 20))
    assert (session.laid, session.scrub.shown) == (exact, None)
    session.set_draft(strength=0.75)
    assert session.laid is first  # which it was before
    session.live.switch(False)
    assert session.scrub.pending is None
    assert session.scrub.shown is None


def test_moving_the_fidelity_of_a_reference_picture_shows_its_stops(
    session: Session, worker: StubWorker, qtbot: QtBot
) -> None:
    cat = Exemplar.of("cat", np.full((40, 40, 4), 90, np.uint8), Placement(300, 300))
    document = session.document.adding_exemplar(cat)
    session.commit("Lay", document)
    id = document.exemplars[-1].id
    session.activate(exemplar=id)
    assert id in session.plan.exemplars
    base = run(session, worker)
    edits.set_exemplar_fidelity(session, id, 0.5)
    assert session.laid is base  # it stays to be seen
    job = answer(session, worker, qtbot)
    exemplar = job.document.exemplar(id)
    assert exemplar is not None
    assert exemplar.fidelity == 0.5
    assert session.laid is session.scrub.shown.result  # type: ignore[union-attr]
    assert session.scrub.words == "Shown: keep as it is 50\u202f%. Enter keeps it."
    session.undo()
    assert session.laid is base


def test_no_value_comes_to_the_same_as_another() -> None:
    draft = Draft(PixelsSettings(), model=model(), steps=4, prompt="a boat")
    assert stops(STRENGTH, draft, 0.8, [0.75]) == (1.0, 0.5, 0.25)
    assert stops(STRENGTH, replace(draft, steps=20), 0.5, [0.5])[:2] == (0.4, 0.6)
    assert stops(Knob("fidelity", 1), draft, 0.0, [0.0]) == (0.25, 0.5, 0.75, 1.0)
    assert 7.5 not in stops(GUIDANCE, draft, 7.0, [7.5])
    document = Document.of_picture(np.zeros((8, 8, 4), np.uint8))
    plain = replace(draft, prompt=" ")
    assert knobs(document, draft, _plan()) == (STRENGTH, GUIDANCE)
    assert knobs(document, plain, _plan()) == (STRENGTH,)
    assert knobs(document, Draft(QuickFillSettings()), replace(_plan(), action="remove")) == ()


def _plan() -> Plan:
    return Plan("fill", "Fill", region="strength")
