"""What a project file says about a document, apart from its pixels: plain JSON values, and the document again.

Pixels and maps appear as the numbers of planes (`editor.io.planes`).
"""

from __future__ import annotations

import dataclasses
import typing
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np

from editor.document.document import MAPS, Document
from editor.document.exemplar import Exemplar
from editor.document.item import Item
from editor.document.layer import BLENDS, Layer
from editor.document.placing import reachable
from editor.document.rerun import Rerun
from editor.document.tiles import Tiles
from editor.errors import InvalidRequest
from editor.geometry import Placement, Rect, Size
from editor.io.fields import Fields, Malformed
from editor.io.limits import MAX_COUNTS, MAX_LENGTHS, MAX_WORD_LENGTH, RANGES, Mending, numbered, placed, sensible_rect
from editor.io.metadata import unpack_extras
from editor.io.planes import Planes, TileStore
from editor.methods.registry import METHODS
from editor.requests.edit_request import Action, Subject
from editor.requests.method_settings import MethodSettings, UnknownSettings
from editor.requests.results import Recipe
from editor.requests.samplers import Sampler
from editor.requests.settings_fields import check_ranges, field_specs

SETTINGS: Mapping[str, type[MethodSettings]] = METHODS.settings_by_id
SAMPLERS: tuple[Sampler, ...] = typing.get_args(Sampler)
ACTIONS: tuple[Action, ...] = typing.get_args(Action)


def describe(document: Document, store: TileStore) -> dict[str, Any]:
    """The document as JSON values; its tiles go into the store."""
    return {
        "size": list(document.size),
        "next_id": document.next_id,
        "dpi": None if document.metadata.dpi is None else [float(each) for each in document.metadata.dpi],
        "layers": [_describe_layer(layer, store) for layer in document.layers],
        "maps": {name: store.number(document.map(name)) for name in MAPS},
        "items": [
            {
                "id": item.id,
                "name": item.name,
                "mask": store.number(item.mask),
                "rect": [int(each) for each in item.rect],
                "placement": _describe_placement(item.placement),
                "prompt": item.prompt,
                "visible": bool(item.visible),
            }
            for item in document.items
        ],
        "exemplars": [
            {
                "id": exemplar.id,
                "name": exemplar.name,
                "pixels": store.number_of_array(exemplar.pixels),
                "cutout": store.number(exemplar.cutout),
                "strength_map": store.number(exemplar.strength_map),
                "fidelity_map": store.number(exemplar.fidelity_map),
                "placement": _describe_placement(exemplar.placement),
                "strength": float(exemplar.strength),
                "visible": bool(exemplar.visible),
                "fidelity": float(exemplar.fidelity),
                "rim": None if exemplar.rim is None else float(exemplar.rim),
                "prompt_weight": float(exemplar.prompt_weight),
            }
            for exemplar in document.exemplars
        ],
        "rerun": None if document.rerun is None else _describe_rerun(document.rerun, store),
    }


def size_of(fields: Fields) -> Size:
    width, height = fields.wholes("size", 2)
    return Size(width, height)


