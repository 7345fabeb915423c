"""A session driven at random: edits, runs, runs again, undo and redo in any order. Nothing stays hidden, no run outlives its ground."""

from __future__ import annotations

from dataclasses import replace
from itertools import count
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from editor.document.contents import Layer
from editor.document.document import Document
from editor.io.project import load_project, save_project
from editor.requests.results import EditResult
from tests.support.session_cases import painted, picture, result
from tests.support.stub_worker import StubWorker
from widgets.session import commands, edits, run_actions
from widgets.session.session import Session

VARIATIONS = 2


def outcome(seed: int) -> EditResult:
    pixels = np.full((40, 40, 4), (0, 255, 0, 255), np.uint8)
    return replace(result(seed), pixels=pixels)


class Life(RuleBasedStateMachine):
    @initialize()
    def open(self) -> None:
        self.seeds = count(1)
        self.shown_or_hidden: set[int] = set()  # layers whose eye somebody has clicked
        self.begin(picture())

    def begin(self, document: Document) -> None:
        self.session = Session(document, StubWorker())
        self.session.set_draft(variations=VARIATIONS)

    @property
    def document(self) -> Document:
        return self.session.history.document

    def some_layer(self, data: st.DataObject) -> Layer:
        return data.draw(st.sampled_from(self.document.layers))

    @rule()
    def paint(self) -> None:
        self.session.commit("Paint", painted(self.document))

    @rule(merge=st.sampled_from([None, "drag"]))
    def select(self, merge: str | None) -> None:
        selection = self.document.empty_map().write(60, 60, np.ones((9, 9), np.float32))
        self.session.commit("Select", self.document.with_map("selection", selection), merge)

    @rule()
    def add_layer(self) -> None:
        edits.add_layer(self.session)

    @rule(data=st.data())
    def click_an_eye(self, data: st.DataObject) -> None:
        layer = self.some_layer(data)
        self.shown_or_hidden.add(layer.id)
        edits.show_layer(self.session, layer.id, not layer.visible)

    @rule(data=st.data())
    def delete_layer(self, data: st.DataObject) -> None:
        commands.delete_layer(self.session, self.some_layer(data).id)

    @rule()
    def run(self) -> None:
        self.session.run()

    @rule()
    def queue(self) -> None:
        self.session.queue()

    @precondition(lambda self: self.session.job is not None and self.session.job.busy)
    @rule(ends=st.booleans())
    def get_a_result(self, ends: bool) -> None:
        self.session.job_result(outcome(next(self.seeds)))
        if ends:
            self.session.job_finished()

    @precondition(lambda self: self.session.job is not None and self.session.job.candidates)
    @rule()
    def accept(self) -> None:
        job = self.session.job
        assert job is not None
        candidate = job.candidates.current
        assert candidate is not None
        if job.laid is None:  # set aside: it is shown again, and nothing else happens
            before = self.document
            self.session.accept()
            assert self.document is before
            assert self.session.job is not None
            assert self.session.job.laid is candidate.result
        self.session.accept()
        made = next(layer for layer in self.document.layers if layer.recipe is candidate.result.recipe)
        assert made.visible
        assert made.opacity == 1
        assert self.session.active_layer == made.id
        if candidate.edit_job.document.rerun is None:
            assert made is self.document.layers[-1]

    @rule()
    def fill(self) -> None:
        """All at once, so that there is often something to run again."""
        self.session.discard()
        self.paint()
        self.session.run()
        if self.session.job is not None and self.session.job.busy:
            self.get_a_result(True)
            self.accept()

    @rule()
    def discard(self) -> None:
        self.session.discard()

    @rule(data=st.data())
    def run_again(self, data: st.DataObject) -> None:
        able = [layer for layer in self.document.layers if not run_actions.why_not_again(self.session, layer.id)]
        if able:
            layer = data.draw(st.sampled_from(able))
            order = [sheet.id for sheet in self.document.layers]
            run_actions.run_again(self.session, layer.id)
            assert self.document.rerun is not None
            assert [sheet.id for sheet in self.document.layers] == order

    @rule()
    def leave(self) -> None:
        self.session.leave_rerun()
        assert self.document.rerun is None

    @rule()
    def undo(self) -> None:
        self.session.undo()

    @rule()
    def redo(self) -> None:
        self.session.redo()

    @rule(data=st.data())
    def go_to(self, data: st.DataObject) -> None:
        self.session.go_to(data.draw(st.integers(0, len(self.session.history.entries) - 1)))

    @rule()
    def close_and_open_again(self) -> None:
        with TemporaryDirectory() as folder:
            save_project(Path(folder) / "one.palimpsest", self.document)
            self.begin(load_project(Path(folder) / "one.palimpsest"))

    @invariant()
    def nothing_stays_hidden_that_nobody_hid(self) -> None:
        if self.document.rerun is None:
            hidden = {layer.id for layer in self.document.layers if not layer.visible}
            assert hidden <= self.shown_or_hidden

    @invariant()
    def only_what_is_not_undone_is_made_and_the_rest_says_so(self) -> None:
        job, history = self.session.job, self.session.history
        if job is None:
            return
        if job.busy:
            assert all(history.holds(asked.step) for asked in (job.edit_job, *job.waiting))
        assert all(candidate.outdated != history.holds(candidate.edit_job.step) for candidate in job.candidates)

    @invariant()
    def the_number_of_variations_is_what_was_set(self) -> None:
        assert self.session.draft.variations == VARIATIONS

    @invariant()
    def the_draft_names_only_what_is_there(self) -> None:
        assert self.session.active_layer is None or self.document.layer(self.session.active_layer) is not None
        assert not self.session.in_gesture


class LongLife(Life):
    """The same, for longer."""


TestLife = pytest.mark.usefixtures("qapp")(Life.TestCase)
TestLife.settings = settings(deadline=None, max_examples=25, stateful_step_count=25)

TestLongLife = pytest.mark.slow(pytest.mark.usefixtures("qapp")(LongLife.TestCase))
TestLongLife.settings = settings(deadline=None, max_examples=600, stateful_step_count=60)
