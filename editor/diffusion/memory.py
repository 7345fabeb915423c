"""How much memory a run will take, said before it begins, and how a model is best laid into what there is.

What networks take beside their weights is measured on them, built from their settings without weights (`editor.diffusion.measure`), at two sizes of
the canvas; between and beyond it grows by a straight line, since no kernel that is used keeps a matrix of attention scores. It is checked against
measured peaks on the processor (`app.dev.bench.memory_estimate`); on graphics cards it could not be, which is why more is left free there.
"""

from __future__ import annotations

import json
import logging
from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import lru_cache, partial
from typing import Any

import torch

from editor.diffusion.families.base import PartSpec
from editor.diffusion.families.torch_half import Networks
from editor.diffusion.measure import traced
from editor.geometry import Size
from editor.models.configs import part_settings
from editor.models.device import Device, DeviceKind
from editor.models.info import ModelInfo, Precision
from editor.models.memory import Estimate, Fit, Plan

log = logging.getLogger(__name__)

MiB = 2**20
BYTES: Mapping[Precision, int] = {"float32": 4, "float16": 2, "bfloat16": 2}
TILE_ABOVE = Size(1536, 1536).area  # working pixels; below, decoding in one piece is faster and leaves no seams
# What a device keeps beside the arrays; the cards' workspaces could not be measured.
KEPT: Mapping[DeviceKind, int] = {"cuda": 256 * MiB, "mps": 256 * MiB, "cpu": 64 * MiB}
HANDED_BACK = 32 * MiB  # the processor's allocator keeps smaller blocks when they are let go
SIDES = (32, 64)  # cells a side at which networks are measured
USUAL = 2**16  # numbers a cell where a network cannot be measured; those of published models take less


@dataclass(frozen=True, slots=True)
class Line:
    """Numbers that a network holds at once, for one picture: a part that is always there, and one for each latent cell."""

    always: float
    per_cell: float

    def at(self, cells: int) -> float:
        """For so many cells."""
        return max(self.always + self.per_cell * cells, 0.0)


def fit(info: ModelInfo, device: Device, working: Size, batch: int = 1, guidance: float = 7.0) -> Fit:
    """The best way to run a model on a device: fastest first, then smaller, until it fits; the smallest when nothing does.

    `working`: size of the model's canvas, in pixels. `batch`: variations at once. `guidance`: above 1 it takes two passes in one.
    Raises `ModelUnavailable` when the model's settings are gone.
    """
    shapes = _Shapes.of(info)
    half: Precision = "bfloat16" if device.bfloat16 else "float16"
    precision: Precision = "float32" if device.kind == "cpu" else half
    whole = Plan(device.kind, precision, "float32" if shapes.force_upcast else precision)
    ways = [whole]
    if device.kind == "cuda":
        ways += [replace(whole, placement="by_part")]
    if shapes.tile:
        large = working.area > TILE_ABOVE
        tiled = [replace(way, tiling=True) for way in ways]
        ways = tiled if large else ways + tiled
    if device.kind == "cuda":
        ways += [replace(ways[-1], placement="by_layer")]
    run = _Run(info, shapes, working, batch, guidance)
    fits = [Fit(way, run.under(way).peak, device.free) for way in ways]
    return next((option for option in fits if option.fits), min(fits, key=lambda option: option.needed))


def estimate(info: ModelInfo, working: Size, batch: int, guidance: float, plan: Plan) -> Estimate:
    """What a run takes under a plan; see `fit` for the arguments. Raises `ModelUnavailable` when the model's settings are gone."""
    return _Run(info, _Shapes.of(info), working, batch, guidance).under(plan)


