"""A language kept out of pretraining: its text, a dictionary, and what adapting to it brings.

`python3 course.py build text/yo lexicon adaptation` makes all of it. An interrupted run goes on.
"""

from __future__ import annotations

import functools
import hashlib
import math
import multiprocessing
import operator
import random
import re
import warnings
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor, as_completed
from dataclasses import asdict, astuple, dataclass, fields, replace
from pathlib import Path
from typing import Any

from xlhelpers import (
    assets,
    datasets,
    encoding,
    files,
    hub,
    languages,
    pretraining,
    settings,
    tokenization,
    transfer,
)
from xlhelpers.alignment import Score
from xlhelpers.build import corpus, models
from xlhelpers.build.corpus.pretraining import MIX
from xlhelpers.build.grammar import Grammar, World
from xlhelpers.build.plans import UNSEEN
from xlhelpers.pretraining import Recipe
from xlhelpers.pretraining.adaptation import COMMITTED, MEASURES, Initial, Part
from xlhelpers.transfer import Results

TRAIN, HELD_OUT = 6_000, 300
_SEED, _MOST = 0, 100_000
LEXICON = "lexicon.tsv"

# ── text ─────────────────────────────────────────────────────────────────────────────────


def text_step() -> str:
    """Write the text of the unseen language; return one line on how much there is."""
    train, held = write_text(UNSEEN)
    return f"{train:,} documents to adapt to, {held:,} to measure on"


def write_text(code: str) -> tuple[int, int]:
    """Write `data/text/<code>.txt` and its held-out part; return how many documents each has.

    No sentence of a development or test set is in either, and no sentence of the held-out part
    is in the other. No review has a rating: nothing says what is for and what against.
    """
    folder = settings.current().data / "text"
    train, held = texts(code)
    for name, rows in ((f"{code}.txt", train), (f"{code}.heldout.txt", held)):
        files.write_text(folder / name, "".join(f"{row}\n" for row in rows))
        assets.register(
            folder / name,
            kind="shipped",
            licence="CC BY 4.0",
            origin=f"python3 course.py build {'text' if code == UNSEEN else 'language'}/{code}",
            note=f"{languages.name(code)}, {len(rows):,} documents without labels",
        )
    return len(train), len(held)


def texts(code: str) -> tuple[list[str], list[str]]:
    """Return documents to adapt to and documents to measure on."""
    world, grammars = models.world_and_grammars([code])
    barred = models.barred([code])[code]
    train = list(corpus.documents(world, grammars[code], TRAIN, _SEED, forbidden=barred))
    said = {sentence for document in train for sentence in document.sentences}
    # Few reviews have nothing but new sentences: without a quota hardly any would be left.
    wanted = {domain: round(share * HELD_OUT) for domain, share in MIX.items()}
    held: list[str] = []
    many = corpus.documents(world, grammars[code], _MOST, _SEED + 1, forbidden=barred | said)
    for document in many:
        if wanted[document.domain]:
            wanted[document.domain] -= 1
            held.append(document.text)
        if not any(wanted.values()):
            break
    random.Random(_SEED).shuffle(held)  # reviews come last: they fill their quota slowest
    return [document.text for document in train], held


# ── a dictionary of the little world ─────────────────────────────────────────────────────

# Columns of the grammar files with forms of one word, the one that a dictionary has first. Those
# that deny (`neg`), count or point (`cl`, `this`) are none.
_FORMS = (
    *("form", "core", "pred", "nom", "indef", "place", "z", "about", "m", "c", "c1", "s"),
    *("def", "acc", "gen", "dat", "ins", "prep", "obl", "f", "n", "p", "mp", "fp", "mh", "fh"),
    *("weak_m", "weak_f", "weak_n", "weak_p", "acc_m", "acc_f", "ins_m", "ins_f", "ins_n"),
    *("ins_p", "def_m", "def_f", "def_mp", "def_fp", "bare", "pre_m", "pre_f", "pre_mp", "pre_fp"),
    *(f"c{number}" for number in range(2, 19)),
)
# What is done stands in parts in some languages. Where none is named, the first column has it.
_ACTIVITY: Mapping[str, str] = {
    "en": "form", "de": "rest p", "nl": "rest p", "fr": "inf", "es": "m", "pt": "m", "ru": "m",
    "ar": "m rest", "hi": "obj verb", "zh": "n", "sw": "c1", "yo": "bare",
}  # fmt: skip
_SEPARATED = {("de", "rest"): "sich ausruhen", ("nl", "rest"): "uitrusten"}
# A Yoruba quality that goes with "a" (kan).
_TRAIT_WITH_A = "kan_s"
_REFERENCE, _TAG = re.compile(r"\{[^}]*\}"), re.compile(r"/[A-Z]+\b")
VARIANT = "|"


