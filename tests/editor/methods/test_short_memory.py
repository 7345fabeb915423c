"""Where memory runs short on the way: fewer results at once, a plainer finish, and nothing that was made is lost."""

from __future__ import annotations

import logging
from pathlib import Path
from typing import Any

import pytest
import torch

from editor.diffusion.families.stable_diffusion.backend import StableDiffusion
from editor.diffusion.model_cache import ModelCache
from editor.diffusion.ranking import Ranking
from editor.engine import Engine
from editor.errors import OutOfMemory
from editor.methods.blended_latent_diffusion.model import finishing
from editor.models.library import Library
from editor.requests.reports import Progress, Report, ResultReady
from editor.requests.results import EditResult
from editor.requests.variants import VariantsRequest
from tests.support.blended_cases import settings, wish
from tests.support.reports import drive
from tests.support.tiny_models import stable_diffusion

SEEDS = (1, 2, 3, 4)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return stable_diffusion(tmp_path_factory.mktemp("short") / "painter")


@pytest.fixture
def engine(folder: Path, monkeypatch: pytest.MonkeyPatch) -> Engine:
    """One whose machine takes all results at once, as far as it can tell before."""
    monkeypatch.setattr(ModelCache, "max_batch", lambda cache, info, request, wanted: wanted)
    return Engine(lambda: Library((folder.parent,), cache=Path("/nowhere")))


def asked(folder: Path, **told: Any) -> VariantsRequest:
    return VariantsRequest.of_seeds(wish(told=settings(**told), model=str(folder), steps=2), SEEDS)


def found(reports: list[Report]) -> list[EditResult]:
    return [report.result for report in reports if isinstance(report, ResultReady)]


def short(monkeypatch: pytest.MonkeyPatch, name: str, most: int) -> list[int]:
    """The model's verb fails for more latents at once than `most`. Returns how many it was given each time."""
    given: list[int] = []
    verb = getattr(StableDiffusion, name)

    def failing(backend: Any, latents: torch.Tensor, *more: Any) -> Any:
        given.append(len(latents))
        if len(latents) > most:
            raise torch.OutOfMemoryError("CUDA out of memory")
        return verb(backend, latents, *more)

    monkeypatch.setattr(StableDiffusion, name, failing)
    return given


@pytest.mark.parametrize(("most", "tried"), [(4, [8, 4]), (2, [8, 4, 2]), (8, [8])])
def test_too_many_at_once_are_made_fewer_at_a_time(
    engine: Engine, folder: Path, monkeypatch: pytest.MonkeyPatch, most: int, tried: list[int]
) -> None:
    given = short(monkeypatch, "predict", most)  # guidance takes two for each
    seen: list[Report] = []
    results = drive(engine.run(asked(folder)), seen=seen)
    assert tuple(result.recipe.seed for result in results) == SEEDS
    assert tuple(each.recipe.seed for each in found(seen)) == SEEDS
    assert list(dict.fromkeys(given)) == tried


def test_one_that_does_not_fit_is_told(engine: Engine, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    given = short(monkeypatch, "predict", 0)
    with pytest.raises(OutOfMemory):
        drive(engine.run(asked(folder)))
    assert given == [8, 4, 2]


def test_what_was_found_before_it_ran_out_is_not_made_again(
    engine: Engine, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    decoded: list[int] = []
    decode = StableDiffusion.decode

    def failing(backend: Any, latents: torch.Tensor) -> Any:
        decoded.append(len(latents))
        if len(decoded) == 3:
            raise torch.OutOfMemoryError("CUDA out of memory")
        return decode(backend, latents)

    monkeypatch.setattr(StableDiffusion, "decode", failing)
    seen: list[Report] = []
    results = drive(engine.run(asked(folder)), seen=seen)
    assert [result.recipe.seed for result in results] == [each.recipe.seed for each in found(seen)] == list(SEEDS)
    assert len(decoded) == 5


def test_what_ranks_takes_room_from_what_is_made_next(
    folder: Path, engine: Engine, monkeypatch: pytest.MonkeyPatch
) -> None:
    ranked: list[int] = []

    def scored(ranking: Ranking, results: Any) -> Any:
        ranked.append(len(results))
        yield Progress(1.0, "Comparing with the words")

    monkeypatch.setattr(Ranking, "scored", scored)
    monkeypatch.setattr(ModelCache, "max_batch", lambda cache, info, request, wanted: 1 if ranked else 2)
    request = VariantsRequest.of_seeds(wish(told=settings(), model=str(folder), steps=2, prompt="a boat"), SEEDS)
    drive(engine.run(request))
    assert ranked == [2, 1, 1]


@pytest.mark.parametrize("finish", ["decoder", "latents"])
def test_without_memory_to_learn_in_the_result_is_pasted(
    engine: Engine, folder: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture, finish: str
) -> None:
    plain = drive(engine.run(asked(folder)))
    calls: list[int] = []

    def failing(*given: Any, **more: Any) -> Any:
        calls.append(1)
        yield Progress(0.1, "Learning the surroundings")
        raise torch.OutOfMemoryError("CUDA out of memory")

    monkeypatch.setattr(finishing, "refined", failing)
    caplog.set_level(logging.WARNING)
    results = drive(engine.run(asked(folder, finish=finish)))
    assert len(results) == len(SEEDS)
    assert all((one.pixels == other.pixels).all() for one, other in zip(results, plain, strict=True))
    assert len(calls) == 1  # once is enough to know
    assert caplog.text.count("not enough memory to learn") == 1


def test_other_mistakes_while_learning_are_not_hidden(
    engine: Engine, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def failing(*given: Any, **more: Any) -> Any:
        yield Progress(0.1, "Learning the surroundings")
        raise RuntimeError("shapes differ")

    monkeypatch.setattr(finishing, "refined", failing)
    with pytest.raises(RuntimeError, match="shapes differ"):
        drive(engine.run(asked(folder, finish="decoder")))


@pytest.mark.parametrize(("finish", "least", "most"), [("paste", 0.9, 1.0), ("decoder", 0.3, 0.6)])
def test_half_of_the_time_is_for_learning(engine: Engine, folder: Path, finish: str, least: float, most: float) -> None:
    seen: list[Report] = []
    request = VariantsRequest.of_seeds(asked(folder, finish=finish).variants[0].request, (1,))
    drive(engine.run(request), seen=seen)  # the model is loaded then
    seen.clear()
    drive(engine.run(request), seen=seen)
    fractions = [each.fraction for each in seen if isinstance(each, Progress)]
    assert fractions == sorted(fractions)
    (begun,) = [each.fraction for each in seen if isinstance(each, Progress) and each.doing == "Finishing"]
    assert least < begun < most


def test_a_result_does_not_hold_the_latents_of_all(engine: Engine, folder: Path) -> None:
    first, *_ = drive(engine.run(asked(folder)))
    assert first.latents is not None
    assert first.latents.base is None
