"""Pictures that arrive from outside: dragged over the canvas, dropped, pasted; and the chip that asks what they become."""

from __future__ import annotations

from pathlib import Path

from PySide6.QtCore import QMimeData, QObject, QPoint, QPointF, QRect, QRectF, Qt, Signal
from PySide6.QtGui import QColor, QImage, QKeyEvent, QPainter, QPen
from PySide6.QtWidgets import QFrame, QHBoxLayout, QLabel, QPushButton, QWidget

from editor.geometry import Point, Rect
from editor.io.images import READ_KINDS, Picture
from widgets.canvas import overlays
from widgets.canvas.arrivals import CHOICES, Choice, picture_size, placement, take, title
from widgets.canvas.pan_zoom import PanZoom
from widgets.dragged import files_of
from widgets.guard import Guarded
from widgets.qimage import from_qimage, to_qimage
from widgets.session import Notice, Session

SUFFIXES = tuple(suffix for kind in READ_KINDS for suffix in kind.suffixes)
_BYTES = ("image/png", "image/jpeg", "image/webp", "image/tiff")
_PLACEHOLDER = 180, 120  # logical pixels, until the picture is known
_GHOST = 1024  # pixels of the longer side that a ghost needs at most


class DropChip(Guarded, QFrame):
    """Asks what a picture becomes. `chosen(choice)` with one of `CHOICES`' names, or None when it is put away.

    Arrow keys move, Enter takes the one in focus (the likely one at first), Escape puts it away.
    """

    chosen = Signal(object)

    def __init__(self, name: str, parent: QWidget) -> None:
        super().__init__(parent)
        self.setObjectName("floating")
        self.setAttribute(Qt.WidgetAttribute.WA_StyledBackground)
        self.setAccessibleName(f"What “{name}” becomes")
        self.label = label = QLabel()
        label.setTextFormat(Qt.TextFormat.PlainText)
        label.setText(label.fontMetrics().elidedText(name, Qt.TextElideMode.ElideMiddle, 140))
        label.setProperty("role", "caption")
        layout = QHBoxLayout(self)
        layout.setContentsMargins(12, 6, 6, 6)
        layout.setSpacing(4)
        layout.addWidget(label)
        layout.addSpacing(8)
        self.buttons: list[QPushButton] = []
        for i, (choice, words, tip) in enumerate(CHOICES):
            button = QPushButton(words)
            button.setToolTip(tip)
            button.setAutoDefault(True)
            if i == 0:
                button.setProperty("role", "accept")
            button.clicked.connect(lambda _=False, choice=choice: self.chosen.emit(choice))
            layout.addWidget(button)
            self.buttons.append(button)
        self.adjustSize()

    def fit(self, width: int) -> None:
        """No wider than so many pixels, where that can be without the name."""
        self.label.setVisible(self.sizeHint().width() <= width)
        self.adjustSize()

    def keyPressEvent(self, event: QKeyEvent) -> None:
        at = next((i for i, button in enumerate(self.buttons) if button.hasFocus()), 0)
        match event.key():
            case Qt.Key.Key_Escape:
                self.chosen.emit(None)
            case Qt.Key.Key_Right | Qt.Key.Key_Down:
                self.buttons[(at + 1) % len(self.buttons)].setFocus(Qt.FocusReason.TabFocusReason)
            case Qt.Key.Key_Left | Qt.Key.Key_Up:
                self.buttons[(at - 1) % len(self.buttons)].setFocus(Qt.FocusReason.TabFocusReason)
            case Qt.Key.Key_Return | Qt.Key.Key_Enter:
                self.buttons[at].click()
            case _:
                event.ignore()