def lexicon_step() -> str:
    """Write `data/lexicon.tsv`, a row a concept; return one line on how much there is."""
    codes = models.corpus_languages()
    world, grammars = models.world_and_grammars(codes)
    lines = ["\t".join(("category", "concept", *codes))]
    lines += lexicon_lines(world, grammars, codes)
    file = settings.current().data / LEXICON
    files.write_text(file, "".join(f"{line}\n" for line in lines))
    assets.register(
        file,
        kind="shipped",
        licence="CC BY 4.0",
        origin="python3 course.py build lexicon",
        note=f"the {len(lines) - 1} concepts of the little world in {len(codes)} languages",
    )
    return f"{len(lines) - 1} concepts in {len(codes)} languages"


def lexicon_lines(
    world: World, grammars: Mapping[str, Grammar], codes: Sequence[str]
) -> Iterator[str]:
    """Yield a row a concept, in the order of the English file: what each language calls it."""
    for category, concept in _concepts(world, grammars["en"]):
        cells = [VARIANT.join(forms(grammars[code], category, concept)) for code in codes]
        yield "\t".join((category, concept, *cells))


def _concepts(world: World, grammar: Grammar) -> Iterator[tuple[str, str]]:
    for category, rows in grammar.rows.items():
        for concept in rows:
            yield category, concept


def forms(grammar: Grammar, category: str, concept: str) -> list[str]:
    """Return what a language calls a concept, the form that a dictionary has first."""
    row = grammar.rows[category][concept]
    if (grammar.code, concept) in _SEPARATED and category == "activity":
        found = [_SEPARATED[grammar.code, concept]]
    elif category == "activity":
        parts = _ACTIVITY.get(grammar.code) or next(name for name in row if name != "agr")
        found = [" ".join(row[part] for part in parts.split() if part in row)]
    elif _TRAIT_WITH_A in row:
        found = [row[_TRAIT_WITH_A].removeprefix("kan ").removesuffix(" kan")]
    else:
        found = [row[column] for column in _FORMS if column in row]
    return list(dict.fromkeys(plain for form in found if (plain := _plain(form, grammar.join))))


def _plain(form: str, join: str) -> str:
    """Return a form without what the grammar notes in it: tags, places for others, `-` for none."""
    words = _TAG.sub("", _REFERENCE.sub(" ", form)).split()
    return join.join(word for word in words if word != "-")


# ── what adapting brings ─────────────────────────────────────────────────────────────────

MODEL, BODY = "InfoXLM", "mini-infoxlm"
SOURCE, SECOND = "en", "de"
SEEDS = (0, 1, 2)
TASKS = ("polarity", "ner")
ENTRIES = 1_500
# Documents of the source that are read again; none ends with a rating, as in the new language.
REPLAY = 3_000
# Chosen on held-out text and on development sets; see docs/adaptation.md.
_RECIPE = Recipe(
    steps=400, tokens_per_batch=1_024, learning_rate=1e-3, alpha=1.0, checkpoint_every=100
)
_RATE_OF_FEW = 2e-3  # where only embeddings and adapters train


@dataclass(frozen=True, slots=True)
class Arm:
    """One way to adapt.

    Attributes:
        name: what tables call it.
        initial: where new entries begin; None adds none.
        share: of the dictionary.
        documents: of the new language that are trained on; 0 trains nothing.
        replay: whether documents of the source are among them.
        parts: what trains; nothing named is everything.
        adapters: width of the adapters; 0 for none.
    """

    name: str
    initial: Initial | None = "lexicon"
    share: float = 1.0
    documents: int = TRAIN
    replay: bool = False
    parts: tuple[Part, ...] = ()
    adapters: int = 0

    def recipe(self, seed: int) -> Recipe:
        """Return how it is trained."""
        rate = _RATE_OF_FEW if self.parts else _RECIPE.learning_rate
        return replace(_RECIPE, seed=seed, learning_rate=rate)


