"""A mirror of the hub for one room: what was fetched beforehand, served to the others.

    python3 course.py mirror --lan          # on the teacher's laptop
    XL_MIRROR=http://192.168.1.5:8767       # what the others set

It speaks the part of the hub's protocol that the unmodified client uses, and that of the server
of fastText and MUSE. Everything that can be answered is listed when it starts: a request is
looked up in that list and never made into a path, so nothing else of the machine can be had. It
only reads, and it serves the repositories that the notebooks need, not others in the same cache.

Standard library only, but for the modules of the course.
"""

from __future__ import annotations

import hashlib
import json
import os
import re
import shutil
import socket
import subprocess
import sys
import threading
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from socketserver import TCPServer
from types import TracebackType
from typing import Any, BinaryIO, Self
from urllib.parse import parse_qs, unquote, urlsplit

from xlhelpers import files, hub, needs, shelves
from xlhelpers.datasets import public
from xlhelpers.errors import CourseError
from xlhelpers.needs import Need
from xlhelpers.prefetch.items import public_set
from xlhelpers.shelves import Shelf

PORT = 8767
LOOPBACK = "127.0.0.1"
ARCHIVE = "/course.tar.gz"
# A client that says nothing for so many seconds is let go; its next request opens a new line.
IDLE_SECONDS = 60
# How many connections may wait to be taken: thirty clients open several each, at one moment.
BACKLOG = 256

# Addresses of the hub: about a repository, and a file of one; kind, id, revision and the rest.
_ABOUT = re.compile(r"/api/(models|datasets)/([^/]+/[^/]+)(?:/(?:revision|tree)/(.+))?")
_FILE = re.compile(r"/(?:(datasets)/)?([^/]+/[^/]+)/resolve/(.+)")

# Kinds of needs that files of one model meet.
_MODEL = ("tokenizer", "weights")

_JSON = "application/json"
_BINARY = "application/octet-stream"


class MirrorError(CourseError):
    """There is nothing to serve, or no way to serve it."""


@dataclass(frozen=True, slots=True)
class Answer:
    """What is at one address: a file, or a few bytes.

    Attributes:
        file: read when it is asked for; None where `content` is the answer.
        content: the answer where there is no file.
        size: of either, in bytes.
        etag: checksum of it; empty where nobody asks for a part of it.
        headers: sent along.
        words: how many it has, where it is the beginning of a longer file of vectors; else 0.
    """

    size: int
    file: Path | None = None
    content: bytes = b""
    etag: str = ""
    headers: Mapping[str, str] = field(default_factory=dict)
    words: int = 0


@dataclass
class Catalogue:
    """Everything that a mirror answers.

    Attributes:
        answers: by path of the address, unquoted.
        revisions: of each repository in it, by the beginning of its addresses in the API.
        missing: needs that are not met on this machine.
    """

    answers: dict[str, Answer] = field(default_factory=dict)
    revisions: dict[str, set[str]] = field(default_factory=dict)
    missing: list[Need] = field(default_factory=list)

    @property
    def size(self) -> int:
        """Bytes of all files, each counted once."""
        sizes = {answer.file: answer.size for answer in self.answers.values() if answer.file}
        return sum(sizes.values())


# ── what there is to serve ───────────────────────────────────────────────────────────────


@dataclass
class _Repository:
    """What is to be told of a repository while its files are being collected."""

    kind: str
    repo: str
    revisions: dict[str, str] = field(default_factory=dict)
    files: dict[str, dict[str, Answer]] = field(default_factory=dict)
    folders: set[str] = field(default_factory=set)
    proposal: str = ""


def catalogue(notebooks: Iterable[str] | None = None) -> Catalogue:
    """List what this machine has of what notebooks need.

    Args:
        notebooks: numbers such as `"02"`; all that are known when left out.

    Raises:
        HubError: a record of what was fetched is damaged.
        MirrorError: nothing of it is here, or a part has been altered or lies elsewhere.
        NeedsError: the list has no such notebook.
    """
    made = Catalogue()
    repositories: dict[str, _Repository] = {}
    wanted = needs.listed() if notebooks is None else notebooks
    all_needs = sorted(needs.of(wanted))
    for need in all_needs:
        if not _collected(need, _ranked(need, all_needs), made, repositories):
            made.missing.append(need)
    if not made.answers and not repositories:
        raise MirrorError(
            "nothing of what the notebooks need is on this machine",
            "fetch it first: python3 course.py fetch --hub",
        )
    for repository in repositories.values():
        _publish(repository, made)
    listing = [{"id": repo} for repo, known in repositories.items() if known.kind == "models"]
    made.answers["/api/models"] = _json(listing)
    return made


