"""OpenDocument: a document with its history, and what is shown of it just now."""

from __future__ import annotations

from collections.abc import Hashable

from PySide6.QtCore import QObject, Signal

from editor.document.document import Document
from editor.document.history import History


class DocumentModel(QObject):
    """`document` is what is shown: the history's, or a gesture's that is not committed yet. `budget`: bytes for the history.

    `document_changed(before, after)` with two `Document`s, also when only the history has changed. `stepping()` before the history changes by
    something else than the gesture under way: it is to end first, since it would go on from a document that is not the current one any more.
    """

    document_changed = Signal(object, object)
    stepping = Signal()

    def __init__(self, document: Document, budget: int) -> None:
        super().__init__()
        self.history = History(document, budget=budget)
        self._shown = document

    @property
    def document(self) -> Document:
        """What is shown just now."""
        return self._shown

    @property
    def original(self) -> Document:
        """The oldest document still known: the picture before the edits."""
        return self.history.entries[0].document

    @property
    def in_gesture(self) -> bool:
        return self._shown is not self.history.document

    def show(self, document: Document) -> None:
        """Draw this document without adding it to the history (a gesture under way)."""
        self.history.reserve(document)
        before, self._shown = self._shown, document
        if document is not before:
            self.document_changed.emit(before, document)

    def commit(self, label: str, document: Document, merge: Hashable | None = None) -> None:
        """Make this document the current one: one step of the history."""
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
        before, self._shown = self._shown, self.history.document
        self._follow()
        # Also when nothing looks different: the history itself has changed, and panels show it.
        self.document_changed.emit(before, self._shown)

    def _follow(self) -> None:
        """Another step of the history is the current one; nobody has been told yet."""
