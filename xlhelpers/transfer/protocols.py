"""Zero-shot, few-shot and the transfer matrix: who is trained on what and asked in which language.

Protocols, not scripts: every run has a seed, is kept as soon as it is done, and is compared with
what knows nothing (`majority`, `n-grams`) and with what knows the language (`supervised`).
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import replace
from functools import partial
from typing import Any, Literal

import numpy as np

from xlhelpers import assets, settings
from xlhelpers.datasets import Table, Tagged
from xlhelpers.transfer import baselines as known_nothing
from xlhelpers.transfer import strategies as ways
from xlhelpers.transfer.leakage import refuse_leaks
from xlhelpers.transfer.learners import (
    Answers,
    Learner,
    Training,
    ask,
    require_head,
    with_its_head,
)
from xlhelpers.transfer.results import MAJORITY, NGRAMS, SUPERVISED, ZERO, Results, Run
from xlhelpers.transfer.tasks import (
    Task,
    TransferError,
    known,
    labels,
    name_of,
    same_labels,
    task,
    test_rows,
    training_rows,
)

Model = Any  # a role, a hub id, a folder, (model, tokenizer) or a `Checkpoint`
Leaks = Literal["refuse", "drop"]
SHOTS = (0, 5, 10, 25, 50, 100, 250)
# So many times as many rows as the most shots are kept from the source's training, so that draws
# differ from one another.
_POOL = 2


def zero_shot(
    model: Model,
    on: str | Task,
    source: str = "en",
    targets: Sequence[str] | None = None,
    *,
    seeds: Sequence[int] = (0, 1, 2),
    baselines: bool = False,
    supervised: bool = False,
    training: Training | None = None,
    leaks: Leaks = "refuse",
    progress: bool = True,
) -> Results:
    """Train in one language and test in others (Pires et al., 2019, ACL).

    Args:
        model: a role (`"InfoXLM"`), a hub id, a folder, or (model, tokenizer): an encoder, which
            gets a new head.
        on: `"sentiment"`, `"polarity"`, `"nli"`, `"ner"`, or a `Task` of your own.
        source: language that is trained on.
        targets: languages that are tested in; left out, all that the task has.
        seeds: of fine-tuning, one run each: heads and orders of rows differ.
        baselines: also `majority` and `n-grams`, trained on the source.
        supervised: also train on each target language.
        training: left out, what suits the model's size.
        leaks: `"refuse"`, or `"drop"` training rows that are tested on.
        progress: show a bar where someone can see it.

    Raises:
        TransferError: unknown language or task, labels that differ between languages, nothing
            to learn from, a model that is fine-tuned for something else.
        LeakageError: a test row has been trained on, also in another language.
    """
    of = task(on)
    wanted = known(of, of.available() if targets is None else targets, "targets")
    table = _Tables(of, [source, *(wanted if supervised else [])], wanted, leaks)
    learner = Learner(model, of, table.names, training)
    references = wanted if supervised else []
    total = len(seeds_of(seeds)) * (1 + len(references))
    with bar(total, f"{of.name}, zero-shot", progress) as step:
        runs = list(_transfer(learner, table, source, wanted, seeds, step))
        for code in references:
            runs += _supervised(learner, table, code, seeds, step)
    if baselines:
        runs += _baselines(learner, table, source, wanted)
    return Results(runs)


def transfer_matrix(
    model: Model,
    on: str | Task,
    sources: Sequence[str] | None = None,
    targets: Sequence[str] | None = None,
    *,
    seeds: Sequence[int] = (0,),
    training: Training | None = None,
    leaks: Leaks = "refuse",
    progress: bool = True,
) -> Results:
    """Train in each of several languages and test in all: `.matrix()`, `.plot()`.

    Args:
        model, on, seeds, training, leaks, progress: as `zero_shot`.
        sources: languages that are trained on, each by itself; left out, all.
        targets: left out, the sources.

    Raises:
        as `zero_shot`.
    """
    of = task(on)
    rows = known(of, of.available() if sources is None else sources, "sources")
    columns = known(of, rows if targets is None else targets, "targets")
    table = _Tables(of, rows, columns, leaks)
    learner = Learner(model, of, table.names, training)
    with bar(len(seeds_of(seeds)) * len(rows), f"{of.name}, sources", progress) as step:
        runs = [
            run for code in rows for run in _transfer(learner, table, code, columns, seeds, step)
        ]
    return Results(runs)


def few_shot(
    model: Model,
    on: str | Task,
    source: str,
    targets: Sequence[str],
    *,
    shots: Sequence[int] = SHOTS,
    draws: int = 10,
    strategies: Sequence[str] = ("continued",),
    seeds: Sequence[int] = (0, 1, 2),
    supervised: bool = False,
    baselines: bool = False,
    others: Sequence[str] = (),
    second_task: str | Task | None = None,
    pool: int | None = None,
    training: Training | None = None,
    leaks: Leaks = "refuse",
    progress: bool = True,
) -> Results:
    """Add a few labelled rows of the target language, in many draws (Zhao et al., 2021, ACL).

    Ids that run through the languages would let the source's training know every shot in
    another language. So a pool of ids is kept from it, and shots are drawn from there: draw d
    with k shots has the first k rows of shuffle d, classes in turn, so that larger draws hold
    the smaller ones. Draw d goes with seed `seeds[d % len(seeds)]`.

    Args:
        model, on, source, targets, training, leaks, progress: as `zero_shot`.
        shots: rows of the target language in all, not per class; zero-shot is always run.
        draws: sets of shots.
        strategies: `"target-only"`, `"joint"`, `"joint, up-weighted"`, `"continued"`,
            `"multi-source"`, `"multi-task"`, `"Reptile"`.
        seeds: of fine-tuning on the source.
        supervised: also train on the target language, with all rows that it has.
        baselines: also `majority` and `n-grams`, trained on the source.
        others: further languages with labels, for `multi-source` and `Reptile`.
        second_task: with labels in the target language, for `multi-task`.
        pool: how many ids are kept for shots; left out, twice the most shots.

    Raises:
        TransferError: as `zero_shot`; more shots than rows, fewer than two classes.
        LeakageError: as `zero_shot`.
    """
    of = task(on)
    wanted = known(of, targets, "targets")
    if source in wanted:
        raise TransferError(f"{source!r} is source and target", "leave it out of the targets")
    names = ways.chosen(strategies, others, second_task)
    further = known(of, others, "others") if others else []
    if met := set(further) & {source, *wanted}:
        raise TransferError(f"others has {sorted(met)[0]!r}", "name languages beside the targets")
    counts = _shots(shots, draws)
    table = _Tables(of, [source, *wanted, *further], wanted, leaks)
    table.keep_for_shots(max(counts, default=0), pool, wanted)
    second = None if second_task is None else task(second_task)
    seconds = {code: table.beside(second, code) for code in wanted} if second else {}
    learner = Learner(model, of, table.names, training)
    lessons = _Lessons(
        learner, table, source, tuple(further), second, seconds, tuple(seeds_of(seeds))
    )
    total = len(wanted) * len(counts) * draws * len(names)
    with bar(total, f"{of.name}, few-shot", progress) as step:
        runs = list(_transfer(learner, table, source, wanted, seeds))
        for code in wanted:
            if supervised:
                runs += _supervised(learner, table, code, seeds)
            runs += lessons.runs(code, counts, draws, names, step)
    if baselines:
        runs += _baselines(learner, table, source, wanted)
    return Results(runs)


def evaluate(
    model: Model,
    on: str | Task,
    targets: Sequence[str] | None = None,
    *,
    source: str = "",
    name: str = "",
) -> Results:
    """Test a model that has been fine-tuned already, as it is; labels are compared by name.

    Args:
        model: fine-tuned for the task: (model, tokenizer), a role (`"NLI"`), a hub id, a folder.
        on, targets: as `zero_shot`.
        source: the language it was trained on, where that is known.
        name: what tables call it.

    Raises:
        TransferError: as `zero_shot`; the model's head is missing, random or for other classes.
    """
    of = task(on)
    wanted = known(of, of.available() if targets is None else targets, "targets")
    tests = {code: test_rows(of, code) for code in wanted}
    called, body, tokenizer = with_its_head(model, of)
    require_head(body, of, same_labels(of, tests.values()))
    return Results(
        Run(
            name or called, of.name, ZERO, source or "?", code, 0, 0, 0, 0, 0.0,
            ask(body, tokenizer, of, table),
        )
        for code, table in tests.items()
    )  # fmt: skip


def committed(name: str) -> Results:
    """Return results that were computed when the course was built: `data/transfer/`.

    Raises:
        TransferError: there are none of that name.
        AssetError: the file is missing or altered.
    """
    path = f"transfer/{name}.csv.gz"
    there = [n for n in assets.manifest() if n.startswith("transfer/")]
    if path not in there:
        names = ", ".join(n.removeprefix("transfer/").removesuffix(".csv.gz") for n in there)
        raise TransferError(
            f"no results {name!r} are committed", f"there are {names}" if names else "build them"
        )
    return Results.from_bytes(assets.read_bytes(path), path)


# ── rows ─────────────────────────────────────────────────────────────────────────────────


class _Tables:
    """The rows of a task: training without what is kept for shots or tested on, and tests."""

    def __init__(self, of: Task, trained: Sequence[str], tested: Sequence[str], leaks: str) -> None:
        self.task = of
        codes = known(of, list(dict.fromkeys(trained)), "languages")
        self.test = {code: test_rows(of, code) for code in tested}
        rows = [training_rows(of, code) for code in codes]
        self.names = same_labels(of, [*rows, *self.test.values()])
        kept = refuse_leaks(rows, list(self.test.values()), leaks)
        self._train = dict(zip(codes, kept, strict=True))
        self._pool: frozenset[str] = frozenset()
        self._leaks = leaks

    def beside(self, second: Task, code: str) -> Table:
        """Return what a second task is trained on in a language: nothing that is tested on.

        Raises:
            LeakageError: it is, and is not to be dropped.
        """
        rows = training_rows(second, code)
        return refuse_leaks([rows], list(self.test.values()), self._leaks)[0]

    def train(self, code: str, whole: bool = False) -> Table:
        """Return the rows that a language is trained on; those kept for shots only if `whole`.

        Raises:
            TransferError: all have the same label.
        """
        table = self._train[code]
        if self._pool and not whole:
            table = table.subset([id_ not in self._pool for id_ in table.ids])
        _require_two_labels(table)
        return table

    def keep_for_shots(self, most: int, size: int | None, targets: Sequence[str]) -> None:
        """Keep ids from training; the same for all languages whose ids run through.

        Raises:
            TransferError: there are not so many rows, or none would be left to train on.
        """
        wanted = _POOL * most if size is None else size
        if wanted < most:
            raise TransferError(
                f"a pool of {wanted} rows for {most} shots", "make the pool as large at least"
            )
        pool: set[str] = set()
        for code in targets:
            ids = self._train[code].ids
            if wanted >= len(ids):
                raise TransferError(
                    f"{most} shots are drawn from {wanted} rows, and {self.task.name} has "
                    f"{len(ids)} to train on in {name_of(code)}",
                    "ask for fewer shots, or for a smaller pool",
                )
            ahead = [id_ for id_ in ids if id_ in pool]
            others = np.random.default_rng(0).permutation([i for i in ids if i not in pool])
            pool |= {str(id_) for id_ in others[: max(0, wanted - len(ahead))]}
        self._pool = frozenset(pool)

    def shots(self, code: str, count: int, draw: int) -> Table:
        """Return the first `count` rows of a shuffle of the pool, classes in turn."""
        table = self._train[code]
        ids = [id_ for id_ in table.ids if id_ in self._pool]
        rng = np.random.default_rng([draw, len(ids)])
        drawn = table.subset([ids[i] for i in rng.permutation(len(ids))])
        order = range(len(drawn)) if isinstance(drawn, Tagged) else _in_turn(labels(drawn))
        found = drawn.subset([drawn.ids[i] for i in list(order)[:count]])
        _require_two_labels(found)
        return found


def _in_turn(classes: Sequence[str]) -> list[int]:
    """Return row numbers so that the classes take turns, each in its own order."""
    waiting: dict[str, list[int]] = defaultdict(list)
    for row, name in enumerate(classes):
        waiting[name].append(row)
    place = {row: (number, name) for name, q in waiting.items() for number, row in enumerate(q)}
    return sorted(place, key=place.__getitem__)


def _require_two_labels(table: Table) -> None:
    found = {label for row in labels(table) for label in ([row] if isinstance(row, str) else row)}
    if len(found) < 2:
        raise TransferError(
            f"all {len(table)} rows of {name_of(table.language)} are {next(iter(found), '')!r}: "
            "there is nothing to tell apart",
            "give rows of two classes at least; with shots, as many as there are classes",
        )


# ── runs ─────────────────────────────────────────────────────────────────────────────────


class _Lessons:
    """The few-shot runs of one source."""

    def __init__(
        self,
        learner: Learner,
        table: _Tables,
        source: str,
        others: tuple[str, ...],
        second: Task | None,
        seconds: Mapping[str, Table],
        seeds: tuple[int, ...],
    ) -> None:
        self._learner, self._table, self._source = learner, table, source
        self._others, self._seeds = others, seeds
        self._second, self._seconds = second, seconds

    def runs(
        self,
        code: str,
        counts: Sequence[int],
        draws: int,
        names: Sequence[str],
        step: Callable[[], None],
    ) -> Iterator[Run]:
        for name in names:
            # Draws of one seed one after the other: the source's model is made once for all.
            for draw in sorted(range(draws), key=lambda draw: draw % len(self._seeds)):
                for count in counts:
                    yield self._run(code, count, draw, name)
                    step()

    def _run(self, code: str, count: int, draw: int, name: str) -> Run:
        lesson = self._lesson(code, count, draw, name)
        used = [lesson.source, lesson.shots, *lesson.others]
        how: dict[str, Any] = {"strategy": name, "seed": lesson.seed}
        if lesson.second is not None:
            how["second"] = lesson.second[0].name
            used.append(lesson.second[1])
        tests = {code: self._table.test[code]}
        make = partial(ways.STRATEGIES[name], lesson)
        answers = self._learner.answers(how, used, make, tests)[code]
        rows = len(lesson.shots) + (0 if name == "target-only" else len(lesson.source))
        rows += sum(map(len, lesson.others))
        return as_run(
            self._learner, name, self._source, code, answers, lesson.seed, rows, count, draw
        )

    def _lesson(self, code: str, count: int, draw: int, name: str) -> ways.Lesson:
        others = self._others if name in ways.WITH_OTHERS else ()
        second = None
        if name in ways.WITH_SECOND and self._second is not None:
            second = (self._second, self._seconds[code])
        return ways.Lesson(
            self._learner,
            self._table.train(self._source),
            self._table.shots(code, count, draw),
            tuple(self._table.train(other) for other in others),
            second,
            self._seeds[draw % len(self._seeds)],
        )


def _transfer(
    learner: Learner,
    table: _Tables,
    source: str,
    targets: Sequence[str],
    seeds: Sequence[int],
    step: Callable[[], None] = lambda: None,
    whole: bool = False,
) -> Iterator[Run]:
    """Yield the runs of one source on all targets, one training a seed."""
    rows = table.train(source, whole)
    tests = {code: table.test[code] for code in targets}
    for seed in seeds_of(seeds):
        make = partial(learner.trained, [rows], seed)
        answers = learner.answers({"strategy": ZERO, "seed": seed}, [rows], make, tests)
        for code, said in answers.items():
            yield as_run(learner, ZERO, source, code, said, seed, len(rows))
        step()


def _supervised(
    learner: Learner,
    table: _Tables,
    code: str,
    seeds: Sequence[int],
    step: Callable[[], None] = lambda: None,
) -> Iterator[Run]:
    """Yield the runs of a language on itself, with all rows that it has."""
    for run in _transfer(learner, table, code, [code], seeds, step, whole=True):
        yield replace(run, strategy=SUPERVISED)


def _baselines(
    learner: Learner, table: _Tables, source: str, targets: Sequence[str]
) -> Iterator[Run]:
    rows = table.train(source)
    spelling = known_nothing.Ngrams(learner.task, rows)
    for code in targets:
        test = table.test[code]
        common = known_nothing.majority(learner.task, rows, test)
        for name, said in ((MAJORITY, common), (NGRAMS, spelling.outcomes(test))):
            yield as_run(learner, name, source, code, Answers(said, 0.0), 0, len(rows))


def as_run(
    learner: Learner,
    strategy: str,
    source: str,
    target: str,
    said: Answers,
    seed: int,
    rows: int,
    shots: int = 0,
    draw: int = 0,
) -> Run:
    """Return the run that a learner's answers make."""
    return Run(
        learner.checkpoint.name,
        learner.task.name,
        strategy,
        source,
        target,
        shots,
        draw,
        seed,
        rows,
        said.seconds,
        said.outcomes,
    )