def _ranked(need: Need, wanted: Iterable[Need]) -> list[Shelf]:
    """The shelves in their order, but first those that have the whole of a model.

    Two shelves may have a branch at two commits: a tokenizer of one and weights of the other are
    at no commit that a client could ask for.
    """
    model = [other for other in wanted if other.kind in _MODEL and other.parts[0] == need.parts[0]]
    return sorted(
        shelves.shelves(), key=lambda shelf: not all(_model_folder(part, shelf) for part in model)
    )


def _collected(
    need: Need, ranked: Iterable[Shelf], made: Catalogue, repositories: dict[str, _Repository]
) -> bool:
    """Take up what meets a need, from the first shelf that has it; whether one has."""
    for shelf in ranked:
        if need.kind in _MODEL:
            found = _model(need, shelf, repositories)
        elif need.kind == "rows":
            found = _rows(need, shelf, repositories)
        else:
            found = _plain(need, shelf, made)
        if found:
            return True
    return False


def _model_folder(need: Need, shelf: Shelf) -> Path | None:
    repo, *revision = need.parts
    return hub.cached(need.kind, repo, revision[0] if revision else None, shelf.hub)


def _model(need: Need, shelf: Shelf, repositories: dict[str, _Repository]) -> bool:
    repo, *revision = need.parts
    folder = _model_folder(need, shelf)
    if folder is None:
        return False
    into = repositories.setdefault(repo, _Repository("models", repo))
    taken = hub.conversion_taken(repo)
    if need.kind == "weights" and not revision and taken and folder.name == taken[1]:
        into.proposal = taken[0]
        into.revisions[taken[0]] = folder.name
    else:
        into.revisions[revision[0] if revision else "main"] = folder.name
    known = hub.noted_checksums(repo, folder, shelf.cache)
    there = {file for pattern in hub.wanted_files(need.kind) for file in folder.glob(pattern)}
    for file in sorted(file for file in there if file.is_file()):  # a link may lead nowhere
        answer = _of_file(file, shelf.hub, hub.blob_name(file) or known.get(file.name, ""))
        into.files.setdefault(folder.name, {})[file.name] = _with_commit(answer, folder.name)
    return True


def _rows(need: Need, shelf: Shelf, repositories: dict[str, _Repository]) -> bool:
    repo, language, split = need.parts
    read = public_set(repo)
    there = public.cached(read, language, split, shelf.hub)
    if not there:
        return False
    into = repositories.setdefault(repo, _Repository("datasets", repo))
    into.revisions[read.revision] = read.revision
    into.folders.add(read.folders[language])
    known = hub.noted_checksums(public.label(read, language), there[0].parent, shelf.cache)
    root = next(path for path in there[0].parents if path.name == read.revision)
    for file in there:
        answer = _of_file(file, shelf.hub, hub.blob_name(file) or known.get(file.name, ""))
        path = file.relative_to(root).as_posix()
        into.files.setdefault(read.revision, {})[path] = _with_commit(answer, read.revision)
    return True


def _plain(need: Need, shelf: Shelf, made: Catalogue) -> bool:
    """Vectors and dictionaries; of several sizes of a language's vectors, the largest."""
    if need.kind == "vectors":
        language, words = need.parts
        file = hub.vectors_file(language, int(words), shelf.cache)
        path = urlsplit(hub.vectors_url(language, int(words))).path
    elif need.kind == "dictionary":
        source, target, split = need.parts
        file = hub.muse_file(source, target, split, shelf.cache)
        path = urlsplit(hub.muse_url(source, target, split)).path
    else:
        return False  # a file of the manifest has an address of its own
    if not hub.is_recorded(file):
        return False
    if not hub.is_unaltered(file):  # whoever gets it has nothing to compare it with
        raise MirrorError(
            f"{file} has been altered since it was fetched", "put it right: fetch --hub"
        )
    record = hub.record_of(file)
    held = record.get("words", 0)
    begun = held if held < record.get("words_at_source", 0) else 0
    answer = replace(_of_file(file, shelf.cache, record["sha256"]), words=begun)
    if path not in made.answers or made.answers[path].size < answer.size:
        made.answers[path] = answer
    return True


