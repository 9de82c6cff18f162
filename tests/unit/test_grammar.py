"""The grammar: references, agreement, rewrites, tokens, entities, and what the checker finds."""

from __future__ import annotations

import os
import random
import re
import subprocess
import sys
import unicodedata
from collections.abc import Callable
from pathlib import Path

import pytest

from xlhelpers import settings
from xlhelpers.build.grammar import (
    Grammar,
    GrammarError,
    Meaning,
    Sentence,
    World,
    check,
    load,
    load_world,
    read,
    realise,
)
from xlhelpers.build.grammar.__main__ import main
from xlhelpers.build.grammar.sampling import plausible
from xlhelpers.build.grammar.tokens import spans

WORLD = """
[thing]
stay = ["hotel", "hut"]
wear = ["shoes"]
[suits]
stay = ["any", "place"]
wear = ["any"]
[aspect.stay]
bed = ["any", "place"]
soup = ["any"]
[aspect.all]
price = ["any"]
[quality]
good = "+! any"
bad = "-! any"
fair = "+ any"
dirty = "- place"
[kin]
all = ["aunt"]
[past]
all = ["yesterday"]
[degree]
all = ["very"]
[person]
ada = "f"
omar = "m"
[place_name]
all = ["cairo", "rome"]
[brand]
all = ["blue_river", "helios"]
[institution]
all = ["museum_of"]
[role]
all = ["judge"]
[topic]
all = ["water"]
[event]
all = ["fair_event"]
[day]
all = ["monday"]
[agent]
person = ""
man = "person"
[activity]
work = ["", "p", "b"]
dig = ["work", "p", "o"]
[spot]
indoors = "i"
outdoors = "o"
[trait]
tired = "p"
[extra]
alone = ["p", "b"]
[review.plain]
slots = { a = "aspect", q = "quality" }
sign = "q"
[review.glad]
kinds = ["stay"]
sign = "+"
[news.visited]
slots = { p = "person", l = "place_name" }
[news.leaves]
slots = { p = "person", o = "org" }
[news.met]
slots = { p = "person", p2 = "person" }
[scene.v]
slots = { g = "agent", v = "activity" }
"""

ENGLISH = """
code = "en"
capitals = true
[columns]
thing = ["agr", "form"]
[thing]
hotel = ["sg", "hotel"]
hut = ["sg", "hut"]
shoes = ["pl", "shoes"]
[aspect]
bed = "bed"
soup = "soup"
price = "price"
[quality]
good = "good"
bad = "bad"
fair = "fair"
dirty = "dirty"
[kin]
aunt = "my aunt"
[past]
yesterday = "yesterday"
[degree]
very = "very"
[person]
ada = "Ada Byron"
omar = "Omar Said"
[place_name]
cairo = "Cairo"
rome = "Rome"
[brand]
blue_river = "Blue River"
helios = "Helios"
[institution]
museum_of = "Museum of {l}"
[role]
judge = "judge"
[topic]
water = "water"
[event]
fair_event = "fair"
[day]
monday = "on Monday"
[agent]
person = "person"
man = "man"
[activity]
work = "working"
dig = "digging"
[spot]
indoors = "indoors"
outdoors = "outdoors"
[trait]
tired = "tired"
[extra]
alone = "alone"
[word]
this = { sg = "this", pl = "these" }
[review]
plain = ["The {a} of {this@x} {x} is {q}.", "was the {a} {q}? {this@x} {x}: yes."]
glad = "I would come back."
[news]
visited = "{p} visited {l}."
leaves = ["{p} is leaving {o}.", "{o}’s head, {p}, is leaving."]
met = "{p} met {p2}."
[scene]
v = "A {g} is {v}."
[tags]
of = "ADP"
visited = "VERB"
is = "AUX"
leaving = "VERB"
met = "VERB"
head = "NOUN"
"’s" = "PART"
"""

