"""Edits with a model from the command line: the same as in the window, and a sentence when something is wrong."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from PIL import Image
from PySide6.QtCore import QCoreApplication, QStandardPaths
from safetensors.torch import load_file, save_file

import resources
from app.cli import main
from editor.diffusion import schedule
from editor.diffusion.noise import Noise
from editor.document.compose import flatten
from editor.document.contents import Exemplar
from editor.document.document import Document
from editor.document.tiles import Tiles
from editor.edits.apply import apply_result
from editor.edits.dispatch import make_request
from editor.engine import Engine
from editor.geometry import Placement
from editor.io.images import read_image
from editor.methods.pixels.settings import PixelsSettings
from editor.models.inspect import inspect
from editor.models.library import Library
from editor.planning.plan import Draft
from tests.support.reports import drive
from tests.support.watched_models import Watched, needed_for, tell_memory

# diffusers' schedulers hand tensors to numpy in the old way.
pytestmark = pytest.mark.filterwarnings("ignore:__array__ implementation:DeprecationWarning")

Captured = pytest.CaptureFixture[str]
Pixels = NDArray[np.uint8]
Edit = Callable[..., int]
SIZE = 192, 128


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, boats: Path) -> Iterator[Path]:
    """A person's folders, with the model called “boats” in the one for models."""
    folders = {
        QStandardPaths.StandardLocation.AppConfigLocation: tmp_path / "config",
        QStandardPaths.StandardLocation.AppLocalDataLocation: tmp_path,
    }
    monkeypatch.setattr(QStandardPaths, "writableLocation", lambda kind: str(folders[kind]))
    name = QCoreApplication.applicationName()
    yield tmp_path
    QCoreApplication.setApplicationName(name)


@pytest.fixture
def picture(tmp_path: Path) -> Path:
    """A real photo, made small."""
    with resources.photo("flower.jpg") as path:
        Image.open(path).resize(SIZE).save(tmp_path / "photo.png")
    return tmp_path / "photo.png"


@pytest.fixture
def cat(tmp_path: Path) -> Path:
    """What to blend in, 60 × 40."""
    with resources.photo("chelsea.png") as path:
        Image.open(path).resize((60, 40)).save(tmp_path / "cat.png")
    return tmp_path / "cat.png"


@pytest.fixture
def strength(tmp_path: Path) -> Path:
    """White in a square, black around it."""
    map = np.zeros((SIZE[1], SIZE[0]), np.uint8)
    map[40:90, 60:130] = 255
    Image.fromarray(map).save(tmp_path / "strength.png")
    return tmp_path / "strength.png"


@pytest.fixture
def edit(picture: Path, tmp_path: Path) -> Edit:
    """The command, on the photo; by position what is painted, then options. Without others it takes 4 steps of "boats" with seed 1."""

    def called(painted: Path | str, *options: object, to: str = "out.png") -> int:
        words = ["edit", picture, painted, tmp_path / to, "--model", "boats", "--steps", 4, "--seed", 1, *options]
        return main([str(word) for word in words])

    return called


def pixels_of(path: Path) -> Pixels:
    return read_image(path).pixels


def changed(tmp_path: Path, name: str = "out.png") -> NDArray[np.bool_]:
    return np.asarray((pixels_of(tmp_path / "photo.png") != pixels_of(tmp_path / name)).any(axis=-1))


def status(call: Callable[[], int]) -> int:
    """The exit status, also of a parser that leaves by itself."""
    try:
        return call()
    except SystemExit as left:
        return int(left.code or 0)


# What works


def test_it_repaints_what_is_white_and_nothing_else(edit: Edit, strength: Path, tmp_path: Path) -> None:
    assert edit(strength, "--prompt", "red boat", "--strength", 0.8) == 0
    touched, white = changed(tmp_path), pixels_of(strength)[..., 0] == 255
    assert touched[white].mean() > 0.5
    assert not touched[~white].any()


