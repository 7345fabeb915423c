"""Scheduling of jobs on one worker: lanes by urgency, suspension between two reports, coalescing by key. It knows no threads, no Qt, no models."""

from __future__ import annotations

import logging
import threading
from collections import deque
from collections.abc import Callable, Hashable
from dataclasses import dataclass
from enum import IntEnum
from typing import Any

from editor.requests.reports import FinishEarly, Report, Reports

log = logging.getLogger(__name__)


class Lane(IntEnum):
    """How urgent a job is; the lowest number goes first.

    INTERACTIVE: somebody waits for it with a hand on the pointer, as for the outline of what was clicked on
    LIVE: a preview that follows the hand
    EDIT: a result that somebody asked for
    BACKGROUND: what may take as long as it likes: fits, embeddings, inversions
    """

    INTERACTIVE = 0
    LIVE = 1
    EDIT = 2
    BACKGROUND = 3


class Replaced(Exception):
    """Raised for whoever waits for a job when a newer one of the same key has taken its place."""


@dataclass(frozen=True, slots=True, eq=False)
class Done:
    """The end of a job that returned. `result`: what it returned."""

    result: Any


@dataclass(frozen=True, slots=True, eq=False)
class Failed:
    """The end of a job that raised `error`, or was replaced (`Replaced`), or could not finish early (`FinishEarly`)."""

    error: Exception


@dataclass(frozen=True, slots=True)
class Cancelled:
    """The end of a job that nobody wanted any more."""


Ending = Done | Failed | Cancelled


class Job:
    """A generator of reports on its way through a `Scheduler`.

    begin: makes the generator; called by whoever drives, when the job's first turn comes
    lane: how urgent it is
    key: of several jobs of one key only the newest is wanted; None for a job that stands for itself
    early: once set, `FinishEarly` is thrown into the generator, at a report
    """

    def __init__(
        self,
        begin: Callable[[], Reports[Any]],
        lane: Lane,
        key: Hashable | None = None,
        early: threading.Event | None = None,
    ) -> None:
        self.lane, self.key = lane, key
        self._begin: Callable[[], Reports[Any]] | None = begin
        self._reports: Reports[Any] | None = None
        self._early = early or threading.Event()
        self._reported = self._hurried = False
        self._cancelled = self._replaced = False

    @property
    def cancelled(self) -> bool:
        """Whether somebody asked for its end."""
        return self._cancelled

    def cancel(self) -> None:
        """Ask for its end, from any thread; its generator is closed before anything else is driven."""
        self._cancelled = True

    @property
    def _unwanted(self) -> bool:
        return self._cancelled or self._replaced

    def _next(self) -> Report:
        """Drive the generator up to its next report. Raises what it raises, `StopIteration` with the result at its end."""
        if self._reports is None:
            assert self._begin is not None
            begin, self._begin = self._begin, None
            self._reports = begin()
        # Before its first report a generator could not catch anything.
        hurry = self._reported and not self._hurried and self._early.is_set()
        self._hurried = self._hurried or hurry
        report = self._reports.throw(FinishEarly()) if hurry else next(self._reports)
        self._reported = True
        return report

    def _close(self) -> None:
        """Close the generator, and let go of it."""
        self._begin, reports, self._reports = None, self._reports, None
        if reports is not None:
            reports.close()


class Scheduler:
    """Drives many jobs by turns, one report at a time.

    In each turn the first job of the most urgent lane that has any goes on to its next report. So a job waits for at most one report of a less
    urgent one, whose generator is suspended until nothing more urgent is left; within a lane jobs run one after the other, in the order in which
    they came. Jobs of one key coalesce: a newer one replaces the older, whether that runs, is suspended or waits.

    reported: called with every report
    ended: called once for each job, at its end

    `submit` and `Job.cancel` may be called from any thread; everything else belongs to the one that drives, `reported` and `ended` too.
    """

    def __init__(self, reported: Callable[[Job, Report], None], ended: Callable[[Job, Ending], None]) -> None:
        self._report, self._end = reported, ended
        self._lock = threading.Lock()
        self._arrived: deque[Job] = deque()
        self._lanes: dict[Lane, list[Job]] = {lane: [] for lane in Lane}
        self._newest: dict[Hashable, Job] = {}

    def submit(self, job: Job) -> None:
        """Queue a job that was never queued before."""
        with self._lock:
            self._arrived.append(job)

    def turn(self) -> bool:
        """End what is not wanted any more, and drive the next job by one report. Returns whether there was anything to drive."""
        self._take()
        self._end_unwanted()
        job = next((jobs[0] for jobs in self._lanes.values() if jobs), None)
        if job is None:
            return False
        try:
            report = job._next()
        except StopIteration as stop:
            self._ended(job, Done(stop.value))
        except Exception as error:  # the end of this job only; who hears of it makes a message of it
            self._ended(job, Failed(error))
        else:
            self._report(job, report)
        return True

    def _take(self) -> None:
        """Queue what has arrived, and mark what it replaces."""
        with self._lock:
            arrived, self._arrived = self._arrived, deque()
        for job in arrived:
            self._lanes[job.lane].append(job)
            if job.key is not None:
                older = self._newest.get(job.key)
                if older is not None:
                    older._replaced = True
                self._newest[job.key] = job

    def _end_unwanted(self) -> None:
        for job in [job for jobs in self._lanes.values() for job in jobs if job._unwanted]:
            self._ended(job, Cancelled() if job.cancelled else Failed(Replaced()))

    def _ended(self, job: Job, ending: Ending) -> None:
        self._lanes[job.lane].remove(job)
        if job.key is not None and self._newest.get(job.key) is job:
            del self._newest[job.key]
        try:
            job._close()
        except Exception:  # nobody waits for a result, and the others must go on
            log.exception("A job failed while it was closed")
        self._end(job, Cancelled() if job.cancelled else ending)
