"""The commands behind `course.py`; each module has `main(argv) -> exit status`.

Nothing heavy is imported here: the doctor has to start in a broken environment.
"""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from pathlib import Path

from xlhelpers import _notebooks
from xlhelpers.errors import CourseError

COMMANDS = {
    "lab": "open the notebooks in JupyterLab; further arguments go to jupyter",
    "test": "unit tests, lint and all notebooks; further arguments go to pytest",
    "run": "execute notebooks, write HTML under build/html, print cost and claims",
    "build": "regenerate what in data/ is derived",
    "fetch": "download or repair data; --hub: real models and data sets, beforehand",
    "mirror": "serve what was fetched to the other computers in a room",
    "publish": "write the repository's own name into badges and addresses",
    "doctor": "look for what is wrong, with a remedy each",
}

ROOT = Path(__file__).resolve().parents[2]
NOTEBOOKS = ROOT / "notebooks"
BUILD = ROOT / "build"
INLINE = "module://matplotlib_inline.backend_inline"


class CommandError(CourseError):
    """A command cannot do what its arguments ask."""


def find_notebooks(names: Sequence[str] = (), folder: Path = NOTEBOOKS) -> list[Path]:
    """The notebooks that `names` mean: `01`, `1`, `01_alignment` or a path; all when empty.

    Raises:
        CommandError: a name means none, or there is none at all.
    """
    there = _notebooks.paths(folder)
    if not there:
        raise CommandError(f"{folder} holds no notebook", "git checkout notebooks")
    if not names:
        return there
    return sorted({_one(name, there) for name in names})


def _one(name: str, there: Sequence[Path]) -> Path:
    stem = Path(name).stem
    for notebook in there:
        number = notebook.stem.split("_")[0]
        if stem == notebook.stem or stem.zfill(2) == number:
            return notebook
    known = ", ".join(notebook.stem for notebook in there)
    raise CommandError(f"there is no notebook {name!r}", f"name one of {known}")


def quiet_environment(
    environ: Mapping[str, str] = os.environ, threads: int | None = None
) -> dict[str, str]:
    """Variables that make two runs alike; what the user has set himself is kept.

    `threads` overrides also what is set.
    """
    calm = dict(environ)
    calm.setdefault("OMP_NUM_THREADS", calm.get("XL_THREADS") or "2")
    # Threads that wait must not spin: on busy cores that slows training several times over.
    calm.setdefault("OMP_WAIT_POLICY", "passive")
    calm.setdefault("PYTHONHASHSEED", "0")
    calm.setdefault("TOKENIZERS_PARALLELISM", "false")
    if threads is not None:
        calm["OMP_NUM_THREADS"] = calm["XL_THREADS"] = str(threads)
    return calm


def kernel_environment(environ: Mapping[str, str]) -> dict[str, str]:
    """As `environ`, for kernels: figures go inline, and this checkout's helpers are imported.

    The reader's own IPython start-up files and record of exercises are left out of it.
    """
    kernel = dict(environ)
    paths = [str(ROOT), kernel.get("PYTHONPATH", "")]
    kernel["PYTHONPATH"] = os.pathsep.join(dict.fromkeys(path for path in paths if path))
    kernel["MPLBACKEND"] = INLINE
    kernel["JUPYTER_PREFER_ENV_PATH"] = "1"
    BUILD.mkdir(exist_ok=True)  # else IPython warns and takes a folder elsewhere
    kernel["IPYTHONDIR"] = str(BUILD / "ipython")
    kernel["XL_PROGRESS_FILE"] = str(BUILD / "progress.json")
    kernel["XL_REUSE"] = "0"  # a notebook measures, and takes the time that it takes
    if kernel.get("XL_MODELS", "mini") == "mini":
        kernel["HF_HUB_OFFLINE"] = "1"
    return kernel
