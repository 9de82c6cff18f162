"""Language identification with the right to say nothing, and routes that lead somewhere."""

from __future__ import annotations

import hashlib
import json
import logging
import threading
import time
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from serving_parts import Told, core_tokenizer, noise

from xlhelpers import datasets
from xlhelpers.alignment.evaluation import wilson
from xlhelpers.errors import CourseError
from xlhelpers.languages import UnknownLanguageError
from xlhelpers.serving import MultilingualClassifier, bulk
from xlhelpers.serving._errors import ServingError
from xlhelpers.serving.identification import Detection, LanguageIdentifier, identifiable
from xlhelpers.serving.routing import GENERAL, REFUSED, LanguageRouter, Route, Routed

CODES = tuple("ar de en es fr hi nl pt ru sw yo zh".split())
# The same sentence in languages that lingua knows and `everyday` has none of.
MARKET = {
    "bg": "Вчера майка ми купи пресен хляб и зеленчуци от пазара.",
    "bn": "গতকাল আমার মা বাজার থেকে তাজা রুটি আর সবজি কিনেছেন।",
    "cs": "Včera moje matka koupila na trhu čerstvý chléb a zeleninu.",
    "cy": "Ddoe prynodd fy mam fara ffres a llysiau yn y farchnad.",
    "da": "I går købte min mor frisk brød og grøntsager på torvet.",
    "eu": "Atzo nire amak ogi freskoa eta barazkiak erosi zituen azokan.",
    "fa": "دیروز مادرم از بازار نان تازه و سبزیجات خرید.",
    "he": "אתמול אמא שלי קנתה לחם טרי וירקות בשוק.",
    "hu": "Tegnap anyám friss kenyeret és zöldséget vett a piacon.",
    "is": "Í gær keypti móðir mín nýtt brauð og grænmeti á markaðnum.",
    "pl": "Wczoraj moja mama kupiła na targu świeży chleb i warzywa.",
    "ro": "Ieri mama mea a cumpărat pâine proaspătă și legume de la piață.",
    "sv": "Igår köpte min mamma färskt bröd och grönsaker på torget.",
    "uk": "Учора моя мама купила на ринку свіжий хліб і овочі.",
    "ur": "کل میری امی نے بازار سے تازہ روٹی اور سبزیاں خریدیں۔",
    "zu": "Izolo umama wami uthenge isinkwa esisha nemifino emakethe.",
}


@pytest.fixture(scope="module")
def identifier() -> LanguageIdentifier:
    return LanguageIdentifier(CODES)


# ── which language ───────────────────────────────────────────────────────────────────────


def test_twelve_languages_on_the_handwritten_set(identifier: LanguageIdentifier) -> None:
    """98 % are routed and all but a few of these rightly; reviews, 108 in each language."""
    right, said = Counter[str](), Counter[str]()
    for code in CODES:
        for row in datasets.handwritten("sentiment", code):
            found = identifier.identify(row["text"])
            said[code] += found.language is not None
            right[code] += found.language == code
    asked = 108 * len(CODES)
    assert wilson(sum(said.values()), asked)[0] > 0.97
    assert wilson(sum(right.values()), sum(said.values()))[0] > 0.99
    assert min(said.values()) >= 100  # in Swahili most of all is taken for something else


def test_other_languages_are_refused(identifier: LanguageIdentifier) -> None:
    """Nine languages that are not served: a closed set takes the four in Latin script for ours."""
    texts = [t for code, rows in datasets.everyday().items() if code not in CODES for t in rows]
    assert len(texts) == 9 * 24
    verdicts = Counter(identifier.identify(text).verdict for text in texts)
    assert verdicts["unserved"] >= 214, verdicts

    closed = LanguageIdentifier(CODES, outside=2.0)
    turkish = datasets.everyday()["tr"]
    let_in = sum(closed.identify(text).language is not None for text in turkish)
    assert let_in > len(turkish) / 3  # which is why the second detector is there
    assert closed.identify(turkish[0]).outside == 0


