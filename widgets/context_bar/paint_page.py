"""Page of the context bar for the paint brush and the eraser."""

from __future__ import annotations

from PySide6.QtCore import QRectF, QSize, Qt
from PySide6.QtGui import QColor, QPainter, QPaintEvent
from PySide6.QtWidgets import QColorDialog, QSizePolicy, QToolButton

from editor.document.colour import convert_one
from widgets.context_bar.pages import BrushPage
from widgets.controls.elided import ElidedLabel
from widgets.controls.icons import CONTROL
from widgets.guard import Guarded
from widgets.session.session import Session
from widgets.theme import colours


class PaintPage(BrushPage):
    """Brush and eraser for pixels."""

    def __init__(self, session: Session) -> None:
        super().__init__(session)
        self._opacity = self.slider("Opacity", 0, 1, 1)
        self._colour = ColourButton()
        self.row.addWidget(self._colour)
        self._scribble = ElidedLabel("Paint rough colours, say what it should become, then press Ctrl+Enter")
        self._scribble.setProperty("role", "quiet")
        self._scribble.setSizePolicy(QSizePolicy.Policy.Preferred, QSizePolicy.Policy.Preferred)
        self._scribble.setContentsMargins(6, 0, 6, 0)
        self.row.addWidget(self._scribble)
        self.add_done()
        self._opacity.changed.connect(lambda value: session.set_brush(opacity=value))
        self._colour.clicked.connect(self._choose_colour)

    def show_state(self) -> None:
        super().show_state()
        options = self.session.options
        self._opacity.set_value(options.brush.opacity)
        self._colour.show_colour(self._in_srgb())
        draft = self.session.draft
        scribbling = draft.scribble is not None and draft.scribble == self.session.active_layer
        self._scribble.setVisible(scribbling and self.session.plan.action is None)
        self._colour.setVisible(options.tool == "paint")

    def _choose_colour(self) -> None:
        dialog = QColorDialog(QColor(*self._in_srgb()), self)
        dialog.setAttribute(Qt.WidgetAttribute.WA_DeleteOnClose)
        dialog.colorSelected.connect(self._take_colour)
        dialog.open()

    def _take_colour(self, chosen: QColor) -> None:
        srgb = chosen.red(), chosen.green(), chosen.blue()
        if srgb != self._in_srgb():  # else a colour that sRGB does not have would become the nearest that it has
            self.session.set_options(colour=convert_one(srgb, None, self.session.document.metadata.icc))

    def _in_srgb(self) -> tuple[int, int, int]:
        """The colour in hand."""
        return convert_one(self.session.options.colour, self.session.document.metadata.icc, None)


class ColourButton(Guarded, QToolButton):
    """Shows the colour in hand, in sRGB."""

    def __init__(self) -> None:
        super().__init__()
        self._colour = QColor()
        self.setFixedSize(CONTROL, CONTROL)
        self.setAccessibleName("Colour")
        self.setToolTip("Colour · Alt picks it from the picture")
        self.setFocusPolicy(Qt.FocusPolicy.TabFocus)

    def show_colour(self, rgb: tuple[int, int, int]) -> None:
        self._colour = QColor(*rgb)
        self.setAccessibleDescription(self._colour.name())
        self.update()

    def sizeHint(self) -> QSize:
        return QSize(CONTROL, CONTROL)

    def paintEvent(self, event: QPaintEvent) -> None:
        palette = colours(self.palette())
        painter = QPainter(self)
        painter.setRenderHint(QPainter.RenderHint.Antialiasing)
        painter.setPen(QColor(palette.accent if self.hasFocus() else palette.quiet))
        painter.setBrush(self._colour)
        painter.drawRoundedRect(QRectF(self.rect()).adjusted(3.5, 3.5, -3.5, -3.5), 4, 4)
