"""What another version of the program wrote and this one does not know: opened, kept through changes and undo, and saved again as it was."""

from __future__ import annotations

import json
import zipfile
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from types import MappingProxyType
from typing import Annotated, Any, ClassVar, Literal

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from editor.document.compose import flatten
from editor.document.document import Document
from editor.document.history import History
from editor.document.tiles import BLOCK, Tiles
from editor.edits.rerun import can_reopen, draft_again, reopen
from editor.errors import InvalidRequest, UnreadableFile
from editor.io import codec, limits, project
from editor.io.fields import Fields
from editor.io.journal import Journal, Snapshot
from editor.io.journal_reader import JournalReader
from editor.io.manifest import SETTINGS, describe, rebuild
from editor.io.planes import Planes, Shelf, pack
from editor.io.project import load_project, open_project, save_project
from editor.methods.quick_fill.settings import QuickFillSettings
from editor.requests.edit_request import REVISION
from editor.requests.method_settings import MethodSettings, UnknownSettings
from editor.requests.opaque import NOTHING, Opaque
from editor.requests.results import Recipe
from editor.requests.settings_fields import Label, Range
from tests.editor.io.test_bad_input import rich_document

Manifest = dict[str, Any]
KNOWN = ("manifest.json", "thumbnail.png")

values = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(10**30), 10**30)
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(max_size=6),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=8,
)
unknown_fields = st.dictionaries(st.text(min_size=1, max_size=6).map("future ".__add__), values, max_size=3)


def contents(path: Path) -> dict[str, bytes]:
    with zipfile.ZipFile(path) as archive:
        return {name: archive.read(name) for name in archive.namelist()}


def manifest_of(path: Path) -> Manifest:
    manifest: Manifest = json.loads(contents(path)["manifest.json"])
    return manifest


def changed(path: Path, change: Callable[[Manifest], object], **files: bytes) -> Path:
    """A saved project whose manifest was changed, with more files in it."""
    members = contents(path)
    manifest = json.loads(members["manifest.json"])
    change(manifest)
    members |= {"manifest.json": json.dumps(manifest).encode(), **files}
    with zipfile.ZipFile(path, "w") as archive:
        for name, data in members.items():
            archive.writestr(name, data)
    return path


@pytest.fixture
def saved(tmp_path: Path) -> Path:
    save_project(tmp_path / "one.palimpsest", rich_document())
    return tmp_path / "one.palimpsest"


def recovered(document: Document, folder: Path) -> Document:
    """The document after a journal has taken it and its program has ended."""
    folder.mkdir()
    Journal(folder, "0001").write(Snapshot(document, "life", "one", None, None, None, "Open", 1.0))
    return JournalReader(next(folder.iterdir())).load()


def ways(document: Document, folder: Path) -> Iterator[Document]:
    """The document saved and opened, and recovered from a journal."""
    save_project(folder / "again.palimpsest", document)
    yield load_project(folder / "again.palimpsest")
    yield recovered(document, folder / "journals")


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(fields=st.lists(unknown_fields, min_size=8, max_size=8))
def test_unknown_fields_anywhere_are_saved_again_as_they_were(tmp_path: Path, fields: list[Manifest]) -> None:
    path = tmp_path / "one.palimpsest"
    save_project(path, rich_document())
    before = manifest_of(path)

    def holders(manifest: Manifest) -> list[Manifest]:
        recipe = manifest["layers"][1]["recipe"]
        things = manifest["layers"][0], manifest["layers"][1], manifest["items"][0], manifest["exemplars"][0]
        return [manifest, *things, manifest["maps"], recipe]

    changed(path, lambda manifest: [part.update(more) for part, more in zip(holders(manifest), fields, strict=False)])
    document, notes = open_project(path)
    assert any("another version" in note for note in notes) == any((fields[0], fields[5]))
    save_project(path, document)
    after = manifest_of(path)
    for part, was, more in zip(holders(after), holders(before), fields, strict=False):
        assert json.dumps({name: part[name] for name in more}, sort_keys=True) == json.dumps(more, sort_keys=True)
        assert set(part) == set(was) | set(more)


