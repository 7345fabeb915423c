"""Tiny models in the folders that diffusers writes: real in every part, with fixed random weights, nothing downloaded.

Configurations are those of the published models with every width cut down. Kandinsky is two pipelines; as on the hub they are two folders, here
`decoder` and `prior` inside one.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Any, Literal

import diffusers
import torch
import transformers
from filelock import FileLock
from tokenizers.pre_tokenizers import ByteLevel

NATIVE = 128  # side in pixels that the tiny models say they were made for
_WORDS = ("red", "sky", "boat", "wood")
_SPACED = {"beta_start": 0.00085, "beta_end": 0.012, "steps_offset": 1}
_SCALED = {**_SPACED, "beta_schedule": "scaled_linear"}


def stable_diffusion(
    folder: Path, prediction: Literal["epsilon", "v_prediction"] = "epsilon", scheduler: Any = None, seed: int = 0
) -> Path:
    """Stable Diffusion 1 (noise prediction, PNDM) or 2.1 (v-prediction, DDIM). `scheduler`: another one of diffusers. Returns the folder."""
    if scheduler is None and prediction == "epsilon":
        scheduler = diffusers.PNDMScheduler(skip_prk_steps=True, set_alpha_to_one=False, **_SCALED)
    elif scheduler is None:
        scheduler = diffusers.DDIMScheduler(
            prediction_type=prediction, clip_sample=False, set_alpha_to_one=False, **_SCALED
        )
    with seeded(seed):
        pipeline = diffusers.StableDiffusionPipeline(
            vae=_vae(0.18215, force_upcast=False),
            text_encoder=_text(transformers.CLIPTextModel, 8),
            tokenizer=_tokenizer("<|endoftext|>"),
            unet=unet(cross_attention_dim=8),
            scheduler=scheduler,
            safety_checker=None,
            feature_extractor=None,
            requires_safety_checker=False,
        )
    return _save(pipeline, folder)


def stable_diffusion_xl(folder: Path, seed: int = 0) -> Path:
    """Stable Diffusion XL base: two text encoders, six time ids."""
    with seeded(seed):
        pipeline = diffusers.StableDiffusionXLPipeline(
            vae=_vae(0.13025, force_upcast=True),
            text_encoder=_text(transformers.CLIPTextModel, 8),
            text_encoder_2=_text(transformers.CLIPTextModelWithProjection, 16),
            tokenizer=_tokenizer("<|endoftext|>"),
            tokenizer_2=_tokenizer("!"),
            unet=unet_xl(cross_attention_dim=24, ids=6),
            scheduler=_euler(),
            force_zeros_for_empty_prompt=True,
            add_watermarker=False,
        )
    return _save(pipeline, folder)


def stable_diffusion_xl_refiner(folder: Path, seed: int = 1) -> Path:
    """Its refiner: the second text encoder alone, five time ids, the last an aesthetic score."""
    with seeded(seed):
        pipeline = diffusers.StableDiffusionXLImg2ImgPipeline(
            vae=_vae(0.13025, force_upcast=True),
            text_encoder=None,
            text_encoder_2=_text(transformers.CLIPTextModelWithProjection, 16),
            tokenizer=None,
            tokenizer_2=_tokenizer("!"),
            unet=unet_xl(cross_attention_dim=16, ids=5),
            scheduler=_euler(),
            requires_aesthetics_score=True,
            force_zeros_for_empty_prompt=False,
            add_watermarker=False,
        )
    return _save(pipeline, folder)


def kandinsky(folder: Path, seed: int = 0) -> Path:
    """Kandinsky 2.2: `folder/decoder` and, beside it, `folder/prior`. Returns the decoder, by which the model is known."""
    with seeded(seed):
        decoder = diffusers.KandinskyV22Pipeline(
            unet=kandinsky_unet(),
            scheduler=diffusers.DDPMScheduler(
                beta_start=0.00085, beta_end=0.012, variance_type="learned_range", clip_sample=False
            ),
            movq=diffusers.VQModel(
                block_out_channels=(32, 32, 32, 32),  # spatial norms count in 32 groups
                down_block_types=("DownEncoderBlock2D",) * 3 + ("AttnDownEncoderBlock2D",),
                up_block_types=("AttnUpDecoderBlock2D",) + ("UpDecoderBlock2D",) * 3,
                latent_channels=4,
                layers_per_block=1,
                norm_type="spatial",
                num_vq_embeddings=32,
                vq_embed_dim=4,
            ),
        )
        net = diffusers.PriorTransformer(
            num_attention_heads=2, attention_head_dim=8, num_layers=2, embedding_dim=16, num_embeddings=77
        )
        with torch.no_grad():
            net.clip_std.fill_(1.0)  # as made it takes every embedding to 0
            net.positional_embedding.normal_()
            net.prd_embedding.normal_()
        prior = diffusers.KandinskyV22PriorPipeline(
            prior=net,
            image_encoder=transformers.CLIPVisionModelWithProjection(
                transformers.CLIPVisionConfig(
                    hidden_size=16,
                    intermediate_size=32,
                    num_hidden_layers=2,
                    num_attention_heads=2,
                    image_size=32,
                    patch_size=8,
                    projection_dim=16,
                )
            ).eval(),
            text_encoder=_text(transformers.CLIPTextModelWithProjection, 16),
            tokenizer=_tokenizer("<|endoftext|>"),
            scheduler=diffusers.UnCLIPScheduler(
                variance_type="fixed_small_log", clip_sample_range=5.0, prediction_type="sample"
            ),
            image_processor=transformers.CLIPImageProcessorPil(
                size={"shortest_edge": 32}, crop_size={"height": 32, "width": 32}
            ),
        )
    _save(prior, folder / "prior")
    return _save(decoder, folder / "decoder")


def kandinsky_unet() -> diffusers.UNet2DConditionModel:
    """The network of Kandinsky 2.2's decoder."""
    return diffusers.UNet2DConditionModel(
        sample_size=NATIVE // 8,
        in_channels=4,
        out_channels=8,
        down_block_types=("ResnetDownsampleBlock2D", "SimpleCrossAttnDownBlock2D"),
        mid_block_type="UNetMidBlock2DSimpleCrossAttn",
        up_block_types=("SimpleCrossAttnUpBlock2D", "ResnetUpsampleBlock2D"),
        block_out_channels=(8, 16),
        layers_per_block=1,
        norm_num_groups=4,
        attention_head_dim=8,
        cross_attention_dim=8,
        encoder_hid_dim=16,
        encoder_hid_dim_type="image_proj",
        addition_embed_type="image",
        addition_embed_type_num_heads=2,
        resnet_time_scale_shift="scale_shift",
    )


