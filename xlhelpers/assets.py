"""The course's files: where each comes from, under what licence, and whether it is whole.

`data/manifest.toml` has one row a file. `path(name)` is the only way to a file: it compares
size and SHA-256 on every call, so a truncated or altered file is refused where it is read,
with the command that repairs it. Three kinds of file:

* `shipped`: in the repository, under `data/`;
* `source`: a public text that the build reads; in the cache, never in the repository;
* `remote`: too large for the repository; in the cache.
"""

from __future__ import annotations

import difflib
import fnmatch
import functools
import json
import os
import re
import shutil
import subprocess
import tomllib
from collections.abc import Callable, Iterable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from xlhelpers import files, needs, settings
from xlhelpers.errors import CourseError

KINDS = ("shipped", "source", "remote")
MANIFEST = "manifest.toml"

_HEADER = """\
# What lies in data/ and what may be downloaded, with checksums.
# Written by `xlhelpers.assets.register`; change it there.
"""
_NAME = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.+-]*(/[A-Za-z0-9_][A-Za-z0-9_.+-]*)*")
_SHA256 = re.compile(r"[0-9a-f]{64}")


class AssetError(CourseError):
    """A file of the course is missing, altered or unknown; the remedy names the command."""


@dataclass(frozen=True, slots=True)
class Asset:
    """One row of the manifest.

    Attributes:
        name: POSIX path below `data/` (shipped) or below its folder of the cache.
        kind: `"shipped"`, `"source"` or `"remote"`.
        sha256: 64 lower-case hexadecimal digits.
        bytes: size of the file.
        licence: SPDX identifier, or a short phrase such as "public domain".
        url: where it is downloaded from; empty for shipped files.
        origin: public repository and commit, or the build step that makes it.
        note: anything a reader should know; may be empty.
    """

    name: str
    kind: str
    sha256: str
    bytes: int
    licence: str
    url: str = ""
    origin: str = ""
    note: str = ""

    @property
    def file(self) -> Path:
        """Where the file is or will be; nothing is checked."""
        now = settings.current()
        base = now.data if self.kind == "shipped" else now.cache / f"{self.kind}s"
        return base.joinpath(*self.name.split("/"))


@dataclass(frozen=True, slots=True)
class Check:
    """What `verify_all` found for one file; `problem` and `remedy` are empty when it is well."""

    name: str
    ok: bool
    problem: str = ""
    remedy: str = ""


def manifest() -> dict[str, Asset]:
    """Return the manifest, by name.

    Raises:
        AssetError: the file is missing or malformed.
    """
    file = settings.current().data / MANIFEST
    try:
        content = file.read_bytes()
    except FileNotFoundError:
        raise AssetError(f"data/{MANIFEST} is missing", repair(MANIFEST)) from None
    except OSError as error:
        raise AssetError(
            f"data/{MANIFEST} cannot be read ({error.strerror})", repair(MANIFEST)
        ) from error
    return dict(_parse(content))


def get(name: str) -> Asset:
    """Return the row of one file.

    Raises:
        AssetError: the manifest has no such row.
    """
    rows = manifest()
    if name in rows:
        return rows[name]
    near = difflib.get_close_matches(name, rows, n=3)
    raise AssetError(
        f"the manifest has no file {name!r}",
        f"did you mean {', '.join(near)}?" if near else "see data/manifest.toml for the names",
    )


def path(name: str) -> Path:
    """Return the path of a file whose size and SHA-256 have just been compared.

    A source or remote file that is not in the cache yet is fetched first.

    Raises:
        AssetError: the file is unknown, missing, truncated, altered or unreadable.
    """
    asset = get(name)
    if asset.kind != "shipped":
        needs.note("file", name)
        if not asset.file.exists():
            fetch([name])
    verify(asset)
    return asset.file


def read_bytes(name: str) -> bytes:
    """Return the content of a file; the bytes returned are the bytes that were compared.

    Raises:
        AssetError: as `path`.
    """
    import hashlib

    content = path(name).read_bytes()
    if hashlib.sha256(content).hexdigest() != get(name).sha256:
        raise AssetError(f"{name} changed while it was read", repair(name))
    return content


def verify(asset: Asset) -> None:
    """Compare a file with its row.

    Raises:
        AssetError: it is missing, truncated, altered or unreadable.
    """
    problem = _problem(asset)
    if problem:
        raise AssetError(problem, repair(asset.name))


