"""Exporting by hand: the dialog, the size it promises, and what comes of it."""

from __future__ import annotations

import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image
from PySide6.QtCore import Qt
from PySide6.QtTest import QTest
from PySide6.QtWidgets import QAbstractButton, QLineEdit, QWidget

from app import export_dialog
from app.cli import main
from app.export_dialog import ExportDialog, about
from app.settings import Settings
from editor.io.encoding import ExportOptions, Stopped, encode
from editor.io.images import read_image
from tests.app.conftest import Tell
from tests.support.program import LEFT, Desk, by_hand
from tests.support.waiting import until
from widgets.controls.slider import Slider
from widgets.session.notice import Notice

CAMERA = 271


@pytest.fixture
def shot(tmp_path: Path, photo: Path) -> Path:
    """A photo with the camera's data and a comment."""
    exif = Image.Exif()
    exif[CAMERA] = "Camera"
    with Image.open(photo) as image:
        image.save(tmp_path / "shot.jpg", exif=exif, comment=b"In the garden")
    return tmp_path / "shot.jpg"


async def press(dialog: QWidget, words: str) -> None:
    button = next(each for each in dialog.findChildren(QAbstractButton) if each.isVisible() and each.text() == words)
    await by_hand(lambda: QTest.mouseClick(button, LEFT))


async def type_into(slider: Slider, text: str) -> None:
    """The field opens with the first figure, and takes the others."""

    def keys() -> None:
        slider.setFocus()
        QTest.keyClicks(slider, text[:1])
        field = slider.findChild(QLineEdit)
        assert field is not None
        QTest.keyClicks(field, text[1:])
        QTest.keyClick(field, Qt.Key.Key_Return)

    await by_hand(keys)


async def known(dialog: ExportDialog) -> str:
    await until(lambda: dialog.length.text() != export_dialog.WORKING)
    return dialog.length.text()


def test_the_file_is_as_large_as_was_said_and_the_choice_is_remembered(tell: Tell, shot: Path, tmp_path: Path) -> None:
    path = tmp_path / "small.jpg"

    async def story(desk: Desk) -> None:
        session = await desk.open(shot)
        noticed: list[Notice] = []
        session.noticed.connect(noticed.append)
        await desk.do("file.export")
        dialog = await desk.export_dialog()
        await press(dialog, "JPEG")
        assert dialog.pixels.text() == "640 × 427 pixels"
        before = await known(dialog)
        await press(dialog, "Longest side")
        await type_into(dialog.longest, "320")
        assert dialog.pixels.text() == "640 × 427 pixels → 320 × 214, smaller"
        await type_into(dialog.quality, "60")
        await press(dialog, "Quarter")
        promised = await known(dialog)
        assert promised != before
        await desk.go_on_exporting()
        await desk.choose_file(path)
        await until(lambda: noticed)
        assert noticed[0].message == "Exported small.jpg."
        assert promised == f"The file: {about(path.stat().st_size)}"
        picture = read_image(path)
        assert picture.pixels.shape == (214, 320, 4)
        assert picture.metadata.comment == "In the garden"

        await desk.do("file.export")
        dialog = await desk.export_dialog()
        assert (dialog.quality.value, dialog.chroma.value, dialog.longest.value) == (60, "quarter", 320)
        await press(dialog, "PNG")
        assert not dialog.quality.isVisible()
        assert dialog.pixels.text().startswith("640 × 427 pixels → 320 × 214"), "the size is that of all kinds"
        await press(dialog, "Cancel")

    tell(story)
    kept = Settings(tmp_path / "settings.json").values
    assert kept.export_kind == "JPEG"
    assert kept.exports["JPEG"]["quality"] == 60


def test_what_cannot_be_kept_is_said_before_and_after(tell: Tell, shot: Path, tmp_path: Path) -> None:
    async def story(desk: Desk) -> None:
        session = await desk.open(shot)
        noticed: list[Notice] = []
        session.noticed.connect(noticed.append)
        await desk.do("file.export")
        dialog = await desk.export_dialog()
        await press(dialog, "WebP")
        await until(dialog.notes.isVisible)
        assert dialog.notes.text() == "A WebP file has no room for the comment; it was left out."
        await press(dialog, export_dialog.KEEP)
        await until(lambda: not dialog.notes.isVisible())
        await desk.go_on_exporting()
        await desk.choose_file(tmp_path / "bare.webp")
        await until(lambda: noticed)
        assert noticed[0].message == "Exported bare.webp."
        assert read_image(tmp_path / "bare.webp").metadata.exif is None

    tell(story)


def test_what_is_not_to_go_along_goes_along_in_no_kind_of_file(tell: Tell, shot: Path, tmp_path: Path) -> None:
    """Whoever takes the place and the camera out of a JPEG, and then calls it .png, means the PNG too."""

    async def story(desk: Desk) -> None:
        session = await desk.open(shot)
        noticed: list[Notice] = []
        session.noticed.connect(noticed.append)
        await desk.do("file.export")
        dialog = await desk.export_dialog()
        await press(dialog, "JPEG")
        await press(dialog, export_dialog.KEEP)
        await press(dialog, "WebP")
        assert not dialog.keep.isChecked()
        await desk.go_on_exporting()
        await desk.choose_file(tmp_path / "bare.png")
        await until(lambda: noticed)
        bare = read_image(tmp_path / "bare.png").metadata
        assert (bare.exif, bare.comment) == (None, "")

    tell(story)


