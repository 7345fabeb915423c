"""Numbers that are none: noticed where they come up, put right where more precision does it, and told where nothing does."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import torch
from accelerate import cpu_offload

from editor.diffusion.backend import Backend
from editor.diffusion.blending import LatentBlend
from editor.diffusion.conditioning import conditioned_denoiser
from editor.diffusion.denoise import denoise
from editor.diffusion.finite import Watch, diagnosed
from editor.diffusion.loading import load
from editor.diffusion.optimise import minimise
from editor.diffusion.ranking import ClipPreprocess, ClipScorer
from editor.diffusion.schedule import Schedule
from editor.diffusion.step import Step
from editor.diffusion.widening import Widening, full_precision
from editor.errors import InvalidRequest, NotFinite
from editor.geometry import Rect, Size
from editor.models.inspect import inspect
from editor.models.memory import Fit, Plan
from editor.models.rankers import RankerInfo
from editor.requests.reports import FinishEarly, Preview, Progress, Reports, outcome_of
from editor.requests.samplers import Sampler
from tests.support.diffusion import free, picture

# diffusers' schedulers hand tensors to numpy in the old way.
pytestmark = pytest.mark.filterwarnings("ignore:__array__ implementation:DeprecationWarning")

NAN, INFINITE = float("nan"), float("inf")
PLAIN, HALF = (Fit(Plan("cpu", "float32", vae), 0, 0) for vae in ("float32", "float16"))
SIDE = 64
Loaded = Callable[..., Backend]


@pytest.fixture
def loaded(tiny_folder: Callable[[str], Path]) -> Loaded:
    """A model of one's own, by name, to be harmed."""
    return lambda name, fit=PLAIN: outcome_of(load(inspect(tiny_folder(name)), fit))


def part(backend: Any, name: str) -> Any:
    for at in vars(backend).values():
        if name in getattr(at, "components", {}):
            return at.components[name]
    raise KeyError(name)


def arrays(network: torch.nn.Module) -> dict[str, tuple[int, torch.dtype, torch.Tensor]]:
    """Where every weight lies, of what kind it is, and what it says."""
    return {key: (each.data_ptr(), each.dtype, each.clone()) for key, each in network.state_dict().items()}


def unmoved(before: dict[str, tuple[int, torch.dtype, torch.Tensor]], network: torch.nn.Module) -> bool:
    after = arrays(network)
    return before.keys() == after.keys() and all(
        before[key][:2] == after[key][:2] and torch.equal(before[key][2], after[key][2]) for key in before
    )


def overflowing(network: Any, half: str) -> None:
    """Make numbers inside grow beyond half precision (65,504), from which the next norm would bring them back."""
    with torch.no_grad():
        getattr(network, half).conv_in.weight.mul_(3e4)
        getattr(network, half).conv_in.bias.fill_(6e4)


# The loop


def levels(sampler: Sampler = "ddim", steps: int = 4, **more: Any) -> Schedule:
    import diffusers

    usual = {"beta_start": 0.00085, "beta_end": 0.012, "beta_schedule": "scaled_linear", "clip_sample": False}
    own = diffusers.DDIMScheduler(**usual, **more)
    return Schedule(own, sampler=sampler, steps=steps)


def spoiled(at: int, rows: tuple[int, ...], value: float = NAN, seen: list[int] | None = None) -> Any:
    """A network that answers with `value` somewhere, for these pictures of the batch, at its call number `at`."""
    calls = [] if seen is None else seen

    def predict(latents: torch.Tensor, step: Step) -> torch.Tensor:
        calls.append(int(step.t))
        answer = latents * 0.1
        if len(calls) - 1 == at:
            for row in rows:
                answer[row, 2, 3, 1] = value
        return answer

    return predict


def noise(count: int = 2) -> torch.Tensor:
    return torch.randn(count, 4, 8, 8, generator=torch.Generator().manual_seed(3))


