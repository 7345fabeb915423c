"""Stories of stops over a tiny real model: real window, real worker, real events."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from PySide6.QtCore import QPoint, Qt
from PySide6.QtTest import QTest

import resources
from editor.edits.dispatch import make_request
from editor.engine import Engine
from editor.errors import OutOfMemory
from editor.methods.quick_fill.settings import QuickFillSettings
from editor.models.library import Library
from editor.requests.results import EditResult
from tests.app.conftest import Tell
from tests.support.program import Desk, by_hand
from tests.support.reports import drive
from tests.support.waiting import until
from tests.support.watched_models import Watched
from widgets.controls.slider import Slider
from widgets.session import edits
from widgets.session.edit_job import EditJob
from widgets.session.session import Session

METHOD = "Blend and repaint · PIXELS"
BUD = [(560, 360), (580, 380), (600, 390)]
STEM = [(460, 330), (470, 340)]


@pytest.fixture(autouse=True)
def nothing_left(watched: Watched) -> Iterator[None]:
    """After every story: the model as it came, and no thread of ours."""
    yield
    assert not watched.loaded or watched.unchanged(), "something of the model was altered"
    assert watched.running == []


async def begin(desk: Desk, photo: Path, *, wanted: str = "on") -> Session:
    """The photo with a stroke on it and PIXELS in hand."""
    desk.application.settings.set(scrub=wanted)
    session = await desk.open(photo)
    await until(session.models)
    await desk.pick("Method", METHOD)
    session.set_draft(steps=8, strength=0.75, variations=1)
    await desk.key(Qt.Key.Key_B)
    session.set_brush(size=60)
    await desk.drag(BUD)
    return session


async def made(desk: Desk, session: Session) -> EditResult:
    """The edit has run."""
    await by_hand(session.run)
    await until(lambda: session.job is not None and session.job.state == "ready", timeout=30)
    assert session.laid is not None
    return session.laid


async def all_made(session: Session) -> None:
    await until(lambda: len(session.scrub.marks("strength")) == 8, timeout=30)


def asks(session: Session) -> bool:
    return session.scrub.pending is not None


def by_itself(edit_job: EditJob, models: Path) -> EditResult:
    """What a run by itself makes of it."""
    request = make_request(edit_job.document, edit_job.draft, edit_job.planned, edit_job.methods)
    return drive(Engine(lambda: Library((models,), cache=Path("/nowhere"))).run(request))


def same(one: EditResult, other: EditResult) -> bool:
    return one.rect == other.rect and one.recipe == other.recipe and np.array_equal(one.pixels, other.pixels)


def strength_slider(desk: Desk) -> Slider:
    return next(one for one in desk.edit.findChildren(Slider) if one.accessibleName() == "Overall strength")


async def drag_to(slider: Slider, value: float) -> None:
    """By the pointer, from wherever it is."""
    left, at = QPoint(4, slider.height() // 2), QPoint(round(value * slider.width()), slider.height() // 2)
    button = Qt.MouseButton.LeftButton
    await by_hand(lambda: QTest.mousePress(slider, button, Qt.KeyboardModifier.NoModifier, left))
    await by_hand(lambda: QTest.mouseMove(slider, at))
    await by_hand(lambda: QTest.mouseRelease(slider, button, Qt.KeyboardModifier.NoModifier, at))
    assert abs(slider.value - value) < 0.01


def test_moving_the_strength_after_a_run_shows_stops_and_enter_keeps_what_is_seen(
    tell: Tell, photo: Path, boats: Path, watched: Watched
) -> None:
    async def story(desk: Desk) -> None:
        session = await begin(desk, photo)
        base = await made(desk, session)
        await all_made(session)
        slider = strength_slider(desk)
        await drag_to(slider, 0.49)
        shown = session.scrub.shown
        assert shown is not None
        assert shown.edit_job.draft.strength == 0.5
        assert session.laid is shown.result
        assert desk.says("Shown: overall strength 50\u202f%, the nearest that is ready")
        assert same(shown.result, by_itself(shown.edit_job, boats.parent))
        assert not np.array_equal(shown.result.pixels, base.pixels)
        await drag_to(slider, 0.75)
        assert session.laid is base
        await drag_to(slider, 0.25)
        kept = session.laid
        assert kept is not None
        await by_hand(session.accept)
        await until(lambda: len(session.document.layers) == 2)
        layer = session.document.layers[-1]
        assert layer.recipe == kept.recipe
        assert np.array_equal(layer.pixels.read(kept.rect), kept.pixels)
        assert session.scrub.pending is None

    tell(story)


def test_live_shows_stops_at_once_and_the_exact_value_at_rest(
    tell: Tell, photo: Path, boats: Path, watched: Watched
) -> None:
    async def story(desk: Desk) -> None:
        session = await begin(desk, photo)
        await desk.key(Qt.Key.Key_A)
        await until(lambda: session.live.state == "current", timeout=30)
        first = session.live.result
        await all_made(session)
        await by_hand(lambda: session.set_draft(strength=0.4))
        nearest = session.laid
        assert nearest is not first
        assert nearest is not None
        assert nearest.recipe.strength == 0.375
        await until(lambda: session.live.state == "current" and session.live.result is not first, timeout=30)
        candidate = session.live.candidate
        assert candidate is not None
        assert session.laid is candidate.result
        assert candidate.result.recipe.strength == 0.4
        assert same(candidate.result, by_itself(candidate.edit_job, boats.parent))
        # A stroke changes everything, and the steps that live kept are still there.
        session.set_options(value=0.3)
        await desk.drag(STEM)
        await until(lambda: session.live.state == "current" and session.live.result is not candidate.result, timeout=30)
        outcome, last = session.live.outcome, session.live.candidate
        assert outcome is not None
        assert last is not None
        assert outcome.evaluations is not None
        assert outcome.promise is not None
        assert outcome.evaluations <= outcome.promise
        assert same(last.result, by_itself(last.edit_job, boats.parent))

    tell(story)


def test_a_reference_picture_is_kept_as_firmly_as_its_slider_says(
    *, tell: Tell, photo: Path, boats: Path, watched: Watched, tmp_path: Path
) -> None:
    async def story(desk: Desk) -> None:
        session = await begin(desk, photo)
        cat = tmp_path / "cat.png"
        with resources.photo("chelsea.png") as path:
            cat.write_bytes(path.read_bytes())
        exemplar = await desk.drop_exemplar(cat, 300, 200)
        session.set_draft(prompt="a cat")
        base = await made(desk, session)
        await by_hand(lambda: edits.set_exemplar_fidelity(session, exemplar.id, 0.5))
        assert session.laid is base
        await until(lambda: session.scrub.shown is not None and session.scrub.exact, timeout=30)
        stop = session.scrub.shown
        assert stop is not None
        assert same(stop.result, by_itself(stop.edit_job, boats.parent))
        assert not np.array_equal(stop.result.pixels, base.pixels)
        await by_hand(lambda: edits.set_exemplar_fidelity(session, exemplar.id, 0.0))
        assert session.laid is base
        await by_hand(lambda: session.set_draft(guidance_scale=3.0))
        await until(lambda: session.scrub.shown is not None and session.scrub.exact, timeout=30)
        guided = session.scrub.shown
        assert guided is not None
        assert guided.result.recipe.guidance_scale == 3.0
        assert same(guided.result, by_itself(guided.edit_job, boats.parent))
        await by_hand(session.accept)
        await until(lambda: len(session.document.layers) == 2)
        assert session.document.layers[-1].recipe == guided.result.recipe

    tell(story)


@pytest.mark.parametrize("method", ["QuickFillSettings", "BlendedSettings"])
def test_methods_without_steps_that_are_kept_have_stops_too(
    *, tell: Tell, photo: Path, boats: Path, watched: Watched, method: str
) -> None:
    async def story(desk: Desk) -> None:
        session = await begin(desk, photo)
        kind = next(one.settings for one in session.methods if one.settings.__name__ == method)
        await by_hand(lambda: session.choose_method(kind))
        await by_hand(lambda: session.set_draft(strength=1.0, prompt="a boat"))
        base = await made(desk, session)
        await by_hand(lambda: session.set_draft(strength=0.5))
        await until(lambda: session.scrub.shown is not None and session.scrub.exact, timeout=30)
        stop = session.scrub.shown
        assert stop is not None
        assert same(stop.result, by_itself(stop.edit_job, boats.parent))
        assert not np.array_equal(stop.result.pixels, base.pixels)

    tell(story)


def test_a_stroke_ends_a_stop_within_one_report(tell: Tell, photo: Path, boats: Path, watched: Watched) -> None:
    async def story(desk: Desk) -> None:
        session = await begin(desk, photo)
        await made(desk, session)
        watched.begin(hold_at=2)
        await watched.at_gate()
        assert asks(session)
        await desk.drag(STEM)
        assert not asks(session)
        watched.let_go()
        await until(lambda: not desk.application._runner._pending)
        assert watched.calls == 2  # the step that was under way, and none after it
        assert session.scrub.shown is None

    tell(story)


@pytest.mark.parametrize("end", ["edit", "other document", "closed", "quit", "method", "discard", "accept", "off"])
def test_it_ends_cleanly_in_the_middle_of_a_stop(
    *, tell: Tell, photo: Path, boats: Path, watched: Watched, end: str, tmp_path: Path
) -> None:
    async def story(desk: Desk) -> None:
        session = await begin(desk, photo)
        await made(desk, session)
        watched.begin(hold_at=2)
        await watched.at_gate()
        if end == "edit":
            await by_hand(session.run)
        elif end == "other document":
            other = tmp_path / "other.jpg"
            other.write_bytes(photo.read_bytes())
            await desk.open(other)
        elif end == "closed":
            await by_hand(lambda: desk.application.close_document(session))
            await desk.answer("Discard")
            await until(lambda: not desk.application.sessions)
        elif end == "method":
            await by_hand(lambda: session.choose_method(QuickFillSettings))
        elif end == "discard":
            await by_hand(session.discard)
        elif end == "accept":
            await by_hand(session.accept)
        elif end == "off":
            desk.application.settings.set(scrub="off")
        watched.let_go()
        if end == "closed":  # nor is anything kept for it
            await until(lambda: not desk.application._runner._pending)
            engine = desk.application._runner._worker._engine
            assert not engine._live_runs._runs  # type: ignore[union-attr]
        elif end == "edit":
            await until(lambda: session.job is not None and session.job.state == "ready", timeout=30)
            assert watched.calls >= 2 + 6
            await all_made(session)
        elif end == "accept":
            assert len(session.document.layers) == 2
        elif end == "other document":  # it goes on behind the other one
            await all_made(session)

    tell(story)


def test_a_full_memory_costs_the_stops_and_nothing_else(tell: Tell, photo: Path, boats: Path, watched: Watched) -> None:
    async def story(desk: Desk) -> None:
        session = await begin(desk, photo)
        base = await made(desk, session)
        watched.fail = OutOfMemory("The memory is full.", "Make the picture smaller.")
        await until(lambda: watched.fail is None and session.scrub.pending is None, timeout=30)
        assert session.laid is base
        assert not desk.says("The memory is full")
        session.set_draft(strength=0.2)
        assert session.laid is base
        assert session.scrub.words == ""

    tell(story)


def test_on_a_processor_it_is_off_until_somebody_wants_it(
    tell: Tell, photo: Path, boats: Path, watched: Watched
) -> None:
    async def story(desk: Desk) -> None:
        session = await begin(desk, photo, wanted="automatic")
        await made(desk, session)
        calls = watched.calls
        await until(lambda: session.scrub.pending is not None)
        await until(lambda: session not in desk.application._editing._scrubs)
        assert watched.calls == calls
        desk.application.settings.set(scrub="on")
        await all_made(session)

    tell(story)
