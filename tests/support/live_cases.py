"""What the tests of live pictures are played on: strokes, erasures, undo, an exemplar's fidelity, rounds that are left before their end."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import strategies as st
from numpy.typing import NDArray

from editor.errors import InvalidRequest
from editor.geometry import Rect, Size
from editor.methods.pixels.model.editing import edit
from editor.methods.pixels.model.incremental import IncrementalRun
from editor.model_canvas.canvas import ModelCanvas
from editor.requests.edit_request import EditRequest
from editor.requests.frame import Frame
from editor.requests.reports import FinishEarly, Progress
from editor.requests.results import EditResult, LiveResult
from tests.support.pixels_cases import SIDE, Model, Recorded, ask, by_rule, exemplar, picture
from tests.support.reports import drive

Map = NDArray[np.float32]
STEPS = 8
OVERALL = 0.75
STRENGTHS = (0.1, 0.25, 0.3, 0.5, 0.62, 0.75)


@dataclass(frozen=True, slots=True)
class Stroke:
    """Strength painted into a rectangle of cells; 0 erases."""

    rect: Rect
    strength: float


@dataclass(frozen=True, slots=True)
class Undo:
    """Back to the state before so many changes."""

    steps: int


@dataclass(frozen=True, slots=True)
class Fidelity:
    """For how long the exemplar is held."""

    share: float


Change = Stroke | Undo | Fidelity


@dataclass(frozen=True, slots=True)
class Round:
    """A change, and after how many steps its round is left; None for a round to the end."""

    change: Change
    left_after: int | None = None


def rects(size: Size) -> st.SearchStrategy[Rect]:
    """Of cells of a canvas, not empty."""
    across, down = size.width // 8, size.height // 8
    corner = st.tuples(st.integers(0, across - 1), st.integers(0, down - 1))
    return st.builds(
        lambda at, side: Rect(8 * at[0], 8 * at[1], 8 * min(across, at[0] + side[0]), 8 * min(down, at[1] + side[1])),
        corner,
        st.tuples(st.integers(1, across), st.integers(1, down)),
    )


def stories(size: Size = SIDE, *, fidelity: bool = True) -> st.SearchStrategy[list[Round]]:
    """Rounds in a row."""
    strokes = st.builds(Stroke, rects(size), st.sampled_from((0.0, *STRENGTHS)))
    changes: st.SearchStrategy[Change] = strokes | strokes | st.builds(Undo, st.integers(1, 3))
    if fidelity:
        changes = changes | st.builds(Fidelity, st.sampled_from([0.0, 0.3, 0.7, 1.0]))
    return st.lists(st.builds(Round, changes, st.none() | st.none() | st.integers(1, 5)), min_size=2, max_size=6)


@dataclass(frozen=True, slots=True, eq=False)
class State:
    """What is painted, and for how long the exemplar is held."""

    painted: Map
    fidelity: float = 0.0

    def after(self, change: Stroke | Fidelity) -> State:
        if isinstance(change, Fidelity):
            return replace(self, fidelity=change.share)
        painted = self.painted.copy()
        painted[change.rect.slices] = change.strength
        return replace(self, painted=painted)


@dataclass(eq=False)
class Live:
    """A live picture beside fresh runs of the same requests."""

    model: Model
    size: Size = SIDE
    lays_in: bool = True
    settings: Any = field(default_factory=lambda: by_rule(match_tone="auto", feather=6.0))
    more: dict[str, Any] = field(default_factory=dict)
    max_bytes: int = 2**30
    rounds: list[LiveResult] = field(default_factory=list)

    def __post_init__(self) -> None:
        first = np.zeros(self.size.shape, np.float32)
        first[8:24, 8:40] = OVERALL
        self.history = [State(first)]
        self.backend = Recorded(self.model.backend)
        self.run = IncrementalRun(self.max_bytes)
        self.shown: Map | None = None

    def request(self, state: State) -> EditRequest:
        laid: Sequence[Any] = ()
        strength = state.painted
        if self.lays_in:
            alpha = np.zeros(self.size.shape, np.float32)
            alpha[24:48, 16:56] = 1
            fidelity = np.full(self.size.shape, state.fidelity, np.float32)
            laid = [exemplar(2, alpha, fidelity=fidelity)]
            strength = np.maximum(strength, alpha * np.float32(0.5))
        working = self.more.get("working", self.size)
        more = {name: value for name, value in self.more.items() if name != "working"}
        values: dict[str, Any] = {
            "settings": self.settings,
            "steps": STEPS,
            "overall": OVERALL,
            "image": picture(1, self.size),
            "frame": Frame(Rect.at(5, 3, *self.size), working),
        }
        return ask(strength, *laid, **{**values, **more})

    def play(self, story: Sequence[Round]) -> None:
        """Every round, compared with a fresh run."""
        for number, round in enumerate(story):
            if isinstance(round.change, Undo):
                del self.history[max(1, len(self.history) - round.change.steps) :]
            else:
                self.history.append(self.history[-1].after(round.change))
            if not (self.history[-1].painted.any() or self.lays_in):
                with pytest.raises(InvalidRequest, match="Nothing may change"):
                    self.request(self.history[-1])
                continue
            request = self.request(self.history[-1])
            if round.left_after is not None and number < len(story) - 1:
                self.leave(request, round.left_after)
            else:
                self.compare(request)

    def leave(self, request: EditRequest, steps: int) -> None:
        """Begin a round, and close it after so many steps."""
        reports = self.run.edit(request, self.backend)
        for report in reports:
            if isinstance(report, Progress) and report.doing.startswith("Step "):
                steps -= 1
                if not steps:
                    break
        reports.close()

    def compare(self, request: EditRequest) -> LiveResult:
        """A round to the end; its pixels and latents are those of a fresh run."""
        fresh = Recorded(self.model.backend)
        expected = drive(edit(request, fresh))
        self.backend.inputs.clear()
        self.backend.decoded.clear()
        live = drive(self.run.edit(request, self.backend))
        same(live.result, expected)
        assert live.evaluations == len(self.backend.inputs)
        if self.backend.decoded:
            assert torch.equal(self.backend.decoded[-1], fresh.decoded[-1])
        if live.evaluations:
            assert all(
                torch.equal(one, other)
                for one, other in zip(self.backend.inputs, fresh.inputs[-live.evaluations :], strict=True)
            )
        assert live.steps == len(fresh.inputs)
        if self.max_bytes >= 2**30:
            self.keeps_its_promise(request, live)
        self.rounds.append(live)
        return live

    def keeps_its_promise(self, request: EditRequest, live: LiveResult) -> None:
        """min(run, ceil(s x steps) + 1), s the largest strength, old or new, of what changed; computed from the painted cells."""
        assert live.evaluations is not None
        assert live.promise is not None
        assert live.steps is not None
        assert live.evaluations <= live.promise <= live.steps
        working = ModelCanvas.of(request.frame, self.model.backend.info)
        cells = np.stack([working.cells(request.strength), *(working.cells(one.fidelity) for one in request.exemplars)])
        if self.shown is not None and self._first(cells) == self._first(self.shown) and not self.settings.dither:
            changed = (cells != self.shown).any(0)
            strongest = max(cells[0][changed].max(initial=0), self.shown[0][changed].max(initial=0))
            most = min(live.steps, math.ceil(round(float(strongest), 6) * request.steps) + 1)
            assert live.evaluations <= (most if changed.any() else 0)
        self.shown = cells

    def _first(self, cells: Map) -> int:
        return round(float(cells[0].max()) * STEPS + 1e-6)


def same(one: EditResult, other: EditResult) -> None:
    """Bit for bit."""
    assert one.rect == other.rect
    assert np.array_equal(one.pixels, other.pixels)
    assert (one.recipe, one.doubt, one.seam, one.clip) == (other.recipe, other.doubt, other.seam, other.clip)


def finished_early(reports: Any, at: int) -> LiveResult:
    """Asked to finish early at that report."""
    try:
        for _ in range(at):
            next(reports)
        while True:
            reports.throw(FinishEarly())
    except StopIteration as stop:
        result: LiveResult = stop.value
        return result
