"""Autosave in the whole program: what was open is offered back, and writing never gets in the way."""

from __future__ import annotations

import asyncio
import errno
import shutil
import time
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from threading import Event
from weakref import ref

import numpy as np
import pytest
from PIL import Image
from PySide6.QtCore import Qt
from PySide6.QtTest import QTest

from app import autosave as autosaving
from app import autosave_writer
from app import recovery as recovering
from app.recovery import RecoveryDialog
from editor.document.document import Document
from editor.errors import UnreadableFile
from editor.io import recovery
from editor.io.journal import Journal
from editor.io.journal_reader import JournalReader
from editor.io.project import load_project
from tests.app.conftest import Tell
from tests.editor.io.test_journal import photo as random_picture
from tests.editor.io.test_journal import stroke
from tests.editor.io.test_project import plain
from tests.support.program import LEFT, Desk, by_hand
from tests.support.waiting import until
from widgets.session.run_actions import run_again
from widgets.session.session import Session


async def settled(desk: Desk) -> None:
    await asyncio.wrap_future(desk.application.autosave.settled())


def journals(home: Path) -> list[Path]:
    return sorted((home / "recovery").glob("*/*.journal"))


def kept(home: Path) -> Document:
    (file,) = journals(home)
    return JournalReader(file).load()


def dialog_of(desk: Desk) -> RecoveryDialog | None:
    return next((dialog for dialog in desk.window.findChildren(RecoveryDialog) if dialog.isVisible()), None)


async def offered(desk: Desk) -> RecoveryDialog:
    await until(lambda: dialog_of(desk) is not None)
    dialog = dialog_of(desk)
    assert dialog is not None
    return dialog


async def paint(desk: Desk) -> None:
    await desk.key(Qt.Key.Key_B)
    await desk.drag([(100, 100), (150, 120), (200, 130)])


@pytest.fixture
def died(tell: Tell, photo: Path, tmp_path: Path) -> Document:
    """The document of a program that died after a stroke; its files lie where the next one looks."""
    states: list[Document] = []

    async def story(desk: Desk) -> None:
        session = await desk.open(photo)
        await paint(desk)
        states.append(session.history.document)
        session.set_draft(prompt="a red boat", negative_prompt="people")
        await settled(desk)

    tell(story)  # the program is torn down with the document open, which leaves what a death leaves
    return states[0]


def test_every_step_is_kept(tell: Tell, photo: Path, tmp_path: Path) -> None:
    async def story(desk: Desk) -> None:
        session = await desk.open(photo)
        await paint(desk)
        await settled(desk)
        assert plain(kept(tmp_path)) == plain(session.history.document)
        await desk.do("edit.undo")
        await settled(desk)
        assert plain(kept(tmp_path)) == plain(session.history.document)

    tell(story)


def test_a_gesture_under_way_is_not_kept_but_the_one_before(tell: Tell, photo: Path, tmp_path: Path) -> None:
    async def story(desk: Desk) -> None:
        session = await desk.open(photo)
        await paint(desk)
        before = session.history.document
        await desk.press(300, 200)
        await desk.move(340, 220)
        await settled(desk)
        assert session.in_gesture
        assert plain(kept(tmp_path)) == plain(before)
        await desk.release(340, 220)

    tell(story)


