"""What is no ordinary file in a folder of models: nothing waits for it, and the models beside it stay on the list."""

from __future__ import annotations

import os
import socket
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from editor.models.download import RECORD, read_record
from editor.models.inspect import inspect
from editor.models.library import Library, walk
from editor.models.places import newest_snapshot
from editor.models.rankers import inspect_ranker, rankers
from tests.support.alarm import time_limit
from tests.support.model_files import diffusers_folder, folder_of, weights_file

pytestmark = pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="there are no pipes among files here")

UNET = "diffusion_pytorch_model.safetensors"


@pytest.fixture(autouse=True)
def _at_once() -> Iterator[None]:
    with time_limit(20):
        yield


@contextmanager
def _socket(path: Path) -> Iterator[None]:
    with socket.socket(socket.AF_UNIX) as server:
        server.bind(str(path))
        yield


def _loop(path: Path) -> None:
    path.symlink_to(path)


def _device(path: Path) -> None:
    path.symlink_to("/dev/zero")


KINDS: list[Callable[[Path], None]] = [os.mkfifo, _loop, _device, Path.mkdir]
FILES = [
    "model_index.json",
    "README.md",
    "unet/config.json",
    f"unet/{UNET}",
    "vae/config.json",
    "scheduler/scheduler_config.json",
    "tokenizer/vocab.json",
    "unet/diffusion_pytorch_model.safetensors.index.json",
]


@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: getattr(kind, "__name__", ""))
@pytest.mark.parametrize("file", FILES)
def test_in_the_place_of_a_file_it_is_a_problem_or_nothing(
    tmp_path: Path, file: str, kind: Callable[[Path], None]
) -> None:
    sound = diffusers_folder(tmp_path / "models" / "sound")
    toy = diffusers_folder(tmp_path / "models" / "toy")
    (toy / file).unlink(missing_ok=True)
    if file.endswith(".index.json"):
        (toy / "unet" / UNET).unlink()
    kind(toy / file)
    info = inspect(toy)
    assert info.usable == (file == "README.md")
    assert file == "README.md" or (info.problem and info.advice)
    listed = Library((tmp_path / "models",), cache=tmp_path / "none").models()
    assert [each.path for each in listed if each.usable and each.path != toy] == [sound]


def test_beside_models_it_is_passed_over(tmp_path: Path) -> None:
    models = tmp_path / "models"
    sound = weights_file(models / "sound.safetensors", folder_of("stable-diffusion"))
    os.mkfifo(models / "pipe.safetensors")
    os.mkfifo(models / "pipe.ckpt")
    _loop(models / "loop.safetensors")
    _device(models / "zero.safetensors")
    (models / "folder.safetensors").mkdir()
    (models / "above").symlink_to(models)
    (models / "nowhere.safetensors").symlink_to(tmp_path / "gone")
    with _socket(models / "s.safetensors"):
        library = Library((models,), cache=tmp_path / "none")
        assert [model.path for model in library.models()] == [sound]
        assert rankers(library) == ()
    for name in ("pipe.safetensors", "loop.safetensors", "zero.safetensors"):
        info = inspect(models / name)
        assert not info.usable
        assert info.advice


def test_a_link_to_a_model_elsewhere_is_that_model(tmp_path: Path) -> None:
    weights_file(tmp_path / "elsewhere" / "x.safetensors", folder_of("stable-diffusion"))
    (tmp_path / "models").mkdir()
    (tmp_path / "models" / "mine.safetensors").symlink_to(tmp_path / "elsewhere" / "x.safetensors")
    listed = Library((tmp_path / "models",), cache=tmp_path / "none").models()
    assert [(each.name, each.usable) for each in listed] == [("mine", True)]


def test_the_cache_of_the_hub_may_hold_anything(tmp_path: Path) -> None:
    repository = tmp_path / "models--owner--toy"
    (repository / "refs").mkdir(parents=True)
    os.mkfifo(repository / "refs" / "main")
    (repository / "snapshots").mkdir()
    _loop(repository / "snapshots" / "loop")
    assert newest_snapshot(repository) is None
    diffusers_folder(repository / "snapshots" / "one")
    assert newest_snapshot(repository) == repository / "snapshots" / "one"
    assert [model.source for model in Library((), cache=tmp_path).models()] == ["owner/toy"]


@pytest.mark.parametrize(
    "content", [b"[" * 100_000, b'{"a":' * 100_000, b"[]", b"\xff", b'{"source": ["x"]}', b"9" * 5000, None]
)
def test_a_damaged_record_tells_nothing(tmp_path: Path, content: bytes | None) -> None:
    if content is None:
        os.mkfifo(tmp_path / RECORD)
    else:
        (tmp_path / RECORD).write_bytes(content)
    assert read_record(tmp_path) == {}


def test_a_ranking_model_is_no_better_trusted(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "config.json")
    assert not inspect_ranker(tmp_path).usable


def test_a_folder_of_very_many_files_is_looked_at_in_part(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("editor.models.library.ENTRIES", 200)
    for number in range(300):
        (tmp_path / f"{number}.txt").touch()
    inner = tmp_path
    for _ in range(60):
        inner = inner / "deeper"
    inner.mkdir(parents=True)
    assert sum(len(entries) for _, entries in walk(tmp_path)) == 200
    assert Library((tmp_path,), cache=tmp_path / "none").models() == ()


@pytest.mark.skipif(hasattr(os, "geteuid") and os.geteuid() == 0, reason="the administrator may read everything")
@pytest.mark.parametrize("file", ["unet", "model_index.json", f"unet/{UNET}"])
def test_what_may_not_be_read_is_a_problem(tmp_path: Path, file: str) -> None:
    toy = diffusers_folder(tmp_path / "toy")
    (toy / file).chmod(0)
    info = inspect(toy)
    (toy / file).chmod(0o700)
    assert not info.usable
    assert info.advice
