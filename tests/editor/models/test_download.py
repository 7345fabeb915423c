"""Downloads: what is asked for, what is kept, how they stop and go on, and what is said when something is wrong."""

from __future__ import annotations

import errno
import hashlib
import json
import shutil
import socket
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

import pytest
from huggingface_hub import constants

from editor.diffusion.families.registry import FAMILIES
from editor.errors import EditorError, ModelUnavailable, UnwritableFile
from editor.models import download as module
from editor.models.download import download, read_record, remaining
from editor.models.hub import DownloadPlan, plan_download, tidy_id
from editor.models.inspect import inspect
from editor.models.rankers import inspect_ranker
from editor.requests.reports import Progress, Report, Reports
from tests.support.hub_server import COMMIT, Hub, Repository, clip, serving, stable_diffusion, weights
from tests.support.reports import drive

ID = "maker/small"
UNET = "unet/diffusion_pytorch_model.fp16.safetensors"
QUICK = (0.01, 0.01)


@pytest.fixture
def hub(monkeypatch: pytest.MonkeyPatch) -> Iterator[Hub]:
    monkeypatch.delenv("HF_TOKEN", raising=False)
    monkeypatch.setattr(constants, "HF_TOKEN_PATH", "/no/such/token")
    with serving() as hub:
        hub.repositories[ID] = Repository(stable_diffusion())
        yield hub


def plan(hub: Hub, id: str = ID, **more: Any) -> DownloadPlan:
    return plan_download(id, endpoint=hub.url, **more)


def run(reports: Reports[Path]) -> tuple[Path, list[Progress]]:
    """Drive it to its end."""
    seen: list[Progress] = []
    path = drive(reports, seen)
    assert all(isinstance(report, Progress) for report in seen)
    return path, seen


def fails(reports: Reports[Path]) -> EditorError:
    with pytest.raises(EditorError) as caught:
        run(reports)
    return caught.value


def contents(folder: Path) -> set[str]:
    return {path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file()}


# What would be fetched


def test_a_plan_takes_what_is_needed_and_nothing_else(hub: Hub) -> None:
    found = plan(hub)
    files = stable_diffusion()
    assert (found.licence, found.gated, found.family) == ("apache-2.0", False, FAMILIES.named("stable-diffusion"))
    assert {file.path for file in found.files} == {
        "README.md",
        "model_index.json",
        "scheduler/scheduler_config.json",
        "tokenizer/vocab.json",
        "tokenizer/merges.txt",
        "tokenizer/tokenizer_config.json",
        "text_encoder/config.json",
        "text_encoder/model.fp16.safetensors",
        "unet/config.json",
        UNET,
        "vae/config.json",
        "vae/diffusion_pytorch_model.safetensors",
    }
    assert found.total == sum(len(files[file.path]) for file in found.files)
    assert all(file.commit == COMMIT for file in found.files)


def test_full_precision_is_fetched_where_it_is_wanted(hub: Hub) -> None:
    weights = {file.path for file in plan(hub, half=False).files if file.path.endswith(".safetensors")}
    assert "unet/diffusion_pytorch_model.safetensors" in weights
    assert not any("fp16" in path for path in weights)


def test_split_weights_come_with_their_index(hub: Hub) -> None:
    files = {path: content for path, content in stable_diffusion().items() if not path.startswith("unet/diffusion")}
    names = [f"diffusion_pytorch_model.fp16-0000{at}-of-00002.safetensors" for at in (1, 2)]
    index = json.dumps({"weight_map": {"a": names[0], "b": names[1]}}).encode()
    split = {f"unet/{name}": weights(1000, at) for at, name in enumerate(names)}
    plain = {"unet/diffusion_pytorch_model.safetensors": weights(4000, 3)}
    hub.repositories[ID] = Repository(
        {**files, **split, **plain, "unet/diffusion_pytorch_model.safetensors.index.fp16.json": index}
    )
    unet = {Path(file.local).name for file in plan(hub).files if file.part == "unet"}
    assert unet == {"config.json", "diffusion_pytorch_model.safetensors.index.fp16.json", *names}