# Gender agreement, cases, elision and contraction, names left out but for one.
FRENCH = ENGLISH
for old, new in {
    'code = "en"': 'code = "fr"\nrewrite = [["\\\\bde Le ", "du "], '
    '["\\\\b([dl])e (?=[aeiouAEIOU])", "$1’"]]',
    'thing = ["agr", "form"]': 'thing = ["agr", "nom", "de"]\naspect = ["agr", "nom"]\n'
    'quality = ["m", "f"]\nplace_name = ["nom"]',
    'hotel = ["sg", "hotel"]': 'hotel = ["m", "hôtel", "de l’hôtel"]',
    'hut = ["sg", "hut"]': 'hut = ["f", "hutte", "de la hutte"]',
    'shoes = ["pl", "shoes"]': 'shoes = ["f", "chaussures", "des chaussures"]',
    'bed = "bed"\nsoup = "soup"\nprice = "price"': 'bed = ["m", "lit"]\nsoup = ["f", "soupe"]\n'
    'price = ["m", "prix"]',
    'good = "good"': 'good = ["bon", "bonne"]',
    'bad = "bad"': 'bad = ["mauvais", "mauvaise"]',
    'fair = "fair"\n': 'fair = ["juste", "juste"]\n',
    'dirty = "dirty"': 'dirty = ["sale", "sale"]',
    'cairo = "Cairo"\nrome = "Rome"': 'cairo = "Le Caire"\nrome = "Aden"',
    '[person]\nada = "Ada Byron"\nomar = "Omar Said"\n': "",
    '[brand]\nblue_river = "Blue River"\nhelios = "Helios"\n': "",
    "Museum of {l}": "Musée de {l}",
    'this = { sg = "this", pl = "these" }': 'the = { m = "le", f = "la" }\n'
    'glad = { m = "content", f = "contente" }\nleft = { m = "parti", f = "partie" }',
    'plain = ["The {a} of {this@x} {x} is {q}.", "was the {a} {q}? {this@x} {x}: yes."]': (
        'plain = "{the@a} {a} {x.de} est {q@a}."'
    ),
    "I would come back.": "Je suis {glad@i}.",
    "{p} visited {l}.": "l’ami de {p} est {left@p} de {l}.",
    '["{p} is leaving {o}.", "{o}’s head, {p}, is leaving."]': '"{p} est {left@p} de {o}."',
    'of = "ADP"': 'de = "ADP"\n"d’" = "ADP"\ndu = "ADP"\n"l’" = "DET"\nami = "NOUN"\n'
    'est = "AUX"\nparti = "VERB"\npartie = "VERB"\n',
}.items():
    assert old in FRENCH, old
    FRENCH = FRENCH.replace(old, new)

CHINESE = ENGLISH
CHINESE_WORDS = {
    "hotel": "酒店", "hut": "小屋", "shoes": "鞋子", "bed": "床", "soup": "汤", "price": "价格",
    "good": "好", "bad": "差", "fair": "合理", "dirty": "脏", "aunt": "我姑姑", "yesterday": "昨天",
    "very": "非常", "ada": "艾达·拜伦", "omar": "奥马尔·赛义德", "cairo": "开罗", "rome": "罗马",
    "museum_of": "{l} 博物馆", "judge": "法官", "water": "水", "fair_event": "集市",
    "monday": "周一", "person": "人", "man": "男人", "work": "工作", "dig": "挖土",
    "indoors": "室内", "outdoors": "室外", "tired": "累", "alone": "独自",
}  # fmt: skip
for word, form in CHINESE_WORDS.items():
    CHINESE = re.sub(rf'(?m)^{word} = ("[^"]*"|\[.*\])$', f'{word} = "{form}"', CHINESE)
