"""Cards of the variations strip: a picture to choose with a line of words below it, and the place of those to come."""

from __future__ import annotations

from dataclasses import dataclass

from PySide6.QtCore import QEvent, QPoint, QRectF, QSize, Qt, Signal
from PySide6.QtGui import (
    QColor,
    QContextMenuEvent,
    QFocusEvent,
    QKeyEvent,
    QMouseEvent,
    QPainter,
    QPainterPath,
    QPaintEvent,
    QPen,
    QPixmap,
    QWheelEvent,
)
from PySide6.QtWidgets import QFrame, QScrollArea, QToolButton, QWidget

from widgets.controls.icons import draw
from widgets.controls.tips import show_beside
from widgets.guard import Guarded
from widgets.panels.layers import DOUBT_WORDS
from widgets.session.edit_job import Candidate
from widgets.session.job import Job
from widgets.session.jobs import OUTDATED
from widgets.theme import colours
from widgets.variations.match_words import fit_tip, fit_words

PICTURE = 80
CARD = PICTURE + 4
CAPTION = 18
GAP = 8
MIN_CARDS = 2  # in a narrow window; the rest scrolls
RADIUS = 5
CAPTION_PIXELS = 11
VARIATION = "Variation"
MAX_LETTERS = 11  # of a caption that is seen whole
MARK = 11.0  # of the best one
BAR = 120  # at most, of what is being made


@dataclass(frozen=True, slots=True)
class Face:
    """What a card says. `caption`: below the picture; `best`: it fits the words best; `doubtful`: look closely."""

    name: str
    caption: str = ""
    tip: str = ""
    best: bool = False
    doubtful: bool = False

    @classmethod
    def of(cls, job: Job, number: int) -> Face:
        """Of one of the job's candidates."""
        candidate = job.candidates[number]
        result = candidate.result
        doubtful = candidate.doubtful
        if candidate.strength is not None:
            caption = f"{round(candidate.strength * 100)}\u202f%"
            heading = name = f"Overall strength {caption}"
        else:
            caption = captions(job)[number]
            heading = name = f"{VARIATION} {number + 1}"
            if candidate.match is not None:
                heading += f" · {_fit(job, candidate)} ({candidate.match.similarity:.2f})"
        best = candidate is job.candidates.best
        said = [name, *(["best"] if best else []), *([caption.lower()] if candidate.ranks and caption else [])]
        said += ["look closely"] if doubtful else []
        fits = [fit_tip(candidate.match)] if candidate.ranks and _fit(job, candidate) else []
        fits += [DOUBT_WORDS] if doubtful else []
        fits += [OUTDATED] if candidate.outdated else []
        weakened = result.recipe.action not in ("remove", "move")  # those two are whole
        strength = [f"Strength {round(result.recipe.strength * 100)}\u202f%"] if weakened else []
        tip = [heading, *fits, *strength, f"Seed {result.recipe.seed} · right-click to use it again"]
        return cls(", ".join(said), caption, "\n".join(tip), best, doubtful)


def captions(job: Job) -> list[str]:
    """What each candidate's card says of it, in few words: how it fits, and as much as tells it from the others. Empty where there is one alone."""
    fits = [_fit(job, one) for one in job.candidates]
    if len(fits) < 2:
        return fits
    said = []
    for at, (candidate, words) in enumerate(zip(job.candidates, fits, strict=True)):
        alike = [one for one, other in zip(job.candidates, fits, strict=True) if other == words]
        if words and (len(alike) == 1 or candidate is job.candidates.best):  # the best one has its star
            said.append(words)
        elif candidate.match is not None and len({_score(one) for one in alike}) == len(alike):
            whole = f"{words} {_score(candidate)}"
            said.append(whole if len(whole) <= MAX_LETTERS else f"Fit {_score(candidate)}")
        else:
            said.append(f"{VARIATION} {at + 1}")
    if len({round(one.result.recipe.strength, 2) for one in job.candidates}) > 1:
        levels = (f"{round(one.result.recipe.strength * 100)}\u202f%" for one in job.candidates)
        said = [f"{level} · {words.removeprefix(VARIATION).strip()}" for level, words in zip(levels, said, strict=True)]
    return said


def _score(candidate: Candidate) -> str:
    return "" if candidate.match is None else f"{candidate.match.similarity:.2f}".replace("-", "−")


