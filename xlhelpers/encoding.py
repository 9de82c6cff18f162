"""Sentence vectors from multilingual encoders, and how to judge them.

Vectors are ROWS, float32. An encoder gives one vector a token and layer; `encode` pools them
into one a text. What follows measures such vectors: `retrieve` finds translations among
distractors, `language_probe` asks how much of the language is left in them, and two controls
say what a figure is worth: `random_twin` (the same network, untrained) and
`char_ngram_vectors` (no network at all).
"""

from __future__ import annotations

import copy
import warnings
from collections.abc import Callable, Hashable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
import torch
from numpy.typing import ArrayLike, NDArray

from xlhelpers.alignment.evaluation import Score, bootstrap
from xlhelpers.alignment.retrieval import cosine_knn, csls_knn
from xlhelpers.errors import CourseError

if TYPE_CHECKING:
    import pandas as pd
    from scipy.sparse import csr_matrix

Floats = NDArray[np.float32]
Ints = NDArray[np.int64]
Pooling = Literal["mean", "cls"]
Method = Literal["cosine", "csls"]

# Columns of the hashed n-grams: so many that two n-grams of a corpus seldom share one.
_HASHES = 1 << 20


class EncodingError(CourseError, ValueError):
    """Texts or vectors cannot be used as asked; the message says why and what to do."""


class TruncationWarning(UserWarning):
    """Some texts were longer than the model can read, and their ends were cut off."""


# ── from tokens to a text ────────────────────────────────────────────────────────────────


def mean_pool(hidden: torch.Tensor, mask: torch.Tensor) -> torch.Tensor:
    """Return the mean of each text's token vectors, padding left out.

    The special tokens count like any other, as in Sentence-BERT (Reimers & Gurevych, 2019,
    EMNLP).

    Args:
        hidden: (texts, tokens, d) hidden states.
        mask: (texts, tokens) attention mask: 1 for a token, 0 for padding.

    Returns:
        (texts, d) float32.

    Raises:
        EncodingError: shapes that do not fit, or a text without any token.
    """
    _check_mask(hidden, mask)
    weight = mask.to(torch.float32).unsqueeze(-1)
    return (hidden.float() * weight).sum(dim=1) / weight.sum(dim=1)


def cls_pool(hidden: torch.Tensor, mask: torch.Tensor) -> torch.Tensor:
    """Return the vector of each text's first token: [CLS] in BERT, <s> in XLM-R.

    Arguments, result and errors as `mean_pool`. Neither model was pretrained to put the
    meaning of a text there.
    """
    _check_mask(hidden, mask)
    # The first token, not the first column: some tokenizers pad on the left.
    first = mask.to(torch.long).argmax(dim=1)
    return hidden[torch.arange(len(hidden), device=hidden.device), first].float()


_POOLS: dict[str, Callable[[torch.Tensor, torch.Tensor], torch.Tensor]] = {
    "mean": mean_pool,
    "cls": cls_pool,
}


def encode(
    texts: Sequence[str],
    model: Any,
    tokenizer: Any,
    *,
    layer: int = -1,
    pooling: Pooling = "mean",
    batch_size: int = 32,
    max_length: int | None = None,
) -> Floats:
    """Return one vector a text, in the order of the texts.

    Texts of like length share a batch, so that little is padded; dropout is off. A text of
    more tokens than `token_limit` is cut there, and a `TruncationWarning` says so.

    Args:
        texts: whole texts, none of them empty.
        model: a transformers encoder, with or without a head on top.
        tokenizer: the tokenizer that the model was trained with.
        layer: 0 is the embedding layer, 1 the first layer above it, -1 the last.
        pooling: `"mean"` or `"cls"`; see `mean_pool` and `cls_pool`.
        batch_size: texts that are computed at once.
        max_length: cut texts after so many tokens, special tokens counted; the model's own
            limit when None.

    Returns:
        (texts, d) float32; (0, d) for no texts.

    Raises:
        EncodingError: an empty text, a layer that is not there, a model and a tokenizer that
            do not belong together, or an argument out of range.
    """
    last = _layers(model) - 1
    if not -last - 1 <= layer <= last:
        raise EncodingError(
            f"there is no layer {layer}", f"choose 0 (embeddings) to {last}, or -1 for the last"
        )
    wanted = [layer % (last + 1)]
    return _pooled(texts, model, tokenizer, wanted, pooling, batch_size, max_length)[0]


