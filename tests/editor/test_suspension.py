"""Jobs by turns in one engine: an edit that waits for another finds its model as it left it; edits within edits; what each is lent."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from types import MappingProxyType
from typing import Any

import numpy as np
import pytest

from editor.diffusion.loan import Loan
from editor.engine import Engine
from editor.errors import InvalidRequest
from editor.execution import EXECUTIONS, Execution
from editor.jobs import Done, Ending, Job, Lane, Scheduler
from editor.methods.pixels.settings import PixelsSettings
from editor.models.library import Library
from editor.requests.edit_request import EditRequest
from editor.requests.method_settings import MethodSettings
from editor.requests.reports import Report, Reports
from editor.requests.results import EditResult
from editor.requests.variants import Variant, VariantsRequest
from tests.support.blended_cases import settings, wish
from tests.support.reports import drive
from tests.support.tiny_models import stable_diffusion

STEPS = 3


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    made = tmp_path_factory.mktemp("models")
    for name, seed in (("one", 0), ("two", 1)):
        stable_diffusion(made / name, seed=seed)
    return made


def engine(folder: Path, **more: Any) -> Engine:
    return Engine(lambda: Library((folder,), cache=Path("/nowhere")), **more)


def request(folder: Path, model: str, seed: int = 1, **more: Any) -> EditRequest:
    return wish(told=settings(), model=str(folder / model), steps=STEPS, seed=seed, **more)


def alone(folder: Path, asked: EditRequest) -> EditResult:
    result: EditResult = drive(engine(folder).run(asked))
    return result


@pytest.mark.parametrize("urgent", ["one", "two"])
@pytest.mark.parametrize("after", [2, 5, 8])
def test_an_edit_suspended_for_another_is_what_it_would_have_been(folder: Path, urgent: str, after: int) -> None:
    """On the same model and on another, wherever it is suspended: while it loads, between its steps, before it decodes."""
    running, ended, order = engine(folder), dict[Job, Ending](), list[Job]()

    def end(job: Job, ending: Ending) -> None:
        ended[job] = ending
        order.append(job)

    scheduler = Scheduler(lambda job, report: None, end)
    asked, live = request(folder, "one", prompt="a cat"), request(folder, urgent, seed=2, prompt="a dog")
    edit = Job(lambda: running.run(asked), Lane.EDIT)
    preview = Job(lambda: running.run(live), Lane.LIVE)
    scheduler.submit(edit)
    for _ in range(after):
        scheduler.turn()
    assert not ended
    scheduler.submit(preview)
    while scheduler.turn():
        pass
    assert order == [preview, edit]
    for job, by_itself in ((edit, asked), (preview, live)):
        ending = ended[job]
        assert isinstance(ending, Done)
        assert np.array_equal(ending.result.pixels, alone(folder, by_itself).pixels)


class InnerSettings(MethodSettings):
    """Of a method that runs another one inside."""


def within(inner: EditRequest, lent: list[Loan]) -> Execution:
    def edit(variants: Sequence[Variant], loan: Loan) -> Reports[tuple[EditResult, ...]]:
        lent.append(loan)
        results = []
        for _ in variants:
            results.append((yield from loan.edit(inner)))
        return tuple(results)

    return Execution(edit_on_model=edit)


def nested(folder: Path, inner: EditRequest, lent: list[Loan], seen: list[Report] | None = None) -> Any:
    executions = MappingProxyType({**EXECUTIONS, InnerSettings: lambda: within(inner, lent)})
    outer = replace(request(folder, "one"), settings=InnerSettings())
    return drive(engine(folder, executions=executions).run(VariantsRequest.of_seeds(outer, (1, 2))), seen)


def test_an_edit_within_an_edit_runs_on_the_same_model_and_shows_no_results_of_its_own(folder: Path) -> None:
    inner, lent, seen = request(folder, "one"), list[Loan](), list[Report]()
    results = nested(folder, inner, lent, seen)
    expected = alone(folder, inner)
    assert [np.array_equal(result.pixels, expected.pixels) for result in results] == [True, True]
    assert not [report for report in seen if hasattr(report, "result")]
    assert {loan.backend.info.key for loan in lent} == {str(folder / "one")}
    assert lent[0].scorer() is None  # there is no CLIP model


def test_an_edit_within_an_edit_on_another_model_is_refused(folder: Path) -> None:
    with pytest.raises(InvalidRequest, match="same model"):
        nested(folder, request(folder, "two"), [])


def test_an_edit_within_an_edit_may_be_of_another_method(folder: Path) -> None:
    inner = replace(request(folder, "one"), settings=PixelsSettings())
    (result, _) = nested(folder, inner, [])
    assert np.array_equal(result.pixels, alone(folder, inner).pixels)
