"""Requests, reports, results and errors as bytes and back: exactly, whatever they hold; and whatever the bytes are, a sentence at worst."""

from __future__ import annotations

import dataclasses
import json
import math
from contextlib import suppress
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays
from numpy.typing import NDArray

from editor import errors
from editor.document.tiles import Tiles
from editor.errors import EditorError, InvalidRequest, OutOfMemory
from editor.geometry import Placement, Rect, Size
from editor.methods.blended_latent_diffusion.settings import BlendedSettings
from editor.methods.pixels.settings import PixelsSettings
from editor.methods.quick_fill.settings import QuickFillSettings
from editor.requests.edit_request import (
    AssessRequest,
    EditRequest,
    ExemplarInput,
    FitRequest,
    ItemInput,
    RepairRequest,
    SegmentRequest,
    Subject,
)
from editor.requests.frame import Frame
from editor.requests.live import EndLiveRequest, LiveRequest
from editor.requests.method_settings import MethodSettings, UnknownSettings
from editor.requests.opaque import Opaque
from editor.requests.reports import Preview, Progress, ResultReady, Scored
from editor.requests.results import Assessment, EditResult, FitResult, LiveResult, Masks, Match, Recipe
from editor.requests.variants import Variant, VariantsRequest
from editor.requests.wire import ERRORS, START, UnreadableMessage, Wire

WIRE = Wire((QuickFillSettings, PixelsSettings, BlendedSettings))


def sent(value: Any, wire: Wire = WIRE) -> bytes:
    return b"".join(wire.encode(value))


def back(value: Any) -> Any:
    return WIRE.decode(sent(value))


def same(one: Any, other: Any) -> bool:
    """Alike in type and in every bit."""
    if type(one) is not type(other):
        return False
    if isinstance(one, np.ndarray):
        return bool(one.dtype == other.dtype and one.shape == other.shape and one.tobytes() == other.tobytes())
    if isinstance(one, Tiles):
        return same(one.read(), other.read())
    if isinstance(one, EditorError):
        return (one.message, one.advice) == (other.message, other.advice)
    if isinstance(one, tuple):
        return len(one) == len(other) and all(map(same, one, other))
    if dataclasses.is_dataclass(one):
        return all(same(getattr(one, field.name), getattr(other, field.name)) for field in dataclasses.fields(one))
    if isinstance(one, float):
        if math.isnan(one):
            return math.isnan(other)  # which of them says nothing
        return one == other and math.copysign(1, one) == math.copysign(1, other)
    return bool(one == other)


# What there is

text = st.text(
    st.characters(exclude_categories=()), max_size=20
)  # with halves of surrogate pairs, as in names of files
whole = st.integers(0, 2**63 - 1)
number = st.floats(allow_nan=True, allow_infinity=True)
share = st.floats(0, 1)
dtypes = st.sampled_from([np.uint8, np.bool_, np.int16, np.int32, np.int64, np.float32, np.float64])
places = st.builds(Placement, *[st.floats(-1e6, 1e6)] * 5)
opaque = st.builds(Opaque, text, st.lists(arrays.arrays(np.float32, (5, 7)).map(Tiles.of), max_size=1).map(tuple))
subjects = st.builds(Subject, st.integers(0, 2**30), st.none() | places, opaque)
sides = st.integers(1, 9)
methods: st.SearchStrategy[MethodSettings] = st.sampled_from(
    [QuickFillSettings(grow=3), PixelsSettings(scale=0.5, quiet_rungs=True), BlendedSettings()]
)


def maps(shape: tuple[int, int]) -> st.SearchStrategy[Any]:
    """Painted, all alike, or a patch on nothing, as most are."""
    painted = arrays.arrays(np.float32, shape, elements=st.floats(0, 1, width=32))
    return st.one_of(painted, share.map(lambda value: np.full(shape, value, np.float32)), patches(shape))


