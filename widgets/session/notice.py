"""Notice: a passing message over the canvas."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Notice:
    """One message to the person.

    advice: what to do about it.
    error: whether something went wrong; shown until the person goes on to something else.
    offers: what a click does, in words, with what does it.
    lasts: whether what it says goes on; shown until it is closed or withdrawn.
    """

    message: str
    advice: str = ""
    error: bool = False
    offers: tuple[tuple[str, Callable[[], None]], ...] = ()
    lasts: bool = False
