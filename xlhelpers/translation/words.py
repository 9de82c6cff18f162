"""Which word became which, and where the labels of words go when a sentence is translated.

A translated text keeps its label; a translated sentence does not keep the labels of its words,
which are others, in another order, of another number. They are carried over along a word
alignment, and that is where errors come in.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from types import MappingProxyType
from typing import Any, Literal

import numpy as np
import torch
from numpy.typing import NDArray

from xlhelpers import encoding, finetuning
from xlhelpers.alignment.evaluation import Score
from xlhelpers.datasets import Tagged
from xlhelpers.encoding import TruncationWarning
from xlhelpers.translation import sentences as cutting
from xlhelpers.translation.translator import Translates, TranslationError, TranslationWarning

Alignment = list[tuple[int, int]]
Method = Literal["mutual", "itermax", "grow"]
Words = Sequence[str]

# How much a similarity counts in the second round where one side is aligned already, and how
# many rounds there are: the values of the paper.
_DISCOUNT = 0.9
_ROUNDS = 2
# Words of a name that nothing was aligned with are taken in where so few stand between.
_GAP = 1


def align_words(
    source_words: Words,
    target_words: Words,
    model: Any,
    tokenizer: Any,
    layer: int | None = None,
    method: Method = "mutual",
) -> Alignment:
    """Return which word of a sentence became which word of its translation.

    SimAlign (Jalili Sabet, Dufter, Yvon & Schütze, 2020, Findings of EMNLP): the hidden states
    of the two sentences are compared piece by piece; two pieces belong together if each is the
    other's nearest, two words if any of their pieces do. No training, no parallel text.

    Args:
        source_words, target_words: the sentences in words; an empty one has no alignment.
        model: a multilingual encoder, with or without a head.
        tokenizer: the model's own.
        layer: 0 is the embedding layer; left out, two thirds of the way up, as layer 8 of 12 in
            the paper.
        method: `"mutual"` (the paper's Argmax: few and sure), `"itermax"`, which looks again
            among the pieces that are left over (more, and less sure), or `"grow"`: the mutual
            ones, and beside them what is the nearest in one direction (grow-diag: Koehn, Och &
            Marcu, 2003, NAACL). The last is for words against single characters, where one word
            has several partners and each other method finds one.

    Returns:
        (source word, target word) pairs, sorted.

    Raises:
        TranslationError: no such layer or method.
        FineTuningError: a word is no string.
    """
    return align_sentences([source_words], [target_words], model, tokenizer, layer, method)[0]


def align_sentences(
    source: Sequence[Words],
    target: Sequence[Words],
    model: Any,
    tokenizer: Any,
    layer: int | None = None,
    method: Method = "mutual",
    batch_size: int = 64,
) -> list[Alignment]:
    """Return the alignment of each sentence with its translation; `align_words` for many.

    Raises:
        TranslationError: as `align_words`, or both sides differ in number.
    """
    if method not in _METHODS:
        raise TranslationError(
            f"there is no method {method!r}", f"choose among {', '.join(_METHODS)}"
        )
    if len(source) != len(target):
        raise TranslationError(
            f"{len(source)} sentences and {len(target)} translations", "give one for each"
        )
    found: list[Alignment] = [[] for _ in source]
    rows = [n for n in range(len(source)) if len(source[n]) and len(target[n])]
    if not rows:
        return found
    sides = [
        _states([side[n] for n in rows], model, tokenizer, layer, batch_size)
        for side in (source, target)
    ]
    for n, (one, own), (other, others) in zip(rows, *sides, strict=True):
        chosen = _METHODS[method](one @ other.T)
        found[n] = sorted({(int(own[i]), int(others[j])) for i, j in np.argwhere(chosen)})
    return found


def _states(
    sentences: Sequence[Words], model: Any, tokenizer: Any, layer: int | None, batch_size: int
) -> list[tuple[NDArray[np.float32], NDArray[np.int64]]]:
    """Return, of each sentence, unit vectors of its pieces and the number of each piece's word."""
    layers = int(model.config.num_hidden_layers)
    wanted = round(2 * layers / 3) if layer is None else layer
    if not -layers - 1 <= wanted <= layers:
        raise TranslationError(
            f"there is no layer {wanted}", f"choose 0 (embeddings) to {layers}, the last"
        )
    pieces, before, after = finetuning.pieces_of_words(tokenizer, sentences)
    limit = encoding.token_limit(model, tokenizer) or 10**9
    room = limit - len(before) - len(after)
    flat = [[(n, piece) for n, word in enumerate(row) for piece in word] for row in pieces]
    if long := [n for n, row in enumerate(flat) if len(row) > room]:
        warnings.warn(
            f"{len(long)} of {len(flat)} sentences have more than the {room} pieces that the "
            "model reads: words beyond are not aligned",
            TruncationWarning,
            stacklevel=4,
        )
    flat = [row[:room] for row in flat]
    order = sorted(range(len(flat)), key=lambda n: len(flat[n]))
    found: dict[int, tuple[NDArray[np.float32], NDArray[np.int64]]] = {}
    with encoding.evaluating(model), torch.inference_mode():
        for start in range(0, len(order), batch_size):
            places = order[start : start + batch_size]
            rows = [{"input_ids": [*before, *(p for _, p in flat[n]), *after]} for n in places]
            batch = tokenizer.pad(rows, return_tensors="pt").to(model.device)
            states = model.base_model(**batch, output_hidden_states=True).hidden_states[wanted]
            vectors = torch.nn.functional.normalize(states.float(), dim=-1).cpu().numpy()
            for n, row in zip(places, vectors, strict=True):
                own = row[len(before) : len(before) + len(flat[n])]
                found[n] = (own, np.array([word for word, _ in flat[n]], dtype=np.int64))
    return [found[n] for n in range(len(flat))]


def _mutual(similarity: NDArray[Any]) -> NDArray[np.bool_]:
    """Return (n, m): whether each is the other's nearest."""
    chosen = np.zeros(similarity.shape, dtype=bool)
    rows = np.arange(len(similarity))
    columns = similarity.argmax(axis=1)
    mutual = similarity.argmax(axis=0)[columns] == rows
    chosen[rows[mutual], columns[mutual]] = True
    return chosen


def _itermax(similarity: NDArray[Any]) -> NDArray[np.bool_]:
    """Return (n, m): the mutual ones, then those of what is left, `_ROUNDS` times in all."""
    positive = (similarity + 1) / 2  # a discount of a negative value would be a premium
    chosen: NDArray[np.bool_] = _mutual(positive)
    for _ in range(_ROUNDS - 1):
        taken_rows = np.asarray(chosen.any(axis=1))
        taken_columns = np.asarray(chosen.any(axis=0))
        once = np.logical_or.outer(taken_rows, taken_columns)
        both = np.logical_and.outer(taken_rows, taken_columns)
        weight = np.where(both, 0.0, np.where(once, _DISCOUNT, 1.0))
        new = _mutual(positive * weight) & ~both
        if not new.any():
            break
        chosen = np.logical_or(chosen, new)
    return chosen


def _grown(similarity: NDArray[Any]) -> NDArray[np.bool_]:
    """Return (n, m): the mutual ones, and the nearest of either side that touch one of them.

    What touches is beside, above or across a corner, and one of its pieces has no partner yet.
    """
    n, m = similarity.shape
    either = np.zeros((n, m), dtype=bool)
    either[np.arange(n), similarity.argmax(axis=1)] = True
    either[similarity.argmax(axis=0), np.arange(m)] = True
    chosen: NDArray[np.bool_] = _mutual(similarity)
    added = True
    while added:
        added = False
        for i, j in np.argwhere(either & ~chosen):
            free = not chosen[i].any() or not chosen[:, j].any()
            if free and chosen[max(0, i - 1) : i + 2, max(0, j - 1) : j + 2].any():
                chosen[i, j] = added = True
    return chosen


_METHODS: Mapping[str, Callable[[NDArray[Any]], NDArray[np.bool_]]] = MappingProxyType(
    {"mutual": _mutual, "itermax": _itermax, "grow": _grown}
)


# ── labels ───────────────────────────────────────────────────────────────────────────────


def project_labels(
    tags: Sequence[str], alignment: Iterable[tuple[int, int]], length: int
) -> list[str]:
    """Return IOB2 tags of a translation: each name goes where its words went.

    A name covers the longest run of words that its words are aligned with, single words in
    between taken in; of names that claim the same word the one with more words has it. A name
    with no aligned word is lost: count the names on both sides.

    Args:
        tags: IOB2, one a word of the source.
        alignment: (source word, target word) pairs.
        length: words of the translation.

    Returns:
        `length` valid IOB2 tags.

    Raises:
        TranslationError: the tags are not IOB2, or an aligned word is not there.
    """
    pairs = list(alignment)
    _check_pairs(pairs, len(tags), length)
    goes: dict[int, list[int]] = {}
    for i, j in pairs:
        goes.setdefault(i, []).append(j)
    claims = []
    for start, end, kind in names(tags):
        reached = sorted({j for i in range(start, end) for j in goes.get(i, ())})
        if reached:
            claims.append((_longest_run(reached), kind))
    found = ["O"] * length
    # The longest first; of equals the one that comes first in the source.
    for (first, last), kind in sorted(claims, key=lambda claim: claim[0][0] - claim[0][1]):
        if all(tag == "O" for tag in found[first : last + 1]):
            found[first : last + 1] = [f"B-{kind}", *[f"I-{kind}"] * (last - first)]
    return found


def names(tags: Sequence[str]) -> list[tuple[int, int, str]]:
    """Return (first word, word behind the last, kind) of each name in IOB2 tags.

    Raises:
        TranslationError: the tags are not IOB2.
    """
    found: list[tuple[int, int, str]] = []
    before = "O"
    for n, tag in enumerate(tags):
        mark, _, kind = tag.partition("-")
        if tag != "O" and (mark not in ("B", "I") or not kind):
            raise TranslationError(f"tag {n} is {tag!r}", "give IOB2 tags: O, B-PER, I-PER ...")
        if mark == "B":
            found.append((n, n + 1, kind))
        elif mark == "I":
            if before.partition("-")[2] != kind:
                raise TranslationError(
                    f"tag {n} is {tag!r} behind {before!r}: a name begins with B- in IOB2",
                    "bring the tags to IOB2 first",
                )
            found[-1] = (found[-1][0], n + 1, kind)
        before = tag
    return found


def repaired(tags: Sequence[str]) -> list[str]:
    """Return tags with every I- that begins a name made a B-, as taggers need not be tidy."""
    found, before = [], "O"
    for tag in tags:
        inside = tag.startswith("I-") and before.partition("-")[2] != tag[2:]
        found.append(f"B-{tag[2:]}" if inside else tag)
        before = tag
    return found


def _longest_run(reached: list[int]) -> tuple[int, int]:
    """Return first and last of the longest run, gaps of `_GAP` words bridged."""
    runs = [[reached[0], reached[0]]]
    for j in reached[1:]:
        if j - runs[-1][1] <= _GAP + 1:
            runs[-1][1] = j
        else:
            runs.append([j, j])
    first, last = max(runs, key=lambda run: run[1] - run[0])
    return first, last


def _check_pairs(pairs: Sequence[tuple[int, int]], source: int, target: int) -> None:
    for i, j in pairs:
        if not (0 <= i < source and 0 <= j < target):
            raise TranslationError(
                f"({i}, {j}) is aligned, and there are {source} and {target} words",
                "align the words that the tags belong to",
            )


# ── tables ───────────────────────────────────────────────────────────────────────────────


@dataclass(frozen=True)
class Projection:
    """How well labels find their way along an alignment, with translations that are right.

    Attributes:
        f1: entity F1 of the projected tags against the gold ones of the same sentences.
        lost: share of the source's names that no name came from.
        pairs: aligned words, for one word of the source.
    """

    f1: Score
    lost: float
    pairs: float


def projection_error(
    source: Tagged,
    target: Tagged,
    model: Any,
    tokenizer: Any,
    layer: int | None = None,
    method: Method = "mutual",
) -> Projection:
    """Measure label projection on sentences that have gold tags in both languages.

    The translations are people's here, so what is wrong is the alignment's doing; with a
    machine's translations it can only be worse.

    Args:
        source, target: rows of `datasets.parallel(…, task="ner")`: the same ids in the same order.
        model, tokenizer, layer, method: as `align_words`.

    Raises:
        TranslationError: as `align_words`, or the ids differ.
    """
    if source.ids != target.ids:
        raise TranslationError(
            "source and target have different rows", 'use datasets.parallel([…], task="ner")'
        )
    aligned = align_sentences(source.sentences, target.sentences, model, tokenizer, layer, method)
    rows = zip(source.tags, aligned, target.sentences, strict=True)
    projected = [project_labels(tags, pairs, len(words)) for tags, pairs, words in rows]
    there = sum(len(names(tags)) for tags in source.tags)
    kept = sum(
        min(len(names(a)), len(names(b))) for a, b in zip(source.tags, projected, strict=True)
    )
    return Projection(
        finetuning.entity_f1(target.tags, projected),
        1 - kept / max(1, there),
        sum(map(len, aligned)) / max(1, sum(map(len, source.sentences))),
    )


def translate_tagged(
    table: Tagged,
    translator: Translates,
    model: Any,
    tokenizer: Any,
    *,
    layer: int | None = None,
    method: Method = "mutual",
    incomplete: Literal["drop", "keep"] = "drop",
    progress: bool = False,
) -> Tagged:
    """Return sentences in another language, with their names' tags carried over.

    What the tagger is to learn from must not say O of a name: sentences that lost one on the
    way are left out, and how many is said.

    Args:
        table: sentences in the translator's source language.
        translator: of sentences.
        model, tokenizer, layer, method: what aligns, as `align_words`.
        incomplete: `"drop"` sentences with fewer names than they had, or `"keep"` them.
        progress: show a bar where someone can see it.

    Returns:
        Ids as before; no part-of-speech tags; names that are not known to be seen or unseen.

    Raises:
        TranslationError: the table is in another language, or nothing is left.

    Warns:
        TranslationWarning: sentences were left out.
    """
    require_source(table.language, translator)
    said = translator.translate(table.texts, progress)
    words = [cutting.words(text, translator.target) for text in said]
    aligned = align_sentences(table.sentences, words, model, tokenizer, layer, method)
    rows = zip(table.tags, aligned, words, strict=True)
    tags = [project_labels(own, pairs, len(there)) for own, pairs, there in rows]
    whole = [len(names(a)) == len(names(b)) for a, b in zip(table.tags, tags, strict=True)]
    kept = [bool(w) and (ok or incomplete == "keep") for w, ok in zip(words, whole, strict=True)]
    if not any(kept):
        raise TranslationError(
            f"not one of {len(table)} sentences kept its names", "check what aligns the words"
        )
    if lost := len(kept) - sum(kept):
        warnings.warn(
            f"{lost} of {len(kept)} sentences are left out: they lost a name on the way to "
            f"{translator.target!r}, or everything",
            TranslationWarning,
            stacklevel=2,
        )
    made = replace(
        table,
        language=translator.target,
        source=f"{table.source}, translated",
        texts=tuple(said),
        sentences=tuple(map(tuple, words)),
        tags=tuple(map(tuple, tags)),
        upos=((),) * len(table),
        name_marks=("",) * len(table),
        held=("",) * len(table),
    )
    return made.subset(kept)


def require_source(language: str, translator: Translates) -> None:
    """Raise unless a table is in the language that a translator reads.

    Raises:
        TranslationError: it is not.
    """
    if language != translator.source:
        raise TranslationError(
            f"the rows are in {language!r} and the translator reads {translator.source!r}",
            f"use a translator from {language!r}",
        )


def back_to_words(
    tags: Sequence[Sequence[str]], aligned: Sequence[Alignment], lengths: Sequence[int]
) -> list[list[str]]:
    """Return tags of the original's words from a tagger's answers on its translation.

    Args:
        tags: one a word of each translation; made valid IOB2 first.
        aligned: (word of the translation, word of the original) pairs.
        lengths: words of each original.
    """
    rows = zip(tags, aligned, lengths, strict=True)
    return [project_labels(repaired(said), pairs, n) for said, pairs, n in rows]
