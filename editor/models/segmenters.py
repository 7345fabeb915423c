"""Learned segmenters on the disk: the families that are known, and what a folder holds. Found by their files; nothing is loaded here."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Literal

from editor.models.components import (
    ACTIVATION,
    MAX_LAYERS,
    RATE,
    WIDTH,
    Check,
    Fields,
    NetworkKind,
    either,
    flag,
    listed,
    number,
    whole,
)
from editor.models.headers import Damaged, find_weights, read_header, read_json
from editor.models.places import name_of
from editor.models.settings import advice_on
from editor.models.staging import CONFIG, checked_settings

Fit = Literal["pad", "stretch"]

MAX_GRID = 256  # patches along a side; published models have 64
MEAN, STD = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)  # of the pictures that all published ones were trained on
PREPROCESSING = "preprocessor_config.json"

_PIXELS = whole(16, 4096)
_PATCH = whole(1, 128)
_HEADS = whole(1, 256)
_LAYERS = whole(1, MAX_LAYERS)
_BLOCKS = listed(whole(0, MAX_LAYERS), MAX_LAYERS)
_STAGES = 8


def _by_axis(check: Check) -> Check:
    return either(check, listed(check, 2, 2))


def _stages(check: Check) -> Check:
    return listed(check, _STAGES, 1)


def _fine_grid(settings: Mapping[str, Any]) -> None:
    side, patch = settings.get("image_size") or 1024, settings.get("patch_size") or 16
    if side % patch or side // patch > MAX_GRID:
        raise Damaged("is out of range in “patch_size”")


_PROMPT = NetworkKind(
    {
        "hidden_size": WIDTH,
        "image_size": _PIXELS,
        "patch_size": _PATCH,
        "mask_input_channels": WIDTH,
        "num_point_embeddings": whole(4, 4),
        "hidden_act": ACTIVATION,
        "layer_norm_eps": RATE,
        "scale": whole(1, 1),
    },
    check=_fine_grid,
)
_DECODER: Fields = {
    "hidden_size": WIDTH,
    "hidden_act": ACTIVATION,
    "mlp_dim": WIDTH,
    "num_hidden_layers": _LAYERS,
    "num_attention_heads": _HEADS,
    "attention_downsample_rate": whole(1, 64),
    "num_multimask_outputs": whole(3, 3),
    "iou_head_depth": _LAYERS,
    "iou_head_hidden_dim": WIDTH,
}
_SAM_VISION: Fields = {
    "hidden_size": WIDTH,
    "output_channels": WIDTH,
    "num_hidden_layers": _LAYERS,
    "num_attention_heads": _HEADS,
    "num_channels": whole(3, 3),
    "image_size": _PIXELS,
    "patch_size": _PATCH,
    "hidden_act": ACTIVATION,
    "layer_norm_eps": RATE,
    "qkv_bias": flag,
    "mlp_ratio": number(0.01, 64),
    "use_abs_pos": flag,
    "use_rel_pos": flag,
    "window_size": whole(0, 1024),
    "global_attn_indexes": _BLOCKS,
    "num_pos_feats": WIDTH,
    "mlp_dim": WIDTH,
}
_HIERA: Fields = {
    "hidden_size": WIDTH,
    "num_attention_heads": _HEADS,
    "num_channels": whole(3, 3),
    "image_size": _by_axis(_PIXELS),
    "patch_kernel_size": _by_axis(_PATCH),
    "patch_stride": _by_axis(_PATCH),
    "patch_padding": _by_axis(whole(0, 128)),
    "query_stride": _by_axis(whole(1, 8)),
    "window_positional_embedding_background_size": listed(whole(1, 1024), 2, 2),
    "num_query_pool_stages": whole(0, _STAGES),
    "blocks_per_stage": _stages(_LAYERS),
    "embed_dim_per_stage": _stages(WIDTH),
    "num_attention_heads_per_stage": _stages(_HEADS),
    "window_size_per_stage": _stages(whole(1, 1024)),
    "global_attention_blocks": _BLOCKS,
    "mlp_ratio": number(0.01, 64),
    "hidden_act": ACTIVATION,
    "layer_norm_eps": RATE,
}
_HIERA_NECK: Fields = {
    "backbone_channel_list": _stages(WIDTH),
    "backbone_feature_sizes": _stages(listed(whole(1, 1024), 2, 2)),
    "fpn_hidden_size": WIDTH,
    "fpn_kernel_size": whole(1, 15),
    "fpn_stride": whole(1, 1),
    "fpn_padding": whole(0, 7),
    "fpn_top_down_levels": listed(whole(0, _STAGES), _STAGES),
    "num_feature_levels": whole(3, 3),
    "hidden_act": ACTIVATION,
    "layer_norm_eps": RATE,
}
SAM = NetworkKind(
    {},
    {"model_type": "sam"},
    groups={
        "vision_config": NetworkKind(_SAM_VISION, check=_fine_grid),
        "prompt_encoder_config": _PROMPT,
        "mask_decoder_config": NetworkKind({**_DECODER, "layer_norm_eps": RATE}),
    },
    leftovers=True,
)
SAM_2 = NetworkKind(
    {},
    {"model_type": "sam2"},
    also=("sam2_video",),  # published weights are for films too; what follows a thing from frame to frame is left out
    groups={
        "vision_config": NetworkKind(
            _HIERA_NECK,
            {"model_type": "sam2_vision_model"},
            groups={"backbone_config": NetworkKind(_HIERA, {"model_type": "sam2_hiera_det_model"})},
        ),
        "prompt_encoder_config": _PROMPT,
        "mask_decoder_config": NetworkKind(
            {
                **_DECODER,
                "dynamic_multimask_via_stability": flag,
                "dynamic_multimask_stability_delta": RATE,
                "dynamic_multimask_stability_thresh": RATE,
            }
        ),
    },
    leftovers=True,
)


@dataclass(frozen=True, slots=True)
class SegmenterFamily:
    """A kind of learned segmenter.

    label: for people
    network: its class in transformers
    kind: what its settings may say
    fit: how a picture is brought to its square: made smaller and padded at the right and at the bottom, or stretched
    """

    label: str
    network: str
    kind: NetworkKind
    fit: Fit

    @property
    def model_types(self) -> tuple[str, ...]:
        """What `config.json` calls it."""
        return (self.kind.fixed["model_type"], *self.kind.also)


SEGMENTERS: tuple[SegmenterFamily, ...] = (
    SegmenterFamily("Segment Anything (SAM, SlimSAM)", "SamModel", SAM, "pad"),
    SegmenterFamily("Segment Anything 2 (SAM 2.1)", "Sam2Model", SAM_2, "stretch"),
)


@dataclass(frozen=True, slots=True)
class SegmenterInfo:
    """A learned segmenter on the disk.

    key: its path as text
    family: None where the folder is of no known one
    parameters: how many numbers it holds
    problem: why it cannot be used, as a sentence, empty when it can
    advice: what to do then
    """

    key: str
    name: str
    path: Path
    family: SegmenterFamily | None = None
    parameters: int = 0
    problem: str = ""
    advice: str = ""

    @property
    def usable(self) -> bool:
        return not self.problem


def inspect_segmenter(path: Path, families: Sequence[SegmenterFamily] = SEGMENTERS) -> SegmenterInfo:
    """What lies in a folder, as a segmenter. Never raises for what lies there: the problem stands in the value."""
    path = Path(os.path.abspath(path))
    info = SegmenterInfo(str(path), name_of(path), path)
    family = segmenter_family(path, families)
    if family is None:
        known = " or ".join(family.label for family in families)
        return replace(
            info,
            problem=f"“{info.name}” is no segmenter that this program knows.",
            advice=f"Choose a folder with config.json and model.safetensors of {known}.",
        )
    info = replace(info, family=family)
    try:
        checked_settings(path / CONFIG, family.kind)
        headers = [read_header(file) for file in find_weights(path).files]
    except Damaged as error:
        return replace(info, problem=f"“{info.name}” cannot be used: {error}.", advice=advice_on(error))
    return replace(info, parameters=sum(tensor.count for header in headers for tensor in header.tensors.values()))


def segmenter_family(folder: Path, families: Sequence[SegmenterFamily] = SEGMENTERS) -> SegmenterFamily | None:
    """The family that a folder says it is of."""
    try:
        named = read_json(folder / CONFIG).get("model_type")
    except Damaged:
        return None
    return next((family for family in families if named in family.model_types), None)


def colours(folder: Path) -> tuple[tuple[float, ...], tuple[float, ...]]:
    """Mean and spread of each colour, of 0 to 1, that a segmenter expects; as usual where its folder says nothing, or something wrong."""
    try:
        settings = read_json(folder / PREPROCESSING)
    except Damaged:
        return MEAN, STD
    mean: Any = settings.get("image_mean")
    std: Any = settings.get("image_std")
    return (
        tuple(mean) if listed(number(-10, 10), 3, 3)(mean) else MEAN,
        tuple(std) if listed(number(1e-6, 10), 3, 3)(std) else STD,
    )
