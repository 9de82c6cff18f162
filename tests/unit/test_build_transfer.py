"""What the build commits for notebooks 04 and 05: complete, and made as it says."""

from __future__ import annotations

import pytest

from xlhelpers import assets, datasets, transfer
from xlhelpers.build import heads, models, translated
from xlhelpers.build import transfer as build
from xlhelpers.build.corpus import CorpusError, sets


def test_every_experiment_is_committed() -> None:
    names = {n.split("/")[1] for n in assets.manifest() if n.startswith("transfer/")}
    assert names == {
        f"{name}.csv.gz" for name in (*build.EXPERIMENTS, "adaptation", translated.NAME)
    }
    for name in set(build.EXPERIMENTS) - {"split"}:  # which has test sets of its own
        assert set(transfer.committed(name).runs.rows) <= {200, 300}


def test_the_matrix_has_all_languages() -> None:
    found = transfer.committed("matrix")
    for task in ("polarity", "ner"):
        table = found.where(task=task).matrix()
        assert tuple(table.index) == tuple(table.columns) == build.BY_FAMILY
        assert table.notna().all().all()
        shares = found.where(task=task).percent_of_supervised("en")
        assert set(shares.target) == set(build.BY_FAMILY) - {"en"}
    assert set(build.BY_FAMILY) == set(datasets.available("ner"))


def test_the_curves_have_many_draws() -> None:
    table = transfer.committed("curves").summary()
    few = table[table.shots > 0]
    assert set(few.shots) == {5, 10, 25, 50, 100, 250}
    assert (few.runs == build.DRAWS).all() and build.DRAWS >= 10
    assert {"supervised", "majority", "n-grams"} <= set(table.strategy)
    ways = transfer.committed("strategies").summary()
    assert set(transfer.STRATEGIES) <= set(ways.strategy)
    assert list(dict.fromkeys(transfer.committed("rates").runs.model)) == [
        f"{rate:g}" for rate in build.RATES
    ]


def test_a_step_writes_and_registers(tmp_path: object, monkeypatch: pytest.MonkeyPatch) -> None:
    found = transfer.committed("costs")
    noted: list[dict[str, str]] = []

    def costs() -> transfer.Results:
        """Return nothing new."""
        return found

    monkeypatch.setattr(build, "EXPERIMENTS", {"costs": costs})
    monkeypatch.setattr(build.assets, "register", lambda file, **more: noted.append(more))
    monkeypatch.setattr(build.settings, "current", lambda: type("Now", (), {"data": tmp_path})())
    assert build.transfer_step("costs").startswith("8 runs")
    assert noted[0]["note"] == "nothing new"
    [file] = list((tmp_path / "transfer").iterdir())  # type: ignore[operator]
    assert transfer.Results.load(file).summary().equals(found.summary())


def test_more_pairs_are_balanced_and_new(monkeypatch: pytest.MonkeyPatch) -> None:
    world, grammars = models.world_and_grammars(["en"])
    rows = sets.more_inference(world, grammars["en"], "en", 60, seed=0)
    assert rows == sets.more_inference(world, grammars["en"], "en", 60, seed=0)
    assert rows != sets.more_inference(world, grammars["en"], "en", 60, seed=1)
    labels = [row["label"] for row in rows]
    assert {label: labels.count(label) for label in labels} == dict.fromkeys(labels, 20)
    monkeypatch.setattr(heads, "PAIRS", 60)
    assert len(heads.pairs()) == 60
    test = datasets.nli("en", "test")
    leak = {"premise": test.premises[3], "hypothesis": test.hypotheses[3], "label": "neutral"}
    monkeypatch.setattr(sets, "more_inference", lambda *_: [*rows, leak])
    with pytest.raises(CorpusError, match="1 pairs leak"):
        heads.pairs()
