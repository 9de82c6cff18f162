"""What a way of choosing rows brings, where all labels are known and are handed out one by one."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict
from functools import partial
from typing import Any

import numpy as np

from xlhelpers import encoding, finetuning, settings, tokens
from xlhelpers.active_learning.selection import STRATEGIES, ActiveLearningError, select
from xlhelpers.datasets import Table, Tagged
from xlhelpers.transfer import Learner, Results, Run, Task, Training, store, task
from xlhelpers.transfer.leakage import refuse_leaks
from xlhelpers.transfer.tasks import inputs, test_rows, texts, training_rows

BUDGETS = (20, 40, 60, 80, 100, 120, 140, 160, 180, 200)


def simulate(
    model: Any,
    on: str | Task,
    language: str,
    *,
    strategies: Sequence[str] = ("random", "entropy", "diversity", "uncertain and diverse"),
    budgets: Sequence[int] = BUDGETS,
    draws: int = 10,
    seeds: Sequence[int] = (0, 1, 2),
    pool: int | None = None,
    training: Training | None = None,
    progress: bool = True,
) -> Results:
    """Return learning curves of ways to choose rows: `.plot()`, `.gain("random")`.

    In draw d every strategy begins with the same rows, drawn by chance; each time a model with a
    new head is trained on all labels so far, tested, and asked which rows come next. Vectors
    for diversity are those of the encoder before training. Draw d has seed
    `seeds[d % len(seeds)]`; what is done is kept on the disk (`XL_REUSE`).

    Args:
        model: a role (`"InfoXLM"`), a hub id, a folder, or (model, tokenizer): an encoder.
        on: `"sentiment"`, `"polarity"`, `"nli"`, `"ner"`, or a `transfer.Task`.
        language: whose training rows are the pool.
        strategies: of `STRATEGIES`.
        budgets: labels in all at which a model is trained, rising; the first are drawn.
        draws: repeats.
        seeds: of fine-tuning.
        pool: rows in the pool, the first of a shuffle of each draw; left out, all.
        training: left out, what suits the model's size.
        progress: show a bar where someone can see it.

    Returns:
        runs whose strategy is the name, whose `shots` are the labels so far.

    Raises:
        ActiveLearningError: unknown strategy, budgets that do not rise, or more than the pool.
        TransferError: as `transfer.zero_shot`; the rows that are drawn first have one label.
    """
    of = task(on)
    steps = _budgets(budgets, strategies, draws)
    test = test_rows(of, language)
    [rows] = refuse_leaks([training_rows(of, language)], [test], "refuse")
    size = len(rows) if pool is None else pool
    if not steps[-1] <= size <= len(rows):
        raise ActiveLearningError(
            f"{steps[-1]} labels of a pool of {size}; {of.name} has {len(rows)} rows to train on",
            "ask for fewer labels, or for another pool",
        )
    bench = _Bench(Learner(model, of, rows.names, training), test, steps, tuple(seeds))
    runs: list[Run] = []
    with _bar(draws * len(strategies) * len(steps), of.name, progress) as done:
        for draw in range(draws):
            order = np.random.default_rng([draw, len(rows)]).permutation(len(rows))[:size]
            here = rows.subset([rows.ids[i] for i in order])
            for name in strategies:
                runs += bench.runs(name, here, draw, done)
    return Results(runs)


@contextmanager
def _bar(total: int, what: str, progress: bool) -> Iterator[Callable[[], None]]:
    """Show a bar of runs where someone can see it: a notebook, a terminal."""
    from tqdm.auto import tqdm

    wanted = progress and settings.current().progress
    name = f"{what}, choosing"
    with tqdm(total=total, desc=name, unit="run", disable=None if wanted else True) as bar:
        yield lambda: bar.update(1) and None


class _Bench:
    """One model, task and test set, on which strategies are tried."""

    def __init__(
        self, learner: Learner, test: Table, steps: Sequence[int], seeds: tuple[int, ...]
    ) -> None:
        self._learner, self._test, self._steps, self._seeds = learner, test, steps, seeds
        body = learner.checkpoint
        self._identity = [
            store.digest_of_model(body.model, body.tokenizer),
            learner.names,
            settings.device().partition(":")[0],
        ]
        self._vectors: dict[str, Any] = {}

    def runs(
        self, name: str, pool: Table, draw: int, done: Callable[[], None] = lambda: None
    ) -> Iterator[Run]:
        """Yield one run a budget."""
        seed = self._seeds[draw % len(self._seeds)]
        taken = list(range(self._steps[0]))
        for step, budget in enumerate(self._steps):
            labelled = pool.subset([pool.ids[i] for i in taken])
            how = self._learner.training.few(len(labelled), fresh=True)
            make = partial(self._model, labelled, how, seed)
            kept = {"chosen": True, "seed": seed, "how": asdict(how)}
            [said] = self._learner.answers(kept, [labelled], make, {"": self._test}).values()
            yield Run(
                self._learner.checkpoint.name,
                self._learner.task.name,
                name,
                pool.language,
                pool.language,
                budget,
                draw,
                seed,
                len(labelled),
                said.seconds,
                said.outcomes,
            )
            done()
            if step + 1 < len(self._steps):
                more = self._steps[step + 1] - budget
                taken += self._next(name, pool, taken, more, [kept, draw], make)

    def _model(self, labelled: Table, how: Training, seed: int) -> Any:
        """Return the model of some labels; strategies that begin alike share it."""
        learner = self._learner

        def make() -> Any:
            return learner.fit(learner.fresh(), [labelled], how, seed)

        return learner.once({"chosen": True, "seed": seed, "how": asdict(how)}, [labelled], make)

    def _next(
        self,
        name: str,
        pool: Table,
        taken: Sequence[int],
        k: int,
        how: Sequence[Any],
        make: Callable[[], Any],
    ) -> list[int]:
        rows = [store.digest_of_rows(pool), list(taken), k]
        key = store.digest([self._identity, asdict(self._learner.training), name, rows, list(how)])
        kept = store.read(key)
        if kept is not None and isinstance(kept.get("chosen"), list):
            return [int(row) for row in kept["chosen"]]
        given: dict[str, Any] = {"size": len(pool)}
        if name not in ("random", "diversity"):
            given["probabilities"] = self._probabilities(make(), pool)
        if name in ("diversity", "uncertain and diverse"):
            given["vectors"] = self._vectors_of(pool)
        rng = np.random.default_rng([*how[1:], len(taken), STRATEGIES.index(name)])
        chosen = select(name, k, taken=taken, rng=rng, **given)
        store.write(key, {"chosen": chosen})
        return chosen

    def _probabilities(self, model: Any, pool: Table) -> Any:
        tokenizer = self._learner.checkpoint.tokenizer
        if isinstance(pool, Tagged):
            return finetuning.tag_probabilities(model, tokenizer, pool.sentences)
        return finetuning.classify(model, tokenizer, inputs(pool)).probabilities

    def _vectors_of(self, pool: Table) -> Any:
        key = store.digest_of_rows(pool)
        if key not in self._vectors:
            body = self._learner.checkpoint
            said = texts(pool)
            if isinstance(pool, Tagged):
                said = [tokens.join(words, pool.language) for words in pool.sentences]
            self._vectors = {key: encoding.encode(said, body.model, body.tokenizer)}
        return self._vectors[key]


def _budgets(budgets: Sequence[int], strategies: Sequence[str], draws: int) -> list[int]:
    steps = [int(budget) for budget in budgets]
    if not steps or steps[0] < 2 or sorted(set(steps)) != steps:
        raise ActiveLearningError(
            f"budgets are {budgets!r}", "give numbers of labels that rise, from 2: (20, 40, 60)"
        )
    if draws < 1:
        raise ActiveLearningError(f"draws is {draws!r}", "choose 1 or more")
    if isinstance(strategies, str) or not strategies:
        raise ActiveLearningError(f"strategies are {strategies!r}", "give a list of names")
    for name in strategies:
        if name not in STRATEGIES:
            raise ActiveLearningError(
                f"there is no strategy {name!r}", f"choose among {', '.join(STRATEGIES)}"
            )
    return steps
