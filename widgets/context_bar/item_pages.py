"""Pages of the context bar for the move tool: about the active item or exemplar, or a hint while there is none."""

from __future__ import annotations

from collections.abc import Callable

from PySide6.QtCore import Qt, Signal
from PySide6.QtGui import QKeyEvent, QMouseEvent
from PySide6.QtWidgets import QLabel

from editor.planning.plan import Draft, removal
from editor.requests.method_settings import Use
from widgets.context_bar.pages import SLIDER, Page, Words
from widgets.controls.slider import Slider
from widgets.session import commands, edits
from widgets.session.session import Session

AUTOMATIC = "Automatic"


def takes_pictures(draft: Draft) -> bool:
    """Whether the model of the next edit takes exemplars as prompts."""
    return draft.settings.needs_model and draft.model is not None and draft.model.traits.takes_pictures


class ItemPage(Page):
    """An item: take it out, put it back, widen its hole."""

    def __init__(self, session: Session) -> None:
        super().__init__(session)
        self._name = self.name()
        self._remove = self.button("Remove", "Take it out of the picture and heal the hole · Delete")
        self._back = self.button("Put back", "Show it where it was")
        self._outline = self.button("Edit outline", "Paint or draw what belongs to it")
        self._words = Words(session, "item")
        self.row.addWidget(self._words)
        self._grow = self.slider("Margin", 0, 200, session.draft.settings.margin, unit="px", step=1, curve=2)
        self._grow.setToolTip(
            "How far around it the picture is filled anew, for its shadow and fringes. The outline shows it."
        )
        self._remove.clicked.connect(self._take_out)
        self._back.clicked.connect(self._put_back)
        self._outline.clicked.connect(self._edit_outline)
        self._grow.changed.connect(self._set_grow)

    def show_state(self) -> None:
        item = None if self.session.draft.item is None else self.session.document.item(self.session.draft.item)
        if item is not None:
            self._name.setText(item.name)
            self._back.setEnabled(item.placement is not None)
        self._grow.set_value(self.session.draft.settings.margin)
        self._grow.setVisible(Use.ITEMS in self.session.draft.settings.uses)
        self._words.show_state()

    def _take_out(self) -> None:
        item = None if self.session.draft.item is None else self.session.document.item(self.session.draft.item)
        if item is not None:
            self.session.run(removal(item))

    def _put_back(self) -> None:
        if self.session.draft.item is not None:
            commands.put_back(self.session, self.session.draft.item)

    def _edit_outline(self) -> None:
        if self.session.draft.item is not None:
            edits.edit_outline(self.session, self.session.draft.item)

    def _set_grow(self, value: float) -> None:
        settings = self.session.draft.settings
        if Use.ITEMS in settings.uses:
            self.session.set_draft(settings=settings.with_values(grow=int(value)))


