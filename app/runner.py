"""Runner: requests go to a worker thread and come back as one awaitable. The only module that knows Qt's threads and asyncio both."""

from __future__ import annotations

import asyncio
import logging
import threading
import time
from collections.abc import Callable, Hashable
from typing import Any, Protocol, overload

from PySide6.QtCore import QObject, QThread, Signal, Slot

from editor.errors import EditorError, InternalError, OutOfMemory, let_go
from editor.jobs import Cancelled, Done, Ending, Failed, Job, Lane, Replaced, Scheduler
from editor.requests.edit_request import (
    AssessRequest,
    EditRequest,
    FitRequest,
    RepairRequest,
    SegmentRequest,
)
from editor.requests.live import EndLiveRequest, LiveRequest
from editor.requests.reports import FinishEarly, Preview, Report, Reports, ResultReady, Scored
from editor.requests.results import Assessment, EditResult, FitResult, LiveResult, Masks
from editor.requests.variants import VariantsRequest

log = logging.getLogger(__name__)

Request = (
    EditRequest
    | VariantsRequest
    | RepairRequest
    | SegmentRequest
    | AssessRequest
    | FitRequest
    | LiveRequest
    | EndLiveRequest
)

# Seconds between two of a kind: more often nobody sees it, and the window would do nothing but draw.
PREVIEW_INTERVAL = 0.2
PROGRESS_INTERVAL = 0.03


def out_of_memory() -> OutOfMemory:
    """What to say when an edit does not fit."""
    return OutOfMemory(
        "There was not enough memory for this edit.", "Choose a smaller region, or close other programs."
    )


def internal_error() -> InternalError:
    """What to say about a mistake of ours; the log has the rest."""
    return InternalError(
        "Something went wrong inside the program; your document is as it was.", "Try again; the log has the details."
    )


def lane_of(request: Request) -> Lane:
    """How urgent a request is where nobody says so. What asks about memory waits for the edits that use it."""
    match request:
        case SegmentRequest():
            return Lane.INTERACTIVE
        case FitRequest():
            return Lane.BACKGROUND
        case LiveRequest(idle=True):
            return Lane.BACKGROUND
        case LiveRequest() | EndLiveRequest():
            return Lane.LIVE
        case _:
            return Lane.EDIT


def key_of(request: Request) -> Hashable | None:
    """Of which requests only the newest is wanted where nobody says so: those of one live picture."""
    return ("live", request.key) if isinstance(request, LiveRequest | EndLiveRequest) else None


class RunsRequests(Protocol):
    """What the worker needs of an engine; tests give it a small one of their own."""

    def run(self, request: Any) -> Reports[Any]: ...


class _Work(Job):
    """One request on its way: what to do, and whom to tell."""

    def __init__(
        self,
        request: Request,
        run: Callable[[Request], Reports[Any]],
        future: asyncio.Future[Any],
        report: Callable[[Report], None],
        *,
        lane: Lane,
        key: Hashable | None,
        early: threading.Event | None,
    ) -> None:
        super().__init__(lambda: run(request), lane, key, early)
        self.kind = type(request)
        self.future = future
        self.report: Callable[[Report], None] | None = report
        self.replaced = False
        self.flow = _Flow()


class _Flow:
    """Holds back what comes too fast; words that change always pass."""

    def __init__(self) -> None:
        self._preview = self._progress = -1.0
        self._doing = ""

    def lets_through(self, report: Report) -> bool:
        if isinstance(report, ResultReady | Scored):
            return True
        now = time.monotonic()
        if isinstance(report, Preview):
            if now - self._preview < PREVIEW_INTERVAL:
                return False
            self._preview = now
            return True
        if report.doing == self._doing and now - self._progress < PROGRESS_INTERVAL:
            return False
        self._doing, self._progress = report.doing, now
        return True


class _Worker(QObject):
    """Lives in the worker thread, where it drives the scheduler for as long as there is anything to do."""

    reported = Signal(object, object)
    finished = Signal(object, object)
    failed = Signal(object, object)

    def __init__(self, make_engine: Callable[[], RunsRequests]) -> None:
        super().__init__()
        self._make_engine = make_engine
        self._engine: RunsRequests | None = None
        self._scheduler = Scheduler(self._report, self._end)

    def submit(self, work: _Work) -> None:
        """Queue it, from any thread; `drive` must be called after it."""
        self._scheduler.submit(work)

    @Slot()
    def drive(self) -> None:
        """Do all there is to do, and what arrives meanwhile."""
        while self._scheduler.turn():
            pass

    def run(self, request: Request) -> Reports[Any]:
        """The generator of a request, by an engine that is made for the first."""
        if self._engine is None:
            self._engine = self._make_engine()
        return self._engine.run(request)

    def _report(self, job: Job, report: Report) -> None:
        assert isinstance(job, _Work)
        if job.flow.lets_through(report):
            self.reported.emit(job, report)

    def _end(self, job: Job, ending: Ending) -> None:
        assert isinstance(job, _Work)
        match ending:
            case Done(result):
                self.finished.emit(job, result)
            case Failed(error):
                self.failed.emit(job, _shown(error, job.kind.__name__))
            case Cancelled():
                pass  # whoever waited for it knows


