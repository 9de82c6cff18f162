"""The machinery behind :mod:`xlhelpers.alignment.retrieval`: exact search in bounded memory.

Cosines are computed in float32, block by block. A float32 dot product of two vectors of length 1
is off by at most ``d * 2**-24`` (Higham, 2002, section 3.1, any order of summation), so a
decision that is closer than that is taken again in float64. What comes out is the ranking that
the numbers in the vectors define, whatever the blocks were.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float32]
Doubles = NDArray[np.float64]
Ints = NDArray[np.int64]
AnyFloats = NDArray[np.floating]

# Rows of one matrix product. 1,000 and more is where BLAS runs at full speed.
ROWS = 1024
# Float64 scores that agree to so many decimals are a tie; the lower row number comes first.
TIE_DECIMALS = 12


def cosine_error(dim: int) -> float:
    """Bound on the error of a float32 cosine of vectors of length 1 (to a thousandth)."""
    return 1.01 * (dim + 2) * 2.0**-24


def csls_error(dim: int) -> float:
    """Bound on the error of ``2 cos(x, y) - r(y)`` in float32."""
    return 3 * cosine_error(dim) + 4 * 2.0**-23


def spans(length: int, size: int) -> Iterator[slice]:
    """Consecutive slices of at most ``size``."""
    for start in range(0, length, size):
        yield slice(start, min(start + size, length))


def columns_for(memory: int, rows: int = ROWS) -> int:
    """Columns of a block of cosines, so that it and the work on it stay within the memory."""
    return max(64, min(8192, memory // (16 * min(rows, ROWS))))


# --------------------------------------------------------------------------- the best so far


class Best:
    """The k largest values seen so far in each row, unsorted; on request also their columns."""

    def __init__(self, rows: int, k: int, *, places: bool = False, exact: bool = False) -> None:
        self.values: AnyFloats = np.full(
            (rows, k), -np.inf, dtype=np.float64 if exact else np.float32
        )
        self.places: Ints | None = np.full((rows, k), -1, dtype=np.int64) if places else None

    def part(self, rows: slice | Ints) -> Best:
        """Some of the rows: a view for a slice, a copy for row numbers."""
        part = object.__new__(Best)
        part.values = self.values[rows]
        part.places = None if self.places is None else self.places[rows]
        return part

    def add(self, block: AnyFloats, first_column: int = 0) -> None:
        """Take in a block of shape (rows, m) whose columns start at ``first_column``."""
        k, m = self.values.shape[1], block.shape[1]
        hits = np.flatnonzero(block > self.values.min(axis=1)[:, None])
        if len(hits) > block.size // 8:
            kept = np.argpartition(block, max(m - k, 0), axis=1)[:, -k:]
            values = np.take_along_axis(block, kept, axis=1)
            self._merge(slice(None), values, kept + first_column)
        elif len(hits):
            rows, places = np.divmod(hits, m)
            self._add_hits(rows, block.ravel()[hits], places + first_column)

    def add_columns(self, block: AnyFloats, first_row: int = 0) -> None:
        """Take in a block of shape (m, rows): its columns are the rows of this object."""
        hits = np.flatnonzero(block > self.values.min(axis=1))
        if len(hits) > block.size // 8:
            self.add(np.ascontiguousarray(block.T), first_row)
        elif len(hits):
            places, rows = np.divmod(hits, block.shape[1])
            order = np.argsort(rows, kind="stable")
            self._add_hits(rows[order], block.ravel()[hits[order]], places[order] + first_row)

    def _add_hits(self, rows: Ints, values: AnyFloats, places: Ints) -> None:
        """Merge single values; ``rows`` ascend."""
        starts = np.flatnonzero(np.diff(rows, prepend=-1))
        counts = np.diff(starts, append=len(rows))
        line = np.repeat(np.arange(len(starts)), counts)
        rank = np.arange(len(rows)) - starts[line]
        padded = np.full((len(starts), int(counts.max())), -np.inf, dtype=self.values.dtype)
        padded_places = np.full(padded.shape, -1, dtype=np.int64)
        padded[line, rank], padded_places[line, rank] = values, places
        self._merge(rows[starts], padded, padded_places)

    def _merge(self, rows: slice | Ints, values: AnyFloats, places: Ints) -> None:
        k = self.values.shape[1]
        values = np.concatenate([self.values[rows], values], axis=1)
        if self.places is None:
            self.values[rows] = np.partition(values, values.shape[1] - k, axis=1)[:, -k:]
            return
        places = np.concatenate([self.places[rows], places], axis=1)
        kept = np.argpartition(values, values.shape[1] - k, axis=1)[:, -k:]
        self.values[rows] = np.take_along_axis(values, kept, axis=1)
        self.places[rows] = np.take_along_axis(places, kept, axis=1)

    def mean(self) -> AnyFloats:
        """Mean of each row's k values."""
        means: AnyFloats = self.values.mean(axis=1)
        return means


