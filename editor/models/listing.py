"""What a hub says that a repository holds. A mirror can say anything: what makes no sense is not taken, and nothing is trusted further."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from editor.io.safe_json import BadJson, parse_object

MAX_LISTING = 32 * 2**20  # bytes; the largest repositories of models come to 2 MiB
MAX_FILES = 100_000
MAX_SIZE = 2**44  # bytes of one file
MAX_PATH_LENGTH = 400
MAX_TEXT_LENGTH = 200
# Names that every system keeps as they are, and that lead nowhere else.
STEP = re.compile(r"[^\W_.][\w.+ \-]*|[_.]?[\w+\-][\w.+ \-]*", re.ASCII)
COMMIT = re.compile(r"[0-9a-f]{40}")
SHA256 = re.compile(r"[0-9a-f]{64}")


class NotAListing(ValueError):
    """The answer is none that a hub gives; the text says why, in a few words."""


@dataclass(frozen=True, slots=True)
class ListedFile:
    """`path`: in the repository. `size`: bytes, None where the hub does not say. `sha256`: of large files, else empty; `blob`: git's hash."""

    path: str
    size: int | None
    sha256: str
    blob: str

    @property
    def folder(self) -> str:
        return self.path.rpartition("/")[0]

    @property
    def name(self) -> str:
        return self.path.rpartition("/")[2]


@dataclass(frozen=True, slots=True)
class Listing:
    """`commit`: 40 hex digits, empty where the hub does not say. `class_name`: of the pipeline, `kind`: of a network of transformers, each
    empty where it is not told. `licence`: as the hub calls it. `gated`: its makers ask for consent first.
    """

    commit: str
    class_name: str
    kind: str
    licence: str
    gated: bool
    files: tuple[ListedFile, ...]


def parse_listing(body: bytes) -> Listing:
    """What the answer of a hub says. Raises `NotAListing`."""
    try:
        said = parse_object(body, MAX_LISTING)
    except BadJson as error:
        raise NotAListing(str(error)) from error
    siblings = said.get("siblings")
    if not isinstance(siblings, list) and siblings is not None:
        raise NotAListing("its files are no list")
    siblings = siblings or []
    if len(siblings) > MAX_FILES:
        raise NotAListing("it lists too many files")
    files: dict[str, ListedFile] = {}
    for sibling in siblings:
        file = _file(sibling)
        if file is not None and files.setdefault(file.path.lower(), file) != file:
            raise NotAListing("it lists a file twice")
    config = _group(said.get("config"))
    return Listing(
        _hash(said.get("sha"), COMMIT),
        _text(_group(config.get("diffusers")).get("_class_name")),
        _text(config.get("model_type")),
        _licence(said),
        said.get("gated") not in (None, False, "false", ""),
        tuple(files.values()),
    )


def _file(said: object) -> ListedFile | None:
    """None for a file whose name could lead elsewhere: no model needs it."""
    entry = _group(said)
    path = entry.get("rfilename")
    if not isinstance(path, str):
        raise NotAListing("a file has no name")
    if len(path) > MAX_PATH_LENGTH or not all(
        STEP.fullmatch(step) and not step.endswith((".", " ")) for step in path.split("/")
    ):
        return None
    lfs = _group(entry.get("lfs"))
    size = entry.get("size")
    if size is not None and (not isinstance(size, int) or isinstance(size, bool) or not 0 <= size <= MAX_SIZE):
        raise NotAListing("the size of a file is none")
    return ListedFile(path, size, _hash(lfs.get("sha256"), SHA256), _hash(entry.get("blobId"), COMMIT))


def _hash(said: object, pattern: re.Pattern[str]) -> str:
    if said is None or said == "":
        return ""
    if not isinstance(said, str) or not pattern.fullmatch(said):
        raise NotAListing("a hash is none")
    return said


def _licence(said: Mapping[str, Any]) -> str:
    card = _group(said.get("cardData"))
    tags = said.get("tags")
    tagged = (
        [tag.removeprefix("license:") for tag in tags if isinstance(tag, str) and tag.startswith("license:")]
        if isinstance(tags, list)
        else []
    )
    return next(filter(None, map(_text, (card.get("license_name"), card.get("license"), *tagged))), "")


def _group(said: object) -> Mapping[str, Any]:
    return said if isinstance(said, dict) else {}


def _text(said: object) -> str:
    """Printable text of a line, empty for anything else."""
    return said if isinstance(said, str) and len(said) <= MAX_TEXT_LENGTH and said.isprintable() else ""
