"""A part of a model as libraries may see it: its checked settings and its weights, alone in a folder of their own.

Libraries look for much beside what they are asked for (adapters, templates, code, quantisation). Where only what was checked lies, they find
nothing else.
"""

from __future__ import annotations

import json
import os
import shutil
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from editor.io.safe_json import read_start
from editor.models.components import MAX_WORDS, PICTURE_PROCESSOR, NetworkKind, cleaned
from editor.models.headers import Damaged, find_weights, read_header, read_json

CONFIG = "config.json"
WORDS, MERGES, TOKENIZER = "vocab.json", "merges.txt", "tokenizer.json"
MERGES_LIMIT = 16 * 2**20  # bytes
MAX_ADDED = 10_000  # tokens beside the word list
MAX_TOKEN_LENGTH = 1000  # letters
SPECIAL = ("bos_token", "eos_token", "unk_token", "pad_token")
MARKS = ("lstrip", "rstrip", "normalized", "single_word", "special")


@contextmanager
def staged_network(folder: Path, kind: NetworkKind, stem: str) -> Iterator[Path]:
    """A folder with `config.json` and weights called after `stem`, in one file or several. Raises `Damaged`."""
    settings = checked_settings(folder / CONFIG, kind)
    weights = find_weights(folder)
    with _stage() as stage:
        _write(stage / CONFIG, settings)
        if weights.index is None:
            _lend(weights.files[0], stage / f"{stem}.safetensors")
        else:
            for file in weights.files:
                _lend(file, stage / file.name)
            places = {name: file.name for file in weights.files for name in read_header(file).tensors}
            _write(stage / f"{stem}.safetensors.index.json", {"metadata": {}, "weight_map": places})
        yield stage


@contextmanager
def staged_tokenizer(folder: Path) -> Iterator[Path]:
    """A folder with the word list of a CLIP tokenizer and what its special words are. Raises `Damaged`."""
    files: dict[str, Any] = {}
    merges = b""
    if (folder / TOKENIZER).exists() or not (folder / WORDS).exists():
        files[TOKENIZER] = _tokenizer(read_json(folder / TOKENIZER))
    else:
        files[WORDS] = _vocabulary(read_json(folder / WORDS))
        try:
            merges = read_start(folder / MERGES, MERGES_LIMIT + 1)
        except OSError as error:
            raise Damaged("has no word list") from error
        if len(merges) > MERGES_LIMIT:
            raise Damaged("has a word list that is far too large")
    for name, clean in (
        ("tokenizer_config.json", _tokenizer_settings),
        ("special_tokens_map.json", _special),
        ("added_tokens.json", _added),
    ):
        if (folder / name).exists():
            files[name] = clean(read_json(folder / name))
    with _stage() as stage:
        for name, content in files.items():
            _write(stage / name, content)
        if merges:
            (stage / MERGES).write_bytes(merges)
        yield stage


@contextmanager
def staged_processor(folder: Path) -> Iterator[Path]:
    """A folder with how pictures are made ready for an image encoder. Raises `Damaged`."""
    settings = checked_settings(folder / "preprocessor_config.json", PICTURE_PROCESSOR)
    with _stage() as stage:
        _write(stage / "preprocessor_config.json", settings)
        yield stage


def checked_settings(file: Path, kind: NetworkKind) -> dict[str, Any]:
    """The settings in a file that may reach a library. Raises `Damaged`, naming the file."""
    try:
        return cleaned(kind, read_json(file))
    except Damaged as error:
        raise Damaged(f"“{file.name}” {error}") from error


@contextmanager
def _stage() -> Iterator[Path]:
    # What is mapped into memory stays there after its name is gone; where a system keeps the name, it is left to it.
    with tempfile.TemporaryDirectory(prefix="palimpsest-", ignore_cleanup_errors=True) as name:
        yield Path(name)


