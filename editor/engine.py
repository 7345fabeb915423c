"""Engine: the model half's front door. It looks up who answers a request and hands back the generator that does.

Only the worker imports this module: methods bring heavy libraries with them, which the window must not wait for.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar, overload

from editor.document.colour import convert, same_space
from editor.errors import InvalidRequest, ModelUnavailable, NotFinite, OutOfMemory, let_go
from editor.execution import EXECUTIONS, Execution, Executions
from editor.model_canvas.translucent import as_translucent, preview_as_translucent
from editor.models.device import INSTALL, NOT_INSTALLED
from editor.models.info import ModelInfo
from editor.models.library import Library
from editor.models.rankers import ranker_for
from editor.requests.edit_request import (
    AssessRequest,
    CandidatesRequest,
    EditRequest,
    RepairRequest,
    SegmentRequest,
    StrengthsRequest,
)
from editor.requests.method_settings import MethodSettings, Use
from editor.requests.reports import (
    FinishEarly,
    Preview,
    Progress,
    Report,
    Reports,
    ResultReady,
    emit_result,
    map_reports,
    map_results,
    subprogress,
    without_results,
)
from editor.requests.results import Assessment, EditResult, Masks
from editor.segmentation.grabcut import GrabCut
from editor.segmentation.segmenter import Segmenter

if TYPE_CHECKING:
    from editor.diffusion.fits import FitStore
    from editor.diffusion.model_cache import ModelCache
    from editor.diffusion.ranking import ClipScorer, Ranking

log = logging.getLogger(__name__)

T = TypeVar("T")

LOADING = 0.25  # of the whole, where a model must be loaded first


class Engine:
    """Runs requests one at a time. It keeps what is dear to load: the model that was used last.

    library: where models are; asked anew for every request, since people add some while the program runs
    learned: a folder for what is learned about pictures, up to a bound; without one it is kept in memory
    executions: how each method is carried out, by its settings class
    """

    def __init__(
        self,
        library: Callable[[], Library] = Library,
        segmenter: Segmenter | None = None,
        learned: Path | None = None,
        executions: Executions = EXECUTIONS,
    ) -> None:
        self._executions = executions
        self._library = library
        self._learned = learned
        self._segmenter = segmenter or GrabCut()
        self._cache: ModelCache | None = None
        self._fits: FitStore | None = None

    @overload
    def run(self, request: EditRequest | RepairRequest) -> Reports[EditResult]: ...
    @overload
    def run(self, request: CandidatesRequest | StrengthsRequest) -> Reports[tuple[EditResult, ...]]: ...
    @overload
    def run(self, request: SegmentRequest) -> Reports[Masks]: ...
    @overload
    def run(self, request: AssessRequest) -> Reports[Assessment]: ...
    def run(
        self,
        request: EditRequest | RepairRequest | CandidatesRequest | StrengthsRequest | SegmentRequest | AssessRequest,
    ) -> Reports[EditResult] | Reports[tuple[EditResult, ...]] | Reports[Masks] | Reports[Assessment]:
        """The request's generator: it yields reports and returns the outcome. Closing it early cancels the work.

        Raises `EditorError` kinds, from here or from the generator.
        """
        match request:
            case SegmentRequest():
                return self._segmenter.segment(request)
            case AssessRequest():
                return self._assess(request)
            case RepairRequest():
                return _as_in_document(self._repair(request), request.request)
            case CandidatesRequest():
                return _as_in_document(self._candidates(request), request.request)
            case StrengthsRequest():
                return self._strengths(request)
            case EditRequest():
                return _as_in_document(self._single(request), request)

    def _single(self, request: EditRequest) -> Reports[EditResult]:
        (result,) = yield from without_results(
            self._candidates(CandidatesRequest(request, (request.seed,)), ranked=False)
        )
        return result

    def _strengths(self, request: StrengthsRequest) -> Reports[tuple[EditResult, ...]]:
        """One after the other; each is reported as `ResultReady`. One that comes to nothing is raised at the end, after the others."""
        results: list[EditResult] = []
        lost: NotFinite | None = None
        count = len(request.requests)
        for number, each in enumerate(request.requests):
            # Each its own way back: faint strength makes frames, and what is to stay translucent, differ.
            once = self._candidates(CandidatesRequest(each, (each.seed,)), ranked=False)
            run = _Watched(_as_in_document(once, each))
            words = f" · strength {number + 1} of {count}" if count > 1 else ""
            try:
                results += yield from subprogress(run.reports(), number / count, (number + 1) / count, more=words)
            except NotFinite as error:
                let_go(error)
                lost = error
            except FinishEarly:
                if not results:
                    raise  # there is nothing yet
            if run.early:
                break
        if lost is not None:
            raise lost
        return tuple(results)

    def _candidates(self, request: CandidatesRequest, *, ranked: bool = True) -> Reports[tuple[EditResult, ...]]:
        execution = self._execution(request.request.settings)
        if execution.edit is not None:
            return (yield from self._without_model(request, execution.edit))
        return (yield from self._with_model(request, ranked))

    def _execution(self, settings: MethodSettings) -> Execution:
        kind = next((base for base in type(settings).__mro__ if base in self._executions), None)
        if kind is None:
            raise InvalidRequest("This version of the program does not know how to make this edit.", "Choose a method.")
        return self._executions[kind]()

    def _without_model(
        self, request: CandidatesRequest, edit: Callable[[EditRequest], Reports[EditResult]]
    ) -> Reports[tuple[EditResult, ...]]:
        count = len(request.seeds)
        results: list[EditResult] = []
        for number, seed in enumerate(request.seeds):
            one = edit(replace(request.request, seed=seed))
            words = f" · {_numbers(number, 1, count)}" if count > 1 else ""
            results.append((yield from subprogress(one, number / count, (number + 1) / count, more=words)))
            yield from emit_result(results[-1])
        return tuple(results)

    def _with_model(self, request: CandidatesRequest, ranked: bool) -> Reports[tuple[EditResult, ...]]:
        info = self._library().find(request.request.model)
        yield Progress(0.0, "Getting the model")
        cache = self._model_cache()
        from editor.diffusion.finite import diagnosed  # noqa: PLC0415  torch, as in `_model_cache`
        from editor.diffusion.model_cache import translate_oom  # noqa: PLC0415  as above

        edit, seeds = self._execution(request.request.settings).edit_on_model, request.seeds
        if edit is None:
            raise TypeError(f"{type(request.request.settings).__name__} has no edit")
        low = 0.0 if cache.has(info) else LOADING
        backend = yield from subprogress(translate_oom(cache.acquire(info, request.request)), 0.0, low)
        at_once, left = len(seeds), list(seeds)
        results: list[EditResult] = []
        lost: NotFinite | None = None
        ranking = self._ranking(cache, info, request.request) if ranked else None
        while left:
            # Asked again each time: what ranks has taken some of the memory.
            at_once = min(at_once, cache.max_batch(info, request.request, len(left)))
            chunk, past = left[:at_once], len(seeds) - len(left)
            run = _Watched(translate_oom(diagnosed(edit(request.request, chunk, backend, self._fit_store()), backend)))
            begin, end = (low + (1 - low) * count / len(seeds) for count in (past, past + len(chunk)))
            words = f" · {_numbers(past, len(chunk), len(seeds))}" if len(seeds) > 1 else ""
            new: Sequence[EditResult]
            done: Sequence[int] = chunk
            try:
                new = yield from subprogress(run.reports(), begin, end, more=words)
            except NotFinite as error:
                if not results and not run.found:
                    raise  # other seeds would hardly fare better
                let_go(error)
                log.warning("Some results came to nothing: %s", error)
                new, lost = run.found, error
            except OutOfMemory as error:
                if len(chunk) == 1 or run.early:
                    raise
                let_go(error)  # its frames hold what there was no room for
                log.info("No memory for %d results at once", len(chunk))
                new, at_once = run.found, len(chunk) // 2
                done = [result.recipe.seed for result in new]
            results += new
            left = [seed for seed in left if seed not in done]
            if run.early:
                break
            if ranking is not None:
                try:
                    yield from subprogress(ranking.scored(new), end, end)
                except FinishEarly:
                    break
        if lost is not None:
            raise lost
        return tuple(results)

    def _ranking(self, cache: ModelCache, info: ModelInfo, request: EditRequest) -> Ranking | None:
        """How to rank the results, None where there is nothing to rank them by."""
        if Use.RANKING not in request.settings.uses or not request.prompt.strip():
            return None
        from editor.diffusion.ranking import Ranking  # noqa: PLC0415  torch, as in `_model_cache`

        def get() -> ClipScorer | None:
            """Looked for when the first result is there: that takes a moment where many folders are searched."""
            found = ranker_for(self._library(), info)
            return None if found is None else cache.scorer(found)

        return Ranking(get, request, request.settings.ranking_look)

    def _repair(self, request: RepairRequest) -> Reports[EditResult]:
        info = self._library().find(request.request.model)
        yield Progress(0.0, "Getting the model")
        cache = self._model_cache()
        from editor.diffusion.finite import diagnosed  # noqa: PLC0415  torch, as in `_model_cache`
        from editor.diffusion.model_cache import translate_oom  # noqa: PLC0415  as above

        repair = self._execution(request.request.settings).repair
        if repair is None:
            raise InvalidRequest("This edit leaves nothing that could be repaired.", "Run it again another way.")
        low = 0.0 if cache.has(info) else LOADING
        backend = yield from subprogress(translate_oom(cache.acquire(info, request.request)), 0.0, low)
        mending = diagnosed(repair(request, backend, self._fit_store()), backend)
        return (yield from subprogress(translate_oom(mending), low, 1.0))

    def _assess(self, request: AssessRequest) -> Reports[Assessment]:
        info: ModelInfo = self._library().find(request.model)
        yield Progress(0.0, "Looking at the memory")
        return self._model_cache().assess(info, request)

    def _fit_store(self) -> FitStore:
        if self._fits is None:
            from editor.diffusion.fits import FitStore  # noqa: PLC0415  torch, as in `_model_cache`

            self._fits = FitStore(self._learned)
        return self._fits

    def _model_cache(self) -> ModelCache:
        if self._cache is None:
            try:
                from editor.diffusion.model_cache import ModelCache  # noqa: PLC0415  torch takes seconds to import
            except ImportError as error:
                raise ModelUnavailable(NOT_INSTALLED, INSTALL) from error
            self._cache = ModelCache()
        return self._cache


def _as_in_document(reports: Reports[T], request: EditRequest) -> Reports[T]:
    """What comes out of a method that works in sRGB and sees the picture on white, in the colour space of the document and as translucent."""
    icc, alpha, rect = request.icc, request.alpha, request.frame.rect
    if same_space(icc, None) and alpha is None:
        return reports

    def back(result: EditResult) -> EditResult:
        result = replace(result, pixels=convert(result.pixels, None, icc))
        return result if alpha is None else as_translucent(result, alpha, rect)

    def shown(preview: Preview) -> Preview:
        preview = replace(preview, pixels=convert(preview.pixels, None, icc))
        return preview if alpha is None else preview_as_translucent(preview, alpha, rect)

    return map_results(reports, back, shown)


class _Watched:
    """Reports passed on. `early`: whether somebody asked to finish early on the way. `found`: what was finished so far."""

    def __init__(self, reports: Reports[Sequence[EditResult]]) -> None:
        self._reports = reports
        self.early = False
        self.found: list[EditResult] = []

    def reports(self) -> Reports[Sequence[EditResult]]:
        return map_reports(self._reports, self._seen, self._hurry)

    def _seen(self, report: Report) -> Report:
        if isinstance(report, ResultReady):
            self.found.append(report.result)
        return report

    def _hurry(self) -> None:
        self.early = True


def _numbers(made: int, now: int, wanted: int) -> str:
    """Which of the results are being made: "2 of 3", "all 4", "1 to 2 of 4"."""
    if now == wanted:
        return f"all {wanted}"
    return f"{made + 1} of {wanted}" if now == 1 else f"{made + 1} to {made + now} of {wanted}"
