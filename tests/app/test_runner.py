"""The worker: one at a time, in order, cancelled between reports, and no mistake ever gets lost."""

from __future__ import annotations

import asyncio
import logging
import threading
import weakref
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import pytest

from app.runner import Runner
from editor.engine import Engine
from editor.engine_process import EngineProcess, command_for
from editor.errors import EditorError, InternalError, InvalidRequest, OutOfMemory
from editor.geometry import Rect
from editor.jobs import Lane, Replaced
from editor.methods.quick_fill.settings import QuickFillSettings
from editor.requests.edit_request import EditRequest, SegmentRequest
from editor.requests.frame import Frame
from editor.requests.live import EndLiveRequest, LiveRequest
from editor.requests.reports import FinishEarly, Preview, Progress, Report, Reports, outcome_of
from editor.requests.results import EditResult, Masks, Recipe
from tests.support.waiting import Play, until

Behaviour = Callable[[EditRequest], Reports[EditResult]]


def make_request(seed: int = 1) -> EditRequest:
    return EditRequest(
        image=np.zeros((4, 6, 3), np.uint8),
        strength=np.ones((4, 6), np.float32),
        frame=Frame.full_size(Rect(0, 0, 6, 4)),
        settings=QuickFillSettings(),
        seed=seed,
    )


def make_result(request: EditRequest) -> EditResult:
    return EditResult(request.frame.rect, np.zeros((4, 6, 4), np.uint8), Recipe.of(request))


class Scripted:
    """An engine that does what the test says."""

    def __init__(self, behaviour: Behaviour) -> None:
        self.behaviour = behaviour
        self.threads: list[int] = []

    def run(self, request: Any) -> Reports[Any]:
        self.threads.append(threading.get_ident())
        return self.behaviour(request)


@pytest.fixture
def with_engine() -> Iterator[Callable[[Behaviour], Runner]]:
    made: list[Runner] = []

    def make(behaviour: Behaviour) -> Runner:
        made.append(Runner(lambda: Scripted(behaviour)))
        return made[-1]

    yield make
    for runner in made:
        runner.close()


def test_reports_arrive_in_order_in_the_gui_thread_and_the_result_comes_last(
    play: Play, with_engine: Callable[[Behaviour], Runner]
) -> None:
    def counting(request: EditRequest) -> Reports[EditResult]:
        for i in range(5):
            yield Progress(i / 5, f"step {i}")
        return make_result(request)

    seen: list[tuple[Report, int]] = []

    async def story() -> EditResult:
        runner = with_engine(counting)
        return await runner.run(make_request(7), lambda report: seen.append((report, threading.get_ident())))

    result = play(story())
    assert result.recipe.seed == 7
    assert [report.doing for report, _ in seen if isinstance(report, Progress)] == [f"step {i}" for i in range(5)]
    assert {thread for _, thread in seen} == {threading.get_ident()}


def test_work_is_done_in_another_thread_one_after_the_other(
    play: Play, with_engine: Callable[[Behaviour], Runner]
) -> None:
    running = threading.Lock()
    order: list[int] = []
    threads: set[int] = set()

    def alone(request: EditRequest) -> Reports[EditResult]:
        assert running.acquire(blocking=False), "two edits ran at once"
        threads.add(threading.get_ident())
        yield Progress(0.5, "half")
        order.append(request.seed)
        running.release()
        return make_result(request)

    async def story() -> None:
        runner = with_engine(alone)
        await asyncio.gather(*(runner.run(make_request(seed), lambda _: None) for seed in (3, 1, 2)))

    play(story())
    assert order == [3, 1, 2]
    assert threading.get_ident() not in threads


def test_cancelling_closes_the_generator_in_the_worker_and_frees_it_for_the_next(
    play: Play, with_engine: Callable[[Behaviour], Runner]
) -> None:
    closed_in: list[int] = []

    def endless(request: EditRequest) -> Reports[EditResult]:
        if request.seed == 2:
            return make_result(request)
        try:
            while True:
                yield Progress(0.1, "on and on")
        finally:
            closed_in.append(threading.get_ident())

    async def story() -> EditResult:
        runner = with_engine(endless)
        seen: list[Report] = []
        task = asyncio.ensure_future(runner.run(make_request(1), seen.append))
        await until(lambda: seen)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        heard = len(seen)
        result = await runner.run(make_request(2), seen.append)
        assert len(seen) == heard, "a cancelled edit went on reporting"
        return result

    assert play(story()).recipe.seed == 2
    assert len(closed_in) == 1
    assert closed_in[0] != threading.get_ident()


