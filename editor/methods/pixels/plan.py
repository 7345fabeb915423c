"""Plans of PIXELS: exemplars and painted strength are one wish, since whoever lays a picture and paints around it wants both in one edit.

A selection, or an item, that is newer than both is an edit without them.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace

from editor.document.document import Document
from editor.document.faint_strength import is_strength
from editor.planning.draft import Draft, Touch
from editor.planning.plan import (
    REGION_MAPS,
    Plan,
    blending_label,
    moved_items,
    plan_blend,
    plan_item,
    plan_region,
    repainting_label,
    resting_item,
    shown_exemplars,
)


def usual(document: Document, draft: Draft) -> Iterable[Touch]:
    """What would be meant if nobody had touched anything yet: exemplars, a map, the active item."""
    yield from (Touch("exemplar", exemplar.id) for exemplar in shown_exemplars(document))
    yield from (Touch(name) for name in REGION_MAPS)
    if draft.item is not None:
        yield Touch("item", draft.item)


def reading(document: Document, draft: Draft, touch: Touch) -> Plan | None:
    """The edit that somebody means who has just touched this; None for none."""
    shown = shown_exemplars(document)
    match touch.what:
        case "strength" if not shown:
            return plan_region(document, draft, "strength", repainting_label(draft.prompt))
        case "strength" | "exemplar":
            painted = is_strength(document.strength)
            if not (painted if touch.what == "strength" else touch.id in {exemplar.id for exemplar in shown}):
                return None
            planned = plan_blend(shown, blending_label([exemplar.name for exemplar in shown]))
            return replace(planned, action="blend", reason="", region="strength") if painted else planned
        case "selection":
            return plan_region(document, draft, "selection", repainting_label(draft.prompt))
        case "item":
            item = resting_item(document, draft, touch)
            if item is None:
                return None
            return plan_item(item, draft, repainting_label(draft.prompt, item.name))
        case "scribble":
            return None


def nothing(document: Document, draft: Draft) -> Plan:
    """What is missing where nothing has been said yet."""
    reason = "Paint where it may change, or drop a picture onto the canvas."
    if moved_items(document):
        reason = "Quick fill moves things. To repaint, paint where it may change."
    return Plan(None, repainting_label(draft.prompt), reason)
