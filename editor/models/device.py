"""What a model would run on, as numbers that rules can be tried with."""

from __future__ import annotations

from dataclasses import dataclass
from importlib.util import find_spec
from typing import Literal

DeviceKind = Literal["cuda", "mps", "cpu"]

NOT_INSTALLED = "The part of the program that works with models is not installed."
INSTALL = "Install it with: pip install 'palimpsest[models]'."


def installed() -> bool:
    """Whether what runs models is installed; nothing of it is imported."""
    return all(find_spec(name) is not None for name in ("torch", "diffusers", "transformers"))


@dataclass(frozen=True, slots=True)
class Device:
    """One place where models can run. `name`: for people. `total`, `free`: its memory in bytes. `bfloat16`: whether it is at home in it."""

    kind: DeviceKind
    name: str
    total: int
    free: int
    bfloat16: bool = False
