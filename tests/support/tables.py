"""Tables of cases, most of which wait for the second stage of the tests."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import pytest


def mostly_slow(cases: Sequence[Any], every: int = 4) -> list[Any]:
    """The cases for `parametrize`, all but every so-manieth marked `slow`."""
    return [case if at % every == 0 else pytest.param(case, marks=pytest.mark.slow) for at, case in enumerate(cases)]
