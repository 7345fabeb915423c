"""`python -m app monkey`: starts the driven program again and again, watches it, and says how often it died, failed or hung."""

from __future__ import annotations

import argparse
import itertools
import os
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

ROUND = 120.0  # seconds that one program is driven before the next seed
ENDING = 120.0  # seconds that it may take to start and to end besides
LAST = 15  # acts that are shown where a run ended in the middle


@dataclass
class Tally:
    """What happened in all runs together. Memory in MB: after the start, at most, at the end."""

    runs: int = 0
    acts: int = 0
    deaths: int = 0
    errors: int = 0
    hangs: int = 0
    memory: tuple[int, int, int] = (0, 0, 0)

    def add(self, acts: int, errors: int, memory: tuple[int, int, int], *, died: bool, hung: bool) -> None:
        """One more run."""
        self.runs += 1
        self.acts += acts
        self.errors += errors
        self.deaths += died
        self.hangs += hung
        self.memory = (self.memory[0] or memory[0], max(self.memory[1], memory[1]), memory[2])

    @property
    def well(self) -> bool:
        return not (self.deaths or self.errors or self.hangs)


def main(arguments: Sequence[str]) -> int:
    """Returns the exit status: 0 when nothing went wrong."""
    parser = argparse.ArgumentParser(
        prog="palimpsest monkey",
        description="Drive the real window at random, in a folder of its own, and count deaths, errors and hangs.",
        epilog="Exit status: 0 nothing went wrong, 1 something did.",
    )
    parser.add_argument("--minutes", type=float, default=5.0, help="so long in all (default 5)")
    parser.add_argument("--seed", type=int, default=1, help="of the first run; the next ones count on (default 1)")
    parser.add_argument("--steps", type=int, help="a single run of so many acts")
    parser.add_argument("--replay", type=Path, metavar="FILE", help="play the acts of an earlier run again")
    parser.add_argument(
        "--keep", type=Path, metavar="FOLDER", help="keep what is written (default: only where it went wrong)"
    )
    parser.add_argument("--drive", type=Path, help=argparse.SUPPRESS)
    parser.add_argument("--seconds", type=float, default=ROUND, help=argparse.SUPPRESS)
    options = parser.parse_args(arguments)
    if options.drive is not None:
        from app.dev.monkey.program import Course, drive  # noqa: PLC0415  Qt only where there is a window

        return drive(options.drive, Course(options.seed, options.seconds, options.steps or sys.maxsize, options.replay))
    home = Path(tempfile.mkdtemp(prefix="monkey-")) if options.keep is None else options.keep
    tally = Tally()
    end = time.monotonic() + options.minutes * 60
    for seed in itertools.count(options.seed):
        left = end - time.monotonic()
        alone = options.steps is not None or options.replay is not None
        seconds = 600.0 if alone else min(ROUND, left)
        words = ["--seed", str(seed), "--seconds", str(seconds)]
        words += [] if options.steps is None else ["--steps", str(options.steps)]
        words += [] if options.replay is None else ["--replay", str(options.replay)]
        sys.stdout.write(f"seed {seed}: {_run(home / f'run-{seed}', words, seconds + ENDING, tally)}\n")
        sys.stdout.flush()
        if alone or end - time.monotonic() < 10:
            break
    sys.stdout.write(
        f"{tally.runs} runs, {tally.acts} acts: {tally.deaths} deaths, {tally.errors} errors, {tally.hangs} hangs; "
        f"memory {tally.memory[0]} MB after the start, {tally.memory[1]} MB at most, {tally.memory[2]} MB at the end\n"
    )
    if not tally.well:
        sys.stdout.write(f"The acts and messages lie in {home}\n")
    return 0 if tally.well else 1


def _run(folder: Path, words: Sequence[str], most: float, tally: Tally) -> str:
    """One program, from its start to its end; says how that was. `most`: seconds after which it is killed."""
    folder.mkdir(parents=True, exist_ok=True)
    command = [sys.executable, "-m", "app", "monkey", "--drive", str(folder), *words]
    messages = folder / "messages.log"
    with messages.open("wb") as file:
        program = subprocess.Popen(
            command, env=_surroundings(folder), stdout=file, stderr=file, stdin=subprocess.DEVNULL
        )
        memory = _watch(program, folder, most)
    acts = _lines(folder / "acts.log")
    lines = messages.read_text("utf-8", "replace").splitlines()
    errors = sum(line.startswith(("ERROR ", "CRITICAL ")) for line in lines)
    hung = any(line.startswith("Timeout (") for line in lines) or program.returncode == -signal.SIGKILL
    died = not hung and program.returncode != 0
    tally.add(len(acts), errors, memory, died=died, hung=hung)
    ended = "hung" if hung else f"died ({program.returncode})" if died else "ended"
    summary = f"{ended} after {len(acts)} acts, {errors} errors, {memory[1]} MB at most"
    return "\n    ".join((summary, *acts[-LAST:])) if died or hung else summary


def _watch(program: subprocess.Popen[bytes], folder: Path, most: float) -> tuple[int, int, int]:
    """Wait for its end; what memory it had at the first act, at most, and last, in MB. It is killed when it goes on for too long."""
    first = peak = last = 0
    end = time.monotonic() + most
    while program.poll() is None:
        used = _resident(program.pid)
        if used:
            peak, last = max(peak, used), used
            if not first and (folder / "acts.log").exists():
                first = used
        if time.monotonic() > end:
            program.kill()
        time.sleep(0.25)
    return first, peak, last


def _surroundings(folder: Path) -> dict[str, str]:
    """Its environment: everything that the program would write or look up lies in `folder`, and there is no network."""
    own = {
        name: str(folder / "home")
        for name in ("HOME", "XDG_CONFIG_HOME", "XDG_DATA_HOME", "XDG_CACHE_HOME", "XDG_STATE_HOME", "HF_HOME")
    }
    nowhere = "http://127.0.0.1:9"
    network = {
        "HF_HUB_OFFLINE": "1",
        "HF_ENDPOINT": nowhere,
        "http_proxy": nowhere,
        "https_proxy": nowhere,
        "no_proxy": "",
    }
    (folder / "home").mkdir(exist_ok=True)
    return {**os.environ, **own, **network, "PYTHONFAULTHANDLER": "1"}


def _resident(process: int) -> int:
    """MB of memory; 0 where the system does not say."""
    try:
        pages = int(Path(f"/proc/{process}/statm").read_text(encoding="ascii").split()[1])
    except (OSError, IndexError, ValueError):
        return 0
    return pages * os.sysconf("SC_PAGE_SIZE") // 2**20


def _lines(path: Path) -> list[str]:
    return path.read_text(encoding="utf-8").splitlines() if path.exists() else []
