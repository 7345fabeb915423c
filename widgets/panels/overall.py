"""Overall strength of the edit: the overall strength, ready-made ones, and several to compare."""

from __future__ import annotations

from PySide6.QtCore import Qt, Signal
from PySide6.QtWidgets import QHBoxLayout, QLabel, QVBoxLayout, QWidget

from editor.methods.base import AnyMethod
from editor.requests.method_settings import Use
from widgets.controls.choice import Choice
from widgets.controls.icons import IconButton
from widgets.controls.slider import Slider
from widgets.session import run_actions
from widgets.session.session import Session

IN_A_ROW = 4
WHOLE = ("remove", "move")  # actions that no strength weakens, without a model
TRY = "Try strengths: the same edit from weak to strong, to choose from"


class Overall(QWidget):
    """The slider and, for methods that have them, its presets."""

    def __init__(self, session: Session, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._session = session
        self._presets: dict[str, Presets] = {}
        self._strength = Slider("Overall strength", 0, 1, 1, unit="%", step=0.01)
        self._several = IconButton("columns-4", "Try strengths", tip=TRY)
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.setSpacing(4)
        for method in session.methods:
            if method.presets:
                presets = self._presets[method.id] = Presets(method)
                presets.changed.connect(self._choose)
                layout.addWidget(presets)
        row = QHBoxLayout()
        row.setSpacing(4)
        row.addWidget(self._strength, 1)
        row.addWidget(self._several)
        layout.addLayout(row)
        self._ends = QWidget()
        ends = QHBoxLayout(self._ends)
        ends.setContentsMargins(2, 0, 2, 0)
        self._least, self._most = QLabel(), QLabel()
        for label in (self._least, self._most):
            label.setProperty("role", "caption")
            ends.addWidget(label)
        self._most.setAlignment(Qt.AlignmentFlag.AlignRight)
        layout.addWidget(self._ends)
        self._strength.changed.connect(lambda value: session.set_draft(strength=value))
        self._several.clicked.connect(lambda: run_actions.try_strengths(session))
        session.jobs.progressed.connect(self._show_plan)
        session.model.settled.connect(self._show_plan)

    def show_draft(self) -> None:
        """Show what the session's draft says."""
        draft = self._session.draft
        method = self._session.method
        exact, near = method.preset_of(draft), method.nearest_preset(draft)
        for key, presets in self._presets.items():
            presets.setVisible(key == method.id)
            presets.set_value("" if exact is None else exact.name)
        own = near is not None and near.settings is not None
        self._strength.set_default(near.strength if near and own else method.first_strength(draft.model))
        self._strength.set_value(draft.strength)
        ends = ("", "") if near is None else near.ends
        for label, words in zip((self._least, self._most), ends, strict=True):
            label.setText(words)
        self._ends.setVisible(any(ends))
        self._show_plan()

    def _choose(self, name: str) -> None:
        presets = self._session.method.presets
        self._session.choose_preset(next(preset for preset in presets if preset.name == name))

    def _show_plan(self) -> None:
        """What depends on what the button would do."""
        settings, action = self._session.draft.settings, self._session.plan.action
        how = "How far it may go from what is there" if settings.needs_model else "How much of it counts"
        whole = not settings.needs_model and action in WHOLE
        self._strength.setEnabled(not whole)
        self._strength.setToolTip(
            "What is removed or moved is so altogether; strength is for filling and blending."
            if whole
            else f"{how}: 0\u202f% keeps everything. Multiplies what is painted."
        )
        self._several.setVisible(Use.STRENGTHS in self._session.draft.settings.uses)
        self._several.setEnabled(run_actions.can_try_strengths(self._session))
        why_not = "" if self._several.isEnabled() else self._session.plan.reason
        self._several.setToolTip(f"{TRY}\n{why_not}" if why_not else TRY)


class Presets(QWidget):
    """A method's presets in a row, or in two where they are many. `changed(name)` when the person chose one."""

    changed = Signal(str)

    def __init__(self, method: AnyMethod) -> None:
        super().__init__()
        self._rows: list[Choice] = []
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.setSpacing(4)
        presets = method.presets
        half = len(presets) // 2 if len(presets) > IN_A_ROW else 0
        for row in (presets[:half], presets[half:]):
            if not row:
                continue
            label = "Overall strength" if row[0].settings is None else "Preset"
            choice = Choice(
                label,
                [
                    (preset.name, preset.name, f"{preset.about}\nOverall strength {preset.strength:.0%}")
                    for preset in row
                ],
            )
            choice.changed.connect(self.changed)
            layout.addWidget(choice)
            self._rows.append(choice)

    def set_value(self, name: str) -> None:
        """Show which one is chosen; none by an empty name."""
        for row in self._rows:
            row.set_value(name)
