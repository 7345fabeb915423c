"""How quickly the canvas answers, each figure against a floor measured in the same run, turn by turn.

Brush, undo and opening are measured as in the program: with every step written to a journal in the background.
"""

from __future__ import annotations

import gc
import io
import math
import statistics
import sys
import tempfile
import time
import warnings
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image
from PySide6.QtCore import QEvent, QPointF, QRectF, Qt
from PySide6.QtGui import QColor, QImage, QMouseEvent, QPainter, QPaintEvent, QRadialGradient
from PySide6.QtWidgets import QApplication, QWidget

from app.autosave import Autosave
from app.dev.bench import Result
from app.settings import Settings
from editor.document.brush import Brush, Sample, SetTo, Stroke
from editor.document.contents import Item, Layer
from editor.document.document import Document
from editor.document.history import History
from editor.document.tiles import BLOCK, Tiles
from editor.geometry import Rect
from editor.io.images import Picture, read_image
from editor.models.info import ModelInfo
from editor.requests.edit_request import SegmentRequest
from widgets.canvas.view import CanvasView
from widgets.guard import Guarded
from widgets.session.edit_job import EditJob
from widgets.session.session import Session
from widgets.tools.brushes import StrengthTool

WINDOW = (1400, 900)
DAB = 200.0
HARDNESS = 0.4
DABS_PER_STROKE = 50


class IdleWorker:
    """A worker that is never asked for anything."""

    def run(self, session: Session, planned: object) -> None: ...
    def stop(self, session: Session) -> None: ...
    def finish(self, session: Session) -> None: ...
    def live(self, session: Session, edit_job: EditJob) -> None: ...
    def end_live(self, session: Session) -> None: ...
    def scrub(self, session: Session, edit_job: object) -> None: ...
    def end_scrub(self, session: Session, *, forget: bool) -> None: ...
    def assess(self, session: Session, done: Callable[..., None]) -> None: ...
    def segment(self, session: Session, request: SegmentRequest, done: Callable[..., None]) -> None: ...
    def read(self, session: Session, source: Path | bytes, name: str, done: Callable[[Picture], None]) -> None: ...
    def open_picture(self, picture: Picture) -> None: ...
    def use_model(self, key: str) -> None: ...
    def show_models(self) -> None: ...

    def models(self) -> Sequence[ModelInfo]:
        return ()

    def used_model(self) -> str:
        return ""


class Floor(Guarded, QWidget):
    """The least there is to do: stamp a soft dab into an image, repaint its rectangle."""

    def __init__(self, side: int, zoom: float) -> None:
        super().__init__()
        self.setAttribute(Qt.WidgetAttribute.WA_OpaquePaintEvent)
        self.resize(*WINDOW)
        self._image = QImage(side, side, QImage.Format.Format_RGB32)
        self._image.fill(0xFF808080)
        self._zoom = zoom
        self._left, self._top = side / 2 - WINDOW[0] / 2 / zoom, side / 2 - WINDOW[1] / 2 / zoom

    def mouseMoveEvent(self, event: QMouseEvent) -> None:
        zoom, radius = self._zoom, DAB / 2
        at = QPointF(event.position().x() / zoom + self._left, event.position().y() / zoom + self._top)
        gradient = QRadialGradient(at, radius)
        gradient.setColorAt(0, QColor(254, 232, 56))
        gradient.setColorAt(HARDNESS, QColor(254, 232, 56))
        gradient.setColorAt(1, QColor(254, 232, 56, 0))
        painter = QPainter(self._image)
        painter.setPen(Qt.PenStyle.NoPen)
        painter.setBrush(gradient)
        painter.drawEllipse(at, radius, radius)
        painter.end()
        left, top = (at.x() - radius - self._left) * zoom, (at.y() - radius - self._top) * zoom
        self.update(QRectF(left, top, DAB * zoom, DAB * zoom).toAlignedRect())

    def paintEvent(self, event: QPaintEvent) -> None:
        zoom, area = self._zoom, event.rect()
        painter = QPainter(self)
        painter.setRenderHint(QPainter.RenderHint.SmoothPixmapTransform, zoom < 1)
        source = QRectF(
            area.x() / zoom + self._left, area.y() / zoom + self._top, area.width() / zoom, area.height() / zoom
        )
        painter.drawImage(QRectF(area), self._image, source)
        painter.end()


