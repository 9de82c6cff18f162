"""A learner's interpreter: a program in a process of its own, with caches of its own."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[2]
NOWHERE = "http://127.0.0.1:9"  # the discard port: nobody listens

PRELUDE = """
import json, sys
import xlhelpers as xl
from xlhelpers import datasets, hub
found = {}

def note(key, make):
    try:
        found[key] = make()
    except Exception as error:
        found[key] = f"{type(error).__name__}: {error}"
"""


@dataclass(frozen=True)
class Learner:
    """A place to run programs as a learner would: own caches, one hub, nothing else.

    Attributes:
        home: folder of the caches.
        endpoint: address of the hub.
    """

    home: Path
    endpoint: str

    def offline(self) -> Learner:
        """The same caches after the network has gone."""
        return Learner(self.home, NOWHERE)

    def environment(self, **environ: str) -> dict[str, str]:
        """The variables of such a process; what is named here goes first."""
        return {
            **os.environ,
            "PYTHONPATH": str(ROOT),
            "HF_ENDPOINT": self.endpoint,
            "HF_HOME": str(self.home / "hf"),
            "XL_CACHE": str(self.home / "xl"),
            "XL_MODELS": "hub",
            "XL_HUB_FILES": "none",
            "XL_DEVICE": "cpu",
            "XL_PROGRESS": "0",
            "HF_HUB_DISABLE_XET": "1",
            **environ,
        }

    def run(self, code: str, **environ: str) -> dict[str, Any]:
        """Run `code` in a fresh interpreter; return what it put into `found`, and its stderr."""
        env = self.environment(**environ)
        program = f"{PRELUDE}\n{code}\nprint(json.dumps(found))"
        done = subprocess.run(
            [sys.executable, "-c", program], env=env, capture_output=True, text=True, timeout=180
        )
        assert done.returncode == 0, done.stderr[-3000:]
        return dict(json.loads(done.stdout.splitlines()[-1]), stderr=done.stderr)
