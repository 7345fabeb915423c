"""Plans of Blended Latent Diffusion: a scribble and painted strength are one wish. While there is a scribble, the selection only says where one may
paint. Exemplars take no part.
"""

from __future__ import annotations

from collections.abc import Iterable

from editor.document.document import Document
from editor.document.faint_strength import is_strength
from editor.planning.draft import Draft, Touch
from editor.planning.plan import (
    REGION_MAPS,
    Plan,
    as_words,
    if_seen,
    plan_item,
    plan_region,
    repainting_label,
    resting_item,
)


def words_label(prompt: str, name: str = "", *, outside: bool, scribbled: bool = False, where: str = "") -> str:
    """What an edit by words is called. `name`, `where`: as for `repainting_label`."""
    if outside:
        return " ".join(["Repaint", *(["around", where] if where else ["background"]), *as_words(prompt)])
    if scribbled:
        return " ".join(["Paint the scribble", *as_words(prompt)])
    return repainting_label(prompt, name, where=where)


def usual(document: Document, draft: Draft) -> Iterable[Touch]:
    """What would be meant if nobody had touched anything yet: a scribble, a map, the active item."""
    if draft.scribble is not None:
        yield Touch("scribble", draft.scribble)
    yield from (Touch(name) for name in REGION_MAPS)
    if draft.item is not None:
        yield Touch("item", draft.item)


def reading(document: Document, draft: Draft, touch: Touch) -> Plan | None:
    """The edit that somebody means who has just touched this; None for none."""
    outside = draft.settings.is_outside
    layer = None if draft.scribble is None or outside else document.layer(draft.scribble)
    label = words_label(draft.prompt, outside=outside)
    match touch.what:
        case "scribble" | "strength" if layer is not None:
            if touch.what == "scribble" and touch.id != layer.id:
                return None
            painted = is_strength(document.strength)
            if touch.what == "strength" and not painted:
                return None
            label = words_label(draft.prompt, outside=outside, scribbled=True)
            if not layer.pixels.any():
                return Plan(None, label, "Paint rough colours where it should appear.")
            planned = Plan("fill", label, region="strength" if painted else None, scribble=layer.id)
            return if_seen(planned, draft.strength, enough=draft.strength > 0)
        case "strength":
            return plan_region(document, draft, "strength", label)
        case "selection":
            return None if layer is not None else plan_region(document, draft, "selection", label)
        case "item":
            item = resting_item(document, draft, touch)
            if item is None:
                return None
            return plan_item(item, draft, words_label(draft.prompt, item.name, outside=outside))
        case "scribble" | "exemplar":
            return None


def nothing(draft: Draft) -> Plan:
    """What is missing where nothing has been said yet."""
    outside = draft.settings.is_outside
    reason = "Select what should stay." if outside else "Paint or select where it should happen."
    return Plan(None, words_label(draft.prompt, outside=outside), reason)
