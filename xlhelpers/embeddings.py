"""Word vectors: load, save, look up.

A :class:`WordVectors` is a list of words, most frequent first, and a float32 matrix with one row
a word. Three file formats are read and written: text (``.vec``, with or without a header line),
the binary format of word2vec, and the compact ``.npz`` in which the course ships its own vectors.

Convention of the whole package: vectors are ROWS.
"""

from __future__ import annotations

import difflib
import gzip
import os
import warnings
import zipfile
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import IO, Literal, cast

import numpy as np
from numpy.typing import ArrayLike, NDArray

from xlhelpers.errors import CourseError
from xlhelpers.files import replacing

__all__ = [
    "UnknownWordError",
    "VectorFormatError",
    "WordVectors",
    "load",
    "load_npz",
    "load_vec",
    "save_npz",
    "save_vec",
]

Floats = NDArray[np.float32]
OnBad = Literal["error", "skip"]
Errors = Literal["strict", "replace"]


class VectorFormatError(CourseError, ValueError):
    """A vector file does not hold what it should; the message names file, line and remedy."""


class UnknownWordError(CourseError, KeyError):
    """A word is not in the vocabulary; the message lists close spellings."""

    def __str__(self) -> str:  # KeyError would print the message in quotes, with escapes
        return str(self.args[0])


# --------------------------------------------------------------------------- the vectors


class WordVectors:
    """Words, most frequent first, and their vectors.

    Args:
        words: n different words.
        matrix: (n, d) numbers; kept as a C-contiguous float32 array (no copy when it is one).

    Raises:
        ValueError: shapes that disagree, no words, a word twice, or a value that is not finite.
    """

    def __init__(self, words: Iterable[str], matrix: ArrayLike) -> None:
        self.words: list[str] = words if isinstance(words, list) else list(words)
        self.matrix: Floats = np.ascontiguousarray(matrix, dtype=np.float32)
        _check_shape(self.words, self.matrix)
        self.index: dict[str, int] = {word: row for row, word in enumerate(self.words)}
        _check_unique(self.words, self.index)
        _check_finite(self.matrix)
        self._norms: Floats | None = None

    @property
    def dim(self) -> int:
        """Number of dimensions d."""
        return int(self.matrix.shape[1])

    def __len__(self) -> int:
        return len(self.words)

    def __contains__(self, word: object) -> bool:
        return word in self.index

    def __iter__(self) -> Iterator[str]:
        return iter(self.words)

    def __getitem__(self, word: str) -> Floats:
        """The vector of one word, shape (d,). Raises :class:`UnknownWordError` with close spellings."""
        vector: Floats = self.matrix[self.row(word)]
        return vector

    def __repr__(self) -> str:
        start = ", ".join(self.words[:3])
        return f"WordVectors({len(self):,} words x {self.dim}: {start}, ...)"

    def row(self, word: str) -> int:
        """Row number of a word. Raises :class:`UnknownWordError` with close spellings."""
        found = self.index.get(word)
        if found is None:
            raise self._unknown([word])
        return found

    def rows(self, words: Sequence[str]) -> Floats:
        """The vectors of several words, shape (k, d), in the order given.

        Raises:
            UnknownWordError: names the unknown words and close spellings.
        """
        if isinstance(words, str):
            raise TypeError(f"rows() takes a list of words; for one word use vectors[{words!r}]")
        missing = [word for word in words if word not in self.index]
        if missing:
            raise self._unknown(missing)
        taken: Floats = self.matrix[[self.index[word] for word in words]]
        return taken.reshape(len(words), self.dim)

    def head(self, n: int) -> WordVectors:
        """The n most frequent words (all of them when there are fewer). Shares memory."""
        if n < 1:
            raise ValueError(f"head(n) needs n of at least 1, got {n}")
        return WordVectors(self.words[:n], self.matrix[:n])

    def normalised(self, centre: bool = True) -> WordVectors:
        """A copy with rows of length 1.

        With ``centre`` the steps are those of Artetxe et al. (2018, AAAI): length 1, subtract the
        mean vector, length 1 again. A row of zeros has no direction: it stays zero, does not
        count in the mean, and a warning names its word. So does a row that equals the mean.
        """
        out = self.matrix.copy()
        zero = _to_unit_length(out)
        if centre and not zero.all():
            out -= out.mean(axis=0, dtype=np.float64, where=~zero[:, None]).astype(np.float32)
            out[zero] = 0.0
            zero = _to_unit_length(out)
        if zero.any():
            _warn_zero_rows([self.words[i] for i in np.flatnonzero(zero)], centre)
        return WordVectors(self.words, out)

    def most_similar(self, word: str | ArrayLike, k: int = 10) -> list[tuple[str, float]]:
        """The k words of highest cosine to a word (itself left out) or to a vector of shape (d,).

        Returns:
            (word, cosine) pairs, best first; words with a zero vector never appear.

        Raises:
            UnknownWordError: the message lists close spellings.
            ValueError: a zero vector, a wrong shape, or k below 1.
        """
        if k < 1:
            raise ValueError(f"k must be at least 1, got {k}")
        own = self.row(word) if isinstance(word, str) else None
        vector = self.matrix[own] if own is not None else np.asarray(word, dtype=np.float32)
        if vector.shape != (self.dim,):
            raise ValueError(f"expected a vector of shape ({self.dim},), got {vector.shape}")
        length = float(np.linalg.norm(vector))
        if not length or not np.isfinite(length):
            raise ValueError("cosine needs a finite vector that is not all zeros")
        cosines = self._cosines(vector / length)
        if own is not None:
            cosines[own] = -np.inf
        best = np.argsort(-cosines, kind="stable")[:k]
        return [(self.words[i], float(cosines[i])) for i in best if np.isfinite(cosines[i])]

    def _cosines(self, unit: Floats) -> Floats:
        if self._norms is None:
            self._norms = np.linalg.norm(self.matrix, axis=1)
        zero = self._norms == 0
        cosines: Floats = self.matrix @ unit / np.where(zero, 1.0, self._norms)
        cosines[zero] = -np.inf
        return cosines

    def _unknown(self, missing: Sequence[str]) -> UnknownWordError:
        shown = ", ".join(repr(word) for word in missing[:5])
        more = f" and {len(missing) - 5} more" if len(missing) > 5 else ""
        close = self._close_spellings(missing[0])
        return UnknownWordError(
            f"not in the vocabulary of {len(self):,} words: {shown}{more}",
            f"close spellings of {missing[0]!r}: {', '.join(close)}" if close else "",
        )

    def _close_spellings(self, word: object, limit: int = 5) -> list[str]:
        """A few words of the vocabulary that look like this one; bounded work on any size."""
        if not isinstance(word, str) or not word:
            return []
        folded = word.casefold()
        near: list[str] = []
        for known in self.words[:50_000]:
            if abs(len(known) - len(word)) <= 2:
                if known.casefold() == folded:
                    near.insert(0, known)
                elif known[:1].casefold() == folded[:1]:
                    near.append(known)
            if len(near) >= 5_000:
                break
        return difflib.get_close_matches(word, near, n=limit, cutoff=0.6)


