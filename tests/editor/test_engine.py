"""The front door of the model half, where what stands behind it is not installed."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from editor.engine import Engine
from editor.errors import ModelUnavailable
from editor.geometry import Size
from editor.models.device import INSTALL, installed
from editor.models.library import Library
from editor.requests.edit_request import AssessRequest
from tests.support.model_files import diffusers_folder


def test_without_the_part_for_models_it_says_what_to_install(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    model = diffusers_folder(tmp_path / "model")
    monkeypatch.delitem(sys.modules, "editor.diffusion.model_cache", raising=False)
    monkeypatch.setitem(sys.modules, "torch", None)  # importing it fails
    engine = Engine(lambda: Library((tmp_path,), cache=tmp_path / "none"))
    with pytest.raises(ModelUnavailable) as raised:
        list(engine.run(AssessRequest(str(model), Size(64, 64))))
    assert raised.value.advice == INSTALL


def test_it_looks_for_every_library(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("editor.models.device.find_spec", lambda name: None if name == "diffusers" else object())
    assert not installed()
