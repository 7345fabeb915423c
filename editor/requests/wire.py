"""Wire format of the waist: requests, reports, results and errors as bytes and back, exactly. Nothing in a message is ever run.

A message is a fixed start (`START`), a JSON header, and blocks, each of which begins at a multiple of `ALIGNMENT`. The header holds the value, in
which arrays, byte strings and tiles are places in the list of blocks, and what that list says of each. Arrays travel as they lie in memory, with two
savings that cost next to nothing: what is alike all around is cropped away, and yes or no takes one bit. To squeeze them harder takes longer than to
send them (the benchmark `wire`).
"""

from __future__ import annotations

import dataclasses
import functools
import json
import math
import struct
import types
import typing
from collections.abc import Iterable, Sequence
from typing import Any, Final, Literal

import numpy as np
from numpy.typing import NDArray

from editor import errors
from editor.document.tiles import Tiles
from editor.errors import EditorError, InternalError
from editor.geometry import Placement, Rect, Size
from editor.io.safe_json import BadJson, parse_json
from editor.requests import edit_request, live, method_settings, reports, results, variants
from editor.requests.frame import Frame
from editor.requests.method_settings import MethodSettings
from editor.requests.opaque import Opaque

VERSION: Final = 1
START: Final = struct.Struct("<8sII")  # the format's name, its version, bytes of the header
NAME: Final = b"palimpse"
ALIGNMENT: Final = 16  # bytes
MAX_HEADER: Final = 8 * 2**20  # bytes
MAX_BYTES: Final = 4 * 2**30
MAX_BLOCKS: Final = 10_000
MAX_DIMENSIONS: Final = 4
DTYPES: Final = {"u1": np.uint8, "b1": np.bool_, "i2": np.int16, "i4": np.int32, "i8": np.int64} | {
    "f4": np.float32,
    "f8": np.float64,
}
MIN_SAVED: Final = 0.1  # of an array's pixels: less is not worth a copy

Part = bytes | memoryview

VALUES: Final[tuple[type, ...]] = (
    Rect,
    Size,
    Frame,
    Opaque,
    Placement,
    edit_request.Subject,
    edit_request.ItemInput,
    edit_request.ExemplarInput,
    edit_request.EditRequest,
    variants.Variant,
    variants.VariantsRequest,
    edit_request.RepairRequest,
    edit_request.SegmentRequest,
    edit_request.AssessRequest,
    edit_request.FitRequest,
    live.LiveRequest,
    live.EndLiveRequest,
    method_settings.UnknownSettings,
    results.Recipe,
    results.Match,
    results.EditResult,
    results.LiveResult,
    results.Masks,
    results.Assessment,
    results.FitResult,
    reports.Progress,
    reports.Preview,
    reports.ResultReady,
    reports.Scored,
)
ERRORS: Final[dict[str, type[EditorError]]] = {
    kind.__name__: kind
    for kind in vars(errors).values()
    if isinstance(kind, type) and issubclass(kind, EditorError) and kind is not EditorError
}


class UnreadableMessage(InternalError):
    """Bytes that are no message, or one of another version of the program."""