def test_a_higher_threshold_keeps_fewer_short_texts_and_errs_less() -> None:
    loose = LanguageIdentifier(CODES, least=0.0, least_short=0.0, outside=2.0)
    strict = LanguageIdentifier(CODES, least_short=0.9)
    words = [
        (code, " ".join(row["text"].split()[:2]))
        for code in ("en", "es", "fr", "pt", "nl", "de")
        for row in datasets.handwritten("sentiment", code)
    ]
    kept, right = {}, {}
    for name, one in (("loose", loose), ("strict", strict)):
        found = [(code, one.identify(text).language) for code, text in words]
        answered = [(code, said) for code, said in found if said is not None]
        kept[name] = len(answered) / len(words)
        right[name] = sum(code == said for code, said in answered) / len(answered)
    assert kept["loose"] > 0.99 and kept["strict"] < 0.6
    assert right["loose"] < 0.9 and right["strict"] > 0.95


@pytest.mark.parametrize(
    ("text", "verdict"),
    [
        ("", "empty"),
        (" \n\t", "empty"),
        ("\u200b\u202e", "empty"),
        ("👍👍 10/10 !!!", "wordless"),
        ("https://example.com/the/best/hotel", "wordless"),
        ("OK", "too short"),
        ("Hotel", "too short"),
        ("Merhaba dünya, bugün hava çok güzel ve ben eve gidiyorum.", "unserved"),
        ("สวัสดีครับ", "unserved"),
        ("Das Essen war sehr gut und billig. The waiter was very friendly to us all.", "mixed"),
        ("Я люблю тебя, but you do not love me at all my dear", "mixed"),
        ("我喜欢iPhone手机", "accepted"),
        ("Я купил iPhone вчера", "accepted"),
        ("नहीं", "accepted"),
        ("\ud800", "empty"),
        ("Das ist ein sehr \ud800 guter Film", "accepted"),
        ("Schreib an jemand.anders+neu@example.org, bitte, wenn du kannst.", "accepted"),
        ("jemand.anders+neu@example.org", "wordless"),
    ],
)
def test_verdicts(identifier: LanguageIdentifier, text: str, verdict: str) -> None:
    found = identifier.identify(text)
    assert found.verdict == verdict
    assert (found.language is not None) == (verdict == "accepted")
    json.dumps(found.json())


def test_every_language_that_can_be_told_is_accepted_in_its_own_scripts() -> None:
    known = identifiable()
    everyone = LanguageIdentifier(tuple(known))
    said = {code: text for code, [text, *_] in datasets.everyday(contributed=True).items()} | MARKET
    assert set(known) <= set(said)
    found = {code: everyone.identify(said[code]) for code in known}
    wrong = {code: (one.verdict, one.guess) for code, one in found.items() if one.language != code}
    assert not wrong


def test_japanese_is_written_in_three_scripts_and_chinese_beside_it_in_one() -> None:
    both = LanguageIdentifier(("en", "ja", "zh"))
    everyday = datasets.everyday()
    for code in ("ja", "zh"):
        assert [both.identify(text).language for text in everyday[code]] == [code] * 24
    pairs = zip(everyday["zh"], everyday["ja"], strict=True)
    assert {both.identify(f"{one} {other}").verdict for one, other in pairs} == {"mixed"}
    # Kana are as foreign to Chinese as they were.
    kana = "我昨天在东京买了这本书。ありがとうございました"
    assert LanguageIdentifier(CODES, outside=2.0).identify(kana).verdict == "mixed"
    assert both.identify("すもももももももものうち。").language == "ja"
    assert both.identify("東京都知事選挙の結果について").language == "ja"


def test_two_languages_in_one_text_are_seen(identifier: LanguageIdentifier) -> None:
    """A sentence of one and a sentence of the other; a whole text is never called mixed."""
    news = {code: [row["text"] for row in datasets.handwritten("ner", code)] for code in CODES}
    pairs = [(a, b) for i, a in enumerate(CODES) for b in CODES[i + 1 :]]
    both = [
        identifier.identify(f"{news[a][i % 60]} {news[b][i % 60]}")
        for i, (a, b) in enumerate(pairs)
    ]
    alone = [identifier.identify(text) for texts in news.values() for text in texts]
    assert sum(found.verdict == "mixed" for found in both) / len(both) > 0.7
    assert sum(found.verdict == "mixed" for found in alone) / len(alone) < 0.01


def test_long_texts_cost_what_short_ones_do(identifier: LanguageIdentifier) -> None:
    long = "Das ist ein ganz gewöhnlicher Satz. " * 30_000
    assert identifier.identify(long).language == "de"
    started = time.perf_counter()
    for sign in ("@", "a@", "a@a.", "#", "www."):  # an address that is none, over and over
        identifier.identify(sign * 3000)
    assert time.perf_counter() - started < 2
    head = "Das ist ein ganz gewöhnlicher Satz. " * 100
    tail = "This is a very ordinary sentence indeed. " * 100
    assert identifier.identify(head + tail).verdict == "mixed"


