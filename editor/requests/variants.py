"""Variants: the results that one run is asked for, each an edit beside the others."""

from __future__ import annotations

import copy
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, fields
from typing import Any

import numpy as np

from editor.errors import InvalidRequest
from editor.requests.edit_request import EditRequest, ExemplarInput, ItemInput

MAX_SEED = 2**63 - 1


@dataclass(frozen=True, slots=True, eq=False)
class Variant:
    """One result of a run, with all that it has of its own: seed, frame, strength map, words.

    id: what reports and results call it by, of no other variant of the same run
    request: its edit; the arrays that it has in common with other variants are the same objects
    """

    id: int
    request: EditRequest

    @property
    def seed(self) -> int:
        """The seed of its noise."""
        return self.request.seed

    def shares_batch(self, other: Variant) -> bool:
        """Whether one run of the network can make both: they differ in nothing but the seed."""
        names = (field.name for field in fields(EditRequest) if field.name != "seed")
        return all(_same(getattr(self.request, name), getattr(other.request, name)) for name in names)


@dataclass(frozen=True, slots=True, eq=False)
class VariantsRequest:
    """Ask for several results at once. Those that can share a batch are made together where memory allows, the others one after the other.

    variants: in the order in which they are made
    ranked: whether it is to be said of those of one batch how well they fit the words

    Raises `InvalidRequest` for none at all, for an id that two have, for two that would be the same picture, and for more than one model.
    """

    variants: tuple[Variant, ...]
    ranked: bool = True

    def __post_init__(self) -> None:
        if not self.variants:
            raise InvalidRequest("No result is asked for.", "Ask for at least one.")
        if len({variant.id for variant in self.variants}) < len(self.variants):
            raise InvalidRequest("Two results have one number.", "Give each its own.")
        if len({variant.request.model for variant in self.variants}) > 1:
            raise InvalidRequest("Results of one run are made by one model.", "Choose the same model for all.")
        if any(len({variant.seed for variant in batch}) < len(batch) for batch in batches(self.variants)):
            raise InvalidRequest("The same seed twice makes the same picture twice.", "Give each its own.")

    @classmethod
    def of_seeds(cls, request: EditRequest, seeds: Sequence[int], *, ranked: bool = True) -> VariantsRequest:
        """The same edit with several seeds, instead of its own."""
        return cls(variants_of(request, seeds), ranked)


def variants_of(request: EditRequest, seeds: Sequence[int]) -> tuple[Variant, ...]:
    """Variants of one edit that differ in the seed, numbered from 0. Raises `InvalidRequest` for a seed out of range."""
    return tuple(Variant(id, with_seed(request, seed)) for id, seed in enumerate(seeds))


def with_seed(request: EditRequest, seed: int) -> EditRequest:
    """The same edit with another seed; nothing else is checked again, which takes time where pictures are large."""
    if not 0 <= seed <= MAX_SEED:
        raise InvalidRequest("The seed must be a whole number from 0 to 2^63 - 1.")
    other = copy.copy(request)
    object.__setattr__(other, "seed", seed)
    return other


def batches(variants: Sequence[Variant]) -> Iterator[tuple[Variant, ...]]:
    """Runs of neighbours that can share a batch, in order."""
    batch: list[Variant] = []
    for variant in variants:
        if batch and not batch[0].shares_batch(variant):
            yield tuple(batch)
            batch = []
        batch.append(variant)
    if batch:
        yield tuple(batch)


def _same(one: Any, other: Any) -> bool:
    """Whether two fields hold the same. Arrays are told apart by identity: to compare large pictures takes longer than it saves."""
    if one is other:
        return True
    if type(one) is not type(other) or isinstance(one, np.ndarray):
        return False
    if isinstance(one, tuple):
        return len(one) == len(other) and all(map(_same, one, other))
    if isinstance(one, ItemInput | ExemplarInput):
        return all(_same(getattr(one, field.name), getattr(other, field.name)) for field in fields(one))
    return bool(one == other)
