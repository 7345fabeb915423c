"""Model family: one architecture, how it is told among files, what it is made of, and who runs it.

A family is its folder and one line in `registry`. What is here needs no torch; `Family.networks` brings the half that does.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterator, Mapping, Sequence, Set
from dataclasses import dataclass, replace
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, Literal

from editor.diffusion.families.few_steps import few_steps
from editor.models.components import NetworkKind
from editor.models.info import ModelInfo, Part, Prediction
from editor.models.settings import NotUnderstood
from editor.requests.samplers import OFFERED, Sampler

if TYPE_CHECKING:
    from editor.diffusion.families.torch_half import Networks
    from editor.models.headers import Header
    from editor.models.model_folder import ModelFolder
    from editor.models.single_file import SingleFile

Role = Literal["denoiser", "decoder", "words", "other"]
Settings = Mapping[str, Any]
TOYS_GUIDANCE = 4.0


@dataclass(frozen=True, slots=True)
class Traits:
    """What suits a family (docs/methods.md, PIXELS 5).

    label: for people
    short: in a list of what the program can use; empty where another family's says it too
    native: side in pixels of the square it was trained on, unless the model says otherwise
    multiple: sides of the working canvas are multiples of this, in pixels
    strength, steps, guidance_scale: first values
    rim: how far, in working pixels of a model of that size, the surroundings of an exemplar may adapt
    draws_words: random numbers are drawn on the way from words to what the network is told, so that each result has its own
    takes_pictures: pictures may stand beside the words of a prompt
    samplers: those that can make the noise that it was trained with
    """

    label: str
    short: str
    native: int
    multiple: int
    strength: float
    steps: int
    guidance_scale: float
    rim: int
    draws_words: bool = False
    takes_pictures: bool = False
    samplers: tuple[Sampler, ...] = OFFERED


@dataclass(frozen=True, slots=True)
class PartSpec:
    """One network of a family.

    name: of its folder
    label: for people
    kind: what its settings may say
    role: what it does in a run; the denoiser makes the steps, the decoder goes from latents to pixels, words are read by text encoders
    tokenizer: the folder of the word list beside a text encoder
    optional: whether a model may lack it
    word_lists: sets of files, of which one must be whole in the tokenizer's folder; those of CLIP where there are none
    """

    name: str
    label: str
    kind: NetworkKind
    role: Role = "other"
    tokenizer: str = ""
    optional: bool = False
    word_lists: tuple[tuple[str, ...], ...] = ()


@dataclass(frozen=True, slots=True)
class Half:
    """A pipeline that is one half of a model of a family.

    problem, advice: why it cannot be used by itself, going on a sentence that begins with its name, and what to do
    fetch_problem, fetch_advice: likewise, why it is not fetched by itself
    """

    problem: str
    advice: str
    fetch_problem: str
    fetch_advice: str


@dataclass(frozen=True, slots=True)
class Suggestion:
    """A model to begin with.

    id: on the hub
    memory: of the graphics card, in GB, from which it runs at ease
    download: bytes in half precision, None where only the hub knows
    gated: its makers ask for consent first
    cpu: bearable without a card
    """

    id: str
    name: str
    family: Family
    memory: int
    licence: str
    words: str
    download: int | None = None
    gated: bool = False
    cpu: bool = False


class Family(ABC):
    """One architecture. Instances are compared by identity and hold nothing that changes.

    name: what it is called where it is kept
    parts: its networks, in the order in which they are loaded
    pipelines: classes of diffusers that a folder of it may name
    halves: of pipelines that belong to a model of it and are none by themselves, by class
    predictions: what its network may predict
    """

    name: str
    traits: Traits
    parts: tuple[PartSpec, ...]
    pipelines: frozenset[str]
    halves: Mapping[str, Half] = MappingProxyType({})
    predictions: frozenset[Prediction] = frozenset({"epsilon", "v_prediction", "sample"})

    def __repr__(self) -> str:
        return f"<family {self.name}>"

    @abstractmethod
    def networks(self) -> Networks:
        """The half that runs it, imported when it is asked for."""

    @abstractmethod
    def check(self, settings: Mapping[str, Settings]) -> None:
        """Raises `NotUnderstood` where the settings of the parts mean something else than what is computed. `settings`: by part, with "scheduler"."""

    @property
    def suggestions(self) -> tuple[Suggestion, ...]:
        """Models of it to begin with."""
        return ()

    @property
    def tokenizers(self) -> tuple[str, ...]:
        """Folders of its word lists."""
        return tuple(spec.tokenizer for spec in self.parts if spec.tokenizer)

    @property
    def small_folders(self) -> frozenset[str]:
        """Folders beside those of its networks that it reads."""
        return frozenset({"scheduler", *self.tokenizers})

    def spec(self, name: str) -> PartSpec:
        """Of a part. Raises `KeyError`."""
        return {spec.name: spec for spec in self.parts}[name]

    def of_role(self, role: Role) -> tuple[PartSpec, ...]:
        return tuple(spec for spec in self.parts if spec.role == role)

    @property
    def denoiser(self) -> PartSpec:
        return self.of_role("denoiser")[0]

    @property
    def decoder(self) -> PartSpec:
        return self.of_role("decoder")[0]

    def label_of(self, name: str) -> str:
        """What people call a part."""
        return next((spec.label for spec in self.parts if spec.name == name), name)

    def belongs(self, class_name: str, parts: Set[str]) -> bool:
        """Whether a folder with a pipeline of this class and with these parts is of the family."""
        return class_name in self.pipelines

    def looks_whole(self, names: Set[str]) -> bool:
        """Whether a folder that holds folders of these names is a model of it, whose index may be lost."""
        return self.denoiser.name in names and self.decoder.name in names

    def detect(self, folder: ModelFolder, prediction: Prediction | None) -> ModelInfo:
        """What lies in a folder of the family. Raises `Refused`. `prediction` overrides what was found."""
        info = folder.info
        settings = self._settings(folder)
        try:
            self.check(settings)
        except NotUnderstood as error:
            raise folder.refused(f"“{info.name}” {error}.", error.advice) from error
        folder.checked_scheduler()
        steps, guidance = self.few_steps(info.name, str(settings["scheduler"].get("_class_name", "")))
        if info.toys:
            guidance = TOYS_GUIDANCE
        cell = self.cell(folder)
        native = self.native_side(settings[self.denoiser.name], cell)
        folder.info = replace(
            info,
            native=native or info.native,
            cell=cell,
            prediction=prediction or self.predicted(settings["scheduler"]) or info.prediction,
            steps=steps,
            guidance_scale=guidance,
        )
        return replace(folder.info, parts=self._parts(folder))

    def detect_file(self, header: Header, stem: str, prediction: Prediction | None) -> SingleFile | None:
        """What a checkpoint called `stem` holds, None where it is not of the family. Raises `NotUnderstood`, `NotAModel`, `Damaged`."""
        return None

    def packaged(self, header: Header, stem: str) -> str:
        """The name of the packaged settings for such a checkpoint."""
        return self.name

    def cell(self, folder: ModelFolder) -> int:
        """Pixels per latent cell, a power of two. Raises `Refused`."""
        return folder.cell(self.decoder)

    def native_side(self, denoiser: Settings, cell: int) -> int | None:
        """Side in pixels of what a model was made for, as the settings of its network say."""
        side = denoiser.get("sample_size")
        return side * cell if isinstance(side, int) and 8 <= side <= 512 else None

    def few_steps(self, name: str, scheduler: str) -> tuple[int | None, float | None]:
        """Steps and guidance of models distilled to few steps, as far as name or scheduler tell them for certain."""
        return few_steps(name, scheduler)

    def predicted(self, scheduler: Settings) -> Prediction | None:
        """What the network predicts, as the settings of its scheduler say."""
        said = scheduler.get("prediction_type")
        return next((prediction for prediction in self.predictions if prediction == said), None)

    def place(self, info: ModelInfo, settings: Path, part: str) -> Path:
        """The folder of one part, of a model whose settings lie in `settings`."""
        return settings / part

    def companions(self, path: Path) -> tuple[Path, ...]:
        """Other folders that the model at a path is made of, as far as they are there."""
        return ()

    def companion_id(self, id: str) -> str:
        """What must be fetched along with a model of the hub, empty for nothing."""
        return ""

    def _present(self, folder: ModelFolder) -> Iterator[PartSpec]:
        for spec in self.parts:
            if not spec.optional or (folder.path / spec.name).is_dir():
                yield spec

    def _settings(self, folder: ModelFolder) -> dict[str, Settings]:
        """Of the parts that lie in the folder itself, and of the scheduler."""
        specs = [spec for spec in self._present(folder) if spec.role != "other"]
        first = sorted(specs, key=lambda spec: ("denoiser", "decoder", "words").index(spec.role))
        settings: dict[str, Settings] = {spec.name: folder.config(spec) for spec in first[:2]}
        settings["scheduler"] = folder.scheduler()
        return settings | {spec.name: folder.config(spec) for spec in first[2:]}

    def _parts(self, folder: ModelFolder) -> tuple[Part, ...]:
        """Its networks, after a look at them and at what lies beside them. Raises `Refused`."""
        specs = tuple(self._present(folder))
        parts = tuple(folder.part(folder.path / spec.name, spec) for spec in specs)
        for spec in specs:
            if spec.tokenizer:
                folder.check_tokenizer(folder.path, spec.tokenizer, spec.word_lists)
        return parts


class Families(tuple[Family, ...]):
    """A table of families, in the order in which they are asked and listed. A value: whoever wants another one passes it."""

    __slots__ = ()

    def named(self, name: str) -> Family:
        """Raises `KeyError`."""
        return {family.name: family for family in self}[name]

    def of(self, class_name: str, parts: Set[str]) -> Family | None:
        """The family of a folder, by the class of its pipeline and the parts that it names."""
        return next((family for family in self if family.belongs(class_name, parts)), None)

    def half(self, class_name: str) -> Half | None:
        """What a pipeline is one half of."""
        return next((family.halves[class_name] for family in self if class_name in family.halves), None)

    def look_whole(self, names: Set[str]) -> bool:
        """Whether folders of these names make a model."""
        return any(family.looks_whole(names) for family in self)

    @property
    def words(self) -> str:
        """What can be used, for people: "A, B and C"."""
        shorts = [family.traits.short for family in self if family.traits.short]
        return listed(shorts)

    @property
    def suggestions(self) -> tuple[Suggestion, ...]:
        """Of all families, those for smaller cards first."""
        return tuple(
            sorted(
                (suggestion for family in self for suggestion in family.suggestions),
                key=lambda suggestion: suggestion.memory,
            )
        )

    @property
    def network_folders(self) -> frozenset[str]:
        """Folders that hold weights."""
        return frozenset(spec.name for family in self for spec in family.parts)

    @property
    def small_folders(self) -> frozenset[str]:
        """Folders that hold word lists and settings alone."""
        return frozenset(name for family in self for name in family.small_folders)


def listed(names: Sequence[str]) -> str:
    """ "A, B and C"."""
    return f"{', '.join(names[:-1])} and {names[-1]}" if len(names) > 1 else "".join(names)
