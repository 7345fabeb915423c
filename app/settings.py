"""Preferences and the window's memory: one small JSON file, read at the start and written when something changes."""

from __future__ import annotations

import json
import logging
import typing
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, fields, replace
from pathlib import Path
from typing import Any, Literal

from PySide6.QtCore import QObject, Signal

from app import preferences_file
from app.preferences_file import text
from editor.document.history import DEFAULT_BUDGET
from editor.errors import EditorError
from editor.io.encoding import KINDS, options_from
from editor.io.files import written_beside

log = logging.getLogger(__name__)

MAX_RECENT = 12
MIN_BUDGET = 256 * 1024**2
LEAST_AUTOSAVE, MOST_AUTOSAVE = 1024**3, 64 * 1024**3
MAX_BUDGET = 1024**4
MAX_LISTED = 1000


@dataclass(frozen=True, slots=True)
class Preferences:
    """`theme`: dark, light or as the system. `undo_budget`: bytes one document's history may hold. `geometry`: Qt's, base64.

    `folded`: names of the panels that are folded; `tab`: the one that is shown where there is room for one. `recent`: paths, the newest first.

    Models: `model_folder` is where downloads go, empty for the program's own place; `model_folders` are searched as well, `models` are
    single ones. `hub`: the address of a mirror, empty for the usual one. `model`: the key of the one in use. `ranker`: the folder of the one that
    ranks variations, empty for whichever is there. `method`: the settings class of the one that was used last, empty for quick fill.

    `export_kind`: the kind of file that was exported last, empty for none. `exports`: how, for each kind, as `ExportOptions` names it.

    `autosave`: whether open documents are kept in case the program ends unexpectedly; `autosave_limit`: bytes that this may take.

    `live_grows`: whether the part of the picture that live works on grows by itself where one paints beyond it.
    """

    theme: Literal["system", "dark", "light"] = "system"
    undo_budget: int = DEFAULT_BUDGET
    geometry: str = ""
    folded: tuple[str, ...] = ("brush",)  # the contextual bar has what is needed first
    tab: str = "layers"
    recent: tuple[str, ...] = ()
    model_folder: str = ""
    model_folders: tuple[str, ...] = ()
    models: tuple[str, ...] = ()
    hub: str = ""
    model: str = ""
    ranker: str = ""
    method: str = ""
    export_kind: str = ""
    exports: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    autosave: bool = True
    autosave_limit: int = 4 * 1024**3
    live_grows: bool = False


class Settings(QObject):
    """The preferences, kept in the file at `path`. `changed()` after every change.

    `trouble`: what the person should know about the reading, as a sentence and advice; None where all is well. What could not be read is set aside
    and not overwritten; what a newer version wrote and this one does not know is kept.
    """

    changed = Signal()

    def __init__(self, path: Path) -> None:
        super().__init__()
        self._path = path
        self.trouble: tuple[str, str] | None = None
        self._values, self._others = Preferences(), dict[str, object]()
        try:
            values = preferences_file.read(path)
        except preferences_file.Unreadable as error:
            log.warning("Preferences in %s cannot be read: %s", path, error)
            aside = preferences_file.set_aside(path)
            kept = "It stays where it is." if aside is None else f"The earlier file is kept as “{aside.name}”."
            self.trouble = "Your preferences could not be read, and begin anew.", kept
            self._writable = aside is not None
            return
        self._writable = True
        names = {field.name for field in fields(Preferences)}
        self._others = {name: value for name, value in values.items() if name not in names}
        self._values = _preferences(values)

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
        others = tuple(other for other in self._values.recent if other != name)
        self.set(recent=(name, *others)[:MAX_RECENT])

    def forget(self, path: Path) -> None:
        """A document that is gone leaves the list."""
        name = str(path.absolute())
        self.set(recent=tuple(other for other in self._values.recent if other != name))

    def _write(self) -> None:
        if not self._writable:  # something else lies there
            return
        said = json.dumps(
            {**self._others, **asdict(self._values)}, indent=1
        )  # in ASCII: names of files need not be text
        try:
            self._path.parent.mkdir(parents=True, exist_ok=True)
            with written_beside(self._path, lasting=False) as file:
                file.write(said.encode())
        except (OSError, EditorError) as error:
            log.warning("Preferences were not saved to %s: %s", self._path, error)


def _preferences(values: dict[str, object]) -> Preferences:
    """What was found, as far as it makes sense; the rest is as at the first start."""
    known = {field.name: values[field.name] for field in fields(Preferences) if field.name in values}
    return Preferences(**{name: value for name, raw in known.items() if (value := _sane(name, raw)) is not None})


def _sane(name: str, raw: Any) -> Any:
    """The value in the type it must have; None when it is of no use."""
    match name:
        case "theme":
            choices = typing.get_args(typing.get_type_hints(Preferences)["theme"])
            return raw if raw in choices else None
        case "undo_budget":
            whole = isinstance(raw, int) and not isinstance(raw, bool)
            return min(max(raw, MIN_BUDGET), MAX_BUDGET) if whole else None
        case "autosave" | "live_grows":
            return raw if isinstance(raw, bool) else None
        case "autosave_limit":
            whole = isinstance(raw, int) and not isinstance(raw, bool)
            return min(max(raw, LEAST_AUTOSAVE), MOST_AUTOSAVE) if whole else None
        case "export_kind":
            return raw if raw in KINDS else None
        case "exports":
            if not isinstance(raw, dict):
                return None
            return {kind: asdict(options_from(raw[kind])) for kind in KINDS if kind in raw}
        case "geometry" | "tab" | "model_folder" | "hub" | "model" | "ranker" | "method":
            return text(raw)
        case _:
            most = MAX_RECENT if name == "recent" else MAX_LISTED
            return tuple(entry for entry in raw if text(entry) is not None)[:most] if isinstance(raw, list) else None
