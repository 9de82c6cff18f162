"""Reading word vectors from text, fast and exact.

A file of 200,000 x 300 numbers is half a gigabyte of digits, and turning digits into numbers one
by one takes most of the time. Here a block of lines is handled as one array of bytes: numpy finds
the separators, eight bytes before each of them are taken as one 64-bit integer, and a few integer
operations turn all those digit strings into numbers at once.

The result is exact: a number of up to 15 digits is m / 10^d with both m and 10^d exact in
float64, and IEEE division rounds correctly, so the value is that of Python's ``float(text)``
(Clinger, 1990, PLDI), rounded to float32 once. Any other spelling goes through ``float`` itself.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import IO, NamedTuple

import numpy as np
from numpy.typing import NDArray

Bytes = NDArray[np.uint8]
Ints = NDArray[np.int64]
Words64 = NDArray[np.uint64]
Doubles = NDArray[np.float64]
Floats = NDArray[np.float32]

# Large enough that numpy's calls cost little, small enough for the processor's cache.
BLOCK = 512 << 10
LONGEST_LINE = 64 << 20
# Bytes kept before a block, so that "the 16 bytes before here" always exist. Places in the text
# are counted from BACK, so that the first line starts at place PAD - BACK.
PAD = 24
BACK = 8

SPACE, NEWLINE, RETURN, MINUS, DOT, ZERO = b" \n\r-.0"


# --------------------------------------------------------------------------- numbers


def _uint64(byte: int) -> np.uint64:
    """The same byte eight times."""
    return np.uint64(byte * 0x0101010101010101)


ZEROS = _uint64(ZERO)
DOTS = _uint64(DOT)
HIGH_BITS = _uint64(0x80)
# Added to a byte 0..9 it stays below the high bit; from 10 on it reaches it.
NO_DIGIT = _uint64(0x76)
LAST_BYTES = np.array([((1 << 8 * n) - 1) << 8 * (8 - n) for n in range(9)], dtype=np.uint64)
POWERS = 10 ** np.arange(17, dtype=np.int64)

# For the spelling [-]0.ddd, by 2 * (length + 1) + (has minus): which of the last 8 bytes are
# decimals, and 10^decimals with the sign. Lengths with no decimal or more than 8 give nan.
PLAIN_KEEP = np.zeros(28, dtype=np.uint64)
PLAIN_SCALE = np.full(28, np.nan)
for _decimals in range(1, 9):
    _row = 2 * (_decimals + 3)
    PLAIN_KEEP[[_row, _row + 3]] = LAST_BYTES[_decimals]
    PLAIN_SCALE[[_row, _row + 3]] = 10.0**_decimals, -(10.0**_decimals)


class Scratch:
    """Arrays that every block uses again: fresh memory each time would cost a third more.

    Few of them, so that they and the text stay in the processor's cache together.
    """

    def __init__(self, size: int) -> None:
        self.first = np.empty(size, dtype=np.uint8)
        self.minus, self.other, self.maybe = (np.empty(size, dtype=bool) for _ in range(3))
        self.kind = np.empty(size, dtype=np.int64)
        self.digits, self.work, self.late = (np.empty(size, dtype=np.uint64) for _ in range(3))

    def __len__(self) -> int:
        return len(self.kind)

    def cut(self, size: int) -> Scratch:
        """The same memory, cut to ``size`` items."""
        part = object.__new__(Scratch)
        vars(part).update((name, array[:size]) for name, array in vars(self).items())
        return part


def _eight_digits(digits: Words64, late: Words64 | None = None) -> Words64:
    """Value of eight bytes 0..9 in memory order: adds neighbours, then pairs, then fours.

    Overwrites ``digits``, and ``late`` where it is given as working memory.
    """
    every_second = np.uint64(0x000000FF000000FF)
    late = np.right_shift(digits, np.uint64(8), out=late)
    digits *= np.uint64(10)
    digits += late
    np.right_shift(digits, np.uint64(16), out=late)
    late &= every_second
    late *= np.uint64(1 + (10_000 << 32))
    digits &= every_second
    digits *= np.uint64(100 + (1_000_000 << 32))
    digits += late
    digits >>= np.uint64(32)
    return digits


def _plain_decimals(
    data: Bytes, words: Words64, start: Ints, end: Ints, scratch: Scratch
) -> tuple[Doubles, NDArray[np.bool_]]:
    """Values of tokens spelled [-]0.ddd (1 to 8 decimals), and which tokens are spelled otherwise.

    Args:
        data: the block's bytes, by place.
        words: the same memory, eight bytes at a time.
        start: where each token starts, minus one.
        end: where each token ends (exclusive).
        scratch: working memory; the results lie in it.
    """
    s = scratch.cut(len(start))
    data[1:].take(start, mode="clip", out=s.first)
    np.equal(s.first, MINUS, out=s.minus)
    kind = np.subtract(end, start, out=s.kind)
    kind <<= 1
    signs = s.late.view(np.int64)
    signs[:] = s.minus  # numpy adds arrays of one type much faster than of two
    kind += signs
    signs += start
    zero_dot = data[: int(end[-1])] == ZERO
    zero_dot[:-1] &= data[1 : int(end[-1])] == DOT
    zero_dot[1:].take(signs, mode="clip", out=s.maybe)
    other = np.logical_not(s.maybe, out=s.other)
    digits = _eight_before(words, end, s)
    digits ^= ZEROS
    digits &= PLAIN_KEEP.take(kind, mode="clip", out=s.work)
    check = np.add(digits, NO_DIGIT, out=s.work)
    check |= digits
    check &= HIGH_BITS
    other |= np.not_equal(check, np.uint64(0), out=s.maybe)
    values = s.work.view(np.float64)
    values[:] = _eight_digits(digits, s.late).view(np.int64)
    values /= PLAIN_SCALE.take(kind, mode="clip", out=s.late.view(np.float64))
    other |= np.not_equal(values, values, out=s.maybe)
    return values, other


def _eight_before(words: Words64, places: Ints, s: Scratch) -> Words64:
    """The eight bytes before each place as one number, put together from two aligned ones."""
    at = np.right_shift(places, 3, out=s.work.view(np.int64))
    text = words.take(at, mode="clip", out=s.digits)
    after = words[1:].take(at, mode="clip", out=s.late)
    shift = np.bitwise_and(places, 7, out=s.work.view(np.int64)).view(np.uint64)
    shift <<= np.uint64(3)
    text >>= shift
    np.subtract(np.uint64(64), shift, out=shift)
    after <<= shift  # a shift by 64 gives 0 in numpy
    text |= after
    return text


def _fixed_point(
    data: Bytes, words: Words64, start: Ints, end: Ints
) -> tuple[Doubles, NDArray[np.bool_]]:
    """Values of tokens [-]ddd.ddd or [-]ddd of up to 15 digits, and which are spelled otherwise."""
    minus = data[1:].take(start) == MINUS
    length = end - start - 1 - minus
    other = (length < 1) | (length > 16)
    low = _eight_before(words, end, Scratch(len(end))) & LAST_BYTES.take(length.clip(0, 8))
    high = _eight_before(words, end - 8, Scratch(len(end)))
    high &= LAST_BYTES.take((length - 8).clip(0, 8))
    low_dots, high_dots = _bytes_equal_to_dot(low), _bytes_equal_to_dot(high)
    n_dots = np.bitwise_count(low_dots) + np.bitwise_count(high_dots)
    other |= (n_dots > 1) | (length - n_dots < 1) | (length - n_dots > 15)
    low, bad_low = _digits(low, low_dots, length)
    high, bad_high = _digits(high, high_dots, length - 8)
    other |= bad_low | bad_high
    read = (_eight_digits(high) * np.uint64(10**8) + _eight_digits(low)).view(np.int64)
    # Bits below the dot's high bit count the bytes before it.
    decimals = np.zeros(len(length), dtype=np.int64)
    decimals[low_dots != 0] = 7 - (np.bitwise_count(low_dots[low_dots != 0] - np.uint64(1)) >> 3)
    decimals[high_dots != 0] = 15 - (
        np.bitwise_count(high_dots[high_dots != 0] - np.uint64(1)) >> 3
    )
    # The dot was read as a digit 0: take it out again.
    whole, part = np.divmod(read, POWERS[decimals + (n_dots == 1)])
    mantissa = np.where(n_dots == 1, whole * POWERS[decimals] + part, read)
    values = mantissa.astype(np.float64) / POWERS[decimals].astype(np.float64)
    return np.where(minus, -values, values), other


def _bytes_equal_to_dot(text: Words64) -> Words64:
    """High bit of each byte that is a dot (exact as long as all other bytes are digits or zero)."""
    difference = text ^ DOTS
    return (difference - np.uint64(0x0101010101010101)) & ~difference & HIGH_BITS


def _digits(text: Words64, dots: Words64, length: Ints) -> tuple[Words64, NDArray[np.bool_]]:
    """Bytes of a masked word as digits 0..9, dot as 0; and which hold anything else."""
    zeros = LAST_BYTES.take(length.clip(0, 8)) & ZEROS
    dot_byte = dots >> np.uint64(7)
    digits = text ^ zeros ^ dot_byte * np.uint64(ZERO ^ DOT)
    return digits, ((digits | (digits + NO_DIGIT)) & HIGH_BITS) != 0


# From here on a number becomes infinity when it is rounded to float32.
TOO_LARGE = 3.4028235677973366e38


def numbers(tokens: list[bytes]) -> Doubles:
    """``float`` of each token; nan for what is no finite number."""
    try:
        values = np.array(list(map(float, tokens)))
    except ValueError:
        values = np.array([_number(token) for token in tokens])
    values[~(np.abs(values) < TOO_LARGE)] = np.nan
    if b"_" in b"".join(tokens):  # Python reads 1_000; no vector file means that
        values[[b"_" in token for token in tokens]] = np.nan
    return values


def _number(token: bytes) -> float:
    try:
        return float(token)
    except ValueError:
        return float("nan")


# --------------------------------------------------------------------------- blocks of lines


class Block(NamedTuple):
    """Some whole lines of the file, in memory; valid until the next block is asked for."""

    store: bytearray  # PAD bytes, then the text; place 0 is byte BACK
    ends: Ints  # the place of each line's newline
    line: int = 1  # number of the first line in the file, from 1
    begin: int = PAD - BACK  # the place where the first line starts

    def part(self, first: int, last: int) -> Block:
        """Lines first to last (exclusive) of this block; the text is shared."""
        begin = int(self.ends[first - 1]) + 1 if first else self.begin
        return Block(self.store, self.ends[first:last], self.line + first, begin)

    def lines(self) -> list[bytes]:
        """Each line without its newline."""
        starts = [self.begin, *(end + 1 for end in self.ends[:-1].tolist())]
        return [self.text(start, int(end)) for start, end in zip(starts, self.ends, strict=True)]

    def text(self, start: int, end: int) -> bytes:
        """Bytes between two places."""
        return bytes(self.store[BACK + start : BACK + end])

    def texts(self, starts: Ints, ends: Ints) -> list[bytes]:
        """Bytes between many places."""
        spans = zip((starts + BACK).tolist(), (ends + BACK).tolist(), strict=True)
        with memoryview(self.store) as view:
            return [view[start:end].tobytes() for start, end in spans]

    def data(self) -> Bytes:
        """The text as an array of bytes, by place."""
        return np.frombuffer(self.store, dtype=np.uint8, offset=BACK)

    def words(self) -> Words64:
        """The memory eight bytes at a time. Those before place p start at byte p, as BACK is 8."""
        return np.frombuffer(self.store, dtype="<u8", count=len(self.store) // 8)


def blocks(handle: IO[bytes], size: int = BLOCK) -> Iterator[Block]:
    """The file's lines in blocks of about ``size`` bytes. Line ends of Windows become plain ones.

    The first block has two lines at least, unless the file has only one.

    Raises:
        ValueError: a line of more than 64 MB, which is no text.
    """
    # Giving a large piece of memory back makes the C library of Linux keep middle-sized ones at
    # hand; else each block's arrays are fetched from the system anew, a sixth of the time.
    np.empty(32 * size, dtype=np.uint8)
    store = bytearray(PAD + (size + 15) // 8 * 8)
    filled, line = PAD, 1
    while True:
        got = _fill(handle, store, filled)
        filled += got
        if not got and filled > PAD and store[filled - 1] != NEWLINE:
            store[filled] = NEWLINE  # the last line may come without one
            filled += 1
        last = store.rfind(b"\n", PAD, filled) + 1
        enough = line > 1 or store.find(b"\n", PAD, last - 1) >= 0
        if last > 0 and (enough or not got):
            block = _block(store, last, line)
            yield block
            line += len(block.ends)
            rest = store[last:filled]
            filled = PAD + len(rest)
            store[PAD:filled] = rest
        elif got and filled + 1 >= len(store):
            if len(store) > LONGEST_LINE:
                raise ValueError(f"line {line} is longer than {LONGEST_LINE >> 20} MB")
            store = store + bytearray(len(store))
        if not got:
            return


def _fill(handle: IO[bytes], store: bytearray, filled: int) -> int:
    """Read into the free part of the store, all but its last byte; returns how many bytes."""
    with memoryview(store) as view, view[filled:-1] as free:
        return int(handle.readinto(free))  # type: ignore[attr-defined]


def _block(store: bytearray, last: int, line: int) -> Block:
    ends = []
    at = store.find(b"\n", PAD, last)
    while at >= 0:
        ends.append(at - BACK)
        at = store.find(b"\n", at + 1, last)
    before = np.frombuffer(store, dtype=np.uint8, offset=BACK - 1)
    if (before[ends] == RETURN).any():
        plain = bytes(store[PAD:last]).replace(b"\r\n", b"\n")
        return _block(bytearray(store[:PAD]) + plain + bytes(16), PAD + len(plain), line)
    return Block(store, np.array(ends, dtype=np.int64), line)


class Tokens(NamedTuple):
    """Where the fields of a block's lines stand. Field t is ``data[start[t] + 1 : end[t]]``.

    A line's first field starts at the line's start, wherever ``start`` says.
    """

    start: Ints
    end: Ints
    first: Ints  # the first field of each line
    fields: Ints  # how many fields each line has


def _tokens(block: Block, data: Bytes) -> Tokens:
    origin = block.begin - 4 if block.begin > PAD else 0
    marks = data[origin : int(block.ends[-1]) + 1] == SPACE
    marks[: block.begin - 1 - origin] = False
    marks[block.begin - 1 - origin] = True  # the place before the first field
    # A space that ends a line ends its last field; otherwise the newline does.
    after_space = marks[block.ends - (origin + 1)]
    marks[block.ends[~after_space] - origin] = True
    edges = _places(marks)
    if origin:
        edges += origin
    start, end = edges[:-1], edges[1:]
    past = np.searchsorted(end, block.ends, side="right")
    first = np.empty_like(past)
    first[0], first[1:] = 0, past[:-1]
    return Tokens(start, end, first, past - first)


def _places(marks: NDArray[np.bool_]) -> Ints:
    """``numpy.flatnonzero`` for marks that mostly stand more than three apart: a third faster.

    Looks at four marks as one integer; where two fall into one of them, numpy does it.
    """
    whole = len(marks) // 4 * 4
    fours = marks[:whole].view("<u4")
    at = np.flatnonzero(fours != 0)
    mark = fours.take(at)
    below = mark - np.uint32(1)
    if (mark & below).any():
        return np.flatnonzero(marks)
    at <<= 2
    at += (np.bitwise_count(below) >> 3).astype(np.int64)
    rest = np.flatnonzero(marks[whole:])
    return np.concatenate([at, rest + whole]) if len(rest) else at


class Bad(NamedTuple):
    """A line that could not be used."""

    line: int  # number in the file, from 1
    found: str


class Rows(NamedTuple):
    """What a block of lines holds, in the file's order; vectors are in the rows handed to it."""

    words: list[bytes]
    lines: Ints  # number in the file of each word's line
    bad: list[Bad]


