"""Copies of decoders: they decode what the model decodes, and the model never notices them."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import accelerate
import pytest
import torch

from editor.diffusion.families.networks import from_network
from editor.diffusion.families.stable_diffusion.backend import StableDiffusion
from tests.editor.methods.conftest import loaded_models, models, models_as_they_were  # noqa: F401
from tests.support.pixels_cases import MODELS, Model

pytestmark = pytest.mark.filterwarnings("ignore:__array__ implementation:DeprecationWarning")
Models = Callable[[str], Model]


def latents_for(model: Model) -> torch.Tensor:
    return torch.randn(1, 4, 8, 16, generator=torch.Generator().manual_seed(3))


def autoencoder(model: Model) -> Any:
    backend: Any = model.backend
    return backend._decoder.movq if hasattr(backend, "_decoder") else backend._pipeline.vae


@pytest.mark.parametrize("name", MODELS)
def test_it_decodes_what_the_model_decodes(models: Models, name: str) -> None:  # noqa: F811
    model = models(name)
    latents = latents_for(model)
    with torch.no_grad():
        copied = from_network(model.backend.own_decoder()(latents))
    assert (copied == model.backend.decode(latents)).all()


@pytest.mark.parametrize("name", ["sd", "kandinsky"])
def test_nothing_is_shared(models: Models, name: str) -> None:  # noqa: F811
    model = models(name)
    latents = latents_for(model)
    before = model.backend.decode(latents)
    own = model.backend.own_decoder()
    theirs = {each.data_ptr() for each in autoencoder(model).state_dict().values()}
    assert not theirs & {weight.data_ptr() for weight in own.weights}
    assert not any(weight.requires_grad for weight in own.weights)
    with torch.no_grad():
        for parameter in own.parameters:
            parameter.zero_()
    assert (model.backend.decode(latents) == before).all()


@pytest.mark.parametrize("name", ["sd", "kandinsky"])
def test_with_less_memory_gradients_are_the_same(models: Models, name: str) -> None:  # noqa: F811
    model = models(name)
    found = []
    for saving in (False, True):
        own = model.backend.own_decoder()
        if saving:
            own.save_memory()
        latents = latents_for(model).requires_grad_()
        weight = own.parameters[0].requires_grad_()
        own(latents).square().mean().backward()  # type: ignore[no-untyped-call]
        found.append((latents.grad, weight.grad))
    assert all(torch.equal(one, other) for one, other in zip(*found, strict=True))


@pytest.mark.parametrize("how", ["half", "by_part", "by_layer"])
def test_it_is_float32_and_whole_however_the_model_lies_in_memory(
    models: Models,  # noqa: F811
    how: str,
) -> None:
    source = autoencoder(models("sd"))
    wanted = [each.clone() for each in source.decoder.state_dict().values()]
    network = type(source).from_config(source.config)
    network.load_state_dict(source.state_dict())
    if how == "half":
        network.to(torch.bfloat16)
    elif how == "by_part":
        network, _ = accelerate.cpu_offload_with_hook(network, torch.device("cpu"))
    else:
        accelerate.cpu_offload(network, torch.device("cpu"))
    own = StableDiffusion(models("sd").backend.info, _Pipeline(network)).own_decoder()
    assert all(weight.dtype == torch.float32 and not weight.is_meta for weight in own.weights)
    same = [torch.equal(one, other) for one, other in zip(own.network.state_dict().values(), wanted, strict=True)]
    assert all(same) or how == "half"
    with torch.no_grad():
        decoded = from_network(own(latents_for(models("sd"))))
    assert abs(decoded - models("sd").backend.decode(latents_for(models("sd")))).max() < 0.02
    if how == "by_layer":
        assert all(parameter.is_meta for parameter in network.parameters()), "the model's own stay where they were"


class _Pipeline:
    def __init__(self, vae: Any) -> None:
        self.vae, self._execution_device = vae, torch.device("cpu")
