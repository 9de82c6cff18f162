"""Tiny models with random weights and the architectures of the real checkpoints.

The words are made up here; the shapes are small. Only what the door in `xlhelpers.hub` looks
at is like the real thing: file lists, classes, heads that are there or are missing, dtypes.
"""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

from loopback_server import PullRequest

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
INFOXLM = "microsoft/infoxlm-base"
PICKLED = "stand-in/pickled-only"
PROPOSED = "stand-in/converted-by-somebody"
SILENT = "stand-in/discussions-switched-off"
BROKEN = "stand-in/discussions-that-fail"
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
    pickled = (INFOXLM, PICKLED, PROPOSED, SILENT, BROKEN)
    places = {name: folder / name for name in (MBERT, XLMR, NER, HALF, EMPTY, *pickled)}

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

    for name in pickled:
        weights = shutil.ignore_patterns("*.safetensors")
        shutil.copytree(places[XLMR], places[name], ignore=weights)
        torch.save({}, places[name] / "pytorch_model.bin")
    places[EMPTY].mkdir(parents=True)
    (places[EMPTY] / "config.json").write_text((places[MBERT] / "config.json").read_text())
    settings = {"tokenizer_class": "BertTokenizer", "do_lower_case": False}
    (places[EMPTY] / "tokenizer_config.json").write_text(json.dumps(settings))
    return places


def pull_requests(models: dict[str, Path]) -> dict[str, list[PullRequest]]:
    """Propose safetensors to models that have none: one good conversion, and four others."""
    bot, other = "SFconvertbot", "somebody"
    folder = models[INFOXLM].parent.parent / "pull-requests"
    model = models[INFOXLM]
    changed = [_proposal(folder / str(num), model, models[XLMR], shift=num) for num in (2, 3, 4)]
    (changed[1] / "pytorch_model.bin").write_bytes(b"weights that main had once")
    infoxlm = [
        PullRequest(1, bot, _proposal(folder / "1", model, models[XLMR])),
        PullRequest(2, other, changed[0]),
        PullRequest(3, bot, changed[1]),
        PullRequest(4, bot, changed[2], status="closed"),
        PullRequest(5, bot, model, title="No safetensors in it"),
    ]
    return {INFOXLM: infoxlm, PROPOSED: [PullRequest(1, other, changed[0])]}


def _proposal(folder: Path, model: Path, weights: Path, shift: float = 0.0) -> Path:
    """The files of a model with safetensors beside them, `shift` added to every weight."""
    from safetensors.torch import load_file, save_file

    shutil.copytree(model, folder)
    tensors = load_file(weights / "model.safetensors")
    moved = {name: value + shift for name, value in tensors.items()}
    save_file(moved, folder / "model.safetensors", metadata={"format": "pt"})
    return folder


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