def encode_layers(
    texts: Sequence[str],
    model: Any,
    tokenizer: Any,
    *,
    pooling: Pooling = "mean",
    batch_size: int = 32,
    max_length: int | None = None,
) -> Floats:
    """Return one vector a text from every layer: (layers + 1, texts, d), embeddings first.

    Arguments and errors as `encode`.
    """
    wanted = list(range(_layers(model)))
    return _pooled(texts, model, tokenizer, wanted, pooling, batch_size, max_length)


def token_limit(model: Any, tokenizer: Any) -> int | None:
    """Return how many tokens, special ones counted, the model can read; None for no limit."""
    limits = [
        # RoBERTa counts positions from the padding id on: XLM-R has 514 and reads 512 tokens.
        module.num_embeddings - (0 if module.padding_idx is None else module.padding_idx + 1)
        for name, module in model.base_model.named_modules()
        if name.endswith("position_embeddings") and isinstance(module, torch.nn.Embedding)
    ]
    # A tokenizer that knows no limit says 10**30.
    if tokenizer.model_max_length < 10**9:
        limits.append(int(tokenizer.model_max_length))
    return min(limits, default=None)


def random_twin(model: Any, seed: int) -> Any:
    """Return an untrained model of the same class and configuration, ready to evaluate.

    The control for everything that is said of a pretrained encoder. It is no blank: equal
    tokens get equal vectors, so texts that share words are near each other in it.

    Args:
        model: any transformers model; it is left as it is.
        seed: of the weights. torch's global generator is not touched.
    """
    with torch.random.fork_rng(devices=[]):
        # Not torch.manual_seed, which would seed the GPUs' generators too.
        torch.default_generator.manual_seed(seed)
        twin = type(model)(copy.deepcopy(model.config))
    if hasattr(twin, "pooler") and getattr(model, "pooler", None) is None:
        twin.pooler = None  # `hub.model` takes away a pooler that was never trained
    return twin.to(device=model.device, dtype=model.dtype).eval()


def _pooled(
    texts: Sequence[str],
    model: Any,
    tokenizer: Any,
    layers: list[int],
    pooling: str,
    batch_size: int,
    max_length: int | None,
) -> Floats:
    """Return (layers asked for, texts, d)."""
    if pooling not in _POOLS:
        raise EncodingError(f"there is no pooling {pooling!r}", f"choose {' or '.join(_POOLS)}")
    if batch_size < 1:
        raise EncodingError(f"batch_size is {batch_size}", "choose 1 or more; 32 is usual")
    _check_together(model, tokenizer)
    rows = _tokenised(texts, model, tokenizer, max_length)
    out = np.empty((len(layers), len(rows), model.config.hidden_size), dtype=np.float32)
    # Longest first: if memory is too small, that shows at once.
    order = sorted(range(len(rows)), key=lambda i: -len(rows[i]["input_ids"]))
    with evaluating(model), torch.inference_mode():
        for start in range(0, len(order), batch_size):
            places = order[start : start + batch_size]
            batch = tokenizer.pad([rows[i] for i in places], return_tensors="pt").to(model.device)
            states = _hidden_states(model, batch, layers)
            for row, layer in enumerate(layers):
                pooled = _POOLS[pooling](states[layer], batch["attention_mask"])
                out[row, places] = pooled.cpu().numpy()
    return out


def _hidden_states(model: Any, batch: Any, layers: list[int]) -> dict[int, torch.Tensor]:
    """Return the hidden states (texts, tokens, d) of the layers asked for, by layer."""
    last = _layers(model) - 1
    # Without the head: over 250,000 words it costs more than the encoder.
    if layers == [last]:
        return {last: model.base_model(**batch).last_hidden_state}
    found = model.base_model(**batch, output_hidden_states=True).hidden_states
    return {layer: found[layer] for layer in layers}


