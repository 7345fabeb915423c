"""Method chooser: the method in words and, where it needs one, its model."""

from __future__ import annotations

from PySide6.QtCore import Qt
from PySide6.QtWidgets import QHBoxLayout, QLabel, QPushButton, QVBoxLayout, QWidget

from editor.models.device import INSTALL, NOT_INSTALLED, installed
from editor.models.info import ModelInfo
from widgets.controls.choice import Choice
from widgets.session.session import Session

MORE_MODELS = "more"


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
