"""Numbers of a project that make no sense: refused in a sentence, or brought back into reach and said."""

from __future__ import annotations

import json
import zipfile
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from editor.document.contents import Exemplar, Item
from editor.document.document import MAPS, Document
from editor.document.placing import FARTHEST, moved_mask, place_exemplar, reachable
from editor.errors import UnreadableFile
from editor.geometry import Placement, Rect, Size
from editor.io import limits
from editor.io.planes import pack
from editor.io.project import load_project, open_project, save_project

SIDE = 60


def sample() -> Document:
    """Two layers, an item on its way and an exemplar."""
    document = Document.of_picture(np.full((SIDE, SIDE, 4), 200, np.uint8))
    document = document.adding_layer(replace(document.layers[0], name="upper"))
    mask = document.empty_map().write(5, 5, np.ones((20, 30), np.float32))
    document = document.adding_item(replace(Item.of("cup", mask), placement=Placement(40, 30)))
    return document.adding_exemplar(Exemplar.of("cat", np.full((10, 12, 4), 90, np.uint8), Placement(20, 20)))


def rewritten(path: Path, change: Callable[[Any], object], blocks: dict[str, bytes] | None = None) -> Path:
    """A project with its manifest changed."""
    save_project(path, sample())
    with zipfile.ZipFile(path) as archive:
        members = {name: archive.read(name) for name in archive.namelist()}
    manifest = json.loads(members["manifest.json"])
    change(manifest)
    members |= {"manifest.json": json.dumps(manifest).encode(), **(blocks or {})}
    with zipfile.ZipFile(path, "w") as archive:
        for name, data in members.items():
            archive.writestr(name, data)
    return path


def test_what_makes_sense_needs_no_word(tmp_path: Path) -> None:
    save_project(tmp_path / "one.palimpsest", sample())
    assert open_project(tmp_path / "one.palimpsest")[1] == ()


FIELDS = ("x", "y", "scale_x", "scale_y", "rotation")
FAR = [(field, value) for field in FIELDS for value in (1e9, -1e9, 1e308, -1e308)]
FLAT = [(field, value) for field in ("scale_x", "scale_y") for value in (0.0, 1e-300)]


@pytest.mark.parametrize("kind", ["items", "exemplars"])
@pytest.mark.parametrize(("field", "value"), FAR + FLAT)
def test_things_out_of_reach_are_put_back_and_said(tmp_path: Path, kind: str, field: str, value: float) -> None:
    path = rewritten(tmp_path / "far.palimpsest", lambda m: m[kind][0]["placement"].update({field: value}))
    document, notes = open_project(path)
    assert [note for note in notes if "out of reach" in note]
    thing = (document.items if kind == "items" else document.exemplars)[0]
    placement, size = thing.placement, thing.size
    assert placement is not None
    assert reachable(placement, size) == placement
    assert all(abs(side) <= 4 * FARTHEST for side in placement.bounds(size))
    if field in ("x", "y"):
        assert 0 <= getattr(placement, field) <= SIDE  # over the picture, where it can be taken hold of
    if isinstance(thing, Item):
        moved_mask(thing)
    else:
        place_exemplar(thing, document.rect)


@given(
    st.builds(Placement, *[st.floats(allow_nan=False, allow_infinity=False)] * 5),
    st.builds(Size, st.integers(0, 30_000), st.integers(0, 30_000)),
)
def test_everything_comes_within_reach(placement: Placement, size: Size) -> None:
    near = reachable(placement, size)
    assert reachable(near, size) == near
    assert near.scale_x * near.scale_y != 0
    assert all(abs(side) <= 4 * FARTHEST for side in near.bounds(size))


