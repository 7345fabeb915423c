"""Reading words: tokens, embeddings with gradients, vectors in the place of words, and what stands for no words."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import diffusers
import pytest
import torch

from editor.diffusion.backend import Embeddings
from editor.diffusion.families.kandinsky.backend import Kandinsky
from editor.diffusion.families.stable_diffusion.backend import StableDiffusion
from editor.diffusion.families.stable_diffusion_xl.backend import StableDiffusionXL
from editor.geometry import Size
from editor.requests.reports import outcome_of
from tests.support.diffusion import at, fingerprint, info, pipeline

CANVAS = Size(96, 64)


@pytest.fixture
def sd(sd_folder: Path) -> tuple[StableDiffusion, Any]:
    parts = pipeline(sd_folder)
    return StableDiffusion(info(sd_folder, "stable-diffusion"), parts), parts


@pytest.fixture
def sdxl(sdxl_folder: Path) -> tuple[StableDiffusionXL, Any]:
    parts = pipeline(sdxl_folder, diffusers.StableDiffusionXLImg2ImgPipeline)
    return StableDiffusionXL(info(sdxl_folder, "stable-diffusion-xl"), parts), parts


@pytest.fixture
def kandinsky(kandinsky_folder: Path) -> Kandinsky:
    prior = pipeline(kandinsky_folder.parent / "prior", diffusers.KandinskyV22PriorPipeline)
    return Kandinsky(info(kandinsky_folder, "kandinsky-2.2"), pipeline(kandinsky_folder), prior)


def _hidden(embeddings: Embeddings) -> torch.Tensor:
    assert embeddings.hidden is not None
    return embeddings.hidden


def _table(encoder: Any) -> torch.Tensor:
    table: torch.Tensor = encoder.get_input_embeddings().weight
    return table.detach()


def test_tokens_are_spelled_as_the_encoder_reads_them(sd: tuple[StableDiffusion, Any]) -> None:
    backend, parts = sd
    (tokens,) = backend.tokenise("red boat")
    assert tokens.ids.shape == (1, 77)
    assert tokens.pieces[:4] == ("<|startoftext|>", "red</w>", "boat</w>", "<|endoftext|>")
    expected = parts.tokenizer("red boat", padding="max_length", return_tensors="pt").input_ids
    assert torch.equal(tokens.ids, expected)
    (long,) = backend.tokenise("red " * 80)
    assert long.ids.shape == (2, 77)
    assert len(long.pieces) == 154


def test_each_of_two_encoders_has_its_own_tokens(sdxl: tuple[StableDiffusionXL, Any]) -> None:
    first, second = sdxl[0].tokenise("sky")
    assert (first.pieces[1], second.pieces[1]) == ("sky</w>", "sky</w>")
    assert (first.pieces[-1], second.pieces[-1]) == ("<|endoftext|>", "!")


def test_a_batch_of_prompts_is_what_embed_reads_one_by_one(
    sd: tuple[StableDiffusion, Any], sdxl: tuple[StableDiffusionXL, Any]
) -> None:
    for backend in (sd[0], sdxl[0]):
        with torch.no_grad():
            batch = backend.encode_text(("a red boat", "wood"), CANVAS)
        positive, negative = outcome_of(backend.embed("a red boat", "wood", CANVAS))
        assert torch.equal(_hidden(batch), torch.cat([_hidden(positive), _hidden(negative)]))
        for name, value in batch.added.items():
            assert torch.equal(value, torch.cat([positive.added[name], negative.added[name]]))
        assert not _hidden(positive).requires_grad


def test_gradients_reach_the_encoder_and_embed_keeps_none(sd: tuple[StableDiffusion, Any]) -> None:
    backend, parts = sd
    weight = parts.text_encoder.get_input_embeddings().weight
    hidden = _hidden(backend.encode_text(("red sky",), CANVAS))
    (slope,) = torch.autograd.grad(hidden.square().sum(), [weight])
    ids = backend.tokenise("red sky")[0].ids
    assert slope[ids[0, 1]].abs().max() > 0
    assert weight.grad is None


@pytest.mark.parametrize("name", ["sd", "sdxl"])
def test_the_vector_of_a_word_in_its_place_changes_nothing(name: str, request: pytest.FixtureRequest) -> None:
    """A word that no vocabulary holds, with the vectors that the encoders have for another one."""
    backend, parts = request.getfixturevalue(name)
    encoders = [getattr(parts, each) for each in ("text_encoder", "text_encoder_2") if hasattr(parts, each)]
    tokens = backend.tokenise("boat")
    vectors = [_table(encoder)[token.ids[0, 1]][None] for encoder, token in zip(encoders, tokens, strict=True)]
    with torch.no_grad():
        plain = backend.encode_text(("a red boat, wood", "sky"), CANVAS)
        swapped = backend.encode_text(("a red <new>, wood", "sky"), CANVAS, {"<new>": vectors})
        reversed = [vector.flip(-1) for vector in vectors]  # a constant on top would be lost in the layer norms
        other = backend.encode_text(("a red <new>, wood", "sky"), CANVAS, {"<new>": reversed})
    assert torch.equal(_hidden(plain), _hidden(swapped))
    for key, value in plain.added.items():
        assert torch.equal(value, swapped.added[key])
    assert not torch.allclose(_hidden(plain)[0], _hidden(other)[0])
    assert torch.equal(_hidden(plain)[1], _hidden(other)[1])  # the prompt without the word


def test_a_word_may_be_several_tokens_and_several_words_may_stand_for_vectors(sd: tuple[StableDiffusion, Any]) -> None:
    backend, parts = sd
    table = _table(parts.text_encoder)
    red, sky, boat = (table[backend.tokenise(word)[0].ids[0, 1]] for word in ("red", "sky", "boat"))
    extra = {"*a": [torch.stack([red, sky])], "*ab": [boat[None]]}
    with torch.no_grad():
        plain = backend.encode_text(("wood red sky boat boat",), CANVAS)
        swapped = backend.encode_text(("wood *a *ab *ab",), CANVAS, extra)
        inside = backend.encode_text(("wood*ax",), CANVAS, extra)
    assert torch.equal(_hidden(plain), _hidden(swapped))
    with torch.no_grad():
        assert torch.equal(_hidden(inside), _hidden(backend.encode_text(("wood*ax",), CANVAS)))


def test_gradients_reach_a_new_word_through_encoder_and_network_and_nothing_stays(
    sd: tuple[StableDiffusion, Any],
) -> None:
    backend, parts = sd
    before = fingerprint(parts)
    vector = torch.zeros(1, 8, requires_grad=True)
    embeddings = backend.encode_text(("a red *",), CANVAS, {"*": [vector]})
    prediction = backend.predict(torch.ones(1, 4, 8, 12), at(500), embeddings)
    (slope,) = torch.autograd.grad(prediction.square().sum(), [vector])
    assert slope.abs().max() > 0
    assert fingerprint(parts) == before
    with pytest.raises(RuntimeError):
        backend.encode_text(("a red *",), CANVAS, {"*": [torch.zeros(1, 9)]})
    assert fingerprint(parts) == before


def test_what_stands_for_no_words(sd: tuple[StableDiffusion, Any], sdxl: tuple[StableDiffusionXL, Any]) -> None:
    for backend in (sd[0], sdxl[0]):
        with torch.no_grad():
            empty, zeros = backend.unconditional("empty", CANVAS), backend.unconditional("zeros", CANVAS)
        assert torch.equal(_hidden(empty), _hidden(backend.encode_text(("",), CANVAS)))
        assert _hidden(zeros).shape == _hidden(empty).shape
        assert not _hidden(zeros).any()
    _, negative = outcome_of(sdxl[0].embed("sky", "", CANVAS))
    assert torch.equal(zeros.added["time_ids"], negative.added["time_ids"])
    assert torch.equal(zeros.added["text_embeds"], negative.added["text_embeds"])


def test_kandinsky_reads_by_way_of_its_prior(kandinsky: Kandinsky) -> None:
    (tokens,) = kandinsky.tokenise("red boat")
    assert tokens.pieces[1:3] == ("red</w>", "boat</w>")
    with torch.no_grad():
        batch = kandinsky.encode_text(("red boat", "sky"), CANVAS).added["image_embeds"]
        blank = kandinsky.unconditional("zeros", CANVAS)
        empty = kandinsky.unconditional("empty", CANVAS)
    positive, negative = outcome_of(kandinsky.embed("red boat", "", CANVAS))
    assert torch.equal(batch[:1], positive.added["image_embeds"])
    assert torch.equal(blank.added["image_embeds"], negative.added["image_embeds"])
    assert not torch.equal(empty.added["image_embeds"], blank.added["image_embeds"])
    with pytest.raises(ValueError, match="prior"):
        kandinsky.encode_text(("*",), CANVAS, {"*": [torch.zeros(1, 16)]})


def test_masked_tokens_do_not_count_in_the_network(sd: tuple[StableDiffusion, Any]) -> None:
    """A short embedding beside a long one is predicted as it is by itself."""
    backend, _ = sd
    short, long = (
        Embeddings(torch.randn(1, count, 8, generator=torch.Generator().manual_seed(count))) for count in (5, 9)
    )
    latents = torch.randn(2, 4, 8, 12, generator=torch.Generator().manual_seed(0))
    with torch.no_grad():
        both = backend.predict(latents, at(500), short.beside(long))
        alone = [backend.predict(latents[k : k + 1], at(500), each) for k, each in enumerate((short, long))]
    assert (both - torch.cat(alone)).abs().max() < 1e-5
