"""First sight: the picture on screen before anything heavy is imported.

A plain window in the place and the colours of the main window, with the picture where the canvas will show it. It stands until the
main window has painted itself, a few tenths of a second later. Nothing but Qt's widgets is imported
for it.
"""

from __future__ import annotations

import logging
import sys
from collections.abc import Sequence
from pathlib import Path

from PySide6.QtCore import QByteArray, QRect, QSize, QStandardPaths, Qt
from PySide6.QtGui import QColor, QColorSpace, QGuiApplication, QImage, QImageReader, QPainter, QPaintEvent
from PySide6.QtWidgets import QApplication, QWidget

from app import log as logs
from app import preferences_file
from app.preferences_file import text
from widgets.guard import Guarded

log = logging.getLogger(__name__)

# As in the main window: its top line, tool bar, column and status line, and the margin around a fitted picture.
TOP, TOOLS, COLUMN, STATUS, MARGIN = 36, 44, 288, 24, 24
FIRST_SIZE = QSize(1280, 800)
SURROUND = "#404040"
# Reading a smaller JPEG out of a large one is quick; any other large picture would only delay the window.
LARGE = 8_000_000  # bytes
MAX_PIXELS, MAX_SIDE = 400_000_000, 200_000  # what the program opens (see `editor.io.images`)


class FirstSight(Guarded, QWidget):
    """`settings`: the file of the preferences, for place and theme. `pictures`: the first one is shown."""

    def __init__(self, settings: Path, pictures: Sequence[Path]) -> None:
        super().__init__(None, Qt.WindowType.SplashScreen)
        self._seen = False
        preferences = _read(settings)
        geometry = QByteArray.fromBase64((text(preferences.get("geometry")) or "").encode("ascii", "ignore"))
        if geometry.isEmpty() or not self.restoreGeometry(geometry):
            self.resize(FIRST_SIZE)
        dark = preferences.get("theme") != "light" and (
            preferences.get("theme") == "dark" or QGuiApplication.styleHints().colorScheme() is not Qt.ColorScheme.Light
        )
        self._panel, self._line = ("#272727", "#3a3a3a") if dark else ("#f7f7f7", "#d8d8d8")
        self._picture = _scaled(pictures[0], self._canvas().size()) if pictures else QImage()

    def _canvas(self) -> QRect:
        return self.rect().adjusted(TOOLS, TOP, -COLUMN, -STATUS)

    def paintEvent(self, event: QPaintEvent) -> None:
        painter = QPainter(self)
        painter.fillRect(self.rect(), QColor(self._panel))
        if not self._picture.isNull():
            canvas = self._canvas()
            painter.fillRect(canvas, QColor(SURROUND))
            target = QRect(canvas.topLeft(), self._picture.deviceIndependentSize().toSize())
            target.moveCenter(canvas.center())
            painter.drawImage(target, self._picture)
            painter.setPen(QColor(self._line))
            painter.drawRect(canvas.adjusted(-1, -1, 0, 0))
        painter.end()
        if not self._seen:
            self._seen = True
            log.info("First sight")


def begin(pictures: Sequence[Path], *, verbose: bool = False) -> tuple[QApplication, FirstSight]:
    """Qt, the log, and a window on the screen. The caller imports the rest and closes the window when it has a better one."""
    qt = QApplication(sys.argv[:1])
    qt.setApplicationName("palimpsest")
    qt.setApplicationDisplayName("Palimpsest")
    # Closing sets an event; quitting by itself would stop asyncio under pending work.
    qt.setQuitOnLastWindowClosed(False)
    logs.start(folder(QStandardPaths.StandardLocation.AppLocalDataLocation), verbose=verbose)
    sight = FirstSight(settings_path(), pictures)
    sight.show()
    qt.processEvents()
    return qt, sight


def settings_path() -> Path:
    """Where this person's preferences belong on this system."""
    return folder(QStandardPaths.StandardLocation.AppConfigLocation) / "settings.json"


def folder(kind: QStandardPaths.StandardLocation) -> Path:
    """This person's folder of that kind."""
    return Path(QStandardPaths.writableLocation(kind))


def _read(settings: Path) -> dict[str, object]:
    try:
        return preferences_file.read(settings)
    except preferences_file.Unreadable:
        return {}  # the program says so once it is there


def _scaled(path: Path, room: QSize) -> QImage:
    """The picture as the canvas will fit it, upright; null when it cannot be had quickly, or is no ordinary picture at all."""
    if not path.is_file():  # reading a pipe would keep the window from ever appearing
        return QImage()
    reader = QImageReader(str(path))
    reader.setAutoTransform(True)
    size = reader.size()
    if not size.isValid() or size.width() * size.height() > MAX_PIXELS or max(size.width(), size.height()) > MAX_SIDE:
        return QImage()
    if path.stat().st_size > LARGE and reader.format() != b"jpeg":
        return QImage()
    screens = QGuiApplication.screens()  # the primary one first; there may be none just now
    ratio = screens[0].devicePixelRatio() if screens else 1.0
    turned = bool(reader.transformation().value & 4)  # a quarter turn, with or without mirroring
    upright = size.transposed() if turned else size
    room -= QSize(2 * MARGIN, 2 * MARGIN)
    fits = upright.width() <= room.width() and upright.height() <= room.height()
    shown = upright if fits else upright.scaled(room, Qt.AspectRatioMode.KeepAspectRatio)
    fitted = shown * ratio
    if fitted.width() < upright.width():
        reader.setScaledSize(fitted.transposed() if turned else fitted)
    picture = reader.read()
    if picture.colorSpace().isValid():
        picture.convertToColorSpace(QColorSpace(QColorSpace.NamedColorSpace.SRgb))
    picture.setDevicePixelRatio(picture.width() / max(shown.width(), 1))
    return picture
