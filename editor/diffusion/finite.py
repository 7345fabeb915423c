"""Whether what networks and samplers compute is numbers at all, and what to say where it is not.

A single number that is infinite or none at all spreads over the whole picture, and would be painted black.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TypeVar

import diffusers
import torch

from editor.diffusion.backend import Backend
from editor.errors import NotFinite
from editor.models.info import ModelInfo
from editor.models.settings import FETCH_AGAIN, OTHER_MODEL
from editor.requests.reports import Reports

T = TypeVar("T")

TRY_OTHERS = "Choose another sampler, or follow the words less closely (guidance); if neither helps, use another model."
OTHER_WORDS = "Try other words; if that does not help, use another model."
ANOTHER = "Use another model, or a version of this one in full precision."
NEVER = -1


def finite(tensor: torch.Tensor) -> bool:
    """Whether all numbers are finite, and none so large that not even their sum is. On a card it waits for them."""
    return bool(torch.isfinite(tensor.sum(dtype=torch.float32)))


def strayed(step: int, steps: int) -> NotFinite:
    """What to say of a picture that stopped being one at `step`, from 0 on, of `steps`."""
    return NotFinite(
        f"At step {step + 1} of {steps} the numbers of the model grew out of all bounds, so no picture came of it.",
        TRY_OTHERS,
    )


def unencoded(info: ModelInfo) -> NotFinite:
    """What to say where an autoencoder cannot take a picture in."""
    return NotFinite(f"“{info.name}” could not take the picture in: its numbers grew out of all bounds.", ANOTHER)


def undecoded(info: ModelInfo) -> NotFinite:
    """What to say where an autoencoder cannot make a picture of what the network made."""
    said = "could not turn what it made into a picture: its numbers grew out of all bounds"
    return NotFinite(f"“{info.name}” {said}.", ANOTHER)


def unread(info: ModelInfo) -> NotFinite:
    """What to say where a model cannot read the words, or look at the exemplars."""
    return NotFinite(
        f"“{info.name}” could not read what was asked for: its numbers grew out of all bounds.", OTHER_WORDS
    )


def unlearned() -> NotFinite:
    """What to say where learning about a picture leads nowhere."""
    return NotFinite(
        "Learning the surroundings came to nothing: the numbers grew out of all bounds.", "Choose another finish."
    )


class Watch:
    """Which pictures of a batch are finite, and at which step the others stopped being so.

    `see` never waits for a card: what it saw is noted there until somebody asks with `lost`. `waiting`: whether asking means to wait for a card.
    """

    def __init__(self, latents: torch.Tensor, steps: int) -> None:
        """`latents`: (B, ...), of which only the number of pictures and the device count. `steps`: of the whole run."""
        self._steps = steps
        self._first = torch.full((len(latents),), NEVER, device=latents.device)
        self.waiting = latents.device.type != "cpu"

    def see(self, latents: torch.Tensor, step: int) -> None:
        """Note which pictures are not finite after `step`, from 0 on. `latents`: (B, ...)."""
        sound = sound_rows(latents)
        self._first = torch.where(sound | (self._first != NEVER), self._first, step)

    def lost(self) -> Mapping[int, NotFinite]:
        """What to say of each picture that is not finite any more, by its place in the batch. Raises it where none is left."""
        first: list[int] = self._first.tolist()
        gone = {row: strayed(step, self._steps) for row, step in enumerate(first) if step != NEVER}
        if len(gone) == len(first):
            raise gone[0]
        return gone


def sound_rows(tensor: torch.Tensor) -> torch.Tensor:
    """(B,) bool: the pictures of (B, ...) whose numbers are all finite; by their sum, which takes a fifth of the time of looking at each."""
    return torch.isfinite(tensor.flatten(1).sum(1, dtype=torch.float32))


def diagnosed(reports: Reports[T], backend: Backend) -> Reports[T]:
    """The same reports; where the numbers went out of bounds because the model's weights are no numbers, the error says so."""
    try:
        return (yield from reports)
    except NotFinite as error:
        fault = _fault(backend)
        if fault is None:
            raise
        raise fault from error


def _fault(backend: Backend) -> NotFinite | None:
    """What to say of the first part of a model whose weights are not finite, None where all are. It reads all weights."""
    for pipeline in [held for held in vars(backend).values() if isinstance(held, diffusers.DiffusionPipeline)]:
        for name, part in pipeline.components.items():
            if not isinstance(part, torch.nn.Module):
                continue
            for weights in part.parameters():
                if weights.is_meta or not weights.is_floating_point() or finite(weights):
                    continue
                whose = f"The {backend.info.family.label_of(name)} of “{backend.info.name}”"
                none = bool(weights.isnan().any())
                if weights.dtype == torch.float16 and not none:
                    return NotFinite(f"{whose} has weights too large for half precision.", OTHER_MODEL)
                kept = "numbers that are none" if none else "numbers that are infinite"
                said = f"{whose} is damaged: its weights hold {kept}, so it cannot make a picture."
                return NotFinite(said, FETCH_AGAIN)
    return None