def verify_all() -> list[Check]:
    """Check every shipped file, and every other file that is in the cache.

    Raises:
        AssetError: the manifest itself is missing or malformed.
    """
    checks = []
    for asset in manifest().values():
        if asset.kind != "shipped" and not asset.file.exists():
            continue
        problem = _problem(asset)
        remedy = repair(asset.name) if problem else ""
        checks.append(Check(asset.name, not problem, problem, remedy))
    return checks


def repair(name: str) -> str:
    """Return the command that repairs a file."""
    return f"python3 course.py fetch {name}"


def register(
    path: Path,
    kind: str,
    licence: str,
    origin: str,
    url: str = "",
    note: str = "",
    name: str | None = None,
) -> Asset:
    """Measure a file and write its row into the manifest, in place of an older one.

    `name` defaults to the path below `data/` for a shipped file, else to the file's name.

    Raises:
        AssetError: the file is missing, or lies outside `data/`, or the row would be invalid.
    """
    path = Path(path)
    if not path.is_file():
        raise AssetError(f"{path} is no file that could be registered", "build it first")
    asset = Asset(
        name=name if name is not None else _default_name(path, kind),
        kind=kind,
        sha256=files.sha256(path),
        bytes=path.stat().st_size,
        licence=licence,
        url=url,
        origin=origin,
        note=note,
    )
    _row(asdict(asset), "the new row")
    if kind == "shipped" and asset.file.resolve() != path.resolve():
        raise AssetError(f"{path} is not data/{asset.name}", "register a shipped file in data/")
    _update(lambda rows: {**rows, asset.name: asset})
    return asset


def forget(name: str) -> None:
    """Take a row out of the manifest; the file itself is left alone. Unknown names are fine."""
    _update(lambda rows: {key: row for key, row in rows.items() if key != name})


def dumps(rows: Iterable[Asset]) -> str:
    """Return the text of a manifest, rows sorted by name."""
    blocks = [_HEADER]
    for asset in sorted(rows, key=lambda row: row.name):
        lines = [f"{key} = {_toml(value)}\n" for key, value in asdict(asset).items()]
        blocks.append("\n[[asset]]\n" + "".join(lines))
    return "".join(blocks)


def fetch(names: Sequence[str] | None = None) -> dict[str, str]:
    """Bring files in, or put them right; return what was done for each, by name.

    `names` may hold shell patterns (`vectors/*`). `all`, or no names: every shipped and remote
    file (the source texts, which only the build reads, have to be named).

    Raises:
        AssetError: a file could not be had; those before it are in place.
    """
    if names is None or "all" in names:
        wanted = [row for row in manifest().values() if row.kind != "source"]
        return {row.name: _fetch(row) for row in wanted}
    done: dict[str, str] = {}
    if MANIFEST in names:
        done[MANIFEST] = _fetch_manifest()
    for row in _select([name for name in names if name != MANIFEST]):
        done[row.name] = _fetch(row)
    return done


def _problem(asset: Asset) -> str:
    """Return what is wrong with a file, in one sentence, or the empty string."""
    try:
        size = asset.file.stat().st_size
        if not asset.file.is_file():
            return f"{asset.name} is not a file"
        if size < asset.bytes:
            return f"{asset.name} is truncated: {size} of {asset.bytes} bytes"
        if size > asset.bytes:
            return f"{asset.name} has been altered: {size} bytes instead of {asset.bytes}"
        if files.sha256(asset.file) != asset.sha256:
            return f"{asset.name} has been altered: its SHA-256 differs from the manifest"
    except FileNotFoundError:
        return f"{asset.name} is missing"
    except OSError as error:
        return f"{asset.name} cannot be read ({error.strerror})"
    return ""


# ── reading and writing the manifest ─────────────────────────────────────────────────────


@functools.lru_cache(maxsize=4)
def _parse(content: bytes) -> dict[str, Asset]:
    try:
        table = tomllib.loads(content.decode("utf-8"))
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise AssetError(f"data/{MANIFEST} is malformed ({error})", repair(MANIFEST)) from error
    rows: dict[str, Asset] = {}
    listed = table.get("asset", [])
    if set(table) - {"asset"} or not isinstance(listed, list):
        raise AssetError(f"data/{MANIFEST} holds more than [[asset]] rows", repair(MANIFEST))
    for number, fields in enumerate(listed, start=1):
        asset = _row(fields, f"row {number}")
        if asset.name in rows:
            raise AssetError(f"data/{MANIFEST} lists {asset.name} twice", repair(MANIFEST))
        rows[asset.name] = asset
    return rows


