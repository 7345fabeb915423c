"""JSON codec of frozen dataclasses: what their annotated fields say is what a file may hold, and the only declaration of it.

A field without a default must be there; null is taken where the field may be None. Fields of a file that the class does not have go into its
`unknown`, and out of it again. Reading raises `Malformed` with the name of the field that is missing or wrong.
"""

from __future__ import annotations

import dataclasses
import functools
import json
import re
import typing
from collections.abc import Callable, Mapping
from dataclasses import MISSING, dataclass
from pathlib import Path
from types import NoneType, UnionType
from typing import Any, Final, Generic, TypeVar

import numpy as np

from editor.document.tiles import Tiles
from editor.geometry import Rect
from editor.io.fields import Fields, Malformed
from editor.io.limits import MAX_OPAQUE_LENGTH, MAX_WORD_LENGTH, Mending, sensible_rect
from editor.io.planes import Planes, TileStore
from editor.requests.method_settings import MethodSettings, UnknownSettings
from editor.requests.opaque import NOTHING, Opaque
from editor.requests.settings_fields import Grid, HomePath, Label, Length, Range, declared_fields, unwrap

Json = Any
T = TypeVar("T")

UNKNOWN: Final = "unknown"  # the field of a class that keeps what it does not know
PLANE: Final = "plane"


@dataclass(frozen=True, slots=True)
class Reading:
    """What is needed while a file is read.

    planes: its pixels and maps
    shape: (rows, columns) of the document
    settings: settings classes by the names that recipes have for them
    mending: what had to be mended is added to it
    """

    planes: Planes
    shape: tuple[int, int]
    settings: Mapping[str, type[MethodSettings]]
    mending: Mending


Write = Callable[[Any, TileStore], Json]
Read = Callable[[Fields, str, Reading], Any]


@dataclass(frozen=True, slots=True)
class _Field:
    """One field: how its value is written and read. `needed`: whether a file must have it. `choices`: the words that it may be, if it is one."""

    name: str
    write: Write
    read: Read
    needed: bool
    choices: tuple[object, ...] = ()


class Codec(Generic[T]):
    """Values of one dataclass as JSON objects, and back."""

    def __init__(self, kind: type[T]) -> None:
        self.kind = kind
        declared = declared_fields(kind)
        # Settings that nobody sets by hand are not kept.
        self.fields = tuple(
            _field(field, base, extras)
            for field, base, extras in declared
            if field.name != UNKNOWN and (not issubclass(kind, MethodSettings) or Label in extras)
        )
        added = kind.added if issubclass(kind, MethodSettings) else frozenset()
        self._omitted = {field.name: field.default for field, _, _ in declared if field.name in added}
        self._keeps = any(field.name == UNKNOWN for field, _, _ in declared)
        names = frozenset(field.name for field in self.fields)
        self.names = names | {"method"} if "settings" in names else names

    def write(self, value: T, store: TileStore) -> dict[str, Json]:
        """The value as JSON; its pixels and maps go into the store."""
        held = write_opaque(getattr(value, UNKNOWN), store) if self._keeps else {}
        for field in self.fields:
            part = getattr(value, field.name)
            if field.name in self._omitted and part == self._omitted[field.name]:
                continue
            if isinstance(part, MethodSettings):
                held |= _write_settings(part, store)
            else:
                held[field.name] = field.write(part, store)
        return held

    def read(self, group: Fields, reading: Reading) -> T:
        values = {
            field.name: field.read(group, field.name, reading)
            for field in self.fields
            if field.needed or field.name in group.names
        }
        if self._keeps:
            values[UNKNOWN] = read_opaque(group.others(self.names), reading)
        try:
            return self.kind(**values)
        except Malformed:
            raise
        except ValueError as error:  # its parts are sound, but do not belong together
            raise group.torn() from error


def codec_of(kind: type[T]) -> Codec[T]:
    plain: type = kind
    codec: Codec[T] = _codec_of(plain)
    return codec


@functools.cache  # annotations take long to read, and a journal writes a document after every step
def _codec_of(kind: type) -> Codec[Any]:
    return Codec(kind)


# Opaque values


