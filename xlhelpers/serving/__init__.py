"""A trained multilingual model as a service: answers that can be relied on, and that scale.

    served = xl.serving.MultilingualClassifier.load("NLI")
    served.classify([("A dog runs.", "An animal moves.")], ["en"])[0].json()
    xl.serving.bulk(served, "texts.jsonl", "answers.jsonl")

`MultilingualClassifier` and `MultilingualNER` answer texts of any length with calibrated
confidence, `bulk` answers files. `LanguageRouter` sends each text where it is answered best,
`Monitor` notices when texts or answers change; `onnx` and `pruning` make models smaller and
faster, and `app` puts all of it behind HTTP with Ray Serve.
"""

from __future__ import annotations

import importlib
import importlib.util
from typing import Any

from xlhelpers.serving import batching, calibration
from xlhelpers.serving._errors import ServingError
from xlhelpers.serving.backends import Backend, TorchBackend, backend
from xlhelpers.serving.bulk import Report, bulk
from xlhelpers.serving.calibration import Calibration, calibration_error
from xlhelpers.serving.classifier import Answer, MultilingualClassifier
from xlhelpers.serving.ner import Entities, MultilingualNER, Span, without_overlaps

# Where the rest is: imported when asked for, since some of it needs packages of its own.
_LATER = {
    "Alarm": "monitoring",
    "Dashboard": "dashboard",
    "Detection": "identification",
    "LanguageIdentifier": "identification",
    "LanguageRouter": "routing",
    "Monitor": "monitoring",
    "OnnxBackend": "onnx",
    "Pruned": "pruning",
    "Route": "routing",
    "Routed": "routing",
    "agreement": "comparison",
    "bytes_by_part": "size",
    "measured": "figures",
    "prune": "pruning",
    "sizes": "size",
}
_MODULES = ("app", "drift", *sorted(set(_LATER.values())))

__all__ = [
    "Answer",
    "Backend",
    "Calibration",
    "Entities",
    "MultilingualClassifier",
    "MultilingualNER",
    "Report",
    "ServingError",
    "Span",
    "TorchBackend",
    "backend",
    "batching",
    "bulk",
    "calibration",
    "calibration_error",
    "without_overlaps",
    *_LATER,
]


def __getattr__(name: str) -> Any:
    """Import a part of the package the first time that someone asks for it."""
    module = _LATER.get(name, name)
    if module not in _built():
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    found = importlib.import_module(f"{__name__}.{module}")
    return getattr(found, name) if name in _LATER else found


def __dir__() -> list[str]:
    return sorted({*__all__, *_built()})


def _built() -> list[str]:
    return [m for m in _MODULES if importlib.util.find_spec(f"{__name__}.{m}") is not None]
