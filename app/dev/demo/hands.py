"""What a person's hands do to a document: point at things, draw round them, paint, and press the button, each through the session of the window."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np

import resources
from app.application import Application, load_engine
from app.settings import Settings
from editor.document import masks
from editor.document.brush import Brush, Sample, SetTo, Stroke
from editor.document.compose import flatten_rgb
from editor.document.contents import Exemplar, Item
from editor.document.document import Document
from editor.document.tiles import Tiles
from editor.geometry import Placement, Rect
from editor.io.images import Picture
from editor.requests.edit_request import SegmentRequest
from editor.requests.results import LiveResult, Masks
from widgets.session.session import Session
from widgets.theme import Theme

BUD = Rect(280, 352, 480, 427)  # in flower.jpg
DAHLIA = Rect(160, 78, 460, 370)
PATIENCE = 180.0  # seconds that one edit may take on a slow machine

Points = Sequence[tuple[float, float]]


class DemoFailed(Exception):
    """The demonstration did not come to its end; the message is a sentence."""


def program_in(home: Path, theme: Theme) -> Application:
    """The whole program, with nothing but what is bundled, and all that it keeps in this folder."""
    return Application(
        Settings(home / "settings.json"),
        theme,
        home / "cache",
        home / "models",
        load_engine,
        recovery=home / "recovery",
        bundled=resources.bundled_models(),
    )


async def outline(session: Session, name: str, box: Rect, document: Document | None = None) -> Tiles:
    """The outline of the thing in the box, as the program finds it. `document`: another than that of the session to look at."""
    document = document or session.document
    around = box.grow(48).intersect(document.rect)
    answers: list[Masks] = []
    session.segment(SegmentRequest(flatten_rgb(document, around), around, box=box), answers.append)
    await until(lambda: answers, f"The {name} was not found.")
    return document.empty_map().write(around.left, around.top, np.array(answers[0].masks[0]))


def lasso(document: Document, points: Points) -> Tiles:
    """What a lasso with these corners holds."""
    return document.empty_map().write(0, 0, masks.polygon(document.rect, points))


def together(one: Tiles, other: Tiles) -> Tiles:
    """Two outlines as one, as adding to a selection does."""
    return Tiles.of(np.maximum(one.read(), other.read()))


def make_item_of(session: Session, name: str, mask: Tiles) -> Item:
    """Make it an item, and the active one."""
    document = session.document.adding_item(Item.of(name, mask))
    item = document.items[-1]
    session.commit(f"Make item “{name}”", document)
    session.activate(item=item.id)
    return item


async def make_item(session: Session, name: str, box: Rect) -> Item:
    """Find the outline of the thing in the box, and make it the active item."""
    return make_item_of(session, name, await outline(session, name, box))


def paint_strength(
    session: Session, points: Points, size: float, hardness: float = 0.8, *, strength: float = 1.0
) -> None:
    """One stroke of the brush: there the picture may change. `size`: pixels."""
    stroke = Stroke(session.document.strength, Brush(size=size, hardness=hardness), SetTo(strength))
    stroke.add([Sample(x, y) for x, y in points])
    session.commit("Paint strength", session.document.with_strength(stroke.finish()))


def painted(exemplar: Exemplar, points: Points, size: float, hardness: float) -> Exemplar:
    """The exemplar let in only where one stroke of the brush goes, in its own pixels."""
    stroke = Stroke(Tiles.filled(exemplar.size.shape, 0, np.float32), Brush(size=size, hardness=hardness), SetTo(1.0))
    stroke.add([Sample(x, y) for x, y in points])
    return replace(exemplar, strength_map=stroke.finish())


async def lay_on(session: Session, path: Path, name: str, placement: Placement) -> Exemplar:
    """Lay another photo onto the canvas; it is not in the document yet."""
    pictures: list[Picture] = []
    session.read(path, name, pictures.append)
    await until(lambda: pictures, "The other photo could not be read.")
    return Exemplar.of(name, pictures[0].pixels, placement)


def add_exemplar(session: Session, exemplar: Exemplar) -> None:
    """Make it a part of the document, and the active thing."""
    document = session.document.adding_exemplar(exemplar)
    session.commit("Add exemplar", document)
    session.activate(exemplar=document.exemplars[-1].id)


async def drop(session: Session, path: Path) -> None:
    """Lay the photo of a cat onto the canvas and paint how much of it comes in: all of the face, ever less around it."""
    exemplar = await lay_on(session, path, "cat", Placement(468, 224, 0.8, 0.8))
    add_exemplar(session, painted(exemplar, [(200, 150), (262, 168)], 290, 0.15))


async def press_the_button(session: Session) -> float:
    """Run the edit, wait for all variations, and accept the first; the seconds it took."""
    begun = time.monotonic()
    session.run()
    await until(lambda: session.job is None or not session.job.busy, "The edit did not end.")
    if session.job is None or session.job.error is not None:
        raise DemoFailed(f"The edit failed: {session.job.error if session.job else 'it was stopped'}")
    if not session.job.candidates.results:
        raise DemoFailed("The edit made nothing.")
    seconds = time.monotonic() - begun
    session.accept()
    return seconds


async def live_result(session: Session) -> LiveResult:
    """Wait until the live picture has followed."""
    before = session.live.outcome
    await until(lambda: session.live.outcome not in (None, before), "The picture did not follow.")
    assert session.live.outcome is not None
    return session.live.outcome


async def until(condition: Callable[[], object], otherwise: str) -> None:
    try:
        async with asyncio.timeout(PATIENCE):
            while not condition():
                await asyncio.sleep(0.02)
    except TimeoutError:
        raise DemoFailed(otherwise) from None
