"""Samplers: their names in requests and recipes, what people read, and which of them are offered.

Imports nothing, so that the command line can list them before anything heavy is there.
"""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Literal

Sampler = Literal["", "euler", "euler_a", "ddim", "dpmpp_2m", "unipc", "lcm", "ddpm", "pndm"]
"""Empty for the model's own."""

SAMPLERS: Mapping[Sampler, str] = MappingProxyType(
    {
        "": "Model’s own",
        "euler": "Euler",
        "euler_a": "Euler ancestral",
        "ddim": "DDIM",
        "dpmpp_2m": "DPM++ 2M",
        "unipc": "UniPC",
        "lcm": "LCM",
        "ddpm": "DDPM",
        "pndm": "PNDM",
    }
)
OFFERED: tuple[Sampler, ...] = ("", "euler", "euler_a", "ddim", "dpmpp_2m", "unipc", "lcm")
"""The rest only comes out of recipes."""
