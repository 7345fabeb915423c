"""Files whose names are not UTF-8, look like markup, are too long or hold NUL, everywhere where a path comes in or is shown."""

from __future__ import annotations

import json
import logging
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from PySide6.QtCore import QByteArray, QMimeData, QPoint, QPointF, Qt, QUrl
from PySide6.QtGui import QDragEnterEvent, QDropEvent
from PySide6.QtWidgets import QApplication, QLabel, QTabBar, QWidget

from app.dialogs import ask_save
from app.documents import Thumbnails, export_picture, read_document
from app.settings import Preferences
from editor.document.document import Document
from tests.app.conftest import Tell
from tests.support.program import LEFT, NONE, Desk, by_hand
from tests.support.waiting import until
from widgets.canvas.drop import DropChip
from widgets.incoming import local_path, url_of
from widgets.session.notice import Notice

pytestmark = pytest.mark.skipif(not sys.platform.startswith("linux"), reason="names are bytes there")

NOT_UTF8 = os.fsdecode(b"caf\xe9 \xff & <b>x")
SHOWN = "caf\ufffd \ufffd & <b>x"


@pytest.fixture
def odd(tmp_path: Path) -> Path:
    path = tmp_path / f"{NOT_UTF8}.png"
    with path.open("wb") as file:
        Image.new("RGB", (300, 200), (90, 80, 70)).save(file, "PNG")
    return path


def shown(desk: Desk) -> list[str]:
    """All that the window says."""
    return [label.text() for label in desk.window.findChildren(QLabel) if label.isVisible()]


def test_it_is_opened_painted_saved_exported_and_opened_again(tell: Tell, odd: Path) -> None:
    project, exported = odd.with_suffix(".palimpsest"), odd.with_name(f"out {NOT_UTF8}.png")

    async def story(desk: Desk) -> None:
        session = await desk.open(odd)
        assert desk.window.windowTitle().startswith(SHOWN)
        (tabs,) = desk.window.findChildren(QTabBar)
        assert tabs.tabText(0) == SHOWN.replace("&", "&&")
        strength = session.document.strength.write(5, 5, np.ones((9, 9), np.float32))
        session.commit("Paint", session.document.with_strength(strength))
        session.path = project  # Qt's own dialog cannot name such a file
        await desk.do("file.save")
        await until(lambda: not session.history.unsaved)
        assert read_document(project)[0].strength.same_as(strength)
        await until(lambda: any(f"Saved as {SHOWN}.palimpsest." in each for each in shown(desk)))
        await until(lambda: str(project) in desk.application.settings.values.recent)
        desk.application.close_document(session)
        await until(lambda: not desk.application.sessions)
        cards = desk.window.start_page.cards
        assert cards[0].accessibleName() == f"Open {SHOWN}.palimpsest"
        (recent, _) = desk.application.recent()
        assert recent.thumbnail is not None
        await desk.click(cards[0])
        await until(lambda: desk.application.sessions)
        assert desk.session.path == project
        await export_picture(exported, session.document)
        assert exported.is_file()

    tell(story)


def test_it_can_be_dropped_on_the_window_and_onto_a_picture(tell: Tell, odd: Path) -> None:
    def dragged(path: Path) -> QMimeData:
        data = QMimeData()
        data.setData("text/uri-list", QByteArray(bytes(url_of(path).toEncoded().data()) + b"\r\n"))
        return data

    async def story(desk: Desk) -> None:
        data = dragged(odd)
        enter = QDragEnterEvent(QPoint(50, 50), Qt.DropAction.CopyAction, data, LEFT, NONE)
        await by_hand(lambda: QApplication.sendEvent(desk.window.start_page, enter))
        drop = QDropEvent(QPointF(50, 50), Qt.DropAction.CopyAction, data, LEFT, NONE)
        await by_hand(lambda: QApplication.sendEvent(desk.window.start_page, drop))
        await until(lambda: desk.application.sessions)
        assert desk.session.name == NOT_UTF8
        await desk.drop(odd, 50, 50)
        await until(lambda: desk.canvas.findChildren(DropChip))

    tell(story)


@pytest.mark.parametrize("name", ["plain.png", "100% #1?.png", "ümläut 🙂.png", f"{NOT_UTF8}.png", "a\nb.png"])
def test_an_address_leads_to_the_file_and_back(name: str) -> None:
    path = Path("/tmp") / name
    assert local_path(url_of(path)) == path
    assert local_path(QUrl("https://example.org/a.png")) is None


BAD = {
    "too long": ("x" * 300 + ".png", "too long"),
    "NUL": ("nu\0l.png", "is no name of a file"),
    "half a character": ("lone \ud800.png", "is no name of a file"),
    "a project with NUL": ("nu\0l.palimpsest", "is no name of a file"),
}


