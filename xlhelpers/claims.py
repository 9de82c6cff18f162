"""The claims ledger: what the article says, what was published, what was measured here.

`data/claims.toml` holds the claims and the measures they rest on. A notebook calls `record` as it
runs; `table` then shows each claim beside its measurement. In prose a measured number stands
between comment markers, invisible when rendered,

    aligned, German reaches <!--=alignment.p1.de-->41 %<!--/-->

which `fill_markers` fills from the records and `check_markers` compares with them. A marker's key
may be followed by `:interval` (41 % [35, 47]), `:range` (35 to 47 %), `:number` (41) or `:n`.
"""

from __future__ import annotations

import difflib
import html
import io
import math
import os
import re
import tomllib
import warnings
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

from xlhelpers import _store
from xlhelpers.errors import CourseError

if TYPE_CHECKING:
    import pandas as pd

VERDICTS = {
    "right": "✔ right",
    "imprecise": "≈ imprecise",
    "unsupported": "? unsupported",
    "wrong": "✘ wrong",
    "missing": "+ left out by the article",
}

# Recorded by the runner for every notebook, without a line in claims.toml. Time is the machine's
# affair: no test compares it.
_RUN_MEASURES: tuple[dict[str, Any], ...] = (
    {"key": "notebook.minutes", "unit": "min", "digits": 1, "tolerance": math.inf, "what": "time"},
    {"key": "notebook.memory", "unit": "GB", "digits": 1, "tolerance": 1.0, "what": "peak memory"},
)

# The form stands behind a colon: a vertical bar would end the cell of a Markdown table.
_MARKER = re.compile(r"<!--=([^:|>\s]+)(?::(\w+))?-->(.*?)<!--/-->", re.DOTALL)
_MARKER_PART = re.compile(r"<!--(?:=|/)")
_NUMBER = re.compile(r"[-−]?\d+(?:[.,]\d+)*")


class ClaimsError(CourseError):
    """A claim, a measure or a record that cannot be used."""


# ── the ledger ───────────────────────────────────────────────────────────────────────────────────


@dataclass(frozen=True)
class Measure:
    """Something that a notebook measures.

    Attributes:
        key: "<notebook prefix>.<name>", the name under which it is recorded.
        unit: printed after the number, "%" for percentages; empty for counts.
        digits: decimals printed: those that are the same from machine to machine.
        tolerance: how far (in the unit) a second run may lie from the text before a test fails.
        what: in words, for the table.
    """

    key: str
    unit: str
    digits: int
    tolerance: float
    what: str


@dataclass(frozen=True)
class Claim:
    """One row of the ledger; see `data/claims.toml` for what each field holds."""

    id: str
    notebook: str
    article: str
    wording: str
    published: str
    source: str
    verdict: str
    comment: str
    measures: tuple[str, ...]


@dataclass(frozen=True)
class Ledger:
    """All of `claims.toml`: notebooks by key prefix, measures by key, claims in order."""

    notebooks: Mapping[str, str]
    measures: Mapping[str, Measure]
    claims: tuple[Claim, ...]

    def notebook_of(self, key: str) -> str:
        """The notebook that measures `key`, such as "01"."""
        prefix = key.partition(".")[0]
        if prefix not in self.notebooks:
            raise ClaimsError(
                f"the key {key!r} belongs to no notebook",
                f"begin it with one of: {', '.join(sorted(self.notebooks))}",
            )
        return self.notebooks[prefix]


def ledger(path: Path | None = None) -> Ledger:
    """Read `claims.toml`, by default the course's.

    Raises:
        ClaimsError: a field is missing or unknown, an id or key appears twice, or a claim names
            a measure that is not declared.
    """
    path = _ledger_path() if path is None else Path(path)
    try:
        changed = path.stat().st_mtime_ns
    except FileNotFoundError:
        raise ClaimsError(
            f"{path.name} is not in the data folder", "run `git checkout -- data/claims.toml`"
        ) from None
    return _parse(path, changed)


@lru_cache(maxsize=4)
def _parse(path: Path, changed: int) -> Ledger:
    try:
        raw = tomllib.loads(path.read_text(encoding="utf-8"))
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise ClaimsError(f"{path.name} is not valid TOML: {error}", "correct that line") from error
    notebooks = {row["prefix"]: row["id"] for row in raw.get("notebook", [])}
    rows = [*_RUN_MEASURES, *raw.get("measure", [])]
    measures = _unique((_build(Measure, row, "measure") for row in rows), "key", "measure")
    claims = _unique((_build(Claim, row, "claim") for row in raw.get("claim", [])), "id", "claim")
    for claim in claims.values():
        _check_claim(claim, measures, set(notebooks.values()))
    return Ledger(notebooks, measures, tuple(claims.values()))


