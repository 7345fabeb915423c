"""Saving of documents to their project files, also when somebody else has changed one meanwhile; exporting, and the question before closing."""

from __future__ import annotations

import asyncio
from dataclasses import asdict
from pathlib import Path
from typing import Literal

from app import dialogs
from app.autosave import Autosave
from app.documents import export_picture, save_document
from app.export_dialog import Export, ExportDialog
from app.main_window import MainWindow
from app.open_documents import OpenDocuments
from app.settings import Settings
from editor.errors import EditorError, readable
from editor.io.encoding import KINDS, options_from
from editor.io.files import FileState, changed_since, free_name, state_of
from editor.io.images import export_kind
from widgets.session.session import Session
from widgets.shell.busy import Waits

REOPENED = "An edit is reopened, and still is when the project is opened again."


class Saving:
    """Writes one file at a time, so that of two saves of a document the later one stays."""

    def __init__(
        self, documents: OpenDocuments, window: MainWindow, settings: Settings, waits: Waits, autosave: Autosave
    ) -> None:
        self._documents, self._window, self._settings = documents, window, settings
        self._waits, self._autosave = waits, autosave
        self._one_at_a_time = asyncio.Lock()
        self._asking: set[Session] = set()  # about a file that somebody else has changed

    async def save(self, session: Session, *, ask: bool = False) -> bool:
        """Whether it was saved."""
        path = session.path
        if path is None or ask:
            suggestion = path or self._documents.folder() / session.name
            path = await dialogs.answer(lambda chosen: dialogs.ask_save(self._window, suggestion, chosen))
            if path is None:
                return False
        outcome = await self._write(session, path, may_replace=ask or path != session.path)
        if outcome == "reload":
            await self._open_other_version(session, path)
        if outcome == "saved" and session.path is not None:
            self._autosave.saved(session, session.path)
            await self._documents.remember(session.path, session.history.document)
        return outcome == "saved"

    async def _write(self, session: Session, path: Path, *, may_replace: bool) -> dialogs.Choice | Literal["saved"]:
        """Write the document to the project file at `path`; what fails becomes a notice.

        may_replace: whether the person has agreed to replace what is there; otherwise they are asked about a file that is not what it was when it
            was opened or saved here.
        Returns "saved", or else "reload" where the person wants the file's version, or "cancel".
        """
        busy = f"Saving {readable(path.name)}"
        agreed: FileState | None = None  # to replace the file in this state
        while True:
            async with self._one_at_a_time:
                changed = None if may_replace else await asyncio.to_thread(changed_since, path, session.on_disk)
                if changed is None or changed == agreed:
                    document = session.history.document
                    try:
                        with self._waits.on(busy):
                            await save_document(path, document)
                    except EditorError as error:
                        session.notice(error.message, error.advice, error=True)
                        return "cancel"
                    session.saved(path, document, await asyncio.to_thread(state_of, path))
                    break
            if may_replace:
                return "cancel"
            match await self._ask_changed(session):
                case "overwrite":
                    agreed = changed
                case "both":
                    path, may_replace = await asyncio.to_thread(free_name, path), True
                case "reload":
                    return "reload"
                case _:
                    return "cancel"
        session.notice(f"Saved as {path.name}.", "" if document.rerun is None else REOPENED)
        return "saved"

    async def _ask_changed(self, session: Session) -> dialogs.Choice | None:
        """What to do about a file that somebody else has changed. It is one question, also when saving was asked for twice."""
        if session in self._asking or session not in self._documents.sessions:
            return None
        self._asking.add(session)
        try:
            self._window.bring_to_front(session)
            name = self._window.name_of(session)
            answer: dialogs.Choice | None = await dialogs.answer(
                lambda chosen: dialogs.ask_changed(self._window, name, chosen, known=session.on_disk is not None)
            )
        finally:
            self._asking.remove(session)
        return answer

    async def _open_other_version(self, session: Session, path: Path) -> None:
        """Open what the file holds now. The document that was opened from it stays open, without a file of its own, so that nothing is lost."""
        session.path = None
        await self._documents.open(path)
        if any(other.path == path for other in self._documents.sessions):
            session.cut_loose()
        else:
            session.path = path  # it cannot be opened

    async def export(self, session: Session) -> None:
        suggestion = session.path or self._documents.folder() / session.name
        before = self._exported()
        how: Export | None = await dialogs.answer(
            lambda chosen: dialogs.opened(ExportDialog(self._window, session.document, before, chosen))
        )
        if how is None:
            return
        self._settings.set(
            export_kind=how.kind, exports={kind: asdict(options) for kind, options in how.options.items()}
        )
        path: Path | None = await dialogs.answer(
            lambda chosen: dialogs.ask_export(self._window, suggestion, chosen, how.kind)
        )
        if path is None:
            return
        async with self._one_at_a_time:
            try:
                # The name may ask for another kind than was chosen before; that kind has a quality of its own.
                options = how.options[export_kind(path)]
                with self._waits.on(f"Exporting {readable(path.name)}"):
                    notes = await export_picture(path, session.history.document, options)
            except EditorError as error:
                session.notice(error.message, error.advice, error=True)
                return
        if session.history.document.rerun is not None:
            notes = (*notes, "What is hidden while an edit is reopened is not in it.")
        session.notice(" ".join((f"Exported {path.name}.", *notes)))

    def _exported(self) -> Export:
        """How pictures were exported before."""
        values = self._settings.values
        kind = next((kind for kind in KINDS if kind == values.export_kind), KINDS[0])
        return Export(kind, {kind: options_from(values.exports.get(kind)) for kind in KINDS})

    async def may_close(self, session: Session) -> bool:
        """Whether its changes are safe, or not wanted any more."""
        async with self._one_at_a_time:
            pass  # what is being saved just now need not be asked about
        while session.history.unsaved:  # again after saving: someone may have gone on painting meanwhile
            self._window.bring_to_front(session)
            answer: dialogs.Answer | None = await dialogs.answer(
                lambda answered: dialogs.ask_unsaved(self._window, session.name, answered)
            )
            if answer == "discard":
                break
            if answer != "save" or not await self.save(session):
                return False
        return True
