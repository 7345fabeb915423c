"""Grouped conditioning: the words of all items in a row, each to be read by the item's own cells only (docs/methods.md, D-Edit)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
import torch
from torch.nn import functional

from editor.arrays import Labels
from editor.diffusion.attention.operations import Group
from editor.diffusion.backend import Backend, Embeddings
from editor.diffusion.conditioning import conditioning
from editor.diffusion.guidance import Branch, Guidance
from editor.model_canvas.canvas import ModelCanvas
from editor.requests.edit_request import EditRequest
from editor.requests.reports import Reports, subprogress

MULTIPLE = 8  # of tokens: fused attention wants it so
NOBODY = -2  # owner of a token that only fills up


@dataclass(frozen=True, slots=True, eq=False)
class Grouped:
    """guidance: its last branch has the words of all items. operation: lets each item read its own of them only."""

    guidance: Guidance
    operation: Group


def grouped(
    backend: Backend, request: EditRequest, labels: Labels, seed: int, working: ModelCanvas
) -> Reports[Grouped | None]:
    """The words of every item that is seen; None for a family whose words are no row of tokens.

    Items without a cell count nowhere, also not in what a model is told of the whole picture.

    labels: (H, W) int16 of the frame, into `request.prompts`
    seed: for families that draw on the way from words to embeddings
    """
    seen = labels_on_canvas(labels, working)
    shown = [int(label) for label in np.unique(seen)]
    parts: list[Guidance] = []
    for number, label in enumerate(shown):
        reading = conditioning(backend, replace(request, prompt=request.prompts[label]), (seed,), working.canvas)
        parts.append((yield from subprogress(reading, number / len(shown), (number + 1) / len(shown))))
        if any(_is_no_row(branch.embeddings) for branch in parts[0].branches):
            return None
    words, owners = in_a_row([part.branches[-1].embeddings for part in parts], shown)
    *others, own = parts[0].branches
    tokens = len(owners)
    branches = [*(_filled(branch, tokens) for branch in others), replace(own, embeddings=words)]
    read = max((_tokens(branch.embeddings).shape[1] for branch in others), default=None)
    return Grouped(Guidance(tuple(branches)), Group(labels=seen, owners=owners, branch=own.name, other_tokens=read))


def labels_on_canvas(labels: Labels, working: ModelCanvas) -> Labels:
    """(canvas height, canvas width) int16: the label that covers most of each pixel; of equals the higher."""
    shown = np.unique(labels)
    most, chosen = None, np.zeros(working.canvas.shape, np.int16)
    for label in shown:  # in ascending order, so that the higher one comes last
        share = working.map((labels == label).astype(np.float32))
        take = np.ones_like(chosen, np.bool_) if most is None else share >= most
        chosen[take] = label
        most = share if most is None else np.maximum(most, share)
    return chosen


def in_a_row(words: Sequence[Embeddings], labels: Sequence[int]) -> tuple[Embeddings, torch.Tensor]:
    """The words of several items as those of one picture, and (tokens) whose each token is, filled up to a multiple of `MULTIPLE`.

    What a model is told of the whole picture is the mean.
    """
    hidden = [_tokens(embeddings) for embeddings in words]
    owners = torch.cat([torch.full((row.shape[1],), label) for row, label in zip(hidden, labels, strict=True)])
    missing = -len(owners) % MULTIPLE
    added = {name: torch.stack([embeddings.added[name] for embeddings in words]).mean(0) for name in words[0].added}
    joined = functional.pad(torch.cat(hidden, dim=1), (0, 0, 0, missing))
    return Embeddings(joined, added), functional.pad(owners, (0, missing), value=NOBODY)


def _filled(branch: Branch, tokens: int) -> Branch:
    """With as many tokens; the further ones are not read."""
    hidden = _tokens(branch.embeddings)
    filled = functional.pad(hidden, (0, 0, 0, tokens - hidden.shape[1]))
    return replace(branch, embeddings=Embeddings(filled, branch.embeddings.added))


def _is_no_row(embeddings: Embeddings) -> bool:
    return embeddings.hidden is None or embeddings.mask is not None


def _tokens(embeddings: Embeddings) -> torch.Tensor:
    assert embeddings.hidden is not None
    return embeddings.hidden
