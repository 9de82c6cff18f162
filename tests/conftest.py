"""What holds for all tests: they are offline, alike on every machine, and change no settings."""

from __future__ import annotations

import os
import socket
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).resolve().parents[1]

# Before any library is imported; `course.py test` sets the same.
os.environ.setdefault("OMP_NUM_THREADS", "2")
os.environ.setdefault("TOKENIZERS_PARALLELISM", "false")
os.environ.setdefault("MPLBACKEND", "Agg")
os.environ.setdefault("HF_ENDPOINT", "http://127.0.0.1:9")

_connect = socket.socket.connect


def _connect_to_this_machine(self: socket.socket, address: Any) -> None:
    """`socket.connect`, refused for every other machine: a test must not need the network."""
    inet = self.family in (socket.AF_INET, socket.AF_INET6)
    if inet and address[0] not in ("127.0.0.1", "::1", "localhost"):
        raise OSError(f"tests are offline, and this one asked for {address[0]}")
    _connect(self, address)


@pytest.fixture(autouse=True)
def offline(monkeypatch: pytest.MonkeyPatch) -> None:
    """Only this machine can be reached."""
    monkeypatch.setattr(socket.socket, "connect", _connect_to_this_machine)


@pytest.fixture(autouse=True)
def own_settings(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[None]:
    """The reader's own variables have no say in a test, and its settings end with it."""
    own = "MODELS DATA SEED DEVICE THREADS SOURCES REUSE TRAIN_ROWS TEST_ROWS"
    for name in (f"XL_{part}" for part in own.split()):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("XL_CACHE", str(tmp_path / "cache"))
    monkeypatch.setenv("XL_PROGRESS_FILE", str(tmp_path / "progress.json"))
    reset_settings()
    yield
    reset_settings()


def reset_settings() -> None:
    """Forget what `settings` has read, if anyone has asked for it."""
    settings = sys.modules.get("xlhelpers.settings")
    if settings is not None:
        settings.reset()


@pytest.fixture(scope="session")
def root() -> Path:
    """The repository."""
    return ROOT
