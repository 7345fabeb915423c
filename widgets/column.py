"""The column of panels on the right, and who gives way to whom where it is low."""

from __future__ import annotations

from PySide6.QtCore import QEvent
from PySide6.QtGui import QResizeEvent
from PySide6.QtWidgets import QFrame, QWidget

from widgets.guard import Guarded

COLUMN = 288
LAYERS = 209  # the title of the layers and three rows, one of them open
OTHERS = 44  # a title, and a sign that there is more
LINE = 1  # on the left


class Column(Guarded, QFrame):
    """`others` scroll. The `layers` keep about three rows in sight, if there are so many; `edit` is at the bottom and gives way last."""

    def __init__(self, others: QWidget, layers: QWidget, edit: QWidget, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.setObjectName("column")
        self.setFixedWidth(COLUMN)
        self._others, self._layers, self._edit = others, layers, edit
        for each in (others, layers, edit):
            each.setParent(self)
        self._rule = QFrame(self)  # over the last line of the others, where that is scrolled away
        self._rule.setObjectName("divider")

    def event(self, event: QEvent) -> bool:
        if event.type() == QEvent.Type.LayoutRequest:
            self._arrange()
        return super().event(event)

    def resizeEvent(self, event: QResizeEvent) -> None:
        super().resizeEvent(event)
        self._arrange()

    def _arrange(self) -> None:
        width = self.width() - LINE
        least, wanted = _heights(self._edit, width)
        others, layers, edit = shares(
            self.height(), self._others.sizeHint().height(), self._layers.sizeHint().height(), least, wanted
        )
        self._others.setGeometry(LINE, 0, width, others)
        self._layers.setGeometry(LINE, others, width, layers)
        self._rule.setGeometry(LINE, max(0, others - 1), width, 1)
        self._edit.setGeometry(LINE, self.height() - edit, width, edit)


def shares(room: int, others: int, layers: int, least: int, edit: int) -> tuple[int, int, int]:
    """The heights that others, layers and edit get out of `room` when they would like these, all in pixels; `edit` needs at least `least`."""
    three, little = min(layers, LAYERS), min(others, OTHERS)
    edit = max(least, min(edit, room - three - little))
    left = max(0, room - edit)
    fair = max(three, left // 2, left - others)
    layers = min(layers, fair, max(left - little, left // 2))
    return min(others, left - layers), layers, edit


def _heights(widget: QWidget, width: int) -> tuple[int, int]:
    """The least height and the one it would like at this width."""
    layout = widget.layout()
    if layout is None or not layout.hasHeightForWidth():
        return widget.minimumSizeHint().height(), widget.sizeHint().height()
    return layout.totalMinimumHeightForWidth(width), layout.totalHeightForWidth(width)
