"""Content key: a name for what depends on some arrays, texts and numbers and on nothing else."""

from __future__ import annotations

import hashlib

import numpy as np
from numpy.typing import NDArray

ROWS = 64  # compared at a time, so that a difference is found soon and little is written


def content_key(*parts: NDArray[np.generic] | str | float, digest_size: int = 20) -> str:
    """The hash of all parts in order, as hexadecimal digits, two for each byte of `digest_size`; arrays count with shape, type and every number."""
    digest = hashlib.blake2b(digest_size=digest_size)
    for part in parts:
        if isinstance(part, np.ndarray):
            digest.update(f"{part.dtype.str}{part.shape}".encode())
            digest.update(np.ascontiguousarray(part).data)
        else:
            digest.update(f"{type(part).__name__}:{part!r};".encode())
    return digest.hexdigest()


def same_content(one: NDArray[np.generic] | None, other: NDArray[np.generic] | None) -> bool:
    """Whether two arrays have the same type, shape and numbers, bit for bit; at once where they are one, or both None."""
    if one is other:
        return True
    if one is None or other is None or one.shape != other.shape or one.dtype != other.dtype:
        return False
    if one.ndim == 0:
        return one.tobytes() == other.tobytes()
    for start in range(0, len(one), ROWS):
        own, its = (_wide(array[start : start + ROWS]) for array in (one, other))
        if not np.array_equal(own, its):
            return False
    return True


def _wide(array: NDArray[np.generic]) -> NDArray[np.generic]:
    """Its bytes, as few numbers as possible."""
    flat = np.ascontiguousarray(array).reshape(-1).view(np.uint8)
    return flat.view(np.uint64) if flat.size % 8 == 0 else flat
