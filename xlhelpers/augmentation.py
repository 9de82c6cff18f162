"""More training rows out of few: copies that are changed and keep their labels.

Functions on one text or one row of words take a `random.Random`; `augment` puts copies beside
the rows of a whole table, `audit` counts how many of them are no news, and `near_copies` finds
test rows that training nearly has. Split first, augment then: a changed copy of a test row in
training is a leak that no comparison of texts or ids finds.
"""

from __future__ import annotations

import random
import re
import unicodedata
import warnings
from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from types import MappingProxyType
from typing import Any, Protocol, TypeVar, cast

from xlhelpers import tokens
from xlhelpers.datasets import Labelled, Lexicon, Pairs, Table, Tagged
from xlhelpers.errors import CourseError

# Word (or words, with blanks) → what may stand in its place.
Words = Mapping[str, Sequence[str]] | Lexicon
# Type of entity → the names that training has, each in words.
Mentions = Mapping[str, Sequence[tuple[str, ...]]]
TextChange = Callable[[str, random.Random], str]
WordChange = Callable[
    [Sequence[str], Sequence[str], random.Random], tuple[Sequence[str], Sequence[str]]
]
T = TypeVar("T", bound=Table)

# Entries of several words are looked up as long as this.
_LONGEST = 5
_COPY = re.compile(r"\+(\d+)$")
_TESTED = re.compile(r"(?<![a-z])(dev|valid|validation|test|held-?out|handwritten)(?![a-z])")


class AugmentationError(CourseError, ValueError):
    """Rows cannot be augmented as asked; the message says why and what to do."""


class UnchangedWarning(UserWarning):
    """Copies say what their originals say, word for word."""


class Translates(Protocol):
    """Whatever translates a list of texts, such as `translation.Translator`."""

    def translate(self, texts: list[str]) -> list[str]:
        """Return one translation a text, in the order given."""
        ...


# ── texts ────────────────────────────────────────────────────────────────────────────────


def random_deletion(text: str, rng: random.Random, share: float = 0.1, language: str = "") -> str:
    """Return a text without some of its words: a share of them, one at least, never all.

    After "random deletion" of EDA (Wei & Zou, 2019, EMNLP), which leaves every word out with
    probability `share`, and so leaves a short text as it is more often than not. Punctuation
    stays. A text of one word comes back as it was.

    Args:
        share: of the words, from 0 to 1.
        language: code. In one that is written without blanks every sign counts as a word.

    Raises:
        AugmentationError: `share` is no share.
    """
    _require_share(share)
    places = _words(text, language)
    if len(places) < 2:
        return text
    lost = sorted(rng.sample(range(len(places)), _how_many(share, len(places) - 1, len(places))))
    for number in reversed(lost):
        start, end = places[number]
        if text[start - 1 : start].isspace():
            start -= 1
        elif text[end : end + 1].isspace():
            end += 1
        text = text[:start] + text[end:]
    return text


def random_swap(text: str, rng: random.Random, swaps: int = 1, language: str = "") -> str:
    """Return a text in which pairs of words have changed places (EDA: Wei & Zou, 2019, EMNLP).

    Punctuation stays where it is, and so do words that are alike. The order of words says who
    did what in many languages: a swap is noise, not a paraphrase.

    Args:
        swaps: how many pairs, one after the other.
        language: as `random_deletion`.

    Raises:
        AugmentationError: `swaps` is below 1.
    """
    if swaps < 1:
        raise AugmentationError(f"swaps is {swaps!r}", "choose 1 or more")
    for _ in range(swaps):
        places = _words(text, language)
        pair = _unlike([text[a:b].casefold() for a, b in places], rng)
        if pair is None:
            return text
        (a, b), (c, d) = places[pair[0]], places[pair[1]]
        text = text[:a] + text[c:d] + text[b:c] + text[a:b] + text[d:]
    return text


