"""Benchmarks: `python -m app bench [NAMES] --json FILE`. One module a subject, one generator of results a benchmark.

Machines are noisy, so a bar is a ratio against a floor measured in the same run; absolute figures stand beside it as aims.
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Result:
    """One figure. `bar`: what it must not exceed, None where there is none; `ok`: whether it holds, None without a bar."""

    name: str
    value: float
    unit: str
    bar: float | None = None
    ok: bool | None = None
    note: str = ""

    @classmethod
    def at_most(cls, name: str, value: float, unit: str, bar: float, note: str = "") -> Result:
        return cls(name, float(value), unit, bar, bool(value <= bar), note)  # numpy's own numbers cannot be written