def _build(kind: Callable[..., Any], row: Mapping[str, Any], name: str) -> Any:
    values = {k: tuple(v) if isinstance(v, list) else v for k, v in row.items()}
    try:
        return kind(**values)
    except TypeError as error:
        label = row.get("id") or row.get("key") or "?"
        raise ClaimsError(
            f"the {name} {label!r} in claims.toml is not complete: {error}", "correct its fields"
        ) from None


def _unique(rows: Iterator[Any], field: str, name: str) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for row in rows:
        key = getattr(row, field)
        if key in found:
            raise ClaimsError(f"the {name} {key!r} is in claims.toml twice", "remove one")
        found[key] = row
    return found


def _check_claim(claim: Claim, measures: Mapping[str, Measure], notebooks: set[str]) -> None:
    if claim.verdict not in VERDICTS:
        raise ClaimsError(
            f"claim {claim.id!r} has the verdict {claim.verdict!r}",
            f"choose one of: {', '.join(VERDICTS)}",
        )
    if claim.notebook not in notebooks:
        raise ClaimsError(
            f"claim {claim.id!r} belongs to the notebook {claim.notebook!r}",
            "declare it with a [[notebook]] row",
        )
    unknown = [key for key in claim.measures if key not in measures]
    if unknown:
        raise ClaimsError(
            f"claim {claim.id!r} names measures that are not declared: {', '.join(unknown)}",
            "add a [[measure]] row for each",
        )


def _ledger_path() -> Path:
    from xlhelpers import settings

    return settings.current().data / "claims.toml"


# ── records ──────────────────────────────────────────────────────────────────────────────────────


@dataclass(frozen=True)
class Record:
    """One measurement, with its interval (`low`, `high`) and number of cases `n` if it has them."""

    key: str
    value: float
    low: float | None = None
    high: float | None = None
    n: int | None = None
    unit: str = "%"
    digits: int = 0
    note: str = ""

    def text(self, form: str = "value") -> str:
        """The record as prose: "value", "interval", "range", "number" or "n".

        Raises:
            ClaimsError: the form is unknown, or the record lacks what it needs.
        """
        if form == "value":
            return _with_unit(self._rounded(self.value), self.unit)
        if form == "number":
            return self._rounded(self.value)
        if form == "n" and self.n is not None:
            return f"{self.n:,}"
        if form in ("interval", "range") and self.low is not None and self.high is not None:
            low, high = self._rounded(self.low), self._rounded(self.high)
            if form == "range":
                return _with_unit(f"{low} to {high}", self.unit)
            return f"{self.text()} [{low}, {high}]"
        raise ClaimsError(
            f"the record {self.key!r} cannot be written as {form!r}",
            "choose value, number, interval, range or n, and record low, high and n for them",
        )

    @property
    def full(self) -> str:
        """The value with its interval and number of cases where there are any."""
        text = self.text("value" if self.low is None else "interval")
        return f"{text} (n = {self.n:,})" if self.n is not None else text

    def _rounded(self, value: float) -> str:
        """As the prose writes numbers: 6,000 and −0.5, and no minus before a 0."""
        text = f"{round(value, self.digits) or 0:,.{self.digits}f}"
        return text.replace("-", "−")


def record(
    key: str,
    value: float,
    low: float | None = None,
    high: float | None = None,
    n: int | None = None,
    unit: str | None = None,
    digits: int | None = None,
    note: str = "",
    notebook: str | None = None,
) -> None:
    """Keep a measurement of this run; a later one under the same key replaces it.

    Percentages are given in per cent (41.2, not 0.412). Unit and digits come from the measure's
    line in `claims.toml`; where they are given they must agree with it.

    Args:
        key: a key of `claims.toml`, such as "alignment.p1.de".
        value: the measurement, finite.
        low, high: its interval, with low <= value <= high.
        n: the number of cases behind it.
        note: anything a reader of the record should know.
        notebook: needed only for keys that every notebook has ("notebook.minutes").

    Raises:
        ClaimsError: the key is not declared, a number is not finite, the interval does not hold
            the value, or a percentage lies outside 0 to 100.
    """
    book = ledger()
    measure = book.measures.get(key)
    if measure is None:
        close = difflib.get_close_matches(key, book.measures, n=3)
        raise ClaimsError(
            f"no measure {key!r} is declared in data/claims.toml",
            f"did you mean {' or '.join(close)}?" if close else "add a [[measure]] row for it",
        )
    for name, given, declared in (("unit", unit, measure.unit), ("digits", digits, measure.digits)):
        if given is not None and given != declared:
            raise ClaimsError(
                f"{key}: {name}={given!r} was given, claims.toml says {declared!r}",
                "leave it out, or change claims.toml",
            )
    entry = Record(
        key=key,
        value=_number(key, value),
        low=None if low is None else _number(key, low),
        high=None if high is None else _number(key, high),
        n=None if n is None else int(n),
        unit=measure.unit,
        digits=measure.digits,
        note=note,
    )
    _check_record(entry)
    _write_record(notebook or book.notebook_of(key), entry)