@st.composite
def patches(draw: st.DrawFn, shape: tuple[int, int]) -> Any:
    made = np.zeros(shape, np.float32)
    top, left = draw(st.integers(0, shape[0] - 1)), draw(st.integers(0, shape[1] - 1))
    made[top : top + draw(sides), left : left + draw(sides)] = draw(st.floats(0, 1, width=32))
    return made


def pixels(shape: tuple[int, ...]) -> st.SearchStrategy[Any]:
    return arrays.arrays(np.uint8, shape)


def masks(shape: tuple[int, int]) -> st.SearchStrategy[Any]:
    return arrays.arrays(np.bool_, shape)


def items(shape: tuple[int, int]) -> st.SearchStrategy[ItemInput]:
    matrix = st.none() | arrays.arrays(np.float64, (2, 3), elements=st.floats(-1e6, 1e6))
    return st.builds(ItemInput, text, maps(shape), masks(shape), matrix, text)


def exemplars(shape: tuple[int, int]) -> st.SearchStrategy[ExemplarInput]:
    return st.builds(ExemplarInput, text, pixels((*shape, 3)), *[maps(shape)] * 4, share)


@st.composite
def requests(draw: st.DrawFn, method: st.SearchStrategy[MethodSettings] = methods) -> EditRequest:
    shape = draw(sides), draw(sides)
    strength = draw(maps(shape))
    strength[draw(st.integers(0, shape[0] - 1)), 0] = 1
    left, top = draw(st.integers(-50, 50)), draw(st.integers(-50, 50))
    rect = Rect.at(left, top, shape[1], shape[0])
    return EditRequest(
        draw(pixels((*shape, 3))),
        strength,
        Frame(rect, Size(draw(sides), draw(sides))),
        draw(method),
        draw(whole),
        draw(st.sampled_from(["fill", "remove", "move", "blend"])),
        draw(st.lists(subjects, max_size=2).map(tuple)),
        draw(st.lists(items(shape), max_size=2).map(tuple)),
        draw(st.lists(exemplars(shape), max_size=2).map(tuple)),
        draw(st.none() | masks(shape)),
        draw(text),
        draw(text),
        draw(text),
        scribble=draw(st.none() | pixels((*shape, 3))),
        icc=draw(st.none() | st.binary(max_size=20)),
        alpha=draw(st.none() | pixels(shape)),
        overall=draw(share),
    )


latents = arrays.arrays(np.float32, (2, 3, 4), elements=st.floats(-100, 100, width=32))
seeds = st.lists(whole, min_size=1, max_size=3, unique=True).map(tuple)


@st.composite
def at_strengths(draw: st.DrawFn) -> VariantsRequest:
    one = draw(requests())
    others = dataclasses.replace(one, overall=0.25), dataclasses.replace(one, overall=0.5)
    return VariantsRequest(tuple(map(Variant, (3, 1), others)), ranked=False)


@st.composite
def fits(draw: st.DrawFn) -> FitRequest:
    one, labels = draw(requests()), arrays.arrays(np.int16, (1, 1))
    rect = Rect(0, 0, 1, 1)
    words = draw(st.lists(text, max_size=2).map(tuple))
    part = np.ascontiguousarray(one.image[:1, :1])
    return FitRequest(
        part, Frame.full_size(rect), one.settings, one.seed, "m", draw(st.none() | labels), draw(text), words
    )


@st.composite
def outlines(draw: st.DrawFn) -> SegmentRequest:
    points = draw(st.lists(st.tuples(number, number, st.just(True)), min_size=1, max_size=2).map(tuple))
    return SegmentRequest(
        draw(pixels((4, 5, 3))), Rect(0, 0, 8, 10), points, draw(st.none() | st.just(Rect(1, 2, 3, 4)))
    )


