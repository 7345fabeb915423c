"""Icons drawn from SVG in the colour of the text around them, crisp at every scale factor."""

from __future__ import annotations

from PySide6.QtCore import QByteArray, QEvent, QRectF, QSize, Qt
from PySide6.QtGui import QColor, QEnterEvent, QIcon, QPainter, QPixmap
from PySide6.QtSvg import QSvgRenderer
from PySide6.QtWidgets import QToolButton, QWidget

from resources import icon_svg
from widgets.theme import Colours, colours

ICON = 16
TOOL_ICON = 20
CONTROL = 28
TOOL_BUTTON = 36


def pixmap(name: str, colour: str, side: int = ICON, ratio: float = 1.0) -> QPixmap:
    """The icon as a pixmap of `side` logical pixels at `ratio` device pixels each. `colour`: `#rrggbb`."""
    made = QPixmap(round(side * ratio), round(side * ratio))
    made.fill(QColor(0, 0, 0, 0))
    painter = QPainter(made)
    _renderer(name, colour).render(painter, QRectF(made.rect()))
    painter.end()
    made.setDevicePixelRatio(ratio)
    return made


def draw(painter: QPainter, name: str, colour: str, where: QRectF) -> None:
    """Draw the icon into a rectangle of what is being painted."""
    _renderer(name, colour).render(painter, where)


def icon(name: str, found: Colours, side: int = ICON, *, colour: str = "") -> QIcon:
    """The icon with its disabled look, for screens of 100, 200 and 300 %. It keeps its colours: make it anew after a change of theme."""
    made = QIcon()
    for ratio in (1.0, 1.25, 1.5, 2.0, 3.0):
        made.addPixmap(pixmap(name, colour or found.text, side, ratio), QIcon.Mode.Normal)
        made.addPixmap(pixmap(name, found.faint, side, ratio), QIcon.Mode.Disabled)
    return made


def _renderer(name: str, colour: str) -> QSvgRenderer:
    return QSvgRenderer(QByteArray(icon_svg(name).replace(b"currentColor", colour.encode())))


class IconButton(QToolButton):
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
        self._danger, self._doubt = danger, doubt
        self.setAccessibleName(text)
        self.setToolTip(tip or text)
        self.setCheckable(checkable)
        self.setFixedSize(side, side)
        self.setIconSize(QSize(icon_side, icon_side))
        self._over = False
        self.setFocusPolicy(Qt.FocusPolicy.TabFocus)
        self._tint()

    def show_icon(self, name: str) -> None:
        if name != self._name:
            self._name = name
            self._tint()

    def changeEvent(self, event: QEvent) -> None:
        super().changeEvent(event)
        if event.type() == QEvent.Type.PaletteChange:
            self._tint()

    def enterEvent(self, event: QEnterEvent) -> None:
        super().enterEvent(event)
        self._over = True
        self._tint()

    def leaveEvent(self, event: QEvent) -> None:
        super().leaveEvent(event)
        self._over = False
        self._tint()

    def _tint(self) -> None:
        found = colours(self.palette())
        colour = found.doubt if self._doubt else found.danger if self._danger and self._over else ""
        self.setIcon(icon(self._name, found, self.iconSize().width(), colour=colour))
