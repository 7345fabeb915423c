"""Edit panel: how the change is made, how strongly, and the one button that does it."""

from __future__ import annotations

from collections.abc import Callable

from PySide6.QtCore import QEvent, QObject, Qt, QTimer, Signal
from PySide6.QtGui import QFontMetrics, QKeyEvent, QResizeEvent
from PySide6.QtWidgets import QFrame, QHBoxLayout, QPlainTextEdit, QProgressBar, QPushButton, QVBoxLayout, QWidget

from editor.document.document import Document
from editor.edits.warnings import advice, beyond_toys
from editor.errors import OutOfMemory
from editor.planning.change_map import NO_PROMPT
from editor.planning.plan import Draft
from widgets.controls.column_scroll import ColumnScroll
from widgets.controls.icons import IconButton
from widgets.controls.section import FoldButton
from widgets.controls.slider import Slider
from widgets.guard import Guarded
from widgets.panels.live_button import LiveButton, live_words
from widgets.panels.method import MethodPart, Overall
from widgets.panels.more import More
from widgets.panels.status_lines import MemoryLine, RegionLine, Remark, StatusLines
from widgets.session import run_actions
from widgets.session.job import Job
from widgets.session.run_actions import can_leave
from widgets.session.session import Session

PROMPT_HEIGHT = 56
MARGIN = 12
GAP = 4  # between the button and the toggle of live
MIN_LABEL = 120  # logical pixels
BUTTON_PADDING = 7  # on either side, with its border
MORE_HEIGHT = 300
MIN_MORE = 64  # in a low window; the rest scrolls
WHAT = "What should appear?"
WORDS_INSTEAD = "Or say what should be there"
TICK = 500  # milliseconds between two looks at the time left
MAX_WIDTH = 200  # logical pixels of the words for another edit, where it is not known yet how wide it will be


