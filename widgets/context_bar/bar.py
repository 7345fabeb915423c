"""Context bar: floats at the bottom of the canvas with what the tool in hand, or the active thing, needs just now."""

from __future__ import annotations

from PySide6.QtCore import Qt
from PySide6.QtWidgets import QFrame, QHBoxLayout, QWidget

from widgets.context_bar.item_pages import ExemplarPage, HintPage, ItemPage
from widgets.context_bar.pages import GradientPage, Page, SelectBrushPage, ShapePage, StrengthPage
from widgets.context_bar.paint_page import PaintPage
from widgets.session.session import Session

HEIGHT = 40


class ContextualBar(QFrame):
    """One page at a time; hidden when there is nothing to set, and while there are results to judge."""

    def __init__(self, session: Session, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.setObjectName("floating")
        self.setAttribute(Qt.WidgetAttribute.WA_StyledBackground)
        self.setAccessibleName("What the tool needs")
        self.setFixedHeight(HEIGHT)
        self._session = session
        self._kind: type[Page] | None = None
        self._page: Page | None = None
        self._layout = QHBoxLayout(self)
        self._layout.setContentsMargins(6, 0, 6, 0)
        state = session.state
        for signal in (state.options_changed, state.draft_changed, state.active_layer_changed, session.model.settled):
            signal.connect(self._show)
        session.jobs.progressed.connect(self._follow_job)
        session.jobs.candidates_changed.connect(self._follow_job)
        self._show()

    @property
    def page(self) -> Page | None:
        return self._page

    def _follow_job(self) -> None:
        job = self._session.job
        self.setVisible(self._page is not None and not (job is not None and job.offers))

    def _show(self) -> None:
        kind = _page_for(self._session)
        if kind is not self._kind:
            self._kind = kind
            if self._page is not None:
                self._layout.removeWidget(self._page)
                self._page.hide()
                self._page.deleteLater()
            self._page = kind(self._session) if kind is not None else None
            if self._page is not None:
                self._layout.addWidget(self._page)
                self._page.show()
            self._follow_job()
        if self._page is not None:
            self._page.show_state()


def _page_for(session: Session) -> type[Page] | None:
    options, draft = session.options, session.draft
    match options.tool:
        case "strength":
            return StrengthPage
        case "gradient":
            return GradientPage
        case "paint" | "erase":
            return PaintPage
        case "select_brush":
            return SelectBrushPage
        case "lasso" | "rectangle" | "ellipse" | "segment":
            return ShapePage
        case "move":
            if draft.item is not None:
                return ItemPage
            return ExemplarPage if draft.exemplar is not None else HintPage
        case "hand" | "zoom":
            return None
