"""Folders of learned segmenters with tiny random networks."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import torch
import transformers

SIDE = 64  # of the square that they see, in pixels

_PROMPT = {"hidden_size": 16, "image_size": SIDE, "mask_input_channels": 4}
_DECODER = {
    "hidden_size": 16,
    "mlp_dim": 32,
    "num_hidden_layers": 2,
    "num_attention_heads": 2,
    "iou_head_hidden_dim": 16,
}


def write_sam(folder: Path) -> Path:
    """A folder as SAM is published, and SlimSAM, which has other widths only."""
    vision = {
        "hidden_size": 16,
        "output_channels": 16,
        "num_hidden_layers": 2,
        "num_attention_heads": 2,
        "image_size": SIDE,
        "patch_size": 8,
        "window_size": 4,
        "global_attn_indexes": [1],
        "num_pos_feats": 8,
        "mlp_dim": 32,
        "initializer_range": 0.2,
    }
    config = transformers.SamConfig(
        vision_config=vision, prompt_encoder_config={**_PROMPT, "patch_size": 8}, mask_decoder_config=_DECODER
    )
    return _write(folder, transformers.SamModel, config)


def write_sam_2(folder: Path, model_type: str = "sam2") -> Path:
    """A folder as SAM 2.1 is published. model_type: as the folder calls it."""
    backbone = {
        "model_type": "sam2_hiera_det_model",
        "hidden_size": 8,
        "num_attention_heads": 1,
        "image_size": [SIDE, SIDE],
        "blocks_per_stage": [1, 2, 2, 1],
        "embed_dim_per_stage": [8, 16, 32, 64],
        "num_attention_heads_per_stage": [1, 1, 2, 2],
        "window_size_per_stage": [4, 4, 4, 4],
        "global_attention_blocks": [4],
        "window_positional_embedding_background_size": [4, 4],
    }
    vision = {
        "model_type": "sam2_vision_model",
        "backbone_config": backbone,
        "backbone_channel_list": [64, 32, 16, 8],
        "backbone_feature_sizes": [[16, 16], [8, 8], [4, 4]],
        "fpn_hidden_size": 16,
    }
    config = transformers.Sam2Config(
        vision_config=vision, prompt_encoder_config={**_PROMPT, "patch_size": 16}, mask_decoder_config=_DECODER
    )
    _write(folder, transformers.Sam2Model, config)
    change_settings(folder, model_type=model_type)
    return folder


def change_settings(folder: Path, **values: Any) -> None:
    """Put other values into its `config.json`."""
    file = folder / "config.json"
    file.write_text(json.dumps({**json.loads(file.read_text("utf-8")), **values}), "utf-8")


def _write(folder: Path, network: Any, config: Any) -> Path:
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(3)
        model = network(config)
        with torch.no_grad():  # as made, many are zero and every click has the same answer
            for parameter in model.parameters():
                parameter.add_(0.1 * torch.randn_like(parameter))
    model.save_pretrained(folder)
    return folder