@pytest.mark.parametrize("value", [NAN, INFINITE, -INFINITE])
def test_a_run_ends_at_the_step_where_nothing_is_left(value: float) -> None:
    calls: list[int] = []
    with pytest.raises(NotFinite, match="At step 2 of 4 ") as caught:
        outcome_of(denoise(spoiled(1, (0, 1), value, calls), noise(), free(noise()), levels()))
    assert len(calls) == 2
    assert "sampler" in caught.value.advice


def test_pictures_beside_a_lost_one_come_out_as_ever() -> None:
    plain = outcome_of(denoise(spoiled(-1, ()), noise(3), free(noise(3)), levels()))
    assert not plain.lost
    sampled = outcome_of(denoise(spoiled(2, (1,)), noise(3), free(noise(3)), levels()))
    assert list(sampled.lost) == [1]
    assert "step 3 of 4" in sampled.lost[1].message
    for row in (0, 2):
        assert torch.equal(sampled.latents[row], plain.latents[row])


def test_a_lost_picture_stays_lost_though_all_of_it_is_written_over_later() -> None:
    """Cells that are taken back come out clean, but what the network says of the others since then means nothing."""
    steps = torch.full((1, 1, 8, 8), 4)
    anchor = LatentBlend(noise(1), noise(1), steps, since=steps - 2)
    sampled = outcome_of(denoise(spoiled(0, (0,)), noise(2), anchor, levels()))
    assert list(sampled.lost) == [0]


class Always:
    """Shows every step; a preview with a number that is none would be no picture."""

    def __init__(self) -> None:
        self.shown: list[torch.Tensor] = []

    def due(self) -> bool:
        return True

    def preview(self, latents: torch.Tensor) -> Preview:
        self.shown.append(latents)
        return Preview(Rect(0, 0, 1, 1), np.zeros((1, 1, 4), np.uint8))


def test_previews_are_of_what_is_sound() -> None:
    show = Always()
    outcome_of(denoise(spoiled(1, (0,)), noise(2), free(noise(2)), levels(), show=show))
    assert len(show.shown) == 4
    assert [len(each) for each in show.shown] == [1, 1, 1, 1]
    assert all(torch.isfinite(each).all() for each in show.shown)


def test_what_is_asked_for_early_is_looked_at_too() -> None:
    def early(rows: tuple[int, ...]) -> Any:
        reports = denoise(spoiled(1, rows), noise(2), free(noise(2)), levels())
        assert isinstance(next(reports), Progress)
        next(reports)
        try:
            reports.throw(FinishEarly())
        except StopIteration as stop:
            return stop.value

    assert list(early((1,)).lost) == [1]
    with pytest.raises(NotFinite, match="step 2 of 4"):
        early((0, 1))


def test_a_card_is_never_waited_for_between_two_looks() -> None:
    """`see` only adds to what is noted on the device: there is no number in it that the processor would have to know."""
    watch = Watch(torch.empty(2, 1, device="meta"), 4)  # a device that never answers
    watch.see(torch.empty(2, 4, 8, 8, device="meta"), 0)
    watch.see(torch.empty(2, 4, 8, 8, device="meta"), 1)
    assert watch.waiting
    with pytest.raises((NotImplementedError, RuntimeError)):
        watch.lost()


@pytest.mark.parametrize("sampler", ["ddim", "lcm"])
def test_a_sampler_that_divides_by_zero_is_noticed(sampler: Sampler) -> None:
    """Pure noise tells nothing of the picture to a network that predicts the noise in it."""
    asked = levels(sampler, rescale_betas_zero_snr=True, timestep_spacing="trailing")
    with pytest.raises(NotFinite, match="At step 1 of 4 "):
        outcome_of(denoise(spoiled(-1, ()), noise(), free(noise()), asked))


@pytest.mark.parametrize("sampler", ["euler", "euler_a", "ddim", "dpmpp_2m", "unipc", "lcm"])
@pytest.mark.parametrize("steps", [1, 2, 30])
def test_pure_noise_is_no_obstacle_to_one_that_predicts_v(sampler: Sampler, steps: int) -> None:
    asked = levels(
        sampler, steps, rescale_betas_zero_snr=True, timestep_spacing="trailing", prediction_type="v_prediction"
    )
    sampled = outcome_of(denoise(spoiled(-1, ()), noise(), free(noise()), asked, [torch.Generator()] * 2))
    assert torch.isfinite(sampled.latents).all()


