"""Checked fields of untrusted JSON: each value is asked for by name and kind, and a wrong one says where it stands."""

from __future__ import annotations

import math
from collections.abc import Container, Mapping
from typing import Any

MAX_WHOLE = 2**64


class Malformed(ValueError):
    """The file does not hold what it should; the text says what and where, in a few words."""


class Fields:
    """One JSON object. `where`: what it is, for the message. Every method raises `Malformed` for a missing or wrong value."""

    def __init__(self, value: object, where: str) -> None:
        if not isinstance(value, dict):
            raise Malformed(f"{where} is not a group of fields")
        self._held = value
        self._where = where

    @property
    def names(self) -> frozenset[str]:
        return frozenset(self._held)

    def others(self, known: Container[str]) -> Mapping[str, Any]:
        """The fields of other names, as they are."""
        return {name: value for name, value in self._held.items() if name not in known}

    def replaced(self, name: str, value: object) -> Fields:
        """The same group with another value of one field."""
        return Fields({**self._held, name: value}, self._where)

    def has(self, name: str) -> bool:
        """Whether the field is there and says anything."""
        return self._held.get(name) is not None

    @property
    def all(self) -> dict[str, object]:
        """Everything in it, unread."""
        return dict(self._held)

    def value(self, name: str) -> object:
        """Whatever stands there."""
        return self._get(name)

    def whole(self, name: str, low: float = -MAX_WHOLE, high: float = MAX_WHOLE) -> int:
        """A whole number between `low` and `high`, both included."""
        value = self._get(name)
        if not isinstance(value, int) or isinstance(value, bool) or not low <= value <= high:
            raise self.wrong(name)
        return value

    def number(self, name: str, low: float = -math.inf, high: float = math.inf) -> float:
        """A finite number between `low` and `high`, both included."""
        value = self._get(name)
        if not isinstance(value, int | float) or isinstance(value, bool):
            raise self.wrong(name)
        try:
            number = float(value)
        except OverflowError as error:
            raise self.wrong(name) from error
        if not math.isfinite(number) or not low <= number <= high:
            raise self.wrong(name)
        return number

    def text(self, name: str, longest: int | None = None) -> str:
        """Words; with `longest`, in characters, longer ones are wrong."""
        value = self._get(name)
        if not isinstance(value, str) or (longest is not None and len(value) > longest):
            raise self.wrong(name)
        return value

    def flag(self, name: str) -> bool:
        value = self._get(name)
        if not isinstance(value, bool):
            raise self.wrong(name)
        return value

    def values(self, name: str, most: int | None = None) -> list[object]:
        """A list; with `most`, of at most so many entries."""
        value = self._get(name)
        if not isinstance(value, list):
            raise self.wrong(name)
        if most is not None and len(value) > most:
            raise Malformed(f"“{name}” of {self._where} has more than {most:,} entries")
        return value

    def wholes(
        self,
        name: str,
        count: int | None = None,
        most: int | None = None,
        low: float = -MAX_WHOLE,
        high: float = MAX_WHOLE,
    ) -> tuple[int, ...]:
        """Whole numbers between `low` and `high`; exactly `count` of them, or at most `most`, when these are given."""
        values = self.values(name, most)
        numbers = tuple(
            value for value in values if isinstance(value, int) and not isinstance(value, bool) and low <= value <= high
        )
        if len(numbers) != len(values) or count not in (None, len(numbers)):
            raise self.wrong(name)
        return numbers

    def group(self, name: str) -> Fields:
        return Fields(self._get(name), f"“{name}” of {self._where}")

    def groups(self, name: str, most: int | None = None) -> tuple[Fields, ...]:
        return tuple(Fields(value, f"{name} {i + 1}") for i, value in enumerate(self.values(name, most)))

    def wrong(self, name: str) -> Malformed:
        """The complaint about a field, for the caller to raise."""
        return Malformed(f"“{name}” of {self._where} is missing or wrong")

    def torn(self) -> Malformed:
        """The complaint about parts that do not belong together."""
        return Malformed(f"{self._where} has parts that do not fit each other")

    def _get(self, name: str) -> object:
        if name not in self._held:
            raise self.wrong(name)
        return self._held[name]
