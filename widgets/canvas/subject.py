"""Subject of a context menu over the canvas."""

from __future__ import annotations

from typing import Literal

from PySide6.QtCore import QPointF

from editor.document.item import Item
from editor.planning.plan import Touch
from widgets.session.paint_target import value_at
from widgets.session.session import Session
from widgets.tools import grips, marks
from widgets.viewport import Viewport

Subject = Literal["item", "exemplar", "layer", "selection", "result", "canvas"]


def subject_at(session: Session, x: float, y: float) -> Subject:
    """At a point of the picture. What lies there is what the next edit is about: a thing becomes the active one, and with what is selected in hand
    no other thing is.
    """
    if session.job is not None and session.job.seen:
        return "result"
    document = session.document
    thing = grips.thing_at(document, x, y)
    if thing is not None:
        grips.activate(session, thing)
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
    thing = grips.active(session)
    if thing is not None:
        corners = marks.on_screen(viewport, grips.placement_of(thing).corners(thing.size))
        at = QPointF(sum(x for x, _ in corners) / 4, sum(y for _, y in corners) / 4)
        inside = 0 <= at.x() < viewport.width and 0 <= at.y() < viewport.height
        return ("item" if isinstance(thing, Item) else "exemplar"), at if inside else middle
    return ("canvas" if session.document.selection.blank else "selection"), middle
