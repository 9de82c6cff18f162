"""One place for the choices that hold for a whole process: models, folders, seed, device.

The first call of `current()` reads the environment (`XL_MODELS`, `XL_DATA`, `XL_CACHE`,
`XL_SEED`, `XL_DEVICE`, `XL_THREADS`, `XL_PROGRESS`, `XL_SOURCES`, `XL_REUSE`, `XL_TRAIN_ROWS`,
`XL_TEST_ROWS`, `XL_HUB_FILES`, `XL_MIRROR`); `use()` changes what later calls see. Standard library
only; torch is looked at when it has to be.
"""

from __future__ import annotations

import contextlib
import importlib.util
import os
import re
import sys
import threading
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from xlhelpers.errors import CourseError

MODEL_SETS = ("mini", "hub")

# So many rows to train on and to test on keep a run on real checkpoints within minutes on a
# small GPU. The course's own sets are taken whole.
HUB_ROWS = (4_000, 1_000)

# A folder that holds this file has been filled by `course.py fetch --hub --to`; beside the
# repository, or in it, it is found under this name.
FETCHED = "prefetched.json"
HUB_FILES = "hub-files"

# More threads than this gain nothing at the sizes of this course.
MOST_THREADS = 4

_PACKAGE_ROOT = Path(__file__).resolve().parent.parent
_CPU_QUOTA = Path("/sys/fs/cgroup/cpu.max")
_ADDRESS = re.compile(r"https?://[^/\s]+(/[^\s]*[^/\s])?")
_DEVICES = re.compile(r"auto|cpu|mps|cuda(:\d+)?")


class SettingsError(CourseError):
    """A setting, or the environment variable behind it, cannot be used."""


@dataclass(frozen=True, slots=True)
class Settings:
    """What a process has settled on.

    Attributes:
        models: `"mini"` (this repository's own, offline) or `"hub"` (the real checkpoints).
        data: the course's data folder; exists.
        cache: where downloads go; made when first needed.
        progress: whether downloads show a progress bar (on stderr).
        seed: the seed that every random choice derives from.
        device: `"auto"`, `"cpu"`, `"mps"`, `"cuda"` or `"cuda:N"`; see `device()`.
        threads: CPU threads for torch.
        sources: folders that may hold local copies of the source texts.
        reuse: whether what a protocol has measured before is read from the cache.
        train_rows, test_rows: the most rows of a data set that protocols train and test on; 0
            for all, None for what fits the model set. See `row_limits`.
        hub_files: a folder with files of the hub that were fetched beforehand; only read. It is
            named (`none` for no folder) or found beside the course.
        mirror: address of a mirror of the hub on the local network; empty for the hub itself.
    """

    models: str
    data: Path
    cache: Path
    progress: bool = True
    seed: int = 0
    device: str = "auto"
    threads: int = 1
    sources: tuple[Path, ...] = ()
    reuse: bool = True
    train_rows: int | None = None
    test_rows: int | None = None
    hub_files: Path | None = None
    mirror: str = ""

    def __post_init__(self) -> None:
        if self.models not in MODEL_SETS:
            raise SettingsError(
                f"there is no model set {self.models!r}", 'choose "mini" or "hub" (XL_MODELS)'
            )
        if not _is_int(self.seed) or not 0 <= self.seed < 2**32:
            raise SettingsError(
                f"{self.seed!r} is no seed", "choose a whole number from 0 to 4294967295 (XL_SEED)"
            )
        if not _is_int(self.threads) or self.threads < 1:
            raise SettingsError(
                f"{self.threads!r} is no number of threads",
                "choose a whole number from 1 (XL_THREADS)",
            )
        if not isinstance(self.device, str) or not _DEVICES.fullmatch(self.device):
            raise SettingsError(
                f"there is no device {self.device!r}",
                'choose "auto", "cpu", "cuda", "cuda:0" or "mps" (XL_DEVICE)',
            )
        if not isinstance(self.progress, bool):
            raise SettingsError(f"progress is {self.progress!r}", "choose True or False")
        for name, rows in (("XL_TRAIN_ROWS", self.train_rows), ("XL_TEST_ROWS", self.test_rows)):
            if rows is not None and (not _is_int(rows) or rows < 0):
                raise SettingsError(
                    f"{rows!r} is no number of rows", f"choose a whole number, 0 for all ({name})"
                )
        if self.mirror and not _ADDRESS.fullmatch(self.mirror):
            raise SettingsError(
                f"{self.mirror!r} is no address of a mirror",
                "use the line that the mirror shows: XL_MIRROR=http://192.168.1.5:8767",
            )

    def row_limits(self) -> tuple[int | None, int | None]:
        """The most rows to train and to test on; None where all are taken."""
        usual = HUB_ROWS if self.models == "hub" else (0, 0)
        given = (self.train_rows, self.test_rows)
        rows = [own if mine is None else mine for mine, own in zip(given, usual, strict=True)]
        return rows[0] or None, rows[1] or None


_lock = threading.RLock()
_current: Settings | None = None


