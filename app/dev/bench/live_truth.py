"""Live pictures of practice scenes, painted through the session: what `Enter` keeps is what its recipe makes from nothing, bit for bit."""

from __future__ import annotations

import sys
import tempfile
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from PySide6.QtWidgets import QApplication

import resources
from app.dev.bench import Result
from app.dev.bench.canvas import IdleWorker
from app.dev.bench.diffusion_edits import outcome
from app.dev.practice.export import PIPELINE
from app.dev.practice.scenes import SIDE, draw_scene
from app.dev.practice.world import World
from app.editing import edit_request
from editor.document.compose import flatten
from editor.document.document import Document
from editor.edits.apply import apply_result
from editor.edits.dispatch import make_request, plan
from editor.edits.rerun import reopen
from editor.engine import Engine
from editor.geometry import Rect
from editor.methods.pixels.settings import PixelsSettings
from editor.models.info import ModelInfo
from editor.models.inspect import inspect
from editor.models.library import Library
from editor.requests.live import LiveRequest
from editor.requests.reports import Progress
from editor.requests.results import EditResult, LiveResult
from widgets.session.edit_job import EditJob
from widgets.session.session import Session

SCENES = 60
STROKES = 10
ACROSS = 3  # scenes side by side in one picture, so that there is something beyond what the model sees
LEFT_SHARE = 0.25  # of the rounds that the next stroke interrupts
GROWN_SHARE = 0.5  # of the offers of a larger part that are taken
STRENGTHS = (0.0, 0.1, 0.2, 0.4, 0.7, 1.0)  # painted; 0 erases


def live_truth(scenes: int = SCENES) -> Iterator[Result]:
    """Ten random strokes a scene, some of them beyond the part that the model sees, some interrupting the round before."""
    application = QApplication.instance() or QApplication(sys.argv[:1])
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        with tempfile.TemporaryDirectory() as folder:
            practice = Path(resources.__file__).parent / "models" / PIPELINE
            live, fresh = (Engine(lambda: Library((practice.parent,), cache=Path(folder) / "cache")) for _ in range(2))
            stage, figures = _Stage(inspect(practice), live, fresh, application.processEvents), _Figures()
            for number in range(scenes):
                _painted(number, stage, figures)
    finally:
        torch.set_num_threads(threads)
    note = f"{figures.scenes} scenes, {figures.rounds} rounds, {figures.left} of them interrupted, {figures.beyond} strokes beyond the frame"
    yield Result.at_most("live: largest difference to a fresh run of the recipe", figures.difference, "/255", 0, note)
    note = f"{figures.spent} evaluations; whole edits would have taken {figures.whole}"
    yield Result("live: evaluations of ten strokes, against whole edits", figures.spent / figures.whole, "x", note=note)


@dataclass(slots=True)
class _Figures:
    """difference: the largest, in 1/255. spent, whole: evaluations of all rounds that were made, and of whole edits in their place."""

    scenes: int = 0
    rounds: int = 0
    left: int = 0
    beyond: int = 0
    difference: float = 0.0
    spent: int = 0
    whole: int = 0


@dataclass(eq=False)
class _Worker(IdleWorker):
    """A worker that notes which live pictures it is asked for, and does nothing by itself."""

    model: ModelInfo
    asked: list[EditJob] = field(default_factory=list)

    def live(self, session: Session, edit_job: EditJob) -> None:
        self.asked.append(edit_job)

    def models(self) -> Sequence[ModelInfo]:
        return (self.model,)

    def used_model(self) -> str:
        return self.model.key


@dataclass(frozen=True, slots=True, eq=False)
class _Stage:
    """What all pictures share: the model, an engine that is painted with, another that makes each recipe once, and a turn of Qt's event loop."""

    model: ModelInfo
    live: Engine
    fresh: Engine
    turn: Callable[[], object]


