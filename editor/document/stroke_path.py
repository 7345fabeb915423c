"""Stroke path: the way of the pen, steadied by its length."""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import NamedTuple

# Shorter than any way that a pen can be seen to go, longer than what rounding does to a stroke.
NEAR = 1e-9


class Vertex(NamedTuple):
    """A corner of a line: a place in picture pixels, and the pen's pressure there, 0 to 1.

    `depth` is a third coordinate, in pixels. Where it follows the pressure, a pen that is only pressed harder goes a way as well, and
    one kind of distance counts for both.
    """

    x: float
    y: float
    depth: float
    pressure: float

    def way_to(self, other: Vertex) -> float:
        return math.hypot(other.x - self.x, other.y - self.y, other.depth - self.depth)

    def towards(self, other: Vertex, share: float) -> Vertex:
        """The point that lies `share` (0 to 1) of the way on."""
        return Vertex(
            self.x + (other.x - self.x) * share,
            self.y + (other.y - self.y) * share,
            self.depth + (other.depth - self.depth) * share,
            self.pressure + (other.pressure - self.pressure) * share,
        )


class StrokePath:
    """The line through the samples of a stroke.

    The steadied point follows the pen like a weight on a string of length `lag`, in pixels: dq/ds = (p - q) / lag, where s is the
    length of the pen's way. On a straight piece that has a closed form, so it does not matter in how many samples the piece came. The
    steadied line is the polygon through its points at even distances of s; with no lag it is the polygon through the samples.
    """

    def __init__(self, lag: float) -> None:
        self._lag = lag
        self._grid = max(1.0, lag / 4)
        self._ahead = self._grid  # of s, up to the next point of the polygon
        self._pen: Vertex | None = None
        self._steadied: Vertex | None = None

    def to(self, goal: Vertex) -> Iterator[Vertex]:
        """Corners of the steadied line that are certain now that the pen has gone straight to `goal`."""
        start, followed = self._pen, self._steadied
        if start is None or followed is None:
            self._pen = self._steadied = goal
            yield goal
            return
        self._pen = goal
        if self._lag < NEAR:
            self._steadied = goal
            yield goal
            return
        length = start.way_to(goal)
        if length < NEAR:
            return
        done = 0.0
        while self._ahead <= length - done:
            done += self._ahead
            self._ahead = self._grid
            yield self._follow(followed, start, goal, done, length)
        self._ahead -= length - done
        self._steadied = self._follow(followed, start, goal, length, length)

    def rest(self) -> Iterator[Vertex]:
        """The way from the last certain corner to the pen."""
        if self._pen is not None and self._steadied is not None:
            yield self._steadied
            yield self._pen

    def _follow(self, followed: Vertex, start: Vertex, goal: Vertex, s: float, length: float) -> Vertex:
        """The steadied point when the pen is `s` of `length` on from `start` to `goal`; at `start` it was at `followed`."""
        decay = math.exp(-s / self._lag)
        point = start.towards(goal, (s - self._lag * (1 - decay)) / length)
        return Vertex(
            point.x + (followed.x - start.x) * decay,
            point.y + (followed.y - start.y) * decay,
            point.depth + (followed.depth - start.depth) * decay,
            point.pressure + (followed.pressure - start.pressure) * decay,
        )