class ExemplarPage(Page):
    """An exemplar: how much of it is let in, flip, cut-out, blend."""

    def __init__(self, session: Session) -> None:
        super().__init__(session)
        self._name = self.name()
        self._strength = self.slider("Influence", 0, 1, 1)
        self._fidelity = self.slider("Keep as it is", 0, 1, 0)
        self._rim = AutomaticSlider("Blend width", 0, 256, 0, unit="px", step=1, curve=2)
        self._weight = self.slider("As prompt", 0, 1, 1)
        self._rim.setMinimumWidth(self._rim.sizeHint().width())
        self._rim.setMaximumWidth(max(SLIDER, self._rim.sizeHint().width()))
        self.row.insertWidget(self.row.indexOf(self._weight), self._rim)
        self._strength.setToolTip("How much of it comes in.")
        self._fidelity.setToolTip(
            "How firmly it keeps its own look (fidelity): at 0 % the model only starts from it, at 100 % it stays as it is."
        )
        self._rim.setToolTip("How far around it the picture may adapt (rim). Double click: what suits the model.")
        self._weight.setToolTip("How much its look counts as a prompt, beside the other reference pictures.")
        flip, upright = (
            self.icon("flip-vertical-2", "Flip left to right"),
            self.icon("flip-horizontal-2", "Flip top to bottom"),
        )
        brush, lasso = self.icon("scissors", "Paint its cut-out"), self.icon("lasso", "Draw its cut-out")
        local = self.icon("spray-can", "Paint how much of it comes in")
        blend = self.button("Blend", "Let it in · Ctrl+Enter")
        self._strength.changed.connect(
            lambda value: self._with(lambda id: edits.set_exemplar_strength(session, id, value))
        )
        self._fidelity.changed.connect(
            lambda value: self._with(lambda id: edits.set_exemplar_fidelity(session, id, value))
        )
        self._rim.changed.connect(lambda value: self._with(lambda id: edits.set_exemplar_rim(session, id, value)))
        self._rim.released.connect(lambda: self._with(lambda id: edits.set_exemplar_rim(session, id, None)))
        self._weight.changed.connect(lambda value: self._with(lambda id: edits.set_exemplar_weight(session, id, value)))
        flip.clicked.connect(lambda: self._with(lambda id: edits.flip_exemplar(session, id)))
        upright.clicked.connect(lambda: self._with(lambda id: edits.flip_exemplar(session, id, upright=True)))
        brush.clicked.connect(lambda: self._with(lambda id: edits.paint_cutout(session, id)))
        lasso.clicked.connect(lambda: self._with(lambda id: edits.draw_cutout(session, id)))
        local.clicked.connect(lambda: self._with(lambda id: edits.paint_exemplar_strength(session, id)))
        blend.clicked.connect(self._blend)

    def show_state(self) -> None:
        draft = self.session.draft
        exemplar = None if draft.exemplar is None else self.session.document.exemplar(draft.exemplar)
        if exemplar is not None:
            self._name.setText(exemplar.name)
            self._strength.set_value(exemplar.strength)
            self._fidelity.set_value(exemplar.fidelity)
            self._rim.show_value(exemplar.rim)
            self._weight.set_value(exemplar.prompt_weight)
        for slider in (self._fidelity, self._rim):
            slider.setVisible(draft.settings.needs_model)
        self._weight.setVisible(takes_pictures(draft))

    def _blend(self) -> None:
        # Its own button is about nothing else; words alone take no exemplars, and the method changes.
        self.session.activate(exemplar=self.session.draft.exemplar)
        self.session.run()

    def _with(self, change: Callable[[int], object]) -> None:
        if self.session.draft.exemplar is not None:
            change(self.session.draft.exemplar)


class HintPage(Page):
    """The move tool with nothing to move."""

    def __init__(self, session: Session) -> None:
        super().__init__(session)
        self._hint = QLabel()
        self._hint.setProperty("role", "quiet")
        self._hint.setContentsMargins(6, 0, 6, 0)
        self.row.addWidget(self._hint)

    def show_state(self) -> None:
        document = self.session.document
        if document.items or document.exemplars:
            self._hint.setText("Click on an item or a reference picture to move it")
        else:
            self._hint.setText("Nothing can be moved yet: select something and make it an item, or drop a picture")


class AutomaticSlider(Slider):
    """As a slider, but a double click or Delete makes it automatic again: `released()`. It then says so in place of a value."""

    released = Signal()

    automatic = False

    @property
    def text(self) -> str:
        return AUTOMATIC if self.automatic else super().text

    def _widest(self) -> str:
        return max(super()._widest(), AUTOMATIC, key=len)

    def show_value(self, value: float | None) -> None:
        """Show a value that came from elsewhere, None for automatic; no signal."""
        automatic = value is None
        if automatic != self.automatic:
            self.automatic = automatic
            self.update()
        self.set_value(0.0 if value is None else value)
        self._describe()

    def _set(self, value: float, *, fine: bool = False) -> None:
        before, automatic, self.automatic = self._value, self.automatic, False
        super()._set(value, fine=fine)
        if automatic and self._value == before:  # the same number, but now it was chosen
            self._describe()
            self.update()
            self.changed.emit(self._value)

    def mouseDoubleClickEvent(self, event: QMouseEvent) -> None:
        if event.button() == Qt.MouseButton.LeftButton:
            self.released.emit()

    def keyPressEvent(self, event: QKeyEvent) -> None:
        if event.key() in (Qt.Key.Key_Delete, Qt.Key.Key_Backspace):
            self.released.emit()
        else:
            super().keyPressEvent(event)