class Arrival:
    """One picture on its way in: where it is over the canvas, and its pixels once they are decoded."""

    def __init__(self, name: str, at: QPointF, left_out: int = 0) -> None:
        self.name = name
        self.at = at
        self.left_out = left_out  # further pictures that were dragged along
        self.dropped = False
        self.picture: Picture | None = None
        self.ghost: QImage | None = None

    def arrived(self, picture: Picture) -> None:
        self.picture = picture
        step = max(1, max(picture_size(picture)) // _GHOST)
        self.ghost = to_qimage(picture.pixels[::step, ::step])


class Dropper(QObject):
    """Takes pictures in for a canvas. `changed(rect)`: these logical pixels of the canvas look different."""

    changed = Signal(QRect)

    def __init__(self, canvas: PanZoom, session: Session) -> None:
        super().__init__(canvas)
        self._canvas = canvas
        self._session = session
        self._arrival: Arrival | None = None
        self.chip: DropChip | None = None
        session.noticed.connect(self._noticed)

    # While it is dragged

    def carries(self, data: QMimeData | None) -> bool:
        """Whether there is a picture in it, or an address of one."""
        if data is None:
            return False
        return _source(data) is not None or any(not url.isLocalFile() for url in data.urls())

    def enter(self, data: QMimeData, at: QPointF) -> None:
        self.cancel()
        self._begin(data, at)

    def move(self, at: QPointF) -> None:
        if self._arrival is not None and not self._arrival.dropped:
            before = self.area()
            self._arrival.at = at
            self.changed.emit(before.united(self.area()))

    def leave(self) -> None:
        if self._arrival is not None and not self._arrival.dropped:
            self.cancel()

    # When it is let go

    def drop(self, at: QPointF) -> None:
        """Ask what it becomes, as soon as it is decoded."""
        if self._arrival is None:
            return  # there was only an address, or it could not be read
        self.move(at)
        self._arrival.dropped = True
        if self._arrival.left_out:
            self._session.notice(
                f"Only “{self._arrival.name}” was taken.", "Drop pictures one by one, or open them all with Ctrl+O."
            )
        if self._arrival.picture is not None:
            self._ask()

    def cancel(self) -> bool:
        """Put away what is on its way; whether there was anything."""
        if self._arrival is None:
            return False
        before = self.area()
        self._arrival = None
        self._close_chip()
        self.changed.emit(before)
        return True

    def _begin(self, data: QMimeData, at: QPointF) -> None:
        source = _source(data)
        if source is None:
            if data.hasUrls():
                self._session.notice(
                    "The browser gave only the picture's address.", "Copy the picture itself there, and paste it here."
                )
            return
        self._arrival = arrival = Arrival(source.name, at, max(len(_files(data)) - 1, 0))
        self.changed.emit(self.area())
        if source.image is not None:
            self._decoded(arrival, Picture(from_qimage(source.image), source.name))
        elif source.file is not None:
            self._session.read(source.file, source.name, lambda picture: self._decoded(arrival, picture))

    def _decoded(self, arrival: Arrival, picture: Picture) -> None:
        if arrival is not self._arrival:
            return  # put away meanwhile
        before = self.area()
        arrival.arrived(picture)
        self.changed.emit(before.united(self.area()))
        if arrival.dropped:
            self._ask()

    def _noticed(self, notice: Notice) -> None:
        # A picture that cannot be decoded never arrives; its notice is the only sign.
        if notice.error and self._arrival is not None and self._arrival.picture is None:
            self.cancel()

    def _ask(self) -> None:
        arrival = self._arrival
        if arrival is None:
            return
        canvas = self._canvas
        chip = self.chip = DropChip(title(arrival.name), canvas)
        chip.chosen.connect(self._chosen)
        chip.fit(canvas.width() - 16)
        x = min(max(round(arrival.at.x()) - 24, 8), max(canvas.width() - chip.width() - 8, 8))
        y = min(max(round(arrival.at.y()) + 16, 8), max(canvas.height() - chip.height() - 8, 8))
        chip.move(QPoint(x, y))
        chip.show()
        chip.raise_()
        chip.buttons[0].setFocus(Qt.FocusReason.PopupFocusReason)

    def _chosen(self, choice: Choice | None) -> None:
        arrival = self._arrival
        self.cancel()
        if choice is not None and arrival is not None and arrival.picture is not None:
            take(self._session, choice, arrival.picture, self._point(arrival), self._visible())

    def _close_chip(self) -> None:
        if self.chip is not None:
            chip, self.chip = self.chip, None
            chip.hide()
            chip.deleteLater()
            self._canvas.setFocus(Qt.FocusReason.OtherFocusReason)

    # Drawing

    def draw(self, painter: QPainter) -> None:
        """The picture as large as it would lie there, or a plain place for it; in logical pixels."""
        arrival = self._arrival
        if arrival is None:
            return
        box = self._box(arrival)
        painter.setRenderHint(QPainter.RenderHint.Antialiasing)
        if arrival.ghost is not None:
            painter.setRenderHint(QPainter.RenderHint.SmoothPixmapTransform)
            painter.setOpacity(0.85)
            painter.drawImage(box, arrival.ghost)
            painter.setOpacity(1.0)
            painter.setBrush(Qt.BrushStyle.NoBrush)
        else:
            painter.setBrush(QColor(128, 128, 128, 120))
        for colour, width in ((QColor(0, 0, 0, 140), 3.0), (QColor(255, 255, 255, 235), 1.5)):
            painter.setPen(QPen(colour, width))
            painter.drawRect(box)
        if arrival.ghost is None:
            width, height = overlays.tag_size(arrival.name)
            overlays.tag(painter, arrival.name, box.center().x() - width / 2, box.center().y() - height / 2)

    def area(self) -> QRect:
        """The logical pixels that `draw` draws into; empty when nothing is on its way."""
        if self._arrival is None:
            return QRect()
        width = overlays.tag_size(self._arrival.name)[0] / 2
        box = self._box(self._arrival)
        return box.adjusted(-width, -4, width, 4).toAlignedRect()

    def _box(self, arrival: Arrival) -> QRectF:
        if arrival.picture is None:
            width, height = map(float, _PLACEHOLDER)
        else:
            size = picture_size(arrival.picture)
            scale = placement(size, self._point(arrival), self._visible()).scale_x * self._canvas.viewport.scale
            width, height = size.width * scale, size.height * scale
        return QRectF(arrival.at.x() - width / 2, arrival.at.y() - height / 2, width, height)

    def _point(self, arrival: Arrival) -> Point:
        return self._canvas.viewport.to_document(arrival.at.x(), arrival.at.y())

    def _visible(self) -> Rect:
        document = self._session.document.rect
        seen = self._canvas.viewport.visible().intersect(document)
        return document if seen.empty else seen


class _Source:
    """Where a picture comes from: a file (or a file's bytes), or an image that Qt holds already."""

    def __init__(self, name: str, file: Path | bytes | None = None, image: QImage | None = None) -> None:
        self.name = name
        self.file = file
        self.image = image


def _files(data: QMimeData) -> list[Path]:
    """The picture files in what was dropped or copied."""
    return [path for path in files_of(data) if path.suffix.lower() in SUFFIXES]


def _source(data: QMimeData) -> _Source | None:
    """The first picture in what was dropped or copied; None when there is none."""
    files = _files(data)
    if files:
        return _Source(files[0].name, files[0])
    # Whoever drags a picture out of a browser gives its address as well: the only name there is.
    name = next((url.fileName() for url in data.urls() if url.fileName()), "Picture")
    for kind in _BYTES:
        if data.hasFormat(kind):
            return _Source(name, bytes(data.data(kind).data()))
    if data.hasImage():
        image = data.imageData()
        if isinstance(image, QImage) and not image.isNull():
            return _Source(name, image=image)
    return None
