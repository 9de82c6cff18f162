"""The mini translators: Marian models of one direction each, from English and into English.

Real `MarianMTModel`s with the files of an opus-mt repository (two SentencePiece models, one
list of words for both sides), at a hundredth of the size. They read parallel sentences of the
grammar; none of them stands in a row of the data sets, whichever split and task.
"""

from __future__ import annotations

import functools
import io
import itertools
import json
import multiprocessing
import random
import tempfile
from collections.abc import Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor, as_completed
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from xlhelpers import datasets, files, languages, settings, translation
from xlhelpers.build import cards, corpus, models, shipping
from xlhelpers.build.corpus import CorpusError
from xlhelpers.build.corpus.splits import SPLITS
from xlhelpers.pretraining.batches import by_length

LANGUAGES = ("de", "es", "zh", "sw")
PAIRS = (*(("en", code) for code in LANGUAGES), *((code, "en") for code in LANGUAGES))
MAX_LENGTH = 128  # tokens that a translator reads at once
_ORIGIN = "python3 course.py build translators"

_MEANINGS, _SEED = 40_000, 1
# Documents have as many sentences as these weights say, since reviews have several.
_SENTENCES = {1: 60, 2: 20, 3: 12, 4: 8}
_DOCUMENTS = 60_000
_POOL = 4_096  # so many are sorted together
_LEAST = 50  # chrF on development rows; a decoder that looks at nothing has a quarter

# By kind of text and metric: the figure, and the ends of its interval.
Scores = dict[str, dict[str, list[float]]]


@dataclass(frozen=True, slots=True)
class Size:
    """What a translator is made of, and how long it learns.

    Attributes:
        pieces: of each side's vocabulary, at most.
        width: units of a layer; a head of attention has 32.
        layers: of the encoder, and as many of the decoder.
        inner: units of a feed-forward layer.
        steps, learning_rate: of the training.
        tokens: of a batch, on the side that has more.
        smoothing: of labels (Szegedy et al., 2016, CVPR).
    """

    pieces: int = 2_000
    width: int = 96
    layers: int = 2
    inner: int = 256
    steps: int = 1_200
    tokens: int = 3_000
    learning_rate: float = 4e-3
    smoothing: float = 0.1


SIZE = Size()


def name_of(source: str, target: str) -> str:
    """Return the folder of a translator in `data/models/`."""
    return f"mini-marian-{source}-{target}"


# ── text ─────────────────────────────────────────────────────────────────────────────────


@functools.cache
def parallel() -> tuple[dict[str, str], ...]:
    """Return meanings, each said in the five languages; none is a sentence of a data set.

    Training rows of the tasks are left out too: translate-train must translate what the
    translator has not seen.
    """
    codes = ("en", *LANGUAGES)
    world, grammars = models.world_and_grammars(codes)
    barred = models.barred(codes, SPLITS)
    groups = corpus.parallel(world, grammars, _MEANINGS, _SEED, forbidden=barred)
    return tuple(row for group in groups for row in group)


def documents(source: str, target: str) -> list[tuple[str, str]]:
    """Return pairs of texts of one to four sentences, drawn with replacement."""
    rng = random.Random(f"{_SEED} {source} {target}")
    rows = parallel()
    counts = rng.choices(tuple(_SENTENCES), tuple(_SENTENCES.values()), k=_DOCUMENTS)
    drawn = [rng.choices(rows, k=count) for count in counts]
    return [(_joined(part, source), _joined(part, target)) for part in drawn]


def _joined(rows: Sequence[dict[str, str]], code: str) -> str:
    return ("" if code == "zh" else " ").join(row[code] for row in rows)


# ── vocabulary and weights ───────────────────────────────────────────────────────────────


