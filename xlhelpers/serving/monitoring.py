"""What a service does, language by language, and an alarm when that changes.

    monitor = xl.serving.Monitor()
    for routed in router.classify(texts):
        monitor.observe(routed, seconds=0.02, id="order 17")
    monitor.label("order 17", "negative")     # when someone has looked
    monitor.alarms                            # what has changed
    monitor.prometheus()                      # for whoever collects it

An average over all traffic is an average over its most frequent language: a language of 2 % can
fall to chance without a mark on it. Texts are never kept; what is kept is bounded.
"""

from __future__ import annotations

import threading
from collections import Counter, OrderedDict, deque
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np

from xlhelpers import languages as cards
from xlhelpers.alignment.evaluation import wilson
from xlhelpers.serving import drift
from xlhelpers.serving._errors import ServingError
from xlhelpers.serving.drift import Comparison

if TYPE_CHECKING:
    import pandas as pd

# What a text counts under whose language is not known, or has no card.
UNKNOWN, OTHER = "unknown", "other"
# All languages together, where the mix of languages is watched.
ALL = "all"
# What is watched of each language, and of all together.
LANGUAGE_SIGNALS = ("confidence", "labels", "agreement")
SIGNALS = (*LANGUAGE_SIGNALS, "languages")
# Values of a label of a metric beyond these are "other": each is a series, kept for ever.
_MOST_NAMES = 50
# Characters of an id. So many are kept that one without a bound would fill the memory.
_LONGEST_ID = 200
_SECONDS = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0)
_SHARES = tuple(i / 10 for i in range(1, 11))


class Observed(Protocol):
    """What can be watched: an `Answer`, a `Routed`, or an object of one's own.

    `route`, `model_hash`, `below_threshold` and `detection` are read where they are there.
    """

    @property
    def label(self) -> str | None: ...

    @property
    def confidence(self) -> float | None: ...

    @property
    def language(self) -> str | None: ...


@dataclass(frozen=True, slots=True)
class Alarm:
    """A window of answers that is not as the reference was.

    Attributes:
        language: its code; `"all"` for the mix of languages.
        signal: one of `SIGNALS`.
        round: the number of the window, from 1.
        level: what `p` had to be below.
        found: the comparison, with its sizes.
    """

    language: str
    signal: str
    round: int
    level: float
    found: Comparison

    def __str__(self) -> str:
        return f"{self.language}: {self.told}"

    @property
    def told(self) -> str:
        """What has happened, in words and without the language."""
        size = f"{self.found.statistic:.2f}"
        p = f"p {self.found.p:.1e} below {self.level:.1e}"
        return f"{self.signal} moved by {size} in window {self.round} ({p})"


@dataclass
class _Series:
    """A signal: a reference, the window that is being filled, and what the last one said."""

    reference: list[Any] = field(default_factory=list)
    fixed: bool = False
    window: list[Any] = field(default_factory=list)
    round: int = 0
    last: Comparison | None = None
    active: bool = False
    # Distance and whether it fired, of the last windows.
    past: deque[tuple[float, bool]] = field(default_factory=lambda: deque(maxlen=60))


@dataclass
class _Language:
    """What is known of one language."""

    seconds: deque[float]
    answers: int = 0
    refused: int = 0
    below: int = 0
    confidence: float = 0.0
    asked: int = 0
    right: int = 0


