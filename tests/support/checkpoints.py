"""Single files in their authors' layout, written from the networks of a folder: the inverse of what diffusers does on reading."""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import save_file


def save_single(
    path: Path, parts: Mapping[str, Any], second: bool = False, metadata: dict[str, str] | None = None
) -> Path:
    """The networks in one file. `second`: with the text encoder named as in Stable Diffusion 2. Returns the path."""
    held = parts["unet"].state_dict()
    attending = {key[10] for key in held if key.startswith("up_blocks") and "attentions" in key}
    arrays = {f"model.diffusion_model.{_unet_name(key, attending)}": each for key, each in held.items()}
    for key, each in parts["vae"].state_dict().items():
        square = "attentions.0.to_" in key and key.endswith("weight")
        arrays[f"first_stage_model.{_vae_name(key)}"] = each[:, :, None, None] if square else each
    if parts.get("text_encoder_2") is not None:
        place = 0 if parts["text_encoder"] is None else 1
        arrays |= _open_clip(parts["text_encoder_2"], f"conditioner.embedders.{place}.model.")
        if place:
            arrays |= _clip(parts["text_encoder"], "conditioner.embedders.0.transformer.")
    elif second:
        arrays |= _open_clip(parts["text_encoder"], "cond_stage_model.model.")
    else:
        arrays |= _clip(parts["text_encoder"], "cond_stage_model.transformer.")
    save_file({key: array.clone().contiguous() for key, array in arrays.items()}, path, metadata or {"format": "pt"})
    return path


def _unet_name(key: str, attending: set[str]) -> str:
    each = 2  # one block and its way down, at a level: `layers_per_block` is 1
    for ours, theirs in (
        ("norm1.", "in_layers.0."), ("conv1.", "in_layers.2."), ("norm2.", "out_layers.0."), ("conv2.", "out_layers.3."),
        ("time_emb_proj.", "emb_layers.1."), ("conv_shortcut.", "skip_connection."),
    ):  # fmt: skip
        if "resnets" in key:
            key = key.replace(ours, theirs)
    for ours, theirs in (
        ("time_embedding.linear_1", "time_embed.0"), ("time_embedding.linear_2", "time_embed.2"),
        ("add_embedding.linear_1", "label_emb.0.0"), ("add_embedding.linear_2", "label_emb.0.2"),
        ("conv_in", "input_blocks.0.0"), ("conv_norm_out", "out.0"), ("conv_out", "out.2"),
        ("mid_block.resnets.0", "middle_block.0"), ("mid_block.attentions.0", "middle_block.1"), ("mid_block.resnets.1", "middle_block.2"),
    ):  # fmt: skip
        if key.startswith(ours):
            return key.replace(ours, theirs, 1)
    way, level, kind, index, rest = re.fullmatch(r"(down|up)_blocks\.(\d)\.(\w+)\.(\d)\.(.*)", key).groups()  # type: ignore[union-attr]
    if way == "down":
        block = 1 + int(level) * each + int(index)
        return {
            "resnets": f"input_blocks.{block}.0.{rest}",
            "attentions": f"input_blocks.{block}.1.{rest}",
            "downsamplers": f"input_blocks.{1 + int(level) * each + 1}.0.op.{rest.removeprefix('conv.')}",
        }[kind]
    block = int(level) * each + int(index)
    after = int(level) * each + each - 1
    return {
        "resnets": f"output_blocks.{block}.0.{rest}",
        "attentions": f"output_blocks.{block}.1.{rest}",
        "upsamplers": f"output_blocks.{after}.{2 if level in attending else 1}.{rest}",
    }[kind]


def _vae_name(key: str) -> str:
    key = key.replace("conv_norm_out", "norm_out").replace("conv_shortcut", "nin_shortcut")
    key = key.replace("mid_block.resnets.0", "mid.block_1").replace("mid_block.resnets.1", "mid.block_2")
    if "attentions" in key:
        key = (
            key.replace("mid_block.attentions.0", "mid.attn_1")
            .replace("group_norm", "norm")
            .replace("to_out.0", "proj_out")
        )
        key = re.sub(r"to_([qkv])\.", r"\1.", key)
    key = re.sub(r"down_blocks\.(\d)\.resnets", r"down.\1.block", key)
    key = re.sub(r"down_blocks\.(\d)\.downsamplers\.0", r"down.\1.downsample", key)
    key = re.sub(r"up_blocks\.(\d)\.resnets", lambda found: f"up.{3 - int(found[1])}.block", key)
    return re.sub(r"up_blocks\.(\d)\.upsamplers\.0", lambda found: f"up.{3 - int(found[1])}.upsample", key)


def _clip(model: Any, prefix: str) -> dict[str, torch.Tensor]:
    return {f"{prefix}text_model.{key.removeprefix('text_model.')}": each for key, each in model.state_dict().items()}


def _open_clip(model: Any, prefix: str) -> dict[str, torch.Tensor]:
    held = {key.removeprefix("text_model."): each for key, each in model.state_dict().items()}
    found = {
        "positional_embedding": held["embeddings.position_embedding.weight"],
        "token_embedding.weight": held["embeddings.token_embedding.weight"],
        "ln_final.weight": held["final_layer_norm.weight"],
        "ln_final.bias": held["final_layer_norm.bias"],
    }
    if "text_projection.weight" in held:
        found["text_projection"] = held["text_projection.weight"].T
    for key, each in held.items():
        matched = re.fullmatch(r"encoder\.layers\.(\d+)\.(.*)", key)
        if matched is None:
            continue
        layer, rest = matched.groups()
        start = f"transformer.resblocks.{layer}."
        for ours, theirs in (
            ("layer_norm1", "ln_1"),
            ("layer_norm2", "ln_2"),
            ("mlp.fc1", "mlp.c_fc"),
            ("mlp.fc2", "mlp.c_proj"),
        ):
            rest = rest.replace(ours, theirs)
        if rest.startswith("self_attn.q_proj"):
            ending = rest.rpartition(".")[2]
            three = [held[key.replace("q_proj", name)] for name in ("q_proj", "k_proj", "v_proj")]
            found[f"{start}attn.in_proj_{ending}"] = torch.cat(three)
        elif not rest.startswith(("self_attn.k_proj", "self_attn.v_proj")):
            found[start + rest.replace("self_attn", "attn")] = each
    return {prefix + key: each for key, each in found.items()}