def vocabulary(source: str, target: str, size: Size = SIZE) -> Any:
    """Train a `MarianTokenizer`: a SentencePiece model a side, one list of pieces for both.

    The pieces are those of byte-pair encoding, on text as it is: Unicode normalisation would
    change letters that the grammar's own spelling keeps apart.
    """
    from transformers import MarianTokenizer

    rows = parallel()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        pieces: dict[str, None] = {}
        for side, code in (("source", source), ("target", target)):
            model = _sentencepiece((row[code] for row in rows), size.pieces)
            (folder / f"{side}.spm").write_bytes(model)
            pieces |= dict.fromkeys(_pieces(model))
        ends = ("</s>", "<unk>")
        listed = [*ends, *(piece for piece in pieces if piece not in ends), "<pad>"]
        numbers = {piece: number for number, piece in enumerate(listed)}
        text = json.dumps(numbers, ensure_ascii=False, indent=0)
        (folder / "vocab.json").write_text(text, encoding="utf-8")
        return MarianTokenizer(
            source_spm=str(folder / "source.spm"),
            target_spm=str(folder / "target.spm"),
            vocab=str(folder / "vocab.json"),
            source_lang=source,
            target_lang=target,
            model_max_length=MAX_LENGTH,
        )


def _sentencepiece(texts: Iterator[str], size: int) -> bytes:
    import sentencepiece

    made = io.BytesIO()
    sentencepiece.SentencePieceTrainer.train(
        sentence_iterator=texts,
        model_writer=made,
        model_type="bpe",
        vocab_size=size,
        hard_vocab_limit=False,
        character_coverage=1.0,
        normalization_rule_name="identity",
        eos_id=0,
        unk_id=1,
        bos_id=-1,
        pad_id=-1,
        num_threads=1,
        minloglevel=2,
    )
    return made.getvalue()


def _pieces(model: bytes) -> list[str]:
    import sentencepiece

    read = sentencepiece.SentencePieceProcessor(model_proto=model)
    return [read.id_to_piece(number) for number in range(read.get_piece_size())]


def fresh(tokenizer: Any, size: Size = SIZE) -> Any:
    """Return a translator before training, in Marian's layout (Junczys-Dowmunt et al., 2018)."""
    import torch
    from transformers import MarianConfig, MarianMTModel

    heads = size.width // 32
    config = MarianConfig(
        vocab_size=len(tokenizer),
        d_model=size.width,
        encoder_layers=size.layers,
        decoder_layers=size.layers,
        encoder_attention_heads=heads,
        decoder_attention_heads=heads,
        encoder_ffn_dim=size.inner,
        decoder_ffn_dim=size.inner,
        max_position_embeddings=2 * MAX_LENGTH,
        activation_function="swish",
        dropout=0.0,
        # Glorot & Bengio's (2010, AISTATS) spread for a square layer. The usual 0.02 is meant for
        # 512 units: words are then drowned by their positions, and many seeds learn nothing.
        init_std=size.width**-0.5,
        scale_embedding=True,
        share_encoder_decoder_embeddings=True,
        pad_token_id=tokenizer.pad_token_id,
        bos_token_id=tokenizer.eos_token_id,
        eos_token_id=tokenizer.eos_token_id,
        # As in Marian: the decoder begins with the padding, and what is cut ends with </s>.
        decoder_start_token_id=tokenizer.pad_token_id,
        forced_eos_token_id=tokenizer.eos_token_id,
    )
    with torch.random.fork_rng(devices=()):
        torch.manual_seed(_SEED)
        return MarianMTModel(config)