recipes = requests().map(Recipe.of)
matches = st.builds(Match, number, number)
edit_results = st.builds(
    EditResult,
    st.just(Rect(-3, -2, 1, 1)),
    pixels((3, 4, 4)),
    recipes,
    st.none() | number,
    st.none() | latents,
    st.none() | number,
    st.booleans(),
    whole,
)
kept = st.builds(
    dataclasses.replace, recipes, settings=st.builds(UnknownSettings, method=text, fields=opaque), unknown=opaque
)
messages = st.one_of(
    requests(),
    st.builds(VariantsRequest.of_seeds, requests(), seeds),
    at_strengths(),
    st.builds(RepairRequest, requests(st.just(BlendedSettings())), latents, st.sampled_from(["poisson", "decoder"])),
    outlines(),
    st.builds(LiveRequest, requests(), whole | text, st.booleans()),
    st.builds(EndLiveRequest, whole | text),
    st.builds(LiveResult, edit_results, *[st.none() | st.integers(0, 200)] * 3),
    st.builds(AssessRequest, text, st.just(Size(64, 48)), st.integers(1, 8), st.booleans()),
    st.builds(Progress, number, text),
    st.builds(Preview, st.just(Rect(0, 0, 4, 3)), pixels((3, 4, 4))),
    edit_results,
    edit_results.map(ResultReady),
    st.builds(Scored, whole, matches),
    st.lists(edit_results, max_size=2).map(tuple),
    st.builds(Masks, st.just(Rect(0, 0, 4, 3)), arrays.arrays(np.float32, (2, 3, 4)), arrays.arrays(np.float32, 2)),
    st.builds(Assessment, text, st.booleans(), st.none() | share),
    kept,
    fits(),
    st.builds(FitResult, text, whole, st.none() | number, st.booleans()),
    st.builds(lambda kind, *words: kind(*words), st.sampled_from(sorted(ERRORS.values(), key=str)), text, text),
    st.none(),
)


@given(messages)
@settings(max_examples=300)
def test_everything_in_the_waist_comes_back_exactly(message: Any) -> None:
    assert same(back(message), message)


@given(arrays.arrays(dtypes, st.one_of(st.just(()), arrays.array_shapes(max_dims=4, max_side=6, min_side=0))))
def test_any_array_of_the_waist_comes_back_to_the_bit_and_read_only(array: Any) -> None:
    returned = back(array)
    assert same(returned, array)
    assert not returned.flags.writeable


@pytest.mark.parametrize("dtype", [np.uint8, np.bool_, np.float32, np.float64])
@pytest.mark.parametrize("channels", [(), (3,), (4,)])
def test_what_is_alike_all_around_is_not_sent(dtype: type, channels: tuple[int, ...]) -> None:
    array: NDArray[Any] = np.ones((200, 300, *channels), dtype)
    array[50:60, 100:120] = 0
    message = sent(array)
    assert same(WIRE.decode(message), array)
    pixel = array.itemsize * array[0, 0].size
    assert len(message) < 250 + 200 * pixel  # 10 x 20 pixels


def test_numbers_that_are_no_numbers_and_zeros_below_zero_count_by_their_bits() -> None:
    array = np.full((20, 20), np.nan, np.float32)
    array[3, 4] = -0.0
    array[5, 4] = 0.0
    message = sent(array)
    assert same(WIRE.decode(message), array)
    assert len(message) < 200


def test_a_part_of_a_larger_array_and_a_mirrored_one_come_back() -> None:
    array = np.arange(60, dtype=np.float32).reshape(6, 10)
    for part in (array[1:4, ::3], array[::-1], array.T):
        assert same(back(part), np.ascontiguousarray(part))


def test_one_array_in_several_places_is_sent_once() -> None:
    image = np.random.default_rng(1).integers(0, 256, (100, 100, 3), np.uint8)
    strength = np.ones((100, 100), np.float32)
    one = EditRequest(image, strength, Frame.full_size(Rect(0, 0, 100, 100)), QuickFillSettings(), 1)
    other = dataclasses.replace(one, overall=0.5, strength=strength * np.float32(0.5))
    assert len(sent(VariantsRequest((Variant(0, one), Variant(1, other))))) < len(sent(one)) + 1000


