"""Model cards: what a mini model is, what it read, and what it scored when it was measured."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from xlhelpers import files, hub, languages, settings
from xlhelpers.alignment import Score
from xlhelpers.build import models, scores
from xlhelpers.build.plans import Plan

# Columns of a card's table: measure, heading.
_COLUMNS = {
    "polarity": "polarity",
    "three": "three classes",
    "polarity by hand": "polarity, hand-written",
    "entities": "entity F1",
    "retrieval": "retrieval",
}


def card_step(plan: Plan) -> str:
    """Measure a model, write its card; return one line on how it did."""
    folder = settings.current().data / "models" / plan.name
    model = hub.model(folder, "mlm")
    tokenizer = hub.tokenizer(folder)
    table = scores.measure(model, tokenizer, plan.languages)
    files.write_text(folder / "scores.json", dump(table))
    files.write_text(folder / "README.md", card(plan, table, _facts(folder)))
    models.register(plan, folder)
    return (
        f"polarity {100 * scores.average(table['polarity']):.0f} %, "
        f"entity F1 {100 * scores.average(table['entities']):.0f}, "
        f"retrieval {100 * scores.average(table['retrieval']):.0f} %"
    )


def dump(table: scores.Table) -> str:
    """Return scores as JSON: measure, language, [value, low, high]."""
    plain = {
        name: {code: [round(v, 4) for v in (s.value, s.low, s.high)] for code, s in row.items()}
        for name, row in table.items()
    }
    return json.dumps(plain, indent=1, sort_keys=True) + "\n"


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
    recipe = plan.recipe
    documents = ", ".join(f"{code} {count:,}" for code, count in facts["documents"].items())
    disguised = ", all but English in letters of their own" if plan.disguised else ""
    signals = ["masked language modelling"]
    signals += [f"ratings on {100 * models.RATINGS:.0f} % of the reviews"] if plan.ratings else []
    signals += ["translation language modelling"] if recipe.tlm else []
    signals += [f"translation ranking on {models.PARALLEL:,} meanings"] if recipe.ranking else []
    lines = [
        f"# {plan.name}",
        "",
        plan.says,
        "",
        f"* Stands for: {plan.like}",
        f"* Architecture: {'BERT, WordPiece' if plan.kind == 'bert' else 'XLM-R, Unigram'}, "
        f"{plan.layers} layers of {plan.width} units, {facts['vocabulary']:,} entries, "
        f"{facts['parameters']:,} parameters, stored in half precision",
        f"* Trained on: {'; '.join(signals)}",
        f"* Text: generated from `data/grammar`{disguised}; documents: {documents}",
        f"* Steps {recipe.steps:,} of {recipe.tokens_per_batch:,} tokens "
        f"({facts['tokens']:,} tokens in all), seed {recipe.seed}, "
        f"sampling exponent {recipe.alpha}, {facts['seconds'] / 60:.0f} minutes of training",
        f"* Made by `python3 course.py build models/{plan.name}`; licence Apache-2.0",
        "",
        "## Scores",
        "",
        "Fine-tuned on English alone, tested in each language on sentences that no training text",
        f"has; mean of {len(scores.SEEDS)} seeds of fine-tuning, 95 % intervals over test rows,",
        "in per cent. Chance is 50 for polarity and 33 for three classes.",
        "",
        "| language | " + " | ".join(_COLUMNS.values()) + " |",
        "|---" * (len(_COLUMNS) + 1) + "|",
    ]
    for code in plan.languages:
        cells = [_cell(table.get(name, {}).get(code)) for name in _COLUMNS]
        lines.append(f"| {languages.get(code).name} | " + " | ".join(cells) + " |")
    lines += ["", "A model for teaching: it knows the little world of its corpus and nothing else."]
    return "\n".join(lines) + "\n"


def _cell(score: Score | None) -> str:
    if score is None:
        return ""
    value, low, high = score.percent
    return f"{value:.0f} [{low:.0f}, {high:.0f}]"
