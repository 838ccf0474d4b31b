"""Fixtures for all tests: where the shared test data lies."""

from __future__ import annotations

import os
from pathlib import Path

import pytest


def _shared_data_folder() -> Path:
    named = os.environ.get("CURATE_TEST_DATA")
    return Path(named) if named else Path(__file__).resolve().parents[2] / "shared" / "data"


@pytest.fixture(scope="session")
def shared_data() -> Path:
    """The folder of real pages and texts; tests that need it are skipped where it is not."""
    folder = _shared_data_folder()
    if not folder.is_dir():
        pytest.skip(f"no test data at {folder}; name its folder in CURATE_TEST_DATA")
    return folder


def pytest_make_parametrize_id(val: object) -> str | None:
    """Bytes are named by their number: some hold the time of day (gzip does), and processes must agree on names."""
    return f"{len(val)}-bytes" if isinstance(val, bytes) else None
