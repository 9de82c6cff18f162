"""Parquet files in the layouts of the public data sets, whatever rows one puts in.

They carry the notes on labels that the library `datasets` leaves in the files it writes.
"""

from __future__ import annotations

import io
import json
from collections.abc import Sequence
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from xlhelpers.datasets import PUBLIC

TWEETS, WIKIANN, XNLI = (PUBLIC[task].id for task in ("sentiment", "ner", "nli"))
# Our names of the splits, and those of the hub's data sets.
SPLITS = {"train": "train", "dev": "validation", "test": "test"}


def class_label(*names: str) -> dict[str, Any]:
    return {"names": list(names), "_type": "ClassLabel"}


NLI = class_label("entailment", "neutral", "contradiction")
NER = class_label("O", "B-PER", "I-PER", "B-ORG", "I-ORG", "B-LOC", "I-LOC")
MOOD = class_label("negative", "neutral", "positive")


def parquet(columns: dict[str, list[Any]], labels: dict[str, Any] | None) -> bytes:
    """A parquet file; `labels` is what the library notes on its columns."""
    table = pa.table(columns)
    if labels is not None:
        note = json.dumps({"info": {"features": labels}})
        table = table.replace_schema_metadata({"huggingface": note})
    out = io.BytesIO()
    pq.write_table(table, out)
    return out.getvalue()


def xnli_path(code: str, split: str) -> str:
    """Where XNLI has a language and one of the hub's splits."""
    return f"{PUBLIC['nli'].folders[code]}/{split}-00000-of-00001.parquet"


def xnli(
    premises: Sequence[str],
    hypotheses: Sequence[str],
    numbers: Sequence[int],
    label: dict[str, Any] | None = NLI,
) -> bytes:
    """A file of XNLI; `label` says what the numbers mean."""
    columns: dict[str, list[Any]] = {"premise": list(premises), "hypothesis": list(hypotheses)}
    columns["label"] = list(numbers)
    return parquet(columns, None if label is None else {"label": label})


def tweets_path(code: str, split: str) -> str:
    """Where the tweets have a language and one of the hub's splits."""
    return f"{PUBLIC['sentiment'].folders[code]}/{split}/0000.parquet"


def tweets(texts: Sequence[str], numbers: Sequence[int]) -> bytes:
    """A file of tweets with moods."""
    return parquet({"text": list(texts), "label": list(numbers)}, {"label": MOOD})


def wikiann_path(code: str, split: str) -> str:
    """Where WikiANN has a language and one of the hub's splits."""
    return f"{PUBLIC['ner'].folders[code]}/{split}/0000.parquet"


def wikiann(sentences: Sequence[Sequence[str]], numbers: Sequence[Sequence[int]]) -> bytes:
    """A file of sentences in words with the numbers of their tags."""
    columns: dict[str, list[Any]] = {"tokens": [list(words) for words in sentences]}
    columns["ner_tags"] = [list(tags) for tags in numbers]
    return parquet(columns, {"ner_tags": {"feature": NER, "_type": "Sequence"}})
