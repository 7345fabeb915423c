"""When commands can be done, and what they act on."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from widgets.actions import WindowContext
from widgets.session.session import Session

if TYPE_CHECKING:
    from widgets.canvas.view import CanvasView

When = Callable[[WindowContext], bool]


def always(desk: WindowContext) -> bool:
    return True


def when(test: Callable[[Session], object]) -> When:
    return lambda desk: desk.session is not None and bool(test(desk.session))


def on_session(change: Callable[[Session], object]) -> Callable[[WindowContext], object]:
    """A command that needs only the session."""
    return lambda desk: change(desk.session) if desk.session is not None else None


def on_canvas(change: Callable[[CanvasView], object]) -> Callable[[WindowContext], object]:
    """A command on the view of the document in front."""
    return lambda desk: change(desk.canvas) if desk.canvas is not None else None


def on_item(change: Callable[[Session, int], object]) -> Callable[[WindowContext], object]:
    return on_session(lambda session: change(session, session.draft.item) if session.draft.item is not None else None)


def on_exemplar(change: Callable[[Session, int], object]) -> Callable[[WindowContext], object]:
    return on_session(
        lambda session: change(session, session.draft.exemplar) if session.draft.exemplar is not None else None
    )


def on_layer(change: Callable[[Session, int], object]) -> Callable[[WindowContext], object]:
    return on_session(
        lambda session: change(session, session.active_layer) if session.active_layer is not None else None
    )


selected = when(lambda session: not session.document.selection.blank)
painted = when(lambda session: not session.document.strength.blank or session.draft.exemplar is not None)
item = when(lambda session: session.draft.item is not None)
exemplar = when(lambda session: session.draft.exemplar is not None)
layer = when(lambda session: session.active_layer is not None)
busy = when(lambda session: session.job is not None and session.job.busy)
idle = when(lambda session: session.job is None or not session.job.busy)
shown = when(lambda session: session.job is not None and session.job.candidates.shown is not None)
discardable = when(lambda session: session.job is not None and not session.job.busy)


def serve(desk: WindowContext, serve: Callable[[Session], object]) -> None:
    if desk.session is not None:
        serve(desk.session)
