"""Screenshots of the real window in the states that matter, for the README and for looking at.

Each scene is set up over the bundled photo with the real worker, then grabbed in the dark and the light theme and at two sizes.
"""

from __future__ import annotations

import argparse
import asyncio
import os
import subprocess
import sys
import tempfile
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import replace
from pathlib import Path

from PySide6.QtCore import QEvent, QPointF, Qt
from PySide6.QtGui import QMouseEvent
from PySide6.QtWidgets import QApplication, QWidget
from qasync import QEventLoop

import resources
from app.application import Application
from app.dev.demo.hands import BUD, DAHLIA, drop, live_result, make_item, paint_strength, program_in, until
from editor.document.brush import Brush, Sample, SetTo, Stroke
from editor.methods.items.settings import ItemsSettings
from editor.methods.pixels.settings import PixelsSettings
from editor.methods.quick_fill.settings import QuickFillSettings
from widgets.controls.curve import CurveEditor
from widgets.session.session import Session
from widgets.theme import Theme

SIZES = {1: (1366, 768), 2: (1920, 1080)}  # logical pixels by scale factor; the second is 3840 × 2160 device pixels


def main(arguments: Sequence[str]) -> int:
    parser = argparse.ArgumentParser(prog="palimpsest screenshots", description="Draw the window in all its states.")
    parser.add_argument("folder", type=Path, nargs="?", default=Path("screenshots"))
    parser.add_argument("--scale", type=int, choices=SIZES, help="only this scale factor (default: each)")
    parser.add_argument("--theme", choices=("dark", "light"), help="only this theme (default: both)")
    parser.add_argument("--scene", choices=SCENES, help="only this scene (default: all)")
    options = parser.parse_args(arguments)
    if options.scale is None:  # the scale is fixed when Qt starts, so each has a process of its own
        for scale in SIZES:
            command = [sys.executable, "-m", "app", "screenshots", *arguments, "--scale", str(scale)]
            subprocess.run(command, check=True, env={**os.environ, "QT_SCALE_FACTOR": str(scale)})
        return 0
    options.folder.mkdir(parents=True, exist_ok=True)
    qt = QApplication(sys.argv[:1])
    qt.setQuitOnLastWindowClosed(False)
    theme = Theme(qt, "dark")
    with QEventLoop(qt) as loop, tempfile.TemporaryDirectory() as home:
        for choice in (options.theme,) if options.theme else ("dark", "light"):
            theme.choose(choice)
            for name in (options.scene,) if options.scene else SCENES:
                file = options.folder / f"{name}-{choice}-{SIZES[options.scale][0] * options.scale}.png"
                loop.run_until_complete(_shoot(SCENES[name], theme, Path(home), file, SIZES[options.scale]))
                sys.stdout.write(f"{file}\n")
    return 0


async def _shoot(scene: Scene, theme: Theme, home: Path, file: Path, size: tuple[int, int]) -> None:
    application = program_in(home, theme)
    try:
        application.window.resize(*size)
        application.window.show()
        await scene(application)
        await asyncio.sleep(0.4)  # the canvas refines what it shows, and notices settle
        application.window.grab().save(str(file))
    finally:
        await application.close()
        application.window.deleteLater()


Scene = Callable[[Application], Awaitable[None]]


async def _open(application: Application) -> Session:
    with resources.photo("flower.jpg") as photo:
        await application.open(photo)
    session = application.sessions[-1]
    session.set_draft(seed=3)
    return session


async def start_page(application: Application) -> None:
    for name in ("china.jpg", "coffee.png", "chelsea.png", "rocket.jpg"):
        with resources.photo(name) as photo:
            await application.open(photo)
        await until(lambda: len(application.settings.values.recent) > 0, "The photo was not remembered.")
        application.close_document(application.sessions[-1])
        await until(lambda: not application.sessions, "The photo did not close.")
    application.set_out_practice()
    await until(lambda: bool(application.practice()), "The practice scenes were not drawn.")


async def words(application: Application) -> None:
    """A practice scene whose cat becomes a dog, by words."""
    session = await _practise(application, "Cat and apple")
    session.run()
    await until(lambda: session.job is not None and session.job.state == "ready", "The edit did not end.")


async def items(application: Application) -> None:
    """A practice scene whose cat is taken out by a model that is told what is around it."""
    session = await _practise(application, "Cat and apple")
    session.choose_method(ItemsSettings)
    session.set_draft(prompt="", settings=ItemsSettings(surroundings="on grass"))
    session.run()
    await until(lambda: session.job is not None and session.job.state == "ready", "The edit did not end.")


async def live(application: Application) -> None:
    """A practice scene with live on, whose car has followed two strokes; an earlier state is kept as a snapshot."""
    session = await _practise(application, "Car by a cactus")
    session.choose_method(PixelsSettings)
    session.set_draft(item=None, strength=0.95, steps=20)
    session.set_options(tool="strength", value=0.75)
    session.live.switch(True)
    for strength in (0.5, 0.75):
        paint_strength(session, [(40, 175), (130, 175)], 110, 0.6, strength=strength)
        await live_result(session)
        if strength < 0.75:
            session.snapshot()
    _point_at(application, 60, 210)


