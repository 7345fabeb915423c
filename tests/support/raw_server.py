"""A server on this machine that answers with whatever bytes a test wants, whole, in drops, or without end."""

from __future__ import annotations

import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field

Answer = Callable[[str, dict[str, str]], Iterator[bytes]]


@dataclass
class RawServer:
    """`answer`: gets the path and the headers of a request, yields what goes out. `requests`: paths and headers so far."""

    url: str = ""
    answer: Answer = lambda path, headers: iter(())
    requests: list[tuple[str, dict[str, str]]] = field(default_factory=list)
    closing: threading.Event = field(default_factory=threading.Event)


@contextmanager
def raw_server() -> Iterator[RawServer]:
    """A server, for the length of a `with`; each connection gets one answer."""
    server = RawServer()
    listener = socket.create_server(("127.0.0.1", 0))
    listener.settimeout(0.05)
    server.url = f"http://127.0.0.1:{listener.getsockname()[1]}"
    threads: list[threading.Thread] = []

    def accept() -> None:
        while not server.closing.is_set():
            with suppress(TimeoutError):
                connection, _ = listener.accept()
                threads.append(threading.Thread(target=_serve, args=(server, connection)))
                threads[-1].start()

    accepting = threading.Thread(target=accept)
    accepting.start()
    try:
        yield server
    finally:
        server.closing.set()
        accepting.join()
        for thread in threads:
            thread.join()
        listener.close()


def _serve(server: RawServer, connection: socket.socket) -> None:
    with connection, suppress(OSError):
        connection.settimeout(10)
        head = b""
        while b"\r\n\r\n" not in head and (more := connection.recv(65536)):
            head += more
        lines = head.decode("latin-1").split("\r\n")
        path = lines[0].split(" ")[1] if " " in lines[0] else ""
        headers = {name.lower(): value.strip() for name, _, value in (line.partition(":") for line in lines[1:])}
        server.requests.append((path, headers))
        for piece in server.answer(path, headers):
            if server.closing.is_set():
                return
            connection.sendall(piece)


def always(data: bytes) -> Answer:
    """The same answer to every request."""
    return lambda path, headers: iter([data])


def response(body: bytes, status: str = "200 OK", **headers: str) -> bytes:
    """A whole answer over one connection. `headers`: with underscores for hyphens."""
    told = {"Content-Length": str(len(body)), "Connection": "close"}
    told |= {name.replace("_", "-"): value for name, value in headers.items()}
    lines = [f"HTTP/1.1 {status}", *(f"{name}: {value}" for name, value in told.items()), "", ""]
    return "\r\n".join(lines).encode() + body
