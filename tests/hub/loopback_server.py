"""Loopback servers: plain files that misbehave on request, and a hub of stand-ins.

They answer on 127.0.0.1 only and count what they send, so that a test can prove that a client
stopped early, resumed, or did not ask at all.
"""

from __future__ import annotations

import hashlib
import json
import re
import socket
import threading
import time
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from types import TracebackType
from typing import Any, Self
from urllib.parse import parse_qsl, unquote, urlsplit

Query = Mapping[str, str]
Files = Mapping[str, bytes]  # by path in the repository


@dataclass
class Resource:
    """One address: what it answers, and how badly.

    Attributes:
        content: the body.
        headers: sent with it.
        status: sent instead of 200, with the content as the body of the error.
        cuts: for each answer in turn, the number of bytes after which the line is cut; answers
            after the last entry are whole.
        ranges: whether `Range` is honoured.
        etag: `ETag`; none is sent when empty.
        pause: seconds to wait between blocks of 64 KiB.
    """

    content: bytes = b""
    headers: dict[str, str] = field(default_factory=dict)
    status: int = 200
    cuts: list[int] = field(default_factory=list)
    ranges: bool = True
    etag: str = ""
    pause: float = 0.0


class _QuietServer(ThreadingHTTPServer):
    daemon_threads = True

    def handle_error(self, request: Any, client_address: Any) -> None:
        """A client that hangs up is what half of the tests are about: no traceback for it."""


class Server:
    """A file server on a free port of 127.0.0.1; use it as a context manager.

    Attributes:
        resources: by path, with the leading slash; may be changed while it runs.
        sent: bytes of body sent, by path.
        requests: (method, path, Range header or "") in order of arrival.
    """

    def __init__(self, resources: dict[str, Resource] | None = None) -> None:
        self.resources = resources or {}
        self.sent: Counter[str] = Counter()
        self.requests: list[tuple[str, str, str]] = []
        self._lock = threading.Lock()
        owner = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_GET(self) -> None:
                owner._answer(self, body=True)

            def do_HEAD(self) -> None:
                owner._answer(self, body=False)

            def log_message(self, *args: Any) -> None:
                """Stay quiet."""

        self._http = _QuietServer(("127.0.0.1", 0), Handler)
        self._thread = threading.Thread(target=self._http.serve_forever, args=(0.02,), daemon=True)

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self._http.server_address[1]}"

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.stop()

    def stop(self) -> None:
        self._http.shutdown()
        self._http.server_close()

    def find(self, path: str, query: Query) -> Resource | None:
        return self.resources.get(path)

    def _answer(self, handler: BaseHTTPRequestHandler, body: bool) -> None:
        address = urlsplit(handler.path)
        path, query = unquote(address.path), dict(parse_qsl(address.query))
        wanted = handler.headers.get("Range", "")
        with self._lock:
            self.requests.append((handler.command, path, wanted))
            resource = self.find(path, query) or Resource(
                b"{}", status=404, headers={"X-Error-Code": "EntryNotFound"}
            )
            cut = resource.cuts.pop(0) if resource.cuts and body else None
        content, status, extra = _slice(resource, wanted, handler.headers.get("If-Range", ""))
        handler.send_response(status)
        for name, value in {**resource.headers, **extra}.items():
            handler.send_header(name, value)
        handler.send_header("Content-Length", str(len(content)))
        handler.end_headers()
        if body:
            self._send(handler, path, content, cut, resource.pause)

    def _send(
        self,
        handler: BaseHTTPRequestHandler,
        path: str,
        content: bytes,
        cut: int | None,
        pause: float,
    ) -> None:
        for start in range(0, len(content), 1 << 16):
            block = content[start : start + (1 << 16)]
            if cut is not None:
                block = block[: max(0, cut - start)]
            try:
                handler.wfile.write(block)
                handler.wfile.flush()
            except OSError:  # the client has heard enough
                handler.close_connection = True
                return
            with self._lock:
                self.sent[path] += len(block)
            if cut is not None and start + (1 << 16) >= cut:
                break
            if pause:
                time.sleep(pause)
        if cut is not None:
            handler.connection.shutdown(socket.SHUT_RDWR)
            handler.close_connection = True