def test_an_item_becomes_another_goes_or_stays_among_others(edit: Edit, strength: Path, tmp_path: Path) -> None:
    """What is white is the item. Others that are named stay, bit for bit."""
    options = ["--method", "items", "--set", "band=0", "--set", "surroundings=leaves"]
    white = pixels_of(strength)[..., 0] == 255
    pond = np.zeros((SIZE[1], SIZE[0]), np.uint8)
    pond[60:128, 100:192] = 255
    Image.fromarray(pond).save(tmp_path / "pond.png")
    assert edit(strength, *options, "--prompt", "red boat", to="boat.png") == 0
    assert edit(strength, *options, to="gone.png") == 0
    assert (
        edit(strength, *options, "--prompt", "red boat", "--item", f"{tmp_path / 'pond.png'}=a pond", to="pond.out.png")
        == 0
    )
    for name in ("boat.png", "gone.png"):
        assert changed(tmp_path, name)[white].mean() > 0.5
        assert not changed(tmp_path, name)[~white].any()
    assert not np.array_equal(pixels_of(tmp_path / "boat.png"), pixels_of(tmp_path / "gone.png"))
    assert changed(tmp_path, "pond.out.png")[white & (pond == 0)].any()
    assert not changed(tmp_path, "pond.out.png")[pond > 0].any()


def test_the_model_can_be_named_by_its_path(edit: Edit, strength: Path, tmp_path: Path, boats: Path) -> None:
    (tmp_path / "elsewhere").mkdir()
    shutil.copytree(boats, tmp_path / "elsewhere" / "trees")
    for to, name in (("a.png", "boats"), ("b.png", boats), ("c.png", tmp_path / "elsewhere" / "trees")):
        assert edit(strength, "--model", name, to=to) == 0
    a, b, c = (pixels_of(tmp_path / name) for name in ("a.png", "b.png", "c.png"))
    assert np.array_equal(a, b)
    assert np.array_equal(a, c)


