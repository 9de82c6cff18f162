"""From a file to a file: as many texts as there are, each line answered or its error told.

Both files are JSON lines: one object a line, UTF-8. Line n of the target is about line n of the
source, always. What is done is on the disk after every part, so a run that was interrupted goes
on where it stopped.
"""

from __future__ import annotations

import hashlib
import itertools
import json
import math
import os
import time
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, BinaryIO, Protocol

from xlhelpers import files, settings
from xlhelpers.serving._errors import ServingError
from xlhelpers.serving._service import SURROGATE

# Lines that are read, answered and written together: texts of like length are sought among them.
CHUNK = 1024
# Bytes of a line; what follows in a longer one is skipped.
MAX_LINE = 1_000_000
# Lines that a report tells of one by one.
_TOLD = 20
# What a line of the target has of its own.
_TAKEN = frozenset({"line", "answer", "error"})


class Serves(Protocol):
    """What can answer: a classifier, a recogniser, a router, or an object of one's own."""

    model_hash: str

    def attempt(
        self, texts: Sequence[Any], languages: Sequence[str | None] | None = None
    ) -> Sequence[Any]:
        """Return, for each text, an answer with `.json()`, or a `ServingError`."""
        ...


@dataclass(frozen=True, slots=True)
class Report:
    """What became of a file.

    Attributes:
        lines: of the source, and of the target.
        answered, bad: of them.
        resumed: lines that an earlier run had done.
        seconds: of this run, wall clock.
        problems: how often each problem occurred, those of this run.
        examples: (line, problem) of the first bad lines of this run.
    """

    lines: int
    answered: int
    bad: int
    resumed: int
    seconds: float = field(compare=False)
    problems: Mapping[str, int] = field(default_factory=dict, repr=False)
    examples: tuple[tuple[int, str], ...] = field(default=(), repr=False)


def bulk(
    classifier: Serves,
    source: str | Path,
    target: str | Path,
    *,
    text: str | tuple[str, str] = "text",
    language: str = "language",
    keep: Sequence[str] = ("id",),
    chunk: int = CHUNK,
    overwrite: bool = False,
    resume: bool = True,
    progress: bool = True,
) -> Report:
    """Answer every line of a file into another file.

    A line of the target has `line` (from 1), the fields of `keep` that the source has, and
    either `answer`, as its `json()` has it, or `error`. It does not have the text. The target
    appears when it is whole; until then its lines are in `<target>.part`.

    Args:
        classifier: answers with `attempt`.
        source: JSON lines with the field `text`, or with two fields for pairs, and, if known,
            the `language`.
        target: where the answers go.
        text: name of the field, or two names for pairs.
        language: name of the field; it may be missing or null.
        keep: names of fields that are copied, numbers and texts of up to 200 characters.
        chunk: lines at a time; what an interrupted run loses at most.
        overwrite: replace a target that is there.
        resume: go on with what an interrupted run has left; else begin anew.
        progress: show a bar where someone can see it.

    Raises:
        ServingError: the source cannot be read, the target is there or a folder, the source is
            the target or where its lines are gathered, `keep` is one text or has a name that is
            taken, or what an interrupted run left is of another source, model or call.
        FileLockedError: another call is writing the same target.
        FineTuningError: the model's outputs are not finite.
    """
    if isinstance(keep, str):
        raise ServingError(f"keep is the text {keep!r}", f"give a list of names: [{keep!r}]")
    job = _Job(classifier, Path(source), Path(target), text, language, tuple(keep))
    if isinstance(chunk, bool) or not isinstance(chunk, int) or chunk < 1:
        raise ServingError(f"chunk is {chunk!r}", "choose a whole number from 1")
    busy = (
        f"another call is writing {job.target.name!r}",
        "wait for it to end, or name another target",
    )
    with files.lock(job.lock(), timeout=1.0, busy=busy):
        job.check(overwrite)
        return job.run(chunk, resume, progress)


