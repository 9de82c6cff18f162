"""The claims ledger: records, table, markers in prose, and the shipped data/claims.toml."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import pytest

from xlhelpers import claims
from xlhelpers.claims import ClaimsError, Record

KEY = "alignment.p1.de"

LEDGER = """
[[notebook]]
id = "01"
prefix = "alignment"

[[measure]]
key = "alignment.p1.de"
unit = "%"
digits = 0
tolerance = 2
what = "German <b>"

[[measure]]
key = "alignment.hub"
unit = ""
digits = 0
tolerance = 0
what = "hub"

[[claim]]
id = "01.a"
notebook = "01"
article = "line 37"
wording = "It works & <i>well</i>"
published = "81.4"
source = "Nobody (2018)"
verdict = "imprecise"
comment = "Not <always>."
measures = ["alignment.p1.de", "alignment.hub"]

[[claim]]
id = "01.b"
notebook = "01"
article = "not said"
wording = "Nothing to measure"
published = ""
source = ""
verdict = "missing"
comment = ""
measures = []
"""


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Records of this test alone, and a small ledger."""
    monkeypatch.setenv("XL_RECORDS", str(tmp_path / "records"))
    path = tmp_path / "claims.toml"
    path.write_text(LEDGER, encoding="utf-8")
    monkeypatch.setattr(claims, "_ledger_path", lambda: path)
    return tmp_path / "records"


@pytest.fixture
def shipped(monkeypatch: pytest.MonkeyPatch) -> claims.Ledger:
    """The course's own ledger."""
    monkeypatch.undo()
    return claims.ledger()


# ── records ──────────────────────────────────────────────────────────────────────────────────────


def test_record_shows_nothing_and_keeps_the_latest(folder: Path) -> None:
    assert claims.record(KEY, 40) is None  # type: ignore[func-returns-value]
    claims.record(KEY, 41.2, 35, 47, n=312, note="CSLS")
    claims.record("alignment.hub", 137)
    found = claims.records("01")
    assert found[KEY] == Record(KEY, 41.2, 35.0, 47.0, 312, "%", 0, "CSLS")
    assert found["alignment.hub"].text() == "137"
    assert json.loads((folder / "01.json").read_text())[KEY]["value"] == 41.2


def test_numpy_and_torch_numbers_are_records() -> None:
    import numpy as np
    import torch

    claims.record(KEY, np.float32(41.5), torch.tensor(35), np.int64(47), n=np.int64(3))
    assert claims.records("01")[KEY].full == "42 % [35, 47] (n = 3)"


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ({"value": float("nan")}, "not finite"),
        ({"value": float("inf")}, "not finite"),
        ({"value": "41 %"}, "no number"),
        ({"value": None}, "no number"),
        ({"value": 41, "low": 42, "high": 47}, "outside its interval"),
        ({"value": 41, "low": 47, "high": 35}, "outside its interval"),
        ({"value": 41, "low": 35}, "two ends"),
        ({"value": 41, "low": 35, "high": float("nan")}, "not finite"),
        ({"value": 101}, "no percentage"),
        ({"value": -1}, "no percentage"),
        ({"value": 41, "n": -1}, "number of cases"),
        ({"value": 41, "unit": "points"}, "claims.toml says '%'"),
        ({"value": 41, "digits": 1}, "claims.toml says 0"),
    ],
)
def test_bad_records_are_refused(arguments: dict[str, Any], words: str, folder: Path) -> None:
    with pytest.raises(ClaimsError, match=words):
        claims.record(KEY, **arguments)
    assert not folder.exists()


def test_unknown_keys_name_the_closest() -> None:
    with pytest.raises(ClaimsError, match=r"did you mean alignment\.p1\.de"):
        claims.record("alignment.p1.ed", 41)


def test_run_measures_need_their_notebook(folder: Path) -> None:
    claims.record("notebook.minutes", 1.24, notebook="01")
    assert claims.records("01")["notebook.minutes"].text() == "1.2 min"
    with pytest.raises(ClaimsError, match="no notebook"):
        claims.record("notebook.minutes", 1.2)


def test_a_folder_that_cannot_be_written_warns_and_goes_on(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "file").write_text("")
    monkeypatch.setenv("XL_RECORDS", str(tmp_path / "file" / "records"))
    with pytest.warns(UserWarning, match="could not be saved"):
        claims.record(KEY, 41)


def test_two_processes_record_at_once(folder: Path) -> None:
    code = (
        "import sys; from pathlib import Path; from xlhelpers import _store\n"
        "path = Path(sys.argv[1])\n"
        "for i in range(30): _store.update(path, lambda d: d.update({sys.argv[2] + str(i): i}))"
    )
    path = folder / "01.json"
    both = [subprocess.Popen([sys.executable, "-c", code, str(path), name]) for name in "ab"]
    assert [process.wait(timeout=60) for process in both] == [0, 0]
    assert len(json.loads(path.read_text())) == 60
    assert not list(folder.glob("*.tmp"))


