"""`palimpsest models`: which models are here, and getting more of them, without a window."""

from __future__ import annotations

import argparse
import json
import shutil
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from PySide6.QtCore import QCoreApplication, QStandardPaths

from app.models import add_path, forget_path, library_of, models_folder
from app.settings import Settings
from editor.diffusion.families.base import Suggestion
from editor.errors import EditorError, ModelUnavailable, readable
from editor.models.catalogue import SUGGESTIONS, size_words, suggested
from editor.models.download import download, remaining
from editor.models.hub import DownloadPlan, plan_download
from editor.models.info import ModelInfo
from editor.models.library import Library
from editor.requests.reports import Progress
from resources import bundled_models

EVERY = 10.0  # seconds between two lines of progress where lines cannot be overwritten
INTERRUPTED = 130


def main(arguments: Sequence[str]) -> int:
    """Do what is asked; returns the exit status."""
    options = _parser().parse_args(_with_word(arguments))
    settings, own = _places()
    try:
        match options.word:
            case "import":
                return _import(settings, options)
            case "remove":
                return _remove(settings, own, options)
            case "download":
                return _download(settings, own, options)
            case "suggest":
                return _suggest(options)
            case _:
                return _list(settings, own, options)
    except EditorError as error:
        sys.stderr.write(f"{error}\n")
        return 1
    except KeyboardInterrupt:
        sys.stderr.write("\nStopped. What has come is kept; the same command goes on with it.\n")
        return INTERRUPTED


def known_models() -> Library:
    """Those that the settings know."""
    return library_of(*_places(), bundled_models())


def _places() -> tuple[Settings, Path]:
    """The settings, and the program's own folder for models."""
    QCoreApplication.setApplicationName("palimpsest")  # it names the folders
    kind = QStandardPaths.StandardLocation
    settings = Settings(Path(QStandardPaths.writableLocation(kind.AppConfigLocation)) / "settings.json")
    return settings, Path(QStandardPaths.writableLocation(kind.AppLocalDataLocation)) / "models"


def _with_word(arguments: Sequence[str]) -> list[str]:
    """`list` unless another word is given."""
    first = arguments[0] if arguments else ""
    return (
        list(arguments) if first and (not first.startswith("-") or first in ("-h", "--help")) else ["list", *arguments]
    )


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="palimpsest models", description="List, add, download and remove models; `list` is the default."
    )
    words = parser.add_subparsers(dest="word", required=True)
    as_json = argparse.ArgumentParser(add_help=False)
    as_json.add_argument("--json", action="store_true", help="for programs")
    words.add_parser("list", parents=[as_json], help="the models on this machine")
    adding = words.add_parser("import", parents=[as_json], help="add what is on this machine already")
    adding.add_argument("paths", metavar="PATH", nargs="+", type=Path, help="diffusers folder or .safetensors file")
    removing = words.add_parser("remove", help="take a model off the list")
    removing.add_argument("model", help="its name or its path, or a folder that was added")
    removing.add_argument("--delete", action="store_true", help="delete its files as well")
    removing.add_argument("--yes", action="store_true", help="do not ask")
    getting = words.add_parser("download", parents=[as_json], help="get a model from the hub; asks before it fetches")
    getting.add_argument("id", metavar="ID", help="owner/name, as on the model's page")
    getting.add_argument("--revision", default="", help="a branch, tag or commit (default: the newest)")
    getting.add_argument("--to", metavar="FOLDER", type=Path, help="the folder of models to put it into")
    getting.add_argument("--endpoint", metavar="URL", help="the address of a mirror")
    getting.add_argument("--full", action="store_true", help="full precision: twice the size, seldom better")
    getting.add_argument("--yes", action="store_true", help="do not ask")
    suggesting = words.add_parser("suggest", parents=[as_json], help="models to begin with")
    suggesting.add_argument("--memory", metavar="GB", type=float, help="of the graphics card; 0 when there is none")
    return parser


def _list(settings: Settings, own: Path, arguments: argparse.Namespace) -> int:
    infos = library_of(settings, own, bundled_models()).models()
    used = settings.values.model
    if arguments.json:
        _write_json([_facts(info, used) for info in infos])
        return 0
    if all(info.toys for info in infos):
        _write("There are no models for photographs yet. `palimpsest models suggest` shows some to begin with.")
    for info in infos:
        _write(f"{'*' if info.key == used else ' '} {info.name}")
        if info.problem:
            _write(f"    {info.problem} {info.advice}")
        else:
            _write(f"    {' · '.join(_traits(info))}")
        _write(f"    {info.key}")
    return 0


def _import(settings: Settings, arguments: argparse.Namespace) -> int:
    status = 0
    added: list[ModelInfo] = []
    for path in arguments.paths:
        try:
            added += add_path(settings, path)
        except ModelUnavailable as error:
            sys.stderr.write(f"{error}\n")
            status = 1
    if arguments.json:
        _write_json([_facts(info, settings.values.model) for info in added])
    else:
        for info in added:
            _write(f"Added {info.name} ({', '.join(_traits(info))})." if info.usable else str(info.problem))
    return status


