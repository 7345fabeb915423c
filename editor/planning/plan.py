"""Planning: what has been said about the next edit, and what a press on the one button would make of it.

A document can hold several wishes at once: painted strength, a selection, an active or moved item, exemplars, a scribble. What a hand was on last
leads. The button names it, and where the next newest wish would be another edit, that is offered beside it.

- Newest is what was last painted, selected, activated, moved, laid, shown or scribbled. Activating the same thing again counts again.
- What is not there any more (a map that is empty, a thing that is gone or hidden) is no wish, and neither is an item that is neither active nor
  moved. So undo needs no rule of its own: the next newest leads.
- What a result uses up or puts away was touched by no hand.
- Without a model every wish is an edit of its own. An active exemplar is blended alone, otherwise all that are shown.
- With PIXELS, exemplars and painted strength are one wish: whoever lays a picture and paints around it wants both in one edit. A selection, or an
  item, that is newer than both is an edit without them.
- With words, a scribble and painted strength are one wish. While there is a scribble, the selection only says where one may paint. Exemplars take no
  part.
- Moved items are moved without a model. With a method that has one, that is offered after whatever the method itself could do.

A document that was just opened has been touched by nobody: then there is a usual order, from what takes most deliberation to what takes least.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from typing import Literal

from editor.document.document import Document, MapName
from editor.document.exemplar import Exemplar
from editor.document.faint_strength import is_strength, lets_in, lies_open
from editor.document.item import Item
from editor.methods.blended_latent_diffusion.settings import BlendedSettings
from editor.planning.draft import Draft, Touch
from editor.requests.edit_request import Action

# Characters of a prompt that fit on the button.
_PROMPT = 24
MOVING = "Move and heal"
# Actions that are carried out without a model, whatever the method.
_PLAIN = ("remove", "move")
# The maps that say where, the usual one first.
_WHERE: tuple[Literal["strength", "selection"], ...] = ("strength", "selection")
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
    def subjects(self) -> tuple[int, ...]:
        """The ids of everything that it is about."""
        return (*self.items, *self.exemplars, *(() if self.scribble is None else (self.scribble,)))


def plan(document: Document, draft: Draft) -> Plan:
    """The edit that the person most likely means; without an action where the method's model is missing."""
    return plans(document, draft)[0]


def other_plan(document: Document, draft: Draft) -> Plan | None:
    """The edit that the person may mean just as well, to be offered beside `plan`; None where there is only one."""
    return plans(document, draft)[1]


def plans(document: Document, draft: Draft) -> tuple[Plan, Plan | None]:
    """`plan` and `other_plan` from one look at the document."""
    first, *others = (_with_model(each, draft) for each in readings(document, draft))
    return first, next((each for each in others if each.action is not None), None)


def _with_model(planned: Plan, draft: Draft) -> Plan:
    if not draft.settings.needs_model or planned.action in _PLAIN:
        return planned
    if draft.model is not None and draft.model.usable:
        return planned
    reason = "Get a model first." if draft.model is None else f"{draft.model.problem} Choose another model."
    return replace(planned, action=None, reason=reason, needs_model=True)


def leading_plan(document: Document, draft: Draft) -> Plan:
    """The same as `plan`, whatever model there is."""
    return readings(document, draft)[0]


def readings(document: Document, draft: Draft) -> tuple[Plan, ...]:
    """All the edits that could be meant, the likeliest first; at least one, which has no action where there is nothing to do."""
    found: list[Plan] = []
    for touch in (*reversed(draft.touched), *_usual(document, draft)):
        reading = _reading(document, draft, touch)
        if reading is not None and not any(_same_edit(reading, each) for each in found):
            found.append(reading)
    if len({each.label for each in found}) < len(found):
        found = [_told_apart(each, draft) for each in found]
    if not found:
        found = [_nothing(document, draft)]
    moved = _moved(document) if draft.settings.needs_model else ()
    if moved:
        found.append(Plan("move", MOVING, items=moved))
    return tuple(found)


def touches(before: Document, after: Document, scribble: int | None = None) -> tuple[Touch, ...]:
    """What a hand was on, from the documents before and after. `scribble`: the layer whose colours are a hint.

    Names do not count, and neither does what was only put away: hidden, deleted, cleared or put back.
    """
    found = [Touch(name) for name in _WHERE if after.map(name) is not before.map(name) and is_strength(after.map(name))]
    hint = None if scribble is None else after.layer(scribble)
    was = None if hint is None else before.layer(hint.id)
    if hint is not None and (was is None or was.pixels is not hint.pixels) and hint.pixels.any():
        found.append(Touch("scribble", hint.id))
    if after.items is not before.items:
        items = {item.id: item for item in before.items}
        found += [Touch("item", item.id) for item in after.items if _is_new_item(items.get(item.id), item)]
    if after.exemplars is not before.exemplars:
        laid = {exemplar.id: exemplar for exemplar in before.exemplars}
        found += [Touch("exemplar", each.id) for each in after.exemplars if _is_new_exemplar(laid.get(each.id), each)]
    return tuple(found)


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


