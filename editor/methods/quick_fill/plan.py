"""Plans of quick fill: every wish is an edit of its own. An active exemplar is blended alone, otherwise all that are shown."""

from __future__ import annotations

from collections.abc import Iterable

from editor.document.document import Document
from editor.planning.draft import Draft, Touch
from editor.planning.plan import (
    MOVING,
    REGION_MAPS,
    Plan,
    blending_label,
    moved_items,
    plan_blend,
    plan_region,
    removal,
    shown_exemplars,
    shown_item,
)


def usual(document: Document, draft: Draft) -> Iterable[Touch]:
    """What would be meant if nobody had touched anything yet: the active exemplar, the active and moved items, a map, all exemplars."""
    moved = moved_items(document)
    if draft.exemplar is not None:
        yield Touch("exemplar", draft.exemplar)
    if draft.item is not None and draft.item not in moved:
        yield Touch("item", draft.item)
    yield from (Touch("item", id) for id in moved[:1])
    yield from (Touch(name) for name in REGION_MAPS)
    yield from (Touch("exemplar", exemplar.id) for exemplar in shown_exemplars(document))


def reading(document: Document, draft: Draft, touch: Touch) -> Plan | None:
    """The edit that somebody means who has just touched this; None for none."""
    match touch.what:
        case "strength" | "selection":
            label = "Fill" if touch.what == "strength" else "Fill selection"
            return plan_region(document, draft, touch.what, label)
        case "item":
            item = None if touch.id is None else shown_item(document, touch.id)
            moved = moved_items(document)
            if item is None or item.id in moved:
                return None if item is None else Plan("move", MOVING, items=moved)
            return removal(item) if item.id == draft.item else None
        case "exemplar":
            shown = {exemplar.id: exemplar for exemplar in shown_exemplars(document)}
            if touch.id not in shown:
                return None
            if touch.id == draft.exemplar:
                return plan_blend([shown[touch.id]], f"Blend “{shown[touch.id].name}”", draft.strength)
            label = blending_label([]) if len(shown) > 1 else "Blend reference picture"
            return plan_blend(shown.values(), label, draft.strength)
        case "scribble":
            return None


def nothing() -> Plan:
    """What is missing where nothing has been said yet."""
    return Plan(None, "Fill", "Paint where it may change, or select an item.")
