"""Tiny models, made once for all tests; other folders import these fixtures into a conftest of their own."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests import tiny


@pytest.fixture(scope="session")
def sd_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tiny.stable_diffusion(tmp_path_factory.mktemp("models") / "tiny-sd")


@pytest.fixture(scope="session")
def sd_v_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tiny.stable_diffusion(tmp_path_factory.mktemp("models") / "tiny-sd-v", "v_prediction")


@pytest.fixture(scope="session")
def sdxl_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tiny.stable_diffusion_xl(tmp_path_factory.mktemp("models") / "tiny-sdxl")


@pytest.fixture(scope="session")
def refiner_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tiny.stable_diffusion_xl_refiner(tmp_path_factory.mktemp("models") / "tiny-sdxl-refiner")


@pytest.fixture(scope="session")
def kandinsky_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The decoder; the prior lies beside it."""
    return tiny.kandinsky(tmp_path_factory.mktemp("models"))
