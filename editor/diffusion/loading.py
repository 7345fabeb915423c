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
from diffusers.loaders.single_file_utils import create_diffusers_clip_model_from_ldm, load_single_file_checkpoint
from safetensors import SafetensorError

import resources
from editor.diffusion.backend import Backend
from editor.errors import EditorError, ModelUnavailable, OutOfMemory
from editor.models.configs import part_folder, settings_folder, single_file
from editor.models.headers import Damaged, find_weights, read_json
from editor.models.info import ModelInfo, Precision
from editor.models.inspect import FETCH_AGAIN, LABELS, OTHER_MODEL, PARTS, PRIOR_PARTS
from editor.models.memory import Fit
from editor.models.single_file import SECOND_WIDTH
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
CLASSES: Mapping[str, Any] = {
    "unet": diffusers.UNet2DConditionModel,
    "vae": diffusers.AutoencoderKL,
    "movq": diffusers.VQModel,
    "prior": diffusers.PriorTransformer,
    "text_encoder": transformers.CLIPTextModel,
    "text_encoder_2": transformers.CLIPTextModelWithProjection,
    "image_encoder": transformers.CLIPVisionModelWithProjection,
}
# These are often saved with the other half of CLIP, or with counters that nothing reads.
WITH_LEFTOVERS = ("text_encoder", "text_encoder_2", "image_encoder", "clip")
OLD_WORDS, WORDS = "cond_stage_model.transformer.", "cond_stage_model.transformer.text_model."
OF_FIRST: Mapping[str, Any] = {"clip_sample": False, "steps_offset": 1}
ZERO_SNR = {"rescale_betas_zero_snr": True, "timestep_spacing": "trailing"}
Parts = dict[str, Any]


def load(info: ModelInfo, fit: Fit) -> Reports[Backend]:
    """The model on its device, ready to be lent. Closing the generator between two reports leaves nothing behind.

    Raises `ModelUnavailable` for what is wrong with its files, `OutOfMemory`.
    """
    pipelines = yield from load_pipelines(info, fit)
    # Each family brings its own part of diffusers; only the one that is asked for is imported.
    if info.family == "kandinsky-2.2":
        from editor.diffusion.kandinsky import Kandinsky  # noqa: PLC0415

        return Kandinsky(info, *pipelines)
    if info.family == "stable-diffusion":
        from editor.diffusion.stable_diffusion import StableDiffusion  # noqa: PLC0415

        return StableDiffusion(info, *pipelines)
    from editor.diffusion.stable_diffusion_xl import StableDiffusionXL  # noqa: PLC0415

    return StableDiffusionXL(info, *pipelines)


def load_pipelines(info: ModelInfo, fit: Fit, settings: Path | None = None) -> Reports[tuple[Any, ...]]:
    """The pipelines of diffusers that a backend works on: one, for Kandinsky the decoder and its prior.

    `settings`: a folder with the settings of all parts, for a single file whose networks are not of the published widths.
    """
    names = (*PARTS[info.family], *(PRIOR_PARTS if info.family == "kandinsky-2.2" else ()))
    parts: Parts = {}
    with settings_folder(info) as packaged:
        source = _SingleFile(info) if single_file(info) else _Folder(info)
        folder = settings or packaged
        for index, name in enumerate(names):
            yield Progress(index / (len(names) + 1), f"Loading the {LABELS[name]}")
            precision = fit.vae_precision if name in ("vae", "movq") else fit.precision
            with understood(info.name, name):
                parts[name] = source.network(name, part_folder(info, folder, name), DTYPES[precision]).eval()
        yield Progress(len(names) / (len(names) + 1), "Getting ready")
        with understood(info.name):
            pipelines = _assembled(info, parts, source, folder)
            for pipeline in pipelines:
                _check_words(pipeline)
                _place(pipeline, fit)
    return pipelines


def free(backend: Backend) -> None:
    """Give back the memory of a backend that nobody borrows any more, even if something still holds it; it cannot be used again."""
    for pipeline in [each for each in vars(backend).values() if isinstance(each, diffusers.DiffusionPipeline)]:
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
        isinstance(error, RuntimeError) and any(each in str(error).lower() for each in words)
    )
    return OutOfMemory("There is not enough memory for this.", RUN_SMALLER) if ran_out else None


