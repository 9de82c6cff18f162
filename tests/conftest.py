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

# The threads that the caller asks for; unset, each test takes what settings or fixture choose.
THREADS = os.environ.get("XL_THREADS", "")

# Before any library is imported; `course.py test` sets the same.
os.environ.setdefault("OMP_NUM_THREADS", THREADS or "2")
os.environ.setdefault("TOKENIZERS_PARALLELISM", "false")
os.environ.setdefault("MPLBACKEND", "Agg")
os.environ.setdefault("HF_ENDPOINT", "http://127.0.0.1:9")


def pytest_configure(config: pytest.Config) -> None:
    """The same draws in every run, or others where the caller wants them."""
    import hypothesis

    number = os.environ.get("XL_TEST_SEED", "")
    hypothesis.settings.register_profile("course", derandomize=not number)
    hypothesis.settings.load_profile("course")
    if number:
        from other_draws import OtherDraws

        draws = OtherDraws(int(number))
        draws.install()
        config.pluginmanager.register(draws, "other draws")
        config.option.hypothesis_seed = int(number)


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
    """The reader's own variables (but for XL_THREADS) have no say; settings end with the test."""
    own = "MODELS DATA SEED DEVICE SOURCES REUSE TRAIN_ROWS TEST_ROWS MIRROR"
    for name in (f"XL_{part}" for part in own.split()):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("XL_HUB_FILES", "none")  # what lies beside this checkout
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


@pytest.fixture
def one_thread(own_settings: None) -> None:
    """One thread: models this small are slowed down by a second, more so on a busy machine.

    A caller who sets XL_THREADS gets that many, to see that no test depends on it.
    """
    from xlhelpers import settings

    settings.use(threads=int(THREADS or 1))


@pytest.fixture(scope="session")
def root() -> Path:
    """The repository."""
    return ROOT