def brush() -> Iterator[Result]:
    """From a pointer event to the repainted widget: 200 px soft brush on strength, three layers, one dab for each event.

    Strokes are short, so that while one is painted the one before is being written; during the first, the whole document is.
    """
    application = _application()
    medians: dict[tuple[str, int], float] = {}
    for where in ("100 %", "fit"):
        for side in (1024, 8192):
            with _autosave() as autosave:
                ours, floor = _brush_times(application, side, autosave, whole=where == "fit")
            medians[where, side] = statistics.median(ours)
            name = f"brush: {side} px at {where}"
            note = f"{milliseconds(ours, 50)} against {milliseconds(floor, 50)} ms"
            yield Result.at_most(f"{name}, median", percentile(ours, 50) / percentile(floor, 50), "x", 3.0, note)
            note = f"{milliseconds(ours, 99)} against {milliseconds(floor, 99)} ms"
            yield Result.at_most(f"{name}, 99 %", percentile(ours, 99) / percentile(floor, 99), "x", 6.0, note)
        share = medians[where, 8192] / medians[where, 1024]
        yield Result.at_most(f"brush: 8192 px against 1024 px at {where}", share, "x", 1.3)


def _brush_times(
    application: QApplication, side: int, autosave: Autosave, *, whole: bool
) -> tuple[list[float], list[float]]:
    view = _canvas(_layered(side))
    view.session.set_brush(size=DAB, hardness=HARDNESS)
    if not whole:
        view.navigation.zoom_to(1.0)
    floor = Floor(side, view.viewport.zoom)
    floor.show()
    _settle(application)
    scale = view.viewport.scale
    step = view.session.options.brush.spacing * DAB * scale
    radius = min(WINDOW[1] * 0.3, side * scale * 0.3)
    autosave.follow(view.session, None)
    _pointer(view, QEvent.Type.MouseButtonPress, QPointF(WINDOW[0] / 2 + radius, WINDOW[1] / 2))
    ours: list[float] = []
    least: list[float] = []
    gc.collect()
    gc.disable()
    for i in range(1, 700):
        angle = i * step / radius
        place = QPointF(WINDOW[0] / 2 + radius * math.cos(angle), WINDOW[1] / 2 + radius * math.sin(angle))
        for widget, times in ((view, ours), (floor, least)):
            start = time.perf_counter()
            _pointer(widget, QEvent.Type.MouseMove, place)
            repaint(widget)
            times.append(time.perf_counter() - start)
    gc.enable()
    _pointer(view, QEvent.Type.MouseButtonRelease, place)
    _close(application, view, floor)
    return ours[100:], least[100:]


def undo() -> Iterator[Result]:
    """Undo and redo of a long stroke, with the repaint, against copying the touched blocks and repainting them."""
    application = _application()
    view = _canvas(_layered(4096))
    session = view.session
    view.navigation.zoom_to(1.0)
    _settle(application)
    before = session.document
    centre = 2048.0
    stroke = Stroke(before.strength, Brush(size=DAB, hardness=HARDNESS), SetTo(1.0))
    stroke.add([Sample(centre - 500 + 10 * i, centre + 300 * math.sin(i / 10)) for i in range(100)])
    session.commit("Paint strength", before.with_strength(stroke.finish()))
    touched = stroke.touched
    repaint(view)
    floor = _CopyFloor(session.document.strength, touched)
    floor.show()
    _settle(application)
    ours: list[float] = []
    least: list[float] = []
    with _autosave() as autosave:
        autosave.follow(session, None)
        autosave.settled().result()  # the whole document is written once, soon after it was opened
        for _ in range(60):
            for act in (session.undo, session.redo):
                start = time.perf_counter()
                act()
                repaint(view)
                ours.append(time.perf_counter() - start)
                start = time.perf_counter()
                floor.copy()
                repaint(floor)
                least.append(time.perf_counter() - start)
    ratio = percentile(ours, 50) / percentile(least, 50)
    note = f"{milliseconds(ours, 50)} against {milliseconds(least, 50)} ms, aim 20 ms"
    yield Result.at_most("undo and redo of a stroke", ratio, "x", 2.0, note)
    _close(application, view, floor)


