"""Recovery offer: documents that an earlier program could not close, offered at the start and taken back."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Sequence
from typing import TYPE_CHECKING

from app.autosave import Autosave
from app.main_window import MainWindow
from app.models import Start
from app.open_documents import OpenDocuments
from editor.errors import EditorError, UnreadableFile, readable
from widgets.shell.busy import Waits

if TYPE_CHECKING:
    from app.recovery import RecoveryDialog
    from editor.io.recovery import LeftBehind

log = logging.getLogger(__name__)

UNEXPECTED = "Something unexpected happened while it was opened."


class RecoveryOffer:
    """Made once, when the window stands. Documents that nobody takes back or discards are offered again at the next start.

    start: makes a task of a coroutine and looks after it.
    """

    def __init__(
        self, autosave: Autosave, documents: OpenDocuments, window: MainWindow, waits: Waits, start: Start
    ) -> None:
        self._autosave, self._documents, self._window, self._waits = autosave, documents, window, waits
        self._start = start
        self._dialog: RecoveryDialog | None = None
        self._getting_back: set[LeftBehind] = set()

    def close(self) -> None:
        if self._dialog is not None:
            self._dialog.close()

    async def make(self) -> None:
        """Returns when the pictures of the documents are there."""
        try:
            left = await asyncio.wrap_future(self._autosave.left_behind())
        except OSError as error:
            log.warning("What was left behind cannot be looked for: %s", error)
            return  # where nothing can be kept either, that is said with the first document
        documents, damaged = left
        if damaged:
            what = "A document that was" if damaged == 1 else f"{damaged} documents that were"
            self._window.notice(
                f"{what} open cannot be got back: what was kept is damaged.", "The log has the details.", error=True
            )
        if not documents:
            return
        from app.recovery import RecoveryDialog, left_behind_thumbnail  # noqa: PLC0415  seldom needed

        dialog = self._dialog = RecoveryDialog(documents, self._window)
        dialog.open_wanted.connect(lambda document: self._start(self._get_back(document, dialog)))
        dialog.discarded.connect(lambda document: self._discard(document, dialog))
        dialog.put_off.connect(self._put_off)
        dialog.show()
        for document in documents:
            if document not in dialog.rows:
                continue
            try:
                dialog.show_picture(document, await asyncio.to_thread(left_behind_thumbnail, document))
            except EditorError as error:
                dialog.show_refusal(document, error.message)
            except Exception:  # it may be opened all the same, and the others have pictures
                log.exception("No picture of %r", document.newest.snapshot.name)

    async def _get_back(self, document: LeftBehind, dialog: RecoveryDialog) -> None:
        from app.recovery import read_left_behind  # noqa: PLC0415

        if document in self._getting_back:
            return
        self._getting_back.add(document)
        try:
            with self._waits.on(f"Opening {readable(document.newest.snapshot.name)}"):
                settings = self._documents.methods.settings_by_id
                opened, in_file, notes = await asyncio.to_thread(read_left_behind, document, settings)
        except EditorError as error:
            self._refuse_back(document, dialog, error)
            return
        except Exception:
            log.exception("%r could not be opened", document.newest.snapshot.name)
            self._refuse_back(document, dialog, UnreadableFile(UNEXPECTED, "The log has the details."))
            return
        snapshot = document.newest.snapshot  # by now that of an earlier state, where the newest makes no sense
        session = self._documents.add(
            opened, snapshot.project, snapshot.name, source=snapshot.source if in_file else None, left=document
        )
        session.set_draft(prompt=snapshot.prompt, negative_prompt=snapshot.negative_prompt)
        session.on_disk = snapshot.on_disk
        if not in_file:
            session.history.mark_unsaved()
            session.file_changed.emit()
        for note in notes:
            session.notice(note)
        if not in_file:
            session.notice(
                f"“{snapshot.name}” is back as it was after “{snapshot.step}”.",
                "Save it to keep it. Earlier steps cannot be undone.",
            )
        dialog.remove(document)
        self._getting_back.discard(document)

    def _refuse_back(self, document: LeftBehind, dialog: RecoveryDialog, error: EditorError) -> None:
        """Say why it could not be opened. It stays: in the dialog, or for the next start where that was closed meanwhile."""
        self._getting_back.discard(document)
        if document in dialog.rows:
            dialog.show_refusal(document, f"{error.message} {error.advice}")
        else:
            document.put_off()
            self._window.notice(error.message, error.advice, error=True)

    def _discard(self, document: LeftBehind, dialog: RecoveryDialog) -> None:
        if document in self._getting_back:
            return
        document.discard()
        dialog.remove(document)

    def _put_off(self, documents: Sequence[LeftBehind]) -> None:
        for document in documents:
            if document not in self._getting_back:
                document.put_off()
        if self._dialog is not None:
            self._dialog.deleteLater()
            self._dialog = None
