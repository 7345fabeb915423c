"""Exemplars: who owns a cell, how firmly, in which order, and one after the other."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import torch
from numpy.typing import NDArray

from editor.diffusion.noise import Noise
from editor.methods.pixels.model import reference
from editor.methods.pixels.model.composing import Pass, Rule, picture_prompts
from editor.methods.pixels.model.reference import DIFFERENTIAL
from editor.methods.pixels.settings import PixelsSettings
from editor.model_canvas.canvas import ModelCanvas
from editor.requests.edit_request import EditRequest, ExemplarInput
from tests.support.pixels_cases import (
    CELLS,
    MODELS,
    SIDE,
    Model,
    ask,
    by_rule,
    cells,
    exemplar,
    latents_of,
    made_by,
    picture,
    run,
)

Models = Callable[[str], Model]
Map = NDArray[np.float32]
pytestmark = [
    pytest.mark.filterwarnings("ignore:__array__ implementation:DeprecationWarning"),
]
STEPS = 6


def _part(rows: slice, columns: slice) -> Map:
    found = np.zeros(CELLS)
    found[rows, columns] = 1
    return cells(found)


LEFT, RIGHT = _part(slice(1, 7), slice(1, 6)), _part(slice(2, 8), slice(9, 15))


def _settings(**more: Any) -> PixelsSettings:
    values: dict[str, Any] = {"match_tone": "off", "exemplar_prompt": 0.0}
    return by_rule(**{**values, **more})


def _ask(*exemplars: ExemplarInput, strength: Map | None = None, **settings: Any) -> EditRequest:
    free = np.full(SIDE.shape, 0.5, np.float32) if strength is None else strength
    return ask(free, *exemplars, settings=_settings(**settings), steps=2 * STEPS)


def _grid(map: Map) -> torch.Tensor:
    return torch.from_numpy(map[::8, ::8] > 0)


def _encoded(model: Model, pixels: NDArray[np.uint8]) -> torch.Tensor:
    return model.backend.encode((pixels / np.float32(255)).astype(np.float32))


def _counts(request: EditRequest, model: Model, strength: Map | None = None) -> NDArray[np.int64]:
    """How many of the last `STEPS` steps each cell is held."""
    working = ModelCanvas.of(request.frame, model.backend.info)
    map = request.strength if strength is None else strength
    assert isinstance(request.settings, PixelsSettings)
    rule = DIFFERENTIAL if made_by(request) is reference else Rule()
    of = Pass(request, request.exemplars, map, working, model.backend, rule)
    _, until = rule.releases(
        of, lambda first, ladder: model.backend.schedule(request.steps, sampler="ddim", first=first)
    )
    return until - (request.steps - STEPS)


@pytest.mark.parametrize("name", MODELS)
def test_invariant_08_without_exemplars_it_is_the_published_rule_with_our_counts(models: Models, name: str) -> None:
    """On a map of whole steps both count alike; the anchor is the source; only the last restoring differs, where nothing is free."""
    keep = cells(np.arange(np.prod(CELLS)).reshape(CELLS) % 8 / 8)  # eighths are exact in float32; never all
    request = ask((1 - keep) * np.float32(0.5), settings=_settings(), steps=16, sampler="ddim")
    model = models(name)
    seen = []
    for rule in ("hold", "differential"):
        asked = replace(request, settings=_settings(rule=rule))
        sampled = replace(model, backend=_MeanOnly(model.backend))
        seen.append(latents_of(asked, sampled))
    assert torch.equal(*seen)


class _MeanOnly:
    """A model whose posterior has no width, so that drawing from it is its mean."""

    def __init__(self, backend: Any) -> None:
        self._backend = backend

    def sample(self, image: Any, generator: torch.Generator) -> torch.Tensor:
        found: torch.Tensor = self._backend.encode(image)
        return found

    def __getattr__(self, name: str) -> Any:
        return getattr(self._backend, name)


@pytest.mark.parametrize("compose", ["latents", "pixels"])
def test_invariant_08_an_exemplar_that_lets_nothing_in_is_an_absent_one(models: Models, compose: str) -> None:
    nothing = exemplar(2, np.zeros(SIDE.shape, np.float32))
    barred = exemplar(2, strength=np.zeros(SIDE.shape, np.float32))
    without = latents_of(_ask(compose=compose), models("sdxl"))
    for each in (nothing, barred):
        assert torch.equal(latents_of(_ask(each, compose=compose), models("sdxl")), without)


@pytest.mark.parametrize("name", MODELS)
@pytest.mark.parametrize("compose", ["latents", "pixels"])
def test_invariant_09_exemplars_side_by_side_commute(models: Models, name: str, compose: str) -> None:
    first, second = exemplar(2, LEFT), exemplar(3, RIGHT, fidelity=RIGHT * np.float32(0.5))
    one = latents_of(_ask(first, second, compose=compose), models(name))
    assert torch.equal(one, latents_of(_ask(second, first, compose=compose), models(name)))
    assert not torch.equal(one, latents_of(_ask(first, compose=compose), models(name)))


@pytest.mark.parametrize("compose", ["latents", "pixels"])
def test_invariant_09_of_overlapping_ones_the_later_is_on_top(models: Models, compose: str) -> None:
    over = _part(slice(2, 6), slice(3, 12))
    first, second = exemplar(2, LEFT), exemplar(3, over)
    one = latents_of(_ask(first, second, compose=compose), models("sdxl"))
    assert not torch.equal(one, latents_of(_ask(second, first, compose=compose), models("sdxl")))
    # Where the upper one hides the lower one altogether, the lower one might as well be away.
    if compose == "latents":
        hidden = exemplar(2, _part(slice(3, 5), slice(4, 7)))
        alone = latents_of(_ask(second, compose=compose), models("sdxl"))
        assert torch.equal(latents_of(_ask(hidden, second, compose=compose), models("sdxl")), alone)


@pytest.mark.parametrize("name", MODELS)
def test_invariant_10_an_exemplar_of_full_fidelity_comes_out_exactly(models: Models, name: str) -> None:
    model = models(name)
    one = exemplar(2, LEFT, fidelity=np.ones(SIDE.shape, np.float32))
    found = latents_of(_ask(one, compose="latents"), model)
    shown = np.where(LEFT[..., None] > 0, one.pixels, picture(1))
    owned = _grid(LEFT).expand_as(found)
    assert torch.equal(found[owned], _encoded(model, shown)[owned])
    assert not torch.isclose(found[~owned], _encoded(model, shown)[~owned]).any(dim=-1).all()


@pytest.mark.parametrize("fidelity", [0.0, 0.25, 0.5, 0.9, 1.0])
def test_fidelity_is_the_share_of_the_steps_for_which_an_exemplar_is_held(models: Models, fidelity: float) -> None:
    """Round(f T), ties up; the source around it goes by the strength alone."""
    strength = np.where(LEFT > 0, 0.5, 0.25).astype(np.float32)
    one = exemplar(2, LEFT, fidelity=np.full(SIDE.shape, fidelity, np.float32))
    found = _counts(_ask(one, strength=strength), models("sdxl"))
    owned = _grid(LEFT).numpy()
    assert (found[owned] == np.floor(fidelity * STEPS + 0.5)).all()
    assert (found[~owned] == STEPS // 2).all()


def test_the_more_faithful_the_nearer_to_the_exemplar(models: Models) -> None:
    """The hold is what does it: with a random network the ends are certain and the middle lies between."""
    model = models("sdxl")
    target = _encoded(model, exemplar(2).pixels)
    away = []
    for fidelity in (0.0, 0.5, 1.0):
        one = exemplar(2, fidelity=np.full(SIDE.shape, fidelity, np.float32))
        away.append(float((latents_of(_ask(one), model) - target).norm()))
    assert away[2] == 0
    assert away[1] < away[0]


def test_an_exemplar_shows_even_where_the_strength_is_in_between(models: Models) -> None:
    """What the published rule cannot do (section 4, point 3): painted at 0.6 of what is strongest, it is there from the start."""
    strength = np.where(LEFT > 0, 0.3, 0).astype(np.float32)
    strength[:, -8:] = 0.5
    one, other = exemplar(2, LEFT), exemplar(3, LEFT)
    owned = _grid(LEFT).expand(1, 4, *CELLS)
    found = [latents_of(_ask(each, strength=strength), models("sdxl")) for each in (one, other)]
    assert (found[0] - found[1])[owned].abs().max() > 0.1
    told = [latents_of(_ask(each, strength=strength, rule="reference"), _mean(models("sdxl"))) for each in (one, other)]
    assert torch.equal(*told)


def _mean(model: Model) -> Model:
    return replace(model, backend=_MeanOnly(model.backend))


@pytest.mark.parametrize(("share", "owns"), [(0.4, False), (0.5, True), (1.0, True)])
def test_an_exemplar_owns_the_cells_that_it_covers_by_half(models: Models, share: float, owns: bool) -> None:
    alpha = np.zeros(SIDE.shape, np.float32)
    alpha[8:16, 8 : 8 + 8] = share
    one = exemplar(2, alpha, fidelity=np.ones(SIDE.shape, np.float32))
    found = _counts(_ask(one), models("sdxl"))
    assert (found == STEPS).sum() == int(owns)


def test_thin_strokes_count_only_where_they_are_asked_to(models: Models) -> None:
    """A line of three pixels: 0.375 of what is strongest by area; nothing in the published reduction, all as a thin stroke."""
    strength = _part(slice(0, 8), slice(12, 16)) * np.float32(0.5)
    strength[:, 32:35] = 0.5
    model = models("sdxl")
    column = {
        "area": _counts(_ask(strength=strength), model)[:, 4],
        "thin": _counts(_ask(strength=strength, thin_strokes=True), model)[:, 4],
        "published": _counts(_ask(strength=strength, rule="differential"), model)[:, 4],
    }
    assert (column["area"] == np.floor((1 - 0.375) * STEPS + 0.5)).all()
    assert (column["thin"] == 0).all()
    assert (column["published"] == STEPS).all()


def test_map_scales_agree_at_the_ends_and_differ_between(models: Models) -> None:
    strength = np.tile(np.linspace(0, 0.5, SIDE.width, dtype=np.float32), (SIDE.height, 1))
    found = {
        scale: _counts(replace(_ask(strength=strength, map_scale=scale), overall=0.5), models("sdxl"))[0]
        for scale in ("index", "noise")
    }
    for counts in found.values():
        assert (np.diff(counts) <= 0).all()
        assert counts[0] >= STEPS - 1
        assert counts[-1] <= 1
    assert (found["index"] != found["noise"]).any()


def test_absolute_strength_means_the_same_noise_whatever_else_was_painted(models: Models) -> None:
    """Painted at 0.3, a cell is let go at the same timestep in a run of 0.5 and in one of 0.8."""
    let_go = []
    for overall in (0.5, 0.8):
        strength = np.where(LEFT > 0, 0.3, overall).astype(np.float32)
        asked = ask(strength, settings=_settings(map_scale="absolute"), steps=20, guidance_scale=1.0)
        recorded = run(asked, models("sdxl"))[2]
        source = _encoded(models("sdxl"), asked.image)
        schedule = models("sdxl").backend.schedule(20, overall)
        inner = np.s_[..., 3:5, 3:4]
        start = schedule.noised(source, Noise([11]).like(source), schedule.first)
        assert torch.equal(recorded.inputs[0], schedule.model_input(start, schedule.first))
        held = []
        for step, seen in zip(schedule.steps, recorded.inputs, strict=True):
            level = step.noised(source, Noise([11]).like(source))
            expected = level / (step.sigma**2 + 1) ** 0.5
            held.append(torch.allclose(seen[inner], expected[inner], atol=1e-5))
        let_go.append(recorded.times[held.index(False)])
    assert let_go[0] == let_go[1]
    assert let_go[0] <= 300


def test_invariant_12_and_dither_keep_to_the_map(models: Models) -> None:
    strength = np.tile(np.linspace(0, 0.5, SIDE.width, dtype=np.float32), (SIDE.height, 1))
    plain, dithered = (_counts(_ask(strength=strength, dither=dither), models("sdxl")) for dither in (False, True))
    assert np.abs(plain - dithered).max() <= 1
    assert (plain != dithered).any()


def test_one_by_one_a_later_exemplar_sees_the_earlier(models: Models) -> None:
    """The second pass starts from what the first one made, pasted back; the first pass is a run of the first alone."""
    model = models("sdxl")
    first = exemplar(2, LEFT, rim=LEFT * np.float32(0.5))
    second = exemplar(3, RIGHT, rim=RIGHT * np.float32(0.5))
    strength = np.maximum(first.rim, second.rim)
    asked = _ask(first, second, strength=strength, passes="one_by_one")
    result, _, recorded = run(asked, model)
    assert len(recorded.decoded) == 2
    assert len(recorded.inputs) == 2 * STEPS
    alone, latents, _ = run(_ask(first, strength=first.rim.copy()), model)
    assert torch.equal(recorded.decoded[0], latents)
    # Outside the second one's region the document shows the first pass, to the bit.
    whole = _whole(asked, result)
    expected = _whole(asked, alone)
    assert (whole[second.rim == 0] == expected[second.rim == 0]).all()
    assert whole[second.rim > 0].any()
    # The second pass held what the first one had made: its kept cells are that picture's.
    shown = _over(asked.image, expected)
    kept = ~_grid(second.rim)
    kept[:, 5:] = False  # ... where neither the soft edge nor the encoder's view reaches
    difference = (recorded.decoded[1] - _encoded(model, shown))[:, :, kept]
    assert difference.abs().max() < 0.05
    changed = (recorded.decoded[1] - _encoded(model, asked.image))[:, :, kept]
    assert changed.abs().max() > 2 * difference.abs().max()


def test_one_by_one_each_pass_has_its_own_noise(models: Models) -> None:
    """Seed + k: the second pass is what a run of seed + 1 on the first one's result starts from."""
    model = models("sdxl")
    same = exemplar(2, LEFT, rim=LEFT * np.float32(0.5))
    asked = _ask(same, replace(same), strength=same.rim.copy(), passes="one_by_one", rule="differential")
    recorded = run(asked, model)[2]
    schedule = model.backend.schedule(2 * STEPS, 0.5)
    held = ~_grid(LEFT).expand(1, 4, *CELLS)
    first, second = (recorded.inputs[k * STEPS][:1] for k in (0, 1))
    grid = torch.zeros(1, 4, *CELLS)
    noises = [Noise([11 + k]).like(grid) for k in (0, 1)]
    clean = [
        (each * (schedule.levels[0] ** 2 + 1) ** 0.5 - schedule.levels[0] * noise)[held]
        for each, noise in zip((first, second), noises, strict=True)
    ]
    # Both are the source, or nearly (posteriors are drawn); with the wrong noise they would differ by sigma times two units.
    assert (clean[0] - clean[1]).std() < 0.3 * schedule.levels[0]


