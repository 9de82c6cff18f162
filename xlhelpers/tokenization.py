"""What a tokenizer does to each language, and where a model keeps its parameters.

Counts leave out the special tokens that frame a text. Characters are Unicode code points of
composed (NFC) text, white space not counted.
"""

from __future__ import annotations

import re
import time
import unicodedata
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from xlhelpers.alignment.evaluation import Score
from xlhelpers.encoding import ratio, token_limit
from xlhelpers.errors import CourseError
from xlhelpers.tokens import WRITTEN_APART

if TYPE_CHECKING:
    import pandas as pd

Ints = NDArray[np.int64]

# SentencePiece's mark for the start of a word.
_WORD_START = "▁"


class TokenizationError(CourseError, ValueError):
    """Texts cannot be counted as asked; the message says why and what to do."""


# ── texts ────────────────────────────────────────────────────────────────────────────────


def token_counts(texts: Sequence[str], tokenizer: Any) -> Ints:
    """Return how many tokens each text has, (texts,).

    Raises:
        TokenizationError: no text, or an empty one.
    """
    return np.array([len(row) for row in _ids(texts, tokenizer)], dtype=np.int64)


def parity(
    parallel: Mapping[str, Sequence[str]],
    tokenizer: Any,
    *,
    reference: str = "en",
    seed: int = 0,
) -> dict[str, Score]:
    """Return how many tokens each language needs for one token of the reference.

    The premium of Petrov, La Malfa, Torr & Bibi (2023, NeurIPS), here over all sentences
    together: the tokens of the language over those of the reference in the same content. It
    is 1 at parity; at 2, text costs twice as much and half as much of it fits. The 95 %
    intervals are a bootstrap over sentences.

    Args:
        parallel: language to sentences; row i of every language says the same.
        tokenizer: any transformers tokenizer.
        reference: the language that is 1.
        seed: of the bootstrap.

    Returns:
        Language to score, in the order given.

    Raises:
        TokenizationError: no reference, sides of different length, or an empty sentence.
    """
    counts = _parallel_counts(parallel, tokenizer, reference)
    return {code: ratio(own, counts[reference], seed=seed) for code, own in counts.items()}


def unknown_share(texts: Sequence[str], tokenizer: Any) -> float:
    """Return the share of tokens that are the unknown token, by id; 0 where there is none.

    By id, since a SentencePiece tokenizer shows the piece as it was written: in the output of
    `tokenizer.tokenize` an unknown sign looks like a known one.

    Raises:
        TokenizationError: as `token_counts`, or no text has a token.
    """
    ids = [token for row in _ids(texts, tokenizer) for token in row]
    _check_some(len(ids))
    return ids.count(_unknown_id(tokenizer)) / len(ids)


def characters_per_token(texts: Sequence[str], tokenizer: Any) -> float:
    """Return how many characters a token stands for on average.

    Comparable between tokenizers on one language; between languages only with the thought
    that a Chinese character says more than a letter (`parity` is fair there).

    Raises:
        TokenizationError: as `unknown_share`.
    """
    tokens = int(token_counts(texts, tokenizer).sum())
    _check_some(tokens)
    return sum(map(_characters, texts)) / tokens


# ── words ────────────────────────────────────────────────────────────────────────────────


@dataclass(frozen=True, slots=True)
class Fertility:
    """Into how many pieces words fall.

    Attributes:
        pieces: mean pieces a word; 1 if every word is an entry of the vocabulary.
        continued: share of words that are cut into two pieces or more.
        unknown: share of words with an unknown piece. WordPiece gives up on a whole word at
            once, which counts as one piece: many unknown words make a low fertility.
        words: how many were counted.
    """

    pieces: float
    continued: float
    unknown: float
    words: int


def fertility(words: Sequence[str], tokenizer: Any, *, blanks: bool = False) -> Fertility:
    """Count the pieces of words, each tokenized by itself.

    Fertility and the proportion of continued words are measures of Rust et al. (2021, ACL),
    "How Good is Your Tokenizer?". A word-start mark that stands alone ("▁") is no piece:
    Chinese has it here before every word, and in running text hardly ever.

    Args:
        words: running words, repeated as they occur in text; for a language that writes no
            spaces somebody has to say what its words are.
        tokenizer: any transformers tokenizer.
        blanks: words may have a blank inside, as they do in Vietnamese.

    Raises:
        TokenizationError: no word, an empty one, or several words in one.
    """
    rows = _ids(words, tokenizer, "word")
    for number, word in enumerate(words):
        if not blanks and len(word.split()) > 1:
            raise TokenizationError(
                f"word {number} has white space in it: {word!r:.40}",
                "give words, such as text.split() where a language writes spaces; blanks=True "
                "is for one that writes them inside words, as Vietnamese does",
            )
    mark, unknown = _word_start_id(tokenizer), _unknown_id(tokenizer)
    pieces = np.array([sum(token != mark for token in row) for row in rows])
    return Fertility(
        pieces=float(pieces.mean()),
        continued=float((pieces > 1).mean()),
        unknown=float(np.mean([unknown in row for row in rows])),
        words=len(rows),
    )


