"""One edit from files to a file: the same request as the window's, driven without Qt."""

from __future__ import annotations

import math
import sys
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from editor.document.colour import convert
from editor.document.compose import flatten
from editor.document.contents import Exemplar, Item
from editor.document.document import Document
from editor.document.faint_strength import is_strength
from editor.document.placing import fitted, reachable
from editor.document.tiles import Tiles
from editor.edits.apply import NOTHING_ADVICE, NOTHING_CAME, apply_result, came_to_nothing
from editor.edits.dispatch import candidates, make_request
from editor.edits.warnings import asked_for_little
from editor.engine import Engine
from editor.errors import EditorError, InvalidRequest, ModelUnavailable, NotFinite, OutOfMemory, let_go, readable
from editor.execution import EXECUTIONS, Executions
from editor.geometry import Placement, Size
from editor.io.encoding import ExportOptions
from editor.io.images import Picture, export_kind, read_image, write_image
from editor.io.mask_pictures import read_mask
from editor.methods.base import AnyMethod
from editor.methods.registry import METHODS, Methods
from editor.models.info import ModelInfo
from editor.models.library import Library
from editor.requests.method_settings import Use
from editor.requests.reports import Progress, ResultReady, Scored
from editor.requests.results import EditResult, Match
from editor.requests.samplers import Sampler
from editor.requests.settings_fields import FieldSpec, field_specs
from editor.requests.variants import VariantsRequest


@dataclass(frozen=True, slots=True)
class WithModel:
    """What an edit by a chosen method takes beside the pictures. `library`: where to look for `model`, a name, path or hub id; empty for methods that
    need none.

    `exemplars`: files, each with the place of its middle in pixels of the picture (None for the middle of that) and its scale (None fits it in).
    `items`: grey pictures of things that stay, each with what it shows, from the bottom up; they lie over the one that changes.
    `method`: its name on the command line, empty for the usual one. `variations`: how many results; where the method's results can be ranked, they
    come best first. The rest as in `editor.planning.plan.Draft`.
    """

    library: Library
    model: str
    method: str = ""
    variations: int = 1
    prompt: str = ""
    negative_prompt: str = ""
    overall: float | None = None
    steps: int | None = None
    guidance_scale: float | None = None
    sampler: Sampler = ""
    exemplars: tuple[tuple[Path, tuple[float, float] | None, float | None], ...] = ()
    items: tuple[tuple[Path, str], ...] = ()


class SomeMissing(EditorError):
    """Some variations could not be made. Those that were made are written; `notes` is what else is to be known about them."""

    def __init__(self, error: EditorError, count: int, wanted: int, notes: tuple[str, ...]) -> None:
        super().__init__(f"Only {count} of {wanted} variations could be made. {error.message}", error.advice)
        self.notes = notes


@dataclass(frozen=True, slots=True)
class Outcome:
    """Results, best first as far as that is known, each with how well it fits the words. `error`: why there are no more."""

    results: list[tuple[EditResult, Match | None]]
    error: EditorError | None = None