@dataclass(frozen=True, slots=True)
class _Folder:
    """A diffusers folder."""

    info: ModelInfo

    def network(self, name: str, folder: Path, dtype: torch.dtype) -> Any:
        kind = CLASSES[name]
        if name == "text_encoder" and self.info.family == "kandinsky-2.2":
            kind = transformers.CLIPTextModelWithProjection
        return network_of(kind, folder, name, dtype)

    def tokenizer(self, folder: Path) -> Any:
        return tokenizer_of(folder)


class _SingleFile:
    """A checkpoint in its authors' layout. Its arrays are mapped, not read, until a network takes them."""

    def __init__(self, info: ModelInfo) -> None:
        with understood(info.name):
            arrays: Mapping[str, torch.Tensor] = load_single_file_checkpoint(str(info.path), local_files_only=True)
        self._arrays = _renamed(arrays)

    def network(self, name: str, folder: Path, dtype: torch.dtype) -> Any:
        kind = CLASSES[name]
        where = {"config": str(folder.parent), "subfolder": folder.name, "local_files_only": True}
        try:
            if name.startswith("text_encoder"):
                network = create_diffusers_clip_model_from_ldm(kind, self._arrays, torch_dtype=dtype, **where)
            else:
                network = kind.from_single_file(self._arrays, dtype=dtype, **where)
        except NotImplementedError as error:
            if "meta tensor" not in str(error):
                raise
            raise Damaged("arrays are missing from its weights") from error
        missing = [key for key, each in network.named_parameters() if each.is_meta]
        if missing:
            raise Damaged(f"{_counted(missing)} missing from its weights")
        return network

    def tokenizer(self, folder: Path) -> Any:
        if (folder / "merges.txt").is_file():
            return tokenizer_of(folder)
        # OpenCLIP's text encoders were trained with "!", word 0, after the end.
        return clip_tokenizer(padding="!" if folder.name == "tokenizer_2" or self._open_clip else "<|endoftext|>")

    @property
    def _open_clip(self) -> bool:
        words = self._arrays.get(f"{WORDS}embeddings.token_embedding.weight")
        second = words is not None and words.shape[1] == SECOND_WIDTH
        return second or "cond_stage_model.model.token_embedding.weight" in self._arrays


def _renamed(arrays: Mapping[str, torch.Tensor]) -> Mapping[str, torch.Tensor]:
    """With the text encoder of Stable Diffusion as it is usually named; some versions of transformers left a level out."""

    def usual(name: str) -> str:
        old = name.startswith(OLD_WORDS) and name.removeprefix(OLD_WORDS).startswith(
            ("embeddings.", "encoder.", "final_layer_norm.")
        )
        return WORDS + name.removeprefix(OLD_WORDS) if old else name

    return {usual(name): array for name, array in arrays.items()}


def _counted(names: Sequence[str]) -> str:
    """Of some arrays the first, and how many there are: "the array “a” is", "2 arrays, “a” first, are"."""
    return f"the array “{names[0]}” is" if len(names) == 1 else f"{len(names)} arrays, “{names[0]}” first, are"


def network_of(kind: Any, folder: Path, part: str, dtype: torch.dtype) -> Any:
    """A network from its folder, of which libraries see nothing but checked settings and the weights.

    kind: its class
    part: as in `editor.models.components.cleaned`
    Raises what libraries raise for files that do not fit, and `Damaged`.
    """
    ours = issubclass(kind, diffusers.ModelMixin)
    with staged_network(folder, part, "diffusion_pytorch_model" if ours else "model") as stage:
        if not ours:
            _check_size(kind, stage, folder)
        options = {"local_files_only": True, "use_safetensors": True, "output_loading_info": True}
        network, about = kind.from_pretrained(str(stage), dtype=dtype, **options)
    missing, other = list(about["missing_keys"]), list(about["mismatched_keys"])
    if missing:
        raise Damaged(f"{_counted(missing)} missing from its weights")
    if other:
        raise ValueError(
            f"{_counted([str(each[0] if isinstance(each, tuple) else each) for each in other])} of another size"
        )
    unknown = [] if part in WITH_LEFTOVERS else list(about["unexpected_keys"])
    if unknown:
        raise ValueError(f"{_counted(unknown)} unknown to its settings")
    return network


def _check_size(kind: Any, stage: Path, folder: Path) -> None:
    """Before memory is taken for it: transformers makes room for what is missing, however much that is."""
    with torch.device("meta"):
        promised = sum(each.numel() for each in kind(kind.config_class.from_pretrained(str(stage))).parameters())
    stored = sum(each.count for each in find_weights(folder).tensors)
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


