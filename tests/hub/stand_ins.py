"""Tiny models with random weights and the architectures of the real checkpoints.

The words are made up here; the shapes are small. Only what the door in `xlhelpers.hub` looks
at is like the real thing: file lists, classes, heads that are there or are missing, dtypes.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

SIZES: dict[str, Any] = {
    "hidden_size": 32,
    "num_hidden_layers": 2,
    "num_attention_heads": 2,
    "intermediate_size": 64,
    "max_position_embeddings": 66,
}
MBERT = "google-bert/bert-base-multilingual-cased"
XLMR = "FacebookAI/xlm-roberta-base"
NER = "FacebookAI/xlm-roberta-large-finetuned-conll03-english"
HALF = "stand-in/half-precision"
PICKLED = "stand-in/pickled-only"
EMPTY = "stand-in/empty-tokenizer"
NER_LABELS = ["B-LOC", "B-MISC", "B-ORG", "I-LOC", "I-MISC", "I-ORG", "I-PER", "O"]


def words() -> list[str]:
    """1,331 made-up words."""
    syllables = [a + b for a in "bdfglmnprst" for b in "aeiou"][:11]
    return [a + b + c for a in syllables for b in syllables for c in syllables]


def build(folder: Path) -> dict[str, Path]:
    """Write all stand-ins below `folder`; return their folders by hub id."""
    import torch
    from transformers import (
        BertConfig,
        BertForPreTraining,
        XLMRobertaConfig,
        XLMRobertaForMaskedLM,
        XLMRobertaForTokenClassification,
    )

    torch.manual_seed(0)
    places = {name: folder / name for name in (MBERT, XLMR, NER, HALF, PICKLED, EMPTY)}

    wordpiece = _wordpiece()
    bert = BertConfig(vocab_size=len(wordpiece), **SIZES)
    BertForPreTraining(bert).save_pretrained(places[MBERT])
    wordpiece.save_pretrained(places[MBERT])

    unigram = _unigram()
    xlmr = XLMRobertaConfig(vocab_size=len(unigram), pad_token_id=1, type_vocab_size=1, **SIZES)
    model = XLMRobertaForMaskedLM(xlmr)
    model.save_pretrained(places[XLMR])
    unigram.save_pretrained(places[XLMR])

    labels = {"id2label": dict(enumerate(NER_LABELS)), "num_labels": len(NER_LABELS)}
    tagger = XLMRobertaConfig(**{**xlmr.to_dict(), **labels})
    XLMRobertaForTokenClassification(tagger).save_pretrained(places[NER])
    unigram.save_pretrained(places[NER])

    model.half().save_pretrained(places[HALF])
    unigram.save_pretrained(places[HALF])

    for name in (PICKLED, EMPTY):
        places[name].mkdir(parents=True)
        (places[name] / "config.json").write_text((places[MBERT] / "config.json").read_text())
    torch.save({}, places[PICKLED] / "pytorch_model.bin")
    settings = {"tokenizer_class": "BertTokenizer", "do_lower_case": False}
    (places[EMPTY] / "tokenizer_config.json").write_text(json.dumps(settings))
    return places


def _wordpiece() -> Any:
    from transformers import BertTokenizer

    entries = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", *words()]
    return BertTokenizer(vocab={word: n for n, word in enumerate(entries)}, do_lower_case=False)


def _unigram() -> Any:
    from tokenizers import Tokenizer, decoders, models, normalizers, pre_tokenizers
    from transformers import XLMRobertaTokenizer

    special = ["<s>", "<pad>", "</s>", "<unk>"]
    pieces = [(token, 0.0) for token in special]
    pieces += [("▁" + word, -float(n)) for n, word in enumerate(words(), 1)]
    core = Tokenizer(models.Unigram([*pieces, ("<mask>", 0.0)], unk_id=3))
    core.normalizer = normalizers.NFKC()
    core.pre_tokenizer = pre_tokenizers.Metaspace()
    core.decoder = decoders.Metaspace()
    return XLMRobertaTokenizer(tokenizer_object=core)
