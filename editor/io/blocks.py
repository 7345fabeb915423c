"""One block of tiles as bytes, and back, exactly.

The block is taken apart into byte planes (red, green, …; or the four bytes of the floats), each row becomes its difference to the row
above, and that goes through zlib looking for runs only. On photographs this is half the size of plain zlib in less than half the time.
"""

from __future__ import annotations

import zlib
from typing import Any

import numpy as np
from numpy.typing import NDArray


def pack(block: NDArray[Any]) -> bytes:
    """(h, w) or (h, w, C) of any plain number type as bytes."""
    little = np.ascontiguousarray(block, block.dtype.newbyteorder("<"))
    height, width = block.shape[:2]
    planes = np.moveaxis(little.view(np.uint8).reshape(height, width, -1), 2, 0)
    rows = planes.copy()
    rows[:, 1:] -= planes[:, :-1]
    packer = zlib.compressobj(1, strategy=zlib.Z_RLE)
    return packer.compress(rows.data) + packer.flush()


def unpack(data: bytes, into: NDArray[Any]) -> None:
    """Fill a block with what was packed. Never unpacks more than it holds; raises `ValueError` when the bytes do not fit it."""
    height, width = into.shape[:2]
    depth = into.nbytes // (height * width)
    unpacker = zlib.decompressobj()
    try:
        unpacked = unpacker.decompress(data, into.nbytes + 1)
    except zlib.error as error:
        raise ValueError("a block cannot be unpacked") from error
    if len(unpacked) != into.nbytes or not unpacker.eof:
        raise ValueError("a block has the wrong size")
    rows = np.frombuffer(unpacked, np.uint8).reshape(depth, height, width)
    planes = np.add.accumulate(rows, axis=1, dtype=np.uint8)
    little = np.ascontiguousarray(np.moveaxis(planes, 0, 2)).view(into.dtype.newbyteorder("<"))
    into[...] = little.reshape(into.shape)
