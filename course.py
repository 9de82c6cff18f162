#!/usr/bin/env python3
"""The front door of the course: one file, standard library only, Linux, macOS and Windows.

    python3 course.py lab  [arguments for jupyter]   open the notebooks in JupyterLab
    python3 course.py test [arguments for pytest]    unit tests, lint, all notebooks
    python3 course.py run  [01 04 ...]               execute notebooks, write HTML under build/
    python3 course.py build [parts]                  regenerate what in data/ is derived
    python3 course.py test --colab [arguments]       the same at the versions of Colab
    python3 course.py fetch [assets]                 download or repair data
    python3 course.py fetch --hub [02 04 ...]        real models and data, the evening before
    python3 course.py mirror                         serve these to the others in a room
    python3 course.py wheels [FOLDER] [--for SYSTEM] packages for computers without a network
    python3 course.py publish OWNER/REPO             write the repository's name into badges
    python3 course.py doctor                         look for what is wrong, with a remedy each
    python3 course.py install                        install only

The first run makes .venv beside this file and installs the tested set of constraints.txt; later
runs install nothing. Inside an active conda environment, an active venv, Binder or Colab, that
environment is used and only what is missing is added to it.

Where there is a folder wheels/ beside this file, or one that XL_WHEELS names, packages are taken
from there, without a network; what it lacks comes from the network if there is one.

Variables: XL_TORCH_INDEX (where the CPU build of torch is looked for on Linux; "none" for the
ordinary index), PIP_INDEX_URL, PIP_NO_INDEX with PIP_FIND_LINKS and so on as pip knows them.

This file has to run on an old Python (3.6), if only to say that it is too old; hence the old way
of writing types.
"""

import argparse
import contextlib
import hashlib
import importlib.util
import json
import os
import platform
import re
import shutil
import socket
import subprocess
import sys
import tempfile
import threading
import time
import urllib.parse
import urllib.request
from pathlib import Path
from typing import Any, Dict, Iterator, List, Optional, Sequence, Tuple

MINIMUM = (3, 11)
ROOT = Path(__file__).resolve().parent
TORCH_INDEX = "https://download.pytorch.org/whl/cpu"
PROBE_SECONDS = 4.0
STAMP = ".course-stamp.json"

# What each command needs beyond the package itself: the extras of pyproject.toml.
EXTRAS: Dict[str, Tuple[str, ...]] = {
    "lab": ("lab",),
    "run": ("lab",),
    "test": ("dev", "lab", "serve"),
    "build": ("build", "lab"),
    "fetch": ("lab",),
    "mirror": ("lab",),
    "wheels": ("lab",),
    "publish": (),
    "doctor": ("lab",),
    "install": ("lab",),
}

# These run with any Python that will do, and install nothing.
BARE = ("doctor", "publish")
# Colab's Python, and the versions that it ships: an environment of its own stands in for it.
COLAB_PYTHON = "python3.13"
COLAB_PINS = "constraints-colab.txt"

# Tags of the wheels that a system takes, as pip names them; the first word is what is typed.
SYSTEMS: Dict[str, Tuple[str, ...]] = {
    "linux": ("manylinux_2_28_x86_64", "manylinux_2_27_x86_64", "manylinux2014_x86_64"),
    "windows": ("win_amd64",),
    "macos": ("macosx_14_0_arm64",),
}
# What not every system or Python needs; a test holds it against the packages' own records.
ONLY_ON: Dict[str, Tuple[str, ...]] = {
    "linux": ("overrides", "pexpect", "ptyprocess"),
    "windows": ("overrides", "pywinpty"),
    "macos": ("appnope", "overrides", "pexpect", "ptyprocess"),
}

# In an environment that is not ours these are never replaced while they will do,
PROTECTED = ("numpy", "pandas", "torch")
# and these whenever a package wants newer ones: a new venv has a setuptools too old for torch.
TOOLS = ("pip", "setuptools", "wheel")

EXIT_PROBLEM = 1
EXIT_USAGE = 2
EXIT_NETWORK = 3
EXIT_STOPPED = 130


class Trouble(Exception):
    """Something the reader can put right; the text is a sentence that says how."""

    def __init__(self, sentence: str, status: int = EXIT_PROBLEM) -> None:
        super().__init__(sentence)
        self.status = status


class Conflict(Trouble):
    """The wanted versions do not go together, or do not exist for this Python."""


def say(text: str) -> None:
    """Print a line of ours; on stderr, so that a command's own output stays clean."""
    print(text, file=sys.stderr, flush=True)


# ------------------------------------------------------------------------------ Python, paths


def python_advice(version: Tuple[int, ...]) -> Optional[str]:
    """The sentence for a Python that is too old, or None when it will do."""
    if tuple(version[:2]) >= MINIMUM:
        return None
    found = [n for n in ("python3.11", "python3.12", "python3.13") if starts(n)]
    if found:
        remedy = f"This machine has {found[0]}: run  {found[0]} course.py lab"
    else:
        remedy = "Install a newer one from https://www.python.org/downloads/ and run it again."
    running = ".".join(str(part) for part in version[:3])
    return f"This course needs Python 3.11 or newer; this is Python {running}. {remedy}"


def starts(name: str) -> bool:
    """Whether a Python of this name is there and runs (version managers leave empty shells)."""
    path = shutil.which(name)
    return path is not None and interpreter_version(Path(path)) is not None


def venv_python(venv: Path, windows: bool = os.name == "nt") -> Path:
    """Where a virtual environment keeps its interpreter."""
    return venv / "Scripts" / "python.exe" if windows else venv / "bin" / "python"


