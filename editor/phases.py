"""Phases inside phases: the reports of one part of an edit, fitted into the reports of the whole."""

from __future__ import annotations

from contextlib import suppress
from typing import TypeVar

from editor.report import EditResult, FinishEarly, Found, Preview, Progress, Reports

T = TypeVar("T")


def unreported(reports: Reports[T]) -> T:
    """The result, without the reports."""
    try:
        while True:
            next(reports)
    except StopIteration as stop:
        value: T = stop.value
        return value


def found(result: EditResult) -> Reports[None]:
    """Say that one of several results is finished. Whoever asks to finish early at that moment has got what they asked for."""
    with suppress(FinishEarly):
        yield Found(result)


def quietly(reports: Reports[T]) -> Reports[T]:
    """The same without word of single results, for who asked for one only."""
    try:
        report = next(reports)
        while True:
            if isinstance(report, Found):
                report = next(reports)
                continue
            try:
                yield report
            except FinishEarly as asked:
                report = reports.throw(asked)
            else:
                report = next(reports)
    except StopIteration as stop:
        value: T = stop.value
        return value
    finally:
        reports.close()


def part(reports: Reports[T], low: float, high: float, dx: int = 0, dy: int = 0, *, more: str = "") -> Reports[T]:
    """Pass the reports on with progress squeezed into `low` to `high`, previews moved by (`dx`, `dy`) pixels, and `more` after the words."""
    try:
        report = next(reports)
        while True:
            if isinstance(report, Progress):
                fraction = low + (high - low) * min(max(report.fraction, 0.0), 1.0)
                report = Progress(fraction, report.doing + more)
            elif isinstance(report, Preview):
                report = Preview(report.rect.moved(dx, dy), report.pixels)
            try:
                yield report
            except FinishEarly as asked:
                report = reports.throw(asked)
            else:
                report = next(reports)
    except StopIteration as stop:
        value: T = stop.value
        return value
    finally:
        reports.close()
