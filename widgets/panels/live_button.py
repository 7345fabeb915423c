"""Live toggle beside the one button, and what live has to say."""

from __future__ import annotations

from PySide6.QtCore import QPointF, QSize, Qt
from PySide6.QtGui import QColor, QPainter, QPaintEvent
from PySide6.QtWidgets import QSizePolicy, QToolButton, QWidget

from widgets.guard import Guarded
from widgets.session.live import Live
from widgets.session.session import Session
from widgets.theme import colours

DOT = 3.0  # radius, logical pixels
TIP = (
    "Live (A): the picture follows the brush.\n"
    "It is made again after every stroke; Enter keeps it as a layer, Esc leaves everything as it was."
)


class LiveButton(Guarded, QToolButton):
    """Switches the live picture of a session on and off. A dot says whether it computes or is up to date."""

    def __init__(self, session: Session, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.setText("Live")
        self.setToolTip(TIP)
        self.setCheckable(True)
        self.setFocusPolicy(Qt.FocusPolicy.TabFocus)
        self.setSizePolicy(QSizePolicy.Policy.Fixed, QSizePolicy.Policy.Preferred)
        self._live = session.live
        self.clicked.connect(session.live.switch)
        session.live.changed.connect(self.follow)
        self.follow()

    def follow(self) -> None:
        """Show what it is doing."""
        self.setChecked(self._live.on)
        self.setAccessibleName("Live")
        self.setAccessibleDescription(live_words(self._live) or "Off")
        self.update()

    def sizeHint(self) -> QSize:
        """Of the word, with room for the dot."""
        metrics = self.fontMetrics()
        return QSize(metrics.horizontalAdvance(self.text()) + 22, metrics.height() + 14)

    def paintEvent(self, event: QPaintEvent) -> None:
        super().paintEvent(event)
        if not self._live.on:
            return
        palette = colours(self.palette())
        shades = {"computing": palette.doubt, "current": palette.accent, "failed": palette.danger}
        painter = QPainter(self)
        painter.setRenderHint(QPainter.RenderHint.Antialiasing)
        painter.setPen(Qt.PenStyle.NoPen)
        painter.setBrush(QColor(shades.get(self._live.state, palette.faint)))
        painter.drawEllipse(QPointF(self.width() - DOT - 4, DOT + 4), DOT, DOT)


def live_words(live: Live) -> str:
    """What the live picture is just now, in a line; nothing while it is off."""
    if not live.on:
        return ""
    beyond = " · some of it is outside the frame" if live.outside else ""
    match live.state:
        case "idle":
            return f"Live: {live.doing or 'paint, and the picture follows.'}"
        case "computing":
            return f"Live · {live.doing}{' · kept when it is ready' if live.keeps else ''}{beyond}"
        case "failed":
            return "Live · nothing came of it; the next change tries again."
        case "current":
            return f"Live · {cost_words(live)}Enter keeps it, Esc leaves{beyond}"


def cost_words(live: Live) -> str:
    """What the last round took: "4 of 20 steps, 0.8 s · "; nothing where it was there already."""
    outcome = live.outcome
    if outcome is None or outcome.evaluations == 0 or live.seconds is None:
        return ""
    steps = "" if outcome.evaluations is None else f"{outcome.evaluations} of {outcome.steps} steps, "
    return f"{steps}{live.seconds:.1f}\u202fs · "