def scan(best: Best, rows: AnyFloats, others: AnyFloats, memory: int) -> None:
    """Add the cosines of the rows to all others."""
    columns = columns_for(memory, len(rows))
    for across in spans(len(others), columns):
        for down in spans(len(rows), ROWS):
            best.part(down).add(rows[down] @ others[across].T, across.start)


def nearest_mean(rows: Floats, others: Floats, neighbours: int, memory: int) -> AnyFloats:
    """Mean cosine of each row to its nearest others (all of them when they are fewer)."""
    best = Best(len(rows), min(neighbours, len(others)))
    scan(best, rows, others, memory)
    return best.mean()


def exact_nearest_mean(rows: Floats, others: Floats, neighbours: int, memory: int) -> Doubles:
    """The same, computed in float64."""
    best = Best(len(rows), min(neighbours, len(others)), exact=True)
    precise = rows.astype(np.float64)
    for part in spans(len(others), 4096):
        scan(best, precise, others[part].astype(np.float64), memory)
    return best.mean().astype(np.float64)


# --------------------------------------------------------------------------- pairs


class Pairs(NamedTuple):
    """Candidates: query row, target row, and score without what only depends on the query."""

    query: Ints
    target: Ints
    score: AnyFloats

    def where(self, keep: NDArray[np.bool_]) -> Pairs:
        """Some of the pairs."""
        return Pairs(self.query[keep], self.target[keep], self.score[keep])


class TooManyPairs(Exception):
    """More candidates than the memory holds."""


def pairs_above(
    queries: Floats,
    targets: Floats,
    crowd: Floats | None,
    threshold: AnyFloats,
    memory: int,
    most: int,
) -> Pairs:
    """All pairs whose score (see :func:`score_blocks`) reaches the query's threshold.

    Raises:
        TooManyPairs: there are more than ``most``.
    """
    found: list[Pairs] = []
    total = 0
    for down, across, scores in score_blocks(queries, targets, crowd, memory):
        hits = np.flatnonzero(scores >= threshold[down, None])
        total += len(hits)
        if total > most:
            raise TooManyPairs
        rows, columns = np.divmod(hits, scores.shape[1])
        found.append(Pairs(rows + down.start, columns + across.start, scores.ravel()[hits]))
    return join_pairs(found)


def join_pairs(parts: list[Pairs]) -> Pairs:
    """One list of pairs out of several."""
    return Pairs(*(np.concatenate(column) for column in zip(*parts, strict=True)))


def score_blocks(
    queries: Floats,
    targets: Floats,
    crowd: Floats | None,
    memory: int,
    near: Best | None = None,
) -> Iterator[tuple[slice, slice, Floats]]:
    """Blocks of ``2 cos - crowd[target]``, or of plain cosines when ``crowd`` is None.

    ``near`` is shown the cosines on the way.
    """
    columns = columns_for(memory, len(queries))
    for across in spans(len(targets), columns):
        for down in spans(len(queries), ROWS):
            block = queries[down] @ targets[across].T
            if near is not None:
                near.part(down).add(block, across.start)
            if crowd is not None:
                block *= 2
                block -= crowd[across]
            yield down, across, block


def group_ranks(groups: Ints) -> Ints:
    """0, 1, 2, ... within each run of equal values."""
    starts = np.flatnonzero(np.diff(groups, prepend=-1))
    ranks: Ints = np.arange(len(groups)) - np.repeat(starts, np.diff(starts, append=len(groups)))
    return ranks


def sort_pairs(pairs: Pairs) -> Pairs:
    """By query, then best score first, then lowest target."""
    order = np.lexsort((pairs.target, -pairs.score, pairs.query))
    return Pairs(pairs.query[order], pairs.target[order], pairs.score[order])