def same_path(one: str, other: str) -> bool:
    """Whether two names mean one place, links and letter case of the system considered."""
    return os.path.normcase(os.path.realpath(one)) == os.path.normcase(os.path.realpath(other))


def base_python() -> str:
    """The interpreter outside any virtual environment, to make .venv with."""
    return getattr(sys, "_base_executable", None) or sys.executable


def command_name() -> str:
    """How the reader starts this file, for use in remedies."""
    return "python course.py" if os.name == "nt" else "python3 course.py"


# ------------------------------------------------------------------------------ requirements


def plain_name(name: str) -> str:
    """A package's name in the one spelling that can be compared (PEP 503)."""
    return re.sub(r"[-_.]+", "-", name).lower()


def read_constraints(text: str) -> Dict[str, str]:
    """`name==version` lines as a mapping; comments and blank lines left out."""
    pins: Dict[str, str] = {}
    for line in text.splitlines():
        line = line.split("#", 1)[0].split(";", 1)[0].strip()
        if "==" in line:
            name, version = line.split("==", 1)
            pins[plain_name(name.strip())] = version.strip()
    return pins


def constraints() -> Dict[str, str]:
    """The tested set."""
    return read_constraints((ROOT / "constraints.txt").read_text(encoding="utf-8"))


def requirements(extras: Sequence[str]) -> List[str]:
    """The package's direct requirements, those of the given extras included."""
    import tomllib  # only from Python 3.11 on, which main() has checked

    try:
        project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
        wanted = list(project["dependencies"])
        for extra in extras:
            wanted += project["optional-dependencies"][extra]
    except (OSError, KeyError, tomllib.TOMLDecodeError) as error:
        raise Trouble(
            f"pyproject.toml cannot be read ({error}). Put it back:  git checkout pyproject.toml"
        ) from error
    return wanted


def fingerprint(extras: Sequence[str]) -> str:
    """Changes when another set of packages is asked for, and not when a comment is edited."""
    parts = [sorted(requirements(extras)), sorted(constraints().items()), sorted(extras)]
    return hashlib.sha256(json.dumps(parts).encode()).hexdigest()


def version_key(version: str) -> Tuple[int, ...]:
    """The release numbers of a version; enough for the lower bounds that we write."""
    found = re.match(r"\d+(?:\.\d+)*", version)
    numbers = [int(n) for n in found.group().split(".")] if found else [0]
    while len(numbers) > 1 and numbers[-1] == 0:
        numbers.pop()
    return tuple(numbers)


def requirement_name(requirement: str) -> str:
    """`ray` from `ray[serve]>=2.40`."""
    return plain_name(re.split(r"[^A-Za-z0-9._-]", requirement.strip(), maxsplit=1)[0])


def satisfied(requirement: str, installed: Dict[str, str]) -> bool:
    """Whether `name>=version` holds among the installed packages (name -> version)."""
    have = installed.get(requirement_name(requirement))
    if have is None:
        return False
    bound = re.search(r">=\s*([0-9][^,;\s]*)", requirement)
    return bound is None or version_key(have) >= version_key(bound.group(1))


def installed_packages() -> Dict[str, str]:
    """What the running interpreter can import, by the packages' own records."""
    from importlib import metadata

    have: Dict[str, str] = {}
    for distribution in metadata.distributions():
        name = distribution.metadata["Name"]
        if name and plain_name(name) not in have:
            have[plain_name(name)] = distribution.version
    return have


def installed_here() -> bool:
    """Whether the running interpreter has this very folder installed as `xlhelpers`.

    The folder itself is on sys.path because course.py lies in it; that does not count.
    """
    kept, finder = list(sys.path), None
    try:
        sys.path[:] = [p for p in kept if p and not same_path(p, str(ROOT))]
        with contextlib.suppress(ImportError, ValueError):
            finder = importlib.util.find_spec("xlhelpers")
    finally:
        sys.path[:] = kept
    if finder is None or not finder.origin:
        return False
    return same_path(finder.origin, str(ROOT / "xlhelpers" / "__init__.py"))


def hosted() -> Optional[str]:
    """The name of a hosted service whose environment must be left as it is, or None."""
    if os.environ.get("COLAB_RELEASE_TAG") or Path("/content/sample_data").is_dir():
        return "Colab"
    if os.environ.get("KAGGLE_KERNEL_RUN_TYPE"):
        return "Kaggle"
    if os.environ.get("BINDER_SERVICE_HOST") or os.environ.get("BINDER_LAUNCH_HOST"):
        return "Binder"
    return None


def environment_in_use() -> Optional[str]:
    """Words for the environment to use as it is, or None when .venv is ours to make."""
    if same_path(sys.prefix, str(ROOT / ".venv")):
        return None
    conda = os.environ.get("CONDA_PREFIX")
    if conda and same_path(conda, sys.prefix):
        # Everyone's `base` is active by default; filling it with other versions would do harm.
        if os.environ.get("CONDA_DEFAULT_ENV") != "base" or installed_here():
            return f"the conda environment {Path(conda).name}"
    elif sys.prefix != sys.base_prefix:
        return f"the active virtual environment {sys.prefix}"
    service = hosted()
    if service:
        return f"the Python of {service}"
    if installed_here():
        return f"the Python in which xlhelpers is installed ({sys.prefix})"
    return None


# ------------------------------------------------------------------------------ network