@pytest.mark.parametrize("wrong", [np.nan, np.inf, -np.inf, -3.0, 5.0])
@pytest.mark.parametrize("plane", [*MAPS, "mask", "cutout", "strength_map", "fidelity_map", "painted"])
def test_maps_hold_nothing_but_strength(tmp_path: Path, plane: str, wrong: float) -> None:
    block = np.full((SIDE, SIDE), 0.25, np.float32)
    block[3, 4] = wrong
    small = np.ascontiguousarray(block[:10, :12])

    def change(manifest: Any) -> None:
        of_exemplar = plane in ("cutout", "strength_map", "fidelity_map")
        shape = [10, 12] if of_exemplar else [SIDE, SIDE]
        manifest["planes"].append({"shape": shape, "dtype": "float32", "blocks": [999]})
        holder = {"mask": manifest["items"][0], "painted": manifest["layers"][1]}.get(plane, manifest["maps"])
        holder = manifest["exemplars"][0] if of_exemplar else holder
        holder[plane] = len(manifest["planes"]) - 1

    packed = pack(small if plane in ("cutout", "strength_map", "fidelity_map") else block)
    document, notes = open_project(rewritten(tmp_path / "map.palimpsest", change, {"blocks/999": packed}))
    assert len([note for note in notes if "maps" in note]) == 1
    holder: Any = {"mask": document.items[0], "painted": document.layers[1]}.get(plane, document)
    holder = document.exemplars[0] if plane in ("cutout", "strength_map", "fidelity_map") else holder
    values = getattr(holder, plane).read()
    assert values[3, 4] == (1 if wrong > 1 else 0)
    assert values[3, 5] == 0.25


def test_what_rounding_does_to_a_map_needs_no_word() -> None:
    block = np.array([[1.0000001, -1e-7]], np.float32)
    assert not limits.bring_back(block)
    assert block.tolist() == [[1, 0]]


def test_an_id_is_used_once_and_the_next_one_is_new(tmp_path: Path) -> None:
    def change(manifest: Any) -> None:
        manifest["next_id"] = 0
        manifest["layers"][1]["id"] = manifest["items"][0]["id"] = manifest["layers"][0]["id"]

    document, notes = open_project(rewritten(tmp_path / "ids.palimpsest", change))
    ids = [thing.id for things in (document.layers, document.items, document.exemplars) for thing in things]
    assert len(set(ids)) == len(ids)
    assert document.next_id > max(ids)
    assert ids[0] == 1
    assert any("number" in note for note in notes)


def test_the_next_id_is_above_all(tmp_path: Path) -> None:
    path = rewritten(tmp_path / "next.palimpsest", lambda m: m.update(next_id=1))
    document, notes = open_project(path)
    assert document.next_id == 5
    assert notes == ()  # nothing that anybody could see was mended


@pytest.mark.parametrize(
    ("kind", "field"), [("layers", "name"), ("items", "name"), ("items", "prompt"), ("exemplars", "name")]
)
def test_words_of_a_million_characters_are_cut(tmp_path: Path, kind: str, field: str) -> None:
    path = rewritten(tmp_path / "long.palimpsest", lambda m: m[kind][0].update({field: "x" * 10**6}))
    document, notes = open_project(path)
    assert len(getattr(getattr(document, kind)[0], field)) == {"name": 200, "prompt": 10_000}[field]
    assert notes == ("Names or words that were too long were cut.",)


@pytest.mark.parametrize("kind", ["layers", "items", "exemplars", "planes"])
def test_a_hundred_thousand_of_anything_is_refused(tmp_path: Path, kind: str) -> None:
    path = rewritten(tmp_path / "many.palimpsest", lambda m: m.update({kind: m[kind][:1] * 100_000}))
    with pytest.raises(UnreadableFile, match="more than"):
        load_project(path)


def recipe(rect: tuple[int, ...] = (0, 0, 9, 9), **more: object) -> dict[str, object]:
    usual: dict[str, object] = {
        "method": "QuickFillSettings",
        "settings": {},
        "action": "fill",
        "rect": list(rect),
        "seed": 1,
        "subjects": [],
        "prompt": "",
        "negative_prompt": "",
        "model": "",
        "steps": 0,
        "guidance_scale": 0.0,
        "sampler": "",
        "strength": 1.0,
        "revision": 1,
    }
    return {**usual, **more}


