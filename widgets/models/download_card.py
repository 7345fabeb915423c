"""The card of a model on its way: what it is and costs before, how far it is meanwhile, what went wrong after."""

from __future__ import annotations

from PySide6.QtCore import Qt, Signal
from PySide6.QtWidgets import QFrame, QHBoxLayout, QLabel, QProgressBar, QVBoxLayout

from editor.models.catalogue import size_words
from editor.models.hub import DownloadPlan
from widgets.controls.elided import ElidedLabel
from widgets.models.rows import plain_button
from widgets.models.service import Download

STEPS = 1000


class DownloadCard(QFrame):
    """`wanted()`: fetch it, or go on. `stopped()`, `dismissed()`, `retried()`: look it up again."""

    wanted = Signal()
    stopped = Signal()
    dismissed = Signal()
    retried = Signal()

    def __init__(self) -> None:
        super().__init__()
        self.setObjectName("floating")
        self._shown: Download | None = None
        self.name = ElidedLabel()
        self.name.setProperty("role", "title")
        self.facts = QLabel()
        self.problem = QLabel()
        self.problem.setProperty("role", "doubt")
        self.note = QLabel()
        self.note.setProperty("role", "caption")
        self.note.setOpenExternalLinks(True)
        for label in (self.facts, self.problem, self.note):
            label.setWordWrap(True)
            label.setTextFormat(Qt.TextFormat.PlainText)
        self.note.setTextFormat(Qt.TextFormat.RichText)
        self.bar = QProgressBar()
        self.bar.setRange(0, STEPS)
        self.bar.setTextVisible(False)
        self.go = plain_button("Download", "accept")
        self.stop = plain_button("Cancel")
        self.close_card = plain_button("Not now")
        buttons = QHBoxLayout()
        buttons.setSpacing(8)
        buttons.addWidget(self.note, 1)
        for button in (self.close_card, self.stop, self.go):
            buttons.addWidget(button, 0, Qt.AlignmentFlag.AlignBottom)
        layout = QVBoxLayout(self)
        layout.setContentsMargins(12, 12, 12, 12)
        layout.setSpacing(8)
        for widget in (self.name, self.facts, self.problem, self.bar):
            layout.addWidget(widget)
        layout.addLayout(buttons)
        self.go.clicked.connect(self._go)
        self.stop.clicked.connect(self.stopped)
        self.close_card.clicked.connect(self.dismissed)

    def show_getting(self, getting: Download, where: str) -> None:
        """`where`: the folder that downloads go to."""
        self._shown = getting
        plan, stage = getting.plan, getting.stage
        self.name.setText(plan.name if plan else getting.id)
        self.name.setToolTip(plan.id if plan else "")
        self.bar.setVisible(stage in ("looking", "running", "stopped"))
        self.bar.setRange(0, 0 if stage == "looking" else STEPS)
        if stage != "looking":
            self.bar.setValue(round(STEPS * getting.progress.fraction) if getting.progress else 0)
        self.problem.setText("" if getting.error is None else str(getting.error))
        self.problem.setVisible(getting.error is not None)
        self.facts.setText(_facts(getting))
        self.facts.setVisible(bool(self.facts.text()))
        self.note.setText(_note(getting, where))
        self.go.setVisible(stage in ("found", "stopped", "failed"))
        self.go.setText(_label(getting))
        self.stop.setVisible(stage in ("looking", "running"))
        self.close_card.setVisible(stage in ("found", "stopped", "failed", "done"))
        self.close_card.setText("Close" if stage in ("failed", "done") else "Not now")
        self.setAccessibleName(f"{self.name.text()}: {self.facts.text() or self.problem.text()}")

    def _go(self) -> None:
        if self._shown is not None and self._shown.plan is None:
            self.retried.emit()
        else:
            self.wanted.emit()


def _label(getting: Download) -> str:
    if getting.stage == "found":
        return "Download" if getting.plan and getting.missing == getting.plan.total else "Continue"
    return "Continue" if getting.plan else "Try again"


def _facts(getting: Download) -> str:
    plan = getting.plan
    if getting.stage == "looking":
        return "Asking the hub for its size and licence …"
    if plan is None:
        return ""
    if getting.stage == "running":
        return "Getting ready …" if getting.progress is None else getting.progress.doing
    if getting.stage == "stopped":
        return "Stopped. What has come is kept, and Continue goes on with it."
    if getting.stage == "done":
        return "It is here, whole."
    if getting.stage == "failed":
        return ""
    words = [plan.family.traits.label] if plan.family else ["Ranks variations"] if plan.ranks else []
    words.append(size_words(plan.total) + (" in half precision" if plan.half else ""))
    if getting.missing < plan.total:
        words.append(f"{size_words(getting.missing)} of it still to come")
    words.append(f"licence {plan.licence}" if plan.licence else "licence not stated")
    return " · ".join(words)


def _note(getting: Download, where: str) -> str:
    """Rich text."""
    plan = getting.plan
    match getting.stage:
        case "found" if plan:
            gate = "Its makers ask for consent first: accept the licence on its page, then log in with “hf auth login”.<br>"
            return f"{gate if plan.gated else ''}{_link(plan)}<br>Goes to {_escaped(where)}"
        case "running":
            return "You can close this window; the download goes on."
        case "failed" if plan:
            return _link(plan)
        case _:
            return ""


def _link(plan: DownloadPlan) -> str:
    return f'<a href="{_escaped(plan.page)}">Read its page and licence</a>'


def _escaped(text: str) -> str:
    return text.replace("&", "&amp;").replace("<", "&lt;").replace('"', "&quot;")
