"""Status lines above the one button: always there and always as high, so that words come and go and nothing moves.

Two of them look for themselves: whether the next edit fits into memory, and what is to be known about its region.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial

from PySide6.QtCore import QPointF, QRect, QSize, Qt, QTimer, Signal
from PySide6.QtGui import QPainter, QPaintEvent, QResizeEvent, QTextLayout, QTextOption
from PySide6.QtWidgets import QLabel, QSizePolicy, QWidget

from editor.errors import EditorError, OutOfMemory
from editor.requests.method_settings import Use
from editor.requests.results import Assessment
from widgets.canvas.hold_overlay import checked_cells
from widgets.guard import Guarded
from widgets.session import run_actions
from widgets.session.session import Session

LINKS = 18  # height of the line of links below the words
LINES = 2  # of words above it; one more where there are no links
BESIDE = 4
MEMORY_DELAY = 300  # milliseconds; a drag of a slider is one question
REGION_DELAY = 200  # milliseconds after the last change
THIN = "Thin region: it begins wider and closes in."


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


class MemoryLine(Remark):
    """Asks when something that matters has changed; silent while there is nothing to say."""

    def __init__(self, session: Session, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._session = session
        self._subject: tuple[object, ...] | None = None  # what was asked about, or will be
        self._held: tuple[object, ...] = ()  # what its ids stand for, so that no other thing gets them
        self._found: Assessment | None = None
        self._timer = QTimer(self)
        self._timer.setSingleShot(True)
        self._timer.setInterval(MEMORY_DELAY)
        self._timer.timeout.connect(self._ask)

    @property
    def too_large(self) -> bool:
        """Whether it says that the edit does not fit."""
        return bool(self.text()) and self._found is not None and not self._found.fits

    def follow(self) -> None:
        """Look whether there is something new to ask."""
        session = self._session
        draft, document = session.draft, session.document
        job = session.job
        if job is not None and job.busy:
            if self._timer.isActive():
                self._timer.stop()
                self._subject = None  # nobody was asked
            self.say("")
            return
        if draft.model is None or not draft.settings.needs_model or session.plan.action is None:
            self._timer.stop()
            self._subject = self._found = None
            self.say("")
            return
        things = (document.strength, document.selection, document.items, document.exemplars)
        subject = (
            *map(id, things), draft.model.key, draft.settings, draft.guidance_scale, draft.frame, session.plan
        )  # fmt: skip
        if subject != self._subject:
            self._subject = subject
            self._held = things
            self._timer.start()
        refused = job is not None and isinstance(job.error, OutOfMemory)  # that says it already
        if self._found is None or refused:
            self.say("")
        else:
            self.say(self._found.words, doubt=not self._found.fits)

    def _ask(self) -> None:
        if self._subject is not None:
            self._session.assess(partial(self._answered, self._subject))

    def _answered(self, subject: tuple[object, ...], assessment: Assessment | None) -> None:
        if subject != self._subject:
            return  # something has changed since; another question is on its way
        self._found = assessment
        self.follow()

    def run_smaller(self) -> None:
        """Run it at the largest working size that fits, as far as that is known."""
        assessment = None if self._timer.isActive() else self._found
        run_actions.run_smaller(self._session, None if assessment is None else assessment.smaller)


class RegionLine(Remark):
    """Looks once the hand rests, since that takes a moment; silent while there is nothing to say."""

    def __init__(self, session: Session, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._session = session
        self._subject: tuple[object, ...] = ()  # what was looked at, or will be
        self._timer = QTimer(self)
        self._timer.setSingleShot(True)
        self._timer.setInterval(REGION_DELAY)
        self._timer.timeout.connect(self._look)

    def follow(self) -> None:
        """Look whether there is something new to look at."""
        session = self._session
        draft, document, job = session.draft, session.document, session.job
        busy = job is not None and job.busy
        applies = not busy and Use.THIN_REGIONS in draft.settings.uses and session.plan.action is not None
        if not applies:
            self._timer.stop()
            self._subject = ()
            self.say("")
            return
        hint = None if draft.scribble is None else document.layer(draft.scribble)
        maps = document.strength, document.selection, document.protect
        subject = (*maps, document.items, hint, draft.model, draft.settings, draft.frame, session.plan, draft.strength)
        if subject != self._subject:
            self._subject = subject
            self._timer.start()

    def _look(self) -> None:
        session = self._session
        if session.in_gesture:
            self._timer.start()
            return
        document, draft, plan = session.document, session.draft, session.plan
        try:
            frame = session.method.frame(document, draft, plan)
            cells = checked_cells(document, draft, plan, frame, methods=session.methods)
        except EditorError as error:
            self.say(str(error), doubt=True)
        else:
            self.say(THIN if cells is not None and cells.begins_wider else "")
