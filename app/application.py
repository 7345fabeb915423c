"""Application, the composition root: it makes settings, worker and window, and ends in good order."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Coroutine, Sequence
from functools import partial
from pathlib import Path
from typing import Any

from PySide6.QtCore import QStandardPaths
from PySide6.QtWidgets import QApplication
from qasync import QEventLoop

import resources
from app import log as logs
from app.autosave import Autosave
from app.collector import Collector
from app.documents import Thumbnails
from app.editing import Editing
from app.first_sight import FirstSight, folder, settings_path
from app.main_window import MainWindow
from app.models import Models
from app.new_document import NewDocumentDialog
from app.open_documents import OpenDocuments
from app.practice_room import PracticeRoom
from app.recovery_offer import RecoveryOffer
from app.runner import Runner, RunsRequests
from app.saving import Saving
from app.settings import Settings
from editor.io.images import Picture
from editor.methods.registry import METHODS, Methods
from editor.models.library import Library
from widgets.controls.icons import program_icon
from widgets.incoming import on_clipboard, source_of
from widgets.models.page import ModelsPage
from widgets.session.session import Session
from widgets.shell.busy import Waits
from widgets.shell.services import Practice, Recent
from widgets.theme import Theme

log = logging.getLogger(__name__)

MakeEngine = Callable[[Callable[[], Library]], RunsRequests]


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
        self.settings = settings
        self.finished = asyncio.Event()
        self.waits = Waits()
        self._unkept = ""  # what was said about documents that are not kept safe
        self._tasks: set[asyncio.Task[None]] = set()
        self._closing: set[Session] = set()
        self._collector = Collector()
        self._thumbnails = Thumbnails(cache)
        self._practice = PracticeRoom(methods)
        self.autosave = Autosave(recovery, settings)
        self.autosave.stopped.connect(self._tell_unkept)
        self.autosave.resumed.connect(self._tell_kept)
        self._runner = Runner(lambda: make_engine(lambda: self.models.library))
        self.models = Models(settings, models, self._start, bundled, self.waits)
        self.models.changed.connect(self._follow_models)
        self.models.taken.connect(self._show_model_method)
        self._models_page: ModelsPage | None = None
        self._editing = Editing(
            self._runner,
            self.open_picture,
            self.models,
            self.show_models,
            self.waits,
            stops_wanted=lambda: settings.values.scrub,
        )
        self._scrub_wanted = settings.values.scrub
        settings.changed.connect(self._follow_scrub)
        self.window = MainWindow(self, settings, theme)
        self.waits.changed.connect(self.window.show_busy)
        self._documents = OpenDocuments(
            window=self.window,
            settings=settings,
            thumbnails=self._thumbnails,
            waits=self.waits,
            autosave=self.autosave,
            models=self.models,
            worker=self._editing,
            methods=methods,
            start=self._start,
        )
        self._saving = Saving(self._documents, self.window, settings, self.waits, self.autosave)
        self._recovery_offer = RecoveryOffer(self.autosave, self._documents, self.window, self.waits, self._start)

    @property
    def sessions(self) -> Sequence[Session]:
        """One for each open document."""
        return self._documents.sessions

    # Opening

    def new_document(self) -> None:
        front = self.window.session
        dialog = NewDocumentDialog(self.window, None if front is None else front.document.size)
        dialog.wanted.connect(lambda size, background: self._start(self._documents.begin_new(size, background)))
        dialog.open()

    def open_dialog(self) -> None:
        self._start(self._documents.open_chosen())

    def open_paths(self, paths: Sequence[Path]) -> None:
        self._start(self._documents.open_all(paths))

    def open_sample(self) -> None:
        self._start(self._documents.open_sample())

    def open_picture(self, picture: Picture) -> None:
        self._documents.open_picture(picture)

    def paste(self) -> None:
        source = source_of(on_clipboard(), "Pasted")
        if source is None:
            self.window.notice("There is no picture on the clipboard.", "Copy one, then paste again.")
        else:
            self._start(self._documents.open_source(source))

    async def open_all(self, paths: Sequence[Path]) -> None:
        await self._documents.open_all(paths)

    async def open(self, path: Path) -> None:
        """Open one picture or project. What goes wrong becomes a notice."""
        await self._documents.open(path)

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

    def practice(self) -> Sequence[Practice]:
        return self._practice.scenes

    def open_practice(self, name: str) -> None:
        self._start(self._documents.open_practice(self._practice, name))

    def set_out_practice(self) -> None:
        """Draw the practice scenes of the start page, beside everything else; called once the window stands."""
        if self.models.bundled:
            self._start(self._set_out_toys())

    async def _set_out_toys(self) -> None:
        await asyncio.to_thread(self._practice.draw)
        self.window.start_page.refresh()

    def _follow_scrub(self) -> None:
        """Whether results are made in idle time counts at once."""
        before, self._scrub_wanted = self._scrub_wanted, self.settings.values.scrub
        if before != self._scrub_wanted:
            for session in self.sessions:
                session.scrub.begin_again()

    def _follow_models(self) -> None:
        for session in self.sessions:
            session.follow_models()

    # Saving and closing

    def save(self, session: Session) -> None:
        self._start(self._saving.save(session))

    def save_as(self, session: Session) -> None:
        self._start(self._saving.save(session, ask=True))

    def export(self, session: Session) -> None:
        self._start(self._saving.export(session))

    def close_document(self, session: Session) -> None:
        self._start(self._close(session))

    def quit(self) -> None:
        self._start(self._quit())

    async def _close(self, session: Session) -> bool:
        """Whether it was closed. Asked for twice, it still is one question."""
        if session in self._closing or session not in self.sessions:
            return False
        self._closing.add(session)
        self.window.finish_gesture(session)
        try:
            if not await self._saving.may_close(session):
                return False
            await self._editing.close(session)
        finally:
            self._closing.remove(session)
        self._documents.sessions.remove(session)
        self.autosave.forget(session)
        self.window.remove_session(session)
        self._collector.collect_all_soon()
        return True

    async def _quit(self) -> None:
        while self.sessions:
            if not await self._close(self.sessions[0]):
                return
        self.finished.set()

    # What is kept safe in case the program dies

    def offer_left_behind(self) -> asyncio.Task[None]:
        """Offer documents back that a program which died had open; called once the window stands. Done when their pictures are there."""
        return self._start(self._recovery_offer.make())

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
        self._recovery_offer.close()
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
