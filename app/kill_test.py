"""The kill test: the real program is killed at random moments while a script paints, runs and saves, and the next start must offer everything back.

Each child is the whole program, drawn offscreen, with one home folder after the other's death. It takes back what it is offered, goes on
working with real pointer and key events, and writes every step to a ledger at once: the digest of the document after it. After
each kill, what the next child is offered must be the last step of every document in the ledger, or the one before: the step that
was being written. Project files must always be one that was saved, whole.
"""

from __future__ import annotations

import argparse
import asyncio
import hashlib
import json
import os
import random
import signal
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from PIL import Image

import resources
from editor.document import MAPS, Document
from editor.errors import EditorError
from editor.io.project import load_project
from editor.tiles import Tiles

if TYPE_CHECKING:
    from app.application import Application
    from widgets.session import Session

START_SHARE = 0.25  # of the kills that come while the program still starts or takes documents back
MAX_LIFE = 5.0  # seconds of work before a kill
MAX_START = 3.0  # seconds from the start of the process, for kills while it starts
PATIENCE = 60.0  # seconds for a start
LARGE = (3000, 2000)  # pixels of the larger of the two pictures


def main(arguments: Sequence[str]) -> int:
    """Returns 0 when nothing was lost in any kill, 1 otherwise."""
    parser = argparse.ArgumentParser(
        prog="palimpsest kill-test", description="Kill the program at random moments; the next start must lose nothing."
    )
    parser.add_argument("--kills", type=int, default=200)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--home", type=Path, help="folder for everything it writes (default: a temporary one)")
    parser.add_argument("--child", action="store_true", help=argparse.SUPPRESS)
    asked = parser.parse_args(arguments)
    if asked.child:
        return _Child(asked.home, asked.seed).run()
    if asked.home is not None:
        asked.home.mkdir(parents=True, exist_ok=True)
        return _Parent(asked.home, asked.seed).run(asked.kills)
    with tempfile.TemporaryDirectory() as home:
        return _Parent(Path(home), asked.seed).run(asked.kills)


def project_path(home: Path, key: str) -> Path:
    """Where the child saves a document, time and again."""
    return home / f"{key}.palimpsest"


# The parent, which kills


@dataclass(slots=True)
class _Tally:
    """What was seen. `lost_steps`: for every document of every kill, how many steps were not offered back."""

    kills: int = 0
    lost_steps: Counter[int] = field(default_factory=Counter)
    saves: int = 0
    failures: list[str] = field(default_factory=list)


