"""Fetching a model from the hub: in bytes, cancelled between two of them, continued where it stopped, checked before it counts.

The hub's own library lists and names; the transfer is ours, because its own begins a broken file anew and is deaf for ten megabytes.
"""

from __future__ import annotations

import errno
import hashlib
import json
import logging
import os
import shutil
from collections.abc import Generator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

from editor.errors import EditorError, ModelUnavailable, UnwritableFile
from editor.io.safe_json import BadJson, read_object
from editor.models.catalogue import size_words
from editor.models.hub import DownloadPlan, RemoteFile
from editor.models.transfer import Broken, Meter, Stream
from editor.requests.reports import Progress, Reports

log = logging.getLogger(__name__)

RECORD = "download.json"  # in a model's folder: where it came from
WAITS = (1.0, 2.0, 4.0, 8.0)  # seconds before each further try, counted anew once bytes have come
SPARE = 50_000_000  # bytes that must stay free on the disk
BLOCK = 1 << 20


def download(plan: DownloadPlan, models: Path, token: str = "", *, waits: Sequence[float] = WAITS) -> Reports[Path]:
    """Fetch what is missing of the plan into a folder below `models`; returns that folder.

    Reports at least five times a second. Closed, it stops there; what has come is kept, and the next call goes on with it. Each file is
    checked against its hash and takes its name only then. Raises `ModelUnavailable` or `UnwritableFile`.
    """
    folder = plan.folder(models)
    missing = remaining(plan, models)
    meter = Meter(plan.total, plan.total - sum(file.size for file in missing))
    yield meter.report("Getting ready")
    try:
        needed = sum(file.size - _partial_size(models, file) for file in missing)
        _check_room(plan, models, needed)
        for file in missing:
            (models / file.local).unlink(missing_ok=True)  # of another version
        _record(plan, models)
        errand = _Errand(plan, models, token, waits, meter)
        for file in missing:
            yield from errand.fetch(file)
    except OSError as error:
        raise _unwritable(plan, models, error) from error
    return folder


def remaining(plan: DownloadPlan, models: Path) -> list[RemoteFile]:
    """The files that are not there yet, small ones first: what is wrong shows before the gigabytes."""
    recorded = {root: read_record(models / root) for root in {file.source for file in plan.files}}
    missing = [file for file in plan.files if not _there(file, models, recorded[file.source])]
    return sorted(missing, key=lambda file: file.size)


def read_record(folder: Path) -> dict[str, str]:
    """What is known about where a downloaded model came from: `source`, `revision`, `licence` and the hash of each file; else empty."""
    try:
        fields = read_object(folder / RECORD)
    except (OSError, BadJson):
        return {}
    return {name: value for name, value in fields.items() if isinstance(value, str)}


class _Growing:
    """A file as far as it has come, open for more, with the hash of what is there."""

    def __init__(self, file: RemoteFile, out: BinaryIO) -> None:
        self._file, self._out = file, out
        self.restart()

    def restart(self) -> None:
        """Nothing is there."""
        self.size = 0
        # What the hub has: SHA-256 of large files, git's own hash of small ones.
        start = b"" if self._file.sha256 else b"blob %d\0" % self._file.size
        self._digest = hashlib.new("sha256" if self._file.sha256 else "sha1", start, usedforsecurity=False)

    def read(self) -> int:
        """Take in a block of what came the last time; returns its bytes, 0 at the end."""
        block = self._out.read(BLOCK)
        self._digest.update(block)
        self.size += len(block)
        return len(block)

    def write(self, chunk: bytes) -> int:
        """Add what came. No more than one byte too many: that is enough to know."""
        fitting = chunk[: self._file.size - self.size + 1]
        if self.size == 0:
            self._out.truncate(0)
        self._out.write(fitting)
        self._digest.update(fitting)
        self.size += len(fitting)
        return len(fitting)

    @property
    def right(self) -> bool:
        return self.size == self._file.size and self._digest.hexdigest() == (
            _hash_of(self._file) or self._digest.hexdigest()
        )


