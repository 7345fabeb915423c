"""Operations on attention: record, replace and scale probabilities, group tokens by item, and give values an input of their own.

Probabilities are (rows, heads, queries, keys) float32, after the softmax; `Site.spans` says which queries and keys are the picture's and which the
text's. Operations act in the order in which they are given, and never in place, so that gradients flow through all of them.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Literal

import torch

from editor.diffusion.attention.label_grid import Labels, Rule, labels_on_grid
from editor.diffusion.attention.sites import Call, Kind, Place, Site
from editor.errors import OutOfMemory

SHARED = -1  # owner of a token that every item may read
Where = Callable[[Site], bool]
Key = tuple[int | None, str]  # step, name of a site


def everywhere(site: Site) -> bool:
    """All sites."""
    return True


def only(*kinds: Kind, places: Sequence[Place] = (), max_tokens: int | None = None) -> Where:
    """Sites of some kinds and places whose grids have at most `max_tokens` cells; what is left out does not restrict."""

    def chosen(site: Site) -> bool:
        small = max_tokens is None or site.tokens <= max_tokens
        return small and (not kinds or site.kind in kinds) and (not places or site.place in places)

    return chosen


@dataclass(eq=False, kw_only=True)
class Operation:
    """Something to do at some sites, at some steps, to some rows.

    where: which sites, asked once for each size of latents.
    steps: absolute indices at which it acts; None at all of them.
    branch, role: which rows it acts on, None on all of them.
    explicit: whether it works on the probabilities, which fused attention never writes down.
    """

    where: Where = everywhere
    steps: range | None = None
    branch: str | None = None
    role: str | None = None
    explicit = False

    def wants(self, site: Site) -> bool:
        """Whether it acts at a site at all; where none does, the network's own attention runs untouched."""
        return self.where(site)

    def acts(self, step: int | None) -> bool:
        """At a step. Raises ValueError where that depends on a step which nobody has said."""
        if self.steps is None:
            return True
        if step is None:
            raise ValueError(
                f"{type(self).__name__} acts at steps {self.steps}, but the network was called without one"
            )
        return step in self.steps

    def allowed(self, call: Call, queries: int, keys: int, device: torch.device) -> torch.Tensor | None:
        """Which queries may read which keys, (batch or 1, 1, queries, keys) bool; None where nothing is forbidden."""
        return None

    def changed(self, call: Call, probabilities: torch.Tensor) -> torch.Tensor:
        """Probabilities of all rows after it."""
        return probabilities

    def values(self, call: Call, context: torch.Tensor) -> torch.Tensor:
        """What the projection of the values reads, (batch, tokens, width)."""
        return context

    def rows(self, call: Call) -> tuple[int, ...]:
        return call.select(self.branch, self.role)


@dataclass(eq=False, kw_only=True)
class Record(Operation):
    """Keeps the attention probabilities it is shown; with gradients where these are on.

    heads: "mean" over them, or "each".
    over_steps: "each" step by itself, the newest evaluation of a step counting, or the "mean" of all evaluations.
    part: "text": how the picture reads the text, (rows, [heads,] picture tokens, text tokens); of sites without text, and with "all", everything.
    max_bytes: that all maps may take; beyond it `OutOfMemory` is raised and nothing more is kept.
    detached: whether gradients are cut off.
    maps: by step and name of the site; the step is None with "mean", or where nobody has said it.
    sites: those seen, by name.
    bytes: that all maps take.
    """

    heads: Literal["mean", "each"] = "mean"
    over_steps: Literal["each", "mean"] = "each"
    part: Literal["text", "all"] = "text"
    max_bytes: int = 1 << 30
    detached: bool = False
    explicit = True
    maps: dict[Key, torch.Tensor] = field(default_factory=dict, init=False)
    sites: dict[str, Site] = field(default_factory=dict, init=False)
    bytes: int = field(default=0, init=False)
    _counts: dict[Key, int] = field(default_factory=dict, init=False, repr=False)

    def changed(self, call: Call, probabilities: torch.Tensor) -> torch.Tensor:
        # Checkpointed blocks run once more on the way back: what they show then was seen before.
        rows = () if _on_the_way_back() else self.rows(call)
        if rows:
            self._keep(call, _of_rows(self._shown(call.site, probabilities), rows))
        return probabilities

    def clear(self) -> None:
        """Forgets all maps."""
        self.maps.clear()
        self.sites.clear()
        self._counts.clear()
        self.bytes = 0

    def mean(self, where: Where = everywhere, step: int | None = None) -> torch.Tensor:
        """Mean of what was kept at a step over sites, which must have one grid. Raises ValueError where nothing was."""
        chosen = [kept for (at, name), kept in self.maps.items() if at == step and where(self.sites[name])]
        if not chosen:
            raise ValueError(f"nothing was recorded there at step {step}")
        return torch.stack(chosen).mean(0)

    def _shown(self, site: Site, probabilities: torch.Tensor) -> torch.Tensor:
        spans = site.spans(*probabilities.shape[-2:])
        if self.part == "text" and site.kind != "self":
            probabilities = probabilities[..., spans.image_queries, spans.text_keys]
        return probabilities.detach() if self.detached else probabilities

    def _keep(self, call: Call, probabilities: torch.Tensor) -> None:
        seen = probabilities.mean(1) if self.heads == "mean" else probabilities
        key = (call.step if self.over_steps == "each" else None, call.site.name)
        before = self.maps.get(key)
        if self.over_steps == "mean" and before is not None:
            count = self._counts[key] + 1
            seen = before + (seen - before) / count
            self._counts[key] = count
        else:
            self._counts[key] = 1
        # A view would keep all rows and heads alive.
        seen = seen.contiguous()
        size = self.bytes + seen.nbytes - (0 if before is None else before.nbytes)
        if size > self.max_bytes:
            raise OutOfMemory(
                f"What the model attends to does not fit into the {self.max_bytes / 1e6:.0f} MB that are kept for it.",
                "Work on a smaller part of the picture, or with fewer steps.",
            )
        self.maps[key], self.bytes = seen, size
        self.sites[call.site.name] = call.site