@pytest.mark.parametrize(
    ("entry", "form", "text"),
    [
        (Record(KEY, 41.2, 35, 47.4, 312), "value", "41 %"),
        (Record(KEY, 41.2, 35, 47.4, 312), "interval", "41 % [35, 47]"),
        (Record(KEY, 41.2, 35, 47.4, 312), "range", "35 to 47 %"),
        (Record(KEY, 41.2, 35, 47.4, 312), "number", "41"),
        (Record(KEY, 41.2, 35, 47.4, 312), "n", "312"),
        (Record(KEY, 12_345.6, n=6000, unit=""), "value", "12,346"),
        (Record(KEY, 1.2, n=6000), "n", "6,000"),
        (Record(KEY, -1.25, -2, -0.04, unit="nats", digits=1), "interval", "−1.2 nats [−2.0, 0.0]"),
        (Record(KEY, 1.25, unit="min", digits=1), "value", "1.2 min"),
        (Record(KEY, 137.0, unit=""), "value", "137"),
        (Record(KEY, -0.2, unit=""), "value", "0"),
    ],
)
def test_text_of_a_record(entry: Record, form: str, text: str) -> None:
    assert entry.text(form) == text


@pytest.mark.parametrize("form", ["interval", "range", "n", "nonsense"])
def test_forms_that_a_record_lacks_are_refused(form: str) -> None:
    with pytest.raises(ClaimsError, match="cannot be written as"):
        Record(KEY, 41).text(form)


# ── rows and table ───────────────────────────────────────────────────────────────────────────────


def test_rows_hold_the_claim_and_the_measurement() -> None:
    claims.record(KEY, 41.2, 35, 47, n=312)
    first, second = claims.rows("01")
    assert list(first) == [
        "id",
        "wording",
        "article",
        "published",
        "source",
        "verdict",
        "comment",
        "measured",
    ]
    assert first["measured"].splitlines() == [
        "German <b>: 41 % [35, 47] (n = 312)",
        "hub: not measured in this run",
    ]
    assert second["measured"] == "" and second["verdict"].startswith("+")
    assert claims.missing("01") == ["alignment.hub"]
    assert claims.rows("02") == []


