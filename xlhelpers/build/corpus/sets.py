"""The data sets that are committed: rows with ids that run through all languages.

Row i says the same in every language. Each function returns rows by split and language;
`write` puts them into `data/corpus/<task>/<split>.<language>.jsonl`.

What is said is drawn with the languages of the course: a draw that one of them cannot use, since
its sentence has been said before, is left out in all. Languages that are added later (`also`) say
what was drawn and have no part in the drawing, so no row of the others moves.
"""

from __future__ import annotations

import json
import random
from collections import Counter, defaultdict
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Protocol

from xlhelpers import files
from xlhelpers.build.corpus import news, reviews, scenes
from xlhelpers.build.corpus.pairs import pairs
from xlhelpers.build.corpus.splits import SPLITS, Policy, Split
from xlhelpers.build.grammar import Grammar, Meaning, Sentence, World, realise
from xlhelpers.errors import CourseError

Row = dict[str, Any]
Rows = dict[Split, dict[str, list[Row]]]
Grammars = Mapping[str, Grammar]

SIZES: dict[str, dict[Split, int]] = {
    "sentiment": {"train": 2400, "dev": 150, "test": 300},
    "ner": {"train": 600, "dev": 150, "test": 300},
    "nli": {"train": 900, "dev": 150, "test": 300},
}
_PREFIX = {"sentiment": "s", "ner": "n", "nli": "i"}
_LENGTHS = (1, 2, 3, 4)  # sentences of a review, equally often
_HELD_SCENES = ("spot_first", "we_see")
_ROUNDS = 40
_WORDINGS = 40  # tries of a language that is added, to say a row as no other split has said it


class CorpusError(CourseError):
    """A data set cannot be made as asked."""


@dataclass(frozen=True)
class _Item:
    """A row in the making: its meanings, and what it says in each language."""

    label: str
    meanings: tuple[Meaning, ...]
    said: Mapping[str, tuple[Sentence, ...]]
    facts: Row = field(default_factory=dict)
    seed: str = ""  # of `say`

    def texts(self) -> set[tuple[str, str]]:
        """Return every (language, sentence)."""
        return {(code, s.text) for code, said in self.said.items() for s in said}


def say(
    meanings: Sequence[Meaning], grammars: Grammars, seed: str, plain: bool = False
) -> dict[str, tuple[Sentence, ...]]:
    """Realise meanings in every language; wording is drawn for each, the writer once."""
    return {
        code: _say_in(meanings, code, grammar, seed, seed, plain)
        for code, grammar in grammars.items()
    }


def _say_in(
    meanings: Sequence[Meaning],
    code: str,
    grammar: Grammar,
    seed: str,
    wording: str,
    plain: bool = False,
) -> tuple[Sentence, ...]:
    writer = random.Random(f"{seed} writer").choice("mf")
    rng = random.Random(f"{wording} {code}")
    return tuple(realise(m, grammar, rng, writer=writer, plain=plain) for m in meanings)


# ── sentiment ────────────────────────────────────────────────────────────────────────────