def reachable(url: str, seconds: float = PROBE_SECONDS) -> bool:
    """Whether a connection to the host of `url` (or to the proxy for it) can be opened.

    The look-up of a name has no time limit of its own, so all of it runs in a thread.
    """
    parts = urllib.parse.urlsplit(url)
    if parts.scheme == "file" or not parts.hostname:
        return True
    proxy = urllib.request.getproxies().get(parts.scheme)
    if proxy and not urllib.request.proxy_bypass(parts.hostname):
        parts = urllib.parse.urlsplit(proxy if "://" in proxy else "http://" + proxy)
    address = (parts.hostname, parts.port or (80 if parts.scheme == "http" else 443))
    answer: List[bool] = []

    def knock() -> None:
        with contextlib.suppress(OSError):
            socket.create_connection(address, timeout=seconds).close()
            answer.append(True)

    thread = threading.Thread(target=knock, daemon=True)
    thread.start()
    thread.join(seconds + 1)
    return bool(answer)


def pip_index(python: str) -> Optional[str]:
    """The package index that pip will ask, or None when it is told to ask none or hides it."""
    if os.environ.get("PIP_NO_INDEX", "").lower() not in ("", "0", "false", "no", "off"):
        return None
    if os.environ.get("PIP_INDEX_URL"):
        return os.environ["PIP_INDEX_URL"]
    with contextlib.suppress(OSError, subprocess.SubprocessError):
        shown = subprocess.run(
            [python, "-m", "pip", "config", "list"],
            stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, timeout=20,
        )  # fmt: skip
        text = shown.stdout.decode("utf-8", "replace")
        if re.search(r"^[\w:.]*\.no-index='(1|true|yes|on)'", text, re.M | re.I):
            return None
        found = re.findall(r"^[\w:.]*\.index-url='([^']+)'", text, re.M)
        if found:
            return found[-1]
    return pip_default(python)


def pip_default(python: str) -> Optional[str]:
    """The index that pip asks when nobody told it which; pip knows, so it is not written here."""
    asked = "from pip._internal.models.index import PyPI; print(PyPI.simple_url)"
    with contextlib.suppress(OSError, subprocess.SubprocessError):
        shown = subprocess.run(
            [python, "-c", asked], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, timeout=20
        )
        return shown.stdout.decode("utf-8", "replace").strip() or None
    return None


def need_network(python: str) -> None:
    """Raise `Trouble` at once when packages are in no folder and their index out of reach."""
    if wheel_folder():
        return
    index = pip_index(python)
    if index is not None and not reachable(index):
        raise no_network(index)


def no_network(index: str) -> Trouble:
    """The sentence for a package index that does not answer."""
    host = urllib.parse.urlsplit(index).hostname or index
    return Trouble(
        f"No network: {host} cannot be reached, and packages are still to be installed. Connect "
        f"this computer to the internet and run the same command again; once installed, the "
        f"course works offline.",
        EXIT_NETWORK,
    )


def torch_index() -> Optional[str]:
    """Where to look for the CPU build of torch, or None for the ordinary index.

    Only for Linux: there the ordinary wheel brings several GB of GPU libraries.
    """
    wanted = os.environ.get("XL_TORCH_INDEX", "").strip()
    if wanted.lower() == "none" or (not wanted and not sys.platform.startswith("linux")):
        return None
    if not wanted and platform.machine().lower() not in ("x86_64", "amd64"):
        return None
    if os.environ.get("PIP_NO_INDEX"):
        return None
    return wanted or TORCH_INDEX


# ------------------------------------------------------------------------------ pip


def progress_line(line: str) -> Optional[str]:
    """What of pip's output is worth showing while it works."""
    found = re.match(r"\s*(Collecting|Downloading|Using cached|Building wheel for)\s+(\S+)", line)
    if found:
        name = found.group(2).split("/")[-1].split("?")[0]
        return f"{found.group(1).lower()} {name}"
    if line.startswith("Installing collected packages:"):
        return f"unpacking {line.count(',') + 1} packages (this can take a minute)"
    return None


def run_pip(python: str, arguments: Sequence[str], log: Path) -> Tuple[int, str]:
    """Run pip, show short progress, keep its full output in `log`; exit status and output."""
    command = [python, "-m", "pip", *arguments, "--disable-pip-version-check"]
    tty = sys.stderr.isatty()
    width = shutil.get_terminal_size().columns - 4
    lines: List[str] = []
    environment = dict(os.environ, PYTHONUNBUFFERED="1", PIP_NO_INPUT="1")
    with open(str(log), "a", encoding="utf-8") as record:
        record.write("\n$ pip " + " ".join(arguments) + "\n")
        process = subprocess.Popen(
            command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, env=environment
        )
        assert process.stdout is not None
        try:
            for raw in process.stdout:
                line = raw.decode("utf-8", "replace").rstrip()
                lines.append(line)
                record.write(line + "\n")
                shown = progress_line(line)
                if shown and tty:
                    print("\r  " + shown[:width].ljust(width), end="", file=sys.stderr, flush=True)
                elif shown and shown.startswith("unpacking"):
                    say("  " + shown)
            status = process.wait()
        except BaseException:
            process.terminate()
            process.wait()
            raise
    if tty:
        print("\r" + " " * (width + 2) + "\r", end="", file=sys.stderr, flush=True)
    return status, "\n".join(lines)


NETWORK_SIGNS = (
    "NewConnectionError", "ConnectTimeout", "ReadTimeout", "Temporary failure in name resolution",
    "Name or service not known", "getaddrinfo failed", "nodename nor servname",
    "Connection refused", "Network is unreachable", "Failed to establish a new connection",
    "Max retries exceeded", "ProxyError", "Connection broken", "IncompleteRead",
    "Could not fetch URL",
)  # fmt: skip


