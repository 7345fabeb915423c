"""Stripes: a strength fan on the canvas, one part of the picture for each strength, to choose by a click."""

from __future__ import annotations

from collections.abc import Sequence

from PySide6.QtCore import QRectF, Qt
from PySide6.QtGui import QColor, QPainter, QPen

from editor.report import Stripe
from widgets.canvas import overlays
from widgets.canvas.lens import Lens
from widgets.job import Job

_INSET = 8.0  # of a tag from the edge of its stripe, logical pixels
_ROOM = 4.0  # between two tags


def stripes_of(job: Job | None) -> tuple[Stripe, ...]:
    """Those of the result that is shown."""
    return () if job is None or job.laid is None else job.laid.stripes


def choice_at(job: Job | None, x: float, y: float) -> int | None:
    """The number, for `Session.choose`, of the stripe under a picture point."""
    if job is None:
        return None
    found = next((at for at, stripe in enumerate(stripes_of(job)) if stripe.rect.covers(x, y)), None)
    return None if found is None else job.choices.index((job.place[0], found))


def draw(painter: QPainter, lens: Lens, stripes: Sequence[Stripe], chosen: int) -> None:
    """Thin lines between them, a tag with its strength on each, and a frame around the chosen one; in logical pixels."""
    transform = lens.viewport.transform()
    boxes = [
        transform.mapRect(QRectF(each.rect.left, each.rect.top, each.rect.width, each.rect.height)) for each in stripes
    ]
    painter.setRenderHint(QPainter.RenderHint.Antialiasing, not lens.viewport.upright)
    painter.setBrush(Qt.BrushStyle.NoBrush)
    if lens.viewport.upright:
        for box in boxes:
            whole = QRectF(box.toRect())
            painter.setPen(QPen(QColor(0, 0, 0, 120), 1))
            painter.drawRect(whole.adjusted(-0.5, -0.5, -0.5, -0.5))
            painter.setPen(QPen(QColor(255, 255, 255, 170), 1))
            painter.drawRect(whole.adjusted(0.5, 0.5, -1.5, -1.5))
        if chosen < len(boxes):
            _frame(painter, QRectF(boxes[chosen].toRect()))
    widths = [overlays.tag_size(_words(each))[0] for each in stripes]
    rows = _rows(boxes, widths)
    for at, (stripe, box) in enumerate(zip(stripes, boxes, strict=True)):
        if rows == 0 and at != chosen:
            continue  # no room: the chosen one's says it
        y = box.top() + _INSET + (at % max(rows, 1)) * (overlays.TAG_HEIGHT + _ROOM)
        y = min(max(y, _INSET), lens.viewport.height - overlays.TAG_HEIGHT - _INSET)
        overlays.tag(painter, _words(stripe), box.center().x() - widths[at] / 2, y, strong=at == chosen)


def _frame(painter: QPainter, box: QRectF) -> None:
    for colour, inset in ((overlays.ACCENT, 1.0), (QColor(255, 255, 255, 200), 2.5)):
        painter.setPen(QPen(colour, 2 if inset == 1.0 else 1))
        painter.drawRect(box.adjusted(inset, inset, -inset - 0.5, -inset - 0.5))


def _words(stripe: Stripe) -> str:
    return f"{round(stripe.level * 100)}\u202f%"


def _rows(boxes: Sequence[QRectF], widths: Sequence[float]) -> int:
    """In how many rows the tags find room side by side: 1, 2, or 0 for not at all. Stripes above each other always have it."""
    if len(boxes) < 2 or abs(boxes[0].center().y() - boxes[1].center().y()) >= overlays.TAG_HEIGHT:
        return 1
    narrowest = min(box.width() for box in boxes)
    widest = max(widths) + _ROOM
    return 1 if narrowest >= widest else 2 if 2 * narrowest >= widest else 0
