"""Where models lie: folders of a hub's cache, names and classes of folders, without a look into their networks."""

from __future__ import annotations

import os
import re
from itertools import islice
from pathlib import Path

from editor.io.safe_json import read_start
from editor.models.headers import MAX_NAMES, Damaged, read_json

INDEX = "model_index.json"


def name_of(path: Path) -> str:
    """What people call the model at a path."""
    repository = hub_id(path)
    if repository:
        return repository.rpartition("/")[2]
    return path.stem if path.suffix.lower() == ".safetensors" else path.name


def hub_id(path: Path) -> str:
    """`org/name` for a snapshot in a hub cache, empty elsewhere."""
    if path.parent.name == "snapshots" and path.parent.parent.name.startswith("models--"):
        return path.parent.parent.name.removeprefix("models--").replace("--", "/", 1)
    return ""


def class_of(folder: Path) -> str:
    """The pipeline class that a diffusers folder names, empty where there is none."""
    try:
        entry = read_json(folder / INDEX).get("_class_name")
    except Damaged:
        return ""
    return entry if isinstance(entry, str) else ""


def newest_snapshot(repository: Path) -> Path | None:
    """The snapshot of a `models--org--name` folder that its `main` points at, else the newest."""
    snapshots = repository / "snapshots"
    try:
        text = read_start(repository / "refs" / "main", 64).decode("ascii", "replace").strip()
    except OSError:
        text = ""
    if re.fullmatch(r"[0-9a-f]{40}", text) and (snapshots / text).is_dir():
        return snapshots / text
    dated = [(_changed(path), path) for path in folders_in(snapshots)]
    return max(dated, default=(0.0, None))[1]


def folders_in(folder: Path) -> list[Path]:
    """Those in a folder, by name; of more than anybody keeps, some. Links that lead to themselves or nowhere are none."""
    try:
        with os.scandir(folder) as entries:
            return sorted(Path(entry.path) for entry in islice(entries, MAX_NAMES) if os.path.isdir(entry.path))
    except OSError:
        return []


def _changed(path: Path) -> float:
    try:
        return path.stat().st_mtime
    except OSError:  # gone meanwhile
        return 0.0
