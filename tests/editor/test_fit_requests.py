"""Fits: learned in the background, kept every few seconds, cancelled without loss, and resumed as if nothing had happened."""

from __future__ import annotations

import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from types import MappingProxyType
from typing import Any

import numpy as np
import pytest
import torch

from editor.diffusion.fits import FitStore, NotKept, Saver
from editor.engine import Engine
from editor.errors import InvalidRequest, NotFinite
from editor.execution import EXECUTIONS
from editor.jobs import Job, Lane, Scheduler
from editor.methods.pixels.settings import PixelsSettings
from editor.methods.quick_fill.settings import QuickFillSettings
from editor.models.library import Library
from editor.requests.edit_request import FitRequest
from editor.requests.reports import FinishEarly, Progress, outcome_of
from tests.support.tiny_models import stable_diffusion
from tests.support.toy_fit import STEPS, TOY_FIT, learn, toy_request

ROOT = Path(__file__).parents[2]
EXECUTIONS_WITH_TOY = MappingProxyType({**EXECUTIONS, QuickFillSettings: lambda: TOY_FIT})


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return stable_diffusion(tmp_path_factory.mktemp("models") / "painter")


@pytest.fixture(scope="module")
def straight() -> dict[str, torch.Tensor]:
    """What is learned when nothing happens."""
    store = FitStore()
    result = outcome_of(learn(toy_request(), store))
    assert result.complete
    assert result.steps == STEPS
    assert result.loss is not None
    assert result.loss < 0.01  # from about 0.3: it does learn
    learned = store.get(result.key)
    assert learned is not None
    return learned


def alike(one: dict[str, torch.Tensor] | None, other: dict[str, torch.Tensor]) -> bool:
    return (
        one is not None
        and one.keys() == other.keys()
        and all(torch.allclose(one[key], other[key], rtol=1e-6, atol=1e-7) for key in one)
    )


def test_a_fit_that_is_killed_and_resumed_ends_as_one_that_was_not(
    tmp_path: Path, straight: dict[str, torch.Tensor]
) -> None:
    key = toy_request().key
    for most in (7, 40):  # killed twice
        command = [sys.executable, "-m", "tests.support.toy_fit", str(tmp_path), str(most)]
        with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, cwd=ROOT) as child:
            assert child.stdout is not None
            while int(child.stdout.readline()) < most:
                pass
            child.kill()
            child.wait()
    store = FitStore(tmp_path)
    state = Saver(store, key).state
    assert state is not None
    assert len(state["losses"]) == 8 + 41  # with the step that was reported last
    assert store.get(key) is None
    result = outcome_of(learn(toy_request(), store))
    assert (result.key, result.steps, result.complete) == (key, STEPS, True)
    assert result.loss == pytest.approx(float(straight["loss"]), rel=1e-6)
    assert alike(store.get(key), straight)
    assert Saver(store, key).state is None  # there is nothing to go on with
    assert outcome_of(learn(toy_request(), store)).loss == pytest.approx(float(straight["loss"]), rel=1e-6)


@pytest.mark.parametrize("how", ["cancel", "early"])
@pytest.mark.parametrize("on_disk", [False, True])
def test_what_was_learned_before_a_cancel_or_a_wish_to_finish_early_is_not_lost(
    tmp_path: Path, straight: dict[str, torch.Tensor], how: str, on_disk: bool
) -> None:
    store = FitStore(tmp_path if on_disk else None)
    fit = learn(toy_request(), store, interval=1e9)
    for _ in range(30):
        next(fit)
    if how == "cancel":
        fit.close()
    else:
        with pytest.raises(StopIteration) as stop:
            fit.throw(FinishEarly())
        assert not stop.value.value.complete
        assert stop.value.value.steps == 30
    state = Saver(store, toy_request().key).state
    assert state is not None
    assert len(state["losses"]) == 30
    begun = learn(toy_request(), store)
    assert next(begun) == Progress(31 / STEPS, f"Learning the colours · 31 of {STEPS}")
    begun.close()
    assert outcome_of(learn(toy_request(), store)).complete
    assert alike(store.get(toy_request().key), straight)


