"""How the next edit is made, and how strongly: method and model, overall strength, ready-made ones, and several to compare."""

from __future__ import annotations

from PySide6.QtCore import Qt, Signal
from PySide6.QtWidgets import QHBoxLayout, QLabel, QPushButton, QVBoxLayout, QWidget

from editor.methods.base import AnyMethod
from editor.models.device import INSTALL, NOT_INSTALLED, installed
from editor.models.info import ModelInfo
from editor.requests.method_settings import Use
from widgets.controls.choice import Choice
from widgets.controls.icons import IconButton
from widgets.controls.slider import Slider
from widgets.session import run_actions
from widgets.session.session import Session

MORE_MODELS = "more"
IN_A_ROW = 4
WHOLE = ("remove", "move")  # actions that no strength weakens, without a model
TRY = "Try strengths: the same edit from weak to strong, to choose from"


class MethodPart(QWidget):
    """The top of the edit panel."""

    def __init__(self, session: Session, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._session = session
        self._models: list[ModelInfo] = []
        self._method = Choice(
            "Method",
            [(method.id, method.title, f"{method.explanation}\n{method.paper}") for method in session.methods],
            as_list=True,
        )
        self._explanation = QLabel()
        self._explanation.setProperty("role", "caption")
        self._explanation.setWordWrap(True)
        self._model: Choice | None = None
        self._model_row = QWidget()
        self._row = QHBoxLayout(self._model_row)
        self._row.setContentsMargins(0, 0, 0, 0)
        self._row.setSpacing(8)
        label = QLabel("Model")
        label.setProperty("role", "quiet")
        self._row.addWidget(label)
        self._missing = QWidget()
        line = QHBoxLayout(self._missing)
        line.setContentsMargins(0, 0, 0, 0)
        line.setSpacing(8)
        self._installed = installed()
        words = QLabel("No model yet." if self._installed else f"{NOT_INSTALLED} {INSTALL}")
        words.setProperty("role", "quiet")
        words.setWordWrap(not self._installed)
        self._get = QPushButton("Get a model…")
        self._get.setProperty("role", "link")
        self._get.setCursor(Qt.CursorShape.PointingHandCursor)
        self._get.setFocusPolicy(Qt.FocusPolicy.TabFocus)
        line.addWidget(words)
        line.addWidget(self._get, 1)
        self._get.setVisible(self._installed)
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.setSpacing(4)
        layout.addWidget(self._method)
        layout.addWidget(self._explanation)
        layout.addWidget(self._model_row)
        layout.addWidget(self._missing)
        self._method.changed.connect(self._choose_method)
        self._get.clicked.connect(session.show_models)
        session.model_choice.changed.connect(self._list_models)
        self._list_models()

    def show_draft(self) -> None:
        """Show what the session's draft says."""
        draft = self._session.draft
        method = self._session.method
        self._method.set_value(method.id)
        self._method.setToolTip(method.paper)
        self._explanation.setText(method.explanation)
        usable = bool(self._models) and self._installed
        self._model_row.setVisible(method.settings.needs_model and usable)
        self._missing.setVisible(method.settings.needs_model and not usable)
        if self._model is not None:
            model = draft.model
            self._model.set_value("" if model is None else model.key)
            self._model.setToolTip("" if model is None else f"{model.name}\n{model.traits.label}")

    def _list_models(self) -> None:
        """The models have changed: they stand in a new list."""
        self._models = list(self._session.models())
        if self._model is not None:
            self._row.removeWidget(self._model)
            self._model.hide()
            self._model.deleteLater()
        options = [(model.key, model.name, model.traits.label) for model in self._models]
        self._model = Choice("Model", [*options, (MORE_MODELS, "More models…", "")], as_list=True)
        self._model.changed.connect(self._choose_model)
        self._row.addWidget(self._model, 1)
        self.show_draft()

    def _choose_method(self, key: str) -> None:
        method = self._session.methods.by_id(key)
        if method is not None:
            self._session.choose_method(method.settings)

    def _choose_model(self, key: str) -> None:
        if key == MORE_MODELS:
            self.show_draft()  # it is no model: the list goes back to the one in use
            self._session.show_models()
        else:
            self._session.use_model(next(model for model in self._models if model.key == key))


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
        session.scrub.changed.connect(self._mark)

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

    def _mark(self) -> None:
        """Mark for which values results are ready."""
        self._strength.set_marks(self._session.scrub.marks("strength"))

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
