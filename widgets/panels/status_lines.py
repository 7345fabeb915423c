"""Status lines above the one button: always there and always as high, so that words come and go and nothing moves."""

from __future__ import annotations

from collections.abc import Sequence

from PySide6.QtCore import QPointF, QRect, QSize, Qt, Signal
from PySide6.QtGui import QPainter, QPaintEvent, QResizeEvent, QTextLayout, QTextOption
from PySide6.QtWidgets import QLabel, QSizePolicy, QWidget

from widgets.guard import Guarded

LINKS = 18  # height of the line of links below the words
LINES = 2  # of words above it; one more where there are no links
BESIDE = 4


class Remark(Guarded, QLabel):
    """A sentence or two in small letters, cut with dots where there is no room for all of it; the whole then stands in its tool tip.

    Amber where the person may want to think again. `changed()`: it says something else.
    """

    changed = Signal()

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.setTextFormat(Qt.TextFormat.PlainText)
        self.setProperty("role", "caption")

    @property
    def doubtful(self) -> bool:
        return bool(self.property("role") == "doubt")

    def say(self, words: str, *, doubt: bool = False) -> None:
        """Nothing by an empty text."""
        role = "doubt" if doubt else "caption"
        if role != self.property("role"):
            self.setProperty("role", role)
            self.style().polish(self)
        if words != self.text():
            self.setText(words)
            self.changed.emit()

    def height_for(self, width: int, most: int) -> int:
        """Pixels that the words take at this width, at most `most`: whole lines only."""
        line = self.fontMetrics().lineSpacing()
        return min(len(self._broken(width)), most // line) * line

    def resizeEvent(self, event: QResizeEvent) -> None:
        super().resizeEvent(event)
        self.tell()

    def paintEvent(self, event: QPaintEvent) -> None:
        painter = QPainter(self)
        painter.setPen(self.palette().color(self.foregroundRole()))
        metrics = self.fontMetrics()
        for at, words in enumerate(self.shown()):
            painter.drawText(QPointF(0, at * metrics.lineSpacing() + metrics.ascent()), words)

    def shown(self) -> list[str]:
        """What is seen of it, line by line."""
        lines = self._broken(self.width())
        room = self.height() // self.fontMetrics().lineSpacing()
        if len(lines) <= room:
            return lines
        if room == 0:
            return []
        rest = "".join(lines[room - 1 :])
        return [
            *lines[: room - 1],
            self.fontMetrics().elidedText(rest, Qt.TextElideMode.ElideRight, self.width()),
        ]

    def tell(self) -> None:
        """Its words may have been cut, or be whole again."""
        cut = self.height() // self.fontMetrics().lineSpacing() < len(self._broken(self.width()))
        self.setToolTip(self.text() if cut else "")

    def _broken(self, width: int) -> list[str]:
        """The text in lines of this width."""
        text = self.text()
        layout = QTextLayout(text, self.font())
        option = QTextOption()
        option.setWrapMode(QTextOption.WrapMode.WrapAtWordBoundaryOrAnywhere)
        layout.setTextOption(option)
        lines, units = [], text.encode("utf-16-le")  # Qt counts in these
        layout.beginLayout()
        while (line := layout.createLine()).isValid():
            line.setLineWidth(max(1, width))
            start = 2 * line.textStart()
            lines.append(units[start : start + 2 * line.textLength()].decode("utf-16-le"))
        layout.endLayout()
        return lines if text else []


class StatusLines(Guarded, QWidget):
    """Shows `remarks` from the top down, above `links`. Where not all have room, those that doubt come first, then the lower ones.

    `drop`: a small button beside the last remark.
    """

    def __init__(self, remarks: Sequence[Remark], links: QWidget, drop: QWidget, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._remarks, self._links, self._drop = tuple(remarks), links, drop
        self._busy = False
        for line in (*remarks, links, drop):
            line.setParent(self)
        for remark in remarks:
            remark.changed.connect(self.arrange)
        self.setSizePolicy(QSizePolicy.Policy.Ignored, QSizePolicy.Policy.Fixed)

    def sizeHint(self) -> QSize:
        self._remarks[0].ensurePolished()
        line = self._remarks[0].fontMetrics().lineSpacing()
        return QSize(0, max(LINES * line + LINKS, (LINES + 1) * line))

    def show_busy(self, busy: bool) -> None:
        """While something runs, room is kept for the links, which come and go."""
        self._busy = busy
        self.arrange()

    def resizeEvent(self, event: QResizeEvent) -> None:
        super().resizeEvent(event)
        self.arrange()

    def arrange(self) -> None:
        """Give each its place, from the button upwards."""
        below = self._busy or not self._links.isHidden()
        bottom = self.height() - (LINKS if below else 0)
        self._links.setGeometry(0, self.height() - LINKS, self.width(), LINKS)
        last = self._remarks[-1]
        widths = dict.fromkeys(self._remarks, self.width())
        if not self._drop.isHidden():
            widths[last] -= self._drop.width() + BESIDE
        heights, left = dict.fromkeys(self._remarks, 0), bottom
        weight = sorted(self._remarks, key=lambda line: (line.doubtful, self._remarks.index(line)), reverse=True)
        for remark in weight:
            heights[remark] = remark.height_for(widths[remark], left)
            left -= heights[remark]
        for remark in reversed(self._remarks):
            bottom -= heights[remark]
            remark.setGeometry(QRect(0, bottom, widths[remark], heights[remark]))
            remark.setVisible(heights[remark] > 0)
            remark.tell()
        self._drop.move(
            self.width() - self._drop.width(), max(0, last.y() + (last.height() - self._drop.height()) // 2)
        )
