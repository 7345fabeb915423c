"""Jobs: what the worker does for one document, what waits, and the candidates that come of it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

from PySide6.QtCore import QObject, Signal

from editor.errors import EditorError
from editor.requests.reports import Report
from widgets.session.edit_job import Candidate, EditJob
from widgets.session.job import Job
from widgets.session.notice import Notice

OUTDATED = "You have undone what this was made from."
SET_ASIDE = "Set aside while you work.\nPoint at one to see it."


class Jobs(QObject):
    """The job of a document, as a value that is replaced with every report.

    current: the job, None while nothing is made or waits for a choice.
    progressed(): what is made, what waits, or how far it is has changed.
    candidates_changed(): the finished results, their order or the choice among them have changed.
    shown_changed(): another preview or result lies over the picture, or none does any more, or the frame is that of another edit.
    start_requested(asked): the worker is to make this `EditJob`.
    stop_requested(): the worker is to end what it makes.
    noticed(notice): something is to be said.
    """

    progressed = Signal()
    candidates_changed = Signal()
    shown_changed = Signal()
    start_requested = Signal(object)
    stop_requested = Signal()
    noticed = Signal(object)

    def __init__(self) -> None:
        super().__init__()
        self.current: Job | None = None

    @property
    def busy(self) -> bool:
        return self.current is not None and self.current.busy

    # What is made

    def start(self, edit_job: EditJob) -> None:
        """Make exactly this in place of whatever there is."""
        self.drop()
        self._set(Job(edit_job))
        self.start_requested.emit(edit_job)

    def queue(self, edit_job: EditJob) -> None:
        """Make it after what runs; its results join those that are there."""
        job = self.current
        if job is not None and job.state != "stopping":
            self._set(replace(job, waiting=(*job.waiting, edit_job)))

    def more(self) -> None:
        """As many variations again of the edit whose candidate is shown; they join what is there."""
        job = self.current
        if job is not None and job.more is not None:
            self._begin_next(replace(job, waiting=(job.more,)))

    def drop_waiting(self) -> None:
        """Forget what was queued last."""
        job = self.current
        if job is not None and job.waiting:
            self._set(replace(job, waiting=job.waiting[:-1]))

    def stop(self) -> None:
        """End what runs, and what waits with it."""
        job = self.current
        if job is not None and job.busy:
            self._set(replace(job, state="stopping", doing="Stopping", waiting=()))
            self.stop_requested.emit()

    def finish_early(self) -> bool:
        """Whether there is something that can be made into the result, instead of going on."""
        job = self.current
        if job is None or job.state != "running" or job.preview is None:
            return False
        self._set(replace(job, state="stopping", doing="Keeping what is there"))
        return True

    def drop(self) -> None:
        """Forget all of it."""
        if self.current is not None:
            if self.current.busy:
                self.stop_requested.emit()
            self._set(None)

    def close_edit(self, candidate: Candidate) -> None:
        """A candidate has been accepted: go on without it and its alternatives."""
        if self.current is None:
            return
        job = self.current.without(candidate)
        ended = job.edit_job.edit is candidate.edit_job.edit or not job.busy
        if ended and job.busy:
            self.stop_requested.emit()
        self._go_on(job, ended=ended)

    def follow_undone(self, undone: Callable[[EditJob], bool]) -> bool:
        """End what is being made, and what waits, from a state that has been undone; whether something was ended.

        Finished candidates of such a state say so, and stay: they took their time, and can be accepted all the same.
        """
        job = self.current
        if job is None:
            return False
        after = job.with_outdated(undone)
        ends = job.state in ("waiting", "running") and undone(job.edit_job)
        if ends:
            self.stop_requested.emit()
            self._say("The edit was stopped: what it was made from has been undone.", "Run it again from here.")
        elif any(one.outdated for one in after.candidates) and after.candidates is not job.candidates:
            self._say(OUTDATED, "Accept what is shown all the same, or discard it.")
        if ends or after is not job:
            self._go_on(after, ended=ends)
        return ends

    # What is shown

    def choose(self, at: int) -> None:
        """Show another of the candidates."""
        job = self.current
        if job is not None and 0 <= at < len(job.candidates):
            self._set(replace(job, candidates=job.candidates.choose(at), aside=False))

    def step(self, by: int) -> None:
        """Choose the one that many places on from what is shown, round and round."""
        if self.current is not None and self.current.candidates:
            candidates = self.current.candidates
            self.choose((candidates.place + by) % len(candidates))

    def peek(self, at: int | None) -> None:
        """Show one of the candidates for a moment, without choosing it; None shows the chosen one again."""
        job = self.current
        if job is None:
            return
        peeked = job.candidates[at].result if at is not None and 0 <= at < len(job.candidates) else None
        if peeked is not job.candidates.peeked:
            self._set(replace(job, candidates=replace(job.candidates, peeked=peeked)))

    def hold(self, held: bool) -> None:
        """While the pointer is over the candidates, they stay where they are."""
        job = self.current
        if job is not None and job.candidates.held != held:
            self._set(replace(job, candidates=job.candidates.hold(held, job.edit_job)))

    def put_aside(self, candidate: Candidate) -> None:
        """Add a finished result to what there is to choose from, out of sight until somebody looks at it."""
        job = self.current
        if job is not None and job.busy:
            return
        if job is None or job.state == "failed":
            job = Job(candidate.edit_job, state="ready")
        if all(candidate.result is not result for result in job.candidates.results):
            job = job.with_result(candidate.result, candidate.edit_job)
        self._set(replace(job, aside=True))

    def set_aside(self) -> None:
        """Somebody changes the picture: nothing that was made lies over what they do."""
        job = self.current
        if job is None or not job.seen:
            return
        if not job.candidates:
            self._say(
                "The preview is out of sight while you change the picture.", "You see the result when it is done."
            )
        self._set(replace(job, aside=True, candidates=replace(job.candidates, peeked=None)))

    # Called by the worker's side while a job runs

    def report(self, report: Report) -> None:
        if self.current is not None and self.current.busy:
            self._set(self.current.reported(report))

    def waits(self) -> None:
        """Another document's edit comes first."""
        if self.current is not None and self.current.state == "waiting":
            self._set(replace(self.current, doing="Waiting for another edit"))

    def finished(self, *, aside: bool) -> bool:
        """Nothing more will come of this edit: what waits begins, or the candidates wait for a choice. Whether anything came of it. `aside`: what was
        set aside stays so.
        """
        job = self.current
        if job is None or not job.busy:
            return True
        self._go_on(job if job.waiting else replace(job, aside=job.aside and aside), ended=True)
        return self.current is not None

    def failed(self, error: EditorError, *, aside: bool) -> bool:
        """It broke off; as in `finished`."""
        job = self.current
        if job is None or not job.busy:
            return True
        if job.candidates or job.waiting:
            return self.finished(aside=aside)
        self._set(replace(job, state="failed", error=error, preview=None))
        return False

    def mended(self) -> None:
        """The edge is made better; there is nothing to choose."""
        self._set(None)

    def _go_on(self, job: Job, *, ended: bool) -> None:
        if ended and job.waiting:
            self._begin_next(job)
        else:
            self._set(job.ready() if ended else job)

    def _begin_next(self, job: Job) -> None:
        job = job.next()
        self._set(job)
        self.start_requested.emit(job.edit_job)

    def _say(self, message: str, advice: str) -> None:
        self.noticed.emit(Notice(message, advice))

    def _set(self, job: Job | None) -> None:
        before, self.current = self.current, job
        if job is before:
            return
        if _differs(_shown(before), _shown(job)):
            self.shown_changed.emit()
        if before is None or job is None or job.candidates is not before.candidates:
            self.candidates_changed.emit()
        if _differs(_progress(before), _progress(job)):
            self.progressed.emit()


def _shown(job: Job | None) -> tuple[object, ...]:
    """What the canvas shows of a job."""
    return () if job is None else (job.edit_job, job.laid, job.preview, job.seen)


def _progress(job: Job | None) -> tuple[object, ...]:
    """All but the candidates."""
    if job is None:
        return ()
    return (
        job.edit_job,
        job.finished,
        job.waiting,
        job.state,
        job.fraction,
        job.doing,
        job.preview,
        job.aside,
        job.error,
    )


def _differs(before: tuple[object, ...], after: tuple[object, ...]) -> bool:
    """By identity: previews hold arrays."""
    return len(before) != len(after) or any(one is not other for one, other in zip(before, after, strict=True))
