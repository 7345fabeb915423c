"""The benchmark of inversion: noise that leads back, a word that is learned, and what it writes."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import torch

from app.dev.bench.inversion import NEW, _scenes, embeddings, inverted, learned_words, main, sampled, typical_word
from app.dev.bench.truth_methods import Stage
from editor.methods.pixels.settings import PixelsSettings

MODELS = Path(__file__).parents[3] / "resources" / "models"


def stage_of(steps: int) -> Stage:
    settings = PixelsSettings(feather=0.0)
    return Stage.load(MODELS, steps=steps, guidance_scale=4.0, exemplar_strength=1.0, settings=settings)


def test_the_noise_that_is_found_leads_back_and_other_noise_does_not() -> None:
    stage = stage_of(25)
    (seen,) = _scenes(stage, 1)
    with torch.no_grad():
        own = embeddings(stage, [seen.scene.caption()])
    found = inverted(stage, seen.latents, own)
    assert 0.3 < float(found.std()) < 1.2  # below 1: plain grounds need little
    other = torch.randn(found.shape, generator=torch.Generator().manual_seed(1))
    back, elsewhere = (sampled(stage, noise, own, guidance=1.0) for noise in (found, other))
    assert float((back - seen.latents).square().mean()) < 0.5 * float((elsewhere - seen.latents).square().mean())


def test_a_new_word_stands_in_only_where_it_is_said() -> None:
    stage = stage_of(2)
    new = torch.stack([torch.full((128,), 0.5), torch.full((128,), -0.5)])
    captions = [f"a {NEW} on grass", "a ball on grass"]
    with torch.no_grad():
        plain, learned, again = (embeddings(stage, captions, vectors).hidden for vectors in (None, new, None))
    assert plain is not None
    assert learned is not None
    assert again is not None
    assert not torch.equal(plain[0], learned[0])
    torch.testing.assert_close(plain[1], learned[1])
    torch.testing.assert_close(again, plain)  # nothing stays behind


def test_a_word_is_learned_and_the_nets_stay() -> None:
    stage = stage_of(2)
    seen = list(_scenes(stage, 2))
    before = {name: value.clone() for name, value in stage.model.stock.text_encoder.state_dict().items()}
    start = typical_word(stage).expand(2, -1)
    words = learned_words(stage, seen, [f"a {NEW} on grass"] * 2, start, steps=3)
    assert words.shape == (2, 128)
    assert float((words - start).abs().min(dim=0).values.max()) > 0
    assert not torch.equal(words[0], words[1])
    for name, value in stage.model.stock.text_encoder.state_dict().items():
        assert torch.equal(value, before[name])


@pytest.mark.slow
def test_it_writes_figures_tables_and_a_sheet(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    files = {name: tmp_path / f"inversion.{name}" for name in ("json", "md", "png")}
    options = ["--scenes", "2", "--learned", "1", "--steps", "2", "--learning", "1"]
    options += ["--json", str(files["json"]), "--table", str(files["md"]), "--sheet", str(files["png"])]
    assert main(options) in {0, 1}
    results = {load["name"]: load for load in json.loads(files["json"].read_text("utf-8"))["results"]}
    assert results["noise, VAE alone: thing"]["value"] == 100
    assert results["inversion by noise: the thing comes back"]["bar"] == 80
    assert "word, learned: error" not in results
    assert "| learned, on another ground |" in files["md"].read_text("utf-8")
    assert files["png"].stat().st_size > 1000
    assert "noise, back: thing" in capsys.readouterr().out
