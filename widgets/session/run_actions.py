"""Ways to run an edit beside the plain one: strengths to compare, smaller, and again with changes."""

from __future__ import annotations

import math

from editor.document.faint_strength import is_strength
from editor.edits import rerun as reopening
from editor.errors import InvalidRequest
from editor.methods.base import Preset
from editor.planning.plan import STRENGTHS, Touch
from editor.requests.method_settings import Region, Use
from widgets.session.edit_job import EditJob
from widgets.session.edits import edited_thing
from widgets.session.notice import Notice
from widgets.session.session import Session

MIN_SCALE = 0.4
SHRINK = 0.75


def can_try_strengths(session: Session) -> bool:
    """Whether several strengths could be tried now."""
    free = session.job is None or not session.job.busy
    return free and Use.STRENGTHS in session.draft.settings.uses and session.plan.action is not None


def try_strengths(session: Session) -> None:
    """Run the planned edit at several overall strengths, all else alike, to choose one."""
    if can_try_strengths(session):
        session.start(EditJob.of(session.plan, session.document, session.draft, STRENGTHS, methods=session.methods))


def can_repaint(session: Session) -> bool:
    """Whether there is something that words could be about, and a model that reads them."""
    document, draft = session.document, session.draft
    free = session.job is None or not session.job.busy
    about = draft.item is not None or is_strength(document.selection) or is_strength(document.strength)
    return free and bool(about) and draft.model is not None


def repaint(session: Session, region: Region, about: Touch | None = None) -> None:
    """Repaint by words what is painted, selected or active, or everything else; where nothing has been said yet, ask for the words. `about`: which of
    them, where that has been said.
    """
    if session.job is not None and session.job.busy:
        return
    if about is not None:
        session.set_draft(touched=session.draft.touching(about).touched)
    outside = region == "outside"
    _take(session, Use.WORDS, Use.SURROUNDINGS)
    if session.draft.settings.is_outside != outside:
        session.choose_preset(next(preset for preset in session.method.presets if _is_for(preset, outside=outside)))
    if session.draft.prompt.strip():
        session.run()
    else:
        session.ask_for_words()


def say_words(session: Session) -> None:
    """Take the method in hand that changes by words, and ask for them."""
    _take(session, Use.WORDS, without=Use.EXEMPLARS)
    session.ask_for_words()


def scribble(session: Session) -> None:
    """Begin to scribble what is to become a picture."""
    _take(session, Use.SCRIBBLE)
    session.choose_preset(next(preset for preset in session.method.presets if preset.scribble))


def _take(session: Session, *uses: Use, without: Use | None = None) -> None:
    """Take a method in hand that uses all of these and not that, unless the one in hand does."""
    held = session.draft.settings.uses
    method = session.methods.using(*uses, without=without)
    if method is not None and not (held >= {*uses} and without not in held):
        session.choose_method(method.settings)


def _is_for(preset: Preset, *, outside: bool) -> bool:
    return preset.settings is not None and preset.settings.is_outside == outside


def can_shrink(session: Session) -> bool:
    """Whether the edit could run smaller."""
    settings = session.draft.settings
    return Use.SIZE in settings.uses and settings.working_scale > MIN_SCALE


def run_smaller(session: Session, factor: float | None = None) -> None:
    """Run the planned edit with a working size whose sides are shorter by `factor`, in (0, 1); by a quarter where that is not known."""
    settings = session.draft.settings
    if Use.SIZE in settings.uses:
        scale = math.floor(settings.working_scale * (factor or SHRINK) * 20 + 1e-6) / 20  # in the steps of the slider
        session.set_draft(settings=settings.with_values(scale=max(MIN_SCALE, scale)))
        session.run()


def why_not_again(session: Session, id: int) -> str:
    """Why a layer's edit cannot be run again, as a sentence; empty when it can."""
    document = session.history.document
    layer = document.layer(id)
    if layer is None:
        return "There is no such layer."
    if session.job is not None and session.job.busy:
        return "An edit is running."
    if document.rerun is not None and document.rerun.layer == id:
        return "It is reopened already."
    return reopening.can_reopen(document, layer, session.methods)


def run_again(session: Session, id: int) -> None:
    """Put document and draft back to what a layer's edit was made from, as one step of the history, so that it can be changed and run."""
    document = session.history.document
    layer = document.layer(id)
    try:
        reopened = reopening.reopen(document, id, session.methods)
    except InvalidRequest as error:
        session.notice(error.message, error.advice)
        return
    session.reopen(f"Reopen: {'' if layer is None else layer.name}", reopened.document)


def can_leave(session: Session) -> bool:
    """Whether an edit is reopened, and Escape means nothing else."""
    free = session.job is None and not session.live.on and edited_thing(session) is None
    return session.history.document.rerun is not None and free


def rerun_notice(session: Session) -> Notice | None:
    """What is to be said as long as an edit is reopened."""
    document = session.history.document
    if document.rerun is None:
        return None
    layer = document.layer(document.rerun.layer)
    name = "An edit" if layer is None else f"“{layer.name}”"
    return Notice(
        f"{name} is reopened.",
        "Change what you like, then run it again. What came later is hidden until you accept a result or leave.",
        offers=(("Leave (Esc)", session.leave_rerun),),
    )
