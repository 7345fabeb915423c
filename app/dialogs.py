"""Questions to the person, awaited: the window goes on drawing while they think."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from pathlib import Path
from typing import Literal

from editor.io.project import SUFFIX
from PySide6.QtWidgets import QDialog, QFileDialog, QMessageBox, QWidget

from editor.io.images import READ_KINDS

Answer = Literal["save", "discard", "cancel"]


async def ask_open(parent: QWidget) -> list[Path]:
    """Files to open; none when the person thinks better of it."""
    pictures = " ".join(f"*{suffix}" for kind in READ_KINDS for suffix in kind.suffixes)
    dialog = QFileDialog(parent, "Open")
    dialog.setFileMode(QFileDialog.FileMode.ExistingFiles)
    dialog.setNameFilters([f"Pictures and projects ({pictures} *{SUFFIX})", "All files (*)"])
    if await _finished(dialog) != QDialog.DialogCode.Accepted:
        return []
    return [Path(name) for name in dialog.selectedFiles()]


async def ask_save(parent: QWidget, name: str, kind: str, suffixes: Sequence[str]) -> Path | None:
    """Where to write. A name without one of the suffixes gets that of the proposed name."""
    dialog = QFileDialog(parent, "Save")
    dialog.setAcceptMode(QFileDialog.AcceptMode.AcceptSave)
    dialog.setNameFilters([f"{kind} ({' '.join(f'*{suffix}' for suffix in suffixes)})", "All files (*)"])
    dialog.setDefaultSuffix(Path(name).suffix.removeprefix("."))
    dialog.selectFile(name)
    if await _finished(dialog) != QDialog.DialogCode.Accepted:
        return None
    return Path(dialog.selectedFiles()[0])


async def ask_unsaved(parent: QWidget, name: str) -> Answer:
    """What to do with changes that no file holds."""
    box = QMessageBox(parent)
    box.setIcon(QMessageBox.Icon.NoIcon)
    box.setText(f"Save the changes to “{name}”?")
    box.setInformativeText("Without saving they are lost.")
    save = box.addButton("Save", QMessageBox.ButtonRole.AcceptRole)
    discard = box.addButton("Don’t save", QMessageBox.ButtonRole.DestructiveRole)
    box.addButton("Cancel", QMessageBox.ButtonRole.RejectRole)
    box.setDefaultButton(save)
    await _finished(box)
    chosen = box.clickedButton()
    return "save" if chosen is save else "discard" if chosen is discard else "cancel"


async def _finished(dialog: QDialog) -> int:
    """Show the dialog and wait for its answer; it is deleted in the end, also when the waiting is cancelled."""
    future: asyncio.Future[int] = asyncio.get_running_loop().create_future()

    def ended(code: int) -> None:
        if not future.done():
            future.set_result(code)

    dialog.finished.connect(ended)
    dialog.open()
    try:
        return await future
    finally:
        dialog.close()
        dialog.deleteLater()