def records(notebook: str, folder: Path | None = None) -> dict[str, Record]:
    """The records of a notebook's last run, by key; empty when it has not run."""
    path = (records_folder() if folder is None else Path(folder)) / f"{notebook}.json"
    return {key: Record(key=key, **fields) for key, fields in sorted(_store.read(path).items())}


def records_folder() -> Path:
    """Where records go: XL_RECORDS, else build/records beside the data folder."""
    named = os.environ.get("XL_RECORDS", "").strip()
    if named:
        return Path(named).expanduser().absolute()
    return _ledger_path().parent.parent / "build" / "records"


def _number(key: str, value: Any) -> float:
    try:
        number = float(value)
    except (TypeError, ValueError):
        raise ClaimsError(f"{key}: {value!r} is no number", "record one number") from None
    if not math.isfinite(number):
        raise ClaimsError(f"{key}: {number} is not finite", "find out where it comes from")
    return number


def _check_record(entry: Record) -> None:
    if (entry.low is None) != (entry.high is None):
        raise ClaimsError(f"{entry.key}: an interval has two ends", "give both low and high")
    if entry.low is not None and entry.high is not None:
        # The mean of equal numbers may differ from each of them in its last bit.
        slack = 1e-9 * max(1.0, abs(entry.value))
        if not entry.low - slack <= entry.value <= entry.high + slack:
            raise ClaimsError(
                f"{entry.key}: the value {entry.value:g} is outside its interval "
                f"[{entry.low:g}, {entry.high:g}]",
                "check the order of the arguments",
            )
    if entry.unit == "%" and not 0 <= entry.value <= 100:
        raise ClaimsError(f"{entry.key}: {entry.value:g} is no percentage", "give 0 to 100")
    if entry.n is not None and entry.n < 0:
        raise ClaimsError(f"{entry.key}: n is {entry.n}", "give the number of cases")


def _write_record(notebook: str, entry: Record) -> None:
    fields = {k: v for k, v in asdict(entry).items() if k != "key"}

    def change(data: dict[str, Any]) -> None:
        data[entry.key] = fields

    try:
        _store.update(records_folder() / f"{notebook}.json", change)
    except OSError as error:
        # A learner's read-only folder must not stop a notebook; the test that needs records fails.
        warnings.warn(f"the measurement {entry.key} could not be saved: {error}", stacklevel=3)


def _with_unit(text: str, unit: str) -> str:
    return f"{text} {unit}" if unit else text


# ── the table ────────────────────────────────────────────────────────────────────────────────────


def rows(notebook: str, found: Mapping[str, Record] | None = None) -> list[dict[str, str]]:
    """The ledger's rows for a notebook.

    Keys: id, wording, article, published, source, verdict, comment, measured. `measured` is one
    line per measure; "not measured in this run" where a record is missing, empty when the claim
    rests on no measure.
    """
    found = records(notebook) if found is None else found
    book = ledger()
    return [
        {
            "id": claim.id,
            "wording": claim.wording,
            "article": claim.article,
            "published": claim.published,
            "source": claim.source,
            "verdict": VERDICTS[claim.verdict],
            "comment": claim.comment,
            "measured": "\n".join(_measured(book.measures[k], found) for k in claim.measures),
        }
        for claim in book.claims
        if claim.notebook == notebook
    ]


def _measured(measure: Measure, found: Mapping[str, Record]) -> str:
    entry = found.get(measure.key)
    return f"{measure.what}: {entry.full if entry else 'not measured in this run'}"


def missing(notebook: str, found: Mapping[str, Record] | None = None) -> list[str]:
    """Keys that a notebook's claims rest on and that its last run did not record."""
    found = records(notebook) if found is None else found
    wanted = [key for c in ledger().claims if c.notebook == notebook for key in c.measures]
    return [key for key in dict.fromkeys(wanted) if key not in found]


# So many measures of a claim are shown at once.
_SHOWN = 6


