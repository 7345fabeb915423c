"""The draft beside the history: how it goes with the document into a reopened edit and out of it, and out of a step that only prepared an edit."""

from __future__ import annotations

import contextlib
from collections.abc import Callable
from dataclasses import dataclass, replace

from PySide6.QtCore import QObject, Signal

from editor.document.document import Document, Rerun
from editor.edits.rerun import draft_again, restored
from editor.errors import InvalidRequest
from editor.models.info import ModelInfo
from editor.planning.plan import Draft
from widgets.session.document_model import DocumentModel
from widgets.session.edit_state import EditState
from widgets.session.notice import Notice


class Reruns(QObject):
    """The reopened edit of a document, if one is.

    find_model: the model of a key, or None where there is none like it.
    noticed(notice): something is to be said.
    """

    noticed = Signal(object)

    def __init__(self, model: DocumentModel, state: EditState, find_model: Callable[[str], ModelInfo | None]) -> None:
        super().__init__()
        self._model, self._state, self._find_model = model, state, find_model
        self._outside: Draft | None = None  # as it was before an edit was reopened
        self._left: tuple[Rerun, Draft] | None = None  # how an edit was reopened, and the draft when that was left
        self._current = model.document.rerun
        model.arrived.connect(self.follow)

    def begin(self) -> None:
        """The document may have been opened with an edit reopened."""
        if self._current is not None:
            self._enter()

    def leave(self) -> None:
        """Do not run the reopened edit again: what was put away for it comes back, and the draft is as it was."""
        history = self._model.history
        entries, index, rerun = history.entries, history.index, history.document.rerun
        if rerun is None:
            return
        if index > 0 and entries[index - 1].document.rerun is None:  # nothing has been changed since
            self._model.undo()
        else:
            self._model.commit("Leave “Run again”", restored(history.document), by_hand=False)

    def accepted(self, document: Document) -> None:
        """A result has been accepted. What was chosen for this edit stays chosen, as after any other.

        Not its seed, with which the next would come out the same, nor the rules that it was made by, which may be older ones.
        """
        if self._outside is not None and document.rerun is None:
            self._outside = replace(self._state.draft, seed=self._outside.seed, revision=self._outside.revision)

    def follow(self) -> None:
        """Into a rerun and out of it, also by undo and redo."""
        before, now = self._current, self._model.history.document.rerun
        self._current = now
        if before is not None and now is not None:
            if before.layer != now.layer:  # from one to another; what was chosen outside of both stays noted
                self._take()
        elif now is None and before is not None:
            self._left = before, self._state.draft
            outside, self._outside = self._outside, None
            if outside is not None:
                self._state.take_draft(self.as_it_can_be(outside))
        elif now is not None and self._outside is None:  # by redo
            self._enter()

    def as_it_can_be(self, draft: Draft) -> Draft:
        """An earlier draft, as far as what it names is still there."""
        document, current = self._model.history.document, self._state.draft
        hint = None if draft.scribble is None else document.layer(draft.scribble)
        model = draft.model
        return replace(
            draft,
            item=draft.item if draft.item is not None and document.item(draft.item) else None,
            exemplar=draft.exemplar if draft.exemplar is not None and document.exemplar(draft.exemplar) else None,
            scribble=draft.scribble if hint is not None and hint.visible else None,
            model=model if model is not None and self._find_model(model.key) == model else current.model,
            variations=current.variations,
        )

    def _enter(self) -> None:
        """The document says that an edit is being run again: the draft is that of the edit."""
        self._outside = self._state.draft
        self._take()

    def _take(self) -> None:
        if self._left is not None and self._left[0] is self._model.history.document.rerun:
            self._state.take_draft(self.as_it_can_be(self._left[1]))  # what was changed before leaving is not lost
            return
        with contextlib.suppress(InvalidRequest):  # its layer has been deleted
            self._take_recipe(*draft_again(self._model.history.document))

    def _take_recipe(self, draft: Draft, key: str) -> None:
        current = self._state.draft
        model = self._find_model(key)
        if key and model is None:
            held = current.model
            advice = "Choose or get one." if held is None else f"It will run with {held.name}, and look different."
            self.noticed.emit(Notice("The model that made it is not here.", advice))
        self._state.take_draft(replace(draft, model=model or current.model, variations=current.variations))


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