class EditPanel(Guarded, QFrame):
    """Shows and changes the session's draft, and runs it. `focus_returned()`: something in it, or a slider, has the keyboard, and is done with it:
    the edit has begun, the typing is over, or there is nothing to press any more.
    """

    focus_returned = Signal()

    def __init__(self, session: Session, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.setObjectName("editPanel")
        self._session = session
        self._advised: tuple[Document | None, Draft | None, str] = None, None, ""
        self._busy = False
        self._label = ""  # of the button, whole
        self._method = MethodPart(session)
        self._prompt = QPlainTextEdit()
        self._prompt.setAccessibleName("What should appear")
        self._prompt.setFixedHeight(PROMPT_HEIGHT)
        self._prompt.setTabChangesFocus(True)
        self._overall = Overall(session)
        self._more_button = FoldButton("More")
        self._more = More(session)
        self._scroll = ColumnScroll(self._more, gutter=12)
        self._scroll.setMinimumHeight(MIN_MORE)
        self._scroll.hide()
        self._region = RegionLine(session)
        self._memory = MemoryLine(session)
        self._reason = Remark()
        self._drop = IconButton("x", "Forget the edit that was queued last", side=20, icon_side=12)
        self._drop.clicked.connect(session.drop_waiting)
        self._progress = QProgressBar()
        self._progress.setTextVisible(False)
        self._progress.setRange(0, 1000)
        self._progress.setAccessibleName("Progress")
        kept = self._progress.sizePolicy()
        kept.setRetainSizeWhenHidden(True)
        self._progress.setSizePolicy(kept)
        self._secondary = SecondaryLinks(session, self._memory)
        self._remarks = StatusLines((self._memory, self._region, self._reason), self._secondary, self._drop)
        self._button = QPushButton()
        self._button.setFocusPolicy(Qt.FocusPolicy.StrongFocus)
        self._live = LiveButton(session)
        last = QHBoxLayout()
        last.setSpacing(GAP)
        last.addWidget(self._button, 1)
        last.addWidget(self._live)
        layout = QVBoxLayout(self)
        layout.setContentsMargins(MARGIN, MARGIN, MARGIN, MARGIN)
        layout.setSpacing(4)
        layout.addWidget(self._method)
        layout.addSpacing(4)
        layout.addWidget(self._prompt)
        layout.addWidget(self._overall)
        layout.addWidget(self._more_button)
        layout.addWidget(self._scroll)
        layout.addWidget(self._remarks)
        layout.addWidget(self._progress)
        layout.addLayout(last)
        self._timer = QTimer(self)
        self._timer.setInterval(TICK)
        self._timer.timeout.connect(self._show_job)
        self._prompt.textChanged.connect(self._prompt_typed)
        self._prompt.installEventFilter(self)
        self._more_button.toggled.connect(self._unfold)
        self._button.clicked.connect(self._pressed)
        session.state.words_wanted.connect(self._ask_for_words)
        # Looking through the maps can wait until a gesture is over.
        for signal in (session.state.draft_changed, session.model_choice.changed, session.model.settled):
            signal.connect(self._show)
        session.state.options_changed.connect(self._more.show_draft)
        session.jobs.progressed.connect(self._show_job)
        session.jobs.candidates_changed.connect(self._show_job)
        session.live.changed.connect(self._show_job)
        session.scrub.changed.connect(self._show_job)
        self._memory.changed.connect(self._show_secondary)
        self._unfold(False)
        self._show()

    @property
    def button(self) -> QPushButton:
        """The one primary button."""
        return self._button

    def eventFilter(self, watched: QObject, event: QEvent) -> bool:
        # Escape ends the typing first: while an edit is reopened it would leave that, and the words with it.
        escape = isinstance(event, QKeyEvent) and event.key() == Qt.Key.Key_Escape
        if watched is not self._prompt or not escape or not can_leave(self._session):
            return False
        if event.type() == QEvent.Type.ShortcutOverride:
            event.accept()
        elif event.type() == QEvent.Type.KeyPress:
            self.focus_returned.emit()
        return True

    def _pressed(self) -> None:
        job = self._session.job
        if job is not None and job.busy:
            self._session.stop()
        else:
            self._session.run()

    def _prompt_typed(self) -> None:
        words = self._prompt.toPlainText()
        if self._session.draft.settings.reads_prompt:
            self._session.set_draft(prompt=words)
        elif words.strip():
            self._session.choose_method(self._session.state.method_for_words, prompt=words)

    def _ask_for_words(self) -> None:
        self._prompt.setFocus(Qt.FocusReason.OtherFocusReason)
        self._prompt.selectAll()

    def _unfold(self, open: bool) -> None:
        self._scroll.setVisible(open)
        self._scroll.setMaximumHeight(min(MORE_HEIGHT, self._more.sizeHint().height()))

    def _show(self) -> None:
        self._method.show_draft()
        self._show_prompt()
        self._overall.show_draft()
        self._more.show_draft()
        self._unfold(self._more_button.isChecked())
        self._show_job()

    def _show_prompt(self) -> None:
        """Also there for methods that read no words, where a model knows pictures like this: who types means another method."""
        draft, document = self._session.draft, self._session.document
        reads = draft.settings.reads_prompt
        preset = self._session.method.nearest_preset(draft)
        asks = WORDS_INSTEAD if not reads else WHAT if preset is None else preset.asks
        if self._prompt.placeholderText() != asks:
            self._prompt.setPlaceholderText(asks)
        words = draft.prompt if reads else ""
        if self._prompt.toPlainText() != words:
            self._prompt.setPlainText(words)
        usable = draft.model is not None and not beyond_toys(document, draft)
        self._prompt.setVisible(reads or usable)

    def _advice(self) -> str:
        """Asked at every report of what runs; looked for only when something has changed."""
        session = self._session
        if self._advised[:2] != (session.document, session.draft):
            self._advised = (
                session.document,
                session.draft,
                advice(session.document, session.draft, session.plan, session.methods),
            )
        return self._advised[2]

    def _takes_keys(self, focus: QWidget | None) -> bool:
        """Whether what has the keyboard would take Enter and arrows for itself."""
        return focus is not None and (self.isAncestorOf(focus) or isinstance(focus, Slider))

    def _show_job(self) -> None:
        job = self._session.job
        busy = job is not None and job.busy
        plan = self._session.plan
        can_run = busy or plan.action is not None
        label = "Stop" if busy else plan.label
        if self._session.live.on and not busy and plan.action is not None:
            count = self._session.method.result_count(self._session.draft, plan)
            label = f"Make {count} variations of this" if count > 1 else label
        if job is not None and job.state == "stopping":
            label = "Stopping…"
        self._label = label
        usable = can_run and not (job is not None and job.state == "stopping")
        begun, self._busy = busy and not self._busy, busy
        if begun and self._takes_keys(self.window().focusWidget()):
            self.focus_returned.emit()  # arrows and Enter choose among the results, which no field should take for itself
        elif not usable and self._button.hasFocus():
            self.focus_returned.emit()  # else Qt would give the keyboard to whatever comes next, which closes the document
        self._button.setEnabled(usable)
        # While variations wait, the accent is on "Accept": only one thing on screen is the next step.
        role = "stop" if busy or (job is not None and job.candidates) else "primary"
        if self._button.property("role") != role:
            self._button.setProperty("role", role)
            self._button.style().polish(self._button)
        self._show_label()  # in the letters of that role
        self._progress.setVisible(busy)
        hint = self._advice()
        words = hint if plan.action is not None else plan.reason
        if self._session.live.on:
            words = live_words(self._session.live)
        scrub = self._session.scrub
        if scrub.words and not (self._session.live.on and self._session.live.state != "computing"):
            words = f"{words} · shown: {scrub.seen}" if self._session.live.on else scrub.words
        if job is not None and busy:
            words = progress_words(job)
            self._progress.setValue(round(job.done * 1000))
        elif job is not None and job.state == "failed" and job.error is not None:
            words = str(job.error)
        self._reason.say(words, doubt=bool(words) and words == hint != NO_PROMPT)
        self._drop.setVisible(job is not None and bool(job.waiting))
        self._region.follow()
        self._memory.follow()
        self._show_secondary()
        if busy and not self._timer.isActive():
            self._timer.start()
        elif not busy:
            self._timer.stop()

    def _show_label(self) -> None:
        """What of the label fits beside the toggle; the tip has all of it."""
        beside = self._live.sizeHint().width() + GAP
        room = self.width() - 2 * MARGIN - beside - 2 * BUTTON_PADDING
        elided = _fitting(self._label, self._button.fontMetrics(), max(MIN_LABEL, room))
        self._button.setText(elided.replace("&", "&&"))
        self._button.setAccessibleName(self._label)
        self._button.setToolTip(self._label if elided != self._label else "")

    def resizeEvent(self, event: QResizeEvent) -> None:
        super().resizeEvent(event)
        self._show_label()

    def _show_secondary(self) -> None:
        job = self._session.job
        self._secondary.show_job(job)
        self._remarks.show_busy(job is not None and job.busy)


def _fitting(label: str, metrics: QFontMetrics, width: int) -> str:
    """What of it fits; a quotation that it ends with stays closed."""
    end = "”" if label.endswith("”") else ""
    room = width - metrics.horizontalAdvance(end)
    if metrics.horizontalAdvance(label) <= width:
        return label
    shown = metrics.elidedText(label.removesuffix(end), Qt.TextElideMode.ElideRight, room)
    return shown + end if shown.count("“") > shown.count("”") else shown


def progress_words(job: Job, now: float | None = None) -> str:
    """What it is doing, how far, how long: "Filling the hole · 40 % · about 3 s"."""
    parts = [job.doing]
    if job.state == "running":
        parts.append(f"{round(job.done * 100)}\u202f%")
    left = job.seconds_left(now)
    if left is not None and job.state == "running":
        parts.append(f"about {duration(left)}")
    if job.waiting:
        parts.append(f"{len(job.waiting)}\u00a0waiting")
    return " · ".join(parts)


def duration(seconds: float) -> str:
    """A length of time as people say it: "3 s", "2 min"."""
    if seconds < 90:
        return f"{max(1, round(seconds))}\u202fs"
    return f"{round(seconds / 60)}\u202fmin"


class SecondaryLinks(QWidget):
    """Quiet links in one line, each there only while it makes sense."""

    def __init__(self, session: Session, memory: MemoryLine, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.setObjectName("aside")
        self._session = session
        self._memory = memory
        self._row = QHBoxLayout(self)
        self._row.setContentsMargins(0, 0, 0, 0)
        self._row.setSpacing(16)
        self._keep = self._link(
            "Keep what is there", "Take the preview as the result, without the rest", session.finish_early
        )
        self._queue = self._link(
            "Queue another", "Run this edit as well, after the one that runs (Ctrl+Enter)", session.queue
        )
        self._smaller = self._link("Run smaller", "Run it at the largest working size that fits", memory.run_smaller)
        self._other = self._link("", "", self._run_other)
        self._get = self._link("Get a real model", "Models that know photographs", session.show_models)
        self._row.addStretch(1)

    def show_job(self, job: Job | None) -> None:
        going = job is not None and job.busy and job.state != "stopping"
        self._keep.setVisible(job is not None and job.keepable)
        self._queue.setVisible(going and self._session.plan.action is not None)
        full = job is not None and job.state == "failed" and isinstance(job.error, OutOfMemory)
        self._smaller.setVisible((full or self._memory.too_large) and run_actions.can_shrink(self._session))
        session, idle = self._session, job is None or not job.busy
        self._get.setVisible(
            idle and session.draft.settings.needs_model and beyond_toys(session.document, session.draft)
        )
        other = None if job is not None and job.state != "failed" else session.other_plan
        self._other.setVisible(other is not None)
        if other is not None:
            self._name_other(other.label)
        links = (self._keep, self._queue, self._smaller, self._get, self._other)
        self.setVisible(any(not link.isHidden() for link in links))

    def _name_other(self, label: str) -> None:
        words = f"Or: {label}"
        fitted = self._other.fontMetrics().elidedText(words, Qt.TextElideMode.ElideRight, max(MAX_WIDTH, self.width()))
        self._other.setText(fitted.replace("&", "&&"))
        self._other.setAccessibleName(words)
        self._other.setToolTip(f"{label}: what you touched before that")

    def _run_other(self) -> None:
        other = self._session.other_plan
        if other is not None:
            self._session.run(other)

    def _link(self, words: str, tip: str, do: Callable[[], object]) -> QPushButton:
        link = QPushButton(words)
        link.setProperty("role", "link")
        link.setToolTip(tip)
        link.setCursor(Qt.CursorShape.PointingHandCursor)
        link.setFocusPolicy(Qt.FocusPolicy.TabFocus)
        link.clicked.connect(lambda _=False: do())
        self._row.addWidget(link)
        return link
