"""Variants: which share a batch, and what a run of several is refused for."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from types import MappingProxyType
from typing import Any

import numpy as np
import pytest

from editor.engine import Engine
from editor.errors import InvalidRequest
from editor.execution import Execution
from editor.geometry import Rect, Size
from editor.requests.edit_request import EditRequest
from editor.requests.frame import Frame
from editor.requests.method_settings import MethodSettings
from editor.requests.reports import Progress, Report, Reports, ResultReady
from editor.requests.results import EditResult, Recipe
from editor.requests.variants import Variant, VariantsRequest, batches, variants_of, with_seed
from tests.support.reports import drive

RECT = Rect(0, 0, 4, 3)


class PlainSettings(MethodSettings):
    """Of a method that makes one flat picture."""


def request(seed: int = 7, overall: float = 1.0) -> EditRequest:
    return EditRequest(
        np.zeros((3, 4, 3), np.uint8),
        np.ones((3, 4), np.float32),
        Frame.full_size(RECT),
        PlainSettings(),
        seed,
        overall=overall,
    )


def test_seeds_of_one_edit_share_a_batch_and_its_arrays() -> None:
    edit = request()
    variants = variants_of(edit, (3, 9, 3 + 2**62))
    assert [(variant.id, variant.seed) for variant in variants] == [(0, 3), (1, 9), (2, 3 + 2**62)]
    assert all(variant.request.image is edit.image for variant in variants)
    assert list(batches(variants)) == [variants]
    assert edit.seed == 7


@pytest.mark.parametrize(
    "change", [{"prompt": "a cat"}, {"overall": 0.5}, {"steps": 9}, {"frame": Frame(RECT, Size(8, 6))}]
)
def test_what_differs_in_more_is_a_batch_of_its_own(change: dict[str, Any]) -> None:
    edit = request()
    first, second, other = *variants_of(edit, (1, 2)), Variant(2, replace(edit, **change))
    last = Variant(3, with_seed(edit, 4))
    assert [[variant.id for variant in batch] for batch in batches((first, second, other, last))] == [[0, 1], [2], [3]]


@pytest.mark.parametrize("seed", [-1, 2**63])
def test_a_seed_out_of_range_is_refused(seed: int) -> None:
    with pytest.raises(InvalidRequest, match="whole number from 0"):
        with_seed(request(), seed)


def test_a_run_of_nothing_of_one_number_twice_or_of_two_models_is_refused() -> None:
    edit = request()
    with pytest.raises(InvalidRequest, match="No result"):
        VariantsRequest(())
    with pytest.raises(InvalidRequest, match="one number"):
        VariantsRequest((Variant(1, edit), Variant(1, request(8))))
    with pytest.raises(InvalidRequest, match="same seed twice"):
        VariantsRequest.of_seeds(edit, (1, 2, 1))
    with pytest.raises(InvalidRequest, match="one model"):
        VariantsRequest((Variant(0, edit), Variant(1, replace(edit, model="another"))))


def test_results_are_named_by_the_variants_ids_whatever_their_seeds_and_order() -> None:
    """Two of one seed, and ids that do not count up."""
    executed: list[int] = []

    def edit(request: EditRequest) -> Reports[EditResult]:
        executed.append(request.seed)
        yield Progress(0.5, "Painting")
        return EditResult(RECT, np.full((3, 4, 4), 200, np.uint8), Recipe.of(request))

    engine = Engine(executions=MappingProxyType({PlainSettings: lambda: Execution(edit=edit)}))
    variants: Sequence[Variant] = (
        Variant(5, request(1, 0.25)),
        Variant(2, request(1, 0.5)),
        Variant(9, request(1, 1.0)),
    )
    seen: list[Report] = []
    results = drive(engine.run(VariantsRequest(tuple(variants))), seen)
    assert [(result.variant, result.recipe.strength) for result in results] == [(5, 0.25), (2, 0.5), (9, 1.0)]
    assert [report.result.variant for report in seen if isinstance(report, ResultReady)] == [5, 2, 9]
    assert executed == [1, 1, 1]
    words = [report.doing for report in seen if isinstance(report, Progress)]
    assert words == [f"Painting · strength {number} of 3" for number in (1, 2, 3)]
