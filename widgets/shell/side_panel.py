"""Side panel: the panels on the right, one below the other where there is room for all of them, behind tabs where there is not."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from PySide6.QtCore import QEvent, Signal
from PySide6.QtGui import QResizeEvent
from PySide6.QtWidgets import QButtonGroup, QFrame, QHBoxLayout, QWidget

from widgets.controls.icons import CONTROL, IconButton
from widgets.controls.section import HEADER, Section
from widgets.guard import Guarded

COLUMN = 288
LINE = 1  # on the left
USUAL_EDIT = 360  # what edits by words and by pictures need; counted for all, so that choosing another method changes no panels into tabs
ROOM = 212  # of the panel behind a tab: its title and three layers, one of them open
TITLES = 8  # between the tabs and the title


class SidePanel(Guarded, QFrame):
    """`sections` by name from the top down, and `edit` at the bottom, which gives way last. `chosen(name)` when the person chose a tab.

    Where the column is too low for a few rows of every section, one of them is shown at a time, and tabs say which.
    """

    chosen = Signal(str)

    def __init__(
        self, sections: Mapping[str, Section], edit: QWidget, front: str, parent: QWidget | None = None
    ) -> None:
        super().__init__(parent)
        self.setObjectName("column")
        self.setFixedWidth(COLUMN)
        self._sections, self._edit, self._front = dict(sections), edit, front
        self._tabbed: bool | None = None
        self._tabs = _Tabs(self._sections, self)  # the first that the keyboard comes to
        for widget in (*sections.values(), edit):
            widget.setParent(self)
        self._tabs.chosen.connect(self._choose)
        self.show_tab(front)

    @property
    def tabbed(self) -> bool:
        """Whether one section is shown at a time."""
        return bool(self._tabbed)

    def show_tab(self, name: str) -> None:
        """Bring a section to the front; a name that none has changes nothing."""
        if name in self._sections:
            self._front = name
            self._tabs.show_chosen(name)
            self._arrange()

    def event(self, event: QEvent) -> bool:
        if event.type() == QEvent.Type.LayoutRequest:
            self._arrange()
        return super().event(event)

    def resizeEvent(self, event: QResizeEvent) -> None:
        super().resizeEvent(event)
        self._arrange()

    def _choose(self, name: str) -> None:
        self.show_tab(name)
        self.chosen.emit(name)

    def _arrange(self) -> None:
        width, sections = self.width() - LINE, self._sections
        least, wanted = _heights(self._edit, width)
        tabbed = self.height() < max(wanted, USUAL_EDIT) + sum(section.least for section in sections.values())
        if tabbed != self._tabbed:
            self._tabbed = tabbed
            self._tabs.setVisible(tabbed)
            for section in sections.values():
                section.set_tabbed(tabbed, self._tabs.sizeHint().width())
        if tabbed:
            edit = max(least, min(wanted, self.height() - ROOM))
            heights = {name: self.height() - edit if name == self._front else 0 for name in sections}
        else:
            edit = wanted
            room = self.height() - edit
            heights = dict(zip(sections, shares(room, [_range(part) for part in sections.values()]), strict=True))
        top = 0
        for name, section in sections.items():
            section.setVisible(heights[name] > 0)
            section.setGeometry(LINE, top, width, heights[name])
            top += heights[name]
        self._tabs.setGeometry(LINE, 0, self._tabs.sizeHint().width(), HEADER)
        self._tabs.raise_()
        self._edit.setGeometry(LINE, self.height() - edit, width, edit)


class _Tabs(QWidget):
    """An icon for each section, over the left end of the title of the one that is shown."""

    chosen = Signal(str)

    def __init__(self, sections: Mapping[str, Section], parent: QWidget) -> None:
        super().__init__(parent)
        self._buttons: dict[str, IconButton] = {}
        group = QButtonGroup(self)
        layout = QHBoxLayout(self)
        layout.setContentsMargins(4, 0, TITLES, 0)
        layout.setSpacing(0)
        for name, section in sections.items():
            button = self._buttons[name] = IconButton(section.icon, section.title, checkable=True, side=CONTROL)
            button.clicked.connect(lambda _=False, name=name: self.chosen.emit(name))
            group.addButton(button)
            layout.addWidget(button)

    def show_chosen(self, name: str) -> None:
        self._buttons[name].setChecked(True)


def shares(room: int, ranges: Sequence[tuple[int, int]]) -> list[int]:
    """What each gets out of `room` that needs at least the first and would like the second number of its range, all in pixels.

    What is left after all have what they need goes to those that would like more, the same to each.
    """
    given = [least for least, _ in ranges]
    left = room - sum(given)
    while left > 0 and (wanting := [at for at, (_, most) in enumerate(ranges) if given[at] < most]):
        share = max(1, left // len(wanting))
        for at in wanting:
            more = min(share, ranges[at][1] - given[at], left)
            given[at] += more
            left -= more
    return given


def _range(section: Section) -> tuple[int, int]:
    wanted = section.wanted()
    return min(section.least, wanted), wanted


def _heights(widget: QWidget, width: int) -> tuple[int, int]:
    """The least height and the one it would like at this width."""
    layout = widget.layout()
    if layout is None or not layout.hasHeightForWidth():
        return widget.minimumSizeHint().height(), widget.sizeHint().height()
    return layout.totalMinimumHeightForWidth(width), layout.totalHeightForWidth(width)
