"""The line of the Models page about what ranks variations."""

from __future__ import annotations

from collections.abc import Sequence

from PySide6.QtCore import Signal
from PySide6.QtGui import QActionGroup
from PySide6.QtWidgets import QLabel, QMenu

from editor.models.catalogue import RANKER, RANKER_DOWNLOAD, size_words
from editor.models.rankers import RankerInfo
from widgets.models.rows import Line, plain_button

WITH = "Compares variations with your words, so that the best come first."
WITHOUT = "With a CLIP model, the variations that fit your words best come first. The practice model brings its own."


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
