"""Legend: the palette of the strength overlay with its ends named, and what is under the pointer marked on it."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from PySide6.QtCore import QRectF, Qt
from PySide6.QtGui import QColor, QImage, QPainter, QPen

from widgets.canvas.colour_map import colours
from widgets.canvas.overlays import LEGEND, QUIET, TEXT, caption, plate
from widgets.session.options import OverlayMode

_BAR = QRectF(10, 8, 144, 8)
_WORDS = QRectF(6, 19, 152, 15)
_ENDS = QRectF(10, 19, 144, 15)


@dataclass(frozen=True, slots=True)
class Scale:
    """What the colours stand for: strength, or with `steps` above 0 how many of a sampler's steps change a place. `note`: what is to be
    said behind their number."""

    mode: OverlayMode
    steps: int = 0
    note: str = ""


@dataclass(frozen=True, slots=True)
class Reading:
    """What is under the pointer: its place on the palette, 0 to 1, and the words for it."""

    share: float
    words: str


class Legend:
    """What stays the same is kept as an image."""

    def __init__(self) -> None:
        self._ground: tuple[tuple[object, ...], QImage] | None = None

    def draw(self, painter: QPainter, scale: Scale, ratio: float, reading: Reading | None) -> None:
        """`reading`: None when the pointer is nowhere."""
        # Words for steps take the whole line.
        ends = reading is None or not scale.steps
        wanted = scale, ratio, reading is None, ends
        if self._ground is None or self._ground[0] != wanted:
            self._ground = wanted, self._drawn(scale, ratio, strong=reading is None, ends=ends)
        painter.drawImage(LEGEND.topLeft(), self._ground[1])
        if reading is None:
            return
        painter.save()
        painter.translate(LEGEND.topLeft())
        painter.setRenderHint(QPainter.RenderHint.Antialiasing)
        mark = QRectF(_BAR.left() + reading.share * _BAR.width() - 2.5, _BAR.top() - 3, 5, _BAR.height() + 6)
        painter.setPen(QPen(QColor(0, 0, 0, 190), 1.0))
        painter.setBrush(QColor(255, 255, 255))
        painter.drawRoundedRect(mark, 2, 2)
        painter.setFont(caption(strong=not scale.steps))  # these words are long
        painter.setPen(TEXT)
        painter.drawText(_WORDS, Qt.AlignmentFlag.AlignCenter, reading.words)
        painter.restore()

    def _drawn(self, scale: Scale, ratio: float, *, strong: bool, ends: bool) -> QImage:
        size = LEGEND.size() * ratio
        image = QImage(size, QImage.Format.Format_ARGB32_Premultiplied)
        image.setDevicePixelRatio(ratio)
        image.fill(0)
        painter = QPainter(image)
        plate(painter, QRectF(0, 0, LEGEND.width(), LEGEND.height()), 6.0)
        painter.setRenderHint(QPainter.RenderHint.SmoothPixmapTransform, not scale.steps)
        painter.drawImage(_BAR, _bar(scale))
        if ends:
            painter.setFont(caption())
            painter.setPen(TEXT if strong else QUIET)
            painter.drawText(_ENDS, Qt.AlignmentFlag.AlignLeft | Qt.AlignmentFlag.AlignVCenter, "0")
            most = f"{_steps(scale.steps)}{scale.note}" if scale.steps else "100\u202f%"
            painter.drawText(_ENDS, Qt.AlignmentFlag.AlignRight | Qt.AlignmentFlag.AlignVCenter, most)
        painter.end()
        return image


def _steps(count: int) -> str:
    return "1 step" if count == 1 else f"{count} steps"


def _bar(scale: Scale) -> QImage:
    """The palette from 0 to 1, one pixel high; with steps, flat from one to the next."""
    rgb = colours() if scale.mode != "grey" else np.repeat(np.arange(256, dtype=np.uint8)[:, None], 3, axis=1)
    if scale.steps:
        rgb = rgb[np.rint(np.linspace(0, 255, scale.steps + 1)).astype(np.intp)]
    rows = np.ascontiguousarray(rgb[None])
    return QImage(rows.data, rows.shape[1], 1, 3 * rows.shape[1], QImage.Format.Format_RGB888).copy()