Compute = Callable[[Call, torch.Tensor, torch.Tensor | None], torch.Tensor]


def of_the_source(call: Call, own: torch.Tensor, source: torch.Tensor | None) -> torch.Tensor:
    """The source's probabilities as they are."""
    if source is None:
        raise ValueError("there is no source to take probabilities from")
    return source.expand_as(own)


@dataclass(eq=False, kw_only=True)
class Replace(Operation):
    """Puts other probabilities in the place of some rows' own.

    compute: (call, own, source) -> probabilities of `own`'s shape; what was recorded elsewhere it may know by itself. `own` and `source`: (n, heads,
        queries, keys) of one branch. It is called once for each branch that has such rows.
    source: role of the rows that it is shown beside the own, one or as many as there are own; None for none.
    """

    compute: Compute = of_the_source
    source: str | None = None
    explicit = True

    def changed(self, call: Call, probabilities: torch.Tensor) -> torch.Tensor:
        for branch in call.rows.branches if self.branch is None else (self.branch,):
            rows = call.select(branch, self.role)
            if not rows:
                continue
            own = _of_rows(probabilities, rows)
            source = None if self.source is None else _of_rows(probabilities, call.select(branch, self.source))
            instead = self.compute(call, own, source)
            if instead.shape != own.shape:
                raise ValueError(
                    f"{tuple(instead.shape)} cannot take the place of {tuple(own.shape)} at {call.site.name}"
                )
            probabilities = _with_rows(probabilities, rows, instead.to(probabilities.dtype))
        return probabilities


@dataclass(eq=False, kw_only=True)
class Scale(Operation):
    """Weighs text tokens: how much of each the picture takes in. Sites without text stay as they are.

    weights: (text tokens) factors, 1 for as it is.
    renormalise: whether a query's probabilities add up to 1 again; Prompt-to-Prompt leaves them.
    """

    weights: torch.Tensor
    renormalise: bool = False
    explicit = True

    def wants(self, site: Site) -> bool:
        return site.kind != "self" and self.where(site)

    def changed(self, call: Call, probabilities: torch.Tensor) -> torch.Tensor:
        spans, rows = call.site.spans(*probabilities.shape[-2:]), self.rows(call)
        if not rows:
            return probabilities
        tokens = spans.text_keys.stop - spans.text_keys.start
        if self.weights.shape != (tokens,):
            raise ValueError(f"{tuple(self.weights.shape)} weights for {tokens} tokens of text")
        factors = torch.ones(probabilities.shape[-2:], device=probabilities.device, dtype=probabilities.dtype)
        factors[spans.image_queries, spans.text_keys] = self.weights.to(factors)
        scaled = _of_rows(probabilities, rows) * factors
        if self.renormalise:
            scaled = scaled / scaled.sum(-1, keepdim=True)
        return _with_rows(probabilities, rows, scaled)


