"""Counting by language, alarms at a known rate, Prometheus's format, and the dashboard."""

from __future__ import annotations

import json
import math
import threading
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from html.parser import HTMLParser
from typing import Any

import numpy as np
import pytest

from xlhelpers.alignment.evaluation import wilson
from xlhelpers.languages import UnknownLanguageError
from xlhelpers.serving import drift
from xlhelpers.serving._errors import ServingError
from xlhelpers.serving.dashboard import Dashboard
from xlhelpers.serving.identification import Detection
from xlhelpers.serving.monitoring import ALL, Monitor
from xlhelpers.serving.routing import Routed

LABELS = ("negative", "neutral", "positive")


@dataclass(frozen=True)
class Said:
    """An answer."""

    label: str | None
    confidence: float | None
    language: str | None = "de"
    route: str = "general"
    below_threshold: bool = False
    model_hash: str = "0123456789abcdef"


def stream(
    rng: np.random.Generator,
    n: int,
    language: str = "de",
    a: float = 8.0,
    b: float = 2.0,
    shares: tuple[float, float, float] = (0.35, 0.25, 0.4),
) -> Iterator[Said]:
    """Answers with confidences of Beta(a, b) and labels drawn independently of them."""
    labels = rng.choice(LABELS, n, p=shares)
    for label, confidence in zip(labels, rng.beta(a, b, n), strict=True):
        yield Said(str(label), float(confidence), language)


# ── tests of change ──────────────────────────────────────────────────────────────────────


def test_false_alarms_come_as_often_as_the_level_says() -> None:
    """2,000 windows without a change: at 1 % between 0.5 and 1.6 % fire, and PSI > 0.1 often."""
    rng = np.random.default_rng(1)
    p: dict[str, list[float]] = {"confidence": [], "labels": [], "agreement": []}
    sizes = []
    for _ in range(2000):
        found = drift.confidences(rng.beta(8, 2, 200), rng.beta(8, 2, 500))
        p["confidence"].append(found.p)
        sizes.append(found.psi)
        new, old = (dict(enumerate(rng.multinomial(n, (0.35, 0.25, 0.4)))) for n in (200, 500))
        p["labels"].append(drift.counts(new, old).p)
        right, before = rng.binomial(200, 0.85), rng.binomial(500, 0.85)
        p["agreement"].append(drift.agreement(right, 200, before, 500).p)
    for signal, values in p.items():
        share = np.mean(np.array(values) < 0.01)
        assert (0.002 if signal == "agreement" else 0.005) < share < 0.016, signal
    # What the rule of thumb would do with windows of this size, and why.
    assert 0.07 < np.mean(np.array(sizes) > 0.1) < 0.14
    assert np.mean(sizes) == pytest.approx(9 * (1 / 200 + 1 / 500), rel=0.05)


def test_streams_without_a_change_stay_quiet() -> None:
    """200 streams of 10 windows with two languages: at the usual level at most a few fire."""
    rng = np.random.default_rng(2)
    fired = 0
    for _ in range(200):
        monitor = Monitor(reference=100, window=50, languages=("de", "sw"))
        for language in ("de", "sw"):
            for said in stream(rng, 350, language):
                monitor.observe(said, 0.01)
        # The languages came one after the other here, which is a change of their mix.
        fired += any(alarm.signal != "languages" for alarm in monitor.alarms)
    assert wilson(fired, 200)[0] < 0.001, fired


@pytest.mark.parametrize(
    ("shift", "signal"),
    [
        ({"a": 6.0, "b": 4.0}, "confidence"),
        ({"shares": (0.65, 0.2, 0.15)}, "labels"),
    ],
)
def test_a_planted_shift_fires_and_is_named(shift: dict[str, Any], signal: str) -> None:
    """In 40 streams of 40, at the usual sizes; the language that did not change stays quiet."""
    rng = np.random.default_rng(3)
    for _ in range(40):
        monitor = Monitor()
        for said in (*stream(rng, 700), *stream(rng, 700, "sw")):
            monitor.observe(said, 0.01)
        assert not [one for one in monitor.alarms if one.signal != "languages"]
        alarms = [
            alarm for said in stream(rng, 200, "sw", **shift) for alarm in monitor.observe(said, 0)
        ]
        named = [(one.language, one.signal) for one in alarms if one.signal != "languages"]
        assert ("sw", signal) in named and not [one for one in named if one[0] == "de"]
        assert ("sw", signal) in monitor.active
        assert "sw: " in str(alarms[0]) or alarms[0].language == ALL


