"""Item overlay: items on their way to another place, and exemplars."""

from __future__ import annotations

import math
from dataclasses import dataclass

import cv2
import numpy as np
from PySide6.QtCore import QPoint, QRectF
from PySide6.QtGui import QImage, QPainter, QTransform

from editor.arrays import Pixels
from editor.document.colour import convert
from editor.document.contents import Exemplar, Item, Layer
from editor.document.document import Document
from editor.document.tiles import Tiles
from editor.geometry import Placement, Rect, Size
from editor.planning.exemplar_change import says_all
from widgets.canvas.levels import from_level, level_for, map_at, picture_at, to_level
from widgets.canvas.screen_pixels import Resampler
from widgets.canvas.strength_overlay import look_up
from widgets.qimage import Words, premultiplied, wrap

_MAX_PIXELS = 12_000_000  # on screen; larger ones are drawn straight from their pixels


class Sprite:
    """Something that is laid over the picture at a place, a scale and a turn, drawn quickly while it only moves.

    pixels: (h, w, 4) uint8 BGRA premultiplied, not changed any more
    """

    def __init__(self, pixels: Pixels) -> None:
        self._pixels = np.ascontiguousarray(pixels)
        self._image = wrap(self._pixels)
        self._linear: tuple[float, float, float, float] | None = None
        self._placed: QImage | None = None
        self._kept: Pixels | None = None  # the memory under `_placed`
        self._offset = 0.0, 0.0

    def draw(self, painter: QPainter, transform: QTransform, opacity: float = 1.0) -> None:
        """`transform`: from these pixels to device pixels, which the painter must draw in."""
        linear = transform.m11(), transform.m12(), transform.m21(), transform.m22()
        if linear != self._linear:
            self._place(transform)
        painter.setOpacity(opacity)
        if self._placed is None:
            painter.save()
            painter.setTransform(transform, True)
            painter.setRenderHint(QPainter.RenderHint.SmoothPixmapTransform)
            painter.drawImage(0, 0, self._image)
            painter.restore()
        else:
            x, y = self._offset[0] + transform.dx(), self._offset[1] + transform.dy()
            painter.drawImage(QPoint(round(x), round(y)), self._placed)
        painter.setOpacity(1.0)

    def _place(self, transform: QTransform) -> None:
        """Resample to device pixels, once for as long as scale and turn stay."""
        self._linear = transform.m11(), transform.m12(), transform.m21(), transform.m22()
        self._placed = self._kept = None
        height, width = self._pixels.shape[:2]
        bounds = transform.mapRect(QRectF(0, 0, width, height))
        # The whole part of the place is left to drawing; what is resampled starts at a whole pixel.
        left, top = math.floor(bounds.left() - transform.dx()) - 1, math.floor(bounds.top() - transform.dy()) - 1
        size = math.ceil(bounds.width()) + 3, math.ceil(bounds.height()) + 3
        if size[0] * size[1] > _MAX_PIXELS or max(size) > 16384 or max(width, height) > 32000:
            return
        a, b, c, d = transform.m11(), transform.m21(), transform.m12(), transform.m22()
        matrix = np.array([[a, b, (a + b) / 2 - 0.5 - left], [c, d, (c + d) / 2 - 0.5 - top]])
        self._kept = np.asarray(cv2.warpAffine(self._pixels, matrix, size, flags=cv2.INTER_LINEAR), np.uint8)
        self._placed = wrap(self._kept)
        self._offset = float(left), float(top)


@dataclass(slots=True)
class _Ghost:
    mask: Tiles
    layers: tuple[Layer, ...]
    level: int
    rect: Rect  # of what was cut out, in picture pixels
    sprite: Sprite


@dataclass(frozen=True, slots=True, eq=False)
class Heat:
    """The exemplar whose strength, or `fidelity`, is shown as colours from `table`."""

    exemplar: int | None
    table: Words
    fidelity: bool = False

    def same(self, other: Heat | None) -> bool:
        return other is not None and self.table is other.table and self.fidelity == other.fidelity