def test_what_one_solver_says_of_itself_does_not_ruin_another() -> None:
    import diffusers

    settings: Any = {"beta_start": 0.00085, "beta_end": 0.012, "beta_schedule": "scaled_linear"}
    pairs: list[tuple[type, Sampler]] = [
        (diffusers.DPMSolverSinglestepScheduler, "unipc"),
        (diffusers.DEISMultistepScheduler, "dpmpp_2m"),
    ]
    for own, sampler in pairs:
        schedule = Schedule(own(**settings), sampler=sampler, steps=8)
        sampled = outcome_of(denoise(spoiled(-1, ()), noise(), free(noise()), schedule))
        assert torch.isfinite(sampled.latents).all()


@pytest.mark.parametrize("sampler", ["euler_a", "pndm"])
def test_a_sampler_that_cannot_use_what_a_network_predicts_is_refused(sampler: Sampler) -> None:
    with pytest.raises(InvalidRequest, match="Choose another sampler"):
        levels(sampler, prediction_type="sample")


def test_a_sampler_that_does_not_know_the_noise_is_refused() -> None:
    import diffusers

    own = diffusers.DDPMScheduler(beta_schedule="sigmoid")
    assert len(Schedule(own, steps=4)) == 4
    with pytest.raises(InvalidRequest, match="cannot make the noise"):
        Schedule(own, sampler="euler", steps=4)


# The autoencoder in more precision


@pytest.mark.parametrize("name", ["sd", "kandinsky"])
@pytest.mark.parametrize("way", ["encode", "decode"])
def test_what_outgrows_half_precision_is_computed_in_full(loaded: Loaded, name: str, way: str) -> None:
    half, full = loaded(name, HALF), loaded(name)
    network = part(half, "movq" if name == "kandinsky" else "vae")
    overflowing(network, f"{way}r")
    exact = part(full, "movq" if name == "kandinsky" else "vae")
    exact.load_state_dict({key: each.float() for key, each in network.state_dict().items()})
    before = arrays(network)
    given: Any = picture(SIDE, SIDE) if way == "encode" else noise(1)
    outcome, wanted = (torch.as_tensor(getattr(each, way)(given)) for each in (half, full))
    assert torch.isfinite(outcome).all()
    assert torch.equal(outcome, wanted)
    assert unmoved(before, network)


def test_what_helped_once_is_done_at_once(loaded: Loaded) -> None:
    backend = loaded("sd", HALF)
    network = part(backend, "vae")
    overflowing(network, "decoder")
    kinds: list[torch.dtype] = []
    network.decoder.register_forward_pre_hook(lambda module, given: kinds.append(given[0].dtype))
    first = backend.decode(noise(1))
    assert kinds == [torch.float16, torch.float32]
    assert np.array_equal(backend.decode(noise(1)), first)
    assert kinds == [torch.float16, torch.float32, torch.float32]


def test_what_is_finite_is_computed_once_in_the_model_s_own_precision(loaded: Loaded) -> None:
    backend = loaded("sd", HALF)
    kinds: list[torch.dtype] = []
    part(backend, "vae").decoder.register_forward_pre_hook(lambda module, given: kinds.append(given[0].dtype))
    backend.decode(noise(1))
    backend.decode(noise(2))
    assert set(kinds) == {torch.float16}
    assert len(kinds) == 3


@pytest.mark.parametrize("name", ["sd", "sdxl", "kandinsky"])
@pytest.mark.parametrize("fit", [PLAIN, HALF])
@pytest.mark.parametrize("way", ["encode", "decode"])
def test_what_more_precision_does_not_help_is_told(loaded: Loaded, name: str, fit: Fit, way: str) -> None:
    backend = loaded(name, fit)
    network = part(backend, "movq" if name == "kandinsky" else "vae")
    with torch.no_grad():
        getattr(network, f"{way}r").conv_in.weight[0, 0, 0, 0] = NAN
    before = {key: each.data_ptr() for key, each in network.state_dict().items()}
    given: Any = picture(SIDE, SIDE) if way == "encode" else noise(1)
    with pytest.raises(NotFinite, match="take the picture in" if way == "encode" else "into a picture"):
        getattr(backend, way)(given)
    assert {key: each.data_ptr() for key, each in network.state_dict().items()} == before


