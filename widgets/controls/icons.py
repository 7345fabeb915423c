"""Icons drawn from SVG in the colour of the text around them, crisp at every scale factor."""

from __future__ import annotations

from functools import lru_cache

from PySide6.QtCore import QByteArray, QRectF, Qt
from PySide6.QtGui import QColor, QIcon, QPainter, QPaintEvent, QPixmap
from PySide6.QtSvg import QSvgRenderer
from PySide6.QtWidgets import QToolButton, QWidget

from resources import icon_svg
from widgets.guard import Guarded
from widgets.theme import colours

ICON = 16
TOOL_ICON = 20
CONTROL = 28
PROGRAM = "palimpsest"
SIDES = (16, 24, 32, 48, 64, 128, 256)  # pixels
TOOL_BUTTON = 36


def pixmap(name: str, colour: str, side: int = ICON, ratio: float = 1.0) -> QPixmap:
    """The icon as a pixmap of `side` logical pixels at `ratio` device pixels each. `colour`: `#rrggbb`."""
    image = QPixmap(round(side * ratio), round(side * ratio))
    image.fill(QColor(0, 0, 0, 0))
    painter = QPainter(image)
    draw(painter, name, colour, QRectF(image.rect()))
    painter.end()
    image.setDevicePixelRatio(ratio)
    return image


def program_icon() -> QIcon:
    """The program's own drawing, in the sizes that desktops ask for."""
    icon = QIcon()
    for side in SIDES:
        icon.addPixmap(pixmap(PROGRAM, "#000000", side))
    return icon


def draw(painter: QPainter, name: str, colour: str, where: QRectF) -> None:
    """Draw the icon into a rectangle of what is being painted."""
    svg = _drawing(name).replace(b"currentColor", colour.encode())
    QSvgRenderer(QByteArray(svg)).render(painter, where)


@lru_cache(maxsize=128)
def _drawing(name: str) -> bytes:
    return icon_svg(name)


class IconButton(Guarded, QToolButton):
    """A square button with an icon. `text` is its accessible name and its tool tip, `tip` a longer tool tip.

    `danger`: it destroys something, and reddens under the pointer. `doubt`: amber.
    """

    def __init__(
        self,
        name: str,
        text: str,
        parent: QWidget | None = None,
        *,
        tip: str = "",
        checkable: bool = False,
        side: int = CONTROL,
        icon_side: int = ICON,
        danger: bool = False,
        doubt: bool = False,
    ) -> None:
        super().__init__(parent)
        self._name = name
        self._icon_side = icon_side
        self._danger, self._doubt = danger, doubt
        self.setAccessibleName(text)
        self.setToolTip(tip or text)
        self.setCheckable(checkable)
        self.setFixedSize(side, side)
        self.setFocusPolicy(Qt.FocusPolicy.TabFocus)

    def show_icon(self, name: str) -> None:
        if name != self._name:
            self._name = name
            self.update()

    def paintEvent(self, event: QPaintEvent) -> None:
        super().paintEvent(event)
        palette = colours(self.palette())
        colour = palette.text
        if not self.isEnabled():
            colour = palette.faint
        elif self._doubt:
            colour = palette.doubt
        elif self._danger and self.underMouse():
            colour = palette.danger
        where = QRectF(0, 0, self._icon_side, self._icon_side)
        where.moveTo((self.width() - self._icon_side) / 2, (self.height() - self._icon_side) / 2)
        draw(QPainter(self), self._name, colour, where)
