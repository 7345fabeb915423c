"""The truth benchmark: cases whose answer is exact, controls that measure what they claim, figures that are written."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

import resources
from app.dev.bench import run, truth, truth_sweep
from app.dev.bench.truth_cases import KINDS
from app.dev.bench.truth_methods import METHODS, Stage, mean_fill, pictures_of, untouched
from app.dev.bench.truth_pairs import pair
from app.dev.practice.world import World
from editor.methods.pixels.settings import PixelsSettings
from tests.support.untrained_model import write_untrained

pytestmark = [
    # diffusers' schedulers and numpy 2
    pytest.mark.filterwarnings("ignore:__array__ implementation:DeprecationWarning"),
]


@pytest.fixture(scope="module")
def untrained(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A practice model that knows nothing."""
    return write_untrained(tmp_path_factory.mktemp("untrained"))


@pytest.fixture(scope="module")
def world() -> World:
    return World()


@pytest.mark.parametrize("kind", KINDS)
def test_the_truth_differs_inside_the_region_only(world: World, kind: str) -> None:
    for seed in range(8):
        case = KINDS[kind](world, seed)
        assert np.array_equal(case.source[~case.region], case.truth[~case.region])
        assert (case.source != case.truth).any()
        assert case.prompt != case.wrong
        again = KINDS[kind](world, seed)
        assert np.array_equal(again.truth, case.truth)
        assert again.prompt == case.prompt


def test_pasting_a_clean_exemplar_is_nearly_the_truth_and_a_degraded_one_is_not(world: World) -> None:
    def error(kind: str, seed: int) -> float:
        case = KINDS[kind](world, seed)
        difference = case.pasted[case.region].astype(np.float64) - case.truth[case.region]
        return float(np.sqrt(np.square(difference).mean()))

    for seed in range(8):
        assert error("insert", seed) < 20
        assert error("insert degraded", seed) > 1.5 * error("insert", seed)


def test_controls_do_what_their_names_say(world: World, untrained: Path) -> None:
    told = {"steps": 2, "guidance_scale": 4.0, "exemplar_strength": 0.5}
    stage = Stage.load(untrained, settings=PixelsSettings(feather=0), **told)  # type: ignore[arg-type]
    case = KINDS["replace"](world, 1)
    filled = mean_fill(stage, case)
    assert len(np.unique(filled[case.region], axis=0)) == 1
    assert np.array_equal(filled[~case.region], case.source[~case.region])
    assert np.array_equal(untouched(stage, case), case.source)
    assert stage.evaluations == 0


def test_what_image_to_image_makes_does_not_depend_on_the_batch(world: World) -> None:
    bundled = Path(resources.__file__).parent / "models"
    stage = Stage.load(bundled, steps=5, guidance_scale=4.0, exemplar_strength=0.5, settings=PixelsSettings())
    cases = [KINDS[kind](world, seed) for seed, kind in enumerate(("replace", "insert", "ground"))]
    method = METHODS["img2img at 0.6"]
    together, alone = (pictures_of(stage, method, each) for each in (cases, cases[1:2]))
    assert together is not None
    assert alone is not None
    difference = np.abs(together[1].picture.astype(np.int16) - alone[0].picture)
    assert difference.max() <= 1
    assert np.abs(together[1].picture.astype(np.int16) - cases[1].source).max() > 50
    assert [each.evaluations for each in together] == [6, 6, 6]  # three of the five steps, guided


def test_figures_are_written_for_every_method_and_kind(untrained: Path, tmp_path: Path) -> None:
    files = {name: tmp_path / f"truth.{name}" for name in ("json", "table", "sheet.png")}
    status = run.main(
        [
            *("truth", "--scenes", "2", "--steps", "3", "--model", str(untrained), "--json", str(files["json"])),
            *("--table", str(files["table"]), "--sheet", str(files["sheet.png"])),
        ]
    )
    assert status == 1  # what knows nothing misses bars
    results = {load["name"]: load for load in json.loads(files["json"].read_text("utf-8"))["results"]}
    assert results["replace, pixels: moved outside"]["value"] == 0
    assert results["replace, untouched paste: judge"]["value"] == 0
    assert results["replace, pixels: evaluations"]["value"] == 6  # three steps, guided
    assert results["insert, untouched paste: evaluations"]["value"] == 0
    assert "ground, quick fill: inside" not in results  # it understands no words
    assert results["PIXELS replaces"]["ok"] is False
    table = files["table"].read_text("utf-8")
    assert "| PIXELS replaces | 0 % | ≥ 80 | **missed** |" in table
    assert table.count("(best of 4)") == len(KINDS)
    assert results["PIXELS removes, by the ground's words, better than a mean fill by"]["ok"] is False
    by_ground = table[table.index("by ground:") :].split("\n\n")[1].splitlines()[2:]
    assert sum(int(line.split("|")[2]) for line in by_ground) == 2  # every scene on its ground
    with Image.open(files["sheet.png"]) as sheet:
        assert sheet.width > 10 * truth.WIDE


