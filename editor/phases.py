"""Phases inside phases: the reports of one part of an edit, fitted into the reports of the whole."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from typing import Any, TypeVar, cast

from editor.report import EditResult, FinishEarly, Found, Preview, Progress, Report, Reports

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


def passed(
    reports: Reports[T], each: Callable[[Report], Report | None], early: Callable[[], object] = lambda: None
) -> Reports[T]:
    """Pass the reports on as `each` makes them, without those it makes None of. `early` is called when somebody asks to finish early."""
    try:
        report = next(reports)
        while True:
            shown = each(report)
            if shown is None:
                report = next(reports)
                continue
            try:
                yield shown
            except FinishEarly as asked:
                early()
                report = reports.throw(asked)
            else:
                report = next(reports)
    except StopIteration as stop:
        value: T = stop.value
        return value
    finally:
        reports.close()


def quietly(reports: Reports[T]) -> Reports[T]:
    """The same without word of single results, for who asked for one only."""
    return passed(reports, lambda report: None if isinstance(report, Found) else report)


def part(reports: Reports[T], low: float, high: float, dx: int = 0, dy: int = 0, *, more: str = "") -> Reports[T]:
    """Pass the reports on with progress squeezed into `low` to `high`, previews moved by (`dx`, `dy`) pixels, and `more` after the words."""

    def fitted(report: Report) -> Report:
        match report:
            case Progress(fraction, doing):
                return Progress(low + (high - low) * min(max(fraction, 0.0), 1.0), doing + more)
            case Preview():
                return Preview(report.rect.moved(dx, dy), report.pixels)
            case _:
                return report

    return passed(reports, fitted)


def brought_back(
    reports: Reports[T], back: Callable[[EditResult], EditResult], shown: Callable[[Preview], Preview]
) -> Reports[T]:
    """The same with every result as `back` makes it, also in what is returned, and every preview as `shown` does."""
    known: dict[int, tuple[EditResult, EditResult]] = {}  # a result is reported, and then returned

    def once(result: EditResult) -> EditResult:
        if id(result) not in known:
            known[id(result)] = result, back(result)
        return known[id(result)][1]

    def passing(report: Report) -> Report:
        match report:
            case Found(result):
                return Found(once(result))
            case Preview():
                return shown(report)
            case _:
                return report

    outcome: Any = yield from passed(reports, passing)
    if isinstance(outcome, EditResult):
        outcome = once(outcome)
    elif isinstance(outcome, tuple):
        outcome = tuple(once(each) for each in outcome)
    return cast("T", outcome)
