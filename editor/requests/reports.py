"""Reports of running work, and generators of them: the reports of one part fitted into the reports of the whole."""

from __future__ import annotations

from collections.abc import Callable, Generator, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from typing import Any, TypeVar, cast

import numpy as np
from numpy.typing import NDArray

from editor.errors import EditorError
from editor.geometry import Rect
from editor.requests.results import EditResult, LiveResult, Match

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Progress:
    """`fraction`: 0 to 1 of the whole job. `doing`: what is going on, in a few words ("Filling the hole")."""

    fraction: float
    doing: str


@dataclass(frozen=True, slots=True, eq=False)
class Preview:
    """What the result looks like so far. `pixels`: (h, w, 4) uint8 straight alpha, stretched over `rect` of the document."""

    rect: Rect
    pixels: NDArray[np.uint8]


class FinishEarly(Exception):
    """Thrown into an edit between two reports: make what there is into a result now. One that cannot simply ends."""


@dataclass(frozen=True, slots=True, eq=False)
class ResultReady:
    """One of several results is finished."""

    result: EditResult


@dataclass(frozen=True, slots=True)
class Scored:
    """How well one of several results fits the words; it may come long after the result. `variant`: as in `EditResult`."""

    variant: int
    match: Match


Report = Progress | Preview | ResultReady | Scored


Reports = Generator[Report, None, T]  # yields reports, returns the result


def outcome_of(reports: Reports[T]) -> T:
    """The result, without the reports."""
    try:
        while True:
            next(reports)
    except StopIteration as stop:
        value: T = stop.value
        return value


def emit_result(result: EditResult) -> Reports[None]:
    """Say that one of several results is finished. Whoever asks to finish early at that moment has got what they asked for."""
    with suppress(FinishEarly):
        yield ResultReady(result)


def map_reports(
    reports: Reports[T], convert: Callable[[Report], Report | None], early: Callable[[], object] = lambda: None
) -> Reports[T]:
    """Pass the reports on as `convert` makes them, without those it makes None of. `early` is called when somebody asks to finish early."""
    try:
        report = next(reports)
        while True:
            shown = convert(report)
            if shown is None:
                report = next(reports)
                continue
            try:
                yield shown
            except FinishEarly as wish:
                early()
                report = reports.throw(wish)
            else:
                report = next(reports)
    except StopIteration as stop:
        value: T = stop.value
        return value
    finally:
        reports.close()


def without_results(reports: Reports[T]) -> Reports[T]:
    """The same without word of single results, for who asked for one only."""
    return map_reports(reports, lambda report: None if isinstance(report, ResultReady) else report)


def subprogress(
    reports: Reports[T], low: float, high: float, dx: int = 0, dy: int = 0, *, more: str = ""
) -> Reports[T]:
    """Pass the reports on with progress squeezed into `low` to `high`, previews moved by (`dx`, `dy`) pixels, and `more` after the words."""

    return map_reports(reports, lambda report: _fitted(report, low, high, dx, dy, more=more))


def _fitted(report: Report, low: float, high: float, dx: int = 0, dy: int = 0, *, more: str = "") -> Report:
    match report:
        case Progress(fraction, doing):
            return Progress(low + (high - low) * min(max(fraction, 0.0), 1.0), doing + more)
        case Preview():
            return Preview(report.rect.moved(dx, dy), report.pixels)
        case _:
            return report


@dataclass(frozen=True, slots=True, eq=False)
class Collected:
    """What came of a part that makes results.

    results: those that were finished, in their order
    early: whether somebody asked to finish early on the way
    error: what ended it before its end; None where nothing did
    """

    results: tuple[EditResult, ...]
    early: bool = False
    error: EditorError | None = None


def collected(
    reports: Reports[Sequence[EditResult]],
    low: float,
    high: float,
    *,
    more: str = "",
    errors: tuple[type[EditorError], ...] = (),
) -> Reports[Collected]:
    """Pass the reports on as `subprogress` does, and return the results with how it ended, also where that was one of `errors`."""
    finished: list[EditResult] = []
    early = False

    def hurry() -> None:
        nonlocal early
        early = True

    def passing(report: Report) -> Report:
        if isinstance(report, ResultReady):
            finished.append(report.result)
        return _fitted(report, low, high, more=more)

    try:
        results = yield from map_reports(reports, passing, hurry)
    except errors as error:
        return Collected(tuple(finished), early, error)
    return Collected(tuple(results), early)


def map_results(
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
            case ResultReady(result):
                return ResultReady(once(result))
            case Preview():
                return shown(report)
            case _:
                return report

    outcome: Any = yield from map_reports(reports, passing)
    if isinstance(outcome, EditResult):
        outcome = once(outcome)
    elif isinstance(outcome, LiveResult):
        outcome = replace(outcome, result=once(outcome.result))
    elif isinstance(outcome, tuple):
        outcome = tuple(once(result) for result in outcome)
    return cast("T", outcome)
