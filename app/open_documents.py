"""Open documents: which there are, and every way in which one more is opened."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from PySide6.QtCore import QStandardPaths

import resources
from app import dialogs
from app.autosave import Autosave
from app.documents import Thumbnails, document_of, is_project, open_document
from app.first_sight import folder
from app.main_window import MainWindow
from app.models import Models, Start
from app.new_document import Background, new_document
from app.practice_room import PracticeRoom
from app.settings import Settings
from editor.document.document import Document
from editor.errors import EditorError, UnreadableFile, readable
from editor.geometry import Size
from editor.io.files import FileState, clear_leftovers, state_of
from editor.io.images import Picture, read_image
from editor.methods.registry import Methods
from editor.models.inspect import inspect
from widgets.canvas.drop_choices import title
from widgets.incoming import Source, picture_of
from widgets.session.session import Session
from widgets.session.worker import Worker
from widgets.shell.busy import Waits

if TYPE_CHECKING:
    from editor.io.recovery import LeftBehind

log = logging.getLogger(__name__)

SAMPLE = "flower.jpg"
MAX_REFUSALS = 3  # that are said each for itself
MAX_NAMED = 10


class OpenDocuments:
    """The sessions, in the order in which they were opened.

    worker: what each session runs its edits with.
    methods: those that people can choose from.
    start: makes a task of a coroutine and looks after it.
    """

    def __init__(
        self,
        *,
        window: MainWindow,
        settings: Settings,
        thumbnails: Thumbnails,
        waits: Waits,
        autosave: Autosave,
        models: Models,
        worker: Worker,
        methods: Methods,
        start: Start,
    ) -> None:
        self.sessions: list[Session] = []
        self.methods = methods
        settings.changed.connect(self._follow_settings)
        self._window, self._settings, self._thumbnails, self._waits = window, settings, thumbnails, waits
        self._autosave, self._models, self._worker, self._start = autosave, models, worker, start
        self._looked = False  # for models

    async def begin_new(self, size: Size, background: Background) -> None:
        with self._waits.on("Making a new picture"):
            document = await asyncio.to_thread(new_document, size, background)
        self.add(document, None, "Untitled")

    async def open_chosen(self) -> None:
        folder = self.folder()
        paths: Sequence[Path] | None = await dialogs.answer(
            lambda chosen: dialogs.ask_open(self._window, folder, chosen)
        )
        await self.open_all(paths or ())

    async def open_all(self, paths: Sequence[Path]) -> None:
        """One after the other; one that cannot be opened does not keep back the rest. What went wrong is said at the end, over what is in front by
        then.
        """
        refusals: list[EditorError] = []
        for path in paths:
            await asyncio.wait([self._start(self.open(path, refusals.append))])
        if len(refusals) > MAX_REFUSALS:
            self.refuse(_together(refusals, len(paths)))
        else:
            for error in refusals:
                self.refuse(error)

    async def open(self, path: Path, refuse: Callable[[EditorError], None] | None = None) -> None:
        """Open one picture or project. What goes wrong is handed to `refuse`, or else becomes a notice."""
        path = path.absolute()
        if self._has_open(path):
            return
        project = await asyncio.to_thread(is_project, path)
        state = await asyncio.to_thread(state_of, path, look_into=False) if project else None
        try:
            with self._waits.on(f"Opening {readable(path.name)}"):
                document, notes = await open_document(path, self.methods.settings_by_id)
        except EditorError as error:
            self._settings.forget(path)
            (refuse or self.refuse)(error)
            return
        if self._has_open(path):  # by now: it was asked for twice
            return
        session = self.add(document, path if project else None, path.stem, source=path)
        for note in notes:
            session.notice(note)
        if session.path is not None:
            session.on_disk = state
            self._start(_note_state(session, path, state))
        self._start(self.remember(path, document))

    def refuse(self, error: EditorError) -> None:
        self._window.notice(error.message, error.advice, error=True)

    def _has_open(self, path: Path) -> bool:
        """Whether the project is open already; then it comes to the front."""
        owner = next((session for session in self.sessions if session.path == path), None)
        if owner is not None:
            self._window.bring_to_front(owner)
        return owner is not None

    def open_picture(self, picture: Picture) -> None:
        session = self.add(document_of(picture), None, picture.name or "Untitled")
        session.history.mark_unsaved()

    async def open_source(self, source: Source) -> None:
        """Open what was copied as a new document."""
        try:
            if source.file is not None:
                picture = await asyncio.to_thread(read_image, source.file, source.name)
            else:
                assert source.image is not None
                picture = picture_of(source.image, source.name)
        except EditorError as error:
            self.refuse(error)
            return
        self.open_picture(replace(picture, name=title(picture.name)))
        for note in picture.notes:
            self._window.notice(note)

    async def open_sample(self) -> None:
        with resources.photo(SAMPLE) as path:
            picture = await asyncio.to_thread(read_image, path, "Sample")
        self.add(document_of(picture), None, "Sample")

    async def open_practice(self, room: PracticeRoom, name: str) -> None:
        with self._waits.on(f"Opening “{name}”"):
            practice, model = await asyncio.to_thread(lambda: (room.open(name), inspect(self._models.bundled[0])))
        session = self.add(practice.document, None, name)
        session.choose_method(type(practice.draft["settings"]))
        session.choose_model(model)
        session.set_draft(**practice.draft)
        # What can be done with the thing in hand is offered, and a click takes another.
        session.set_options(tool="move")

    def add(
        self,
        document: Document,
        path: Path | None,
        name: str,
        *,
        source: Path | None = None,
        left: LeftBehind | None = None,
    ) -> Session:
        """Open it in a tab. `source`: the file that holds it as it is, if one does; `left`: what it was got back from."""
        budget = self._settings.values.undo_budget
        session = Session(document, self._worker, name=name, path=path, budget=budget, methods=self.methods)
        method = self.methods.by_id(self._settings.values.method)
        if method is not None and self._settings.values.model and not session.goes_on:
            session.choose_method(method.settings)
        session.state.draft_changed.connect(
            self._remember_method
        )  # not told which: that would keep a closed one in memory
        session.live.grows = self._settings.values.live_grows
        session.live.grows_wished.connect(self._remember_growing)
        self.sessions.append(session)
        self._window.add_session(session)
        self._autosave.follow(session, source, left)
        if not self._looked:  # nobody needs to know the models before there is something to edit
            self._looked = True
            self._models.refresh()
        return session

    def folder(self) -> Path:
        """Where dialogs begin: beside what was open last."""
        recent = self._settings.values.recent
        home = folder(QStandardPaths.StandardLocation.PicturesLocation)
        return Path(recent[0]).parent if recent else home

    async def remember(self, path: Path, document: Document) -> None:
        await asyncio.to_thread(self._thumbnails.write, path, document)
        self._settings.opened(path)

    def _remember_growing(self) -> None:
        """The person has said so in one document, and means all."""
        self._settings.set(live_grows=True)

    def _follow_settings(self) -> None:
        for session in self.sessions:
            session.live.grows = self._settings.values.live_grows

    def _remember_method(self) -> None:
        """The next document begins with the method in hand in the one in front, if it needs a model only where one is in use."""
        session = self._window.session
        if session is not None:
            needs_model = session.draft.settings.needs_model
            self._settings.set(method=session.method.id if needs_model else "")


def _together(refusals: Sequence[EditorError], count: int) -> EditorError:
    """Many of the files that were to be opened could not be, as one message that names them."""
    for error in refusals:
        log.warning("Not opened: %s", error.message)
    named = [error.message for error in refusals[:MAX_NAMED]]
    rest = len(refusals) - len(named)
    named += [f"And {rest} more; the log has them."] if rest else []
    return UnreadableFile(f"{len(refusals)} of {count} files could not be opened.", "\n".join(named))


async def _note_state(session: Session, path: Path, seen: FileState | None) -> None:
    """Note what the file holds that the session was opened from, and tidy up beside it. `seen`: its state before it was read."""
    await asyncio.to_thread(clear_leftovers, path.parent)
    now = await asyncio.to_thread(state_of, path)
    if now is not None and seen is not None and session.on_disk == seen and _same_file(now, seen):
        session.on_disk = now


def _same_file(one: FileState, other: FileState) -> bool:
    return (one.modified, one.size, one.inode) == (other.modified, other.size, other.inode)
