"""Is this machine ready for the course? What `xl.setup()` prints and `doctor` builds on.

Every problem is one line that says what is off and what to do; nothing here raises.
"""

from __future__ import annotations

import importlib.metadata
import platform
import re
from collections.abc import Iterator
from dataclasses import dataclass

from xlhelpers import __version__, assets, settings, shelves
from xlhelpers.errors import CourseError

_NAMED = ("torch", "transformers", "numpy")
_MODEL_SET_NOTES = {
    "mini": 'this repository\'s own, offline; the real ones with xl.use("hub")',
    "hub": 'the real checkpoints, downloaded; the small ones with xl.use("mini")',
}
# Stands in for the package's own list of requirements where it is used without being installed.
_CORE = ("torch", "transformers", "numpy", "pandas", "matplotlib", "ipywidgets", "pooch")


@dataclass(frozen=True, slots=True)
class Problem:
    """Something that is off, and what puts it right."""

    what: str
    remedy: str

    def __str__(self) -> str:
        return f"[FAIL] {self.what}. Remedy: {self.remedy}"


def setup() -> None:
    """Print versions, model set and device, and one remedy line for each thing that is off."""
    print(f"xlhelpers {__version__} · Python {platform.python_version()} · {platform.system()}")
    print(" · ".join(f"{name} {_version(name) or 'missing'}" for name in _NAMED))
    problems = list(packages())
    try:
        now = settings.current()
        settings.apply_threads()
        print(f"models: {now.models} ({_MODEL_SET_NOTES[now.models]})")
        print(f"device: {settings.device()} · threads: {now.threads} · seed: {now.seed}")
        for line in beforehand():
            print(line)
        problems += [*course_files(), *model_hub()]
    except CourseError as error:
        problems.append(_of(error))
    except ImportError as error:  # torch is there and does not load
        problems.append(Problem(f"a package does not load ({error})", "python3 course.py lab"))
    print("\n".join(map(str, problems)) or "all checks passed")


def packages() -> Iterator[Problem]:
    """Yield a problem for each required package that is missing or does not fit."""
    try:
        required = importlib.metadata.requires("xlhelpers") or []
    except importlib.metadata.PackageNotFoundError:
        required = list(_CORE)
    for text in required:
        package = re.match(r"[\w.-]+", text)
        if package is None or ";" in text:  # extras, and what only other systems need
            continue
        have = _version(package[0])
        if not have:
            yield Problem(f"{package[0]} is not installed", f'python -m pip install "{text}"')
        elif not _satisfies(have, text):
            yield Problem(f"{package[0]} {have} does not fit {text}", f'pip install "{text}"')


def course_files() -> Iterator[Problem]:
    """Yield a problem for the files of the course that are not whole, several in one line."""
    try:
        bad = [check for check in assets.verify_all() if not check.ok]
    except CourseError as error:
        yield _of(error)
        return
    if len(bad) == 1:
        yield Problem(bad[0].problem, bad[0].remedy)
    elif bad:
        names = ", ".join(check.name for check in bad[:3]) + (" ..." if len(bad) > 3 else "")
        what = f"{len(bad)} files of the course are not whole ({names})"
        yield Problem(what, assets.repair("all"))


def beforehand() -> Iterator[str]:
    """Yield a line for each thing to know about files of the hub that are here already."""
    now = settings.current()
    if now.hub_files is not None:
        yield f"files of the hub: {now.hub_files}"
    if now.mirror:
        yield f"mirror of the hub: {now.mirror}"
    if now.models == "hub" and (numbers := shelves.fetched()):
        books = " ".join(numbers)
        yield f"fetched beforehand for notebooks {books}: no network is needed for these"


def model_hub() -> Iterator[Problem]:
    """Yield a problem when the hub's models are asked for and cannot be had, or not be read."""
    if settings.current().models != "hub" or not _version("huggingface_hub"):
        return
    from xlhelpers import hub

    if not _version("pyarrow"):
        yield Problem(
            "the public data sets cannot be read without pyarrow",
            'python -m pip install "pyarrow>=17"',
        )
    # With everything on this machine, an evening without a network is no fault.
    if not shelves.fetched() and not hub.reachable():
        yield Problem(
            "the model hub cannot be reached; what is in the cache still works",
            'check the network or HF_HUB_OFFLINE, or work offline with xl.use("mini")',
        )


def _of(error: CourseError) -> Problem:
    return Problem(error.problem, error.remedy)


def _version(package: str) -> str:
    try:
        return importlib.metadata.version(package)
    except importlib.metadata.PackageNotFoundError:
        return ""


def _satisfies(version: str, requirement: str) -> bool:
    try:
        from packaging.requirements import Requirement
    except ImportError:
        return True
    return Requirement(requirement).specifier.contains(version, prereleases=True)
