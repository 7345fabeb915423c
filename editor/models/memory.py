"""How much memory a run will take, said before it begins, and how a model is best laid into what there is.

Activations follow from the shapes of a network: at every stage, what is kept for later plus what the stage holds at once, in numbers
per latent cell. The factors were counted in diffusers' modules and checked against measured peaks on the processor (`app.dev.bench.memory_estimate`);
on graphics cards they could only be reasoned about, which is why more is left free there.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Literal

from editor.geometry import Size
from editor.models.configs import part_settings
from editor.models.device import Device, DeviceKind
from editor.models.info import ModelInfo, Precision

Placement = Literal["whole", "by_part", "by_layer"]
BYTES: Mapping[Precision, int] = {"float32": 4, "float16": 2, "bfloat16": 2}
MiB = 2**20

# What may be used of the free memory: the rest is for fragments, the driver's workspaces and the window.
USABLE: Mapping[DeviceKind, float] = {"cuda": 0.9, "mps": 0.8, "cpu": 0.95}
TILE_ABOVE = Size(1536, 1536).area  # working pixels; below, decoding in one piece is faster and leaves no seams
WORDS = 77  # of a prompt, always filled up to this
# What a device keeps beside the arrays. The processor's allocator does not hand back blocks below 32 MiB, which came to 35 to 155 MB measured;
# the cards' workspaces could not be measured.
KEPT: Mapping[DeviceKind, int] = {"cuda": 256 * MiB, "mps": 256 * MiB, "cpu": 128 * MiB}
FORWARD = 20.0  # arrays of its own width that a transformer block holds at its widest: 8 + 4 + 4 in the gated layer, and those around it
PLACES: Mapping[Placement, str] = {
    "whole": "",
    "by_part": "parts take turns",
    "by_layer": "layers take turns, slowly",
}


@dataclass(frozen=True, slots=True)
class Plan:
    """How a model lies in memory. `vae_precision`: the decoder's own, since some overflow in half precision. `tiling`: decodes in tiles."""

    device: DeviceKind
    precision: Precision
    vae_precision: Precision
    placement: Placement = "whole"
    tiling: bool = False


@dataclass(frozen=True, slots=True)
class Estimate:
    """Bytes. `weights`: by part, in the precision of the plan. `network`, `decoder`, `words`: activations of the U-Net (or prior), of the VAE,
    of the text encoders, at their highest. `peak`: of the whole run, on the device."""

    weights: Mapping[str, int]
    network: int
    decoder: int
    words: int
    peak: int