def test_what_is_cancelled_while_it_waits_is_never_started(
    play: Play, with_engine: Callable[[Behaviour], Runner]
) -> None:
    started: list[int] = []
    gate = threading.Event()

    def gated(request: EditRequest) -> Reports[EditResult]:
        started.append(request.seed)
        gate.wait(10)
        yield Progress(0.5, "through")
        return make_result(request)

    async def story() -> None:
        runner = with_engine(gated)
        first = asyncio.ensure_future(runner.run(make_request(1), lambda _: None))
        second = asyncio.ensure_future(runner.run(make_request(2), lambda _: None))
        await until(lambda: started)
        second.cancel()
        await asyncio.gather(second, return_exceptions=True)
        gate.set()
        await first
        await runner.run(make_request(3), lambda _: None)

    play(story())
    assert started == [1, 3]


@pytest.mark.parametrize(
    ("raised", "expected"),
    [
        (InvalidRequest("No.", "Do this."), InvalidRequest),
        (MemoryError(), OutOfMemory),
        (ZeroDivisionError("ours"), InternalError),
    ],
)
def test_errors_become_sentences_and_the_traceback_goes_to_the_log(
    play: Play,
    with_engine: Callable[[Behaviour], Runner],
    caplog: pytest.LogCaptureFixture,
    raised: Exception,
    expected: type[Exception],
) -> None:
    def failing(request: EditRequest) -> Reports[EditResult]:
        yield Progress(0.2, "soon")
        raise raised

    async def story() -> EditResult:
        runner = with_engine(failing)
        with pytest.raises(expected) as caught:
            await runner.run(make_request(1), lambda _: None)
        assert str(caught.value).endswith(".")
        runner_still_works = with_engine(iter_result)
        return await runner_still_works.run(make_request(9), lambda _: None)

    with caplog.at_level(logging.ERROR):
        assert play(story()).recipe.seed == 9
    traced = [record for record in caplog.records if record.exc_info]
    assert bool(traced) is not isinstance(raised, InvalidRequest)


def iter_result(request: EditRequest) -> Reports[EditResult]:
    yield Progress(1.0, "done")
    return make_result(request)


def test_reports_that_come_too_fast_are_held_back_but_no_new_words_are(
    play: Play, with_engine: Callable[[Behaviour], Runner]
) -> None:
    def eager(request: EditRequest) -> Reports[EditResult]:
        for i in range(3000):
            yield Preview(Rect(0, 0, 6, 4), np.zeros((4, 6, 4), np.uint8))
            yield Progress(0.5, f"part {i // 1000}")
        return make_result(request)

    seen: list[Report] = []

    async def story() -> None:
        await with_engine(eager).run(make_request(1), seen.append)

    play(story())
    previews = [report for report in seen if isinstance(report, Preview)]
    words = [report.doing for report in seen if isinstance(report, Progress)]
    assert 1 <= len(previews) < 300
    assert len(words) < 300
    assert list(dict.fromkeys(words)) == ["part 0", "part 1", "part 2"]


def test_closing_cancels_what_runs_and_joins_the_thread(play: Play, with_engine: Callable[[Behaviour], Runner]) -> None:
    closed = threading.Event()

    def endless(request: EditRequest) -> Reports[EditResult]:
        try:
            while True:
                yield Progress(0.1, "on and on")
        finally:
            closed.set()

    async def story() -> None:
        runner = with_engine(endless)
        seen: list[Report] = []
        task = asyncio.ensure_future(runner.run(make_request(1), seen.append))
        await until(lambda: seen)
        runner.close()
        assert closed.is_set()
        with pytest.raises(asyncio.CancelledError):
            await task

    play(story())


@pytest.mark.parametrize("kind", [OutOfMemory, InvalidRequest])
def test_an_error_keeps_nothing_of_what_ran(
    kind: type[EditorError], play: Play, with_engine: Callable[[Behaviour], Runner]
) -> None:
    """Its message may be shown for long, and the next try needs the memory at once, before anybody collects cycles."""
    held: list[weakref.ref[Any]] = []

    def failing(request: EditRequest) -> Reports[EditResult]:
        large = np.zeros(1000)
        held.append(weakref.ref(large))
        yield Progress(0.1, "on")
        try:
            raise RuntimeError(f"no room for {large.size}")
        except RuntimeError as error:
            known = kind("Too large.")
            raise known from error

    async def story() -> EditorError:
        with pytest.raises(kind) as raised:
            await with_engine(failing).run(make_request(), lambda _: None)
        assert held[0]() is None
        return raised.value

    assert play(story()).message == "Too large."


