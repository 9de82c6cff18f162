"""Downloads that carry on where they were cut and know when to stop.

Bytes are collected in a part file. A cut connection, or a killed process, leaves the part
behind; the next attempt asks the server for the rest (`Range`, guarded by `If-Range`, so
that two versions of a file are never glued together). Nothing here decides whether the
bytes are the right ones: callers compare checksums before a part gets its final name.
"""

from __future__ import annotations

import email.utils
import errno
import re
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any
from urllib.parse import urlsplit

from xlhelpers import files, settings
from xlhelpers.errors import CourseError

if TYPE_CHECKING:
    import requests

# What arrives in less than a chunk before a cut is lost, so chunks are small.
CHUNK = 1 << 14
CONNECT_SECONDS, READ_SECONDS = 5.0, 30.0
# Attempts in a row that may bring nothing before we give up. An attempt that brought
# bytes starts the count afresh: a slow, shaky line still gets there.
FRUITLESS_ATTEMPTS = 3
# A line that brings less than this in so long is as good as cut: 1 kB a second.
STALL_SECONDS, STALL_BYTES = 60.0, 60_000
# A server that is asked too often may say how long to wait; longer than this, the reader decides.
MOST_PATIENCE = 300.0

# What systems say when a disk, a quota or the size of a file is exhausted.
FULL = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)


class Lines:
    """The wish to have no more than the first `count` lines of a file."""

    def __init__(self, count: int) -> None:
        self.count = count
        self._left = count

    def begin(self, part: Path) -> bool:
        """Count what a part file holds already; return whether that is enough."""
        self._left = self.count
        if part.exists():
            with part.open("rb") as handle:
                while block := handle.read(1 << 20):
                    self._left -= block.count(b"\n")
        return self._left <= 0

    def keep(self, chunk: bytes) -> int | None:
        """Return how many bytes of `chunk` are wanted if the last line ends in it, else None."""
        here = chunk.count(b"\n")
        if here < self._left:
            self._left -= here
            return None
        end = -1
        for _ in range(self._left):
            end = chunk.index(b"\n", end + 1)
        self._left = 0
        return end + 1


class DownloadError(CourseError):
    """A server could not be reached, refused, or kept cutting the line.

    Attributes:
        status: the HTTP status where the server gave one, else None.
    """

    def __init__(self, problem: str, remedy: str = "", status: int | None = None) -> None:
        super().__init__(problem, remedy)
        self.status = status


class DiskFullError(DownloadError):
    """There is no room for what is being written."""


class ChangedError(DownloadError):
    """There is another file at the address than the one that was to be had."""


class _Retry(Exception):
    """The attempt failed in a way that another one may cure.

    Attributes:
        wait: seconds that the server asks us to wait.
        status: as in `DownloadError`.
        slow: whether bytes came, but too few to go on.
    """

    def __init__(
        self, why: str, wait: float = 0.0, status: int | None = None, slow: bool = False
    ) -> None:
        super().__init__(why)
        self.wait, self.status, self.slow = wait, status, slow


def collect(
    url: str,
    part: Path,
    *,
    expected: int | None = None,
    lines: Lines | None = None,
    headers: Mapping[str, str] | None = None,
) -> None:
    """Download `url` into `part`, continuing what is there, until it is complete.

    `expected` is the size in bytes where it is known. With `lines`, the download ends, and
    the connection is closed, as soon as that many lines have come. `headers` are sent along.

    Raises:
        ChangedError: the file has another size than `expected`; nothing stays.
        DiskFullError: the disk is full; what has arrived stays in `part`.
        DownloadError: the file could not be had; what has arrived stays in `part`.
    """
    with room_for(part):
        _collect(url, part, expected, lines, headers or {})


