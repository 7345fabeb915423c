"""Fall-off overlay: how far exemplars and what is painted together let the picture change, with the rims in which the surroundings adapt."""

from __future__ import annotations

from dataclasses import dataclass, replace

import cv2
import numpy as np
from PySide6.QtCore import QPointF, QRectF
from PySide6.QtGui import QPainter, QPainterPath, QPolygonF

from editor.arrays import Pixels
from editor.document.contents import Exemplar, Layer
from editor.document.document import Document
from editor.document.tiles import Tiles
from editor.edits.dispatch import change_map
from editor.geometry import Rect
from editor.methods.registry import METHODS, Methods
from editor.planning.exemplar_change import rim_of
from editor.planning.plan import Draft, Plan
from editor.requests.frame import Frame
from widgets.canvas.levels import from_level, level_for, level_size, map_at, to_level
from widgets.canvas.screen_pixels import Resampler
from widgets.qimage import Words, wrap

_MAX_PIXELS = 600_000  # worked out at most; larger pictures are looked at smaller


@dataclass(frozen=True, slots=True, eq=False)
class Adapting:
    """`values`: (h, w) uint8, 255 for 1, how much may change inside `rect`, in picture pixels. `outline`: around what is above 0, in picture
    pixels. `about`: the exemplars that it was worked out for.
    """

    values: Pixels
    rect: Rect
    outline: QPainterPath
    about: tuple[Exemplar, ...]

    def still(self, document: Document) -> bool:
        """Whether the exemplars lie where they lay then."""
        now = document.exemplars
        return len(now) == len(self.about) and all(
            one.id == other.id
            and one.placement == other.placement
            and one.visible == other.visible
            and one.cutout is other.cutout
            for one, other in zip(self.about, now, strict=True)
        )

    def draw(self, painter: QPainter, lens: Resampler, table: Words) -> None:
        """As colours, in device pixels; `table`: (256,) words from 0 to 1."""
        words = np.ascontiguousarray(table[self.values])
        painter.save()
        painter.setTransform(lens.to_device, True)
        painter.setRenderHint(QPainter.RenderHint.SmoothPixmapTransform)
        rect = self.rect
        painter.drawImage(
            QRectF(rect.left, rect.top, rect.width, rect.height),
            wrap(words.view(np.uint8).reshape(*words.shape, 4)),
        )
        painter.restore()


class Reducer:
    """Makes exemplars of fewer pixels, for a first look, and keeps them while they stay the same but for their sliders and their place."""

    def __init__(self) -> None:
        self._kept: dict[int, tuple[Exemplar, int, Exemplar]] = {}

    def reduced(self, exemplars: tuple[Exemplar, ...], level: int) -> list[Exemplar]:
        """The same for a picture smaller by 2^level: with pixels that are only as many as it takes, and without colours."""
        kept, self._kept = self._kept, {}
        copies = []
        for exemplar in exemplars:
            at, share = exemplar.placement, 1 / (1 << level)
            own = level_for(max(min(abs(at.scale_x), abs(at.scale_y)) * share, 1e-3))
            known = kept.get(exemplar.id)
            if known is None or known[1] != own or not _same(known[0], exemplar):
                known = exemplar, own, _thinned(exemplar, own)
            self._kept[exemplar.id] = known
            small = known[2]
            scale_x = at.scale_x * share * exemplar.size.width / small.size.width
            scale_y = at.scale_y * share * exemplar.size.height / small.size.height
            placement = replace(at, x=at.x * share, y=at.y * share, scale_x=scale_x, scale_y=scale_y)
            small = replace(small, strength=exemplar.strength, fidelity=exemplar.fidelity, visible=exemplar.visible)
            copies.append(replace(small, placement=placement))
        return copies


def adapting(
    document: Document,
    draft: Draft,
    planned: Plan,
    frame: Frame | None,
    reducer: Reducer | None = None,
    *,
    methods: Methods = METHODS,
) -> Adapting | None:
    """None for methods without a model, and without exemplars that take part. `frame`: what the model sees."""
    if not draft.settings.needs_model or not planned.exemplars or frame is None:
        return None
    level = 0
    while frame.rect.size.area >> (2 * level) > _MAX_PIXELS:
        level += 1
    small = document
    if level:
        rims = [rim_of(exemplar, draft, frame) / (1 << level) for exemplar in document.exemplars]
        exemplars = (reducer or Reducer()).reduced(document.exemplars, level)
        small = _reduced(document, level, frame.rect)
        small = replace(
            small, exemplars=tuple(replace(exemplar, rim=rim) for exemplar, rim in zip(exemplars, rims, strict=True))
        )
    area = to_level(frame.rect, level).intersect(small.rect)
    change = change_map(small, replace(draft, frame=area), area, planned, methods)
    if not change.any():
        return None
    values = np.asarray(cv2.convertScaleAbs(change, alpha=255.0), np.uint8)
    rect = from_level(area, level)
    return Adapting(values, rect, _outline(values, rect), document.exemplars)


def _reduced(document: Document, level: int, area: Rect) -> Document:
    """The same maps in a picture smaller by 2^level, as far as they lie in `area`, without anything else."""
    size = level_size(document.size, level)
    empty = Tiles.filled(size.shape, 0, np.float32)

    def small(tiles: Tiles) -> Tiles:
        part = to_level(tiles.written().intersect(area), level)
        if part.empty:
            return empty
        return empty.write(part.left, part.top, map_at(tiles, level, part) * np.float32(1 / 255))

    layers = (Layer.empty(0, "", size),)
    return Document(size, layers, small(document.strength), small(document.protect), empty, empty)


def _same(one: Exemplar, other: Exemplar) -> bool:
    maps = ("pixels", "cutout", "strength_map", "fidelity_map")
    return all(getattr(one, name) is getattr(other, name) for name in maps)


def _thinned(exemplar: Exemplar, level: int) -> Exemplar:
    """With every 2^level x 2^level pixels averaged, as far as coverage, strength and fidelity go."""
    rect = Rect.of_size(level_size(exemplar.size, level))
    coverage = map_at(Tiles.of(exemplar.coverage()), level, rect)
    pixels = np.zeros((*rect.size.shape, 4), np.uint8)
    pixels[..., 3] = coverage
    full = Tiles.filled(rect.size.shape, 1, np.float32)
    strength = Tiles.of(map_at(exemplar.strength_map, level, rect) * np.float32(1 / 255))
    fidelity = Tiles.of(map_at(exemplar.fidelity_map, level, rect) * np.float32(1 / 255))
    return replace(exemplar, pixels=pixels, cutout=full, strength_map=strength, fidelity_map=fidelity)


def _outline(values: Pixels, rect: Rect) -> QPainterPath:
    """Around everything above 0, in picture pixels."""
    height, width = values.shape
    across, down = rect.width / width, rect.height / height
    padded = cv2.copyMakeBorder((values > 0).astype(np.uint8), 1, 1, 1, 1, cv2.BORDER_CONSTANT, value=0)
    rims, _ = cv2.findContours(padded, cv2.RETR_CCOMP, cv2.CHAIN_APPROX_NONE)
    path = QPainterPath()
    for rim in rims:
        corners = cv2.approxPolyDP(rim, 1.0, closed=True)[:, 0]
        places = (np.asarray(corners, np.float64) - 0.5) * (across, down) + (rect.left, rect.top)
        path.addPolygon(QPolygonF([QPointF(x, y) for x, y in places.tolist()]))
        path.closeSubpath()
    return path
