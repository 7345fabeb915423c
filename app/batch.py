"""One edit from files to a file: the same request as the window's, driven without Qt."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import cv2
import numpy as np

from editor.compose import flatten
from editor.document import Document
from editor.edit import Draft, apply_result, make_request
from editor.engine import Engine
from editor.errors import InvalidRequest
from editor.io.images import export_kind, read_image, write_image
from editor.report import EditResult, Progress
from editor.request import EditRequest, FieldSpec, QuickFillSettings, field_specs
from editor.tiles import Tiles


def edit_file(
    picture: Path, strength: Path, output: Path, *, seed: int | None, settings: Sequence[str]
) -> tuple[str, ...]:
    """Fill `picture` where the grey picture `strength` is above black, and write the flattened outcome to `output`.

    `settings` are "name=value" pairs of the method's settings. Returns what the person should know, each a sentence. Raises
    `EditorError` kinds.
    """
    export_kind(output)  # before the work, not after it
    chosen = parse_settings(QuickFillSettings, settings)
    opened = read_image(picture)
    map = read_image(strength)
    document = Document.of_picture(opened.pixels, metadata=opened.metadata)
    if map.pixels.shape != opened.pixels.shape:
        raise InvalidRequest(
            f"The strength picture is {map.pixels.shape[1]} × {map.pixels.shape[0]} pixels, the picture "
            f"{opened.pixels.shape[1]} × {opened.pixels.shape[0]}.",
            "Give both the same size.",
        )
    grey = np.asarray(cv2.cvtColor(map.pixels, cv2.COLOR_RGBA2GRAY)).astype(np.float32) / np.float32(255)
    document = document.with_strength(Tiles.of(grey))
    draft = Draft.for_document(document)
    draft = replace(draft, seed=seed, settings=replace(draft.settings, **chosen))
    result = drive(make_request(document, draft))
    _, document = apply_result(document, result, document)
    return (*opened.notes, *write_image(output, flatten(document), document.metadata))


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


def drive(request: EditRequest) -> EditResult:
    """Run the request to its end, with the progress on standard error when someone is watching."""
    reports = Engine().run(request)
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
