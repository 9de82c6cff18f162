"""From text to vectors: cleaning and splitting, counts by hand, the steps of the build."""

from __future__ import annotations

import os
import sys
import types
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from scipy.sparse import csr_matrix

from xlhelpers import assets, languages, settings
from xlhelpers.build import datasheet, pipeline, text, vectors
from xlhelpers.build.plans import PLANS
from xlhelpers.build.text import Source, SourceError, chinese_words, clean, words
from xlhelpers.build.transfer import EXPERIMENTS
from xlhelpers.build.vectors import Recipe, cooccurrence, ppmi, train, vocabulary
from xlhelpers.embeddings import WordVectors, load_npz, save_npz
from xlhelpers.errors import CourseError

# Read here: a fixture hides it from the tests themselves.
TEXT_FOLDERS = os.environ.get("XL_SOURCES", "")

# ── cleaning ─────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize(
    ("marked", "plain"),
    [
        ("no markup", "no markup"),
        ('Au <w lemma="strong:H7225">commencement</w> Dieu', "Au commencement Dieu"),
        # A word may be marked in part, so a tag is no blank.
        ("<hi>S</hi>eigneur", "Seigneur"),
        ('vide<note n="a" osisID="Gen.1.2"><hi>le vide</hi></note>, et', "vide , et"),
        ("<title>A psalm</title>Happy", " Happy"),
        ('<title canonical="true" type="psalm">Of <w>David</w></title> Why', "  Why"),
        ("one<note>x</note>two<note>y</note>three", "one two three"),
        ("a <note>over\nlines</note>b", "a  b"),
        # Milestones stand alone and close nothing.
        ('<note n="1"/>kept<note>gone</note>', "kept "),
        ('<div sID="pv1"/><title/>kept <chapter eID="Gen.1"/>', "kept "),
        ("<titlePage>kept</titlePage>", "kept"),
        ("l&#8217;eau &amp; le pain", "l’eau & le pain"),
        ("&quot;Dieu&quot;&nbsp;dit", '"Dieu"\xa0dit'),
    ],
)
def test_clean(marked: str, plain: str) -> None:
    assert clean(marked) == plain


def test_strongs_numbers_leave_no_trace() -> None:
    # They would tell which French word stands for which Hebrew one.
    verse = '<w lemma="strong:H0430 strong:G1" morph="robinson:N">Dieu</w> <w lemma="x"> </w>'
    assert words(clean(verse)) == ["dieu"]


# ── words ────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize(
    ("verse", "expected"),
    [
        ("In the Beginning, GOD.", ["in", "the", "beginning", "god"]),
        ("God's well-known “house”", ["god", "s", "well", "known", "house"]),
        ("{12:50} 144,000 x2y_z", ["x", "y", "z"]),
        ("Könige ÄRGER ñandú", ["könige", "ärger", "ñandú"]),
        ("В начале сотворил Бог", ["в", "начале", "сотворил", "бог"]),
        ("ко\u0301ролев ἀ\u0301β", ["ко\u0301ролев", "ἀ\u0301β"]),
        ("\u0301 alone", ["alone"]),
        ("", []),
        (" 12 — … ", []),
    ],
)
def test_words(verse: str, expected: list[str]) -> None:
    assert words(verse) == expected


@pytest.mark.parametrize("apostrophe", ["'", "’"])
def test_swahili_keeps_its_consonant_in_one_piece(apostrophe: str) -> None:
    verse = f"Ng{apostrophe}ombe, wanyang{apostrophe}anyi ng{apostrophe}ambo"
    assert words(verse, "sw") == ["ng'ombe", "wanyang'anyi", "ng'ambo"]
    assert words(verse) == ["ng", "ombe", "wanyang", "anyi", "ng", "ambo"]
    assert words(verse, "de") == words(verse)