def test_an_identifier_refuses_what_it_cannot_do() -> None:
    with pytest.raises(ServingError, match="two languages"):
        LanguageIdentifier(("de",))
    with pytest.raises(ServingError, match="two languages"):
        LanguageIdentifier(("de", "de"))
    with pytest.raises(UnknownLanguageError):
        LanguageIdentifier(("de", "xx"))
    for wrong in ({"least": 1.5}, {"foreign": -1.0}, {"short": -1}, {"outside": 0.0}):
        with pytest.raises(ServingError, match="choose"):
            LanguageIdentifier(CODES, **wrong)
    with pytest.raises(ServingError, match="Amharic"):
        LanguageIdentifier(("de", "am")).identify("ሰላም ለዓለም")
    assert "am" not in identifiable() and set(CODES) <= set(identifiable())


# ── which model ──────────────────────────────────────────────────────────────────────────


@dataclass(frozen=True)
class Said:
    """An answer of `Model`."""

    index: int
    label: str
    confidence: float
    language: str | None
    route: str = ""


class Model:
    """A classifier whose label says which one it is, so that a test can see who answered."""

    def __init__(self, name: str, size: int = 10, names: tuple[str, ...] | None = None) -> None:
        self.name, self.memory_bytes = name, size
        self.model_hash = f"hash of {name}"
        self.asked: list[tuple[str, str | None]] = []
        if names is not None:
            self.names = names

    def classify(
        self, texts: Sequence[Any], languages: Sequence[str | None] | None = None
    ) -> list[Said]:
        codes = [None] * len(texts) if languages is None else list(languages)
        self.asked += zip(texts, codes, strict=True)
        return [Said(i, self.name, 0.9, code) for i, code in enumerate(codes)]


class Fixed:
    """Tells the language by the first two letters of a text."""

    serves = ("de", "en", "fr", "sw")

    def identify(self, text: str | Sequence[str]) -> Detection:
        code = text[:2] if isinstance(text, str) else text[0][:2]
        known = code in self.serves
        return Detection(code if known else None, "accepted" if known else "unsure", code, 0.9)


def route(name: str, *codes: str, size: int = 10, hint: int = 0) -> tuple[Route, list[Model]]:
    made: list[Model] = []

    def load() -> Model:
        made.append(Model(name, size))
        return made[-1]

    return Route(name, codes, load, hint), made


def test_the_articles_router_reports_a_route_and_asks_the_same_model_and_ours_does_not() -> None:
    """The broken idea in our own words: names of routes are strings, one model does it all."""
    only = Model("general")
    specialised = {"de": "german_model", "fr": "french_model"}

    def as_published(text: str) -> tuple[str, str]:
        code = text[:2]
        way = f"specialized_{code}" if code in specialised else "general_multilingual"
        return way, only.classify([text])[0].label

    texts = ["de eins", "fr deux", "en three"]
    published = [as_published(text) for text in texts]
    assert len({way for way, _ in published}) == 3  # three routes are reported,
    assert {answered for _, answered in published} == {"general"}  # and one model answers

    german, german_models = route("german", "de")
    french, french_models = route("french", "fr")
    ours = LanguageRouter(Model("general"), [german, french], identifier=Fixed()).classify(texts)
    assert [one.route for one in ours] == ["german", "french", GENERAL]
    # Whoever is reported has answered, by label and by hash.
    assert [one.label for one in ours] == ["german", "french", "general"]
    assert [one.model_hash for one in ours] == [
        "hash of german", "hash of french", "hash of general"
    ]  # fmt: skip
    assert german_models[0].asked == [("de eins", "de")]
    assert french_models[0].asked == [("fr deux", "fr")]


def test_order_languages_and_places_survive_the_routes() -> None:
    german, _ = route("german", "de")
    router = LanguageRouter(Model("general"), [german], identifier=Fixed())
    texts = ["en a", "de b", "?? c", "de d", "sw e"]
    out = router.classify(texts)
    assert [one.index for one in out] == [0, 1, 2, 3, 4]
    assert [one.answer.index for one in out] == [0, 1, 2, 3, 4]
    assert [one.answer.route for one in out] == [one.route for one in out]
    assert [one.language for one in out] == ["en", "de", None, "de", "sw"]
    assert [one.answer.language for one in out] == ["en", "de", None, "de", "sw"]
    assert [one.detection.verdict for one in out][2] == "unsure"
    assert out[2].route == GENERAL  # a multilingual model need not be told the language
    json.dumps([one.json() for one in out])
    assert not any(text in json.dumps([one.json() for one in out]) for text in texts)


