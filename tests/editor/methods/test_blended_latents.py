"""What happens to the latents: where a run begins, what is written over them after each step, with what they end."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import diffusers
import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from editor.diffusion.blending import LatentBlend
from editor.diffusion.denoise import denoise
from editor.diffusion.noise import Noise
from editor.errors import InvalidRequest
from editor.methods.blended_latent_diffusion.model import editing, reference, starting
from editor.model_canvas.canvas import ModelCanvas
from editor.requests.edit_request import EditRequest
from editor.requests.reports import outcome_of
from editor.requests.results import EditResult
from editor.requests.samplers import Sampler
from tests.support import pixels_stock
from tests.support.blended_cases import (
    REGION,
    Wishful,
    candidates,
    encoded,
    final,
    made_by,
    region_of,
    run,
    settings,
    step_draws,
    wish,
)
from tests.support.pixels_cases import (
    CELLS,
    MODELS,
    NEGATIVE,
    PROMPT,
    SIDE,
    Model,
    Recorded,
    cells,
    noise,
)
from tests.support.strategies import quick

Models = Callable[[str], Model]
Stocks = Callable[[str], Any]
pytestmark = [
    pytest.mark.filterwarnings("ignore:__array__ implementation:DeprecationWarning"),
]
INSIDE = torch.from_numpy(REGION > 0).expand(1, 4, *CELLS)
# Model, sampler, steps, strength: samplers with and without a memory or noise of their own, few steps, and one step.
KINDS: list[tuple[str, Sampler, int, float]] = [
    ("sd", "", 5, 1.0),
    ("sd", "dpmpp_2m", 6, 0.75),
    ("sd", "pndm", 5, 1.0),
    ("sd_v", "unipc", 6, 1.0),
    ("sd_v", "lcm", 4, 1.0),
    ("sd", "ddim", 1, 1.0),
    ("sdxl", "", 8, 0.3),
    ("sdxl", "euler_a", 4, 1.0),
    ("sdxl", "ddim", 2, 0.01),
    ("refiner", "dpmpp_2m", 4, 0.5),
    ("kandinsky", "", 4, 1.0),
    ("kandinsky", "dpmpp_2m", 5, 0.8),
]


def _begun(request: EditRequest, model: Model) -> starting.Start:
    image = ModelCanvas.of(request.frame, model.backend.info).image(request.image)
    begin = starting.begin if made_by(request) is editing else reference.begin
    return begin(request, region_of(request, model), model.backend, (request.seed,), image)


@pytest.mark.parametrize(("rule", "name", "first"), [("ref_sd2", "sd", 740), ("ref_sdxl", "sdxl", 741)])
def test_invariant_01_fifty_steps_of_which_a_quarter_is_left_out(
    models: Models, rule: Any, name: str, first: int
) -> None:
    asked = wish(cells(REGION) * np.float32(0.75), settings(rule=rule), steps=50, guidance_scale=1.0)
    model = models(name)
    backend = Wishful(model.backend, encoded(asked, model))
    run(asked, backend)
    assert len(backend.calls) == 38
    assert backend.calls[0] == first
    assert region_of(asked, model).skipped(50) == 12


def test_invariant_01_the_noise_levels(models: Models) -> None:
    """Those of section 2's table, as the schedules of the rules hold them."""
    late, early = (
        _begun(wish(None, settings(rule=rule), steps=50), models(name)).schedule
        for rule, name in (("ref_sd2", "sd"), ("ref_sdxl", "sdxl"))
    )
    expected = {980: 0.9971, 740: 0.9691, 480: 0.834, 240: 0.5567, 20: 0.1367, 0: 0.0292}
    known = dict(zip(late.timesteps.tolist(), late.levels, strict=True))
    assert {t: known[t] for t in expected} == pytest.approx(expected, abs=5e-4)
    sigmas = dict(zip(early.timesteps.int().tolist(), early.levels, strict=True))
    assert {t: sigmas[t] for t in (981, 741, 1)} == pytest.approx({981: 13.1204, 741: 3.9457, 1: 0.0413}, abs=5e-4)


