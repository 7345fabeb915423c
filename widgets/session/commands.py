"""Commands on maps, items, exemplars and layers, for menus and panels: each is one step of the history with a clear label.

What cannot be done becomes a notice. Functions with `preview` compute from the last step of the history: with it the outcome is only
shown (`session.revert()` drops it), without it it is kept.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import replace

import numpy as np

from editor.arrays import Map
from editor.document import masks
from editor.document.contents import Exemplar, Item, Layer, covered
from editor.document.placing import fitted, moved_mask
from editor.document.tiles import Tiles
from editor.errors import InvalidRequest
from editor.geometry import Placement, Rect
from editor.planning.plan import removal
from widgets.session.edits import numbered
from widgets.session.options import OF_EXEMPLAR, Target
from widgets.session.paint_target import NOUNS, PaintTarget, surface
from widgets.session.session import Session

# The selection


def select_all(session: Session) -> None:
    document = session.history.document
    session.commit("Select all", document.with_map("selection", Tiles.filled(document.size.shape, 1, np.float32)))


def select_none(session: Session) -> None:
    document = session.history.document
    if not document.selection.blank:
        session.commit("Deselect", document.with_map("selection", document.empty_map()))


def select_invert(session: Session) -> None:
    invert_map(session, "selection")


def select_item(session: Session, id: int) -> None:
    """Select what an item covers, where it is shown."""
    document = session.history.document
    item = document.item(id)
    if item is not None:
        session.commit(f"Select “{item.name}”", document.with_map("selection", moved_mask(item)))


def selection_to_item(session: Session, name: str | None = None) -> None:
    """Make the selection an item ("Item 1", "Item 2" … without a name), activate it and take the move tool in hand."""
    if _make_item(session, name) is not None:
        session.set_options(tool="move")


def remove_selection(session: Session) -> None:
    """Take what is selected out of the picture. It becomes an item first, so that its hole is grown past the fringe, and shown; where nothing
    comes of that, it is selected again.
    """
    if not session.free():
        return
    before = session.draft
    item = _make_item(session, None)
    if item is not None:
        session.run(removal(item), before=before)


def delete_active(session: Session) -> None:
    """An item or what is selected is taken out of the picture, an exemplar off it."""
    item = None if session.draft.item is None else session.document.item(session.draft.item)
    if item is not None:
        session.run(removal(item))
    elif session.draft.exemplar is not None:
        delete_exemplar(session, session.draft.exemplar)
    elif not session.document.selection.blank:
        remove_selection(session)


def delete_touched(session: Session) -> None:
    """Of what is active and what is selected, take out what was touched last."""
    for touch in reversed(session.draft.touched):
        if touch.what == "selection" and not session.document.selection.blank:
            remove_selection(session)
            return
        if touch.id is not None and touch.id in (session.draft.item, session.draft.exemplar):
            break
    delete_active(session)


def _make_item(session: Session, name: str | None) -> Item | None:
    document = session.history.document
    if covered(document.selection).empty:
        session.notice("Nothing is selected.", "Draw around something, or click on it, then make it an item.")
        return None
    name = name or numbered("Item", (item.name for item in document.items))
    new_document = document.adding_item(Item.of(name, document.selection)).with_map("selection", document.empty_map())
    session.commit(f"Make item “{name}”", new_document)
    session.activate(item=new_document.items[-1].id)
    return new_document.items[-1]


def selection_to_strength(session: Session, value: float | None = None) -> None:
    """Set the strength inside the selection to `value`, 0 to 1 (that of the tools by default)."""
    if _selected(session):
        fill_map(session, "strength", value)


def protect_selection(session: Session) -> None:
    if _selected(session):
        fill_map(session, "protect", 1.0)


def avoid_selection(session: Session) -> None:
    """Let nothing be copied from the selection."""
    if _selected(session):
        fill_map(session, "avoid", 1.0)


# Maps


def fill_map(session: Session, target: Target = "strength", value: float | None = None) -> None:
    """Set the selection, or everything without one, to `value` (0 to 1; that of the tools by default)."""
    document = session.history.document
    level = np.float32(session.options.value if value is None else value)
    paint_target = _surface(session, target)
    if paint_target is None:
        return
    selected = (
        not document.selection.blank and target in ("strength", "protect", "avoid") and paint_target.inverse is None
    )
    if selected:
        area = document.selection.written()

        def fill(part: Rect, view: Map) -> None:
            view += (level - view) * document.selection.read(part)

        tiles = paint_target.tiles.apply(area, fill)
    else:
        tiles = Tiles.filled(paint_target.tiles.shape, float(level), np.float32)
    label = {"protect": "Protect", "avoid": "Mark as do-not-copy"}.get(target, f"Fill {paint_target.noun}")
    session.commit(label, paint_target.lay(document, tiles, None))


def clear_map(session: Session, target: Target = "strength") -> None:
    """Set it to 0 everywhere; an exemplar's own maps go back to 1, which is how they begin."""
    paint_target = _surface(session, target)
    if paint_target is None or (paint_target.tiles.blank and paint_target.inverse is None):
        return
    start = 1 if paint_target.target in OF_EXEMPLAR else 0
    tiles = Tiles.filled(paint_target.tiles.shape, start, np.float32)
    verb = "Reset" if start else "Clear"
    session.commit(f"{verb} {paint_target.noun}", paint_target.lay(session.history.document, tiles, None))


