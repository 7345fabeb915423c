"""Models of the real architectures with random weights: speed and memory do not depend on what the weights say.

Settings are the packaged ones of the published models, whole or with every width cut down; those of Kandinsky 2.2 stand here.
"""

from __future__ import annotations

import io
import json
from collections.abc import Mapping
from contextlib import redirect_stderr
from pathlib import Path
from typing import Any, Literal

import diffusers
import torch
import transformers

import resources
from editor.diffusion.loading import clip_tokenizer

Kind = Literal["sd", "sdxl", "kandinsky"]
Scale = Literal["full", "small", "tiny"]
KINDS: tuple[Kind, ...] = ("sd", "sdxl", "kandinsky")
LABELS: Mapping[Kind, str] = {"sd": "SD 1.5", "sdxl": "SDXL", "kandinsky": "Kandinsky 2.2"}
# Pixels a side that a model is made for.
SIDES: Mapping[Kind, Mapping[Scale, int]] = {
    "sd": {"full": 512, "small": 256, "tiny": 64},
    "sdxl": {"full": 1024, "small": 256, "tiny": 64},
    "kandinsky": {"full": 768, "small": 256, "tiny": 64},
}
# Of the words' embeddings; 0 for the published one.
_WIDTHS: Mapping[Scale, int] = {"full": 0, "small": 256, "tiny": 64}
_MOVQ: Mapping[Scale, tuple[int, ...]] = {
    "full": (128, 256, 256, 512),
    "small": (32, 64, 64, 128),
    "tiny": (32, 32, 32, 32),
}
_VAE: Mapping[Scale, Mapping[str, Any]] = {
    "full": {},
    "small": {"block_out_channels": (32, 64, 128, 128)},
    "tiny": {"block_out_channels": (32, 32, 32, 32), "layers_per_block": 1},
}


def write(folder: Path, kind: Kind, scale: Scale, dtype: torch.dtype, device: str = "cpu") -> Path:
    """A model in the folders that diffusers writes; returns the one that a library finds. Made on `device`, which is quicker on a GPU."""
    with torch.random.fork_rng(), torch.device(device):
        torch.manual_seed(0)
        if kind == "kandinsky":
            _save(_prior(scale), folder / "prior", dtype)
            return _save(_decoder(scale), folder / "decoder", dtype)
        return _save(_sd(scale) if kind == "sd" else _sdxl(scale), folder / "model", dtype)


