"""One line of the Models page: a model that is here, or one that could be."""

from __future__ import annotations

from collections.abc import Sequence

from PySide6.QtCore import Signal
from PySide6.QtGui import QActionGroup
from PySide6.QtWidgets import QFrame, QHBoxLayout, QLabel, QMenu, QPushButton, QSizePolicy, QVBoxLayout, QWidget

from editor.diffusion.families.base import Suggestion
from editor.models.catalogue import RANKER, RANKER_DOWNLOAD, size_words
from editor.models.info import ModelInfo
from editor.models.rankers import RankerInfo
from widgets.controls.elided import ElidedLabel
from widgets.controls.icons import CONTROL, IconButton

PRECISIONS = {"float32": "full precision", "float16": "half precision", "bfloat16": "half precision"}
WITH = "Compares variations with your words, so that the best come first."
WITHOUT = "With a CLIP model, the variations that fit your words best come first. The practice model brings its own."


class Line(QWidget):
    """A name with what is said about it on the left, buttons on the right."""

    def __init__(self, *buttons: QWidget) -> None:
        super().__init__()
        self.name = ElidedLabel()
        self.caption = QLabel()
        self.caption.setProperty("role", "caption")
        self.caption.setWordWrap(True)
        self.words = QVBoxLayout()
        self.words.setSpacing(2)
        self.words.addWidget(self.name)
        self.words.addWidget(self.caption)
        layout = QHBoxLayout(self)
        layout.setContentsMargins(0, 8, 0, 8)
        layout.setSpacing(4)
        layout.addLayout(self.words, 1)
        layout.addSpacing(8)
        for button in buttons:
            layout.addWidget(button)


class ModelRow(Line):
    """A model on this machine. `used(key)`, `forgotten(key)`, `folder_wanted(key)`; `rest_wanted(id)`: get what is missing from the hub."""

    used = Signal(str)
    forgotten = Signal(str)
    folder_wanted = Signal(str)
    rest_wanted = Signal(str)

    def __init__(self, key: str) -> None:
        self.use = plain_button("Use")
        self.rest = plain_button("Get the rest…")
        self.tag = QLabel("In use")
        self.tag.setProperty("role", "tag")
        self.tag.setSizePolicy(QSizePolicy.Policy.Fixed, QSizePolicy.Policy.Fixed)
        self.folder = IconButton("folder-open", "Show folder")
        self.forget = IconButton("x", "Forget", tip="Take it off the list; its files stay")
        super().__init__(self.tag, self.use, self.rest, self.folder, self.forget)
        self.problem = QLabel()
        self.problem.setProperty("role", "doubt")
        self.problem.setWordWrap(True)
        self.words.insertWidget(1, self.problem)
        self._origin = ""
        self.rest.hide()
        self.rest.clicked.connect(lambda: self.rest_wanted.emit(self._origin))
        self.use.clicked.connect(lambda: self.used.emit(key))
        self.folder.clicked.connect(lambda: self.folder_wanted.emit(key))
        self.forget.clicked.connect(lambda: self.forgotten.emit(key))

    def show_model(self, info: ModelInfo, *, used: bool, forgettable: bool) -> None:
        self.name.setText(info.name)
        self.name.setToolTip(info.key)
        self.problem.setText(info.problem)
        self.problem.setVisible(not info.usable)
        self.caption.setText(" · ".join((*traits(info), "Ready")) if info.usable else info.advice)
        self.caption.setVisible(bool(self.caption.text()))
        self.tag.setVisible(used)
        self.use.setVisible(info.usable and not used)
        self.use.setAccessibleName(f"Use {info.name}")
        self.forget.setVisible(forgettable)
        self.setAccessibleName(f"{info.name}, {info.problem or self.caption.text()}")

    def show_origin(self, id: str) -> None:
        """The hub id to get the rest of a broken model from, empty where there is none."""
        self._origin = id
        self.rest.setVisible(bool(id))