def explain_pip(output: str, index: Optional[str], log: Path) -> Trouble:
    """Turn pip's output after a failure into a sentence with a remedy."""
    if "No space left on device" in output or "Errno 28" in output:
        return Trouble(f"The disk is full: free about 3 GB where {ROOT} lies and run this again.")
    # No "index is None": with PIP_NO_INDEX a missing file is no question of the network.
    if index is not None and any(sign in output for sign in NETWORK_SIGNS):
        return no_network(index)
    missing = re.findall(r"No matching distribution found for ([^\s(]+)", output)
    if missing:
        version = ".".join(str(n) for n in sys.version_info[:2])
        return Conflict(
            f"There is no {missing[-1]} for Python {version} on this system "
            f"({platform.system()} {platform.machine()}) where pip looked. Python 3.11 is the "
            f"tested one: install it and run  python3.11 course.py lab   (pip's output: {log})"
        )
    if "externally-managed-environment" in output:
        return Trouble(
            f"This Python belongs to the system and takes no packages. Leave the environment "
            f"(deactivate) and run  {command_name()} lab : it makes its own .venv."
        )
    errors = [line for line in output.splitlines() if line.startswith("ERROR")] or ["(no message)"]
    kind = Conflict if "ResolutionImpossible" in output else Trouble
    return kind(
        f"pip could not install the packages: {errors[-1]}\nAll of its output is in {log}. "
        f"Run the same command again; if it fails in the same way:  {command_name()} doctor"
    )


def install(python: str, extras: Sequence[str], pins: Path, log: Path, torch: bool) -> None:
    """Install this folder with `extras` under the constraints file `pins`.

    `torch`: torch is missing, so try its CPU build first. Raises `Trouble`.
    """
    # Few tries and short waits: a network that is gone should be said, not waited for.
    common = ["install", "--retries", "2", "--timeout", "15"]
    target = str(ROOT) + ("[" + ",".join(extras) + "]" if extras else "")
    rest = [*common, "-c", str(pins), "-e", target]
    if install_carried(python, rest, log):
        return
    version = read_constraints(pins.read_text(encoding="utf-8")).get("torch")
    wanted = f"torch=={version}" if version else "torch"
    index = torch_index()
    if torch and index and reachable(index):
        call = [*common, "--no-deps", "--index-url", index, wanted]
        status, _ = run_pip(python, call, log)
        if status != 0:
            say(f"  no CPU build of {wanted} at {index}: taking the ordinary one")
    status, output = run_pip(python, rest, log)
    if status != 0:
        raise explain_pip(output, pip_index(python), log)


# ------------------------------------------------------------------------------ without a network


def wheel_folder() -> Optional[Path]:
    """The folder of packages that were fetched beforehand, or None. Raises `Trouble`."""
    named = os.environ.get("XL_WHEELS", "").strip()
    if named.lower() == "none":
        return None
    folder = Path(named).expanduser().resolve() if named else ROOT / "wheels"
    if any(folder.glob("*.whl")):
        return folder
    if named:
        raise Trouble(f"XL_WHEELS names {folder}, and no packages (*.whl) lie there.")
    return None


def install_carried(python: str, call: Sequence[str], log: Path) -> bool:
    """Run pip's `call` on the folder of wheels alone; False where that does not do.

    It does not where there is no such folder, or where it lacks something and the network can
    be asked. Raises `Trouble`.
    """
    folder = wheel_folder()
    if folder is None:
        return False
    say(f"  from {folder}")
    status, output = run_pip(python, [*call, "--no-index", "--find-links", str(folder)], log)
    if status == 0:
        return True
    missing = re.findall(r"No matching distribution found for ([^\s(]+)", output)
    if not missing:
        raise explain_pip(output, None, log)
    index = pip_index(python)
    if index is None or not reachable(index):
        version = ".".join(str(n) for n in sys.version_info[:2])
        raise Trouble(
            f"{folder} has no {missing[-1]} for Python {version} on {platform.system()} "
            f"{platform.machine()}, and there is no network. Fill it for this kind of computer, "
            f"too:  {command_name()} wheels --help",
            EXIT_NETWORK,
        )
    say(f"  {folder.name} has no {missing[-1]} for this Python: asking the network")
    return False


def wheels_wanted(arguments: Sequence[str]) -> Any:
    """The options of `wheels`. Leaves the program with a text, as argparse does."""
    made = argparse.ArgumentParser(
        prog=f"{command_name()} wheels",
        description="Fetches the packages of the tested set into a folder, for this system and "
        "this Python. A computer that has the folder as wheels/ beside course.py, or under the "
        "name in XL_WHEELS, installs from it without a network. With XL_MODELS=hub, what reads "
        "the hub's data sets is among them.",
    )
    made.add_argument("folder", nargs="?", default="wheels", help="wheels/ beside course.py")
    made.add_argument(
        "--for", dest="systems", action="append", choices=sorted(SYSTEMS), default=[],
        help="for such computers, too (x86-64; macOS: 14 or newer, Apple's processors)",
    )  # fmt: skip
    made.add_argument(
        "--python", dest="versions", action="append", metavar="3.12", default=[],
        help="their Python, if it is another than this; may be given several times",
    )  # fmt: skip
    options = made.parse_args(list(arguments))
    for version in options.versions:
        if not re.fullmatch(r"3\.\d+", version) or version_key(version) < MINIMUM:
            made.error(f"--python {version}: 3.11 or newer is needed, as in --python 3.12")
    return options


