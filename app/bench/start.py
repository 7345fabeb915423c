"""From the command to the first painted window that shows the picture, against a bare PySide6 window that shows the same."""

from __future__ import annotations

import os
import statistics
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import resources
from app.bench import Result

REPEATS = 9

# A window of the size of ours, with the picture scaled to fit, ended at its first paint.
BARE = """
import sys
from PySide6.QtCore import Qt, QTimer
from PySide6.QtGui import QPixmap
from PySide6.QtWidgets import QApplication, QLabel

class Window(QLabel):
    def paintEvent(self, event):
        super().paintEvent(event)
        QTimer.singleShot(0, QApplication.quit)

application = QApplication([])
window = Window()
window.resize(1366, 768)
window.setPixmap(QPixmap(sys.argv[1]).scaled(1366, 768, Qt.AspectRatioMode.KeepAspectRatio))
window.show()
application.exec()
"""

OURS = """
import sys
from pathlib import Path
from app.application import run

status = run([Path(sys.argv[1])], leave_at_first_sight=True)
loaded = [name for name in ("torch", "diffusers", "transformers") if name in sys.modules]
sys.exit(status or (9 if loaded else 0))
"""


def start() -> Iterator[Result]:
    """Seconds from starting Python to the first painted window, and the ratio of the two."""
    with resources.photo("china.jpg") as picture:
        bare: list[float] = []
        ours: list[float] = []
        for turn in range(REPEATS + 1):  # in turns, so that a slow moment hits both; the first round only warms the disk
            for script, times in ((BARE, bare), (OURS, ours)):
                taken = _seconds(script, picture)
                if turn:
                    times.append(taken)
    yield Result("start: bare PySide6 window", statistics.median(bare), "s", note="floor")
    yield Result("start: first window with the picture", statistics.median(ours), "s", note="torch not imported")
    ratio = statistics.median(mine / floor for mine, floor in zip(ours, bare, strict=True))
    yield Result.at_most("start: ratio", ratio, "×", 1.5)


def _seconds(script: str, picture: Path) -> float:
    before = time.perf_counter()
    subprocess.run(
        [sys.executable, "-c", script, str(picture)],
        check=True,
        stdout=subprocess.DEVNULL,
        env={**os.environ, "QT_QPA_PLATFORM": "offscreen"},
    )
    return time.perf_counter() - before
