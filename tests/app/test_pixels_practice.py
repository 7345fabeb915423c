"""Exemplars on the bundled practice model: how much of one is let in says how much of the picture changes."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

import resources
from app.practice.examples import EXAMPLES
from app.practice.world import World
from editor.compose import flatten, with_result
from editor.document import Document
from editor.edit import Draft, candidates, make_request
from editor.engine import Engine
from editor.errors import InvalidRequest
from editor.models.info import ModelInfo
from editor.models.library import Library
from editor.phases import unreported
from editor.placing import on_grid, place_exemplar
from editor.request import PixelsSettings

MODELS = Path(resources.__file__).parent / "models"

# diffusers' schedulers and numpy 2
pytestmark = pytest.mark.filterwarnings("ignore:__array__ implementation:DeprecationWarning")


@pytest.fixture(autouse=True)
def _one_thread() -> Iterator[None]:
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


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
    for result in unreported(engine.run(candidates(request, 3))):
        after = before.copy()
        with_result(after, document.rect, result.pixels, result.rect)
        found.append(np.abs(after[inside].astype(float) - before[inside]).mean())
    return float(np.mean(found))


def test_the_more_of_an_exemplar_is_let_in_the_more_changes(library: Library) -> None:
    document = next(each for each in EXAMPLES if each.exemplar is not None).document(World())
    engine, model = Engine(lambda: library), library.find(str(MODELS / "practice"))
    found = [changed(document, engine, model, let_in) for let_in in (0.0, 0.02, 0.1, 0.3, 0.6, 1.0)]
    assert found == sorted(found)
    nothing, least, *_, more, most = found
    assert nothing == 0
    assert least < most / 20  # at 2 % next to nothing
    assert more > most / 2
