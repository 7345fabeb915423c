"""A worker for sessions under test: it writes down what it is asked, and segments and reads only where it is told to."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

from editor.engine import Engine
from editor.io.images import Picture, read_image
from editor.models.info import ModelInfo
from editor.planning.plan import Plan
from editor.requests.edit_request import SegmentRequest
from editor.requests.results import Assessment, Masks
from tests.support.reports import drive
from widgets.session.edit_job import EditJob
from widgets.session.session import Session

When = Literal["never", "now", "later"]


@dataclass
class StubWorker:
    """What the window asks of a worker, written down.

    Attributes:
        segments: when a question about an outline is answered: by `answer` where "later"; "never" fails the test
        reads: when a file is decoded: by calling what waits in `reading` where "later"; "never" fails the test
        ran: the plans of the edits, `asked` with all that came with them
        assessing: the questions about memory that were not answered yet
        lived: the states of live pictures, `lived_out`: how often one was ended
        scrubbed: what was to be made in idle time, `scrubbed_out`: of each end of that, whether all was to be forgotten
        segmenting: all questions about outlines, each with where the answer goes
        known: the models there are
        used: the key of the model in use
    """

    segments: When = "never"
    reads: When = "never"
    ran: list[Plan] = field(default_factory=list)
    asked: list[EditJob] = field(default_factory=list)
    lived: list[EditJob] = field(default_factory=list)
    lived_out: int = 0
    scrubbed: list[EditJob] = field(default_factory=list)
    scrubbed_out: list[bool] = field(default_factory=list)
    stopped: int = 0
    finished: int = 0
    assessing: list[Callable[[Assessment | None], None]] = field(default_factory=list)
    segmenting: list[tuple[SegmentRequest, Callable[[Masks], None]]] = field(default_factory=list)
    reading: list[Callable[[], None]] = field(default_factory=list)
    opened: list[Picture] = field(default_factory=list)
    known: list[ModelInfo] = field(default_factory=list)
    used: str = ""
    models_shown: int = 0

    def run(self, session: Session, edit_job: EditJob) -> None:
        self.asked.append(edit_job)
        self.ran.append(edit_job.planned)

    def stop(self, session: Session) -> None:
        self.stopped += 1

    def finish(self, session: Session) -> None:
        self.finished += 1

    def live(self, session: Session, edit_job: EditJob) -> None:
        self.lived.append(edit_job)

    def end_live(self, session: Session) -> None:
        self.lived_out += 1

    def scrub(self, session: Session, edit_job: EditJob) -> None:
        self.scrubbed.append(edit_job)

    def end_scrub(self, session: Session, *, forget: bool) -> None:
        self.scrubbed_out.append(forget)

    def assess(self, session: Session, done: Callable[[Assessment | None], None]) -> None:
        self.assessing.append(done)

    def models(self) -> Sequence[ModelInfo]:
        return self.known

    def used_model(self) -> str:
        return self.used

    def use_model(self, key: str) -> None:
        self.used = key

    def show_models(self) -> None:
        self.models_shown += 1

    def segment(self, session: Session, request: SegmentRequest, done: Callable[[Masks], None]) -> None:
        assert self.segments != "never", "nothing is segmented here"
        self.segmenting.append((request, done))
        if self.segments == "now":
            self.answer()

    def answer(self, at: int = -1) -> None:
        """Segment as the program does, and hand the outlines over."""
        request, done = self.segmenting[at]
        done(drive(Engine().run(request)))

    def read(self, session: Session, source: Path | bytes, name: str, done: Callable[[Picture], None]) -> None:
        assert self.reads != "never", "nothing is read here"
        self.reading.append(lambda: done(read_image(source, name)))
        if self.reads == "now":
            self.reading.pop()()

    def open_picture(self, picture: Picture) -> None:
        assert self.reads != "never", "nothing is opened here"
        self.opened.append(picture)
