"""Ranking by CLIP: the two looks, words that are too long, folders of all kinds, and the engine that asks for it."""

from __future__ import annotations

import json
import logging
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
import transformers
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image
from torch.nn import functional

from app.dev.bench.truth_cases import Case, replacement
from app.dev.practice.world import World
from editor.diffusion.device import this_device
from editor.diffusion.memory import estimate
from editor.diffusion.model_cache import ModelCache
from editor.diffusion.ranking import (
    DIMMED,
    MEAN,
    STD,
    ClipPreprocess,
    ClipScorer,
    Map,
    Pixels,
    Ranking,
    marked,
    needed,
    pasted,
    shortened,
    square_around,
)
from editor.engine import Engine
from editor.errors import ModelUnavailable, OutOfMemory
from editor.geometry import Rect, Size
from editor.methods.blended_latent_diffusion.settings import BlendedSettings
from editor.methods.pixels.settings import PixelsSettings
from editor.models.device import Device
from editor.models.inspect import inspect
from editor.models.library import Library
from editor.models.memory import Plan
from editor.models.rankers import inspect_ranker
from editor.requests.edit_request import EditRequest
from editor.requests.frame import Frame
from editor.requests.reports import FinishEarly, Progress, Report, ResultReady, Scored
from editor.requests.results import EditResult, Match, Recipe
from editor.requests.variants import VariantsRequest
from resources import bundled_models
from tests.support.clip_folders import SIDE, clip_folder

WORDS = "a red boat"
CANDIDATES = 3
BOX = Rect(10, 8, 30, 20)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return clip_folder(tmp_path_factory.mktemp("clip") / "tiny")


@pytest.fixture(scope="module")
def ranker(folder: Path) -> ClipScorer:
    return ClipScorer.load(inspect_ranker(folder), "cpu")


def noise(seed: int, height: int = 40, width: int = 56) -> Pixels:
    return np.random.default_rng(seed).integers(0, 256, (height, width, 3), np.uint8)


def box(height: int = 40, width: int = 56, rect: Rect = BOX) -> Map:
    found = np.zeros((height, width), np.float32)
    found[rect.slices] = 1
    return found


def plain(folder: Path, pictures: list[torch.Tensor], words: str) -> tuple[list[float], float]:
    """By the library alone: the cosines of prepared pictures with words, and the scale of the model."""
    network = transformers.CLIPModel.from_pretrained(folder).eval()
    ids = transformers.CLIPTokenizer.from_pretrained(folder)(words, return_tensors="pt").input_ids
    with torch.no_grad():
        found = network(input_ids=ids, pixel_values=torch.stack(pictures))
        cosines = (found.image_embeds @ found.text_embeds.T)[:, 0].tolist()
        return cosines, float(network.logit_scale.exp())


def normal(planes: torch.Tensor) -> torch.Tensor:
    return (planes - torch.tensor(MEAN)[:, None, None]) / torch.tensor(STD)[:, None, None]


def test_the_reference_look_is_the_distance_of_the_specification(folder: Path, ranker: ClipScorer) -> None:
    region, pictures = box(), [noise(seed) for seed in range(3)]
    seen = []
    for picture in (noise(9), *pictures):
        planes = torch.from_numpy(picture).permute(2, 0, 1).float() / 255 * torch.from_numpy(region)
        seen.append(normal(functional.interpolate(planes[None], (SIDE, SIDE), mode="bilinear", antialias=True)[0]))
    (before, *cosines), scale = plain(folder, seen, WORDS)
    found = ranker.match(pictures, noise(9), region, WORDS, "reference")
    assert [each.similarity for each in found] == pytest.approx(cosines, abs=1e-5)
    assert [each.gain for each in found] == pytest.approx([scale * (cosine - before) for cosine in cosines], abs=1e-3)
    assert len({round(each.similarity, 4) for each in found}) == 3


