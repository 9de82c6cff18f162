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
from types import ModuleType

__version__ = "0.1.0"

# From the ground up; a module may import those before it, never those after it.
_MODULES = (
    "errors",
    "files",
    "net",
    "languages",
    "settings",
    "assets",
    "hub",
    "checks",
    "embeddings",
    "alignment",
    "datasets",
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
)

__all__ = ["__version__", "setup", "use", *_MODULES]


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
