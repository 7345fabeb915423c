"""The window that stands until the program is there."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from PySide6.QtCore import QSize
from pytestqt.qtbot import QtBot

import resources
from app import first_sight
from app.first_sight import FIRST_SIZE, FirstSight
from editor.io.images import MAX_PIXELS, MAX_SIDE
from tests.support.alarm import time_limit

RED = (200, 30, 30)


def picture(path: Path, size: tuple[int, int] = (400, 300), orientation: int = 1) -> Path:
    """Red on the left as stored, black on the right."""
    pixels = np.zeros((size[1], size[0], 3), np.uint8)
    pixels[:, : max(1, size[0] // 2)] = RED
    exif = Image.Exif()
    exif[0x0112] = orientation
    Image.fromarray(pixels).save(path, exif=exif)
    return path


def sight(qtbot: QtBot, settings: Path, pictures: list[Path]) -> FirstSight:
    made = FirstSight(settings, pictures)
    qtbot.addWidget(made)
    with qtbot.waitExposed(made):
        made.show()
    return made


def colour_at(window: FirstSight, across: float, down: float) -> tuple[int, int, int]:
    image = window.grab().toImage()
    found = image.pixelColor(int(image.width() * across), int(image.height() * down))
    return found.red(), found.green(), found.blue()


def is_red(colour: tuple[int, int, int]) -> bool:
    return colour[0] > 150 and colour[1] < 80


def test_the_picture_is_where_the_canvas_will_show_it(qtbot: QtBot, tmp_path: Path) -> None:
    window = sight(qtbot, tmp_path / "none.json", [picture(tmp_path / "a.png", (4000, 3000))])
    assert window.size() == FIRST_SIZE
    canvas = window._canvas()
    centre = canvas.center().x() / window.width(), canvas.center().y() / window.height()
    assert is_red(colour_at(window, centre[0] - 0.1, centre[1]))
    assert not is_red(colour_at(window, centre[0] + 0.1, centre[1]))


def test_it_is_upright(qtbot: QtBot, tmp_path: Path) -> None:
    window = sight(qtbot, tmp_path / "none.json", [picture(tmp_path / "a.jpg", (3000, 2000), orientation=6)])
    canvas = window._canvas()
    x, y = canvas.center().x() / window.width(), canvas.center().y() / window.height()
    assert is_red(colour_at(window, x, y - 0.2))  # what lay on the left is on top after a turn to the right
    assert not is_red(colour_at(window, x, y + 0.2))


@pytest.mark.parametrize("theme", ["dark", "light"])
def test_it_wears_the_chosen_theme(qtbot: QtBot, tmp_path: Path, theme: str) -> None:
    settings = tmp_path / "settings.json"
    settings.write_text(json.dumps({"theme": theme}))
    window = sight(qtbot, settings, [])
    assert (colour_at(window, 0.5, 0.5)[0] > 128) is (theme == "light")


@pytest.mark.parametrize("content", ["", "[]", "{", '{"theme": 3, "geometry": 7}', '{"geometry": "AAAA"}'])
def test_settings_that_make_no_sense_are_the_first_ones(qtbot: QtBot, tmp_path: Path, content: str) -> None:
    settings = tmp_path / "settings.json"
    settings.write_text(content)
    assert sight(qtbot, settings, []).size() == FIRST_SIZE


@pytest.mark.parametrize(
    "content", [b"[" * 100_000, b'{"geometry": "\\ud800\\u0000"}', b"\xff\xfe", b'{"geometry": ' + b"9" * 5000]
)
def test_hostile_settings_do_not_keep_it_from_coming(qtbot: QtBot, tmp_path: Path, content: bytes) -> None:
    settings = tmp_path / "settings.json"
    settings.write_bytes(content)
    assert sight(qtbot, settings, []).size() == FIRST_SIZE
    assert settings.read_bytes() == content
    assert sight(qtbot, tmp_path, []).size() == FIRST_SIZE  # a folder


def test_what_is_no_picture_is_left_to_the_program(qtbot: QtBot, tmp_path: Path) -> None:
    broken = tmp_path / "broken.png"
    broken.write_bytes(b"\x89PNG\r\n\x1a\nnot really")
    thin = picture(tmp_path / "thin.png", (1, 6000))
    for path in (tmp_path / "none.png", tmp_path, broken, thin):
        window = sight(qtbot, tmp_path / "none.json", [path])
        assert window.size() == QSize(FIRST_SIZE)


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="there are no pipes among files here")
def test_a_pipe_does_not_keep_the_window_waiting(qtbot: QtBot, tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe.png")
    with time_limit(20):
        assert sight(qtbot, tmp_path / "none.json", [tmp_path / "pipe.png"])._picture.isNull()


def test_a_picture_that_is_refused_is_not_shown_first(
    qtbot: QtBot, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = picture(tmp_path / "a.jpg", (400, 300))
    for limit, value in (("MAX_SIDE", 399), ("MAX_PIXELS", 400 * 300 - 1)):
        with monkeypatch.context() as patch:
            patch.setattr(first_sight, limit, value)
            assert sight(qtbot, tmp_path / "none.json", [path])._picture.isNull()
    assert (first_sight.MAX_PIXELS, first_sight.MAX_SIDE) == (MAX_PIXELS, MAX_SIDE)


def test_a_large_picture_does_not_keep_the_window_waiting(
    qtbot: QtBot, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(first_sight, "LARGE", 100)
    window = sight(qtbot, tmp_path / "none.json", [picture(tmp_path / "a.png")])
    assert window._picture.isNull()
    assert not sight(qtbot, tmp_path / "none.json", [picture(tmp_path / "a.jpg")])._picture.isNull()


def test_nothing_heavy_is_imported_for_it() -> None:
    script = (
        "import sys; from app.first_sight import begin; from pathlib import Path; begin([Path(sys.argv[1])]);"
        "print(*({'numpy', 'cv2', 'scipy', 'skimage', 'asyncio', 'torch', 'PIL'} & set(sys.modules)))"
    )
    with resources.photo("flower.jpg") as path:
        command = [sys.executable, "-c", script, str(path)]
        run = subprocess.run(command, capture_output=True, text=True, check=True)
    assert run.stdout.split() == []