def current() -> Settings:
    """Return the settings in force, reading the environment on the first call.

    Raises:
        SettingsError: an environment variable has an unusable value, or there is no data folder.
    """
    global _current
    with _lock:
        if _current is None:
            _current = from_environment(os.environ)
        return _current


def use(
    models: str | None = None,
    *,
    data: str | Path | None = None,
    cache: str | Path | None = None,
    progress: bool | None = None,
    seed: int | None = None,
    device: str | None = None,
    threads: int | None = None,
    reuse: bool | None = None,
    train_rows: int | None = None,
    test_rows: int | None = None,
    hub_files: str | Path | None = None,
) -> Settings:
    """Change the settings of this process; what is not named stays as it was.

    Raises:
        SettingsError: a value cannot be used. Nothing has changed then.
    """
    global _current
    changes: dict[str, Any] = {
        "models": models,
        "data": None if data is None else _existing_folder(Path(data), "data="),
        "cache": None if cache is None else Path(cache).expanduser().absolute(),
        "progress": progress,
        "seed": seed,
        "device": device,
        "threads": threads,
        "reuse": reuse,
        "train_rows": train_rows,
        "test_rows": test_rows,
        "hub_files": None if hub_files is None else _filled_folder(Path(hub_files), "hub_files="),
    }
    with _lock:
        new = replace(current(), **{k: v for k, v in changes.items() if v is not None})
        _current = new
    if threads is not None:
        apply_threads()
    return new


def reset() -> None:
    """Forget everything that `use()` changed; the next `current()` reads the environment."""
    global _current
    with _lock:
        _current = None