def _of_file(file: Path, root: Path, checksum: str) -> Answer:
    """Describe a file that lies below `root`, wherever its links lead.

    Raises:
        MirrorError: they lead out of it.
    """
    real = file.resolve()
    if not real.is_relative_to(root.resolve()):
        raise MirrorError(
            f"{file} leads out of the folder {root}", "remove it, and fetch it again: fetch --hub"
        )
    return Answer(real.stat().st_size, real, etag=checksum or files.sha256(real))


def _with_commit(answer: Answer, commit: str) -> Answer:
    headers = {
        "X-Repo-Commit": commit,
        "X-Linked-Etag": f'"{answer.etag}"',
        "X-Linked-Size": str(answer.size),
    }
    return replace(answer, headers=headers)


# ── in the words of the hub ──────────────────────────────────────────────────────────────


def _publish(repository: _Repository, made: Catalogue) -> None:
    """Put a repository at all addresses at which the client may ask for it."""
    kind, repo = repository.kind, repository.repo
    api, start = f"/api/{kind}/{repo}", f"/{repo}" if kind == "models" else f"/{kind}/{repo}"
    by_name = {**repository.revisions, **{at: at for at in repository.files}}
    made.revisions[api] = set(by_name)
    for revision, commit in by_name.items():
        there = repository.files.get(commit, {})
        about = _json(_description(repo, commit, there))
        made.answers[f"{api}/revision/{revision}"] = about
        if revision == "main":
            made.answers[api] = about
        for folder in ("", *sorted(repository.folders)):
            inside = {p: a for p, a in there.items() if not folder or p.startswith(f"{folder}/")}
            tree = f"{api}/tree/{revision}" + (f"/{folder}" if folder else "")
            made.answers[tree] = _json([_entry(p, a) for p, a in inside.items()])
        for path, answer in there.items():
            made.answers[f"{start}/resolve/{revision}/{path}"] = answer
    if repository.proposal:
        made.answers[f"{api}/discussions"] = _json(_discussions(repository))


def _description(repo: str, commit: str, there: Mapping[str, Answer]) -> dict[str, Any]:
    return {
        "id": repo,
        "modelId": repo,
        "sha": commit,
        "siblings": [{"rfilename": path} for path in there],
        "private": False,
        "gated": False,
        "disabled": False,
        "tags": [],
        "downloads": 0,
    }


def _entry(path: str, answer: Answer) -> dict[str, Any]:
    """A file as the hub lists it: large ones with SHA-256, small ones with git's SHA-1."""
    entry: dict[str, Any] = {"type": "file", "path": path, "size": answer.size}
    if len(answer.etag) == 40:
        return {**entry, "oid": answer.etag}
    large = {"oid": answer.etag, "size": answer.size, "pointerSize": 134}
    return {**entry, "oid": hashlib.sha1(answer.etag.encode()).hexdigest(), "lfs": large}


def _discussions(repository: _Repository) -> dict[str, Any]:
    """The one pull request that was taken; whoever fetched it has looked at who proposed it."""
    owner = repository.repo.split("/")[0]
    person = {"name": hub.CONVERSION_BOT, "fullname": "", "avatarUrl": "", "type": "user"}
    flags = {"isPro": False, "isHf": False, "isMod": False}
    proposal = {
        "num": int(repository.proposal.rpartition("/")[2]),
        "author": {**person, **flags},
        "repo": {"name": repository.repo, "type": "model"},
        "title": "Weights as safetensors",
        "status": "open",
        "createdAt": "1970-01-01T00:00:00.000Z",
        "isPullRequest": True,
        "numComments": 0,
        "topReactions": [],
        "numReactionUsers": 0,
        "pinned": False,
        "repoOwner": {
            "name": owner,
            "type": "org",
            "isParticipating": False,
            "isDiscussionAuthor": False,
        },
    }
    return {"discussions": [proposal], "count": 1, "start": 0, "numClosedDiscussions": 0}


def _json(content: Any) -> Answer:
    text = json.dumps(content).encode()
    return Answer(len(text), content=text, headers={"Content-Type": _JSON})


# ── the course itself ────────────────────────────────────────────────────────────────────


def pack_course(root: Path, folder: Path, name: str) -> Path | None:
    """Pack the committed files of a checkout into `folder`; None where git cannot tell them.

    Unpacked, they lie in a folder called `name`.

    Nothing uncommitted goes into it, and nothing of `.git`, where addresses and passwords may be.
    """
    git = shutil.which("git")
    if git is None or not (root / ".git").exists():
        return None
    target = folder / Path(ARCHIVE).name
    command = [git, "-C", str(root), "archive", "--format=tar.gz", f"--prefix={name}/"]
    done = subprocess.run(
        [*command, f"--output={target}", "HEAD"], capture_output=True, check=False
    )
    return target if done.returncode == 0 else None


