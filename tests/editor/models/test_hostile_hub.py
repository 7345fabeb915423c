"""Hubs and mirrors that lie, drip, flood or lead elsewhere: each a sentence, in bounded time and memory, and no token in wrong hands."""

from __future__ import annotations

import gzip
import hashlib
import json
import time
import tracemalloc
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from huggingface_hub import constants

from editor.errors import EditorError, ModelUnavailable
from editor.models import hub as module
from editor.models import transfer, web
from editor.models.download import download
from editor.models.hub import DownloadPlan, RemoteFile, plan_download
from editor.models.listing import MAX_LISTING, NotAListing, parse_listing
from tests.support.alarm import time_limit
from tests.support.hub_server import COMMIT, Repository, listing_of, stable_diffusion
from tests.support.raw_server import Answer, RawServer, always, raw_server, response
from tests.support.reports import drive

pytestmark = pytest.mark.logs

ID = "maker/small"
REAL = listing_of(ID, Repository(stable_diffusion()))


@pytest.fixture(autouse=True)
def _at_always(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.delenv("HF_TOKEN", raising=False)
    monkeypatch.setattr(constants, "HF_TOKEN_PATH", "/no/such/token")
    with time_limit(30):
        yield


@pytest.fixture
def server() -> Iterator[RawServer]:
    with raw_server() as server:
        yield server


def refused(server: RawServer, answer: Answer, **more: Any) -> EditorError:
    server.answer = answer
    with pytest.raises(EditorError) as caught:
        plan_download(ID, endpoint=server.url, **more)
    assert caught.value.advice
    return caught.value


def listing(**fields: Any) -> bytes:
    return json.dumps(REAL | fields).encode()


def siblings(**fields: Any) -> bytes:
    """With one file more."""
    return listing(siblings=[*REAL["siblings"], {"rfilename": "unet/x.json", "size": 2, "blobId": "0" * 40} | fields])


WRONG = [
    b"",
    b"[]",
    b"[" * 100_000,
    b'{"a":' * 100_000,
    b'{"siblings": {}}',
    b"<html>",
    b"\xff\xfe",
    listing(siblings=["x"]),
    listing(siblings=[[]]),
    listing(siblings=[None]),
    listing(siblings=3),
    listing(sha=7),
    listing(sha="../../x"),
    listing(sha=None),
    siblings(size=-1),
    siblings(size=2**60),
    siblings(size="2"),
    siblings(size=1.5),
    siblings(size=True),
    siblings(size=None),
    siblings(blobId="/etc/passwd"),
    siblings(blobId=["0"]),
    siblings(lfs={"sha256": "x" * 64}),
    siblings(lfs={"sha256": 5}),
    siblings(rfilename=None),
    siblings(rfilename=["a"]),
    siblings(rfilename="unet/\ud800.json"),
    siblings(rfilename="model_index.json", size=5),
    listing(siblings=[*REAL["siblings"], *({"rfilename": f"unet/{i}.json", "size": 2} for i in range(100))]),
    listing(siblings=[{"rfilename": f"{i}.txt", "size": 1} for i in range(100_001)]),
]


@pytest.mark.parametrize("body", WRONG, ids=range(len(WRONG)))
def test_a_listing_that_makes_no_sense_is_refused(server: RawServer, body: bytes) -> None:
    error = refused(server, always(response(body)))
    assert isinstance(error, ModelUnavailable)


@pytest.mark.parametrize(
    "name",
    [
        "unet/../../x.json", "../x.json", "/etc/x.json", "unet//x.json", "unet/..", "unet/.", "unet\\x.json", "C:/x.json", "unet/a:b.json",
        "unet/x\0.json", "unet/x\n.json", "unet/" + "x" * 10_000 + ".json", "unet/x.json/", "~/x.json", "unet/x.json ", "unet/ü.json",
        "unet/\u202ex.json",         "download.json", "unet/x.json.", ".git/config.json", "",
    ],
)  # fmt: skip
def test_no_name_of_a_listing_leads_elsewhere(server: RawServer, tmp_path: Path, name: str) -> None:
    server.answer = always(response(siblings(rfilename=name)))
    plan = plan_download(ID, endpoint=server.url)
    assert [file.path for file in plan.files] == [file.path for file in plan_for(server, listing()).files]
    assert all((tmp_path / file.local).resolve().is_relative_to(tmp_path / ID) for file in plan.files)


def plan_for(server: RawServer, body: bytes) -> DownloadPlan:
    server.answer = always(response(body))
    return plan_download(ID, endpoint=server.url)


@pytest.mark.parametrize(
    "fields",
    [
        {"gated": [1]}, {"gated": {"x": 1}}, {"tags": 5}, {"tags": [None, ["license:x"], "license:mit"]}, {"cardData": ["x"]},
        {"cardData": {"license": ["a"], "license_name": 7}}, {"cardData": {"license": "x" * 10_000}}, {"cardData": {"license": "a\nb"}},
        {"config": "x"}, {"config": {"diffusers": []}}, {"config": {"diffusers": {"_class_name": 5}, "model_type": []}}, {"private": "maybe"},
        {"lastModified": "yesterday"}, {"safetensors": {"parameters": "x"}}, {"transformersInfo": 3}, {"siblings2": 1}, {"createdAt": -1},
        {"spaces": 7}, {"evalResults": [[]]}, {"widgetData": 1}, {"security_repo_status": []},
    ],
)  # fmt: skip
def test_what_is_not_needed_may_say_anything(server: RawServer, fields: dict[str, Any]) -> None:
    assert len(plan_for(server, listing(**fields)).files) == len(plan_for(server, listing()).files)


def test_ten_thousand_gates_are_one(server: RawServer) -> None:
    assert plan_for(server, listing(gated=["manual"] * 10_000)).gated
    assert not plan_for(server, listing(gated=False)).gated


def endless(piece: bytes, head: bytes = b"HTTP/1.1 200 OK\r\nConnection: close\r\n\r\n") -> Answer:
    def answer(path: str, headers: dict[str, str]) -> Iterator[bytes]:
        yield head
        while True:
            yield piece

    return answer


def test_a_listing_without_end_is_left(server: RawServer, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "MAX_LISTING", 2**20)
    assert "not a model hub" in refused(server, endless(b" " * 65536)).message
    refused(server, endless(b"x: y\r\n", b"HTTP/1.1 200 OK\r\n"))


def test_an_error_without_end_is_only_a_status(server: RawServer) -> None:
    assert "(500)" in refused(server, endless(b"x" * 65536, b"HTTP/1.1 500 No\r\nConnection: close\r\n\r\n")).message


@pytest.mark.parametrize("body", [b'["x"]', b"3", b'{"error": 5, "errors": 7}', b"\xff", b"{" * 10_000])
def test_an_error_may_say_anything(server: RawServer, body: bytes) -> None:
    for status, says in (("404 No", "There is no model"), ("403 No", "access token"), ("503 Busy", "(503)")):
        extra = {"X_Error_Code": "RepoNotFound"} if status.startswith("404") else {}
        assert says in refused(server, always(response(body, status, **extra))).message


def test_a_bomb_is_not_unpacked(server: RawServer, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "MAX_LISTING", 2**20)
    bomb = gzip.compress(bytes(100 * 2**20))
    tracemalloc.start()
    error = refused(server, always(response(bomb, Content_Encoding="gzip")))
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert "not a model hub" in error.message
    assert peak < 16 * 2**20
    assert "not a model hub" in refused(server, always(response(b"xx", Content_Encoding="zstd"))).message
    assert "not a model hub" in refused(server, always(response(b"xx", Content_Encoding="gzip"))).message
    packed = gzip.compress(json.dumps({"siblings": []}).encode())
    assert "no picture model" in refused(server, always(response(packed, Content_Encoding="gzip"))).message


def test_a_hub_that_drips_is_left(server: RawServer, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "DEADLINE", 0.5)

    def answer(path: str, headers: dict[str, str]) -> Iterator[bytes]:
        for byte in b"HTTP/1.1 200 OK\r\n" + b"x: y\r\n" * 100:
            time.sleep(0.05)
            yield bytes([byte])

    begun = time.monotonic()
    assert "not a model hub" in refused(server, answer).message
    assert time.monotonic() - begun < 5


@pytest.mark.parametrize(
    "place",
    ["file:///etc/passwd", "ftp://127.0.0.1/x", "gopher:x", "http://[", "//", "x" * 10_000, "\udcff", "data:,x"],
)
def test_being_sent_elsewhere_is_an_error(server: RawServer, place: str) -> None:
    answer = response(b"", "302 Found", Location="@").replace(b"@", place.encode("utf-8", "surrogateescape"))
    refused(server, always(answer))


def test_going_in_circles_ends(server: RawServer) -> None:
    refused(server, always(response(b"", "302 Found", Location="/api/models/maker/small")))


def test_a_token_is_not_taken_along_elsewhere(server: RawServer) -> None:
    with raw_server() as other:
        other.answer = always(response(listing()))
        server.answer = always(response(b"", "302 Found", Location=f"{other.url}/api/models/{ID}"))
        plan_download(ID, endpoint=server.url, token="hf_secret")
        assert "hf_secret" in server.requests[0][1]["authorization"]
        assert not any("hf_secret" in json.dumps(request) for request in other.requests)


# Files

BODY = hashlib.shake_128(b"model").digest(100_000)


def one_file(server: RawServer, body: bytes = BODY) -> DownloadPlan:
    file = RemoteFile(
        ID,
        COMMIT,
        "model.safetensors",
        f"{ID}/model.safetensors",
        "model",
        len(body),
        hashlib.sha256(body).hexdigest(),
        "",
    )
    return DownloadPlan(ID, COMMIT, server.url, (file,), "mit", False, None, True)


def get(server: RawServer, folder: Path, answer: Answer, **more: Any) -> EditorError | bytes:
    server.answer = answer
    try:
        path = drive(download(one_file(server), folder, waits=(0.01,), **more))
    except EditorError as error:
        return error
    return (path / "model.safetensors").read_bytes()


def test_a_file_without_end_is_cut_at_its_size(server: RawServer, tmp_path: Path) -> None:
    error = get(server, tmp_path, endless(b"x" * 65536))
    assert isinstance(error, ModelUnavailable)
    assert "damaged" in error.message
    assert sum(path.stat().st_size for path in tmp_path.rglob("*") if path.is_file()) < 2 * len(BODY)


def test_a_longer_and_a_shorter_file_are_not_taken(server: RawServer, tmp_path: Path) -> None:
    assert "damaged" in str(get(server, tmp_path, always(response(BODY + b"x"))))
    assert "interrupted" in str(get(server, tmp_path / "b", always(response(BODY[:-5]))))
    assert not list(tmp_path.rglob("model.safetensors"))


@pytest.mark.parametrize(
    "place",
    [
        "bytes 0-99999/100000",
        "bytes 5-99999/100000",
        "bytes 50000-99999/7",
        "bytes x",
        "",
        "bytes -1--1/-1",
        "bytes " + "9" * 5000 + "-1/1",
    ],
)
def test_the_wrong_range_begins_anew(server: RawServer, tmp_path: Path, place: str) -> None:
    def answer(path: str, headers: dict[str, str]) -> Iterator[bytes]:
        if "range" in headers:
            yield response(bytes(50_000), "206 Partial Content", Content_Range=place)
        elif len(server.requests) == 1:
            yield response(BODY, Content_Length="100000")[:-50_000]
        else:
            yield response(BODY)

    assert get(server, tmp_path, answer) == BODY
    assert [("range" in headers) for _, headers in server.requests] == [False, True, False]


def test_the_right_range_goes_on(server: RawServer, tmp_path: Path) -> None:
    def answer(path: str, headers: dict[str, str]) -> Iterator[bytes]:
        start = int(headers["range"].removeprefix("bytes=").rstrip("-")) if "range" in headers else 0
        whole = response(
            BODY[start:], "206 Partial Content" if start else "200 OK", Content_Range=f"bytes {start}-99999/100000"
        )
        yield whole if start else whole[:-50_000]

    assert get(server, tmp_path, answer) == BODY
    assert len(server.requests) == 2


@pytest.mark.parametrize("place", ["file:///etc/passwd", "http://[", "//", "x" * 100_000])
def test_a_file_elsewhere_is_an_error(server: RawServer, tmp_path: Path, place: str) -> None:
    assert isinstance(get(server, tmp_path, always(response(b"", "302 Found", Location=place))), EditorError)


def test_a_file_from_elsewhere_comes_without_the_token(server: RawServer, tmp_path: Path) -> None:
    with raw_server() as other:
        other.answer = always(response(BODY))
        answer = always(response(b"", "302 Found", Location=f"{other.url}/cdn"))
        assert get(server, tmp_path, answer, token="hf_secret") == BODY
        assert "hf_secret" in server.requests[0][1]["authorization"]
        assert not any("hf_secret" in json.dumps(request) for request in other.requests)


def test_nonsense_instead_of_an_answer_is_an_interruption(server: RawServer, tmp_path: Path) -> None:
    head = b"HTTP/1.1 200 OK\r\n"
    chunked, negative = head + b"Transfer-Encoding: chunked\r\n\r\nZZZ\r\n", head + b"Content-Length: -5\r\n\r\n"
    for nonsense in (b"", b"\x00" * 1000, b"HTTP/1.1 banana\r\n\r\n", chunked, negative):
        assert isinstance(get(server, tmp_path, always(nonsense)), EditorError)
        refused(server, always(nonsense))


def test_a_packed_file_is_not_unpacked(server: RawServer, tmp_path: Path) -> None:
    assert "damaged" in str(
        get(server, tmp_path, always(response(gzip.compress(bytes(2 * 10**8)), Content_Encoding="gzip")))
    )


def test_an_address_that_is_none_is_an_error(server: RawServer, tmp_path: Path) -> None:
    for endpoint in ("http://[", "file:///x", "nonsense", "http://\0", "http://a b", "http://" + "x" * 300):
        with pytest.raises(EditorError):
            plan_download(ID, endpoint=endpoint)
        with pytest.raises(EditorError):
            drive(download(replace(one_file(server), endpoint=endpoint), tmp_path, waits=()))


def test_limits_are_wide_enough_for_what_is_published() -> None:
    """Ten thousand files with hashes, as the largest repositories have, are a tenth of what is taken."""
    files = [{"rfilename": f"data/file-{i:06}.json", "size": 12345678, "blobId": "0" * 40} for i in range(10_000)]
    body = json.dumps({**REAL, "siblings": files}).encode()
    assert len(body) * 10 < MAX_LISTING
    assert len(parse_listing(body).files) == 10_000
    with pytest.raises(NotAListing):
        parse_listing(b" " * (MAX_LISTING + 1))
    assert (web.BLOCK, transfer.STALL) == (65536, 20.0)
