"""What is done next: drawn from a seed and from what is on the screen."""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator, Sequence

from PySide6.QtCore import QPoint, QRect, Qt
from PySide6.QtWidgets import QAbstractButton, QApplication, QLineEdit, QMenu, QMessageBox, QWidget

from app.application import Application
from app.dev.monkey.acts import Act, file_dialog, file_question, front
from widgets.controls.slider import Slider

MAX_OPEN = 4  # documents
FARTHEST = 2_000_000  # pixels: no pointer comes so far, and more would be no whole number of Qt's
LEFT, RIGHT, MIDDLE = (
    int(button.value) for button in (Qt.MouseButton.LeftButton, Qt.MouseButton.RightButton, Qt.MouseButton.MiddleButton)
)
BACK = int(Qt.MouseButton.BackButton.value)
SHIFT, CTRL, ALT = (
    int(key.value)
    for key in (
        Qt.KeyboardModifier.ShiftModifier,
        Qt.KeyboardModifier.ControlModifier,
        Qt.KeyboardModifier.AltModifier,
    )
)
KEYS = [
    Qt.Key.Key_Escape,
    Qt.Key.Key_Return,
    Qt.Key.Key_Enter,
    Qt.Key.Key_Delete,
    Qt.Key.Key_Backspace,
    Qt.Key.Key_Tab,
    Qt.Key.Key_Backtab,
    Qt.Key.Key_F2,
    Qt.Key.Key_F6,
    Qt.Key.Key_Space,
    Qt.Key.Key_Left,
    Qt.Key.Key_Right,
    Qt.Key.Key_Up,
    Qt.Key.Key_Down,
    Qt.Key.Key_Home,
    Qt.Key.Key_End,
    Qt.Key.Key_PageUp,
    Qt.Key.Key_PageDown,
    Qt.Key.Key_Insert,
    Qt.Key.Key_Menu,
    Qt.Key.Key_BracketLeft,
    Qt.Key.Key_BracketRight,
    *(Qt.Key(key) for key in range(Qt.Key.Key_0.value, Qt.Key.Key_9.value + 1)),
    *(Qt.Key(key) for key in range(Qt.Key.Key_A.value, Qt.Key.Key_Z.value + 1)),
]
WORDS = [
    "a red boat",
    "1e308",
    "-1",
    "0",
    "nan",
    "99999999999999999999",
    "50",
    "0,5",
    "%",
    "\N{GRINNING FACE}é",
    "x" * 200,
    "",
]
NAMES = ["saved.palimpsest", "picture.png", "picture.jpg", "no ending", "exported.tif", "", ""]
DRAGGED = ["text", "image", "address", "bytes", "", "no such file.png"]
SIZES = [(800, 560), (1366, 768), (1920, 1080), (820, 900), (300, 200), (2600, 600)]
RUNS = ("run.run", "run.queue", "run.stop", "run.accept", "run.discard", "run.again")  # drawn more often than others


