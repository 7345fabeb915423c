"""What the tests of Blended Latent Diffusion are played on, beside what they share with those of PIXELS."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from editor.diffusion.backend import Backend, Embeddings
from editor.diffusion.noise import Noise
from editor.diffusion.step import Step
from editor.document.compose import flatten
from editor.document.document import Document
from editor.edits.apply import apply_result
from editor.geometry import Size
from editor.methods.blended_latent_diffusion.model import editing, reference
from editor.methods.blended_latent_diffusion.model.refinement import Learns
from editor.methods.blended_latent_diffusion.model.starting import Region
from editor.methods.blended_latent_diffusion.reference import ReferenceBlendedSettings
from editor.methods.blended_latent_diffusion.settings import BlendedSettings
from editor.model_canvas.canvas import ModelCanvas
from editor.requests.edit_request import EditRequest, Repair
from editor.requests.reports import Report, ResultReady
from editor.requests.results import EditResult
from editor.requests.variants import variants_of
from tests.support.pixels_cases import CELLS, Map, Model, Pixels, Recorded, ask, cells, picture
from tests.support.reports import drive

REGION = np.zeros(CELLS, np.float32)
REGION[2:7, 3:9] = 1
REGION[1, 12:14] = 1


HOWS: tuple[Repair, ...] = ("poisson", "decoder", "latents")
LEARNS: tuple[Learns, ...] = ("decoder", "latents")


def settings(**more: Any) -> BlendedSettings:
    """Of ours, or with `rule` of a published one."""
    values = {"match_tone": "off", "thin": "off", **more}
    if values.get("rule", "canonical") != "canonical":
        return ReferenceBlendedSettings(**values)
    return BlendedSettings(**{name: value for name, value in values.items() if name not in ("rule", "pixel_blending")})


def made_by(request: EditRequest) -> Any:
    """The module that makes the edit: ours, or that of the published rules."""
    return reference if isinstance(request.settings, ReferenceBlendedSettings) else editing


def wish(region: Map | None = None, told: BlendedSettings | None = None, **more: Any) -> EditRequest:
    """`region`: (H, W) of pixels; the one above unless said."""
    return ask(cells(REGION) if region is None else region, settings=told or settings(), **more)


def final(result: EditResult) -> torch.Tensor:
    """(1, C, h, w), the latents that an edit ended with."""
    assert result.latents is not None
    return torch.from_numpy(np.array(result.latents))[None]


def run(request: EditRequest, model: Model | Backend) -> tuple[EditResult, torch.Tensor, Recorded]:
    recorded = Recorded(model.backend if isinstance(model, Model) else model)
    result = drive(made_by(request).edit(request, recorded))
    return result, final(result), recorded


def candidates(
    request: EditRequest, seeds: Sequence[int], model: Model, seen: list[Report] | None = None
) -> tuple[EditResult, ...]:
    return drive(made_by(request).edit_batch(variants_of(request, seeds), model.backend), seen=seen)


def found_of(reports: Sequence[Report]) -> list[EditResult]:
    return [report.result for report in reports if isinstance(report, ResultReady)]


def encoded(request: EditRequest, model: Model) -> torch.Tensor:
    working = ModelCanvas.of(request.frame, model.backend.info)
    return model.backend.encode(working.image(request.image))


def region_of(request: EditRequest, model: Model) -> Region:
    assert isinstance(request.settings, BlendedSettings)
    return Region.of(request, request.settings, ModelCanvas.of(request.frame, model.backend.info))


def keyed(seed: int, name: str) -> torch.Generator:
    """The stream of a purpose, or, as "purpose@7", of one step of it; as its rule is written down, not as it is computed."""
    digest = hashlib.blake2b(f"{name}:{seed}".encode(), digest_size=8).digest()
    return torch.Generator().manual_seed(int.from_bytes(digest, "little") >> 1)


def step_draws(seed: int, steps: Sequence[int], grid: tuple[int, int] = CELLS) -> list[torch.Tensor]:
    """What `noise="fresh"` draws for its blends before these steps, by their absolute index."""
    return [torch.randn(1, 4, *grid, generator=keyed(seed, f"blend@{i}")) for i in steps]


def draws(seeds: Sequence[int], count: int, grid: tuple[int, int] = CELLS) -> list[torch.Tensor]:
    """What the published rules draw for their blends, and recipes of revision 2 with `noise="fresh"`."""
    draw = Noise(seeds).stream(torch.zeros(1, 4, *grid), "blend")
    return [draw() for _ in range(count)]


def as_map(values: NDArray[Any]) -> torch.Tensor:
    return torch.from_numpy(np.asarray(values, np.float32))[None, None]


@dataclass(eq=False)
class Wishful:
    """A model whose network always points at `target`, (1, C, h, w), whatever it is told; guidance changes nothing about that.

    What it sees is alpha z + sigma e with alpha^2 + sigma^2 = 1, for Euler as well, so one formula does.
    """

    backend: Backend
    target: torch.Tensor
    calls: list[int] = field(default_factory=list)

    def predict(self, latents: torch.Tensor, step: Step, embeddings: Embeddings) -> torch.Tensor:
        self.calls.append(int(step.t))
        betas = torch.linspace(0.00085**0.5, 0.012**0.5, 1000, dtype=torch.float64) ** 2
        kept = torch.cumprod(1 - betas, 0)[int(step.t)]
        return ((latents - kept**0.5 * self.target) / (1 - kept) ** 0.5).float()

    def __getattr__(self, name: str) -> Any:
        return getattr(self.backend, name)


def shown(request: EditRequest, result: EditResult) -> Pixels:
    """The frame's part of the document after the edit, through the same functions as in the program; around it nothing may move."""
    rect = request.frame.rect
    size = Size(rect.right + 9, rect.bottom + 7)
    whole = picture(77, size)
    whole[rect.slices] = request.image
    document = Document.of_picture(np.dstack([whole, np.full(size.shape, 255, np.uint8)]))
    after = flatten(apply_result(document, result, document)[1])[..., :3]
    outside = np.ones(size.shape, bool)
    outside[rect.slices] = request.strength == 0
    assert (after[outside] == whole[outside]).all()
    return np.ascontiguousarray(after[rect.slices])
