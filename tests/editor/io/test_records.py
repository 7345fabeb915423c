"""Record files: whatever is cut off or flipped, what stands before it is read."""

from __future__ import annotations

import errno
import os
from pathlib import Path

import pytest

from editor.io import records
from editor.io.fields import Malformed
from editor.io.records import MAGIC, NewerRecords, RecordWriter, payload, scan

CONTENT = [(b"AAAA", b"first"), (b"BBBB", b""), (b"AAAA", bytes(range(256)) * 9)]


def written(path: Path) -> bytes:
    writer = RecordWriter(path)
    for kind, data in CONTENT:
        writer.append(kind, data)
    writer.commit()
    writer.close()
    return path.read_bytes()


def content(path: Path) -> list[tuple[bytes, bytes]]:
    with path.open("rb") as file:
        return [(record.kind, payload(file, record)) for record in list(scan(file))]


def test_what_was_appended_is_read_back(tmp_path: Path) -> None:
    written(tmp_path / "one")
    assert content(tmp_path / "one") == CONTENT


def test_cut_off_anywhere_the_whole_records_before_are_read(tmp_path: Path) -> None:
    data = written(tmp_path / "one")
    ends = []
    with (tmp_path / "one").open("rb") as file:
        ends = [record.offset + record.length for record in scan(file)]
    for length in range(len(MAGIC) + 4, len(data)):
        (tmp_path / "torn").write_bytes(data[:length])
        assert content(tmp_path / "torn") == CONTENT[: sum(end <= length for end in ends)]


def test_a_flipped_bit_is_noticed(tmp_path: Path) -> None:
    data = written(tmp_path / "one")
    for at in range(len(MAGIC) + 4, len(data)):
        (tmp_path / "flipped").write_bytes(data[:at] + bytes([data[at] ^ 4]) + data[at + 1 :])
        with (tmp_path / "flipped").open("rb") as file:
            records = list(scan(file))
            whole = 0
            for record, (kind, expected) in zip(records, CONTENT, strict=False):
                try:
                    assert (record.kind, payload(file, record)) == (kind, expected)
                except Malformed:
                    continue
                whole += 1
        assert whole < len(CONTENT)


def test_what_is_taken_back_leaves_no_trace(tmp_path: Path) -> None:
    writer = RecordWriter(tmp_path / "one")
    writer.append(*CONTENT[0])
    writer.commit()
    size = writer.size
    writer.append(*CONTENT[2])
    writer.rollback()
    assert writer.size == size == os.path.getsize(tmp_path / "one")
    writer.append(*CONTENT[1])
    writer.commit()
    writer.close()
    assert content(tmp_path / "one") == CONTENT[:2]


def test_a_file_that_is_there_is_never_written_over(tmp_path: Path) -> None:
    (tmp_path / "one").write_bytes(b"mine")
    with pytest.raises(FileExistsError):
        RecordWriter(tmp_path / "one")
    assert (tmp_path / "one").read_bytes() == b"mine"


@pytest.mark.parametrize("data", [b"", b"\x89PALIM", MAGIC, b"something else entirely, but long enough"])
def test_other_files_are_refused(tmp_path: Path, data: bytes) -> None:
    (tmp_path / "one").write_bytes(data)
    with (tmp_path / "one").open("rb") as file, pytest.raises(Malformed, match="no journal"):
        next(scan(file))


def test_a_newer_version_is_said_to_be_one(tmp_path: Path) -> None:
    (tmp_path / "one").write_bytes(MAGIC + b"\x02\0\0\0")
    with (tmp_path / "one").open("rb") as file, pytest.raises(NewerRecords):
        next(scan(file))


def test_a_file_that_cannot_be_begun_leaves_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(descriptor: int, data: memoryview) -> int:
        raise OSError(errno.ENOSPC, "No space left on device")

    before = set(os.listdir("/proc/self/fd")) if Path("/proc/self/fd").is_dir() else set()
    with monkeypatch.context() as patch:
        patch.setattr(os, "write", full)
        for _ in range(3):
            with pytest.raises(OSError, match="No space"):
                RecordWriter(tmp_path / "one")
    assert list(tmp_path.iterdir()) == []
    if before:
        assert set(os.listdir("/proc/self/fd")) == before


def test_what_could_not_be_taken_back_and_what_is_gone_is_not_sound(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fails(descriptor: int, length: int) -> None:
        raise OSError(errno.EIO, "Input/output error")

    writer = RecordWriter(tmp_path / "one")
    writer.append(*CONTENT[0])
    with monkeypatch.context() as patch:
        patch.setattr(os, "ftruncate", fails)
        with pytest.raises(OSError, match="Input/output"):
            writer.rollback()
    sound = [writer.sound]
    writer.rollback()
    sound.append(writer.sound)
    (tmp_path / "one").unlink()
    sound.append(writer.sound)
    writer.close()
    assert sound == [False, True, False]


def test_what_is_too_large_is_neither_written_nor_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    written(tmp_path / "one")
    monkeypatch.setattr(records, "MAX_PAYLOAD", 1000)
    with pytest.raises(OSError, match="larger"):
        RecordWriter(tmp_path / "other").append(*CONTENT[2])
    with pytest.raises(Malformed, match="larger"):
        content(tmp_path / "one")
