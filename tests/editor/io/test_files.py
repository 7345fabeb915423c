"""Files by odd names, what killed saves leave over, and telling whether a file has changed."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest

from editor.document.document import Document
from editor.errors import EditorError, UnreadableFile, UnwritableFile, readable
from editor.io.files import SETTLED, changed_since, clear_leftovers, free_name, opened, state_of, written_beside
from editor.io.images import read_image, write_image
from editor.io.project import load_project, read_thumbnail, save_project

LINUX = pytest.mark.skipif(not sys.platform.startswith("linux"), reason="names are bytes there")
NOT_UTF8 = os.fsdecode(b"caf\xe9 \xff")
LONG = "x" * 300


def document() -> Document:
    return Document.of_picture(np.full((20, 30, 4), 200, np.uint8))


def assert_clear(error: EditorError) -> None:
    for sentence in (error.message, error.advice):
        assert sentence.endswith(".")
        sentence.encode()
        assert "\0" not in sentence


class TestNames:
    @LINUX
    def test_a_name_that_is_not_utf_8_is_a_name_like_any_other(self, tmp_path: Path) -> None:
        project, picture = tmp_path / f"{NOT_UTF8}.palimpsest", tmp_path / f"{NOT_UTF8}.png"
        save_project(project, document())
        assert load_project(project).size == (30, 20)
        assert read_thumbnail(project) is not None
        write_image(picture, document().layers[0].pixels.read(), document().metadata)
        assert read_image(picture).pixels.shape == (20, 30, 4)
        assert sorted(os.listdir(os.fsencode(tmp_path))) == [b"caf\xe9 \xff.palimpsest", b"caf\xe9 \xff.png"]
        project.write_bytes(b"rubbish")
        with pytest.raises(UnreadableFile) as caught:
            load_project(project)
        assert_clear(caught.value)
        assert "caf\ufffd \ufffd.palimpsest" in caught.value.message

    @pytest.mark.parametrize(
        "name", ["nu\0l.palimpsest", "lone \ud800.palimpsest", f"{LONG}.palimpsest", "nu\0l/a.png"]
    )
    def test_what_no_system_takes_is_a_sentence(self, tmp_path: Path, name: str) -> None:
        path = tmp_path / name
        for read in (load_project, read_image):
            with pytest.raises(UnreadableFile) as caught:
                read(path)
            assert_clear(caught.value)
        assert read_thumbnail(path) is None
        with pytest.raises(UnwritableFile, match="Nothing was written") as unwritten:
            save_project(path, document())
        assert_clear(unwritten.value)
        assert list(tmp_path.iterdir()) == []
        assert state_of(path) is None
        assert changed_since(path, None) is None

    @LINUX
    def test_a_link_that_leads_to_itself_is_a_sentence(self, tmp_path: Path) -> None:
        path = tmp_path / "round.palimpsest"
        path.symlink_to(path)
        with pytest.raises(UnreadableFile, match="leads to itself"):
            load_project(path)
        with pytest.raises(UnwritableFile, match="leads to itself"):
            save_project(path, document())

    def test_an_error_of_a_value_inside_the_block_stays_what_it_is(self, tmp_path: Path) -> None:
        (tmp_path / "a").write_bytes(b"")
        with pytest.raises(ValueError, match="ours"), opened(tmp_path / "a"):
            raise ValueError("ours")

    def test_readable_text_stays_and_the_rest_is_marked(self) -> None:
        assert readable("Grüße 🙂\nline\t“x”") == "Grüße 🙂\nline\t“x”"
        assert readable("a\udcffb\0c\x1b\x7f") == "a\ufffdb\ufffdc\ufffd\ufffd"

    @LINUX
    @pytest.mark.parametrize("stem", ["cat", "cat 2", NOT_UTF8, "x" * 240, "ö" * 124, os.fsdecode(b"\xff" * 240)])
    def test_a_free_name_is_free_and_can_be_written(self, tmp_path: Path, stem: str) -> None:
        path = tmp_path / f"{stem}.palimpsest"
        for _ in range(12):
            free = free_name(path)
            assert not os.path.lexists(free)
            assert free.suffix == ".palimpsest"
            free.write_bytes(b"")
        assert len(list(tmp_path.iterdir())) == 12
        if stem == "cat":
            assert (tmp_path / "cat 13.palimpsest").is_file()

    @LINUX
    def test_a_link_to_nowhere_is_not_free(self, tmp_path: Path) -> None:
        (tmp_path / "a 2.png").symlink_to(tmp_path / "nowhere")
        assert free_name(tmp_path / "a.png").name == "a 3.png"


SLOW_SAVE = """
import sys
from pathlib import Path
from editor.io.files import written_beside
with written_beside(Path(sys.argv[1])) as file:
    file.write(b"half of it")
    file.flush()
    print("writing", flush=True)
    sys.stdin.read()
