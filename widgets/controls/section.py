"""Section: a titled part of the right column that folds away, or is shown alone behind a tab."""

from __future__ import annotations

from PySide6.QtCore import QRectF, QSize, Qt, Signal
from PySide6.QtGui import QColor, QFont, QPainter, QPaintEvent
from PySide6.QtWidgets import QFrame, QHBoxLayout, QSizePolicy, QToolButton, QVBoxLayout, QWidget

from widgets.controls.icons import CONTROL, ICON, draw
from widgets.guard import Guarded
from widgets.theme import colours

HEADER = 32
LINE = 1  # below it


class FoldButton(Guarded, QToolButton):
    """A title with a sign that shows whether what belongs to it is open. `checked` means open."""

    def __init__(self, title: str, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.setText(title)
        self.setCheckable(True)
        self.setFixedHeight(CONTROL)
        self.setSizePolicy(QSizePolicy.Policy.Expanding, QSizePolicy.Policy.Fixed)
        self.setFocusPolicy(Qt.FocusPolicy.TabFocus)
        self._plain = False
        self.toggled.connect(self._describe)
        self._describe()

    def set_plain(self, plain: bool) -> None:
        """Show the title alone: there is nothing to fold."""
        self._plain = plain
        self.setFocusPolicy(Qt.FocusPolicy.NoFocus if plain else Qt.FocusPolicy.TabFocus)
        self.setAttribute(Qt.WidgetAttribute.WA_TransparentForMouseEvents, plain)
        self._describe()
        self.update()

    def minimumSizeHint(self) -> QSize:
        return QSize(0, CONTROL)  # the title is cut with dots where it is narrow

    def _describe(self) -> None:
        state = "" if self._plain else ", open" if self.isChecked() else ", folded"
        self.setAccessibleName(f"{self.text()}{state}")

    def paintEvent(self, event: QPaintEvent) -> None:
        palette = colours(self.palette())
        painter = QPainter(self)
        if not self._plain:
            sign = QRectF(0, (self.height() - ICON) / 2, ICON, ICON)
            ink = palette.text if self.underMouse() else palette.quiet
            draw(painter, "chevron-down" if self.isChecked() else "chevron-right", ink, sign)
        font = QFont(self.font())
        font.setWeight(QFont.Weight.DemiBold)
        painter.setFont(font)
        painter.setPen(QColor(palette.text))
        words = self.rect().adjusted(0 if self._plain else ICON + 4, 0, 0, 0)
        title = painter.fontMetrics().elidedText(self.text(), Qt.TextElideMode.ElideRight, words.width())
        painter.drawText(words, Qt.AlignmentFlag.AlignVCenter | Qt.AlignmentFlag.AlignLeft, title)
        if self.hasFocus():
            painter.setPen(QColor(palette.accent))
            painter.setRenderHint(QPainter.RenderHint.Antialiasing)
            painter.drawRoundedRect(QRectF(self.rect()).adjusted(0.5, 0.5, -0.5, -0.5), 6, 6)


class Section(QFrame):
    """A header with `title` over `body`; a click on the header folds it. `folded(bool)` when the person did.

    `buttons` stand at the right end of the header. `icon` stands for it where there are tabs, and `short` is its title beside them, if the
    whole one is too long. `least`: pixels of its body that say something.
    """

    folded = Signal(bool)

    def __init__(
        self,
        title: str,
        body: QWidget,
        *buttons: QWidget,
        icon: str = "",
        short: str = "",
        least: int = 0,
        parent: QWidget | None = None,
    ) -> None:
        super().__init__(parent)
        self.setObjectName("section")
        self.title, self.icon = title, icon
        self._short = short or title
        self._body = body
        self._buttons = buttons
        self._least = least
        self._tabbed = False
        self._header = FoldButton(title)
        self._header.setFixedHeight(HEADER)
        self._top = QHBoxLayout()
        self._top.setSpacing(0)
        self._top.addWidget(self._header, 1)
        for button in buttons:
            self._top.addWidget(button)
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.setSpacing(0)
        layout.addLayout(self._top)
        layout.addWidget(body, 1)
        self._header.clicked.connect(self._toggled)
        self.set_tabbed(False, 0)
        self.set_open(True)

    @property
    def is_open(self) -> bool:
        return self._header.isChecked()

    @property
    def least(self) -> int:
        """The height below which it says nothing any more when it is open."""
        return HEADER + self._least + LINE

    def set_open(self, open: bool) -> None:
        self._header.setChecked(open)
        self._show()

    def set_tabbed(self, tabbed: bool, left: int) -> None:
        """Whether tabs lie over the first `left` pixels of its header; it is open then, folded or not."""
        self._tabbed = tabbed
        self._header.setText(self._short if tabbed else self.title)
        self._header.set_plain(tabbed)
        self._top.setContentsMargins(left if tabbed else 10, 0, 6, 0)
        self._show()

    def wanted(self) -> int:
        """The height at which all of it is seen."""
        return HEADER + LINE + (self._body.sizeHint().height() if self.is_open or self._tabbed else 0)

    def _show(self) -> None:
        open = self.is_open or self._tabbed
        self._body.setVisible(open)
        for button in self._buttons:
            button.setVisible(open)
        self.updateGeometry()

    def _toggled(self, open: bool) -> None:
        self.set_open(open)
        self.folded.emit(not open)