def train(source: str, target: str, size: Size = SIZE) -> tuple[Any, Any]:
    """Return the trained model and tokenizer of a pair.

    A loop of our own, as in pretraining. With `Seq2SeqTrainer`, tried first, the decoders of two
    pairs out of three learned their language and never looked at the source.
    """
    import torch
    from torch.nn.functional import cross_entropy

    tokenizer = vocabulary(source, target, size)
    model = fresh(tokenizer, size).train()
    texts, meant = zip(*documents(source, target), strict=True)
    read = tokenizer(list(texts), text_target=list(meant), truncation=True)
    optimizer = torch.optim.AdamW(
        model.parameters(), size.learning_rate, betas=(0.9, 0.98), weight_decay=0.01, fused=True
    )
    warm = round(0.06 * size.steps)
    for step, rows in zip(range(size.steps), _batches(read, size.tokens), strict=False):
        rising, falling = (step + 1) / max(warm, 1), (size.steps - step) / (size.steps - warm)
        for group in optimizer.param_groups:
            group["lr"] = size.learning_rate * min(rising, falling)
        inputs = _padded([read["input_ids"][row] for row in rows], tokenizer.pad_token_id)
        wanted = _padded([read["labels"][row] for row in rows], tokenizer.pad_token_id)
        # As Marian's own loss: the decoder sees what stands before each token.
        begun = torch.full_like(wanted[:, :1], model.config.decoder_start_token_id)
        logits = model(
            input_ids=inputs,
            attention_mask=inputs.ne(tokenizer.pad_token_id),
            decoder_input_ids=torch.cat([begun, wanted[:, :-1]], dim=1),
        ).logits
        loss = cross_entropy(
            logits.flatten(0, 1),
            wanted.flatten(),
            ignore_index=tokenizer.pad_token_id,
            label_smoothing=size.smoothing,
        )
        loss.backward()
        torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimizer.step()
        optimizer.zero_grad(set_to_none=True)
    return model.eval(), tokenizer


