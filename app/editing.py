"""Editing worker of sessions: one edit as one coroutine, and the bookkeeping that lets sessions start and stop such work."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import threading
from collections.abc import Callable, Coroutine, Sequence
from functools import partial
from pathlib import Path
from typing import Any, Protocol

from app.runner import Runner, internal_error, out_of_memory
from editor.edits.dispatch import at_strengths, candidates, make_request, repair
from editor.errors import EditorError, readable
from editor.io.images import Picture, read_image
from editor.jobs import Replaced
from editor.models.info import ModelInfo
from editor.requests.edit_request import (
    AssessRequest,
    EditRequest,
    RepairRequest,
    SegmentRequest,
)
from editor.requests.live import EndLiveRequest, LiveRequest
from editor.requests.reports import FinishEarly, Report
from editor.requests.results import Assessment, Masks
from editor.requests.variants import VariantsRequest
from widgets.session.edit_job import EdgeRepairJob, EditJob
from widgets.session.session import Session
from widgets.shell.busy import Waits

log = logging.getLogger(__name__)


def edit_request(edit_job: EditJob) -> EditRequest:
    """For one result. Raises `InvalidRequest`."""
    return make_request(edit_job.document, edit_job.draft, edit_job.planned, edit_job.methods)


def request(edit_job: EditJob) -> VariantsRequest:
    """For all the results that are wanted. Raises `InvalidRequest`."""
    if edit_job.strengths:
        return at_strengths(edit_job.document, edit_job.draft, edit_job.strengths, edit_job.planned, edit_job.methods)
    return candidates(edit_request(edit_job), edit_job.wanted)


def repair_request(mend: EdgeRepairJob) -> RepairRequest:
    """For the edge of a result that was accepted. Raises `InvalidRequest`."""
    return repair(edit_request(mend.candidate.edit_job), mend.candidate.result, mend.how)


async def run_edit(
    session: Session, runner: Runner, edit_job: EditJob, early: threading.Event, is_current: Callable[[], bool]
) -> None:
    """Make the planned edit's variations; each reaches the session as soon as it is finished.

    Once `early` is set, what there is of those that are being made becomes the last. `is_current`: whether the session has not started another edit
    since; that one's job is none of our business.
    """
    try:
        # Reading and flattening a large frame takes a moment; documents are values, so another thread may look at this one.
        if runner.editing:
            session.job_waits()
        if edit_job.mend is not None:
            mending = await asyncio.to_thread(repair_request, edit_job.mend)
            session.job_mended(await runner.run(mending, session.report, early))
        else:
            await runner.run(await asyncio.to_thread(request, edit_job), session.report, early)
    except asyncio.CancelledError:
        if is_current():
            session.job_cancelled()
        raise
    except FinishEarly:
        session.job_finished()
    except EditorError as error:
        session.job_failed(error.with_traceback(None))  # its frames hold the request
    except MemoryError:
        log.exception("Out of memory")
        session.job_failed(out_of_memory())
    else:
        session.job_finished()


async def run_live(session: Session, runner: Runner, edit_job: EditJob, is_newest: Callable[[], bool]) -> None:
    """Make one state of the live picture; a newer one takes its place in the worker.

    is_newest: whether none was asked for since; requests are built in other threads, and may overtake each other
    """
    live = session.live
    try:
        state = await asyncio.to_thread(edit_request, edit_job)
        if not is_newest():
            return
        outcome = await runner.run(LiveRequest(state, id(session)), partial(live.report, edit_job))
    except Replaced:
        return
    except EditorError as error:
        live.failed(edit_job, error.with_traceback(None))  # its frames hold the request
    except MemoryError:
        log.exception("Out of memory")
        live.failed(edit_job, out_of_memory())
    else:
        live.finished(edit_job, outcome)


async def assess(
    session: Session, runner: Runner, edit_job: EditJob, done: Callable[[Assessment | None], None]
) -> None:
    """Whether the edit fits into memory; None where that cannot be told, as where the edit could not be made anyway.

    `done` hears of the newest question of a session only.
    """
    frame, model = edit_job.method.frame(edit_job.document, edit_job.draft, edit_job.planned), edit_job.draft.model
    if frame is None or model is None:
        done(None)
        return
    guided = edit_job.draft.guidance_on(model) > 1
    try:
        request = AssessRequest(model.key, frame.working, guidance=guided)
        assessment = await runner.run(request, _ignore, key=("assess", id(session)))
    except Replaced:
        return
    except EditorError as error:
        log.info("No estimate of the memory: %s", error)
        done(None)
    else:
        done(assessment)


async def end_live(session: Session, runner: Runner) -> None:
    """Have the worker forget what it keeps of the live picture."""
    with contextlib.suppress(Replaced):  # it has begun anew
        await runner.run(EndLiveRequest(id(session)), _ignore)


async def segment(session: Session, runner: Runner, request: SegmentRequest, done: Callable[[Masks], None]) -> None:
    """The outlines that were asked for; `done` hears of the newest question of a session only."""
    try:
        masks = await runner.run(request, _ignore, key=("segment", id(session)))
    except Replaced:
        return
    except EditorError as error:
        _tell(session, error)
    else:
        done(masks)


async def read(session: Session, source: Path | bytes, name: str, done: Callable[[Picture], None]) -> None:
    try:
        picture = await asyncio.to_thread(read_image, source, name)
    except EditorError as error:
        _tell(session, error)
    else:
        for note in picture.notes:
            session.notice(note)
        done(picture)


class KnowsModels(Protocol):
    """What is needed of the models of this machine: those that are known (None before the first look), and the key of the one in use."""

    @property
    def models(self) -> Sequence[ModelInfo] | None: ...

    @property
    def used(self) -> str: ...

    def use(self, key: str) -> None: ...


class Editing:
    """The `Worker` of every session: starts these coroutines, keeps them alive, and cancels them.

    `open_picture` opens a picture as a new document; `models` knows the models, `show_models` opens their page. `waits`: hears of what takes
    longer than a moment and is no edit.
    """

    def __init__(
        self,
        runner: Runner,
        open_picture: Callable[[Picture], None],
        models: KnowsModels,
        show_models: Callable[[], None],
        waits: Waits,
    ) -> None:
        self._runner = runner
        self._waits = waits
        self._open_picture = open_picture
        self._models, self._show_models = models, show_models
        self._edits: dict[Session, asyncio.Task[None]] = {}
        self._early: dict[Session, threading.Event] = {}
        self._lives: dict[Session, asyncio.Task[None]] = {}
        self._ending_live: dict[Session, asyncio.Task[None]] = {}
        self._assessing: dict[Session, asyncio.Task[None]] = {}
        self._segmenting: dict[Session, asyncio.Task[None]] = {}
        self._reading: dict[asyncio.Task[None], Session] = {}

    def run(self, session: Session, edit_job: EditJob) -> None:
        early = self._early[session] = threading.Event()
        work = run_edit(session, self._runner, edit_job, early, lambda: self._edits.get(session) is task)
        task = self._start(work, session.job_failed)
        self._edits[session] = task
        task.add_done_callback(lambda ended: self._forget(self._edits, session, ended))
        task.add_done_callback(lambda _: self._early.pop(session, None) if session not in self._edits else None)

    def stop(self, session: Session) -> None:
        task = self._edits.get(session)
        if task is not None:
            task.cancel()

    def finish(self, session: Session) -> None:
        if session in self._edits:
            self._early[session].set()

    def live(self, session: Session, edit_job: EditJob) -> None:
        def failed(error: EditorError) -> None:
            session.live.failed(edit_job, error)

        work = run_live(session, self._runner, edit_job, lambda: self._lives.get(session) is task)
        task = self._lives[session] = self._start(work, failed)
        task.add_done_callback(lambda ended: self._forget(self._lives, session, ended))

    def end_live(self, session: Session) -> None:
        if session in self._lives:
            self._lives[session].cancel()
        self._ending_live[session] = task = self._start(end_live(session, self._runner), partial(_tell, session))
        task.add_done_callback(lambda ended: self._forget(self._ending_live, session, ended))

    def assess(self, session: Session, done: Callable[[Assessment | None], None]) -> None:
        edit_job = EditJob.of(session.plan, session.document, session.draft, methods=session.methods)
        task = self._start(assess(session, self._runner, edit_job, done), partial(_tell, session))
        self._assessing[session] = task
        task.add_done_callback(lambda ended: self._forget(self._assessing, session, ended))

    def models(self) -> Sequence[ModelInfo]:
        return self._models.models or ()

    def used_model(self) -> str:
        return self._models.used

    def use_model(self, key: str) -> None:
        self._models.use(key)

    def show_models(self) -> None:
        self._show_models()

    def segment(self, session: Session, request: SegmentRequest, done: Callable[[Masks], None]) -> None:
        work = self._said("Looking for the outline", lambda: segment(session, self._runner, request, done))
        task = self._start(work, partial(_tell, session))
        self._segmenting[session] = task
        task.add_done_callback(lambda ended: self._forget(self._segmenting, session, ended))

    def read(self, session: Session, source: Path | bytes, name: str, done: Callable[[Picture], None]) -> None:
        work = self._said(f"Reading {readable(name)}", lambda: read(session, source, name, done))
        task = self._start(work, partial(_tell, session))
        self._reading[task] = session
        task.add_done_callback(self._reading.pop)

    async def _said(self, words: str, begin: Callable[[], Coroutine[Any, Any, None]]) -> None:
        with self._waits.on(words):
            await begin()

    def open_picture(self, picture: Picture) -> None:
        self._open_picture(picture)

    async def close(self, session: Session | None = None) -> None:
        """Cancel what runs for one session, or for all, and wait until it has ended.

        What the worker keeps of a closed session's live picture it forgets as soon as it comes to it; nobody waits for that.
        """
        if session is not None:
            session.live.switch(False)
        while running := self._running(session):  # where more edits wait, the next begins when one is cancelled
            for task in running:
                task.cancel()
            await asyncio.gather(*running, return_exceptions=True)

    def _running(self, session: Session | None) -> list[asyncio.Task[None]]:
        """What has not ended, for one session or for all."""
        owned = [
            (owner, task)
            for tasks in (self._edits, self._lives, self._segmenting, self._assessing)
            for owner, task in tasks.items()
        ]
        if session is None:  # the worker ends too
            owned += self._ending_live.items()
        owned += [(owner, task) for task, owner in self._reading.items()]
        return [task for owner, task in owned if session in (None, owner) and not task.done()]

    def _start(self, work: Coroutine[Any, Any, None], failed: Callable[[EditorError], None]) -> asyncio.Task[None]:
        """`failed` hears of a mistake of ours in the coroutine, so that no job seems to run for ever."""

        def check(ended: asyncio.Task[None]) -> None:
            error = None if ended.cancelled() else ended.exception()
            if error is not None:
                log.error("A background task failed", exc_info=error)
                failed(internal_error())

        task = asyncio.get_running_loop().create_task(work)
        task.add_done_callback(check)
        return task

    @staticmethod
    def _forget(tasks: dict[Session, asyncio.Task[None]], session: Session, ended: asyncio.Task[None]) -> None:
        if tasks.get(session) is ended:
            del tasks[session]


def _tell(session: Session, error: EditorError) -> None:
    session.notice(error.message, error.advice, error=True)


def _ignore(report: Report) -> None:
    """Segmentation is over before a progress bar could be read."""
