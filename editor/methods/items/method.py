"""Changing items as a method: an item becomes something else, goes, or keeps its place while all around it changes."""

from __future__ import annotations

import math
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from typing import Final

import numpy as np

from editor.arrays import Labels, Map, Mask
from editor.document.contents import Item
from editor.document.document import Document
from editor.document.faint_strength import drop_faint
from editor.document.partition import labels_of
from editor.document.placing import on_grid
from editor.errors import InvalidRequest
from editor.geometry import Rect
from editor.methods.base import HoldPreview, Preset
from editor.methods.items.owners import removed
from editor.methods.items.regions import free_steps, hold_counts, strength_of
from editor.methods.items.settings import ItemsSettings
from editor.methods.repainting import RepaintingMethod
from editor.model_canvas.canvas import ModelCanvas
from editor.models.info import ModelInfo
from editor.planning.change_map import allowed_map, clear_frame_edges, few_steps, repaint_frame, why_nothing
from editor.planning.plan import Draft, Plan, Touch, if_seen, moved_items, named_by, plan_item, removal, resting_item
from editor.requests.edit_request import EditRequest, ExemplarInput
from editor.requests.frame import Frame
from editor.requests.method_settings import MethodSettings
from editor.requests.results import Recipe

COVERS = 0.05  # from this much on a pixel has something of an item in it, and is made anew with it
_NUMBERED: Final = re.compile(r"item \d+", re.IGNORECASE)  # what items are called that nobody has named


class ItemsMethod(RepaintingMethod[ItemsSettings]):
    """Changes one item, by words, and leaves all others as they are (D-Edit, Feng et al., arXiv 2403.04880).

    The active item is what it is about. With words it becomes what they say; without any it is removed. Names of items are words too: they say
    what stays around.
    """

    settings = ItemsSettings
    id = "ItemsSettings"
    command = "items"
    command_help = "the region as a thing: it becomes what the prompt says, or goes without one"
    verb = "Change items"
    name = "D-Edit"
    explanation = "Replaces or removes an item, or changes all around it."
    paper = "Each item reads its own words (D-Edit, Feng et al., 2024), without learning the picture."
    presets = (
        Preset(
            "The item",
            1.0,
            "It becomes what you say, or goes.",
            ItemsSettings(),
            "Say what it should become, such as “a red boat”",
        ),
        Preset(
            "All around it",
            1.0,
            "It stays, everything else changes.",
            ItemsSettings(region="outside"),
            "Say what should be around it, such as “a snowy field”",
        ),
    )
    preset_fields = ("region",)

    def first_strength(self, model: ModelInfo | None, settings: MethodSettings | None = None) -> float:
        return 1.0  # what changes is made from noise

    # Plans

    def default_touches(self, document: Document, draft: Draft) -> Iterable[Touch]:
        """The active item."""
        if draft.item is not None:
            yield Touch("item", draft.item)

    def plan_for(self, document: Document, draft: Draft, touch: Touch) -> Plan | None:
        item = resting_item(document, draft, touch) if touch.what == "item" else None
        if item is None:
            return None
        if draft.settings.is_outside:
            return plan_item(item, draft, changing_label(item.name, draft.prompt, outside=True))
        if draft.prompt.strip():
            return plan_item(item, draft, changing_label(item.name, draft.prompt))
        return if_seen(removal(item), draft.strength, enough=draft.strength > 0)

    def empty_plan(self, document: Document, draft: Draft) -> Plan:
        reason = "Choose an item." if document.items else "Select something, then make it an item."
        if moved_items(document):
            reason = "Quick fill moves things. To change one, put it back."
        return Plan(None, "Change an item", reason)

    # Requests

    def change(self, document: Document, draft: Draft, planned: Plan, rect: Rect) -> Map:
        frame = repaint_frame(document, draft, planned)
        part = None if frame is None else rect.intersect(frame.rect)
        if frame is None or part is None or part.empty:
            return np.zeros(rect.size.shape, np.float32)
        return on_grid(self._strength(document, draft, planned, frame, part), part, rect)

    def reach(self, document: Document, draft: Draft, planned: Plan) -> Rect:
        frame = repaint_frame(document, draft, planned)
        whole = super().reach(document, draft, planned)
        return whole if frame is None else whole.grow(math.ceil(self._band(draft, frame))).intersect(frame.rect)

    def request(self, document: Document, draft: Draft, planned: Plan) -> EditRequest:
        if planned.action == "remove":
            draft = replace(draft, prompt="")  # else it would be another edit when it is run again
        request = super().request(document, draft, planned)
        division = _division(document, draft, planned, request.frame.rect)
        return replace(request, labels=division.labels, prompts=division.prompts)

    def inputs(
        self, document: Document, draft: Draft, frame: Frame, planned: Plan, transparent: Mask | None
    ) -> tuple[Map, dict[int, ExemplarInput]]:
        strength = self._strength(document, draft, planned, frame, frame.rect)
        if transparent is not None:
            strength[transparent] = 0
        if not strength.any():
            raise InvalidRequest(*why_nothing(document, draft, planned, transparent))
        return strength, {}

    def _strength(self, document: Document, draft: Draft, planned: Plan, frame: Frame, rect: Rect) -> Map:
        """(h, w) float32 of `rect`, inside the frame: how much every pixel may change."""
        own, band = self.own(draft.settings), self._band(draft, frame)
        seen = rect.grow(math.ceil(band) + 1).intersect(frame.rect)
        cover = np.zeros(seen.size.shape, np.float32)
        for id in planned.items:
            item = document.item(id)
            if item is not None:
                cover = np.maximum(cover, item.mask.read(seen))
        active: Mask = (1 - cover if own.is_outside else cover) > COVERS
        strength = strength_of(active, band, own.band_hold)
        if not own.is_outside:  # other items stay as they are
            items = _resting(document)
            others = [number for number, item in enumerate(items, 1) if item.id not in planned.items]
            strength[np.isin(_labels(items, seen), others)] = 0
        strength = strength[rect.within(seen).slices] * allowed_map(document, draft, rect)
        return drop_faint(clear_frame_edges(np.asarray(strength, np.float32), rect, frame.rect, document.rect))

    def _band(self, draft: Draft, frame: Frame) -> float:
        """Its width in document pixels."""
        cell = 0 if draft.model is None else draft.model.cell
        return self.own(draft.settings).band * cell / frame.mean_scale

    # What is said and shown

    def preview_holds(
        self,
        draft: Draft,
        exemplars: Sequence[ExemplarInput],
        strength: Map,
        canvas: ModelCanvas,
        steps: int,
    ) -> HoldPreview:
        return HoldPreview(hold_counts(strength, canvas, steps), steps)

    def running_steps(self, settings: MethodSettings, strength: float, steps: int) -> int:
        return int(free_steps(strength, steps))

    def warning(self, document: Document, draft: Draft, planned: Plan, model: ModelInfo) -> str:
        steps = draft.steps_on(model)
        few = few_steps(self.running_steps(draft.settings, draft.strength, steps), steps)
        if few:
            return few
        own = self.own(draft.settings)
        if planned.action == "remove" and not own.surroundings.strip():
            return "Say under “What is around” what the rest of the picture shows; that is what takes its place."
        if own.is_outside and not draft.prompt.strip():
            return "Say what should be around it."
        return ""

    def label(self, recipe: Recipe, names: Sequence[str], *, scribbled: bool) -> str:
        if recipe.action != "fill" or not names:
            return super().label(recipe, names, scribbled=scribbled)
        return changing_label(names[0], recipe.prompt, outside=recipe.settings.is_outside)


