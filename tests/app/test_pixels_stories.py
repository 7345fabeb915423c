"""Whole stories of PIXELS over a tiny real model: real window, real worker, real events."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray
from PySide6.QtCore import Qt
from PySide6.QtTest import QTest
from PySide6.QtWidgets import QApplication, QWidget

import resources
from app.documents import read_document
from editor.document.compose import flatten
from editor.document.document import Document
from editor.edits.dispatch import make_request
from editor.geometry import Rect
from editor.methods.blended_latent_diffusion.settings import BlendedSettings
from editor.methods.pixels.settings import PixelsSettings
from editor.methods.quick_fill.settings import QuickFillSettings
from editor.planning.plan import STRENGTHS
from editor.requests.reports import Preview
from editor.requests.results import EditResult
from tests.app.conftest import Tell
from tests.support.program import Desk, by_hand
from tests.support.waiting import until
from tests.support.watched_models import Watched
from widgets.session.job import Job
from widgets.session.session import Session
from widgets.shell.notices import Notices
from widgets.variations.strip import Variations

METHOD = "Blend and repaint · PIXELS"
CONTROL = Qt.KeyboardModifier.ControlModifier


@pytest.fixture(autouse=True)
def nothing_left(watched: Watched) -> Iterator[None]:
    """After every story: the model as it came, and no thread of ours."""
    yield
    assert watched.loaded, "no model was loaded"
    assert watched.unchanged(), "something of the model was altered"
    assert watched.threads
    assert watched.running == []


@pytest.fixture
def every_preview(monkeypatch: pytest.MonkeyPatch) -> None:
    """Tiny models are too quick for the intervals between previews."""
    monkeypatch.setattr("editor.diffusion.previews.INTERVAL", 0.0)
    monkeypatch.setattr("app.runner.PREVIEW_INTERVAL", 0.0)


async def begin(desk: Desk, photo: Path, **draft: object) -> Session:
    """Open the photo and choose the method and the model in the panel."""
    session = await desk.open(photo)
    await until(session.models)
    await desk.pick("Method", METHOD)
    await desk.pick("Model", "boats")
    session.set_draft(**{"variations": 1, "steps": 8, **draft})
    return session


async def paint(desk: Desk) -> None:
    """Strength over the bud in the lower right corner."""
    await desk.key(Qt.Key.Key_B)
    desk.session.set_brush(size=60)
    await desk.drag([(560, 360), (580, 380), (600, 390)])


def watch_previews(session: Session) -> list[tuple[float, Preview]]:
    """What arrives from now on, each with how far the run was."""
    seen: list[tuple[float, Preview]] = []

    def look() -> None:
        job = session.job
        if job is not None and job.preview is not None and all(each is not job.preview for _, each in seen):
            seen.append((job.fraction, job.preview))

    session.jobs.progressed.connect(look)
    return seen


def effect(session: Session, job: Job) -> tuple[Rect, NDArray[np.bool_]]:
    """Of the job's request: its frame, and where anything may change in it."""
    request = make_request(job.edit_job.document, job.edit_job.draft, job.edit_job.planned)
    return request.frame.rect, request.strength > 0


def within(preview: Preview, frame: Rect, free: NDArray[np.bool_]) -> bool:
    """Whether it covers the frame and shows nothing where nothing may change."""
    return preview.rect == frame and preview.pixels.shape[:2] == free.shape and not preview.pixels[..., 3][~free].any()


def same_bytes(one: EditResult, other: EditResult) -> bool:
    return one.rect == other.rect and np.array_equal(one.pixels, other.pixels)


def only_result(job: Job) -> EditResult:
    assert job.state == "ready", job.error
    (result,) = job.candidates.results
    return result


def untouched(before: Document, after: Document, where: NDArray[np.bool_]) -> bool:
    return not (flatten(before) != flatten(after)).any(axis=-1)[where].any()


