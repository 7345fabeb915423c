"""Finished edits for the tests of what lies outside the region, and how to see that a model was left alone."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from editor.diffusion.fits import FitStore
from editor.methods.blended_latent_diffusion.model.finishing import Finish
from editor.methods.blended_latent_diffusion.model.refinement import Learns, Refined, refined
from editor.methods.blended_latent_diffusion.settings import BlendedSettings
from editor.model_canvas.canvas import ModelCanvas
from editor.requests.edit_request import EditRequest, Repair, RepairRequest
from editor.requests.results import EditResult
from editor.requests.variants import Variant
from tests.support.blended_cases import encoded, region_of, settings, wish
from tests.support.pixels_cases import Model, picture
from tests.support.reports import drive

Image = NDArray[np.float32]


def networks(model: Model) -> list[Any]:
    backend: Any = model.backend
    pipeline = backend._decoder if hasattr(backend, "_decoder") else backend._pipeline
    return [component for component in pipeline.components.values() if isinstance(component, torch.nn.Module)]


@contextmanager
def untouched(model: Model) -> Iterator[None]:
    """Every number of the borrowed model, whether it wants gradients, its hooks and its decoded pictures are as before, bit for bit."""
    latents = torch.randn(1, 4, 8, 16, generator=torch.Generator().manual_seed(5))
    decoded = model.backend.decode(latents)
    before = [
        (parameter, parameter.detach().clone(), parameter.requires_grad)
        for net in networks(model)
        for parameter in net.parameters()
    ]
    modes = [
        (module, module.training, len(module._forward_hooks)) for net in networks(model) for module in net.modules()
    ]
    yield
    assert all(torch.equal(each, was) and each.requires_grad == wants for each, was, wants in before)
    assert all(each.grad is None for each, _, _ in before)
    assert all(each.training == was and len(each._forward_hooks) == hooks for each, was, hooks in modes)
    assert not any(getattr(each, "gradient_checkpointing", False) for each, _, _ in modes)
    assert (model.backend.decode(latents) == decoded).all()


@dataclass(frozen=True, eq=False)
class Scene:
    """An edit that has ended: the source's latents with others in the region."""

    model: Model
    request: EditRequest
    latents: torch.Tensor

    @classmethod
    def of(cls, model: Model, **told: Any) -> Scene:
        request = wish(told=settings(**told))
        region = region_of(request, model)
        other = encoded(replace(request, image=picture(9)), model)
        cells = torch.from_numpy(region.cells)[None, None]
        return cls(model, request, torch.where(cells, other, encoded(request, model))[0])

    @property
    def source(self) -> Image:
        return ModelCanvas.of(self.request.frame, self.model.backend.info).image(self.request.image)

    @property
    def region(self) -> NDArray[np.bool_]:
        return self.request.strength > 0

    def finish(self, fits: FitStore | None = None) -> Finish:
        assert isinstance(self.request.settings, BlendedSettings)
        return Finish.of(
            self.request, self.request.settings, region_of(self.request, self.model), self.model.backend, fits
        )

    @property
    def variant(self) -> Variant:
        return Variant(0, self.request)

    def finished(self) -> EditResult:
        return drive(self.finish().finished(self.latents, self.variant)).result

    def asked(self, how: Repair) -> RepairRequest:
        return RepairRequest(self.request, self.latents.numpy().copy(), how)

    def refined(self, learns: Learns, **more: Any) -> Refined:
        own = self.model.backend.own_decoder()
        return drive(refined(own, self.latents, self.source, self.region, learns, **more))
