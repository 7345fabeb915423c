"""One edit from files to a file, without a window."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import cv2
import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image

import resources
from app.batch import edit_file, parse_settings
from editor.errors import EditorError, InvalidRequest, UnreadableFile, UnwritableFile
from editor.io.images import read_image
from editor.methods.quick_fill.settings import QuickFillSettings

Pixels = NDArray[np.uint8]


@pytest.fixture
def photo(tmp_path: Path) -> Path:
    """A real photo, made small."""
    with resources.photo("flower.jpg") as path:
        pixels = np.asarray(Image.open(path).resize((240, 160)))
    Image.fromarray(pixels).save(tmp_path / "photo.png")
    return tmp_path / "photo.png"


def painted(folder: Path, size: tuple[int, int] = (240, 160), value: int = 255) -> Path:
    """A strength picture with a soft disc."""
    map = np.zeros((size[1], size[0]), np.uint8)
    cv2.circle(map, (180, 110), 14, value, -1, cv2.LINE_AA)
    Image.fromarray(map).save(folder / "strength.png")
    return folder / "strength.png"


def pixels_of(path: Path) -> Pixels:
    return read_image(path).pixels


def test_what_is_white_changes_and_what_is_black_stays(photo: Path, tmp_path: Path) -> None:
    strength, output = painted(tmp_path), tmp_path / "out.png"
    assert edit_file(photo, strength, output, seed=1, settings=["fill=smooth"]) == ()
    before, after = pixels_of(photo), pixels_of(output)
    differs = (before != after).any(axis=-1)
    map = pixels_of(strength)[..., 0]
    assert differs[map == 255].mean() > 0.9
    assert not differs[map == 0].any()


def test_the_same_seed_gives_the_same_bytes(photo: Path, tmp_path: Path) -> None:
    strength = painted(tmp_path)
    for name, seed in (("a.png", 1), ("b.png", 1), ("c.png", 2)):
        edit_file(photo, strength, tmp_path / name, seed=seed, settings=["fill=texture"])
    a, b, c = ((tmp_path / name).read_bytes() for name in ("a.png", "b.png", "c.png"))
    assert a == b
    assert a != c


def test_half_strength_lets_in_half(photo: Path, tmp_path: Path) -> None:
    whole, half = tmp_path / "whole.png", tmp_path / "half.png"
    edit_file(photo, painted(tmp_path), whole, seed=1, settings=["fill=smooth"])
    edit_file(photo, painted(tmp_path, value=128), half, seed=1, settings=["fill=smooth"])
    before, full, part = (pixels_of(path)[110, 180, :3].astype(float) for path in (photo, whole, half))
    assert part == pytest.approx((before + full) / 2, abs=3)


@pytest.mark.parametrize(("value", "percent"), [(1, "0.39"), (8, "3.1")])
def test_a_mask_that_is_hardly_above_black_is_said_to_be(photo: Path, tmp_path: Path, value: int, percent: str) -> None:
    notes = edit_file(photo, painted(tmp_path, value=value), tmp_path / "out.png", seed=1, settings=["fill=smooth"])
    assert notes == (
        f"At most {percent}\u202f% may change, so hardly anything will be seen. Paint stronger, or raise the overall strength.",
    )


def test_a_result_that_is_no_other_than_the_picture_is_said_to_be(tmp_path: Path) -> None:
    Image.new("RGB", (240, 160), (90, 120, 60)).save(tmp_path / "plain.png")
    notes = edit_file(tmp_path / "plain.png", painted(tmp_path), tmp_path / "out.png", seed=1, settings=["fill=smooth"])
    assert notes == ("The result looks just like the picture. Raise the strength, or change more of it.",)
    assert np.array_equal(pixels_of(tmp_path / "plain.png"), pixels_of(tmp_path / "out.png"))


def test_notes_are_handed_on(photo: Path, tmp_path: Path) -> None:
    pixels = pixels_of(photo).copy()
    pixels[:20, :20, 3] = 0
    Image.fromarray(pixels).save(photo)
    notes = edit_file(photo, painted(tmp_path), tmp_path / "out.jpg", seed=1, settings=["fill=smooth"])
    assert notes == ("JPEG knows no transparency; the picture was laid on white.",)


def test_what_is_missing_in_a_strength_picture_is_handed_on_with_its_name(photo: Path, tmp_path: Path) -> None:
    strength = tmp_path / "strength.jpg"
    Image.open(painted(tmp_path)).save(strength, quality=95)
    whole = strength.read_bytes()
    strength.write_bytes(whole[: -len(whole) // 20] + b"\xff\xd9")
    (note,) = edit_file(photo, strength, tmp_path / "out.png", seed=1, settings=["fill=smooth"])
    assert note.startswith("strength.jpg: Only the first ")


@pytest.mark.parametrize(
    ("setting", "says"),
    [
        ("colour=red", "no setting “colour”"),
        ("fill", "must be one of"),
        ("fill=marvellous", "must be one of"),
        ("grow=much", "does not fit"),
        ("grow=1.5", "does not fit"),
        ("grow=100000", "between 0 and 200"),
        ("fill_transparent=maybe", "“maybe” does not fit the setting “fill_transparent”"),
        ("match_tone=nan", "between 0 and 1"),
        ("match_tone=-0.1", "between 0 and 1"),
        ("=1", "no setting"),
    ],
)
def test_a_wrong_setting_is_named(photo: Path, tmp_path: Path, setting: str, says: str) -> None:
    with pytest.raises(InvalidRequest, match=says):
        edit_file(photo, painted(tmp_path), tmp_path / "out.png", seed=1, settings=[setting])
    assert not (tmp_path / "out.png").exists()


def test_what_a_setting_takes_is_said_in_plain_words() -> None:
    for setting, takes in (("fill_transparent=maybe", "yes or no"), ("grow=1.5", "a whole number")):
        with pytest.raises(InvalidRequest) as refused:
            parse_settings(QuickFillSettings, [setting])
        assert refused.value.advice == f"It takes {takes}."


def test_settings_arrive_in_their_types() -> None:
    found = parse_settings(QuickFillSettings, ["grow=3", "match_tone=0.5", "seam=hard"])
    assert found == {"grow": 3, "match_tone": 0.5, "seam": "hard"}


def test_both_pictures_must_have_one_size(photo: Path, tmp_path: Path) -> None:
    with pytest.raises(InvalidRequest, match="200 × 160 pixels, the picture 240 × 160"):
        edit_file(photo, painted(tmp_path, (200, 160)), tmp_path / "out.png", seed=1, settings=[])


def test_nothing_painted_is_nothing_to_do(photo: Path, tmp_path: Path) -> None:
    strength, output = painted(tmp_path, value=0), tmp_path / "out.png"
    with pytest.raises(InvalidRequest, match=r"“strength\.png” is black everywhere, so nothing may change"):
        edit_file(photo, strength, output, seed=1, settings=[])
    Image.fromarray(np.full((160, 240), 255, np.uint8)).save(strength)
    with pytest.raises(InvalidRequest, match="white everywhere, so nothing may change") as refused:
        edit_file(photo, strength, output, seed=1, settings=[], white_keeps=True)
    assert "leave out --white-keeps" in refused.value.advice
    with pytest.raises(InvalidRequest, match="Nothing says what is to change") as refused:
        edit_file(photo, None, output, seed=1, settings=[])
    assert refused.value.advice == "Give a strength picture, or a reference picture."


@pytest.mark.parametrize("seed", [-1, 2**63])
def test_a_seed_that_is_none(photo: Path, tmp_path: Path, seed: int) -> None:
    with pytest.raises(InvalidRequest, match="seed"):
        edit_file(photo, painted(tmp_path), tmp_path / "out.png", seed=seed, settings=[])


def test_files_that_cannot_be_read_or_written(photo: Path, tmp_path: Path) -> None:
    strength = painted(tmp_path)
    cases: list[tuple[Path, Path, Path, type[EditorError]]] = [
        (tmp_path / "none.png", strength, tmp_path / "out.png", UnreadableFile),
        (photo, tmp_path / "none.png", tmp_path / "out.png", UnreadableFile),
        (photo, strength, tmp_path / "none" / "out.png", UnwritableFile),
    ]
    for picture, map, output, expected in cases:
        with pytest.raises(expected):
            edit_file(picture, map, output, seed=1, settings=["fill=smooth"])


def test_an_unknown_kind_of_file_is_refused_before_the_work(tmp_path: Path) -> None:
    with pytest.raises(UnwritableFile, match="what kind of picture"):
        edit_file(tmp_path / "none.png", tmp_path / "none.png", tmp_path / "out.gif", seed=1, settings=[])


def test_it_runs_as_a_command_and_never_starts_qt_or_torch(photo: Path, tmp_path: Path) -> None:
    strength, output = painted(tmp_path), tmp_path / "out.png"
    script = (
        "import sys; from app.cli import main; status = main(sys.argv[1:]);"
        "loaded = {'PySide6.QtWidgets', 'torch'} & set(sys.modules); sys.exit(status or len(loaded))"
    )
    command = [sys.executable, "-c", script, "edit", str(photo), str(strength), str(output)]
    run = subprocess.run([*command, "--seed", "1", "--set", "fill=smooth"], capture_output=True, text=True, check=False)
    assert (run.returncode, run.stdout, run.stderr) == (0, "", "")
    assert output.is_file()
