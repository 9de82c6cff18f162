"""The repository's own name in badges and addresses: where it stands, and how it is changed.

Files are handled as bytes, and nothing but the names is touched: a notebook's JSON stays as it was
written. Standard library only, since `publish` has to run before anything is installed.
"""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import tomllib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from xlhelpers import files
from xlhelpers.commands import CommandError

PLACEHOLDER = "OWNER"
SUFFIXES = (".md", ".ipynb", ".toml", ".yml", ".yaml", ".txt", ".py", ".cff", ".html", ".json")
# Tests have addresses that are made up; in the other folders is what a run has left.
SKIPPED = ("tests", "build", ".git", ".venv", ".venv-colab", "hub-files", "node_modules")

_OWNER = re.compile(r"[A-Za-z0-9](-?[A-Za-z0-9]){0,38}")
_NAME = re.compile(r"[A-Za-z0-9._-]{1,100}")
_BRANCH = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,99}")
_SLUG = rb"(?P<slug>[A-Za-z0-9-]+/[A-Za-z0-9._-]*[A-Za-z0-9_-])"
_REST = rb"(?P<branch>[A-Za-z0-9._-]+)"
# How an address that names a repository begins and goes on. Badges are ours whatever they say.
_KINDS = {
    "badge": rb"https://colab\.research\.google\.com/github/" + _SLUG + rb"/blob/" + _REST,
    "launch": rb"https://mybinder\.org/v2/gh/" + _SLUG + rb"/" + _REST,
    "clone": rb"git clone [^\n]*?--branch (?P<tag>[^\s]+) https://github\.com/" + _SLUG,
    "address": rb"(?:https://(?:raw\.githubusercontent|github)\.com/|git@github\.com:)" + _SLUG,
    "folder": rb"else \\?\"(?P<folder>[A-Za-z0-9._-]+)\\?\"(?:\\n)?\",?\n(?=[^\n]*find_spec)",
}
_PATTERNS = {kind: re.compile(pattern) for kind, pattern in _KINDS.items()}


@dataclass(frozen=True, slots=True)
class Repository:
    """`owner/name` on GitHub."""

    owner: str
    name: str

    def __str__(self) -> str:
        return f"{self.owner}/{self.name}"


@dataclass(frozen=True, slots=True)
class Mention:
    """One place at which the repository, a branch, a tag or its folder is named.

    Attributes:
        file: in which it is.
        line: its number, from 1.
        part: `"slug"`, `"branch"`, `"tag"` or `"folder"`.
        text: what is named there.
        start: of the text, in bytes from the beginning of the file.
    """

    file: Path
    line: int
    part: str
    text: str
    start: int


def parse(text: str) -> Repository:
    """Read `owner/name`.

    Raises:
        CommandError: GitHub would not accept such a name, or it is the placeholder.
    """
    owner, slash, name = text.partition("/")
    remedy = "write it as on GitHub: your-name/multilingual-nlp-course"
    if not slash or not _OWNER.fullmatch(owner) or not _NAME.fullmatch(name):
        raise CommandError(f"{text!r} is no owner/repository", remedy)
    if name in (".", "..") or name.lower().endswith((".git", ".wiki")):
        raise CommandError(f"GitHub takes no repository called {name!r}", remedy)
    if owner == PLACEHOLDER:
        raise CommandError(f"{PLACEHOLDER} only stands for the owner's name", remedy)
    return Repository(owner, name)


def check_branch(name: str) -> str:
    """Return the name of a branch that can stand in an address.

    Raises:
        CommandError: it cannot.
    """
    if not _BRANCH.fullmatch(name) or ".." in name or name.endswith((".lock", ".")):
        raise CommandError(
            f"{name!r} is no branch that a badge could open", "use letters, digits and . _ -"
        )
    return name


def current(root: Path) -> Repository:
    """Return the repository that pyproject.toml names, which may be the placeholder.

    Raises:
        CommandError: it names none.
    """
    try:
        project = tomllib.loads((root / "pyproject.toml").read_text(encoding="utf-8"))["project"]
        owner, name = str(project["urls"]["Repository"]).rstrip("/").split("/")[-2:]
    except (OSError, KeyError, ValueError, tomllib.TOMLDecodeError) as error:
        raise CommandError(
            f"pyproject.toml does not tell the repository's address ({error})",
            "git checkout pyproject.toml",
        ) from error
    return Repository(owner, name.removesuffix(".git"))


