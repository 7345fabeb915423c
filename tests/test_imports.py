"""The import rules are complete: a new module of the picture half must not be forgotten in them."""

from __future__ import annotations

import tomllib
from pathlib import Path

ROOT = Path(__file__).parent.parent
MODEL_HALF = {"editor.engine"}


def test_every_module_of_the_picture_half_is_kept_from_torch() -> None:
    contracts = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["tool"]["importlinter"]["contracts"]
    (listed,) = [set(each["source_modules"]) for each in contracts if "torch" in each.get("forbidden_modules", ())]
    modules = {f"editor.{path.stem}" for path in (ROOT / "editor").glob("*.py") if path.stem != "__init__"}
    assert modules - listed == MODEL_HALF