def _painted(number: int, stage: _Stage, figures: _Figures) -> None:
    """One picture, from the first stroke to what `Enter` keeps, and once more from its recipe."""
    chance = np.random.default_rng(number)
    worker = _Worker(stage.model)
    session = Session(Document.of_picture(_scenes(number)), worker)
    session.choose_method(PixelsSettings)
    caption = draw_scene(number, "held out").caption()
    session.set_draft(prompt=caption, steps=15, guidance_scale=4.0, strength=float(chance.choice((0.5, 0.75, 1.0))))
    live = session.live
    live.switch(on=True)
    for stroke in range(STROKES):
        last = stroke == STROKES - 1
        _stroke(session, chance, first=stroke == 0, erases=stroke > 0 and not last)
        stage.turn()  # the session follows what was painted from the event loop
        if live.outside:
            figures.beyond += 1
            if chance.random() < GROWN_SHARE:
                live.enlarge()
        if not worker.asked:
            continue  # it changed nothing
        edit_job = worker.asked[-1]
        worker.asked.clear()
        request = LiveRequest(edit_request(edit_job), number)
        figures.rounds += 1
        if not last and chance.random() < LEFT_SHARE:
            figures.left += 1
            _leave(stage.live, request, int(chance.integers(1, 6)))
            continue
        round: LiveResult = outcome(stage.live.run(request))
        figures.spent += round.evaluations or 0
        figures.whole += round.steps or 0
        live.finished(edit_job, round)
    candidate = live.candidate
    if candidate is None or live.state != "current":
        raise ValueError("the last stroke left nothing to keep")
    figures.scenes += 1
    figures.difference = max(figures.difference, _against_recipe(session, candidate.result, stage))


def _against_recipe(session: Session, kept: EditResult, stage: _Stage) -> float:
    """The largest difference between the picture after `Enter` and after its layer was made again by a program that knows the recipe only."""
    session.accept()
    document = session.document
    layer = document.layers[-1]
    if not np.array_equal(layer.pixels.read(kept.rect), kept.pixels):
        raise ValueError("the layer is not what was seen")
    reopened = reopen(document, layer.id)
    draft = replace(reopened.draft, model=stage.model)
    planned = plan(reopened.document, draft)
    result = outcome(stage.fresh.run(make_request(reopened.document, draft, planned)))
    _, again = apply_result(reopened.document, result, reopened.document, planned)
    return float(np.abs(flatten(again).astype(np.int16) - flatten(document)).max())


def _leave(engine: Engine, request: LiveRequest, steps: int) -> None:
    """Begin a round, and close it after so many steps."""
    reports = engine.run(request)
    for report in reports:
        steps -= isinstance(report, Progress) and report.doing.startswith("Step ")
        if not steps:
            break
    reports.close()


def _scenes(number: int) -> NDArray[np.uint8]:
    """(ACROSS x SIDE, ACROSS x SIDE, 4): held-out scenes side by side, opaque."""
    world = World()
    scenes = [world.draw(draw_scene(number + 1000 * at, "held out")).picture for at in range(ACROSS * ACROSS)]
    rows = [np.concatenate(scenes[ACROSS * at : ACROSS * (at + 1)], axis=1) for at in range(ACROSS)]
    picture = np.concatenate(rows, axis=0)
    return np.concatenate([picture, np.full((*picture.shape[:2], 1), 255, np.uint8)], axis=2)


def _stroke(session: Session, chance: np.random.Generator, *, first: bool, erases: bool) -> None:
    """A rectangle of one strength; the first in the corner that the frame is pinned around."""
    side = ACROSS * SIDE
    reach = SIDE // 2 if first else side
    width, height = (int(chance.integers(6, 24)) for _ in range(2))
    left, top = int(chance.integers(4, reach - width)), int(chance.integers(4, reach - height))
    strength = float(chance.choice(STRENGTHS if erases else STRENGTHS[3:]))
    rect = Rect.at(left, top, width, height)
    painted = np.full(rect.size.shape, strength, np.float32)
    document = session.document
    session.commit("Paint strength", document.with_strength(document.strength.write(rect.left, rect.top, painted)))
