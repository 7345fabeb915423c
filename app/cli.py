"""The command line: `palimpsest [PICTURE …]` opens the window; its words do the rest without one.

Heavy modules are imported where they are needed, so that the window is quick to open and `--help` quicker.
"""

from __future__ import annotations

import argparse
import math
import os
import sys
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from editor.requests.samplers import OFFERED

if TYPE_CHECKING:
    from editor.diffusion.families.base import Families
    from editor.execution import Executions
    from editor.io.encoding import ExportOptions
    from editor.methods.registry import Methods

WORDS = ("edit", "models", "demo", "bench", "screenshots", "practice-model", "kill-test", "monkey")
MAX_VARIATIONS = 64  # variations
SOME = 3  # exit status: some of the variations are written


def main(argv: Sequence[str] | None = None) -> int:
    """Run the program; returns the exit status: 0 well, 1 it failed, 2 it was called wrongly, 3 some of several results were made."""
    arguments = list(sys.argv[1:] if argv is None else argv)
    word = arguments[0] if arguments and arguments[0] in WORDS else ""
    match word:
        case "edit":
            return _edit(arguments[1:])
        case "models":
            return _models(arguments[1:])
        case "demo":
            return _demo(arguments[1:])
        case "bench":
            return _bench(arguments[1:])
        case "screenshots":
            return _screenshots(arguments[1:])
        case "practice-model":
            return _practice_model(arguments[1:])
        case "kill-test":
            return _kill_test(arguments[1:])
        case "monkey":
            return _monkey(arguments[1:])
        case _:
            return _window(arguments)


def _window(arguments: Sequence[str]) -> int:
    parser = argparse.ArgumentParser(
        prog="palimpsest",
        description="Change pictures by touching them: paint strength, drop reference pictures, move and remove items.",
        epilog="Other words: edit, models, demo, bench, screenshots, practice-model, kill-test, monkey; "
        "each has its own --help.",
    )
    parser.add_argument(
        "pictures", metavar="PICTURE", nargs="*", type=Path, help="pictures or .palimpsest projects to open"
    )
    parser.add_argument("--verbose", action="store_true", help="log everything to standard error")
    options = parser.parse_args(arguments)
    from app.first_sight import begin  # noqa: PLC0415  Qt is only needed from here on

    qt, sight = begin(options.pictures, verbose=options.verbose)
    from app.application import run  # noqa: PLC0415  everything else, while there is something to see

    return run(qt, sight, options.pictures)


def _edit(arguments: Sequence[str]) -> int:
    from editor.execution import EXECUTIONS  # noqa: PLC0415
    from editor.methods.registry import METHODS  # noqa: PLC0415

    return edit(arguments, METHODS, EXECUTIONS)


