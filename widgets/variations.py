"""The strip of results to choose from, there only while there are any."""

from __future__ import annotations

from PySide6.QtCore import QRectF, QSize, Qt
from PySide6.QtGui import QColor, QPainter, QPainterPath, QPaintEvent, QPen, QPixmap
from PySide6.QtWidgets import QFrame, QHBoxLayout, QLabel, QPushButton, QToolButton, QVBoxLayout, QWidget

from editor.geometry import Rect
from editor.report import EditResult
from editor.thumbnails import result_thumbnail
from widgets.controls.icons import draw
from widgets.job import Job
from widgets.panels.layers import DOUBT_WORDS, DOUBTFUL
from widgets.qimage import to_qimage
from widgets.session import Session
from widgets.theme import colours

PICTURE = 80
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
        self._pictured: list[EditResult] = []
        self._places = QHBoxLayout()
        self._places.setSpacing(8)
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
        layout.addLayout(self._places)
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
        wanted = job.wanted if job is not None and job.busy else len(job.results) if job is not None else 0
        if job is None or not job.offers:
            self.hide()
            self._pictured = []
            return
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
        area = _around(job)
        for at, card in enumerate(self._cards):
            if at < len(job.results):
                result = job.results[at]
                if at >= len(self._pictured) or self._pictured[at] is not result:
                    side = round(PICTURE * self.devicePixelRatioF())
                    card.show_result(
                        result, QPixmap.fromImage(to_qimage(result_thumbnail(job.document, result, area, side)))
                    )
                card.setChecked(at == job.chosen)
            else:
                card.show_progress(job.fraction if at == len(job.results) else 0.0)
        self._pictured = list(job.results)
        self._words.setText(_sentence(job))
        self._accept.setEnabled(bool(job.results))
        self._more.setVisible(not job.busy)
        self._discard.setText("Stop" if job.busy and not job.results else "Discard")
        self.show()  # last, so that it comes with its final size


class _Card(QToolButton):
    """A result, or how far it is."""

    def __init__(self, at: int) -> None:
        super().__init__()
        self._at = at
        self._pixmap: QPixmap | None = None
        self._fraction = 0.0
        self.doubtful = False
        self.setCheckable(True)
        self.setAutoExclusive(True)
        self.setFixedSize(PICTURE + 4, PICTURE + 4)
        self.setFocusPolicy(Qt.FocusPolicy.TabFocus)
        self.show_progress(0.0)

    def sizeHint(self) -> QSize:
        return self.minimumSize()

    def show_result(self, result: EditResult, pixmap: QPixmap) -> None:
        self._pixmap = pixmap
        self.doubtful = result.doubt is not None and result.doubt >= DOUBTFUL
        words = f"Variation {self._at + 1}"
        self.setAccessibleName(f"{words}, look closely" if self.doubtful else words)
        self.setToolTip(f"{words}\n{DOUBT_WORDS}" if self.doubtful else words)
        self.setEnabled(True)
        self.update()

    def show_progress(self, fraction: float) -> None:
        self._pixmap, self._fraction, self.doubtful = None, fraction, False
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


def _around(job: Job) -> Rect:
    """A square of the picture about what changes; where that is long, about its middle."""
    rect, whole = job.results[0].rect if job.results else job.rect, job.document.rect
    side = max(round(max(rect.size) * (1 + 2 * MARGIN)), LEAST)
    side = min(side, *whole.size)
    left = min(max(round(rect.centre.x - side / 2), 0), whole.width - side)
    top = min(max(round(rect.centre.y - side / 2), 0), whole.height - side)
    return Rect.at(left, top, side, side)


def _sentence(job: Job) -> str:
    if job.busy:
        return f"{len(job.results)} of {job.wanted} ready"
    return "Keep this one?" if len(job.results) == 1 else "Choose one"