def _tokenised(
    texts: Sequence[str], model: Any, tokenizer: Any, max_length: int | None
) -> list[dict[str, list[int]]]:
    """Return the model's inputs, one dictionary a text, cut to what it can read."""
    given = _check_texts(texts)
    if not given:
        return []
    rows = _inputs(given, tokenizer)
    special = tokenizer.num_special_tokens_to_add()
    for number, row in enumerate(rows):
        if len(row["input_ids"]) <= special:
            raise EncodingError(
                f"text {number} has no tokens: {given[number]!r:.60}", "leave such texts out"
            )
    limit = _limit(model, tokenizer, max_length, special)
    lengths = [len(row["input_ids"]) for row in rows]
    cut = [number for number, length in enumerate(lengths) if limit and length > limit]
    if cut:
        warnings.warn(
            f"{len(cut)} of {len(rows)} texts have more than {limit} tokens and were cut there; "
            f"the longest has {max(lengths)}",
            TruncationWarning,
            stacklevel=4,
        )
        short = _inputs([given[i] for i in cut], tokenizer, truncation=True, max_length=limit)
        for number, row in zip(cut, short, strict=True):
            rows[number] = row
    return rows


def _inputs(texts: list[str], tokenizer: Any, **how: Any) -> list[dict[str, list[int]]]:
    # verbose=False: the library's own remark about length comes once a process, without a count.
    made = tokenizer(texts, return_attention_mask=True, verbose=False, **how)
    return [{key: made[key][i] for key in made} for i in range(len(texts))]


def _limit(model: Any, tokenizer: Any, max_length: int | None, special: int) -> int | None:
    limit = token_limit(model, tokenizer)
    if max_length is None:
        return limit
    if max_length <= special or (limit is not None and max_length > limit):
        raise EncodingError(
            f"max_length is {max_length}",
            f"choose {special + 1} or more"
            + (f", and at most {limit}, which is all that this model can read" if limit else ""),
        )
    return max_length


@contextmanager
def evaluating(model: Any) -> Iterator[None]:
    """Switch dropout off, and leave every part of the model in the mode that it was in."""
    training = [module for module in model.modules() if module.training]
    model.eval()
    try:
        yield
    finally:
        for module in training:
            module.training = True


def _layers(model: Any) -> int:
    """Return how many hidden states the model gives: its layers, and the embeddings."""
    return int(model.config.num_hidden_layers) + 1


# ── vectors ──────────────────────────────────────────────────────────────────────────────


def unit(vectors: ArrayLike) -> Floats:
    """Return the rows divided by their lengths, (n, d).

    Raises:
        EncodingError: no (n, d) array, values that are not finite, or a row of zeros.
    """
    rows = _rows("vectors", vectors)
    lengths = np.linalg.norm(rows, axis=1, keepdims=True)
    if not lengths.all():
        raise EncodingError(
            f"row {int(np.argmin(lengths))} is all zeros and has no direction", "leave it out"
        )
    divided: Floats = rows / lengths
    return divided


def cosine(a: ArrayLike, b: ArrayLike) -> Floats:
    """Return the cosine of every row of `a` (n, d) with every row of `b` (m, d): (n, m).

    Raises:
        EncodingError: as `unit`, or rows of different dimension.
    """
    _check_dimensions(np.shape(a), np.shape(b))
    # Rounding can bring a cosine above 1, where arccos and colour scales end.
    cosines: Floats = np.clip(unit(a) @ unit(b).T, -1, 1)
    return cosines


def centre(vectors: ArrayLike, groups: Sequence[Hashable] | None = None) -> Floats:
    """Return the vectors less their mean, or less the mean of their own group, (n, d).

    With languages as groups this takes away what a language's sentences have in common
    (Libovický, Rosa & Fraser, 2020, Findings of EMNLP). Means are those of the rows given:
    no labels are needed, but a single text cannot be centred by itself.

    Args:
        vectors: (n, d) rows.
        groups: one label a row, such as its language; all rows are one group when None.

    Raises:
        EncodingError: as `unit`, labels that do not fit, or a group of one row, which would
            become zero.
    """
    rows = _rows("vectors", vectors)
    names, group = _coded("groups", ["all"] * len(rows) if groups is None else groups, len(rows))
    counts = np.bincount(group, minlength=len(names))
    if (counts == 1).any():
        raise EncodingError(
            f"group {names[int(np.argmin(counts))]!r} has one row, which is its own mean",
            "give two or more rows a group; some hundreds make a steady mean",
        )
    means = [rows[group == g].mean(axis=0, dtype=np.float64) for g in range(len(names))]
    return rows - np.stack(means).astype(np.float32)[group]


