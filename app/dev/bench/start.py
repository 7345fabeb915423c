"""From the command to the first painted window that shows the picture, against a bare PySide6 window that shows the same."""

from __future__ import annotations

import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import resources
from app.dev.bench import Result

REPEATS = 9

# A window of the size of ours, with the picture scaled to fit; it says when it has painted itself.
BARE = """
import sys
from PySide6.QtCore import Qt
from PySide6.QtGui import QPixmap
from PySide6.QtWidgets import QApplication, QLabel

class Window(QLabel):
    def paintEvent(self, event):
        super().paintEvent(event)
        sys.stderr.write("First sight\\n")
        sys.stderr.flush()

application = QApplication([])
window = Window()
window.resize(1280, 800)
window.setPixmap(QPixmap(sys.argv[1]).scaled(1280, 800, Qt.AspectRatioMode.KeepAspectRatio))
window.show()
application.exec()
"""
# The program itself, with the names of heavy modules that were imported by then on its last line.
OURS = """
import logging, sys
from app.cli import main

class Loaded(logging.Handler):
    def emit(self, record):
        if record.getMessage() == "Ready":
            loaded = [name for name in ("torch", "diffusers", "transformers", "huggingface_hub", "scipy", "skimage") if name in sys.modules]
            sys.stderr.write("Loaded " + " ".join(loaded) + "\\n")

logging.getLogger("app.application").addHandler(Loaded())
main(["--verbose", sys.argv[1]])
"""


def start() -> Iterator[Result]:
    """Milliseconds from starting Python to the first painted window and to the whole program, and the ratio to a bare window."""
    bare: list[float] = []
    first: list[float] = []
    ready: list[float] = []
    with resources.photo("china.jpg") as picture, tempfile.TemporaryDirectory() as home:
        for turn in range(
            REPEATS + 1
        ):  # in turns, so that a slow moment hits both; the first round only warms the disk
            floor = _watch(BARE, picture, Path(home), "First sight")
            ours = _watch(OURS, picture, Path(home), "Ready")
            if turn:
                bare.append(floor["First sight"])
                first.append(ours["First sight"])
                ready.append(ours["Ready"])
    heavy = " ".join(word for word in ours if word.startswith("Loaded ")).removeprefix("Loaded").strip()
    yield Result("start: bare PySide6 window", statistics.median(bare), "ms", note="floor")
    yield Result("start: first sight of the picture", statistics.median(first), "ms")
    ratio = statistics.median(mine / floor for mine, floor in zip(first, bare, strict=True))
    yield Result.at_most("start: first sight, ratio", ratio, "×", 1.5)
    yield Result("start: the whole program", statistics.median(ready), "ms")
    count = float(len(heavy.split()))
    yield Result.at_most(
        "start: heavy modules imported",
        count,
        "",
        0,
        heavy or "no torch, diffusers, transformers, huggingface_hub, scipy",
    )


def _watch(script: str, picture: Path, home: Path, last: str) -> dict[str, float]:
    """Milliseconds until each line that the script writes, by the line's words; it is ended after `last`."""
    surroundings = {**os.environ, "QT_QPA_PLATFORM": "offscreen", "HOME": str(home), "XDG_CONFIG_HOME": str(home)}
    surroundings.pop("PYTHONDONTWRITEBYTECODE", None)  # compiling again at every start is not what people have
    seen: dict[str, float] = {}
    before = time.perf_counter()
    with subprocess.Popen(
        [sys.executable, "-c", script, str(picture)], stderr=subprocess.PIPE, text=True, env=surroundings
    ) as run:
        assert run.stderr is not None
        for line in run.stderr:
            words = line.strip().rsplit(": ", 1)[-1]
            seen.setdefault(words, 1000 * (time.perf_counter() - before))
            if words == last:
                run.kill()
                break
    return seen
