"""Models in the place of the real checkpoints: tiny random ones, and the course's own.

`build` makes up words and weights; only what the door in `xlhelpers.hub` looks at is like the
real thing: file lists, classes, heads that are there or are missing, dtypes. `shipped` takes the
mini models, which can read, and gives them the file lists of the real ones.
"""

from __future__ import annotations

import json
import os
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
AFROXLMR = "Davlan/afro-xlmr-base"
PICKLED = "stand-in/pickled-only"
PROPOSED = "stand-in/converted-by-somebody"
SILENT = "stand-in/discussions-switched-off"
BROKEN = "stand-in/discussions-that-fail"
# There is no opus-mt-sw-en: `xlhelpers.hub` takes the one from Congo Swahili.
OPUS_PAIRS = ("en-de", "de-en", "en-es", "es-en", "en-zh", "zh-en", "en-sw", "swc-en")
OPUS_FILES = {
    "config.json", "generation_config.json", "model.safetensors", "source.spm", "target.spm",
    "tokenizer_config.json", "vocab.json",
}  # fmt: skip
OPUS = {pair: f"Helsinki-NLP/opus-mt-{pair}" for pair in OPUS_PAIRS}
EMPTY = "stand-in/empty-tokenizer"
# How many entries the real vocabularies have (config.json of each). InfoXLM, which the notebooks
# train most, and AfroXLMR keep ours unless asked: every step over 250,002 rows takes its time.
ENTRIES = {MBERT: 119_547, XLMR: 250_002}
if os.environ.get("XL_FULL_VOCABULARIES"):
    ENTRIES |= {INFOXLM: 250_002, AFROXLMR: 250_002}
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
    minis = {
        MBERT: "mini-mbert",
        XLMR: "mini-xlmr",
        INFOXLM: "mini-infoxlm",
        AFROXLMR: "mini-infoxlm",
    }
    sources = {name: MINIS / mini for name, mini in minis.items()}
    places = {name: folder / name for name in minis}
    for name, place in places.items():
        place.mkdir(parents=True)
        for file in ("config.json", "model.safetensors", "tokenizer.json"):
            shutil.copyfile(sources[name] / file, place / file)
        if name in ENTRIES:
            _grow(place, ENTRIES[name])
    for name, more in {MBERT: {"do_lower_case": False}, XLMR: {}}.items():
        said = json.loads((sources[name] / "tokenizer_config.json").read_text(encoding="utf-8"))
        told = json.dumps(more | {"model_max_length": said["model_max_length"]})
        (places[name] / "tokenizer_config.json").write_text(told, encoding="utf-8")
    for pair, name in OPUS.items():
        places[name] = folder / name
        _as_opus(MINIS / f"mini-marian-{pair.replace('swc', 'sw')}", places[name])
    content = json.loads((places[MBERT] / "tokenizer.json").read_text(encoding="utf-8"))
    vocabulary = content["model"]["vocab"]
    lines = "".join(f"{entry}\n" for entry in sorted(vocabulary, key=vocabulary.__getitem__))
    (places[MBERT] / "vocab.txt").write_text(lines, encoding="utf-8")
    weights = folder / "weights" / "infoxlm"
    shutil.copytree(places[INFOXLM], weights)
    _pickle(places[INFOXLM])
    proposed = _proposal(folder / "pull-requests" / "1", places[INFOXLM], weights)
    return places, {INFOXLM: [PullRequest(1, BOT, proposed)]}


