"""DocumentModel: a document with its history, and what is shown of it just now."""

from __future__ import annotations

from collections.abc import Hashable

from PySide6.QtCore import QObject, Signal

from editor.document.document import Document
from editor.document.history import History


class DocumentModel(QObject):
    """One document and its history.

    document: what is shown: the history's, or a gesture's that is not committed yet.
    budget: bytes for the history.

    stepping(): before the history changes by something else than the gesture under way, which is to end first: it would go on from a document that
        is not the current one any more.
    changing(document, kept): a hand is about to show this document, or to make it a step of the history.
    stepped(): another step of the history is the current one, or the history itself has changed.
    shown(before, after): another document is shown; also after every step.
    settled(): what is shown is the history's: after every step, and when a gesture has been dropped.
    arrived(): a step has been heard of by all.
    """

    stepping = Signal()
    changing = Signal(object, bool)
    stepped = Signal()
    shown = Signal(object, object)
    settled = Signal()
    arrived = Signal()

    def __init__(self, document: Document, budget: int) -> None:
        super().__init__()
        self.history = History(document, budget=budget)
        self.document = document

    @property
    def original(self) -> Document:
        """The oldest document still known: the picture before the edits."""
        return self.history.entries[0].document

    @property
    def in_gesture(self) -> bool:
        return self.document is not self.history.document

    def show(self, document: Document) -> None:
        """Draw this document without adding it to the history (a gesture under way)."""
        if document is not self.history.document:
            self.changing.emit(document, False)
        self.history.reserve(document)
        before, self.document = self.document, document
        if document is not before:
            self.shown.emit(before, document)
            if not self.in_gesture:
                self.settled.emit()

    def commit(self, label: str, document: Document, merge: Hashable | None = None, *, by_hand: bool = True) -> None:
        """Make this document the current one: one step of the history. `by_hand`: not where a result does it."""
        if by_hand:
            self.changing.emit(document, True)
        self.history.commit(label, document, merge)
        self._arrive()

    def revert(self) -> None:
        """Drop the gesture under way."""
        self.show(self.history.document)

    def undo(self) -> None:
        self.stepping.emit()
        self.history.undo()
        self._arrive()

    def take_back(self) -> None:
        """Undo the current step, and leave no trace of it."""
        self.stepping.emit()
        self.history.take_back()
        self._arrive()

    def redo(self) -> None:
        self.stepping.emit()
        self.history.redo()
        self._arrive()

    def go_to(self, index: int) -> None:
        self.stepping.emit()
        self.history.go_to(index)
        self._arrive()

    def _arrive(self) -> None:
        before, self.document = self.document, self.history.document
        self.stepped.emit()
        self.shown.emit(before, self.document)
        self.settled.emit()
        self.arrived.emit()
