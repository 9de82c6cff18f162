"""What comes in may be anything: pages obey no markup in it, logs do not repeat it, and nothing
that is read from a file or the network runs as a program."""

from __future__ import annotations

import ast
import json
import logging
import time
import warnings
from collections.abc import Iterator, Sequence
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from serving_parts import Told, core_tokenizer, noise

from xlhelpers import annotator, finetuning, hub, settings, widgets
from xlhelpers.embeddings import WordVectors
from xlhelpers.errors import CourseError
from xlhelpers.serving import MultilingualClassifier, MultilingualNER, ServingError, bulk, ner
from xlhelpers.serving.dashboard import Dashboard
from xlhelpers.serving.identification import Detection, LanguageIdentifier
from xlhelpers.serving.monitoring import Monitor
from xlhelpers.serving.routing import LanguageRouter, Route

# ── the code ─────────────────────────────────────────────────────────────────────────────

# What runs what it reads. `torch.load` and `numpy.load` are looked at by their arguments.
FORBIDDEN_MODULES = {"pickle", "cloudpickle", "dill", "marshal", "shelve", "joblib", "yaml"}
FORBIDDEN_CALLS = {"eval", "exec", "compile", "__import__", "os.system", "os.popen"}
# A checkpoint runs cells of the course's own notebooks, which its reader would run by hand.
OUR_OWN_CELLS = {
    "_catching_up.py": ["compile(tree, name, 'exec', dont_inherit=True)", "exec(code, namespace)"]
}
SAFE_LOADING = {"torch.load": ("weights_only", True), "np.load": ("allow_pickle", False)}


def calls_of(tree: ast.AST) -> Iterator[tuple[str, ast.Call]]:
    for node in ast.walk(tree):
        if isinstance(node, ast.Call):
            yield ast.unparse(node.func), node


def wrong_in(source: str) -> list[str]:
    """What a source must not have, as lines of text."""
    tree = ast.parse(source)
    found = []
    for node in ast.walk(tree):
        names = [alias.name for alias in node.names] if isinstance(node, ast.Import) else []
        names += [node.module or ""] if isinstance(node, ast.ImportFrom) else []
        found += [name for name in names if name.split(".")[0] in FORBIDDEN_MODULES]
    for name, call in calls_of(tree):
        given = {one.arg: getattr(one.value, "value", ...) for one in call.keywords}
        if name in FORBIDDEN_CALLS or given.get("shell") is True:
            found.append(ast.unparse(call))
        if given.get("trust_remote_code", False) is not False:
            found.append(ast.unparse(call))
        if name in SAFE_LOADING and given.get(SAFE_LOADING[name][0]) is not SAFE_LOADING[name][1]:
            found.append(ast.unparse(call))
        if name.endswith(".from_pretrained") and name.startswith("Auto"):
            found += [] if given.get("trust_remote_code") is False else [ast.unparse(call)]
    return found


def test_nothing_that_is_read_runs(root: Path) -> None:
    files = sorted((root / "xlhelpers").rglob("*.py"))
    assert len(files) > 100
    wrong = {file.name: found for file in files if (found := wrong_in(file.read_text("utf-8")))}
    assert {name: sorted(found) for name, found in wrong.items()} == OUR_OWN_CELLS


@pytest.mark.parametrize(
    "line",
    [
        "import pickle",
        "from yaml import load",
        "eval(text)",
        "subprocess.run(line, shell=True)",
        "torch.load(path)",
        "torch.load(path, weights_only=False)",
        "np.load(path)",
        "AutoModel.from_pretrained(name)",
        "make(name, trust_remote_code=True)",
    ],
)
def test_and_would_be_seen(line: str) -> None:
    assert wrong_in(line)


def test_checkpoints_that_are_pickled_are_refused(tmp_path: Path) -> None:
    (tmp_path / "config.json").write_text('{"model_type": "bert"}')
    (tmp_path / "pytorch_model.bin").write_bytes(b"\x80\x04.")
    with pytest.raises(hub.HubError, match="safetensors"):
        hub.model(tmp_path, "classification")


# ── pages ────────────────────────────────────────────────────────────────────────────────