def test_what_no_model_was_made_for_is_refused(identifier: LanguageIdentifier) -> None:
    general = Model("general")
    router = LanguageRouter(general, identifier=identifier)
    texts = ["", "Bugün hava çok güzel ve biz parka gidiyoruz.", "The food was cold and dear."]
    out = router.classify(texts)
    assert [one.route for one in out] == [REFUSED, REFUSED, GENERAL]
    assert [one.label for one in out] == [None, None, "general"]
    assert "not among those served" in out[1].problem and out[1].model_hash == ""
    assert general.asked == [(texts[2], "en")]
    strict = LanguageRouter(
        general, identifier=identifier, refuse=("empty", "unserved", "mixed", "too short", "unsure")
    )
    assert [one.route for one in strict.classify(["OK", "👍"])] == [REFUSED, GENERAL]


def test_a_language_that_is_told_is_believed_if_it_is_served() -> None:
    german, models = route("german", "de")
    router = LanguageRouter(Model("general"), [german], identifier=Fixed())
    out = router.classify(["en text", "en text", "en text"], ["de", "xx", None])
    assert [one.route for one in out] == ["german", REFUSED, GENERAL]
    assert out[0].detection == Detection("de", "given")
    assert len(models) == 1


def test_pairs_are_identified_by_both_sides(identifier: LanguageIdentifier) -> None:
    german, models = route("german", "de")
    router = LanguageRouter(Model("general"), [german], identifier=identifier)
    pair = ("Ein Hund läuft über die Wiese.", "Ein Tier bewegt sich im Freien.")
    crossed = ("Ein Hund läuft über die Wiese.", "An animal is moving about outside.")
    out = router.classify([pair, crossed])
    assert [one.route for one in out] == ["german", GENERAL]
    assert out[1].detection.verdict == "mixed"
    assert models[0].asked == [(pair, "de")]


def test_nothing_is_loaded_before_it_is_needed() -> None:
    general_loads: list[int] = []

    def general() -> Model:
        general_loads.append(1)
        return Model("general")

    german, models = route("german", "de")
    router = LanguageRouter(general, [german], identifier=Fixed())
    assert not general_loads and not models
    router.classify(["en a"])
    assert len(general_loads) == 1 and not models
    router.classify(["de a", "en b", "de c"])
    assert router.loads == {GENERAL: 1, "german": 1}


def test_memory_is_bounded_and_the_one_used_longest_ago_makes_room() -> None:
    german, _ = route("german", "de", size=40)
    french, _ = route("french", "fr", size=40)
    swahili, _ = route("swahili", "sw", size=40)
    router = LanguageRouter(
        Model("general", size=1000), [german, french, swahili], identifier=Fixed(), memory_bytes=100
    )
    router.classify(["de a"])
    router.classify(["fr a"])
    router.classify(["de b"])
    assert list(router.in_memory) == ["french", "german"]
    router.classify(["sw a"])
    assert list(router.in_memory) == ["german", "swahili"]
    assert router.dropped == {"german": 0, "french": 1, "swahili": 0}
    out = router.classify(["fr b"])
    assert out[0].route == "french" and router.loads["french"] == 2
    assert sum(router.in_memory.values()) <= 100


def test_room_is_made_before_loading_where_the_size_is_known() -> None:
    held: list[int] = []
    german, _ = route("german", "de", size=60)
    big = Route("french", ("fr",), lambda: held.append(len(router.in_memory)) or Model("f", 60), 60)
    router = LanguageRouter(Model("g"), [german, big], identifier=Fixed(), memory_bytes=100)
    router.classify(["de a", "fr b"])
    assert held == [0]  # the German model had gone when the French one was loaded


def test_a_model_that_is_too_big_is_not_kept_and_its_texts_are_answered() -> None:
    german, models = route("german", "de", size=400)
    router = LanguageRouter(Model("general"), [german], identifier=Fixed(), memory_bytes=100)
    for _ in range(3):
        out = router.classify(["de a"])
        assert out[0].route == GENERAL and out[0].fallback == "too big"
        assert out[0].model_hash == "hash of general"
    assert len(models) == 1  # its size is remembered: it is not loaded again to be thrown away
    with pytest.raises(ServingError, match="400 bytes"):
        router.model("german")


