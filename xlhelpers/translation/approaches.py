"""Translate the training rows, the test rows, both or neither: the ways compared, and their cost.

All ways start from labels in one language and are asked in another, on the same rows and with
the same seeds, so that `transfer.Results` can pair them.
"""

from __future__ import annotations

import time
import warnings
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING, Any

import numpy as np

from xlhelpers import assets, finetuning, settings
from xlhelpers.datasets import Table, Tagged
from xlhelpers.transfer import Learner, Results, Run, Task, Training, store, zero_shot
from xlhelpers.transfer.leakage import refuse_leaks
from xlhelpers.transfer.learners import ask
from xlhelpers.transfer.outcomes import Outcomes, outcomes
from xlhelpers.transfer.protocols import Leaks, Model, as_run, bar, seeds_of
from xlhelpers.transfer.results import SUPERVISED, ZERO
from xlhelpers.transfer.tasks import (
    inputs,
    known,
    labels,
    same_labels,
    task,
    test_rows,
    training_rows,
)
from xlhelpers.translation import sentences as cutting
from xlhelpers.translation.tables import translate_table
from xlhelpers.translation.translator import Translates, TranslationError, Translator
from xlhelpers.translation.words import (
    Alignment,
    Method,
    align_sentences,
    back_to_words,
    translate_tagged,
)

if TYPE_CHECKING:
    import pandas as pd

TRAIN, ALL, TEST = "translate-train", "translate-train-all", "translate-test"
BACK, ENSEMBLE = "back-translation", "ensemble"
# What each does is said at `compare`.
APPROACHES = (ZERO, TRAIN, ALL, TEST, BACK, ENSEMBLE, SUPERVISED)
Translators = Mapping[tuple[str, str], Translates]
_MEASURED = "translation/costs.csv"


def translate_test(
    model: Any,
    tokenizer: Any,
    table: Table,
    translator: Translates,
    *,
    encoder: tuple[Any, Any] | None = None,
    layer: int | None = None,
    method: Method = "mutual",
) -> list[Any]:
    """Return what a model of the translator's target language says of rows in its source language.

    Args:
        model, tokenizer: a classifier or tagger, fine-tuned in the language translated into.
        table: rows to be labelled.
        translator: from the language of the rows.
        encoder: for sentences with a tag a word, the (model, tokenizer) that aligns words; left
            out, the tagger itself.
        layer, method: as `align_words`.

    Returns:
        one label a row, or one list of tags a row for the words that the row has itself.

    Raises:
        TranslationError: the rows are in another language.
    """
    if not isinstance(table, Tagged):
        there = translate_table(table, translator)
        return list(finetuning.classify(model, tokenizer, inputs(there)).labels)
    aligning = encoder or (model, tokenizer)
    words = _words_there(table, translator)
    aligned = align_sentences(words, table.sentences, *aligning, layer, method)
    return _tags_back(model, tokenizer, table, words, aligned)


def compare(
    model: Model,
    on: str | Task,
    source: str = "en",
    targets: Sequence[str] | None = None,
    *,
    strategies: Sequence[str] = APPROACHES,
    seeds: Sequence[int] = (0, 1, 2),
    translators: Translators | None = None,
    layer: int | None = None,
    method: Method = "mutual",
    training: Training | None = None,
    leaks: Leaks = "refuse",
    progress: bool = True,
) -> Results:
    """Run several ways to use labels of one language in another, with and without translation.

    `zero-shot`: trained on the source, asked in the target; always run, being what all others
    are compared with. `translate-train`: trained on the source's rows translated into the target.
    `translate-train-all`: on the source and its translations into all targets, one model for all.
    `translate-test`: the zero-shot model, asked about the target's rows translated into the
    source. `back-translation`: the same, but trained on the source's rows after a round trip
    through the target, beside the rows themselves, since a model that has seen translators' prose
    in training takes it better in test (Artetxe, Labaka & Agirre, 2020, EMNLP). `ensemble`: the
    mean of the probabilities of translate-train and translate-test. `supervised`: trained on
    the target's own rows.

    Args:
        model, on, seeds, training, leaks, progress: as `transfer.zero_shot`.
        source: language that has labels.
        targets: languages that are tested in; left out, those that have translators both ways.
        strategies: of `APPROACHES`.
        translators: by (source, target); left out, the course's, greedy, kept on disk.
        layer, method: for tasks with a tag a word, as `align_words`; the encoder aligns.

    Raises:
        TranslationError: no such strategy, no translator for a pair, an ensemble of tags.
        TransferError, LeakageError: as `transfer.zero_shot`.
    """
    of = task(on)
    names = _chosen(strategies, of)
    wanted = known(of, _targets(of, source, translators) if targets is None else targets, "targets")
    if source in wanted:
        raise TranslationError(
            f"{source!r} is source and target: there is nothing to translate",
            "leave it out of the targets",
        )
    through = _Through(source, wanted, translators, names)
    found = zero_shot(
        model, of, source, wanted, seeds=seeds, supervised=SUPERVISED in names,
        training=training, leaks=leaks, progress=progress,
    )  # fmt: skip
    if set(names) <= {ZERO, SUPERVISED}:
        return found
    ways = _Ways(model, of, source, wanted, through, found, training, leaks, layer, method)
    total = len(seeds_of(seeds)) * len([n for n in names if n not in (ZERO, SUPERVISED)])
    with bar(total, f"{of.name}, translated", progress) as step:
        runs = list(ways.runs(names, seeds_of(seeds), step))
    return found + Results(runs)


