"""Finding CLIP models by their files."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path

import pytest

from editor.models.inspect import inspect
from editor.models.library import Library
from editor.models.rankers import HALVES, inspect_ranker, ranker_for, ranker_of, rankers
from resources import bundled_models
from tests.support.model_files import diffusers_folder, weights_file

CONFIG = {"model_type": "clip", "text_config": {}, "vision_config": {}}
ARRAYS = {"logit_scale": (), "text_projection.weight": (8, 4), "visual_projection.weight": (8, 6)}


def clip(
    folder: Path, config: Mapping[str, object] = CONFIG, weights: str = "model.safetensors", words: bool = True
) -> Path:
    weights_file(folder / weights, ARRAYS)
    (folder / "config.json").write_text(json.dumps(config))
    if words:
        (folder / "tokenizer.json").write_text("{}")
    return folder


def library(*folders: Path, cache: Path | None = None, ranker: Path | None = None) -> Library:
    return Library(folders, cache=cache or Path("/nowhere"), ranker=ranker)


def test_a_folder_tells_how_large_it_is(tmp_path: Path) -> None:
    found = inspect_ranker(clip(tmp_path / "openai" / "clip"))
    assert found.usable
    assert (found.name, found.parameters, found.variant) == ("clip", 1 + 32 + 48, "")
    assert found.key == str(tmp_path / "openai" / "clip")
    half = inspect_ranker(clip(tmp_path / "half", weights="model.fp16.safetensors"))
    assert (half.usable, half.variant) == (True, "fp16")


@pytest.mark.parametrize(
    "config",
    [
        {"model_type": "clip_text_model", "text_config": {}, "vision_config": {}},
        {"model_type": "clip", "text_config": {}},
        {"model_type": "clip", "text_config": {}, "vision_config": None},
        {},
    ],
)
def test_half_a_clip_is_none(tmp_path: Path, config: dict[str, object]) -> None:
    found = inspect_ranker(clip(tmp_path / "half", config))
    assert "both its halves" in found.problem
    assert found.advice
    assert rankers(library(tmp_path)) == ()


def test_pickles_and_what_is_incomplete_are_listed_with_a_reason(tmp_path: Path) -> None:
    pickled = clip(tmp_path / "pickled")
    (pickled / "model.safetensors").rename(pickled / "pytorch_model.bin")
    wordless = clip(tmp_path / "wordless", words=False)
    cut = clip(tmp_path / "cut")
    (cut / "model.safetensors").write_bytes((cut / "model.safetensors").read_bytes()[:-1])
    poor = clip(tmp_path / "poor")
    weights_file(poor / "model.safetensors", {name: ARRAYS[name] for name in HALVES[:2]})
    clip(tmp_path / "zero")
    found = rankers(library(tmp_path))
    assert [each.name for each in found] == ["zero", "cut", "pickled", "poor", "wordless"]
    assert [each.usable for each in found] == [True, False, False, False, False]
    assert all(each.advice for each in found[1:])
    assert "pickle" in found[2].problem
    assert "word list" in inspect_ranker(wordless).problem
    assert not inspect_ranker(tmp_path / "gone").usable


def test_they_are_found_in_folders_and_in_the_cache_but_not_inside_painting_models(tmp_path: Path) -> None:
    shelf, cache = tmp_path / "shelf", tmp_path / "hub"
    clip(shelf / "laion" / "CLIP-ViT-B-32")
    painter = diffusers_folder(shelf / "painter")
    clip(painter / "safety_checker")
    clip(painter / "text_encoder", {"model_type": "clip_text_model"})
    clip(shelf / ".hidden" / "clip")
    clip(cache / "models--openai--clip-vit-large-patch14" / "snapshots" / ("a" * 40))
    clip(cache / "datasets--x--y" / "snapshots" / ("b" * 40))
    found = rankers(library(shelf, cache=cache))
    assert [each.name for each in found] == ["CLIP-ViT-B-32", "clip-vit-large-patch14"]


def test_the_persons_choice_goes_first_as_long_as_it_can_be_used(tmp_path: Path) -> None:
    first, other = clip(tmp_path / "shelf" / "a"), clip(tmp_path / "elsewhere" / "b")
    plain, chosen = library(tmp_path / "shelf"), library(tmp_path / "shelf", ranker=other)
    assert [ranker.name for ranker in rankers(chosen)] == ["a", "b"]
    assert ranker_of(plain, rankers(plain)) == inspect_ranker(first)
    assert ranker_of(chosen, rankers(chosen)) == inspect_ranker(other)
    (other / "model.safetensors").unlink()
    assert ranker_of(chosen, rankers(chosen)) == inspect_ranker(first)
    empty = library(tmp_path / "none")
    assert ranker_of(empty, rankers(empty)) is None


def test_the_practice_model_is_ranked_by_what_lies_beside_it(tmp_path: Path) -> None:
    (path,) = bundled_models()
    practice = inspect(path)
    clip(tmp_path / "a")
    found = ranker_for(library(tmp_path), practice)
    assert found is not None
    assert (found.path, found.usable) == (path.with_name("practice-clip"), True)
    other = inspect(diffusers_folder(tmp_path / "painter"))
    assert ranker_for(library(tmp_path), other) == inspect_ranker(tmp_path / "a")
    assert ranker_for(library(tmp_path / "painter"), other) is None
    assert rankers(library(path)) == ()  # real pictures are not for it
