"""Live in the running program, painted by a script: gaps between two turns of the event loop, memory, and the brush while a round computes."""

from __future__ import annotations

import asyncio
import math
import os
import random
import sys
import tempfile
import time
from collections.abc import Awaitable, Callable, Iterator
from functools import partial
from pathlib import Path

import numpy as np
import torch
from PIL import Image
from PySide6.QtCore import QEvent, QObject, QPoint, QPointF, Qt, QTimer
from PySide6.QtGui import QCursor, QMouseEvent
from PySide6.QtWidgets import QApplication, QWidget
from qasync import QEventLoop

import resources
from app.application import Application, load_engine
from app.dev.bench import Result
from app.dev.bench.canvas import DAB, HARDNESS, Floor, milliseconds, percentile, repaint
from app.settings import Settings
from editor.methods.pixels.settings import PixelsSettings
from widgets.canvas.view import CanvasView
from widgets.session.session import Session
from widgets.theme import Theme

SECONDS = float(os.environ.get("LIVE_SECONDS", "600"))
BEAT = 5  # milliseconds between two beats
WARM = 0.2  # share of the time after which the memory is taken for the first time
SIDE = 2048  # of the picture that the brush is measured on, in pixels
LONG = 100  # steps of a round there
EVENTS = 2000
STROKES = 6  # that are painted before as many are undone, so that the history stays as long


def live_window() -> Iterator[Result]:
    """Painting on a practice scene with live on: strokes, some of which interrupt, then undo, over and over."""
    yield from _running(_scene, _measured)


def live_brush() -> Iterator[Result]:
    """From a pointer event to the repainted canvas, as `bench brush` measures it, but only while the worker computes a round."""
    yield from _running(_photo, _brushed)


Opens = Callable[[Application, Path], Awaitable[None]]
Measures = Callable[[CanvasView, Session], Awaitable[list[Result]]]


def _running(open: Opens, measure: Measures) -> list[Result]:
    """What is measured in a program whose one document is painted live with the practice model."""
    torch.set_num_threads(1)
    application = QApplication.instance()
    qt = application if isinstance(application, QApplication) else QApplication(sys.argv[:1])
    qt.setQuitOnLastWindowClosed(False)
    with tempfile.TemporaryDirectory() as folder, QEventLoop(qt) as loop:
        asyncio.set_event_loop(loop)
        figures: list[Result] = loop.run_until_complete(_painted(Path(folder), Theme(qt, "dark"), open, measure))
        asyncio.set_event_loop(None)
    return figures


async def _painted(folder: Path, theme: Theme, open: Opens, measure: Measures) -> list[Result]:
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
        await open(application, folder)
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
        return await measure(canvas, session)
    finally:
        await application.close()
        application.window.deleteLater()
        await asyncio.sleep(0.1)  # what waits for its turn still finds the loop


async def _scene(application: Application, folder: Path) -> None:
    application.set_out_practice()
    await _until(lambda: bool(application.practice()))
    application.open_practice(application.practice()[0].name)


async def _photo(application: Application, folder: Path) -> None:
    pixels = np.random.default_rng(1).integers(0, 256, (SIDE // 16, SIDE // 16, 3), np.uint8)
    Image.fromarray(pixels).resize((SIDE, SIDE)).save(folder / "photo.png")
    await application.open(folder / "photo.png")


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


async def _brushed(canvas: CanvasView, session: Session) -> list[Result]:
    """Every other event goes to a widget that does the least there is to do, with the same work in the other thread."""
    floor = Floor(SIDE, canvas.viewport.zoom)
    floor.show()
    session.set_brush(size=DAB, hardness=HARDNESS)
    session.set_draft(steps=LONG)
    ours: list[float] = []
    least: list[float] = []
    while len(ours) < EVENTS:
        await _stroke(canvas, random.Random(len(ours)))  # what it asks for is computed while the next one is painted
        await _until(lambda: session.live.state == "computing")
        size = session.document.size
        centre, radius = size.width / 2, size.width / 4
        _mouse(canvas, QEvent.Type.MouseButtonPress, (centre + radius, centre))
        angle = 0.0
        while session.live.state == "computing" and angle < 2 * math.pi:
            angle += session.options.brush.spacing * DAB / radius
            place = centre + radius * math.cos(angle), centre + radius * math.sin(angle)
            for widget, times in ((canvas, ours), (floor, least)):
                start = time.perf_counter()
                _mouse(canvas, QEvent.Type.MouseMove, place, widget)
                repaint(widget)
                times.append(time.perf_counter() - start)
            await asyncio.sleep(0)  # previews arrive meanwhile
        _mouse(canvas, QEvent.Type.MouseButtonRelease, place)
        session.undo()
    floor.close()
    note = f"{SIDE} px; {milliseconds(ours, 50)} against {milliseconds(least, 50)} ms"
    median = percentile(ours, 50) / percentile(least, 50)
    late = percentile(ours, 99) / percentile(least, 99)
    return [
        Result.at_most("live: brush while a round computes, median", median, "x", 3.0, note),
        Result.at_most(
            "live: brush while a round computes, 99 %",
            late,
            "x",
            6.0,
            f"{milliseconds(ours, 99)} against {milliseconds(least, 99)} ms",
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
        QCursor.setPos(canvas.mapToGlobal(QPoint(round(place[0]), round(place[1]))))  # the hand is there
        await asyncio.sleep(0.008)
        _mouse(canvas, QEvent.Type.MouseMove, place)
    _mouse(canvas, QEvent.Type.MouseButtonRelease, places[-1])
    await asyncio.sleep(0.01)


def _mouse(canvas: CanvasView, kind: QEvent.Type, place: tuple[float, float], to: QWidget | None = None) -> None:
    """An event at a place of the document. `to`: another widget that is to hear of it."""
    at = canvas.viewport.to_screen(*place)
    left, none = Qt.MouseButton.LeftButton, Qt.MouseButton.NoButton
    button = none if kind == QEvent.Type.MouseMove else left
    held = none if kind == QEvent.Type.MouseButtonRelease else left
    point = QPointF(at.x, at.y)
    global_point = QPointF(canvas.mapToGlobal(point))
    event = QMouseEvent(kind, point, global_point, button, held, Qt.KeyboardModifier.NoModifier)
    QApplication.sendEvent(to or canvas, event)


async def _until(test: Callable[[], bool], patience: float = 60.0) -> None:
    end = time.monotonic() + patience
    while not test():
        if time.monotonic() > end:
            raise TimeoutError("it does not go on")
        await asyncio.sleep(0.01)


def _resident() -> float:
    """Bytes of the process."""
    return float(Path("/proc/self/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE")
