"""Journals: every state comes back exactly, a step costs what it changed, and damage costs no more than it must."""

from __future__ import annotations

import errno
import json
import os
import shutil
import struct
import zlib
from dataclasses import replace
from pathlib import Path
from typing import Any
from weakref import ref

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from editor.document.compose import flatten
from editor.document.contents import Exemplar, Item, Layer
from editor.document.document import Document, Metadata
from editor.errors import UnreadableFile
from editor.geometry import Placement
from editor.io import journal as journals
from editor.io import journal_reader, records
from editor.io.files import FileState, state_of
from editor.io.journal import Journal, Snapshot
from editor.io.journal_reader import BegunOnly, DamagedJournal, JournalReader
from editor.io.limits import Mending
from editor.io.records import MAGIC, RecordWriter
from tests.editor.io.test_project import documents, plain


def snapshot(document: Document | None, step: str = "Paint strength", source: Path | None = None) -> Snapshot:
    stamp = None if source is None else state_of(source, look_into=False)
    where, on_disk = Path("/tmp/café.palimpsest"), FileState(10**18, 7, 2**40, "digest")
    return Snapshot(document, "life", "Café", where, source, stamp, step, 1_790_000_000.25, "a boat", "people", on_disk)


def photo(side: int = 700) -> Document:
    pixels = np.random.default_rng(3).integers(0, 256, (side, side, 4), np.uint8)
    return Document.of_picture(pixels, metadata=Metadata(icc=b"profile", exif=b"Exif\0\0"))


def stroke(document: Document, x: int, y: int, value: float = 0.5) -> Document:
    return document.with_strength(document.strength.write(x, y, np.full((40, 60), value, np.float32)))


def newest_file(folder: Path) -> Path:
    return max(folder.glob("*.journal"))


def newest(folder: Path) -> JournalReader:
    return JournalReader(newest_file(folder))


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(states=st.lists(documents(), min_size=1, max_size=4))
def test_every_state_comes_back_exactly(tmp_path: Path, states: list[Document]) -> None:
    folder = tmp_path / "states"
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir()
    journal = Journal(folder, "one")
    for document in (*states, states[0]):  # also one that was there before, as after undo
        journal.write(snapshot(document))
        assert plain(newest(folder).load()) == plain(document)


def test_what_is_said_beside_the_document_comes_back(tmp_path: Path) -> None:
    picture = tmp_path / "café \udce9.png"  # a name that is not UTF-8
    picture.write_bytes(b"picture")
    journal = Journal(tmp_path, "one")
    journal.write(snapshot(None, "Open", picture))
    reader = newest(tmp_path)
    assert not reader.holds_document
    expected = snapshot(None, "Open", picture)
    assert [getattr(reader.snapshot, name) for name in Snapshot.__slots__] == [
        getattr(expected, name) for name in Snapshot.__slots__
    ]
    journal.write(snapshot(photo()))
    assert newest(tmp_path).holds_document
    assert newest(tmp_path).snapshot.source is None


def test_a_step_costs_what_it_changed(tmp_path: Path) -> None:
    document = photo()
    journal = Journal(tmp_path, "one")
    journal.write(snapshot(document))
    first = journal.size
    painted = stroke(document, 100, 100)
    journal.write(snapshot(painted))
    grown = journal.size - first
    assert grown < 8_000  # four blocks that are nearly empty, the difference of a plane, and a manifest
    journal.write(snapshot(document))
    journal.write(snapshot(painted))
    assert journal.size - first - grown < 2 * 2_000  # undo and redo: nothing but two manifests


def test_whoever_waits_is_asked_after_every_block(tmp_path: Path) -> None:
    document = photo(300)
    counts: list[int] = []
    journal = Journal(tmp_path, "one", counts.append)
    journal.write(snapshot(document))
    assert counts == list(range(1, 10))
    journal.write(snapshot(stroke(document, 100, 100)))
    assert counts[9:] == [1, 2, 3, 4]  # a stroke is counted for itself