def write_opaque(value: Opaque, store: TileStore) -> dict[str, Json]:
    """The fields as they stood in the file, with the planes by their numbers in this one."""
    if not value:
        return {}
    numbers = [store.number(tiles) for tiles in value.planes]
    group: dict[str, Json] = _with_planes(json.loads(value.text), lambda place: numbers[place])
    return group


def read_opaque(group: Mapping[str, Json], reading: Reading) -> Opaque:
    """Fields that are to be kept unread, with the planes that they name. Raises `Malformed` where all of them together are far too long."""
    if not group:
        return NOTHING
    numbers: dict[int, int] = {}  # of planes, in the file -> the place here
    held = _with_planes(group, lambda number: numbers.setdefault(number, len(numbers)))
    text = json.dumps(held, allow_nan=False, sort_keys=True)  # equal text for what means the same
    reading.mending.unread += len(text)
    if reading.mending.unread > MAX_OPAQUE_LENGTH:
        raise Malformed("it holds too much that this version does not know")
    return Opaque(text, tuple(reading.planes.raw_tiles(number) for number in numbers))


def _with_planes(value: Json, number: Callable[[int], int]) -> Json:
    """A copy in which all planes have other numbers."""
    if isinstance(value, dict):
        if value.keys() == {PLANE} and type(value[PLANE]) is int:
            return {PLANE: number(value[PLANE])}
        return {name: _with_planes(entry, number) for name, entry in value.items()}
    return [_with_planes(entry, number) for entry in value] if isinstance(value, list) else value


# Settings


def _write_settings(settings: MethodSettings, store: TileStore) -> dict[str, Json]:
    if isinstance(settings, UnknownSettings):
        return {"method": settings.method, "settings": write_opaque(settings.fields, store)}
    return {"method": type(settings).__name__, "settings": codec_of(type(settings)).write(settings, store)}


def _read_settings(group: Fields, name: str, reading: Reading) -> MethodSettings:
    """The settings of a recipe, unknown ones where they say anything that their class does not know."""
    method = group.text("method", MAX_WORD_LENGTH)
    if not (method.isascii() and method.replace(".", "").replace("-", "").isidentifier()):
        raise group.wrong("method")
    values, kind = group.group(name), reading.settings.get(method)
    if kind is None or not _understood(kind, values):
        return UnknownSettings(method=method, fields=read_opaque(values.others(()), reading))
    return codec_of(kind).read(values, reading)


def _understood(kind: type[MethodSettings], values: Fields) -> bool:
    codec = codec_of(kind)
    others = values.others(codec.names)
    words = values.others(others)
    return all(name in kind.retired and kind.retired[name] == value for name, value in others.items()) and not any(
        field.choices and isinstance(words.get(field.name), str) and words[field.name] not in field.choices
        for field in codec.fields
    )


# Fields


def _field(declared: dataclasses.Field[Any], base: Any, extras: Mapping[type, Any]) -> _Field:
    optional = False
    if typing.get_origin(base) in (UnionType, typing.Union):
        inner = [argument for argument in typing.get_args(base) if argument is not NoneType]
        if len(inner) == 1:
            optional = True
            base, beside = unwrap(inner[0])
            extras = {type(extra): extra for extra in beside}
    write, read = _converter(base, extras)
    if optional:
        write, read = _optional(write, read)
    needed = declared.default is MISSING and declared.default_factory is MISSING
    choices = typing.get_args(base) if typing.get_origin(base) is typing.Literal else ()
    return _Field(declared.name, write, read, needed, choices)


def _optional(write: Write, read: Read) -> tuple[Write, Read]:
    return (
        lambda value, store: None if value is None else write(value, store),
        lambda group, name, reading: read(group, name, reading) if group.has(name) else None,
    )