def wheels(python: str, arguments: Sequence[str]) -> int:
    """Fill a folder with packages, and say what is in it. Raises `Trouble`."""
    options = wheels_wanted(arguments)
    folder = Path(options.folder).expanduser()
    folder = folder.resolve() if options.folder != "wheels" else ROOT / "wheels"
    folder.mkdir(parents=True, exist_ok=True)
    own = str(interpreter_version(Path(python)))
    start = time.monotonic()
    say(f"For Python {own} on this system:")
    carry(python, folder, extras_for("wheels", ()))
    for system in options.systems or ([this_system()] if options.versions else []):
        for version in options.versions or [own]:
            if (system, version) != (this_system(), own):
                say(f"For Python {version} on {system}:")
                carry_for(python, folder, str(system), str(version))
    found = list(folder.glob("*.whl"))
    size = sum(path.stat().st_size for path in found) / 1e6
    seconds = time.monotonic() - start
    print(f"{len(found)} packages, {size:.0f} MB, in {folder} ({seconds:.0f} s).")
    return 0


def this_system() -> str:
    """The name of this system among SYSTEMS."""
    return {"win32": "windows", "darwin": "macos"}.get(sys.platform, "linux")


def carry(python: str, folder: Path, extras: Sequence[str]) -> None:
    """Put what this computer would install for `extras` into `folder`, all of it as wheels.

    What is published as source only is built here: the other computers need no compiler, and no
    packages that only the building takes. Raises `Trouble`.
    """
    pins, log = ROOT / "constraints.txt", folder / "wheels.log"
    index = torch_index()
    if index and not fetch_torch(python, folder, index, (), log):
        say(f"  no CPU build of torch at {index}: taking the ordinary one")
    call = ["wheel", "--wheel-dir", str(folder), "--find-links", str(folder), "-c", str(pins)]
    status, output = run_pip(python, [*call, *building(), *requirements(extras)], log)
    if status != 0:
        raise explain_pip(output, pip_index(python), log)


def carry_for(python: str, folder: Path, system: str, version: str) -> None:
    """Put what another kind of computer installs into `folder`, after `carry`. Raises `Trouble`.

    pip looks at conditions such as `sys_platform == "win32"` with the eyes of this computer, so
    it is told the packages one by one: those that were fetched for this one, and what only the
    other needs.
    """
    tags = [part for tag in SYSTEMS[system] for part in ("--platform", tag)]
    target = [*tags, "--python-version", version, "--implementation", "cp"]
    log = folder / "wheels.log"
    if system == "linux":
        named = os.environ.get("XL_TORCH_INDEX", "").strip()
        index = TORCH_INDEX if named.lower() in ("", "none") else named
        if not fetch_torch(python, folder, index, target, log):
            raise Trouble(
                f"There is no CPU build of torch for Python {version} on Linux at {index}; the "
                f"ordinary one brings several GB of GPU libraries. Name another in XL_TORCH_INDEX.",
                EXIT_NETWORK,
            )
    elsewhere = {name for names in ONLY_ON.values() for name in names} - {*ONLY_ON[system]}
    pins = constraints()
    here = {plain_name(path.name.split("-")[0]) for path in folder.glob("*.whl")}
    names = ({name for name in here if name in pins} | {*ONLY_ON[system]}) - elsewhere
    wanted = [f"{name}=={pins[name]}" if name in pins else name for name in sorted(names)]
    call = ["download", "--no-deps", "--only-binary", ":all:", "--dest", str(folder)]
    call += ["--find-links", str(folder), *target, *building()]
    status, output = run_pip(python, [*call, *wanted], log)
    if status != 0:
        raise explain_pip(output, pip_index(python), log)


def fetch_torch(python: str, folder: Path, index: str, target: Sequence[str], log: Path) -> bool:
    """Fetch the CPU build of torch, without what it needs; whether it is in `folder` now."""
    version = constraints().get("torch")
    if not version or not reachable(index):
        return False
    call = ["download", "--no-deps", "--dest", str(folder), "--index-url", index]
    call += ["--find-links", str(folder)]
    only = ["--only-binary", ":all:", *target] if target else []
    return run_pip(python, [*call, *only, f"torch=={version}"], log)[0] == 0


def building() -> List[str]:
    """What it takes to install the course itself from its folder."""
    import tomllib

    read = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
    return list(read.get("build-system", {}).get("requires", ["setuptools"]))


# ------------------------------------------------------------------------------ .venv


def read_stamp(venv: Path) -> Dict[str, Any]:
    """What the last complete installation wrote down; empty when there was none."""
    try:
        found = json.loads((venv / STAMP).read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}
    return found if isinstance(found, dict) else {}


def interpreter_version(python: Path) -> Optional[str]:
    """`3.11` as the interpreter itself tells it, or None when it does not start."""
    try:
        told = subprocess.run(
            [str(python), "-I", "-S", "-c", "import sys; print('%d.%d' % sys.version_info[:2])"],
            stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, timeout=60,
        )  # fmt: skip
    except (OSError, subprocess.SubprocessError):
        return None
    text = told.stdout.decode("ascii", "replace").strip()
    return text if told.returncode == 0 and re.fullmatch(r"\d+\.\d+", text) else None


def site_packages(venv: Path, version: str, windows: bool = os.name == "nt") -> Path:
    """The folder into which pip puts packages."""
    if windows:
        return venv / "Lib" / "site-packages"
    return venv / "lib" / f"python{version}" / "site-packages"


def package_records(packages: Path) -> List[str]:
    """Names of the installed packages' record folders (`numpy-2.4.6.dist-info`), sorted."""
    try:
        return sorted(n for n in os.listdir(str(packages)) if n.endswith(".dist-info"))
    except OSError:
        return []


def unfinished(packages: Path) -> List[str]:
    """Packages that pip began to write and did not finish: their list of files is missing."""
    broken = [n for n in package_records(packages) if not (packages / n / "RECORD").is_file()]
    with contextlib.suppress(OSError):
        # pip moves a package that it replaces to a name that begins with a tilde
        broken += [n for n in os.listdir(str(packages)) if n.startswith("~")]
    return [n.split("-")[0] for n in broken]


