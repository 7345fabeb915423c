"""The strip of results to choose from, there only while there are any."""

from __future__ import annotations

from PySide6.QtCore import QRectF, QSize, Qt
from PySide6.QtGui import QColor, QPainter, QPainterPath, QPaintEvent, QPen, QPixmap, QWheelEvent
from PySide6.QtWidgets import QFrame, QHBoxLayout, QLabel, QPushButton, QScrollArea, QToolButton, QVBoxLayout, QWidget

from editor.geometry import Rect
from editor.report import EditResult
from editor.thumbnails import result_thumbnail
from widgets.controls.icons import draw
from widgets.job import Candidate, Job
from widgets.panels.layers import DOUBT_WORDS, DOUBTFUL
from widgets.qimage import to_qimage
from widgets.session import Session
from widgets.theme import colours

PICTURE = 80
CARD = PICTURE + 4
GAP = 8
LEAST_CARDS = 3  # in a narrow window; the rest scrolls
MARGIN = 0.15  # of the changed region's longer side, shown around it
LEAST = 64  # picture pixels: of a speck more is shown than the speck


class Variations(QFrame):
    """One picture for each result, a bar for those to come; a click shows one, Accept keeps it."""

    def __init__(self, session: Session, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.setObjectName("floating")
        self.setAttribute(Qt.WidgetAttribute.WA_StyledBackground)
        self.setAccessibleName("Variations")
        self._session = session
        self._cards: list[_Card] = []
        self._pictured: list[tuple[EditResult, int]] = []
        inner = QWidget()
        self._places = QHBoxLayout(inner)
        self._places.setContentsMargins(0, 0, 0, 0)
        self._places.setSpacing(GAP)
        self._scroll = _RowScroll(inner)
        self._words = QLabel()
        self._words.setProperty("role", "caption")
        self._more = QPushButton("More variations")
        self._more.setToolTip("Run it again with a new seed")
        self._discard, self._accept = QPushButton("Discard"), QPushButton("Accept")
        self._discard.setToolTip("Esc")
        self._accept.setToolTip("Enter")
        for button in (self._more, self._discard, self._accept):
            button.setFocusPolicy(Qt.FocusPolicy.TabFocus)
        self._accept.setProperty("role", "accept")
        buttons = QHBoxLayout()
        buttons.setSpacing(8)
        buttons.addWidget(self._discard)
        buttons.addWidget(self._accept)
        right = QVBoxLayout()
        right.setSpacing(4)
        right.addStretch(1)
        self._more.setProperty("role", "link")
        line = QHBoxLayout()
        line.setSpacing(16)
        line.addWidget(self._words, 1)
        line.addWidget(self._more)
        right.addLayout(line)
        right.addLayout(buttons)
        right.addStretch(1)
        layout = QHBoxLayout(self)
        layout.setContentsMargins(8, 8, 12, 8)
        layout.setSpacing(12)
        layout.addWidget(self._scroll)
        layout.addLayout(right)
        self._more.clicked.connect(self._run_again)
        self._discard.clicked.connect(session.discard)
        self._accept.clicked.connect(session.accept)
        session.job_changed.connect(self._show)
        self._show(session.job)

    @property
    def cards(self) -> list[_Card]:
        return self._cards

    def _run_again(self) -> None:
        """The same edit with another seed; also when the seed is fixed, since the same one gives the same pictures."""
        session = self._session
        if session.draft.seed is not None:
            session.set_draft(seed=(session.draft.seed + session.draft.variations) % 2**31)
        session.run()

    def _show(self, job: Job | None) -> None:
        if job is None or not job.offers:
            self.hide()
            self._pictured = []
            return
        choices = job.choices
        wanted = len(choices) + (max(0, job.wanted - len(job.candidates)) if job.busy else 0)
        while len(self._cards) > wanted:
            card = self._cards.pop()
            self._places.removeWidget(card)
            card.hide()
            card.deleteLater()
        while len(self._cards) < wanted:
            at = len(self._cards)
            card = _Card(at)
            card.clicked.connect(lambda _=False, at=at: self._session.choose(at))
            self._cards.append(card)
            self._places.addWidget(card)
            card.show()
        self._scroll.fit(wanted)
        pictured: list[tuple[EditResult, int]] = []
        for at, card in enumerate(self._cards):
            if at >= len(choices):
                card.show_progress(job.fraction if at == len(choices) else 0.0)
                continue
            candidate, stripe = job.candidates[choices[at][0]], choices[at][1]
            pictured.append((candidate.result, stripe))
            if at >= len(self._pictured) or self._pictured[at] != pictured[at]:
                self._picture(card, candidate, stripe)
            card.setChecked(choices[at] == (job.chosen, job.stripe))
            if card.isChecked():
                self._scroll.ensureWidgetVisible(card, GAP, 0)
        self._pictured = pictured
        self._words.setText(_sentence(job))
        self._accept.setEnabled(bool(job.candidates))
        level = None if job.whole is None else job.whole.draft.strength
        self._accept.setText("Accept" if level is None else f"Use {round(level * 100)}\u202f%")
        self._accept.setToolTip("Enter" if level is None else "Make the whole edit with this strength (Enter)")
        self._more.setVisible(not job.busy and job.whole is None)
        self._discard.setText("Stop" if job.busy and not job.candidates else "Discard")
        self.show()  # last, so that it comes with its final size

    def _picture(self, card: _Card, candidate: Candidate, stripe: int) -> None:
        result, document = candidate.result, candidate.asked.document
        level = result.stripes[stripe].level if result.stripes else None
        area = _around(result.rect, document.rect) if level is None else _inside(result.stripes[stripe].rect)
        side = round(PICTURE * self.devicePixelRatioF())
        picture = QPixmap.fromImage(to_qimage(result_thumbnail(document, result, area, side)))
        card.show_result(result, picture, level)


class _RowScroll(QScrollArea):
    """As wide as its cards, or as the canvas leaves room for; then the wheel goes through them."""

    def __init__(self, row: QWidget) -> None:
        super().__init__()
        self._wanted = 0
        self.setWidget(row)
        self.setWidgetResizable(True)
        self.setFrameShape(QFrame.Shape.NoFrame)
        self.setHorizontalScrollBarPolicy(Qt.ScrollBarPolicy.ScrollBarAlwaysOff)
        self.setVerticalScrollBarPolicy(Qt.ScrollBarPolicy.ScrollBarAlwaysOff)
        self.setFocusPolicy(Qt.FocusPolicy.NoFocus)
        self.setFixedHeight(CARD)

    def fit(self, cards: int) -> None:
        self._wanted = cards * CARD + max(0, cards - 1) * GAP
        self.setMinimumWidth(min(self._wanted, LEAST_CARDS * (CARD + GAP)))
        self.setMaximumWidth(self._wanted)
        self.updateGeometry()

    def sizeHint(self) -> QSize:
        return QSize(self._wanted, CARD)

    def wheelEvent(self, event: QWheelEvent) -> None:
        turned = event.angleDelta().x() or event.angleDelta().y()
        bar = self.horizontalScrollBar()
        bar.setValue(bar.value() - turned)
        event.accept()


class _Card(QToolButton):
    """A result, or how far it is."""

    def __init__(self, at: int) -> None:
        super().__init__()
        self._at = at
        self._pixmap: QPixmap | None = None
        self._label = ""
        self._fraction = 0.0
        self.doubtful = False
        self.setCheckable(True)
        self.setAutoExclusive(True)
        self.setFixedSize(CARD, CARD)
        self.setFocusPolicy(Qt.FocusPolicy.TabFocus)
        self.show_progress(0.0)

    def sizeHint(self) -> QSize:
        return self.minimumSize()

    def show_result(self, result: EditResult, pixmap: QPixmap, level: float | None = None) -> None:
        """`level`: the strength it was made with, 0 to 1, where that is what it stands for."""
        self._pixmap = pixmap
        self._label = "" if level is None else f"{round(level * 100)}\u202f%"
        self.doubtful = result.doubt is not None and result.doubt >= DOUBTFUL
        words = f"Strength {self._label}" if self._label else f"Variation {self._at + 1}"
        self.setAccessibleName(f"{words}, look closely" if self.doubtful else words)
        self.setToolTip(f"{words}\n{DOUBT_WORDS}" if self.doubtful else words)
        self.setEnabled(True)
        self.update()

    def show_progress(self, fraction: float) -> None:
        self._pixmap, self._label, self._fraction, self.doubtful = None, "", fraction, False
        self.setAccessibleName(f"Variation {self._at + 1}, {round(fraction * 100)} %")
        self.setToolTip("")
        self.setEnabled(False)
        self.update()

    def paintEvent(self, event: QPaintEvent) -> None:
        found = colours(self.palette())
        painter = QPainter(self)
        painter.setRenderHint(QPainter.RenderHint.Antialiasing)
        painter.setRenderHint(QPainter.RenderHint.SmoothPixmapTransform)
        frame = QRectF(self.rect()).adjusted(2, 2, -2, -2)
        shape = QPainterPath()
        shape.addRoundedRect(frame, 5, 5)
        painter.save()
        painter.setClipPath(shape)
        painter.fillRect(self.rect(), QColor(found.field))
        if self._pixmap is not None:
            painter.drawPixmap(frame, self._pixmap, QRectF(self._pixmap.rect()))
        else:
            bar = QRectF(frame.left() + 16, frame.center().y() - 2, frame.width() - 32, 4)
            painter.fillRect(bar, QColor(found.hover))
            painter.fillRect(QRectF(bar.left(), bar.top(), bar.width() * self._fraction, 4), QColor(found.accent))
        if self._label:
            tag = QRectF(frame.left(), frame.bottom() - 20, frame.width(), 20)
            painter.fillRect(tag, QColor(found.panel))
            painter.setPen(QColor(found.text))
            painter.drawText(tag, Qt.AlignmentFlag.AlignCenter, self._label)
        painter.restore()
        chosen = self.isChecked() and self._pixmap is not None
        painter.setPen(QPen(QColor(found.accent if chosen or self.hasFocus() else found.line), 2 if chosen else 1))
        painter.drawPath(shape)
        if self.doubtful:
            badge = QRectF(self.width() - 26, 6, 20, 20)
            painter.setPen(Qt.PenStyle.NoPen)
            painter.setBrush(QColor(found.panel))
            painter.drawEllipse(badge)
            draw(painter, "triangle-alert", found.doubt, badge.adjusted(4, 3, -4, -5))


def _around(rect: Rect, whole: Rect) -> Rect:
    """A square of the picture about what changes; where that is long, about its middle."""
    side = max(round(max(rect.size) * (1 + 2 * MARGIN)), LEAST)
    side = min(side, *whole.size)
    left = min(max(round(rect.centre.x - side / 2), 0), whole.width - side)
    top = min(max(round(rect.centre.y - side / 2), 0), whole.height - side)
    return Rect.at(left, top, side, side)


def _inside(rect: Rect) -> Rect:
    """The square in the middle of a stripe: nothing of its neighbours."""
    side = min(rect.size)
    return Rect.at(round(rect.centre.x - side / 2), round(rect.centre.y - side / 2), side, side)


def _sentence(job: Job) -> str:
    if job.busy:
        return f"{len(job.candidates)} of {job.wanted} ready"
    if job.whole is not None:
        return "Which strength?"
    return "Keep this one?" if len(job.candidates) == 1 else "Choose one"