@pytest.mark.usefixtures("boats", "every_preview")
def test_blend_two_exemplars_from_the_drop_to_the_same_bytes_again(
    tell: Tell, photo: Path, tmp_path: Path, watched: Watched
) -> None:
    async def story(desk: Desk) -> None:
        session = await begin(desk, photo)
        opened = session.document
        assert isinstance(session.draft.settings, PixelsSettings)
        assert session.draft.model is not None
        assert session.draft.model.name == "boats"
        assert desk.says("Paint where it may change, or drop a picture onto the canvas.")

        # Two exemplars, then a click beside them lets go of the second, and the brush paints the picture's own strength.
        with resources.photo("chelsea.png") as cat, resources.photo("coffee.png") as cup:
            await desk.drop_exemplar(cat, 180, 150)
            await desk.drop_exemplar(cup, 400, 250)
        await desk.drag([(620, 20), (620, 20)])
        assert session.draft.exemplar is None
        await paint(desk)
        painted = session.document
        assert painted.strength.read()[380, 580] == 1
        assert desk.edit.button.text() == "Blend 2 reference pictures"

        # Press the button; previews arrive, each within the frame, and the third step waits while it is stopped.
        previews = watch_previews(session)
        watched.begin(hold_at=3)
        await desk.press_button()
        await watched.at_gate()
        await until(lambda: len(previews) == 2)
        assert session.job is not None
        assert session.job.state == "running"
        assert desk.edit.button.text() == "Stop"
        await desk.press_button()
        await until(lambda: session.job is None, timeout=1)  # nobody has to wait for the step
        watched.let_go()
        assert session.document is painted

        # Again, to the end.
        previews.clear()
        await desk.press_button()
        assert session.job is not None
        frame, free = effect(session, session.job)
        result = only_result(await desk.finished())
        assert watched.calls == 3 + len(previews), "it went on after the step in which it was stopped"
        assert len(previews) >= 8 * session.draft.strength
        assert [at for at, _ in previews] == sorted(at for at, _ in previews)
        assert all(within(each, frame, free) for _, each in previews)
        assert not np.array_equal(previews[0][1].pixels, previews[-1][1].pixels)
        assert session.document is painted, "nothing may change before it is accepted"
        assert result.recipe.model == session.draft.model.key

        await desk.key(Qt.Key.Key_Return)
        blended = session.document
        assert session.document.strength.blank, "some of what was painted was not used up"
        assert desk.says("Paint where it may change, or drop a picture onto the canvas.")
        kept = np.ones(opened.size.shape, bool)
        kept[frame.slices] = ~free
        assert untouched(opened, blended, kept), "a pixel changed where nothing may"
        assert (flatten(opened) != flatten(blended)).any()
        assert len(blended.layers) == 2
        await desk.do("edit.undo")
        assert session.document.same_as(painted)
        await desk.do("edit.redo")
        assert session.document is blended

        # Save, and run the layer's edit again, unchanged: here, and in what was saved.
        await desk.do("file.save")
        await desk.choose_file(tmp_path / "blended.palimpsest")
        await until(lambda: not session.history.unsaved)
        await run_again(desk, result)
        await desk.do("file.close")
        await desk.answer("Discard")
        await until(lambda: not desk.application.sessions)
        loaded = await desk.open(tmp_path / "blended.palimpsest")
        assert np.array_equal(flatten(loaded.document), flatten(blended))
        await run_again(desk, result)

    async def run_again(desk: Desk, first: EditResult) -> None:
        session = desk.session
        session.activate_layer(session.document.layers[-1].id)
        await desk.do("run.again")
        session.set_draft(variations=1)  # as many as before are made otherwise
        assert session.draft.seed == first.recipe.seed
        assert desk.edit.button.text() == "Blend 2 reference pictures"
        await desk.press_button()
        again = only_result(await desk.finished())
        assert again.recipe == first.recipe
        assert same_bytes(again, first)

    tell(story)


@pytest.mark.usefixtures("boats")
def test_queue_another_while_one_runs(tell: Tell, photo: Path, watched: Watched) -> None:
    async def story(desk: Desk) -> None:
        session = await begin(desk, photo, seed=5)
        await paint(desk)
        watched.begin(hold_at=2)
        await desk.press_button()
        await watched.at_gate()
        session.set_draft(seed=6)
        await desk.link("Queue another")
        assert session.job is not None
        assert len(session.job.waiting) == 1
        watched.let_go()
        job = await desk.finished()
        assert [result.recipe.seed for result in job.candidates.results] == [5, 6]
        assert not same_bytes(*job.candidates.results)

        # Enter accepts also while the button that was clicked still has the keyboard.
        desk.window.activateWindow()
        desk.edit.button.setFocus()
        await until(desk.edit.button.hasFocus)
        await desk.do("run.next")
        await desk.key(Qt.Key.Key_Return, widget=desk.edit.button)
        assert session.document.layers[-1].recipe == job.candidates.results[1].recipe
        assert not desk.edit.button.isEnabled()
        assert desk.canvas.hasFocus(), "the keyboard went to what comes next, the cross that closes the document"

    tell(story)