def _fit(job: Job, candidate: Candidate) -> str:
    """How well it fits the words; nothing where no method tells, or while it may still be told."""
    if candidate.match is not None:
        return fit_words(candidate.match)
    expected = job.busy and candidate.edit_job is job.edit_job
    return "Unranked" if candidate.ranks and not expected else ""


class Card(Guarded, QToolButton):
    """A result. `pointed()`: the pointer or the keyboard came to it; `left()`: the keyboard went; `stepped(by)`: an arrow key goes on from it;
    `menu_wanted(point)`: its menu is asked for at a point of the screen."""

    pointed = Signal()
    left = Signal()
    stepped = Signal(int)
    menu_wanted = Signal(QPoint)

    def __init__(self) -> None:
        super().__init__()
        self._pixmap = QPixmap()
        self._captioned = False
        self.face = Face("")
        self.setCheckable(True)
        self._shown = False
        self.setFocusPolicy(Qt.FocusPolicy.TabFocus)
        self.setMouseTracking(True)
        self.set_captioned(False)

    def set_captioned(self, captioned: bool) -> None:
        """Whether there is a line for words; all cards of a strip are alike."""
        self._captioned = captioned
        self.setFixedSize(CARD, CARD + (CAPTION if captioned else 0))

    def sizeHint(self) -> QSize:
        return self.minimumSize()

    def show_face(self, face: Face, pixmap: QPixmap, *, shown: bool) -> None:
        """`shown`: the canvas shows it."""
        self.face, self._pixmap, self._shown = face, pixmap, shown
        self.setAccessibleName(face.name)
        self.setToolTip(face.tip)
        self.update()

    def event(self, event: QEvent) -> bool:
        # Where Qt would show it, it covers the buttons that accept and discard.
        if event.type() == QEvent.Type.ToolTip:
            show_beside(self, self.face.tip)
            return True
        return super().event(event)

    def nextCheckState(self) -> None:
        """Being chosen is said by the job."""

    def mouseMoveEvent(self, event: QMouseEvent) -> None:
        # Not when the pointer is entered: a strip that comes up under a hand at rest is not pointed at.
        super().mouseMoveEvent(event)
        self.pointed.emit()

    def focusInEvent(self, event: QFocusEvent) -> None:
        super().focusInEvent(event)
        self.pointed.emit()

    def focusOutEvent(self, event: QFocusEvent) -> None:
        super().focusOutEvent(event)
        self.left.emit()

    def contextMenuEvent(self, event: QContextMenuEvent) -> None:
        self.menu_wanted.emit(event.globalPos())

    def keyPressEvent(self, event: QKeyEvent) -> None:
        by = {Qt.Key.Key_Left: -1, Qt.Key.Key_Right: 1}.get(Qt.Key(event.key()), 0)
        if by:
            self.stepped.emit(by)
        else:
            super().keyPressEvent(event)

    def paintEvent(self, event: QPaintEvent) -> None:
        palette = colours(self.palette())
        painter = QPainter(self)
        painter.setRenderHint(QPainter.RenderHint.Antialiasing)
        painter.setRenderHint(QPainter.RenderHint.SmoothPixmapTransform)
        frame = QRectF(self.rect()).adjusted(2, 2, -2, -2)
        shape = _rounded(frame)
        painter.save()
        painter.setClipPath(shape)
        painter.fillRect(self.rect(), QColor(palette.raised))
        painter.drawPixmap(QRectF(frame.left(), frame.top(), PICTURE, PICTURE), self._pixmap, self._pixmap.rect())
        if self._captioned:
            self._draw_caption(painter, QRectF(frame.left(), frame.top() + PICTURE, frame.width(), CAPTION))
        painter.restore()
        chosen = self.isChecked()
        rim = palette.accent if chosen else palette.text if self._shown else palette.line
        painter.setPen(QPen(QColor(rim), 2 if chosen or self._shown else 1))
        painter.drawPath(shape)
        if self.hasFocus():
            painter.setPen(QPen(QColor(palette.panel), 1))
            painter.drawPath(_rounded(frame.adjusted(1.5, 1.5, -1.5, -1.5)))
            painter.setPen(QPen(QColor(palette.text), 1))
            painter.drawPath(_rounded(frame.adjusted(2.5, 2.5, -2.5, -2.5)))
        if self.face.doubtful:
            badge = QRectF(self.width() - 26, 6, 20, 20)
            painter.setPen(Qt.PenStyle.NoPen)
            painter.setBrush(QColor(palette.panel))
            painter.drawEllipse(badge)
            draw(painter, "triangle-alert", palette.doubt, badge.adjusted(4, 3, -4, -5))

    def _draw_caption(self, painter: QPainter, line: QRectF) -> None:
        palette, face = colours(self.palette()), self.face
        font = painter.font()
        font.setPixelSize(CAPTION_PIXELS)
        painter.setFont(font)
        mark = MARK + 3 if face.best else 0.0
        room = line.width() - 8 - mark
        words = painter.fontMetrics().elidedText(face.caption, Qt.TextElideMode.ElideRight, int(room))
        width = painter.fontMetrics().horizontalAdvance(words)
        left = line.center().x() - (width + mark) / 2
        if face.best:
            draw(painter, "star", palette.text, QRectF(left, line.center().y() - MARK / 2, MARK, MARK))
        painter.setPen(QColor(palette.text if face.best or not face.caption else palette.quiet))
        text = QRectF(left + mark, line.top(), width + 2, line.height())
        painter.drawText(text, Qt.AlignmentFlag.AlignVCenter | Qt.AlignmentFlag.AlignLeft, words)