def test_a_route_that_fails_falls_back_says_so_and_is_tried_again(
    caplog: pytest.LogCaptureFixture,
) -> None:
    tries: list[int] = []

    def load() -> Model:
        tries.append(1)
        if len(tries) == 1:
            raise OSError("secret text of a user")
        return Model("german")

    router = LanguageRouter(
        Model("general"), [Route("german", ("de",), load)], identifier=Fixed(), retry_after=3600
    )
    with caplog.at_level(logging.WARNING):
        out = router.classify(["de a"])
    assert (out[0].route, out[0].fallback, out[0].label) == (GENERAL, "failed", "general")
    assert "OSError" in caplog.text and "secret" not in caplog.text
    caplog.clear()
    assert router.classify(["de b"])[0].fallback == "failed"
    assert len(tries) == 1 and not caplog.text  # it rests, and is told of once
    router.retry_after = 0.0
    router._failed.clear()
    assert router.classify(["de c"])[0].route == "german"


def test_one_bad_text_closes_no_route() -> None:
    class Picky(Model):
        def classify(self, texts: Any, languages: Any = None) -> Any:
            if any("bad" in text for text in texts):
                raise ServingError("text 0: it is bad", "leave it out")
            return super().classify(texts, languages)

    router = LanguageRouter(
        Model("general"), [Route("german", ("de",), lambda: Picky("german"))], identifier=Fixed()
    )
    assert router.classify(["de bad"])[0].fallback == "failed"
    assert router.classify(["de good"])[0].route == "german"


def test_attempt_is_used_where_there_is_one() -> None:
    class Trying(Model):
        def attempt(self, texts: Any, languages: Any = None) -> Any:
            said = self.classify(texts, languages)
            return [
                ServingError("it is too long", "divide it") if "long" in text else one
                for text, one in zip(texts, said, strict=True)
            ]

    router = LanguageRouter(Trying("general"), identifier=Fixed())
    out = router.classify(["en long", "en fine"])
    assert [one.label for one in out] == [None, "general"]
    assert (out[0].problem, out[0].remedy) == ("it is too long", "divide it")
    assert out[0].route == REFUSED


def test_a_specialist_of_other_labels_is_an_error_not_an_answer() -> None:
    stars = Route("stars", ("de",), lambda: Model("stars", names=("1 star", "5 stars")))
    general = Model("general", names=("negative", "positive"))
    router = LanguageRouter(general, [stars], identifier=Fixed())
    with pytest.raises(ServingError, match="1 star"):
        router.classify(["de a"])


def test_a_specialist_of_other_labels_is_loaded_once_and_said_each_time() -> None:
    loads: list[int] = []
    stars = Route("stars", ("de",), lambda: loads.append(1) or Model("stars", names=("1 star",)))
    router = LanguageRouter(Model("g", names=("bad", "good")), [stars], identifier=Fixed())
    for ask in (lambda: router.classify(["de a"]), lambda: router.model("stars")) * 2:
        with pytest.raises(ServingError, match="stars answers 1 star, the general one bad, good"):
            ask()
    assert len(loads) == 1 and not router.in_memory
    assert router.classify(["en a"])[0].route == GENERAL


def test_a_model_that_loses_an_answer_is_noticed() -> None:
    class Losing(Model):
        def classify(self, texts: Any, languages: Any = None) -> Any:
            return super().classify(texts, languages)[:-1]

    with pytest.raises(ServingError, match="1 answers to 2 texts"):
        LanguageRouter(Losing("general"), identifier=Fixed()).classify(["en a", "en b"])


