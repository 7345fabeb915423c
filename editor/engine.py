"""Engine: the model half's front door. It looks up who answers a request and hands back the generator that does.

Only the worker imports this module: methods bring heavy libraries with them, which the window must not wait for.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar, overload

from editor.document.colour import convert, same_space
from editor.errors import EditorError, InvalidRequest, ModelUnavailable, NotFinite, OutOfMemory, let_go
from editor.execution import EXECUTIONS, Execution, Executions
from editor.live_runs import MAX_BYTES, LiveRuns
from editor.model_canvas.translucent import as_translucent, preview_as_translucent
from editor.models.device import INSTALL, NOT_INSTALLED
from editor.models.info import ModelInfo
from editor.models.library import Library
from editor.models.rankers import ranker_for
from editor.requests.edit_request import (
    AssessRequest,
    EditRequest,
    FitRequest,
    RepairRequest,
    SegmentRequest,
)
from editor.requests.live import EndLiveRequest, LiveRequest
from editor.requests.method_settings import MethodSettings, Use
from editor.requests.reports import (
    FinishEarly,
    Preview,
    Progress,
    Reports,
    collected,
    emit_result,
    map_results,
    subprogress,
    without_results,
)
from editor.requests.results import Assessment, EditResult, FitResult, LiveResult, Masks
from editor.requests.variants import Variant, VariantsRequest, batches
from editor.segmentation.grabcut import GrabCut
from editor.segmentation.segmenter import Segmenter

if TYPE_CHECKING:
    from editor.diffusion.fits import FitStore
    from editor.diffusion.loan import Loan
    from editor.diffusion.model_cache import ModelCache
    from editor.diffusion.ranking import ClipScorer, Ranking
    from editor.execution import ModelEdit

log = logging.getLogger(__name__)

T = TypeVar("T")

LOADING = 0.25  # of the whole, where a model must be loaded first


class Engine:
    """Runs requests one at a time. It keeps what is dear to load: the model that was used last.

    library: where models are; asked anew for every request, since people add some while the program runs
    learned: a folder for what is learned about pictures, up to a bound; without one it is kept in memory
    executions: how each method is carried out, by its settings class
    live_bytes: what each live picture may keep of states, where the model computes, and again of pictures
    """

    def __init__(
        self,
        library: Callable[[], Library] = Library,
        segmenter: Segmenter | None = None,
        learned: Path | None = None,
        executions: Executions = EXECUTIONS,
        live_bytes: int = MAX_BYTES,
    ) -> None:
        self._executions = executions
        self._library = library
        self._learned = learned
        self._segmenter = segmenter or GrabCut()
        self._cache: ModelCache | None = None
        self._fits: FitStore | None = None
        self._live_runs = LiveRuns(live_bytes)

    @overload
    def run(self, request: EditRequest | RepairRequest) -> Reports[EditResult]: ...
    @overload
    def run(self, request: VariantsRequest) -> Reports[tuple[EditResult, ...]]: ...
    @overload
    def run(self, request: SegmentRequest) -> Reports[Masks]: ...
    @overload
    def run(self, request: AssessRequest) -> Reports[Assessment]: ...
    @overload
    def run(self, request: FitRequest) -> Reports[FitResult]: ...
    @overload
    def run(self, request: LiveRequest) -> Reports[LiveResult]: ...
    @overload
    def run(self, request: EndLiveRequest) -> Reports[None]: ...
    def run(
        self,
        request: (
            EditRequest
            | RepairRequest
            | VariantsRequest
            | SegmentRequest
            | AssessRequest
            | FitRequest
            | LiveRequest
            | EndLiveRequest
        ),
    ) -> (
        Reports[EditResult]
        | Reports[tuple[EditResult, ...]]
        | Reports[Masks]
        | Reports[Assessment]
        | Reports[FitResult]
        | Reports[LiveResult]
        | Reports[None]
    ):
        """The request's generator: it yields reports and returns the outcome. Closing it early cancels the work.

        Raises `EditorError` kinds, from here or from the generator.
        """
        match request:
            case SegmentRequest():
                return self._segmenter.segment(request)
            case AssessRequest():
                return self._assess(request)
            case FitRequest():
                return self._fit(request)
            case RepairRequest():
                return _as_in_document(self._repair(request), request.request)
            case VariantsRequest():
                return self._variants(request)
            case LiveRequest():
                return _as_in_document(self._live(request), request.request)
            case EndLiveRequest():
                return self._end_live(request)
            case EditRequest():
                return _only(without_results(self._variants(VariantsRequest((Variant(0, request),), ranked=False))))

    def _variants(self, request: VariantsRequest) -> Reports[tuple[EditResult, ...]]:
        """Each result is reported as `ResultReady`. The error of those that come to nothing is raised at the end, after the others."""
        variants = request.variants
        if all(self._execution(variant.request.settings).edit is not None for variant in variants):
            return (yield from self._batches(request, None))
        largest = max((variant.request for variant in variants), key=lambda edit: edit.frame.working.area)
        return (yield from self._acquire(largest, lambda job: self._batches(request, job)))

    def _batches(self, request: VariantsRequest, job: _Job | None) -> Reports[tuple[EditResult, ...]]:
        """One batch after the other. job: the model in use; None where no method needs one."""
        results: list[EditResult] = []
        lost: EditorError | None = None
        low, past, groups = 0.0 if job is None else job.low, 0, tuple(batches(request.variants))
        for batch in groups:
            begin, end = (low + (1 - low) * n / len(request.variants) for n in (past, past + len(batch)))
            words = f" · {_place(batch, past, request.variants)}" if len(groups) > 1 else ""
            # Each its own way back: faint strength makes frames, and what is to stay translucent, differ.
            reports = _as_in_document(self._batch(batch, job, ranked=request.ranked), batch[0].request)
            try:
                run = yield from collected(reports, begin, end, more=words, errors=(NotFinite,))
            except FinishEarly:
                if not results:
                    raise  # there is nothing yet
                break
            if run.error is not None:
                if len(groups) == 1:
                    raise run.error
                let_go(run.error)
                lost = run.error
            results += run.results
            past += len(batch)
            if run.early:
                break
        if lost is not None:
            raise lost
        return tuple(results)

    def _batch(self, batch: Sequence[Variant], job: _Job | None, *, ranked: bool) -> Reports[tuple[EditResult, ...]]:
        execution = self._execution(batch[0].request.settings)
        if execution.edit is not None:
            return self._without_model(batch, execution.edit)
        if execution.edit_on_model is None or job is None:
            raise TypeError(f"{type(batch[0].request.settings).__name__} has no edit")
        return self._run_in_batches(execution.edit_on_model, batch, job, ranked=ranked)

    def _execution(self, settings: MethodSettings) -> Execution:
        kind = next((base for base in type(settings).__mro__ if base in self._executions), None)
        if kind is None:
            raise InvalidRequest("This version of the program does not know how to make this edit.", "Choose a method.")
        return self._executions[kind]()

    def _without_model(
        self, variants: Sequence[Variant], edit: Callable[[EditRequest], Reports[EditResult]]
    ) -> Reports[tuple[EditResult, ...]]:
        count = len(variants)
        results: list[EditResult] = []
        for number, variant in enumerate(variants):
            words = f" · {_numbers(number, 1, count)}" if count > 1 else ""
            one = edit(variant.request)
            result = yield from subprogress(one, number / count, (number + 1) / count, more=words)
            results.append(replace(result, variant=variant.id))
            yield from emit_result(results[-1])
        return tuple(results)

    def _acquire(
        self, request: EditRequest | FitRequest, use: Callable[[_Job], Reports[T]], known: ModelInfo | None = None
    ) -> Reports[T]:
        """Get the request's model, and lend it for as long as `use` goes on. known: what the library says of it; None to ask."""
        info = self._library().find(request.model) if known is None else known
        yield Progress(0.0, "Getting the model")
        cache = self._model_cache()
        from editor.diffusion.loan import Loan  # noqa: PLC0415  torch, as in `_model_cache`
        from editor.diffusion.model_cache import translate_oom  # noqa: PLC0415  as above

        with cache.lease() as lease:
            low = 0.0 if cache.has(info) else LOADING
            if low:  # what was kept on another model makes room, and means nothing on this one
                self._live_runs.end_all()
            backend = yield from subprogress(translate_oom(lease.painter(info, request)), 0.0, low)

            def scorer() -> ClipScorer | None:
                """Looked for when it is first needed: that takes a moment where many folders are searched."""
                ranker = ranker_for(self._library(), info)
                return None if ranker is None else lease.scorer(ranker)

            def edit(inner: EditRequest) -> Reports[EditResult]:
                return self._inner(inner, loan)

            loan = Loan(backend, self._fit_store(), scorer, lease.helper, edit)
            return (yield from use(_Job(info, loan, low)))

    def _inner(self, request: EditRequest, loan: Loan) -> Reports[EditResult]:
        """One edit for another that runs: on its model, in sRGB, without its results being shown."""
        execution = self._execution(request.settings)
        if execution.edit is not None:
            return execution.edit(request)
        if execution.edit_on_model is None:
            raise TypeError(f"{type(request.settings).__name__} has no edit")
        if request.model != loan.backend.info.key:
            raise InvalidRequest("An edit within an edit runs on the same model.", "Choose the same model for both.")
        return _only(without_results(execution.edit_on_model((Variant(0, request),), loan)))

    def _run_in_batches(
        self, edit: ModelEdit, variants: Sequence[Variant], job: _Job, *, ranked: bool
    ) -> Reports[tuple[EditResult, ...]]:
        """The results of variants that share a batch, as many at once as memory allows. The error of those that are lost is raised last."""
        cache, request = self._model_cache(), variants[0].request
        at_once, left = len(variants), list(variants)
        results: list[EditResult] = []
        lost: EditorError | None = None
        ranking = _ranking(request, job) if ranked else None
        while left:
            # Asked again each time: what ranks has taken some of the memory.
            at_once = min(at_once, cache.max_batch(job.info, request, len(left)))
            chunk, past = left[:at_once], len(variants) - len(left)
            begin, end = past / len(variants), (past + len(chunk)) / len(variants)
            run = yield from collected(
                job.sound(edit(chunk, job.loan)),
                begin,
                end,
                more=f" · {_numbers(past, len(chunk), len(variants))}" if len(variants) > 1 else "",
                errors=(NotFinite, OutOfMemory),
            )
            done = {variant.id for variant in chunk}
            match run.error:
                case NotFinite():
                    if not results and not run.results:
                        raise run.error  # other seeds would hardly fare better
                    log.warning("Some results came to nothing: %s", run.error)
                    lost = run.error
                case OutOfMemory():
                    if len(chunk) == 1 or run.early:
                        raise run.error
                    log.info("No memory for %d results at once", len(chunk))
                    at_once = len(chunk) // 2
                    done = {result.variant for result in run.results}
            if run.error is not None:
                let_go(run.error)  # its frames hold what there was no room for
            results += run.results
            left = [variant for variant in left if variant.id not in done]
            if run.early or not (yield from _rank(ranking, run.results, end)):
                break
        if lost is not None:
            raise lost
        return tuple(results)

    def _repair(self, request: RepairRequest) -> Reports[EditResult]:
        repair = self._execution(request.request.settings).repair
        if repair is None:
            raise InvalidRequest("This edit leaves nothing that could be repaired.", "Run it again another way.")
        return (
            yield from self._acquire(
                request.request, lambda job: subprogress(job.sound(repair(request, job.loan)), job.low, 1.0)
            )
        )

    def _live(self, request: LiveRequest) -> Reports[LiveResult]:
        """As the edit by itself, in sRGB and opaque; only what differs from earlier rounds is computed, where the method can."""
        edit = request.request
        execution = self._execution(edit.settings)
        make = execution.live
        if make is None:
            self._live_runs.end(request.key)  # of the method before
            whole = self._whole(edit, execution)
            return LiveResult((yield from whole))

        def use(job: _Job) -> Reports[LiveResult]:
            run = self._live_runs.run(request.key, make, job.info)
            return subprogress(job.sound(run.edit(edit, job.loan.backend)), job.low, 1.0)

        try:
            return (yield from self._acquire(edit, use, self._live_runs.model(edit.model)))
        except OutOfMemory:
            self._live_runs.end(request.key)
            raise

    def _whole(self, request: EditRequest, execution: Execution) -> Reports[EditResult]:
        """An edit by itself, in sRGB and opaque."""
        batch = (Variant(0, request),)
        if execution.edit is not None:
            return _only(without_results(self._without_model(batch, execution.edit)))

        def use(job: _Job) -> Reports[tuple[EditResult, ...]]:
            return subprogress(self._batch(batch, job, ranked=False), job.low, 1.0)

        return _only(without_results(self._acquire(request, use)))

    def _end_live(self, request: EndLiveRequest) -> Reports[None]:
        self._live_runs.end(request.key)
        yield from ()

    def _fit(self, request: FitRequest) -> Reports[FitResult]:
        fit = self._execution(request.settings).fit
        if fit is None:
            raise InvalidRequest("This method learns nothing about a picture.", "Choose one that does.")
        return (
            yield from self._acquire(request, lambda job: subprogress(job.sound(fit(request, job.loan)), job.low, 1.0))
        )

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


