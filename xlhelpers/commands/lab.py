"""`course.py lab`: JupyterLab on the notebooks, in this environment."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path

from xlhelpers.commands import ROOT

# Holds labconfig/: defaults below the user's own settings, so nothing of his is touched.
SETTINGS = Path(__file__).resolve().parent / "jupyter"


def command(argv: Sequence[str], superuser: bool) -> list[str]:
    """The command line of JupyterLab; what the user writes comes last and so wins."""
    line = [sys.executable, "-m", "jupyterlab", f"--ServerApp.root_dir={ROOT}"]
    if not any(argument.endswith(".ipynb") for argument in argv):
        line.append("--LabApp.default_url=/lab/tree/notebooks")
    if superuser:
        line.append("--allow-root")
    return [*line, *argv]


def environment(environ: Mapping[str, str]) -> dict[str, str]:
    """Variables for JupyterLab: no news pop-up, this environment's kernel, inline figures."""
    lab = dict(environ)
    paths = [str(SETTINGS), lab.get("JUPYTER_CONFIG_PATH", "")]
    lab["JUPYTER_CONFIG_PATH"] = os.pathsep.join(path for path in paths if path)
    lab["JUPYTER_PREFER_ENV_PATH"] = "1"
    lab.pop("MPLBACKEND", None)
    return lab


def main(argv: Sequence[str]) -> int:
    """Run JupyterLab until it ends; its exit status."""
    superuser = hasattr(os, "geteuid") and os.geteuid() == 0
    line, variables = command(argv, superuser), environment(os.environ)
    sys.stdout.flush()
    if os.name != "nt":
        os.execve(line[0], line, variables)
    try:
        return subprocess.run(line, env=variables, check=False).returncode
    except KeyboardInterrupt:
        return 0
