"""What the tests of PIXELS are played on: tiny models that remember what they were asked, requests, and a driver."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, TypeVar

import numpy as np
import torch
from numpy.typing import NDArray

from editor.diffusion.backend import Backend, Embeddings
from editor.diffusion.loading import load
from editor.diffusion.noise import Noise
from editor.diffusion.step import Step
from editor.geometry import Rect, Size
from editor.methods.pixels.model import editing, reference
from editor.methods.pixels.reference import ReferencePixelsSettings
from editor.methods.pixels.settings import PixelsSettings
from editor.models.inspect import inspect
from editor.models.memory import Fit, Plan
from editor.requests.edit_request import EditRequest, ExemplarInput
from editor.requests.frame import Frame
from editor.requests.results import EditResult
from editor.requests.variants import variants_of
from tests.support.reports import drive

T = TypeVar("T")
Map = NDArray[np.float32]
Pixels = NDArray[np.uint8]

MODELS = ("sd", "sd_v", "sdxl", "refiner", "kandinsky")
SIDE = Size(128, 64)  # not square; Kandinsky's multiple
CELLS = (SIDE.height // 8, SIDE.width // 8)
PROMPT, NEGATIVE = "red boat", "wood"
SEED = 11


@dataclass(frozen=True, slots=True, eq=False)
class Model:
    folder: Path
    backend: Backend

    @classmethod
    def of(cls, folder: Path, native: int | None = None) -> Model:
        """Tiny as its networks are, it counts as made for its family's usual size unless another is said: lengths in pixels mean what they say."""
        info = inspect(folder)
        assert info.usable, info.problem
        info = replace(info, native=info.traits.native if native is None else native)
        return cls(folder, drive(load(info, Fit(Plan("cpu", "float32", "float32"), 0, 0))))


@dataclass(eq=False)
class Recorded:
    """A backend that remembers what its network was given and what it had to decode."""

    backend: Backend
    inputs: list[torch.Tensor] = field(default_factory=list)
    times: list[int] = field(default_factory=list)
    told: list[Embeddings] = field(default_factory=list)
    decoded: list[torch.Tensor] = field(default_factory=list)

    def predict(self, latents: torch.Tensor, step: Step, embeddings: Embeddings) -> torch.Tensor:
        self.inputs.append(latents.clone())
        self.times.append(int(step.t))
        self.told.append(embeddings)
        return self.backend.predict(latents, step, embeddings)

    def decode(self, latents: torch.Tensor, *, clamp: bool = True) -> NDArray[np.float32]:
        self.decoded.append(latents.clone())
        return self.backend.decode(latents, clamp=clamp)

    def __getattr__(self, name: str) -> Any:
        return getattr(self.backend, name)


def by_rule(rule: str = "hold", **more: Any) -> PixelsSettings:
    """Settings of ours, "hold", or of a published rule."""
    return PixelsSettings(**more) if rule == "hold" else ReferencePixelsSettings(**{"rule": rule, **more})


def made_by(request: EditRequest) -> Any:
    """The module that makes the edit: ours, or that of the published rules."""
    return reference if isinstance(request.settings, ReferencePixelsSettings) else editing


def run(request: EditRequest, model: Model) -> tuple[EditResult, torch.Tensor, Recorded]:
    """The result, the final latents of the last pass, and all that the model was asked."""
    recorded = Recorded(model.backend)
    result = drive(made_by(request).edit(request, recorded))
    return result, recorded.decoded[-1], recorded


def latents_of(request: EditRequest, model: Model) -> torch.Tensor:
    return run(request, model)[1]


def batch_of(request: EditRequest, seeds: Sequence[int], model: Model) -> tuple[tuple[EditResult, ...], torch.Tensor]:
    recorded = Recorded(model.backend)
    results = drive(made_by(request).edit_batch(variants_of(request, seeds), recorded))
    return results, torch.cat(recorded.decoded)


def picture(seed: int, size: Size = SIDE) -> Pixels:
    """Smooth enough to be a picture, with some grain."""
    random = np.random.default_rng(seed)
    rows, columns = np.indices(size.shape)
    waves = [np.sin(rows / random.uniform(4, 15) + columns / random.uniform(4, 15) + k) for k in range(3)]
    noise = random.normal(0, 6, (*size.shape, 3))
    return np.clip(128 + 90 * np.stack(waves, -1) + noise, 0, 255).astype(np.uint8)


def cells(values: NDArray[Any]) -> Map:
    """(h, w) one value for each latent cell -> the map in pixels."""
    return np.ascontiguousarray(values.repeat(8, 0).repeat(8, 1), np.float32)


def greys(seed: int, steps: int) -> Map:
    """A map of all kinds of values: whole multiples of 1 / steps, others, and both ends; the greatest is 1."""
    random = np.random.default_rng(seed)
    found = np.where(random.random(CELLS) < 0.5, random.integers(0, steps + 1, CELLS) / steps, random.random(CELLS))
    found[:2, :3], found[2:4, :3] = 0, 1
    return cells(found)


def exemplar(seed: int, alpha: Map | None = None, **more: Any) -> ExemplarInput:
    """One that covers everything, or `alpha`."""
    alpha = np.ones(SIDE.shape, np.float32) if alpha is None else alpha
    shape = alpha.shape
    values: dict[str, Any] = {
        "name": f"Exemplar {seed}",
        "pixels": picture(seed, Size(shape[1], shape[0])),
        "alpha": alpha,
        "strength": np.ones(shape, np.float32),
        "fidelity": np.zeros(shape, np.float32),
        "rim": alpha.copy(),
    }
    return ExemplarInput(**{**values, **more})


def ask(strength: Map | None = None, *exemplars: ExemplarInput, settings: Any = None, **more: Any) -> EditRequest:
    size = Size(strength.shape[1], strength.shape[0]) if strength is not None else SIDE
    values: dict[str, Any] = {
        "image": picture(1, size),
        "strength": np.ones(size.shape, np.float32) if strength is None else strength,
        "frame": Frame.full_size(Rect.at(0, 0, *size)),
        "settings": settings or PixelsSettings(match_tone="off"),
        "seed": SEED,
        "exemplars": exemplars,
        "prompt": PROMPT,
        "negative_prompt": NEGATIVE,
        "steps": 5,
        "guidance_scale": 4.0,
    }
    return EditRequest(**{**values, **more})


def noise(seed: int, purpose: Any = "start", size: Size = SIDE) -> torch.Tensor:
    return Noise([seed]).like(torch.zeros(1, 4, size.height // 8, size.width // 8), purpose)
