"""Every command of the program, once: in the menus, or only in the palette and on a key; and what the menu under the pointer offers."""

from __future__ import annotations

from collections.abc import Mapping

from widgets.actions import Command, Menu
from widgets.command_table.files import EDIT, FILE
from widgets.command_table.items import EXEMPLAR, ITEM, LAYER
from widgets.command_table.maps import SELECT, STRENGTH
from widgets.command_table.runs import RUN
from widgets.command_table.tools import TOOL_COMMANDS
from widgets.command_table.views import HELP, VIEW
from widgets.tools.grips import Subject

MENUS = (FILE, EDIT, SELECT, STRENGTH, ITEM, EXEMPLAR, LAYER, VIEW, RUN, HELP)
OTHERS = TOOL_COMMANDS


def _ids(menu: Menu) -> tuple[str | None, ...]:
    return tuple(entry.id if isinstance(entry, Command) else None for entry in menu.entries)


CONTEXT: Mapping[Subject, tuple[str | None, ...]] = {
    "item": _ids(ITEM),
    "exemplar": _ids(EXEMPLAR),
    "layer": (*_ids(LAYER), None, "strength.from_layer"),
    "selection": (
        "select.item",
        "edit.delete",
        None,
        "select.fill",
        "select.protect",
        "select.avoid",
        None,
        "edit.copy",
        "select.invert",
        "select.none",
    ),
    "result": ("run.accept", "run.discard", None, "run.next", "run.previous", "run.changed"),
    "canvas": (
        "edit.paste",
        "select.all",
        None,
        "edit.undo",
        "edit.redo",
        None,
        "view.fit",
        "view.full",
        "view.original",
    ),
}

WHOLE = frozenset((*(command.id for command in SELECT.commands()), "layer.add", "strength.from_layer"))
