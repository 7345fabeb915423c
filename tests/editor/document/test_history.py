"""History against a plain list, its budget, and what counts as unsaved."""

from __future__ import annotations

from cProfile import Profile
from weakref import ref

import numpy as np
import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from editor.document.contents import Exemplar, Item
from editor.document.document import MAPS, Document
from editor.document.history import History
from editor.document.tiles import Tiles
from editor.geometry import Placement, Rect, Size
from tests.support.strategies import random_array

SIZE = Size(300, 260)
BLOCK_BYTES = 128 * 128 * 4
seeds = st.integers(0, 5)


def picture(seed: int = 0) -> Document:
    return Document.of_picture(random_array(seed, (*SIZE.shape, 4)))


def painted(document: Document, column: int, value: float) -> Document:
    """The strength of one whole block set."""
    rect = Rect(column * 128, 0, column * 128 + 128, 128)

    def paint(part: Rect, view: np.ndarray[tuple[int, ...], np.dtype[np.float32]]) -> None:
        view[...] = value

    return document.with_strength(document.strength.apply(rect, paint))


def held(documents: list[Document]) -> int:
    """Bytes of the distinct arrays behind the documents' layers and maps, counted afresh."""
    arrays: dict[int, int] = {}
    for document in documents:
        maps = [document.map(name) for name in MAPS]
        for tiles in [layer.pixels for layer in document.layers] + maps:
            for _, block in tiles.blocks():
                whole = block if block.base is None else block.base
                arrays[id(whole)] = whole.nbytes
    return sum(arrays.values())


class AgainstAList(RuleBasedStateMachine):
    """The same commands on a history and on a list of (label, document, key) with an index."""

    @initialize()
    def open(self) -> None:
        document = picture()
        self.history = History(document, "Open")
        self.plain: list[tuple[str, Document, object]] = [("Open", document, None)]
        self.at = 0
        self.saved: Document | None = document
        self.remembered: dict[int, tuple[Document, bytes]] = {}

    @rule(label=st.sampled_from(["a", "b"]), key=st.sampled_from([None, None, "x", "y"]), value=seeds)
    def commit(self, label: str, key: str | None, value: int) -> None:
        document = painted(self.history.document, value % 2, value / 5)
        self.history.commit(label, document, key)
        merges = key is not None and self.at > 0 and self.plain[self.at][2] == key
        self.plain[self.at + (0 if merges else 1) :] = [(label, document, key)]
        self.at = len(self.plain) - 1

    @rule()
    def commit_nothing_new(self) -> None:
        self.history.commit("again", self.history.document)

    @rule()
    def undo(self) -> None:
        self.at = max(0, self.at - 1)
        assert self.history.undo() is self.plain[self.at][1]

    @rule()
    def redo(self) -> None:
        self.at = min(len(self.plain) - 1, self.at + 1)
        assert self.history.redo() is self.plain[self.at][1]

    @rule(data=st.data())
    def go_to(self, data: st.DataObject) -> None:
        self.at = data.draw(st.integers(0, len(self.plain) - 1))
        assert self.history.go_to(self.at) is self.plain[self.at][1]

    @rule(outside=st.sampled_from([-1, 1000]))
    def go_nowhere(self, outside: int) -> None:
        with pytest.raises(IndexError):
            self.history.go_to(outside)

    @rule()
    def save(self) -> None:
        self.history.mark_saved()
        self.saved = self.plain[self.at][1]

    @rule()
    def finish_saving_what_was_current(self) -> None:
        self.history.mark_saved(self.plain[0][1])
        self.saved = self.plain[0][1]

    @precondition(lambda self: self.saved is not None)
    @rule()
    def lose_the_file(self) -> None:
        self.history.mark_unsaved()
        self.saved = None

    @invariant()
    def both_agree(self) -> None:
        found = [(entry.label, entry.document, entry.merge) for entry in self.history.entries]
        assert [(label, id(document), key) for label, document, key in found] == [
            (label, id(document), key) for label, document, key in self.plain
        ]
        assert self.history.index == self.at
        assert self.history.document is self.plain[self.at][1]
        assert self.history.can_undo == (self.at > 0)
        assert self.history.can_redo == (self.at < len(self.plain) - 1)
        assert self.history.unsaved == (self.plain[self.at][1] is not self.saved)

    @invariant()
    def bytes_are_those_of_the_distinct_arrays(self) -> None:
        assert self.history.nbytes() == held([document for _, document, _ in self.plain])

    @invariant()
    def nothing_old_moves(self) -> None:
        for _, document, _ in self.plain:
            elements = document.strength.read().tobytes()
            assert self.remembered.setdefault(id(document), (document, elements))[1] == elements