class _Page(HTMLParser):
    """Collects tags, attributes and text; fails on tags that are not closed."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.text: list[str] = []
        self.open: list[str] = []
        self.feed(page)
        assert not self.open

    def handle_starttag(self, tag: str, attrs: Any) -> None:
        self.tags.append((tag, dict(attrs)))
        if tag != "br":
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        self.text.append(data)


def test_table_is_accessible_and_escaped() -> None:
    claims.record(KEY, 41.2, 35, 47, n=312)
    page = _Page(claims.table("01")._repr_html_())
    names = [tag for tag, _ in page.tags]
    assert names[:2] == ["table", "caption"] and page.tags[0][1]["lang"] == "en"
    scopes = [attrs.get("scope") for tag, attrs in page.tags if tag == "th"]
    assert scopes == ["col"] * 5 + ["row"] * 2
    assert names.count("i") == names.count("b") == names.count("always") == 0
    assert "It works & <i>well</i>" in page.text
    assert "German <b>: 41 % [35, 47] (n = 312)" in page.text


def test_table_as_plain_text() -> None:
    text = repr(claims.table("01"))
    assert "published: 81.4 (Nobody (2018))" in text
    assert "verdict: ≈ imprecise. Not <always>." in text


# ── markers ──────────────────────────────────────────────────────────────────────────────────────

FOUND = {
    KEY: Record(KEY, 41.2, 35, 47, 312),
    "alignment.hub": Record("alignment.hub", 137, unit=""),
}


def test_fill_markers() -> None:
    text = f"a <!--={KEY}-->?<!--/--> b <!--={KEY}:interval--><!--/--> c <!--=x.y-->9<!--/-->"
    filled = claims.fill_markers(text, FOUND)
    assert filled == (
        f"a <!--={KEY}-->41 %<!--/--> b <!--={KEY}:interval-->41 % [35, 47]<!--/--> "
        "c <!--=x.y-->9<!--/-->"
    )
    assert claims.fill_markers(filled, FOUND) == filled
    assert claims.marker_keys(filled) == [KEY, KEY, "x.y"]


@pytest.mark.parametrize(
    "text",
    [
        f"<!--={KEY}-->41 %<!--/-->",
        f"<!--={KEY}-->43 %<!--/-->",
        f"<!--={KEY}:interval-->40 % [36, 46]<!--/-->",
        f"<!--={KEY}:n-->312<!--/-->",
        "<!--=alignment.hub-->137<!--/-->",
        "no marker at all, and an ordinary <!-- comment -->",
    ],
)
def test_markers_that_agree(text: str) -> None:
    assert claims.check_markers(text, FOUND) == []


@pytest.mark.parametrize(
    ("text", "words"),
    [
        (f"<!--={KEY}-->46 %<!--/-->", "the text says '46 %'"),
        (f"<!--={KEY}-->41<!--/-->", "the text says '41'"),
        (f"<!--={KEY}-->41 points<!--/-->", "41 points"),
        (f"<!--={KEY}:interval-->41 % [35, 55]<!--/-->", "[35, 55]"),
        (f"<!--={KEY}:n-->311<!--/-->", "311"),
        (f"<!--={KEY}:odd-->311<!--/-->", "cannot be written as 'odd'"),
        ("<!--=alignment.hub-->139<!--/-->", "139"),
        ("<!--=alignment.hubs-->137<!--/-->", "names no measure"),
        (f"<!--={KEY}-->41 %", "not closed"),
        # It would end the cell of a table.
        (f"<!--={KEY}|interval-->41 % [35, 47]<!--/-->", "not closed"),
        ("41 %<!--/-->", "not closed"),
    ],
)
def test_markers_that_disagree(text: str, words: str) -> None:
    problems = claims.check_markers(text, FOUND)
    assert len(problems) == 1 and words in problems[0]


def test_marker_without_a_measurement() -> None:
    assert claims.check_markers(f"<!--={KEY}-->41 %<!--/-->", {}) == [
        f"the marker '{KEY}' has no measurement"
    ]


@pytest.mark.parametrize(
    ("text", "numbers"),
    [
        ("German reaches 41 % here.", ["41 %"]),
        ("German reaches 41% here, cosine 0.52.", ["41%", "0.52"]),
        ("About 40 per cent.", ["40 per cent"]),
        ("It gains 3 points, 2 nats.", ["3 points", "2 nats"]),
        ("It takes 12 ms, 4 times as long.", ["12 ms", "4 times as"]),
        ("Drawn 2,000 times, from 25 pairs, at 3 times.", []),
        (f"German reaches <!--={KEY}-->41 %<!--/--> here.", []),
        ("They report 81.4 for Spanish (Conneau et al., 2018, ICLR).", []),
        ("Cited (Xing et al., 2015).\n\nNot cited: 12.5", ["12.5"]),
        ("| P@1 |\n|---|\n| 41 % |", ["41 %"]),
        ("With a 95 % interval, 300 dimensions, 25 pairs in 2018.", []),
        ("Use `rtol=0.01` and $\\alpha = 0.7$.\n\n```python\nx = 0.5\n```", []),
        ("See [this](https://example.org/1.5/x) and https://example.org/2.5.", []),
        ("![30 % of words](x.png)", ["30 %"]),
        ("Needs Python 3.11; text under CC BY-SA 4.0.", []),
    ],
)
def test_unmarked_numbers(text: str, numbers: list[str]) -> None:
    assert claims.unmarked_numbers(text) == numbers


# ── the ledger's own rules ───────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize(
    ("old", "new", "words"),
    [
        ('id = "01.b"', 'id = "01.a"', "twice"),
        ('"alignment.hub"]', '"alignment.hubs"]', "not declared: alignment.hubs"),
        ('verdict = "missing"', 'verdict = "maybe"', "'maybe'"),
        ('comment = ""\n', "", "comment"),
        ('comment = ""', 'coment = ""', "coment"),
        ("tolerance = 0", "", "tolerance"),
        ('notebook = "01"\narticle = "not', 'notebook = "09"\narticle = "not', "'09'"),
        ("[[claim]]", "[[claim", "not valid TOML"),
    ],
)
def test_a_faulty_ledger_is_refused(tmp_path: Path, old: str, new: str, words: str) -> None:
    path = tmp_path / "faulty.toml"
    assert old in LEDGER
    path.write_text(LEDGER.replace(old, new, 1), encoding="utf-8")
    with pytest.raises(ClaimsError, match=re.escape(words)):
        claims.ledger(path)


def test_a_missing_ledger_names_the_remedy(tmp_path: Path) -> None:
    with pytest.raises(ClaimsError, match="git checkout"):
        claims.ledger(tmp_path / "none.toml")


UNITS = {"%", "points", "nats", "min", "s", "ms", "GB", "MB", ""}


def test_shipped_ledger_cites_what_it_prints(shipped: claims.Ledger) -> None:
    assert {claim.notebook for claim in shipped.claims} <= set(shipped.notebooks.values())
    for claim in shipped.claims:
        assert claim.id.startswith(f"{claim.notebook}.")
        if claim.published:
            assert re.search(r"\(20[0-2]\d\)|README", claim.source), claim.id
        assert claim.verdict != "missing" or claim.article == "not said", claim.id
        assert claim.comment or claim.measures, f"{claim.id} says nothing of its own"
    used = {key for claim in shipped.claims for key in claim.measures}
    declared = {key for key in shipped.measures if not key.startswith("notebook.")}
    assert declared == used, "a measure that no claim uses, or the reverse"
    for measure in shipped.measures.values():
        assert measure.tolerance >= 0 and measure.what and measure.unit in UNITS


# ── published figures ────────────────────────────────────────────────────────────────────────────

PUBLISHED = ("conll_ner", "masakhaner", "mnli", "token_premium", "xnli", "xnli_mbert")


@pytest.mark.parametrize("name", PUBLISHED)
def test_published_figures_say_where_they_stand(name: str) -> None:
    table = claims.published(name)
    assert re.search(r"\(20[0-2]\d\)", table.attrs["citation"]) and table.attrs["metric"]
    assert table.index.is_unique and table.index.name == "model"
    assert ((table > 0) & (table < 100)).all(axis=None)


@pytest.mark.parametrize("name", ["xnli", "conll_ner"])
def test_published_means_are_the_means_of_their_rows(name: str) -> None:
    table = claims.published(name)
    means = table.drop(columns="avg").mean(axis=1)
    assert (means - table["avg"]).abs().max() < 0.06  # rows and means were rounded apart


def test_published_figures_are_those_of_the_papers() -> None:
    xnli = claims.published("xnli")
    assert xnli.loc["XLM-R large", ["en", "sw", "ur"]].tolist() == [89.1, 73.9, 73.8]
    assert xnli.loc["XLM-R large", "avg"] == 80.9 and xnli.attrs["chance"] == 33.3
    assert claims.published("conll_ner").loc["mBERT, English", "de"] == 69.56
    assert claims.published("mnli").loc["BERT-base", "matched"] == 84.6
    entities = claims.published("masakhaner")
    assert entities["yor"].tolist() == [78.3, 78.9, 82.1]
    assert entities.loc["XLM-R base", ["ibo", "swa"]].tolist() == [84.8, 87.4]
    assert entities.loc["AfroXLMR base", ["ibo", "swa"]].tolist() == [87.4, 88.6]


def test_published_classes_of_languages_are_counts() -> None:
    """2,485 languages, of which 53 have much (classes 3 to 5); the article says about 100."""
    table = claims.published("language_classes")
    assert table.columns.tolist() == list("012345") and table.index.name == "model"
    assert table.loc["languages"].sum() == 2485
    assert table.loc["languages", ["3", "4", "5"]].sum() == 53
    assert table.loc["languages", "0"] / 2485 == pytest.approx(0.88, abs=0.005)
    assert table.loc["languages", "5"] / 2485 == pytest.approx(0.0028, abs=0.00005)


def test_published_premiums_are_of_the_everyday_languages() -> None:
    from xlhelpers import datasets

    table = claims.published("token_premium")
    assert table.columns.tolist() == [*datasets.everyday(), "shn"]
    assert (table["en"] == 1).all()
    # What the abstract says: up to 15 times in some cases, over 4 times by characters and bytes.
    assert 15 <= table.loc["cl100k_base (GPT-4)", "shn"] < 16
    for name in ("CANINE (characters)", "ByT5 (bytes)"):
        assert table.loc[name].max() / table.loc[name].min() > 4


def test_unknown_figures_name_those_that_there_are() -> None:
    with pytest.raises(
        ClaimsError, match="conll_ner, language_classes, masakhaner, mnli, token_premium"
    ):
        claims.published("glue")


@pytest.mark.parametrize(
    ("text", "lacks"),
    [("model,en\na,1\n", "citation and metric"), ("# metric: F1\nmodel,en\na,1\n", "citation")],
)
def test_figures_without_a_source_are_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, text: str, lacks: str
) -> None:
    from xlhelpers import assets, settings

    monkeypatch.setenv("XL_DATA", str(tmp_path))
    settings.reset()
    try:
        (tmp_path / "published").mkdir()
        (tmp_path / "published" / "made.csv").write_text(text, encoding="utf-8")
        assets.register(tmp_path / "published" / "made.csv", "shipped", "CC0-1.0", "a test")
        with pytest.raises(ClaimsError, match=f"does not state its {lacks}\n"):
            claims.published("made")
    finally:
        monkeypatch.undo()
        settings.reset()


def test_many_measures_wait_behind_a_summary() -> None:
    few, many = (claims._listed([f"line {n}" for n in range(count)]) for count in (6, 9))
    assert few.count("<li>") == 6 and "<details>" not in few
    assert many.count("<li>") == 9 and "<summary>3 more</summary>" in many
    assert many.index("line 5") < many.index("<details>") < many.index("line 6")
    assert claims._listed([]) == ""
