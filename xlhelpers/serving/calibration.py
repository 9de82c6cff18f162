"""Whether a confidence of 80 % is right in 80 of 100 cases, and what to do where it is not.

Neural classifiers are mostly too sure. Dividing the logits by one number, the temperature, fitted
on texts that were not trained on, changes no answer and mends much of it (Guo et al., 2017,
ICML). A model that was trained in one language is too sure by different amounts in the others,
so each language has its own where there are texts enough.
"""

from __future__ import annotations

import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self

import numpy as np
from numpy.typing import ArrayLike, NDArray

from xlhelpers import files
from xlhelpers.serving._errors import ServingError

if TYPE_CHECKING:
    import pandas as pd

Doubles = NDArray[np.float64]

BINS = 15  # as Guo et al. (2017)
# A temperature beyond these would stand for a model that is always sure, or never.
COLDEST, HOTTEST = 0.05, 20.0


@dataclass(frozen=True, slots=True)
class Reliability:
    """How well confidence and accuracy agreed in one language, before and after.

    Attributes:
        language: its code; None for all texts together.
        n: texts (for a recogniser: words that it took for part of an entity).
        accuracy: share of right answers; a temperature does not change it.
        temperature: fitted on all `n`.
        ece_before, ece_after: expected calibration error, 0 to 1. After: each text with a
            temperature that was fitted on others (5 parts).
        loss_before, loss_after: mean negative log-probability of the right label, in nats,
            likewise.
    """

    language: str | None
    n: int
    accuracy: float
    temperature: float
    ece_before: float
    ece_after: float
    loss_before: float
    loss_after: float


@dataclass(frozen=True, slots=True)
class Error:
    """An expected calibration error with what chance has to do with it.

    Attributes:
        value: 0 to 1.
        low, high: 95 % interval, percentiles of a bootstrap over answers (Efron, 1979).
        floor: what a model whose confidences are exactly right gets on so many answers, on
            average. An error near its floor is none that could be seen.
        n: answers.
    """

    value: float
    low: float
    high: float
    floor: float
    n: int


@dataclass(frozen=True)
class Calibration:
    """Temperatures and thresholds by language.

    Attributes:
        temperatures: by language; others have `temperature`.
        thresholds: confidence below which an answer is marked, by language; others have
            `threshold`.
        model_hash: the model that it was fitted for; empty for any.
        report: how well it did, language by language and, last, all together.
    """

    temperatures: Mapping[str, float] = field(default_factory=dict)
    temperature: float = 1.0
    thresholds: Mapping[str, float] = field(default_factory=dict)
    threshold: float = 0.0
    model_hash: str = ""
    report: tuple[Reliability, ...] = field(default=(), repr=False)

    def __post_init__(self) -> None:
        for name, value in [*self.temperatures.items(), ("others", self.temperature)]:
            if not (_is_number(value) and math.isfinite(value) and value > 0):
                raise ServingError(f"the temperature of {name} is {value!r}", "choose above 0")
        for name, value in [*self.thresholds.items(), ("others", self.threshold)]:
            if not (_is_number(value) and 0 <= value <= 1):
                raise ServingError(f"the threshold of {name} is {value!r}", "choose from 0 to 1")

    def temperature_of(self, language: str | None) -> float:
        """Return the temperature of a language, or that of all where it has none."""
        return self.temperatures.get(language or "", self.temperature)

    def threshold_of(self, language: str | None) -> float:
        """Return the threshold of a language, or that of all where it has none."""
        return self.thresholds.get(language or "", self.threshold)

    def frame(self) -> pd.DataFrame:
        """Return the report as a table, one row a language."""
        import pandas as pd

        rows = [asdict(row) | {"language": row.language or "all"} for row in self.report]
        return pd.DataFrame(rows)

    def save(self, path: str | Path) -> None:
        """Write it as JSON."""
        content = asdict(self) | {"format": _FORMAT}
        files.write_text(Path(path), json.dumps(content, indent=1, sort_keys=True) + "\n")

    @classmethod
    def read(cls, path: str | Path) -> Self:
        """Return what `save` wrote.

        Raises:
            ServingError: there is no such file, or it is something else.
        """
        try:
            found = json.loads(Path(path).read_text(encoding="utf-8"))
            if found.pop("format") != _FORMAT:
                raise ValueError("another format")
            found["report"] = tuple(Reliability(**row) for row in found["report"])
            return cls(**found)
        except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
            raise ServingError(
                f"{Path(path).name} holds no calibration ({type(error).__name__})",
                "make one: calibrate(…).save(path)",
            ) from error


_FORMAT = "xlhelpers calibration 1"