def edit_file(
    picture: Path,
    strength: Path | None,
    output: Path,
    *,
    seed: int | None,
    settings: Sequence[str],
    model: WithModel | None = None,
    export: ExportOptions | None = None,
    white_keeps: bool = False,
    methods: Methods = METHODS,
    executions: Executions = EXECUTIONS,
) -> tuple[str, ...]:
    """Change `picture` where the grey picture `strength` is above black, or with `white_keeps` below white, and write the flattened outcome to
    `output`.

    Without `model` by the first of the methods that needs none, with it as it says. `settings` are "name=value"
    pairs of the method's settings. Of several variations the
    second goes to a file beside `output` whose name ends in "-2", and so on. `export`: how they are written. Returns what the person should
    know, each a sentence. Raises `EditorError` kinds; of these, `SomeMissing` after some of several variations were written.
    """
    export_kind(output)  # before the work, not after it
    method = methods.first if model is None else named_method(methods, model.method)
    chosen = parse_settings(method.settings, settings)
    opened = read_image(picture)
    notes = list(opened.notes)
    document = Document.of_picture(opened.pixels, metadata=opened.metadata)
    if strength is not None:
        document = document.with_strength(_painted(strength, document.size, notes, white_keeps=white_keeps))
    if not is_strength(document.strength) and (model is None or not model.exemplars):
        raise _nothing_said(strength, white_keeps=white_keeps)
    draft = replace(methods.first_draft(document), seed=seed)
    if model is None:
        draft = replace(draft, settings=draft.settings.with_values(**chosen))
        count, request = 1, make_request(document, draft, methods=methods)
        outcome = drive(candidates(request, 1), Engine(executions=executions))
    else:
        if Use.EXEMPLARS not in method.uses and model.exemplars:
            usual = methods.usual_on_model
            other = f", or use the method {usual.command}" if Use.EXEMPLARS in usual.uses else ""
            raise InvalidRequest(f"Edits by {method.command} take no reference pictures.", f"Leave them out{other}.")
        for file, place, scale in model.exemplars:
            document = document.adding_exemplar(_exemplar(_read_beside(file, notes), place, scale, document))
        if Use.REMOVAL not in method.uses and model.items:
            raise InvalidRequest(f"Edits by {method.command} know no items.", "Leave them out.")
        if Use.REMOVAL in method.uses:  # it is about a thing, and that is what is painted
            thing = Item.of("the region", document.strength)
            document = document.with_strength(document.empty_map()).adding_item(thing)
            draft = replace(draft, item=document.items[-1].id)
            for file, name in model.items:
                document = document.adding_item(
                    Item.of(name, _painted(file, document.size, notes, white_keeps=white_keeps))
                )
        info = _named(model.library, model.model) if Use.MODEL in method.uses else None
        own = method.first_settings(document).with_values(**chosen)
        draft = replace(
            draft,
            settings=own,
            model=info,
            prompt=model.prompt,
            negative_prompt=model.negative_prompt,
            strength=method.first_strength(info, own) if model.overall is None else model.overall,
            steps=model.steps,
            guidance_scale=model.guidance_scale,
            sampler=model.sampler,
        )
        count, request = model.variations, make_request(document, draft, methods=methods)
        outcome = drive(candidates(request, count), Engine(lambda: model.library, executions=executions))
    little = asked_for_little(request, methods)
    if not little and any(came_to_nothing(document, result) for result, _ in outcome.results):
        little = f"{NOTHING_CAME} {NOTHING_ADVICE}"
    notes += [little] if little else []
    for number, (result, match) in enumerate(outcome.results, 1):
        _, changed = apply_result(document, result, document, methods=methods)
        file = output if number == 1 else output.with_stem(f"{output.stem}-{number}")
        notes += write_image(file, flatten(changed), changed.metadata, export or ExportOptions())
        if count > 1:
            fit = "unranked" if match is None else f"similarity {match.similarity:.3f}"
            notes.append(f"{file.name}: seed {result.recipe.seed}, {fit}.")
    if outcome.error is not None:
        raise SomeMissing(outcome.error, len(outcome.results), count, tuple(notes))
    return tuple(notes)


def named_method(methods: Methods, command: str) -> AnyMethod:
    """The method of a name on the command line, empty for the usual one. Raises `InvalidRequest`."""
    method = methods.by_command(command) if command else methods.usual_on_model
    if method is None:
        raise InvalidRequest(f"There is no method “{command}”.", "palimpsest edit --help lists them.")
    return method


def _read_beside(file: Path, notes: list[str]) -> Picture:
    """A picture that goes with the one to change; what there is to know about it is added to the notes, with its name."""
    picture = read_image(file)
    notes += [f"{file.name}: {note}" for note in picture.notes]
    return picture