def invert_map(session: Session, target: Target = "strength") -> None:
    _adjust(session, f"Invert {_noun(session, target)}", target, masks.invert, reach=None, preview=False)


def grow_map(session: Session, radius: float, target: Target = "selection", *, preview: bool = False) -> None:
    """Larger by `radius` document pixels."""
    _adjust_by(session, "Grow", radius, target, lambda map, own: masks.grow(map, round(own)), preview=preview)


def shrink_map(session: Session, radius: float, target: Target = "selection", *, preview: bool = False) -> None:
    """Smaller by `radius` document pixels."""
    _adjust_by(session, "Shrink", radius, target, lambda map, own: masks.grow(map, -round(own)), preview=preview)


def feather_map(session: Session, radius: float, target: Target = "selection", *, preview: bool = False) -> None:
    """A softer rim: it fades inwards over `radius` document pixels; what is 0 stays 0."""
    _adjust_by(session, "Feather", radius, target, masks.feather, preview=preview)


def level_map(
    session: Session, black: float, white: float, gamma: float, target: Target = "strength", *, preview: bool = False
) -> None:
    """Stretch the values so that `black` becomes 0 and `white` becomes 1 (both 0 to 1), bent by `gamma`."""
    _adjust(
        session,
        f"Levels of {_noun(session, target)}",
        target,
        lambda map: masks.levels(map, black, max(white, black + 0.01), gamma),
        reach=None if black < 0 else 0,
        preview=preview,
    )


def curve_map(
    session: Session, points: Sequence[tuple[float, float]], target: Target = "strength", *, preview: bool = False
) -> None:
    """Change every value along a curve through `points` (from, to), both 0 to 1, as `editor.document.masks.curve` says."""
    _adjust(
        session,
        f"Curve of {_noun(session, target)}",
        target,
        lambda map: masks.curve(map, points),
        reach=None if min(points)[1] > 0 else 0,
        preview=preview,
    )


def strength_from_layer(session: Session, id: int) -> None:
    """Take a layer as the strength. Its alpha, so that an edit's result gives back the region it was made with; where it has none, as a grey map
    that was brought in, how bright it is.
    """
    document = session.history.document
    layer = document.layer(id)
    if layer is None:
        return
    area = layer.pixels.written()
    pixels = layer.pixels.read(area)
    grey = area == document.rect and bool((pixels[..., 3] == 255).all())
    strength = masks.of_picture(pixels) if grey else np.asarray(pixels[..., 3] / np.float32(255), np.float32)
    _take_strength(session, layer, strength, area)
    if grey:
        session.notice(
            "The brightness of the layer was taken: white may change, black is kept.",
            "Where white means keep, use “Take strength from the layer, white keeps”.",
        )


def strength_from_keep_map(session: Session, id: int) -> None:
    """Take a layer as the strength where white means keep, as in the files of the published PIXELS. What is transparent is kept."""
    layer = session.history.document.layer(id)
    if layer is not None:
        area = layer.pixels.written()
        _take_strength(session, layer, masks.of_picture(layer.pixels.read(area), white_keeps=True), area)


def _take_strength(session: Session, layer: Layer, strength: Map, area: Rect) -> None:
    document = session.history.document
    map = document.empty_map().write(area.left, area.top, strength)
    session.commit(f"Strength from “{layer.name}”", document.with_strength(map))


# Layers


def duplicate_layer(session: Session, id: int) -> None:
    document = session.history.document
    layer = document.layer(id)
    if layer is None:
        return
    new_document = document.adding_layer(replace(layer, name=_copy_name(layer.name)), above=id)
    session.commit(f"Duplicate “{layer.name}”", new_document)
    session.activate_layer(document.next_id)


def delete_layer(session: Session, id: int) -> None:
    document = session.history.document
    layer = document.layer(id)
    if layer is None:
        return
    if len(document.layers) == 1:
        session.notice("This is the only layer.", "Add another one before you delete it, or hide it.")
        return
    session.commit(f"Delete “{layer.name}”", document.without_layer(id))


