"""Transfer on real text: the protocols of `xlhelpers.transfer` on four open sets.

    python benchmarks/transfer.py

Zero-shot with the course's two multilingual models and a model of the same shape with random
weights, beside what knows nothing (the most frequent label, character n-grams of the source
language) and, for texts, what labels in the target language would give to spelling alone. One
few-shot run, InfoXLM alone. Models are trained as the protocols train them when nothing is said:
word embeddings stay as they are. Those of the random model would be a straw man then, so all its
weights are trained, and in two tables InfoXLM is trained that way as well, beside the usual one.

Prints a Markdown section. The files come from their sources or from folders named in XL_SOURCES;
every run is kept in the cache (XL_REUSE=0: computed again).
"""

from __future__ import annotations

import argparse
import functools
import sys
import time
import warnings
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import _common

sys.path.insert(0, str(_common.ROOT))

from xlhelpers import (  # noqa: E402
    datasets,
    encoding,
    hub,
    languages,
    settings,
    tokenization,
    transfer,
)
from xlhelpers.transfer.baselines import Ngrams  # noqa: E402

if TYPE_CHECKING:
    from xlhelpers.datasets import Tagged
    from xlhelpers.transfer import Results

MODELS = ("InfoXLM", "XLM-R")
ALL = f"{MODELS[0]}, all weights trained"
TWIN = "random weights, all trained"
OWN = "n-grams of the target language"
WITHOUT_CARD = {"ace": "Acehnese", "ban": "Balinese", "min": "Minangkabau"}


def treebank(load: Callable[[str, Any], Tagged]) -> Callable[[str, Any], Tagged]:
    """What a protocol asks for by language and split: English EWT to train, PUD to test.

    The train split of EWT is not among the files that the course lists, so its development split
    stands in. PUD has nothing to train on.
    """

    def rows(language: str, split: str) -> Tagged:
        return load("en_ewt", "dev") if split == "train" else load(f"{language}_pud", "test")

    return rows


@dataclass(frozen=True)
class Part:
    """One table: a task, the language that is trained on, and those that are tested in."""

    title: str
    task: transfer.Task
    source: str
    targets: tuple[str, ...]
    # Languages after this many of the targets are not among those of the models.
    known: int
    # Whether InfoXLM is also trained with all its weights.
    twice: bool = False

    @property
    def of_words(self) -> bool:
        return self.task.of_words


SENTIMENT = transfer.Task("sentiment", datasets.nusax, "accuracy")
TOPIC = transfer.Task("topic", datasets.sib200, "accuracy")
SPEECH = transfer.Task("part of speech", treebank(datasets.universal_dependencies), "tag_accuracy")
ENTITY = transfer.Task("entities", treebank(datasets.uner), "entity_f1")

_ISLANDS = ("jv", "su", "min", "ace", "ban")
PARTS = {
    "sib200": Part(
        "Topics (SIB-200), 7 classes, accuracy; 701 English sentences to train, 204 to test",
        TOPIC,
        "en",
        ("en", "de", "fr", "es", "pt", "ru", "ar", "hi", "zh", "sw", "yo", "fi"),
        10,
        twice=True,
    ),
    "nusax-en": Part(
        "Sentiment (NusaX), 3 classes, accuracy; 500 English texts to train, 400 to test",
        SENTIMENT,
        "en",
        ("en", "id", *_ISLANDS),
        1,
    ),
    "nusax-id": Part(
        "Sentiment (NusaX), 3 classes, accuracy; 500 Indonesian texts to train, 400 to test",
        SENTIMENT,
        "id",
        ("en", "id", *_ISLANDS),
        1,
        twice=True,
    ),
    "ud": Part(
        "Parts of speech (Universal Dependencies), 17 tags, share of words right; 2,001 sentences "
        "of English EWT (its development split) to train, 1,000 of PUD to test",
        SPEECH,
        "en",
        ("en", "de", "fr", "es", "pt", "ru", "ar", "hi", "zh"),
        9,
    ),
    "uner": Part(
        "Entities (Universal NER), PER, ORG, LOC, entity F1; 2,001 sentences of English EWT (its "
        "development split) to train, 1,000 of PUD to test",
        ENTITY,
        "en",
        ("en", "de", "pt", "zh"),
        4,
    ),
}


def contenders(part: Part) -> dict[str, tuple[transfer.Checkpoint, transfer.Training | None]]:
    """The models by name, and how each is trained; None is what the protocols choose."""
    found = {role: transfer.checkpoint(role) for role in MODELS}
    first = found[MODELS[0]]
    twin = transfer.Checkpoint(TWIN, encoding.random_twin(first.model, 0), first.tokenizer)
    every = replace(transfer.Training.of(first.model), frozen=None)
    chosen: dict[str, Any] = {role: (model, None) for role, model in found.items()}
    if part.twice:
        chosen[ALL] = (first, every)
    return {**chosen, TWIN: (twin, every)}


def run(part: Part, seeds: Sequence[int]) -> Results:
    """All runs of one table; the strategy of each is the name of its line."""
    runs = []
    for name, (model, training) in contenders(part).items():
        found = transfer.zero_shot(
            model,
            part.task,
            part.source,
            part.targets,
            seeds=seeds,
            training=training,
            baselines=name == MODELS[0],
        )
        for each in found._runs:
            own = name if each.strategy == "zero-shot" else each.strategy
            runs.append(replace(each, model="", strategy=own))
    return transfer.Results(runs if part.of_words else [*runs, *own_language(part)])