def _collect(
    url: str, part: Path, expected: int | None, lines: Lines | None, headers: Mapping[str, str]
) -> None:
    part.parent.mkdir(parents=True, exist_ok=True)
    fruitless = furthest = 0
    while True:
        before = _size(part)
        if expected is not None and before == expected:
            part.touch()
            return
        # Without a known size nobody will compare a checksum: then only bytes whose version
        # the server can confirm are worth continuing.
        if before and (not _tag_file(part).exists() if expected is None else before > expected):
            discard(part)
            before = 0
        if lines is not None and lines.begin(part):
            return
        try:
            return _attempt(url, part, before, expected, lines, headers)
        except _Retry as error:
            # Only bytes beyond all that earlier attempts had count as gain: a server that
            # makes us begin again and again would otherwise keep us here for ever.
            gained = _size(part) > max(before, furthest) and not error.slow
            furthest = max(before, furthest, _size(part))
            fruitless = 0 if gained else fruitless + 1
            if fruitless >= FRUITLESS_ATTEMPTS:
                raise DownloadError(
                    f"the download of {url} failed: {error}",
                    "check the network and run this again: it carries on where it stopped",
                    error.status,
                ) from error
            if error.wait > 2 and settings.current().progress:
                host = urlsplit(url).netloc
                print(f"{host} asks us to wait {error.wait:.0f} s.", file=sys.stderr)
            _wait(max(error.wait, 0.1 * 2**fruitless))


def discard(part: Path) -> None:
    """Remove a part file and what is remembered about it."""
    part.unlink(missing_ok=True)
    forget(part)


def forget(part: Path) -> None:
    """Remove what is remembered about a part file that has been moved to its final name."""
    _tag_file(part).unlink(missing_ok=True)


@contextmanager
def room_for(target: Path) -> Iterator[None]:
    """Turn what the system says when a disk is full into a sentence.

    Raises:
        DiskFullError: it was said while the block ran.
    """
    try:
        yield
    except OSError as error:
        if error.errno not in FULL:
            raise
        raise DiskFullError(
            f"the disk of {target.parent} is full, or you may not write more to it",
            "make room and run this again: it carries on where it stopped",
        ) from error


def asked_to_wait(headers: Mapping[str, str]) -> float:
    """Return how many seconds a server asks to wait (`Retry-After`); 0 where it does not say."""
    said = headers.get("Retry-After", "").strip()
    if re.fullmatch(r"[0-9]{1,9}", said):
        return float(said)
    try:
        return max(0.0, email.utils.parsedate_to_datetime(said).timestamp() - time.time())
    except ValueError:
        return 0.0


def _attempt(
    url: str,
    part: Path,
    start: int,
    expected: int | None,
    lines: Lines | None,
    headers: Mapping[str, str],
) -> None:
    with _open(url, part, start, headers) as response:
        start = _accept(response, part, start)
        length = response.headers.get("Content-Length")
        if response.headers.get("Content-Encoding", "identity") != "identity":
            length = None  # counts the compressed bytes; we asked for none such
        total = start + int(length) if length else expected
        if expected not in (None, total):
            discard(part)
            raise _changed(url, expected, total)
        if lines is not None and start == 0:
            lines.begin(part)  # the server may have begun anew
        with part.open("ab") as handle, _progress(url, total, start) as advance:
            for chunk in _chunks(response):
                keep = lines.keep(chunk) if lines is not None else None
                _append(handle, chunk if keep is None else chunk[:keep])
                advance(len(chunk))
                if keep is not None:
                    return
                if expected is not None and handle.tell() > expected:
                    break
    size = _size(part)
    if expected is not None and size > expected:
        discard(part)
        raise _changed(url, expected, size)
    if total is not None and size < total:
        raise _Retry(f"the line was cut after {size} of {total} bytes")


def _append(handle: IO[bytes], chunk: bytes) -> None:
    handle.write(chunk)


def _changed(url: str, expected: int | None, found: int | None) -> ChangedError:
    return ChangedError(
        f"{url} has {found} bytes instead of {expected}",
        "the file behind this address has changed; please report it",
    )


