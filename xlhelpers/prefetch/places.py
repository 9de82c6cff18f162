"""Where fetched files lie: in the caches of this machine, or in a folder that one can carry.

Both have the layout of the hub's own client, so that it finds what we put there: a blob by its
checksum with links to it, or, where links cannot be made or would not survive a copy, plain files.
"""

from __future__ import annotations

import hashlib
import os
import shutil
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import quote

from xlhelpers import files, settings, shelves


@dataclass(frozen=True, slots=True)
class RepoFile:
    """One file of a repository of the hub at one commit.

    Attributes:
        kind: `"model"` or `"dataset"`.
        repo: the repository's id.
        commit: 40 hexadecimal digits.
        path: in the repository, with `/`.
        bytes: its size.
        checksum: SHA-256 (64 digits) or, of small files, git's SHA-1 (40), as the hub tells it.
    """

    kind: str
    repo: str
    commit: str
    path: str
    bytes: int
    checksum: str

    @property
    def folder(self) -> str:
        """What the client calls the folder of the repository."""
        return f"{self.kind}s--{self.repo.replace('/', '--')}"

    def url(self, endpoint: str) -> str:
        """Where it is downloaded from."""
        start = "datasets/" if self.kind == "dataset" else ""
        return f"{endpoint}/{start}{self.repo}/resolve/{self.commit}/{quote(self.path)}"


def checksum(path: Path, like: str) -> str:
    """Return the checksum of a file, of the kind that `like` is."""
    if len(like) == 64:
        return files.sha256(path)
    digest = hashlib.sha1(b"blob %d\0" % path.stat().st_size)
    with path.open("rb") as handle:
        while block := handle.read(1 << 20):
            digest.update(block)
    return digest.hexdigest()


@dataclass(frozen=True, slots=True)
class Place:
    """Two folders: one as the hub's client keeps it, one as this course does.

    Attributes:
        hub: holds `models--owner--name` and so on.
        cache: holds vectors, dictionaries and our own records.
        links: whether snapshots are links to blobs.
    """

    hub: Path
    cache: Path
    links: bool = True

    @classmethod
    def own(cls) -> Place:
        """The caches of this machine (`HF_HOME`, `XL_CACHE`)."""
        return cls(shelves.shelves()[0].hub, settings.current().cache)

    @classmethod
    def portable(cls, folder: Path) -> Place:
        """A folder to copy: plain files only, since sticks and shares know no links."""
        return cls(folder / "hub", folder, links=False)

    def snapshot(self, file: RepoFile) -> Path:
        """Where the client looks for the file."""
        return self.hub.joinpath(file.folder, "snapshots", file.commit, *file.path.split("/"))

    def blob(self, file: RepoFile) -> Path:
        """What a link to the file leads to."""
        return self.hub / file.folder / "blobs" / file.checksum

    def part(self, file: RepoFile) -> Path:
        """Where its bytes are collected: on the disk on which it will lie."""
        return self.hub / file.folder / "parts" / f"{file.checksum}.part"

    def find(self, file: RepoFile) -> Path | None:
        """Return where the file is, judged by its size; None where it is not."""
        for candidate in (self.snapshot(file), self.blob(file)):
            if candidate.is_file() and candidate.stat().st_size == file.bytes:
                return candidate
        return None

    def good(self, file: RepoFile) -> Path | None:
        """Return where the file is if its checksum is right."""
        found = self.find(file)
        return found if found and checksum(found, file.checksum) == file.checksum else None

    def put(self, file: RepoFile, ready: Path) -> None:
        """Move a finished and compared file to where it belongs, in one step."""
        target = self.blob(file) if self.links else self.snapshot(file)
        target.parent.mkdir(parents=True, exist_ok=True)
        os.replace(ready, target)
        if self.links:
            self.point(file)

    def point(self, file: RepoFile) -> None:
        """Let the snapshot lead to the blob, or take its place where no link can be made."""
        snapshot, blob = self.snapshot(file), self.blob(file)
        snapshot.parent.mkdir(parents=True, exist_ok=True)
        snapshot.unlink(missing_ok=True)
        try:
            os.symlink(os.path.relpath(blob, snapshot.parent), snapshot)
        except OSError:
            os.replace(blob, snapshot)

    def remove(self, file: RepoFile) -> None:
        """Take a file away that is not what it should be."""
        for path in (self.snapshot(file), self.blob(file)):
            path.unlink(missing_ok=True)

    def commit(self, kind: str, repo: str, revision: str) -> str:
        """Return the commit that a branch was at when it was fetched, or the empty string."""
        reference = self._reference(kind, repo, revision)
        return reference.read_text(encoding="utf-8").strip() if reference.is_file() else ""

    def set_commit(self, kind: str, repo: str, revision: str, commit: str) -> None:
        """Write down where a branch is, for who looks it up without a network."""
        if self.commit(kind, repo, revision) != commit:
            files.write_text(self._reference(kind, repo, revision), commit)

    def _reference(self, kind: str, repo: str, revision: str) -> Path:
        folder = self.hub / f"{kind}s--{repo.replace('/', '--')}" / "refs"
        return folder.joinpath(*revision.split("/"))

    def free(self) -> list[tuple[Path, int]]:
        """Return the disks that are written to, each once: a folder on it and its free bytes."""
        found: dict[int, tuple[Path, int]] = {}
        for folder in (self.hub, self.cache):
            there = next(path for path in (folder, *folder.parents) if path.exists())
            found.setdefault(there.stat().st_dev, (folder, shutil.disk_usage(there).free))
        return list(found.values())