def own_language(part: Part) -> Iterator[transfer.Run]:
    """n-grams with all the labels of the target language: what there would be to gain."""
    for code in part.targets:
        size, found = _own_language(part.task, code)
        yield transfer.Run("", part.task.name, OWN, code, code, 0, 0, 0, size, 0.0, found)


@functools.cache
def _own_language(task: transfer.Task, code: str) -> tuple[int, Any]:
    train = task.load(code, "train")
    return len(train), Ngrams(task, train).outcomes(task.load(code, "test"))


def table(part: Part, results: Results) -> str:
    """One line a model or baseline, one column a language; below them, paired differences."""
    lines = [["", *(heading(part, code) for code in part.targets)]]
    lines.append(["---"] * len(lines[0]))
    whole = results.summary()
    titles = {"n-grams": f"n-grams of {name_of(part.source)}", "majority": "most frequent label"}
    order = [*contenders(part), "n-grams", "majority", *([] if part.of_words else [OWN])]
    for name in order:
        rows = whole[whole.strategy == name].set_index("target")
        cells = [cell(rows.loc[code], "score") for code in part.targets]
        lines.append([titles.get(name, name), *cells])
    pretrained = ALL if part.twice else MODELS[0]
    for name, over in ((MODELS[0], "majority"), (MODELS[0], "n-grams"), (pretrained, TWIN)):
        gain = results.where(strategy=[name, over]).gain(over=over).set_index("target")
        cells = [cell(gain.loc[code], "gain", sign="+") for code in part.targets]
        lines.append([f"{name} less {titles.get(over, over)}", *cells])
    lines.append(["unknown pieces, %", *(unknown(part, code) for code in part.targets)])
    return "\n".join("| " + " | ".join(line) + " |" for line in lines)


def heading(part: Part, code: str) -> str:
    return name_of(code) + ("" if part.targets.index(code) < part.known else " †")


def name_of(code: str) -> str:
    return WITHOUT_CARD.get(code) or languages.name(code)


def cell(row: Any, column: str, sign: str = "") -> str:
    """Per cent and the 95 % interval, in whole numbers."""
    value, low, high = (100 * row[name] for name in (column, "low", "high"))
    return f"{value:{sign}.0f} [{low:{sign}.0f}, {high:{sign}.0f}]"


def unknown(part: Part, code: str) -> str:
    """How much of the test text the first model's tokenizer has no piece for."""
    texts = list(part.task.load(code, "test").texts)
    return f"{100 * tokenization.unknown_share(texts, hub.tokenizer(MODELS[0])):.0f}"


def few_shot(seeds: Sequence[int]) -> str:
    """One few-shot run, as a table: Indonesian, and a few labels of two more languages."""
    shots, draws, targets = (50,), 3, ("jv", "ace")
    results = transfer.few_shot(
        MODELS[0],
        SENTIMENT,
        "id",
        targets,
        shots=shots,
        draws=draws,
        pool=100,
        seeds=seeds,
    )
    lines = [["", *(name_of(code) for code in targets)], ["---"] * (len(targets) + 1)]
    whole, gain = results.summary(), results.gain()
    for count in (0, *shots):
        of = whole[whole.shots == count].set_index("target")
        said = f"and {count} labels of the language" if count else "400 Indonesian texts"
        lines.append([said, *(cell(of.loc[code], "score") for code in targets)])
    for count in shots:
        of = gain[gain.shots == count].set_index("target")
        cells = [cell(of.loc[code], "gain", sign="+") for code in targets]
        lines.append([f"gained by {count} labels", *cells])
    return "\n".join("| " + " | ".join(line) + " |" for line in lines)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--seeds", type=int, default=1, help="runs of fine-tuning a model")
    parser.add_argument("parts", nargs="*", choices=[*PARTS, "few-shot", []], help="tables wanted")
    options = parser.parse_args()
    settings.use(threads=options.threads)
    # Up to 15 of 204 texts (Yoruba topics) are longer than the 128 pieces that the models read.
    warnings.simplefilter("ignore", encoding.TruncationWarning)
    seeds, wall = range(options.seeds), time.perf_counter()
    print(f"{_common.machine(options.threads).split('. Medians')[0]}.")
    runs = "one run" if options.seeds == 1 else f"the mean of {options.seeds} runs"
    print(
        f"Per cent, {runs} of fine-tuning, with 95 % intervals over test rows"
        f"{'' if options.seeds == 1 else ' and runs'}; differences are paired by test row. "
        "† not among the languages that the models have read.",
        flush=True,
    )
    for name, part in PARTS.items():
        if not options.parts or name in options.parts:
            start = time.process_time()
            print(f"\n**{part.title}.**\n\n{table(part, run(part, seeds))}", flush=True)
            print(f"{name}: {time.process_time() - start:.0f} CPU-s", file=sys.stderr)
    if not options.parts or "few-shot" in options.parts:
        title = "Sentiment (NusaX), few-shot: InfoXLM, 3 draws of labels from a pool of 100"
        print(f"\n**{title}.**\n\n{few_shot(seeds)}", flush=True)
    spent, wall = time.process_time(), time.perf_counter() - wall
    print(f"\n{spent:.0f} CPU seconds, {wall:.0f} seconds, with {options.seeds} seed(s).")


if __name__ == "__main__":
    main()
