"""A new, empty picture: how large it is, and what it begins with."""

from __future__ import annotations

from typing import Literal

import numpy as np
from PySide6.QtCore import Signal
from PySide6.QtWidgets import QDialog, QDialogButtonBox, QLabel, QVBoxLayout, QWidget

from editor.document.document import Document
from editor.geometry import Size
from widgets.controls.choice import Choice
from widgets.controls.slider import Slider

Background = Literal["white", "transparent"]
USUAL = Size(1024, 1024)  # what many models were made for
LEAST, MOST = 16, 8192  # pixels along a side


class NewDocumentDialog(QDialog):
    """Asks for its size in pixels and for its background. `wanted(size, background)` when the person creates it.

    `size`: what it begins with, that of the picture in front.
    """

    wanted = Signal(object, str)

    def __init__(self, parent: QWidget, size: Size | None) -> None:
        super().__init__(parent)
        self.setWindowTitle("New picture")
        size = size or USUAL
        self._width = Slider("Width", LEAST, MOST, USUAL.width, unit="px", step=1, curve=2)
        self._height = Slider("Height", LEAST, MOST, USUAL.height, unit="px", step=1, curve=2)
        self._width.set_value(min(max(size.width, LEAST), MOST))
        self._height.set_value(min(max(size.height, LEAST), MOST))
        self._background = Choice("Background", [("white", "White", ""), ("transparent", "Transparent", "")])
        self._background.set_value("white")
        caption = QLabel("Background")
        caption.setProperty("role", "caption")
        buttons = QDialogButtonBox(QDialogButtonBox.StandardButton.Cancel)
        create = buttons.addButton("Create", QDialogButtonBox.ButtonRole.AcceptRole)
        create.setProperty("role", "accept")
        create.setDefault(True)
        buttons.accepted.connect(self.accept)
        buttons.rejected.connect(self.reject)
        layout = QVBoxLayout(self)
        layout.setContentsMargins(16, 16, 16, 16)
        layout.setSpacing(8)
        layout.addWidget(self._width)
        layout.addWidget(self._height)
        layout.addSpacing(4)
        layout.addWidget(caption)
        layout.addWidget(self._background)
        layout.addSpacing(8)
        layout.addWidget(buttons)
        self.setFixedWidth(320)
        self.finished.connect(self.deleteLater)
        self.accepted.connect(self._tell)

    def _tell(self) -> None:
        size = Size(round(self._width.value), round(self._height.value))
        self.wanted.emit(size, self._background.value)


def new_document(size: Size, background: Background) -> Document:
    """A document of one layer that is white, or holds nothing."""
    pixels = np.full((*size.shape, 4), 255 if background == "white" else 0, np.uint8)
    return Document.of_picture(pixels)
