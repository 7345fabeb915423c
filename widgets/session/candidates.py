"""Candidates: the finished results that can be accepted, in order, and which of them is chosen."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import overload

from editor.requests.results import EditResult, Match
from widgets.session.edit_job import Candidate, EditJob


@dataclass(frozen=True, slots=True, eq=False)
class Candidates(Sequence[Candidate]):
    """A list with a selection and an order.

    Those of one edit stand together: clean ones first, the best of them first as far as that is known, then in the order of making; several
    strengths from weak to strong.

    items: what is finished and neither accepted nor dropped.
    chosen: the place of the one that is to be kept.
    touched: whether somebody chose it.
    peeked: the result that is looked at just now; it is shown instead of the chosen one.
    held: whether the pointer is over them, so that their order stays as it is.
    """

    items: tuple[Candidate, ...] = ()
    chosen: int = 0
    touched: bool = False
    peeked: EditResult | None = None
    held: bool = False

    def __len__(self) -> int:
        return len(self.items)

    def __iter__(self) -> Iterator[Candidate]:
        return iter(self.items)

    @overload
    def __getitem__(self, at: int) -> Candidate: ...

    @overload
    def __getitem__(self, at: slice) -> tuple[Candidate, ...]: ...

    def __getitem__(self, at: int | slice) -> Candidate | tuple[Candidate, ...]:
        return self.items[at]

    @property
    def results(self) -> tuple[EditResult, ...]:
        return tuple(candidate.result for candidate in self.items)

    @property
    def place(self) -> int:
        """The place of the one that is shown: what is looked at just now, or else what was chosen."""
        return next((at for at, result in enumerate(self.results) if result is self.peeked), self.chosen)

    @property
    def current(self) -> Candidate | None:
        """What is shown and would be accepted, if something is finished."""
        return self.items[self.place] if self.items else None

    @property
    def shown(self) -> EditResult | None:
        """The result of the one that is shown."""
        return None if self.current is None else self.current.result

    @property
    def strength(self) -> float | None:
        """The overall strength of the one that is shown, where it is one of several to choose from."""
        return None if self.current is None else self.current.strength

    @property
    def best(self) -> Candidate | None:
        """Of the edit whose candidate is shown, the one that fits the words best, where there is more than one to compare."""
        rated = [] if self.current is None else [one for one in self.of(self.current.edit_job) if one.match is not None]
        return max(rated, key=lambda one: one.rank) if len(rated) > 1 else None

    @property
    def best_first(self) -> bool:
        """Whether the one that fits best comes first: not while their order is held."""
        best = self.best
        return best is not None and self.of(best.edit_job)[0] is best

    def of(self, edit_job: EditJob) -> list[Candidate]:
        """Those of one edit."""
        return [self.items[at] for at in self._places(edit_job)]

    # Changes

    def choose(self, at: int) -> Candidates:
        return replace(self, chosen=at, touched=True, peeked=None)

    def hold(self, held: bool, edit_job: EditJob) -> Candidates:
        """With the order of those of an edit kept as it is, or made good again."""
        return replace(self, held=held)._ranked(edit_job)

    def with_result(self, result: EditResult, edit_job: EditJob) -> Candidates:
        """One more, beside what there is of the same edit."""
        mine = self._places(edit_job)
        at = mine[-1] + 1 if mine else len(self.items)
        items = (*self.items[:at], Candidate(result, edit_job), *self.items[at:])
        candidates = replace(self, items=items, chosen=self.chosen + (at <= self.chosen and bool(self.items)))
        if not edit_job.strengths:
            return candidates._ranked(edit_job)
        return candidates if self.touched else candidates._nearest(edit_job)

    def with_match(self, edit_job: EditJob, variant: int, match: Match) -> Candidates:
        """With it said how well a result fits the words."""
        items = tuple(
            replace(one, match=match) if one.edit_job is edit_job and one.result.variant == variant else one
            for one in self.items
        )
        return replace(self, items=items)._ranked(edit_job)

    def with_outdated(self, outdated: Callable[[EditJob], bool]) -> Candidates:
        """With it said of each whether what it was made from has been undone; the same object where that is nothing new."""
        items = tuple(
            one if one.outdated == outdated(one.edit_job) else replace(one, outdated=not one.outdated)
            for one in self.items
        )
        same = all(one is other for one, other in zip(items, self.items, strict=True))
        return self if same else replace(self, items=items)

    def without(self, accepted: Candidate) -> Candidates:
        """Without a candidate and what it was an alternative to: the others of the same edit, and those that change any of the same pixels."""

        def stays(candidate: Candidate) -> bool:
            meets = not candidate.result.rect.intersect(accepted.result.rect).empty
            return candidate.edit_job.edit is not accepted.edit_job.edit and not meets

        items = tuple(filter(stays, self.items))
        before = sum(map(stays, self.items[: self.items.index(accepted)]))
        chosen = min(before, max(0, len(items) - 1))
        return replace(self, items=items, chosen=chosen, touched=False, peeked=None)

    def _ranked(self, edit_job: EditJob) -> Candidates:
        """Those of an edit with clean ones first, in order of fit, what was not rated last. What somebody chose stays chosen; else it is the best."""
        mine = self._places(edit_job)
        if self.held or not mine or edit_job.strengths:
            return self
        places = list(range(len(self.items)))
        order = sorted(mine, key=lambda at: self.items[at].rank, reverse=True)
        for at, best in zip(mine, order, strict=True):
            places[at] = best
        chosen = places.index(self.chosen) if self.touched or self.chosen not in mine else mine[0]
        return replace(self, items=tuple(self.items[at] for at in places), chosen=chosen)

    def _nearest(self, edit_job: EditJob) -> Candidates:
        """With the one chosen, of several strengths, that is nearest to what was set."""
        mine, wish = self._places(edit_job), edit_job.draft.strength
        if self.chosen not in mine:
            return self  # of another edit
        return replace(self, chosen=min(mine, key=lambda at: abs(self.items[at].result.recipe.strength - wish)))

    def _places(self, edit_job: EditJob) -> list[int]:
        """Where the candidates of an edit stand."""
        return [at for at, one in enumerate(self.items) if one.edit_job.edit is edit_job.edit]
