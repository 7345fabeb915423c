"""One edit, as one coroutine; and the bookkeeping that lets sessions start and stop such work."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Coroutine
from pathlib import Path
from typing import Any

from app.runner import Runner
from editor.edit import Plan, make_request, variations
from editor.errors import EditorError, InternalError
from editor.io.images import Picture, read_image
from editor.report import Masks, Report
from editor.request import SegmentRequest
from widgets.session import Session

log = logging.getLogger(__name__)


async def run_edit(session: Session, runner: Runner, planned: Plan) -> None:
    """Make the planned edit's variations, one after the other; each reaches the session as soon as it is finished."""
    document, draft = session.document, session.draft
    try:
        # Reading and flattening a large frame takes a moment; documents are values, so another thread may look at this one.
        request = await asyncio.to_thread(make_request, document, draft, planned)
        for variation in variations(request, draft.variations):
            session.job_result(await runner.run(variation, session.report))
    except asyncio.CancelledError:
        session.job_cancelled()
        raise
    except EditorError as error:
        session.job_failed(error)
    else:
        session.job_finished()


async def segment(session: Session, runner: Runner, request: SegmentRequest, done: Callable[[Masks], None]) -> None:
    try:
        masks = await runner.run(request, _ignore)
    except EditorError as error:
        session.notice(error.message, error.advice, error=True)
    else:
        done(masks)


async def read(session: Session, source: Path | bytes, name: str, done: Callable[[Picture], None]) -> None:
    try:
        picture = await asyncio.to_thread(read_image, source, name)
    except EditorError as error:
        session.notice(error.message, error.advice, error=True)
    else:
        for note in picture.notes:
            session.notice(note)
        done(picture)


class Editing:
    """The `Worker` of every session: starts these coroutines, keeps them alive, and cancels them.

    `open_picture` opens a picture as a new document.
    """

    def __init__(self, runner: Runner, open_picture: Callable[[Picture], None]) -> None:
        self._runner = runner
        self._open_picture = open_picture
        self._edits: dict[Session, asyncio.Task[None]] = {}
        self._segmenting: dict[Session, asyncio.Task[None]] = {}
        self._reading: set[asyncio.Task[None]] = set()

    def run(self, session: Session, planned: Plan) -> None:
        self.stop(session)
        task = self._start(run_edit(session, self._runner, planned), session)
        self._edits[session] = task
        task.add_done_callback(lambda ended: self._forget(self._edits, session, ended))

    def stop(self, session: Session) -> None:
        task = self._edits.get(session)
        if task is not None:
            task.cancel()

    def segment(self, session: Session, request: SegmentRequest, done: Callable[[Masks], None]) -> None:
        earlier = self._segmenting.get(session)
        if earlier is not None:
            earlier.cancel()  # only the newest click counts
        task = self._start(segment(session, self._runner, request, done), session)
        self._segmenting[session] = task
        task.add_done_callback(lambda ended: self._forget(self._segmenting, session, ended))

    def read(self, session: Session, source: Path | bytes, name: str, done: Callable[[Picture], None]) -> None:
        task = self._start(read(session, source, name, done), session)
        self._reading.add(task)
        task.add_done_callback(self._reading.discard)

    def open_picture(self, picture: Picture) -> None:
        self._open_picture(picture)

    async def close(self, session: Session | None = None) -> None:
        """Cancel what runs for one session, or for all, and wait until it has ended."""
        tasks = [
            task
            for tasks in (self._edits, self._segmenting)
            for owner, task in tasks.items()
            if session is None or owner is session
        ]
        if session is None:
            tasks += self._reading
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    def _start(self, work: Coroutine[Any, Any, None], session: Session) -> asyncio.Task[None]:
        task = asyncio.get_running_loop().create_task(work)
        task.add_done_callback(lambda ended: _tell(session, ended))
        return task

    @staticmethod
    def _forget(tasks: dict[Session, asyncio.Task[None]], session: Session, ended: asyncio.Task[None]) -> None:
        if tasks.get(session) is ended:
            del tasks[session]


def _tell(session: Session, ended: asyncio.Task[None]) -> None:
    """A mistake of ours in a coroutine: to the log, and to the person, so that no job seems to run for ever."""
    if ended.cancelled():
        return
    error = ended.exception()
    if error is not None:
        log.error("A background task failed", exc_info=error)
        session.job_failed(
            InternalError(
                "Something went wrong inside the program; your document is as it was.",
                "Try again; the log has the details.",
            )
        )


def _ignore(report: Report) -> None:
    """Segmentation is over before a progress bar could be read."""