def _grow(place: Path, entries: int) -> None:
    """Give a model as many entries as the real one has, so that what grows with them is seen.

    The new ones are pairs of Hangul, which no text of the course has; `<mask>` stays the last one
    where it was. Their rows are small and their biases low: no model of ours foretells them.
    """
    import torch
    from safetensors.torch import load_file, save_file

    told = json.loads((place / "tokenizer.json").read_text(encoding="utf-8"))
    vocabulary = told["model"]["vocab"]
    before = len(vocabulary)
    new = [chr(0xAC00 + n // 600) + chr(0xAC00 + n % 600) for n in range(entries - before)]
    at = before
    if isinstance(vocabulary, list):
        at -= 1
        vocabulary[at:at] = [[piece, -30.0] for piece in new]
        told["added_tokens"][-1]["id"] = entries - 1
    else:
        vocabulary |= {piece: before + n for n, piece in enumerate(new)}
    (place / "tokenizer.json").write_text(json.dumps(told, ensure_ascii=False), encoding="utf-8")
    tensors = load_file(place / "model.safetensors")
    torch.manual_seed(0)
    for name, old in tensors.items():
        if len(old) == before:
            rows = torch.randn(len(new), *old.shape[1:]) * 0.02 - (20 if old.ndim == 1 else 0)
            tensors[name] = torch.cat([old[:at], rows.to(old.dtype), old[at:]])
    save_file(tensors, place / "model.safetensors", metadata={"format": "pt"})
    config = json.loads((place / "config.json").read_text(encoding="utf-8"))
    config["vocab_size"] = entries
    (place / "config.json").write_text(json.dumps(config), encoding="utf-8")


def _as_opus(mini: Path, place: Path) -> None:
    """Write a mini translator with the files of OPUS-MT: beams by default, the padding barred."""
    place.mkdir(parents=True)
    for file in ("config.json", "model.safetensors", "source.spm", "target.spm", "vocab.json"):
        shutil.copyfile(mini / file, place / file)
    generation = json.loads((mini / "generation_config.json").read_text(encoding="utf-8"))
    generation |= {
        "num_beams": 4,
        "max_length": 256,
        "bad_words_ids": [[generation["pad_token_id"]]],
    }
    (place / "generation_config.json").write_text(json.dumps(generation), encoding="utf-8")
    told = {"source_lang": mini.name.split("-")[2], "target_lang": mini.name.split("-")[3]}
    told |= {"model_max_length": 128}
    (place / "tokenizer_config.json").write_text(json.dumps(told), encoding="utf-8")


def marian_stand_in(
    folder: Path, codes: tuple[str, ...] = (), lines: tuple[str, ...] = (), positions: int = 64
) -> Path:
    """Write a MarianMTModel with random weights and a MarianTokenizer, in the files of OPUS-MT.

    Args:
        folder: where to.
        codes: signs of languages that the vocabulary has, such as `>>cmn_Hans<<`.
        lines: text that the pieces are learned from; left out, made-up words.
        positions: tokens that it reads and writes at most.
    """
    import io

    import sentencepiece
    import torch
    from transformers import MarianConfig, MarianMTModel, MarianTokenizer

    said = lines or tuple(" ".join(words()[n : n + 7]) for n in range(0, 1331, 7))
    written = io.BytesIO()
    sentencepiece.SentencePieceTrainer.train(
        sentence_iterator=iter(said), model_writer=written, vocab_size=1400, model_type="unigram",
        character_coverage=1.0, hard_vocab_limit=False, bos_id=-1, eos_id=0, unk_id=1, pad_id=-1,
        num_threads=1, minloglevel=2,
    )  # fmt: skip
    folder.mkdir(parents=True, exist_ok=True)
    for name in ("source.spm", "target.spm"):
        (folder / name).write_bytes(written.getvalue())
    cutter = sentencepiece.SentencePieceProcessor(model_proto=written.getvalue())
    pieces = [cutter.id_to_piece(number) for number in range(cutter.get_piece_size())]
    # So many as the door wants at least; the real ones have some 60,000.
    spare = [f"spare{number}" for number in range(1100 - len(pieces))]
    vocabulary = [*pieces, *codes, *spare, "<pad>"]
    content = {piece: number for number, piece in enumerate(vocabulary)}
    (folder / "vocab.json").write_text(json.dumps(content, ensure_ascii=False), encoding="utf-8")
    files = {name: str(folder / name) for name in ("source.spm", "target.spm", "vocab.json")}
    tokenizer = MarianTokenizer(*files.values())
    pad = tokenizer.pad_token_id
    torch.manual_seed(0)
    model = MarianMTModel(
        MarianConfig(
            vocab_size=len(vocabulary), d_model=32, encoder_layers=1, decoder_layers=1,
            encoder_attention_heads=2, decoder_attention_heads=2, encoder_ffn_dim=64,
            decoder_ffn_dim=64, max_position_embeddings=positions, pad_token_id=pad,
            eos_token_id=0, decoder_start_token_id=pad, forced_eos_token_id=0,
            static_position_embeddings=True, scale_embedding=True,
            init_std=0.5,  # smaller, and what it writes hardly depends on what it reads
        )
    )  # fmt: skip
    model.generation_config.update(
        num_beams=4, max_length=positions, bad_words_ids=[[pad]], forced_eos_token_id=0
    )
    model.save_pretrained(folder)
    # The real ones say little more; which class it is, the configuration of the model tells.
    told = {"source_lang": "xx", "target_lang": "yy", "model_max_length": positions}
    (folder / "tokenizer_config.json").write_text(json.dumps(told))
    return folder


def opus(folder: Path) -> tuple[dict[str, Path], dict[str, list[PullRequest]]]:
    """Marian models in the place of OPUS-MT's, and the pull requests to them.

    The course's own where it has the pair, else random ones. As in the real repositories, weights
    are pickled and the conversion bot has proposed safetensors; what writes Chinese writes several
    Chinese languages and wants to be told which, where it is a random one.
    """
    places, pulls = {}, {}
    for pair, name in OPUS.items():
        mini = MINIS / f"mini-marian-{pair.replace('swc', 'sw')}"
        place = folder / name
        if mini.is_dir():
            place.mkdir(parents=True)
            for file in sorted(mini.iterdir()):
                if file.suffix in (".json", ".spm", ".safetensors") and file.name in OPUS_FILES:
                    shutil.copyfile(file, place / file.name)
        else:
            codes = (">>cmn_Hans<<", ">>cmn_Hant<<", ">>yue_Hans<<") if pair == "en-zh" else ()
            marian_stand_in(place, codes)
        weights = folder / "weights" / pair
        shutil.copytree(place, weights)
        _pickle(place)
        proposed = _proposal(folder / "pull-requests" / pair, place, weights)
        places[name], pulls[name] = place, [PullRequest(1, BOT, proposed)]
    return places, pulls


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