class Monitor:
    """Volume, confidence, latency, agreement and drift by language; safe for threads.

    Drift: of each language the first `reference` answers are what later ones are compared with,
    or those given to `set_reference`. Whenever `window` new ones have come, the three signals of
    that language are tested; with every `window` answers of whatever language, their mix is. A
    window without any change fires an alarm in `false_alarm` of cases, over its signals together
    (Bonferroni). That holds for answers that are independent of each other: the same text sent a
    hundred times is one answer, not a hundred, and will look like a change (`benchmarks/
    drift_alarms.md`: where each answer comes five times, a fifth of all quiet windows fire).

    Attributes:
        alarms: all that have fired, the last `keep` of them.
        registry: of prometheus_client, with every metric below.
    """

    def __init__(
        self,
        *,
        languages: Iterable[str] | None = None,
        reference: int = 500,
        window: int = 200,
        false_alarm: float = 1e-4,
        keep: int = 10_000,
        registry: Any = None,
        prefix: str = "xlhelpers",
    ) -> None:
        """Begin to watch.

        Args:
            languages: codes that are counted by themselves; others count as `"other"`. Left
                out, any with a card.
            reference: answers that a language's reference is made of.
            window: answers of a window.
            false_alarm: share of windows without a change that may fire.
            keep: predictions that wait for a label, alarms, and latencies a language; of these
                1,000 at most.
            registry: of prometheus_client; left out, one of its own.
            prefix: of the metrics' names.

        Raises:
            ServingError: a number is out of range, prometheus_client is not installed, or the
                registry has such metrics already.
            UnknownLanguageError: a code has no card.
        """
        for name, value, least in (("reference", reference, 50), ("window", window, 50),
                                   ("keep", keep, 1)):  # fmt: skip
            if isinstance(value, bool) or not isinstance(value, int) or value < least:
                raise ServingError(f"{name} is {value!r}", f"choose {least} or more")
        if not 0 < false_alarm < 1:
            raise ServingError(f"false_alarm is {false_alarm!r}", "choose between 0 and 1")
        codes = cards.codes() if languages is None else list(languages)
        self.languages = frozenset(cards.get(code).code for code in codes)
        self.reference, self.window, self.false_alarm = reference, window, false_alarm
        self.alarms: deque[Alarm] = deque(maxlen=keep)
        self._keep = keep
        self._by_language: dict[str, _Language] = {}
        self._series: dict[tuple[str, str], _Series] = {}
        self._waiting: OrderedDict[str, tuple[str, str]] = OrderedDict()
        self._names: dict[str, set[str]] = {}
        self._lock = threading.RLock()
        self._metrics = _Metrics(registry, prefix)
        self.registry = self._metrics.registry

    # ── what is reported ─────────────────────────────────────────────────────────────────

    def observe(self, answer: Observed, seconds: float, *, id: str = "") -> list[Alarm]:
        """Count an answer; return the alarms that it has set off, mostly none.

        Args:
            answer: what was said; without a label it counts as refused.
            seconds: from the request to the answer.
            id: under which a label may come later, up to 200 characters; left out, none will.

        Raises:
            ServingError: `seconds` is below 0 or not finite, a confidence is not from 0 to 1, or
                the id is too long or no text.
        """
        if not (np.isfinite(seconds) and seconds >= 0):
            raise ServingError(f"{seconds!r} seconds is no latency", "give a number from 0")
        if not isinstance(id, str):
            raise ServingError(f"an id is {id!r:.60}", "give a text, such as str(number)")
        if len(id) > _LONGEST_ID:
            raise ServingError(
                f"an id has {len(id)} characters", f"give one of at most {_LONGEST_ID}"
            )
        label, confidence = answer.label, _confidence(answer)
        with self._lock:
            code = self._code(answer.language)
            here = self._language(code)
            here.seconds.append(float(seconds))
            self._metrics.seconds.labels(code).observe(seconds)
            if label is None:
                self._refused(here, code, answer)
                return []
            return self._answered(here, code, answer, label, confidence, id)

    def label(self, id: str, right: str) -> bool:
        """Say what the right label of an earlier answer is; return whether it was waited for.

        Whoever looks at uncertain answers only learns of those only: the agreement is that of
        what was labelled, so draw what is labelled at random.
        """
        with self._lock:
            found = self._waiting.pop(id, None)
            if found is None:
                return False
            code, said = found
            here = self._language(code)
            here.asked += 1
            here.right += said == right
            self._metrics.labelled.labels(code).inc()
            self._metrics.agreement.labels(code).set(here.right / here.asked)
            self._add(code, "agreement", said == right)
            return True

    def set_reference(self, answers: Iterable[Observed]) -> None:
        """Compare with these from now on, such as answers to a set of which all is known.

        Confidences, labels and the mix of languages; agreement has the first labels that come as
        its reference.

        Raises:
            ServingError: a language has fewer than 50 of them, or a confidence is not from 0 to
                1.
        """
        by_code: dict[str, list[Observed]] = {}
        for answer in answers:
            if answer.label is not None:
                by_code.setdefault(self._code(answer.language), []).append(answer)
        for code, rows in by_code.items():
            if len(rows) < 50:
                raise ServingError(
                    f"{len(rows)} answers in {code} are no reference", "give 50 or more of each"
                )
        # All of it before anything is replaced: what is refused changes nothing.
        confidences = {code: [_confidence(row) for row in rows] for code, rows in by_code.items()}
        with self._lock:
            for code, rows in by_code.items():
                self._replace(code, "confidence", confidences[code])
                labels = [self._bounded("label", str(row.label)) for row in rows]
                self._replace(code, "labels", labels)
            mix = [code for code, rows in by_code.items() for _ in rows]
            if mix:
                self._replace(ALL, "languages", mix)

    # ── what is known ────────────────────────────────────────────────────────────────────

    @property
    def active(self) -> list[tuple[str, str]]:
        """Languages and signals whose last window fired."""
        with self._lock:
            return sorted(key for key, series in self._series.items() if series.active)

    def frame(self) -> pd.DataFrame:
        """Return one row a language.

        Returns:
            Indexed by `language`, the most frequent first: `answers`, `refused`, `below` (the
            threshold), `confidence` (mean), `p50`, `p95`, `p99` (seconds, of the last ones),
            `labelled`, `agreement` with `low` and `high` (Wilson), and `drift` (signals whose
            last window fired).
        """
        import pandas as pd

        with self._lock:
            active = self.active
            rows = {code: _row(here) for code, here in self._by_language.items()}
            for code, row in rows.items():
                row["drift"] = ", ".join(signal for own, signal in active if own == code)
        columns = (
            "answers refused below confidence p50 p95 p99 labelled agreement low high drift".split()
        )
        frame = pd.DataFrame.from_dict(rows, orient="index", columns=columns)
        frame = frame.rename_axis("language")
        return frame.sort_values(["answers", "refused"], ascending=False, kind="stable")

    def drift(self) -> pd.DataFrame:
        """Return one row a signal: `language`, `signal`, `round`, `p`, `level`, sizes, `alarm`."""
        import pandas as pd

        columns = "language signal round rows p level statistic psi alarm".split()
        with self._lock:
            rows = [
                (code, signal, one.round, one.last.rows, one.last.p, self.level(signal),
                 one.last.statistic, one.last.psi, one.active)
                for (code, signal), one in sorted(self._series.items())
                if one.last is not None
            ]  # fmt: skip
        return pd.DataFrame(rows, columns=columns)

    def past(self, language: str, signal: str) -> list[tuple[float, bool]]:
        """Return the distance of each of the last 60 windows, and whether it fired."""
        with self._lock:
            series = self._series.get((language, signal))
            return [] if series is None else list(series.past)

    def level(self, signal: str) -> float:
        """Return what the p of a signal has to be below: its part of `false_alarm`."""
        return self.false_alarm / (len(LANGUAGE_SIGNALS) if signal in LANGUAGE_SIGNALS else 1)

    def show(self) -> Any:
        """Return a small dashboard: a widget in a notebook, a table elsewhere."""
        from xlhelpers.serving.dashboard import Dashboard

        return Dashboard(self).show()

    def prometheus(self) -> bytes:
        """Return all metrics in Prometheus's text format, as `/metrics` would serve them."""
        from prometheus_client import generate_latest

        return bytes(generate_latest(self.registry))

    @property
    def content_type(self) -> str:
        """The media type of `prometheus`."""
        from prometheus_client import CONTENT_TYPE_LATEST

        return str(CONTENT_TYPE_LATEST)

    # ── inside ───────────────────────────────────────────────────────────────────────────

    def _code(self, language: str | None) -> str:
        if language is None:
            return UNKNOWN
        return language if language in self.languages else OTHER

    def _language(self, code: str) -> _Language:
        if code not in self._by_language:
            self._by_language[code] = _Language(deque(maxlen=min(self._keep, 1000)))
        return self._by_language[code]

    def _refused(self, here: _Language, code: str, answer: Observed) -> None:
        here.refused += 1
        verdict = getattr(getattr(answer, "detection", None), "verdict", "") or "no answer"
        self._metrics.refused.labels(code, self._bounded("verdict", verdict)).inc()

    def _answered(
        self, here: _Language, code: str, answer: Observed, label: str, confidence: float, id: str
    ) -> list[Alarm]:
        here.answers += 1
        here.confidence += confidence
        name = self._bounded("label", label)
        route = self._bounded("route", getattr(answer, "route", "") or "general")
        self._metrics.answers.labels(code, name, route).inc()
        self._metrics.confidence.labels(code).observe(confidence)
        if getattr(answer, "below_threshold", False):
            here.below += 1
            self._metrics.below.labels(code).inc()
        if digest := str(getattr(answer, "model_hash", ""))[:12]:
            self._metrics.model.labels(route, self._bounded("model", digest)).set(1)
        if id:
            self._waiting[id] = (code, label)
            while len(self._waiting) > self._keep:
                self._waiting.popitem(last=False)
        return [
            *self._add(code, "confidence", confidence),
            *self._add(code, "labels", name),
            *self._add(ALL, "languages", code),
        ]

    def _add(self, code: str, signal: str, value: Any) -> list[Alarm]:
        """Add a value to a signal, and test it when a window is full."""
        series = self._series.setdefault((code, signal), _Series())
        if not series.fixed and len(series.reference) < self.reference:
            series.reference.append(value)
            return []
        series.window.append(value)
        if len(series.window) < self.window:
            return []
        series.last = _compare(signal, series.window, series.reference)
        series.round += 1
        series.window = []
        return self._tested(code, signal, series)

    def _replace(self, code: str, signal: str, reference: list[Any]) -> None:
        """Begin a signal anew with a reference; what its last window said no longer holds."""
        old = self._series.get((code, signal))
        if old is not None and old.last is not None:
            for gauge in (self._metrics.psi, self._metrics.moved, self._metrics.active):
                gauge.labels(code, signal).set(0)
        self._series[code, signal] = _Series(reference, fixed=True)

    def _tested(self, code: str, signal: str, series: _Series) -> list[Alarm]:
        assert series.last is not None
        level = self.level(signal)
        series.active = series.last.p < level
        series.past.append((series.last.statistic, series.active))
        self._metrics.psi.labels(code, signal).set(series.last.psi)
        self._metrics.moved.labels(code, signal).set(series.last.statistic)
        self._metrics.active.labels(code, signal).set(float(series.active))
        if not series.active:
            return []
        self._metrics.fired.labels(code, signal).inc()
        alarm = Alarm(code, signal, series.round, level, series.last)
        self.alarms.append(alarm)
        return [alarm]

    def _bounded(self, kind: str, name: str) -> str:
        """Return a name, or "other" when there have been too many of its kind."""
        known = self._names.setdefault(kind, set())
        if name not in known and len(known) >= _MOST_NAMES:
            return OTHER
        known.add(name)
        return name


