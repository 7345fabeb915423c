"""How well a result fits what was asked for, in words."""

from __future__ import annotations

from editor.requests.results import Match

# By how much a result must be closer to the words than the picture was, in `Match.gain`.
SURE = 3.0
LIKELY = 1.0


def fit_words(match: Match) -> str:
    """Closer to the words than the picture was, that is; how right it is, no model of this kind knows."""
    if match.gain >= SURE:
        return "Closer"
    return "Bit closer" if match.gain >= LIKELY else "No closer"


def fit_tip(match: Match | None) -> str:
    """The same at more length; None: nobody has compared it with the words."""
    if match is None:
        return "Not compared with your words: stopped before, or no model here does that, see Models"
    if match.gain >= SURE:
        return "Much closer to your words than the picture was"
    return f"{'A little' if match.gain >= LIKELY else 'Hardly'} closer to your words than the picture was"