def fault(venv: Path) -> Optional[str]:
    """Why `.venv` cannot be used and has to be made anew; None when it is sound.

    A sound environment may still lack packages; that is `complete`'s question.
    """
    python = venv_python(venv)
    if not (venv / "pyvenv.cfg").is_file():
        return "it was only half made"
    if not python.exists():
        return "its Python is missing"
    version = interpreter_version(python)
    if version is None:
        return "its Python does not start"
    if tuple(int(n) for n in version.split(".")) < MINIMUM:
        return f"it was made with Python {version}, which is too old"
    packages = site_packages(venv, version)
    if not packages.is_dir():
        return f"it was made with another Python than the {version} that it starts now"
    stamp = read_stamp(venv)
    made_at = stamp.get("venv") or made_for(venv)
    if made_at and not same_path(str(made_at), str(venv)):
        return f"its folder was moved here from {Path(str(made_at)).parent}"
    if stamp and stamp.get("python") != version:
        return f"it was filled with Python {stamp.get('python')} and now starts Python {version}"
    if not stamp:
        own = f"{sys.version_info[0]}.{sys.version_info[1]}"
        if version != own:
            return f"it was made with Python {version}, not with this Python {own}"
        broken = unfinished(packages)
        if broken:
            return f"an installation was interrupted ({', '.join(broken[:3])})"
        if not (packages / "pip").is_dir() and not pip_starts(python):
            return "it has no pip"
    return None


def made_for(venv: Path) -> Optional[str]:
    """The folder that `python -m venv` was told to make, from pyvenv.cfg (Python 3.11+)."""
    try:
        text = (venv / "pyvenv.cfg").read_text(encoding="utf-8", errors="replace")
    except OSError:
        return None
    found = re.search(r"^command\s*=.* -m venv (?:-\S+ )*(.+)$", text, re.M)
    return found.group(1).strip() if found else None


def pip_starts(python: Path) -> bool:
    """Whether `python -m pip` works."""
    with contextlib.suppress(OSError, subprocess.SubprocessError):
        command = [str(python), "-m", "pip", "--version"]
        quiet = subprocess.DEVNULL
        return subprocess.run(command, stdout=quiet, stderr=quiet, timeout=60).returncode == 0
    return False


def complete(venv: Path, extras: Sequence[str]) -> bool:
    """Whether the last complete installation is what is wanted now, and is still there."""
    stamp = read_stamp(venv)
    have = stamp.get("extras", [])
    if not stamp or not set(extras) <= set(have) or stamp.get("key") != fingerprint(have):
        return False
    return unchanged(venv)


def unchanged(venv: Path) -> bool:
    """Whether every package that the last installation left is still there in its version."""
    stamp = read_stamp(venv)
    packages = site_packages(venv, str(stamp.get("python")))
    return set(stamp.get("packages", ["?"])) <= set(package_records(packages))


def write_stamp(venv: Path, extras: Sequence[str]) -> None:
    """Write down that the installation is complete; atomic."""
    version = interpreter_version(venv_python(venv))
    told = {
        "key": fingerprint(extras),
        "extras": sorted(extras),
        "venv": str(venv),
        "python": version,
        "packages": package_records(site_packages(venv, str(version))),
    }
    new = venv / (STAMP + ".new")
    new.write_text(json.dumps(told, indent=1) + "\n", encoding="utf-8")
    os.replace(str(new), str(venv / STAMP))


def remove_venv(venv: Path) -> None:
    """Take a broken .venv away, but never a folder that is not a virtual environment."""
    if same_path(sys.prefix, str(venv)) and os.name == "nt":
        raise Trouble(f"Leave .venv first (deactivate), then run  {command_name()} lab")
    if venv.is_symlink() or venv.is_file():
        venv.unlink()
        return
    inside = {name.lower() for name in os.listdir(str(venv))}
    if inside and not inside & {"pyvenv.cfg", STAMP, "bin", "scripts", "lib", "include"}:
        raise Trouble(f"{venv} exists but is no virtual environment: move it away and try again.")
    # First out of the way, in one step: a removal that is interrupted leaves no half .venv.
    old = venv.with_name(f".venv-old-{os.getpid()}")
    try:
        os.replace(str(venv), str(old))
    except OSError as error:
        raise Trouble(
            f"{venv} is in use and cannot be replaced ({error.strerror}). Close JupyterLab and "
            f"other windows that use it, then run the same command again."
        ) from error
    shutil.rmtree(str(old), ignore_errors=True)


def make_venv(venv: Path, python: Optional[str] = None) -> None:
    """Make an empty virtual environment with pip in it. Raises `Trouble`."""
    made = subprocess.run(
        [python or base_python(), "-m", "venv", str(venv)],
        stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
    )  # fmt: skip
    if made.returncode == 0:
        return
    output = made.stdout.decode("utf-8", "replace")
    if "ensurepip" in output or "No module named venv" in output:
        version = ".".join(str(n) for n in sys.version_info[:2])
        raise Trouble(
            f"This Python was installed without what it takes to make virtual environments. On "
            f"Debian and Ubuntu:  sudo apt install python{version}-venv   then run this again."
        )
    last = output.strip().splitlines()[-1:] or ["no message"]
    raise Trouble(f"{venv} could not be made: {last[0]}. Is there room, and may you write here?")


@contextlib.contextmanager
def lock(path: Path) -> Iterator[None]:
    """One installation at a time: waits, with a sentence, for the other course.py to finish.

    The system lets go of the lock when its holder ends, however it ends.
    """
    handle = open(str(path), "a+b")  # noqa: SIM115 - closed below, after the lock is released
    try:
        waited = False
        while not try_lock(handle):
            if not waited:
                say("Another course.py is installing in this folder: waiting for it to finish.")
            waited = True
            time.sleep(0.2)
        yield
    finally:
        handle.close()