def edit(arguments: Sequence[str], methods: Methods, executions: Executions, families: Families | None = None) -> int:
    """`palimpsest edit` with these methods; returns the exit status. `families`: of models, None for those of the program."""
    from editor.requests.method_settings import Use  # noqa: PLC0415

    usual = methods.usual_on_model.command
    commands = sorted((method for method in methods if method.command), key=lambda method: method.command)
    helps = (
        f"{command.command}{' (default)' * (command.command == usual)}: {command.command_help}" for command in commands
    )
    parser = argparse.ArgumentParser(
        prog="palimpsest edit",
        description="Change a region of a picture, without a window.",
        epilog="Exit status: 0 done, 1 failed, 2 called wrongly, 3 some of the variations are written, the others could not be made.",
        allow_abbrev=False,
    )
    parser.add_argument("picture", type=Path)
    parser.add_argument(
        "strength",
        type=Path,
        help="a grey picture of the same size: black keeps, white may change (see --white-keeps); - for none",
    )
    parser.add_argument("output", type=Path, help="where to write the result")
    parser.add_argument(
        "--white-keeps",
        action="store_true",
        help="the strength picture the other way round, as in PIXELS’ own files: white keeps, black may change",
    )
    parser.add_argument("--seed", type=int, default=None, help="the same seed gives the same picture (default: drawn)")
    parser.add_argument("--set", metavar="NAME=VALUE", action="append", default=[], help="a setting of the method")
    _add_export(parser)
    model = parser.add_argument_group("with a diffusion model", "Without --model, quick fill does it.")
    model.add_argument("--model", help="its name, its path or its id on the hub")
    model.add_argument(
        "--method",
        choices=[command.command for command in commands],
        help="; ".join(helps),
    )
    model.add_argument("--prompt", help="what should be there")
    model.add_argument("--negative", help="what should not")
    model.add_argument("--strength", dest="overall", type=float, help="0 to 1, multiplies what is painted")
    model.add_argument("--variations", type=int, metavar="N", help="so many results, with seeds in a row (default 1)")
    model.add_argument("--steps", type=int)
    model.add_argument("--guidance", type=float)
    model.add_argument("--sampler", choices=[sampler for sampler in OFFERED if sampler], help="default: its own")
    model.add_argument(
        "--exemplar",
        metavar="FILE[@X,Y[,SCALE]]",
        type=_exemplar,
        action="append",
        default=[],
        help="a reference picture to blend in; X, Y is where its middle goes (default: fitted into the middle)",
    )
    model.add_argument(
        "--item",
        metavar="FILE=NAME",
        type=_item,
        action="append",
        default=[],
        help="a grey picture of a thing that stays, and what it shows, for methods that change items",
    )
    options = parser.parse_args(arguments)
    method = methods.by_command(options.method or "")
    alone = method is not None and Use.MODEL not in method.uses
    if options.model is None:
        of_model = [
            "method",
            "variations",
            "prompt",
            "negative",
            "overall",
            "steps",
            "guidance",
            "sampler",
            "exemplar",
            "item",
        ]
        if method is not None and alone:
            without = {"method", "variations", "overall"}
            without |= {"prompt", "negative"} if Use.WORDS in method.uses else set()
            without |= {"exemplar"} if Use.EXEMPLARS in method.uses else set()
            of_model = [name for name in of_model if name not in without]
        given = [name for name in of_model if getattr(options, name) not in (None, [])]
        if given:
            name = given[0].replace("overall", "strength")
            parser.error(f"--{name} needs a --model; “palimpsest models” lists those that are here")
    if options.variations is not None and not 1 <= options.variations <= MAX_VARIATIONS:
        parser.error(f"--variations must be 1 to {MAX_VARIATIONS}")
    from app.batch import SomeMissing, WithModel, edit_file  # noqa: PLC0415
    from editor.errors import EditorError  # noqa: PLC0415

    strength = None if str(options.strength) == "-" else options.strength
    if strength is None and options.white_keeps:
        parser.error("--white-keeps says how to read the strength picture, and none is given")
    chosen = None
    if options.model is not None or alone:
        from app.models_cli import known_models  # noqa: PLC0415

        chosen = WithModel(
            known_models() if families is None else replace(known_models(), families=families),
            options.model or "",
            options.method or "",
            1 if options.variations is None else options.variations,
            options.prompt or "",
            options.negative or "",
            options.overall,
            options.steps,
            options.guidance,
            options.sampler or "",
            tuple(options.exemplar),
            tuple(options.item),
        )
    status = 0
    try:
        notes = edit_file(
            options.picture,
            strength,
            options.output,
            seed=options.seed,
            settings=options.set,
            model=chosen,
            export=_export(options),
            white_keeps=options.white_keeps,
            methods=methods,
            executions=executions,
        )
    except SomeMissing as error:
        notes, status = (*error.notes, str(error)), SOME
    except EditorError as error:
        notes, status = (str(error),), 1
    for note in notes:
        sys.stderr.write(f"{note}\n")
    return status


def _item(words: str) -> tuple[Path, str]:
    file, equals, name = words.rpartition("=")
    if not (file and equals and name.strip()):
        raise argparse.ArgumentTypeError(f'“{words}” is no FILE=NAME, such as cat.png="a cat"')
    return Path(file), name.strip()


def _add_export(parser: argparse.ArgumentParser) -> None:
    group = parser.add_argument_group("how the result is written", "What a kind of file does not know is passed over.")
    group.add_argument("--quality", type=_within(1, 100), metavar="N", help="1 to 100, of JPEG and WebP (default 92)")
    group.add_argument(
        "--chroma", choices=("full", "half", "quarter"), help="detail of a JPEG's colours (default full)"
    )
    group.add_argument("--lossless", action="store_true", help="an exact WebP")
    group.add_argument("--compression", type=_within(0, 9), metavar="N", help="0 to 9, of PNG (default 3)")
    group.add_argument("--tiff", choices=("none", "lzw", "deflate"), help="compression of a TIFF (default none)")
    size = group.add_mutually_exclusive_group()
    size.add_argument(
        "--longest-side",
        dest="longest",
        type=_within(1, 65_535),
        metavar="PIXELS",
        help="scale to this longest side; smaller in linear light, larger in the values as they are, by a Lanczos filter",
    )
    size.add_argument("--percent", type=_within(1, 400), metavar="N", help="scale by so many percent, likewise")
    group.add_argument(
        "--drop-information",
        action="store_true",
        help="write nothing of what is known about the picture (camera, place, author)",
    )


