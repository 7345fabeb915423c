"""Prediction types: what a network's output says about its input, one row a type."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any

# Of tensors or of plain numbers alike.
Formula = Callable[[Any, Any, Any, Any], Any]


@dataclass(frozen=True, slots=True)
class Prediction:
    """One prediction type, over a state x = alpha z + sigma e of clean latents z and noise e.

    clean: (x, prediction, alpha, sigma) -> z
    noise: (x, prediction, alpha, sigma) -> e
    target: (z, e, alpha, sigma) -> what the network was trained to predict
    """

    clean: Formula
    noise: Formula
    target: Formula


def _norm(alpha: Any, sigma: Any) -> Any:
    """1 where the variance is preserved; velocities of the other states are those of the state divided by it."""
    return (alpha**2 + sigma**2) ** 0.5


def _clean_of_velocity(x: Any, v: Any, alpha: Any, sigma: Any) -> Any:
    norm = _norm(alpha, sigma)
    return (alpha * x / norm - sigma * v) / norm


def _noise_of_velocity(x: Any, v: Any, alpha: Any, sigma: Any) -> Any:
    norm = _norm(alpha, sigma)
    return (sigma * x / norm + alpha * v) / norm


# Ho et al. 2020, eq. 15; Salimans and Ho 2022, eq. 13; Lipman et al. 2022 with the straight paths of Liu et al. 2022, where alpha = 1 - sigma.
PREDICTIONS: Mapping[str, Prediction] = MappingProxyType(
    {
        "epsilon": Prediction(lambda x, e, a, s: (x - s * e) / a, lambda x, e, a, s: e, lambda z, e, a, s: e),
        "v_prediction": Prediction(
            _clean_of_velocity, _noise_of_velocity, lambda z, e, a, s: (a * e - s * z) / _norm(a, s)
        ),
        "sample": Prediction(lambda x, z, a, s: z, lambda x, z, a, s: (x - a * z) / s, lambda z, e, a, s: z),
        "flow_prediction": Prediction(
            lambda x, v, a, s: x - s * v, lambda x, v, a, s: x + a * v, lambda z, e, a, s: e - z
        ),
    }
)
