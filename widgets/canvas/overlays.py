"""Small drawings over the picture, in logical screen pixels: outlines, hatching, the frame's brackets, labels of lines, the legend."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray
from PySide6.QtCore import QLineF, QPointF, QRect, QRectF, Qt
from PySide6.QtGui import (
    QBrush,
    QColor,
    QFont,
    QFontMetricsF,
    QImage,
    QPainter,
    QPainterPath,
    QPen,
    QPolygonF,
    QTransform,
)

from editor.geometry import Size
from widgets.canvas.strength_overlay import ISO_LINES, colours
from widgets.session.options import OverlayMode

LEGEND = QRect(16, 16, 164, 40)  # the upper left corner; what floats over the canvas stays clear of it
BRACKET = 14.0
TAG_HEIGHT = 18.0
_PLATE, _RIM = QColor(24, 24, 24, 215), QColor(255, 255, 255, 28)
ACCENT = QColor(76, 154, 255)
TEXT, QUIET = QColor(238, 238, 238), QColor(255, 255, 255, 150)
_MIN_LABELLED = 160  # screen pixels: shorter lines stay without a label
_APART = 44.0
_BAR = QRectF(10, 8, 144, 8)
_WORDS = QRectF(6, 19, 152, 15)
_ENDS = QRectF(10, 19, 144, 15)


def caption(*, strong: bool = False) -> QFont:
    """The small font of everything on the canvas; its digits have one width, so that numbers do not dance."""
    font = QFont()
    font.setPixelSize(11)
    font.setWeight(QFont.Weight.DemiBold if strong else QFont.Weight.Normal)
    font.setFeature(QFont.Tag("tnum"), 1)
    return font


def plate(painter: QPainter, box: QRectF, radius: float = 4.0) -> None:
    """A dark ground for words, readable on any picture."""
    painter.setRenderHint(QPainter.RenderHint.Antialiasing)
    painter.setPen(QPen(_RIM, 1.0))
    painter.setBrush(_PLATE)
    painter.drawRoundedRect(box.adjusted(0.5, 0.5, -0.5, -0.5), radius, radius)


def tag_size(text: str) -> tuple[float, float]:
    return QFontMetricsF(caption()).horizontalAdvance(text) + 14, TAG_HEIGHT


def tag(painter: QPainter, text: str, x: float, y: float, *, strong: bool = False) -> None:
    """A few words on a plate whose left upper corner is (x, y); `strong`: it is pointed at, or it is the one that counts."""
    width, height = tag_size(text)
    box = QRectF(round(x), round(y), round(width), height)
    plate(painter, box)
    if strong:
        painter.setPen(QPen(ACCENT, 1.5))
        painter.drawRoundedRect(box.adjusted(0.75, 0.75, -0.75, -0.75), 4.0, 4.0)
    painter.setFont(caption())
    painter.setPen(TEXT)
    painter.drawText(box, Qt.AlignmentFlag.AlignCenter, text)


def outline(painter: QPainter, path: QPainterPath, *, strong: bool = True) -> None:
    """A light line in a dark one, readable on any picture."""
    painter.setRenderHint(QPainter.RenderHint.Antialiasing)
    painter.setBrush(Qt.BrushStyle.NoBrush)
    for colour, width in ((QColor(0, 0, 0, 150), 3.0), (QColor(255, 255, 255, 245 if strong else 190), 1.5)):
        pen = QPen(colour, width if strong else width * 0.75)
        pen.setJoinStyle(Qt.PenJoinStyle.RoundJoin)
        painter.setPen(pen)
        painter.drawPath(path)


def marching(painter: QPainter, path: QPainterPath, phase: int) -> None:
    """A line of dark and light dashes; with `phase` counting up they walk along it."""
    painter.setRenderHint(QPainter.RenderHint.Antialiasing, False)
    painter.setBrush(Qt.BrushStyle.NoBrush)
    painter.setPen(QPen(QColor(0, 0, 0), 0))
    painter.drawPath(path)
    light = QPen(QColor(255, 255, 255), 0)
    light.setDashPattern([4, 4])
    light.setDashOffset(-phase % 8)
    painter.setPen(light)
    painter.drawPath(path)


def healing(painter: QPainter, path: QPainterPath, ratio: float) -> None:
    """What an edit would fill: light stripes with a thin broken rim."""
    painter.setRenderHint(QPainter.RenderHint.Antialiasing)
    brush = QBrush(_stripes(ratio))
    brush.setTransform(QTransform.fromScale(1 / ratio, 1 / ratio))
    painter.fillPath(path, brush)
    painter.setBrush(Qt.BrushStyle.NoBrush)
    painter.setPen(QPen(QColor(0, 0, 0, 110), 2.0))
    painter.drawPath(path)
    pen = QPen(QColor(255, 255, 255, 210), 1.0)
    pen.setDashPattern([5, 4])
    painter.setPen(pen)
    painter.drawPath(path)


def reach(painter: QPainter, path: QPainterPath) -> None:
    """How far a change may go: a thin broken line, quiet beside the outlines of things."""
    painter.setRenderHint(QPainter.RenderHint.Antialiasing)
    painter.setBrush(Qt.BrushStyle.NoBrush)
    painter.setPen(QPen(QColor(0, 0, 0, 110), 2.0))
    painter.drawPath(path)
    pen = QPen(QColor(255, 255, 255, 200), 1.0)
    pen.setDashPattern([3, 4])
    painter.setPen(pen)
    painter.drawPath(path)


def brackets(painter: QPainter, corners: Sequence[QPointF], ratio: float, *, strong: bool = False) -> None:
    """Four thin corners just outside a box, whose `corners` go round it. Where they lie on whole device pixels, so do the lines."""
    thick, rim = max(1, round((2.5 if strong else 1.5) * ratio)) / ratio, max(1, round(ratio)) / ratio
    painter.setRenderHint(QPainter.RenderHint.Antialiasing)
    for at, corner in enumerate(corners):
        arms = [QLineF(corner, corners[at - 1]), QLineF(corner, corners[(at + 1) % 4])]
        length = round(min(BRACKET, arms[0].length() / 3, arms[1].length() / 3) * ratio) / ratio
        if length == 0:
            continue  # too small to be seen
        u, v = (arm.unitVector() for arm in arms)
        place = QTransform(u.dx(), u.dy(), v.dx(), v.dy(), corner.x(), corner.y())
        for colour, grow in ((QColor(0, 0, 0, 150), rim), (QColor(255, 255, 255, 240), 0.0)):
            out, end = -thick - grow, length + grow
            angle = (out, out), (end, out), (end, grow), (grow, grow), (grow, end), (out, end)
            shape = QPainterPath()
            shape.addPolygon(place.map(QPolygonF([QPointF(x, y) for x, y in angle])))
            painter.fillPath(shape, colour)


def size_words(size: Size) -> str:
    return f"{size.width:,} × {size.height:,}\u202fpx".replace(",", "\u202f")


def label_places(values: NDArray[np.uint8], ratio: float) -> list[tuple[float, float, str]]:
    """Where the contour lines of a map on screen get their per cent: x, y (from the map's corner, logical pixels) and the words."""
    if min(values.shape) < 2:
        return []  # a line of pixels: nothing of it can be reduced, or has room for words
    small = cv2.resize(values, None, fx=0.5, fy=0.5, interpolation=cv2.INTER_AREA)
    labels: list[tuple[float, float, str]] = []
    for line in ISO_LINES:
        inside = (small >= round(line * 255)).astype(np.uint8)
        rims, _ = cv2.findContours(inside, cv2.RETR_LIST, cv2.CHAIN_APPROX_NONE)
        for rim in sorted(rims, key=len, reverse=True)[:6]:
            if len(rim) * 2 / ratio < _MIN_LABELLED:
                break
            places = np.asarray(rim, np.float64)[:, 0] * 2 / ratio
            # Where the line runs highest, or the first place from there on with room around it.
            start = int(places[:, 1].argmin())
            for step in range(8):
                x, y = places[(start + step * len(places) // 8) % len(places)].tolist()
                if all((x - other_x) ** 2 + (y - other_y) ** 2 > _APART**2 for other_x, other_y, _ in labels):
                    labels.append((x, y, f"{round(line * 100)}\u202f%"))
                    break
    return labels


def labels(painter: QPainter, places: Iterable[tuple[float, float, str]]) -> None:
    """Each in the middle of its place."""
    for x, y, text in places:
        width, height = tag_size(text)
        tag(painter, text, x - width / 2, y - height / 2)


def _stripes(ratio: float) -> QImage:
    side = max(6, round(8 * ratio))
    width = max(1, round(1.25 * ratio))
    phase = np.add.outer(np.arange(side), np.arange(side)) % side
    words = np.zeros((side, side), np.uint32)
    words[phase < width] = 0xA0A0A0A0
    words[(phase >= width) & (phase < 2 * width)] = 0x50000000
    return QImage(words.view(np.uint8).data, side, side, 4 * side, QImage.Format.Format_ARGB32_Premultiplied).copy()


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