@dataclass(frozen=True)
class _Job:
    """One call of `bulk`."""

    classifier: Serves
    source: Path
    target: Path
    text: str | tuple[str, str]
    language: str
    keep: tuple[str, ...]

    def beside(self, suffix: str) -> Path:
        return self.target.with_name(self.target.name + suffix)

    @property
    def part(self) -> Path:
        """The lines that are done, until the target is whole."""
        return self.beside(".part")

    @property
    def state(self) -> Path:
        """What these lines are of."""
        return self.beside(".part.json")

    def lock(self) -> Path:
        """Return a file that stands for the target, not beside it, where it would stay."""
        name = hashlib.sha256(str(self.target.resolve()).encode()).hexdigest()
        return settings.current().cache / "bulk" / f"{name}.lock"

    def check(self, overwrite: bool) -> None:
        if not self.source.is_file() or not os.access(self.source, os.R_OK):
            raise ServingError(f"no file {self.source.name!r} can be read", "check the path")
        if taken := _TAKEN & set(self.keep):
            raise ServingError(
                f"{min(taken)!r} cannot be kept: the target has it already", "leave it out of keep"
            )
        for place in (self.target, self.part, self.state):
            if place.is_dir():
                raise ServingError(f"{place.name!r} is a folder", "name another target")
            if place.exists() and place.samefile(self.source):
                what = "target" if place == self.target else f"the target's {place.name!r}"
                raise ServingError(f"source and {what} are the same file", "name another target")
        if self.target.exists() and not overwrite:
            raise ServingError(
                f"{self.target.name!r} is there already", "name another target, or overwrite=True"
            )

    def run(self, chunk: int, resume: bool, progress: bool) -> Report:
        started = time.perf_counter()
        part, state = self.part, self.state
        identity = self._identity()
        if not resume:
            part.unlink(missing_ok=True)
            state.unlink(missing_ok=True)
        counts = self._resumed(part, state, identity)
        resumed = sum(counts.values())
        files.write_text(state, json.dumps(identity, sort_keys=True) + "\n")
        problems: Counter[str] = Counter()
        examples: list[tuple[int, str]] = []
        with self.source.open("rb") as lines, part.open("ab") as out:
            for rows in self._chunks(lines, chunk, resumed, progress):
                answers = self._answered(rows)
                made = "".join(json.dumps(a, ensure_ascii=False) + "\n" for a in answers)
                out.write(made.encode())
                out.flush()
                os.fsync(out.fileno())
                for answer in answers:
                    counts["error" in answer] += 1
                    if "error" in answer:
                        problems[answer["error"]] += 1
                        examples.append((answer["line"], answer["error"]))
                del examples[_TOLD:]
        os.replace(part, self.target)
        state.unlink(missing_ok=True)
        return Report(
            lines=sum(counts.values()),
            answered=counts[False],
            bad=counts[True],
            resumed=resumed,
            seconds=time.perf_counter() - started,
            problems=dict(problems.most_common(_TOLD)),
            examples=tuple(examples),
        )

    # ── what an interrupted run has left ─────────────────────────────────────────────────

    def _identity(self) -> dict[str, Any]:
        """Return all that decides the answers, to know an interrupted run again."""
        # An object of one's own may have neither.
        calibration = getattr(self.classifier, "calibration", None)
        how = getattr(self.classifier, "settings_hash", "")
        return {
            "source": files.sha256(self.source),
            "model": self.classifier.model_hash,
            "settings": how,
            "calibration": repr(calibration),
            "text": self.text if isinstance(self.text, str) else list(self.text),
            "language": self.language,
            "keep": list(self.keep),
        }

    def _resumed(self, part: Path, state: Path, identity: Mapping[str, Any]) -> Counter[bool]:
        """Return how many lines are done, by whether they are bad; a torn last line is cut off."""
        counts: Counter[bool] = Counter()
        if not part.exists():
            return counts
        try:
            same = json.loads(state.read_text(encoding="utf-8")) == identity
        except (OSError, ValueError):
            same = False
        if not same:
            raise ServingError(
                f"{part.name!r} is what a run on another source, with another model, other "
                "settings or other fields has left",
                "begin anew with resume=False, or name another target",
            )
        whole = 0
        with part.open("rb") as done:
            for line in done:
                if not line.endswith(b"\n"):
                    break
                try:
                    counts["error" in json.loads(line)] += 1
                except ValueError:  # a disk that was full, or a machine that went down
                    break
                whole += len(line)
        with part.open("r+b") as done:
            done.truncate(whole)
        return counts

    # ── lines ────────────────────────────────────────────────────────────────────────────

    def _chunks(
        self, lines: BinaryIO, size: int, skip: int, progress: bool
    ) -> Iterator[list[tuple[int, bytes | None]]]:
        """Yield (number, line) in parts, those after the first `skip`; None for one too long."""
        from tqdm.auto import tqdm

        total = self.source.stat().st_size
        rows: list[tuple[int, bytes | None]] = []
        with tqdm(
            total=total,
            desc=self.source.name,
            unit="B",
            unit_scale=True,
            disable=None if progress else True,
        ) as bar:
            numbered = enumerate(_lines(lines), start=1)
            for number, line in itertools.islice(numbered, skip, None):
                rows.append((number, line))
                if len(rows) == size:
                    yield rows
                    rows = []
                    bar.update(lines.tell() - bar.n)
            if rows:
                yield rows
            bar.update(total - bar.n)

    def _answered(self, rows: Sequence[tuple[int, bytes | None]]) -> list[dict[str, Any]]:
        """Return what the target has of each line."""
        out: list[dict[str, Any]] = []
        texts, codes, places = [], [], []
        for number, line in rows:
            out.append({"line": number})
            try:
                row = _parsed(line)
            except ServingError as error:
                out[-1]["error"] = error.problem
                continue
            out[-1] |= {name: row[name] for name in self.keep if _is_plain(row.get(name))}
            try:
                texts.append(self._text(row))
            except ServingError as error:
                out[-1]["error"] = error.problem
                continue
            codes.append(row.get(self.language))
            places.append(len(out) - 1)
        for place, said in zip(places, self.classifier.attempt(texts, codes), strict=True):
            if isinstance(said, ServingError):
                out[place]["error"] = said.problem
            else:
                # Where it stood among the texts of one call means nothing in a file.
                found = {key: value for key, value in said.json().items() if key != "index"}
                out[place]["answer"] = found
        return out

    def _text(self, row: Mapping[str, Any]) -> Any:
        names = (self.text,) if isinstance(self.text, str) else self.text
        for name in names:
            if not isinstance(row.get(name), str):
                raise ServingError(f"it has no text in {name!r}")
        return row[self.text] if isinstance(self.text, str) else tuple(row[n] for n in names)


