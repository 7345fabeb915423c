"""The program that is driven: the real application with its worker, the practice model and a folder of its own."""

from __future__ import annotations

import asyncio
import faulthandler
import json
import logging
import shutil
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TextIO

import cv2
import numpy as np
from PySide6.QtCore import QObject, Qt, QTimer, QUrl, Slot
from PySide6.QtGui import QDesktopServices, QGuiApplication
from PySide6.QtWidgets import QApplication
from qasync import QEventLoop

import resources
from app import log as logs
from app.application import Application, load_engine
from app.dev.monkey.acts import Act, Hands, file_dialog, put_away
from app.dev.monkey.chooser import Chooser
from app.settings import Settings
from widgets.theme import Theme

log = logging.getLogger(__name__)

PAUSE = 4  # milliseconds between two acts
NESTED = 500  # milliseconds after which an act counts as one that runs an event loop of its own: a menu
HANG = 60  # seconds
ACTS, ERRORS, FILES = "acts.log", "errors.log", "files"


class _Nowhere(QObject):
    """Takes addresses that would open a browser or a file manager."""

    @Slot(QUrl)
    def take(self, address: QUrl) -> None:
        log.info("Not opened: %s", address.toString())


class Driver(QObject):
    """Does one act after the other from Qt's event loop, writing each down before. `over` is set after the last one."""

    def __init__(
        self, hands: Hands, following: Callable[[], tuple[float, Act] | None], written: TextIO, over: asyncio.Event
    ) -> None:
        super().__init__()
        self._hands, self._following, self._written, self._over = hands, following, written, over
        self._coming: tuple[float, Act] | None = None
        self._depth = 0  # of acts that run event loops of their own just now
        self._begun = time.perf_counter()
        self._timer = QTimer(self)
        self._timer.setSingleShot(True)
        self._timer.setTimerType(Qt.TimerType.PreciseTimer)
        self._timer.timeout.connect(self._step)
        self._timer.start(PAUSE)

    def _step(self) -> None:
        if self._coming is None and not self._over.is_set():
            self._coming = self._following()
        if self._coming is None and self._depth:
            log.info("Still open at the end: %s", put_away())  # nothing may be torn down around a loop that runs
            self._timer.start(NESTED)
            return
        if self._coming is None or self._over.is_set():
            self._over.set()
            faulthandler.cancel_dump_traceback_later()
            return
        since, act = self._coming
        early = since - (time.perf_counter() - self._begun)
        if early > 0:  # a run that is played again keeps its times
            self._timer.start(max(1, round(early * 1000)))
            return
        self._coming = None
        json.dump([round(time.perf_counter() - self._begun, 3), *act], self._written)
        self._written.write("\n")
        self._written.flush()
        faulthandler.dump_traceback_later(HANG, exit=True)
        self._timer.start(NESTED)
        self._depth += 1
        try:
            self._hands.do(act)
        finally:
            self._depth -= 1
            self._timer.start(act[1] if act[0] == "wait" else PAUSE)


def pictures(folder: Path) -> Sequence[str]:
    """Write the pictures that are opened and dropped; returns their names."""
    folder.mkdir(parents=True, exist_ok=True)
    with resources.photo("flower.jpg") as path:
        shutil.copy(path, folder / "flower.jpg")
    noise = np.random.default_rng(1)
    for name, shape in (
        ("dot.png", (1, 1, 4)),
        ("line.png", (2, 3000, 3)),
        ("tall.png", (900, 1, 3)),
        ("glass.png", (90, 120, 4)),
    ):
        cv2.imwrite(str(folder / name), noise.integers(0, 256, shape, np.uint8))
    cv2.imwrite(str(folder / "empty.png"), np.zeros((64, 48, 4), np.uint8))
    (folder / "broken.png").write_bytes(b"\x89PNG\r\n\x1a\n and then nothing")
    (folder / "broken.palimpsest").write_bytes(b"PK no archive")
    return [path.name for path in sorted(folder.iterdir())]


@dataclass(frozen=True, slots=True)
class Course:
    """How long to drive: until `seconds` or `steps` are over; or through the acts that `again` has, a file of an earlier run."""

    seed: int
    seconds: float
    steps: int
    again: Path | None = None


def drive(folder: Path, course: Course) -> int:
    """Run the program in `folder`. Returns the exit status."""
    faulthandler.enable()
    qt = QApplication(sys.argv[:1])
    qt.setApplicationName("palimpsest")
    qt.setQuitOnLastWindowClosed(False)
    logs.start(folder / "log")
    nowhere = _Nowhere()
    for scheme in ("http", "https", "file"):
        QDesktopServices.setUrlHandler(scheme, nowhere, "take")  # type: ignore[arg-type]  # bytes, which Qt says, fail
    theme = Theme(qt, "dark")
    with QEventLoop(qt) as loop, (folder / ACTS).open("w", encoding="utf-8") as written:
        loop.run_until_complete(_main(folder, theme, course, written))
        QGuiApplication.clipboard().clear()  # what Python has laid there must not outlive it
    return 0


async def _main(folder: Path, theme: Theme, course: Course, written: TextIO) -> None:
    names = pictures(folder / FILES)
    bundled = [shutil.copytree(model, folder / "bundled" / model.name) for model in resources.bundled_models()]
    make_engine = partial(load_engine, learned=folder / "cache" / "learned")
    application = Application(
        Settings(folder / "settings.json"),
        theme,
        folder / "cache",
        folder / "models",
        make_engine,
        recovery=folder / "recovery",
        bundled=bundled,
    )
    logs.watch(asyncio.get_running_loop(), partial(application.window.notice, error=True))
    try:
        application.window.show()
        application.set_out_practice()
        application.offer_left_behind()
        following = (
            _drawn(Chooser(application, course.seed, names), course) if course.again is None else _written(course.again)
        )
        driver = Driver(Hands(application, folder / FILES), following, written, application.finished)
        await application.finished.wait()
        driver.deleteLater()
        dialog = file_dialog(application)
        if dialog is not None:
            dialog.reject()
    finally:
        faulthandler.dump_traceback_later(HANG, exit=True)  # ending may hang as well
        await application.close()
        faulthandler.cancel_dump_traceback_later()


def _drawn(chooser: Chooser, course: Course) -> Callable[[], tuple[float, Act] | None]:
    """Acts as they are drawn."""
    end = time.perf_counter() + course.seconds
    left = iter(range(course.steps))

    def following() -> tuple[float, Act] | None:
        if time.perf_counter() > end or next(left, None) is None:
            return None
        return 0.0, chooser.next()

    return following


def _written(again: Path) -> Callable[[], tuple[float, Act] | None]:
    """The acts of an earlier run, each not before its time."""
    lines = iter(again.read_text(encoding="utf-8").splitlines())

    def following() -> tuple[float, Act] | None:
        line = next(lines, None)
        if line is None:
            return None
        since, *act = json.loads(line)
        return since, act

    return following
