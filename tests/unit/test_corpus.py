"""The corpus: sound inferences, nothing held out in training text, no shortcut, ids and splits.

Sentences are said in a language made for the tests: the concepts' own names, in order.
"""

from __future__ import annotations

import json
import random
import re
import unicodedata
from collections import Counter
from itertools import product
from pathlib import Path

import pytest

from xlhelpers import settings
from xlhelpers.build.corpus import (
    SWITCHED,
    audit,
    documents,
    forbidden,
    parallel,
    pretraining,
    reviews,
    sets,
    splits,
)
from xlhelpers.build.corpus.audit import cross_validated, wilson
from xlhelpers.build.corpus.news import has_late_name
from xlhelpers.build.corpus.pairs import pairs
from xlhelpers.build.corpus.scenes import Scene, draw, makes_sense, meaning, relation
from xlhelpers.build.corpus.splits import Policy, is_late, pair_split, scene_split, share
from xlhelpers.build.grammar import Grammar, Meaning, World, load, load_world, read

SIZES = {
    "sentiment": {"train": 96, "dev": 24, "test": 48},
    "ner": {"train": 120, "dev": 30, "test": 60},
    "nli": {"train": 45, "dev": 15, "test": 30},
}
LABELS = {"sentiment": 3, "nli": 3}
RELATIONS = ("entailment", "neutral", "contradiction")
# Of ("pair", "clean", "room"): the first 56 bits of a SHA-256, as a share of 1.
SHARE = 0.1827047418671641


def made_up(world: World, code: str, word: str) -> str:
    """Return a grammar file whose words are the names of the concepts, behind a prefix."""
    lines = [f'code = "{code}"']
    for category, concepts in world.concepts.items():
        lines.append(f"[{category}]")
        place = " {l}" if category == "institution" else ""
        lines += [f'{c} = "{word}{c.replace("_", "")}{place}"' for c in concepts]
    for domain in ("review", "news", "scene"):
        lines.append(f"[{domain}]")
        for template in world.domain(domain):
            key = template.name.partition(".")[2]
            words = " ".join(f"{{{slot}}}" for slot in template.slots)
            end = "!" if template.polar else "."
            lines.append(f'{key} = ["{word} {key} {words}{end}", "{word}{key} {words} so{end}"]')
    return "\n".join(lines) + "\n"


@pytest.fixture(scope="module")
def world() -> World:
    return load_world(Path(__file__).resolve().parents[2] / "data" / "grammar" / "world.toml")


@pytest.fixture(scope="module")
def grammars(world: World, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Grammar]:
    folder = tmp_path_factory.mktemp("grammar")
    made = {}
    for code, word in (("en", "e"), ("de", "d")):
        (folder / f"{code}.toml").write_text(made_up(world, code, word), encoding="utf-8")
        made[code] = read(code, world, folder)
        assert not made[code].faults
    return made


