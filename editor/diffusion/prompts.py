"""Prompts as CLIP text encoders read them. A prompt longer than one reading goes in several, one behind the other; nothing is cut off."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import torch
from diffusers.utils.torch_utils import get_module_execution_device

from editor.diffusion.backend import Tokens


@dataclass(frozen=True, slots=True, eq=False)
class Reading:
    """A prompt in readings of an encoder's length, and where vectors stand in for words.

    ids: (n, length)
    extra: (n, length) whole numbers, which of `vectors` stands there; -1 for none
    vectors: (m, width)
    """

    ids: torch.Tensor
    extra: torch.Tensor
    vectors: torch.Tensor | None = None


def readings(
    prompts: Sequence[str], tokenizer: Any, least: int = 1, vectors: Mapping[str, torch.Tensor] | None = None
) -> list[Reading]:
    """For each prompt its readings, as many for all, and at least `least`.

    Each is start, up to 75 tokens, end, padding: what the tokenizer itself makes of a prompt that fits into one.
    vectors: (k, width) for k tokens, by the word in whose place they stand
    """
    room = tokenizer.model_max_length - 2
    spelled = [_spelled(prompt, tokenizer, vectors or {}) for prompt in prompts]
    count = max(least, *(-(-len(ids) // room) for ids, _ in spelled))
    table = torch.cat(list(vectors.values())) if vectors else None
    return [
        Reading(
            torch.stack([_framed(ids[k * room : (k + 1) * room], tokenizer) for k in range(count)]),
            torch.stack([_aligned(extra[k * room : (k + 1) * room], tokenizer) for k in range(count)]),
            table,
        )
        for ids, extra in spelled
    ]


def whole_readings(
    prompts: Sequence[str], tokenizer: Any, least: int, vectors: Mapping[str, torch.Tensor] | None = None
) -> list[Reading]:
    """For each prompt one reading, as encoders read that take any length: tokens, end, padding; as long for all, and at least `least`.

    vectors: as in `readings`
    """
    spelled = [_spelled(prompt, tokenizer, vectors or {}) for prompt in prompts]
    length = max(least, *(len(ids) + 1 for ids, _ in spelled))
    table = torch.cat(list(vectors.values())) if vectors else None
    return [
        Reading(
            torch.tensor([[*ids, tokenizer.eos_token_id, *[tokenizer.pad_token_id] * (length - 1 - len(ids))]]),
            torch.tensor([[*extra, *[-1] * (length - len(extra))]]),
            table,
        )
        for ids, extra in spelled
    ]


def tokens(reading: Reading, tokenizer: Any) -> Tokens:
    """With the spelling of each position."""
    return Tokens(reading.ids, tuple(tokenizer.convert_ids_to_tokens(reading.ids.flatten().tolist())))


def encoded(encoder: Any, reading: Reading, **options: Any) -> Any:
    """What a text encoder says of a reading, wherever its parts lie. Gradients flow where they are wanted."""
    device = get_module_execution_device(encoder)
    with _standing_in(encoder, reading):
        return encoder(reading.ids.to(device), **options)


def in_a_row(hidden: torch.Tensor) -> torch.Tensor:
    """Readings (n, tokens, width) as one prompt (1, n tokens, width)."""
    return hidden.reshape(1, -1, hidden.shape[-1])


def _spelled(prompt: str, tokenizer: Any, vectors: Mapping[str, torch.Tensor]) -> tuple[list[int], list[int]]:
    """The prompt's ids without frame, and which of all vectors stands at each place."""
    ids: list[int] = []
    extra: list[int] = []
    first = dict(zip(vectors, _starts([len(vector) for vector in vectors.values()]), strict=True))
    for part, word in _parts(prompt, tuple(vectors)):
        if word:
            count = len(vectors[word])
            ids += [0] * count  # any that is none of the frame's: what is looked up for it is not used
            extra += range(first[word], first[word] + count)
        elif part.strip() or not vectors:
            new: list[int] = tokenizer(part, add_special_tokens=False, verbose=False).input_ids
            ids += new
            extra += [-1] * len(new)
    return ids, extra


def _parts(prompt: str, words: Sequence[str]) -> Iterator[tuple[str, str]]:
    """The prompt cut at words that stand by themselves: (text, "") and ("", word)."""
    if not words:
        yield prompt, ""
        return
    longest = sorted(words, key=len, reverse=True)
    pattern = re.compile(r"(?<!\w)(" + "|".join(map(re.escape, longest)) + r")(?!\w)")
    for place, part in enumerate(pattern.split(prompt)):
        yield (part, "") if place % 2 == 0 else ("", part)


def _starts(lengths: Sequence[int]) -> list[int]:
    return [sum(lengths[:place]) for place in range(len(lengths))]


def _framed(ids: list[int], tokenizer: Any) -> torch.Tensor:
    padding = [tokenizer.pad_token_id] * (tokenizer.model_max_length - 2 - len(ids))
    return torch.tensor([tokenizer.bos_token_id, *ids, tokenizer.eos_token_id, *padding])


def _aligned(extra: list[int], tokenizer: Any) -> torch.Tensor:
    return torch.tensor([-1, *extra, *[-1] * (tokenizer.model_max_length - 1 - len(extra))])


@contextmanager
def _standing_in(encoder: Any, reading: Reading) -> Iterator[None]:
    """While it lasts, the encoder looks up the reading's vectors in the places of their words."""
    vectors = reading.vectors
    if vectors is None:
        yield
        return

    def swapped(_layer: Any, _inputs: Any, looked_up: torch.Tensor) -> torch.Tensor:
        place = reading.extra.to(looked_up.device)
        chosen = vectors.to(looked_up)[place.clamp(min=0)]
        return torch.where(place[..., None] >= 0, chosen, looked_up)

    table = encoder.get_input_embeddings()
    # T5 looks words up in a module of its own that shares the weights.
    layers = [layer for name, layer in encoder.named_modules() if layer is table or name.endswith("embed_tokens")]
    handles = [layer.register_forward_hook(swapped) for layer in layers]
    try:
        yield
    finally:
        for handle in handles:
            handle.remove()