def _check_shape(words: Sequence[str], matrix: Floats) -> None:
    if matrix.ndim != 2:
        raise ValueError(f"the matrix must have 2 dimensions (words, d), got {matrix.ndim}")
    if len(words) != matrix.shape[0]:
        raise ValueError(
            f"{len(words)} words but {matrix.shape[0]} rows: give one row a word, in the same order"
        )
    if not words or not matrix.shape[1]:
        raise ValueError("word vectors need at least one word and one dimension")


def _check_unique(words: Sequence[str], index: dict[str, int]) -> None:
    if len(index) != len(words):
        twice = next(word for row, word in enumerate(words) if index[word] != row)
        raise ValueError(
            f"{len(words) - len(index)} words occur more than once, for instance {twice!r}: "
            "keep the first of each"
        )


def _check_finite(matrix: Floats, block: int = 16_384) -> None:
    for start in range(0, matrix.shape[0], block):
        good = np.isfinite(matrix[start : start + block]).all(axis=1)
        if not good.all():
            row = start + int(np.argmin(good))
            raise ValueError(f"row {row} holds NaN or infinity: drop the word or rebuild the file")


def _to_unit_length(matrix: Floats, block: int = 16_384) -> NDArray[np.bool_]:
    """Scale rows to length 1 in place; returns which rows are zero (and stay so)."""
    zero = np.zeros(matrix.shape[0], dtype=bool)
    for start in range(0, matrix.shape[0], block):
        part = matrix[start : start + block]
        norms = np.sqrt(np.einsum("ij,ij->i", part, part, dtype=np.float64))
        # A row that is the mean up to rounding has a length near 1e-8 and no direction to keep.
        tiny = norms < 1e-7 * max(1.0, float(norms.max(initial=0.0)))
        zero[start : start + block] = tiny
        part /= np.where(tiny, 1.0, norms)[:, None].astype(np.float32)
        part[tiny] = 0.0
    return zero