def test_latents_that_are_no_numbers_are_not_decoded_twice(loaded: Loaded) -> None:
    backend = loaded("sd", HALF)
    calls: list[int] = []
    part(backend, "vae").decoder.register_forward_pre_hook(lambda module, given: calls.append(1))
    with pytest.raises(NotFinite):
        backend.decode(torch.full((1, 4, 8, 8), NAN))
    assert len(calls) == 1


def test_a_sample_of_the_posterior_is_looked_at(loaded: Loaded) -> None:
    backend = loaded("sd")
    with torch.no_grad():
        part(backend, "vae").encoder.conv_out.bias.fill_(INFINITE)
    with pytest.raises(NotFinite):
        backend.sample(picture(SIDE, SIDE), torch.Generator())


def test_it_is_put_back_when_the_second_try_fails_otherwise() -> None:
    network = torch.nn.Linear(2, 2, dtype=torch.float16)
    before = arrays(network)

    def compute() -> torch.Tensor:
        if network.weight.dtype == torch.float32:
            raise RuntimeError("out of memory")
        return torch.tensor([NAN])

    widening = Widening()
    with pytest.raises(RuntimeError, match="out of memory"):
        widening.run(network, compute, NotFinite("x"))
    assert unmoved(before, network)
    assert not widening.needed


def test_layers_that_take_turns_on_a_card_are_put_back_too() -> None:
    """Their weights are empty between turns, and put into new places for each."""
    network = torch.nn.Sequential(torch.nn.Linear(2, 2), torch.nn.BatchNorm1d(2)).half().eval()
    layer: Any = network[0]
    weight = layer.weight.float().detach().clone()
    cpu_offload(network, execution_device=torch.device("cpu"), offload_buffers=True)
    given = torch.ones(1, 2)
    with full_precision(network), torch.no_grad():
        assert layer(given).dtype == torch.float32
        torch.testing.assert_close(layer(given) - layer(0 * given), given @ weight.T)
    kinds = {
        parameter.dtype for parameter in (*network.parameters(), *network.buffers()) if parameter.is_floating_point()
    }
    assert kinds == {torch.float16}
    assert all(parameter.is_meta for parameter in network.parameters())
    assert layer(given.half()).dtype == torch.float16


# Words


def ask(backend: Backend) -> Any:
    request: Any = SimpleNamespace(prompt="red boat", negative_prompt="wood", guidance_scale=5.0)
    return outcome_of(conditioned_denoiser(backend, request, (1,), Size(SIDE, SIDE)))


@pytest.mark.parametrize(
    ("name", "where"),
    [
        ("sd", "text_encoder"),
        ("sdxl", "text_encoder"),
        ("sdxl", "text_encoder_2"),
        ("kandinsky", "prior"),
        ("kandinsky", "text_encoder"),
    ],
)
def test_words_that_are_read_as_no_numbers_end_the_run(loaded: Loaded, name: str, where: str) -> None:
    backend = loaded(name)
    assert ask(backend)
    with torch.no_grad():
        for weights in part(backend, where).parameters():
            weights.view(-1)[0] = NAN
    with pytest.raises(NotFinite, match=f"“{name if name != 'kandinsky' else 'decoder'}” could not read"):
        ask(backend)


def test_exemplars_that_are_seen_as_no_numbers_end_the_run(loaded: Loaded) -> None:
    from editor.diffusion.backend import PicturePrompt

    backend = loaded("kandinsky")
    with torch.no_grad():
        part(backend, "image_encoder").visual_projection.weight[0, 0] = NAN
    request: Any = SimpleNamespace(prompt="boat", negative_prompt="", guidance_scale=1.0)
    shown = [PicturePrompt(picture(32, 32), 1.0)]
    with pytest.raises(NotFinite, match="could not read"):
        outcome_of(conditioned_denoiser(backend, request, (1,), Size(SIDE, SIDE), pictures=shown, picture_share=0.5))


