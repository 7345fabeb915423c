"""Lanes, suspension and coalescing, without threads: whatever happens in whatever order, every job ends once and nothing urgent waits."""

from __future__ import annotations

import threading
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from editor.jobs import Cancelled, Done, Ending, Failed, Job, Lane, Replaced, Scheduler
from editor.requests.reports import FinishEarly, Progress, Report, Reports


@dataclass
class Bench:
    """A scheduler, and what it drove and said, in order."""

    trace: list[tuple[str, int]] = field(default_factory=list)
    endings: list[tuple[int, Ending]] = field(default_factory=list)
    jobs: list[Job] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.scheduler = Scheduler(self._reported, self._ended)

    def _reported(self, job: Job, report: Report) -> None:
        assert isinstance(report, Progress)
        assert report.doing == str(self.jobs.index(job))

    def _ended(self, job: Job, ending: Ending) -> None:
        self.endings.append((self.jobs.index(job), ending))

    def submit(
        self,
        lane: Lane,
        reports: int = 1,
        key: str | None = None,
        *,
        fails: bool = False,
        heeds: bool = True,
        begin: Callable[[], object] = lambda: None,
    ) -> Job:
        number = len(self.jobs)

        def generator() -> Reports[Any]:
            self.trace.append(("begin", number))
            begin()
            hurried = False
            try:
                for _ in range(reports):
                    try:
                        yield Progress(0.5, str(number))
                    except FinishEarly:
                        if not heeds:
                            raise
                        hurried = True
                        break
                    self.trace.append(("on", number))
                if fails:
                    raise ValueError(number)
                return number, hurried
            finally:
                self.trace.append(("close", number))

        self.jobs.append(Job(generator, lane, key, threading.Event()))
        self.scheduler.submit(self.jobs[-1])
        return self.jobs[-1]

    def drain(self) -> None:
        while self.scheduler.turn():
            pass

    def outcome(self, number: int) -> Any:
        (ending,) = [ending for job, ending in self.endings if job == number]
        match ending:
            case Done(result):
                return result
            case Failed(error):
                return type(error)
            case Cancelled():
                return None


def test_a_more_urgent_job_is_driven_to_its_end_between_two_reports() -> None:
    bench = Bench()
    bench.submit(Lane.EDIT, 3)
    bench.scheduler.turn()
    bench.scheduler.turn()
    bench.submit(Lane.INTERACTIVE, 1)
    bench.drain()
    assert [entry for entry in bench.trace if entry[0] != "on"] == [
        ("begin", 0),
        ("begin", 1),
        ("close", 1),
        ("close", 0),
    ]
    assert [number for number, _ in bench.endings] == [1, 0]


def test_within_a_lane_who_came_first_goes_first_and_to_its_end() -> None:
    bench = Bench()
    for _ in range(3):
        bench.submit(Lane.EDIT, 2)
    bench.drain()
    assert [number for what, number in bench.trace if what != "on"] == [0, 0, 1, 1, 2, 2]


@pytest.mark.parametrize("turns", [0, 1, 2])
def test_a_newer_job_of_the_same_key_replaces_one_that_waits_or_runs(turns: int) -> None:
    bench = Bench()
    bench.submit(Lane.LIVE, 5, "stroke")
    for _ in range(turns):
        bench.scheduler.turn()
    bench.submit(Lane.LIVE, 5, "stroke")
    bench.submit(Lane.LIVE, 5, "other")
    bench.drain()
    assert [bench.outcome(number) for number in range(3)] == [Replaced, (1, False), (2, False)]
    assert (("begin", 0) in bench.trace) == (turns > 0)


def test_a_suspended_job_can_be_replaced_from_another_lane_and_is_closed_before_anything_is_driven() -> None:
    bench = Bench()
    bench.submit(Lane.BACKGROUND, 5, "fit")
    bench.scheduler.turn()
    bench.submit(Lane.EDIT, 3)
    bench.scheduler.turn()
    bench.submit(Lane.BACKGROUND, 1, "fit")
    bench.scheduler.turn()
    assert bench.trace[-2:] == [("close", 0), ("on", 1)]
    bench.drain()
    assert bench.outcome(0) is Replaced
    assert bench.outcome(2) == (2, False)


def test_one_that_ended_is_not_replaced() -> None:
    bench = Bench()
    bench.submit(Lane.LIVE, 1, "stroke")
    bench.drain()
    bench.submit(Lane.LIVE, 1, "stroke")
    bench.drain()
    assert [bench.outcome(number) for number in range(2)] == [(0, False), (1, False)]


def test_what_was_cancelled_before_it_began_never_begins() -> None:
    bench = Bench()
    bench.submit(Lane.EDIT).cancel()
    bench.drain()
    assert bench.trace == []
    assert bench.outcome(0) is None


def test_finishing_early_is_thrown_in_once_and_never_before_the_first_report() -> None:
    bench = Bench()
    early = threading.Event()
    early.set()
    thrown: list[int] = []

    def careful() -> Reports[int]:
        for at in range(3):
            try:
                yield Progress(0.0, "0")
            except FinishEarly:
                thrown.append(at)
        return 7

    job = Job(careful, Lane.EDIT, early=early)
    bench.jobs.append(job)
    bench.scheduler.submit(job)
    bench.drain()
    assert thrown == [0]
    assert bench.outcome(0) == 7


