"""What every segmenter offers: from a few points or a box to the outline of one thing."""

from __future__ import annotations

from typing import Protocol

from editor.requests.edit_request import SegmentRequest
from editor.requests.reports import Reports
from editor.requests.results import Masks


class Segmenter(Protocol):
    """Finds the thing that was pointed at."""

    def segment(self, request: SegmentRequest) -> Reports[Masks]:
        """Yields progress and returns one to three masks for the request's rectangle, best first. Closing it early cancels the work.

        Points outside the rectangle are ignored; where nothing is left to go by, the mask is empty and its score 0.
        """
        ...
