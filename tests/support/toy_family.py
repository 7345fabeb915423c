"""A model family from outside the packages, and tiny models of it. It knows one colour: whatever it is told, its network points at that."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import diffusers
import numpy as np
import torch
from diffusers.configuration_utils import ConfigMixin, register_to_config
from diffusers.models.modeling_utils import ModelMixin
from numpy.typing import NDArray
from torch.nn import functional

from editor.diffusion.backend import (
    Backend,
    Embeddings,
    ExtraTokens,
    GuidanceKind,
    Image,
    PicturePrompt,
    Tokens,
    Unconditional,
)
from editor.diffusion.decoders import OwnDecoder
from editor.diffusion.families.base import Family, PartSpec, Settings, Traits
from editor.diffusion.families.networks import BorrowedNetwork, from_network, to_network
from editor.diffusion.families.torch_half import ModelFiles, Networks
from editor.diffusion.loading import scheduler_of
from editor.diffusion.schedule import Schedule
from editor.diffusion.step import Step
from editor.geometry import Size
from editor.models.components import NetworkKind, whole
from editor.models.info import ModelInfo
from editor.models.model_folder import ModelFolder
from editor.models.settings import NotUnderstood, check_scheduler
from editor.requests.reports import Reports
from editor.requests.samplers import Sampler

CELL = 4
MOOD = "mood"


class Mixer(ModelMixin, ConfigMixin):  # type: ignore[misc]
    """The network: the same clean latents everywhere, `colour`, in -1 to 1."""

    @register_to_config  # type: ignore[untyped-decorator]
    def __init__(self, channels: int = 3) -> None:
        super().__init__()
        self.colour = torch.nn.Parameter(torch.zeros(channels))

    def forward(self, latents: torch.Tensor) -> torch.Tensor:
        return self.colour[None, :, None, None].expand_as(latents)


class Mosaic(ModelMixin, ConfigMixin):  # type: ignore[misc]
    """The autoencoder: means of squares, times `gain`."""

    @register_to_config  # type: ignore[untyped-decorator]
    def __init__(self, cell: int = CELL) -> None:
        super().__init__()
        self.gain = torch.nn.Parameter(torch.ones(1))

    def encode(self, planes: torch.Tensor) -> torch.Tensor:
        return functional.avg_pool2d(planes, self.config.cell) * self.gain

    def decode(self, latents: torch.Tensor) -> torch.Tensor:
        return functional.interpolate(latents / self.gain, scale_factor=self.config.cell)


class ToyPipeline(diffusers.DiffusionPipeline):  # type: ignore[misc]
    def __init__(self, mixer: Mixer, mosaic: Mosaic, scheduler: Any) -> None:
        super().__init__()
        self.register_modules(mixer=mixer, mosaic=mosaic, scheduler=scheduler)


class ToyFamily(Family):
    name = "toy"
    traits = Traits("Toy", "toys", 64, CELL, 0.5, 4, 1.0, 8)
    parts = (
        PartSpec("mixer", "mixer", NetworkKind({"channels": whole(1, 16)}, {"_class_name": "Mixer"}), "denoiser"),
        PartSpec("mosaic", "mosaic", NetworkKind({"cell": whole(1, 64)}, {"_class_name": "Mosaic"}), "decoder"),
    )
    pipelines = frozenset({"ToyPipeline"})

    def networks(self) -> Networks:
        return ToyNetworks()

    def check(self, settings: Mapping[str, Settings]) -> None:
        if settings["mosaic"].get("cell") != CELL:
            raise NotUnderstood("has squares of another size", "Choose one with squares of four pixels.")
        check_scheduler(settings["scheduler"])

    def cell(self, folder: ModelFolder) -> int:
        return CELL

    def native_side(self, denoiser: Settings, cell: int) -> int | None:
        return None


class ToyNetworks(Networks):
    classes: Mapping[str, Any] = {"mixer": Mixer, "mosaic": Mosaic}
    decodes_in_slices = False

    def pipelines(self, info: ModelInfo, parts: Mapping[str, Any], files: ModelFiles, folder: Path) -> tuple[Any, ...]:
        return (ToyPipeline(**parts, scheduler=scheduler_of(folder / "scheduler")),)

    def backend(self, info: ModelInfo, pipelines: tuple[Any, ...]) -> Backend:
        return ToyBackend(info, *pipelines)

    def evaluate(self, name: str, network: Any, cells: Size, batch: int) -> None:
        latents = torch.zeros(batch, 3, *cells.shape, device=network.device)
        if name == "mixer":
            network(latents)
        else:
            network.decode(latents)


class ToyBackend(BorrowedNetwork):
    def __init__(self, info: ModelInfo, pipeline: Any) -> None:
        self.info, self._pipeline = info, pipeline

    @property
    def _network(self) -> Any:
        return self._pipeline.mixer

    @property
    def device(self) -> torch.device:
        return torch.device(self._pipeline._execution_device)

    @property
    def guidance_kinds(self) -> frozenset[GuidanceKind]:
        return frozenset()

    @torch.no_grad()
    def encode(self, image: Image) -> torch.Tensor:
        latents: torch.Tensor = self._pipeline.mosaic.encode(to_network(image, self.device, torch.float32))
        return latents

    def sample(self, image: Image, generator: torch.Generator) -> torch.Tensor:
        return self.encode(image)

    @torch.no_grad()
    def decode(self, latents: torch.Tensor, *, clamp: bool = True) -> NDArray[np.float32]:
        return from_network(self._pipeline.mosaic.decode(latents), clamp=clamp)

    def own_decoder(self) -> OwnDecoder:
        raise NotImplementedError

    def tokenise(self, prompt: str) -> tuple[Tokens, ...]:
        return ()

    def encode_text(self, prompts: Sequence[str], canvas: Size, extra_tokens: ExtraTokens | None = None) -> Embeddings:
        return Embeddings(None, {MOOD: torch.zeros(len(prompts), 1)})

    def unconditional(self, kind: Unconditional, canvas: Size) -> Embeddings:
        return self.encode_text(("",), canvas)

    def embed(
        self,
        prompt: str,
        negative_prompt: str,
        canvas: Size,
        pictures: Sequence[PicturePrompt] = (),
        picture_share: float = 0.0,
        *,
        seed: int = 0,
    ) -> Reports[tuple[Embeddings, Embeddings]]:
        yield from ()
        return self.encode_text((prompt,), canvas), self.encode_text((negative_prompt,), canvas)

    @torch.no_grad()
    def predict(self, latents: torch.Tensor, step: Step, embeddings: Embeddings) -> torch.Tensor:
        clean: torch.Tensor = self._network(latents)
        return clean

    def schedule(
        self,
        steps: int,
        strength: float = 1.0,
        sampler: Sampler = "",
        first: int | None = None,
        canvas: Size | None = None,
        *,
        finer: Sequence[int] = (),
    ) -> Schedule:
        own = self._pipeline.scheduler
        return Schedule(
            own, sampler=sampler, steps=steps, strength=strength, first=first, device=self.device, finer=finer
        )


def toy_model(folder: Path, colour: tuple[int, int, int]) -> Path:
    """A model that knows this colour, 0 to 255. Returns the folder."""
    mixer = Mixer()
    with torch.no_grad():
        mixer.colour.copy_(torch.tensor(colour) / 127.5 - 1)
    scheduler = diffusers.DDIMScheduler(prediction_type="sample", clip_sample=False, steps_offset=1)
    ToyPipeline(mixer, Mosaic(), scheduler).save_pretrained(folder)
    return folder