# ── runs ─────────────────────────────────────────────────────────────────────────────────


class _Through:
    """The translators of a comparison, made when first needed."""

    def __init__(
        self,
        source: str,
        targets: Sequence[str],
        given: Translators | None,
        names: Sequence[str],
    ) -> None:
        self._made: dict[tuple[str, str], Translates] = dict(given or {})
        there = {TRAIN, ALL, BACK, ENSEMBLE} & set(names)
        back = {TEST, BACK, ENSEMBLE} & set(names)
        for code in targets:
            for pair, needed in (((source, code), there), ((code, source), back)):
                if not needed:
                    continue
                if pair not in self._made and given is not None:
                    raise TranslationError(
                        f"{sorted(needed)[0]} needs a translator {pair[0]}-{pair[1]}",
                        f"give one: translators={{({pair[0]!r}, {pair[1]!r}): …}}",
                    )
                if pair not in self._made:  # refused here if there is none, before any training
                    self._made[pair] = Translator(*pair, keep=True)

    def __getitem__(self, pair: tuple[str, str]) -> Translates:
        return self._made[pair]


class _Ways:
    """The rows of a comparison in all languages, and the runs that are made of them."""

    def __init__(
        self,
        model: Model,
        of: Task,
        source: str,
        targets: Sequence[str],
        through: _Through,
        zero: Results,
        training: Training | None,
        leaks: Leaks,
        layer: int | None,
        method: Method,
    ) -> None:
        self.tests = {code: test_rows(of, code) for code in targets}
        rows = training_rows(of, source)
        self._names = same_labels(of, [rows, *self.tests.values()])
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # `zero_shot` has said so
            self.rows = refuse_leaks([rows], list(self.tests.values()), leaks)[0]
        self.learner = Learner(model, of, self._names, training)
        self._source, self._through, self._how = source, through, (layer, method)
        self._there: dict[str, Table] = {}
        self._trips: dict[str, Table] = {}
        self._tests: dict[str, Any] = {}
        self._seconds = {(run.target, run.seed): run.seconds for run in zero.where(strategy=ZERO)}

    def runs(
        self, names: Sequence[str], seeds: Sequence[int], step: Callable[[], None]
    ) -> Iterator[Run]:
        make = {
            TRAIN: self._train, ALL: self._all, TEST: self._test, BACK: self._back,
            ENSEMBLE: self._ensemble,
        }  # fmt: skip
        for seed in seeds:
            for name in names:
                if name in make:
                    yield from make[name](seed)
                    step()

    # Each way yields one run a language.

    def _train(self, seed: int) -> Iterator[Run]:
        for code in self.tests:
            yield self._run(TRAIN, code, seed, [self._translated(code)])

    def _all(self, seed: int) -> Iterator[Run]:
        tables = [self.rows, *(self._translated(code) for code in self.tests)]
        found = [self._run(ALL, code, seed, tables) for code in self.tests]
        # One model for all: whoever asked first has waited for it.
        seconds = max(run.seconds for run in found)
        yield from (replace(run, seconds=seconds) for run in found)

    def _test(self, seed: int) -> Iterator[Run]:
        for code in self.tests:
            run = self._run(TEST, code, seed, [self.rows], self._asked(code), self._digest(code))
            # The model is zero-shot's.
            yield replace(run, seconds=self._seconds[code, seed])

    def _back(self, seed: int) -> Iterator[Run]:
        for code in self.tests:
            tables = [self.rows, self._there_and_back(code)]
            yield self._run(BACK, code, seed, tables, self._asked(code), self._digest(code))

    def _ensemble(self, seed: int) -> Iterator[Run]:
        for code in self.tests:
            here, there = self.rows, self._translated(code)
            models = lambda here=here, there=there: (  # noqa: E731 - made only if it is asked
                self.learner.trained([there], seed),
                self.learner.trained([here], seed),
            )
            asked = partial(self._together, code)
            run = self._run(ENSEMBLE, code, seed, [here, there], asked, self._digest(code), models)
            # Both were at hand, most likely, from the ways of their own.
            own = self._run(TRAIN, code, seed, [there])
            yield replace(run, seconds=own.seconds + self._seconds[code, seed])

    def _run(
        self,
        name: str,
        code: str,
        seed: int,
        tables: list[Table],
        asked: Callable[[Any, Table], Outcomes] | None = None,
        digest: str = "",
        make: Callable[[], Any] | None = None,
    ) -> Run:
        # As zero-shot's own key where nothing but the rows differs: the answers are the same.
        how: dict[str, Any] = {"strategy": name if digest else ZERO, "seed": seed}
        if digest:
            how["through"] = digest
        answers = self.learner.answers(
            how, tables, make or partial(self.learner.trained, tables, seed),
            {code: self.tests[code]}, asked,
        )[code]  # fmt: skip
        size = sum(map(len, tables))
        return as_run(self.learner, name, self._source, code, answers, seed, size)

    # ── rows, translated once ────────────────────────────────────────────────────────────

    def _translated(self, code: str) -> Table:
        if code not in self._there:
            self._there[code] = self._carry(self.rows, self._through[self._source, code])
        return self._there[code]

    def _there_and_back(self, code: str) -> Table:
        if code not in self._trips:
            there = self._translated(code)
            self._trips[code] = self._carry(there, self._through[code, self._source])
        return self._trips[code]

    def _carry(self, table: Table, translator: Translates) -> Table:
        if not isinstance(table, Tagged):
            return translate_table(table, translator)
        body, layer_and_method = self.learner.checkpoint, self._how
        layer, method = layer_and_method
        return translate_tagged(
            table, translator, body.model, body.tokenizer, layer=layer, method=method
        )

    def _read(self, code: str) -> Any:
        """Return a test set in the source language: a table, or words and their alignment."""
        if code not in self._tests:
            table, translator = self.tests[code], self._through[code, self._source]
            if isinstance(table, Tagged):
                words = _words_there(table, translator)
                body = self.learner.checkpoint
                aligned = align_sentences(
                    words, table.sentences, body.model, body.tokenizer, *self._how
                )
                self._tests[code] = (words, aligned)
            else:
                self._tests[code] = translate_table(table, translator)
        return self._tests[code]

    def _digest(self, code: str) -> str:
        read = self._read(code)
        return store.digest(list(read)) if isinstance(read, tuple) else store.digest_of_rows(read)

    # ── asking ───────────────────────────────────────────────────────────────────────────

    def _asked(self, code: str) -> Callable[[Any, Table], Outcomes]:
        """Return what asks a model about a test set in the source language."""
        learner, read = self.learner, self._read(code)

        def asked(model: Any, table: Table) -> Outcomes:
            if not isinstance(table, Tagged):
                return ask(model, learner.checkpoint.tokenizer, learner.task, read)
            said = _tags_back(model, learner.checkpoint.tokenizer, table, *read)
            return outcomes(learner.task.metric, labels(table), said, table.names)

        return asked

    def _together(self, code: str, models: tuple[Any, Any], table: Table) -> Outcomes:
        """Return the outcomes of two models: one is asked as it is written, one in the source."""
        tokenizer = self.learner.checkpoint.tokenizer
        rows = (inputs(table), inputs(self._read(code)))
        said = [
            finetuning.classify(model, tokenizer, given)
            for model, given in zip(models, rows, strict=True)
        ]
        mean = (said[0].probabilities + said[1].probabilities) / 2
        chosen = [said[0].names[i] for i in mean.argmax(axis=1)]
        return outcomes(self.learner.task.metric, labels(table), chosen, table.names)