@dataclass(slots=True)
class _Errand:
    """One download on its way."""

    plan: DownloadPlan
    models: Path
    token: str
    waits: Sequence[float]
    meter: Meter

    def fetch(self, file: RemoteFile) -> Generator[Progress]:
        """One file, with further tries when the connection breaks."""
        target, partial = self.models / file.local, _partial(self.models, file)
        target.parent.mkdir(parents=True, exist_ok=True)
        _clear_way(partial)
        if partial.exists() and partial.stat().st_size > file.size:
            partial.unlink()
        before = self.meter.done
        with partial.open("a+b") as out:
            out.seek(0)
            growing = _Growing(file, out)
            while count := growing.read():
                self.meter.done += count
                if self.meter.due:
                    yield self.meter.report("Checking what is here")
            tries = 0
            while growing.size < file.size:
                had = growing.size
                try:
                    yield from self._receive(file, growing, before)
                except Broken as broken:
                    tries = 0 if growing.size > had else tries
                    if tries == len(self.waits):
                        raise _interrupted(self.plan, broken) from broken
                    log.info("%s broke off at %s: %s", file.path, growing.size, broken.__cause__)
                    yield from self.meter.wait(self.waits[tries], "Waiting for the network")
                    tries += 1
        if not growing.right:
            partial.unlink()
            self.meter.done = before
            raise ModelUnavailable(
                f"“{Path(file.local).name}” for the {file.part.replace('_', ' ')} arrived damaged and was thrown away.",
                "Continue to fetch it again; the other files are kept.",
            )
        partial.replace(target)

    def _receive(self, file: RemoteFile, growing: _Growing, before: int) -> Generator[Progress]:
        """All that one connection brings; `before`: bytes that had come before this file."""
        doing = f"Downloading {file.part.replace('_', ' ')}"
        stream = Stream(self.plan, file, self.token, growing.size)
        restarted = False
        try:
            for chunk in stream:
                if stream.restarted and not restarted:
                    restarted = True
                    growing.restart()
                    self.meter.done = before
                if chunk:
                    self.meter.done += growing.write(chunk)
                if self.meter.due:
                    yield self.meter.report(doing)
                if growing.size > file.size:
                    return
            if growing.size < file.size:
                raise Broken
        finally:
            stream.close()


def _within(file: RemoteFile) -> str:
    return file.local.removeprefix(f"{file.source}/")


def _hash_of(file: RemoteFile) -> str:
    return file.sha256 or file.blob


def _partial(models: Path, file: RemoteFile) -> Path:
    """Named after the hash too, so that another version of the file never continues this one."""
    target = models / file.local
    return target.with_name(f".{target.name}.{_hash_of(file)[:12]}.incomplete")


def _partial_size(models: Path, file: RemoteFile) -> int:
    path = _partial(models, file)
    return min(path.stat().st_size, file.size) if path.exists() else 0


def _clear_way(path: Path) -> None:
    """Take away what a file cannot be written over: a link would lead elsewhere, a pipe would keep the writer waiting."""
    if os.path.lexists(path) and (path.is_symlink() or not (path.is_file() or path.is_dir())):
        path.unlink()


def _there(file: RemoteFile, models: Path, record: dict[str, str]) -> bool:
    target = models / file.local
    if not target.is_file() or target.stat().st_size != file.size:
        return False
    return record.get(_within(file), _hash_of(file)) == _hash_of(file)


def _record(plan: DownloadPlan, models: Path) -> None:
    """Write down what each folder holds, or will when all has come."""
    for root in {file.source for file in plan.files}:
        files = [file for file in plan.files if file.source == root]
        record = {"source": files[0].source, "revision": files[0].commit, "licence": plan.licence}
        record |= {_within(file): _hash_of(file) for file in files}
        folder = models / root
        folder.mkdir(parents=True, exist_ok=True)
        _clear_way(folder / RECORD)
        (folder / RECORD).write_text(json.dumps(record, indent=1), encoding="utf-8")


def _check_room(plan: DownloadPlan, models: Path, needed: int) -> None:
    there = next(parent for parent in (models.absolute(), *models.absolute().parents) if parent.exists())
    free = shutil.disk_usage(there).free
    if needed + SPARE > free:
        raise _full(plan, models, f"{size_words(needed)} are still to come, and {size_words(free)} are free.")


def _full(plan: DownloadPlan, models: Path, what: str) -> UnwritableFile:
    return UnwritableFile(
        f"There is not enough room for “{plan.name}” in {models}: {what}",
        "Make room, or choose another folder, and continue; what has come is kept.",
    )


def _unwritable(plan: DownloadPlan, models: Path, error: OSError) -> EditorError:
    if error.errno in (errno.ENOSPC, errno.EDQUOT):
        return _full(plan, models, "the disk is full.")
    return UnwritableFile(
        f"“{plan.name}” cannot be saved in {models} ({error.strerror or error}).", "Choose another folder for models."
    )


def _interrupted(plan: DownloadPlan, broken: Broken) -> ModelUnavailable:
    log.warning("Downloading %s was interrupted: %s", plan.id, broken.__cause__)
    return ModelUnavailable(
        f"The download of “{plan.name}” was interrupted.",
        "What has come is kept. Check the network and continue; it goes on where it stopped.",
    )
