"""The model card: what the practice model is, what it is not, and what it reached."""

from __future__ import annotations

from collections.abc import Mapping

from app.dev.practice.plan import GATES, PLANS, Size
from app.dev.practice.scenes import COLOURED, COLOURS, GROUNDS, THINGS


def card(size: Size, samples: Mapping[str, int], minutes: Mapping[str, float], figures: Mapping[str, float]) -> str:
    """The README of the model's folder, in Markdown. Gates that are missed, or not yet measured, are named as such."""
    plan = PLANS[size]
    rows, missed, known = [], [], set()
    for gates in GATES.values():
        for gate in gates:
            known.add(gate.name)
            value = figures.get(gate.name)
            sign = "≥" if gate.at_least else "≤"
            verdict = "not measured" if value is None else "reached" if gate.passed(value) else "**missed**"
            if verdict != "reached":
                missed.append(gate.name)
            shown = "–" if value is None else _number(value, gate.unit)
            rows.append(f"| {gate.name} | {shown} | {sign} {gate.bar:g} {gate.unit} | {verdict} |".replace("  ", " "))
    rows += [f"| {name} | {_number(value, '')} | | |" for name, value in figures.items() if name not in known]
    courses = {"judge": plan.judge, "vae": plan.vae, "clip": plan.clip, "unet": plan.unet}
    spent = [
        f"| {part} | {samples.get(part, 0):,} of {course.samples:,} | {minutes.get(part, 0.0):.0f} |"
        for part, course in courses.items()
    ]
    verdict = (
        f"Bars missed or not measured: {', '.join(missed)}. Where a bar is missed, this model proves nothing about a method."
        if missed
        else "Every bar is reached."
    )
    return f"""---
license: other
model_name: Practice model (toy scenes)
library_name: diffusers
pipeline_tag: text-to-image
tags:
- toy-scenes
---
# Practice model (toy scenes), size "{size}"

A Stable Diffusion in miniature: 64 x 64 pixels, 16 latent channels at a quarter of the size, U-Net {plan.unet_channels}.
It knows one small world and nothing else: {len(THINGS)} things ({", ".join(THINGS)}; {", ".join(COLOURED)} in
{", ".join(COLOURS)}) {", ".join(GROUNDS.values())}. It exists to try editing methods at once, on any computer, and to
measure them where the right answer is known. On photographs it is useless, and it is no base for anything else.

Captions read `a red apple and a cat on grass`; with three things `a cat , a key and a tree at night`.

## What it reached

On 200 to 300 held-out scenes, whose seeds, poses and pairs of things training never saw.

| measure | value | bar | |
|---|---|---|---|
{chr(10).join(rows)}

{verdict}

## How it was made

`make practice-model` goes on from these weights, or from its own cache, for as long as it is let.

| part | samples | minutes |
|---|---|---|
{chr(10).join(spent)}

Judge and CLIP: masks and captions of the same world. VAE: crops of 32 pixels; L1, squares, gradients, things three times,
a little KL; its latents are normalised inside `quant_conv`, so that the scaling factor is 1. U-Net and text encoder:
together, from scratch, velocity, min-SNR 5, one caption in ten empty. Muon and AdamW; these are running means of the weights.

Things: Noto Color Emoji (SIL Open Font License 1.1). Weights: as the program.
"""


def _number(value: float, unit: str) -> str:
    return f"{value:.1f} {unit}" if unit else f"{value:.3f}"
