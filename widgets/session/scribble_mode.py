"""ScribbleMode: a layer of rough colours as a hint of what an edit is to make there, and the tool and settings that go with it."""

from __future__ import annotations

from dataclasses import replace

from editor.document.document import Document
from editor.document.layer import Layer
from editor.methods.registry import Methods
from editor.planning.draft import Draft
from widgets.session.options import ToolName, ToolOptions

NAME = "Scribble"


class ScribbleMode:
    """What is remembered of a scribble while it is on, hidden or undone.

    layer: the id of the layer that is meant, also while it is hidden or undone; None without a scribble.
    """

    def __init__(self, tool: ToolName, methods: Methods) -> None:
        self._methods = methods
        self.layer: int | None = None
        self._last: Draft | None = None  # with what it was done when it last was on
        self._tool_before = tool  # what was in hand before

    def seen(self, document: Document) -> int | None:
        """The layer, if the document has it and shows it."""
        layer = None if self.layer is None else document.layer(self.layer)
        return layer.id if layer is not None and layer.visible else None

    def just_begun(self, document: Document) -> bool:
        """Whether nothing has been painted on it yet."""
        return only_just_begun(document, self.layer)

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
    if layer is None or layer is document.layers[0] or layer.name != NAME or layer.recipe is not None:
        return None
    return layer.id if layer.visible and layer.opacity == 1 and layer.blend == "normal" else None


def with_scribble(document: Document) -> tuple[Document, int]:
    """The document with an empty layer to scribble on, on top, and its id."""
    document = document.adding_layer(Layer.empty(0, NAME, document.size))
    return document, document.layers[-1].id


def only_just_begun(document: Document, id: int | None) -> bool:
    """Whether there is such a layer, and nothing has been painted on it."""
    layer = None if id is None else document.layer(id)
    return layer is not None and not layer.pixels.any()