def parse(block: Block, out: Floats, scratch: Scratch) -> Rows:
    """Read a block of at least one line. Empty lines are passed over.

    Args:
        block: the lines.
        out: (lines, d) array; its first rows receive one vector for each word returned.
        scratch: working memory.
    """
    data = block.data()
    tokens = _tokens(block, data)
    dim = out.shape[1]
    good = tokens.fields == dim + 1
    usual = bool(good.all())
    bad = _fill_regular(block, data, tokens, good, out, scratch)
    for i in [] if usual else np.flatnonzero(tokens.fields != dim + 1).tolist():
        row = _slow_line(block, i, dim)
        if not isinstance(row, str):
            out[i], good[i] = row, True
        elif row:
            bad.append(Bad(block.line + i, row))
    kept = np.flatnonzero(good)
    if len(kept) < len(good):
        out[: len(kept)] = out[kept]
    return Rows(_words(block, tokens, kept), kept + block.line, sorted(bad))


def _words(block: Block, tokens: Tokens, lines: Ints) -> list[bytes]:
    starts = np.empty_like(block.ends)
    starts[0], starts[1:] = block.begin, block.ends[:-1] + 1
    return block.texts(starts[lines], tokens.end[tokens.first[lines]])


def _fill_regular(
    block: Block,
    data: Bytes,
    tokens: Tokens,
    good: NDArray[np.bool_],
    out: Floats,
    scratch: Scratch,
) -> list[Bad]:
    """Vectors of all lines with the right number of fields; takes bad lines out of ``good``."""
    if not good.any():
        return []
    dim = out.shape[1]
    if len(tokens.start) > len(scratch):
        scratch.__init__(len(tokens.start) * 5 // 4)  # type: ignore[misc]
    values, other = _plain_decimals(data, block.words(), tokens.start, tokens.end, scratch)
    if good.all():  # the usual case needs no gathering
        others = np.flatnonzero(other)
        others = others[others % (dim + 1) != 0]
        bad = _fill_others(block, data, tokens, values, others)
        out[: len(good)] = values.reshape(-1, dim + 1)[:, 1:]
    else:
        at = tokens.first[good, None] + np.arange(1, dim + 1)
        bad = _fill_others(block, data, tokens, values, at[other[at]])
        out[: len(good)][good] = values[at]
    good[[line - block.line for line, _ in bad]] = False
    return bad


# Below this many, one by one costs less than some thirty calls of numpy.
FEW = 200


def _fill_others(
    block: Block, data: Bytes, tokens: Tokens, values: Doubles, todo: Ints
) -> list[Bad]:
    """Values of the tokens ``todo``, not spelled [-]0.ddd; returns the lines with no number."""
    if len(todo) > FEW:
        start, end = tokens.start[todo], tokens.end[todo]
        values[todo], other = _fixed_point(data, block.words(), start, end)
        todo = todo[other]
    texts = block.texts(tokens.start[todo] + 1, tokens.end[todo])
    values[todo] = read = numbers(texts)
    bad: dict[int, Bad] = {}
    for at in np.flatnonzero(np.isnan(read)).tolist():
        t = int(todo[at])
        i = int(np.searchsorted(tokens.first, t, side="right")) - 1
        found = _no_number(t - int(tokens.first[i]), texts[at])
        bad.setdefault(i, Bad(block.line + i, found))
    return list(bad.values())


def _no_number(column: int, token: bytes) -> str:
    shown = token[:40].decode("utf-8", errors="replace")
    return f"number {column} of the vector is {shown!r}, not a finite number"


def _slow_line(block: Block, i: int, dim: int) -> Doubles | str:
    """Vector of a line with unusual spacing, or what is wrong with it; '' for an empty line."""
    one = block.part(i, i + 1)
    fields = one.text(one.begin, int(one.ends[0])).rstrip(b" \r").split(b" ")
    if fields == [b""]:
        return ""
    if len(fields) != dim + 1:
        tabs = " (with tabs: fields are split on spaces)" if b"\t" in fields[0] else ""
        return f"a word and {len(fields) - 1} numbers instead of {dim}{tabs}"
    row = numbers(fields[1:])
    wrong = np.flatnonzero(np.isnan(row))
    return _no_number(int(wrong[0]) + 1, fields[wrong[0] + 1]) if len(wrong) else row