def test_the_reference_look_sees_nothing_outside(ranker: ClipScorer) -> None:
    region = box()
    picture, other = noise(1), noise(2)
    other[region > 0] = picture[region > 0]
    one, two = ranker.match([picture, other], noise(3), region, WORDS, "reference")
    assert one == two
    cropped = ranker.match([picture, other], noise(3), region, WORDS, "crop")
    assert cropped[0] != cropped[1]


def test_the_crop_is_the_square_around_with_its_surroundings_dimmed(folder: Path, ranker: ClipScorer) -> None:
    region, picture = box(), noise(1)
    assert square_around(region) == Rect(5, 0, 35, 30)  # 20 x 12, a quarter of 20 on all sides, moved into the picture
    dimmed = picture * np.where(region > 0, 1, DIMMED)[..., None]
    cut = Image.fromarray(np.rint(dimmed[0:30, 5:35]).astype(np.uint8)).resize((SIDE, SIDE), Image.Resampling.BICUBIC)
    seen = normal(torch.from_numpy(np.asarray(cut, np.float32) / 255).permute(2, 0, 1))
    (cosine,), _ = plain(folder, [seen], WORDS)
    (found,) = ranker.match([picture], noise(2), region, WORDS, "crop")
    assert found.similarity == pytest.approx(cosine, abs=1e-5)


@given(
    height=st.integers(1, 60),
    width=st.integers(1, 60),
    data=st.data(),
)
def test_the_square_holds_the_region_and_no_more_than_the_picture(height: int, width: int, data: st.DataObject) -> None:
    left, top = data.draw(st.integers(0, width - 1)), data.draw(st.integers(0, height - 1))
    right, bottom = data.draw(st.integers(left + 1, width)), data.draw(st.integers(top + 1, height))
    box_, whole = Rect(left, top, right, bottom), Rect(0, 0, width, height)
    found = square_around(box(height, width, box_))
    assert found.width == found.height <= max(height, width)
    assert found.intersect(box_) == box_
    if found.width <= min(height, width):
        assert found.intersect(whole) == found


def test_a_region_over_everything_shows_the_whole_picture_undistorted() -> None:
    picture = np.full((16, 64, 3), 250, np.uint8)
    seen = ClipPreprocess(64).crop(picture, np.ones((16, 64), np.float32))
    light = seen * torch.tensor(STD)[:, None, None] + torch.tensor(MEAN)[:, None, None]
    assert light[:, 24:40].mean() == pytest.approx(250 / 255, abs=1e-3)  # nothing is dimmed
    assert seen[:, :22].abs().max() < 0.01  # what is above it is the grey that CLIP takes for nothing
    assert light[:, 24:40].min() == pytest.approx(250 / 255, abs=1e-3)


def test_soft_regions_count_from_half_on_and_faint_ones_in_full() -> None:
    soft = np.array([[0.0, 0.2, 0.5, 1.0]], np.float32)
    assert marked(soft).tolist() == [[False, False, True, True]]
    assert marked(soft * np.float32(0.4)).tolist() == [[False, True, True, True]]


def test_candidates_are_judged_one_by_one_and_left_alone(ranker: ClipScorer) -> None:
    pictures = [noise(seed) for seed in range(20)]
    copies = [np.copy(picture) for picture in pictures]
    state = torch.get_rng_state()
    together = ranker.match(pictures, noise(99), box(), WORDS, "crop")
    apart = [ranker.match([picture], noise(99), box(), WORDS, "crop")[0] for picture in pictures]
    assert [each.similarity for each in together] == pytest.approx([each.similarity for each in apart], abs=1e-5)
    assert all(np.array_equal(*pair) for pair in zip(pictures, copies, strict=True))
    assert torch.equal(torch.get_rng_state(), state)
    same = ranker.match([pictures[0]] * 3, pictures[0], box(), WORDS, "crop")
    assert [each.gain for each in same] == pytest.approx([0, 0, 0], abs=1e-4)
    assert ranker.match([], pictures[0], box(), WORDS, "crop") == []


