"""Classifier-free guidance: what the network is called with, and what comes of it."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

from editor.diffusion.backend import Embeddings
from editor.diffusion.guidance import Branch, Guidance, classifier_free, guided
from editor.diffusion.step import Step
from editor.models.info import ModelInfo
from tests.support.diffusion import at


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


def test_branches_lead_away_from_the_branch_that_they_name() -> None:
    """As in image-conditioned editing (Brooks et al. 2023, eq. 3): nothing, then the picture, then picture and words."""
    backend = _Recorded(extra=2)
    guidance = Guidance(
        (
            Branch("nothing", _embeddings(-1)),
            Branch("picture", _embeddings(2), over="nothing", scale=1.5),
            Branch("both", _embeddings(5), over="picture", scale=7.0),
        )
    )
    found = guided(backend, guidance)(_random(0, 2), T)  # type: ignore[arg-type]
    ((latents, _, embeddings),) = backend.calls
    assert latents.shape[0] == 6
    assert embeddings.hidden is not None
    assert embeddings.hidden[:, 0, 0].tolist() == [-1, -1, 2, 2, 5, 5]
    base = _random(0, 2) / 10
    assert (found[:, :4] - (base - 1 + 1.5 * 3 + 7 * 3)).abs().max() < 1e-5
    assert torch.equal(found[:, 4:], 10 * (base + 5)[:, :2])  # variances of the last branch


def test_rows_of_a_pair_are_guided_each_by_its_own_scale() -> None:
    backend = _Recorded()
    positive = _embeddings(3).beside(_embeddings(2))
    scale = torch.tensor([1.0, 6.0])
    guidance = Guidance((Branch("negative", _embeddings(-1)), Branch("positive", positive, "negative", scale)))
    found = guided(backend, guidance)(_random(0, 2), T)  # type: ignore[arg-type]
    base = _random(0, 2) / 10
    assert (found[0] - (base[0] + 3)).abs().max() < 1e-5
    assert (found[1] - (base[1] - 1 + 6 * 3)).abs().max() < 1e-5


def test_rows_of_the_network_know_branch_role_and_picture() -> None:
    guidance = classifier_free(_embeddings(2), _embeddings(-1), 5.0)
    rows = [(row.branch, row.role, row.picture) for row in guidance.rows(("source", "target"))]
    assert rows == [
        ("negative", "source", 0),
        ("negative", "target", 1),
        ("positive", "source", 0),
        ("positive", "target", 1),
    ]


@pytest.mark.parametrize("scale", [0.0, 0.5, 1.0])
def test_always_guided_asks_twice_and_mixes(scale: float) -> None:
    backend = _Recorded()
    found = guided(backend, classifier_free(_embeddings(2), _embeddings(-1), scale, always=True))(_random(0), T)  # type: ignore[arg-type]
    ((latents, _, _),) = backend.calls
    assert len(latents) == 2
    low, high = _random(0) / 10 - 1, _random(0) / 10 + 2
    assert torch.equal(found, low + scale * (high - low))


def test_embeddings_of_different_length_are_filled_up_and_masked() -> None:
    short, long = (Embeddings(torch.full((1, count, 2), float(count))) for count in (3, 5))
    both = short.beside(long)
    assert both.hidden is not None
    assert both.mask is not None
    assert both.hidden.shape == (2, 5, 2)
    assert both.mask.tolist() == [[True] * 3 + [False] * 2, [True] * 5]
    assert torch.equal(both.hidden[0, :3], torch.full((3, 2), 3.0))
    wide = both.repeated(2)
    assert wide.mask is both.mask
    three = both.beside(Embeddings(torch.zeros(1, 2, 2), {}, torch.tensor([[True, False]])))
    assert three.mask is not None
    assert three.mask[2].tolist() == [True, False, False, False, False]
    assert short.beside(short).mask is None
    assert short.repeated(4).mask is None
