"""Driving a generator of reports to its end, as the worker does: what it returns, what it said, and asking it to finish early."""

from __future__ import annotations

from collections.abc import Callable, Generator
from typing import Any, TypeVar

from editor.requests.reports import FinishEarly

R = TypeVar("R")
T = TypeVar("T")


def drive(
    reports: Generator[R, None, T],
    seen: list[Any] | None = None,
    *,
    finish_at: int | Callable[[R], bool] | None = None,
    each: Callable[[R], object] = lambda report: None,
) -> T:
    """What the generator returns.

    seen: every report is added to it
    finish_at: at which report to ask for an early finish, once: its number from 0, or what tells it
    each: called with every report
    """
    number, asked = 0, False
    try:
        report = next(reports)
        while True:
            if seen is not None:
                seen.append(report)
            each(report)
            now = finish_at(report) if callable(finish_at) else number == finish_at
            number += 1
            if now and not asked:
                asked = True
                report = reports.throw(FinishEarly())
            else:
                report = next(reports)
    except StopIteration as stop:
        value: T = stop.value
        return value
