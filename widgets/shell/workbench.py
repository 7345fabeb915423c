"""Workbench: everything around one document, wired to its session."""

from __future__ import annotations

from collections.abc import Collection

from PySide6.QtCore import QEvent, QObject, QPoint, Qt, Signal
from PySide6.QtGui import QKeyEvent
from PySide6.QtWidgets import QAbstractButton, QGridLayout, QHBoxLayout, QWidget

from widgets.canvas.view import CanvasView
from widgets.context_bar.bar import ContextualBar
from widgets.controls.column_scroll import ColumnScroll
from widgets.controls.rows import BELOW, END, HEIGHT
from widgets.controls.section import Section
from widgets.guard import Guarded
from widgets.panels.brush import MIN_BRUSH, BrushPanel
from widgets.panels.edit import EditPanel
from widgets.panels.history import MIN_HISTORY, HistoryPanel
from widgets.panels.layers import LayersPanel
from widgets.panels.things import ExemplarsPanel, ItemsPanel
from widgets.session.session import Session
from widgets.shell.adjustment import Adjustment
from widgets.shell.canvas_stack import CanvasStack
from widgets.shell.side_panel import SidePanel
from widgets.shell.status_bar import StatusBar
from widgets.shell.tool_bar import ToolBar
from widgets.tools import make_tools
from widgets.tools.grips import Subject
from widgets.variations.strip import Variations


class Workbench(Guarded, QWidget):
    """Tool bar, canvas, panels and status line of one document. `folded(name, bool)` when a panel was folded or opened, `tab_chosen(name)`
    when one was chosen where only one has room. `menu_wanted(subject, point, row)`: a menu about what lies under the pointer, at a point of the
    screen; `row` is that of a list, or None.
    """

    folded = Signal(str, bool)
    tab_chosen = Signal(str)
    menu_wanted = Signal(str, QPoint, object)

    def __init__(self, session: Session, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.setObjectName("workbench")
        self.setAttribute(Qt.WidgetAttribute.WA_StyledBackground)
        self.session = session
        self.canvas = CanvasView(session, make_tools(session))
        self.edit = EditPanel(session)
        strip = Variations(session)
        self.stage = CanvasStack(session, self.canvas, ContextualBar(session), strip)
        self._tools = ToolBar(session)
        self._status = StatusBar(session)
        self._sections: dict[str, Section] = {}
        self._column = self._make_column()
        self._column.chosen.connect(self.tab_chosen)
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
        self.canvas.menu_wanted.connect(lambda subject, at: self.menu_wanted.emit(subject, at, None))
        self.canvas.cursor_moved.connect(self._status.where)
        for panel in (self.edit, strip):
            panel.focus_returned.connect(lambda: self.canvas.setFocus(Qt.FocusReason.OtherFocusReason))
        self.canvas.installEventFilter(self)
        # Over the canvas Tab means "the original", so it must not stop there on its way round; F6 goes there.
        self.canvas.setFocusPolicy(Qt.FocusPolicy.ClickFocus)

    def set_folded(self, names: Collection[str]) -> None:
        """Fold these panels, open the others."""
        for name, section in self._sections.items():
            section.set_open(name not in names)

    def show_tab(self, name: str) -> None:
        """Which panel is shown where only one has room."""
        self._column.show_tab(name)

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

    def _make_column(self) -> SidePanel:
        brush, items = BrushPanel(self.session), ItemsPanel(self.session)
        exemplars, layers = ExemplarsPanel(self.session), LayersPanel(self.session)
        panels: dict[Subject, ItemsPanel | ExemplarsPanel | LayersPanel]
        panels = {"item": items, "exemplar": exemplars, "layer": layers}
        for subject, panel in panels.items():
            panel.menu_wanted.connect(lambda row, at, subject=subject: self.menu_wanted.emit(subject, at, row))
        one, open = HEIGHT + END, HEIGHT + BELOW + END  # heights of a list of one row, and of one that is open
        self._sections = {
            "brush": Section("Brush", ColumnScroll(brush), icon="brush", least=MIN_BRUSH),
            "items": Section("Items", _listed(items), *items.header_buttons, icon="shapes", least=one),
            "exemplars": Section(
                "Reference pictures",
                _listed(exemplars),
                *exemplars.header_buttons,
                icon="image",
                short="References",
                least=one,
            ),
            "history": Section("History", HistoryPanel(self.session), icon="history", least=MIN_HISTORY),
            "layers": Section("Layers", _listed(layers), *layers.header_buttons, icon="layers", least=HEIGHT + open),
        }
        for name, section in self._sections.items():
            section.folded.connect(lambda folded, name=name: self.folded.emit(name, folded))
        return SidePanel(self._sections, self.edit, "layers")


def _listed(panel: ItemsPanel | ExemplarsPanel | LayersPanel) -> ColumnScroll:
    scroll = ColumnScroll(panel)
    panel.rows.reached.connect(scroll.follow)
    return scroll


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
        child
        for child in widget.findChildren(QWidget)
        if child.isVisible() and child.isEnabled() and child.focusPolicy() & Qt.FocusPolicy.TabFocus
    ]
    first = next(iter(stops), None)
    if isinstance(first, QAbstractButton) and (group := first.group()) is not None:
        return group.checkedButton() or first
    return first