def char_ngram_vectors(texts: Sequence[str], n: tuple[int, int] = (2, 4)) -> csr_matrix:
    """Return how often each text has each character n-gram, rows of length 1: (texts, 2²⁰).

    The baseline that has seen no text but this one: what `retrieve` finds with it is found by
    spelling alone. N-grams do not cross word boundaries, and case does not count. Columns are
    hashes, so that rows from two calls can be compared.

    Args:
        texts: whole texts, none of them empty.
        n: shortest and longest n-gram.

    Raises:
        EncodingError: an empty text, or no such n.
    """
    from sklearn.feature_extraction.text import HashingVectorizer

    if not 1 <= n[0] <= n[1]:
        raise EncodingError(f"n is {n}", "give the shortest and the longest n-gram, as (2, 4)")
    # Signs would let n-grams that share a column cancel out.
    counter = HashingVectorizer(
        analyzer="char_wb", ngram_range=n, n_features=_HASHES, alternate_sign=False, norm="l2"
    )
    return counter.transform(_check_texts(texts)).astype(np.float32)


# ── finding translations ─────────────────────────────────────────────────────────────────


@dataclass(frozen=True, slots=True)
class Retrieval:
    """How often the nearest candidate was the right one.

    Attributes:
        accuracy: share of 1.
        low, high: 95 % percentile bootstrap over queries. It has no width at 0 and at 1,
            where the data show no spread; with few queries that is not certainty.
        n: queries.
        candidates: what each could be confused with, the right one counted.
        nearest: (n,) row of the candidate that each query found.
    """

    accuracy: float
    low: float
    high: float
    n: int
    candidates: int
    nearest: Ints = field(repr=False, compare=False)

    @property
    def chance(self) -> float:
        """Accuracy of a blind guess."""
        return 1 / self.candidates


def retrieve(
    source: ArrayLike | csr_matrix,
    target: ArrayLike | csr_matrix,
    *,
    gold: Sequence[int] | None = None,
    method: Method = "cosine",
    centre: bool = False,
    seed: int = 0,
) -> Retrieval:
    """Look for the translation of each source row among all target rows.

    Of equally near candidates the first counts as found, so vectors that are all alike come
    out at chance and not at 100 %.

    Args:
        source: (n, d) vectors of the queries.
        target: (m, d) vectors of the candidates.
        gold: the right target row of each source row; row i for row i when None, and what
            the target has beyond n are distractors.
        method: `"cosine"`, or `"csls"`, which corrects for candidates that are near to
            everything (Conneau et al., 2018, ICLR).
        centre: subtract each side's mean first; see the function `centre`.
        seed: of the bootstrap.

    Raises:
        EncodingError: as `unit`, shapes that do not fit, or gold rows that are not there.
            Sparse rows (`char_ngram_vectors`) can be neither centred nor given to CSLS.
    """
    _check_dimensions(np.shape(source), np.shape(target))
    if method not in ("cosine", "csls"):
        raise EncodingError(f"there is no method {method!r}", "choose cosine or csls")
    right = _gold_rows(gold, np.shape(source)[0], np.shape(target)[0])
    nearest = _nearest(source, target, method, centre)
    score = bootstrap((nearest == right).astype(float), seed=seed)
    return Retrieval(score.value, score.low, score.high, len(right), np.shape(target)[0], nearest)


def _nearest(source: Any, target: Any, method: Method, centred: bool) -> Ints:
    from scipy.sparse import issparse

    if issparse(source) and issparse(target):
        if centred or method == "csls":
            raise EncodingError(
                "sparse rows can be neither centred nor given to CSLS",
                'use method="cosine" and centre=False',
            )
        products: Floats = (source @ target.T).toarray()
        return products.argmax(axis=1)
    if centred:
        source, target = centre(source), centre(target)
    search = cosine_knn if method == "cosine" else csls_knn
    return search(unit(source), unit(target)).indices[:, 0]


