"""ModelFolder: a diffusers folder as families look at it. Reads small files and headers only, and trusts none of them."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from editor.diffusion.families.base import PartSpec
from editor.models.components import NOISE_SCHEDULER, NetworkKind, cleaned
from editor.models.headers import Damaged, Tensor, find_weights, read_header, read_json
from editor.models.info import ModelInfo, Part
from editor.models.settings import FETCH_AGAIN, OTHER_MODEL, NotUnderstood, advice_on
from editor.models.single_file import part_of

CONFIG, SCHEDULER_CONFIG, PROCESSOR_CONFIG = "config.json", "scheduler_config.json", "preprocessor_config.json"
# What lies beside the networks, for people.
LABELS = {
    "tokenizer": "tokenizer",
    "tokenizer_2": "second tokenizer",
    "tokenizer_3": "third tokenizer",
    "image_processor": "image processor",
    "scheduler": "scheduler",
}


class Refused(Exception):
    """A model that cannot be used. `problem` and `advice` are sentences; `so_far`: what is known of it."""

    def __init__(self, problem: str, advice: str, so_far: ModelInfo | None = None) -> None:
        super().__init__(problem)
        self.problem, self.advice, self.so_far = problem, advice, so_far


@dataclass(slots=True)
class ModelFolder:
    """One folder, and what is known so far of the model in it. All methods raise `Refused`."""

    path: Path
    info: ModelInfo

    def refused(self, problem: str, advice: str) -> Refused:
        """What to raise, with what is known so far."""
        return Refused(problem, advice, self.info)

    def config(self, spec: PartSpec, folder: Path | None = None) -> dict[str, Any]:
        """What `config.json` of a part says. `folder`: that of the part, where it is not in this one."""
        return self.json(folder or self.path / spec.name, spec.label, CONFIG)

    def scheduler(self) -> dict[str, Any]:
        """What the scheduler's settings say."""
        return self.json(self.path / "scheduler", LABELS["scheduler"], SCHEDULER_CONFIG)

    def checked_scheduler(self, folder: Path | None = None) -> None:
        """See whether the scheduler's settings are within range."""
        self.checked(folder or self.path / "scheduler", LABELS["scheduler"], SCHEDULER_CONFIG, NOISE_SCHEDULER)

    def json(self, folder: Path, label: str, file: str) -> dict[str, Any]:
        """What a file of settings says. `label`: of the part, for people."""
        if not folder.is_dir():
            raise self.refused(
                f"“{self.info.name}” has no {label}: the folder “{folder.name}” is missing.", FETCH_AGAIN
            )
        try:
            return read_json(folder / file)
        except Damaged as error:
            problem = f"The {label} of “{self.info.name}” is not complete: “{file}” {error}."
            raise self.refused(problem, FETCH_AGAIN) from error

    def checked(self, folder: Path, label: str, file: str, kind: NetworkKind) -> None:
        """See whether settings are within what a library can be told."""
        settings = self.json(folder, label, file)
        try:
            cleaned(kind, settings)
        except Damaged as error:
            problem = f"The {label} of “{self.info.name}” cannot be used: “{file}” {error}."
            raise self.refused(problem, OTHER_MODEL) from error

    def cell(self, decoder: PartSpec) -> int:
        """Pixels per latent cell, by the levels of the autoencoder."""
        levels = self.config(decoder).get("block_out_channels")
        if not isinstance(levels, list) or not 1 <= len(levels) <= 8:
            problem = f"The {decoder.label} of “{self.info.name}” is not complete: “{CONFIG}” does not list its levels."
            raise self.refused(problem, FETCH_AGAIN)
        return int(2 ** (len(levels) - 1))

    def part(self, folder: Path, spec: PartSpec) -> Part:
        """A network with its weights, after a look at its settings and at the headers of its files."""
        name, label = self.info.name, spec.label
        class_name = self.config(spec, folder).get("_class_name")
        if class_name is not None and spec.kind.class_name not in ("", class_name):
            raise self.refused(f"The {label} of “{name}” is of another kind ({str(class_name)[:60]}).", OTHER_MODEL)
        self.checked(folder, label, CONFIG, spec.kind)
        said = f"The {label} of “{name}” cannot be used"
        try:
            weights = find_weights(folder)
        except Damaged as error:
            raise self.refused(f"{said}: {error}.", advice_on(error)) from error
        tensors: list[Tensor] = []
        for file in weights.files:
            try:
                tensors += read_header(file).tensors.values()
            except Damaged as error:
                raise self.refused(f"{said}: “{file.name}” {error}.", FETCH_AGAIN) from error
        try:
            return part_of(spec.name, tuple(tensors))
        except NotUnderstood as error:
            raise self.refused(f"{said}: it {error}.", error.advice) from error
        except Damaged as error:
            raise self.refused(f"{said}: it {error}.", OTHER_MODEL) from error

    def check_tokenizer(self, folder: Path, name: str, files: tuple[tuple[str, ...], ...] = ()) -> None:
        """See whether a word list is there. `files`: sets of names, of which one must be whole; by default those of CLIP."""
        label = LABELS.get(name, name)
        if not (folder / name).is_dir():
            raise self.refused(f"“{self.info.name}” has no {label}: the folder “{name}” is missing.", FETCH_AGAIN)
        sets = files or (("vocab.json", "merges.txt"), ("tokenizer.json",))
        if not any(all((folder / name / file).is_file() for file in set_) for set_ in sets):
            problem = f"The {label} of “{self.info.name}” is not complete: its word list is missing."
            raise self.refused(problem, FETCH_AGAIN)
