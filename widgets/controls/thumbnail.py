"""Thumbnail: a small picture in a list."""

from __future__ import annotations

from PySide6.QtCore import QRectF, QSize
from PySide6.QtGui import QColor, QPainter, QPainterPath, QPaintEvent, QPixmap
from PySide6.QtWidgets import QWidget

from editor.arrays import Pixels
from widgets.guard import Guarded
from widgets.qimage import on_screen, to_qimage
from widgets.theme import colours

SIDE = 36
CHECK = 4


class Thumbnail(Guarded, QWidget):
    """A small picture, fitted into a rounded square; a fine check stands for transparent."""

    def __init__(self, side: int = SIDE, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._pixmap: QPixmap | None = None
        self.setFixedSize(side, side)

    @property
    def device_side(self) -> int:
        """How many pixels a picture needs on its longer side to look crisp here."""
        return round(max(self.width(), self.height()) * self.devicePixelRatioF())

    def show_pixels(self, pixels: Pixels | None) -> None:
        """(h, w, 4) uint8 sRGB, straight alpha; None shows nothing."""
        self._pixmap = None if pixels is None else QPixmap.fromImage(to_qimage(on_screen(pixels, self)))
        self.update()

    def sizeHint(self) -> QSize:
        return self.minimumSize()

    def paintEvent(self, event: QPaintEvent) -> None:
        palette = colours(self.palette())
        painter = QPainter(self)
        painter.setRenderHint(QPainter.RenderHint.Antialiasing)
        painter.setRenderHint(QPainter.RenderHint.SmoothPixmapTransform)
        frame = QPainterPath()
        frame.addRoundedRect(QRectF(self.rect()).adjusted(0.5, 0.5, -0.5, -0.5), 4, 4)
        painter.save()
        painter.setClipPath(frame)
        painter.fillRect(self.rect(), QColor(palette.raised))
        for y in range(0, self.height(), CHECK):
            for x in range((y // CHECK % 2) * CHECK, self.width(), 2 * CHECK):
                painter.fillRect(x, y, CHECK, CHECK, QColor(palette.pressed))
        if self._pixmap is not None and not self._pixmap.isNull():
            size = QSize(self._pixmap.size())
            scale = min(self.width() / size.width(), self.height() / size.height())
            width, height = size.width() * scale, size.height() * scale
            target = QRectF((self.width() - width) / 2, (self.height() - height) / 2, width, height)
            painter.drawPixmap(target, self._pixmap, QRectF(self._pixmap.rect()))
        painter.restore()
        painter.setPen(QColor(palette.line))
        painter.drawPath(frame)
