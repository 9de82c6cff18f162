"""`course.py doctor`: one line for each thing that could be wrong, with a remedy.

Works when things are broken: nothing but the standard library is imported outside a check,
and a check that fails in an unforeseen way becomes a [FAIL] line of its own.
"""

from __future__ import annotations

import json
import os
import platform
import re
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from importlib import metadata
from pathlib import Path

from xlhelpers.commands import ROOT

NEEDED_DISK_GB = 1.0
NEEDED_MEMORY_GB = 1.5
# One character each of the scripts that tables and labels use, with a font's usual name.
SCRIPTS = {"Chinese": "\u8a9e", "Arabic": "\u0639", "Devanagari": "\u0939", "Cyrillic": "\u0416"}


@dataclass(frozen=True)
class Finding:
    """What one check found; a `remedy` is due when it is not ok."""

    ok: bool
    text: str
    remedy: str = ""

    def __str__(self) -> str:
        mark = "[OK]  " if self.ok else "[FAIL]"
        return f"{mark} {self.text}" + (f"\n       Remedy: {self.remedy}" if self.remedy else "")


Check = Callable[[], Iterator[Finding]]


def python() -> Iterator[Finding]:
    """The interpreter's version and place."""
    ok = sys.version_info >= (3, 11)
    where = "" if not ok else f" in {shown(sys.prefix)}"
    text = f"Python {platform.python_version()}{where}, {platform.system()} {platform.machine()}"
    yield Finding(ok, text, "" if ok else "install Python 3.11 or newer from python.org")


def environment() -> Iterator[Finding]:
    """Whether the last installation into .venv was finished, when .venv is used."""
    venv = ROOT / ".venv"
    if Path(sys.prefix).resolve() != venv.resolve():
        ours = sys.prefix != sys.base_prefix or bool(os.environ.get("CONDA_PREFIX"))
        if ours or metadata_version("xlhelpers"):
            yield Finding(True, f"environment in use: {shown(sys.prefix)}")
        else:
            yield Finding(False, "no usable .venv yet", "python3 course.py install")
        return
    try:
        stamp = json.loads((venv / ".course-stamp.json").read_text(encoding="utf-8"))
        moved = Path(stamp["venv"]).resolve() != venv.resolve()
    except (OSError, ValueError, KeyError):
        yield Finding(False, ".venv is half made", "python3 course.py install")
        return
    remedy = "python3 course.py install" if moved else ""
    yield Finding(not moved, ".venv was moved here" if moved else ".venv is complete", remedy)


def packages() -> Iterator[Finding]:
    """Direct requirements are there, and in the tested versions."""
    missing, other = [], []
    tested = tested_versions()
    for name in direct_requirements():
        have = metadata_version(name)
        if have is None:
            missing.append(name)
        elif name in tested and have.split("+")[0] != tested[name]:
            other.append(f"{name} {have} (tested: {tested[name]})")
    if missing:
        yield Finding(False, f"packages missing: {', '.join(missing)}", "python3 course.py install")
        return
    own = Path(sys.prefix).resolve() == (ROOT / ".venv").resolve()
    if other:
        # in someone else's environment other versions are to be expected, and are kept
        remedy = "python3 course.py install" if own else ""
        yield Finding(not own, f"other versions than tested: {', '.join(other)}", remedy)
    else:
        yield Finding(True, "packages are those of constraints.txt")


def pip_check() -> Iterator[Finding]:
    """The installed packages go together."""
    line = [sys.executable, "-m", "pip", "check", "--disable-pip-version-check"]
    done = subprocess.run(line, capture_output=True, text=True, timeout=120, check=False)
    lines = (done.stdout + done.stderr).strip().splitlines() or ["no answer"]
    if done.returncode == 0:
        yield Finding(True, "pip check: no conflicts")
        return
    # What of someone else's environment does not concern the course is only told.
    ours = {*direct_requirements(), "xlhelpers"}
    concerns = [line for line in lines if normal(line.split()[0]) in ours]
    text = f"pip check: {'; '.join((concerns or lines)[:3])}"
    yield Finding(not concerns, text, "python3 course.py install" if concerns else "")


def disk() -> Iterator[Finding]:
    """Room for outputs and downloads."""
    free = shutil.disk_usage(ROOT).free / 1e9
    ok = free >= NEEDED_DISK_GB
    yield Finding(ok, f"{free:.1f} GB of disk free", "" if ok else "free at least 1 GB")


def memory() -> Iterator[Finding]:
    """Room for one notebook."""
    import psutil

    free = psutil.virtual_memory().available / 1e9
    ok = free >= NEEDED_MEMORY_GB
    remedy = "" if ok else "close other programs; a notebook takes up to 1.2 GB"
    yield Finding(ok, f"{free:.1f} GB of memory available", remedy)


def data() -> Iterator[Finding]:
    """Every shipped file against its checksum."""
    from xlhelpers import assets

    checks = assets.verify_all()
    bad = [check for check in checks if not check.ok]
    for check in bad:
        yield Finding(False, check.problem, check.remedy)
    if not bad:
        yield Finding(True, f"{len(checks)} data files agree with their checksums")


