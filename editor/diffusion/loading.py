"""From files to a backend: part by part, offline, with errors that people can act on."""

from __future__ import annotations

import logging
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from inspect import signature
from pathlib import Path
from typing import Any

import diffusers
import torch
import transformers
from safetensors import SafetensorError

import resources
from editor.diffusion.backend import Backend
from editor.diffusion.families.base import PartSpec
from editor.diffusion.families.torch_half import ModelFiles
from editor.errors import EditorError, ModelUnavailable, OutOfMemory
from editor.models.components import NOISE_SCHEDULER, NetworkKind
from editor.models.configs import settings_folder, single_file
from editor.models.headers import Damaged, find_weights, read_json
from editor.models.info import ModelInfo, Precision
from editor.models.memory import Fit
from editor.models.settings import FETCH_AGAIN, OTHER_MODEL
from editor.models.staging import checked_settings, staged_network, staged_processor, staged_tokenizer
from editor.requests.reports import Progress, Reports

log = logging.getLogger(__name__)

RUST = "pyo3_runtime"  # where the panics of tokenizers and safetensors come from, which are no `Exception`
SLACK = 1_000_000  # numbers that a network may lack before memory is taken for it
RUN_SMALLER = "Run it smaller, or with a smaller model."
DTYPES: Mapping[Precision, torch.dtype] = {
    "float32": torch.float32,
    "float16": torch.float16,
    "bfloat16": torch.bfloat16,
}


def load(info: ModelInfo, fit: Fit) -> Reports[Backend]:
    """The model on its device, ready to be lent. Closing the generator between two reports leaves nothing behind.

    Raises `ModelUnavailable` for what is wrong with its files, `OutOfMemory`.
    """
    pipelines = yield from load_pipelines(info, fit)
    return info.family.networks().backend(info, pipelines)


def load_pipelines(info: ModelInfo, fit: Fit, settings: Path | None = None) -> Reports[tuple[Any, ...]]:
    """The pipelines of diffusers that a backend works on, most often one.

    `settings`: a folder with the settings of all parts, for a single file whose networks are not of the published widths.
    """
    family = info.family
    held = {part.name for part in info.parts}
    specs = [spec for spec in family.parts if not spec.optional or spec.name in held]
    parts: dict[str, Any] = {}
    with settings_folder(info) as packaged:
        networks = family.networks()
        source: ModelFiles = networks.checkpoint(info) if single_file(info) else _Folder(networks.classes)
        folder = settings or packaged
        for index, spec in enumerate(specs):
            yield Progress(index / (len(specs) + 1), f"Loading the {spec.label}")
            precision = fit.vae_precision if spec.role == "decoder" else fit.precision
            with understood(info.name, spec.label):
                place = family.place(info, folder, spec.name)
                parts[spec.name] = source.network(spec, place, DTYPES[precision]).eval()
        yield Progress(len(specs) / (len(specs) + 1), "Getting ready")
        with understood(info.name):
            pipelines = networks.pipelines(info, parts, source, folder)
            for pipeline in pipelines:
                _check_words(pipeline)
                _place(pipeline, fit)
    return pipelines


def free(backend: Backend) -> None:
    """Give back the memory of a backend that nobody borrows any more, even if something still holds it; it cannot be used again."""
    for pipeline in [
        attribute for attribute in vars(backend).values() if isinstance(attribute, diffusers.DiffusionPipeline)
    ]:
        pipeline.remove_all_hooks()
        for part in pipeline.components.values():
            if isinstance(part, torch.nn.Module):
                part.to("meta")  # not left to the garbage collector, which must not run in the worker
    if torch.cuda.is_available():
        torch.cuda.empty_cache()


def out_of_memory(error: BaseException) -> OutOfMemory | None:
    """What to tell when an error means that memory ran out, on a card or in the machine; None when it means something else."""
    # The last is what the libraries of cards say.
    words = ("can't allocate memory", "not enough memory", "out of memory", "_alloc_failed")
    ran_out = isinstance(error, (torch.OutOfMemoryError, MemoryError)) or (
        isinstance(error, RuntimeError) and any(phrase in str(error).lower() for phrase in words)
    )
    return OutOfMemory("There is not enough memory for this.", RUN_SMALLER) if ran_out else None


