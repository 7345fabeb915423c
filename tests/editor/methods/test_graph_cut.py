"""Alpha expansion against trying every labelling, on graphs small enough for that."""

from __future__ import annotations

from collections.abc import Generator
from itertools import product
from typing import TypeVar

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from editor.methods.quick_fill.graph_cut import Costs, CutGraph, Edges, Labels, alpha_expansion, energy, expand
from editor.methods.quick_fill.labelling import hole_edges
from tests.support.reports import drive

T = TypeVar("T")


class Tiny:
    """A random problem on a grid; pair costs are distances between random points, so a metric in the labels."""

    def __init__(self, seed: int, height: int, width: int, labels: int) -> None:
        generator = np.random.default_rng(seed)
        self.edges: Edges = hole_edges(np.ones((height, width), np.bool_))
        self.unary: Costs = generator.uniform(0, 1, (labels, height * width)).astype(np.float32)
        self.points = generator.uniform(0, 1, (len(self.edges), labels, 2))

    def pair(self, a: Labels, b: Labels) -> Costs:
        every = np.arange(len(self.edges))
        found: Costs = np.linalg.norm(self.points[every, a] - self.points[every, b], axis=1).astype(np.float32)
        return found

    def cost(self, labels: Labels) -> float:
        return energy(self.unary, self.pair, self.edges, labels)


def finish(running: Generator[float, None, T]) -> T:
    def check(share: float) -> None:
        assert 0 <= share <= 1

    return drive(running, each=check)


tiny = st.builds(Tiny, st.integers(0, 10_000), st.integers(1, 2), st.integers(1, 3), st.integers(1, 3))


@settings(deadline=None, max_examples=60)
@given(tiny, st.data())
def test_an_expansion_is_the_best_of_all_its_moves(problem: Tiny, data: st.DataObject) -> None:
    count, size = problem.unary.shape
    start = np.array(data.draw(st.lists(st.integers(0, count - 1), min_size=size, max_size=size)))
    label = data.draw(st.integers(0, count - 1))
    graph = CutGraph.of(size, problem.edges)
    moved = expand(problem.unary, problem.pair, problem.edges, start, label=label, graph=graph)
    assert ((moved == start) | (moved == label)).all()
    moves = (np.where(taken, label, start) for taken in product([False, True], repeat=size))
    best = min(problem.cost(move) for move in moves)
    assert problem.cost(moved) <= best + 0.002 * size, "but for capacities being whole thousandths"


@settings(deadline=None, max_examples=60)
@given(tiny)
def test_alpha_expansion_comes_near_the_best_of_all_labellings(problem: Tiny) -> None:
    count, size = problem.unary.shape
    labels, cost = finish(alpha_expansion(problem.unary, problem.pair, problem.edges, np.random.default_rng(0), 4))
    every = (np.array(labelling) for labelling in product(range(count), repeat=size))
    best = min(problem.cost(labelling) for labelling in every)
    assert np.isclose(cost, problem.cost(labels), atol=1e-4)
    assert best - 1e-4 <= cost <= 2 * best + 0.01, "the bound of Boykov, Veksler and Zabih for metrics"
    assert cost <= problem.cost(problem.unary.argmin(axis=0)) + 1e-6


def test_a_cut_pays_the_cheaper_side() -> None:
    graph = CutGraph.of(3, np.array([[0, 1], [1, 2]]))
    ones: NDArray[np.float32] = np.ones(2, np.float32)
    source, sink = np.array([5, 0.2, 0], np.float32), np.array([0, 0, 5], np.float32)
    assert graph.cut(0.1 * ones, 0.1 * ones, source, sink).tolist() == [False, False, True]
    assert graph.cut(ones, 0 * ones, source, sink).tolist() == [False, False, True]
    assert graph.cut(np.array([0.1, 1], np.float32), 0 * ones, source, sink).tolist() == [False, True, True]
