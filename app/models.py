"""The models of this machine: which there are, which one is used, and getting more of them."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import threading
from collections.abc import Callable, Coroutine, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, TypeVar

from PySide6.QtCore import QObject, Signal
from PySide6.QtGui import QDesktopServices

from app.runner import internal_error
from app.settings import Settings
from editor.errors import EditorError, ModelUnavailable
from editor.models.download import download, read_record, remaining
from editor.models.hub import DownloadPlan, plan_download
from editor.models.info import ModelInfo
from editor.models.inspect import inspect
from editor.models.library import Library
from editor.models.rankers import RankerInfo, inspect_ranker, is_clip, ranker_of, rankers
from editor.requests.reports import Progress, Reports
from widgets.incoming import url_of
from widgets.models.service import Download
from widgets.shell.busy import Waits

log = logging.getLogger(__name__)

T = TypeVar("T")

Start = Callable[[Coroutine[Any, Any, object]], asyncio.Task[None]]


def models_folder(settings: Settings, own: Path) -> Path:
    """Where downloads go: the person's choice, else the program's `own` place."""
    return Path(settings.values.model_folder) if settings.values.model_folder else own


def library_of(settings: Settings, own: Path, bundled: Sequence[Path] = ()) -> Library:
    """Where the settings say that models are, and those that come with the program."""
    values = settings.values
    folders = dict.fromkeys((models_folder(settings, own), own, *map(Path, values.model_folders), *bundled))
    ranker = Path(values.ranker) if values.ranker else None
    return Library(tuple(folders), tuple(Path(model) for model in values.models), ranker=ranker)


def add_path(settings: Settings, path: Path) -> Sequence[ModelInfo]:
    """Remember a model, or a folder that holds some; returns them. Raises `ModelUnavailable` for what cannot be used."""
    infos = look_at(path)
    remember(settings, path, infos)
    return infos


def look_at(path: Path) -> Sequence[ModelInfo]:
    """The model at a path, or those in the folder there; takes a moment for large folders. Raises `ModelUnavailable` as `add_path` does."""
    path = path.absolute()
    info = inspect(path)
    if info.usable:
        return [info]
    within = (
        [model for model in Library((path,), cache=path / "none").models() if model.path != path]
        if path.is_dir()
        else []
    )
    if not any(inner.usable for inner in within):
        raise ModelUnavailable(info.problem, info.advice)
    return within


def remember(settings: Settings, path: Path, infos: Sequence[ModelInfo]) -> None:
    """Put what `look_at` found at a path on the list."""
    values, name = settings.values, str(path.absolute())
    if [info.key for info in infos] == [name]:
        settings.set(models=tuple(dict.fromkeys((*values.models, name))))
    else:
        settings.set(model_folders=tuple(dict.fromkeys((*values.model_folders, name))))


def forget_path(settings: Settings, path: Path) -> bool:
    """Take a model or a searched folder off the list again; whether it was on it."""
    values, name = settings.values, str(path.absolute())
    settings.set(
        models=tuple(model for model in values.models if model != name),
        model_folders=tuple(folder for folder in values.model_folders if folder != name),
        model="" if values.model == name else values.model,
    )
    return settings.values != values


class Models(QObject):
    """The service of the Models page. Use it from the GUI thread, inside a running asyncio loop; nothing here blocks.

    `own`: the program's folder for models; `bundled`: those that come with it. `start`: makes a task of a coroutine and looks after it.
    `waits`: hears of what takes longer than a moment. A download is a generator that is asked for one report at a time, in a thread; between two
    of them it is cancelled.
    """

    changed = Signal()
    taken = Signal()
    getting_changed = Signal()
    refused = Signal(object)

    def __init__(
        self, settings: Settings, own: Path, start: Start, bundled: Sequence[Path] = (), waits: Waits | None = None
    ) -> None:
        super().__init__()
        self._waits = waits or Waits()
        self._settings, self._own, self._start = settings, own, start
        self.bundled = bundled
        self._models: Sequence[ModelInfo] | None = None
        self._rankers: Sequence[RankerInfo] = ()
        self._getting: Download | None = None
        self._stopped = threading.Event()
        self._loading: asyncio.Task[None] | None = None
        self._asked = 0  # look-ups so far: only the newest counts
        self._scans = 0
        self._origins: dict[str, str] = {}

    @property
    def models(self) -> Sequence[ModelInfo] | None:
        return self._models

    @property
    def used(self) -> str:
        return self._settings.values.model

    @property
    def rankers(self) -> Sequence[RankerInfo]:
        return self._rankers

    @property
    def ranker(self) -> RankerInfo | None:
        return ranker_of(self.library, self._rankers)

    @property
    def getting(self) -> Download | None:
        return self._getting

    @property
    def folder(self) -> Path:
        return models_folder(self._settings, self._own)

    @property
    def mirror(self) -> str:
        return self._settings.values.hub

    @property
    def library(self) -> Library:
        return library_of(self._settings, self._own, self.bundled)

    # What is on the disk

    def refresh(self) -> None:
        self._start(self._scan())

    def use(self, key: str) -> None:
        self._settings.set(model=key)
        self.changed.emit()
        self.taken.emit()

    def use_ranker(self, key: str) -> None:
        self._settings.set(ranker=key)
        self.changed.emit()

    def add_ranker(self, path: Path) -> None:
        self._start(self._add_ranker(path))

    def forgettable(self, key: str) -> bool:
        return key in self._settings.values.models

    def origin(self, key: str) -> str:
        return self._origins.get(key, "")

    def forget(self, key: str) -> None:
        if forget_path(self._settings, Path(key)):
            self.changed.emit()
            self.refresh()

    def show_folder(self, key: str) -> None:
        path = Path(key)
        QDesktopServices.openUrl(url_of(path if path.is_dir() else path.parent))

    def add(self, path: Path) -> None:
        self._start(self._add(path))

    def set_folder(self, folder: Path) -> None:
        before = self._settings.values
        left = (str(self.folder),) if before.model_folder else ()  # what was downloaded there stays on the list
        chosen = "" if folder == self._own else str(folder.absolute())
        kept = dict.fromkeys(path for path in (*before.model_folders, *left) if path != chosen)
        self._settings.set(model_folder=chosen, model_folders=tuple(kept))
        self.changed.emit()
        self.refresh()

    def set_mirror(self, address: str) -> None:
        words = address.strip().rstrip("/")
        self._settings.set(hub=f"https://{words}" if words and "://" not in words else words)
        self.changed.emit()

    async def _scan(self) -> None:
        self._scans += 1
        mine = self._scans
        library = self.library

        def look() -> tuple[Sequence[ModelInfo], dict[str, str], Sequence[RankerInfo]]:
            models = library.models()
            origins = {info.key: read_record(info.path).get("source", "") for info in models if not info.usable}
            return models, origins, rankers(library)

        with self._waits.on("Looking for models"):
            scan = await asyncio.to_thread(look)
        if mine != self._scans:
            return  # a newer look is under way
        self._models, self._origins, self._rankers = scan
        self.changed.emit()

    async def _add(self, path: Path) -> None:
        if await asyncio.to_thread(is_clip, path):
            await self._add_ranker(path)
            return
        before = self._settings.values.models
        try:
            added = await asyncio.to_thread(look_at, path)
            remember(self._settings, path, added)
        except EditorError as error:
            self.refused.emit(error)
            return
        if not self.used and len(added) == 1 and self._settings.values.models != before:
            self._settings.set(model=added[0].key)
        await self._scan()

    async def _add_ranker(self, path: Path) -> None:
        ranker = await asyncio.to_thread(inspect_ranker, path)
        if not ranker.usable:
            self.refused.emit(ModelUnavailable(ranker.problem, ranker.advice))
            return
        self._settings.set(ranker=ranker.key)
        await self._scan()

    # Getting more

    def look_up(self, id: str) -> None:
        if self._busy:
            return
        self._asked += 1
        self._tell(Download(id.strip(), "looking"))
        self._start(self._look_up(id, self._asked))

    def get(self) -> None:
        if self._getting is not None and self._getting.plan is not None and not self._busy:
            self._stopped.clear()
            self._tell(replace(self._getting, stage="running", error=None))
            self._loading = self._start(self._download(self._getting.plan))

    def stop(self) -> None:
        if self._getting is None:
            return
        if self._getting.stage == "looking":
            self.dismiss()
        elif self._getting.stage == "running":
            self._stopped.set()

    def dismiss(self) -> None:
        if not self._busy:
            self._asked += 1
            self._tell(None)

    async def close(self) -> None:
        """Stop a download and wait for its end."""
        self._asked += 1
        self._stopped.set()
        if self._loading is not None:
            await asyncio.wait([self._loading])

    @property
    def _busy(self) -> bool:
        return self._loading is not None and not self._loading.done()

    def _tell(self, getting: Download | None) -> None:
        self._getting = getting
        self.getting_changed.emit()

    async def _look_up(self, id: str, number: int) -> None:
        folder, mirror = self.folder, self.mirror

        def ask() -> tuple[DownloadPlan, int]:
            plan = plan_download(id, endpoint=mirror)
            return plan, sum(file.size for file in remaining(plan, folder))

        try:
            plan, missing = await _in_thread(ask)
            state = Download(plan.id, "found" if missing else "done", plan, missing)
        except EditorError as error:
            state = Download(id.strip(), "failed", error=error)
        if number == self._asked:
            self._tell(state)

    async def _download(self, plan: DownloadPlan) -> None:
        assert self._getting is not None
        state = replace(self._getting, stage="failed", error=internal_error())
        try:
            path = await self._drive(download(plan, self.folder))
            state = replace(
                state, stage="stopped" if path is None else "done", error=None, missing=0 if path else state.missing
            )
        except EditorError as error:
            state = replace(state, error=error)
        finally:
            self._loading = None
            self._tell(replace(state, progress=self._getting.progress))
        folder = plan.folder(self.folder)
        if plan.ranks and state.stage == "done":
            self._settings.set(ranker=str(folder))
        await self._scan()
        here = [model for model in self._models or () if model.usable and folder in (model.path, model.path.parent)]
        if state.stage == "done" and here and not self.used:
            self.use(here[0].key)

    async def _drive(self, reports: Reports[Path]) -> Path | None:
        """Where the model is; None when it was stopped."""

        def step() -> Progress | Path | None:
            if self._stopped.is_set():
                reports.close()
                return None
            try:
                report = next(reports)
            except StopIteration as stop:
                folder: Path = stop.value
                return folder
            assert isinstance(report, Progress)
            return report

        while isinstance(outcome := await asyncio.to_thread(step), Progress):
            if self._getting is not None:
                self._tell(replace(self._getting, progress=outcome))
        return outcome


async def _in_thread(ask: Callable[[], T]) -> T:
    """As `asyncio.to_thread`, for what may hang on the network: the program can end without waiting for it."""
    loop = asyncio.get_running_loop()
    future: asyncio.Future[T] = loop.create_future()

    def succeed(result: T) -> None:
        if not future.done():
            future.set_result(result)

    def fail(error: EditorError) -> None:
        if not future.done():
            future.set_exception(error)

    def work() -> None:
        error: EditorError | None = internal_error()
        try:
            result = ask()
            error = None
        except EditorError as refusal:
            error = refusal
        finally:
            with contextlib.suppress(RuntimeError):  # the loop has ended meanwhile
                if error is None:
                    loop.call_soon_threadsafe(succeed, result)
                else:
                    loop.call_soon_threadsafe(fail, error)

    threading.Thread(target=work, name="look-up", daemon=True).start()
    return await future
