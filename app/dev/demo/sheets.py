"""Sheets of the demonstration: original, what was marked, and the result, side by side with a line of words under each."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray
from PySide6.QtCore import QRectF, Qt
from PySide6.QtGui import QColor, QFont, QImage, QPainter

from editor.arrays import Pixels
from editor.document.contents import Item
from editor.document.document import Metadata
from editor.document.placing import moved_mask
from editor.document.tiles import Tiles
from editor.io.encoding import ExportOptions
from editor.io.images import write_image
from widgets.qimage import from_qimage, to_qimage

MIN_SIDE = 1024  # pixels of a panel's longer side; smaller pictures are enlarged
MARK = (255, 64, 190)
GROUND, TITLE, WORDS = "#1e1e1e", "#f2f2f2", "#c8c8c8"


@dataclass(frozen=True, slots=True, eq=False)
class Panel:
    """One picture of a sheet. `pixels`: (H, W, 3) uint8. `words`: what stands below it."""

    pixels: Pixels
    words: str


@dataclass(frozen=True, slots=True, eq=False)
class Sheet:
    """`title`: one line above the panels, which have the same size."""

    title: str
    panels: Sequence[Panel]


def marked(picture: Pixels, mask: Tiles) -> Pixels:
    """The picture, tinted where the mask is, the more the stronger, with an outline."""
    return outlined(tinted(picture, mask.read()), mask.read())


def tinted(picture: Pixels, weights: NDArray[np.float32], most: float = 0.5) -> Pixels:
    cover = (weights * np.float32(most))[..., None]
    return np.asarray(np.rint(picture * (1 - cover) + np.array(MARK, np.float32) * cover), np.uint8)


def outlined(picture: Pixels, weights: NDArray[np.float32]) -> Pixels:
    """With a line where the weights pass one half."""
    contours, _ = cv2.findContours((weights > 0.5).astype(np.uint8), cv2.RETR_EXTERNAL, cv2.CHAIN_APPROX_NONE)
    thickness = max(round(max(picture.shape) / 480), 1)
    return np.asarray(
        cv2.polylines(np.ascontiguousarray(picture), list(contours), True, MARK, thickness, cv2.LINE_AA), np.uint8
    )


def moved(picture: Pixels, item: Item) -> Pixels:
    """Where an item was and where it is to go, with an arrow."""
    drawn = outlined(marked(picture, item.mask), moved_mask(item).read())
    (x, y), to = item.rect.centre, item.placed
    thickness = max(round(max(picture.shape) / 300), 2)
    start, stop = (round(x), round(y)), (round(to.x), round(to.y))
    return np.asarray(
        cv2.arrowedLine(drawn, start, stop, (255, 255, 255), thickness, cv2.LINE_AA, tipLength=0.12), np.uint8
    )


def write_sheet(path: Path, sheet: Sheet) -> None:
    """Draw it and write it as a JPEG; may take a second, and may be called in another thread."""
    height, width = sheet.panels[0].pixels.shape[:2]
    factor = max(MIN_SIDE / max(width, height), 1)
    width, height = round(width * factor), round(height * factor)
    unit = max(width, height) // 48  # the height of words
    gap = unit // 2
    top, bottom = 3 * unit, 6 * unit
    image = QImage(len(sheet.panels) * (width + gap) + gap, top + height + bottom, QImage.Format.Format_RGB32)
    image.fill(QColor(GROUND))
    painter = QPainter(image)
    painter.setRenderHint(QPainter.RenderHint.SmoothPixmapTransform)
    painter.setRenderHint(QPainter.RenderHint.Antialiasing)
    title = QRectF(gap, 0, image.width() - 2 * gap, top)
    _write(painter, title, sheet.title, _font(unit * 1.25, bold=True), Qt.AlignmentFlag.AlignVCenter)
    for at, panel in enumerate(sheet.panels):
        left = gap + at * (width + gap)
        painter.drawImage(QRectF(left, top, width, height), to_qimage(panel.pixels))
        words = QRectF(left, top + height + gap, width, bottom - gap)
        _write(painter, words, panel.words, _font(unit), Qt.AlignmentFlag.AlignTop)
    painter.end()
    write_image(path, from_qimage(image), Metadata(), ExportOptions(quality=88))


def _write(painter: QPainter, area: QRectF, text: str, font: QFont, place: Qt.AlignmentFlag) -> None:
    """Words in lines, from the upper edge of the area or in its middle."""
    painter.setFont(font)
    painter.setPen(QColor(TITLE if font.bold() else WORDS))
    painter.drawText(area, int(place | Qt.AlignmentFlag.AlignLeft | Qt.TextFlag.TextWordWrap), text)


def _font(height: float, *, bold: bool = False) -> QFont:
    """The program's own font. `height`: pixels."""
    font = QFont()
    font.setPixelSize(round(height))
    font.setBold(bold)
    return font
