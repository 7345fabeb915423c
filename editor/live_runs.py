"""Live pictures of one engine: what is kept of a few of them between two rounds."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Final, Protocol

from editor.requests.edit_request import EditRequest
from editor.requests.reports import Reports
from editor.requests.results import LiveResult

if TYPE_CHECKING:
    from editor.diffusion.backend import Backend
    from editor.models.info import ModelInfo

MAX_RUNS: Final = 2
MAX_BYTES: Final = 256 * 2**20
IDLE_SHARE: Final = 4  # a run for idle time may keep one part in so many

Key = int | str


class LiveRun(Protocol):
    """One live picture of a method; see `editor.methods.pixels.model.incremental`."""

    def edit(self, request: EditRequest, backend: Backend) -> Reports[LiveResult]:
        """One round; it may be left before its end."""

    def release(self) -> None:
        """Forget everything; a round under way goes on by itself."""


MakeLiveRun = Callable[[int], LiveRun]


class LiveRuns:
    """At most `MAX_RUNS` of them, found by their keys, and one more for idle time; of more the one used longest ago goes.

    max_bytes: what each may keep of states, where the model computes, and again of pictures
    """

    def __init__(self, max_bytes: int = MAX_BYTES) -> None:
        self._max_bytes = max_bytes
        self._runs: dict[Key, tuple[MakeLiveRun, LiveRun]] = {}  # used longest ago comes first
        self._idle: Key | None = None
        self._model: ModelInfo | None = None

    def __len__(self) -> int:
        return len(self._runs)

    def model(self, key: str) -> ModelInfo | None:
        """The model of that key, if it is the one that was used last: to look for it anew takes longer than a short round."""
        return self._model if self._runs and self._model is not None and self._model.key == key else None

    def run(self, key: Key, make: MakeLiveRun, model: ModelInfo | None = None, *, idle: bool = False) -> LiveRun:
        """That of a key; a new one where there is none, or one of another method.

        model: what it runs on
        idle: it is for idle time; one of another key then goes
        """
        self._model = model
        kept = self._runs.get(key)
        if kept is not None and kept[0] is not make:
            self.end(key)
            kept = None
        if idle and self._idle is not None and self._idle != key:
            self.end(self._idle)
        if idle:
            self._idle = key
        run = make(self._max_bytes // (IDLE_SHARE if idle else 1)) if kept is None else kept[1]
        self._runs.pop(key, None)
        self._runs[key] = make, run
        lasting = [other for other in self._runs if other != self._idle]
        for other in lasting[: max(0, len(lasting) - MAX_RUNS)]:
            self.end(other)
        return run

    def end(self, key: Key) -> None:
        """Forget that of a key, if there is one."""
        kept = self._runs.pop(key, None)
        self._idle = None if key == self._idle else self._idle
        if kept is not None:
            kept[1].release()

    def end_all(self) -> None:
        """Forget all."""
        for key in list(self._runs):
            self.end(key)