def try_lock(handle: Any) -> bool:
    """Take the lock on an open file if it is free; it goes with the file."""
    try:
        if os.name == "nt":
            import msvcrt

            handle.seek(0)
            msvcrt.locking(handle.fileno(), msvcrt.LK_NBLCK, 1)  # type: ignore[attr-defined]
        else:
            import fcntl

            fcntl.flock(handle.fileno(), fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        return False
    return True


def managed_python(extras: Sequence[str], venv: Optional[Path] = None) -> str:
    """The interpreter of our own .venv, made, filled or repaired if need be."""
    venv = venv or ROOT / ".venv"
    fingerprint(extras)  # a damaged pyproject.toml is said before anything is made
    if fault(venv) is None and complete(venv, extras):
        note_other_python(venv)
        return str(venv_python(venv))
    with lock(ROOT / ".course.lock"):
        present = venv.exists() or venv.is_symlink()
        wrong = fault(venv) if present else None
        if present and wrong is None and complete(venv, extras):
            return str(venv_python(venv))
        if wrong:
            say(f".venv cannot be used, since {wrong}. It has to be made anew.")
        elif read_stamp(venv) and not unchanged(venv):
            say("Packages in .venv were changed or removed since the installation.")
        need_network(base_python())
        fill_venv(venv, extras, remake=bool(wrong) or not present)
    return str(venv_python(venv))


def fill_venv(venv: Path, extras: Sequence[str], remake: bool) -> None:
    """Make .venv if told to, install into it, and write the stamp last."""
    have = read_stamp(venv).get("extras", [])
    extras = sorted({*extras, *have})
    if remake and (venv.exists() or venv.is_symlink()):
        remove_venv(venv)
    if remake:
        warn_of_little_room()
        say(f"Making .venv and installing the course's packages into it ({ROOT.name}/.venv, about")
        say("2 GB, a few minutes, only this once).")
        make_venv(venv)
    else:
        say("Installing what is missing in .venv.")
    with contextlib.suppress(FileNotFoundError):
        (venv / STAMP).unlink()
    start = time.monotonic()
    version = str(interpreter_version(venv_python(venv)))
    names = package_records(site_packages(venv, version))
    no_torch = not any(name.lower().startswith("torch-") for name in names)
    pins = ROOT / "constraints.txt"
    install(str(venv_python(venv)), extras, pins, venv / "install.log", no_torch)
    write_stamp(venv, extras)
    say(f"Installed in {time.monotonic() - start:.0f} s.")


def note_other_python(venv: Path) -> None:
    """Say when .venv works but was made with another Python than the one that runs this."""
    made, own = read_stamp(venv).get("python"), f"{sys.version_info[0]}.{sys.version_info[1]}"
    if made != own:
        say(f"Using .venv, which was made with Python {made} (delete the folder to have {own}).")


def warn_of_little_room() -> None:
    """Say beforehand when the disk may be too small for the installation."""
    free = shutil.disk_usage(str(ROOT)).free / 1e9
    if free < 3:
        say(f"Only {free:.1f} GB are free on this disk; the installation needs about 3 GB.")


# ------------------------------------------------------------------------------ other environments


NOT_ALL_STAYS = "  not all that is here can stay as it is: pip replaces what is in the way"
PIP_CHOOSES = "  the tested versions do not fit here: letting pip choose those that do"


def present_python(extras: Sequence[str], words: str) -> str:
    """The running interpreter, with what is missing added and nothing replaced."""
    installed = installed_packages()
    wanted = {requirement_name(r): satisfied(r, installed) for r in requirements(extras)}
    missing = [name for name, there in wanted.items() if not there]
    if not missing and installed_here():
        return sys.executable
    say(f"Using {words}; adding {', '.join(missing) or 'the course itself'}.")
    need_network(sys.executable)
    log = Path(tempfile.gettempdir()) / "course-install.log"
    no_torch = "torch" not in installed
    fit = {n: v for n, v in installed.items() if wanted.get(n, True) and n not in TOOLS}
    names = {*PROTECTED, *(name for name, there in wanted.items() if there)}
    kept = {name: fit[name] for name in names if name in fit}
    tested = constraints()
    absent = {name: version for name, version in tested.items() if name not in fit}
    # First all that is there stays. Where that cannot be, only what the course uses directly does,
    # torch and numpy before all; in the end pip chooses the versions of what comes new, too.
    tries = [({**tested, **fit}, ""), ({**absent, **kept}, NOT_ALL_STAYS), (kept, PIP_CHOOSES)]
    with tempfile.TemporaryDirectory(prefix="course-") as folder:
        pins = Path(folder) / "constraints.txt"
        for versions, sentence in tries:
            if sentence:
                say(sentence)
            pins.write_text(keep_versions(versions), encoding="utf-8")
            try:
                install(sys.executable, extras, pins, log, no_torch)
                break
            except Conflict:
                if versions is kept:
                    raise
    return sys.executable


def keep_versions(versions: Dict[str, str]) -> str:
    """A constraints file with these versions, the course itself left out."""
    kept = sorted((name, version) for name, version in versions.items() if name != "xlhelpers")
    return "".join(f"{name}=={version}\n" for name, version in kept)


# ------------------------------------------------------------------------------ as on Colab


def colab_packages(venv: Path) -> Tuple[str, List[str]]:
    """The interpreter of .venv-colab, made if need be, and the packages that Colab's file brings.

    Raises `Trouble`.
    """
    pins = ROOT / COLAB_PINS
    python = shutil.which(COLAB_PYTHON) if starts(COLAB_PYTHON) else None
    key = hashlib.sha256(pins.read_bytes() + str(python).encode()).hexdigest()
    with lock(ROOT / ".course.lock"):
        stamp = read_stamp(venv)
        if stamp.get("key") != key or not unchanged(venv):
            if python is None:
                own = ".".join(str(part) for part in sys.version_info[:2])
                say(f"There is no {COLAB_PYTHON} here: Python {own} stands in for Colab's.")
            need_network(base_python())
            if venv.exists():
                remove_venv(venv)
            say(f"Making {venv.name} with the versions of {COLAB_PINS}.")
            make_venv(venv, python)
            install_colab(str(venv_python(venv)), pins, venv / "install.log")
            write_stamp(venv, ())
            told = dict(read_stamp(venv), key=key)
            (venv / STAMP).write_text(json.dumps(told, indent=1) + "\n", encoding="utf-8")
    return str(venv_python(venv)), list(read_stamp(venv)["packages"])


def install_colab(python: str, pins: Path, log: Path) -> None:
    """Install what Colab ships; the CPU build of torch where it can be had. Raises `Trouble`."""
    call = ["install", "--retries", "2", "--timeout", "15", "-r", str(pins)]
    index = torch_index()
    if index and reachable(index):
        call += ["--extra-index-url", index]
    status, output = run_pip(python, call, log)
    if status != 0:
        raise explain_pip(output, pip_index(python), log)


def test_as_on_colab(arguments: Sequence[str]) -> int:
    """Run `test` where Colab's versions are, and see that none of them was replaced."""
    venv = ROOT / ".venv-colab"
    python, shipped = colab_packages(venv)
    call = [python, str(ROOT / "course.py"), "test", *arguments]
    status = subprocess.call(call)
    version = str(interpreter_version(Path(python)))
    there = package_records(site_packages(venv, version))
    replaced = sorted(set(shipped) - set(there))
    if replaced:
        say(f"Replaced, which would break a session on Colab: {', '.join(replaced)}")
        return EXIT_PROBLEM
    say("Nothing that Colab ships was replaced.")
    return status


# ------------------------------------------------------------------------------ hand over


def hand_over(
    python: str, command: str, arguments: Sequence[str], replace: bool = os.name != "nt"
) -> int:
    """Run `python -m xlhelpers COMMAND ...` in place of this process, or below it (Windows)."""
    environment = dict(os.environ)
    # Consoles with an old code page cannot print most of the languages taught here.
    environment.setdefault("PYTHONUTF8", "1")
    # The folder itself comes first, so that not another clone's helpers are run.
    paths = [str(ROOT), environment.get("PYTHONPATH", "")]
    environment["PYTHONPATH"] = os.pathsep.join(p for p in paths if p)
    call = [python, "-m", "xlhelpers", command, *arguments]
    sys.stdout.flush()
    sys.stderr.flush()
    if replace:
        os.execve(python, call, environment)
    process = subprocess.Popen(call, env=environment)
    while True:
        try:
            return process.wait()
        except KeyboardInterrupt:  # the child got it too and decides what to do
            continue


def doctor_python() -> str:
    """An interpreter for the doctor: .venv's if it starts, else this one; nothing is installed."""
    if environment_in_use():
        return sys.executable
    python = venv_python(ROOT / ".venv")
    return str(python) if python.exists() and interpreter_version(python) else base_python()


def extras_for(command: str, arguments: Sequence[str]) -> Tuple[str, ...]:
    """What a command needs; with the hub's models also what reads the hub's data sets."""
    wanted = EXTRAS[command]
    if "--hub" in arguments or os.environ.get("XL_MODELS", "").strip().lower() == "hub":
        return (*wanted, "hub")
    return wanted


def prepare(command: str, arguments: Sequence[str] = ()) -> str:
    """The interpreter that has all that `command` needs. Raises `Trouble`."""
    words = environment_in_use()
    extras = extras_for(command, arguments)
    if words is None:
        return managed_python(extras)
    if hosted() in ("Colab", "Kaggle") and command in ("install", "fetch", "mirror"):
        extras = ()  # these bring their own Jupyter, and replacing it would break the session
    return present_python(extras, words)


def main(arguments: Sequence[str]) -> int:
    """Do what the command line asks; the exit status."""
    old = python_advice(sys.version_info[:3])
    if old:
        say(old)
        return EXIT_PROBLEM
    if not arguments or arguments[0] in ("-h", "--help", "help"):
        print((__doc__ or "").strip())
        return 0 if arguments else EXIT_USAGE
    command, rest = arguments[0], list(arguments[1:])
    if command not in EXTRAS:
        say(f"There is no command {command!r}. The commands are: {', '.join(EXTRAS)}.")
        return EXIT_USAGE
    try:
        if command == "test" and "--colab" in rest:
            return test_as_on_colab([argument for argument in rest if argument != "--colab"])
        if command == "wheels":
            wheels_wanted(rest)  # who asks for help, or mistypes, waits for no installation
        python = doctor_python() if command in BARE else prepare(command, rest)
        if command == "install":
            print(f"Ready: {python}")
            return 0
        if command == "wheels":
            return wheels(python, rest)
        return hand_over(python, command, rest)
    except Trouble as trouble:
        say(str(trouble))
        return trouble.status
    except OSError as error:
        say(f"The system refused: {error}. Does the course lie in a folder you may write to?")
        return EXIT_PROBLEM
    except KeyboardInterrupt:
        say("\nStopped. The same command takes it up again.")
        return EXIT_STOPPED


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
