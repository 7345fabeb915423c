"""Pages of the context bar, one for each kind of tool or active thing."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

from PySide6.QtCore import Qt, Signal
from PySide6.QtWidgets import QHBoxLayout, QPushButton, QSizePolicy, QWidget

from editor.document.contents import Exemplar
from editor.planning.plan import Touch
from editor.requests.method_settings import Region, Use
from widgets.controls.choice import Choice
from widgets.controls.elided import ElidedLabel
from widgets.controls.icons import IconButton
from widgets.controls.slider import Slider
from widgets.session import commands, edits, run_actions
from widgets.session.options import Target, ToolName
from widgets.session.session import Session

SLIDER = 136
LIST = 104
NAME = 184

TARGETS: tuple[tuple[Target, str, str], ...] = (
    ("strength", "Strength", "Say how much may change."),
    ("protect", "Protection", "What must never change; it outranks everything."),
    ("avoid", "Do not copy", "What nothing may be copied from."),
    ("selection", "Selection", "What is selected."),
)
# With a reference picture active, strength is painted into that.
TARGETS_ON_EXEMPLAR: tuple[tuple[Target, str, str], ...] = (
    ("strength", "Influence", "Say how much of it comes in."),
    *TARGETS[1:],
)
OF_THINGS: dict[Target, str] = {
    "item": "outline",
    "cutout": "cut-out",
    "exemplar_strength": "influence",
    "exemplar_fidelity": "kept look",
    "strength": "influence",  # with an exemplar active
}
MAPS_OF_EXEMPLAR: tuple[tuple[Target, str, str], ...] = (
    ("exemplar_strength", "Influence", "How much of it comes in."),
    ("exemplar_fidelity", "Keep as it is", "How firmly it keeps its own look (fidelity)."),
    ("cutout", "Cut-out", "What of it counts."),
)
COMBINE = (
    ("replace", "New", "A new shape replaces the old one."),
    ("add", "Add", "A new shape is added. Shift does it at any time."),
    ("subtract", "Take away", "A new shape is taken away. Alt does it at any time."),
    ("intersect", "Overlap", "Only what both cover is left. Shift and Alt together do it at any time."),
)


class Page(QWidget):
    """A row of controls. `show_state` brings them up to date with the session."""

    def __init__(self, session: Session) -> None:
        super().__init__()
        self.session = session
        self.row = QHBoxLayout(self)
        self.row.setContentsMargins(0, 0, 0, 0)
        self.row.setSpacing(6)

    def show_state(self) -> None:
        raise NotImplementedError

    def slider(
        self,
        label: str,
        low: float,
        high: float,
        default: float,
        *,
        unit: str = "%",
        step: float = 0.01,
        curve: float = 1.0,
    ) -> Slider:
        slider = Slider(label, low, high, default, unit=unit, step=step, curve=curve)
        slider.setToolTip(label)  # its words give way where the bar is narrow
        slider.setMinimumWidth(SLIDER - 72)
        slider.setMaximumWidth(SLIDER)
        self.row.addWidget(slider)
        return slider

    def listed(self, label: str, options: Sequence[tuple[str, str, str]]) -> Choice:
        choice = Choice(label, options, as_list=True)
        choice.setMinimumWidth(LIST - 32)
        choice.setMaximumWidth(LIST)
        choice.setToolTip(label)
        self.row.addWidget(choice)
        return choice

    def name(self) -> ElidedLabel:
        """A place for the name of the thing that this is about."""
        label = ElidedLabel()
        label.setProperty("role", "title")
        label.setSizePolicy(QSizePolicy.Policy.Preferred, QSizePolicy.Policy.Preferred)
        label.setMinimumWidth(32)
        label.setMaximumWidth(NAME)
        label.setContentsMargins(6, 0, 6, 0)
        self.row.addWidget(label)
        return label

    def icon(self, name: str, text: str, *, danger: bool = False) -> IconButton:
        button = IconButton(name, text, danger=danger)
        self.row.addWidget(button)
        return button

    def button(self, text: str, tip: str) -> QPushButton:
        button = QPushButton(text)
        button.setToolTip(tip)
        button.setFocusPolicy(Qt.FocusPolicy.TabFocus)
        self.row.addWidget(button)
        return button


HINTS: dict[ToolName, str] = {
    "strength": "Paint over what should change",
    "gradient": "Drag from where it may change to where not",
    "segment": "Click on a thing",
    "lasso": "Draw around something",
    "rectangle": "Drag out what you mean",
    "ellipse": "Drag out what you mean",
    "select_brush": "Paint over what you mean",
}


class _ToolPage(Page):
    """A tool that writes to maps. Before anything was done to the picture it says what to do; when the map is that of an item or an
    exemplar it names that and leads back to moving it.
    """

    def __init__(self, session: Session) -> None:
        super().__init__(session)
        self._name = self.name()

    def add_done(self) -> None:
        """The end of the row."""
        self._first = ElidedLabel()
        self._first.setProperty("role", "quiet")
        self._first.setSizePolicy(QSizePolicy.Policy.Preferred, QSizePolicy.Policy.Preferred)
        self._first.setContentsMargins(6, 0, 6, 0)
        self.row.addWidget(self._first)
        self._done = self.button("Done", "Back to the move tool · Esc")
        self._done.clicked.connect(lambda: edits.finish_thing(self.session))

    def show_state(self) -> None:
        thing = edits.edited_thing(self.session)
        target = self.session.options.target
        if thing is not None and target is not None:
            self._name.setText(f"{thing.name} · {OF_THINGS[target]}")
        hint = HINTS.get(self.session.options.tool, "")
        fresh = len(self.session.history.entries) == 1 and thing is None
        self._first.setText(hint)
        self._first.setVisible(fresh and bool(hint))
        self._name.setVisible(thing is not None)
        self._done.setVisible(thing is not None)


def value_label(session: Session) -> str:
    """What the value that tools write means: one word for one map."""
    if session.options.strength_target == "exemplar_fidelity":
        return "Keep as it is"
    return "Influence" if isinstance(edits.edited_thing(session), Exemplar) else "Strength"


class _Targets(QWidget):
    """What a tool writes into, as a list that calls each map what it is just now. `changed(target)` when the person chose one."""

    changed = Signal(str)

    def __init__(self, page: Page, label: str) -> None:
        super().__init__()
        self._session = page.session
        row = QHBoxLayout(self)
        row.setContentsMargins(0, 0, 0, 0)
        self._lists = {on_exemplar: page.listed(label, options) for on_exemplar, options in _TARGETS.items()}
        for choice in self._lists.values():
            row.addWidget(choice)
            choice.changed.connect(self.changed)
        page.row.addWidget(self)

    def show_state(self) -> None:
        """Show where the tool writes; nothing where that is no map of the picture."""
        on_exemplar = isinstance(edits.edited_thing(self._session), Exemplar)
        for kind, choice in self._lists.items():
            choice.set_value(self._session.options.strength_target)
            choice.setVisible(kind == on_exemplar)
        self.setVisible(bool(self._lists[on_exemplar].value))


_TARGETS = {False: TARGETS, True: TARGETS_ON_EXEMPLAR}  # whether strength is that of a reference picture


class BrushPage(_ToolPage):
    """Size and hardness of the brush in hand."""

    def __init__(self, session: Session) -> None:
        super().__init__(session)
        self._size = self.slider("Size", 1, 2000, 120, unit="px", step=1, curve=2.5)
        self._hardness = self.slider("Hardness", 0, 1, 0.8)
        self._size.changed.connect(lambda value: session.set_brush(size=value))
        self._hardness.changed.connect(lambda value: session.set_brush(hardness=value))

    def show_state(self) -> None:
        super().show_state()
        brush = self.session.options.brush
        self._size.set_value(brush.size)
        self._hardness.set_value(brush.hardness)


class StrengthPage(BrushPage):
    """The strength brush: what it paints, how it lays it on, and the value."""

    MODES = (
        ("set", "Paint", "Paint exactly this value."),
        ("lighten", "Raise", "Only raise what is lower."),
        ("darken", "Lower", "Only lower what is higher."),
        ("smooth", "Smooth", "Even out what is there."),
        ("clear", "Erase", "Back to 0: nothing happens here."),
    )

    def __init__(self, session: Session) -> None:
        super().__init__(session)
        self._value = self.slider("Strength", 0, 1, 1)
        self._mode = self.listed("How it is laid on", self.MODES)
        self._target = _Targets(self, "What the brush paints")
        self._own = self.listed("What of the reference picture the brush paints", MAPS_OF_EXEMPLAR)
        self.add_done()
        self._value.setToolTip("0 % keeps, 100 % is free to change · digits 1 to 9, 0 for 100 %")
        self._value.changed.connect(lambda value: session.set_options(value=value))
        self._mode.changed.connect(lambda mode: session.set_options(mode=mode))
        self._own.changed.connect(self._paint_own)
        self._target.changed.connect(lambda target: session.set_options(strength_target=target))

    def show_state(self) -> None:
        super().show_state()
        options = self.session.options
        self._value.set_value(options.value)
        # Elsewhere a place is in or out.
        graded = options.strength_target not in ("protect", "avoid", "selection", "item", "cutout")
        self._value.set_label(value_label(self.session))
        self._value.setVisible(graded)
        self._value.setEnabled(graded and options.mode not in ("smooth", "clear"))
        self._mode.set_value(options.mode)
        self._target.show_state()
        # What holds on to an exemplar is a model.
        self._own.set_value(options.strength_target)
        self._own.setVisible(bool(self._own.value) and self.session.draft.settings.needs_model)

    def _paint_own(self, target: Target) -> None:
        id = self.session.draft.exemplar
        if id is None:
            return
        match target:
            case "cutout":
                edits.paint_cutout(self.session, id)
            case "exemplar_fidelity":
                edits.paint_exemplar_fidelity(self.session, id)
            case _:
                edits.paint_exemplar_strength(self.session, id)


class GradientPage(_ToolPage):
    """The gradient: straight or round, from which value, into what."""

    def __init__(self, session: Session) -> None:
        super().__init__(session)
        kinds = [("linear", "Linear", "From one side to the other."), ("radial", "Radial", "From a middle outwards.")]
        self._kind = Choice("Gradient", kinds)
        self.row.addWidget(self._kind)
        self._value = self.slider("Strength", 0, 1, 1)
        self._target = _Targets(self, "What it is drawn into")
        self.add_done()
        self._kind.changed.connect(lambda kind: session.set_options(gradient=kind))
        self._value.changed.connect(lambda value: session.set_options(value=value))
        self._target.changed.connect(lambda target: session.set_options(strength_target=target))

    def show_state(self) -> None:
        super().show_state()
        options = self.session.options
        self._kind.set_value(options.gradient)
        self._value.set_value(options.value)
        self._value.set_label(value_label(self.session))
        self._target.show_state()


class SelectBrushPage(BrushPage):
    """The selection brush."""

    def __init__(self, session: Session) -> None:
        super().__init__(session)
        self._next = _WithSelection(session)
        self.row.addWidget(self._next)
        self.add_done()

    def show_state(self) -> None:
        super().show_state()
        self._next.show_state()


class ShapePage(_ToolPage):
    """Shapes and click to select: what they become, and how they combine."""

    def __init__(self, session: Session) -> None:
        super().__init__(session)
        self._target = self.listed("What the shape becomes", (TARGETS[3], *TARGETS[:3]))
        self._combine = self.listed("How it combines", COMBINE)
        self._hint = ElidedLabel("Shift adds · Alt takes away")
        self._hint.setSizePolicy(QSizePolicy.Policy.Preferred, QSizePolicy.Policy.Preferred)
        self._hint.setProperty("role", "caption")
        self.row.addWidget(self._hint)
        self._value = self.slider("Strength", 0, 1, 1)
        self._next = _WithSelection(session)
        self.row.addWidget(self._next)
        self.add_done()
        self._target.changed.connect(lambda target: session.set_options(shape_target=target))
        self._combine.changed.connect(lambda combine: session.set_options(combine=combine))
        self._value.changed.connect(lambda value: session.set_options(value=value))

    def show_state(self) -> None:
        super().show_state()
        options = self.session.options
        self._target.set_value(options.shape_target)
        self._target.setVisible(bool(self._target.value))
        self._combine.set_value(options.combine)
        self._value.set_value(options.value)
        self._value.setVisible(options.shape_target == "strength")
        self._hint.setVisible(options.tool == "segment" and not self.session.document.selection.blank)
        self._next.show_state()


class _WithSelection(Page):
    """Make the selection an item, set its strength, or say what should be in it."""

    def __init__(self, session: Session) -> None:
        super().__init__(session)
        self._item = self.button("Make item", "Name it, move it, remove it · Ctrl+J")
        self._fill = self.button("Set strength", "Let the selection change · Ctrl+Shift+F")
        self._words = Words(session, "selection")
        self.row.addWidget(self._words)
        self._item.clicked.connect(lambda: commands.selection_to_item(session))
        self._fill.clicked.connect(lambda: commands.selection_to_strength(session))

    def show_state(self) -> None:
        selecting = self.session.options.shape_target == "selection"
        self.setVisible(selecting and not self.session.document.selection.blank)
        self._words.show_state()
        self._fill.setVisible(self._words.isHidden())


class Words(Page):
    """What words can be about, while they are what changes the picture. `about`: what of it the buttons stand beside."""

    def __init__(self, session: Session, about: Literal["item", "selection"]) -> None:
        super().__init__(session)
        self._about = about
        inside = self.button("Repaint inside", "Put there what you say · Ctrl+Enter")
        outside = self.button("Repaint background", "Keep it, and repaint everything else as you say")
        inside.clicked.connect(lambda: self._repaint("inside"))
        outside.clicked.connect(lambda: self._repaint("outside"))

    def _repaint(self, region: Region) -> None:
        item = self.session.draft.item if self._about == "item" else None
        run_actions.repaint(self.session, region, Touch(self._about, item))

    def show_state(self) -> None:
        self.setVisible(Use.SURROUNDINGS in self.session.draft.settings.uses)