def replace_words(
    text: str, lexicon: Words, rng: random.Random, share: float = 0.3, language: str = ""
) -> str:
    """Return a text with words replaced by those of a lexicon, such as their translations.

    With a bilingual dictionary this is code-switching (CoSDA-ML: Qin et al., 2020, IJCAI).
    Entries are found as they are written, longest first, capitals aside: of a language that
    inflects, a list of citation forms covers little. A capital at the start is kept.

    Args:
        lexicon: word or words → one or more in their place; or a `datasets.Lexicon`.
        share: of the words that are found, from 0 to 1; one at least.
        language: as `random_deletion`.

    Raises:
        AugmentationError: `share` is no share, or the lexicon is empty.
    """
    _require_share(share)
    found = list(_entries(text, _folded(lexicon), language))
    if not found:
        return text
    chosen = rng.sample(found, _how_many(share, len(found), len(found)))
    for (start, end), options in sorted(chosen, reverse=True):
        new = rng.choice(list(options))
        if text[start].isupper():
            new = new[:1].upper() + new[1:]
        text = text[:start] + new + text[end:]
    return text


def reorder_sentences(text: str, rng: random.Random) -> str:
    """Return a text of several sentences with these in another order; one of one as it is.

    A syntactic change that spoils no sentence, after the idea of cropping and rotating trees
    (Şahin & Steedman, 2018, EMNLP), for texts without part-of-speech tags. "But" and "that"
    may now refer to nothing.
    """
    parts = _sentences(text)
    orders = len({part.strip() for part in parts})
    if orders < 2:
        return text
    blank = " " if re.search(r"\S\s+\S", text) else ""
    before = [part.strip() for part in parts]
    after = before[:]
    while after == before:
        rng.shuffle(after)
    return blank.join(after)


# ── words with tags ──────────────────────────────────────────────────────────────────────


def phrases(upos: Sequence[str], tags: Sequence[str] = ()) -> list[range]:
    """Return the runs of words that a sentence falls into, by part of speech.

    A run begins where an adposition, a conjunction or a verb begins, and beside punctuation;
    never inside an entity. There is no tree behind it, so some of them are no phrases.

    Args:
        upos: universal part-of-speech tags, one a word.
        tags: IOB2, one a word; left out where there are no entities.
    """
    opens = {"ADP": "ADP", "SCONJ": "CONJ", "CCONJ": "CONJ", "VERB": "VERB", "AUX": "VERB"}
    edges = [0] if upos else []
    for i in range(1, len(upos)):
        inside = bool(tags) and tags[i].startswith("I-")
        kind, before = opens.get(upos[i], ""), opens.get(upos[i - 1], "")
        cut = "PUNCT" in (upos[i], upos[i - 1]) or (kind and kind != before)
        if cut and not inside:
            edges.append(i)
    return [range(a, b) for a, b in zip(edges, [*edges[1:], len(upos)], strict=False)]


def rotate(upos: Sequence[str], rng: random.Random, tags: Sequence[str] = ()) -> list[int]:
    """Return the order of words with one phrase moved to the front or to the end.

    Rotation of Şahin & Steedman (2018, EMNLP), without their trees. Where a sentence opens with
    words before a comma and no verb among them, these go to the end and the comma goes; else a
    phrase moves that begins with an adposition or "because" and its like, but not right behind
    a noun, to which it may belong. The last sign stays last. Some of what comes out is no good
    sentence: look at it in a language that you read.

    Returns:
        numbers of the words: `[words[i] for i in rotate(upos, rng, tags)]`; all in order where
        nothing can move.
    """
    n = len(upos) - 1 if upos and upos[-1] == "PUNCT" else len(upos)
    last = list(range(n, len(upos)))
    if opening := _opening(upos[:n]):
        return [*range(opening + 1, n), *range(opening), *last]
    runs = phrases(upos[:n], tags[:n])
    options = []
    for i in _movable(runs, upos):
        rest = runs[:i] + runs[i + 1 :]
        options += [[runs[i], *rest], [*rest, runs[i]]]
    options = [order for order in options if order != runs]
    chosen = rng.choice(options) if options else runs
    return [i for run in chosen for i in run] + last


