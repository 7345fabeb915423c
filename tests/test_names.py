"""Names that say nothing of what they hold are kept out of the program."""

from __future__ import annotations

import ast
from pathlib import Path

ROOT = Path(__file__).parent.parent
EMPTY_WORDS = {"asked", "each", "found", "made", "told"}  # a local is called what it is: `rect`, `counts`, `latents`


def _names(path: Path) -> set[str]:
    names: set[str] = set()
    for node in ast.walk(ast.parse(path.read_text("utf-8"))):
        match node:
            case ast.Name(id=name, ctx=ast.Store()) | ast.arg(arg=name):
                names.add(name)
            case ast.FunctionDef(name=name) | ast.AsyncFunctionDef(name=name) | ast.ClassDef(name=name):
                names.add(name)
            case ast.ExceptHandler(name=str(name)) | ast.MatchAs(name=str(name)) | ast.MatchStar(name=str(name)):
                names.add(name)
            case ast.Attribute(attr=name, ctx=ast.Store()):
                names.add(name)
    return names


def test_locals_are_called_what_they_are() -> None:
    modules = [path for folder in ("app", "editor", "widgets") for path in (ROOT / folder).rglob("*.py")]
    program = [path for path in modules if path.relative_to(ROOT).parts[:2] != ("app", "dev")]
    assert len(program) > 200
    assert {str(path.relative_to(ROOT)): names for path in program if (names := _names(path) & EMPTY_WORDS)} == {}
