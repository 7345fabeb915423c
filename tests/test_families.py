"""Nobody outside the folder of the model families asks for one by name, nor names what its networks are called."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from pathlib import Path

from editor.diffusion.families.registry import FAMILIES

ROOT = Path(__file__).parent.parent
INSIDE = ROOT / "editor" / "diffusion" / "families"
TRAINERS = ROOT / "app" / "dev"  # benchmarks and the trainer make networks of their own
# Where attention sits in a network, level by level, is read from the network itself.
STRUCTURE = ROOT / "editor" / "diffusion" / "attention" / "sites.py"
NETWORKS = frozenset({"unet", "transformer", "movq", "mmdit", "patchify", "unpatchify"})


def _modules() -> Iterator[Path]:
    for folder in ("app", "editor", "widgets"):
        for path in (ROOT / folder).rglob("*.py"):
            if not path.is_relative_to(INSIDE) and not path.is_relative_to(TRAINERS):
                yield path


def _words(tree: ast.AST) -> Iterator[tuple[int, str]]:
    """Names, attributes, arguments, and strings that are no sentences, with their lines."""
    for node in ast.walk(tree):
        match node:
            case ast.Name(id=word) | ast.Attribute(attr=word) | ast.arg(arg=word) | ast.keyword(arg=str(word)):
                yield getattr(node, "lineno", 0), word
            case ast.Constant(value=str(word)) if " " not in word:
                yield node.lineno, word
            case ast.FunctionDef(name=word) | ast.ClassDef(name=word):
                yield node.lineno, word


def _families() -> frozenset[str]:
    return frozenset(family.name for family in FAMILIES)


def test_nobody_outside_asks_for_a_family_by_name() -> None:
    modules = list(_modules())
    assert len(modules) > 200
    asking = [
        f"{path.relative_to(ROOT)}:{line}: {word}"
        for path in modules
        for line, word in _words(ast.parse(path.read_text("utf-8")))
        if word in _families()
    ]
    assert asking == []


def test_nobody_outside_names_a_network() -> None:
    naming = [
        f"{path.relative_to(ROOT)}:{line}: {word}"
        for path in _modules()
        if path != STRUCTURE
        for line, word in _words(ast.parse(path.read_text("utf-8")))
        if NETWORKS & set(re.split(r"[._]", word.lower())) or word in NETWORKS
    ]
    assert naming == []


def test_every_family_is_a_folder_and_a_line() -> None:
    folders = {path.parent.name for path in INSIDE.glob("*/family.py")}
    assert {type(family).__module__.split(".")[-2] for family in FAMILIES} == folders
    assert all((INSIDE / folder / "backend.py").is_file() for folder in folders)