def crop(upos: Sequence[str], rng: random.Random, tags: Sequence[str] = ()) -> list[int]:
    """Return the numbers of the words without one phrase that holds no entity.

    Cropping of Şahin & Steedman (2018, EMNLP), without their trees; phrases as in `rotate`.
    """
    opening = _opening(upos)
    runs = phrases(upos, tags)
    free = [range(opening + 1)] if opening else [runs[i] for i in _movable(runs, upos)]
    free = [run for run in free if not any(tags[i] != "O" for i in run if tags)]
    lost = rng.choice(free) if free and len(runs) > 2 else range(0)
    return [i for i in range(len(upos)) if i not in lost]


def mentions_of(table: Tagged) -> dict[str, tuple[tuple[str, ...], ...]]:
    """Return the names in a table by type of entity, in words, each once."""
    found: dict[str, dict[tuple[str, ...], None]] = defaultdict(dict)
    for words, tags in zip(table.sentences, table.tags, strict=True):
        for start, end in _spans(tags):
            found[tags[start][2:]][tuple(words[start:end])] = None
    return {kind: tuple(names) for kind, names in sorted(found.items())}


def mention_replacement(
    words: Sequence[str],
    tags: Sequence[str],
    mentions: Mentions,
    rng: random.Random,
    share: float = 0.5,
) -> tuple[list[str], list[str]]:
    """Return words and tags with entities replaced by others of the same type.

    After "mention replacement" of Dai & Adel (2020, COLING). The words around a name stay, so
    what agrees with it (gender, noun class, an article) may no longer.

    Args:
        words: of one sentence.
        tags: IOB2, one a word.
        mentions: names by type, of training rows alone: `mentions_of(train)`.
        share: of the entities, from 0 to 1; one at least.

    Raises:
        AugmentationError: `share` is no share, or words and tags differ in number.
    """
    _require_share(share)
    _require_aligned(words, tags)
    known = [(start, end) for start, end in _spans(tags) if mentions.get(tags[start][2:])]
    new_words, new_tags = list(words), list(tags)
    if not known:
        return new_words, new_tags
    chosen = rng.sample(known, _how_many(share, len(known), len(known)))
    for start, end in sorted(chosen, reverse=True):
        kind, old = tags[start][2:], tuple(words[start:end])
        others = [name for name in mentions[kind] if name != old]
        name = rng.choice(others) if others else old
        new_words[start:end] = name
        new_tags[start:end] = [f"B-{kind}", *[f"I-{kind}"] * (len(name) - 1)]
    return new_words, new_tags


# ── tables ───────────────────────────────────────────────────────────────────────────────


def augment(
    table: T,
    method: str | TextChange | WordChange,
    copies: int = 1,
    seed: int = 0,
    **how: Any,
) -> T:
    """Return the rows of a table, each followed by changed copies of itself.

    A copy has the id of its row and `+1`, `+2`, …, its label, and the changes of a generator of
    its own, so that it does not depend on the rows beside it. Copies that changed nothing are
    kept and told of (`UnchangedWarning`): nobody should count them as data; `audit` does.

    Args:
        table: training rows: `Labelled`, `Pairs` (both sides change) or `Tagged`.
        method: one of `METHODS`, or a function of your own: (text, rng) → text, for `Tagged`
            (words, tags, rng) → (words, tags).
        copies: a row.
        seed: of all changes.
        how: what the method takes: `share`, `swaps`; `lexicon` for "dictionary"; `mentions` for
            "mentions" (left out, those of the table); `through` for "back-translation": a pair
            of translators (there, back), or one pair a copy.

    Raises:
        AugmentationError: rows that are tested on, rows that are copies already, an unknown
            method or one that this kind of table cannot take, too few `copies`.
    """
    _require_trainable(table)
    if not isinstance(copies, int) or copies < 1:
        raise AugmentationError(f"copies is {copies!r}", "choose 1 or more")
    made = [_changed(table, method, number, seed, how) for number in range(1, copies + 1)]
    columns = {
        name: tuple(
            value
            for row in zip(*(getattr(one, name) for one in (table, *made)), strict=True)
            for value in row
        )
        for name in type(table)._columns
    }
    found = replace(table, **cast("dict[str, Any]", columns))
    if method != "duplicates":
        _warn_of_unchanged(audit(found))
    return found