for old, new in {
    'code = "en"\ncapitals = true': 'code = "zh"\njoin = ""\n'
    'rewrite = [["(见)(了)(面)", "$1$3$2"]]',
    'thing = ["agr", "form"]': 'thing = ["form"]',
    '[brand]\nblue_river = "Blue River"\nhelios = "Helios"\n': "",
    'this = { sg = "this", pl = "these" }': 'this = "这家"',
    '["The {a} of {this@x} {x} is {q}.", "was the {a} {q}? {this@x} {x}: yes."]': (
        '"{this} {x} 的 {a} 很 {q} 。"'
    ),
    "I would come back.": "我 还 会 来 。",
    "{p} visited {l}.": "{p} 访问/VERB 了 {l} 。",
    '["{p} is leaving {o}.", "{o}’s head, {p}, is leaving."]': '"{p} 离开 {o} 。"',
    "{p} met {p2}.": "{p} 和 {p2} 见 了 面 。",
    "A {g} is {v}.": "{g} 在 {v} 。",
    'of = "ADP"\nvisited = "VERB"\nis = "AUX"\nleaving = "VERB"\nmet = "VERB"\nhead = "NOUN"\n'
    '"’s" = "PART"': '"了" = "AUX"\n"离开" = "VERB"\n"和" = "CCONJ"\n"见" = "VERB"\n'
    '"面" = "NOUN"\n"博物馆" = "NOUN"',
}.items():
    assert old in CHINESE, old
    CHINESE = CHINESE.replace(old, new)

FILES = {"en": ENGLISH, "fr": FRENCH, "zh": CHINESE}
Change = Callable[..., Grammar]


@pytest.fixture
def grammar_folder(tmp_path: Path) -> Path:
    folder = tmp_path / "data" / "grammar"
    folder.mkdir(parents=True)
    (folder / "world.toml").write_text(WORLD, encoding="utf-8")
    for code, text in FILES.items():
        (folder / f"{code}.toml").write_text(text, encoding="utf-8")
    return folder


@pytest.fixture
def world(grammar_folder: Path) -> World:
    return load_world(grammar_folder / "world.toml")


@pytest.fixture
def tiny(grammar_folder: Path, world: World) -> Callable[[str], Grammar]:
    return lambda code: load(code, world, grammar_folder)


@pytest.fixture
def changed(grammar_folder: Path, world: World) -> Change:
    """Read the English file with one string replaced."""

    def change(old: str, new: str, code: str = "en") -> Grammar:
        text = FILES[code]
        assert old in text
        file = grammar_folder / f"{code}.toml"
        file.write_text(text.replace(old, new), encoding="utf-8")
        return read(code, world, grammar_folder)

    return change


def said(grammar: Grammar, template: str, variant: int = 0, **slots: object) -> Sentence:
    writer = str(slots.pop("writer", "m"))
    meaning = Meaning.of(template, slots)  # type: ignore[arg-type]
    return realise(meaning, grammar, variant=variant, writer=writer)


def problems(grammar: Grammar) -> str:
    return "\n".join(str(fault) for fault in check(grammar) if not fault.note)


# ── sentences ────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize("code", FILES)
def test_the_tiny_files_have_no_fault(tiny: Callable[[str], Grammar], code: str) -> None:
    assert problems(tiny(code)) == ""


def test_words_agree_with_the_thing(tiny: Callable[[str], Grammar]) -> None:
    plain = said(tiny("en"), "review.plain", x="shoes", a="price", q="good")
    assert plain.text == "The price of these shoes is good."
    assert plain.upos == ()
    assert said(tiny("en"), "review.plain", x="hut", a="bed", q="bad").text == (
        "The bed of this hut is bad."
    )


def test_a_second_sentence_begins_with_a_capital(tiny: Callable[[str], Grammar]) -> None:
    asked = said(tiny("en"), "review.plain", 1, x="hut", a="bed", q="bad")
    assert asked.text == "Was the bed bad? This hut: yes."


def test_gender_and_case(tiny: Callable[[str], Grammar]) -> None:
    text = said(tiny("fr"), "review.plain", x="hotel", a="soup", q="good").text
    assert text == "La soupe de l’hôtel est bonne."


@pytest.mark.parametrize(("writer", "word"), [("m", "content"), ("f", "contente")])
def test_the_writer_agrees(tiny: Callable[[str], Grammar], writer: str, word: str) -> None:
    assert said(tiny("fr"), "review.glad", x="hut", writer=writer).text == f"Je suis {word}."