def from_environment(environ: Mapping[str, str]) -> Settings:
    """Build settings from environment variables; empty ones count as unset.

    Raises:
        SettingsError: a value cannot be used, or there is no data folder.
    """

    def get(name: str) -> str | None:
        return environ.get(name, "").strip() or None

    # What several processes on one machine share: its CPUs, and the reader's eyes.
    share = max(1, min(cpus() // _whole(environ, "LOCAL_WORLD_SIZE", 1), MOST_THREADS))
    bars = _boolean("XL_PROGRESS", get("XL_PROGRESS") or "1")
    return Settings(
        models=(get("XL_MODELS") or "mini").lower(),
        data=_find_data(get("XL_DATA")),
        cache=_find_cache(environ),
        progress=bars and is_first_process(environ),
        seed=_integer("XL_SEED", get("XL_SEED") or "0"),
        device=(get("XL_DEVICE") or "auto").lower(),
        threads=_integer("XL_THREADS", get("XL_THREADS") or str(share)),
        sources=tuple(
            Path(part).expanduser().absolute()
            for part in (get("XL_SOURCES") or "").split(os.pathsep)
            if part.strip()
        ),
        reuse=_boolean("XL_REUSE", get("XL_REUSE") or "1"),
        train_rows=_rows("XL_TRAIN_ROWS", get("XL_TRAIN_ROWS")),
        test_rows=_rows("XL_TEST_ROWS", get("XL_TEST_ROWS")),
        hub_files=_find_hub_files(get("XL_HUB_FILES")),
        mirror=(get("XL_MIRROR") or "").rstrip("/"),
    )


def device() -> str:
    """Return the device to compute on, as torch names it.

    `"auto"` is the CPU with the mini models, which are too small to gain from a GPU and
    whose numbers should agree from machine to machine; with the hub's models it is CUDA
    where torch sees a GPU. An explicit choice is taken as it stands.

    Raises:
        SettingsError: a GPU was asked for by name and torch does not see it.
    """
    now = current()
    if now.device == "cpu" or (now.device == "auto" and now.models == "mini"):
        return "cpu"
    import torch

    if now.device in ("auto", "cuda") and processes() > 1 and torch.cuda.is_available():
        return f"cuda:{_whole(os.environ, 'LOCAL_RANK', 0)}"  # a GPU each
    if now.device == "auto":
        return "cuda" if torch.cuda.is_available() else "cpu"
    index = int(now.device.partition(":")[2] or 0)
    there = (
        torch.backends.mps.is_available()
        if now.device == "mps"
        else torch.cuda.is_available() and index < torch.cuda.device_count()
    )
    if not there:
        raise SettingsError(
            f"torch sees no device {now.device!r}", 'choose xl.settings.use(device="cpu")'
        )
    return now.device


def processes(environ: Mapping[str, str] = os.environ) -> int:
    """Return how many processes train together, as `torchrun` and its like tell them; mostly 1."""
    return max(1, _whole(environ, "WORLD_SIZE", 1))


def is_first_process(environ: Mapping[str, str] = os.environ) -> bool:
    """Return whether this process is the one among them that shows bars and writes files."""
    return processes(environ) == 1 or _whole(environ, "RANK", 0) == 0


def apply_threads() -> bool:
    """Give torch its number of threads; call it after `import torch`.

    Before torch is loaded this only sets `OMP_NUM_THREADS` (where nobody has), which numpy
    and torch read when they start. In a container numpy, which may have started, is held to the
    container's share. Returns whether torch was there to be told.
    """
    threads = current().threads
    os.environ.setdefault("OMP_NUM_THREADS", str(threads))
    _hold_numpy_to_the_share()
    torch = sys.modules.get("torch")
    if torch is None:
        return False
    torch.set_num_threads(threads)
    return True


def _hold_numpy_to_the_share() -> None:
    """Let numpy's linear algebra have no more threads than a container's share of CPUs.

    It counts the CPUs that it sees, and these are all of the host's. Where fewer may be used,
    its threads wait for each other: a matrix product takes several times as long.
    """
    share = cpus()
    if share >= _visible_cpus() or "numpy" not in sys.modules:
        return
    with contextlib.suppress(ImportError):  # setup() says what is missing
        from threadpoolctl import ThreadpoolController

        for library in ThreadpoolController().select(user_api="blas").lib_controllers:
            if library.num_threads > share:
                library.set_num_threads(share)


def seed_everything(seed: int | None = None) -> int:
    """Seed `random`, numpy's global generator and, where it is loaded, torch.

    With an argument, that becomes the seed of the settings. Returns the seed used. Call it
    after `import torch`: a torch that is loaded later starts from its own fixed seed.

    Raises:
        SettingsError: `seed` is not a whole number from 0 to 2**32 - 1.
    """
    import random

    number = (current() if seed is None else use(seed=seed)).seed
    random.seed(number)
    if importlib.util.find_spec("numpy") is not None:
        import numpy

        numpy.random.seed(number)
    torch = sys.modules.get("torch")
    if torch is not None:
        torch.manual_seed(number)
    return number


def cpus() -> int:
    """Return how many CPUs this process may use: affinity and container quota counted."""
    # In a container (Binder) all of the host's CPUs are visible and only a share may be
    # used; threads beyond the share slow each other down.
    try:
        quota, period = _CPU_QUOTA.read_text(encoding="utf-8").split()[:2]
        share = _visible_cpus() if quota == "max" else max(1, round(int(quota) / int(period)))
    except (OSError, ValueError):
        return _visible_cpus()
    return min(_visible_cpus(), share)


def _visible_cpus() -> int:
    try:
        return len(os.sched_getaffinity(0))
    except AttributeError:  # macOS, Windows
        return os.cpu_count() or 1


def setup() -> None:
    """Print versions, model set and device, and one remedy line for each thing that is off."""
    # The one look upwards: the report asks assets and hub how they are.
    from xlhelpers import checks

    checks.setup()


def _is_int(value: object) -> bool:
    return isinstance(value, int) and not isinstance(value, bool)


def _integer(name: str, text: str) -> int:
    try:
        return int(text)
    except ValueError:
        raise SettingsError(f"{name}={text!r} is no whole number", f"set {name} to one") from None


def _rows(name: str, text: str | None) -> int | None:
    return None if text is None else _integer(name, text)


def _whole(environ: Mapping[str, str], name: str, otherwise: int) -> int:
    """Return a number that another program has set; what is none counts as not set."""
    text = environ.get(name, "")
    return int(text) if text.isdecimal() else otherwise


def _boolean(name: str, text: str) -> bool:
    if text.lower() in ("1", "true", "yes", "on"):
        return True
    if text.lower() in ("0", "false", "no", "off"):
        return False
    raise SettingsError(f"{name}={text!r} is neither 0 nor 1", f"set {name}=0 or {name}=1")


def _existing_folder(path: Path, where: str) -> Path:
    path = path.expanduser().absolute()
    if path.is_dir():
        return path
    raise SettingsError(
        f"{where}{path} names a folder that is not there",
        "name the folder `data` of a checkout of the course",
    )


def _filled_folder(path: Path, where: str) -> Path:
    path = path.expanduser().absolute()
    if (path / FETCHED).is_file():
        return path
    raise SettingsError(
        f"{where}{path} names no folder with files of the hub",
        f"name the folder that `course.py fetch --hub --to` has filled; it holds {FETCHED}",
    )


def _find_hub_files(named: str | None) -> Path | None:
    if named is not None:
        if named.lower() == "none":
            return None
        return _filled_folder(Path(named), "XL_HUB_FILES=")
    for folder in (_PACKAGE_ROOT, _PACKAGE_ROOT.parent):
        if (folder / HUB_FILES / FETCHED).is_file():
            return folder / HUB_FILES
    return None


def _find_data(named: str | None) -> Path:
    if named is not None:
        return _existing_folder(Path(named), "XL_DATA=")
    beside = _PACKAGE_ROOT / "data"
    if beside.is_dir():
        return beside
    raise SettingsError(
        "the course's data folder was not found: the package is not installed from a checkout",
        "clone the repository and run `python3 course.py lab` in it, or set XL_DATA to the "
        "folder `data` of a checkout",
    )


def _find_cache(environ: Mapping[str, str]) -> Path:
    named = environ.get("XL_CACHE", "").strip()
    if named:
        return Path(named).expanduser().absolute()
    if sys.platform == "win32":
        base = environ.get("LOCALAPPDATA") or str(Path.home() / "AppData" / "Local")
    elif sys.platform == "darwin":
        base = str(Path.home() / "Library" / "Caches")
    else:
        base = environ.get("XDG_CACHE_HOME") or str(Path.home() / ".cache")
    return Path(base) / "xlhelpers"
