"""Rows: a list of things with pictures and buttons, chosen by click or arrows, renamed in place, put in order by dragging."""

from __future__ import annotations

from collections.abc import Sequence

from PySide6.QtCore import QEvent, QPoint, Qt, Signal
from PySide6.QtGui import QColor, QContextMenuEvent, QEnterEvent, QKeyEvent, QMouseEvent, QPainter, QPaintEvent
from PySide6.QtWidgets import QApplication, QFrame, QHBoxLayout, QLineEdit, QSizePolicy, QVBoxLayout, QWidget

from widgets.controls.elided import ElidedLabel
from widgets.controls.icons import IconButton
from widgets.controls.thumbnail import SIDE, Thumbnail
from widgets.guard import Guarded
from widgets.theme import colours

HEIGHT = 44  # of a row
BELOW = 36  # more while it is the active one
END = 8  # below the last


class NameEdit(Guarded, QLineEdit):
    """A name being typed. `done(text)` on Enter or when the keyboard goes elsewhere, `dropped()` on Escape."""

    done = Signal(str)
    dropped = Signal()

    def __init__(self, text: str, parent: QWidget) -> None:
        super().__init__(text, parent)
        self.setProperty("role", "inline")
        self.setAccessibleName("Name")
        self.selectAll()
        self.editingFinished.connect(lambda: self.done.emit(self.text()))

    def event(self, event: QEvent) -> bool:
        # Enter and Escape belong to the name while it is typed, not to the commands on these keys.
        if event.type() == QEvent.Type.ShortcutOverride:
            event.accept()
            return True
        return super().event(event)

    def keyPressEvent(self, event: QKeyEvent) -> None:
        if event.key() == Qt.Key.Key_Escape:
            self.dropped.emit()
        else:
            super().keyPressEvent(event)