async def blending(application: Application) -> None:
    """A practice scene into which a duck is let."""
    session = await _practise(application, "Duck for a pond")
    session.run()
    await until(lambda: session.job is not None and session.job.state == "ready", "The edit did not end.")


async def _practise(application: Application, scene: str) -> Session:
    application.open_practice(scene)
    await until(lambda: bool(application.sessions), "The practice scene did not open.")
    session = application.sessions[-1]
    await until(lambda: session.draft.model is not None, "The practice model was not chosen.")
    session.set_draft(seed=3, steps=15)
    return session


async def painting(application: Application) -> None:
    session = await _open(application)
    session.set_options(tool="strength", value=0.7)
    for size, value, points in (
        (150, 1.0, [(330, 395), (430, 400)]),
        (120, 0.6, [(450, 380), (520, 330), (560, 260)]),
        (90, 0.3, [(560, 260), (570, 180)]),
    ):
        stroke = Stroke(session.document.strength, Brush(size=size, hardness=0.3), SetTo(value))
        stroke.add([Sample(x, y) for x, y in points])
        session.commit("Paint strength", session.document.with_strength(stroke.finish()))
    _point_at(application, 520, 330)


async def curve(application: Application) -> None:
    await painting(application)
    application.window.actions_of_window.action("strength.curve").trigger()
    editor = application.window.findChild(CurveEditor)
    if editor is not None:
        _press(editor, QPointF(editor.width() * 0.4, editor.height() * 0.25))


async def item(application: Application) -> None:
    session = await _open(application)
    dahlia = await make_item(session, "dahlia", DAHLIA)
    session.set_options(tool="move")
    placement = replace(dahlia.placed, x=dahlia.placed.x - 90, y=dahlia.placed.y + 20, scale_x=0.85, scale_y=0.85)
    session.commit("Move “dahlia”", session.document.with_item(replace(dahlia, placement=placement)))
    _point_at(application, 230, 240)


async def running(application: Application) -> None:
    session = await _open(application)
    await make_item(session, "bud", BUD)
    session.run()
    await until(lambda: session.job is not None and len(session.job.candidates.results) >= 1, "Nothing was made.")
    await until(lambda: session.job is None or not session.job.busy or session.job.fraction > 0.3, "Nothing goes on.")


async def variations(application: Application) -> None:
    session = await _open(application)
    await make_item(session, "bud", BUD)
    session.set_draft(settings=QuickFillSettings(grow=24))
    session.run()
    await until(lambda: session.job is not None and session.job.state == "ready", "The edit did not end.")


async def exemplar(application: Application) -> None:
    session = await _open(application)
    with resources.photo("chelsea.png") as photo:
        await drop(session, photo)
    session.set_options(tool="move")


async def full(application: Application) -> None:
    """Many things at once: twelve items, six exemplars, long names."""
    session = await _open(application)
    await make_item(session, "A dahlia with a very long name that no list can show in full", DAHLIA)
    document = session.document
    for i in range(11):
        document = document.adding_item(replace(document.items[0], name=f"Item {i + 2}"))
    session.commit("Add items", document)
    with resources.photo("chelsea.png") as photo:
        for _ in range(6):
            await drop(session, photo)


async def failed(application: Application) -> None:
    session = await _open(application)
    session.notice(
        "“holiday.tif” is damaged: it ends in the middle of the picture.",
        "Copy it again from where it came from. Your document is as it was.",
        error=True,
    )


def _press(widget: QWidget, where: QPointF) -> None:
    """Press and let go."""
    left, none = Qt.MouseButton.LeftButton, Qt.KeyboardModifier.NoModifier
    for kind in (QEvent.Type.MouseButtonPress, QEvent.Type.MouseButtonRelease):
        QApplication.sendEvent(widget, QMouseEvent(kind, where, widget.mapToGlobal(where), left, left, none))


def _point_at(application: Application, x: float, y: float) -> None:
    """Rest the pointer over a place of the picture."""
    bench = application.window.workbench
    if bench is not None:
        where = QPointF(*bench.canvas.viewport.to_screen(x, y))
        none = Qt.MouseButton.NoButton
        there = bench.canvas.mapToGlobal(where)
        hover = QMouseEvent(QEvent.Type.MouseMove, where, there, none, none, Qt.KeyboardModifier.NoModifier)
        QApplication.sendEvent(bench.canvas, hover)


SCENES: dict[str, Scene] = {
    "start": start_page,
    "strength": painting,
    "curve": curve,
    "item": item,
    "exemplar": exemplar,
    "running": running,
    "variations": variations,
    "words": words,
    "items": items,
    "live": live,
    "blending": blending,
    "full": full,
    "failed": failed,
}
