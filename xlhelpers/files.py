"""Files that are either whole or not there: atomic writing, checksums, locks."""

from __future__ import annotations

import atexit
import hashlib
import os
import shutil
import stat
import tempfile
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path

from xlhelpers.errors import CourseError


def _umask() -> int:
    mask = os.umask(0)
    os.umask(mask)
    return mask


# Asked once: asking means setting it for a moment, which other threads would notice.
_UMASK = _umask()

# What a process that was killed has left is removed by the next one that writes there. A file
# that is being written changes more often than this; a folder is new until its lock is held.
_DESERTED_SECONDS = 3600.0
_NEW_SECONDS = 60.0
_ALIVE = "alive.lock"

_until_the_end = ExitStack()
atexit.register(_until_the_end.close)


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
    temporary file is removed and `path` is left as it was. A process that is killed removes
    nothing: what it has left in this folder goes after an hour.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    remove_deserted(path.parent)
    handle, name = tempfile.mkstemp(prefix=f".{path.name}.xl-", suffix=".tmp", dir=path.parent)
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


def remove_deserted(folder: Path, pattern: str = ".*.xl-????????.tmp") -> None:
    """Remove temporary files and folders in `folder` that nobody has written to for an hour."""
    for left in folder.glob(pattern):
        # Another process may be tidying up at the same time, or the file may be another user's.
        with suppress(OSError):
            if time.time() - left.lstat().st_mtime > _DESERTED_SECONDS:
                shutil.rmtree(left) if left.is_dir() else left.unlink()


@contextmanager
def scratch() -> Iterator[Path]:
    """Give an empty folder among the system's temporary ones; it is removed when the block ends.

    While the block runs a lock is held, which the operating system drops when the process dies.
    By it the next call knows what a killed process has left, and removes that: checkpoints of a
    real model would soon fill the disk.
    """
    import filelock

    own = Path(tempfile.mkdtemp(prefix="xl-"))
    _remove_killed(own.parent)
    place = own / "files"
    try:
        with filelock.FileLock(own / _ALIVE):
            place.mkdir()
            yield place
    finally:
        # Windows cannot remove a file that is still mapped into memory; it stays until the next
        # call, which finds its lock free.
        shutil.rmtree(own, ignore_errors=True)


def scratch_folder() -> Path:
    """Return a new folder as of `scratch` that stays until this process ends: for a notebook."""
    return _until_the_end.enter_context(scratch())


def _remove_killed(folder: Path) -> None:
    """Remove the scratch folders of this user whose processes are no more."""
    import filelock

    me = os.getuid() if hasattr(os, "getuid") else None
    for left in folder.glob("xl-*"):
        # Somebody else removes it, or its lock is held: a timeout is an OSError too.
        with suppress(OSError):
            seen = left.lstat()
            # A link, or another user's folder, could lead to a file that is not ours to open.
            ours = stat.S_ISDIR(seen.st_mode) and (me is None or seen.st_uid == me)
            if not ours or time.time() - seen.st_mtime < _NEW_SECONDS:
                continue
            if (left / _ALIVE).is_file():
                with filelock.FileLock(left / _ALIVE, timeout=0):
                    pass
                shutil.rmtree(left, ignore_errors=True)


@contextmanager
def lock(
    path: Path, timeout: float = 600.0, *, busy: tuple[str, str] | None = None
) -> Iterator[None]:
    """Hold the inter-process lock file `path` while the block runs.

    Args:
        busy: problem and remedy where another process holds it; left out, those of a download.

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
        problem, remedy = busy or (
            f"another process has held {path.name} for {timeout:.0f} seconds",
            "wait for the other download to end, or stop the other kernel, and run this again",
        )
        raise FileLockedError(problem, remedy) from error
