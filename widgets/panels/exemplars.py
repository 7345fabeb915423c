"""Exemplars panel (reference pictures): those laid onto the canvas, the topmost first."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray
from PySide6.QtWidgets import QHBoxLayout, QWidget

from editor.document.document import Document
from editor.document.exemplar import Exemplar
from editor.document.thumbnails import exemplar_thumbnail
from widgets.controls.icons import IconButton
from widgets.controls.rows import Row, eye_button, show_eye
from widgets.controls.slider import Slider
from widgets.panels.listing import ListPanel
from widgets.session import commands, edits
from widgets.session.session import Session


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
