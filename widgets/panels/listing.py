"""What the panels of layers, items and exemplars have in common: rows that follow the document, thumbnails a moment later."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Generic, TypeVar

import numpy as np
from numpy.typing import NDArray
from PySide6.QtCore import QPoint, QTimer, Signal, SignalInstance
from PySide6.QtWidgets import QVBoxLayout, QWidget

from editor.document.contents import Exemplar, Item, Layer
from editor.document.document import Document
from widgets.controls.rows import Row, Rows
from widgets.session.session import Session

T = TypeVar("T", Layer, Item, Exemplar)

THUMBNAIL_DELAY = 60  # milliseconds; thumbnails wait until a burst of changes is over


class ListPanel(QWidget, Generic[T]):
    """One row for each thing of the document. Subclasses say which things, and what a row shows. `menu_wanted(row, point)`: the menu of the active
    one, at a point of the screen.

    While a gesture is under way nothing is refreshed: the hand comes first. `active_changed`: the signal of what is active.
    """

    menu_wanted = Signal(QWidget, QPoint)

    def __init__(
        self, session: Session, label: str, empty: str, active_changed: SignalInstance, *, drags: bool = False
    ) -> None:
        super().__init__()
        self.session = session
        self.rows = Rows(label, empty, drags=drags)
        self._shown: dict[int, T] = {}
        self._pictured: dict[int, object] = {}
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.addWidget(self.rows)
        layout.addStretch(1)
        self._timer = QTimer(self)
        self._timer.setSingleShot(True)
        self._timer.setInterval(THUMBNAIL_DELAY)
        self._timer.timeout.connect(self._picture)
        self.rows.menu_wanted.connect(self.menu_wanted)
        session.model.settled.connect(self.refresh)
        active_changed.connect(self._show_active)
        self.refresh()

    @property
    def header_buttons(self) -> tuple[QWidget, ...]:
        """What stands in the panel's header."""
        return ()

    def things(self, document: Document) -> Sequence[T]:
        """From the top row down."""
        raise NotImplementedError

    def make_row(self, thing: T) -> Row:
        raise NotImplementedError

    def show_row(self, row: Row, thing: T) -> None:
        """Bring the row's words and controls up to date."""
        raise NotImplementedError

    def active(self) -> int | None:
        raise NotImplementedError

    def thumbnail(self, thing: T, side: int) -> NDArray[np.uint8]:
        """(h, w, 4) uint8 straight alpha."""
        raise NotImplementedError

    def picture_key(self, thing: T) -> object:
        """Something that is not equal any more when the thumbnail is out of date; cheap to compare."""
        raise NotImplementedError

    def refresh(self) -> None:
        if self.session.in_gesture:
            return
        things = self.things(self.session.document)
        for id in self._pictured.keys() - {thing.id for thing in things}:
            # Its row goes, and its picture with it: should the thing come back, it has a row of its own.
            del self._pictured[id]
        rows = [self.rows.row(thing.id) or self.make_row(thing) for thing in things]
        self.rows.arrange(rows)
        for row, thing in zip(rows, things, strict=True):
            if self._shown.get(thing.id) is not thing:
                self.show_row(row, thing)
        self._shown = {thing.id: thing for thing in things}
        self._show_active()
        if any(self._pictured.get(thing.id) != self.picture_key(thing) for thing in things):
            self._timer.start()

    def _show_active(self) -> None:
        active = self.active()
        self.rows.show_active(active)
        for thing in self._shown.values():
            row = self.rows.row(thing.id)
            if row is not None:
                row.show_active(thing.id == active, dim=not thing.visible)

    def _picture(self) -> None:
        for thing in self._shown.values():
            key, row = self.picture_key(thing), self.rows.row(thing.id)
            if row is not None and self._pictured.get(thing.id) != key:
                row.thumbnail.show_pixels(self.thumbnail(thing, row.thumbnail.device_side))
                self._pictured[thing.id] = key