def test_an_elision_leaves_the_name_whole(tiny: Callable[[str], Grammar]) -> None:
    sentence = said(tiny("fr"), "news.visited", p="ada", l="rome")
    assert sentence.text == "L’ami d’Ada Byron est partie d’Aden."
    assert sentence.tokens == (
        "L’",
        "ami",
        "d’",
        "Ada",
        "Byron",
        "est",
        "partie",
        "d’",
        "Aden",
        ".",
    )
    assert sentence.entities == ("O", "O", "O", "B-PER", "I-PER", "O", "O", "O", "B-LOC", "O")
    assert sentence.upos == tuple("DET NOUN ADP PROPN PROPN AUX VERB ADP PROPN PUNCT".split())


def test_a_contraction_takes_the_article_out_of_the_name(tiny: Callable[[str], Grammar]) -> None:
    sentence = said(tiny("fr"), "news.visited", p="omar", l="cairo")
    assert sentence.text == "L’ami d’Omar Said est parti du Caire."
    assert sentence.tokens[-3:] == ("du", "Caire", ".")
    assert sentence.entities[-3:] == ("O", "B-LOC", "O")


def test_a_contraction_within_a_name_stays_in_it(tiny: Callable[[str], Grammar]) -> None:
    museum = ("institution", "museum_of", "cairo")
    sentence = said(tiny("fr"), "news.leaves", p="ada", o=museum)
    assert sentence.text == "Ada Byron est partie de Musée du Caire."
    assert sentence.entities[-4:] == ("B-ORG", "I-ORG", "I-ORG", "O")
    assert sentence.upos[-4:] == ("PROPN", "ADP", "PROPN", "PUNCT")


def test_names_left_out_are_english(tiny: Callable[[str], Grammar]) -> None:
    sentence = said(tiny("fr"), "news.leaves", p="omar", o=("brand", "blue_river"))
    assert sentence.text == "Omar Said est parti de Blue River."


def test_an_english_genitive_is_a_token(tiny: Callable[[str], Grammar]) -> None:
    sentence = said(tiny("en"), "news.leaves", 1, p="ada", o=("brand", "helios"))
    assert sentence.tokens[:3] == ("Helios", "’s", "head")
    assert sentence.upos[:3] == ("PROPN", "PART", "NOUN")
    assert sentence.entities[:3] == ("B-ORG", "O", "O")


def test_words_without_blanks(tiny: Callable[[str], Grammar]) -> None:
    sentence = said(tiny("zh"), "news.leaves", p="ada", o=("institution", "museum_of", "rome"))
    assert sentence.text == "艾达·拜伦离开罗马博物馆。"
    assert sentence.tokens == ("艾达·拜伦", "离开", "罗马", "博物馆", "。")
    assert sentence.entities == ("B-PER", "O", "B-ORG", "I-ORG", "O")
    assert sentence.upos == ("PROPN", "VERB", "PROPN", "NOUN", "PUNCT")


def test_a_rewrite_where_no_blanks_are(tiny: Callable[[str], Grammar]) -> None:
    sentence = said(tiny("zh"), "news.met", p="ada", p2="omar")
    assert sentence.text == "艾达·拜伦和奥马尔·赛义德见面了。"
    assert sentence.tokens[-4:] == ("见", "面", "了", "。")
    assert sentence.entities == ("B-PER", "O", "B-PER", "O", "O", "O", "O")


def test_a_latin_brand_keeps_its_blank_in_chinese(tiny: Callable[[str], Grammar]) -> None:
    sentence = said(tiny("zh"), "news.leaves", p="ada", o=("brand", "blue_river"))
    assert sentence.text == "艾达·拜伦离开Blue River。"
    assert sentence.tokens[2:4] == ("Blue", "River")
    assert sentence.entities[2:4] == ("B-ORG", "I-ORG")


def test_a_marked_word_has_its_tag_and_no_mark(tiny: Callable[[str], Grammar]) -> None:
    sentence = said(tiny("zh"), "news.visited", p="ada", l="rome")
    assert sentence.text == "艾达·拜伦访问了罗马。"
    assert sentence.upos[1] == "VERB"


def test_two_names_side_by_side_are_two_entities(changed: Change) -> None:
    grammar = changed('met = "{p} met {p2}."', 'met = "{p} {p2} met."')
    assert said(grammar, "news.met", p="ada", p2="omar").entities == (
        "B-PER", "I-PER", "B-PER", "I-PER", "O", "O",
    )  # fmt: skip


