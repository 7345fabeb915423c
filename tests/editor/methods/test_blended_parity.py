"""Against the algorithm written straight down, ours and the three published scripts: bit for bit in float32."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import diffusers
import numpy as np
import pytest
import torch

from editor.diffusion.backend import Image
from editor.diffusion.blending import Blend
from editor.diffusion.denoise import denoise
from editor.diffusion.noise import Noise
from editor.diffusion.schedule import Schedule
from editor.errors import InvalidRequest
from editor.methods.blended_latent_diffusion.model import reference, starting
from editor.methods.blended_latent_diffusion.model.reference import Late, ldm_timesteps
from editor.model_canvas.canvas import ModelCanvas
from editor.requests.edit_request import EditRequest
from editor.requests.reports import outcome_of
from editor.requests.samplers import Sampler
from tests.support import blended_oracle, pixels_stock
from tests.support.blended_cases import (
    REGION,
    as_map,
    candidates,
    draws,
    encoded,
    final,
    keyed,
    region_of,
    run,
    settings,
    step_draws,
    wish,
)
from tests.support.pixels_cases import CELLS, SIDE, Map, Model, cells, noise, picture
from tests.support.tables import mostly_slow

Models = Callable[[str], Model]
Stocks = Callable[[str], Any]
pytestmark = [
    pytest.mark.filterwarnings("ignore:__array__ implementation:DeprecationWarning"),
]
KINDS: dict[Sampler, Any] = {
    "ddim": diffusers.DDIMScheduler,
    "euler": diffusers.EulerDiscreteScheduler,
    "euler_a": diffusers.EulerAncestralDiscreteScheduler,
    "dpmpp_2m": diffusers.DPMSolverMultistepScheduler,
    "unipc": diffusers.UniPCMultistepScheduler,
    "lcm": diffusers.LCMScheduler,
}
# Model, sampler (empty: its own), steps, strength, steps left out.
RUNS: list[tuple[str, Sampler, int, float, int]] = [
    ("sd", "ddim", 8, 0.75, 2),
    ("sd", "dpmpp_2m", 8, 1.0, 0),
    ("sd", "unipc", 6, 1.0, 0),
    ("sd_v", "", 7, 0.5, 3),
    ("sd_v", "euler_a", 6, 1.0, 0),
    ("sdxl", "", 8, 0.75, 2),
    ("sdxl", "lcm", 4, 1.0, 0),
    ("kandinsky", "", 5, 1.0, 0),
    ("kandinsky", "ddim", 6, 0.5, 3),
]
STRIPE = np.zeros(CELLS, np.float32)
STRIPE[4, 2:13] = 1


def _scheduler(stock: Any, sampler: Sampler, steps: int) -> Any:
    found = stock.scheduler
    if sampler:
        more = {"clip_sample": False} if sampler == "ddim" else {}
        found = KINDS[sampler].from_config(
            {name: value for name, value in found.config.items() if name != "variance_type"}, **more
        )
    found.set_timesteps(steps)
    return found


@pytest.mark.parametrize("run_of", mostly_slow(RUNS))
@pytest.mark.parametrize("policy_of", [("fixed", 0), ("fixed", 3), ("fresh", 3)])
@pytest.mark.parametrize("revision", [2, 3])
def test_ours_is_the_canonical_algorithm(
    models: Models,
    stocks: Stocks,
    run_of: tuple[str, Sampler, int, float, int],
    policy_of: tuple[Any, int],
    revision: int,
) -> None:
    """By revision 2 noise was drawn from one stream for the whole run; since 3 each step has its own, by its place among all."""
    (name, sampler, steps, strength, k), (policy, widen) = run_of, policy_of
    told = settings(noise=policy, thin="on" if widen else "off", widen=widen)
    region = cells(STRIPE if widen else REGION)
    draws_itself = sampler in ("euler_a", "lcm") or (name, sampler) == ("kandinsky", "")
    if revision == 2 and not draws_itself and policy == "fixed":
        return  # nothing is drawn on the way
    request = wish(region * np.float32(strength), told, sampler=sampler, steps=steps, guidance_scale=5.0)
    request = replace(request, revision=revision)
    stock, ran = stocks(name), steps - k
    masks = blended_oracle.stack(STRIPE if widen else REGION, widen)
    fresh = [noise(11)] * ran
    if policy == "fresh":
        fresh = draws([11], ran) if revision == 2 else step_draws(11, range(k + 1, steps + 1))
    one = keyed(11, "sampler")
    expected = blended_oracle.canonical(
        pixels_stock.net(name, stock, models(name)),
        _scheduler(stock, sampler, steps),
        k,
        z0=pixels_stock.encoded(stock, request.image),
        maps=[as_map(masks[j]) for j in blended_oracle.canonical_stages(ran, widen)],
        initial=noise(11),
        blends=fresh,
        w=5.0,
        generator=(lambda i: one if revision == 2 else keyed(11, f"sampler@{i}")) if draws_itself else None,
    )
    _, found, recorded = run(request, models(name))
    assert len(recorded.inputs) == ran
    assert torch.equal(found, expected)
    assert torch.equal(recorded.decoded[0], expected)


def _image() -> Image:
    return np.asarray(picture(1) / np.float32(255), np.float32)


def _soft() -> Map:
    """Grey here and there; what lies in the middle of a cell is not its mean."""
    random = np.random.default_rng(9)
    found = np.where(random.random(SIDE.shape) < 0.3, random.random(SIDE.shape), cells(REGION)).astype(np.float32)
    found[20, 20] = 1
    return found


@pytest.mark.parametrize(("rule", "name"), [("ref_sd2", "sd"), ("ref_sd2", "sd_v"), ("ref_sdxl", "sdxl")])
@pytest.mark.parametrize("lengths", [(10, 0.25, 2), (16, 0.5, 8)])
def test_invariant_20_the_later_scripts_bit_for_bit(
    models: Models, stocks: Stocks, rule: Any, name: str, lengths: tuple[int, float, int]
) -> None:
    _later_script(models, stocks, rule, name, lengths)


@pytest.mark.parametrize("w", [0.0, 0.5, 1.0])
def test_the_second_script_asks_twice_at_any_guidance(models: Models, stocks: Stocks, w: float) -> None:
    _later_script(models, stocks, "ref_sd2", "sd", (10, 0.25, 2), w=w)


def _later_script(
    models: Models, stocks: Stocks, rule: Any, name: str, lengths: tuple[int, float, int], *, w: float = 5.0
) -> None:
    (steps, p, k), region = lengths, _soft()
    request = wish(region * np.float32(1 - p), settings(rule=rule), steps=steps, guidance_scale=w)
    stock = stocks(name)
    config = stock.scheduler.config
    scheduler = blended_oracle.euler(config, steps) if rule == "ref_sdxl" else blended_oracle.ddim(config, steps, 0)
    z0 = pixels_stock.encoded(stock, request.image)
    assert int(scheduler.timesteps[k]) == 1000 // steps * (steps - 1 - k) + (rule == "ref_sdxl")
    expected = blended_oracle.ref_late(
        pixels_stock.net(name, stock, models(name)),
        scheduler,
        k,
        z0=z0,
        m=as_map(blended_oracle.nearest(region) >= 0.5),
        start=noise(11) if rule == "ref_sd2" else blended_oracle.q(scheduler, z0, k, noise(11)),
        blends=draws([11], steps - k),
        w=w,
    )
    _, found, recorded = run(request, models(name))
    assert len(recorded.inputs) == steps - k
    assert torch.equal(found, expected)


def _ldm(
    stocks: Stocks,
    model: tuple[str, Model],
    request: EditRequest,
    *,
    k: int,
    d: int = 0,
    fraction: float = 0.0,
    **more: Any,
) -> torch.Tensor:
    """The oracle's run of "ref_ldm"; what it must be told is drawn and cut out here anew."""
    name = model[0]
    stock = stocks(name)
    steps = blended_oracle.ldm_list(request.steps)
    scheduler = blended_oracle.ddim(stock.scheduler.config, request.steps, 1)
    scheduler.timesteps = torch.tensor(steps)
    whole = request.strength / request.strength.max()
    masks = blended_oracle.stack(blended_oracle.nearest(whole), d)
    ran = len(steps) - k
    c = int(ran * (1 - fraction))
    drawn = draws([request.seed, request.seed], ran)
    sampling = Noise([request.seed]).generators("sampler")[0]

    @torch.no_grad()
    def again(clean: torch.Tensor) -> torch.Tensor:
        image = stock.vae.decode(clean / stock.vae.config.scaling_factor).sample
        image = image / 2 + 0.5  # not clipped: the published script encodes what it decoded as it is
        source = torch.from_numpy(request.image.transpose(2, 0, 1) / np.float32(255))[None]
        mixed = torch.where(torch.from_numpy(whole)[None, None] >= 0.5, image, source)
        posterior = stock.vae.encode(2.0 * mixed - 1.0).latent_dist
        sampled: torch.Tensor = posterior.sample(sampling) * stock.vae.config.scaling_factor
        return sampled

    if more.pop("by_hand", False):
        more["nets"] = blended_oracle.ddim_by_hand(scheduler, steps)
    return blended_oracle.ref_ldm(
        pixels_stock.net(name, stock, model[1]),
        scheduler,
        k,
        z0=pixels_stock.encoded(stock, request.image, Noise([request.seed]).generators("posterior")[0]),
        maps=[as_map(masks[j]) for j in blended_oracle.ldm_stages(ran, d)],
        initial=noise(request.seed),
        blends=[each[:1] if r < c else each[1:] for r, each in enumerate(drawn)],
        w=request.guidance_scale,
        fraction=fraction,
        again=again,
        **more,
    )


