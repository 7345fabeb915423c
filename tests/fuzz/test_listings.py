"""Broken answers of a mirror: each gives a plan that stays in its folder, or a sentence."""

from __future__ import annotations

import gzip
import json
from collections.abc import Callable, Iterator
from functools import cache
from pathlib import Path
from random import Random
from typing import Any

import pytest
from huggingface_hub import constants

from editor.models.download import remaining
from editor.models.hub import plan_download
from tests.support.campaign import campaign, check
from tests.support.hub_server import Repository, clip, listing_of, stable_diffusion
from tests.support.mutations import broken_bytes, json_text
from tests.support.raw_server import RawServer, always, raw_server, response

pytestmark = pytest.mark.logs

CASES = 500
ID = "maker/small"


@cache
def examples() -> tuple[dict[str, Any], ...]:
    sizes = stable_diffusion(400)
    shards = {f"unet/diffusion_pytorch_model-0000{i}-of-00002.safetensors": b"w" for i in (1, 2)}
    return (
        listing_of(ID, Repository(sizes)),
        listing_of(ID, Repository(sizes | shards)),
        listing_of(ID, Repository(clip(40), kind="clip")),
        listing_of(ID, Repository({"x.safetensors": b"w", "README.md": b""}, kind=None)),
        listing_of(ID, Repository(sizes, class_name="KandinskyV22Pipeline")),
    )


def broken_answer(random: Random) -> bytes:
    """What goes over the line."""
    example = random.choice(examples())
    body = json_text(random, example)
    match random.randrange(8):
        case 0:
            return broken_bytes(random, response(body))
        case 1:
            return response(broken_bytes(random, body))
        case 2:
            packed = gzip.compress(body)
            return response(
                random.choice((packed, broken_bytes(random, packed))),
                Content_Encoding=random.choice(("gzip", "deflate", "br", "x")),
            )
        case 3:
            return response(body, Content_Length=str(random.choice((0, 5, len(body) + 1))))
        case _:
            return response(body)


@pytest.fixture
def trial(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[Callable[[Random], bool]]:
    monkeypatch.delenv("HF_TOKEN", raising=False)
    monkeypatch.setattr(constants, "HF_TOKEN_PATH", "/no/such/token")
    with raw_server() as server:
        yield lambda random: _trial(random, server, tmp_path)


def _trial(random: Random, server: RawServer, folder: Path) -> bool:
    server.answer = always(broken_answer(random))
    plan = plan_download(ID, endpoint=server.url, half=random.random() < 0.5)
    for file in plan.files:
        assert (folder / file.local).resolve().is_relative_to((folder / file.source).resolve())
        assert "\0" not in file.local
        assert type(file.size) is int
        assert file.size >= 0
    assert plan.total >= 0
    assert plan.licence.isprintable()
    assert len(remaining(plan, folder)) <= len(plan.files)
    return True


def test_every_example_is_sound(trial: Callable[[Random], bool]) -> None:
    with raw_server() as server:
        for example in examples()[:4]:
            server.answer = always(response(json.dumps(example).encode()))
            assert plan_download(ID, endpoint=server.url).files


def test_some_broken_listings(trial: Callable[[Random], bool]) -> None:
    check("listings", campaign("listings", range(30), trial))


@pytest.mark.slow
def test_many_broken_listings(trial: Callable[[Random], bool]) -> None:
    check("listings", campaign("listings", range(CASES), trial))
