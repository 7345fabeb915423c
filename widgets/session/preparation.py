"""Preparation: a step of the history that only prepared an edit, and how it is undone where nothing comes of that edit."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from editor.document.document import Document
from editor.planning.draft import Draft
from widgets.session.document_model import DocumentModel
from widgets.session.edit_state import EditState


@dataclass(frozen=True, slots=True)
class Preparation:
    """What was selected has become an item, for example, so that it can be removed.

    step: the number of the step of the history.
    before, after: the document without and with it.
    draft, prepared: the draft then.
    """

    step: int
    before: Document
    after: Document
    draft: Draft
    prepared: Draft

    @classmethod
    def of_last_step(cls, model: DocumentModel, draft: Draft, prepared: Draft) -> Preparation:
        history = model.history
        before = history.entries[max(0, history.index - 1)].document
        return cls(history.number, before, history.document, draft, prepared)

    def undo(self, model: DocumentModel, state: EditState, as_it_can_be: Callable[[Draft], Draft]) -> None:
        """What was done since stays."""
        history = model.history
        untouched = state.draft.item == self.prepared.item and state.draft.exemplar == self.prepared.exemplar
        last, touched = self.prepared.touched[-1:], state.draft.touched
        newer = touched[touched.index(last[0]) + 1 :] if last and last[0] in touched else ()
        if history.number == self.step and history.can_undo and not model.in_gesture:
            model.take_back()
        elif history.holds(self.step):
            self._put_back(model)
        if untouched:
            draft = as_it_can_be(self.draft)
            state.set_draft(item=draft.item, exemplar=draft.exemplar, touched=draft.touching(*newer).touched)

    def _put_back(self, model: DocumentModel) -> None:
        """What was selected is selected again, and what it had become leaves, unless somebody has changed either."""
        model.stepping.emit()
        now = model.history.document
        if now.selection is not self.after.selection:
            return
        items = [item for item in self.after.items if self.before.item(item.id) is None]
        if any(now.item(item.id) is not item for item in items):
            return
        for item in items:
            now = now.without_item(item.id)
        model.commit("Select again", now.with_map("selection", self.before.selection), by_hand=False)
