"""Guard: no error leaves a handler of ours that Qt calls.

On Python 3.11 an error that C code raises inside an override of one of Qt's virtual functions ends the program with a segmentation
fault. A class of ours that overrides such a function therefore takes `Guarded` as its first base. What goes wrong in one then reaches
`sys.excepthook`, as an error in a slot does, and Qt gets an answer that it can live with.
"""

from __future__ import annotations

import sys
import traceback
from collections.abc import Callable
from functools import wraps
from types import FunctionType
from typing import Any

Method = Callable[..., Any]


class Guarded:
    """To be named before the Qt class among the bases: every method of a subclass that stands for one of Qt's is guarded."""

    def __init_subclass__(cls, **more: Any) -> None:
        super().__init_subclass__(**more)
        for name, method in overrides(cls).items():
            if isinstance(method, FunctionType):
                setattr(cls, name, _guard(cls, name, method))


def overrides(kind: type) -> dict[str, object]:
    """What a class of ours itself puts in the place of functions of its Qt bases.

    Python does not know which of them are virtual, so all count, but for constructors, signals and the like.
    """
    qt = [base for base in kind.__mro__ if base.__module__.startswith("PySide6.")]
    return {
        name: value
        for name, value in vars(kind).items()
        if not name.startswith("__") and any(_is_function(vars(base).get(name)) for base in qt)
    }


def is_guarded(method: object) -> bool:
    """Whether an override has been guarded."""
    return hasattr(method, "__guarded__")


def _is_function(value: object) -> bool:
    return type(value).__name__ in ("method_descriptor", "builtin_function_or_method", "staticmethod")


def _guard(kind: type, name: str, method: Method) -> Method:
    if is_guarded(method):
        return method
    answer = _base_answer(kind, name)

    @wraps(method)
    def guarded(self: object, *arguments: Any) -> Any:
        try:
            return method(self, *arguments)
        except BaseException as error:
            report(error)
            return answer(self, *arguments)

    guarded.__guarded__ = True  # type: ignore[attr-defined]
    return guarded


def _base_answer(kind: type, name: str) -> Method:
    """What Qt is told where the override failed: that an event was not used, or what the class below would have said."""
    if name in ("event", "eventFilter"):
        return lambda *_: False
    if name.endswith("Event"):
        return lambda *_: None

    def below(self: object, *arguments: Any) -> Any:
        try:
            return getattr(super(kind, self), name)(*arguments)
        except Exception as error:
            report(error)
            return None

    return below


def report(error: BaseException) -> None:
    """Hand an error to whoever looks after those that nobody caught, and end what it left open. Never raises."""
    try:
        sys.excepthook(type(error), error, error.__traceback__)
    except BaseException:
        sys.__excepthook__(type(error), error, error.__traceback__)
    # A painter that the frames still held would stay active on a widget that is no longer being painted.
    traceback.clear_frames(error.__traceback__)
