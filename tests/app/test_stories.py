"""Whole stories, from a press on the canvas to a healed photograph: real window, real worker, real events."""

from __future__ import annotations

import asyncio
import logging
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from PySide6.QtCore import Qt
from PySide6.QtWidgets import QApplication

import resources
from app.documents import read_document
from editor.document.compose import flatten
from editor.document.document import Document
from editor.errors import UnreadableFile
from editor.geometry import Rect
from editor.requests.edit_request import EditRequest
from editor.requests.reports import Progress, Reports
from editor.requests.results import EditResult
from tests.app.conftest import Tell
from tests.support.program import Desk, by_hand
from tests.support.waiting import until
from widgets.session.notice import Notice


def differs(before: Document, after: Document) -> NDArray[np.bool_]:
    """(H, W) bool: where the flattened pictures are not the same bytes."""
    return np.asarray((flatten(before) != flatten(after)).any(axis=-1), np.bool_)


def same(one: Document, other: Document) -> bool:
    """Whether two documents hold the same bytes everywhere."""
    return (
        np.array_equal(flatten(one), flatten(other))
        and [layer.name for layer in one.layers] == [layer.name for layer in other.layers]
        and all(a.pixels.same_as(b.pixels) for a, b in zip(one.layers, other.layers, strict=True))
        and all(one.map(name).same_as(other.map(name)) for name in ("strength", "protect", "avoid", "selection"))
    )


def test_paint_run_accept_undo_redo_save_and_reopen(tell: Tell, photo: Path, tmp_path: Path) -> None:
    async def story(desk: Desk) -> None:
        session = await desk.open(photo)
        opened = session.document

        # Paint over the bud in the lower right corner.
        await desk.key(Qt.Key.Key_B)
        session.set_brush(size=44)
        await desk.drag([(590, 400), (596, 410), (604, 414), (610, 420)])
        painted = session.document
        assert painted.strength.read()[410, 600] == 1
        assert [entry.label for entry in session.history.entries] == ["Open", "Paint strength"]

        # Run: three variations, chosen with keys, accepted with Enter.
        await desk.key(Qt.Key.Key_Return, Qt.KeyboardModifier.ControlModifier)
        assert session.job is not None
        assert session.job.busy
        job = await desk.finished()
        assert (job.state, len(job.candidates.results)) == ("ready", 3)
        assert session.document is painted, "nothing may change before a variation is accepted"
        await desk.do("run.next")
        assert session.job is not None
        chosen = session.job.candidates.shown
        assert chosen is job.candidates.results[1]
        await desk.key(Qt.Key.Key_Return)
        healed = session.document
        assert healed.layers[-1].recipe == chosen.recipe
        touched = differs(opened, healed)
        assert touched.any()
        assert not touched[painted.strength.read() == 0].any(), "a pixel at strength 0 changed"

        # Back, and forth again.
        await desk.do("edit.undo")
        assert session.document.same_as(painted)
        await desk.do("edit.undo")
        assert session.document.same_as(opened)
        await desk.do("edit.redo")
        await desk.do("edit.redo")
        assert session.document is healed

        # Save through the dialog, and open it again.
        assert session.history.unsaved
        await desk.do("file.save")
        await desk.choose_file(tmp_path / "healed.palimpsest")
        await until(lambda: not session.history.unsaved)
        again, _ = read_document(tmp_path / "healed.palimpsest")
        assert same(again, healed)
        assert again.layers[-1].recipe == healed.layers[-1].recipe

    tell(story)


