"""FitStore: what was learned about a picture, kept so that asking again costs nothing. Found by a hash of everything that it depends on."""

from __future__ import annotations

import logging
import os
import tempfile
import time
from collections import OrderedDict
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path

import torch
from safetensors import SafetensorError
from safetensors.torch import load, save

log = logging.getLogger(__name__)

Tensors = dict[str, torch.Tensor]

BUDGET = 256 * 2**20  # bytes
ENDING = ".safetensors"
ABANDONED = 3600.0  # seconds


class FitStore:
    """Named tensors by key, `budget` bytes of them at most: what was not asked for longest goes first.

    `folder`: where they are kept between runs of the program, one file each, made when the first is kept; without one, in memory. A file that is
    damaged counts as not there, and one that cannot be written is not kept: whoever asks learns it again.
    """

    def __init__(self, folder: Path | None = None, budget: int = BUDGET) -> None:
        self._folder, self._budget = folder, budget
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
            self._drop(key)
            return None
        return tensors

    def keep(self, key: str, tensors: Mapping[str, torch.Tensor]) -> None:
        """Under a `content_key`; larger than the whole budget, it is not kept."""
        data = save({name: tensor.detach().cpu().contiguous() for name, tensor in tensors.items()})
        if len(data) > self._budget:
            return
        if self._folder is None:
            self._held[key] = data
            self._held.move_to_end(key)
            while sum(map(len, self._held.values())) > self._budget:
                self._held.popitem(last=False)
            return
        try:
            self._write(self._folder, key, data)
        except OSError as error:
            log.warning("What was learned about a picture could not be kept: %s", error)

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

    def _drop(self, key: str) -> None:
        self._held.pop(key, None)
        if self._folder is not None:
            with suppress(OSError):
                (self._folder / (key + ENDING)).unlink()

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
                path.unlink(missing_ok=True)
