"""Collecting garbage in the GUI thread, and nowhere else.

Python's cyclic collector runs in whichever thread happens to allocate. When that is the worker, it may destroy a Qt object there that
still has a timer in the GUI thread, and Qt then delivers events to memory that is gone. So automatic collection is off while the
program runs, and a timer in the GUI thread does its work.
"""

from __future__ import annotations

import gc

from PySide6.QtCore import QObject, Qt, QTimer
from PySide6.QtGui import QGuiApplication

INTERVAL = 1000  # milliseconds


class Collector(QObject):
    """Takes over from automatic collection until it is closed. Make and close it in the GUI thread."""

    def __init__(self) -> None:
        super().__init__()
        self._was_on = gc.isenabled()
        self._all = False
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
        gc.collect()
        if self._was_on:
            gc.enable()

    def _tick(self) -> None:
        if QGuiApplication.mouseButtons() != Qt.MouseButton.NoButton:
            return  # a stroke must not wait for it
        if self._all:
            self._all = False
            gc.collect()
        else:
            collect_due()


def collect_due() -> None:
    """Collect the oldest generation that has passed its threshold, as automatic collection would."""
    for generation, (count, threshold) in reversed(
        list(enumerate(zip(gc.get_count(), gc.get_threshold(), strict=True)))
    ):
        if count > threshold:
            gc.collect(generation)
            return
