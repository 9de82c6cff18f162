"""Word vectors: reading, writing, looking up."""

from __future__ import annotations

import gzip
import shutil
import struct
import warnings
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from xlhelpers import _vec_text, embeddings
from xlhelpers import settings as course_settings
from xlhelpers.assets import AssetError
from xlhelpers.embeddings import UnknownWordError, VectorFormatError, WordVectors
from xlhelpers.errors import CourseError

ROOT = Path(__file__).resolve().parents[2]


def write(folder: Path, content: bytes | str, name: str = "a.vec") -> Path:
    path = folder / name
    path.write_bytes(content.encode("utf-8") if isinstance(content, str) else content)
    return path


def some_vectors(n: int = 50, dim: int = 7, seed: int = 0) -> WordVectors:
    matrix = np.random.default_rng(seed).normal(size=(n, dim)).astype(np.float32)
    return WordVectors([f"w{i}é" for i in range(n)], matrix)


def same(one: WordVectors, other: WordVectors) -> bool:
    return one.words == other.words and one.matrix.tobytes() == other.matrix.tobytes()


def load_blocks(path: Path, size: int, monkeypatch: pytest.MonkeyPatch) -> WordVectors:
    """Read with blocks of a given size."""
    monkeypatch.setattr(_vec_text.blocks, "__defaults__", (size,))
    return embeddings.load_vec(path)


# --------------------------------------------------------------------------- WordVectors


def test_lookup() -> None:
    vectors = WordVectors(["a", "b"], [[1, 0], [0, 2]])
    assert len(vectors) == 2 and vectors.dim == 2
    assert "a" in vectors and "c" not in vectors
    assert vectors["b"].tolist() == [0, 2]
    assert vectors.rows(["b", "a", "b"]).tolist() == [[0, 2], [1, 0], [0, 2]]
    assert vectors.rows([]).shape == (0, 2)
    assert vectors.head(1).words == ["a"]
    assert vectors.matrix.dtype == np.float32 and vectors.matrix.flags.c_contiguous


@pytest.mark.parametrize(
    ("words", "matrix", "said"),
    [
        (["a"], [[1.0], [2.0]], "1 words but 2 rows"),
        (["a", "a"], [[1.0], [2.0]], "more than once, for instance 'a'"),
        (["a", "b"], [[1.0], [np.nan]], "row 1 holds NaN"),
        (["a", "b"], [[np.inf], [1.0]], "row 0 holds NaN or infinity"),
        (["a"], [1.0], "2 dimensions"),
        ([], np.empty((0, 3)), "at least one word"),
    ],
)
def test_bad_vectors_are_refused(words: list[str], matrix: object, said: str) -> None:
    with pytest.raises(ValueError, match=said):
        WordVectors(words, matrix)  # type: ignore[arg-type]


def test_unknown_word_lists_close_spellings() -> None:
    vectors = WordVectors(["house", "mouse", "New\u00a0York", "tree"], np.eye(4))
    with pytest.raises(UnknownWordError, match="'house'"):
        vectors["hause"]
    with pytest.raises(KeyError, match=r"New\\xa0York"):
        vectors.rows(["tree", "New York"])
    with pytest.raises(UnknownWordError, match="'House'.*\n.*'house'"):
        vectors.most_similar("House")


def test_one_word_as_a_list_of_letters_is_refused() -> None:
    with pytest.raises(TypeError, match="list of words"):
        some_vectors().rows("word")


def test_most_similar_by_hand() -> None:
    vectors = WordVectors(["a", "b", "c", "zero"], [[1, 0], [3, 3], [0, 1], [0, 0]])
    names, cosines = zip(*vectors.most_similar("a", k=10), strict=True)
    assert names == ("b", "c")
    assert cosines == pytest.approx((np.sqrt(0.5), 0.0), abs=1e-6)
    assert vectors.most_similar(np.array([0, 5.0]), k=1)[0] == ("c", pytest.approx(1.0))
    with pytest.raises(ValueError, match="all zeros"):
        vectors.most_similar("zero")
    with pytest.raises(ValueError, match=r"shape \(2,\)"):
        vectors.most_similar([1.0, 2.0, 3.0])