UNADAPTED = Arm("zero-shot", initial=None, documents=0)
ARMS: tuple[Arm, ...] = (
    UNADAPTED,
    Arm("old entries, a sixth of the text", initial=None, documents=TRAIN // 6),
    Arm("old entries", initial=None),
    Arm("random entries", initial="random"),
    Arm("entries from pieces", initial="pieces"),
    Arm("entries from a dictionary, not trained", documents=0),
    Arm("entries from a dictionary"),
    Arm("entries from a fifth of a dictionary", share=0.2),
    Arm("dictionary, new embeddings alone", parts=("new embeddings",)),
    Arm("dictionary, adapters", parts=("new embeddings", "adapters"), adapters=32),
    Arm("dictionary, replay", replay=True),
)


def adapted(arm: Arm, seed: int, progress: bool = False) -> tuple[Any, Any, float]:
    """Return the adapted model, its tokenizer and the seconds of training."""
    model, tokenizer = hub.model(MODEL, "mlm"), hub.tokenizer(MODEL)
    first, text = len(tokenizer), datasets.unlabelled(UNSEEN)
    if arm.initial is not None:
        words = lexicon(arm.share, seed)
        model, tokenizer = pretraining.extend_vocabulary(
            model, tokenizer, text, ENTRIES, initial=arm.initial, lexicon=words, seed=seed
        )
    if arm.adapters:
        model = pretraining.add_adapters(model, arm.adapters, seed=seed)
    if not arm.documents:
        return model, tokenizer, 0.0
    if arm.parts:
        pretraining.train_only(model, *arm.parts, new_from=first)
    read = {UNSEEN: text[: arm.documents]}
    if arm.replay:
        read[SOURCE] = replayed()
    how = [asdict(arm), asdict(arm.recipe(seed)), read]
    history = pretraining.pretrain(
        model,
        tokenizer,
        read,
        arm.recipe(seed),
        folder=models.run_folder("adaptation", how, model, tokenizer),
        progress=progress,
        threads=1,
    )
    return model, tokenizer, history.seconds


def lexicon(share: float, seed: int) -> dict[str, tuple[str, ...]]:
    """Return the dictionary, or so much of it, drawn anew for each seed."""
    words = datasets.world_lexicon(UNSEEN, SOURCE)
    kept = sorted(words, key=lambda word: _number(f"{seed} {word}"))[: round(share * len(words))]
    return {word: words[word] for word in words if word in set(kept)}


@functools.lru_cache(maxsize=1)
def replayed() -> list[str]:
    """Return documents of the source language, without ratings."""
    world, grammars = models.world_and_grammars([SOURCE])
    barred = models.barred([SOURCE])[SOURCE]
    made = corpus.documents(world, grammars[SOURCE], REPLAY, _SEED + 2, forbidden=barred)
    return [document.text for document in made]


def _number(text: str) -> int:
    return int.from_bytes(hashlib.sha256(text.encode()).digest()[:8], "big")


# ── measures ─────────────────────────────────────────────────────────────────────────────


@dataclass(frozen=True, slots=True)
class Measure:
    """One figure of one adapted model; see `pretraining.adaptation.MEASURES`."""

    arm: str
    seed: int
    measure: str
    value: float
    low: float
    high: float


def measured(arm: Arm, seed: int, model: Any, tokenizer: Any, seconds: float) -> list[Measure]:
    """Return what needs no labels: bits a character, retrieval of translations, tokens."""
    held = datasets.unlabelled(UNSEEN, "heldout")
    few = slice(0, 100)  # a finely cut word has many questions
    rows = datasets.parallel([SOURCE, UNSEEN, SECOND], "test").texts()
    found: dict[str, Score] = {
        "bits": pretraining.bits_per_character(model, tokenizer, held[few]),
        "bits, source": pretraining.bits_per_character(model, tokenizer, rows[SOURCE][few]),
        "bits, second": pretraining.bits_per_character(model, tokenizer, rows[SECOND][few]),
        "tokens": tokenization.parity(rows, tokenizer)[UNSEEN],
    }
    limit = encoding.token_limit(model, tokenizer)
    long = tokenization.token_counts(rows[UNSEEN], tokenizer) + 2 > (limit or math.inf)
    with warnings.catch_warnings():
        # How many are cut is one of the measures.
        warnings.simplefilter("ignore", encoding.TruncationWarning)
        vectors = {code: encoding.encode(texts, model, tokenizer) for code, texts in rows.items()}
    for name, pair in (
        ("retrieval", (SOURCE, UNSEEN)),
        ("retrieval back", (UNSEEN, SOURCE)),
        ("retrieval, second", (SOURCE, SECOND)),
    ):
        said = encoding.retrieve(vectors[pair[0]], vectors[pair[1]], centre=True)
        found[name] = Score(said.accuracy, said.low, said.high)
    plain = {
        "loss": pretraining.heldout_loss(model, tokenizer, {UNSEEN: held})[UNSEEN],
        "unknown": tokenization.unknown_share(held, tokenizer),
        "cut": float(long.mean()),
        "seconds": seconds,
    }
    found |= {name: Score(value, value, value) for name, value in plain.items()}
    assert set(found) == set(MEASURES)
    return [Measure(arm.name, seed, name, *astuple(score)) for name, score in found.items()]


# ── all of them ──────────────────────────────────────────────────────────────────────────


def experiment() -> tuple[Results, list[Measure]]:
    """Return the labelled results and the measures of every arm with every seed.

    As many at a time as there are threads, one thread each. What is done is kept: adapted
    models in the build folder, labelled results in the cache.
    """
    from tqdm.auto import tqdm

    here = settings.current()
    wanted = [(arm, seed) for seed in SEEDS for arm in ARMS if seed == SEEDS[0] or not _same(arm)]
    replayed()
    found: dict[tuple[Arm, int], tuple[Results, list[Measure]]] = {}
    context = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(here.threads, context) as pool:
        waiting = {pool.submit(_one, *which, here.data, here.cache): which for which in wanted}
        for done in tqdm(as_completed(waiting), total=len(wanted), unit="model", disable=None):
            found[waiting[done]] = done.result()
    results = [found[which][0] for which in sorted(wanted, key=lambda which: ARMS.index(which[0]))]
    measures = [row for which in wanted for row in found[which][1]]
    return functools.reduce(operator.add, results), measures


def _same(arm: Arm) -> bool:
    """Whether the adapted model does not depend on the seed."""
    return not arm.documents and arm.initial != "random" and arm.share == 1


def _one(arm: Arm, seed: int, data: Path, cache: Path) -> tuple[Results, list[Measure]]:
    """Adapt once, measure, and train on the source language; in a process of its own."""
    settings.use(data=data, cache=cache, threads=1, progress=False)
    model, tokenizer, seconds = adapted(arm, seed)
    body = transfer.Checkpoint(BODY, model, tokenizer)
    # A model that is the same for all seeds is trained for the task with each of them.
    seeds = SEEDS if _same(arm) else (seed,)
    found = [
        transfer.zero_shot(body, task, SOURCE, [SOURCE, SECOND, UNSEEN], seeds=seeds)
        for task in TASKS
    ]
    results = functools.reduce(operator.add, found).renamed(arm.name)
    if arm == UNADAPTED:
        for task in TASKS:
            # What knows nothing and what knows the language, to compare with.
            results += transfer.zero_shot(
                body, task, SOURCE, [UNSEEN], seeds=seeds, baselines=True, supervised=True
            )
    return results, measured(arm, seed, model, tokenizer, seconds)


def adaptation_step() -> str:
    """Write the labelled results and the table of measures; return one line on both."""
    results, measures = experiment()
    data = settings.current().data
    origin = "python3 course.py build adaptation"
    file = results.save(data / "transfer" / "adaptation.csv.gz")
    lines = [",".join(field.name for field in fields(Measure))]
    for row in measures:
        values = (f"{value:.5g}" for value in (row.value, row.low, row.high))
        lines.append(",".join((f'"{row.arm}"', str(row.seed), f'"{row.measure}"', *values)))
    files.write_text(data / COMMITTED, "".join(f"{line}\n" for line in lines))
    for made, what in ((file, "labelled results"), (data / COMMITTED, "measures without labels")):
        note = f"{what} of {len(ARMS)} ways to adapt {BODY} to {languages.name(UNSEEN)}"
        assets.register(made, kind="shipped", licence="CC BY 4.0", origin=origin, note=note)
    return f"{len(results):,} runs, {len(measures):,} measures"
