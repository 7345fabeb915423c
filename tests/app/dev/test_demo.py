"""The demonstration runs to its end without a display, and writes what it promises."""

from __future__ import annotations

import os
import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path

import numpy as np
import pytest
from PySide6.QtWidgets import QApplication

import resources
from app.dev.demo.edits import FAILURE, PHOTOS, PRACTICE
from app.dev.demo.hands import lasso, together
from app.dev.demo.sheets import MARK, Panel, Sheet, marked, write_sheet
from app.documents import read_document
from editor.document.document import Document
from editor.io.images import read_image

LONGER = 1024  # pixels


def test_it_plays_to_its_end_and_writes_its_files(tmp_path: Path) -> None:
    output = tmp_path / "results"
    surroundings = {
        **os.environ,
        "QT_QPA_PLATFORM": "offscreen",
        "HOME": str(tmp_path),
        "XDG_CONFIG_HOME": str(tmp_path),
    }
    command = [sys.executable, "-m", "app", "demo", "--output", str(output), "--close"]
    run = subprocess.run(command, capture_output=True, text=True, timeout=600, check=False, env=surroundings)
    assert run.returncode == 0, run.stderr
    assert run.stderr == ""
    edits = (*PHOTOS, *(PRACTICE if find_spec("torch") else ()), FAILURE)
    sheets = [f"{number} {edit.name}.jpg" for number, edit in enumerate(edits, 1)]
    names = [*sheets, "demo.palimpsest", "window.png"]
    assert sorted(path.name for path in output.iterdir()) == sorted(names)
    assert [line.strip() for line in run.stdout.splitlines()[-len(names) :]] == names
    assert str(output) in run.stdout
    for name in sheets:
        sheet = read_image(output / name).pixels[..., :3].astype(int)
        panels = 4 if "live" in name else 3
        width = sheet.shape[1] // panels
        assert max(width, sheet.shape[0]) >= LONGER
        original, mark, result = (sheet[:, at * width : (at + 1) * width] for at in (0, 1, panels - 1))
        pink = (np.abs(mark - MARK).max(axis=-1) < 40).mean()
        assert pink > (np.abs(original - MARK).max(axis=-1) < 40).mean() + 0.0005, "nothing is marked"
        assert 0.001 < (np.abs(original - result).max(axis=-1) > 40).mean() < 0.7
    document, _ = read_document(output / "demo.palimpsest")
    assert [layer.recipe.action for layer in document.layers if layer.recipe is not None] == ["blend"]
    assert read_image(output / "window.png").pixels.shape == (768, 1366, 4)


def test_a_sheet_is_as_large_as_its_panels(qapp: QApplication, tmp_path: Path) -> None:
    blue = np.full((40, 64, 3), (0, 0, 200), np.uint8)
    write_sheet(tmp_path / "small.jpg", Sheet("A title", [Panel(blue, "one"), Panel(blue, "two")]))
    sheet = read_image(tmp_path / "small.jpg").pixels
    shades = np.abs(sheet[..., :3].astype(int) - (0, 0, 200)).max(axis=-1) < 10
    assert shades.any(axis=0).sum() == pytest.approx(2 * LONGER, abs=4)
    assert shades.any(axis=1).sum() == pytest.approx(640, abs=4)


def test_marks_show_what_was_marked() -> None:
    document = Document.of_picture(np.full((100, 100, 4), 255, np.uint8))
    left = lasso(document, [(10, 10), (40, 10), (40, 90), (10, 90)])
    right = lasso(document, [(60, 10), (90, 10), (90, 90), (60, 90)])
    picture = np.zeros((100, 100, 3), np.uint8)
    drawn = marked(picture, together(left, right))
    assert (drawn[50, [25, 75]] == np.rint(np.array(MARK) / 2)).all()
    assert not drawn[50, [2, 50, 97]].any()


@pytest.mark.parametrize("name", sorted(path.name for path in Path(resources.__file__).parent.glob("photos/*.[jp]*g")))
def test_every_photo_is_credited(name: str) -> None:
    with resources.photo("CREDITS.md") as path:
        rows = [line for line in path.read_text(encoding="utf-8").splitlines() if line.startswith(f"| {name} |")]
    assert len(rows) == 1
    assert any(licence in rows[0] for licence in ("CC0", "CC BY ", "public domain"))