class Pending(Guarded, QWidget):
    """The place of the results to come, which come together: one bar for all. `pointed()`: the pointer came to it."""

    pointed = Signal()

    def __init__(self) -> None:
        super().__init__()
        self.count, self.fraction = 0, 0.0
        self.setMouseTracking(True)

    def show_progress(self, count: int, fraction: float, height: int) -> None:
        """`fraction`: 0 to 1."""
        self.count, self.fraction = count, fraction
        self.setVisible(count > 0)
        self.setFixedSize(row_width(count), height)
        self.setAccessibleName(f"{count} being made, {round(fraction * 100)}\u202f%")
        self.update()

    def mouseMoveEvent(self, event: QMouseEvent) -> None:
        self.pointed.emit()

    def paintEvent(self, event: QPaintEvent) -> None:
        palette = colours(self.palette())
        painter = QPainter(self)
        painter.setRenderHint(QPainter.RenderHint.Antialiasing)
        frame = QRectF(self.rect()).adjusted(2, 2, -2, -2)
        painter.setPen(QPen(QColor(palette.line), 1))
        painter.drawPath(_rounded(frame))
        width = min(frame.width() - 32, BAR)
        bar = QRectF(frame.center().x() - width / 2, frame.center().y() - 2, width, 4)
        painter.fillRect(bar, QColor(palette.hover))
        painter.fillRect(QRectF(bar.left(), bar.top(), width * self.fraction, 4), QColor(palette.accent))


class RowScroll(Guarded, QScrollArea):
    """As wide as its cards, or as the canvas leaves room for; then the wheel goes through them. `left()`: the pointer left them all."""

    left = Signal()

    def __init__(self, row: QWidget) -> None:
        super().__init__()
        self._wanted = 0
        self.setWidget(row)
        self.setWidgetResizable(True)
        self.setFrameShape(QFrame.Shape.NoFrame)
        self.setHorizontalScrollBarPolicy(Qt.ScrollBarPolicy.ScrollBarAlwaysOff)
        self.setVerticalScrollBarPolicy(Qt.ScrollBarPolicy.ScrollBarAlwaysOff)
        self.setFocusPolicy(Qt.FocusPolicy.NoFocus)

    def fit(self, cards: int, height: int) -> None:
        self._wanted = row_width(cards)
        self.setFixedHeight(height)
        self.setMinimumWidth(min(self._wanted, MIN_CARDS * (CARD + GAP)))
        self.setMaximumWidth(self._wanted)
        self.updateGeometry()

    def sizeHint(self) -> QSize:
        return QSize(self._wanted, self.height())

    def leaveEvent(self, event: QEvent) -> None:
        super().leaveEvent(event)
        self.left.emit()

    def wheelEvent(self, event: QWheelEvent) -> None:
        turned = event.angleDelta().x() or event.angleDelta().y()
        bar = self.horizontalScrollBar()
        bar.setValue(bar.value() - turned)
        event.accept()


def row_width(cards: int) -> int:
    return cards * CARD + max(0, cards - 1) * GAP


def _rounded(frame: QRectF) -> QPainterPath:
    shape = QPainterPath()
    shape.addRoundedRect(frame, RADIUS, RADIUS)
    return shape
