"""What the protocols return: one row a run, and what follows from all of them."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, fields, replace
from io import StringIO
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self

import numpy as np
from numpy.typing import NDArray

from xlhelpers import files
from xlhelpers.transfer.outcomes import Outcomes, interval, run_draws
from xlhelpers.transfer.tasks import TransferError, name_of

if TYPE_CHECKING:
    import pandas as pd

    from xlhelpers.plots import Figure

ZERO, SUPERVISED, MAJORITY, NGRAMS = "zero-shot", "supervised", "majority", "n-grams"
GROUP = ("model", "task", "strategy", "source", "target", "shots")
_REFERENCES = (SUPERVISED, MAJORITY, NGRAMS)
_METRICS = {
    "accuracy": "accuracy",
    "macro_f1": "macro F1",
    "entity_f1": "entity F1",
    "tag_accuracy": "accuracy of tags",
}
_DENOMINATORS = ("of source", "of target", "of target, above chance")

Floats = NDArray[np.float64]


@dataclass(frozen=True)
class Run:
    """One model, trained once and asked in one language.

    Attributes:
        model, task, strategy: names.
        source, target: language codes. The source of `supervised` is the target; `target-only`
            has the source that it is compared with.
        shots: labelled rows of the target language.
        draw: number of the draw of shots.
        seed: of training.
        train_rows: rows trained on, shots among them.
        seconds: of training, wall clock.
        outcomes: what it answered.
    """

    model: str
    task: str
    strategy: str
    source: str
    target: str
    shots: int
    draw: int
    seed: int
    train_rows: int
    seconds: float
    outcomes: Outcomes = field(repr=False)

    @property
    def group(self) -> tuple[Any, ...]:
        """What runs have in common that differ by draw and seed only."""
        return tuple(getattr(self, name) for name in GROUP)


_COLUMNS = tuple(f.name for f in fields(Run) if f.name != "outcomes")


class Results:
    """Runs, and tables and figures made of them. `one + other` has the runs of both.

    Scores are shares of 1. Intervals are 95 %, from 1,000 resamples that draw test rows and
    runs (seeds, draws) again; what was tested on the same rows is compared on the same draws.
    Few-shot runs of one seed share their source model, and are drawn as if they did not: how much
    another source model would change is understated where there are few seeds.
    """

    def __init__(self, runs: Iterable[Run]) -> None:
        """Keep runs; the same run twice is kept once.

        Raises:
            TransferError: there is none.
        """
        found: dict[tuple[Any, ...], Run] = {}
        for run in runs:
            found[(*run.group, run.draw, run.seed)] = run
        if not found:
            raise TransferError("there are no runs", "ask for a strategy and a language at least")
        self._runs = tuple(found.values())

    def __add__(self, other: Results) -> Results:
        return Results((*self._runs, *other._runs))

    def __len__(self) -> int:
        return len(self._runs)

    def __iter__(self) -> Iterator[Run]:
        return iter(self._runs)

    def __repr__(self) -> str:
        tasks = sorted({run.task for run in self._runs})
        targets = sorted({run.target for run in self._runs})
        return f"Results({len(self)} runs of {', '.join(tasks)}; in {', '.join(targets)})"

    def _repr_html_(self) -> str:
        return str(self.summary().to_html(index=False, float_format="{:.3f}".format))

    @property
    def runs(self) -> pd.DataFrame:
        """One row a run: what it is, `metric`, `score`, its interval over test rows, `rows`."""
        import pandas as pd

        rows = []
        for run in self._runs:
            low, high = interval(run.outcomes.resampled())
            row = {name: getattr(run, name) for name in _COLUMNS}
            row |= {"metric": run.outcomes.metric, "score": run.outcomes.score}
            rows.append({**row, "low": low, "high": high, "rows": len(run.outcomes)})
        return pd.DataFrame(rows)

    def where(self, **wanted: Any) -> Results:
        """Return the runs with such values: `where(target="de", strategy=["continued"])`.

        Raises:
            TransferError: there is no such column, or no such run.
        """
        if unknown := set(wanted) - set(_COLUMNS):
            raise TransferError(
                f"runs have no {sorted(unknown)[0]!r}", f"they have {', '.join(_COLUMNS)}"
            )
        sought = {
            name: set(value) if isinstance(value, list | tuple | set) else {value}
            for name, value in wanted.items()
        }
        found = [r for r in self._runs if all(getattr(r, n) in v for n, v in sought.items())]
        if not found:
            said = ", ".join(f"{name} {value!r}" for name, value in wanted.items())
            raise TransferError(f"no run has {said}", "look at .summary() for what there is")
        return Results(found)

    def renamed(self, strategy: str) -> Results:
        """Return the same runs under another strategy's name.

        For comparing models that were made in different ways and then treated alike: each is
        run on its own, and named after how it was made.
        """
        return Results(replace(run, strategy=strategy) for run in self._runs)

    # ── tables ───────────────────────────────────────────────────────────────────────────

    def summary(self) -> pd.DataFrame:
        """Return one row for all runs that differ by seed and draw only.

        Columns: model, task, strategy, source, target, shots, score (mean), low, high, runs,
        seconds (mean, of training), rows (of the test set).
        """
        import pandas as pd

        rows = []
        for group, runs in self._groups().items():
            low, high = interval(_mean(runs))
            row = dict(zip(GROUP, group, strict=True))
            row |= {"score": _score(runs), "low": low, "high": high, "runs": len(runs)}
            row["seconds"] = float(np.mean([run.seconds for run in runs]))
            rows.append({**row, "rows": len(runs[0].outcomes)})
        return pd.DataFrame(rows)

    def matrix(self) -> pd.DataFrame:
        """Return the mean zero-shot scores, one row a source and one column a target.

        Raises:
            TransferError: the runs are of several models or tasks.
        """
        zero = self.where(strategy=ZERO)
        for name in ("model", "task"):
            zero._one(name)
        table = zero.summary().pivot(index="source", columns="target", values="score")
        order = list(dict.fromkeys(run.target for run in zero._runs))
        rows = list(dict.fromkeys(run.source for run in zero._runs))
        return table.loc[rows, order]

    def gain(self, over: str = ZERO) -> pd.DataFrame:
        """Return what each strategy gains over another on the same rows, with its interval.

        A run is paired with the run of the same seed, and of the same draw and shots where
        both have such. Columns: model, task, strategy, source, target, shots, gain, low, high.

        Raises:
            TransferError: nothing was run by the strategy `over`.
        """
        import pandas as pd

        rows = []
        for group, runs in self._groups().items():
            if runs[0].strategy in (over, *_REFERENCES):
                continue
            paired = [(run, self._partner(run, over)) for run in runs]
            drawn = _mean(runs) - _mean([other for _, other in paired])
            gain = _score(runs) - _score([other for _, other in paired])
            low, high = interval(drawn)
            rows.append(
                {**dict(zip(GROUP, group, strict=True)), "gain": gain, "low": low, "high": high}
            )
        if not rows:
            raise TransferError(f"there is nothing but {over}", "run another strategy")
        return pd.DataFrame(rows)

    def gain_of_source(self, over: str = "en") -> pd.DataFrame:
        """Return what zero-shot gains from another source language, with its interval.

        Same models, seeds and test rows; targets that are a source of the pair are left out.
        Columns: model, task, source, target, gain, low, high.

        Args:
            over: the source that all others are compared with.

        Raises:
            TransferError: nothing was trained on `over`, or on nothing else.
        """
        import pandas as pd

        rows = []
        for group, runs in self.where(strategy=ZERO)._groups().items():
            names = dict(zip(GROUP, group, strict=True))
            if over == names["source"] or names["target"] in (over, names["source"]):
                continue
            others = [self._partner(run, ZERO, source=over) for run in runs]
            low, high = interval(_mean(runs) - _mean(others))
            row = {name: names[name] for name in ("model", "task", "source", "target")}
            rows.append({**row, "gain": _score(runs) - _score(others), "low": low, "high": high})
        if not rows:
            raise TransferError(
                f"there is no other source to compare with {name_of(over)}",
                "train on two languages at least: transfer_matrix()",
            )
        return pd.DataFrame(rows)

    def gap_closed(self) -> pd.DataFrame:
        """Return what part of the way from zero-shot to supervised each strategy has gone.

        (few − zero) / (supervised − zero). Where the interval of the gap itself holds 0 there is
        no way to go, and the ratio is refused: `closed` is NaN and `reason` says why. Columns:
        model, task, strategy, source, target, shots, gap, closed, low, high, reason.

        Raises:
            TransferError: there are no supervised runs: ask for `supervised=True`.
        """
        import pandas as pd

        rows = []
        for group, runs in self._groups().items():
            if runs[0].strategy in (ZERO, *_REFERENCES):
                continue
            row = dict(zip(GROUP, group, strict=True))
            rows.append({**row, **_closed(runs, *self._ends(runs))})
        if not rows:
            raise TransferError("there are no few-shot runs", "few_shot() makes them")
        return pd.DataFrame(rows)

    def percent_of_supervised(self, source: str | None = None) -> pd.DataFrame:
        """Return zero-shot scores as per cent of what "supervised" may mean.

        One row a language and denominator: `of source` (the same models on the source
        language), `of target` (trained on the target language), `of target, above chance` (both
        less what the most frequent label scores). Columns: model, task, source, target,
        denominator, percent, low, high.

        Args:
            source: language code, where zero-shot was run from several.

        Raises:
            TransferError: a denominator is missing: test on the source language too, and ask
                for `supervised=True` and `baselines=True`.
        """
        import pandas as pd

        rows = []
        for group, runs in self.where(strategy=ZERO)._groups().items():
            names = dict(zip(GROUP, group, strict=True))
            if names["source"] == names["target"] or source not in (None, names["source"]):
                continue
            for denominator, (value, drawn) in self._shares(runs).items():
                low, high = interval(drawn)
                row = {name: names[name] for name in ("model", "task", "source", "target")}
                row |= {"denominator": denominator, "percent": 100 * value}
                rows.append({**row, "low": 100 * low, "high": 100 * high})
        if not rows:
            raise TransferError(
                "there is no zero-shot run in another language than its source",
                "name targets that differ from it",
            )
        return pd.DataFrame(rows)

    # ── figures and files ────────────────────────────────────────────────────────────────

    def plot(self, alt: str = "", caption: str = "") -> Figure:
        """Draw the runs: a heat map (several sources), curves (several shots), or intervals.

        Args:
            alt: what a reader who does not see it should be told; left out, what is drawn.
        """
        from xlhelpers import plots

        label = f"{self._one('task')}, {_METRICS[self._runs[0].outcomes.metric]}"
        few = [run for run in self._runs if run.shots]
        zero = {(r.source, r.target) for r in self._runs if r.strategy == ZERO}
        if few:
            return _draw_curves(self, label, alt, caption)
        if len({source for source, _ in zero}) > 1:
            table = (100 * self.matrix()).rename(index=name_of, columns=name_of)
            said = alt or f"Scores by source (row) and target language (column): {label}."
            return plots.heat_maps({label: table}, "per cent", said, caption, digits=0)
        return _draw_ranges(self, label, alt, caption)

    def save(self, path: str | Path) -> Path:
        """Write all runs with their outcomes, as CSV, compressed if the name ends in `.gz`.

        The file is complete or not there; the same runs make the same bytes.
        """
        import gzip

        import pandas as pd

        rows = []
        for run in self._runs:
            row = {name: getattr(run, name) for name in _COLUMNS}
            row |= {"metric": run.outcomes.metric, "classes": run.outcomes.classes}
            rows.append({**row, "outcomes": run.outcomes.text()})
        content = pd.DataFrame(rows).to_csv(index=False, lineterminator="\n").encode("utf-8")
        target = Path(path)
        if target.suffix == ".gz":
            content = gzip.compress(content, mtime=0)
        files.write_bytes(target, content)
        return target

    @classmethod
    def load(cls, path: str | Path) -> Self:
        """Read what `save` wrote.

        Raises:
            TransferError: it is not there, or is something else.
        """
        try:
            content = Path(path).read_bytes()
        except OSError as error:
            raise TransferError(
                f"{path} cannot be read ({error.strerror})", "check the name"
            ) from error
        return cls.from_bytes(content, str(path))

    @classmethod
    def from_bytes(cls, content: bytes, name: str) -> Self:
        """Read the content of a file that `save` wrote; `name` is for messages.

        Raises:
            TransferError: it is something else.
        """
        import gzip
        import zlib

        import pandas as pd

        try:
            if content[:2] == b"\x1f\x8b":
                content = gzip.decompress(content)
            text = StringIO(content.decode("utf-8"))
            # Every column as text: a language called "nan" or a model called "1" stays so.
            frame = pd.read_csv(text, dtype=str, keep_default_na=False)
            return cls(_run(row) for row in frame.to_dict("records"))
        except (OSError, EOFError, ValueError, KeyError, TypeError, zlib.error) as error:
            if isinstance(error, TransferError):
                raise
            raise TransferError(
                f"{name} does not hold runs of transfer, or is damaged ({error})",
                "save them again with Results.save",
            ) from error

    # ── what runs belong together ────────────────────────────────────────────────────────

    def _groups(self) -> dict[tuple[Any, ...], list[Run]]:
        found: dict[tuple[Any, ...], list[Run]] = {}
        for run in self._runs:
            found.setdefault(run.group, []).append(run)
        return found

    def _one(self, name: str) -> Any:
        values = sorted({str(getattr(run, name)) for run in self._runs})
        if len(values) > 1:
            raise TransferError(
                f"the runs are of several: {', '.join(values)}", f"choose one: .where({name}=…)"
            )
        return values[0]

    def _partner(self, run: Run, strategy: str, **changes: Any) -> Run:
        """Return the run by another strategy that one is to be compared with."""
        source = run.target if strategy == SUPERVISED else run.source
        wanted = {"source": source, "target": run.target, **changes}
        found = [
            other
            for other in self._runs
            if (other.model, other.task, other.strategy) == (run.model, run.task, strategy)
            and all(getattr(other, name) == value for name, value in wanted.items())
            and (other.shots, other.draw) in ((run.shots, run.draw), (0, 0))
        ]
        for other in found:
            if other.seed == run.seed:
                return other
        if found and strategy in (MAJORITY, NGRAMS):  # these have no seed
            return found[0]
        remedies = {SUPERVISED: "ask for supervised=True", MAJORITY: "ask for baselines=True"}
        remedy = remedies.get(strategy, "run it with the same seeds, shots and draws")
        if "target" in changes:
            remedy = f"name {run.source!r} among the targets"
        raise TransferError(
            f"{run.model}, {run.task}: there is no run {strategy!r} in "
            f"{name_of(wanted['target'])} with seed {run.seed} to compare with",
            remedy,
        )

    def _ends(self, runs: Sequence[Run]) -> tuple[list[Run], list[Run]]:
        zero = [self._partner(run, ZERO) for run in runs]
        return zero, [self._partner(run, SUPERVISED) for run in runs]

    def _shares(self, runs: Sequence[Run]) -> dict[str, tuple[float, Floats]]:
        """Return, by denominator, the share that zero-shot has of it, and its resamples."""
        source = [self._partner(run, ZERO, target=run.source) for run in runs]
        target = [self._partner(run, SUPERVISED) for run in runs]
        chance = [self._partner(run, MAJORITY, source=runs[0].source) for run in runs]
        value, drawn = _score(runs), _mean(runs)
        least, least_drawn = _score(chance), _mean(chance)
        above = (
            (value - least) / (_score(target) - least),
            _ratio(drawn - least_drawn, _mean(target) - least_drawn),
        )
        shares = (
            (value / _score(source), _ratio(drawn, _mean(source))),
            (value / _score(target), _ratio(drawn, _mean(target))),
            above,
        )
        return dict(zip(_DENOMINATORS, shares, strict=True))


def _score(runs: Sequence[Run]) -> float:
    return float(np.mean([run.outcomes.score for run in runs]))


def _mean(runs: Sequence[Run]) -> Floats:
    """Return (resamples,) means of runs, rows and runs drawn again: the same draws each time."""
    scores = np.stack([run.outcomes.resampled() for run in runs])
    return np.asarray((run_draws(len(runs)) * scores.T).sum(axis=1))


def _ratio(top: Floats, bottom: Floats) -> Floats:
    with np.errstate(divide="ignore", invalid="ignore"):
        return np.where(bottom == 0, np.nan, top / bottom)


def _closed(few: Sequence[Run], zero: Sequence[Run], full: Sequence[Run]) -> dict[str, Any]:
    """Return the gap and how much of it is closed, or why that cannot be said."""
    gap, drawn = _score(full) - _score(zero), _mean(full) - _mean(zero)
    low, high = interval(drawn)
    found: dict[str, Any] = {"gap": gap, "closed": np.nan, "low": np.nan, "high": np.nan}
    if low <= 0 <= high:
        points = f"{100 * gap:.1f} points [{100 * low:.1f}, {100 * high:.1f}]"
        return {**found, "reason": f"the gap, {points}, is in the noise"}
    if gap < 0:
        return {**found, "reason": f"zero-shot is {-100 * gap:.1f} points above supervised"}
    bounds = interval(_ratio(_mean(few) - _mean(zero), drawn))
    closed = (_score(few) - _score(zero)) / gap
    return {**found, "closed": closed, "low": bounds[0], "high": bounds[1], "reason": ""}


def _run(row: Mapping[str, str]) -> Run:
    said = Outcomes.from_text(row["outcomes"], row["metric"], int(row["classes"]))
    values: dict[str, Any] = {
        name: int(row[name]) for name in ("shots", "draw", "seed", "train_rows")
    }
    values |= {name: row[name] for name in ("model", "task", "strategy", "source", "target")}
    return Run(**values, seconds=float(row["seconds"]), outcomes=said)


def _draw_curves(results: Results, label: str, alt: str, caption: str) -> Figure:
    """Draw scores over shots; zero-shot stands at 0 in every curve of its language."""
    import pandas as pd

    from xlhelpers import plots

    table = results.summary()
    rows = []
    strategies = list(dict.fromkeys(table.loc[table.shots > 0, "strategy"]))
    several = table.loc[table.shots > 0, "target"].nunique() > 1
    for target in dict.fromkeys(table.target):
        for strategy in strategies:
            of = table[(table.target == target) & table.strategy.isin((strategy, ZERO))]
            of = of[(of.shots > 0) | (of.strategy == ZERO)].sort_values("shots")
            if not (of.shots > 0).any():
                continue
            name = name_of(target) if len(strategies) == 1 else strategy
            if several and len(strategies) > 1:
                name = f"{name_of(target)}, {strategy}"
            rows += [
                {"shots": r.shots, "series": name, "value": 100 * r.score,
                 "low": 100 * r.low, "high": 100 * r.high}
                for r in of.itertuples()
            ]  # fmt: skip
    said = alt or f"Curves of the score over labelled rows of the target language: {label}."
    return plots.curves(
        pd.DataFrame(rows), "shots", "labelled rows of the target language", f"{label}, %", said,
        caption,
    )  # fmt: skip


def _draw_ranges(results: Results, label: str, alt: str, caption: str) -> Figure:
    from xlhelpers import plots

    rows: dict[str, dict[str, tuple[float, float, float]]] = {}
    table = results.summary()
    several = table.model.nunique() > 1
    for row in table.itertuples():
        own = row.strategy in (ZERO, SUPERVISED)
        name = f"{row.model}, {row.strategy}" if several and own else str(row.strategy)
        values = (100 * row.score, 100 * row.low, 100 * row.high)
        rows.setdefault(name_of(str(row.target)), {})[name] = values
    said = alt or f"Scores by language with intervals: {label}."
    return plots.point_ranges(rows, f"{label}, %", said, caption)


@dataclass(frozen=True)
class LabelsNeeded:
    """How many labelled rows a target score takes, as far as was measured.

    Attributes:
        labels: by the mean curve; NaN where it does not get there.
        low, high: middle 95 % of the resamples; infinite where a resample does not get there.
        reached: share of the resamples that get there.
        most: the largest number of shots that was measured.
    """

    labels: float
    low: float
    high: float
    reached: float
    most: int


def labels_needed(
    results: Results, target: str, score: float, strategy: str = "continued"
) -> LabelsNeeded:
    """Return how many labels of a language bring a score, read off a learning curve.

    The curve of means over draws, zero-shot at 0, made monotone (isotonic regression) and read
    by linear interpolation; nothing is said beyond the largest number measured. Each resample of
    test rows and draws gives a curve of its own.

    Args:
        results: of `few_shot`, one model and task.
        target: language code.
        score: as a share of 1.

    Raises:
        TransferError: there is no such curve, or `score` is no share of 1.
    """
    if not 0 < score <= 1:
        raise TransferError(f"score is {score!r}", "give a share of 1, such as 0.8")
    few = results.where(target=target, strategy=strategy)
    for name in ("model", "task", "source"):
        few._one(name)
    groups = sorted(few._groups().values(), key=lambda runs: runs[0].shots)
    zero = list({r.seed: results._partner(r, ZERO) for runs in groups for r in runs}.values())
    curve = [zero, *groups]
    shots = np.array([runs[0].shots for runs in curve], dtype=float)
    means = np.array([_score(runs) for runs in curve])
    drawn = np.stack([_mean(runs) for runs in curve], axis=1)
    reads = np.array([_reads(shots, row, score) for row in drawn])
    never = np.where(np.isnan(reads), np.inf, reads)
    low, high = np.percentile(never, [2.5, 97.5], method="nearest")
    reached = float((~np.isnan(reads)).mean())
    return LabelsNeeded(
        float(_reads(shots, means, score)), float(low), float(high), reached, int(shots[-1])
    )


def _reads(shots: Floats, scores: Floats, score: float) -> float:
    """Return where a curve, made monotone, comes to a score; NaN where it does not."""
    from sklearn.isotonic import IsotonicRegression

    if scores[0] >= score:  # zero-shot will do, whatever a few shots may spoil
        return 0.0
    rising = IsotonicRegression().fit_transform(shots, scores)
    if rising[-1] < score:
        return float("nan")
    place = int(np.argmax(rising >= score))
    before, after = rising[place - 1], rising[place]
    part = (score - before) / (after - before)
    return float(shots[place - 1] + part * (shots[place] - shots[place - 1]))