def test_the_halves_of_kandinsky_come_together(hub: Hub, tmp_path: Path) -> None:
    decoder = {"model_index.json": b"{}", "unet/config.json": b"{}", "unet/model.safetensors": weights(100)}
    prior = {"model_index.json": b"{}", "prior/config.json": b"{}", "prior/model.safetensors": weights(200)}
    hub.repositories["k/k-2-2-decoder"] = Repository(decoder, class_name="KandinskyV22Pipeline")
    hub.repositories["k/k-2-2-prior"] = Repository(prior, class_name="KandinskyV22PriorPipeline")
    found = plan(hub, "k/k-2-2-decoder")
    folder, _ = run(download(found, tmp_path))
    assert folder == tmp_path / "k" / "k-2-2-decoder"
    assert (tmp_path / "k" / "k-2-2-prior" / "prior" / "model.safetensors").read_bytes() == weights(200)
    with pytest.raises(ModelUnavailable, match=r"one half of Kandinsky.* Get the decoder"):
        plan(hub, "k/k-2-2-prior")


def test_a_single_checkpoint_is_taken_as_it_is(hub: Hub, tmp_path: Path) -> None:
    hub.repositories[ID] = Repository({"dream.safetensors": weights(500), "dream.ckpt": b"pickle"}, class_name="")
    folder, _ = run(download(plan(hub), tmp_path))
    assert contents(folder) == {"dream.safetensors", "download.json"}


@pytest.mark.parametrize("kind", ["clip", None])
def test_a_clip_model_brings_what_ranking_needs(hub: Hub, tmp_path: Path, kind: str | None) -> None:
    hub.repositories[ID] = Repository(clip(), kind=kind)
    found = plan(hub)
    assert (found.ranks, found.family) == (True, None)
    folder, _ = run(download(found, tmp_path))
    assert contents(folder) == {
        *("config.json", "model.safetensors", "preprocessor_config.json", "vocab.json", "tokenizer.json"),
        *("merges.txt", "README.md", "download.json"),
    }
    assert inspect_ranker(folder).usable


def test_a_clip_model_of_pickles_is_refused(hub: Hub) -> None:
    files = {name: content for name, content in clip().items() if name != "model.safetensors"}
    hub.repositories[ID] = Repository(files, kind="clip")
    with pytest.raises(ModelUnavailable, match="pickle"):
        plan(hub)


def test_painting_models_do_not_rank(hub: Hub) -> None:
    assert not plan(hub).ranks
    hub.repositories[ID] = Repository({"config.json": b"{}", "model.safetensors": weights(500)}, kind="bert")
    assert not plan(hub).ranks


@pytest.mark.parametrize(
    ("files", "class_name", "says"),
    [
        ({"a.ckpt": b"x"}, "", "pickle"),
        ({"model_index.json": b"{}", "unet/model.bin": b"x"}, "StableDiffusionPipeline", "pickle"),
        ({"model_index.json": b"{}", "unet/config.json": b"x"}, "StableDiffusionPipeline", "no weights for its unet"),
        ({"a.safetensors": b"x", "b.safetensors": b"x"}, "", "2 checkpoints"),
        ({"README.md": b"x"}, "", "no picture model"),
        (stable_diffusion(), "FluxPipeline", "cannot use"),
        (stable_diffusion(), "StableDiffusionInpaintPipeline", "cannot use"),
    ],
)
def test_what_is_of_no_use_is_refused_before_the_download(
    hub: Hub, files: dict[str, bytes], class_name: str, says: str
) -> None:
    hub.repositories[ID] = Repository(files, class_name=class_name)
    with pytest.raises(ModelUnavailable, match=says) as caught:
        plan(hub)
    assert caught.value.advice