"""


def parts(folder: Path) -> list[Path]:
    return sorted(folder.glob(".palimpsest-*.part"))


def age(path: Path, seconds: float = 2 * SETTLED) -> None:
    long_ago = time.time() - seconds
    os.utime(path, (long_ago, long_ago), follow_symlinks=False)


def save(folder: Path, name: str = "other.palimpsest") -> None:
    with written_beside(folder / name) as file:
        file.write(b"saved")


class TestLeftovers:
    @pytest.fixture
    def writer(self, tmp_path: Path) -> subprocess.Popen[str]:
        """Another program in the middle of a save."""
        command = [sys.executable, "-c", SLOW_SAVE, str(tmp_path / "work.palimpsest")]
        made = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        assert made.stdout is not None
        assert made.stdout.readline() == "writing\n"
        return made

    def test_what_a_killed_save_left_goes_with_the_next_and_not_at_once(
        self, tmp_path: Path, writer: subprocess.Popen[str]
    ) -> None:
        writer.send_signal(signal.SIGKILL)
        writer.communicate()
        (left,) = parts(tmp_path)
        save(tmp_path)
        assert parts(tmp_path) == [left], "it may be a moment old and not locked yet"
        age(left)
        save(tmp_path)
        assert [path.name for path in tmp_path.iterdir()] == ["other.palimpsest"]

    def test_a_save_that_goes_on_is_left_alone_however_long_it_takes(
        self, tmp_path: Path, writer: subprocess.Popen[str]
    ) -> None:
        (part,) = parts(tmp_path)
        age(part)
        save(tmp_path)
        assert parts(tmp_path) == [part]
        writer.communicate("")
        assert writer.returncode == 0
        assert (tmp_path / "work.palimpsest").read_bytes() == b"half of it"
        assert parts(tmp_path) == []

    def test_two_saves_of_one_program_leave_each_other_alone(self, tmp_path: Path) -> None:
        with written_beside(tmp_path / "one") as file:
            file.write(b"one")
            age(parts(tmp_path)[0])
            save(tmp_path, "two")
        assert sorted(path.name for path in tmp_path.iterdir()) == ["one", "two"]

    @LINUX
    def test_only_our_own_ordinary_files_are_removed(self, tmp_path: Path) -> None:
        ours = tmp_path / ".palimpsest-0123456789ab.part"
        others = [
            tmp_path / name
            for name in (
                "model.safetensors.part",
                "0123456789ab.part",
                ".palimpsest-0123456789ab.part.txt",
                ".palimpsest-0123456789.part",
                ".palimpsest-0123456789AB.part",
            )
        ]
        precious = tmp_path / "precious"
        for path in (ours, *others, precious):
            path.write_bytes(b"x")
            age(path)
        link, folder, pipe = (tmp_path / f".palimpsest-{digit * 12}.part" for digit in "abc")
        link.symlink_to(precious)
        folder.mkdir()
        os.mkfifo(pipe)
        for path in (link, folder, pipe):
            age(path)
        clear_leftovers(tmp_path)
        assert set(tmp_path.iterdir()) == {*others, precious, link, folder, pipe}

    def test_a_folder_that_is_not_there_or_may_not_be_read_is_no_matter(self, tmp_path: Path) -> None:
        for folder in (tmp_path / "none", tmp_path / "nu\0l", Path(f"/{LONG}")):
            clear_leftovers(folder)


class TestChanges:
    def test_the_same_bytes_are_no_change_whatever_the_clock_says(self, tmp_path: Path) -> None:
        path = tmp_path / "a"
        path.write_bytes(b"one")
        known = state_of(path)
        assert changed_since(path, known) is None
        os.utime(path, (1, 1))
        assert changed_since(path, known) is None
        (tmp_path / "b").write_bytes(b"one")
        os.replace(tmp_path / "b", path)
        assert changed_since(path, known) is None

    def test_other_bytes_are_a_change_also_where_the_size_is_the_same(self, tmp_path: Path) -> None:
        path = tmp_path / "a"
        path.write_bytes(b"one")
        known = state_of(path)
        assert known is not None
        path.write_bytes(b"two")
        os.utime(path, ns=(known.modified, known.modified + 1))
        changed = changed_since(path, known)
        assert changed == state_of(path)
        assert changed_since(path, changed) is None

    def test_a_file_never_looked_into_counts_as_changed_once_its_state_differs(self, tmp_path: Path) -> None:
        path = tmp_path / "a"
        path.write_bytes(b"one")
        seen = state_of(path, look_into=False)
        assert changed_since(path, seen) is None
        os.utime(path, (1, 1))
        assert changed_since(path, seen) == state_of(path)
        assert changed_since(path, None) == state_of(path)

    def test_what_is_no_file_has_no_state(self, tmp_path: Path) -> None:
        assert state_of(tmp_path) is None
        assert state_of(tmp_path / "none") is None
        assert changed_since(tmp_path / "none", None) is None
