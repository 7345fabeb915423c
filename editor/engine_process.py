"""Engine in a process of its own: the same front door, with nothing but bytes between the two sides.

Each side is in step with the other: a command goes over, and one answer comes back. So several generators may be under way at once, as suspended jobs
are, while only one of them is driven. `python -m editor.engine_process` is the other side, on its standard input and output.
"""

from __future__ import annotations

import argparse
import contextlib
import itertools
import logging
import os
import struct
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import IO, Any, Protocol

from editor.errors import EditorError, InternalError, OutOfMemory
from editor.methods.registry import METHODS
from editor.requests.reports import FinishEarly, Reports
from editor.requests.wire import MAX_BYTES, UnreadableMessage, Wire

log = logging.getLogger(__name__)

LENGTH = struct.Struct("<Q")  # of the message that follows, in bytes
PATIENCE = 5.0  # seconds that the other side has to end by itself


class RunsRequests(Protocol):
    """An engine: the generator of a request (`editor.engine.Engine`)."""

    def run(self, request: Any) -> Reports[Any]: ...


def wire() -> Wire:
    """For the settings of all methods; both sides must have the same."""
    return Wire(method.settings for method in METHODS)


class EngineProcess:
    """An engine whose requests run in a process of their own. It is started for the first request, and anew after it has died.

    command: starts a process that serves on its standard input and output, such as `command_for` gives
    """

    def __init__(self, command: Sequence[str], codec: Wire | None = None) -> None:
        self._command = list(command)
        self._wire = codec or wire()
        self._process: subprocess.Popen[bytes] | None = None
        self._numbers = itertools.count()

    def run(self, request: Any) -> Reports[Any]:
        """The request's generator, as of `Engine.run`. Raises `InternalError` where the process dies on the way."""
        number, under_way = next(self._numbers), True
        process = self._started()
        answer = self._ask(process, ("begin", number, request))
        try:
            while True:
                match answer:
                    case ("report", report):
                        try:
                            yield report
                        except FinishEarly:
                            answer = self._ask(process, ("early", number))
                        else:
                            answer = self._ask(process, ("next", number))
                        continue
                under_way = False
                match answer:
                    case ("result", result):
                        return result
                    case ("error", EditorError() as error):
                        raise error
                    case ("early",):
                        raise FinishEarly
                    case _:
                        raise UnreadableMessage("An answer of no known kind came.", "Start the program again.")
        except GeneratorExit:
            if under_way and process.poll() is None:
                self._ask(process, ("close", number))
            raise

    def close(self) -> None:
        """End the process."""
        process, self._process = self._process, None
        if process is None:
            return
        for pipe in (process.stdin, process.stdout):
            if pipe is not None:
                with contextlib.suppress(OSError):
                    pipe.close()
        try:
            process.wait(PATIENCE)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()

    def _started(self) -> subprocess.Popen[bytes]:
        if self._process is not None and self._process.poll() is not None:
            self.close()
        if self._process is None:
            self._process = subprocess.Popen(self._command, stdin=subprocess.PIPE, stdout=subprocess.PIPE)
        return self._process

    def _ask(self, process: subprocess.Popen[bytes], command: tuple[Any, ...]) -> Any:
        if process.stdin is None or process.stdout is None:
            raise ValueError("a process without pipes")
        try:
            _send(process.stdin, self._wire, command)
            answer = _receive(process.stdout, self._wire)
        except (OSError, ValueError) as error:  # the pipe is broken, or was closed
            raise _died() from error
        if answer is None:
            process.wait()
            raise _died()
        return answer


def serve(engine: RunsRequests, codec: Wire, commands: IO[bytes], answers: IO[bytes]) -> None:
    """Answer commands until there are no more; what is under way then is closed."""
    running: dict[int, Reports[Any]] = {}
    try:
        while (command := _receive(commands, codec)) is not None:
            _send(answers, codec, _answer(engine, running, command))
    finally:
        for reports in running.values():
            reports.close()


def _answer(engine: RunsRequests, running: dict[int, Reports[Any]], command: Any) -> tuple[Any, ...]:
    number = command[1]
    try:
        match command:
            case ("begin", _, request):
                running[number] = engine.run(request)
                return "report", next(running[number])
            case ("next", _):
                return "report", next(running[number])
            case ("early", _):
                return "report", running[number].throw(FinishEarly())
            case ("close", _):
                running.pop(number).close()
                return ("closed",)
            case _:
                raise ValueError("a command of no known kind")
    except StopIteration as stop:
        answer: tuple[Any, ...] = "result", stop.value
    except FinishEarly:
        answer = ("early",)
    except EditorError as error:
        log.info("A request failed: %s", error)
        answer = "error", error.with_traceback(None)
    except MemoryError:
        log.exception("Out of memory")
        answer = "error", OutOfMemory("There was not enough memory for this edit.", "Choose a smaller region.")
    except Exception:  # the boundary where anything becomes a message; the log has the traceback
        log.exception("A request failed")
        answer = "error", InternalError("Something went wrong inside the program.", "The log has the details.")
    running.pop(number, None)
    return answer


def _send(pipe: IO[bytes], codec: Wire, value: Any) -> None:
    parts = codec.encode(value)
    pipe.write(LENGTH.pack(sum(map(len, parts))))
    for part in parts:
        pipe.write(part)
    pipe.flush()


def _receive(pipe: IO[bytes], codec: Wire) -> Any:
    """The next message; None at the end. Raises `UnreadableMessage`."""
    start = pipe.read(LENGTH.size)
    if len(start) < LENGTH.size:
        return None
    (length,) = LENGTH.unpack(start)
    if length > MAX_BYTES:
        raise UnreadableMessage("A message is far too large.", "Start the program again.")
    message = pipe.read(length)
    return codec.decode(message) if len(message) == length else None


def _died() -> InternalError:
    return InternalError(
        "The part of the program that makes edits ended unexpectedly; your document is as it was.",
        "Try again; perhaps memory ran out.",
    )


def command_for(models: Sequence[Path] = (), learned: Path | None = None) -> list[str]:
    """What starts an engine in a process of its own. `models`: folders with models. `learned`: as of `Engine`."""
    command = [sys.executable, "-m", "editor.engine_process", *map(str, models)]
    return command if learned is None else [*command, "--learned", str(learned)]


def main(arguments: Sequence[str]) -> None:
    """Serve on standard input and output until the input ends."""
    parser = argparse.ArgumentParser(description="Serve edits; nothing for people.")
    parser.add_argument("models", nargs="*", type=Path)
    parser.add_argument("--learned", type=Path)
    args = parser.parse_args(arguments)
    from editor.engine import Engine  # noqa: PLC0415  heavy libraries come with it
    from editor.models.library import Library  # noqa: PLC0415  as above

    # What libraries print must not get between the answers.
    with os.fdopen(os.dup(sys.stdout.fileno()), "wb") as answers:
        os.dup2(sys.stderr.fileno(), sys.stdout.fileno())
        engine = Engine(lambda: Library(added=tuple(args.models)), learned=args.learned)
        serve(engine, wire(), sys.stdin.buffer, answers)


if __name__ == "__main__":
    main(sys.argv[1:])