def test_normalised_rows_have_length_one_and_the_mean_is_out() -> None:
    raw = some_vectors(500, 20)
    raw.matrix += 3
    before = raw.matrix.copy()
    unit = raw.normalised()
    assert np.allclose(np.linalg.norm(unit.matrix, axis=1), 1, atol=1e-6)
    by_hand = raw.matrix / np.linalg.norm(raw.matrix, axis=1, keepdims=True)
    assert np.allclose(raw.normalised(centre=False).matrix, by_hand, atol=1e-6)
    by_hand -= by_hand.mean(axis=0)
    by_hand /= np.linalg.norm(by_hand, axis=1, keepdims=True)
    assert np.allclose(unit.matrix, by_hand, atol=1e-5)
    assert (raw.matrix == before).all()


def test_zero_rows_stay_zero_are_named_and_do_not_count_in_the_mean() -> None:
    raw = some_vectors(40)
    with_zero = WordVectors([*raw.words, "nothing"], np.vstack([raw.matrix, np.zeros((1, 7))]))
    with pytest.warns(UserWarning, match="1 word vectors .* stay zero: 'nothing'"):
        unit = with_zero.normalised()
    assert not unit["nothing"].any()
    assert np.allclose(unit.matrix[:-1], raw.normalised().matrix, atol=1e-7)


def test_a_row_that_is_the_mean_is_reported() -> None:
    with pytest.warns(UserWarning, match="2 word vectors"):
        unit = WordVectors(["a", "b"], [[1, 2], [2, 4]]).normalised()
    assert not unit.matrix.any()


# --------------------------------------------------------------------------- numbers, exactly

SPELLINGS = [
    *(
        "0",
        "1",
        "-1",
        "-0",
        "0.5",
        "-0.5",
        "-0.0",
        "0.00000",
        "12",
        "007",
        "1.",
        ".5",
        "-.5",
        "+0.5",
    ),
    *("1e-05", "-7.2e-05", "1E3", "0.1e1", "3.4028234e38", "1e-50", "123456789012345"),
    *("0.1234567", "0.12345678", "0.123456789", "-0.000000123456789", "1234567.8901234"),
    *("9007199254740993", "0.30000001192092896", "0.1234567890123456789", "99999.99999"),
    *("1.17549435e-38", "1e-45", "0.000000000000001", "-12.5", "9.99999", "10.00000"),
]


def test_every_spelling_reads_like_float(tmp_path: Path) -> None:
    # Enough of them that the vectorised ways are taken, not only the one by one.
    lines = [f"w{i} " + " ".join(np.roll(SPELLINGS, i)) for i in range(60)]
    vectors = embeddings.load_vec(write(tmp_path, "\n".join(lines) + "\n"))
    expected = np.array([np.roll(SPELLINGS, i).astype(float) for i in range(60)])
    assert vectors.matrix.tobytes() == expected.astype(np.float32).tobytes()


@settings(max_examples=60, deadline=None)
@given(data=st.data(), dim=st.integers(1, 9), size=st.sampled_from([1, 40, 300, 1 << 18]))
def test_random_files_read_like_float(
    tmp_path_factory: pytest.TempPathFactory, data: st.DataObject, dim: int, size: int
) -> None:
    styles = ["%.5f", "%.4f", "%.5g", "%.9g", "%r", "%.1f", "%.8f", "%.0f", "%e", "%.12f"]
    style = st.sampled_from(styles)
    number = st.floats(-20, 20) | st.floats(-1, 1) | st.floats(width=32, allow_infinity=False)
    word = st.text(st.characters(codec="utf-8", exclude_characters=" \n\r\0"), max_size=4)
    words = data.draw(st.lists(word, min_size=1, max_size=12, unique=True))
    finite = number.filter(lambda x: abs(x) < 3e38)
    rows = [[data.draw(style) % data.draw(finite) for _ in range(dim)] for _ in words]
    end = data.draw(st.sampled_from(["\n", " \n", "\r\n", " \r\n", "  \n"]))
    header = f"{len(words)} {dim}{end}" if data.draw(st.booleans()) or dim == 1 else ""
    text = header + "".join(
        f"{word} {' '.join(row)}{end}" for word, row in zip(words, rows, strict=True)
    )
    if data.draw(st.booleans()):
        text = text.rstrip("\r\n ")
    path = write(tmp_path_factory.mktemp("v"), text)
    with pytest.MonkeyPatch.context() as patch:
        vectors = load_blocks(path, size, patch)
    assert vectors.words == words
    expected = np.array(rows, dtype=object).astype(float).astype(np.float32)
    assert vectors.matrix.tobytes() == expected.tobytes()


