"""What every tool offers to the canvas. A gesture is a generator, so that press, move and release read as one function."""

from __future__ import annotations

from collections.abc import Generator
from dataclasses import dataclass, field
from typing import Literal

from PySide6.QtCore import QPointF, QRect, Qt
from PySide6.QtGui import QKeyEvent, QPainter

from widgets.session.session import Session
from widgets.viewport import Viewport

Button = Literal["left", "right", "middle", "other"]
# Cursors of handles, by the direction on screen in steps of 45 degrees, clockwise from the right.
RESIZE_CURSORS = (
    Qt.CursorShape.SizeHorCursor,
    Qt.CursorShape.SizeFDiagCursor,
    Qt.CursorShape.SizeVerCursor,
    Qt.CursorShape.SizeBDiagCursor,
)


@dataclass(frozen=True, slots=True)
class PointerEvent:
    """Pointer position, pen and keys at one moment of a gesture.

    kind: a "double" is a second press in the same place; it comes instead of a "press".
    x, y: picture pixels.
    viewport: as it was when the event came, for distances on screen.
    time: seconds.
    pressure: 0 to 1; 1 for a mouse.
    eraser: whether the pen is turned round.
    button: that was pressed; "left" for all but a "press" and a "double".
    shift, alt, ctrl: whether these are held.
    place: the same point in logical pixels of the canvas.
    """

    kind: Literal["press", "double", "move", "release", "hover"]
    x: float
    y: float
    viewport: Viewport
    time: float = 0.0
    pressure: float = 1.0
    eraser: bool = False
    button: Button = "left"
    shift: bool = False
    alt: bool = False
    ctrl: bool = False
    place: QPointF = field(default_factory=QPointF)


Gesture = Generator[None, PointerEvent, None]


class Tool:
    """A tool in hand. The canvas makes one per session and name, and drops its gesture with `close()` on Escape.

    A gesture draws with `session.show(document)` and ends with one `session.commit(label, document)`; when it is closed early the canvas
    calls `session.revert()`.
    """

    def __init__(self, session: Session) -> None:
        self.session = session

    def gesture(self, press: PointerEvent) -> Gesture | None:
        """Called with a "press" or "double". The generator is started at once, then gets every "move", and at last the "release"."""
        return None

    def hover(self, event: PointerEvent) -> None:
        """The pointer moved with no button held."""

    def holds(self, event: PointerEvent) -> bool:
        """Whether a press here takes hold of a handle that the tool draws; nothing else may then have it."""
        return False

    def leave(self) -> None:
        """The pointer left the canvas."""

    def key(self, event: QKeyEvent) -> bool:
        """A key was pressed over the canvas; true when it is used up."""
        return False

    def cursor(self) -> Qt.CursorShape:
        """`BlankCursor` when the tool draws its own."""
        return Qt.CursorShape.CrossCursor

    def paint(self, painter: QPainter, viewport: Viewport) -> None:
        """Draw handles, rings and outlines over the picture, in screen coordinates."""

    def decoration(self, viewport: Viewport) -> QRect:
        """The screen rectangle that `paint` draws into just now, with room for line widths; empty when nothing is drawn.

        After every event the canvas repaints the earlier and the present rectangle, nothing else.
        """
        return QRect()