class _CopyFloor(Guarded, QWidget):
    """Copies the touched blocks and repaints them: strength over the picture, both already device pixels."""

    def __init__(self, tiles: Tiles, touched: Rect) -> None:
        super().__init__()
        self.setAttribute(Qt.WidgetAttribute.WA_OpaquePaintEvent)
        self.resize(*WINDOW)
        self._picture = QImage(*WINDOW, QImage.Format.Format_RGB32)
        self._picture.fill(0xFF808080)
        self._overlay = QImage(*WINDOW, QImage.Format.Format_ARGB32_Premultiplied)
        self._overlay.fill(0x40404000)
        self._tiles, self._touched = tiles, touched

    def copy(self) -> None:
        copies = [block.copy() for _, block in self._tiles.blocks(self._touched)]
        corner = self._tiles.size.width / 2 - WINDOW[0] / 2, self._tiles.size.height / 2 - WINDOW[1] / 2
        for where, _ in zip(self._tiles.blocks(self._touched), copies, strict=True):
            self.update(round(where[0].left - corner[0]), round(where[0].top - corner[1]), BLOCK, BLOCK)

    def paintEvent(self, event: QPaintEvent) -> None:
        painter = QPainter(self)
        area = event.rect()
        painter.drawImage(area, self._picture, area)
        painter.drawImage(area, self._overlay, area)
        painter.end()


def memory() -> Iterator[Result]:
    """What two hundred strokes on a 4096 px picture add, as the history counts it and as the process grows."""
    pixels = np.full((4096, 4096, 4), 128, np.uint8)
    document = Document.of_picture(pixels)
    history = History(document)
    base, resident = history.nbytes(), _resident()
    generator = np.random.default_rng(7)
    for i in range(200):
        stroke = Stroke(history.document.strength, Brush(size=DAB, hardness=HARDNESS), SetTo(1.0))
        x, y = generator.uniform(300, 3796, 2)
        stroke.add([Sample(x + 4 * step, y + 3 * step * math.sin(i)) for step in range(50)])
        history.commit("Paint strength", history.document.with_strength(stroke.finish()))
    del stroke
    gc.collect()
    added = (history.nbytes() - base) / 1e6
    yield Result.at_most("memory of 200 strokes at 4096 px, blocks", added, "MB", 300.0)
    grown = (_resident() - resident) / 1e6
    yield Result.at_most("memory of 200 strokes at 4096 px, process", grown, "MB", 300.0)


def opening() -> Iterator[Result]:
    """From the file's bytes to the first painted picture, against decoding alone."""
    application = _application()
    for megapixels, width, height in ((24, 6000, 4000), (96, 12000, 8000)):
        data = _jpeg(width, height)
        decoding: list[float] = []
        sight: list[float] = []
        for _ in range(3):
            start = time.perf_counter()
            _decode(data)
            decoding.append(time.perf_counter() - start)
            with _autosave() as autosave:
                start = time.perf_counter()
                view = _canvas(Document.of_picture(read_image(data, "picture.jpg").pixels))
                autosave.follow(view.session, Path("picture.jpg"))
                application.processEvents()  # the window is exposed and painted
                sight.append(time.perf_counter() - start)
                start = time.perf_counter()
                while view.refining:
                    application.processEvents()
                sharp = time.perf_counter() - start
                autosave.forget(view.session)
            _close(application, view)
            del view
        ratio = min(sight) / min(decoding)
        note = f"{min(sight) * 1e3:.0f} against {min(decoding) * 1e3:.0f} ms; {sharp * 1e3:.0f} ms later all is sharp"
        yield Result.at_most(f"opening {megapixels} megapixels, first sight", ratio, "x", 1.5, note)


def item_drag() -> Iterator[Result]:
    """One frame while an item of 2 megapixels is moved over a 24-megapixel document."""
    application = _application()
    document = Document.of_picture(_picture(6000, 4000))
    rows, columns = np.mgrid[0:1500, 0:1800].astype(np.float32)
    inside = ((rows - 750) / 745) ** 2 + ((columns - 900) / 895) ** 2 < 1
    mask = Tiles.filled((4000, 6000), 0, np.float32).write(1000, 800, inside.astype(np.float32))
    document = document.adding_item(Item.of("stone", mask))
    for where in ("fit", "100 %"):
        view = _canvas(document)
        session = view.session
        session.activate(item=document.items[0].id)
        if where != "fit":
            view.navigation.zoom_to(1.0)
        _settle(application)
        item = document.items[0]
        times = []
        for i in range(120):
            start = time.perf_counter()
            placement = item.placed.moved(300 * math.sin(i / 12), 5.0 * i)
            session.show(session.document.with_item(replace(item, placement=placement)))
            repaint(view)
            times.append(time.perf_counter() - start)
        yield Result(f"item drag at {where}, median", percentile(times, 50) * 1e3, "ms")
        yield Result(f"item drag at {where}, 99 %", percentile(times, 99) * 1e3, "ms")
        _close(application, view)