@pytest.fixture(scope="module")
def made(world: World, grammars: dict[str, Grammar]) -> dict[str, sets.Rows]:
    """All tasks, small."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(sets, "SIZES", SIZES)
        return {task: make(world, grammars, 0) for task, make in sets.TASKS.items()}


# ── inference ────────────────────────────────────────────────────────────────────────────

# agent, activity, trait, spot, extra, negation
PAIRS = [
    ("man play_football", "man do_sport", "entailment"),
    ("man play_football", "person play_football", "entailment"),
    ("man play_football - in_park", "man play_football", "entailment"),
    ("man play_football - in_park", "man play_football - outdoors", "entailment"),
    ("man sleep tired in_hall", "man - tired in_hall", "entailment"),
    ("man sleep tired", "man sleep", "entailment"),
    ("two_men sleep", "people rest", "entailment"),
    ("man do_sport", "man play_football", "neutral"),
    ("person sleep", "man sleep", "neutral"),
    ("man sleep", "man sleep tired", "neutral"),
    ("man sleep - - alone", "man sleep - in_hall", "neutral"),
    ("man sleep - outdoors", "man sleep - in_park", "neutral"),
    ("man - - in_hall", "man sleep - in_hall", "neutral"),
    ("man drink_tea", "man read_book", "neutral"),
    ("man sleep", "man play_football", "contradiction"),
    ("man sleep", "person play_football", "contradiction"),
    ("man read_book - in_library", "man read_book - in_park", "contradiction"),
    # Whether they exclude each other is not for us to say.
    ("man eat_soup", "man read_newspaper", None),
    ("man sing", "man make_music", None),
    ("man play_guitar", "man play_piano", None),
    ("man sleep - in_park", "man sleep - in_garden", None),
    ("person sleep", "man play_football", None),
    ("man sleep", "woman sleep", None),
    ("man sleep", "man sleep", None),
    # "For the first time" is said of the very activity.
    ("man swim - - for_the_first_time", "man do_sport - - for_the_first_time", None),
    ("man swim - by_river for_the_first_time", "man swim - - for_the_first_time", None),
    ("man swim tired - alone", "man swim - - alone", "entailment"),
    # The premise is affirmed, the hypothesis denied.
    ("man sleep", "man play_football - - - not", "entailment"),
    ("man sleep", "person play_football - - - not", "entailment"),
    ("man sleep - in_kitchen", "man play_football - in_park - not", "entailment"),
    ("man play_football", "man play_football - - - not", "contradiction"),
    ("man play_football", "man do_sport - - - not", "contradiction"),
    ("man play_football - in_park", "man do_sport - outdoors - not", "contradiction"),
    ("man do_sport", "man play_football - - - not", "neutral"),
    ("man play_football", "man play_football - in_park - not", "neutral"),
    ("man drink_tea", "man read - - - not", "neutral"),
    ("man play_football - in_park", "man play_football - in_garden - not", None),
    ("man play_football", "- do_sport - - - nobody", "contradiction"),
    ("man do_sport", "- play_football - - - nobody", "neutral"),
    ("man sleep", "- play_football - - - nobody", "neutral"),
    ("dog sleep", "- sleep - - - nobody", None),
    # The premise is denied.
    ("man do_sport - - - not", "man play_football - - - not", "entailment"),
    ("man do_sport - - - not", "man play_football - in_park - not", "entailment"),
    ("man play_football - - - not", "man do_sport - - - not", "neutral"),
    ("man play_football - in_park - not", "man play_football - - - not", "neutral"),
    ("man do_sport - - - not", "man play_football - in_park", "contradiction"),
    ("man play_football - in_park - not", "man play_football", "neutral"),
    ("man play_football - - - not", "man do_sport", "neutral"),
    ("man play_football - - - not", "man sleep", "neutral"),
    ("man play_football - - - not", "- play_football - - - nobody", "neutral"),
    ("- do_sport - - - nobody", "man play_football", "contradiction"),
    ("- do_sport - - - nobody", "man play_football - - - not", "entailment"),
    ("- do_sport - - - nobody", "- play_football - in_park - nobody", "entailment"),
    ("- play_football - in_park - nobody", "- play_football - - - nobody", "neutral"),
    ("- play_football - - - nobody", "- do_sport - - - nobody", "neutral"),
]


def scene(text: str) -> Scene:
    words = [word if word != "-" else "" for word in text.split()]
    return Scene(*(words + [""] * (6 - len(words))))


@pytest.mark.parametrize(("premise", "hypothesis", "label"), PAIRS)
def test_relation(world: World, premise: str, hypothesis: str, label: str | None) -> None:
    one, other = scene(premise), scene(hypothesis)
    assert makes_sense(one, world) and makes_sense(other, world)
    assert relation(one, other, world) == label


def facts(world: World) -> list[dict[str, str]]:
    """Return situations: what a man may be, do, and where; the last says all that is so."""
    doing = ["play_football", "play_guitar", "sleep", "read_book", "wash_dishes"]
    where = ["in_park", "in_kitchen", "in_hall"]
    return [
        {"activity": v, "spot": w, "trait": j}
        for v, w, j in product(doing, where, ("tired", ""))
        if makes_sense(Scene("man", v, j, w), world)
    ]


def holds(said: Scene, fact: dict[str, str], world: World) -> bool:
    """Whether a sentence is true where one man, and nobody else, does what `fact` says."""
    done = said.activity in ("", fact["activity"], world.activity[fact["activity"]].parent)
    side = {"i": "indoors", "o": "outdoors"}[world.spot_where[fact["spot"]]]
    there = said.spot in ("", fact["spot"], side)
    if said.negation:
        return not (done and there)
    return done and there and said.trait in ("", fact["trait"])


def test_labels_agree_with_situations(world: World) -> None:
    """Entailed: true wherever the premise is. Contradictory: nowhere."""
    rng, told = random.Random(0), Counter[str]()
    situations = facts(world)
    allowed = {fact["activity"] for fact in situations}
    allowed |= {world.activity[activity].parent for activity in allowed}
    while min(told["entailment"], told["contradiction"]) < 300:
        one, other = (draw(world, rng, rng.choice(("", "", "not"))) for _ in range(2))
        both = [Scene(rng.choice(("man", "person")), s.activity, s.trait, s.spot, "", s.negation)
                for s in (one, other)]  # fmt: skip
        if any(s.activity not in allowed or not makes_sense(s, world) for s in both):
            continue
        label = relation(both[0], both[1], world)
        if label not in ("entailment", "contradiction"):
            continue
        told[label] += 1
        where = [fact for fact in situations if holds(both[0], fact, world)]
        truths = {holds(both[1], fact, world) for fact in where}
        assert truths <= {label == "entailment"}, both


def test_every_drawn_scene_has_a_sentence(world: World) -> None:
    rng = random.Random(1)
    for negation in ("", "not", "nobody"):
        for _ in range(200):
            made = draw(world, rng, negation)
            assert meaning(made) is not None and makes_sense(made, world)


def test_pairs_balance_what_each_half_shows(world: World) -> None:
    made = pairs(world, random.Random(2), 180, "train")
    assert Counter(pair.label for pair in made) == dict.fromkeys(RELATIONS, 60)
    assert len({(pair.premise, pair.hypothesis) for pair in made}) == 180
    for pair in made:
        assert relation(pair.premise, pair.hypothesis, world) == pair.label
        assert scene_split(pair.premise) == scene_split(pair.hypothesis) == "train"
    for half in ("premise", "hypothesis"):
        rates = [
            sum(bool(getattr(p, half).negation) for p in made if p.label == label)
            for label in RELATIONS
        ]
        assert min(rates) > 0 and max(rates) - min(rates) < 16, (half, rates)


# ── what is held out ─────────────────────────────────────────────────────────────────────


def test_shares_are_the_same_on_every_machine() -> None:
    assert share("pair", "clean", "room") == pytest.approx(SHARE, abs=1e-12)
    assert share("a", "bc") != share("ab", "c")


def test_shares_of_pairs_names_and_scenes(world: World) -> None:
    nouns = world.concepts["aspect"] + world.concepts["thing"]
    counts = Counter(pair_split(q, n) for q in world.quality for n in nouns)
    total = sum(counts.values())
    assert counts["dev"] / total == pytest.approx(0.06, abs=0.01)
    assert counts["test"] / total == pytest.approx(0.14, abs=0.01)
    for category in ("person", "place_name", "brand"):
        names = world.concepts[category]
        assert 0.1 < sum(is_late(category, name) for name in names) / len(names) < 0.4
    late = next(place for place in world.concepts["place_name"] if is_late("place_name", place))
    assert is_late("org", ("institution", "university", late))
    assert not is_late("role", "judge")


def test_the_policies_exclude_each_other(world: World) -> None:
    policies = [Policy(), Policy("dev"), Policy("test", "pair"), Policy("test", "template")]
    rng, admitted = random.Random(0), Counter[Policy]()
    for policy in policies:
        for _ in range(60):
            for said in reviews.document(world, rng, "positive", 2, policy) or []:
                admitted[policy] += 1
                assert [p for p in policies if p.admits(said, world)] == [policy]
    assert min(admitted[policy] for policy in policies) > 40


@pytest.mark.parametrize("label", reviews.LABELS)
def test_a_review_says_what_its_label_says(world: World, label: str) -> None:
    rng, opinions = random.Random(3), Counter[str]()
    for number in range(300):
        said = reviews.document(world, rng, label, 1 + number % 4, Policy())
        if said is None:
            continue
        assert len({m.template for m in said}) == len(said)
        used = [f for m in said for slot, f in m.slots if slot in "abqr"]
        assert len(set(used)) == len(used)
        signs = Counter(sign_of(world, m) for m in said)
        opinions += signs
        if label == "neutral":
            assert signs["+"] == signs["-"]
        else:
            for_, against = ("+", "-") if label == "positive" else ("-", "+")
            assert signs[for_] > signs[against]
    if label == "neutral":
        assert opinions["mixed"] and opinions["0"] and opinions["+"]
    else:
        stance, other = ("+", "-") if label == "positive" else ("-", "+")
        assert 0.04 < opinions[other] / (opinions[stance] + opinions[other]) < 0.2


def sign_of(world: World, said: Meaning) -> str:
    """Return a sentence's sign from its template and qualities, not from how it was drawn."""
    template, slots = world.templates[said.template], dict(said.slots)
    first = world.quality[str(slots["q"])].sign if "q" in slots else ""
    if "r" in slots:
        second = world.quality[str(slots["r"])].sign
        if template.sign == "mixed" or template.contrast:
            assert {first, second} == {"+", "-"}
        else:
            assert template.sign != "same" or first == second != "0"
    if template.only:
        assert first == template.only
    if template.polar:
        assert first in "+-"
    if template.sign == "not q":
        assert world.quality[str(slots["q"])].natural
        return {"+": "-", "-": "+"}[first]
    return first if template.sign in ("q", "same") else template.sign


