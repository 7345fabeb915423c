"""Source, exemplar and map as the published PIXELS has them: brought in by the window or the command line, they ask for the same."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image
from pytestqt.qtbot import QtBot

from app import batch
from app.cli import main
from editor.document.document import Document
from editor.edits.dispatch import make_request
from editor.geometry import Point
from editor.io.images import Picture, read_image
from editor.methods.pixels.settings import PixelsSettings
from editor.models.info import ModelInfo
from editor.models.library import Library
from editor.requests.edit_request import EditRequest
from editor.requests.variants import VariantsRequest
from tests.support.change_map_cases import MODEL
from tests.support.stub_worker import StubWorker
from widgets.canvas.drop_choices import take
from widgets.session import commands
from widgets.session.session import Session

SIZE = 96, 64


@pytest.fixture
def files(tmp_path: Path) -> tuple[Path, Path, Path]:
    """Source, exemplar, and a map in which white keeps, with the noise of a JPEG in its black."""
    random = np.random.default_rng(4)
    paths = tmp_path / "source.png", tmp_path / "exemplar.png", tmp_path / "map.png"
    keep = np.full(SIZE[::-1], 255, np.uint8)
    keep[8:56, 8:88] = 102
    keep[16:48, 24:72] = random.integers(0, 4, (32, 48))
    pictures = (*(random.integers(0, 256, (*SIZE[::-1], 3)).astype(np.uint8) for _ in range(2)), keep)
    for path, pixels in zip(paths, pictures, strict=True):
        Image.fromarray(pixels).save(path)
    return paths


def by_window(session: Session, exemplar: Picture, map: Picture, *, as_layer: bool) -> EditRequest:
    at, visible = Point(30, 20), session.document.rect
    take(session, "exemplar", exemplar, at, visible)
    commands.lay_over_all(session, session.document.exemplars[0].id)
    if as_layer:
        take(session, "layer", map, at, visible)
        layer = session.document.layers[-1].id
        commands.strength_from_keep_map(session, layer)
        commands.delete_layer(session, layer)
    else:
        take(session, "keep", map, at, visible)
    session.set_draft(settings=PixelsSettings(), model=MODEL, seed=5, strength=0.45, prompt="a boat", exemplar=None)
    return make_request(session.document, session.draft)


def by_command_line(monkeypatch: pytest.MonkeyPatch, files: tuple[Path, Path, Path], output: Path) -> EditRequest:
    asked: list[VariantsRequest] = []

    def caught(request: VariantsRequest, *_: Any) -> batch.Outcome:
        asked.append(request)
        return batch.Outcome([])

    def named(library: Library, name: str) -> ModelInfo:
        return replace(MODEL, name=name)

    monkeypatch.setattr(batch, "drive", caught)
    monkeypatch.setattr(batch, "_named", named)
    source, exemplar, map = (str(file) for file in files)
    told = ["--model", "Small", "--exemplar", exemplar, "--prompt", "a boat", "--strength", "0.45", "--seed", "5"]
    assert main(["edit", source, map, str(output), "--white-keeps", *told]) == 0
    return asked[0].variants[0].request


def test_both_ways_ask_for_the_same(
    files: tuple[Path, Path, Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch, qtbot: QtBot
) -> None:
    source, exemplar, keep = map(read_image, files)
    line = by_command_line(monkeypatch, files, tmp_path / "out.png")
    for as_layer in (False, True):
        session = Session(Document.of_picture(source.pixels), StubWorker())
        window = by_window(session, exemplar, keep, as_layer=as_layer)
        for name in ("image", "strength"):
            assert np.array_equal(getattr(window, name), getattr(line, name)), name
        (one,), (other,) = window.exemplars, line.exemplars
        for name in ("pixels", "alpha", "strength", "fidelity", "rim"):
            assert np.array_equal(getattr(one, name), getattr(other, name)), name
        for name in ("frame", "settings", "seed", "action", "prompt", "overall", "steps", "guidance_scale", "revision"):
            assert getattr(window, name) == getattr(line, name), name
    grey = np.asarray(Image.open(files[2]), np.float32)[line.frame.rect.slices]
    assert np.allclose(line.strength, 0.45 * (1 - grey / 255))
    assert np.array_equal(line.exemplars[0].alpha, (grey < 4).astype(np.float32))
    assert not line.exemplars[0].fidelity.any()


def test_how_white_is_read_needs_a_map(files: tuple[Path, Path, Path], capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        main(["edit", str(files[0]), "-", "out.png", "--white-keeps"])
    assert "none is given" in capsys.readouterr().err
