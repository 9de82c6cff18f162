"""Languages that were added later: whole, apart from the others, and by the guide's commands."""

from __future__ import annotations

import importlib
import re
import shlex
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from xlhelpers import assets, commands, datasets, encoding, hub, languages, settings, transfer
from xlhelpers.alignment import Score
from xlhelpers.build import contributed, corpus, models, pipeline, plans
from xlhelpers.build.cards import read_scores
from xlhelpers.build.corpus import sets
from xlhelpers.build.grammar import __main__ as grammar_commands
from xlhelpers.datasets import DatasetError
from xlhelpers.errors import CourseError
from xlhelpers.transfer.tasks import TransferError, known

COURSE = ["ar", "de", "en", "es", "fr", "hi", "nl", "pt", "ru", "sw", "yo", "zh"]
TASKS = ("sentiment", "ner", "nli")
ADDED = languages.CONTRIBUTED

# ── apart from the others ────────────────────────────────────────────────────────────────


def test_lists_that_notebooks_go_through_have_the_twelve() -> None:
    for task in TASKS:
        assert datasets.available(task) == COURSE
        assert datasets.available(task, contributed=True) == sorted([*COURSE, *ADDED])
    assert datasets.handwritten_languages() == COURSE
    assert datasets.handwritten_languages(contributed=True) == sorted([*COURSE, *ADDED])
    for task in ("sentiment", "polarity", "ner", "nli"):
        assert transfer.task(task).available() == COURSE


@pytest.mark.parametrize("code", ADDED)
def test_no_model_reads_a_contributed_language(code: str) -> None:
    assert code not in (*plans.LANGUAGES, plans.UNSEEN) and code not in plans.DOCUMENTS
    assert code not in models.corpus_languages() and code in models.contributed_languages()


def test_protocols_take_them_by_name() -> None:
    for task in ("sentiment", "polarity", "ner", "nli"):
        assert known(transfer.task(task), ["en", *ADDED], "targets") == ["en", *ADDED]
    with pytest.raises(TransferError, match="ner has no language 'fi'"):
        known(transfer.task("ner"), ["fi"], "targets")
    assert [*transfer.task("polarity").load(ADDED[0], "dev").names] == ["negative", "positive"]


# ── whole ────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize("code", ADDED)
def test_every_file_of_a_language_is_there_and_registered(code: str) -> None:
    corpora = [f"corpus/{task}/{s}.{code}.jsonl" for task in TASKS for s in datasets.SPLITS]
    hand = [f"handwritten/{code}.toml", f"everyday/{code}.toml"]
    text = [f"text/{code}.txt", f"text/{code}.heldout.txt", f"lexicon/{code}.tsv"]
    for name in (*corpora, *hand, *text):
        assert assets.get(name).licence == "CC BY 4.0" and assets.read_bytes(name)
    assert {assets.get(n).origin for n in (*corpora, *text)} == {
        f"python3 course.py build language/{code}"
    }