def _gold_rows(gold: Sequence[int] | None, n: int, m: int) -> Ints:
    if not n or not m:
        raise EncodingError(f"there are {n} queries and {m} candidates", "give some of both")
    if gold is None:
        if m < n:
            raise EncodingError(
                f"{n} queries have {m} candidates", "say which is right for each with gold="
            )
        return np.arange(n)
    rows = np.asarray(gold)
    if rows.shape != (n,) or rows.dtype.kind not in "iu" or rows.min() < 0 or rows.max() >= m:
        raise EncodingError(
            "gold does not name one target row a query",
            f"give {n} whole numbers from 0 to {m - 1}",
        )
    return rows.astype(np.int64)


# ── how much of the language is left ─────────────────────────────────────────────────────


@dataclass(frozen=True, slots=True)
class Probe:
    """How well a linear classifier tells the languages apart.

    Attributes:
        accuracy: share of 1, each vector judged by a classifier that has not seen it.
        low, high: 95 % percentile bootstrap over vectors, or over groups where given.
        chance: accuracy of always naming the most frequent language.
        confusion: (k, k) counts; rows are the true language, columns the one named.
        languages: what the rows and columns of `confusion` stand for.
    """

    accuracy: float
    low: float
    high: float
    chance: float
    confusion: Ints = field(repr=False, compare=False)
    languages: tuple[str, ...]

    def frame(self) -> pd.DataFrame:
        """Return the confusion with its names: rows true, columns named."""
        import pandas as pd

        return pd.DataFrame(
            self.confusion,
            index=pd.Index(self.languages, name="true"),
            columns=pd.Index(self.languages, name="named"),
        )


def language_probe(
    vectors: ArrayLike,
    languages: Sequence[str],
    *,
    groups: Sequence[Hashable] | None = None,
    seed: int = 0,
    folds: int = 5,
) -> Probe:
    """Ask whether a linear classifier can name the language of a vector.

    Standardised components, logistic regression, cross-validation.

    Not for vectors centred by language: all that a logistic regression can use is that the
    languages' means differ. Once they are equal it comes out at or below chance, even where
    the languages differ plainly in another way.

    Args:
        vectors: (n, d) rows.
        languages: (n,) their languages.
        groups: (n,) ids of parallel sentences. Translations then stand in one fold, and the
            interval counts them as one observation.
        seed: of the folds and the bootstrap.
        folds: parts of the cross-validation.

    Raises:
        EncodingError: labels that do not fit, fewer than two languages, or too few rows or
            groups for the folds.
    """
    rows = _rows("vectors", vectors)
    names, truth = _coded("languages", languages, len(rows))
    # Without groups each row is a group of its own.
    group = np.arange(len(rows)) if groups is None else _coded("groups", groups, len(rows))[1]
    _check_folds(names, truth, group, folds)
    named = _cross_validated(rows, truth, group, seed, folds)
    hits = np.bincount(group, named == truth)
    score = ratio(hits, np.bincount(group), seed=seed)
    confusion = np.zeros((len(names), len(names)), dtype=np.int64)
    np.add.at(confusion, (truth, named), 1)
    return Probe(
        accuracy=score.value,
        low=max(score.low, 0.0),
        high=min(score.high, 1.0),
        chance=float(np.bincount(truth).max() / len(truth)),
        confusion=confusion,
        languages=tuple(map(str, names)),
    )


def ratio(top: ArrayLike, bottom: ArrayLike, *, seed: int = 0) -> Score:
    """Return the ratio of two sums with a 95 % interval, the summands being drawn in pairs.

    The bootstrap of `alignment.bootstrap` on the ratio's linearisation: `r + (tᵢ - r bᵢ) / b̄`
    has mean r and, for many pairs, the spread of r (Cochran, 1977, *Sampling Techniques*,
    chapter 6).

    Args:
        top: (n,) summands above the line.
        bottom: (n,) those below; their sum is positive.

    Raises:
        EncodingError: shapes that differ, or a sum below the line that is not positive.
    """
    t, b = np.asarray(top, dtype=np.float64), np.asarray(bottom, dtype=np.float64)
    if t.ndim != 1 or t.shape != b.shape or not b.sum() > 0:
        raise EncodingError(
            f"there is no ratio of sums of {t.shape} and {b.shape} values",
            "give two sequences of one length, the second with a positive sum",
        )
    value = t.sum() / b.sum()
    return bootstrap(value + (t - value * b) / b.mean(), seed=seed)


