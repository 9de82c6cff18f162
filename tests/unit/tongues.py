"""Tongues that are English with an ending of their own: "fine" is "fine", "fineda", "fineto".

Rows that say the same in every tongue, and small encoders that know them.
"""

from __future__ import annotations

import random
import zlib
from collections.abc import Callable, Iterable, Sequence
from typing import Any

import torch

from xlhelpers.datasets import Labelled, Tagged

ENDINGS = {"en": "", "de": "da", "sw": "to", "zh": "mi"}
GOOD, BAD, DULL = ["fine", "great", "lovely"], ["awful", "poor", "sad"], ["plain", "usual", "so"]
OPINIONS = {"good": GOOD, "bad": BAD, "so-so": DULL}
FILL = ["the", "film", "was", "we", "saw", "it", "today", "and", "then"]
PEOPLE, FAMILIES = ["Ada", "Bo", "Cy"], ["Ohm", "Pye", "Roe"]


def in_tongue(words: Iterable[str], language: str) -> list[str]:
    return [word + ENDINGS[language] for word in words]


def tokenizer_of(words: Sequence[str], codes: Sequence[str]) -> Any:
    """A tokenizer that knows `words` in some tongues."""
    from transformers import BertTokenizer

    said = [word for code in codes for word in in_tongue(words, code)]
    entries = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", *said]
    return BertTokenizer(vocab={e: i for i, e in enumerate(entries)}, do_lower_case=False)


def encoder_of(tokenizer: Any) -> Any:
    """A small BERT to which every tongue is foreign: nothing carries over by itself."""
    from transformers import BertConfig, BertModel

    torch.manual_seed(0)
    config = BertConfig(
        vocab_size=len(tokenizer),
        hidden_size=32,
        num_hidden_layers=1,
        num_attention_heads=2,
        intermediate_size=64,
        max_position_embeddings=24,
    )
    model = BertModel(config, add_pooling_layer=False).eval()
    with torch.no_grad():
        model.embeddings.word_embeddings.weight *= 20  # words stand out from positions
    return model


def aligned_encoder_of(tokenizer: Any, words: Sequence[str], codes: Sequence[str]) -> Any:
    """A small BERT in which a word has one vector in all tongues: so it transfers."""
    model = encoder_of(tokenizer)
    table = model.embeddings.word_embeddings.weight
    with torch.no_grad():
        for code in codes:
            for word, said in zip(words, in_tongue(words, code), strict=True):
                ids = tokenizer.convert_tokens_to_ids([word, said])
                table[ids[1]] = table[ids[0]]
    return model


def _for_split(split: str, draw: Callable[[], list[str]]) -> list[str]:
    """Draw words until they are a sentence of this split: none stands in two, whatever is drawn."""
    own = ("train", "dev", "test").index(split)
    while zlib.crc32(" ".join(words := draw()).encode()) % 3 != own:
        pass
    return words


def reviews(language: str, split: str, rows: int, classes: Sequence[str]) -> Labelled:
    """Reviews with one word of opinion each, the classes in turn; ids run through all tongues."""
    rng = random.Random(split)
    texts, labels = [], []
    for number in range(rows):
        labels.append(label := classes[number % len(classes)])

        def draw(label: str = label) -> list[str]:
            words = rng.choices(FILL, k=4)
            words.insert(rng.randrange(5), rng.choice(OPINIONS[label]))
            return words

        words = _for_split(split, draw)
        texts.append(" ".join(in_tongue(words, language)))
    return Labelled(
        ids=tuple(f"{split}-{number}" for number in range(rows)),
        names=tuple(classes),
        held=("",) * rows,
        language=language,
        source=split,
        texts=tuple(texts),
        labels=tuple(labels),
    )


def people(language: str, split: str, rows: int, *parts: Sequence[str]) -> Tagged:
    """Sentences of five different words, some of them a person's name of one or two parts."""
    rng = random.Random(f"names {split}")
    names = ("O", "B-PER", "I-PER")[: len(parts) + 1]
    sentences, tags = [], []
    for _ in range(rows):
        place, found = rng.randrange(6 - len(parts)), ["O"] * 5

        def draw(place: int = place) -> list[str]:
            words = rng.sample(FILL, k=5)
            words[place : place + len(parts)] = [rng.choice(part) for part in parts]
            return words

        words = _for_split(split, draw)
        found[place : place + len(parts)] = names[1:]
        sentences.append(tuple(in_tongue(words, language)))
        tags.append(tuple(found))
    return Tagged(
        ids=tuple(f"{split}-n{number}" for number in range(rows)),
        names=names,
        held=("",) * rows,
        language=language,
        source=split,
        texts=tuple(map(" ".join, sentences)),
        sentences=tuple(sentences),
        tags=tuple(tags),
        upos=((),) * rows,
        name_marks=("",) * rows,
    )