class Wire:
    """Encodes and decodes what crosses the waist.

    settings: of all methods; they are told apart by the names of their classes
    max_bytes: larger messages, and messages of larger arrays, are refused before anything is made of them
    """

    def __init__(self, settings: Iterable[type[MethodSettings]], max_bytes: int = MAX_BYTES) -> None:
        self._classes: dict[str, type] = {kind.__name__: kind for kind in (*VALUES, *settings)}
        self._max_bytes = max_bytes

    def encode(self, value: Any) -> list[Part]:
        """The parts of a message, to be sent one after the other; they may be views of the value's own arrays.

        Raises `TypeError` for what does not belong into the waist.
        """
        blocks = _Blocks()
        content = self._plain(value, blocks)
        header = json.dumps([content, blocks.about], separators=(",", ":"), allow_nan=False).encode("ascii")
        parts: list[Part] = [START.pack(NAME, VERSION, len(header)), header, _padding(START.size + len(header))]
        for block in blocks.parts:
            parts += [*block, _padding(sum(map(len, block)))]
        return parts

    def decode(self, message: bytes | bytearray | memoryview) -> Any:
        """The value; its arrays are read-only, and views of the message where nothing was saved.

        Raises `UnreadableMessage`, and what the value's own checks raise (`InvalidRequest`).
        """
        try:
            content, arrays = self._read(memoryview(message).toreadonly())
            return self._value(content, arrays)
        except EditorError:
            raise
        except (BadJson, TypeError, ValueError, KeyError, IndexError, OverflowError, struct.error) as error:
            raise UnreadableMessage(
                f"What was sent by another part of the program cannot be read: {error}.",
                "Start it again; all parts must be of the same version.",
            ) from error

    # The header

    def _plain(self, value: Any, blocks: _Blocks) -> Any:
        """A value as JSON can hold it; arrays and the like go to the blocks."""
        match value:
            case None | bool() | int() | str():
                return int(value) if isinstance(value, int) and not isinstance(value, bool) else value
            case float() | np.floating():
                number = float(value)
                return number if math.isfinite(number) else {"float": repr(number)}
            case np.integer():
                return int(value)
            case np.ndarray():
                return {"array": blocks.add(value)}
            case bytes():
                return {"bytes": blocks.add(np.frombuffer(value, np.uint8))}
            case Tiles():
                return {"tiles": blocks.add(value.read())}
            case EditorError() if isinstance(value, tuple(ERRORS.values())):
                # One of a kind that only its own module knows goes as the one that it is a case of.
                name = next(kind.__name__ for kind in type(value).__mro__ if ERRORS.get(kind.__name__) is kind)
                return {"error": name, "has": [value.message, value.advice]}
        name = type(value).__name__
        if self._classes.get(name) is type(value):
            return {"is": name, "has": [self._plain(held, blocks) for held in _values_of(value)]}
        if type(value) is tuple:
            return [self._plain(held, blocks) for held in value]
        raise TypeError(f"a {name} does not belong into a message")

    def _value(self, content: Any, arrays: Sequence[NDArray[Any]]) -> Any:
        match content:
            case None | bool() | int() | float() | str():
                return content
            case list():
                return tuple(self._value(held, arrays) for held in content)
            case {"float": "nan" | "inf" | "-inf" as number, **more} if not more:
                return float(number)
            case {"array": int(place), **more} if not more and place >= 0:
                return arrays[place]
            case {"bytes": int(place), **more} if not more and place >= 0:
                return arrays[place].tobytes()
            case {"tiles": int(place), **more} if not more and place >= 0:
                return Tiles.of(np.array(arrays[place]))
            case {"error": str(name), "has": [str(message), str(advice)], **more} if not more:
                return ERRORS[name](message, advice)
            case {"is": str(name), "has": list(held), **more} if not more:
                return _made(self._classes[name], [self._value(value, arrays) for value in held])
        raise ValueError("a value of no known kind")

    # The blocks

    def _read(self, message: memoryview) -> tuple[Any, list[NDArray[Any]]]:
        if len(message) > self._max_bytes:
            raise ValueError("it is too large")
        name, version, length = START.unpack_from(message)
        if name != NAME:
            raise ValueError("it is no message")
        if version != VERSION:
            raise ValueError("it is of another version")
        at = START.size + length
        if length > MAX_HEADER or at > len(message):
            raise ValueError("it ends too soon")
        header = parse_json(bytes(message[START.size : at]), MAX_HEADER, names=True)
        match header:
            case [content, list(about)] if len(about) <= MAX_BLOCKS:
                pass
            case _:
                raise ValueError("its header is of another kind")
        blocks = [_Block.of(description) for description in about]
        if sum(block.whole for block in blocks) > self._max_bytes:
            raise ValueError("it is too large")
        arrays = []
        at += -at % ALIGNMENT
        for block in blocks:
            end = at + block.sent
            if end > len(message):
                raise ValueError("it ends too soon")
            arrays.append(block.array(message[at:end]))
            at = end + -end % ALIGNMENT
        if at != len(message):
            raise ValueError("it is longer than it says")
        return content, arrays


