"""Helpers of the multilingual NLP course.

    import xlhelpers as xl
    xl.setup()

Helpers are reached through their module (`xl.alignment.procrustes`), so that a reader
sees where a thing lives. Modules are imported on first use: importing the package alone
takes a few hundredths of a second and loads neither numpy nor torch.
"""

from __future__ import annotations

import importlib
import importlib.util
import sys
from types import ModuleType
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from xlhelpers._catching_up import Reached
    from xlhelpers.exercises import Progress

__version__ = "0.1.0"

# From the ground up; a module may import those before it, never those after it.
_MODULES = (
    "errors",
    "files",
    "net",
    "languages",
    "settings",
    "needs",
    "assets",
    "shelves",
    "hub",
    "checks",
    "embeddings",
    "alignment",
    "datasets",
    "prefetch",
    "mirror",
    "encoding",
    "tokenization",
    "pretraining",
    "finetuning",
    "transfer",
    "augmentation",
    "active_learning",
    "translation",
    "distillation",
    "serving",
    "claims",
    "plots",
    "widgets",
    "exercises",
    "glossary",
)

__all__ = ["__version__", "checkpoint", "progress", "setup", "use", *_MODULES]


def __getattr__(name: str) -> ModuleType:
    """Import `xlhelpers.<name>` the first time that someone asks for it."""
    if name in _MODULES and importlib.util.find_spec(f"{__name__}.{name}") is not None:
        return importlib.import_module(f"{__name__}.{name}")
    if name in _MODULES:
        raise AttributeError(f"xlhelpers.{name} is not part of version {__version__} yet")
    raise AttributeError(f"module 'xlhelpers' has no attribute {name!r}")


def __dir__() -> list[str]:
    built = [m for m in _MODULES if importlib.util.find_spec(f"{__name__}.{m}") is not None]
    return sorted({*globals(), *built})


def use(models: str) -> None:
    """Switch every cell below to the `"mini"` or the `"hub"` set of models and data.

    Raises:
        SettingsError: `models` is neither of the two.
    """
    from xlhelpers import settings

    settings.use(models)


def setup() -> None:
    """Print versions, model set and device, and a remedy for whatever is off."""
    from xlhelpers import settings

    settings.setup()


def checkpoint(
    notebook: str | int, section: str | int, namespace: dict[str, Any] | None = None
) -> Reached:
    """Run what a section of a notebook needs, and say what was run: for those who come late.

        xl.checkpoint("04", "5")

    All code cells before the section are run, in their order, where this is called; not the
    exercises, and nothing is shown of them. Names of yours that the notebook uses too are
    overwritten.

    Args:
        notebook: `"04"`, or its name.
        section: its number, or the beginning of its title.
        namespace: where the names go; the caller's own by default.

    Raises:
        NotebookError: there is no such notebook or section; the remedy lists them.
        CheckpointError: a cell stopped with an error.
    """
    from xlhelpers import _catching_up

    here = sys._getframe(1).f_globals if namespace is None else namespace
    return _catching_up.checkpoint(notebook, section, here)


def progress() -> Progress:
    """How far this learner has come, by notebook, and what is next; from the local file."""
    from xlhelpers import exercises

    return exercises.progress()