@pytest.mark.parametrize("code", FILES)
def test_every_token_stands_in_the_text(tiny: Callable[[str], Grammar], code: str) -> None:
    grammar, rng = tiny(code), random.Random(0)
    for template in grammar.world.templates.values():
        for _ in range(20):
            sentence = realise(plausible(grammar.world, template, rng), grammar, rng)
            without = re.sub(r"\s", "", sentence.text)
            assert "".join(sentence.tokens) == without
            assert len(sentence.entities) == len(sentence.tokens)


@pytest.mark.parametrize(
    ("text", "apostrophe", "tokens"),
    [
        ("Aujourd'hui l'eau.", "after", ["Aujourd'hui", "l'", "eau", "."]),
        ("ng'ombe na 2,5 km…", "", ["ng'ombe", "na", "2,5", "km", "…"]),
        ("I don't, it's 5%.", "before", ["I", "do", "n't", ",", "it", "'s", "5", "%", "."]),
        ("week-end, ну!", "", ["week-end", ",", "ну", "!"]),
        ("यह होटल अच्छा है।", "", ["यह", "होटल", "अच्छा", "है", "।"]),
        ("Wait...", "", ["Wait", "..."]),
    ],
)
def test_tokens(text: str, apostrophe: str, tokens: list[str]) -> None:
    assert [text[a:b] for a, b in spans(text, apostrophe)] == tokens


# ── what suits what ──────────────────────────────────────────────────────────────────────

MORE_TEMPLATES = """
[review.very]
slots = { a = "aspect", q = "quality", d = "degree" }
sign = "q"
gradable = true
[review.denied]
slots = { a = "aspect", q = "quality" }
sign = "not q"
"""


def test_what_is_denied_or_graded_is_a_natural_quality(grammar_folder: Path) -> None:
    file = grammar_folder / "world.toml"
    file.write_text(WORLD + MORE_TEMPLATES, encoding="utf-8")
    world, rng = load_world(file), random.Random(0)
    natural = {name for name, quality in world.quality.items() if quality.natural}
    assert natural == {"good", "bad"}
    for name, takes in (
        ("plain", {"good", "bad", "fair", "dirty"}),
        ("very", natural),
        ("denied", natural),
    ):
        template = world.templates[f"review.{name}"]
        assert template.natural == (takes == natural)
        assert {plausible(world, template, rng)["q"] for _ in range(200)} == takes


def test_worlds_do_not_share_what_they_have_looked_up(grammar_folder: Path, world: World) -> None:
    world.fitting["hotel", None, "+", False] = ["good"]
    assert load_world(grammar_folder / "world.toml").fitting == {}


