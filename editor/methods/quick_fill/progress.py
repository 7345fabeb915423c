"""Phases inside phases: the reports of one part of an edit, fitted into the reports of the whole."""

from __future__ import annotations

from collections.abc import Generator
from typing import TypeVar

from editor.report import Preview, Progress, Report

T = TypeVar("T")


def part(
    reports: Generator[Report, None, T], low: float, high: float, x: int = 0, y: int = 0
) -> Generator[Report, None, T]:
    """Pass the reports on with progress squeezed into `low` to `high` and previews moved by (`x`, `y`) pixels."""
    try:
        while True:
            report = next(reports)
            if isinstance(report, Progress):
                yield Progress(low + (high - low) * min(max(report.fraction, 0.0), 1.0), report.doing)
            else:
                yield Preview(report.rect.moved(x, y), report.pixels)
    except StopIteration as stop:
        value: T = stop.value
        return value
    finally:
        reports.close()