@settings(max_examples=30)
@given(requests().filter(lambda request: not any(subject.unknown.planes for subject in request.subjects)))
def test_variants_share_a_batch_on_the_other_side_too(request: EditRequest) -> None:
    first, second = back(VariantsRequest.of_seeds(request, (1, 2))).variants
    assert first.shares_batch(second)
    other = dataclasses.replace(request, strength=request.strength.copy())
    assert not Variant(0, request).shares_batch(Variant(1, other))


def test_what_does_not_belong_into_the_waist_is_not_sent() -> None:
    for stranger in (
        object(),
        [1],
        {"a": 1},
        np.zeros(3, np.complex64),
        np.zeros((1, 1, 1, 1, 1)),
        ValueError("x"),
        print,
    ):
        with pytest.raises(TypeError, match="does not belong"):
            WIRE.encode(stranger)


def test_every_kind_of_error_can_be_sent() -> None:
    kinds = {kind for kind in vars(errors).values() if isinstance(kind, type) and issubclass(kind, EditorError)}
    assert kinds - set(ERRORS.values()) == {EditorError}
    returned = back(OutOfMemory("It does not fit.", "Buy more."))
    assert same(returned, OutOfMemory("It does not fit.", "Buy more."))
    # One that only its own module knows goes as what it is a case of.
    assert type(back(UnreadableMessage("No.", "Yes."))) is errors.InternalError
    with pytest.raises(TypeError):
        WIRE.encode(EditorError("Of no kind."))


# Hostile bytes


def request() -> EditRequest:
    strength = np.zeros((6, 8), np.float32)
    strength[2:4, 3:5] = 0.5
    image = np.arange(144, dtype=np.uint8).reshape(6, 8, 3)
    avoid = np.zeros((6, 8), np.bool_)
    avoid[1, 2] = True
    return EditRequest(image, strength, Frame.full_size(Rect(0, 0, 8, 6)), PixelsSettings(), 7, avoid=avoid, icc=b"abc")


def forged(header: Any, blocks: bytes = b"", name: bytes = b"palimpse", version: int = 1) -> bytes:
    text = header if isinstance(header, bytes) else json.dumps(header).encode()
    message = START.pack(name, version, len(text)) + text
    return message + bytes(-len(message) % 16) + blocks


@given(st.data())
@settings(max_examples=400)
def test_damaged_bytes_are_a_sentence_or_another_sound_value(data: st.DataObject) -> None:
    message = bytearray(
        sent(data.draw(st.sampled_from([request(), Progress(0.5, "Filling"), OutOfMemory("No.", "Yes.")])))
    )
    for _ in range(data.draw(st.integers(1, 3))):
        match data.draw(st.sampled_from(["flip", "cut", "add"])):
            case "flip":
                message[data.draw(st.integers(0, len(message) - 1))] = data.draw(st.integers(0, 255))
            case "cut":
                del message[data.draw(st.integers(1, len(message))) :]
            case "add":
                message += data.draw(st.binary(min_size=1, max_size=40))
    with suppress(UnreadableMessage, InvalidRequest):  # nothing else may come of it
        WIRE.decode(message)


@given(st.binary(max_size=200))
def test_random_bytes_are_refused(data: bytes) -> None:
    with pytest.raises(UnreadableMessage):
        WIRE.decode(data)


ARRAY = ["u1", [2, 2], [], False]


