"""The queue, keeping what is there, strengths to compare, and running smaller."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from pytestqt.qtbot import QtBot

from editor.errors import InternalError, OutOfMemory
from editor.geometry import Rect
from editor.methods.pixels.settings import PixelsSettings
from editor.planning.plan import STRENGTHS
from editor.requests.reports import Preview, Progress, ResultReady, Scored
from editor.requests.results import EditResult, Match
from tests.support.session_cases import model, painted, picture, result
from tests.support.stub_worker import StubWorker
from widgets.session import run_actions
from widgets.session.job import Job
from widgets.session.notice import Notice
from widgets.session.session import Session


@pytest.fixture
def session(worker: StubWorker, qtbot: QtBot) -> Session:
    worker.known = [model()]
    made = Session(painted(picture()), worker)
    made.set_draft(variations=1)
    return made


def job(session: Session) -> Job:
    assert session.job is not None
    return session.job


def preview() -> Preview:
    return Preview(Rect(50, 50, 90, 90), np.zeros((4, 4, 4), np.uint8))


class TestQueue:
    def test_what_is_queued_joins_the_same_candidates_with_its_own_document(
        self, session: Session, worker: StubWorker
    ) -> None:
        first = session.document
        session.run()
        session.report(Progress(0.5, "Filling"))
        second = painted(first.with_strength(first.empty_map()))
        session.commit("Paint", second)
        session.set_draft(prompt="a boat")
        session.queue()
        assert len(worker.asked) == 1
        assert len(job(session).waiting) == 1
        session.job_result(result(1))
        session.job_finished()
        assert [asked.document for asked in worker.asked] == [first, second]
        assert worker.asked[1].draft.prompt == "a boat"
        assert (job(session).state, job(session).waiting, job(session).done) == ("waiting", (), 0.0)
        session.job_result(result(2))
        session.job_finished()
        assert job(session).state == "ready"
        assert [candidate.edit_job.document for candidate in job(session).candidates] == [first, second]
        session.choose(1)
        session.accept()
        assert session.document.layers[-1].recipe == result(2).recipe

    def test_progress_is_of_what_is_made_now(self, session: Session) -> None:
        session.run()
        session.set_draft(variations=2)
        session.queue()
        session.job_result(result(1))
        session.job_finished()
        session.report(Progress(0.5, "Filling"))
        assert (job(session).finished, job(session).wanted, job(session).done) == (0, 3, 0.5)

    def test_what_waits_can_be_dropped_the_last_one_first(self, session: Session, worker: StubWorker) -> None:
        session.run()
        session.queue()
        session.set_draft(prompt="late")
        session.queue()
        session.drop_waiting()
        assert [asked.draft.prompt for asked in job(session).waiting] == [""]

    def test_stop_ends_what_waits_too(self, session: Session, worker: StubWorker) -> None:
        session.run()
        session.queue()
        session.stop()
        session.job_cancelled()
        assert session.job is None
        assert len(worker.asked) == 1

    def test_one_that_fails_does_not_keep_back_the_next(self, session: Session, worker: StubWorker) -> None:
        notices: list[Notice] = []
        session.noticed.connect(notices.append)
        session.run()
        session.queue()
        session.job_failed(InternalError("It broke."))
        assert [notice.message for notice in notices] == ["It broke."]
        assert len(worker.asked) == 2
        assert job(session).busy

    def test_with_nothing_running_it_just_runs(self, session: Session, worker: StubWorker) -> None:
        session.queue()
        assert len(worker.asked) == 1

    def test_another_documents_edit_is_named_as_what_it_waits_for(self, session: Session) -> None:
        session.run()
        session.job_waits()
        assert job(session).doing == "Waiting for another edit"
        session.report(Progress(0.1, "Loading the model"))
        session.job_waits()
        assert job(session).doing == "Loading the model"


def there(seed: int, left: int) -> EditResult:
    """Changes a square at `left`."""
    return replace(result(seed), rect=Rect(left, 50, left + 40, 90))


def seeds(session: Session) -> list[int]:
    return [each.recipe.seed for each in job(session).candidates.results]


class TestAccepting:
    """Edits in other parts of the picture are no alternatives: accepting one leaves the others be."""

    def test_what_runs_and_waits_goes_on(self, session: Session, worker: StubWorker) -> None:
        session.run()
        session.queue()
        session.queue()
        session.job_result(there(1, 50))
        session.job_finished()
        session.report(Progress(0.5, "Filling"))
        session.accept()
        assert (worker.stopped, len(worker.asked), len(job(session).waiting)) == (0, 2, 1)
        assert (job(session).state, job(session).fraction, job(session).candidates.items) == ("running", 0.5, ())
        assert (job(session).finished, job(session).wanted, job(session).done) == (0, 1, 0.5)
        session.job_result(there(2, 150))
        session.job_finished()
        session.job_result(there(3, 250))
        session.job_finished()
        assert (job(session).state, seeds(session)) == ("ready", [2, 3])
        session.accept()
        session.accept()
        assert session.job is None
        kept = [layer.recipe.seed for layer in session.document.layers if layer.recipe is not None]
        assert kept == [1, 2, 3]

    def test_only_what_changes_the_same_pixels_goes_with_it(self, session: Session) -> None:
        for _ in range(4):
            session.queue()
        for seed, left in enumerate((50, 150, 189, 190)):
            session.job_result(there(seed, left))
            session.job_finished()
        session.choose(1)
        first, _, _, last = job(session).candidates
        session.accept()
        assert job(session).candidates.items == (first, last)
        assert (job(session).state, job(session).candidates.current) == ("ready", last)
        assert job(session).rect == last.edit_job.rect
        session.accept()
        assert job(session).candidates.current is first

    def test_the_rest_of_the_same_edit_ends_and_the_next_begins(self, session: Session, worker: StubWorker) -> None:
        session.set_draft(variations=3)
        session.run()
        session.queue()
        session.job_result(there(1, 50))
        session.job_result(there(2, 150))  # a variation is an alternative wherever its changes lie
        session.accept()
        assert worker.stopped == 1
        assert len(worker.asked) == 2
        assert (job(session).state, job(session).candidates.items, job(session).wanted) == ("waiting", (), 3)

    def test_the_rest_of_the_same_edit_ends_and_what_lies_elsewhere_stays(
        self, session: Session, worker: StubWorker
    ) -> None:
        session.run()
        session.set_draft(variations=3)
        session.queue()
        session.job_result(there(1, 50))
        session.job_finished()
        session.job_result(there(2, 150))
        session.report(preview())
        session.choose(1)
        session.accept()
        assert worker.stopped == 1
        assert (job(session).state, job(session).preview, seeds(session)) == ("ready", None, [1])

    def test_progress_counts_what_was_dropped_as_made(self, session: Session) -> None:
        session.run()
        session.set_draft(variations=4)
        session.queue()
        session.job_result(there(1, 50))
        session.job_finished()
        session.job_result(there(2, 50))
        session.job_result(there(3, 150))
        session.accept()
        assert seeds(session) == [3]
        assert (job(session).finished, job(session).wanted, job(session).done) == (2, 3, 0.5)

    def test_discard_drops_all(self, session: Session, worker: StubWorker) -> None:
        session.run()
        session.queue()
        session.job_result(there(1, 50))
        session.job_finished()
        session.discard()
        assert (session.job, worker.stopped, len(worker.asked)) == (None, 1, 2)


class TestKeeping:
    def test_there_must_be_something_to_keep(self, session: Session, worker: StubWorker) -> None:
        session.run()
        session.report(Progress(0.5, "Painting"))
        session.finish_early()
        assert worker.finished == 0
        session.report(preview())
        session.finish_early()
        assert worker.finished == 1
        session.report(Progress(0.9, "Decoding"))
        assert (job(session).state, job(session).doing) == ("stopping", "Keeping what is there")
        session.job_result(result())
        session.job_finished()
        assert job(session).state == "ready"
        assert job(session).candidates.shown is not None

    def test_it_is_offered_only_where_it_can_be_done(self, session: Session) -> None:
        session.run()
        session.report(Progress(0.5, "Filling"))
        session.report(preview())
        assert not job(session).keepable
        session.discard()
        session.choose_method(PixelsSettings)
        session.run()
        session.report(Progress(0.5, "Painting"))
        assert not job(session).keepable
        session.report(preview())
        assert job(session).keepable

    def test_only_the_newest_preview_is_kept(self, session: Session) -> None:
        session.run()
        session.report(Progress(0.5, "Painting"))
        newest = preview()
        for each in (preview(), newest):
            session.report(each)
        assert job(session).preview is newest


class TestStrengths:
    def strength(self, at: float, seed: int = 77) -> EditResult:
        made = result(seed)
        return replace(made, recipe=replace(made.recipe, strength=at))

    def test_the_edit_is_made_with_each_and_the_one_nearest_to_what_was_set_is_shown(
        self, session: Session, worker: StubWorker
    ) -> None:
        session.choose_method(PixelsSettings)
        session.set_draft(variations=4, strength=0.5)
        run_actions.try_strengths(session)
        asked = worker.asked[0]
        assert (asked.strengths, asked.wanted, asked.draft.strength) == (STRENGTHS, len(STRENGTHS), 0.5)
        for number, level in enumerate(STRENGTHS, 1):
            assert job(session).busy
            session.job_result(self.strength(level))
            assert len(job(session).candidates) == number
            best = min(STRENGTHS[:number], key=lambda each: abs(each - 0.5))
            assert job(session).candidates.strength == best
        session.job_finished()
        assert job(session).state == "ready"
        assert job(session).more is None

    def test_the_one_that_is_kept_is_a_layer_at_once_and_its_strength_is_set(
        self, session: Session, worker: StubWorker
    ) -> None:
        session.choose_method(PixelsSettings)
        session.set_draft(strength=0.5)
        run_actions.try_strengths(session)
        for level in STRENGTHS[:4]:
            session.job_result(self.strength(level))
        session.choose(1)
        session.job_result(self.strength(STRENGTHS[4]))
        assert job(session).candidates.strength == STRENGTHS[1]  # what somebody chose stays chosen
        layers = len(session.document.layers)
        session.accept()
        assert len(session.document.layers) == layers + 1
        recipe = session.document.layers[-1].recipe
        assert recipe is not None
        assert (recipe.strength, recipe.seed) == (STRENGTHS[1], 77)
        assert (session.draft.strength, session.draft.seed) == (STRENGTHS[1], None)
        assert (worker.stopped, len(worker.asked), session.job) == (1, 1, None)

    def test_stopped_on_the_way_those_that_are_finished_stay(self, session: Session, worker: StubWorker) -> None:
        session.choose_method(PixelsSettings)
        run_actions.try_strengths(session)
        session.job_result(self.strength(STRENGTHS[0]))
        session.stop()
        session.job_cancelled()
        assert worker.stopped == 1
        assert (job(session).state, job(session).candidates.strength) == ("ready", STRENGTHS[0])
        session.accept()
        assert session.document.layers[-1].recipe is not None

    def test_not_without_a_model_or_anything_to_change(self, session: Session, worker: StubWorker) -> None:
        assert not run_actions.can_try_strengths(session)
        session.choose_method(PixelsSettings)
        assert run_actions.can_try_strengths(session)
        session.commit("Clear", session.document.with_strength(session.document.empty_map()))
        assert not run_actions.can_try_strengths(session)
        run_actions.try_strengths(session)
        assert worker.asked == []


class TestSmaller:
    @pytest.mark.parametrize(
        ("scale", "factor", "expected"), [(1.0, None, 0.75), (1.0, 0.62, 0.6), (0.5, None, 0.4), (1.0, 0.1, 0.4)]
    )
    def test_it_runs_again_at_the_largest_size_that_fits(
        self, session: Session, worker: StubWorker, scale: float, factor: float | None, expected: float
    ) -> None:
        session.choose_method(PixelsSettings)
        session.set_draft(settings=PixelsSettings(scale=scale))
        session.run()
        session.job_failed(OutOfMemory("It does not fit."))
        run_actions.run_smaller(session, factor)
        settings = worker.asked[1].draft.settings
        assert isinstance(settings, PixelsSettings)
        assert settings.scale == pytest.approx(expected)

    def test_there_is_an_end_to_it(self, session: Session) -> None:
        assert not run_actions.can_shrink(session)
        session.choose_method(PixelsSettings)
        assert run_actions.can_shrink(session)
        session.set_draft(settings=PixelsSettings(scale=0.4))
        assert not run_actions.can_shrink(session)


def test_a_frame_drawn_for_an_edit_goes_with_it(session: Session) -> None:
    session.choose_method(PixelsSettings)
    session.set_draft(frame=Rect(0, 0, 120, 120))
    session.run()
    session.job_result(result())
    session.job_finished()
    assert session.draft.frame is not None
    session.accept()
    assert session.draft == replace(session.draft, frame=None)


def test_a_frame_over_all_of_the_picture_stays(session: Session) -> None:
    session.choose_method(PixelsSettings)
    session.set_draft(frame=session.document.rect)
    session.run()
    session.job_result(result())
    session.job_finished()
    session.accept()
    assert session.draft.frame == session.document.rect


class TestRanking:
    @staticmethod
    def scored(session: Session, *fits: tuple[int, float]) -> None:
        for seed, similarity in fits:
            session.report(Scored(seed, Match(similarity, 0.0)))

    def test_the_best_comes_first_and_is_shown(self, session: Session) -> None:
        session.set_draft(variations=3)
        session.run()
        for seed in (1, 2, 3):
            session.report(ResultReady(result(seed)))
        assert seeds(session) == [1, 2, 3]
        self.scored(session, (1, 0.2), (2, 0.1), (3, 0.3))
        assert seeds(session) == [3, 1, 2]
        assert job(session).candidates.chosen == 0

    def test_what_is_not_told_yet_comes_last_in_the_order_of_making(self, session: Session) -> None:
        session.set_draft(variations=3)
        session.run()
        for seed in (1, 2, 3):
            session.report(ResultReady(result(seed)))
        self.scored(session, (3, -0.5))
        assert seeds(session) == [3, 1, 2]

    def test_equals_keep_the_order_of_making(self, session: Session) -> None:
        session.set_draft(variations=3)
        session.run()
        for seed in (1, 2, 3):
            session.report(ResultReady(result(seed)))
        self.scored(session, (1, 0.2), (2, 0.2), (3, 0.2))
        assert seeds(session) == [1, 2, 3]

    def test_what_somebody_chose_stays_chosen(self, session: Session) -> None:
        session.set_draft(variations=2)
        session.run()
        for seed in (1, 2):
            session.report(ResultReady(result(seed)))
        session.choose(0)
        self.scored(session, (1, 0.1), (2, 0.3))
        assert seeds(session) == [2, 1]
        assert job(session).candidates.chosen == 1
