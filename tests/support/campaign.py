"""Many broken files, one after the other: each opens or is refused with a sentence, in little time and memory. Every case can be replayed."""

from __future__ import annotations

import gc
import resource
import sys
import time
import traceback
import warnings
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from random import Random

import pytest

from editor.errors import EditorError, InternalError
from tests.support.alarm import time_limit

SEED = 11
CPU_SECONDS = 5.0  # of one case
HANG = 60.0  # seconds, by the clock: this machine may be busy
MEMORY = 3 * 2**30  # bytes that may be asked for beyond what is there before


@dataclass
class Figures:
    """`refused`: with a sentence. `raw`: what came out as anything else, by what it was, with the numbers of the cases. `longest`: seconds of
    processor time of one case. `peak`: bytes that the process grew by.
    """

    cases: int = 0
    opened: int = 0
    refused: Counter[str] = field(default_factory=Counter)
    raw: dict[str, list[int]] = field(default_factory=dict)
    longest: float = 0.0
    slowest: int = -1
    peak: int = 0

    def __str__(self) -> str:
        refused = sum(self.refused.values())
        raw = sum(map(len, self.raw.values()))
        return (
            f"{self.cases} cases: {self.opened} opened, {refused} refused with a sentence, {raw} otherwise; "
            f"longest {self.longest:.2f} s (case {self.slowest}), memory +{self.peak / 2**20:.0f} MiB"
        )


@contextmanager
def bounded_memory(more: int = MEMORY) -> Iterator[None]:
    """Asking for more than so many bytes beyond what is there fails, where the system can see to it."""
    if not sys.platform.startswith("linux"):
        yield
        return
    before = resource.getrlimit(resource.RLIMIT_AS)
    with open("/proc/self/statm", encoding="ascii") as file:
        there = int(file.read().split()[0]) * resource.getpagesize()
    resource.setrlimit(resource.RLIMIT_AS, (there + more, before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_AS, before)


def campaign(name: str, numbers: range, trial: Callable[[Random], bool]) -> Figures:
    """Runs the cases with these numbers.

    name: of the campaign; a case depends on it, on its number and on nothing else
    trial: makes one case and tries it; whether it opened. An `EditorError` is a sentence, anything else is not.
    """
    figures = Figures()
    start = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    with bounded_memory(), warnings.catch_warnings():
        warnings.simplefilter("ignore")  # libraries warn about broken files, to a console that nobody sees
        for number in numbers:
            begun = time.process_time()
            try:
                with time_limit(HANG):
                    figures.opened += trial(Random(f"{SEED} {name} {number}"))
            except InternalError as error:
                figures.raw.setdefault(f"InternalError: {error}", []).append(number)
            except EditorError as error:
                figures.refused[type(error).__name__] += 1
                if not (error.message.strip() and error.advice.strip()):
                    figures.raw.setdefault("no sentence", []).append(number)
            except (KeyboardInterrupt, pytest.fail.Exception):
                raise
            except BaseException as error:
                last = traceback.extract_tb(error.__traceback__)[-1]
                where = f"{type(error).__name__}: {str(error)[:100]} ({last.filename.rpartition('/')[2]}:{last.lineno})"
                figures.raw.setdefault(where, []).append(number)
            figures.cases += 1
            spent = time.process_time() - begun
            if spent > figures.longest:
                figures.longest, figures.slowest = spent, number
            if number % 50 == 0:
                gc.collect()
    figures.peak = 1024 * (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - start)
    return figures


def check(name: str, figures: Figures) -> None:
    """Prints the figures, and fails for what is no sentence or takes too long."""
    print(f"\n{name}: {figures}")  # noqa: T201
    for what, numbers in figures.raw.items():
        print(f"  {len(numbers)} × {what}; cases {numbers[:8]} of seed {SEED}")  # noqa: T201
    assert not figures.raw, f"seed {SEED}, “{name}”: {figures.raw}"
    assert figures.longest < CPU_SECONDS, f"seed {SEED}, “{name}”, case {figures.slowest}"
    assert figures.opened, "nothing opens: the cases are broken beyond use"
    assert figures.refused or name == "models", "nothing is refused: the cases are not broken"
