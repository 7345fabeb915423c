"""No error leaves a handler of ours: all are guarded, the program goes on, and somebody is told."""

from __future__ import annotations

import importlib
import inspect
import pkgutil
import subprocess
import sys
from collections.abc import Iterator
from types import FunctionType, ModuleType

import pytest
from PySide6.QtCore import QEvent, QModelIndex, QPersistentModelIndex, QSize, Qt
from PySide6.QtGui import QMouseEvent, QPainter, QPaintEvent
from PySide6.QtTest import QTest
from PySide6.QtWidgets import QPushButton, QStyledItemDelegate, QStyleOptionViewItem, QWidget
from pytestqt.qtbot import QtBot

import app
import widgets
from widgets.guard import Guarded, is_guarded, overrides


def modules() -> Iterator[ModuleType]:
    """Every module of ours that may know Qt."""
    for package in (app, widgets):
        for info in pkgutil.walk_packages(package.__path__, f"{package.__name__}."):
            # The trainer of the practice model and some benchmarks need libraries that may be missing, and no window.
            if not info.name.startswith("app.dev.practice.") and not info.name.endswith("__main__"):
                yield importlib.import_module(info.name)


def qt_classes() -> list[type]:
    """Every class of ours that Qt knows."""
    known = {kind for module in modules() for kind in vars(module).values() if inspect.isclass(kind)}
    ours = {kind for kind in known if kind.__module__.startswith(("app.", "widgets."))}
    return [kind for kind in ours if any(base.__module__.startswith("PySide6.") for base in kind.__mro__)]


def test_everything_that_qt_may_call_is_guarded() -> None:
    classes = qt_classes()
    handlers = [(kind, name, value) for kind in classes for name, value in overrides(kind).items()]
    assert len(classes) > 90
    assert len(handlers) > 100
    bare = [f"{kind.__module__}.{kind.__qualname__}.{name}" for kind, name, value in handlers if not is_guarded(value)]
    assert not bare, f"name `Guarded` first among the bases of these: {bare}"


def test_qt_classes_are_made_where_they_can_be_looked_at() -> None:
    """Classes inside functions would escape the test above."""
    for module in modules():
        for value in vars(module).values():
            if isinstance(value, FunctionType) and value.__module__ == module.__name__:
                nested = [code for code in value.__code__.co_consts if inspect.iscode(code)]
                assert not any("__qualname__" in code.co_names for code in nested), value


class Faulty(Guarded, QWidget):
    """Nothing in it works."""

    def paintEvent(self, event: QPaintEvent) -> None:
        painter = QPainter(self)
        painter.drawLine(0, 0, 9, 9)
        painter.drawLine(1 // (self.width() - self.width()), 0, 9, 9)

    def mousePressEvent(self, event: QMouseEvent) -> None:
        raise ValueError("pressed")

    def event(self, event: QEvent) -> bool:
        if event.type() == QEvent.Type.User:
            raise ValueError("event")
        return super().event(event)

    def sizeHint(self) -> QSize:
        return QSize(30, 20) * (1 // 0)


class FaultyLine(Guarded, QStyledItemDelegate):
    def sizeHint(self, option: QStyleOptionViewItem, index: QModelIndex | QPersistentModelIndex) -> QSize:
        return QSize(1 // 0, 0)


def test_a_handler_that_fails_is_reported_and_answers(qtbot: QtBot, reported: list[type[BaseException]]) -> None:
    widget = Faulty()
    qtbot.addWidget(widget)
    widget.resize(50, 50)
    with qtbot.waitExposed(widget):
        widget.show()
    widget.repaint()
    assert ZeroDivisionError in reported
    reported.clear()
    QTest.mouseClick(widget, Qt.MouseButton.LeftButton)
    assert widget.event(QEvent(QEvent.Type.User)) is False
    assert widget.sizeHint() == QWidget().sizeHint()
    assert reported == [ValueError, ValueError, ZeroDivisionError]


def test_what_stands_in_for_an_answer_comes_from_the_class_below(reported: list[type[BaseException]]) -> None:
    class Wide(Faulty):
        def sizeHint(self) -> QSize:
            raise KeyError("wide")

    assert Wide().sizeHint() == QWidget().sizeHint()
    assert reported == [KeyError, ZeroDivisionError]


def test_a_report_that_fails_goes_no_further(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def hook(*_: object) -> None:
        raise RuntimeError("the hook itself")

    monkeypatch.setattr(sys, "excepthook", hook)
    assert Faulty().sizeHint() == QWidget().sizeHint()
    assert "ZeroDivisionError" in capsys.readouterr().err


DIES_UNGUARDED = """
import sys
from PySide6.QtCore import QPoint, QSize
from PySide6.QtWidgets import QApplication, QListWidget, QStyledItemDelegate, QWidget
from widgets.guard import Guarded

class Line(Guarded, QStyledItemDelegate):
    def sizeHint(self, option, index):
        return 1 / 0

class Picture(Guarded, QWidget):
    def paintEvent(self, event):
        1 / 0
    def resizeEvent(self, event):
        QPoint(2**40, 0)

qt = QApplication([])
rows, line, picture = QListWidget(), Line(), Picture()
rows.addItem("x")
rows.setItemDelegate(line)
for widget in (rows, picture):
    widget.show()
    qt.processEvents()
print("alive")
"""


def test_errors_of_c_code_do_not_end_the_program() -> None:
    ended = subprocess.run([sys.executable, "-c", DIES_UNGUARDED], capture_output=True, text=True, check=False)
    assert ended.returncode == 0, ended.stderr
    assert ended.stdout == "alive\n"
    assert "ZeroDivisionError" in ended.stderr


def test_errors_of_c_code_in_slots_are_reported(qtbot: QtBot, reported: list[type[BaseException]]) -> None:
    button = QPushButton()
    qtbot.addWidget(button)
    button.clicked.connect(lambda: 1 // 0)
    button.click()
    assert reported == [ZeroDivisionError]