def newer(document: Document, path: Path) -> tuple[Path, NDArray[np.float16]]:
    """A project with a plane, a list of planes and files that no version up to now has."""
    save_project(path, document)
    depth = np.linspace(-5, 5, BLOCK * 7, dtype=np.float16).reshape(7, BLOCK)
    count = sum(name.startswith("blocks/") for name in contents(path))

    def change(manifest: Manifest) -> None:
        number = len(manifest["planes"])
        manifest["planes"].append({"shape": [7, BLOCK], "dtype": "float16", "blocks": [count]})
        manifest["planes"].append({"shape": [7, BLOCK, 2], "dtype": "float32", "blocks": [count + 1]})
        manifest["planes"].insert(0, {"shape": [1, 1], "dtype": "int16", "blocks": [-1]})
        manifest["depth"] = {"of": {"plane": number + 1}, "unit": "m"}
        manifest["items"][0]["flow"] = [{"plane": number + 2}, {"plane": number + 1}, {"plane": 0}]
        for holder, name in numbers_of_planes(manifest):
            holder[name] += 1

    flow = np.full((7, BLOCK, 2), -3.5, np.float32)
    blocks = {f"blocks/{count}": pack(depth), f"blocks/{count + 1}": pack(flow)}
    return changed(path, change, **blocks, **{"notes/my words.txt": b"hello", "sound.ogg": bytes(range(256))}), depth


def numbers_of_planes(manifest: Manifest) -> list[tuple[Manifest, str]]:
    places = [(manifest["maps"], name) for name in manifest["maps"]]
    places += [(layer, "pixels") for layer in manifest["layers"]]
    places += [(item, "mask") for item in manifest["items"]]
    return places + [
        (each, name) for each in manifest["exemplars"] for name in ("pixels", "cutout", "strength_map", "fidelity_map")
    ]


def test_unknown_planes_and_files_come_through_projects_journals_and_undo(tmp_path: Path) -> None:
    path, depth = newer(rich_document(), tmp_path / "newer.palimpsest")
    document, notes = open_project(path)
    assert notes == (
        "Parts of it come from another version of Palimpsest. They do not show here, and are saved again as they are.",
    )
    assert np.array_equal(flatten(document), flatten(rich_document()))
    history = History(document)
    history.commit("Add", document.adding_layer(replace(document.layers[0], name="new")))
    history.undo()
    history.redo()
    for found in (document, *ways(history.document, tmp_path)):
        (plane,) = found.unknown.planes
        assert json.loads(found.unknown.text) == {"depth": {"of": {"plane": 0}, "unit": "m"}}
        assert plane.read().tobytes() == depth.tobytes()
        item = found.items[0].unknown
        assert json.loads(item.text) == {"flow": [{"plane": 0}, {"plane": 1}, {"plane": 2}]}
        assert (item.planes[0].read() == -3.5).all()  # not brought between 0 and 1
        assert item.planes[1].read().tobytes() == depth.tobytes()
        assert item.planes[2].blank
        assert found.files == (("notes/my words.txt", b"hello"), ("sound.ogg", bytes(range(256))))


def test_unknown_planes_count_as_memory(tmp_path: Path) -> None:
    path, _ = newer(rich_document(), tmp_path / "newer.palimpsest")
    document = load_project(path)
    bare = replace(document, unknown=NOTHING, items=tuple(replace(item, unknown=NOTHING) for item in document.items))
    assert History(document).nbytes() - History(bare).nbytes() == 7 * BLOCK * 2 + 7 * BLOCK * 2 * 4 + 2


