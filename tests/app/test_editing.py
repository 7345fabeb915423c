"""Starting, stopping and closing work in the background, at the worst moments."""

from __future__ import annotations

import asyncio
import gc
import threading
from dataclasses import replace
from pathlib import Path
from typing import Any
from weakref import ref

import numpy as np
import pytest
from PySide6.QtCore import Qt
from PySide6.QtWidgets import QMessageBox

from app import editing, runner
from app.documents import read_document
from editor.document.contents import Exemplar
from editor.document.document import Document
from editor.edits.dispatch import make_request
from editor.geometry import Placement, Rect
from editor.io.images import Picture, read_image
from editor.io.project import save_project
from editor.methods.pixels.settings import PixelsSettings
from editor.methods.quick_fill.settings import QuickFillSettings
from editor.requests.edit_request import AssessRequest, EditRequest, SegmentRequest
from editor.requests.reports import FinishEarly, Preview, Progress, Reports
from editor.requests.results import Assessment, EditResult, Masks, Recipe
from tests.app.conftest import Tell
from tests.support.program import Desk, by_hand
from tests.support.session_cases import model
from tests.support.waiting import until
from widgets.session.notice import Notice
from widgets.session.session import Session


class OnDemand:
    """An engine that goes on with an edit when the test says so, and then fills with green."""

    def __init__(self) -> None:
        self.started = 0
        self.closed = 0
        self.go_on = threading.Event()

    def run(self, request: Any) -> Reports[Any]:
        self.started += 1
        try:
            while not self.go_on.is_set():
                yield Progress(0.5, "Waiting for the word")
            return masks(request) if isinstance(request, SegmentRequest) else green(request)
        finally:
            self.closed += 1


def green(request: EditRequest) -> EditResult:
    pixels = np.zeros((*request.strength.shape, 4), np.uint8)
    pixels[...] = (0, 255, 0, 0)
    pixels[..., 3] = np.rint(request.strength * 255)
    return EditResult(request.frame.rect, pixels, Recipe.of(request))


def masks(request: SegmentRequest) -> Masks:
    shape = (1, *request.image.shape[:2])
    return Masks(request.rect, np.ones(shape, np.float32), np.ones(1, np.float32))


def paint(session: Session, left: int = 20) -> None:
    document = session.document
    strength = document.strength.write(left, 20, np.ones((10, 10), np.float32))
    session.commit("Paint strength", document.with_strength(strength))


def heard(session: Session) -> list[Notice]:
    found: list[Notice] = []
    session.noticed.connect(found.append)
    return found


def busy(session: Session) -> bool:
    return session.job is not None and session.job.busy


