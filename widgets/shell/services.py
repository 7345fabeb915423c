"""Services of the program to its window: what that asks of it. Implemented in `app`."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from widgets.session.session import Session


@dataclass(frozen=True, slots=True, eq=False)
class Recent:
    """A document that was open before. `thumbnail`: (h, w, 4) uint8 straight alpha, None when there is none."""

    path: Path
    thumbnail: NDArray[np.uint8] | None = None


@dataclass(frozen=True, slots=True, eq=False)
class Practice:
    """A practice scene. `picture`: (h, w, 4) uint8, small."""

    name: str
    picture: NDArray[np.uint8]


class Services(Protocol):
    """Files, documents and the program itself; everything that asks the person first is asked without blocking."""

    def new_document(self) -> None:
        """Let the person begin an empty picture."""

    def open_dialog(self) -> None:
        """Let the person choose files to open."""

    def open_paths(self, paths: Sequence[Path]) -> None:
        """Open pictures or projects, each as a document."""

    def open_sample(self) -> None:
        """Open the picture that comes with the program."""

    def practice(self) -> Sequence[Practice]:
        """Small scenes for the model that comes with the program; none where it does not."""

    def open_practice(self, name: str) -> None:
        """Open a practice scene, with an edit that is ready to run."""

    def paste(self) -> None:
        """Open what is on the clipboard as a new document."""

    def save(self, session: Session) -> None: ...

    def save_as(self, session: Session) -> None: ...

    def export(self, session: Session) -> None:
        """Write the picture as seen to a PNG, JPEG, WebP or TIFF file."""

    def close_document(self, session: Session) -> None:
        """Close it; asks first when it holds unsaved changes."""

    def show_models(self) -> None:
        """Show which models there are, and how to get more."""

    def recent(self) -> Sequence[Recent]:
        """The newest first."""

    def quit(self) -> None:
        """End the program; asks first when a document holds unsaved changes."""