@dataclass(frozen=True, slots=True)
class Audit:
    """What the copies of an augmented table are worth.

    Attributes:
        rows: originals.
        copies: made of them.
        unchanged: copies that say what their original says, word for word.
        repeated: changed copies that say what an earlier copy of the same row says.
    """

    rows: int
    copies: int
    unchanged: int
    repeated: int

    @property
    def new(self) -> int:
        """Copies that are neither."""
        return self.copies - self.unchanged - self.repeated


def audit(table: Table) -> Audit:
    """Count what the copies in a table say, told by their ids.

    Raises:
        AugmentationError: a copy's original is not in the table.
    """
    said: dict[str, set[Any]] = {}
    first = dict(zip(table.ids, _contents(table), strict=True))
    copies = unchanged = repeated = 0
    for id_, content in first.items():
        if not _COPY.search(id_):
            continue
        row = origin(id_)
        if row not in first:
            raise AugmentationError(
                f"{id_!r} is a copy of {row!r}, which is not among the rows",
                "count copies before you leave rows out",
            )
        before = said.setdefault(row, set())
        copies += 1
        unchanged += content == first[row]
        repeated += content != first[row] and content in before
        before.add(content)
    return Audit(len(table) - copies, copies, unchanged, repeated)


def origin(id_: str) -> str:
    """Return the id of the row that a copy was made of; of an original, its own."""
    return _COPY.sub("", id_)


@dataclass(frozen=True, slots=True)
class NearCopy:
    """A test row that training nearly has.

    Attributes:
        test, train: ids.
        likeness: of their words, from 0 to 1; 1 for the same words in any order.
        text: of the test row.
        of_one_row: whether both were made of one row.
    """

    test: str
    train: str
    likeness: float
    text: str
    of_one_row: bool


def near_copies(train: Table, test: Table, least: float = 0.8) -> list[NearCopy]:
    """Return the test rows that have a near-copy in training, each with its nearest.

    Likeness is the Dice coefficient of the two bags of words, 2 · common / (all of both), so
    that it sees a swap as the same and one word of ten as 0.9. It takes no notice of labels.

    Args:
        train, test: tables of one language.
        least: likeness from which a row counts, above 0.

    Raises:
        AugmentationError: `least` is out of range.
    """
    if not 0 < least <= 1:
        raise AugmentationError(f"least is {least!r}", "choose above 0 and up to 1, such as 0.8")
    bags = [_bag(text, train.language) for text in _texts(train)]
    holding: dict[str, list[tuple[int, int]]] = defaultdict(list)
    for row, bag in enumerate(bags):
        for word, times in bag.items():
            holding[word].append((row, times))
    found = []
    for id_, text in zip(test.ids, _texts(test), strict=True):
        bag = _bag(text, test.language)
        common: Counter[int] = Counter()
        for word, times in bag.items():
            for row, others in holding.get(word, ()):
                common[row] += min(times, others)
        likeness = {
            row: 2 * shared / (bag.total() + bags[row].total()) for row, shared in common.items()
        }
        if likeness and max(likeness.values()) >= least:
            best = max(likeness, key=lambda row: (likeness[row], -row))
            same = origin(train.ids[best]) == origin(id_)
            found.append(NearCopy(id_, train.ids[best], likeness[best], text, same))
    return found


# ── methods by name ──────────────────────────────────────────────────────────────────────


