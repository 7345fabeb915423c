"""The settings of a model's networks: from its folder, or packaged for single files, which leave them out."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import resources
from editor.errors import ModelUnavailable
from editor.models.headers import Damaged, read_header, read_json
from editor.models.info import ModelInfo
from editor.models.inspect import FETCH_AGAIN, PRIOR_PARTS, find_prior
from editor.models.single_file import examine


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
        found = examine(read_header(info.path), info.path.stem)
    except Damaged as error:
        raise ModelUnavailable(f"“{info.name}” cannot be used any more: its file {error}.", FETCH_AGAIN) from error
    name = found.family
    if name == "stable-diffusion":
        with resources.model_settings("stable-diffusion-2" if found.second else "stable-diffusion-1") as folder:
            yield folder
        return
    with resources.model_settings(name) as folder:
        yield folder


def part_folder(info: ModelInfo, settings: Path, part: str) -> Path:
    """Where one part has its settings: most beside each other, those of a prior in its own folder."""
    if info.family == "kandinsky-2.2" and part in PRIOR_PARTS:
        prior = find_prior(info.path)
        if prior is None:
            raise ModelUnavailable(f"The prior of “{info.name}” is not there any more.", FETCH_AGAIN)
        return prior / part
    return settings / part


def part_settings(info: ModelInfo, part: str) -> dict[str, Any]:
    """What `config.json` of one part says. Raises `ModelUnavailable`."""
    with settings_folder(info) as settings:
        try:
            return read_json(part_folder(info, settings, part) / "config.json")
        except Damaged as error:
            raise ModelUnavailable(
                f"The settings of “{info.name}” ({part}): “config.json” {error}.", FETCH_AGAIN
            ) from error
