"""Kinds of networks that families are made of: what their settings may say, field by field, as in `editor.models.components`."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from editor.models.components import (
    ACTIVATION,
    CHANNELS,
    DEPTH,
    HEADS,
    MAX_LAYERS,
    MAX_LEVELS,
    MAX_WIDTH,
    MAX_WORDS,
    NAMES,
    RATE,
    SCALE,
    SIDE,
    WIDTH,
    Fields,
    NetworkKind,
    by_level,
    either,
    flag,
    listed,
    number,
    one_of,
    whole,
    word,
)
from editor.models.headers import Damaged

MAX_BLOCKS = 1000  # residual and transformer blocks of a U-Net in all; that of Stable Diffusion XL has 90

_UNET: Fields = {
    "sample_size": either(SIDE, listed(SIDE, 2, 2)),
    "in_channels": CHANNELS,
    "out_channels": CHANNELS,
    "center_input_sample": flag,
    "flip_sin_to_cos": flag,
    "freq_shift": number(-10, 10),
    "down_block_types": NAMES,
    "mid_block_type": word,
    "up_block_types": NAMES,
    "only_cross_attention": by_level(flag),
    "block_out_channels": listed(WIDTH, MAX_LEVELS, 1),
    "layers_per_block": by_level(whole(1, 16)),
    "downsample_padding": whole(0, 8),
    "mid_block_scale_factor": number(1e-6, 1e6),
    "dropout": RATE,
    "act_fn": ACTIVATION,
    "norm_num_groups": whole(1, 1024),
    "norm_eps": RATE,
    "cross_attention_dim": by_level(WIDTH),
    "transformer_layers_per_block": by_level(either(DEPTH, listed(DEPTH, 16))),
    "reverse_transformer_layers_per_block": by_level(either(DEPTH, listed(DEPTH, 16))),
    "encoder_hid_dim": WIDTH,
    "encoder_hid_dim_type": word,
    "attention_head_dim": by_level(HEADS),
    "num_attention_heads": by_level(HEADS),
    "dual_cross_attention": flag,
    "use_linear_projection": flag,
    "class_embed_type": word,
    "addition_embed_type": word,
    "addition_time_embed_dim": WIDTH,
    "num_class_embeds": whole(1, 100_000),
    "upcast_attention": flag,
    "resnet_time_scale_shift": word,
    "resnet_skip_time_act": flag,
    "resnet_out_scale_factor": number(1e-6, 1e6),
    "time_embedding_type": word,
    "time_embedding_dim": WIDTH,
    "time_embedding_act_fn": ACTIVATION,
    "timestep_post_act": ACTIVATION,
    "time_cond_proj_dim": WIDTH,
    "conv_in_kernel": whole(1, 15),
    "conv_out_kernel": whole(1, 15),
    "projection_class_embeddings_input_dim": WIDTH,
    "attention_type": one_of("default"),
    "class_embeddings_concat": flag,
    "mid_block_only_cross_attention": flag,
    "cross_attention_norm": word,
    "addition_embed_type_num_heads": HEADS,
}
_AUTOENCODER: Fields = {
    "in_channels": CHANNELS,
    "out_channels": CHANNELS,
    "down_block_types": NAMES,
    "up_block_types": NAMES,
    "block_out_channels": listed(WIDTH, MAX_LEVELS, 1),
    "layers_per_block": whole(1, 16),
    "act_fn": ACTIVATION,
    "latent_channels": CHANNELS,
    "norm_num_groups": whole(1, 1024),
    "sample_size": either(SIDE, listed(SIDE, 2, 2)),
    "scaling_factor": number(1e-6, 1e6),
    "force_upcast": flag,
    "mid_block_add_attention": flag,
}
_VAE: Fields = {
    **_AUTOENCODER,
    "shift_factor": SCALE,
    "latents_mean": listed(SCALE, 64),
    "latents_std": listed(SCALE, 64),
    "use_quant_conv": flag,
    "use_post_quant_conv": flag,
}
_MOVQ: Fields = {
    **_AUTOENCODER,
    "num_vq_embeddings": whole(1, MAX_WORDS),
    "vq_embed_dim": WIDTH,
    "norm_type": one_of("group", "spatial"),
    "lookup_from_codebook": flag,
}
_PRIOR: Fields = {
    "num_attention_heads": whole(1, 256),
    "attention_head_dim": whole(1, 1024),
    "num_layers": whole(1, MAX_LAYERS),
    "embedding_dim": WIDTH,
    "num_embeddings": whole(1, 4096),
    "additional_embeddings": whole(0, 64),
    "dropout": RATE,
    "time_embed_act_fn": ACTIVATION,
    "norm_in_type": word,
    "embedding_proj_norm_type": word,
    "encoder_hid_proj_type": word,
    "added_emb_type": word,
    "time_embed_dim": WIDTH,
    "embedding_proj_dim": WIDTH,
    "clip_embed_dim": WIDTH,
}
_JOINT_TRANSFORMER: Fields = {
    "sample_size": SIDE,
    "patch_size": whole(1, 64),
    "in_channels": CHANNELS,
    "out_channels": CHANNELS,
    "num_layers": whole(1, MAX_LAYERS),
    "attention_head_dim": whole(1, 1024),
    "num_attention_heads": whole(1, 256),
    "joint_attention_dim": WIDTH,
    "caption_projection_dim": WIDTH,
    "pooled_projection_dim": WIDTH,
    "pos_embed_max_size": whole(1, 4096),
    "dual_attention_layers": listed(whole(0, MAX_LAYERS), MAX_LAYERS),
    "qk_norm": one_of("rms_norm", "layer_norm"),
}
_T5: Fields = {
    "vocab_size": whole(1, MAX_WORDS),
    "d_model": WIDTH,
    "d_kv": whole(1, 1024),
    "d_ff": whole(1, 4 * MAX_WIDTH),
    "num_layers": whole(1, MAX_LAYERS),
    "num_heads": whole(1, 256),
    "relative_attention_num_buckets": whole(1, 4096),
    "relative_attention_max_distance": whole(1, 65_536),
    "dropout_rate": RATE,
    "layer_norm_epsilon": RATE,
    "initializer_factor": number(0, 1000),
    "feed_forward_proj": one_of("relu", "gated-gelu", "gated-silu", "gelu", "silu"),
    "pad_token_id": whole(0, MAX_WORDS),
    "eos_token_id": whole(0, MAX_WORDS),
}


def _bounded(unet: Mapping[str, Any]) -> None:
    if _blocks(unet) > MAX_BLOCKS:
        raise Damaged("is out of range: the network would have far too many layers")


def _blocks(unet: Mapping[str, Any]) -> int:
    """About how many residual and transformer blocks a U-Net has, on the way down and up."""
    levels = len(unet.get("block_out_channels") or [0] * 4)
    residual = _spread(unet.get("layers_per_block"), levels, 2)
    attending = _spread(unet.get("transformer_layers_per_block"), levels, 1)
    return 2 * sum((layers + 1) * (1 + depth) for layers, depth in zip(residual, attending, strict=True))


def _spread(value: Any, levels: int, otherwise: int) -> list[int]:
    most = [max(_flat(entry), default=otherwise) for entry in (value if isinstance(value, list) else [value] * levels)]
    return (most + [otherwise] * levels)[:levels]


def _flat(value: Any) -> Iterable[int]:
    return value if isinstance(value, list) else [] if value is None else [value]


UNET = NetworkKind(_UNET, {"_class_name": "UNet2DConditionModel"}, check=_bounded)
VAE = NetworkKind(_VAE, {"_class_name": "AutoencoderKL"})
MOVQ = NetworkKind(_MOVQ, {"_class_name": "VQModel"})
PRIOR = NetworkKind(_PRIOR, {"_class_name": "PriorTransformer"})
JOINT_TRANSFORMER = NetworkKind(_JOINT_TRANSFORMER, {"_class_name": "SD3Transformer2DModel"})
T5_ENCODER = NetworkKind(_T5, {"model_type": "t5"}, leftovers=True)
