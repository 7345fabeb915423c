"""Setup: an open document with what is active, the tools' and the view's options, and the draft of the next edit."""

from __future__ import annotations

from dataclasses import fields, replace
from typing import Any

from PySide6.QtCore import Signal

from editor.document import Document
from editor.edit import Draft, Plan, plan
from editor.models.info import ModelInfo
from editor.request import MethodSettings, QuickFillSettings
from widgets.methods import first_strength
from widgets.open_document import OpenDocument
from widgets.options import ToolOptions, ViewOptions


class Setup(OpenDocument):
    """`active_changed()` when what is active, an option, the draft or the name changed."""

    active_changed = Signal()

    def __init__(self, document: Document, budget: int) -> None:
        super().__init__(document, budget)
        self.draft = Draft.for_document(document)
        self._planned: tuple[Document, Draft, Plan] | None = None
        self.options = ToolOptions()
        self.view = ViewOptions()
        self.active_layer: int | None = document.layers[-1].id if document.layers else None
        self._kept: dict[
            type[MethodSettings], tuple[MethodSettings, float]
        ] = {}  # of methods not in hand, with strength
        self._strength_set: set[type[MethodSettings]] = set()  # methods whose strength the person chose

    def _follow(self) -> None:
        """Forget active things that the document no longer has."""
        document, draft = self._shown, self.draft
        item = draft.item if draft.item is not None and document.item(draft.item) else None
        exemplar = draft.exemplar if draft.exemplar is not None and document.exemplar(draft.exemplar) else None
        layer = self.active_layer
        if layer is None or document.layer(layer) is None:
            layer = document.layers[-1].id if document.layers else None
        if (item, exemplar, layer) != (draft.item, draft.exemplar, self.active_layer):
            if (item, exemplar) != (draft.item, draft.exemplar):
                self.options = self.options.let_go
            self.draft = replace(draft, item=item, exemplar=exemplar)
            self.active_layer = layer
            self.active_changed.emit()

    def activate(self, *, item: int | None = None, exemplar: int | None = None) -> None:
        """Make one item or one exemplar the active thing; neither, to have none."""
        self.set_draft(item=item, exemplar=None if item is not None else exemplar)

    def activate_layer(self, layer: int) -> None:
        if layer != self.active_layer:
            self.active_layer = layer
            self.active_changed.emit()

    def set_options(self, **changes: Any) -> None:
        """Replace fields of the tools' options. With the move tool in hand, an item or exemplar is no longer written to."""
        if changes.get("tool") == "move":
            free = self.options.let_go
            changes = {"strength_target": free.strength_target, "shape_target": free.shape_target, **changes}
        self._set("options", changes)

    def set_brush(self, **changes: Any) -> None:
        """Replace fields of the brush of the tool in hand."""
        name = "paint_brush" if self.options.tool in ("paint", "erase") else "strength_brush"
        self.set_options(**{name: replace(self.options.brush, **changes)})

    def set_view(self, **changes: Any) -> None:
        """Replace fields of the view's options."""
        self._set("view", changes)

    # The draft of the next edit

    @property
    def plan(self) -> Plan:
        """What the one button would do now."""
        document, draft = self.document, self.draft
        if self._planned is None or self._planned[0] is not document or self._planned[1] is not draft:
            self._planned = document, draft, plan(document, draft)  # several widgets ask after every change
        return self._planned[2]

    def set_draft(self, **changes: Any) -> None:
        """Replace fields of the draft of the next edit. When another thing becomes active, tools let go of the earlier one."""
        before = self.draft
        after = replace(before, **changes)
        if (after.item, after.exemplar) != (before.item, before.exemplar):
            self.options = self.options.let_go
        if "strength" in changes:
            self._strength_set.add(type(after.settings))
        self._set("draft", changes)

    def choose_method(self, kind: type[MethodSettings]) -> None:
        """Make the change another way. What was set for the earlier method comes back with it."""
        draft = self.draft
        if isinstance(draft.settings, kind):
            return
        self._kept[type(draft.settings)] = draft.settings, draft.strength
        settings, strength = self._kept.get(kind, (kind(), first_strength(kind, draft.model)))
        if kind not in self._strength_set:
            strength = first_strength(kind, draft.model)
        self._set("draft", {"settings": settings, "strength": strength})

    def take_draft(self, draft: Draft) -> None:
        """Go on from a whole other draft."""
        earlier = self.draft
        if type(draft.settings) is not type(earlier.settings):
            self._kept[type(earlier.settings)] = earlier.settings, earlier.strength
        self.set_draft(**{each.name: getattr(draft, each.name) for each in fields(draft)})

    def draft_for(self, planned: Plan) -> Draft:
        """The draft that a plan is carried out with: things are taken out and moved without a model, whatever the method in hand."""
        draft = self.draft
        if planned.action not in ("remove", "move") or not draft.settings.needs_model:
            return draft
        first = Draft.for_document(self.document)
        settings, strength = self._kept.get(QuickFillSettings, (first.settings, first.strength))
        return replace(draft, settings=settings, strength=strength)

    def choose_model(self, model: ModelInfo | None) -> None:
        """Use this model; the overall strength becomes the one that suits it, unless somebody chose another."""
        changes: dict[str, Any] = {"model": model}
        kind = type(self.draft.settings)
        if kind.needs_model and kind not in self._strength_set:
            changes["strength"] = first_strength(kind, model)
        self._set("draft", changes)

    def _set(self, name: str, changes: dict[str, Any]) -> None:
        before = getattr(self, name)
        after = replace(before, **changes)
        if after != before:
            setattr(self, name, after)
            self.active_changed.emit()
