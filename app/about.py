"""Small windows of the program itself: preferences, the list of shortcuts, and about."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from PySide6.QtCore import Qt
from PySide6.QtWidgets import (
    QDialog,
    QDialogButtonBox,
    QFrame,
    QGridLayout,
    QLabel,
    QMessageBox,
    QScrollArea,
    QVBoxLayout,
    QWidget,
)

from app.settings import LEAST_AUTOSAVE, MIN_BUDGET, MOST_AUTOSAVE, Settings
from widgets.actions import Command, shortcut_words
from widgets.controls.choice import Check, Choice
from widgets.controls.icons import PROGRAM, pixmap
from widgets.controls.slider import Slider
from widgets.theme import Choice as ThemeChoice

GIGABYTE = 1024**3
MAX_BUDGET = 16
ICON = 64


class PreferencesDialog(QDialog):
    """What can be set for good. Every change counts at once."""

    def __init__(self, settings: Settings, choose_theme: Callable[[ThemeChoice], None], parent: QWidget) -> None:
        super().__init__(parent)
        self.setAttribute(Qt.WidgetAttribute.WA_DeleteOnClose)
        self.setWindowTitle("Preferences")
        theme = Choice("Theme", [("system", "As the system", ""), ("dark", "Dark", ""), ("light", "Light", "")])
        theme.set_value(settings.values.theme)
        theme.changed.connect(choose_theme)
        least = MIN_BUDGET / GIGABYTE
        undo = Slider("Memory for undo", least, MAX_BUDGET, 2, unit="GB", step=0.25, curve=2)
        undo.set_value(settings.values.undo_budget / GIGABYTE)
        undo.setToolTip("For each document; the oldest steps go when it is full.")
        undo.finished.connect(lambda value: settings.set(undo_budget=int(value * GIGABYTE)))
        note = QLabel("Memory for undo counts for documents opened from now on.")
        note.setProperty("role", "caption")
        note.setWordWrap(True)
        keep = Check("Keep open documents safe while you work")
        keep.setToolTip(
            "If the program ends unexpectedly, the next start offers them back as they were after the last step."
        )
        keep.setChecked(settings.values.autosave)
        most = Slider(
            "Space it may take", LEAST_AUTOSAVE / GIGABYTE, MOST_AUTOSAVE / GIGABYTE, 4, unit="GB", step=1, curve=2
        )
        most.set_value(settings.values.autosave_limit / GIGABYTE)
        most.setToolTip("On the disk, for all open documents together. It is free again when they are closed.")
        most.setEnabled(settings.values.autosave)
        most.finished.connect(lambda value: settings.set(autosave_limit=int(value * GIGABYTE)))
        keep.toggled.connect(lambda on: settings.set(autosave=on))
        keep.toggled.connect(most.setEnabled)
        grows = Check("Grow the frame when painting beyond it")
        grows.setToolTip(
            "The frame is the part of the picture that the model sees. A larger one starts anew; when this is off, it asks first."
        )
        grows.setChecked(settings.values.live_grows)
        grows.toggled.connect(lambda on: settings.set(live_grows=on))
        buttons = QDialogButtonBox(QDialogButtonBox.StandardButton.Close)
        buttons.rejected.connect(self.reject)
        layout = QVBoxLayout(self)
        layout.setContentsMargins(16, 16, 16, 16)
        layout.setSpacing(8)
        layout.addWidget(_title("Theme"))
        layout.addWidget(theme)
        layout.addSpacing(8)
        layout.addWidget(_title("History"))
        layout.addWidget(undo)
        layout.addWidget(note)
        layout.addSpacing(8)
        layout.addWidget(_title("Safety"))
        layout.addWidget(keep)
        layout.addWidget(most)
        layout.addSpacing(8)
        layout.addWidget(_title("Live"))
        layout.addWidget(grows)
        layout.addSpacing(8)
        layout.addWidget(buttons)
        buttons.button(
            QDialogButtonBox.StandardButton.Close
        ).setFocus()  # a ring round a theme would look like the choice
        self.setFixedWidth(400)


class ShortcutsDialog(QDialog):
    """Every command that has a key."""

    def __init__(self, commands: Sequence[Command], parent: QWidget) -> None:
        super().__init__(parent)
        self.setAttribute(Qt.WidgetAttribute.WA_DeleteOnClose)
        self.setWindowTitle("Shortcuts")
        body = QWidget()
        grid = QGridLayout(body)
        grid.setContentsMargins(0, 0, 8, 0)
        grid.setHorizontalSpacing(24)
        grid.setVerticalSpacing(8)
        for at, command in enumerate(shown for shown in commands if shown.keys):
            keys = QLabel(shortcut_words(command))
            keys.setProperty("role", "quiet")
            grid.addWidget(QLabel(command.text), at, 0)
            grid.addWidget(keys, at, 1)
        grid.setColumnStretch(0, 1)
        scroll = QScrollArea()
        scroll.setWidget(body)
        scroll.setWidgetResizable(True)
        scroll.setFrameShape(QFrame.Shape.NoFrame)
        scroll.setHorizontalScrollBarPolicy(Qt.ScrollBarPolicy.ScrollBarAlwaysOff)
        buttons = QDialogButtonBox(QDialogButtonBox.StandardButton.Close)
        buttons.rejected.connect(self.reject)
        layout = QVBoxLayout(self)
        layout.setContentsMargins(16, 16, 16, 16)
        layout.setSpacing(16)
        layout.addWidget(scroll)
        layout.addWidget(buttons)
        bar = scroll.verticalScrollBar().sizeHint().width()
        self.resize(max(440, body.sizeHint().width() + bar + 2 * 16), 560)


class AboutBox(QMessageBox):
    """What this is, and whose icons it shows."""

    def __init__(self, parent: QWidget) -> None:
        super().__init__(parent)
        self.setAttribute(Qt.WidgetAttribute.WA_DeleteOnClose)
        self.setWindowTitle("About")
        self.setIconPixmap(pixmap(PROGRAM, "#000000", ICON, self.devicePixelRatioF()))
        self.setText("Palimpsest")
        self.setInformativeText(
            "Change pictures by touching them: paint strength, drop reference pictures, move items.\n\n"
            "Icons by Lucide (ISC licence). Made with Qt (LGPL)."
        )


def _title(text: str) -> QLabel:
    label = QLabel(text)
    label.setProperty("role", "title")
    return label
