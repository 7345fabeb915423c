"""The whole program on a test's desk: real window, real worker, real pointer, key and drop events."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine, Sequence
from pathlib import Path
from typing import Any, TypeVar

from PySide6.QtCore import QMimeData, QPoint, QPointF, Qt, QTimer, QUrl
from PySide6.QtGui import QDragEnterEvent, QDropEvent
from PySide6.QtTest import QTest
from PySide6.QtWidgets import QApplication, QFileDialog, QLineEdit, QMessageBox, QWidget

from app.application import Application, load_engine
from app.runner import RunsRequests
from app.settings import Settings
from tests.conftest import until
from widgets.canvas.view import CanvasView
from widgets.job import Job
from widgets.session import Session
from widgets.theme import Theme

T = TypeVar("T")

LEFT = Qt.MouseButton.LeftButton
NONE = Qt.KeyboardModifier.NoModifier


async def by_hand(act: Callable[[], T]) -> T:
    """Do something from Qt's event loop, as a hand would: events may be handled inside it, which must not happen inside a task."""
    done: asyncio.Future[T] = asyncio.get_running_loop().create_future()

    def now() -> None:
        try:
            done.set_result(act())
        except BaseException as error:
            done.set_exception(error)

    QTimer.singleShot(0, now)
    return await done


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

    async def press(self, x: float, y: float, modifiers: Qt.KeyboardModifier = NONE) -> None:
        await by_hand(lambda: QTest.mouseMove(self.canvas, self.at(x, y)))
        await by_hand(lambda: QTest.mousePress(self.canvas, LEFT, modifiers, self.at(x, y)))

    async def move(self, x: float, y: float) -> None:
        await by_hand(lambda: QTest.mouseMove(self.canvas, self.at(x, y)))

    async def release(self, x: float, y: float, modifiers: Qt.KeyboardModifier = NONE) -> None:
        await by_hand(lambda: QTest.mouseRelease(self.canvas, LEFT, modifiers, self.at(x, y)))

    async def drag(self, points: Sequence[tuple[float, float]], modifiers: Qt.KeyboardModifier = NONE) -> None:
        """Press at the first point, move through all, release at the last."""
        await self.press(*points[0], modifiers)
        for point in points[1:]:
            await self.move(*point)
        await self.release(*points[-1], modifiers)

    async def key(self, key: Qt.Key, modifiers: Qt.KeyboardModifier = NONE, widget: QWidget | None = None) -> None:
        """Press and release a key over the canvas, or over another widget."""
        await by_hand(lambda: QTest.keyClick(widget or self.canvas, key, modifiers))

    async def do(self, command: str) -> None:
        """Trigger a command, as its menu entry would; it must be possible just now."""
        action = self.window.actions_of_window.action(command)
        assert action.isEnabled(), f"{command} cannot be done now"
        await by_hand(action.trigger)

    async def drop(self, path: Path, x: float, y: float) -> None:
        """Drag a file over the canvas and let it go there."""
        self.window.activateWindow()
        data = QMimeData()
        data.setUrls([QUrl.fromLocalFile(str(path))])
        where = self.at(x, y)
        enter = QDragEnterEvent(where, Qt.DropAction.CopyAction, data, LEFT, NONE)
        await by_hand(lambda: QApplication.sendEvent(self.canvas, enter))
        assert enter.isAccepted()
        drop = QDropEvent(QPointF(where), Qt.DropAction.CopyAction, data, LEFT, NONE)
        await by_hand(lambda: QApplication.sendEvent(self.canvas, drop))
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
        await by_hand(dialog.accept)

    async def answer(self, button: str) -> None:
        """Press a button of the question that is open."""
        await until(lambda: self._question() is not None)
        box = self._question()
        assert box is not None
        found = next(each for each in box.buttons() if each.text().replace("&", "") == button)
        await by_hand(lambda: QTest.mouseClick(found, LEFT))

    def _question(self) -> QMessageBox | None:
        return next((box for box in self.window.findChildren(QMessageBox) if box.isVisible()), None)


def on_a_desk(
    story: Callable[[Desk], Coroutine[Any, Any, None]],
    theme: Theme,
    home: Path,
    make_engine: Callable[[], RunsRequests] | None = None,
) -> Coroutine[Any, Any, None]:
    """The story, told on a fresh program that is put away afterwards."""

    async def told() -> None:
        application = Application(
            Settings(home / "settings.json"),
            theme,
            home / "cache",
            home / "models",
            load_engine if make_engine is None else lambda _: make_engine(),
        )
        try:
            await story(Desk(application))
        finally:
            await application.close()
            application.window.deleteLater()
            await asyncio.sleep(0.01)  # Qt deletes it in its next turn, with the timers inside

    return told()