def test_words_that_are_too_long_lose_their_end(folder: Path, tmp_path: Path) -> None:
    short = ClipScorer.load(inspect_ranker(clip_folder(tmp_path / "short", context=8)), "cpu")
    region, picture = box(), noise(1)

    def similarity(words: str) -> float:
        return short.match([picture], noise(2), region, words, "crop")[0].similarity

    assert similarity("a red boat on a lake, sharp, golden light, very detailed") == similarity("a red boat on a lake")
    assert similarity("a red boat on a wide and quiet lake") == similarity("a red boat on a wide")
    assert similarity("x" * 400) == similarity("x" * 300)
    assert similarity("a red boat") != similarity("a blue boat")


def test_phrases_are_kept_whole_where_that_keeps_enough() -> None:
    def fits(text: str) -> bool:
        return len(text.split()) <= 6

    assert shortened("a red boat", fits) == "a red boat"
    assert shortened("a red boat on a lake, at dawn", fits) == "a red boat on a lake"
    assert shortened("Photo. a red boat on a wide lake", fits) == "Photo. a red boat on a"
    assert shortened("one two three four five six seven", fits) == "one two three four five six"
    assert shortened("", fits) == ""


def test_it_prepares_pictures_as_the_folder_says(tmp_path: Path) -> None:
    told = {"image_mean": [0.5, 0.5, 0.5], "image_std": [0.25, 0.5, 1], "resample": 0}
    (tmp_path / "preprocessor_config.json").write_text(json.dumps(told))
    eye = ClipPreprocess.of(tmp_path, 48)
    assert eye == ClipPreprocess(48, (0.5, 0.5, 0.5), (0.25, 0.5, 1.0), Image.Resampling.NEAREST)
    white = eye.crop(np.full((9, 9, 3), 255, np.uint8), np.ones((9, 9), np.float32))
    assert white.shape == (3, 48, 48)
    assert white[:, 5, 5].tolist() == [2.0, 1.0, 0.5]


@pytest.mark.parametrize("text", ["", "[]", "{}", '{"image_mean": 1, "image_std": [0, 0, 0], "resample": "best"}'])
def test_what_the_folder_does_not_say_is_as_usual(tmp_path: Path, text: str) -> None:
    (tmp_path / "preprocessor_config.json").write_text(text)
    assert ClipPreprocess.of(tmp_path, 224) == ClipPreprocess(224, MEAN, STD, Image.Resampling.BICUBIC)


@pytest.mark.parametrize("file", ["model.safetensors", "config.json", "tokenizer.json"])
def test_a_damaged_folder_is_told_as_such(folder: Path, tmp_path: Path, file: str) -> None:
    info = inspect_ranker(folder)
    broken = tmp_path / "broken"
    broken.mkdir()
    for path in folder.iterdir():
        (broken / path.name).write_bytes(path.read_bytes())
    (broken / file).write_bytes(b"\0\1\2")
    with pytest.raises(ModelUnavailable, match="cannot be loaded"):
        ClipScorer.load(replace(info, path=broken), "cpu")


# In the cache


def cache_of(*free: int, kind: str = "cpu") -> ModelCache:
    """A cache on a machine with so many bytes free, asked one by one; the last goes on."""
    left = list(free)

    def device() -> Device:
        found = left.pop(0) if len(left) > 1 else left[0]
        return replace(this_device(), kind=kind, free=found, total=10**12)  # type: ignore[arg-type]

    return ModelCache(device)


@pytest.mark.logs
def test_it_stays_loaded_until_another_is_asked_for(folder: Path, tmp_path: Path) -> None:
    cache = cache_of(10**12)
    info = inspect_ranker(folder)
    first = cache.scorer(info)
    assert cache.scorer(info) is first
    second = cache.scorer(inspect_ranker(clip_folder(tmp_path / "other", seed=1)))
    assert second is not first
    with pytest.raises(ModelUnavailable):  # its memory was given back
        first.match([noise(1)], noise(2), box(), WORDS, "crop")


def test_where_the_card_is_full_the_processor_ranks(folder: Path) -> None:
    found = cache_of(needed(inspect_ranker(folder), "cuda"), kind="cuda").scorer(inspect_ranker(folder))
    assert found.match([noise(1)], noise(2), box(), WORDS, "crop")
    assert found.device == "cpu"


