"""Requests of a live picture: one edit that is asked for again and again while its map is painted."""

from __future__ import annotations

from dataclasses import dataclass

from editor.requests.edit_request import EditRequest


@dataclass(frozen=True, slots=True, eq=False)
class LiveRequest:
    """Ask for the present state of a live picture; its outcome is a `LiveResult`. Only what differs from its earlier states is computed.

    request: the edit as it is now; frame, seed, words and all the rest stay what they were, or it begins anew
    key: names the live picture
    idle: it is made while there is nothing else to do, and may keep little
    """

    request: EditRequest
    key: int | str
    idle: bool = False


@dataclass(frozen=True, slots=True)
class EndLiveRequest:
    """Ask to forget what is kept of a live picture. `key`: its name, as in `LiveRequest`."""

    key: int | str