@dataclass(eq=False, kw_only=True)
class Group(Operation):
    """Grouped cross-attention: a picture token reads the text of its own item only (D-Edit, Feng et al., arXiv 2403.04880).

    The softmax runs over the item's own tokens alone. It is one fused attention with a mask. In joint attention an item's text also reads, of the
    picture and of the text, its own item's part only; the picture reads all of the picture.

    labels: (H, W) integers, the item of each pixel of what the model sees.
    owners: (text tokens) the item whose prompt a token is of; `SHARED` for one that all may read.
    rule, order: how labels are brought to a site's grid, as in `labels_on_grid`.
    other_tokens: how many tokens rows outside `branch` and `role` may read, from the first on; None for all. (A batch has one length of text.)
    """

    labels: Labels
    owners: torch.Tensor
    rule: Rule = "majority"
    order: Sequence[int] = ()
    other_tokens: int | None = None
    _masks: dict[tuple[object, ...], torch.Tensor] = field(default_factory=dict, init=False, repr=False)

    def wants(self, site: Site) -> bool:
        return site.kind != "self" and self.where(site)

    def allowed(self, call: Call, queries: int, keys: int, device: torch.device) -> torch.Tensor | None:
        site, rows = call.site, self.rows(call)
        if not rows and self.other_tokens is None:
            return None
        key = (site.grid, site.kind, site.text_first, queries, keys, device, rows, call.batch)
        if key not in self._masks:
            self._masks[key] = self._mask(site, rows, call.batch, queries, keys).to(device)
        return self._masks[key]

    def _mask(self, site: Site, rows: tuple[int, ...], batch: int, queries: int, keys: int) -> torch.Tensor:
        spans = site.spans(queries, keys)
        tokens = spans.text_keys.stop - spans.text_keys.start
        if self.owners.shape != (tokens,):
            raise ValueError(f"{tuple(self.owners.shape)} owners for {tokens} tokens of text")
        owners = self.owners.cpu()
        items = torch.from_numpy(
            labels_on_grid(self.labels, site.grid, self.rule, self.order).astype("int64")
        ).flatten()
        reads = (items[:, None] == owners[None]) | (owners == SHARED)[None]
        if not reads.any(1).all():
            silent = sorted(set(items[~reads.any(1)].tolist()))
            raise ValueError(f"no token of text is for items {silent}")
        grouped = torch.ones(queries, keys, dtype=torch.bool)
        grouped[spans.image_queries, spans.text_keys] = reads
        if spans.text_queries.stop > spans.text_queries.start:
            grouped[spans.text_queries, spans.image_keys] = reads.T
            shared = owners == SHARED
            same = (owners[:, None] == owners[None]) | shared[:, None] | shared[None]
            grouped[spans.text_queries, spans.text_keys] = same
        others = torch.ones(queries, keys, dtype=torch.bool)
        if self.other_tokens is not None:
            others[:, spans.text_keys.start + self.other_tokens : spans.text_keys.stop] = False
        if len(rows) == batch:
            return grouped[None, None]
        chosen = torch.zeros(batch, 1, 1, 1, dtype=torch.bool)
        chosen[list(rows)] = True
        return torch.where(chosen, grouped, others)


@dataclass(eq=False, kw_only=True)
class ValueInput(Operation):
    """Gives the values of text tokens another input than the keys: keys say where a word acts, values what it looks like (StyleDiffusion).

    compute: (call, context of some rows (n, tokens, width)) -> of the same shape.
    """

    compute: Callable[[Call, torch.Tensor], torch.Tensor]

    def wants(self, site: Site) -> bool:
        return site.kind != "self" and self.where(site)

    def values(self, call: Call, context: torch.Tensor) -> torch.Tensor:
        rows = self.rows(call)
        return _with_rows(context, rows, self.compute(call, _of_rows(context, rows))) if rows else context


def _of_rows(tensor: torch.Tensor, rows: tuple[int, ...]) -> torch.Tensor:
    return tensor if len(rows) == len(tensor) else tensor[list(rows)]


def _with_rows(tensor: torch.Tensor, rows: tuple[int, ...], instead: torch.Tensor) -> torch.Tensor:
    """A copy with some rows replaced."""
    return (
        instead if len(rows) == len(tensor) else tensor.index_copy(0, torch.tensor(rows, device=tensor.device), instead)
    )


def _on_the_way_back() -> bool:
    """Whether a backward pass is running in this thread."""
    return int(torch._C._current_graph_task_id()) != -1