# What is to blame


@contextmanager
def failing(backend: Backend) -> Iterator[pytest.ExceptionInfo[NotFinite]]:
    def reports() -> Reports[None]:
        yield Progress(0.0, "")
        raise NotFinite("There is no picture.", "Try again.")

    with pytest.raises(NotFinite) as caught:
        outcome_of(diagnosed(reports(), backend))
    yield caught


@pytest.mark.parametrize(
    ("name", "where", "label"),
    [
        ("sd", "unet", "U-Net"),
        ("sd", "vae", "VAE"),
        ("sdxl", "text_encoder_2", "second text encoder"),
        ("kandinsky", "movq", "image decoder (MoVQ)"),
        ("kandinsky", "prior", "prior"),
    ],
)
@pytest.mark.parametrize(("value", "kept"), [(NAN, "numbers that are none"), (INFINITE, "numbers that are infinite")])
def test_weights_that_are_no_numbers_are_named(
    *, loaded: Loaded, name: str, where: str, label: str, value: float, kept: str
) -> None:
    backend = loaded(name)
    with torch.no_grad():
        next(iter(part(backend, where).parameters())).view(-1)[-1] = value
    with failing(backend) as caught:
        pass
    named = "decoder" if name == "kandinsky" else name
    said = f"The {label} of “{named}” is damaged: its weights hold {kept}, so it cannot make a picture."
    assert caught.value.message == said
    assert caught.value.advice == "Download the model again; what is there already is kept."


def test_weights_too_large_for_half_precision_are_not_called_damaged(loaded: Loaded) -> None:
    backend = loaded("sd", HALF)
    with torch.no_grad():
        part(backend, "vae").decoder.conv_in.bias.copy_(torch.tensor(1e5))
    with failing(backend) as caught:
        pass
    assert caught.value.message == "The VAE of “sd” has weights too large for half precision."


def test_sound_weights_are_not_blamed(loaded: Loaded) -> None:
    with failing(loaded("sd")) as caught:
        pass
    assert caught.value.message == "There is no picture."


# Learning and ranking


def test_learning_that_leads_nowhere_ends_at_once() -> None:
    weight = torch.zeros(1)
    calls: list[int] = []

    def loss() -> torch.Tensor:
        calls.append(1)
        return (weight * (NAN if len(calls) == 3 else 1.0)).sum()

    with pytest.raises(NotFinite, match="Learning the surroundings"):
        outcome_of(minimise(loss, lambda: torch.optim.Adam([weight.requires_grad_()], lr=0.1), 10, doing="Learning"))
    assert len(calls) == 3


class _Clip:
    """A CLIP model whose opinion of pictures is given."""

    device, dtype = torch.device("cpu"), torch.float32
    config = SimpleNamespace(text_config=SimpleNamespace(max_position_embeddings=77))
    logit_scale = torch.tensor(1.0)

    def __init__(self, opinions: list[float]) -> None:
        self.opinions = opinions

    def get_text_features(self, ids: torch.Tensor) -> Any:
        return SimpleNamespace(pooler_output=torch.ones(1, 2))

    def get_image_features(self, seen: torch.Tensor) -> Any:
        return SimpleNamespace(pooler_output=torch.tensor([[opinion, 1.0] for opinion in self.opinions]))


class _Words:
    bos_token_id = eos_token_id = 0

    def __call__(self, words: str, **more: Any) -> Any:
        return SimpleNamespace(input_ids=[1])


def test_opinions_that_are_no_numbers_rank_nothing() -> None:
    seen = np.zeros((8, 8, 3), np.uint8)
    region = np.ones((8, 8), np.float32)

    def match(opinions: list[float]) -> Any:
        ranker = ClipScorer(RankerInfo("clip", "clip", Path("clip")), _Clip(opinions), _Words(), ClipPreprocess(8))
        return ranker.match([seen], seen, region, "a boat", "crop")

    assert math.isfinite(match([0.5, 0.2])[0].similarity)
    with pytest.raises(NotFinite, match="“clip” cannot compare"):
        match([0.5, NAN])
