"""What a project file says about a document, apart from its pixels: plain JSON values, and the document again.

Pixels and maps appear as the numbers of planes (`editor.io.planes`).
"""

from __future__ import annotations

import dataclasses
import typing
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from editor.document import MAPS, Document, Metadata
from editor.errors import InvalidRequest
from editor.fields import check_ranges, field_specs
from editor.geometry import Placement, Rect, Size
from editor.io.fields import Fields, Malformed
from editor.io.planes import Planes, TileStore
from editor.item import Exemplar, Item
from editor.layer import BLENDS, Layer
from editor.report import Recipe
from editor.request import Action, MethodSettings, Sampler, Subject
from editor.rerun import Rerun
from editor.tiles import Tiles

SETTINGS: dict[str, Any] = {kind.__name__: kind for kind in typing.get_args(MethodSettings)}
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


def rebuild(fields: Fields, planes: Planes, icc: bytes | None, exif: bytes | None) -> Document:
    """The document of a manifest. Raises `Malformed`."""
    size = size_of(fields)

    def tiles(group: Fields, name: str, shape: tuple[int, ...], dtype: type[np.generic]) -> Tiles:
        found = planes.tiles(group.whole(name))
        if found.shape != shape or found.dtype != dtype:
            raise group.wrong(name)
        return found

    maps = fields.group("maps")
    dpi = None
    if fields.has("dpi"):
        pair = Fields(dict(zip("xy", fields.values("dpi"), strict=False)), "the resolution")
        dpi = pair.number("x"), pair.number("y")

    def layer(group: Fields) -> Layer:
        return Layer(
            group.whole("id"),
            group.text("name"),
            tiles(group, "pixels", (*size.shape, 4), np.uint8),
            group.number("opacity", 0, 1),
            _one_of(group, "blend", BLENDS),
            group.flag("visible"),
            _recipe(group.group("recipe")) if group.has("recipe") else None,
            group.number("doubt") if group.has("doubt") else None,
            tiles(group, "painted", size.shape, np.float32) if group.has("painted") else None,
        )

    def item(group: Fields) -> Item:
        return Item(
            group.whole("id"),
            group.text("name"),
            tiles(group, "mask", size.shape, np.float32),
            _rect(group, "rect", size),
            _placement(group.group("placement")) if group.has("placement") else None,
            group.text("prompt"),
            group.flag("visible"),
        )

    def rerun(group: Fields) -> Rerun:
        return Rerun(
            group.whole("layer"),
            tuple((each.whole("id"), each.flag("visible")) for each in group.groups("layers")),
            tuple((each.whole("id"), each.flag("visible")) for each in group.groups("exemplars")),
            tiles(group, "strength", size.shape, np.float32) if group.has("strength") else None,
            tiles(group, "selection", size.shape, np.float32) if group.has("selection") else None,
        )

    strength, protect, avoid, selection = (tiles(maps, name, size.shape, np.float32) for name in MAPS)
    document = Document(
        size,
        tuple(layer(group) for group in fields.groups("layers")),
        strength,
        protect,
        avoid,
        selection,
        tuple(item(group) for group in fields.groups("items")),
        tuple(_exemplar(group, planes) for group in fields.groups("exemplars")),
        fields.whole("next_id"),
        Metadata(icc, exif, dpi),
        rerun(fields.group("rerun")) if fields.has("rerun") else None,
    )
    return document.with_next_id(_free_id(document))


def _free_id(document: Document) -> int:
    """An id above all that are in use, and all that recipes still name: earlier versions gave those of undone things again."""
    things = [each.id for each in document.things]
    if len(set(things)) < len(things):
        raise Malformed("two of its layers, items or exemplars have the same number")
    named = [each.id for layer in document.layers if layer.recipe is not None for each in layer.recipe.subjects]
    return max((0, *things, *named)) + 1


def _describe_rerun(rerun: Rerun, store: TileStore) -> dict[str, Any]:
    return {
        "layer": rerun.layer,
        "layers": [{"id": id, "visible": visible} for id, visible in rerun.layers],
        "exemplars": [{"id": id, "visible": visible} for id, visible in rerun.exemplars],
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
    }


def _describe_recipe(recipe: Recipe) -> dict[str, Any]:
    return {
        "method": type(recipe.settings).__name__,
        "settings": {spec.name: getattr(recipe.settings, spec.name) for spec in field_specs(type(recipe.settings))},
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
    }


def _describe_placement(placement: Placement | None) -> dict[str, float] | None:
    if placement is None:
        return None
    return {name: float(value) for name, value in dataclasses.asdict(placement).items()}


def _exemplar(group: Fields, planes: Planes) -> Exemplar:
    pixels = planes.array(group.whole("pixels"))
    fidelity_map = Tiles.filled(pixels.shape[:2], 1, np.float32)
    if group.has("fidelity_map"):  # projects from before there was one do not have it
        fidelity_map = planes.tiles(group.whole("fidelity_map"))
    try:
        return Exemplar(
            group.whole("id"),
            group.text("name"),
            pixels,
            planes.tiles(group.whole("cutout")),
            planes.tiles(group.whole("strength_map")),
            fidelity_map,
            _placement(group.group("placement")),
            group.number("strength", 0, 1),
            group.flag("visible"),
            group.number("fidelity", 0, 1),
            group.number("rim", 0) if group.has("rim") else None,
            group.number("prompt_weight", 0),
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


def _recipe(group: Fields) -> Recipe:
    return Recipe(
        _settings(group),
        _one_of(group, "action", ACTIONS),
        _rect(group, "rect", None),
        group.whole("seed"),
        tuple(
            Subject(each.whole("id"), _placement(each.group("placement")) if each.has("placement") else None)
            for each in group.groups("subjects")
        ),
        group.text("prompt"),
        group.text("negative_prompt"),
        _with_home(group.text("model")),
        group.whole("steps"),
        group.number("guidance_scale"),
        _one_of(group, "sampler", SAMPLERS),
        group.number("strength", 0, 1),
    )


def _settings(group: Fields) -> MethodSettings:
    """The settings of a recipe; a field that the file does not know yet has its default, as has one that nobody sets by hand."""
    kind = SETTINGS.get(group.text("method"))
    if kind is None:
        raise group.wrong("method")
    values = group.group("settings")
    readers: dict[str, Callable[[str], object]] = {
        "bool": values.flag,
        "int": values.whole,
        "float": values.number,
        "str": values.text,
        "choice": values.text,
    }
    found = {spec.name: readers[spec.kind](spec.name) for spec in field_specs(kind) if values.has(spec.name)}
    made: MethodSettings = kind(**found)
    try:
        check_ranges(made)
    except InvalidRequest as error:
        raise Malformed(error.message) from error
    return made


def _placement(group: Fields) -> Placement:
    return Placement(*(group.number(each.name) for each in dataclasses.fields(Placement)))


def _rect(group: Fields, name: str, within: Size | None) -> Rect:
    rect = Rect(*group.wholes(name, 4))
    if within is not None and not Rect.of_size(within).holds(rect):
        raise group.wrong(name)
    return rect


_Word = typing.TypeVar("_Word", bound=str)


def _one_of(group: Fields, name: str, words: tuple[_Word, ...]) -> _Word:
    text = group.text(name)
    for word in words:
        if word == text:
            return word
    raise group.wrong(name)
