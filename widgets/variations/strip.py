"""Variations strip: the results to choose from, there only while there are any."""

from __future__ import annotations

from itertools import pairwise

from PySide6.QtCore import QEvent, QObject, QPoint, Qt, QTimer, Signal
from PySide6.QtGui import QEnterEvent, QPixmap
from PySide6.QtWidgets import QApplication, QFrame, QHBoxLayout, QLabel, QMenu, QPushButton, QVBoxLayout, QWidget

from editor.document.thumbnails import result_thumbnail
from editor.geometry import Rect
from editor.requests.method_settings import Use
from editor.requests.results import EditResult
from widgets.controls.tips import show_beside
from widgets.guard import Guarded
from widgets.qimage import on_screen, to_qimage
from widgets.session.edit_job import Candidate
from widgets.session.job import Job
from widgets.session.jobs import OUTDATED, SET_ASIDE
from widgets.session.session import Session
from widgets.variations.cards import CAPTION, CARD, GAP, PICTURE, Card, Face, Pending, RowScroll

WORDS = 176  # the room for what is said on the right
MARGIN = 0.15  # of the changed region's longer side, shown around it
MIN_SIDE = 64  # picture pixels: of a speck more is shown than the speck


SHOW = "Show"


class Variations(Guarded, QFrame):
    """One picture for each result, a bar for those to come. Pointing at one shows it, a click chooses it, Accept keeps what is shown.

    `focus_returned()`: what had the keyboard is no longer there.
    """

    focus_returned = Signal()

    def __init__(self, session: Session, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.setObjectName("floating")
        self.setAttribute(Qt.WidgetAttribute.WA_StyledBackground)
        self.setAccessibleName("Variations")
        self._session = session
        self._cards: list[Card] = []
        self._pictures: dict[EditResult, QPixmap] = {}
        self._chosen: EditResult | None = None  # scrolled to when it changes
        self._showing = False
        self._after = QTimer(self)
        self._after.setSingleShot(True)
        self._after.timeout.connect(self._hold)
        inner = QWidget()
        self._places = QHBoxLayout(inner)
        self._places.setContentsMargins(0, 0, 0, 0)
        self._places.setSpacing(GAP)
        self._pending = Pending()
        self._places.addWidget(self._pending)
        self._scroll = RowScroll(inner)
        self._words = QLabel()
        self._words.setProperty("role", "caption")
        self._words.setWordWrap(True)
        self._words.setMinimumWidth(WORDS)
        self._more = QPushButton("More variations")
        self._more.setProperty("role", "link")
        self._discard, self._accept = QPushButton("Discard"), QPushButton(_use(1.0))
        self._discard.setToolTip("Esc")
        self._accept.setProperty("role", "accept")
        for button in (self._discard, self._accept):  # with the longest of their words
            button.setMinimumWidth(button.sizeHint().width())
        for button in (self._more, self._discard, self._accept):
            button.setFocusPolicy(Qt.FocusPolicy.TabFocus)
            button.installEventFilter(self)
        layout = QHBoxLayout(self)
        layout.setContentsMargins(8, 8, 12, 8)
        layout.setSpacing(12)
        layout.addWidget(self._scroll)
        layout.addLayout(self._make_side())
        self._pending.pointed.connect(lambda: session.peek(None))
        self._scroll.left.connect(self._look_back)
        self._more.clicked.connect(session.more)
        self._discard.clicked.connect(self._end)
        self._accept.clicked.connect(session.accept)
        session.jobs.progressed.connect(self._show)
        session.jobs.candidates_changed.connect(self._show)
        self._show()

    def _make_side(self) -> QVBoxLayout:
        # What comes and goes keeps its place, so that the pictures keep theirs.
        kept = self._more.sizePolicy()
        kept.setRetainSizeWhenHidden(True)
        self._more.setSizePolicy(kept)
        buttons = QHBoxLayout()
        buttons.setSpacing(8)
        buttons.addWidget(self._discard)
        buttons.addWidget(self._accept)
        side = QVBoxLayout()
        side.setSpacing(0)
        side.addStretch(1)
        side.addWidget(self._words)
        side.addWidget(self._more, 0, Qt.AlignmentFlag.AlignLeft)
        side.addLayout(buttons)
        side.addStretch(1)
        return side

    @property
    def cards(self) -> list[Card]:
        """Of what is finished."""
        return self._cards

    @property
    def pending(self) -> Pending:
        """Of what is to come."""
        return self._pending

    def eventFilter(self, watched: QObject, event: QEvent) -> bool:
        if event.type() == QEvent.Type.ToolTip and isinstance(watched, QWidget):
            show_beside(watched, watched.toolTip())
            return True
        return False

    # What is done with them

    def enterEvent(self, event: QEnterEvent) -> None:
        super().enterEvent(event)
        self._hold()

    def leaveEvent(self, event: QEvent) -> None:
        super().leaveEvent(event)
        self._hold()

    def _open_menu(self, card: Card, at: QPoint) -> None:
        job = self._session.job
        if job is None:
            return
        candidate = job.candidates[self._cards.index(card)]
        menu = QMenu(self)
        menu.setAttribute(Qt.WidgetAttribute.WA_DeleteOnClose)
        menu.addAction("Use this seed").triggered.connect(lambda: self._session.use_seed(candidate))
        if candidate.edit_job.snapshot:
            back = menu.addAction("Return to what it was made from")
            back.triggered.connect(lambda: self._session.return_to(candidate))
        menu.popup(at)

    def _end(self) -> None:
        """What is finished stays when the rest is stopped."""
        job = self._session.job
        if job is not None and job.busy:
            self._session.stop()
        else:
            self._session.discard()

    def _focused(self) -> int | None:
        return next((at for at, card in enumerate(self._cards) if card.hasFocus()), None)

    def _look(self, card: Card) -> None:
        self._session.hold(True)
        self._session.peek(self._cards.index(card))
        if card.hasFocus():
            self._scroll.ensureWidgetVisible(card, GAP, 0)

    def _look_back(self) -> None:
        """The pointer or the keyboard left them; the other may still be on one."""
        if not self._showing:
            self._session.peek(self._focused())
        self._hold()

    def _hold(self) -> None:
        if self._showing:  # it came or went with the pointer or the keyboard on it
            self._after.start(0)
        else:
            self._session.hold(self.underMouse() or self._focused() is not None)

    def _choose(self, card: Card) -> None:
        self._session.choose(self._cards.index(card))

    def _step(self, by: int) -> None:
        self._session.step(by)
        job = self._session.job
        if job is not None:
            self._cards[job.candidates.place].setFocus()

    # How they are shown

    def _show(self) -> None:
        self._showing = True
        try:
            self._show_job(self._session.job)
        finally:
            self._showing = False

    def _show_job(self, job: Job | None) -> None:
        if job is None or not job.offers:
            self._pictures, self._chosen = {}, None
            self._yield_keys(self)
            self.hide()
            return
        count = len(job.candidates)
        to_come = max(0, job.wanted - count) if job.busy else 0
        ranks = Use.RANKING in job.edit_job.draft.settings.uses
        several = count + to_come > 1
        captioned = several or ranks or any(candidate.ranks for candidate in job.candidates)
        height = CARD + (CAPTION if captioned else 0)
        self._fit_cards(count)
        self._scroll.fit(count + to_come, height)
        known, self._pictures = self._pictures, {}
        for at, (card, result) in enumerate(zip(self._cards, job.candidates.results, strict=True)):
            self._pictures[result] = known.get(result) or self._picture(job.candidates[at])
            card.set_captioned(captioned)
            card.show_face(Face.of(job, at), self._pictures[result], shown=at == job.candidates.place)
            card.setChecked(at == job.candidates.chosen)
            if card.isChecked() and result is not self._chosen:
                self._chosen = result
                self._scroll.ensureWidgetVisible(card, GAP, 0)
        self._pending.show_progress(to_come, job.done, height)
        self._words.setText(sentence(job))
        self._accept.setEnabled(bool(job.candidates))
        away = job.aside and job.laid is None
        self._accept.setText(
            SHOW if away else "Accept" if job.candidates.strength is None else _use(job.candidates.strength)
        )
        self._accept.setToolTip("See it over the picture again (Enter)" if away else "Enter")
        if job.more is None:
            self._yield_keys(self._more)
        else:
            self._more.setToolTip(f"Make {job.more.wanted} more of the same edit, with other seeds")
        self._more.setVisible(job.more is not None)
        self._discard.setText("Stop" if job.busy else "Discard")
        self.show()  # last, so that it comes with its final size

    def _fit_cards(self, wanted: int) -> None:
        while len(self._cards) > wanted:
            card = self._cards.pop()
            self._yield_keys(card)
            self._places.removeWidget(card)
            card.hide()
            card.deleteLater()
        while len(self._cards) < wanted:
            card = Card()
            card.pointed.connect(lambda card=card: self._look(card))
            card.left.connect(self._look_back)
            card.stepped.connect(self._step)
            card.menu_wanted.connect(lambda at, card=card: self._open_menu(card, at))
            card.clicked.connect(lambda _=False, card=card: self._choose(card))
            self._places.insertWidget(len(self._cards), card)
            self._cards.append(card)
            card.show()
        stops = [*self._cards, self._more, self._discard, self._accept]
        for stop, following in pairwise(stops):
            self.setTabOrder(stop, following)

    def _yield_keys(self, going: QWidget) -> None:
        """Else Qt would give the keyboard to whatever comes next."""
        focus = QApplication.focusWidget()
        if focus is not None and (focus is going or going.isAncestorOf(focus)):
            self.focus_returned.emit()

    def _picture(self, candidate: Candidate) -> QPixmap:
        result, document = candidate.result, candidate.edit_job.document
        area = _around(result.rect, document.rect)
        side = round(PICTURE * self.devicePixelRatioF())
        return QPixmap.fromImage(to_qimage(on_screen(result_thumbnail(document, result, area, side), self)))


def _around(rect: Rect, whole: Rect) -> Rect:
    """A square of the picture about what changes; where that is long, about its middle."""
    side = max(round(max(rect.size) * (1 + 2 * MARGIN)), MIN_SIDE)
    side = min(side, *whole.size)
    left = min(max(round(rect.centre.x - side / 2), 0), whole.width - side)
    top = min(max(round(rect.centre.y - side / 2), 0), whole.height - side)
    return Rect.at(left, top, side, side)


def _use(level: float) -> str:
    return f"Use {round(level * 100)}\u202f%"


def sentence(job: Job) -> str:
    """What is there, or what to do about it."""
    if job.aside and job.candidates:
        return SET_ASIDE
    if job.busy:
        return f"{len(job.candidates)} of {job.wanted} ready"
    if job.candidates.strength is not None:
        return "Which strength?"
    if job.candidates.current is not None and job.candidates.current.outdated:
        return OUTDATED
    if len(job.candidates) == 1:
        return "Keep this one?"
    return (
        "Closest to your words first.\nEnter keeps the one shown."
        if job.candidates.best_first
        else "Enter keeps the one shown."
    )
