"""What was learned about a picture: found again, in memory and on disk, within its budget, and never believed when it is damaged."""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np
import pytest
import torch

from editor.content_key import content_key
from editor.diffusion.fits import FitStore, NotKept

TENSORS = {"image": torch.arange(12.0).reshape(3, 4), "count": torch.tensor([7])}


def same(one: dict[str, torch.Tensor] | None, other: dict[str, torch.Tensor]) -> bool:
    return one is not None and one.keys() == other.keys() and all(torch.equal(one[name], other[name]) for name in one)


def test_a_key_depends_on_every_number_type_shape_and_their_order() -> None:
    array = np.arange(6, dtype=np.float32)
    other = array.copy()
    other[3] += np.float32(1e-6)
    keys = [
        content_key(array, "a", 1.0),
        content_key(other, "a", 1.0),
        content_key(array.reshape(2, 3), "a", 1.0),
        content_key(array.view(np.int32), "a", 1.0),
        content_key("a", array, 1.0),
        content_key(array, "b", 1.0),
        content_key(array, "a", 1.5),
        content_key(array, "a"),
    ]
    assert len(set(keys)) == len(keys)
    assert content_key(array.copy(), "a", 1.0) == keys[0]
    assert content_key(np.asfortranarray(array.reshape(2, 3)), "a", 1.0) == keys[2]


@pytest.mark.parametrize("on_disk", [False, True])
def test_what_is_kept_is_found(tmp_path: Path, on_disk: bool) -> None:
    store = FitStore(tmp_path / "learned" if on_disk else None)
    assert store.get("a") is None
    store.keep("a", TENSORS)
    assert same(store.get("a"), TENSORS)
    assert store.get("b") is None
    changed = {"image": torch.zeros(2)}
    store.keep("a", changed)
    assert same(store.get("a"), changed)


def test_files_outlive_the_program_and_memory_does_not(tmp_path: Path) -> None:
    FitStore(tmp_path).keep("a", TENSORS)
    assert same(FitStore(tmp_path).get("a"), TENSORS)
    FitStore().keep("a", TENSORS)
    assert FitStore().get("a") is None


@pytest.mark.parametrize("on_disk", [False, True])
def test_what_was_not_asked_for_longest_goes_first(tmp_path: Path, on_disk: bool) -> None:
    tensors = {"x": torch.zeros(1000)}  # 4 kB and a header
    store = FitStore(tmp_path if on_disk else None, budget=9000)
    for second, name in enumerate("ab"):
        store.keep(name, tensors)
        if on_disk:
            os.utime(tmp_path / f"{name}.safetensors", (second, second))
    assert store.get("a") is not None
    store.keep("c", tensors)
    assert [store.get(name) is not None for name in "abc"] == [True, False, True]
    if on_disk:
        assert sum(path.stat().st_size for path in tmp_path.iterdir()) <= 9000


@pytest.mark.parametrize("on_disk", [False, True])
def test_larger_than_the_budget_is_refused_in_a_sentence(
    tmp_path: Path, on_disk: bool, caplog: pytest.LogCaptureFixture
) -> None:
    store = FitStore(tmp_path if on_disk else None, budget=1_000_000)
    large = {"x": torch.zeros(500_000)}
    with pytest.raises(NotKept) as refused:
        store.keep("a", large)
    assert refused.value.message == "What is learned takes 2 MB, and 1 MB are set aside for it."
    assert store.get("a") is None
    assert not list(tmp_path.iterdir())
    store.try_keep("a", large)
    assert [record.message for record in caplog.records] == [str(refused.value)]
    caplog.clear()


def test_on_disk_there_is_room_for_what_memory_does_not_take(tmp_path: Path) -> None:
    large = {"x": torch.empty(2**28, device="meta")}  # 1 GB
    FitStore(tmp_path).check(large)
    with pytest.raises(NotKept):
        FitStore().check(large)


@pytest.mark.parametrize("damage", [b"", b"nonsense", None])
@pytest.mark.logs
def test_damaged_files_are_not_there(tmp_path: Path, damage: bytes | None) -> None:
    store = FitStore(tmp_path)
    store.keep("a", TENSORS)
    (file,) = tmp_path.iterdir()
    file.write_bytes(file.read_bytes()[:-5] if damage is None else damage)
    assert store.get("a") is None
    assert not file.exists()
    store.keep("a", TENSORS)
    assert same(store.get("a"), TENSORS)


def test_what_killed_programs_left_half_written_goes(tmp_path: Path) -> None:
    old, new = tmp_path / "tmpabc.part", tmp_path / "tmpdef.part"
    for path in (old, new):
        path.write_bytes(b"half")
    os.utime(old, (1, 1))
    FitStore(tmp_path).keep("one", TENSORS)
    assert not old.exists()
    assert new.exists()


def test_a_folder_that_cannot_be_made_is_said(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    (tmp_path / "file").write_bytes(b"")
    store = FitStore(tmp_path / "file" / "learned")
    with pytest.raises(NotKept, match="could not be kept"):
        store.keep("a", TENSORS)
    store.try_keep("a", TENSORS)
    assert len(caplog.records) == 1
    caplog.clear()
    assert store.get("a") is None


def test_what_is_dropped_is_gone(tmp_path: Path) -> None:
    for store in (FitStore(), FitStore(tmp_path)):
        store.keep("a", TENSORS)
        store.drop("a")
        store.drop("a")
        assert store.get("a") is None


def test_a_file_that_goes_meanwhile_does_not_keep_the_others(tmp_path: Path) -> None:
    """Another window may put one away between the look at the folder and the look at the file."""
    (tmp_path / "gone.safetensors").symlink_to(tmp_path / "nowhere")
    store = FitStore(tmp_path, budget=9000)
    for second, name in enumerate("abc"):
        store.keep(name, {"x": torch.zeros(1000)})
        os.utime(tmp_path / f"{name}.safetensors", (second, second))
    assert [store.get(name) is not None for name in "abc"] == [False, True, True]