def _words_there(table: Tagged, translator: Translates) -> list[list[str]]:
    """Return the words of the translations; those of the row itself where one came out empty."""
    if table.language != translator.source:
        raise TranslationError(
            f"the rows are in {table.language!r} and the translator reads {translator.source!r}",
            f"use a translator from {table.language!r}",
        )
    said = translator.translate(table.texts)
    found = [cutting.words(text, translator.target) for text in said]
    return [there or list(own) for there, own in zip(found, table.sentences, strict=True)]


def _tags_back(
    model: Any,
    tokenizer: Any,
    table: Tagged,
    words: Sequence[Sequence[str]],
    aligned: Sequence[Alignment],
) -> list[list[str]]:
    said = finetuning.tag(model, tokenizer, words)
    return back_to_words(said, aligned, [len(row) for row in table.sentences])


def _chosen(strategies: Sequence[str], of: Task) -> list[str]:
    if isinstance(strategies, str):
        raise TranslationError(f"strategies is the text {strategies!r}", f'write ["{strategies}"]')
    for name in strategies:
        if name not in APPROACHES:
            raise TranslationError(
                f"there is no strategy {name!r}", f"choose among {', '.join(APPROACHES)}"
            )
    names = list(dict.fromkeys(strategies))
    if of.of_words and ENSEMBLE in names:
        if tuple(strategies) == APPROACHES:
            names.remove(ENSEMBLE)  # asked for all there are
        else:
            raise TranslationError(
                "an ensemble is of probabilities of texts; the two models read other words here",
                f"leave {ENSEMBLE!r} out",
            )
    return names


