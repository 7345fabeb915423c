"""Readings of a document: the edits that the person may mean, the likeliest first.

A document can hold several wishes at once: painted strength, a selection, an active or moved item, exemplars, a scribble. What a hand was on last
leads. The button names it, and where the next newest wish would be another edit, that is offered beside it.

- Newest is what was last painted, selected, activated, moved, laid, shown or scribbled. Activating the same thing again counts again.
- What is not there any more (a map that is empty, a thing that is gone or hidden) is no wish, and neither is an item that is neither active nor
  moved. So undo needs no rule of its own: the next newest leads.
- What a result uses up or puts away was touched by no hand.
- What a touched thing means is the method's to say; each says so in its own `plan` module.
- Moved items are moved without a model. With a method that has one, that is offered after whatever the method itself could do.

A document that was just opened has been touched by nobody: then there is a usual order, from what takes most deliberation to what takes least.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from typing import Protocol

from editor.document.document import Document
from editor.planning.draft import Draft, Touch
from editor.planning.plan import MOVING, WITHOUT_MODEL, Plan, moved_items


class Reader(Protocol):
    """What a method says of the things in a document."""

    def usual(self, document: Document, draft: Draft) -> Iterable[Touch]:
        """What would be meant if nobody had touched anything yet, the likeliest first."""

    def reading(self, document: Document, draft: Draft, touch: Touch) -> Plan | None:
        """The edit that somebody means who has just touched this; None where it is not there (any more), or no reason for an edit."""

    def nothing(self, document: Document, draft: Draft) -> Plan:
        """A plan without an action, which says what is missing, where nothing has been said yet."""

    def told_apart(self, planned: Plan, draft: Draft) -> Plan:
        """The plan with a label that says what says where, to stand beside another of the same label."""


def readings(method: Reader, document: Document, draft: Draft) -> tuple[Plan, ...]:
    """All the edits that could be meant, the likeliest first; at least one, which has no action where there is nothing to do."""
    plans: list[Plan] = []
    for touch in (*reversed(draft.touched), *method.usual(document, draft)):
        reading = method.reading(document, draft, touch)
        if reading is not None and not any(_is_same_edit(reading, plan) for plan in plans):
            plans.append(reading)
    if len({plan.label for plan in plans}) < len(plans):
        plans = [method.told_apart(plan, draft) for plan in plans]
    if not plans:
        plans = [method.nothing(document, draft)]
    moved = moved_items(document) if draft.settings.needs_model else ()
    if moved:
        plans.append(Plan("move", MOVING, items=moved))
    return tuple(plans)


def plans(method: Reader, document: Document, draft: Draft) -> tuple[Plan, Plan | None]:
    """The edit that the person most likely means, without an action where the method's model is missing; and the one that they may mean just as
    well, to be offered beside it.
    """
    first, *others = (_with_model(plan, draft) for plan in readings(method, document, draft))
    return first, next((other for other in others if other.action is not None), None)


def _with_model(planned: Plan, draft: Draft) -> Plan:
    if not draft.settings.needs_model or planned.action in WITHOUT_MODEL:
        return planned
    if draft.model is not None and draft.model.usable:
        return planned
    reason = "Get a model first." if draft.model is None else f"{draft.model.problem} Choose another model."
    return replace(planned, action=None, reason=reason, needs_model=True)


def _is_same_edit(one: Plan, other: Plan) -> bool:
    def about(planned: Plan) -> tuple[object, ...]:
        return planned.region, planned.items, planned.exemplars, planned.scribble

    return about(one) == about(other)