class SuggestionRow(Line):
    """A model that one could get. `wanted(id)`."""

    wanted = Signal(str)

    def __init__(self, suggestion: Suggestion) -> None:
        self.get = plain_button("Get…")
        self.get.setAccessibleName(f"Get {suggestion.name}")
        self.here = QLabel("Here")
        self.here.setProperty("role", "quiet")
        super().__init__(self.here, self.get)
        self.id = suggestion.id
        size = (
            "size shown before download" if suggestion.download is None else f"about {size_words(suggestion.download)}"
        )
        facts = [size, suggestion.licence, *(["its makers ask for consent first"] if suggestion.gated else [])]
        self.name.setText(suggestion.name)
        self.name.setToolTip(suggestion.id)
        self.caption.setText(f"{suggestion.words}\n{' · '.join(facts)}")
        self.get.clicked.connect(lambda: self.wanted.emit(self.id))

    def show_state(self, *, here: bool, busy: bool) -> None:
        self.here.setVisible(here)
        self.get.setVisible(not here)
        self.get.setEnabled(not busy)
        self.get.setToolTip("One download at a time" if busy else "Shows size and licence first")


def traits(info: ModelInfo) -> list[str]:
    """Family, size and precision in words."""
    stored = dict.fromkeys(PRECISIONS[part.precision] for part in info.parts)
    return [info.traits.label, size_words(info.stored), *([" and ".join(stored)] if stored else [])]


def plain_button(text: str, role: str = "") -> QPushButton:
    """A button that Enter elsewhere in the window does not press."""
    button = QPushButton(text)
    button.setAutoDefault(False)
    button.setFixedHeight(CONTROL)
    if role:
        button.setProperty("role", role)
    return button


def hairline() -> QFrame:
    """A line between two rows."""
    line = QFrame()
    line.setObjectName("divider")
    line.setFixedHeight(1)
    return line


class RankerRow(Line):
    """`chosen(key)`: one of those that are here; `folder_wanted()`: from elsewhere on this computer; `wanted(id)`: from the hub."""

    chosen = Signal(str)
    folder_wanted = Signal()
    wanted = Signal(str)

    def __init__(self) -> None:
        self.choose = plain_button("Choose…")
        self.choose.setAccessibleName("Choose what ranks variations")
        super().__init__(self.choose)
        self.menu = QMenu(self.choose)
        self.menu.setToolTipsVisible(True)
        self.choose.setMenu(self.menu)
        self.problem = QLabel()
        self.problem.setProperty("role", "doubt")
        self.problem.setWordWrap(True)
        self.words.insertWidget(1, self.problem)

    def show_rankers(self, rankers: Sequence[RankerInfo], used: RankerInfo | None, *, busy: bool) -> None:
        """`rankers`: those on this computer, `used`: the one that ranks. `busy`: no download can be begun."""
        self.name.setText(f"Ranks variations: {used.name if used else 'none'}")
        self.name.setToolTip(used.key if used else "")
        self.caption.setText(WITH if used else WITHOUT)
        broken = None if used else next(iter(rankers), None)
        self.problem.setText(f"{broken.problem} {broken.advice}" if broken else "")
        self.problem.setVisible(broken is not None)
        self.setAccessibleName(f"{self.name.text()}. {self.problem.text() or self.caption.text()}")
        self.menu.clear()
        group = QActionGroup(self.menu)
        for ranker in rankers:
            action = self.menu.addAction(ranker.name if ranker.usable else f"{ranker.name} · cannot be used")
            action.setToolTip(ranker.problem or ranker.key)
            action.setEnabled(ranker.usable)
            action.setCheckable(ranker.usable)
            action.setChecked(ranker == used)
            action.triggered.connect(lambda _=False, key=ranker.key: self.chosen.emit(key))
            group.addAction(action)
        if rankers:
            self.menu.addSeparator()
        self.menu.addAction("A folder…").triggered.connect(self.folder_wanted)
        if not any(
            ranker.path.as_posix().endswith(RANKER) or ranker.name == RANKER.rpartition("/")[2] for ranker in rankers
        ):
            get = self.menu.addAction(f"Get one, {size_words(RANKER_DOWNLOAD)}…")
            get.setToolTip("One download at a time" if busy else f"{RANKER}: shows size and licence first")
            get.setEnabled(not busy)
            get.triggered.connect(lambda: self.wanted.emit(RANKER))
