"""JSON that nobody vouches for: what is sound is read exactly, everything else is one kind of error, at once."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from editor.io.safe_json import MAX_DEPTH, MAX_PARTS, BadJson, open_regular, parse_json, parse_object, read_object


def test_sound_json_is_read_as_it_is() -> None:
    text = '{"a": [1, -2.5, true, null], "ü": {"🙂": "\\ud83d\\ude42"}}'
    expected = {"a": [1, -2.5, True, None], "ü": {"🙂": "🙂"}}
    assert parse_json(text.encode()) == expected
    assert parse_json(b"\xef\xbb\xbf" + text.encode()) == expected
    deep = b"[" * MAX_DEPTH + b"]" * MAX_DEPTH
    assert parse_json(deep)


@pytest.mark.parametrize(
    ("text", "says"),
    [
        (b"", "no valid JSON"),
        (b"{", "no valid JSON"),
        (b"\xff\xfe{}", "no valid JSON"),
        (b'"\xed\xa0\x80"', "no valid JSON"),
        (b"9" * 5000, "no valid JSON"),
        (b"[" * 100_000, "nested too deeply"),
        (b'{"a":' * 100_000, "nested too deeply"),
        (b"[" * (MAX_DEPTH + 1) + b"]" * (MAX_DEPTH + 1), "nested too deeply"),
        (b'{"a":' * (MAX_DEPTH + 1) + b"1" + b"}" * (MAX_DEPTH + 1), "nested too deeply"),
        (b"[" + b"[]," * MAX_PARTS + b"1]", "too many parts"),
        (b'{"a": 1, "b": {"c": 1, "c": 2}}', "says the same thing twice"),
        (b"[NaN]", "no valid JSON"),
        (b"[-Infinity]", "no valid JSON"),
        (b"[1e999]", "number without end"),
        (b'["\\ud800"]', "no valid Unicode"),
        (b'{"a": [{"\\uDC00": 1}]}', "no valid Unicode"),
        (b" " * 101, "too large"),
    ],
)
def test_what_is_wrong_is_one_kind_of_error(text: bytes, says: str) -> None:
    with pytest.raises(BadJson, match=says):
        parse_json(text, 100 if says == "too large" else 4 * 2**20)


def test_names_of_files_may_hold_any_bytes() -> None:
    assert parse_json(b'["caf\\udce9"]', names=True) == ["caf\udce9"]


def test_settings_of_schedulers_may_be_infinite() -> None:
    assert parse_object(b'{"a": -Infinity}', infinite=True) == {"a": float("-inf")}
    with pytest.raises(BadJson, match="no JSON object"):
        parse_object(b"[1]")


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="there are no pipes among files here")
def test_only_ordinary_files_are_opened(tmp_path: Path) -> None:
    pipe, loop, folder = tmp_path / "pipe", tmp_path / "loop", tmp_path / "folder"
    os.mkfifo(pipe)
    loop.symlink_to(loop)
    folder.mkdir()
    for path in (pipe, loop, folder, tmp_path / "none", Path("/dev/zero"), tmp_path / "a\0b", tmp_path / ("x" * 5000)):
        with pytest.raises(OSError):  # noqa: PT011
            open_regular(path)
    file = tmp_path / "file"
    file.write_text('{"a": 1}')
    (tmp_path / "link").symlink_to(file)
    assert read_object(tmp_path / "link") == {"a": 1}
