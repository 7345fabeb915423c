"""Saving a document to its project file, also when somebody else has changed that file meanwhile."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from contextlib import AbstractContextManager, nullcontext
from pathlib import Path
from typing import Literal

from app.dialogs import Choice
from app.documents import save_document
from editor.errors import EditorError
from editor.io.files import FileState, changed_since, clear_leftovers, free_name, state_of
from widgets.session.session import Session

REOPENED = "An edit is reopened, and still is when the project is opened again."


async def save_session(
    session: Session,
    path: Path,
    one_at_a_time: asyncio.Lock,
    ask: Callable[[], Awaitable[Choice | None]] | None,
    busy: Callable[[], AbstractContextManager[None]] = nullcontext,
) -> Choice | Literal["saved"]:
    """Write the document to the project file at `path`; what fails becomes a notice.

    `ask`: what to do about a file that is not what it was when it was opened or saved here. None where the person has agreed to replace it.
    `busy`: what goes around the writing.
    Returns "saved", or else "reload" where the person wants the file's version, or "cancel".
    """
    agreed: FileState | None = None  # to replace the file in this state
    while True:
        async with one_at_a_time:
            changed = None if ask is None else await asyncio.to_thread(changed_since, path, session.on_disk)
            if changed is None or changed == agreed:
                document = session.history.document
                try:
                    with busy():
                        await save_document(path, document)
                except EditorError as error:
                    session.notice(error.message, error.advice, error=True)
                    return "cancel"
                session.saved(path, document, await asyncio.to_thread(state_of, path))
                break
        if ask is None:
            return "cancel"
        match await ask():
            case "overwrite":
                agreed = changed
            case "both":
                path, ask = await asyncio.to_thread(free_name, path), None
            case "reload":
                return "reload"
            case _:
                return "cancel"
    session.notice(f"Saved as {path.name}.", "" if document.rerun is None else REOPENED)
    return "saved"


async def note_state(session: Session, path: Path, seen: FileState | None) -> None:
    """Note what the file holds that the session was opened from, and tidy up beside it. `seen`: its state before it was read."""
    await asyncio.to_thread(clear_leftovers, path.parent)
    now = await asyncio.to_thread(state_of, path)
    if now is not None and seen is not None and session.on_disk == seen and _same_file(now, seen):
        session.on_disk = now


def _same_file(one: FileState, other: FileState) -> bool:
    return (one.modified, one.size, one.inode) == (other.modified, other.size, other.inode)
