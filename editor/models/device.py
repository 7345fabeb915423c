"""What a model would run on, as numbers that rules can be tried with."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

DeviceKind = Literal["cuda", "mps", "cpu"]


@dataclass(frozen=True, slots=True)
class Device:
    """One place where models can run. `name`: for people. `total`, `free`: its memory in bytes. `bfloat16`: whether it is at home in it."""

    kind: DeviceKind
    name: str
    total: int
    free: int
    bfloat16: bool = False
