"""Saving over a project that somebody else has changed: asked about, and nothing is lost whatever the answer."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from PySide6.QtCore import Qt
from PySide6.QtGui import QColor
from PySide6.QtWidgets import QApplication, QMessageBox, QWidget
from pytestqt.qtbot import QtBot

from app import dialogs
from app.documents import read_document
from editor.document.document import Document
from editor.io.project import save_project
from tests.app.conftest import Tell
from tests.support.program import Desk, by_hand
from tests.support.waiting import until
from widgets.session import run_actions
from widgets.session.notice import Notice
from widgets.session.session import Session
from widgets.theme import DARK, Theme


def grey(value: int, width: int = 640, height: int = 427) -> Document:
    return Document.of_picture(np.full((height, width, 4), (value, value, value, 255), np.uint8))


def paint(session: Session, left: int = 20) -> None:
    document = session.document
    strength = document.strength.write(left, 20, np.ones((10, 10), np.float32))
    session.commit("Paint", document.with_strength(strength))


def heard(session: Session) -> list[Notice]:
    notices: list[Notice] = []
    session.noticed.connect(notices.append)
    return notices


async def open_and_paint(desk: Desk, path: Path) -> Session:
    """A project that is open and not saved, with what its file is like known."""
    save_project(path, grey(90))
    session = await desk.open(path)
    await until(lambda: session.on_disk is not None and session.on_disk.digest)
    paint(session)
    return session


def by_another(path: Path) -> bytes:
    """Somebody saves another version, as this program does."""
    save_project(path, grey(200))
    return path.read_bytes()


def in_place(path: Path) -> bytes:
    """Somebody writes into the same file: inode and size stay."""
    data = bytearray(path.read_bytes())
    data[-1] ^= 0xFF
    path.write_bytes(data)
    found = path.stat()
    os.utime(path, ns=(found.st_atime_ns, found.st_mtime_ns + 10_000_000))
    return bytes(data)


@pytest.mark.parametrize("change", [by_another, in_place])
def test_overwrite_replaces_it(tell: Tell, tmp_path: Path, change: Callable[[Path], bytes]) -> None:
    path = tmp_path / "cat.palimpsest"

    async def story(desk: Desk) -> None:
        session = await open_and_paint(desk, path)
        change(path)
        await desk.do("file.save")
        await desk.answer("Overwrite")
        await until(lambda: not session.history.unsaved)
        assert read_document(path)[0].strength.same_as(session.document.strength)
        paint(session, 60)
        await desk.do("file.save")  # it is ours again
        await until(lambda: not session.history.unsaved)
        assert os.listdir(tmp_path).count(path.name) == 1

    tell(story)


def test_keep_both_saves_beside_it_and_goes_on_there(tell: Tell, tmp_path: Path) -> None:
    path = tmp_path / "cat.palimpsest"
    (tmp_path / "cat 2.palimpsest").write_text("somebody's")

    async def story(desk: Desk) -> None:
        session = await open_and_paint(desk, path)
        other = by_another(path)
        await desk.do("file.save")
        await desk.answer("Keep both")
        await until(lambda: not session.history.unsaved)
        assert path.read_bytes() == other
        assert (tmp_path / "cat 2.palimpsest").read_text() == "somebody's"
        assert session.path == tmp_path / "cat 3.palimpsest"
        assert read_document(session.path)[0].strength.same_as(session.document.strength)
        await until(lambda: desk.application.settings.values.recent[0] == str(session.path))

    tell(story)


def test_open_the_other_shows_both_and_loses_neither(tell: Tell, tmp_path: Path) -> None:
    path = tmp_path / "cat.palimpsest"

    async def story(desk: Desk) -> None:
        session = await open_and_paint(desk, path)
        other = by_another(path)
        mine = session.document
        await desk.do("file.save")
        await desk.answer("Open the other")
        await until(lambda: len(desk.application.sessions) == 2)
        theirs = desk.session
        assert theirs is not session
        assert (theirs.path, path.read_bytes()) == (path, other)
        assert theirs.document.layers[0].pixels.read()[0, 0, 0] == 200
        assert session.document is mine
        assert (session.path, session.name, session.history.unsaved) == (None, "cat (mine)", True)
        assert not theirs.history.unsaved

    tell(story)


def test_the_other_cannot_be_opened_and_nothing_changes(tell: Tell, tmp_path: Path) -> None:
    path = tmp_path / "cat.palimpsest"

    async def story(desk: Desk) -> None:
        session = await open_and_paint(desk, path)
        path.write_bytes(b"rubbish")
        notices = heard(session)
        await desk.do("file.save")
        await desk.answer("Open the other")
        await until(lambda: notices)
        assert notices[0].error
        assert session.path == path
        assert path.read_bytes() == b"rubbish"
        await desk.do("file.save")
        await desk.answer("Overwrite")
        await until(lambda: not session.history.unsaved)

    tell(story)


@pytest.mark.parametrize("answer", ["Cancel", "Escape"])
def test_cancel_leaves_everything(tell: Tell, tmp_path: Path, answer: str) -> None:
    path = tmp_path / "cat.palimpsest"

    async def story(desk: Desk) -> None:
        session = await open_and_paint(desk, path)
        other = by_another(path)
        desk.application.save(session)
        desk.application.save(session)  # twice in a row it is one question
        if answer == "Cancel":
            await desk.answer("Cancel")
        else:
            await until(lambda: question(desk))
            await desk.key(Qt.Key.Key_Escape, widget=QApplication.activeModalWidget())
        await until(lambda: not question(desk))
        assert path.read_bytes() == other
        assert session.path == path
        assert session.history.unsaved
        await desk.do("file.save")
        await desk.answer("Cancel")  # it is asked again

    tell(story)


def test_what_was_only_touched_or_copied_back_is_not_asked_about(tell: Tell, tmp_path: Path) -> None:
    path = tmp_path / "cat.palimpsest"

    async def story(desk: Desk) -> None:
        session = await open_and_paint(desk, path)
        os.utime(path, ns=(1, 1))
        await desk.do("file.save")
        await until(lambda: not session.history.unsaved)
        shutil.copy(path, tmp_path / "copy")
        os.replace(tmp_path / "copy", path)
        paint(session, 60)
        await desk.do("file.save")
        await until(lambda: not session.history.unsaved)

    tell(story)


def test_a_file_that_is_gone_is_written_again(tell: Tell, tmp_path: Path) -> None:
    path = tmp_path / "cat.palimpsest"

    async def story(desk: Desk) -> None:
        session = await open_and_paint(desk, path)
        path.unlink()
        await desk.do("file.save")
        await until(lambda: not session.history.unsaved)
        assert path.is_file()

    tell(story)


def test_a_folder_in_its_place_is_a_sentence(tell: Tell, tmp_path: Path) -> None:
    path = tmp_path / "cat.palimpsest"

    async def story(desk: Desk) -> None:
        session = await open_and_paint(desk, path)
        notices = heard(session)
        path.unlink()
        path.mkdir()
        await desk.do("file.save")
        await until(lambda: notices)
        assert "is a folder" in notices[0].message
        assert session.history.unsaved

    tell(story)


def test_on_the_way_out_it_is_asked_too(tell: Tell, tmp_path: Path) -> None:
    path = tmp_path / "cat.palimpsest"

    async def story(desk: Desk) -> None:
        session = await open_and_paint(desk, path)
        other = by_another(path)
        desk.application.quit()
        await desk.answer("Save")
        await until(lambda: "changed somewhere else" in question(desk))
        await desk.answer("Cancel")
        await until(lambda: not question(desk))
        assert desk.application.sessions == [session]
        desk.application.quit()
        await desk.answer("Save")
        await until(lambda: "changed somewhere else" in question(desk))
        await desk.answer("Keep both")
        await until(desk.application.finished.is_set)
        assert path.read_bytes() == other
        assert (tmp_path / "cat 2.palimpsest").is_file()

    tell(story)


def test_two_documents_on_one_file_do_not_undo_each_other(tell: Tell, tmp_path: Path) -> None:
    path = tmp_path / "cat.palimpsest"

    async def story(desk: Desk) -> None:
        first = await open_and_paint(desk, path)
        link = tmp_path / "other.palimpsest"
        link.symlink_to(path)
        second = await desk.open(link)  # the same file under another name
        paint(second, 100)
        desk.application.save(second)
        await until(lambda: not second.history.unsaved)
        assert link.is_symlink()
        theirs = path.read_bytes()
        desk.application.save(first)
        await desk.answer("Keep both")
        await until(lambda: not first.history.unsaved)
        assert path.read_bytes() == theirs

    tell(story)


def test_a_document_whose_file_was_never_looked_at_is_asked_about(tell: Tell, tmp_path: Path) -> None:
    path = tmp_path / "cat.palimpsest"

    async def story(desk: Desk) -> None:
        session = await open_and_paint(desk, path)
        session.on_disk = None
        await desk.do("file.save")
        await until(lambda: "may hold something else" in question(desk))
        await desk.answer("Overwrite")
        await until(lambda: not session.history.unsaved)

    tell(story)


def test_saved_while_an_edit_is_run_again_it_goes_on_when_opened(tell: Tell, tmp_path: Path) -> None:
    path = tmp_path / "cat.palimpsest"

    async def story(desk: Desk) -> None:
        session = await open_and_paint(desk, path)
        session.run()
        await until(lambda: session.job is not None and not session.job.busy)
        session.accept()
        document = session.document
        session.commit("Add layer", document.adding_layer(document.layers[0]))
        shown = session.document
        run_actions.run_again(session, shown.layers[1].id)
        notices = heard(session)
        await desk.do("file.save")
        await until(lambda: not session.history.unsaved)
        assert "still is when the project is opened" in notices[-1].advice
        await desk.do("file.close")
        await until(lambda: not desk.application.sessions)
        opened = await desk.open(path)
        assert [layer.visible for layer in opened.document.layers] == [True, False, False]
        assert any("is reopened." in each for each in notices_on_screen(desk))
        await by_hand(desk.canvas.setFocus)
        await desk.key(Qt.Key.Key_Escape)
        assert [layer.visible for layer in opened.document.layers] == [layer.visible for layer in shown.layers]
        assert opened.document.rerun is None

    tell(story)


def test_what_destroys_is_red(qapp: QApplication, qtbot: QtBot) -> None:
    Theme(qapp, "dark")
    window = QWidget()
    qtbot.addWidget(window)
    changed = dialogs.ask_changed(window, "cat", lambda _: None)
    unsaved = dialogs.ask_unsaved(window, "cat", lambda _: None)
    red = [
        button.text()
        for box in (changed, unsaved)
        for button in box.buttons()
        if button.palette().buttonText().color() == QColor(DARK.danger)
    ]
    assert red == ["Overwrite", "Discard"]


def question(desk: Desk) -> str:
    boxes = [box for box in desk.window.findChildren(QMessageBox) if box.isVisible()]
    return boxes[0].text() if boxes else ""


def notices_on_screen(desk: Desk) -> list[str]:
    assert desk.window.workbench is not None
    return desk.window.workbench.stage.notices.messages


def test_what_a_project_keeps_is_said_where_it_is_saved(tell: Tell, tmp_path: Path) -> None:
    path = tmp_path / "cat.palimpsest"

    async def story(desk: Desk) -> None:
        await open_and_paint(desk, path)
        assert "steps of the history" in desk.window.actions_of_window.action("file.save").toolTip()
        desk.application.quit()
        await desk.answer("Cancel")

    tell(story)
