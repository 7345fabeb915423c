"""A session with the canvas in front of it and the tools in hand, played with real pointer and key events."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from PySide6.QtCore import QEvent, QPointF, Qt
from PySide6.QtGui import QImage, QKeyEvent, QMouseEvent, QPainter
from PySide6.QtWidgets import QApplication
from pytestqt.qtbot import QtBot

from editor.document.contents import Exemplar, Item
from editor.document.document import Document, MapName
from editor.geometry import Placement, Rect
from tests.support.stub_worker import StubWorker
from widgets.canvas.view import CanvasView
from widgets.session.notice import Notice
from widgets.session.options import ToolName
from widgets.session.session import Session
from widgets.tools import make_tools
from widgets.viewport import Viewport

NONE = Qt.KeyboardModifier.NoModifier
SHIFT = Qt.KeyboardModifier.ShiftModifier
ALT = Qt.KeyboardModifier.AltModifier
CTRL = Qt.KeyboardModifier.ControlModifier


class Studio:
    """The canvas shows the picture at 100 %, its corner at (0, 0), so that screen points are picture points."""

    def __init__(self, qtbot: QtBot, document: Document) -> None:
        self.worker = StubWorker(segments="now")
        self.session = Session(document, self.worker)
        self.tools = make_tools(self.session)
        self.canvas = CanvasView(self.session, self.tools)
        qtbot.addWidget(self.canvas)
        self.canvas.resize(document.size.width, document.size.height)
        self.canvas.show()
        qtbot.waitExposed(self.canvas)
        self.look(zoom=1.0, x=document.size.width / 2, y=document.size.height / 2)
        self.notices: list[Notice] = []
        self.session.noticed.connect(self.notices.append)
        self._time = 0
        self._held = Qt.MouseButton.NoButton

    def look(self, zoom: float, x: float, y: float, rotation: float = 0.0, mirrored: bool = False) -> None:
        ratio = self.canvas.devicePixelRatioF()
        size = self.canvas.size()
        self.canvas.navigation.set_viewport(
            Viewport(size.width(), size.height(), ratio, x, y, zoom * ratio, rotation, mirrored)
        )

    @property
    def document(self) -> Document:
        return self.session.document

    def in_gesture(self) -> bool:
        return self.session.in_gesture

    @property
    def labels(self) -> list[str]:
        """What the history says, without the opening."""
        return [entry.label for entry in self.session.history.entries[1 : self.session.history.index + 1]]

    def take(self, tool: ToolName, **options: object) -> None:
        self.session.set_options(tool=tool, **options)

    def map(self, name: MapName = "strength") -> NDArray[np.float32]:
        found: NDArray[np.float32] = self.document.map(name).read()
        return found

    # Events; places in picture pixels

    def press(self, x: float, y: float, held: Qt.KeyboardModifier = NONE, *, right: bool = False) -> None:
        self._send(QEvent.Type.MouseButtonPress, x, y, held, _button(right))

    def drawn(self, tool: ToolName) -> tuple[NDArray[np.intp], NDArray[np.intp]]:
        """The rows and columns of every pixel that the tool draws over the canvas just now."""
        image = QImage(self.canvas.size(), QImage.Format.Format_ARGB32)
        image.fill(Qt.GlobalColor.transparent)
        painter = QPainter(image)
        self.tools[tool].paint(painter, self.canvas.viewport)
        painter.end()
        alpha = np.frombuffer(image.constBits(), np.uint8).reshape(image.height(), image.width(), 4)[..., 3]
        rows, columns = np.nonzero(alpha)
        return rows, columns

    def move(self, x: float, y: float, held: Qt.KeyboardModifier = NONE) -> None:
        self._send(QEvent.Type.MouseMove, x, y, held, Qt.MouseButton.NoButton)

    def release(self, x: float, y: float, held: Qt.KeyboardModifier = NONE, *, right: bool = False) -> None:
        self._send(QEvent.Type.MouseButtonRelease, x, y, held, _button(right))

    def click(self, x: float, y: float, held: Qt.KeyboardModifier = NONE) -> None:
        self.move(x, y, held)
        self.press(x, y, held)
        self.release(x, y, held)

    def double(self, x: float, y: float) -> None:
        self._send(QEvent.Type.MouseButtonDblClick, x, y, NONE, Qt.MouseButton.LeftButton)
        self.release(x, y)

    def drag(
        self,
        *places: tuple[float, float],
        held: Qt.KeyboardModifier = NONE,
        then: Qt.KeyboardModifier | None = None,
        right: bool = False,
    ) -> None:
        """Through the places. `held`: at the press; `then`: from there on (the same, by default)."""
        then = held if then is None else then
        self.move(*places[0], held)
        self.press(*places[0], held, right=right)
        for place in places[1:]:
            self.move(*place, then)
        self.release(*places[-1], then, right=right)

    def type(self, key: Qt.Key, held: Qt.KeyboardModifier = NONE, text: str = "") -> None:
        for kind in (QEvent.Type.KeyPress, QEvent.Type.KeyRelease):
            QApplication.sendEvent(self.canvas, QKeyEvent(kind, key, held, text))

    def _send(self, kind: QEvent.Type, x: float, y: float, held: Qt.KeyboardModifier, button: Qt.MouseButton) -> None:
        at = QPointF(*self.canvas.viewport.to_screen(x, y))
        self._time += 8
        if kind != QEvent.Type.MouseMove:
            self._held = Qt.MouseButton.NoButton if kind == QEvent.Type.MouseButtonRelease else button
        event = QMouseEvent(kind, at, self.canvas.mapToGlobal(at), button, self._held, held)
        event.setTimestamp(self._time)
        QApplication.sendEvent(self.canvas, event)


def _button(right: bool) -> Qt.MouseButton:
    return Qt.MouseButton.RightButton if right else Qt.MouseButton.LeftButton


def plain(width: int = 300, height: int = 200, grey: int = 120) -> Document:
    """A document with one even picture."""
    pixels = np.full((height, width, 4), grey, np.uint8)
    pixels[..., 3] = 255
    return Document.of_picture(pixels)


def with_item(document: Document, rect: Rect, name: str = "cup") -> Document:
    """With a rectangular item."""
    mask = document.empty_map().write(rect.left, rect.top, np.ones(rect.size.shape, np.float32))
    return document.adding_item(Item.of(name, mask))


def with_exemplar(document: Document, width: int, height: int, placement: Placement, name: str = "boat") -> Document:
    pixels = np.full((height, width, 4), 200, np.uint8)
    pixels[..., 3] = 255
    return document.adding_exemplar(Exemplar.of(name, pixels, placement))
