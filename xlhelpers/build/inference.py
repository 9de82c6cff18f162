"""mini-infoxlm fine-tuned for inference on English pairs, of which it takes many.

A model this small learns from the 900 pairs of the data set hardly anything. The pairs here come
from the same grammar, from scenes that no development or test pair describes; they are made for
the training and not shipped.
"""

from __future__ import annotations

import json
import shutil
from collections.abc import Mapping
from typing import Any

from xlhelpers import assets, datasets, files, finetuning, hub, languages, settings, transfer
from xlhelpers.alignment import Score
from xlhelpers.build import models
from xlhelpers.build.corpus import CorpusError, sets
from xlhelpers.datasets import Pairs

NAME, BODY, SOURCE = "mini-infoxlm-nli", "mini-infoxlm", "en"
PAIRS, EPOCHS, SEED = 24_000, 6, 0
SAYS = "mini-infoxlm fine-tuned to tell entailment, neutral and contradiction, on English alone."

Scores = dict[str, dict[str, Score]]


def pairs() -> Pairs:
    """Return the pairs that are trained on.

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


def inference_step() -> str:
    """Make `data/models/mini-infoxlm-nli/` with its card; return one line on how it does."""
    import torch

    data = settings.current().data / "models"
    rows = pairs()
    fitted = finetuning.train_classifier(
        hub.with_head(hub.model(data / BODY, "mlm"), "classification", rows.names),
        hub.tokenizer(data / BODY),
        rows.pairs,
        rows.labels,
        names=rows.names,
        epochs=EPOCHS,
        frozen=0,
        seed=SEED,
        in_place=True,
    )
    made = models.work_folder() / NAME
    shutil.rmtree(made, ignore_errors=True)
    with hub.quiet():
        fitted.model.to(torch.float16).save_pretrained(made)
        fitted.tokenizer.save_pretrained(made)
    _write(made / "course.json", _facts(fitted.model))
    folder = data / NAME
    shutil.rmtree(folder, ignore_errors=True)
    for file in sorted(made.iterdir()):
        files.write_bytes(folder / file.name, file.read_bytes())
    found = measure()
    plain = {
        part: {code: [round(v, 4) for v in (s.value, s.low, s.high)] for code, s in row.items()}
        for part, row in found.items()
    }
    _write(folder / "scores.json", plain)
    files.write_text(folder / "README.md", card(found))
    for file in sorted(folder.iterdir()):
        assets.register(
            file,
            kind="shipped",
            licence="Apache-2.0",
            origin="python3 course.py build models/mini-infoxlm-nli",
            note=SAYS,
        )
    means = ", ".join(f"{code} {100 * s.value:.0f}" for code, s in found["test"].items())
    return f"accuracy {means}"


def measure() -> Scores:
    """Return the accuracy of the shipped model by part (`test`, `by hand`) and language."""
    folder = settings.current().data / "models" / NAME
    model, tokenizer = hub.model(folder, "classification"), hub.tokenizer(folder)

    def score(rows: Pairs) -> Score:
        said = finetuning.classify(model, tokenizer, rows.pairs).labels
        return finetuning.accuracy(rows.labels, said)

    return {
        "test": {code: score(datasets.nli(code, "test")) for code in datasets.available("nli")},
        "by hand": {
            code: score(datasets.handwritten("nli", code))
            for code in datasets.handwritten_languages()
        },
    }


def card(found: Scores) -> str:
    """Return the model card in Markdown."""
    lines = [
        f"# {NAME}",
        "",
        SAYS + " What it does in other languages is zero-shot.",
        "",
        f"* Body: {BODY}, word embeddings kept as they are",
        f"* Trained on: {PAIRS:,} English pairs of the grammar, {EPOCHS} epochs, seed {SEED}; "
        "none of a scene that development or test pairs describe",
        "* Made by `python3 course.py build models/mini-infoxlm-nli`; licence Apache-2.0",
        "",
        "## Scores",
        "",
        "Accuracy in per cent of this one training, 95 % intervals over pairs (300 of the "
        "grammar, 60 written by hand). Chance is 33. The test pairs describe scenes that training "
        "never had.",
        "",
        "| language | test | hand-written |",
        "|---|---|---|",
    ]
    for code, score in found["test"].items():
        hand = found["by hand"].get(code)
        lines.append(
            f"| {languages.name(code)} | {_cell(score)} | {'' if hand is None else _cell(hand)} |"
        )
    lines += ["", "A model for teaching: it knows the little world of its corpus and nothing else."]
    return "\n".join(lines) + "\n"


def _cell(score: Score) -> str:
    return "{:.0f} [{:.0f}, {:.0f}]".format(*score.percent)


def _facts(model: Any) -> Mapping[str, Any]:
    return {
        "vocabulary": model.config.vocab_size,
        "parameters": model.num_parameters(),
        "body": BODY,
        "pairs": PAIRS,
        "epochs": EPOCHS,
        "seed": SEED,
    }


def _write(file: Any, content: Any) -> None:
    files.write_text(file, json.dumps(content, indent=1) + "\n")
