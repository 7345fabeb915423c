"""Errors with a sentence for people: what went wrong, and what to do.

Core code raises these and never opens a dialog; library errors become one of them where they are understood.
"""

from __future__ import annotations

import traceback


def readable(text: str) -> str:
    """The text as it can be shown, written and sent: what is no character (a byte of a file's name that is not UTF-8) or steers what shows it becomes
    the sign for an unknown one. Names stay whole wherever files are meant.
    """
    return "".join("\ufffd" if _unshown(sign) else sign for sign in text)


def _unshown(sign: str) -> bool:
    return "\ud800" <= sign <= "\udfff" or (sign < " " and sign not in "\n\t") or sign == "\x7f"


class EditorError(Exception):
    """A problem told to the person: what happened, and what to do about it.

    `message` says what happened and what was kept, `advice` what to do next; both are whole sentences.
    """

    def __init__(self, message: str, advice: str = "") -> None:
        message, advice = readable(message), readable(advice)
        super().__init__(message)
        self.message = message
        self.advice = advice

    def __str__(self) -> str:
        return f"{self.message} {self.advice}".strip()


class InvalidRequest(EditorError):
    """What was asked for cannot be done as it stands: a wrong shape, an empty region, a value out of range."""


class ModelUnavailable(EditorError):
    """The model, or a part of it, is missing or of the wrong kind."""


class OutOfMemory(EditorError):
    """The edit does not fit into memory."""


class NotFinite(EditorError):
    """What a model computed are no numbers any more (infinite, or none at all), so there is no picture in it."""


class UnreadableFile(EditorError):
    """A file could not be opened: missing, damaged, hostile, too large, or of another kind or version."""


class UnwritableFile(EditorError):
    """A file could not be saved. The earlier file, if any, is still there and the document is unchanged."""


class InternalError(EditorError):
    """A mistake of ours. The traceback is in the log; the document is as it was."""


def let_go(error: BaseException) -> None:
    """Empty the frames that an error came through: they would keep pictures and networks for as long as it is held.

    In cycles with the error itself, they would stay even longer, until the window's thread collects.
    """
    chain: list[BaseException] = []
    current: BaseException | None = error
    while current is not None and current not in chain:
        chain.append(current)
        current = current.__cause__ or current.__context__
    for link in chain:
        traceback.clear_frames(link.__traceback__)
        link.__traceback__ = link.__cause__ = link.__context__ = None
