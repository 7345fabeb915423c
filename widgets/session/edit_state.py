"""EditState: what is active, the tools' and the view's options, and the draft of the next edit.

What is remembered of scribbles and of the methods that are not in hand stands below it.
"""

from __future__ import annotations

from dataclasses import fields, replace
from typing import Any, Literal

from PySide6.QtCore import QObject, Signal

from editor.document.colour import convert_one
from editor.document.contents import Layer
from editor.document.document import Document
from editor.methods.base import AnyMethod, Preset
from editor.methods.registry import METHODS, Methods
from editor.models.info import ModelInfo
from editor.planning.plan import Draft, Plan, Touch, is_without_model, touches
from editor.requests.method_settings import MethodSettings, Use
from widgets.session.document_model import DocumentModel
from widgets.session.options import ToolName, ToolOptions, ViewOptions

# What becomes active by the draft.
_ACTIVE: tuple[Literal["item", "exemplar", "scribble"], ...] = ("item", "exemplar", "scribble")
SCRIBBLE_NAME = "Scribble"


class EditState(QObject):
    """The values that a person sets before an edit, each with its own signal.

    methods: those that can be chosen.
    draft: the next edit. draft_changed().
    options: of the tools. options_changed().
    view: how the canvas shows it. view_changed().
    active_layer: the id of the layer that is painted on. active_layer_changed().
    words_wanted(): words must be said next.
    """

    draft_changed = Signal()
    options_changed = Signal()
    view_changed = Signal()
    active_layer_changed = Signal()
    words_wanted = Signal()

    def __init__(self, model: DocumentModel, methods: Methods = METHODS) -> None:
        super().__init__()
        self._model = model
        self.methods = methods
        document = model.document
        first = ToolOptions()
        self.draft = methods.first_draft(document)
        self.options = replace(first, colour=convert_one(first.colour, None, document.metadata.icc))
        self.view = ViewOptions()
        self.active_layer = _top_layer(document)
        self._planned: tuple[Document, Draft, Plan, Plan | None] | None = None
        self._memory = MethodMemory(methods)
        self._scribble = ScribbleMode(self.options.tool, methods)
        model.changing.connect(self._touch)
        model.stepped.connect(self._follow)

    def _set(self, **changes: Any) -> None:
        """Replace some of the values at once; then say which have changed."""
        changed = [name for name, value in changes.items() if value != getattr(self, name)]
        for name in changed:
            setattr(self, name, changes[name])
        for name in changed:
            getattr(self, f"{name}_changed").emit()

    def _touch(self, document: Document, kept: bool) -> None:
        """What a hand has changed is what the next edit is about."""
        if kept:
            self.draft = self.draft.touching(*touches(self._model.history.document, document, self.draft.scribble))

    def _follow(self) -> None:
        """Forget active things that the document no longer has."""
        document, draft, options = self._model.document, self.draft, self.options
        item = draft.item if draft.item is not None and document.item(draft.item) else None
        exemplar = draft.exemplar if draft.exemplar is not None and document.exemplar(draft.exemplar) else None
        layer = self.active_layer
        if layer is None or document.layer(layer) is None:
            layer = _top_layer(document)
        hint = None if self._scribble.layer is None else document.layer(self._scribble.layer)
        scribble = hint.id if hint is not None and hint.visible else None
        if (item, exemplar) != (draft.item, draft.exemplar):
            options = options.of_document
        if (exemplar is None) != (draft.exemplar is None):
            options = options.with_other_value
        if scribble != draft.scribble and Use.SCRIBBLE in draft.settings.uses:
            if scribble is None:
                draft, options = self._scribble.leave(draft, options)
            else:
                layer = scribble
                draft, options = self._scribble.enter(draft, options)
        draft = replace(draft, item=item, exemplar=exemplar, scribble=scribble)
        self._set(options=options, draft=draft, active_layer=layer)

    # What is active, and the options

    def activate(self, *, item: int | None = None, exemplar: int | None = None) -> None:
        """Make one item or one exemplar the active thing; neither, to have none. Where the method takes no exemplars it changes as well."""
        uses = self.draft.settings.uses
        if exemplar is not None and item is None and Use.EXEMPLARS not in uses:
            taking = self.methods.using(Use.EXEMPLARS, *(uses & {Use.MODEL}))
            if taking is not None:
                self.choose_method(taking.settings)
        self.set_draft(item=item, exemplar=None if item is not None else exemplar)

    def activate_layer(self, layer: int) -> None:
        self._set(active_layer=layer)

    def set_options(self, **changes: Any) -> None:
        """Replace fields of the tools' options. With the move tool in hand, an item or exemplar is no longer written to."""
        if changes.get("tool") == "move":
            free = self.options.of_document
            changes = {"strength_target": free.strength_target, "shape_target": free.shape_target, **changes}
        self._set(options=replace(self.options, **changes))

    def set_brush(self, **changes: Any) -> None:
        """Replace fields of the brush of the tool in hand."""
        name = "paint_brush" if self.options.tool in ("paint", "erase") else "strength_brush"
        self.set_options(**{name: replace(self.options.brush, **changes)})

    def set_view(self, **changes: Any) -> None:
        """Replace fields of the view's options."""
        self._set(view=replace(self.view, **changes))

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
        document, draft = self._model.document, self.draft
        if self._planned is None or self._planned[0] is not document or self._planned[1] is not draft:
            now = draft.touching(*touches(self._model.history.document, document, draft.scribble))
            # Several widgets ask after every change.
            self._planned = document, draft, *self.method.plans(document, now)
        return self._planned[2:]

    def set_draft(self, **changes: Any) -> None:
        """Replace fields of the draft of the next edit. When another thing becomes active, tools no longer write to the earlier one."""
        before, options = self.draft, self.options
        if "touched" not in changes:
            touched = [Touch(name, changes[name]) for name in _ACTIVE if changes.get(name) is not None]
            changes["touched"] = before.touching(*touched).touched
        after = replace(before, **changes)
        if (after.item, after.exemplar) != (before.item, before.exemplar):
            options = options.of_document
        if (after.exemplar is None) != (before.exemplar is None):
            options = options.with_other_value
        if "strength" in changes:
            self._memory.chosen.add(type(after.settings))
        if "scribble" in changes:
            self._scribble.layer = after.scribble
        self._set(options=options, draft=after)

    def take_draft(self, draft: Draft) -> None:
        """Go on from a whole other draft."""
        if type(draft.settings) is not type(self.draft.settings):
            self._memory.keep(self.draft)
        self.set_draft(**{field.name: getattr(draft, field.name) for field in fields(draft)})

    def draft_for(self, planned: Plan) -> Draft:
        """The draft that a plan is carried out with: things are taken out and moved without a model, whatever the method in hand."""
        draft = self.draft
        if not is_without_model(planned.action, draft):
            return draft
        first = self.methods.first_draft(self._model.document)
        settings, strength = self._memory.kept.get(type(first.settings)) or (first.settings, first.strength)
        return replace(draft, settings=settings, strength=strength)

    # Method, model and preset

    def choose_method(self, kind: type[MethodSettings], **changes: Any) -> None:
        """Make the change another way. What was set for the earlier method comes back with it. `changes`: of other fields of the draft."""
        if type(self.draft.settings) is kind:
            return
        just_begun = only_just_begun(self._model.history.document, self._scribble.layer)
        if Use.SCRIBBLE in self.draft.settings.uses and just_begun:
            self.choose_preset(self.method.presets[0])
        self._memory.keep(self.draft)
        settings, strength = self._memory.recall(kind, self.draft.model)
        self._set(draft=replace(self.draft, **{"settings": settings, "strength": strength, **changes}))

    def choose_model(self, model: ModelInfo | None) -> None:
        """Use this model; the overall strength becomes the one that suits it, unless somebody chose another."""
        draft, kind = replace(self.draft, model=model), type(self.draft.settings)
        if kind.needs_model and kind not in self._memory.chosen:
            draft = replace(draft, strength=self.method.first_strength(model))
        if model is not None and draft.sampler not in model.traits.samplers:
            draft = replace(draft, sampler="")
        self._set(draft=draft)

    @property
    def method_for_words(self) -> type[MethodSettings]:
        """How words are meant that are typed while a method is in hand that reads none."""
        shown = any(exemplar.visible for exemplar in self._model.document.exemplars)
        plain = self.methods.using(Use.WORDS, without=Use.EXEMPLARS)
        return ((self.methods.using(Use.WORDS, Use.EXEMPLARS) if shown else plain) or plain or self.method).settings

    def ask_for_words(self) -> None:
        """Somebody wants an edit that begins with words."""
        self.words_wanted.emit()

    def choose_preset(self, preset: Preset) -> None:
        """Take a preset of the method in hand; one that begins from a scribble begins with a layer for it, or goes on with the one in hand."""
        settings = self.method.with_preset(self.draft.settings, preset)
        if preset.scribble:
            self._begin_scribble()
        else:
            self._leave_scribble()
        self.set_draft(settings=settings, strength=preset.strength)

    def _begin_scribble(self) -> None:
        document, layer = self._model.history.document, self.draft.scribble
        if layer is None:
            layer = layer_to_scribble_on(document, self.active_layer)
            if layer is None:
                document, layer = with_scribble(document)
                self._model.commit("Begin a scribble", document)
            self.set_draft(scribble=layer)
        self._set(active_layer=layer, options=self._scribble.take_paint(self.options))

    def _leave_scribble(self) -> None:
        """A layer that nobody has painted on goes, as if it had never been there."""
        layer, self._scribble.layer = self._scribble.layer, None
        if self.draft.scribble is None or layer is None:
            return
        history = self._model.history
        entries, index, document = history.entries, history.index, history.document
        if only_just_begun(document, layer):
            if index > 0 and entries[index - 1].document.layer(layer) is None:
                self._model.undo()
            else:
                self._model.commit("Drop the scribble", document.without_layer(layer))
        else:
            self._set(options=self._scribble.put_paint_away(self.options))
            self.set_draft(scribble=None)


