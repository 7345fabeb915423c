"""A settings dataclass as a form: each field with a `Label` becomes the control that suits it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from PySide6.QtCore import Signal
from PySide6.QtWidgets import QHBoxLayout, QLabel, QLineEdit, QVBoxLayout, QWidget

from editor.requests.settings_fields import FieldSpec
from widgets.controls.choice import Check, Choice
from widgets.controls.slider import Slider

MAX_LETTERS = 14  # in all segments together, beside a label in a narrow column

WORDS = {
    ("map_scale", "index"): "Steps",
    ("map_scale", "noise"): "Share of noise",
    ("map_scale", "absolute"): "Noise, absolutely",
    ("region", "inside"): "Selection",
    ("region", "outside"): "All else",
    ("finish", "poisson"): "Even out colours",
    ("finish", "decoder"): "Learn the surroundings",
    ("finish", "latents"): "Learn them in latents",
    ("cells", "area"): "Half covered",
    ("cells", "any"): "Touched",
    ("noise", "fixed"): "Once",
    ("noise", "fresh"): "Every step",
    ("rank", "crop"): "The region’s surroundings",
    ("rank", "reference"): "The region alone",
}
"""Values, by the field that they are of, that do not say it themselves."""

Control = Slider | Choice | Check | QLineEdit


class Form(QWidget):
    """Controls for some fields, one under the other. `changed(name, value)` when the person changed one."""

    changed = Signal(str, object)

    def __init__(self, specs: Sequence[FieldSpec], parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._controls: dict[str, Control] = {}
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.setSpacing(4)
        for spec in specs:
            control = self._control(spec)
            control.setToolTip(spec.help)
            self._controls[spec.name] = control
            layout.addWidget(
                control if isinstance(control, Slider | Check) else labelled(spec.label, spec.help, control)
            )

    def control(self, name: str) -> Control:
        return self._controls[name]

    def show_values(self, settings: object) -> None:
        """Show the settings' values; no signal."""
        for name, control in self._controls.items():
            value: Any = getattr(settings, name)
            match control:
                case Slider():
                    control.set_value(float(value))
                case Choice():
                    control.set_value(str(value))
                case Check():
                    control.setChecked(bool(value))
                case QLineEdit():
                    if control.text() != value:
                        control.setText(str(value))

    def _control(self, spec: FieldSpec) -> Control:
        if spec.kind in ("int", "float") and spec.range is not None:
            limits, whole = spec.range, spec.kind == "int"
            slider = Slider(
                spec.label,
                limits.low,
                limits.high,
                float(spec.default),
                unit=limits.unit,
                step=max(limits.step, 1.0) if whole else limits.step,
            )
            slider.changed.connect(lambda value: self.changed.emit(spec.name, int(value) if whole else float(value)))
            return slider
        if spec.kind == "choice":
            words = [choice_words(value, spec.name) for value in spec.choices]
            options = [(value, word, spec.help) for value, word in zip(spec.choices, words, strict=True)]
            choice = Choice(spec.label, options, as_list=len("".join(words)) > MAX_LETTERS)
            choice.changed.connect(lambda value: self.changed.emit(spec.name, value))
            return choice
        if spec.kind == "bool":
            check = Check(spec.label)
            check.clicked.connect(lambda on: self.changed.emit(spec.name, on))
            return check
        line = QLineEdit()
        line.setAccessibleName(spec.label)
        line.textEdited.connect(lambda text: self.changed.emit(spec.name, text))
        return line


def labelled(label: str, tip: str, control: QWidget) -> QWidget:
    """A control in one line with its words."""
    row = QWidget()
    layout = QHBoxLayout(row)
    layout.setContentsMargins(0, 0, 0, 0)
    layout.setSpacing(8)
    words = QLabel(label)
    words.setProperty("role", "quiet")
    words.setToolTip(tip)
    words.setMinimumWidth(64)
    layout.addWidget(words)
    layout.addWidget(control, 1)
    return row


def choice_words(value: str, field: str = "") -> str:
    """A choice as people read it. `field`: the name of the field that it is of."""
    return WORDS.get((field, value)) or value.replace("_", " ").capitalize()
