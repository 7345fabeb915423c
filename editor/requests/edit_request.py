"""Requests to the model half: small frozen values, checked once.

The limits and words of settings stand beside each field; see `editor.requests.settings_fields`.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, Any, ClassVar, Final, Literal

import numpy as np
from numpy.typing import NDArray

from editor.arrays import Labels, Map, Mask, Pixels
from editor.content_key import content_key
from editor.errors import InvalidRequest
from editor.geometry import Placement, Rect, Size
from editor.requests.frame import Frame
from editor.requests.method_settings import MethodSettings, Use
from editor.requests.opaque import NOTHING, Opaque
from editor.requests.samplers import Sampler
from editor.requests.settings_fields import Range, check_ranges

REVISION: Final = 4
"""The newest rules by which a document becomes a request. Recipes name theirs, so that what was made by older ones is made again by them.

1: an exemplar that lets anything in frees the picture under and around it in full, and one that covers the picture outvotes what is painted.
   Faint strength counts, a translucent picture becomes opaque, and models take the numbers of any colour space for sRGB.
2: it does so by how much of it is let in, and what is painted goes before what covers everything
   (`editor.planning.change_map`). Faint strength is nothing (`editor.document.faint_strength`),
   a translucent picture stays so unless it is to be filled, and models see sRGB. Samplers that add noise draw it from one
   stream from the run's first step on, and so does background noise that is drawn for every step.
3: what is drawn at a step depends on its place among all steps (`editor.diffusion.noise`), so that a run which begins earlier or later draws the
   same numbers in it. PIXELS counts held steps from the strongest pixel of the map: a share of the steps that run because of it.
4: PIXELS counts them absolutely: a cell of strength s is free for round(s x steps) of all steps, whatever is painted elsewhere, and a run begins
   when its first cell is free (`editor.methods.pixels.hold_counts`).
