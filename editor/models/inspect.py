"""What a path holds: a model with its parts, or why it cannot be used. Reads small files and headers only, and trusts none of them."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator, Mapping
from dataclasses import replace
from itertools import islice
from pathlib import Path
from typing import Any

from editor.io.safe_json import read_start
from editor.models.components import cleaned
from editor.models.headers import MAX_NAMES, PICKLES, Damaged, Tensor, find_weights, read_header, read_json, unfinished
from editor.models.info import FAMILIES, FamilyName, ModelInfo, Part, Prediction
from editor.models.settings import (
    FOR_WORDS,
    FULL_MODEL,
    KNOWN_MODEL,
    NotUnderstood,
    check_autoencoder,
    check_prior,
    check_scheduler,
    check_unet,
    check_words,
)
from editor.models.single_file import KNOWN, NotAModel, examine, part_of

INDEX = "model_index.json"
PRIOR_CLASS = "KandinskyV22PriorPipeline"
CLASSES: Mapping[str, FamilyName] = {
    "StableDiffusionPipeline": "stable-diffusion",
    "StableDiffusionImg2ImgPipeline": "stable-diffusion",
    "LatentConsistencyModelPipeline": "stable-diffusion",
    "LatentConsistencyModelImg2ImgPipeline": "stable-diffusion",
    "StableDiffusionXLPipeline": "stable-diffusion-xl",
    "StableDiffusionXLImg2ImgPipeline": "stable-diffusion-xl",
    "KandinskyV22Pipeline": "kandinsky-2.2",
    "KandinskyV22Img2ImgPipeline": "kandinsky-2.2",
    "KandinskyV22CombinedPipeline": "kandinsky-2.2",
    "KandinskyV22Img2ImgCombinedPipeline": "kandinsky-2.2",
}
OTHERS = (
    ("StableDiffusion3", "Stable Diffusion 3"),
    ("Flux", "FLUX"),
    ("Kandinsky3", "Kandinsky 3"),
    ("Kandinsky5", "Kandinsky 5"),
    ("KandinskyV22", "Kandinsky 2.2 add-on"),
    ("Kandinsky", "Kandinsky 2.1"),
    ("QwenImage", "Qwen-Image"),
    ("ZImage", "Z-Image"),
    ("PixArt", "PixArt"),
    ("StableCascade", "Stable Cascade"),
)
# part -> (where it lies, for people); the parts that a family must have.
PARTS: Mapping[FamilyName, tuple[str, ...]] = {
    "stable-diffusion": ("unet", "vae", "text_encoder"),
    "stable-diffusion-xl": ("unet", "vae", "text_encoder", "text_encoder_2"),
    "stable-diffusion-xl-refiner": ("unet", "vae", "text_encoder_2"),
    "kandinsky-2.2": ("unet", "movq"),
}
PRIOR_PARTS = ("prior", "image_encoder", "text_encoder")
# What the settings of each part must name; those of transformers name nothing that all of them keep to.
NETWORKS: Mapping[str, str] = {
    "unet": "UNet2DConditionModel",
    "vae": "AutoencoderKL",
    "movq": "VQModel",
    "prior": "PriorTransformer",
}
LABELS: Mapping[str, str] = {
    "unet": "U-Net",
    "vae": "VAE",
    "movq": "image decoder (MoVQ)",
    "text_encoder": "text encoder",
    "text_encoder_2": "second text encoder",
    "image_encoder": "image encoder",
    "prior": "prior",
    "tokenizer": "tokenizer",
    "tokenizer_2": "second tokenizer",
    "image_processor": "image processor",
    "scheduler": "scheduler",
}
FETCH_AGAIN = "Download the model again; what is there already is kept."
OTHER_MODEL = "Choose another model."
TOYS = r"^- toy-scenes\s*$"  # a tag on the card of a model that knows nothing else
TOYS_GUIDANCE = 4.0
ENDING = "</w>"  # of a token with which a word ends
PICKLE_ADVICE = "Look for the safetensors version of the same model."


def inspect(path: Path, prediction: Prediction | None = None) -> ModelInfo:
    """The model at a path: a diffusers folder or a single `.safetensors` file. Never raises for what lies there: the problem stands in the
    value. `prediction` overrides what was found, for files that do not say it."""
    path = Path(os.path.abspath(path))
    blank = ModelInfo(str(path), name_of(path), "stable-diffusion", path, 512, source=hub_id(path) or path.name)
    try:
        if path.is_dir():
            return _folder(blank, prediction)
        return _file(blank, prediction)
    except _Refused as refused:
        return replace(refused.so_far or blank, problem=refused.problem, advice=refused.advice)
    except OSError as error:
        return replace(blank, problem=f"“{blank.name}” cannot be read ({error.strerror}).", advice=OTHER_MODEL)


def name_of(path: Path) -> str:
    """What people call the model at a path."""
    found = hub_id(path)
    if found:
        return found.rpartition("/")[2]
    return path.stem if path.suffix.lower() == ".safetensors" else path.name


def hub_id(path: Path) -> str:
    """`org/name` for a snapshot in a hub cache, empty elsewhere."""
    if path.parent.name == "snapshots" and path.parent.parent.name.startswith("models--"):
        return path.parent.parent.name.removeprefix("models--").replace("--", "/", 1)
    return ""


def class_of(folder: Path) -> str:
    """The pipeline class that a diffusers folder names, empty where there is none."""
    try:
        found = read_json(folder / INDEX).get("_class_name")
    except Damaged:
        return ""
    return found if isinstance(found, str) else ""


def find_prior(decoder: Path) -> Path | None:
    """The prior that belongs to a Kandinsky decoder: in a folder `prior` of its own, or beside it."""
    return next((each for each in _prior_places(decoder) if class_of(each) == PRIOR_CLASS), None)


def newest_snapshot(repository: Path) -> Path | None:
    """The snapshot of a `models--org--name` folder that its `main` points at, else the newest."""
    snapshots = repository / "snapshots"
    try:
        told = read_start(repository / "refs" / "main", 64).decode("ascii", "replace").strip()
    except OSError:
        told = ""
    if re.fullmatch(r"[0-9a-f]{40}", told) and (snapshots / told).is_dir():
        return snapshots / told
    found = [(_changed(path), path) for path in _folders(snapshots)]
    return max(found, default=(0.0, None))[1]


def _folders(folder: Path) -> list[Path]:
    """Those in a folder, by name; of more than anybody keeps, some. Links that lead to themselves or nowhere are none."""
    try:
        with os.scandir(folder) as entries:
            return sorted(Path(entry.path) for entry in islice(entries, MAX_NAMES) if os.path.isdir(entry.path))
    except OSError:
        return []


def _changed(path: Path) -> float:
    try:
        return path.stat().st_mtime
    except OSError:  # gone meanwhile
        return 0.0


class _Refused(Exception):
    def __init__(self, problem: str, advice: str, so_far: ModelInfo | None = None) -> None:
        super().__init__(problem)
        self.problem, self.advice, self.so_far = problem, advice, so_far


def _file(blank: ModelInfo, prediction: Prediction | None) -> ModelInfo:
    path = blank.path
    if path.suffix.lower() in PICKLES:
        raise _Refused(
            f"“{path.name}” is a pickle file, which can run any program when it is opened; Palimpsest does not open such files.",
            PICKLE_ADVICE,
        )
    if path.exists() and path.suffix.lower() != ".safetensors":
        raise _Refused(f"“{path.name}” is not a model file.", "Choose a .safetensors file or a diffusers folder.")
    try:
        header = read_header(path)
        found = examine(header, path.stem, prediction)
    except NotAModel as error:
        raise _Refused(f"“{path.name}” {error}.", error.advice) from error
    except NotUnderstood as error:
        raise _Refused(f"“{path.name}” {error}.", error.advice) from error
    except Damaged as error:
        advice = FETCH_AGAIN if "cut off" in str(error) or "git-lfs" in str(error) else OTHER_MODEL
        if "pickle" in str(error):
            advice = PICKLE_ADVICE
        raise _Refused(f"“{path.name}” {error}.", advice) from error
    steps, guidance = few_steps(path.stem, "")
    return replace(
        blank,
        family=found.family,
        native=found.native,
        prediction=found.prediction,
        zero_snr=found.zero_snr,
        steps=steps,
        guidance_scale=guidance,
        parts=found.parts,
        licence=header.metadata.get("modelspec.license", "")[:100],
    )


def _folder(blank: ModelInfo, prediction: Prediction | None) -> ModelInfo:
    path, name = blank.path, blank.name
    try:
        index = read_json(path / INDEX)
    except Damaged as error:
        advice = (
            FETCH_AGAIN
            if unfinished(path) or (path / "unet").is_dir()
            else "Choose the folder that holds model_index.json."
        )
        raise _Refused(f"“{INDEX}” of “{name}” {error}.", advice) from error
    family = _family(index, name)
    card = _card(path)
    info = replace(blank, family=family, native=FAMILIES[family].native, licence=_told(card, "license(?:_name)?"))
    if re.search(TOYS, card, re.MULTILINE):
        name = _told(card, "model_name") or name
        info = replace(info, name=name, toys=True, words=_words(path))
    config = _config(info, path, "unet", "config.json")
    autoencoder = _config(info, path, "movq" if family == "kandinsky-2.2" else "vae", "config.json")
    scheduler = _config(info, path, "scheduler", "scheduler_config.json")
    try:
        check_unet(family, config)
        if config.get("in_channels") != autoencoder.get("latent_channels", 4):
            raise NotUnderstood("is made for another task: its network does not take a picture alone", FOR_WORDS)
        check_autoencoder(autoencoder)
        check_scheduler(scheduler)
        check_words(
            family,
            config,
            {
                each: _config(info, path, each, "config.json")
                for each in PARTS[family]
                if each.startswith("text_encoder")
            },
        )
    except NotUnderstood as error:
        raise _Refused(f"“{name}” {error}.", error.advice, info) from error
    _checked(info, path, "scheduler", "scheduler_config.json")
    told = scheduler.get("prediction_type")
    side, cell = config.get("sample_size"), _cell(info, path)
    steps, guidance = few_steps(name, str(scheduler.get("_class_name", "")))
    if info.toys:
        guidance = TOYS_GUIDANCE
    if isinstance(side, int) and 8 <= side <= 512 and family != "kandinsky-2.2":
        info = replace(info, native=side * cell)
    if told in ("epsilon", "v_prediction", "sample"):
        info = replace(info, prediction=told)
    info = replace(info, cell=cell, prediction=prediction or info.prediction, steps=steps, guidance_scale=guidance)
    parts = [_part(info, path, each) for each in PARTS[family]]
    if family == "kandinsky-2.2":
        parts += _prior(info)
    else:
        for each in PARTS[family]:
            if each.startswith("text_encoder"):
                _check_tokenizer(info, path, each.replace("text_encoder", "tokenizer"))
    return replace(info, parts=tuple(parts))


def _cell(info: ModelInfo, folder: Path) -> int:
    part = "movq" if info.family == "kandinsky-2.2" else "vae"
    levels = _config(info, folder, part, "config.json").get("block_out_channels")
    if not isinstance(levels, list) or not 1 <= len(levels) <= 8:
        problem = f"The {LABELS[part]} of “{info.name}” is not complete: “config.json” does not list its levels."
        raise _Refused(problem, FETCH_AGAIN, info)
    return int(2 ** (len(levels) - 1))


def _family(index: Mapping[str, Any], name: str) -> FamilyName:
    said = index.get("_class_name")
    if not isinstance(said, str) or not said:
        raise _Refused(f"“{INDEX}” of “{name}” does not say what model it is.", FETCH_AGAIN)
    if said == PRIOR_CLASS:
        raise _Refused(
            f"“{name}” is the prior of Kandinsky 2.2, without the decoder.", "Get the decoder as well, and choose that."
        )
    if "Inpaint" in said:
        raise _Refused(f"“{name}” is made for inpainting only, which Palimpsest does not use.", FULL_MODEL)
    family = CLASSES.get(said)
    if family is None:
        kind = next((label for start, label in OTHERS if said.startswith(start)), said.removesuffix("Pipeline")[:60])
        article = "an" if kind[0] in "AEIOU" else "a"
        raise _Refused(f"“{name}” is {article} {kind} model; Palimpsest can use {KNOWN} so far.", KNOWN_MODEL)
    first = index.get("text_encoder")
    if family == "stable-diffusion-xl" and (not isinstance(first, list) or first[:1] == [None]):
        return "stable-diffusion-xl-refiner"
    return family


def _config(info: ModelInfo, folder: Path, part: str, file: str) -> dict[str, Any]:
    if not (folder / part).is_dir():
        raise _Refused(f"“{info.name}” has no {LABELS[part]}: the folder “{part}” is missing.", FETCH_AGAIN, info)
    try:
        return read_json(folder / part / file)
    except Damaged as error:
        raise _Refused(
            f"The {LABELS[part]} of “{info.name}” is not complete: “{file}” {error}.", FETCH_AGAIN, info
        ) from error


def _checked(info: ModelInfo, folder: Path, part: str, file: str) -> dict[str, Any]:
    """The settings of a part, after a look at whether they are within what its network can be told."""
    settings = _config(info, folder, part, file)
    try:
        cleaned(part, settings)
    except Damaged as error:
        raise _Refused(
            f"The {LABELS[part]} of “{info.name}” cannot be used: “{file}” {error}.", OTHER_MODEL, info
        ) from error
    return settings


def _part(info: ModelInfo, folder: Path, name: str) -> Part:
    named = _config(info, folder, name, "config.json").get("_class_name")
    expected = NETWORKS.get(name, named)
    if named not in (None, expected):
        raise _Refused(
            f"The {LABELS[name]} of “{info.name}” is of another kind ({str(named)[:60]}).", OTHER_MODEL, info
        )
    _checked(info, folder, name, "config.json")
    said = f"The {LABELS[name]} of “{info.name}” cannot be used"
    try:
        weights = find_weights(folder / name)
    except Damaged as error:
        advice = PICKLE_ADVICE if "pickle" in str(error) else FETCH_AGAIN
        raise _Refused(f"{said}: {error}.", advice, info) from error
    tensors: list[Tensor] = []
    for file in weights.files:
        try:
            tensors += read_header(file).tensors.values()
        except Damaged as error:
            raise _Refused(f"{said}: “{file.name}” {error}.", FETCH_AGAIN, info) from error
    try:
        return part_of(name, tuple(tensors))
    except NotUnderstood as error:
        raise _Refused(f"{said}: it {error}.", error.advice, info) from error
    except Damaged as error:
        raise _Refused(f"{said}: it {error}.", OTHER_MODEL, info) from error


def _check_tokenizer(info: ModelInfo, folder: Path, name: str) -> None:
    if not (folder / name).is_dir():
        raise _Refused(f"“{info.name}” has no {LABELS[name]}: the folder “{name}” is missing.", FETCH_AGAIN, info)
    whole = ((folder / name / "vocab.json", folder / name / "merges.txt"), (folder / name / "tokenizer.json",))
    if not any(all(each.is_file() for each in files) for files in whole):
        raise _Refused(
            f"The {LABELS[name]} of “{info.name}” is not complete: its word list is missing.", FETCH_AGAIN, info
        )


def _prior(info: ModelInfo) -> list[Part]:
    prior = find_prior(info.path)
    if prior is None:
        raise _Refused(
            f"“{info.name}” needs the prior of Kandinsky 2.2, which is not there.",
            "Put the prior beside it, or into its folder “prior”, or download it.",
            info,
        )
    parts = [_part(info, prior, each) for each in PRIOR_PARTS]
    _check_tokenizer(info, prior, "tokenizer")
    _config(info, prior, "image_processor", "preprocessor_config.json")
    try:
        check_prior(_config(info, prior, "scheduler", "scheduler_config.json"))
    except NotUnderstood as error:
        raise _Refused(f"“{info.name}” {error}.", error.advice, info) from error
    for part, file in (("scheduler", "scheduler_config.json"), ("image_processor", "preprocessor_config.json")):
        _checked(info, prior, part, file)
    return parts


def _prior_places(decoder: Path) -> Iterator[Path]:
    yield decoder / "prior"
    if hub_id(decoder):
        cached = decoder.parent.parent
        beside = [cached.with_name(cached.name.replace("decoder", "prior"))]
        beside += sorted(cached.parent.glob("models--*kandinsky-2-2-prior"))
        yield from (found for found in map(newest_snapshot, beside) if found is not None)
        return
    yield decoder.with_name(decoder.name.replace("decoder", "prior"))
    yield from _folders(decoder.parent)[:200]


def few_steps(name: str, scheduler: str) -> tuple[int | None, float | None]:
    """Steps and guidance of models distilled to few steps, as far as name or scheduler tell them for certain."""
    words = re.split(r"[^a-z0-9]+", name.lower())
    told = re.search(r"(\d{1,2})[-_ ]?steps?(?![a-z])", name.lower())
    steps = max(1, int(told.group(1))) if told else None
    if scheduler == "LCMScheduler" or "lcm" in words:
        return steps or 4, 1.0
    if "lightning" in words or ("hyper" in words and steps):
        return steps or 8, 1.0
    if "turbo" in words:
        return (4, 1.0) if {"sd", "sdxl"} & set(words) else (8, 2.0)
    return None, None


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
    found = re.search(rf"^{field}:\s*([\w.+()-][\w.+() -]{{0,59}}?)\s*$", card, re.MULTILINE)
    return found.group(1) if found else ""
