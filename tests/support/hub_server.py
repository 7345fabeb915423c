"""A hub of our own on this machine: listings, files with ranges and redirects, consent, and every way in which a network misbehaves."""

from __future__ import annotations

import hashlib
import json
import re
import socket
import struct
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import unquote, urlsplit

COMMIT = "0123456789abcdef0123456789abcdef01234567"
BLOCK = 16 * 1024
LARGE = ".safetensors"


@dataclass
class Repository:
    """`files`: by path. `gated`: needs a token. `wrong`: paths whose bytes are not those that were promised. `kind`: of a network of
    transformers, as its settings call it; None leaves all out that the hub could tell of a model.
    """

    files: Mapping[str, bytes]
    licence: str = "apache-2.0"
    class_name: str = "StableDiffusionPipeline"
    gated: bool = False
    wrong: set[str] = field(default_factory=set)
    kind: str | None = ""


@dataclass(frozen=True)
class Request:
    method: str
    path: str
    range: str
    token: str


class Hub:
    """`url`: its address. `requests`: what was asked. `cut`: how many bytes of a large file go out before the connection breaks, once for
    each entry. `rate`: bytes a second, None for all at once. `status`: the answer to everything. `ranges`: whether it knows them.
    """

    def __init__(self) -> None:
        self.repositories: dict[str, Repository] = {}
        self.requests: list[Request] = []
        self.cut: list[int] = []
        self.rate: float | None = None
        self.status: int | None = None
        self.ranges = True
        self.closing = threading.Event()
        self.url = ""

    def fetched(self, ending: str) -> list[Request]:
        """The requests for bytes of large files whose path ends so."""
        return [
            request
            for request in self.requests
            if request.method == "GET" and "/cdn/" in request.path and request.path.endswith(ending)
        ]


@contextmanager
def serving() -> Iterator[Hub]:
    """A hub, for the length of a `with`."""
    hub = Hub()
    handler = type("Handler", (_Handler,), {"hub": hub})
    server = _Server(("127.0.0.1", 0), handler)
    hub.url = f"http://127.0.0.1:{server.server_address[1]}"
    thread = threading.Thread(target=lambda: server.serve_forever(poll_interval=0.02), name="hub")
    thread.start()
    try:
        yield hub
    finally:
        hub.closing.set()
        server.shutdown()
        thread.join()
        server.hang_up()
        server.server_close()


