"""Figures that are read from a file, calibration errors with intervals, and shares that are all."""

from __future__ import annotations

import numpy as np
import pytest

from xlhelpers.datasets import Labelled
from xlhelpers.serving import ServingError, agreement, calibration, measured


def test_measured_speeds_say_where_and_keep_their_order() -> None:
    found = measured("speed")
    assert "cores" in found.attrs["machine"] and "thread" in found.attrs["machine"]
    base = found[found["model"] == "base"].set_index("way")
    assert base["rate"].to_dict() == pytest.approx((base["texts"] / base["wall"]).to_dict())
    assert base.loc["ours-int8", "file_mb"] < 0.27 * base.loc["ours", "file_mb"]
    assert base.loc["ours", "rate"] > base.loc["maximum", "rate"]
    assert set(found["group"]) == {"bulk", "one"}
    assert found.notna().all(axis=None)


@pytest.mark.parametrize("name", ["", "sped", "../claims", "speed.csv"])
def test_figures_that_are_not_there(name: str) -> None:
    with pytest.raises(ServingError, match="choose among speed"):
        measured(name)


def test_an_error_of_calibration_has_an_interval_and_a_floor() -> None:
    rng = np.random.default_rng(3)
    sure = 0.4 + 0.6 * rng.random(400)
    honest = calibration.error_with_interval(sure, rng.random(400) < sure)
    boasting = calibration.error_with_interval(sure, rng.random(400) < sure - 0.3)
    for error in (honest, boasting):
        assert error.low <= error.value <= error.high and error.n == 400
    # Confidences that are right still have an error, of chance; others more than that.
    assert 0 < honest.floor < boasting.low
    again = [calibration.error_with_interval(sure, rng.random(400) < sure) for _ in range(10)]
    assert abs(np.mean([error.value for error in again]) - honest.floor) < 0.02
    assert abs(boasting.value - 0.3) < 0.06
    assert boasting.floor == honest.floor  # it does not look at the answers


def test_an_error_shrinks_to_its_floor_with_more_answers() -> None:
    rng = np.random.default_rng(4)
    floors = []
    for n in (100, 1600):
        sure = rng.random(n)
        floors.append(calibration.error_with_interval(sure, rng.random(n) < sure).floor)
    assert floors[1] < floors[0] / 3


def test_an_error_is_the_same_again_and_checks_what_it_is_given() -> None:
    sure, right = [0.9, 0.8, 0.7], [1, 0, 1]
    assert calibration.error_with_interval(sure, right) == calibration.error_with_interval(
        sure, right
    )
    with pytest.raises(ServingError, match="one for each"):
        calibration.error_with_interval(sure, right[:2])
    with pytest.raises(ServingError, match="resamples is 0"):
        calibration.error_with_interval(sure, right, resamples=0)


@pytest.mark.parametrize("rows", [50, 100, 200, 300, 500])
def test_full_agreement_lies_in_its_own_interval(rows: int) -> None:
    table = Labelled(
        ids=tuple(f"r{i}" for i in range(rows)),
        texts=tuple(f"text {i}" for i in range(rows)),
        labels=("a",) * rows,
        names=("a", "b"),
        held=("",) * rows,
        language="en",
        source="a test",
    )
    for other, share in (("a", 1.0), ("b", 0.0)):
        ways = {"one": lambda texts: ["a"] * len(texts), "other": lambda t, o=other: [o] * len(t)}
        row = agreement(ways, {"en": table}).iloc[0]
        assert row["low"] <= row["same"] == share <= row["high"]
