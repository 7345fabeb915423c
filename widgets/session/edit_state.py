"""Setup: an open document with what is active, the tools' and the view's options, and the draft of the next edit."""

from __future__ import annotations

from collections.abc import Hashable
from dataclasses import fields, replace
from typing import Any, Literal

from PySide6.QtCore import Signal

from editor.document.colour import convert_one
from editor.document.document import Document
from editor.methods.base import AnyMethod, Preset
from editor.methods.registry import METHODS, Methods
from editor.models.info import ModelInfo
from editor.planning.draft import Draft, Touch
from editor.planning.plan import WITHOUT_MODEL, Plan, touches
from editor.requests.method_settings import MethodSettings, Use
from widgets.session.document_model import DocumentModel
from widgets.session.options import ToolName, ToolOptions, ViewOptions
from widgets.session.scribbling import layer_to_scribble_on, only_just_begun, with_scribble

# What becomes active by the draft.
_ACTIVE: tuple[Literal["item", "exemplar", "scribble"], ...] = ("item", "exemplar", "scribble")


class EditState(DocumentModel):
    """`methods`: those that can be chosen.

    `active_changed()` when what is active, an option, the draft or the name changed. `words_wanted()` when words must be said next."""

    active_changed = Signal()
    words_wanted = Signal()

    def __init__(self, document: Document, budget: int, methods: Methods = METHODS) -> None:
        super().__init__(document, budget)
        self.methods = methods
        self.draft = methods.first_draft(document)
        self._planned: tuple[Document, Draft, Plan, Plan | None] | None = None
        first = ToolOptions()
        self.options = replace(first, colour=convert_one(first.colour, None, document.metadata.icc))
        self.view = ViewOptions()
        self.active_layer: int | None = document.layers[-1].id if document.layers else None
        self._kept: dict[
            type[MethodSettings], tuple[MethodSettings, float]
        ] = {}  # of methods not in hand, with strength
        self._strength_set: set[type[MethodSettings]] = set()  # methods whose strength the person chose
        self._scribble: int | None = None  # the layer that is meant, also while it is hidden or undone
        self._scribbled: tuple[MethodSettings, float] | None = None  # what it was done with
        self._tool_before: ToolName = self.options.tool  # what was in hand before the scribble

    def _follow(self) -> None:
        """Forget active things that the document no longer has."""
        document, draft = self._shown, self.draft
        item = draft.item if draft.item is not None and document.item(draft.item) else None
        exemplar = draft.exemplar if draft.exemplar is not None and document.exemplar(draft.exemplar) else None
        layer = self.active_layer
        if layer is None or document.layer(layer) is None:
            layer = document.layers[-1].id if document.layers else None
        hint = None if self._scribble is None else document.layer(self._scribble)
        scribble = hint.id if hint is not None and hint.visible else None
        scribbles = scribble != draft.scribble and Use.SCRIBBLE in draft.settings.uses
        if scribble is not None and scribbles:
            layer = scribble
        if (item, exemplar, scribble, layer) != (draft.item, draft.exemplar, draft.scribble, self.active_layer):
            if (item, exemplar) != (draft.item, draft.exemplar):
                self.options = self.options.let_go
            if (exemplar is None) != (draft.exemplar is None):
                self.options = self.options.other
            if scribbles:
                self._take_paint(scribble is not None)
                draft = self._with_scribble(draft) if scribble is not None else self._without_scribble(draft)
            self.draft = replace(draft, item=item, exemplar=exemplar, scribble=scribble)
            self.active_layer = layer
            self.active_changed.emit()

    def activate(self, *, item: int | None = None, exemplar: int | None = None) -> None:
        """Make one item or one exemplar the active thing; neither, to have none. Where the method takes no exemplars it changes as well."""
        uses = self.draft.settings.uses
        if exemplar is not None and item is None and Use.EXEMPLARS not in uses:
            taking = self.methods.using(Use.EXEMPLARS, *(uses & {Use.MODEL}))
            if taking is not None:
                self.choose_method(taking.settings)
        self.set_draft(item=item, exemplar=None if item is not None else exemplar)

    def redo(self) -> None:
        """A layer that comes again is the active one, as it was when it first came."""
        before = {layer.id for layer in self.history.document.layers}
        super().redo()
        again = [layer.id for layer in self.history.document.layers if layer.id not in before]
        if again:
            self.activate_layer(again[-1])

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
    def method(self) -> AnyMethod:
        """The method in hand."""
        return self.methods.of(self.draft.settings)

    @property
    def plan(self) -> Plan:
        """What the one button would do now. What a gesture under way touches counts already."""
        return self._plans()[0]

    @property
    def other_plan(self) -> Plan | None:
        """What may be meant just as well, if anything."""
        return self._plans()[1]

    def _plans(self) -> tuple[Plan, Plan | None]:
        document, draft = self.document, self.draft
        if self._planned is None or self._planned[0] is not document or self._planned[1] is not draft:
            now = draft.touching(*touches(self.history.document, document, draft.scribble))
            # Several widgets ask after every change.
            self._planned = document, draft, *self.method.plans(document, now)
        return self._planned[2:]

    def commit(self, label: str, document: Document, merge: Hashable | None = None, *, by_hand: bool = True) -> None:
        """As of any open document; what a hand has changed is what the next edit is about. `by_hand`: not where a result does it."""
        if by_hand:
            self.draft = self.draft.touching(*touches(self.history.document, document, self.draft.scribble))
        super().commit(label, document, merge)

    def set_draft(self, **changes: Any) -> None:
        """Replace fields of the draft of the next edit. When another thing becomes active, tools let go of the earlier one."""
        before = self.draft
        if "touched" not in changes:
            found = [Touch(name, changes[name]) for name in _ACTIVE if changes.get(name) is not None]
            changes["touched"] = before.touching(*found).touched
        after = replace(before, **changes)
        if (after.item, after.exemplar) != (before.item, before.exemplar):
            self.options = self.options.let_go
        if (after.exemplar is None) != (before.exemplar is None):
            self.options = self.options.other
        if "strength" in changes:
            self._strength_set.add(type(after.settings))
        if "scribble" in changes:
            self._scribble = after.scribble
        self._set("draft", changes)

    def choose_method(self, kind: type[MethodSettings], **changes: Any) -> None:
        """Make the change another way. What was set for the earlier method comes back with it. `changes`: of other fields of the draft."""
        if type(self.draft.settings) is kind:
            return
        if Use.SCRIBBLE in self.draft.settings.uses and only_just_begun(self.history.document, self._scribble):
            self.choose_preset(self.method.presets[0])
        draft = self.draft
        self._kept[type(draft.settings)] = draft.settings, draft.strength
        first = self.methods.of(kind).first_strength(draft.model)
        settings, strength = self._kept.get(kind, (kind(), first))
        if kind not in self._strength_set:
            strength = first
        self._set("draft", {"settings": settings, "strength": strength, **changes})

    @property
    def method_for_words(self) -> type[MethodSettings]:
        """How words are meant that are typed while a method is in hand that reads none."""
        shown = any(each.visible for each in self.document.exemplars)
        plain = self.methods.using(Use.WORDS, without=Use.EXEMPLARS)
        return ((self.methods.using(Use.WORDS, Use.EXEMPLARS) if shown else plain) or plain or self.method).settings

    def ask_for_words(self) -> None:
        """Somebody wants an edit that begins with words."""
        self.words_wanted.emit()

    # Presets

    def choose_preset(self, preset: Preset) -> None:
        """Take a preset of the method in hand; one that begins from a scribble begins with a layer for it, or goes on with the one in hand."""
        settings = self.method.with_preset(self.draft.settings, preset)
        if preset.scribble:
            self._begin_scribble()
        else:
            self._leave_scribble()
        self.set_draft(settings=settings, strength=preset.strength)

    def _begin_scribble(self) -> None:
        document, draft = self.history.document, self.draft
        if draft.scribble is not None:
            self.activate_layer(draft.scribble)
        else:
            found = layer_to_scribble_on(document, self.active_layer)
            if found is None:
                document, found = with_scribble(document)
                self.commit("Begin a scribble", document)
            self.set_draft(scribble=found)
            self.activate_layer(found)
        self._take_paint(True)
        self.active_changed.emit()

    def _leave_scribble(self) -> None:
        """A layer that nobody has painted on goes, as if it had never been there."""
        left, self._scribble = self._scribble, None
        if self.draft.scribble is None or left is None:
            return
        document = self.history.document
        if only_just_begun(document, left):
            entries, index = self.history.entries, self.history.index
            if index > 0 and entries[index - 1].document.layer(left) is None:
                self.undo()
            else:
                self.commit("Drop the scribble", document.without_layer(left))
        elif self.draft.scribble is not None:
            self._take_paint(False)
            self.set_draft(scribble=None)

    def _without_scribble(self, draft: Draft) -> Draft:
        """What suits a scribble would leave too much of anything else."""
        self._scribbled = draft.settings, draft.strength
        method = self.methods.of(draft.settings)
        first = method.presets[0]
        return replace(draft, settings=method.with_preset(draft.settings, first), strength=first.strength)

    def _with_scribble(self, draft: Draft) -> Draft:
        """As it was when there last was one."""
        settings, strength = self._scribbled or (draft.settings, draft.strength)
        return replace(draft, settings=settings, strength=strength)

    def _take_paint(self, begin: bool) -> None:
        """Paint for the scribble, or take up again what was in hand before; nobody has been told yet."""
        tool = self.options.tool
        if begin and tool != "paint":
            self._tool_before = tool
            self.options = replace(self.options, tool="paint")
        elif not begin and tool == "paint":
            self.options = replace(self.options, tool=self._tool_before)

    def take_draft(self, draft: Draft) -> None:
        """Go on from a whole other draft."""
        earlier = self.draft
        if type(draft.settings) is not type(earlier.settings):
            self._kept[type(earlier.settings)] = earlier.settings, earlier.strength
        self.set_draft(**{each.name: getattr(draft, each.name) for each in fields(draft)})

    def draft_for(self, planned: Plan) -> Draft:
        """The draft that a plan is carried out with: things are taken out and moved without a model, whatever the method in hand."""
        draft = self.draft
        if planned.action not in WITHOUT_MODEL or not draft.settings.needs_model:
            return draft
        first = self.methods.first_draft(self.document)
        settings, strength = self._kept.get(type(first.settings), (first.settings, first.strength))
        return replace(draft, settings=settings, strength=strength)

    def choose_model(self, model: ModelInfo | None) -> None:
        """Use this model; the overall strength becomes the one that suits it, unless somebody chose another."""
        changes: dict[str, Any] = {"model": model}
        kind = type(self.draft.settings)
        if kind.needs_model and kind not in self._strength_set:
            changes["strength"] = self.method.first_strength(model)
        self._set("draft", changes)

    def _set(self, name: str, changes: dict[str, Any]) -> None:
        before = getattr(self, name)
        after = replace(before, **changes)
        if after != before:
            setattr(self, name, after)
            self.active_changed.emit()