def add_course(made: Catalogue, archive: Path) -> None:
    """Serve a packed checkout beside the files of the hub."""
    made.answers[ARCHIVE] = _of_file(archive, archive.parent, "")


# ── serving ──────────────────────────────────────────────────────────────────────────────


class _Threads(ThreadingHTTPServer):
    daemon_threads = True
    request_queue_size = BACKLOG

    def server_bind(self) -> None:
        """Take the port, but look up no name for it, which lasts where there is no network."""
        TCPServer.server_bind(self)
        self.server_name, self.server_port = str(self.server_address[0]), self.server_address[1]

    def handle_error(self, request: Any, client_address: Any) -> None:
        """A client that hangs up in the middle is nothing to report; a disk that fails is."""
        error = sys.exception()
        if error is not None and not isinstance(error, ConnectionError | TimeoutError):
            told = f"{type(error).__name__}: {hub.first_line(error)}"
            print(f"A request could not be answered ({told})", file=sys.stderr)


class Mirror:
    """A running mirror; use it as a context manager.

    Attributes:
        clients: addresses that have asked for something.
        sent: bytes of files sent.
    """

    def __init__(self, made: Catalogue, host: str = LOOPBACK, port: int = PORT) -> None:
        """Take the port; nothing is answered before the `with` block begins.

        Args:
            made: what is served.
            host: address to listen at; `0.0.0.0` for the whole local network.
            port: 0 takes any that is free.

        Raises:
            MirrorError: the address or the port cannot be had.
        """
        self.catalogue = made
        self.clients: set[str] = set()
        self.sent = 0
        self._lock = threading.Lock()
        handler = type("Handler", (_Handler,), {"mirror": self})
        try:
            self._http = _Threads((host, port), handler)
        except (OSError, OverflowError) as error:
            raise MirrorError(
                f"port {port} at {host} cannot be had ({getattr(error, 'strerror', '') or error})",
                "choose another: python3 course.py mirror --port 8900",
            ) from error
        self.host, self.port = host, self._http.server_address[1]
        self._thread = threading.Thread(target=self._http.serve_forever, args=(0.1,), daemon=True)

    @property
    def url(self) -> str:
        """The address for programs on this machine."""
        return f"http://{LOOPBACK if self.host == '0.0.0.0' else self.host}:{self.port}"

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._http.shutdown()
        self._http.server_close()

    def wait(self) -> None:
        """Serve until the program is interrupted."""
        while self._thread.is_alive():
            self._thread.join(1)  # Windows tells of Ctrl-C only between two waits

    def count(self, client: str, sent: int) -> None:
        """Note that a client got something."""
        with self._lock:
            self.clients.add(client)
            self.sent += sent


