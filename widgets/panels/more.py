"""Advanced settings under "More" in the edit panel: quality, randomness, region and expert settings."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import Any

from PySide6.QtCore import Qt
from PySide6.QtGui import QIntValidator
from PySide6.QtWidgets import QHBoxLayout, QLabel, QLineEdit, QPushButton, QVBoxLayout, QWidget

from editor.planning.plan import draw_seed
from editor.requests.samplers import SAMPLERS, Sampler
from editor.requests.settings_fields import FieldSpec, field_specs
from widgets.controls.choice import Choice
from widgets.controls.form import Form, labelled
from widgets.controls.icons import IconButton
from widgets.controls.slider import Slider
from widgets.session.session import Session

MAX_VARIATIONS = 6
MAX_SEED = 2**31 - 1
MAX_STEPS = 150
GROUPS = {"quality": "Quality", "randomness": "Randomness", "region": "Region", "expert": "Expert"}


class More(QWidget):
    """The groups of the method in hand; another method, or another kind of model, has others."""

    def __init__(self, session: Session, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._session = session
        self._groups: _Groups | None = None
        self._kind: object = None
        self._layout = QVBoxLayout(self)
        self._layout.setContentsMargins(0, 0, 0, 0)
        self.show_draft()

    def show_draft(self) -> None:
        """Show what the session's draft says."""
        kind = (
            [spec.name for spec in _specs(self._session)],
            _samplers(self._session),
        )
        if self._groups is None or kind != self._kind:
            if self._groups is not None:
                self._layout.removeWidget(self._groups)
                self._groups.hide()
                self._groups.deleteLater()
            self._kind, self._groups = kind, _Groups(self._session)
            self._layout.addWidget(self._groups)
            self._groups.show()
        self._groups.show_draft()


class _Groups(QWidget):
    """Groups that a person can guess; an empty one is left out."""

    def __init__(self, session: Session) -> None:
        super().__init__()
        self._session = session
        self._forms: list[Form] = []
        self._model_controls = _ModelControls(session) if session.draft.settings.needs_model else None
        self._frame = _FrameRow(session) if session.draft.settings.needs_model else None
        self._variations = Slider("Variations", 1, MAX_VARIATIONS, 3, step=1)
        self._variations.setToolTip("How many results to make, to choose from.")
        self._seeding = Choice(
            "Seed",
            [
                ("new", "New each time", "Every run draws a new seed."),
                ("fixed", "Fixed", "The same seed, the same result."),
            ],
        )
        self._seed = QLineEdit()
        self._seed.setAccessibleName("Seed")
        self._seed.setValidator(QIntValidator(0, MAX_SEED, self._seed))
        self._draw = IconButton("dices", "Draw another seed")
        self._seed_row = QWidget()
        row = QHBoxLayout(self._seed_row)
        row.setContentsMargins(0, 0, 0, 0)
        row.setSpacing(4)
        row.addWidget(self._seed, 1)
        row.addWidget(self._draw)
        self._paints = Choice(
            "The strength brush paints",
            [
                ("strength", "Strength", "Paint where it may change."),
                ("protect", "Protection", "Paint what must never change; it outranks everything."),
                ("avoid", "Do not copy", "Paint what nothing may be copied from."),
            ],
            as_list=True,  # side by side they would be wider than the column
        )
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 4)
        layout.setSpacing(4)
        for group, words in GROUPS.items():
            controls = list(self._controls(group))
            if controls:
                caption = QLabel(words)
                caption.setProperty("role", "caption")
                layout.addSpacing(4)
                layout.addWidget(caption)
                for control in controls:
                    layout.addWidget(control)
        self._variations.changed.connect(lambda value: session.set_draft(variations=int(value)))
        self._seeding.changed.connect(self._choose_seeding)
        self._seed.editingFinished.connect(self._seed_typed)
        self._draw.clicked.connect(lambda: session.set_draft(seed=draw_seed()))
        self._paints.changed.connect(lambda target: session.set_options(strength_target=target, tool="strength"))

    def _controls(self, group: str) -> Iterator[QWidget]:
        if group == "quality" and self._model_controls is not None:
            yield self._model_controls
        if group == "region" and self._frame is not None:
            yield self._frame
        specs = [spec for spec in _specs(self._session) if spec.group == group]
        if specs:
            form = Form(specs)
            form.changed.connect(self._set)
            self._forms.append(form)
            yield form
        if group == "randomness":
            yield from (self._variations, self._seeding, self._seed_row)
        if group == "region":
            yield labelled("Brush paints", "What the strength brush paints.", self._paints)

    def show_draft(self) -> None:
        draft = self._session.draft
        for form in self._forms:
            form.show_values(draft.settings)
        for part in (self._model_controls, self._frame):
            if part is not None:
                part.show_draft()
        self._variations.set_value(draft.variations)
        self._seeding.set_value("new" if draft.seed is None else "fixed")
        self._seed_row.setVisible(draft.seed is not None)
        if draft.seed is not None and not self._seed.hasFocus():
            self._seed.setText(str(draft.seed))
        self._paints.set_value(self._session.options.strength_target)

    def _set(self, name: str, value: object) -> None:
        changes: dict[str, Any] = {name: value}
        self._session.set_draft(settings=replace(self._session.draft.settings, **changes))

    def _choose_seeding(self, how: str) -> None:
        self._session.set_draft(seed=None if how == "new" else draw_seed())

    def _seed_typed(self) -> None:
        if self._seed.hasAcceptableInput():
            self._session.set_draft(seed=int(self._seed.text()))


