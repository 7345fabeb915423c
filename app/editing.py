"""One edit, as one coroutine; and the bookkeeping that lets sessions start and stop such work."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Coroutine
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

from app.runner import Runner, internal_error, out_of_memory
from editor.document import Document
from editor.edit import Draft, Plan, make_request, variations, wanted
from editor.errors import EditorError
from editor.io.images import Picture, read_image
from editor.report import Masks, Report
from editor.request import EditRequest, SegmentRequest
from widgets.session import Session

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Asked:
    """What a press on the button means: the plan, and the document and the draft as they were then."""

    planned: Plan
    document: Document
    draft: Draft

    def requests(self) -> tuple[EditRequest, ...]:
        """One for each variation. Raises `InvalidRequest`."""
        return variations(make_request(self.document, self.draft, self.planned), wanted(self.draft, self.planned))


async def run_edit(session: Session, runner: Runner, asked: Asked, is_current: Callable[[], bool]) -> None:
    """Make the planned edit's variations, one after the other; each reaches the session as soon as it is finished.

    `is_current`: whether the session has not started another edit since; that one's job is none of our business.
    """
    try:
        # Reading and flattening a large frame takes a moment; documents are values, so another thread may look at this one.
        for request in await asyncio.to_thread(asked.requests):
            session.job_result(await runner.run(request, session.report))
    except asyncio.CancelledError:
        if is_current():
            session.job_cancelled()
        raise
    except EditorError as error:
        session.job_failed(error)
    except MemoryError:
        log.exception("Out of memory")
        session.job_failed(out_of_memory())
    else:
        session.job_finished()


async def segment(session: Session, runner: Runner, request: SegmentRequest, done: Callable[[Masks], None]) -> None:
    try:
        masks = await runner.run(request, _ignore)
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


class Editing:
    """The `Worker` of every session: starts these coroutines, keeps them alive, and cancels them.

    `open_picture` opens a picture as a new document.
    """

    def __init__(self, runner: Runner, open_picture: Callable[[Picture], None]) -> None:
        self._runner = runner
        self._open_picture = open_picture
        self._edits: dict[Session, asyncio.Task[None]] = {}
        self._segmenting: dict[Session, asyncio.Task[None]] = {}
        self._reading: dict[asyncio.Task[None], Session] = {}

    def run(self, session: Session, planned: Plan) -> None:
        self.stop(session)
        asked = Asked(planned, session.document, session.draft)  # now; the task begins a little later
        work = run_edit(session, self._runner, asked, lambda: self._edits.get(session) is task)
        task = self._start(work, session.job_failed)
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
        task = self._start(segment(session, self._runner, request, done), partial(_tell, session))
        self._segmenting[session] = task
        task.add_done_callback(lambda ended: self._forget(self._segmenting, session, ended))

    def read(self, session: Session, source: Path | bytes, name: str, done: Callable[[Picture], None]) -> None:
        task = self._start(read(session, source, name, done), partial(_tell, session))
        self._reading[task] = session
        task.add_done_callback(self._reading.pop)

    def open_picture(self, picture: Picture) -> None:
        self._open_picture(picture)

    async def close(self, session: Session | None = None) -> None:
        """Cancel what runs for one session, or for all, and wait until it has ended."""
        owned = [(owner, task) for tasks in (self._edits, self._segmenting) for owner, task in tasks.items()]
        owned += [(owner, task) for task, owner in self._reading.items()]
        tasks = [task for owner, task in owned if session in (None, owner)]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    def _start(self, work: Coroutine[Any, Any, None], failed: Callable[[EditorError], None]) -> asyncio.Task[None]:
        """`failed` hears of a mistake of ours in the coroutine, so that no job seems to run for ever."""

        def told(ended: asyncio.Task[None]) -> None:
            error = None if ended.cancelled() else ended.exception()
            if error is not None:
                log.error("A background task failed", exc_info=error)
                failed(internal_error())

        task = asyncio.get_running_loop().create_task(work)
        task.add_done_callback(told)
        return task

    @staticmethod
    def _forget(tasks: dict[Session, asyncio.Task[None]], session: Session, ended: asyncio.Task[None]) -> None:
        if tasks.get(session) is ended:
            del tasks[session]


def _tell(session: Session, error: EditorError) -> None:
    session.notice(error.message, error.advice, error=True)


def _ignore(report: Report) -> None:
    """Segmentation is over before a progress bar could be read."""