@pytest.mark.parametrize(
    ("text", "id"),
    [
        (" maker/small ", ID),
        ("https://huggingface.co/maker/small", ID),
        ("https://huggingface.co/maker/small/tree/main?not=this", ID),
    ],
)
def test_ids_are_understood_as_people_paste_them(text: str, id: str) -> None:
    assert tidy_id(text) == id


@pytest.mark.parametrize("text", ["", "small", "a/b/c", "../../etc", "a/..", "maker/sm all", "https://huggingface.co/"])
def test_what_is_no_id_is_told_before_anybody_is_asked(text: str) -> None:
    with pytest.raises(ModelUnavailable, match="not the id of a model"):
        plan_download(text, endpoint="http://127.0.0.1:1")


# Fetching


def test_a_model_arrives_whole_and_is_ready(hub: Hub, tmp_path: Path) -> None:
    found = plan(hub)
    folder, seen = run(download(found, tmp_path))
    assert folder == tmp_path / "maker" / "small"
    files = stable_diffusion()
    for file in found.files:
        assert (tmp_path / file.local).read_bytes() == files[file.path]
    assert contents(folder) == {file.local.removeprefix("maker/small/") for file in found.files} | {"download.json"}
    assert (folder / "unet" / "diffusion_pytorch_model.safetensors").exists()
    assert read_record(folder)["source"] == ID
    info = inspect(folder)
    assert (info.problem, info.licence, info.name) == ("", "apache-2.0", "small")
    assert seen[0].fraction == 0.0
    assert remaining(found, tmp_path) == []
    before = len(hub.requests)
    run(download(found, tmp_path))
    assert len(hub.requests) == before


def test_progress_counts_bytes_in_words(hub: Hub, tmp_path: Path) -> None:
    hub.repositories[ID] = Repository(stable_diffusion(1_500_000))
    hub.rate = 1_000_000
    _, seen = run(download(plan(hub), tmp_path))
    words = [each.doing for each in seen if each.doing.startswith("Downloading unet")]
    assert words
    assert " of 1.5 MB" in words[0] or " of 2 MB" in words[0]
    assert any("/s" in word and "about" in word for word in words)
    fractions = [each.fraction for each in seen]
    assert fractions == sorted(fractions)


def test_a_cut_connection_is_taken_up_where_it_broke(hub: Hub, tmp_path: Path) -> None:
    hub.cut = [4_000_000, 4_000_000, 17_000, 0, 9_000]  # two small weights pass
    folder, _ = run(download(plan(hub), tmp_path, waits=QUICK))
    assert inspect(folder).usable
    ranges = [request.range for request in hub.fetched(UNET)]
    assert ranges == ["", "bytes=17000-", "bytes=17000-", "bytes=26000-"]


@pytest.mark.logs
def test_an_interrupted_download_goes_on_with_a_range(hub: Hub, tmp_path: Path) -> None:
    found = plan(hub)
    hub.cut = [4_000_000, 4_000_000, 10_000, 0, 0, 0]  # two small weights pass, then the U-Net's break off
    error = fails(download(found, tmp_path, waits=QUICK))
    assert isinstance(error, ModelUnavailable)
    assert "interrupted" in error.message
    assert "goes on where it stopped" in error.advice
    folder = found.folder(tmp_path)
    info = inspect(folder)
    assert not info.usable
    assert "not been finished" in info.problem
    (partial,) = folder.glob("unet/.*.incomplete")
    assert partial.stat().st_size == 10_000
    hub.cut, hub.requests = [], []
    run(download(found, tmp_path))
    (request,) = hub.fetched(UNET)
    assert request.range == "bytes=10000-"
    whole = (folder / "unet" / "diffusion_pytorch_model.safetensors").read_bytes()
    assert hashlib.sha256(whole).digest() == hashlib.sha256(stable_diffusion()[UNET]).digest()
    assert not list(folder.rglob("*.incomplete"))
    assert inspect(folder).usable


