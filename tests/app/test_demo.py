"""The demonstration runs to its end without a display, and writes what it promises."""

from __future__ import annotations

import os
import subprocess
import sys
from itertools import pairwise
from pathlib import Path

from app.documents import read_document
from editor.io.images import read_image


def test_it_plays_to_its_end_and_writes_its_files(tmp_path: Path) -> None:
    output = tmp_path / "results"
    surroundings = {
        **os.environ,
        "QT_QPA_PLATFORM": "offscreen",
        "HOME": str(tmp_path),
        "XDG_CONFIG_HOME": str(tmp_path),
    }
    command = [sys.executable, "-m", "app", "demo", "--output", str(output), "--close"]
    run = subprocess.run(command, capture_output=True, text=True, timeout=120, check=False, env=surroundings)
    assert run.returncode == 0, run.stderr
    assert run.stderr == ""
    assert str(output) in run.stdout
    pictures = sorted(output.glob("[0-9] *.png"))
    assert len(pictures) == 4
    assert {path.name for path in output.iterdir()} == {
        *(path.name for path in pictures),
        "flower.palimpsest",
        "window.png",
    }
    steps = [read_image(path).pixels.astype(int) for path in pictures]
    for before, after in pairwise(steps):
        share = float((before != after).any(axis=-1).mean())
        assert 0.01 < share < 0.7
    document, _ = read_document(output / "flower.palimpsest")
    actions = [layer.recipe.action for layer in document.layers if layer.recipe is not None]
    assert sorted(actions) == ["blend", "move", "remove"]
    assert read_image(output / "window.png").pixels.shape == (768, 1366, 4)
