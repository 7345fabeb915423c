"""Draft of the next edit: settings, words, model, and what hands were on."""

from __future__ import annotations

import secrets
from dataclasses import dataclass, replace
from typing import Literal

from editor.geometry import Rect
from editor.models.info import ModelInfo
from editor.requests.edit_request import REVISION
from editor.requests.method_settings import MethodSettings
from editor.requests.samplers import Sampler

# As many touches are remembered; those before them are of nothing that anybody still has in mind.
_TOUCHES = 32


@dataclass(frozen=True, slots=True)
class Touch:
    """Something that a hand was on: `what` it is; `id`: of the item or exemplar, or of the layer of a scribble, None for a map."""

    what: Literal["strength", "selection", "item", "exemplar", "scribble"]
    id: int | None = None


STRENGTHS = (0.15, 0.3, 0.45, 0.6, 0.75, 0.9)
"""The overall strengths that are tried where several are to be compared, weakest first, which are the quickest."""


@dataclass(frozen=True, slots=True)
class Draft:
    """The next edit, as far as it has been said. `item`, `exemplar`: ids of what is active, at most one of the two.

    `strength`: 0 to 1, multiplies what is painted. `seed`: None draws a new one for every run. `variations`: how many results to make.
    `model`: what methods with a model use. `steps`, `guidance_scale`: None for what suits the model. `frame`: the part of the document that the
    model sees, in pixels; None lets `make_request` choose. `scribble`: the id of the layer whose colours are a hint, for methods that take one.
    `touched`: what hands were on, each once, the newest last.
    `revision`: by which rules the request is made; older ones are for running again what they made.
    """

    settings: MethodSettings
    item: int | None = None
    exemplar: int | None = None
    prompt: str = ""
    negative_prompt: str = ""
    strength: float = 1.0
    seed: int | None = None
    variations: int = 3
    model: ModelInfo | None = None
    steps: int | None = None
    guidance_scale: float | None = None
    sampler: Sampler = ""
    frame: Rect | None = None
    scribble: int | None = None
    touched: tuple[Touch, ...] = ()
    revision: int = REVISION

    def steps_on(self, model: ModelInfo) -> int:
        """How many steps a run on this model has: what was said, or else what suits the model."""
        return model.own_steps if self.steps is None else self.steps

    def guidance_on(self, model: ModelInfo) -> float:
        """The guidance scale of a run on this model, likewise."""
        return model.own_guidance if self.guidance_scale is None else self.guidance_scale

    def touching(self, *touches: Touch) -> Draft:
        """The draft after these were touched, the newest last; the draft itself where nothing is new about that."""
        kept = tuple(touch for touch in self.touched if touch not in touches)
        touched = (*kept, *touches)[-_TOUCHES:]
        return self if touched == self.touched else replace(self, touched=touched)


def draw_seed() -> int:
    """A seed nobody chose; small enough to read out to someone."""
    return secrets.randbelow(2**31)
