"""Preferences and the window's memory: one small JSON file, read at the start and written when something changes."""

from __future__ import annotations

import contextlib
import json
import logging
import os
import typing
from dataclasses import asdict, dataclass, fields, replace
from pathlib import Path
from typing import Any, Literal

from PySide6.QtCore import QObject, Signal

from editor.history import DEFAULT_BUDGET

log = logging.getLogger(__name__)

MOST_RECENT = 12
LEAST_BUDGET = 256 * 1024**2
LEAST_AUTOSAVE, MOST_AUTOSAVE = 1024**3, 64 * 1024**3


@dataclass(frozen=True, slots=True)
class Preferences:
    """`theme`: dark, light or as the system. `undo_budget`: bytes one document's history may hold. `geometry`: Qt's, base64.

    `folded`: names of the panels that are folded. `recent`: paths, the newest first.

    Models: `model_folder` is where downloads go, empty for the program's own place; `model_folders` are searched as well, `models` are
    single ones. `hub`: the address of a mirror, empty for the usual one. `model`: the key of the one in use. `ranker`: the folder of the one that
    ranks variations, empty for whichever is there. `method`: the settings class of the one that was used last, empty for quick fill.

    `autosave`: whether open documents are kept in case the program ends unexpectedly; `autosave_limit`: bytes that this may take.
    """

    theme: Literal["system", "dark", "light"] = "system"
    undo_budget: int = DEFAULT_BUDGET
    geometry: str = ""
    folded: tuple[str, ...] = ("brush",)  # the contextual bar has what is needed first
    recent: tuple[str, ...] = ()
    model_folder: str = ""
    model_folders: tuple[str, ...] = ()
    models: tuple[str, ...] = ()
    hub: str = ""
    model: str = ""
    ranker: str = ""
    method: str = ""
    autosave: bool = True
    autosave_limit: int = 4 * 1024**3


class Settings(QObject):
    """The preferences, kept in the file at `path`. `changed()` after every change."""

    changed = Signal()

    def __init__(self, path: Path) -> None:
        super().__init__()
        self._path = path
        self._values = _read(path)

    @property
    def values(self) -> Preferences:
        return self._values

    def set(self, **changes: Any) -> None:
        """Replace some preferences and write the file. A file that cannot be written costs a log entry, nothing else."""
        values = replace(self._values, **changes)
        if values == self._values:
            return
        self._values = values
        self._write()
        self.changed.emit()

    def opened(self, path: Path) -> None:
        """Remember a document as the newest."""
        name = str(path.absolute())
        others = tuple(each for each in self._values.recent if each != name)
        self.set(recent=(name, *others)[:MOST_RECENT])

    def forget(self, path: Path) -> None:
        """A document that is gone leaves the list."""
        name = str(path.absolute())
        self.set(recent=tuple(each for each in self._values.recent if each != name))

    def _write(self) -> None:
        beside = self._path.with_name(self._path.name + ".new")
        try:
            self._path.parent.mkdir(parents=True, exist_ok=True)
            beside.write_text(json.dumps(asdict(self._values), indent=1, ensure_ascii=False), encoding="utf-8")
            os.replace(beside, self._path)
        except OSError as error:
            log.warning("Preferences were not saved to %s: %s", self._path, error)
            with contextlib.suppress(OSError):
                beside.unlink(missing_ok=True)


def _read(path: Path) -> Preferences:
    """What the file says, as far as it makes sense; the rest is as at the first start."""
    try:
        found = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        return Preferences()
    except (OSError, ValueError) as error:
        log.warning("Preferences in %s cannot be read: %s", path, error)
        return Preferences()
    if not isinstance(found, dict):
        return Preferences()
    known = {each.name: found[each.name] for each in fields(Preferences) if each.name in found}
    return Preferences(**{name: value for name, raw in known.items() if (value := _sane(name, raw)) is not None})


def _sane(name: str, raw: Any) -> Any:
    """The value in the type it must have; None when it is of no use."""
    match name:
        case "theme":
            choices = typing.get_args(typing.get_type_hints(Preferences)["theme"])
            return raw if raw in choices else None
        case "undo_budget":
            return max(raw, LEAST_BUDGET) if isinstance(raw, int) and not isinstance(raw, bool) else None
        case "autosave":
            return raw if isinstance(raw, bool) else None
        case "autosave_limit":
            whole = isinstance(raw, int) and not isinstance(raw, bool)
            return min(max(raw, LEAST_AUTOSAVE), MOST_AUTOSAVE) if whole else None
        case "geometry" | "model_folder" | "hub" | "model" | "ranker" | "method":
            return raw if isinstance(raw, str) else None
        case _:
            return tuple(each for each in raw if isinstance(each, str)) if isinstance(raw, list) else None
