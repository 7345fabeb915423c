"""Waiting with Qt's event loop running."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any

Play = Callable[..., Any]
"""What the fixture `play` gives: it runs a coroutine to its end on Qt's loop."""


async def until(condition: Callable[[], object], timeout: float = 20.0) -> None:
    """Wait, with the event loop running, until the condition holds."""
    async with asyncio.timeout(timeout):
        while not condition():
            await asyncio.sleep(0.005)
