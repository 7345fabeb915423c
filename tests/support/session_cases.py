"""A worker that only writes down what it is asked, services that do the same, and small documents to show."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from PySide6.QtCore import QPointF, Qt
from PySide6.QtGui import QMouseEvent
from PySide6.QtWidgets import QApplication, QWidget

from editor.diffusion.families.registry import FAMILIES
from editor.document.contents import Exemplar, Item
from editor.document.document import Document
from editor.geometry import Placement, Rect
from editor.methods.quick_fill.settings import QuickFillSettings
from editor.models.info import ModelInfo
from editor.requests.results import EditResult, Recipe
from widgets.session.session import Session
from widgets.shell.services import Practice, Recent

SHIFT = Qt.KeyboardModifier.ShiftModifier
CTRL = Qt.KeyboardModifier.ControlModifier
NONE = Qt.KeyboardModifier.NoModifier


@dataclass
class Services:
    """`calls`: what was asked, in words."""

    calls: list[str] = field(default_factory=list)
    recents: list[Recent] = field(default_factory=list)
    scenes: list[Practice] = field(default_factory=list)

    def new_document(self) -> None:
        self.calls.append("new")

    def open_dialog(self) -> None:
        self.calls.append("open")

    def open_paths(self, paths: Sequence[Path]) -> None:
        self.calls.append(f"open {' '.join(path.name for path in paths)}")

    def open_sample(self) -> None:
        self.calls.append("sample")

    def practice(self) -> Sequence[Practice]:
        return self.scenes

    def open_practice(self, name: str) -> None:
        self.calls.append(f"practise {name}")

    def paste(self) -> None:
        self.calls.append("paste")

    def save(self, session: Session) -> None:
        self.calls.append(f"save {session.name}")

    def save_as(self, session: Session) -> None:
        self.calls.append(f"save as {session.name}")

    def export(self, session: Session) -> None:
        self.calls.append(f"export {session.name}")

    def close_document(self, session: Session) -> None:
        self.calls.append(f"close {session.name}")

    def show_models(self) -> None:
        self.calls.append("models")

    def recent(self) -> Sequence[Recent]:
        return self.recents

    def quit(self) -> None:
        self.calls.append("quit")


def picture(width: int = 300, height: int = 200) -> Document:
    """A grey ramp."""
    pixels = np.full((height, width, 4), 255, np.uint8)
    pixels[..., :3] = np.linspace(0, 255, width).astype(np.uint8)[None, :, None]
    return Document.of_picture(pixels)


def with_items(document: Document, *names: str) -> Document:
    for at, name in enumerate(names):
        mask = document.empty_map().write(10 + 40 * at, 20, np.ones((30, 30), np.float32))
        document = document.adding_item(Item.of(name, mask))
    return document


def with_exemplars(document: Document, *names: str) -> Document:
    for name in names:
        pixels = np.full((40, 60, 4), 255, np.uint8)
        document = document.adding_exemplar(Exemplar.of(name, pixels, Placement(100, 100)))
    return document


def model(name: str = "Stable Diffusion 1.5", family: str = "stable-diffusion", problem: str = "") -> ModelInfo:
    path = Path("/models") / name
    return ModelInfo(
        str(path), name, FAMILIES.named(family), path, FAMILIES.named(family).traits.native, problem=problem
    )


def painted(document: Document) -> Document:
    """Free to change in a square."""
    return document.with_strength(document.empty_map().write(50, 50, np.ones((40, 40), np.float32)))


def result(seed: int = 1, doubt: float | None = None) -> EditResult:
    """A red square where `painted` is free."""
    pixels = np.zeros((40, 40, 4), np.uint8)
    pixels[..., 0] = pixels[..., 3] = 255
    rect = Rect(50, 50, 90, 90)
    return EditResult(rect, pixels, Recipe(QuickFillSettings(), "fill", rect, seed), doubt, variant=seed)


def drag(widget: QWidget, start: QPointF, *stops: QPointF, modifiers: Qt.KeyboardModifier = NONE) -> None:
    """Press at `start`, move through `stops`, release at the last."""
    _send(widget, QMouseEvent.Type.MouseButtonPress, start, modifiers)
    for stop in stops:
        _send(widget, QMouseEvent.Type.MouseMove, stop, modifiers)
    _send(widget, QMouseEvent.Type.MouseButtonRelease, stops[-1] if stops else start, modifiers)


def _send(widget: QWidget, kind: QMouseEvent.Type, place: QPointF, modifiers: Qt.KeyboardModifier) -> None:
    moving = kind == QMouseEvent.Type.MouseMove
    button = Qt.MouseButton.NoButton if moving else Qt.MouseButton.LeftButton
    held = Qt.MouseButton.NoButton if kind == QMouseEvent.Type.MouseButtonRelease else Qt.MouseButton.LeftButton
    event = QMouseEvent(kind, place, QPointF(widget.mapToGlobal(place.toPoint())), button, held, modifiers)
    QApplication.sendEvent(widget, event)