def _remove(settings: Settings, own: Path, arguments: argparse.Namespace) -> int:
    known = library_of(settings, own).models()
    named = [info for info in known if arguments.model in (info.key, info.name, str(info.path))]
    if len(named) > 1:
        raise ModelUnavailable(
            f"There are {len(named)} models of the name “{arguments.model}”.", "Give the path of the one."
        )
    path = named[0].path if named else Path(arguments.model)
    downloads = models_folder(settings, own)
    if arguments.delete:
        if not named or not path.is_relative_to(downloads):
            raise ModelUnavailable(
                f"Only what was downloaded into {downloads} is deleted.",
                "Delete other files yourself, or remove without --delete.",
            )
        if not arguments.yes and not _agrees(f"Delete {path} ({size_words(named[0].stored)})?"):
            return 1
        forget_path(settings, path)
        if path.is_dir():
            shutil.rmtree(path)
        else:
            path.unlink()
        _write(f"Deleted {path}.")
    elif forget_path(settings, path):
        _write(f"Removed {arguments.model} from the list; its files are as they were.")
    elif named:
        raise ModelUnavailable(
            f"“{named[0].name}” is on the list because it lies in a folder of models.",
            "Delete it with --delete if it was downloaded here, or take it out of that folder.",
        )
    else:
        raise ModelUnavailable(f"There is no model “{arguments.model}” on the list.", "`palimpsest models` shows all.")
    return 0


def _download(settings: Settings, own: Path, arguments: argparse.Namespace) -> int:
    folder = models_folder(settings, own) if arguments.to is None else arguments.to.absolute()
    endpoint = settings.values.hub if arguments.endpoint is None else arguments.endpoint
    plan = plan_download(arguments.id, arguments.revision, endpoint, half=not arguments.full)
    missing = remaining(plan, folder)
    if not arguments.json:
        for line in _describe(plan, sum(file.size for file in missing), folder):
            _write(line)
    if missing and not arguments.yes and not _agrees("Download it?"):
        return 1
    reports = download(plan, folder)
    shown = _Line()
    try:
        while True:
            report = next(reports)
            if isinstance(report, Progress):
                shown.show(report.doing)
    except StopIteration as stop:
        path: Path = stop.value
    finally:
        reports.close()
        shown.end()
    if arguments.to is not None and folder not in library_of(settings, own).folders:
        settings.set(model_folders=(*settings.values.model_folders, str(folder)))
    infos = [info for info in library_of(settings, own).models() if path in (info.path, info.path.parent)]
    if arguments.json:
        _write_json([_facts(info, settings.values.model) for info in infos])
        return 0
    for info in infos:
        _write(f"{info.name}: {'ready' if info.usable else f'{info.problem} {info.advice}'}")
    return 0 if all(info.usable for info in infos) else 1


def _suggest(arguments: argparse.Namespace) -> int:
    suggestions = SUGGESTIONS if arguments.memory is None else suggested(arguments.memory or None)
    if arguments.json:
        _write_json([_told(suggestion) for suggestion in suggestions])
        return 0
    if not suggestions:
        _write("Nothing is known to run well in so little memory; quick fill needs no model.")
    for suggestion in suggestions:
        size = (
            "size shown before download" if suggestion.download is None else f"about {size_words(suggestion.download)}"
        )
        _write(suggestion.id)
        _write(f"    {suggestion.words}")
        _write(
            f"    {suggestion.memory} GB of graphics memory · {size} · {suggestion.licence}{' · asks for consent' if suggestion.gated else ''}"
        )
    return 0


def _told(suggestion: Suggestion) -> dict[str, object]:
    """What JSON says of a model to begin with."""
    fields = {name: getattr(suggestion, name) for name in Suggestion.__slots__}
    return fields | {"family": suggestion.family.name}


def _describe(plan: DownloadPlan, missing: int, folder: Path) -> list[str]:
    here = plan.total - missing
    lines = [plan.id, f"    {size_words(plan.total)}" + (f", {size_words(here)} of it here already" if here else "")]
    lines.append(f"    licence: {plan.licence or 'not stated'}; read it at {plan.page}")
    if plan.gated:
        lines.append("    gated: accept the licence on that page, then `hf auth login` or set HF_TOKEN")
    return [*lines, f"    to {plan.folder(folder)}"]


def _agrees(question: str) -> bool:
    """Asked on standard error, so that standard output stays for results; no answer means no."""
    sys.stderr.write(f"{question} [y/N] ")
    sys.stderr.flush()
    answer = sys.stdin.readline()
    if not answer:
        sys.stderr.write("\nNobody answered; --yes goes on without asking.\n")
    return answer.strip().lower() in ("y", "yes")


class _Line:
    """Progress on standard error: in one line on a terminal, elsewhere as a line now and then."""

    def __init__(self) -> None:
        self._terminal = sys.stderr.isatty()
        self._at = -EVERY
        self._length = 0

    def show(self, words: str) -> None:
        now = time.monotonic()
        if self._terminal:
            sys.stderr.write(f"\r{words.ljust(self._length)}")
            sys.stderr.flush()
            self._length = len(words)
        elif now - self._at >= EVERY:
            self._at = now
            sys.stderr.write(f"{words}\n")

    def end(self) -> None:
        if self._terminal and self._length:
            sys.stderr.write("\n")


def _traits(info: ModelInfo) -> list[str]:
    return [info.traits.label, size_words(info.stored), *sorted({part.precision for part in info.parts})]


def _facts(info: ModelInfo, used: str) -> dict[str, Any]:
    return {
        "key": info.key,
        "name": info.name,
        "family": info.family.name,
        "size": info.stored,
        "precision": sorted({part.precision for part in info.parts}),
        "usable": info.usable,
        "used": info.key == used,
        "problem": info.problem,
        "advice": info.advice,
        "licence": info.licence,
        "source": info.source,
    }


def _write(line: str) -> None:
    sys.stdout.write(f"{readable(line)}\n")


def _write_json(content: object) -> None:
    """A path that is no text is written with escapes, so that it can be read back."""
    said = json.dumps(content, indent=1, ensure_ascii=False)
    if said != readable(said):
        said = json.dumps(content, indent=1)
    sys.stdout.write(f"{said}\n")