def _write(file: Path, content: Mapping[str, Any]) -> None:
    file.write_text(json.dumps(content), encoding="utf-8")


def _lend(file: Path, name: Path) -> None:
    """The same file under another name; copied only where the system can do nothing else."""
    target = os.path.realpath(file)
    for link in (os.symlink, os.link):
        try:
            link(target, name)
        except (OSError, NotImplementedError):
            continue
        return
    shutil.copyfile(target, name)


def _tokenizer(said: Mapping[str, Any]) -> dict[str, Any]:
    """A fast tokenizer's file with nothing of it but its words: patterns and replacements are CLIP's own, whatever stands there."""
    model = said.get("model")
    if not isinstance(model, dict):
        raise Damaged("has no word list")
    merges = model.get("merges")
    if not isinstance(merges, list) or not all(
        isinstance(merge, str)
        or (isinstance(merge, list) and len(merge) == 2 and all(isinstance(half, str) for half in merge))
        for merge in merges
    ):
        raise Damaged("has a damaged word list")
    added = said.get("added_tokens") or []
    if not isinstance(added, list) or len(added) > MAX_ADDED:
        raise Damaged("has a damaged word list")
    return {
        "version": "1.0",
        "truncation": None,
        "padding": None,
        "added_tokens": [{"id": _id(token.get("id")), **_token(token)} for token in added if isinstance(token, dict)],
        "normalizer": None,
        "pre_tokenizer": None,
        "post_processor": None,
        "decoder": None,
        "model": {"type": "BPE", "vocab": _vocabulary(model.get("vocab")), "merges": merges},
    }


def _vocabulary(said: object) -> dict[str, int]:
    if not isinstance(said, dict) or not said or len(said) > MAX_WORDS:
        raise Damaged("has a damaged word list")
    if max(map(len, said)) > MAX_TOKEN_LENGTH or len({_id(index) for index in said.values()}) < len(said):
        raise Damaged("has a damaged word list")
    return said


def _id(said: object) -> int:
    if not isinstance(said, int) or isinstance(said, bool) or not 0 <= said < MAX_WORDS:
        raise Damaged("has a damaged word list")
    return said


def _text(said: object) -> str:
    if not isinstance(said, str) or not 0 < len(said) <= MAX_TOKEN_LENGTH:
        raise Damaged("has a damaged list of special words")
    return said


def _token(said: Mapping[str, Any]) -> dict[str, Any]:
    return {"content": _text(said.get("content")), **{mark: said.get(mark) is True for mark in MARKS if mark in said}}


def _special(said: Mapping[str, Any]) -> dict[str, Any]:
    given = {name: said[name] for name in SPECIAL if said.get(name) is not None}
    return {
        name: {key: kept for key, kept in _token(token).items() if key != "special"}
        if isinstance(token, dict)
        else _text(token)
        for name, token in given.items()
    }


def _tokenizer_settings(said: Mapping[str, Any]) -> dict[str, Any]:
    special = {
        name: {"__type": "AddedToken", **token} if isinstance(token, dict) else token
        for name, token in _special(said).items()
    }
    settings: dict[str, Any] = {"tokenizer_class": "CLIPTokenizer", **special}
    longest = said.get("model_max_length")
    if isinstance(longest, int) and not isinstance(longest, bool) and 2 < longest <= 4096:
        settings["model_max_length"] = longest
    added = said.get("added_tokens_decoder")
    if isinstance(added, dict):
        if len(added) > MAX_ADDED or not all(key.isdecimal() and len(key) < 8 for key in added):
            raise Damaged("has a damaged list of special words")
        settings["added_tokens_decoder"] = {
            key: _token(token) for key, token in added.items() if isinstance(token, dict)
        }
    return settings


def _added(said: Mapping[str, Any]) -> dict[str, int]:
    if len(said) > MAX_ADDED:
        raise Damaged("has a damaged list of special words")
    return {_text(token): _id(index) for token, index in said.items()}