def rebuild(
    fields: Fields, planes: Planes, extras: Mapping[str, bytes | None], mending: Mending | None = None
) -> Document:
    """The document of a manifest. `extras`: as `pack_extras` names them. What had to be mended is added to `mending`. Raises `Malformed`."""
    size = size_of(fields)
    mending = Mending() if mending is None else mending

    def tiles(group: Fields, name: str, shape: tuple[int, ...], dtype: type[np.generic]) -> Tiles:
        found = planes.tiles(group.whole(name))
        if found.shape != shape or found.dtype != dtype:
            raise group.wrong(name)
        return found

    maps = fields.group("maps")
    dpi = None
    if fields.has("dpi"):
        pair = Fields(dict(zip("xy", fields.values("dpi", 2), strict=False)), "the resolution")
        dpi = pair.number("x", *RANGES["dpi"]), pair.number("y", *RANGES["dpi"])
    metadata, lost = unpack_extras(extras, dpi)
    mending.lost += lost

    def layer(group: Fields) -> Layer:
        return Layer(
            _whole(group, "id"),
            _text(group, "name", mending),
            tiles(group, "pixels", (*size.shape, 4), np.uint8),
            _number(group, "opacity"),
            _one_of(group, "blend", BLENDS),
            group.flag("visible"),
            _recipe(group.group("recipe"), mending) if group.has("recipe") else None,
            _number(group, "doubt") if group.has("doubt") else None,
            tiles(group, "painted", size.shape, np.float32) if group.has("painted") else None,
            group.flag("clip") if group.has("clip") else False,  # projects from before there was one do not have it
        )

    def item(group: Fields) -> Item:
        name, rect, placement = _text(group, "name", mending), _rect(group, "rect", size), None
        if group.has("placement"):
            placement = placed(_placement(group.group("placement")), rect.size, size, name, mending)
        return Item(
            _whole(group, "id"),
            name,
            tiles(group, "mask", size.shape, np.float32),
            rect,
            placement,
            _text(group, "prompt", mending),
            group.flag("visible"),
        )

    def rerun(group: Fields) -> Rerun:
        return Rerun(
            group.whole("layer"),
            tuple((each.whole("id"), each.flag("visible")) for each in group.groups("layers")),
            tuple((each.whole("id"), each.flag("visible")) for each in group.groups("exemplars")),
            tiles(group, "strength", size.shape, np.float32) if group.has("strength") else None,
            tiles(group, "selection", size.shape, np.float32) if group.has("selection") else None,
            # Projects from before this was kept do not have it.
            tuple((each.whole("id"), each.flag("visible")) for each in group.groups("items"))
            if group.has("items")
            else (),
        )

    strength, protect, avoid, selection = (tiles(maps, name, size.shape, np.float32) for name in MAPS)
    document = Document(
        size,
        tuple(layer(group) for group in fields.groups("layers", MAX_COUNTS["layers"])),
        strength,
        protect,
        avoid,
        selection,
        tuple(item(group) for group in fields.groups("items", MAX_COUNTS["items"])),
        tuple(_exemplar(group, planes, size, mending) for group in fields.groups("exemplars", MAX_COUNTS["exemplars"])),
        _whole(fields, "next_id"),
        metadata,
        rerun(fields.group("rerun")) if fields.has("rerun") else None,
    )
    mending.maps += planes.brought_back
    return numbered(document, mending)


def _describe_rerun(rerun: Rerun, store: TileStore) -> dict[str, Any]:
    return {
        "layer": rerun.layer,
        "layers": [{"id": id, "visible": visible} for id, visible in rerun.layers],
        "exemplars": [{"id": id, "visible": visible} for id, visible in rerun.exemplars],
        "items": [{"id": id, "visible": visible} for id, visible in rerun.items],
        "strength": None if rerun.strength is None else store.number(rerun.strength),
        "selection": None if rerun.selection is None else store.number(rerun.selection),
    }


def _describe_layer(layer: Layer, store: TileStore) -> dict[str, Any]:
    return {
        "id": layer.id,
        "name": layer.name,
        "pixels": store.number(layer.pixels),
        "opacity": float(layer.opacity),
        "blend": layer.blend,
        "visible": bool(layer.visible),
        "recipe": None if layer.recipe is None else _describe_recipe(layer.recipe),
        "doubt": None if layer.doubt is None else float(layer.doubt),
        "painted": None if layer.painted is None else store.number(layer.painted),
        "clip": bool(layer.clip),
    }


def _describe_recipe(recipe: Recipe) -> dict[str, Any]:
    method, settings = type(recipe.settings).__name__, recipe.settings
    values = {spec.name: getattr(settings, spec.name) for spec in field_specs(type(settings))}
    if isinstance(settings, UnknownSettings):
        method, values = settings.method, dict(settings.fields)
    return {
        "method": method,
        "settings": values,
        "action": recipe.action,
        "rect": [int(each) for each in recipe.rect],
        "seed": int(recipe.seed),
        "subjects": [{"id": each.id, "placement": _describe_placement(each.placement)} for each in recipe.subjects],
        "prompt": recipe.prompt,
        "negative_prompt": recipe.negative_prompt,
        "model": _without_home(recipe.model),
        "steps": int(recipe.steps),
        "guidance_scale": float(recipe.guidance_scale),
        "sampler": recipe.sampler,
        "strength": float(recipe.strength),
        "revision": int(recipe.revision),
    }


def _describe_placement(placement: Placement | None) -> dict[str, float] | None:
    if placement is None:
        return None
    return {name: float(value) for name, value in dataclasses.asdict(placement).items()}