@dataclass(frozen=True, slots=True, eq=False)
class _Job:
    """A model in use. `low`: the share of the whole, 0 to 1, that getting it took."""

    info: ModelInfo
    loan: Loan
    low: float

    def sound(self, reports: Reports[T]) -> Reports[T]:
        """The same reports; what libraries and networks do wrong becomes an error that says so."""
        from editor.diffusion.finite import diagnosed  # noqa: PLC0415  torch, as in `_model_cache`
        from editor.diffusion.model_cache import translate_oom  # noqa: PLC0415  as above

        return translate_oom(diagnosed(reports, self.loan.backend))


def _ranking(request: EditRequest, job: _Job) -> Ranking | None:
    """How to rank the results, None where there is nothing to rank them by."""
    if Use.RANKING not in request.settings.uses or not request.prompt.strip():
        return None
    from editor.diffusion.ranking import Ranking  # noqa: PLC0415  torch, as in `_model_cache`

    return Ranking(job.loan.scorer, request, request.settings.ranking_look)


def _rank(ranking: Ranking | None, results: Sequence[EditResult], at: float) -> Reports[bool]:
    """Report how well results fit the words. Returns whether to go on: not when somebody asked to finish early meanwhile."""
    if ranking is not None:
        try:
            yield from subprogress(ranking.scored(results), at, at)
        except FinishEarly:
            return False
    return True


def _only(reports: Reports[tuple[EditResult, ...]]) -> Reports[EditResult]:
    (result,) = yield from reports
    return result


def _place(batch: Sequence[Variant], past: int, variants: Sequence[Variant]) -> str:
    """Which of the variants a batch is: "strength 2 of 3" where they differ in it, else as `_numbers`."""
    strengths = {variant.request.overall for variant in variants}
    if len(batch) == 1 and len(strengths) == len(variants):
        return f"strength {past + 1} of {len(variants)}"
    return _numbers(past, len(batch), len(variants))


def _numbers(finished: int, now: int, wanted: int) -> str:
    """Which of the results are being made: "2 of 3", "all 4", "1 to 2 of 4"."""
    if now == wanted:
        return f"all {wanted}"
    return f"{finished + 1} of {wanted}" if now == 1 else f"{finished + 1} to {finished + now} of {wanted}"
