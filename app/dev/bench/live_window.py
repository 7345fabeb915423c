"""Live in the running program: gaps between two turns of the event loop, and memory, while strokes are painted by a script."""

from __future__ import annotations

import asyncio
import math
import os
import random
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path

import numpy as np
import torch
from PySide6.QtCore import QEvent, QObject, QPointF, Qt, QTimer
from PySide6.QtGui import QMouseEvent
from PySide6.QtWidgets import QApplication
from qasync import QEventLoop

import resources
from app.application import Application, load_engine
from app.dev.bench import Result
from app.settings import Settings
from editor.methods.pixels.settings import PixelsSettings
from widgets.canvas.view import CanvasView
from widgets.session.session import Session
from widgets.theme import Theme

SECONDS = float(os.environ.get("LIVE_SECONDS", "600"))
BEAT = 5  # milliseconds between two beats
WARM = 0.2  # share of the time after which the memory is taken for the first time
STROKES = 6  # that are painted before as many are undone, so that the history stays as long


def live_window() -> Iterator[Result]:
    """Painting on a practice scene with live on: strokes, some of which interrupt, then undo, over and over."""
    torch.set_num_threads(1)
    application = QApplication.instance()
    qt = application if isinstance(application, QApplication) else QApplication(sys.argv[:1])
    qt.setQuitOnLastWindowClosed(False)
    with tempfile.TemporaryDirectory() as folder, QEventLoop(qt) as loop:
        asyncio.set_event_loop(loop)
        figures = loop.run_until_complete(_painted(Path(folder), Theme(qt, "dark")))
        asyncio.set_event_loop(None)
    yield from figures


async def _painted(folder: Path, theme: Theme) -> list[Result]:
    application = Application(
        Settings(folder / "settings.json"),
        theme,
        folder / "cache",
        folder / "models",
        partial(load_engine, learned=folder / "learned"),
        recovery=folder / "recovery",
        bundled=list(resources.bundled_models()),
    )
    try:
        application.window.resize(1366, 768)
        application.window.show()
        application.models.refresh()
        await _until(lambda: application.models.models is not None)
        application.open_practice(await _scene(application))
        await _until(lambda: application.window.session is not None)
        session = application.window.session
        workbench = application.window.workbench
        assert session is not None
        assert workbench is not None
        session.choose_method(PixelsSettings)
        session.set_draft(exemplar=None, item=None, strength=0.6)
        session.set_options(tool="strength")
        session.set_brush(size=80)
        session.live.switch(True)
        canvas = workbench.canvas
        await _stroke(canvas, random.Random(0))
        await _until(lambda: session.live.state == "current")  # the model has been loaded
        return await _measured(canvas, session)
    finally:
        await application.close()
        application.window.deleteLater()
        await asyncio.sleep(0.1)  # what waits for its turn still finds the loop


async def _scene(application: Application) -> str:
    application.set_out_practice()
    await _until(lambda: bool(application.practice()))
    return application.practice()[0].name


async def _measured(canvas: CanvasView, session: Session) -> list[Result]:
    beat = Heart()
    chance = random.Random(1)
    rounds: list[float] = []
    session.live.changed.connect(lambda: _note(session, rounds))
    begun, first = time.monotonic(), 0.0
    while (elapsed := time.monotonic() - begun) < SECONDS:
        if not first and elapsed > SECONDS * WARM:
            first = _resident()
        for _ in range(STROKES):
            session.set_options(value=chance.choice((0.0, 0.2, 0.4, 0.7, 1.0)))
            await _stroke(canvas, chance)
            if chance.random() < 0.6:  # else the next one interrupts
                await _until(lambda: session.live.state != "computing")
        for _ in range(STROKES):
            session.undo()
            await asyncio.sleep(0.02)
        await _until(lambda: session.live.state != "computing")
    beat.stop()
    gaps = np.array(beat.gaps) * 1e3
    grown = _resident() / first
    note = f"{len(rounds)} rounds, median {np.median(rounds) * 1e3:.0f} ms, {SECONDS:.0f} s"
    return [
        Result.at_most("live: heartbeat gap, 99 %", float(np.percentile(gaps, 99)), "ms", 50.0, note),
        Result.at_most("live: heartbeat gap, longest", float(gaps.max()), "ms", 200.0),
        Result.at_most(
            "live: memory after an hour", grown, "x", 1.02, f"{SECONDS / 60:.0f} min against {SECONDS * WARM / 60:.0f}"
        ),
    ]


class Heart(QObject):
    """Beats in the GUI thread. `gaps`: seconds from one beat to the next, without what it waits by itself."""

    def __init__(self) -> None:
        super().__init__()
        self.gaps: list[float] = []
        self._last = time.perf_counter()
        self._timer = QTimer(self)
        self._timer.setTimerType(Qt.TimerType.PreciseTimer)
        self._timer.timeout.connect(self._beat)
        self._timer.start(BEAT)

    def stop(self) -> None:
        self._timer.stop()

    def _beat(self) -> None:
        now = time.perf_counter()
        self.gaps.append(max(0.0, now - self._last - BEAT / 1e3))
        self._last = now


def _note(session: Session, rounds: list[float]) -> None:
    live = session.live
    if live.state == "current" and live.seconds is not None and live.outcome is not None and live.outcome.evaluations:
        rounds.append(live.seconds)


async def _stroke(canvas: CanvasView, chance: random.Random) -> None:
    """A curve somewhere on the picture, by mouse events with the pace of a hand."""
    size = canvas.session.document.size
    x, y = chance.uniform(0.2, 0.8) * size.width, chance.uniform(0.2, 0.8) * size.height
    radius = chance.uniform(10, 0.15 * size.width)
    places = [(x + radius * math.cos(at / 4), y + radius * math.sin(at / 4)) for at in range(12)]
    _mouse(canvas, QEvent.Type.MouseButtonPress, places[0])
    for place in places[1:]:
        await asyncio.sleep(0.008)
        _mouse(canvas, QEvent.Type.MouseMove, place)
    _mouse(canvas, QEvent.Type.MouseButtonRelease, places[-1])
    await asyncio.sleep(0.01)


def _mouse(canvas: CanvasView, kind: QEvent.Type, place: tuple[float, float]) -> None:
    at = canvas.viewport.to_screen(*place)
    left, none = Qt.MouseButton.LeftButton, Qt.MouseButton.NoButton
    button = none if kind == QEvent.Type.MouseMove else left
    held = none if kind == QEvent.Type.MouseButtonRelease else left
    point = QPointF(at.x, at.y)
    global_point = QPointF(canvas.mapToGlobal(point))
    event = QMouseEvent(kind, point, global_point, button, held, Qt.KeyboardModifier.NoModifier)
    QApplication.sendEvent(canvas, event)


async def _until(test: Callable[[], bool], patience: float = 60.0) -> None:
    end = time.monotonic() + patience
    while not test():
        if time.monotonic() > end:
            raise TimeoutError("it does not go on")
        await asyncio.sleep(0.01)


def _resident() -> float:
    """Bytes of the process."""
    return float(Path("/proc/self/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE")
