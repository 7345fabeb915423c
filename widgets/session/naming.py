"""Names for new things, unlike those that are there."""

from __future__ import annotations

from collections.abc import Iterable
from itertools import count


def numbered(stem: str, taken: Iterable[str]) -> str:
    """The first of "Item 1", "Item 2" … that is free."""
    names = set(taken)
    return next(name for at in count(1) if (name := f"{stem} {at}") not in names)


def unlike(name: str, taken: Iterable[str]) -> str:
    """The name itself where it is free, otherwise the first of "Picture 2", "Picture 3" … that is."""
    names = set(taken)
    if name not in names:
        return name
    return next(other for at in count(2) if (other := f"{name} {at}") not in names)
