"""The practice model's tokenizer: CLIP's kind, one token for every word a caption can hold; other words fall into letters."""

from __future__ import annotations

from itertools import pairwise

from transformers import CLIPTokenizer

from app.dev.practice.scenes import COLOURS, GROUNDS, THINGS

LENGTH = 32  # tokens, start and end included
START, END = "<|startoftext|>", "<|endoftext|>"
ENDING = "</w>"


def caption_words() -> tuple[str, ...]:
    """Every word of every caption, in alphabetical order."""
    phrases = (*THINGS, *COLOURS, *GROUNDS.values(), "a", "and")
    return tuple(sorted({word for phrase in phrases for word in phrase.split()}))


def make_tokenizer() -> CLIPTokenizer:
    """Byte letters, the merges that make each caption word one token, and the two marks; the same on every call."""
    letters = _byte_letters()
    merges: list[tuple[str, str]] = []
    for word in caption_words():
        pieces = _split(word, merges)
        while len(pieces) > 1:
            merges.append((pieces[0], pieces[1]))
            pieces = [pieces[0] + pieces[1], *pieces[2:]]
    tokens = [*letters, *(letter + ENDING for letter in letters), *dict.fromkeys(one + two for one, two in merges)]
    vocabulary = {token: index for index, token in enumerate([*tokens, START, END])}
    return CLIPTokenizer(vocab=vocabulary, merges=merges, model_max_length=LENGTH)


def _split(word: str, merges: list[tuple[str, str]]) -> list[str]:
    """Byte-pair encoding: the earliest merge that fits, everywhere, until none fits."""
    pieces = [*word[:-1], word[-1] + ENDING]
    ranks = {pair: rank for rank, pair in enumerate(merges)}
    while len(pieces) > 1:
        best = min(pairwise(pieces), key=lambda pair: ranks.get(pair, len(ranks)))
        if best not in ranks:
            break
        joined: list[str] = []
        for piece in pieces:
            if joined and (joined[-1], piece) == best:
                joined[-1] += piece
            else:
                joined.append(piece)
        pieces = joined
    return pieces


def _byte_letters() -> list[str]:
    """The 256 letters that stand for bytes, as byte-level encoders write them: printable ones as they are, others moved up."""
    printable = [*range(33, 127), *range(161, 173), *range(174, 256)]
    hidden = [byte for byte in range(256) if byte not in printable]
    return [chr(byte) for byte in printable] + [chr(256 + place) for place in range(len(hidden))]
