"""What the build commits on augmentation and active learning: complete, and made as it says."""

from __future__ import annotations

import pytest

from xlhelpers import augmentation, datasets, transfer
from xlhelpers.build import lowresource as build
from xlhelpers.build.lowresource import AFTER, BEFORE


def test_every_way_of_augmenting_is_committed() -> None:
    table = transfer.committed("augmentation").summary()
    for task, ways in build.WAYS.items():
        here = table[table.task == task]
        assert set(here.strategy) == set(ways)
        assert set(here.shots) == set(build.ROWS)
        assert (here.runs == build.DRAWS).all() and build.DRAWS >= 10
    gains = transfer.committed("augmentation").gain("none")
    assert (gains.low <= gains.gain).all() and (gains.gain <= gains.high).all()


def test_the_split_is_committed_with_its_leak() -> None:
    found = transfer.committed("split")
    table = found.summary().set_index("strategy")
    tests = {f"{order}: {name}" for order in (BEFORE, AFTER) for name in ("own test", "real test")}
    assert set(table.index) == tests and (table.runs == build.SPLITS).all()
    # What was measured before the split does not hold on the real test; what came after does.
    assert table.low[f"{BEFORE}: own test"] > table.high[f"{BEFORE}: real test"]
    own, real = (table.loc[f"{AFTER}: {name}"] for name in ("own test", "real test"))
    assert own.low < real.score < own.high


def test_every_way_of_choosing_is_committed() -> None:
    table = transfer.committed("active").summary()
    assert set(table.task) == set(build.CHOSEN)
    for task, (language, strategies, budgets) in build.CHOSEN.items():
        here = table[table.task == task]
        assert set(here.target) == {language} and set(here.strategy) == set(strategies)
        assert set(here.shots) == set(budgets)
        assert (here.runs == build.REPEATS).all() and build.REPEATS >= 10
        # All begin with the same rows.
        assert here[here.shots == budgets[0]].score.nunique() == 1


def test_larger_draws_hold_smaller_ones() -> None:
    rows = datasets.sentiment("sw")
    assert build.drawn(rows, 50, 3).ids[:20] == build.drawn(rows, 20, 3).ids
    assert build.drawn(rows, 50, 3).ids != build.drawn(rows, 50, 4).ids


def test_copies_cross_the_split_in_one_order_only() -> None:
    few = build.drawn(datasets.sentiment("sw"), 50, 0)
    train, test = build.parts(few, BEFORE, 0)
    assert len(train) + len(test) == 150 and len(test) == 30
    shared = [near for near in augmentation.near_copies(train, test) if near.of_one_row]
    # A test row has two copies, each in training four times in five: 29 of 30 are expected.
    assert len(shared) > 20
    train, test = build.parts(few, AFTER, 0)
    assert len(train) == 40 * 3 and len(test) == 10
    assert not {augmentation.origin(id_) for id_ in train.ids} & set(test.ids)


def test_ways_need_what_they_need(monkeypatch: pytest.MonkeyPatch) -> None:
    few = build.drawn(datasets.sentiment("sw"), 10, 0)
    told = augmentation.audit(build.more_of(few, "dictionary", 0))
    assert told.copies == 20 and told.new >= 15

    class Says:
        def __init__(self, before: str) -> None:
            self.before = before

        def translate(self, texts: list[str]) -> list[str]:
            return [self.before + text for text in texts]

    pairs = [(Says("a "), Says("b ")), (Says("c "), Says("d "))]
    monkeypatch.setattr(build, "_translators", lambda language: pairs)
    found = build.more_of(few, "back-translation", 0)
    assert isinstance(few, datasets.Labelled) and isinstance(found, datasets.Labelled)
    assert found.texts[1] == f"b a {few.texts[0]}" and found.texts[2] == f"d c {few.texts[0]}"
