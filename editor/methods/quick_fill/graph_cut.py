"""Labelling a pixel graph by alpha expansion (Boykov, Veksler, Zabih 2001) over scipy's maximum flow."""

from __future__ import annotations

from collections.abc import Generator
from dataclasses import dataclass
from typing import Protocol

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import csr_array
from scipy.sparse.csgraph import breadth_first_order, maximum_flow

Costs = NDArray[np.float32]
Labels = NDArray[np.intp]
Edges = NDArray[np.intp]

CAPACITY_SCALE = 1000  # maximum_flow wants int32


class PairCost(Protocol):
    """What it costs that the two ends of each edge carry labels `a` and `b`: (m,) labels in, (m,) float32 out.

    It must be a metric in the labels for expansion moves to be exact.
    """

    def __call__(self, a: Labels, b: Labels) -> Costs: ...


@dataclass(frozen=True, slots=True, eq=False)
class CutGraph:
    """The sparsity of a cut on a fixed pixel graph, made once, so that each cut only fills in capacities.

    Nodes 0 to n-1 are pixels, n the source, n+1 the sink. `indptr` and `indices` are the CSR structure with every arc and its
    reverse; `places` says where in it the capacities (edge forwards, source, sink, edge backwards) go.
    """

    nodes: int
    indptr: NDArray[np.int32]
    indices: NDArray[np.int32]
    places: NDArray[np.intp]

    @classmethod
    def of(cls, nodes: int, edges: Edges) -> CutGraph:
        """`edges`: (m, 2) pairs of nodes, each pair once in one direction."""
        every = np.arange(nodes)
        source, sink = np.full(nodes, nodes), np.full(nodes, nodes + 1)
        heads = np.concatenate([edges[:, 0], source, every, edges[:, 1], every, sink])
        tails = np.concatenate([edges[:, 1], every, sink, edges[:, 0], source, every])
        order = np.lexsort((tails, heads))
        places = np.empty_like(order)
        places[order] = np.arange(order.size)
        counts = np.bincount(heads, minlength=nodes + 2)
        indptr = np.concatenate([[0], np.cumsum(counts)]).astype(np.int32)
        return cls(nodes, indptr, tails[order].astype(np.int32), places[: 2 * len(edges) + 2 * nodes])

    def cut(self, between: Costs, back: Costs, source: Costs, sink: Costs) -> NDArray[np.bool_]:
        """The minimum cut: True for the nodes on the sink's side.

        `between`: (m,) paid when an edge's first end is on the source's side and its second on the sink's, `back`: (m,) the other
        way round. `source`: (n,) paid by a node on the sink's side, `sink`: (n,) paid by one on the source's. All at least 0.
        """
        capacities = np.zeros(self.indices.size, np.int32)
        wanted = np.concatenate([between, source, sink, back]) * CAPACITY_SCALE
        capacities[self.places] = np.minimum(wanted, 1 << 28).astype(np.int32)
        shape = (self.nodes + 2, self.nodes + 2)
        graph = csr_array((capacities, self.indices, self.indptr), shape=shape)
        flow = maximum_flow(graph, self.nodes, self.nodes + 1).flow
        residual = csr_array(graph - flow)
        residual.data = (residual.data > 0).astype(np.int32)
        residual.eliminate_zeros()
        reached = breadth_first_order(residual, self.nodes, return_predecessors=False)
        taken = np.ones(self.nodes + 2, np.bool_)
        taken[reached] = False
        return taken[: self.nodes]


def energy(unary: Costs, pair: PairCost, edges: Edges, labels: Labels) -> float:
    """The cost of a labelling: `unary` (K, n), `labels` (n,)."""
    total = float(unary[labels, np.arange(labels.size)].sum(dtype=np.float64))
    if len(edges):
        total += float(pair(labels[edges[:, 0]], labels[edges[:, 1]]).sum(dtype=np.float64))
    return total


def expand(unary: Costs, pair: PairCost, edges: Edges, labels: Labels, *, label: int, graph: CutGraph) -> Labels:
    """The best labelling in which every pixel either keeps its label or takes `label`.

    Decomposition after Kolmogorov and Zabih 2004; the pair term is clamped at 0 where the cost is not quite a metric.
    """
    every = np.arange(labels.size)
    change = unary[label, every] - unary[labels, every]  # what taking the label adds
    between = np.zeros(0, np.float32)
    if len(edges):
        p, q = edges[:, 0], edges[:, 1]
        new = np.full(len(edges), label)
        keep, second, first = pair(labels[p], labels[q]), pair(labels[p], new), pair(new, labels[q])
        change = change + np.bincount(p, first - keep, labels.size) - np.bincount(q, first, labels.size)
        between = np.maximum(second + first - keep, 0.0)
    taken = graph.cut(between, np.zeros_like(between), np.maximum(change, 0.0), np.maximum(-change, 0.0))
    return np.where(taken, label, labels)


def alpha_expansion(
    unary: Costs, pair: PairCost, edges: Edges, generator: np.random.Generator, sweeps: int = 2
) -> Generator[float, None, tuple[Labels, float]]:
    """Minimise `unary` (K, n) plus `pair` over `edges` (m, 2), from the cheapest label of every pixel on.

    Labels are tried in random order and a move is kept only if the true energy falls. Sweeps after the first leave out labels that
    never won anything: on photographs that costs a tenth of a later sweep's gain and saves half its time. Yields the share done
    after every label; returns the labels (n,) and their energy.
    """
    labels: Labels = unary.argmin(axis=0)
    best = energy(unary, pair, edges, labels)
    graph = CutGraph.of(labels.size, edges)
    count = unary.shape[0]
    worthwhile = np.ones(count, np.bool_)
    won = np.isin(np.arange(count), labels)
    for sweep in range(sweeps):
        before = best
        order = generator.permutation(count)
        order = order[worthwhile[order]]
        for done, label in enumerate(order):
            yield (sweep + done / order.size) / sweeps
            tried = expand(unary, pair, edges, labels, label=int(label), graph=graph)
            cost = energy(unary, pair, edges, tried)
            if cost < best - 1e-6:
                labels, best = tried, cost
                won[label] = True
        if best == before:
            break
        worthwhile = won.copy()
    return labels, best
