"""A pytest plugin: minutes and peak memory of each notebook that nbval runs, as records.

`python -m pytest -p xlhelpers.commands._nbval_cost --nbval-lax ...`; also in xdist's workers. With
`--kernel-memory=GB` a kernel that grows beyond is ended, and its notebook fails.
"""

from __future__ import annotations

import math
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from xlhelpers.commands._execute import Memory

_started: dict[Path, tuple[float, Memory | None]] = {}


def pytest_addoption(parser: pytest.Parser) -> None:
    """The limit, in GB of 10^9 bytes."""
    parser.addoption("--kernel-memory", type=float, default=math.inf, metavar="GB")


@pytest.hookimpl(wrapper=True)
def pytest_runtest_setup(item: Any) -> Iterator[None]:
    """Start the watch when a notebook's kernel has started."""
    begun = time.monotonic()
    yield
    if is_cell(item) and item.path not in _started:
        pid = getattr(item.parent.kernel.km.provisioner, "pid", None)
        limit = item.config.getoption("kernel_memory") * 1e9
        watch = Memory(pid, limit) if pid is not None else None
        if watch is not None:
            watch.start()
        _started[item.path] = (begun, watch)


@pytest.hookimpl(wrapper=True)
def pytest_runtest_teardown(item: Any, nextitem: Any) -> Iterator[None]:
    """Keep the record after a notebook's last cell, before its kernel is stopped.

    Says at each cell that a kernel was ended: without a kernel it has failed in nbval's words.
    """
    _, watch = _started.get(item.path, (0.0, None))
    if item.path in _started and (nextitem is None or nextitem.path != item.path):
        begun, watch = _started.pop(item.path)
        keep(item.path, time.monotonic() - begun, watch.stop() if watch is not None else 0)
    yield
    if watch is not None and watch.crossed:
        pytest.fail(
            f"{item.path.name} took more than {watch.limit / 1e9:g} GB "
            f"({watch.peak / 1e9:.2f} GB), and its kernel was ended",
            pytrace=False,
        )


def is_cell(item: Any) -> bool:
    """Whether a test is a cell of a notebook with a kernel."""
    return getattr(getattr(item, "parent", None), "kernel", None) is not None


def keep(notebook: Path, seconds: float, peak: int) -> None:
    """Record what a notebook costs, under the keys that each notebook has."""
    from xlhelpers import claims

    number = notebook.stem.split("_")[0]
    claims.record("notebook.minutes", seconds / 60, notebook=number)
    if peak:
        claims.record("notebook.memory", peak / 1e9, notebook=number)