def _within(low: int, high: int) -> Callable[[str], int]:
    def whole(text: str) -> int:
        if not text.isascii() or not text.isdigit() or not low <= int(text) <= high:
            raise argparse.ArgumentTypeError(f"“{text}” must be a whole number from {low} to {high}")
        return int(text)

    return whole


def _export(arguments: argparse.Namespace) -> ExportOptions:
    """How the result is written, by what was asked for."""
    from editor.io.encoding import options_from  # noqa: PLC0415

    names = ("quality", "chroma", "compression", "tiff", "longest", "percent")
    values = {name: getattr(arguments, name) for name in names if getattr(arguments, name) is not None}
    scaling = next((name for name in ("longest", "percent") if name in values), "full")
    more = {"lossless": arguments.lossless, "scaling": scaling, "keep_information": not arguments.drop_information}
    return options_from({**values, **more})


def _models(arguments: Sequence[str]) -> int:
    from app.models_cli import main as models  # noqa: PLC0415

    return models(arguments)


def _exemplar(text: str) -> tuple[Path, tuple[float, float] | None, float | None]:
    """ "FILE", "FILE@X,Y" or "FILE@X,Y,SCALE"; a file whose name has an @ is taken whole when it is there."""
    file, at, numbers = text.rpartition("@")
    if not at or Path(text).exists():
        return Path(text), None, None
    wrong = argparse.ArgumentTypeError(f"“@{numbers}” must be @X,Y or @X,Y,SCALE: numbers, SCALE above 0")
    try:
        values = [float(word) for word in numbers.split(",")]
    except ValueError:
        raise wrong from None
    if len(values) not in (2, 3) or not all(map(math.isfinite, values)) or min(values[2:], default=1.0) <= 0:
        raise wrong
    return Path(file), (values[0], values[1]), values[2] if len(values) == 3 else None


def _demo(arguments: Sequence[str]) -> int:
    parser = argparse.ArgumentParser(
        prog="palimpsest demo",
        description="Edit real photos and practice scenes in the real window and its worker, and write sheets of it.",
    )
    parser.add_argument("--output", type=Path, default=Path("demo-output"), help="folder for the results")
    parser.add_argument("--close", action="store_true", help="close the window when done, also with a display")
    options = parser.parse_args(arguments)
    headless = without_display()
    from app.dev.demo.command import run  # noqa: PLC0415

    return run(options.output, stay_open=not (headless or options.close))


def _bench(arguments: Sequence[str]) -> int:
    without_display()
    from app.dev.bench.run import main as bench  # noqa: PLC0415

    return bench(arguments)


def _screenshots(arguments: Sequence[str]) -> int:
    without_display()
    from app.dev.screenshots import main as screenshots  # noqa: PLC0415

    return screenshots(arguments)


def _practice_model(arguments: Sequence[str]) -> int:
    from app.dev.practice.command import main as practice_model  # noqa: PLC0415

    return practice_model(arguments)


def _kill_test(arguments: Sequence[str]) -> int:
    from app.dev.killer.command import main as kill_test  # noqa: PLC0415

    return kill_test(arguments)


def _monkey(arguments: Sequence[str]) -> int:
    without_display()
    from app.dev.monkey.command import main as monkey  # noqa: PLC0415

    return monkey(arguments)


def without_display() -> bool:
    """Whether there is no screen to draw on; Qt then draws offscreen. Must be called before Qt starts."""
    if sys.platform.startswith("linux") and not (os.environ.get("DISPLAY") or os.environ.get("WAYLAND_DISPLAY")):
        os.environ.setdefault("QT_QPA_PLATFORM", "offscreen")
    return os.environ.get("QT_QPA_PLATFORM") == "offscreen"