TestAgainstAList = AgainstAList.TestCase
TestAgainstAList.settings = settings(
    deadline=None, max_examples=25, stateful_step_count=20, suppress_health_check=[HealthCheck.too_slow]
)


def test_merging_does_not_reach_into_the_opened_picture() -> None:
    history = History(picture())
    opened = history.document
    history.commit("Drag", painted(opened, 0, 0.5), merge="drag")
    history.commit("Drag", painted(history.document, 0, 0.7), merge="drag")
    assert len(history.entries) == 2
    assert history.undo() is opened


def test_a_saved_document_that_left_the_history_is_let_go() -> None:
    history = History(picture())
    history.commit("Paint", painted(history.document, 0, 0.5))
    history.mark_saved()
    layer = ref(history.document.strength)
    history.undo()
    assert layer() is not None
    history.commit("Paint", painted(history.document, 1, 0.5))
    assert history.unsaved
    assert layer() is None


def test_a_step_costs_what_it_changed_not_what_there_is() -> None:
    """Counted in calls, since times are noisy: the first steps of a long history against the last."""
    size = Size(4096, 4096)
    empty = Tiles.filled(size.shape, 0, np.float32)
    history = History(Document(size, (), empty, empty, empty, empty))
    calls: list[int] = []
    for i in range(120):
        document = painted(history.document, i % 30, i / 120)
        counted = Profile(builtins=False)
        counted.runcall(history.commit, "Paint", document)
        calls.append(sum(getstat.callcount for getstat in counted.getstats()))
    assert max(calls[-20:]) <= max(calls[1:20])


def test_shared_blocks_count_once() -> None:
    history = History(picture())
    before = history.nbytes()
    history.commit("Paint", painted(history.document, 0, 0.5))
    assert history.nbytes() - before == BLOCK_BYTES
    history.commit("Paint", painted(history.document, 1, 0.5))
    assert history.nbytes() - before == 2 * BLOCK_BYTES
    mask = history.document.strength
    document = history.document.adding_item(Item.of("cup", mask))
    history.commit("Item", document)
    assert history.nbytes() - before == 2 * BLOCK_BYTES


def test_an_exemplar_counts_with_its_picture() -> None:
    history = History(picture())
    before = history.nbytes()
    pixels = random_array(7, (100, 100, 4))
    history.commit("Drop", history.document.adding_exemplar(Exemplar.of("leaf", pixels, Placement(50, 50))))
    assert history.nbytes() - before == 100 * 100 * 4 + 100 * 100 * 4  # the cut-out and the strength are one


def test_past_the_budget_the_oldest_steps_go() -> None:
    document = picture()
    fixed = History(document).nbytes()
    history = History(document, budget=fixed + 3 * BLOCK_BYTES)
    for step in range(10):
        history.commit(f"Step {step}", painted(history.document, 0, step / 10))
        assert history.nbytes() <= fixed + 3 * BLOCK_BYTES
    assert [entry.label for entry in history.entries] == ["Step 7", "Step 8", "Step 9"]
    assert history.index == 2
    assert history.undo().strength.read()[0, 0] == np.float32(0.8)


def test_the_current_step_is_kept_however_large() -> None:
    history = History(picture(), budget=0)
    history.commit("Paint", painted(history.document, 0, 0.5))
    assert [entry.label for entry in history.entries] == ["Paint"]
    assert not history.can_undo
    assert history.document.strength.read()[0, 0] == np.float32(0.5)


def test_forgetting_the_saved_step_leaves_the_picture_unsaved() -> None:
    history = History(picture(), budget=0)
    history.commit("Paint", painted(history.document, 0, 0.5))
    assert history.unsaved
    history.mark_saved()
    assert not history.unsaved


def test_a_view_counts_the_array_behind_it() -> None:
    whole = random_array(1, (600, SIZE.width, 4))
    document = Document.of_picture(whole[: SIZE.height])
    assert whole.nbytes <= History(document).nbytes() < whole.nbytes + 5 * BLOCK_BYTES


def test_the_same_tiles_twice_in_one_document_count_once() -> None:
    document = picture()
    same = document.with_map("protect", document.strength)
    assert History(same).nbytes() == History(document).nbytes()
    other = document.with_map("protect", Tiles.filled(SIZE.shape, 1, np.float32))
    assert History(other).nbytes() > History(document).nbytes()


def test_a_step_that_is_taken_back_cannot_be_done_again() -> None:
    history = History(picture())
    history.commit("one", painted(history.document, 0, 0.5))
    one, size = history.document, history.nbytes()
    history.commit("two", painted(one, 1, 0.7))
    assert history.take_back().same_as(one)
    assert not history.can_redo
    assert history.nbytes() == size
    history.undo()
    assert history.can_redo