def test_it_is_saved_every_few_seconds_and_not_more_often(tmp_path: Path) -> None:
    now = 0.0
    store, saved = FitStore(), list[float]()

    class Counted(FitStore):
        def keep(self, key: str, tensors: Any) -> None:
            saved.append(now)
            store.keep(key, tensors)

    class Toy:
        def tensors(self) -> dict[str, torch.Tensor]:
            return {"x": torch.zeros(1)}

    with Saver(Counted(), "a", 5.0, lambda: now) as saver:
        for step in range(20):
            now = step * 1.5
            saver(Toy())  # type: ignore[arg-type]
    assert saved == [6.0, 12.0, 18.0, 24.0, 28.5]  # the last at the end


def test_after_an_error_the_state_before_it_stays() -> None:
    store = FitStore()
    fit = learn(toy_request(), store, interval=0.0)
    for _ in range(5):
        next(fit)
    fit.close()

    class Spoiled:
        def tensors(self) -> dict[str, torch.Tensor]:
            return {"losses": torch.full((9,), torch.nan)}

    def going_wrong() -> None:
        with Saver(store, toy_request().key, interval=1e9) as saver:
            saver(Spoiled())  # type: ignore[arg-type]
            raise NotFinite("No.")

    with pytest.raises(NotFinite):
        going_wrong()
    state = Saver(store, toy_request().key).state
    assert state is not None
    assert len(state["losses"]) == 5


def test_one_that_can_never_be_kept_is_refused_at_its_first_step() -> None:
    fit = learn(toy_request(), FitStore(budget=500))
    with pytest.raises(NotKept, match="set aside"):
        next(fit)


def test_the_key_depends_on_all_that_is_learned_from_but_not_on_where_it_lies() -> None:
    one = toy_request()
    labels = np.zeros((16, 16), np.int16)
    other_image = np.array(one.image)
    other_image[0, 0, 0] += 1
    others = [
        replace(one, seed=4),
        replace(one, model="m"),
        replace(one, settings=QuickFillSettings(grow=1)),
        replace(one, settings=PixelsSettings()),
        replace(one, image=other_image),
        replace(one, labels=labels),
        replace(one, labels=labels + np.int16(1)),
        replace(one, prompt="a cat"),
        replace(one, prompts=("a cat",)),
        replace(one, revision=1),
        replace(one, frame=replace(one.frame, working=one.frame.working._replace(width=32))),
    ]
    assert len({request.key for request in [one, *others]}) == len(others) + 1
    assert replace(one, frame=replace(one.frame, rect=one.frame.rect.moved(5, 5))).key == one.key


@pytest.mark.parametrize("wrong", ["image", "labels", "seed"])
def test_a_request_that_makes_no_sense_is_refused(wrong: str) -> None:
    values: dict[str, Any] = {
        "image": np.zeros((4, 4, 3), np.uint8),
        "labels": np.zeros((16, 16), np.int32),
        "seed": -1,
    }
    with pytest.raises(InvalidRequest):
        replace(toy_request(), **{wrong: values[wrong]})


class TestInTheEngine:
    def engine(self, folder: Path, learned: Path | None = None) -> Engine:
        library = Library((folder.parent,), cache=Path("/nowhere"))
        return Engine(lambda: library, learned=learned, executions=EXECUTIONS_WITH_TOY)

    def test_it_runs_in_the_background_and_an_urgent_job_goes_first(self, folder: Path, tmp_path: Path) -> None:
        engine, request, ended = self.engine(folder, tmp_path), toy_request(str(folder)), list[Any]()
        scheduler = Scheduler(lambda job, report: None, lambda job, ending: ended.append(ending))
        scheduler.submit(Job(lambda: engine.run(request), Lane.BACKGROUND))
        for _ in range(40):
            scheduler.turn()
        assert not ended
        scheduler.submit(Job(lambda: engine.run(replace(request, seed=9)), Lane.EDIT))
        while scheduler.turn():
            pass
        assert [ending.result.key for ending in ended] == [replace(request, seed=9).key, request.key]
        assert all(ending.result.complete for ending in ended)
        assert alike(FitStore(tmp_path).get(request.key), self.by_itself(request))

    def by_itself(self, request: FitRequest) -> dict[str, torch.Tensor]:
        store = FitStore()
        outcome_of(learn(request, store))
        learned = store.get(request.key)
        assert learned is not None
        return learned

    def test_a_method_that_learns_nothing_says_so(self, folder: Path) -> None:
        request = replace(toy_request(str(folder)), settings=PixelsSettings())
        with pytest.raises(InvalidRequest, match="learns nothing"):
            outcome_of(self.engine(folder).run(request))
