"""Brush and Stroke: dabs onto Tiles; one stroke never builds up over itself unless it is asked to."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Brush:
    """How a stroke looks.

    `size`: diameter in picture pixels, 1 to 2000. `hardness`: 0 to 1, the part of the radius that is full. `opacity`: the most a whole
    stroke covers, 0 to 1. `flow`: what one dab covers, 0 to 1. `spacing`: between dabs, in diameters. `smoothing`: 0 to 1, how much the
    line is steadied. `build_up`: a stroke adds up where it crosses itself. `pressure_size`, `pressure_flow`: what the pen's pressure
    does.
    """

    size: float = 40.0
    hardness: float = 0.8
    opacity: float = 1.0
    flow: float = 1.0
    spacing: float = 0.1
    smoothing: float = 0.3
    build_up: bool = False
    pressure_size: bool = True
    pressure_flow: bool = False


@dataclass(frozen=True, slots=True)
class Sample:
    """One point of a stroke. `x`, `y`: picture pixels; `pressure`: 0 to 1; `time`: seconds."""

    x: float
    y: float
    pressure: float = 1.0
    time: float = 0.0
