"""A canvas with a document on it, what it shows as an array, and a tool that only writes down what it is told."""

from __future__ import annotations

from dataclasses import replace

import cv2
import numpy as np
from numpy.typing import NDArray
from PySide6.QtCore import QEvent, QPoint, QPointF, QRect, Qt
from PySide6.QtGui import QImage, QMouseEvent, QPainter
from PySide6.QtWidgets import QApplication
from pytestqt.qtbot import QtBot

from editor.document.document import Document
from editor.geometry import Rect
from tests.support.stub_worker import StubWorker
from widgets.canvas.view import CanvasView
from widgets.qimage import from_qimage
from widgets.session.options import ToolName
from widgets.session.session import Session
from widgets.tools import make_tools
from widgets.tools.tool import Gesture, PointerEvent, Tool
from widgets.viewport import Viewport

Pixels = NDArray[np.uint8]
LEFT, MIDDLE, RIGHT = Qt.MouseButton.LeftButton, Qt.MouseButton.MiddleButton, Qt.MouseButton.RightButton
NONE = Qt.KeyboardModifier.NoModifier


class NoteTool(Tool):
    """Writes down every event; a drag paints the strength under the pointer."""

    def __init__(self, session: Session) -> None:
        super().__init__(session)
        self.events: list[PointerEvent] = []
        self.left = self.closed = 0
        self.fails = False
        self.shows = self.commits = True
        self.painted = 0

    def gesture(self, press: PointerEvent) -> Gesture:
        self.events.append(press)
        event = press
        try:
            while event.kind != "release":
                event = yield
                if self.fails:
                    raise RuntimeError("the tool is broken")
                self.events.append(event)
                if not self.shows:
                    continue
                document = self.session.document
                spot = np.ones((4, 4), np.float32)
                self.session.show(document.with_strength(document.strength.write(int(event.x), int(event.y), spot)))
        except GeneratorExit:
            self.closed += 1
            raise
        if self.commits:
            self.session.commit("Note", self.session.document)

    def hover(self, event: PointerEvent) -> None:
        self.events.append(event)

    def leave(self) -> None:
        self.left += 1

    def paint(self, painter: QPainter, viewport: Viewport) -> None:
        self.painted += 1

    def decoration(self, viewport: Viewport) -> QRect:
        if not self.events:
            return QRect()
        at = viewport.to_screen(self.events[-1].x, self.events[-1].y)
        return QRect(round(at.x) - 5, round(at.y) - 5, 10, 10)

    @property
    def kinds(self) -> list[str]:
        return [event.kind for event in self.events]


class Easel:
    """`noted`: the only tool is a `NoteTool`; otherwise all the tools are there."""

    def __init__(
        self, qtbot: QtBot, document: Document, size: tuple[int, int] = (400, 300), *, noted: bool = True
    ) -> None:
        self.worker = StubWorker(reads="now")
        self.session = Session(document, self.worker)
        self.session.set_view(legend=False, frame=False)
        self.note = NoteTool(self.session)
        tools: dict[ToolName, Tool] = {"strength": self.note} if noted else make_tools(self.session)
        self.canvas = CanvasView(self.session, tools)
        qtbot.addWidget(self.canvas)
        self.canvas.resize(*size)
        self.canvas.show()
        qtbot.waitExposed(self.canvas)
        self._qtbot = qtbot

    def look(self, *, zoom: float, x: float, y: float, rotation: float = 0.0) -> None:
        self.canvas.navigation.set_viewport(replace(self.canvas.viewport, zoom=zoom, x=x, y=y, rotation=rotation))

    def sharp(self) -> None:
        """Wait until nothing on screen is a sketch."""
        self.canvas.grab()
        self._qtbot.waitUntil(lambda: not self.canvas.refining)

    def seen(self) -> Pixels:
        """(h, w, 3) uint8: what is on screen."""
        self.sharp()
        return from_qimage(self.shot())[..., :3]

    def shot(self) -> QImage:
        image = QImage(self.canvas.size(), QImage.Format.Format_RGB32)
        self.canvas.render(image, QPoint(0, 0))
        return image

    def point(
        self, kind: QEvent.Type, x: float, y: float, button: Qt.MouseButton = LEFT, held: Qt.KeyboardModifier = NONE
    ) -> None:
        """A mouse event at logical pixels of the canvas."""
        at = QPointF(x, y)
        one = Qt.MouseButton.NoButton if kind == QEvent.Type.MouseMove else button
        event = QMouseEvent(kind, at, self.canvas.mapToGlobal(at), one, button, held)
        QApplication.sendEvent(self.canvas, event)

    def drag(self, *places: tuple[float, float], button: Qt.MouseButton = LEFT) -> None:
        self.point(QEvent.Type.MouseButtonPress, *places[0], button)
        for place in places[1:]:
            self.point(QEvent.Type.MouseMove, *place, button)
        self.point(QEvent.Type.MouseButtonRelease, *places[-1], button)


def noise(width: int, height: int, seed: int = 1) -> Pixels:
    """(height, width, 4) uint8, opaque."""
    found = np.random.default_rng(seed).integers(0, 256, (height, width, 4), np.uint8)
    found[..., 3] = 255
    return found


def soft(width: int, height: int, seed: int = 1) -> Pixels:
    """Opaque and smooth, so that resampling changes little."""
    small = noise(max(width // 32, 2), max(height // 32, 2), seed)
    return np.asarray(cv2.resize(small, (width, height), interpolation=cv2.INTER_CUBIC), np.uint8)


def disc(document: Document, x: float, y: float, radius: float) -> NDArray[np.float32]:
    """(H, W) float32: 1 within the circle."""
    rows, columns = np.ogrid[0 : document.size.height, 0 : document.size.width]
    return ((columns + 0.5 - x) ** 2 + (rows + 0.5 - y) ** 2 < radius**2).astype(np.float32)


def part(pixels: Pixels, rect: Rect) -> Pixels:
    return pixels[rect.slices]
