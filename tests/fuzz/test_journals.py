"""Broken journals: an earlier or the newest state of them opens and is drawn, or they are refused with a sentence."""

from __future__ import annotations

import json
import struct
import zlib
from dataclasses import replace
from functools import cache
from pathlib import Path
from random import Random
from tempfile import TemporaryDirectory

import numpy as np
import pytest

from editor.document.compose import flatten
from editor.document.thumbnails import document_thumbnail
from editor.io.files import FileState
from editor.io.journal import BLOCK_KIND, PLANE_KIND, STATE_KIND, Journal, JournalReader, Snapshot
from editor.io.limits import Mending
from editor.io.project import load_project
from editor.io.records import RecordWriter, payload, scan
from tests.fuzz.test_projects import examples
from tests.support.campaign import campaign, check
from tests.support.mutations import broken_bytes, json_text

pytestmark = pytest.mark.logs

CASES = 1400

Part = tuple[bytes, bytes]  # kind and payload of a record


@cache
def example() -> tuple[Part, ...]:
    """Three states of a document that holds something of everything."""
    with TemporaryDirectory() as place:
        folder = Path(place)
        project = folder / "a.palimpsest"
        project.write_bytes(examples()[0])
        document = load_project(project)
        painted = document.with_strength(document.strength.write(40, 50, np.full((30, 20), 0.5, np.float32)))
        again = painted.with_strength(painted.strength.write(90, 90, np.full((30, 20), 0.7, np.float32)))
        first = Snapshot(
            document,
            "life",
            "a",
            project,
            project,
            FileState(1, 2, 3),
            "Open",
            1e9,
            "words",
            "",
            FileState(1, 2, 3, ""),
        )
        journal = Journal(folder, "one")
        for state in (document, painted, again):
            journal.write(replace(first, document=state))
        (path,) = folder.glob("*.journal")
        with path.open("rb") as file:
            return tuple((record.kind, payload(file, record)) for record in list(scan(file)))


def _broken(random: Random, part: Part) -> Part:
    """With a sound checksum, so that what is broken is read."""
    kind, data = part
    if kind == STATE_KIND and random.random() < 0.9:
        return kind, zlib.compress(json_text(random, json.loads(zlib.decompress(data))))
    if kind == PLANE_KIND and random.random() < 0.5:
        (length,) = struct.unpack_from("<I", data)
        head = json_text(random, json.loads(data[4 : 4 + length]))
        return kind, struct.pack("<I", len(head)) + head + data[4 + length :]
    if kind == BLOCK_KIND and random.random() < 0.5:
        return kind, zlib.compress(broken_bytes(random, zlib.decompress(data)))
    return kind, broken_bytes(random, data)


def write_broken(random: Random, path: Path) -> None:
    """Broken in its records, in their order, or as a file."""
    parts = list(example())
    level = random.random()
    if level < 0.6:
        kind = random.choice((STATE_KIND, STATE_KIND, PLANE_KIND, BLOCK_KIND))
        places = [place for place, part in enumerate(parts) if part[0] == kind]
        for place in places if random.random() < 0.5 else random.sample(places, 1):
            parts[place] = _broken(random, parts[place])
    elif level < 0.8:
        place, other = random.randrange(len(parts)), random.randrange(len(parts))
        match random.randrange(3):
            case 0:
                del parts[place]
            case 1:
                parts.insert(place, parts[other])
            case 2:
                parts[place], parts[other] = parts[other], parts[place]
    writer = RecordWriter(path)
    for kind, data in parts:
        writer.append(kind, data)
    writer.close()
    if level >= 0.8:
        path.write_bytes(broken_bytes(random, path.read_bytes()))


def _trial(random: Random) -> bool:
    with TemporaryDirectory() as folder:
        path = Path(folder) / "broken.journal"
        write_broken(random, path)
        document = JournalReader(path).load(Mending())
        assert flatten(document).shape == (*document.size.shape, 4)
        document_thumbnail(document, 512)
    return True


def test_some_broken_journals() -> None:
    check("journals", campaign("journals", range(60), _trial))


@pytest.mark.slow
def test_many_broken_journals() -> None:
    check("journals", campaign("journals", range(CASES), _trial))
