"""Settings of a method: the base of every method's own class, and the fields that several have."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Annotated, ClassVar, Literal

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
    """

    needs_model: ClassVar[bool] = False
    reads_prompt: ClassVar[bool] = False
    leaves_latents: ClassVar[bool] = False

    # By keyword, so that a method's own fields come first.
    fill_transparent: FillTransparent = field(default=False, kw_only=True)