@dataclass(frozen=True, slots=True, eq=False)
class _Division:
    """labels: (H, W) int16 of the frame after the edit. prompts: what each label shows, the rest first."""

    labels: Labels
    prompts: tuple[str, ...]


def _division(document: Document, draft: Draft, planned: Plan, rect: Rect) -> _Division:
    """Whose each pixel of `rect` is after the edit, and what it reads."""
    items = _resting(document)
    labels = _labels(items, rect)
    prompts = [str(getattr(draft.settings, "surroundings", "")), *map(words_of, items)]
    about = [number for number, item in enumerate(items, 1) if item.id in planned.items]
    if planned.action == "remove":
        # What comes to light lay behind it: an item in front of it has no part in that.
        labels, _ = removed(labels, about, range(max(about, default=0) + 1, len(prompts)))
    elif draft.settings.is_outside:
        prompts[0] = draft.prompt
    else:
        for number in about:
            prompts[number] = draft.prompt
    return _Division(labels, tuple(prompts))


def _resting(document: Document) -> list[Item]:
    """Those that are part of the picture as it is, from the bottom up."""
    return [item for item in document.items if item.visible and item.placement is None and not item.empty]


def _labels(items: Sequence[Item], rect: Rect) -> Labels:
    """(h, w) int16 of `rect`: the number, from 1 on, of the item that each pixel belongs to, 0 for the rest."""
    covers = [
        (number, item.mask.read(rect)) for number, item in enumerate(items, 1) if not item.rect.intersect(rect).empty
    ]
    return labels_of(covers, rect.size.shape)


def words_of(item: Item) -> str:
    """What an item shows, in words: those that were said of it, or else its name, where somebody gave it one."""
    return item.prompt.strip() or ("" if _NUMBERED.fullmatch(item.name.strip()) else item.name.strip())


def changing_label(name: str, prompt: str, *, outside: bool = False) -> str:
    """What changing an item of this name, or all around it, is called."""
    words = named_by(prompt)
    return f"Change {'all around ' if outside else ''}“{name}”" + (f" to “{words}”" if words else "")


ITEMS = ItemsMethod()