def unet(kind: Kind, scale: Scale) -> Any:
    """The network that makes the steps."""
    side, width = SIDES[kind][scale], _WIDTHS[scale]
    if kind == "kandinsky":
        return diffusers.UNet2DConditionModel(**_kandinsky_unet(scale)).eval()
    cut: dict[str, Any] = {}
    if kind == "sd" and scale != "full":
        levels = {"small": (64, 128, 256, 256), "tiny": (32, 32, 32, 32)}[scale]
        cut = {"block_out_channels": levels, "cross_attention_dim": width}
    elif kind == "sdxl" and scale != "full":
        narrow = {"small": (64, 128, 256), "tiny": (32, 32, 64)}[scale]
        cut = {"block_out_channels": narrow, "attention_head_dim": [1, 2, 4], "transformer_layers_per_block": [1, 2, 4]}
        cut |= {"cross_attention_dim": 2 * width, "projection_class_embeddings_input_dim": width + 6 * 256}
    family = "stable-diffusion-1" if kind == "sd" else "stable-diffusion-xl"
    return _network(diffusers.UNet2DConditionModel, family, "unet", sample_size=side // 8, **cut)


def _save(pipeline: Any, folder: Path, dtype: torch.dtype) -> Path:
    for part in pipeline.components.values():
        if isinstance(part, torch.nn.Module):
            torch.nn.Module.to(part, dtype)  # diffusers' own warns that some models keep parts in float32
    with redirect_stderr(io.StringIO()):  # progress bars
        pipeline.save_pretrained(folder)
    return folder


def _settings(family: str, part: str) -> dict[str, Any]:
    """The packaged settings of one part."""
    with resources.model_settings(family) as folder:
        (file,) = (folder / part).glob("*.json")
        settings: dict[str, Any] = json.loads(file.read_text("utf-8"))
    return settings


def _network(kind: Any, family: str, part: str, **changed: Any) -> Any:
    return kind.from_config(_settings(family, part) | changed).eval()


def _words(kind: Any, family: str, part: str, width: int = 0) -> Any:
    """A text encoder, as published or `width` wide."""
    cut = {
        "hidden_size": width,
        "intermediate_size": 4 * width,
        "projection_dim": width,
        "num_attention_heads": max(1, width // 64),
        "num_hidden_layers": 4,
    }
    settings = _settings(family, part) | (cut if width else {})
    return kind(transformers.CLIPTextConfig(**settings)).eval()


def _scheduler(family: str) -> Any:
    settings = _settings(family, "scheduler")
    return getattr(diffusers, settings["_class_name"]).from_config(settings)


def _sd(scale: Scale) -> Any:
    family, width = "stable-diffusion-1", _WIDTHS[scale]
    return diffusers.StableDiffusionPipeline(
        unet=unet("sd", scale),
        vae=_network(diffusers.AutoencoderKL, family, "vae", sample_size=SIDES["sd"][scale], **_VAE[scale]),
        text_encoder=_words(transformers.CLIPTextModel, family, "text_encoder", width),
        tokenizer=clip_tokenizer("<|endoftext|>"),
        # The published one, PNDM, takes one step more than it is asked for in diffusers.
        scheduler=diffusers.DDIMScheduler(
            beta_start=0.00085,
            beta_end=0.012,
            beta_schedule="scaled_linear",
            clip_sample=False,
            set_alpha_to_one=False,
            steps_offset=1,
        ),
        safety_checker=None,
        feature_extractor=None,
        requires_safety_checker=False,
    )


def _sdxl(scale: Scale) -> Any:
    family, width = "stable-diffusion-xl", _WIDTHS[scale]
    return diffusers.StableDiffusionXLPipeline(
        unet=unet("sdxl", scale),
        vae=_network(diffusers.AutoencoderKL, family, "vae", sample_size=SIDES["sdxl"][scale], **_VAE[scale]),
        text_encoder=_words(transformers.CLIPTextModel, family, "text_encoder", width),
        text_encoder_2=_words(transformers.CLIPTextModelWithProjection, family, "text_encoder_2", width),
        tokenizer=clip_tokenizer("<|endoftext|>"),
        tokenizer_2=clip_tokenizer("!"),
        scheduler=_scheduler(family),
        add_watermarker=False,
    )


def _decoder(scale: Scale) -> Any:
    return diffusers.KandinskyV22Pipeline(
        unet=unet("kandinsky", scale),
        scheduler=diffusers.DDPMScheduler(
            beta_start=0.00085, beta_end=0.012, variance_type="learned_range", clip_sample=False
        ),
        movq=diffusers.VQModel(
            block_out_channels=_MOVQ[scale],
            down_block_types=(*["DownEncoderBlock2D"] * 3, "AttnDownEncoderBlock2D"),
            up_block_types=("AttnUpDecoderBlock2D", *["UpDecoderBlock2D"] * 3),
            latent_channels=4,
            layers_per_block=2,
            norm_type="spatial",
            num_vq_embeddings=16384 if scale == "full" else 64,
            vq_embed_dim=4,
        ).eval(),
    )


def _kandinsky_unet(scale: Scale) -> dict[str, Any]:
    widths = {"full": (384, 768, 1152, 1536), "small": (64, 128, 192, 256), "tiny": (32, 32, 32, 32)}[scale]
    return {
        "sample_size": 64 if scale == "full" else SIDES["kandinsky"][scale] // 8,
        "in_channels": 4,
        "out_channels": 8,
        "down_block_types": ("ResnetDownsampleBlock2D", *["SimpleCrossAttnDownBlock2D"] * 3),
        "mid_block_type": "UNetMidBlock2DSimpleCrossAttn",
        "up_block_types": (*["SimpleCrossAttnUpBlock2D"] * 3, "ResnetUpsampleBlock2D"),
        "block_out_channels": widths,
        "layers_per_block": 3 if scale == "full" else 1,
        "attention_head_dim": 64 if scale == "full" else 32,
        "cross_attention_dim": 2 * widths[0],
        "encoder_hid_dim": _WIDTHS[scale] or 1280,
        "encoder_hid_dim_type": "image_proj",
        "addition_embed_type": "image",
        "addition_embed_type_num_heads": 64 if scale == "full" else 32,
        "resnet_time_scale_shift": "scale_shift",
    }


def _prior(scale: Scale) -> Any:
    width = _WIDTHS[scale]
    embedding = width or 1280
    seen = {"hidden_size": 1664, "intermediate_size": 8192, "num_hidden_layers": 48, "num_attention_heads": 16}
    if scale != "full":
        seen = {"hidden_size": width, "intermediate_size": 4 * width, "num_hidden_layers": 2, "num_attention_heads": 4}
    net = diffusers.PriorTransformer(
        num_attention_heads=32 if scale == "full" else 4,
        attention_head_dim=64 if scale == "full" else width // 4,
        num_layers=20 if scale == "full" else 2,
        embedding_dim=embedding,
        num_embeddings=77,
    ).eval()
    with torch.no_grad():
        net.clip_std.fill_(1.0)  # as made it takes every embedding to 0
    return diffusers.KandinskyV22PriorPipeline(
        prior=net,
        image_encoder=transformers.CLIPVisionModelWithProjection(
            transformers.CLIPVisionConfig(image_size=224, patch_size=14, projection_dim=embedding, **seen)
        ).eval(),
        # The published one is that of SDXL's second encoder.
        text_encoder=_words(transformers.CLIPTextModelWithProjection, "stable-diffusion-xl", "text_encoder_2", width),
        tokenizer=clip_tokenizer("!"),
        scheduler=diffusers.UnCLIPScheduler(
            variance_type="fixed_small_log", clip_sample_range=5.0, prediction_type="sample"
        ),
        image_processor=transformers.CLIPImageProcessorPil(
            size={"shortest_edge": 224}, crop_size={"height": 224, "width": 224}
        ),
    )