def test_an_alarm_ends_when_a_window_is_as_the_reference() -> None:
    rng = np.random.default_rng(4)
    monitor = Monitor(reference=200, window=100)
    for a in (8, 8, 8, 3, 8, 8):
        for said in stream(rng, 100, a=a):
            monitor.observe(said, 0.01)
    assert [(one.signal, one.round) for one in monitor.alarms] == [("confidence", 2)]
    assert monitor.active == []
    assert [fired for _, fired in monitor.past("de", "confidence")] == [False, True, False, False]


def test_a_change_of_the_mix_of_languages_fires() -> None:
    rng = np.random.default_rng(5)
    monitor = Monitor(reference=200, window=100)
    for i in range(400):
        [said] = stream(rng, 1, "de" if i < 300 and i % 10 else "sw")
        monitor.observe(said, 0.01)
    assert [(one.language, one.signal) for one in monitor.alarms] == [(ALL, "languages")]


def test_a_reference_can_be_given() -> None:
    rng = np.random.default_rng(6)
    monitor = Monitor(window=100)
    monitor.set_reference(stream(rng, 300))
    for said in stream(rng, 100, a=3):  # bad from the first answer on
        monitor.observe(said, 0.01)
    assert ("de", "confidence") in monitor.active
    with pytest.raises(ServingError, match="20 answers in sw"):
        monitor.set_reference(stream(rng, 20, "sw"))


def test_a_new_reference_ends_what_the_old_one_said() -> None:
    rng = np.random.default_rng(11)
    monitor = Monitor(reference=100, window=100)
    for said in (*stream(rng, 100), *stream(rng, 100, a=3)):
        monitor.observe(said, 0.01)
    gauges = ("drift_alarm", "drift_distance", "drift_psi")
    lines = [f'xlhelpers_{one}{{language="de",signal="confidence"}} 0.0' for one in gauges]
    assert monitor.active == [("de", "confidence")]
    assert not set(lines) & set(monitor.prometheus().decode().splitlines())
    monitor.set_reference(stream(rng, 300, a=3))
    assert monitor.active == []
    assert set(lines) <= set(monitor.prometheus().decode().splitlines())


def test_a_reference_that_is_refused_replaces_none() -> None:
    rng = np.random.default_rng(12)
    monitor = Monitor(window=100)
    monitor.set_reference(stream(rng, 300))
    with pytest.raises(ServingError, match="confidence is 7"):
        monitor.set_reference([*stream(rng, 300, a=3), *[Said("a", 7.0, "sw")] * 60])
    for said in stream(rng, 100):
        monitor.observe(said, 0.01)
    assert monitor.past("de", "confidence")[0][1] is False


def test_later_labels_are_counted_and_a_loss_fires() -> None:
    rng = np.random.default_rng(7)
    monitor = Monitor(reference=200, window=100)
    for i, said in enumerate(stream(rng, 400)):
        monitor.observe(said, 0.01, id=f"t{i}")
        wrong = i >= 300 and i % 2 or i % 10 == 0
        assert monitor.label(f"t{i}", "else" if wrong else str(said.label))
    assert [(one.signal, one.round) for one in monitor.alarms] == [("agreement", 2)]
    row = monitor.frame().loc["de"]
    right = 400 - 30 - sum(i % 2 or i % 10 == 0 for i in range(300, 400))
    assert row["agreement"] == right / 400
    assert (row["low"], row["high"]) == pytest.approx(wilson(right, 400))
    assert not monitor.label("never asked", "negative")
    assert not monitor.label("t0", "negative")  # once is enough
    assert monitor.frame().loc["de", "labelled"] == 400


def test_a_rise_of_agreement_is_no_alarm() -> None:
    assert drift.agreement(200, 200, 300, 500).p == pytest.approx(1.0)
    assert drift.agreement(100, 200, 425, 500).p < 1e-10