class _Server(ThreadingHTTPServer):
    """Hangs up at the end: a client may keep its connections open, and the threads that serve them would wait for another request."""

    daemon_threads = True

    def __init__(self, *arguments: Any) -> None:
        super().__init__(*arguments)
        self._connections: list[socket.socket] = []

    def get_request(self) -> tuple[socket.socket, Any]:
        connection, address = super().get_request()
        self._connections.append(connection)
        return connection, address

    def hang_up(self) -> None:
        for connection in self._connections:
            with suppress(OSError):  # it may be closed already
                connection.shutdown(socket.SHUT_RDWR)


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    hub: Hub

    def do_GET(self) -> None:
        hub, path = self.hub, unquote(urlsplit(self.path).path)
        token = self.headers.get("Authorization", "")
        hub.requests.append(Request("GET", path, self.headers.get("Range", ""), token))
        if hub.status is not None:
            self._error(hub.status, "")
        elif found := re.fullmatch(r"/api/models/([^/]+/[^/]+)(?:/revision/(.+))?", path):
            self._list(found[1], found[2])
        elif found := re.fullmatch(r"/([^/]+/[^/]+)/resolve/([^/]+)/(.+)", path):
            self._resolve(found[1], found[3], token)
        elif found := re.fullmatch(r"/cdn/([^/]+/[^/]+)/(.+)", path):
            repository = hub.repositories[found[1]]
            self._send_file(repository.files[found[2]], wrong=found[2] in repository.wrong)
        else:
            self._error(404, "")

    def _list(self, id: str, revision: str | None) -> None:
        repository = self.hub.repositories.get(id)
        if repository is None:
            self._error(401, "RepoNotFound")
        elif revision not in (None, "main", COMMIT):
            self._error(404, "RevisionNotFound")
        else:
            self._send(json.dumps(listing_of(id, repository)).encode(), "application/json")

    def _resolve(self, id: str, name: str, token: str) -> None:
        repository = self.hub.repositories.get(id)
        if repository is None or name not in repository.files:
            self._error(404, "RepoNotFound" if repository is None else "EntryNotFound")
        elif repository.gated and token != "Bearer hf_allowed":
            self._error(403 if token else 401, "GatedRepo")
        elif name.endswith(LARGE):
            self.send_response(302)
            self.send_header("Location", f"{self.hub.url}/cdn/{id}/{name}")
            self.send_header("X-Repo-Commit", COMMIT)
            self.send_header("X-Linked-Size", str(len(repository.files[name])))
            self.send_header("X-Linked-ETag", f'"{hashlib.sha256(repository.files[name]).hexdigest()}"')
            self.send_header("Content-Length", "0")
            self.end_headers()
        else:
            self._send(repository.files[name], "text/plain")

    def _send_file(self, content: bytes, *, wrong: bool) -> None:
        start, hub = 0, self.hub
        asked = re.fullmatch(r"bytes=(\d+)-", self.headers.get("Range", ""))
        if asked and hub.ranges:
            start = int(asked[1])
            self.send_response(206)
            self.send_header("Content-Range", f"bytes {start}-{len(content) - 1}/{len(content)}")
        else:
            self.send_response(200)
        self.send_header("ETag", f'"{hashlib.sha256(content).hexdigest()}"')
        self.send_header("Accept-Ranges", "bytes")
        self.send_header("Content-Length", str(len(content) - start))
        self.end_headers()
        body = bytes(len(content) - start) if wrong else content[start:]
        most = hub.cut.pop(0) if hub.cut else len(body)
        for at in range(0, min(most, len(body)), BLOCK):
            self.wfile.write(body[at : min(at + BLOCK, most)])
            if hub.rate and hub.closing.wait(BLOCK / hub.rate):
                return
        self.close_connection = most < len(body)

    def _send(self, body: bytes, kind: str) -> None:
        self.send_response(200)
        self.send_header("Content-Type", kind)
        self.send_header("X-Repo-Commit", COMMIT)
        self.send_header("ETag", f'"{_blob(body)}"')
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def _error(self, status: int, code: str) -> None:
        self.send_response(status)
        if code:
            self.send_header("X-Error-Code", code)
        self.send_header("Content-Length", "0")
        self.end_headers()

    def handle(self) -> None:
        try:
            super().handle()
        except (BrokenPipeError, ConnectionResetError):
            self.close_connection = True  # who asked has gone

    def log_message(self, format: str, *args: Any) -> None:
        """Tests have nothing to read there."""


def _blob(content: bytes) -> str:
    return hashlib.sha1(b"blob %d\0" % len(content) + content).hexdigest()


def listing_of(id: str, repository: Repository) -> dict[str, Any]:
    siblings = []
    for name, content in repository.files.items():
        each: dict[str, Any] = {"rfilename": name, "size": len(content), "blobId": _blob(content)}
        if name.endswith(LARGE):
            each["lfs"] = {"sha256": hashlib.sha256(content).hexdigest(), "size": len(content), "pointerSize": 134}
        siblings.append(each)
    config: dict[str, Any] = {"diffusers": {"_class_name": repository.class_name}}
    if repository.kind != "":
        config = {"model_type": repository.kind} if repository.kind else {}
    return {
        "_id": "1",
        "id": id,
        "modelId": id,
        "sha": COMMIT,
        "private": False,
        "gated": "auto" if repository.gated else False,
        "cardData": {"license": repository.licence},
        "config": config,
        "tags": [f"license:{repository.licence}"],
        "siblings": siblings,
    }