def _top_layer(document: Document) -> int | None:
    return document.layers[-1].id if document.layers else None


class ScribbleMode:
    """What is remembered of a scribble while it is on, hidden or undone.

    layer: the id of the layer that is meant, also while it is hidden or undone; None without a scribble.
    """

    def __init__(self, tool: ToolName, methods: Methods) -> None:
        self._methods = methods
        self.layer: int | None = None
        self._last: Draft | None = None  # with what it was done when it last was on
        self._tool_before = tool  # what was in hand before

    def enter(self, draft: Draft, options: ToolOptions) -> tuple[Draft, ToolOptions]:
        """As it was when there last was one."""
        if self._last is not None:
            draft = replace(draft, settings=self._last.settings, strength=self._last.strength)
        return draft, self.take_paint(options)

    def leave(self, draft: Draft, options: ToolOptions) -> tuple[Draft, ToolOptions]:
        """What suits a scribble would leave too much of anything else."""
        self._last = draft
        method = self._methods.of(draft.settings)
        first = method.presets[0]
        draft = replace(draft, settings=method.with_preset(draft.settings, first), strength=first.strength)
        return draft, self.put_paint_away(options)

    def take_paint(self, options: ToolOptions) -> ToolOptions:
        """Paint for the scribble."""
        if options.tool == "paint":
            return options
        self._tool_before = options.tool
        return replace(options, tool="paint")

    def put_paint_away(self, options: ToolOptions) -> ToolOptions:
        """Take up again what was in hand before."""
        return replace(options, tool=self._tool_before) if options.tool == "paint" else options


