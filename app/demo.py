"""The demonstration: three edits of a real photo in the real window, each run by its background worker.

An item is moved and made smaller, and its hole heals; an item is removed; a cut-out of another photo is dropped and blended in by a
painted strength. Nothing is downloaded. The pictures, the project and a screenshot go into a folder.
"""

from __future__ import annotations

import asyncio
import logging
import sys
import tempfile
from collections.abc import Awaitable, Callable
from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path

import numpy as np
from PySide6.QtWidgets import QApplication
from qasync import QEventLoop

import resources
from app import log as logs
from app.application import Application, load_engine
from app.documents import export_picture, save_document
from app.settings import Settings
from editor.brush import Brush, Sample, SetTo, Stroke
from editor.compose import flatten_rgb
from editor.geometry import Placement, Rect
from editor.io.images import Picture
from editor.item import Exemplar, Item
from editor.report import Masks
from editor.request import QuickFillSettings, SegmentRequest
from editor.tiles import Tiles
from widgets.session import Session
from widgets.theme import Theme

PHOTO, OTHER_PHOTO = "flower.jpg", "chelsea.png"
BUD = Rect(280, 352, 480, 427)
DAHLIA = Rect(160, 78, 460, 370)
PATIENCE = 120.0  # seconds that one edit may take on a slow machine


class DemoFailed(Exception):
    """The demonstration did not come to its end; the message is a sentence."""


def run(output: Path, *, stay_open: bool) -> int:
    """Play it and write everything to `output`; with `stay_open` the window waits to be closed. Returns the exit status."""
    output.mkdir(parents=True, exist_ok=True)
    qt = QApplication(sys.argv[:1])
    qt.setApplicationName("palimpsest")
    qt.setApplicationDisplayName("Palimpsest")
    qt.setQuitOnLastWindowClosed(False)
    logs.start(None)
    try:
        with QEventLoop(qt) as loop, tempfile.TemporaryDirectory() as home:
            logs.watch(loop)
            loop.run_until_complete(_main(Theme(qt, "dark"), Path(home), output, stay_open=stay_open))
    except DemoFailed as failure:
        logging.getLogger(__name__).error("%s", failure)
        return 1
    return 0


async def _main(theme: Theme, home: Path, output: Path, *, stay_open: bool) -> None:
    application = Application(
        Settings(home / "settings.json"),
        theme,
        home / "cache",
        home / "models",
        load_engine,
        recovery=home / "recovery",
    )
    try:
        window = application.window
        window.resize(1366, 768)
        window.show()
        session = await play(
            application, lambda name, session: export_picture(output / f"{name}.png", session.history.document)
        )
        await save_document(output / "flower.palimpsest", session.history.document)
        await asyncio.sleep(0.3)  # the canvas refines what it shows in the following turns of the event loop
        window.grab().save(str(output / "window.png"))
        _say(f"Wrote the pictures, the project and a screenshot to {output.resolve()}")
        if stay_open:
            session.notice("This is the finished demonstration. Undo goes back step by step.")
            await application.finished.wait()
    finally:
        await application.close()


async def play(application: Application, keep: Callable[[str, Session], Awaitable[object]]) -> Session:
    """Open the photo and make the three edits; `keep` gets a name and the session after each. Returns the session."""
    with ExitStack() as photos:
        photo = photos.enter_context(resources.photo(PHOTO))
        other = photos.enter_context(resources.photo(OTHER_PHOTO))
        application.open_paths([photo])
        await until(lambda: application.sessions, "The photo did not open.")
        session = application.sessions[-1]
        session.set_draft(seed=3)
        await keep("0 original", session)

        _say("Moving the dahlia, and making it smaller")
        item = await make_item(session, "dahlia", DAHLIA)
        session.set_draft(settings=QuickFillSettings(grow=16))
        placement = Placement(item.placed.x - 124, item.placed.y - 12, 0.8, 0.8)
        session.commit("Move “dahlia”", session.document.with_item(replace(item, placement=placement)))
        await _run(session)
        await keep("1 moved", session)

        _say("Removing the bud at the lower edge")
        await make_item(session, "bud", BUD)
        # Petals out of focus reach further than any outline; a wider growth takes them in.
        session.set_draft(settings=QuickFillSettings(grow=40))
        await _run(session)
        await keep("2 removed", session)

        _say("Dropping a cat, and blending it in by a painted strength")
        await drop(session, other)
        await _run(session)
        await keep("3 blended", session)
        session.activate()
    return session


async def make_item(session: Session, name: str, box: Rect) -> Item:
    """Find the outline of the thing in the box, and make it the active item."""
    document = session.document
    around = box.grow(48).intersect(document.rect)
    found: list[Masks] = []
    session.segment(SegmentRequest(flatten_rgb(document, around), around, box=box), found.append)
    await until(lambda: found, f"The {name} was not found.")
    mask = document.empty_map().write(around.left, around.top, np.array(found[0].masks[0]))
    document = document.adding_item(Item.of(name, mask))
    item = document.items[-1]
    session.commit(f"Make item “{name}”", document)
    session.activate(item=item.id)
    return item


async def drop(session: Session, path: Path) -> None:
    """Lay the other photo onto the canvas and paint how much of it comes in: all of the face, ever less around it."""
    read: list[Picture] = []
    session.read(path, "cat", read.append)
    await until(lambda: read, "The other photo could not be read.")
    exemplar = Exemplar.of("cat", read[0].pixels, Placement(468, 224, 0.8, 0.8))
    stroke = Stroke(Tiles.filled(exemplar.size.shape, 0, np.float32), Brush(size=290, hardness=0.15), SetTo(1.0))
    stroke.add([Sample(200, 150), Sample(262, 168)])
    document = session.document.adding_exemplar(replace(exemplar, strength_map=stroke.finish()))
    session.commit("Add reference picture", document)
    session.activate(exemplar=document.exemplars[-1].id)


async def _run(session: Session) -> None:
    """Press the button, wait for all variations, accept the first."""
    session.run()
    await until(lambda: session.job is None or not session.job.busy, "The edit did not end.")
    if session.job is None or session.job.error is not None:
        raise DemoFailed(f"The edit failed: {session.job.error if session.job else 'it was stopped'}")
    if not session.job.results:
        raise DemoFailed("The edit made nothing.")
    session.accept()


async def until(condition: Callable[[], object], otherwise: str) -> None:
    try:
        async with asyncio.timeout(PATIENCE):
            while not condition():
                await asyncio.sleep(0.02)
    except TimeoutError:
        raise DemoFailed(otherwise) from None


def _say(text: str) -> None:
    sys.stdout.write(text + "\n")
    sys.stdout.flush()
