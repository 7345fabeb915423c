"""MIME data of files that are dragged in or lie on the clipboard, as far as it is files.

Qt gives no data at all when the other program has gone away.
"""

from __future__ import annotations

from pathlib import Path

from PySide6.QtCore import QMimeData
from PySide6.QtGui import QGuiApplication

from widgets.local_files import local_path


def on_clipboard() -> QMimeData | None:
    """What was copied last."""
    return QGuiApplication.clipboard().mimeData()


def files_of(data: QMimeData | None) -> list[Path]:
    """The files of this machine in it."""
    urls = [] if data is None else data.urls()
    return [path for url in urls if (path := local_path(url)) is not None]