def test_without_memory_it_is_not_loaded(folder: Path) -> None:
    with pytest.raises(OutOfMemory):
        cache_of(1000).scorer(inspect_ranker(folder))


@pytest.mark.logs
def test_it_makes_room_for_the_model_that_paints(folder: Path, sd_folder: Path) -> None:
    """But only where there would be too little."""
    info, painter, asked = inspect_ranker(folder), inspect(sd_folder), request(str(sd_folder))
    least = estimate(painter, asked.frame.working, 1, asked.guidance_scale, Plan("cpu", "float32", "float32")).peak
    enough, tight = round(least / 0.95) + 10, round(least / 0.95) - 10
    cache = cache_of(10**12, enough)
    kept = cache.scorer(info)
    list(cache.acquire(painter, asked))
    assert cache.scorer(info) is kept
    cache = cache_of(10**12, tight)
    kept = cache.scorer(info)
    list(cache.acquire(painter, asked))
    with pytest.raises(ModelUnavailable):  # its memory was given back
        kept.match([noise(1)], noise(2), box(), WORDS, "crop")


# In the engine


def request(model: str, **more: object) -> EditRequest:
    told: dict[str, object] = {
        "image": noise(0, 64, 64),
        "strength": box(64, 64),
        "frame": Frame.full_size(Rect(0, 0, 64, 64)),
        "settings": BlendedSettings(),
        "seed": 1,
        "prompt": WORDS,
        "model": model,
        "steps": 2,
    }
    return EditRequest(**{**told, **more})  # type: ignore[arg-type]


def candidates(model: str, **more: object) -> VariantsRequest:
    return VariantsRequest.of_seeds(request(model, **more), (5, 6, 7))


def scores(reports: list[Report]) -> dict[int, Match]:
    """By the variants' ids."""
    return {report.variant: report.match for report in reports if isinstance(report, Scored)}


@pytest.fixture
def painter(tmp_path: Path, sd_folder: Path) -> Path:
    """A painting model alone in a folder."""
    (tmp_path / "cache").mkdir()
    (tmp_path / "cache" / "painter").symlink_to(sd_folder)
    return tmp_path / "cache" / "painter"


def engine(*folders: Path, ranker: Path | None = None) -> Engine:
    return Engine(lambda: Library(folders, cache=Path("/nowhere"), ranker=ranker))


def test_candidates_are_scored_after_they_are_shown(painter: Path, folder: Path) -> None:
    reports = list(engine(painter.parent, ranker=folder).run(candidates(str(painter))))
    kinds = [type(report) for report in reports if isinstance(report, ResultReady | Scored)]
    assert kinds == [ResultReady] * CANDIDATES + [Scored] * CANDIDATES
    found = {report.result.variant: report.result for report in reports if isinstance(report, ResultReady)}
    asked = request(str(painter))
    expected = ClipScorer.load(inspect_ranker(folder), "cpu").match(
        [pasted(asked, each) for each in found.values()], asked.image, asked.strength, WORDS, "crop"
    )
    assert scores(reports) == dict(zip(found, expected, strict=True))
    assert [(id, result.recipe.seed) for id, result in found.items()] == [(0, 5), (1, 6), (2, 7)]
    fractions = [report.fraction for report in reports if isinstance(report, Progress)]
    assert fractions == sorted(fractions)


def test_the_look_is_that_of_the_settings(painter: Path, folder: Path) -> None:
    running = engine(painter.parent, ranker=folder)
    crop = scores(list(running.run(candidates(str(painter)))))
    reference = scores(list(running.run(candidates(str(painter), settings=BlendedSettings(rank="reference")))))
    assert crop.keys() == reference.keys() == {0, 1, 2}
    assert crop[0].similarity != pytest.approx(reference[0].similarity, abs=1e-4)


@pytest.mark.parametrize("more", [{"prompt": "  "}, {"settings": PixelsSettings()}])
def test_what_has_no_words_of_its_own_is_not_ranked(painter: Path, folder: Path, more: dict[str, object]) -> None:
    assert scores(list(engine(painter.parent, ranker=folder).run(candidates(str(painter), **more)))) == {}