class TestRaces:
    def test_a_run_that_was_put_away_does_not_end_the_one_that_follows_at_once(self, tell: Tell, photo: Path) -> None:
        engine = OnDemand()

        async def story(desk: Desk) -> None:
            session = await desk.open(photo)
            session.set_draft(variations=1)
            paint(session)
            session.run()
            await until(lambda: session.job is not None and session.job.fraction > 0)
            # Both before the event loop turns: the first run has not heard yet that it is over.
            session.discard()
            session.run()
            await until(lambda: engine.closed == 1)
            assert busy(session)
            engine.go_on.set()
            await until(lambda: not busy(session))
            assert session.job is not None
            assert len(session.job.candidates.results) == 1

        tell(story, make_engine=lambda: engine)

    def test_closing_with_edits_that_wait_begins_none_of_them(self, tell: Tell, photo: Path) -> None:
        engine = OnDemand()

        async def story(desk: Desk) -> None:
            session = await desk.open(photo)
            session.set_draft(variations=1)
            paint(session)
            session.run()
            await until(lambda: session.job is not None and session.job.fraction > 0)
            for left in (60, 100):
                paint(session, left)
                session.queue()
            assert session.job is not None
            assert len(session.job.waiting) == 2
            desk.application.close_document(session)
            await desk.answer("Discard")
            await until(lambda: not desk.application.sessions)
            await asyncio.sleep(0.1)
            assert not desk.application._runner.editing
            assert engine.started == engine.closed

        tell(story, make_engine=lambda: engine)

    def test_a_double_press_starts_one_run(self, tell: Tell, photo: Path) -> None:
        engine = OnDemand()

        async def story(desk: Desk) -> None:
            session = await desk.open(photo)
            session.set_draft(variations=1)
            paint(session)
            session.run()
            session.run()
            engine.go_on.set()
            await until(lambda: not busy(session))
            assert engine.started == 1

        tell(story, make_engine=lambda: engine)

    def test_a_stop_while_the_request_is_made_ends_at_once(
        self, tell: Tell, photo: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        engine = OnDemand()
        entered, gate = threading.Event(), threading.Event()

        def slow(*arguments: Any) -> EditRequest:
            entered.set()
            gate.wait(10)
            return make_request(*arguments)

        monkeypatch.setattr(editing, "make_request", slow)

        async def story(desk: Desk) -> None:
            session = await desk.open(photo)
            paint(session)
            session.run()
            await until(entered.is_set)
            session.stop()
            await until(lambda: session.job is None, timeout=2)
            gate.set()
            await asyncio.sleep(0.05)
            assert session.job is None
            assert engine.started == 0

        tell(story, make_engine=lambda: engine)

    def test_what_is_painted_right_after_the_press_is_not_part_of_the_run(self, tell: Tell, photo: Path) -> None:
        engine = OnDemand()
        engine.go_on.set()

        async def story(desk: Desk) -> None:
            session = await desk.open(photo)
            session.set_draft(variations=1)
            paint(session, 20)
            session.run()
            paint(session, 200)  # before the task had its first turn
            await until(lambda: not busy(session))
            session.accept()
            strength = session.document.strength.read()
            assert not strength[20:30, 20:30].any()
            assert (strength[20:30, 200:210] == 1).all()
            assert session.document.layers[-1].pixels.read()[25, 205, 3] == 0

        tell(story, make_engine=lambda: engine)

    def test_an_accepted_variation_ends_the_rest_and_the_next_run_is_its_own(self, tell: Tell, photo: Path) -> None:
        class OneThenWait(OnDemand):
            def run(self, request: Any) -> Reports[Any]:
                if self.started == 0:
                    self.started += 1
                    yield Progress(0.9, "Almost")
                    return green(request)
                return (yield from super().run(request))

        engine = OneThenWait()

        async def story(desk: Desk) -> None:
            session = await desk.open(photo)
            session.set_draft(variations=2)
            paint(session)
            session.run()
            await until(lambda: session.job is not None and session.job.candidates.results)
            session.accept()
            paint(session, 60)
            session.run()
            await until(lambda: engine.closed == 1)
            assert busy(session)
            engine.go_on.set()
            await until(lambda: not busy(session))
            assert session.job is not None
            assert len(session.job.candidates.results) == 2
            assert len(session.document.layers) == 2

        tell(story, make_engine=lambda: engine)

    @pytest.mark.logs
    def test_too_little_memory_for_the_request_is_said_so(
        self, tell: Tell, photo: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        def too_large(*arguments: Any) -> EditRequest:
            raise MemoryError

        monkeypatch.setattr(editing, "make_request", too_large)

        async def story(desk: Desk) -> None:
            session = await desk.open(photo)
            paint(session)
            session.run()
            await until(lambda: session.job is not None and session.job.state == "failed")
            assert session.job is not None
            assert "memory" in str(session.job.error)

        tell(story)

    @pytest.mark.logs
    def test_a_mistake_in_what_follows_an_outline_leaves_the_running_edit_alone(self, tell: Tell, photo: Path) -> None:
        engine = OnDemand()

        def mistaken(found: object) -> None:
            raise ZeroDivisionError("ours")

        async def story(desk: Desk) -> None:
            session = await desk.open(photo)
            session.set_draft(variations=1)
            notices = heard(session)
            paint(session)
            session.run()
            await until(lambda: session.job is not None and session.job.fraction > 0)
            session.read(photo, "flower", mistaken)
            await until(lambda: notices)
            assert notices[0].error
            assert busy(session)
            engine.go_on.set()
            await until(lambda: not busy(session))
            assert session.job is not None
            assert session.job.candidates.results

        tell(story, make_engine=lambda: engine)


def test_a_blend_is_made_once_since_every_seed_gives_the_same(tell: Tell, photo: Path) -> None:
    engine = OnDemand()
    engine.go_on.set()

    async def story(desk: Desk) -> None:
        session = await desk.open(photo)
        assert session.draft.variations == 3
        pixels = np.full((20, 20, 4), 255, np.uint8)
        document = session.document.adding_exemplar(Exemplar.of("white", pixels, Placement(50, 50)))
        session.commit("Add exemplar", document)
        session.run()
        assert session.job is not None
        assert session.job.wanted == 1
        await until(lambda: not busy(session))
        assert len(session.job.candidates.results) == 1

    tell(story, make_engine=lambda: engine)


class Painting(OnDemand):
    """It shows a preview at every step, and can make what is there into a result."""

    def run(self, request: Any) -> Reports[Any]:
        self.started += 1
        step = 0
        try:
            while not self.go_on.is_set():
                step += 1
                told = np.frombuffer(step.to_bytes(16, "big"), np.uint8)  # the number of the step, as pixels
                yield Preview(request.frame.rect, told.reshape(2, 2, 4))
                yield Progress(0.5, "Painting")
        except FinishEarly:
            pass
        finally:
            self.closed += 1
        return green(request)


class TestKeepingAndQueueing:
    def test_what_is_there_is_kept_and_the_other_variations_are_not_made(self, tell: Tell, photo: Path) -> None:
        engine = Painting()

        async def story(desk: Desk) -> None:
            session = await desk.open(photo)
            paint(session)
            steps: list[int] = []

            def note() -> None:
                job = session.job
                if job is not None and job.preview is not None:
                    steps.append(int.from_bytes(job.preview.pixels.tobytes(), "big"))

            session.jobs.progressed.connect(note)
            session.run()
            await until(lambda: session.job is not None and session.job.preview is not None)
            await until(lambda: len(set(steps)) >= 3)
            session.finish_early()
            await until(lambda: not busy(session))
            assert steps == sorted(steps)
            assert session.job is not None
            assert (session.job.state, len(session.job.candidates.results), engine.started) == ("ready", 1, 1)
            session.accept()
            assert session.document.layers[-1].recipe is not None

        tell(story, make_engine=lambda: engine)

    def test_an_edit_that_cannot_be_kept_ends_quietly(self, tell: Tell, photo: Path) -> None:
        class Stubborn(OnDemand):
            def run(self, request: Any) -> Reports[Any]:
                while True:
                    yield Preview(request.frame.rect, np.zeros((2, 2, 4), np.uint8))
                    yield Progress(0.5, "Painting")

        async def story(desk: Desk) -> None:
            session = await desk.open(photo)
            notices = heard(session)
            paint(session)
            session.run()
            await until(lambda: session.job is not None and session.job.preview is not None)
            session.finish_early()
            await until(lambda: session.job is None)
            assert notices == []

        tell(story, make_engine=Stubborn)

    def test_queued_edits_follow_each_other_and_keep_their_own_document(self, tell: Tell, photo: Path) -> None:
        engine = OnDemand()

        async def story(desk: Desk) -> None:
            session = await desk.open(photo)
            session.set_draft(variations=1)
            paint(session, 20)
            session.run()
            await until(lambda: session.job is not None and session.job.fraction > 0)
            paint(session, 200)
            await desk.key(Qt.Key.Key_Return, Qt.KeyboardModifier.ControlModifier)
            assert session.job is not None
            assert len(session.job.waiting) == 1
            engine.go_on.set()
            await until(lambda: not busy(session))
            assert engine.started == 2
            first, second = session.job.candidates
            assert first.result.rect != second.result.rect
            session.choose(1)
            session.accept()
            assert session.document.layers[-1].pixels.read()[25, 205, 3] == 255

        tell(story, make_engine=lambda: engine)

    def test_enter_accepts_one_while_the_next_goes_on(self, tell: Tell, photo: Path) -> None:
        class Cut(OnDemand):
            """Cuts results to what changed; the first comes at once."""

            def run(self, request: Any) -> Reports[Any]:
                if not self.started:
                    self.started += 1
                    yield Progress(0.9, "Almost")
                    made = green(request)
                else:
                    made = yield from super().run(request)
                rect = Rect.of_mask(made.pixels[..., 3])
                corner = request.frame.rect
                return replace(made, rect=rect.moved(corner.left, corner.top), pixels=made.pixels[rect.slices].copy())

        engine = Cut()

        async def story(desk: Desk) -> None:
            session = await desk.open(photo)
            session.set_draft(variations=1)
            paint(session, 20)
            session.run()
            session.commit("Clear", session.document.with_strength(session.document.empty_map()))
            paint(session, 200)
            session.queue()
            await until(lambda: engine.started == 2)
            await desk.key(Qt.Key.Key_Return, widget=desk.canvas)
            assert session.document.layers[-1].pixels.read()[25, 25, 3] == 255
            assert session.document.strength.read()[25, 205] == 1, "what the next edit uses is still painted"
            assert session.job is not None
            assert (session.job.busy, session.job.candidates.items) == (True, ())
            engine.go_on.set()
            await until(lambda: not busy(session))
            await desk.key(Qt.Key.Key_Return, widget=desk.canvas)
            assert session.document.layers[-1].pixels.read()[25, 205, 3] == 255
            assert desk.session.job is None
            assert (engine.started, engine.closed) == (2, 1)

        tell(story, make_engine=lambda: engine)

    def test_the_edit_of_another_document_says_that_it_waits(self, tell: Tell, photo: Path) -> None:
        engine = OnDemand()

        async def story(desk: Desk) -> None:
            one, other = await desk.open(photo), await desk.open(photo)
            for session in (one, other):
                session.set_draft(variations=1)
                paint(session)
            one.run()
            await until(lambda: one.job is not None and one.job.fraction > 0)
            other.run()
            await until(lambda: other.job is not None and other.job.doing == "Waiting for another edit")
            engine.go_on.set()
            await until(lambda: not busy(other))
            assert engine.started == 2

        tell(story, make_engine=lambda: engine)


class TestAssessing:
    def test_the_engine_is_asked_with_the_working_size_and_only_the_newest_answer_counts(
        self, tell: Tell, photo: Path
    ) -> None:
        asked: list[AssessRequest] = []

        class Knowing(OnDemand):
            def run(self, request: Any) -> Reports[Any]:
                if not isinstance(request, AssessRequest):
                    return (yield from super().run(request))
                asked.append(request)
                yield Progress(0.0, "Looking")
                return Assessment(f"{request.working.width} wide", True)

        async def story(desk: Desk) -> None:
            session = await desk.open(photo)
            paint(session)
            session.choose_model(model())
            session.choose_method(PixelsSettings)
            found: list[Assessment | None] = []
            session.assess(found.append)
            session.set_draft(guidance_scale=1.0)
            session.assess(found.append)
            await until(lambda: found)
            assert (asked[-1].model, asked[-1].guidance) == (model().key, False)
            assert found == [Assessment(f"{asked[0].working.width} wide", True)]
            session.choose_method(QuickFillSettings)
            session.choose_model(None)
            session.assess(found.append)
            await until(lambda: len(found) == 2)
            assert found[1] is None

        tell(story, make_engine=Knowing)


class TestClosing:
    def test_nothing_arrives_at_a_document_that_was_closed(
        self, tell: Tell, photo: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        engine = OnDemand()
        gate = threading.Event()
        arrived: list[object] = []

        def slow(source: Path | bytes, name: str) -> Picture:
            gate.wait(10)
            return read_image(source, name)

        monkeypatch.setattr(editing, "read_image", slow)

        async def story(desk: Desk) -> None:
            session = await desk.open(photo)
            session.read(photo, "flower", arrived.append)
            image = np.zeros((20, 20, 3), np.uint8)
            request = SegmentRequest(image, session.document.rect, points=((5.0, 5.0, True),))
            session.segment(request, arrived.append)
            await until(lambda: engine.started)
            desk.application.close_document(session)
            await until(lambda: not desk.application.sessions)
            gate.set()
            engine.go_on.set()
            await until(lambda: engine.closed)
            await asyncio.sleep(0.05)
            assert arrived == []

        tell(story, make_engine=lambda: engine)

    def test_asking_twice_closes_once_and_quietly(self, tell: Tell, photo: Path) -> None:
        engine = OnDemand()

        async def story(desk: Desk) -> None:
            session = await desk.open(photo)
            paint(session)
            session.history.mark_saved()
            session.run()
            await until(lambda: engine.started)
            desk.application.close_document(session)
            desk.application.close_document(session)
            await until(lambda: not desk.application.sessions)
            await asyncio.sleep(0.05)
            assert desk.window.start_page.notices.messages == []
            assert engine.closed == 1

        tell(story, make_engine=lambda: engine)

    def test_asking_twice_with_changes_is_one_question(self, tell: Tell, photo: Path) -> None:
        async def story(desk: Desk) -> None:
            session = await desk.open(photo)
            paint(session)
            desk.application.close_document(session)
            desk.application.quit()
            desk.application.close_document(session)
            await until(lambda: [box for box in desk.window.findChildren(QMessageBox) if box.isVisible()])
            await asyncio.sleep(0.05)
            assert len([box for box in desk.window.findChildren(QMessageBox) if box.isVisible()]) == 1
            await desk.answer("Cancel")
            await asyncio.sleep(0.05)
            assert desk.application.sessions == [session]

        tell(story)

    def test_quitting_during_a_run_ends_it(self, tell: Tell, photo: Path) -> None:
        engine = OnDemand()

        async def story(desk: Desk) -> None:
            session = await desk.open(photo)
            paint(session)
            session.run()
            await until(lambda: engine.started)
            await by_hand(desk.window.close)
            await desk.answer("Discard")
            await until(desk.application.finished.is_set)
            await until(lambda: engine.closed == 1)

        tell(story, make_engine=lambda: engine)

    def test_what_was_painted_while_saving_is_asked_about_again(
        self, tell: Tell, photo: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        writing, gate = threading.Event(), threading.Event()

        def slow(path: Path, document: Document) -> None:
            writing.set()
            gate.wait(10)
            save_project(path, document)

        monkeypatch.setattr("app.documents.save_project", slow)

        async def story(desk: Desk) -> None:
            session = await desk.open(photo)
            session.path = tmp_path / "one.palimpsest"
            paint(session, 20)
            desk.application.close_document(session)
            await desk.answer("Save")
            await until(writing.is_set)
            paint(session, 200)
            gate.set()
            await desk.answer("Save")
            await until(lambda: not desk.application.sessions)
            saved, _ = read_document(tmp_path / "one.palimpsest")
            assert (saved.strength.read()[20:30, 200:210] == 1).all()

        tell(story)

    def test_a_closed_document_gives_its_memory_back(self, tell: Tell, photo: Path) -> None:
        async def story(desk: Desk) -> None:
            session = await desk.open(photo)
            paint(session)
            session.run()
            await desk.finished()
            session.accept()
            await until(lambda: desk.application.settings.values.recent)
            session.history.mark_saved()
            gone = ref(session.history)
            desk.application.close_document(session)
            del session
            await until(lambda: not desk.application.sessions)
            await asyncio.sleep(0.1)
            gc.collect()
            await until(lambda: gone() is None, timeout=5)

        tell(story)


class TestSaving:
    def test_the_later_of_two_saves_stays(
        self, tell: Tell, photo: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        gates = [threading.Event(), threading.Event()]
        calls: list[Document] = []
        written: list[Document] = []

        def slow(path: Path, document: Document) -> None:
            calls.append(document)
            gates[len(calls) - 1].wait(5)
            save_project(path, document)
            written.append(document)

        monkeypatch.setattr("app.documents.save_project", slow)

        async def story(desk: Desk) -> None:
            session = await desk.open(photo)
            session.path = tmp_path / "one.palimpsest"
            paint(session, 20)
            desk.application.save(session)
            await until(lambda: calls)
            paint(session, 200)
            desk.application.save(session)
            gates[1].set()  # the second would be through first
            await asyncio.sleep(0.1)
            gates[0].set()
            await until(lambda: len(written) == 2)
            await until(lambda: not session.history.unsaved)
            saved, _ = read_document(tmp_path / "one.palimpsest")
            assert (saved.strength.read()[20:30, 200:210] == 1).all()

        tell(story)

    def test_a_project_that_is_opened_twice_at_once_is_one_document(
        self, tell: Tell, photo: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        path = tmp_path / "one.palimpsest"
        save_project(path, read_document(photo)[0])
        monkeypatch.chdir(tmp_path)

        async def story(desk: Desk) -> None:
            desk.application.open_paths([path])
            desk.application.open_paths([Path("one.palimpsest")])
            await until(lambda: desk.application.sessions)
            await asyncio.sleep(0.1)
            assert [session.path for session in desk.application.sessions] == [path]

        tell(story)


def test_words_for_people_are_whole_sentences() -> None:
    for error in (runner.out_of_memory(), runner.internal_error()):
        assert error.message.endswith(".")
        assert error.advice.endswith(".")