def test_block_borders_change_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "a.vec"
    embeddings.save_vec(some_vectors(30, 5), path)
    for size in (1, 7, 50, 64, 333, 1 << 18):
        assert same(load_blocks(path, size, monkeypatch), some_vectors(30, 5))


# --------------------------------------------------------------------------- text files


def test_words_with_no_break_spaces_and_other_odd_ones(tmp_path: Path) -> None:
    words = ["New\u00a0York", "\u3000", "a\tb", "", "#", "3", "\u2028", "e\u0301", "\ufeff"]
    vectors = WordVectors(words, np.arange(18).reshape(9, 2))
    path = tmp_path / "odd.vec"
    for header in (True, False):
        embeddings.save_vec(vectors, path, header=header)
        assert same(embeddings.load_vec(path), vectors)


@pytest.mark.parametrize(
    "text", ["2 3\na 1 2 3\nb 4 5 6\n", "a 1 2 3\nb 4 5 6", "\n\na 1 2 3\n\nb 4 5 6\n\n"]
)
def test_header_or_none_and_empty_lines(tmp_path: Path, text: str) -> None:
    vectors = embeddings.load_vec(write(tmp_path, text))
    assert vectors.words == ["a", "b"] and vectors.matrix.tolist() == [[1, 2, 3], [4, 5, 6]]


def test_numbers_as_words_in_a_file_of_dimension_one(tmp_path: Path) -> None:
    no_header = embeddings.load_vec(write(tmp_path, "3 5\n4 6\n7 8.5\n"))
    # The first line could be a header only if it were right about the dimension.
    assert no_header.words == ["3", "4", "7"]
    header = embeddings.load_vec(write(tmp_path, "2 1\n3 5\n4 6\n"))
    assert header.words == ["3", "4"]


def test_max_vocab_reads_no_further(tmp_path: Path) -> None:
    path = write(tmp_path, "5 2\na 1 2\nb 3 4\na 9 9\nc 5 6\nbroken\n")
    with pytest.warns(UserWarning, match="1 words came again .*'a'"):
        assert embeddings.load_vec(path, max_vocab=3).words == ["a", "b", "c"]
    assert embeddings.load_vec(path, max_vocab=2).words == ["a", "b"]
    with pytest.raises(ValueError, match="max_vocab"):
        embeddings.load_vec(path, max_vocab=0)


def test_a_word_that_comes_twice_keeps_its_first_vector(tmp_path: Path) -> None:
    path = write(tmp_path, "a 1 2\nb 3 4\na 5 6\na 7 8\nc 9 9\nb 0 0\n")
    with pytest.warns(UserWarning, match="3 words came again .*'a', 'a', 'b'"):
        vectors = embeddings.load_vec(path)
    assert vectors.words == ["a", "b", "c"]
    assert vectors.matrix.tolist() == [[1, 2], [3, 4], [9, 9]]
    assert vectors.index == {"a": 0, "b": 1, "c": 2}


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("2 2\na 1 2\nb 1\n", "line 3: a word and 1 numbers instead of 2"),
        ("a 1 2\nb 1 2 3\n", "line 2: a word and 3 numbers instead of 2"),
        ("a 1 2\nb 1 x\n", "line 2: number 2 of the vector is 'x'"),
        ("a 1 2\nb 1 0.5.5\n", "line 2: number 2 of the vector is '0.5.5'"),
        ("a 1 2\nb 0,5 1\n", "line 2: number 1 of the vector is '0,5'"),
        ("a 1 2\nb 1_0 1\n", "line 2: number 1 of the vector is '1_0'"),
        ("a 1 2\nb nan 1\n", "line 2: number 1 of the vector is 'nan', not a finite number"),
        ("a 1 2\nb 1 1e39\n", "line 2: number 2 of the vector is '1e39'"),
        ("a 1 2\nb  1\n", "line 2: number 1 of the vector is ''"),
        ("a 1 2\nb -0.1- 1\n", "line 2"),
        ("a 1 2\nb\t1\t2\n", "line 2: .*tabs"),
        ("a\t1\t2\n", "line 1: a single field"),
        ("a,1,2\nb,1,2\n", "line 1: a single field"),
        ("3 2\na 1 2\nb 3 4\n", "promises 3 words, the file holds 2"),
        ("1 2\na 1 2\nb 3 4\n", "promises 1 words, the file holds 2"),
        ("2 3\na 1 2\nb 3 4\n", "line 1 promises 3 numbers a word, but line 2 holds 2"),
        ("2 3\n", "line 1 promises 3 numbers a word, but there is no line 2"),
        ("", "is empty"),
        ("\n\n", "is empty"),
    ],
)
def test_files_that_do_not_fit_name_the_line(tmp_path: Path, text: str, said: str) -> None:
    with pytest.raises(VectorFormatError, match=said) as caught:
        embeddings.load_vec(write(tmp_path, text))
    assert "a.vec" in str(caught.value) and "Remedy" in str(caught.value)


