"""One edit from files to a file: the same request as the window's, driven without Qt."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import cv2
import numpy as np

from editor.compose import flatten
from editor.document import Document
from editor.edit import Draft, apply_result, make_request
from editor.engine import Engine
from editor.errors import InvalidRequest, ModelUnavailable
from editor.geometry import Placement, Rect, Size
from editor.io.images import Picture, export_kind, read_image, write_image
from editor.item import Exemplar
from editor.models.info import ModelInfo
from editor.models.library import Library
from editor.report import EditResult, Progress
from editor.request import EditRequest, FieldSpec, PixelsSettings, QuickFillSettings, Sampler, field_specs
from editor.tiles import Tiles


@dataclass(frozen=True, slots=True)
class WithModel:
    """What an edit with a model takes beside the pictures. `library`: where to look for `model`, a name, path or hub id.

    `exemplars`: files, each with the place of its middle in pixels of the picture (None for the middle of that) and its scale (None fits it in).
    The rest as in `editor.planning.Draft`.
    """

    library: Library
    model: str
    prompt: str = ""
    negative_prompt: str = ""
    overall: float | None = None
    steps: int | None = None
    guidance_scale: float | None = None
    sampler: Sampler = ""
    exemplars: tuple[tuple[Path, tuple[float, float] | None, float | None], ...] = ()


def edit_file(
    picture: Path,
    strength: Path | None,
    output: Path,
    *,
    seed: int | None,
    settings: Sequence[str],
    model: WithModel | None = None,
) -> tuple[str, ...]:
    """Change `picture` where the grey picture `strength` is above black, and write the flattened outcome to `output`.

    Without a model by quick fill, with one by PIXELS. `settings` are "name=value" pairs of the method's settings. Returns what the person
    should know, each a sentence. Raises `EditorError` kinds.
    """
    export_kind(output)  # before the work, not after it
    chosen = parse_settings(QuickFillSettings if model is None else PixelsSettings, settings)
    opened = read_image(picture)
    document = Document.of_picture(opened.pixels, metadata=opened.metadata)
    if strength is not None:
        document = document.with_strength(_painted(strength, opened))
    draft = replace(Draft.for_document(document), seed=seed)
    if model is None:
        draft = replace(draft, settings=replace(draft.settings, **chosen))
        result = drive(make_request(document, draft), Engine())
    else:
        for file, place, scale in model.exemplars:
            document = document.adding_exemplar(_exemplar(file, place, scale, document.size))
        info = _named(model.library, model.model)
        draft = replace(
            draft,
            settings=PixelsSettings(**chosen),
            model=info,
            prompt=model.prompt,
            negative_prompt=model.negative_prompt,
            strength=info.traits.strength if model.overall is None else model.overall,
            steps=model.steps,
            guidance_scale=model.guidance_scale,
            sampler=model.sampler,
        )
        result = drive(make_request(document, draft), Engine(lambda: model.library))
    _, document = apply_result(document, result, document)
    return (*opened.notes, *write_image(output, flatten(document), document.metadata))


def _painted(strength: Path, opened: Picture) -> Tiles:
    map = read_image(strength)
    if map.pixels.shape != opened.pixels.shape:
        raise InvalidRequest(
            f"The strength picture is {map.pixels.shape[1]} × {map.pixels.shape[0]} pixels, the picture "
            f"{opened.pixels.shape[1]} × {opened.pixels.shape[0]}.",
            "Give both the same size.",
        )
    grey = np.asarray(cv2.cvtColor(map.pixels, cv2.COLOR_RGBA2GRAY)).astype(np.float32) / np.float32(255)
    return Tiles.of(grey)


def _exemplar(file: Path, place: tuple[float, float] | None, scale: float | None, canvas: Size) -> Exemplar:
    pixels = read_image(file).pixels
    height, width = pixels.shape[:2]
    fitted = min(canvas.width / width, canvas.height / height)
    x, y = Rect.of_size(canvas).centre if place is None else place
    scale = fitted if scale is None else scale
    return Exemplar.of(file.stem, pixels, Placement(x, y, scale, scale))


def _named(library: Library, name: str) -> ModelInfo:
    """By name or hub id, of several one that can be used, or else by path. Raises `ModelUnavailable`."""
    found = sorted(
        (each for each in library.models() if name in (each.name, each.source)), key=lambda each: not each.usable
    )
    if found:
        return library.find(found[0].key)
    if name and Path(name).exists():
        return library.find(str(Path(name).absolute()))
    raise ModelUnavailable(f"There is no model “{name}”.", "“palimpsest models” lists those that are here.")


def parse_settings(kind: type, pairs: Sequence[str]) -> dict[str, Any]:
    """ "name=value" texts as typed values of a settings class. Raises `InvalidRequest` naming what is known."""
    known = {spec.name: spec for spec in field_specs(kind)}
    found = {}
    for pair in pairs:
        name, _, text = pair.partition("=")
        if name not in known:
            raise InvalidRequest(f"There is no setting “{name}”.", f"The settings are: {', '.join(known)}.")
        found[name] = _parse(known[name], text)
    return found


def _parse(spec: FieldSpec, text: str) -> Any:
    try:
        match spec.kind:
            case "int":
                return int(text)
            case "float":
                return float(text)
            case "bool":
                return {"yes": True, "true": True, "no": False, "false": False}[text.lower()]
            case "str" | "choice":
                return text
    except (ValueError, KeyError):
        raise InvalidRequest(f"“{text}” does not fit the setting “{spec.name}”.", f"It takes a {spec.kind}.") from None


def drive(request: EditRequest, engine: Engine) -> EditResult:
    """Run the request to its end, with the progress on standard error when someone is watching."""
    reports = engine.run(request)
    watched = sys.stderr.isatty()
    while True:
        try:
            report = next(reports)
        except StopIteration as stop:
            if watched:
                sys.stderr.write("\r\033[K")
            result: EditResult = stop.value
            return result
        if watched and isinstance(report, Progress):
            sys.stderr.write(f"\r\033[K{report.doing} · {report.fraction:.0%}")
