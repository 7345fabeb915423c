"""Which model lies in one safetensors file: told by the names and shapes of its arrays, since nothing else says it reliably."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

from editor.diffusion.families.refused import ADD_ONS, OTHER_FAMILIES
from editor.models.headers import Damaged, Header, Tensor
from editor.models.info import Part, Precision, Prediction
from editor.models.settings import KNOWN_MODEL, NotUnderstood

if TYPE_CHECKING:
    from editor.diffusion.families.base import Families, Family

QUANTISED_TYPES = frozenset(("BOOL", "U8", "I8", "F8_E4M3", "F8_E5M2", "F8_E8M0"))
SIXTEEN_BITS = "Look for the version of the same model in half precision (fp16 or bf16)."
PREFIX = "model.diffusion_model."  # under which authors keep the network of many kinds
PRECISIONS: Mapping[str, Precision] = {"F32": "float32", "F16": "float16", "BF16": "bfloat16"}


class NotAModel(Damaged):
    """A sound file of another kind: a part of a model, or an add-on to one. Nothing that a list of models should show. `advice`: what to do."""

    def __init__(
        self, message: str, advice: str = "Choose a whole model: one file with all its parts, or a diffusers folder."
    ) -> None:
        super().__init__(message)
        self.advice = advice


@dataclass(frozen=True, slots=True)
class SingleFile:
    """What one checkpoint holds. `zero_snr`: as in `ModelInfo`."""

    family: Family
    parts: tuple[Part, ...]
    prediction: Prediction
    native: int
    zero_snr: bool = False


def examine(header: Header, stem: str, families: Families, prediction: Prediction | None = None) -> SingleFile:
    """What the file called `stem` is. `prediction` overrides what is found. Raises `NotAModel`, `NotUnderstood`, `Damaged`."""
    tensors = header.tensors
    for marks, kind in ADD_ONS:
        if any(mark in name for name in tensors for mark in marks):
            advice = "Palimpsest cannot use it yet; choose the model that it adds to, or one that has it built in."
            raise NotAModel(f"is {kind}, not a whole model", advice)
    for family in families:
        held = family.detect_file(header, stem, prediction)
        if held is not None:
            return held
    raise _what_else(tensors, families.words)


def part_of(name: str, tensors: tuple[Tensor, ...]) -> Part:
    """A part as its arrays tell; its precision is that of most of its numbers. Raises `Damaged`."""
    held: dict[str, int] = {}
    for tensor in tensors:
        held[tensor.dtype] = held.get(tensor.dtype, 0) + tensor.count
    most = max(held, key=lambda dtype: held[dtype], default="")
    if not most:
        raise Damaged("is empty")
    # Positions and counters are whole numbers, in a row; a matrix of few bits is one that was packed, with factors that lie elsewhere.
    packed = any(
        tensor.dtype in QUANTISED_TYPES and len(tensor.shape) > 1 and min(tensor.shape) > 1 for tensor in tensors
    )
    if most in QUANTISED_TYPES or packed:
        raise NotUnderstood("is stored with fewer than 16 bits a number, which Palimpsest cannot use yet", SIXTEEN_BITS)
    if most not in PRECISIONS:
        raise NotUnderstood(f"is stored as numbers of another kind ({most}), which Palimpsest cannot use", SIXTEEN_BITS)
    return Part(name, sum(held.values()), sum(tensor.stored for tensor in tensors), PRECISIONS[most])


def _what_else(tensors: Mapping[str, Tensor], known: str) -> Damaged:
    for marks, kind in OTHER_FAMILIES:
        if any(name.removeprefix(PREFIX).startswith(mark) for name in tensors for mark in marks):
            return NotUnderstood(f"is {kind}; Palimpsest can use {known} so far", KNOWN_MODEL)
    if any(name.startswith(PREFIX) for name in tensors):
        return NotAModel("has no text encoder in it")
    tops = {name.partition(".")[0] for name in tensors}
    if {"encoder", "decoder"} <= tops or "first_stage_model" in tops:
        return NotAModel("is a VAE alone, not a whole model")
    if {"down_blocks", "text_model", "embeddings"} & tops:
        return NotAModel("is one part of a model; its folder with model_index.json is the model")
    return NotAModel("is not a model that Palimpsest knows")
