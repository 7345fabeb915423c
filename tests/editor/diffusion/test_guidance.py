"""Classifier-free guidance: what the network is called with, and what comes of it."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

from editor.diffusion.backend import Embeddings
from editor.diffusion.guidance import classifier_free, guided
from editor.diffusion.step import Step
from editor.models.info import ModelInfo
from tests.editor.diffusion.bench import at


class _Recorded:
    """A network that predicts its embedding, plus a tenth of the latents; `extra` more channels carry ten times that."""

    info = ModelInfo("key", "A model", "stable-diffusion", Path("nowhere"), 512)
    device = torch.device("cpu")

    def __init__(self, extra: int = 0) -> None:
        self.extra = extra
        self.calls: list[tuple[torch.Tensor, Step, Embeddings]] = []

    def predict(self, latents: torch.Tensor, step: Step, embeddings: Embeddings) -> torch.Tensor:
        self.calls.append((latents, step, embeddings))
        told = embeddings.hidden if embeddings.hidden is not None else embeddings.added["ids"]
        assert len(told) == len(latents)
        found = latents / 10 + told.flatten(1).mean(1)[:, None, None, None]
        return torch.cat([found, 10 * found[:, : self.extra]], dim=1)


def _embeddings(value: float, batch: int = 1) -> Embeddings:
    return Embeddings(torch.full((batch, 3, 2), float(value)), {"ids": torch.full((batch, 6), float(value))})


def _random(seed: int, batch: int = 1) -> torch.Tensor:
    return torch.randn(batch, 4, 5, 7, generator=torch.Generator().manual_seed(seed))


T = at(401)


@pytest.mark.parametrize("scale", [0.0, 0.5, 1.0])
@pytest.mark.parametrize("batch", [1, 3])
def test_invariant_21_without_guidance_the_network_sees_the_batch_once(scale: float, batch: int) -> None:
    backend = _Recorded()
    guidance = classifier_free(_embeddings(2), _embeddings(-1), scale)
    found = guided(backend, guidance)(_random(0, batch), T)  # type: ignore[arg-type]
    ((latents, step, embeddings),) = backend.calls
    assert guidance.passes == 1
    assert torch.equal(latents, _random(0, batch))
    assert step is T
    assert embeddings.hidden is not None
    assert embeddings.hidden.eq(2).all()
    assert embeddings.added["ids"].eq(2).all()
    assert torch.equal(found, _random(0, batch) / 10 + 2)


@pytest.mark.parametrize("batch", [1, 3])
def test_invariant_21_with_guidance_it_sees_twice_the_batch_negative_first(batch: int) -> None:
    backend = _Recorded()
    found = guided(backend, classifier_free(_embeddings(2), _embeddings(-1), 6.0))(_random(0, batch), T)  # type: ignore[arg-type]
    ((latents, _, embeddings),) = backend.calls
    assert torch.equal(latents, torch.cat([_random(0, batch)] * 2))
    assert embeddings.hidden is not None
    for told in (embeddings.hidden, embeddings.added["ids"]):
        assert len(told) == 2 * batch
        assert told[:batch].eq(-1).all()
        assert told[batch:].eq(2).all()
    low, high = _random(0, batch) / 10 - 1, _random(0, batch) / 10 + 2
    assert torch.equal(found, low + 6.0 * (high - low))


@pytest.mark.parametrize("scale", [1.0, 4.0])
def test_invariant_23_variances_come_from_the_positive_half(scale: float) -> None:
    backend = _Recorded(extra=4)
    found = guided(backend, classifier_free(_embeddings(2), _embeddings(-1), scale))(_random(0), T)  # type: ignore[arg-type]
    assert found.shape == (1, 8, 5, 7)
    positive = _random(0) / 10 + 2
    assert torch.equal(found[:, 4:], 10 * positive)
    low = _random(0) / 10 - 1
    assert torch.equal(found[:, :4], positive if scale <= 1 else low + scale * (positive - low))


def test_embeddings_of_one_serve_a_batch_and_those_of_a_batch_stay() -> None:
    one = _embeddings(2)
    wide = one.repeated(3)
    assert wide.hidden is not None
    assert wide.hidden.shape == (3, 3, 2)
    assert wide.added["ids"].shape == (3, 6)
    again = wide.repeated(3)
    assert again.hidden is wide.hidden
    assert again.added["ids"] is wide.added["ids"]


def test_invariant_23_a_network_that_is_told_no_text() -> None:
    backend = _Recorded()
    positive, negative = (Embeddings(None, {"ids": torch.full((1, 6), value)}) for value in (2.0, -1.0))
    guided(backend, classifier_free(positive, negative, 4.0))(_random(0, 2), T)  # type: ignore[arg-type]
    ((_, _, embeddings),) = backend.calls
    assert embeddings.hidden is None
    assert embeddings.added["ids"][:, 0].tolist() == [-1, -1, 2, 2]