@pytest.mark.parametrize(
    ("verse", "expected"),
    [
        ("‘ng’ ", ["ng"]),
        ("kung’ alisema", ["kung", "alisema"]),
        ("‘ombe’", ["ombe"]),
        ("bwana’a", ["bwana", "a"]),
        ("ng'wana", ["ng", "wana"]),
    ],
)
def test_other_apostrophes_end_a_swahili_word(verse: str, expected: list[str]) -> None:
    assert words(verse, "sw") == expected


@pytest.mark.parametrize("apostrophe", ["'", "’"])
def test_french_keeps_the_few_words_written_with_an_apostrophe(apostrophe: str) -> None:
    verse = f"Aujourd{apostrophe}hui quelqu{apostrophe}un, l{apostrophe}eau"
    assert words(verse, "fr") == ["aujourd'hui", "quelqu'un", "l", "eau"]


def test_english_possessives_stay_apart_in_every_other_language() -> None:
    assert words("King's", "en") == ["king", "s"]


@pytest.fixture
def jieba(monkeypatch: pytest.MonkeyPatch) -> Iterator[types.ModuleType]:
    """A stand-in that cuts after every second character."""
    module: Any = types.ModuleType("jieba")
    module.setLogLevel = lambda level: None
    module.cut = lambda line: (line[i : i + 2] for i in range(0, len(line), 2))
    monkeypatch.setitem(sys.modules, "jieba", module)
    yield module


def test_chinese_is_cut_by_jieba_and_loses_punctuation(jieba: types.ModuleType) -> None:
    assert chinese_words("起初　神创造 天地。，") == ["起初", "神创", "造天"]
    assert chinese_words("「」，。") == []


def test_chinese_without_jieba_names_the_remedy(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "jieba", None)
    with pytest.raises(SourceError, match="jieba is not installed") as caught:
        chinese_words("起初")
    assert "[build]" in caught.value.remedy


# ── reading ──────────────────────────────────────────────────────────────────────────────


def test_read_lines_leaves_out_ranges_and_blanks(tmp_path: Path) -> None:
    file = tmp_path / "text.txt"
    file.write_bytes("Am Anfang\n\n<range>\n  \n schuf Gott \r\n\u2028x".encode())
    assert list(text.read_lines(file)) == ["Am Anfang", "schuf Gott", "x"]


class _Bible:
    """What pysword shows of a module with two books."""

    def get_structure(self) -> Any:
        books = {"ot": [types.SimpleNamespace(name="Genesis")], "nt": []}
        books["nt"].append(types.SimpleNamespace(name="Matthew"))
        return types.SimpleNamespace(get_books=lambda: books)

    def get_iter(self, books: list[str], clean: bool) -> Iterator[str]:
        assert clean is False, "pysword's own cleaning keeps notes"
        yield from {"Genesis": ["<w>Au</w>\ncommencement", " "], "Matthew": ["Livre"]}[books[0]]


def fake_pysword(monkeypatch: pytest.MonkeyPatch, names: list[str]) -> None:
    module: Any = types.ModuleType("pysword.modules")
    module.SwordModules = lambda path: types.SimpleNamespace(
        parse_modules=lambda: dict.fromkeys(names), get_bible_from_module=lambda name: _Bible()
    )
    monkeypatch.setitem(sys.modules, "pysword", types.ModuleType("pysword"))
    monkeypatch.setitem(sys.modules, "pysword.modules", module)


def test_read_sword_yields_raw_verses_of_all_books(monkeypatch: pytest.MonkeyPatch) -> None:
    fake_pysword(monkeypatch, ["FreJND"])
    assert list(text.read_sword(Path("x.zip"))) == ["<w>Au</w> commencement", "Livre"]