TAGS = set(
    "bdi br caption cite code details div em li mark p path pre rect small span strong summary svg "
    "table tbody td th thead tr ul".split()
)
ATTRIBUTES = set(
    "aria-hidden aria-label aria-live d data-end data-label data-start dir fill fill-opacity "
    "height lang open role scope style width x y".split()
)
HOSTILE = [
    "<script>alert(1)</script>",
    '"><img src=x onerror=alert(1)>',
    "' onmouseover='alert(1)' x='",
    "</td></span></div></table><b>out</b>",
    "&lt;script&gt; &amp; &#60;b&#62;",
    "a\u202ebc \u2067rtl\u2069 \u200f x",
    "<!-- --> <![CDATA[ ]]> <?x ?>",
    "javascript:alert(1) \x00\x08\x1b[31m\r\n",
]


class Page(HTMLParser):
    """A page as a browser reads it; whatever we do not write ourselves is an error."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.text, self.values, self._open = "", [""], list[str]()
        self._isolated, self.turned = [False], ""
        self.feed(page)
        self.close()
        assert not self._open, f"not closed: {self._open}"

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        assert tag in TAGS, tag
        assert {name for name, _ in attrs} <= ATTRIBUTES, attrs
        self.values += [value or "" for name, value in attrs if name != "style"]
        assert all("url(" not in (value or "") for name, value in attrs if name == "style")
        if tag not in ("br", "path", "rect"):
            self._open.append(tag)
            own = tag == "bdi" or "dir" in dict(attrs)
            self._isolated.append(own or self._isolated[-1])

    def handle_endtag(self, tag: str) -> None:
        if tag not in ("br", "path", "rect"):
            assert self._open.pop() == tag
            self._isolated.pop()

    def handle_comment(self, data: str) -> None:
        raise AssertionError(f"a comment: {data}")

    handle_decl = handle_pi = unknown_decl = handle_comment

    def handle_data(self, data: str) -> None:
        self.text += data
        if not self._isolated[-1] and any(char in data for char in "\u202e\u2067"):
            self.turned += data


def test_the_reader_of_pages_sees_what_is_not_ours() -> None:
    for text in HOSTILE[:4]:
        with pytest.raises((AssertionError, IndexError)):
            Page(f"<div><span title=''>{text}</span></div>")
            Page(f"<div><span lang='{text}'></span></div>")
    assert Page("<p>a &lt;b&gt;<br></p>").text == "a <b>"


@pytest.mark.parametrize("text", HOSTILE)
@pytest.mark.parametrize("language", [None, "en", "ar"])
def test_entities_as_a_page(text: str, language: str | None) -> None:
    middle = len(text) // 2
    spans = [
        ner.Span(0, middle, '"><script>', 0.9, text[:middle]),
        ner.Span(middle, len(text), "PER", 0.2, text[middle:], below_threshold=True),
    ]
    page = Page(ner.html(text, spans, language))
    # Reading the page gives the text back, but for the labels that stand in it.
    shown = page.text.replace('"><script>', "", 1).replace("PER ?", "", 1)
    assert shown == text.replace("\x00", "\ufffd")
    assert '"><script>' in page.values


@pytest.fixture(scope="module")
def trained() -> tuple[Any, Any]:
    """The shipped classifier of inference, its labels renamed by whoever made the checkpoint."""
    model, tokenizer = hub.model("NLI", "classification"), hub.tokenizer("NLI")
    names = ["<script>", '"><img src=x>', "neutral"]
    model.config.id2label = dict(enumerate(names))
    model.config.label2id = {name: i for i, name in enumerate(names)}
    return model, tokenizer


@pytest.fixture(scope="module")
def explorers(trained: tuple[Any, Any]) -> dict[str, Any]:
    """What a reader can type into: name → function from a text to a page."""
    classifier, tokenizer = trained
    tagger = hub.with_head(classifier, "tagging", ["O", "B-<b>", "I-<b>"])
    finetuning.draw_head(tagger, 0)
    tagger.xl_untrained = ()
    known = {"en": ["a film"], "zh": ["电影"], "ar": ["فيلم"]}
    space = WordVectors(HOSTILE[:5], np.eye(5, dtype=np.float32))
    near = widgets.Neighbours({"en": space, "de": space}, {"en": space, "de": space}, k=3)
    parallel = {"en": HOSTILE[:3], "de": HOSTILE[3:6]}
    pairs = widgets.Translations(classifier, tokenizer, parallel, k=2)
    opinions = widgets.Opinions(classifier, tokenizer, known)
    zero = widgets.ZeroShot(tagger, classifier, tokenizer, known)
    ways = {"de": (Echo("en", "de"), Echo("de", "en"))}
    there = widgets.Translating(ways, ["a film"])  # type: ignore[arg-type]
    router = LanguageRouter(
        MultilingualClassifier.load(trained), identifier=Fixed(), refuse=("empty",)
    )
    return {
        "neighbours": lambda text: near.table(text, "en", "de"),
        "translations": lambda text: pairs.table(text, "en", "de"),
        "opinions": lambda text: opinions.table(text, "en"),
        "zero-shot": lambda text: zero.table(text, "ar", text, "zh"),
        "translating": lambda text: there.table(text, "de"),
        "service": widgets.Service(router).table,
        "pieces": lambda text: widgets.pieces({"en": text[:500]}, tokenizer).page,
        "entities": lambda text: widgets.entities([("ar", [text[:500]], ["B-<b>"])]).page,
    }


class Echo:
    """A translator that says what it hears, once."""

    def __init__(self, source: str, target: str) -> None:
        self.source, self.target = source, target

    def translate(self, texts: Sequence[str], **_: Any) -> list[str]:
        return [text[:500] for text in texts]


class Fixed:
    """Takes every text for English."""

    serves = ("de", "en")

    def identify(self, text: str | Sequence[str]) -> Detection:
        return Detection("en", "accepted", "en", 1.0)


NAMES = "neighbours translations opinions zero-shot translating service pieces entities".split()


@pytest.mark.parametrize("name", NAMES)
def test_explorers_obey_no_markup(name: str, explorers: dict[str, Any]) -> None:
    for text in HOSTILE:
        page = Page(explorers[name](text))
        assert page.text
        # What turns a line round stands where that ends with the text.
        assert not page.turned, name


@pytest.fixture
def one_thread() -> Iterator[None]:
    """Its own time is that of the work then, however busy the machine is."""
    settings.use(threads=1)
    settings.apply_threads()
    yield
    settings.reset()
    settings.apply_threads()


@pytest.mark.usefixtures("one_thread")
@pytest.mark.parametrize("name", NAMES)
def test_explorers_answer_very_long_input_in_a_few_lines(
    name: str, explorers: dict[str, Any]
) -> None:
    for text in ("<b>" * 15_000, "我" * 20_000, "<b>" * 1_600):
        started = time.thread_time()
        with warnings.catch_warnings(record=True):  # what is cut is said where it is shown
            page = explorers[name](text)
        assert time.thread_time() - started < 5
        assert len(Page(page).text) < 40_000


def test_a_page_to_label_on_obeys_no_markup(tmp_path: Path) -> None:
    names = ["<script>", "fine"]
    by_text = widgets.Annotator(
        HOSTILE, names, tmp_path / "log.jsonl", guidelines=HOSTILE[1], annotators=("<i>", "B"),
        annotator="<i>",
    )  # fmt: skip
    while by_text.item is not None:
        shown = Page(by_text.page()).text
        assert by_text.item.text.split()[0] in shown and "alert(1)>" in shown
        by_text.choose("<script>")
    by_text.switch("B")
    while by_text.item is not None:
        by_text.choose("fine")
    by_text.switch(annotator._GOLD)
    assert "<script>" in Page(by_text.page()).text


class Observed:
    """An answer whose every part comes from somebody else."""

    label = route = model_hash = '"><script>'
    confidence, below_threshold = 0.5, False

    def __init__(self, language: str | None) -> None:
        self.language = language


def test_a_dashboard_obeys_no_markup() -> None:
    monitor = Monitor(reference=50, window=50, false_alarm=0.9)
    for _ in range(200):
        monitor.observe(Observed("en"), 0.1)
        monitor.observe(Observed("<script>"), 0.1)
    for signal in ("confidence", "labels", "agreement"):
        page = Page(Dashboard(monitor).page(signal))
        assert "English" in page.text and "other" in page.text
    with pytest.raises(ServingError, match="signal"):
        Dashboard(monitor).page("<script>")


# ── logs ─────────────────────────────────────────────────────────────────────────────────

SECRET = "Geheimnis-4711"


def service(kind: str, *names: str) -> Any:
    words = core_tokenizer([SECRET, "the"])
    task = {"classification": MultilingualClassifier, "tagging": MultilingualNER}[kind]

    def rule(ids: list[int]) -> Any:
        rows = [noise([i], len(names)) for i in ids]
        return rows if kind == "tagging" else rows[0]

    return task.load(Told(rule, words, names, kind, limit=40), serves=["de", "en"])


def fails() -> Any:
    raise OSError(f"cannot read {SECRET}")


def test_no_text_is_logged_measured_or_repeated_by_an_error(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, capfd: pytest.CaptureFixture[str]
) -> None:
    texts = [
        f"{SECRET} the the", f"{SECRET}\ud800", f"{SECRET} " * 20_000, {SECRET: 1}, SECRET, SECRET,
    ]  # fmt: skip
    codes: list[Any] = ["en", None, None, None, SECRET, [SECRET]]
    classifier, recogniser = service("classification", "a", "b"), service("tagging", "O", "B-PER")
    identifier = LanguageIdentifier(("de", "en"))
    router = LanguageRouter(classifier, [Route("german", ("de",), fails)], identifier=identifier)
    monitor = Monitor(reference=50, window=50, false_alarm=0.9)
    said: list[str] = []
    with caplog.at_level(logging.DEBUG), warnings.catch_warnings(record=True) as warned:
        warnings.simplefilter("always")
        for one in (classifier, recogniser, router):
            for found in one.attempt(texts, codes):
                if isinstance(found, ServingError):
                    said.append(repr(found) + str(found))
            for text, code in zip(texts, codes, strict=True):
                said.append(str(one.problem(text, code)))
                try:
                    one.classify([text], [code]) if one is not recogniser else one.find([text])
                except CourseError as error:
                    said.append(repr(error) + str(error.__cause__) + str(error.__context__))
        routed = router.classify([*texts, SECRET], [*codes, "de"])
        assert routed[-1].fallback == "failed" and "german" in caplog.text
        said += [json.dumps(one.json()) for one in routed]
        for one in routed:
            for _ in range(100):
                monitor.observe(one, 0.1, id=SECRET)
        monitor.label(SECRET, SECRET)
        source = tmp_path / "in.jsonl"
        source.write_text(
            "".join(
                json.dumps({"text": t, "language": c}) + "\n"
                for t, c in zip(texts, codes, strict=True)
            )
            + f'{{"text": "{SECRET}\n["{SECRET}"]\n{{"{SECRET}": 1}}\n',
            encoding="utf-8",
        )
        report = bulk(router, source, tmp_path / "out.jsonl")
        assert (report.answered, report.bad) == (1, 8)
    said += [repr(report), *report.problems, (tmp_path / "out.jsonl").read_text(encoding="utf-8")]
    said += [monitor.prometheus().decode(), monitor.frame().to_csv(), repr(list(monitor.alarms))]
    said += [Dashboard(monitor).page(), repr(classifier), repr(router), repr(monitor)]
    assert monitor.alarms and len(said) > 40
    said += [record.getMessage() + str(record.__dict__) for record in caplog.records]
    said += [str(one.message) for one in warned]
    said += capfd.readouterr()
    assert not [one for one in said if SECRET in one]


def test_an_id_that_nobody_bounds_is_refused() -> None:
    monitor = Monitor(reference=50, window=50)
    with pytest.raises(ServingError, match="id") as found:
        monitor.observe(Observed("en"), 0.1, id=SECRET * 1000)
    assert SECRET not in str(found.value) and monitor.frame().empty