def _slice(resource: Resource, wanted: str, if_range: str) -> tuple[bytes, int, dict[str, str]]:
    """Return body, status and headers for a `Range` request."""
    headers = {"ETag": resource.etag} if resource.etag else {}
    match = re.fullmatch(r"bytes=(\d+)-(\d*)", wanted)
    if resource.status != 200 or not resource.ranges or match is None:
        return resource.content, resource.status, headers
    if if_range and if_range != resource.etag:
        return resource.content, 200, headers
    first, size = int(match[1]), len(resource.content)
    if first >= size:
        return b"", 416, {**headers, "Content-Range": f"bytes */{size}"}
    last = min(int(match[2] or size - 1), size - 1)
    span = f"bytes {first}-{last}/{size}"
    return resource.content[first : last + 1], 206, {**headers, "Content-Range": span}


@dataclass(frozen=True)
class PullRequest:
    """A pull request to a model: who proposes which files, and what has become of it."""

    num: int
    author: str
    folder: Path
    status: str = "open"
    fullname: str = "Safetensors convertbot"
    title: str = "Adding `safetensors` variant of this model"


class Hub(Server):
    """A hub of models and data sets: what is given, under the ids given, for the real client.

    What is in `resources` goes first, so that a test can let one address fail.

    Attributes:
        models: the folder of each model, by id.
        pulls: the pull requests to a model, by id.
        sets: the commit of each data set and its files, by id.
    """

    PAGE = 2  # the real one has 50 discussions a page

    def __init__(
        self,
        models: Mapping[str, Path] | None = None,
        pulls: Mapping[str, Sequence[PullRequest]] | None = None,
        sets: Mapping[str, tuple[str, Files]] | None = None,
    ) -> None:
        super().__init__()
        self.models = models or {}
        self.pulls = pulls or {}
        self.sets = sets or {}

    def downloads(self) -> list[str]:
        """What has been asked for by GET, files only, in order."""
        return [path for how, path, _ in self.requests if how == "GET" and "/resolve/" in path]

    def find(self, path: str, query: Query) -> Resource | None:
        if path in self.resources:
            return super().find(path, query)
        if path == "/api/models":
            return _json([{"id": name} for name in self.models])
        for name in self.models:
            if f"{path}/".startswith((f"/{name}/", f"/api/models/{name}/")):
                return self._model(name, path, query)
        for name, (commit, files) in self.sets.items():
            if path.startswith((f"/datasets/{name}/", f"/api/datasets/{name}/")):
                return _data_set(name, commit, files, path)
        if path.startswith(("/api/models/", "/api/datasets/")):
            missing = {"X-Error-Code": "RepoNotFound", "X-Error-Message": "Repository not found"}
            return Resource(b'{"error": "Repository not found"}', missing, 404)
        return super().find(path, query)

    def _model(self, name: str, path: str, query: Query) -> Resource | None:
        api = f"/api/models/{name}"
        if path == f"{api}/discussions":
            return self._discussions(name, query)
        if asked := re.fullmatch(rf"{re.escape(api)}(?:/(revision|tree)/(.+))?", path):
            folder = self._at(name, asked[2] or "main")
            if folder is None:
                return _no_revision()
            return _listing(name, _commit(folder), _contents(folder), asked[1] == "tree")
        if match := re.fullmatch(rf"/{re.escape(name)}/resolve/([^/]+)/(.+)", path):
            folder = self._at(name, match[1])
            if folder and (folder / match[2]).is_file():
                return _file(match[2], (folder / match[2]).read_bytes(), _commit(folder))
        return None

    def _at(self, name: str, revision: str) -> Path | None:
        """The files of a model on its main branch, in a pull request, or at a commit."""
        named = {f"refs/pr/{pull.num}": pull.folder for pull in self.pulls.get(name, ())}
        named["main"] = self.models[name]
        return (named | {_commit(folder): folder for folder in named.values()}).get(revision)

    def _discussions(self, name: str, query: Query) -> Resource:
        """A page of pull requests, newest first; there are no other discussions here."""
        found = [
            pull
            for pull in sorted(self.pulls.get(name, ()), key=lambda pull: pull.num, reverse=True)
            if query.get("author", pull.author) == pull.author
            and query.get("status", "all") in ("all", pull.status)
            and query.get("type", "all") in ("all", "pull_request")
        ]
        start = int(query.get("p", 0)) * self.PAGE
        page = [_discussion(name, pull) for pull in found[start : start + self.PAGE]]
        closed = sum(pull.status == "closed" for pull in self.pulls.get(name, ()))
        counts = {"count": len(found), "start": start, "numClosedDiscussions": closed}
        return _json({"discussions": page, **counts})