MAKERS: dict[str, Callable[[Path], Path]] = {
    "sd": stable_diffusion,
    "sd_v": partial(stable_diffusion, prediction="v_prediction"),
    "sdxl": stable_diffusion_xl,
    "refiner": stable_diffusion_xl_refiner,
    "kandinsky": kandinsky,
}
"""All of them, by the names that tests know."""


def shared(name: str, top: Path) -> Path:
    """The model of this name inside `top`, made if nobody has made it yet: by whichever process comes first, while others wait."""
    folder = top / name
    top.mkdir(parents=True, exist_ok=True)
    with FileLock(top / f"{name}.lock"):
        if not folder.exists():
            unfinished = top / f"{name} unfinished"
            MAKERS[name](unfinished)
            unfinished.rename(folder)
    return folder / "decoder" if name == "kandinsky" else folder


@contextmanager
def seeded(seed: int) -> Iterator[None]:
    """Layers draw their weights from torch's own generator; it goes on afterwards as if nothing had been drawn."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        yield


def _save(pipeline: diffusers.DiffusionPipeline, folder: Path) -> Path:
    pipeline.save_pretrained(folder, safe_serialization=True)
    for file in folder.glob("*/tokenizer.json"):  # published models come with the two older files
        model = json.loads(file.read_text())["model"]
        (file.parent / "vocab.json").write_text(json.dumps(model["vocab"]))
        lines = ["#version: 0.2", *(pair if isinstance(pair, str) else " ".join(pair) for pair in model["merges"])]
        (file.parent / "merges.txt").write_text("\n".join(lines) + "\n")
        file.unlink()
    return folder


def _vae(scaling_factor: float, *, force_upcast: bool) -> diffusers.AutoencoderKL:
    return diffusers.AutoencoderKL(
        block_out_channels=(4, 4, 8, 8),
        down_block_types=("DownEncoderBlock2D",) * 4,
        up_block_types=("UpDecoderBlock2D",) * 4,
        latent_channels=4,
        layers_per_block=1,
        norm_num_groups=4,
        sample_size=NATIVE,
        scaling_factor=scaling_factor,
        force_upcast=force_upcast,
    )


def unet(**config: Any) -> diffusers.UNet2DConditionModel:
    return diffusers.UNet2DConditionModel(
        sample_size=NATIVE // 8,
        in_channels=4,
        out_channels=4,
        down_block_types=config.pop("down_block_types", ("CrossAttnDownBlock2D", "DownBlock2D")),
        up_block_types=config.pop("up_block_types", ("UpBlock2D", "CrossAttnUpBlock2D")),
        block_out_channels=(8, 16),
        layers_per_block=1,
        norm_num_groups=4,
        attention_head_dim=config.pop("attention_head_dim", 2),
        **config,
    )


def unet_xl(cross_attention_dim: int, ids: int) -> diffusers.UNet2DConditionModel:
    return unet(
        cross_attention_dim=cross_attention_dim,
        down_block_types=("DownBlock2D", "CrossAttnDownBlock2D"),
        up_block_types=("CrossAttnUpBlock2D", "UpBlock2D"),
        attention_head_dim=(1, 2),
        use_linear_projection=True,
        addition_embed_type="text_time",
        addition_time_embed_dim=8,
        projection_class_embeddings_input_dim=16 + ids * 8,
    )


def _euler() -> diffusers.EulerDiscreteScheduler:
    return diffusers.EulerDiscreteScheduler(timestep_spacing="leading", **_SCALED)


def _tokenizer(pad: str) -> transformers.CLIPTokenizer:
    """Bytes, bytes that end a word, a few whole words, start and end: in the order of the published vocabulary."""
    letters = sorted(ByteLevel.alphabet())
    known = [*letters, *(letter + "</w>" for letter in letters)]
    merges: list[tuple[str, str]] = []
    for word in _WORDS:
        left = word[0]
        for place, letter in enumerate(word[1:], 2):
            right = letter + "</w>" * (place == len(word))
            merges.append((left, right))
            left += right
            known.append(left)
    known += ["<|startoftext|>", "<|endoftext|>"]
    vocabulary = {token: number for number, token in enumerate(known)}
    return transformers.CLIPTokenizer(vocab=vocabulary, merges=merges, pad_token=pad, model_max_length=77)


def _text(kind: type, width: int) -> Any:
    last = _tokenizer("!").eos_token_id
    config = transformers.CLIPTextConfig(
        vocab_size=last + 1,
        hidden_size=width,
        intermediate_size=2 * width,
        num_hidden_layers=2,
        num_attention_heads=2,
        projection_dim=width,
        bos_token_id=last - 1,
        eos_token_id=last,
        pad_token_id=last,
    )
    return kind(config).eval()
