"""Collecting garbage in the GUI thread, and nowhere else.

Python's cyclic collector runs in whichever thread happens to allocate. When that is the worker, it may destroy a Qt object there that
still has a timer in the GUI thread, and Qt then delivers events to memory that is gone. So automatic collection is off while the
program runs, and a timer in the GUI thread does its work.
"""

from __future__ import annotations

import gc

from PySide6.QtCore import QObject, Qt, QTimer
from PySide6.QtGui import QCursor, QGuiApplication

INTERVAL = 1000  # milliseconds
REVIEW = 120  # ticks after which everything is looked through again,
REST = 5  # where the pointer has rested for so many,
LONGEST = 1200  # and after so many in any case
OLDEST = 2  # generation
MANY = 100_000  # objects that came since the last look


class Collector(QObject):
    """Takes over from automatic collection until it is closed. Make and close it in the GUI thread."""

    def __init__(self) -> None:
        super().__init__()
        self._was_on = gc.isenabled()
        self._all = False
        self._pointer = QCursor.pos()
        self._rested = 0  # ticks since the pointer moved
        self._since_all = 0  # ticks
        gc.disable()
        self._timer = QTimer(self)
        self._timer.setInterval(INTERVAL)
        self._timer.timeout.connect(self._tick)
        self._timer.start()

    def collect_all_soon(self) -> None:
        """Look through everything at the next opportunity: something large was closed."""
        self._all = True

    def close(self) -> None:
        """Collect everything once, and leave collecting as it was found."""
        self._timer.stop()
        gc.unfreeze()
        gc.collect()
        if self._was_on:
            gc.enable()

    def _tick(self) -> None:
        self._since_all += 1
        pointer, self._pointer = self._pointer, QCursor.pos()
        self._rested = self._rested + 1 if pointer == self._pointer else 0
        if QGuiApplication.mouseButtons() != Qt.MouseButton.NoButton:
            return  # a stroke must not wait for it
        rests = self._since_all >= REVIEW and self._rested >= REST
        if self._all or rests or self._since_all >= LONGEST:
            self._all, self._since_all = False, 0
            gc.unfreeze()
            gc.collect()
            gc.freeze()
        else:
            collect_due(aside=True)


def collect_due(*, aside: bool = False) -> None:
    """Collect the oldest generation that has passed its threshold, as automatic collection would.

    aside: put aside, instead of looking through it, what is old, and what has come in such numbers as libraries bring
    """
    counts = gc.get_count()
    for generation, (count, threshold) in reversed(list(enumerate(zip(counts, gc.get_threshold(), strict=True)))):
        if count > threshold:
            if aside and counts[0] > MANY:
                gc.freeze()
            elif aside and generation == OLDEST:
                gc.collect(OLDEST - 1)
                gc.freeze()
            else:
                gc.collect(generation)
            return
