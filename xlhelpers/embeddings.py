"""Word vectors: load, save, look up.

A :class:`WordVectors` is a list of words, most frequent first, and a float32 matrix with one row
a word. Three file formats are read and written: text (``.vec``, with or without a header line),
the binary format of word2vec, and the compact ``.npz`` in which the course ships its own vectors.

Convention of the whole package: vectors are ROWS.
"""

from __future__ import annotations

import codecs
import difflib
import gzip
import os
import re
import warnings
import zipfile
import zlib
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from itertools import islice
from pathlib import Path
from typing import IO, Literal, cast

import numpy as np
from numpy.typing import ArrayLike, NDArray

from xlhelpers import _vec_text
from xlhelpers.errors import CourseError
from xlhelpers.files import replacing

__all__ = [
    "UnknownWordError",
    "VectorFormatError",
    "WordVectors",
    "load",
    "load_npz",
    "load_vec",
    "load_word2vec_bin",
    "save_npz",
    "save_vec",
    "save_word2vec_bin",
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

    @classmethod
    def _checked(cls, index: dict[str, int], matrix: Floats) -> WordVectors:
        """Vectors whose checks a loader has done already."""
        vectors = cls.__new__(cls)
        vectors.words, vectors.index, vectors.matrix = list(index), index, matrix
        vectors._norms = None
        return vectors

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
        """The vector of one word, shape (d,); :class:`UnknownWordError` when it is not there."""
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

        With ``centre`` the steps are those of Artetxe et al. (2018, ACL): length 1, subtract the
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
        cosines = self.matrix @ unit / np.where(zero, 1.0, self._norms)
        cosines[zero] = -np.inf
        return cast("Floats", cosines)

    def _unknown(self, missing: Sequence[str]) -> UnknownWordError:
        shown = ", ".join(repr(word) for word in missing[:5])
        more = f" and {len(missing) - 5} more" if len(missing) > 5 else ""
        close = [repr(word) for word in self._close_spellings(missing[0])]
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
    """Read word vectors from text: a word, then d numbers, split on plain spaces, a word a line.

    A header line (``words d``) may come first; it is told from a vector by the second line. Words
    may hold any character but space and newline (real files have no-break spaces in words) and
    may be empty. A word that comes twice keeps its first vector, with a warning. Empty lines are
    passed over. Gzip is recognised by content. Every number equals
    ``numpy.float32(float(text))``. Peak memory is that of the result and a few megabytes.

    Args:
        path: the file.
        max_vocab: stop after so many words (files are sorted by frequency); None reads all.
        on_bad: ``"error"`` refuses a file with a line that does not fit; ``"skip"`` leaves such
            lines out, with a warning that counts them.
        errors: a word that is no UTF-8 makes its line bad under ``"strict"``; ``"replace"`` puts
            U+FFFD in place of the bad bytes.

    Raises:
        VectorFormatError: names the file, the line (from 1) and what was found there; also for a
            header that promises more or fewer words, an empty file, or a file of another kind.
    """
    name = Path(path)
    _check_choice("on_bad", on_bad, ("error", "skip"))
    _check_choice("errors", errors, ("strict", "replace"))
    _check_max_vocab(max_vocab)
    reader = _TextReader(name, max_vocab, on_bad, errors)
    with _opened(name) as handle:
        head = handle.read(4096)
        _refuse_other_kinds(name, head)
        handle.seek(len(codecs.BOM_UTF8) if head.startswith(codecs.BOM_UTF8) else 0)
        for block in _vec_text.blocks(handle):
            reader.add(block)
            if reader.full:
                break
    return reader.result()


class _TextReader:
    """Collects words and vectors block by block."""

    def __init__(self, name: Path, limit: int | None, on_bad: OnBad, errors: Errors) -> None:
        self.name, self.limit, self.on_bad, self.errors = name, limit, on_bad, errors
        self.promised: int | None = None
        self.seen: dict[str, int] = {}
        self.matrix: Floats = np.empty((0, 0), dtype=np.float32)
        self.bad: list[_vec_text.Bad] = []
        self.twice: list[str] = []
        self.scratch = _vec_text.Scratch(0)

    @property
    def full(self) -> bool:
        """Whether as many words were read as were asked for."""
        return self.limit is not None and len(self.seen) >= self.limit

    def add(self, block: _vec_text.Block) -> None:
        """Read a block's lines, as many as are still wanted."""
        if not self.matrix.size:
            block = self._start(block)
        at = 0
        while at < len(block.ends) and not self.full:
            wanted = len(block.ends) - at
            if self.limit is not None:
                wanted = min(wanted, self.limit - len(self.seen))
            self._add_lines(block.part(at, at + wanted))
            at += wanted

    def _start(self, block: _vec_text.Block) -> _vec_text.Block:
        """Find out about header, dimension and memory from the first two lines."""
        empty = [not line.strip(b" \r") for line in block.lines()]
        block = block.part(empty.index(False) if False in empty else len(empty), len(empty))
        if not len(block.ends):
            return block
        first, *rest = block.part(0, 2).lines()
        header, dim = _header(first), _n_fields(first) - 1
        second = _n_fields(rest[0]) - 1 if rest else None
        if header and second == header[1]:
            self.promised, dim = header
            block = block.part(1, len(block.ends))
        elif header and second != 1:
            found = "there is no line 2" if second is None else f"line 2 holds {second}"
            raise VectorFormatError(
                f"{self.name}: line 1 promises {header[1]} numbers a word, but {found}",
                "the file may be cut off; fetch or write it again, or correct line 1",
            )
        if dim < 1:
            raise VectorFormatError(
                f"{self.name}, line {block.line}: a single field ({_shown(first)}), where a word "
                "and its numbers should stand",
                "fields are split on plain spaces, not on tabs or commas: convert the file",
            )
        self._make_room(block, dim)
        return block

    def _make_room(self, block: _vec_text.Block, dim: int) -> None:
        """Guess the number of rows, a little too high: rows never touched take no memory."""
        per_line = max((int(block.ends[-1]) - block.begin) / len(block.ends), 2.0 * dim)
        guess = int(1.1 * self.name.stat().st_size / per_line)
        if self.promised is not None:
            guess = min(guess, self.promised)
        if self.limit is not None:
            guess = min(guess, self.limit)
        self.matrix = np.empty((guess + len(block.ends), dim), dtype=np.float32)

    def _add_lines(self, block: _vec_text.Block) -> None:
        row = len(self.seen)
        if row + len(block.ends) > len(self.matrix):
            # The system moves pages to grow an array; there is no second copy at the peak.
            rows = (row + len(block.ends)) * 3 // 2
            self.matrix.resize((rows, self.matrix.shape[1]), refcheck=False)
        out = self.matrix[row : row + len(block.ends)]
        found = _vec_text.parse(block, out, self.scratch)
        self.bad += found.bad
        try:
            words = [word.decode("utf-8", errors=self.errors) for word in found.words]
        except UnicodeDecodeError:
            words, spelled = self._decoded(found)
            out[: len(words)] = out[spelled]
        self.seen.update(zip(words, range(row, row + len(words)), strict=True))
        if len(self.seen) < row + len(words):
            kept = self._first_ones(words, len(self.seen) - row)
            out[: sum(kept)] = out[: len(kept)][kept]
        if self.bad and self.on_bad == "error":
            self._refuse(min(self.bad))

    def _decoded(self, found: _vec_text.Rows) -> tuple[list[str], list[int]]:
        """The words that are UTF-8 and which they are; the others are noted as bad."""
        words, spelled = [], []
        for i, raw in enumerate(found.words):
            try:
                words.append(raw.decode("utf-8"))
                spelled.append(i)
            except UnicodeDecodeError as error:
                what = (
                    f"the word {_shown(raw)} is no UTF-8 ({error.reason}, byte {error.start + 1})"
                )
                self.bad.append(_vec_text.Bad(int(found.lines[i]), what))
        return words, spelled

    def _first_ones(self, words: list[str], n_new: int) -> list[bool]:
        """Which of the words just added were new; the others are noted as duplicates.

        A dictionary keeps the order in which keys came, so the new ones are its last. The row
        numbers of words seen again are wrong now; :meth:`result` numbers all of them afresh.
        """
        new = set(islice(reversed(self.seen), n_new))
        kept = []
        for word in words:
            kept.append(word in new)
            new.discard(word)
        self.twice += [word for word, first in zip(words, kept, strict=True) if not first]
        return kept

    def _refuse(self, bad: _vec_text.Bad) -> None:
        remedy = 'load with on_bad="skip" to leave such lines out, or fetch the file again'
        if "UTF-8" in bad.found:
            remedy = 'load with errors="replace", or convert the file to UTF-8'
        raise VectorFormatError(f"{self.name}, line {bad.line}: {bad.found}", remedy)

    def result(self) -> WordVectors:
        """The vectors; warns of what was left out."""
        lines = len(self.seen) + len(self.bad) + len(self.twice)
        if not lines:
            raise VectorFormatError(f"{self.name} is empty", "fetch or write the file again")
        if not self.seen:
            self._refuse(min(self.bad))
        complete = self.limit is None or lines < self.limit
        if self.promised is not None and complete and lines != self.promised:
            self._wrong_count(lines)
        if self.bad:
            where = ", ".join(str(bad.line) for bad in sorted(self.bad)[:5])
            _warn(f"{self.name}: {len(self.bad)} bad lines left out, the first at {where}")
        _warn_twice(self.name, self.twice)
        self.matrix.resize((len(self.seen), self.matrix.shape[1]), refcheck=False)
        if self.twice:
            self.seen = {word: row for row, word in enumerate(self.seen)}
        return WordVectors._checked(self.seen, self.matrix)

    def _wrong_count(self, lines: int) -> None:
        problem = f"{self.name}: line 1 promises {self.promised} words, the file holds {lines}"
        if self.on_bad == "skip":
            _warn(problem)
            return
        raise VectorFormatError(
            problem,
            'fetch the file again if it was cut off; load with on_bad="skip" to use what is there',
        )


def _header(line: bytes) -> tuple[int, int] | None:
    """(words, dimension) of a header line, None for any other line."""
    fields = line.rstrip(b" \r").split(b" ")
    if len(fields) == 2 and all(re.fullmatch(rb"[0-9]{1,12}", field) for field in fields):
        return int(fields[0]), int(fields[1])
    return None


def _n_fields(line: bytes) -> int:
    return len(line.rstrip(b" \r").split(b" "))


def _shown(raw: bytes) -> str:
    """Bytes of a file for a message: short, with odd characters escaped."""
    text = raw[:30].decode("utf-8", errors="backslashreplace")
    return ascii(text) + ("..." if len(raw) > 30 else "")


FASTTEXT_MODEL = (793712314).to_bytes(4, "little")


def _refuse_other_kinds(name: Path, head: bytes) -> None:
    """A clear word about files that are no text."""
    if head.startswith(b"PK\x03\x04"):
        raise VectorFormatError(f"{name} is a zip file", "unpack it, or use load_npz for .npz")
    if head.startswith(FASTTEXT_MODEL):
        raise VectorFormatError(f"{name} is a fastText model", "take the .vec file of the same set")
    if b"\0" in head:
        raise VectorFormatError(f"{name} is no text", "use load_word2vec_bin for word2vec binary")


@contextmanager
def _opened(path: Path) -> Iterator[IO[bytes]]:
    """Open for reading; gzip is recognised by its first two bytes, whatever the name."""
    with path.open("rb") as probe:
        zipped = probe.read(2) == b"\x1f\x8b"
    try:
        if zipped:
            with gzip.open(path, "rb") as unzipped:
                yield cast("IO[bytes]", unzipped)
        else:
            with path.open("rb") as plain:
                yield plain
    except (EOFError, zlib.error, gzip.BadGzipFile) as error:
        raise VectorFormatError(
            f"{path} is damaged or cut off: {error}", "fetch the file again"
        ) from error


def _check_choice(name: str, value: str, allowed: tuple[str, ...]) -> None:
    if value not in allowed:
        raise ValueError(f"{name} must be one of {', '.join(map(repr, allowed))}, got {value!r}")


def _check_max_vocab(max_vocab: int | None) -> None:
    if max_vocab is not None and max_vocab < 1:
        raise ValueError(f"max_vocab must be at least 1, or None for all; got {max_vocab}")


def _warn(message: str) -> None:
    warnings.warn(message, stacklevel=4)


def _warn_twice(name: Path, words: list[str]) -> None:
    if words:
        shown = ", ".join(map(repr, words[:5])) + (", ..." if len(words) > 5 else "")
        _warn(f"{name}: {len(words)} words came again and kept their first vector: {shown}")


@contextmanager
def _writing(path: Path) -> Iterator[IO[bytes]]:
    """Write to a temporary file that replaces ``path`` at the end; gzip when the name says so."""
    with replacing(path) as temporary, temporary.open("wb") as handle:
        if path.suffix == ".gz":
            # No name and no time inside, so that the same vectors give the same bytes.
            with gzip.GzipFile("", "wb", fileobj=handle, mtime=0) as zipped:
                yield cast("IO[bytes]", zipped)
        else:
            yield handle


def _check_words_fit(words: Sequence[str], forbidden: str) -> None:
    for word in words:
        if any(letter in word for letter in forbidden):
            raise ValueError(
                f"the word {word!r} holds a space or a line end, which this format cannot keep: "
                "replace it, or save with save_npz"
            )


def save_vec(
    vectors: WordVectors,
    path: str | os.PathLike[str],
    *,
    header: bool = True,
    decimals: int | None = None,
) -> None:
    """Write text, one word a line; gzip when the name ends in ``.gz``.

    Args:
        vectors: words and vectors.
        path: the file; it is replaced at once when all is written.
        header: write ``words d`` first.
        decimals: round to so many; None writes the shortest digits that read back as the same
            float32.

    Raises:
        ValueError: a word holds a space or a line end.
    """
    _check_words_fit(vectors.words, " \n")
    with _writing(Path(path)) as handle:
        if header:
            handle.write(f"{len(vectors)} {vectors.dim}\n".encode())
        pattern = None if decimals is None else " ".join([f"%.{decimals}f"] * vectors.dim)
        for word, row in zip(vectors.words, vectors.matrix, strict=True):
            numbers = " ".join(map(str, row)) if pattern is None else pattern % tuple(row.tolist())
            handle.write(f"{word} {numbers}\n".encode())


# --------------------------------------------------------------------------- word2vec binary


def load_word2vec_bin(
    path: str | os.PathLike[str], max_vocab: int | None = None, *, errors: Errors = "strict"
) -> WordVectors:
    """Read the binary format of word2vec: a header line, then word, space, d float32 numbers.

    Both habits are read: with a newline after each vector (word2vec) and without (gensim).

    Raises:
        VectorFormatError: a file that is cut off, too long, or of another kind; a word that is no
            UTF-8 under ``errors="strict"``; a value that is not finite.
    """
    name = Path(path)
    _check_choice("errors", errors, ("strict", "replace"))
    _check_max_vocab(max_vocab)
    with _opened(name) as handle:
        count, dim = _binary_header(name, handle.readline(64))
        wanted = count if max_vocab is None else min(count, max_vocab)
        seen: dict[str, int] = {}
        twice: list[str] = []
        # A header can promise anything; believe no more than the file can hold.
        rows = min(wanted, name.stat().st_size // (4 * dim) * (4 if _is_gzip(name) else 1) + 1)
        matrix = np.empty((rows, dim), dtype=np.float32)
        for number, (raw, vector) in enumerate(_binary_records(name, handle, dim, count), start=1):
            word = _binary_word(name, raw, number, errors)
            if word in seen:
                twice.append(word)
            else:
                if len(seen) == len(matrix):
                    matrix.resize((2 * len(matrix), dim), refcheck=False)
                matrix[len(seen)] = vector
                seen[word] = len(seen)
            if max_vocab is not None and len(seen) == max_vocab:
                break
    matrix.resize((len(seen), dim), refcheck=False)
    _warn_twice(name, twice)
    return _finite_vectors(name, list(seen), matrix)


def _is_gzip(path: Path) -> bool:
    with path.open("rb") as probe:
        return probe.read(2) == b"\x1f\x8b"


def _binary_header(name: Path, line: bytes) -> tuple[int, int]:
    if not line:
        raise VectorFormatError(f"{name} is empty", "fetch or write the file again")
    header = _header(line.rstrip(b"\n")) if line.endswith(b"\n") else None
    if header is None or not header[1]:
        raise VectorFormatError(
            f"{name} does not start with a line 'words d' but with {_shown(line)}",
            "use load_vec for text and load_npz for .npz",
        )
    return header


def _binary_records(
    name: Path, handle: IO[bytes], dim: int, count: int
) -> Iterator[tuple[bytes, Floats]]:
    """Word and vector of each record; a vector is valid until the next is asked for."""
    size, at, buffer = 4 * dim, 0, b""
    for number in range(1, count + 1):
        space = buffer.find(b" ", at)
        while space < 0 or space + 1 + size > len(buffer):
            more = handle.read(max(1 << 20, size))
            if not more:
                raise VectorFormatError(
                    f"{name} promises {count} words and ends inside word {number}",
                    "the file is cut off, or its first line is wrong: fetch it again",
                )
            buffer, at = buffer[at:] + more, 0
            space = buffer.find(b" ", at)
            if space > LONGEST_WORD or (space < 0 and len(buffer) > LONGEST_WORD):
                raise _no_word(name, number)
        record = buffer[space + 1 : space + 1 + size]
        if number == 1 and dim > 1 and re.fullmatch(rb"[0-9.eE+\- \n]+", record):
            raise VectorFormatError(f"{name} holds its numbers as text", "use load_vec")
        yield buffer[at:space].lstrip(b"\n"), np.frombuffer(record, dtype="<f4")
        at = space + 1 + size
    if (buffer[at:] + handle.read(64)).strip(b"\n"):
        raise _too_long(name, count)


LONGEST_WORD = 1 << 16


def _no_word(name: Path, number: int) -> VectorFormatError:
    return VectorFormatError(
        f"{name}: no word where word {number} should stand",
        "the file is damaged, or its first line gives the wrong dimension: fetch it again",
    )


def _too_long(name: Path, count: int) -> VectorFormatError:
    return VectorFormatError(
        f"{name} goes on after the {count} words that its first line promises",
        "its first line is wrong: fetch it again, or give max_vocab to read the first words only",
    )


def _binary_word(name: Path, raw: bytes, number: int, errors: Errors) -> str:
    try:
        return raw.decode("utf-8", errors=errors)
    except UnicodeDecodeError as error:
        raise VectorFormatError(
            f"{name}, word {number}: {_shown(raw)} is no UTF-8 ({error.reason})",
            'load with errors="replace"; if most words look odd, the dimension in line 1 is wrong',
        ) from error


def _finite_vectors(name: Path, words: list[str], matrix: Floats) -> WordVectors:
    try:
        return WordVectors(words, matrix)
    except ValueError as error:
        raise VectorFormatError(f"{name}: {error}", "fetch or write the file again") from error


def save_word2vec_bin(vectors: WordVectors, path: str | os.PathLike[str]) -> None:
    """Write the binary format of word2vec, with a newline after each vector as its authors do.

    Raises:
        ValueError: a word holds a space or a line end.
    """
    _check_words_fit(vectors.words, " \n")
    rows = vectors.matrix.astype("<f4", copy=False)
    with _writing(Path(path)) as handle:
        handle.write(f"{len(vectors)} {vectors.dim}\n".encode())
        for word, row in zip(vectors.words, rows, strict=True):
            handle.write(word.encode("utf-8") + b" " + row.tobytes() + b"\n")


# --------------------------------------------------------------------------- shipped format


def load_npz(path: str | os.PathLike[str], max_vocab: int | None = None) -> WordVectors:
    """Read the format in which the course ships vectors (see :func:`save_npz`).

    Raises:
        VectorFormatError: a file of another kind, cut off, or with rows and words that disagree.
    """
    name = Path(path)
    _check_max_vocab(max_vocab)
    try:
        with np.load(name, allow_pickle=False) as arrays:
            matrix, packed = arrays["matrix"], arrays["words"]
        words = packed.tobytes().decode("utf-8").split("\n")
    except FileNotFoundError:
        raise
    except (
        ValueError,
        KeyError,
        TypeError,
        EOFError,
        OSError,
        zlib.error,
        zipfile.BadZipFile,
    ) as error:
        raise VectorFormatError(
            f"{name} is not a vector file of the course: {error}",
            "fetch it again; load_vec reads text and load_word2vec_bin word2vec binary",
        ) from error
    if matrix.ndim != 2 or len(words) != len(matrix):
        raise VectorFormatError(
            f"{name}: {len(words)} words, matrix of shape {matrix.shape}", "fetch the file again"
        )
    return _finite_vectors(name, words[:max_vocab], matrix[:max_vocab].astype(np.float32))


def save_npz(vectors: WordVectors, path: str | os.PathLike[str]) -> None:
    """Write the course's compact format: numpy's ``.npz`` without pickles.

    It holds ``matrix``, float16 (n, d), and ``words``, the UTF-8 bytes of all words joined by
    newlines, most frequent first. Float16 keeps 3 significant digits. The same vectors give the
    same bytes.

    Raises:
        ValueError: a word holds a newline, or a value is too large for float16.
    """
    if any("\n" in word for word in vectors.words):
        raise ValueError("a word holds a newline, which separates words in this format")
    largest = float(np.abs(vectors.matrix).max())
    if largest > float(np.finfo(np.float16).max):
        raise ValueError(f"{largest:g} is too large for float16: normalise the vectors first")
    words = np.frombuffer("\n".join(vectors.words).encode("utf-8"), dtype=np.uint8)
    with replacing(Path(path)) as temporary, temporary.open("wb") as handle:
        np.savez_compressed(handle, matrix=vectors.matrix.astype(np.float16), words=words)


# Of fastText's millions of words the course reads the most frequent: 24 MB a language.
_HUB_WORDS = 20_000


def load(lang: str, max_vocab: int | None = None) -> WordVectors:
    """The course's vectors of a language: our own under ``mini``, fastText's under ``hub``.

    Args:
        lang: ISO 639-1 code, such as ``"de"``.
        max_vocab: the most frequent so many; when None all of our own, or 20,000 of fastText's.

    Raises:
        UnknownLanguageError: there is no such language.
        CourseError: we have no vectors of it.
        AssetError: the file is missing or altered.
    """
    from xlhelpers import assets, languages, settings

    name = languages.get(lang).name
    if settings.current().models == "hub":
        from xlhelpers import hub

        wanted = max_vocab or _HUB_WORDS
        return load_vec(hub.fasttext_vectors(lang, wanted), wanted)
    shipped = sorted(a[8:-4] for a in assets.manifest() if a.startswith("vectors/"))
    if lang not in shipped:
        raise CourseError(
            f"the course has no vectors of its own for {name}",
            f'choose among {", ".join(shipped)}, or xl.use("hub")',
        )
    return load_npz(assets.path(f"vectors/{lang}.npz"), max_vocab)
