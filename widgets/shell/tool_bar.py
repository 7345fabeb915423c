"""Tool bar: the tools, one under the other at the left edge."""

from __future__ import annotations

from dataclasses import dataclass

from PySide6.QtCore import Qt
from PySide6.QtWidgets import QButtonGroup, QFrame, QVBoxLayout, QWidget

from widgets.controls.icons import TOOL_BUTTON, TOOL_ICON, IconButton
from widgets.session.options import ToolName
from widgets.session.session import Session

WIDTH = 44


@dataclass(frozen=True, slots=True)
class ToolWords:
    """A tool as a person sees it: its name, its key, its icon, what it does in one sentence, and what keys and buttons add in another."""

    name: ToolName
    text: str
    key: str
    icon: str
    tip: str


# In groups: move, select, strength, pixels, view. A thin line stands between them.
TOOLS: tuple[tuple[ToolWords, ...], ...] = (
    (
        ToolWords(
            "move",
            "Move",
            "V",
            "move",
            "Drag a thing, or its handles. The round one turns, as do the corners from outside; arrows nudge, Delete removes.",
        ),
    ),
    (
        ToolWords(
            "segment",
            "Click to select",
            "W",
            "mouse-pointer-click",
            "Click on a thing, or drag a box around it. Shift adds, Alt takes away, Ctrl takes one colour.",
        ),
        ToolWords(
            "lasso",
            "Lasso",
            "L",
            "lasso",
            "Draw around something, or click corner by corner. Shift adds, Alt takes away.",
        ),
        ToolWords(
            "rectangle",
            "Rectangle",
            "R",
            "square",
            "Drag out a rectangle. Shift adds, Alt takes away; pressed later, they square and centre it.",
        ),
        ToolWords(
            "ellipse",
            "Ellipse",
            "O",
            "circle",
            "Drag out an ellipse. Shift adds, Alt takes away; pressed later, they round and centre it.",
        ),
        ToolWords(
            "select_brush",
            "Selection brush",
            "Q",
            "lasso-select",
            "Paint over what should be selected. Alt takes away, right-drag resizes.",
        ),
    ),
    (
        ToolWords(
            "strength",
            "Strength brush",
            "B",
            "spray-can",
            "Paint how much may change. Right-drag resizes, Alt picks the value.",
        ),
        ToolWords(
            "gradient",
            "Strength gradient",
            "G",
            "blend",
            "Drag from full strength to none. Shift keeps to steps of 15°.",
        ),
    ),
    (
        ToolWords(
            "paint", "Paint", "P", "paintbrush", "Paint colour on the layer. Right-drag resizes, Alt picks the colour."
        ),
        ToolWords("erase", "Erase", "E", "eraser", "Rub the layer out. Right-drag resizes."),
    ),
    (
        ToolWords("hand", "Hand", "H", "hand", "Drag the view. Holding Space does it from any tool."),
        ToolWords("zoom", "Zoom", "Z", "zoom-in", "Click to come closer, with Alt to step back. The wheel does both."),
    ),
)


class ToolBar(QFrame):
    """Shows which tool is in hand, and takes another."""

    def __init__(self, session: Session, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.setObjectName("toolBar")
        self.setFixedWidth(WIDTH)
        self.setAccessibleName("Tools")
        self._session = session
        self._buttons: dict[ToolName, IconButton] = {}
        group = QButtonGroup(self)
        layout = QVBoxLayout(self)
        layout.setContentsMargins(4, 8, 3, 8)
        layout.setSpacing(2)
        for at, tools in enumerate(TOOLS):
            if at:
                line = QFrame()
                line.setObjectName("divider")
                line.setFixedSize(20, 1)
                layout.addSpacing(3)
                layout.addWidget(line)
                layout.setAlignment(line, Qt.AlignmentFlag.AlignHCenter)
                layout.addSpacing(3)
            for tool in tools:
                button = self._button(tool)
                group.addButton(button)
                layout.addWidget(button)
                self._buttons[tool.name] = button
        layout.addStretch(1)
        session.state.options_changed.connect(self._show)
        self._show()

    def _button(self, tool: ToolWords) -> IconButton:
        sentences = tool.tip.replace(". ", ".\n")
        tip = f"{tool.text} · {tool.key}\n{sentences}"
        button = IconButton(tool.icon, tool.text, tip=tip, checkable=True, side=TOOL_BUTTON, icon_side=TOOL_ICON)
        button.clicked.connect(lambda: self._session.set_options(tool=tool.name))
        return button

    def _show(self) -> None:
        self._buttons[self._session.options.tool].setChecked(True)
