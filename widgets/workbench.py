"""Workbench: everything around one document, wired to its session."""

from __future__ import annotations

from collections.abc import Collection

from PySide6.QtCore import QEvent, QObject, Qt, Signal
from PySide6.QtGui import QKeyEvent
from PySide6.QtWidgets import QAbstractButton, QGridLayout, QHBoxLayout, QVBoxLayout, QWidget

from widgets.adjust import Adjustment
from widgets.canvas.view import CanvasView
from widgets.column import Column
from widgets.contextual.bar import ContextualBar
from widgets.controls.column_scroll import ColumnScroll
from widgets.controls.section import Section
from widgets.guard import Guarded
from widgets.panels.brush import BrushPanel
from widgets.panels.edit import EditPanel
from widgets.panels.exemplars import ExemplarsPanel
from widgets.panels.history import HistoryPanel
from widgets.panels.items import ItemsPanel
from widgets.panels.layers import LayersPanel
from widgets.session import Session
from widgets.stage import Stage
from widgets.status_bar import StatusBar
from widgets.tool_bar import ToolBar
from widgets.tools import make_tools
from widgets.variations import Variations


class Workbench(Guarded, QWidget):
    """Tool bar, canvas, panels and status line of one document. `folded(name, bool)` when a panel was folded or opened."""

    folded = Signal(str, bool)

    def __init__(self, session: Session, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.setObjectName("workbench")
        self.setAttribute(Qt.WidgetAttribute.WA_StyledBackground)
        self.session = session
        self.canvas = CanvasView(session, make_tools(session))
        self.edit = EditPanel(session)
        strip = Variations(session)
        self.stage = Stage(session, self.canvas, ContextualBar(session), strip)
        self._tools = ToolBar(session)
        self._status = StatusBar(session)
        self._sections: dict[str, Section] = {}
        self._column = self._make_column()
        middle = QHBoxLayout()
        middle.setSpacing(0)
        middle.addWidget(self._tools)
        middle.addWidget(self.stage, 1)
        layout = QGridLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.setSpacing(0)
        layout.addLayout(middle, 0, 0)
        layout.addWidget(self._status, 1, 0)
        layout.addWidget(self._column, 0, 1, 2, 1)
        layout.setColumnStretch(0, 1)
        layout.setRowStretch(0, 1)
        self.canvas.cursor_moved.connect(self._status.where)
        for panel in (self.edit, strip):
            panel.let_go.connect(lambda: self.canvas.setFocus(Qt.FocusReason.OtherFocusReason))
        self.canvas.installEventFilter(self)
        # Over the canvas Tab means "the original", so it must not stop there on its way round; F6 goes there.
        self.canvas.setFocusPolicy(Qt.FocusPolicy.ClickFocus)

    def set_folded(self, names: Collection[str]) -> None:
        """Fold these panels, open the others."""
        for name, section in self._sections.items():
            section.set_open(name not in names)

    def show_panels(self, shown: bool) -> None:
        for panel in (self._tools, self._status, self._column):
            panel.setVisible(shown)

    def adjust(self, adjustment: Adjustment) -> None:
        self.stage.adjust(adjustment)

    def next_pane(self, step: int) -> None:
        """Move the keyboard on: canvas, tools, panels, edit, and round."""
        stops = [self.canvas, self._tools, self._column, self.edit]
        shown = [stop for stop in stops if stop.isVisible()]
        focus = self.focusWidget()
        at = max((i for i, stop in enumerate(shown) if _holds(stop, focus)), default=0)
        target = shown[(at + step) % len(shown)]
        first = target if target is self.canvas else _first_stop(target)
        if first is not None:
            first.setFocus(Qt.FocusReason.ShortcutFocusReason)

    def eventFilter(self, watched: QObject, event: QEvent) -> bool:
        # The tool in hand comes before the commands on these keys; what it does not use goes on to the window.
        if event.type() == QEvent.Type.ShortcutOverride and isinstance(event, QKeyEvent) and _offered(event):
            event.accept()
            return True
        # Holding Tab over the canvas shows the picture as it was opened; F6 moves the keyboard on from there.
        if isinstance(event, QKeyEvent) and event.key() == Qt.Key.Key_Tab and not event.modifiers():
            if event.type() == QEvent.Type.KeyPress:
                self.session.set_view(original=True)
                return True
            if event.type() == QEvent.Type.KeyRelease:
                if not event.isAutoRepeat():
                    self.session.set_view(original=False)
                return True
        return False

    def _make_column(self) -> QWidget:
        panels: dict[str, tuple[str, QWidget, tuple[QWidget, ...]]] = {}
        items, exemplars, layers = (
            ItemsPanel(self.session),
            ExemplarsPanel(self.session),
            LayersPanel(self.session),
        )
        panels["brush"] = "Brush", BrushPanel(self.session), ()
        panels["items"] = "Items", items, items.header_buttons
        panels["exemplars"] = "Reference pictures", exemplars, exemplars.header_buttons
        panels["history"] = "History", HistoryPanel(self.session), ()
        scroll = ColumnScroll(layers)
        layers.rows.reached.connect(scroll.follow)
        panels["layers"] = "Layers", scroll, layers.header_buttons
        body = QWidget()
        body.setObjectName("columnBody")
        stack = QVBoxLayout(body)
        stack.setContentsMargins(0, 0, 0, 0)
        stack.setSpacing(0)
        for name, (title, panel, buttons) in panels.items():
            section = Section(title, panel, *buttons)
            section.folded.connect(lambda folded, name=name: self.folded.emit(name, folded))
            self._sections[name] = section
            if name != "layers":
                stack.addWidget(section)
        stack.addStretch(1)
        return Column(ColumnScroll(body), self._sections["layers"], self.edit)


def _holds(widget: QWidget, inner: QWidget | None) -> bool:
    return inner is not None and (widget is inner or widget.isAncestorOf(inner))


def _offered(event: QKeyEvent) -> bool:
    """Keys that tools may use: digits, brackets, Delete, Enter, Escape, without Ctrl."""
    if event.modifiers() & (Qt.KeyboardModifier.ControlModifier | Qt.KeyboardModifier.AltModifier):
        return False
    keys = (Qt.Key.Key_Escape, Qt.Key.Key_Return, Qt.Key.Key_Enter, Qt.Key.Key_Delete, Qt.Key.Key_Backspace)
    return event.key() in keys or event.text() in tuple("0123456789[]{}")


def _first_stop(widget: QWidget) -> QWidget | None:
    """The first widget inside that the Tab key would reach; of buttons that exclude each other, the one that is on."""
    stops = [
        each
        for each in widget.findChildren(QWidget)
        if each.isVisible() and each.isEnabled() and each.focusPolicy() & Qt.FocusPolicy.TabFocus
    ]
    first = next(iter(stops), None)
    if isinstance(first, QAbstractButton) and (group := first.group()) is not None:
        return group.checkedButton() or first
    return first
