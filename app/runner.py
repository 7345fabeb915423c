"""Runner: requests go to a worker thread and come back as one awaitable. The only module that knows Qt's threads and asyncio both."""

from __future__ import annotations

import asyncio
import logging
import threading
import time
from collections.abc import Callable
from typing import Any, Protocol, overload

from PySide6.QtCore import QObject, QThread, Signal, Slot

from editor.errors import EditorError, InternalError, OutOfMemory, let_go
from editor.requests.edit_request import (
    AssessRequest,
    CandidatesRequest,
    EditRequest,
    RepairRequest,
    SegmentRequest,
    StrengthsRequest,
)
from editor.requests.reports import FinishEarly, Preview, Report, Reports, ResultReady, Scored
from editor.requests.results import Assessment, EditResult, Masks

log = logging.getLogger(__name__)

Request = EditRequest | CandidatesRequest | StrengthsRequest | RepairRequest | SegmentRequest | AssessRequest

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


class RunsRequests(Protocol):
    """What the worker needs of an engine; tests give it a small one of their own."""

    def run(self, request: Any) -> Reports[Any]: ...


class _Work:
    """One request on its way: what to do, whom to tell, and whether it is still wanted, or wanted early."""

    def __init__(self, request: Request, future: asyncio.Future[Any], early: threading.Event) -> None:
        self.request = request
        self.future = future
        self.report: Callable[[Report], None] | None = None
        self.cancelled = threading.Event()
        self.early = early


class _Flow:
    """Holds back what comes too fast; words that change always pass."""

    def __init__(self) -> None:
        self.begun = False
        self._preview = self._progress = -1.0
        self._doing = ""

    def lets_through(self, report: Report) -> bool:
        self.begun = True
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
    """Lives in the worker thread; takes one piece of work after the other."""

    reported = Signal(object, object)
    finished = Signal(object, object)
    failed = Signal(object, object)

    def __init__(self, make_engine: Callable[[], RunsRequests]) -> None:
        super().__init__()
        self._make_engine = make_engine
        self._engine: RunsRequests | None = None

    @Slot(object)
    def take(self, work: _Work) -> None:
        if work.cancelled.is_set():
            return
        try:
            result = self._drive(work)
        except EditorError as error:
            log.info("%s failed: %s", type(work.request).__name__, error, exc_info=True)
            let_go(error)
            self.failed.emit(work, error)
        except FinishEarly as early:
            self.failed.emit(work, early)
        except MemoryError as error:
            log.exception("Out of memory")
            let_go(error)
            self.failed.emit(work, out_of_memory())
        except Exception as error:  # the one boundary where anything becomes a message; the log has the traceback
            log.exception("The worker failed on %s", type(work.request).__name__)
            let_go(error)
            self.failed.emit(work, internal_error())
        else:
            if not work.cancelled.is_set():
                self.finished.emit(work, result)

    def _drive(self, work: _Work) -> Any:
        if self._engine is None:
            self._engine = self._make_engine()
        reports = self._engine.run(work.request)
        flow = _Flow()
        hurried = False
        try:
            while not work.cancelled.is_set():
                # Before its first report an edit could not catch anything.
                hurry = not hurried and flow.begun and work.early.is_set()
                report = reports.throw(FinishEarly()) if hurry else next(reports)
                hurried = hurried or hurry
                if flow.lets_through(report):
                    self.reported.emit(work, report)
        except StopIteration as stop:
            return stop.value
        finally:
            reports.close()
        return None


class Runner(QObject):
    """Owns the worker thread. `make_engine` is called there, once, before the first request: it may import heavy libraries.

    Use it from the GUI thread, inside a running asyncio loop. Requests run one at a time, in order.
    """

    _submitted = Signal(object)

    def __init__(self, make_engine: Callable[[], RunsRequests]) -> None:
        super().__init__()
        self._pending: set[_Work] = set()
        self._thread = QThread()
        self._thread.setObjectName("worker")
        self._worker = _Worker(make_engine)
        self._worker.moveToThread(self._thread)
        self._submitted.connect(self._worker.take)
        self._worker.reported.connect(self._reported)
        self._worker.finished.connect(self._finished)
        self._worker.failed.connect(self._failed)
        self._thread.start()

    @property
    def editing(self) -> bool:
        """Whether an edit runs or waits."""
        kinds = EditRequest | CandidatesRequest | StrengthsRequest | RepairRequest
        return any(isinstance(work.request, kinds) for work in self._pending)

    @overload
    async def run(
        self,
        request: EditRequest | RepairRequest,
        report: Callable[[Report], None],
        early: threading.Event | None = None,
    ) -> EditResult: ...
    @overload
    async def run(
        self,
        request: CandidatesRequest | StrengthsRequest,
        report: Callable[[Report], None],
        early: threading.Event | None = None,
    ) -> tuple[EditResult, ...]: ...
    @overload
    async def run(self, request: SegmentRequest, report: Callable[[Report], None]) -> Masks: ...
    @overload
    async def run(self, request: AssessRequest, report: Callable[[Report], None]) -> Assessment: ...
    async def run(
        self, request: Request, report: Callable[[Report], None], early: threading.Event | None = None
    ) -> EditResult | tuple[EditResult, ...] | Masks | Assessment:
        """Do it in the worker; `report` is called in the GUI thread. Cancelling the awaiting task cancels the work.

        Once `early` is set, an edit makes what there is into its result at its next report; one that cannot raises `FinishEarly`.
        Raises what the work raised: an `EditorError` kind.
        """
        work = _Work(request, asyncio.get_running_loop().create_future(), early or threading.Event())
        work.report = report
        self._pending.add(work)
        self._submitted.emit(work)
        try:
            result: EditResult | Masks | Assessment = await work.future
            return result
        finally:
            work.cancelled.set()
            work.report = None  # the worker must not be the last to hold a widget
            self._pending.discard(work)

    def close(self) -> None:
        """Cancel everything and join the thread; it ends at the next report of what runs now."""
        for work in list(self._pending):
            work.cancelled.set()
            work.future.cancel()
        self._thread.quit()
        self._thread.wait()

    @Slot(object, object)
    def _reported(self, work: _Work, report: Report) -> None:
        if not work.cancelled.is_set() and work.report is not None:
            work.report(report)

    @Slot(object, object)
    def _finished(self, work: _Work, result: object) -> None:
        if not work.future.done():
            work.future.set_result(result)

    @Slot(object, object)
    def _failed(self, work: _Work, error: EditorError | FinishEarly) -> None:
        if not work.future.done():
            work.future.set_exception(error)