def test_threads_share_one_model() -> None:
    german, models = route("german", "de")
    router = LanguageRouter(Model("general"), [german], identifier=Fixed())
    out: list[list[Routed]] = []
    threads = [
        threading.Thread(target=lambda n=n: out.append(router.classify([f"de {n}", f"en {n}"])))
        for n in range(16)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(models) == 1 and len(out) == 16
    assert all([one.route for one in rows] == ["german", GENERAL] for rows in out)


def test_while_a_model_loads_the_others_go_on_answering() -> None:
    begun, go_on = threading.Event(), threading.Event()

    def slow() -> Model:
        begun.set()
        assert go_on.wait(20)
        return Model("german")

    french, _ = route("french", "fr")
    router = LanguageRouter(
        Model("general"), [Route("german", ("de",), slow), french], identifier=Fixed()
    )
    router.classify(["fr a"])
    out: list[list[Routed]] = []
    loading = threading.Thread(target=lambda: out.append(router.classify(["de a"])))
    loading.start()
    assert begun.wait(20)
    others = threading.Thread(target=lambda: out.append(router.classify(["en a", "fr b"])))
    others.start()
    others.join(20)
    stopped = others.is_alive()
    assert router.in_memory == {"french": 10}
    go_on.set()
    loading.join(20)
    others.join(20)
    assert not stopped
    assert [[one.route for one in rows] for rows in out] == [[GENERAL, "french"], ["german"]]


def test_wrong_descriptions_are_refused() -> None:
    model = Model("general")
    german, _ = route("german", "de")
    also, _ = route("also german", "de")
    again, _ = route("german", "fr")
    reserved, _ = route(GENERAL, "de")
    foreign, _ = route("chinese", "zh")
    nowhere = Route("nowhere", (), lambda: model)
    for routes, message in (
        ([german, also], "two routes"),
        ([german, again], "names another"),
        ([reserved], "names another"),
        ([foreign], "not served"),
        ([nowhere], "languages of nowhere"),
        (german, "routes is Route"),
        ([("german", ("de",))], "a route is"),
        ([Route("", ("de",), Model)], "name of a route"),
        ([Route(5, ("de",), Model)], "name of a route is 5"),  # type: ignore[arg-type]
        ([Route("german", "de", Model)], "languages of german"),  # type: ignore[arg-type]
        ([Route("german", 5, Model)], "languages of german are 5"),  # type: ignore[arg-type]
        ([Route("german", ([],), Model)], "languages of german"),  # type: ignore[arg-type]
        ([Route("german", ("de",), model)], "loads the model of german"),  # type: ignore[arg-type]
        ([Route("german", ("de",), lambda: model, "5MB")], "memory_bytes of german is '5MB'"),  # type: ignore[arg-type]
        ([Route("german", ("de",), lambda: model, -1)], "memory_bytes of german is -1"),
    ):
        with pytest.raises(ServingError, match=message):
            LanguageRouter(model, routes, identifier=Fixed())
    for verdict in ("short", "accepted", "given"):
        with pytest.raises(ServingError, match="verdicts are"):
            LanguageRouter(model, identifier=Fixed(), refuse=(verdict,))
    for wrong in ({"memory_bytes": -1}, {"memory_bytes": "500MB"}, {"retry_after": None},
                  {"retry_after": float("nan")}):  # fmt: skip
        with pytest.raises(ServingError, match=next(iter(wrong))):
            LanguageRouter(model, identifier=Fixed(), **wrong)
    for general in ("NLI", None):
        with pytest.raises(ServingError, match="the general model is"):
            LanguageRouter(general, identifier=Fixed())  # type: ignore[arg-type]
    forever = LanguageRouter(model, identifier=Fixed(), memory_bytes=5e8, retry_after=float("inf"))  # type: ignore[arg-type]
    assert forever.classify(["en a"])[0].label == "general"
    router = LanguageRouter(model, identifier=Fixed())
    with pytest.raises(ServingError, match="one text"):
        router.classify("de a")
    with pytest.raises(ServingError, match="2 texts and 1 languages"):
        router.classify(["de a", "de b"], ["de"])
    with pytest.raises(ServingError, match="one text"):
        router.classify(["de a"], "de")
    with pytest.raises(CourseError, match="no route"):
        router.model("german")
    assert router.classify([]) == []
    for odd, kind in ((None, "NoneType"), (5, "int"), (("de a", None), "NoneType"), ((), "tuple")):
        [said] = router.classify([odd])  # type: ignore[list-item]
        assert (said.route, said.problem) == (REFUSED, f"it is no text but {kind}")


# ── as a service: `attempt`, `problem`, `model_hash` and files ──────────────────────────


def test_attempt_answers_or_says_why_not_for_any_text_and_any_language() -> None:
    general = served("general")
    router = LanguageRouter(general, identifier=Fixed())
    texts = ["en fine", "", "de\ud800", "en fine", "en fine", None, "en " + "x" * 200_000]
    texts += [5, ("en fine", None)]
    codes: list[Any] = [None, "en", None, "tr", {}, None, None, None, None]
    out = router.attempt(texts, codes)
    wrong = [one.problem if isinstance(one, ServingError) else one.label for one in out]
    assert wrong[0] in general.names
    assert wrong[1] == "it is empty" and "surrogate" in wrong[2]
    assert wrong[3] == wrong[4] == "its language is not among those served"
    assert wrong[5] == "it is no text but NoneType" and "200003 characters" in wrong[6]
    assert wrong[7] == "it is no text but int" and wrong[8] == wrong[5]
    assert all(one.remedy for one in out[1:] if isinstance(one, ServingError))
    # What can be said before a language is looked for is said by `problem`, in the same words.
    early = [router.problem(text, code) for text, code in zip(texts, codes, strict=True)]
    assert early[0] is None
    for i in range(1, len(texts)):
        assert early[i] is not None and early[i].problem == wrong[i]  # type: ignore[union-attr]
    assert router.names == general.names


def served(name: str, **how: Any) -> MultilingualClassifier:
    digest = hashlib.sha256(name.encode()).hexdigest()
    words = core_tokenizer(["fine", "awful", "de", "en", "fr", "tr"])
    backend = Told(lambda ids: noise(ids, 3), words, "abc", limit=12, model_hash=digest)
    return MultilingualClassifier.load(backend, **how)


def routed(german: Callable[[], Any], general: str = "general", **how: Any) -> LanguageRouter:
    route = Route("german", ("de",), german)
    return LanguageRouter(served(general), [route], identifier=Fixed(), **how)


def test_the_hash_is_of_all_that_decides_an_answer() -> None:
    def german() -> MultilingualClassifier:
        return served("german")

    router = routed(german)
    first = router.model_hash
    assert len(first) == 64 and router.loads["german"] == 1
    router.classify(["de fine", "en fine"])
    assert router.model_hash == first == routed(german).model_hash
    others = [
        routed(lambda: served("other")),
        routed(german, general="other"),
        routed(german, refuse=("empty",)),
        routed(german, memory_bytes=1),  # too big: the general model answers
        LanguageRouter(
            served("general"), [Route("german", ("de", "fr"), german)], identifier=Fixed()
        ),
        LanguageRouter(
            served("general"),
            [Route("german", ("de",), german)],
            identifier=LanguageIdentifier(("de", "en", "fr", "sw")),
        ),
    ]
    hashes = {first, *(one.model_hash for one in others)}
    assert len(hashes) == 1 + len(others)
    for name in ("german", GENERAL):
        before = router.model_hash
        router.model(name).set_thresholds({"de": 0.9})  # type: ignore[attr-defined]
        assert router.model_hash != before
    one, two = LanguageIdentifier(CODES), LanguageIdentifier(CODES, least=0.6)
    assert one.model_hash == LanguageIdentifier(CODES).model_hash != two.model_hash


def test_the_hash_outlasts_a_model_that_makes_room_and_keeps_to_the_bound() -> None:
    loads: list[int] = []
    routes = [
        Route(code, (code,), lambda c=code: loads.append(1) or served(c)) for code in ("de", "fr")
    ]
    router = LanguageRouter(served("g"), routes, identifier=Fixed(), memory_bytes=4_000)
    before = router.model_hash
    assert len(loads) == 2 and len(router.in_memory) == 1
    assert router.model_hash == before and len(loads) == 2
    router.classify(["de fine", "fr fine", "de fine"])
    assert router.model_hash == before


def test_a_route_that_fails_is_absent_from_the_hash(caplog: pytest.LogCaptureFixture) -> None:
    tries: list[int] = []

    def german() -> MultilingualClassifier:
        tries.append(1)
        if len(tries) == 1:
            raise OSError("secret text of a user")
        return served("german")

    router = routed(german, retry_after=3600)
    assert router.model_hash == routed(lambda: served("german"), memory_bytes=1).model_hash
    assert router.model_hash and len(tries) == 1 and caplog.text.count("OSError") == 1
    assert "secret" not in caplog.text
    stars = Model("stars", names=("1 star", "5 stars"))
    with pytest.raises(ServingError, match="1 star"):
        assert routed(lambda: stars).model_hash
    with pytest.raises(OSError, match="gone"):
        assert LanguageRouter(gone, identifier=Fixed(), serves=["de", "en"]).model_hash


def gone() -> Model:
    raise OSError("gone")


class Interrupted(MultilingualClassifier):
    """A classifier whose machine goes down when a text says so, once."""

    left = 0

    def attempt(self, texts: Any, languages: Any = None) -> Any:
        if self.left and any("now" in text for text in texts):
            raise KeyboardInterrupt
        return super().attempt(texts, languages)


def test_files_are_answered_by_routes_and_resumed(tmp_path: Path) -> None:
    rows: list[dict[str, Any]] = [
        {"text": f"{code} fine {i}", "id": i} for i, code in enumerate(["en", "de", "??"] * 4)
    ]
    rows[2] = {"text": "fine", "language": "tr"}
    rows[5] = {"text": "de\ud800 fine"}
    rows[7] |= {"language": ["de"]}
    rows[9] |= {"text": "en now"}
    source = tmp_path / "in.jsonl"
    source.write_text("".join(json.dumps(row) + "\n" for row in rows) + "no json\n")

    def router(left: int = 0, german: str = "german") -> LanguageRouter:
        general = served("general")
        general.__class__ = Interrupted
        general.left = left
        route = Route("german", ("de",), lambda: served(german))
        return LanguageRouter(general, [route], identifier=Fixed())

    whole = bulk(router(), source, tmp_path / "whole.jsonl", chunk=4, progress=False)
    assert (whole.lines, whole.answered, whole.bad) == (13, 9, 4)
    found = [json.loads(line) for line in (tmp_path / "whole.jsonl").read_text().splitlines()]
    assert [row["line"] for row in found] == list(range(1, 14))
    said = [row["answer"]["route"] if "answer" in row else row["error"] for row in found]
    refused = "its language is not among those served"
    assert said[:5] == [GENERAL, "german", refused, GENERAL, "german"]
    assert "surrogate" in said[5] and said[7] == refused and said[12] == "it is no JSON"
    assert whole.problems[refused] == 2
    one, two = (router().model(name).model_hash for name in (GENERAL, "german"))
    assert [row["answer"]["model_hash"] for row in found[:2]] == [one, two]
    assert found[8]["answer"]["detection"]["verdict"] == "unsure"
    assert "fine" not in (tmp_path / "whole.jsonl").read_text()

    target = tmp_path / "out.jsonl"
    with pytest.raises(KeyboardInterrupt):
        bulk(router(left=1), source, target, chunk=4, progress=False)
    with pytest.raises(ServingError, match="with another model"):
        bulk(router(german="another"), source, target, chunk=4, progress=False)
    report = bulk(router(), source, target, chunk=4, progress=False)
    assert report.resumed == 8
    assert target.read_bytes() == (tmp_path / "whole.jsonl").read_bytes()


def test_with_the_shipped_classifier_and_a_specialist_of_other_weights(
    identifier: LanguageIdentifier,
) -> None:
    """The specialist has seen more training, as far as hashes can tell: its weights differ."""
    import torch

    from xlhelpers import hub

    def moved() -> MultilingualClassifier:
        model, tokenizer = hub.model("NLI", "classification"), hub.tokenizer("NLI")
        with torch.no_grad():
            model.classifier.out_proj.bias.add_(torch.tensor([9.0, 0.0, 0.0]))
        return MultilingualClassifier.load((model, tokenizer))

    general = MultilingualClassifier.load("NLI")
    german = Route("german", ("de",), moved)
    router = LanguageRouter(general, [german], identifier=identifier)
    pairs = {
        code: [(row["premise"], row["hypothesis"]) for row in datasets.handwritten("nli", code)[:8]]
        for code in ("de", "en")
    }
    out = router.classify([*pairs["de"], *pairs["en"]], ["de"] * 8 + ["en"] * 8)
    assert {one.model_hash for one in out[:8]} == {router.model("german").model_hash}
    assert {one.model_hash for one in out[8:]} == {general.model_hash}
    assert out[0].model_hash != out[8].model_hash
    assert {one.label for one in out[:8]} == {general.names[0]}  # what its weights say
    assert [one.label for one in out[8:]] == [a.label for a in general.classify(pairs["en"])]
    assert [one.answer.model_hash for one in out] == [one.model_hash for one in out]
    assert [one.json()["route"] for one in out] == ["german"] * 8 + [GENERAL] * 8
    json.dumps([one.json() for one in out])
    assert router.in_memory == {"german": router.model("german").memory_bytes}