class _Handler(BaseHTTPRequestHandler):
    """Looks an address up and sends what is there; writes nothing, runs nothing."""

    mirror: Mirror
    protocol_version = "HTTP/1.1"
    server_version, sys_version = "course-mirror", ""
    timeout = IDLE_SECONDS

    def do_GET(self) -> None:
        """Send what is at an address."""
        self._answer(body=True)

    def do_HEAD(self) -> None:
        """Send its headers only."""
        self._answer(body=False)

    def log_message(self, *args: Any) -> None:
        """Who asked for what is nobody's business."""

    def _answer(self, body: bool) -> None:
        try:
            address = urlsplit(self.path)
        except ValueError:
            self.send_error(HTTPStatus.BAD_REQUEST)
            return
        path = unquote(address.path)
        answer = self.mirror.catalogue.answers.get(path.rstrip("/") or "/")
        if answer is None or (answer.words and _words(address.query) > answer.words):
            self._not_here(path, body)
        elif answer.file is None:
            self._start(HTTPStatus.OK, answer.size, answer.headers)
            if body:
                self.wfile.write(answer.content)
        else:
            self._file(answer, answer.file, body)

    def _file(self, answer: Answer, file: Path, body: bool) -> None:
        headers = {
            "Content-Type": _BINARY,
            "Accept-Ranges": "bytes",
            "ETag": f'"{answer.etag}"',
            **answer.headers,
        }
        span = self._span(answer)
        if span is None:
            self._start(
                HTTPStatus.REQUESTED_RANGE_NOT_SATISFIABLE,
                0,
                {**headers, "Content-Range": f"bytes */{answer.size}"},
            )
            return
        first, last = span
        try:
            handle = file.open("rb")
        except FileNotFoundError:  # it was removed since we started
            self._not_here("", body)
            return
        with handle:
            if os.fstat(handle.fileno()).st_size != answer.size:  # it was replaced
                self._not_here("", body)
                return
            partial = (first, last) != (0, answer.size - 1)
            if partial:
                headers["Content-Range"] = f"bytes {first}-{last}/{answer.size}"
            status = HTTPStatus.PARTIAL_CONTENT if partial else HTTPStatus.OK
            self._start(status, last - first + 1, headers)
            sent = self._bytes_of(handle, first, last - first + 1) if body else 0
        self.mirror.count(self.client_address[0], sent)

    def _bytes_of(self, handle: BinaryIO, first: int, count: int) -> int:
        sent = self.connection.sendfile(handle, first, count) if count else 0
        if sent < count:  # the file has shrunk: the client must not wait for the rest
            self.close_connection = True
        return sent

    def _span(self, answer: Answer) -> tuple[int, int] | None:
        """First and last byte that are asked for; None where the file has no such."""
        whole = (0, answer.size - 1)
        if not answer.size:
            return whole
        asked = re.fullmatch(r"bytes=(\d{1,18})-(\d{0,18})", self.headers.get("Range", ""))
        version = self.headers.get("If-Range", "").strip('"')
        if asked is None or (version and version != answer.etag):
            return whole
        first = int(asked[1])
        last = min(int(asked[2] or whole[1]), whole[1])
        return (first, last) if first <= last else None

    def _not_here(self, path: str, body: bool) -> None:
        """Say in the hub's words what is missing, so that the client draws the right conclusion."""
        code = _code(path, self.mirror.catalogue.revisions)
        said = "This mirror has only what was fetched beforehand."
        content = json.dumps({"error": said}).encode()
        headers = {"Content-Type": _JSON, "X-Error-Code": code, "X-Error-Message": said}
        self._start(HTTPStatus.NOT_FOUND, len(content), headers)
        if body:
            self.wfile.write(content)

    def _start(self, status: HTTPStatus, size: int, headers: Mapping[str, str]) -> None:
        self.send_response(status)
        for name, value in headers.items():
            self.send_header(name, value)
        self.send_header("Content-Length", str(size))
        self.end_headers()


def _words(query: str) -> int:
    """How many words of a file of vectors are asked for; 0 where it is not said."""
    said = parse_qs(query).get("words", [""])[0]
    return int(said) if re.fullmatch(r"[0-9]{1,9}", said) else 0


def _code(path: str, revisions: Mapping[str, set[str]]) -> str:
    """The hub's word for what is missing at an address."""
    asked = _ABOUT.fullmatch(path) or _FILE.fullmatch(path)
    known = revisions.get(f"/api/{asked[1] or 'models'}/{asked[2]}") if asked else None
    if asked is None or known is None:
        return "RepoNotFound"
    rest = f"{asked[3] or ''}/"
    if rest == "/" or any(rest.startswith(f"{revision}/") for revision in known):
        return "EntryNotFound"
    return "RevisionNotFound"


def local_address() -> str:
    """Return the address under which others on the network see this machine; nothing is sent."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        try:
            # An address for examples (RFC 5737): the system only chooses which card it would use.
            probe.connect(("192.0.2.1", 9))
            return str(probe.getsockname()[0])
        except OSError:
            return LOOPBACK


def instructions(url: str, course: bool) -> str:
    """What the others type, for the screen and for whoever opens the address in a browser."""
    lines = [
        "Models and data for the notebooks with XL_MODELS=hub. In the folder of the course:",
        "",
        "  Linux, macOS:",
        f"    XL_MODELS=hub XL_MIRROR={url} python3 course.py lab",
        "  Windows, in a Command Prompt:",
        "    set XL_MODELS=hub",
        f"    set XL_MIRROR={url}",
        "    python course.py lab",
        "",
        f"Other programs that load from the hub take it from here with HF_ENDPOINT={url}",
    ]
    if course:
        lines += [
            "",
            "The course itself, for who has not got it yet:",
            f"    curl {url}{ARCHIVE} | tar xz",
        ]
    return "\n".join(lines) + "\n"


def add_instructions(made: Catalogue, url: str) -> None:
    """Answer who opens the address in a browser."""
    text = instructions(url, ARCHIVE in made.answers).encode()
    made.answers["/"] = Answer(
        len(text), content=text, headers={"Content-Type": "text/plain; charset=utf-8"}
    )
