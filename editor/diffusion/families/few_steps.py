"""Steps and guidance of models that were distilled to few steps, as names tell."""

from __future__ import annotations

import re


def few_steps(name: str, scheduler: str) -> tuple[int | None, float | None]:
    """Steps and guidance of models distilled to few steps, as far as name or scheduler tell them for certain."""
    words = re.split(r"[^a-z0-9]+", name.lower())
    count = re.search(r"(\d{1,2})[-_ ]?steps?(?![a-z])", name.lower())
    steps = max(1, int(count.group(1))) if count else None
    if scheduler == "LCMScheduler" or "lcm" in words:
        return steps or 4, 1.0
    if "lightning" in words or ("hyper" in words and steps):
        return steps or 8, 1.0
    if "turbo" in words:
        return (4, 1.0) if {"sd", "sdxl"} & set(words) else (8, 2.0)
    return None, None