@contextmanager
def _open(url: str, part: Path, start: int, more: Mapping[str, str]) -> Iterator[requests.Response]:
    import requests

    headers = {**more, "Accept-Encoding": "identity"}
    if start:
        headers["Range"] = f"bytes={start}-"
        if _tag_file(part).exists():
            headers["If-Range"] = _tag_file(part).read_text(encoding="utf-8")
    timeout = (CONNECT_SECONDS, READ_SECONDS)
    try:
        response = requests.get(url, headers=headers, stream=True, timeout=timeout)
    except (requests.ConnectionError, requests.Timeout) as error:
        if start == 0 and not _cut_while_talking(error):
            raise DownloadError(
                f"{urlsplit(url).netloc} cannot be reached",
                "check the network; the mini models and data need none",
            ) from error
        raise _Retry("the server closed the line or cannot be reached") from error
    except requests.RequestException as error:
        raise DownloadError(f"{url} cannot be fetched: {error}", "check the address") from error
    with response:
        yield response


def _cut_while_talking(error: Exception) -> bool:
    # A refused or unresolvable address stays so; a line that was cut may hold next time.
    text = str(error)
    return "Connection aborted" in text or "Connection broken" in text or "Read timed out" in text


def _accept(response: requests.Response, part: Path, start: int) -> int:
    """Check the status; return the offset that the body starts from, the part cut to it."""
    status = response.status_code
    if status == 416:
        discard(part)
        raise _Retry("the server has fewer bytes than we hold; starting again")
    if status >= 500 or status == 429:
        wait = asked_to_wait(response.headers)
        if wait > MOST_PATIENCE:
            raise DownloadError(*too_often(urlsplit(response.url).netloc, wait), status)
        raise _Retry(f"the server answered {status}", wait, status)
    if status not in (200, 206):
        raise DownloadError(
            f"{response.url} answered {status} {response.reason}",
            "check the name; the file may have moved",
            status,
        )
    if status == 206:
        given = re.match(r"bytes (\d+)-", response.headers.get("Content-Range", ""))
        if given is None or int(given[1]) != start:
            discard(part)
            raise _Retry("the server sent another range than we asked for; starting again")
        return start
    discard(part)
    part.touch()
    tag = response.headers.get("ETag", "")
    if not tag or tag.startswith("W/"):
        tag = response.headers.get("Last-Modified", "")
    if tag:
        files.write_text(_tag_file(part), tag)
    return 0


def too_often(host: str, wait: float) -> tuple[str, str]:
    """The sentences for a server that has had too many requests; `wait` is in seconds, 0 unknown.

    In a class all computers share one address, and it is the address that is counted.
    """
    often = f"{host} has had too many requests from this address"
    asks = f" and asks to wait {max(1, round(wait / 60))} min" if wait else ""
    return often + asks, (
        "wait and run this again: it carries on where it stopped. For a class, fetch once and "
        "serve the others: python3 course.py mirror"
    )


def _chunks(response: requests.Response) -> Iterator[bytes]:
    """Yield what comes as it comes; gives up on a line that is as good as cut."""
    import urllib3

    # Waiting for a full chunk would hide a server that sends a byte now and then.
    read = getattr(response.raw, "read1", None) or response.raw.read
    since, came = time.monotonic(), 0
    try:
        while chunk := read(CHUNK, decode_content=True):
            yield chunk
            came += len(chunk)
            if (seconds := time.monotonic() - since) >= STALL_SECONDS:
                if came < STALL_BYTES:
                    raise _Retry(f"{came} bytes came in {seconds:.0f} s", slow=True)
                since, came = time.monotonic(), 0
    except (urllib3.exceptions.HTTPError, OSError) as error:
        raise _Retry("the line was cut") from error


@contextmanager
def _progress(url: str, total: int | None, start: int) -> Iterator[Callable[[int], Any]]:
    """Yield a function that advances a bar on stderr; it does nothing where bars are off."""
    if not settings.current().progress or (total is not None and total - start < 1_000_000):
        yield lambda count: None
        return
    try:
        from tqdm import tqdm
    except ImportError:
        print(f"downloading {url}", file=sys.stderr)
        yield lambda count: None
        return
    name = urlsplit(url).path.rpartition("/")[2]
    with tqdm(total=total, initial=start, desc=name, unit="B", unit_scale=True) as bar:
        yield bar.update


def _wait(seconds: float) -> None:
    time.sleep(seconds)


def _size(part: Path) -> int:
    return part.stat().st_size if part.exists() else 0


def _tag_file(part: Path) -> Path:
    return part.with_name(part.name + ".etag")
