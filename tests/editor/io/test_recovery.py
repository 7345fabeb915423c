"""Recovery folders: what a program that died had open is offered once, to one program, and nothing else is touched."""

from __future__ import annotations

import multiprocessing
import os
import signal
import time
from collections.abc import Iterator
from dataclasses import replace
from multiprocessing.connection import Connection
from pathlib import Path

import pytest
from filelock import Timeout

from editor.document.document import Document
from editor.io import recovery
from editor.io.journal import JournalReader
from editor.io.records import MAGIC
from editor.io.recovery import RecoveryFolder
from tests.editor.io.test_journal import photo, snapshot, stroke
from tests.editor.io.test_project import plain


def keep(root: Path, *documents: Document, keys: str = "abcdefgh") -> RecoveryFolder:
    folder = RecoveryFolder(root)
    for number, (document, key) in enumerate(zip(documents, keys, strict=False)):
        folder.journal().write(replace(snapshot(document), key=key, time=1000.0 + number))
    return folder


def die(folder: RecoveryFolder) -> None:
    """What the operating system does when a program ends: its locks are let go, its files stay."""
    folder._lock.release()


def test_what_was_left_behind_is_offered_the_newest_first(tmp_path: Path) -> None:
    documents = photo(50), stroke(photo(60), 5, 5)
    die(keep(tmp_path, *documents))
    folder = RecoveryFolder(tmp_path)
    left = folder.left_behind().documents
    assert [document.newest.snapshot.key for document in left] == ["b", "a"]
    assert [plain(document.newest.load()) for document in left] == [plain(documents[1]), plain(documents[0])]


def test_nothing_is_offered_of_programs_that_run(tmp_path: Path) -> None:
    other = keep(tmp_path, photo(50))
    folder = RecoveryFolder(tmp_path)
    assert folder.left_behind().documents == []
    other.close()
    assert other.path.is_dir()  # closed without forgetting its document: as when the window was torn down
    assert len(folder.left_behind().documents) == 1


def test_only_one_program_is_offered_a_document(tmp_path: Path) -> None:
    die(keep(tmp_path, photo(50), photo(60)))
    one, other = RecoveryFolder(tmp_path), RecoveryFolder(tmp_path)
    left = one.left_behind().documents
    assert len(left) == 2
    assert other.left_behind().documents == []
    left[0].put_off()
    assert other.left_behind().documents == []  # the other document of that program is still held
    left[1].put_off()
    assert len(other.left_behind().documents) == 2


def test_discarded_is_gone_and_the_rest_stays(tmp_path: Path) -> None:
    dead = keep(tmp_path, photo(50), photo(60))
    die(dead)
    one = RecoveryFolder(tmp_path)
    first, second = one.left_behind().documents
    first.discard()
    second.put_off()
    (again,) = RecoveryFolder(tmp_path).left_behind().documents
    assert again.newest.snapshot.key == second.newest.snapshot.key
    again.discard()
    assert not dead.path.exists()


def test_of_one_life_only_the_newest_is_offered(tmp_path: Path) -> None:
    """It was taken over, and that program died before the older journal could go."""
    older, newer = photo(50), stroke(photo(50), 3, 3)
    dead = keep(tmp_path, older)
    die(dead)
    other = RecoveryFolder(tmp_path)
    other.journal().write(replace(snapshot(newer), key="a", time=5000.0))
    die(other)
    (left,) = RecoveryFolder(tmp_path).left_behind().documents
    assert plain(left.newest.load()) == plain(newer)
    assert not dead.path.exists()


def test_a_folder_in_which_nothing_was_kept_goes(tmp_path: Path) -> None:
    dead = keep(tmp_path)
    (dead.path / "0001-000000.journal").write_bytes(b"")  # killed while it was begun
    die(dead)
    assert RecoveryFolder(tmp_path).left_behind().documents == []
    assert not dead.path.exists()


@pytest.mark.logs
def test_a_damaged_journal_does_not_keep_the_others_back(tmp_path: Path) -> None:
    dead = keep(tmp_path, photo(50), photo(60))
    file = min(dead.path.glob("*.journal"))
    data = bytearray(file.read_bytes())
    data[100] ^= 1
    file.write_bytes(data)
    die(dead)
    folder = RecoveryFolder(tmp_path)
    (left,), damaged = folder.left_behind()
    assert left.newest.snapshot.key == "b"
    assert damaged == 1
    left.discard()
    (aside,) = tmp_path.glob("*.damaged")
    assert aside.read_bytes() == bytes(data)
    assert folder.size() == 0
    assert folder.left_behind() == ([], 0)  # it was counted
    assert aside.exists()
    long_ago = time.time() - recovery.DAMAGED_STAYS - 60
    os.utime(aside, (long_ago, long_ago))
    folder.left_behind()
    assert not aside.exists()


