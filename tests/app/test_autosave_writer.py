"""The autosave thread by itself: whatever goes wrong, it goes on, and no document keeps another back."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from threading import Event

import pytest

from app import autosave_writer
from app.autosave_writer import AutosaveWriter, PostedState
from editor.document.document import Document
from editor.io import recovery
from editor.io.journal import Journal, Snapshot
from editor.io.journal_reader import JournalReader
from tests.app.test_autosave import journals
from tests.editor.io.test_journal import photo as random_picture
from tests.editor.io.test_journal import snapshot as random_snapshot
from tests.editor.io.test_journal import stroke
from tests.editor.io.test_project import plain


@pytest.fixture
def said() -> list[str]:
    return []


@pytest.fixture
def writer(tmp_path: Path, said: list[str], monkeypatch: pytest.MonkeyPatch) -> Iterator[AutosaveWriter]:
    """The thread by itself."""
    monkeypatch.setattr(autosave_writer, "RETRY", 0.05)
    writer = AutosaveWriter(
        tmp_path / "recovery", lambda message, _: said.append(message), lambda: said.append("resumed")
    )
    writer.limit = 10**9
    yield writer
    writer.close()


def post(writer: AutosaveWriter, key: str, document: Document) -> None:
    writer.post(key, PostedState(document, key, None, None, 0, "Paint", 1000.0, ("", ""), None))


def done(writer: AutosaveWriter) -> None:
    writer.submit(lambda folder: None).result(10)


def kept_states(home: Path) -> dict[str, Document]:
    readers = [JournalReader(file) for file in journals(home)]
    return {reader.snapshot.key: reader.load() for reader in readers}


@pytest.fixture
def bad(monkeypatch: pytest.MonkeyPatch) -> set[str]:
    """Keys of documents that no journal takes."""
    keys: set[str] = set()
    write = Journal.write

    def picky(journal: Journal, snapshot: Snapshot) -> None:
        if snapshot.key in keys:
            raise ValueError("nobody thought of this")
        write(journal, snapshot)

    monkeypatch.setattr(Journal, "write", picky)
    return keys


def test_a_question_that_nobody_waits_for_any_more_does_not_end_keeping(writer: AutosaveWriter, tmp_path: Path) -> None:
    asked, go_on = Event(), Event()

    def slow(folder: recovery.RecoveryFolder) -> None:
        asked.set()
        go_on.wait(10)

    writer.submit(slow)
    assert asked.wait(10)
    assert writer.submit(lambda folder: folder.left_behind().documents).cancel()
    go_on.set()
    post(writer, "a", random_picture(50))
    done(writer)
    assert list(kept_states(tmp_path)) == ["a"]


@pytest.mark.logs
def test_a_document_that_cannot_be_kept_does_not_keep_the_others_back(
    writer: AutosaveWriter, said: list[str], bad: set[str], tmp_path: Path
) -> None:
    bad.add("bad")
    states = [random_picture(50)]
    post(writer, "bad", states[0])
    for x in range(5):
        post(writer, "good", states[-1])
        done(writer)
        assert plain(kept_states(tmp_path)["good"]) == plain(states[-1])
        states.append(stroke(states[-1], x, x))
    assert said == [
        "Changes cannot be kept in case the program ends unexpectedly."
    ]  # once, and nothing is said to be well
    post(writer, "good", states[-1])
    writer.close()
    assert plain(kept_states(tmp_path)["good"]) == plain(states[-1])


@pytest.mark.logs
def test_at_the_end_every_document_is_tried(writer: AutosaveWriter, bad: set[str], tmp_path: Path) -> None:
    asked, go_on = Event(), Event()

    def slow(folder: recovery.RecoveryFolder) -> None:
        asked.set()
        go_on.wait(10)

    writer.submit(slow)
    assert asked.wait(10)
    bad.add("bad")
    for key in ("bad", "good", "other"):
        post(writer, key, random_picture(50))
    writer._closing = True
    go_on.set()
    writer.close()
    assert sorted(kept_states(tmp_path)) == ["good", "other"]


@pytest.mark.logs
def test_after_a_failing_document_was_closed_the_next_one_is_kept_at_once(
    writer: AutosaveWriter, bad: set[str], said: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(autosave_writer, "RETRY", 1000.0)
    bad.add("bad")
    post(writer, "bad", random_picture(50))
    done(writer)
    assert len(said) == 1
    writer.forget("bad")
    done(writer)
    post(writer, "good", random_picture(50))
    done(writer)
    assert list(kept_states(tmp_path)) == ["good"]


@pytest.mark.logs
def test_whatever_goes_wrong_in_the_thread_it_goes_on(
    writer: AutosaveWriter, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fails() -> None:
        raise RuntimeError("nobody thought of this")

    writer.after_next("a", fails)
    writer.forget("a")
    done(writer)
    with monkeypatch.context() as patch:
        patch.setattr(writer, "_sync", fails)
        post(writer, "b", random_picture(50))
        done(writer)
    post(writer, "c", random_picture(50))
    done(writer)
    assert sorted(kept_states(tmp_path)) == ["b", "c"]


def test_nothing_waits_while_what_was_left_behind_is_read(writer: AutosaveWriter, tmp_path: Path) -> None:
    asked, go_on = Event(), Event()

    def slow(folder: recovery.RecoveryFolder) -> list[recovery.LeftBehind]:
        asked.set()
        go_on.wait(10)
        return folder.left_behind().documents

    future = writer.submit(slow, apart=True)
    assert asked.wait(10)
    post(writer, "a", random_picture(50))
    done(writer)
    assert list(kept_states(tmp_path)) == ["a"]
    go_on.set()
    assert future.result(10) == []


def test_what_comes_back_takes_the_room_of_what_it_was_got_back_from(
    writer: AutosaveWriter, said: list[str], tmp_path: Path
) -> None:
    states = [random_picture(200), random_picture(201)]
    dead = recovery.RecoveryFolder(tmp_path / "recovery")
    for key, state in zip("ab", states, strict=True):
        dead.journal().write(replace(random_snapshot(state), key=key))
    dead.close()
    left = writer.submit(lambda folder: folder.left_behind().documents).result(10)
    writer.limit = (
        sum(file.stat().st_size for file in journals(tmp_path)) - 1000
    )  # as full as it was when that program died
    for document in left:
        key = document.newest.snapshot.key
        writer.after_next(key, document.discard)
        post(writer, key, document.newest.load())
    done(writer)
    assert said == []
    assert not dead.path.exists()
    assert {key: plain(state) for key, state in kept_states(tmp_path).items()} == {
        key: plain(state) for key, state in zip("ab", states, strict=True)
    }


def test_questions_after_the_end_are_not_waited_for(writer: AutosaveWriter) -> None:
    writer.close()
    future = writer.submit(lambda folder: None)
    writer.close()
    assert future.cancelled()
