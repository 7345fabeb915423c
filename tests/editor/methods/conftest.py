"""Tiny models for the methods that need one; nothing of torch is imported before a test asks."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import cache, partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from tests.support.pixels_cases import Model


@pytest.fixture
def few(monkeypatch: pytest.MonkeyPatch) -> None:
    """Four iterations of learning, where it does not matter what is learned."""
    from editor.methods.blended_latent_diffusion.model import finishing
    from editor.methods.blended_latent_diffusion.model.refinement import refined

    monkeypatch.setattr(finishing, "refined", partial(refined, steps=4))


@pytest.fixture(scope="session")
def loaded_models() -> dict[str, tuple[Model, Any]]:
    """The models that were loaded so far, each with what its networks were then."""
    return {}


@pytest.fixture(scope="session")
def models(tiny_folder: Callable[[str], Path], loaded_models: dict[str, tuple[Model, Any]]) -> Callable[[str], Model]:
    """By name ("sd", "sd_v", "sdxl", "refiner", "kandinsky"): a backend and its folder, loaded when first asked for."""

    def model(name: str) -> Model:
        if name not in loaded_models:
            from tests.support.pixels_cases import Model  # torch takes seconds to import

            found = Model.of(tiny_folder(name))
            loaded_models[name] = found, _state(found)
        return loaded_models[name][0]

    return model


@pytest.fixture(autouse=True)
def models_as_they_were(loaded_models: dict[str, tuple[Model, Any]]) -> Iterator[None]:
    """Fails a test that leaves a shared model altered."""
    yield
    altered = [name for name, (model, before) in loaded_models.items() if _state(model) != before]
    for name in altered:
        del loaded_models[name]  # the next test gets it as it is on disk
    if altered:
        pytest.fail(f"left behind: an altered {', '.join(altered)}", pytrace=False)


def _state(model: Model) -> Any:
    from tests.support.blended_scene import networks
    from tests.support.leaks import weights

    return [weights(network) for network in networks(model)]


@pytest.fixture(scope="session")
def _stocks(models: Callable[[str], Model]) -> Callable[[str], tuple[Any, Any]]:
    from tests.support import pixels_stock

    @cache
    def load(name: str) -> tuple[Any, Any]:
        found = pixels_stock.pipeline(name, models(name))
        return found, found.scheduler

    return load


@pytest.fixture
def stocks(_stocks: Callable[[str], tuple[Any, Any]]) -> Callable[[str], Any]:
    """By name: diffusers' own image-to-image pipeline over the same folder, with a scheduler that nobody used yet."""

    def fresh(name: str) -> Any:
        found, own = _stocks(name)
        found.scheduler = type(own).from_config(own.config)
        return found

    return fresh