def removal(item: Item) -> Plan:
    """What the Delete key does."""
    return Plan("remove", f"Remove “{item.name}”", items=(item.id,))


def is_stochastic(draft: Draft, planned: Plan) -> bool:
    """Whether another seed gives another result."""
    return draft.settings.needs_model or planned.action != "blend"


def result_count(draft: Draft, planned: Plan) -> int:
    """How many results to make: one where the seed changes nothing, since all would be the same."""
    return draft.variations if is_stochastic(draft, planned) else 1


def repainting_label(prompt: str, name: str = "", *, where: str = "") -> str:
    """What a repainting is called. `name`: of the item that it is about, if it is about one. `where`: what says where, if that is to be told."""
    return " ".join(["Repaint", *([f"“{name}”"] if name else [where] if where else []), *_as(prompt)])


def words_label(
    settings: BlendedSettings, prompt: str, name: str = "", *, scribbled: bool = False, where: str = ""
) -> str:
    """What an edit by words is called. `name`, `where`: as for `repainting_label`."""
    if settings.region == "outside":
        return " ".join(["Repaint", *(["around", where] if where else ["background"]), *_as(prompt)])
    if scribbled:
        return " ".join(["Paint the scribble", *_as(prompt)])
    return repainting_label(prompt, name, where=where)


def named_by(prompt: str) -> str:
    """A name from the words that say what something is: as many as fit."""
    words = " ".join(prompt.split())
    return words if len(words) <= _PROMPT else words[: _PROMPT - 1].rstrip() + "…"


def _as(prompt: str) -> list[str]:
    words = named_by(prompt)
    return [f"as “{words}”"] if words else []


def blending_label(names: list[str]) -> str:
    if not names:
        return "Blend reference pictures"
    return f"Blend “{names[0]}”" if len(names) == 1 else f"Blend {len(names)} reference pictures"


def _usual(document: Document, draft: Draft) -> Iterator[Touch]:
    """What would be meant if nobody had touched anything yet, the likeliest first."""
    moved = _moved(document)
    exemplars = [Touch("exemplar", exemplar.id) for exemplar in _shown(document)]
    item = [] if draft.item is None else [Touch("item", draft.item)]
    where = [Touch(name) for name in _WHERE]
    if isinstance(draft.settings, BlendedSettings):
        scribble = [] if draft.scribble is None else [Touch("scribble", draft.scribble)]
        yield from (*scribble, *where, *item)
    elif draft.settings.needs_model:
        yield from (*exemplars, *where, *item)
    else:
        active = [] if draft.exemplar is None else [Touch("exemplar", draft.exemplar)]
        gone = [Touch("item", id) for id in moved[:1]]
        yield from (*active, *((*item, *gone) if draft.item not in moved else gone), *where, *exemplars)


def _reading(document: Document, draft: Draft, touch: Touch) -> Plan | None:
    """The edit that somebody means who has just touched this; None where it is not there (any more), or no reason for an edit."""
    if isinstance(draft.settings, BlendedSettings):
        return _by_words(document, draft, draft.settings, touch)
    return _repainting(document, draft, touch) if draft.settings.needs_model else _rearranging(document, draft, touch)


def _rearranging(document: Document, draft: Draft, touch: Touch) -> Plan | None:
    """Without a model."""
    match touch.what:
        case "strength" | "selection":
            label = "Fill" if touch.what == "strength" else "Fill selection"
            return _where(document, draft, touch.what, label)
        case "item":
            item = None if touch.id is None else _there(document, touch.id)
            moved = _moved(document)
            if item is None or item.id in moved:
                return None if item is None else Plan("move", MOVING, items=moved)
            return Plan("remove", f"Remove “{item.name}”", items=(item.id,)) if item.id == draft.item else None
        case "exemplar":
            shown = {exemplar.id: exemplar for exemplar in _shown(document)}
            if touch.id not in shown:
                return None
            if touch.id == draft.exemplar:
                return _blend([shown[touch.id]], f"Blend “{shown[touch.id].name}”", draft.strength)
            label = blending_label([]) if len(shown) > 1 else "Blend reference picture"
            return _blend(shown.values(), label, draft.strength)
        case "scribble":
            return None


def _repainting(document: Document, draft: Draft, touch: Touch) -> Plan | None:
    """With a model: exemplars and painted strength together, or what is selected or active."""
    shown = _shown(document)
    match touch.what:
        case "strength" if not shown:
            return _where(document, draft, "strength", repainting_label(draft.prompt))
        case "strength" | "exemplar":
            painted = is_strength(document.strength)
            if not (painted if touch.what == "strength" else touch.id in {each.id for each in shown}):
                return None
            planned = _blend(shown, blending_label([each.name for each in shown]))
            return replace(planned, action="blend", reason="", region="strength") if painted else planned
        case "selection":
            return _where(document, draft, "selection", repainting_label(draft.prompt))
        case "item":
            item = _resting(document, draft, touch)
            if item is None:
                return None
            return _repaint_item(item, draft, repainting_label(draft.prompt, item.name))
        case "scribble":
            return None