@pytest.mark.parametrize("kind", BAD)
def test_what_can_be_no_file_is_a_sentence(tell: Tell, photo: Path, tmp_path: Path, kind: str) -> None:
    name, says = BAD[kind]

    async def story(desk: Desk) -> None:
        session = await desk.open(photo)
        notices: list[Notice] = []
        session.noticed.connect(notices.append)
        desk.application.open_paths([tmp_path / name])
        await until(lambda: notices)
        assert notices[0].error
        assert says in notices[0].message
        notices.clear()
        session.path = (tmp_path / name).with_suffix(".palimpsest")
        desk.application.save(session)
        await until(lambda: notices)
        assert "Nothing was written" in notices[0].message

    tell(story)


def test_a_name_that_looks_like_markup_is_shown_as_it_is(tell: Tell, photo: Path) -> None:
    async def story(desk: Desk) -> None:
        session = await desk.open(photo)
        session.notice("“<img src=x> <h1>big</h1>.png” is not there.", "<b>Check</b>.")
        labels = [
            label for label in desk.window.findChildren(QLabel) if "<h1>" in label.text() or "<b>" in label.text()
        ]
        assert [label.textFormat() for label in labels] == [Qt.TextFormat.PlainText] * 2

    tell(story)


def test_a_title_keeps_what_qt_would_take_for_its_own_sign(tell: Tell, photo: Path) -> None:
    path = photo.with_name("a[*]b.jpg")
    photo.rename(path)

    async def story(desk: Desk) -> None:
        await desk.open(path)
        assert desk.window.windowTitle().startswith("a[*][*]b[*]")

    tell(story)


def test_a_thumbnail_is_kept_by_such_a_name(odd: Path, tmp_path: Path) -> None:
    kept = Thumbnails(tmp_path / "cache")
    kept.write(odd, Document.of_picture(np.full((8, 8, 4), 90, np.uint8)))
    assert kept.read(odd) is not None
    assert kept.read(odd.with_name("other.png")) is None


def test_the_log_takes_such_names(tmp_path: Path) -> None:
    script = """
import logging, os, sys
from pathlib import Path
from app import log as logs
logs.start(Path(sys.argv[1]))
logging.getLogger("x").error("no %s", os.fsdecode(b"caf\\xe9"))
"""
    run = subprocess.run([sys.executable, "-c", script, str(tmp_path)], capture_output=True, text=True, check=True)
    assert "Traceback" not in run.stderr
    assert "no caf\\udce9" in (tmp_path / "palimpsest.log").read_text(encoding="utf-8")


def test_a_long_name_that_is_typed_is_no_error_of_ours(tmp_path: Path, qtbot: object) -> None:
    parent = QWidget()
    chosen: list[Path] = []
    dialog = ask_save(parent, tmp_path / "a", chosen.append)
    dialog.fileSelected.emit(str(tmp_path / ("x" * 300)))
    assert chosen == [tmp_path / ("x" * 300 + ".palimpsest")]
    dialog.close()


HOSTILE = {
    "nested deeply": b"[" * 100_000,
    "numbers": b'{"undo_budget": 1' + b"0" * 400 + b', "geometry": "AAAA", "folded": [NaN, 1e999], "theme": Infinity}',
    "texts": json.dumps(
        {
            "geometry": "\ud800", "method": "\0", "hub": "http://[", "model": "x" * 100_000, "ranker": "/nu\0l",
            "recent": ["", "/nu\0l", "\ud800", "relative", "/" + "x" * 5000, os.fsdecode(b"/caf\xe9")],
            "model_folder": "/" + "y" * 5000, "model_folders": ["\0", "/" + "z" * 300], "models": ["", "\udcff"],
        }
    ).encode(),
}  # fmt: skip


@pytest.mark.parametrize("kind", HOSTILE)
def test_nothing_in_the_settings_keeps_the_program_from_starting(
    tell: Tell, photo: Path, tmp_path: Path, kind: str, caplog: pytest.LogCaptureFixture
) -> None:
    (tmp_path / "settings.json").write_bytes(HOSTILE[kind])

    async def story(desk: Desk) -> None:
        assert (desk.application.settings.trouble is not None) == (kind == "nested deeply")
        desk.window.start_page.refresh()
        await desk.open(photo)
        await until(lambda: str(photo) in desk.application.settings.values.recent)
        desk.window.show_preferences()
        desk.application.show_models()

    tell(story)
    values = json.loads((tmp_path / "settings.json").read_bytes())
    assert set(values) >= set(Preferences.__dataclass_fields__)
    assert not [record for record in caplog.records if record.levelno >= logging.ERROR]
