"""Flow matching as a row of the schedule: diffusers' own numbers, and its own pipeline for a tiny Stable Diffusion 3."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import diffusers
import pytest
import torch
from diffusers.pipelines.stable_diffusion_3.pipeline_stable_diffusion_3_img2img import calculate_shift

from editor.diffusion.blending import LatentBlend
from editor.diffusion.denoise import denoise
from editor.diffusion.schedule import Schedule
from editor.diffusion.step import Step
from editor.errors import InvalidRequest
from editor.requests.reports import outcome_of
from tests.support.diffusion import free, picture, planes
from tests.support.tiny_models import seeded

STEPS = 10
DYNAMIC: dict[str, Any] = {"use_dynamic_shifting": True, "shift": 1.0}


def _own(**more: Any) -> Any:
    return diffusers.FlowMatchEulerDiscreteScheduler(**{"shift": 3.0, **more})


def _theirs(own: Any, steps: int = STEPS, **more: Any) -> Any:
    scheduler = own.__class__.from_config(own.config)
    scheduler.set_timesteps(steps, **more)
    return scheduler


def _random(seed: int, *shape: int) -> torch.Tensor:
    return torch.randn(shape or (1, 4, 6, 5), generator=torch.Generator().manual_seed(seed))


@pytest.mark.parametrize("first", [0, 4])
def test_levels_and_noised_are_diffusers_own(first: int) -> None:
    schedule = Schedule(_own(), steps=STEPS, first=first)
    theirs = _theirs(_own())
    assert torch.equal(schedule.sigmas, theirs.sigmas)
    assert torch.equal(schedule.alphas, 1 - theirs.sigmas)
    assert torch.equal(schedule.timesteps, theirs.timesteps[first:])
    clean, noise = _random(0), _random(1)
    for step in schedule.steps:
        expected = _theirs(_own()).scale_noise(clean, step.t[None], noise)
        assert torch.equal(schedule.noised(clean, noise, step.index), expected)
        assert torch.equal(schedule.model_input(clean, step.index), clean)


def test_the_trap_is_real() -> None:
    """Once a begin index is set, `scale_noise` gives one level for all timesteps."""
    theirs, clean, noise = _theirs(_own()), _random(0), _random(1)
    last = theirs.timesteps[-1:]
    right = theirs.scale_noise(clean, last, noise)
    theirs.set_begin_index(0)
    assert not torch.allclose(theirs.scale_noise(clean, last, noise), right)


@pytest.mark.parametrize("first", [0, 3])
def test_steps_are_diffusers_own_and_moves_agree_with_them(first: int) -> None:
    schedule, theirs = Schedule(_own(), steps=STEPS, first=first), _theirs(_own())
    theirs.set_begin_index(first)
    state = _random(0)
    for step in schedule.steps:
        velocity = _random(10 + step.index)
        expected = theirs.step(velocity, step.t, state, return_dict=False)[0]
        moved = schedule.move(state, velocity, step.index, step.index + 1)
        assert (moved - expected).abs().max() < 1e-6
        assert torch.equal(schedule.step(velocity, step.index, state), expected)
        state = expected


def test_the_velocity_of_a_straight_path_is_believed_at_every_step() -> None:
    schedule, clean, noise = Schedule(_own(), steps=STEPS), _random(0), _random(1)
    state = schedule.noised(clean, noise, 0)
    for step in schedule.steps:
        velocity = schedule.target(clean, noise, step)
        assert torch.equal(velocity, noise - clean)
        assert (schedule.estimate(velocity, step.index, state) - clean).abs().max() < 1e-5
        assert (schedule.row.noise(state, velocity, step.alpha, step.sigma) - noise).abs().max() < 1e-5
        state = schedule.step(velocity, step.index, state)
    assert (state - clean).abs().max() < 1e-5


@pytest.mark.parametrize("tokens", [64, 256, 1024, 4096])
def test_a_dynamic_shift_goes_by_the_canvas_as_in_diffusers_pipelines(tokens: int) -> None:
    own = _own(**DYNAMIC)
    schedule = Schedule(own, steps=STEPS, first=2, tokens=tokens)
    config = own.config
    mu = calculate_shift(
        tokens, config.base_image_seq_len, config.max_image_seq_len, config.base_shift, config.max_shift
    )
    theirs = _theirs(own, mu=mu)
    assert torch.equal(schedule.sigmas, theirs.sigmas)
    assert torch.equal(schedule.timesteps, theirs.timesteps[2:])
    again = schedule.altered("", 5)
    assert torch.equal(again.sigmas, theirs.sigmas)


def test_larger_canvases_are_noisier_and_an_unknown_one_is_an_error() -> None:
    small, large = (Schedule(_own(**DYNAMIC), steps=STEPS, tokens=tokens) for tokens in (256, 4096))
    assert all(one < other for one, other in zip(small.levels[1:], large.levels[1:], strict=True))
    with pytest.raises(ValueError, match="canvas"):
        Schedule(_own(**DYNAMIC), steps=STEPS)


def test_samplers_that_know_no_straight_paths_are_refused() -> None:
    assert torch.equal(Schedule(_own(), sampler="euler", steps=4).sigmas, Schedule(_own(), steps=4).sigmas)
    with pytest.raises(InvalidRequest, match="trained with"):
        Schedule(_own(), sampler="ddim", steps=4)


@pytest.fixture(scope="module")
def stock() -> Any:
    """A tiny Stable Diffusion 3 without text encoders: joint attention, flow, a shifted autoencoder."""
    with seeded(0):
        transformer = diffusers.SD3Transformer2DModel(
            sample_size=16,
            patch_size=2,
            in_channels=4,
            num_layers=2,
            attention_head_dim=8,
            num_attention_heads=2,
            joint_attention_dim=12,
            caption_projection_dim=16,
            pooled_projection_dim=10,
            out_channels=4,
            pos_embed_max_size=24,
        ).eval()
        vae = diffusers.AutoencoderKL(
            block_out_channels=(4, 4, 8, 8),
            down_block_types=("DownEncoderBlock2D",) * 4,
            up_block_types=("UpDecoderBlock2D",) * 4,
            latent_channels=4,
            layers_per_block=1,
            norm_num_groups=4,
            scaling_factor=1.5,
            shift_factor=0.06,
            use_quant_conv=False,
            use_post_quant_conv=False,
        ).eval()
    absent = dict.fromkeys(
        ("text_encoder", "tokenizer", "text_encoder_2", "tokenizer_2", "text_encoder_3", "tokenizer_3")
    )
    pipeline = diffusers.StableDiffusion3Img2ImgPipeline(transformer=transformer, vae=vae, scheduler=_own(), **absent)
    pipeline.set_progress_bar_config(disable=True)
    return pipeline


def _network(stock: Any, words: dict[str, torch.Tensor], scale: float) -> Callable[[torch.Tensor, Step], torch.Tensor]:
    hidden = torch.cat([words["negative_prompt_embeds"], words["prompt_embeds"]])
    pooled = torch.cat([words["negative_pooled_prompt_embeds"], words["pooled_prompt_embeds"]])

    def denoiser(latents: torch.Tensor, step: Step) -> torch.Tensor:
        negative, positive = stock.transformer(
            hidden_states=torch.cat([latents] * 2),
            timestep=step.t.expand(2),
            encoder_hidden_states=hidden,
            pooled_projections=pooled,
            return_dict=False,
        )[0].chunk(2)
        return torch.as_tensor(negative + scale * (positive - negative))

    return denoiser


@pytest.mark.parametrize("strength", [0.4, 0.7, 1.0])
def test_a_whole_run_is_the_one_of_diffusers_image_to_image_pipeline(stock: Any, strength: float) -> None:
    names = ("prompt_embeds", "negative_prompt_embeds", "pooled_prompt_embeds", "negative_pooled_prompt_embeds")
    words = {name: _random(k, *((1, 10) if "pooled" in name else (1, 7, 12))) for k, name in enumerate(names)}
    image = planes(picture(64, 96))
    expected = stock(
        image=image,
        height=64,
        width=96,
        strength=strength,
        num_inference_steps=STEPS,
        guidance_scale=4.0,
        generator=torch.Generator().manual_seed(5),
        output_type="latent",
        **words,
    ).images
    generator = torch.Generator().manual_seed(5)
    with torch.no_grad():
        posterior = stock.vae.encode(2 * image - 1).latent_dist
        source = (posterior.sample(generator) - 0.06) * 1.5
    noise = torch.randn(source.shape, generator=generator)
    schedule = Schedule(stock.scheduler, steps=STEPS, strength=strength)
    start = schedule.noised(source, noise, schedule.first)
    sampled = outcome_of(denoise(_network(stock, words, 4.0), start, free(source), schedule))
    assert (sampled.latents - expected).abs().max() < 1e-5
    assert (sampled.latents - source).abs().max() > 0.1


def test_what_is_held_stays_and_the_rest_is_what_flows_around_it(stock: Any) -> None:
    """On a binary map: after each step the source, noised to the next level, is laid under, as diffusers' inpainting pipeline does."""
    words = {
        name: _random(k, *((1, 10) if "pooled" in name else (1, 7, 12)))
        for k, name in enumerate(
            ("prompt_embeds", "negative_prompt_embeds", "pooled_prompt_embeds", "negative_pooled_prompt_embeds")
        )
    }
    source, noise = _random(20, 1, 4, 8, 12), _random(21, 1, 4, 8, 12)
    keep = torch.rand(1, 1, 8, 12, generator=torch.Generator().manual_seed(2)) < 0.5
    schedule, network = Schedule(stock.scheduler, steps=STEPS, first=3), _network(stock, words, 4.0)
    start = schedule.noised(source, noise, 3)
    blend = LatentBlend(source, noise, keep * schedule.total)
    found = outcome_of(denoise(network, start, blend, schedule)).latents

    scheduler = _theirs(_own())
    scheduler.set_begin_index(3)
    sigmas, state = scheduler.sigmas, start
    with torch.no_grad():
        for i in range(3, STEPS):
            velocity = network(state, Step(i, scheduler.timesteps[i], 1 - sigmas[i], sigmas[i], sigmas[i + 1]))
            state = scheduler.step(velocity, scheduler.timesteps[i], state, return_dict=False)[0]
            under = source if i + 1 == STEPS else (1 - sigmas[i + 1]) * source + sigmas[i + 1] * noise
            state = torch.where(keep, under, state)
    assert (found - state).abs().max() < 1e-5
    assert torch.equal(found[keep.expand_as(found)], source[keep.expand_as(found)])
