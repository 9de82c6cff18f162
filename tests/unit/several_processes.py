"""What test_processes.py has two processes do, and does itself in one, to compare."""

from __future__ import annotations

import hashlib
import json
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

# 17 rows in batches of 8: the last has one row, and one of two processes none.
ROWS, BATCH, EPOCHS = 17, 8, 2


def outcomes() -> dict[str, Any]:
    """Train three models; what each process read and ended with, in what JSON can write."""
    from xlhelpers import datasets

    reviews = datasets.sentiment("en", "train")
    texts, labels = list(reviews.texts[:ROWS]), list(reviews.labels[:ROWS])
    # Wrong labels to choose by: the more is learned, the worse, and the first epoch is the best.
    wrong = {"negative": "neutral", "neutral": "positive", "positive": "negative"}
    dev = (texts, [wrong[label] for label in labels])
    return {
        "exact": classifier(texts, labels, dev, dropout=0.0),
        "dropout": classifier(texts, labels, None, dropout=0.3),
        "tagger": tagger(),
    }


def classifier(texts: list[str], labels: list[str], dev: Any, dropout: float) -> dict[str, Any]:
    from xlhelpers import finetuning, hub

    names = ["negative", "neutral", "positive"]
    model = hub.model("XLM-R", "classification", new_head=True, num_labels=3)
    set_dropout(model, dropout)
    tokenizer = hub.tokenizer("XLM-R")
    with reading(model, tokenizer, texts) as read:
        fitted = finetuning.train_classifier(
            model, tokenizer, texts, labels, names=names, dev=dev,
            epochs=EPOCHS, batch_size=BATCH, seed=3, in_place=True,
        )  # fmt: skip
    said = finetuning.classify(fitted.model, tokenizer, texts)
    rows, seeds = [batch for batch, _ in read], sorted({seed for _, seed in read})
    return told(fitted) | {"read": rows, "seeds": seeds, "said": said.probabilities.tolist()}


def tagger() -> dict[str, Any]:
    """Parts of a batch have unlike numbers of labels here: means of means would be wrong."""
    from xlhelpers import datasets, finetuning, hub

    news = datasets.ner("en", "train")
    words, tags = list(news.sentences[:ROWS]), list(news.tags[:ROWS])
    names = sorted({tag for row in tags for tag in row})
    model = hub.model("XLM-R", "tagging", new_head=True, num_labels=len(names))
    set_dropout(model, 0.0)
    tokenizer = hub.tokenizer("XLM-R")
    fitted = finetuning.train_tagger(
        model, tokenizer, words, tags, names=names, epochs=2, batch_size=BATCH, seed=3,
        frozen=0, in_place=True,
    )  # fmt: skip
    said = finetuning.tag_probabilities(fitted.model, tokenizer, words)
    return told(fitted) | {"said": [row.tolist() for row in said]}


def told(fitted: Any) -> dict[str, Any]:
    weights = hashlib.sha256()
    for tensor in fitted.model.state_dict().values():
        weights.update(tensor.numpy().tobytes())
    return {
        "weights": weights.hexdigest(),
        "losses": [row["loss"] for row in fitted.history if "loss" in row],
        "best": [fitted.best, fitted.best_epoch],
        "epochs": [row["dev_macro_f1"] for row in fitted.history if "dev_macro_f1" in row],
    }


def set_dropout(model: Any, share: float) -> None:
    import torch

    for part in model.modules():
        if isinstance(part, torch.nn.Dropout):
            part.p = share


@contextmanager
def reading(model: Any, tokenizer: Any, texts: list[str]) -> Iterator[list[tuple[list[int], int]]]:
    """Note the texts that a model learns from, by number, and the seed of dropout: by batch."""
    import torch

    ids = tokenizer(texts)["input_ids"]
    number = {tuple(row): i for i, row in enumerate(ids)}
    assert len(number) == len(texts)
    found: list[tuple[list[int], int]] = []

    def note(_: Any, args: Any, given: dict[str, Any]) -> None:
        if model.training:
            rows = zip(given["input_ids"].tolist(), given["attention_mask"].tolist(), strict=True)
            batch = [number[tuple(row[: sum(mask)])] for row, mask in rows]
            found.append((batch, torch.initial_seed()))

    hook = model.register_forward_pre_hook(note, with_kwargs=True)
    try:
        yield found
    finally:
        hook.remove()


if __name__ == "__main__":
    from xlhelpers import settings

    made = outcomes()
    rank = 0 if settings.is_first_process() else 1
    Path(sys.argv[1], f"{rank}.json").write_text(json.dumps(made), encoding="utf-8")