@pytest.mark.usefixtures("boats", "every_preview")
def test_keep_what_is_there(tell: Tell, photo: Path, watched: Watched) -> None:
    async def story(desk: Desk) -> None:
        session = await begin(desk, photo, seed=5)
        await paint(desk)
        await desk.press_button()
        whole = only_result(await desk.finished())
        session.discard()

        watched.begin(hold_at=2)
        await desk.press_button()
        await watched.at_gate()
        await until(lambda: session.job is not None and session.job.preview is not None)
        await desk.link("Keep what is there")
        watched.let_go()
        kept = only_result(await desk.finished())
        assert watched.calls == 2
        assert not same_bytes(whole, kept)
        before = session.document
        await desk.key(Qt.Key.Key_Return)
        assert session.document.layers[-1].recipe == kept.recipe
        assert untouched(before, session.document, before.strength.read() == 0)

    tell(story)


@pytest.mark.usefixtures("boats")
def test_each_of_several_strengths_is_the_run_with_it(tell: Tell, photo: Path) -> None:
    async def story(desk: Desk) -> None:
        session = await begin(desk, photo)
        await paint(desk)
        session.set_draft(seed=8)
        await desk.do("run.strengths")
        job = await desk.finished()
        results = job.candidates.results
        assert [result.recipe.strength for result in results] == list(STRENGTHS)
        assert job.candidates.strength == min(STRENGTHS, key=lambda level: abs(level - session.draft.strength))
        strip = desk.window.findChild(Variations)
        assert strip is not None
        assert len(strip.cards) == len(STRENGTHS)
        await desk.click(strip.cards[3])
        before = session.document
        await desk.key(Qt.Key.Key_Return)
        assert session.job is None
        assert len(session.document.layers) == len(before.layers) + 1
        kept = session.document.layers[-1].recipe
        assert kept is not None
        assert kept.strength == session.draft.strength == STRENGTHS[3]
        session.undo()
        await desk.do("run.run")  # plainly, with the strength that was kept
        alone = only_result(await desk.finished())
        assert same_bytes(alone, results[3])
        assert alone.recipe == kept

    tell(story)


@pytest.mark.usefixtures("boats")
def test_the_next_document_begins_with_the_method_in_hand(tell: Tell, photo: Path, tmp_path: Path) -> None:
    async def story(desk: Desk) -> None:
        session = await begin(desk, photo)
        await paint(desk)
        session.notice("Something went wrong before.", error=True)
        await desk.do("run.run")
        notices = desk.window.findChild(Notices)
        assert notices is not None
        assert "Something went wrong before." not in notices.messages
        await desk.finished()
        other = tmp_path / "other.jpg"
        other.write_bytes(photo.read_bytes())
        again = await desk.open(other)
        assert type(again.draft.settings) is PixelsSettings
        assert again.draft.model is not None
        assert again.draft.model.name == "boats"
        again.choose_method(QuickFillSettings)
        third = tmp_path / "third.jpg"
        third.write_bytes(photo.read_bytes())
        last = await desk.open(third)
        assert last.draft.settings.needs_model is False
        desk.application.models.use(again.draft.model.key)  # as on the Models page
        assert type(last.draft.settings) is BlendedSettings, "who gets a model wants to say what should be there"

    tell(story)


@pytest.mark.usefixtures("boats")
def test_the_frame_that_was_dragged_is_what_the_model_sees(tell: Tell, photo: Path) -> None:
    async def story(desk: Desk) -> None:
        session = await begin(desk, photo)
        await paint(desk)
        await desk.key(Qt.Key.Key_V)
        framing = desk.canvas.framing
        await until(lambda: framing.frame is not None)
        assert framing.frame is not None
        automatic = framing.frame.rect
        corner = automatic.left, automatic.top
        await desk.drag([corner, (corner[0] - 30, corner[1] - 20), (corner[0] - 60, corner[1] - 40)])
        chosen = session.draft.frame
        assert chosen is not None
        assert chosen.right == automatic.right
        assert chosen.left == pytest.approx(automatic.left - 60, abs=2)
        await desk.press_button()
        result = only_result(await desk.finished())
        assert result.recipe.rect == chosen
        await desk.key(Qt.Key.Key_Return)
        assert session.document.layers[-1].recipe == result.recipe

    tell(story)