# ── arguments ────────────────────────────────────────────────────────────────────────────


def seeds_of(given: Sequence[int]) -> list[int]:
    """Return seeds, each once.

    Raises:
        TransferError: there is none, or one is no whole number from 0.
    """
    found = list(dict.fromkeys(given))
    if not found or not all(isinstance(seed, int) and seed >= 0 for seed in found):
        raise TransferError(f"seeds are {given!r}", "give whole numbers from 0, such as (0, 1, 2)")
    return found


def _shots(given: Sequence[int], draws: int) -> list[int]:
    """Return the numbers of shots above 0, in order, each once."""
    for count in given:
        if not isinstance(count, int | np.integer) or count < 0 or count == 1:
            raise TransferError(
                f"shots has {count!r}", "give whole numbers from 2; one row has one class"
            )
    if not isinstance(draws, int) or draws < 1:
        raise TransferError(f"draws is {draws!r}", "choose 1 or more; 10 show what chance does")
    return sorted({int(count) for count in given if count})


@contextmanager
def bar(total: int, what: str, progress: bool) -> Iterator[Callable[[], None]]:
    """Show a bar of runs where someone can see it: a notebook, a terminal."""
    from tqdm.auto import tqdm

    wanted = progress and settings.current().progress
    with tqdm(total=total, desc=what, unit="run", disable=None if wanted else True) as bar:
        yield lambda: bar.update(1) and None
