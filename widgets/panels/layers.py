"""The layers, the top one first."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray
from PySide6.QtWidgets import QHBoxLayout, QWidget

from editor.document import Document
from editor.layer import BLENDS, Blend, Layer
from editor.report import Recipe
from editor.request import field_specs
from editor.thumbnails import layer_thumbnail
from widgets import commands, edits
from widgets.controls.choice import Choice
from widgets.controls.icons import IconButton
from widgets.controls.rows import Row, eye_button, show_eye
from widgets.controls.slider import Slider
from widgets.panels.listing import ListPanel
from widgets.session import Session

DOUBTFUL = 0.5
DOUBT_WORDS = "Look closely: this part was hard to fill, and may not look right."


class LayersPanel(ListPanel[Layer]):
    """Choose, show, rename, reorder, blend and delete layers."""

    def __init__(self, session: Session) -> None:
        super().__init__(session, "Layers", "No layers", drags=True)
        self._add = IconButton("plus", "Add a layer", side=24)
        self._add.clicked.connect(lambda: edits.add_layer(session))
        self.rows.chosen.connect(session.activate_layer)
        self.rows.renamed.connect(lambda id, name: edits.rename_layer(session, id, name))
        self.rows.deleted.connect(lambda id: commands.delete_layer(session, id))
        self.rows.ordered.connect(lambda ids: edits.reorder_layers(session, ids[::-1]))

    @property
    def header_buttons(self) -> tuple[QWidget, ...]:
        return (self._add,)

    def things(self, document: Document) -> Sequence[Layer]:
        return document.layers[::-1]

    def make_row(self, thing: Layer) -> Row:
        return _LayerRow(self.session, thing.id)

    def show_row(self, row: Row, thing: Layer) -> None:
        assert isinstance(row, _LayerRow)
        row.show_layer(thing)

    def active(self) -> int | None:
        return self.session.active_layer

    def thumbnail(self, thing: Layer, side: int) -> NDArray[np.uint8]:
        return layer_thumbnail(thing, side)

    def picture_key(self, thing: Layer) -> object:
        return thing.pixels


class _LayerRow(Row):
    def __init__(self, session: Session, id: int) -> None:
        below = QWidget()
        self._opacity = Slider("Opacity", 0, 1, 1, unit="%", step=0.01)
        self._blend = Choice("Blend mode", [(blend, blend.capitalize(), "") for blend in BLENDS], as_list=True)
        self._delete = IconButton("trash-2", "Delete the layer", danger=True)
        line = QHBoxLayout(below)
        line.setContentsMargins(0, 0, 4, 4)
        line.setSpacing(4)
        line.addWidget(self._opacity, 3)
        line.addWidget(self._blend, 2)
        line.addWidget(self._delete)
        self._doubt = IconButton("triangle-alert", "Look closely", tip=DOUBT_WORDS, doubt=True)
        self._eye = eye_button()
        super().__init__(id, self._doubt, self._eye, below=below, drags=True)
        self._visible = True
        self._eye.clicked.connect(lambda: edits.show_layer(session, id, not self._visible))
        self._doubt.clicked.connect(lambda: session.notice(DOUBT_WORDS, "Undo it, or run it again with a new seed."))
        self._opacity.changed.connect(lambda value: edits.set_layer_opacity(session, id, value))
        self._blend.changed.connect(lambda value: edits.set_layer_blend(session, id, _blend(value)))
        self._delete.clicked.connect(lambda: commands.delete_layer(session, id))

    def show_layer(self, layer: Layer) -> None:
        self._visible = layer.visible
        self._opacity.set_value(layer.opacity)
        self._blend.set_value(layer.blend)
        parts = [] if layer.blend == "normal" else [layer.blend.capitalize()]
        if layer.opacity < 1:
            parts.append(f"{round(layer.opacity * 100)}\u202f%")
        self.show_words(layer.name, " · ".join(parts), recipe_words(layer.recipe) if layer.recipe else "")
        self._doubt.setVisible(layer.doubt is not None and layer.doubt >= DOUBTFUL)
        show_eye(self._eye, layer.visible)


def recipe_words(recipe: Recipe) -> str:
    """How a layer was made, line by line."""
    lines = [f"{_ACTIONS[recipe.action]}, seed {recipe.seed}"]
    lines += [f"{spec.label}: {getattr(recipe.settings, spec.name)}" for spec in field_specs(type(recipe.settings))]
    if recipe.prompt:
        lines.append(f"Prompt: {recipe.prompt}")
    return "\n".join(lines)


_ACTIONS = {"fill": "Filled", "remove": "Removed", "move": "Moved and healed", "blend": "Blended"}


def _blend(value: str) -> Blend:
    return next(blend for blend in BLENDS if blend == value)
