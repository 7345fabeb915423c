"""ModelChoice: the model that a document's next edit is made with, as models come and go."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import PurePath

from PySide6.QtCore import QObject, Signal

from editor.document.document import Document
from editor.edits.warnings import beyond_toys
from editor.models.device import installed
from editor.models.info import ModelInfo
from editor.requests.results import Recipe
from widgets.session.document_model import DocumentModel
from widgets.session.edit_state import EditState


class ModelChoice(QObject):
    """The models that can be used, and which one is in the draft.

    known: every model there is, also those that cannot be used. used: the key of the one that is used where none was chosen.
    goes_on: whether the document was edited before; it begins with the method and the model of its last edit, as far as they are here.
    changed(): models came or went, or another is in use.
    """

    changed = Signal()

    def __init__(
        self,
        model: DocumentModel,
        state: EditState,
        known: Callable[[], Sequence[ModelInfo]],
        used: Callable[[], str],
    ) -> None:
        super().__init__()
        self._model, self._state, self._known, self._used = model, state, known, used
        self._used_before = ""  # the key of the model in use when this document looked last
        self._first = state.draft
        self._last_edit = last_edit(model.document)  # until it is known which models there are
        self.goes_on = self._last_edit is not None

    def usable(self) -> Sequence[ModelInfo]:
        return [model for model in self._known() if model.usable]

    def find(self, key: str) -> ModelInfo | None:
        """The model of a key; on another machine the one whose folder or file is called the same."""
        models = self.usable()
        same = (model for model in models if model.key == key)
        alike = (model for model in models if key and model.path.name == PurePath(key).name)
        return next(same, None) or next(alike, None)

    def use(self, model: ModelInfo) -> None:
        """Take it into use here."""
        self._used_before = model.key
        self._state.choose_model(model)

    def follow(self) -> None:
        """Models came or went, or another is in use: this document goes on with its own as long as it can."""
        models, held, used = self.usable(), self._state.draft.model, self._used()
        by_key = {model.key: model for model in models}
        keys = [used, held.key if held is not None else ""]
        if held is not None and used == self._used_before:
            keys.reverse()
        self._used_before = used
        wished = (by_key[key] for key in keys if key in by_key)
        self._state.choose_model(next(wished, next(iter(models), None)))
        if models:
            self._go_on()
        self.changed.emit()

    def _go_on(self) -> None:
        """Begin where the last edit ended. Not where somebody chose otherwise while the models were looked for, and not with a method that has
        nothing but toys for this picture.
        """
        state, last = self._state, self._last_edit
        self._last_edit = None
        untouched = replace(self._first, model=state.draft.model, touched=state.draft.touched) == state.draft
        if last is None or state.methods.find(last.settings) is None or not last.settings.needs_model:
            return
        if not untouched or not installed():
            return
        own = self.find(last.model)
        if own is not None:
            state.choose_model(own)
        if own is not None or not beyond_toys(self._model.document, state.draft):
            state.choose_method(type(last.settings))


def last_edit(document: Document) -> Recipe | None:
    """How the newest edit was made, of those whose method somebody chose: removing and moving have one of their own."""
    recipes = [(layer.id, layer.recipe) for layer in document.layers if layer.recipe is not None]
    chosen = {id: recipe for id, recipe in recipes if recipe.understood and recipe.action in ("fill", "blend")}
    return chosen[max(chosen)] if chosen else None