def _painted(file: Path, size: Size, notes: list[str], *, white_keeps: bool) -> Tiles:
    mask = read_mask(file, size, white_keeps=white_keeps)
    notes += [f"{file.name}: {note}" for note in mask.notes]
    return mask.tiles


def _nothing_said(strength: Path | None, *, white_keeps: bool) -> InvalidRequest:
    if strength is None:
        return InvalidRequest("Nothing says what is to change.", "Give a strength picture, or a reference picture.")
    if white_keeps:
        return InvalidRequest(
            f"“{readable(strength.name)}” is white everywhere, so nothing may change.",
            "Paint it darker where something may, or leave out --white-keeps.",
        )
    return InvalidRequest(
        f"“{readable(strength.name)}” is black everywhere, so nothing may change.",
        "Paint it lighter where something may, or give --white-keeps if black means that.",
    )


def _exemplar(picture: Picture, place: tuple[float, float] | None, scale: float | None, document: Document) -> Exemplar:
    pixels, canvas = convert(picture.pixels, picture.metadata.icc, document.metadata.icc), document.size
    height, width = pixels.shape[:2]
    fit = fitted(Size(width, height), canvas)
    x, y = (fit.x, fit.y) if place is None else place
    placement = Placement(x, y, scale or fit.scale_x, scale or fit.scale_y)
    if reachable(placement, Size(width, height)) != placement:
        raise InvalidRequest(
            f"The reference picture “{picture.name}” would lie out of reach.",
            "Give a place near the picture, and a smaller scale.",
        )
    return Exemplar.of(picture.name, pixels, placement)


def _named(library: Library, name: str) -> ModelInfo:
    """By name or hub id, of several one that can be used, or else by path. Raises `ModelUnavailable`."""
    models = sorted(
        (model for model in library.models() if name in (model.name, model.source)), key=lambda info: not info.usable
    )
    if models:
        return library.find(models[0].key)
    if name and Path(name).exists():
        return library.find(str(Path(name).absolute()))
    raise ModelUnavailable(f"There is no model “{name}”.", "“palimpsest models” lists those that are here.")


def parse_settings(kind: type, pairs: Sequence[str]) -> dict[str, Any]:
    """ "name=value" texts as typed values of a settings class. Raises `InvalidRequest` naming what is known."""
    known = {spec.name: spec for spec in field_specs(kind)}
    values = {}
    for pair in pairs:
        name, _, text = pair.partition("=")
        if name not in known:
            raise InvalidRequest(f"There is no setting “{name}”.", f"The settings are: {', '.join(known)}.")
        values[name] = _parse(known[name], text)
    return values


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
        kind = {"int": "a whole number", "float": "a number", "bool": "yes or no"}[spec.kind]
        raise InvalidRequest(f"“{text}” does not fit the setting “{spec.name}”.", f"It takes {kind}.") from None


def drive(request: VariantsRequest, engine: Engine) -> Outcome:
    """Run the request to its end, with the progress on standard error when someone is watching. Raises `EditorError` kinds, but when the memory
    runs out after some results, or others than those came to nothing, they are returned.
    """
    reports = engine.run(request)
    watched = sys.stderr.isatty()
    results: list[EditResult] = []
    matches: dict[int, Match] = {}
    short: EditorError | None = None
    try:
        for report in reports:
            match report:
                case ResultReady(result):
                    results.append(result)
                case Scored(variant, fit):
                    matches[variant] = fit
                case Progress() if watched:
                    sys.stderr.write(f"\r\033[K{report.doing} · {report.fraction:.0%}")
                case _:
                    pass
    except (OutOfMemory, NotFinite) as error:
        if not results:
            raise
        short = error
        let_go(error)  # its frames hold what there was no room for, and writing takes some
    finally:
        if watched:
            sys.stderr.write("\r\033[K")
    matched = [(result, matches.get(result.variant)) for result in results]
    return Outcome(sorted(matched, key=lambda pair: math.inf if pair[1] is None else -pair[1].similarity), short)