def version_tag(root: Path) -> str:
    """Return the tag under which this version is cloned."""
    project = tomllib.loads((root / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    return f"v{project['version']}"


def texts(root: Path) -> list[Path]:
    """Return the text files of the repository in which an address may stand, sorted.

    Raises:
        CommandError: git does not list them, for instance since the folder is another user's.
    """
    git = shutil.which("git")
    listed: Iterator[Path] | list[Path] = []
    if git is not None and (root / ".git").exists():
        command = [git, "-C", str(root), "ls-files", "-z", "--cached", "--others"]
        done = subprocess.run([*command, "--exclude-standard"], capture_output=True, check=False)
        if done.returncode:
            said = done.stderr.decode(errors="replace").strip()
            raise CommandError(f"git does not list the files here: {said}", "git status")
        listed = [root / os.fsdecode(name) for name in done.stdout.split(b"\0") if name]
    else:
        listed = root.rglob("*")
    return sorted(
        {
            path
            for path in listed
            if path.suffix in SUFFIXES
            and path.relative_to(root).parts[0] not in SKIPPED
            and ".ipynb_checkpoints" not in path.parts
            and path.is_file()
        }
    )


def mentions(root: Path) -> list[Mention]:
    """Return every place at which the repository is named, in all its text files."""
    ours = current(root)
    return [found for path in texts(root) for found in _in_file(path, path.read_bytes(), ours)]


def _in_file(path: Path, content: bytes, ours: Repository) -> Iterator[Mention]:
    seen: set[int] = set()
    for kind, pattern in _PATTERNS.items():
        if kind == "folder" and path.suffix != ".ipynb":
            continue
        for match in pattern.finditer(content):
            slug = match.groupdict().get("slug")
            if kind == "address" and not _is_ours(slug or b"", ours):
                continue
            for part, named in match.groupdict().items():
                if match.start(part) not in seen:
                    seen.add(match.start(part))
                    line = content.count(b"\n", 0, match.start(part)) + 1
                    text = named.decode().removesuffix(".git")
                    yield Mention(path, line, part, text, match.start(part))


def _is_ours(slug: bytes, ours: Repository) -> bool:
    """Whether an address means this repository, perhaps under a wrong or an older name."""
    owner, name = slug.decode().removesuffix(".git").split("/")
    return name == ours.name or owner == PLACEHOLDER or f"{owner}/{name}" == str(ours)


def disagreements(root: Path) -> list[str]:
    """Return a sentence for each address that does not name what all others name."""
    ours, tag = current(root), version_tag(root)
    found = mentions(root)
    branches = [mention.text for mention in found if mention.part == "branch"]
    usual = max(set(branches), key=branches.count) if branches else ""
    wanted = {"slug": str(ours), "branch": usual, "tag": tag, "folder": ours.name}
    return [
        f"{mention.file.relative_to(root).as_posix()}, line {mention.line}: the {mention.part} is "
        f"{mention.text}, elsewhere {wanted[mention.part]}"
        for mention in found
        if mention.text != wanted[mention.part]
    ]


def stamp(root: Path, repository: Repository, branch: str | None = None) -> dict[Path, int]:
    """Write a repository's name, and the branch that badges open, wherever they are named.

    All files are worked out before the first is written.

    Returns:
        How many names were changed in each file that has changed.

    Raises:
        CommandError: a notebook would not be JSON any more; nothing is written then.
    """
    wanted = {"slug": str(repository), "folder": repository.name, "branch": branch}
    changed: dict[Path, tuple[bytes, int]] = {}
    found = mentions(root)
    for path in {mention.file for mention in found}:
        here = [mention for mention in found if mention.file == path]
        before = path.read_bytes()
        after, count = _replaced(before, here, wanted)
        if count:
            _check_json(path, after)
            changed[path] = (after, count)
    for path, (after, _) in changed.items():
        mode = path.stat().st_mode
        files.write_bytes(path, after)
        path.chmod(mode)
    return {path: count for path, (_, count) in sorted(changed.items())}


def _replaced(
    content: bytes, here: list[Mention], wanted: dict[str, str | None]
) -> tuple[bytes, int]:
    count = 0
    for mention in sorted(here, key=lambda mention: mention.start, reverse=True):
        new = wanted.get(mention.part)
        if new is not None and new != mention.text:
            end = mention.start + len(mention.text.encode())
            content = content[: mention.start] + new.encode() + content[end:]
            count += 1
    return content, count


def _check_json(path: Path, content: bytes) -> None:
    if path.suffix == ".ipynb":
        try:
            json.loads(content)
        except ValueError as error:
            raise CommandError(f"{path.name} would be damaged", "report it") from error
