"""Opaque values: what another version of the program wrote and this one does not know, kept unread and saved again."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from editor.document.tiles import Tiles


@dataclass(frozen=True, slots=True)
class Opaque:
    """A group of fields that nobody here reads.

    text: a JSON object as text; empty for no fields
    planes: pixels and maps that it names, each by its place here as `{"plane": place}`
    """

    text: str = ""
    planes: tuple[Tiles, ...] = ()

    def __bool__(self) -> bool:
        return bool(self.text)


NOTHING: Final = Opaque()
