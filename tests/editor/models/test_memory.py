"""The estimate made before a run, and how a model is laid into what memory there is."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from editor.errors import ModelUnavailable
from editor.geometry import Size
from editor.models.device import Device
from editor.models.info import ModelInfo, Part
from editor.models.memory import Plan, estimate, fit
from tests.support.model_files import GB, folder_of, weights_file

SQUARE = Size(512, 512)


@pytest.fixture
def sd(tmp_path: Path) -> ModelInfo:
    """Stable Diffusion 1 as published, by its numbers."""
    return published(
        tmp_path / "sd", "stable-diffusion", {"unet": 859_520_964, "vae": 83_653_863, "text_encoder": 123_060_480}
    )


@pytest.fixture
def xl(tmp_path: Path) -> ModelInfo:
    counts = {"unet": 2_567_463_684, "vae": 83_653_863, "text_encoder": 123_060_480, "text_encoder_2": 694_659_840}
    return published(tmp_path / "xl", "stable-diffusion-xl", counts)


def published(path: Path, family: Any, counts: dict[str, int]) -> ModelInfo:
    """A single file by name only: its settings are the packaged ones."""
    file = weights_file(path.with_suffix(".safetensors"), folder_of(family))
    parts = tuple(Part(name, count, 2 * count, "float16") for name, count in counts.items())
    return ModelInfo(str(file), file.stem, family, file, 512, parts=parts)


def card(free: float, **more: Any) -> Device:
    return Device("cuda", "a card", int(24 * GB), int(free * GB), **more)


def test_a_large_card_takes_the_whole_model_in_half_precision(xl: ModelInfo) -> None:
    found = fit(xl, card(24, bfloat16=True), Size(1024, 1024))
    assert (found.precision, found.placement, found.tiling, found.fits) == ("bfloat16", "whole", False, True)
    assert found.vae_precision == "float32"
    assert fit(xl, card(24), Size(1024, 1024)).precision == "float16"


def test_smaller_cards_take_turns_then_tiles_then_layers(xl: ModelInfo) -> None:
    tried = {}
    for free in (24, 12, 8, 4, 2):
        found = fit(xl, card(free), Size(1024, 1024))
        tried[free] = (found.placement, found.tiling)
        assert found.available == free * GB
    assert tried[24] == ("whole", False)
    assert tried[8][0] == "by_part"
    assert tried[2][0] == "by_layer"
    order = ["whole", "by_part", "by_layer"]
    places = [order.index(place) for place, _ in tried.values()]
    assert places == sorted(places)


def test_what_does_not_fit_says_so(xl: ModelInfo) -> None:
    found = fit(xl, card(0.2), Size(1024, 1024))
    assert not found.fits
    assert found.words.startswith("Needs about ")
    assert "0.2 GB free" in found.words


def test_words_for_people(sd: ModelInfo) -> None:
    assert fit(sd, card(8), SQUARE).words.endswith("of 8.0 GB free · half precision")
    tight = fit(sd, card(2.8), SQUARE)
    assert tight.placement == "by_part"
    assert tight.words.endswith("· half precision · parts take turns")


def test_the_processor_computes_in_full_precision_and_whole(sd: ModelInfo) -> None:
    found = fit(sd, Device("cpu", "", 64 * GB, 32 * GB), SQUARE)
    assert (found.precision, found.vae_precision, found.placement) == ("float32", "float32", "whole")
    assert found.needed > 4 * (859_520_964 + 83_653_863 + 123_060_480)
    short = fit(sd, Device("cpu", "", 64 * GB, GB), SQUARE)
    assert (short.placement, short.fits) == ("whole", False)


def test_large_canvases_are_decoded_in_tiles(sd: ModelInfo) -> None:
    assert not fit(sd, card(80), Size(1024, 1024)).tiling
    assert fit(sd, card(80), Size(2048, 2048)).tiling


def test_needs_grow_with_the_canvas_the_batch_and_guidance(sd: ModelInfo) -> None:
    plan = Plan("cpu", "float32", "float32")
    small = estimate(sd, SQUARE, 1, 1.0, plan)
    assert estimate(sd, SQUARE, 1, 7.0, plan).network == pytest.approx(2 * small.network, rel=0.01)
    assert estimate(sd, SQUARE, 3, 1.0, plan).network == pytest.approx(3 * small.network, rel=0.01)
    large = estimate(sd, Size(1024, 1024), 1, 1.0, plan)
    assert large.network == pytest.approx(4 * small.network, rel=0.01)
    assert large.decoder == pytest.approx(4 * small.decoder, rel=0.01)
    half = estimate(sd, SQUARE, 1, 1.0, replace(plan, precision="float16", vae_precision="float16"))
    assert half.weights["unet"] * 2 == small.weights["unet"]
    assert half.peak < small.peak


def test_tiles_bound_the_decoder(sd: ModelInfo) -> None:
    plan = Plan("cuda", "float16", "float16", tiling=True)
    small, large = (estimate(sd, Size(side, side), 1, 7.0, plan).decoder for side in (1024, 2048))
    assert large < 1.2 * small


def test_every_turn_taken_lowers_the_peak(xl: ModelInfo) -> None:
    plans = [Plan("cuda", "float16", "float32", place) for place in ("whole", "by_part", "by_layer")]
    peaks = [estimate(xl, SQUARE, 1, 7.0, plan).peak for plan in plans]
    assert peaks == sorted(peaks, reverse=True)
    assert len(set(peaks)) == 3


def test_a_model_that_is_gone_is_said(sd: ModelInfo) -> None:
    sd.path.unlink()
    with pytest.raises(ModelUnavailable, match="is missing"):
        fit(sd, card(8), SQUARE)


@pytest.mark.parametrize("value", [None, [], ["a"], [10**9, 1], "text", [[]], -5])
def test_hostile_settings_give_an_estimate_all_the_same(tmp_path: Path, value: Any) -> None:
    folder = tmp_path / "toy"
    for part in ("unet", "vae", "text_encoder"):
        (folder / part).mkdir(parents=True)
        settings = {
            "block_out_channels": value,
            "layers_per_block": value,
            "down_block_types": value,
            "hidden_size": value,
        }
        (folder / part / "config.json").write_text(json.dumps(settings | {"sample_size": value}))
    parts = tuple(Part(name, 10, 40, "float32") for name in ("unet", "vae", "text_encoder"))
    info = ModelInfo(str(folder), "toy", "stable-diffusion", folder, 512, parts=parts)
    assert fit(info, card(8), SQUARE).needed > 0