def compare(
    parallel: Mapping[str, Sequence[str]],
    tokenizer: Any,
    *,
    reference: str = "en",
    words: Mapping[str, Sequence[str]] | None = None,
    seed: int = 0,
) -> pd.DataFrame:
    """Return one row a language: everything above, side by side.

    Args:
        parallel: as in `parity`.
        tokenizer: any transformers tokenizer.
        reference: the language whose parity is 1.
        words: language to running words; adds the columns of `fertility`, empty for a
            language without words.
        seed: of the bootstrap.

    Returns:
        Indexed by `language`: `tokens` (mean a sentence), `parity` with `low` and `high`,
        `characters` (a token), `unknown` (share of tokens), and where words are given
        `fertility`, `continued` and `unknown_words` (shares of words).

    Raises:
        TokenizationError: as `parity` and `fertility`.
    """
    import pandas as pd

    scores = parity(parallel, tokenizer, reference=reference, seed=seed)
    rows = {}
    for code, score in scores.items():
        texts = parallel[code]
        rows[code] = {
            "tokens": float(token_counts(texts, tokenizer).mean()),
            "parity": score.value,
            "low": score.low,
            "high": score.high,
            "characters": characters_per_token(texts, tokenizer),
            "unknown": unknown_share(texts, tokenizer),
        }
        if words is not None and code in words:
            found = fertility(words[code], tokenizer, blanks=code in WRITTEN_APART)
            rows[code] |= {
                "fertility": found.pieces,
                "continued": found.continued,
                "unknown_words": found.unknown,
            }
    return pd.DataFrame.from_dict(rows, orient="index").rename_axis("language")


# ── denominators ─────────────────────────────────────────────────────────────────────────

DENOMINATORS = ("blanks", "words", "characters", "bytes", "sentences")


def denominators(
    parallel: Mapping[str, Sequence[str]],
    words: Mapping[str, Sequence[Sequence[str]]],
    tokenizer: Any,
    *,
    reference: str = "en",
) -> pd.DataFrame:
    """Return the same tokens over five denominators: which language is dear depends on it.

    Tokens a word (fertility; Rust et al., 2021, ACL) ask what a word is. Where blanks part no
    words they make one "word" of a whole clause, and in Vietnamese one of each syllable;
    segmented by hand, the languages still say the same in unlike numbers of words. Tokens a
    character favour letters over syllables and ideograms, tokens a byte favour scripts of three
    bytes a letter. Only the same content is the same for all: tokens for a sentence, over those
    of the reference (Petrov et al., 2023, NeurIPS; `parity` has its intervals).

    None of them sees what is lost: a tokenizer that makes one unknown token of a whole word
    looks thrifty in all five. So the unknowns stand beside them.

    Args:
        parallel: language to sentences; row i of every language says the same.
        words: the same rows as words (`datasets.everyday_words`).
        tokenizer: any transformers tokenizer.
        reference: the language whose `sentences` are 1.

    Returns:
        Indexed by `language`. Tokens for each of what `str.split` finds (`blanks`), for each
        word (`words`), character and UTF-8 byte, white space not counted (`characters`,
        `bytes`), and over those of the reference (`sentences`); then `unknown`, the share of
        tokens that are unknown by id, and `lost`, the share of words with an unknown piece.

    Raises:
        TokenizationError: as `parity` and `fertility`, or words of other sentences.
    """
    import pandas as pd

    counts = _parallel_counts(parallel, tokenizer, reference)
    rows = {}
    for code, own in counts.items():
        texts, total = parallel[code], int(own.sum())
        cut = _flat_words(words, code, len(texts))
        found = fertility(cut, tokenizer, blanks=code in WRITTEN_APART)
        rows[code] = {
            "blanks": total / sum(len(text.split()) for text in texts),
            "words": total / len(cut),
            "characters": total / sum(map(_characters, texts)),
            "bytes": total / sum(map(_bytes, texts)),
            "sentences": total / int(counts[reference].sum()),
            "unknown": unknown_share(texts, tokenizer),
            "lost": found.unknown,
        }
    return pd.DataFrame.from_dict(rows, orient="index").rename_axis("language")


