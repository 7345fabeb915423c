"""How well a result fits what was asked for, in words."""

from __future__ import annotations

from editor.report import Match

# By how much a result must be closer to the words than the picture was, in `Match.gain`.
SURE = 3.0
LIKELY = 1.0


def fit_words(match: Match) -> str:
    if match.gain >= SURE:
        return "Fits well"
    return "Fits" if match.gain >= LIKELY else "Hardly fits"
