"""The parent, which starts the program, kills it, and checks what the next start is offered."""

from __future__ import annotations

import argparse
import json
import os
import random
import signal
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from app.dev.killer.ledger import Digests, ledger_path, project_path
from editor.errors import EditorError
from editor.io.project import load_project

START_SHARE = 0.25  # of the kills that come while the program still starts or takes documents back
MAX_LIFE = 5.0  # seconds of work before a kill
MAX_START = 3.0  # seconds from the start of the process, for kills while it starts
PATIENCE = 60.0  # seconds for a start


def main(arguments: Sequence[str]) -> int:
    """Return 0 when nothing was lost in any kill, 1 otherwise."""
    parser = argparse.ArgumentParser(
        prog="palimpsest kill-test", description="Kill the program at random moments; the next start must lose nothing."
    )
    parser.add_argument("--kills", type=int, default=200)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--home", type=Path, help="folder for everything it writes (default: a temporary one)")
    parser.add_argument("--child", action="store_true", help=argparse.SUPPRESS)
    options = parser.parse_args(arguments)
    if options.child:
        from app.dev.killer.child import work  # noqa: PLC0415  the parent needs no Qt

        work(options.home, options.seed)
    if options.home is not None:
        options.home.mkdir(parents=True, exist_ok=True)
        return Parent(options.home, options.seed).run(options.kills)
    with tempfile.TemporaryDirectory() as home:
        return Parent(Path(home), options.seed).run(options.kills)


@dataclass(slots=True)
class _Tally:
    """What was seen. `lost_steps`: for every document of every kill, how many steps were not offered back."""

    kills: int = 0
    lost_steps: Counter[int] = field(default_factory=Counter)
    saves: int = 0
    failures: list[str] = field(default_factory=list)


class Parent:
    """Starts and kills one child after the other in `home`."""

    def __init__(self, home: Path, seed: int) -> None:
        self._home = home
        self._ledger = ledger_path(home)
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


def _say(text: str) -> None:
    sys.stdout.write(text)
    sys.stdout.flush()
