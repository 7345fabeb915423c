"""Where torch may be imported: folders, never lists of files."""

from __future__ import annotations

import ast
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parent.parent
HEAVY = {"torch", "diffusers", "transformers", "peft", "accelerate"}


def _may_import_torch(path: Path) -> bool:
    match path.relative_to(ROOT).parts:
        case ("editor", "diffusion", *_) | ("editor", "methods", _, "model", *_) | ("editor", "engine.py"):
            return True
        case ("app", "dev", *_):  # benchmarks and the trainer, imported when they are asked for
            return True
        case _:
            return False


def _imported(path: Path) -> set[str]:
    names: set[str] = set()
    for node in ast.walk(ast.parse(path.read_text("utf-8"))):
        match node:
            case ast.Import(names=aliases):
                names |= {alias.name.split(".")[0] for alias in aliases}
            case ast.ImportFrom(module=str(module)):
                names.add(module.split(".")[0])
    return names


def test_the_window_is_there_before_what_is_slow_to_import() -> None:
    code = "import sys, app.application; print(*sorted({name.partition('.')[0] for name in sys.modules}))"
    loaded = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True).stdout
    assert "PySide6" in loaded.split()
    assert not {*loaded.split()} & (HEAVY | {"scipy", "huggingface_hub"})


def test_only_the_model_half_imports_torch() -> None:
    modules = [path for folder in ("app", "editor", "resources", "widgets") for path in (ROOT / folder).rglob("*.py")]
    assert len(modules) > 200
    importing = {
        str(path.relative_to(ROOT)) for path in modules if _imported(path) & HEAVY and not _may_import_torch(path)
    }
    assert importing == set()
