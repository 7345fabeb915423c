"""How strongly: the overall strength, ready-made ones, and several to compare."""

from __future__ import annotations

from PySide6.QtWidgets import QHBoxLayout, QVBoxLayout, QWidget

from widgets import running
from widgets.controls.choice import Choice
from widgets.controls.icons import IconButton
from widgets.controls.slider import Slider
from widgets.methods import METHODS, first_strength, method_of
from widgets.session import Session

CLOSE = 0.005  # half of what the slider shows


class Overall(QWidget):
    """The slider and, for methods that have them, its presets."""

    def __init__(self, session: Session, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._session = session
        self._presets: dict[str, Choice] = {}
        self._strength = Slider("Strength", 0, 1, 1, unit="%", step=0.01)
        self._fan = IconButton(
            "columns-4", "Try strengths", tip="Try strengths: stripes from weak to strong, to choose from"
        )
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.setSpacing(4)
        for method in METHODS:
            if method.presets:
                options = [(each.name, each.name, f"{each.strength:.0%}: {each.about}") for each in method.presets]
                choice = self._presets[method.key] = Choice("Strength", options)
                choice.changed.connect(self._choose)
                layout.addWidget(choice)
        row = QHBoxLayout()
        row.setSpacing(4)
        row.addWidget(self._strength, 1)
        row.addWidget(self._fan)
        layout.addLayout(row)
        self._strength.changed.connect(lambda value: session.set_draft(strength=value))
        self._fan.clicked.connect(lambda: running.try_strengths(session))
        session.job_changed.connect(self._show_fan)
        session.document_changed.connect(self._document_changed)

    def show_draft(self) -> None:
        """Show what the session's draft says."""
        draft = self._session.draft
        method = method_of(draft.settings)
        for key, choice in self._presets.items():
            choice.setVisible(key == method.key)
            near = [each.name for each in method.presets if abs(each.strength - draft.strength) < CLOSE]
            choice.set_value(next(iter(near), ""))
        self._strength.set_default(first_strength(method.settings, draft.model))
        self._strength.set_value(draft.strength)
        how = "How far it may go from what is there" if method.settings.needs_model else "How much of it counts"
        self._strength.setToolTip(f"{how}: 0 % keeps everything. Multiplies what is painted.")
        self._show_fan()

    def _choose(self, name: str) -> None:
        presets = method_of(self._session.draft.settings).presets
        self._session.set_draft(strength=next(each.strength for each in presets if each.name == name))

    def _document_changed(self) -> None:
        if not self._session.in_gesture:
            self._show_fan()

    def _show_fan(self) -> None:
        self._fan.setVisible(self._session.draft.settings.needs_model)
        self._fan.setEnabled(running.can_fan(self._session))
