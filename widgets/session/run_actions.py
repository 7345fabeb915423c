"""Ways to run an edit beside the plain one: strengths to compare, smaller, and again with changes."""

from __future__ import annotations

import math
from dataclasses import replace
from typing import Literal

from editor.document.faint_strength import is_strength
from editor.edits import rerun as reopening
from editor.errors import InvalidRequest
from editor.methods.blended_latent_diffusion.settings import BlendedSettings
from editor.methods.pixels.settings import PixelsSettings
from editor.planning.draft import STRENGTHS, Touch
from widgets.methods import Preset, method_of
from widgets.session.edit_job import EditJob
from widgets.session.edits import edited_thing
from widgets.session.notice import Notice
from widgets.session.session import Session

MIN_SCALE = 0.4
SHRINK = 0.75


def can_try_strengths(session: Session) -> bool:
    """Whether several strengths could be tried now."""
    free = session.job is None or not session.job.busy
    return free and isinstance(session.draft.settings, PixelsSettings) and session.plan.action is not None


def try_strengths(session: Session) -> None:
    """Run the planned edit at several overall strengths, all else alike, to choose one."""
    if can_try_strengths(session):
        session.start(EditJob.of(session.plan, session.document, session.draft, STRENGTHS))


def can_repaint(session: Session) -> bool:
    """Whether there is something that words could be about, and a model that reads them."""
    document, draft = session.document, session.draft
    free = session.job is None or not session.job.busy
    about = draft.item is not None or is_strength(document.selection) or is_strength(document.strength)
    return free and bool(about) and draft.model is not None


def repaint(session: Session, region: Literal["inside", "outside"], about: Touch | None = None) -> None:
    """Repaint by words what is painted, selected or active, or everything else; where nothing has been said yet, ask for the words. `about`: which of
    them, where that has been said.
    """
    if session.job is not None and session.job.busy:
        return
    if about is not None:
        session.set_draft(touched=session.draft.touching(about).touched)
    session.choose_method(BlendedSettings)
    settings = session.draft.settings
    presets = method_of(settings).presets
    if isinstance(settings, BlendedSettings) and settings.region != region:
        session.choose_preset(next(each for each in presets if _region(each) == region))
    if session.draft.prompt.strip():
        session.run()
    else:
        session.ask_for_words()


def say_words(session: Session) -> None:
    """Take the method in hand that changes by words, and ask for them."""
    session.choose_method(BlendedSettings)
    session.ask_for_words()


def scribble(session: Session) -> None:
    """Begin to scribble what is to become a picture."""
    session.choose_method(BlendedSettings)
    session.choose_preset(next(each for each in method_of(session.draft.settings).presets if each.scribble))


def _region(preset: Preset) -> str:
    return preset.settings.region if isinstance(preset.settings, BlendedSettings) else ""


def can_shrink(session: Session) -> bool:
    """Whether the edit could run smaller."""
    settings = session.draft.settings
    return isinstance(settings, PixelsSettings | BlendedSettings) and settings.scale > MIN_SCALE


def run_smaller(session: Session, factor: float | None = None) -> None:
    """Run the planned edit with a working size whose sides are shorter by `factor`, in (0, 1); by a quarter where that is not known."""
    settings = session.draft.settings
    if isinstance(settings, PixelsSettings | BlendedSettings):
        scale = math.floor(settings.scale * (factor or SHRINK) * 20 + 1e-6) / 20  # in the steps of the slider
        session.set_draft(settings=replace(settings, scale=max(MIN_SCALE, scale)))
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
    return reopening.can_reopen(document, layer)


def run_again(session: Session, id: int) -> None:
    """Put document and draft back to what a layer's edit was made from, as one step of the history, so that it can be changed and run."""
    document = session.history.document
    layer = document.layer(id)
    try:
        reopened = reopening.reopen(document, id)
    except InvalidRequest as error:
        session.notice(error.message, error.advice)
        return
    session.reopen(f"Reopen: {'' if layer is None else layer.name}", reopened.document)


def can_leave(session: Session) -> bool:
    """Whether an edit is reopened, and Escape means nothing else."""
    return session.history.document.rerun is not None and session.job is None and edited_thing(session) is None


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
