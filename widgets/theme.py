"""Theme: the neutral greys of the dark and the light theme, one accent, and the style sheet filled with them.

Colours stand here and nowhere else; the greys have no cast, because people judge colour beside them.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass
from string import Template
from typing import Literal

from PySide6.QtCore import QObject, Qt, Signal
from PySide6.QtGui import QColor, QFont, QPalette
from PySide6.QtWidgets import QApplication

from resources import style_sheet

Choice = Literal["system", "dark", "light"]
CHOICES: tuple[Choice, ...] = ("system", "dark", "light")

FONT_PIXELS = 13


@dataclass(frozen=True, slots=True)
class Colours:
    """Colours by what they are for, each `#rrggbb`.

    Surfaces from the back to the front: `field` (where one types), `window`, `panel`, `raised` (buttons), `hover`, `pressed`, and
    `fill` (the filled part of a slider). `line`: hairlines. `text`, `quiet` (secondary), `faint` (cannot be used just now).
    `accent`: the primary action, selection and focus; `accent_hover`; `on_accent`: text on it; `selected`: behind a chosen row.
    `danger`: destruction. `doubt`: look closely.
    """

    field: str
    window: str
    panel: str
    raised: str
    hover: str
    pressed: str
    fill: str
    line: str
    text: str
    quiet: str
    faint: str
    accent: str
    accent_hover: str
    on_accent: str
    selected: str
    danger: str
    doubt: str


DARK = Colours(
    field="#1a1a1a",
    window="#1f1f1f",
    panel="#272727",
    raised="#303030",
    hover="#383838",
    pressed="#424242",
    fill="#404040",
    line="#3a3a3a",
    text="#e6e6e6",
    quiet="#a8a8a8",
    faint="#6f6f6f",
    accent="#4c9aff",
    accent_hover="#6aacff",
    on_accent="#101010",
    selected="#2d3b4d",
    danger="#ff7a70",
    doubt="#f0b429",
)
LIGHT = Colours(
    field="#ffffff",
    window="#ececec",
    panel="#f7f7f7",
    raised="#ebebeb",
    hover="#e2e2e2",
    pressed="#d6d6d6",
    fill="#dadada",
    line="#d8d8d8",
    text="#1f1f1f",
    quiet="#5c5c5c",
    faint="#9c9c9c",
    accent="#1f6fd6",
    accent_hover="#185eb8",
    on_accent="#ffffff",
    selected="#d5e5fa",
    danger="#c4281c",
    doubt="#8f5f00",
)


def colours(palette: QPalette) -> Colours:
    """The colours that go with a palette; for widgets that draw themselves."""
    # A role that no rule of the style sheet changes: a transparent background would pass for black.
    return DARK if palette.color(QPalette.ColorRole.Mid).lightness() < 128 else LIGHT


def palette(scheme: Colours) -> QPalette:
    """The same colours as a palette, for Fusion and for text that is drawn by Qt."""
    role, qt_palette = QPalette.ColorRole, QPalette()
    for where, name in {
        role.Window: scheme.panel,
        role.WindowText: scheme.text,
        role.Base: scheme.field,
        role.AlternateBase: scheme.window,
        role.Text: scheme.text,
        role.PlaceholderText: scheme.quiet,
        role.Button: scheme.raised,
        role.ButtonText: scheme.text,
        role.BrightText: scheme.danger,
        role.Light: scheme.hover,
        role.Midlight: scheme.hover,
        role.Mid: scheme.line,
        role.Dark: scheme.line,
        role.Shadow: scheme.field,
        role.Highlight: scheme.accent,
        role.HighlightedText: scheme.on_accent,
        role.Accent: scheme.accent,
        role.Link: scheme.accent,
        role.LinkVisited: scheme.accent,
        role.ToolTipBase: scheme.raised,
        role.ToolTipText: scheme.text,
    }.items():
        qt_palette.setColor(where, QColor(name))
    for where in (role.WindowText, role.Text, role.ButtonText, role.HighlightedText):
        qt_palette.setColor(QPalette.ColorGroup.Disabled, where, QColor(scheme.faint))
    qt_palette.setColor(QPalette.ColorGroup.Disabled, role.Highlight, QColor(scheme.pressed))
    return qt_palette


class Theme(QObject):
    """Dresses the application and follows the system's switch between dark and light while `choice` is "system".

    `changed()` comes after the new colours are in place.
    """

    changed = Signal()

    def __init__(self, application: QApplication, choice: Choice = "system") -> None:
        super().__init__(application)
        self._application = application
        self._choice = choice
        self._worn: Colours | None = None
        application.setStyle("Fusion")
        application.setFont(ui_font(application.font()))
        application.styleHints().colorSchemeChanged.connect(self._wear)
        self._ask_system()
        self._wear()

    @property
    def choice(self) -> Choice:
        return self._choice

    @property
    def dark(self) -> bool:
        return self._worn is DARK

    def choose(self, choice: Choice) -> None:
        self._choice = choice
        self._ask_system()
        self._wear()

    def _ask_system(self) -> None:
        """Title bars and the system's own dialogs are to be dark or light as well."""
        scheme = {"dark": Qt.ColorScheme.Dark, "light": Qt.ColorScheme.Light, "system": Qt.ColorScheme.Unknown}
        self._application.styleHints().setColorScheme(scheme[self._choice])

    def _wear(self) -> None:
        scheme = self._application.styleHints().colorScheme()
        # A system that does not say is taken for dark: pictures look truest on it, and so do most editors.
        dark = self._choice == "dark" or (self._choice == "system" and scheme != Qt.ColorScheme.Light)
        wanted = DARK if dark else LIGHT
        if wanted is self._worn:
            return
        self._worn = wanted
        self._application.setPalette(palette(wanted))
        self._application.setStyleSheet(Template(style_sheet()).substitute(asdict(wanted)))
        self.changed.emit()


def ui_font(font: QFont) -> QFont:
    """The system's font at our size, with figures of equal width so that changing numbers do not dance."""
    copy = QFont(font)
    copy.setPixelSize(FONT_PIXELS)
    copy.setFeature(QFont.Tag("tnum"), 1)
    return copy