class _Metrics:
    """The metrics in a registry of prometheus_client."""

    def __init__(self, registry: Any, prefix: str) -> None:
        try:
            import prometheus_client as client
        except ImportError as error:
            raise ServingError(
                "prometheus_client is not installed, which writes the metrics",
                'python -m pip install "prometheus-client>=0.20"',
            ) from error
        self.registry = client.CollectorRegistry() if registry is None else registry
        how: dict[str, Any] = {"registry": self.registry, "namespace": prefix}
        by, drifts = ["language"], ["language", "signal"]
        try:
            self.answers = client.Counter(
                "answers", "Texts that were answered", [*by, "label", "route"], **how
            )
            self.refused = client.Counter(
                "refused", "Texts without an answer, by what is known of the language",
                [*by, "verdict"], **how,
            )  # fmt: skip
            self.below = client.Counter("below_threshold", "Answers to be looked at", by, **how)
            self.confidence = client.Histogram(
                "confidence", "Probability of the answer", by, buckets=_SHARES, **how
            )
            self.seconds = client.Histogram(
                "latency_seconds", "From the request to the answer", by, buckets=_SECONDS, **how
            )
            self.labelled = client.Counter("labelled", "Labels that came later", by, **how)
            self.agreement = client.Gauge(
                "agreement", "Share of labels that were predicted", by, **how
            )
            self.psi = client.Gauge("drift_psi", "Population stability index", drifts, **how)
            self.moved = client.Gauge("drift_distance", "Distance, 0 to 1", drifts, **how)
            self.active = client.Gauge("drift_alarm", "1: the last window fired", drifts, **how)
            self.fired = client.Counter("drift_alarms", "Windows that fired", drifts, **how)
            self.model = client.Gauge(
                "model", "1 for each model that has answered", ["route", "model_hash"], **how
            )
        except ValueError as error:  # a name twice, or one that is none
            raise ServingError(
                f"metrics cannot be made under {prefix!r} ({error})",
                "give each monitor a registry, or a prefix, of its own",
            ) from error


