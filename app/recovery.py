"""Recovery dialog: the offer to get documents back that an earlier program could not close: a list with pictures, and what becomes of each."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from datetime import datetime

import numpy as np
from numpy.typing import NDArray
from PySide6.QtCore import QDateTime, QLocale, QSize, Qt, Signal
from PySide6.QtGui import QCloseEvent, QPixmap
from PySide6.QtWidgets import QDialog, QFrame, QHBoxLayout, QLabel, QPushButton, QVBoxLayout, QWidget

from app.documents import read_document
from editor.document.document import Document
from editor.document.thumbnails import document_thumbnail
from editor.io.files import state_of
from editor.io.limits import Mending
from editor.io.manifest import SETTINGS, SettingsClasses
from editor.io.recovery import LeftBehind
from widgets.controls.column_scroll import ColumnScroll
from widgets.controls.elided import ElidedLabel
from widgets.guard import Guarded
from widgets.qimage import to_qimage

log = logging.getLogger(__name__)

MARGIN = 16
PICTURE = QSize(96, 72)
MAX_ROWS_SHOWN = 4
WIDTH = 560


def read_left_behind(left: LeftBehind, settings: SettingsClasses = SETTINGS) -> tuple[Document, bool, tuple[str, ...]]:
    """The document, whether its file holds it as it is, and what the person should know. Raises `UnreadableFile`.

    settings: as in `load_project`
    """
    reader = left.newest
    source = reader.snapshot.source
    if reader.holds_document or source is None:
        mending = Mending()
        document = reader.load(mending, settings)
        source = reader.snapshot.source  # by now of an earlier state, where the newest makes no sense
        return (
            document,
            source is not None and reader.snapshot.stamp == state_of(source, look_into=False),
            mending.notes,
        )
    document, notes = read_document(source, settings)
    return document, True, notes


def left_behind_thumbnail(document: LeftBehind) -> NDArray[np.uint8]:
    """(h, w, 4) uint8, what the document shows, twice as large as it is shown in the list. Raises `UnreadableFile`."""
    return document_thumbnail(read_left_behind(document)[0], 2 * PICTURE.width())


class RecoveryDialog(Guarded, QDialog):
    """The documents, each with *Open* and *Discard*; not modal. Closing it puts off what is left.

    `open_wanted(document)`, `discarded(document)` with a `LeftBehind`; the row goes with `remove`. `put_off(documents)` when it closes.
    """

    open_wanted = Signal(object)
    discarded = Signal(object)
    put_off = Signal(object)

    def __init__(self, documents: Sequence[LeftBehind], parent: QWidget) -> None:
        super().__init__(parent)
        self.setWindowTitle("Get documents back")
        count = len(documents)
        title = QLabel("Palimpsest ended unexpectedly.")
        title.setProperty("role", "title")
        words = QLabel(
            f"{'This document was' if count == 1 else f'These {count} documents were'} open. What you had done is here, up to the last step."
        )
        words.setProperty("role", "quiet")
        words.setWordWrap(True)
        self.rows = {document: RecoveryRow(document) for document in documents}
        body = QWidget()
        column = QVBoxLayout(body)
        column.setContentsMargins(MARGIN, 0, MARGIN, 0)
        column.setSpacing(0)
        for document, row in self.rows.items():
            row.open.clicked.connect(lambda _=False, which=document: self.open_wanted.emit(which))
            row.discard_confirmed.connect(lambda which=document: self.discarded.emit(which))
            column.addWidget(row)
        column.addStretch(1)
        scroll = ColumnScroll(body)
        scroll.setFixedHeight(min(count, MAX_ROWS_SHOWN) * RecoveryRow.HEIGHT + 2)
        self.later = QPushButton("Later")
        self.later.setToolTip("They are offered again at the next start.")
        self.open_all = QPushButton("Open" if count == 1 else "Open all")
        self.open_all.setProperty("role", "accept")
        self.open_all.setDefault(True)
        self.later.setAutoDefault(False)
        self.later.clicked.connect(self.close)
        self.open_all.clicked.connect(self._open_all)
        buttons = QHBoxLayout()
        buttons.setContentsMargins(MARGIN, 0, MARGIN, 0)
        buttons.setSpacing(8)
        buttons.addStretch(1)
        buttons.addWidget(self.later)
        buttons.addWidget(self.open_all)
        head = QVBoxLayout()
        head.setContentsMargins(MARGIN, 0, MARGIN, 0)
        head.setSpacing(4)
        head.addWidget(title)
        head.addWidget(words)
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, MARGIN, 0, MARGIN)
        layout.setSpacing(12)
        layout.addLayout(head)
        layout.addWidget(scroll)
        layout.addLayout(buttons)
        self.setFixedWidth(WIDTH)
        self.open_all.setFocus()

    def show_picture(self, document: LeftBehind, pixels: NDArray[np.uint8]) -> None:
        if document in self.rows:
            self.rows[document].show_picture(pixels)

    def show_refusal(self, document: LeftBehind, message: str) -> None:
        """Say in its row why it could not be opened."""
        if document in self.rows:
            self.rows[document].show_refusal(message)

    def remove(self, document: LeftBehind) -> None:
        """Something became of it. The last one closes the dialog."""
        row = self.rows.pop(document, None)
        if row is not None:
            row.hide()
            row.deleteLater()
        if not self.rows:
            self.close()

    def closeEvent(self, event: QCloseEvent) -> None:
        self.put_off.emit(tuple(self.rows))
        self.rows.clear()
        super().closeEvent(event)

    def reject(self) -> None:
        self.close()  # Escape puts off, as closing does

    def _open_all(self) -> None:
        for document in tuple(self.rows):
            self.open_wanted.emit(document)


class RecoveryRow(QFrame):
    """One document. `discard_confirmed()` after a second click: it cannot be taken back."""

    HEIGHT = 92
    discard_confirmed = Signal()

    def __init__(self, document: LeftBehind) -> None:
        super().__init__()
        self.setObjectName("section")
        self.setFixedHeight(self.HEIGHT)
        snapshot = document.newest.snapshot
        self.picture = QLabel()
        self.picture.setFixedSize(PICTURE)
        self.picture.setAlignment(Qt.AlignmentFlag.AlignCenter)
        self.picture.setAccessibleName(f"Picture of {snapshot.name}")
        self.name = ElidedLabel(snapshot.name)
        self.name.setProperty("role", "title")
        self.about = QLabel(_about(document))
        self.about.setProperty("role", "caption")
        self.about.setWordWrap(True)
        where = snapshot.project or snapshot.source
        if where is not None:
            self.setToolTip(str(where).encode("utf-8", "replace").decode("utf-8"))
        self.open = QPushButton("Open")
        self.open.setAutoDefault(False)
        self.open.setAccessibleName(f"Open {snapshot.name}")
        self.discard = QPushButton("Discard")
        self.discard.setAutoDefault(False)
        self.discard.setAccessibleName(f"Discard {snapshot.name}")
        self.discard.clicked.connect(self._discard)
        self._asked = False
        words = QVBoxLayout()
        words.setSpacing(4)
        words.addStretch(1)
        words.addWidget(self.name)
        words.addWidget(self.about)
        words.addStretch(1)
        layout = QHBoxLayout(self)
        layout.setContentsMargins(0, 8, 0, 8)
        layout.setSpacing(12)
        layout.addWidget(self.picture)
        layout.addLayout(words, 1)
        layout.addWidget(self.discard)
        layout.addWidget(self.open)

    def show_picture(self, pixels: NDArray[np.uint8]) -> None:
        ratio = self.devicePixelRatioF()
        pixmap = QPixmap.fromImage(to_qimage(pixels)).scaled(
            PICTURE * ratio, Qt.AspectRatioMode.KeepAspectRatio, Qt.TransformationMode.SmoothTransformation
        )
        pixmap.setDevicePixelRatio(ratio)
        self.picture.setPixmap(pixmap)

    def show_refusal(self, message: str) -> None:
        self.about.setText(message)
        self.about.setProperty("role", "doubt")
        self.about.style().polish(self.about)

    def _discard(self) -> None:
        if self._asked:
            self.discard_confirmed.emit()
            return
        self._asked = True
        self.discard.setText("Discard for good")
        self.discard.setProperty("role", "danger")
        self.discard.style().polish(self.discard)


def _about(document: LeftBehind) -> str:
    """When it was so, and after which step."""
    snapshot = document.newest.snapshot
    when = datetime.fromtimestamp(snapshot.time)
    moment = QDateTime.fromSecsSinceEpoch(int(snapshot.time))
    locale = QLocale()
    kind = QLocale.FormatType.ShortFormat
    clock = locale.toString(moment.time(), kind)
    day = "today" if when.date() == datetime.now().date() else locale.toString(moment.date(), kind)
    if snapshot.source is not None:
        return f"As it was opened or saved, {day} at {clock}"
    return f"After “{snapshot.step}”, {day} at {clock}"