@pytest.mark.parametrize("name", ["sd", "sdxl"])
@pytest.mark.parametrize("lengths", mostly_slow([(12, 0.5, 6), (10, 0.0, 0), (30, 0.75, 23)], 3))
@pytest.mark.parametrize("d", [0, 3])
def test_invariant_20_the_first_script_bit_for_bit(
    models: Models, stocks: Stocks, name: str, lengths: tuple[int, float, int], d: int
) -> None:
    """With 12 and 30 steps its list is longer than asked for."""
    steps, p, k = lengths
    told = settings(rule="ref_ldm", thin="on" if d else "off", widen=d)
    request = wish(_soft() * np.float32(1 - p), told, steps=steps, guidance_scale=5.0)
    expected = _ldm(stocks, (name, models(name)), request, k=k, d=d)
    _, found, recorded = run(request, models(name))
    assert len(recorded.inputs) == len(ldm_timesteps(steps)) - k
    assert torch.equal(found, expected)
    by_hand = _ldm(stocks, (name, models(name)), request, k=k, d=d, by_hand=True)
    assert (found - by_hand).abs().max() < 2e-6 * found.abs().max()


@pytest.mark.parametrize(("fraction", "p", "k"), [(0.3, 0.5, 5), (0.4, 0.0, 0), (1.0, 0.5, 5)])
def test_invariant_20_the_first_script_with_blended_pictures(
    models: Models, stocks: Stocks, fraction: float, p: float, k: int
) -> None:
    told = settings(rule="ref_ldm", pixel_blending=fraction)
    request = wish(_soft() * np.float32(1 - p), told, steps=10, guidance_scale=5.0)
    expected = _ldm(stocks, ("sd", models("sd")), request, k=k, fraction=fraction)
    assert torch.equal(run(request, models("sd"))[1], expected)
    assert not torch.equal(_ldm(stocks, ("sd", models("sd")), request, k=k), expected)