def _confidence(answer: Observed) -> float:
    """Return the confidence of an answer; 0 where there is no label."""
    found = answer.confidence
    if answer.label is None:
        return 0.0
    if found is None or not 0 <= found <= 1 + 1e-6:
        raise ServingError(f"confidence is {found!r}", "give a number from 0 to 1")
    return float(found)


def _compare(signal: str, window: list[Any], reference: list[Any]) -> Comparison:
    if signal == "confidence":
        return drift.confidences(window, reference)
    if signal == "agreement":
        return drift.agreement(sum(window), len(window), sum(reference), len(reference))
    return drift.counts(Counter(window), Counter(reference))


def _row(here: _Language) -> dict[str, Any]:
    nan = float("nan")
    low, high = wilson(here.right, here.asked) if here.asked else (nan, nan)
    # An answer came to the slowest, too: the nearest rank, not a value between two.
    seconds = np.percentile(list(here.seconds), [50, 95, 99], method="inverted_cdf")
    return {
        "answers": here.answers,
        "refused": here.refused,
        "below": here.below,
        "confidence": here.confidence / here.answers if here.answers else nan,
        **dict(zip(("p50", "p95", "p99"), map(float, seconds), strict=True)),
        "labelled": here.asked,
        "agreement": here.right / here.asked if here.asked else nan,
        "low": low,
        "high": high,
    }
