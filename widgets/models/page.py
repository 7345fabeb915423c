"""The Models page: what is on this machine, getting more, and where it is kept."""

from __future__ import annotations

from pathlib import Path

from PySide6.QtCore import Qt
from PySide6.QtGui import QDragEnterEvent, QDropEvent, QShowEvent
from PySide6.QtWidgets import QDialog, QFileDialog, QFrame, QHBoxLayout, QLabel, QLineEdit, QMenu, QVBoxLayout, QWidget

from editor.errors import EditorError
from editor.models.catalogue import SUGGESTIONS, TIERS
from widgets.controls.column_scroll import ColumnScroll
from widgets.controls.elided import ElidedLabel
from widgets.controls.icons import CONTROL
from widgets.controls.section import FoldButton
from widgets.guard import Guarded
from widgets.incoming import files_of
from widgets.models.download_card import DownloadCard
from widgets.models.rows import ModelRow, RankerRow, SuggestionRow, hairline, plain_button
from widgets.models.service import ModelsService

MARGIN = 24
WHAT = "A model is a large file that has learned to paint from pictures. With one, edits can follow words and blend what you paste."
WITHOUT = "Quick fill works without: remove things, move them, blend pictures in."
ROUND_IT = 80  # pixels of the screen, for the title of the window and a margin


