"""The engine in a process of its own: the same results, reports, cancels and sentences, with nothing but bytes between."""

from __future__ import annotations

import contextlib
import io
import os
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from editor.engine import Engine
from editor.engine_process import EngineProcess, _receive, _send, command_for, serve, wire
from editor.errors import EditorError, InternalError, InvalidRequest, ModelUnavailable, OutOfMemory
from editor.geometry import Rect, Size
from editor.methods.quick_fill.settings import QuickFillSettings
from editor.models.library import Library
from editor.requests.edit_request import AssessRequest, EditRequest, SegmentRequest
from editor.requests.frame import Frame
from editor.requests.reports import FinishEarly, Preview, Progress, Reports, ResultReady
from editor.requests.variants import VariantsRequest
from tests.support.blended_cases import settings, wish
from tests.support.reports import drive
from tests.support.tiny_models import stable_diffusion

STEPS = 3


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return stable_diffusion(tmp_path_factory.mktemp("models") / "painter")


@pytest.fixture(scope="module")
def remote(folder: Path) -> Iterator[EngineProcess]:
    process = EngineProcess(command_for((folder,)))
    yield process
    process.close()


def fill(seed: int = 1) -> EditRequest:
    image = np.random.default_rng(3).integers(0, 256, (40, 60, 3), np.uint8)
    strength = np.zeros((40, 60), np.float32)
    strength[15:25, 20:35] = 1
    return EditRequest(image, strength, Frame.full_size(Rect(0, 0, 60, 40)), QuickFillSettings(), seed)


def alike(one: Any, other: Any) -> bool:
    if isinstance(one, Progress):
        return bool(one == other)
    if isinstance(one, Preview):
        return one.rect == other.rect and np.array_equal(one.pixels, other.pixels)
    if isinstance(one, ResultReady):
        return alike(one.result, other.result)
    same = one.rect == other.rect and np.array_equal(one.pixels, other.pixels) and one.recipe == other.recipe
    return bool(same and (one.latents is None or np.array_equal(one.latents, other.latents)))


def test_results_and_reports_are_those_of_an_engine_in_this_process(remote: EngineProcess, folder: Path) -> None:
    here = Engine(lambda: Library(added=(folder,)))
    model = wish(told=settings(), model=str(folder), steps=STEPS)
    for request in (fill(), VariantsRequest.of_seeds(model, (3, 4))):
        seen_here, seen_there = list[Any](), list[Any]()
        expected: Any = drive(here.run(request), seen_here)
        result: Any = drive(remote.run(request), seen_there)
        if isinstance(request, EditRequest):
            expected, result = (expected,), (result,)
        assert len(expected) == len(result)
        assert all(alike(one, other) for one, other in zip(expected, result, strict=True))
        assert [type(report) for report in seen_here] == [type(report) for report in seen_there]
        assert all(alike(one, other) for one, other in zip(seen_here, seen_there, strict=True))


def test_several_are_under_way_at_once_and_go_on_in_any_order(remote: EngineProcess) -> None:
    one, two = remote.run(fill(1)), remote.run(fill(2))
    assert isinstance(next(one), Progress)
    second = drive(two)
    first = drive(one)
    assert (first.recipe.seed, second.recipe.seed) == (1, 2)
    image = np.zeros((8, 8, 3), np.uint8)
    image[2:6, 2:6] = 255
    masks = drive(remote.run(SegmentRequest(image, Rect(0, 0, 8, 8), box=Rect(1, 1, 7, 7))))
    assert masks.masks.shape[1:] == (8, 8)


def test_errors_come_over_as_they_are(remote: EngineProcess) -> None:
    with pytest.raises(ModelUnavailable, match="not there any more"):
        drive(remote.run(AssessRequest("/nowhere/at/all", Size(64, 64))))


def test_a_process_that_dies_costs_one_request(folder: Path) -> None:
    process = EngineProcess(command_for((folder,)))
    try:
        edit = process.run(fill())
        next(edit)
        child = process._process
        assert child is not None
        child.kill()
        with pytest.raises(InternalError, match="ended unexpectedly"):
            drive(edit)
        assert drive(process.run(fill(5))).recipe.seed == 5
    finally:
        process.close()
    process.close()  # twice is once


# The other side, in this process


Behaviour = Callable[[Any], Reports[Any]]


@contextlib.contextmanager
def serving(behaviour: Behaviour) -> Iterator[Callable[..., Any]]:
    """Asks a server in another thread."""

    class Scripted:
        def run(self, request: Any) -> Reports[Any]:
            return behaviour(request)

    to_server, to_client = _Pipe(), _Pipe()
    thread = threading.Thread(target=serve, args=(Scripted(), wire(), to_server.reading, to_client.writing))
    thread.start()

    def ask(*command: Any) -> Any:
        _send(to_server.writing, wire(), command)
        return _receive(to_client.reading, wire())

    try:
        yield ask
    finally:
        to_server.writing.close()
        thread.join(10)
        assert not thread.is_alive()
        for end in (to_server.reading, to_client.reading, to_client.writing):
            end.close()


class _Pipe:
    def __init__(self) -> None:
        reading, writing = os.pipe()
        self.reading, self.writing = os.fdopen(reading, "rb"), os.fdopen(writing, "wb")


def test_cancelling_closes_the_generator_and_the_end_of_the_input_closes_all() -> None:
    closed: list[int] = []

    def endless(request: EditRequest) -> Reports[Any]:
        try:
            while True:
                yield Progress(0.5, str(request.seed))
        finally:
            closed.append(request.seed)

    with serving(endless) as ask:
        assert ask("begin", 0, fill(10)) == ("report", Progress(0.5, "10"))
        assert ask("begin", 1, fill(11)) == ("report", Progress(0.5, "11"))
        assert ask("next", 0) == ("report", Progress(0.5, "10"))
        assert ask("close", 0) == ("closed",)
        assert closed == [10]
    assert closed == [10, 11]


def test_finishing_early_is_thrown_in_there() -> None:
    def heeding(request: EditRequest) -> Reports[Any]:
        try:
            yield Progress(0.5, "on")
        except FinishEarly:
            if request.seed:
                raise
        return "what there is"

    with serving(heeding) as ask:
        ask("begin", 0, fill(0))
        assert ask("early", 0) == ("result", "what there is")
        ask("begin", 1, fill(1))
        assert ask("early", 1) == ("early",)


@pytest.mark.parametrize(
    ("raised", "kind"),
    [(InvalidRequest("No.", "Yes."), InvalidRequest), (MemoryError(), OutOfMemory), (KeyError("ours"), InternalError)],
)
def test_whatever_fails_is_a_sentence(
    raised: Exception, kind: type[EditorError], caplog: pytest.LogCaptureFixture
) -> None:
    def failing(request: EditRequest) -> Reports[Any]:
        yield Progress(0.5, "on")
        raise raised

    with serving(failing) as ask:
        ask("begin", 0, fill())
        what, error = ask("next", 0)
        assert what == "error"
        assert type(error) is kind
        assert error.message.endswith(".")
        assert ask("next", 0)[0] == "error"  # it is over


def test_the_end_of_the_input_in_the_middle_of_a_message_is_the_end() -> None:
    whole = io.BytesIO()
    _send(whole, wire(), ("next", 0))
    for length in (0, 4, 20):
        assert _receive(io.BytesIO(whole.getvalue()[:length]), wire()) is None
