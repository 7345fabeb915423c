"""Cursors of handles, by the direction they pull in."""

from __future__ import annotations

from PySide6.QtCore import Qt

# By the direction on screen in steps of 45 degrees, clockwise from the right.
RESIZE_CURSORS = (
    Qt.CursorShape.SizeHorCursor,
    Qt.CursorShape.SizeFDiagCursor,
    Qt.CursorShape.SizeVerCursor,
    Qt.CursorShape.SizeBDiagCursor,
)
