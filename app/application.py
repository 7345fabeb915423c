"""Application, the composition root: it makes settings, worker and window, opens and closes documents, and ends in good order."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Coroutine, Sequence
from dataclasses import asdict, replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

from PySide6.QtCore import QStandardPaths
from PySide6.QtWidgets import QApplication, QDialog
from qasync import QEventLoop

import resources
from app import dialogs
from app import log as logs
from app.autosave import Autosave
from app.collector import Collector
from app.documents import (
    Thumbnails,
    document_of,
    export_picture,
    is_project,
    open_document,
)
from app.editing import Editing
from app.export_dialog import Export, ExportDialog
from app.first_sight import FirstSight, folder, settings_path
from app.main_window import MainWindow
from app.models import Models
from app.new_document import Background, NewDocumentDialog, new_document
from app.practice_room import PracticeRoom
from app.runner import Runner, RunsRequests
from app.saving import note_state, save_session
from app.settings import Settings
from editor.document.document import Document
from editor.errors import EditorError, UnreadableFile, readable
from editor.geometry import Size
from editor.io.encoding import KINDS, options_from
from editor.io.files import state_of
from editor.io.images import Picture, export_kind, read_image
from editor.methods.registry import METHODS, Methods
from editor.models.inspect import inspect
from editor.models.library import Library
from widgets.canvas.drop_choices import title
from widgets.controls.icons import program_icon
from widgets.dragged import on_clipboard
from widgets.incoming import Source, picture_of, source_of
from widgets.models.page import ModelsPage
from widgets.session.session import Session
from widgets.shell.busy import Waits
from widgets.shell.services import Practice, Recent
from widgets.theme import Theme

if TYPE_CHECKING:
    from app.recovery import RecoveryDialog
    from editor.io.recovery import LeftBehind

log = logging.getLogger(__name__)

T = TypeVar("T")
MakeEngine = Callable[[Callable[[], Library]], RunsRequests]

SAMPLE = "flower.jpg"
MAX_REFUSALS = 3  # that are said each for itself
MAX_NAMED = 10
UNEXPECTED = "Something unexpected happened while it was opened."


class Application:
    """The running program: the `Services` of its window. Make it inside a running asyncio loop on Qt.

    `make_engine` is called in the worker thread, once, with what tells where models are. `cache`: a folder for
    thumbnails. `models`: one for models that are downloaded; `bundled`: those that come with the program. `recovery`: a folder where open
    documents are kept in case the program dies. `methods`: those that people can choose from.
    """

    def __init__(
        self,
        settings: Settings,
        theme: Theme,
        cache: Path,
        models: Path,
        make_engine: MakeEngine,
        *,
        recovery: Path,
        bundled: Sequence[Path] = (),
        methods: Methods = METHODS,
    ) -> None:
        self._methods = methods
        self.settings = settings
        self.sessions: list[Session] = []
        self.finished = asyncio.Event()
        self.waits = Waits()
        self._unkept = ""  # what was said about documents that are not kept safe
        self._collector = Collector()
        self._thumbnails = Thumbnails(cache)
        self.autosave = Autosave(recovery, settings)
        self.autosave.stopped.connect(self._tell_unkept)
        self.autosave.resumed.connect(self._tell_kept)
        self._recovery_dialog: RecoveryDialog | None = None
        self._getting_back: set[LeftBehind] = set()
        self._runner = Runner(lambda: make_engine(lambda: self.models.library))
        self._tasks: set[asyncio.Task[None]] = set()
        self.models = Models(settings, models, self._start, bundled, self.waits)
        self.models.changed.connect(self._follow_models)
        self.models.taken.connect(self._show_model_method)
        self._editing = Editing(self._runner, self.open_picture, self.models, self.show_models, self.waits)
        self._models_page: ModelsPage | None = None
        self._looked = False  # for models
        self._saving = asyncio.Lock()  # one file at a time, so that of two saves of a document the later one stays
        self._closing: set[Session] = set()
        self._asking: set[Session] = set()  # about a file that somebody else has changed
        self._practice = PracticeRoom(methods)
        self.window = MainWindow(self, settings, theme)
        self.waits.changed.connect(self.window.show_busy)

    # Opening

    def new_document(self) -> None:
        front = self.window.session
        dialog = NewDocumentDialog(self.window, None if front is None else front.document.size)
        dialog.wanted.connect(lambda size, background: self._start(self._begin_new(size, background)))
        dialog.open()

    async def _begin_new(self, size: Size, background: Background) -> None:
        with self.waits.on("Making a new picture"):
            document = await asyncio.to_thread(new_document, size, background)
        self._add(document, None, "Untitled")

    def open_dialog(self) -> None:
        self._start(self._open_chosen())

    def open_paths(self, paths: Sequence[Path]) -> None:
        self._start(self.open_all(paths))

    def open_sample(self) -> None:
        self._start(self._open_sample())

    def open_picture(self, picture: Picture) -> None:
        session = self._add(document_of(picture), None, picture.name or "Untitled")
        session.history.mark_unsaved()

    def paste(self) -> None:
        source = source_of(on_clipboard(), "Pasted")
        if source is None:
            self.window.notice("There is no picture on the clipboard.", "Copy one, then paste again.")
        else:
            self._start(self._open_source(source))

    def recent(self) -> Sequence[Recent]:
        paths = [Path(name) for name in self.settings.values.recent]
        return [Recent(path, self._thumbnails.read(path)) for path in paths]

    def show_models(self) -> None:
        if self._models_page is None:
            self._models_page = ModelsPage(self.models, self.window)
        self._models_page.show()
        self._models_page.raise_()
        self._models_page.activateWindow()

    def _show_model_method(self) -> None:
        """Somebody took a model into use: the document in front shows at once what it is good for."""
        session = self.window.session
        if session is not None and not session.draft.settings.needs_model:
            session.choose_method(session.state.method_for_words)

    def _remember_method(self) -> None:
        """The next document begins with the method in hand in the one in front, if it needs a model only where one is in use."""
        session = self.window.session
        if session is not None:
            needs_model = session.draft.settings.needs_model
            self.settings.set(method=session.method.id if needs_model else "")

    def practice(self) -> Sequence[Practice]:
        return self._practice.scenes

    def open_practice(self, name: str) -> None:
        self._start(self._open_practice(name))

    def set_out_practice(self) -> None:
        """Draw the practice scenes of the start page, beside everything else; called once the window stands."""
        if self.models.bundled:
            self._start(self._set_out_toys())

    async def _set_out_toys(self) -> None:
        await asyncio.to_thread(self._practice.draw)
        self.window.start_page.refresh()

    async def _open_practice(self, name: str) -> None:
        with self.waits.on(f"Opening “{name}”"):
            practice, model = await asyncio.to_thread(
                lambda: (self._practice.open(name), inspect(self.models.bundled[0]))
            )
        session = self._add(practice.document, None, name)
        session.choose_method(type(practice.draft["settings"]))
        session.choose_model(model)
        session.set_draft(**practice.draft)
        # What can be done with the thing in hand is offered, and a click takes another.
        session.set_options(tool="move")

    def _follow_models(self) -> None:
        for session in self.sessions:
            session.follow_models()

    async def _open_chosen(self) -> None:
        folder = self._folder()
        paths: Sequence[Path] | None = await _answer(lambda chosen: dialogs.ask_open(self.window, folder, chosen))
        await self.open_all(paths or ())

    async def open_all(self, paths: Sequence[Path]) -> None:
        """One after the other; one that cannot be opened does not keep back the rest. What went wrong is said at the end, over what is in front by
        then.
        """
        refusals: list[EditorError] = []
        for path in paths:
            await asyncio.wait([self._start(self.open(path, refusals.append))])
        if len(refusals) > MAX_REFUSALS:
            self._refuse(_together(refusals, len(paths)))
        else:
            for error in refusals:
                self._refuse(error)

    async def open(self, path: Path, refuse: Callable[[EditorError], None] | None = None) -> None:
        """Open one picture or project. What goes wrong is handed to `refuse`, or else becomes a notice."""
        path = path.absolute()
        if self._has_open(path):
            return
        project = await asyncio.to_thread(is_project, path)
        state = await asyncio.to_thread(state_of, path, look_into=False) if project else None
        try:
            with self.waits.on(f"Opening {readable(path.name)}"):
                document, notes = await open_document(path, self._methods.settings_by_id)
        except EditorError as error:
            self.settings.forget(path)
            (refuse or self._refuse)(error)
            return
        if self._has_open(path):  # by now: it was asked for twice
            return
        session = self._add(document, path if project else None, path.stem, source=path)
        for note in notes:
            session.notice(note)
        if session.path is not None:
            session.on_disk = state
            self._start(note_state(session, path, state))
        self._start(self._remember(path, document))

    def _refuse(self, error: EditorError) -> None:
        self.window.notice(error.message, error.advice, error=True)

    def _has_open(self, path: Path) -> bool:
        """Whether the project is open already; then it comes to the front."""
        owner = next((session for session in self.sessions if session.path == path), None)
        if owner is not None:
            self.window.bring_to_front(owner)
        return owner is not None

    async def _open_source(self, source: Source) -> None:
        """Open what was copied as a new document."""
        try:
            if source.file is not None:
                picture = await asyncio.to_thread(read_image, source.file, source.name)
            else:
                assert source.image is not None
                picture = picture_of(source.image, source.name)
        except EditorError as error:
            self._refuse(error)
            return
        self.open_picture(replace(picture, name=title(picture.name)))
        for note in picture.notes:
            self.window.notice(note)

    async def _open_sample(self) -> None:
        with resources.photo(SAMPLE) as path:
            picture = await asyncio.to_thread(read_image, path, "Sample")
        self._add(document_of(picture), None, "Sample")

    def _add(
        self,
        document: Document,
        path: Path | None,
        name: str,
        *,
        source: Path | None = None,
        left: LeftBehind | None = None,
    ) -> Session:
        """Open it in a tab. `source`: the file that holds it as it is, if one does; `left`: what it was got back from."""
        budget = self.settings.values.undo_budget
        session = Session(document, self._editing, name=name, path=path, budget=budget, methods=self._methods)
        method = self._methods.by_id(self.settings.values.method)
        if method is not None and self.settings.values.model and not session.goes_on:
            session.choose_method(method.settings)
        session.state.draft_changed.connect(
            self._remember_method
        )  # not told which: that would keep a closed one in memory
        self.sessions.append(session)
        self.window.add_session(session)
        self.autosave.follow(session, source, left)
        if not self._looked:  # nobody needs to know the models before there is something to edit
            self._looked = True
            self.models.refresh()
        return session

    def _folder(self) -> Path:
        """Where dialogs begin: beside what was open last."""
        recent = self.settings.values.recent
        home = folder(QStandardPaths.StandardLocation.PicturesLocation)
        return Path(recent[0]).parent if recent else home

    async def _remember(self, path: Path, document: Document) -> None:
        await asyncio.to_thread(self._thumbnails.write, path, document)
        self.settings.opened(path)

    # Saving and closing

    def save(self, session: Session) -> None:
        self._start(self._save(session))

    def save_as(self, session: Session) -> None:
        self._start(self._save(session, ask=True))

    def export(self, session: Session) -> None:
        self._start(self._export(session))

    def close_document(self, session: Session) -> None:
        self._start(self._close(session))

    def quit(self) -> None:
        self._start(self._quit())

    async def _save(self, session: Session, *, ask: bool = False) -> bool:
        """Whether it was saved."""
        path = session.path
        if path is None or ask:
            suggestion = path or self._folder() / session.name
            path = await _answer(lambda chosen: dialogs.ask_save(self.window, suggestion, chosen))
            if path is None:
                return False
        outcome = await save_session(
            session,
            path,
            self._saving,
            None if ask or path != session.path else lambda: self._ask_changed(session),
            lambda: self.waits.on(f"Saving {readable(path.name)}"),
        )
        if outcome == "reload":
            await self._open_other_version(session, path)
        if outcome == "saved" and session.path is not None:
            self.autosave.saved(session, session.path)
            await self._remember(session.path, session.history.document)
        return outcome == "saved"

    async def _ask_changed(self, session: Session) -> dialogs.Choice | None:
        """What to do about a file that somebody else has changed. It is one question, also when saving was asked for twice."""
        if session in self._asking or session not in self.sessions:
            return None
        self._asking.add(session)
        try:
            self.window.bring_to_front(session)
            name = self.window.name_of(session)
            answer: dialogs.Choice | None = await _answer(
                lambda chosen: dialogs.ask_changed(self.window, name, chosen, known=session.on_disk is not None)
            )
        finally:
            self._asking.remove(session)
        return answer

    async def _open_other_version(self, session: Session, path: Path) -> None:
        """Open what the file holds now. The document that was opened from it stays open, without a file of its own, so that nothing is lost."""
        session.path = None
        await self.open(path)
        if any(other.path == path for other in self.sessions):
            session.cut_loose()
        else:
            session.path = path  # it cannot be opened

    async def _export(self, session: Session) -> None:
        suggestion = session.path or self._folder() / session.name
        before = self._exported()
        how: Export | None = await _answer(
            lambda chosen: _opened(ExportDialog(self.window, session.document, before, chosen))
        )
        if how is None:
            return
        self.settings.set(
            export_kind=how.kind, exports={kind: asdict(options) for kind, options in how.options.items()}
        )
        path: Path | None = await _answer(lambda chosen: dialogs.ask_export(self.window, suggestion, chosen, how.kind))
        if path is None:
            return
        async with self._saving:
            try:
                # The name may ask for another kind than was chosen before; that kind has a quality of its own.
                options = how.options[export_kind(path)]
                with self.waits.on(f"Exporting {readable(path.name)}"):
                    notes = await export_picture(path, session.history.document, options)
            except EditorError as error:
                session.notice(error.message, error.advice, error=True)
                return
        if session.history.document.rerun is not None:
            notes = (*notes, "What is hidden while an edit is reopened is not in it.")
        session.notice(" ".join((f"Exported {path.name}.", *notes)))

    def _exported(self) -> Export:
        """How pictures were exported before."""
        values = self.settings.values
        kind = next((kind for kind in KINDS if kind == values.export_kind), KINDS[0])
        return Export(kind, {kind: options_from(values.exports.get(kind)) for kind in KINDS})

    async def _close(self, session: Session) -> bool:
        """Whether it was closed. Asked for twice, it still is one question."""
        if session in self._closing or session not in self.sessions:
            return False
        self._closing.add(session)
        self.window.finish_gesture(session)
        try:
            if not await self._may_close(session):
                return False
            await self._editing.close(session)
        finally:
            self._closing.remove(session)
        self.sessions.remove(session)
        self.autosave.forget(session)
        self.window.remove_session(session)
        self._collector.collect_all_soon()
        return True

    async def _may_close(self, session: Session) -> bool:
        """Whether its changes are safe, or not wanted any more."""
        async with self._saving:
            pass  # what is being saved just now need not be asked about
        while session.history.unsaved:  # again after saving: someone may have gone on painting meanwhile
            self.window.bring_to_front(session)
            answer: dialogs.Answer | None = await _answer(
                lambda answered: dialogs.ask_unsaved(self.window, session.name, answered)
            )
            if answer == "discard":
                break
            if answer != "save" or not await self._save(session):
                return False
        return True

    async def _quit(self) -> None:
        while self.sessions:
            if not await self._close(self.sessions[0]):
                return
        self.finished.set()

    # What an earlier program could not close

    def offer_left_behind(self) -> asyncio.Task[None]:
        """Offer documents back that a program which died had open; called once the window stands. Done when their pictures are there."""
        return self._start(self._offer_left_behind())

    async def _offer_left_behind(self) -> None:
        try:
            left = await asyncio.wrap_future(self.autosave.left_behind())
        except OSError as error:
            log.warning("What was left behind cannot be looked for: %s", error)
            return  # where nothing can be kept either, that is said with the first document
        documents, damaged = left
        if damaged:
            what = "A document that was" if damaged == 1 else f"{damaged} documents that were"
            self.window.notice(
                f"{what} open cannot be got back: what was kept is damaged.", "The log has the details.", error=True
            )
        if not documents:
            return
        from app.recovery import RecoveryDialog, left_behind_thumbnail  # noqa: PLC0415  seldom needed

        dialog = self._recovery_dialog = RecoveryDialog(documents, self.window)
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
            with self.waits.on(f"Opening {readable(document.newest.snapshot.name)}"):
                opened, in_file, notes = await asyncio.to_thread(
                    read_left_behind, document, self._methods.settings_by_id
                )
        except EditorError as error:
            self._refuse_back(document, dialog, error)
            return
        except Exception:
            log.exception("%r could not be opened", document.newest.snapshot.name)
            self._refuse_back(document, dialog, UnreadableFile(UNEXPECTED, "The log has the details."))
            return
        snapshot = document.newest.snapshot  # by now that of an earlier state, where the newest makes no sense
        session = self._add(
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
            self.window.notice(error.message, error.advice, error=True)

    def _discard(self, document: LeftBehind, dialog: RecoveryDialog) -> None:
        if document in self._getting_back:
            return
        document.discard()
        dialog.remove(document)

    def _put_off(self, documents: Sequence[LeftBehind]) -> None:
        for document in documents:
            if document not in self._getting_back:
                document.put_off()
        if self._recovery_dialog is not None:
            self._recovery_dialog.deleteLater()
            self._recovery_dialog = None

    def _tell_unkept(self, message: str, advice: str) -> None:
        self._unkept = message
        self.window.notice(message, advice, error=True, lasts=True)

    def _tell_kept(self) -> None:
        self.window.withdraw(self._unkept)
        self.window.notice("Changes are kept safe again.")

    # Ending

    async def close(self) -> None:
        """Put the window away, stop everything that runs and join the worker. Documents are not asked about."""
        self.window.hide()  # the worker may be in the middle of a long step
        await self._editing.close()
        await self.models.close()
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        if self._recovery_dialog is not None:
            self._recovery_dialog.close()
        self.autosave.close()
        self._runner.close()
        self.window.shut()
        self._collector.close()

    def _start(self, work: Coroutine[Any, Any, object]) -> asyncio.Task[None]:
        async def whole() -> None:
            await work

        task = asyncio.get_running_loop().create_task(whole())
        task.add_done_callback(
            lambda _: work.close()
        )  # one that is cancelled before it begins has not begun this either
        self._tasks.add(task)
        task.add_done_callback(self._ended)
        return task

    def _ended(self, task: asyncio.Task[None]) -> None:
        self._tasks.discard(task)
        if not task.cancelled() and task.exception() is not None:
            log.error("A background task failed", exc_info=task.exception())
            self.window.notice(
                "Something went wrong inside the program.", "Try again; the log has the details.", error=True
            )


def _together(refusals: Sequence[EditorError], count: int) -> EditorError:
    """Many of the files that were to be opened could not be, as one message that names them."""
    for error in refusals:
        log.warning("Not opened: %s", error.message)
    named = [error.message for error in refusals[:MAX_NAMED]]
    rest = len(refusals) - len(named)
    named += [f"And {rest} more; the log has them."] if rest else []
    return UnreadableFile(f"{len(refusals)} of {count} files could not be opened.", "\n".join(named))


async def _answer(ask: Callable[[Callable[[T], None]], QDialog]) -> T | None:
    """What the person answered in the dialog that `ask` opens; None when they put it away."""
    loop = asyncio.get_running_loop()
    future: asyncio.Future[T | None] = loop.create_future()

    def settle(value: T | None) -> None:
        if not future.done():
            future.set_result(value)

    dialog = ask(settle)
    dialog.finished.connect(lambda: loop.call_soon(settle, None))  # an answer given while it closes comes first
    return await future


def _opened(dialog: QDialog) -> QDialog:
    dialog.open()
    return dialog


def load_engine(library: Callable[[], Library], learned: Path | None = None) -> RunsRequests:
    """Called in the worker: methods bring heavy libraries, which the window must not wait for. `learned`: as in `Engine`."""
    from editor.engine import Engine  # noqa: PLC0415

    return Engine(library, learned=learned)


def run(qt: QApplication, sight: FirstSight, pictures: Sequence[Path]) -> int:
    """The program, with these pictures, until its window is closed; `sight` stands until then. Returns the exit status."""
    settings = Settings(settings_path())
    theme = Theme(qt, settings.values.theme)
    qt.setWindowIcon(program_icon())
    with QEventLoop(qt) as loop:
        logs.watch(loop)
        loop.run_until_complete(_main(settings, theme, sight, pictures))
    return 0


async def _main(settings: Settings, theme: Theme, sight: FirstSight, pictures: Sequence[Path]) -> None:
    kind = QStandardPaths.StandardLocation
    models = folder(kind.AppLocalDataLocation) / "models"
    cache = folder(kind.CacheLocation)
    make_engine = partial(load_engine, learned=cache / "learned")
    recovery = folder(kind.StateLocation) / "recovery"
    bundled = resources.bundled_models()
    application = Application(settings, theme, cache, models, make_engine, recovery=recovery, bundled=bundled)
    logs.watch(asyncio.get_running_loop(), partial(application.window.notice, error=True))
    try:
        await application.open_all(pictures)
        application.window.show()
        if settings.trouble is not None:
            application.window.notice(*settings.trouble, error=True)
        await asyncio.sleep(0)
        sight.close()
        log.info("Ready")
        application.set_out_practice()
        application.offer_left_behind()
        await application.finished.wait()
    finally:
        await application.close()