def _row(fields: Any, where: str) -> Asset:
    """Check the fields of one row and make an `Asset` of them."""

    def bad(why: str) -> AssetError:
        return AssetError(f"data/{MANIFEST}, {where}: {why}", repair(MANIFEST))

    if not isinstance(fields, dict):
        raise bad("is no table")
    types = {field: int if field == "bytes" else str for field in Asset.__slots__}
    for field in fields:
        if field not in types:
            raise bad(f"unknown field {field!r}")
    for field, kind in types.items():
        if field not in fields and field not in ("url", "origin", "note"):
            raise bad(f"{field} is missing")
        if field in fields and type(fields[field]) is not kind:
            raise bad(f"{field} is {fields[field]!r}")
    asset = Asset(**fields)
    if not _NAME.fullmatch(asset.name) or asset.name in (MANIFEST, "all"):
        raise bad(f"{asset.name!r} is no file name that stays in its folder")
    if asset.kind not in KINDS:
        raise bad(f"kind {asset.kind!r} is none of {', '.join(KINDS)}")
    if not _SHA256.fullmatch(asset.sha256) or asset.bytes < 0:
        raise bad("sha256 or bytes cannot be right")
    if asset.kind == "remote" and not asset.url:
        raise bad("a remote file needs a url")
    if asset.url and not asset.url.startswith(("https://", "http://")):
        raise bad(f"url {asset.url!r} is no web address")
    return asset


def _update(change: Callable[[dict[str, Asset]], dict[str, Asset]]) -> None:
    now = settings.current()
    file = now.data / MANIFEST
    with files.lock(now.cache / "locks" / "manifest.lock"):
        before = manifest() if file.exists() else {}
        after = dumps(change(before).values())
        if not file.exists() or file.read_bytes() != after.encode("utf-8"):
            files.write_text(file, after)


def _default_name(path: Path, kind: str) -> str:
    data = settings.current().data.resolve()
    if kind != "shipped":
        return path.name
    if not path.resolve().is_relative_to(data):
        raise AssetError(f"{path} lies outside data/", "a shipped file belongs in data/")
    return path.resolve().relative_to(data).as_posix()


def _toml(value: str | int) -> str:
    if isinstance(value, int):
        return str(value)
    # JSON's escapes are TOML's, but for DEL, which TOML wants escaped.
    return json.dumps(value, ensure_ascii=False).replace("\x7f", "\\u007f")


# ── bringing files in ────────────────────────────────────────────────────────────────────


def _select(names: Sequence[str]) -> list[Asset]:
    rows = manifest()
    chosen: dict[str, Asset] = {}
    for name in names:
        matches = [row for key, row in rows.items() if fnmatch.fnmatchcase(key, name)]
        for row in matches or [get(name)]:
            chosen[row.name] = row
    return list(chosen.values())


def _fetch(asset: Asset) -> str:
    """Put one file in place if it is not; one process at a time does it."""
    if not _problem(asset):
        return "already there"
    locks = settings.current().cache / "locks"
    with files.lock(locks / f"{asset.sha256[:16]}.lock"):
        if not _problem(asset):
            return "already there"
        if asset.file.is_dir():
            raise AssetError(f"{asset.file} is a folder", "remove it and fetch again")
        for source in (_from_git, _from_folders, _from_network):
            if source(asset):
                verify(asset)
                return str(source.__doc__).partition(".")[0].lower()
    raise AssetError(
        f"{_problem(asset)}, and no good copy of it was found",
        "check out the repository again"
        if asset.kind == "shipped"
        else "name a folder that holds it in XL_SOURCES",
    )


def _from_git(asset: Asset) -> bool:
    """Restored from git."""
    if asset.kind != "shipped":
        return False
    content = _git_show(asset.name)
    if content is None or not _matches(asset, content):
        return False
    files.write_bytes(asset.file, content)
    return True


def _from_folders(asset: Asset) -> bool:
    """Copied from XL_SOURCES."""
    if asset.kind != "source":
        return False
    wanted = asset.name.rpartition("/")[2]
    for folder in settings.current().sources:
        for candidate in sorted(folder.rglob(wanted)) if folder.is_dir() else ():
            if candidate.is_file() and candidate.stat().st_size == asset.bytes:
                if files.sha256(candidate) == asset.sha256:
                    with files.replacing(asset.file) as temporary:
                        shutil.copyfile(candidate, temporary)
                    return True
    return False