class TestFinishingEarly:
    def test_what_there_is_becomes_the_result_at_the_next_report(
        self, play: Play, with_engine: Callable[[Behaviour], Runner]
    ) -> None:
        thrown: list[int] = []

        def endless(request: EditRequest) -> Reports[EditResult]:
            try:
                while True:
                    yield Progress(0.1, "on and on")
            except FinishEarly:
                thrown.append(threading.get_ident())
                yield Progress(0.9, "Decoding")
            return make_result(request)

        seen: list[Report] = []

        async def story() -> EditResult:
            runner, early = with_engine(endless), threading.Event()
            task = asyncio.ensure_future(runner.run(make_request(5), seen.append, early))
            await until(lambda: seen)
            early.set()
            return await task

        assert play(story()).recipe.seed == 5
        assert len(thrown) == 1
        assert thrown[0] != threading.get_ident()
        assert [report.doing for report in seen if isinstance(report, Progress)][-1] == "Decoding"

    def test_it_waits_until_the_edit_has_begun(self, play: Play, with_engine: Callable[[Behaviour], Runner]) -> None:
        caught: list[bool] = []

        def careful(request: EditRequest) -> Reports[EditResult]:
            try:
                yield Progress(0.1, "begun")
                yield Progress(0.2, "on")
            except FinishEarly:
                caught.append(True)
            return make_result(request)

        async def story() -> EditResult:
            early = threading.Event()
            early.set()
            return await with_engine(careful).run(make_request(), lambda _: None, early)

        play(story())
        assert caught == [True]

    def test_one_that_cannot_simply_ends_and_the_next_runs(
        self, play: Play, with_engine: Callable[[Behaviour], Runner], caplog: pytest.LogCaptureFixture
    ) -> None:
        def stubborn(request: EditRequest) -> Reports[EditResult]:
            if request.seed == 2:
                return make_result(request)
            while True:
                yield Progress(0.1, "on and on")

        async def story() -> EditResult:
            runner, early, seen = with_engine(stubborn), threading.Event(), list[Report]()
            task = asyncio.ensure_future(runner.run(make_request(1), seen.append, early))
            await until(lambda: seen)
            early.set()
            with pytest.raises(FinishEarly):
                await task
            return await runner.run(make_request(2), seen.append)

        assert play(story()).recipe.seed == 2
        assert not caplog.records


def test_it_knows_whether_an_edit_is_under_way(play: Play, with_engine: Callable[[Behaviour], Runner]) -> None:
    gate = threading.Event()

    def gated(request: EditRequest) -> Reports[EditResult]:
        while not gate.is_set():
            yield Progress(0.5, "waiting")
        return make_result(request)

    async def story() -> None:
        runner = with_engine(gated)
        assert not runner.editing
        task = asyncio.ensure_future(runner.run(make_request(), lambda _: None))
        await until(lambda: runner.editing)
        gate.set()
        await task
        assert not runner.editing

    play(story())


OUTLINE = Masks(Rect(0, 0, 6, 4), np.ones((1, 4, 6), np.float32), np.ones(1, np.float32))


