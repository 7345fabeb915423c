"""Logging: Python's, Qt's and asyncio's messages, and what nobody caught, in one place; the last is also said to the person."""

from __future__ import annotations

import logging
import sys
from collections.abc import Callable
from logging.handlers import RotatingFileHandler
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Any

from PySide6.QtCore import QMessageLogContext, QtMsgType, qInstallMessageHandler

if TYPE_CHECKING:
    import asyncio  # the first window does not wait for it

log = logging.getLogger(__name__)

Tell = Callable[[str, str], object]
"""Shows a message and advice to the person."""

MESSAGE = "Something went wrong inside the program."
ADVICE = "Your document is as it was; save it under a new name. The log has the details."
WHOLE = 3  # times that an error of one place is logged with all of its trace

_LEVELS = {
    QtMsgType.QtDebugMsg: logging.DEBUG,
    QtMsgType.QtInfoMsg: logging.INFO,
    QtMsgType.QtWarningMsg: logging.WARNING,
    QtMsgType.QtCriticalMsg: logging.ERROR,
    QtMsgType.QtFatalMsg: logging.CRITICAL,
}


def start(folder: Path | None, *, verbose: bool = False) -> None:
    """Log warnings to standard error and, with a folder, everything from INFO up to `palimpsest.log` there."""
    root = logging.getLogger()
    root.setLevel(logging.DEBUG if verbose else logging.INFO)
    screen = logging.StreamHandler()
    screen.setLevel(logging.DEBUG if verbose else logging.WARNING)
    screen.setFormatter(logging.Formatter("%(levelname)s %(name)s: %(message)s"))
    root.addHandler(screen)
    if folder is not None:
        try:
            folder.mkdir(parents=True, exist_ok=True)
            file = RotatingFileHandler(
                folder / "palimpsest.log",
                maxBytes=1_000_000,
                backupCount=2,
                encoding="utf-8",
                errors="backslashreplace",
            )
        except OSError as error:
            log.warning("No log file: %s", error)
        else:
            file.setFormatter(logging.Formatter("%(asctime)s %(levelname)s %(threadName)s %(name)s: %(message)s"))
            root.addHandler(file)
    logging.getLogger("qasync").setLevel(logging.WARNING)
    logging.getLogger("PIL").setLevel(logging.INFO)
    qInstallMessageHandler(_from_qt)
    sys.excepthook = Uncaught()


def watch(loop: asyncio.AbstractEventLoop, tell: Tell | None = None) -> None:
    """From now on log what asyncio would print. `tell`: how to tell the person what nobody caught, here and elsewhere; called in the loop."""
    uncaught = Uncaught(loop, tell)
    sys.excepthook = uncaught
    loop.set_exception_handler(uncaught.from_asyncio)


class Uncaught:
    """What nobody caught: errors in slots, in handlers (`widgets.guard`), in callbacks of asyncio. All are logged; the person is told once for
    each place in the program, from the event loop, since just now something may be half painted.
    """

    def __init__(self, loop: asyncio.AbstractEventLoop | None = None, tell: Tell | None = None) -> None:
        self._loop, self._tell = loop, tell
        self._times: dict[str, int] = {}  # how often something went wrong in each place

    def __call__(self, kind: type[BaseException], error: BaseException, trace: TracebackType | None) -> None:
        if issubclass(kind, KeyboardInterrupt):
            sys.__excepthook__(kind, error, trace)
            return
        place = _place(kind, trace)
        times = self._times[place] = self._times.get(place, 0) + 1
        # What is painted may fail sixty times a second: soon only the 16th, 32nd, 64th … time is worth a line.
        if times <= WHOLE:
            log.critical("Nobody caught this", exc_info=(kind, error, trace))
        elif times & (times - 1) == 0:
            log.critical("Nobody caught this, %d times by now: %s", times, place)
        if times == 1:
            self._say()

    def from_asyncio(self, loop: asyncio.AbstractEventLoop, context: dict[str, Any]) -> None:
        error = context.get("exception")
        if isinstance(error, BaseException):
            self(type(error), error, error.__traceback__)
        else:
            log.error("asyncio: %s", context.get("message"))

    def _say(self) -> None:
        if self._loop is None or self._tell is None:
            return
        try:
            self._loop.call_soon_threadsafe(self._tell, MESSAGE, ADVICE)
        except RuntimeError:
            log.info("The program is ending; nobody is told")


def _from_qt(kind: QtMsgType, context: QMessageLogContext, message: str) -> None:
    if message.startswith("This plugin does not support"):
        return  # what Qt's offscreen platform says about windows that nobody sees
    try:
        logging.getLogger(f"qt.{context.category or 'default'}").log(_LEVELS.get(kind, logging.WARNING), "%s", message)
    except Exception:  # Qt ends the program when its handler fails
        log.exception("A message of Qt's is lost")


def _place(kind: type[BaseException], trace: TracebackType | None) -> str:
    """Where an error arose, in a word."""
    while trace is not None and trace.tb_next is not None:
        trace = trace.tb_next
    where = "" if trace is None else f" at {trace.tb_frame.f_code.co_filename}:{trace.tb_lineno}"
    return f"{kind.__name__}{where}"
