"""Files that look like models, without torch: headers with a few bytes behind them."""

from __future__ import annotations

import json
import struct
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from editor.models.info import FamilyName

GB = 10**9
SIZES = {"F32": 4, "F16": 2, "BF16": 2, "F8_E4M3": 1}
TEXT = {
    "stable-diffusion": ("cond_stage_model.transformer.text_model.x",),
    "stable-diffusion-xl": ("conditioner.embedders.0.transformer.text_model.x", "conditioner.embedders.1.model.x"),
    "stable-diffusion-xl-refiner": ("conditioner.embedders.0.model.x",),
}
SECOND = ("cond_stage_model.model.x",)
SETTINGS: Mapping[str, dict[str, Any]] = {
    "unet": {"_class_name": "UNet2DConditionModel", "in_channels": 4, "sample_size": 64, "block_out_channels": [8, 16]},
    "vae": {"_class_name": "AutoencoderKL", "block_out_channels": [8, 8, 16, 16]},
    "movq": {"_class_name": "VQModel", "block_out_channels": [8, 8, 16, 16]},
    "prior": {"_class_name": "PriorTransformer"},
}


def folder_of(family: FamilyName, channels: int = 4) -> dict[str, tuple[int, ...]]:
    """The arrays of a checkpoint, by name: as few as tell it."""
    return {
        "model.diffusion_model.input_blocks.0.0.weight": (2, channels, 3, 3),
        "first_stage_model.encoder.conv_in.weight": (2, 3, 3, 3),
        **dict.fromkeys(TEXT[family], (4,)),
    }


def weights_file(
    path: Path, arrays: Mapping[str, Sequence[int]], metadata: Mapping[str, str] | None = None, dtype: str = "F16"
) -> Path:
    """A sound safetensors file of zeros. Returns the path."""
    header: dict[str, Any] = {"__metadata__": dict(metadata)} if metadata else {}
    end = 0
    for name, shape in arrays.items():
        begin = end
        count = 1
        for side in shape:
            count *= side
        end += count * SIZES[dtype]
        header[name] = {"dtype": dtype, "shape": list(shape), "data_offsets": [begin, end]}
    text = json.dumps(header).encode()
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(struct.pack("<Q", len(text)) + text + bytes(end))
    return path


def diffusers_folder(path: Path, kind: str = "StableDiffusionPipeline", **index: Any) -> Path:
    """A folder with every part that its class needs; weights are a few zeros. Returns the folder."""
    if kind.startswith("KandinskyV22Prior"):
        parts = ["prior", "image_encoder", "text_encoder"]
        others = {"scheduler": "scheduler_config.json", "image_processor": "preprocessor_config.json"}
    elif kind.startswith("KandinskyV22"):
        parts, others = ["unet", "movq"], {"scheduler": "scheduler_config.json"}
    else:
        parts, others = ["unet", "vae", "text_encoder"], {"scheduler": "scheduler_config.json"}
        if "XL" in kind:
            parts.append("text_encoder_2")
            index = {"text_encoder": ["transformers", "CLIPTextModel"], **index}
    for part in parts:
        stem = "model" if part.endswith("encoder") or part.endswith("_2") else "diffusion_pytorch_model"
        weights_file(path / part / f"{stem}.safetensors", {"conv_in.weight": (2, 3)})
        (path / part / "config.json").write_text(json.dumps(SETTINGS.get(part, {})))
        if part.startswith("text_encoder"):
            words = path / part.replace("text_encoder", "tokenizer")
            words.mkdir()
            (words / "vocab.json").write_text("{}")
            (words / "merges.txt").write_text("")
    for part, file in others.items():
        (path / part).mkdir()
        scheduler = "UnCLIPScheduler" if kind.startswith("KandinskyV22Prior") else "DDIMScheduler"
        (path / part / file).write_text(json.dumps({"_class_name": scheduler, "prediction_type": "epsilon"}))
    (path / "model_index.json").write_text(json.dumps({"_class_name": kind, **index}))
    return path