def rankings(table: pd.DataFrame) -> pd.DataFrame:
    """Return the rank of each language under each denominator of a table of `denominators`.

    Rank 1 has the fewest tokens; languages alike share the lower rank.

    Raises:
        TokenizationError: the table is not one of `denominators`.
    """
    return _denominators_of(table).rank(method="min").astype(int)


def rank_agreement(table: pd.DataFrame) -> pd.DataFrame:
    """Return how far each two denominators rank the languages alike: Kendall's tau.

    Tau-b (Kendall, 1945, Biometrika): of all pairs of languages, the share in the same order
    less the share in the opposite one, ties allowed for. 1: one ranking; 0: none to do with
    the other; -1: one is the other turned round.

    Returns:
        (denominators, denominators), symmetric, 1 on the diagonal.

    Raises:
        TokenizationError: the table is not one of `denominators`, or of one language alone.
    """
    if len(table) < 2:
        raise TokenizationError("one language makes no ranking", "compare two or more")
    return _denominators_of(table).corr(method="kendall")


def _denominators_of(table: pd.DataFrame) -> pd.DataFrame:
    if lacks := [name for name in DENOMINATORS if name not in table]:
        raise TokenizationError(
            f"the table has no column {', '.join(lacks)}", "give one that `denominators` made"
        )
    return table[list(DENOMINATORS)]


def _flat_words(
    words: Mapping[str, Sequence[Sequence[str]]], code: str, sentences: int
) -> list[str]:
    rows = words.get(code, ())
    if len(rows) != sentences or any(isinstance(row, str) for row in rows):
        raise TokenizationError(
            f"{code} has {sentences} sentences and the words of {len(rows)}",
            "give a list of words for each sentence, as `datasets.everyday_words` does",
        )
    return [word for row in rows for word in row]


# ── cost ─────────────────────────────────────────────────────────────────────────────────


def cost(
    parallel: Mapping[str, Sequence[str]],
    model: Any,
    tokenizer: Any,
    *,
    repeats: int = 5,
) -> pd.DataFrame:
    """Measure what one sentence costs in each language, on this machine.

    Sentences go through tokenizer and model one at a time, as requests do that nobody
    batches. All languages are gone through `repeats` times, so that a machine that is busy
    for a while is so for all of them, and the median is reported. Milliseconds are this
    machine's: compare languages with each other, and nothing with another machine.

    Args:
        parallel: language to sentences; row i of every language says the same.
        model: any encoder; evaluated where it is, and left in the mode it was in.
        tokenizer: its tokenizer; what is longer than the model can take is cut.
        repeats: how often all is measured, after one round that is not.

    Returns:
        Indexed by `language`: `tokens` a sentence, those of the frame counted, as the model
        sees them; `milliseconds` a sentence, median over the repeats, with the fastest (`low`)
        and the slowest (`high`). `.attrs` holds `threads`, `device` and `repeats`.

    Raises:
        TokenizationError: no sentences, an empty one, or no repeat.
    """
    import pandas as pd
    import torch

    if repeats < 1:
        raise TokenizationError(f"nothing is measured in {repeats} repeats", "give 1 or more")
    framed = _framed_tokens(parallel, model, tokenizer)
    was_training = model.training
    model.eval()
    try:
        rounds = [
            {code: _milliseconds(texts, model, tokenizer) for code, texts in parallel.items()}
            for _ in range(repeats + 1)
        ][1:]
    finally:
        model.train(was_training)
    times = pd.DataFrame(rounds)
    columns = {
        "tokens": pd.Series(framed),
        "milliseconds": times.median(),
        "low": times.min(),
        "high": times.max(),
    }
    table = pd.DataFrame(columns, index=list(parallel)).rename_axis("language")
    table.attrs.update(threads=torch.get_num_threads(), device=str(model.device), repeats=repeats)
    return table