def _changed(table: T, method: Any, number: int, seed: int, how: Mapping[str, Any]) -> T:
    """Return the `number`th changed copy of every row."""
    rngs = [random.Random(f"{seed} {number} {id_}") for id_ in table.ids]
    ids = tuple(f"{id_}+{number}" for id_ in table.ids)
    if isinstance(table, Tagged):
        change = _word_change(method, table, how)
        rows = [
            change(list(words), list(tags), list(upos), rng)
            for words, tags, upos, rng in zip(
                table.sentences, table.tags, table.upos, rngs, strict=True
            )
        ]
        return cast(T, _retagged(table, ids, rows))
    if not isinstance(table, Labelled | Pairs):
        raise AugmentationError(
            f"{type(table).__name__} is no table of texts or words",
            "give Labelled, Pairs or Tagged rows",
        )
    if method == "back-translation":
        changed = _back_translated(table, number, **how)
    else:
        text_change = _text_change(method, table, how)
        changed = [
            tuple(text_change(text, rng) for text in row)
            for row, rng in zip(_contents(table), rngs, strict=True)
        ]
    sides = list(zip(*changed, strict=True)) if changed else [(), ()]
    names = ("texts",) if isinstance(table, Labelled) else ("premises", "hypotheses")
    columns: dict[str, Any] = dict(zip(names, sides, strict=False))
    return replace(table, ids=ids, **columns)


def _text_change(method: Any, table: Table, how: Mapping[str, Any]) -> TextChange:
    if callable(method):
        return cast(TextChange, method) if not how else lambda text, rng: method(text, rng, **how)
    code = table.language
    ways: dict[str, Callable[..., str]] = {
        "duplicates": lambda text, rng: text,
        "deletion": lambda text, rng, share=0.1: random_deletion(text, rng, share, code),
        "swap": lambda text, rng, swaps=1: random_swap(text, rng, swaps, code),
        "dictionary": lambda text, rng, lexicon, share=0.3: replace_words(
            text, lexicon, rng, share, code
        ),
        "order": lambda text, rng: reorder_sentences(text, rng),
    }
    way = _known(method, ways, "texts", how)
    if "lexicon" in how:
        how = {**how, "lexicon": _folded(how["lexicon"])}
    return lambda text, rng: way(text, rng, **how)


def _word_change(method: Any, table: Tagged, how: Mapping[str, Any]) -> Callable[..., Any]:
    if callable(method):
        return lambda words, tags, upos, rng: method(words, tags, rng, **how)
    ways: dict[str, Callable[..., Any]] = {
        "duplicates": lambda words, tags, upos, rng: (words, tags, upos),
        "deletion": _delete_words,
        "swap": _swap_words,
        "dictionary": _replace_tagged,
        "order": lambda words, tags, upos, rng: _in_order(rotate, words, tags, upos, rng),
        "crop": lambda words, tags, upos, rng: _in_order(crop, words, tags, upos, rng),
        "mentions": lambda words, tags, upos, rng, mentions, share=0.5: mention_replacement(
            words, tags, mentions, rng, share
        ),
    }
    way = _known(method, ways, "words with tags", how)
    if method in ("order", "crop") and not all(table.upos):
        raise AugmentationError(
            f"{method!r} goes by parts of speech, and {table.source} has rows without",
            'choose "mentions" or "deletion"',
        )
    if method == "mentions":
        how = {"mentions": mentions_of(table), **how}
    if "lexicon" in how:
        how = {**how, "lexicon": _folded(how["lexicon"])}
    return lambda words, tags, upos, rng: way(words, tags, upos, rng, **how)


# What `augment` knows by name, and what it is.
METHODS: Mapping[str, str] = MappingProxyType(
    {
        "duplicates": "the same row again: the control, as many updates and nothing new",
        "deletion": "some words left out (of names none)",
        "swap": "two words exchanged (of names none)",
        "dictionary": "words replaced from a lexicon (of names none)",
        "order": "sentences of a text, or a phrase of a sentence, in another place",
        "crop": "a phrase without an entity left out; words with part-of-speech tags only",
        "mentions": "entities replaced by others of their type; words with tags only",
        "back-translation": "translated there and back; texts only",
    }
)