def test_the_first_script_draws_its_background_once_for_all_candidates(models: Models) -> None:
    """So what lies outside the region is the same in all of them before the last step, and they differ in it all the same."""
    request = wish(None, settings(rule="ref_ldm"), steps=10)
    assert request.seed == 11
    several = [final(candidate) for candidate in candidates(request, (11, 4), models("sd"))]
    alone = run(request, models("sd"))[1]
    assert (several[0] - alone).abs().max() < 1e-4
    seen = run(replace(request, guidance_scale=1.0), models("sd"))[2].inputs
    start = reference.begin(request, region_of(request, models("sd")), models("sd").backend, (11, 4), _image())
    first = start.blend.before_step(start.latents, start.schedule.steps[0])
    outside = torch.from_numpy(REGION == 0).expand_as(seen[0])
    assert torch.equal(first[:1][outside], first[1:][outside])
    assert torch.equal(first[:1], seen[0])
    assert not torch.equal(first[:1], first[1:])


@pytest.mark.parametrize(("steps", "long"), [(50, 50), (30, 31), (60, 63), (75, 77), (10, 10)])
def test_the_first_scripts_list_of_timesteps(steps: int, long: int) -> None:
    found = ldm_timesteps(steps)
    assert list(found) == blended_oracle.ldm_list(steps)
    assert len(found) == long
    assert found[-1] == 1


