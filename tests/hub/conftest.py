"""A clean course for each test: its own data folder, its own cache, nothing of the user's."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import classroom
import pytest
from classroom import Computer, Machine
from loopback_server import Hub, Server

from xlhelpers import needs, net, prefetch, settings


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


@pytest.fixture
def small_hub(tmp_path: Path) -> Iterator[Hub]:
    with classroom.small_hub(tmp_path / "repositories") as running:
        yield running


@pytest.fixture
def computer(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Computer:
    """Computers by name, and a list of needs that is made up."""
    listed = tmp_path / "needs.json"
    listed.write_text(json.dumps(classroom.NEEDS), encoding="utf-8")
    monkeypatch.setattr(needs, "LIST", listed)
    monkeypatch.setattr(net, "_wait", lambda seconds: None)
    monkeypatch.setattr(prefetch, "MARGIN", 0)
    return lambda name: Machine(tmp_path / name, monkeypatch)
