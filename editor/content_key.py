"""Content key: a name for what depends on some arrays, texts and numbers and on nothing else."""

from __future__ import annotations

import hashlib

import numpy as np
from numpy.typing import NDArray


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