def _lines(source: BinaryIO) -> Iterator[bytes | None]:
    """Yield lines, None in the place of one that is too long."""
    while line := source.readline(MAX_LINE + 1):
        if len(line) <= MAX_LINE or line.endswith(b"\n"):
            yield line
            continue
        while line and not line.endswith(b"\n"):
            line = source.readline(MAX_LINE)
        yield None


def _parsed(line: bytes | None) -> dict[str, Any]:
    """Return a line as a dictionary.

    Raises:
        ServingError: it is none; the message has nothing of the line.
    """
    if line is None:
        raise ServingError(f"it is longer than {MAX_LINE} bytes")
    try:
        row = json.loads(line.decode("utf-8-sig"))
    except UnicodeDecodeError:
        raise ServingError("it is not UTF-8") from None
    except RecursionError:
        raise ServingError("it is nested too deeply") from None
    except ValueError:
        raise ServingError("it is no JSON" if line.strip() else "it is empty") from None
    if not isinstance(row, dict):
        raise ServingError("it is no JSON object")
    return row


def _is_plain(value: Any) -> bool:
    if isinstance(value, str):
        return len(value) <= 200 and not SURROGATE.search(value)
    # JSON has no NaN, though Python reads and writes it.
    return isinstance(value, int) or (isinstance(value, float) and math.isfinite(value))
