"""Ids: whatever is added, removed, undone, redone and saved, an id never means two different things."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from editor.document.compose import flatten
from editor.document.contents import Exemplar, Item, Layer
from editor.document.document import Document
from editor.document.history import History
from editor.edits.apply import apply_result, layer_of_result
from editor.edits.dispatch import make_request
from editor.geometry import Placement, Rect, Size
from editor.io.project import load_project, save_project
from editor.methods.quick_fill.settings import QuickFillSettings
from editor.planning.plan import Draft, removal
from editor.requests.edit_request import EditRequest
from editor.requests.results import EditResult, Recipe

SIZE = Size(24, 16)
GREEN = (0, 255, 0, 255)


def picture() -> Document:
    return Document.of_picture(np.full((*SIZE.shape, 4), (90, 80, 70, 255), np.uint8), "Photo")


def spot(document: Document) -> Item:
    return Item.of("Cup", document.empty_map().write(4, 4, np.ones((5, 5), np.float32)))


def answer(request: EditRequest) -> EditResult:
    """Green wherever anything may change."""
    pixels = np.full((*request.strength.shape, 4), GREEN, np.uint8)
    pixels[..., 3] = np.rint(request.strength * 255)
    return EditResult(request.frame.rect, pixels, Recipe.of(request))


def removal_of(document: Document, item: Item) -> EditResult:
    return answer(make_request(document, Draft(QuickFillSettings(), seed=1, item=item.id), removal(item)))


class Ids(RuleBasedStateMachine):
    """A document's life. Everything added has a name of its own, so that an id given twice is seen."""

    @initialize()
    def open(self) -> None:
        self.history = History(picture())
        self.meaning: dict[int, tuple[type, str]] = {}
        self.count = 0
        self.results: list[tuple[Document, EditResult]] = []
        self.note(self.history.document)

    def name(self) -> str:
        self.count += 1
        return f"thing {self.count}"

    def note(self, document: Document) -> None:
        for thing in document.things:
            meaning = type(thing), thing.name
            assert self.meaning.setdefault(thing.id, meaning) == meaning, "an id was given twice"
            assert thing.id < document.next_id

    @rule(merge=st.sampled_from([None, None, "drag"]), kind=st.sampled_from(["layer", "item", "exemplar"]))
    def add(self, merge: str | None, kind: str) -> None:
        self.history.commit(f"Add {kind}", self.with_thing(kind), merge)

    @rule(kind=st.sampled_from(["layer", "item", "exemplar"]))
    def show_something_that_is_never_kept(self, kind: str) -> None:
        document = self.with_thing(kind)
        self.note(document)
        self.history.reserve(document)

    def with_thing(self, kind: str) -> Document:
        document, name = self.history.document, self.name()
        if kind == "layer":
            return document.adding_layer(Layer.empty(0, name, SIZE))
        if kind == "item":
            return document.adding_item(replace(spot(document), name=name))
        return document.adding_exemplar(Exemplar.of(name, np.full((3, 3, 4), 200, np.uint8), Placement(8, 8)))

    @rule(data=st.data())
    def remove(self, data: st.DataObject) -> None:
        document = self.history.document
        ids = [thing.id for thing in document.things if thing is not document.layers[0]]
        if not ids:
            return
        id = data.draw(st.sampled_from(ids))
        self.history.commit("Remove", document.without_layer(id).without_item(id).without_exemplar(id))

    @precondition(lambda self: self.history.document.items)
    @rule()
    def run(self) -> None:
        document = self.history.document
        self.results.append((document, removal_of(document, document.items[-1])))

    @precondition(lambda self: self.results)
    @rule(data=st.data())
    def accept(self, data: st.DataObject) -> None:
        asked, result = data.draw(st.sampled_from(self.results))
        result = replace(result, recipe=replace(result.recipe))
        before = self.history.document
        label, after = apply_result(before, result, asked)
        made = layer_of_result(after, result)
        made, name = replace(made, name=self.name()), label
        after = after.with_layer(made)
        self.history.commit(label, after)
        (subject,) = result.recipe.subjects
        assert name.startswith("Remove “thing "), "it says what it removes, also when that is gone by now"
        assert self.history.document.item(subject.id) is None
        assert made.visible
        assert after.layers[-1] is made
        assert [layer.visible for layer in after.layers[:-1]] == [layer.visible for layer in before.layers]
        assert (flatten(after, Rect(4, 4, 9, 9)) == GREEN).all()

    @rule()
    def undo(self) -> None:
        self.history.undo()

    @rule()
    def redo(self) -> None:
        self.history.redo()

    @rule(data=st.data())
    def go_to(self, data: st.DataObject) -> None:
        self.history.go_to(data.draw(st.integers(0, len(self.history.entries) - 1)))

    @rule()
    def save_and_open_again(self) -> None:
        """What results and recipes of before mean is known to the opened document only by what it holds, so the results go."""
        with TemporaryDirectory() as folder:
            save_project(Path(folder) / "one.palimpsest", self.history.document)
            opened = load_project(Path(folder) / "one.palimpsest")
        kept = {thing.id for thing in opened.things}
        named = {subject.id for layer in opened.layers if layer.recipe for subject in layer.recipe.subjects}
        self.history, self.results = History(opened), []
        self.meaning = {id: meaning for id, meaning in self.meaning.items() if id in kept | named}

    @invariant()
    def an_id_means_one_thing(self) -> None:
        self.note(self.history.document)
        for entry in self.history.entries:
            self.note(entry.document)
        assert self.history.document.next_id > max(self.meaning)


TestIds = Ids.TestCase
TestIds.settings = settings(deadline=None, max_examples=40, stateful_step_count=25)


def unsaved(history: History) -> bool:
    """Asked anew each time: a type checker would remember."""
    return history.unsaved


def test_undo_shows_the_same_picture_and_counts_as_saved() -> None:
    history = History(picture())
    opened = history.document
    history.commit("Add", opened.adding_layer(Layer.empty(0, "New", SIZE)))
    assert unsaved(history)
    back = history.undo()
    assert back.same_as(opened)
    assert not unsaved(history)
    assert back.next_id == 3
    assert history.undo() is back
    history.mark_saved(opened)  # begun before, ended now
    assert not unsaved(history)
    history.commit("Nothing", opened)
    assert len(history.entries) == 2


def test_a_result_of_an_undone_thing_is_seen_and_hides_nothing() -> None:
    history = History(picture())
    history.commit("Make item", history.document.adding_item(spot(history.document)))
    asked = history.document
    result = removal_of(asked, asked.items[0])
    history.undo()
    label, after = apply_result(history.document, result, asked)
    assert label == "Remove “Cup”"
    made = layer_of_result(after, result)
    assert made.id != asked.items[0].id
    assert made.visible
    assert (flatten(after, Rect(4, 4, 9, 9)) == GREEN).all()


def test_documents_from_before_ids_were_for_ever_hide_nothing_either() -> None:
    asked = picture().adding_item(spot(picture()))
    result = removal_of(asked, asked.items[0])
    older = picture().adding_layer(Layer.empty(0, "Took its id", SIZE))
    assert older.layers[-1].id == asked.items[0].id
    _, after = apply_result(older, result, asked)
    assert [layer.visible for layer in after.layers] == [True, True, True]
