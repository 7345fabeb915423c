"""The settings of a model's networks: from its folder, or packaged for single files, which leave them out."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import resources
from editor.diffusion.families.base import PartSpec
from editor.errors import ModelUnavailable
from editor.models.components import cleaned
from editor.models.headers import Damaged, read_header, read_json
from editor.models.info import ModelInfo
from editor.models.settings import FETCH_AGAIN


def single_file(info: ModelInfo) -> bool:
    """Whether the whole model lies in one file."""
    return info.path.suffix.lower() == ".safetensors" and not info.path.is_dir()


@contextmanager
def settings_folder(info: ModelInfo) -> Iterator[Path]:
    """A folder with the settings of every part. Raises `ModelUnavailable` when the model is gone."""
    if not single_file(info):
        yield info.path
        return
    try:
        name = info.family.packaged(read_header(info.path), info.path.stem)
    except Damaged as error:
        raise ModelUnavailable(f"“{info.name}” cannot be used any more: its file {error}.", FETCH_AGAIN) from error
    with resources.model_settings(name) as folder:
        yield folder


def part_settings(info: ModelInfo, spec: PartSpec) -> dict[str, Any]:
    """What `config.json` of one part says, as far as it may reach a library. Raises `ModelUnavailable`."""
    with settings_folder(info) as settings:
        try:
            return cleaned(spec.kind, read_json(info.family.place(info, settings, spec.name) / "config.json"))
        except Damaged as error:
            problem = f"The settings of “{info.name}” ({spec.label}): “config.json” {error}."
            raise ModelUnavailable(problem, FETCH_AGAIN) from error