"""


MAX_ID: Final = 2**53
"""The highest number of a layer, item or exemplar: what JSON of any program keeps exactly."""

Action = Literal["fill", "remove", "move", "blend"]


@dataclass(frozen=True, slots=True)
class Subject:
    """An item or exemplar of the document that the edit is about: its id, and the new place of an item that is moved.

    `unknown`: what another version said of it in a file.
    """

    id: Annotated[int, Range(0, MAX_ID)]
    placement: Placement | None = None
    unknown: Opaque = NOTHING


@dataclass(frozen=True, slots=True, eq=False)
class ItemInput:
    """One item to be moved or removed, on the grid of the request's image.

    `mask`: (H, W) float32 in [0, 1], the item itself. `hole`: (H, W) bool, what must be filled behind it (the grown mask).
    `matrix`: (2, 3) affine map on points of the image grid, from where the item is to where it goes; None removes it.
    """

    name: str
    mask: Map
    hole: Mask
    matrix: NDArray[np.float64] | None
    prompt: str = ""


@dataclass(frozen=True, slots=True, eq=False)
class ExemplarInput:
    """One exemplar, already placed on the grid of the request's image.

    `pixels`: (H, W, 3) uint8 sRGB. `alpha`: (H, W) float32 in [0, 1], its cut-out. `strength`: (H, W) float32 in [0, 1], how much
    of it is let in. `fidelity`: (H, W) float32 in [0, 1], how long a diffusion model holds it: 0 = it only starts from it, 1 = it comes out
    unchanged. `rim`: (H, W) float32 in [0, 1], how far the picture may adapt because of it: on it by how much of it is let in, times the
    overall strength, fading to 0 around it. `prompt_weight`: its share among the exemplars, where a model takes pictures as prompts.
    """

    name: str
    pixels: Pixels
    alpha: Map
    strength: Map
    fidelity: Map
    rim: Map
    prompt_weight: float = 1.0


@dataclass(frozen=True, slots=True, eq=False)  # eq=False: arrays have no single truth value
class EditRequest:
    """One edit. Past construction its values can be trusted; the arrays are read-only.

    `image`: (H, W, 3) uint8, the flattened picture inside `frame.rect`, at the document's resolution; sRGB for methods with a model, else in the
    document's own colour space, and the exemplars and the scribble likewise.
    `strength`: (H, W) float32 in [0, 1]; 0 keep, 1 free. It covers everything that may change, the items' holes and the exemplars
    too: where it is 0 the result is transparent.
    `avoid`: (H, W) bool, where nothing may be copied from; None for nowhere.
    `action`: what the person asked for. "fill" repaints where strength is above 0; "remove" and "move" act on `items`; "blend" lets
    `exemplars` in.
    `subjects`: which things of the document this is about; the method needs only `items` and `exemplars`, the way back needs these.
    `model`: the key of the model, empty where the method needs none. `sampler`: empty for the model's own.
    `overall`: the overall strength, which `strength` already contains; kept for the recipe.
    `scribble`: (H, W, 3) uint8 sRGB, the picture with the colours that were painted as a hint of what shall be there; the model starts from it,
    but the result is laid over `image`. None for no hint.
    `icc`: the profile of the document, where the request is sRGB and the result is to be in the document's colour space; None where both are one.
    `alpha`: (H, W) uint8, how opaque the picture is, where the result is to be as translucent; None where it is opaque, or shall become so.
    `labels`: (H, W) int16, whose part of the picture each pixel is after the edit: 0 for the rest, k for the k-th item; None where nobody divided it.
    `prompts`: what each of these shows, in words, the rest first; as many as there are labels.
    `seed`: drawn before the request is built, so that a request always means the same picture.
    `revision`: of the rules that it was made by, 1 to `REVISION`.

    Raises `InvalidRequest` for wrong shapes, types and ranges.
    """

    image: Pixels
    strength: Map
    frame: Frame
    settings: MethodSettings
    seed: int
    action: Action = "fill"
    subjects: tuple[Subject, ...] = ()
    items: tuple[ItemInput, ...] = ()
    exemplars: tuple[ExemplarInput, ...] = ()
    avoid: Mask | None = None
    prompt: str = ""
    negative_prompt: str = ""
    model: str = ""
    steps: Annotated[int, Range(1, 200)] = 30
    guidance_scale: Annotated[float, Range(0.0, 30.0)] = 7.0
    sampler: Sampler = ""
    overall: Annotated[float, Range(0.0, 1.0)] = 1.0
    scribble: Pixels | None = None
    icc: bytes | None = None
    revision: Annotated[int, Range(1, REVISION)] = REVISION
    alpha: Pixels | None = None
    labels: Labels | None = None
    prompts: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        shape = self.frame.rect.size.shape
        _check("picture", self.image, (*shape, 3), np.uint8)
        _check("strength map", self.strength, shape, np.float32, unit_range=True)
        if self.scribble is not None:
            _check("scribble", self.scribble, (*shape, 3), np.uint8)
        if self.alpha is not None:
            _check("alpha of the picture", self.alpha, shape, np.uint8)
        if self.avoid is not None:
            _check("do-not-copy map", self.avoid, shape, np.bool_)
        if self.labels is not None:
            _check("partition", self.labels, shape, np.int16)
            if self.labels.min() < 0 or self.labels.max() >= len(self.prompts):
                raise InvalidRequest(
                    "The picture is divided among items that nothing is said of.", "Name each of them."
                )
        for item in self.items:
            _check(f"mask of “{item.name}”", item.mask, shape, np.float32, unit_range=True)
            _check(f"hole of “{item.name}”", item.hole, shape, np.bool_)
            if item.matrix is not None and (item.matrix.shape != (2, 3) or not np.isfinite(item.matrix).all()):
                raise InvalidRequest(f"The new place of “{item.name}” is not a plane transform.", "Put the item back.")
        for exemplar in self.exemplars:
            _check(f"reference picture “{exemplar.name}”", exemplar.pixels, (*shape, 3), np.uint8)
            _check(f"cut-out of “{exemplar.name}”", exemplar.alpha, shape, np.float32, unit_range=True)
            _check(f"influence of “{exemplar.name}”", exemplar.strength, shape, np.float32, unit_range=True)
            _check(f"blend width of “{exemplar.name}”", exemplar.rim, shape, np.float32, unit_range=True)
            _check(f"kept look of “{exemplar.name}”", exemplar.fidelity, shape, np.float32, unit_range=True)
        if not 0 <= self.seed < 2**63:
            raise InvalidRequest("The seed must be a whole number from 0 to 2^63 - 1.")
        check_ranges(self)
        check_ranges(self.settings)
        if not self.strength.any():
            raise InvalidRequest("Nothing may change yet.", "Paint where it may change, or select an item.")


Repair = Literal["poisson", "decoder", "latents"]


@dataclass(frozen=True, slots=True, eq=False)
class RepairRequest:
    """Ask for a finished result again with a better edge, without another edit. `request`: what it was made from; its strength, image and seed count.

    `latents`: (C, h, w) float32, the clean latents that the edit ended with (`EditResult.latents`). `how`: "poisson" evens out colours,
    "decoder" and "latents" learn the surroundings.
    """

    request: EditRequest
    latents: NDArray[np.float32]
    how: Repair

    def __post_init__(self) -> None:
        if self.latents.ndim != 3 or self.latents.dtype != np.float32 or not np.isfinite(self.latents).all():
            raise InvalidRequest("What the edit ended with is damaged.", "Run the edit again.")
        if Use.REPAIR not in self.request.settings.uses:
            raise InvalidRequest("This edit leaves nothing that could be repaired.", "Run it again another way.")
        self.latents.setflags(write=False)


@dataclass(frozen=True, slots=True, eq=False)
class SegmentRequest:
    """Ask for the outline of one thing. `image`: (h, w, 3) uint8 sRGB, what `rect` of the document shows, at its size or smaller.

    Points and the box are in document pixels: `points` are (x, y, positive). At least a point or a box is needed.
    """

    image: Pixels
    rect: Rect
    points: tuple[tuple[float, float, bool], ...] = ()
    box: Rect | None = None

    def __post_init__(self) -> None:
        if self.rect.empty or self.image.size == 0:
            raise InvalidRequest("There is no picture to look at.", "Point inside the picture.")
        _check("picture", self.image, (*self.image.shape[:2], 3), np.uint8)
        if self.box is None and not any(positive for _, _, positive in self.points):
            raise InvalidRequest("Nothing was pointed at.", "Click on the thing, or drag a box around it.")


@dataclass(frozen=True, slots=True)
class AssessRequest:
    """Ask whether an edit fits into memory, before it runs. `model`: its key. `working`: the size in which it computes, in pixels.

    `batch`: how many results at once. `guidance`: whether every step runs twice, with the prompt and without.
    """

    model: str
    working: Size
    batch: int = 1
    guidance: bool = True


@dataclass(frozen=True, slots=True, eq=False)
class FitRequest:
    """Ask to learn something about a picture, which later edits use by `key`.

    image: (H, W, 3) uint8 sRGB, what the frame shows
    settings: of the method that learns
    model: the key of the model that it is learned on
    labels: (H, W) int16, the number of the item that each pixel belongs to, 0 for the rest; None where nobody divided the picture
    prompt: words for the whole
    prompts: words for the items, by their numbers from 1 on
    revision: of the rules, as of an `EditRequest`
    """

    guidance_scale: ClassVar[float] = 1.0  # a network that learns is asked once in a step

    image: Pixels
    frame: Frame
    settings: MethodSettings
    seed: int
    model: str = ""
    labels: Labels | None = None
    prompt: str = ""
    prompts: tuple[str, ...] = ()
    revision: Annotated[int, Range(1, REVISION)] = REVISION

    def __post_init__(self) -> None:
        shape = self.frame.rect.size.shape
        _check("picture", self.image, (*shape, 3), np.uint8)
        if self.labels is not None:
            _check("partition", self.labels, shape, np.int16)
        if not 0 <= self.seed < 2**63:
            raise InvalidRequest("The seed must be a whole number from 0 to 2^63 - 1.")
        check_ranges(self)
        check_ranges(self.settings)

    @property
    def key(self) -> str:
        """The name of what is learned: it depends on everything here but on where the frame lies."""
        whole = np.zeros(0, np.int16) if self.labels is None else self.labels
        words = repr((type(self.settings).__name__, self.settings, self.frame.working, self.prompt, self.prompts))
        return content_key("fit", words, self.model, self.seed, self.revision, self.image, whole)


def _check(
    what: str, array: NDArray[Any], shape: tuple[int, ...], dtype: type[np.generic], *, unit_range: bool = False
) -> None:
    if array.shape != shape or array.dtype != dtype:
        raise InvalidRequest(f"The {what} is {array.dtype} {array.shape}; it must be {np.dtype(dtype)} {shape}.")
    if unit_range and array.size:
        low, high = float(array.min()), float(array.max())
        if not (low >= 0.0 and high <= 1.0):  # also catches NaN
            raise InvalidRequest(f"The {what} runs from {low:g} to {high:g}; it must stay between 0 and 1.")
    array.setflags(write=False)
