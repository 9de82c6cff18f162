"""Models in the place of the real checkpoints: tiny random ones, and the course's own.

`build` makes up words and weights; only what the door in `xlhelpers.hub` looks at is like the
real thing: file lists, classes, heads that are there or are missing, dtypes. `shipped` takes the
mini models, which can read, and gives them the file lists of the real ones.
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
MINIS = Path(__file__).resolve().parents[2] / "data" / "models"
BOT = "SFconvertbot"
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
        shutil.copytree(places[XLMR], places[name])
        _pickle(places[name])
    places[EMPTY].mkdir(parents=True)
    (places[EMPTY] / "config.json").write_text((places[MBERT] / "config.json").read_text())
    settings = {"tokenizer_class": "BertTokenizer", "do_lower_case": False}
    (places[EMPTY] / "tokenizer_config.json").write_text(json.dumps(settings))
    return places


def shipped(folder: Path) -> tuple[dict[str, Path], dict[str, list[PullRequest]]]:
    """The mini models as the real repositories would hold them, and the pull requests to them.

    The real ones have no `course.json`, say less in `tokenizer_config.json` (microsoft's has
    none), and name BERT's vocabulary in a file of its own. Left out are formats that nothing
    here reads: SentencePiece's, TensorFlow's, Flax's.
    """
    minis = {MBERT: "mini-mbert", XLMR: "mini-xlmr", INFOXLM: "mini-infoxlm"}
    sources = {name: MINIS / mini for name, mini in minis.items()}
    places = {name: folder / name for name in minis}
    for name, place in places.items():
        place.mkdir(parents=True)
        for file in ("config.json", "model.safetensors", "tokenizer.json"):
            shutil.copyfile(sources[name] / file, place / file)
    for name, more in {MBERT: {"do_lower_case": False}, XLMR: {}}.items():
        said = json.loads((sources[name] / "tokenizer_config.json").read_text(encoding="utf-8"))
        told = json.dumps(more | {"model_max_length": said["model_max_length"]})
        (places[name] / "tokenizer_config.json").write_text(told, encoding="utf-8")
    content = json.loads((places[MBERT] / "tokenizer.json").read_text(encoding="utf-8"))
    vocabulary = content["model"]["vocab"]
    lines = "".join(f"{entry}\n" for entry in sorted(vocabulary, key=vocabulary.__getitem__))
    (places[MBERT] / "vocab.txt").write_text(lines, encoding="utf-8")
    _pickle(places[INFOXLM])
    proposed = _proposal(folder / "pull-requests" / "1", places[INFOXLM], sources[INFOXLM])
    return places, {INFOXLM: [PullRequest(1, BOT, proposed)]}


def pull_requests(models: dict[str, Path]) -> dict[str, list[PullRequest]]:
    """Propose safetensors to models that have none: one good conversion, and four others."""
    other = "somebody"
    folder = models[INFOXLM].parent.parent / "pull-requests"
    model = models[INFOXLM]
    changed = [_proposal(folder / str(num), model, models[XLMR], shift=num) for num in (2, 3, 4)]
    (changed[1] / "pytorch_model.bin").write_bytes(b"weights that main had once")
    infoxlm = [
        PullRequest(1, BOT, _proposal(folder / "1", model, models[XLMR])),
        PullRequest(2, other, changed[0]),
        PullRequest(3, BOT, changed[1]),
        PullRequest(4, BOT, changed[2], status="closed"),
        PullRequest(5, BOT, model, title="No safetensors in it"),
    ]
    return {INFOXLM: infoxlm, PROPOSED: [PullRequest(1, other, changed[0])]}


def _pickle(folder: Path) -> None:
    """Turn the weights of a model into pickled ones."""
    import torch
    from safetensors.torch import load_file

    weights = folder / "model.safetensors"
    torch.save(load_file(weights), folder / "pytorch_model.bin")
    weights.unlink()


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
