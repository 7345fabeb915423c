"""Settings of a method: what every method's own class is built on, what it says of its method, and the fields that several have."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from enum import Enum, auto
from types import MappingProxyType
from typing import Annotated, Any, ClassVar, Literal, Self

from editor.requests.opaque import NOTHING, Opaque
from editor.requests.settings_fields import Label, Range

# Fields that several methods have.
SoftEdge = Annotated[
    float,
    Range(0.0, 64.0, "px", 1.0),
    Label(
        "Soft edge",
        "How far the change fades in from the edge of its region, in the model’s pixels, less for models of small pictures; never outwards.",
        "region",
    ),
]

MatchTone = Annotated[
    Literal["auto", "on", "off"],
    Label(
        "Match tone",
        "Undoes a shift of light or colour that the model brings in; measured where nothing changes.",
        "quality",
    ),
]

WorkingSize = Annotated[
    float,
    Range(0.4, 2.0, "%", 0.05),
    Label("Working size", "Of the size that the model was made for: smaller is faster, larger is finer.", "quality"),
]

FillTransparent = Annotated[
    bool,
    Label(
        "Fill transparent areas",
        "Where the picture is transparent or translucent it becomes opaque, as far as it may change. Else it stays as it is.",
        "region",
    ),
]


class Use(Enum):
    """What a method takes, and what the program around it can offer for it. Nobody asks which method it is; they ask for these.

    MODEL: a diffusion model
    WORDS: a prompt
    EXEMPLARS: reference pictures that are let in
    ITEMS: items that are taken out or moved; it has a margin around them (`MethodSettings.margin`)
    SCRIBBLE: rough colours on a layer of their own as a hint
    SURROUNDINGS: it can change all but what is chosen (`MethodSettings.is_outside`)
    SIZE: the size in which it computes can be chosen (`MethodSettings.working_scale`)
    THIN_REGIONS: thin regions begin wider and close in, which is said before the run
    STRENGTHS: several overall strengths can be made to compare
    RANKING: results can be ranked by how well they fit the words
    REPAIR: results leave latents, from which a better edge can be made
    REMOVAL: its model takes items out; other methods on a model leave that to one without
    """

    MODEL = auto()
    WORDS = auto()
    EXEMPLARS = auto()
    ITEMS = auto()
    SCRIBBLE = auto()
    SURROUNDINGS = auto()
    SIZE = auto()
    THIN_REGIONS = auto()
    STRENGTHS = auto()
    RANKING = auto()
    REPAIR = auto()
    REMOVAL = auto()


Region = Literal["inside", "outside"]


@dataclass(frozen=True, slots=True)
class MethodSettings:
    """What can be set of a method; each method has its own subclass, which says what the method uses.

    Fields called `scale`, `grow`, `region`, `thin_strokes` and `rank` mean the same in every method; the properties below read them.

    uses: what the method takes and offers, for everybody who must not ask which one it is
    needs_model: whether it runs on a model (`Use.MODEL`)
    reads_prompt: whether words count (`Use.WORDS`)
    retired: fields that earlier versions had, each with the value under which a recipe still means the same without it; a recipe with another
        value becomes `UnknownSettings`
    added: fields that earlier versions do not have, the defaults of which mean what those versions did

    A field that is added later must be left out of files where it has the value that means what earlier versions did: they take a recipe with
    a field that they do not know for one that they cannot run. Those in `added` are.
    """

    uses: ClassVar[frozenset[Use]] = frozenset()
    needs_model: ClassVar[bool] = False
    reads_prompt: ClassVar[bool] = False
    retired: ClassVar[Mapping[str, object]] = MappingProxyType({})
    added: ClassVar[frozenset[str]] = frozenset()

    # By keyword, so that a method's own fields come first.
    fill_transparent: FillTransparent = field(default=False, kw_only=True)

    def __init_subclass__(cls, **arguments: Any) -> None:
        # No `super()`: with slots the class is made twice, and the first one's cell would be meant.
        cls.needs_model = Use.MODEL in cls.uses
        cls.reads_prompt = Use.WORDS in cls.uses

    @property
    def working_scale(self) -> float:
        """The size in which it computes, as a factor of what the model was made for (`Use.SIZE`)."""
        return float(getattr(self, "scale", 1.0))

    @property
    def margin(self) -> int:
        """How far around an item, in picture pixels, what is behind it is made anew (`Use.ITEMS`)."""
        return int(getattr(self, "grow", 0))

    @property
    def is_outside(self) -> bool:
        """Whether all but what is chosen changes (`Use.SURROUNDINGS`)."""
        return getattr(self, "region", "inside") == "outside"

    @property
    def counts_thin_strokes(self) -> bool:
        """Whether strokes narrower than the model's cells count in full."""
        return bool(getattr(self, "thin_strokes", False))

    @property
    def ranking_look(self) -> Literal["crop", "reference"]:
        """What of a result is compared with the words (`Use.RANKING`): the region with some surroundings, or alone in the whole frame."""
        return "reference" if getattr(self, "rank", "crop") == "reference" else "crop"

    def with_values(self, **values: Any) -> Self:
        """The same with other values of its fields. Raises `TypeError` for a field that it does not have."""
        return replace(self, **values)


@dataclass(frozen=True, slots=True)
class UnknownSettings(MethodSettings):
    """Settings that this version cannot make sense of: of another method, or with fields or words that it does not know. Nothing runs with them.

    method: the stable id of the method that wrote them
    fields: all of them, as they stood in the file
    """

    method: str = ""
    fields: Opaque = NOTHING
