"""Files that are either whole or not there: atomic writing, checksums, locks."""

from __future__ import annotations

import hashlib
import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from xlhelpers.errors import CourseError


def _umask() -> int:
    mask = os.umask(0)
    os.umask(mask)
    return mask


# Asked once: asking means setting it for a moment, which other threads would notice.
_UMASK = _umask()


class FileLockedError(CourseError):
    """A lock cannot be had: another process keeps it, or its folder cannot be written."""


def sha256(path: Path) -> str:
    """Return the SHA-256 of a file as 64 hexadecimal digits (about 1 s a GB)."""
    with path.open("rb") as handle:
        return hashlib.file_digest(handle, "sha256").hexdigest()


@contextmanager
def replacing(path: Path) -> Iterator[Path]:
    """Give a temporary name beside `path`; move it onto `path` when the block succeeds.

    A reader sees the old file or the new one, never a half. When the block raises, the
    temporary file is removed and `path` is left as it was.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    handle, name = tempfile.mkstemp(prefix=f".{path.name}.", suffix=".tmp", dir=path.parent)
    os.close(handle)
    temporary = Path(name)
    try:
        yield temporary
        # mkstemp makes files that only their owner can read; a shared class-room folder
        # wants the ordinary permissions.
        temporary.chmod(0o666 & ~_UMASK)
        os.replace(temporary, path)
    finally:
        temporary.unlink(missing_ok=True)


def write_bytes(path: Path, content: bytes) -> None:
    """Write `content` to `path`, atomically."""
    with replacing(path) as temporary:
        temporary.write_bytes(content)


def write_text(path: Path, content: str) -> None:
    """Write `content` to `path` as UTF-8 with `\\n` line ends on every system, atomically."""
    write_bytes(path, content.encode("utf-8"))


@contextmanager
def lock(path: Path, timeout: float = 600.0) -> Iterator[None]:
    """Hold the inter-process lock file `path` while the block runs.

    Raises:
        FileLockedError: another process has held it for `timeout` seconds, or the folder
            cannot be written.
    """
    import filelock

    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.touch()
    except OSError as error:
        raise FileLockedError(
            f"the folder {path.parent} cannot be written ({error.strerror})",
            "name another one for downloads in XL_CACHE",
        ) from error
    try:
        with filelock.FileLock(path, timeout=timeout):
            yield
    except filelock.Timeout as error:
        raise FileLockedError(
            f"another process has held {path.name} for {timeout:.0f} seconds",
            "wait for the other download to end, or stop the other kernel, and run this again",
        ) from error
