"""What the menu under the pointer offers, by what lies there; ids of commands, None for a line between groups."""

from __future__ import annotations

from collections.abc import Mapping

from widgets.actions import Command, Menu
from widgets.canvas.subject import Subject
from widgets.command_table.items import EXEMPLAR, ITEM, LAYER
from widgets.command_table.maps import SELECT


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
