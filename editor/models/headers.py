"""What weight files say about themselves: names, shapes and kinds of their numbers, without reading a single weight.

Files come from strangers. Nothing is read beyond the header of a safetensors file or a small JSON file, and everything is checked before use.
"""

from __future__ import annotations

import errno
import itertools
import math
import os
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from editor.io.safe_json import MAX_BYTES, BadJson, NotAFile, open_regular, parse_object, read_start

HEADER_LIMIT = 16 * 2**20  # bytes; that of a large model takes a quarter of one MiB
JSON_LIMIT = MAX_BYTES
MAX_TENSORS = 50_000  # in one file; a large model has 4,000
MAX_SHARDS = 1000
MAX_NAMES = 20_000  # looked at in one folder
DTYPES = {
    **dict.fromkeys(("BOOL", "U8", "I8", "F8_E4M3", "F8_E5M2", "F8_E8M0"), 1),
    **dict.fromkeys(("I16", "U16", "F16", "BF16"), 2),
    **dict.fromkeys(("I32", "U32", "F32"), 4),
    **dict.fromkeys(("I64", "U64", "F64"), 8),
}
VARIANTS = ("", "fp16", "bf16")  # as in `model.fp16.safetensors`; the first that is there is taken
PICKLES = (".bin", ".ckpt", ".pt", ".pth")


class Damaged(Exception):
    """A file is not what its name promises. The message goes on a sentence that begins with the name of the file."""


@dataclass(frozen=True, slots=True)
class Tensor:
    """One array of a file. `dtype` as safetensors spell it."""

    dtype: str
    shape: tuple[int, ...]

    @property
    def count(self) -> int:
        return math.prod(self.shape)

    @property
    def stored(self) -> int:
        """Bytes."""
        return self.count * DTYPES[self.dtype]


@dataclass(frozen=True, slots=True)
class Header:
    """All that one safetensors file tells before its weights."""

    tensors: Mapping[str, Tensor]
    metadata: Mapping[str, str]


@dataclass(frozen=True, slots=True)
class Weights:
    """The files of one part. `variant`: as in `model.fp16.safetensors`, empty for the plain ones. `index`: the list of several files, None for
    one."""

    files: tuple[Path, ...]
    variant: str = ""
    index: Path | None = None

    @property
    def tensors(self) -> tuple[Tensor, ...]:
        """Raises `Damaged`."""
        return tuple(tensor for file in self.files for tensor in read_header(file).tensors.values())


def read_header(path: Path) -> Header:
    """The header of a safetensors file, checked against the length of the file. Raises `Damaged`."""
    try:
        with open_regular(path) as file:
            length = os.fstat(file.fileno()).st_size
            start = file.read(8)
            if b"version https://git-lfs".startswith(start) and len(start) == 8:
                raise Damaged("is a placeholder of git-lfs, without the weights")
            if len(start) < 8:
                raise Damaged("is empty or cut off")
            size = int.from_bytes(start, "little")
            if start.startswith((b"PK", b"\x80")) and size > HEADER_LIMIT:
                raise Damaged("is a pickle under another name")
            if size > HEADER_LIMIT:
                raise Damaged("is not a safetensors file")
            if 8 + size > length:
                raise Damaged("is cut off")
            text = file.read(size)
    except OSError as error:
        raise _unread(error) from error
    raw = _parsed(text, HEADER_LIMIT)
    metadata = raw.pop("__metadata__", {})
    if not isinstance(metadata, dict) or len(raw) > MAX_TENSORS:
        raise Damaged("has a damaged header")
    tensors = {name: _tensor(entry, length - 8 - size) for name, entry in raw.items()}
    if sum(tensor.stored for tensor in tensors.values()) > length - 8 - size:  # the same bytes, told several times
        raise Damaged("has a damaged header")
    return Header(tensors, {str(key): str(value) for key, value in metadata.items()})