# ── data sets ────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize("task", sets.TASKS)
def test_sets_have_their_sizes_and_parallel_ids(made: dict[str, sets.Rows], task: str) -> None:
    rows = made[task]
    for split, size in SIZES[task].items():
        english, german = rows[split]["en"], rows[split]["de"]
        assert len(english) == size
        assert [row["id"] for row in english] == [row["id"] for row in german]
        if task in LABELS:
            assert [row["label"] for row in english] == [row["label"] for row in german]
            assert set(Counter(r["label"] for r in english).values()) == {size // LABELS[task]}
    found = audit(task, rows, "de")
    assert found.duplicates == () and found.problems == ()


@pytest.mark.parametrize("task", sets.TASKS)
def test_sets_are_the_same_again(
    world: World, grammars: dict[str, Grammar], made: dict[str, sets.Rows], task: str,
    monkeypatch: pytest.MonkeyPatch,
) -> None:  # fmt: skip
    monkeypatch.setattr(sets, "SIZES", SIZES)
    assert sets.TASKS[task](world, grammars, 0) == made[task]
    if task != "nli":  # it takes longest, and draws from the seed in the same way
        assert sets.TASKS[task](world, grammars, 1)["train"] != made[task]["train"]


def test_reviews_of_all_labels_look_alike(made: dict[str, sets.Rows]) -> None:
    rows = made["sentiment"]["train"]["en"]
    for what in (lambda r: len(r["ends"]), lambda r: r["text"].count("!") > 0):
        shapes = {
            label: Counter(what(row) for row in rows if row["label"] == label)
            for label in reviews.LABELS
        }
        assert shapes["negative"] == shapes["neutral"] == shapes["positive"]


def test_rows_say_what_was_held_out(world: World, made: dict[str, sets.Rows]) -> None:
    rows = made["sentiment"]
    assert {row["held"] for row in rows["train"]["en"]} == {""}
    assert Counter(row["held"] for row in rows["test"]["en"]) == {"pair": 24, "template": 24}
    for row in rows["test"]["en"]:
        holds_ = {world.templates[f"review.{name}"].hold for name in row["t"].split()}
        assert holds_ == {row["held"] == "template"}
    news = Counter((row["held"], row["names"]) for row in made["ner"]["test"]["en"])
    assert news == dict.fromkeys(product(("", "template"), ("seen", "unseen")), 15)
    assert {row["held"] for row in made["nli"]["test"]["en"]} == {"scene", "template"}
    assert {row["held"] for row in made["nli"]["train"]["en"]} == {""}


def test_ends_cut_a_review_into_its_sentences(made: dict[str, sets.Rows]) -> None:
    for row in made["sentiment"]["train"]["en"]:
        said = sets.sentences("sentiment", row)
        assert " ".join(said) == row["text"]
        assert len(said) == len(row["t"].split())


def test_entity_tags_fit(made: dict[str, sets.Rows]) -> None:
    kinds = Counter[str]()
    for row in made["ner"]["train"]["en"]:
        tokens, tags = row["tokens"].split(), row["tags"].split()
        assert len(tokens) == len(tags)
        kinds.update(tag for tag in tags if tag.startswith("B-"))
        for before, tag in zip(["O", *tags], tags, strict=False):
            assert not tag.startswith("I-") or before[2:] == tag[2:]
    assert set(kinds) == {"B-PER", "B-LOC", "B-ORG"}


def test_files_are_lines_of_json(made: dict[str, sets.Rows], tmp_path: Path) -> None:
    size = sets.write("nli", made["nli"], tmp_path)
    file = tmp_path / "nli" / "test.de.jsonl"
    lines = [json.loads(line) for line in file.read_text("utf-8").splitlines()]
    assert lines == made["nli"]["test"]["de"]
    assert size == sum(f.stat().st_size for f in (tmp_path / "nli").iterdir())


@pytest.mark.parametrize("task", sets.TASKS)
def test_what_was_written_is_read_again(
    made: dict[str, sets.Rows], tmp_path: Path, task: str
) -> None:
    sets.write(task, made[task], tmp_path)
    assert sets.read(task, tmp_path) == made[task]


def test_sets_that_are_not_there_are_said_so(made: dict[str, sets.Rows], tmp_path: Path) -> None:
    with pytest.raises(sets.CorpusError, match="no ner sets") as caught:
        sets.read("ner", tmp_path)
    assert "build corpus" in caught.value.remedy
    sets.write("ner", made["ner"], tmp_path)
    for file in (tmp_path / "ner").glob("dev.*"):
        file.unlink()
    with pytest.raises(sets.CorpusError, match="no ner sets"):
        sets.read("ner", tmp_path)


# ── a language that is added ─────────────────────────────────────────────────────────────


def added(world: World, folder: Path, change: str = r"\1") -> dict[str, Grammar]:
    """Return a third made-up language; `change` replaces the wordings of its news."""
    head, mark, tail = made_up(world, "it", "i").partition("[news]\n")
    news, scene, rest = tail.partition("[scene]")
    news = re.sub(r"(?m)(?<= = \[)(.*)(?=\]$)", change, news)
    (folder / "it.toml").write_text(head + mark + news + scene + rest, encoding="utf-8")
    return {"it": read("it", world, folder)}


@pytest.mark.parametrize("task", ["sentiment", "ner"])
def test_a_language_that_is_added_changes_no_row_of_the_others(
    world: World, grammars: dict[str, Grammar], made: dict[str, sets.Rows], task: str,
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch,
) -> None:  # fmt: skip
    monkeypatch.setattr(sets, "SIZES", SIZES)
    rows = sets.TASKS[task](world, grammars, 0, added(world, tmp_path))
    facts = ("id", "label", "t", "held", "names")
    for split, by_language in rows.items():
        assert {code: by_language[code] for code in grammars} == made[task][split]
        for english, italian in zip(by_language["en"], by_language["it"], strict=True):
            assert [english.get(fact) for fact in facts] == [italian.get(fact) for fact in facts]
            # Wordings differ in their first words; concepts are the same, behind e and i or not.
            concepts = english.get("t", "").split()
            both = [c for c in concepts if c in english["text"] and c in italian["text"]]
            assert len(both) >= len(concepts) - 1
    found = audit(task, rows, "it")
    assert found.duplicates == () and found.problems == ()


def test_an_added_language_words_anew_what_it_has_said_before(
    world: World, grammars: dict[str, Grammar], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sets, "SIZES", SIZES)
    rows = sets.entities(world, grammars, 0, added(world, tmp_path, r'\1, "i same."'))
    texts = [row["text"] for split in splits.SPLITS for row in rows[split]["it"]]
    assert texts.count("i same.") == 1 and len(set(texts)) == len(texts)


def test_an_added_language_with_one_wording_for_all_is_refused(
    world: World, grammars: dict[str, Grammar], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sets, "SIZES", SIZES)
    with pytest.raises(sets.CorpusError, match="it, ner: 'i same.' has been said") as caught:
        sets.entities(world, grammars, 0, added(world, tmp_path, '"i same."'))
    assert "it.toml" in caught.value.remedy


def test_too_few_templates_are_said_so(
    world: World, grammars: dict[str, Grammar], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sets, "SIZES", {"sentiment": {"train": 12, "dev": 12, "test": 12}})
    monkeypatch.setattr(sets, "_ROUNDS", 1)
    with pytest.raises(sets.CorpusError, match="no 12 reviews.*after 1 rounds"):
        sets.sentiment(world, grammars, 0)


# ── pretraining ──────────────────────────────────────────────────────────────────────────


def test_pretraining_has_nothing_held_out(
    world: World, grammars: dict[str, Grammar], made: dict[str, sets.Rows],
    monkeypatch: pytest.MonkeyPatch,
) -> None:  # fmt: skip
    seen = []
    real = pretraining.say

    def spy(meanings, *rest, **named):  # type: ignore[no-untyped-def]
        seen.extend(meanings)
        return real(meanings, *rest, **named)

    monkeypatch.setattr(pretraining, "say", spy)
    barred = forbidden(made, "en")
    texts = list(documents(world, grammars["en"], 800, forbidden=barred))
    assert len(texts) == 800 and len(seen) > 1600
    assert not barred & {sentence for text in texts for sentence in text.sentences}
    for said in seen:
        template = world.templates[said.template]
        assert not template.hold
        assert template.domain != "review" or {pair_split(*p) for p in splits.pairs(said)} <= {
            "train"
        }
        assert not has_late_name(world, said)
        if template.domain == "scene":
            slots = {slot: str(filler) for slot, filler in said.slots}
            named = (slots.get(slot, "") for slot in "gvjwe")
            negation = next((n for n in ("not", "nobody") if f".{n}_" in said.template), "")
            assert scene_split(Scene(*named, negation)) == "train"


def test_forbidden_sentences_are_left_out(world: World, grammars: dict[str, Grammar]) -> None:
    first = list(documents(world, grammars["en"], 50))
    barred = {sentence for document in first[:20] for sentence in document.sentences}
    again = list(documents(world, grammars["en"], 50, forbidden=barred))
    assert not barred & {sentence for document in again for sentence in document.sentences}
    meanings = said_in(parallel(world, grammars, 50))
    bar = {"de": set(meanings["de"][:10])}
    other = said_in(parallel(world, grammars, 50, forbidden=bar))
    assert not bar["de"] & set(other["de"])
    # A meaning that one language may not say is said by none.
    assert not set(meanings["en"][:10]) & set(other["en"])


def test_languages_read_different_documents_and_the_same_parallel_ones(
    world: World, grammars: dict[str, Grammar]
) -> None:
    def plain(texts: list[str]) -> list[list[str]]:
        # The two languages differ in the first letter of every word, and in their wording.
        return [sorted(w[1:].strip(".!") for w in t.split()[1:] if len(w) > 3) for t in texts]

    own = {code: list(documents(world, grammars[code], 40)) for code in grammars}
    assert [d.text for d in own["en"]] == [d.text for d in documents(world, grammars["en"], 40)]
    assert plain([d.text for d in own["en"]]) != plain([d.text for d in own["de"]])
    both = said_in(parallel(world, grammars, 60))
    assert len(both["en"]) == len(both["de"]) == len(set(both["de"])) >= 60
    shared = zip(plain(both["en"]), plain(both["de"]), strict=True)
    assert sum(bool(set(a) & set(b)) for a, b in shared) > 50


def said_in(groups: list[list[dict[str, str]]]) -> dict[str, list[str]]:
    """Return the parallel sentences by language, groups end to end."""
    rows = [row for group in groups for row in group]
    return {code: [row[code] for row in rows] for code in rows[0] if code != SWITCHED}


def test_parallel_meanings_come_in_groups_of_similar_ones(
    world: World, grammars: dict[str, Grammar], monkeypatch: pytest.MonkeyPatch
) -> None:
    said: list[Meaning] = []
    real = pretraining.say

    def spy(meanings, *rest, **named):  # type: ignore[no-untyped-def]
        said.extend(meanings)
        return real(meanings, *rest, **named)

    monkeypatch.setattr(pretraining, "say", spy)
    groups = parallel(world, grammars, 200)
    sizes = [len(group) for group in groups]
    assert 200 <= sum(sizes) < 200 + max(sizes) and max(sizes) == 1 + 3
    assert len(said) == len(set(said)) == sum(sizes)
    assert all(set(row) - {SWITCHED} == {"en", "de"} for group in groups for row in group)
    rest, opposite, alone, reviewed, far = iter(said), 0, 0, 0, 0
    for size in sizes:
        first, *others = (next(rest) for _ in range(size))
        alone += not others
        slots = [len(differs_in(first, other)) for other in others]
        # Two where the sentence that all are like came up before, and is left out.
        assert all(1 <= count <= 2 for count in slots)
        far += any(count == 2 for count in slots)
        if first.template.startswith("review.") and others:
            assert all(differs_in(first, other) == {"q"} for other in others)
            signs = [world.quality[str(m["q"])].sign for m in (first, *others)]
            opposite += {"+", "-"} <= set(signs)
            reviewed += 1
    assert far < 0.1 * len(sizes)
    # Hard negatives, the same but for the opinion; what is neutral has no opposite.
    assert reviewed >= 10 and opposite > 0.5 * reviewed
    assert alone > 20  # scenes, and reviews without a quality


def test_code_switched_sentences_say_slots_in_another_language() -> None:
    world = load_world()
    grammars = {code: load(code, world) for code in ("en", "ru", "zh")}
    groups = parallel(world, grammars, 200)
    assert groups == parallel(world, grammars, 200)
    rows = [row for group in groups for row in group]
    mixed = [row for row in rows if SWITCHED in row]
    assert 0.4 * len(rows) < len(mixed) < len(rows)
    assert all(row[SWITCHED] not in (row["en"], row["ru"], row["zh"]) for row in mixed)
    both = [row for row in mixed if len(scripts(row[SWITCHED])) > 1]
    assert len(both) > 0.8 * len(mixed)
    born = Meaning.of("news.born", {"p": "anna_kowalska", "l": "rome"})
    (said,) = sets.say([born], grammars, "s", plain=True)["en"]
    filled = {name: said.text[start:end] for name, start, end in said.slots}
    assert filled == {"p": "Anna Kowalska", "l": "Rome"}


def scripts(text: str) -> set[str]:
    named = (unicodedata.name(char, "?").split()[0] for char in text if char.isalpha())
    return {name for name in named if name in ("LATIN", "CYRILLIC", "CJK")}


def differs_in(a: Meaning, b: Meaning) -> set[str]:
    """Return the slots in which two meanings of one template differ."""
    assert a.template == b.template
    return {slot for slot, filler in a.slots if b[slot] != filler}


def test_varieties_are_as_usable_as_the_sentence(world: World) -> None:
    rng, policy, kinds = random.Random(4), Policy(), Counter[str]()
    for number in range(400):
        label = reviews.LABELS[number % 3]
        for sentence in reviews.document(world, rng, label, 1 + number % 3, policy) or []:
            template, found = (
                world.templates[sentence.template],
                reviews.varieties(world, rng, sentence, 3),
            )
            assert len(found) == len(set(found)) <= 3 and sentence not in found
            if "q" not in template.slots or "r" in template.slots:
                assert found == []
            for other in found:
                assert differs_in(sentence, other) == {"q"}
                assert policy.admits(other, world)
                signs = sign_of(world, sentence), sign_of(world, other)
                kinds["same" if signs[0] == signs[1] else "other"] += 1
    assert kinds["other"] > kinds["same"] > 100
    for said in pretraining.news.document(world, rng, 3):
        assert reviews.varieties(world, rng, said, 3) == []
        found = pretraining.news.varieties(world, rng, said, 3)
        assert 1 <= len(found) == len(set(found)) <= 3
        for other in found:
            assert len(differs_in(said, other)) == 1
            assert not pretraining.news.has_late_name(world, other)
            fillers = [filler for _, filler in other.slots]
            assert len(set(fillers)) == len(fillers)


@pytest.mark.parametrize("sign", ["+", "-", "0"])
def test_only_natural_qualities_are_denied_and_graded(world: World, sign: str) -> None:
    rng, seen = random.Random(5), Counter[bool]()
    for _ in range(3000):
        thing = rng.choice(world.concepts["thing"])
        said = reviews.sentence(world, rng, thing, sign, Policy())
        if said is None or "q" not in dict(said.slots):
            continue
        natural = world.templates[said.template].natural
        assert world.quality[str(said["q"])].natural or not natural
        seen[natural] += 1
    assert seen[True] > 3 and seen[False] > 50


def test_every_template_with_a_degree_is_gradable(world: World) -> None:
    graded = {t.name for t in world.templates.values() if "degree" in t.slots.values()}
    assert graded == {t.name for t in world.templates.values() if t.gradable} != set()
    natural = {name for name, quality in world.quality.items() if quality.natural}
    # What is said to the utmost already is neither "very" nor "not" so.
    assert {"clean", "large", "boring"} <= natural
    assert not {"excellent", "wonderful", "terrible", "inedible", "burnt"} & natural


def test_ratings_follow_the_stance_but_for_a_tenth(
    world: World, grammars: dict[str, Grammar]
) -> None:
    rated = list(documents(world, grammars["en"], 4000, ratings=0.35))
    found = [d for d in rated if d.domain == "review"]
    assert not any("/5" in d.text for d in documents(world, grammars["en"], 300))
    with_ = [d for d in found if d.text.endswith("/5")]
    assert len(with_) / len(found) == pytest.approx(0.35, abs=0.04)
    assert not any("/5" in d.text for d in rated if d.domain != "review")
    meant = {"1": "negative", "2": "negative", "3": "neutral", "4": "positive", "5": "positive"}
    wrong = sum(meant[d.text[-3]] != d.label for d in with_) / len(with_)
    assert wrong == pytest.approx(0.10, abs=0.03)
    stances = Counter(d.label for d in found)
    assert stances["positive"] / len(found) == pytest.approx(0.55, abs=0.04)
    assert stances["neutral"] / len(found) == pytest.approx(0.15, abs=0.03)


# ── audit ────────────────────────────────────────────────────────────────────────────────


def test_a_planted_shortcut_is_found() -> None:
    rng = random.Random(0)
    labels = [rng.choice(("yes", "no")) for _ in range(200)]
    looks = [[float(label == "yes") + rng.gauss(0, 0.1), rng.random()] for label in labels]
    found = cross_validated("planted", looks, labels)
    assert found.accuracy > 0.95 and found.low > found.chance
    blind = cross_validated("noise", [[rng.random()] for _ in labels], labels)
    assert blind.low < 0.5 + 0.05
    words = cross_validated(
        "words", ["so nice" if x == "yes" else "so bad" for x in labels], labels
    )
    assert words.accuracy == 1


def test_wilson() -> None:
    # Newcombe (1998), Statistics in Medicine, table I: 81 of 263, 15 of 148.
    assert wilson(81, 263) == pytest.approx((0.2553, 0.3662), abs=1e-4)
    assert wilson(15, 148) == pytest.approx((0.0624, 0.1605), abs=1e-4)


def test_an_audit_finds_what_is_wrong() -> None:
    def row(number: int, text: str, upos: str) -> sets.Row:
        return {"id": f"n-{number}", "text": text, "tokens": "A .", "upos": upos, "tags": "O O"}

    rows: sets.Rows = {
        "train": {"en": [row(1, "A.", "X")]},
        "test": {"en": [row(1, "A.", "X X")], "de": [row(2, "B.", "X X")]},
    }
    found = audit("ner", rows, "en")
    assert "A. (test, train)" in found.duplicates
    assert any("en n-1: tags do not fit tokens" in p for p in found.problems)
    assert any("test: the ids of de are not those of en" in p for p in found.problems)
    assert any("test: ids occur twice" in p for p in found.problems)


def test_the_sets_of_the_course_give_nothing_away(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    """English alone, smaller: outward form and the hypothesis alone stay near chance."""
    english = {"en": read("en", world, settings.current().data / "grammar")}
    sizes = {"sentiment": {"train": 300, "dev": 24, "test": 48},
             "nli": {"train": 300, "dev": 15, "test": 30}}  # fmt: skip
    monkeypatch.setattr(sets, "SIZES", sizes)
    for task in sizes:
        for shortcut in audit(task, sets.TASKS[task](world, english, 0), "en").shortcuts["train"]:
            if shortcut.name != "premise alone":
                assert shortcut.low < shortcut.chance + 0.02, str(shortcut)