class _Parent:
    def __init__(self, home: Path, seed: int) -> None:
        self._home = home
        self._ledger = home / "ledger.jsonl"
        self._random = random.Random(seed)
        self._seed = seed
        self._tally = _Tally()

    def run(self, kills: int) -> int:
        began = time.monotonic()
        before = 0
        for number in range(kills + 1):  # the last child only takes back
            before = self._live_and_die(number, before, last=number == kills)
            _say(f"\r{number} of {kills} kills, {len(self._tally.failures)} failures")
        tally = self._tally
        _say(
            f"\n{tally.kills} kills in {time.monotonic() - began:.0f} s; documents offered back: {tally.lost_steps.total()}, of these"
            f" with the last step {tally.lost_steps[0]}, without the one that was being written {tally.lost_steps[1]};"
            f" saves {tally.saves}; failures {len(tally.failures)}\n"
        )
        for failure in tally.failures:
            _say(f"{failure}\n")
        return 1 if tally.failures else 0

    def _live_and_die(self, number: int, before: int, *, last: bool) -> int:
        """One child. Returns how long the ledger was when it was killed."""
        command = [sys.executable, "-m", "app", "kill-test", "--child", "--home", str(self._home)]
        surroundings = {**os.environ, "QT_QPA_PLATFORM": "offscreen", "OMP_NUM_THREADS": "1"}
        with (self._home / f"log-{number:04d}.txt").open("wb") as log:
            child = subprocess.Popen(
                [*command, "--seed", str(self._seed * 10_000 + number)], stderr=log, env=surroundings
            )
            if not last and self._random.random() < START_SHARE:
                time.sleep(self._random.uniform(0, MAX_START))
            else:
                self._wait_until_taken_back(child, number, before)
                time.sleep(0 if last else self._random.uniform(0, MAX_LIFE))
            if child.poll() is not None:
                self._fail(number, f"it ended by itself with status {child.returncode}")
            child.send_signal(signal.SIGKILL)
            child.wait()
        self._tally.kills += not last
        self._check_log(number)
        entries = self._entries()
        self._check(number, entries[:before], entries[before:])
        self._check_projects(number, entries)
        return len(entries)

    def _wait_until_taken_back(self, child: subprocess.Popen[bytes], number: int, before: int) -> None:
        limit = time.monotonic() + PATIENCE
        while not any(entry["what"] == "ready" for entry in self._entries()[before:]):
            if time.monotonic() > limit or child.poll() is not None:
                self._fail(number, "it did not get ready")
                return
            time.sleep(0.05)

    def _entries(self) -> list[dict[str, Any]]:
        if not self._ledger.exists():
            return []
        lines = self._ledger.read_text(encoding="utf-8").splitlines()
        return [json.loads(line) for line in lines]

    def _check(self, number: int, earlier: list[dict[str, Any]], own: list[dict[str, Any]]) -> None:
        """What this child was offered, against what the ledger said before it."""
        if not any(entry["what"] == "ready" for entry in own):
            return  # killed before; the next one is offered the same
        offered = {entry["key"]: entry["digest"] for entry in own if entry["what"] == "offered"}
        steps: dict[str, list[str]] = {}
        for entry in earlier:
            if entry["what"] == "step":
                steps.setdefault(entry["key"], []).append(entry["digest"])
        for key, digests in steps.items():
            if key not in offered:
                self._fail(number, f"document {key} was not offered")
            elif offered[key] not in digests:
                self._fail(number, f"document {key} is none that ever was")
            else:
                lost = digests[::-1].index(offered[key])
                self._tally.lost_steps[lost] += 1
                if lost > 1:
                    self._fail(number, f"document {key} lost {lost} steps")

    def _check_projects(self, number: int, entries: list[dict[str, Any]]) -> None:
        """Each must hold what was saved last, or what was being saved."""
        self._tally.saves = sum(entry["what"] == "saved" for entry in entries)
        saves: dict[str, list[dict[str, Any]]] = {}
        for entry in entries:
            if entry["what"] in ("saving", "saved"):
                saves.setdefault(entry["key"], []).append(entry)
        for key, own in saves.items():
            finished = max((at for at, entry in enumerate(own) if entry["what"] == "saved"), default=-1)
            allowed = {entry["digest"] for entry in own[max(finished, 0) :]}
            path = project_path(self._home, key)
            if not path.exists():
                if finished >= 0:
                    self._fail(number, "a project is gone")
                continue
            try:
                document = load_project(path)
            except EditorError as error:
                self._fail(number, f"a project: {error}")
                continue
            if Digests().of(document) not in allowed:
                self._fail(number, "a project holds neither what was saved last nor what was being saved")

    def _check_log(self, number: int) -> None:
        text = (self._home / f"log-{number:04d}.txt").read_text("utf-8", "replace")
        if "Traceback" in text or "ERROR" in text:
            self._fail(number, f"its log:\n{text[-2000:]}")

    def _fail(self, number: int, why: str) -> None:
        self._tally.failures.append(f"child {number}: {why}")


# The child, which works until it is killed


