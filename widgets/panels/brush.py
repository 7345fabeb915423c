"""Brush panel: its numbers, and what one dab and one stroke of it look like."""

from __future__ import annotations

from PySide6.QtCore import QPointF, QRectF, Qt
from PySide6.QtGui import QColor, QPainter, QPainterPath, QPaintEvent, QRadialGradient
from PySide6.QtWidgets import QGridLayout, QHBoxLayout, QVBoxLayout, QWidget

from editor.document.brush import Brush
from widgets.controls.choice import Check
from widgets.controls.slider import Slider
from widgets.guard import Guarded
from widgets.session.session import Session
from widgets.theme import colours

PREVIEW = 56
MIN_BRUSH = PREVIEW + 36  # pixels: what the brush looks like, and its size


class BrushPanel(QWidget):
    """Shows and changes the brush of the tool in hand."""

    def __init__(self, session: Session) -> None:
        super().__init__()
        self._session = session
        self._preview = _Preview()
        self._size = Slider("Size", 1, 2000, 120, unit="px", step=1, curve=2.5)
        self._sliders = {
            "hardness": Slider("Hardness", 0, 1, 0.8, unit="%", step=0.01),
            "opacity": Slider("Opacity", 0, 1, 1, unit="%", step=0.01),
            "flow": Slider("Flow", 0.01, 1, 1, unit="%", step=0.01),
            "spacing": Slider("Spacing", 0.02, 1, 0.1, unit="%", step=0.01),
            "smoothing": Slider("Smoothing", 0, 1, 0.3, unit="%", step=0.01),
        }
        self._switches = {
            "pressure_size": Check("Pressure: size"),
            "pressure_flow": Check("Pressure: flow"),
            "build_up": Check("Build up"),
        }
        self._sliders["opacity"].setToolTip("The most that a whole stroke covers.")
        self._sliders["flow"].setToolTip("What a single dab covers.")
        self._sliders["smoothing"].setToolTip("Steadies the line.")
        self._switches["build_up"].setToolTip("A stroke adds up where it crosses itself.")
        layout = QVBoxLayout(self)
        layout.setContentsMargins(12, 0, 12, 12)
        layout.setSpacing(4)
        layout.addWidget(self._preview)
        layout.addWidget(self._size)
        grid = QGridLayout()
        grid.setSpacing(4)
        grid.addWidget(self._sliders["hardness"], 0, 0)
        grid.addWidget(self._sliders["opacity"], 0, 1)
        grid.addWidget(self._sliders["flow"], 1, 0)
        grid.addWidget(self._sliders["spacing"], 1, 1)
        layout.addLayout(grid)
        layout.addWidget(self._sliders["smoothing"])
        for name, slider in self._sliders.items():
            slider.changed.connect(lambda value, name=name: session.set_brush(**{name: value}))
        pens = QHBoxLayout()
        pens.addWidget(self._switches["pressure_size"])
        pens.addWidget(self._switches["pressure_flow"])
        layout.addLayout(pens)
        layout.addWidget(self._switches["build_up"])
        layout.addStretch(1)
        for name, switch in self._switches.items():
            switch.clicked.connect(lambda on, name=name: session.set_brush(**{name: on}))
        self._size.changed.connect(lambda value: session.set_brush(size=value))
        session.state.options_changed.connect(self._show)
        self._show()

    def _show(self) -> None:
        brush = self._session.options.brush
        self._size.set_value(brush.size)
        for name, slider in self._sliders.items():
            slider.set_value(getattr(brush, name))
        for name, switch in self._switches.items():
            switch.setChecked(getattr(brush, name))
        self._preview.show_brush(brush)


class _Preview(Guarded, QWidget):
    """A dab, and a stroke that thins at its ends, as large as fits."""

    def __init__(self) -> None:
        super().__init__()
        self._brush = Brush()
        self.setFixedHeight(PREVIEW)
        self.setAccessibleName("Brush preview")

    def show_brush(self, brush: Brush) -> None:
        if brush != self._brush:
            self._brush = brush
            self.update()

    def paintEvent(self, event: QPaintEvent) -> None:
        palette = colours(self.palette())
        painter = QPainter(self)
        painter.setRenderHint(QPainter.RenderHint.Antialiasing)
        frame = QPainterPath()
        frame.addRoundedRect(QRectF(self.rect()).adjusted(0.5, 0.5, -0.5, -0.5), 6, 6)
        painter.fillPath(frame, QColor(palette.field))
        painter.setClipPath(frame)
        middle = self.height() / 2
        # Sizes from 1 to 2000 px on a scale that the eye can compare.
        dab = min(max((self._brush.size / 2000) ** 0.4 * (PREVIEW - 8), 3), PREVIEW - 8)
        self._dab(painter, QPointF(PREVIEW / 2 + 4, middle), dab, QColor(palette.text), 1.0)
        stroke = dab * 0.6
        start, end = PREVIEW + 20.0 + stroke / 2, self.width() - 16.0 - stroke / 2
        spacing = max(stroke * self._brush.spacing, 0.75)
        count = max(2, int((end - start) / spacing))
        layer_alpha = self._brush.flow * min(1.0, self._brush.spacing * 2 + 0.15)
        for i in range(count + 1):
            share = i / count
            pressure = 1 - (2 * share - 1) ** 2
            size = stroke * (0.25 + 0.75 * pressure) if self._brush.pressure_size else stroke
            y = middle + (share - 0.5) * 4 * (1 - abs(2 * share - 1)) * middle * 0.9
            self._dab(
                painter, QPointF(start + share * (end - start), y), max(size, 1.5), QColor(palette.text), layer_alpha
            )
        painter.setClipping(False)
        painter.setPen(QColor(palette.line))
        painter.drawPath(frame)

    def _dab(self, painter: QPainter, centre: QPointF, size: float, colour: QColor, alpha: float) -> None:
        radius = size / 2
        colour.setAlphaF(alpha * self._brush.opacity)
        rim = QColor(colour)
        rim.setAlphaF(0.0)
        gradient = QRadialGradient(centre, radius)
        gradient.setColorAt(0, colour)
        gradient.setColorAt(min(self._brush.hardness, 0.97), colour)
        gradient.setColorAt(1, rim)
        painter.setPen(Qt.PenStyle.NoPen)
        painter.setBrush(gradient)
        painter.drawEllipse(centre, radius, radius)
