"""Models to begin with, by how much memory a graphics card has. What changes on the hub (size, consent) is asked there before a download."""

from __future__ import annotations

from collections.abc import Sequence

from editor.diffusion.families.base import Suggestion
from editor.diffusion.families.registry import FAMILIES

GIGABYTE = 1_000_000_000


# A CLIP model for ranking variations. The best known ones, of its first makers, are pickle files; this one has safetensors. MIT.
RANKER, RANKER_DOWNLOAD = "laion/CLIP-ViT-B-32-laion2B-s34B-b79K", 605_000_000

SUGGESTIONS: tuple[Suggestion, ...] = FAMILIES.suggestions
TIERS = (6, 8, 12, 24)


def suggested(memory: float | None) -> Sequence[Suggestion]:
    """What suits a graphics card with this much memory in GB, the most able first; None: there is none, the processor works."""
    if memory is None:
        return [suggestion for suggestion in SUGGESTIONS if suggestion.cpu]
    # A card sold as 8 GB shows a little less to programs.
    fitting = [suggestion for suggestion in SUGGESTIONS if suggestion.memory <= memory * 1.05 + 0.3]
    return sorted(fitting, key=lambda suggestion: -suggestion.memory)


def size_words(size: int) -> str:
    """A number of bytes for people, in the units of the hub and of file managers: powers of ten."""
    for unit, factor in (("GB", GIGABYTE), ("MB", 1_000_000), ("kB", 1000)):
        if size >= factor * 0.9995:
            number = size / factor
            return f"{number:.1f} {unit}" if number < 99.95 and unit == "GB" else f"{number:.0f} {unit}"
    return f"{size} bytes"
