"""Downloads that carry on where they were cut and know when to stop.

Bytes are collected in a part file. A cut connection, or a killed process, leaves the part
behind; the next attempt asks the server for the rest (`Range`, guarded by `If-Range`, so
that two versions of a file are never glued together). Nothing here decides whether the
bytes are the right ones: callers compare checksums before a part gets its final name.
"""

from __future__ import annotations

import re
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any
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


class _Retry(Exception):
    """The attempt failed in a way that another one may cure."""


def collect(
    url: str, part: Path, *, expected: int | None = None, lines: Lines | None = None
) -> None:
    """Download `url` into `part`, continuing what is there, until it is complete.

    `expected` is the size in bytes where it is known. With `lines`, the download ends, and
    the connection is closed, as soon as that many lines have come.

    Raises:
        DownloadError: the file could not be had; what has arrived stays in `part`.
    """
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
            return _attempt(url, part, before, expected, lines)
        except _Retry as error:
            # Only bytes beyond all that earlier attempts had count as gain: a server that
            # makes us begin again and again would otherwise keep us here for ever.
            gained = _size(part) > max(before, furthest)
            furthest = max(before, furthest, _size(part))
            fruitless = 0 if gained else fruitless + 1
            if fruitless >= FRUITLESS_ATTEMPTS:
                raise DownloadError(
                    f"the download of {url} failed: {error}",
                    "check the network and run this again: it carries on where it stopped",
                ) from error
            _wait(0.1 * 2**fruitless)


def discard(part: Path) -> None:
    """Remove a part file and what is remembered about it."""
    part.unlink(missing_ok=True)
    _tag_file(part).unlink(missing_ok=True)


def _attempt(url: str, part: Path, start: int, expected: int | None, lines: Lines | None) -> None:
    with _open(url, part, start) as response:
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
                handle.write(chunk if keep is None else chunk[:keep])
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


def _changed(url: str, expected: int | None, found: int | None) -> DownloadError:
    return DownloadError(
        f"{url} has {found} bytes instead of {expected}",
        "the file behind this address has changed; please report it",
    )


@contextmanager
def _open(url: str, part: Path, start: int) -> Iterator[requests.Response]:
    import requests

    headers = {"Accept-Encoding": "identity"}
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
        raise _Retry(f"the server answered {status}")
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


def _chunks(response: requests.Response) -> Iterator[bytes]:
    import requests

    try:
        yield from response.iter_content(CHUNK)
    except (requests.ConnectionError, requests.Timeout, requests.exceptions.ChunkedEncodingError):
        raise _Retry("the line was cut") from None


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
