"""What the settings of a model's parts may say: an allow-list of fields and their ranges for each kind of part.

Settings steer libraries: they can name code and kernels to fetch, ways to quantise, or networks of a million layers. Nothing of a model's
settings reaches a library that is not listed here. Fields that are not listed are left out, since published models have many that change
nothing; listed ones that are out of range are refused.
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Iterable, Mapping
from typing import Any

from editor.models.headers import Damaged

Check = Callable[[Any], bool]
Fields = Mapping[str, Check]

MAX_WIDTH = 16_384  # of any layer
MAX_LAYERS = 128  # of a transformer
MAX_LEVELS = 8  # of a U-Net or an autoencoder
MAX_BLOCKS = 1000  # residual and transformer blocks of a U-Net in all; that of Stable Diffusion XL has 90
MAX_WORDS = 1_000_000
WORD = re.compile(r"[A-Za-z0-9_+\-]{1,60}")


def whole(low: int, high: int) -> Check:
    return lambda value: isinstance(value, int) and not isinstance(value, bool) and low <= value <= high


def number(low: float, high: float) -> Check:
    return lambda value: isinstance(value, int | float) and not isinstance(value, bool) and low <= value <= high


def flag(value: Any) -> bool:
    return isinstance(value, bool)


def word(value: Any) -> bool:
    return isinstance(value, str) and WORD.fullmatch(value) is not None


def one_of(*names: str) -> Check:
    return lambda value: isinstance(value, str) and value in names


def listed(check: Check, most: int, least: int = 0) -> Check:
    return lambda value: isinstance(value, list) and least <= len(value) <= most and all(map(check, value))


def either(*checks: Check) -> Check:
    return lambda value: any(check(value) for check in checks)


def by_level(check: Check) -> Check:
    """One value for all levels, or one for each."""
    return either(check, listed(check, MAX_LEVELS))


_SIDE = whole(1, 16_384)
_WIDTH = whole(1, MAX_WIDTH)
_CHANNELS = whole(1, 64)
_HEADS = whole(1, 1024)
_RATE = number(0, 1)
_SCALE = number(-1e6, 1e6)
_DEPTH = whole(0, 64)
_ACTIVATION = one_of("silu", "swish", "mish", "gelu", "relu")
_TRANSFORMER_ACTIVATION = one_of(
    "quick_gelu", "gelu", "gelu_new", "gelu_fast", "gelu_pytorch_tanh", "relu", "silu", "swish"
)
_NAMES = listed(word, MAX_LEVELS, 1)

UNET: Fields = {
    "sample_size": either(_SIDE, listed(_SIDE, 2, 2)),
    "in_channels": _CHANNELS,
    "out_channels": _CHANNELS,
    "center_input_sample": flag,
    "flip_sin_to_cos": flag,
    "freq_shift": number(-10, 10),
    "down_block_types": _NAMES,
    "mid_block_type": word,
    "up_block_types": _NAMES,
    "only_cross_attention": by_level(flag),
    "block_out_channels": listed(_WIDTH, MAX_LEVELS, 1),
    "layers_per_block": by_level(whole(1, 16)),
    "downsample_padding": whole(0, 8),
    "mid_block_scale_factor": number(1e-6, 1e6),
    "dropout": _RATE,
    "act_fn": _ACTIVATION,
    "norm_num_groups": whole(1, 1024),
    "norm_eps": _RATE,
    "cross_attention_dim": by_level(_WIDTH),
    "transformer_layers_per_block": by_level(either(_DEPTH, listed(_DEPTH, 16))),
    "reverse_transformer_layers_per_block": by_level(either(_DEPTH, listed(_DEPTH, 16))),
    "encoder_hid_dim": _WIDTH,
    "encoder_hid_dim_type": word,
    "attention_head_dim": by_level(_HEADS),
    "num_attention_heads": by_level(_HEADS),
    "dual_cross_attention": flag,
    "use_linear_projection": flag,
    "class_embed_type": word,
    "addition_embed_type": word,
    "addition_time_embed_dim": _WIDTH,
    "num_class_embeds": whole(1, 100_000),
    "upcast_attention": flag,
    "resnet_time_scale_shift": word,
    "resnet_skip_time_act": flag,
    "resnet_out_scale_factor": number(1e-6, 1e6),
    "time_embedding_type": word,
    "time_embedding_dim": _WIDTH,
    "time_embedding_act_fn": _ACTIVATION,
    "timestep_post_act": _ACTIVATION,
    "time_cond_proj_dim": _WIDTH,
    "conv_in_kernel": whole(1, 15),
    "conv_out_kernel": whole(1, 15),
    "projection_class_embeddings_input_dim": _WIDTH,
    "attention_type": one_of("default"),
    "class_embeddings_concat": flag,
    "mid_block_only_cross_attention": flag,
    "cross_attention_norm": word,
    "addition_embed_type_num_heads": _HEADS,
}
_AUTOENCODER: Fields = {
    "in_channels": _CHANNELS,
    "out_channels": _CHANNELS,
    "down_block_types": _NAMES,
    "up_block_types": _NAMES,
    "block_out_channels": listed(_WIDTH, MAX_LEVELS, 1),
    "layers_per_block": whole(1, 16),
    "act_fn": _ACTIVATION,
    "latent_channels": _CHANNELS,
    "norm_num_groups": whole(1, 1024),
    "sample_size": either(_SIDE, listed(_SIDE, 2, 2)),
    "scaling_factor": number(1e-6, 1e6),
    "force_upcast": flag,
    "mid_block_add_attention": flag,
}
VAE: Fields = {
    **_AUTOENCODER,
    "shift_factor": _SCALE,
    "latents_mean": listed(_SCALE, 64),
    "latents_std": listed(_SCALE, 64),
    "use_quant_conv": flag,
    "use_post_quant_conv": flag,
}
MOVQ: Fields = {
    **_AUTOENCODER,
    "num_vq_embeddings": whole(1, MAX_WORDS),
    "vq_embed_dim": _WIDTH,
    "norm_type": one_of("group", "spatial"),
    "lookup_from_codebook": flag,
}
PRIOR: Fields = {
    "num_attention_heads": whole(1, 256),
    "attention_head_dim": whole(1, 1024),
    "num_layers": whole(1, MAX_LAYERS),
    "embedding_dim": _WIDTH,
    "num_embeddings": whole(1, 4096),
    "additional_embeddings": whole(0, 64),
    "dropout": _RATE,
    "time_embed_act_fn": _ACTIVATION,
    "norm_in_type": word,
    "embedding_proj_norm_type": word,
    "encoder_hid_proj_type": word,
    "added_emb_type": word,
    "time_embed_dim": _WIDTH,
    "embedding_proj_dim": _WIDTH,
    "clip_embed_dim": _WIDTH,
}
_CLIP_LAYERS: Fields = {
    "hidden_size": _WIDTH,
    "intermediate_size": whole(1, 4 * MAX_WIDTH),
    "projection_dim": _WIDTH,
    "num_hidden_layers": whole(1, MAX_LAYERS),
    "num_attention_heads": whole(1, 256),
    "hidden_act": _TRANSFORMER_ACTIVATION,
    "layer_norm_eps": _RATE,
    "attention_dropout": _RATE,
    "initializer_range": number(0, 1000),
    "initializer_factor": number(0, 1000),
}
CLIP_TEXT: Fields = {
    **_CLIP_LAYERS,
    "vocab_size": whole(1, MAX_WORDS),
    "max_position_embeddings": whole(1, 4096),
    "pad_token_id": whole(0, MAX_WORDS),
    "bos_token_id": whole(0, MAX_WORDS),
    "eos_token_id": either(whole(0, MAX_WORDS), listed(whole(0, MAX_WORDS), 16)),
}
CLIP_VISION: Fields = {
    **_CLIP_LAYERS,
    "num_channels": whole(1, 16),
    "image_size": whole(1, 4096),
    "patch_size": whole(1, 1024),
}
CLIP: Fields = {
    "projection_dim": _WIDTH,
    "logit_scale_init_value": number(-100, 100),
    "initializer_factor": number(0, 1000),
}
_STEPS = whole(1, 10_000)
_SIGMA = number(0, 1e6)
SCHEDULER: Fields = {
    "num_train_timesteps": _STEPS,
    "beta_start": _RATE,
    "beta_end": _RATE,
    "beta_schedule": word,
    "trained_betas": listed(_RATE, 10_000, 1),
    "prediction_type": word,
    "timestep_spacing": word,
    "timestep_type": word,
    "steps_offset": whole(0, 10_000),
    "clip_sample": flag,
    "clip_sample_range": _SIGMA,
    "set_alpha_to_one": flag,
    "thresholding": flag,
    "dynamic_thresholding_ratio": _RATE,
    "sample_max_value": _SIGMA,
    "rescale_betas_zero_snr": flag,
    "variance_type": word,
    "skip_prk_steps": flag,
    "original_inference_steps": _STEPS,
    "timestep_scaling": _SIGMA,
    "interpolation_type": word,
    "use_karras_sigmas": flag,
    "use_exponential_sigmas": flag,
    "use_beta_sigmas": flag,
    "use_flow_sigmas": flag,
    "use_lu_lambdas": flag,
    "sigma_min": _SIGMA,
    "sigma_max": _SIGMA,
    "sigma_data": _SIGMA,
    "sigma_schedule": word,
    "rho": number(0, 1000),
    "final_sigmas_type": word,
    "solver_order": whole(1, 5),
    "algorithm_type": word,
    "solver_type": word,
    "lower_order_final": flag,
    "euler_at_final": flag,
    "lambda_min_clipped": number(-math.inf, 1e6),
    "predict_x0": flag,
    "disable_corrector": listed(whole(0, 10_000), 10_000),
    "flow_shift": _SIGMA,
    "shift": _SIGMA,
    "use_dynamic_shifting": flag,
    "time_shift_type": word,
    "base_shift": _SIGMA,
    "max_shift": _SIGMA,
    "base_image_seq_len": whole(1, 10**6),
    "max_image_seq_len": whole(1, 10**6),
    "shift_terminal": _SIGMA,
    "invert_sigmas": flag,
    "stochastic_sampling": flag,
    "snr_shift_scale": _SIGMA,
    "s_noise": _SIGMA,
    "snr": _SIGMA,
    "sampling_eps": _RATE,
    "correct_steps": whole(0, 1000),
}


def _size(value: Any) -> bool:
    names = {"shortest_edge", "height", "width"}
    side = whole(1, 4096)
    return side(value) or (
        isinstance(value, dict) and len(value) > 0 and value.keys() <= names and all(map(side, value.values()))
    )


IMAGE_PROCESSOR: Fields = {
    "do_resize": flag,
    "size": _size,
    "resample": whole(0, 5),
    "do_center_crop": flag,
    "crop_size": _size,
    "do_rescale": flag,
    "rescale_factor": number(1e-6, 1),
    "do_normalize": flag,
    "image_mean": listed(number(-10, 10), 3, 3),
    "image_std": listed(number(1e-6, 10), 3, 3),
    "do_convert_rgb": flag,
}
PARTS: Mapping[
    str, tuple[Fields, Mapping[str, str]]
] = {  # part -> its fields, and what its settings are always made to say
    "unet": (UNET, {"_class_name": "UNet2DConditionModel"}),
    "vae": (VAE, {"_class_name": "AutoencoderKL"}),
    "movq": (MOVQ, {"_class_name": "VQModel"}),
    "prior": (PRIOR, {"_class_name": "PriorTransformer"}),
    "text_encoder": (CLIP_TEXT, {"model_type": "clip_text_model"}),
    "text_encoder_2": (CLIP_TEXT, {"model_type": "clip_text_model"}),
    "image_encoder": (CLIP_VISION, {"model_type": "clip_vision_model"}),
    "clip": (CLIP, {"model_type": "clip"}),
    "scheduler": (SCHEDULER, {}),
    "image_processor": (IMAGE_PROCESSOR, {"image_processor_type": "CLIPImageProcessor"}),
}
HALVES: Mapping[str, Fields] = {"text_config": CLIP_TEXT, "vision_config": CLIP_VISION}  # of a whole CLIP


def cleaned(part: str, settings: Mapping[str, Any]) -> dict[str, Any]:
    """The settings of a part as far as they are listed. Raises `Damaged` for listed ones out of range, after the name of the file.

    part: as the folder is called, or "clip" for a whole CLIP
    settings: what the file says
    """
    fields, fixed = PARTS[part]
    half = {"text_encoder": "text_config", "text_encoder_2": "text_config", "image_encoder": "vision_config"}.get(part)
    if half is not None:
        kind = settings.get("model_type")
        if kind == "clip" and isinstance(settings.get(half), dict):  # some keep the settings of the whole CLIP
            settings = settings[half]
        elif kind not in (None, "", "clip", fixed["model_type"]):
            raise Damaged(f"is of another kind of network ({str(kind)[:60]})")
    clean = {**_within(fields, settings), **fixed}
    if part == "clip":
        for name, inner in HALVES.items():
            # Older settings have a second group that counts more.
            groups = [settings.get(key) for key in (name, f"{name}_dict")]
            clean[name] = {
                key: value
                for group in groups
                if isinstance(group, dict)
                for key, value in _within(inner, group).items()
            }
    if part == "unet" and _blocks(clean) > MAX_BLOCKS:
        raise Damaged("is out of range: the network would have far too many layers")
    return clean


def _within(fields: Fields, settings: Mapping[str, Any]) -> dict[str, Any]:
    known = {name: settings[name] for name in fields if name in settings}
    for name, value in known.items():
        if value is not None and not fields[name](value):
            raise Damaged(f"is out of range in “{name}”")
    return known


def _blocks(unet: Mapping[str, Any]) -> int:
    """About how many residual and transformer blocks a U-Net has, on the way down and up."""
    levels = len(unet.get("block_out_channels") or [0] * 4)
    residual = _spread(unet.get("layers_per_block"), levels, 2)
    attending = _spread(unet.get("transformer_layers_per_block"), levels, 1)
    return 2 * sum((layers + 1) * (1 + depth) for layers, depth in zip(residual, attending, strict=True))


def _spread(value: Any, levels: int, otherwise: int) -> list[int]:
    most = [max(_flat(each), default=otherwise) for each in (value if isinstance(value, list) else [value] * levels)]
    return (most + [otherwise] * levels)[:levels]


def _flat(value: Any) -> Iterable[int]:
    return value if isinstance(value, list) else [] if value is None else [value]
