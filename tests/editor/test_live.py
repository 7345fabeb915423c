"""Live pictures at the front door: rounds are the edits they would be, what is kept is bounded, and it goes when nobody wants it."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import ImageCms

from editor.engine import Engine
from editor.engine_process import EngineProcess, command_for
from editor.jobs import Cancelled, Done, Ending, Failed, Job, Lane, Replaced, Scheduler
from editor.live_runs import MAX_RUNS, LiveRuns
from editor.methods.pixels.settings import PixelsSettings
from editor.methods.quick_fill.settings import QuickFillSettings
from editor.models.library import Library
from editor.requests.edit_request import EditRequest
from editor.requests.live import EndLiveRequest, LiveRequest
from editor.requests.reports import Preview, Progress, Report, Reports, ResultReady
from editor.requests.results import LiveResult
from tests.support.blended_cases import settings as blended_settings
from tests.support.live_cases import same
from tests.support.pixels_cases import SIDE, ask
from tests.support.reports import drive
from tests.support.tiny_models import stable_diffusion

STEPS = 10


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    top = tmp_path_factory.mktemp("models")
    for name, seed in (("one", 0), ("two", 1)):
        stable_diffusion(top / name, seed=seed)
    return top


def engine(folder: Path, **more: Any) -> Engine:
    return Engine(lambda: Library((folder,), cache=Path("/nowhere")), **more)


def asked(folder: Path, *strengths: float, model: str = "one", **more: Any) -> EditRequest:
    """Stripes of these strengths, the first of half the steps."""
    strength = np.zeros(SIDE.shape, np.float32)
    for number, value in enumerate((0.5, *strengths)):
        strength[:, 16 * number : 16 * number + 16] = value
    return ask(strength, **{"model": str(folder / model), "steps": STEPS, "overall": 0.5, "sampler": "ddim", **more})


def alone(folder: Path, request: EditRequest) -> Any:
    return drive(engine(folder).run(request))


def test_rounds_are_the_edits_that_they_would_be_and_cost_what_changed(folder: Path) -> None:
    running, seen = engine(folder), list[Report]()
    spent = []
    for strengths in ((), (0.2,), (0.2, 0.3), (0.2,), (0.2, 0.3)):
        request = asked(folder, *strengths)
        outcome = drive(running.run(LiveRequest(request, 1)), seen)
        same(outcome.result, alone(folder, request))
        spent.append((outcome.evaluations, outcome.promise, outcome.steps))
    assert spent == [(5, 5, 5), (2, 3, 5), (3, 4, 5), (0, 4, 5), (0, 4, 5)]
    assert not any(isinstance(report, ResultReady) for report in seen)
    assert sum(isinstance(report, Preview) for report in seen) >= 3  # one at once in each round that computes
    steps = [report.doing for report in seen if isinstance(report, Progress) and report.doing.startswith("Step ")]
    assert steps == [f"Step {step} of 5" for step in (1, 2, 3, 4, 5, 4, 5, 3, 4, 5)]


def test_results_are_as_translucent_as_the_picture_and_in_its_colours(folder: Path) -> None:
    alpha = np.full(SIDE.shape, 120, np.uint8)
    other = ImageCms.ImageCmsProfile(ImageCms.createProfile("LAB")).tobytes()
    running = engine(folder)
    for more in ({"alpha": alpha}, {"icc": other}):
        request = asked(folder, 0.2, **more)
        same(drive(running.run(LiveRequest(request, 1))).result, alone(folder, request))


@pytest.mark.parametrize("settings", [blended_settings(), QuickFillSettings()])
def test_methods_that_cannot_go_on_make_whole_edits(folder: Path, settings: Any) -> None:
    running, seen = engine(folder), list[Report]()
    request = asked(folder, 0.2, settings=settings)
    expected = alone(folder, request)
    for _ in range(2):
        outcome = drive(running.run(LiveRequest(request, 1)), seen)
        same(outcome.result, expected)
        assert (outcome.evaluations, outcome.promise, outcome.steps) == (None, None, None)
    assert not any(isinstance(report, ResultReady) for report in seen)


def test_what_is_kept_goes_when_it_ends_and_when_another_model_is_loaded(folder: Path) -> None:
    running = engine(folder)

    def spent(request: EditRequest, key: int | str = 1) -> int:
        evaluations = drive(running.run(LiveRequest(request, key))).evaluations
        assert evaluations is not None
        return int(evaluations)

    assert [spent(asked(folder)), spent(asked(folder))] == [5, 0]
    assert drive(running.run(EndLiveRequest(1))) is None
    assert drive(running.run(EndLiveRequest("nobody"))) is None
    assert [spent(asked(folder)), spent(asked(folder)), spent(asked(folder), "other")] == [5, 0, 5]
    drive(running.run(asked(folder, model="two")))
    assert len(running._live_runs) == 0
    assert [spent(asked(folder)), spent(asked(folder))] == [5, 0]


@pytest.mark.parametrize("settings", [blended_settings(), QuickFillSettings()])
def test_what_is_kept_goes_when_the_next_round_is_of_a_method_that_keeps_nothing(folder: Path, settings: Any) -> None:
    running = engine(folder)
    drive(running.run(LiveRequest(asked(folder), 1)))
    drive(running.run(LiveRequest(asked(folder), "other")))
    assert len(running._live_runs) == 2
    drive(running.run(LiveRequest(asked(folder, settings=settings), 1)))
    assert len(running._live_runs) == 1


def test_no_more_than_a_few_are_kept(folder: Path) -> None:
    running = engine(folder)
    for key in range(MAX_RUNS + 1):
        drive(running.run(LiveRequest(asked(folder), key)))
    assert len(running._live_runs) == MAX_RUNS
    found = [drive(running.run(LiveRequest(asked(folder), key))).evaluations for key in (1, 2, 0)]
    assert found == [0, 0, 5]


def test_without_room_to_keep_anything_rounds_are_the_same(folder: Path) -> None:
    running = engine(folder, live_bytes=0)
    spent = []
    for strengths in ((), (0.2,), (0.2, 0.3)):
        request = asked(folder, *strengths)
        outcome = drive(running.run(LiveRequest(request, 1)))
        same(outcome.result, alone(folder, request))
        spent.append(outcome.evaluations)
    assert spent == [5, 5, 5]


def test_of_another_method_is_another_run() -> None:
    class Run:
        released = 0

        def __init__(self, max_bytes: int) -> None:
            assert max_bytes == 7

        def edit(self, request: EditRequest, backend: Any) -> Reports[LiveResult]:
            raise NotImplementedError

        def release(self) -> None:
            Run.released += 1

    class Other(Run):
        pass

    runs = LiveRuns(7)
    first = runs.run("a", Run)
    assert runs.run("a", Run) is first
    assert isinstance(runs.run("a", Other), Other)
    assert Run.released == 1


class Turns:
    """A scheduler whose jobs can be driven up to a step."""

    def __init__(self) -> None:
        self.ended: dict[Job, Ending] = {}
        self.said: list[tuple[Job, str]] = []
        self.scheduler = Scheduler(self._reported, self.ended.__setitem__)

    def _reported(self, job: Job, report: Report) -> None:
        if isinstance(report, Progress):
            self.said.append((job, report.doing))

    def up_to(self, job: Job, doing: str) -> None:
        """Until it says so."""
        while not any(spoken is job and words.startswith(doing) for spoken, words in self.said):
            assert self.scheduler.turn()

    def all(self) -> None:
        while self.scheduler.turn():
            pass


def live_job(running: Engine, request: EditRequest) -> Job:
    return Job(lambda: running.run(LiveRequest(request, 1)), Lane.LIVE, key="live")


@pytest.mark.parametrize(
    ("interrupted", "spent"), [("Getting", 5), ("Reading", 5), ("Step 1", 5), ("Step 3", 3), ("Finishing", 2)]
)
def test_a_newer_round_replaces_the_one_that_runs_and_goes_on_from_it(
    folder: Path, interrupted: str, spent: int
) -> None:
    """Also beside an edit, which waits for both and is what it would have been."""
    running, turns = engine(folder), Turns()
    whole, first, second = asked(folder, 0.4, seed=5), asked(folder), asked(folder, 0.2)
    edit, older, newer = (
        Job(lambda: running.run(whole), Lane.EDIT),
        *(live_job(running, one) for one in (first, second)),
    )
    turns.scheduler.submit(edit)
    turns.up_to(edit, "Step 2")
    turns.scheduler.submit(older)
    turns.up_to(older, interrupted)
    turns.scheduler.submit(newer)
    turns.all()
    replaced, shown, made = turns.ended[older], turns.ended[newer], turns.ended[edit]
    assert isinstance(replaced, Failed)
    assert isinstance(replaced.error, Replaced)
    assert isinstance(shown, Done)
    same(shown.result.result, alone(folder, second))
    assert shown.result.evaluations == spent
    assert isinstance(made, Done)
    same(made.result, alone(folder, whole))


def test_a_cancelled_round_leaves_what_it_computed(folder: Path) -> None:
    running, turns = engine(folder), Turns()
    job = live_job(running, asked(folder))
    turns.scheduler.submit(job)
    turns.up_to(job, "Step 4")
    job.cancel()
    turns.all()
    assert isinstance(turns.ended[job], Cancelled)
    outcome = drive(running.run(LiveRequest(asked(folder), 1)))
    assert outcome.evaluations == 2
    same(outcome.result, alone(folder, asked(folder)))


@pytest.fixture
def process(folder: Path) -> Iterator[EngineProcess]:
    process = EngineProcess(command_for([folder]))
    yield process
    process.close()


def test_an_engine_in_a_process_of_its_own_keeps_as_much(folder: Path, process: EngineProcess) -> None:
    """Every request's arrays are new ones there: they are known by their content."""
    for strengths, spent in (((), 5), ((0.2,), 2), ((), 0)):
        request = asked(folder, *strengths)
        outcome = drive(process.run(LiveRequest(request, "picture")))
        assert outcome.evaluations == spent
        same(outcome.result, alone(folder, request))
    assert drive(process.run(EndLiveRequest("picture"))) is None
    again = drive(process.run(LiveRequest(replace(asked(folder), settings=PixelsSettings()), "picture")))
    assert again.evaluations == 5
