"""Kandinsky 2.2: how it is told, and what it is made of. It comes in two folders: the decoder, by which it is known, and the prior."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from editor.diffusion.families.base import Family, Half, PartSpec, Settings, Suggestion, Traits
from editor.diffusion.families.parts import MOVQ, PRIOR, UNET
from editor.diffusion.families.unet import check_latents, check_unet
from editor.errors import ModelUnavailable
from editor.models.components import IMAGE_ENCODER, PICTURE_PROCESSOR, TEXT_ENCODER
from editor.models.info import ModelInfo, Part
from editor.models.model_folder import LABELS, PROCESSOR_CONFIG, SCHEDULER_CONFIG, ModelFolder
from editor.models.places import class_of, folders_in, hub_id, newest_snapshot
from editor.models.settings import FETCH_AGAIN, check_scheduler

if TYPE_CHECKING:
    from editor.diffusion.families.torch_half import Networks

PRIOR_CLASS = "KandinskyV22PriorPipeline"
PRIOR_SCHEDULER = "UnCLIPScheduler"
PRIOR_ID = "kandinsky-community/kandinsky-2-2-prior"
PRIOR_PARTS = frozenset({"prior", "image_encoder", "text_encoder"})


class KandinskyFamily(Family):
    """Latents are an autoencoder's without scaling; words and pictures reach the network as one embedding, which the prior makes."""

    name = "kandinsky-2.2"
    traits = Traits("Kandinsky 2.2", "Kandinsky 2.2", 768, 64, 0.3, 50, 4.0, 24, draws_words=True, takes_pictures=True)
    parts = (
        PartSpec("unet", "U-Net", UNET, "denoiser"),
        PartSpec("movq", "image decoder (MoVQ)", MOVQ, "decoder"),
        PartSpec("prior", "prior", PRIOR),
        PartSpec("image_encoder", "image encoder", IMAGE_ENCODER),
        PartSpec("text_encoder", "text encoder", TEXT_ENCODER),
    )
    pipelines = frozenset(
        {
            "KandinskyV22Pipeline",
            "KandinskyV22Img2ImgPipeline",
            "KandinskyV22CombinedPipeline",
            "KandinskyV22Img2ImgCombinedPipeline",
        }
    )
    halves: Mapping[str, Half] = {
        PRIOR_CLASS: Half(
            "is the prior of Kandinsky 2.2, without the decoder.",
            "Get the decoder as well, and choose that.",
            "is one half of Kandinsky 2.2.",
            "Get the decoder; it brings this half along.",
        )
    }

    @property
    def suggestions(self) -> tuple[Suggestion, ...]:
        return (
            Suggestion(
                "kandinsky-community/kandinsky-2-2-decoder",
                "Kandinsky 2.2",
                self,
                12,
                "Apache 2.0",
                "Mixes what you write with what your reference pictures show; comes in two halves, loaded together.",
            ),
        )

    @property
    def small_folders(self) -> frozenset[str]:
        return frozenset({"scheduler", "tokenizer", "image_processor"})

    def networks(self) -> Networks:
        from editor.diffusion.families.kandinsky.backend import KandinskyNetworks  # noqa: PLC0415

        return KandinskyNetworks()

    def check(self, settings: Mapping[str, Settings]) -> None:
        check_unet(settings["unet"], ("image",), ("image_proj",))
        check_latents(settings["unet"], settings["movq"])
        check_scheduler(settings["scheduler"])

    def native_side(self, denoiser: Settings, cell: int) -> int | None:
        return None  # its settings say another size than it was made for

    def place(self, info: ModelInfo, settings: Path, part: str) -> Path:
        """Parts of the prior lie in its own folder. Raises `ModelUnavailable` when that is gone."""
        if part not in PRIOR_PARTS:
            return settings / part
        prior = find_prior(info.path)
        if prior is None:
            raise ModelUnavailable(f"The prior of “{info.name}” is not there any more.", FETCH_AGAIN)
        return prior / part

    def companions(self, path: Path) -> tuple[Path, ...]:
        prior = find_prior(path)
        return () if prior is None else (prior,)

    def companion_id(self, id: str) -> str:
        return id.removesuffix("-decoder") + "-prior" if id.endswith("-decoder") else PRIOR_ID

    def _parts(self, folder: ModelFolder) -> tuple[Part, ...]:
        """Those of the decoder, then those of the prior. Raises `Refused`."""
        own = [folder.part(folder.path / spec.name, spec) for spec in self.parts if spec.name not in PRIOR_PARTS]
        prior = find_prior(folder.info.path)
        if prior is None:
            raise folder.refused(
                f"“{folder.info.name}” needs the prior of Kandinsky 2.2, which is not there.",
                "Put the prior beside it, or into its folder “prior”, or download it.",
            )
        others = [folder.part(prior / spec.name, spec) for spec in self.parts if spec.name in PRIOR_PARTS]
        _check_prior(folder, prior)
        return (*own, *others)


def find_prior(decoder: Path) -> Path | None:
    """The prior that belongs to a decoder: in a folder `prior` of its own, or beside it."""
    return next((place for place in _prior_places(decoder) if class_of(place) == PRIOR_CLASS), None)


def _prior_places(decoder: Path) -> Iterator[Path]:
    yield decoder / "prior"
    if hub_id(decoder):
        cached = decoder.parent.parent
        beside = [cached.with_name(cached.name.replace("decoder", "prior"))]
        beside += sorted(cached.parent.glob("models--*kandinsky-2-2-prior"))
        yield from (snapshot for snapshot in map(newest_snapshot, beside) if snapshot is not None)
        return
    yield decoder.with_name(decoder.name.replace("decoder", "prior"))
    yield from folders_in(decoder.parent)[:200]


def _check_prior(folder: ModelFolder, prior: Path) -> None:
    """What lies beside the prior's networks. Raises `Refused`."""
    name = folder.info.name
    folder.check_tokenizer(prior, "tokenizer")
    processor = (prior / "image_processor", LABELS["image_processor"], PROCESSOR_CONFIG)
    folder.json(*processor)
    scheduler = folder.json(prior / "scheduler", LABELS["scheduler"], SCHEDULER_CONFIG)
    kind = scheduler.get("_class_name")
    if kind != PRIOR_SCHEDULER or scheduler.get("prediction_type", "epsilon") not in ("epsilon", "sample"):
        said = f"“{name}” has a prior with a sampler that Palimpsest does not know ({str(kind)[:60]})."
        raise folder.refused(said, "Get the published prior of Kandinsky 2.2.")
    folder.checked_scheduler(prior / "scheduler")
    folder.checked(*processor, PICTURE_PROCESSOR)