def test_click_to_segment_make_an_item_drag_it_and_heal_the_hole(tell: Tell, photo: Path) -> None:
    async def story(desk: Desk) -> None:
        session = await desk.open(photo)
        opened = session.document
        session.set_draft(variations=1)

        # A box around the dahlia selects it.
        await desk.key(Qt.Key.Key_W)
        await desk.drag([(160, 78), (300, 200), (460, 370)])
        await until(lambda: not session.document.selection.blank)
        selected = session.document.selection.read()
        assert selected[220, 310] > 0.9
        assert selected[30, 30] == 0

        # Make it an item; take it by its middle and drag it.
        await desk.do("select.item")
        item = session.document.items[0]
        assert (session.draft.item, session.options.tool) == (item.id, "move")
        await desk.drag([(310, 220), (280, 230), (230, 250)])
        moved = session.document.items[0]
        assert moved.placement is not None
        assert moved.placement.x - item.rect.centre.x == pytest.approx(-80, abs=2)
        assert session.plan.label == "Move and heal"

        await desk.do("run.run")
        await desk.finished()
        await desk.key(Qt.Key.Key_Return)
        healed = session.document
        rest = healed.items[0]
        assert rest.placement is None
        assert rest.rect.centre.x - item.rect.centre.x == pytest.approx(-80, abs=3)
        was, now = flatten(opened), flatten(healed)
        assert np.abs(was[220, 310, :3].astype(int) - now[250, 230, :3]).max() < 40, (
            "the flower is not where it was put"
        )
        hole = now[150:300, 420:440, :3].astype(int)
        assert hole[..., 0].mean() < 90, "orange petals are still in the hole"
        far = np.ones(was.shape[:2], bool)
        reach = item.rect.unite(rest.rect).grow(session.draft.settings.margin + 4).intersect(opened.rect)
        far[reach.slices] = False
        assert not differs(opened, healed)[far].any()

        await desk.do("edit.undo")
        assert session.document.items[0].placement == moved.placement

    tell(story)


def test_delete_removes_the_active_item_and_heals(tell: Tell, photo: Path) -> None:
    async def story(desk: Desk) -> None:
        session = await desk.open(photo)
        session.set_draft(variations=1)
        await desk.key(Qt.Key.Key_O)
        await desk.drag([(565, 382), (600, 400), (628, 426)])
        assert not session.document.selection.blank
        await desk.do("select.item")
        await desk.key(Qt.Key.Key_Delete)
        job = await desk.finished()
        assert job.label.startswith("Remove")
        await desk.key(Qt.Key.Key_Return)
        assert session.document.items == ()
        assert session.document.layers[-1].name.startswith("Remove")

    tell(story)


def test_drop_a_picture_paint_its_strength_and_blend(tell: Tell, photo: Path) -> None:
    async def story(desk: Desk) -> None:
        session = await desk.open(photo)
        opened = session.document
        session.set_draft(variations=1)
        with resources.photo("chelsea.png") as cat:
            await desk.drop(cat, 480, 200)
            # The chip proposes an exemplar first; Enter takes it.
            await until(lambda: _chip_is_up(desk))
            await desk.key(Qt.Key.Key_Return, widget=QApplication.focusWidget())
            await until(lambda: session.document.exemplars)
        exemplar = session.document.exemplars[0]
        assert session.draft.exemplar == exemplar.id
        assert exemplar.placement.x == pytest.approx(480, abs=2)

        # Paint its own strength down to nothing on the left, half way on the right.
        await desk.key(Qt.Key.Key_B)
        session.set_brush(size=80, hardness=1.0, smoothing=0.0)
        rect = exemplar.bounds
        await desk.key(Qt.Key.Key_5)
        await desk.drag([(rect.right - 30, rect.top + 30), (rect.right - 30, rect.bottom - 30)])
        painted = session.document.exemplars[0]
        assert painted.strength_map.read().min() == pytest.approx(0.5, abs=0.01)
        assert session.document.strength.blank, "an active exemplar takes the strength, not the picture"

        await desk.do("run.run")
        await desk.finished()
        await desk.key(Qt.Key.Key_Return)
        blended = session.document
        assert not blended.exemplars[0].visible
        touched = differs(opened, blended)
        assert touched[rect.intersect(opened.rect).slices].mean() > 0.9
        outside = np.ones(touched.shape, bool)
        outside[rect.grow(1).intersect(opened.rect).slices] = False
        assert not touched[outside].any()

    tell(story)


def _chip_is_up(desk: Desk) -> bool:
    focus = QApplication.focusWidget()
    return focus is not None and focus is not desk.canvas and desk.canvas.isAncestorOf(focus)


