"""Pieces of what is said about an edit before it runs, for the methods that say it."""

from __future__ import annotations

from editor.document.document import Document
from editor.planning.draft import Draft
from editor.planning.exemplar_change import most_freed
from editor.planning.plan import Plan
from editor.requests.edit_request import Action

# Numbers of the PIXELS specification, section 12.
MIN_FREE_STEPS = 3
LITTLE_SEEN, LITTLE_CHANGED = 0.05, 0.1  # strength, without a model and with one
NO_PROMPT = "Say what should be there."
NO_STEP = "At this strength not one step runs. Raise the strength, or the number of steps."


def strongest(document: Document, draft: Draft, planned: Plan) -> float:
    """0 to 1: how much any pixel may change by this plan, at most. Cheap: from what is painted, not from where it lies."""
    settings, most = draft.settings, 0.0
    if planned.region is not None:
        most = document.map(planned.region).largest()
    if settings.needs_model:
        if planned.exemplars:
            most = max(most, most_freed(document, draft, planned))
        if planned.scribble is not None:
            most = 1.0  # the picture adapts to a scribble as much as the overall strength says
        if settings.is_outside:
            most = 1.0
        items = (document.item(id) for id in planned.items)
        most = max(most, *(item.mask.largest() for item in items if item is not None), 0.0)
    else:
        exemplars = (document.exemplar(id) for id in planned.exemplars)
        most = max(
            most,
            *(exemplar.strength_map.largest() * exemplar.strength for exemplar in exemplars if exemplar is not None),
            0.0,
        )
    return most * draft.strength


def few_steps(running: int | None, steps: int) -> str:
    """That few of `steps` run, or none; nothing where that is not known."""
    if running == 0:
        return NO_STEP
    if running is None or running >= MIN_FREE_STEPS or steps <= running:
        return ""
    return f"Only {running} of {steps} steps will run, so little changes. Raise the strength, or the number of steps."


def little_seen(most: float, action: Action) -> str:
    """That hardly anything shows of an edit that needs no model. `most`: how much any pixel may change, 0 to 1."""
    if most >= LITTLE_SEEN:
        return ""
    percent = f"{100 * most:.2g}\u202f%"
    if action == "blend":
        return f"At most {percent} of it comes in, so hardly anything will be seen. Raise its influence, or the overall strength."
    return (
        f"At most {percent} may change, so hardly anything will be seen. Paint stronger, or raise the overall strength."
    )