def _known(
    method: Any, ways: Mapping[str, Callable[..., Any]], what: str, how: Mapping[str, Any]
) -> Callable[..., Any]:
    if method not in ways:
        known = ", ".join(ways)
        if method in METHODS:
            raise AugmentationError(
                f"{method!r} cannot be done with {what}", f"choose among {known}"
            )
        raise AugmentationError(
            f"there is no method {method!r}",
            f"choose among {', '.join(METHODS)}, or give a function (text, rng) → text",
        )
    takes = {
        "deletion": {"share"},
        "swap": {"swaps"},
        "dictionary": {"lexicon", "share"},
        "mentions": {"mentions", "share"},
    }.get(method, set())
    if unknown := set(how) - takes:
        raise AugmentationError(
            f"{method!r} takes no {sorted(unknown)[0]!r}",
            f"it takes {', '.join(sorted(takes)) or 'nothing'}",
        )
    if method == "dictionary" and "lexicon" not in how:
        raise AugmentationError(
            '"dictionary" needs a lexicon', 'lexicon=datasets.world_lexicon("sw", "en")'
        )
    return ways[method]


def _back_translated(
    table: Labelled | Pairs, number: int, through: Any = None
) -> list[tuple[str, ...]]:
    """Return the texts of every row, there and back (Sennrich et al., 2016, ACL)."""
    if through is None:
        raise AugmentationError(
            '"back-translation" needs translators',
            'through=(Translator("sw", "en"), Translator("en", "sw"))',
        )
    pairs = [through] if hasattr(through[0], "translate") else list(through)
    if number > len(pairs):
        raise AugmentationError(
            f"copy {number} by {len(pairs)} pair of translators would say what copy 1 says",
            "give as many pairs in through= as copies, or ask for fewer copies",
        )
    there, back = pairs[number - 1]
    rows = [tuple(row) for row in _contents(table)]
    texts = [text for row in rows for text in row]
    said = iter(_as_many(back, _as_many(there, texts)))
    return [tuple(next(said) for _ in row) for row in rows]


def _as_many(translator: Translates, texts: list[str]) -> list[str]:
    found = list(translator.translate(texts))
    if len(found) != len(texts):
        raise AugmentationError(
            f"{len(texts)} texts were translated into {len(found)}",
            "use a translator that returns one text for each",
        )
    # A translator that falls silent must not make an empty row.
    return [new if new.strip() else old for new, old in zip(found, texts, strict=True)]


# ── rows of words ────────────────────────────────────────────────────────────────────────


def _retagged(table: Tagged, ids: tuple[str, ...], rows: Sequence[Any]) -> Tagged:
    sentences, tags, upos = [], [], []
    for row in rows:
        words, found = tuple(row[0]), tuple(row[1])
        _require_aligned(words, found)
        if fault := _iob2_fault(found):
            raise AugmentationError(
                f"the changed row has {fault!r} where no entity goes on: {' '.join(words):.60}",
                "give the first word of an entity B-",
            )
        sentences.append(words)
        tags.append(found)
        # Parts of speech are not known for words that came from elsewhere.
        upos.append(tuple(row[2]) if len(row) > 2 else ())
    texts = tuple(tokens.join(words, table.language) for words in sentences)
    old = zip(table.sentences, table.texts, sentences, texts, strict=True)
    return replace(
        table,
        ids=ids,
        texts=tuple(text if words == now else new for words, text, now, new in old),
        sentences=tuple(sentences),
        tags=tuple(tags),
        upos=tuple(upos),
    )


def _plain(words: Sequence[str], tags: Sequence[str]) -> list[int]:
    """Return the numbers of the words that are in no entity and are no punctuation."""
    return [
        i
        for i, (word, tag) in enumerate(zip(words, tags, strict=True))
        if tag == "O" and any(map(tokens.is_word, word))
    ]