def test_numbers_of_steps_that_the_first_script_cannot_do_are_refused() -> None:
    """Its list would ask for a level beyond the last."""
    lost = [steps for steps in range(1, 1001) if blended_oracle.ldm_list(steps)[0] == 1000]
    assert {300, 333, 1000} <= set(lost)
    assert lost[:5] == [3, 9, 27, 36, 37]
    for steps in range(1, 1001):
        if steps in lost:
            with pytest.raises(InvalidRequest, match=f" {steps} "):
                ldm_timesteps(steps)
        else:
            assert list(ldm_timesteps(steps)) == blended_oracle.ldm_list(steps)


@pytest.mark.parametrize("rule", ["ref_ldm", "ref_sd2", "ref_sdxl"])
def test_invariant_07_few_steps_are_refused(models: Models, rule: Any) -> None:
    model = models("sdxl")
    request = wish(None, settings(rule=rule), steps=4)
    with pytest.raises(InvalidRequest, match="few"):
        run(request, model)
    distilled = replace(model.backend.info, steps=4)
    backend = _Renamed(model.backend, distilled)
    with pytest.raises(InvalidRequest, match="few"):
        run(replace(request, steps=20), backend)


def test_the_published_rules_refuse_what_they_cannot_do(models: Models) -> None:
    with pytest.raises(InvalidRequest, match="sampler"):
        run(wish(None, settings(rule="ref_sd2"), steps=10, sampler="euler"), models("sd"))
    with pytest.raises(InvalidRequest, match="27"):
        run(wish(None, settings(rule="ref_ldm"), steps=27), models("sd"))
    line = np.zeros(SIDE.shape, np.float32)
    line[:, 16:20] = 1
    for rule in ("ref_ldm", "ref_sd2", "ref_sdxl"):
        with pytest.raises(InvalidRequest, match="thin"):
            run(wish(line, settings(rule=rule), steps=10), models("sd"))
    request = wish()
    with pytest.raises(TypeError):
        reference.begin(request, region_of(request, models("sd")), models("sd").backend, (1,), _image())


class _Renamed:
    def __init__(self, backend: Any, info: Any) -> None:
        self._backend, self.info = backend, info

    def __getattr__(self, name: str) -> Any:
        return getattr(self._backend, name)


@pytest.mark.parametrize(
    ("rule", "low", "high"), [("ref_sd2", 0.024, 0.032), ("ref_sdxl", 0.035, 0.045), ("canonical", 0.0, 0.0)]
)
def test_invariant_07_what_noise_the_rules_leave_outside(models: Models, rule: Any, low: float, high: float) -> None:
    request = wish(None, settings(rule=rule), steps=50, guidance_scale=1.0)
    found = run(request, models("sdxl"))[1]
    outside = torch.from_numpy(REGION == 0).expand_as(found)
    rest = float((found - encoded(request, models("sdxl")))[outside].square().mean().sqrt())
    assert low <= rest <= high


def test_invariant_07_why_few_steps_are_refused(models: Models) -> None:
    """Four steps of a few-step model's own levels leave more than half of all noise."""
    model = models("sdxl")
    source = encoded(wish(), model)
    own = diffusers.EulerDiscreteScheduler(
        beta_start=0.00085, beta_end=0.012, beta_schedule="scaled_linear", timestep_spacing="trailing"
    )
    schedule = Schedule(own, steps=4)
    assert schedule.timesteps.tolist() == [999, 749, 499, 249]
    draw = Noise([11]).stream(source, "blend")
    holds: Blend = Late(source, as_map(REGION) > 0, draw)
    done = outcome_of(denoise(lambda x, t: torch.zeros_like(x), schedule.noised(source, noise(11), 0), holds, schedule))
    outside = torch.from_numpy(REGION == 0).expand_as(source)
    assert (done.latents - source)[outside].square().mean().sqrt() > 0.5


def test_the_canonical_start_is_not_the_published_one(models: Models) -> None:
    """ "ref_sd2" begins with noise alone, the others with the source in it."""
    model = models("sd")
    image = ModelCanvas.of(wish().frame, model.backend.info).image(wish().image)
    for rule, knows in (("canonical", True), ("ref_ldm", True), ("ref_sd2", False), ("ref_sdxl", True)):
        request = wish(None, settings(rule=rule), steps=10, sampler="")
        begin = starting.begin if rule == "canonical" else reference.begin
        black, shown = (
            begin(request, region_of(request, model), model.backend, (11,), each).latents
            for each in (np.zeros_like(image), image)
        )
        assert torch.equal(black, shown) is not knows