def test_labels_that_nobody_had_seen_are_a_change() -> None:
    found = drift.counts(Counter({"new": 100}), Counter({"old": 300}))
    assert found.p < 1e-20 and found.statistic == 1.0 and math.isfinite(found.psi)
    assert drift.counts({"only": 50}, {"only": 500}).p == 1.0
    rare = drift.counts({"a": 196, "b": 2, "c": 2}, {"a": 490, "b": 5, "c": 5})
    assert rare.p > 0.5


def test_comparisons_refuse_what_cannot_be_compared() -> None:
    for bad in ([], [0.5, float("nan")]):
        with pytest.raises(ServingError, match="cannot be compared"):
            drift.confidences(bad, [0.5])
    with pytest.raises(ServingError, match="nothing to compare"):
        drift.counts({}, {"a": 1})
    with pytest.raises(ServingError, match="no share"):
        drift.agreement(3, 2, 1, 2)
    with pytest.raises(ServingError, match="same bins"):
        drift.psi([1, 2], [1, 2, 3])
    assert drift.psi([10, 20], [10, 20]) == 0


# ── counting ─────────────────────────────────────────────────────────────────────────────


def test_counts_by_language_and_percentiles_of_latency() -> None:
    monitor = Monitor(languages=("de", "sw"))
    for i in range(1, 101):
        monitor.observe(Said("positive", 0.5 if i % 2 else 0.7, "de"), i / 1000)
    monitor.observe(Said("positive", 0.9, "fr", below_threshold=True), 1.0)
    monitor.observe(Said("positive", 0.9, None), 2.0)
    monitor.observe(Said("positive", 0.9, "<script>"), 3.0)
    frame = monitor.frame()
    assert list(frame.index) == ["de", "other", "unknown"]
    german = frame.loc["de"]
    assert (german["p50"], german["p95"], german["p99"]) == (0.05, 0.095, 0.099)
    assert german["confidence"] == pytest.approx(0.6) and german["answers"] == 100
    assert frame.loc["other", ["answers", "below"]].tolist() == [2, 1]
    assert math.isnan(german["agreement"])
    for i in range(1, 1001):  # of latencies the last 1,000 are known
        monitor.observe(Said("positive", 0.5, "de"), float(i))
    assert monitor.frame().loc["de", ["p50", "p99"]].tolist() == [500, 990]


def test_refusals_of_a_router_are_counted_by_reason() -> None:
    monitor = Monitor()
    refused = Routed(0, None, Detection(None, "unserved", "sw", 0.9, 1.0), "refused")
    answered = Routed(1, Said("positive", 0.8), Detection("de", "accepted", "de", 0.9), "german")
    monitor.observe(refused, 0.001)
    monitor.observe(answered, 0.02)
    frame = monitor.frame()
    assert frame.loc["unknown", ["answers", "refused"]].tolist() == [0, 1]
    assert frame.loc["de", ["answers", "refused"]].tolist() == [1, 0]
    text = monitor.prometheus().decode()
    assert 'xlhelpers_refused_total{language="unknown",verdict="unserved"} 1.0' in text
    assert 'route="german"' in text


def test_nothing_grows_without_bound() -> None:
    monitor = Monitor(keep=100)
    for i in range(3000):
        said = Said(f"label {i}", 0.5, f"x{i}", route=f"r{i}", model_hash=f"{i:012d}")
        monitor.observe(said, 0.01, id=str(i))
    assert len(monitor._waiting) == 100
    assert monitor.label("2999", "x") and not monitor.label("0", "x")
    assert len(monitor.frame()) == 1
    names = {line.split("{")[1] for line in monitor.prometheus().decode().splitlines()
             if line.startswith("xlhelpers_answers_total{")}  # fmt: skip
    assert 50 <= len(names) <= 51 * 51