def test_one_method_alone_and_unknown_ones(untrained: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run.main(["truth", "mean fill", "--kinds", "remove", "--scenes", "3", "--model", str(untrained)]) == 0
    said = capsys.readouterr().out
    assert "remove, mean fill: inside" in said
    assert "pixels" not in said
    with pytest.raises(SystemExit):
        run.main(["truth", "guesswork", "--model", str(untrained)])
    assert "no method is called guesswork" in capsys.readouterr().err


def test_without_a_practice_model_it_says_how_to_make_one(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        run.main(["truth", "--model", str(tmp_path)])
    assert "make practice-model" in capsys.readouterr().err


def test_the_interval_holds_the_mean_and_narrows() -> None:
    random = np.random.default_rng(1)
    few, many = random.normal(5, 1, 20).tolist(), random.normal(5, 1, 2000).tolist()
    for values in (few, many):
        low, high = truth.interval(values)
        assert low < np.mean(values) < high
    assert np.diff(truth.interval(many)) < np.diff(truth.interval(few)) / 5


def test_pairs_of_exemplars_lie_where_their_masks_say(world: World) -> None:
    for seed in range(6):
        each = pair(world, seed)
        assert (each.pasted != each.source)[each.region].any()
        assert np.array_equal(each.pasted[~each.region], each.source[~each.region])
        assert each.held == seed % 2
        assert each.exemplars[each.held].fidelity.min() == 1
        assert each.exemplars[each.free].fidelity.max() == 0
        assert not (each.shown[0] & each.shown[1]).any()
        assert not set(each.prompt.split()) >= set(each.wrong.split())
        placed = each.placed(0.4)
        assert max(float(one.rim.max()) for one in placed) == pytest.approx(0.4)


def test_a_rise_is_told_from_a_fall() -> None:
    moved = [[1.0, 1.0], [2.0, 3.0], [4.0, 2.5], [8.0, 9.0]]
    rise = truth_sweep.Rise.of([truth_sweep.Level(moved=each) for each in moved])
    assert rise.scenes == [100, 0]
    assert rise.pairs == [100, pytest.approx(200 / 3)]
    assert rise.least == pytest.approx(0.75)


def test_the_sweep_writes_figures_beside_its_controls(untrained: Path, tmp_path: Path) -> None:
    files = {name: tmp_path / f"sweep.{name}" for name in ("json", "table", "sheet.png")}
    status = run.main(
        [
            *("truth-sweep", "--scenes", "2", "--steps", "5", "--model", str(untrained), "--json", str(files["json"])),
            *("--table", str(files["table"]), "--sheet", str(files["sheet.png"])),
        ]
    )
    assert status == 1  # what knows nothing obeys no words
    results = {load["name"]: load for load in json.loads(files["json"].read_text("utf-8"))["results"]}
    for name in ("PIXELS at 0.2", "PIXELS, wrong words at 1", "img2img at 0.6"):
        assert results[f"replace, {name}: moved"]["value"] > 0
    assert results["replace, PIXELS at 1: moved outside"]["value"] == 0
    assert results["replace, img2img at 1: moved outside"]["value"] > 0
    assert results["two exemplars, PIXELS at 1: held moved"]["value"] > 0
    assert results["replace: judge at full strength, above wrong words"]["ok"] is False
    assert files["table"].read_text("utf-8").count("| PIXELS | 0.2 |") == 3
    with Image.open(files["sheet.png"]) as sheet:
        assert sheet.width > 5 * truth_sweep.WIDE
