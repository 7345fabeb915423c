"""Settings of a method: the base of every method's own class, and the fields that several have."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Annotated, ClassVar, Literal

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


@dataclass(frozen=True, slots=True)
class MethodSettings:
    """What can be set of a method; each method has its own subclass.

    needs_model: whether it runs on a model
    reads_prompt: whether words count
    leaves_latents: whether its results can be repaired from the latents that they ended with
    retired: fields that earlier versions had, each with the value under which a recipe still means the same without it; a recipe with another
        value becomes `UnknownSettings`

    A field that is added later must be left out of files where it has the value that means what earlier versions did: they take a recipe with
    a field that they do not know for one that they cannot run.
    """

    needs_model: ClassVar[bool] = False
    reads_prompt: ClassVar[bool] = False
    leaves_latents: ClassVar[bool] = False
    retired: ClassVar[Mapping[str, object]] = MappingProxyType({})

    # By keyword, so that a method's own fields come first.
    fill_transparent: FillTransparent = field(default=False, kw_only=True)


@dataclass(frozen=True, slots=True)
class UnknownSettings(MethodSettings):
    """Settings that this version cannot make sense of: of another method, or with fields or words that it does not know. Nothing runs with them.

    method: the name of the settings class that wrote them
    fields: all of them, as they stood in the file
    """

    method: str = ""
    fields: Opaque = NOTHING