@pytest.mark.logs
def test_a_damaged_header_is_not_taken_for_an_unfinished_beginning(tmp_path: Path) -> None:
    dead = keep(tmp_path, photo(700))  # with more behind the first block than one record can be
    (file,) = dead.path.glob("*.journal")
    data = bytearray(file.read_bytes())
    data[len(MAGIC) + 5] ^= 1
    file.write_bytes(data)
    die(dead)
    folder = RecoveryFolder(tmp_path)
    assert folder.left_behind() == ([], 1)


@pytest.mark.logs
def test_whatever_is_wrong_with_one_journal_does_not_keep_the_others_back(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    dead = keep(tmp_path, photo(50), photo(60))
    bad = min(dead.path.glob("*.journal"))
    die(dead)

    class Fails(JournalReader):
        def __init__(self, path: Path) -> None:
            if path == bad:
                raise RuntimeError("nobody thought of this")
            super().__init__(path)

    with monkeypatch.context() as patch:
        patch.setattr(recovery, "JournalReader", Fails)
        (left,) = RecoveryFolder(tmp_path).left_behind().documents
    assert left.newest.snapshot.key == "b"
    left.put_off()
    assert len(RecoveryFolder(tmp_path).left_behind().documents) == 2


def test_dropped_twice_it_lets_go_of_nothing_that_others_hold(tmp_path: Path) -> None:
    die(keep(tmp_path, photo(50)))
    (left,) = RecoveryFolder(tmp_path).left_behind().documents
    left.put_off()
    (other,) = RecoveryFolder(tmp_path).left_behind().documents
    left.put_off()
    assert RecoveryFolder(tmp_path).left_behind().documents == []
    other.put_off()


def test_closing_in_good_order_leaves_nothing(tmp_path: Path) -> None:
    folder = RecoveryFolder(tmp_path)
    journal = folder.journal()
    journal.write(snapshot(photo(50)))
    assert folder.size() == journal.size > 0
    journal.remove()
    folder.close()
    assert [path.name for path in tmp_path.iterdir()] == [recovery.LOCK]


def test_a_folder_that_goes_while_sizes_are_added_counts_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    other = keep(tmp_path, photo(50))
    folder = keep(tmp_path, photo(60))
    expected = sum(file.stat().st_size for file in folder.path.iterdir())
    glob = Path.glob

    def vanishing(path: Path, pattern: str) -> Iterator[Path]:
        if path == other.path:
            raise FileNotFoundError(path)
        return glob(path, pattern)

    with monkeypatch.context() as patch:
        patch.setattr(Path, "glob", vanishing)
        assert folder.size() == expected


def test_files_that_are_not_ours_are_left_alone(tmp_path: Path) -> None:
    (tmp_path / "notes.txt").write_text("mine")
    (tmp_path / "link").symlink_to(tmp_path.parent)
    assert RecoveryFolder(tmp_path).left_behind().documents == []
    assert (tmp_path / "notes.txt").read_text() == "mine"
    assert (tmp_path / "link").is_symlink()


def test_another_program_that_looks_around_for_ever_is_said(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(recovery, "ROOT_PATIENCE", 0.05)
    folder = RecoveryFolder(tmp_path)
    with folder._alone(), pytest.raises(Timeout):
        RecoveryFolder(tmp_path)


def _write_and_wait(root: Path, ready: Connection) -> None:
    folder = keep(root, photo(50))
    ready.send(folder.path.name)
    ready.recv()


def test_the_documents_of_a_killed_process_are_offered(tmp_path: Path) -> None:
    context = multiprocessing.get_context("spawn")
    here, there = context.Pipe()
    process = context.Process(target=_write_and_wait, args=(tmp_path, there), daemon=True)
    process.start()
    assert here.poll(60)
    here.recv()
    folder = RecoveryFolder(tmp_path)
    assert folder.left_behind().documents == []
    assert process.pid is not None
    os.kill(process.pid, signal.SIGKILL)
    process.join()
    (left,) = folder.left_behind().documents
    assert plain(left.newest.load()) == plain(photo(50))
