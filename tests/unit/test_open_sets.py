"""The open sets: their formats, on sentences written here; and the real files where they lie."""

from __future__ import annotations

import difflib
import hashlib
import os
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from xlhelpers import assets, datasets, languages, settings
from xlhelpers.datasets import OPEN_SETS, DatasetError, Labelled, Parallel, Tagged, formats
from xlhelpers.datasets import open_sets as module
from xlhelpers.errors import CourseError

# Read here: a fixture hides it from the tests themselves.
COPIES = os.environ.get("XL_SOURCES", "")

# (name in the manifest, content)
Give = Callable[[str, str | bytes], None]

NUSAX = """\
id,text,label
7,"Rotinya enak, dan murah.",positive
3,"Pelayan berkata: ""tunggu"".
Lama sekali. ",negative
12,Toko buka pukul delapan.,neutral
"""
SIB = (
    "index_id\tcategory\ttext\n"
    "40\tgeography\tDer See liegt hoch in den Bergen.\n"
    '8\ttravel\t"""Nur mit Karte"" stand am Schalter, also fuhren wir ""so""."\n'
)
# "am" is two words, 4.1 was left out of the sentence, and a word has a blank in it.
CONLLU = """\
# newdoc id = n01001
# sent_id = n01001002
# parallel_id = pud/n01001002
# text = Ana ging am See 10 000 Schritte.
# text_en = Ana walked 10,000 steps by the lake.
1\tAna\tAna\tPROPN\tNE\t_\t2\tnsubj\t_\t_
2\tging\tgehen\tVERB\tVVFIN\t_\t0\troot\t_\t_
3-4\tam\t_\t_\t_\t_\t_\t_\t_\t_
3\tan\tan\tADP\tAPPR\t_\t5\tcase\t_\t_
4\tdem\tder\tDET\tART\t_\t5\tdet\t_\t_
4.1\tgroßen\tgroß\tADJ\t_\t_\t_\t_\t_\t_
5\tSee\tSee\tNOUN\tNN\t_\t2\tobl\t_\t_
6\t10 000\t10000\tNUM\tCARD\t_\t7\tnummod\t_\t_
7\tSchritte\tSchritt\tNOUN\tNN\t_\t2\tobj\t_\tSpaceAfter=No
8\t.\t.\tPUNCT\t$.\t_\t2\tpunct\t_\t_

# sent_id = n01001005
# text = Oh ja
1\tOh\toh\tINTJ\tITJ\t_\t0\troot\t_\t_
2\tja\tja\tX\tX\t_\t1\tdep\t_\t_

# newdoc id = n01002
# sent_id = n01002001
# text = Er las.
1\tEr\ter\tPRON\tPPER\t_\t2\tnsubj\t_\t_
2\tlas\tlesen\tVERB\tVVFIN\t_\t0\troot\t_\tSpaceAfter=No
3\t.\t.\tPUNCT\t$.\t_\t2\tpunct\t_\t_

"""
# The same three, in another order, with numbers of their own.
IOB2 = """\
# newdoc id = n01002
# sent_id = n01002-0001
# text = Er las.
1\tEr\tO\t-\t-
2\tlas\tO\t-\t-
3\t.\tO\t-\t-

# newdoc id = n01001
# sent_id = n01001-0001
# text = Ana Ruiz ging zum Roten Kreuz.
1\tAna\tB-PER\t-\tx
2\tRuiz\tI-PER\t-\tx
3\tging\tO\t-\t-
4\tRoten\tB-ORG\t-\tx
5\tKreuz\tI-ORG\t-\tx

# sent_id = n01001-0002
# text = Oh ja
1\tOh\tO\t-\t-
2\tja\tO\t-\t-

"""
# Dates, an entity that begins with an I-, two empty lines.
WORD_TAG = """\
Ade B-PER
Bello I-PER
wá O
sí O
Ìbàdàn I-LOC
lánàá B-DATE
. O


Ó O
lọ O

"""
MASAKHANER = "masakhaner/yor/test.txt"
FILES = {
    "nusax/indonesian/train.csv": NUSAX,
    "nusax/indonesian/valid.csv": NUSAX,
    "nusax/acehnese/train.csv": NUSAX,
    "sib200/deu_Latn/test.tsv": SIB,
    "sib200/arb_Arab/test.tsv": SIB,
    "universal_dependencies/de_pud-ud-test.conllu": CONLLU,
    "universal_dependencies/en_pud-ud-test.conllu": CONLLU,
    "universal_dependencies/de_gsd-ud-dev.conllu": CONLLU,
    "uner/de_pud-ud-test.iob2": IOB2,
    "uner/en_ewt-ud-dev.iob2": IOB2,
    MASAKHANER: WORD_TAG,
}