HUGE = 10**400
NONSENSE: list[Callable[[Any], object]] = [
    lambda m: m["layers"][0].update(id=HUGE),
    lambda m: m["layers"][0].update(recipe=recipe(revision=10**6)),
    lambda m: m["layers"][0].update(recipe=recipe(revision=0)),
    lambda m: m["layers"][0].update(id=-1),
    lambda m: m.update(next_id=HUGE),
    lambda m: m["items"][0].update(rect=[HUGE, 0, 0, 0]),
    lambda m: m["items"][0].update(rect=[30, 30, 10, 10]),
    lambda m: m["exemplars"][0].update(rim=1e300),
    lambda m: m["exemplars"][0].update(prompt_weight=1e300),
    lambda m: m["layers"][0].update(doubt=1e300),
    lambda m: m.update(dpi=[1e308, 300]),
    lambda m: m.update(dpi=[0, 0]),
    lambda m: m.update(dpi=[72] * 10**5),
    lambda m: m.update(dpi=[-72, 72]),
    lambda m: m["layers"][0].update(recipe=recipe(seed=HUGE)),
    lambda m: m["layers"][0].update(recipe=recipe(seed=-1)),
    lambda m: m["layers"][0].update(recipe=recipe(steps=10**9)),
    lambda m: m["layers"][0].update(recipe=recipe(steps=-1)),
    lambda m: m["layers"][0].update(recipe=recipe(guidance_scale=1e300)),
    lambda m: m["layers"][0].update(recipe=recipe((0, 0, HUGE, 9))),
    lambda m: m["layers"][0].update(recipe=recipe((0, 0, 10**9, 9))),
    lambda m: m["layers"][0].update(recipe=recipe(subjects=[{"id": HUGE}])),
    lambda m: m["layers"][0].update(recipe=recipe(subjects=[{"id": 1}] * 10**5)),
    lambda m: m["layers"][0].update(recipe=recipe(method="x" * 10**6)),
]


@pytest.mark.parametrize("change", NONSENSE)
def test_numbers_that_nobody_can_make_sense_of_are_refused(tmp_path: Path, change: Callable[[Any], object]) -> None:
    with pytest.raises(UnreadableFile, match="is damaged"):
        load_project(rewritten(tmp_path / "odd.palimpsest", change))


def test_subjects_that_name_nothing_are_kept_as_words_about_the_past(tmp_path: Path) -> None:
    place = {"x": 1e308, "y": 0.0, "scale_x": 0.0, "scale_y": 1.0, "rotation": 0.0}
    change = {"recipe": recipe(subjects=[{"id": 77, "placement": place}])}
    document = load_project(rewritten(tmp_path / "gone.palimpsest", lambda m: m["layers"][0].update(change)))
    recipe_read = document.layers[0].recipe
    assert recipe_read is not None
    assert recipe_read.subjects[0].id == 77
    assert recipe_read.subjects[0].placement == reachable(Placement(**place), Size(1, 1))


numbers = st.one_of(
    st.floats(allow_nan=False, allow_infinity=False), st.integers(-(10**30), 10**30), st.just(10**400), st.just(0)
)


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data())
def test_any_number_anywhere_is_refused_or_made_sensible(tmp_path: Path, data: st.DataObject) -> None:
    """One number of the manifest is replaced by any other; what opens can be painted."""

    def change(manifest: Any) -> None:
        places = [(holder, key) for holder, key in leaves(manifest) if isinstance(holder[key], int | float)]
        holder, key = data.draw(st.sampled_from(places))
        holder[key] = data.draw(numbers)

    try:
        document, _ = open_project(rewritten(tmp_path / "any.palimpsest", change))
    except UnreadableFile:
        return
    for item in document.items:
        assert item.rect.holds(Rect(0, 0, 0, 0))
        moved_mask(item)
    for exemplar in document.exemplars:
        place_exemplar(exemplar, document.rect)
    assert document.next_id < 2**55


def leaves(value: Any) -> list[tuple[Any, Any]]:
    """Holder and key of every plain value."""
    keys = list(value) if isinstance(value, dict) else range(len(value)) if isinstance(value, list) else []
    pairs: list[tuple[Any, Any]] = []
    for key in keys:
        pairs += leaves(value[key]) if isinstance(value[key], dict | list) else [(value, key)]
    return pairs
