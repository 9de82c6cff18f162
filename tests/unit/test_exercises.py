"""The exercise engine on questions of our own, then every question of the course.

The second half is parametrised over all modules of `xlhelpers.exercises`: a new module's questions
are tested without a line here.
"""

from __future__ import annotations

import collections
import decimal
import fractions
import json
import math
import subprocess
import sys
import textwrap
import time
import types
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import xlhelpers as xl
from xlhelpers import exercises
from xlhelpers.exercises import _progress, engine, panels, values
from xlhelpers.exercises.engine import Option, Wrong
from xlhelpers.exercises.prediction import Prediction

# ── a small module of questions ──────────────────────────────────────────────────────────────────


def _spaces() -> dict[str, Any]:
    generator = np.random.default_rng(0)
    x = generator.normal(size=(30, 4))
    rotation, _ = np.linalg.qr(generator.normal(size=(4, 4)))
    return {"x": x, "y": x @ rotation}


def _share() -> float:
    """The docstring is not shown."""
    # two of seven
    right, asked = 2, 7
    return right / asked


def _procrustes(x: Any, y: Any) -> Any:
    u, _, vt = np.linalg.svd(x.T @ y)
    return u @ vt


def unit_rows(matrix: Any) -> Any:
    """Rows of length one."""
    return matrix / np.linalg.norm(matrix, axis=1, keepdims=True)


def _hubs() -> list[str]:
    return ["der", "Haus", "über"]


def _by_language() -> dict[str, float]:
    return {"de": 41.0, "sw": 3.0}


def _not_square(answer: Any) -> str | None:
    matrix = engine.as_array(answer)
    if matrix.ndim != 2 or matrix.shape[0] != matrix.shape[1]:
        raise engine.Unreadable("A square matrix is expected.")
    if np.allclose(matrix @ matrix.T, np.eye(len(matrix)), atol=1e-3):
        return None
    if np.allclose(matrix, matrix.T):
        return "symmetric is not orthogonal"
    return "Its rows are not orthonormal."


def _identity() -> Any:
    return np.eye(3)


def _make() -> dict[str, engine.Question]:
    """New questions for each test, so that hints and data do not leak between them."""
    return {
        "number": engine.Number(
            id="sample.number",
            prompt="What share is right?",
            answer=_share,
            hints=("Count.", "Divide."),
            share=True,
            wrong={
                "upside down": (lambda: 7 / 2, "Right ones go on top."),
            },
            why="Two of seven.",
        ),
        "array": engine.Array(
            id="sample.array",
            prompt="Find `W` of shape (4, 4).",
            answer=_procrustes,
            given=_spaces,
            hints=("Think of the SVD.",),
            wrong={
                "transposed": (lambda x, y: _procrustes(x, y).T, "This maps back."),
                "least squares": (
                    lambda x, y: np.linalg.lstsq(x + 0.2, y, rcond=None)[0],
                    "Nothing makes it orthogonal.",
                ),
                "the data itself": Wrong(
                    lambda x: x,
                    "This is a cloud of words, no map.",
                    detect=lambda answer, x: np.shape(answer) == np.shape(x),
                ),
            },
        ),
        "choice": engine.Choice(
            id="sample.choice",
            prompt="Which is farther, de or sw?",
            answer="sw",
            choices=("de", "sw"),
            wrong={"nearness mixed up": (lambda: "de", "German is close.")},
        ),
        "truth": engine.Choice(
            id="sample.truth",
            prompt="True or False: an orthogonal map keeps lengths.",
            answer=True,
            choices=(True, False),
            wrong={"confused with least squares": (lambda: False, "Least squares does not.")},
        ),
        "text": engine.Text(
            id="sample.text",
            prompt="German for street?",
            answer="Straße",
            also=("Strasse", "Weg"),
            wrong={"a false friend": (lambda: "Strand", "That is a beach.")},
        ),
        "words": engine.Words(
            id="sample.words",
            prompt="The three biggest hubs.",
            answer=_hubs,
            wrong={"anti-hubs": (lambda: ["selten"], "These are never returned.")},
        ),
        "ordered": engine.Words(
            id="sample.ordered",
            prompt="The hubs, biggest first.",
            answer=_hubs,
            ordered=True,
            wrong={"smallest first": (lambda: _hubs()[::-1], "Turn it round.")},
        ),
        "numbers": engine.Numbers(
            id="sample.numbers",
            prompt="P@1 by language.",
            answer=_by_language,
            share=True,
            wrong={"swapped": (lambda: {"de": 3.0, "sw": 41.0}, "The far one is lower.")},
        ),
        "custom": engine.Custom(
            id="sample.custom",
            prompt="Any orthogonal matrix.",
            answer=_identity,
            verify=_not_square,
            wrong={"symmetric is not orthogonal": (lambda: 2 * np.eye(3), "Check the lengths.")},
            forms={"a rotation": lambda: [[0.0, 1.0], [-1.0, 0.0]]},
        ),
        "function": engine.Function(
            id="sample.function",
            prompt="Write a function that makes rows unit length.",
            answer=unit_rows,
            given=_spaces,
            cases=lambda x: [(x,), (x[:3],)],
            seconds=1.0,
            hints=("Mind the axis.",),
            wrong={
                "columns instead of rows": (
                    lambda: lambda m: m / np.linalg.norm(m, axis=0),
                    "axis=0 runs down the columns.",
                ),
                "squared length": (
                    lambda: lambda m: m / (m**2).sum(axis=1, keepdims=True),
                    "A square root is missing.",
                ),
            },
        ),
        "quiz": engine.Quiz(
            id="sample.quiz",
            prompt="Why does a perfect fit on four pairs say nothing?",
            options={
                "a": Option("Four pairs are never correct.", "They may be correct."),
                "b": Option("300 dimensions fit any four pairs.", "Rank 4 of 300.", right=True),
                "c": Option("The vectors are not unit length.", "That changes little."),
            },
        ),
        "quiz2": engine.Quiz(
            id="sample.quiz2",
            prompt="Which keep lengths?",
            options={
                "a": Option("a rotation", "It does.", right=True),
                "b": Option("a mirror image", "It does too.", right=True),
                "c": Option("a shear", "It stretches."),
            },
        ),
    }


