"""Field declarations: limits and words of a value, written beside its field as `Annotated[..., Range(...), Label(...)]`.

Forms, the command line, the checks of requests, project files and journals (`editor.io.codec`) all read them there.
"""

from __future__ import annotations

import dataclasses
import functools
import typing
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Annotated, Any, Literal

from editor.errors import InvalidRequest


@dataclass(frozen=True, slots=True)
class Range:
    """Limits of a number, both included, with the unit people read and the step of a slider."""

    low: float
    high: float
    unit: str = ""
    step: float = 0.0


@dataclass(frozen=True, slots=True)
class Label:
    """The words a form shows for a field: its label, one explaining sentence, and the group it stands in."""

    label: str
    help: str = ""
    group: Literal["main", "quality", "randomness", "region", "expert"] = "main"


@dataclass(frozen=True, slots=True)
class Length:
    """Most characters of a text, or entries of a list, in a file; a longer text is cut, a longer list refused."""

    most: int


@dataclass(frozen=True, slots=True)
class Grid:
    """Element type of pixels or of a map, as a file keeps them.

    dtype: numpy's name of it
    channels: 0 for one number a pixel
    own_size: whether it has a size of its own, instead of the document's
    tagged: whether the file names it as `{"plane": number}`, as it does all that came after format 5
    """

    dtype: Literal["uint8", "float32", "int16"]
    channels: int = 0
    own_size: bool = False
    tagged: bool = False


@dataclass(frozen=True, slots=True)
class HomePath:
    """Marks a path that a file keeps without the name of the person, since projects are given to others."""


@dataclass(frozen=True, slots=True)
class FieldSpec:
    """One field of a settings class, as forms and the command line see it."""

    name: str
    label: str
    help: str
    group: str
    default: Any
    kind: Literal["bool", "int", "float", "str", "choice"]
    range: Range | None = None
    choices: tuple[str, ...] = field(default=())


def field_specs(settings: type) -> tuple[FieldSpec, ...]:
    """The fields of a settings dataclass with their limits and words, in order. Fields without `Label` are left out."""
    return _field_specs(settings)


@functools.cache  # the classes are few, and reading their annotations takes long enough to be felt after every stroke
def _field_specs(settings: type) -> tuple[FieldSpec, ...]:
    hints = typing.get_type_hints(settings, include_extras=True)
    found = []
    # What all methods have comes after a method's own.
    for each in sorted(dataclasses.fields(settings), key=lambda one: one.kw_only is True):
        base, extras = unwrap(hints[each.name])
        says = next((extra for extra in extras if isinstance(extra, Label)), None)
        if says is None:
            continue
        limits = next((extra for extra in extras if isinstance(extra, Range)), None)
        choices: tuple[str, ...] = ()
        kind: Literal["bool", "int", "float", "str", "choice"]
        if typing.get_origin(base) is Literal:
            kind, choices = "choice", tuple(str(choice) for choice in typing.get_args(base))
        elif base is bool:
            kind = "bool"
        elif base is int:
            kind = "int"
        elif base is float:
            kind = "float"
        else:
            kind = "str"
        found.append(FieldSpec(each.name, says.label, says.help, says.group, each.default, kind, limits, choices))
    return tuple(found)


def check_ranges(value: Any) -> None:
    """Check every annotated field of a dataclass instance. Raises `InvalidRequest` naming the field and its limits."""
    hints = typing.get_type_hints(type(value), include_extras=True)
    for each in dataclasses.fields(value):
        base, extras = unwrap(hints[each.name])
        held = getattr(value, each.name)
        says = next((extra.label for extra in extras if isinstance(extra, Label)), each.name.replace("_", " "))
        for extra in extras:
            if isinstance(extra, Range) and not extra.low <= held <= extra.high:
                raise InvalidRequest(
                    f"“{says}” is {held:g}; it must lie between {extra.low:g} and {extra.high:g} {extra.unit}".strip()
                    + "."
                )
        if typing.get_origin(base) is Literal and held not in typing.get_args(base):
            choices: Sequence[object] = typing.get_args(base)
            raise InvalidRequest(f"“{says}” is “{held}”; it must be one of {', '.join(map(str, choices))}.")


def unwrap(hint: Any) -> tuple[Any, tuple[Any, ...]]:
    """A type, and what is written beside it with `Annotated`."""
    if typing.get_origin(hint) is Annotated:
        base, *extras = typing.get_args(hint)
        return base, tuple(extras)
    return hint, ()