def layer_to_scribble_on(document: Document, active: int | None) -> int | None:
    """The active layer, if it is a plain one with that name that nothing else was done with."""
    layer = None if active is None else document.layer(active)
    if layer is None or layer is document.layers[0] or layer.name != SCRIBBLE_NAME or layer.recipe is not None:
        return None
    return layer.id if layer.visible and layer.opacity == 1 and layer.blend == "normal" else None


def with_scribble(document: Document) -> tuple[Document, int]:
    """The document with an empty layer to scribble on, on top, and its id."""
    document = document.adding_layer(Layer.empty(0, SCRIBBLE_NAME, document.size))
    return document, document.layers[-1].id


def only_just_begun(document: Document, id: int | None) -> bool:
    """Whether there is such a layer, and nothing has been painted on it."""
    layer = None if id is None else document.layer(id)
    return layer is not None and not layer.pixels.any()


class MethodMemory:
    """What was set for each method while another one was in hand.

    kept: settings and overall strength of every method that was in hand, by its settings class.
    chosen: methods whose strength the person chose.
    """

    def __init__(self, methods: Methods) -> None:
        self._methods = methods
        self.kept: dict[type[MethodSettings], tuple[MethodSettings, float]] = {}
        self.chosen: set[type[MethodSettings]] = set()

    def keep(self, draft: Draft) -> None:
        """Another method is about to be taken."""
        self.kept[type(draft.settings)] = draft.settings, draft.strength

    def recall(self, kind: type[MethodSettings], model: ModelInfo | None) -> tuple[MethodSettings, float]:
        """As it was when the method was last in hand; its strength suits the model, unless the person chose one."""
        settings, strength = self.kept.get(kind, (kind(), 0.0))
        return settings, strength if kind in self.kept and kind in self.chosen else self._methods.of(
            kind
        ).first_strength(model)
