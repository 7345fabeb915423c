"""The benchmarks' runner: what it prints, writes and refuses. The benchmarks themselves are too slow for here."""

from __future__ import annotations

import json
import tracemalloc
from collections.abc import Iterator
from dataclasses import asdict
from importlib import import_module
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PySide6.QtWidgets import QApplication

from app.dev.bench import Result, attention, diffusion, gpu, live, live_truth, random_models, run
from app.dev.bench.diffusion_edits import load_model, make_edit, outcome, run_stock, spot, steps_of, whole_edit
from editor.document.contents import Layer
from editor.document.document import Document
from editor.document.tiles import Tiles
from editor.geometry import Size
from editor.methods.pixels.model import edit

# diffusers' schedulers and numpy 2
pytestmark = pytest.mark.filterwarnings("ignore:__array__ implementation:DeprecationWarning")


def made_up() -> Iterator[Result]:
    yield Result("made up: floor", 12.5, "ms", note="floor")
    yield Result.at_most("made up: ratio", 1.4, "×", 1.5)


def missed() -> Iterator[Result]:
    yield Result.at_most("missed: ratio", 1.6, "×", 1.5)


@pytest.fixture
def benchmarks(monkeypatch: pytest.MonkeyPatch) -> None:
    names = {"made-up": f"{__name__}:made_up", "missed": f"{__name__}:missed"}
    monkeypatch.setattr(run, "BENCHMARKS", names)