# What the benchmarks share


def _application() -> QApplication:
    application = QApplication.instance()
    return application if isinstance(application, QApplication) else QApplication(sys.argv[:1])


@contextmanager
def _autosave() -> Iterator[Autosave]:
    """That of a program of its own, whose files go afterwards."""
    with tempfile.TemporaryDirectory() as home:
        autosave = Autosave(Path(home) / "recovery", Settings(Path(home) / "settings.json"))
        try:
            yield autosave
        finally:
            autosave.close()


def _canvas(document: Document) -> CanvasView:
    """A canvas of its own, shown, with the strength tool in hand."""
    session = Session(document, IdleWorker())
    view = CanvasView(session, {"strength": StrengthTool(session)})
    view.resize(*WINDOW)
    view.show()
    return view


def _layered(side: int) -> Document:
    """A photo-like picture under two smaller layers."""
    document = Document.of_picture(_picture(side, side))
    quarter = np.full((side // 4, side // 4, 4), 200, np.uint8)
    for left in (side // 8, side // 2):
        layer = Layer.empty(0, "Result", document.size)
        document = document.adding_layer(replace(layer, pixels=layer.pixels.write(left, side // 3, quarter)))
    return document


def _picture(width: int, height: int) -> NDArray[np.uint8]:
    """(height, width, 4) uint8, opaque: soft shapes with grain."""
    rows, columns = np.ogrid[0:height, 0:width]
    pixels = np.full((height, width, 4), 255, np.uint8)
    for channel, (down, along) in enumerate(((211, 397), (307, 173), (149, 263))):
        wave = np.sin(rows / down).astype(np.float32) + np.cos(columns / along).astype(np.float32)
        pixels[..., channel] = wave * 45 + 120
    grain = np.random.default_rng(1).integers(0, 24, (512, 512, 1), np.uint8)
    pixels[..., :3] += np.tile(grain, (height // 512 + 1, width // 512 + 1, 1))[:height, :width]
    return pixels


def _jpeg(width: int, height: int) -> bytes:
    out = io.BytesIO()
    Image.fromarray(_picture(width, height)[..., :3]).save(out, "JPEG", quality=90)
    return out.getvalue()


def _decode(data: bytes) -> None:
    """What any program must do before it can show anything."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", Image.DecompressionBombWarning)
        with Image.open(io.BytesIO(data)) as image:
            image.load()


def _pointer(widget: QWidget, kind: QEvent.Type, place: QPointF) -> None:
    left, none = Qt.MouseButton.LeftButton, Qt.MouseButton.NoButton
    button = none if kind == QEvent.Type.MouseMove else left
    held = none if kind == QEvent.Type.MouseButtonRelease else left
    event = QMouseEvent(kind, place, place, button, held, Qt.KeyboardModifier.NoModifier)
    QApplication.sendEvent(widget, event)


def repaint(widget: QWidget) -> None:
    """Repaint now what was marked for it, and nothing else."""
    QApplication.sendEvent(widget, QEvent(QEvent.Type.UpdateRequest))


def _settle(application: QApplication) -> None:
    for _ in range(200):
        application.processEvents()


def _close(application: QApplication, *widgets: QWidget) -> None:
    for widget in widgets:
        widget.close()
        widget.deleteLater()
    application.processEvents()


def percentile(times: Sequence[float], percent: float) -> float:
    return float(np.percentile(times, percent))


def milliseconds(times: Sequence[float], percent: float) -> str:
    return f"{percentile(times, percent) * 1e3:.3g}"


def _resident() -> int:
    """Bytes of memory the process holds."""
    with open("/proc/self/statm", encoding="ascii") as file:
        return int(file.read().split()[1]) * 4096
