"""Words to what CLIP text encoders read. A prompt longer than one reading goes in several, one behind the other; nothing is cut off."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch


def readings(prompts: Sequence[str], tokenizer: Any, least: int = 1) -> list[torch.Tensor]:
    """For each prompt (n, 77) token ids, n the same for all and at least `least`.

    Each reading is start, up to 75 tokens, end, padding: what the tokenizer itself makes of a prompt that fits into one.
    """
    room = tokenizer.model_max_length - 2
    ids = [tokenizer(each, add_special_tokens=False, verbose=False).input_ids for each in prompts]
    count = max(least, *(-(-len(each) // room) for each in ids))
    return [torch.stack([_reading(each[k * room : (k + 1) * room], tokenizer) for k in range(count)]) for each in ids]


def _reading(ids: list[int], tokenizer: Any) -> torch.Tensor:
    padding = [tokenizer.pad_token_id] * (tokenizer.model_max_length - 2 - len(ids))
    return torch.tensor([tokenizer.bos_token_id, *ids, tokenizer.eos_token_id, *padding])


def in_a_row(hidden: torch.Tensor) -> torch.Tensor:
    """Readings (n, tokens, width) as one prompt (1, n tokens, width)."""
    return hidden.reshape(1, -1, hidden.shape[-1])
