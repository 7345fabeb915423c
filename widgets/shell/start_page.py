"""Start page: three ways to begin, and what was open last."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise

from PySide6.QtCore import QPointF, QRectF, QSize, Qt, Signal
from PySide6.QtGui import (
    QColor,
    QDragEnterEvent,
    QDragLeaveEvent,
    QDropEvent,
    QFontMetrics,
    QKeyEvent,
    QPainter,
    QPainterPath,
    QPaintEvent,
    QPen,
    QPixmap,
    QResizeEvent,
)
from PySide6.QtWidgets import (
    QGridLayout,
    QHBoxLayout,
    QLabel,
    QPushButton,
    QSizePolicy,
    QToolButton,
    QVBoxLayout,
    QWidget,
)

from editor.errors import readable
from widgets.controls.icons import draw
from widgets.guard import Guarded
from widgets.incoming import files_of
from widgets.qimage import to_qimage
from widgets.shell.notices import Notices
from widgets.shell.services import Practice, Recent, Services
from widgets.theme import Colours, colours

WIDTH = 640
BEGIN_HEIGHT = 112
PICTURE = 96
MAX_RECENT = 8
GAP = 12
TOY = 48
TOYS_PER_ROW = 4
TOYS_HEIGHT = 120  # of the practice scenes with their words
WORKS = "Quick fill works without a model: remove things, move them, blend pictures in."


class StartPage(Guarded, QWidget):
    """Offers to open, to paste, to try the sample, and takes what is dropped."""

    dropped = Signal(list)

    def __init__(self, services: Services, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.setObjectName("startPage")
        self.setAttribute(Qt.WidgetAttribute.WA_StyledBackground)
        self.setAcceptDrops(True)
        self._services = services
        self._over = False
        title = QLabel("What would you like to change?")
        title.setProperty("role", "display")
        hint = QLabel("Open a picture, or drop one anywhere in this window.")
        hint.setProperty("role", "quiet")
        self.open = _Begin("folder-open", "Open a picture", "Ctrl+O")
        self.paste = _Begin("clipboard-paste", "Paste", "From the clipboard")
        self.sample = _Begin("image", "Try the sample", "A photo to play with")
        begin = QGridLayout()
        begin.setSpacing(GAP)
        for at, button in enumerate((self.open, self.paste, self.sample)):
            begin.addWidget(button, 0, at)
        self._recent_title = QLabel("Recent")
        self._recent_title.setProperty("role", "title")
        self._recent = QGridLayout()
        self._recent.setSpacing(GAP)
        self._toys = QWidget()
        toys = QVBoxLayout(self._toys)
        toys.setContentsMargins(0, 20, 0, 0)
        toys.setSpacing(4)
        toys_title = QLabel("Practise")
        toys_title.setProperty("role", "title")
        toys_hint = QLabel("Toy scenes for the small model that comes with the program: change things by words.")
        toys_hint.setProperty("role", "caption")
        self._scenes = QGridLayout()
        self._scenes.setSpacing(GAP)
        toys.addWidget(toys_title)
        toys.addWidget(toys_hint)
        toys.addSpacing(4)
        toys.addLayout(self._scenes)
        works = QLabel(WORKS)
        further = QLabel("to repaint by words, and to blend pictures in so that they fit.")
        for words in (works, further):
            words.setProperty("role", "caption")
        self.models = QPushButton("Get a model")
        self.models.setProperty("role", "link")
        self.models.setToolTip("A model repaints by words, and makes pasted pictures fit in.")
        self.models.setFocusPolicy(Qt.FocusPolicy.TabFocus)
        model_line = QHBoxLayout()
        model_line.setSpacing(4)
        model_line.addWidget(self.models)
        model_line.addWidget(further)
        model_line.addStretch(1)
        body = QWidget()
        body.setFixedWidth(WIDTH)
        column = QVBoxLayout(body)
        column.setContentsMargins(0, 0, 0, 0)
        column.setSpacing(4)
        column.addWidget(title)
        column.addWidget(hint)
        column.addSpacing(20)
        column.addLayout(begin)
        column.addSpacing(20)
        column.addWidget(self._recent_title)
        column.addSpacing(4)
        column.addLayout(self._recent)
        column.addWidget(self._toys)
        column.addSpacing(20)
        column.addWidget(works)
        column.addLayout(model_line)
        outer = QVBoxLayout(self)
        outer.addStretch(2)
        outer.addWidget(body, 0, Qt.AlignmentFlag.AlignHCenter)
        outer.addStretch(3)
        self.open.clicked.connect(services.open_dialog)
        self.paste.clicked.connect(services.paste)
        self.sample.clicked.connect(services.open_sample)
        self.models.clicked.connect(services.show_models)
        self.dropped.connect(services.open_paths)
        self._cards: list[_RecentCard] = []
        self._toy_cards: list[_ToyCard] = []
        self.notices = Notices(self)
        self.notices.resized.connect(self._place_notices)
        self.refresh()

    @property
    def cards(self) -> Sequence[QToolButton]:
        """The recent documents, the newest first."""
        return self._cards

    @property
    def toys(self) -> Sequence[QToolButton]:
        """The practice scenes."""
        return self._toy_cards

    def refresh(self) -> None:
        """Ask again what was open last, and for practice scenes."""
        for old in self._cards:
            self._recent.removeWidget(old)
            old.hide()
            old.deleteLater()
        self._cards = [_RecentCard(recent) for recent in list(self._services.recent())[:MAX_RECENT]]
        for card in self._cards:
            card.clicked.connect(lambda _=False, path=card.path: self._services.open_paths([path]))
        self._recent_title.setVisible(bool(self._cards))
        for toy in self._toy_cards:
            self._scenes.removeWidget(toy)
            toy.hide()
            toy.deleteLater()
        self._toy_cards = [_ToyCard(scene) for scene in self._services.practice()]
        for at, toy in enumerate(self._toy_cards):
            self._scenes.addWidget(toy, at // TOYS_PER_ROW, at % TOYS_PER_ROW)
            toy.clicked.connect(lambda _=False, toy=toy: self._services.open_practice(toy.text()))
        self._toys.setVisible(bool(self._toy_cards))
        self._lay_out()
        for one, other in pairwise((self.sample, *self._cards, *self._toy_cards, self.models)):  # as the eye goes
            self.setTabOrder(one, other)

    def _lay_out(self) -> None:
        # A low window shows one row of recent documents, a tall one two.
        rows = 2 if self.height() >= 720 + (TOYS_HEIGHT if self._toy_cards else 0) else 1
        per_row = MAX_RECENT // 2
        for at, card in enumerate(self._cards):
            self._recent.addWidget(card, at // per_row, at % per_row, Qt.AlignmentFlag.AlignLeft)
            card.setVisible(at < rows * per_row)
        self._recent.setColumnStretch(per_row - 1, 1)

    def resizeEvent(self, event: QResizeEvent) -> None:
        super().resizeEvent(event)
        self._lay_out()
        self._place_notices()

    def _place_notices(self) -> None:
        size = self.notices.sizeHint()
        self.notices.setGeometry((self.width() - size.width()) // 2, 16, size.width(), size.height())
        self.notices.raise_()

    def dragEnterEvent(self, event: QDragEnterEvent) -> None:
        if files_of(event.mimeData()):
            event.acceptProposedAction()
            self._show_over(True)

    def dragLeaveEvent(self, event: QDragLeaveEvent) -> None:
        self._show_over(False)

    def dropEvent(self, event: QDropEvent) -> None:
        self._show_over(False)
        files = files_of(event.mimeData())
        if files:
            event.acceptProposedAction()
            self.dropped.emit(files)

    def _show_over(self, over: bool) -> None:
        self._over = over
        self.update()

    def paintEvent(self, event: QPaintEvent) -> None:
        super().paintEvent(event)
        if self._over:
            painter = QPainter(self)
            painter.setRenderHint(QPainter.RenderHint.Antialiasing)
            painter.setPen(QPen(QColor(colours(self.palette()).accent), 2))
            painter.drawRoundedRect(QRectF(self.rect()).adjusted(13, 13, -13, -13), 6, 6)


class _Tile(Guarded, QToolButton):
    """A large button that draws itself."""

    def __init__(self) -> None:
        super().__init__()
        self.setFocusPolicy(Qt.FocusPolicy.StrongFocus)

    def keyPressEvent(self, event: QKeyEvent) -> None:
        if event.key() in (Qt.Key.Key_Return, Qt.Key.Key_Enter):
            self.click()
        else:
            super().keyPressEvent(event)

    def frame(self, painter: QPainter, palette: Colours) -> QPainterPath:
        painter.setRenderHint(QPainter.RenderHint.Antialiasing)
        painter.setRenderHint(QPainter.RenderHint.SmoothPixmapTransform)
        shape = QPainterPath()
        shape.addRoundedRect(QRectF(self.rect()).adjusted(0.5, 0.5, -0.5, -0.5), 6, 6)
        painter.fillPath(shape, QColor(palette.hover if self.underMouse() else palette.panel))
        painter.setPen(QColor(palette.accent if self.hasFocus() else palette.line))
        painter.drawPath(shape)
        return shape


class _Begin(_Tile):
    """A way to begin: an icon, what it does, and a word more."""

    def __init__(self, icon: str, text: str, more: str) -> None:
        super().__init__()
        self._icon, self._more = icon, more
        self.setText(text)
        self.setAccessibleName(text)
        self.setFixedHeight(BEGIN_HEIGHT)
        self.setSizePolicy(QSizePolicy.Policy.Expanding, QSizePolicy.Policy.Fixed)

    def paintEvent(self, event: QPaintEvent) -> None:
        palette = colours(self.palette())
        painter = QPainter(self)
        self.frame(painter, palette)
        draw(painter, self._icon, palette.text, QRectF(16, 16, 24, 24))
        font = self.font()
        font.setWeight(font.Weight.DemiBold)
        painter.setFont(font)
        painter.setPen(QColor(palette.text))
        painter.drawText(QPointF(16, self.height() - 36), self.text())
        painter.setFont(self.font())
        painter.setPen(QColor(palette.quiet))
        painter.drawText(QPointF(16, self.height() - 16), self._more)


class _RecentCard(_Tile):
    """A document that was open before: its picture and its name."""

    def __init__(self, recent: Recent) -> None:
        super().__init__()
        self.path = recent.path
        self._pixmap = None if recent.thumbnail is None else QPixmap.fromImage(to_qimage(recent.thumbnail))
        self.setAccessibleName(f"Open {readable(recent.path.name)}")
        self.setToolTip(readable(str(recent.path)))
        self.setFixedSize(QSize((WIDTH - 3 * GAP) // 4, PICTURE + 28))

    def paintEvent(self, event: QPaintEvent) -> None:
        palette = colours(self.palette())
        painter = QPainter(self)
        shape = self.frame(painter, palette)
        picture = QRectF(1, 1, self.width() - 2, PICTURE)
        painter.save()
        painter.setClipPath(shape)
        painter.setClipRect(picture, Qt.ClipOperation.IntersectClip)
        painter.fillRect(picture, QColor(palette.field))
        if self._pixmap is not None:
            painter.drawPixmap(picture, self._pixmap, _filling(self._pixmap, picture))
        else:
            icon = QRectF(0, 0, 24, 24)
            icon.moveCenter(picture.center())
            draw(painter, "image", palette.faint, icon)
        painter.restore()
        words = QRectF(8, PICTURE, self.width() - 16, 28)
        name = QFontMetrics(self.font()).elidedText(
            readable(self.path.name), Qt.TextElideMode.ElideMiddle, round(words.width())
        )
        painter.setPen(QColor(palette.text))
        painter.drawText(words, Qt.AlignmentFlag.AlignVCenter | Qt.AlignmentFlag.AlignLeft, name)


class _ToyCard(_Tile):
    """A practice scene: its picture, and its name beside it."""

    def __init__(self, scene: Practice) -> None:
        super().__init__()
        self._pixmap = QPixmap.fromImage(to_qimage(scene.picture))
        self.setText(scene.name)
        self.setAccessibleName(f"Practise: {scene.name}")
        self.setFixedHeight(TOY + 2)
        self.setSizePolicy(QSizePolicy.Policy.Expanding, QSizePolicy.Policy.Fixed)

    def paintEvent(self, event: QPaintEvent) -> None:
        palette = colours(self.palette())
        painter = QPainter(self)
        shape = self.frame(painter, palette)
        picture = QRectF(1, 1, TOY, TOY)
        painter.save()
        painter.setClipPath(shape)
        painter.drawPixmap(picture, self._pixmap, QRectF(self._pixmap.rect()))
        painter.restore()
        words = QRectF(TOY + 9, 0, self.width() - TOY - 14, self.height())
        painter.setPen(QColor(palette.text))
        painter.drawText(words, Qt.AlignmentFlag.AlignVCenter | Qt.TextFlag.TextWordWrap, self.text())


def _filling(pixmap: QPixmap, target: QRectF) -> QRectF:
    """The middle part of the pixmap that has the target's shape."""
    scale = min(pixmap.width() / target.width(), pixmap.height() / target.height())
    source = QRectF(0, 0, target.width() * scale, target.height() * scale)
    source.moveCenter(QRectF(pixmap.rect()).center())
    return source
