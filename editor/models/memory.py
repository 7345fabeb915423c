"""How a model lies in memory, and what it needs there: values. `editor.diffusion.memory` measures and chooses."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

from editor.models.device import DeviceKind
from editor.models.info import Precision

Placement = Literal["whole", "by_part", "by_layer"]
# What may be used of the free memory: the rest is for fragments, the driver's workspaces and the window.
USABLE: Mapping[DeviceKind, float] = {"cuda": 0.9, "mps": 0.8, "cpu": 0.95}
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
    """Bytes.

    weights: by part, in the precision of the plan
    network, decoder, words: activations of what makes the steps, of the decoder, of the text encoders, at their highest
    peak: of the whole run, on the device
    """

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


def _gb(count: int) -> str:
    return f"{count / 1e9:.1f} GB" if count >= 1e8 else f"{max(1, round(count / 1e6))} MB"
