"""A model family added from outside, through the table that is passed: listed, loaded from a folder, and used by the engine and the command line."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from PySide6.QtCore import QStandardPaths

from app.cli import edit
from editor.diffusion.families.base import Families
from editor.diffusion.families.registry import FAMILIES
from editor.engine import Engine
from editor.errors import ModelUnavailable
from editor.execution import EXECUTIONS
from editor.io.images import read_image
from editor.methods.registry import METHODS
from editor.models.inspect import inspect
from editor.models.library import Library
from editor.requests.edit_request import AssessRequest
from editor.requests.reports import outcome_of
from tests.support.pixels_cases import SIDE, ask
from tests.support.toy_family import ToyFamily, toy_model

COLOUR = (200, 40, 90)
WITH_TOYS = Families((*FAMILIES, ToyFamily()))
pytestmark = pytest.mark.filterwarnings("ignore:__array__ implementation:DeprecationWarning")


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return toy_model(tmp_path / "models" / "crimson", COLOUR)


def library(folder: Path) -> Library:
    return Library((folder.parent,), cache=folder / "none", families=WITH_TOYS)


def test_a_library_that_is_told_of_the_family_lists_its_models(folder: Path) -> None:
    (info,) = library(folder).models()
    assert info.usable, info.problem
    assert (info.name, info.family.name, info.native, info.cell, info.prediction) == ("crimson", "toy", 64, 4, "sample")
    assert [part.name for part in info.parts] == ["mixer", "mosaic"]
    (stranger,) = Library((folder.parent,), cache=folder / "none").models()
    assert stranger.problem.startswith("“crimson” is a Toy model; Palimpsest can use")
    assert "toys" in WITH_TOYS.words


def test_its_settings_are_no_better_trusted(folder: Path) -> None:
    file = folder / "mixer" / "config.json"
    sound = json.loads(file.read_text())
    file.write_text(json.dumps(sound | {"channels": 10**9}))
    assert "“config.json” is out of range in “channels”" in inspect(folder, families=WITH_TOYS).problem
    file.write_text(json.dumps(sound | {"auto_map": {"AutoModel": "code.Model"}, "quantization_config": {}}))
    assert inspect(folder, families=WITH_TOYS).usable
    (folder / "mosaic" / "config.json").write_text(json.dumps({"cell": 8}))
    assert inspect(folder, families=WITH_TOYS).problem == "“crimson” has squares of another size."


def test_the_engine_runs_an_edit_with_it(folder: Path) -> None:
    strength = np.zeros(SIDE.shape, np.float32)
    strength[16:48, 32:96] = 1
    request = ask(strength, model=str(folder), guidance_scale=1.0)
    engine = Engine(lambda: library(folder))
    assert outcome_of(engine.run(AssessRequest(str(folder), SIDE))).fits
    result = outcome_of(engine.run(request))
    inner = result.pixels[20:44, 36:92, :3].astype(int)
    assert np.abs(inner - COLOUR).max() <= 1
    with pytest.raises(ModelUnavailable, match="is a Toy model"):
        outcome_of(Engine(lambda: Library((folder.parent,), cache=folder / "none")).run(request))


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setattr(QStandardPaths, "writableLocation", lambda _kind: str(tmp_path))
    return tmp_path


def test_the_command_line_runs_an_edit_with_it(
    folder: Path, home: Path, capsys: pytest.CaptureFixture[str], grey: Callable[[str, int], Path]
) -> None:
    picture, strength = grey("picture.png", 90), home / "strength.png"
    white = np.zeros((64, 128), np.uint8)
    white[16:48, 32:96] = 255
    Image.fromarray(white).save(strength)
    words = [str(picture), str(strength), str(home / "out.png"), "--model", "crimson", "--strength", "1"]
    words += ["--seed", "1", "--set", "match_tone=off", "--set", "feather=0"]
    assert edit(words, METHODS, EXECUTIONS, WITH_TOYS) == 0, capsys.readouterr().err
    pixels = read_image(home / "out.png").pixels[..., :3].astype(int)
    assert np.abs(pixels[20:44, 36:92] - COLOUR).max() <= 1
    assert (pixels[white == 0] == 90).all()
    assert edit(words, METHODS, EXECUTIONS) == 1
    assert "is a Toy model" in capsys.readouterr().err


@pytest.fixture
def grey(tmp_path: Path) -> Callable[[str, int], Path]:
    def write(name: str, value: int) -> Path:
        Image.fromarray(np.full((64, 128, 3), value, np.uint8)).save(tmp_path / name)
        return tmp_path / name

    return write