class ModelsPage(Guarded, QDialog):
    """Not modal: it stays beside the work. Models can also be dropped on it."""

    def __init__(self, service: ModelsService, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.setWindowTitle("Models")
        self.setAcceptDrops(True)
        self._service = service
        self.rows: dict[str, ModelRow] = {}
        self.suggestions: list[SuggestionRow] = []
        body = QWidget()
        column = QVBoxLayout(body)
        column.setContentsMargins(MARGIN, 16, MARGIN, MARGIN)
        column.setSpacing(0)
        self._add_present(column)
        self._add_getting(column)
        self._add_where(column)
        column.addStretch(1)
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        self._body, self._scroll = column, ColumnScroll(body)
        layout.addWidget(self._scroll)
        self.resize(600, min(760, self.screen().availableSize().height() - ROUND_IT))
        self.setMinimumWidth(440)
        service.changed.connect(self._show_models)
        service.getting_changed.connect(self._show_getting)
        service.refused.connect(self._show_refused)
        self._show_models()
        self._show_getting()
        self.id.setFocus()

    # How it is built

    def _add_present(self, column: QVBoxLayout) -> None:
        self.add = plain_button("Add a model…")
        menu = QMenu(self.add)
        menu.addAction("A folder…").triggered.connect(lambda: self._ask(QFileDialog.FileMode.Directory))
        menu.addAction("A .safetensors file…").triggered.connect(lambda: self._ask(QFileDialog.FileMode.ExistingFile))
        self.add.setMenu(menu)
        top = QHBoxLayout()
        top.addWidget(_title("On this computer"), 1)
        top.addWidget(self.add)
        column.addLayout(top)
        self.refusal = QLabel()
        self.refusal.setProperty("role", "doubt")
        self.refusal.setWordWrap(True)
        self.refusal.setContentsMargins(0, 8, 0, 4)
        self.refusal.hide()
        column.addWidget(self.refusal)
        self.empty = QFrame()
        words = QVBoxLayout(self.empty)
        words.setContentsMargins(0, 8, 0, 0)
        words.setSpacing(4)
        for text, role in ((WHAT, ""), (WITHOUT, "quiet")):
            label = QLabel(text)
            label.setProperty("role", role)
            label.setWordWrap(True)
            words.addWidget(label)
        column.addWidget(self.empty)
        self._list = QVBoxLayout()
        self._list.setSpacing(0)
        column.addLayout(self._list)
        self.ranker = RankerRow()
        self.ranker.chosen.connect(self._service.use_ranker)
        self.ranker.folder_wanted.connect(self._ask_ranker)
        self.ranker.wanted.connect(self._look_up_here)
        self._above_ranker = hairline()
        column.addWidget(self._above_ranker)
        column.addWidget(self.ranker)
        column.addSpacing(MARGIN)

    def _add_getting(self, column: QVBoxLayout) -> None:
        column.addWidget(_title("Get a model"))
        column.addSpacing(8)
        self.id = QLineEdit()
        self.id.setPlaceholderText("owner/name, or the address of a model's page")
        self.id.setAccessibleName("Model on the hub")
        self.look_up = plain_button("Look up")
        row = QHBoxLayout()
        row.setSpacing(8)
        row.addWidget(self.id, 1)
        row.addWidget(self.look_up)
        column.addLayout(row)
        column.addSpacing(8)
        self.card = DownloadCard()
        column.addWidget(self.card)
        column.addSpacing(8)
        self.id.returnPressed.connect(self._look_up)
        self.look_up.clicked.connect(self._look_up)
        self.card.wanted.connect(self._service.get)
        self.card.stopped.connect(self._service.stop)
        self.card.dismissed.connect(self._service.dismiss)
        self.card.retried.connect(self._retry)
        for memory in TIERS:
            fitting = [suggestion for suggestion in SUGGESTIONS if suggestion.memory == memory]
            alone = " or without a graphics card, slowly" if any(option.cpu for option in fitting) else ""
            heading = QLabel(f"From {memory} GB of graphics memory{alone}")
            heading.setProperty("role", "caption")
            heading.setContentsMargins(0, 12, 0, 4)
            column.addWidget(heading)
            for option in fitting:
                suggestion_row = SuggestionRow(option)
                suggestion_row.wanted.connect(self._look_up_here)
                self.suggestions.append(suggestion_row)
                column.addWidget(hairline())
                column.addWidget(suggestion_row)
        column.addSpacing(8)

    def _add_where(self, column: QVBoxLayout) -> None:
        column.addWidget(hairline())
        self.where = FoldButton("Where")
        self.where.setFixedHeight(40)
        column.addWidget(self.where)
        inner = QWidget()
        form = QVBoxLayout(inner)
        form.setContentsMargins(0, 0, 0, 0)
        form.setSpacing(8)
        self.folder = ElidedLabel()
        self.change_folder = plain_button("Change…")
        self.change_folder.setAccessibleName("Change the folder for downloads")
        self.change_folder.clicked.connect(self._ask_folder)
        self.mirror = QLineEdit()
        self.mirror.setPlaceholderText("https://huggingface.co")
        self.mirror.setAccessibleName("Address of a mirror")
        self.mirror.editingFinished.connect(lambda: self._service.set_mirror(self.mirror.text()))
        form.addLayout(_field("Downloads go to", self.folder, self.change_folder))
        form.addLayout(_field("Mirror", self.mirror))
        note = QLabel(
            "Models in the hub's own cache (HF_HOME) are found as well. For models that need a login, run “hf auth login” once."
        )
        note.setProperty("role", "caption")
        note.setWordWrap(True)
        form.addWidget(note)
        inner.hide()
        self.where.toggled.connect(inner.setVisible)
        column.addWidget(inner)

    # What it shows

    def showEvent(self, event: QShowEvent) -> None:
        super().showEvent(event)
        self._service.refresh()

    def _show_models(self) -> None:
        service = self._service
        models = service.models
        self.refusal.hide()
        self.empty.setVisible(models is not None and not models)
        infos = {info.key: info for info in models or ()}
        if list(infos) != list(self.rows):
            self._arrange(list(infos))
        for key, info in infos.items():
            row = self.rows[key]
            row.show_model(info, used=key == service.used, forgettable=service.forgettable(key))
            row.show_origin("" if info.usable else service.origin(key))
        paints = any(info.usable for info in infos.values())
        self._above_ranker.setVisible(paints)
        self.ranker.setVisible(paints)
        self.folder.setText(str(service.folder))
        if not self.mirror.hasFocus():
            self.mirror.setText(service.mirror)
        self._show_suggestions()

    def _arrange(self, keys: list[str]) -> None:
        """A row for each key, in this order, between hairlines; rows that stay keep the keyboard."""
        while (item := self._list.takeAt(0)) is not None:
            widget = item.widget()
            if widget is not None and widget not in self.rows.values():
                widget.hide()
                widget.deleteLater()
        for key in [key for key in self.rows if key not in keys]:
            gone = self.rows.pop(key)
            gone.hide()
            gone.deleteLater()
        self.rows = {key: self.rows.get(key) or self._row(key) for key in keys}
        for at, row in enumerate(self.rows.values()):
            if at:
                self._list.addWidget(hairline())
            self._list.addWidget(row)
            row.show()  # at once, not in Qt's next turn

    def _row(self, key: str) -> ModelRow:
        row = ModelRow(key)
        row.used.connect(self._service.use)
        row.forgotten.connect(self._service.forget)
        row.folder_wanted.connect(self._service.show_folder)
        row.rest_wanted.connect(self._look_up_here)
        return row

    def _show_getting(self) -> None:
        getting = self._service.getting
        self.card.setVisible(getting is not None)
        if getting is not None:
            self.card.show_getting(getting, str(self._service.folder))
        self.look_up.setEnabled(not self._busy)
        self._show_suggestions()

    def _show_suggestions(self) -> None:
        here = [info for info in self._service.models or () if info.usable]
        for row in self.suggestions:
            known = any(info.source == row.id or info.path.as_posix().endswith(f"/{row.id}") for info in here)
            row.show_state(here=known, busy=self._busy)
        self.ranker.show_rankers(self._service.rankers, self._service.ranker, busy=self._busy)

    def _show_refused(self, error: EditorError) -> None:
        self.refusal.setText(str(error))
        self.refusal.show()

    @property
    def _busy(self) -> bool:
        getting = self._service.getting
        return getting is not None and getting.stage in ("looking", "running")

    # What people do

    def _look_up(self) -> None:
        if self.id.text().strip() and not self._busy:
            self._service.look_up(self.id.text())

    def _look_up_here(self, id: str) -> None:
        self.id.setText(id)
        self._look_up()
        self._body.activate()  # the card has only now come up
        self._scroll.ensureWidgetVisible(self.card)

    def _retry(self) -> None:
        if self._service.getting is not None:
            self._service.look_up(self._service.getting.id)

    def _ask(self, mode: QFileDialog.FileMode) -> None:
        dialog = self._dialog("Add a model", mode)
        dialog.setNameFilter("Models (*.safetensors)")
        dialog.fileSelected.connect(lambda name: self._service.add(Path(name)))
        dialog.open()

    def _ask_ranker(self) -> None:
        dialog = self._dialog("A CLIP model", QFileDialog.FileMode.Directory)
        dialog.fileSelected.connect(lambda name: self._service.add_ranker(Path(name)))
        dialog.open()

    def _ask_folder(self) -> None:
        dialog = self._dialog("Folder for models", QFileDialog.FileMode.Directory)
        dialog.fileSelected.connect(lambda name: self._service.set_folder(Path(name)))
        dialog.open()

    def _dialog(self, title: str, mode: QFileDialog.FileMode) -> QFileDialog:
        dialog = QFileDialog(self, title)
        dialog.setAttribute(Qt.WidgetAttribute.WA_DeleteOnClose)
        dialog.setWindowModality(Qt.WindowModality.WindowModal)
        dialog.setFileMode(mode)
        return dialog

    def dragEnterEvent(self, event: QDragEnterEvent) -> None:
        if files_of(event.mimeData()):
            event.acceptProposedAction()

    def dropEvent(self, event: QDropEvent) -> None:
        files = files_of(event.mimeData())
        if files:
            event.acceptProposedAction()
            for path in files:
                self._service.add(path)


def _title(text: str) -> QLabel:
    label = QLabel(text)
    label.setProperty("role", "title")
    label.setFixedHeight(CONTROL)
    return label


def _field(label: str, *widgets: QWidget) -> QHBoxLayout:
    """A line of the form; the first widget takes the room."""
    words = QLabel(label)
    words.setProperty("role", "quiet")
    words.setFixedWidth(112)
    row = QHBoxLayout()
    row.setSpacing(8)
    row.addWidget(words)
    for at, widget in enumerate(widgets):
        row.addWidget(widget, 0 if at else 1)
    return row