@dataclasses.dataclass(frozen=True, slots=True)
class _Block:
    """What the header says of one array.

    dtype: a key of `DTYPES`
    shape: of the whole
    rows, columns: what was sent, from and to; all around it is one value, which is sent first. None where all was sent
    bits: whether each number is sent as one bit
    """

    dtype: str
    shape: tuple[int, ...]
    rows: tuple[int, int] | None
    columns: tuple[int, int] | None
    bits: bool

    @classmethod
    def of(cls, about: Any) -> _Block:
        """From a header that nobody vouches for. Raises `ValueError`."""
        match about:
            case [str(dtype), list(shape), list(crop), bool(bits)] if dtype in DTYPES and len(shape) <= MAX_DIMENSIONS:
                pass
            case _:
                raise ValueError("an array of no known kind")
        if not all(type(length) is int and 0 <= length < 2**40 for length in (*shape, *crop)):
            raise ValueError("an array of no size")
        if bits and dtype != "b1":
            raise ValueError("numbers in one bit each")
        if not crop:
            return cls(dtype, tuple(shape), None, None, bits)
        if len(crop) != 4 or len(shape) < 2 or not (crop[0] <= crop[1] <= shape[0] and crop[2] <= crop[3] <= shape[1]):
            raise ValueError("a part that is no part of its array")
        return cls(dtype, tuple(shape), (crop[0], crop[1]), (crop[2], crop[3]), bits)

    @property
    def _type(self) -> np.dtype[Any]:
        return np.dtype(DTYPES[self.dtype]).newbyteorder("<")

    @property
    def _pixel(self) -> int:
        """Bytes of the value all around."""
        return 0 if self.rows is None else math.prod(self.shape[2:]) * self._type.itemsize

    @property
    def _part(self) -> tuple[int, ...]:
        """The shape of what was sent."""
        if self.rows is None or self.columns is None:
            return self.shape
        return (self.rows[1] - self.rows[0], self.columns[1] - self.columns[0], *self.shape[2:])

    @property
    def whole(self) -> int:
        """Bytes of the array, once it is read; those of a message full of empty ones are not nothing."""
        return math.prod(self.shape) * self._type.itemsize + ALIGNMENT

    @property
    def sent(self) -> int:
        """Bytes in the message."""
        count = math.prod(self._part)
        return self._pixel + (-(-count // 8) if self.bits else count * self._type.itemsize)

    def array(self, data: memoryview) -> NDArray[Any]:
        """Read-only."""
        around, data = data[: self._pixel], data[self._pixel :]
        if self.bits:
            packed = np.frombuffer(data, np.uint8)
            part = np.unpackbits(packed, count=math.prod(self._part)).view(np.bool_).reshape(self._part)
        else:
            if self.dtype == "b1" and any(np.frombuffer(data, np.uint8) > 1):
                raise ValueError("a yes or no that is neither")
            part = np.frombuffer(data, self._type).reshape(self._part)
        if self.rows is not None and self.columns is not None:
            if self.dtype == "b1" and max(around) > 1:
                raise ValueError("a yes or no that is neither")
            whole = np.empty(self.shape, self._type)
            whole[...] = np.frombuffer(around, self._type).reshape(self.shape[2:])
            whole[slice(*self.rows), slice(*self.columns)] = part
            part = whole
        part.setflags(write=False)
        return part


class _Blocks:
    """The arrays of a message that is being made. The same one twice is sent once."""

    def __init__(self) -> None:
        self.about: list[Any] = []
        self.parts: list[list[Part]] = []
        self._places: dict[int, tuple[int, NDArray[Any]]] = {}  # with the array, so that its id is nobody else's

    def add(self, array: NDArray[Any]) -> int:
        """Its place in the list. Raises `TypeError` for numbers of another type than any of the waist's."""
        if id(array) not in self._places:
            self._places[id(array)] = len(self.about), array
            self._pack(array)
        return self._places[id(array)][0]

    def _pack(self, array: NDArray[Any]) -> None:
        dtype = next((name for name, kind in DTYPES.items() if array.dtype == kind), None)
        if dtype is None or array.ndim > MAX_DIMENSIONS:
            raise TypeError(f"an array of {array.dtype} {array.shape} does not belong into a message")
        little = np.ascontiguousarray(array, array.dtype.newbyteorder("<")).reshape(array.shape)
        crop, part, block = _interesting(little), little, list[Part]()
        if crop is not None:
            top, bottom, left, right = crop
            block.append(little[0, 0].tobytes())
            part = np.ascontiguousarray(little[top:bottom, left:right])
        bits = dtype == "b1"
        block.append((np.packbits(part) if bits else part).reshape(-1).view(np.uint8).data)
        self.about.append([dtype, list(array.shape), [] if crop is None else list(crop), bits])
        self.parts.append(block)


def _interesting(array: NDArray[Any]) -> tuple[int, int, int, int] | None:
    """The rows and columns outside of which all pixels are the same, bit for bit; None where that is nearly all of them, or none can be told."""
    if array.ndim < 2 or array.size == 0:
        return None
    height, width = array.shape[:2]
    pixel = math.prod(array.shape[2:]) * array.itemsize
    wide = next(size for size in (8, 4, 2, 1) if pixel % size == 0)  # compare as few and as wide numbers as there are
    rows = array.reshape(height, -1).view(f"u{wide}")
    per = pixel // wide
    corner = rows[0, :per]
    if not all((rows[y, x : x + per] == corner).all() for y in (0, -1) for x in (0, rows.shape[1] - per)):
        return None
    around = np.tile(corner, width)
    high = np.flatnonzero([bool((row != around).any()) for row in rows])
    if not len(high):
        return 0, 0, 0, 0
    top, bottom = int(high[0]), int(high[-1]) + 1
    columns = np.zeros(rows.shape[1], np.bool_)
    for row in rows[top:bottom]:
        columns |= row != around
    across = np.flatnonzero(columns.reshape(width, per).any(axis=1))
    left, right = int(across[0]), int(across[-1]) + 1
    if (bottom - top) * (right - left) > (1 - MIN_SAVED) * height * width:
        return None
    return top, bottom, left, right


def _padding(length: int) -> bytes:
    return bytes(-length % ALIGNMENT)


# Values and their types


def _values_of(value: Any) -> list[Any]:
    if isinstance(value, tuple):  # named
        return list(value)
    return [getattr(value, field.name) for field in dataclasses.fields(value)]


def _made(kind: type, held: list[Any]) -> Any:
    """An instance with these fields, in order, each of its declared type."""
    hints = _hints(kind)
    if len(hints) != len(held):
        raise ValueError(f"a {kind.__name__} of another version")
    for (name, hint), value in zip(hints.items(), held, strict=True):
        if not _suits(value, hint):
            raise ValueError(f"the {name} of a {kind.__name__} is of another kind")
    return kind(**dict(zip(hints, held, strict=True)))


@functools.cache
def _hints(kind: type) -> dict[str, Any]:
    """The declared types of its fields, in order."""
    known = typing.get_type_hints(kind, localns={"Tiles": Tiles})
    names = kind._fields if issubclass(kind, tuple) else [field.name for field in dataclasses.fields(kind)]  # type: ignore[attr-defined, arg-type]
    return {name: known[name] for name in names}


def _suits(value: Any, hint: Any) -> bool:
    """Whether a value is of the type that a field declares."""
    origin, arguments = typing.get_origin(hint), typing.get_args(hint)
    if origin is typing.Annotated:
        return _suits(value, arguments[0])
    if origin in (typing.Union, types.UnionType):
        return any(_suits(value, option) for option in arguments)
    if origin is Literal:
        return any(value == option and type(value) is type(option) for option in arguments)
    if origin is tuple:
        if type(value) is not tuple:
            return False
        if len(arguments) == 2 and arguments[1] is Ellipsis:
            return all(_suits(entry, arguments[0]) for entry in value)
        return len(value) == len(arguments) and all(map(_suits, value, arguments))
    if origin is np.ndarray:
        (scalar,) = typing.get_args(arguments[1])
        return isinstance(value, np.ndarray) and (scalar is Any or np.issubdtype(value.dtype, scalar))
    if hint is float:
        return isinstance(value, int | float) and not isinstance(value, bool)
    if hint is int:
        return isinstance(value, int) and not isinstance(value, bool)
    return hint is type(None) if value is None else isinstance(value, hint)
