"""Commands on the selection and on strength maps."""

from __future__ import annotations

from collections.abc import Callable

from widgets.actions import Command, Menu, When, layer, on_layer, on_session, painted, selected, when
from widgets.session import commands
from widgets.session.options import Target
from widgets.shell.adjustment import Amount, Amounts, Curve


def _adjust(title: str, amounts: tuple[Amount, ...], apply: Callable[..., object], target: Target) -> Amounts:
    """An adjustment that calls a function of `widgets.session.commands`."""
    return Amounts(title, amounts, lambda session, values, preview: apply(session, *values, target, preview=preview))


def _by_pixels(words: str, default: float) -> tuple[Amount, ...]:
    return (Amount(words, 1, 500, default, "px", 1, 2.5),)


def _map_menu(title: str, prefix: str, target: Target, when: When, noun: str) -> tuple[Command, ...]:
    """Grow, shrink and feather one map."""
    menu = []
    for name, words, change, default in (
        ("Grow", "By", commands.grow_map, 8),
        ("Shrink", "By", commands.shrink_map, 8),
        ("Feather", "Fade inwards over", commands.feather_map, 12),
    ):
        adjustment = _adjust(f"{name} the {noun}", _by_pixels(words, default), change, target)
        menu.append(
            Command(
                f"{prefix}.{name.lower()}",
                f"{name} the {noun}…",
                lambda desk, adjustment=adjustment: desk.adjust(adjustment),  # type: ignore[misc]
                when=when,
                short=f"{name}…",
            )
        )
    return tuple(menu)


LEVELS = (
    Amount("Black at", 0, 1, 0, "%", 0.01),
    Amount("White at", 0, 1, 1, "%", 0.01),
    Amount("Bend", 0.1, 5, 1, "", 0.05, 2),
)

CURVE = Curve(
    "Strength curve",
    lambda session, points, preview: commands.curve_map(session, points, "strength", preview=preview),
)

SELECT = Menu(
    "Select",
    (
        Command("select.all", "Select all", on_session(commands.select_all), ("Ctrl+A",), short="All"),
        Command(
            "select.none", "Select nothing", on_session(commands.select_none), ("Ctrl+D",), selected, short="Nothing"
        ),
        Command(
            "select.invert",
            "Invert the selection",
            on_session(commands.select_invert),
            ("Ctrl+Shift+I",),
            short="Invert",
        ),
        None,
        *_map_menu("Select", "select", "selection", selected, "selection"),
        None,
        Command(
            "select.item",
            "Make the selection an item",
            on_session(commands.selection_to_item),
            ("Ctrl+J",),
            selected,
            short="Make item",
        ),
        Command(
            "select.fill",
            "Fill the selection with strength",
            on_session(commands.selection_to_strength),
            ("Ctrl+Shift+F",),
            selected,
            short="Fill with strength",
        ),
        Command(
            "select.protect",
            "Protect the selection",
            on_session(commands.protect_selection),
            when=selected,
            short="Protect",
        ),
        Command(
            "select.avoid",
            "Copy nothing from the selection",
            on_session(commands.avoid_selection),
            when=selected,
            short="Don’t copy from here",
        ),
    ),
)

STRENGTH = Menu(
    "Strength",
    (
        Command(
            "strength.levels",
            "Strength levels…",
            lambda desk: desk.adjust(_adjust("Strength levels", LEVELS, commands.level_map, "strength")),
            ("Ctrl+L",),
            painted,
            short="Levels…",
        ),
        Command(
            "strength.curve",
            "Strength curve…",
            lambda desk: desk.adjust(CURVE),
            ("Ctrl+M",),
            painted,
            short="Curve…",
        ),
        Command("strength.invert", "Invert the strength", on_session(commands.invert_map), ("Ctrl+I",), short="Invert"),
        *_map_menu("Strength", "strength", "strength", painted, "strength"),
        None,
        Command(
            "strength.fill",
            "Fill everything with strength",
            on_session(lambda session: commands.fill_map(session, "strength")),
            short="Fill",
        ),
        Command(
            "strength.clear",
            "Clear the strength",
            on_session(lambda session: commands.clear_map(session, "strength")),
            ("Ctrl+Shift+D",),
            painted,
            short="Clear",
        ),
        Command(
            "strength.from_layer",
            "Take strength from the layer",
            on_layer(commands.strength_from_layer),
            when=layer,
            short="From layer",
        ),
        Command(
            "strength.from_keep_map",
            "Take strength from the layer, white keeps",
            on_layer(commands.strength_from_keep_map),
            when=layer,
            short="From layer, white keeps",
        ),
        None,
        Command(
            "strength.unprotect",
            "Unprotect everything",
            on_session(lambda session: commands.clear_map(session, "protect")),
            when=when(lambda session: not session.document.protect.blank),
        ),
        Command(
            "strength.unavoid",
            "Copy from everywhere again",
            on_session(lambda session: commands.clear_map(session, "avoid")),
            when=when(lambda session: not session.document.avoid.blank),
        ),
    ),
)
