"""The next edit: its draft (settings, words, model, and what hands were on), and the plan of what a press on the one button would do.

The functions are pieces that methods build their plans from.
"""

from __future__ import annotations

import secrets
from collections.abc import Iterable
from dataclasses import dataclass, replace
from typing import Literal

from editor.document.contents import Exemplar, Item
from editor.document.document import Document, MapName
from editor.document.faint_strength import is_strength, lets_in, lies_open
from editor.geometry import Rect
from editor.models.info import ModelInfo
from editor.requests.edit_request import REVISION, Action
from editor.requests.method_settings import MethodSettings, Use
from editor.requests.samplers import Sampler

# As many touches are remembered; those before them are of nothing that anybody still has in mind.
_TOUCHES = 32
# Characters of a prompt that fit on the button.
_PROMPT = 24
MOVING = "Move and heal"
# The maps that say where, the usual one first.
REGION_MAPS: tuple[Literal["strength", "selection"], ...] = ("strength", "selection")
# What of an exemplar a hand changes.
_OF_EXEMPLAR = (
    "pixels",
    "cutout",
    "strength_map",
    "fidelity_map",
    "placement",
    "strength",
    "fidelity",
    "rim",
    "prompt_weight",
)


@dataclass(frozen=True, slots=True)
class Touch:
    """Something that a hand was on: `what` it is; `id`: of the item or exemplar, or of the layer of a scribble, None for a map."""

    what: Literal["strength", "selection", "item", "exemplar", "scribble"]
    id: int | None = None


STRENGTHS = (0.15, 0.3, 0.45, 0.6, 0.75, 0.9)
"""The overall strengths that are tried where several are to be compared, weakest first, which are the quickest."""


@dataclass(frozen=True, slots=True)
class Draft:
    """The next edit, as far as it has been said. `item`, `exemplar`: ids of what is active, at most one of the two.

    `strength`: 0 to 1, multiplies what is painted. `seed`: None draws a new one for every run. `variations`: how many results to make.
    `model`: what methods with a model use. `steps`, `guidance_scale`: None for what suits the model. `frame`: the part of the document that the
    model sees, in pixels; None lets `make_request` choose. `scribble`: the id of the layer whose colours are a hint, for methods that take one.
    `touched`: what hands were on, each once, the newest last.
    `revision`: by which rules the request is made; older ones are for running again what they made.
    """

    settings: MethodSettings
    item: int | None = None
    exemplar: int | None = None
    prompt: str = ""
    negative_prompt: str = ""
    strength: float = 1.0
    seed: int | None = None
    variations: int = 3
    model: ModelInfo | None = None
    steps: int | None = None
    guidance_scale: float | None = None
    sampler: Sampler = ""
    frame: Rect | None = None
    scribble: int | None = None
    touched: tuple[Touch, ...] = ()
    revision: int = REVISION

    def steps_on(self, model: ModelInfo) -> int:
        """How many steps a run on this model has: what was said, or else what suits the model."""
        return model.own_steps if self.steps is None else self.steps

    def guidance_on(self, model: ModelInfo) -> float:
        """The guidance scale of a run on this model, likewise."""
        return model.own_guidance if self.guidance_scale is None else self.guidance_scale

    def touching(self, *touches: Touch) -> Draft:
        """The draft after these were touched, the newest last; the draft itself where nothing is new about that."""
        kept = tuple(touch for touch in self.touched if touch not in touches)
        touched = (*kept, *touches)[-_TOUCHES:]
        return self if touched == self.touched else replace(self, touched=touched)


def draw_seed() -> int:
    """A seed nobody chose; small enough to read out to someone."""
    return secrets.randbelow(2**31)


@dataclass(frozen=True, slots=True)
class Plan:
    """What the button would do. `action` is None when it can do nothing; then `reason` says what is missing.

    `region`: the map that says where, if one does. `scribble`: the layer that is a hint. `needs_model`: what is missing is a model.
    """

    action: Action | None
    label: str
    reason: str = ""
    items: tuple[int, ...] = ()
    exemplars: tuple[int, ...] = ()
    region: MapName | None = None
    scribble: int | None = None
    needs_model: bool = False

    @property
    def about(self) -> tuple[object, ...]:
        """By what two plans are one edit."""
        return self.region, self.items, self.exemplars, self.scribble

    @property
    def subjects(self) -> tuple[int, ...]:
        """The ids of everything that it is about."""
        return (*self.items, *self.exemplars, *(() if self.scribble is None else (self.scribble,)))


def touches(before: Document, after: Document, scribble: int | None = None) -> tuple[Touch, ...]:
    """What a hand was on, from the documents before and after. `scribble`: the layer whose colours are a hint.

    Names do not count, and neither does what was only put away: hidden, deleted, cleared or put back.
    """
    touched = [
        Touch(name) for name in REGION_MAPS if after.map(name) is not before.map(name) and is_strength(after.map(name))
    ]
    hint = None if scribble is None else after.layer(scribble)
    was = None if hint is None else before.layer(hint.id)
    if hint is not None and (was is None or was.pixels is not hint.pixels) and hint.pixels.any():
        touched.append(Touch("scribble", hint.id))
    if after.items is not before.items:
        items = {item.id: item for item in before.items}
        touched += [Touch("item", item.id) for item in after.items if _is_new_item(items.get(item.id), item)]
    if after.exemplars is not before.exemplars:
        laid = {exemplar.id: exemplar for exemplar in before.exemplars}
        touched += [
            Touch("exemplar", exemplar.id)
            for exemplar in after.exemplars
            if _is_new_exemplar(laid.get(exemplar.id), exemplar)
        ]
    return tuple(touched)


