"""Stable Diffusion 3 and 3.5: how they are told, and what they are made of."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from editor.diffusion.families.base import Family, PartSpec, Settings, Suggestion, Traits
from editor.diffusion.families.few_steps import few_steps
from editor.diffusion.families.parts import JOINT_TRANSFORMER, T5_ENCODER, VAE
from editor.diffusion.families.unet import check_latents
from editor.models.components import MAX_WORDS, TEXT_ENCODER
from editor.models.headers import Damaged, Header, read_json
from editor.models.info import Prediction
from editor.models.settings import NOT_FIT_TOGETHER, NotUnderstood
from editor.models.single_file import PREFIX, SingleFile

if TYPE_CHECKING:
    from editor.diffusion.families.torch_half import Networks

FLOW_SCHEDULER = "FlowMatchEulerDiscreteScheduler"
CLIPS, T5 = ("text_encoder", "text_encoder_2"), "text_encoder_3"
WORD_LIST = "tokenizer.json"
MAX_PIECE = 1000  # letters
MARKS = ("joint_blocks.", "context_embedder.")
AS_PUBLISHED = "Choose Stable Diffusion 3 or 3.5 as published, or another model."
AS_FOLDER = "Get the same model in the diffusers format, a folder with model_index.json."


class StableDiffusion3Family(Family):
    """Flow matching by a transformer that reads words and picture together. Two CLIP encoders read the words, a T5 too where it is there."""

    name = "stable-diffusion-3"
    traits = Traits("Stable Diffusion 3", "Stable Diffusion 3", 1024, 16, 0.6, 28, 5.0, 24, samplers=("", "euler"))
    parts = (
        PartSpec("transformer", "transformer", JOINT_TRANSFORMER, "denoiser"),
        PartSpec("vae", "VAE", VAE, "decoder"),
        PartSpec("text_encoder", "text encoder", TEXT_ENCODER, "words", "tokenizer"),
        PartSpec("text_encoder_2", "second text encoder", TEXT_ENCODER, "words", "tokenizer_2"),
        PartSpec(
            T5, "third text encoder", T5_ENCODER, "words", "tokenizer_3", optional=True, word_lists=((WORD_LIST,),)
        ),
    )
    pipelines = frozenset({"StableDiffusion3Pipeline", "StableDiffusion3Img2ImgPipeline"})
    predictions: frozenset[Prediction] = frozenset({"flow_prediction"})

    @property
    def suggestions(self) -> tuple[Suggestion, ...]:
        return (
            Suggestion(
                "stabilityai/stable-diffusion-3.5-medium",
                "Stable Diffusion 3.5 Medium",
                self,
                24,
                "Stability AI Community, free up to a yearly revenue",
                "Follows long descriptions closely; large, because of the third text encoder.",
                gated=True,
            ),
        )

    def networks(self) -> Networks:
        from editor.diffusion.families.stable_diffusion_3.backend import StableDiffusion3Networks  # noqa: PLC0415

        return StableDiffusion3Networks()

    def check(self, settings: Mapping[str, Settings]) -> None:
        transformer, kind = settings["transformer"], settings["scheduler"].get("_class_name")
        if transformer.get("in_channels", 16) != transformer.get("out_channels", 16):
            raise NotUnderstood("is made for another task: its network does not take a picture alone", AS_PUBLISHED)
        check_latents({"in_channels": 16, **transformer}, settings["vae"])
        if kind != FLOW_SCHEDULER or settings["scheduler"].get("stochastic_sampling"):
            said = f"brings a sampler that Palimpsest does not know for models of its kind ({str(kind)[:60]})"
            raise NotUnderstood(said, AS_PUBLISHED)
        _check_widths(transformer, settings)

    def predicted(self, scheduler: Settings) -> Prediction | None:
        return "flow_prediction"

    def few_steps(self, name: str, scheduler: str) -> tuple[int | None, float | None]:
        steps, guidance = few_steps(name, scheduler)
        return (4, 1.0) if guidance == 2.0 else (steps, guidance)  # the published turbo versions take no guidance

    def detect_file(self, header: Header, stem: str, prediction: Prediction | None) -> SingleFile | None:
        if any(name.removeprefix(PREFIX).startswith(MARKS) for name in header.tensors):
            raise NotUnderstood(
                "is a Stable Diffusion 3 model in one file, which Palimpsest cannot read yet", AS_FOLDER
            )
        return None


def _check_widths(transformer: Settings, settings: Mapping[str, Settings]) -> None:
    """Raises `NotUnderstood` where the transformer and the text encoders beside it cannot belong together."""
    clips = [settings[name] for name in CLIPS]
    width = transformer.get("joint_attention_dim", 4096)
    given = _sum(clip.get("hidden_size") for clip in clips)
    if given is not None and isinstance(width, int) and given > width:
        said = f"does not fit together: its text encoders give {given} numbers a word and its transformer takes {width}"
        raise NotUnderstood(said, NOT_FIT_TOGETHER)
    third = settings.get(T5, {}).get("d_model")
    if isinstance(third, int) and third != width:
        said = f"does not fit together: its third text encoder gives {third} numbers a word and its transformer takes {width}"
        raise NotUnderstood(said, NOT_FIT_TOGETHER)
    summary, taken = _sum(clip.get("projection_dim") for clip in clips), transformer.get("pooled_projection_dim", 2048)
    if summary is not None and isinstance(taken, int) and summary != taken:
        said = f"does not fit together: its text encoders sum words up in {summary} numbers and its transformer takes {taken}"
        raise NotUnderstood(said, NOT_FIT_TOGETHER)


def _sum(numbers: Any) -> int | None:
    """Of numbers, None where one is none."""
    values = list(numbers)
    return sum(values) if all(isinstance(value, int) for value in values) else None


def pieces_of(folder: Path) -> list[tuple[str, float]]:
    """The word list of a T5 tokenizer: each piece with its log probability, and nothing else of its file. Raises `Damaged`."""
    model = read_json(folder / WORD_LIST).get("model")
    vocabulary = model.get("vocab") if isinstance(model, dict) else None
    if not isinstance(vocabulary, list) or not 3 <= len(vocabulary) <= MAX_WORDS:
        raise Damaged("has no word list")
    pieces = [(entry[0], float(entry[1])) for entry in vocabulary if _is_piece(entry)]
    if len(pieces) < len(vocabulary) or len(dict(pieces)) < len(pieces):
        raise Damaged("has a damaged word list")
    return pieces


def _is_piece(entry: object) -> bool:
    match entry:
        case [str(text), int() | float() as score] if not isinstance(score, bool):
            return 0 < len(text) <= MAX_PIECE and -1e6 < score < 1e6
    return False
