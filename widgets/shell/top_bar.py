"""Top bar: all menus behind one button, the documents, the zoom, before and after, and all commands."""

from __future__ import annotations

from PySide6.QtCore import Qt, Signal
from PySide6.QtGui import QDragEnterEvent, QDropEvent
from PySide6.QtWidgets import QFrame, QHBoxLayout, QMenu, QSizePolicy, QTabBar, QToolButton, QWidget

from widgets.controls.icons import IconButton
from widgets.guard import Guarded
from widgets.incoming import files_of
from widgets.shell.busy import BusySign

HEIGHT = 36


class TopBar(Guarded, QFrame):
    """`menu`: all menus; `new_menu`: ways to begin another document; `zoom_menu`: behind the zoom. Signals: `document_chosen(index)`,
    `close_wanted(index)`, `compared(bool)`, `palette_wanted()`, `dropped(paths)`.
    """

    document_chosen = Signal(int)
    close_wanted = Signal(int)
    compared = Signal(bool)
    palette_wanted = Signal()
    dropped = Signal(list)

    def __init__(self, menu: QMenu, new_menu: QMenu, zoom_menu: QMenu, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.setObjectName("topBar")
        self.setFixedHeight(HEIGHT)
        self._menu = IconButton("menu", "Menu", side=28)
        self._menu.setMenu(menu)
        self._menu.setPopupMode(QToolButton.ToolButtonPopupMode.InstantPopup)
        self.tabs = QTabBar()
        self.tabs.setDrawBase(False)
        self.tabs.setExpanding(False)
        self.tabs.setUsesScrollButtons(True)
        self.tabs.setElideMode(Qt.TextElideMode.ElideMiddle)
        self.tabs.setFocusPolicy(Qt.FocusPolicy.TabFocus)
        self.tabs.setAccessibleName("Documents")
        self.tabs.setSizePolicy(QSizePolicy.Policy.Preferred, QSizePolicy.Policy.Fixed)
        self.tabs.setMinimumWidth(0)
        self._new = IconButton("plus", "Another document", tip="Another document: new, open, recent, practice")
        self._new.setMenu(new_menu)
        self._new.setPopupMode(QToolButton.ToolButtonPopupMode.InstantPopup)
        self.busy = BusySign()
        self._zoom = QToolButton()
        self._zoom.setProperty("role", "text")
        self._zoom.setFixedHeight(28)
        self._zoom.setMinimumWidth(64)
        self._zoom.setToolTip("Zoom")
        self._zoom.setMenu(zoom_menu)
        self._zoom.setPopupMode(QToolButton.ToolButtonPopupMode.InstantPopup)
        self._zoom.setFocusPolicy(Qt.FocusPolicy.TabFocus)
        self._compare = IconButton(
            "columns-2",
            "Before and after",
            tip="Before and after, side by side · Y\nHold Tab over the canvas for the whole original.",
            checkable=True,
        )
        self._palette = IconButton("search", "All commands", tip="All commands · Ctrl+K")
        layout = QHBoxLayout(self)
        layout.setContentsMargins(8, 0, 8, 1)
        layout.setSpacing(4)
        layout.addWidget(self._menu)
        layout.addWidget(self.tabs)
        layout.addWidget(self._new)
        layout.addStretch(1)
        layout.addWidget(self.busy)
        layout.addWidget(self._zoom)
        layout.addWidget(self._compare)
        layout.addWidget(self._palette)
        self.tabs.currentChanged.connect(self.document_chosen)
        self._compare.clicked.connect(self.compared)
        self._palette.clicked.connect(self.palette_wanted)
        self.setAcceptDrops(True)

    def dragEnterEvent(self, event: QDragEnterEvent) -> None:
        if files_of(event.mimeData()):
            event.acceptProposedAction()

    def dropEvent(self, event: QDropEvent) -> None:
        files = files_of(event.mimeData())
        if files:
            event.acceptProposedAction()
            self.dropped.emit(files)

    def add_document(self, name: str) -> int:
        at = self.tabs.addTab(_whole(name))
        close = IconButton("x", "Close document", side=20, icon_side=12)
        close.clicked.connect(lambda: self._close(close))
        self.tabs.setTabButton(at, QTabBar.ButtonPosition.RightSide, close)
        return at

    def show_name(self, at: int, name: str, *, unsaved: bool, tip: str) -> None:
        self.tabs.setTabText(at, f"{_whole(name)} •" if unsaved else _whole(name))
        self.tabs.setTabToolTip(at, tip)

    def show_zoom(self, zoom: float | None) -> None:
        """`zoom`: device pixels per picture pixel; None when no document is open."""
        for widget in (self._zoom, self._compare):
            widget.setVisible(zoom is not None)
        if zoom is not None:
            per_cent = zoom * 100
            self._zoom.setText(f"{per_cent:.0f}\u202f%" if per_cent >= 10 else f"{per_cent:.1f}\u202f%")
            self._zoom.setAccessibleName(f"Zoom {self._zoom.text()}")

    def show_compared(self, shown: bool) -> None:
        self._compare.setChecked(shown)

    def _close(self, button: QWidget) -> None:
        for at in range(self.tabs.count()):
            if self.tabs.tabButton(at, QTabBar.ButtonPosition.RightSide) is button:
                self.close_wanted.emit(at)
                return


def _whole(name: str) -> str:
    """The name as Qt shows it whole: a single & would underline what follows."""
    return name.replace("&", "&&")
