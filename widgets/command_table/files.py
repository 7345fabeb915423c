"""Commands on files, documents and history."""

from __future__ import annotations

from widgets.actions import Command, Menu, always, on_canvas, on_session, serve, when
from widgets.command_table.items import deletable
from widgets.panels.history import KEPT
from widgets.session import commands, edits
from widgets.session.session import Session

FILE = Menu(
    "File",
    (
        Command("file.new", "New…", lambda desk: desk.services.new_document(), ("Ctrl+N",), always),
        Command("file.paste", "New from clipboard", lambda desk: desk.services.paste(), ("Ctrl+Shift+N",), always),
        Command("file.open", "Open…", lambda desk: desk.services.open_dialog(), ("Ctrl+O",), always),
        Command("file.sample", "Open the sample picture", lambda desk: desk.services.open_sample(), when=always),
        None,
        Command("file.save", "Save", lambda desk: serve(desk, desk.services.save), ("Ctrl+S",), tip=KEPT),
        Command("file.save_as", "Save as…", lambda desk: serve(desk, desk.services.save_as), ("Ctrl+Shift+S",)),
        Command("file.export", "Export picture…", lambda desk: serve(desk, desk.services.export), ("Ctrl+E",)),
        None,
        Command("file.close", "Close document", lambda desk: serve(desk, desk.services.close_document), ("Ctrl+W",)),
        Command("file.quit", "Quit", lambda desk: desk.services.quit(), ("Ctrl+Q",), always),
    ),
)

EDIT = Menu(
    "Edit",
    (
        Command(
            "edit.undo",
            "Undo",
            on_session(lambda session: session.undo()),
            ("Ctrl+Z",),
            when(lambda session: session.history.can_undo),
        ),
        Command(
            "edit.redo",
            "Redo",
            on_session(Session.redo),
            ("Ctrl+Shift+Z", "Ctrl+Y"),
            when(lambda session: session.history.can_redo),
        ),
        None,
        Command(
            "edit.copy", "Copy the picture or the selection", on_session(edits.copy_picture), ("Ctrl+C",), short="Copy"
        ),
        Command(
            "edit.paste",
            "Paste onto the picture",
            on_canvas(lambda canvas: canvas.paste()),
            ("Ctrl+V",),
            short="Paste",
        ),
        Command(
            "edit.delete",
            "Delete the active thing or what is selected",
            on_session(commands.delete_touched),
            ("Delete", "Backspace"),
            when(deletable),
            short="Delete",
        ),
        None,
        Command("edit.models", "Models…", lambda desk: desk.services.show_models(), when=always),
        Command("edit.preferences", "Preferences…", lambda desk: desk.show_preferences(), ("Ctrl+,",), always),
    ),
)
