"""mini-infoxlm fine-tuned on English alone: for inference and for opinions.

A model this small learns inference from the 900 pairs of the data set hardly at all. It takes
many more from the same grammar, of scenes that no development or test pair describes; they are
made for the training and not shipped. Opinions it learns from the reviews of the data set, as
`transfer.fine_tuned` would teach it.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any, Literal

from xlhelpers import datasets, encoding, files, finetuning, hub, languages, transfer
from xlhelpers.alignment import Score
from xlhelpers.build import cards, models, scores, shipping
from xlhelpers.build.corpus import CorpusError, sets
from xlhelpers.datasets import Labelled, Pairs
from xlhelpers.transfer.tasks import inputs

BODY, SOURCE, SEED, BATCH = "mini-infoxlm", "en", 0, 32
PAIRS = 24_000


@dataclass(frozen=True, slots=True)
class Head:
    """A task that the body is fine-tuned for.

    Attributes:
        task: of `transfer.TASKS`.
        rows: returns what is trained on, in the source language.
        unit: what a row is called, several of them.
        epochs: passes over the rows.
        says: what the model tells apart.
        read: which rows those are, for the card.
        tested: what is new in the test rows, for the card.
    """

    task: Literal["nli", "sentiment"]
    rows: Callable[[], Labelled | Pairs]
    unit: str
    epochs: int
    says: str
    read: str
    tested: str

    @property
    def name(self) -> str:
        """The folder in `data/models/`."""
        return f"{BODY}-{self.task}"

    @property
    def note(self) -> str:
        """One sentence: what it is."""
        return f"{BODY} fine-tuned to tell {self.says}, on English alone."

    @property
    def origin(self) -> str:
        """The command that makes it."""
        return f"python3 course.py build models/{self.name}"


def pairs() -> Pairs:
    """Return the pairs for inference that are trained on.

    Raises:
        CorpusError: one of them is a development or test pair.
    """
    world, grammars = models.world_and_grammars([SOURCE])
    rows = sets.more_inference(world, grammars[SOURCE], SOURCE, PAIRS, SEED)
    made = Pairs(
        ids=tuple(f"more-{number}" for number in range(len(rows))),
        names=datasets.nli(SOURCE, "test").names,
        held=("",) * len(rows),
        language=SOURCE,
        source="the grammar",
        premises=tuple(row["premise"] for row in rows),
        hypotheses=tuple(row["hypothesis"] for row in rows),
        labels=tuple(row["label"] for row in rows),
    )
    tested = [datasets.nli(SOURCE, "dev"), datasets.nli(SOURCE, "test")]
    if leaks := transfer.find_leaks(made, tested):
        raise CorpusError(f"{len(leaks)} pairs leak: {leaks[0]}", "correct what draws them")
    return made


def reviews() -> Labelled:
    """Return the reviews that are trained on."""
    return datasets.sentiment(SOURCE, "train")


_HEADS = (
    Head(
        task="nli",
        rows=pairs,
        unit="pairs",
        epochs=6,
        says="entailment, neutral and contradiction",
        read="pairs of the grammar; none of a scene that development or test pairs describe",
        tested="The test pairs describe scenes that training never had.",
    ),
    Head(
        task="sentiment",
        rows=reviews,
        unit="reviews",
        epochs=8,  # as `transfer.Training.of` says for small models
        says="negative, neutral and positive reviews",
        read="reviews, the training part of the data set: the recipe of "
        '`xl.transfer.fine_tuned("sentiment")`',
        tested="Half of the test reviews have sentences of forms, the others a quality of a noun, "
        "that training never had. Neutral is praise and blame that balance, or neither. Texts "
        "are cut at the 128 tokens that the model reads, which is felt in Yoruba.",
    ),
)
HEADS: Mapping[str, Head] = MappingProxyType({head.task: head for head in _HEADS})


def fit(head: Head, rows: Labelled | Pairs) -> finetuning.Fitted:
    """Return the body with the head trained on some rows, and its tokenizer."""
    body = shipping.folder_of(BODY)
    return finetuning.train_classifier(
        hub.with_head(hub.model(body, "mlm"), "classification", rows.names),
        hub.tokenizer(body),
        inputs(rows),
        rows.labels,
        names=rows.names,
        epochs=head.epochs,
        batch_size=BATCH,
        frozen=0,
        seed=SEED,
        in_place=True,
    )


def head_step(head: Head) -> str:
    """Make `data/models/<name>/`; return one line on what was made."""
    rows = head.rows()
    fitted = fit(head, rows)
    parameters = fitted.model.num_parameters()
    facts = {
        "vocabulary": fitted.model.config.vocab_size,
        "parameters": parameters,
        "body": BODY,
        head.unit: len(rows),
        "epochs": head.epochs,
        "seed": SEED,
    }
    size = shipping.ship(
        fitted.model, fitted.tokenizer, head.name, facts, origin=head.origin, note=head.note
    )
    return f"{parameters:,} parameters, {size / 1e6:.1f} MB"


def card_step(head: Head) -> str:
    """Measure a shipped head and write its card; return one line on how it does."""
    folder = shipping.folder_of(head.name)
    shipping.write_json(folder / "scores.json", scores.plain(measure(head)))
    found = cards.read_scores(folder)
    page = card(head, found, shipping.read_json(folder / "course.json"))
    files.write_text(folder / "README.md", page)
    shipping.register(head.name, origin=head.origin, note=head.note)
    means = ", ".join(f"{code} {100 * s.value:.0f}" for code, s in found["test"].items())
    return f"accuracy {means}"


def measure(head: Head) -> scores.Table:
    """Return the accuracy of a shipped head by part (`test`, `by hand`) and language."""
    folder = shipping.folder_of(head.name)
    model, tokenizer = hub.model(folder, "classification"), hub.tokenizer(folder)
    task = transfer.task(head.task)

    def score(rows: Any) -> Score:
        said = finetuning.classify(model, tokenizer, inputs(rows)).labels
        return finetuning.accuracy(rows.labels, said)

    with warnings.catch_warnings():
        # The card says so.
        warnings.simplefilter("ignore", encoding.TruncationWarning)
        return {
            "test": {code: score(task.load(code, "test")) for code in task.available()},
            "by hand": {
                code: score(datasets.handwritten(head.task, code))
                for code in datasets.handwritten_languages()
            },
        }


def card(head: Head, found: scores.Table, facts: Mapping[str, Any]) -> str:
    """Return the model card in Markdown."""
    rows = facts[head.unit]
    steps = facts["epochs"] * -(-rows // BATCH)
    test, hand = (len(rows) for rows in _tests(head))
    lines = [
        f"# {head.name}",
        "",
        head.note + " What it does in other languages is zero-shot.",
        "",
        f"* Body: {BODY}, word embeddings kept as they are; {facts['parameters']:,} parameters, "
        "stored in half precision",
        f"* Trained on: {rows:,} English {head.read}",
        f"* Steps {steps:,} of {BATCH} {head.unit} ({facts['epochs']} epochs), seed "
        f"{facts['seed']}",
        f"* Made by `{head.origin}`; licence Apache-2.0",
        "",
        "## Scores",
        "",
        f"Accuracy in per cent of this one training, 95 % intervals over {head.unit} ({test} of "
        f"the grammar, {hand} written by hand). Chance is 33. {head.tested}",
        "",
        "| language | test | hand-written |",
        "|---|---|---|",
    ]
    for code, score in found["test"].items():
        by_hand = cards.cell(found["by hand"].get(code))
        lines.append(f"| {languages.name(code)} | {cards.cell(score)} | {by_hand} |")
    return "\n".join([*lines, "", cards.TEACHING]) + "\n"


def _tests(head: Head) -> tuple[Any, Any]:
    test = transfer.task(head.task).load(SOURCE, "test")
    return test, datasets.handwritten(head.task, SOURCE)