def _from_network(asset: Asset) -> bool:
    """Downloaded."""
    url = asset.url or _raw_url(f"data/{asset.name}")
    if not url:
        return False
    from xlhelpers import net

    part = settings.current().cache / "parts" / f"{asset.sha256[:16]}.part"
    # A part that an earlier attempt left may hold bytes of another version of the file: if
    # the whole is wrong, the second round starts from nothing.
    for rounds_left in reversed(range(2 if part.exists() else 1)):
        try:
            _install(_retrieve(asset, url, part), asset.file)
            return True
        except net.DownloadError as error:
            raise AssetError(f"{asset.name}: {error.problem}", error.remedy) from error
        except ValueError as error:  # pooch: the hash differs
            net.discard(part)
            if not rounds_left:
                raise AssetError(
                    f"{url} does not give the {asset.name} of the manifest: its SHA-256 differs",
                    "the file behind the address has changed, or something on the way alters "
                    "it; try another network, then report it",
                ) from error
    return False


def _retrieve(asset: Asset, url: str, part: Path) -> Path:
    """Download through pooch, which compares the hash before it lets the file be.

    Raises:
        ValueError: the hash differs.
        net.DownloadError: the file could not be had.
    """
    import pooch

    from xlhelpers import net

    pooch.get_logger().setLevel("WARNING")
    # pooch's own names for what it has not finished; the folder is ours alone.
    files.remove_deserted(part.parent, "tmp????????*")

    def download(url: str, output: str | os.PathLike[str], _pooch: object) -> None:
        # pooch has no resuming of its own: the bytes are collected in a part file that
        # outlives us, and handed over when they are all there.
        net.collect(url, part, expected=asset.bytes)
        os.replace(part, output)
        net.discard(part)

    return Path(
        pooch.retrieve(
            url,
            known_hash=f"sha256:{asset.sha256}",
            fname=f"{part.stem}.done",
            path=part.parent,
            downloader=download,
        )
    )


def _install(staged: Path, target: Path) -> None:
    """Move a finished file onto its name, across file systems if need be."""
    target.parent.mkdir(parents=True, exist_ok=True)
    try:
        os.replace(staged, target)
    except OSError:
        with files.replacing(target) as temporary:
            shutil.copyfile(staged, temporary)
        staged.unlink()


def _matches(asset: Asset, content: bytes) -> bool:
    import hashlib

    return len(content) == asset.bytes and hashlib.sha256(content).hexdigest() == asset.sha256


def _fetch_manifest() -> str:
    """Restore the manifest itself, which has no row to be compared with."""
    file = settings.current().data / MANIFEST
    content = _git_show(MANIFEST)
    how = "restored from git"
    if content is None:
        content, how = _download_manifest(), "downloaded"
    _parse(content)
    files.write_bytes(file, content)
    return how


def _download_manifest() -> bytes:
    url = _raw_url(f"data/{MANIFEST}")
    if not url:
        raise AssetError(
            f"data/{MANIFEST} is in no git history here, and the repository's address is unknown",
            "clone the repository again",
        )
    from xlhelpers import net

    part = settings.current().cache / "parts" / f"{MANIFEST}.part"
    net.discard(part)
    try:
        net.collect(url, part)
        return part.read_bytes()
    except net.DownloadError as error:
        raise AssetError(f"data/{MANIFEST}: {error.problem}", error.remedy) from error
    finally:
        net.discard(part)


def _git_show(name: str) -> bytes | None:
    """Return `data/<name>` as committed in HEAD, or None where git cannot say."""
    git = shutil.which("git")
    if git is None:
        return None
    command = [git, "-C", str(settings.current().data), "show", f"HEAD:./{name}"]
    result = subprocess.run(command, capture_output=True, check=False, stdin=subprocess.DEVNULL)
    return result.stdout if result.returncode == 0 else None


def repository_url() -> str:
    """Return the public address of the repository (pyproject.toml), or "" before it has one."""
    root = settings.current().data.parent / "pyproject.toml"
    try:
        urls = tomllib.loads(root.read_text(encoding="utf-8"))["project"]["urls"]
        url = str(urls["Repository"])
    except (OSError, KeyError, tomllib.TOMLDecodeError):
        return ""
    return "" if "/OWNER/" in url else url.removesuffix(".git").rstrip("/")


def _raw_url(path: str) -> str:
    from xlhelpers import __version__

    url = repository_url()
    if not url.startswith("https://github.com/"):
        return ""
    slug = url.removeprefix("https://github.com/")
    return f"https://raw.githubusercontent.com/{slug}/v{__version__}/{path}"