# ── faults ───────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize(
    ("old", "new", "where", "problem"),
    [
        ('bed = "bed"\n', "", "[aspect] bed", "is missing"),
        ('bed = "bed"\n', 'bed = "bed"\nsofa = "sofa"\n', "[aspect] sofa", "not in world.toml"),
        ('hut = ["sg", "hut"]', 'hut = ["sg"]', "[thing] hut", "1 values for 2 columns"),
        ('hut = ["sg", "hut"]', 'hut = "hut"', "[thing] hut", "agr is declared"),
        ('hut = ["sg", "hut"]', 'hut = ["x", "hut"]', "plain", "no form 'x' (as for hut)"),
        ("is {q}.", "is {q.acc}.", "plain, variant 1", "no column 'acc'"),
        ("is {q}.", "is {q} {z}.", "plain, variant 1", "neither a slot"),
        ("is {q}.", "is {q} {this@b}.", "plain, variant 1", "agrees with b"),
        ("is {q}.", "is {q@a}.", "plain, variant 1", "has no agr"),
        ("is {q}.", "is good.", "plain, variant 1", "does not say {q}"),
        ("is {q}.", "is {q}}.", "plain, variant 1", "is no reference"),
        ("is {q}.", "is {q} .", "plain, variant 1", "blank at ' .'"),
        ("is {q}.", "is {q}", "plain, variant 1", "no full stop"),
        ('bad = "bad"', 'bad = "good"', "[quality] good, bad", "said alike"),
        ('bad = "bad"', 'bad = "bаd"', "[quality] bad", "CYRILLIC"),
        ('bad = "bad"', 'bad = "mÃ¡s"', "[quality] bad", "broken characters"),
        ('bad = "bad"', 'bad = "bad☺"', "[quality] bad", "SMILING"),
        ('bad = "bad"', 'bad = " bad"', "[quality] bad", "stray blanks"),
        ('bad = "bad"', 'bad = ""', "[quality] bad", "is empty"),
        ('bad = "bad"', 'bad = "{a}"', "[quality] bad", "refers to something"),
        ('"Museum of {l}"', '"Museum"', "[institution] museum_of", "lacks its place"),
        ('"Museum of {l}"', '"Museum of {m}"', "[institution] museum_of", "lacks its place"),
        ('visited = "VERB"\n', "", "[tags]", "'visited' has no part of speech"),
        ('visited = "VERB"\n', 'visited = "VRB"\n', "[tags] visited", "no UPOS tag"),
        ('glad = "I would', 'gladd = "I would', "[review] gladd", "not in world.toml"),
        ("I would come back.", "A man is digging.", "[scene] v", "is also"),
        ('code = "en"', 'code = "de"', "code", "'de'"),
        ("capitals = true", 'capitals = true\nrewrite = [["(", ""]]', "rule 1", "cannot be used"),
        ("[word]", "[words]\n[word]", "[words]", "no category"),
        ("[word]", '[word]\na = "x"', "[word] a", "also a slot"),
        ('["The {a} of', '["was the {a} {q}? {this@x} {x}: yes.", "The {a} of', "plain", "twice"),
    ],
)  # fmt: skip
def test_a_fault_is_named(changed: Change, old: str, new: str, where: str, problem: str) -> None:
    found = [fault for fault in check(changed(old, new)) if not fault.note]
    assert any(where in fault.where and problem in fault.problem for fault in found), found
    assert all(fault.where.startswith("en.toml") and fault.remedy for fault in found)


def test_an_untagged_word_is_named_once_whatever_its_capitals(changed: Change) -> None:
    grammar = changed('visited = "{p} visited {l}."', 'visited = ["Seen/VERB: {p}, of {l}."]')
    found = problems(changed('of = "ADP"\n', ""))
    assert found.count("has no part of speech") == 1 and "'of' has no part" in found
    assert "has no part of speech" not in problems(grammar)


def test_decomposed_letters_are_a_fault(changed: Change) -> None:
    form = unicodedata.normalize("NFD", "tiède")
    assert "NFC" in problems(changed('bad = "bad"', f'bad = "{form}"'))


def test_names_need_the_script_of_the_language(changed: Change) -> None:
    assert "[person] ada: 'A'" in problems(changed('ada = "艾达·拜伦"', 'ada = "Ada"', "zh"))


def test_a_missing_row_is_one_fault(changed: Change) -> None:
    found = [f for f in check(changed('hut = ["sg", "hut"]\n', "")) if not f.note]
    assert [fault.where for fault in found] == ["en.toml [thing] hut"]


def test_qualities_that_no_noun_shares_may_share_a_word(
    grammar_folder: Path, changed: Change
) -> None:
    text = WORLD.replace('dirty = "- place"', 'dirty = "- cloth"')
    (grammar_folder / "world.toml").write_text(text, encoding="utf-8")
    grammar = changed('dirty = "dirty"', 'dirty = "bad"')
    apart = read("en", load_world(grammar_folder / "world.toml"), grammar_folder)
    assert "said alike" in problems(grammar)
    assert problems(apart) == ""


def test_a_form_that_only_one_filler_needs_is_missed(changed: Change) -> None:
    grammar = changed('sg = "this", pl = "these"', 'sg = "this"')
    assert "[word] this has no form 'pl' (as for shoes)" in problems(grammar)


def test_a_word_that_nothing_uses_is_a_note(changed: Change) -> None:
    faults = check(changed("[word]", '[word]\nidle = "x"'))
    assert [(f.where, f.note) for f in faults] == [("en.toml [word] idle", True)]


