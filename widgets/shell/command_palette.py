"""The command palette: type a few letters of what you want, Enter does it."""

from __future__ import annotations

from collections.abc import Sequence

from PySide6.QtCore import QEvent, QModelIndex, QObject, QPersistentModelIndex, QRect, QSize, Qt, Signal
from PySide6.QtGui import QColor, QKeyEvent, QPainter, QStandardItem, QStandardItemModel
from PySide6.QtWidgets import (
    QFrame,
    QLineEdit,
    QListView,
    QStyle,
    QStyledItemDelegate,
    QStyleOptionViewItem,
    QVBoxLayout,
    QWidget,
)

from widgets.actions import Command, shortcut_words
from widgets.guard import Guarded
from widgets.theme import colours

WIDTH = 520
LINE = 32
MAX_ROWS = 10
TOP = 72
KEYS = Qt.ItemDataRole.UserRole + 1


def score(wanted: str, text: str) -> float | None:
    """How well the letters match, higher is better; None when they do not all occur in this order.

    Beginnings of words and letters in a row count more, long texts a little less.
    """
    points, at, last = 0.0, 0, -2
    text = text.lower()
    for letter in wanted.lower().replace(" ", ""):
        starts = [i for i in range(at, len(text)) if text[i] == letter]
        if not starts:
            return None
        here = next((i for i in starts if i == last + 1 or i == 0 or not text[i - 1].isalnum()), starts[0])
        points += 3 if here == last + 1 else 2 if here == 0 or not text[here - 1].isalnum() else 0.5
        last, at = here, here + 1
    return points - len(text) / 100


class CommandPalette(Guarded, QFrame):
    """`chosen(command)` when the person picked one; `closed()` in any case."""

    chosen = Signal(object)
    closed = Signal()

    def __init__(self, parent: QWidget) -> None:
        super().__init__(parent)
        self.setObjectName("palette")
        self.setAttribute(Qt.WidgetAttribute.WA_StyledBackground)
        self.setAccessibleName("All commands")
        self._over = parent
        self._commands: Sequence[Command] = ()
        self._matches: list[Command] = []
        self.field = QLineEdit()
        self.field.setProperty("role", "search")
        self.field.setPlaceholderText("What would you like to do?")
        self.field.setAccessibleName("Find a command")
        self._model = QStandardItemModel(self)
        self._list = QListView()
        self._list.setModel(self._model)
        self._list.setItemDelegate(_Line(self._list))
        self._list.setFocusPolicy(Qt.FocusPolicy.NoFocus)
        self._list.setEditTriggers(QListView.EditTrigger.NoEditTriggers)
        self._list.setHorizontalScrollBarPolicy(Qt.ScrollBarPolicy.ScrollBarAlwaysOff)
        self._list.setAccessibleName("Commands")
        line = QFrame()
        line.setObjectName("divider")
        line.setFixedHeight(1)
        layout = QVBoxLayout(self)
        layout.setContentsMargins(1, 1, 1, 1)
        layout.setSpacing(0)
        layout.addWidget(self.field)
        layout.addWidget(line)
        layout.addWidget(self._list)
        self.field.textChanged.connect(self._match)
        self.field.installEventFilter(self)
        self._list.clicked.connect(self._pick)
        self.hide()

    @property
    def matches(self) -> list[Command]:
        """What is listed, the best first."""
        return self._matches

    def open(self, commands: Sequence[Command]) -> None:
        """Show these commands for choosing."""
        self._commands = commands
        self.field.clear()
        self._match("")
        self.show()
        self.raise_()
        self.field.setFocus(Qt.FocusReason.PopupFocusReason)

    def eventFilter(self, watched: QObject, event: QEvent) -> bool:
        if event.type() == QEvent.Type.FocusOut and self.isVisible():
            self._close()
            return False
        if not isinstance(event, QKeyEvent):
            return False
        keys = (Qt.Key.Key_Escape, Qt.Key.Key_Return, Qt.Key.Key_Enter, Qt.Key.Key_Up, Qt.Key.Key_Down)
        if event.key() not in keys:
            return False
        if event.type() == QEvent.Type.ShortcutOverride:
            event.accept()
            return True
        if event.type() != QEvent.Type.KeyPress:
            return False
        match event.key():
            case Qt.Key.Key_Escape:
                self._close()
            case Qt.Key.Key_Up:
                self._step(-1)
            case Qt.Key.Key_Down:
                self._step(1)
            case _:
                self._pick(self._list.currentIndex())
        return True

    def _match(self, text: str) -> None:
        scores = [(score(text, command.text), at) for at, command in enumerate(self._commands)]
        ranked = sorted((-value, at) for value, at in scores if value is not None)
        self._matches = [self._commands[at] for _, at in ranked] if text.strip() else list(self._commands)
        self._model.clear()
        for command in self._matches:
            item = QStandardItem(command.text)
            item.setData(shortcut_words(command), KEYS)
            self._model.appendRow(item)
        if not self._matches:
            nothing = QStandardItem("Nothing of that name can be done now.")
            nothing.setEnabled(False)
            self._model.appendRow(nothing)
        self._list.setCurrentIndex(self._model.index(0, 0))
        self._place()

    def _place(self) -> None:
        lines = min(max(self._model.rowCount(), 1), MAX_ROWS)
        self._list.setFixedHeight(lines * LINE + 8)
        room = self._over.width()
        width = min(WIDTH, room - 32)
        self.setGeometry(QRect((room - width) // 2, TOP, width, 43 + lines * LINE + 8))

    def _step(self, step: int) -> None:
        at = (self._list.currentIndex().row() + step) % max(1, self._model.rowCount())
        self._list.setCurrentIndex(self._model.index(at, 0))

    def _pick(self, index: QModelIndex) -> None:
        if not index.isValid() or index.row() >= len(self._matches):
            return
        command = self._matches[index.row()]
        self._close()
        self.chosen.emit(command)

    def _close(self) -> None:
        if self.isVisible():
            self.hide()
            self.closed.emit()


class _Line(Guarded, QStyledItemDelegate):
    """The command's words, and its key at the right."""

    def sizeHint(self, option: QStyleOptionViewItem, index: QModelIndex | QPersistentModelIndex) -> QSize:
        return QSize(100, LINE)

    def paint(
        self, painter: QPainter, option: QStyleOptionViewItem, index: QModelIndex | QPersistentModelIndex
    ) -> None:
        palette = colours(option.palette)
        rect: QRect = option.rect.adjusted(4, 0, -4, 0)
        state: QStyle.StateFlag = option.state
        painter.save()
        painter.setRenderHint(QPainter.RenderHint.Antialiasing)
        chosen = bool(state & (QStyle.StateFlag.State_Selected | QStyle.StateFlag.State_MouseOver))
        if chosen and state & QStyle.StateFlag.State_Enabled:
            painter.setPen(Qt.PenStyle.NoPen)
            lit = state & QStyle.StateFlag.State_Selected
            painter.setBrush(QColor(palette.selected if lit else palette.hover))
            painter.drawRoundedRect(rect, 4, 4)
        words = rect.adjusted(12, 0, -12, 0)
        painter.setPen(QColor(palette.text if state & QStyle.StateFlag.State_Enabled else palette.quiet))
        painter.drawText(words, Qt.AlignmentFlag.AlignVCenter | Qt.AlignmentFlag.AlignLeft, str(index.data()))
        painter.setPen(QColor(palette.quiet))
        painter.drawText(
            words, Qt.AlignmentFlag.AlignVCenter | Qt.AlignmentFlag.AlignRight, str(index.data(KEYS) or "")
        )
        painter.restore()