def _exemplar(group: Fields, planes: Planes, document: Size, mending: Mending) -> Exemplar:
    pixels = planes.array(group.whole("pixels"))
    name, size = _text(group, "name", mending), Size(pixels.shape[1], pixels.shape[0])
    fidelity_map = Tiles.filled(pixels.shape[:2], 1, np.float32)
    if group.has("fidelity_map"):  # projects from before there was one do not have it
        fidelity_map = planes.tiles(group.whole("fidelity_map"))
    try:
        return Exemplar(
            _whole(group, "id"),
            name,
            pixels,
            planes.tiles(group.whole("cutout")),
            planes.tiles(group.whole("strength_map")),
            fidelity_map,
            placed(_placement(group.group("placement")), size, document, name, mending),
            _number(group, "strength"),
            group.flag("visible"),
            _number(group, "fidelity"),
            _number(group, "rim") if group.has("rim") else None,
            _number(group, "prompt_weight"),
        )
    except Malformed:
        raise
    except ValueError as error:  # the planes are not of one size
        raise group.wrong("pixels") from error


def _without_home(model: str) -> str:
    """A model's path without the name of the person, since projects are given to others."""
    home = Path.home()
    path = Path(model)
    return f"~/{path.relative_to(home).as_posix()}" if model and path.is_relative_to(home) else model


def _with_home(model: str) -> str:
    return str(Path.home() / model[2:]) if model.startswith("~/") else model


def _recipe(group: Fields, mending: Mending) -> Recipe:
    return Recipe(
        _settings(group),
        _one_of(group, "action", ACTIONS),
        _rect(group, "rect", None),
        _whole(group, "seed"),
        tuple(
            Subject(_whole(each, "id"), _subject_place(each.group("placement")) if each.has("placement") else None)
            for each in group.groups("subjects", MAX_COUNTS["subjects"])
        ),
        _text(group, "prompt", mending),
        _text(group, "negative_prompt", mending),
        _with_home(_text(group, "model", mending)),
        _whole(group, "steps"),
        _number(group, "guidance_scale"),
        _one_of(group, "sampler", SAMPLERS),
        _number(group, "strength"),
        _whole(group, "revision"),
    )


def _settings(group: Fields) -> MethodSettings:
    """The settings of a recipe; a field that the file does not know yet has its default, as has one that nobody sets by hand."""
    method, values = group.text("method", MAX_WORD_LENGTH), group.group("settings")
    kind = SETTINGS.get(method)
    if kind is None or any(values.has(name) and values.value(name) != kept for name, kept in kind.retired.items()):
        return UnknownSettings(method=method, fields=values.all)
    readers: dict[str, Callable[[str], object]] = {
        "bool": values.flag,
        "int": values.whole,
        "float": values.number,
        "str": values.text,
        "choice": values.text,
    }
    found: dict[str, Any] = {
        spec.name: readers[spec.kind](spec.name) for spec in field_specs(kind) if values.has(spec.name)
    }
    made: MethodSettings = kind(**found)
    try:
        check_ranges(made)
    except InvalidRequest as error:
        raise Malformed(error.message) from error
    return made


def _placement(group: Fields) -> Placement:
    return Placement(*(group.number(each.name) for each in dataclasses.fields(Placement)))


def _subject_place(group: Fields) -> Placement:
    """Where a thing was when an edit was made; how large it was is not known any more."""
    return reachable(_placement(group), Size(1, 1))


def _whole(group: Fields, name: str) -> int:
    return group.whole(name, *RANGES[name])


def _number(group: Fields, name: str) -> float:
    return group.number(name, *RANGES[name])


def _text(group: Fields, name: str, mending: Mending) -> str:
    """Words, cut where they are too long."""
    text = group.text(name)
    if len(text) <= MAX_LENGTHS[name]:
        return text
    mending.cut += 1
    return text[: MAX_LENGTHS[name]]


def _rect(group: Fields, name: str, within: Size | None) -> Rect:
    rect = Rect(*group.wholes(name, 4))
    if not sensible_rect(rect):
        raise group.wrong(name)
    if within is not None and not Rect.of_size(within).holds(rect):
        raise group.wrong(name)
    return rect


_Word = typing.TypeVar("_Word", bound=str)


def _one_of(group: Fields, name: str, words: tuple[_Word, ...]) -> _Word:
    text = group.text(name, MAX_WORD_LENGTH)
    for word in words:
        if word == text:
            return word
    raise group.wrong(name)
