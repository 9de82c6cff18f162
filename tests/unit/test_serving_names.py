"""Names are where the notebooks look for them, and nothing heavy comes with the package."""

from __future__ import annotations

import importlib
import subprocess
import sys
from typing import Any

import pytest

import xlhelpers as xl
from xlhelpers import serving

# As notebook 08 and the README write them.
WRITTEN = """
MultilingualClassifier.load MultilingualNER.load bulk calibration_error calibration.fit
batching.in_order batching.by_group batching.by_tokens batching.padding
LanguageIdentifier LanguageRouter Route identification.identifiable
Monitor Dashboard drift.confidences drift.psi
onnx.export onnx.quantise OnnxBackend prune pruning.pruned_model Pruned
agreement bytes_by_part sizes size.smaller size.shape_of size.PUBLISHED
backend TorchBackend without_overlaps
""".split()


def reached(start: Any, path: str) -> Any:
    for part in path.split("."):
        start = getattr(start, part)
    return start


@pytest.mark.parametrize("path", WRITTEN)
def test_a_name_is_reached_as_it_is_written(path: str) -> None:
    assert reached(xl.serving, path) is not None


def test_distillation_stands_between_translation_and_serving() -> None:
    order = xl._MODULES
    assert order.index("translation") < order.index("distillation") < order.index("serving")
    for name in xl.distillation.__all__:
        assert hasattr(xl.distillation, name)


def test_names_stand_once_and_lead_to_the_module_that_has_them() -> None:
    assert len(set(serving.__all__)) == len(serving.__all__)
    assert set(serving.__all__) <= set(dir(serving))
    for name in serving.__all__:
        found = getattr(serving, name)
        home = getattr(found, "__module__", None) or found.__name__
        assert home.startswith("xlhelpers.serving"), name
    for name, module in serving._LATER.items():
        assert getattr(serving, name).__module__ == f"xlhelpers.serving.{module}", name
    for name in set(dir(serving)) - set(serving.__all__):
        assert getattr(serving, name) is importlib.import_module(f"xlhelpers.serving.{name}")


def test_what_a_module_calls_public_is_there() -> None:
    for name in ("comparison", "onnx", "pruning", "size"):
        module = getattr(serving, name)
        assert all(hasattr(module, one) for one in module.__all__)


def test_an_unknown_name_is_no_attribute() -> None:
    with pytest.raises(AttributeError, match="'classify'"):
        reached(serving, "classify")


def test_packages_of_parts_wait_for_the_parts() -> None:
    code = "import sys, xlhelpers as xl; dir(xl.serving); print(*sys.modules)"
    said = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    loaded = said.stdout.split()
    heavy = {"lingua", "onnx", "onnxruntime", "prometheus_client", "ray", "transformers"}
    assert "xlhelpers.serving.bulk" in loaded and not heavy & set(loaded)
