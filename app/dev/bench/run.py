"""Run benchmarks by name, print a table, and write the figures as JSON."""

from __future__ import annotations

import argparse
import json
import platform
import sys
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict
from importlib import import_module
from pathlib import Path

from app.dev.bench import Result

# name -> "module:function"; imported only when asked for, because each brings its own heavy libraries.
BENCHMARKS: dict[str, str] = {
    "brush": "app.dev.bench.canvas:brush",
    "undo": "app.dev.bench.canvas:undo",
    "memory": "app.dev.bench.canvas:memory",
    "opening": "app.dev.bench.canvas:opening",
    "item-drag": "app.dev.bench.canvas:item_drag",
    "start": "app.dev.bench.start:start",
    "quick-fill": "app.dev.bench.quick_fill:quick_fill_speed",
    "quick-fill-quality": "app.dev.bench.quick_fill:quick_fill_quality",
    "pixels-step": "app.dev.bench.diffusion:pixels_step",
    "pixels-region": "app.dev.bench.diffusion:pixels_region",
    "pixels-preview": "app.dev.bench.diffusion:pixels_preview",
    "pixels-cancel": "app.dev.bench.diffusion:pixels_cancel",
    "pixels-cold": "app.dev.bench.diffusion:pixels_cold",
    "live-window": "app.dev.bench.live_window:live_window",
    "live-brush": "app.dev.bench.live_window:live_brush",
    "memory-estimate": "app.dev.bench.memory_estimate:memory_estimate",
    "candidates-time": "app.dev.bench.candidates:candidates_time",
    "candidates-memory": "app.dev.bench.memory_estimate:candidates_memory",
    "background": "app.dev.bench.background:background",
    "attention": "app.dev.bench.attention:attention",
    "live": "app.dev.bench.live:live",
    "live-truth": "app.dev.bench.live_truth:live_truth",
    "wire": "app.dev.bench.wire:wire",
    "large-frame": "app.dev.bench.large_frame:large_frame",
    "gpu": "app.dev.bench.gpu:gpu",
}

# With options of their own: name -> module.
LARGE: dict[str, str] = {
    "truth": "app.dev.bench.truth",
    "truth-sweep": "app.dev.bench.truth_sweep",
    "truth-items": "app.dev.bench.truth_items",
    "words": "app.dev.bench.words",
    "inversion": "app.dev.bench.inversion",
    "practice": "app.dev.bench.practice",
}


def main(arguments: Sequence[str]) -> int:
    """Returns 0 when every bar holds, 1 when one is missed."""
    if arguments and arguments[0] in LARGE:
        return int(import_module(LARGE[arguments[0]]).main(arguments[1:]))
    parser = argparse.ArgumentParser(
        prog="palimpsest bench",
        description="Measure; compare with bars where there are any.",
        epilog=f"On practice scenes, each with its own --help: {', '.join(LARGE)}.",
    )
    parser.add_argument("names", nargs="*", metavar="NAME", help=f"which ones (default: all): {', '.join(BENCHMARKS)}")
    parser.add_argument("--json", type=Path, metavar="FILE", help="also write the figures here")
    parser.add_argument("--sheet", type=Path, metavar="FILE", help="only draw the contact sheet of quick fill here")
    options = parser.parse_args(arguments)
    unknown = [name for name in options.names if name not in BENCHMARKS]
    if unknown:
        parser.error(f"no benchmark is called {', '.join(unknown)}; there are {', '.join(BENCHMARKS)}")
    if options.json is not None and not options.json.absolute().parent.is_dir():
        parser.error(f"there is no folder {options.json.parent}")  # before the minutes of measuring
    if options.sheet is not None:
        for _ in import_module("app.dev.bench.quick_fill").quick_fill_quality(options.sheet):
            pass
        return 0
    results: list[Result] = []
    _say(f"{platform.machine()}, {platform.system()}, Python {platform.python_version()}")
    for name in options.names or BENCHMARKS:
        for result in _load(BENCHMARKS[name])():
            results.append(result)
            _say(row(result))
    if options.json is not None:
        options.json.write_text(
            json.dumps({"results": [asdict(result) for result in results]}, indent=2) + "\n", "utf-8"
        )
    return 0 if all(result.ok is not False for result in results) else 1


def _load(where: str) -> Callable[[], Iterator[Result]]:
    module, _, name = where.partition(":")
    benchmark: Callable[[], Iterator[Result]] = getattr(import_module(module), name)
    return benchmark


def row(result: Result) -> str:
    bar = "" if result.bar is None else f"  bar {result.bar:g}"
    verdict = {None: "", True: "  ok", False: "  MISSED"}[result.ok]
    note = f"  ({result.note})" if result.note else ""
    return f"{result.name:<52} {result.value:>10.4g} {result.unit:<6}{bar}{verdict}{note}"


def _say(text: str) -> None:
    sys.stdout.write(text + "\n")
    sys.stdout.flush()