def _shown(error: Exception, what: str) -> Exception:
    """What a failure is for people, without its frames; the log has the traceback of a mistake of ours."""
    match error:
        case FinishEarly() | Replaced():
            return error
        case EditorError():
            log.info("%s failed: %s", what, error, exc_info=error)
            shown: EditorError = error
        case MemoryError():
            log.error("Out of memory", exc_info=error)
            shown = out_of_memory()
        case _:
            log.error("The worker failed on %s", what, exc_info=error)
            shown = internal_error()
    let_go(error)
    return shown


class Runner(QObject):
    """Owns the worker thread. `make_engine` is called there, once, before the first request: it may import heavy libraries.

    Use it from the GUI thread, inside a running asyncio loop. Requests run one at a time, by lane and then in order; one may be suspended between
    two reports for one of a higher lane (`editor.jobs`).
    """

    _submitted = Signal()

    def __init__(self, make_engine: Callable[[], RunsRequests]) -> None:
        super().__init__()
        self._pending: set[_Work] = set()
        self._thread = QThread()
        self._thread.setObjectName("worker")
        self._worker = _Worker(make_engine)
        self._worker.moveToThread(self._thread)
        self._submitted.connect(self._worker.drive)
        self._worker.reported.connect(self._reported)
        self._worker.finished.connect(self._finished)
        self._worker.failed.connect(self._failed)
        self._thread.start()

    @property
    def editing(self) -> bool:
        """Whether an edit runs or waits."""
        kinds = EditRequest, VariantsRequest, RepairRequest
        return any(issubclass(work.kind, kinds) for work in self._pending)

    @overload
    async def run(
        self,
        request: EditRequest | RepairRequest,
        report: Callable[[Report], None],
        early: threading.Event | None = None,
        *,
        lane: Lane | None = None,
        key: Hashable | None = None,
    ) -> EditResult: ...
    @overload
    async def run(
        self,
        request: VariantsRequest,
        report: Callable[[Report], None],
        early: threading.Event | None = None,
        *,
        lane: Lane | None = None,
        key: Hashable | None = None,
    ) -> tuple[EditResult, ...]: ...
    @overload
    async def run(
        self, request: SegmentRequest, report: Callable[[Report], None], *, key: Hashable | None = None
    ) -> Masks: ...
    @overload
    async def run(
        self, request: AssessRequest, report: Callable[[Report], None], *, key: Hashable | None = None
    ) -> Assessment: ...
    @overload
    async def run(
        self,
        request: FitRequest,
        report: Callable[[Report], None],
        early: threading.Event | None = None,
        *,
        key: Hashable | None = None,
    ) -> FitResult: ...
    @overload
    async def run(
        self, request: LiveRequest, report: Callable[[Report], None], early: threading.Event | None = None
    ) -> LiveResult: ...
    @overload
    async def run(self, request: EndLiveRequest, report: Callable[[Report], None]) -> None: ...
    async def run(
        self,
        request: Request,
        report: Callable[[Report], None],
        early: threading.Event | None = None,
        *,
        lane: Lane | None = None,
        key: Hashable | None = None,
    ) -> EditResult | tuple[EditResult, ...] | Masks | Assessment | FitResult | LiveResult | None:
        """Do it in the worker; `report` is called in the GUI thread. Cancelling the awaiting task cancels the work.

        early: once set, an edit makes what there is into its result at its next report; one that cannot raises `FinishEarly`
        lane: how urgent it is; what `lane_of` says where none is given
        key: an earlier request of the same key is cancelled, and raises `Replaced`; the worker holds it, so it must be no widget. What `key_of`
            says where none is given

        Raises what the work raised: an `EditorError` kind.
        """
        future: asyncio.Future[Any] = asyncio.get_running_loop().create_future()
        lane = lane_of(request) if lane is None else lane
        key = key_of(request) if key is None else key
        work = _Work(request, self._worker.run, future, report, lane=lane, key=key, early=early)
        replaced = [older for older in self._pending if key is not None and older.key == key]
        for older in replaced:
            older.replaced = True
            older.cancel()
            if not older.future.done():
                older.future.set_exception(Replaced())
        self._pending.add(work)
        self._worker.submit(work)
        self._submitted.emit()
        try:
            result: EditResult | Masks | Assessment | FitResult | LiveResult | None = await work.future
            if work.replaced:  # after it had ended, and before anybody could be told
                raise Replaced
            return result
        finally:
            work.cancel()
            work.report = None  # the worker must not be the last to hold a widget
            self._pending.discard(work)

    def close(self) -> None:
        """Cancel everything and join the thread; it ends at the next report of what runs now."""
        for work in list(self._pending):
            work.cancel()
            work.future.cancel()
        self._thread.quit()
        self._thread.wait()

    @Slot(object, object)
    def _reported(self, work: _Work, report: Report) -> None:
        if not work.cancelled and work.report is not None:
            work.report(report)

    @Slot(object, object)
    def _finished(self, work: _Work, result: object) -> None:
        if not work.future.done():
            work.future.set_result(result)

    @Slot(object, object)
    def _failed(self, work: _Work, error: Exception) -> None:
        if not work.future.done():
            work.future.set_exception(error)
