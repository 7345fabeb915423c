"""The export dialog: kind of file, quality, size and what goes along, with the size of the file as it would be.

The size is found by encoding the picture for good in another thread; work that a newer choice has outdated is stopped.
"""

from __future__ import annotations

import asyncio
import logging
import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray
from PySide6.QtCore import Qt, QTimer
from PySide6.QtWidgets import QDialog, QHBoxLayout, QLabel, QPushButton, QVBoxLayout, QWidget

from editor.document.compose import flatten
from editor.document.document import Document
from editor.errors import EditorError
from editor.geometry import Size
from editor.io.encoding import KINDS, ExportOptions, KindName, Stopped, encode, exported_size
from widgets.controls.choice import Check, Choice
from widgets.controls.slider import Slider

log = logging.getLogger(__name__)

WIDTH = 480
PAUSE = 120  # ms that the hand must rest before anything is encoded
WORKING = "Working out the size of the file …"
MAX_SIDE = 16_384  # pixels that the longest side can be set to here
_OF_ALL = {"scaling", "longest", "percent", "keep_information"}  # what all kinds of file have in common
KEEP = "Keep information about the picture (camera, place, author)"


@dataclass(frozen=True, slots=True)
class Export:
    """What was chosen: the kind of file, and the options of every kind; size and information are the same in all."""

    kind: KindName
    options: Mapping[str, ExportOptions]


@dataclass(frozen=True, slots=True)
class Estimate:
    """What came of encoding. `length`: bytes, None where it cannot be written. `words`: what is to be known about it."""

    length: int | None
    words: str = ""


class SizeEstimator:
    """Encodes the picture as it would be written, the newest choice only. `shown` hears of each outcome that is not outdated."""

    def __init__(self, document: Document, shown: Callable[[Estimate], None]) -> None:
        self._document = document
        self._shown = shown
        self._pixels: NDArray[np.uint8] | None = None
        self._wanted: tuple[str, ExportOptions, threading.Event] | None = None
        self._stop = threading.Event()
        self._task: asyncio.Task[None] | None = None

    @property
    def busy(self) -> bool:
        return self._task is not None and not self._task.done()

    def ask(self, kind: str, options: ExportOptions) -> None:
        self._stop.set()
        self._stop = threading.Event()
        self._wanted = kind, options, self._stop
        if not self.busy:
            self._task = asyncio.get_running_loop().create_task(self._work())

    def stop(self) -> None:
        """What is encoded just now is outdated."""
        self._stop.set()
        self._wanted = None

    async def _work(self) -> None:
        while self._wanted is not None:
            (kind, options, stop), self._wanted = self._wanted, None
            estimate = await asyncio.to_thread(self._encode, kind, options, stop.is_set)
            if estimate is not None and not stop.is_set():
                self._shown(estimate)

    def _encode(self, kind: str, options: ExportOptions, stopped: Callable[[], bool]) -> Estimate | None:
        """In another thread. None when it was stopped."""
        try:
            if self._pixels is None:
                self._pixels = flatten(self._document)
            if stopped():
                return None
            data, notes = encode(self._pixels, self._document.metadata, kind, options, stopped=stopped)
            return Estimate(len(data), " ".join(notes))
        except Stopped:
            return None
        except EditorError as error:
            return Estimate(None, str(error))
        except MemoryError:
            return Estimate(None, "There is not enough memory to write it so. Choose a smaller size.")
        except Exception:  # of a library: else the dialog would wait for ever
            log.exception("No estimate of a %s", kind)
            return Estimate(None, "Something went wrong while it was worked out; the log has the details.")


