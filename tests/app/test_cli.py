"""The command line: its words, its exit status, and what it says when it is called wrongly."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from app.cli import WORDS, main, without_display

Captured = pytest.CaptureFixture[str]


def status(call: Callable[[], int]) -> int:
    """The exit status, also of a parser that leaves by itself."""
    try:
        return call()
    except SystemExit as left:
        return int(left.code or 0)


@pytest.mark.parametrize("word", ["", *WORDS])
def test_every_word_has_its_help(word: str, capsys: Captured) -> None:
    arguments = [word, "--help"] if word else ["--help"]
    assert status(lambda: main(arguments)) == 0
    said = capsys.readouterr().out
    assert said.startswith(f"usage: palimpsest {word}".rstrip())


@pytest.mark.parametrize(
    "arguments",
    [
        ["--no-such-option"],
        ["edit"],
        ["edit", "a.png", "b.png"],
        ["edit", "a.png", "b.png", "c.png", "--seed", "lucky"],
        ["bench", "no-such-benchmark"],
        ["bench", "start", "--json", "/no/such/folder/figures.json"],
        ["screenshots", "--theme", "pink"],
        ["demo", "unexpected"],
    ],
)
def test_a_wrong_call_has_status_2_and_says_why(arguments: list[str], capsys: Captured) -> None:
    assert status(lambda: main(arguments)) == 2
    assert "error:" in capsys.readouterr().err


def test_an_edit_that_fails_has_status_1_and_says_a_sentence(tmp_path: Path, capsys: Captured) -> None:
    picture = tmp_path / "photo.png"
    Image.fromarray(np.zeros((8, 8, 3), np.uint8)).save(picture)
    missing = ["edit", str(tmp_path / "none.png"), str(picture), str(tmp_path / "out.png")]
    unknown = ["edit", str(picture), str(picture), str(tmp_path / "out.png"), "--set", "colour=red"]
    for arguments, says in ((missing, "“none.png” is not there."), (unknown, "There is no setting “colour”.")):
        assert main(arguments) == 1
        said = capsys.readouterr()
        assert said.err.startswith(says)
        assert said.err.count("\n") == 1
        assert said.out == ""


def test_without_a_display_qt_draws_offscreen(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sys.platform", "linux")
    monkeypatch.delenv("QT_QPA_PLATFORM", raising=False)
    monkeypatch.setenv("DISPLAY", ":0")
    assert not without_display()
    monkeypatch.delenv("DISPLAY")
    monkeypatch.delenv("WAYLAND_DISPLAY", raising=False)
    assert without_display()