@dataclass(frozen=True, slots=True)
class _Run:
    """One run, to be tried under several plans."""

    info: ModelInfo
    shapes: _Shapes
    working: Size
    batch: int
    guidance: float

    def under(self, plan: Plan) -> Estimate:
        shapes, size, wide, cell = self.shapes, BYTES[plan.precision], BYTES[plan.vae_precision], self.info.cell
        roles = {spec.name: spec.role for spec in self.info.family.parts}
        weights: dict[str, int] = {}
        for part in self.info.parts:
            itemsize = wide if roles.get(part.name) == "decoder" else size
            weights[part.name] = weights.get(part.name, 0) + part.parameters * itemsize
        cells = -(-self.working.width // cell) * -(-self.working.height // cell)
        at_once = self.batch * (2 if self.guidance > 1 else 1)
        network = int(shapes.denoiser.at(cells) * at_once * size)
        decoded = min(cells, (shapes.tile // cell) ** 2) if plan.tiling else cells
        pictures = 1 if shapes.sliced else self.batch
        decoder = int(shapes.decoder.at(decoded) * pictures * wide) + 2 * self.batch * self.working.area * 3 * 4
        words = int(2 * shapes.words * size)
        by_role = {"denoiser": network, "decoder": decoder}
        active = {name: by_role.get(roles.get(name, "other"), words) for name in weights}
        kept = KEPT[plan.device]
        if plan.device == "cpu":
            kept += shapes.kept_in_blocks(cells * at_once, size)
        return Estimate(weights, network, decoder, words, kept + self._peak(plan, weights, active))

    def _peak(self, plan: Plan, weights: Mapping[str, int], active: Mapping[str, int]) -> int:
        if plan.placement == "whole":
            return sum(weights.values()) + max(active.values(), default=0)
        if plan.placement == "by_part":
            # The encoder of the picture is the first to be fetched, and stays beside the next one.
            decoder = self.info.family.decoder.name
            stays = weights.get(decoder, 0)
            return max(weights[name] + active[name] + (0 if name == decoder else stays) for name in weights)
        return self.shapes.largest * BYTES[plan.precision] + max(active.values(), default=0)


@dataclass(frozen=True, slots=True)
class _Shapes:
    """What was measured on the networks of a model.

    fullest: of what makes the steps, as in `Measured`
    words: numbers that the fullest of its text encoders holds
    largest: numbers in the largest layer of what makes the steps
    tile: pixels a side that the decoder takes at once, 0 where it cannot
    sliced: whether it takes one picture at a time
    force_upcast: whether it is never run in half precision
    """

    denoiser: Line
    fullest: tuple[float, ...]
    decoder: Line
    words: float
    largest: int
    tile: int
    sliced: bool
    force_upcast: bool

    @classmethod
    def of(cls, info: ModelInfo) -> _Shapes:
        family = info.family
        networks = family.networks()
        held = {part.name for part in info.parts}
        decoder = part_settings(info, family.decoder)
        words = [
            measured(networks, spec, part_settings(info, spec)) for spec in family.of_role("words") if spec.name in held
        ]
        tiled = networks.decodes_in_slices
        side = decoder.get("sample_size", 512)
        denoiser = measured(networks, family.denoiser, part_settings(info, family.denoiser))
        return cls(
            denoiser.line,
            denoiser.fullest,
            measured(networks, family.decoder, decoder).line,
            max((network.line.always for network in words), default=0.0),
            denoiser.largest,
            (side if isinstance(side, int) else 512) if tiled else 0,
            tiled,
            tiled and decoder.get("force_upcast", True) is True,
        )

    def kept_in_blocks(self, cells: int, size: int) -> int:
        """Bytes that stay with the allocator between steps. `cells`: of all pictures; `size`: bytes a number."""
        blocks = (numbers * cells * size for numbers in self.fullest)
        return int(sum(block for block in blocks if block < HANDED_BACK))


@dataclass(frozen=True, slots=True)
class Measured:
    """What a network holds beside its weights.

    largest: numbers in its largest layer
    fullest: numbers a cell in each of the arrays that it holds at its fullest moment
    """

    line: Line
    largest: int
    fullest: tuple[float, ...] = ()


def measured(networks: Networks, spec: PartSpec, settings: Mapping[str, Any]) -> Measured:
    """A network of these settings, as it is measured; once for equal settings."""
    return _measured(_Question(networks, spec, json.dumps(settings, sort_keys=True, default=str)))


@dataclass(frozen=True, slots=True, eq=False)
class _Question:
    """Which network: equal where its class and its settings are."""

    networks: Networks
    spec: PartSpec
    settings: str

    @property
    def _key(self) -> tuple[type, str, str]:
        return type(self.networks), self.spec.name, self.settings

    def __eq__(self, other: object) -> bool:
        return isinstance(other, _Question) and self._key == other._key

    def __hash__(self) -> int:
        return hash(self._key)


@lru_cache(maxsize=64)
def _measured(question: _Question) -> Measured:
    networks, spec = question.networks, question.spec
    try:
        with torch.device("meta"):
            network = networks.empty(spec.name, json.loads(question.settings)).eval()
        sides = SIDES if spec.role in ("denoiser", "decoder") else SIDES[:1]
        traces = [traced(partial(networks.evaluate, spec.name, network, Size(side, side), 1)) for side in sides]
        itemsize = next(network.parameters()).itemsize
        peaks = [trace.peak / itemsize for trace in traces]
        largest = max((parameter.numel() for parameter in network.parameters()), default=0)
    except Exception:  # settings of a stranger: libraries raise of every kind about them, and loading will say it
        log.info("The %s cannot be measured", spec.label, exc_info=True)
        return Measured(Line(0.0, USUAL if spec.role in ("denoiser", "decoder") else 0.0), 0)
    if len(peaks) == 1:
        return Measured(Line(peaks[0], 0.0), largest)
    slope = (peaks[1] - peaks[0]) / (SIDES[1] ** 2 - SIDES[0] ** 2)
    fullest = tuple(block / itemsize / SIDES[1] ** 2 for block in traces[1].fullest)
    return Measured(Line(peaks[0] - slope * SIDES[0] ** 2, slope), largest, fullest)
