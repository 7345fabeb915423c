"""PIXELS on the bundled practice model: how much of an exemplar is let in says how much changes; several strengths are several runs."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import resources
from app.dev.practice.examples import EXAMPLES
from app.dev.practice.world import World
from editor.document.compose import flatten, with_result
from editor.document.document import Document
from editor.document.placing import on_grid, place_exemplar
from editor.edits.apply import apply_result
from editor.edits.dispatch import at_strengths, candidates, make_request
from editor.edits.rerun import reopen
from editor.engine import Engine
from editor.errors import InvalidRequest, NotFinite
from editor.methods.pixels.settings import PixelsSettings
from editor.models.info import ModelInfo
from editor.models.library import Library
from editor.planning.plan import Draft
from editor.requests.reports import FinishEarly, Preview, Progress, Report, Reports, ResultReady, outcome_of
from editor.requests.results import EditResult
from editor.requests.variants import Variant
from tests.support.reports import drive

MODELS = Path(resources.__file__).parent / "models"

# diffusers' schedulers and numpy 2
pytestmark = pytest.mark.filterwarnings("ignore:__array__ implementation:DeprecationWarning")


@pytest.fixture
def library(tmp_path: Path) -> Library:
    return Library(folders=(MODELS,), cache=tmp_path)


def changed(document: Document, engine: Engine, model: ModelInfo, let_in: float) -> float:
    """How much the picture under the exemplar changes, in levels of 255: the mean over several seeds."""
    (exemplar,) = document.exemplars
    placed = place_exemplar(exemplar, document.rect)
    inside = on_grid(placed.alpha, placed.rect, document.rect) > 0.5
    asked = Draft(PixelsSettings(match_tone="off"), model=model, seed=3, strength=0.6, steps=20, prompt="a duck")
    before = flatten(document)
    try:
        request = make_request(document.with_exemplar(replace(exemplar, strength=let_in)), asked)
    except InvalidRequest:  # nothing may change
        return 0.0
    found = []
    for result in outcome_of(engine.run(candidates(request, 3))):
        after = before.copy()
        with_result(after, document.rect, result.pixels, result.rect)
        found.append(np.abs(after[inside].astype(float) - before[inside]).mean())
    return float(np.mean(found))


def test_the_more_of_an_exemplar_is_let_in_the_more_changes(library: Library) -> None:
    document = next(example for example in EXAMPLES if example.exemplar is not None).document(World())
    engine, model = Engine(lambda: library), library.find(str(MODELS / "practice"))
    found = [changed(document, engine, model, let_in) for let_in in (0.0, 0.02, 0.1, 0.3, 0.6, 1.0)]
    assert found == sorted(found)
    nothing, least, *_, more, most = found
    assert nothing == 0
    assert least < most / 20  # at 2 % next to nothing
    assert more > most / 2


class TestStrengths:
    """Several overall strengths of one edit: each is the plain run with it."""

    @pytest.fixture
    def document(self) -> Document:
        return EXAMPLES[-1].document(World())

    def asked(self, library: Library) -> Draft:
        model = library.find(str(MODELS / "practice"))
        return Draft(PixelsSettings(), model=model, seed=3, strength=0.45, steps=8, prompt="a duck")

    def test_each_is_the_plain_run_bit_for_bit(self, library: Library, document: Document) -> None:
        engine, draft, levels = Engine(lambda: library), self.asked(library), (0.25, 0.5, 0.9)
        reports: list[Report] = []
        results = drive(engine.run(at_strengths(document, draft, levels)), reports)
        assert [each.recipe.strength for each in results] == list(levels)
        assert [report.result for report in reports if isinstance(report, ResultReady)] == list(results)
        fractions = [report.fraction for report in reports if isinstance(report, Progress)]
        assert fractions == sorted(fractions)
        for level, result in zip(levels, results, strict=True):
            alone = outcome_of(engine.run(make_request(document, replace(draft, strength=level))))
            assert result.rect == alone.rect
            assert result.pixels.tobytes() == alone.pixels.tobytes()
            assert result.recipe == alone.recipe
            _, after = apply_result(document, result, document)
            opened = reopen(after, after.layers[-1].id)
            again = make_request(opened.document, replace(opened.draft, model=draft.model))
            assert outcome_of(engine.run(again)).pixels.tobytes() == result.pixels.tobytes()
        # Each shows all of the region, but for the faintest rim, of which little strength leaves nothing.
        seen = [result.pixels[..., 3] > 0 for result in results]
        assert all(seen[-1][each].all() and each.sum() > 0.9 * seen[-1].sum() for each in seen)

    def test_one_seed_is_drawn_for_all(self, library: Library, document: Document) -> None:
        request = at_strengths(document, replace(self.asked(library), seed=None), (0.2, 0.4))
        first, second = (variant.request for variant in request.variants)
        assert first.seed == second.seed
        assert (first.overall, second.overall) == (0.2, 0.4)
        with pytest.raises(InvalidRequest, match="must differ"):
            at_strengths(document, self.asked(library), (0.2, 0.2))

    def test_finishing_early_keeps_what_there_is_and_makes_no_more(self, library: Library, document: Document) -> None:
        engine, request = Engine(lambda: library), at_strengths(document, self.asked(library), (0.25, 0.5, 0.9))
        results = hurried(engine.run(request))
        assert [result.recipe.strength for result in results] == [0.25, 0.5]
        first = engine.run(request)
        while not isinstance(next(first), ResultReady):
            pass
        first.close()  # cancelled: what is finished has been told

    def test_one_that_comes_to_nothing_is_said_after_the_others(
        self, library: Library, document: Document, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        engine = Engine(lambda: library)
        whole = engine._batch

        def broken(batch: Sequence[Variant], job: Any, *, ranked: bool) -> Reports[tuple[EditResult, ...]]:
            if batch[0].request.overall == 0.5:
                raise NotFinite("Nothing came of it.", "Try other settings.")
            return (yield from whole(batch, job, ranked=ranked))

        monkeypatch.setattr(engine, "_batch", broken)
        reports: list[Report] = []
        with pytest.raises(NotFinite):
            drive(engine.run(at_strengths(document, self.asked(library), (0.25, 0.5, 0.9))), reports)
        assert [report.result.recipe.strength for report in reports if isinstance(report, ResultReady)] == [0.25, 0.9]


def hurried(reports: Reports[tuple[EditResult, ...]]) -> tuple[EditResult, ...]:
    """The results, where somebody asks to finish early at the first preview of the second."""
    one = False
    try:
        report = next(reports)
        while not (one and isinstance(report, Preview)):
            one = one or isinstance(report, ResultReady)
            report = next(reports)
        reports.throw(FinishEarly())
    except StopIteration:
        raise AssertionError("it ended before") from None
    return outcome_of(reports)
