"""Library: the models of this machine, found in the folders people name, among the files they added, and in the hub's cache."""

from __future__ import annotations

import logging
import os
import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from itertools import islice
from pathlib import Path

from editor.diffusion.families.base import Families
from editor.diffusion.families.registry import FAMILIES
from editor.errors import ModelUnavailable
from editor.models.headers import Damaged, read_header
from editor.models.info import ModelInfo, Prediction
from editor.models.inspect import inspect
from editor.models.places import INDEX, class_of, newest_snapshot
from editor.models.single_file import NotAModel, examine

log = logging.getLogger(__name__)

DEPTH = 3
ENTRIES = 20_000  # looked at in one folder and below: a home folder named by mistake must not hang the window
MODELS = 2000  # single files listed of one folder and below: the header of each is read
CHOOSE = "Choose another model, or add this one again."


def hub_cache() -> Path:
    """Where the hub's own client keeps what it downloads, by its environment variables."""
    for name in ("HF_HUB_CACHE", "HUGGINGFACE_HUB_CACHE"):
        if os.environ.get(name):
            return Path(os.environ[name]).expanduser()
    if os.environ.get("HF_HOME"):
        return Path(os.environ["HF_HOME"]).expanduser() / "hub"
    return Path(os.environ.get("XDG_CACHE_HOME") or "~/.cache").expanduser() / "huggingface" / "hub"


@dataclass(frozen=True, slots=True)
class Library:
    """Where models are looked for. `folders`: searched, three levels deep. `added`: single models, by path. `cache`: the hub's.

    `predictions`: what the network of a model predicts, by key, where its file does not say it and the rule guesses wrong. `ranker`: the model
    that the person chose for ranking variations (see `editor.models.rankers`), None for any. `families`: those that are known.
    """

    folders: tuple[Path, ...] = ()
    added: tuple[Path, ...] = ()
    cache: Path = field(default_factory=hub_cache)
    predictions: Mapping[str, Prediction] = field(default_factory=dict)
    ranker: Path | None = None
    families: Families = FAMILIES

    def models(self) -> tuple[ModelInfo, ...]:
        """What is there, by name, toys last, broken ones with their problem. Reads headers and small files only."""
        paths = {Path(os.path.abspath(path)): None for path in (*self.added, *self._found(), *self._cached())}
        infos = [self._inspect(path) for path in paths]
        used = {companion for info in infos for companion in info.family.companions(info.path)}
        named = set(map(os.path.abspath, self.added))
        listed = (info for info in infos if info.path not in used or info.key in named)
        return tuple(sorted(listed, key=lambda info: (info.toys, info.name.lower(), info.key)))

    def find(self, key: str) -> ModelInfo:
        """The model of a key (a path, or a hub id). Raises `ModelUnavailable` when it is gone or cannot be used."""
        path = self._resolve(key)
        if path is None:
            raise ModelUnavailable(f"The model “{Path(key).name[:80]}” is not there any more.", CHOOSE)
        info = self._inspect(path)
        if not info.usable:
            raise ModelUnavailable(info.problem, info.advice)
        return info

    def _inspect(self, path: Path) -> ModelInfo:
        return inspect(path, self.predictions.get(str(path)), self.families)

    def _resolve(self, key: str) -> Path | None:
        if not key or "\0" in key:
            return None
        if re.fullmatch(r"[\w.\-]+/[\w.\-]+", key):
            cached = newest_snapshot(self.cache / f"models--{key.replace('/', '--')}")
            if cached is not None:
                return cached
        path = Path(key)
        try:
            return path if path.is_absolute() and path.exists() else None
        except OSError:  # longer than a name may be
            return None

    def _found(self) -> Iterator[Path]:
        for folder in self.folders:
            yield from _search(folder, self.families)

    def _cached(self) -> Iterator[Path]:
        for snapshot in self.snapshots():
            yield from _search(snapshot, self.families, depth=0)

    def snapshots(self) -> Iterator[Path]:
        """The newest of every repository in the hub's cache."""
        for repository in _entries(self.cache):
            if repository.name.startswith("models--"):
                snapshot = newest_snapshot(Path(repository.path))
                if snapshot is not None:
                    yield snapshot


def walk(top: Path, families: Families = FAMILIES, depth: int = DEPTH) -> Iterator[tuple[Path, list[os.DirEntry[str]]]]:
    """A folder and those below it, each with what lies in it by name. Folders of a pipeline are not searched further; links that lead in
    circles end."""
    seen: set[str] = set()
    left = ENTRIES
    waiting = [(top, depth)]
    while waiting and left > 0:
        folder, below = waiting.pop()
        real = os.path.realpath(folder)
        if real in seen:
            continue
        seen.add(real)
        entries = _entries(folder, left)
        left -= len(entries)
        yield folder, entries
        if below and not is_pipeline(entries, families):
            # `isdir`, unlike the entry, never raises: links may lead to themselves
            inner = (entry for entry in entries if not entry.name.startswith(".") and os.path.isdir(entry.path))
            waiting += [(Path(entry.path), below - 1) for entry in inner]


def is_pipeline(entries: Iterable[os.DirEntry[str]], families: Families = FAMILIES) -> bool:
    """Whether a folder is that of a whole painting model, by what lies in it."""
    names = {entry.name for entry in entries}
    return INDEX in names or families.look_whole(names)


def _search(top: Path, families: Families, depth: int = DEPTH) -> Iterator[Path]:
    """Models in a folder and below it."""
    models = MODELS
    for folder, entries in walk(top, families, depth):
        if is_pipeline(entries, families):
            if not _stands_behind(folder, families):
                yield folder
            continue
        # What is no file, as a pipe or a link to nowhere, is not opened, nor listed: nobody means it as a model.
        files = (Path(entry.path) for entry in entries if not entry.name.startswith(".") and os.path.isfile(entry.path))
        for path in (file for file in files if _looks_like_model(file, families)):
            yield path
            models -= 1
            if models == 0:
                log.warning("More than %s models below %s: the rest is not listed", MODELS, top)
                return


def _stands_behind(half: Path, families: Families) -> bool:
    """Whether a folder is one half of a model of which the other lies around or beside it, and then stands for both in the list."""
    class_name = class_of(half)
    of = [family for family in families if class_name in family.halves]
    near = [half.parent, *(Path(entry.path) for entry in _entries(half.parent)[:200])] if of else []
    return any(class_of(place) in family.pipelines for family in of for place in near)


def _looks_like_model(path: Path, families: Families) -> bool:
    """Whether a file belongs into the list: add-ons and parts do not; whole models do, damaged and pickled ones with their problem."""
    suffix = path.suffix.lower()
    if suffix == ".ckpt":
        return True
    if suffix != ".safetensors":
        return False
    try:
        examine(read_header(path), path.stem, families)
    except NotAModel:
        return False
    except Damaged:
        return True
    return True


def _entries(folder: Path, most: int | None = None) -> list[os.DirEntry[str]]:
    try:
        with os.scandir(folder) as entries:
            return sorted(islice(entries, ENTRIES if most is None else most), key=lambda entry: entry.name)
    except OSError:
        return []