@dataclass(frozen=True, slots=True, eq=False)
class Led:
    """The ids of the exemplars that are let in only where `map`, of the document, says all."""

    exemplars: frozenset[int]
    map: Tiles


@dataclass(slots=True)
class _Shown:
    exemplar: Exemplar
    level: int
    look: Heat | None
    pixels: Pixels  # of the exemplar at this level, BGRA premultiplied by their own alpha
    sprite: Sprite
    heat: Sprite | None


class Things:
    """Draws the ghosts of moved items and the exemplars of a document, and keeps what it has cut out for the next time."""

    def __init__(self) -> None:
        self._screen: bytes | None = None
        self._ghosts: dict[int, _Ghost] = {}
        self._shown: dict[int, _Shown] = {}

    def set_screen(self, profile: bytes | None) -> None:
        """The ICC profile of what is drawn on, None for sRGB."""
        if profile != self._screen:
            self._screen = profile
            self._ghosts, self._shown = {}, {}

    def draw_items(self, painter: QPainter, document: Document, lens: Resampler) -> None:
        """The visible moved items at their new places, in device pixels. What stays where it is has no ghost."""
        moved = {
            item.id: item for item in document.items if item.placement is not None and item.visible and not item.empty
        }
        self._ghosts = {id: ghost for id, ghost in self._ghosts.items() if id in moved}
        for id, item in moved.items():
            ghost = self._ghost(id, item, document, lens)
            rest = QTransform.fromTranslate(ghost.rect.left - item.rect.left, ghost.rect.top - item.rect.top)
            step = float(1 << ghost.level)
            scale = QTransform.fromScale(step, step)
            ghost.sprite.draw(painter, scale * rest * matrix_of(item.placed, item.size) * lens.to_device)

    def draw_exemplars(
        self, painter: QPainter, document: Document, lens: Resampler, heat: Heat | None, led: Led | None = None
    ) -> None:
        """The visible exemplars, bottom up."""
        visible = {exemplar.id: exemplar for exemplar in document.exemplars if exemplar.visible}
        self._shown = {id: shown for id, shown in self._shown.items() if id in visible}
        for id, exemplar in visible.items():
            look = heat if heat is not None and id == heat.exemplar else None
            shown = self._exemplar(id, exemplar, document.metadata.icc, lens, look)
            step = float(1 << shown.level)
            transform = QTransform.fromScale(step, step) * matrix_of(exemplar.placement, exemplar.size)
            if led is not None and id in led.exemplars:
                _draw_led(painter, shown.sprite, transform * lens.to_device, lens, led.map)
            else:
                shown.sprite.draw(painter, transform * lens.to_device)
            if shown.heat is not None:
                shown.heat.draw(painter, transform * lens.to_device)

    def _ghost(self, id: int, item: Item, document: Document, lens: Resampler) -> _Ghost:
        level = _level(item.placed, lens)
        known = self._ghosts.get(id)
        if known is not None and known.mask is item.mask and known.layers is document.layers and known.level == level:
            return known
        rect = to_level(item.rect, level)
        pixels = picture_at(document, level, rect, self._screen)
        _cover(pixels, map_at(item.mask, level, rect))
        ghost = _Ghost(item.mask, document.layers, level, from_level(rect, level), Sprite(pixels))
        self._ghosts[id] = ghost
        return ghost

    def _exemplar(self, id: int, exemplar: Exemplar, icc: bytes | None, lens: Resampler, look: Heat | None) -> _Shown:
        level = _level(exemplar.placement, lens)
        known = self._shown.get(id)
        pixels: Pixels | None = None
        if known is not None and known.level == level and known.exemplar.pixels is exemplar.pixels:
            pixels = known.pixels
            same = known.look is None if look is None else look.same(known.look)
            if same and _same_look(known.exemplar, exemplar):
                return known
        rect = to_level(Rect.of_size(exemplar.size), level)
        if pixels is None:
            pixels = _shrunk(convert(exemplar.pixels, icc, self._screen), level)
        weights = map_at(exemplar.cutout, level, rect)
        strength = map_at(exemplar.strength_map, level, rect)
        strength = np.asarray(cv2.convertScaleAbs(strength, alpha=exemplar.strength), np.uint8)
        weights = np.asarray(cv2.multiply(weights, strength, scale=1 / 255), np.uint8)
        laid = pixels.copy()
        _cover(laid, weights)
        heat = None
        if look is not None:
            amount = laid[..., 3]
            if look.fidelity:
                fidelity = np.asarray(
                    cv2.convertScaleAbs(map_at(exemplar.fidelity_map, level, rect), alpha=exemplar.fidelity), np.uint8
                )
                amount = np.asarray(cv2.multiply(np.ascontiguousarray(amount), fidelity, scale=1 / 255), np.uint8)
            words = np.empty(amount.shape, np.uint32)
            look_up(look.table, amount, words)
            heat = Sprite(words.view(np.uint8).reshape(*words.shape, 4))
        shown = _Shown(exemplar, level, look, pixels, Sprite(laid), heat)
        self._shown[id] = shown
        return shown


