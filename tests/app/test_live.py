"""Stories of the live picture over a tiny real model: real window, real worker, real events."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from PySide6.QtCore import Qt
from PySide6.QtWidgets import QToolButton

import resources
from editor import engine
from editor.edits.dispatch import make_request
from editor.engine import Engine
from editor.errors import OutOfMemory
from editor.live_runs import LiveRuns
from editor.methods.quick_fill.settings import QuickFillSettings
from editor.models.library import Library
from editor.requests.results import EditResult
from tests.app.conftest import Tell
from tests.support.program import Desk, by_hand
from tests.support.reports import drive
from tests.support.waiting import until
from tests.support.watched_models import Watched
from widgets.session.run_actions import run_again
from widgets.session.session import Session

METHOD = "Blend and repaint · PIXELS"
BUD = [(560, 360), (580, 380), (600, 390)]
STEM = [(460, 330), (470, 340)]


@pytest.fixture(autouse=True)
def nothing_left(watched: Watched) -> Iterator[None]:
    """After every story: the model as it came, and no thread of ours."""
    yield
    assert watched.unchanged(), "something of the model was altered"
    assert watched.running == []


async def begin(desk: Desk, photo: Path) -> Session:
    """The photo with PIXELS in hand, and live on."""
    session = await desk.open(photo)
    await until(session.models)
    await desk.pick("Method", METHOD)
    session.set_draft(steps=8, strength=0.75)
    await desk.key(Qt.Key.Key_B)
    session.set_brush(size=60)
    await desk.key(Qt.Key.Key_A)
    assert session.live.on
    return session


async def current(session: Session) -> EditResult:
    await until(lambda: session.live.state == "current", timeout=30)
    result = session.live.result
    assert result is not None
    return result


def fresh(session: Session, models: Path) -> EditResult:
    """What a run by itself makes of the state that live shows."""
    candidate = session.live.candidate
    assert candidate is not None
    of = candidate.edit_job
    request = make_request(of.document, of.draft, of.planned, of.methods)
    return drive(Engine(lambda: Library((models,), cache=Path("/nowhere"))).run(request))


def same(one: EditResult, other: EditResult) -> bool:
    return one.rect == other.rect and one.recipe == other.recipe and np.array_equal(one.pixels, other.pixels)


def test_the_picture_follows_the_brush_and_enter_keeps_it(
    tell: Tell, photo: Path, boats: Path, watched: Watched
) -> None:
    async def story(desk: Desk) -> None:
        session = await begin(desk, photo)
        await desk.drag(BUD)
        first = await current(session)
        assert session.laid is first
        assert watched.calls == 6  # three quarters of eight steps
        # A faint stroke elsewhere costs its own share only.
        session.set_options(value=0.3)
        await desk.drag(STEM)
        second = await current(session)
        outcome = session.live.outcome
        assert outcome is not None
        assert outcome.evaluations is not None
        assert outcome.evaluations <= 3
        assert watched.calls == 6 + outcome.evaluations
        assert same(second, fresh(session, boats.parent))
        # Undo shows the earlier one at once, and redo the later one.
        calls = watched.calls
        await desk.key(Qt.Key.Key_Z, Qt.KeyboardModifier.ControlModifier)
        await until(lambda: session.live.outcome is not outcome)
        assert same(await current(session), first)
        undone = session.live.outcome
        session.redo()
        await until(lambda: session.live.outcome is not undone)
        assert same(await current(session), second)
        assert watched.calls == calls
        await desk.key(Qt.Key.Key_Return)
        await until(lambda: len(session.document.layers) == 2)
        layer = session.document.layers[-1]
        assert layer.recipe == second.recipe
        assert np.array_equal(layer.pixels.read(second.rect), second.pixels)
        assert session.live.on

    tell(story)


def test_a_stroke_while_it_computes_interrupts_and_goes_on_from_there(
    tell: Tell, photo: Path, boats: Path, watched: Watched
) -> None:
    async def story(desk: Desk) -> None:
        session = await begin(desk, photo)
        watched.begin(hold_at=3)
        await desk.drag(BUD)
        await watched.at_gate()
        assert session.live.state == "computing"
        session.set_options(value=0.3)
        await desk.drag(STEM)
        watched.let_go()
        result = await current(session)
        assert same(result, fresh(session, boats.parent))
        outcome = session.live.outcome
        assert outcome is not None
        # What was computed before the stroke still holds: the faint one begins later than that.
        assert outcome.evaluations is not None
        assert outcome.evaluations <= 4

    tell(story)


def test_escape_leaves_everything_as_it_was(tell: Tell, photo: Path, boats: Path, watched: Watched) -> None:
    async def story(desk: Desk) -> None:
        session = await begin(desk, photo)
        await desk.drag(BUD)
        await current(session)
        document = session.document
        await desk.key(Qt.Key.Key_Escape)
        assert not session.live.on
        assert session.document is document
        assert session.laid is None
        # In the middle of a round as well.
        watched.begin(hold_at=2)
        await desk.key(Qt.Key.Key_A)
        await watched.at_gate()
        await desk.key(Qt.Key.Key_Escape)
        watched.let_go()
        await until(lambda: session.live.state == "idle")
        assert (session.document, session.laid) == (document, None)

    tell(story)


def test_a_reopened_layer_is_changed_live_and_replaced(tell: Tell, photo: Path, boats: Path, watched: Watched) -> None:
    async def story(desk: Desk) -> None:
        session = await begin(desk, photo)
        await desk.drag(BUD)
        await current(session)
        await desk.key(Qt.Key.Key_Return)
        await until(lambda: len(session.document.layers) == 2)
        await desk.key(Qt.Key.Key_Escape)
        layer = session.document.layers[-1]
        run_again(session, layer.id)
        await desk.key(Qt.Key.Key_A)
        first = await current(session)
        assert first.recipe.seed == session.live.seed == layer.recipe.seed  # type: ignore[union-attr]
        assert np.array_equal(first.pixels, layer.pixels.read(first.rect))  # nothing has been changed yet
        session.set_options(value=0.4)
        await desk.drag(STEM)
        await until(lambda: session.live.result is not first)
        second = await current(session)
        assert same(second, fresh(session, boats.parent))
        await desk.key(Qt.Key.Key_Return)
        await until(lambda: session.document.rerun is None)
        assert len(session.document.layers) == 2
        replaced = session.document.layer(layer.id) or session.document.layers[-1]
        assert np.array_equal(replaced.pixels.read(second.rect), second.pixels)

    tell(story)


def test_an_exemplar_that_is_moved_is_seen_where_it_is(
    *, tell: Tell, photo: Path, boats: Path, watched: Watched, tmp_path: Path
) -> None:
    async def story(desk: Desk) -> None:
        session = await begin(desk, photo)
        cat = tmp_path / "cat.png"
        with resources.photo("chelsea.png") as path:
            cat.write_bytes(path.read_bytes())
        exemplar = await desk.drop_exemplar(cat, 300, 200)
        first = await current(session)
        assert session.live.shows(session.document)
        moved = replace(exemplar, placement=exemplar.placement.moved(40, 10))
        session.commit("Move", session.document.with_exemplar(moved))
        await until(lambda: session.live.result is not first)
        second = await current(session)
        assert same(second, fresh(session, boats.parent))
        assert not same(first, second)

    tell(story)


def test_a_click_to_select_answers_while_it_computes(tell: Tell, photo: Path, boats: Path, watched: Watched) -> None:
    async def story(desk: Desk) -> None:
        session = await begin(desk, photo)
        await desk.drag(BUD)
        await current(session)
        watched.begin(hold_at=2)
        session.set_draft(prompt="a boat")
        await watched.at_gate()
        await desk.key(Qt.Key.Key_W)
        await desk.press(320, 200)
        await desk.release(320, 200)
        watched.let_go()
        await until(lambda: not session.document.selection.blank)
        # What is selected is what the edit is about now; it lies elsewhere, and so does the frame.
        await until(lambda: session.live.job is not None and session.live.job.planned.region == "selection")
        assert same(await current(session), fresh(session, boats.parent))

    tell(story)


def test_an_error_in_the_middle_is_a_sentence_and_the_next_stroke_works(
    tell: Tell, photo: Path, boats: Path, watched: Watched
) -> None:
    async def story(desk: Desk) -> None:
        session = await begin(desk, photo)
        await desk.drag(BUD)
        first = await current(session)
        watched.fail = OutOfMemory("The memory is full.", "Make the picture smaller.")
        session.set_options(value=0.5)
        await desk.drag(STEM)
        await until(lambda: session.live.state == "failed")
        assert session.laid is first
        session.set_options(value=0.4)
        await desk.drag(STEM)
        assert same(await current(session), fresh(session, boats.parent))

    tell(story)


@pytest.mark.parametrize("end", ["other document", "closed", "quit", "method"])
def test_it_ends_cleanly_in_the_middle_of_a_round(
    *, tell: Tell, photo: Path, boats: Path, watched: Watched, end: str, tmp_path: Path
) -> None:
    async def story(desk: Desk) -> None:
        session = await begin(desk, photo)
        await desk.drag(BUD)
        await current(session)
        watched.begin(hold_at=2)
        session.set_draft(prompt="a boat")
        await watched.at_gate()
        if end == "other document":
            other = tmp_path / "other.jpg"
            other.write_bytes(photo.read_bytes())
            await desk.open(other)
        elif end == "closed":
            await by_hand(lambda: desk.application.close_document(session))
            await desk.answer("Discard")
        elif end == "method":
            session.choose_method(QuickFillSettings)
        watched.let_go()
        if end in ("other document", "method"):
            await current(session)

    tell(story)


@pytest.mark.parametrize(
    "end", ["between rounds", "in a round", "quit", "switched off just before", "painting not yet followed"]
)
def test_nothing_is_kept_of_the_live_picture_of_a_closed_document(
    *, tell: Tell, photo: Path, boats: Path, watched: Watched, end: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    kept: list[LiveRuns] = []

    class Seen(LiveRuns):
        def __init__(self, max_bytes: int) -> None:
            super().__init__(max_bytes)
            kept.append(self)

    monkeypatch.setattr(engine, "LiveRuns", Seen)

    async def story(desk: Desk) -> None:
        session = await begin(desk, photo)
        await desk.drag(BUD)
        await current(session)
        (runs,) = kept
        assert len(runs) == 1
        if end == "in a round":
            watched.begin(hold_at=2)
            session.set_draft(prompt="a boat")
            await watched.at_gate()
        elif end == "switched off just before":
            session.live.switch(False)
        elif end == "painting not yet followed":
            session.set_draft(prompt="a boat")  # rests for a moment first
        if end == "quit":
            await by_hand(desk.application.quit)
        else:
            await by_hand(lambda: desk.application.close_document(session))
        await desk.answer("Discard")
        await until(lambda: session not in desk.application.sessions)
        watched.let_go()
        await until(lambda: len(runs) == 0)
        assert not session.live.on

    tell(story)


def test_the_toggle_beside_the_button_says_what_it_does(tell: Tell, photo: Path, boats: Path, watched: Watched) -> None:
    async def story(desk: Desk) -> None:
        session = await begin(desk, photo)
        toggle = next(button for button in desk.edit.findChildren(QToolButton) if button.accessibleName() == "Live")
        assert toggle.isChecked()
        assert desk.says("paint, and the picture follows")
        await desk.drag(BUD)
        await current(session)
        assert desk.says("6 of 6 steps")
        assert desk.says("Enter keeps it, Esc leaves")
        await desk.click(toggle)
        assert not session.live.on
        assert not desk.says("Live")
        await by_hand(toggle.click)
        await current(session)

    tell(story)