@dataclass(frozen=True, slots=True)
class Fit:
    """A plan with what it needs. `needed`, `available`: bytes."""

    plan: Plan
    needed: int
    available: int

    @property
    def device(self) -> DeviceKind:
        return self.plan.device

    @property
    def precision(self) -> Precision:
        return self.plan.precision

    @property
    def vae_precision(self) -> Precision:
        return self.plan.vae_precision

    @property
    def placement(self) -> Placement:
        return self.plan.placement

    @property
    def tiling(self) -> bool:
        return self.plan.tiling

    @property
    def fits(self) -> bool:
        return self.needed <= self.available * USABLE[self.device]

    @property
    def shortage(self) -> str:
        """For people, where it does not fit: "needs about 5.2 GB; 4.0 GB free"."""
        return f"needs about {_gb(self.needed)}; {_gb(self.available)} free"

    @property
    def words(self) -> str:
        """For people: "About 5.2 GB of 8.0 GB free · half precision · parts take turns"."""
        said = [
            f"About {_gb(self.needed)} of {_gb(self.available)} free" if self.fits else f"N{self.shortage[1:]}",
            "full precision" if self.precision == "float32" else "half precision",
            PLACES[self.placement],
            "decodes in tiles" if self.tiling else "",
        ]
        return " · ".join(filter(None, said))


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
    found = [Fit(way, run.under(way).peak, device.free) for way in ways]
    return next((each for each in found if each.fits), min(found, key=lambda each: each.needed))


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
        shapes, size, wide = self.shapes, BYTES[plan.precision], BYTES[plan.vae_precision]
        weights: dict[str, int] = {}
        for part in self.info.parts:
            each = wide if part.name in ("vae", "movq") else size
            weights[part.name] = weights.get(part.name, 0) + part.parameters * each
        cell = self.info.cell
        cells = -(-self.working.width // cell) * -(-self.working.height // cell)
        at_once = self.batch * (2 if self.guidance > 1 else 1)
        network = int(shapes.unet.peak() * cells * at_once * size)
        decoded = min(cells, (shapes.tile // cell) ** 2) if plan.tiling else cells
        pictures = (
            self.batch if self.info.family == "kandinsky-2.2" else 1
        )  # a VAE is told to take one at a time, MoVQ cannot be
        decoder = int(shapes.vae.peak() * decoded * pictures * wide) + 2 * self.batch * self.working.area * 3 * 4
        words = sum(2 * WORDS * 24 * width * size for width in shapes.words)
        active = dict.fromkeys(weights, words) | {"unet": network, "vae": decoder, "movq": decoder}
        return Estimate(weights, network, decoder, words, KEPT[plan.device] + self._peak(plan, weights, active))

    def _peak(self, plan: Plan, weights: Mapping[str, int], active: Mapping[str, int]) -> int:
        if plan.placement == "whole":
            return sum(weights.values()) + max(active.values())
        if plan.placement == "by_part":
            # The encoder of the picture is the first to be fetched, and stays beside the next one.
            stays = weights.get("vae", 0) + weights.get("movq", 0)
            return max(weights[name] + active[name] + (0 if name in ("vae", "movq") else stays) for name in weights)
        largest = 18 * max(self.shapes.unet.channels) ** 2  # a 3 × 3 convolution over twice the width
        return largest * BYTES[plan.precision] + max(active.values())


@dataclass(frozen=True, slots=True)
class _UNet:
    """Channels by level, residual blocks at each, and at which levels there is attention, on the way down and up."""

    channels: tuple[int, ...]
    layers: int
    attends_down: tuple[bool, ...]
    attends_up: tuple[bool, ...]

    def peak(self) -> float:
        """Numbers per latent cell and picture, at the fullest moment."""
        return max(self._moments())

    def _moments(self) -> Iterator[float]:
        first = self.channels[0]
        skips = [(float(first), 1.0)]  # (channels, share of the cells) of what the way up will need
        below = first
        area = 1.0
        for level, width in enumerate(self.channels):
            for _ in range(self.layers):
                kept = _sum(skips)
                yield kept + _residual(below, width) * area
                if self.attends_down[level]:
                    yield kept + FORWARD * width * area
                skips.append((width, area))
                below = width
            if level < len(self.channels) - 1:
                area /= 4
                skips.append((width, area))
        yield _sum(skips) + max(FORWARD * below, _residual(below, below)) * area
        for level, width in reversed(list(enumerate(self.channels))):
            entry = below * area
            kept = _sum(skips)  # a block holds on to all its skips until it is through
            for _ in range(self.layers + 1):
                skip, _share = skips.pop()
                joined = below + skip
                yield kept + entry + joined * area + _residual(joined, width) * area
                if self.attends_up[level]:
                    yield kept + entry + FORWARD * width * area
                below = width
            if level:
                area *= 4
                yield kept + entry + (width / 4 + 2 * width + width) * area


@dataclass(frozen=True, slots=True)
class _Decoder:
    """Channels by level, finest first, and residual blocks at each. Counts the decoder, which is fuller than the encoder."""

    channels: tuple[int, ...]
    layers: int

    def peak(self) -> float:
        """Numbers per latent cell and picture, at the fullest moment."""
        return max(self._moments())

    def _moments(self) -> Iterator[float]:
        below, area = self.channels[-1], 1.0
        yield 6.0 * below
        for level, width in reversed(list(enumerate(self.channels))):
            entry = below * area
            for _ in range(self.layers + 1):
                yield entry + below * area + _residual(below, width) * area
                below = width
            if level:
                area *= 4
                yield width * area / 4 + 3 * width * area
        yield 3.0 * below * area


def _residual(inner: float, outer: float) -> float:
    """What a residual block holds at once beside its input: normed and activated, or two of its own width and the shortcut."""
    shortcut = outer if inner != outer else 0
    return max(2 * inner, inner + outer, 2 * outer + shortcut)


def _sum(kept: Sequence[tuple[float, float]]) -> float:
    return sum(width * share for width, share in kept)


@dataclass(frozen=True, slots=True)
class _Shapes:
    """What the settings of a model say about its networks. `tile`: pixels a side that the VAE decodes at once, 0 where it cannot."""

    unet: _UNet
    vae: _Decoder
    words: tuple[int, ...]
    tile: int
    force_upcast: bool

    @classmethod
    def of(cls, info: ModelInfo) -> _Shapes:
        unet = part_settings(info, "unet")
        decoder = "movq" if info.family == "kandinsky-2.2" else "vae"
        vae = part_settings(info, decoder)
        channels = _numbers(unet.get("block_out_channels"), (320, 640, 1280, 1280))
        down = _names(unet.get("down_block_types"), len(channels))
        up = tuple(reversed(_names(unet.get("up_block_types"), len(channels))))
        each = unet.get("layers_per_block", 2)
        encoders = [part.name for part in info.parts if part.name.startswith("text_encoder")]
        widths = tuple(_whole(part_settings(info, name).get("hidden_size"), 1280) for name in encoders)
        return cls(
            _UNet(
                channels,
                _whole(each, 2),
                tuple("Attn" in name for name in down),
                tuple("Attn" in name for name in up),
            ),
            _Decoder(
                _numbers(vae.get("block_out_channels"), (128, 256, 512, 512)), _whole(vae.get("layers_per_block"), 2)
            ),
            widths,
            _whole(vae.get("sample_size"), 512) if decoder == "vae" else 0,
            decoder == "vae" and vae.get("force_upcast", True) is True,
        )


def _whole(value: Any, otherwise: int) -> int:
    return value if isinstance(value, int) and 0 < value < 2**16 else otherwise


def _numbers(value: Any, otherwise: tuple[int, ...]) -> tuple[int, ...]:
    if isinstance(value, list) and 0 < len(value) <= 16 and all(_whole(each, 0) for each in value):
        return tuple(value)
    return otherwise


def _names(value: Any, count: int) -> tuple[str, ...]:
    if isinstance(value, list) and len(value) == count:
        return tuple(map(str, value))
    return ("Attn",) * count


def _gb(count: int) -> str:
    return f"{count / 1e9:.1f} GB" if count >= 1e8 else f"{max(1, round(count / 1e6))} MB"
