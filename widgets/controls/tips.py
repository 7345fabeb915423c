"""Tool tips beside what floats over the canvas, so that they cover none of its buttons."""

from __future__ import annotations

from PySide6.QtCore import QPoint
from PySide6.QtWidgets import QApplication, QToolTip, QWidget

GAP = 4
FLOATING = "floating"  # the object name of what floats


def show_beside(widget: QWidget, text: str) -> None:
    """Show the tip of a widget above the floating frame that it is in, or below where there is no room above."""
    frame = widget
    while frame.objectName() != FLOATING and (parent := frame.parentWidget()) is not None:
        frame = parent
    QToolTip.showText(widget.mapToGlobal(QPoint(0, 0)), text, widget, widget.rect())
    tip = next(
        (
            toplevelwidget
            for toplevelwidget in QApplication.topLevelWidgets()
            if toplevelwidget.inherits("QTipLabel") and toplevelwidget.isVisible()
        ),
        None,
    )
    if tip is None or not text:
        return
    screen = widget.screen().availableGeometry()
    corner = frame.mapToGlobal(QPoint(0, 0))
    top = corner.y() - tip.height() - GAP
    if top < screen.top():
        top = corner.y() + frame.height() + GAP
    left = min(max(widget.mapToGlobal(QPoint(0, 0)).x(), screen.left()), screen.right() - tip.width())
    tip.move(left, top)