def layer_to_exemplar(session: Session, id: int) -> None:
    """Make what a layer shows an exemplar in the same place; the layer goes, unless it is the only one."""
    document = session.history.document
    layer = document.layer(id)
    if layer is None:
        return
    area = _opaque(layer.pixels)
    if area.empty:
        session.notice(f"The layer “{layer.name}” is empty.", "Choose a layer with something on it.")
        return
    exemplar = Exemplar.of(layer.name, layer.pixels.read(area), Placement(*area.centre))
    new_document = document.adding_exemplar(exemplar)
    if len(document.layers) > 1:
        new_document = new_document.without_layer(id)
    session.commit(f"Make reference picture “{layer.name}”", new_document)
    session.activate(exemplar=new_document.exemplars[-1].id)


# Items


def duplicate_item(session: Session, id: int) -> None:
    document = session.history.document
    item = document.item(id)
    if item is None:
        return
    new_document = document.adding_item(replace(item, name=_copy_name(item.name)))
    session.commit(f"Duplicate “{item.name}”", new_document)
    session.activate(item=new_document.items[-1].id)


def delete_item(session: Session, id: int) -> None:
    """Take it off the list; the picture stays as it is. `editor.planning.plan.removal` takes it out of the picture."""
    document = session.history.document
    item = document.item(id)
    if item is not None:
        session.commit(f"Forget “{item.name}”", document.without_item(id))


def put_back(session: Session, id: int) -> None:
    """Show an item where it rests in the picture, unmoved."""
    document = session.history.document
    item = document.item(id)
    if item is not None and item.placement is not None:
        session.commit(f"Put back “{item.name}”", document.with_item(replace(item, placement=None)))


# Exemplars


def duplicate_exemplar(session: Session, id: int) -> None:
    """A second one beside it, a little to the right and below."""
    document = session.history.document
    exemplar = document.exemplar(id)
    if exemplar is None:
        return
    step = max(document.size) / 40
    copy = replace(exemplar, name=_copy_name(exemplar.name), placement=exemplar.placement.moved(step, step))
    new_document = document.adding_exemplar(copy)
    session.commit(f"Duplicate “{exemplar.name}”", new_document)
    session.activate(exemplar=new_document.exemplars[-1].id)


def lay_over_all(session: Session, id: int) -> None:
    """Put an exemplar upright over the middle, as large as it fits: one of the picture's own shape then covers it, pixel by pixel."""
    document = session.history.document
    exemplar = document.exemplar(id)
    if exemplar is not None:
        placed = replace(exemplar, placement=fitted(exemplar.size, document.size))
        session.commit(f"Lay “{exemplar.name}” over the picture", document.with_exemplar(placed))


def delete_exemplar(session: Session, id: int) -> None:
    document = session.history.document
    exemplar = document.exemplar(id)
    if exemplar is not None:
        session.commit(f"Delete “{exemplar.name}”", document.without_exemplar(id))


def _surface(session: Session, target: Target) -> PaintTarget | None:
    """The map behind `target` in the current step; None after a notice when there is none."""
    try:
        return surface(session, target, session.history.document)
    except InvalidRequest as missing:
        session.notice(missing.message, missing.advice)
        return None


def _noun(session: Session, target: Target) -> str:
    return NOUNS["exemplar_strength" if target == "strength" and session.draft.exemplar is not None else target]


def _adjust_by(
    session: Session, verb: str, radius: float, target: Target, change: Callable[[Map, float], Map], *, preview: bool
) -> None:
    paint_target = _surface(session, target)
    if paint_target is None:
        return
    own = radius * paint_target.scale
    label = f"{verb} {paint_target.noun} by {radius:g} px"
    _adjust(session, label, target, lambda map: change(map, own), reach=math.ceil(own) + 1, preview=preview)


def _adjust(
    session: Session, label: str, target: Target, change: Callable[[Map], Map], *, reach: int | None, preview: bool
) -> None:
    """`reach`: how far, in own pixels, a value can spread from what was written; None when 0 does not stay 0."""
    document = session.history.document
    paint_target = _surface(session, target)
    if paint_target is None:
        return
    tiles = paint_target.tiles
    everywhere = reach is None or paint_target.target in OF_EXEMPLAR  # blank there means 1, not 0
    area = tiles.rect if everywhere else tiles.written().grow(reach or 0).intersect(tiles.rect)
    if area.empty:
        session.notice(f"There is no {paint_target.noun} yet.", "Paint or select something first.")
        return
    changed = tiles.write(area.left, area.top, change(tiles.read(area)))
    after = paint_target.lay(document, changed, None)
    if preview:
        session.show(after)
    else:
        session.commit(label, after)


def _selected(session: Session) -> bool:
    if session.history.document.selection.blank:
        session.notice("Nothing is selected.", "Draw around something, or click on it, first.")
        return False
    return True


def _opaque(pixels: Tiles) -> Rect:
    """The tight rectangle of what is not fully transparent."""
    area = pixels.written()
    if area.empty:
        return area
    rect = Rect.of_mask(pixels.read(area)[..., 3])
    return rect if rect.empty else rect.moved(area.left, area.top)


def _copy_name(name: str) -> str:
    return name if name.endswith(" copy") else f"{name} copy"
