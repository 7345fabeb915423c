"""What the driver can do: each act is a list of plain JSON values, so that it can be written down and done again."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

from PySide6.QtCore import QEvent, QMimeData, QPoint, QPointF, Qt, QUrl
from PySide6.QtGui import (
    QContextMenuEvent,
    QDragEnterEvent,
    QDragLeaveEvent,
    QDragMoveEvent,
    QDropEvent,
    QGuiApplication,
    QImage,
    QInputDevice,
    QPointingDevice,
    QTabletEvent,
    QWindow,
)
from PySide6.QtTest import QTest
from PySide6.QtWidgets import QApplication, QFileDialog, QLineEdit, QMessageBox, QWidget
from shiboken6 import isValid

from app.application import Application

Act = list[Any]

_PEN = QPointingDevice(
    "pen",
    7,
    QInputDevice.DeviceType.Stylus,
    QPointingDevice.PointerType.Pen,
    QInputDevice.Capability.Position | QInputDevice.Capability.Pressure,
    1,
    3,
)


def front(application: Application) -> QWidget:
    """Where events go just now: the open menu, the dialog, or the window."""
    popup = QApplication.activePopupWidget()
    modal = QApplication.activeModalWidget()
    others = (widget for widget in QApplication.topLevelWidgets() if widget.isVisible() and widget.isModal())
    return popup or modal or next(others, None) or application.window


def file_dialog(application: Application) -> QFileDialog | None:
    """An open question for a file. Nothing random may reach it: it can rename and delete, anywhere."""
    windows = QApplication.topLevelWidgets()
    return next((window for window in windows if isinstance(window, QFileDialog) and window.isVisible()), None)


def file_question() -> QMessageBox | None:
    """What an open question for a file asks in its turn."""
    box = QApplication.activeModalWidget()
    return box if isinstance(box, QMessageBox) and isinstance(box.parentWidget(), QFileDialog) else None


def put_away() -> QWidget | None:
    """Close what waits for an answer just now, a menu or a question, and say what it was."""
    widget = QApplication.activePopupWidget() or QApplication.activeModalWidget()
    if widget is not None:
        widget.close()
    return widget


class Hands:
    """Does acts to a program. `folder`: where pictures lie and files may be written."""

    def __init__(self, application: Application, folder: Path) -> None:
        self._application = application
        self._folder = folder
        self._kinds: dict[str, Callable[..., None]] = {
            "press": self._press,
            "release": self._release,
            "double": self._double,
            "move": self._move,
            "wheel": self._wheel,
            "pen": self._pen,
            "key": self._key,
            "type": self._type,
            "command": self._command,
            "drop": self._drop,
            "menu": self._menu,
            "copy": self._copy,
            "open": self._open,
            "practice": self._practice,
            "size": self._size,
            "focus": self._focus,
            "file": self._file,
            "answer": self._answer,
            "wait": lambda milliseconds: None,
        }

    def do(self, act: Act) -> None:
        """Do it, unless a question for a file has come up meanwhile."""
        kind, *details = act
        if kind in ("file", "answer") or file_dialog(self._application) is None:
            self._kinds[kind](*details)

    def _window(self) -> QWindow | None:
        """Where pointer events go in: through the window, so that grabs, popups and modal dialogs count."""
        window = front(self._application).windowHandle()
        # Of a window that stands where an earlier one was freed, Python may know only the earlier one.
        return window if isValid(window) else None

    def _press(self, x: int, y: int, button: int, modifiers: int) -> None:
        self._mouse(QTest.mousePress, x, y, button, modifiers)

    def _release(self, x: int, y: int, button: int, modifiers: int) -> None:
        self._mouse(QTest.mouseRelease, x, y, button, modifiers)

    def _double(self, x: int, y: int, button: int, modifiers: int) -> None:
        self._mouse(QTest.mouseDClick, x, y, button, modifiers)

    def _mouse(self, how: Callable[..., None], x: int, y: int, button: int, modifiers: int) -> None:
        window = self._window()
        if window is not None:
            how(window, Qt.MouseButton(button), Qt.KeyboardModifier(modifiers), QPoint(x, y))

    def _move(self, x: int, y: int) -> None:
        window = self._window()
        if window is not None:
            QTest.mouseMove(window, QPoint(x, y))

    def _wheel(self, x: int, y: int, across: int, down: int, modifiers: int) -> None:
        window = self._window()
        if window is not None:
            QTest.wheelEvent(
                window,
                QPointF(x, y),
                QPoint(across, down),
                stateKey=Qt.KeyboardModifier(modifiers),
                phase=Qt.ScrollPhase.NoScrollPhase,
            )

    def _pen(self, kind: str, x: float, y: float, pressure: float, button: int) -> None:
        target, place = self._under(x, y)
        types = {
            "press": QEvent.Type.TabletPress,
            "move": QEvent.Type.TabletMove,
            "release": QEvent.Type.TabletRelease,
        }
        pressed, held = Qt.MouseButton(button), Qt.MouseButton.NoButton
        if kind != "release":
            held = Qt.MouseButton.LeftButton
        at = QPointF(target.mapToGlobal(place.toPoint()))
        none = Qt.KeyboardModifier.NoModifier
        event = QTabletEvent(types[kind], _PEN, place, at, pressure, 0, 0, 0, 0, 0, none, pressed, held)
        QApplication.sendEvent(target, event)

    def _key(self, key: int, modifiers: int) -> None:
        QTest.keyClick(self._typed_into(), Qt.Key(key), Qt.KeyboardModifier(modifiers))

    def _type(self, text: str) -> None:
        for character in text:
            # Another one for each: a character may be a shortcut that takes the focus away.
            if file_dialog(self._application) is None and ord(character) < 128:
                QTest.keyClicks(self._typed_into(), character)
        target = QApplication.focusWidget()
        if isinstance(target, QLineEdit) and not text.isascii():
            target.insert(text)

    def _typed_into(self) -> QWidget:
        popup = QApplication.activePopupWidget()
        focus = QApplication.focusWidget()
        return popup or focus or front(self._application)

    def _command(self, id: str) -> None:
        action = self._application.window.actions_of_window.action(id)
        if action.isEnabled() and front(self._application) is self._application.window:
            action.trigger()

    def _drop(self, x: int, y: int, name: str, ends: str) -> None:
        target, place = self._under(x, y)
        data = self._data(name)
        copy, left, none = Qt.DropAction.CopyAction, Qt.MouseButton.LeftButton, Qt.KeyboardModifier.NoModifier
        above = target.parentWidget()
        while not target.acceptDrops() and above is not None:
            place, target, above = QPointF(target.mapToParent(place.toPoint())), above, above.parentWidget()
        enter = QDragEnterEvent(place.toPoint(), copy, data, left, none)
        QApplication.sendEvent(target, enter)
        if not enter.isAccepted():
            return
        QApplication.sendEvent(target, QDragMoveEvent(place.toPoint(), copy, data, left, none))
        QApplication.sendEvent(
            target, QDropEvent(place, copy, data, left, none) if ends == "drop" else QDragLeaveEvent()
        )

    def _data(self, name: str) -> QMimeData:
        data = QMimeData()
        if name == "text":
            data.setText("1e999 words \N{GRINNING FACE}")
        elif name == "image":
            image = QImage(60, 40, QImage.Format.Format_ARGB32)
            image.fill(0x80FF0000)
            data.setImageData(image)
        elif name == "address":
            data.setUrls([QUrl("https://picture.invalid/cat.png"), QUrl("file:"), QUrl()])
        elif name == "bytes":
            data.setData("image/png", b"\x89PNG no picture")
        elif name:
            data.setUrls([QUrl.fromLocalFile(str(self._folder / name))])
        return data

    def _copy(self, name: str) -> None:
        if name:
            QGuiApplication.clipboard().setMimeData(self._data(name))
        else:
            QGuiApplication.clipboard().clear()

    def _menu(self, x: int, y: int) -> None:
        target, place = self._under(x, y)
        at = place.toPoint()
        event = QContextMenuEvent(QContextMenuEvent.Reason.Mouse, at, target.mapToGlobal(at))
        QApplication.postEvent(target, event)  # a menu may run an event loop of its own

    def _open(self, name: str) -> None:
        self._application.open_paths([self._folder / name])

    def _practice(self, at: int) -> None:
        scenes = self._application.practice()
        if scenes:
            self._application.open_practice(scenes[at % len(scenes)].name)

    def _size(self, width: int, height: int) -> None:
        self._application.window.resize(width, height)

    def _focus(self, there: bool) -> None:
        if there:
            self._application.window.activateWindow()
        else:
            widget = QApplication.focusWidget()
            if widget is not None:
                widget.clearFocus()

    def _file(self, name: str) -> None:
        """Answer the open question for a file; with nothing, put it away."""
        dialog = file_dialog(self._application)
        if dialog is None or file_question() is not None:
            return
        field = dialog.findChild(QLineEdit, "fileNameEdit")
        dialog.setDirectory(str(self._folder))
        if not name or not isinstance(field, QLineEdit):
            dialog.reject()
            return
        field.setText(str(self._folder / name))
        dialog.accept()

    def _answer(self, at: int) -> None:
        """Answer what the question for a file asks in its turn: whether to replace, say."""
        box = file_question()
        if box is not None and box.buttons():
            box.buttons()[at % len(box.buttons())].click()

    def _under(self, x: float, y: float) -> tuple[QWidget, QPointF]:
        """The widget there, and the place in it."""
        window = front(self._application)
        target = window.childAt(round(x), round(y)) or window
        return target, QPointF(target.mapFrom(window, QPoint(round(x), round(y))))
