"""What a model is, as far as files tell: a value that the window shows and the draft carries."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Literal

if TYPE_CHECKING:
    from editor.diffusion.families.base import Family, Traits

FEW = 8  # the most steps that a model is said to be made for few of

Precision = Literal["float32", "float16", "bfloat16"]
Prediction = Literal["epsilon", "v_prediction", "sample", "flow_prediction"]


@dataclass(frozen=True, slots=True)
class Part:
    """One network of a model. `parameters`: how many numbers. `stored`: bytes on disk. `precision`: as stored."""

    name: str
    parameters: int
    stored: int
    precision: Precision


@dataclass(frozen=True, slots=True)
class ModelInfo:
    """A model that could be used. `key`: its path as text, what a request carries. `name`: for people.

    `native`: side in pixels of the square it was made for. `cell`: pixels per latent cell, a power of two that its autoencoder's settings
    tell. `prediction`: what its network predicts. `zero_snr`: a single file whose last level is nothing but noise, which the packaged settings of its
    family do not say. `steps`: how many suit it, None for the family's own (few-step models differ). `parts`: its
    networks with their sizes. `problem`: why it cannot be used, as a sentence, empty when it can; `advice`: what to do then; `family` means
    nothing when the problem is that it is of another. `licence` and `source` (hub id or file) as far as known. `toys`: it knows toy scenes
    only, such as the practice model that comes with the program; `words` are then all those it knows, in alphabetical order (empty: not told).
    """

    key: str
    name: str
    family: Family
    path: Path
    native: int
    cell: int = 8
    prediction: Prediction = "epsilon"
    steps: int | None = None
    guidance_scale: float | None = None
    parts: tuple[Part, ...] = field(default=())
    problem: str = ""
    advice: str = ""
    licence: str = ""
    source: str = ""
    toys: bool = False
    words: tuple[str, ...] = ()
    zero_snr: bool = False

    @property
    def traits(self) -> Traits:
        """What suits its family."""
        return self.family.traits

    @property
    def own_steps(self) -> int:
        """How many steps suit it."""
        return self.traits.steps if self.steps is None else self.steps

    @property
    def made_for_few_steps(self) -> bool:
        """Whether few suit it: LCM, Turbo, Lightning and their like."""
        return self.own_steps <= FEW

    @property
    def own_guidance(self) -> float:
        """The guidance scale that suits it."""
        return self.traits.guidance_scale if self.guidance_scale is None else self.guidance_scale

    @property
    def shrinking(self) -> float:
        """By what to multiply lengths that suit the family: below 1 for models of pictures smaller than it usually makes, else 1."""
        return min(1.0, self.native / self.traits.native)

    @property
    def own_rim(self) -> float:
        """How far, in working pixels, the surroundings of an exemplar may adapt."""
        return self.traits.rim * self.shrinking

    @property
    def multiple(self) -> int:
        """Sides of the working canvas are multiples of this many pixels."""
        return max(self.traits.multiple, self.cell)

    @property
    def stored(self) -> int:
        """Bytes on disk."""
        return sum(part.stored for part in self.parts)

    @property
    def usable(self) -> bool:
        return not self.problem