def test_a_server_without_ranges_begins_anew(hub: Hub, tmp_path: Path) -> None:
    hub.ranges = False
    hub.cut = [4_000_000, 4_000_000, 10_000]
    folder, seen = run(download(plan(hub), tmp_path, waits=QUICK))
    assert inspect(folder).usable
    assert all(each.fraction <= 1.0 for each in seen)


@pytest.mark.parametrize("rate", [400_000, 2_000])
def test_closing_stops_within_a_second_and_keeps_what_came(hub: Hub, tmp_path: Path, rate: int) -> None:
    """Also while hardly anything comes."""
    hub.repositories[ID] = Repository(stable_diffusion(4_000_000))
    found = plan(hub)
    hub.rate = rate
    reports = download(found, tmp_path)
    longest = 0.0
    while not list(tmp_path.rglob("*.incomplete")):
        next(reports)
    for _ in range(5):
        before = time.monotonic()
        next(reports)
        longest = max(longest, time.monotonic() - before)
    before = time.monotonic()
    reports.close()
    assert time.monotonic() - before < 0.5
    assert longest < 0.9
    assert list(tmp_path.rglob("*.incomplete"))
    assert not inspect(found.folder(tmp_path)).usable


@pytest.mark.logs
def test_another_version_replaces_a_file_and_never_continues_its_beginning(hub: Hub, tmp_path: Path) -> None:
    hub.cut = [4_000_000, 4_000_000, 10_000, 0, 0, 0]
    fails(download(plan(hub), tmp_path, waits=QUICK))
    changed = {
        **stable_diffusion(),
        UNET: weights(40_000, 77),
        "vae/diffusion_pytorch_model.safetensors": weights(6_000, 78),
    }
    hub.repositories[ID], hub.cut, hub.requests = Repository(changed), [], []
    folder, _ = run(download(plan(hub), tmp_path))
    assert (folder / "unet" / "diffusion_pytorch_model.safetensors").read_bytes() == changed[UNET]
    assert (folder / "vae" / "diffusion_pytorch_model.safetensors").read_bytes() == weights(6_000, 78)
    assert [request.range for request in hub.fetched(UNET)] == [""]


# What can go wrong


def test_damaged_bytes_are_thrown_away_and_fetched_again(hub: Hub, tmp_path: Path) -> None:
    hub.repositories[ID].wrong.add(UNET)
    error = fails(download(plan(hub), tmp_path))
    assert "damaged" in error.message
    folder = plan(hub).folder(tmp_path)
    assert not list(folder.glob("unet/*.safetensors"))
    assert not list(folder.rglob("*.incomplete"))
    hub.repositories[ID].wrong.clear()
    run(download(plan(hub), tmp_path))
    assert inspect(folder).usable


def test_a_gated_model_is_shown_and_explained(hub: Hub, tmp_path: Path) -> None:
    hub.repositories[ID].gated = True
    found = plan(hub)
    assert found.gated
    assert found.total > 0
    error = fails(download(found, tmp_path))
    assert "consent" in error.message
    assert f"{hub.url}/{ID}" in error.advice
    assert "hf auth login" in error.advice
    assert "HF_TOKEN" in error.advice
    run(download(found, tmp_path, "hf_allowed"))
    assert inspect(found.folder(tmp_path)).usable


