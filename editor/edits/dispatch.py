"""Dispatch of edits: from a document and a draft to what the button would do, and to requests.

Each asks the draft's method, looked up in the registry.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from editor.arrays import Map
from editor.document.document import Document
from editor.errors import InvalidRequest
from editor.geometry import Rect
from editor.methods.registry import METHODS, Methods
from editor.planning.plan import Draft, Plan, draw_seed
from editor.requests.edit_request import EditRequest, Repair, RepairRequest
from editor.requests.frame import Frame
from editor.requests.results import EditResult
from editor.requests.variants import Variant, VariantsRequest, with_seed


def plan(document: Document, draft: Draft, methods: Methods = METHODS) -> Plan:
    """The edit that the person most likely means; without an action where the method's model is missing."""
    return plans(document, draft, methods)[0]


def other_plan(document: Document, draft: Draft, methods: Methods = METHODS) -> Plan | None:
    """The edit that the person may mean just as well, to be offered beside `plan`; None where there is only one."""
    return plans(document, draft, methods)[1]


def plans(document: Document, draft: Draft, methods: Methods = METHODS) -> tuple[Plan, Plan | None]:
    """`plan` and `other_plan` from one look at the document."""
    return methods.of(draft.settings).plans(document, draft)


def possible_plans(document: Document, draft: Draft, methods: Methods = METHODS) -> tuple[Plan, ...]:
    """All the edits that could be meant, the likeliest first, whatever model there is."""
    return methods.of(draft.settings).possible_plans(document, draft)


def change_map(
    document: Document, draft: Draft, rect: Rect, planned: Plan | None = None, methods: Methods = METHODS
) -> Map:
    """(h, w) float32 in [0, 1]: how much every pixel inside `rect` may change if the edit ran now."""
    planned = planned or plan(document, draft, methods)
    return methods.of(draft.settings).change(document, draft, planned, rect)


def reach(document: Document, draft: Draft, planned: Plan, methods: Methods = METHODS) -> Rect:
    """A bound, in document pixels, of everything the planned edit may change."""
    return methods.of(draft.settings).reach(document, draft, planned)


def frame_for(
    document: Document, draft: Draft, planned: Plan | None = None, methods: Methods = METHODS
) -> Frame | None:
    """The frame of the request that `make_request` would make; None when it would make none for want of anything that may change.

    Quick for methods with a model. Without one it looks at everything that may change.
    """
    planned = planned or plan(document, draft, methods)
    return methods.of(draft.settings).frame(document, draft, planned)


def make_request(
    document: Document, draft: Draft, planned: Plan | None = None, methods: Methods = METHODS
) -> EditRequest:
    """The planned edit as a request; draws the seed when the draft has none.

    Raises `InvalidRequest` when there is nothing to do, or nothing it may change, and `ModelUnavailable` without a model that can be used
    where one is needed.
    """
    planned = planned or plan(document, draft, methods)
    return methods.of(draft.settings).request(document, draft, planned)


def repair(request: EditRequest, result: EditResult, how: Repair) -> RepairRequest:
    """For the result of a request, or of one with another seed. Raises `InvalidRequest` where it left nothing to begin from."""
    if result.latents is None:
        raise InvalidRequest("This edit leaves nothing that could be repaired.", "Run it again another way.")
    return RepairRequest(with_seed(request, result.recipe.seed), result.latents, how)


def candidates(request: EditRequest, count: int) -> VariantsRequest:
    """The same request with `count` seeds in a row, its own first."""
    return VariantsRequest.of_seeds(request, [(request.seed + i) % 2**63 for i in range(count)])


def at_strengths(
    document: Document,
    draft: Draft,
    levels: Sequence[float],
    planned: Plan | None = None,
    methods: Methods = METHODS,
) -> VariantsRequest:
    """The planned edit at several overall strengths, each just as `make_request` makes it; all have one seed, drawn when the draft has none.

    Those that leave nothing of what is painted are not among them. Raises what `make_request` raises where that is all of them.
    """
    if len(set(levels)) < len(levels):
        raise InvalidRequest("Strengths to try must differ.")
    seed = draw_seed() if draft.seed is None else draft.seed
    requests: list[EditRequest] = []
    refused: InvalidRequest | None = None
    for level in levels:
        try:
            requests.append(make_request(document, replace(draft, strength=level, seed=seed), planned, methods))
        except InvalidRequest as error:
            refused = error
    if refused is not None and not requests:
        raise refused
    return VariantsRequest(tuple(Variant(id, request) for id, request in enumerate(requests)), ranked=False)
