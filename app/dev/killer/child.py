"""The child: the real program, and a script that works in it with real events until it is killed."""

from __future__ import annotations

import asyncio
import json
import os
import random
import time
from collections.abc import Callable, Coroutine
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image
from PySide6.QtCore import QPoint, Qt, QTimer
from PySide6.QtTest import QTest
from PySide6.QtWidgets import QAbstractButton, QApplication, QMessageBox
from qasync import QEventLoop

import resources
from app import log as logs
from app.application import Application, load_engine
from app.dev.killer.ledger import Digests, ledger_path, project_path
from app.recovery import RecoveryDialog, read_left_behind
from app.settings import Settings
from editor.document.document import Document
from widgets.canvas.view import CanvasView
from widgets.session import edits
from widgets.session.session import Session
from widgets.theme import Theme

LARGE = (3000, 2000)  # pixels of the larger of the two pictures
FIRST_LOOK = 1.0  # seconds until the first step: nobody paints before there was something to see
PAUSES = (0.03, 0.3)  # seconds between two steps

Action = Callable[[Application, Session], Coroutine[Any, Any, None]]


def work(home: Path, seed: int) -> None:
    """Run the program in `home` and work in it; this never ends by itself."""
    qt = QApplication(["palimpsest"])
    qt.setQuitOnLastWindowClosed(False)
    logs.start(None)
    with QEventLoop(qt) as loop:
        logs.watch(loop)
        loop.run_until_complete(Child(home, seed).live(qt))


