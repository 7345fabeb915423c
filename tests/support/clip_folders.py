"""Tiny CLIP models in the folders that transformers writes: real in every part, with fixed random weights, nothing downloaded."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import torch
import transformers

from editor.diffusion.loading import clip_tokenizer
from tests.support.tiny_models import seeded

SIDE = 32


def clip_folder(folder: Path, context: int = 77, prepare: dict[str, Any] | None = None, seed: int = 0) -> Path:
    """A CLIP that sees squares of 32 pixels, with the published word list. `prepare`: its preprocessor's settings; None leaves them out."""
    tokenizer = clip_tokenizer("<|endoftext|>")
    text = {
        "vocab_size": len(tokenizer),
        "hidden_size": 16,
        "intermediate_size": 32,
        "num_hidden_layers": 2,
        "num_attention_heads": 2,
        "max_position_embeddings": context,
        "bos_token_id": tokenizer.bos_token_id,
        "eos_token_id": tokenizer.eos_token_id,
    }
    vision = {
        "hidden_size": 16,
        "intermediate_size": 32,
        "num_hidden_layers": 2,
        "num_attention_heads": 2,
        "image_size": SIDE,
        "patch_size": 8,
    }
    with seeded(seed):
        network = transformers.CLIPModel(
            transformers.CLIPConfig(text_config=text, vision_config=vision, projection_dim=8)
        )
        with torch.no_grad():
            for parameter in network.parameters():  # as made it hardly tells anything apart
                if parameter.ndim > 1:
                    parameter.normal_(0, 0.3)
    network.save_pretrained(folder, safe_serialization=True)
    tokenizer.save_pretrained(folder)
    if prepare is not None:
        (folder / "preprocessor_config.json").write_text(json.dumps(prepare))
    return folder