def test_what_goes_wrong_inside_is_said_in_place_of_the_size(
    tell: Tell, shot: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def encode(*_: object, **__: object) -> None:
        raise ValueError("encoder returned nothing")

    monkeypatch.setattr(export_dialog, "encode", encode)

    async def story(desk: Desk) -> None:
        await desk.open(shot)
        await desk.do("file.export")
        dialog = await desk.export_dialog()
        assert await known(dialog) == "It cannot be written so."
        assert "went wrong" in dialog.notes.text()
        await press(dialog, "Cancel")

    tell(story)
    assert "encoder returned nothing" in caplog.text
    caplog.clear()


def test_a_size_that_a_kind_cannot_have_cannot_be_exported(tell: Tell, shot: Path) -> None:
    async def story(desk: Desk) -> None:
        await desk.open(shot)
        await desk.do("file.export")
        dialog = await desk.export_dialog()
        await press(dialog, "WebP")
        await press(dialog, "Longest side")
        await type_into(dialog.longest, "16384")
        await until(dialog.notes.isVisible)
        assert "at most 16383 pixels" in dialog.notes.text()
        assert not dialog.go_on.isEnabled()
        await press(dialog, "Full size")
        assert dialog.go_on.isEnabled()
        await press(dialog, "Cancel")

    tell(story)


def test_outdated_work_is_stopped_and_the_window_goes_on(
    tell: Tell, shot: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[int] = []
    ended: list[int] = []

    def slow(pixels: Any, metadata: Any, kind: str, options: ExportOptions, *, stopped: Callable[[], bool]) -> Any:
        """As long as anybody wants it, for one quality."""
        asked.append(options.quality)
        if options.quality == 11:
            for _ in range(2000):
                if stopped():
                    ended.append(options.quality)
                    raise Stopped
                threading.Event().wait(0.005)
        return encode(pixels, metadata, kind, options, stopped=stopped)

    monkeypatch.setattr(export_dialog, "encode", slow)

    async def story(desk: Desk) -> None:
        await desk.open(shot)
        await desk.do("file.export")
        dialog = await desk.export_dialog()
        await known(dialog)
        await type_into(dialog.quality, "11")
        await until(lambda: 11 in asked)
        assert dialog.length.text() == export_dialog.WORKING
        await type_into(dialog.quality, "12")
        await known(dialog)
        assert ended == [11]
        await type_into(dialog.quality, "11")
        await until(lambda: asked[-1] == 11)
        estimator = dialog.estimator
        await press(dialog, "Cancel")
        await until(lambda: not estimator.busy)
        assert ended == [11, 11]

    tell(story)


@pytest.mark.parametrize(
    ("length", "words"),
    [(812, "about 812 bytes"), (48_400, "about 48 KB"), (2_140_000, "about 2.1 MB"), (312e6, "about 312 MB")],
)
def test_sizes_are_said_as_people_say_them(length: int, words: str) -> None:
    assert about(length) == words


def test_preferences_that_make_no_sense_do_not_count(tmp_path: Path) -> None:
    path = tmp_path / "settings.json"
    path.write_text(
        '{"export_kind": "GIF", "exports": {"JPEG": {"quality": 0, "chroma": "half"}, "GIF": {}, "PNG": 3}}'
    )
    values = Settings(path).values
    assert values.export_kind == ""
    assert set(values.exports) == {"JPEG", "PNG"}
    assert (values.exports["JPEG"]["quality"], values.exports["JPEG"]["chroma"]) == (92, "half")


def test_the_command_line_has_the_same_choices(shot: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    region = tmp_path / "region.png"
    grey = np.zeros((427, 640), np.uint8)
    grey[100:130, 100:130] = 255
    Image.fromarray(grey).save(region)
    call = ["edit", str(shot), str(region)]
    assert main([*call, str(tmp_path / "large.jpg"), "--seed", "1"]) == 0
    small = [str(tmp_path / "small.jpg"), "--seed", "1", "--quality", "50", "--chroma", "quarter"]
    assert main([*call, *small, "--percent", "25", "--drop-information"]) == 0
    large, little = read_image(tmp_path / "large.jpg"), read_image(tmp_path / "small.jpg")
    assert large.metadata.comment == "In the garden"
    assert large.metadata.exif is not None
    assert little.pixels.shape == (107, 160, 4)
    assert (little.metadata.comment, little.metadata.exif) == ("", None)
    for wrong in (["--quality", "0"], ["--compression", "10"], ["--percent", "5", "--longest-side", "9"]):
        with pytest.raises(SystemExit) as caught:
            main([*call, str(tmp_path / "x.jpg"), *wrong])
        assert caught.value.code == 2
    capsys.readouterr()