SAMPLE = _make()


def _loop(matrix: Any) -> Any:
    while True:
        try:
            matrix = matrix + 0
        except Exception:
            continue


@pytest.fixture(autouse=True)
def progress_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A progress file of each test's own, never the developer's."""
    path = tmp_path / "progress.json"
    monkeypatch.setenv("XL_PROGRESS_FILE", str(path))
    yield path


# ── the rules that every question follows ────────────────────────────────────────────────────────


def _every_question() -> list[Any]:
    mine = [pytest.param(q, id=f"sample.{name}") for name, q in SAMPLE.items()]
    course = [
        pytest.param(question, id=question.id)
        for module in exercises.modules()
        for question in exercises.questions(module).values()
    ]
    return mine + course


every_question = pytest.mark.parametrize("question", _every_question())


@every_question
def test_reference_solution_is_correct(question: engine.Question) -> None:
    outcome = question.check(question.reference())
    assert outcome.status == "correct", repr(outcome)
    assert outcome.passed


@every_question
def test_untouched_stub_is_not_attempted(question: engine.Question, progress_file: Path) -> None:
    for stub in (question.stub, None, ..., "", " … "):
        assert question.check(stub).status == "not attempted"
    assert question.check().status == "not attempted"
    assert not progress_file.exists(), "looking at a question is no attempt"


@every_question
def test_catalogued_wrong_answers_get_their_own_message(question: engine.Question) -> None:
    assert question.catalogue, "a question names at least one misconception"
    for name, wrong in question.catalogue.items():
        answer = engine.call_with(wrong.make, question.values())
        outcome = question.check(answer)
        assert (outcome.status, outcome.misconception) == ("incorrect", name), repr(outcome)
        assert wrong.message in repr(outcome)
        assert wrong.message.split("`")[0].strip()[:20] in outcome._repr_html_().replace(
            "&#x27;", "'"
        ).replace("&quot;", '"').replace("&lt;", "<").replace("&gt;", ">").replace("&amp;", "&")
    messages = [wrong.message for wrong in question.catalogue.values()]
    assert len(set(messages)) == len(messages)
    assert all(len(message) >= 10 for message in messages)


@every_question
def test_correct_answers_in_other_forms_pass(question: engine.Question) -> None:
    forms = question.other_forms()
    for name, answer in forms.items():
        outcome = question.check(answer)
        assert outcome.status == "correct", f"{name}: {outcome!r}"
    if isinstance(question, engine.Number | engine.Array):
        assert {"list", "tuple", "numpy float32", "torch tensor"} <= set(forms)


@every_question
def test_shown_solution_runs_and_passes(question: engine.Question) -> None:
    source = question.solution().source
    namespace: dict[str, Any] = {"xl": xl, "np": np, **question.values()}
    # as a cell has it: our own future import would let annotations pass
    exec(compile(source, question.id, "exec", dont_inherit=True), namespace)
    if isinstance(question, engine.Function):
        answer = namespace[question.answer.__name__]
    else:
        answer = namespace["answer"]
    assert question.check(answer).status == "correct"


@every_question
def test_declaration_is_complete(question: engine.Question) -> None:
    module, _, name = question.id.rpartition(".")
    assert module and name and question.prompt.strip()
    assert question.prompt.rstrip()[-1] in ".?)"
    if module != "sample":
        assert getattr(getattr(exercises, module), name) is question, "id and name agree"
        assert question.hints or isinstance(question, engine.Quiz), "no hint to give"


@every_question
def test_displays_are_plain_and_rich(question: engine.Question) -> None:
    shown = [question, question.check(None), question.check(object()), question.solution()]
    for panel in shown:
        assert repr(panel).strip().startswith("[")
        page = panel._repr_html_()
        assert page.count("<div") == page.count("</div>") and 'lang="en"' in page


# ── junk ─────────────────────────────────────────────────────────────────────────────────────────


class Hostile:
    """Every protocol it has, it breaks."""

    def _fail(self, *_: Any, **__: Any) -> Any:
        raise RuntimeError("hostile")

    __eq__ = __repr__ = __str__ = __len__ = __iter__ = __array__ = __float__ = _fail
    __bool__ = __getitem__ = __call__ = __deepcopy__ = __contains__ = __index__ = _fail
    __hash__ = None  # type: ignore[assignment]


class Shapeless:
    """Claims to be an array and is none."""

    shape, size, dtype = "wide", "big", "odd"

    def item(self) -> Any:
        raise ValueError("nothing in here")

    def tolist(self) -> Any:
        return self


def _junk() -> dict[str, Any]:
    import torch

    circular: list[Any] = []
    circular.append(circular)
    deep: list[Any] = []
    for _ in range(5000):
        deep = [deep]
    return {
        "hostile": Hostile(),
        "shapeless": Shapeless(),
        "circular": circular,
        "deep": deep,
        "type": int,
        "module": math,
        "nan": float("nan"),
        "inf": -math.inf,
        "huge": 10**5000,
        "complex": 1 + 2j,
        "bool": True,
        "bytes": b"\xff",
        "text": "<script>alert(1)</script> `x` \ufffd" * 50,
        "empty list": [],
        "ragged": [[1, 2], [3]],
        "mixed": [1, "a", None],
        "strings": ["a", "b"],
        "numbers as text": "3.14",
        "set": {1, "a"},
        "dict": {1: 2, "a": [3]},
        "nested dict": {"de": {"x": 1}},
        "decimal": decimal.Decimal("1e-400"),
        "fraction": fractions.Fraction(2, 9),
        "object array": np.array([object(), None], dtype=object),
        "text array": np.array(["a", "b"]),
        "date array": np.array(["2020-01-01"], dtype="datetime64[D]"),
        "masked": np.ma.masked_all(3),
        "record array": np.zeros(2, dtype=[("a", "i4"), ("b", "f8")]),
        "empty array": np.zeros((0, 4)),
        "big array": np.zeros((100, 100)),
        "0-d": np.array(3),
        "complex array": np.ones(3, dtype=complex),
        "sparse tensor": torch.eye(4).to_sparse(),
        "bfloat16": torch.ones(4, 4, dtype=torch.bfloat16),
        "empty tensor": torch.zeros(0),
        "meta tensor": torch.zeros(2, device="meta"),
        "module class": torch.nn.Linear(2, 2),
        "generator": (i for i in range(3)),
        "endless": iter(int, 1),
        "function": lambda *a: a,
        "function that raises": lambda *a: 1 / 0,
        "function that exits": lambda *a: sys.exit(3),
        "function returning junk": lambda *a: Hostile(),
        "partial": collections.Counter("hello"),
        "class": types.SimpleNamespace,
        "exception": ValueError("x"),
        "ellipsis in list": [...],
        "slice": slice(3),
    }


@every_question
def test_junk_never_raises(question: engine.Question) -> None:
    for name, answer in _junk().items():
        outcome = question.check(answer)
        assert isinstance(outcome, engine.Outcome), name
        assert "Traceback" not in repr(outcome)
        assert "<script>" not in outcome._repr_html_()
        assert len(repr(outcome)) < 2000, name


@every_question
def test_random_arrays_never_raise(question: engine.Question) -> None:
    generator = np.random.default_rng(1)
    for _ in range(30):
        shape = tuple(generator.integers(0, 4, size=generator.integers(0, 4)))
        answer = generator.normal(size=shape) * 10.0 ** generator.integers(-5, 5)
        for form in (answer, answer.tolist(), answer.astype(np.float16), answer > 0):
            assert isinstance(question.check(form), engine.Outcome)


# ── what is said ─────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize(
    ("name", "answer", "status", "words"),
    [
        ("number", "0.28", "wrong form", "a number is expected; yours is a text"),
        ("number", True, "wrong form", "True or False"),
        ("number", [1, 2], "wrong form", "a list of 2 numbers"),
        ("number", float("nan"), "wrong form", "yours is nan. It is nan (not a number): that most"),
        ("number", -math.inf, "wrong form", "yours is -inf. It is infinite: that most often"),
        ("number", 200 / 7, "incorrect", "in per cent. Right, but a share of 1"),
        ("number", 0.2, "incorrect", "too low"),
        ("number", 0.9, "incorrect", "too high"),
        ("array", np.eye(3), "wrong form", "(4, 4) is expected; yours has shape (3, 3)"),
        ("array", np.eye(4), "incorrect", "of 16 entries are not"),
        ("array", np.full((4, 4), np.nan), "wrong form", "16 of 16 entries are nan (not"),
        ("array", "W", "wrong form", "a text"),
        ("choice", "fr", "wrong form", "'de', 'sw'"),
        ("truth", 1, "wrong form", "True, False"),
        ("text", 3, "wrong form", "a text in quotes"),
        ("text", "Gasse", "incorrect", "not it"),
        ("words", "der", "wrong form", "a list of words"),
        ("words", ["der", 3], "wrong form", "3 in it"),
        ("words", ["der", "Baum"], "incorrect", "1 of 3 words are there; not among them: 'baum'"),
        ("ordered", ["Haus", "der", "über"], "incorrect", "another order"),
        ("numbers", {"de": 41.0}, "wrong form", "'de', 'sw' are expected"),
        ("numbers", {"de": 41.0, "sw": 30}, "incorrect", "Not right yet: 'sw'"),
        ("numbers", {"de": 41.0, "sw": "x"}, "wrong form", "at 'sw'"),
        ("numbers", {"de": 4100, "sw": 300}, "incorrect", "in per cent. Right, but a share of 1"),
        ("custom", [1, 2], "wrong form", "square"),
        ("custom", [[1.0, 2.0], [0.0, 1.0]], "incorrect", "orthonormal"),
        ("function", np.eye(3), "wrong form", "without brackets"),
        ("function", lambda: 3, "wrong form", "`matrix`"),
        ("function", lambda m: 1 / 0, "incorrect", "ZeroDivisionError: division by zero"),
        ("function", lambda m: m[0], "wrong form", "an array of shape (30, 4); yours returned"),
        ("function", lambda m: m * 2, "incorrect", "(30, 4), which is not right"),
        (
            "function",
            lambda m: ["a"] * 3,
            "wrong form",
            "(30, 4); yours returned a list of 3 texts",
        ),
        ("function", lambda m: [1.0], "wrong form", "(30, 4); yours returned a list of 1 number."),
        ("function", lambda m: [[1, 2]], "wrong form", "yours returned a list of shape (1, 2)."),
        ("function", lambda m: m[0, 0] * np.nan, "wrong form", "returned a number. It is nan (not"),
        ("function", lambda m: m * np.nan, "incorrect", "not right. 120 of 120 entries are nan"),
        ("function", lambda m: m / m[:, :1] / 0, "incorrect", "120 of 120 entries are infinite"),
        ("function", lambda m: None, "not attempted", "returns nothing yet"),
        ("function", _loop, "incorrect", "not finished after 1 seconds"),
        ("quiz", "d", "wrong form", "'a', 'b', 'c'"),
        ("quiz", ["a", "b"], "incorrect", "may be correct"),
        ("quiz2", "a", "incorrect", "there is more"),
        ("quiz2", ["a", "b", "c"], "incorrect", "stretches"),
    ],
)
def test_message(name: str, answer: Any, status: str, words: str) -> None:
    outcome = _make()[name].check(answer)
    assert outcome.status == status
    assert words.casefold() in repr(outcome).casefold()


def test_given_values_replace_the_data_of_the_question() -> None:
    question = _make()["array"]
    x = np.random.default_rng(5).normal(size=(9, 4))
    rotation = np.linalg.qr(np.random.default_rng(6).normal(size=(4, 4)))[0]
    assert question.check(rotation, x=x, y=x @ rotation).passed
    assert not question.check(rotation).passed
    assert question.check(rotation.T, x=x, y=x @ rotation).misconception == "transposed"


def test_data_is_made_once_and_its_failure_is_told() -> None:
    calls: list[int] = []

    def data() -> dict[str, Any]:
        calls.append(1)
        if len(calls) == 1:
            raise FileNotFoundError("vectors/de.npz is missing")
        return _spaces()

    question = engine.Array(id="s.q", prompt="W?", answer=_procrustes, given=data)
    assert question.check(None).status == "not attempted" and not calls
    assert "vectors/de.npz is missing" in repr(question.check(np.eye(4)))
    assert question.check(question.reference()).passed
    assert question.check(np.eye(4)).status == "incorrect"
    assert len(calls) == 2


def test_a_function_may_print_and_change_its_arguments(capsys: pytest.CaptureFixture[str]) -> None:
    question = _make()["function"]

    def in_place(matrix: Any) -> Any:
        print("looking at", matrix.shape)
        matrix /= np.linalg.norm(matrix, axis=1, keepdims=True)
        return matrix

    assert question.check(in_place).passed
    assert question.check(in_place).passed, "the hidden inputs were not changed"
    assert capsys.readouterr().out == ""
    wrong = question.check(lambda m: print("peek") or m)
    assert "It printed: peek" in repr(wrong)


def test_a_stopped_function_is_really_stopped() -> None:
    ticks: list[float] = []

    def slow(matrix: Any) -> Any:
        while True:
            ticks.append(time.monotonic())
            time.sleep(0.01)

    started = time.monotonic()
    assert "not finished" in repr(_make()["function"].check(slow))
    assert time.monotonic() - started < 5
    count = len(ticks)
    time.sleep(0.2)
    assert len(ticks) == count


def test_stub_function_and_stub_value() -> None:
    def todo(matrix: Any) -> Any:
        raise NotImplementedError

    assert _make()["function"].check(todo).status == "not attempted"
    question = engine.Array(id="s.q", prompt="W?", answer=_identity, stub=np.zeros((3, 3)))
    assert question.check(np.zeros((3, 3))).status == "not attempted"
    assert question.check(np.ones((3, 3))).status == "incorrect"


@pytest.mark.parametrize(
    ("given", "said"),
    [
        (["c", "d"], "which is not right."),
        (("c", "d"), "which is not right."),
        (["a"], "should return a list of 2 texts; yours returned a list of 1 text."),
        (("a", "b", "c"), "should return a list of 2 texts; yours returned a tuple of 3 texts."),
        ([[1], [2, 3], [4]], "should return a list of 2 texts; yours returned a list of 3."),
    ],
)
def test_lists_of_words_have_one_form_if_they_are_of_one_length(given: Any, said: str) -> None:
    def words(number: Any) -> Any:
        return ["a", "b"]

    asked = engine.Function(id="s.q", prompt="?", answer=words, cases=lambda: [(2,)])
    assert said in repr(asked.check(lambda number: given))


def test_nan_is_not_explained_where_it_is_asked_for() -> None:
    def gaps(number: Any) -> Any:
        return [math.nan, 1.0]

    asked = engine.Function(id="s.q", prompt="?", answer=gaps, cases=lambda: [(2,)])
    said = repr(asked.check(lambda number: [math.nan, 2.0]))
    assert "which is not right." in said and "most often comes" not in said


def test_where_none_is_asked_a_function_may_stop_instead() -> None:
    def paired(left: Any, right: Any) -> Any:
        return list(zip(left, right, strict=True)) if len(left) == len(right) else None

    def question(**more: Any) -> engine.Function:
        cases = [([1, 2], [3, 4]), ([1, 2], [3])]
        return engine.Function(id="s.q", prompt="?", answer=paired, cases=lambda: cases, **more)

    def strict(left: Any, right: Any) -> Any:
        return list(zip(left, right, strict=True))

    def always(left: Any, right: Any) -> Any:
        raise ValueError("no")

    taken = question(refusals=(AssertionError, ValueError))
    assert "stops with ValueError: that counts too" in repr(taken.check(strict))
    assert "that counts too" not in repr(taken.check(paired))
    assert not taken.check(always).passed, "where there is an answer it must be given"
    assert not taken.check(lambda a, b: strict(a, b) if len(a) == len(b) else 1 / 0).passed
    assert not question().check(strict).passed


def test_outcomes_differ_in_colour_symbol_and_words() -> None:
    question = _make()["number"]
    shown = [question.check(answer) for answer in (2 / 7, 0.5, None, "x")]
    for part in (lambda o: o.colour, lambda o: o.symbol, lambda o: o.heading()):
        assert len({part(outcome) for outcome in shown}) == 4
    assert repr(shown[0]) == "[+] Correct. Two of seven."
    assert repr(shown[1]) == (
        "[x] Not yet. 0.5 is too high. `xl.exercises.sample.number.hint()` helps on."
    )


def test_html_is_escaped_and_code_is_set() -> None:
    outcome = panels.Incorrect('a <b> & "c" with `W.T < 3`', misconception="<i>")
    page = outcome._repr_html_()
    assert "<b>" not in page and "<i>" not in page
    assert "<code>W.T &lt; 3</code>" in page and "&amp;" in page


def test_hints_come_one_by_one() -> None:
    question = _make()["number"]
    assert [question.hint().text for _ in range(3)] == ["Count.", "Divide.", "Divide."]
    assert repr(question.hint(1)) == "[?] Hint 1 of 2: Count."
    assert question.hint(99).number == 2
    assert "solution" in repr(_make()["choice"].hint())


def test_solution_shows_the_body_only() -> None:
    shown = _make()["number"].solution()
    assert shown.source == "# two of seven\nright, asked = 2, 7\nanswer = right / asked"
    assert "Two of seven." in repr(shown)
    assert _make()["choice"].solution().source == "answer = 'sw'"
    assert _make()["function"].solution().source.startswith("def unit_rows(matrix")


def test_mistakes_in_a_declaration_are_refused() -> None:
    with pytest.raises(TypeError, match="named function"):
        engine.Number(id="s.q", prompt="?", answer=lambda: 3)
    with pytest.raises(ValueError, match="right and wrong"):
        engine.Quiz(id="s.q", prompt="?", options={"a": Option("x", "y")})

    def two(x: int) -> int:
        if x:
            return 1
        return 2

    with pytest.raises(ValueError, match="exactly one return"):
        engine.body_source(two)


def test_values_are_read_without_importing_torch() -> None:
    code = textwrap.dedent(
        """
        import sys
        from xlhelpers.exercises import engine
        assert "numpy" not in sys.modules and "torch" not in sys.modules
        q = engine.Number(id="s.q", prompt="?", answer=3)
        assert q.check(3.0).passed and "torch" not in sys.modules
        """
    )
    subprocess.run([sys.executable, "-c", code], check=True, timeout=60)


@pytest.mark.parametrize(
    ("left", "right", "same"),
    [
        ([1.0, 2.0], np.array([1, 2]), True),
        ({"a": [1]}, {"a": (1,)}, True),
        ({"a": 1}, {"b": 1}, False),
        ([("de", 1)], [("de", 1.0)], True),
        ([("de", 1)], [("de", 2)], False),
        ({"x"}, {"x"}, True),
        ("a", "A", False),
        (None, 0, False),
        ([1, 2], [1, 2, 3], False),
    ],
)
def test_same_value(left: Any, right: Any, same: bool) -> None:
    assert values.same_value(left, right) is same


# ── progress ─────────────────────────────────────────────────────────────────────────────────────


def test_progress_counts_and_never_falls_back(progress_file: Path) -> None:
    question = _make()["number"]
    for answer in (0.5, 2 / 7, 0.5, "x"):
        question.check(answer)
    question.hint()
    question.hint()
    question.solution()
    entry = json.loads(progress_file.read_text())["questions"]["sample.number"]
    assert entry == {
        "attempts": 4,
        "status": "correct",
        "first": "incorrect",
        "hints": 2,
        "solution": True,
    }


def test_progress_keeps_how_the_first_attempt_went(progress_file: Path) -> None:
    quiz, several = _make()["quiz"], _make()["quiz2"]
    for answer in ("z", "c", "b", "a"):  # the first cannot be read, and is no choice
        quiz.check(answer)
    several.check(["b", "a"])
    entries = json.loads(progress_file.read_text())["questions"]
    assert entries["sample.quiz"] == {
        "attempts": 4,
        "chosen": "c",
        "first": "incorrect",
        "status": "correct",
    }
    assert (entries["sample.quiz2"]["first"], entries["sample.quiz2"]["chosen"]) == (
        "correct",
        "ab",
    )


def test_a_file_of_a_newer_version_is_left_as_it_is(
    progress_file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    progress_file.write_text('{"version": 2, "questions": {"sample.number": {"new": []}}}')
    before = progress_file.read_bytes()
    monkeypatch.setattr(_progress, "_told", set())
    with pytest.warns(UserWarning, match="newer version .* left as it is\n.* update the course"):
        assert _make()["number"].check(2 / 7).passed
    assert progress_file.read_bytes() == before
    left = {one.name for one in progress_file.parent.glob("progress.json*")}
    assert left <= {"progress.json", "progress.json.lock"}, "nothing is set aside"


def test_a_wrong_choice_is_called_by_its_misconception() -> None:
    quiz = engine.Quiz(
        id="sample.named",
        prompt="Which?",
        options={
            "a": Option("This one.", "It is not so.", belief="one taken for all"),
            "b": Option("That one.", "It is.", right=True),
        },
    )
    outcome = quiz.check("a")
    assert outcome.misconception == "one taken for all"
    assert repr(outcome) == "[x] Not yet: one taken for all. It is not so."
    assert list(quiz.catalogue) == ["one taken for all"]


def test_corrupt_progress_is_set_aside(progress_file: Path) -> None:
    for number, content in enumerate([b"{broken", b"[1, 2]", b"\xff\xfe{}", b""]):
        progress_file.write_bytes(content)
        with pytest.warns(UserWarning, match="is kept as progress.json.bak"):
            _make()["number"].check(2 / 7)
        name = "progress.json.bak" + (str(number) if number else "")
        assert (progress_file.parent / name).read_bytes() == content
        assert json.loads(progress_file.read_text())["questions"]["sample.number"]["attempts"] == 1


def test_odd_entries_in_the_progress_file_do_no_harm(progress_file: Path) -> None:
    progress_file.write_text('{"questions": {"sample.number": 3}, "guesses": []}')
    assert _make()["number"].check(2 / 7).passed
    assert repr(exercises.progress()).startswith("[=]")
    progress_file.write_text('{"questions": 7}')
    assert repr(exercises.progress()).startswith("[=]")


def test_a_disk_that_cannot_be_written_costs_no_exercise(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    blocked = tmp_path / "file"
    blocked.write_text("a file where a folder should be")
    monkeypatch.setenv("XL_PROGRESS_FILE", str(blocked / "progress.json"))
    monkeypatch.setattr(_progress, "_told", set())
    with pytest.warns(UserWarning, match="could not be saved"):
        assert _make()["number"].check(2 / 7).passed


def test_two_kernels_at_once_lose_nothing(progress_file: Path) -> None:
    code = (
        "from xlhelpers.exercises import _progress\n"
        "for i in range(40): _progress.attempt('both', 'incorrect')"
    )
    kernels = [subprocess.Popen([sys.executable, "-c", code]) for _ in range(2)]
    assert [kernel.wait(timeout=60) for kernel in kernels] == [0, 0]
    assert json.loads(progress_file.read_text())["questions"]["both"]["attempts"] == 80


def test_modules_hold_questions_and_unknown_names_are_told() -> None:
    for name in exercises.modules():
        assert exercises.questions(name), f"{name} holds no question"
    with pytest.raises(AttributeError, match="no exercises called 'alignmet'"):
        _ = exercises.alignmet


# ── predictions ──────────────────────────────────────────────────────────────────────────────────


def _hub() -> Prediction:
    return Prediction(id="sample.hub", prompt="How often is it returned?", low=1, high=500)


def _far() -> Prediction:
    return Prediction(id="sample.far", prompt="Which is worst?", options=("German", "Swahili"))


def test_prediction_says_guess_and_truth(progress_file: Path) -> None:
    hub = _hub()
    assert repr(hub.commit(20)) == "[*] Your guess is kept: 20."
    assert repr(hub.reveal(137)) == "[=] You guessed 20; measured 137."
    assert json.loads(progress_file.read_text())["guesses"] == {"sample.hub": {"first": 20}}


def test_prediction_without_a_guess_still_reveals() -> None:
    assert repr(_hub().reveal(np.int64(137))) == "[=] Measured 137; no guess was committed."
    assert "no guess" in _hub().reveal(137)._repr_html_()
    assert repr(_far().reveal("Swahili")) == "[=] Measured Swahili; no guess was committed."


def test_prediction_with_an_interval() -> None:
    hub = _hub()
    hub.commit(130)
    assert "inside the interval 120 to 150" in repr(hub.reveal(137, interval=(120, 150)))
    hub.commit(20)
    assert "outside" in hub.reveal(137, (120, 150))._repr_html_()


def test_a_guess_after_the_reveal_is_named(progress_file: Path) -> None:
    hub = _hub()
    hub.reveal(137)
    assert "no longer a guess" in repr(hub.commit(137))
    assert "after the result was shown" in repr(hub.reveal(137))
    assert not progress_file.exists()


@pytest.mark.parametrize("guess", [0, 501, "many", None, float("nan"), [1, 2], object(), True])
def test_unreadable_guesses_are_answered(guess: Any) -> None:
    hub = _hub()
    assert repr(hub.commit(guess)).startswith("[!] This guess cannot be read.")
    assert hub.guess is None


@pytest.mark.parametrize(
    ("settings", "guess", "answer"),
    [
        ({}, 0.5, "A whole number from 0 to 100 is expected; yours is 0.5. If you meant a share, "
         "that is 50."),
        ({"unit": "%"}, 0.57, "from 0 % to 100 % is expected; yours is 0.57. If you meant a share, "
         "that is 57 %."),
        ({"high": 60}, 0.25, "yours is 0.25. If you meant a share, that is 15."),
        ({"low": 33}, 0.5, "from 33 to 100 is expected; yours is 0.5. If you meant a share, that"),
        ({"low": 33}, 0.2, "yours is 0.2."),
        ({"low": 1, "high": 200}, 0.5, "yours is 0.5."),
        ({}, 49.5, "A whole number from 0 to 100 is expected; yours is 49.5."),
        ({}, 101, "A guess from 0 to 100 is expected; yours is 101."),
    ],
)  # fmt: skip
def test_a_fraction_is_never_cut_to_a_whole_guess(
    settings: dict[str, Any], guess: float, answer: str, progress_file: Path
) -> None:
    asked = Prediction(id="sample.whole", prompt="How many of them?", **settings)
    said = repr(asked.commit(guess))
    assert said.startswith("[!] This guess cannot be read.") and answer in said
    assert ("share" in said) is ("share" in answer)
    assert asked.guess is None and not progress_file.exists()
    assert asked.commit(np.float64(50)).kept and asked.guess == 50


def test_a_scale_with_fractions_keeps_them() -> None:
    cosine = Prediction(id="sample.cosine", prompt="How near?", low=0, high=1, step=0.01)
    assert repr(cosine.commit(0.57)) == "[*] Your guess is kept: 0.57."
    half = Prediction(id="sample.half", prompt="How far?", low=0, high=8, step=0.5)
    assert repr(half.commit(0.5)) == "[*] Your guess is kept: 0.5."


def test_choice_predictions() -> None:
    far = _far()
    assert "is expected" in repr(far.commit("French"))
    assert repr(far.commit(" swahili ")) == "[*] Your guess is kept: Swahili."
    assert repr(far.reveal("Swahili")) == "[=] You guessed Swahili; measured Swahili. Right."
    assert "Not the same." in repr(far.reveal("German"))


@pytest.mark.parametrize("make", [_hub, _far])
def test_without_a_front_end_the_question_is_text(make: Callable[[], Prediction]) -> None:
    bundle = make().ask()._repr_mimebundle_()
    assert set(bundle) == {"text/plain", "text/html"}
    for text in bundle.values():
        assert "Commit a guess before you go on" in text and ".commit(" in text
    assert make().ask()._repr_mimebundle_() == bundle, "the same on every run"


@pytest.mark.parametrize("make", [_hub, _far])
def test_with_a_front_end_there_is_a_widget(
    make: Callable[[], Prediction], monkeypatch: pytest.MonkeyPatch
) -> None:
    import IPython

    monkeypatch.setattr(IPython, "get_ipython", lambda: types.SimpleNamespace(kernel=object()))
    prediction = make()
    asked = prediction.ask()
    bundle = asked._repr_mimebundle_()
    view = bundle["application/vnd.jupyter.widget-view+json"]
    assert view["model_id"] == asked.widget.model_id and "text/html" in bundle
    control, button = asked.widget.children[1].children
    control.value = 33 if make is _hub else "Swahili"
    button.click()
    assert prediction.guess == control.value
    assert "Your guess is kept" in asked.widget.children[2].value


def _every_prediction() -> list[Any]:
    mine = [pytest.param(_hub(), id="sample.hub"), pytest.param(_far(), id="sample.far")]
    course = [
        pytest.param(prediction, id=prediction.id)
        for module in exercises.modules()
        for prediction in exercises.predictions(module).values()
    ]
    return mine + course


@pytest.mark.parametrize("prediction", _every_prediction())
def test_every_prediction_is_well_declared(prediction: Prediction) -> None:
    module, _, name = prediction.id.rpartition(".")
    assert prediction.prompt.rstrip().endswith("?")
    assert "Commit a guess" in prediction.ask()._repr_mimebundle_()["text/html"]
    if module != "sample":
        assert getattr(getattr(exercises, module), name) is prediction, "id and name agree"
    middle = prediction.options[0] if prediction.options else (prediction.low + prediction.high) / 2
    if not prediction.options and prediction.whole:
        middle = round(middle)
    fresh = type(prediction)(**{f: getattr(prediction, f) for f in prediction.__dataclass_fields__})
    assert fresh.commit(middle).kept
    assert "You guessed" in repr(fresh.reveal(middle))


def test_a_questions_data_come_in_the_order_of_the_prompt() -> None:
    train, test = exercises.alignment.q5.data()
    assert ("water", "wasser") in train
    assert ("land", "land") in test
    signals, languages, windows, level = exercises.production.q3.data()
    assert (signals, languages, windows, level) == (3, 12, 24, 0.05)
    for question in (exercises.production.q2, exercises.production.q3):
        places = [question.prompt.index(f"`{name}`") for name in question.values()]
        assert places == sorted(places), "the notebook says: in this order"
    x, y = exercises.alignment.q1.data()
    assert x.shape == y.shape == (12, 3)


# ── what a learner may do with a question of the course ──────────────────────────────────────────


def test_two_errors_at_once_are_not_named_as_another() -> None:
    def mean_at_once(vectors: Any, taken: Any, k: Any) -> Any:
        distances = np.linalg.norm(vectors - np.asarray(vectors)[taken].mean(axis=0), axis=1)
        return [int(row) for row in np.argsort(-distances, kind="stable")[:k]]

    outcome = exercises.low_resource.q5.check(mean_at_once)
    assert outcome.status == "incorrect" and not outcome.misconception


def test_a_pipeline_may_assert_that_every_row_has_its_label() -> None:
    def combined(original: Any, translations: Any, labels: Any, ids: Any) -> Any:
        parts = [original, *translations]
        assert all(len(texts) == len(labels) for texts in parts)
        rows = [zip(ids, texts, labels, strict=True) for texts in parts]
        return [row for part in rows for row in part]

    outcome = exercises.translation.q3.check(combined)
    assert outcome.passed and "stops with AssertionError" in repr(outcome)


def test_nan_is_called_nan() -> None:
    from xlhelpers.exercises import low_resource, production

    def beginning(old: Any, meanings: Any, pieces: Any) -> Any:
        return np.mean([old[ids].mean(axis=0) for ids in meanings], axis=0)

    def error(sure: Any, right: Any, bins: Any) -> Any:
        sure, right = np.array(sure), np.array(right)
        place = np.minimum((sure * bins).astype(int), bins - 1)
        gaps = [abs((sure - right)[place == b].mean()) * (place == b).mean() for b in range(bins)]
        return sum(gaps)

    for outcome in (low_resource.q4.check(beginning), production.q4.check(error)):
        assert "It is nan (not a number): that most often comes from a mean" in repr(outcome)