@pytest.mark.parametrize(
    "message",
    [
        forged([None, []], name=b"notours!"),
        forged([None, []], version=2),
        forged([None, []])[:-1],
        forged([None, []], b"0" * 16),
        forged({"a": 1}),
        forged([None, [], []]),
        forged(b'[{"is":"Rect","has":[1,2,3,4],"has":[]},[]]'),
        forged([{"is": "Rect", "has": [1, 2, 3]}, []]),
        forged([{"is": "Rect", "has": [1, 2, 3, "4"]}, []]),
        forged([{"is": "Rect", "has": [1, 2, 3, True]}, []]),
        forged([{"is": "Rect", "has": [1, 2, 3, 4], "more": 1}, []]),
        forged([{"is": "Popen", "has": ["true"]}, []]),
        forged([{"is": "MethodSettings", "has": [False]}, []]),
        forged([{"error": "SystemExit", "has": ["a", "b"]}, []]),
        forged([{"error": "EditorError", "has": ["a", "b"]}, []]),
        forged([{"array": 0}, []]),
        forged([{"array": -1}, [ARRAY]], b"0" * 16),
        forged([{"array": "0"}, [ARRAY]], b"0" * 16),
        forged([{"array": 0}, [ARRAY]]),
        forged([{"array": 0}, [["O", [2, 2], [], False]]], b"0" * 16),
        forged([{"array": 0}, [["u1", [-2, -2], [], False]]], b"0" * 16),
        forged([{"array": 0}, [["u1", [2.0, 2], [], False]]], b"0" * 16),
        forged([{"array": 0}, [["u1", [True, 2], [], False]]], b"0" * 16),
        forged([{"array": 0}, [["u1", [2**41, 0], [], False]]]),
        forged([{"array": 0}, [["u1", [2, 2], [0, 3, 0, 2], False]]], b"0" * 16),
        forged([{"array": 0}, [["u1", [2, 2], [2, 1, 0, 2], False]]], b"0" * 16),
        forged([{"array": 0}, [["u1", [4], [0, 1, 0, 1], False]]], b"0" * 16),
        forged([{"array": 0}, [["u1", [2, 2], [], True]]], b"0" * 16),
        forged([{"array": 0}, [["b1", [2, 2], [], False]]], b"\x02" * 16),
        forged([{"array": 0}, [["u1", [1, 1, 1, 1, 1], [], False]]], b"0" * 16),
        forged([{"tiles": 0}, [["u1", [4], [], False]]], b"0" * 16),
        forged([{"float": "1e999"}, []]),
        forged(b"[1e999,[]]"),
        forged(b"[" * 100 + b"]" * 100),
        forged(b"[" * 100_000),
        forged([{"is": "Frame", "has": [{"is": "Rect", "has": [0, 0, 0, 0]}, {"is": "Size", "has": [1, 1]}]}, []]),
    ],
)
def test_forged_messages_are_refused_in_a_sentence(message: bytes) -> None:
    with pytest.raises(UnreadableMessage) as refused:
        WIRE.decode(message)
    assert refused.value.message.endswith(".")
    assert refused.value.advice


def test_a_value_that_checks_itself_says_what_is_wrong() -> None:
    message = sent(request())
    with pytest.raises(InvalidRequest, match="guidance scale"):
        WIRE.decode(message.replace(b"7.0", b"7e9"))


def test_a_small_message_cannot_take_much_memory() -> None:
    empty = ["f4", [2**16, 2**16], [0, 0, 0, 0], False]
    with pytest.raises(UnreadableMessage, match="too large"):
        WIRE.decode(forged([{"array": 0}, [empty]], bytes(16)))
    with pytest.raises(UnreadableMessage, match="too large"):
        Wire((), max_bytes=1000).decode(sent(np.random.default_rng(1).random((20, 20))))
    with pytest.raises(UnreadableMessage, match="too large"):
        Wire((), max_bytes=100_000).decode(forged([None, [["u1", [0], [], False]] * 9999]))


def test_settings_of_a_method_that_is_not_there_are_refused() -> None:
    with pytest.raises(UnreadableMessage):
        Wire((QuickFillSettings,)).decode(sent(request()))
    with pytest.raises(TypeError):
        Wire((QuickFillSettings,)).encode(request())
