"""What the build commits for notebook 07: complete, and made as it says."""

from __future__ import annotations

from pathlib import Path

import pandas as pd
import pytest

from xlhelpers import settings, transfer, translation
from xlhelpers.build import translated as build


def test_every_way_is_committed_with_all_seeds() -> None:
    table = transfer.committed(build.NAME).summary()
    assert set(table.model) == {build.MODEL} and set(table.source) == {"en", *build.TARGETS}
    for task, ways in build.WAYS.items():
        of = table[table.task == task]
        assert {(s, t) for s, t in zip(of.strategy, of.target, strict=True)} == {
            (way, code) for way in ways for code in build.TARGETS
        }
    assert (table.runs == len(build.SEEDS)).all() and len(build.SEEDS) >= 3
    assert set(table.rows) == {200, 300}
    assert {"zero-shot", "supervised"} < set(table.strategy)
    transfer.committed(build.NAME).gain()  # all runs have a partner with the same rows


def test_the_costs_are_committed() -> None:
    table = translation.measured_costs()
    for code in build.COSTS_IN:
        of = table[table.target == code].set_index("strategy")
        assert tuple(of.index) == translation.APPROACHES
        # What is translated when it is asked takes longer, and more memory.
        assert of.ms["translate-test"] > of.ms["zero-shot"]
        assert of.mb["translate-test"] > of.mb["translate-train"] == of.mb["zero-shot"]
        assert of.translating["translate-train"] > of.translating["zero-shot"]


def test_the_step_writes_and_registers(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    found, paid = transfer.committed("costs"), pd.DataFrame({"strategy": ["zero-shot"], "ms": [1]})
    noted: dict[str, dict[str, str]] = {}
    monkeypatch.setattr(build, "runs", lambda: found)
    monkeypatch.setattr(build, "costs", lambda: paid)
    monkeypatch.setattr(
        build.assets, "register", lambda file, **more: noted.update({file.name: more})
    )
    monkeypatch.setattr(build.settings, "current", lambda: type("Now", (), {"data": tmp_path})())
    assert build.translated_step().startswith("8 runs")
    assert set(noted) == {"translation.csv.gz", "costs.csv"}
    assert all(m["origin"].endswith("build transfer/translation") for m in noted.values())
    assert (tmp_path / "translation" / "costs.csv").read_text() == "strategy,ms\nzero-shot,1\n"
    loaded = transfer.Results.load(tmp_path / "transfer" / "translation.csv.gz")
    assert loaded.summary().equals(found.summary())


def test_what_is_run(monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[tuple[object, ...]] = []
    found = transfer.committed("costs")

    def compare(*given: object, **how: object) -> transfer.Results:
        asked.append((*given, how["strategies"]))
        return found

    def costs(*given: object) -> pd.DataFrame:
        asked.append((*given, settings.current().threads))
        return pd.DataFrame({"ms": [1.23456]}, index=pd.Index(["zero-shot"], name="strategy"))

    monkeypatch.setattr(build.translation, "compare", compare)
    monkeypatch.setattr(build.translation, "costs", costs)
    settings.use(threads=2)
    assert len(build.runs()) == len(found)
    table = build.costs()
    assert list(table.target) == list(build.COSTS_IN) and list(table.ms) == [1.235] * len(
        build.COSTS_IN
    )
    assert settings.current().threads == 2
    targets = ("de", "zh", "sw")
    assert asked[:2] == [
        ("InfoXLM", "polarity", "en", targets, translation.APPROACHES),
        ("InfoXLM", "ner", "en", targets, build.WAYS["ner"]),
    ]
    assert asked[2:] == [("InfoXLM", "polarity", "en", code, 1) for code in build.COSTS_IN]
