"""The suggestions: for every card something, and figures people can read."""

from __future__ import annotations

import pytest

from editor.diffusion.families.registry import FAMILIES
from editor.models.catalogue import SUGGESTIONS, TIERS, size_words, suggested
from editor.models.hub import tidy_id


@pytest.mark.parametrize("memory", [*TIERS, 5.8, 23.6, 80, None])
def test_everybody_gets_a_suggestion_that_fits(memory: float | None) -> None:
    found = suggested(memory)
    assert found
    assert all(each.cpu if memory is None else each.memory <= memory + 1 for each in found)
    needs = [each.memory for each in found]
    assert needs == sorted(needs, reverse=True)


def test_a_tiny_card_gets_none() -> None:
    assert not suggested(2)


def test_suggestions_are_whole() -> None:
    assert {suggestion.memory for suggestion in SUGGESTIONS} == set(TIERS)
    assert len({suggestion.id for suggestion in SUGGESTIONS}) == len(SUGGESTIONS)
    for suggestion in SUGGESTIONS:
        assert tidy_id(suggestion.id) == suggestion.id
        assert suggestion.family in FAMILIES
        assert suggestion.licence
        assert suggestion.words.endswith(".")


@pytest.mark.parametrize(
    ("size", "words"),
    [
        (0, "0 bytes"),
        (999, "999 bytes"),
        (1_500, "2 kB"),
        (34_000_000, "34 MB"),
        (999_700_000, "1.0 GB"),
        (6_940_000_000, "6.9 GB"),
        (120_000_000_000, "120 GB"),
    ],
)
def test_sizes_in_words(size: int, words: str) -> None:
    assert size_words(size) == words
