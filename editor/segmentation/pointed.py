"""What a person pointed at, in the pixels of the picture that a segmenter is shown."""

from __future__ import annotations

from dataclasses import dataclass

from editor.geometry import Rect
from editor.requests.edit_request import SegmentRequest


@dataclass(frozen=True, slots=True)
class Pointed:
    """Points and a box in pixels of an image, all inside it.

    positive, negative: (x, y) each
    box: None where none was drawn
    """

    positive: tuple[tuple[float, float], ...]
    negative: tuple[tuple[float, float], ...]
    box: Rect | None

    @classmethod
    def of(cls, request: SegmentRequest, width: int, height: int) -> Pointed:
        """The request in pixels of its image; what lies outside is left out. width, height: of the image, in pixels."""
        across, down = width / request.rect.width, height / request.rect.height
        points = [
            ((x - request.rect.left) * across, (y - request.rect.top) * down, positive)
            for x, y, positive in request.points
            if request.rect.covers(x, y)
        ]
        box = None
        if request.box is not None:
            inside = request.box.intersect(request.rect).within(request.rect)
            if not inside.empty:
                corners = ((inside.left * across, inside.top * down), (inside.right * across, inside.bottom * down))
                box = Rect.around(corners).intersect(Rect(0, 0, width, height))
        return cls(
            tuple((x, y) for x, y, positive in points if positive),
            tuple((x, y) for x, y, positive in points if not positive),
            box,
        )