def _draw_led(painter: QPainter, sprite: Sprite, transform: QTransform, lens: Resampler, map: Tiles) -> None:
    """A sprite where the map says all; `transform`: from its pixels to device pixels."""
    area = lens.inside
    if area.empty:
        return

    def let_in(level: int, rect: Rect) -> Pixels:
        values = np.asarray(map_at(map, level, rect) / np.float32(255), np.float32)
        return np.where(says_all(values), np.uint8(255), np.uint8(0))

    kept = lens.sample(let_in, area)
    mask = np.ascontiguousarray(np.repeat(kept[..., None], 4, axis=2))
    image = QImage(area.width, area.height, QImage.Format.Format_ARGB32_Premultiplied)
    image.fill(0)
    inner = QPainter(image)
    sprite.draw(inner, transform * QTransform.fromTranslate(-area.left, -area.top))
    inner.setCompositionMode(QPainter.CompositionMode.CompositionMode_DestinationIn)
    inner.drawImage(0, 0, wrap(mask))
    inner.end()
    painter.drawImage(area.left, area.top, image)


def matrix_of(placement: Placement, size: Size) -> QTransform:
    """From points of a picture of `size` to document points."""
    (a, b, x), (c, d, y) = placement.matrix(size).tolist()
    return QTransform(a, c, b, d, x, y)


def _level(placement: Placement, lens: Resampler) -> int:
    scale = math.sqrt(abs(placement.scale_x * placement.scale_y)) * lens.viewport.zoom
    return level_for(max(scale, 1e-3))


def _same_look(one: Exemplar, other: Exemplar) -> bool:
    return (
        one.cutout is other.cutout
        and one.strength_map is other.strength_map
        and one.strength == other.strength
        and one.fidelity_map is other.fidelity_map
        and one.fidelity == other.fidelity
    )


def _cover(pixels: Pixels, weights: Pixels) -> None:
    """Weaken premultiplied pixels by (h, w) weights of 255, in place."""
    four = cv2.merge([weights, weights, weights, weights])
    cv2.multiply(pixels, four, dst=pixels, scale=1 / 255)


def _shrunk(pixels: Pixels, level: int) -> Pixels:
    """(h, w, 4) RGBA straight alpha -> BGRA premultiplied at a level."""
    height, width = pixels.shape[:2]
    step = 1 << level
    size = -(-width // step), -(-height // step)
    bgra = premultiplied(pixels)
    if level == 0:
        return bgra
    right, below = size[0] * step - width, size[1] * step - height
    bgra = np.asarray(cv2.copyMakeBorder(bgra, 0, below, 0, right, cv2.BORDER_REPLICATE), np.uint8)
    return np.asarray(cv2.resize(bgra, size, interpolation=cv2.INTER_AREA), np.uint8)
