"""Planning: what has been said about the next edit, and what a press on the one button would make of it."""

from __future__ import annotations

import secrets
from dataclasses import dataclass, field, replace

from editor.document import Document, MapName
from editor.geometry import Rect
from editor.item import Exemplar, Item
from editor.models.info import ModelInfo
from editor.request import (
    REVISION,
    Action,
    BlendedSettings,
    MethodSettings,
    QuickFillSettings,
    Sampler,
)

# Characters of a prompt that fit on the button.
_PROMPT = 24

STRENGTHS = (0.15, 0.3, 0.45, 0.6, 0.75, 0.9)
"""The overall strengths that are tried where several are to be compared, weakest first, which are the quickest."""


@dataclass(frozen=True, slots=True)
class Draft:
    """The next edit, as far as it has been said. `item`, `exemplar`: ids of what is active, at most one of the two.

    `strength`: 0 to 1, multiplies what is painted. `seed`: None draws a new one for every run. `variations`: how many results to make.
    `model`: what methods with a model use. `steps`, `guidance_scale`: None for what suits the model. `frame`: the part of the document that the
    model sees, in pixels; None lets `make_request` choose. `scribble`: the id of the layer whose colours are a hint, for methods that take one.
    `revision`: by which rules the request is made; older ones are for running again what they made.
    """

    settings: MethodSettings = field(default_factory=QuickFillSettings)
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
    revision: int = REVISION

    @classmethod
    def for_document(cls, document: Document) -> Draft:
        """A first draft whose growth of items fits the picture: 7 px at a long side of 512."""
        grow = round(7 * max(document.size) / 512)
        return cls(QuickFillSettings(grow=min(max(grow, 2), 60)))

    def steps_on(self, model: ModelInfo) -> int:
        """How many steps a run on this model has: what was said, or else what suits the model."""
        return model.own_steps if self.steps is None else self.steps

    def guidance_on(self, model: ModelInfo) -> float:
        """The guidance scale of a run on this model, likewise."""
        return model.own_guidance if self.guidance_scale is None else self.guidance_scale

    @property
    def grow(self) -> int:
        """How far, in document pixels, the hole behind an item reaches past it; 0 for methods that dig none."""
        return self.settings.grow if isinstance(self.settings, QuickFillSettings) else 0


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
    found = meant(document, draft)
    if not draft.settings.needs_model or (draft.model is not None and draft.model.usable):
        return found
    reason = "Get a model first." if draft.model is None else f"{draft.model.problem} Choose another model."
    return replace(found, action=None, reason=reason, needs_model=True)


def meant(document: Document, draft: Draft) -> Plan:
    """The same, whatever model there is."""
    if isinstance(draft.settings, BlendedSettings):
        return _by_words(document, draft, draft.settings)
    return _repainting(document, draft) if draft.settings.needs_model else _rearranging(document, draft)


def removal(item: Item) -> Plan:
    """What the Delete key does."""
    return Plan("remove", f"Remove “{item.name}”", items=(item.id,))


def varies(draft: Draft, planned: Plan) -> bool:
    """Whether another seed gives another result."""
    return draft.settings.needs_model or planned.action != "blend"


def wanted(draft: Draft, planned: Plan) -> int:
    """How many results to make: one where the seed changes nothing, since all would be the same."""
    return draft.variations if varies(draft, planned) else 1


def draw_seed() -> int:
    """A seed nobody chose; small enough to read out to someone."""
    return secrets.randbelow(2**31)


def repainting_label(prompt: str, name: str = "") -> str:
    """What a repainting is called. `name`: of the item that it is about, if it is about one."""
    return " ".join(["Repaint", *([f"“{name}”"] if name else []), *_as(prompt)])


def words_label(settings: BlendedSettings, prompt: str, name: str = "", *, scribbled: bool = False) -> str:
    """What an edit by words is called. `name`: of the item that it is about, if it is about one."""
    if settings.region == "outside":
        return " ".join(["Repaint background", *_as(prompt)])
    if scribbled:
        return " ".join(["Paint the scribble", *_as(prompt)])
    return repainting_label(prompt, name)