class Table:
    """The rows of one notebook as an HTML table, or as plain text."""

    columns = (
        ("wording", "Claim"),
        ("article", "The article"),
        ("published", "Published"),
        ("verdict", "Verdict"),
        ("measured", "Measured here"),
    )
    # Of the width, in per cent: a browser left to itself gives a list less than its words need.
    shares = (18, 12, 24, 22, 24)

    def __init__(self, notebook: str, rows: list[dict[str, str]]) -> None:
        self.notebook = notebook
        self.rows = rows

    def __repr__(self) -> str:
        lines = [f"Claims of notebook {self.notebook}"]
        for row in self.rows:
            lines += [f"- {row['wording']} ({row['article']})"]
            lines += [f"  published: {row['published']} ({row['source']})"] * bool(row["published"])
            lines += [f"  verdict: {row['verdict']}. {row['comment']}".rstrip()]
            lines += [f"  measured: {line}" for line in row["measured"].splitlines()]
        return "\n".join(lines)

    def _repr_html_(self) -> str:
        head = "".join(
            f'<th scope="col" style="text-align:left;width:{share}%">{title}</th>'
            for (_, title), share in zip(self.columns, self.shares, strict=True)
        )
        body = "".join(self._row(row) for row in self.rows)
        caption = f"Claims of notebook {html.escape(self.notebook)}: the article, the literature, "
        return (
            '<table lang="en" style="text-align:left;width:100%"><caption style="text-align:left">'
            f"{caption}and this run</caption><thead><tr>{head}</tr></thead>"
            f"<tbody>{body}</tbody></table>"
        )

    @staticmethod
    def _row(row: Mapping[str, str]) -> str:
        published = html.escape(row["published"])
        if row["source"]:
            published += f"<br><cite>{html.escape(row['source'])}</cite>"
        verdict = f"<strong>{html.escape(row['verdict'])}</strong>"
        if row["comment"]:
            verdict += f"<br>{html.escape(row['comment'])}"
        cells = [html.escape(row["article"]), published, verdict]
        cells.append(_listed(row["measured"].splitlines()))
        style = ' style="text-align:left;vertical-align:top;overflow-wrap:anywhere"'
        data = "".join(f"<td{style}>{cell}</td>" for cell in cells)
        return f'<tr><th scope="row"{style}>{html.escape(row["wording"])}</th>{data}</tr>'


def _listed(lines: Sequence[str]) -> str:
    """Return lines as an HTML list; of many, all but the first wait behind a summary."""
    items = [f"<li>{html.escape(line)}</li>" for line in lines]
    first, rest = items[:_SHOWN], items[_SHOWN:]
    start = '<ul style="margin:0;padding-inline-start:1.2em">'
    shown = f"{start}{''.join(first)}</ul>" if first else ""
    if not rest:
        return shown
    more = f"{len(rest)} more</summary>{start}{''.join(rest)}</ul>"
    return f"{shown}<details><summary>{more}</details>"


def table(notebook: str) -> Table:
    """The claims of a notebook beside what its run measured."""
    return Table(notebook, rows(notebook))


# ── published figures ────────────────────────────────────────────────────────────────────────────


def published(name: str) -> pd.DataFrame:
    """Return figures that a paper has published, as they stand there: `published("xnli")`.

    One row a model or setting, one column a language (or what the paper has there). `.attrs` holds
    `citation` and `metric`, and `title`, `chance` (a number) and `note` where there are any. The
    files are `data/published/*.csv`.

    Raises:
        ClaimsError: there is no such file, or it does not say where its figures come from.
        AssetError: the file has been altered.
    """
    import pandas as pd

    from xlhelpers import assets

    known = [Path(row).stem for row in assets.manifest() if row.startswith("published/")]
    if name not in known:
        raise ClaimsError(
            f"there are no published figures {name!r}", f"choose among {', '.join(sorted(known))}"
        )
    text = assets.read_bytes(f"published/{name}.csv").decode("utf-8")
    lines = text.splitlines()
    said = [line.removeprefix("# ").partition(": ") for line in lines if line.startswith("# ")]
    told: dict[str, Any] = {key: value.strip() for key, _, value in said}
    if missing_keys := [key for key in ("citation", "metric") if not told.get(key)]:
        raise ClaimsError(
            f"data/published/{name}.csv does not state its {' and '.join(missing_keys)}",
            "add a line such as “# citation: authors (year), title, venue, table”",
        )
    if "chance" in told:
        told["chance"] = float(told["chance"])
    table = pd.read_csv(io.StringIO("\n".join(lines[len(said) :])), index_col="model")
    table.attrs.update(told)
    return table