@pytest.mark.usefixtures("boats")
def test_by_keyboard_alone(tell: Tell, photo: Path, tmp_path: Path) -> None:
    """Open, choose method and region, strength, run, accept, save."""

    def keyboard() -> QWidget:
        widget = QApplication.focusWidget()
        assert widget is not None
        return widget

    async def typed(key: Qt.Key, modifiers: Qt.KeyboardModifier = Qt.KeyboardModifier.NoModifier) -> None:
        widget = keyboard()
        await by_hand(lambda: QTest.keyClick(widget, key, modifiers))

    async def to_the_front(desk: Desk) -> None:
        def there() -> bool:
            desk.window.activateWindow()  # offscreen no window manager does it after a dialog
            return QApplication.focusWidget() is not None

        await until(there)

    async def tab_to(name: str) -> None:
        for _ in range(30):
            if keyboard().accessibleName().startswith(name):
                return
            await typed(Qt.Key.Key_Tab)
        pytest.fail(f"Tab never came to {name}")

    async def story(desk: Desk) -> None:
        await to_the_front(desk)
        await typed(Qt.Key.Key_O, CONTROL)
        await desk.choose_file(photo)
        await until(lambda: desk.application.sessions)
        session = desk.session
        await until(session.models)
        session.set_draft(steps=8)
        await to_the_front(desk)
        await typed(Qt.Key.Key_A, CONTROL)
        while not desk.edit.isAncestorOf(keyboard()):
            await typed(Qt.Key.Key_F6)
        await tab_to("Method")
        while not isinstance(session.draft.settings, PixelsSettings):
            await typed(Qt.Key.Key_Up)
        await tab_to("What should appear")
        for letter in (Qt.Key.Key_B, Qt.Key.Key_O, Qt.Key.Key_A, Qt.Key.Key_T):
            await typed(letter)
        await tab_to("Overall strength")
        while keyboard().accessibleName() != "Overall strength":  # past the ready-made ones
            await typed(Qt.Key.Key_Tab)
        await typed(Qt.Key.Key_Home)
        for _ in range(3):
            await typed(Qt.Key.Key_Right)
        assert session.draft.strength == pytest.approx(0.03)
        await typed(Qt.Key.Key_End)
        assert session.draft.prompt == "boat"
        assert desk.edit.button.text() == "Repaint as “boat”"
        await typed(Qt.Key.Key_4)  # a figure opens the field; with Ctrl, Enter takes it and runs
        await typed(Qt.Key.Key_0)
        await typed(Qt.Key.Key_Return, CONTROL)
        assert session.draft.strength == pytest.approx(0.4)
        job = await desk.finished()
        assert (job.state, len(job.candidates.results)) == ("ready", 3)
        assert {result.recipe.strength for result in job.candidates.results} == {session.draft.strength}
        while keyboard() is not desk.canvas:
            await typed(Qt.Key.Key_F6)
        await typed(Qt.Key.Key_Return)
        assert len(session.document.layers) == 2
        await typed(Qt.Key.Key_S, CONTROL)
        await desk.choose_file(tmp_path / "keys.palimpsest")
        await until(lambda: not session.history.unsaved)
        assert read_document(tmp_path / "keys.palimpsest")[0].layers[-1].recipe == job.candidates.results[0].recipe

    tell(story)


@pytest.mark.usefixtures("boats")
@pytest.mark.parametrize("place", ["Method", "Model", "What should appear", "Overall strength", "Try strengths"])
def test_control_enter_runs_wherever_the_keyboard_is(tell: Tell, photo: Path, place: str) -> None:
    async def story(desk: Desk) -> None:
        session = await begin(desk, photo)
        await paint(desk)
        desk.window.activateWindow()
        widgets = (each for each in desk.edit.findChildren(QWidget) if each.isVisible() and each.isEnabled())
        widget = next(
            each
            for each in widgets
            if each.accessibleName().startswith(place) and each.focusPolicy() & Qt.FocusPolicy.TabFocus
        )
        widget.setFocus()
        await until(widget.hasFocus)
        await by_hand(lambda: QTest.keyClick(widget, Qt.Key.Key_Return, CONTROL))
        assert session.job is not None, "nothing runs"
        only_result(await desk.finished())

    tell(story)
