"""Engine: the model half's front door. It looks up who answers a request and hands back the generator that does.

Only the worker imports this module: methods bring heavy libraries with them, which the window must not wait for.
"""

from __future__ import annotations

from typing import overload

from editor.methods import METHODS
from editor.report import EditResult, Masks, Reports
from editor.request import EditRequest, SegmentRequest
from editor.segmentation.grabcut import GrabCut
from editor.segmentation.segmenter import Segmenter


class Engine:
    """Runs requests one at a time. It keeps what is dear to load; quick fill and GrabCut need nothing kept."""

    def __init__(self, segmenter: Segmenter | None = None) -> None:
        self._segmenter = segmenter or GrabCut()

    @overload
    def run(self, request: EditRequest) -> Reports[EditResult]: ...
    @overload
    def run(self, request: SegmentRequest) -> Reports[Masks]: ...
    def run(self, request: EditRequest | SegmentRequest) -> Reports[EditResult] | Reports[Masks]:
        """The request's generator: it yields reports and returns the outcome. Closing it early cancels the work.

        Raises `EditorError` kinds, from here or from the generator.
        """
        if isinstance(request, SegmentRequest):
            return self._segmenter.segment(request)
        return METHODS[type(request.settings)](request)