def weights(size: int, seed: int = 0) -> bytes:
    """A well-formed safetensors file with `size` bytes of half-precision numbers."""
    header = json.dumps({"w": {"dtype": "F16", "shape": [size // 2], "data_offsets": [0, size]}}).encode()
    body = hashlib.shake_128(bytes([seed])).digest(size)
    return struct.pack("<Q", len(header)) + header + body


def clip(size: int = 4000) -> dict[str, bytes]:
    """The files of a small CLIP repository, with much that nobody needs. `size`: of its weights, in bytes."""
    arrays = {"logit_scale": 2, "text_projection.weight": size // 2, "visual_projection.weight": size // 2}
    header, end = {}, 0
    for name, length in arrays.items():
        header[name] = {"dtype": "F16", "shape": [length // 2], "data_offsets": [end, end + length]}
        end += length
    text = json.dumps(header).encode()
    model = struct.pack("<Q", len(text)) + text + hashlib.shake_128(b"clip").digest(end)
    config = {"model_type": "clip", "text_config": {}, "vision_config": {}}
    return {
        "config.json": json.dumps(config).encode(),
        "model.safetensors": model,
        "open_clip_model.safetensors": model,
        "pytorch_model.bin": b"pickle",
        **dict.fromkeys(("preprocessor_config.json", "vocab.json", "tokenizer.json"), b"{}"),
        **dict.fromkeys(("merges.txt", "README.md", ".gitattributes", "open_clip_config.json"), b""),
        "onnx/model.onnx": b"other",
    }


def stable_diffusion(size: int = 40_000) -> dict[str, bytes]:
    """The files of a small Stable Diffusion repository, with much that nobody needs. `size`: of the U-Net's weights, in bytes."""

    def config(**more: object) -> bytes:
        return json.dumps(more).encode()

    parts = {
        "scheduler": ["diffusers", "PNDMScheduler"],
        "text_encoder": ["transformers", "CLIPTextModel"],
        "tokenizer": ["transformers", "CLIPTokenizer"],
        "unet": ["diffusers", "UNet2DConditionModel"],
        "vae": ["diffusers", "AutoencoderKL"],
    }
    return {
        "README.md": b"---\nlicense: apache-2.0\n---\nA small model.\n",
        "model_index.json": config(_class_name="StableDiffusionPipeline", **parts),
        "v1-5-pruned.ckpt": b"pickle",
        "v1-5-pruned.safetensors": weights(90_000, 9),
        "scheduler/scheduler_config.json": config(_class_name="PNDMScheduler", prediction_type="epsilon"),
        "tokenizer/vocab.json": b"{}",
        "tokenizer/merges.txt": b"#version: 0.2\n",
        "tokenizer/tokenizer_config.json": b"{}",
        "text_encoder/config.json": config(architectures=["CLIPTextModel"]),
        "text_encoder/model.safetensors": weights(8_000, 1),
        "text_encoder/model.fp16.safetensors": weights(4_000, 2),
        "text_encoder/pytorch_model.bin": b"pickle",
        "unet/config.json": config(_class_name="UNet2DConditionModel", in_channels=4, sample_size=64),
        "unet/diffusion_pytorch_model.safetensors": weights(2 * size, 3),
        "unet/diffusion_pytorch_model.fp16.safetensors": weights(size, 4),
        "unet/diffusion_pytorch_model.non_ema.safetensors": weights(2 * size, 5),
        "unet/diffusion_pytorch_model.bin": b"pickle",
        "vae/config.json": config(_class_name="AutoencoderKL", latent_channels=4, block_out_channels=[8, 8, 8, 8]),
        "vae/diffusion_pytorch_model.safetensors": weights(6_000, 6),
        "vae/model.onnx": b"onnx",
        "safety_checker/config.json": b"{}",
        "safety_checker/model.safetensors": weights(50_000, 7),
        "flax_model.msgpack": b"flax",
    }