def test_threads_lose_no_count() -> None:
    monitor = Monitor(window=50, reference=50)
    rng = np.random.default_rng(8)
    said = [list(stream(rng, 500)) for _ in range(8)]
    threads = [
        threading.Thread(target=lambda rows=rows: [monitor.observe(one, 0.01) for one in rows])
        for rows in said
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert monitor.frame().loc["de", "answers"] == 4000
    assert len(monitor.past("de", "confidence")) == 60
    assert monitor.drift().query("signal == 'confidence'")["round"].tolist() == [79]


def test_wrong_input_is_refused() -> None:
    for wrong in ({"window": 10}, {"reference": 0}, {"keep": 0}, {"false_alarm": 0.0},
                  {"false_alarm": 1.0}, {"window": True}):  # fmt: skip
        with pytest.raises(ServingError, match="choose"):
            Monitor(**wrong)
    with pytest.raises(UnknownLanguageError):
        Monitor(languages=("xx",))
    monitor = Monitor()
    for seconds in (-1.0, float("nan"), float("inf")):
        with pytest.raises(ServingError, match="latency"):
            monitor.observe(Said("a", 0.5), seconds)
    for confidence in (None, -0.1, 1.5, float("nan")):
        with pytest.raises(ServingError, match="confidence"):
            monitor.observe(Said("a", confidence), 0.1)
    with pytest.raises(ServingError, match="an id is 17"):
        monitor.observe(Said("a", 0.5), 0.1, id=17)  # type: ignore[arg-type]
    assert monitor.frame().empty


# ── Prometheus ───────────────────────────────────────────────────────────────────────────


def test_the_export_is_what_prometheus_reads() -> None:
    """Read back with the client's own parser; counters, histograms and gauges agree."""
    from prometheus_client.parser import text_string_to_metric_families

    rng = np.random.default_rng(9)
    monitor = Monitor(reference=100, window=100)
    for said in (*stream(rng, 200), *stream(rng, 100, a=3)):
        monitor.observe(said, 0.02)
    families = {
        one.name: one for one in text_string_to_metric_families(monitor.prometheus().decode())
    }
    answers = families["xlhelpers_answers"].samples
    assert sum(s.value for s in answers if s.name.endswith("_total")) == 300
    counted = [
        s for s in families["xlhelpers_latency_seconds"].samples if s.name.endswith("_count")
    ]
    assert [(s.labels["language"], s.value) for s in counted] == [("de", 300)]
    buckets = {
        s.labels["le"]: s.value
        for s in families["xlhelpers_latency_seconds"].samples
        if s.name.endswith("_bucket")
    }
    assert buckets["0.01"] == 0 and buckets["0.025"] == 300
    alarm = {s.labels["signal"]: s.value for s in families["xlhelpers_drift_alarm"].samples}
    assert alarm["confidence"] == 1 and alarm["labels"] == 0
    fired = [s for s in families["xlhelpers_drift_alarms"].samples if s.name.endswith("_total")]
    assert [(s.labels["signal"], s.value) for s in fired] == [("confidence", 1)]
    assert monitor.content_type.startswith("text/plain")


def test_monitors_share_a_registry_only_under_other_names() -> None:
    first = Monitor()
    with pytest.raises(ServingError, match="of its own"):
        Monitor(registry=first.registry)
    second = Monitor(registry=first.registry, prefix="other")
    second.observe(Said("a", 0.5), 0.1)
    assert b"other_answers_total" in first.prometheus()
    Monitor()  # a registry of its own, each


# ── dashboard ────────────────────────────────────────────────────────────────────────────


class Tags(HTMLParser):
    """Which tags are there, and whether all are closed."""

    def __init__(self) -> None:
        super().__init__()
        self.open: list[str] = []
        self.seen: Counter[str] = Counter()

    def handle_starttag(self, tag: str, attrs: Any) -> None:
        self.open.append(tag)
        self.seen[tag] += 1

    def handle_startendtag(self, tag: str, attrs: Any) -> None:
        self.seen[tag] += 1

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag


def watched(seed: int = 10) -> Monitor:
    """A monitor with a language that has changed, refusals, and labels."""
    rng = np.random.default_rng(seed)
    monitor = Monitor(reference=100, window=100)
    for i, said in enumerate([*stream(rng, 300), *stream(rng, 200, "sw"),
                              *stream(rng, 100, "sw", a=3)]):  # fmt: skip
        monitor.observe(said, 0.02, id=str(i))
    for i in range(50):
        monitor.label(str(i), "negative")
    monitor.observe(Said(None, None, None), 0.001)
    return monitor


def test_the_page_says_what_has_changed_and_is_sound_html() -> None:
    monitor = watched()
    for signal in ("confidence", "labels", "agreement"):
        page = Dashboard(monitor).page(signal)
        tags = Tags()
        tags.feed(page)
        assert not tags.open
        assert tags.seen["tr"] == 1 + 3 + 1 and tags.seen["script"] == 0
        assert f"{signal}, by window" in page
    page = Dashboard(monitor).page()
    assert "Swahili (confidence)" in page and "! confidence" in page
    assert 'aria-label="Swahili, confidence: 2 windows, 1 fired' in page
    # All languages: of 100 answers in German three times, then Swahili three times.
    assert 'aria-label="mix of languages: 5 windows, 3 fired, last 1.00' in page
    assert "! languages" in page and "all: languages moved by 1.00 in window 5" in page
    assert "nothing" not in page.lower()
    with pytest.raises(ServingError, match="choose confidence, labels, agreement"):
        Dashboard(monitor).page("languages")


def test_the_page_says_no_only_where_a_window_was_tested() -> None:
    rng = np.random.default_rng(3)
    monitor = Monitor(reference=50, window=50)
    for said in [*stream(rng, 110), *stream(rng, 60, "sw")]:
        monitor.observe(said, 0.1)
    rows = Dashboard(monitor).page().split("<tr>")
    assert [row.count(">no<") for row in rows[2:]] == [1, 0, 0]
    # Of Swahili 50 are the reference, and 10 are no window.
    assert [row.count("–") for row in rows[2:]] == [1, 3, 0]
    assert "! languages" in rows[4]


def test_the_page_stays_narrow_however_long_it_has_run() -> None:
    rng = np.random.default_rng(4)
    monitor = Monitor(reference=50, window=50, false_alarm=0.5)
    for said in stream(rng, 4000):
        monitor.observe(said, 0.1)
    page = Dashboard(monitor).page()
    assert page.count('width="100"') == 2 and "20 windows" in page
    assert page.count("<li>") == 5 and f"<p>{len(monitor.alarms)} alarms" in page


def test_a_reference_counts_labels_as_windows_do() -> None:
    """More labels than are told apart: what is "other" in a window has to be in a reference."""
    monitor = Monitor(reference=50, window=200)
    many = [Said(f"label {i % 100}", 0.5) for i in range(400)]
    monitor.set_reference(many)
    for said in many:
        monitor.observe(said, 0.1)
    assert monitor.past("de", "labels") == [(0.0, False), (0.0, False)]
    with pytest.raises(ServingError, match="confidence is 7"):
        monitor.set_reference([Said("a", 7.0)] * 60)


def test_what_users_send_is_escaped() -> None:
    monitor = Monitor(reference=50, window=50)
    for _ in range(60):
        monitor.observe(Said("<img src=x onerror=alert(1)>", 0.5, "<b>"), 0.1)
    assert "<img" not in Dashboard(monitor).page() and "<b>" not in Dashboard(monitor).page()


def test_a_plain_page_stands_in_where_there_is_no_front_end(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monitor = watched()
    shown = monitor.show()
    assert shown.widget is None and "Swahili" in repr(shown)
    assert shown._repr_mimebundle_()["text/html"] == Dashboard(monitor).page()
    assert "Nothing has been answered" in Monitor().show().page

    monkeypatch.setattr("xlhelpers.serving.dashboard.has_front_end", lambda: True)
    widget = monitor.show().widget
    (again, menu), page = widget.children[0].children, widget.children[1]
    before = page.value
    monitor.observe(Said("positive", 0.5, "fr"), 0.1)
    again.click()
    assert "French" in page.value and "French" not in before
    menu.value = "labels"
    assert "labels, by window" in page.value


def test_what_is_shown_can_be_written_down() -> None:
    monitor = watched()
    json.loads(monitor.frame().to_json())
    table = monitor.drift()
    assert set(table["signal"]) >= {"confidence", "labels", "languages"}
    assert (table["alarm"] == (table["p"] < table["level"])).all()
