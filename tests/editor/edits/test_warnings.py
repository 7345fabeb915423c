"""What is said before an edit runs less well than hoped, and that nothing is said otherwise."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from editor.document.compose import flatten
from editor.document.contents import Exemplar, Layer
from editor.document.document import Document, MapName
from editor.edits.apply import came_to_nothing
from editor.edits.dispatch import make_request, plan
from editor.edits.warnings import advice, asked_for_little
from editor.geometry import Placement, Rect
from editor.methods.blended_latent_diffusion.settings import BlendedSettings
from editor.methods.pixels.settings import PixelsSettings
from editor.methods.quick_fill.settings import QuickFillSettings
from editor.planning.plan import Draft
from tests.support.change_map_cases import MODEL, answer, picture, with_item

SIDE = 1024


def document(scale: float = 1.0, fidelity: float = 0.0) -> Document:
    cat = Exemplar.of("cat", np.full((200, 200, 4), 255, np.uint8), Placement(500, 500, scale, scale))
    return picture(SIDE, SIDE).adding_exemplar(replace(cat, fidelity=fidelity))


def said(document: Document, draft: Draft) -> str:
    return advice(document, draft, plan(document, draft))


DRAFT = Draft(PixelsSettings(), model=MODEL, strength=0.45, steps=30)


def test_an_ordinary_edit_needs_no_advice() -> None:
    assert said(document(), DRAFT) == ""


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"strength": 0.01}, "not one step"),
        ({"strength": 0.5, "steps": 4}, "Only 2 of 4"),
        ({"strength": 0.95}, "little of a reference picture is left"),
        ({"guidance_scale": 12.0, "prompt": "a dog"}, "words outweigh"),
    ],
)
def test_what_goes_wrong_is_said(changes: dict[str, object], words: str) -> None:
    assert words in said(document(), replace(DRAFT, **changes))  # type: ignore[arg-type]


def test_so_little_let_in_that_no_step_runs_is_said() -> None:
    (cat,) = document().exemplars
    weak = document().with_exemplar(replace(cat, strength=0.01))
    assert "So little comes in" in said(weak, DRAFT)
    assert "Only 2 of 30" in said(document().with_exemplar(replace(cat, strength=0.05)), replace(DRAFT, strength=0.6))
    assert said(document().with_exemplar(replace(cat, strength=0.3)), DRAFT) == ""


def test_on_a_photograph_a_model_of_toys_says_that_it_knows_nothing_else() -> None:
    toys = replace(MODEL, name="Practice model", toys=True)
    assert "knows nothing but its toys" in said(document(), replace(DRAFT, model=toys))
    small = picture(256, 256).adding_exemplar(document().exemplars[0])
    assert "toys" not in said(small, replace(DRAFT, model=toys))


def test_a_word_that_a_model_of_toys_does_not_know_is_named() -> None:
    toys = replace(MODEL, name="Practice model", toys=True, words=("a", "apple", "cat", "house", "rocket"))
    draft = Draft(BlendedSettings(), model=toys, strength=0.95, steps=30, prompt="a cat , an Unicorn")
    small = picture(256, 256)
    small = small.with_map("selection", small.empty_map().write(20, 20, np.ones((90, 90), np.float32)))
    assert said(small, draft).startswith("“Practice model” does not know the word “an”. Some it knows: apple, house")
    assert "“unicorn”" in said(small, replace(draft, prompt="a Unicorn"))
    assert said(small, replace(draft, prompt="A cat, a rocket.")) == ""
    assert said(small, replace(draft, prompt="a unicorn", model=replace(toys, words=()))) == ""


def test_an_exemplar_that_is_held_may_be_run_strongly() -> None:
    assert said(document(fidelity=0.4), replace(DRAFT, strength=0.95)) == ""


def test_a_picture_that_is_too_small_is_named() -> None:
    assert "“cat” is enlarged" in said(document(scale=5.0), DRAFT)


def test_one_step_of_one_is_all_there_is() -> None:
    assert said(document(), replace(DRAFT, strength=0.8, steps=1)) == ""


def test_nothing_is_said_of_what_cannot_run_or_uses_no_model() -> None:
    assert said(document(), replace(DRAFT, model=None)) == ""
    assert said(document(), Draft(QuickFillSettings())) == ""


WORDS = replace(DRAFT, settings=BlendedSettings(), prompt="a boat", strength=0.95)


def region(name: MapName = "selection", found: Document | None = None) -> Document:
    found = found or picture(SIDE, SIDE)
    return found.with_map(name, found.map(name).write(100, 100, np.ones((300, 300), np.float32)))


def scribbled() -> Document:
    found = region().adding_layer(Layer.empty(0, "Scribble", region().size))
    stroke = np.full((40, 40, 4), 255, np.uint8)
    return found.with_layer(replace(found.layers[-1], pixels=found.layers[-1].pixels.write(300, 300, stroke)))


def test_an_ordinary_edit_by_words_needs_no_advice() -> None:
    assert said(region(), WORDS) == ""


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"prompt": " "}, "Say what should be there."),
        ({"strength": 0.2, "steps": 10}, "Only 2 of 10"),
        ({"guidance_scale": 1.0}, "words hardly count"),
        ({"guidance_scale": 20.0}, "looks harsh"),
        ({"model": replace(MODEL, name="Practice model", toys=True)}, "knows nothing but its toys"),
    ],
)
def test_what_goes_wrong_with_words_is_said(changes: dict[str, object], words: str) -> None:
    assert words in said(region(), replace(WORDS, **changes))  # type: ignore[arg-type]


def test_what_takes_no_part_is_said() -> None:
    assert "Reference pictures take no part" in said(region(found=document()), WORDS)


def test_a_scribble_that_the_frame_cuts_is_said() -> None:
    draft = replace(WORDS, scribble=scribbled().layers[-1].id, strength=0.5)
    assert said(scribbled(), draft) == ""
    assert said(scribbled(), replace(draft, frame=Rect(100, 100, 400, 400))) == ""
    assert "Part of the scribble" in said(scribbled(), replace(draft, frame=Rect(100, 100, 310, 400)))


# Nothing, or hardly anything, comes of it

QUICK = Draft(QuickFillSettings(), seed=1)


def faintly(value: float) -> Document:
    found = picture(300, 200)
    return found.with_strength(found.empty_map().write(60, 50, np.full((60, 70), value, np.float32)))


@pytest.mark.parametrize(
    ("value", "changes", "words"),
    [
        (1.0, {}, ""),
        (0.05, {}, ""),
        (0.03, {}, "At most 3\u202f% may change"),
        (1 / 255, {}, "At most 0.39\u202f% may change"),
        (0.5, {"strength": 0.02}, "At most 1\u202f% may change"),
        (0.02, {"settings": PixelsSettings(), "steps": 20}, "not one step runs"),
        (0.06, {"settings": PixelsSettings(), "steps": 20}, "Only 1 of 20"),
        (0.2, {"settings": PixelsSettings(), "steps": 20, "strength": 0.1}, "not one step runs"),
        (1.0, {"settings": PixelsSettings(), "steps": 20}, ""),
        (0.05, {"settings": BlendedSettings(), "steps": 20}, "Only 1 of 20"),
        (0.9, {"settings": BlendedSettings(), "steps": 20}, ""),
    ],
)
def test_what_little_comes_of_is_said_before_it_runs_and_with_the_request(
    value: float, changes: dict[str, object], words: str
) -> None:
    document, draft = faintly(value), replace(QUICK, model=MODEL, prompt="a boat", **changes)  # type: ignore[arg-type]
    before = said(document, draft)
    assert words in before
    assert bool(before) == bool(words)
    assert asked_for_little(make_request(document, draft)) == before


def test_an_exemplar_that_is_hardly_let_in_says_so() -> None:
    cat = Exemplar.of("cat", np.full((60, 60, 4), 255, np.uint8), Placement(100, 100))
    document = picture(300, 200).adding_exemplar(replace(cat, strength=0.02))
    assert said(document, QUICK).startswith("At most 2\u202f% of it comes in")
    assert asked_for_little(make_request(document, QUICK)) == said(document, QUICK)


def test_an_item_that_is_removed_needs_no_strength() -> None:
    document, item = with_item(picture(), Rect(60, 50, 130, 110))
    draft = replace(QUICK, item=item.id, strength=0.01)
    assert said(document, draft) == ""
    assert asked_for_little(make_request(document, draft)) == ""


def test_a_result_that_is_no_other_than_the_picture_is_known() -> None:
    document = faintly(1.0)
    request = make_request(document, QUICK)
    result = answer(request)
    assert not came_to_nothing(document, result)
    same = result.pixels.copy()
    same[..., :3] = flatten(document, result.rect)[..., :3]
    assert came_to_nothing(document, replace(result, pixels=same))
    unseen = result.pixels.copy()
    unseen[..., 3] = 0
    assert came_to_nothing(document, replace(result, pixels=unseen))
    last = same.copy()
    last[-1, -1] = (255 - last[-1, -1, 0], 0, 0, 255)
    assert not came_to_nothing(document, replace(result, pixels=last)), "one pixel is something"
