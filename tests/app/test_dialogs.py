"""Questions that do not block."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import pytest
from PySide6.QtCore import Qt
from PySide6.QtTest import QTest
from PySide6.QtWidgets import QFileDialog, QWidget
from pytestqt.qtbot import QtBot

from app.dialogs import ask_export, ask_open, ask_save, ask_unsaved


@pytest.fixture
def parent(qtbot: QtBot) -> QWidget:
    made = QWidget()
    qtbot.addWidget(made)
    made.show()
    return made


@pytest.mark.parametrize(("text", "answer"), [("Save", "save"), ("Discard", "discard"), ("Cancel", "cancel")])
def test_unsaved_changes_have_three_answers(parent: QWidget, text: str, answer: str) -> None:
    found: list[str] = []
    box = ask_unsaved(parent, "cat.png", found.append)
    assert "cat.png" in box.text()
    assert found == []
    button = next(each for each in box.buttons() if each.text().replace("&", "") == text)
    QTest.mouseClick(button, Qt.MouseButton.LeftButton)
    assert found == [answer]


def test_escape_means_cancel(parent: QWidget) -> None:
    found: list[str] = []
    box = ask_unsaved(parent, "cat.png", found.append)
    QTest.keyClick(box, Qt.Key.Key_Escape)
    assert found == ["cancel"]


def picked(dialog: QFileDialog, path: Path) -> None:
    dialog.fileSelected.emit(str(path))
    dialog.filesSelected.emit([str(path)])
    dialog.close()


def test_a_project_gets_its_ending(parent: QWidget, tmp_path: Path) -> None:
    found: list[Path] = []
    dialog = ask_save(parent, tmp_path / "cat.png", found.append)
    assert dialog.acceptMode() == QFileDialog.AcceptMode.AcceptSave
    picked(dialog, tmp_path / "cat.v2")
    assert found == [tmp_path / "cat.v2.palimpsest"]


@pytest.mark.parametrize(
    ("kind", "name", "expected"),
    [
        ("PNG (*.png)", "cat", "cat.png"),
        ("JPEG (*.jpg)", "cat.final", "cat.final.jpg"),
        ("PNG (*.png)", "cat.jpeg", "cat.jpeg"),
        ("TIFF (*.tif)", "cat.TIFF", "cat.TIFF"),
    ],
)
def test_the_kind_gives_the_ending_unless_the_name_has_one(
    parent: QWidget, tmp_path: Path, kind: str, name: str, expected: str
) -> None:
    found: list[Path] = []
    dialog = ask_export(parent, tmp_path / "cat.palimpsest", found.append)
    dialog.selectNameFilter(kind)
    picked(dialog, tmp_path / name)
    assert found == [tmp_path / expected]


def test_several_files_can_be_opened(parent: QWidget, tmp_path: Path) -> None:
    found: list[Sequence[Path]] = []
    dialog = ask_open(parent, tmp_path, found.append)
    assert dialog.fileMode() == QFileDialog.FileMode.ExistingFiles
    picked(dialog, tmp_path / "cat.png")
    assert found == [[tmp_path / "cat.png"]]


@pytest.mark.parametrize(
    ("name", "expected"),
    [("cat.palimpsest", "cat.png"), ("cat.JPG", "cat.png"), ("cat.final", "cat.final.png"), ("cat", "cat.png")],
)
def test_the_suggestion_keeps_what_is_no_ending(parent: QWidget, tmp_path: Path, name: str, expected: str) -> None:
    dialog = ask_export(parent, tmp_path / name, lambda _: None)
    assert [Path(selectedfile).name for selectedfile in dialog.selectedFiles()] == [expected]
    dialog.close()
    dialog = ask_save(parent, tmp_path / name, lambda _: None)
    assert [Path(selectedfile).name for selectedfile in dialog.selectedFiles()] == [
        expected.replace(".png", ".palimpsest")
    ]
    dialog.close()


def test_the_dialog_itself_adds_the_ending_so_that_it_can_ask_before_replacing(parent: QWidget, tmp_path: Path) -> None:
    dialog = ask_export(parent, tmp_path / "cat.png", lambda _: None)
    assert dialog.defaultSuffix() == "png"
    dialog.filterSelected.emit("WebP (*.webp)")
    assert dialog.defaultSuffix() == "webp"
    dialog.close()


def test_nothing_is_replaced_that_nobody_was_asked_about(parent: QWidget, tmp_path: Path) -> None:
    for name in ("cat.final.png", "cat.final 2.png", "cat.final.palimpsest"):
        (tmp_path / name).write_text("precious")
    found: list[Path] = []
    picked(ask_export(parent, tmp_path / "cat", found.append), tmp_path / "cat.final")
    picked(ask_save(parent, tmp_path / "cat", found.append), tmp_path / "cat.final")
    assert found == [tmp_path / "cat.final 3.png", tmp_path / "cat.final 2.palimpsest"]