def test_loading_a_faulty_file_is_refused(changed: Change, grammar_folder: Path) -> None:
    changed('hut = ["sg", "hut"]', 'hut = ["sg"]')
    with pytest.raises(GrammarError, match=r"en.toml \[thing\] hut: has 1 values") as caught:
        load("en", where=grammar_folder)
    assert caught.value.remedy == "agr, form"


def test_a_file_that_is_no_toml(grammar_folder: Path, world: World) -> None:
    (grammar_folder / "en.toml").write_text('code = "en\n', encoding="utf-8")
    with pytest.raises(GrammarError, match="en.toml is not TOML.*line 1"):
        load("en", world, grammar_folder)
    with pytest.raises(GrammarError, match="no grammar file de.toml"):
        load("de", world, grammar_folder)


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ('man = "person"', 'man = "human"', "no such agent: human"),
        ('kinds = ["stay"]', 'kinds = ["fly"]', "no such kind .*fly"),
        ('sign = "q"', 'sign = "z"', "no such sign .*z"),
        ('p = "person", l', 'p = "people", l', "no such category .*people"),
        ('dig = ["work", "p", "o"]', 'dig = ["work", "p"]', "ValueError"),
    ],
)
def test_a_world_that_contradicts_itself(
    grammar_folder: Path, old: str, new: str, message: str
) -> None:
    assert old in WORLD
    (grammar_folder / "world.toml").write_text(WORLD.replace(old, new), encoding="utf-8")
    with pytest.raises(GrammarError, match=message):
        load_world(grammar_folder / "world.toml")


def test_the_command_line(grammar_folder: Path, changed: Change) -> None:
    def run(*arguments: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [sys.executable, "-m", "xlhelpers.build.grammar", *arguments],
            capture_output=True, text=True, encoding="utf-8", check=False, env=environment,
        )  # fmt: skip

    environment = {**os.environ, "XL_DATA": str(grammar_folder.parent), "PYTHONUTF8": "1"}
    fine = run("check", "en", "fr", "zh")
    assert (fine.returncode, fine.stdout.splitlines()[-1]) == (0, "zh: 0 faults, 0 notes")
    shown = run("show", "fr", "visited", "--n", "2", "--seed", "1")
    assert shown.stdout.count("L’ami d’") == 2
    assert shown.stdout == run("show", "fr", "visited", "--n", "2", "--seed", "1").stdout
    changed('hut = ["sg", "hut"]', 'hut = ["sg"]')
    bad = run("check", "en")
    assert bad.returncode == 1
    assert "en.toml [thing] hut: has 1 values for 2 columns" in bad.stdout
    missing = run("check", "de")
    assert missing.returncode == 1
    assert "Remedy: write it into grammar/" in missing.stderr


def test_a_second_language_beside_and_tags_to_fill_in(
    grammar_folder: Path, changed: Change, monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:  # fmt: skip
    def run(*arguments: str) -> tuple[int, str]:
        return main(arguments), capsys.readouterr().out

    monkeypatch.setenv("XL_DATA", str(grammar_folder.parent))
    settings.reset()
    show = ("show", "fr", "visited", "--n", "2", "--seed", "1")
    (_, alone), (_, both) = run(*show), run(*show, "--beside", "en")
    lines = both.splitlines()
    assert [line for line in lines if " visited " not in line] == alone.splitlines()
    assert sum(" visited " in line and line.startswith("    ") for line in lines) == 2
    assert run("tags", "en") == (0, "")
    changed('visited = "VERB"\n', "")
    assert run("tags", "en") == (1, 'visited = ""  # [news] visited, variant 1\n')


# ── the files of the course ──────────────────────────────────────────────────────────────

CODES = sorted(file.stem for file in (settings.current().data / "grammar").glob("??.toml"))


@pytest.mark.pinned("a sample of what the file says; the corpus was written from these templates")
@pytest.mark.parametrize("code", CODES)
def test_the_file_of_the_course_has_no_fault(code: str) -> None:
    assert problems(read(code)) == ""