def _framed_tokens(
    parallel: Mapping[str, Sequence[str]], model: Any, tokenizer: Any
) -> dict[str, float]:
    """Return the mean tokens of a sentence as the model sees it; check all sentences."""
    if not parallel:
        raise TokenizationError("there is no language", "give sentences of one or more")
    limit, frame = token_limit(model, tokenizer), tokenizer.num_special_tokens_to_add()
    return {
        code: float(np.minimum(token_counts(texts, tokenizer) + frame, limit or np.inf).mean())
        for code, texts in parallel.items()
    }


def _milliseconds(texts: Sequence[str], model: Any, tokenizer: Any) -> float:
    """Return the mean milliseconds of a text, tokenizer and model together."""
    import torch

    limit = token_limit(model, tokenizer)
    how = {"truncation": limit is not None, "max_length": limit}
    on_gpu = model.device.type == "cuda"
    with torch.inference_mode():
        start = time.perf_counter()
        for text in texts:
            model(**tokenizer(text, return_tensors="pt", **how).to(model.device))
        if on_gpu:  # which answers before it has finished
            torch.cuda.synchronize(model.device)
        return 1000 * (time.perf_counter() - start) / len(texts)


# ── disguise ─────────────────────────────────────────────────────────────────────────────

# Where disguised letters go: Hangul syllables, letters that none of our languages writes.
_DISGUISES = 0xAC00
_ALPHABET = 0x250  # Latin letters with and without signs, and digits, have lower numbers
_DISGUISED = ("de", "nl", "fr", "es", "pt", "ru", "ar", "hi", "zh", "sw", "yo")


def disguise(text: str, language: str) -> str:
    """Return a text in letters that no other language has, the way "fake English" is made.

    Latin letters and digits of every language but English become letters of a range that is
    the language's own; blanks, punctuation and other scripts, which are not shared among our
    languages anyway, stay. Two languages then have no piece of a word in common, and whatever
    a model shares between them it has not read off the letters (K et al., 2020, ICLR; Dufter &
    Schütze, 2020, EMNLP).

    Raises:
        TokenizationError: there is no range for the language.
    """
    if language == "en":
        return text
    if language not in _DISGUISED:
        raise TokenizationError(
            f"no range of letters is set aside for {language!r}",
            f"choose one of en, {', '.join(_DISGUISED)}",
        )
    start = _DISGUISES + _ALPHABET * _DISGUISED.index(language)
    return "".join(
        chr(start + ord(char)) if ord(char) < _ALPHABET and char.isalnum() else char
        for char in text
    )


# ── vocabularies ─────────────────────────────────────────────────────────────────────────

# Unicode names a character after its script; the names of some scripts do not begin so.
_RENAMED = {
    "CANADIAN": "Canadian Aboriginal",
    "CJK": "Han",
    "HENTAIGANA": "Hiragana",
    "IDEOGRAPHIC": "Han",
    "NEW": "New Tai Lue",
    "NKO": "N'Ko",
}
_TWO_WORDS = frozenset({"MEETEI", "OL", "OLD", "SYLOTI", "TAI"})
# Letters and marks of several scripts, or of none.
_NO_SCRIPT = frozenset(
    "CARON COMBINING KATAKANA-HIRAGANA MODIFIER MUSICAL VARIATION VEDIC VERTICAL".split()
)

# BERT's vocabularies have rows to spare.
_SPARE = re.compile(r"\[unused\d+\]")


def script(text: str) -> str:
    """Return the script of a text's letters, in English: `"Latin"`, `"Han"`, `"Devanagari"`.

    `"mixed"` for letters of several scripts, `"none"` where there is no letter. Letters that
    are compatibility forms (full-width Latin, mathematical bold) count as what they stand for.
    """
    found = {
        name
        for character in unicodedata.normalize("NFKC", text)
        if unicodedata.category(character)[0] in "LM" and (name := _script_of(character))
    }
    return found.pop() if len(found) == 1 else "mixed" if found else "none"


def _script_of(character: str) -> str:
    words = unicodedata.name(character, "").split()
    if not words or words[0] in _NO_SCRIPT:
        return ""
    if words[0] in _RENAMED:
        return _RENAMED[words[0]]
    return " ".join(words[: 2 if words[0] in _TWO_WORDS else 1]).title()


def vocabulary_by_script(tokenizer: Any) -> dict[str, int]:
    """Return how many entries of a vocabulary are in each script, most first.

    Scripts as in `script`, so digits, signs and emoji are `"none"`; `"special"` are the
    entries that no text is made of.
    """
    special = {*tokenizer.all_special_tokens}
    # Through the tokenizer's own decoder, since byte-level entries are written in a code.
    counts = Counter(
        "special"
        if entry in special or _SPARE.fullmatch(entry)
        else script(tokenizer.convert_tokens_to_string([entry]))
        for entry in tokenizer.get_vocab()
    )
    return dict(counts.most_common())