@dataclass(frozen=True, slots=True)
class _Folder:
    """A diffusers folder."""

    classes: Mapping[str, Any]

    def network(self, spec: PartSpec, folder: Path, dtype: torch.dtype) -> Any:
        return network_of(self.classes[spec.name], folder, spec.kind, dtype)

    def tokenizer(self, folder: Path) -> Any:
        return tokenizer_of(folder)


def counted(names: Sequence[str]) -> str:
    """Of some arrays the first, and how many there are: "the array “a” is", "2 arrays, “a” first, are"."""
    return f"the array “{names[0]}” is" if len(names) == 1 else f"{len(names)} arrays, “{names[0]}” first, are"


def network_of(network_class: Any, folder: Path, kind: NetworkKind, dtype: torch.dtype) -> Any:
    """A network from its folder, of which libraries see nothing but checked settings and the weights.

    kind: what its settings may say
    Raises what libraries raise for files that do not fit, and `Damaged`.
    """
    ours = issubclass(network_class, diffusers.ModelMixin)
    with staged_network(folder, kind, "diffusion_pytorch_model" if ours else "model") as stage:
        if not ours:
            _check_size(network_class, stage, folder)
        options = {"local_files_only": True, "use_safetensors": True, "output_loading_info": True}
        network, about = network_class.from_pretrained(str(stage), dtype=dtype, **options)
    missing, other = list(about["missing_keys"]), list(about["mismatched_keys"])
    if missing:
        raise Damaged(f"{counted(missing)} missing from its weights")
    if other:
        raise ValueError(
            f"{counted([str(key[0] if isinstance(key, tuple) else key) for key in other])} of another size"
        )
    unknown = [] if kind.leftovers else list(about["unexpected_keys"])
    if unknown:
        raise ValueError(f"{counted(unknown)} unknown to its settings")
    return network


def _check_size(network_class: Any, stage: Path, folder: Path) -> None:
    """Before memory is taken for it: transformers makes room for what is missing, however much that is."""
    with torch.device("meta"):
        promised = sum(
            parameter.numel()
            for parameter in network_class(network_class.config_class.from_pretrained(str(stage))).parameters()
        )
    stored = sum(tensor.count for tensor in find_weights(folder).tensors)
    if promised > SLACK + stored:
        raise Damaged(f"its settings are of a network of {promised} numbers, and its weights are {stored}")


def tokenizer_of(folder: Path) -> Any:
    """CLIP's tokenizer with the words of a folder. Raises what libraries raise for files that do not fit, and `Damaged`."""
    with staged_tokenizer(folder) as stage:
        return transformers.CLIPTokenizer.from_pretrained(str(stage), local_files_only=True)


def clip_tokenizer(padding: str) -> Any:
    """CLIP's tokenizer from the packaged word list; `padding` fills up to 77 words."""
    with resources.model_settings("clip") as folder:
        lines = (folder / "merges.txt").read_text("utf-8").splitlines()
    merges = [tuple(line.split(" ")) for line in lines]
    letters = _letters()
    words = [*letters, *(f"{letter}</w>" for letter in letters), *("".join(merge) for merge in merges)]
    vocabulary = {word: index for index, word in enumerate((*words, "<|startoftext|>", "<|endoftext|>"))}
    return transformers.CLIPTokenizer(vocab=vocabulary, merges=merges, pad_token=padding, model_max_length=77)


def _letters() -> list[str]:
    """A visible letter for each of the 256 bytes, in CLIP's order: those that are visible, then the others from U+0100 on."""
    visible = [*range(0x21, 0x7F), *range(0xA1, 0xAD), *range(0xAE, 0x100)]
    return [*map(chr, visible), *(chr(0x100 + index) for index in range(256 - len(visible)))]


def index_of(folder: Path) -> dict[str, Any]:
    """What `model_index.json` of a folder says; nothing where there is none."""
    index = folder / "model_index.json"
    return read_json(index) if index.is_file() else {}


def image_processor_of(folder: Path) -> Any:
    """How pictures are made ready for an image encoder."""
    with staged_processor(folder) as stage:
        return transformers.CLIPImageProcessorPil.from_pretrained(str(stage), local_files_only=True)