def test_together_and_with_one_exemplar_there_is_one_pass(models: Models) -> None:
    both = exemplar(2, LEFT), exemplar(3, RIGHT)
    assert len(run(_ask(*both), models("sdxl"))[2].decoded) == 1
    assert len(run(_ask(both[0], passes="one_by_one"), models("sdxl"))[2].decoded) == 1


def test_one_by_one_what_was_painted_besides_is_done_in_the_first_pass(models: Models) -> None:
    first, second = (exemplar(k, map, rim=map * np.float32(0.5)) for k, map in ((2, LEFT), (3, RIGHT)))
    strength = np.maximum(first.rim, second.rim)
    strength[:8, 56:64] = 0.4
    asked = _ask(first, second, strength=strength, passes="one_by_one")
    result = run(asked, models("sdxl"))[0]
    assert (_whole(asked, result)[:8, 58:62, 3] > 0).any()
    assert (_whole(asked, result)[strength == 0][:, 3] == 0).all()


def test_pictures_as_prompts_are_cut_out_on_white_and_weighed() -> None:
    one = exemplar(2, LEFT, prompt_weight=2.0)
    (found,) = picture_prompts([one, exemplar(3, RIGHT, prompt_weight=0.0), exemplar(4, LEFT * 0)])
    assert found.weight == 2
    assert found.image.shape == (48, 40, 3)
    assert np.abs(found.image - one.pixels[8:56, 8:48] / np.float32(255)).max() < 1e-6
    ragged = LEFT.copy()
    ragged[8:16, 8:16] = 0
    (found,) = picture_prompts([exemplar(2, ragged)])
    assert (found.image[:8, :8] == 1).all()


def _whole(request: EditRequest, result: Any) -> NDArray[np.uint8]:
    found = np.zeros((*request.frame.rect.size.shape, 4), np.uint8)
    found[result.rect.within(request.frame.rect).slices] = result.pixels
    return found


def _over(image: NDArray[np.uint8], layer: NDArray[np.uint8]) -> NDArray[np.uint8]:
    weight = layer[..., 3:] / 255.0
    return np.rint(weight * layer[..., :3] + (1 - weight) * image).astype(np.uint8)
