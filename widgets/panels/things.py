"""Panels of things: the regions of the picture that have a name, and the reference pictures that are laid onto it."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray
from PySide6.QtWidgets import QHBoxLayout, QPushButton, QWidget

from editor.document.contents import Exemplar, Item
from editor.document.document import Document
from editor.document.thumbnails import exemplar_thumbnail, item_thumbnail
from editor.planning.plan import removal
from widgets.controls.icons import IconButton
from widgets.controls.rows import Row, eye_button, show_eye
from widgets.controls.slider import Slider
from widgets.panels.listing import ListPanel
from widgets.session import commands, edits
from widgets.session.session import Session


class ItemsPanel(ListPanel[Item]):
    """Choose, show, rename, put back and remove items."""

    def __init__(self, session: Session) -> None:
        super().__init__(session, "Items", "Select something, then make it an item.", session.state.draft_changed)
        self._add = IconButton("plus", "Make the selection an item", tip="Make the selection an item · Ctrl+J", side=24)
        self._add.clicked.connect(lambda: commands.selection_to_item(session))
        self.rows.chosen.connect(lambda id: session.activate(item=id))
        self.rows.renamed.connect(lambda id, name: edits.rename_item(session, id, name))
        self.rows.deleted.connect(lambda id: _remove(session, id))
        self.rows.hovered.connect(lambda id, over: session.set_view(pointed=id if over else None))

    @property
    def header_buttons(self) -> tuple[QWidget, ...]:
        return (self._add,)

    def things(self, document: Document) -> Sequence[Item]:
        return document.items

    def make_row(self, thing: Item) -> Row:
        return _ItemRow(self.session, thing.id)

    def show_row(self, row: Row, thing: Item) -> None:
        assert isinstance(row, _ItemRow)
        row.show_item(thing)

    def active(self) -> int | None:
        return self.session.draft.item

    def thumbnail(self, thing: Item, side: int) -> NDArray[np.uint8]:
        return item_thumbnail(self.session.history.document, thing, side)

    def picture_key(self, thing: Item) -> object:
        return thing.mask, self.session.history.document.layers  # it shows what is seen there now


class _ItemRow(Row):
    def __init__(self, session: Session, id: int) -> None:
        below = QWidget()
        remove, self._back = QPushButton("Remove"), QPushButton("Put back")
        forget = IconButton("x", "Take it off the list; the picture stays as it is")
        remove.setToolTip("Take it out of the picture and heal the hole · Delete")
        self._back.setToolTip("Show it where it was")
        line = QHBoxLayout(below)
        line.setContentsMargins(0, 0, 4, 4)
        line.setSpacing(4)
        line.addWidget(remove, 1)
        line.addWidget(self._back, 1)
        line.addWidget(forget)
        self._eye = eye_button()
        super().__init__(id, self._eye, below=below)
        self._visible = True
        self._eye.clicked.connect(lambda: edits.show_item(session, id, not self._visible))
        self._back.clicked.connect(lambda: commands.put_back(session, id))
        forget.clicked.connect(lambda: commands.delete_item(session, id))
        remove.clicked.connect(lambda: _remove(session, id))

    def show_item(self, item: Item) -> None:
        self._visible = item.visible
        size = item.rect.size
        where = "Moved" if item.placement is not None else f"{size.width} × {size.height}\u202fpx"
        self.show_words(item.name, where)
        self._back.setEnabled(item.placement is not None)
        show_eye(self._eye, item.visible)


def _remove(session: Session, id: int) -> None:
    item = session.document.item(id)
    if item is not None:
        session.run(removal(item))


class ExemplarsPanel(ListPanel[Exemplar]):
    """Choose, show, rename, reorder, weigh, flip, cut out and delete exemplars."""

    def __init__(self, session: Session) -> None:
        active_changed = session.state.draft_changed
        super().__init__(session, "Reference pictures", "Drop a picture onto the canvas.", active_changed, drags=True)
        self.rows.chosen.connect(lambda id: session.activate(exemplar=id))
        self.rows.renamed.connect(lambda id, name: edits.rename_exemplar(session, id, name))
        self.rows.deleted.connect(lambda id: commands.delete_exemplar(session, id))
        self.rows.hovered.connect(lambda id, over: session.set_view(pointed=id if over else None))
        self.rows.ordered.connect(lambda ids: edits.reorder_exemplars(session, ids[::-1]))

    def things(self, document: Document) -> Sequence[Exemplar]:
        return document.exemplars[::-1]

    def make_row(self, thing: Exemplar) -> Row:
        return _ExemplarRow(self.session, thing.id)

    def show_row(self, row: Row, thing: Exemplar) -> None:
        assert isinstance(row, _ExemplarRow)
        row.show_exemplar(thing)

    def active(self) -> int | None:
        return self.session.draft.exemplar

    def thumbnail(self, thing: Exemplar, side: int) -> NDArray[np.uint8]:
        return exemplar_thumbnail(thing, side, self.session.document.metadata.icc)

    def picture_key(self, thing: Exemplar) -> object:
        return thing.cutout


class _ExemplarRow(Row):
    def __init__(self, session: Session, id: int) -> None:
        below = QWidget()
        self._strength = Slider("Influence", 0, 1, 1, unit="%", step=0.01)
        flip = IconButton("flip-vertical-2", "Flip left to right")
        cut = IconButton("scissors", "Paint its cut-out")
        delete = IconButton("trash-2", "Delete the reference picture", danger=True)
        line = QHBoxLayout(below)
        line.setContentsMargins(0, 0, 4, 4)
        line.setSpacing(2)
        line.addWidget(self._strength, 1)
        line.addSpacing(2)
        for button in (flip, cut, delete):
            line.addWidget(button)
        self._eye = eye_button()
        super().__init__(id, self._eye, below=below, drags=True)
        self._visible = True
        self._eye.clicked.connect(lambda: edits.show_exemplar(session, id, not self._visible))
        self._strength.changed.connect(lambda value: edits.set_exemplar_strength(session, id, value))
        flip.clicked.connect(lambda: edits.flip_exemplar(session, id))
        cut.clicked.connect(lambda: edits.paint_cutout(session, id))
        delete.clicked.connect(lambda: commands.delete_exemplar(session, id))

    def show_exemplar(self, exemplar: Exemplar) -> None:
        self._visible = exemplar.visible
        self._strength.set_value(exemplar.strength)
        words = f"Influence {round(exemplar.strength * 100)}\u202f%"
        if exemplar.fidelity > 0:
            words += f" · Kept {round(exemplar.fidelity * 100)}\u202f%"
        self.show_words(exemplar.name, words)
        show_eye(self._eye, exemplar.visible)