def _warn_zero_rows(words: Sequence[str], centre: bool) -> None:
    shown = ", ".join(repr(word) for word in words[:5])
    more = f" and {len(words) - 5} more" if len(words) > 5 else ""
    why = "all zeros (or equal to the mean)" if centre else "all zeros"
    warnings.warn(
        f"{len(words)} word vectors are {why} and stay zero: {shown}{more}. "
        "Leave these words out of training and retrieval.",
        stacklevel=3,
    )


# --------------------------------------------------------------------------- text


def load_vec(
    path: str | os.PathLike[str],
    max_vocab: int | None = None,
    *,
    on_bad: OnBad = "error",
    errors: Errors = "strict",
) -> WordVectors:
    """Read word vectors from text: one word a line, then d numbers, split on plain spaces."""
    name = Path(path)
    words: list[str] = []
    rows: list[Floats] = []
    seen: set[str] = set()
    with _opened(name) as handle:
        lines = iter(handle)
        first = next(lines, b"").rstrip(b"\r\n ").split(b" ")
        if not (len(first) == 2 and all(part.isdigit() for part in first)):
            lines = iter([b" ".join(first), *lines])
        for number, line in enumerate(lines, start=1):
            if max_vocab is not None and len(words) >= max_vocab:
                break
            word_bytes, *fields = line.rstrip(b"\r\n ").split(b" ")
            word = word_bytes.decode("utf-8", errors=errors)
            if word in seen:
                continue
            seen.add(word)
            words.append(word)
            rows.append(np.array([float(field) for field in fields], dtype=np.float32))
            if len(rows[-1]) != len(rows[0]):
                raise VectorFormatError(f"{name}, vector {number}: {len(rows[-1])} numbers")
    return WordVectors(words, np.stack(rows))


def _opened(path: Path) -> IO[bytes]:
    """Open for reading; gzip is recognised by its first two bytes, whatever the name."""
    with path.open("rb") as probe:
        zipped = probe.read(2) == b"\x1f\x8b"
    return cast("IO[bytes]", gzip.open(path, "rb")) if zipped else path.open("rb")


def save_vec(vectors: WordVectors, path: str | os.PathLike[str]) -> None:
    """Write text with a header line; every number reads back as the same float32."""
    with replacing(Path(path)) as temporary, temporary.open("wb") as handle:
        handle.write(f"{len(vectors)} {vectors.dim}\n".encode())
        for word, row in zip(vectors.words, vectors.matrix, strict=True):
            handle.write(f"{word} {' '.join(map(str, row))}\n".encode())


# --------------------------------------------------------------------------- shipped format


def load_npz(path: str | os.PathLike[str], max_vocab: int | None = None) -> WordVectors:
    """Read the format in which the course ships vectors (see :func:`save_npz`)."""
    try:
        with np.load(path, allow_pickle=False) as arrays:
            matrix, words = arrays["matrix"], arrays["words"]
    except (ValueError, KeyError, OSError, zipfile.BadZipFile) as error:
        raise VectorFormatError(f"{path} is not a vector file of the course: {error}") from error
    names = words.tobytes().decode("utf-8").split("\n")
    return WordVectors(names[:max_vocab], matrix[:max_vocab].astype(np.float32))


def save_npz(vectors: WordVectors, path: str | os.PathLike[str]) -> None:
    """Write words and a float16 matrix, about a third of the text's size or less."""
    words = np.frombuffer("\n".join(vectors.words).encode("utf-8"), dtype=np.uint8)
    with replacing(Path(path)) as temporary, temporary.open("wb") as handle:
        np.savez_compressed(handle, matrix=vectors.matrix.astype(np.float16), words=words)


def load(lang: str, max_vocab: int | None = None) -> WordVectors:
    """The course's vectors of a language, from the current model set."""
    from xlhelpers import assets, settings

    if settings.current().models == "mini":
        return load_npz(assets.path(f"vectors/{lang}.npz"), max_vocab)
    from xlhelpers import hub

    return load_vec(hub.fasttext_vectors(lang, max_vocab or 200_000), max_vocab)
