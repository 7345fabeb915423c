"""Stable Diffusion XL, base and refiner: how they are told, and what they are made of."""

from __future__ import annotations

from collections.abc import Mapping, Set
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

_UNET, _VAE = PartSpec("unet", "U-Net", UNET, "denoiser"), PartSpec("vae", "VAE", VAE, "decoder")
_FIRST = PartSpec("text_encoder", "text encoder", TEXT_ENCODER, "words", "tokenizer")
_SECOND = PartSpec("text_encoder_2", "second text encoder", TEXT_ENCODER, "words", "tokenizer_2")


class StableDiffusionXLFamily(Family):
    """The base.

    encoders: the prefix of each text encoder's arrays in a checkpoint, by part; by the last of them it is told
    time_ids: how many numbers about sizes and scores its network is given
    """

    name = "stable-diffusion-xl"
    traits = Traits("Stable Diffusion XL", "SDXL", 1024, 8, 0.45, 30, 6.0, 24)
    parts: tuple[PartSpec, ...] = (_UNET, _VAE, _FIRST, _SECOND)
    pipelines = frozenset({"StableDiffusionXLPipeline", "StableDiffusionXLImg2ImgPipeline"})
    encoders: Mapping[str, str] = {
        "text_encoder": "conditioner.embedders.0.",
        "text_encoder_2": "conditioner.embedders.1.",
    }
    time_ids = 6

    @property
    def suggestions(self) -> tuple[Suggestion, ...]:
        return (
            Suggestion(
                "segmind/SSD-1B",
                "SSD-1B",
                self,
                8,
                "Apache 2.0",
                "Stable Diffusion XL at half its size, with a free licence.",
                download=4_470_000_000,
            ),
            Suggestion(
                "stabilityai/sdxl-turbo",
                "SDXL Turbo",
                self,
                8,
                "Stability AI, not for commercial use",
                "A result in one to four steps; coarse, and strength has few levels.",
                download=6_940_000_000,
            ),
            Suggestion(
                "stabilityai/stable-diffusion-xl-base-1.0",
                "Stable Diffusion XL",
                self,
                12,
                "CreativeML OpenRAIL++-M",
                "Works at 1024 px, with more detail than the smaller ones.",
                download=6_940_000_000,
            ),
        )

    def belongs(self, class_name: str, parts: Set[str]) -> bool:
        return class_name in self.pipelines and "text_encoder" in parts

    def networks(self) -> Networks:
        from editor.diffusion.families.stable_diffusion_xl.backend import StableDiffusionXLNetworks  # noqa: PLC0415

        return StableDiffusionXLNetworks()

    def check(self, settings: Mapping[str, Settings]) -> None:
        unet, encoders = settings["unet"], {name: settings[name] for name in self.encoders}
        check_unet(unet, ("text_time",), (None, "text_proj"))
        check_latents(unet, settings["vae"])
        check_scheduler(settings["scheduler"])
        check_width(unet, encoders)
        taken, id_width = unet.get("projection_class_embeddings_input_dim"), unet.get("addition_time_embed_dim")
        summary = encoders["text_encoder_2"].get("projection_dim")
        if not (isinstance(taken, int) and isinstance(id_width, int) and isinstance(summary, int)):
            return
        if taken - summary != self.time_ids * id_width:
            raise NotUnderstood("expects other sizes or scores beside the words than models of its kind do", ORDINARY)

    def detect_file(self, header: Header, stem: str, prediction: Prediction | None) -> SingleFile | None:
        tensors = header.tensors
        if not ldm_file.holds_unet(tensors):
            return None
        ldm_file.check_rest(tensors)
        if not any(name.startswith(f"{list(self.encoders.values())[-1]}model.") for name in tensors):
            return None
        parts = ldm_file.parts_of(tensors, self.encoders)
        predicts_v = (
            ldm_file.predicts_v(header, stem, second=False) if prediction is None else prediction == "v_prediction"
        )
        predicts: Prediction = "v_prediction" if predicts_v else prediction or "epsilon"
        ends_in_noise = predicts_v and ldm_file.ends_in_noise(header, stem)
        return SingleFile(self, parts, predicts, self.traits.native, ends_in_noise)


class RefinerFamily(StableDiffusionXLFamily):
    """The refiner: the second text encoder alone, and a score of beauty among its numbers."""

    name = "stable-diffusion-xl-refiner"
    traits = Traits("Stable Diffusion XL refiner", "", 1024, 8, 0.25, 30, 6.0, 24)
    parts = (_UNET, _VAE, _SECOND)
    encoders: Mapping[str, str] = {"text_encoder_2": "conditioner.embedders.0."}
    time_ids = 5

    @property
    def suggestions(self) -> tuple[Suggestion, ...]:
        return (
            Suggestion(
                "stabilityai/stable-diffusion-xl-refiner-1.0",
                "Stable Diffusion XL refiner",
                self,
                24,
                "CreativeML OpenRAIL++-M",
                "Finishes fine detail after Stable Diffusion XL; get that one first.",
                download=6_080_000_000,
            ),
        )

    def belongs(self, class_name: str, parts: Set[str]) -> bool:
        return class_name in self.pipelines and "text_encoder" not in parts

    def networks(self) -> Networks:
        from editor.diffusion.families.stable_diffusion_xl.backend import RefinerNetworks  # noqa: PLC0415

        return RefinerNetworks()
