"""Worker: what a session asks of the program around it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

from editor.io.images import Picture
from editor.models.info import ModelInfo
from editor.requests.edit_request import SegmentRequest
from editor.requests.results import Assessment, Masks
from widgets.session.edit_job import EditJob

if TYPE_CHECKING:
    from widgets.session.session import Session


class Worker(Protocol):
    """Work in the background, and models. Implemented in `app`."""

    def run(self, session: Session, edit_job: EditJob) -> None:
        """Start the edit; the outcome comes through the session's `job_…` methods."""

    def stop(self, session: Session) -> None:
        """Ask the running job to end; it does at its next report."""

    def finish(self, session: Session) -> None:
        """Ask the running job to make what there is into its result; it does at its next report, and then ends."""

    def live(self, session: Session, edit_job: EditJob) -> None:
        """Make this state of the live picture, in place of an earlier one that is not made yet; the outcome comes through `Session.live`."""

    def end_live(self, session: Session) -> None:
        """Make no more of the live picture, and keep nothing of it."""

    def scrub(self, session: Session, edit_job: EditJob) -> None:
        """Make this in idle time, if the person wants such, in place of an earlier one; the outcome comes through `Session.scrub`."""

    def end_scrub(self, session: Session, *, forget: bool) -> None:
        """Make it no more. `forget`: and keep nothing for the next."""

    def assess(self, session: Session, done: Callable[[Assessment | None], None]) -> None:
        """Find out whether the planned edit fits into memory; `done` is called in the GUI thread, with None where nobody can tell.

        A later question of the same session puts an earlier one away.
        """

    def segment(self, session: Session, request: SegmentRequest, done: Callable[[Masks], None]) -> None:
        """Find outlines; `done` is called in the GUI thread. A failure becomes a notice."""

    def read(self, session: Session, source: Path | bytes, name: str, done: Callable[[Picture], None]) -> None:
        """Decode a dropped or pasted picture; `done` is called in the GUI thread. A failure becomes a notice."""

    def open_picture(self, picture: Picture) -> None:
        """Open it as a new document."""

    def models(self) -> Sequence[ModelInfo]:
        """Every model that is known, also those that cannot be used."""

    def used_model(self) -> str:
        """The key of the model that is used where none was chosen; empty for none."""

    def use_model(self, key: str) -> None:
        """Use this one from now on, in later documents too."""

    def show_models(self) -> None:
        """Open the page where models are added and got."""