def models() -> Iterator[Finding]:
    """Which model set is on, and whether the hub answers when it is the hub."""
    from xlhelpers import settings

    now = settings.current()
    if now.models != "hub":
        yield Finding(True, f"model set: {now.models} (works offline)")
        return
    endpoint = os.environ.get("HF_ENDPOINT", "https://huggingface.co")
    try:
        import urllib.request

        with urllib.request.urlopen(endpoint, timeout=6):
            pass
        answer = ""
    except OSError as error:
        # an error page is an answer too
        answer = "" if hasattr(error, "code") else str(getattr(error, "reason", error))
    remedy = "connect to the internet, or unset XL_MODELS" if answer else ""
    text = f"model set: hub, {endpoint} " + (
        f"cannot be reached ({answer})" if answer else "answers"
    )
    yield Finding(not answer, text, remedy)


def kernel() -> Iterator[Finding]:
    """The kernel that notebooks ask for is this environment's."""
    from jupyter_client.kernelspec import KernelSpecManager

    program = KernelSpecManager().get_kernel_spec("python3").argv[0]
    generic = Path(program).name == program
    ok = generic or Path(program).parent.resolve() == Path(sys.executable).parent.resolve()
    text = "Jupyter's kernel python3 is this environment's"
    remedy = "" if ok else "python -m ipykernel install --sys-prefix"
    yield Finding(ok, text if ok else f"Jupyter's kernel python3 is {program}", remedy)


def fonts() -> Iterator[Finding]:
    """Scripts that this machine's fonts can draw in figures; tables use the browser's fonts."""
    from matplotlib import font_manager
    from matplotlib.ft2font import FT2Font

    absent = dict(SCRIPTS)
    for path in [font_manager.findfont("DejaVu Sans"), *font_manager.findSystemFonts()]:
        if not absent:
            break
        try:
            drawn = FT2Font(path).get_charmap()
        except (OSError, RuntimeError):
            continue  # a font file that matplotlib cannot read draws nothing
        absent = {name: sign for name, sign in absent.items() if ord(sign) not in drawn}
    # Figures of the course label languages in Latin script: nothing fails without these.
    lacking = f"; none for {', '.join(absent)} (only your own figures would need one)"
    yield Finding(True, "fonts for figures" + (lacking if absent else " cover all scripts"))


def repository() -> Iterator[Finding]:
    """The checkout's commit, and whether shipped files were changed."""
    if not shutil.which("git") or not (ROOT / ".git").exists():
        yield Finding(True, "no git checkout (files can be fetched from the repository's address)")
        return
    commit = git("rev-parse", "--short", "HEAD")
    changed = [line[3:] for line in git("status", "--porcelain").splitlines()]
    text = f"git commit {commit.strip() or 'none yet'}"
    if changed:
        text += f"; {len(changed)} files changed here, e.g. {changed[0]}"
    yield Finding(True, text)


CHECKS: tuple[Check, ...] = (
    python, environment, packages, pip_check, disk, memory,
    data, models, kernel, fonts, repository,
)  # fmt: skip


def main(argv: Sequence[str]) -> int:
    """Print all findings; 1 when something failed."""
    if argv:
        print("doctor takes no arguments", file=sys.stderr)
        return 2
    failures = 0
    for check in CHECKS:
        for finding in examined(check):
            print(finding, flush=True)
            failures += not finding.ok
    print(f"\n{failures} thing(s) to put right." if failures else "\nAll is well.")
    return 1 if failures else 0


def examined(check: Check) -> list[Finding]:
    """The findings of one check; whatever it raises is a finding too."""
    try:
        return list(check())
    except ModuleNotFoundError as error:
        text = f"{check.__name__}: {error.name} is not installed"
        return [Finding(False, text, "python3 course.py install")]
    except Exception as error:  # a broken installation can raise anything
        remedy = getattr(error, "remedy", "") or (
            "python3 course.py install; if it stays, delete .venv and run it again"
        )
        problem = getattr(error, "problem", "") or f"{type(error).__name__}: {error}"
        return [Finding(False, f"{check.__name__}: {problem}", remedy)]


def normal(name: str) -> str:
    """A package's name in the one spelling that can be compared (PEP 503)."""
    return re.sub(r"[-_.]+", "-", name).lower()


def direct_requirements() -> list[str]:
    """Names of the packages that the course itself and JupyterLab need."""
    import tomllib

    text = (ROOT / "pyproject.toml").read_text(encoding="utf-8")
    project = tomllib.loads(text)["project"]
    wanted = project["dependencies"] + project["optional-dependencies"]["lab"]
    return [normal(re.split(r"[^A-Za-z0-9._-]", line)[0]) for line in wanted]


def tested_versions() -> dict[str, str]:
    """constraints.txt as a mapping."""
    lines = (ROOT / "constraints.txt").read_text(encoding="utf-8").splitlines()
    pairs = (line.split("==") for line in lines if "==" in line and not line.startswith("#"))
    return {normal(name): version.strip() for name, version in pairs}


def metadata_version(name: str) -> str | None:
    """The installed version of a package, or None."""
    try:
        return metadata.version(name)
    except metadata.PackageNotFoundError:
        return None


def git(*arguments: str) -> str:
    """Output of a git command in the repository; empty when it fails."""
    line = ["git", "-C", str(ROOT), *arguments]
    done = subprocess.run(line, capture_output=True, text=True, timeout=30, check=False)
    return done.stdout if done.returncode == 0 else ""


def shown(path: str) -> str:
    """A path as short as it can be told."""
    try:
        return str(Path(path).resolve().relative_to(ROOT))
    except ValueError:
        return path