def scheduler_of(folder: Path, changes: Mapping[str, Any] | None = None, known: Mapping[str, Any] | None = None) -> Any:
    """The scheduler of a folder. `changes`: to its settings; `known`: likewise, where its kind takes them. Raises `ValueError`, `Damaged`."""
    name = read_json(folder / "scheduler_config.json").get("_class_name")
    settings = checked_settings(folder / "scheduler_config.json", NOISE_SCHEDULER)
    kind: Any = getattr(diffusers, name, None) if isinstance(name, str) and name.isidentifier() else None
    known_kind = isinstance(kind, type) and issubclass(kind, diffusers.SchedulerMixin)
    if not known_kind:
        raise ValueError("its scheduler is of an unknown kind")
    taken = {name: value for name, value in (known or {}).items() if name in signature(kind).parameters}
    return kind.from_config({**settings, **(changes or {}), **taken})


def _check_words(pipeline: Any) -> None:
    """A word that a text encoder has no place for ends a run, and on a card all runs after it."""
    for name in [name for name in pipeline.components if name.startswith("tokenizer")]:
        tokenizer = getattr(pipeline, name, None)
        encoder = getattr(pipeline, name.replace("tokenizer", "text_encoder"), None)
        if tokenizer is None or encoder is None:
            continue
        last = max(tokenizer.get_vocab().values())
        if last >= encoder.config.vocab_size:
            raise ValueError(f"word {last} is unknown to the text encoder, which has {encoder.config.vocab_size}")


def _place(pipeline: Any, fit: Fit) -> None:
    for decoder in [part for part in pipeline.components.values() if isinstance(part, diffusers.AutoencoderKL)]:
        decoder.enable_slicing()  # several variations decode one by one: the same pixels in less memory
        if fit.tiling:
            decoder.enable_tiling()
    pipeline.set_progress_bar_config(disable=True)
    if fit.device == "cuda" and fit.placement == "by_part":
        pipeline.enable_model_cpu_offload()
    elif fit.device == "cuda" and fit.placement == "by_layer":
        pipeline.enable_sequential_cpu_offload()
    else:
        pipeline.to(fit.device)


@contextmanager
def understood(name: str, part: str = "", *, any_error: bool = True) -> Iterator[None]:
    """Turns what libraries raise about a model's files into what people can act on, and keeps their progress bars off the console.

    name: of the model
    part: of it, for people; empty for all of it
    any_error: whether nothing but the files can be at fault, since libraries raise of every kind about them; it is logged then
    """
    said = f"The {part} of “{name}” cannot be loaded" if part else f"“{name}” cannot be loaded"
    with _quiet():
        try:
            yield
        except EditorError:
            raise
        except SafetensorError as error:
            raise ModelUnavailable(f"{said}: its file is damaged.", FETCH_AGAIN) from error
        except Damaged as error:
            raise ModelUnavailable(f"{said}: {error}.", FETCH_AGAIN) from error
        except OSError as error:
            raise ModelUnavailable(f"{said}: a file is missing or damaged.", FETCH_AGAIN) from error
        except BaseException as error:
            if not any_error and not isinstance(error, (ValueError, KeyError, TypeError, RuntimeError, MemoryError)):
                raise
            if not isinstance(error, Exception) and type(error).__module__ != RUST:
                raise  # someone wants the program to stop
            known = out_of_memory(error)
            if known is not None:
                raise known from error
            log.warning("“%s” (%s) cannot be loaded", name, part or "as a whole", exc_info=True)
            raise ModelUnavailable(
                f"{said}: its files do not fit together ({_first_line(error)}).", OTHER_MODEL
            ) from error


def _first_line(error: BaseException) -> str:
    line = next(iter(str(error).strip().splitlines()), type(error).__name__)
    return line if len(line) <= 160 else f"{line[:159]}…"


@contextmanager
def _quiet() -> Iterator[None]:
    libraries: tuple[Any, ...] = (diffusers.utils.logging, transformers.utils.logging)
    before = [(library, library.get_verbosity(), library.is_progress_bar_enabled()) for library in libraries]
    for library in libraries:
        library.set_verbosity_error()
        library.disable_progress_bar()
    try:
        yield
    finally:
        for library, level, bars in before:
            library.set_verbosity(level)
            if bars:
                library.enable_progress_bar()