@pytest.fixture
def give(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Give:
    """An empty manifest, and a function that lists a file in it and leaves a copy to be found."""
    (tmp_path / "data").mkdir()
    (tmp_path / "data" / "manifest.toml").write_text("", encoding="utf-8")
    monkeypatch.setenv("XL_SOURCES", str(tmp_path / "copies"))
    settings.reset()
    settings.use(data=tmp_path / "data", progress=False)

    def one(name: str, content: str | bytes) -> None:
        copy = tmp_path / "copies" / name
        copy.parent.mkdir(parents=True, exist_ok=True)
        copy.write_bytes(content if isinstance(content, bytes) else content.encode())
        url = f"http://127.0.0.1:9/{name}"
        assets.register(copy, "source", "CC0-1.0", "this test", url=url, name=name)

    return one


@pytest.fixture
def sets(give: Give) -> None:
    """The files above."""
    for name, content in FILES.items():
        give(name, content)


# ── what is read ─────────────────────────────────────────────────────────────────────────


def test_nusax(sets: None) -> None:
    rows = datasets.nusax("id")
    assert rows.ids == ("nusax/7", "nusax/3", "nusax/12")
    assert rows.texts[0] == "Rotinya enak, dan murah."
    assert rows.texts[1] == 'Pelayan berkata: "tunggu".\nLama sekali.'
    assert rows.labels == ("positive", "negative", "neutral")
    assert rows.names == ("negative", "neutral", "positive")
    assert (rows.language, rows.held) == ("id", ("", "", ""))
    assert rows.source == "nusax/indonesian/train.csv (this test)"


def test_sib200(sets: None) -> None:
    rows = datasets.sib200("de", "test")
    assert rows.ids == ("sib200/40", "sib200/8")
    assert rows.texts[1] == '"Nur mit Karte" stand am Schalter, also fuhren wir "so".'
    assert rows.labels == ("geography", "travel")
    assert len(rows.names) == 7 and rows.language == "de"


def test_universal_dependencies(sets: None) -> None:
    rows = datasets.universal_dependencies("de_pud")
    assert rows.ids == ("pud/n01001002", "pud/n01001005", "pud/n01002001")
    assert rows.texts[0] == "Ana ging am See 10 000 Schritte."
    assert rows.sentences[0] == ("Ana", "ging", "an", "dem", "See", "10 000", "Schritte", ".")
    assert rows.tags[0] == tuple("PROPN VERB ADP DET NOUN NUM NOUN PUNCT".split())
    assert rows.upos == rows.tags and rows.tags[1] == ("INTJ", "X")
    assert len(rows.names) == 17 and set(rows.tags[0]) <= set(rows.names)
    assert rows.language == "de" and rows.name_marks == ("", "", "")


def test_uner_has_the_ids_of_universal_dependencies(sets: None) -> None:
    rows = datasets.uner("de_pud")
    assert rows.ids == ("pud/n01002001", "pud/n01001002", "pud/n01001005")
    assert rows.tags[1] == ("B-PER", "I-PER", "O", "B-ORG", "I-ORG")
    assert rows.names == datasets.corpus.NAMES["ner"]
    assert rows.upos == ((), (), ())
    both = Parallel({"UD": datasets.universal_dependencies("de_pud"), "UNER": rows})
    assert both["UNER"].texts[2] == both["UD"].texts[2] == "Er las."


def test_batches_are_counted_in_the_order_of_pud(give: Give) -> None:
    batches = CONLLU
    for number, id_ in enumerate(("n01001002", "n01001005", "n01002001"), start=1):
        batches = batches.replace(f"sent_id = {id_}", f"sent_id = batch-0000-000{number}")
    text = "".join(
        "\t".join([*line.split("\t")[:2], "O", "-", "-"]) + "\n" if "\t" in line else line + "\n"
        for line in batches.splitlines()
        if "-4\t" not in line and ".1\t" not in line
    )
    give("uner/zh_pud-ud-test.iob2", text)
    give("universal_dependencies/en_pud-ud-test.conllu", CONLLU)
    assert datasets.uner("zh_pud").ids == ("pud/n01001002", "pud/n01001005", "pud/n01002001")


def test_ids_of_treebanks_that_are_not_parallel_are_their_own(sets: None) -> None:
    gsd = datasets.universal_dependencies("de_gsd", "dev")
    assert gsd.ids[0] == "de_gsd/n01001002"
    assert datasets.uner("en_ewt", "dev").ids[0] == "en_ewt/n01002-0001"
    with pytest.raises(DatasetError, match="no id in common"):
        Parallel({"de": gsd, "en": datasets.universal_dependencies("en_pud")})


def test_masakhaner_leaves_dates_out_and_begins_every_entity(sets: None) -> None:
    names = datasets.masakhaner("yo", "test")
    assert names.sentences == (tuple("Ade Bello wá sí Ìbàdàn lánàá .".split()), ("Ó", "lọ"))
    assert names.tags == (("B-PER", "I-PER", "O", "O", "B-LOC", "O", "O"), ("O", "O"))
    assert names.names == datasets.uner("de_pud").names and names.language == "yo"
    assert names.texts == ("Ade Bello wá sí Ìbàdàn lánàá .", "Ó lọ")
    assert names.ids == ("yo_masakhaner/test-0", "yo_masakhaner/test-1")
    assert datasets.masakhaner("yor", "test").ids == names.ids


@pytest.mark.parametrize(
    ("old", "new", "problem"),
    [
        ("wá O", "wá O x", "line 3: 3 columns, not 2"),
        ("wá O", "wá\tO", "line 3: 1 columns, not 2"),
        ("B-DATE", "B-MISC", "line 6: 'lánàá' has the tag 'B-MISC'"),
        ("wá O", "\u00a0 O", "line 3: a word without letters"),
        ("lọ O\n\n", "lọ O\n", "no blank line after its last sentence"),
    ],
)
def test_word_and_tag_that_do_not_fit_are_refused_by_line(
    sets: None, give: Give, old: str, new: str, problem: str
) -> None:
    assert old in WORD_TAG
    give(MASAKHANER, WORD_TAG.replace(old, new, 1))
    with pytest.raises(DatasetError) as caught:
        datasets.masakhaner("yo", "test")
    assert problem in str(caught.value) and MASAKHANER in caught.value.problem


def test_languages_go_by_their_code_their_cards_code_and_the_sets_own_name(sets: None) -> None:
    for same in ("id", "ind", "indonesian"):
        assert datasets.nusax(same).language == "id"
    for same in ("ace", "acehnese"):
        assert datasets.nusax(same).language == "ace"
    for same in ("ar", "arb", "ara", "arb_Arab"):
        assert datasets.sib200(same, "test").language == "ar"


def test_parts_are_what_the_loaders_take(sets: None) -> None:
    assert OPEN_SETS["nusax"].parts() == {"ace": ("train",), "id": ("train", "dev")}
    assert OPEN_SETS["sib200"].parts() == {"ar": ("test",), "de": ("test",)}
    treebanks = {"de_gsd": ("dev",), "de_pud": ("test",), "en_pud": ("test",)}
    assert OPEN_SETS["universal_dependencies"].parts() == treebanks
    for name, part in OPEN_SETS.items():
        for key, splits in part.parts().items():
            assert all(len(getattr(datasets, name)(key, split)) for split in splits)


def test_file_without_a_card_for_its_language_is_read_all_the_same(give: Give) -> None:
    give("sib200/tpi_Latn/test.tsv", SIB)
    give("universal_dependencies/tpi_x-ud-test.conllu", CONLLU)
    assert datasets.sib200("tpi_Latn", "test").language == "tpi"
    assert datasets.universal_dependencies("tpi_x").language == "tpi"
    with pytest.raises(DatasetError, match="it has tpi_x"):
        datasets.universal_dependencies("xyz")


def test_part_of_speech_is_learned_as_any_tag(sets: None, root: Path) -> None:
    from transformers import AutoTokenizer, BertConfig, BertForTokenClassification

    from xlhelpers import finetuning

    rows = datasets.universal_dependencies("de_pud")
    tokenizer = AutoTokenizer.from_pretrained(root / "data" / "models" / "mini-mbert")
    small = {"hidden_size": 32, "num_hidden_layers": 1, "num_attention_heads": 2}
    small |= {"vocab_size": len(tokenizer), "intermediate_size": 32, "num_labels": 17}
    config = BertConfig(**small)
    with pytest.warns(UserWarning, match="no example of"):  # three sentences lack most of the 17
        fitted = finetuning.train_tagger(
            BertForTokenClassification(config),
            tokenizer,
            rows.sentences,
            rows.tags,
            names=rows.names,
            dev=(rows.sentences, rows.tags),
            epochs=15,
            learning_rate=1e-2,
            progress=False,
        )
    assert fitted.metric == "accuracy"
    said = finetuning.tag(fitted.model, fitted.tokenizer, rows.sentences)
    assert finetuning.tag_accuracy(rows.tags, said).value > 0.6
    assert [len(row) for row in said] == [len(row) for row in rows.sentences]


# ── what is asked for wrongly ────────────────────────────────────────────────────────────


@pytest.mark.parametrize(
    ("ask", "problem", "remedy"),
    [
        (lambda: datasets.nusax("achenese"), "no language 'achenese'", "did you mean 'ace'"),
        (lambda: datasets.nusax("xx"), "nusax has no language 'xx'", "it has ace id"),
        (lambda: datasets.nusax(None), "no language None", "it has ace id"),
        (lambda: datasets.sib200("German", "test"), "no language 'German'", "did you mean 'de'"),
        (lambda: datasets.sib200("deu-latn", "test"), "no language", "did you mean 'de'"),
        (lambda: datasets.sib200("de", "validation"), "no split 'validation'", "others call val"),
        (lambda: datasets.sib200("de", "dev"), "no dev split of deu_Latn in sib200", "lists test"),
        (lambda: datasets.nusax("id", "test"), "lists no test split", "train and dev"),
        (lambda: datasets.uner("de"), "no treebank 'de'", "did you mean 'de_pud'"),
        (lambda: datasets.uner("German"), "no treebank 'German'", "did you mean 'de_pud'"),
        (lambda: datasets.uner("fr_pud"), "no treebank 'fr_pud'", "it has de_pud en_ewt"),
        (lambda: datasets.uner("de_pud", "train"), "no train split of de_pud in uner", "test"),
        (lambda: datasets.universal_dependencies("sw_x"), "no treebank", "de_gsd de_pud en_pud"),
        (lambda: datasets.universal_dependencies("de_pud", "tset"), "no split 'tset'", "dev or"),
    ],
)
def test_unknown_language_treebank_or_split_is_refused(
    sets: None, ask: Callable[[], Any], problem: str, remedy: str
) -> None:
    with pytest.raises(DatasetError) as caught:
        ask()
    assert problem in caught.value.problem and remedy in caught.value.remedy


def test_manifest_without_the_set_is_named(give: Give) -> None:
    with pytest.raises(DatasetError, match="lists no file of nusax") as caught:
        datasets.nusax("id")
    assert caught.value.remedy == "python3 course.py fetch manifest.toml"


# ── files that are not what they should be ───────────────────────────────────────────────

LOADERS: dict[str, Callable[[], Labelled | Tagged]] = {
    "nusax/indonesian/train.csv": lambda: datasets.nusax("id"),
    "sib200/deu_Latn/test.tsv": lambda: datasets.sib200("de", "test"),
    "universal_dependencies/de_pud-ud-test.conllu": lambda: datasets.universal_dependencies(
        "de_pud"
    ),
    "uner/de_pud-ud-test.iob2": lambda: datasets.uner("de_pud"),
}
LATIN = "Käse".encode("latin-1")


@pytest.mark.parametrize("name", LOADERS)
@pytest.mark.parametrize(
    ("spoil", "problem"),
    [
        (lambda text: text.replace("\n", "\r\n"), "line 1: a Windows line end"),
        (lambda text: text.encode().replace(b"Er las", LATIN).replace(b"See", LATIN), "not UTF-8"),
        (lambda text: text.encode("utf-16"), "line 1: not UTF-8"),
        (lambda text: "", "is empty"),
        (lambda text: "\n \n", "is empty"),
        (lambda text: text.splitlines()[0] + "\n", "no rows|no sentences"),
        (lambda text: text.replace("\t", ";", 3).replace(",", ";"), "column"),
    ],
    ids=["windows", "latin-1", "utf-16", "nothing", "blanks", "no-rows", "columns"],
)
def test_file_of_another_kind_is_refused(
    sets: None, give: Give, name: str, spoil: Callable[[str], str | bytes], problem: str
) -> None:
    spoiled = spoil(FILES[name])
    if problem == "not UTF-8" and b"K\xe4se" not in spoiled:
        spoiled = FILES[name].encode().replace(b"Toko", LATIN)
    give(name, spoiled)
    with pytest.raises(DatasetError, match=problem) as caught:
        LOADERS[name]()
    assert name in caught.value.problem and caught.value.remedy


@pytest.mark.parametrize(
    ("name", "old", "new", "problem"),
    [
        ("nusax/indonesian/train.csv", "neutral", "mixed", "line 5: 'mixed' is no label"),
        ("nusax/indonesian/train.csv", "id,text", "id,tekst", "no column 'text' but id, tekst"),
        ("nusax/indonesian/train.csv", ",neutral", "", "line 5: 2 columns, not 3"),
        ("nusax/indonesian/train.csv", "12,Toko buka pukul delapan.", "12,  ", "line 5: no text"),
        ("nusax/indonesian/train.csv", "12,", ",", "line 5: no id"),
        ("nusax/indonesian/train.csv", '7,"', '7,"x" "', "line 2"),
        ("nusax/indonesian/train.csv", "12,", "7,", "'nusax/7' occurs twice"),
        ("sib200/deu_Latn/test.tsv", "travel", "trips", "line 3: 'trips' is no label"),
        ("sib200/deu_Latn/test.tsv", "40\t", "40 ", "line 2: 2 columns, not 3"),
        ("universal_dependencies/de_pud-ud-test.conllu", "VERB", "VERBUM", "line 7: 'ging' has"),
        ("universal_dependencies/de_pud-ud-test.conllu", "\tINTJ\t", "\t_\t", "has the tag '_'"),
        ("universal_dependencies/de_pud-ud-test.conllu", "\t_\n2\t", "\n2\t", "9 columns, not 10"),
        ("universal_dependencies/de_pud-ud-test.conllu", "\n5\t", "\n6\t", "number '6', not 5"),
        ("universal_dependencies/de_pud-ud-test.conllu", "\n1\tEr", "\n1\t ", "without letters"),
        ("universal_dependencies/de_pud-ud-test.conllu", "# text = Er las.\n", "", "has no text"),
        ("universal_dependencies/de_pud-ud-test.conllu", "# sent_id = n01002001\n", "", "sent_id"),
        ("universal_dependencies/de_pud-ud-test.conllu", "01005", "01002", "occurs twice"),
        ("uner/de_pud-ud-test.iob2", "B-ORG", "B-OTH", "'Roten' has the tag 'B-OTH'"),
        ("uner/de_pud-ud-test.iob2", "B-PER", "O", "before line 16: 'I-PER' is not IOB2"),
        ("uner/de_pud-ud-test.iob2", "4\tRoten", "4-5\tRoten", "number '4-5', not 4"),
        ("uner/de_pud-ud-test.iob2", "n01001-0002", "n01001-0009", "3 sentences, and PUD"),
    ],
)
def test_row_that_does_not_fit_is_refused_by_line(
    sets: None, give: Give, name: str, old: str, new: str, problem: str
) -> None:
    assert old in FILES[name]
    give(name, FILES[name].replace(old, new, 1))
    with pytest.raises(DatasetError) as caught:
        LOADERS[name]()
    assert problem in str(caught.value) and name in caught.value.problem


@pytest.mark.parametrize("name", list(LOADERS)[2:])
def test_file_that_ends_within_a_sentence_is_refused(sets: None, give: Give, name: str) -> None:
    give(name, FILES[name].removesuffix("\n"))
    with pytest.raises(DatasetError, match="no blank line after its last sentence"):
        LOADERS[name]()


def test_byte_order_mark_is_no_part_of_the_first_column(sets: None, give: Give) -> None:
    give("nusax/indonesian/train.csv", b"\xef\xbb\xbf" + NUSAX.encode())
    assert datasets.nusax("id").ids[0] == "nusax/7"


def test_characters_that_look_like_line_ends_stay_in_their_words(sets: None, give: Give) -> None:
    name = "universal_dependencies/de_pud-ud-test.conllu"
    give(name, CONLLU.replace("Schritte\tSchritt", "Schrit\u2028te\x85\tSchritt"))
    assert datasets.universal_dependencies("de_pud").sentences[0][6] == "Schrit\u2028te\x85"


# ── from a copy into the cache ───────────────────────────────────────────────────────────


@pytest.mark.parametrize("name", LOADERS)
def test_altered_or_cut_file_in_the_cache_is_refused_with_the_command(
    sets: None, name: str
) -> None:
    LOADERS[name]()
    file = assets.get(name).file
    whole = file.read_bytes()
    for content, problem in [
        (whole[:-1], "truncated"),
        (whole.replace(b"\n", b"\r\n"), "has been altered"),
        (whole[:50] + bytes([whole[50] ^ 1]) + whole[51:], "SHA-256 differs"),
    ]:
        file.write_bytes(content)
        with pytest.raises(assets.AssetError, match=problem) as caught:
            LOADERS[name]()
        assert caught.value.remedy == f"python3 course.py fetch {name}"
    assert assets.fetch([name]) == {name: "copied from xl_sources"}
    assert file.read_bytes() == whole and len(LOADERS[name]())


def test_right_one_of_many_files_of_one_name_is_taken(give: Give) -> None:
    # The same size in both languages, and the base name as well.
    give("nusax/acehnese/train.csv", NUSAX.replace("enak", "mang"))
    give("nusax/indonesian/train.csv", NUSAX)
    assert "mang" in datasets.nusax("ace").texts[0]
    assert "enak" in datasets.nusax("id").texts[0]


def test_without_copy_and_network_the_error_names_the_folder_variable(
    sets: None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("XL_SOURCES", str(tmp_path / "elsewhere"))
    settings.reset()
    settings.use(data=tmp_path / "data", progress=False)
    for load in LOADERS.values():
        with pytest.raises(assets.AssetError, match="cannot be reached") as caught:
            load()
        assert "XL_SOURCES" in caught.value.remedy


# ── the manifest of this repository ──────────────────────────────────────────────────────


def test_every_listed_file_has_an_address_at_one_commit() -> None:
    rows = [row for name, row in assets.manifest().items() if name.split("/")[0] in OPEN_SETS]
    assert len(rows) == 12 * 3 + 36 * 3 + 15 + 3 * 2 + 4 + 2 + 4 * 3
    for row in rows:
        owner, repository, commit, *_ = row.url.split("/")[3:]
        assert row.url.startswith("https://raw.githubusercontent.com/") and len(commit) == 40
        assert row.origin == f"github.com/{owner}/{repository}, commit {commit[:12]}"
        assert row.kind == "source" and row.url.rpartition("/")[2] == row.name.rpartition("/")[2]
        assert row.licence.startswith("CC BY-")
    assert len({row.sha256 for row in rows}) == len({row.url for row in rows}) == len(rows)


def test_every_set_lists_its_languages_and_treebanks() -> None:
    parts = {name: list(each.parts()) for name, each in OPEN_SETS.items()}
    assert parts["nusax"] == "ace ban bbc bjn bug en id jv mad min nij su".split()
    assert len(parts["sib200"]) == 36
    assert all(languages.get(code) for code in parts["sib200"])
    pud = [key for key in parts["universal_dependencies"] if key.endswith("_pud")]
    assert pud == [f"{c}_pud" for c in "ar cs de en es fi fr hi id ko pt ru th tr zh".split()]
    assert set(parts["universal_dependencies"]) - set(pud) == {"de_gsd", "en_ewt", "id_gsd"}
    assert parts["uner"] == "de_pud en_ewt en_pud pt_pud zh_pud".split()
    assert parts["masakhaner"] == "ha ig sw yo".split()


def test_each_loader_is_in_the_list_with_what_a_reader_should_know() -> None:
    for name, each in OPEN_SETS.items():
        assert each.name == name and callable(getattr(datasets, name))
        assert each.citation and each.licence.startswith("CC BY-") and each.note and each.task


# ── the real files ───────────────────────────────────────────────────────────────────────


@pytest.fixture
def real(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """The real copies, where `XL_SOURCES` names a folder that holds all of them."""
    folders = [Path(part) for part in COPIES.split(os.pathsep) if part.strip()]
    held = {file.name: file for folder in folders for file in folder.rglob("*") if file.is_file()}
    for wanted in ("de_pud-ud-test.conllu", "zh_pud-ud-test.iob2", "train.csv", "train.tsv"):
        if wanted not in held:
            pytest.skip(
                f"no {wanted}: download the files of the open sets that data/manifest.toml names "
                "and set XL_SOURCES to their folder"
            )
    monkeypatch.setenv("XL_SOURCES", COPIES)
    settings.reset()
    yield


def test_real_nusax_is_parallel_and_its_labels_agree(real: None) -> None:
    for split, size in (("train", 500), ("dev", 100), ("test", 400)):
        rows = Parallel({code: datasets.nusax(code, split) for code in OPEN_SETS["nusax"].parts()})
        assert len(rows) == 12 and len(rows.ids) == size
        shares = Counter(rows["en"].labels)
        assert {name: round(100 * n / size) for name, n in shares.items()} == {
            "negative": 38,
            "positive": 38,
            "neutral": 24,
        }
    ids = [set(datasets.nusax("en", split).ids) for split in datasets.SPLITS]
    assert len(set.union(*ids)) == 1000


def test_real_sib200_is_parallel_and_its_labels_agree(real: None) -> None:
    for split, size in (("train", 701), ("dev", 99), ("test", 204)):
        rows = Parallel(
            {code: datasets.sib200(code, split) for code in OPEN_SETS["sib200"].parts()}
        )
        assert len(rows) == 36 and len(rows.ids) == size
        assert Counter(rows["en"].labels).most_common(1)[0][0] == "science/technology"
        # Quotes are undone, and not taken for part of the text.
        assert not any(text.startswith('""') for text in rows["am"].texts)
    ids = [set(datasets.sib200("en", split).ids) for split in datasets.SPLITS]
    assert len(set.union(*ids)) == 1004


def test_real_pud_is_parallel_and_every_word_has_its_tag(real: None) -> None:
    treebanks = [key for key in OPEN_SETS["universal_dependencies"].parts() if "pud" in key]
    rows = Parallel({key: datasets.universal_dependencies(key) for key in treebanks})
    assert len(rows) == 15 and len(rows.ids) == 1000
    words = sum(map(len, rows["de_pud"].sentences))
    # Counted with grep: lines that begin with a whole number.
    assert words == 21332 == sum(map(len, rows["de_pud"].upos))
    first = rows["de_pud"][0]
    assert first["id"] == "pud/n01001011" and "am" not in first["words"]
    assert " am " in first["text"] and first["words"][25:27] == ("an", "dem")


def test_real_uner_has_the_words_of_the_sentence_that_its_id_names(real: None) -> None:
    for key in OPEN_SETS["uner"].parts():
        for split in OPEN_SETS["uner"].parts()[key]:
            entities = datasets.uner(key, split)
            parts = datasets.universal_dependencies(key, split).subset(entities.ids)
            pairs = list(zip(entities.sentences, parts.sentences, strict=True))
            same = sum(one == two for one, two in pairs)
            assert same >= 0.995 * len(pairs)
            # The others differ in how a release of UD cut them into words.
            for one, two in pairs:
                assert difflib.SequenceMatcher(None, "".join(one), "".join(two)).ratio() > 0.9
    parallel = Parallel(
        {key: datasets.uner(key) for key in OPEN_SETS["uner"].parts() if "pud" in key}
    )
    assert len(parallel) == 4 and len(parallel.ids) == 1000


def test_real_rows_in_training_and_in_test(real: None) -> None:
    """What a learner is told about leakage: none in two sets, much that is short in the third."""

    def shared(one: Labelled | Tagged, two: Labelled | Tagged) -> list[str]:
        return [text for text in two.texts if text in set(one.texts)]

    for load, name in ((datasets.nusax, "nusax"), (datasets.sib200, "sib200")):
        for code in OPEN_SETS[name].parts():
            assert shared(load(code, "train"), load(code, "test")) == []
    dev, test = (datasets.universal_dependencies("en_ewt", split) for split in ("dev", "test"))
    found = shared(dev, test)
    assert 60 <= len(found) <= 90
    assert sum(len(text.split()) <= 2 for text in found) > 0.9 * len(found)


def test_real_masakhaner_has_the_rows_that_its_authors_count(real: None) -> None:
    # A set of its own: the folder may hold the others without it.
    if not any(Path(part, "masakhaner").is_dir() for part in COPIES.split(os.pathsep)):
        pytest.skip("no masakhaner/: download the files that data/manifest.toml names")
    # Table of the repository: Yoruba has one training row more there than in the file.
    sizes = {"yo": (6876, 983, 1964), "sw": (6593, 942, 1883), "ha": (5716, 816, 1633)}
    for code, wanted in sizes.items():
        held = [datasets.masakhaner(code, split) for split in datasets.SPLITS]
        assert tuple(map(len, held)) == wanted
        assert {kind for row in held[2].tags for tag in row if (kind := tag[2:])} == {
            "PER",
            "LOC",
            "ORG",
        }


def test_real_files_are_those_of_the_manifest(real: None) -> None:
    for name in ("sib200/yor_Latn/test.tsv", "uner/zh_pud-ud-test.iob2"):
        content = assets.read_bytes(name)
        assert hashlib.sha256(content).hexdigest() == assets.get(name).sha256


def test_formats_say_what_they_were_given_even_for_nothing() -> None:
    with pytest.raises(DatasetError, match="no column 'id'"):
        formats.parse_table("", "x.csv", ",", ("id", "text", "label"), ["a"])
    with pytest.raises(CourseError, match="x.conllu has no sentences"):
        formats.parse_conllu("", "x.conllu", module.PARTS_OF_SPEECH)