def _targets(of: Task, source: str, given: Translators | None) -> list[str]:
    from xlhelpers.translation.translator import pairs

    there = set(given) if given is not None else set(pairs())
    found = [c for c in of.available() if (source, c) in there and (c, source) in there]
    if not found:
        raise TranslationError(
            f"no language has translators from and to {source!r}", "name targets and translators"
        )
    return found


# ── cost ─────────────────────────────────────────────────────────────────────────────────


def costs(
    model: Model,
    on: str | Task,
    source: str,
    target: str,
    *,
    strategies: Sequence[str] = APPROACHES,
    translators: Translators | None = None,
    requests: int = 50,
    training: Training | None = None,
    seed: int = 0,
) -> pd.DataFrame:
    """Measure what each way costs before it is in use and then with every request.

    Nothing is taken from a cache. With one thread the processor's time is measured, which hardly
    depends on what else it has to do; with several, or on a GPU, the clock's, and nothing else
    should run meanwhile. Times are of this machine and these models: compare them with each
    other.

    Args:
        model, on, training: as `compare`; a task of texts or pairs.
        source, target: languages.
        strategies: of `APPROACHES`.
        translators: by (source, target); left out, the course's, greedy.
        requests: test rows that are asked one at a time.
        seed: of training.

    Returns:
        Indexed by `strategy`: `translating` and `training` (seconds, once), `rows` (trained on),
        `ms` with `low` and `high` (median of the requests, 5th and 95th percentile),
        `parameters` and `mb` (of all models that answer a request, as float32 in memory).

    Raises:
        TranslationError: as `compare`; a task with a tag a word.
    """
    import pandas as pd

    of = task(on)
    names = _chosen(strategies, of)
    if of.of_words:
        raise TranslationError(f"{of.name} has a tag a word", "measure a task of texts or pairs")
    before = settings.current()
    settings.use(reuse=False)
    try:
        meter = _Meter(model, of, source, target, translators, training, seed, requests)
        rows = {name: meter.measure(name) for name in names}
    finally:
        settings.use(reuse=before.reuse)
    return pd.DataFrame.from_dict(rows, orient="index").rename_axis("strategy")


def measured_costs() -> pd.DataFrame:
    """Return what `costs` measured when the course was built, one row a way and target.

    Columns as there, with `strategy` and `target`. Of the machine that built the course: for
    comparing one way with another, not for planning.

    Raises:
        AssetError: the file is missing or altered.
    """
    from io import BytesIO

    import pandas as pd

    return pd.read_csv(BytesIO(assets.read_bytes(_MEASURED)))