class _ModelControls(QWidget):
    """What every method with a model has. What suits the model is shown until something else is chosen, and again after a double click."""

    def __init__(self, session: Session) -> None:
        super().__init__()
        self._session = session
        self._negative = QLineEdit()
        self._negative.setPlaceholderText("What should not appear?")
        self._negative.setAccessibleName("What should not appear")
        self._steps = Slider("Steps", 1, MAX_STEPS, 30, step=1, curve=2)
        self._steps.setToolTip("More take longer and are finer. A double click goes back to what suits the model.")
        self._guidance = Slider("Follow the words", 0, 30, 7, step=0.5, curve=2)
        self._guidance.setToolTip(
            "How closely the words are followed (guidance scale); too much looks harsh. A double click goes back to what suits the model."
        )
        samplers = [(sampler, SAMPLERS[sampler], "") for sampler in _samplers(session)]
        self._sampler = Choice("Sampler", samplers, as_list=True)
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.setSpacing(4)
        layout.addWidget(self._negative)
        layout.addWidget(self._steps)
        layout.addWidget(self._guidance)
        layout.addWidget(labelled("Sampler", "The way from noise to the picture.", self._sampler))
        self._negative.textEdited.connect(lambda text: session.set_draft(negative_prompt=text))
        self._steps.changed.connect(self._set_steps)
        self._guidance.changed.connect(self._set_guidance)
        session.scrub.changed.connect(self._mark)
        self._sampler.changed.connect(self._set_sampler)

    def show_draft(self) -> None:
        draft = self._session.draft
        if self._negative.text() != draft.negative_prompt:
            self._negative.setText(draft.negative_prompt)
        steps, guidance = self._suiting()
        self._steps.set_default(steps)
        self._guidance.set_default(guidance)
        self._steps.set_value(steps if draft.steps is None else draft.steps)
        self._guidance.set_value(guidance if draft.guidance_scale is None else draft.guidance_scale)
        self._sampler.set_value(draft.sampler)

    def _mark(self) -> None:
        self._guidance.set_marks(self._session.scrub.marks("guidance"))

    def _suiting(self) -> tuple[int, float]:
        model = self._session.draft.model
        if model is None:
            return 30, 7.0
        return model.own_steps, model.own_guidance

    def _set_steps(self, value: float) -> None:
        self._session.set_draft(steps=None if value == self._suiting()[0] else int(value))

    def _set_guidance(self, value: float) -> None:
        self._session.set_draft(guidance_scale=None if value == self._suiting()[1] else value)

    def _set_sampler(self, value: str) -> None:
        self._session.set_draft(sampler=next(sampler for sampler in SAMPLERS if sampler == value))


class _FrameRow(QWidget):
    """Whether the part that the model sees was chosen by hand, and the way back."""

    def __init__(self, session: Session) -> None:
        super().__init__()
        self._session = session
        self._words = QLabel()
        self._reset = QPushButton("Reset frame")
        self._reset.setProperty("role", "link")
        self._reset.setCursor(Qt.CursorShape.PointingHandCursor)
        self._reset.setFocusPolicy(Qt.FocusPolicy.TabFocus)
        self._reset.setToolTip("Let the program choose again how much around the change the model sees")
        layout = QHBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.addWidget(labelled("Frame", "What the model sees; drag its corners on the picture.", self._words), 1)
        layout.addWidget(self._reset)
        self._reset.clicked.connect(lambda: session.set_draft(frame=None))

    def show_draft(self) -> None:
        frame = self._session.draft.frame
        self._words.setText("Automatic" if frame is None else "By hand")
        self._words.setToolTip("" if frame is None else f"{frame.width} × {frame.height}\u202fpx of the picture")
        self._reset.setVisible(frame is not None)


def _specs(session: Session) -> list[FieldSpec]:
    """The fields that do something with the model in use: only some take pictures as prompts, only some are made for few steps."""
    draft, model = session.draft, session.draft.model
    idle = set[str]()
    if model is None or not model.traits.takes_pictures:
        idle.add("exemplar_prompt")
    # Where it was switched on for another model it must be possible to switch it off.
    few = model is not None and model.made_for_few_steps
    if not few and not getattr(draft.settings, "quiet_rungs", False):
        idle.add("quiet_rungs")
    return [spec for spec in field_specs(type(draft.settings)) if spec.name not in idle]


def _samplers(session: Session) -> tuple[Sampler, ...]:
    """What can be chosen: of the method's, those that suit the model; and what is chosen already."""
    draft = session.draft
    offered = session.method.samplers
    if draft.model is not None:
        offered = tuple(sampler for sampler in offered if sampler in draft.model.traits.samplers)
    return offered if draft.sampler in offered else (*offered, draft.sampler)