def test_a_stored_token_is_not_told_to_a_mirror(hub: Hub, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HF_TOKEN", "hf_secret")
    run(download(plan(hub), tmp_path))
    assert {request.token for request in hub.requests} == {""}
    monkeypatch.setattr(constants, "ENDPOINT", hub.url)
    monkeypatch.setattr(constants, "HUGGINGFACE_CO_URL_TEMPLATE", hub.url + "/{repo_id}/resolve/{revision}/{filename}")
    plan_download(ID)
    assert hub.requests[-1].token == "Bearer hf_secret"


def test_unknown_names_and_versions(hub: Hub) -> None:
    with pytest.raises(ModelUnavailable, match="no model “maker/nothing”"):
        plan(hub, "maker/nothing")
    with pytest.raises(ModelUnavailable, match="no such version"):
        plan(hub, revision="v9")
    assert plan(hub, revision="main").total == plan(hub).total


@pytest.mark.parametrize(("status", "says"), [(503, "answered with an error"), (403, "token"), (401, "no model|token")])
def test_a_hub_that_refuses(hub: Hub, status: int, says: str) -> None:
    hub.status = status
    with pytest.raises(ModelUnavailable, match=says):
        plan(hub)


def test_a_file_that_has_gone(hub: Hub, tmp_path: Path) -> None:
    found = plan(hub)
    files = stable_diffusion()
    del files["vae/config.json"]
    hub.repositories[ID] = Repository(files)
    assert "gone from the hub" in fails(download(found, tmp_path)).message


def test_a_busy_hub_is_asked_again(hub: Hub, tmp_path: Path) -> None:
    found = plan(hub)
    hub.status = 503
    reports = download(found, tmp_path, waits=(0.3, 0.3))
    while not _waits(next(reports)):
        continue
    hub.status = None
    run(reports)
    assert inspect(found.folder(tmp_path)).usable


def _waits(report: Report) -> bool:
    return isinstance(report, Progress) and report.doing.startswith("Waiting for the network")


def test_no_network(hub: Hub, tmp_path: Path) -> None:
    with socket.socket() as closed:
        closed.bind(("127.0.0.1", 0))
        nobody = f"http://127.0.0.1:{closed.getsockname()[1]}"
    with pytest.raises(ModelUnavailable, match="cannot be reached") as caught:
        plan_download(ID, endpoint=nobody)
    assert "network" in caught.value.advice


def test_no_hub_at_that_address(hub: Hub) -> None:
    with pytest.raises(ModelUnavailable):
        plan_download(ID, endpoint="not an address")


def test_offline_mode_is_respected_and_said(hub: Hub, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    found = plan(hub)
    before = len(hub.requests)
    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", True)
    with pytest.raises(ModelUnavailable, match="HF_HUB_OFFLINE"):
        plan(hub)
    assert "HF_HUB_OFFLINE" in fails(download(found, tmp_path)).message
    assert len(hub.requests) == before


def test_without_the_hubs_library_it_says_what_to_install(hub: Hub, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "huggingface_hub", None)
    with pytest.raises(ModelUnavailable, match="part of the program") as caught:
        plan(hub)
    assert "pip install" in caught.value.advice


class Usage(NamedTuple):
    total: int
    used: int
    free: int


def test_too_little_room_is_told_before(hub: Hub, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    found = plan(hub)
    before = len(hub.requests)
    monkeypatch.setattr(shutil, "disk_usage", lambda path: Usage(10**9, 10**9 - 50_000_010, 50_000_010))
    error = fails(download(found, tmp_path))
    assert isinstance(error, UnwritableFile)
    assert "not enough room for “small”" in error.message
    assert "50 MB are free" in error.message
    assert len(hub.requests) == before
    assert contents(tmp_path) == set()


def test_a_disk_that_fills_up_on_the_way(hub: Hub, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    found = plan(hub)
    write = module._Growing.write

    def full(growing: module._Growing, chunk: bytes) -> int:
        if growing.size > 5_000:
            raise OSError(errno.ENOSPC, "No space left on device")
        return write(growing, chunk[:6_000])

    with monkeypatch.context() as patched:
        patched.setattr(module._Growing, "write", full)
        error = fails(download(found, tmp_path))
    assert isinstance(error, UnwritableFile)
    assert "disk is full" in error.message
    assert "what has come is kept" in error.advice
    assert list(tmp_path.rglob("*.incomplete"))


def test_a_folder_that_cannot_be_written(hub: Hub, tmp_path: Path) -> None:
    blocked = tmp_path / "file"
    blocked.write_text("in the way")
    error = fails(download(plan(hub), blocked / "models"))
    assert isinstance(error, UnwritableFile)
    assert "another folder" in error.advice