def _tensor(entry: Any, room: int) -> Tensor:
    match entry:
        case {"dtype": str(dtype), "shape": list(shape), "data_offsets": [int(begin), int(end)]}:
            whole = dtype in DTYPES and len(shape) <= 16 and all(_whole(side) and 0 <= side < 2**40 for side in shape)
            if not whole or not (_whole(begin) and _whole(end)):
                raise Damaged("has a damaged header")
            tensor = Tensor(dtype, tuple(shape))
            if begin < 0 or end - begin != tensor.stored:
                raise Damaged("has a damaged header")
            if end > room:
                raise Damaged("is cut off: its header promises more than the file holds")
            return tensor
        case _:
            raise Damaged("has a damaged header")


def _whole(value: Any) -> bool:
    return isinstance(value, int) and not isinstance(value, bool)


def read_json(path: Path) -> dict[str, Any]:
    """A small JSON file that holds an object. Numbers may be infinite, as in settings of schedulers. Raises `Damaged`."""
    try:
        text = read_start(path, JSON_LIMIT + 1)
    except OSError as error:
        raise _unread(error) from error
    return _parsed(text, JSON_LIMIT, infinite=True)


def _parsed(text: bytes, limit: int, *, infinite: bool = False) -> dict[str, Any]:
    try:
        return parse_object(text, limit, infinite=infinite)
    except BadJson as error:
        raise Damaged(str(error)) from error


def _unread(error: OSError) -> Damaged:
    if error.errno in (errno.ENOENT, errno.ENOTDIR):
        return Damaged("is missing")
    if isinstance(error, NotAFile):
        return Damaged(f"is {error.strerror}")
    return Damaged(f"cannot be read ({error.strerror or 'unknown reason'})")


def find_weights(folder: Path) -> Weights:
    """The safetensors files of one part of a diffusers folder, whole or in shards. Raises `Damaged`, naming the file in its message."""
    for variant in VARIANTS:
        dot = f".{variant}" if variant else ""
        for stem in ("diffusion_pytorch_model", "model"):
            single = folder / f"{stem}{dot}.safetensors"
            if os.path.lexists(single):
                return Weights((single,), variant)
            index = folder / f"{stem}.safetensors.index{dot}.json"
            if os.path.lexists(index):
                return Weights(_shards(index), variant, index)
    raise Damaged(_why_none(folder))


def _shards(index: Path) -> tuple[Path, ...]:
    try:
        mapped = read_json(index).get("weight_map")
    except Damaged as error:
        raise Damaged(f"“{index.name}” {error}") from error
    if not isinstance(mapped, dict) or not mapped:
        raise Damaged(f"“{index.name}” does not list the weights")
    names = sorted({name for name in mapped.values() if isinstance(name, str)})
    if len(names) > MAX_SHARDS:
        raise Damaged(f"“{index.name}” lists far too many files")
    if not all(re.fullmatch(r"[\w.\-]{1,200}\.safetensors", name) for name in names):  # a name, never a way elsewhere
        raise Damaged(f"“{index.name}” points outside of its folder")
    return tuple(index.parent / name for name in names)


def _why_none(folder: Path) -> str:
    try:
        with os.scandir(folder) as entries:
            names = [entry.name for entry in itertools.islice(entries, MAX_NAMES)]
    except OSError:
        return "the folder is missing"
    if any(name.endswith(".incomplete") for name in names) or unfinished(folder.parent, folder.name):
        return "the download has not been finished"
    if any(name.endswith(PICKLES) for name in names):
        return "there are only pickle files, which can run any program when they are opened"
    return "there are no weights (.safetensors)"


def unfinished(model: Path, part: str = "") -> bool:
    """Whether the hub's own client left a download half-way for this folder."""
    places = [model / ".cache" / "huggingface" / "download" / part]
    if model.parent.name == "snapshots":
        places.append(model.parent.parent / "blobs")
    for place in places:
        try:
            with os.scandir(place) as entries:
                if any(entry.name.endswith(".incomplete") for entry in itertools.islice(entries, MAX_NAMES)):
                    return True
        except OSError:
            continue
    return False