@pytest.mark.parametrize("names", [[], ["One", "Two"]])
def test_archive_without_its_module_is_refused(
    names: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    fake_pysword(monkeypatch, names)
    with pytest.raises(SourceError, match=f"x.zip holds {len(names)} SWORD modules"):
        list(text.read_sword(Path("folder/x.zip")))


def test_sword_without_pysword_names_the_remedy(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "pysword.modules", None)
    with pytest.raises(SourceError, match="pysword is not installed") as caught:
        list(text.read_sword(Path("x.zip")))
    assert "[build]" in caught.value.remedy


# ── counting ─────────────────────────────────────────────────────────────────────────────

# Three verses; the stems of three letters are a, bbb (for bbbx and bbby) and c.
TOY = [["a", "bbbx", "c", "a"], ["c", "bbby"], ["a"]]
THREE = Recipe(size=10, dim=2, window=2, stem=3, least=1)


def test_vocabulary_is_sorted_by_frequency_then_alphabet() -> None:
    assert vocabulary(TOY, THREE) == ["a", "c", "bbbx", "bbby"]
    assert vocabulary(TOY, Recipe(size=3, least=1)) == ["a", "c", "bbbx"]
    assert vocabulary(TOY, Recipe(least=2)) == ["a", "c"]
    assert vocabulary(TOY, Recipe(least=4)) == []
    assert vocabulary([["d", "b", "c"], ["c", "d", "b", "a"]], THREE) == ["b", "c", "d", "a"]


def test_cooccurrence_by_hand() -> None:
    # Window 2: a neighbour counts 1, the next but one 1/2; verses end windows.
    # Verse 1: a-bbb 1, a-c ½, bbb-c 1, bbb-a ½, c-a 1; verse 2: c-bbb 1; verse 3: nothing.
    counts = cooccurrence(TOY, ["a", "bbbx", "bbby", "c"], THREE)
    expected = [
        # a    bbb  c
        [0.0, 1.5, 1.5],  # a: first a has bbb 1 and c ½, second c 1 and bbb ½
        [1.5, 0.0, 1.0],  # bbbx: a 1 and ½, c 1
        [0.0, 0.0, 1.0],  # bbby: c 1
        [1.5, 2.0, 0.0],  # c: bbb 1, a 1 and ½; in verse 2 bbb 1
    ]
    np.testing.assert_array_equal(counts.toarray(), expected)


def test_rare_words_and_contexts_keep_their_place_in_the_window() -> None:
    # "x" is neither a word nor a context, but it still stands between.
    recipe = Recipe(window=2, stem=5, least=2)
    counts = cooccurrence([["a", "x", "b"], ["a"], ["b"]], ["a", "b"], recipe)
    np.testing.assert_array_equal(counts.toarray(), [[0, 0.5], [0.5, 0]])


@pytest.mark.parametrize("window", [1, 3, 12])
def test_cooccurrence_equals_the_plain_double_loop(window: int) -> None:
    rng = np.random.default_rng(window)
    letters = np.array(["ab", "abc", "abd", "b", "cde", "cdf"])
    verses = [list(letters[rng.integers(0, 6, n)]) for n in rng.integers(1, 9, 40)]
    recipe = Recipe(window=window, stem=2, least=1)
    kept = vocabulary(verses, recipe)[:4]
    stems = sorted({word[:2] for verse in verses for word in verse})
    expected = np.zeros((len(kept), len(stems)))
    for verse in verses:
        for i, word in enumerate(verse):
            for j, other in enumerate(verse):
                if word in kept and 0 < abs(i - j) <= window:
                    weight = (window - abs(i - j) + 1) / window
                    expected[kept.index(word), stems.index(other[:2])] += weight
    np.testing.assert_allclose(cooccurrence(verses, kept, recipe).toarray(), expected)


def test_ppmi_by_hand() -> None:
    counts = csr_matrix(np.array([[4.0, 0.0], [1.0, 3.0]]))
    # Unsmoothed: p(w, c) / (p(w) p(c)) is 1.6, 0; 0.4, 2.
    expected = [[np.log(1.6), 0], [0, np.log(2)]]
    np.testing.assert_allclose(ppmi(counts, 1).toarray(), expected)
    # Smoothed: contexts have √5 and √3 of the whole.
    share = np.sqrt([5, 3]) / np.sqrt([5, 3]).sum()
    expected = [[np.log(1 / share[0]), 0], [0, np.log(3 / 4 / share[1])]]
    np.testing.assert_allclose(ppmi(counts, 0.5).toarray(), expected)


def test_ppmi_keeps_positive_cells_only() -> None:
    rng = np.random.default_rng(0)
    counts = csr_matrix(rng.poisson(1.0, (30, 20)).astype(float))
    found = ppmi(counts, 0.75)
    assert found.shape == counts.shape and 0 < found.nnz < counts.nnz
    assert found.data.min() > 0


# ── training ─────────────────────────────────────────────────────────────────────────────

# Animals stand near "eat" and "run", numbers near "count" and "add".
GROUPS = {"eat run wild": "lion wolf bear deer goat", "count add sum": "one two three four five"}


def corpus(seed: int = 0, n: int = 400) -> list[list[str]]:
    rng = np.random.default_rng(seed)
    verses = []
    for _ in range(n):
        near, kinds = list(GROUPS.items())[rng.integers(2)]
        chosen = [*rng.choice(near.split(), 2), *rng.choice(kinds.split(), 2)]
        rng.shuffle(chosen)
        verses.append([str(word) for word in chosen])
    return verses


SMALL = Recipe(size=16, dim=4, window=4)


def test_words_of_similar_contexts_get_similar_vectors() -> None:
    made = train(corpus(), SMALL)
    assert (len(made), made.dim) == (16, 4)
    assert made.words == vocabulary(corpus(), SMALL)
    unit = made.normalised(centre=False)
    for kinds in GROUPS.values():
        inside = unit.rows(kinds.split())
        others = unit.rows([w for k in GROUPS.values() if k != kinds for w in k.split()])
        assert (inside @ inside.T).min() > (inside @ others.T).max()


@pytest.mark.parametrize("power", [0.0, 0.5])
def test_power_weights_the_components(power: float) -> None:
    whole = train(corpus(), SMALL).matrix
    found = train(corpus(), Recipe(size=16, dim=4, window=4, power=power)).matrix
    singular = np.linalg.norm(whole, axis=0)
    np.testing.assert_allclose(found, whole * singular ** (power - 1), rtol=1e-4, atol=1e-5)


def test_training_is_deterministic() -> None:
    one, two = (train(corpus(), SMALL) for _ in range(2))
    assert one.words == two.words
    np.testing.assert_array_equal(one.matrix, two.matrix)


def test_vectors_keep_the_inner_products_of_the_counts() -> None:
    # u s of full rank: rows have the products of the PPMI rows.
    recipe = Recipe(size=16, dim=15, window=4)
    made = train(corpus(), recipe)
    information = ppmi(cooccurrence(corpus(), made.words, recipe), recipe.smoothing).toarray()
    products = made.matrix.astype(float) @ made.matrix.T
    np.testing.assert_allclose(products, information @ information.T, atol=0.2)
    lengths = np.linalg.norm(made.matrix, axis=0)
    assert (np.diff(lengths) <= 1e-4).all(), "components by falling weight"


@pytest.mark.parametrize("dim", [16, 17, 170])
def test_recipe_too_large_for_the_text_is_refused(dim: int) -> None:
    with pytest.raises(CourseError, match=f"16 words and 16 contexts .*{dim} components"):
        train(corpus(), Recipe(dim=dim))


def test_text_without_a_word_is_refused() -> None:
    with pytest.raises(CourseError, match="0 words"):
        train([], Recipe())


def test_too_few_contexts_for_the_recipe_are_refused() -> None:
    # Twelve words, three stems: three components at most, whatever the number of words.
    rng = np.random.default_rng(0)
    known = [f"{stem}{ending}" for stem in ("aaaaa", "bbbbb", "ccccc") for ending in "wxyz"]
    verses = [[str(word) for word in rng.choice(known, 6)] for _ in range(50)]
    with pytest.raises(CourseError, match="12 words and 3 contexts .*8 components"):
        train(verses, Recipe(dim=8))


# ── the steps ────────────────────────────────────────────────────────────────────────────


@pytest.fixture
def workshop(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A data folder of its own, and a folder of source texts with one Swahili text."""
    data, sources = tmp_path / "data", tmp_path / "sources"
    data.mkdir()
    sources.mkdir()
    (data / assets.MANIFEST).write_text("", encoding="utf-8")
    monkeypatch.setenv("XL_DATA", str(data))
    monkeypatch.setenv("XL_SOURCES", str(sources))
    settings.reset()
    toy = sources / "toy.txt"
    rng = np.random.default_rng(0)
    known = [a + b + c for a in "bdgk" for b in "aeiou" for c in ("ba", "ng'o", "li", "mu", "ni")]
    known += [a + b + "zi" + c for a in "fhj" for b in "aeiou" for c in ("ra", "ta", "wa", "ya")]
    lines = [" ".join(rng.choice(known, 12)).capitalize() + "." for _ in range(150)]
    toy.write_text("\n<range>\n".join(lines) + "\n", encoding="utf-8")
    assets.register(toy, "source", "public domain", "written for a test", name="texts/toy.txt")
    monkeypatch.setattr(
        text, "SOURCES", {"sw": Source("texts/toy.txt", text.read_lines, "Toy text")}
    )
    # Tables of what this workshop has; those of the little world are tested with it.
    has = {name: datasheet.TABLES[name] for name in ("vectors", "dictionaries")}
    monkeypatch.setattr(datasheet, "TABLES", has)
    small = Recipe(size=120, dim=20)
    monkeypatch.setattr(vectors, "Recipe", lambda: small)
    return data


def test_verses_are_read_cleaned_and_split(workshop: Path) -> None:
    found = text.verses("sw")
    assert len(found) == 150 and {len(verse) for verse in found} == {12}
    assert any("ng'o" in word for verse in found for word in verse)


def test_language_without_text_is_refused(workshop: Path) -> None:
    with pytest.raises(SourceError, match="no source text for 'de'.*\n.*choose among sw"):
        text.verses("de")


def test_text_without_words_is_refused(workshop: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    empty = Source("texts/toy.txt", lambda path: iter(["12 — 13", "<range>"]), "Nothing")
    monkeypatch.setitem(text.SOURCES, "sw", empty)
    with pytest.raises(SourceError, match=r"texts/toy.txt holds no words"):
        text.verses("sw")


def test_one_step_writes_vectors_and_their_row(
    workshop: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert pipeline.main(["vectors/sw"]) == 0
    made = load_npz(workshop / "vectors" / "sw.npz")
    assert (len(made), made.dim) == (120, 20)
    assert made.words == vocabulary(text.verses("sw"), Recipe(size=120))
    row = assets.get("vectors/sw.npz")
    assert (row.kind, row.licence) == ("shipped", "public domain")
    assert row.origin == "python3 course.py build vectors/sw"
    verses = text.verses("sw")
    kinds = len({word for verse in verses for word in verse})
    assert row.note == (
        f"Swahili; Toy text (texts/toy.txt); 1,800 words of text, {kinds} different"
    )
    assert assets.path("vectors/sw.npz") == workshop / "vectors" / "sw.npz"
    shown = capsys.readouterr().out
    assert "[1/1] vectors/sw" in shown and "120 words × 20" in shown
    assert [p.name for p in (workshop / "vectors").iterdir()] == ["sw.npz"]


def test_the_same_text_gives_the_same_file(workshop: Path) -> None:
    pipeline.main(["vectors/sw"])
    before = (workshop / "vectors" / "sw.npz").read_bytes()
    pipeline.main(["vectors/sw"])
    assert (workshop / "vectors" / "sw.npz").read_bytes() == before


def test_dictionaries_are_checked_and_registered(
    workshop: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = workshop / "dictionaries"
    folder.mkdir()
    (folder / "en-de.tsv").write_text("king\tkönig\nwater\twasser\n", encoding="utf-8")
    (folder / "en-sw.tsv").write_text("water\tmaji\n", encoding="utf-8")
    assert pipeline.main(["dictionaries"]) == 0
    assert "3 entries" in capsys.readouterr().out
    assert assets.get("dictionaries/en-sw.tsv").licence == "CC BY 4.0"
    assert assets.get("dictionaries/en-de.tsv").note == "English to German"


def test_bad_dictionary_stops_the_build_and_is_not_registered(workshop: Path) -> None:
    folder = workshop / "dictionaries"
    folder.mkdir()
    (folder / "en-de.tsv").write_text("king\tkönig\nKing\tkönig\n", encoding="utf-8")
    with pytest.raises(CourseError, match=r"en-de.tsv, line 2"):
        pipeline.main(["dictionaries"])
    assert "dictionaries/en-de.tsv" not in assets.manifest()


PAGE = """\
# Data
<!-- table: vectors -->
old
<!-- end -->
between
<!-- table: dictionaries -->
<!-- end -->
after
"""


def test_datasheet_is_filled_from_the_files(workshop: Path) -> None:
    (workshop / "README.md").write_text(PAGE, encoding="utf-8")
    (workshop / "dictionaries").mkdir()
    (workshop / "dictionaries" / "en-de.tsv").write_text(
        "king\tkönig\nbread\tbrot, speise\nmaria\tmaria\tname\n", encoding="utf-8"
    )
    assert pipeline.main(["vectors/sw", "dictionaries", "datasheet"]) == 0
    page = (workshop / "README.md").read_text(encoding="utf-8")
    row = assets.get("vectors/sw.npz")
    kinds = len({word for verse in text.verses("sw") for word in verse})
    assert f"| Swahili | Toy text (texts/toy.txt) | 1,800 | {kinds} | 120 | {row.bytes:,} |" in page
    assert "| German | 3 | 1 | 4 | 2 | 1 |" in page  # bread and maria are test words
    assert "old" not in page
    assert page.startswith("# Data\n<!-- table: vectors -->\n| language |")
    assert "<!-- end -->\nbetween\n<!-- table" in page and page.endswith("<!-- end -->\nafter\n")
    settings.use("hub")  # has other dictionaries, which are not what data/ holds
    pipeline.main(["datasheet"])
    assert (workshop / "README.md").read_text(encoding="utf-8") == page


def test_datasheet_without_its_places_is_refused(workshop: Path) -> None:
    (workshop / "README.md").write_text("# Data\n", encoding="utf-8")
    with pytest.raises(CourseError, match="no place for the table 'vectors'"):
        pipeline.main(["datasheet"])
    assert (workshop / "README.md").read_text(encoding="utf-8") == "# Data\n"


def test_shipped_datasheet_agrees_with_the_files(root: Path) -> None:
    page = (root / "data" / "README.md").read_text(encoding="utf-8")
    for name, rows in (
        ("vectors", datasheet._vectors()),
        ("dictionaries", datasheet._dictionaries()),
    ):
        table = "".join(f"{row}\n" for row in rows)
        assert f"<!-- table: {name} -->\n{table}<!-- end -->" in page, "course.py build datasheet"


@pytest.mark.parametrize("names", [["vectors/xx"], ["dictionaries", "nonsense"]])
def test_unknown_step_exits_with_2_before_anything_runs(
    names: list[str], workshop: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit) as caught:
        pipeline.main(names)
    assert caught.value.code == 2
    shown = capsys.readouterr()
    assert f"no step {names[-1]}" in shown.err and "vectors/sw" in shown.err
    assert shown.out == "" and not (workshop / "vectors").exists()


def test_steps_cover_every_language_and_come_before_what_reads_them() -> None:
    names = list(pipeline.steps())
    assert [f"vectors/{code}" for code in text.SOURCES] == names[: len(text.SOURCES)]
    made = [f"models/{plan.name}" for plan in PLANS]
    cards = [f"cards/{plan.name}" for plan in PLANS]
    written = ["dictionaries", "grammar", "corpus", "everyday", "text/yo", "lexicon"]
    written += [*(f"language/{code}" for code in languages.CONTRIBUTED), "text", "pretraining"]
    heads = ("mini-infoxlm-nli", "mini-infoxlm-sentiment")
    read = [f"{what}/{name}" for what in ("models", "cards") for name in heads]
    read += ["translators", "cards/translators"]
    read += [*(f"transfer/{name}" for name in EXPERIMENTS), "transfer/translation", "adaptation"]
    read += [f"scores/{code}" for code in languages.CONTRIBUTED]
    assert names[len(text.SOURCES) :] == [*written, *made, *cards, *read, "datasheet"]
    assert {"en", "de", "es", "fr", "ru", "fi", "zh", "sw"} <= set(text.SOURCES)


def test_without_names_every_step_runs_in_order(monkeypatch: pytest.MonkeyPatch) -> None:
    ran: list[str] = []

    def step(name: str) -> str:
        ran.append(name)
        return "made"

    steps = {name: partial(step, name) for name in ("one", "two")}
    monkeypatch.setattr(pipeline, "steps", lambda: steps)
    assert pipeline.main([]) == 0
    assert ran == ["one", "two"]


def test_every_source_is_in_the_manifest() -> None:
    rows = assets.manifest()
    for source in text.SOURCES.values():
        row = rows[source.asset]
        assert row.kind == "source" and row.url.startswith("https://")
        assert "commit" in row.origin and row.licence == "public domain"


# ── the vectors that we ship ─────────────────────────────────────────────────────────────

CODES = list(text.SOURCES)


@pytest.mark.parametrize("code", CODES)
def test_shipped_vectors_are_whole_and_small(code: str, root: Path) -> None:
    file = root / "data" / "vectors" / f"{code}.npz"
    assert file.stat().st_size <= 2_000_000
    made = load_npz(file)
    assert len(made) >= 5000 and made.dim == Recipe().dim
    assert np.linalg.norm(made.matrix, axis=1).min() > 0.1


@pytest.mark.parametrize("code", CODES)
def test_shipped_words_are_lower_case_words_of_their_script(code: str, root: Path) -> None:
    import unicodedata

    script = {"ru": "CYRILLIC", "zh": "CJK"}.get(code, "LATIN")
    for word in load_npz(root / "data" / "vectors" / f"{code}.npz"):
        assert word == unicodedata.normalize("NFC", word).lower()
        letters = [x for x in word if x != "'" or code not in ("sw", "fr")]
        assert letters and all(unicodedata.name(x).startswith(script) for x in letters), word


def available(language: str) -> bool:
    wanted = text.SOURCES[language].asset.rpartition("/")[2]
    folders = [Path(part) for part in TEXT_FOLDERS.split(os.pathsep) if part.strip()]
    return any(any(folder.rglob(wanted)) for folder in folders)


@pytest.mark.pinned("made again as the committed vectors were")
@pytest.mark.parametrize("code", ["sw", "de"])
def test_rebuilt_vectors_equal_the_shipped_ones(
    code: str, root: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    if not available(code):
        pytest.skip(
            f"no {text.SOURCES[code].asset}: download the file that data/manifest.toml names and "
            "set XL_SOURCES to its folder"
        )
    monkeypatch.setenv("XL_SOURCES", TEXT_FOLDERS)
    settings.reset()
    # Through the file format, which rounds to three digits.
    save_npz(train(text.verses(code)), tmp_path / "made.npz")
    made, shipped = load_npz(tmp_path / "made.npz"), load_npz(root / f"data/vectors/{code}.npz")
    assert made.words == shipped.words
    # Axes may be mirrored, and libraries round differently: compare what the axes do not touch.
    one, two = (cosines(each) for each in (made, shipped))
    np.testing.assert_allclose(one, two, atol=0.02)


def cosines(made: WordVectors) -> Any:
    unit = made.head(500).normalised(centre=False).matrix
    return unit @ unit.T