def test_a_single_edit_is_not_ranked(painter: Path, folder: Path) -> None:
    assert scores(list(engine(painter.parent, ranker=folder).run(request(str(painter))))) == {}


def test_without_a_ranking_model_all_goes_on_unranked(painter: Path, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO)
    reports = list(engine(painter.parent).run(candidates(str(painter))))
    assert scores(reports) == {}
    assert [report.result.recipe.seed for report in reports if isinstance(report, ResultReady)] == [5, 6, 7]
    assert caplog.text.count("stay unranked") == 1


def test_with_a_damaged_one_all_goes_on_unranked(
    painter: Path, folder: Path, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    broken = tmp_path / "broken"
    broken.mkdir()
    for path in folder.iterdir():
        (broken / path.name).write_bytes(path.read_bytes())
    (broken / "tokenizer.json").write_bytes(b"{}")
    reports = list(engine(painter.parent, ranker=broken).run(candidates(str(painter))))
    assert scores(reports) == {}
    assert len([report for report in reports if isinstance(report, ResultReady)]) == CANDIDATES
    assert [(record.levelname, "stay unranked" in record.message) for record in caplog.records] == [("WARNING", True)]


def test_cancelling_and_finishing_early_while_it_ranks(painter: Path, folder: Path) -> None:
    running = engine(painter.parent, ranker=folder)
    for close in (True, False):
        for stop in ("Comparing with the words", "score"):
            reports = running.run(candidates(str(painter)))
            for report in reports:
                if (isinstance(report, Scored) and stop == "score") or (
                    isinstance(report, Progress) and report.doing == stop
                ):
                    break
            if close:
                reports.close()
                continue
            with pytest.raises(StopIteration) as ended:
                reports.throw(FinishEarly())
            assert [each.recipe.seed for each in ended.value.value] == [5, 6, 7]
    assert len(scores(list(running.run(candidates(str(painter)))))) == CANDIDATES  # nothing was left in disorder


def test_the_bundled_one_knows_toys(practice_case: Case) -> None:
    """Right answers against the same place with something else in it."""
    (path,) = bundled_models()
    ranker = ClipScorer.load(inspect_ranker(path.with_name("practice-clip")), "cpu")
    region = practice_case.region.astype(np.float32)
    for look in ("crop", "reference"):
        right, unchanged = ranker.match(
            [practice_case.truth, practice_case.source],
            practice_case.source,
            region,
            practice_case.local_prompt,
            look,
        )
        assert right.gain > 3
        assert unchanged.gain == pytest.approx(0, abs=1e-3)


@pytest.fixture(params=[1, 2, 3])
def practice_case(request: pytest.FixtureRequest) -> Case:
    return replacement(World(), request.param)


def test_results_are_laid_over_the_part_that_the_model_saw() -> None:
    frame = Frame(Rect(10, 20, 14, 24), Size(8, 8))
    asked = request("", image=noise(1, 4, 4), strength=np.ones((4, 4), np.float32), frame=frame)
    pixels = np.zeros((2, 3, 4), np.uint8)
    pixels[..., :3], pixels[..., 3] = 200, (255, 0, 51)
    found = pasted(asked, EditResult(Rect(12, 21, 15, 23), pixels, Recipe.of(asked)))
    expected = asked.image.copy()
    expected[1:3, 2] = 200  # its third column lies outside
    assert np.array_equal(found, expected)


@pytest.mark.logs
def test_ranking_asks_for_its_model_only_once_it_failed() -> None:
    calls = []

    def fail() -> ClipScorer:
        calls.append(1)
        raise ModelUnavailable("It is gone.")

    asked = request("")
    result = EditResult(Rect(0, 0, 1, 1), np.zeros((1, 1, 4), np.uint8), Recipe.of(asked))
    ranking = Ranking(fail, asked, "crop")
    for _ in range(2):
        assert scores(list(ranking.scored([result]))) == {}
    assert len(calls) == 1
