"""Layers panel: the top one first."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from pathlib import PurePath

import numpy as np
from numpy.typing import NDArray
from PySide6.QtWidgets import QHBoxLayout, QMenu, QWidget

from editor.document.contents import BLENDS, Blend, Layer
from editor.document.document import Document
from editor.document.thumbnails import layer_thumbnail
from editor.methods.registry import METHODS, Methods
from editor.requests.method_settings import MethodSettings
from editor.requests.results import Recipe
from editor.requests.samplers import SAMPLERS
from editor.requests.settings_fields import FieldSpec, field_specs
from widgets.controls.choice import Choice
from widgets.controls.form import choice_words
from widgets.controls.icons import IconButton
from widgets.controls.rows import Row, eye_button, show_eye
from widgets.controls.slider import Slider
from widgets.panels.listing import ListPanel
from widgets.session import commands, edits, run_actions
from widgets.session.edge_repairs import REPAIRS
from widgets.session.edit_job import DOUBTFUL, MENDING
from widgets.session.session import Session

DOUBT_WORDS = "Look closely: this part was hard to fill, and may not look right."


class LayersPanel(ListPanel[Layer]):
    """Choose, show, rename, reorder, blend and delete layers."""

    def __init__(self, session: Session) -> None:
        super().__init__(session, "Layers", "No layers", session.state.active_layer_changed, drags=True)
        self._add = IconButton("plus", "Add a layer", side=24)
        self._add.clicked.connect(lambda: edits.add_layer(session))
        self.rows.chosen.connect(session.activate_layer)
        self.rows.renamed.connect(lambda id, name: edits.rename_layer(session, id, name))
        self.rows.deleted.connect(lambda id: commands.delete_layer(session, id))
        self.rows.ordered.connect(lambda ids: edits.reorder_layers(session, ids[::-1]))
        session.jobs.progressed.connect(self._show_active)

    @property
    def header_buttons(self) -> tuple[QWidget, ...]:
        return (self._add,)

    def things(self, document: Document) -> Sequence[Layer]:
        return document.layers[::-1]

    def make_row(self, thing: Layer) -> Row:
        return _LayerRow(self.session, thing.id)

    def show_row(self, row: Row, thing: Layer) -> None:
        assert isinstance(row, _LayerRow)
        row.show_layer(thing, self.session.methods)

    def active(self) -> int | None:
        return self.session.active_layer

    def _show_active(self) -> None:
        super()._show_active()
        active = self.active()
        row = None if active is None else self.rows.row(active)
        if active is not None and isinstance(row, _LayerRow):
            row.show_again(run_actions.why_not_again(self.session, active))
            row.show_mend(self.session.can_mend(active))

    def thumbnail(self, thing: Layer, side: int) -> NDArray[np.uint8]:
        return layer_thumbnail(thing, side, self.session.document.metadata.icc)

    def picture_key(self, thing: Layer) -> object:
        return thing.pixels


class _LayerRow(Row):
    def __init__(self, session: Session, id: int) -> None:
        below = QWidget()
        self._opacity = Slider("Opacity", 0, 1, 1, unit="%", step=0.01)
        self._opacity.setToolTip("Opacity")
        self._blend = Choice("Blend mode", [(blend, blend.capitalize(), "") for blend in BLENDS], as_list=True)
        self._again = IconButton("refresh-ccw", "Run again with changes")
        self._again.hide()
        self._mend = IconButton("blend", "Mend the edge", tip="Mend the edge: where the change meets the picture")
        self._mend.hide()
        menu = QMenu(self._mend)
        for how in REPAIRS:
            menu.addAction(MENDING[how]).triggered.connect(partial(session.mend, id, how))
        self._mend.clicked.connect(lambda: menu.popup(self._mend.mapToGlobal(self._mend.rect().bottomLeft())))
        self._delete = IconButton("trash-2", "Delete the layer", danger=True)
        line = QHBoxLayout(below)
        line.setContentsMargins(0, 0, 4, 4)
        line.setSpacing(4)
        line.addWidget(self._opacity)
        line.addWidget(self._blend)
        line.addWidget(self._mend)
        line.addWidget(self._again)
        line.addWidget(self._delete)
        self._doubt = IconButton("triangle-alert", "Look closely", tip=DOUBT_WORDS, doubt=True)
        self._eye = eye_button()
        self._line = line
        super().__init__(id, self._doubt, self._eye, below=below, drags=True)
        self._visible = True
        self._eye.clicked.connect(lambda: edits.show_layer(session, id, not self._visible))
        self._doubt.clicked.connect(lambda: session.notice(DOUBT_WORDS, "Undo it, or run it again with a new seed."))
        self._opacity.changed.connect(lambda value: edits.set_layer_opacity(session, id, value))
        self._blend.changed.connect(lambda value: edits.set_layer_blend(session, id, _blend(value)))
        self._again.clicked.connect(lambda: run_actions.run_again(session, id))
        self._delete.clicked.connect(lambda: commands.delete_layer(session, id))

    def show_layer(self, layer: Layer, methods: Methods) -> None:
        self._visible = layer.visible
        self._opacity.set_value(layer.opacity)
        self._blend.set_value(layer.blend)
        parts = [] if layer.blend == "normal" else [layer.blend.capitalize()]
        if layer.clip:
            parts.append("Clipped")
        if layer.opacity < 1:
            parts.append(f"{round(layer.opacity * 100)}\u202f%")
        about = [recipe_words(layer.recipe, methods)] if layer.recipe else []
        if layer.clip:
            about.append("Clipped: it stays as translucent as what lies below it")
        self.show_words(layer.name, " · ".join(parts), "\n".join(about))
        self._again.setVisible(layer.recipe is not None)
        # Beside its buttons there is room for one word, which is that of the list.
        self._opacity.set_label("" if layer.recipe else "Opacity")
        self._opacity.setAccessibleName("Opacity")
        for at, share in enumerate((2, 3) if layer.recipe else (3, 2)):
            self._line.setStretch(at, share)
        self._doubt.setVisible(layer.doubt is not None and layer.doubt >= DOUBTFUL)
        show_eye(self._eye, layer.visible)

    def show_again(self, why_not: str) -> None:
        """`why_not`: why its edit cannot be run again, empty when it can."""
        self._again.setEnabled(not why_not)
        self._again.setToolTip(f"Run again with changes\n{why_not}" if why_not else "Run again with changes")

    def show_mend(self, can: bool) -> None:
        self._mend.setVisible(can)


def recipe_words(recipe: Recipe, methods: Methods = METHODS) -> str:
    """How a layer was made, line by line."""
    settings, method = recipe.settings, methods.find(recipe.settings)
    with_what = "what this version of Palimpsest does not have" if method is None else method.name
    lines = [f"{_ACTIONS[recipe.action]} with {with_what}"]
    if recipe.model:
        lines.append(f"Model: {PurePath(recipe.model).name}")
    if recipe.prompt:
        lines.append(f"Prompt: {recipe.prompt}")
    if recipe.negative_prompt:
        lines.append(f"Not: {recipe.negative_prompt}")
    lines.append(f"Overall strength: {recipe.strength:.0%}, seed: {recipe.seed}")
    if recipe.model:
        lines.append(f"Steps: {recipe.steps}, follow the words (guidance): {recipe.guidance_scale:g}")
        lines.append(f"Sampler: {SAMPLERS[recipe.sampler]}")
    own = () if method is None else field_specs(type(settings))
    return "\n".join(lines + [_setting(spec, settings) for spec in own])


def _setting(spec: FieldSpec, settings: MethodSettings) -> str:
    value = getattr(settings, spec.name)
    if spec.kind == "choice":
        words = choice_words(value)
    elif spec.kind == "bool":
        words = "yes" if value else "no"
    elif spec.range is not None and spec.range.unit == "%":
        words = f"{value:.0%}"
    else:
        words = f"{value:g}\u202f{spec.range.unit}".strip() if spec.range is not None else str(value)
    return f"{spec.label}: {words}"


_ACTIONS = {"fill": "Filled", "remove": "Removed", "move": "Moved and healed", "blend": "Blended"}


def _blend(value: str) -> Blend:
    return next(blend for blend in BLENDS if blend == value)