def test_files_that_are_too_large_or_lead_elsewhere_are_left_out(saved: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    names = (
        "../up",
        "/root",
        "a/../../b",
        "C:\\x",
        "con\n",
        "deep/er/and/deeper",
        ".hidden",
        "blocks/../evil",
        "a\\b",
        "ünï",
    )
    changed(saved, lambda manifest: None, **dict.fromkeys(names, b"x"))
    document, notes = open_project(saved)
    assert document.files == ()
    assert notes == ()
    changed(saved, lambda manifest: None, one=bytes(60), two=bytes(50))
    assert [name for name, _ in load_project(saved).files] == ["one", "two"]
    monkeypatch.setattr(project, "MAX_FILES_SIZE", 100)
    document, notes = open_project(saved)
    assert document.files == ()
    assert notes == ("Files in it that this version does not know are too large and were left out.",)
    monkeypatch.setattr(project, "MAX_FILES_SIZE", limits.MAX_FILES_SIZE)
    monkeypatch.setattr(project, "MAX_FILES", 1)
    assert open_project(saved)[0].files == ()


@pytest.mark.parametrize("number", [-1, 99, 10**400])
def test_an_unknown_plane_that_is_not_there_is_damage(saved: Path, number: int) -> None:
    with pytest.raises(UnreadableFile, match="is damaged: a plane that it names is missing"):
        load_project(changed(saved, lambda manifest: manifest.update(depth={"plane": number})))


def test_as_deep_as_a_project_may_be_a_journal_may_be_too(saved: Path, tmp_path: Path) -> None:
    deep: Any = 1
    for _ in range(31):
        deep = [deep]
    document = load_project(changed(saved, lambda manifest: manifest.update(deep=deep)))
    for found in ways(document, tmp_path):
        assert json.loads(found.unknown.text) == {"deep": deep}
    with pytest.raises(UnreadableFile, match="nested too deeply"):
        load_project(changed(saved, lambda manifest: manifest.update(deep=[deep])))


def test_far_too_much_that_is_not_known_is_refused(saved: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(codec, "MAX_OPAQUE_LENGTH", 100)
    load_project(changed(saved, lambda manifest: manifest.update(more="x" * 80)))
    with pytest.raises(UnreadableFile, match="too much that this version does not know"):
        load_project(changed(saved, lambda manifest: manifest["items"][0].update(more="x" * 30)))


# Recipes


def recipe_of(manifest: Manifest) -> Manifest:
    recipe: Manifest = manifest["layers"][1]["recipe"]
    return recipe


UNKNOWN_RECIPES: list[Callable[[Manifest], object]] = [
    lambda recipe: recipe.update(method="DragSettings", settings={"handles": [[1, 2], [3.5, None]], "radius": 12}),
    lambda recipe: recipe.update(method="DragSettings", settings={}),
    lambda recipe: recipe["settings"].update(dreams=True),
    lambda recipe: recipe["settings"].update(fill="lava"),
]


@pytest.mark.parametrize("change", UNKNOWN_RECIPES)
def test_a_layer_by_an_unknown_method_opens_and_is_kept_and_cannot_be_run_again(
    saved: Path, tmp_path: Path, change: Callable[[Manifest], object]
) -> None:
    changed(saved, lambda manifest: change(recipe_of(manifest)))
    before = recipe_of(manifest_of(saved))
    document, notes = open_project(saved)
    assert notes == ()
    assert np.array_equal(flatten(document), flatten(rich_document()))
    for found in (document, *ways(document, tmp_path)):
        recipe = found.layers[1].recipe
        assert recipe is not None
        assert isinstance(recipe.settings, UnknownSettings)
        assert recipe.settings.method == before["method"]
        assert json.loads(recipe.settings.fields.text or "{}") == before["settings"]
        assert recipe.seed == 3
        assert not recipe.understood
        assert "does not have" in can_reopen(found, found.layers[1])
        with pytest.raises(InvalidRequest, match="cannot be run again") as caught:
            reopen(found, found.layers[1].id)
        assert "does not have" in caught.value.advice
    assert recipe_of(manifest_of(tmp_path / "again.palimpsest")) == before


def test_a_recipe_by_newer_rules_is_kept_and_cannot_be_run_again(saved: Path, tmp_path: Path) -> None:
    changed(saved, lambda manifest: recipe_of(manifest).update(revision=REVISION + 1))
    document = load_project(saved)
    assert "does not have" in can_reopen(document, document.layers[1])
    for found in ways(document, tmp_path):
        assert found.layers[1].recipe == document.layers[1].recipe


def test_an_edit_that_another_version_reopened_can_only_be_left(saved: Path) -> None:
    document = load_project(changed(saved, lambda manifest: recipe_of(manifest).update(method="DragSettings")))
    manifest = manifest_of(saved)
    rerun = {"layer": manifest["layers"][1]["id"], "layers": [], "exemplars": [], "items": [], "strength": None}
    document = load_project(changed(saved, lambda manifest: manifest.update(rerun={**rerun, "selection": None})))
    with pytest.raises(InvalidRequest, match="cannot be run again"):
        draft_again(document)


@dataclass(frozen=True, slots=True)
class ToySettings(MethodSettings):
    """Settings that once had a rule and a depth."""

    retired: ClassVar[Mapping[str, object]] = MappingProxyType({"rule": "ours", "depth": 3})

    size: Annotated[int, Range(1, 9), Label("Size")] = 4
    kind: Annotated[Literal["a", "b"], Label("Kind")] = "a"


@pytest.mark.parametrize(
    ("fields", "understood"),
    [
        ({"size": 5, "kind": "b"}, True),
        ({"size": 5, "kind": "b", "rule": "ours", "depth": 3}, True),
        ({"size": 5, "kind": "b", "rule": "published"}, False),
        ({"size": 5, "kind": "b", "depth": 2}, False),
        ({"size": 5, "kind": "c"}, False),
    ],
)
def test_retired_fields_count_only_where_they_said_something(fields: Manifest, understood: bool) -> None:
    document = Document.of_picture(np.zeros((4, 5, 4), np.uint8))
    recipe = Recipe(ToySettings(), "fill", document.rect, 7)
    document = document.with_layer(replace(document.layers[0], recipe=recipe))
    shelf = Shelf()
    manifest = {**project.HEAD, **describe(document, shelf), "planes": shelf.planes}
    assert manifest["layers"][0]["recipe"]["settings"] == {"size": 4, "kind": "a", "fill_transparent": False}
    manifest["layers"][0]["recipe"]["settings"] = fields
    group = Fields(json.loads(json.dumps(manifest)), "the project")
    planes = Planes(group, lambda number, most: pack(shelf.blocks[number]))
    found = rebuild(group, planes, {}, settings={"ToySettings": ToySettings}).layers[0].recipe
    assert found is not None
    if understood:
        assert found.settings == ToySettings(5, "b")
    else:
        assert found.settings == UnknownSettings(
            method="ToySettings", fields=Opaque(json.dumps(fields, sort_keys=True))
        )


def test_who_knows_the_method_gets_its_settings(tmp_path: Path) -> None:
    document = Document.of_picture(np.zeros((4, 5, 4), np.uint8))
    recipe = Recipe(ToySettings(7, "b"), "fill", document.rect, 7)
    document = document.with_layer(replace(document.layers[0], recipe=recipe))
    known = {**SETTINGS, "ToySettings": ToySettings}
    stranger, *_ = ways(document, tmp_path)
    assert stranger.layers[0].recipe == replace(
        recipe,
        settings=UnknownSettings(
            method="ToySettings", fields=Opaque('{"fill_transparent": false, "kind": "b", "size": 7}')
        ),
    )
    assert load_project(tmp_path / "again.palimpsest", known).layers[0].recipe == recipe
    save_project(tmp_path / "again.palimpsest", stranger)  # whoever does not know them hands them on
    assert load_project(tmp_path / "again.palimpsest", known).layers[0].recipe == recipe
    assert JournalReader(next((tmp_path / "journals").iterdir())).load(settings=known).layers[0].recipe == recipe


# Versions


def test_a_newer_version_that_needs_no_more_than_this_one_opens(saved: Path, tmp_path: Path) -> None:
    changed(saved, lambda manifest: manifest.update(version=project.VERSION + 3, needs=project.VERSION, sky="blue"))
    document = load_project(saved)
    assert np.array_equal(flatten(document), flatten(rich_document()))
    save_project(tmp_path / "again.palimpsest", document)
    manifest = manifest_of(tmp_path / "again.palimpsest")
    assert (manifest["version"], manifest["needs"], manifest["sky"]) == (project.VERSION, project.NEEDS, "blue")


@pytest.mark.parametrize("needs", [None, project.VERSION + 1])
def test_a_newer_version_that_needs_more_is_refused(saved: Path, needs: int | None) -> None:
    changed(saved, lambda manifest: manifest.update(version=project.VERSION + 1, needs=needs))
    with pytest.raises(UnreadableFile, match=rf"newer version of Palimpsest \(format {project.VERSION + 1}\)"):
        load_project(saved)


def test_what_a_newer_version_should_have_needed_is_not_called_damage(saved: Path) -> None:
    def change(manifest: Manifest) -> None:
        manifest.update(version=project.VERSION + 1, needs=project.VERSION)
        manifest["layers"][0]["blend"] = "dissolve"

    with pytest.raises(UnreadableFile, match="newer version of Palimpsest"):
        load_project(changed(saved, change))


def test_a_journal_of_a_newer_version_is_not_damage(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    document = rich_document()
    with monkeypatch.context() as patch:
        patch.setitem(project.HEAD, "version", project.VERSION + 1)
        patch.setitem(project.HEAD, "needs", project.VERSION + 1)
        Journal(tmp_path, "0001").write(Snapshot(document, "life", "one", None, None, None, "Open", 1.0))
    with pytest.raises(UnreadableFile, match="newer version") as caught:
        JournalReader(next(tmp_path.iterdir()))
    assert type(caught.value) is UnreadableFile  # what is damaged would be set aside and deleted one day


# The codec


class _NoStore:
    def number(self, tiles: Tiles) -> int:
        raise AssertionError("it has no planes")

    def number_of_array(self, array: NDArray[Any]) -> int:
        raise AssertionError("it has no planes")


def test_what_is_written_is_what_the_annotations_say() -> None:
    recipe = Recipe(QuickFillSettings(grow=9), "remove", rich_document().rect, 7, prompt="a boat", model="m")
    assert codec.codec_of(Recipe).write(recipe, _NoStore()) == {
        "method": "QuickFillSettings",
        "settings": {"fill": "auto", "seam": "soft", "match_tone": 0.25, "grow": 9, "fill_transparent": False},
        "action": "remove",
        "rect": [0, 0, 256, 256],
        "seed": 7,
        "subjects": [],
        "prompt": "a boat",
        "negative_prompt": "",
        "model": "m",
        "steps": 0,
        "guidance_scale": 0.0,
        "sampler": "",
        "strength": 1.0,
        "revision": REVISION,
    }


def test_a_field_of_a_type_that_no_file_can_hold_is_a_mistake_at_once() -> None:
    @dataclass(frozen=True)
    class Odd:
        value: complex = 1j

    with pytest.raises(TypeError, match="complex"):
        codec.Codec(Odd)
