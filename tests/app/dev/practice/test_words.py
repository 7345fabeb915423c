"""The tokenizer: a word, a token."""

from __future__ import annotations

from pathlib import Path

from transformers import CLIPTokenizer

from app.dev.practice.scenes import draw_scene
from app.dev.practice.words import LENGTH, caption_words, make_tokenizer


def test_every_word_of_a_caption_is_one_token() -> None:
    tokenizer = make_tokenizer()
    for word in caption_words():
        assert len(tokenizer.tokenize(word)) == 1, word


def test_captions_have_as_many_tokens_as_words() -> None:
    tokenizer = make_tokenizer()
    for seed in range(200):
        caption = draw_scene(seed, "held out", 3).caption()
        found = tokenizer(caption).input_ids
        assert found[0] == tokenizer.bos_token_id
        assert found[-1] == tokenizer.eos_token_id
        assert len(found) == len(caption.split()) + 2 <= LENGTH


def test_any_text_can_be_read_and_a_saved_tokenizer_reads_the_same(tmp_path: Path) -> None:
    tokenizer = make_tokenizer()
    text = "a Zürich 7 cat, mapped on grass!"
    assert tokenizer.unk_token_id == tokenizer.eos_token_id
    assert tokenizer.eos_token_id not in tokenizer(text).input_ids[1:-1]
    tokenizer.save_pretrained(tmp_path)
    again = CLIPTokenizer.from_pretrained(tmp_path)
    assert again(text).input_ids == tokenizer(text).input_ids
    assert again.model_max_length == LENGTH