def _delete_words(
    words: list[str],
    tags: list[str],
    upos: list[str],
    rng: random.Random,
    share: float = 0.1,
) -> tuple[list[str], list[str], list[str]]:
    _require_share(share)
    free = _plain(words, tags)
    names = sum(tag != "O" for tag in tags)
    most = len(free) if names else len(free) - 1
    lost = set(rng.sample(free, _how_many(share, most, len(words)))) if most > 0 else set()
    kept = [i for i in range(len(words)) if i not in lost]
    return _take(words, kept), _take(tags, kept), _take(upos, kept)


def _swap_words(
    words: list[str], tags: list[str], upos: list[str], rng: random.Random, swaps: int = 1
) -> tuple[list[str], list[str], list[str]]:
    if swaps < 1:
        raise AugmentationError(f"swaps is {swaps!r}", "choose 1 or more")
    free, order = _plain(words, tags), list(range(len(words)))
    for _ in range(swaps):
        pair = _unlike([words[order[i]].casefold() for i in free], rng)
        if pair is None:
            break
        a, b = free[pair[0]], free[pair[1]]
        order[a], order[b] = order[b], order[a]
    # Tags stay: both words are outside of all entities.
    return _take(words, order), tags, _take(upos, order)


def _replace_tagged(
    words: list[str],
    tags: list[str],
    upos: list[str],
    rng: random.Random,
    lexicon: Mapping[str, Sequence[str]],
    share: float = 0.3,
) -> tuple[list[str], list[str]]:
    _require_share(share)
    found = []
    for i in _plain(words, tags):
        if options := lexicon.get(_fold(words[i])):
            found.append((i, options))
    chosen = rng.sample(found, _how_many(share, len(found), len(found))) if found else []
    new_words, new_tags = list(words), list(tags)
    for i, options in sorted(chosen, key=lambda one: one[0], reverse=True):
        new = rng.choice(list(options)).split()
        new_words[i : i + 1] = new
        new_tags[i : i + 1] = ["O"] * len(new)
    return new_words, new_tags


def _in_order(
    way: Callable[..., list[int]],
    words: list[str],
    tags: list[str],
    upos: list[str],
    rng: random.Random,
) -> tuple[list[str], list[str], list[str]]:
    order = way(upos, rng, tags)
    return _take(words, order), _take(tags, order), _take(upos, order)


def _opening(upos: Sequence[str]) -> int:
    """Return how many words stand before a comma that ends the opening; 0 where none does."""
    for i, kind in enumerate(upos[:-1]):
        if kind in ("VERB", "AUX"):
            return 0
        if kind == "PUNCT":
            return i
    return 0


def _movable(runs: Sequence[range], upos: Sequence[str]) -> list[int]:
    """Return the numbers of the phrases that can stand elsewhere, or be left out."""
    return [
        i
        for i, run in enumerate(runs)
        if upos[run[0]] in ("ADP", "SCONJ") and (i == 0 or upos[run[0] - 1] != "NOUN")
    ]


def _spans(tags: Sequence[str]) -> Iterator[tuple[int, int]]:
    """Yield start and end of every entity."""
    start = -1
    for i, tag in enumerate([*tags, "O"]):
        if start >= 0 and not tag.startswith("I-"):
            yield start, i
            start = -1
        if tag.startswith("B-"):
            start = i


def _iob2_fault(tags: Sequence[str]) -> str:
    before = "O"
    for tag in tags:
        if tag.startswith("I-") and before[2:] != tag[2:]:
            return tag
        before = tag
    return ""


def _take(values: Sequence[str], kept: Iterable[int]) -> list[str]:
    return [values[i] for i in kept] if values else []


# ── texts and words ──────────────────────────────────────────────────────────────────────


def _words(text: str, language: str) -> list[tuple[int, int]]:
    """Return the places of the words of a text; of its signs where blanks divide nothing."""
    together = language in tokens.WRITTEN_TOGETHER
    found = []
    for start, end in tokens.spans(text):
        if not any(map(tokens.is_word, text[start:end])):
            continue
        if together and not text[start:end].isascii():
            found += [(i, i + 1) for i in range(start, end)]
        else:
            found.append((start, end))
    return found


