"""Networks: the half of a model family that runs it, with torch."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Protocol

import torch

from editor.diffusion.backend import Backend
from editor.diffusion.families.base import PartSpec
from editor.errors import ModelUnavailable
from editor.geometry import Size
from editor.models.info import ModelInfo
from editor.models.settings import OTHER_MODEL


class ModelFiles(Protocol):
    """The files of one model, in folders or in one checkpoint."""

    def network(self, spec: PartSpec, folder: Path, dtype: torch.dtype) -> Any:
        """A network with its weights. `folder`: that of its settings. Raises what libraries raise for files that do not fit, and `Damaged`."""

    def tokenizer(self, folder: Path) -> Any:
        """CLIP's tokenizer with the words of a folder."""


class Networks(ABC):
    """What makes a backend of a family's networks.

    classes: of its networks, by part
    decodes_in_slices: whether its decoder can take one picture, and one tile, at a time
    """

    classes: Mapping[str, Any]
    decodes_in_slices = True

    @abstractmethod
    def pipelines(self, info: ModelInfo, parts: Mapping[str, Any], files: ModelFiles, folder: Path) -> tuple[Any, ...]:
        """The pipelines of diffusers that a backend works on.

        parts: networks by name
        folder: that of the settings of all parts
        """

    @abstractmethod
    def backend(self, info: ModelInfo, pipelines: tuple[Any, ...]) -> Backend:
        """The model, ready to be lent."""

    @abstractmethod
    def evaluate(self, name: str, network: Any, cells: Size, batch: int) -> None:
        """Run a network once as a run does, on zeros on its device, so that its memory can be measured.

        name: of the part; a decoder decodes
        cells: size of the latents
        batch: pictures that a denoiser sees
        """

    def empty(self, name: str, settings: Mapping[str, Any]) -> Any:
        """A network of checked settings, its weights whatever they are made as."""
        network_class = self.classes[name]
        if hasattr(network_class, "from_config"):
            return network_class.from_config(settings)
        return network_class(network_class.config_class(**settings))

    def checkpoint(self, info: ModelInfo) -> ModelFiles:
        """A model in one file. Raises `ModelUnavailable`."""
        raise ModelUnavailable(f"“{info.name}” cannot be loaded from one file.", OTHER_MODEL)
