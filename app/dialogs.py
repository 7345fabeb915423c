"""Questions to the person: which file, and what about unsaved changes. None blocks; the answer comes to a function,
or as that of a coroutine."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Callable, Sequence
from itertools import count
from pathlib import Path
from typing import Literal, TypeVar

from PySide6.QtCore import Qt
from PySide6.QtWidgets import QDialog, QFileDialog, QMessageBox, QPushButton, QWidget

from editor.errors import readable
from editor.io.encoding import KindName

T = TypeVar("T")

Answer = Literal["save", "discard", "cancel"]
Choice = Literal["both", "overwrite", "reload", "cancel"]

PROJECT = ".palimpsest"
OPEN_FILTER = (
    "Pictures and projects (*.png *.jpg *.jpeg *.webp *.tif *.tiff *.palimpsest);;"
    "Pictures (*.png *.jpg *.jpeg *.webp *.tif *.tiff);;Projects (*.palimpsest);;All files (*)"
)
SAVE_FILTER = "Palimpsest project (*.palimpsest)"
EXPORT_FILTERS = {"PNG (*.png)": ".png", "JPEG (*.jpg)": ".jpg", "WebP (*.webp)": ".webp", "TIFF (*.tif)": ".tif"}

PICTURES = frozenset({*EXPORT_FILTERS.values(), ".jpeg", ".tiff"})


async def answer(ask: Callable[[Callable[[T], None]], QDialog]) -> T | None:
    """What the person answered in the dialog that `ask` opens; None when they put it away."""
    loop = asyncio.get_running_loop()
    future: asyncio.Future[T | None] = loop.create_future()

    def settle(value: T | None) -> None:
        if not future.done():
            future.set_result(value)

    dialog = ask(settle)
    dialog.finished.connect(lambda: loop.call_soon(settle, None))  # an answer given while it closes comes first
    return await future


def opened(dialog: QDialog) -> QDialog:
    dialog.open()
    return dialog


def ask_open(parent: QWidget, folder: Path | None, chosen: Callable[[Sequence[Path]], None]) -> QFileDialog:
    """Which files to open; `chosen` is called unless the person cancels."""
    dialog = _dialog(parent, "Open", folder)
    dialog.setFileMode(QFileDialog.FileMode.ExistingFiles)
    dialog.setNameFilter(OPEN_FILTER)
    dialog.filesSelected.connect(lambda names: chosen([Path(name) for name in names]))
    dialog.open()
    return dialog


def ask_save(parent: QWidget, suggestion: Path, chosen: Callable[[Path], None]) -> QFileDialog:
    """Where to save the project; the ending is added when it is missing."""
    dialog = _dialog(parent, "Save", suggestion.parent)
    dialog.setAcceptMode(QFileDialog.AcceptMode.AcceptSave)
    dialog.setNameFilter(SAVE_FILTER)
    dialog.setDefaultSuffix(PROJECT)
    dialog.selectFile(_named(suggestion, PROJECT))
    dialog.fileSelected.connect(lambda name: chosen(_with_suffix(Path(name), PROJECT)))
    dialog.open()
    return dialog


def ask_export(
    parent: QWidget, suggestion: Path, chosen: Callable[[Path], None], kind: KindName = "PNG"
) -> QFileDialog:
    """Where to write the picture; the chosen kind, first `kind`, gives the ending when the name has none of a picture."""
    first = next(words for words in EXPORT_FILTERS if words.startswith(kind))
    dialog = _dialog(parent, "Export picture", suggestion.parent)
    dialog.setAcceptMode(QFileDialog.AcceptMode.AcceptSave)
    dialog.setNameFilters(list(EXPORT_FILTERS))
    dialog.selectNameFilter(first)
    # So that the dialog asks before it replaces `cat.png`, also when only `cat` was typed.
    dialog.setDefaultSuffix(EXPORT_FILTERS[first])
    dialog.filterSelected.connect(lambda kind: dialog.setDefaultSuffix(EXPORT_FILTERS.get(kind, ".png")))
    dialog.selectFile(_named(suggestion, EXPORT_FILTERS[first]))

    def picked(name: str) -> None:
        path = Path(name)
        suffix = EXPORT_FILTERS.get(dialog.selectedNameFilter(), ".png")
        chosen(path if path.suffix.lower() in PICTURES else _with_suffix(path, suffix))

    dialog.fileSelected.connect(picked)
    dialog.open()
    return dialog


def ask_unsaved(parent: QWidget, name: str, answered: Callable[[Answer], None]) -> QMessageBox:
    """What is to become of the changes to `name`."""
    box = QMessageBox(parent)
    box.setAttribute(Qt.WidgetAttribute.WA_DeleteOnClose)
    box.setWindowModality(Qt.WindowModality.WindowModal)
    box.setTextFormat(Qt.TextFormat.PlainText)
    box.setText(f"Save the changes to “{readable(name)}”?")
    box.setInformativeText("Without saving they are lost. A project keeps everything but the steps of the history.")
    box.setIcon(QMessageBox.Icon.NoIcon)
    save = box.addButton("Save", QMessageBox.ButtonRole.AcceptRole)
    discard = box.addButton("Discard", QMessageBox.ButtonRole.DestructiveRole)
    cancel = box.addButton("Cancel", QMessageBox.ButtonRole.RejectRole)
    _redden(discard)
    box.setDefaultButton(save)
    box.setEscapeButton(cancel)

    def finished() -> None:
        clicked = box.clickedButton()
        answered("save" if clicked is save else "discard" if clicked is discard else "cancel")

    box.finished.connect(finished)
    box.open()
    return box


def ask_changed(parent: QWidget, name: str, answered: Callable[[Choice], None], *, known: bool = True) -> QMessageBox:
    """What is to become of a project file that somebody else has changed, and of what is open here. `known`: that it was, and not only that it may
    have been.
    """
    box = QMessageBox(parent)
    box.setAttribute(Qt.WidgetAttribute.WA_DeleteOnClose)
    box.setWindowModality(Qt.WindowModality.WindowModal)
    box.setTextFormat(Qt.TextFormat.PlainText)
    was = "was changed somewhere else since it was opened or saved here"
    may = "may hold something else by now: nobody looked after it meanwhile"
    box.setText(f"“{readable(name)}” {was if known else may}.")
    box.setInformativeText(
        "“Keep both” saves this one beside it, under another name.\n"
        "“Overwrite” replaces what the file holds now, which is lost.\n"
        "“Open the other” opens what the file holds now in a tab of its own. This one stays open beside it, not saved."
    )
    box.setIcon(QMessageBox.Icon.NoIcon)
    both = box.addButton("Keep both", QMessageBox.ButtonRole.AcceptRole)
    reload = box.addButton("Open the other", QMessageBox.ButtonRole.ActionRole)
    overwrite = box.addButton("Overwrite", QMessageBox.ButtonRole.DestructiveRole)
    cancel = box.addButton("Cancel", QMessageBox.ButtonRole.RejectRole)
    _redden(overwrite)
    box.setDefaultButton(both)
    box.setEscapeButton(cancel)
    answers: dict[object, Choice] = {both: "both", reload: "reload", overwrite: "overwrite"}
    box.finished.connect(lambda: answered(answers.get(box.clickedButton(), "cancel")))
    box.open()
    return box


def _redden(button: QPushButton) -> None:
    """Show that it destroys something. A message box has given its buttons their looks already when it hands them out."""
    button.setProperty("role", "danger")
    button.style().unpolish(button)
    button.style().polish(button)


def _dialog(parent: QWidget, title: str, folder: Path | None) -> QFileDialog:
    dialog = QFileDialog(parent, title)
    dialog.setAttribute(Qt.WidgetAttribute.WA_DeleteOnClose)
    dialog.setWindowModality(Qt.WindowModality.WindowModal)
    if folder is not None:
        dialog.setDirectory(str(folder))
    return dialog


def _named(path: Path, suffix: str) -> str:
    """The file's name with this ending, in the place of one that we know."""
    known = path.suffix.lower() in {*PICTURES, PROJECT}
    return (path.stem if known else path.name) + suffix


def _with_suffix(path: Path, suffix: str) -> Path:
    """With the ending added when it is missing; a file that is there then is not replaced, since nobody was asked."""
    if path.suffix.lower() == suffix:
        return path
    file = path.with_name(path.name + suffix)
    for number in count(2):
        if not os.path.lexists(file):
            break
        file = path.with_name(f"{path.name} {number}{suffix}")
    return file
