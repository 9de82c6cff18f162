"""A clean course for each test: its own data folder, its own cache, nothing of the user's."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from loopback_server import Server

from xlhelpers import settings


@pytest.fixture
def course(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A temporary folder with `data/` and `cache/` that the settings of this process point to."""
    (tmp_path / "data").mkdir()
    (tmp_path / "data" / "manifest.toml").write_text("", encoding="utf-8")
    for name, value in {
        "XL_MODELS": "mini",
        "XL_DATA": str(tmp_path / "data"),
        "XL_CACHE": str(tmp_path / "cache"),
        "XL_PROGRESS": "0",
        "XL_SOURCES": "",
    }.items():
        monkeypatch.setenv(name, value)
    settings.reset()
    yield tmp_path
    settings.reset()


@pytest.fixture
def server() -> Iterator[Server]:
    with Server() as running:
        yield running