def _as(prompt: str) -> list[str]:
    words = " ".join(prompt.split())
    if len(words) > _PROMPT:
        words = words[: _PROMPT - 1].rstrip() + "…"
    return [f"as “{words}”"] if words else []


def blending_label(names: list[str]) -> str:
    if not names:
        return "Blend exemplars"
    return f"Blend “{names[0]}”" if len(names) == 1 else f"Blend {len(names)} exemplars"


def _rearranging(document: Document, draft: Draft) -> Plan:
    """Without a model: from what is active, moved, painted, selected and laid on, in this order."""
    moved = _moved(document)
    exemplar = None if draft.exemplar is None else document.exemplar(draft.exemplar)
    if exemplar is not None and exemplar.visible:
        return Plan("blend", f"Blend “{exemplar.name}”", exemplars=(exemplar.id,))
    item = None if draft.item is None else document.item(draft.item)
    if moved and (item is None or item.id in moved):
        return Plan("move", "Move and heal", items=moved)
    if item is not None and not item.empty:
        return Plan("remove", f"Remove “{item.name}”", items=(item.id,))
    if document.strength.any():
        return Plan("fill", "Fill", region="strength")
    if document.selection.any():
        return Plan("fill", "Fill selection", region="selection")
    shown = _shown(document)
    if shown:
        label = "Blend exemplars" if len(shown) > 1 else "Blend exemplar"
        return Plan("blend", label, exemplars=tuple(each.id for each in shown))
    return Plan(None, "Fill", "Paint where it may change, or select an item.")


def _repainting(document: Document, draft: Draft) -> Plan:
    """With a model: from the exemplars laid on, and what is painted, selected and active, in this order."""
    shown = _shown(document)
    painted = document.strength.any()
    if shown:
        label = blending_label([each.name for each in shown])
        return Plan("blend", label, exemplars=tuple(each.id for each in shown), region="strength" if painted else None)
    label = repainting_label(draft.prompt)
    if painted:
        return Plan("fill", label, region="strength")
    if document.selection.any():
        return Plan("fill", label, region="selection")
    moved = _moved(document)
    item = None if draft.item is None else document.item(draft.item)
    if item is not None and not item.empty and item.id not in moved:
        return Plan("fill", repainting_label(draft.prompt, item.name), items=(item.id,))
    if moved:
        return Plan(None, label, "Quick fill moves things. To repaint, paint where it may change.")
    return Plan(None, label, "Paint where it may change, or drop a picture onto the canvas.")


def _by_words(document: Document, draft: Draft, settings: BlendedSettings) -> Plan:
    """With a model and words: from what is scribbled, painted, selected and active, in this order. Exemplars take no part; with a scribble, neither
    does the selection, which only says where one may paint.
    """
    outside = settings.region == "outside"
    layer = None if draft.scribble is None else document.layer(draft.scribble)
    region: MapName | None = None
    if document.strength.any():
        region = "strength"
    elif document.selection.any():
        region = "selection"
    if layer is not None and not outside:
        label = words_label(settings, draft.prompt, scribbled=True)
        if not layer.pixels.any():
            return Plan(None, label, "Paint rough colours where it should appear.")
        return Plan("fill", label, region="strength" if region == "strength" else None, scribble=layer.id)
    item = None if draft.item is None else document.item(draft.item)
    if region is None and item is not None and not item.empty and item.placement is None:
        return Plan("fill", words_label(settings, draft.prompt, item.name), items=(item.id,))
    label = words_label(settings, draft.prompt)
    if region is not None:
        return Plan("fill", label, region=region)
    return Plan(None, label, "Select what should stay." if outside else "Paint or select where it should happen.")


def _moved(document: Document) -> tuple[int, ...]:
    return tuple(item.id for item in document.items if item.placement is not None and not item.empty)


def _shown(document: Document) -> list[Exemplar]:
    return [exemplar for exemplar in document.exemplars if exemplar.visible]
