"""Things that can be taken hold of: which one lies under the pointer, by what it is held, where a drag puts it, and what a menu there is about."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from typing import Literal

import numpy as np
from PySide6.QtCore import QPointF

from editor.document.contents import Exemplar, Item
from editor.document.document import Document
from editor.document.placing import item_matrix, reachable
from editor.geometry import Placement, invert, transform_point
from editor.planning.plan import Touch
from widgets.session.paint_target import value_at
from widgets.session.session import Session
from widgets.tools import marks
from widgets.tools.tool import PointerEvent
from widgets.viewport import Viewport

Thing = Item | Exemplar
Grip = tuple[int, int]
Stem = tuple[tuple[float, float], tuple[float, float]]  # a line on screen from a box to its handle

REACH = 12.0  # screen pixels around a grip that take hold of it: an area of 24 px
TURN_REACH = 30.0  # around a corner, outside the box: turning
STEM = 28.0  # screen pixels from the box to the handle that turns it
HOME = 5.0  # screen pixels: this near to where it rests, an item falls back into its place
STEP = 15.0  # degrees that Shift snaps to
ROOM = 36.0  # a side shorter than this on screen shows no grip in its middle

# Corners and sides as the thing itself sees them; x and y are -1, 0 or 1. Corners go as in `Placement.corners`.
HANDLE: Grip = (0, -2)  # what turns
CORNERS: tuple[Grip, ...] = ((-1, -1), (1, -1), (1, 1), (-1, 1))
Subject = Literal["item", "exemplar", "layer", "selection", "result", "canvas"]


@dataclass(frozen=True, slots=True)
class Hold:
    """What a press takes hold of: the inside (moves), a grip (resizes), or the handle that turns and the space outside a corner, where `grip` is
    `HANDLE` or nothing.
    """

    kind: Literal["inside", "grip", "turn"]
    grip: Grip = (0, 0)


def active(session: Session) -> Thing | None:
    """The active item or exemplar, as it is shown; what is hidden cannot be taken hold of."""
    draft, document = session.draft, session.document
    if draft.exemplar is not None:
        exemplar = document.exemplar(draft.exemplar)
        return exemplar if exemplar is not None and exemplar.visible else None
    item = None if draft.item is None else document.item(draft.item)
    return item if item is not None and item.visible and not item.empty else None


def activate(session: Session, thing: Thing) -> None:
    if isinstance(thing, Item):
        session.activate(item=thing.id)
    else:
        session.activate(exemplar=thing.id)


def placement_of(thing: Thing) -> Placement:
    return thing.placed if isinstance(thing, Item) else thing.placement


def with_placement(document: Document, thing: Thing, placement: Placement) -> Document:
    """An item that arrives exactly where it rests counts as not moved. Nothing goes out of reach."""
    placement = reachable(placement, thing.size)
    if isinstance(thing, Exemplar):
        return document.with_exemplar(replace(thing, placement=placement))
    rest = Placement(*thing.rect.centre)
    return document.with_item(replace(thing, placement=None if placement == rest else placement))


def covers(thing: Thing, x: float, y: float) -> bool:
    """Whether it shows something under a document point."""
    if isinstance(thing, Item):
        if thing.empty:
            return False
        own = transform_point(invert(item_matrix(thing)), x, y)
        return (value_at(thing.mask, *own) or 0.0) >= 0.5
    own = transform_point(invert(thing.placement.matrix(thing.size)), x, y)
    inside = value_at(thing.cutout, *own)
    if inside is None or inside < 0.1:
        return False
    return int(thing.pixels[math.floor(own.y), math.floor(own.x), 3]) >= 25


def thing_at(document: Document, x: float, y: float) -> Thing | None:
    """The topmost visible thing under a document point; exemplars lie above items."""
    things: list[Thing] = [*document.items, *document.exemplars]
    for thing in reversed(things):
        if thing.visible and covers(thing, x, y):
            return thing
    return None


def grips(corners: list[tuple[float, float]]) -> dict[Grip, tuple[float, float]]:
    """Where the grips are on screen, from the corners there; the sides' only where there is room."""
    places = dict(zip(CORNERS, corners, strict=True))
    for i, (first, second) in enumerate(zip(CORNERS, (*CORNERS[1:], CORNERS[0]), strict=True)):
        a, b = corners[i], corners[(i + 1) % 4]
        if marks.distance(a, b) >= ROOM:
            places[(first[0] + second[0]) // 2, (first[1] + second[1]) // 2] = (a[0] + b[0]) / 2, (a[1] + b[1]) / 2
    return places


def turning_handle(corners: list[tuple[float, float]], viewport: Viewport) -> Stem:
    """Where the handle that turns a thing stands: outside the side that looks up, or the opposite one where that is out of the window.

    `corners`: on screen. A box out of which neither comes into the window has it beside its upper side.
    """
    middle = sum(x for x, _ in corners) / 4, sum(y for _, y in corners) / 4
    sides = [((a[0] + b[0]) / 2, (a[1] + b[1]) / 2) for a, b in ((corners[0], corners[1]), (corners[2], corners[3]))]
    stems = [_stem(side, middle) for side in sorted(sides, key=lambda side: (side[1], side[0]))]
    window = (0, viewport.width), (0, viewport.height)
    seen = (stem for stem in stems if all(low <= at <= high for at, (low, high) in zip(stem[1], window, strict=True)))
    return next(seen, stems[0])


def _stem(side: tuple[float, float], middle: tuple[float, float]) -> Stem:
    """From the middle of a side straight outwards; upwards from a box without height."""
    length = marks.distance(side, middle)
    along = ((side[0] - middle[0]) / length, (side[1] - middle[1]) / length) if length > 0 else (0.0, -1.0)
    return side, (side[0] + STEM * along[0], side[1] + STEM * along[1])


def hold_at(thing: Thing, event: PointerEvent) -> Hold | None:
    """What the pointer would take hold of; None when it is away from the thing."""
    corners = marks.on_screen(event.viewport, placement_of(thing).corners(thing.size))
    pointer = event.viewport.to_screen(event.x, event.y)
    inside = _inside(thing, event)
    # Inside a small box most of the room is for moving it.
    shorter = min(marks.distance(corners[0], corners[1]), marks.distance(corners[1], corners[2]))
    reach = min(REACH, shorter / 4) if inside else REACH
    places = grips(corners)
    nearest = min(places, key=lambda grip: marks.distance(places[grip], pointer))
    if marks.distance(places[nearest], pointer) <= reach:
        return Hold("grip", nearest)
    if marks.distance(turning_handle(corners, event.viewport)[1], pointer) <= REACH:
        return Hold("turn", HANDLE)
    if inside:
        return Hold("inside")
    if min(marks.distance(corner, pointer) for corner in corners) <= TURN_REACH:
        return Hold("turn")
    return None


def _inside(thing: Thing, event: PointerEvent) -> bool:
    own = transform_point(invert(placement_of(thing).matrix(thing.size)), event.x, event.y)
    return 0 <= own.x <= thing.size.width and 0 <= own.y <= thing.size.height


def moved(thing: Thing, press: PointerEvent, event: PointerEvent) -> Placement:
    """By whole pixels, so that nothing is blurred by being moved; along one axis with Shift."""
    start = placement_of(thing)
    dx, dy = round(event.x - press.x), round(event.y - press.y)
    if event.shift:
        dx, dy = (dx, 0) if abs(dx) >= abs(dy) else (0, dy)
    placement = start.moved(dx, dy)
    if isinstance(thing, Item):
        rest = Placement(*thing.rect.centre)
        straight = replace(placement, x=rest.x, y=rest.y) == rest
        if straight and math.hypot(placement.x - rest.x, placement.y - rest.y) * event.viewport.scale < HOME:
            return rest
    return placement


def turned(thing: Thing, press: PointerEvent, event: PointerEvent) -> Placement:
    """About the centre; with Shift in steps."""
    start = placement_of(thing)
    before = math.atan2(press.y - start.y, press.x - start.x)
    after = math.atan2(event.y - start.y, event.x - start.x)
    rotation = start.rotation + math.degrees(after - before)
    if event.shift:
        rotation = round(rotation / STEP) * STEP
    return replace(start, rotation=rotation % 360)


def resized(thing: Thing, grip: Grip, press: PointerEvent, event: PointerEvent) -> Placement:
    """The grip follows the pointer, what lies opposite stays (the centre with Alt). Corners keep the ratio unless Shift is held."""
    start = placement_of(thing)
    half = np.array(
        [grip[0] * thing.size.width / 2, grip[1] * thing.size.height / 2]
    )  # from the centre, in its own pixels
    angle = math.radians(start.rotation)
    turn = np.array([[math.cos(angle), -math.sin(angle)], [math.sin(angle), math.cos(angle)]])
    scale = np.array([start.scale_x, start.scale_y])
    centre = np.array([start.x, start.y])
    held = half if event.alt else 2 * half  # from what stays to the grip
    fixed = centre if event.alt else centre - turn @ (scale * half)
    pointer = centre + turn @ (scale * half) + (event.x - press.x, event.y - press.y)
    reached = turn.T @ (pointer - fixed)
    if all(grip) and not event.shift:
        diagonal = scale * held
        factor = float(reached @ diagonal / (diagonal @ diagonal))
        new = scale * factor
    else:
        new = np.where(held != 0, reached / np.where(held != 0, held, 1), scale)
    least = 1 / np.array(
        [thing.size.width, thing.size.height]
    )  # no thinner than a pixel, or it could not be taken hold of
    new = np.where(np.abs(new) < least, np.copysign(least, new), new)
    place = fixed if event.alt else fixed + turn @ (new * half)
    return replace(start, x=float(place[0]), y=float(place[1]), scale_x=float(new[0]), scale_y=float(new[1]))


def subject_at(session: Session, x: float, y: float) -> Subject:
    """At a point of the picture. What lies there is what the next edit is about: a thing becomes the active one, and with what is selected in hand
    no other thing is.
    """
    if session.job is not None and session.job.seen:
        return "result"
    document = session.document
    thing = thing_at(document, x, y)
    if thing is not None:
        activate(session, thing)
        return "item" if isinstance(thing, Item) else "exemplar"
    if (value_at(document.selection, x, y) or 0.0) < 0.5:
        return "canvas"
    session.set_draft(item=None, exemplar=None, touched=session.draft.touching(Touch("selection")).touched)
    return "selection"


def subject_of_keyboard(session: Session, viewport: Viewport) -> tuple[Subject, QPointF]:
    """Of the menu key, and where the menu belongs, in logical pixels: what is active comes first, then what is selected."""
    middle = QPointF(viewport.width / 2, viewport.height / 2)
    if session.job is not None and session.job.seen:
        return "result", middle
    thing = active(session)
    if thing is not None:
        corners = marks.on_screen(viewport, placement_of(thing).corners(thing.size))
        at = QPointF(sum(x for x, _ in corners) / 4, sum(y for _, y in corners) / 4)
        inside = 0 <= at.x() < viewport.width and 0 <= at.y() < viewport.height
        return ("item" if isinstance(thing, Item) else "exemplar"), at if inside else middle
    return ("canvas" if session.document.selection.blank else "selection"), middle