class Row(Guarded, QFrame):
    """One thing: picture, name, a line of small words, and buttons. `below` (hidden by default) stands under it while it is active."""

    clicked = Signal()
    renamed = Signal(str)
    returned = Signal()
    hovered = Signal(bool)
    dragged = Signal(QPoint)
    dropped = Signal()
    menu_wanted = Signal(QPoint)

    def __init__(self, id: int, *buttons: QWidget, below: QWidget | None = None, drags: bool = False) -> None:
        super().__init__()
        self.id = id
        self.thumbnail = Thumbnail(SIDE)
        self._active = False
        self._drags = drags
        self._pressed: QPoint | None = None
        self._moving = False
        self._edit: NameEdit | None = None
        self._below = below
        self._name = ElidedLabel()
        self._caption = ElidedLabel()
        self._caption.setProperty("role", "caption")
        self._caption.hide()
        words = QVBoxLayout()
        words.setSpacing(0)
        words.addStretch(1)
        words.addWidget(self._name)
        words.addWidget(self._caption)
        words.addStretch(1)
        self._words = words
        top = QHBoxLayout()
        top.setContentsMargins(0, 0, 0, 0)
        top.setSpacing(8)
        top.addWidget(self.thumbnail)
        top.addLayout(words, 1)
        tail = QHBoxLayout()
        tail.setSpacing(0)
        for button in buttons:
            tail.addWidget(button)
        top.addLayout(tail)
        layout = QVBoxLayout(self)
        layout.setContentsMargins(8, 4, 4, 4)
        layout.setSpacing(4)
        layout.addLayout(top)
        if below is not None:
            layout.addWidget(below)
            below.hide()
        self.setSizePolicy(QSizePolicy.Policy.Preferred, QSizePolicy.Policy.Fixed)
        self.setAttribute(Qt.WidgetAttribute.WA_Hover)

    @property
    def name(self) -> str:
        return self._name.text()

    def show_words(self, name: str, caption: str = "", tip: str = "") -> None:
        self._name.setText(name)
        self._caption.setText(caption)
        self._caption.setVisible(bool(caption))
        self._name.setToolTip(tip)
        self.setAccessibleName(f"{name}, {caption}" if caption else name)

    def show_active(self, active: bool, *, dim: bool = False) -> None:
        """`dim`: it is hidden, so its name is quiet."""
        self._active = active
        self._name.setProperty("role", "quiet" if dim else "")
        self._name.style().polish(self._name)
        if self._below is not None:
            self._below.setVisible(active)
        self.update()

    def rename(self) -> None:
        """Type another name in place."""
        if self._edit is not None:
            return
        self._edit = NameEdit(self.name, self)
        self._edit.done.connect(self._named)
        self._edit.dropped.connect(self._end_edit)
        self._words.insertWidget(1, self._edit)
        self._name.hide()
        self._edit.show()  # only what is visible takes the keyboard
        self._edit.setFocus()

    def _named(self, text: str) -> None:
        if self._edit is not None:
            changed = text.strip() and text != self.name
            self._end_edit()
            if changed:
                self.renamed.emit(text)

    def _end_edit(self) -> None:
        edit, self._edit = self._edit, None
        if edit is not None:
            edit.hide()
            edit.deleteLater()
            self._name.show()
            self.returned.emit()

    def mousePressEvent(self, event: QMouseEvent) -> None:
        if event.button() == Qt.MouseButton.LeftButton:
            self._pressed = event.position().toPoint()
            self.clicked.emit()

    def mouseMoveEvent(self, event: QMouseEvent) -> None:
        if self._pressed is None or not self._drags:
            return
        point = event.position().toPoint()
        if self._moving or (point - self._pressed).manhattanLength() >= QApplication.startDragDistance():
            self._moving = True
            self.dragged.emit(self.mapToParent(point))

    def mouseReleaseEvent(self, event: QMouseEvent) -> None:
        if event.button() != Qt.MouseButton.LeftButton:
            return
        self._pressed = None
        if self._moving:
            self._moving = False
            self.dropped.emit()

    def mouseDoubleClickEvent(self, event: QMouseEvent) -> None:
        if event.button() == Qt.MouseButton.LeftButton:
            self.rename()

    def contextMenuEvent(self, event: QContextMenuEvent) -> None:
        self.clicked.emit()
        self.menu_wanted.emit(event.globalPos())

    def enterEvent(self, event: QEnterEvent) -> None:
        super().enterEvent(event)
        self.hovered.emit(True)

    def leaveEvent(self, event: QEvent) -> None:
        super().leaveEvent(event)
        self.hovered.emit(False)

    def paintEvent(self, event: QPaintEvent) -> None:
        palette = colours(self.palette())
        if self._active or self.underMouse():
            painter = QPainter(self)
            painter.setRenderHint(QPainter.RenderHint.Antialiasing)
            painter.setPen(Qt.PenStyle.NoPen)
            painter.setBrush(QColor(palette.selected if self._active else palette.hover))
            painter.drawRoundedRect(self.rect().adjusted(4, 0, -4, 0), 6, 6)


