"""Model cards: what a mini model is, what it read, and what it scored when it was measured."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from xlhelpers import files, hub, languages, settings
from xlhelpers.alignment import Score
from xlhelpers.build import models, scores, shipping
from xlhelpers.build.plans import Plan

# Columns of a card's table: measure, heading.
_COLUMNS = {
    "polarity": "polarity",
    "three": "three classes",
    "polarity by hand": "polarity, hand-written",
    "entities": "entity F1",
    "retrieval": "retrieval",
}
# What has no such score: the majority tags nothing and finds nothing; a linear classifier of
# texts is no tagger; retrieval has no training.
_SENSELESS = {
    ("entities", "majority"),
    ("retrieval", "majority"),
    ("entities", "n-grams"),
    ("retrieval", "supervised"),
}
_SCORES = (
    "Fine-tuned on English alone (word embeddings kept as they are), tested in each language on "
    f"sentences that no training text has; mean of {len(scores.SEEDS)} seeds of fine-tuning, "
    "95 % intervals over test rows, in per cent. Chance is 50 for polarity and 33 for three "
    "classes."
)
TEACHING = "A model for teaching: it knows the little world of its corpus and nothing else."
_BESIDE = (
    "Beside these: the most frequent class; character 2- to 4-grams of English reviews (linear "
    "classifier) and of sentences (retrieval); the model with random weights; and the bound, the "
    "model fine-tuned on the language itself. One seed each."
)


def card_step(plan: Plan) -> str:
    """Measure a model, write its card; return one line on how it did."""
    folder = settings.current().data / "models" / plan.name
    model = hub.model(folder, "mlm")
    tokenizer = hub.tokenizer(folder)
    table = scores.measure(model, tokenizer, plan.languages, disguised=plan.disguised)
    if plan.seeds > 1:
        others = [_of_seed(plan, seed) for seed in range(1, plan.seeds)]
        table = table | scores.over_seeds([table, *others])
        table = table | scores.measure_quickly(model, tokenizer, plan.languages)
    if plan.bounds:
        table = table | scores.measure_beside(model, tokenizer, plan.languages)
    files.write_text(folder / "scores.json", dump(table))
    # From the file, whose digits are fewer: a card can be written again from its scores.
    files.write_text(folder / "README.md", card(plan, read_scores(folder), _facts(folder)))
    shipping.register(plan.name, origin=plan.origin, note=plan.says)
    return (
        f"polarity {100 * scores.average(table['polarity']):.0f} %, "
        f"entity F1 {100 * scores.average(table['entities']):.0f}, "
        f"retrieval {100 * scores.average(table['retrieval']):.0f} %"
    )


def _of_seed(plan: Plan, seed: int) -> scores.Table:
    """Measure another pretraining of a plan; it is trained if it is not there."""
    model, tokenizer, _ = models.train(plan.seeded(seed))
    seeds = scores.SEEDS[:1]
    return scores.measure(model, tokenizer, plan.languages, seeds=seeds, disguised=plan.disguised)


def dump(table: scores.Table) -> str:
    """Return scores as JSON: measure, language, [value, low, high]."""
    return json.dumps(scores.plain(table), indent=1, sort_keys=True) + "\n"


def read_scores(folder: Path) -> scores.Table:
    """Return the scores of a model's card."""
    raw = json.loads((folder / "scores.json").read_text(encoding="utf-8"))
    return {
        name: {code: Score(*values) for code, values in row.items()} for name, row in raw.items()
    }


def _facts(folder: Path) -> dict[str, Any]:
    facts: dict[str, Any] = json.loads((folder / "course.json").read_text(encoding="utf-8"))
    return facts


def card(plan: Plan, table: scores.Table, facts: Mapping[str, Any]) -> str:
    """Return a model card in Markdown."""
    lines = [f"# {plan.name}", "", plan.says, "", *_made(plan, facts), "", "## Scores", "", _SCORES]
    lines += ["", *_rows(plan, table, _COLUMNS)]
    if plan.seeds > 1:
        columns = {f"{name}, seeds": heading for name, heading in _COLUMNS.items()}
        lines += ["", _seeds(plan), "", *_rows(plan, table, columns)]
    if plan.bounds:
        lines += ["", _BESIDE, "", *_rows(plan, table, dict(_beside()))]
    lines += ["", TEACHING]
    return "\n".join(lines) + "\n"


def _made(plan: Plan, facts: Mapping[str, Any]) -> Iterator[str]:
    """Yield the lines that say how the model was made."""
    recipe = plan.recipe
    documents = ", ".join(f"{code} {count:,}" for code, count in facts["documents"].items())
    disguised = (
        ", Latin letters of all but English in a range of their own" if plan.disguised else ""
    )
    kind = "BERT, WordPiece" if plan.kind == "bert" else "XLM-R, Unigram"
    yield f"* Stands for: {plan.like}"
    yield (
        f"* Architecture: {kind}, {plan.layers} layers of {plan.width} units, "
        f"{facts['vocabulary']:,} entries, {facts['parameters']:,} parameters, stored in half "
        "precision"
    )
    yield f"* Trained on: {'; '.join(_signals(plan))}"
    yield f"* Text: generated from `data/grammar`{disguised}; documents: {documents}"
    yield (
        f"* Steps {recipe.steps:,} of {recipe.tokens_per_batch:,} tokens "
        f"({facts['tokens']:,} tokens in all), seed {recipe.seed}, "
        f"sampling exponent {recipe.alpha}, {facts['seconds'] / 60:.0f} minutes of training"
    )
    yield f"* Made by `{plan.origin}`; licence Apache-2.0"


def _seeds(plan: Plan) -> str:
    return (
        f"Over {plan.seeds} pretrainings that differ in their seed, the shipped one among them: "
        f"mean, and a 95 % t interval ({plan.seeds - 1} degrees of freedom). The others were "
        "fine-tuned once each."
    )


def _signals(plan: Plan) -> list[str]:
    recipe = plan.recipe
    said = f"{models.PARALLEL:,} meanings"
    found = ["masked language modelling"]
    found += [f"ratings on {100 * models.RATINGS:.0f} % of the reviews"] if plan.ratings else []
    found += [f"word embeddings that begin aligned on {said}"] if plan.aligned else []
    found += ["code-switched sentences"] if plan.switched else []
    found += ["translation language modelling"] if recipe.tlm else []
    found += [f"translation ranking on {said}"] if recipe.ranking else []
    return found


def _beside() -> Iterator[tuple[str, str]]:
    """Yield measure and heading of what stands beside a model's scores."""
    for what in ("majority", "n-grams", "before pretraining", "supervised"):
        for name, heading in (("polarity", "polarity"), ("entities", "F1"), ("retrieval", "retr.")):
            if (name, what) in _SENSELESS:
                continue
            yield f"{name}, {what}", f"{heading}, {what}"


def _rows(plan: Plan, table: scores.Table, columns: Mapping[str, str]) -> Iterator[str]:
    yield "| language | " + " | ".join(columns.values()) + " |"
    yield "|---" * (len(columns) + 1) + "|"
    for code in plan.languages:
        cells = [cell(table.get(name, {}).get(code)) for name in columns]
        yield f"| {languages.get(code).name} | " + " | ".join(cells) + " |"


def cell(score: Score | None) -> str:
    """Return a score and its interval as a cell of a table; an empty one where there is none."""
    if score is None:
        return ""
    value, low, high = score.percent
    return f"{value:.0f} [{low:.0f}, {high:.0f}]"