class Child:
    """The script, and what it writes down. `home`: the folder of everything; `seed`: of what it does."""

    def __init__(self, home: Path, seed: int) -> None:
        self._home = home
        self._random = random.Random(seed)
        self._ledger = os.open(ledger_path(home), os.O_WRONLY | os.O_CREAT | os.O_APPEND)
        self._digests = Digests()
        self._written: dict[str, Document] = {}

    async def live(self, qt: QApplication) -> None:
        home = self._home
        settings = Settings(home / "settings.json")
        theme = Theme(qt, "dark")
        application = Application(
            settings, theme, home / "cache", home / "models", load_engine, recovery=home / "recovery"
        )
        application.window.resize(1280, 800)
        application.window.show()
        await self._take_back(application)
        if not application.sessions:
            application.open_paths(self._pictures())
            await _until(lambda: len(application.sessions) == 2)
        for session in application.sessions:
            session.model.shown.connect(lambda *_, one=session: self._step(application, one))
            self._step(application, session)
        self._write("ready")
        await asyncio.sleep(FIRST_LOOK)
        while True:
            await self._act(application)
            await asyncio.sleep(self._random.uniform(*PAUSES))

    async def _take_back(self, application: Application) -> None:
        """Answer the offer as a person would."""
        await application.offer_left_behind()
        dialog = next(iter(application.window.findChildren(RecoveryDialog)), None)
        if dialog is None:
            return
        documents = tuple(dialog.rows)
        for document in documents:
            read, _, _ = await asyncio.to_thread(read_left_behind, document)
            self._write("offered", key=document.newest.snapshot.key, digest=self._digests.of(read))
        await _by_hand(dialog.open_all.click)
        await _until(lambda: len(application.sessions) == len(documents))

    def _pictures(self) -> list[Path]:
        small, large = self._home / "small.jpg", self._home / "large.png"
        with resources.photo("china.jpg") as photo:
            small.write_bytes(photo.read_bytes())
        rows, columns = np.ogrid[: LARGE[1], : LARGE[0]]
        grain = np.random.default_rng(1).integers(0, 30, (LARGE[1], LARGE[0], 3), np.uint8)
        shade = (90 + 60 * np.sin(rows / 90) + 60 * np.cos(columns / 130)).astype(np.uint8)
        Image.fromarray(grain + shade[..., None]).save(large, compress_level=1)
        return [small, large]

    # What it does

    async def _act(self, application: Application) -> None:
        actions: list[tuple[int, Action]] = [
            (8, self._paint),
            (2, self._undo),
            (1, self._redo),
            (2, self._fill),
            (3, self._save),
            (1, self._add_layer),
            (1, self._switch),
        ]
        weights = [weight for weight, _ in actions]
        (_, action) = self._random.choices(actions, weights)[0]
        session = application.window.session
        if session is not None:
            await action(application, session)

    async def _paint(self, application: Application, session: Session) -> None:
        canvas = self._canvas(application)
        session.discard()
        session.set_options(tool=self._random.choice(["strength", "strength", "paint"]))
        middle = canvas.rect().center()
        left = Qt.MouseButton.LeftButton
        at = middle + QPoint(self._random.randint(-200, 200), self._random.randint(-150, 150))
        await _by_hand(lambda: QTest.mousePress(canvas, left, pos=at))
        for _ in range(self._random.randint(2, 25)):
            at += QPoint(self._random.randint(-20, 20), self._random.randint(-20, 20))
            await _by_hand(partial(QTest.mouseMove, canvas, at))
        await _by_hand(lambda: QTest.mouseRelease(canvas, left, pos=at))

    async def _undo(self, application: Application, session: Session) -> None:
        if session.history.can_undo:
            await _by_hand(session.undo)

    async def _redo(self, application: Application, session: Session) -> None:
        if session.history.can_redo:
            await _by_hand(session.redo)

    async def _fill(self, application: Application, session: Session) -> None:
        """Run quick fill in a corner and keep the first result, unless the person thinks better of it."""
        document = session.history.document
        patch = np.ones((40, 50), np.float32)
        x, y = self._random.randint(60, 300), self._random.randint(60, 300)
        selection = document.empty_map().write(x, y, patch)
        await _by_hand(
            lambda: session.commit(
                "Select", document.with_map("selection", selection).with_strength(document.empty_map())
            )
        )
        session.set_draft(item=None, exemplar=None, seed=1, variations=1)
        await _by_hand(session.run)
        if self._random.random() < 0.2:
            await _by_hand(session.stop)
            return
        await _until(lambda: session.job is None or not session.job.busy)
        await _by_hand(session.accept if self._random.random() < 0.8 else session.discard)

    async def _save(self, application: Application, session: Session) -> None:
        key = application.autosave.key_of(session)
        if not _is_unsaved(session):
            return  # when it would be done could not be told
        if session.path is None:
            session.path = project_path(self._home, key)  # as if it had been chosen in the dialog
        document = session.history.document
        self._write("saving", key=key, digest=self._digests.of(document))
        await _by_hand(lambda: application.save(session))
        while _is_unsaved(session):
            # The program before was killed after it had saved and before it had noted so: the file may be somebody else's.
            overwrite = _button(application, "Overwrite")
            if overwrite is not None:
                await _by_hand(overwrite.click)
            await asyncio.sleep(0.005)
        self._write("saved", key=key, digest=self._digests.of(document))

    async def _add_layer(self, application: Application, session: Session) -> None:
        if len(session.history.document.layers) < 6:
            await _by_hand(lambda: edits.add_layer(session))

    async def _switch(self, application: Application, session: Session) -> None:
        await _by_hand(lambda: application.window.next_document(1))

    @staticmethod
    def _canvas(application: Application) -> CanvasView:
        bench = application.window.workbench
        assert bench is not None
        return bench.canvas

    # The ledger

    def _step(self, application: Application, session: Session) -> None:
        document = session.history.document
        key = application.autosave.key_of(session)
        if not session.in_gesture and self._written.get(key) is not document:
            self._written[key] = document
            self._write("step", key=key, digest=self._digests.of(document))

    def _write(self, what: str, **facts: str) -> None:
        os.write(self._ledger, (json.dumps({"what": what, "time": time.time(), **facts}) + "\n").encode())


def _button(application: Application, words: str) -> QAbstractButton | None:
    """That of the question which is open."""
    boxes = (box for box in application.window.findChildren(QMessageBox) if box.isVisible())
    return next((button for box in boxes for button in box.buttons() if button.text() == words), None)


def _is_unsaved(session: Session) -> bool:
    return session.history.unsaved


async def _by_hand(act: Callable[[], object]) -> None:
    """Do something from Qt's event loop, as a hand would, not from inside a task."""

    done: asyncio.Future[None] = asyncio.get_running_loop().create_future()

    def now() -> None:
        try:
            act()
        finally:
            done.set_result(None)

    QTimer.singleShot(0, now)
    await done


async def _until(condition: Callable[[], object]) -> None:
    while not condition():
        await asyncio.sleep(0.005)
