"""Folders of learned segmenters: known ones are found, others are refused with a sentence."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from safetensors.numpy import save_file

from editor.models.segmenters import MEAN, SEGMENTERS, STD, colours, inspect_segmenter


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A folder that says it is SAM, with something for weights."""
    save_file({"shared_image_embedding": np.zeros((2, 3), np.float32)}, tmp_path / "model.safetensors")
    _settings(tmp_path, model_type="sam")
    return tmp_path


def _settings(folder: Path, **values: object) -> None:
    (folder / "config.json").write_text(json.dumps(values), "utf-8")


@pytest.mark.parametrize(
    ("model_type", "network"), [("sam", "SamModel"), ("sam2", "Sam2Model"), ("sam2_video", "Sam2Model")]
)
def test_a_folder_is_known_by_what_its_settings_call_it(folder: Path, model_type: str, network: str) -> None:
    _settings(folder, model_type=model_type)
    info = inspect_segmenter(folder)
    assert info.usable
    assert info.parameters == 6
    assert info.family is not None
    assert info.family.network == network


@pytest.mark.parametrize("settings", [{}, {"model_type": "clip"}, {"model_type": 3}, {"model_type": ["sam"]}])
def test_other_folders_are_refused_with_what_is_known(folder: Path, settings: dict[str, object]) -> None:
    _settings(folder, **settings)
    info = inspect_segmenter(folder)
    assert "no segmenter" in info.problem
    assert all(family.label in info.advice for family in SEGMENTERS)


def test_a_table_can_be_passed(folder: Path) -> None:
    assert not inspect_segmenter(folder, SEGMENTERS[1:]).usable


def test_pickles_are_refused(folder: Path) -> None:
    (folder / "model.safetensors").unlink()
    (folder / "pytorch_model.bin").write_bytes(b"\x80\x04.")
    info = inspect_segmenter(folder)
    assert not info.usable
    assert "safetensors version" in info.advice


@pytest.mark.parametrize(
    ("group", "values", "name"),
    [
        ("vision_config", {"hidden_size": 10**9}, "hidden_size"),
        ("vision_config", {"patch_size": 1}, "patch_size"),
        ("vision_config", {"image_size": 1000, "patch_size": 16}, "patch_size"),
        ("mask_decoder_config", {"num_multimask_outputs": 10**6}, "num_multimask_outputs"),
        ("prompt_encoder_config", [], "prompt_encoder_config"),
    ],
)
def test_settings_out_of_range_are_refused(folder: Path, group: str, values: object, name: str) -> None:
    _settings(folder, model_type="sam", **{group: values})
    info = inspect_segmenter(folder)
    assert not info.usable
    assert f"“{name}”" in info.problem


def test_a_group_of_another_kind_is_refused(folder: Path) -> None:
    _settings(folder, model_type="sam2", vision_config={"backbone_config": {"model_type": "timm_wrapper"}})
    assert "another kind of network" in inspect_segmenter(folder).problem


def test_colours_are_as_the_folder_says_or_as_usual(folder: Path) -> None:
    assert colours(folder) == (MEAN, STD)
    file = folder / "preprocessor_config.json"
    file.write_text(json.dumps({"image_mean": [0.5, 0.4, 0.3], "image_std": [0, 1, 1]}), "utf-8")
    assert colours(folder) == ((0.5, 0.4, 0.3), STD)