class _Meter:
    """One source, one target, one seed: trains afresh and takes the time."""

    def __init__(
        self,
        model: Model,
        of: Task,
        source: str,
        target: str,
        translators: Translators | None,
        training: Training | None,
        seed: int,
        requests: int,
    ) -> None:
        self._rows, self._tests = training_rows(of, source), test_rows(of, target)
        self._own = partial(training_rows, of, target)
        names = same_labels(of, [self._rows, self._tests])
        self._learner = Learner(model, of, names, training)
        self._pairs, self._given, self._seed = (source, target), dict(translators or {}), seed
        self._asked = list(inputs(self._tests))[:requests]
        one = settings.device() == "cpu" and settings.current().threads == 1
        self._clock = time.process_time if one else time.perf_counter
        self._done: dict[str, tuple[Any, float]] = {}

    def measure(self, name: str) -> dict[str, float]:
        """Return what a way costs; what two ways have in common is done and timed once."""
        source, target = self._pairs
        translating = 0.0
        tables: dict[str, list[Table]] = {}
        if name in (TRAIN, ALL, BACK, ENSEMBLE):
            there, seconds = self._carried("there", lambda: self._rows, source, target)
            translating += seconds
        if name in (TRAIN, ENSEMBLE):
            tables["there"] = [there]
        if name == ALL:
            tables["both"] = [self._rows, there]
        if name == BACK:
            trip, seconds = self._carried("trip", lambda: there, target, source)
            translating += seconds
            tables["trip"] = [self._rows, trip]
        if name in (ZERO, TEST, ENSEMBLE):
            tables["here"] = [self._rows]
        if name == SUPERVISED:
            tables["own"] = [self._own()]
        trained = [self._trained(key, rows) for key, rows in tables.items()]
        back = self._translator(target, source) if name in (TEST, BACK, ENSEMBLE) else None
        models = [model for model, _ in trained]
        times = self._times(models, back, direct=name == ENSEMBLE)
        weights = [*models, *_models_of(back)]
        low, middle, high = np.percentile(times, [5, 50, 95])
        return {
            "translating": translating,
            "training": sum(seconds for _, seconds in trained),
            "rows": float(sum(len(table) for rows in tables.values() for table in rows)),
            "ms": 1000 * float(middle),
            "low": 1000 * float(low),
            "high": 1000 * float(high),
            "parameters": float(sum(m.num_parameters() for m in weights)),
            "mb": sum(w.nbytes for m in weights for w in m.parameters()) / 1e6,
        }

    def _timed(self, key: str, make: Callable[[], Any]) -> tuple[Any, float]:
        if key not in self._done:
            started = self._clock()
            made = make()
            self._done[key] = (made, self._clock() - started)
        return self._done[key]

    def _carried(
        self, key: str, rows: Callable[[], Table], source: str, target: str
    ) -> tuple[Table, float]:
        """Return rows in another language, and the seconds that took."""

        def make() -> Table:
            translator = self._translator(source, target)
            return translate_table(rows(), translator)

        return self._timed(f"rows {key}", make)

    def _trained(self, key: str, rows: list[Table]) -> tuple[Any, float]:
        """Return a model trained on some tables, and the seconds that took."""
        learner = self._learner
        fit = partial(learner.fit, learner.fresh(), rows, learner.training, self._seed)
        return self._timed(f"model {key}", fit)

    def _translator(self, source: str, target: str) -> Translates:
        """Return a translator that knows no text yet, its model loaded."""
        found = self._given.get((source, target))
        if found is None:
            found = Translator(source, target)
            self._given[source, target] = found
        for part in (found, getattr(found, "first", None), getattr(found, "second", None)):
            if isinstance(part, Translator):
                part.forget()
        return found

    def _times(self, models: Sequence[Any], back: Translates | None, direct: bool) -> list[float]:
        """Return the seconds that each request takes; the first two only warm up."""
        tokenizer = self._learner.checkpoint.tokenizer
        found = []
        for given in [*self._asked[:2], *self._asked]:
            started = self._clock()
            if direct or back is None:
                finetuning.classify(models[0], tokenizer, [given])
            if back is not None:
                sides = [given] if isinstance(given, str) else list(given)
                there = back.translate(sides)
                asked = there[0] if isinstance(given, str) else (there[0], there[1])
                finetuning.classify(models[-1], tokenizer, [asked])
            found.append(self._clock() - started)
        return found[2:]


def _models_of(translator: Translates | None) -> list[Any]:
    parts = (translator, getattr(translator, "first", None), getattr(translator, "second", None))
    return [part.model for part in parts if isinstance(part, Translator)]
