"""What a path holds: a model with its parts, or why it cannot be used. Reads small files and headers only, and trusts none of them."""

from __future__ import annotations

import os
import re
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from editor.diffusion.families.base import Families, Family
from editor.diffusion.families.refused import OTHER_PIPELINES
from editor.diffusion.families.registry import FAMILIES
from editor.io.safe_json import read_start
from editor.models.headers import PICKLES, Damaged, read_header, read_json, unfinished
from editor.models.info import ModelInfo, Prediction
from editor.models.model_folder import ModelFolder, Refused
from editor.models.places import INDEX, hub_id, name_of
from editor.models.settings import FETCH_AGAIN, FULL_MODEL, KNOWN_MODEL, OTHER_MODEL, PICKLE_ADVICE, NotUnderstood
from editor.models.single_file import NotAModel, examine

TOYS = r"^- toy-scenes\s*$"  # a tag on the card of a model that knows nothing else
ENDING = "</w>"  # of a token with which a word ends


def inspect(path: Path, prediction: Prediction | None = None, families: Families = FAMILIES) -> ModelInfo:
    """The model at a path: a diffusers folder or a single `.safetensors` file. Never raises for what lies there: the problem stands in the
    value.

    prediction: overrides what was found, for files that do not say it
    families: those that are known
    """
    path = Path(os.path.abspath(path))
    blank = ModelInfo(str(path), name_of(path), families[0], path, 512, source=hub_id(path) or path.name)
    try:
        if path.is_dir():
            return _folder(blank, families, prediction)
        return _file(blank, families, prediction)
    except Refused as refused:
        return replace(refused.so_far or blank, problem=refused.problem, advice=refused.advice)
    except OSError as error:
        return replace(blank, problem=f"“{blank.name}” cannot be read ({error.strerror}).", advice=OTHER_MODEL)


def _file(blank: ModelInfo, families: Families, prediction: Prediction | None) -> ModelInfo:
    path = blank.path
    if path.suffix.lower() in PICKLES:
        raise Refused(
            f"“{path.name}” is a pickle file, which can run any program when it is opened; Palimpsest does not open such files.",
            PICKLE_ADVICE,
        )
    if path.exists() and path.suffix.lower() != ".safetensors":
        raise Refused(f"“{path.name}” is not a model file.", "Choose a .safetensors file or a diffusers folder.")
    try:
        header = read_header(path)
        held = examine(header, path.stem, families, prediction)
    except NotAModel as error:
        raise Refused(f"“{path.name}” {error}.", error.advice) from error
    except NotUnderstood as error:
        raise Refused(f"“{path.name}” {error}.", error.advice) from error
    except Damaged as error:
        advice = FETCH_AGAIN if "cut off" in str(error) or "git-lfs" in str(error) else OTHER_MODEL
        if "pickle" in str(error):
            advice = PICKLE_ADVICE
        raise Refused(f"“{path.name}” {error}.", advice) from error
    steps, guidance = held.family.few_steps(path.stem, "")
    return replace(
        blank,
        family=held.family,
        native=held.native,
        prediction=held.prediction,
        zero_snr=held.zero_snr,
        steps=steps,
        guidance_scale=guidance,
        parts=held.parts,
        licence=header.metadata.get("modelspec.license", "")[:100],
    )


def _folder(blank: ModelInfo, families: Families, prediction: Prediction | None) -> ModelInfo:
    path, name = blank.path, blank.name
    try:
        index = read_json(path / INDEX)
    except Damaged as error:
        begun = unfinished(path) or any((path / family.denoiser.name).is_dir() for family in families)
        advice = FETCH_AGAIN if begun else "Choose the folder that holds model_index.json."
        raise Refused(f"“{INDEX}” of “{name}” {error}.", advice) from error
    family = _family(index, name, families)
    card = _card(path)
    licence = _told(card, "license(?:_name)?")
    info = replace(blank, family=family, native=family.traits.native, licence=licence)
    if re.search(TOYS, card, re.MULTILINE):
        name = _told(card, "model_name") or name
        info = replace(info, name=name, toys=True, words=_words(path))
    return family.detect(ModelFolder(path, info), prediction)


def _family(index: Mapping[str, Any], name: str, families: Families) -> Family:
    said = index.get("_class_name")
    if not isinstance(said, str) or not said:
        raise Refused(f"“{INDEX}” of “{name}” does not say what model it is.", FETCH_AGAIN)
    half = families.half(said)
    if half is not None:
        raise Refused(f"“{name}” {half.problem}", half.advice)
    if "Inpaint" in said:
        raise Refused(f"“{name}” is made for inpainting only, which Palimpsest does not use.", FULL_MODEL)
    family = families.of(said, {part for part, kind in index.items() if isinstance(kind, list) and kind[:1] != [None]})
    if family is None:
        kind = next(
            (label for start, label in OTHER_PIPELINES if said.startswith(start)), said.removesuffix("Pipeline")[:60]
        )
        article = "an" if kind[0] in "AEIOU" else "a"
        problem = f"“{name}” is {article} {kind} model; Palimpsest can use {families.words} so far."
        raise Refused(problem, KNOWN_MODEL)
    return family


def _card(folder: Path) -> str:
    """The head of the model card, empty where there is none."""
    try:
        head = read_start(folder / "README.md", 4096).decode("utf-8", "replace")
    except OSError:
        return ""
    return head.removeprefix("---").partition("\n---")[0] if head.startswith("---") else ""


def _words(folder: Path) -> tuple[str, ...]:
    """What a model of toys has whole words for: its tokenizer has a token for each, and letters for the rest."""
    try:
        model = read_json(folder / "tokenizer" / "tokenizer.json").get("model")
    except Damaged:
        return ()
    vocabulary = model.get("vocab") if isinstance(model, dict) else None
    if not isinstance(vocabulary, dict):
        return ()
    whole = (token.removesuffix(ENDING) for token in vocabulary if token.endswith(ENDING))
    return tuple(sorted(word for word in whole if word == "a" or len(word) > 1))


def _told(card: str, field: str) -> str:
    match = re.search(rf"^{field}:\s*([\w.+()-][\w.+() -]{{0,59}}?)\s*$", card, re.MULTILINE)
    return match.group(1) if match else ""
