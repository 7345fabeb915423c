"""Candidates that come as a test wants them, and a hand on the strip."""

from __future__ import annotations

from dataclasses import replace

from PySide6.QtCore import QPoint, QPointF
from PySide6.QtTest import QTest
from PySide6.QtWidgets import QApplication, QPushButton, QWidget

from editor.requests.reports import ResultReady, Scored
from editor.requests.results import EditResult, Match
from tests.support.session_cases import result
from widgets.session.job import Job
from widgets.session.session import Session
from widgets.shell.workbench import Workbench
from widgets.variations.strip import Variations

REDS = {seed: 30 * seed for seed in range(1, 9)}  # what the result of a seed looks like


def job(session: Session) -> Job:
    assert session.job is not None
    return session.job


def seeds(session: Session) -> list[int]:
    return [each.recipe.seed for each in job(session).candidates.results]


def red(seed: int) -> EditResult:
    made = result(seed)
    pixels = made.pixels.copy()
    pixels[..., :3] = REDS[seed], 0, 0
    return replace(made, pixels=pixels)


def make(session: Session, **similarities: float | None) -> None:
    """Run the edit; `seed1=0.2` is one candidate with its similarity, None for one that nobody ranked."""
    if session.job is None or not session.job.busy:
        session.run()
    give(session, **similarities)
    session.job_finished()
    QApplication.processEvents()


def give(session: Session, **similarities: float | None) -> None:
    for name in similarities:
        session.report(ResultReady(red(int(name[4:]))))
    for name, similarity in similarities.items():
        if similarity is not None:
            session.report(Scored(int(name[4:]), Match(similarity, similarity * 10)))
    QApplication.processEvents()  # the strip takes its place


def seen(bench: Workbench) -> int:
    """The seed whose result the canvas shows; 0 for the picture without one."""
    at = bench.canvas.viewport.to_screen(70, 70)
    colour = bench.canvas.grab().toImage().pixelColor(round(at.x), round(at.y))
    found = (seed for seed, red in REDS.items() if colour.green() < 8 and abs(colour.red() - red) < 8)
    return next(found, 0)


def move(widget: QWidget, place: QPoint) -> None:
    """With a step before it: Qt forgets the first one in a window that the pointer was not in."""
    for each in (place - QPoint(1, 1), place):
        QTest.mouseMove(widget, each)


def point(strip: Variations, at: int) -> None:
    move(strip.cards[at], strip.cards[at].rect().center())


def captions(strip: Variations) -> list[str]:
    return [card.face.caption for card in strip.cards]


def button(strip: Variations, text: str) -> QPushButton:
    return next(each for each in strip.findChildren(QPushButton) if each.text() == text)


def wheel(bench: Workbench, card: QWidget, turned: int) -> None:
    place = card.mapTo(bench, card.rect().center())
    QTest.wheelEvent(bench.windowHandle(), QPointF(place), QPoint(0, turned))
    QApplication.processEvents()