def test_figures_are_printed_and_written(benchmarks: None, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file = tmp_path / "figures.json"
    assert run.main(["made-up", "--json", str(file)]) == 0
    found = json.loads(file.read_text("utf-8"))
    assert list(found) == ["results"]
    floor, ratio = found["results"]
    expected = {"name": "made up: floor", "value": 12.5, "unit": "ms", "bar": None, "ok": None, "note": "floor"}
    assert floor == expected
    assert ratio == {"name": "made up: ratio", "value": 1.4, "unit": "×", "bar": 1.5, "ok": True, "note": ""}
    said = capsys.readouterr().out
    assert "12.5 ms" in said
    assert "bar 1.5  ok" in said


def test_a_missed_bar_is_status_1(benchmarks: None, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run.main(["--json", str(tmp_path / "figures.json")]) == 1
    assert "MISSED" in capsys.readouterr().out
    assert [load["ok"] for load in json.loads((tmp_path / "figures.json").read_text("utf-8"))["results"]] == [
        None,
        True,
        False,
    ]


def test_an_unknown_name_is_refused_and_the_known_ones_are_named(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as left:
        run.main(["brush", "brsh"])
    assert left.value.code == 2
    said = capsys.readouterr().err
    assert "brsh" in said
    assert all(name in said for name in run.BENCHMARKS)


@pytest.mark.parametrize("name", run.BENCHMARKS)
def test_every_benchmark_is_where_the_table_says(name: str) -> None:
    module, _, function = run.BENCHMARKS[name].partition(":")
    assert callable(getattr(import_module(module), function))


@pytest.mark.parametrize("kind", random_models.KINDS)
def test_random_models_are_models_to_the_program_and_to_diffusers(kind: random_models.Kind, tmp_path: Path) -> None:
    """Loaded as any other, and both sides of a comparison run through the same network as often."""
    side = random_models.SIDES[kind]["tiny"]
    model = load_model(random_models.write(tmp_path, kind, "tiny", torch.float32), kind, side)
    assert model.info.usable
    request = make_edit(model, side, 3)
    calls: list[tuple[int, ...]] = []
    hook = model.stock.unet.register_forward_hook(lambda module, given, found: calls.append(tuple(found[0].shape)))
    ours = len(list(steps_of(request, model)))
    seen_by_ours = calls[:ours]
    calls.clear()
    steps: list[None] = []
    run_stock(model, request, lambda: steps.append(None))
    hook.remove()
    assert len(steps) == ours
    assert calls == seen_by_ours
    alpha = outcome(edit(request, model.backend)).pixels[..., 3]
    assert alpha.any()


def test_the_full_sizes_are_those_of_the_published_models() -> None:
    """Counted without making them: the numbers of parameters that the published U-Nets have."""
    with torch.device("meta"):
        counts = {
            kind: sum(parameter.numel() for parameter in random_models.unet(kind, "full").parameters())
            for kind in random_models.KINDS
        }
    assert counts == {"sd": 859_520_964, "sdxl": 2_567_463_684, "kandinsky": 1_253_057_288}


def test_an_edit_of_a_large_picture_touches_only_its_region(tmp_path: Path) -> None:
    """From the button to the new layer: no array is made that has a number for every pixel of the picture."""
    model = load_model(random_models.write(tmp_path, "sd", "tiny", torch.float32), "sd", 64)
    size = Size(6000, 4000)
    layer = Layer(1, "Background", Tiles.filled((*size.shape, 4), (90, 120, 150, 255), np.uint8))
    empty = Tiles.filled(size.shape, 0, np.float32)
    document = Document(size, (layer,), empty.write(2900, 1900, spot(128)), empty, empty, empty, next_id=2)
    outcome(whole_edit(document, model, 2))  # what is kept from then on counts no more
    tracemalloc.start()
    try:
        after = outcome(whole_edit(document, model, 2))
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert len(after.layers) == 2
    assert not after.strength.any()
    assert peak < size.area / 4


@pytest.mark.parametrize(
    ("benchmark", "less", "names"),
    [
        (
            "pixels_step",
            {"steps": 4},
            {f"pixels step: {label} against diffusers" for label in random_models.LABELS.values()},
        ),
        ("pixels_region", {"sides": (256, 512), "rounds": 1}, {"pixels region: 512 px against 256 px"}),
        ("pixels_preview", {"steps": 4}, {"pixels preview: overhead of a run", "pixels preview: share of the time"}),
        (
            "pixels_cancel",
            {"rounds": 2},
            {"pixels cancel: until the worker is free", "pixels cancel: longest wait of a whole edit"},
        ),
    ],
)
@pytest.mark.slow
def test_the_benchmarks_of_pixels_measure_tiny_models_too(
    benchmark: str, less: dict[str, Any], names: set[str], qapp: object
) -> None:
    """What they say of tiny models means nothing; that they say it in time and in numbers does."""
    results = list(getattr(diffusion, benchmark)("tiny", **less))
    assert names <= {result.name.removesuffix(", wall clock").removesuffix(", processor time") for result in results}
    assert json.loads(json.dumps([asdict(result) for result in results]))
    assert all(np.isfinite(result.value) for result in results)
    assert all(result.value > 0 for result in results if result.unit in ("×", "steps"))


@pytest.mark.slow
def test_live_pictures_are_measured() -> None:
    """What tiny models take says nothing; that rounds are fresh runs and keep their promise does."""
    results = {
        result.name: result
        for result in live.live("tiny", rounds=2, stories=1, documents=(Size(300, 260),), samplers=("dpmpp_2m",))
    }
    assert list(results) == [
        "live: largest difference to a fresh run",
        "live: evaluations beyond the promise",
        "live: first preview after a stroke, beyond one step",
        "live: final picture, beyond its evaluations and decode",
        "live: what is free elsewhere shifts by",
    ]
    assert results["live: largest difference to a fresh run"].value == 0
    assert results["live: evaluations beyond the promise"].value == 0
    assert 0 <= results["live: what is free elsewhere shifts by"].value < 20
    assert json.loads(json.dumps([asdict(result) for result in results.values()]))


@pytest.mark.slow
def test_what_enter_keeps_is_held_against_its_recipe(qapp: QApplication) -> None:
    exact, spent = live_truth.live_truth(2)
    assert exact.value == 0
    assert exact.ok
    assert "2 scenes" in exact.note
    assert 0 < spent.value <= 1


def test_what_attention_control_costs_is_measured() -> None:
    results = list(attention.attention("tiny", steps=4))
    assert [result.bar for result in results if result.name.endswith("a control that does nothing")] == [2.0] * 3
    assert len(results) == 9
    assert all(np.isfinite(result.value) for result in results)


@pytest.mark.slow
def test_the_table_of_a_graphics_card_is_drawn_on_the_processor_too(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(gpu, "REGION_SIDES", (256, 512))
    monkeypatch.setattr(torch.nn.Module, "compile", lambda module: None)  # that needs a compiler, and minutes
    results = {each.name: each for each in gpu.table("sd", "tiny", ("float32",), steps=3, rounds=1)}
    prefix = "gpu: SD 1.5 64 px, float32"
    assert set(results) == {
        f"{prefix}, {what}"
        for what in (
            "loading",
            "edit",
            "step",
            "step against diffusers",
            "floor by operations",
            "floor by bytes",
            "time to cancel",
            "512 px document against 256 px",
            "compiling",
            "compiled, step",
            "compiled, step against diffusers",
        )
    }
    assert all(result.value > 0 for result in results.values())
    floor = max(results[f"{prefix}, floor by {each}"].value for each in ("operations", "bytes"))
    assert results[f"{prefix}, step"].value > floor


def test_without_a_card_the_table_is_skipped_with_a_sentence(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    (result,) = gpu.gpu()
    assert "no CUDA device" in result.note
    assert result.ok is None