class _Child:
    def __init__(self, home: Path, seed: int) -> None:
        self._home = home
        self._random = random.Random(seed)
        self._ledger = os.open(home / "ledger.jsonl", os.O_WRONLY | os.O_CREAT | os.O_APPEND)
        self._digests = Digests()
        self._written: dict[str, Document] = {}

    def run(self) -> int:
        from PySide6.QtWidgets import QApplication  # noqa: PLC0415  the parent needs no Qt
        from qasync import QEventLoop  # noqa: PLC0415

        from app import log as logs  # noqa: PLC0415

        qt = QApplication(["palimpsest"])
        qt.setQuitOnLastWindowClosed(False)
        logs.start(None)
        with QEventLoop(qt) as loop:
            logs.watch(loop)
            loop.run_until_complete(self._live(qt))
        return 0

    async def _live(self, qt: Any) -> None:
        from app.application import Application, load_engine  # noqa: PLC0415
        from app.settings import Settings  # noqa: PLC0415
        from widgets.theme import Theme  # noqa: PLC0415

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
            session.document_changed.connect(lambda *_, one=session: self._step(application, one))
            self._step(application, session)
        self._write("ready")
        while True:
            await self._act(application)
            await asyncio.sleep(self._random.uniform(0.03, 0.3))

    async def _take_back(self, application: Application) -> None:
        """Answer the offer as a person would."""
        from app.recovery import RecoveryDialog, read_left_behind  # noqa: PLC0415

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
        actions: list[tuple[int, Callable[[Application, Session], Any]]] = [
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
        from PySide6.QtCore import QPoint, Qt  # noqa: PLC0415
        from PySide6.QtTest import QTest  # noqa: PLC0415

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
        from PySide6.QtWidgets import QMessageBox  # noqa: PLC0415

        key = application.autosave.key_of(session)
        if session.path is None:
            session.path = project_path(self._home, key)  # as if it had been chosen in the dialog
        document = session.history.document
        self._write("saving", key=key, digest=self._digests.of(document))
        await _by_hand(lambda: application.save(session))
        while session.history.unsaved:
            # The program before was killed after it had saved and before it had noted so: the file may be somebody else's.
            for box in application.window.findChildren(QMessageBox):
                for button in box.buttons() if box.isVisible() else ():
                    if button.text() == "Overwrite":
                        await _by_hand(button.click)
            await asyncio.sleep(0.005)
        self._write("saved", key=key, digest=self._digests.of(document))

    async def _add_layer(self, application: Application, session: Session) -> None:
        from widgets import edits  # noqa: PLC0415

        if len(session.history.document.layers) < 6:
            await _by_hand(lambda: edits.add_layer(session))

    async def _switch(self, application: Application, session: Session) -> None:
        await _by_hand(lambda: application.window.next_document(1))

    @staticmethod
    def _canvas(application: Application) -> Any:
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


class Digests:
    """Digests of whole documents. Those of blocks are kept for as long as their tiles are: a step hashes what it changed."""

    def __init__(self) -> None:
        self._blocks: dict[int, tuple[object, bytes]] = {}

    def of(self, document: Document) -> str:
        digest = hashlib.blake2b(digest_size=12)
        blocks: dict[int, tuple[object, bytes]] = {}
        for name in MAPS:
            self._add(digest, document.map(name), blocks)
        for layer in document.layers:
            facts = layer.id, layer.name, layer.opacity, layer.blend, layer.visible, layer.recipe is None
            digest.update(repr(facts).encode())
            self._add(digest, layer.pixels, blocks)
            if layer.painted is not None:
                self._add(digest, layer.painted, blocks)
        digest.update(repr((document.size, document.next_id)).encode())
        self._blocks = self._blocks | blocks if len(self._blocks) < 20_000 else blocks
        return digest.hexdigest()

    def _add(self, digest: Any, tiles: Tiles, blocks: dict[int, tuple[object, bytes]]) -> None:
        for row in tiles.rows:
            for block in row:
                known = blocks.get(id(block)) or self._blocks.get(id(block))
                if known is None or known[0] is not block:
                    known = block, hashlib.blake2b(np.ascontiguousarray(block).data, digest_size=8).digest()
                blocks[id(block)] = known
                digest.update(known[1])


async def _by_hand(act: Callable[[], object]) -> None:
    """Do something from Qt's event loop, as a hand would, not from inside a task."""
    from PySide6.QtCore import QTimer  # noqa: PLC0415

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


def _say(text: str) -> None:
    sys.stdout.write(text)
    sys.stdout.flush()
