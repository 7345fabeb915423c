"""What the child writes down and the parent checks: one line of JSON a fact, with digests of whole documents."""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import Any

import numpy as np

from editor.document.document import MAPS, Document
from editor.document.tiles import Tiles


def ledger_path(home: Path) -> Path:
    return home / "ledger.jsonl"


def project_path(home: Path, key: str) -> Path:
    """Where the child saves a document, time and again."""
    return home / f"{key}.palimpsest"


class Digests:
    """Digests of whole documents. Those of blocks are kept for as long as their tiles are: a step hashes what it changed."""

    def __init__(self) -> None:
        self._blocks: dict[int, tuple[object, bytes]] = {}

    def of(self, document: Document) -> str:
        digest = hashlib.blake2b(digest_size=12)
        blocks: dict[int, tuple[object, bytes]] = {}
        for name in MAPS:
            self._add(digest, document.map(name), blocks)
        for layer in document.layers:
            facts = layer.id, layer.name, layer.opacity, layer.blend, layer.visible, layer.recipe is None
            digest.update(repr(facts).encode())
            self._add(digest, layer.pixels, blocks)
            if layer.painted is not None:
                self._add(digest, layer.painted, blocks)
        digest.update(repr((document.size, document.next_id)).encode())
        self._blocks = self._blocks | blocks if len(self._blocks) < 20_000 else blocks
        return digest.hexdigest()

    def _add(self, digest: Any, tiles: Tiles, blocks: dict[int, tuple[object, bytes]]) -> None:
        for row in tiles.rows:
            for block in row:
                known = blocks.get(id(block)) or self._blocks.get(id(block))
                if known is None or known[0] is not block:
                    known = block, hashlib.blake2b(np.ascontiguousarray(block).data, digest_size=8).digest()
                blocks[id(block)] = known
                digest.update(known[1])