# ── numbers in prose ─────────────────────────────────────────────────────────────────────────────


def fill_markers(markdown: str, found: Mapping[str, Record]) -> str:
    """The text with every marker's content replaced by its record; unknown keys are left alone."""

    def replace(match: re.Match[str]) -> str:
        key, form, _ = match.groups()
        entry = found.get(key)
        if entry is None:
            return match.group(0)
        return f"<!--={key}{f':{form}' if form else ''}-->{entry.text(form or 'value')}<!--/-->"

    return _MARKER.sub(replace, markdown)


def check_markers(markdown: str, found: Mapping[str, Record]) -> list[str]:
    """One sentence for each marker that is broken, unknown, not measured or out of tolerance."""
    problems = []
    book = ledger()
    for match in _MARKER.finditer(markdown):
        key, form, text = match.groups()
        if key not in book.measures:
            problems.append(f"the marker {key!r} names no measure of claims.toml")
        elif key not in found:
            problems.append(f"the marker {key!r} has no measurement")
        else:
            problems += _disagreement(found[key], form or "value", text, book.measures[key])
    return problems + broken_markers(markdown)


def broken_markers(markdown: str) -> list[str]:
    """One sentence if a part of a marker is left over when all whole ones are taken out."""
    if _MARKER_PART.search(_MARKER.sub("", markdown)):
        return ["a marker is not closed, is closed twice, or has a vertical bar in it"]
    return []


def marker_keys(markdown: str) -> list[str]:
    """The keys of all markers in a text, in order."""
    return [match.group(1) for match in _MARKER.finditer(markdown)]


def _disagreement(entry: Record, form: str, text: str, measure: Measure) -> list[str]:
    try:
        expected = entry.text(form)
    except ClaimsError as error:
        return [error.problem]
    shape_now, shape_then = _NUMBER.sub("#", text.strip()), _NUMBER.sub("#", expected)
    now, then = _numbers(text), _numbers(expected)
    # Rounding may move both by half a digit beyond the tolerance that the measure allows.
    allowed = measure.tolerance + 10.0**-measure.digits + 1e-9
    if form == "n":
        allowed = 0.0
    near = len(now) == len(then) and all(
        abs(a - b) <= allowed for a, b in zip(now, then, strict=True)
    )
    if shape_now == shape_then and near:
        return []
    return [f"the text says {text.strip()!r} for {entry.key}, the run measured {expected!r}"]


def _numbers(text: str) -> list[float]:
    return [float(n.replace("−", "-").replace(",", "")) for n in _NUMBER.findall(text)]


_FENCE = re.compile(r"^(`{3,}|~{3,}).*?^\1`*\s*$", re.DOTALL | re.MULTILINE)
_IGNORED = (
    re.compile(r"<!--.*?-->", re.DOTALL),
    re.compile(r"`[^`]*`"),
    re.compile(r"\$\$.*?\$\$|\$[^$\n]+\$", re.DOTALL),
    re.compile(r"\]\([^)]*\)"),  # the target of a link or an image
    re.compile(r"https?://\S+"),
    re.compile(r"<[^>]+>"),
    re.compile(r"\b9[059](?:\.\d)? ?% (?:confidence )?intervals?"),  # a level, not a finding
    re.compile(r"\b(?:Python|version|Apache|CC[ -]BY[\w-]*)[ -]v?\d+(?:\.\d+)+"),  # a version
)
_CITATION = re.compile(r"\([^()]*\b(?:19|20)\d\d[a-z]?\b[^()]*\)")
_FINDING = re.compile(
    r"\d+(?:\.\d+)?\s?(?:%|(?:per ?cent|points?|nats?|ms|times (?:as|the))\b)|\b\d+\.\d+\b"
)


def unmarked_numbers(markdown: str) -> list[str]:
    """Findings in prose outside markers, in paragraphs that cite nothing.

    A finding is a percentage, a number of points, nats or milliseconds, “7 times as many”, or any
    number with decimals.

    Code, formulas, link targets and the level of an interval ("95 % interval") do not count. A
    citation is a pair of brackets with a year in it, as in (Xing et al., 2015).
    """
    text = _FENCE.sub("", _MARKER.sub("", markdown))
    found = []
    for paragraph in re.split(r"\n\s*\n", text):
        cited = _CITATION.search(paragraph)
        for pattern in _IGNORED:
            paragraph = pattern.sub(" ", paragraph)
        if not cited:
            found += [match.group(0).strip() for match in _FINDING.finditer(paragraph)]
    return found