def _cross_validated(rows: Floats, truth: Ints, group: Ints, seed: int, folds: int) -> Ints:
    """Return the language that each row is given by a classifier trained on other folds."""
    from sklearn.linear_model import LogisticRegression
    from sklearn.model_selection import StratifiedGroupKFold
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import StandardScaler

    languages = int(truth.max()) + 1
    named = np.empty_like(truth)
    # We number the groups anew instead of `shuffle=True`, which scikit-learn 1.6 accepts and, where
    # groups are alike, does not heed.
    drawn = np.random.default_rng(seed).permutation(int(group.max()) + 1)[group]
    for train, test in StratifiedGroupKFold(folds).split(rows, truth, drawn):
        if len(np.unique(truth[train])) < languages:
            raise EncodingError(
                "a language falls into one fold only", "give its sentences more than one group"
            )
        classifier = make_pipeline(StandardScaler(), LogisticRegression(max_iter=1000))
        named[test] = classifier.fit(rows[train], truth[train]).predict(rows[test])
    return named


# ── checks ───────────────────────────────────────────────────────────────────────────────


def _check_texts(texts: Sequence[str]) -> list[str]:
    if isinstance(texts, str):
        raise EncodingError("texts is one string", "give a list, even of one text: [text]")
    given = list(texts)
    for number, text in enumerate(given):
        if not isinstance(text, str):
            raise EncodingError(
                f"text {number} is no string but {type(text).__name__}", "give strings only"
            )
        if not text.strip():
            raise EncodingError(f"text {number} is empty", "leave empty texts out")
    return given


def _check_together(model: Any, tokenizer: Any) -> None:
    if hasattr(model.base_model, "decoder"):
        raise EncodingError(
            "this model is an encoder with a decoder", "give its encoder: model.get_encoder()"
        )
    if len(tokenizer) > model.config.vocab_size:
        raise EncodingError(
            f"the tokenizer has {len(tokenizer)} entries and the model {model.config.vocab_size}",
            "load both under the same name",
        )


def _check_mask(hidden: torch.Tensor, mask: torch.Tensor) -> None:
    if hidden.ndim != 3 or mask.shape != hidden.shape[:2]:
        raise EncodingError(
            f"hidden states {tuple(hidden.shape)} and mask {tuple(mask.shape)} do not fit",
            "give (texts, tokens, d) and (texts, tokens)",
        )
    if not mask.any(dim=1).all():
        raise EncodingError("the mask leaves a text without any token", "leave that text out")


def _check_dimensions(a: tuple[int, ...], b: tuple[int, ...]) -> None:
    if len(a) != 2 or len(b) != 2 or a[1] != b[1]:
        raise EncodingError(
            f"rows of shape {a} cannot be compared with {b}", "give (n, d) and (m, d), one d"
        )


def _check_folds(names: list[Hashable], truth: Ints, group: Ints, folds: int) -> None:
    if len(names) < 2:
        raise EncodingError("a probe needs two languages or more", "add another language")
    fewest = min(int(np.bincount(truth).min()), len(np.unique(group)))
    if not 2 <= folds <= fewest:
        raise EncodingError(
            f"folds is {folds}, and the scarcest language or the groups have {fewest} members",
            "choose from 2 to that number",
        )


def _rows(name: str, vectors: ArrayLike) -> Floats:
    if hasattr(vectors, "toarray"):
        raise EncodingError(
            f"{name} are sparse rows", "give them to retrieve, both sides sparse; or .toarray()"
        )
    rows = np.asarray(vectors, dtype=np.float32)
    if rows.ndim != 2 or not rows.size:
        raise EncodingError(f"{name} has shape {rows.shape}", "give (n, d) rows, not empty")
    if not np.isfinite(rows).all():
        wrong = int(np.argmin(np.isfinite(rows).all(axis=1)))
        raise EncodingError(f"row {wrong} of {name} holds NaN or infinity", "leave it out")
    return rows


def _coded(name: str, labels: Sequence[Hashable], n: int) -> tuple[list[Hashable], Ints]:
    """Return the distinct labels, in order of appearance, and each row's place among them."""
    if isinstance(labels, str) or len(labels) != n:
        raise EncodingError(f"{name} does not have one label a row", f"give a list of {n} labels")
    place = {label: i for i, label in enumerate(dict.fromkeys(labels))}
    return list(place), np.array([place[label] for label in labels], dtype=np.int64)
