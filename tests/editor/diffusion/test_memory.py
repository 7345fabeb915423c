"""The estimate made before a run, and how a model is laid into what memory there is."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch

from editor.diffusion.families.registry import FAMILIES
from editor.diffusion.measure import peak_bytes
from editor.diffusion.memory import estimate, fit
from editor.errors import ModelUnavailable
from editor.geometry import Size
from editor.models.device import Device
from editor.models.info import ModelInfo, Part
from editor.models.memory import Plan
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
    return ModelInfo(str(file), file.stem, FAMILIES.named(family), file, 512, parts=parts)


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
def test_hostile_settings_end_in_an_estimate_or_a_sentence(tmp_path: Path, value: Any) -> None:
    folder = tmp_path / "toy"
    names = ("block_out_channels", "layers_per_block", "down_block_types", "hidden_size", "sample_size")
    for part in ("unet", "vae", "text_encoder"):
        (folder / part).mkdir(parents=True)
        (folder / part / "config.json").write_text(json.dumps(dict.fromkeys(names, value)))
    parts = tuple(Part(name, 10, 40, "float32") for name in ("unet", "vae", "text_encoder"))
    info = ModelInfo(str(folder), "toy", FAMILIES.named("stable-diffusion"), folder, 512, parts=parts)
    if value is None:
        assert fit(info, card(8), SQUARE).needed > 0
        return
    with pytest.raises(ModelUnavailable, match="is out of range"):
        fit(info, card(8), SQUARE)


def test_a_network_that_cannot_be_built_counts_as_a_large_one(tmp_path: Path) -> None:
    """Its settings are in range, each by itself; loading will say what is wrong."""
    folder = tmp_path / "toy"
    for part in ("unet", "vae", "text_encoder"):
        (folder / part).mkdir(parents=True)
        (folder / part / "config.json").write_text(json.dumps({"block_out_channels": [7, 9], "norm_num_groups": 4}))
    info = ModelInfo(str(folder), "toy", FAMILIES.named("stable-diffusion"), folder, 512)
    assert estimate(info, SQUARE, 1, 1.0, Plan("cpu", "float32", "float32")).network == 4 * 2**16 * 64**2


# Bytes at once, in float32 at 512 px, counted by hand in diffusers' modules and found in measured peaks before networks were measured.
BY_HAND = {"stable-diffusion-1": (0.262e9, 1.080e9), "stable-diffusion-xl": (0.160e9, 1.080e9)}


@pytest.mark.parametrize("name", BY_HAND)
def test_published_networks_take_what_was_counted_by_hand(sd: ModelInfo, xl: ModelInfo, name: str) -> None:
    info = xl if name.endswith("xl") else sd
    network, decoder = BY_HAND[name]
    measured = estimate(info, SQUARE, 1, 7.0, Plan("cpu", "float32", "float32"))
    assert measured.network == pytest.approx(network, rel=0.1)
    assert measured.decoder == pytest.approx(decoder, rel=0.1)


def test_live_bytes_of_a_known_network() -> None:
    """Two layers: the input of the second and its output live at once, with the copy that a convolution makes of what goes in."""
    first, second = torch.nn.Linear(8, 1000, device="meta"), torch.nn.Linear(1000, 500, device="meta")
    given = torch.zeros(16, 8, device="meta")
    assert peak_bytes(lambda: second(first(given))) == 4 * 16 * 1500
    convolution = torch.nn.Conv2d(4, 6, 3, padding=1, bias=False, device="meta")
    image = torch.zeros(1, 4, 10, 10, device="meta")
    assert peak_bytes(lambda: convolution(image)) == 4 * 100 * (6 + 4)


def test_attention_holds_no_matrix_of_scores() -> None:
    query = torch.zeros(1, 2, 1000, 8, device="meta")
    run = torch.nn.functional.scaled_dot_product_attention
    assert peak_bytes(lambda: run(query, query, query)) == query.nbytes
