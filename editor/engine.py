"""Engine: the model half's front door. It looks up who answers a request and hands back the generator that does.

Only the worker imports this module: methods bring heavy libraries with them, which the window must not wait for.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, overload

from editor.errors import ModelUnavailable
from editor.methods import METHODS, MODEL_METHODS
from editor.models.device import INSTALL, NOT_INSTALLED
from editor.models.library import Library
from editor.phases import part
from editor.report import Assessment, EditResult, Masks, Progress, Reports
from editor.request import AssessRequest, EditRequest, SegmentRequest
from editor.segmentation.grabcut import GrabCut
from editor.segmentation.segmenter import Segmenter

if TYPE_CHECKING:
    from editor.diffusion.shelf import Shelf

LOADING = 0.25  # of the whole, where a model must be loaded first


class Engine:
    """Runs requests one at a time. It keeps what is dear to load: the model that was used last.

    `library`: where models are; asked anew for every request, since people add some while the program runs.
    """

    def __init__(self, library: Callable[[], Library] = Library, segmenter: Segmenter | None = None) -> None:
        self._library = library
        self._segmenter = segmenter or GrabCut()
        self._shelf: Shelf | None = None

    @overload
    def run(self, request: EditRequest) -> Reports[EditResult]: ...
    @overload
    def run(self, request: SegmentRequest) -> Reports[Masks]: ...
    @overload
    def run(self, request: AssessRequest) -> Reports[Assessment]: ...
    def run(
        self, request: EditRequest | SegmentRequest | AssessRequest
    ) -> Reports[EditResult] | Reports[Masks] | Reports[Assessment]:
        """The request's generator: it yields reports and returns the outcome. Closing it early cancels the work.

        Raises `EditorError` kinds, from here or from the generator.
        """
        match request:
            case SegmentRequest():
                return self._segmenter.segment(request)
            case AssessRequest():
                return self._assess(request)
        if type(request.settings) in METHODS:
            return METHODS[type(request.settings)]()(request)
        return self._with_model(request)

    def _with_model(self, request: EditRequest) -> Reports[EditResult]:
        info = self._library().find(request.model)
        yield Progress(0.0, "Getting the model")
        shelf = self._model_shelf()
        from editor.diffusion.shelf import telling_memory  # noqa: PLC0415  torch, as in `_model_shelf`

        begin = 0.0 if shelf.holds(info) else LOADING
        backend = yield from part(telling_memory(shelf.borrow(info, request)), 0.0, begin)
        edit = MODEL_METHODS[type(request.settings)]()
        return (yield from part(telling_memory(edit(request, backend)), begin, 1.0))

    def _assess(self, request: AssessRequest) -> Reports[Assessment]:
        info = self._library().find(request.model)
        yield Progress(0.0, "Looking at the memory")
        return self._model_shelf().assess(info, request)

    def _model_shelf(self) -> Shelf:
        if self._shelf is None:
            try:
                from editor.diffusion.shelf import Shelf  # noqa: PLC0415  torch takes seconds to import
            except ImportError as error:
                raise ModelUnavailable(NOT_INSTALLED, INSTALL) from error
            self._shelf = Shelf()
        return self._shelf