def _converter(base: Any, extras: Mapping[type, Any]) -> tuple[Write, Read]:
    """How values of a type are written and read, within the limits that stand beside it."""
    limits: tuple[float, ...] = (extras[Range].low, extras[Range].high) if Range in extras else ()
    most: int | None = extras[Length].most if Length in extras else None
    origin, arguments = typing.get_origin(base), typing.get_args(base)
    if origin is typing.Literal:
        return _plain(str), functools.partial(_read_word, words=arguments)
    if Grid in extras:
        return functools.partial(_write_plane, grid=extras[Grid]), functools.partial(
            _read_plane, grid=extras[Grid], whole=base is not Tiles
        )
    if base is bool:
        return _plain(bool), lambda group, name, reading: group.flag(name)
    if base is int:
        return _plain(int), lambda group, name, reading: group.whole(name, *limits)
    if base is float:
        return _plain(float), lambda group, name, reading: group.number(name, *limits)
    if base is str and HomePath in extras:
        return (
            lambda value, store: _without_home(value),
            lambda group, name, reading: _with_home(_read_text(group, name, reading, most)),
        )
    if base is str:
        return _plain(str), lambda group, name, reading: _read_text(group, name, reading, most)
    if base is Rect:
        return lambda value, store: [int(edge) for edge in value], _read_rect
    if base == tuple[int, bool]:
        return (
            lambda value, store: {"id": int(value[0]), "visible": bool(value[1])},
            lambda group, name, reading: (group.whole("id"), group.flag("visible")),
        )
    if origin is tuple and arguments[1:] == (Ellipsis,):
        return _listed(*unwrap(arguments[0]), most)
    if isinstance(base, type) and issubclass(base, MethodSettings):
        return _write_settings, _read_settings
    if isinstance(base, type) and dataclasses.is_dataclass(base):
        codec: Codec[Any] = _codec_of(base)
        return codec.write, lambda group, name, reading: codec.read(group.group(name), reading)
    raise TypeError(f"{base} cannot be kept in a file")


def _plain(kind: Callable[[Any], Json]) -> Write:
    """Numpy's numbers and subclasses of text become plain ones."""
    return lambda value, store: kind(value)


def _listed(base: Any, extras: tuple[Any, ...], most: int | None) -> tuple[Write, Read]:
    write, read_one = _converter(base, {type(extra): extra for extra in extras})
    limits = next(((extra.low, extra.high) for extra in extras if isinstance(extra, Range)), ())

    def read(group: Fields, name: str, reading: Reading) -> tuple[Any, ...]:
        if base is int:
            return group.wholes(name, None, most, *limits)
        if isinstance(base, type) and dataclasses.is_dataclass(base):
            codec: Codec[Any] = _codec_of(base)
            return tuple(codec.read(entry, reading) for entry in group.groups(name, most))
        return tuple(read_one(entry, name, reading) for entry in group.groups(name, most))

    return lambda value, store: [write(entry, store) for entry in value], read


def _write_plane(value: Any, store: TileStore, grid: Grid) -> Json:
    number = store.number(value) if isinstance(value, Tiles) else store.number_of_array(value)
    return {PLANE: number} if grid.tagged else number


def _read_plane(group: Fields, name: str, reading: Reading, grid: Grid, *, whole: bool) -> Any:
    number = group.group(name).whole(PLANE) if grid.tagged else group.whole(name)
    tiles = reading.planes.tiles(number)
    size = tiles.shape[:2] if grid.own_size else reading.shape
    if tiles.dtype != np.dtype(grid.dtype) or tiles.shape != (*size, *([grid.channels] if grid.channels else [])):
        raise group.wrong(name)
    return reading.planes.array(number) if whole else tiles


def _read_word(group: Fields, name: str, reading: Reading, words: tuple[str, ...]) -> str:
    text = group.text(name, MAX_WORD_LENGTH)
    if text not in words:
        raise group.wrong(name)
    return text


def _read_text(group: Fields, name: str, reading: Reading, most: int | None) -> str:
    """Words, cut where they are too long."""
    text = group.text(name)
    if most is None or len(text) <= most:
        return text
    reading.mending.cut += 1
    return text[:most]


def _read_rect(group: Fields, name: str, reading: Reading) -> Rect:
    rect = Rect(*group.wholes(name, 4))
    if not sensible_rect(rect):
        raise group.wrong(name)
    return rect


_TILDE = re.compile(r"(\./)*~/")


def _without_home(path: str) -> str:
    home, held = Path.home(), Path(path)
    if path and held.is_relative_to(home):
        return f"~/{held.relative_to(home).as_posix()}"
    return f"./{path}" if _TILDE.match(path) else path  # what itself begins so stays what it is


def _with_home(path: str) -> str:
    if path.startswith("~/"):
        return str(Path.home() / path[2:])
    return path[2:] if _TILDE.match(path) else path