def _assembled(info: ModelInfo, parts: Parts, source: _Folder | _SingleFile, folder: Path) -> tuple[Any, ...]:
    scheduler = _scheduler(folder / "scheduler", info)
    match info.family:
        case "stable-diffusion":
            tokenizer = source.tokenizer(folder / "tokenizer")
            absent = {"safety_checker": None, "feature_extractor": None, "requires_safety_checker": False}
            return (diffusers.StableDiffusionPipeline(**parts, tokenizer=tokenizer, scheduler=scheduler, **absent),)
        case "stable-diffusion-xl":
            tokenizers = {name: source.tokenizer(folder / name) for name in ("tokenizer", "tokenizer_2")}
            zeros = _index(folder).get("force_zeros_for_empty_prompt", True)
            options = {"force_zeros_for_empty_prompt": bool(zeros), "add_watermarker": False}
            return (diffusers.StableDiffusionXLImg2ImgPipeline(**parts, **tokenizers, scheduler=scheduler, **options),)
        case "stable-diffusion-xl-refiner":
            absent = {"text_encoder": None, "tokenizer": None}
            options = {
                "force_zeros_for_empty_prompt": bool(_index(folder).get("force_zeros_for_empty_prompt", False)),
                "requires_aesthetics_score": True,
                "add_watermarker": False,
            }
            tokenizer = source.tokenizer(folder / "tokenizer_2")
            kind = diffusers.StableDiffusionXLImg2ImgPipeline
            return (kind(**parts, **absent, tokenizer_2=tokenizer, scheduler=scheduler, **options),)
        case "kandinsky-2.2":
            decoder = diffusers.KandinskyV22Pipeline(unet=parts["unet"], movq=parts["movq"], scheduler=scheduler)
            own = part_folder(info, folder, "prior").parent
            prior = diffusers.KandinskyV22PriorPipeline(
                **{name: parts[name] for name in PRIOR_PARTS},
                tokenizer=source.tokenizer(own / "tokenizer"),
                image_processor=_image_processor(own / "image_processor"),
                scheduler=_scheduler(own / "scheduler"),
            )
            return decoder, prior


def _index(folder: Path) -> dict[str, Any]:
    index = folder / "model_index.json"
    return read_json(index) if index.is_file() else {}


def _image_processor(folder: Path) -> Any:
    with staged_processor(folder) as stage:
        return transformers.CLIPImageProcessorPil.from_pretrained(str(stage), local_files_only=True)


def _scheduler(folder: Path, info: ModelInfo | None = None) -> Any:
    name = read_json(folder / "scheduler_config.json").get("_class_name")
    settings = checked_settings(folder / "scheduler_config.json", "scheduler")
    kind: Any = getattr(diffusers, name, None) if isinstance(name, str) and name.isidentifier() else None
    known = isinstance(kind, type) and issubclass(kind, diffusers.SchedulerMixin)
    if not known:
        raise ValueError("its scheduler is of an unknown kind")
    changed: dict[str, Any] = {}
    if info is not None and info.family != "kandinsky-2.2":
        changed = {"prediction_type": info.prediction, **(ZERO_SNR if info.zero_snr else {})}
    if info is not None and info.family == "stable-diffusion":
        # What diffusers' pipeline changes as well, with a warning for who wrote the settings.
        changed |= {name: value for name, value in OF_FIRST.items() if name in signature(kind).parameters}
    return kind.from_config({**settings, **changed})


def _check_words(pipeline: Any) -> None:
    """A word that a text encoder has no place for ends a run, and on a card all runs after it."""
    for name in ("tokenizer", "tokenizer_2"):
        tokenizer = getattr(pipeline, name, None)
        encoder = getattr(pipeline, name.replace("tokenizer", "text_encoder"), None)
        if tokenizer is None or encoder is None:
            continue
        last = max(tokenizer.get_vocab().values())
        if last >= encoder.config.vocab_size:
            raise ValueError(f"word {last} is unknown to the text encoder, which has {encoder.config.vocab_size}")


def _place(pipeline: Any, fit: Fit) -> None:
    decoder = getattr(pipeline, "vae", None)
    if decoder is not None:
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
    part: of it, empty for all of it
    any_error: whether nothing but the files can be at fault, since libraries raise of every kind about them; it is logged then
    """
    said = f"The {LABELS[part]} of “{name}” cannot be loaded" if part else f"“{name}” cannot be loaded"
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
    before = [(each, each.get_verbosity(), each.is_progress_bar_enabled()) for each in libraries]
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