@pytest.mark.parametrize("p", [0, 0.1, 0.25, 0.4, 0.5, 0.6, 0.75, 0.9, 0.98, 0.999])
@pytest.mark.parametrize("steps", [50, 8, 1])
def test_invariant_02_the_whole_number_of_skipped_steps_but_one_runs(models: Models, p: float, steps: int) -> None:
    region = cells(REGION) * np.float32(1 - p)
    skipped = region_of(wish(region, steps=steps), models("sd")).skipped(steps)
    assert skipped == min(steps - 1, int(steps * p + 1e-9))


@given(st.integers(1, 200), st.integers(1, 1000))
@quick
def test_invariant_02_whatever_the_numbers(steps: int, thousandths: int) -> None:
    region = starting.Region(None, None, float(np.float32(thousandths / 1000)), None, 0)  # type: ignore[arg-type]
    assert region.skipped(steps) == min(steps - 1, steps * (1000 - thousandths) // 1000)


def test_invariant_02_no_strength_at_all_is_refused() -> None:
    with pytest.raises(InvalidRequest, match="Nothing may change"):
        wish(np.zeros(SIDE.shape, np.float32))


@pytest.mark.parametrize(("name", "sampler"), [("sd", "ddim"), ("sd_v", "unipc"), ("sdxl", ""), ("kandinsky", "")])
def test_invariant_03_it_begins_with_the_noised_source(models: Models, name: str, sampler: Sampler) -> None:
    request = wish(cells(REGION) * np.float32(0.5), sampler=sampler, steps=8)
    model = models(name)
    image = ModelCanvas.of(request.frame, model.backend.info).image(request.image)
    found = starting.begin(request, region_of(request, model), model.backend, (11, 4), image)
    source = encoded(request, model)
    assert torch.equal(found.source, source)
    schedule = model.backend.schedule(8, sampler=sampler, first=4)
    assert found.schedule.timesteps.tolist() == schedule.timesteps.tolist()
    for index, seed in enumerate((11, 4)):
        expected = schedule.noised(source, noise(seed), schedule.first)
        assert torch.equal(found.latents[index : index + 1], expected)
    assert not torch.equal(found.latents[0], found.latents[1])


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("policy", ["fixed", "fresh"])
def test_invariant_04_outside_the_region_the_source_comes_back_bit_for_bit(
    models: Models, kind: tuple[str, Sampler, int, float], policy: Any
) -> None:
    name, sampler, steps, strength = kind
    free = np.random.default_rng(steps).random(CELLS) < 0.4
    asked = wish(cells(free) * np.float32(strength), settings(noise=policy, thin="on", widen=2), sampler=sampler)
    asked = replace(asked, steps=steps, guidance_scale=1.5)
    found = run(asked, models(name))[1]
    outside = torch.from_numpy(~free).expand_as(found)
    source = encoded(asked, models(name))
    assert torch.equal(found[outside], source[outside])
    assert (found != source)[~outside].float().mean() > 0.99
    assert torch.isfinite(found).all()


@pytest.mark.parametrize("steps", [50, 8, 4])
@pytest.mark.parametrize("widen", [0, 3])
def test_invariant_05_a_model_that_knows_what_it_wants_gets_it_inside_only(
    models: Models, steps: int, widen: int
) -> None:
    told = settings(thin="on", widen=widen)
    asked = wish(None, told, steps=steps, guidance_scale=1.0)
    model = models("sdxl")
    target = torch.randn(1, 4, *CELLS, generator=torch.Generator().manual_seed(3))
    backend = Wishful(model.backend, target)
    found = [final(candidate) for candidate in candidates(asked, (11, 4, 2), Model(model.folder, backend))]
    for each in found:
        assert (each - target)[INSIDE].abs().max() < 1e-6
        assert torch.equal(each[~INSIDE], encoded(asked, model)[~INSIDE])
        assert (each - found[0]).abs().max() < 2e-6


def test_invariant_06_ddim_that_ends_above_no_noise_leaves_a_little(models: Models) -> None:
    asked = wish(None, sampler="ddim", steps=50, guidance_scale=1.0)
    model = models("sd")
    assert not model.backend._pipeline.scheduler.config.set_alpha_to_one  # type: ignore[attr-defined]
    target = torch.randn(1, 4, *CELLS, generator=torch.Generator().manual_seed(3))
    found = run(asked, Wishful(model.backend, target))[1]
    assert 0.025 < float((found - target)[INSIDE].square().mean().sqrt()) < 0.035
    assert torch.equal(found[~INSIDE], encoded(asked, model)[~INSIDE])


@pytest.mark.parametrize(("name", "sampler"), [("sd", "ddim"), ("sdxl", ""), ("sd_v", "dpmpp_2m")])
@pytest.mark.parametrize("policy", ["fixed", "fresh"])
def test_invariant_08_the_background_is_at_the_level_of_every_next_step(
    models: Models, name: str, sampler: Sampler, policy: Any
) -> None:
    asked = wish(None, settings(noise=policy), sampler=sampler, steps=6, guidance_scale=1.0)
    recorded = run(asked, models(name))[2]
    source = encoded(asked, models(name))
    schedule = models(name).backend.schedule(6, sampler=sampler)
    drawn = [noise(11), *(step_draws(11, range(1, 6)) if policy == "fresh" else [noise(11)] * 5)]
    for i, seen in enumerate(recorded.inputs):
        t = float(schedule.timesteps[i])
        betas = torch.linspace(0.00085**0.5, 0.012**0.5, 1000, dtype=torch.float64) ** 2
        kept = torch.cumprod(1 - betas, 0)
        abar = float(np.interp(t, range(1000), kept.numpy()))
        back = (seen - abar**0.5 * source) / (1 - abar) ** 0.5  # also for Euler, whose network sees the scaled state
        assert (back - drawn[i])[~INSIDE].abs().max() < 2e-3
        assert (back - drawn[i])[INSIDE].abs().max() > 0.05 or i == 0
    assert policy == "fixed" or len({float(each[0, 0, 0, 0]) for each in drawn}) == 6


@pytest.mark.parametrize(("name", "sampler"), [("sd", "ddim"), ("sd_v", "dpmpp_2m"), ("sdxl", "")])
@pytest.mark.parametrize("strength", [0.5, 1.0])
def test_invariant_09_everything_free_is_plain_image_to_image(
    models: Models, stocks: Stocks, name: str, sampler: Sampler, strength: float
) -> None:
    asked = wish(np.full(SIDE.shape, strength, np.float32), sampler=sampler, steps=8, guidance_scale=6.0)
    stock = stocks(name)
    if sampler:
        kind = {"ddim": diffusers.DDIMScheduler, "dpmpp_2m": diffusers.DPMSolverMultistepScheduler}[sampler]
        more = {"clip_sample": False} if sampler == "ddim" else {}
        spacing = {"timestep_spacing": stock.scheduler.config.timestep_spacing}
        stock.scheduler = kind.from_config(stock.scheduler.config, **spacing, **more)
    expected = stock(
        prompt=PROMPT,
        negative_prompt=NEGATIVE,
        image=pixels_stock.encoded(stock, asked.image),
        strength=strength,
        num_inference_steps=8,
        guidance_scale=6.0,
        generator=Noise([11]).generators("start")[0],
        output_type="latent",
    ).images
    assert torch.equal(run(asked, models(name))[1], expected)


@pytest.mark.parametrize("name", ["sd_v", "sdxl"])
def test_invariant_09_nothing_free_ends_with_the_source(models: Models, name: str) -> None:
    backend = models(name).backend
    source = encoded(wish(), models(name))
    held = torch.full((1, 1, *CELLS), 4)
    for since in (None, torch.zeros_like(held)):
        anchor = LatentBlend(source, noise(2), held, since)
        done = denoise(lambda x, t: torch.ones_like(x), noise(1), anchor, backend.schedule(4))
        assert torch.equal(outcome_of(done).latents, source)


def test_invariant_10_a_region_and_its_complement_are_one_rule(models: Models) -> None:
    """a where it is free and b elsewhere is b where it is held and a elsewhere."""
    a, b = noise(1), noise(2)
    schedule = models("sdxl").backend.schedule(4)
    free = torch.from_numpy(REGION > 0)[None, None]
    never, ever = torch.tensor(5), torch.tensor(0)
    steps = torch.full((1, 1, *CELLS), 4)
    inside = LatentBlend(b, noise(3), steps, torch.where(free, never, ever)).finalise(a, schedule.steps[3])
    outside = LatentBlend(a, noise(3), steps, torch.where(free, ever, never)).finalise(b, schedule.steps[3])
    assert torch.equal(inside, outside)
    assert torch.equal(inside, torch.where(free, a, b))


@pytest.mark.parametrize("name", MODELS)
@pytest.mark.parametrize("guidance", [0.0, 1.0])
def test_invariant_11_without_guidance_one_pass(models: Models, name: str, guidance: float) -> None:
    recorded = Recorded(models(name).backend)
    results = candidates(
        wish(steps=3, sampler="ddim", guidance_scale=guidance), (1, 2), Model(models(name).folder, recorded)
    )
    assert [len(input_) for input_ in recorded.inputs] == [2] * 3
    assert len(results) == 2


def test_invariant_11_guidance_is_affine(models: Models) -> None:
    two, four, six = (
        run(wish(steps=1, sampler="ddim", guidance_scale=scale), models("sd"))[1] for scale in (2.0, 4.0, 6.0)
    )
    assert (two - six)[INSIDE].abs().max() > 1e-3
    assert ((two + six) / 2 - four).abs().max() < 1e-5 * four.abs().max()


@pytest.mark.parametrize("precision", [torch.float16, torch.bfloat16])
def test_invariant_12_a_little_noise_is_not_rounded_away(models: Models, precision: torch.dtype) -> None:
    schedule = _begun(wish(None, settings(rule="ref_sd2"), steps=50), models("sd")).schedule
    assert int(schedule.timesteps[-1]) == 0
    ones = torch.ones(4, dtype=precision)
    assert schedule.noised(ones * 0, ones, 49).tolist() == pytest.approx([0.0292] * 4, rel=0.01)


@pytest.mark.parametrize(
    ("name", "sampler", "policy"),
    [
        ("sd", "", "fresh"),
        ("sd_v", "lcm", "fixed"),
        ("sdxl", "euler_a", "fresh"),
        ("refiner", "unipc", "fixed"),
        ("kandinsky", "", "fresh"),
    ],
)
def test_invariant_19_candidates_do_not_know_of_one_another(
    models: Models, name: str, sampler: Sampler, policy: Any
) -> None:
    """Four at once, two and two, one by one, and in another order: the same, to rounding."""
    asked = wish(None, settings(noise=policy), steps=3, sampler=sampler, guidance_scale=2.0)
    seeds = (11, 4, 2**40, 0)
    chunks = [(seeds,), (seeds[:2], seeds[2:]), *([tuple((each,) for each in seeds)]), (seeds[::-1],)]
    found: list[dict[int, tuple[torch.Tensor, EditResult]]] = []
    for chunk in chunks:
        results = [candidate for part in chunk for candidate in candidates(asked, part, models(name))]
        found.append({each.recipe.seed: (final(each), each) for each in results})
    for seed in seeds:
        latents, result = found[2][seed]
        for other, same in (each[seed] for each in found):
            assert (other - latents).abs().max() <= 1e-5 * max(1.0, float(latents.abs().max()))
            assert same.rect == result.rect
            assert np.abs(same.pixels.astype(int) - result.pixels).max() <= 1
    first, second = (found[0][seed][0] for seed in seeds[:2])
    assert (first - second)[INSIDE].abs().max() > 1e-3


@pytest.mark.parametrize(
    ("name", "sampler", "rule"),
    [
        ("sdxl", "euler_a", "canonical"),
        ("kandinsky", "", "canonical"),
        ("sd", "lcm", "canonical"),
        ("sd", "", "ref_ldm"),
        ("sd", "", "ref_sd2"),
        ("sdxl", "", "ref_sdxl"),
    ],
)
def test_invariant_19_torchs_and_numpys_own_generators_play_no_part(
    models: Models, name: str, sampler: Sampler, rule: Any
) -> None:
    told = settings(rule=rule, noise="fresh", pixel_blending=0.5)
    asked = wish(None, told, steps=4 if rule == "canonical" else 10, sampler=sampler)
    made = []
    with torch.random.fork_rng(devices=[]):
        for seed in (1, 2):
            torch.manual_seed(seed)
            legacy = _numpys()
            made.append(run(asked, models(name))[0].pixels.tobytes())
            assert torch.equal(torch.random.get_rng_state(), torch.Generator().manual_seed(seed).get_state())
            assert _numpys() == legacy
    assert made[0] == made[1]


def _numpys() -> str:
    return str(np.random.get_state(legacy=False))  # noqa: NPY002  what a careless library would draw from