def test_what_is_painted_during_the_run_is_not_lost(tell: Tell, photo: Path) -> None:
    async def story(desk: Desk) -> None:
        session = await desk.open(photo)
        session.set_draft(variations=1)
        await desk.key(Qt.Key.Key_B)
        session.set_brush(size=40)
        await desk.drag([(600, 405), (606, 412)])
        await desk.do("run.run")
        await desk.drag([(60, 60), (90, 60)])
        await desk.finished()
        await desk.key(Qt.Key.Key_Return)
        strength = session.document.strength.read()
        assert strength[60, 75] == 1
        assert strength[408, 603] == 0

    tell(story)


class Slow:
    """An engine whose edits never end by themselves."""

    def __init__(self) -> None:
        self.closed = 0

    def run(self, request: Any) -> Reports[Any]:
        try:
            while True:
                yield Progress(0.3, "Taking its time")
        finally:
            self.closed += 1


def test_stop_ends_the_run_at_once_and_leaves_everything_as_it_was(tell: Tell, photo: Path) -> None:
    engine = Slow()

    async def story(desk: Desk) -> None:
        session = await desk.open(photo)
        await desk.key(Qt.Key.Key_B)
        await desk.drag([(600, 405), (606, 412)])
        before = session.document
        await desk.do("run.run")
        await until(lambda: session.job is not None and session.job.fraction > 0)
        await desk.key(Qt.Key.Key_Escape)
        await until(lambda: session.job is None, timeout=2)
        assert session.document is before
        await until(lambda: engine.closed == 1)
        await desk.do("run.run")  # and it can be run again
        await until(lambda: session.job is not None and session.job.fraction > 0)
        session.discard()
        await until(lambda: engine.closed == 2)

    tell(story, make_engine=lambda: engine)


class Broken:
    """An engine with a mistake in it."""

    def run(self, request: Any) -> Reports[Any]:
        yield Progress(0.3, "Going well")
        raise RuntimeError("a mistake of ours")


def test_a_crash_in_the_worker_is_a_message_and_a_log_entry(
    tell: Tell, photo: Path, caplog: pytest.LogCaptureFixture
) -> None:
    async def story(desk: Desk) -> None:
        session = await desk.open(photo)
        heard: list[Notice] = []
        session.noticed.connect(heard.append)
        await desk.key(Qt.Key.Key_B)
        await desk.drag([(600, 405), (606, 412)])
        before = session.document
        await desk.do("run.run")
        await until(lambda: heard)
        assert heard[0].error
        assert "your document is as it was" in heard[0].message
        assert session.job is not None
        assert session.job.state == "failed"
        assert session.document is before
        await desk.key(Qt.Key.Key_Escape)
        assert session.job is None

    with caplog.at_level(logging.ERROR):
        tell(story, make_engine=Broken)
    assert any(record.exc_info and "a mistake of ours" in str(record.exc_info[1]) for record in caplog.records)


class Instant:
    """An engine that paints everything it may red, at once."""

    def run(self, request: EditRequest) -> Reports[EditResult]:
        from editor.requests.results import Recipe

        yield Progress(0.5, "Painting")
        pixels = np.zeros((*request.strength.shape, 4), np.uint8)
        pixels[..., 0] = 255
        pixels[..., 3] = np.rint(request.strength * 255)
        return EditResult(request.frame.rect, pixels, Recipe.of(request))


def test_two_documents_run_side_by_side_and_do_not_mix(tell: Tell, photo: Path) -> None:
    async def story(desk: Desk) -> None:
        with resources.photo("chelsea.png") as cat:
            flower, other = await desk.open(photo), await desk.open(cat)
        assert desk.session is other
        for session, x in ((flower, 40), (other, 300)):
            desk.window.bring_to_front(session)
            await desk.key(Qt.Key.Key_B)
            await desk.drag([(x, 100), (x + 10, 100)])
            session.run()
        await until(lambda: all(each.job is not None and each.job.state == "ready" for each in (flower, other)))
        for session in (flower, other):
            session.accept()
        assert (flatten(flower.document)[100, 45, :3] == (255, 0, 0)).all()
        assert (flatten(other.document)[100, 305, :3] == (255, 0, 0)).all()
        assert not (flatten(other.document)[100, 45, :3] == (255, 0, 0)).all()

    tell(story, make_engine=Instant)