def test_a_picture_on_the_canvas_is_written_once(tmp_path: Path) -> None:
    pixels = np.random.default_rng(5).integers(0, 256, (300, 200, 4), np.uint8)
    document = photo().adding_exemplar(Exemplar.of("cat", pixels, Placement(100, 100)))
    journal = Journal(tmp_path, "one")
    journal.write(snapshot(document))
    first = journal.size
    moved = replace(document.exemplars[0], placement=Placement(120, 90))
    journal.write(snapshot(document.with_exemplar(moved)))
    assert journal.size - first < 2_000
    assert np.array_equal(newest(tmp_path).load().exemplars[0].pixels, pixels)


def test_pictures_that_left_the_document_are_not_kept_in_memory(tmp_path: Path) -> None:
    pixels = np.zeros((64, 64, 4), np.uint8)
    plain_document = photo(128)
    journal = Journal(tmp_path, "one")
    journal.write(snapshot(plain_document.adding_exemplar(Exemplar.of("cat", pixels, Placement(9, 9)))))
    journal.write(snapshot(plain_document))
    gone = ref(pixels)
    del pixels
    assert gone() is None


def test_many_steps_are_read_quickly_and_exactly(tmp_path: Path) -> None:
    document = photo(300)
    journal = Journal(tmp_path, "one")
    generator = np.random.default_rng(7)
    for _ in range(300):
        x, y = map(int, generator.integers(0, 250, 2))
        document = stroke(document, x, y, float(generator.random()))
        journal.write(snapshot(document))
    assert plain(newest(tmp_path).load()) == plain(document)


