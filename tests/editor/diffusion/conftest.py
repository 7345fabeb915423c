"""Folders of tiny models, each by a fixture of its own; other folders import these fixtures into a conftest of their own."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest


@pytest.fixture(scope="session")
def sd_folder(tiny_folder: Callable[[str], Path]) -> Path:
    return tiny_folder("sd")


@pytest.fixture(scope="session")
def sd_v_folder(tiny_folder: Callable[[str], Path]) -> Path:
    return tiny_folder("sd_v")


@pytest.fixture(scope="session")
def sdxl_folder(tiny_folder: Callable[[str], Path]) -> Path:
    return tiny_folder("sdxl")


@pytest.fixture(scope="session")
def refiner_folder(tiny_folder: Callable[[str], Path]) -> Path:
    return tiny_folder("refiner")


@pytest.fixture(scope="session")
def kandinsky_folder(tiny_folder: Callable[[str], Path]) -> Path:
    """The decoder; the prior lies beside it."""
    return tiny_folder("kandinsky")