def test_escape_cancels_a_gesture(tell: Tell, photo: Path) -> None:
    async def story(desk: Desk) -> None:
        session = await desk.open(photo)
        before = session.document
        await desk.key(Qt.Key.Key_B)
        await desk.press(100, 100)
        await desk.move(180, 140)
        assert session.in_gesture
        await desk.key(Qt.Key.Key_Escape)
        assert session.document is before
        await desk.move(220, 160)
        await desk.release(220, 160)
        assert session.document is before
        assert len(session.history.entries) == 1

    tell(story)


def test_closing_asks_about_unsaved_changes(tell: Tell, photo: Path, tmp_path: Path) -> None:
    async def story(desk: Desk) -> None:
        session = await desk.open(photo)
        await desk.key(Qt.Key.Key_B)
        await desk.drag([(100, 100), (140, 120)])
        await by_hand(desk.window.close)
        await desk.answer("Cancel")
        await asyncio.sleep(0.05)
        assert not desk.application.finished.is_set()
        assert desk.application.sessions == [session]
        await by_hand(desk.window.close)
        await desk.answer("Save")
        await desk.choose_file(tmp_path / "kept.palimpsest")
        await until(desk.application.finished.is_set)
        assert not read_document(tmp_path / "kept.palimpsest")[0].strength.blank

    tell(story)


def test_an_unreadable_file_is_a_sentence_on_the_start_page(tell: Tell, tmp_path: Path) -> None:
    broken = tmp_path / "broken.png"
    broken.write_bytes(b"\x89PNG\r\n\x1a\nnot really")
    with pytest.raises(UnreadableFile):
        read_document(broken)

    async def story(desk: Desk) -> None:
        desk.application.open_paths([broken])
        page = desk.window.start_page
        await until(lambda: page.notices.messages)
        assert "broken.png" in page.notices.messages[0]
        assert desk.application.sessions == []

    tell(story)


def test_a_saved_document_is_among_the_recent_ones_with_its_picture(tell: Tell, photo: Path) -> None:
    async def story(desk: Desk) -> None:
        await desk.open(photo)
        await until(lambda: desk.application.settings.values.recent)
        recent = desk.application.recent()
        assert recent[0].path == photo
        thumbnail = recent[0].thumbnail
        assert thumbnail is not None
        assert max(thumbnail.shape[:2]) == 320
        assert Rect(0, 0, thumbnail.shape[1], thumbnail.shape[0]).size.width > 100

    tell(story)


def test_the_outline_of_an_item_is_redrawn_with_brush_and_lasso(tell: Tell, photo: Path) -> None:
    async def story(desk: Desk) -> None:
        session = await desk.open(photo)
        await desk.key(Qt.Key.Key_R)
        await desk.drag([(200, 150), (300, 250), (360, 300)])
        await desk.do("select.item")
        size = session.document.items[0].rect.size
        assert (size.width, size.height) == (160, 150)
        await desk.do("item.outline")
        session.set_brush(size=40, hardness=1.0)
        await desk.drag([(380, 200), (420, 200)])
        item = session.document.items[0]
        assert item.mask.read()[200, 400] == 1
        assert item.rect.right >= 430
        assert session.document.strength.blank, "the strength is not what was painted"

        # A lasso redraws it; with Shift and Alt only the overlap is left.
        await desk.key(Qt.Key.Key_L)
        await desk.drag([(100, 100), (200, 100), (200, 200), (100, 200)])
        item = session.document.items[0]
        assert item.mask.read()[150, 150] == 1
        assert item.mask.read()[200, 400] == 0
        both = Qt.KeyboardModifier.ShiftModifier | Qt.KeyboardModifier.AltModifier
        await desk.drag([(150, 50), (300, 50), (300, 300), (150, 300)], both)
        mask = session.document.items[0].mask.read()
        assert (mask[150, 130], mask[150, 170], mask[150, 250]) == (0, 1, 0)

        await desk.key(Qt.Key.Key_Escape)
        assert (session.options.tool, session.options.strength_target) == ("move", "strength")
        assert session.draft.item == item.id

    tell(story)