@pytest.mark.parametrize(("method", "words"), [("pixels", "not one step runs"), ("words", "Only 1 of 4 steps")])
def test_a_mask_that_gives_no_step_is_said_to(
    edit: Edit, strength: Path, tmp_path: Path, capsys: Captured, *, method: str, words: str
) -> None:
    Image.fromarray(pixels_of(strength)[..., 0] // 50).save(strength)  # 2 % at most
    assert edit(strength, "--method", method, "--prompt", "red boat") == 0
    assert words in capsys.readouterr().err
    assert (tmp_path / "out.png").exists()


def test_words_change_what_is_white_and_nothing_else(edit: Edit, strength: Path, tmp_path: Path) -> None:
    assert edit(strength, "--method", "words", "--prompt", "red boat") == 0
    touched, white = changed(tmp_path), pixels_of(strength)[..., 0] == 255
    assert touched[white].mean() > 0.5
    assert not touched[~white].any()


def test_several_variations_go_to_files_of_their_own(
    edit: Edit, strength: Path, tmp_path: Path, capsys: Captured
) -> None:
    assert edit(strength, "--method", "words", "--prompt", "red boat", "--variations", 2, to="several.png") == 0
    said = capsys.readouterr().err
    assert "several.png: seed 1, unranked." in said
    assert "several-2.png: seed 2, unranked." in said
    assert edit(strength, "--method", "words", "--prompt", "red boat", "--seed", 2, to="second.png") == 0
    assert edit(strength, "--method", "words", "--prompt", "red boat", to="first.png") == 0
    for one, other in (("several.png", "first.png"), ("several-2.png", "second.png")):
        off = np.abs(pixels_of(tmp_path / one).astype(int) - pixels_of(tmp_path / other))
        assert off.max() <= 1  # a batch rounds elsewhere
    assert not np.array_equal(pixels_of(tmp_path / "several.png"), pixels_of(tmp_path / "several-2.png"))


def test_every_option_makes_a_difference(edit: Edit, strength: Path, tmp_path: Path) -> None:
    options: list[list[object]] = [
        [],
        ["--seed", 2],
        ["--prompt", "red boat"],
        ["--negative", "wood"],
        ["--strength", 1],
        ["--steps", 7],
        ["--prompt", "red boat", "--guidance", 2],
        ["--sampler", "euler"],
        ["--set", "feather=0"],
    ]
    found: dict[bytes, list[object]] = {}
    for option in options:
        assert edit(strength, *option) == 0
        made = pixels_of(tmp_path / "out.png").tobytes()
        assert made not in found, f"{option} made the same as {found[made]}"
        found[made] = option
    assert edit(strength) == 0
    assert found[pixels_of(tmp_path / "out.png").tobytes()] == [], "the same seed gave other bytes"


def test_an_exemplar_is_laid_where_it_is_said(edit: Edit, cat: Path, tmp_path: Path) -> None:
    """Its middle at the point, in its own size times the scale; around it only the rim changes."""
    assert edit("-", "--exemplar", f"{cat}@120,70,0.5") == 0
    rows, columns = np.nonzero(changed(tmp_path))
    assert (rows.min() + rows.max()) / 2 == pytest.approx(70, abs=8)
    assert (columns.min() + columns.max()) / 2 == pytest.approx(120, abs=8)
    assert 15 <= columns.max() - columns.min() <= 30 + 2 * 40
    assert changed(tmp_path)[60:80, 105:135].mean() > 0.9


def test_without_a_place_it_is_fitted_into_the_middle(edit: Edit, cat: Path, tmp_path: Path) -> None:
    assert edit("-", "--exemplar", cat) == 0
    assert changed(tmp_path).mean() > 0.8


def test_several_exemplars_and_a_name_with_an_at_sign(edit: Edit, cat: Path, tmp_path: Path) -> None:
    odd = tmp_path / "me@home,1.png"
    shutil.copy(cat, odd)
    assert edit("-", "--exemplar", f"{cat}@40,40,0.5", "--exemplar", f"{odd}@150,90,0.5") == 0
    assert changed(tmp_path)[30:50, 30:50].mean() > 0.9
    assert changed(tmp_path)[80:100, 140:160].mean() > 0.9
    assert edit("-", "--exemplar", odd) == 0


def test_it_is_the_window_s_own_edit(
    *, edit: Edit, cat: Path, picture: Path, strength: Path, tmp_path: Path, boats: Path
) -> None:
    assert edit(strength, "--exemplar", f"{cat}@100,60,0.75", "--prompt", "boat", "--strength", 0.6) == 0
    document = Document.of_picture(pixels_of(picture))
    document = document.with_strength(Tiles.of((pixels_of(strength)[..., 0] / 255).astype(np.float32)))
    document = document.adding_exemplar(Exemplar.of("cat", pixels_of(cat), Placement(100, 60, 0.75, 0.75)))
    draft = Draft(PixelsSettings(), prompt="boat", strength=0.6, seed=1, model=inspect(boats), steps=4)
    result = drive(Engine(lambda: Library((boats.parent,))).run(make_request(document, draft)))
    _, document = apply_result(document, result, document)
    assert np.array_equal(pixels_of(tmp_path / "out.png"), flatten(document))


# Wrong calls


@pytest.mark.parametrize(
    ("options", "says"),
    [
        (["--exemplar", "cat.png@1"], "X,Y"),
        (["--exemplar", "cat.png@a,b"], "X,Y"),
        (["--exemplar", "cat.png@1,2,3,4"], "X,Y"),
        (["--exemplar", "cat.png@nan,2"], "X,Y"),
        (["--exemplar", "cat.png@1,2,0"], "above 0"),
        (["--exemplar", "cat.png@1,2,-1"], "above 0"),
        (["--exemplar", "cat.png@1,2,inf"], "X,Y"),
        (["--steps", "many"], "steps"),
        (["--sampler", "magic"], "euler_a"),
        (["--method", "magic"], "words"),
        (["--item", "cat.png"], "FILE=NAME"),
        (["--item", "cat.png= "], "FILE=NAME"),
        (["--variations", "0"], "1 to 64"),
    ],
)
def test_a_wrong_call_has_status_2(edit: Edit, capsys: Captured, options: list[str], says: str) -> None:
    assert status(lambda: edit("-", *options)) == 2
    said = capsys.readouterr().err
    assert says in said.split("error:")[1]


@pytest.mark.parametrize(
    "option",
    [
        "--prompt=boat",
        "--negative=wood",
        "--strength=0.5",
        "--steps=3",
        "--guidance=2",
        "--sampler=euler",
        "--exemplar=a",
        "--method=words",
        "--item=cat.png=a cat",
        "--variations=2",
    ],
)
def test_what_only_a_model_understands_is_not_dropped_in_silence(
    picture: Path, strength: Path, tmp_path: Path, capsys: Captured, option: str
) -> None:
    assert status(lambda: main(["edit", str(picture), str(strength), str(tmp_path / "out.png"), option])) == 2
    assert "--model" in capsys.readouterr().err.split("error:")[1]
    assert not (tmp_path / "out.png").exists()


@pytest.mark.parametrize(
    ("options", "says"),
    [
        (["--strength", 1.5], "between 0 and 1"),
        (["--strength", "nan"], "between 0 and 1"),
        (["--strength", 0], "Raise the strength."),
        (["--steps", 0], "between 1 and 200"),
        (["--guidance", -1], "between 0 and 30"),
        (["--seed", -1], "seed"),
        (["--set", "grow=3"], "no setting “grow”"),
        (["--set", "scale=9"], "between 0.4 and 2"),
        (["--exemplar", "none.png"], "“none.png” is not there"),
        (["--method", "words", "--exemplar", "cat.png"], "take no reference pictures"),
        (["--method", "words", "--item", "strength.png=a boat"], "know no items"),
        (["--model", "ships"], "no model “ships”"),
        (["--model", "owner/ships"], "no model “owner/ships”"),
        (["--model", ""], "no model “”"),
    ],
)
def test_what_cannot_be_done_is_one_sentence(
    *, edit: Edit, strength: Path, tmp_path: Path, capsys: Captured, options: list[object], says: str
) -> None:
    assert edit(strength, *options) == 1
    said = capsys.readouterr().err
    assert says in said
    assert said.count("\n") == 1
    assert not (tmp_path / "out.png").exists()


def test_nothing_painted_and_nothing_laid_on(edit: Edit, capsys: Captured) -> None:
    assert edit("-") == 1
    assert "Nothing says what is to change." in capsys.readouterr().err


def test_an_exemplar_beside_the_picture(edit: Edit, cat: Path, capsys: Captured) -> None:
    assert edit("-", "--exemplar", f"{cat}@5000,5000") == 1
    assert "Nothing of the reference pictures comes in" in capsys.readouterr().err


@pytest.mark.parametrize("place", ["1e300,0", "0,-1e9,1", "40,40,1e300", "40,40,1e-300"])
def test_an_exemplar_out_of_all_reach(edit: Edit, cat: Path, capsys: Captured, place: str) -> None:
    assert edit("-", "--exemplar", f"{cat}@{place}") == 1
    assert "would lie out of reach" in capsys.readouterr().err


# Models that cannot be used


def _without_decoder(model: Path) -> None:
    (model / "vae" / "diffusion_pytorch_model.safetensors").unlink()


def _truncated(model: Path) -> None:
    file = model / "unet" / "diffusion_pytorch_model.safetensors"
    file.write_bytes(file.read_bytes()[:-1000])


def _other_widths(model: Path) -> None:
    file = model / "unet" / "config.json"
    file.write_text(json.dumps({**json.loads(file.read_text()), "block_out_channels": [16, 16]}))


def _other_family(model: Path) -> None:
    file = model / "model_index.json"
    file.write_text(json.dumps({**json.loads(file.read_text()), "_class_name": "FluxPipeline"}))


def _pickled(model: Path) -> None:
    file = model / "unet" / "diffusion_pytorch_model.safetensors"
    torch.save(load_file(file), model / "unet" / "diffusion_pytorch_model.bin")
    file.unlink()


@pytest.mark.parametrize("named", ["name", "path"])
@pytest.mark.parametrize(
    ("damage", "says"),
    [
        (_without_decoder, "The VAE of “boats” cannot be used"),
        (_truncated, "U-Net"),
        (_other_widths, "U-Net"),
        (_other_family, "FLUX"),
        (_pickled, "pickle"),
    ],
)
@pytest.mark.logs
def test_a_broken_model_is_refused_with_its_reason(
    *,
    edit: Edit,
    strength: Path,
    boats: Path,
    capsys: Captured,
    damage: Callable[[Path], None],
    says: str,
    named: str,
) -> None:
    damage(boats)
    assert edit(strength, "--model", boats if named == "path" else "boats") == 1
    said = capsys.readouterr().err
    assert says in said
    assert said.count("\n") == 1


def test_half_precision_files_run_on_the_processor(edit: Edit, strength: Path, tmp_path: Path, boats: Path) -> None:
    for file in boats.glob("*/*.safetensors"):
        save_file({key: each.half() for key, each in load_file(file).items()}, file, {"format": "pt"})
    assert edit(strength) == 0
    assert changed(tmp_path).any()


def test_what_does_not_fit_is_refused_before_it_runs(
    *, edit: Edit, strength: Path, boats: Path, watched: Watched, monkeypatch: pytest.MonkeyPatch, capsys: Captured
) -> None:
    tell_memory(monkeypatch, needed_for(boats, 0.8))
    assert edit(strength) == 1
    said = capsys.readouterr().err
    assert "does not fit into memory" in said
    assert watched.calls == 0
    assert edit(strength, "--set", "scale=0.75") == 0, "the advice did not help"


def test_memory_that_runs_out_on_the_way(edit: Edit, strength: Path, watched: Watched, capsys: Captured) -> None:
    watched.fail = RuntimeError("DefaultCPUAllocator: can't allocate memory")
    assert edit(strength) == 1
    assert capsys.readouterr().err.startswith("There is not enough memory for this.")
    assert watched.unchanged()


def starve(monkeypatch: pytest.MonkeyPatch, watched: Watched, after: int) -> None:
    """Results are made one at a time, and the U-Net finds no memory once it was called so often."""
    monkeypatch.setattr("editor.diffusion.model_cache.ModelCache.max_batch", lambda *_: 1)
    called = watched.called

    def starved() -> None:
        called()
        if watched.calls > after:
            raise RuntimeError("DefaultCPUAllocator: can't allocate memory")

    monkeypatch.setattr(watched, "called", starved)


@pytest.mark.parametrize("method", ["words", "pixels"])
def test_variations_made_before_the_memory_ran_out_are_written(
    *, method: str, edit: Edit, strength: Path, tmp_path: Path, watched: Watched,
    monkeypatch: pytest.MonkeyPatch, capsys: Captured,
) -> None:  # fmt: skip
    asked = ("--method", method, "--prompt", "red boat")
    assert edit(strength, *asked, to="alone.png") == 0
    each = watched.calls
    capsys.readouterr()
    watched.begin()
    starve(monkeypatch, watched, 2 * each + 1)
    assert edit(strength, *asked, "--variations", 4, to="several.png") == 3
    said = capsys.readouterr().err.splitlines()
    assert said[0].startswith("several.png: seed 1")
    assert said[1].startswith("several-2.png: seed 2")
    assert said[2].startswith("Only 2 of 4 variations could be made. There is not enough memory for this.")
    assert len(said) == 3
    assert np.array_equal(pixels_of(tmp_path / "several.png"), pixels_of(tmp_path / "alone.png"))
    assert changed(tmp_path, "several-2.png").any()
    assert sorted(path.name for path in tmp_path.glob("several*")) == ["several-2.png", "several.png"]
    assert watched.unchanged()


def test_without_any_variation_it_failed(
    *, edit: Edit, strength: Path, tmp_path: Path, watched: Watched, monkeypatch: pytest.MonkeyPatch, capsys: Captured
) -> None:
    starve(monkeypatch, watched, 1)
    assert edit(strength, "--variations", 4, to="several.png") == 1
    assert capsys.readouterr().err.startswith("There is not enough memory for this.")
    assert not list(tmp_path.glob("several*"))


# Numbers that are none


def _spoil(model: Path, part: str, name: str, value: float = float("nan")) -> None:
    """One weight of the network is no number; the file is as sound as before."""
    (file,) = (model / part).glob("*.safetensors")
    arrays = load_file(file)
    arrays[name].view(-1)[0] = value
    save_file(arrays, file, {"format": "pt"})


@pytest.mark.parametrize("method", ["pixels", "words"])
@pytest.mark.parametrize(
    ("part", "name", "label"),
    [
        ("unet", "conv_out.bias", "U-Net"),
        ("vae", "encoder.conv_in.bias", "VAE"),
        ("vae", "decoder.conv_out.bias", "VAE"),
        ("text_encoder", "final_layer_norm.bias", "text encoder"),
    ],
)
@pytest.mark.logs
def test_a_model_of_no_numbers_makes_no_picture(
    *, edit: Edit, strength: Path, tmp_path: Path, boats: Path, capsys: Captured, method: str,
    part: str, name: str, label: str,
) -> None:  # fmt: skip
    (file,) = (boats / part).glob("*.safetensors")
    _spoil(boats, part, next(each for each in load_file(file) if each.endswith(name)))
    assert edit(strength, "--method", method, "--prompt", "red boat") == 1
    said = capsys.readouterr().err
    assert said == (
        f"The {label} of “boats” is damaged: its weights hold numbers that are none, so it cannot make a picture. "
        "Download the model again; what is there already is kept.\n"
    )
    assert not (tmp_path / "out.png").exists()


@pytest.mark.parametrize("method", ["pixels", "words"])
def test_a_network_that_grows_out_of_bounds_makes_no_picture(
    *, edit: Edit, strength: Path, tmp_path: Path, boats: Path, watched: Watched, capsys: Captured, method: str
) -> None:
    """Its weights are numbers, what it computes is not."""
    _spoil(boats, "unet", "conv_out.bias", 3e38)
    assert edit(strength, "--method", method, "--prompt", "red boat", "--guidance", 5) == 1
    said = capsys.readouterr().err
    assert said.startswith("At step ")
    assert "no picture came of it. Choose another sampler" in said
    assert said.count("\n") == 1
    assert not (tmp_path / "out.png").exists()
    assert watched.unchanged()


def test_a_scheduler_that_divides_by_zero_makes_no_picture(
    edit: Edit, strength: Path, tmp_path: Path, boats: Path, capsys: Captured
) -> None:
    file = boats / "scheduler" / "scheduler_config.json"
    zero = {"_class_name": "DDIMScheduler", "rescale_betas_zero_snr": True, "timestep_spacing": "trailing"}
    file.write_text(json.dumps({**json.loads(file.read_text()), **zero}))
    assert edit(strength, "--strength", 1) == 1
    assert capsys.readouterr().err.startswith("At step 1 of 4 ")
    assert not (tmp_path / "out.png").exists()
    assert edit(strength, "--strength", 1, "--sampler", "euler") == 0, "the advice did not help"


@pytest.mark.parametrize("method", ["pixels", "words"])
@pytest.mark.parametrize("together", [True, False])
@pytest.mark.logs
def test_variations_beside_one_of_no_numbers_are_written(
    *, edit: Edit, strength: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: Captured, method: str,
    together: bool,
) -> None:  # fmt: skip
    asked = ("--method", method, "--prompt", "red boat", "--guidance", 1, "--variations", 3)
    if not together:
        monkeypatch.setattr("editor.diffusion.model_cache.ModelCache.max_batch", lambda *_: 1)
    assert edit(strength, *asked, to="whole.png") == 0
    capsys.readouterr()
    step = schedule.Schedule.step

    def spoiled(
        self: schedule.Schedule, answer: torch.Tensor, i: int, latents: torch.Tensor, *more: Any
    ) -> torch.Tensor:
        """The picture of the second seed, known by the noise that it begins with, is lost at its first step."""
        stepped = step(self, answer, i, latents, *more)
        first = Noise([2]).like(latents).flatten()
        for row, state in enumerate(latents):
            if i == self.first and torch.corrcoef(torch.stack([state.flatten(), first]))[0, 1] > 0.5:
                stepped[row] = float("nan")
        return stepped

    monkeypatch.setattr(schedule.Schedule, "step", spoiled)
    assert edit(strength, *asked, to="some.png") == 3
    said = capsys.readouterr().err.splitlines()
    assert [line.partition(":")[0] for line in said[:2]] == ["some.png", "some-2.png"]
    assert "seed 1" in said[0]
    assert "seed 3" in said[1]
    assert said[2].startswith("Only 2 of 3 variations could be made. At step ")
    assert len(said) == 3
    for one, other in (("some.png", "whole.png"), ("some-2.png", "whole-3.png")):
        assert np.array_equal(pixels_of(tmp_path / one), pixels_of(tmp_path / other))
    assert not (tmp_path / "some-3.png").exists()