class ExportDialog(QDialog):
    """How a picture is to be written; `chosen(export)` is called when the person goes on, and nothing when they cancel.

    Must be opened inside a running asyncio loop on Qt.
    """

    def __init__(self, parent: QWidget, document: Document, before: Export, chosen: Callable[[Export], None]) -> None:
        super().__init__(parent)
        self.setAttribute(Qt.WidgetAttribute.WA_DeleteOnClose)
        self.setWindowModality(Qt.WindowModality.WindowModal)
        self.setWindowTitle("Export picture")
        self._size = document.size
        self._kind: KindName = before.kind
        common = {name: getattr(before.options.get(before.kind, ExportOptions()), name) for name in _OF_ALL}
        self._options: dict[str, ExportOptions] = {
            kind: replace(before.options.get(kind, ExportOptions()), **common) for kind in KINDS
        }
        self.estimator = SizeEstimator(document, self._show_estimate)
        self._rest = QTimer(self, singleShot=True, interval=PAUSE)
        self._rest.timeout.connect(lambda: self.estimator.ask(self._kind, self._options[self._kind]))
        self.kind = Choice("Kind of file", [(kind, kind, "") for kind in KINDS])
        self.quality = Slider("Quality", 1, 100, 92, step=1)
        self.chroma = Choice(
            "Colour detail",
            [
                ("full", "Full", "Colours are as sharp as the light: 4:4:4"),
                ("half", "Half", "Half of the colours' detail from left to right: 4:2:2"),
                ("quarter", "Quarter", "Half of the colours' detail both ways, as cameras do: 4:2:0"),
            ],
        )
        self.lossless = Check("Exact, without any loss")
        self.compression = Slider("Compression", 0, 9, 3, step=1)
        self.compression.setToolTip("Always exact. Higher is smaller, and takes longer.")
        self.tiff = Choice(
            "Compression",
            [
                ("none", "No compression", "Every program reads it"),
                ("lzw", "LZW", "Exact; nearly every program reads it"),
                ("deflate", "Deflate (ZIP)", "Exact, and the smallest"),
            ],
        )
        self.scaling = Choice(
            "Size", [("full", "Full size", ""), ("longest", "Longest side", ""), ("percent", "Percent", "")]
        )
        self.longest = Slider("Longest side", 16, MAX_SIDE, min(2048, MAX_SIDE), unit="px", step=1, curve=2)
        self.percent = Slider("Of width and height", 0.01, 4, 0.5, unit="%", step=0.01, curve=2)
        self.keep = Check(KEEP)
        self.keep.setToolTip(
            "EXIF, XMP, IPTC, comments and texts, as far as the kind of file can hold them. Colours stay right either way."
        )
        self.pixels = _words("caption")
        self.pixels.setToolTip("Smaller in linear light, larger in the values as they are; both by a Lanczos filter.")
        self.length = _words("quiet")
        self.notes = _words("doubt")
        self.notes.hide()
        self.go_on = QPushButton("Export…")
        self.go_on.setProperty("role", "accept")
        self.go_on.setDefault(True)
        cancel = QPushButton("Cancel")
        cancel.setAutoDefault(False)
        cancel.clicked.connect(self.reject)
        self.go_on.clicked.connect(self._go_on)
        self._chosen = chosen
        self._lay_out(cancel)
        self._follow()
        self._show()
        self.finished.connect(self._close)
        self.kind.setFocus()

    def _lay_out(self, cancel: QPushButton) -> None:
        layout = QVBoxLayout(self)
        layout.setContentsMargins(16, 16, 16, 16)
        layout.setSpacing(8)
        layout.addWidget(self.kind)
        layout.addSpacing(4)
        self._chroma_words = _words("caption")
        self._chroma_words.setText("Colour detail")
        for widget in (self.lossless, self.quality, self._chroma_words, self.chroma, self.compression, self.tiff):
            layout.addWidget(widget)
        layout.addSpacing(8)
        size = _words("title")
        size.setText("Size")
        layout.addWidget(size)
        for widget in (self.scaling, self.longest, self.percent, self.pixels):
            layout.addWidget(widget)
        layout.addSpacing(8)
        layout.addWidget(self.keep)
        layout.addSpacing(8)
        layout.addWidget(self.length)
        layout.addWidget(self.notes)
        layout.addStretch(1)
        row = QHBoxLayout()
        row.addStretch(1)
        row.addWidget(cancel)
        row.addWidget(self.go_on)
        layout.addLayout(row)
        self.setFixedWidth(WIDTH)

    def _follow(self) -> None:
        """What the controls change. All kinds of file have the same size and information, each its own quality."""
        self.kind.changed.connect(self._choose_kind)
        self.quality.changed.connect(lambda value: self._set(quality=int(value)))
        self.chroma.changed.connect(lambda value: self._set(chroma=value))
        self.lossless.toggled.connect(lambda on: self._set(lossless=on))
        self.compression.changed.connect(lambda value: self._set(compression=int(value)))
        self.tiff.changed.connect(lambda value: self._set(tiff=value))
        self.scaling.changed.connect(lambda value: self._set(scaling=value))
        self.longest.changed.connect(lambda value: self._set(longest=int(value)))
        self.percent.changed.connect(lambda value: self._set(percent=value * 100))
        self.keep.toggled.connect(lambda on: self._set(keep_information=on))

    def _choose_kind(self, kind: KindName) -> None:
        self._kind = kind
        self._show()

    def _set(self, **changes: object) -> None:
        for kind in KINDS if changes.keys() <= _OF_ALL else (self._kind,):
            self._options[kind] = replace(self._options[kind], **changes)  # type: ignore[arg-type]
        self._show()

    def _show(self) -> None:
        kind, options = self._kind, self._options[self._kind]
        self.kind.set_value(kind)
        self.quality.set_value(options.quality)
        self.chroma.set_value(options.chroma)
        self.lossless.blockSignals(True)
        self.lossless.setChecked(options.lossless)
        self.lossless.blockSignals(False)
        self.compression.set_value(options.compression)
        self.tiff.set_value(options.tiff)
        self.scaling.set_value(options.scaling)
        self.longest.set_value(options.longest)
        self.percent.set_value(options.percent / 100)
        self.keep.blockSignals(True)
        self.keep.setChecked(options.keep_information)
        self.keep.blockSignals(False)
        self.quality.setVisible(kind == "JPEG" or (kind == "WebP" and not options.lossless))
        self.chroma.setVisible(kind == "JPEG")
        self._chroma_words.setVisible(kind == "JPEG")
        self.lossless.setVisible(kind == "WebP")
        self.compression.setVisible(kind == "PNG")
        self.tiff.setVisible(kind == "TIFF")
        self.longest.setVisible(options.scaling == "longest")
        self.percent.setVisible(options.scaling == "percent")
        self.pixels.setText(_sizes(self._size, exported_size(self._size, options)))
        self.length.setText(WORKING)
        self.go_on.setEnabled(True)
        self.estimator.stop()
        self._rest.start()

    def _show_estimate(self, estimate: Estimate) -> None:
        self.length.setText(
            "It cannot be written so." if estimate.length is None else f"The file: {about(estimate.length)}"
        )
        self.notes.setText(estimate.words)
        self.notes.setVisible(bool(estimate.words))
        self.go_on.setEnabled(estimate.length is not None)

    def _go_on(self) -> None:
        self._chosen(Export(self._kind, dict(self._options)))
        self.accept()

    def _close(self) -> None:
        self._rest.stop()
        self.estimator.stop()


def about(length: int) -> str:
    """How large a file is, as people say it: “about 2.1 MB”."""
    for unit, factor in (("GB", 1e9), ("MB", 1e6), ("KB", 1e3)):
        if length >= factor:
            value = length / factor
            return f"about {value:.1f} {unit}" if value < 99.95 and unit != "KB" else f"about {value:.0f} {unit}"
    return f"about {length} bytes"


def _sizes(before: Size, after: Size) -> str:
    own = f"{before.width} × {before.height} pixels"
    if after == before:
        return own
    how = "smaller" if after.width * after.height < before.width * before.height else "larger"
    return f"{own} → {after.width} × {after.height}, {how}"


def _words(role: str) -> QLabel:
    label = QLabel()
    label.setProperty("role", role)
    label.setWordWrap(True)
    label.setTextFormat(Qt.TextFormat.PlainText)
    return label
