"""What stands under "More" in the edit panel: quality, randomness, region and expert settings."""

from __future__ import annotations

from dataclasses import replace

from PySide6.QtGui import QIntValidator
from PySide6.QtWidgets import QHBoxLayout, QLabel, QLineEdit, QVBoxLayout, QWidget

from editor.edit import draw_seed
from editor.request import field_specs
from widgets.controls.choice import Choice
from widgets.controls.icons import IconButton
from widgets.controls.slider import Slider
from widgets.form import Form
from widgets.session import Session

MOST_VARIATIONS = 6
LARGEST_SEED = 2**31 - 1
GROUPS = {"quality": "Quality", "randomness": "Randomness", "region": "Region", "expert": "Expert"}


class More(QWidget):
    """Groups that a person can guess; an empty one is left out."""

    def __init__(self, session: Session, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._session = session
        self._forms: list[Form] = []
        self._variations = Slider("Variations", 1, MOST_VARIATIONS, 3, step=1)
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
        self._seed.setValidator(QIntValidator(0, LARGEST_SEED, self._seed))
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
                ("protect", "Protect", "Paint what must never change; it outranks everything."),
                ("avoid", "Don’t copy", "Paint what nothing may be copied from."),
            ],
        )
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 4)
        layout.setSpacing(4)
        specs = field_specs(type(session.draft.settings))
        for group, words in GROUPS.items():
            controls: list[QWidget] = []
            found = [spec for spec in specs if spec.group == group]
            if found:
                form = Form(found)
                form.changed.connect(self._set)
                self._forms.append(form)
                controls.append(form)
            if group == "randomness":
                controls += [self._variations, self._seeding, self._seed_row]
            if group == "region":
                controls.append(self._paints)
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

    def show_draft(self) -> None:
        """Show what the session's draft says."""
        draft = self._session.draft
        for form in self._forms:
            form.show_values(draft.settings)
        self._variations.set_value(draft.variations)
        self._seeding.set_value("new" if draft.seed is None else "fixed")
        self._seed_row.setVisible(draft.seed is not None)
        if draft.seed is not None and not self._seed.hasFocus():
            self._seed.setText(str(draft.seed))
        self._paints.set_value(self._session.options.strength_target)

    def _set(self, name: str, value: object) -> None:
        settings = self._session.draft.settings
        self._session.set_draft(settings=replace(settings, **{name: value}))  # type: ignore[arg-type]

    def _choose_seeding(self, how: str) -> None:
        self._session.set_draft(seed=None if how == "new" else draw_seed())

    def _seed_typed(self) -> None:
        if self._seed.hasAcceptableInput():
            self._session.set_draft(seed=int(self._seed.text()))
