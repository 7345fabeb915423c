"""FitStore: what was learned about a picture, kept so that asking again costs nothing. Found by a hash of everything that it depends on."""

from __future__ import annotations

import logging
import os
import tempfile
import time
from collections import OrderedDict
from collections.abc import Callable, Mapping
from contextlib import suppress
from pathlib import Path
from typing import Self

import torch
from safetensors import SafetensorError
from safetensors.torch import load, save

from editor.diffusion.optimise import Learning
from editor.errors import UnwritableFile
from editor.requests.reports import FinishEarly

log = logging.getLogger(__name__)

Tensors = dict[str, torch.Tensor]

MEMORY_BUDGET = 256 * 2**20  # bytes
DISK_BUDGET = 4 * 2**30
SAVE_INTERVAL = 5.0  # seconds
ENDING = ".safetensors"
ABANDONED = 3600.0  # seconds


class NotKept(UnwritableFile):
    """What was learned is too large to be kept, or the disk does not take it."""


class FitStore:
    """Named tensors by key, `budget` bytes of them at most: what was not asked for longest goes first.

    `folder`: where they are kept between runs of the program, one file each, made when the first is kept; without one, in memory. A file that is
    damaged counts as not there. `budget`: 256 MB in memory and 4 GB on disk unless said.
    """

    def __init__(self, folder: Path | None = None, budget: int | None = None) -> None:
        self._folder = folder
        self._budget = (MEMORY_BUDGET if folder is None else DISK_BUDGET) if budget is None else budget
        self._held: OrderedDict[str, bytes] = OrderedDict()

    def get(self, key: str) -> Tensors | None:
        """What was kept under a `content_key`."""
        data = self._read(key)
        if data is None:
            return None
        try:
            tensors: Tensors = load(data)
        except SafetensorError:
            log.warning("What was learned about a picture is damaged: %s", key)
            self.drop(key)
            return None
        return tensors

    def keep(self, key: str, tensors: Mapping[str, torch.Tensor]) -> None:
        """Under a `content_key`. Raises `NotKept` for more than the whole budget, and where the folder cannot be written."""
        self.check(tensors)
        data = save({name: tensor.detach().cpu().contiguous() for name, tensor in tensors.items()})
        if self._folder is None:
            self._held[key] = data
            self._held.move_to_end(key)
            while sum(map(len, self._held.values())) > self._budget:
                self._say_gone(self._held.popitem(last=False)[0])
            return
        try:
            self._write(self._folder, key, data)
        except OSError as error:
            reason = error.strerror or type(error).__name__
            raise NotKept(f"What was learned could not be kept: {reason}.", "Make room on the disk.") from error

    def try_keep(self, key: str, tensors: Mapping[str, torch.Tensor]) -> None:
        """As `keep`, for what is only learned again where it is missing: the log says when it was not kept."""
        try:
            self.keep(key, tensors)
        except NotKept as error:
            log.warning("%s", error)

    def check(self, tensors: Mapping[str, torch.Tensor]) -> None:
        """Raises `NotKept` where these are more than the whole budget."""
        size = sum(tensor.numel() * tensor.element_size() for tensor in tensors.values())
        if size > self._budget:
            raise NotKept(
                f"What is learned takes {size / 1e6:.0f} MB, and {self._budget / 1e6:.0f} MB are set aside for it.",
                "Learn less: fewer parameters, or a smaller part of the picture.",
            )

    def drop(self, key: str) -> None:
        """Forget what was kept under a key, if anything was."""
        self._held.pop(key, None)
        if self._folder is not None:
            with suppress(OSError):
                (self._folder / (key + ENDING)).unlink()

    @staticmethod
    def _say_gone(key: str) -> None:
        log.info("To make room, what was learned and not used for longest goes: %s", key)

    def _read(self, key: str) -> bytes | None:
        if self._folder is None:
            if key in self._held:
                self._held.move_to_end(key)
            return self._held.get(key)
        path = self._folder / (key + ENDING)
        try:
            data = path.read_bytes()
        except OSError:
            return None
        with suppress(OSError):
            os.utime(path)  # asked for just now
        return data

    def _write(self, folder: Path, key: str, data: bytes) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        handle, name = tempfile.mkstemp(dir=folder, suffix=".part")
        try:
            with os.fdopen(handle, "wb") as file:
                file.write(data)
            Path(name).replace(folder / (key + ENDING))
        except OSError:
            with suppress(OSError):
                Path(name).unlink()
            raise
        for part in folder.glob("*.part"):  # a program was killed while it wrote
            with suppress(OSError):
                if time.time() - part.stat().st_mtime > ABANDONED:
                    part.unlink()
        files = []
        for kept in folder.glob("*" + ENDING):
            with suppress(FileNotFoundError):  # another window put it away
                files.append((kept.stat(), kept))
        files.sort(key=lambda entry: entry[0].st_mtime_ns, reverse=True)
        total = 0
        for about, path in files:
            total += about.st_size
            if total > self._budget and path.stem != key:
                self._say_gone(path.stem)
                path.unlink(missing_ok=True)


class Saver:
    """The state of an optimisation, kept every few seconds, so that it goes on from there after a cancel or a kill.

    Use it as a `with` around `minimise`, which takes it as `keep`, and its `state` as `resume`. What was learned by the end is kept too, whether that
    is the last step, a wish to finish early or a cancel; after an error the state before it stays, since numbers may have gone out of bounds.

    key: of what is learned; the state has a name of its own beside it
    interval: seconds
    """

    def __init__(
        self, store: FitStore, key: str, interval: float = SAVE_INTERVAL, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._store, self._key, self._interval, self._clock = store, f"{key}-state", interval, clock
        self._saved: float | None = None
        self._unsaved: Learning | None = None

    @property
    def state(self) -> Tensors | None:
        """What an earlier run left; None for a fresh start."""
        return self._store.get(self._key)

    def __call__(self, learning: Learning) -> None:
        """Keep it, unless that was done just now. Raises `NotKept`, at the first step where it can never be."""
        self._unsaved = learning
        now = self._clock()
        if self._saved is None:
            self._store.check(learning.tensors())
            self._saved = now
        if now - self._saved >= self._interval:
            self._save()
            self._saved = self._clock()  # what takes long to write is written less often

    def done(self) -> None:
        """Forget the state: what was learned is kept, and there is nothing to go on with."""
        self._unsaved = None
        self._store.drop(self._key)

    def _save(self) -> None:
        if self._unsaved is not None:
            self._store.keep(self._key, self._unsaved.tensors())
            self._unsaved = None

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: object) -> None:
        if kind is None:
            self._save()
        elif issubclass(kind, GeneratorExit | FinishEarly):
            try:
                self._save()
            except NotKept as missed:  # nobody listens any more
                log.warning("%s", missed)
