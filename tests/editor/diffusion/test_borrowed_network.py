"""A backend's network under control and adapted: through guidance and the sampling loop, clean whenever the loop waits."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from accelerate import cpu_offload, cpu_offload_with_hook

from editor.diffusion.adaptation import Lora
from editor.diffusion.attention.operations import Record, Replace, only
from editor.diffusion.attention.sites import BatchLayout
from editor.diffusion.backend import Backend, Embeddings
from editor.diffusion.denoise import denoise
from editor.diffusion.evaluation import during, evaluated
from editor.diffusion.guidance import Guidance, classifier_free, guided
from editor.diffusion.kandinsky import Kandinsky
from editor.diffusion.noise import Noise
from editor.diffusion.stable_diffusion import StableDiffusion
from editor.diffusion.stable_diffusion_xl import StableDiffusionXL
from editor.errors import ModelUnavailable
from editor.geometry import Size
from editor.requests.reports import outcome_of
from tests.support.diffusion import fingerprint, free, info, pipeline

# diffusers turns a tensor into an array in a way that newer versions of numpy announce to end.
pytestmark = pytest.mark.filterwarnings("ignore:__array__ implementation:DeprecationWarning")

GUIDED = BatchLayout(("negative", "positive"), ("source", "target"))
Load = Callable[[], tuple[Backend, tuple[Any, ...]]]


@pytest.fixture(params=["sd", "sdxl", "kandinsky"])
def load(request: pytest.FixtureRequest) -> Load:
    folder: Path = request.getfixturevalue(f"{request.param}_folder")

    def loaded() -> tuple[Backend, tuple[Any, ...]]:
        stock = pipeline(folder)
        if request.param == "sd":
            return StableDiffusion(info(folder, "stable-diffusion"), stock), (stock,)
        if request.param == "sdxl":
            return StableDiffusionXL(info(folder, "stable-diffusion-xl"), stock), (stock,)
        prior = pipeline(folder.parent / "prior")
        return Kandinsky(info(folder, "kandinsky-2.2"), stock, prior), (stock, prior)

    return loaded


def guidance(backend: Backend) -> Guidance:
    return classifier_free(*outcome_of(backend.embed("red boat", "", Size(96, 64))), 3.0)


def positive_of(backend: Backend) -> Embeddings:
    return guidance(backend).branches[-1].embeddings


def test_a_guided_run_is_controlled_step_by_step_and_clean_between(load: Load) -> None:
    """Two pictures from different noise, the second with all of the first's attention: recorded maps of both are then alike."""
    backend, parts = load()
    given = guidance(backend)
    schedule = backend.schedule(3)
    latents = torch.randn(2, 4, 8, 12, generator=torch.Generator().manual_seed(0))
    record = Record(heads="each", part="all")
    control = backend.attention([Replace(role="target", source="source"), record], GUIDED)
    denoiser = guided(backend, given)

    before = fingerprint(*parts)
    reports = denoise(during(denoiser, control), latents, free(latents), schedule, Noise([1, 2]).generators("sampler"))
    next(reports)
    assert fingerprint(*parts) == before
    for _ in reports:
        assert fingerprint(*parts) == before
    assert {step for step, _ in record.maps} == set(range(len(schedule)))
    assert any(not torch.equal(kept[0], kept[2]) for kept in record.maps.values())
    for kept in record.maps.values():
        assert len(kept) == 4
        assert torch.equal(kept[[0, 2]], kept[[1, 3]])
    reports = denoise(
        during(denoiser, control), latents, free(latents), backend.schedule(3), Noise([1, 2]).generators("sampler")
    )
    next(reports)
    reports.close()
    assert fingerprint(*parts) == before


def test_adapters_are_learned_and_put_back_on(load: Load) -> None:
    backend, parts = load()
    positive, step = positive_of(backend), backend.schedule(10).steps[6]
    latents = torch.randn(1, 4, 8, 12, generator=torch.Generator().manual_seed(0))
    before = fingerprint(*parts)
    plain = backend.predict(latents, step, positive)
    learner = backend.trainable(Lora(rank=2, targets=("to_q", "to_out.0")), seed=3)
    loss = evaluated(lambda: backend.predict(latents, step, positive).square().mean(), learner.parameters, learner)
    optimiser = torch.optim.Adam(learner.parameters, lr=0.02)
    losses = []
    for _ in range(5):
        optimiser.zero_grad()
        value = loss()
        assert fingerprint(*parts) == before
        torch.autograd.backward(value)
        optimiser.step()
        losses.append(value.item())
    assert losses[-1] < losses[0]
    with torch.no_grad(), learner:
        wanted = backend.predict(latents, step, positive)
    with torch.no_grad(), backend.adapted(learner.tensors()):
        assert torch.equal(backend.predict(latents, step, positive), wanted)
    assert not torch.equal(wanted, plain)
    assert torch.equal(backend.predict(latents, step, positive), plain)
    assert fingerprint(*parts) == before


def test_a_prediction_tells_the_control_its_step(sd_folder: Path) -> None:
    backend = StableDiffusion(info(sd_folder, "stable-diffusion"), pipeline(sd_folder))
    record = Record(where=only("cross"))
    with torch.no_grad(), backend.attention(record) as control:
        control.begin(2)
        backend.predict(torch.zeros(1, 4, 8, 8), backend.schedule(10).steps[6], positive_of(backend))
    assert {index for index, _ in record.maps} == {6}


def test_a_network_that_comes_layer_by_layer_is_controlled_but_not_adapted(sd_folder: Path) -> None:
    stock = pipeline(sd_folder)
    backend = StableDiffusion(info(sd_folder, "stable-diffusion"), stock)
    positive, step = positive_of(backend), backend.schedule(10).steps[6]
    latents = torch.randn(1, 4, 8, 8, generator=torch.Generator().manual_seed(0))
    with torch.no_grad():
        plain = backend.predict(latents, step, positive)
        cpu_offload(stock.unet, torch.device("cpu"), offload_buffers=True)
        with backend.attention(Replace(compute=lambda call, own, source: own)):
            assert torch.allclose(backend.predict(latents, step, positive), plain, atol=1e-5)
        with pytest.raises(ModelUnavailable, match="layer by layer"):
            backend.trainable(Lora())
        with pytest.raises(ModelUnavailable, match="layer by layer"):
            backend.adapted({"conv_in.bias": torch.zeros(8)})


def test_a_network_that_waits_elsewhere_is_adapted_where_it_runs(sd_folder: Path) -> None:
    stock = pipeline(sd_folder)
    backend = StableDiffusion(info(sd_folder, "stable-diffusion"), stock)
    positive, step = positive_of(backend), backend.schedule(10).steps[6]
    latents = torch.randn(1, 4, 8, 8, generator=torch.Generator().manual_seed(0))
    learner = backend.trainable(["attn2.to_k.weight", "conv_in.bias"])
    with torch.no_grad():
        for leaf in learner.parameters:
            leaf.add_(0.2)
        with learner:
            wanted = backend.predict(latents, step, positive)
        cpu_offload_with_hook(stock.unet, torch.device("cpu"))
        with backend.adapted(learner.tensors()):
            assert torch.equal(backend.predict(latents, step, positive), wanted)
