"""Requests of a live picture."""

from __future__ import annotations

from dataclasses import dataclass

from editor.requests.edit_request import EditRequest


@dataclass(frozen=True, slots=True, eq=False)
class LiveRequest:
    """Ask for one state of a live picture."""

    request: EditRequest
    key: int | str


@dataclass(frozen=True, slots=True)
class EndLiveRequest:
    """Ask to forget a live picture."""

    key: int | str