def _by_words(document: Document, draft: Draft, settings: BlendedSettings, touch: Touch) -> Plan | None:
    """With a model and words: a scribble and painted strength together, or what is selected or active."""
    outside = settings.region == "outside"
    layer = None if draft.scribble is None or outside else document.layer(draft.scribble)
    match touch.what:
        case "scribble" | "strength" if layer is not None:
            if touch.what == "scribble" and touch.id != layer.id:
                return None
            painted = is_strength(document.strength)
            if touch.what == "strength" and not painted:
                return None
            label = words_label(settings, draft.prompt, scribbled=True)
            if not layer.pixels.any():
                return Plan(None, label, "Paint rough colours where it should appear.")
            planned = Plan("fill", label, region="strength" if painted else None, scribble=layer.id)
            return _loud(planned, draft.strength, enough=draft.strength > 0)
        case "scribble":
            return None
        case "strength":
            return _where(document, draft, "strength", words_label(settings, draft.prompt))
        case "selection":
            return (
                None if layer is not None else _where(document, draft, "selection", words_label(settings, draft.prompt))
            )
        case "item":
            item = _resting(document, draft, touch)
            if item is None:
                return None
            return _repaint_item(item, draft, words_label(settings, draft.prompt, item.name))
        case "exemplar":
            return None


def _nothing(document: Document, draft: Draft) -> Plan:
    """Nothing has been said yet."""
    settings = draft.settings
    if isinstance(settings, BlendedSettings):
        reason = "Paint or select where it should happen."
        if settings.region == "outside":
            reason = "Select what should stay."
        return Plan(None, words_label(settings, draft.prompt), reason)
    if not settings.needs_model:
        return Plan(None, "Fill", "Paint where it may change, or select an item.")
    reason = "Paint where it may change, or drop a picture onto the canvas."
    if _moved(document):
        reason = "Quick fill moves things. To repaint, paint where it may change."
    return Plan(None, repainting_label(draft.prompt), reason)


def _where(document: Document, draft: Draft, name: Literal["strength", "selection"], label: str) -> Plan | None:
    """To change what a map says; None where it says nothing."""
    map = document.map(name)
    if not is_strength(map):
        return None
    planned = Plan("fill", label, region=name)
    enough = is_strength(map, draft.strength)
    outside = isinstance(draft.settings, BlendedSettings) and draft.settings.region == "outside"
    if enough and not outside and not lies_open(map, document.protect, draft.strength):
        # So is what an edit across a protected place leaves of it.
        what = "painted" if name == "strength" else "selected"
        return replace(planned, action=None, reason=f"All that is {what} is protected. Unprotect some of it first.")
    return _loud(planned, draft.strength, enough=enough)


def _repaint_item(item: Item, draft: Draft, label: str) -> Plan:
    return _loud(Plan("fill", label, items=(item.id,)), draft.strength, enough=is_strength(item.mask, draft.strength))


def _loud(planned: Plan, overall: float, *, enough: bool) -> Plan:
    """The plan; without an action where the overall strength leaves nothing of it."""
    if enough:
        return planned
    percent = f"{100 * overall:.3g}\u202f%"
    return replace(planned, action=None, reason=f"At {percent} overall strength nothing changes. Raise the strength.")


def _blend(exemplars: Iterable[Exemplar], label: str, overall: float = 1.0) -> Plan:
    """To let these in; without an action where nothing of any of them is let in at this overall strength."""
    exemplars = tuple(exemplars)
    planned = Plan("blend", label, exemplars=tuple(each.id for each in exemplars))
    if any(lets_in(each, overall) for each in exemplars):
        return planned
    if any(lets_in(each) for each in exemplars):
        return _loud(planned, overall, enough=False)
    return replace(
        planned, action=None, reason="Nothing of the reference picture comes in. Raise its influence, or paint it in."
    )


def _told_apart(planned: Plan, draft: Draft) -> Plan:
    """With a label that says what says where."""
    if planned.region is None or planned.exemplars or planned.scribble is not None or not draft.settings.needs_model:
        return planned
    where = "selection" if planned.region == "selection" else "painted area"
    if isinstance(draft.settings, BlendedSettings):
        return replace(planned, label=words_label(draft.settings, draft.prompt, where=where))
    return replace(planned, label=repainting_label(draft.prompt, where=where))


def _same_edit(one: Plan, other: Plan) -> bool:
    return (one.region, one.items, one.exemplars, one.scribble) == (
        other.region,
        other.items,
        other.exemplars,
        other.scribble,
    )


def _there(document: Document, id: int) -> Item | None:
    """An item that is shown, and covers something."""
    item = document.item(id)
    return item if item is not None and item.visible and not item.empty else None


def _resting(document: Document, draft: Draft, touch: Touch) -> Item | None:
    """The active item, where it was touched and lies where it rests."""
    if touch.id is None or touch.id != draft.item:
        return None
    item = _there(document, touch.id)
    return item if item is not None and item.placement is None else None


def _moved(document: Document) -> tuple[int, ...]:
    """The shown items that are on their way to another place."""
    return tuple(item.id for item in document.items if item.placement is not None and item.visible and not item.empty)


def _shown(document: Document) -> list[Exemplar]:
    return [exemplar for exemplar in document.exemplars if exemplar.visible]
