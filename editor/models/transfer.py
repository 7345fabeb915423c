"""Bytes on their way from the hub: a stream that never holds up who listens, and their count in words."""

from __future__ import annotations

import logging
import queue
import re
import threading
import time
from collections import deque
from collections.abc import Generator, Iterator
from typing import TYPE_CHECKING

from editor.errors import EditorError
from editor.models.catalogue import size_words
from editor.models.hub import DownloadPlan, RemoteFile, access, explain
from editor.models.web import answering
from editor.requests.reports import Progress

if TYPE_CHECKING:
    import httpx2

log = logging.getLogger(__name__)

OK, PARTIAL = 200, 206  # answers of a server
BUSY = frozenset({408, 429, 500, 502, 503, 504})
BEAT = 0.2  # seconds between two reports, also while nothing comes: so long may a cancel take
STALL = 20.0  # seconds without a byte until the connection counts as broken
RATE_OVER = 5.0  # seconds that the shown rate is the mean of


class Broken(Exception):
    """The connection ended too early; the cause says how."""


class Stream:
    """The bytes of a file from `start` on, or None after every `BEAT` in which none came. Raises `Broken` or an `EditorError`.

    A thread of its own reads, so that whoever listens is never held up by the network; it ends by itself after `close`, at the latest when
    its read times out, and touches nothing but its queue. `restarted`: the server sent the file from its beginning.
    """

    def __init__(self, plan: DownloadPlan, file: RemoteFile, token: str, start: int) -> None:
        self.restarted = False
        self._plan, self._file, self._token, self._start = plan, file, token, start
        self._arrived: queue.Queue[bytes | Exception | None] = queue.Queue(maxsize=64)
        self._closed = threading.Event()
        self._thread = threading.Thread(target=self._read, name="download", daemon=True)
        self._thread.start()

    def __iter__(self) -> Iterator[bytes | None]:
        while True:
            alive = self._thread.is_alive()
            try:
                entry = self._arrived.get(timeout=BEAT)
            except queue.Empty:
                if not alive:
                    raise Broken from None  # it died without a word, which the log has
                yield None
                continue
            if entry is None:
                return
            if isinstance(entry, EditorError):
                raise entry
            if isinstance(entry, Exception):
                raise Broken from entry
            yield entry

    def close(self) -> None:
        self._closed.set()

    def _read(self) -> None:
        import httpx2  # noqa: PLC0415
        from huggingface_hub import errors  # noqa: PLC0415

        try:
            for chunk in self._chunks():
                if not self._put(chunk):
                    return
            self._put(None)
        except (errors.OfflineModeIsEnabled, errors.HfHubHTTPError) as error:
            busy = isinstance(error, errors.HfHubHTTPError) and error.response.status_code in BUSY
            self._put(error if busy else explain(error, self._file.source, self._plan.endpoint))
        except (httpx2.HTTPError, OSError) as error:
            self._put(error)
        except Exception as error:  # addresses that are none, and what else a server can lead to
            log.info("Fetching %s failed", self._file.path, exc_info=True)
            self._put(explain(error, self._file.source, self._plan.endpoint))

    def _chunks(self) -> Generator[bytes]:
        from huggingface_hub import hf_hub_url  # noqa: PLC0415
        from huggingface_hub.utils import build_hf_headers  # noqa: PLC0415

        file, endpoint = self._file, self._plan.endpoint
        url = hf_hub_url(file.source, file.path, revision=file.commit, endpoint=endpoint.rstrip("/") or None)
        headers = build_hf_headers(token=access(endpoint, self._token))
        headers["Accept-Encoding"] = "identity"  # sizes and hashes are of the bytes as they are
        if self._start:
            with answering(url, {**headers, "Range": f"bytes={self._start}-"}, STALL) as response:
                if _goes_on(response, self._start, file.size):
                    yield from response.iter_raw()
                    return
                if response.status_code == OK:
                    self.restarted = True
                    yield from response.iter_raw()
                    return
            log.warning("%s came from another place than was asked for; it begins anew", file.path)
            self.restarted = True
        with answering(url, headers, STALL) as response:
            yield from response.iter_raw()

    def _put(self, item: bytes | Exception | None) -> bool:
        """Whether it was wanted."""
        while not self._closed.is_set():
            try:
                self._arrived.put(item, timeout=BEAT)
            except queue.Full:
                continue
            return True
        return False


def _goes_on(response: httpx2.Response, start: int, size: int) -> bool:
    """Whether an answer holds what was asked for: a file of so many bytes from `start` on."""
    place = re.fullmatch(r"bytes (\d{1,18})-\d{1,18}/(\d{1,18}|\*)", response.headers.get("Content-Range", ""))
    return (
        response.status_code == PARTIAL
        and place is not None
        and int(place[1]) == start
        and place[2] in ("*", str(size))
    )


class Meter:
    """Counts bytes and puts them into words."""

    def __init__(self, total: int, done: int) -> None:
        self.total, self.done = total, done
        self._told = 0.0
        self._seen: deque[tuple[float, int]] = deque()

    @property
    def due(self) -> bool:
        return time.monotonic() - self._told >= BEAT

    def report(self, doing: str) -> Progress:
        now = self._told = time.monotonic()
        while self._seen and (now - self._seen[0][0] > RATE_OVER or self._seen[0][1] > self.done):
            self._seen.popleft()
        self._seen.append((now, self.done))
        words = [doing, f"{size_words(self.done)} of {size_words(self.total)}"]
        since, at = self._seen[0]
        if now - since >= 1.0:
            rate = (self.done - at) / (now - since)
            words.append(f"{size_words(round(rate))}/s")
            if rate > 0:
                words.append(f"about {time_words((self.total - self.done) / rate)}")
        return Progress(min(1.0, self.done / self.total) if self.total else 1.0, " · ".join(words))

    def wait(self, seconds: float, doing: str) -> Generator[Progress]:
        until = time.monotonic() + seconds
        while (left := until - time.monotonic()) > 0:
            yield self.report(doing)
            time.sleep(min(BEAT, left))


def time_words(seconds: float) -> str:
    """A duration for people."""
    if seconds < 60:
        return f"{max(1, round(seconds))} s"
    if seconds < 3600:
        return f"{round(seconds / 60)} min"
    return f"{seconds / 3600:.1f} h"
