"""Edge repairs: making the edge of an accepted result better, as long as it is known what that was made from."""

from __future__ import annotations

from functools import partial

from PySide6.QtCore import QObject, Signal

from editor.edits.apply import with_repaired
from editor.requests.edit_request import Repair
from editor.requests.results import EditResult
from widgets.session.document_model import DocumentModel
from widgets.session.edit_job import MENDING, Candidate, EdgeRepairJob
from widgets.session.jobs import Jobs
from widgets.session.notice import Notice

MIN_SEAM = 1.0  # of a result; from here on its edge is visible
REPAIRS: tuple[Repair, ...] = ("poisson", "decoder")


class EdgeRepairs(QObject):
    """The accepted results of this sitting whose edges could be mended.

    start_requested(edit_job): the worker is to make this `EditJob`, in place of whatever there is.
    noticed(notice): something is to be said.
    """

    start_requested = Signal(object)
    noticed = Signal(object)

    def __init__(self, model: DocumentModel, jobs: Jobs) -> None:
        super().__init__()
        self._model, self._jobs = model, jobs
        self._accepted: dict[int, Candidate] = {}  # by the layer that each became

    def remember(self, layer: int, candidate: Candidate) -> None:
        """What a layer was made from, as long as it could be mended; where its edge shows, that is offered."""
        self._accepted[layer] = candidate
        if candidate.result.seam is not None and candidate.result.seam >= MIN_SEAM:
            offers = tuple((MENDING[how], partial(self.mend, layer, how)) for how in REPAIRS)
            self.noticed.emit(Notice("Its edge may show.", "Look at it closely; one of these may help.", offers=offers))

    def can_mend(self, layer: int) -> bool:
        """Whether the edge of this layer could be mended now: an edit of this sitting made it, and nothing is going on."""
        there = self._model.history.document.layer(layer)
        return self._jobs.current is None and there is not None and there.recipe is not None and layer in self._accepted

    def mend(self, layer: int, how: Repair) -> None:
        """Make the edge of an accepted result better, in the background; the layer then changes in one step."""
        if self.can_mend(layer):
            self.start_requested.emit(EdgeRepairJob(self._accepted[layer], layer, how).edit_job)

    def finished(self, result: EditResult) -> None:
        """The edge is mended: the layer takes the result, wherever it stands by now."""
        mend = None if self._jobs.current is None else self._jobs.current.edit_job.mend
        if mend is None:
            return
        self._jobs.mended()
        before = self._model.history.document
        layer = before.layer(mend.layer)
        if layer is not None:
            label = f"{MENDING[mend.how]}: {layer.name}"
            self._model.commit(label, with_repaired(before, layer, result), by_hand=False)