def test_an_unchanged_picture_is_kept_by_its_name_and_then_whole(
    tell: Tell, photo: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(autosaving, "QUIET_START", 300)

    async def story(desk: Desk) -> None:
        session = await desk.open(photo)
        await settled(desk)
        (file,) = journals(tmp_path)
        reader = JournalReader(file)
        assert not reader.holds_document
        assert reader.snapshot.source == photo
        await until(lambda: JournalReader(file).holds_document)
        assert plain(kept(tmp_path)) == plain(session.history.document)
        assert JournalReader(file).snapshot.source == photo

    tell(story)


def test_closing_in_good_order_leaves_nothing(tell: Tell, photo: Path, tmp_path: Path) -> None:
    async def story(desk: Desk) -> None:
        session = await desk.open(photo)
        await paint(desk)
        await settled(desk)
        assert len(journals(tmp_path)) == 1
        desk.application.close_document(session)
        await desk.answer("Discard")
        await until(lambda: not desk.application.sessions)
        await settled(desk)
        assert journals(tmp_path) == []

    tell(story)
    assert [path.name for path in (tmp_path / "recovery").iterdir()] == [recovery.LOCK]


def test_after_a_death_the_document_is_offered_and_opened(died: Document, tell: Tell, tmp_path: Path) -> None:
    async def story(desk: Desk) -> None:
        dialog = await offered(desk)
        ((document, row),) = dialog.rows.items()
        assert row.name.text() == "flower"
        assert "Paint strength" in row.about.text()
        await until(lambda: not row.picture.pixmap().isNull())
        await by_hand(lambda: QTest.mouseClick(dialog.open_all, LEFT))
        await until(lambda: desk.application.sessions)
        session = desk.session
        assert plain(session.history.document) == plain(died)
        assert session.history.unsaved
        assert session.path is None
        assert (session.draft.prompt, session.draft.negative_prompt) == ("a red boat", "people")
        await until(lambda: dialog_of(desk) is None)
        await settled(desk)
        assert plain(kept(tmp_path)) == plain(died)  # in the folder of this program, and nowhere else
        assert document.newest.path not in journals(tmp_path)
        assert JournalReader(journals(tmp_path)[0]).snapshot.step == "Paint strength"
        await paint(desk)
        await settled(desk)
        assert plain(kept(tmp_path)) == plain(session.history.document)

    tell(story)


def test_an_edit_that_was_being_run_again_goes_on_and_can_be_left(tell: Tell, photo: Path, tmp_path: Path) -> None:
    before: list[Document] = []

    async def running_again(desk: Desk) -> None:
        session = await desk.open(photo)
        session.set_draft(variations=1)
        await paint(desk)
        await desk.key(Qt.Key.Key_Return, Qt.KeyboardModifier.ControlModifier)
        await desk.finished()
        await desk.key(Qt.Key.Key_Return)
        layer = session.history.document.layers[-1]
        assert layer.recipe is not None
        await paint(desk)
        before.append(session.history.document)
        await by_hand(lambda: run_again(session, layer.id))
        assert session.history.document.rerun is not None
        session.set_draft(prompt="a red boat")
        await settled(desk)

    tell(running_again)

    async def story(desk: Desk) -> None:
        dialog = await offered(desk)
        await by_hand(lambda: QTest.mouseClick(dialog.open_all, LEFT))
        await until(lambda: desk.application.sessions)
        session = desk.session
        assert session.history.document.rerun is not None
        assert session.draft.prompt == "a red boat"
        await by_hand(session.leave_rerun)
        await settled(desk)
        for document in (session.history.document, kept(tmp_path)):
            assert document.rerun is None
            assert plain(replace(document, next_id=0)) == plain(replace(before[0], next_id=0))

    tell(story)


def test_put_off_it_is_offered_again(died: Document, tell: Tell, tmp_path: Path) -> None:
    before = [(file, file.read_bytes()) for file in journals(tmp_path)]

    async def story(desk: Desk) -> None:
        dialog = await offered(desk)
        await by_hand(lambda: QTest.keyClick(dialog, Qt.Key.Key_Escape))
        await until(lambda: dialog_of(desk) is None)
        assert not desk.application.sessions

    tell(story)
    tell(story)
    assert [(file, file.read_bytes()) for file in journals(tmp_path)] == before


def test_discarded_after_a_second_click_it_is_gone(died: Document, tell: Tell, tmp_path: Path) -> None:
    async def story(desk: Desk) -> None:
        dialog = await offered(desk)
        (row,) = dialog.rows.values()
        await by_hand(lambda: QTest.mouseClick(row.discard, LEFT))
        assert row.discard.text() == "Discard for good"
        assert len(journals(tmp_path)) == 1
        await by_hand(lambda: QTest.mouseClick(row.discard, LEFT))
        await until(lambda: dialog_of(desk) is None)
        assert journals(tmp_path) == []
        assert not desk.application.sessions

    tell(story)

    async def nothing(desk: Desk) -> None:
        await asyncio.wrap_future(desk.application.autosave.left_behind())
        assert dialog_of(desk) is None

    tell(nothing)


@pytest.mark.logs
def test_what_cannot_be_opened_says_so_in_its_row_and_stays(died: Document, tell: Tell, tmp_path: Path) -> None:
    async def story(desk: Desk) -> None:
        dialog = await offered(desk)
        ((document, row),) = dialog.rows.items()
        await until(lambda: not row.picture.pixmap().isNull())
        data = document.newest.path.read_bytes()
        document.newest.path.write_bytes(data[: len(data) // 2] + b"\0" * 50 + data[len(data) // 2 + 50 :])
        await by_hand(lambda: QTest.mouseClick(row.open, LEFT))
        await until(lambda: "damaged" in row.about.text())
        assert not desk.application.sessions
        assert document.newest.path.exists()

    tell(story)


@pytest.mark.logs
def test_what_is_damaged_throughout_is_said_once(died: Document, tell: Tell, tmp_path: Path) -> None:
    (file,) = journals(tmp_path)
    data = bytearray(file.read_bytes())
    for at in range(100, len(data), 50):
        data[at] ^= 1
    file.write_bytes(data)

    async def story(desk: Desk) -> None:
        await until(lambda: desk.window.start_page.notices.messages)
        assert dialog_of(desk) is None

    tell(story)

    async def again(desk: Desk) -> None:
        await desk.application.offer_left_behind()
        assert not desk.window.start_page.notices.messages
        assert dialog_of(desk) is None

    tell(again)


def saved_and_died(tell: Tell, photo: Path, after: Sequence[tuple[float, float]] = ()) -> Path:
    """The project file that a program saved before it died, with one more stroke through the points `after`."""
    project = photo.parent / "mine.palimpsest"

    async def saving(desk: Desk) -> None:
        session = await desk.open(photo)
        await paint(desk)
        desk.application.save(session)
        await desk.choose_file(project)
        await until(lambda: session.path == project)
        if after:
            await desk.drag(after)
        await settled(desk)

    tell(saving)
    return project


async def all_opened(desk: Desk) -> RecoveryDialog:
    """Take back everything that is offered."""
    dialog = await offered(desk)
    await by_hand(lambda: QTest.mouseClick(dialog.open_all, LEFT))
    await until(lambda: desk.application.sessions)
    return dialog


def test_a_saved_project_comes_back_as_saved(tell: Tell, photo: Path, tmp_path: Path) -> None:
    project = saved_and_died(tell, photo)

    async def story(desk: Desk) -> None:
        await all_opened(desk)
        assert desk.session.path == project
        assert not desk.session.history.unsaved
        assert plain(desk.session.history.document) == plain(load_project(project))

    tell(story)


def test_where_the_file_changed_since_nothing_is_taken_for_saved(tell: Tell, photo: Path, tmp_path: Path) -> None:
    project = saved_and_died(tell, photo)
    project.write_bytes(b"somebody else's")

    async def story(desk: Desk) -> None:
        await all_opened(desk)
        assert desk.session.history.unsaved
        assert desk.session.document.strength.any()
        assert project.read_bytes() == b"somebody else's"

    tell(story)


@pytest.mark.parametrize("changed", [False, True])
def test_saving_what_came_back_asks_only_where_somebody_else_wrote(
    changed: bool, tell: Tell, photo: Path, tmp_path: Path
) -> None:
    project = saved_and_died(tell, photo, after=[(300, 100), (350, 120)])
    if changed:
        project.write_bytes(b"somebody else's")

    async def story(desk: Desk) -> None:
        await all_opened(desk)
        session = desk.session
        assert session.history.unsaved
        await until(lambda: dialog_of(desk) is None)
        desk.application.save(session)
        if changed:
            await desk.answer("Overwrite")
        await until(lambda: not session.history.unsaved)
        assert plain(load_project(project)) == plain(session.history.document)

    tell(story)


@pytest.mark.logs
def test_a_full_disk_is_said_once_and_keeping_goes_on(
    tell: Tell, photo: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(autosave_writer, "RETRY", 0.05)
    full = True
    tries = 0
    usage = shutil.disk_usage
    write = Journal.write

    def nearly_full(path: Path) -> object:
        nonlocal tries
        tries += 1
        real = usage(path)
        return real._replace(free=1000) if full and tries % 2 else real

    def fails(journal: Journal, snapshot: object) -> None:
        if full:
            raise OSError(errno.ENOSPC, "No space left on device")
        write(journal, snapshot)  # type: ignore[arg-type]

    async def story(desk: Desk) -> None:
        said: list[str] = []
        monkeypatch.setattr(desk.window, "notice", lambda message, *_, **__: said.append(message))
        monkeypatch.setattr(shutil, "disk_usage", nearly_full)
        monkeypatch.setattr(Journal, "write", fails)
        nonlocal full
        session = await desk.open(photo)
        await paint(desk)
        await until(lambda: tries > 3)
        assert len(said) == 1
        assert said[0].startswith("The disk is nearly full")
        full = False
        await until(lambda: len(said) == 2)
        assert said[1] == "Changes are kept safe again."
        assert plain(kept(tmp_path)) == plain(session.history.document)

    tell(story)


@pytest.mark.logs
def test_the_size_that_was_set_is_kept(
    tell: Tell, photo: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(autosave_writer, "RETRY", 0.05)

    async def story(desk: Desk) -> None:
        said: list[str] = []
        monkeypatch.setattr(desk.window, "notice", lambda message, *_, **__: said.append(message))
        await desk.open(photo)
        await settled(desk)  # more than one state, so that writing it alone makes room
        await paint(desk)
        await settled(desk)
        desk.application.autosave._writer.limit = 10_000
        await paint(desk)
        await settled(desk)
        assert plain(kept(tmp_path)) == plain(desk.session.history.document)  # alone it takes as little as it can
        size = sum(file.stat().st_size for file in journals(tmp_path))
        assert not said
        await paint(desk)
        await until(lambda: said)
        assert said == ["Safety copies have reached the size that was set for them."]
        assert sum(file.stat().st_size for file in journals(tmp_path)) == size
        desk.application.autosave._writer.limit = 10**9
        await until(lambda: len(said) == 2)

    tell(story)


def test_turned_off_nothing_is_kept_and_turned_on_everything(tell: Tell, photo: Path, tmp_path: Path) -> None:
    async def story(desk: Desk) -> None:
        session = await desk.open(photo)
        await paint(desk)
        await settled(desk)
        desk.application.settings.set(autosave=False)
        await settled(desk)
        assert journals(tmp_path) == []
        await paint(desk)
        await settled(desk)
        assert journals(tmp_path) == []
        desk.application.settings.set(autosave=True)
        await settled(desk)
        assert plain(kept(tmp_path)) == plain(session.history.document)

    tell(story)


@pytest.mark.logs
def test_a_folder_that_cannot_be_used_does_not_keep_the_program_from_working(
    tell: Tell, photo: Path, tmp_path: Path
) -> None:
    (tmp_path / "recovery").write_text("in the way")

    async def story(desk: Desk) -> None:
        said: list[str] = []
        desk.application.autosave.stopped.connect(lambda message, _: said.append(message))
        session = await desk.open(photo)
        await paint(desk)
        await until(lambda: said)
        assert session.document.strength.any()
        with pytest.raises(OSError, match="exists"):
            await settled(desk)

    tell(story)


@pytest.mark.parametrize("answer", ["open", "later"])
def test_two_programs_do_not_take_each_others_documents(
    answer: str, died: Document, tell: Tell, tmp_path: Path
) -> None:
    async def story(desk: Desk) -> None:
        dialog = await offered(desk)
        other = recovery.RecoveryFolder(tmp_path / "recovery")
        assert other.left_behind().documents == []  # while it is being thought about
        if answer == "open":
            await by_hand(lambda: QTest.mouseClick(dialog.open_all, LEFT))
            await until(lambda: desk.application.sessions)
            await settled(desk)
            assert other.left_behind().documents == []
        else:
            await by_hand(lambda: QTest.mouseClick(dialog.later, LEFT))
            (left,) = other.left_behind().documents
            assert plain(left.newest.load()) == plain(died)
            left.put_off()
        other.close()

    tell(story)


def test_nothing_of_a_closed_document_is_held(tell: Tell, photo: Path, tmp_path: Path) -> None:
    async def story(desk: Desk) -> None:
        session: Session | None = await desk.open(photo)
        assert session is not None
        await paint(desk)
        await settled(desk)
        document = ref(session.history.document.layers[0].pixels)
        desk.application.close_document(session)
        session = None
        await desk.answer("Discard")
        await until(lambda: not desk.application.sessions)
        await settled(desk)
        await until(lambda: document() is None, timeout=10)

    tell(story)


def test_of_several_documents_each_is_kept_by_itself(tell: Tell, tmp_path: Path) -> None:
    for name, colour in (("red", (200, 0, 0)), ("blue", (0, 0, 200))):
        Image.fromarray(np.full((300, 400, 3), colour, np.uint8)).save(tmp_path / f"{name}.png")

    async def story(desk: Desk) -> None:
        red = await desk.open(tmp_path / "red.png")
        await paint(desk)
        await desk.open(tmp_path / "blue.png")
        await paint(desk)
        await settled(desk)
        assert len(journals(tmp_path)) == 2
        desk.application.close_document(red)
        await desk.answer("Discard")
        await until(lambda: len(desk.application.sessions) == 1)
        await settled(desk)
        assert JournalReader(journals(tmp_path)[0]).snapshot.name == "blue"

    tell(story)


def test_a_clock_that_was_put_back_does_not_make_a_later_state_an_earlier_one(
    died: Document, tell: Tell, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (file,) = journals(tmp_path)
    before = JournalReader(file).snapshot.time

    async def story(desk: Desk) -> None:
        dialog = await offered(desk)
        monkeypatch.setattr("time.time", lambda: 1000.0)
        await by_hand(lambda: QTest.mouseClick(dialog.open_all, LEFT))
        await until(lambda: desk.application.sessions)
        await paint(desk)
        await settled(desk)

    tell(story)
    (file,) = journals(tmp_path)
    assert before < JournalReader(file).snapshot.time < before + 60


def test_undone_to_where_it_came_back_it_is_called_after_the_same_step(
    died: Document, tell: Tell, tmp_path: Path
) -> None:
    async def story(desk: Desk) -> None:
        await all_opened(desk)
        session = desk.session
        document = session.history.document
        session.commit("Add", replace(stroke(document, 9, 9), next_id=document.next_id + 5))
        session.undo()
        assert session.history.document is not document  # ids do not go back
        await settled(desk)
        (file,) = journals(tmp_path)
        assert JournalReader(file).snapshot.step == "Paint strength"

    tell(story)


def test_what_the_history_forgot_is_not_held(tell: Tell, tmp_path: Path) -> None:
    pixels = np.random.default_rng(1).integers(0, 255, (300, 400, 3), np.uint8)
    Image.fromarray(pixels).save(tmp_path / "one.png")

    async def story(desk: Desk) -> None:
        session = await desk.open(tmp_path / "one.png")
        first = ref(session.history.document.layers[0].pixels)
        session.history._budget = 1
        session.commit("Replace", random_picture(300))
        await paint(desk)
        await settled(desk)
        await until(lambda: first() is None, timeout=10)

    tell(story)


def test_what_was_mended_while_it_was_opened_is_said(
    tell: Tell, photo: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def long_name(desk: Desk) -> None:
        session = await desk.open(photo)
        document = session.history.document
        session.commit("Rename", document.with_layer(replace(document.layers[0], name="x" * 1000)))
        await settled(desk)

    tell(long_name)

    async def story(desk: Desk) -> None:
        said: list[str] = []
        monkeypatch.setattr(Session, "notice", lambda session, message, *_, **__: said.append(message))
        dialog = await offered(desk)
        await by_hand(lambda: QTest.mouseClick(dialog.open_all, LEFT))
        await until(lambda: len(said) == 2)
        assert said[0] == "Names or words that were too long were cut."
        assert "is back as it was" in said[1]

    tell(story)


@pytest.mark.parametrize("error", [UnreadableFile("It is damaged.", "Look."), RuntimeError("nobody thought of this")])
@pytest.mark.parametrize("closed", [False, True])
@pytest.mark.logs
def test_what_fails_while_it_is_opened_stays_and_can_be_tried_again(
    closed: bool, error: Exception, died: Document, tell: Tell, *, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked, go_on = Event(), Event()

    def fails(left: recovery.LeftBehind, *_: object) -> None:
        asked.set()
        go_on.wait(10)
        raise error

    async def story(desk: Desk) -> None:
        said: list[str] = []
        monkeypatch.setattr(desk.window, "notice", lambda message, *_, **__: said.append(message))
        dialog = await offered(desk)
        (row,) = dialog.rows.values()
        await until(lambda: not row.picture.pixmap().isNull())
        with monkeypatch.context() as patch:
            patch.setattr(recovering, "read_left_behind", fails)
            await by_hand(lambda: QTest.mouseClick(row.open, LEFT))
            await until(asked.is_set)
            if closed:
                await by_hand(lambda: QTest.mouseClick(dialog.later, LEFT))
                await until(lambda: dialog_of(desk) is None)
            else:  # not in the middle of opening it
                for _ in range(2):
                    await by_hand(lambda: QTest.mouseClick(row.discard, LEFT))
                assert len(journals(tmp_path)) == 1
            go_on.set()
            await until(lambda: said if closed else row.about.property("role") == "doubt")
        if closed:
            other = recovery.RecoveryFolder(tmp_path / "recovery")
            (left,) = other.left_behind().documents  # it is not held any more
            left.put_off()
            other.close()
        else:
            await by_hand(lambda: QTest.mouseClick(row.open, LEFT))
            await until(lambda: desk.application.sessions)
            assert plain(desk.session.history.document) == plain(died)
            assert not desk.application._recovery_offer._getting_back

    tell(story)


@pytest.mark.logs
def test_where_nothing_can_be_looked_for_the_start_goes_on(tell: Tell, tmp_path: Path) -> None:
    (tmp_path / "recovery").write_text("in the way")

    async def story(desk: Desk) -> None:
        await desk.application.offer_left_behind()
        assert dialog_of(desk) is None

    tell(story)


def test_a_large_state_lets_a_hand_at_work_come_first_but_not_for_ever(
    tell: Tell, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(autosave_writer, "HAND_RESTS", 0.04)
    monkeypatch.setattr(autosave_writer, "MAX_PAUSE", 0.05)

    async def story(desk: Desk) -> None:
        writer = desk.application.autosave._writer
        writer.hand_moved = time.monotonic() + 1000
        writer._pause(autosave_writer.BLOCKS_AT_ONCE)
        assert writer._paused == 0  # a stroke is written at once
        for count in range(3):
            writer._pause(autosave_writer.BLOCKS_AT_ONCE + 1 + count)
        assert writer._paused == pytest.approx(0.05)
        writer._paused, writer.hand_moved = 0.0, 0.0
        writer._pause(10_000)
        assert writer._paused == 0

    tell(story)
