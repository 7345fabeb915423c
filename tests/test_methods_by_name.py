"""Nobody outside a method's folder asks which method it is (over the syntax trees of the program)."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

import editor
from editor.methods.registry import METHODS

ROOT = Path(editor.__file__).parent.parent
FOLDERS = sorted(path.parent.name for path in (ROOT / "editor" / "methods").glob("*/method.py"))
TABLES = ("editor/methods/registry.py", "editor/execution.py")
TOOLS = "app/dev"  # the demo, benchmarks and screenshots each play one method


def sources() -> Iterator[Path]:
    for package in ("app", "editor", "widgets"):
        for path in sorted((ROOT / package).rglob("*.py")):
            relative = path.relative_to(ROOT).as_posix()
            own = relative.startswith(tuple(f"editor/methods/{folder}/" for folder in FOLDERS))
            if not own and relative not in TABLES and not relative.startswith(TOOLS):
                yield path


def names(tree: ast.AST) -> Iterator[tuple[int, str]]:
    """Everything that code calls by name: names, attributes, imports and whole strings."""
    for node in ast.walk(tree):
        match node:
            case ast.Name(id=name) | ast.Attribute(attr=name):
                yield node.lineno, name
            case ast.ImportFrom(module=module):
                yield from ((node.lineno, f"{module}.{alias.name}") for alias in node.names)
                yield from ((node.lineno, alias.name) for alias in node.names)
            case ast.Import():
                yield from ((node.lineno, alias.name) for alias in node.names)
            case ast.Constant(value=str(value)):
                yield node.lineno, value


def test_there_are_as_many_folders_as_methods() -> None:
    own = {type(method).__module__.split(".")[2] for method in METHODS}
    assert own == {*FOLDERS}
    inside = {path.name for path in (ROOT / "editor/methods").iterdir() if path.is_dir() and path.name[0] not in "._"}
    assert inside == {*FOLDERS}


def test_no_method_is_named_outside_its_folder_and_the_two_tables() -> None:
    forbidden = {method.id for method in METHODS} | {method.settings.__name__ for method in METHODS}
    forbidden |= {type(method).__name__ for method in METHODS}
    folders = tuple(f"editor.methods.{folder}" for folder in FOLDERS)
    found = [
        f"{path.relative_to(ROOT)}:{line} {name}"
        for path in sources()
        for line, name in names(ast.parse(path.read_text(encoding="utf-8")))
        if name in forbidden or name.startswith(folders)
    ]
    assert found == []


def test_nobody_asks_for_the_class_of_settings() -> None:
    """Of what a version does not know, whoever reads and shows recipes may ask."""
    found = []
    for path in sources():
        if path.is_relative_to(ROOT / "editor/methods"):
            continue  # the base, which checks what it is given
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            match node:
                case ast.Call(func=ast.Name(id="isinstance" | "issubclass"), args=[asked, kind]):
                    about = ast.unparse(asked)
                    if about.endswith("settings") and ast.unparse(kind) != "UnknownSettings":
                        found.append(f"{path.relative_to(ROOT)}:{node.lineno} {about}")
    assert found == []
