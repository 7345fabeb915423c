"""Choice: one of a few words, as a row of segments or, where they do not fit, a list to open."""

from __future__ import annotations

from collections.abc import Sequence

from PySide6.QtCore import Qt, Signal
from PySide6.QtWidgets import QButtonGroup, QComboBox, QHBoxLayout, QSizePolicy, QToolButton, QVBoxLayout, QWidget

from widgets.icons import CONTROL

MOST_SEGMENTS = 4


class Choice(QWidget):
    """`options`: (value, words, tool tip) of each. `changed(value)` when the person chose another.

    Up to `MOST_SEGMENTS` stand side by side, more become a list.
    """

    changed = Signal(str)

    def __init__(
        self,
        label: str,
        options: Sequence[tuple[str, str, str]],
        parent: QWidget | None = None,
        *,
        as_list: bool = False,
    ) -> None:
        super().__init__(parent)
        self._values = [value for value, _, _ in options]
        self._group: QButtonGroup | None = None
        self._list: QComboBox | None = None
        self.setAccessibleName(label)
        if as_list or len(options) > MOST_SEGMENTS:
            self._make_list(label, options)
        else:
            self._make_segments(label, options)

    @property
    def value(self) -> str:
        at = self._list.currentIndex() if self._list is not None else self._group.checkedId() if self._group else -1
        return self._values[at] if at >= 0 else ""

    def set_value(self, value: str) -> None:
        """Show a choice that was made elsewhere; no signal."""
        at = self._values.index(value) if value in self._values else -1
        if self._list is not None:
            self._list.setCurrentIndex(at)
        elif self._group is not None and at >= 0:
            self._group.button(at).setChecked(True)

    def _make_list(self, label: str, options: Sequence[tuple[str, str, str]]) -> None:
        self._list = QComboBox(self)
        self._list.setAccessibleName(label)
        # Long words may be cut with dots in the closed list; they must not widen the panel.
        self._list.setSizeAdjustPolicy(QComboBox.SizeAdjustPolicy.AdjustToMinimumContentsLengthWithIcon)
        for at, (_, words, tip) in enumerate(options):
            self._list.addItem(words)
            self._list.setItemData(at, tip, Qt.ItemDataRole.ToolTipRole)
        self._list.activated.connect(self._chosen)
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.addWidget(self._list)

    def _make_segments(self, label: str, options: Sequence[tuple[str, str, str]]) -> None:
        track = QWidget(self)
        track.setObjectName("segments")
        track.setAttribute(Qt.WidgetAttribute.WA_StyledBackground)
        track.setFixedHeight(CONTROL)
        row = QHBoxLayout(track)
        row.setContentsMargins(1, 1, 1, 1)
        row.setSpacing(0)
        self._group = QButtonGroup(self)
        for at, (_, words, tip) in enumerate(options):
            button = QToolButton(track)
            button.setProperty("role", "segment")
            button.setText(words)
            button.setToolTip(tip or words)
            button.setAccessibleName(f"{label}: {words}")
            button.setCheckable(True)
            button.setFixedHeight(CONTROL - 2)
            button.setFocusPolicy(Qt.FocusPolicy.TabFocus)
            button.setSizePolicy(QSizePolicy.Policy.MinimumExpanding, QSizePolicy.Policy.Fixed)
            self._group.addButton(button, at)
            row.addWidget(button, 1)
        self._group.idClicked.connect(self._chosen)
        outer = QVBoxLayout(self)
        outer.setContentsMargins(0, 0, 0, 0)
        outer.addWidget(track)

    def _chosen(self, at: int) -> None:
        self.changed.emit(self._values[at])