class Chooser:
    """Draws acts one by one. `pictures`: names of files that can be opened or dropped."""

    def __init__(self, application: Application, seed: int, pictures: Sequence[str]) -> None:
        self._application = application
        self._random = random.Random(seed)
        self._pictures = list(pictures)
        self._commands = [command.id for command in application.window.actions_of_window.commands]
        self._going_on: Iterator[Act] = iter(())  # the rest of a stroke, of a burst

    def next(self) -> Act:
        if file_question() is not None:
            return ["answer", self._random.randrange(2)]
        if file_dialog(self._application) is not None:
            return ["file", self._random.choice([*NAMES, *self._pictures])]
        going_on = next(self._going_on, None)
        if going_on is not None:
            return going_on
        draws: dict[Callable[[], Iterator[Act]], float] = {
            self._click: 26,
            self._stroke: 22,
            self._hover: 6,
            self._wheel: 5,
            self._pen: 5,
            self._keys: 16,
            self._words: 5,
            self._command: 18,
            self._burst: 3,
            self._run: 5,
            self._drop: 3,
            self._menu: 2,
            self._files: 3,
            self._window: 2,
            self._wait: 3,
        }
        if not self._application.sessions and self._random.random() < 0.5:
            draws = {self._files: 1}
        self._going_on = self._random.choices(list(draws), list(draws.values()))[0]()
        return next(self._going_on, ["wait", 1])

    # Where

    def _place(self) -> tuple[int, int]:
        """A point of what is in front: mostly on something that can be used."""
        window = front(self._application)
        if self._random.random() < 0.02:
            return self._random.randint(-50, window.width() + 50), self._random.randint(-50, window.height() + 50)
        target: QWidget = window
        if not isinstance(window, QMenu):
            bench = self._application.window.workbench
            if bench is not None and window is self._application.window and self._random.random() < 0.4:
                target = bench.canvas
            else:
                kinds = (QAbstractButton, Slider, QLineEdit) if self._random.random() < 0.7 else (QWidget,)
                seen = [child for kind in kinds for child in window.findChildren(kind) if _seen(child)]
                target = self._random.choice(seen) if seen else window
        rect = QRect(target.mapTo(window, QPoint(0, 0)), target.size()) if target is not window else window.rect()
        if isinstance(target, Slider) and self._random.random() < 0.4:
            return rect.right() - 12, rect.center().y()  # its number
        x = self._random.randint(rect.left(), max(rect.left(), rect.right()))
        return x, self._random.randint(rect.top(), max(rect.top(), rect.bottom()))

    def _modifiers(self) -> int:
        if self._random.random() < 0.7:
            return 0
        return self._random.choice([SHIFT, CTRL, ALT, SHIFT | ALT, SHIFT | CTRL, CTRL | ALT])

    # What

    def _click(self) -> Iterator[Act]:
        x, y = self._place()
        button = self._random.choices([LEFT, RIGHT, MIDDLE, BACK], [84, 10, 4, 2])[0]
        held = self._modifiers()
        yield ["move", x, y]
        if self._random.random() < 0.08:
            yield ["double", x, y, button, held]
            return
        yield ["press", x, y, button, held]
        yield ["release", x, y, button, held]

    def _stroke(self) -> Iterator[Act]:
        x, y = self._place()
        button = self._random.choices([LEFT, RIGHT, MIDDLE], [85, 8, 7])[0]
        held = self._modifiers()
        yield ["move", x, y]
        yield ["press", x, y, button, held]
        for _ in range(self._random.randint(1, 8)):
            x, y = x + self._random.randint(-90, 90), y + self._random.randint(-60, 60)
            if self._random.random() < 0.01:
                x, y = min(x * 1000, FARTHEST), min(y * 1000, FARTHEST)
            yield ["move", x, y]
            if self._random.random() < 0.12:  # something comes between
                yield from self._random.choice([self._between, self._keys, self._wheel, self._command])()
        yield ["release", x, y, button, held]

    def _between(self) -> Iterator[Act]:
        x, y = self._place()
        other = self._random.choice([LEFT, RIGHT, MIDDLE])
        yield ["press", x, y, other, 0]
        if self._random.random() < 0.8:
            yield ["release", x, y, other, 0]
        if self._random.random() < 0.3:
            yield ["focus", False]

    def _hover(self) -> Iterator[Act]:
        for _ in range(self._random.randint(1, 4)):
            yield ["move", *self._place()]

    def _wheel(self) -> Iterator[Act]:
        x, y = self._place()
        for _ in range(self._random.randint(1, 6)):
            down = self._random.choice([120, -120, 15, -360, 0, 120_000, -120_000])
            yield ["wheel", x, y, self._random.choice([0, 0, 120, -120]), down, self._modifiers()]

    def _pen(self) -> Iterator[Act]:
        x, y = self._place()
        yield ["pen", "press", x, y, self._random.random(), LEFT]
        for _ in range(self._random.randint(1, 6)):
            x, y = x + self._random.randint(-40, 40), y + self._random.randint(-40, 40)
            yield ["pen", "move", x, y, self._random.random(), 0]
            if self._random.random() < 0.1:
                yield ["pen", self._random.choice(["press", "release"]), x, y, 0.5, RIGHT]
        if self._random.random() < 0.95:
            yield ["pen", "release", x, y, 0.0, LEFT]

    def _keys(self) -> Iterator[Act]:
        for _ in range(self._random.randint(1, 4)):
            key, held = self._random.choice(KEYS), self._modifiers()
            if key in (Qt.Key.Key_Q, Qt.Key.Key_W) and held & CTRL and self._random.random() < 0.9:
                continue  # it would be closed more than used
            yield ["key", int(key.value), held]

    def _words(self) -> Iterator[Act]:
        """Into a field, which a click or a key has opened."""
        fields = [field for field in front(self._application).findChildren(QLineEdit) if _seen(field)]
        if fields and not isinstance(QApplication.focusWidget(), QLineEdit):
            field = self._random.choice(fields)
            place = field.mapTo(front(self._application), field.rect().center())
            yield ["press", place.x(), place.y(), LEFT, 0]
            yield ["release", place.x(), place.y(), LEFT, 0]
        yield ["type", self._random.choice(WORDS)]
        if self._random.random() < 0.7:
            ends = [Qt.Key.Key_Return, Qt.Key.Key_Tab, Qt.Key.Key_Escape, Qt.Key.Key_Down]
            yield ["key", int(self._random.choice(ends).value), self._random.choice([0, 0, CTRL])]

    def _command(self) -> Iterator[Act]:
        id = self._random.choice(RUNS if self._random.random() < 0.25 else self._commands)
        if id in ("file.quit", "file.close") and self._random.random() < 0.9:
            return
        yield ["command", id]

    def _burst(self) -> Iterator[Act]:
        """Back and forth through the history."""
        for _ in range(self._random.randint(2, 12)):
            yield ["key", int(Qt.Key.Key_Z.value), self._random.choice([CTRL, CTRL, CTRL | SHIFT])]

    def _run(self) -> Iterator[Act]:
        """An edit that is begun, and left to itself, stopped or accepted."""
        yield ["command", self._random.choice(["run.run", "run.run", "run.strengths", "run.again", "item.remove"])]
        for _ in range(self._random.randint(0, 3)):
            yield ["wait", self._random.choice([10, 100, 400, 900])]
            yield ["command", self._random.choice(RUNS)]

    def _drop(self) -> Iterator[Act]:
        name = self._random.choice([*DRAGGED, *self._pictures, *self._pictures])
        if self._random.random() < 0.3:
            yield ["copy", name]
            yield ["command", "edit.paste"]
        else:
            yield ["drop", *self._place(), name, "drop" if self._random.random() < 0.85 else "leave"]
        yield ["wait", 60]
        if self._random.random() < 0.6:
            yield ["key", int(Qt.Key.Key_Return.value), 0]

    def _menu(self) -> Iterator[Act]:
        yield ["menu", *self._place()]
        for _ in range(self._random.randint(0, 5)):
            yield ["key", int(self._random.choice([Qt.Key.Key_Down, Qt.Key.Key_Up, Qt.Key.Key_Return]).value), 0]

    def _files(self) -> Iterator[Act]:
        if len(self._application.sessions) >= MAX_OPEN:
            yield ["command", "file.close"]
            if isinstance(front(self._application), QMessageBox):
                yield ["key", int(Qt.Key.Key_D.value), ALT]
        elif self._random.random() < 0.3:
            yield ["practice", self._random.randrange(10)]
        else:
            yield ["open", self._random.choice(self._pictures)]
        yield ["wait", 150]

    def _window(self) -> Iterator[Act]:
        if self._random.random() < 0.6:
            yield ["size", *self._random.choice(SIZES)]
        else:
            yield ["focus", self._random.random() < 0.6]

    def _wait(self) -> Iterator[Act]:
        yield ["wait", self._random.choice([50, 200, 600])]


def _seen(widget: QWidget) -> bool:
    return widget.isVisible() and widget.width() > 0 and widget.height() > 0 and not widget.visibleRegion().isEmpty()
