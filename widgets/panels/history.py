"""History panel: what was done, the newest at the bottom; a click goes there."""

from __future__ import annotations

from PySide6.QtCore import QItemSelectionModel, QModelIndex, QSize, Qt
from PySide6.QtGui import QColor, QResizeEvent, QShowEvent, QStandardItem, QStandardItemModel
from PySide6.QtWidgets import QListView, QVBoxLayout, QWidget

from editor.document.history import Entry
from widgets.guard import Guarded
from widgets.session.session import Session
from widgets.theme import colours

LINE = 28
KEPT = "A project keeps layers, strength, items and reference pictures. The steps of the history last until the document is closed."
LINES = 4  # wanted always, so that what is below stays where it is while somebody paints
MIN_LINES = 2
MARGIN = 8  # below them
MIN_HISTORY = LINE * MIN_LINES + MARGIN


class HistoryPanel(QWidget):
    """Labels of the steps; those that were undone are faint."""

    def __init__(self, session: Session) -> None:
        super().__init__()
        self._session = session
        self._entries: tuple[Entry, ...] = ()
        self._index = -1
        self._model = QStandardItemModel(self)
        self.list = _Steps()
        self.list.setModel(self._model)
        self.list.setUniformItemSizes(True)
        self.list.setVerticalScrollMode(QListView.ScrollMode.ScrollPerPixel)
        self.list.setEditTriggers(QListView.EditTrigger.NoEditTriggers)
        self.list.setHorizontalScrollBarPolicy(Qt.ScrollBarPolicy.ScrollBarAlwaysOff)
        self.list.setTextElideMode(Qt.TextElideMode.ElideRight)
        self.list.setAccessibleName("History")
        self.list.setToolTip(KEPT)
        self.list.setFocusPolicy(Qt.FocusPolicy.TabFocus)
        layout = QVBoxLayout(self)
        layout.setContentsMargins(4, 0, 4, MARGIN)
        layout.addWidget(self.list)
        self.list.selectionModel().currentChanged.connect(self._go)
        session.model.settled.connect(self._show)
        self._show()

    def _show(self) -> None:
        history = self._session.history
        entries, index = history.entries, history.index
        if index == self._index and len(entries) == len(self._entries) and entries[-1] is self._entries[-1]:
            return
        self._entries, self._index = entries, index
        palette = colours(self.palette())
        selection = self.list.selectionModel()
        blocked = selection.blockSignals(True)
        self._model.setRowCount(len(entries))
        for at, entry in enumerate(entries):
            item = QStandardItem(entry.label)
            item.setToolTip(entry.label)
            if at > index:
                item.setForeground(QColor(palette.faint))
            self._model.setItem(at, item)
        here = self._model.index(index, 0)
        selection.setCurrentIndex(here, QItemSelectionModel.SelectionFlag.ClearAndSelect)
        selection.blockSignals(blocked)
        self.list.scrollTo(here)
        self.list.viewport().update()

    def _go(self, current: QModelIndex) -> None:
        if current.isValid() and current.row() != self._session.history.index:
            self._session.go_to(current.row())


class _Steps(Guarded, QListView):
    """A list whose current step is in sight however high it is."""

    def sizeHint(self) -> QSize:
        return QSize(super().sizeHint().width(), LINE * LINES)

    def minimumSizeHint(self) -> QSize:
        return QSize(0, LINE)

    def resizeEvent(self, event: QResizeEvent) -> None:
        super().resizeEvent(event)
        self.scrollTo(self.currentIndex())

    def showEvent(self, event: QShowEvent) -> None:
        super().showEvent(event)
        self.scrollTo(self.currentIndex())