def test_one_that_cannot_finish_early_ends_so() -> None:
    bench = Bench()
    bench.submit(Lane.EDIT, 9, heeds=False)._early.set()
    bench.drain()
    assert bench.outcome(0) is FinishEarly


def test_a_job_that_cannot_even_begin_and_one_that_fails_while_closing_cost_the_others_nothing(
    caplog: pytest.LogCaptureFixture,
) -> None:
    bench = Bench()

    def unable() -> Reports[None]:
        raise OSError("no engine")

    def clinging() -> Reports[None]:
        try:
            while True:
                yield Progress(0.0, "1")
        finally:
            raise ValueError("will not go")

    for begin in (unable, clinging):
        bench.jobs.append(Job(begin, Lane.EDIT))
        bench.scheduler.submit(bench.jobs[-1])
    bench.submit(Lane.EDIT)
    bench.scheduler.turn()
    bench.scheduler.turn()
    bench.jobs[1].cancel()
    bench.drain()
    assert [bench.outcome(number) for number in range(3)] == [OSError, None, (2, False)]
    assert [record.message for record in caplog.records] == ["A job failed while it was closed"]


def test_a_job_that_is_submitted_by_the_end_of_another_is_driven() -> None:
    bench = Bench()
    bench.submit(Lane.EDIT, begin=lambda: bench.submit(Lane.LIVE))
    bench.drain()
    assert bench.outcome(1) == (1, False)


steps = st.lists(
    st.one_of(
        st.tuples(
            st.just("submit"),
            st.sampled_from(Lane),
            st.integers(0, 3),
            st.sampled_from([None, None, "a", "b"]),
            st.booleans(),
            st.booleans(),
        ),
        st.tuples(st.just("cancel"), st.integers(0, 15)),
        st.tuples(st.just("early"), st.integers(0, 15)),
        st.just(("turn",)),
        st.just(("turn",)),
    ),
    max_size=40,
)


class Check:
    """What must hold of any history, told from outside: by what was asked and in which order it was done."""

    def __init__(self) -> None:
        self.bench = Bench()
        self.cancelled: set[int] = set()
        self.replaced: set[int] = set()

    @property
    def alive(self) -> list[int]:
        ended = {number for number, _ in self.bench.endings}
        return [number for number in range(len(self.bench.jobs)) if number not in ended]

    def submit(self, lane: Lane, reports: int, key: str | None, *, fails: bool, heeds: bool) -> None:
        self.replaced |= {number for number in self.alive if key is not None and self.bench.jobs[number].key == key}
        self.bench.submit(lane, reports, key, fails=fails, heeds=heeds)

    def turn(self) -> bool:
        bench = self.bench
        before, wanted = len(bench.trace), set(self.alive) - self.cancelled - self.replaced
        begun = {number for what, number in bench.trace if what == "begin"} & set(self.alive)
        unwanted = set(self.alive) - wanted
        busy = bench.scheduler.turn()
        assert busy == bool(wanted)
        assert not unwanted & set(self.alive), "what nobody wants is still there after a turn"
        done = bench.trace[before:]
        # What is not wanted is closed first, if it had begun; then one job goes on by one report.
        closed = [number for what, number in done if what == "close" and number in unwanted]
        assert sorted(closed) == sorted(unwanted & begun)
        assert [number for _, number in done[: len(closed)]] == closed
        driven = {number for _, number in done[len(closed) :]}
        if wanted:
            urgent = min(bench.jobs[number].lane for number in wanted)
            first = min(number for number in wanted if bench.jobs[number].lane == urgent)
            assert driven <= {first}
            assert driven or first in begun or not busy
        else:
            assert not driven
        return busy


@given(steps)
def test_in_any_order_every_job_ends_once_and_the_first_of_the_most_urgent_lane_is_driven(
    history: list[tuple[Any, ...]],
) -> None:
    check = Check()
    bench = check.bench
    for what, *more in history:
        match what:
            case "submit":
                lane, reports, key, fails, heeds = more
                check.submit(lane, reports, key, fails=fails, heeds=heeds)
            case "cancel" if more[0] in check.alive:
                check.cancelled.add(more[0])
                bench.jobs[more[0]].cancel()
            case "early" if more[0] in check.alive:
                bench.jobs[more[0]]._early.set()
            case "turn":
                check.turn()
    while check.turn():
        pass
    assert sorted(number for number, _ in bench.endings) == list(range(len(bench.jobs)))
    for number, ending in bench.endings:
        if number in check.cancelled:
            assert isinstance(ending, Cancelled)
        elif number in check.replaced:
            assert isinstance(ending, Failed)
            assert isinstance(ending.error, Replaced)
        elif isinstance(ending, Done):
            assert ending.result[0] == number
        else:
            assert isinstance(ending, Failed)
            assert isinstance(ending.error, ValueError | FinishEarly)
    begun = [number for what, number in bench.trace if what == "begin"]
    closed = [number for what, number in bench.trace if what == "close"]
    assert len(set(begun)) == len(begun)
    assert sorted(begun) == sorted(closed)