class Rows(Guarded, QWidget):
    """Signals name rows by id: `chosen(id)`, `renamed(id, name)`, `deleted(id)`, `ordered(ids)` from the top down. `reached(row)`: another row is
    the active one. `menu_wanted(row, point)`: the menu of a row, at a point of the screen.

    The keyboard: arrows choose, F2 renames, Delete deletes, Ctrl with arrows moves a row, the menu key opens its menu.
    """

    chosen = Signal(int)
    renamed = Signal(int, str)
    deleted = Signal(int)
    ordered = Signal(list)
    hovered = Signal(int, bool)
    reached = Signal(QWidget)
    menu_wanted = Signal(QWidget, QPoint)

    def __init__(self, label: str, empty: str, parent: QWidget | None = None, *, drags: bool = False) -> None:
        super().__init__(parent)
        self._drags = drags
        self._rows: list[Row] = []
        self._active: int | None = None
        self._line: int | None = None  # before which row what is dragged would land
        self._hint = ElidedLabel(empty)
        self._hint.setProperty("role", "caption")
        self._hint.setFixedHeight(28)
        self._hint.setContentsMargins(12, 0, 12, 0)
        self._layout = QVBoxLayout(self)
        self._layout.setContentsMargins(0, 0, 0, END)
        self._layout.setSpacing(0)
        self._layout.addWidget(self._hint)
        self.setAccessibleName(label)
        self.setFocusPolicy(Qt.FocusPolicy.TabFocus)

    @property
    def ids(self) -> list[int]:
        return [row.id for row in self._rows]

    def row(self, id: int) -> Row | None:
        return next((row for row in self._rows if row.id == id), None)

    def arrange(self, rows: Sequence[Row]) -> None:
        """Show these rows from the top down; rows that are no longer among them are thrown away."""
        if list(rows) == self._rows:
            return
        for row in self._rows:
            self._layout.removeWidget(row)
            if row not in rows:
                row.hide()
                row.deleteLater()
        for row in rows:
            if row not in self._rows:
                self._wire(row)
            self._layout.addWidget(row)
            row.show()
        self._rows = list(rows)
        self._hint.setVisible(not rows)

    def show_active(self, id: int | None) -> None:
        row = None if id is None or id == self._active else self.row(id)
        self._active = id
        if row is not None:
            self.reached.emit(row)

    def _wire(self, row: Row) -> None:
        row.setParent(self)
        row.clicked.connect(lambda: self.chosen.emit(row.id))
        row.renamed.connect(lambda name: self.renamed.emit(row.id, name))
        row.hovered.connect(lambda over: self.hovered.emit(row.id, over))
        row.dragged.connect(self._drag)
        row.returned.connect(self.setFocus)
        row.dropped.connect(lambda: self._drop(row))
        row.menu_wanted.connect(lambda point: self.menu_wanted.emit(row, point))

    def contextMenuEvent(self, event: QContextMenuEvent) -> None:
        row = None if self._active is None else self.row(self._active)
        if event.reason() == QContextMenuEvent.Reason.Keyboard and row is not None:
            self.menu_wanted.emit(row, row.mapToGlobal(QPoint(16, row.thumbnail.geometry().bottom())))

    def _drag(self, point: QPoint) -> None:
        self._line = sum(point.y() > row.geometry().center().y() for row in self._rows)
        self.update()

    def _drop(self, row: Row) -> None:
        line, self._line = self._line, None
        self.update()
        if line is not None:
            self._move(row, line)

    def _move(self, row: Row, before: int) -> None:
        at = self._rows.index(row)
        ids = self.ids
        ids.insert(before - (before > at), ids.pop(at))
        if ids != self.ids:
            self.ordered.emit(ids)

    def keyPressEvent(self, event: QKeyEvent) -> None:
        ids = self.ids
        row = None if self._active is None else self.row(self._active)
        at = -1 if row is None else self._rows.index(row)
        step = {Qt.Key.Key_Up: -1, Qt.Key.Key_Down: 1}.get(Qt.Key(event.key()))
        if step is not None and ids:
            if event.modifiers() & Qt.KeyboardModifier.ControlModifier:
                if row is not None and self._drags and 0 <= at + step < len(ids):
                    self._move(row, at + step + (step > 0))
            else:
                self.chosen.emit(ids[min(max(at + step, 0), len(ids) - 1)])
        elif event.key() == Qt.Key.Key_F2 and row is not None:
            row.rename()
        elif event.key() in (Qt.Key.Key_Delete, Qt.Key.Key_Backspace) and row is not None:
            self.deleted.emit(row.id)
        else:
            super().keyPressEvent(event)

    def event(self, event: QEvent) -> bool:
        if event.type() == QEvent.Type.ShortcutOverride and isinstance(event, QKeyEvent):
            own = (Qt.Key.Key_Delete, Qt.Key.Key_Backspace, Qt.Key.Key_F2, Qt.Key.Key_Up, Qt.Key.Key_Down)
            if event.key() in own:
                event.accept()
                return True
        return super().event(event)

    def paintEvent(self, event: QPaintEvent) -> None:
        palette = colours(self.palette())
        painter = QPainter(self)
        if self.hasFocus():
            painter.setPen(QColor(palette.accent))
            painter.drawRect(self.rect().adjusted(2, 0, -3, -1))
        if self._line is not None and self._rows:
            last = self._rows[-1].geometry().bottom() + 1
            y = self._rows[self._line].geometry().top() if self._line < len(self._rows) else last
            painter.fillRect(8, max(0, y - 1), self.width() - 16, 2, QColor(palette.accent))


def eye_button() -> IconButton:
    """The button that shows and hides a thing."""
    return IconButton("eye", "Hide")


def show_eye(button: IconButton, visible: bool) -> None:
    button.show_icon("eye" if visible else "eye-off")
    words = "Hide" if visible else "Show"
    button.setAccessibleName(words)
    button.setToolTip(words)
