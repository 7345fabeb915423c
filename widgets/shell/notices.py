"""Notices: passing messages over the canvas.

One rule: news have been seen long enough after a few seconds in sight; what went wrong stays until the person
has gone on to something else, and then for as long.
"""

from __future__ import annotations

from PySide6.QtCore import QSize, Qt, QTimer, Signal
from PySide6.QtGui import QHideEvent, QShowEvent
from PySide6.QtWidgets import QFrame, QHBoxLayout, QLabel, QPushButton, QVBoxLayout, QWidget

from editor.errors import readable
from widgets.controls.icons import ICON, IconButton, pixmap
from widgets.guard import Guarded
from widgets.session.notice import Notice
from widgets.theme import colours

LASTS = 5000  # milliseconds
LASTS_WITH_OFFERS = 20_000
MIN_MILLISECONDS = 1000  # once it comes into sight again
MAX_NOTICES = 3
WIDTH = 440


class Notices(Guarded, QWidget):
    """A short stack, the newest at the bottom. `resized()` when it needs another size."""

    resized = Signal()

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._layout = QVBoxLayout(self)
        self._layout.setContentsMargins(0, 0, 0, 0)
        self._layout.setSpacing(8)
        self._cards: list[_Card] = []
        self._waiting: list[Notice] = []  # what went wrong and has no room now, the newest last
        self._pinned: _Card | None = None
        self.hide()

    @property
    def messages(self) -> list[str]:
        return [card.message for card in self._cards]

    def add(self, notice: Notice) -> None:
        passing = [card for card in self._cards if card is not self._pinned]
        for card in [card for card in passing if card.message == notice.message]:
            self._remove(card)  # the same again does not pile up
            passing.remove(card)
        while len(passing) >= MAX_NOTICES:
            # News go first. What went wrong comes back when there is room: nobody has read it yet.
            card = next((other for other in passing if not other.error), passing[0])
            if card.error:
                self._waiting.append(card.notice)
            passing.remove(card)
            self._remove(card)
        self._append(_Card(notice, self))

    def go_on(self) -> None:
        """The person does something else now: from here on what went wrong is seen long enough as news are."""
        self._waiting = [notice for notice in self._waiting if notice.lasts]
        for card in self._cards:
            if card is not self._pinned and not card.notice.lasts:
                card.begin_fading()

    def withdraw(self, message: str) -> None:
        """What it says is over."""
        self._waiting = [notice for notice in self._waiting if readable(notice.message) != message]
        for card in [card for card in self._cards if card.message == message]:
            self._close(card)

    def pin(self, notice: Notice | None) -> None:
        """Say this until something else is pinned, or nothing; only the person can close it before."""
        if self._pinned is not None:
            self._remove(self._pinned)
        self._pinned = None if notice is None else _Card(notice, self, fades=False)
        if self._pinned is not None:
            self._append(self._pinned)

    def _append(self, card: _Card) -> None:
        card.closed.connect(lambda: self._close(card))
        self._cards.append(card)
        self._layout.addWidget(card)
        card.show()
        self._refit()

    def _close(self, card: _Card) -> None:
        self._remove(card)
        if self._waiting and sum(other is not self._pinned for other in self._cards) < MAX_NOTICES:
            self._append(_Card(self._waiting.pop(), self))

    def clear(self) -> None:
        """Drop everything but what is pinned, or lasts."""
        self._waiting = [notice for notice in self._waiting if notice.lasts]
        for card in [card for card in self._cards if card is not self._pinned and not card.notice.lasts]:
            self._remove(card)

    def clear_past(self) -> None:
        """Drop what is over once something runs again: what went wrong before, and what was offered, which cannot be done meanwhile."""
        self._waiting = [notice for notice in self._waiting if notice.lasts]
        past = [card for card in self._cards if (card.error or card.offers) and not card.notice.lasts]
        for card in past:
            if card is not self._pinned:
                self._remove(card)

    def sizeHint(self) -> QSize:
        """As high as the messages are at their fixed width."""
        heights = [card.heightForWidth(WIDTH) for card in self._cards]
        return QSize(WIDTH, sum(heights) + self._layout.spacing() * max(0, len(heights) - 1))

    def _remove(self, card: _Card) -> None:
        if card in self._cards:
            self._cards.remove(card)
            self._layout.removeWidget(card)
            card.hide()
            card.deleteLater()
            self._refit()

    def _refit(self) -> None:
        self.setVisible(bool(self._cards))
        self._layout.activate()
        self.resized.emit()


class _Card(Guarded, QFrame):
    """`closed()` when the person has closed it, or it has been in sight for as long as it lasts: what is said of a document in another tab waits."""

    closed = Signal()

    def __init__(self, notice: Notice, parent: QWidget, *, fades: bool = True) -> None:
        super().__init__(parent)
        self.setObjectName("floating")
        self.setFixedWidth(WIDTH)
        self.notice = notice
        self.message, self.error, self.offers = readable(notice.message), notice.error, bool(notice.offers)
        said = readable(notice.advice)
        palette = colours(self.palette())
        sign = QLabel()
        name, colour = ("triangle-alert", palette.danger) if notice.error else ("info", palette.quiet)
        sign.setPixmap(pixmap(name, colour, ICON, self.devicePixelRatioF()))
        sign.setFixedHeight(24)
        words = QVBoxLayout()
        words.setSpacing(2)
        message = QLabel(self.message)
        message.setTextFormat(Qt.TextFormat.PlainText)  # names of files and layers may look like anything
        message.setWordWrap(True)
        message.setMinimumHeight(24)
        words.addWidget(message)
        if said:
            advice = QLabel(said)
            advice.setTextFormat(Qt.TextFormat.PlainText)
            advice.setProperty("role", "quiet")
            advice.setWordWrap(True)
            words.addWidget(advice)
        close = IconButton("x", "Close this message", side=24)
        close.clicked.connect(self.closed)
        layout = QHBoxLayout(self)
        layout.setContentsMargins(12, 8, 8, 8)
        layout.setSpacing(8)
        layout.addWidget(sign, 0, Qt.AlignmentFlag.AlignTop)
        layout.addLayout(words, 1)
        layout.addWidget(close, 0, Qt.AlignmentFlag.AlignTop)
        # What it says is read out by screen readers, which look at the name of what appears.
        self.setAccessibleName(f"{self.message} {said}".strip())
        if notice.offers:
            row = QHBoxLayout()
            row.setSpacing(8)
            for said, do in notice.offers:
                button = QPushButton(said)
                button.setFocusPolicy(Qt.FocusPolicy.TabFocus)
                button.clicked.connect(self.closed)
                button.clicked.connect(do)
                row.addWidget(button)
            row.addStretch(1)
            words.addSpacing(4)
            words.addLayout(row)
        self._timer = QTimer(self)
        self._timer.setSingleShot(True)
        self._timer.setInterval(LASTS_WITH_OFFERS if notice.offers else LASTS)
        self._timer.timeout.connect(self.closed)
        self._left = self._timer.interval()  # milliseconds that it is still to be seen
        self._fades = fades and not notice.error and not notice.lasts

    def begin_fading(self) -> None:
        """It lasts as long as news from now on."""
        if not self._fades:
            self._fades = True
            if self.isVisible():
                self._timer.start(self._left)

    def showEvent(self, event: QShowEvent) -> None:
        super().showEvent(event)
        if self._fades:
            self._timer.start(self._left)

    def hideEvent(self, event: QHideEvent) -> None:
        super().hideEvent(event)
        if self._timer.isActive():
            self._left = max(MIN_MILLISECONDS, self._timer.remainingTime())
            self._timer.stop()