def _is_new_item(before: Item | None, after: Item) -> bool:
    if before is after or not after.visible:
        return False
    if before is None or not before.visible:
        return True
    return before.mask is not after.mask or after.placement not in (None, before.placement)


def _is_new_exemplar(before: Exemplar | None, after: Exemplar) -> bool:
    if before is after or not after.visible:
        return False
    if before is None or not before.visible:
        return True
    return any(getattr(before, name) is not getattr(after, name) for name in _OF_EXEMPLAR)


def is_without_model(action: Action | None, draft: Draft) -> bool:
    """Whether an edit is carried out by a method without a model, whatever the one in hand: things are moved so, and taken out too, unless the method
    does that on its model, and there is one.
    """
    if not draft.settings.needs_model or action not in ("remove", "move"):
        return False
    has_model = draft.model is not None and draft.model.usable
    return not (action == "remove" and Use.REMOVAL in draft.settings.uses and has_model)


def removal(item: Item) -> Plan:
    """What the Delete key does."""
    return Plan("remove", f"Remove “{item.name}”", items=(item.id,))


def repainting_label(prompt: str, name: str = "", *, where: str = "") -> str:
    """What a repainting is called. `name`: of the item that it is about, if it is about one. `where`: what says where, if that is to be told."""
    return " ".join(["Repaint", *([f"“{name}”"] if name else [where] if where else []), *as_words(prompt)])


def named_by(prompt: str) -> str:
    """A name from the words that say what something is: as many as fit."""
    words = " ".join(prompt.split())
    return words if len(words) <= _PROMPT else words[: _PROMPT - 1].rstrip() + "…"


def as_words(prompt: str) -> list[str]:
    """The end of a label that quotes the prompt; nothing without one."""
    words = named_by(prompt)
    return [f"as “{words}”"] if words else []


def blending_label(names: list[str]) -> str:
    """What letting in exemplars of these names is called."""
    if not names:
        return "Blend reference pictures"
    return f"Blend “{names[0]}”" if len(names) == 1 else f"Blend {len(names)} reference pictures"


def plan_region(document: Document, draft: Draft, name: Literal["strength", "selection"], label: str) -> Plan | None:
    """To change what a map says; None where it says nothing."""
    map = document.map(name)
    if not is_strength(map):
        return None
    planned = Plan("fill", label, region=name)
    enough = is_strength(map, draft.strength)
    outside = draft.settings.is_outside
    if enough and not outside and not lies_open(map, document.protect, draft.strength):
        # So is what an edit across a protected place leaves of it.
        what = "painted" if name == "strength" else "selected"
        return replace(planned, action=None, reason=f"All that is {what} is protected. Unprotect some of it first.")
    return if_seen(planned, draft.strength, enough=enough)


def plan_item(item: Item, draft: Draft, label: str) -> Plan:
    """To repaint an item."""
    return if_seen(Plan("fill", label, items=(item.id,)), draft.strength, enough=is_strength(item.mask, draft.strength))


def if_seen(planned: Plan, overall: float, *, enough: bool) -> Plan:
    """The plan; without an action where the overall strength leaves nothing of it."""
    if enough:
        return planned
    percent = f"{100 * overall:.3g}\u202f%"
    return replace(planned, action=None, reason=f"At {percent} overall strength nothing changes. Raise the strength.")


def plan_blend(exemplars: Iterable[Exemplar], label: str, overall: float = 1.0) -> Plan:
    """To let these in; without an action where nothing of any of them is let in at this overall strength."""
    exemplars = tuple(exemplars)
    planned = Plan("blend", label, exemplars=tuple(exemplar.id for exemplar in exemplars))
    if any(lets_in(exemplar, overall) for exemplar in exemplars):
        return planned
    if any(lets_in(exemplar) for exemplar in exemplars):
        return if_seen(planned, overall, enough=False)
    return replace(
        planned, action=None, reason="Nothing of the reference picture comes in. Raise its influence, or paint it in."
    )


def shown_item(document: Document, id: int) -> Item | None:
    """An item that is shown, and covers something."""
    item = document.item(id)
    return item if item is not None and item.visible and not item.empty else None


def resting_item(document: Document, draft: Draft, touch: Touch) -> Item | None:
    """The active item, where it was touched and lies where it rests."""
    if touch.id is None or touch.id != draft.item:
        return None
    item = shown_item(document, touch.id)
    return item if item is not None and item.placement is None else None


def moved_items(document: Document) -> tuple[int, ...]:
    """The shown items that are on their way to another place."""
    return tuple(item.id for item in document.items if item.placement is not None and item.visible and not item.empty)


def shown_exemplars(document: Document) -> list[Exemplar]:
    """The exemplars that are not hidden."""
    return [exemplar for exemplar in document.exemplars if exemplar.visible]
