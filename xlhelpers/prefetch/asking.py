"""Questions to the hub before anything is fetched: which commit, which files, how large."""

from __future__ import annotations

import re
import sys
import time
from collections.abc import Callable
from fnmatch import fnmatchcase
from pathlib import PureWindowsPath
from typing import Any, TypeVar

from xlhelpers import hub, net, settings, shelves
from xlhelpers.prefetch.errors import PrefetchError
from xlhelpers.prefetch.places import RepoFile

T = TypeVar("T")

ATTEMPTS = 3

_COMMIT = re.compile(r"[0-9a-f]{40}")
_CHECKSUM = re.compile(r"[0-9a-f]{40}|[0-9a-f]{64}")


def commit(kind: str, repo: str, revision: str) -> str:
    """Return the commit that a branch, tag or pull request is at.

    Raises:
        PrefetchError: there is no such repository or revision, or the hub cannot be asked, or its
            answer is none.
    """
    how: dict[str, Any] = {"revision": revision, "repo_type": kind}
    found = str(_asked(lambda: _api().repo_info(repo, **how).sha, repo))
    if not _COMMIT.fullmatch(found):
        raise _senseless(repo)
    return found


def files(kind: str, repo: str, at: str, folder: str, patterns: list[str]) -> list[RepoFile]:
    """Return the files of a folder that fit, with sizes and checksums, in the order of the hub.

    Args:
        folder: of the repository; empty for its top folder, of which no subfolder is looked into.
        patterns: shell patterns of whole paths.

    Raises:
        PrefetchError: as `commit`.
    """
    from huggingface_hub.hf_api import RepoFile as Listed

    how: dict[str, Any] = {"revision": at, "repo_type": kind, "recursive": bool(folder)}
    entries = _asked(
        lambda: list(_api().list_repo_tree(repo, path_in_repo=folder or None, **how)), repo
    )
    found = [
        RepoFile(kind, repo, at, entry.path, entry.size, _checksum(entry))
        for entry in entries
        if isinstance(entry, Listed)
        and (folder or "/" not in entry.path)
        and any(fnmatchcase(entry.path, pattern) for pattern in patterns)
    ]
    if not all(_harmless(file) for file in found):
        raise _senseless(repo)
    return found


def size(url: str, thing: str) -> int:
    """Return the size in bytes of what a plain web server has at an address.

    Raises:
        PrefetchError: it has nothing there, or cannot be asked.
    """
    return _range(url, thing)[1]


def vectors_size(url: str, words: int, thing: str) -> int:
    """Return about how many bytes the first `words` lines of a `.vec` file have.

    The first line says how many words the whole has, the server how many bytes.

    Raises:
        PrefetchError: as `size`.
    """
    start, total = _range(url, thing)
    fields = start.split(b"\n", 1)[0].split()
    if len(fields) != 2 or not all(field.isdigit() for field in fields) or not int(fields[0]):
        raise PrefetchError(
            f"{url} is no file of word vectors",
            "something on the way may have answered in the server's place; try another network",
        )
    return total * min(words, int(fields[0])) // int(fields[0])


def _harmless(file: RepoFile) -> bool:
    """Whether path and checksum lead to no other folder: a mirror may be anybody's."""
    inside = PureWindowsPath(file.path)  # the stricter of the two systems
    plain = not inside.anchor and ".." not in inside.parts
    return plain and _CHECKSUM.fullmatch(file.checksum) is not None


def _senseless(repo: str) -> PrefetchError:
    return PrefetchError(
        f"what the hub is said to hold of {repo} makes no sense",
        "something on the way may have answered in its place; try another network",
    )


def _checksum(entry: Any) -> str:
    return str(entry.lfs.sha256 if entry.lfs else entry.blob_id)


def _api() -> Any:
    from huggingface_hub import HfApi

    return HfApi(endpoint=shelves.endpoint(), token=shelves.token())


def _asked(question: Callable[[], T], repo: str) -> T:
    """Ask, wait where the hub says so, and say in plain words what came instead of an answer."""
    from huggingface_hub import errors

    for left in reversed(range(ATTEMPTS)):
        try:
            return question()
        except errors.GatedRepoError as error:
            raise gone(repo, "asks for an agreement first, which it did not before") from error
        except errors.RepositoryNotFoundError as error:
            raise gone(repo) from error
        except errors.EntryNotFoundError as error:
            raise gone(repo, "has no longer the folder that the course reads") from error
        except errors.RevisionNotFoundError as error:
            raise gone(repo, "has no longer the version that the course reads") from error
        except errors.HfHubHTTPError as error:
            wait = net.asked_to_wait(error.response.headers)
            status = error.response.status_code
            busy = status == 429 or status >= 500  # else it refuses this one thing, not the others
            if not left or wait > net.MOST_PATIENCE or not busy:
                raise PrefetchError(*hub.plainly(error, repo), network=busy) from error
            if wait:
                print(f"The hub asks us to wait {wait:.0f} s.", file=sys.stderr)
            time.sleep(wait or 0.2 * 2 ** (ATTEMPTS - left))
        except Exception as error:  # a broken line has another name in every HTTP client
            raise PrefetchError(*hub.plainly(error, repo), network=True) from error
    raise AssertionError("the last attempt returns or raises")


def gone(repo: str, how: str = "is not on the hub any more") -> PrefetchError:
    """The sentence for an id, or a version of it, that has disappeared."""
    remedy = (
        "update the course (git pull); if it stays, report it: its notebooks run on the mini set"
    )
    if settings.current().mirror:
        remedy = f"{hub.MIRROR_LACKS_IT}; else {remedy}"
    return PrefetchError(f"{repo} {how}", remedy)


def _range(url: str, thing: str) -> tuple[bytes, int]:
    """Return the beginning of what is at an address, and the size of the whole."""
    import requests

    headers = {"Accept-Encoding": "identity", "Range": "bytes=0-1023"}
    seconds = (net.CONNECT_SECONDS, net.READ_SECONDS)
    try:
        with requests.get(url, headers=headers, stream=True, timeout=seconds) as response:
            if response.status_code in (403, 404, 410):
                remedy = "update the course (git pull), or report it"
                if settings.current().mirror:
                    remedy = hub.MIRROR_LACKS_IT
                raise PrefetchError(f"{thing} is not at {url} any more", remedy)
            response.raise_for_status()
            start = next(response.iter_content(1024), b"")
            whole = response.headers.get("Content-Range", "").rpartition("/")[2]
            return start, int(whole or response.headers.get("Content-Length", "0"))
    except (requests.RequestException, ValueError) as error:
        raise PrefetchError(
            f"{thing} cannot be asked for ({hub.first_line(error)})",
            "check the network and run this again",
            network=True,
        ) from error
