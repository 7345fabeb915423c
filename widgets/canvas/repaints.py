"""Areas of a widget that must be repainted, collected while an event is handled."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager

from PySide6.QtCore import QRect
from PySide6.QtWidgets import QWidget

# Painting through one rectangle is several times quicker than through many, so it may be this much larger than what must be painted.
MAX_EXCESS = 2.5


class Repaints:
    """Asks a widget to repaint, once for all that an event has changed."""

    def __init__(self, widget: QWidget) -> None:
        self.widget = widget
        self._areas: list[QRect] | None = None

    def mark(self, *areas: QRect) -> None:
        """Repaint these logical pixels; while an event is handled they are only collected."""
        shown = [area for area in areas if not area.isEmpty()]
        if self._areas is None:
            self._update(shown)
        else:
            self._areas += shown

    @contextmanager
    def collected(self) -> Iterator[None]:
        """What is marked meanwhile is asked for at the end, as one rectangle where it lies close together."""
        self._areas = []
        try:
            yield
        finally:
            areas, self._areas = self._areas or [], None
            self._update(areas)

    def _update(self, areas: Sequence[QRect]) -> None:
        whole, covered = QRect(), 0
        for area in areas:
            whole = whole.united(area)
            covered += area.width() * area.height()
        if whole.width() * whole.height() <= MAX_EXCESS * covered:
            self.widget.update(whole)
        else:
            for area in areas:
                self.widget.update(area)