def test_a_file_that_grew_is_written_anew(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(journals, "MIN_REWRITE", 1000)
    document = photo(200)
    journal = Journal(tmp_path, "one")
    largest = 0
    generator = np.random.default_rng(7)
    for _ in range(60):
        document = document.with_strength(
            document.strength.write(0, 0, generator.random(document.size.shape, np.float32))
        )
        journal.write(snapshot(document))
        assert len(list(tmp_path.glob("*.journal"))) == 1
        largest = max(largest, journal.size)
    assert plain(newest(tmp_path).load()) == plain(document)
    assert largest < 6 * journals.MAX_GROWTH * 200_000


def test_nothing_is_lost_when_the_new_file_is_not_finished(tmp_path: Path) -> None:
    document = photo(200)
    journal = Journal(tmp_path, "one")
    journal.write(snapshot(document))
    earlier = newest_file(tmp_path)
    kept = earlier.read_bytes()
    journal.rewrite(snapshot(stroke(document, 5, 5)))
    later = newest_file(tmp_path)
    assert not earlier.exists()
    # Killed in the middle: the earlier file is still there, the later one is cut off.
    earlier.write_bytes(kept)
    data = later.read_bytes()
    for length in (10, len(MAGIC) + 4, 500, len(data) - 1):
        later.write_bytes(data[:length])
        with pytest.raises(BegunOnly):
            JournalReader(later)
    assert plain(JournalReader(earlier).load()) == plain(document)


def test_what_is_damaged_is_never_taken_for_begun_only(tmp_path: Path) -> None:
    """Which would be deleted without a word."""
    Journal(tmp_path, "one").write(snapshot(photo(40)))
    file = newest_file(tmp_path)
    data = file.read_bytes()
    for at in range(len(data)):
        for damaged in (data[at] ^ 1, data[at] ^ 0xFF):
            file.write_bytes(data[:at] + bytes([damaged]) + data[at + 1 :])
            try:
                assert JournalReader(file).holds_document
            except DamagedJournal:
                continue
            except UnreadableFile as error:
                assert "newer version" in error.message  # noqa: PT017  it may be opened there, and stays


def test_zeros_at_the_end_are_no_damage(tmp_path: Path) -> None:
    """File systems leave them after a power failure, in the place of what was not written yet."""
    Journal(tmp_path, "one").write(snapshot(photo(40)))
    file = newest_file(tmp_path)
    data = file.read_bytes()
    file.write_bytes(data + bytes(3000))
    assert JournalReader(file).holds_document
    file.write_bytes(data[: len(MAGIC) + 4] + bytes(3000))
    with pytest.raises(BegunOnly):
        JournalReader(file)


def test_cut_off_anywhere_an_earlier_state_is_there(tmp_path: Path) -> None:
    states = [photo(150)]
    states += [stroke(states[0], 10, 10)]
    states += [stroke(states[1], 30, 60)]
    journal = Journal(tmp_path, "one")
    sizes = []
    for document in states:
        journal.write(snapshot(document))
        sizes.append(journal.size)
    data = newest_file(tmp_path).read_bytes()
    torn = tmp_path / "torn.journal"
    for length in (*range(sizes[0], len(data), 37), len(data)):
        torn.write_bytes(data[:length])
        expected = states[sum(size <= length for size in sizes) - 1]
        assert plain(JournalReader(torn).load()) == plain(expected)


def test_a_damaged_block_costs_only_the_states_that_need_it(tmp_path: Path) -> None:
    document = photo(150)
    journal = Journal(tmp_path, "one")
    journal.write(snapshot(document))
    first = journal.size
    journal.write(snapshot(stroke(document, 10, 10)))
    file = newest_file(tmp_path)
    data = bytearray(file.read_bytes())
    data[first + 40] ^= 1  # in the first block of the stroke
    file.write_bytes(data)
    assert plain(JournalReader(file).load()) == plain(document)
    data[len(MAGIC) + 40] ^= 1  # and in the first block of the picture
    file.write_bytes(data)
    with pytest.raises(UnreadableFile, match="is damaged"):
        JournalReader(file)


def test_a_write_that_fails_leaves_the_journal_as_it_was(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    document = photo(300)
    journal = Journal(tmp_path, "one")
    journal.write(snapshot(document))
    size = journal.size
    written = 0
    real = os.write

    def full(descriptor: int, data: memoryview) -> int:
        nonlocal written
        if written + len(data) > 3000:
            if written < 3000:
                written += real(descriptor, data[: 3000 - written])
                return 3000 - written or 1
            raise OSError(errno.ENOSPC, "No space left on device")
        written += len(data)
        return real(descriptor, data)

    painted = stroke(stroke(document, 10, 10), 200, 200)
    noise = np.random.default_rng(1).random((200, 200), np.float32)
    painted = painted.with_strength(painted.strength.write(20, 20, noise))
    with monkeypatch.context() as patch:
        patch.setattr(os, "write", full)
        with pytest.raises(OSError, match="No space"):
            journal.write(snapshot(painted))
    assert journal.size == size == newest_file(tmp_path).stat().st_size
    assert plain(newest(tmp_path).load()) == plain(document)
    journal.write(snapshot(painted))  # what was written and taken back is not taken for written
    assert plain(newest(tmp_path).load()) == plain(painted)


def test_a_removed_journal_leaves_nothing(tmp_path: Path) -> None:
    journal = Journal(tmp_path, "one")
    journal.write(snapshot(photo(50)))
    journal.remove()
    journal.remove()
    assert list(tmp_path.iterdir()) == []
    journal.write(snapshot(photo(50)))
    assert newest(tmp_path).holds_document


def test_items_layers_and_maps_of_a_large_document_come_back(tmp_path: Path) -> None:
    document = photo(400)
    mask = document.empty_map().write(50, 60, np.full((70, 80), 0.75, np.float32))
    document = document.adding_item(Item.of("stone", mask)).with_map("selection", mask).with_map("protect", mask)
    document = document.adding_layer(replace(Layer.empty(0, "Result", document.size), painted=mask))
    journal = Journal(tmp_path, "one")
    journal.write(snapshot(document))
    loaded = newest(tmp_path).load()
    assert plain(loaded) == plain(document)
    assert loaded.items[0].mask is loaded.selection  # shared when written, shared again
    assert np.array_equal(flatten(loaded), flatten(document))


@pytest.mark.parametrize("data", [b"", b"no journal", MAGIC + b"\x01\0\0\0"])
def test_files_that_hold_nothing_are_said_to_be_begun_only(tmp_path: Path, data: bytes) -> None:
    (tmp_path / "a.journal").write_bytes(data)
    with pytest.raises(BegunOnly):
        JournalReader(tmp_path / "a.journal")


def test_a_journal_of_a_newer_version_is_left_alone(tmp_path: Path) -> None:
    (tmp_path / "a.journal").write_bytes(MAGIC + b"\x09\0\0\0rest")
    with pytest.raises(UnreadableFile, match="newer version"):
        JournalReader(tmp_path / "a.journal")


def test_a_journal_goes_on_after_what_could_not_be_taken_back(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    document = photo(300)
    journal = Journal(tmp_path, "one")
    journal.write(snapshot(document))
    painted = stroke(document, 10, 10)
    real, count = os.write, 0

    def full(descriptor: int, data: memoryview) -> int:
        nonlocal count
        count += 1
        if count > 2:
            raise OSError(errno.EIO, "Input/output error")
        return real(descriptor, data)

    def fails(descriptor: int, length: int) -> None:
        raise OSError(errno.EIO, "Input/output error")

    with monkeypatch.context() as patch:
        patch.setattr(os, "write", full)
        patch.setattr(os, "ftruncate", fails)
        with pytest.raises(OSError, match="Input/output"):
            journal.write(snapshot(painted))
    assert plain(newest(tmp_path).load()) == plain(document)
    for last in (painted, stroke(painted, 90, 90)):  # numbers of blocks are still those of the file
        journal.write(snapshot(last))
        assert plain(newest(tmp_path).load()) == plain(last)
    assert len(list(tmp_path.iterdir())) == 1


def test_a_file_that_somebody_deleted_is_written_anew(tmp_path: Path) -> None:
    document = photo(100)
    journal = Journal(tmp_path, "one")
    journal.write(snapshot(document))
    newest_file(tmp_path).unlink()
    painted = stroke(document, 10, 10)
    journal.write(snapshot(painted))
    assert plain(newest(tmp_path).load()) == plain(painted)


def test_a_journal_of_one_state_is_compact(tmp_path: Path) -> None:
    journal = Journal(tmp_path, "one")
    document = photo(100)
    compact = [journal.compact]
    for state in (document, stroke(document, 10, 10)):
        journal.write(snapshot(state))
        compact.append(journal.compact)
    journal.rewrite(snapshot(document))
    compact.append(journal.compact)
    assert compact == [True, True, False, True]


def test_few_differences_lead_to_a_plane(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Otherwise reading a damaged journal, which looks at every state, would take as long as there are states times differences."""
    states = [photo(300)]
    journal = Journal(tmp_path, "one")
    for number in range(3 * journals.MAX_CHAIN):
        states.append(stroke(states[-1], 2 * number, 3 * number % 200))
        journal.write(snapshot(states[-1]))
    assert plain(newest(tmp_path).load()) == plain(states[-1])
    file = newest_file(tmp_path)
    data = bytearray(file.read_bytes())
    data[len(MAGIC) + 40] ^= 1  # in the first block of the picture, which all states need
    file.write_bytes(data)
    reads = 0
    real = records.payload

    def counting(*arguments: Any) -> bytes:
        nonlocal reads
        reads += 1
        return real(*arguments)

    monkeypatch.setattr("editor.io.journal_reader.payload", counting)
    with pytest.raises(UnreadableFile, match="is damaged"):
        JournalReader(file)
    assert reads < 4 * len(states)


def forged(path: Path, *, planes: int = 0, base: int = -1, **changes: Any) -> Path:
    """A journal of one state with nothing but sound checksums. `planes`: that many, each the difference to the one before; `base`: of the first."""
    writer = RecordWriter(path)
    for number in range(planes):
        head = {"base": number - 1 if number else base, "shape": [4, 4], "dtype": "float32"}
        text = json.dumps(head).encode()
        writer.append(journals.PLANE_KIND, struct.pack("<I", len(text)) + text)
    state: dict[str, Any] = {
        "key": "a", "name": "b", "project": None, "source": None, "stamp": None, "step": "c", "time": 1.0, "prompt": "",
        "negative_prompt": "", "on_disk": None, "document": None, **changes,
    }  # fmt: skip
    writer.append(journals.STATE_KIND, zlib.compress(json.dumps(state).encode()))
    writer.close()
    return path


@pytest.mark.parametrize(
    "document",
    [
        7,
        [],
        {},
        {"planes": [10**30], "extras": {}},
        {"planes": [], "extras": []},
        {"planes": [], "extras": {"icc": "x"}},
        {"planes": [], "extras": {"icc": [1]}},
        {"planes": [39], "extras": {}},
        {"planes": [0] * 30_000, "extras": {}},
        {"planes": [], "extras": {"icc": 10**9}},
    ],
    ids=str,
)
def test_states_that_make_no_sense_are_damaged(tmp_path: Path, document: object) -> None:
    with pytest.raises(UnreadableFile, match="is damaged"):
        JournalReader(forged(tmp_path / "a.journal", planes=40, document=document))


def test_a_plane_that_leads_to_itself_is_damaged(tmp_path: Path) -> None:
    document = {"planes": [1], "extras": {}}
    with pytest.raises(UnreadableFile, match="is damaged"):
        JournalReader(forged(tmp_path / "a.journal", planes=2, base=1, document=document))


def test_a_state_that_unpacks_to_very_much_is_damaged(tmp_path: Path) -> None:
    writer = RecordWriter(tmp_path / "a.journal")
    packer = zlib.compressobj(9)
    text = packer.compress(b'{"key": "')
    for _ in range(70):
        text += packer.compress(b"a" * 2**20)
    writer.append(journals.STATE_KIND, text + packer.compress(b'"}') + packer.flush())
    writer.close()
    with pytest.raises(UnreadableFile, match="is damaged"):
        JournalReader(tmp_path / "a.journal")


@pytest.mark.parametrize("time", [-1e300, -5, 1e12, 1e300])
def test_times_and_names_out_of_all_range_are_brought_back(tmp_path: Path, time: float) -> None:
    reader = JournalReader(forged(tmp_path / "a.journal", time=time, name="x" * 10**6, step="y" * 10**6))
    assert 0 <= reader.snapshot.time <= journal_reader.LATEST
    assert len(reader.snapshot.name) == len(reader.snapshot.step) == journal_reader.MAX_SHOWN_LENGTH


def test_what_was_mended_is_said(tmp_path: Path) -> None:
    document = photo(100)
    layer = replace(document.layers[0], name="x" * 1000)
    journal = Journal(tmp_path, "one")
    journal.write(snapshot(document.with_layer(layer)))
    mending = Mending()
    assert len(newest(tmp_path).load(mending).layers[0].name) < 1000
    assert mending.notes == ("Names or words that were too long were cut.",)


@pytest.mark.logs
def test_where_the_newest_states_make_no_sense_an_earlier_one_is_loaded(tmp_path: Path) -> None:
    document = photo(100)
    journal = Journal(tmp_path, "one")
    journal.write(snapshot(document, "Open"))
    for number in range(10):
        beyond = replace(document.layers[0], opacity=2.0 + number)  # nothing in the program does that
        journal.write(snapshot(document.with_layer(beyond), "Beyond"))
    reader = newest(tmp_path)
    assert reader.snapshot.step == "Beyond"
    assert plain(reader.load()) == plain(document)
    assert reader.snapshot.step == "Open"
    assert plain(reader.load()) == plain(document)