def _discussion(name: str, pull: PullRequest) -> dict[str, Any]:
    person = {"avatarUrl": "/avatars/0.svg", "fullname": pull.fullname, "name": pull.author}
    owner = {"name": name.split("/")[0], "type": "org"}
    return {
        "num": pull.num,
        "author": {**person, "type": "user", "isPro": False, "isHf": False, "isMod": False},
        "repo": {"name": name, "type": "model"},
        "title": pull.title,
        "status": pull.status,
        "createdAt": f"2023-03-{pull.num:02}T12:00:00.000Z",
        "isPullRequest": True,
        "numComments": 0,
        "topReactions": [],
        "numReactionUsers": 0,
        "pinned": False,
        "repoOwner": {**owner, "isParticipating": False, "isDiscussionAuthor": False},
    }


def _data_set(name: str, commit: str, files: Files, path: str) -> Resource | None:
    """What a data set answers at its one commit."""
    asked = re.fullmatch(rf"/api/datasets/{re.escape(name)}/(revision|tree)/([^/]+)(/.*)?", path)
    if asked and asked[2] != commit:
        return _no_revision()
    if asked:
        return _listing(name, commit, files, asked[1] == "tree")
    file = path.removeprefix(f"/datasets/{name}/resolve/{commit}/")
    return _file(file, files[file], commit) if file in files else None


def _contents(folder: Path) -> Files:
    return {file.name: file.read_bytes() for file in sorted(folder.iterdir()) if file.is_file()}


def _commit(folder: Path) -> str:
    digest = hashlib.sha1()
    for name, content in _contents(folder).items():
        digest.update(name.encode() + content)
    return digest.hexdigest()


def _no_revision() -> Resource:
    return Resource(b"{}", {"X-Error-Code": "RevisionNotFound"}, 404)


def _listing(name: str, commit: str, files: Files, tree: bool) -> Resource:
    """What the hub tells of a repository: its files with checksums, or itself."""
    if tree:
        return _json([_entry(file, content) for file, content in files.items()])
    siblings = [{"rfilename": file} for file in files]
    return _json(
        {"id": name, "modelId": name, "sha": commit, "siblings": siblings}
        | {"private": False, "gated": False, "disabled": False, "tags": [], "downloads": 0}
    )


def _is_lfs(name: str) -> bool:
    return name.endswith((".safetensors", ".bin", ".parquet"))


def _git_id(content: bytes) -> str:
    return hashlib.sha1(b"blob %d\0" % len(content) + content).hexdigest()


def _entry(name: str, content: bytes) -> dict[str, Any]:
    entry: dict[str, Any] = {"type": "file", "path": name, "size": len(content)}
    entry["oid"] = _git_id(content)
    if _is_lfs(name):
        oid = hashlib.sha256(content).hexdigest()
        entry["lfs"] = {"oid": oid, "size": len(content), "pointerSize": 134}
    return entry


def _file(name: str, content: bytes, commit: str) -> Resource:
    etag = hashlib.sha256(content).hexdigest() if _is_lfs(name) else _git_id(content)
    headers = {
        "X-Repo-Commit": commit,
        "Accept-Ranges": "bytes",
        "X-Linked-Etag": f'"{etag}"',
        "X-Linked-Size": str(len(content)),
        "Content-Type": "application/octet-stream",
    }
    return Resource(content, headers, etag=f'"{etag}"')


def _json(content: Any) -> Resource:
    return Resource(json.dumps(content).encode(), {"Content-Type": "application/json"})