class Judge:
    """Decides between candidates that float32 cannot tell apart.

    ``source`` is None for plain cosines.
    """

    def __init__(
        self,
        queries: Floats,
        targets: Floats,
        source: Floats | None,
        neighbours: int,
        memory: int,
    ) -> None:
        self.queries, self.targets, self.source = queries, targets, source
        self.neighbours, self.memory = neighbours, memory
        error = cosine_error if source is None else csls_error
        self.margin = 2 * error(queries.shape[1])

    def best(self, pairs: Pairs, k: int) -> Pairs:
        """The k best pairs of each query, which has at least k, from scores that are off by less
        than half the margin."""
        pairs = sort_pairs(pairs)
        ranks = group_ranks(pairs.query)
        kth = pairs.score[ranks == k - 1]
        group = np.cumsum(ranks == 0) - 1
        pairs = pairs.where(pairs.score >= kth[group] - self.margin)
        doubt = self._in_doubt(pairs)
        if doubt.any():
            score = pairs.score.astype(np.float64)
            score[doubt] = np.round(self._exact(pairs.where(doubt)), TIE_DECIMALS)
            pairs = sort_pairs(pairs._replace(score=score))
        return pairs.where(group_ranks(pairs.query) < k)

    def _in_doubt(self, pairs: Pairs) -> NDArray[np.bool_]:
        """Pairs too close to the one before or after them, in sorted order."""
        close = (np.diff(pairs.query) == 0) & (-np.diff(pairs.score) <= self.margin)
        doubt = np.zeros(len(pairs.query), dtype=bool)
        doubt[1:] |= close
        doubt[:-1] |= close
        return doubt

    def _exact(self, pairs: Pairs) -> Doubles:
        scores = np.empty(len(pairs.query))
        for part in spans(len(scores), 8192):
            left = self.queries[pairs.query[part]].astype(np.float64)
            right = self.targets[pairs.target[part]].astype(np.float64)
            scores[part] = np.einsum("ij,ij->i", left, right)
        if self.source is None:
            return scores
        rows, where = np.unique(pairs.target, return_inverse=True)
        crowd = np.empty(len(rows))
        for part in spans(len(rows), 4096):
            crowd[part] = exact_nearest_mean(
                self.targets[rows[part]], self.source, self.neighbours, self.memory
            )
        exact: Doubles = 2 * scores - crowd[where]
        return exact


# --------------------------------------------------------------------------- two ways to search


