"""Outcomes of requests: results and their recipes, masks, assessments."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated

import numpy as np
from numpy.typing import NDArray

from editor.geometry import Rect
from editor.requests.edit_request import REVISION, Action, EditRequest, Subject
from editor.requests.method_settings import MethodSettings, UnknownSettings
from editor.requests.opaque import NOTHING, Opaque
from editor.requests.samplers import Sampler
from editor.requests.settings_fields import HomePath, Length, Range


@dataclass(frozen=True, slots=True)
class Recipe:
    """How a layer was made: the request without its arrays, so that it can be read, shown and run again.

    `rect`: the frame, in document pixels. `strength`: `EditRequest.overall`. `revision`: may be a newer one than this version knows. `unknown`: what
    another version said besides. The rest is as in `EditRequest`. Limits are those of files.
    """

    settings: MethodSettings
    action: Action
    rect: Rect
    seed: Annotated[int, Range(0, 2**64 - 1)]
    subjects: Annotated[tuple[Subject, ...], Length(1000)] = ()
    prompt: Annotated[str, Length(10_000)] = ""
    negative_prompt: Annotated[str, Length(10_000)] = ""
    model: Annotated[str, Length(4096), HomePath()] = ""
    steps: Annotated[int, Range(0, 10_000)] = 0
    guidance_scale: Annotated[float, Range(-1000, 1000)] = 0.0
    sampler: Sampler = ""
    strength: Annotated[float, Range(0, 1)] = 1.0
    revision: Annotated[int, Range(1, 10_000)] = REVISION
    unknown: Opaque = NOTHING

    @property
    def understood(self) -> bool:
        """Whether this version knows all of it, so that the edit can be run again."""
        more = self.unknown or any(subject.unknown for subject in self.subjects)
        return not (isinstance(self.settings, UnknownSettings) or more or self.revision > REVISION)

    @classmethod
    def of(cls, request: EditRequest) -> Recipe:
        return cls(
            request.settings,
            request.action,
            request.frame.rect,
            request.seed,
            request.subjects,
            request.prompt,
            request.negative_prompt,
            request.model,
            request.steps,
            request.guidance_scale,
            request.sampler,
            request.overall,
            request.revision,
        )


@dataclass(frozen=True, slots=True)
class Match:
    """How well what stands in the region fits the words. `similarity`: cosine of their embeddings, -1 to 1. `gain`: by how much it exceeds
    that of the picture as it was, times the scale at which the judging model tells things apart: 0 is no closer than before, from about 3 on
    the model is sure."""

    similarity: float
    gain: float


@dataclass(frozen=True, slots=True, eq=False)
class EditResult:
    """The outcome of one edit.

    rect: in document pixels
    pixels: (h, w, 4) uint8 with straight alpha, in the colour space of the document, for `rect`; alpha is 0 wherever strength was 0
    doubt: 0 = looks sound, 1 = look closely; None when the method cannot tell
    latents: (C, h, w) float32, what the model ended with, for a `RepairRequest`; None where that makes no sense
    seam: how visible the edge is, 0 = not at all, from 1 on it is; None where nobody looked
    clip: as in `Layer`
    variant: the id of the `Variant` that asked for it
    """

    rect: Rect
    pixels: NDArray[np.uint8]
    recipe: Recipe
    doubt: float | None = None
    latents: NDArray[np.float32] | None = None
    seam: float | None = None
    clip: bool = False
    variant: int = 0


@dataclass(frozen=True, slots=True, eq=False)
class LiveResult:
    """The outcome of one round of a live picture.

    result: what the edit by itself would have come to, bit for bit
    evaluations: how many steps the network was asked for; None where the whole edit was made and nobody counted
    promise: how many it was to be at most, with nothing that is kept dropped; likewise None
    steps: how many the edit by itself takes; likewise None
    """

    result: EditResult
    evaluations: int | None = None
    promise: int | None = None
    steps: int | None = None


@dataclass(frozen=True, slots=True, eq=False)
class Masks:
    """Outlines found by a segmenter, best first. `masks`: (n, h, w) float32 in [0, 1], of the size of the request's image, stretched
    over `rect`; `scores`: (n,) in [0, 1].
    """

    rect: Rect
    masks: NDArray[np.float32]
    scores: NDArray[np.float32]


@dataclass(frozen=True, slots=True)
class Assessment:
    """Whether an edit fits into memory. `words`: for people ("About 5.2 GB of 8 GB · half precision").

    `smaller`: where it does not fit, the factor in (0, 1) by which the sides of the working size would have to shrink; None where unknown.
    """

    words: str
    fits: bool
    smaller: float | None = None


@dataclass(frozen=True, slots=True)
class FitResult:
    """What was learned about a picture; the tensors are kept under `key`.

    steps: of the optimisation, with those before it was resumed
    loss: before the last step; None where it took none
    complete: whether it was learned to the end; otherwise the same request goes on from there
    """

    key: str
    steps: int
    loss: float | None
    complete: bool