# ── parameters ───────────────────────────────────────────────────────────────────────────

PARTS = (
    "word embeddings",
    "other embeddings",
    "attention",
    "feed-forward",
    "other",
    "pooler",
    "head",
)

_LAYER = re.compile(r"(^|\.)layers?\.\d+\.")
_ATTENTION = re.compile(r"attention|attn|sa_layer_norm")


def parameters_by_part(model: Any) -> dict[str, int]:
    """Return how many parameters each part of a model has; parts of `PARTS` that it lacks are out.

    A matrix used twice, as word embeddings often are for the output too, counts once, where
    it comes in. Layer norms count with what they follow. The model may be on the "meta"
    device, where a published configuration takes no memory.
    """
    counts: Counter[str] = Counter()
    parts = part_of_parameters(model)
    for name, parameter in model.named_parameters():
        counts[parts[name]] += parameter.numel()
    return {part: counts[part] for part in PARTS if counts[part]}


def part_of_parameters(model: Any) -> dict[str, str]:
    """Return the part, of `PARTS`, that each parameter belongs to, by its name in the model.

    As `parameters_by_part` counts them: a matrix used twice has one name, that where it comes in.
    """
    words, base = model.get_input_embeddings().weight, model.base_model
    inside = {
        parameter: "word embeddings" if parameter is words else _part(name)
        for name, parameter in base.named_parameters()
    }
    return {name: inside.get(parameter, "head") for name, parameter in model.named_parameters()}


def _part(name: str) -> str:
    if _LAYER.search(name):
        return "attention" if _ATTENTION.search(name) else "feed-forward"
    if name.startswith("pooler."):
        return "pooler"
    return "other embeddings" if "embed" in name else "other"


# ── checks ───────────────────────────────────────────────────────────────────────────────


def _ids(texts: Sequence[str], tokenizer: Any, kind: str = "text") -> list[list[int]]:
    if isinstance(texts, str) or not len(texts):
        raise TokenizationError(f"these are no {kind}s: {texts!r:.40}", f"give a list of {kind}s")
    for number, text in enumerate(texts):
        if not isinstance(text, str) or not text.strip():
            raise TokenizationError(
                f"{kind} {number} is {f'{text!r:.40}' if text else 'empty'}", "leave it out"
            )
    # verbose=False: how long a text may be is no matter here.
    found = tokenizer(list(texts), add_special_tokens=False, verbose=False)
    rows: list[list[int]] = found["input_ids"]
    return rows


def _parallel_counts(
    parallel: Mapping[str, Sequence[str]], tokenizer: Any, reference: str
) -> dict[str, Ints]:
    if reference not in parallel:
        raise TokenizationError(
            f"the reference {reference!r} is not among {', '.join(parallel) or 'no languages'}",
            "add its sentences, or name another reference=",
        )
    sizes = {code: len(texts) for code, texts in parallel.items()}
    if len(set(sizes.values())) > 1:
        raise TokenizationError(
            f"parallel sentences differ in number: {sizes}", "give every language the same ones"
        )
    counts = {code: token_counts(texts, tokenizer) for code, texts in parallel.items()}
    _check_some(int(counts[reference].sum()))
    return counts


def _check_some(tokens: int) -> None:
    if not tokens:
        raise TokenizationError(
            "the tokenizer makes no token of any of these texts", "give texts with letters in them"
        )


def _unknown_id(tokenizer: Any) -> int:
    """Return the id of the unknown token; -1, which no token has, where there is none."""
    return -1 if tokenizer.unk_token_id is None else int(tokenizer.unk_token_id)


def _word_start_id(tokenizer: Any) -> int:
    """Return the id of the mark for the start of a word; -1 where it is no entry of its own."""
    number = tokenizer.convert_tokens_to_ids(_WORD_START)
    known = number is not None and tokenizer.convert_ids_to_tokens(number) == _WORD_START
    return int(number) if known else -1


def _characters(text: str) -> int:
    return len(_without_space(text))


def _bytes(text: str) -> int:
    return len(_without_space(text).encode())


def _without_space(text: str) -> str:
    return "".join(unicodedata.normalize("NFC", text).split())
