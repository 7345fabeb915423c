"""What a test may not leave behind: threads, running timers, windows, altered models, and warnings in the log that it did not ask for."""

from __future__ import annotations

import gc
import logging
import threading
import time
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any
from weakref import ReferenceType, ref

from PySide6.QtCore import QCoreApplication, QEvent, QObject, QThread, QTimer
from PySide6.QtWidgets import QApplication
from shiboken6 import getCppPointer, isValid

OURS = ("app", "editor", "widgets")  # loggers
PATIENCE = 2.0  # seconds that a thread which is ending may take
SOON = 1000  # milliseconds: a timer that fires once and within them ends by itself
# Threads of libraries, which end with the process.
LASTING = ("tqdm", "execnet", "pytest", "ThreadPoolExecutor-asyncio", "asyncio_")


class Listener(logging.Handler):
    """Keeps what our modules log as a warning or worse."""

    def __init__(self) -> None:
        super().__init__(logging.WARNING)
        self.lines: list[str] = []

    def emit(self, record: logging.LogRecord) -> None:
        if record.name.partition(".")[0] in OURS:
            self.lines.append(f"{record.name}: {record.getMessage()}")


@dataclass
class Surroundings:
    """What was there before a test, and what is to be asked after it."""

    threads: frozenset[int] = field(default_factory=lambda: frozenset(id(thread) for thread in threading.enumerate()))
    windows: frozenset[int] = field(default_factory=lambda: frozenset(map(_address, _windows())))
    listener: Listener = field(default_factory=Listener)

    def listen(self) -> None:
        logging.getLogger().addHandler(self.listener)

    def left(self, *, logs: bool) -> list[str]:
        """What is left, each a line. logs: whether warnings are what the test is about."""
        logging.getLogger().removeHandler(self.listener)
        left = [f"thread {name}" for name in self._threads()]
        if QCoreApplication.instance() is not None:
            QCoreApplication.sendPostedEvents(None, QEvent.Type.DeferredDelete.value)
            young = _young()
            if self._windows() or young:
                gc.collect()  # what nobody holds any more is not left, only not collected yet
                QCoreApplication.sendPostedEvents(None, QEvent.Type.DeferredDelete.value)
            left += [f"window {name}" for name in self._windows()]
            left += [_named(each) for kept in young if (each := kept()) is not None and _runs(each)]
        if not logs:
            left += [f"log line {line}" for line in self.listener.lines]
        return left

    def _threads(self) -> list[str]:
        until = time.monotonic() + PATIENCE
        while True:
            new = [
                thread.name
                for thread in threading.enumerate()
                if id(thread) not in self.threads
                and not isinstance(thread, threading._DummyThread)
                and not thread.name.startswith(LASTING)
            ]
            if not new or time.monotonic() > until:
                return new
            time.sleep(0.01)

    def _windows(self) -> list[str]:
        return [
            f"{type(window).__name__} “{window.windowTitle()}”"
            for window in _windows()
            if _address(window) not in self.windows
        ]


def _windows() -> Iterable[Any]:
    return QApplication.topLevelWidgets() if isinstance(QApplication.instance(), QApplication) else ()


def _address(widget: Any) -> int:
    address: int = getCppPointer(widget)[0]
    return address


def _young() -> list[ReferenceType[QObject]]:
    """Timers and threads of Qt that run and were made lately: in the two younger generations of the collector, which are quick to look through."""
    return [
        ref(item)
        for generation in (0, 1)
        for item in gc.get_objects(generation)
        if issubclass(type(item), QTimer | QThread) and _runs(item)
    ]


def _runs(each: QObject) -> bool:
    if not isValid(each):
        return False
    if isinstance(each, QTimer):
        soon = each.isSingleShot() and each.remainingTime() <= SOON
        return each.isActive() and not soon and not _lasting(each)
    return isinstance(each, QThread) and each.isRunning()


def _named(each: QObject) -> str:
    return f"timer of {_owner(each)}" if isinstance(each, QTimer) else f"Qt thread “{each.objectName()}”"


def _owner(timer: QTimer) -> str:
    parent = timer.parent()
    return "nobody" if parent is None else type(parent).__name__


def _lasting(timer: QTimer) -> bool:
    """Whether it belongs to something that outlives tests, such as the application."""
    at: QObject | None = timer
    while at is not None:
        if at is QCoreApplication.instance():
            return True
        at = at.parent()
    return False


def weights(network: Any) -> tuple[Any, ...]:
    """All of a torch network that a test could leave altered: numbers, gradients, modes, hooks."""
    numbers = tuple((name, hash(each.detach().cpu().numpy().tobytes())) for name, each in network.state_dict().items())
    learning = tuple((parameter.requires_grad, parameter.grad is None) for parameter in network.parameters())
    modules = tuple(
        (module.training, _hooks(module._forward_hooks), _hooks(module._forward_pre_hooks))
        for module in network.modules()
    )
    return numbers, learning, modules


def _hooks(hooks: Mapping[int, Any]) -> int:
    """How many there are, without those by which transformers remembers what its layers gave, which it puts in with the first call and leaves."""
    return sum(not getattr(hook, "__module__", "").startswith("transformers.") for hook in hooks.values())
