"""Models that rank variations: CLIP, which tells how well a picture fits words. Found by their files; nothing is loaded here."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path

from editor.models.components import WHOLE_CLIP
from editor.models.headers import Damaged, find_weights, read_header, read_json
from editor.models.info import ModelInfo
from editor.models.library import Library, is_pipeline, walk
from editor.models.places import name_of
from editor.models.settings import FETCH_AGAIN, advice_on
from editor.models.staging import CONFIG, checked_settings

SUFFIX = "-clip"  # of the folder beside a model of toy scenes that ranks what it paints
WORD_LISTS = (("tokenizer.json",), ("vocab.json", "merges.txt"))
HALVES = ("logit_scale", "text_projection.weight", "visual_projection.weight")  # one half of CLIP has not all of them


@dataclass(frozen=True, slots=True)
class RankerInfo:
    """A CLIP model on the disk. `key`: its path as text. `parameters`: how many numbers it holds. `variant`: of its weight files, as in
    `model.fp16.safetensors`. `problem`: why it cannot be used, as a sentence, empty when it can; `advice`: what to do then.
    """

    key: str
    name: str
    path: Path
    parameters: int = 0
    variant: str = ""
    problem: str = ""
    advice: str = ""

    @property
    def usable(self) -> bool:
        return not self.problem


def inspect_ranker(path: Path) -> RankerInfo:
    """What lies in a folder, as a ranking model. Never raises for what lies there: the problem stands in the value."""
    path = Path(os.path.abspath(path))
    info = RankerInfo(str(path), name_of(path), path)
    if not is_clip(path):
        return replace(
            info,
            problem=f"“{info.name}” is not a CLIP model with both its halves, for pictures and for words.",
            advice="Choose a folder with config.json and model.safetensors of a CLIP model.",
        )
    try:
        checked_settings(path / CONFIG, WHOLE_CLIP)
        weights = find_weights(path)
        tensors = {name: tensor for file in weights.files for name, tensor in read_header(file).tensors.items()}
    except Damaged as error:
        return replace(info, problem=f"“{info.name}” cannot be used: {error}.", advice=advice_on(error))
    if not all(name in tensors for name in HALVES):
        return replace(info, problem=f"“{info.name}” is not complete: weights are missing.", advice=FETCH_AGAIN)
    if not any(all((path / name).is_file() for name in names) for names in WORD_LISTS):
        return replace(info, problem=f"“{info.name}” is not complete: its word list is missing.", advice=FETCH_AGAIN)
    return replace(info, parameters=sum(tensor.count for tensor in tensors.values()), variant=weights.variant)


def is_clip(folder: Path) -> bool:
    """Whether a folder says that it is a CLIP model with both halves; the text encoder of a painting model is not."""
    try:
        config = read_json(folder / CONFIG)
    except Damaged:
        return False
    halves = ("text_config", "vision_config")
    return config.get("model_type") == "clip" and all(isinstance(config.get(half), dict) for half in halves)


def rankers(library: Library) -> tuple[RankerInfo, ...]:
    """What is there for models of real pictures, usable ones first, then by name; the chosen one too, wherever it lies."""
    chosen = () if library.ranker is None else (library.ranker,)
    paths = dict.fromkeys(Path(os.path.abspath(path)) for path in (*chosen, *_found(library)))
    return tuple(
        sorted(map(inspect_ranker, paths), key=lambda ranker: (not ranker.usable, ranker.name.lower(), ranker.key))
    )


def ranker_of(library: Library, candidates: Iterable[RankerInfo]) -> RankerInfo | None:
    """Which of the `candidates` ranks: the chosen one, else the first that can be used."""
    usable = [ranker for ranker in candidates if ranker.usable]
    chosen = None if library.ranker is None else os.path.abspath(library.ranker)
    return next((ranker for ranker in usable if ranker.key == chosen), usable[0] if usable else None)


def ranker_for(library: Library, model: ModelInfo) -> RankerInfo | None:
    """What ranks the pictures of a model: what lies beside it where it knows toy scenes only, else as `ranker_of`. None: nothing can."""
    if model.toys:
        beside = inspect_ranker(model.path.with_name(model.path.name + SUFFIX))
        if beside.usable:
            return beside
    return ranker_of(library, rankers(library))


def _found(library: Library) -> Iterator[Path]:
    for top, deep in (
        *((folder, True) for folder in library.folders),
        *((snapshot, False) for snapshot in library.snapshots()),
    ):
        for folder, entries in walk(top, library.families, **({} if deep else {"depth": 0})):
            if (
                not is_pipeline(entries, library.families)
                and any(entry.name == CONFIG for entry in entries)
                and is_clip(folder)
            ):
                yield folder
