"""Job: what the worker is doing for a document, as one value that panels and canvas show."""

from __future__ import annotations

import time
from dataclasses import dataclass, field, replace
from typing import Literal

from editor.document import Document
from editor.errors import EditorError
from editor.geometry import Rect
from editor.report import EditResult, Preview, Progress, Report

State = Literal["waiting", "running", "stopping", "ready", "failed"]


@dataclass(frozen=True, slots=True, eq=False)
class Job:
    """One press of the button, from the wait in the queue to the choice among its results.

    `fraction`: 0 to 1 of the result being made now. `results`: what is finished, in the order of making; `wanted`: how many there will
    be; `chosen`: which one is shown and would be accepted. `document`: what it was asked of; `rect`: the part of it that may change, in
    pixels.
    """

    label: str
    document: Document
    rect: Rect
    wanted: int = 1
    state: State = "waiting"
    fraction: float = 0.0
    doing: str = "Waiting"
    preview: Preview | None = None
    results: tuple[EditResult, ...] = ()
    chosen: int = 0
    error: EditorError | None = None
    started: float = field(default_factory=time.monotonic)

    @property
    def busy(self) -> bool:
        return self.state in ("waiting", "running", "stopping")

    @property
    def shown(self) -> EditResult | None:
        """The candidate that the canvas shows, if one is finished."""
        return self.results[self.chosen] if self.results else None

    @property
    def seen(self) -> bool:
        """Whether the canvas shows a preview or a candidate; nothing should then lie over it."""
        return self.preview is not None or bool(self.results)

    @property
    def offers(self) -> bool:
        """Whether there is something to choose from, or will be."""
        return bool(self.results) or (self.busy and self.wanted > 1)

    @property
    def done(self) -> float:
        """0 to 1 of all the results together."""
        return min(1.0, (len(self.results) + self.fraction) / self.wanted) if self.busy else 1.0

    def seconds_left(self, now: float | None = None) -> float | None:
        """An estimate from the time it took so far; None before there is enough to go by."""
        elapsed = (time.monotonic() if now is None else now) - self.started
        if not self.busy or self.done < 0.05 or elapsed < 0.5:
            return None
        return elapsed / self.done * (1 - self.done)

    def reported(self, report: Report) -> Job:
        match report:
            case Progress(fraction, doing):
                state = "running" if self.state == "waiting" else self.state
                return replace(self, fraction=fraction, doing=doing, state=state)
            case Preview():
                return replace(self, preview=report)

    def with_result(self, result: EditResult) -> Job:
        return replace(self, results=(*self.results, result), fraction=0.0, preview=None)