class TestLanes:
    """The scheduling itself is tested in tests/editor/test_jobs.py; here that the worker's thread drives it."""

    def test_a_click_to_segment_does_not_wait_for_the_edit_that_runs(
        self, play: Play, with_engine: Callable[[Behaviour], Runner]
    ) -> None:
        gate = threading.Event()

        def engine(request: Any) -> Reports[Any]:
            if isinstance(request, SegmentRequest):
                yield Progress(0.5, "Looking")
                return OUTLINE
            while not gate.is_set():
                yield Progress(0.5, "on and on")
            return make_result(request)

        async def story() -> None:
            runner, seen = with_engine(engine), list[Report]()
            edit = asyncio.ensure_future(runner.run(make_request(), seen.append))
            await until(lambda: seen)
            assert await runner.run(make_outline_request(), lambda _: None) is OUTLINE
            assert not edit.done()
            gate.set()
            assert (await edit).recipe.seed == 1

        play(story())

    def test_of_one_key_only_the_newest_is_answered(
        self, play: Play, with_engine: Callable[[Behaviour], Runner]
    ) -> None:
        gate = threading.Event()
        closed: list[int] = []

        def engine(request: EditRequest) -> Reports[EditResult]:
            try:
                while not gate.is_set():
                    yield Progress(0.5, "on and on")
                return make_result(request)
            finally:
                closed.append(request.seed)

        async def story() -> None:
            runner, seen = with_engine(engine), list[Report]()
            runs = [
                asyncio.ensure_future(runner.run(make_request(seed), seen.append, lane=Lane.LIVE, key="live"))
                for seed in (1, 2)
            ]
            await until(lambda: seen)
            runs.append(asyncio.ensure_future(runner.run(make_request(3), lambda _: None, lane=Lane.LIVE, key="live")))
            await until(runs[1].done)
            gate.set()
            assert (await runs[2]).recipe.seed == 3
            for replaced in runs[:2]:
                with pytest.raises(Replaced):
                    await replaced

        play(story())
        assert closed[-1] == 3

    def test_of_one_live_picture_only_the_newest_round_counts_and_its_end_ends_it(
        self, play: Play, with_engine: Callable[[Behaviour], Runner]
    ) -> None:
        """By the key of the picture, without being told; another picture's goes on."""
        gate, order = threading.Event(), list[str]()

        def engine(request: Any) -> Reports[Any]:
            order.append(f"{type(request).__name__} {getattr(request, 'key', '')}".strip())
            while not gate.is_set():
                yield Progress(0.1, "on and on")
            yield Progress(0.9, "nearly")
            return (
                request.key if isinstance(request, LiveRequest) else None
            )  # the edit may come to its end before it is cancelled

        async def story() -> None:
            runner, seen = with_engine(engine), list[Report]()
            first = asyncio.ensure_future(runner.run(LiveRequest(make_request(), 1), seen.append))
            await until(lambda: seen)
            edit = asyncio.ensure_future(runner.run(make_request(), lambda _: None))
            other = asyncio.ensure_future(runner.run(LiveRequest(make_request(), 2), lambda _: None))
            second = asyncio.ensure_future(runner.run(LiveRequest(make_request(), 1), lambda _: None))
            with pytest.raises(Replaced):
                await first
            end = asyncio.ensure_future(runner.run(EndLiveRequest(1), lambda _: None))
            with pytest.raises(Replaced):
                await second
            gate.set()
            assert await other == 2  # type: ignore[comparison-overlap]
            await end
            edit.cancel()

        play(story())
        assert order[0] == "LiveRequest 1"
        assert set(order[1:]) - {"LiveRequest 1"} >= {"LiveRequest 2", "EndLiveRequest 1"}

    def test_an_answer_on_its_way_when_a_newer_request_comes_is_not_given(
        self, play: Play, with_engine: Callable[[Behaviour], Runner]
    ) -> None:
        gate = threading.Event()

        def gated(request: EditRequest) -> Reports[EditResult]:
            gate.wait(10)
            return (yield from iter_result(request))

        async def story() -> None:
            runner = with_engine(gated)
            older = asyncio.ensure_future(runner.run(make_request(1), lambda _: None, key="k"))
            await until(lambda: runner._pending)
            (work,) = runner._pending
            newer = asyncio.ensure_future(runner.run(make_request(2), lambda _: None, key="k"))
            work.future.set_result(make_result(make_request(1)))  # who waits for it wakes up after the newer one began
            gate.set()
            with pytest.raises(Replaced):
                await older
            assert (await newer).recipe.seed == 2

        play(story())

    def test_closing_closes_what_is_suspended_too(self, play: Play, with_engine: Callable[[Behaviour], Runner]) -> None:
        closed: list[type] = []

        def endless(request: Any) -> Reports[Any]:
            try:
                while True:
                    yield Progress(0.1, "on and on")
            finally:
                closed.append(type(request))

        async def story() -> None:
            runner, edits, outlines = with_engine(endless), list[Report](), list[Report]()
            edit = asyncio.ensure_future(runner.run(make_request(), edits.append))
            await until(lambda: edits)
            outline = asyncio.ensure_future(runner.run(make_outline_request(), outlines.append))
            await until(lambda: outlines)
            runner.close()
            await asyncio.gather(edit, outline, return_exceptions=True)

        play(story())
        assert sorted(closed, key=str) == sorted([EditRequest, SegmentRequest], key=str)


def make_outline_request() -> SegmentRequest:
    return SegmentRequest(np.zeros((4, 6, 3), np.uint8), Rect(0, 0, 6, 4), points=((1.0, 1.0, True),))


def test_an_engine_in_a_process_of_its_own_serves_as_well(play: Play) -> None:
    """Nothing but bytes crosses; both are under way at once."""
    image = np.random.default_rng(5).integers(0, 256, (60, 90, 3), np.uint8)
    strength = np.zeros((60, 90), np.float32)
    strength[20:40, 30:60] = 1
    request = EditRequest(image, strength, Frame.full_size(Rect(0, 0, 90, 60)), QuickFillSettings(), 8)
    outline = SegmentRequest(image, Rect(0, 0, 90, 60), box=Rect(20, 10, 70, 50))
    expected = outcome_of(Engine().run(request))
    process = EngineProcess(command_for())

    async def story() -> tuple[EditResult, Masks]:
        runner, seen = Runner(lambda: process), list[Report]()

        edit = asyncio.ensure_future(runner.run(request, seen.append))
        await until(lambda: seen)
        try:
            masks = await runner.run(outline, lambda _: None)
            return await edit, masks
        finally:
            runner.close()

    try:
        result, masks = play(story())
    finally:
        process.close()
    assert np.array_equal(result.pixels, expected.pixels)
    assert result.recipe == expected.recipe
    assert masks.masks.shape[1:] == (60, 90)
