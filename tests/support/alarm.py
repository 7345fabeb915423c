"""A limit of time on a test: whatever waits for ever, or works too long, fails instead of hanging the run."""

from __future__ import annotations

import signal
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType


class TooLong(BaseException):
    """Not an `Exception`, so that no boundary of the program takes it for an error of a file."""


@contextmanager
def time_limit(seconds: float) -> Iterator[None]:
    """Raises `TooLong` in the main thread once the time is over, where the system knows alarms; in the thread's next step of Python."""
    if not hasattr(signal, "setitimer"):
        yield
        return

    def ring(number: int, frame: FrameType | None) -> None:
        raise TooLong(f"longer than {seconds} s")

    before = signal.signal(signal.SIGALRM, ring)
    signal.setitimer(signal.ITIMER_REAL, seconds)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)
