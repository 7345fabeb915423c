"""Logging: Python's, Qt's and asyncio's messages, and what nobody caught, in one place."""

from __future__ import annotations

import logging
import sys
from logging.handlers import RotatingFileHandler
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Any

from PySide6.QtCore import QMessageLogContext, QtMsgType, qInstallMessageHandler

if TYPE_CHECKING:
    import asyncio  # the first window does not wait for it

log = logging.getLogger(__name__)

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
    sys.excepthook = _uncaught


def watch(loop: asyncio.AbstractEventLoop) -> None:
    """Log what asyncio would print."""
    loop.set_exception_handler(_from_asyncio)


def _from_qt(kind: QtMsgType, context: QMessageLogContext, message: str) -> None:
    if message.startswith("This plugin does not support"):
        return  # what Qt's offscreen platform says about windows that nobody sees
    logging.getLogger(f"qt.{context.category or 'default'}").log(_LEVELS.get(kind, logging.WARNING), "%s", message)


def _from_asyncio(loop: asyncio.AbstractEventLoop, context: dict[str, Any]) -> None:
    log.error("asyncio: %s", context.get("message"), exc_info=context.get("exception"))


def _uncaught(kind: type[BaseException], error: BaseException, trace: TracebackType | None) -> None:
    if issubclass(kind, KeyboardInterrupt):
        sys.__excepthook__(kind, error, trace)
        return
    log.critical("Nobody caught this", exc_info=(kind, error, trace))