def search_all(judge: Judge, crowd: Floats | None, k: int, near: Best | None = None) -> Pairs:
    """The k best pairs of each query by looking at every pair; ``crowd`` is known."""
    queries, targets, memory = judge.queries, judge.targets, judge.memory
    best = Best(len(queries), min(k + 1, len(targets)), places=True)
    for down, across, block in score_blocks(queries, targets, crowd, memory, near):
        best.part(down).add(block, across.start)
    ordered = -np.sort(-best.values, axis=1)
    close = ordered[:, :-1] - ordered[:, 1:] <= judge.margin
    doubt = np.asarray(close.any(axis=1))
    found = [_clear_pairs(best, ~doubt, k)]
    threshold = ordered[:, k - 1] - judge.margin
    rows = np.flatnonzero(doubt)
    # Where all targets are alike, a query has as many candidates as there are targets.
    step = max(1, memory // (64 * len(targets)))
    for part in spans(len(rows), step):
        some = rows[part]
        pairs = pairs_above(
            queries[some], targets, crowd, threshold[some], memory, len(some) * len(targets)
        )
        found.append(judge.best(pairs._replace(query=some[pairs.query]), k))
    return sort_pairs(join_pairs(found))


def _clear_pairs(best: Best, rows: NDArray[np.bool_], k: int) -> Pairs:
    """The k best pairs of the rows in which float32 tells all apart."""
    assert best.places is not None
    width = best.values.shape[1]
    query = np.repeat(np.flatnonzero(rows), width)
    pairs = sort_pairs(Pairs(query, best.places[rows].ravel(), best.values[rows].ravel()))
    return pairs.where(group_ranks(pairs.query) < k)


# Source rows in the first sample; enough to rule out all but a few targets of each query.
SAMPLE = 1024


class Pruned:
    """CSLS search that computes r_S only for the targets that can still win.

    The mean of a target's 10 nearest in a SAMPLE of the source is a lower bound of r_S, so
    ``2 cos - bound`` is an upper bound of its score. The exact scores of each query's k best by
    that bound give a threshold; pairs whose bound stays below it are out. For the others the
    sample grows, and most of them drop out long before it is the whole source.
    """

    def __init__(self, judge: Judge, source: Floats, k: int, near: Best) -> None:
        self.judge, self.source, self.k, self.near = judge, source, k, near
        self.order = np.random.default_rng(0).permutation(len(source))
        neighbours = min(judge.neighbours, len(source))
        self.crowd = Best(len(judge.targets), neighbours)
        self.bound = np.empty(len(judge.targets), dtype=np.float32)
        self.complete = np.zeros(len(judge.targets), dtype=bool)
        self.seen = min(max(SAMPLE, neighbours), len(source))

    def search(self) -> Pairs:
        """The k best pairs of each query.

        Raises:
            TooManyPairs: the bounds rule out too little for the rest to fit in memory.
        """
        judge = self.judge
        self._look_at(np.arange(len(judge.targets)), 0, self.seen)
        threshold = self._threshold() - judge.margin
        pairs = pairs_above(
            judge.queries, judge.targets, self.bound, threshold, judge.memory, judge.memory // 64
        )
        twice = pairs.score + self.bound[pairs.target]
        while True:
            score = twice - self.bound[pairs.target]
            keep = score >= threshold[pairs.query]
            pairs, twice = pairs._replace(score=score).where(keep), twice[keep]
            rows = np.unique(pairs.target)
            rows = rows[~self.complete[rows]]
            if not len(rows):
                return judge.best(pairs, self.k)
            stop = min(2 * self.seen, len(self.source))
            self._look_at(rows, self.seen, stop)
            self.seen = stop

    def _threshold(self) -> AnyFloats:
        """For each query the lowest exact score among its k best by the present bound."""
        judge = self.judge
        best = Best(len(judge.queries), self.k, places=True)
        for down, across, block in score_blocks(
            judge.queries, judge.targets, self.bound, judge.memory, self.near
        ):
            best.part(down).add(block, across.start)
        assert best.places is not None
        twice = best.values + self.bound[best.places]
        self._look_at(np.unique(best.places), self.seen, len(self.source))
        lowest: AnyFloats = (twice - self.bound[best.places]).min(axis=1)
        return lowest

    def _look_at(self, rows: Ints, start: int, stop: int) -> None:
        """Let these targets see more of the source, in its shuffled order."""
        targets = self.judge.targets
        for across in spans(stop - start, columns_for(self.judge.memory)):
            sample = self.source[self.order[start + across.start : start + across.stop]]
            for down in spans(len(rows), ROWS):
                some = rows[down]
                best = self.crowd.part(some)
                best.add(targets[some] @ sample.T)
                self.crowd.values[some] = best.values
        self.bound[rows] = self.crowd.values[rows].mean(axis=1)
        self.complete[rows] = stop == len(self.source)


# --------------------------------------------------------------------------- both directions


def both_means(
    source: Floats, targets: Floats, neighbours: int, memory: int
) -> tuple[Floats, Floats]:
    """Neighbourhood means of source rows among targets and of targets among source rows."""
    of_source = Best(len(source), min(neighbours, len(targets)))
    of_targets = Best(len(targets), min(neighbours, len(source)))
    for down, across, block in score_blocks(source, targets, None, memory, of_source):
        of_targets.part(across).add_columns(block, down.start)
    return of_source.mean().astype(np.float32), of_targets.mean().astype(np.float32)


def both_nearest(
    source: Floats, targets: Floats, crowd: tuple[Floats, Floats] | None, memory: int
) -> tuple[Ints, Ints]:
    """Nearest target of each source row and nearest source row of each target."""
    there, there_score = np.zeros(len(source), dtype=np.int64), np.full(len(source), -np.inf)
    back, back_score = np.zeros(len(targets), dtype=np.int64), np.full(len(targets), -np.inf)
    for down, across, block in score_blocks(source, targets, None, memory):
        if crowd is not None:
            block *= 2
            block -= crowd[1][across]
        best = block.argmax(axis=1)
        values = block[np.arange(len(best)), best]
        better = values > there_score[down]
        there[down][better] = best[better] + across.start
        there_score[down][better] = values[better]
        if crowd is not None:
            block += crowd[1][across]
            block -= crowd[0][down, None]
        # The largest of each column is quick to find, its place is not: most do not improve.
        values = block.max(axis=0)
        better = values > back_score[across]
        back[across][better] = block[:, better].argmax(axis=0) + down.start
        back_score[across][better] = values[better]
    return there, back