def calibration_error(confidences: ArrayLike, right: ArrayLike, bins: int = BINS) -> float:
    """Return the expected calibration error (Naeini et al., 2015, AAAI; Guo et al., 2017, ICML).

    The mean distance between confidence and accuracy over `bins` equal intervals of
    confidence, each weighted by its texts. Few texts make it larger than it is.

    Args:
        confidences: (n,) from 0 to 1.
        right: (n,) whether the answer is.

    Raises:
        ServingError: nothing to measure, lengths that differ, or no confidences.
    """
    sure, hits = np.asarray(confidences, dtype=float), np.asarray(right, dtype=float)
    if sure.ndim != 1 or sure.shape != hits.shape or not sure.size:
        raise ServingError(
            f"there are {sure.size} confidences and {hits.size} verdicts", "give one for each"
        )
    if not ((sure >= 0) & (sure <= 1)).all():
        raise ServingError("a confidence is not between 0 and 1", "give probabilities")
    if bins < 1:
        raise ServingError(f"bins is {bins!r}", f"choose 1 or more; {BINS} is usual")
    # Intervals are open below: a confidence of 0.2 with 5 bins is in the first.
    place = np.clip(np.ceil(sure * bins).astype(int) - 1, 0, bins - 1)
    gaps = np.bincount(place, weights=sure - hits, minlength=bins)
    return float(np.abs(gaps).sum() / sure.size)


def error_with_interval(
    confidences: ArrayLike, right: ArrayLike, bins: int = BINS, resamples: int = 300, seed: int = 0
) -> Error:
    """Return the expected calibration error with its interval and its floor.

    Drawing answers again adds chance to an error that counts chance as error, so the interval
    reaches further up than down. `low` is the value itself where all draws lie above it.

    Args:
        confidences, right, bins: as `calibration_error`.
        resamples: draws for the interval, and made-up verdicts for the floor.
        seed: of both.

    Raises:
        ServingError: as `calibration_error`; `resamples` is below 1.
    """
    value = calibration_error(confidences, right, bins)  # checks all
    if resamples < 1:
        raise ServingError(f"resamples is {resamples!r}", "choose 1 or more; 300 are enough")
    sure, hits = np.asarray(confidences, dtype=float), np.asarray(right, dtype=float)
    rng, n = np.random.default_rng(seed), len(sure)
    drawn = [
        calibration_error(sure[rows], hits[rows], bins)
        for rows in rng.integers(n, size=(resamples, n))
    ]
    made_up = [calibration_error(sure, rng.random(n) < sure, bins) for _ in range(resamples)]
    low, high = np.percentile(drawn, [2.5, 97.5])
    floor = float(np.mean(made_up))
    return Error(value, min(value, float(low)), max(value, float(high)), floor, n)


def fit_temperature(logits: ArrayLike, gold: ArrayLike) -> float:
    """Return the temperature under which the right labels are most probable.

    The right label is given 1 - 1 / (n + 2) of the mass, in the spirit of Platt (1999): else
    a handful of texts that are all right would ask for certainty.

    Args:
        logits: (n, k).
        gold: (n,) numbers of the right labels.

    Raises:
        ServingError: nothing to fit, or shapes that do not fit.
    """
    from scipy.optimize import minimize_scalar

    rows, right = _checked(logits, gold)
    n, k = rows.shape
    slack = 1 / (n + 2)
    target = np.full((n, k), slack / (k - 1))
    target[np.arange(n), right] = 1 - slack

    def loss(log_temperature: float) -> float:
        return float(-(target * log_softmax(rows / math.exp(log_temperature))).sum() / n)

    bounds = (math.log(COLDEST), math.log(HOTTEST))
    found = minimize_scalar(loss, bounds=bounds, method="bounded", options={"xatol": 1e-5})
    return float(math.exp(found.x))


def reliability(
    logits: ArrayLike, gold: ArrayLike, language: str | None = None, folds: int = 5
) -> Reliability:
    """Return how well confidence and accuracy agree before and after a temperature.

    Args:
        logits: (n, k), n at least `folds`.
        gold: (n,) numbers of the right labels.

    Raises:
        ServingError: too few texts, or shapes that do not fit.
    """
    rows, right = _checked(logits, gold)
    if len(rows) < max(folds, 2):
        raise ServingError(f"there are {len(rows)} texts", f"give {max(folds, 2)} or more")
    after = np.empty_like(rows)
    for fold in range(folds):
        held = np.arange(len(rows)) % folds == fold
        after[held] = rows[held] / fit_temperature(rows[~held], right[~held])
    ece, loss = zip(*(_measured(some, right) for some in (rows, after)), strict=True)
    return Reliability(
        language=language,
        n=len(rows),
        accuracy=float((rows.argmax(axis=1) == right).mean()),
        temperature=fit_temperature(rows, right),
        ece_before=ece[0],
        ece_after=ece[1],
        loss_before=loss[0],
        loss_after=loss[1],
    )


