"""The whole program on a test's desk: real window, real worker, real pointer, key and drop events."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PySide6.QtCore import QMimeData, QPoint, QPointF, Qt, QUrl
from PySide6.QtGui import QDragEnterEvent, QDropEvent, QImage
from PySide6.QtTest import QTest
from PySide6.QtWidgets import QApplication, QFileDialog, QLineEdit, QMessageBox

from app.application import Application, load_engine
from app.runner import RunsRequests
from app.settings import Settings
from tests.conftest import until
from widgets.canvas.view import CanvasView
from widgets.job import Job
from widgets.session import Session
from widgets.theme import Theme

LEFT = Qt.MouseButton.LeftButton
NONE = Qt.KeyboardModifier.NoModifier


class Desk:
    """The program under test. Points are in picture pixels."""

    def __init__(self, application: Application) -> None:
        self.application = application
        self.window = application.window
        self.window.resize(1366, 768)
        self.window.show()

    @property
    def session(self) -> Session:
        session = self.window.session
        assert session is not None
        return session

    @property
    def canvas(self) -> CanvasView:
        bench = self.window.workbench
        assert bench is not None
        return bench.canvas

    async def open(self, *paths: Path) -> Session:
        before = len(self.application.sessions)
        self.application.open_paths(paths)
        await until(lambda: len(self.application.sessions) == before + len(paths))
        return self.session

    def at(self, x: float, y: float) -> QPoint:
        found = self.canvas.viewport.to_screen(x, y)
        return QPoint(round(found.x), round(found.y))

    def drag(self, points: Sequence[tuple[float, float]], modifiers: Qt.KeyboardModifier = NONE) -> None:
        """Press at the first point, move through all, release at the last."""
        canvas = self.canvas
        QTest.mouseMove(canvas, self.at(*points[0]))
        QTest.mousePress(canvas, LEFT, modifiers, self.at(*points[0]))
        for point in points[1:]:
            QTest.mouseMove(canvas, self.at(*point))
        QTest.mouseRelease(canvas, LEFT, modifiers, self.at(*points[-1]))

    def click(self, x: float, y: float, modifiers: Qt.KeyboardModifier = NONE) -> None:
        self.drag([(x, y)], modifiers)

    def key(self, key: Qt.Key, modifiers: Qt.KeyboardModifier = NONE) -> None:
        QTest.keyClick(self.canvas, key, modifiers)

    def do(self, command: str) -> None:
        """Trigger a command, as its menu entry would; it must be possible just now."""
        action = self.window.actions_of_window.action(command)
        assert action.isEnabled(), f"{command} cannot be done now"
        action.trigger()

    def drop(self, path: Path, x: float, y: float) -> None:
        """Drag a file over the canvas and let it go there."""
        data = QMimeData()
        data.setUrls([QUrl.fromLocalFile(str(path))])
        where = self.at(x, y)
        enter = QDragEnterEvent(where, Qt.DropAction.CopyAction, data, LEFT, NONE)
        QApplication.sendEvent(self.canvas, enter)
        assert enter.isAccepted()
        drop = QDropEvent(QPointF(where), Qt.DropAction.CopyAction, data, LEFT, NONE)
        QApplication.sendEvent(self.canvas, drop)
        assert drop.isAccepted()

    async def finished(self) -> Job:
        """Wait until the running job's results are there."""
        await until(lambda: self.session.job is None or not self.session.job.busy, timeout=60)
        job = self.session.job
        assert job is not None
        return job

    async def choose_file(self, path: Path) -> None:
        """Answer the file dialog that is open."""
        await until(lambda: any(dialog.isVisible() for dialog in self.window.findChildren(QFileDialog)))
        dialog = next(each for each in self.window.findChildren(QFileDialog) if each.isVisible())
        name = dialog.findChild(QLineEdit, "fileNameEdit")
        assert name is not None
        name.setText(str(path))
        dialog.accept()

    async def answer(self, button: str) -> None:
        """Press a button of the question that is open."""
        await until(lambda: self._question() is not None)
        box = self._question()
        assert box is not None
        QTest.mouseClick(next(each for each in box.buttons() if each.text().replace("&", "") == button), LEFT)

    def _question(self) -> QMessageBox | None:
        return next((box for box in self.window.findChildren(QMessageBox) if box.isVisible()), None)

    def seen(self) -> NDArray[np.uint8]:
        """What the canvas shows, (h, w, 3) uint8."""
        image = self.canvas.grab().toImage().convertToFormat(QImage.Format.Format_RGB888)
        rows = np.frombuffer(image.constBits(), np.uint8).reshape(image.height(), image.bytesPerLine())
        return rows[:, : image.width() * 3].reshape(image.height(), image.width(), 3).copy()


def on_a_desk(
    story: Callable[[Desk], Coroutine[Any, Any, None]],
    theme: Theme,
    home: Path,
    make_engine: Callable[[], RunsRequests] = load_engine,
) -> Coroutine[Any, Any, None]:
    """The story, told on a fresh program that is put away afterwards."""

    async def told() -> None:
        application = Application(Settings(home / "settings.json"), theme, home / "cache", make_engine)
        try:
            await story(Desk(application))
        finally:
            await application.close()
            await asyncio.sleep(0)
            with suppress(RuntimeError):  # already deleted by Qt
                application.window.deleteLater()

    return told()
