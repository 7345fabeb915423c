"""Asking a web server that nobody vouches for: its answers are bounded in size and time, whatever it says about them."""

from __future__ import annotations

import queue
import threading
import time
import zlib
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import httpx2

BLOCK = 1 << 16


class Unusable(Exception):
    """An answer that is too large, takes too long, or is written in a way that nobody asked for."""


@contextmanager
def answering(url: str, headers: Mapping[str, str], stall: float) -> Iterator[httpx2.Response]:
    """The answer to a request, its body not yet read. Raises what the hub's library and httpx raise.

    stall: seconds without a byte until the connection counts as broken
    """
    import httpx2  # noqa: PLC0415
    from huggingface_hub import get_session  # noqa: PLC0415
    from huggingface_hub.utils import hf_raise_for_status  # noqa: PLC0415

    with get_session().stream("GET", url, headers=dict(headers), timeout=httpx2.Timeout(stall)) as response:
        if response.is_error:  # what it says beside its status could be endless
            hub_headers = {name: value for name, value in response.headers.items() if name.lower().startswith("x-")}
            hf_raise_for_status(httpx2.Response(response.status_code, headers=hub_headers, request=response.request))
        yield response


def fetch(url: str, headers: Mapping[str, str], *, limit: int, stall: float, deadline: float) -> bytes:
    """The body of an answer. Raises as `answering` does, and `Unusable`.

    limit: bytes, after unpacking
    deadline: seconds for all of it; what drips is left behind, in a thread that ends with its next byte
    """
    answers: queue.SimpleQueue[bytes | Exception] = queue.SimpleQueue()
    stopped = threading.Event()

    def ask() -> None:
        try:
            with answering(url, {**headers, "Accept-Encoding": "identity"}, stall) as response:
                answers.put(_body(response, limit, stopped))
        except Exception as error:  # handed on, whatever it is
            answers.put(error)

    threading.Thread(target=ask, name="ask", daemon=True).start()
    until = time.monotonic() + deadline
    try:
        answer = answers.get(timeout=max(0.0, until - time.monotonic()))
    except queue.Empty:
        raise Unusable("it takes too long") from None
    finally:
        stopped.set()
    if isinstance(answer, Exception):
        raise answer
    return answer


def _body(response: httpx2.Response, limit: int, stopped: threading.Event) -> bytes:
    coding = response.headers.get("Content-Encoding", "identity").strip().lower()
    if coding not in ("", "identity", "gzip", "deflate"):
        raise Unusable("it is packed in an unknown way")
    unpacker = zlib.decompressobj(47) if coding in ("gzip", "deflate") else None
    body = bytearray()
    for chunk in response.iter_raw(BLOCK):
        if unpacker is None:
            body += chunk
        else:  # never more than one byte too many: that is enough to know
            try:
                body += unpacker.decompress(chunk, limit + 1 - len(body)) if len(body) <= limit else b""
            except zlib.error as error:
                raise Unusable("it is packed wrongly") from error
        if len(body) > limit or stopped.is_set():
            raise Unusable("it is too large")
    return bytes(body)