def sentiment(
    world: World, grammars: Grammars, seed: int = 0, also: Grammars | None = None
) -> Rows:
    """Return reviews with labels, as many of each, by split and language.

    A row: `id`, `text`, `label` (negative, neutral, positive), `ends` (where its sentences end
    in `text`, in characters), `t` (their templates), `held` (`""` in train; `"pair"` or
    `"template"`: what training text never had).
    """
    spoken: set[tuple[str, str]] = set()
    made: dict[Split, list[_Item]] = {}
    for split in SPLITS:
        size, items = SIZES["sentiment"][split], list[_Item]()
        policies = (
            [Policy(split, "pair"), Policy(split, "template")]
            if split == "test"
            else [Policy(split)]
        )
        for policy in policies:
            maker = _Reviews(world, grammars, policy, f"{seed} sentiment", spoken)
            items += maker.balanced(size // len(policies))
        made[split] = items
        spoken |= {text for item in items for text in item.texts()}
    return _rows("sentiment", made, grammars, _review_row, also)


@dataclass
class _Reviews:
    """Draws reviews until every label has as many of every outward shape."""

    world: World
    grammars: Grammars
    policy: Policy
    seed: str
    forbidden: set[tuple[str, str]]

    def balanced(self, count: int) -> list[_Item]:
        """Return `count` reviews: per label as many, and as many with each shape.

        The shape is what a shortcut could see: sentences, length, question and exclamation
        marks, commas.
        """
        each = count // len(reviews.LABELS)
        pool: dict[Any, dict[str, list[_Item]]] = defaultdict(lambda: defaultdict(list))
        taken: set[tuple[str, str]] = set()
        for attempt in range(_ROUNDS):
            for sentences in _LENGTHS:
                for label in reviews.LABELS:
                    for item in self._draw(label, sentences, each // 2, attempt, taken):
                        pool[_shape(item)][label].append(item)
            chosen = _match(pool, each, random.Random(f"{self.seed} {self.policy} match"))
            if chosen is not None:
                return chosen
        raise CorpusError(
            f"no {count} reviews for {self.policy} after {_ROUNDS} rounds",
            "add templates to world.toml, or ask for fewer rows",
        )

    def _draw(
        self, label: str, sentences: int, count: int, attempt: int, taken: set[tuple[str, str]]
    ) -> Iterator[_Item]:
        seed = f"{self.seed} {self.policy.split} {self.policy.held} {label} {sentences} {attempt}"
        rng = random.Random(seed)
        for number in range(count):
            meanings = reviews.document(self.world, rng, label, sentences, self.policy)
            if meanings is None:
                continue
            how = f"{seed} {number}"
            said = say(meanings, self.grammars, how)
            facts = {"n": sentences, "held": self.policy.held}
            item = _Item(label, tuple(meanings), said, facts, how)
            if self.policy.split == "dev":
                item.facts["held"] = "pair"
            whole = {(code, " ".join(s.text for s in all_)) for code, all_ in said.items()}
            if not item.texts() & self.forbidden and not whole & taken:
                taken |= whole
                yield item


def _shape(item: _Item) -> tuple[int, int, int, int, int]:
    """Return sentences, length, question and exclamation marks, commas: means of all languages."""
    languages = len(item.said)
    signs = Counter[str]()
    for said in item.said.values():
        text = " ".join(sentence.text for sentence in said)
        signs["?"] += any(char in text for char in "?？؟")
        signs["!"] += any(char in text for char in "!！")
        signs[","] += sum(text.count(char) for char in ",，、،;；")
        signs["tokens"] += sum(len(sentence.tokens) for sentence in said)
    return (
        item.facts["n"],
        round(signs["tokens"] / languages / (2 + item.facts["n"])),
        round(signs["?"] / languages),
        round(signs["!"] / languages),
        min(3, round(signs[","] / languages)),
    )


def _match(
    pool: Mapping[Any, Mapping[str, list[_Item]]], each: int, rng: random.Random
) -> list[_Item] | None:
    """Take as many of every shape for each label, and lengths equally; None where too few."""
    rooms = {
        shape: min(len(by_label.get(label, ())) for label in reviews.LABELS)
        for shape, by_label in pool.items()
    }
    chosen: list[_Item] = []
    for number, sentences in enumerate(_LENGTHS):
        wanted = each // len(_LENGTHS) + (number < each % len(_LENGTHS))
        slots = [s for s, room in rooms.items() if s[0] == sentences for _ in range(room)]
        if len(slots) < wanted:
            return None
        for shape, times in Counter(rng.sample(slots, wanted)).items():
            for label in reviews.LABELS:
                chosen += rng.sample(pool[shape][label], times)
    rng.shuffle(chosen)
    return chosen


def _review_row(item: _Item, code: str, grammar: Grammar) -> Row:
    names = [meaning.template.partition(".")[2] for meaning in item.meanings]
    said = item.said[code]
    return {
        "text": join(said, grammar),
        "label": item.label,
        "ends": [len(join(said[:number], grammar)) for number in range(1, len(said) + 1)],
        "t": " ".join(names),
        "held": item.facts["held"],
    }


def join(sentences: Sequence[Sentence], grammar: Grammar) -> str:
    """Return sentences as one text, with the blanks that the language writes."""
    return grammar.join.join(sentence.text for sentence in sentences)


# ── entities ─────────────────────────────────────────────────────────────────────────────


def entities(world: World, grammars: Grammars, seed: int = 0, also: Grammars | None = None) -> Rows:
    """Return news sentences with part-of-speech and entity tags, by split and language.

    A row: `id`, `text`, `tokens`, `upos`, `tags` (IOB2: PER, LOC, ORG), each a string with
    blanks between the words; `held` (`"template"` or `""`), `names` (`"unseen"` where training
    text never has at least one of them).
    """
    spoken: set[tuple[str, str]] = set()
    made: dict[Split, list[_Item]] = {}
    for split in SPLITS:
        cells = (
            [("", "seen")]
            if split != "test"
            else [(held, names) for held in ("", "template") for names in ("seen", "unseen")]
        )
        made[split] = []
        for held, names in cells:
            size = SIZES["ner"][split] // len(cells)
            made[split] += _news(world, grammars, f"{seed} ner {split}", size, held, names, spoken)
        random.Random(f"{seed} ner {split}").shuffle(made[split])
    return _rows("ner", made, grammars, _news_row, also)


def _news(
    world: World,
    grammars: Grammars,
    seed: str,
    size: int,
    held: str,
    names: str,
    spoken: set[tuple[str, str]],
) -> Iterator[_Item]:
    """Yield sentences that no earlier split has; `spoken` grows."""
    rng = random.Random(f"{seed} {held} {names}")
    templates = [t for t in world.domain("news") if t.hold == bool(held)]
    admits = news.seen_names if names == "seen" else lambda category, filler: True
    left, number = size, 0
    while left:
        number += 1
        # Every third sentence would be on the weather if all templates counted the same.
        template = templates[number % len(templates)]
        meaning = news.sentence(world, rng, template, admits)
        if (names == "unseen") != news.has_late_name(world, meaning):
            continue
        how = f"{seed} {held} {names} {number}"
        said = say([meaning], grammars, how)
        item = _Item("", (meaning,), said, {"held": held, "names": names}, how)
        if item.texts() & spoken:
            continue
        spoken |= item.texts()
        left -= 1
        yield item


def _news_row(item: _Item, code: str, grammar: Grammar) -> Row:
    sentence = item.said[code][0]
    return {
        "text": sentence.text,
        "tokens": " ".join(sentence.tokens),
        "upos": " ".join(sentence.upos),
        "tags": " ".join(sentence.entities),
        **item.facts,
    }


# ── inference ────────────────────────────────────────────────────────────────────────────


def inference(
    world: World, grammars: Grammars, seed: int = 0, also: Grammars | None = None
) -> Rows:
    """Return premises and hypotheses with labels, as many of each, by split and language.

    A row: `id`, `premise`, `hypothesis`, `label` (entailment, neutral, contradiction), `held`
    (`"scene"`: no training text describes either scene; `"template"`: moreover a held-out
    template does so; `""` in train).
    """
    made = {
        split: list(_pairs(world, grammars, f"{seed} nli {split}", SIZES["nli"][split], split))
        for split in SPLITS
    }
    return _rows("nli", made, grammars, _pair_row, also)


def more_inference(world: World, grammar: Grammar, code: str, count: int, seed: int) -> list[Row]:
    """Return further training pairs in one language, as rows of `inference` without ids."""
    items = _pairs(world, {code: grammar}, f"{seed} nli more", count, "train")
    return [_pair_row(item, code, grammar) for item in items]


def _pairs(
    world: World, grammars: Grammars, seed: str, count: int, split: Split
) -> Iterator[_Item]:
    rng = random.Random(seed)
    for number, pair in enumerate(pairs(world, rng, count, split)):
        held = rng.choice(_HELD_SCENES) if split == "test" and rng.random() < 0.5 else ""
        both = [scenes.meaning(scene, held) for scene in (pair.premise, pair.hypothesis)]
        meanings = tuple(meaning for meaning in both if meaning is not None)
        new = any(world.templates[m.template].hold for m in meanings)
        facts = {"held": "" if split == "train" else "template" if new else "scene"}
        how = f"{seed} {number}"
        yield _Item(pair.label, meanings, say(meanings, grammars, how), facts, how)


def _pair_row(item: _Item, code: str, grammar: Grammar) -> Row:
    premise, hypothesis = item.said[code]
    return {
        "premise": premise.text,
        "hypothesis": hypothesis.text,
        "label": item.label,
        **item.facts,
    }


# ── all ──────────────────────────────────────────────────────────────────────────────────


class Maker(Protocol):
    """Makes the rows of a task; `also` are grammars that say them and have no part in the draw."""

    def __call__(
        self, world: World, grammars: Grammars, seed: int = 0, also: Grammars | None = None
    ) -> Rows: ...


TASKS: dict[str, Maker] = {
    "sentiment": sentiment,
    "ner": entities,
    "nli": inference,
}


def _rows(
    task: str,
    made: Mapping[Split, Sequence[_Item]],
    grammars: Grammars,
    row: Callable[[_Item, str, Grammar], Row],
    also: Grammars | None = None,
) -> Rows:
    added = also or {}
    made = {split: list(made[split]) for split in SPLITS}
    for code, grammar in added.items():
        made = _say_also(task, made, code, grammar)
    rows: Rows = {}
    number = 0
    for split in SPLITS:
        rows[split] = {code: [] for code in (*grammars, *added)}
        for item in made[split]:
            number += 1
            for code, grammar in {**grammars, **added}.items():
                line = {"id": f"{_PREFIX[task]}-{number:04d}", **row(item, code, grammar)}
                rows[split][code].append(line)
    return rows


def _say_also(
    task: str, made: Mapping[Split, Sequence[_Item]], code: str, grammar: Grammar
) -> dict[Split, Sequence[_Item]]:
    """Say every item in one more language, no sentence of it in two splits and no row twice.

    Raises:
        CorpusError: every wording of a row has been said in another split.
    """
    earlier: set[str] = set()
    rows: set[tuple[str, ...]] = set()
    found: dict[Split, Sequence[_Item]] = {}
    for split in SPLITS:
        here: set[str] = set()
        items: list[_Item] = []
        for item in made[split]:
            said = _new_wording(task, item, code, grammar, earlier, rows)
            texts = tuple(sentence.text for sentence in said)
            here.update(texts)
            rows.add(texts)
            items.append(replace(item, said={**item.said, code: said}))
        earlier |= here
        found[split] = items
    return found


def _new_wording(
    task: str,
    item: _Item,
    code: str,
    grammar: Grammar,
    earlier: set[str],
    rows: set[tuple[str, ...]],
) -> tuple[Sentence, ...]:
    """Return the first wording of an item that is new."""
    texts: tuple[str, ...] = ()
    for attempt in range(_WORDINGS):
        # The first is the one that the language would have had, had it been there all along.
        wording = f"{item.seed} {attempt}" if attempt else item.seed
        said = _say_in(item.meanings, code, grammar, item.seed, wording)
        texts = tuple(sentence.text for sentence in said)
        if texts not in rows and not earlier.intersection(texts):
            return said
    names = " ".join(meaning.template for meaning in item.meanings)
    again = next((text for text in texts if text in earlier), " ".join(texts))
    raise CorpusError(
        f"{code}, {task}: {again!r} has been said before, however {names} is worded",
        f"give {grammar.file} one more way to say it, or words that tell its concepts apart",
    )


def sentences(task: str, row: Row) -> list[str]:
    """Return the sentences of a row."""
    if task == "nli":
        return [row["premise"], row["hypothesis"]]
    if task == "ner":
        return [row["text"]]
    starts = [0, *row["ends"][:-1]]
    return [row["text"][a:b].strip() for a, b in zip(starts, row["ends"], strict=True)]


def forbidden(
    made: Mapping[str, Rows], language: str, splits: Sequence[Split] = SPLITS[1:]
) -> set[str]:
    """Return the sentences of sets, given by task, in a language: those that are tested on.

    Args:
        splits: which parts; left out, development and test sets.
    """
    return {
        text
        for task, rows in made.items()
        for split in splits
        for row in rows[split][language]
        for text in sentences(task, row)
    }


def read(task: str, folder: Path) -> Rows:
    """Return the rows that `write` wrote.

    Raises:
        CorpusError: they are not there.
    """
    rows: Rows = {split: {} for split in SPLITS}
    for split in SPLITS:
        for file in sorted((folder / task).glob(f"{split}.*.jsonl")):
            code = file.name.split(".")[1]
            lines = file.read_text(encoding="utf-8").splitlines()
            rows[split][code] = [json.loads(line) for line in lines]
    if not all(rows.values()):
        raise CorpusError(f"there are no {task} sets", "python3 course.py build corpus")
    return rows


def write(task: str, rows: Rows, folder: Path) -> int:
    """Write the rows of a task below `folder`; return how many bytes."""
    total = 0
    for split, by_language in rows.items():
        for code, lines in by_language.items():
            text = "".join(
                json.dumps(line, ensure_ascii=False, separators=(",", ":")) + "\n" for line in lines
            )
            files.write_text(folder / task / f"{split}.{code}.jsonl", text)
            total += len(text.encode("utf-8"))
    return total
