"""Normalisation of latents: from those of an autoencoder to those that the network beside it was trained on, and back."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import torch


@dataclass(frozen=True, slots=True)
class Scaling:
    """Normalisation of latents: the autoencoder's minus `shift`, minus the `means`, times `factor`, divided by the `deviations`.

    means, deviations: one number for each channel, both or neither
    """

    factor: float = 1.0
    shift: float = 0.0
    means: tuple[float, ...] = ()
    deviations: tuple[float, ...] = ()

    @classmethod
    def of(cls, config: Any) -> Scaling:
        """As the settings of an `AutoencoderKL` say."""
        means, deviations = (tuple(getattr(config, name, None) or ()) for name in ("latents_mean", "latents_std"))
        shift = getattr(config, "shift_factor", None) or 0.0
        return cls(config.scaling_factor, shift, *((means, deviations) if means and deviations else ()))

    def to_network(self, latents: torch.Tensor) -> torch.Tensor:
        """(B, C, h, w) of the autoencoder -> of the network."""
        if not self.means:
            return (latents - self.shift) * self.factor
        return (latents - self.shift - _planes(self.means, latents)) * self.factor / _planes(self.deviations, latents)

    def to_autoencoder(self, latents: torch.Tensor) -> torch.Tensor:
        """(B, C, h, w) of the network -> of the autoencoder."""
        if not self.means:
            return latents / self.factor + self.shift
        scaled = latents * _planes(self.deviations, latents) / self.factor + _planes(self.means, latents)
        return scaled + self.shift

    @property
    def numbers(self) -> torch.Tensor:
        """All of them in one row."""
        return torch.tensor([self.factor, self.shift, *self.means, *self.deviations])


def _planes(values: Sequence[float], like: torch.Tensor) -> torch.Tensor:
    return torch.tensor(values, device=like.device, dtype=like.dtype)[None, :, None, None]