def _entries(
    text: str, lexicon: Mapping[str, Sequence[str]], language: str
) -> Iterator[tuple[tuple[int, int], Sequence[str]]]:
    """Yield the places of entries of a lexicon in a text, longest first, none in another."""
    places, at = _words(text, language), 0
    while at < len(places):
        for size in range(min(_LONGEST, len(places) - at), 0, -1):
            start, end = places[at][0], places[at + size - 1][1]
            if options := lexicon.get(_fold(text[start:end])):
                yield (start, end), options
                at += size
                break
        else:
            at += 1


def _sentences(text: str) -> list[str]:
    """Return the sentences of a text, cut behind the signs that end one."""
    parts = re.split(r"(?<=[。！？])|(?<=[.!?؟।…])(?=\s)", text)
    return [part for part in parts if part.strip()]


def _folded(lexicon: Words) -> Mapping[str, Sequence[str]]:
    entries = lexicon.translations() if isinstance(lexicon, Lexicon) else lexicon
    if isinstance(entries, _Folded):
        return entries
    if not entries:
        raise AugmentationError("the lexicon is empty", "give a word and what may replace it")
    folded = _Folded()
    for word, options in entries.items():
        listed = (options,) if isinstance(options, str) else tuple(options)
        if new := tuple(option for option in listed if option.strip() and option != word):
            folded[_fold(word)] = new
    return folded


class _Folded(dict[str, Sequence[str]]):
    """A lexicon whose words are looked up as `_fold` leaves them: folded once for all rows."""


def _fold(word: str) -> str:
    return unicodedata.normalize("NFC", word).casefold().replace("’", "'")


def _bag(text: str, language: str) -> Counter[str]:
    return Counter(_fold(text[a:b]) for a, b in _words(text, language))


def _unlike(words: Sequence[str], rng: random.Random) -> tuple[int, int] | None:
    """Return the numbers of two words that differ, in order; None where all are alike."""
    if len(set(words)) < 2:
        return None
    while True:
        one, other = sorted(rng.sample(range(len(words)), 2))
        if words[one] != words[other]:
            return one, other


def _how_many(share: float, most: int, of: int) -> int:
    """Return a share of a number, rounded, from 1 to `most`; 0 for a share of 0."""
    return 0 if share == 0 or most < 1 else min(most, max(1, round(share * of)))


def _texts(table: Table) -> list[str]:
    return [" ".join(row) for row in _contents(table)]


def _contents(table: Table) -> list[tuple[str, ...]]:
    """Return what a model reads of each row."""
    if isinstance(table, Tagged):
        return list(table.sentences)
    if isinstance(table, Pairs):
        return list(table.pairs)
    return [(text,) for text in cast(Labelled, table).texts]


# ── checks ───────────────────────────────────────────────────────────────────────────────


def _require_trainable(table: Table) -> None:
    if found := _TESTED.search(table.source.casefold()):
        raise AugmentationError(
            f"these are rows to be tested on ({table.source} says {found[0]!r})",
            "split before augmenting, and augment training rows alone: a changed copy in "
            "training gives its original away",
        )
    if copy := next((id_ for id_ in table.ids if _COPY.search(id_)), ""):
        raise AugmentationError(
            f"{copy!r} is a copy already", "augment the originals, with more copies"
        )


def _warn_of_unchanged(found: Audit) -> None:
    if found.unchanged or found.repeated:
        warnings.warn(
            f"{found.unchanged} of {found.copies} copies say what their original says, "
            f"{found.repeated} what another copy says",
            UnchangedWarning,
            stacklevel=3,
        )


def _require_share(share: float) -> None:
    if not 0 <= share <= 1:
        raise AugmentationError(f"share is {share!r}", "choose from 0 to 1, such as 0.1")


def _require_aligned(words: Sequence[str], tags: Sequence[str]) -> None:
    if len(words) != len(tags):
        raise AugmentationError(
            f"{len(words)} words have {len(tags)} tags", "give every word one tag"
        )