def test_bad_lines_can_be_left_out(tmp_path: Path) -> None:
    text = "6 2\na 1 2\nb 1\nc x 2\nd 3 4\n\ne 1 2 3\n"
    with pytest.warns(UserWarning) as caught:
        vectors = embeddings.load_vec(write(tmp_path, text), on_bad="skip")
    assert vectors.words == ["a", "d"] and vectors.matrix.tolist() == [[1, 2], [3, 4]]
    said = " / ".join(str(one.message) for one in caught)
    assert "3 bad lines left out, the first at 3, 4, 7" in said
    assert "promises 6 words, the file holds 5" in said


def test_a_file_of_bad_lines_only_is_refused_even_when_skipping(tmp_path: Path) -> None:
    with pytest.raises(VectorFormatError, match="line 1"):
        embeddings.load_vec(write(tmp_path, "a x\nb y\n"), on_bad="skip")


def test_the_first_bad_line_is_the_one_named(tmp_path: Path) -> None:
    good = "".join(f"w{i} 0.5 0.25\n" for i in range(500))
    path = write(tmp_path, good + "bad 0.5\n" + "worse 0.5 y\n" + good.replace("w", "v"))
    with pytest.raises(VectorFormatError, match="line 501"):
        embeddings.load_vec(path)


def test_words_that_are_no_utf8(tmp_path: Path) -> None:
    path = write(tmp_path, b"a 1 2\nb\xff 3 4\nc 5 6\n")
    with pytest.raises(VectorFormatError, match=r"line 2: .*UTF-8") as caught:
        embeddings.load_vec(path)
    assert 'errors="replace"' in str(caught.value)
    assert embeddings.load_vec(path, errors="replace").words == ["a", "b\ufffd", "c"]
    with pytest.warns(UserWarning, match="1 bad lines left out, the first at 2"):
        vectors = embeddings.load_vec(path, on_bad="skip")
    assert vectors.words == ["a", "c"] and vectors["c"].tolist() == [5, 6]


def test_gzip_is_known_by_its_content(tmp_path: Path) -> None:
    vectors = some_vectors()
    embeddings.save_vec(vectors, tmp_path / "a.vec.gz")
    packed = (tmp_path / "a.vec.gz").read_bytes()
    assert packed[:2] == b"\x1f\x8b"
    assert same(embeddings.load_vec(write(tmp_path, packed, "no-suffix")), vectors)
    with pytest.raises(VectorFormatError, match="damaged or cut off"):
        embeddings.load_vec(write(tmp_path, packed[:-30]))


def test_other_kinds_of_file_are_named(tmp_path: Path) -> None:
    vectors = some_vectors()
    embeddings.save_word2vec_bin(vectors, tmp_path / "a.bin")
    embeddings.save_npz(vectors, tmp_path / "a.npz")
    with pytest.raises(VectorFormatError, match="load_word2vec_bin"):
        embeddings.load_vec(write(tmp_path, b"2 2\na \0\0\0\0\0\0\0\0\nb"))
    with pytest.raises(VectorFormatError, match="load_npz"):
        embeddings.load_vec(tmp_path / "a.npz")
    with pytest.raises(VectorFormatError, match="fastText model"):
        embeddings.load_vec(write(tmp_path, struct.pack("<i", 793712314) + b"\0" * 8))
    with pytest.raises(VectorFormatError):
        embeddings.load_vec(tmp_path / "a.bin")


def test_a_byte_order_mark_is_no_part_of_the_header(tmp_path: Path) -> None:
    vectors = embeddings.load_vec(write(tmp_path, b"\xef\xbb\xbf1 2\na 1 2\n"))
    assert vectors.words == ["a"]


