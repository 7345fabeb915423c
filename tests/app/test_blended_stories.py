"""Whole stories of Blended Latent Diffusion over a tiny real model: real window, real worker, real events."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import cv2
import numpy as np
import pytest
from PySide6.QtCore import Qt
from PySide6.QtTest import QTest
from PySide6.QtWidgets import QLabel, QPlainTextEdit, QPushButton, QToolButton

from editor.document.compose import flatten
from editor.document.document import Document, MapName
from editor.edits.dispatch import make_request
from editor.methods.blended_latent_diffusion.settings import BlendedSettings
from editor.methods.quick_fill.settings import QuickFillSettings
from tests.app.conftest import Tell
from tests.support.program import Desk, by_hand
from tests.support.waiting import until
from tests.support.watched_models import Watched
from widgets.context_bar.bar import ContextualBar
from widgets.panels.status_lines import THIN
from widgets.session.job import Job
from widgets.session.session import Session
from widgets.variations.strip import Variations

METHOD = "Change by words · Blended Latent Diffusion"
CONTROL = Qt.KeyboardModifier.ControlModifier
SIDE = 64

pytestmark = pytest.mark.usefixtures("boats")


@pytest.fixture(autouse=True)
def nothing_left(watched: Watched) -> Iterator[None]:
    """After every story: the model as it came, and no thread of ours."""
    yield
    assert not watched.loaded or watched.unchanged(), "something of the model was altered"
    assert watched.running == []


@pytest.fixture
def stamp(photo: Path) -> Path:
    """The photo, so small that an edit takes no time."""
    pixels = cv2.imread(str(photo))
    assert pixels is not None
    small = cv2.resize(pixels[:420, :420], (SIDE, SIDE), interpolation=cv2.INTER_AREA)
    cv2.imwrite(str(photo.with_name("stamp.png")), small)
    return photo.with_name("stamp.png")


async def begin(desk: Desk, picture: Path, variations: int = 1) -> Session:
    """Open the picture large on the screen and choose the method in the panel."""
    session = await desk.open(picture)
    await until(session.models)
    await desk.pick("Method", METHOD)
    assert kind(session) is BlendedSettings
    session.set_draft(steps=4, variations=variations, seed=5)
    return session


async def box(desk: Desk, left: float = 20, top: float = 16, right: float = 52, bottom: float = 48) -> None:
    """Select with the rectangle."""
    await desk.key(Qt.Key.Key_R)
    await desk.drag([(left, top), ((left + right) / 2, bottom), (right, bottom)])
    assert desk.session.document.selection.any()


def words_field(desk: Desk) -> QPlainTextEdit:
    field = desk.edit.findChild(QPlainTextEdit)
    assert isinstance(field, QPlainTextEdit)
    return field


async def say(desk: Desk, words: str) -> None:
    """Click into the field and type."""
    field = words_field(desk)
    desk.window.activateWindow()
    await by_hand(lambda: QTest.mouseClick(field.viewport(), Qt.MouseButton.LeftButton))
    await until(field.hasFocus)
    await by_hand(lambda: QTest.keyClicks(field, words))
    assert desk.session.draft.prompt == words


async def preset(desk: Desk, name: str) -> None:
    await desk.click(chip(desk, name))


def chip(desk: Desk, name: str) -> QToolButton:
    return next(
        button for button in desk.edit.findChildren(QToolButton) if button.accessibleName() == f"Preset: {name}"
    )


def chosen(desk: Desk) -> list[str]:
    return [
        button.text()
        for button in desk.edit.findChildren(QToolButton)
        if button.accessibleName().startswith("Preset:") and button.isChecked()
    ]


# Asked anew each time.


def kind(session: Session) -> type:
    return type(session.draft.settings)


def tool(session: Session) -> str:
    return session.options.tool


def hint(session: Session) -> int | None:
    return session.draft.scribble


def job(session: Session) -> Job | None:
    return session.job


def in_the_bar(desk: Desk, words: str) -> QPushButton:
    bar = desk.window.findChild(ContextualBar)
    assert bar is not None
    # Of a page that was just replaced, the buttons are there until Qt's next turn.
    return next(button for button in bar.findChildren(QPushButton) if button.text() == words and button.isVisible())


def free(made: Job) -> np.ndarray[tuple[int, int], np.dtype[np.bool_]]:
    """Where the job may change anything, in the whole picture."""
    request = make_request(made.edit_job.document, made.edit_job.draft, made.edit_job.planned)
    found = np.zeros(made.edit_job.document.size.shape, np.bool_)
    found[request.frame.rect.slices] = request.strength > 0
    return found


def differs(one: Document, other: Document) -> np.ndarray[tuple[int, int], np.dtype[np.bool_]]:
    found: np.ndarray[tuple[int, int], np.dtype[np.bool_]] = (flatten(one) != flatten(other)).any(axis=-1)
    return found


async def accept(desk: Desk, before: Document) -> Document:
    """Wait for the results, take the first by Enter, and look that nothing else has changed. The document then."""
    made = await desk.finished()
    assert made.state == "ready", made.error
    allowed = free(made)
    await desk.key(Qt.Key.Key_Return)
    after = desk.session.document
    changed = differs(before, after)
    assert changed[allowed].any()
    assert not changed[~allowed].any(), "a pixel changed where nothing may"
    return after


def test_a_new_object_from_the_box_to_the_layer_and_back(tell: Tell, stamp: Path) -> None:
    async def story(desk: Desk) -> None:
        session = await begin(desk, stamp, variations=3)
        opened = session.document
        assert chosen(desk) == ["New object"]
        assert desk.says("Paint or select where it should happen.")
        await box(desk)
        selected = session.document
        assert desk.says("Say what should be there.")
        await say(desk, "a red boat")
        assert desk.edit.button.text() == "Repaint as “a red boat”"
        await by_hand(lambda: QTest.keyClick(words_field(desk), Qt.Key.Key_Return, CONTROL))
        assert desk.canvas.hasFocus(), "Enter would begin a line instead of keeping a result"
        first = await desk.finished()
        assert len(first.candidates.results) == 3
        assert {result.recipe.seed for result in first.candidates.results} == {5, 6, 7}
        assert session.document is selected, "nothing may change before it is accepted"

        # Escape keeps everything as it was; the same again.
        await desk.key(Qt.Key.Key_Escape)
        assert job(session) is None
        assert session.document is selected
        await desk.key(Qt.Key.Key_Return, CONTROL)
        again = await desk.finished()
        assert [result.recipe for result in again.candidates.results] == [
            result.recipe for result in first.candidates.results
        ]
        assert all(
            np.array_equal(one.pixels, other.pixels)
            for one, other in zip(again.candidates.results, first.candidates.results, strict=True)
        )

        # One is looked at in place, another is chosen, and Enter makes it a layer.
        strip = desk.window.findChild(Variations)
        assert strip is not None
        card = strip.cards[2]
        await by_hand(lambda: QTest.mouseMove(card, card.rect().center()))
        assert session.job is not None
        assert session.job.candidates.shown is session.job.candidates.results[2]
        assert session.job.candidates.chosen == 0
        await desk.click(strip.cards[1])
        second = session.job.candidates.results[1]
        after = await accept(desk, selected)
        assert after.layers[-1].recipe == second.recipe
        assert after.layers[-1].name == "Repaint as “a red boat”"
        await desk.do("edit.undo")
        assert session.document.same_as(selected)
        await desk.do("edit.undo")
        assert session.document.same_as(opened)

    tell(story)


def test_each_preset_sets_what_it_says_and_keeps_the_rest(tell: Tell, stamp: Path) -> None:
    async def story(desk: Desk) -> None:
        session = await begin(desk, stamp)
        await box(desk)
        before = session.document
        inside = before.selection.read() > 0
        for name, strength, asks in (
            ("Change it", 0.75, "become"),
            ("Lettering", 1.0, "a sign that says"),
            ("Background", 0.9, "around it"),
        ):
            await preset(desk, name)
            assert chosen(desk) == [name]
            assert session.draft.strength == strength
            assert asks in words_field(desk).placeholderText()
            await say(desk, "a boat")
            await desk.key(Qt.Key.Key_Return, CONTROL)
            after = await accept(desk, before)
            recipe = after.layers[-1].recipe
            assert recipe is not None
            assert (recipe.strength, recipe.settings) == (strength, session.draft.settings)
            assert differs(before, after)[inside].any() == (name != "Background")
            assert differs(before, after)[~inside].any() == (name == "Background")
            await desk.do("edit.undo")
            assert session.document.same_as(before)
            session.set_draft(prompt="")

    tell(story)


def test_a_preset_is_shown_as_long_as_it_is_one(tell: Tell, stamp: Path) -> None:
    async def story(desk: Desk) -> None:
        session = await begin(desk, stamp)
        session.set_draft(strength=0.5)
        assert chosen(desk) == []
        assert desk.says("Keep what is there")
        session.set_draft(strength=0.75)
        assert chosen(desk) == ["Change it"]
        session.set_draft(settings=BlendedSettings(feather=20.0))
        assert chosen(desk) == []
        await preset(desk, "Background")
        assert session.draft.settings == BlendedSettings(region="outside")
        await preset(desk, "New object")
        assert session.draft.settings == BlendedSettings()

    tell(story)


def test_the_background_of_an_item_needs_no_selection(tell: Tell, stamp: Path) -> None:
    async def story(desk: Desk) -> None:
        session = await begin(desk, stamp)
        await box(desk)
        await desk.click(in_the_bar(desk, "Make item"))
        assert session.draft.item is not None
        assert session.document.selection.blank
        before = session.document
        inside = before.items[0].mask.read() > 0

        # Without words it asks for them; with words it runs.
        desk.window.activateWindow()
        await desk.click(in_the_bar(desk, "Repaint background"))
        assert job(session) is None
        assert chosen(desk) == ["Background"]
        await until(words_field(desk).hasFocus)
        await by_hand(lambda: QTest.keyClicks(words_field(desk), "snow"))
        await desk.click(in_the_bar(desk, "Repaint background"))
        after = await accept(desk, before)
        assert not differs(before, after)[inside].any()
        await desk.click(in_the_bar(desk, "Repaint inside"))
        assert session.draft.settings == BlendedSettings()
        last = await accept(desk, after)
        assert not differs(after, last)[~inside].any()

    tell(story)


def test_scribble_what_should_be_there(tell: Tell, stamp: Path) -> None:
    async def story(desk: Desk) -> None:
        session = await begin(desk, stamp)
        opened = session.document
        await desk.key(Qt.Key.Key_R)
        await preset(desk, "Scribble")
        assert chosen(desk) == ["Scribble"]
        assert tool(session) == "paint"
        assert len(session.history.entries) == 2
        layer = session.document.layers[-1]
        assert (layer.name, session.active_layer, hint(session)) == ("Scribble", layer.id, layer.id)
        assert desk.says("Keep my scribble")
        assert desk.says("Paint rough colours where it should appear.")
        bar = desk.window.findChild(ContextualBar)
        assert bar is not None
        assert any("press Ctrl+Enter" in label.text() for label in bar.findChildren(QLabel) if label.isVisible())

        # Away from it and back: nothing is left of an empty layer.
        await preset(desk, "Change it")
        assert session.document.same_as(opened)
        assert hint(session) is None
        assert tool(session) == "rectangle"
        await preset(desk, "Scribble")

        session.set_brush(size=10)
        await desk.drag([(20, 40), (32, 30), (44, 40)])
        painted = session.document
        assert painted.layers[-1].pixels.any()
        assert flatten(painted)[30, 32, 0] > 180
        assert desk.edit.button.text() == "Paint the scribble"
        await say(desk, "a lighthouse")
        await desk.key(Qt.Key.Key_Return, CONTROL)
        allowed = free(await desk.finished())
        await desk.key(Qt.Key.Key_Return)
        done = session.document
        assert [sheet.visible for sheet in done.layers] == [True, False, True]
        assert not differs(opened, done)[~allowed].any(), "something of the strokes is left, or more"
        assert differs(opened, done)[allowed].any()
        assert hint(session) is None
        assert tool(session) == "rectangle"
        assert chosen(desk) == ["New object"], "what comes next would be changed too little"

        # A step back the strokes are a hint again; a new scribble has a layer of its own.
        await desk.do("edit.undo")
        assert hint(session) == painted.layers[-1].id
        assert chosen(desk) == ["Scribble"]
        await desk.do("edit.redo")
        await preset(desk, "Scribble")
        assert session.document.layers[-1].name == "Scribble"
        assert hint(session) == session.document.layers[-1].id != painted.layers[-1].id

        # The edit can be made again from its layer, with the same strokes.
        session.activate_layer(done.layers[-1].id)
        await desk.do("run.again")
        assert hint(session) == painted.layers[-1].id
        assert chosen(desk) == ["Scribble"]
        await desk.key(Qt.Key.Key_Return, CONTROL)
        (again,) = (await desk.finished()).candidates.results
        assert again.recipe == done.layers[-1].recipe
        assert np.array_equal(flatten(session.document, session.document.rect), flatten(painted))

    tell(story)


def test_a_scribble_follows_its_layer(tell: Tell, stamp: Path) -> None:
    async def story(desk: Desk) -> None:
        session = await begin(desk, stamp)
        await preset(desk, "Scribble")
        layer = session.document.layers[-1].id
        await desk.do("edit.undo")
        assert hint(session) is None
        assert tool(session) != "paint", "the next stroke would go onto the picture"
        assert chosen(desk) == ["New object"]
        await desk.do("edit.redo")
        assert chosen(desk) == ["Scribble"]
        assert (hint(session), session.active_layer, tool(session)) == (layer, layer, "paint")
        session.set_brush(size=10)
        await desk.drag([(20, 40), (44, 40)])
        await preset(desk, "New object")
        assert session.document.layer(layer) is not None, "it was painted on"
        assert hint(session) is None
        await preset(desk, "Scribble")
        assert hint(session) == layer
        await desk.do("layer.delete")
        assert hint(session) is None
        assert desk.says("Paint or select where it should happen.")

    tell(story)


def test_a_thin_region_says_so_and_shows_where_it_begins(tell: Tell, stamp: Path) -> None:
    async def story(desk: Desk) -> None:
        session = await begin(desk, stamp)
        await box(desk, top=30, bottom=33)
        await until(lambda: desk.says(THIN), timeout=5)
        session.set_view(overlay="cells")
        await until(lambda: desk.canvas.renderer.scene.cells is not None, timeout=5)
        cells = desk.canvas.renderer.scene.cells
        assert cells is not None
        assert cells.begins_wider
        assert cells.note == ", begins wider"
        assert cells.words_at(36, 31) == "Changes"
        assert cells.words_at(36, 22).startswith("Free until step ")
        assert cells.words_at(2, 62) == "Kept"
        await box(desk)
        await until(lambda: not desk.says(THIN), timeout=5)

    tell(story)


def test_nothing_left_of_the_region_is_said_before_it_runs(tell: Tell, stamp: Path) -> None:
    async def story(desk: Desk) -> None:
        await begin(desk, stamp)
        await preset(desk, "Background")
        await desk.do("select.all")
        await until(lambda: desk.says("Nothing is left around what should stay."), timeout=5)

    tell(story)


def test_whatever_selects_is_a_region(tell: Tell, stamp: Path) -> None:
    async def story(desk: Desk) -> None:
        session = await begin(desk, stamp)
        before = session.document
        await say(desk, "a boat")
        for name in ("strength", "select_brush", "lasso", "ellipse", "segment"):
            await desk.do(f"tool.{name}")
            session.set_brush(size=16)
            across = (
                [(32.0, 30.0)] * 2 if name == "segment" else [(20.0, 20.0), (44.0, 20.0), (44.0, 44.0), (22.0, 42.0)]
            )
            await desk.drag(across)
            region: MapName = "strength" if name == "strength" else "selection"
            await until(lambda: not session.document.same_as(before))
            assert session.plan.region == region
            await desk.key(Qt.Key.Key_Return, CONTROL)
            after = await accept(desk, before)
            assert not after.map(region).any(), "it was not used up"
            await desk.do("edit.undo")
            await desk.do("edit.undo")
            assert session.document.same_as(before)

    tell(story)


def test_words_typed_with_quick_fill_in_hand_change_the_method(tell: Tell, stamp: Path) -> None:
    async def story(desk: Desk) -> None:
        session = await desk.open(stamp)
        await until(session.models)
        assert kind(session) is QuickFillSettings
        await box(desk)
        assert desk.edit.button.text() == "Fill selection"
        assert words_field(desk).placeholderText() == "Or say what should be there"
        await say(desk, "a boat")
        assert kind(session) is BlendedSettings
        assert chosen(desk) == ["New object"]
        assert desk.edit.button.text() == "Repaint as “a boat”"

    tell(story)