def threshold_for(confidences: ArrayLike, right: ArrayLike, accuracy: float) -> float:
    """Return the lowest confidence from which on answers are right as often as asked.

    Of the answers that are at least so sure, a share of `accuracy` or more is right on the
    texts given (selective classification: Geifman & El-Yaniv, 2017, NeurIPS). 1 where no
    threshold will do: then every answer but the certain ones is marked.

    Raises:
        ServingError: as `calibration_error`; `accuracy` is not between 0 and 1.
    """
    calibration_error(confidences, right)  # checks both
    if not 0 <= accuracy <= 1:
        raise ServingError(f"accuracy is {accuracy!r}", "choose from 0 to 1, such as 0.9")
    sure, hits = np.asarray(confidences, dtype=float), np.asarray(right, dtype=float)
    order = np.argsort(-sure, kind="stable")
    shares = np.cumsum(hits[order]) / np.arange(1, len(sure) + 1)
    # Answers of equal confidence are accepted together: the last of them counts.
    last = np.append(np.diff(sure[order]) != 0, True)
    good = np.flatnonzero(last & (shares >= accuracy))
    if not good.size:
        return 1.0
    return 0.0 if good[-1] == len(sure) - 1 else float(sure[order][good[-1]])


def fit(
    logits: ArrayLike,
    gold: ArrayLike,
    languages: Sequence[str | None],
    *,
    model_hash: str = "",
    at_least: int = 100,
    accuracy: float | None = None,
) -> Calibration:
    """Return temperatures by language, and thresholds where an accuracy is asked for.

    Args:
        logits: (n, k) of texts that were not trained on.
        gold: (n,) numbers of the right labels.
        languages: n codes, or None where it is not known.
        at_least: a language with fewer texts has the temperature and the threshold of all.
        accuracy: that answers above the threshold shall have; None sets no thresholds.

    Raises:
        ServingError: too few texts, or shapes that do not fit.
    """
    rows, right = _checked(logits, gold)
    if len(languages) != len(rows):
        raise ServingError(
            f"there are {len(rows)} texts and {len(languages)} languages", "give one for each"
        )
    counts = {code: languages.count(code) for code in dict.fromkeys(languages) if code}
    parts: dict[str | None, NDArray[np.bool_]] = {
        code: np.array([one == code for one in languages])
        for code in sorted(counts)
        if counts[code] >= max(at_least, 5)
    }
    parts[None] = np.ones(len(rows), dtype=bool)
    report = [reliability(rows[own], right[own], code) for code, own in parts.items()]
    temperatures = {row.language: row.temperature for row in report}
    thresholds: dict[str | None, float] = {None: 0.0}
    if accuracy is not None:
        for code, own in parts.items():
            said = probabilities(rows[own], temperatures[code])
            hits = said.argmax(axis=1) == right[own]
            thresholds[code] = threshold_for(said.max(axis=1), hits, accuracy)
    return Calibration(
        temperatures={code: value for code, value in temperatures.items() if code},
        temperature=temperatures[None],
        thresholds={code: value for code, value in thresholds.items() if code},
        threshold=thresholds[None],
        model_hash=model_hash,
        report=tuple(report),
    )


def log_softmax(logits: Doubles) -> Doubles:
    """Return the logarithms of the probabilities, along the last axis."""
    shifted = logits - logits.max(axis=-1, keepdims=True)
    logs: Doubles = shifted - np.log(np.exp(shifted).sum(axis=-1, keepdims=True))
    return logs


def probabilities(logits: ArrayLike, temperature: float = 1.0) -> Doubles:
    """Return the probabilities of logits (…, k) at a temperature, in float64."""
    found: Doubles = np.exp(log_softmax(np.asarray(logits, dtype=np.float64) / temperature))
    return found


def _measured(rows: Doubles, right: NDArray[np.int64]) -> tuple[float, float]:
    logs = log_softmax(rows)
    said = logs.argmax(axis=1)
    sure = np.exp(logs.max(axis=1)).clip(0, 1)
    loss = float(-logs[np.arange(len(rows)), right].mean())
    return calibration_error(sure, said == right), loss


def _checked(logits: ArrayLike, gold: ArrayLike) -> tuple[Doubles, NDArray[np.int64]]:
    rows, right = np.asarray(logits, dtype=np.float64), np.asarray(gold)
    if rows.ndim != 2 or rows.shape[1] < 2 or right.shape != rows.shape[:1] or not len(rows):
        raise ServingError(
            f"logits of shape {rows.shape} and {right.size} labels do not fit",
            "give (n, k) logits and n numbers of labels",
        )
    if not np.isfinite(rows).all():
        raise ServingError("a logit is not finite", "load the model again")
    if not ((right >= 0) & (right < rows.shape[1])).all():
        raise ServingError("a label's number is out of range", "count from 0 to k - 1")
    return rows, right.astype(np.int64)


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)
