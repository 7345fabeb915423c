"""Model service: what the Models page asks of the program around it. Implemented in `app`."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, Protocol

from PySide6.QtCore import SignalInstance

from editor.errors import EditorError
from editor.models.hub import DownloadPlan
from editor.models.info import ModelInfo
from editor.models.rankers import RankerInfo
from editor.requests.reports import Progress

Stage = Literal["looking", "found", "running", "stopped", "failed", "done"]


@dataclass(frozen=True, slots=True)
class Download:
    """A model on its way from the hub. `id`: as typed until the hub has answered. `plan`: once it has; `missing`: bytes still to come then.

    `error`: why it failed; without a plan it was not found.
    """

    id: str
    stage: Stage
    plan: DownloadPlan | None = None
    missing: int = 0
    progress: Progress | None = None
    error: EditorError | None = None


class ModelsService(Protocol):
    """The models of this machine and how more of them come. All of it answers at once; news come with the signals."""

    @property
    def changed(self) -> SignalInstance:
        """The list, the model in use, or where models are kept."""

    @property
    def getting_changed(self) -> SignalInstance: ...

    @property
    def refused(self) -> SignalInstance:
        """`(EditorError)`: why what was added cannot be used."""

    @property
    def models(self) -> Sequence[ModelInfo] | None:
        """None until they have been looked at for the first time."""

    @property
    def used(self) -> str:
        """The key of the model in use, empty for none."""

    @property
    def rankers(self) -> Sequence[RankerInfo]:
        """The models that could rank variations, those that cannot be used last."""

    @property
    def ranker(self) -> RankerInfo | None:
        """The one of them that does."""

    @property
    def getting(self) -> Download | None: ...

    @property
    def folder(self) -> Path:
        """Where downloads go."""

    @property
    def mirror(self) -> str:
        """The address that is asked instead of the hub's own, empty for that."""

    def refresh(self) -> None:
        """Look at the disk again."""

    def use(self, key: str) -> None: ...

    def use_ranker(self, key: str) -> None: ...

    def add_ranker(self, path: Path) -> None:
        """A folder with a CLIP model, which ranks from now on."""

    def forgettable(self, key: str) -> bool:
        """Whether it is in the list only because somebody added it."""

    def origin(self, key: str) -> str:
        """The hub id that it came from, empty where nobody knows."""

    def forget(self, key: str) -> None:
        """Take it off the list; its files stay."""

    def show_folder(self, key: str) -> None: ...

    def add(self, path: Path) -> None:
        """A diffusers folder, a `.safetensors` file, or a folder with models in it."""

    def look_up(self, id: str) -> None:
        """Ask the hub for size and licence; nothing is fetched."""

    def get(self) -> None:
        """Fetch what was looked up, or go on with it."""

    def stop(self) -> None:
        """Stop; what has come is kept."""

    def dismiss(self) -> None:
        """Put away what was looked up or has ended."""

    def set_folder(self, folder: Path) -> None: ...

    def set_mirror(self, address: str) -> None: ...
