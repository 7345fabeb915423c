"""Section: a titled part of the right column that folds away."""

from __future__ import annotations

from PySide6.QtCore import QEvent, QSize, Qt, Signal
from PySide6.QtWidgets import QFrame, QHBoxLayout, QSizePolicy, QToolButton, QVBoxLayout, QWidget

from widgets.icons import ICON, icon
from widgets.theme import colours

HEADER = 32


class Section(QFrame):
    """A header with `title` over `body`; a click on the header folds it. `folded(bool)` when the person did.

    `buttons` stand at the right end of the header.
    """

    folded = Signal(bool)

    def __init__(self, title: str, body: QWidget, *buttons: QWidget, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.setObjectName("section")
        self._body = body
        self._header = QToolButton()
        self._header.setProperty("role", "header")
        self._header.setText(title)
        self._header.setToolButtonStyle(Qt.ToolButtonStyle.ToolButtonTextBesideIcon)
        self._header.setIconSize(QSize(ICON, ICON))
        self._header.setFixedHeight(HEADER)
        self._header.setSizePolicy(QSizePolicy.Policy.Expanding, QSizePolicy.Policy.Fixed)
        self._header.setFocusPolicy(Qt.FocusPolicy.TabFocus)
        self._header.clicked.connect(self._toggle)
        top = QHBoxLayout()
        top.setContentsMargins(8, 0, 8, 0)
        top.setSpacing(0)
        top.addWidget(self._header, 1)
        for button in buttons:
            top.addWidget(button)
        self._buttons = buttons
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.setSpacing(0)
        layout.addLayout(top)
        layout.addWidget(body)
        self._open = True
        self._show()

    @property
    def is_open(self) -> bool:
        return self._open

    def set_open(self, open: bool) -> None:
        self._open = open
        self._show()

    def _toggle(self) -> None:
        self.set_open(not self._open)
        self.folded.emit(not self._open)

    def changeEvent(self, event: QEvent) -> None:
        super().changeEvent(event)
        if event.type() == QEvent.Type.PaletteChange:
            self._show()

    def _show(self) -> None:
        name = "chevron-down" if self._open else "chevron-right"
        found = colours(self.palette())
        self._header.setIcon(icon(name, found, ICON, colour=found.quiet))
        self._header.setAccessibleName(f"{self._header.text()}, {'open' if self._open else 'folded'}")
        self._body.setVisible(self._open)
        for button in self._buttons:
            button.setVisible(self._open)
