"""Drag and drop of pictures: dragged over the canvas, dropped, pasted; and the chip that asks what they become."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from pathlib import Path

from PySide6.QtCore import QMimeData, QObject, QPoint, QPointF, QRect, QRectF, Qt, QTimer, Signal
from PySide6.QtGui import QColor, QImage, QKeyEvent, QPainter, QPen
from PySide6.QtWidgets import QFrame, QHBoxLayout, QLabel, QPushButton, QVBoxLayout, QWidget

from editor.document.colour import convert
from editor.errors import UnreadableFile
from editor.geometry import Point, Rect
from editor.io.images import Picture
from widgets.canvas import overlays
from widgets.canvas.drop_choices import CHOICES, Choice, picture_size, placement, side_by_side, take, title
from widgets.canvas.gestures import GestureSource
from widgets.canvas.navigation import Navigation
from widgets.controls.icons import IconButton
from widgets.guard import Guarded
from widgets.incoming import picture_of, pictures_of, source_of
from widgets.qimage import screen_profile, to_qimage
from widgets.session.notice import Notice
from widgets.session.session import Session
from widgets.tools.tool import Gesture, PointerEvent

_PLACEHOLDER = 180, 120  # logical pixels, until the picture is known
AGAIN = 100  # milliseconds
FIRST_ROW = 3  # buttons that are always in it
_GHOST = 1024  # pixels of the longer side that a ghost needs at most


class DropChip(Guarded, QFrame):
    """Asks what a picture becomes, or several do. `chosen(choice)` with one of `CHOICES`' names, or None when it is put away.

    Arrow keys move, Enter takes the one in focus (the likely one at first), Escape puts it away.
    """

    chosen = Signal(object)

    def __init__(self, name: str, parent: QWidget, *, several: bool = False) -> None:
        super().__init__(parent)
        self.setObjectName("floating")
        self.setAttribute(Qt.WidgetAttribute.WA_StyledBackground)
        self.setAccessibleName(f"What {name} become" if several else f"What “{name}” becomes")
        self.label = label = QLabel()
        label.setTextFormat(Qt.TextFormat.PlainText)
        label.setText(label.fontMetrics().elidedText(name, Qt.TextElideMode.ElideMiddle, 140))
        label.setProperty("role", "caption")
        self._rows = rows = QVBoxLayout(self)
        rows.setContentsMargins(12, 6, 6, 6)
        rows.setSpacing(4)
        self._row = layout = QHBoxLayout()
        self._more = QHBoxLayout()  # what the first row has no room for
        for row in (self._row, self._more):
            row.setSpacing(4)
            rows.addLayout(row)
        layout.addWidget(label)
        self.buttons: list[QPushButton] = []
        for i, (choice, words, tip) in enumerate(CHOICES):
            if several and choice in ("strength", "keep"):
                continue  # there is one
            button = QPushButton(words)
            button.setToolTip(tip)
            button.setAutoDefault(True)
            if i == 0:
                button.setProperty("role", "accept")
            button.clicked.connect(lambda _=False, choice=choice: self.chosen.emit(choice))
            layout.addWidget(button)
            self.buttons.append(button)
        layout.addStretch(1)
        away = IconButton("x", "Put it away", tip="Put it away · Esc", side=24)
        away.clicked.connect(lambda: self.chosen.emit(None))
        layout.addWidget(away)
        self.adjustSize()

    def fit(self, width: int) -> None:
        """No wider than so many pixels: without the name, then with two rows of buttons."""
        self.label.setVisible(self.sizeHint().width() <= width)
        self.adjustSize()
        if self.width() > width:
            for button in self.buttons[FIRST_ROW:]:
                self._row.removeWidget(button)
                self._more.addWidget(button)
            self._more.addStretch(1)
            self._rows.activate()  # sizes count as they are now
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
    """One picture on its way in: where it is over the canvas, and its pixels once they are decoded. `others`: files that come along; what it
    becomes, they become.
    """

    def __init__(self, name: str, at: QPointF, others: Sequence[Path] = ()) -> None:
        self.name = name
        self.at = at
        self.others = others
        self.dropped = False
        self.picture: Picture | None = None
        self.ghost: QImage | None = None

    def arrived(self, picture: Picture, screen: bytes | None) -> None:
        """`screen`: the ICC profile of what it is drawn on, None for sRGB."""
        self.picture = picture
        step = max(1, max(picture_size(picture)) // _GHOST)
        self.ghost = to_qimage(convert(picture.pixels[::step, ::step], picture.metadata.icc, screen))


class Dropper(QObject, GestureSource):
    """Takes pictures in for a canvas. `changed(rect)`: these logical pixels of the canvas look different."""

    changed = Signal(QRect)

    def __init__(self, canvas: QWidget, session: Session, navigation: Navigation) -> None:
        super().__init__(canvas)
        self._canvas, self._navigation = canvas, navigation
        self._session = session
        self._arrival: Arrival | None = None
        self.chip: DropChip | None = None
        session.noticed.connect(self._noticed)

    # While it is dragged

    def carries(self, data: QMimeData | None) -> bool:
        """Whether there is a picture in it, or an address of one."""
        if data is None:
            return False
        return source_of(data) is not None or any(not url.isLocalFile() for url in data.urls())

    def enter(self, data: QMimeData, at: QPointF) -> None:
        self.cancel()
        self._begin(data, at)

    def move(self, at: QPointF) -> None:
        if self._arrival is not None and not self._arrival.dropped:
            before = self.area()
            self._arrival.at = at
            self.changed.emit(before.united(self.area()))

    def withdraw(self) -> None:
        """What was dragged over the canvas has gone elsewhere."""
        if self._arrival is not None and not self._arrival.dropped:
            self.cancel()

    # When it is let go

    def drop(self, at: QPointF) -> None:
        """Ask what it becomes, as soon as it is decoded."""
        if self._arrival is None:
            return  # there was only an address, or it could not be read
        self.move(at)
        self._arrival.dropped = True
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
        source = source_of(data)
        if source is None:
            if data.hasUrls():
                self._session.notice(
                    "The browser gave only the picture's address.", "Copy the picture itself there, and paste it here."
                )
            return
        self._arrival = arrival = Arrival(source.name, at, pictures_of(data)[1:])
        self.changed.emit(self.area())
        if source.image is not None:
            try:
                picture = picture_of(source.image, source.name)
            except UnreadableFile as error:
                self._session.notice(error.message, error.advice, error=True)
            else:
                self._decoded(arrival, picture)
        elif source.file is not None:
            self._session.read(source.file, source.name, lambda picture: self._decoded(arrival, picture))

    def _decoded(self, arrival: Arrival, picture: Picture) -> None:
        if arrival is not self._arrival:
            return  # put away meanwhile
        before = self.area()
        arrival.arrived(picture, screen_profile(self._canvas))
        self.changed.emit(before.united(self.area()))
        if arrival.dropped:
            self._ask()

    def _noticed(self, notice: Notice) -> None:
        # A picture that cannot be decoded never arrives; its notice is the only sign.
        arrival = self._arrival
        if not notice.error or arrival is None or arrival.picture is not None:
            return
        self.cancel()
        if arrival.others:  # they come all the same
            file, *others = arrival.others
            self._arrival = after = Arrival(file.name, arrival.at, others)
            after.dropped = arrival.dropped
            self._session.read(file, file.name, lambda picture: self._decoded(after, picture))

    def _ask(self) -> None:
        arrival = self._arrival
        if arrival is None:
            return
        canvas = self._canvas
        several = bool(arrival.others)
        name = f"{len(arrival.others) + 1} pictures" if several else title(arrival.name)
        chip = self.chip = DropChip(name, canvas, several=several)
        chip.chosen.connect(self._chosen)
        chip.fit(canvas.width() - 16)
        # Under the picture, which is to be seen while the question is asked.
        box = self._box(arrival)
        x = min(max(round(box.center().x() - chip.width() / 2), 8), max(canvas.width() - chip.width() - 8, 8))
        y = min(max(round(box.bottom()) + 8, 8), max(canvas.height() - chip.height() - 8, 8))
        chip.move(QPoint(x, y))
        chip.show()
        chip.raise_()
        chip.buttons[0].setFocus(Qt.FocusReason.PopupFocusReason)

    def _chosen(self, choice: Choice | None) -> None:
        arrival = self._arrival
        self.cancel()
        if choice is None or arrival is None or arrival.picture is None:
            return
        if not arrival.others:
            take(self._session, choice, arrival.picture, self._point(arrival), self._visible())
            return
        places = side_by_side(self._visible(), len(arrival.others) + 1)
        take(self._session, choice, arrival.picture, *places[0])
        for file, place in zip(arrival.others, places[1:], strict=True):
            self._session.read(file, file.name, partial(self._take_along, choice, place))
        if choice != "document":
            self._session.notice(
                f"{len(places)} pictures come in, each as one step.", "Undo takes them back one by one."
            )

    def _take_along(self, choice: Choice, place: tuple[Point, Rect], picture: Picture) -> None:
        if self._session.in_gesture:  # the hand comes first
            QTimer.singleShot(AGAIN, self, partial(self._take_along, choice, place, picture))
        else:
            take(self._session, choice, picture, *place)

    def gesture(self, press: PointerEvent) -> Gesture | None:
        """As long as it is asked what a picture becomes, a press beside brings the question back, and is meant for nothing else."""
        return None if self.chip is None or press.button != "left" else self._ask_again(self.chip)

    def _ask_again(self, chip: DropChip) -> Gesture:
        chip.buttons[0].setFocus(Qt.FocusReason.OtherFocusReason)
        yield from ()

    def middle(self) -> QPointF:
        """The middle of what is seen of the picture, in logical pixels; that of the canvas where nothing is."""
        seen = self._navigation.viewport.visible().intersect(self._session.document.rect)
        if seen.empty:
            return QPointF(self._canvas.rect().center())
        at = self._navigation.viewport.to_screen(*seen.centre)
        return QPointF(at.x, at.y)

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
            scale = placement(size, self._point(arrival), self._visible()).scale_x * self._navigation.viewport.scale
            width, height = size.width * scale, size.height * scale
        return QRectF(arrival.at.x() - width / 2, arrival.at.y() - height / 2, width, height)

    def _point(self, arrival: Arrival) -> Point:
        return self._navigation.viewport.to_document(arrival.at.x(), arrival.at.y())

    def _visible(self) -> Rect:
        document = self._session.document.rect
        seen = self._navigation.viewport.visible().intersect(document)
        return document if seen.empty else seen
