"""The whole program on a test's desk: real window, real worker, real pointer, key and drop events."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, TypeVar

from PySide6.QtCore import QMimeData, QPoint, QPointF, Qt, QTimer
from PySide6.QtGui import QDragEnterEvent, QDropEvent
from PySide6.QtTest import QTest
from PySide6.QtWidgets import (
    QApplication,
    QFileDialog,
    QLabel,
    QLineEdit,
    QMessageBox,
    QPushButton,
    QToolButton,
    QWidget,
)

from app.application import Application, load_engine
from app.export_dialog import ExportDialog
from app.runner import RunsRequests
from app.settings import Settings
from editor.document.contents import Exemplar
from editor.methods.registry import METHODS, Methods
from editor.requests.reports import FinishEarly, Progress, Reports, emit_result
from editor.requests.variants import VariantsRequest
from tests.support.waiting import until
from widgets.canvas.drop import DropChip
from widgets.canvas.view import CanvasView
from widgets.incoming import url_of
from widgets.panels.edit import EditPanel
from widgets.session.job import Job
from widgets.session.session import Session
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


class OneByOne:
    """A test's engine, which knows single edits only; several are made one after the other."""

    def __init__(self, engine: RunsRequests) -> None:
        self._engine = engine

    def run(self, request: Any) -> Reports[Any]:
        return self._each(request) if isinstance(request, VariantsRequest) else self._engine.run(request)

    def _each(self, request: VariantsRequest) -> Reports[None]:
        for number, variant in enumerate(request.variants):
            reports = self._engine.run(variant.request)
            early = False
            try:
                report = next(reports)
                while True:
                    if isinstance(report, Progress):
                        report = replace(report, fraction=(number + report.fraction) / len(request.variants))
                    try:
                        yield report
                    except FinishEarly as asked:
                        early = True
                        report = reports.throw(asked)
                    else:
                        report = next(reports)
            except StopIteration as stop:
                yield from emit_result(replace(stop.value, variant=variant.id))
            finally:
                reports.close()
            if early:
                return


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
    def edit(self) -> EditPanel:
        bench = self.window.workbench
        assert bench is not None
        return bench.edit

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
        data.setUrls([url_of(path)])
        where = self.at(x, y)
        enter = QDragEnterEvent(where, Qt.DropAction.CopyAction, data, LEFT, NONE)
        await by_hand(lambda: QApplication.sendEvent(self.canvas, enter))
        assert enter.isAccepted()
        drop = QDropEvent(QPointF(where), Qt.DropAction.CopyAction, data, LEFT, NONE)
        await by_hand(lambda: QApplication.sendEvent(self.canvas, drop))
        assert drop.isAccepted()

    async def drop_exemplar(self, path: Path, x: float, y: float) -> Exemplar:
        """Drop a picture and take the first that the chip proposes; it is the active exemplar then."""
        await self.drop(path, x, y)
        before = len(self.session.document.exemplars)
        await until(lambda: self.canvas.findChildren(DropChip) and isinstance(QApplication.focusWidget(), QPushButton))
        await self.key(Qt.Key.Key_Return, widget=QApplication.focusWidget())
        await until(lambda: len(self.session.document.exemplars) == before + 1)
        return self.session.document.exemplars[-1]

    async def press_button(self) -> None:
        """Click the one primary button."""
        await self.click(self.edit.button)

    async def click(self, widget: QWidget) -> None:
        assert widget.isVisible()
        assert widget.isEnabled()
        await by_hand(lambda: QTest.mouseClick(widget, LEFT))

    async def link(self, words: str) -> None:
        """Click a button of the edit panel that says this."""
        await until(lambda: self.says(words), timeout=5)
        await self.click(self.links(words)[0])

    def links(self, words: str) -> list[QPushButton]:
        """The visible buttons of the edit panel that say this."""
        return [button for button in self.edit.findChildren(QPushButton) if _seen(button, words)]

    def says(self, words: str) -> bool:
        """Whether a button of the edit panel says exactly this, or a label has it in it."""
        labels = (label for label in self.edit.findChildren(QLabel) if label.isVisible())
        return any(words in label.text() for label in labels) or bool(self.links(words))

    async def pick(self, label: str, words: str) -> None:
        """Open a list of the edit panel and click an entry."""
        lists = self.edit.findChildren(QToolButton)
        button = next(
            entries for entries in lists if entries.isVisible() and entries.accessibleName().startswith(f"{label}:")
        )
        menu = button.menu()

        def choose() -> None:
            entry = next(action for action in menu.actions() if action.text() == words)
            QTest.mouseClick(menu, LEFT, NONE, menu.actionGeometry(entry).center())

        menu.aboutToShow.connect(lambda: QTimer.singleShot(0, menu, choose), Qt.ConnectionType.SingleShotConnection)
        await self.click(button)

    async def finished(self) -> Job:
        """Wait until the running job's results are there."""
        await until(lambda: self.session.job is None or not self.session.job.busy, timeout=60)
        job = self.session.job
        assert job is not None
        return job

    async def go_on_exporting(self) -> None:
        """Press the button of the export dialog that is open."""
        dialog = await self.export_dialog()
        await by_hand(lambda: QTest.mouseClick(dialog.go_on, LEFT))

    async def export_dialog(self) -> ExportDialog:
        """The export dialog, as soon as it is open."""
        await until(lambda: any(dialog.isVisible() for dialog in self.window.findChildren(ExportDialog)))
        return next(dialog for dialog in self.window.findChildren(ExportDialog) if dialog.isVisible())

    async def choose_file(self, path: Path) -> None:
        """Answer the file dialog that is open."""
        await until(lambda: any(dialog.isVisible() for dialog in self.window.findChildren(QFileDialog)))
        dialog = next(each for each in self.window.findChildren(QFileDialog) if each.isVisible())
        name = dialog.findChild(QLineEdit, "fileNameEdit")
        assert name is not None
        dialog.setDirectory(str(path.parent))  # Qt begins where the story before this one ended
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


def _seen(button: QPushButton, words: str) -> bool:
    return button.isVisible() and button.text().replace("&&", "&") == words


def on_a_desk(
    story: Callable[[Desk], Coroutine[Any, Any, None]],
    theme: Theme,
    home: Path,
    make_engine: Callable[[], RunsRequests] | None = None,
    bundled: Sequence[Path] = (),
    *,
    methods: Methods = METHODS,
) -> Coroutine[Any, Any, None]:
    """The story, told on a fresh program that is put away afterwards."""

    async def told() -> None:
        application = Application(
            Settings(home / "settings.json"),
            theme,
            home / "cache",
            home / "models",
            load_engine if make_engine is None else lambda _: OneByOne(make_engine()),
            recovery=home / "recovery",
            bundled=bundled,
            methods=methods,
        )
        try:
            desk = Desk(application)
            application.set_out_practice()
            application.offer_left_behind()
            await story(desk)
        finally:
            await application.close()
            application.window.deleteLater()
            await asyncio.sleep(0.01)  # Qt deletes it in its next turn, with the timers inside

    return told()
