"""A small JSON file that several kernels may change at once.

Used for the learner's progress and for the measurements of a run. A change is read, made and
written under a lock that the operating system drops when a process dies; the file itself is
replaced in one step, so a reader sees the old state or the new one and nothing between.
"""

from __future__ import annotations

import json
import os
import warnings
from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path
from typing import Any

from xlhelpers import files

_LOCK_SECONDS = 5.0


def read(path: Path) -> dict[str, Any]:
    """The object stored at `path`; `{}` when there is no file.

    A file that is not a JSON object is moved to `<name>.bak` (then `.bak1` ...) with a warning,
    so that nothing a learner did is thrown away.
    """
    try:
        data = json.loads(path.read_text(encoding="utf-8"))
        if not isinstance(data, dict):
            raise ValueError(f"holds a {type(data).__name__}, not an object")
    except FileNotFoundError:
        return {}
    except (ValueError, RecursionError) as error:  # bad JSON and bad UTF-8 are ValueErrors
        backup = _set_aside(path)
        warnings.warn(
            f"{path.name} could not be read ({error}); it is kept as {backup.name} and a new "
            "one is started.",
            stacklevel=2,
        )
        return {}
    return data


def write(path: Path, data: dict[str, Any]) -> None:
    """Replace `path` by `data` in one step.

    Raises:
        OSError: the folder cannot be written to.
    """
    files.write_text(path, json.dumps(data, ensure_ascii=False, indent=1, sort_keys=True) + "\n")


def update(path: Path, change: Callable[[dict[str, Any]], None]) -> dict[str, Any]:
    """Read `path`, let `change` alter the object in place, write it, all under a lock.

    When another process holds the lock for longer than five seconds we go on without it: that can
    lose one of two updates made in the same moment, it cannot damage the file.
    """
    with ExitStack() as stack:
        try:
            stack.enter_context(files.lock(path.with_name(path.name + ".lock"), _LOCK_SECONDS))
        except files.FileLockedError as error:
            warnings.warn(f"{path.name}: {error}; going on without the lock.", stacklevel=2)
        data = read(path)
        change(data)
        write(path, data)
    return data


def _set_aside(path: Path) -> Path:
    backup = path.with_name(path.name + ".bak")
    number = 0
    while backup.exists():
        number += 1
        backup = path.with_name(f"{path.name}.bak{number}")
    try:
        os.replace(path, backup)
    except FileNotFoundError:  # another kernel has just set it aside
        return backup
    return backup