def test_text_round_trip_is_exact(tmp_path: Path) -> None:
    odd = np.float32([[1e-45, -3.4e38, 0.1], [1 / 3, -0.0, 16777217], [1e-5, 123456.789, 5e-10]])
    vectors = WordVectors(["a", "b", "c"], odd)
    embeddings.save_vec(vectors, tmp_path / "a.vec")
    assert same(embeddings.load_vec(tmp_path / "a.vec"), vectors)
    embeddings.save_vec(vectors.head(1), tmp_path / "a.vec", decimals=2)
    assert (tmp_path / "a.vec").read_bytes().endswith(b" 0.10\n")


def test_words_that_text_cannot_keep_are_refused(tmp_path: Path) -> None:
    for word in ("New York", "a\nb"):
        vectors = WordVectors([word], [[1.0]])
        for save in (embeddings.save_vec, embeddings.save_word2vec_bin):
            with pytest.raises(ValueError, match="holds a space or a line end"):
                save(vectors, tmp_path / "a")
    assert not list(tmp_path.iterdir())


def test_a_failed_save_leaves_the_old_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "a.npz"
    embeddings.save_npz(some_vectors(seed=1), path)

    def full_disk(*_: object, **__: object) -> None:
        raise OSError("no space left on device")

    monkeypatch.setattr(np, "savez_compressed", full_disk)
    with pytest.raises(OSError, match="no space"):
        embeddings.save_npz(some_vectors(seed=2), path)
    assert np.allclose(embeddings.load_npz(path).matrix, some_vectors(seed=1).matrix, atol=2e-3)
    assert [found.name for found in tmp_path.iterdir()] == ["a.npz"]


def test_memory_stays_near_the_size_of_the_array(tmp_path: Path) -> None:
    import tracemalloc

    embeddings.save_vec(some_vectors(4000, 300), tmp_path / "a.vec", decimals=5)
    tracemalloc.start()
    vectors = embeddings.load_vec(tmp_path / "a.vec")
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    # numpy reports its arrays; the blocks and the working arrays need some 15 MB on top.
    assert vectors.matrix.nbytes <= peak < vectors.matrix.nbytes * 1.2 + 20e6


# --------------------------------------------------------------------------- word2vec binary


def binary(vectors: WordVectors, newline: bytes) -> bytes:
    records = (
        word.encode() + b" " + row.tobytes() + newline
        for word, row in zip(vectors.words, vectors.matrix, strict=True)
    )
    return f"{len(vectors)} {vectors.dim}\n".encode() + b"".join(records)


@pytest.mark.parametrize("newline", [b"", b"\n"])
def test_binary_with_and_without_newlines(tmp_path: Path, newline: bytes) -> None:
    vectors = some_vectors(200, 11)
    # Bytes 0x20 and 0x0a inside numbers must not be taken for separators.
    vectors.matrix[3] = np.frombuffer(b"    \n\n\n\n" * 11, dtype="<f4")[:11]
    content = binary(vectors, newline)
    assert same(embeddings.load_word2vec_bin(write(tmp_path, content)), vectors)
    assert same(embeddings.load_word2vec_bin(write(tmp_path, gzip.compress(content))), vectors)
    assert (
        embeddings.load_word2vec_bin(write(tmp_path, content), max_vocab=5).words
        == (vectors.words[:5])
    )


def test_binary_round_trip(tmp_path: Path) -> None:
    for name in ("a.bin", "a.bin.gz"):
        embeddings.save_word2vec_bin(some_vectors(), tmp_path / name)
        assert same(embeddings.load_word2vec_bin(tmp_path / name), some_vectors())


def test_binary_files_that_do_not_fit(tmp_path: Path) -> None:
    content = binary(some_vectors(10, 3), b"\n")
    cases = {
        content[:-9]: "promises 10 words and ends inside word 10",
        content[:5]: "ends inside word 1",
        b"": "is empty",
        content + b"more": "goes on after the 10 words",
        b"no header\n" + content: "does not start with a line 'words d'",
        b"2 3\na 0.1 0.2 0.3\nb 0.1 0.2 0.3\n": "use load_vec",
        content.replace(b"w4\xc3\xa9", b"w4\xff\xfe"): "word 5: .* is no UTF-8",
        b"1 2\na " + np.float32([np.nan, 1]).tobytes(): "NaN",
        b"99999999999 300\na " + b"\0" * 1200: "ends inside word 2",
        b"2 1\na" + b"x" * 70_000: "no word where word 1 should stand",
    }
    for wrong, said in cases.items():
        with pytest.raises(VectorFormatError, match=said):
            embeddings.load_word2vec_bin(write(tmp_path, wrong))


