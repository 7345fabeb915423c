"""Peak memory of networks, measured without running them: every operation is traced on tensors that have shapes and no numbers.

What lives at once is counted from the storages that the network's own operations make and let go. Attention is counted as the fused kernels do
it, which hold no matrix of scores.
"""

from __future__ import annotations

import weakref
from collections import Counter
from collections.abc import Callable, Iterator
from typing import Any

import torch
from torch.nn import functional
from torch.overrides import TorchFunctionMode
from torch.utils._python_dispatch import TorchDispatchMode


class LiveBytes(TorchDispatchMode):  # type: ignore[no-untyped-call]
    """Counts bytes of storages that were made while it is on and are still held.

    live, peak: now, and the most at once
    fullest: how large the storages were that were held at the fullest moment
    """

    def __init__(self) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self.live: int = 0
        self.peak: int = 0
        self.fullest: tuple[int, ...] = ()
        self._held: Counter[int] = Counter()
        self._known: weakref.WeakSet[Any] = weakref.WeakSet()

    def __torch_dispatch__(self, function: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        given = {id(storage) for storage in _storages((args, kwargs))}
        outcome = function(*args, **(kwargs or {}))
        for storage in _storages(outcome):
            if id(storage) not in given and storage not in self._known:
                self._count(storage)
        if function is torch.ops.aten.convolution.default and max(args[1].shape[2:]) > 1:
            # Its library lays what goes in by blocks of channels, in a copy that lives as long as the operation.
            self._look(self.live + args[0].nbytes)
        return outcome

    def _count(self, storage: Any) -> None:
        size = storage.nbytes()
        self._known.add(storage)
        self.live += size
        self._held[size] += 1
        self._look(self.live)
        weakref.finalize(storage, self._drop, size)

    def _drop(self, size: int) -> None:
        self.live -= size
        self._held[size] -= 1

    def _look(self, held: int) -> None:
        if held > self.peak:
            self.peak = held
            self.fullest = tuple(self._held.elements())


class FusedAttention(TorchFunctionMode):
    """Attention as one operation that makes nothing but its output."""

    def __torch_function__(self, function: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        if function is functional.scaled_dot_product_attention:
            query, value = args[0], args[2] if len(args) > 2 else kwargs["value"]
            return query.new_empty(*query.shape[:-1], value.shape[-1])
        return function(*args, **(kwargs or {}))


def peak_bytes(run: Callable[[], object]) -> int:
    """The most that what `run` makes takes at once, beside what is there before."""
    return traced(run).peak


def traced(run: Callable[[], object]) -> LiveBytes:
    """What `run` makes, beside what is there before."""
    live = LiveBytes()
    with torch.no_grad(), FusedAttention(), live:
        run()
    return live


def _storages(tree: Any) -> Iterator[Any]:
    if isinstance(tree, torch.Tensor):
        yield tree.untyped_storage()
    elif isinstance(tree, (tuple, list)):
        for branch in tree:
            yield from _storages(branch)
    elif isinstance(tree, dict):
        yield from _storages(tuple(tree.values()))