@pytest.mark.parametrize("task", TASKS)
@pytest.mark.parametrize("code", ADDED)
def test_rows_say_what_the_english_ones_say(
    code: str, task: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    auditing = importlib.import_module("xlhelpers.build.corpus.audit")
    monkeypatch.setattr(auditing, "_shortcuts", lambda *given: ())  # slow, and on meanings
    rows = sets.read(task, settings.current().data / "corpus")
    both: sets.Rows = {s: {c: by[c] for c in ("en", code)} for s, by in rows.items()}
    found = corpus.audit(task, both, code)
    assert found.duplicates == () and found.problems == ()
    for by_language in both.values():
        for english, ours in zip(by_language["en"], by_language[code], strict=True):
            for fact in ("id", "label", "t", "held", "names"):
                assert english.get(fact) == ours.get(fact), ours["id"]
            assert len(sets.sentences(task, english)) == len(sets.sentences(task, ours))
            kinds = [
                sorted(t for t in row.get("tags", "").split() if t[0] == "B")
                for row in (english, ours)
            ]
            assert kinds[0] == kinds[1], ours["id"]
            assert "_" not in ours.get("upos", "").split(), ours["id"]


# Articles and prepositions before a sound that they do not stand before, and what does not melt.
NOT_ITALIAN = (
    r"\b(?:di|da|a|su) (?:il|lo|la|i|gli|le|l’)\b",
    r"(?i)\b(?:il|un|nessun|del|al|dal|sul|i|dei|ai|bel|bei|buon) (?:s[bcdfglmnpqrtvz]|z|gn|ps)",
    r"(?i)\b(?:il|lo|la|del|della|al|alla|sul|sulla|una|nessuna|i|dei|ai) [aeiouàèéìòùh]",
    r"(?i)\b(?:lo|uno|gli|degli|begli) (?!gn|ps|pn)[bcdfglmnpqrtv]",
    r"\w’ (?<!po’ )",
)


@pytest.mark.parametrize("pattern", NOT_ITALIAN)
def test_italian_articles_fit_the_sound_that_follows(pattern: str) -> None:
    """In all that was made; names begin with a capital, and none that stands there fails."""
    texts = datasets.unlabelled("it") + datasets.unlabelled("it", "heldout")
    for split in datasets.SPLITS:
        texts += [*datasets.sentiment("it", split).texts, *datasets.ner("it", split).texts]
        texts += [text for pair in datasets.nli("it", split).pairs for text in pair]
    assert len(texts) > 10_000
    wrong = [found[0] for text in texts for found in re.finditer(pattern, text)]
    assert not wrong, wrong[:9]


# ── the build refuses ────────────────────────────────────────────────────────────────────


@pytest.fixture
def workshop(tmp_path: Path, root: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A data folder with what an author of Italian has written, and what that is held against."""
    data = tmp_path / "data"
    for name in ("grammar/world.toml", "grammar/en.toml", "grammar/it.toml", "everyday.toml",
                 "handwritten/en.toml", "handwritten/it.toml", "everyday/it.toml"):  # fmt: skip
        (data / name).parent.mkdir(parents=True, exist_ok=True)
        (data / name).write_text((root / "data" / name).read_text("utf-8"), encoding="utf-8")
    (data / assets.MANIFEST).write_text("", encoding="utf-8")
    monkeypatch.setenv("XL_DATA", str(data))
    settings.reset()
    return data


Change = Callable[[str, str, str], None]


@pytest.fixture
def change(workshop: Path) -> Change:
    def change(name: str, old: str, new: str) -> None:
        text = (workshop / name).read_text("utf-8")
        assert old in text
        (workshop / name).write_text(text.replace(old, new), encoding="utf-8")

    return change


def test_files_that_are_right_are_registered(workshop: Path) -> None:
    contributed.check_handwritten("it")
    contributed.check_everyday("it")
    assert assets.get("handwritten/it.toml").note == "hand-written test set, Italian"
    assert assets.get("everyday/it.toml").note == "everyday sentences, Italian"


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ('r001 = "', 'r201 = "', "it.toml and en.toml differ in r001, r201"),
        ("[reviews.neutral]", "[reviews.negatives]", "negatives"),
        ("[ORG Nordwind]", "Nordwind", r"n004 names \['B-PER'\], and in English"),
        ("dal [LOC Cairo]", "da [LOC Casablanca]", r"n017 does not name Cairo \(Il Cairo\)"),
        ("[PER Hans Weber]", "[PER Omar Farouk]", "n038 does not name HansWeber"),
        ("[PER Hans Weber]", "[PER Hans Weber", "n038: a bracket"),
    ],
)
def test_a_hand_written_set_that_says_something_else_is_refused(
    change: Change, old: str, new: str, message: str
) -> None:
    change("handwritten/it.toml", old, new)
    with pytest.raises(DatasetError, match=message) as caught:
        contributed.check_handwritten("it")
    assert caught.value.remedy and "handwritten/it.toml" not in assets.manifest()


def test_a_label_that_differs_is_refused(workshop: Path) -> None:
    file = workshop / "handwritten" / "it.toml"
    lines = file.read_text("utf-8").splitlines()
    [moved] = [line for line in lines if line.startswith("r036 = ")]
    lines.remove(moved)
    lines.insert(lines.index("[reviews.negative]") + 1, moved)
    file.write_text("\n".join(lines), encoding="utf-8")
    with pytest.raises(DatasetError, match="r036 is 'positive' in en and 'negative' in it"):
        contributed.check_handwritten("it")


def test_inflected_names_are_the_same_names() -> None:
    assert contributed._alike("Иван Соколов", "ИванаСоколова")
    assert contributed._alike("L’Avana", "Avana") and contributed._alike("Il Cairo", "Cairo")
    assert not contributed._alike("Il Cairo", "Casablanca")


@pytest.mark.parametrize("part", ["handwritten", "everyday"])
def test_a_file_that_is_not_there_is_asked_for(workshop: Path, part: str) -> None:
    (workshop / part / "it.toml").unlink()
    with pytest.raises(DatasetError, match=f"no data/{part}/it.toml"):
        getattr(contributed, f"check_{part}")("it")


def test_everyday_sentences_need_the_rows_of_the_course(change: Change) -> None:
    change("everyday/it.toml", 's24 = "', 's25 = "')
    with pytest.raises(DatasetError, match=r"everyday/it.toml: \[it\] has other rows"):
        contributed.check_everyday("it")


def test_a_faulty_grammar_stops_the_step_first(change: Change) -> None:
    change("grammar/it.toml", '[kin]\nmy_sister = ["f", "mia sorella"]', '[kin]\nmy_sister = ["f"]')
    with pytest.raises(CourseError, match="my_sister: has 1 values for 2 columns"):
        contributed.language_step("it")
    assert not assets.manifest()


def test_no_row_of_another_language_may_change(
    workshop: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def row(code: str, text: str = "") -> list[dict[str, str]]:
        return [{"id": "n-0001", "text": text or code}]

    def make(world: Any, grammars: Any, seed: int, also: Any) -> sets.Rows:
        return {s: {code: row(code) for code in ("en", *also)} for s in datasets.SPLITS}

    monkeypatch.setattr(models, "LANGUAGES", ("en",))
    monkeypatch.setattr(models, "UNSEEN", "en")
    monkeypatch.setattr(corpus, "TASKS", {"ner": make})
    folder = workshop / "corpus"
    sets.write("ner", {s: {"en": row("en")} for s in datasets.SPLITS}, folder)
    assert contributed._write_sets("it", folder) == 3
    assert sets.read("ner", folder)["test"] == {"en": row("en"), "it": row("it")}
    assert assets.get("corpus/ner/test.it.jsonl").note == "ner, test, Italian"
    sets.write("ner", {"dev": {"en": row("en", "changed")}}, folder)
    (folder / "ner" / "train.it.jsonl").unlink()
    with pytest.raises(CourseError, match="ner sets of other languages would change"):
        contributed._write_sets("it", folder)
    assert sets.read("ner", folder)["dev"]["en"] == row("en", "changed")


# ── scores ───────────────────────────────────────────────────────────────────────────────


def test_scores_that_are_measured_again_replace_the_old_ones(
    workshop: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    value = 0.25

    def measured(*given: Any) -> dict[str, dict[str, Score]]:
        row = {code: Score(value, 0.1, 0.9) for code in given[-1]}
        return {measure: dict(row) for measure in ("polarity", "entities", "retrieval")}

    monkeypatch.setattr(contributed.hub, "model", lambda *given: None)
    monkeypatch.setattr(contributed.hub, "tokenizer", lambda *given: None)
    for name in ("measure", "character_ngrams", "majority"):
        monkeypatch.setattr(contributed.scores, name, measured)
    file = workshop / contributed.SCORES
    file.write_text("language,measure,value,low,high\nde,polarity,0.5,0.4,0.6\n", encoding="utf-8")
    assert contributed.scores_step("it") == "polarity 25 %, entity F1 25, retrieval 25 %"
    first = contributed.read_scores()
    assert len(first) == 1 + 9 * len(["it", *contributed.BESIDE]) and first == sorted(first)
    value = 0.75
    contributed.scores_step("it")
    again = contributed.read_scores()
    assert [row[:2] for row in again] == [row[:2] for row in first], "no row twice, none is lost"
    assert {row[2] for row in again if row[0] != "de"} == {0.75} and again[0][2] == 0.5
    assert assets.get(contributed.SCORES).note.startswith("what mini-infoxlm makes")


@pytest.fixture(scope="module")
def table() -> dict[str, dict[str, Score]]:
    """Scores by measure and language."""
    found: dict[str, dict[str, Score]] = {}
    for language, measure, *values in contributed.read_scores():
        found.setdefault(measure, {})[language] = Score(*values)
    return found


def test_scores_of_the_models_languages_are_those_of_its_card(
    table: dict[str, dict[str, Score]],
) -> None:
    card = read_scores(settings.current().data / "models" / contributed.BODY)
    for measure, row in table.items():
        assert set(row) == {*ADDED, *contributed.BESIDE}
        for code in set(row) - {*ADDED, plans.UNSEEN}:
            if measure in card:
                assert row[code] == card[measure][code], (measure, code)
    assert {"polarity", "entities", "retrieval"} <= set(table) & set(card)


def test_retrieval_is_measured_again_to_the_same(table: dict[str, dict[str, Score]]) -> None:
    model, tokenizer = hub.model("InfoXLM", "mlm"), hub.tokenizer("InfoXLM")
    for code in ADDED:
        pairs = datasets.parallel(["en", code]).texts()
        encoded = {c: encoding.encode(pairs[c], model, tokenizer) for c in ("en", code)}
        found = encoding.retrieve(encoded[code], encoded["en"], centre=True)
        assert found.accuracy == pytest.approx(table["retrieval"][code].value, abs=0.02)


def test_the_guide_says_what_the_scores_say(table: dict[str, dict[str, Score]]) -> None:
    """Opinions near chance, retrieval near spelling, entities between Yoruba and relatives."""
    for code in ("it", "yo"):
        assert table["polarity"][code].low < 0.5 < table["polarity"][code].high
        spelled = table["retrieval, n-grams"][code]
        assert table["retrieval"][code].low <= spelled.high
    assert table["entities"]["it"].low < table["entities"]["yo"].high
    assert table["entities"]["it"].value > table["entities"]["yo"].value
    for code in ("es", "pt", "fr"):
        assert table["entities"][code].low > table["entities"]["it"].high
        assert table["polarity"][code].low > 0.7 and table["retrieval"][code].low > 0.8


# ── the guide ────────────────────────────────────────────────────────────────────────────


@pytest.fixture(scope="module")
def guide(root: Path) -> str:
    return (root / contributed.GUIDE).read_text("utf-8")


def blocks(page: str, kind: str) -> list[str]:
    found = re.findall(r"(?ms)^```(\w*)\n(.*?)^```$", page)
    return [block for named, block in found if named == kind]


def test_its_table_is_filled_from_the_scores(guide: str, tmp_path: Path) -> None:
    lines = "".join(f"{line}\n" for line in contributed.table_lines())
    assert f"<!-- table: scores -->\n{lines}<!-- end -->" in guide, "course.py build scores/it"
    assert lines.count("|\n") == 2 + len(ADDED) + len(contributed.BESIDE)


def test_its_commands_are_there(
    guide: str, root: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Each is known, with its arguments; `show` runs, what `check` says is in test_grammar."""
    monkeypatch.setattr(grammar_commands, "check", lambda grammar: [])
    monkeypatch.setattr(grammar_commands, "untagged", lambda grammar: {})
    seen = set()
    for line in "\n".join(blocks(guide, "")).splitlines():
        words = shlex.split(line) or ["."]
        if words[:2] == ["python3", "course.py"]:
            command, *rest = words[2:]
            assert command in commands.COMMANDS, line
            if command == "build":
                assert set(rest) <= set(pipeline.steps()), line
            if command == "test":
                assert all((root / name).is_file() for name in rest), line
            seen.add(command)
        elif words[:3] == ["python", "-m", "xlhelpers.build.grammar"]:
            assert grammar_commands.main(words[3:]) == 0, line
            seen.add(words[3])
        else:
            assert words[0] in (".", "it"), line  # the environment; a row of the table of cards
    assert seen == {"build", "test", "check", "show", "tags"}
    assert "La camera" in (shown := capsys.readouterr().out) or "Il " in shown


def test_its_python_runs(guide: str) -> None:
    spaces: list[dict[str, Any]] = []
    for block in blocks(guide, "python"):
        spaces.append({})
        exec(compile(block, "docs/add-a-language.md", "exec"), spaces[-1])
    assert tuple(spaces[0]["CONTRIBUTED"]) == ("it",)
    last = spaces[-1]
    assert len(last["reviews"]) == 300 and len(last["rows"].ids) == 300
    assert len(last["by_hand"]) == 108 and len(last["text"]) == 6_000
    assert last["words"]["stanco"] == ("tired",)
    assert set(last["codes"]) == {*COURSE, *ADDED} and len(last["sentences"]) == 24


def test_its_messages_are_those_of_the_checkers(guide: str, root: Path) -> None:
    """Some words in a row of each message stand in the source, which fills in the rest."""
    build = root / "xlhelpers" / "build"
    files = [*build.glob("grammar/*.py"), *build.glob("corpus/*.py"), build / "contributed.py"]
    source = "".join(file.read_text("utf-8") for file in files)
    messages = [
        row for row in re.findall(r"(?m)^\| `(.+?)` \|", guide) if not row.startswith("xlhelpers")
    ]
    assert len(messages) > 18
    for message in messages:
        words = re.findall(r"[\w.’]+|\S", message)
        runs = [" ".join(words[at : at + n]) for n in (2, 3) for at in range(len(words) - n + 1)]
        assert any(len(run) >= 8 and run in source for run in runs), message