def test_binary_duplicates_keep_the_first(tmp_path: Path) -> None:
    row = np.float32([1]).tobytes(), np.float32([2]).tobytes()
    path = write(tmp_path, b"3 1\na " + row[0] + b"a " + row[1] + b"b " + row[1])
    with pytest.warns(UserWarning, match="1 words came again"):
        vectors = embeddings.load_word2vec_bin(path)
    assert vectors.words == ["a", "b"] and vectors.matrix.tolist() == [[1], [2]]


# --------------------------------------------------------------------------- shipped format


def test_npz_round_trip(tmp_path: Path) -> None:
    vectors = WordVectors(["New\u00a0York", "", "日本", "a b"], np.eye(4) * 0.1)
    embeddings.save_npz(vectors, tmp_path / "a.npz")
    loaded = embeddings.load_npz(tmp_path / "a.npz")
    assert loaded.words == vectors.words
    assert loaded.matrix.dtype == np.float32
    assert (loaded.matrix == vectors.matrix.astype(np.float16)).all()
    assert embeddings.load_npz(tmp_path / "a.npz", max_vocab=2).words == vectors.words[:2]
    first = (tmp_path / "a.npz").read_bytes()
    embeddings.save_npz(vectors, tmp_path / "b.npz")
    assert (tmp_path / "b.npz").read_bytes() == first


def test_npz_refuses_what_it_cannot_keep(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="newline"):
        embeddings.save_npz(WordVectors(["a\nb"], [[1.0]]), tmp_path / "a.npz")
    with pytest.raises(ValueError, match="float16"):
        embeddings.save_npz(WordVectors(["a"], [[1e5]]), tmp_path / "a.npz")


def test_npz_of_another_kind_is_named(tmp_path: Path) -> None:
    embeddings.save_npz(some_vectors(), tmp_path / "a.npz")
    whole = (tmp_path / "a.npz").read_bytes()
    np.savez(tmp_path / "other.npz", matrix=np.eye(2))
    np.savez(
        tmp_path / "odd.npz", matrix=np.eye(2), words=np.frombuffer(b"a\nb\nc", dtype=np.uint8)
    )
    wrong = [
        write(tmp_path, whole[: len(whole) // 2], "cut.npz"),
        write(tmp_path, "a 1 2\n", "text.npz"),
        write(tmp_path, b"", "empty.npz"),
        tmp_path / "other.npz",
        tmp_path / "odd.npz",
    ]
    for path in wrong:
        with pytest.raises(VectorFormatError, match=path.name):
            embeddings.load_npz(path)
    with pytest.raises(FileNotFoundError):
        embeddings.load_npz(tmp_path / "missing.npz")


def test_a_good_file_gives_no_warning(tmp_path: Path) -> None:
    embeddings.save_vec(some_vectors(), tmp_path / "a.vec")
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        embeddings.load_vec(tmp_path / "a.vec").normalised()


# --------------------------------------------------------------------------- the course's own


@pytest.mark.parametrize("language", ["en", "de", "es", "fr", "ru", "fi", "zh", "sw"])
def test_shipped_vectors_are_what_the_datasheet_promises(language: str) -> None:
    vectors = embeddings.load(language)
    assert len(vectors) >= 5000
    assert vectors.dim == 170
    file = ROOT / "data" / "vectors" / f"{language}.npz"
    assert file.stat().st_size <= 2_000_000


def test_a_language_without_vectors_names_those_that_have() -> None:
    with pytest.raises(CourseError, match="Italian") as caught:
        embeddings.load("it")
    assert "de, en, es" in caught.value.remedy
    with pytest.raises(CourseError):
        embeddings.load("xx")


def test_a_truncated_file_of_vectors_is_refused_with_the_repair(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    data = tmp_path / "data"
    (data / "vectors").mkdir(parents=True)
    shutil.copy(ROOT / "data" / "manifest.toml", data)
    whole = (ROOT / "data" / "vectors" / "de.npz").read_bytes()
    monkeypatch.setenv("XL_DATA", str(data))
    course_settings.reset()
    for damaged in (whole[:-1], whole[:5000] + b"\x00" + whole[5001:], b""):
        (data / "vectors" / "de.npz").write_bytes(damaged)
        with pytest.raises(AssetError, match="vectors/de.npz") as caught:
            embeddings.load("de")
        assert "course.py fetch vectors/de.npz" in caught.value.remedy
