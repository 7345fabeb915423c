"""Colours that can be read, greys without a cast, icons that exist."""

from __future__ import annotations

import re
from dataclasses import asdict
from pathlib import Path
from string import Template

import pytest
from PySide6.QtCore import Qt
from PySide6.QtGui import QColor, QStyleHints
from PySide6.QtWidgets import QApplication, QToolButton, QWidget
from pytestqt.qtbot import QtBot

from resources import icon_names, icon_svg, style_sheet
from widgets.controls.icons import PROGRAM, IconButton, pixmap
from widgets.theme import DARK, LIGHT, Colours, Theme, colours, palette

BOTH = pytest.mark.parametrize("found", [DARK, LIGHT], ids=["dark", "light"])


def luminance(colour: str) -> float:
    ink = QColor(colour)
    parts = [value / 255 for value in (ink.red(), ink.green(), ink.blue())]
    linear = [value / 12.92 if value <= 0.03928 else ((value + 0.055) / 1.055) ** 2.4 for value in parts]
    return float(0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2])


def contrast(one: str, other: str) -> float:
    lighter, darker = sorted((luminance(one), luminance(other)), reverse=True)
    return (lighter + 0.05) / (darker + 0.05)


@BOTH
def test_text_can_be_read_on_every_surface(found: Colours) -> None:
    for surface in (found.field, found.window, found.panel, found.raised, found.hover, found.fill, found.selected):
        assert contrast(found.text, surface) >= 4.5
    for surface in (found.field, found.window, found.panel, found.raised, found.fill, found.selected):
        assert contrast(found.quiet, surface) >= 4.0, surface
    for surface in (found.window, found.panel, found.raised):
        assert contrast(found.quiet, surface) >= 4.5
        assert contrast(found.doubt, surface) >= 4.5
        assert contrast(found.danger, surface) >= 4.5
    assert contrast(found.on_accent, found.accent) >= 4.5
    assert contrast(found.on_accent, found.accent_hover) >= 4.5


@BOTH
def test_focus_and_sliders_stand_out(found: Colours) -> None:
    for surface in (found.window, found.panel, found.raised, found.field):
        assert contrast(found.accent, surface) >= 3
        assert contrast(found.quiet, surface) >= 3


@BOTH
def test_greys_have_no_cast(found: Colours) -> None:
    for name in ("field", "window", "panel", "raised", "hover", "pressed", "fill", "line", "text", "quiet", "faint"):
        ink = QColor(getattr(found, name))
        assert ink.red() == ink.green() == ink.blue(), name


@BOTH
def test_the_style_sheet_knows_only_our_colours(found: Colours) -> None:
    filled = Template(style_sheet()).substitute(asdict(found))
    assert "$" not in filled
    assert not re.search(r"#[0-9a-fA-F]{6}", style_sheet())


def test_every_packaged_icon_is_used_and_every_used_one_is_packaged() -> None:
    root = Path(__file__).parents[2]
    source = "\n".join(path.read_text() for folder in ("widgets", "app") for path in (root / folder).rglob("*.py"))
    words = set(re.findall(r'"([a-z0-9-]+)"', source))
    assert set(icon_names()) <= words
    used = re.findall(r'(?:IconButton|pixmap|icon|draw|_Begin|show_icon)\((?:painter, )?"([a-z0-9-]+)"', source)
    assert set(used) <= set(icon_names())
    for name in icon_names():
        assert (b"currentColor" in icon_svg(name)) is (name != PROGRAM)


def test_an_icon_is_drawn_in_its_colour_at_any_scale(qapp: QApplication) -> None:
    image = pixmap("plus", "#ff0000", 16, 2.0).toImage()
    assert image.width() == 32
    assert image.pixelColor(16, 16) == QColor("#ff0000")
    assert image.pixelColor(1, 1).alpha() == 0


def test_the_theme_follows_the_choice_and_buttons_take_their_ink_from_it(qtbot: QtBot, qapp: QApplication) -> None:
    theme = Theme(qapp, "dark")
    button = IconButton("plus", "Add")
    qtbot.addWidget(button)
    button.show()
    qtbot.waitExposed(button)

    def light(widget: QToolButton) -> bool:
        return widget.grab().toImage().pixelColor(14, 14).lightness() > 128

    try:
        assert colours(button.palette()) is DARK
        assert light(button)
        with qtbot.waitSignal(theme.changed):
            theme.choose("light")
        assert not theme.dark
        assert colours(button.palette()) is LIGHT
        assert not light(button)
        with qtbot.assertNotEmitted(theme.changed):
            theme.choose("light")
        theme.choose("system")
        unknown = qapp.styleHints().colorScheme() != Qt.ColorScheme.Light
        assert theme.dark is unknown
    finally:
        theme.deleteLater()


def test_the_theme_follows_the_system_while_it_is_asked_to(
    qtbot: QtBot, qapp: QApplication, monkeypatch: pytest.MonkeyPatch
) -> None:
    theme = Theme(qapp, "system")
    hints = qapp.styleHints()
    try:
        for scheme, dark in ((Qt.ColorScheme.Light, False), (Qt.ColorScheme.Dark, True), (Qt.ColorScheme.Light, False)):
            monkeypatch.setattr(QStyleHints, "colorScheme", lambda hints, scheme=scheme: scheme)
            hints.colorSchemeChanged.emit(scheme)
            assert theme.dark is dark
        theme.choose("dark")
        hints.colorSchemeChanged.emit(Qt.ColorScheme.Light)
        assert theme.dark
    finally:
        theme.deleteLater()


def test_colours_are_told_from_a_palette(qtbot: QtBot) -> None:
    widget = QWidget()
    qtbot.addWidget(widget)
    for found in (DARK, LIGHT):
        widget.setPalette(palette(found))
        assert colours(widget.palette()) is found
