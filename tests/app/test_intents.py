"""What the person did last leads, told with real events in a real window."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
from PySide6.QtCore import Qt

import resources
from editor.document.compose import flatten
from editor.document.faint_strength import is_strength
from editor.requests.results import EditResult
from tests.app.conftest import Tell
from tests.support.program import Desk
from tests.support.waiting import until
from widgets.session import commands, edits
from widgets.session.session import Session
from widgets.shell.notices import Notices

CTRL = Qt.KeyboardModifier.ControlModifier


def ended(session: Session) -> bool:
    return session.job is None


def laid(session: Session) -> EditResult | None:
    """What lies over the picture just now."""
    return None if session.job is None else session.job.laid


def notices(desk: Desk) -> list[str]:
    return [words for each in desk.window.findChildren(Notices) for words in each.messages]


async def make_item(desk: Desk, *, then: str = "move") -> None:
    """Around the bud in the lower right corner."""
    await desk.key(Qt.Key.Key_O)
    await desk.drag([(565, 382), (600, 400), (628, 426)])
    await desk.do("select.item")
    desk.session.set_options(tool=then)


def test_what_is_painted_after_an_item_was_chosen_is_filled_and_the_item_is_offered_beside_it(
    tell: Tell, photo: Path
) -> None:
    async def story(desk: Desk) -> None:
        session = await desk.open(photo)
        session.set_draft(variations=1)
        await make_item(desk)
        item = session.document.items[0]
        assert desk.edit.button.text() == f"Remove “{item.name}”"
        await desk.key(Qt.Key.Key_B)
        session.set_brush(size=40)
        await desk.press(60, 60)
        await desk.move(80, 60)
        assert session.plan.label == "Fill", "the frame on the canvas follows the stroke already"
        await desk.release(80, 60)
        assert session.draft.item == item.id
        assert desk.edit.button.text() == "Fill"
        assert desk.links(f"Or: Remove “{item.name}”")
        await desk.press_button()
        job = await desk.finished()
        assert job.label == "Fill"
        assert not desk.links(f"Or: Remove “{item.name}”"), "only one thing is to be decided at a time"
        await desk.key(Qt.Key.Key_Return)
        assert session.document.strength.blank
        assert list(session.document.items) == [item]
        assert desk.edit.button.text() == f"Remove “{item.name}”"

        # Painted again; this time the other edit is run.
        await desk.drag([(60, 120), (80, 120)])
        await desk.link(f"Or: Remove “{item.name}”")
        job = await desk.finished()
        assert job.label == f"Remove “{item.name}”"
        await desk.key(Qt.Key.Key_Return)
        assert len(session.document.items) == 0
        assert session.document.strength.any(), "what was painted is still there"
        assert desk.edit.button.text() == "Fill"

    tell(story)


def test_a_selection_after_painting_leads_and_only_it_is_used_up(tell: Tell, photo: Path) -> None:
    async def story(desk: Desk) -> None:
        session = await desk.open(photo)
        session.set_draft(variations=1)
        await desk.key(Qt.Key.Key_B)
        session.set_brush(size=40)
        await desk.drag([(60, 60), (80, 60)])
        await desk.key(Qt.Key.Key_O)
        await desk.drag([(565, 382), (600, 400), (628, 426)])
        assert desk.edit.button.text() == "Fill selection"
        assert desk.links("Or: Fill")
        await desk.do("edit.undo")
        assert desk.edit.button.text() == "Fill"
        assert not desk.links("Or: Fill")
        await desk.do("edit.redo")
        assert desk.edit.button.text() == "Fill selection"
        painted = session.document.strength
        before = flatten(session.document)
        await desk.press_button()
        await desk.finished()
        await desk.key(Qt.Key.Key_Return)
        assert session.document.selection.blank
        assert session.document.strength is painted
        assert np.array_equal(flatten(session.document)[:200, :200], before[:200, :200])
        assert desk.edit.button.text() == "Fill"

    tell(story)


def test_a_delete_that_is_cancelled_leaves_everything_as_it_was(tell: Tell, photo: Path) -> None:
    async def story(desk: Desk) -> None:
        session = await desk.open(photo)
        session.set_draft(variations=1)
        await desk.key(Qt.Key.Key_O)
        await desk.drag([(565, 382), (600, 400), (628, 426)])
        selected, draft = session.document, session.draft
        await desk.key(Qt.Key.Key_Delete)
        assert session.job is not None
        assert session.draft.item is not None
        await desk.key(Qt.Key.Key_Escape)
        await until(lambda: ended(session))
        assert session.document.same_as(selected)
        assert session.draft == draft
        assert not session.history.can_redo, "there is nothing to do again"
        assert desk.edit.button.text() == "Fill selection"
        await desk.key(Qt.Key.Key_B)
        session.set_brush(size=40)
        await desk.drag([(60, 60), (80, 60)])
        assert desk.edit.button.text() == "Fill"

        # Also when it was finished, and was not kept.
        selected, draft = session.document, session.draft
        await desk.key(Qt.Key.Key_Delete)
        await desk.finished()
        await desk.key(Qt.Key.Key_Escape)
        assert ended(session)
        assert session.document.same_as(selected)
        assert session.draft == draft

        # And once kept, the item is gone for good.
        await desk.key(Qt.Key.Key_Delete)
        await desk.finished()
        await desk.key(Qt.Key.Key_Return)
        assert session.document.items == ()
        assert session.document.selection.blank
        assert desk.edit.button.text() == "Fill"

    tell(story)


def test_what_was_painted_while_a_delete_ran_stays_when_it_is_cancelled(tell: Tell, photo: Path) -> None:
    async def story(desk: Desk) -> None:
        session = await desk.open(photo)
        session.set_draft(variations=1)
        await desk.key(Qt.Key.Key_O)
        await desk.drag([(565, 382), (600, 400), (628, 426)])
        selected = session.document.selection
        await desk.key(Qt.Key.Key_Delete)
        await desk.finished()
        await desk.key(Qt.Key.Key_B)
        session.set_brush(size=40)
        await desk.drag([(60, 60), (80, 60)])
        await desk.do("run.discard")
        assert not any(session.document.items)
        assert session.document.selection.same_as(selected)
        assert is_strength(session.document.strength)
        assert desk.edit.button.text() == "Fill"
        assert desk.links("Or: Fill selection")

        # But not what somebody made of it meanwhile.
        commands.remove_selection(session)
        await desk.finished()
        edits.rename_item(session, session.document.items[0].id, "The bud")
        await desk.do("run.discard")
        assert [item.name for item in session.document.items] == ["The bud"]
        assert session.document.selection.blank

    tell(story)


def test_delete_takes_out_what_was_touched_last(tell: Tell, photo: Path) -> None:
    async def story(desk: Desk) -> None:
        session = await desk.open(photo)
        session.set_draft(variations=1)
        await make_item(desk, then="segment")
        item = session.document.items[0]
        await desk.drag([(160, 78), (300, 200), (460, 370)])
        await until(lambda: not session.document.selection.blank)
        await desk.do("edit.delete")
        assert session.job is not None
        assert session.job.edit_job.planned.items == (session.document.items[1].id,)
        await desk.key(Qt.Key.Key_Escape)
        await until(lambda: ended(session))
        assert list(session.document.items) == [item]
        session.activate(item=item.id)
        await desk.do("edit.delete")
        assert session.job is not None
        assert session.job.edit_job.planned.items == (item.id,)

    tell(story)


def test_after_a_blend_the_brush_paints_the_picture(tell: Tell, photo: Path) -> None:
    async def story(desk: Desk) -> None:
        session = await desk.open(photo)
        session.set_draft(variations=1)
        with resources.photo("chelsea.png") as cat:
            laid = await desk.drop_exemplar(cat, 480, 200)
        await desk.press_button()
        await desk.finished()
        await desk.key(Qt.Key.Key_Return)
        assert not session.document.exemplars[0].visible
        assert session.draft.exemplar is None
        await desk.key(Qt.Key.Key_B)
        session.set_brush(size=40)
        await desk.drag([(480, 200), (500, 200)])
        assert session.document.strength.any()
        assert session.document.exemplars[0].strength_map is laid.strength_map
        assert desk.edit.button.text() == "Fill"

    tell(story)


def test_what_is_hidden_takes_no_paint_without_a_word(tell: Tell, photo: Path) -> None:
    async def story(desk: Desk) -> None:
        session = await desk.open(photo)
        with resources.photo("chelsea.png") as cat:
            laid = await desk.drop_exemplar(cat, 480, 200)
        session.commit("Hide", session.document.with_exemplar(replace(laid, visible=False)))
        assert session.draft.exemplar == laid.id, "its row stays open, to show it again"
        shown = session.document
        await desk.key(Qt.Key.Key_B)
        await desk.drag([(480, 200), (500, 200)])
        assert session.document is shown
        assert f"“{laid.name}” is hidden." in " ".join(notices(desk))
        # Nor can it be moved.
        await desk.key(Qt.Key.Key_V)
        await desk.drag([(480, 200), (400, 200)])
        assert session.document is shown
        assert session.draft.exemplar is None

    tell(story)


def test_strokes_made_while_a_result_is_shown_are_seen(tell: Tell, photo: Path) -> None:
    async def story(desk: Desk) -> None:
        session = await desk.open(photo)
        session.set_draft(variations=2)
        await desk.key(Qt.Key.Key_B)
        session.set_brush(size=40)
        await desk.drag([(600, 405), (606, 412)])
        await desk.press_button()
        job = await desk.finished()
        assert laid(session) is job.candidates.results[0]
        await desk.drag([(60, 60), (90, 60)])
        assert laid(session) is None
        assert session.job is not None
        assert not session.job.seen
        with_paint = desk.canvas.grab().toImage()
        at = desk.at(75, 60)
        session.show(session.document.with_strength(session.document.empty_map()))
        without = desk.canvas.grab().toImage()
        session.revert()
        assert with_paint.pixelColor(at) != without.pixelColor(at), "the stroke is not seen"
        # Looked at again, it can still be kept.
        await desk.do("run.next")
        assert laid(session) is job.candidates.results[1]
        await desk.key(Qt.Key.Key_Return)
        assert session.document.strength.read()[60, 75] == 1

    tell(story)