def _batches(read: Any, tokens: int) -> Iterator[list[int]]:
    """Yield rows of similar length, as many as fill `tokens` on the longer side, without end."""
    lengths = np.array([list(map(len, read[name])) for name in ("input_ids", "labels")]).max(axis=0)
    for epoch in itertools.count():
        rng = np.random.default_rng([_SEED, epoch])
        order = rng.permutation(len(lengths))
        for pool in np.array_split(order, -(-len(order) // _POOL)):
            made = by_length(pool, lengths, tokens)
            for number in rng.permutation(len(made)):
                yield [int(row) for row in made[number]]


def _padded(rows: Sequence[Sequence[int]], pad: int) -> Any:
    import torch

    longest = max(map(len, rows))
    return torch.tensor([[*row, *[pad] * (longest - len(row))] for row in rows])


# ── steps of the build ───────────────────────────────────────────────────────────────────


def translators_step() -> str:
    """Train all pairs, as many at a time as there are threads, and ship them in half precision.

    What was made before stays until its successor is whole.
    """
    from tqdm.auto import tqdm

    here = settings.current()
    context = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(here.threads, context) as pool:
        waiting = [pool.submit(make, *pair, here.data) for pair in PAIRS]
        for done in tqdm(as_completed(waiting), total=len(PAIRS), unit="pair", disable=None):
            done.result()
    size = sum(_register(*pair) for pair in PAIRS)
    return f"{len(PAIRS)} translators, {size / 1e6:.1f} MB"


def make(source: str, target: str, data: Path) -> None:
    """Train a pair and put its files in place."""
    settings.use(data=data, threads=1, progress=False)
    settings.apply_threads()
    model, tokenizer = train(source, target, SIZE)
    _require_success(model, tokenizer, source, target)
    shipping.ship(
        model,
        tokenizer,
        name_of(source, target),
        _facts(model, source, target),
        origin=_ORIGIN,
        note=_note(source, target),
    )


def _require_success(model: Any, tokenizer: Any, source: str, target: str) -> None:
    """Raise if a translator does not translate: training ends in that now and then."""
    here, there = (datasets.ner(code, "dev").texts[:50] for code in (source, target))
    translator = translation.Translator(source, target, model=(model, tokenizer))
    quality = translation.chrf(translator.translate(list(here)), list(there), target)
    if quality.value < _LEAST:
        raise CorpusError(
            f"{name_of(source, target)} has learned nothing: {quality}",
            "train it with another learning rate or seed",
        )


def card_step() -> str:
    """Measure every translator and write its card; return one line on how they do."""
    means = []
    for source, target in PAIRS:
        found = measure(source, target)
        folder = shipping.folder_of(name_of(source, target))
        shipping.write_json(folder / "scores.json", found)
        files.write_text(folder / "README.md", card(source, target, found))
        _register(source, target)
        means.append(f"{source}-{target} {found['reviews']['chrF'][0]:.0f}")
    return f"chrF on reviews: {', '.join(means)}"


def test_texts(source: str, target: str) -> dict[str, tuple[list[str], list[str]]]:
    """Return source texts and references by part: of the grammar, of templates unseen, by hand."""
    found: dict[str, tuple[list[str], list[str]]] = {}
    for part, load in (("reviews", datasets.sentiment), ("news", datasets.ner)):
        here, there = load(source, "test"), load(target, "test")
        for text, meant, held in zip(here.texts, there.texts, here.held, strict=True):
            name = f"{part}, new templates" if held == "template" else part
            texts, references = found.setdefault(name, ([], []))
            texts.append(text)
            references.append(meant)
    hand: tuple[list[str], ...] = ([], [])
    for side, code in zip(hand, (source, target), strict=True):
        for task in ("sentiment", "ner"):
            side.extend(datasets.handwritten(task, code).texts)
    return {**found, "by hand": (hand[0], hand[1])}


def measure(source: str, target: str) -> Scores:
    """Return BLEU and chrF of greedy translations by part of `test_texts`."""
    translator = translation.Translator(source, target)
    found: Scores = {}
    for part, (texts, references) in test_texts(source, target).items():
        said = translator.translate(texts)
        each = (metric(said, references, target) for metric in (translation.bleu, translation.chrf))
        found[part] = {
            quality.metric: [round(v, 2) for v in (quality.value, quality.low, quality.high)]
            for quality in each
        }
    return found


def card(source: str, target: str, found: Scores) -> str:
    """Return the model card in Markdown."""
    there, here = languages.name(target), languages.name(source)
    facts = f"{len(LANGUAGES) + 1} languages"
    lines = [
        f"# {name_of(source, target)}",
        "",
        f"Translates {here} into {there}, in the little world of the course's corpus.",
        "",
        f"* `MarianMTModel`: {SIZE.layers} + {SIZE.layers} layers, {SIZE.width} units",
        f"* Trained on: {_DOCUMENTS:,} texts of 1 to 4 sentences, drawn from {_MEANINGS:,} "
        f"meanings of the grammar ({facts}), {SIZE.steps:,} steps of up to {SIZE.tokens:,} tokens, "
        "one seed. No sentence of the data sets is among them, neither of a test nor of a "
        "training set",
        "* Stands for: Helsinki-NLP/opus-mt (Tiedemann & Thottingal, 2020, EAMT), a hundred times "
        "as large",
        f"* Made by `{_ORIGIN}`; licence Apache-2.0",
        "",
        "## Scores",
        "",
        "BLEU and chrF (sacrebleu; Papineni et al., 2002, ACL; Popović, 2015, WMT; Post, 2018, "
        "WMT) against one reference, greedy, 95 % intervals over texts. The references were made "
        "by the grammar or by hand, whichever way each language says it: a good translation in "
        "other words counts as wrong.",
        "",
        "| texts | BLEU | chrF |",
        "|---|---|---|",
    ]
    for part, row in found.items():
        lines.append(f"| {part} | {_cell(row['BLEU'])} | {_cell(row['chrF'])} |")
    return "\n".join([*lines, "", cards.TEACHING]) + "\n"


def _cell(figures: list[float]) -> str:
    return "{:.0f} [{:.0f}, {:.0f}]".format(*figures)


def _facts(model: Any, source: str, target: str) -> dict[str, Any]:
    return {
        "vocabulary": model.config.vocab_size,
        "parameters": model.num_parameters(),
        "source": source,
        "target": target,
        "meanings": _MEANINGS,
        "documents": _DOCUMENTS,
        "steps": SIZE.steps,
        "seed": _SEED,
    }


def _register(source: str, target: str) -> int:
    return shipping.register(name_of(source, target), origin=_ORIGIN, note=_note(source, target))


def _note(source: str, target: str) -> str:
    return f"translates {source} into {target}"
