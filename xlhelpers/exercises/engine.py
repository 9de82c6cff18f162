"""The exercise engine: questions, quizzes and predictions of the notebooks.

A learner calls ``q.check(answer)``, ``q.hint()`` and ``q.solution()``. `check` returns one of four
outcomes (`Correct`, `Incorrect`, `NotAttempted`, `WrongForm`), never raises on what a learner may
hand it, and names the misconception behind a wrong answer where the question's catalogue has it.

A question is declared with values, not bound to names in the notebook: `given` makes the data it
is about (lazily, once), and the same names may be passed to `check` to override them. What the
learner sees as the solution is the source of the very function that the tests run.

The idea of check, hint and solution with a "not attempted" outcome is that of Kaggle's learntools.
"""

from __future__ import annotations

import ast
import inspect
import re
import textwrap
import unicodedata
import warnings
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from xlhelpers.exercises import _progress
from xlhelpers.exercises._running import Run, run
from xlhelpers.exercises.panels import (
    Correct,
    Hint,
    Incorrect,
    NotAttempted,
    Outcome,
    Panel,
    Solution,
    WrongForm,
)
from xlhelpers.exercises.values import (
    Unreadable,
    as_array,
    as_number,
    as_scalar,
    as_words,
    brief,
    close,
    described,
    folded,
    form_of,
    not_finite,
    numeric_forms,
    quietly,
    same_array,
    same_value,
    short,
    type_name,
)

__all__ = [
    "Array",
    "Choice",
    "Correct",
    "Custom",
    "Function",
    "Hint",
    "Incorrect",
    "NotAttempted",
    "Number",
    "Numbers",
    "Option",
    "Outcome",
    "Question",
    "Quiz",
    "Solution",
    "Text",
    "Unreadable",
    "Words",
    "Wrong",
    "WrongForm",
    "as_array",
    "as_number",
    "as_scalar",
    "as_words",
]

# ── the catalogue ────────────────────────────────────────────────────────────────────────────────


@dataclass(frozen=True)
class Wrong:
    """A known misconception.

    `make(**given)` builds an answer that somebody with it would give; `message` explains.
    `detect(answer, **given)`, if given, recognises it in answers that differ from `make`'s.
    """

    make: Callable[..., Any]
    message: str
    detect: Callable[..., Any] | None = None


@dataclass(kw_only=True, eq=False, repr=False)
class Question(Panel):
    """What all kinds of question share. Use one of the subclasses.

    Args:
        id: "<module>.<name>", for instance "alignment.q1"; the name under which it is stored.
        prompt: One or two sentences: what to find and in which form.
        answer: A named function ``(**given) -> reference answer``, whose body is shown as the
            solution with ``return x`` turned into ``answer = x``; or a plain constant. For
            `Function`: the reference function itself, shown whole.
        hints: From a nudge to nearly everything.
        wrong: {misconception: Wrong(...) or (factory, message)}. The key is shown to the learner.
        forms: {name: factory(**given)} of correct answers in another form, beyond those that the
            kind makes by itself (list, tuple, float32, torch tensor). Only the tests use it.
        given: A function without parameters that returns the data by name.
        stub: What the untouched cell holds. None, ... and "" always count as untouched.
        why: Shown with a correct answer and with the solution.
    """

    id: str
    prompt: str
    answer: Any
    hints: Sequence[str] = ()
    wrong: Mapping[str, Any] = field(default_factory=dict)
    forms: Mapping[str, Callable[..., Any]] = field(default_factory=dict)
    given: Callable[[], Mapping[str, Any]] | None = None
    stub: Any = None
    why: str = ""

    def __post_init__(self) -> None:
        self.catalogue: dict[str, Wrong] = {
            name: entry if isinstance(entry, Wrong) else Wrong(*entry)
            for name, entry in self.wrong.items()
        }
        self._shown_hints = 0
        self._data: dict[str, Any] | None = None
        if callable(self.answer) and getattr(self.answer, "__name__", "") == "<lambda>":
            raise TypeError(f"{self.id}: answer= must be a named function, its source is shown")

    # ── for the learner ──

    def check(self, answer: Any = None, **given: Any) -> Outcome:
        """Judge `answer`. Values passed by name replace the question's own data.

        Never raises on what it is handed; only stopping the kernel gets through.
        """
        outcome = self._guarded(answer, given)
        if not isinstance(outcome, NotAttempted):
            _progress.attempt(self.id, outcome.status, self.letters(answer))
        return outcome

    def letters(self, answer: Any) -> str:
        """The letters of a choice, for the record; empty where there are none to choose."""
        return ""

    def hint(self, number: int | None = None) -> Hint:
        """The next hint, or hint `number` (from 1). After the last one, the last one again."""
        total = len(self.hints)
        if total == 0:
            return Hint(0, 0, "Read the question once more; the solution is one call away.")
        wanted = self._shown_hints + 1 if not isinstance(number, int) else number
        step = max(1, min(wanted, total))
        self._shown_hints = max(self._shown_hints, step)
        _progress.hint(self.id, step)
        return Hint(step, total, self.hints[step - 1])

    def solution(self) -> Solution:
        """The reference answer's source, ready to be pasted into a cell, and the reason."""
        _progress.solution(self.id)
        return Solution(self.source(), self.why)

    def data(self) -> tuple[Any, ...]:
        """What the question is about, in the order in which the prompt names it."""
        return tuple(self.values().values())

    def heading(self) -> str:
        return f"{self.short_name}."

    def body(self) -> str:
        call = f"xl.exercises.{self.id}"
        return f"{self.prompt}\n`{call}.check(answer)`  `{call}.hint()`  `{call}.solution()`"

    # ── for the tests ──

    @property
    def short_name(self) -> str:
        """The last part of the id."""
        return self.id.rpartition(".")[2]

    def values(self, given: Mapping[str, Any] | None = None) -> dict[str, Any]:
        """The question's data, made once, with `given` laid over it."""
        if self._data is None:
            needed = {} if self.given is None else self.given()
            self._data = dict(needed)
        return {**self._data, **(given or {})}

    def reference(self, **given: Any) -> Any:
        """The reference answer."""
        if callable(self.answer):
            return call_with(self.answer, self.values(given))
        return self.answer

    def source(self) -> str:
        """Source that leaves the reference answer in `answer`."""
        if not callable(self.answer):
            return f"answer = {self.answer!r}"
        return body_source(self.answer)

    def other_forms(self) -> dict[str, Any]:
        """Correct answers in other forms: those of the kind, then those declared."""
        reference = self.reference()
        forms = {**self.kind_forms(reference)}
        forms.update({name: call_with(make, self.values()) for name, make in self.forms.items()})
        return forms

    def kind_forms(self, reference: Any) -> dict[str, Any]:
        """Other forms in which this kind must accept `reference`."""
        return {}

    # ── how an answer is judged ──

    def read(self, answer: Any, given: Mapping[str, Any]) -> Any:
        """Bring an answer into the form that `same` compares.

        Raises:
            Unreadable: when it has another type or shape; the text names what is expected.
        """
        return answer

    def same(self, left: Any, right: Any) -> bool:
        """Whether two answers that were read are equal for this question."""
        return same_value(left, right)

    def generic(self, answer: Any, expected: Any) -> str:
        """What to say about a wrong answer that is not in the catalogue."""
        return ""

    def untouched(self, answer: Any) -> bool:
        """Whether the cell was left as it was."""
        if answer is None or answer is Ellipsis:
            return True
        if isinstance(answer, str) and answer.strip() in {"", "...", "…"}:
            return True
        return self.stub is not None and same_value(answer, self.stub)

    def judge(self, answer: Any, given: Mapping[str, Any]) -> Outcome:
        """The outcome for an answer that was attempted."""
        expected = self.read(self.reference(**given), given)
        try:
            seen = self.read(answer, given)
        except Unreadable as error:
            return self.recognise(answer, given, readable=False) or WrongForm(
                str(error), question=self.id
            )
        fault = self.form_fault(seen, expected)
        if not fault and self.same(seen, expected):
            return Correct(self.why, question=self.id)
        known = self.recognise(seen, given)
        if known:
            return known
        if fault:
            return WrongForm(fault, question=self.id)
        return self._incorrect(self.generic(seen, expected))

    def form_fault(self, seen: Any, expected: Any) -> str:
        """A sentence when a read answer has the wrong shape, else an empty string."""
        return ""

    def recognise(
        self, seen: Any, given: Mapping[str, Any], readable: bool = True
    ) -> Incorrect | None:
        """The catalogue's entry that explains `seen`, if there is one."""
        for name, wrong in self.catalogue.items():
            if self._matches(seen, wrong, given, readable):
                return Incorrect(wrong.message, misconception=name, question=self.id)
        return None

    def _matches(self, seen: Any, wrong: Wrong, given: Mapping[str, Any], readable: bool) -> bool:
        values = self.values(given)
        try:
            if wrong.detect is not None and call_with(wrong.detect, values, seen):
                return True
            example = call_with(wrong.make, values)
            if not readable:
                return same_value(seen, example)
            return bool(self.same(seen, self.read(example, given)))
        except Exception:  # one entry that cannot be compared must not hide others
            return False

    def _incorrect(self, message: str) -> Incorrect:
        remedy = f"`xl.exercises.{self.id}.hint()` helps on." if self.hints else ""
        return Incorrect(" ".join(filter(None, (message, remedy))), question=self.id)

    def _guarded(self, answer: Any, given: Mapping[str, Any]) -> Outcome:
        if quietly(lambda: self.untouched(answer)):
            return NotAttempted(self._todo(), question=self.id)
        try:
            self.values()
        except Exception as error:  # a missing file is told, not thrown
            return WrongForm(
                f"The data of this question could not be prepared: {brief(error)}",
                question=self.id,
            )
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")
                return self.judge(answer, given)
        except Exception as error:  # promised: no traceback from check()
            return WrongForm(
                f"{type_name(answer).capitalize()} could not be compared here ({brief(error)}).",
                question=self.id,
            )

    def _todo(self) -> str:
        return f"{self.prompt} Put your answer in the cell and run it again."


# ── kinds of question ────────────────────────────────────────────────────────────────────────────

# Where a share of 1 is asked: what is said to an answer that is right but for the unit.
_PER_CENT = "Right, but a share of 1 is asked: 0.5 for one half."


@dataclass(kw_only=True, eq=False, repr=False)
class Number(Question):
    """One number, within `rtol` of the reference or `atol`.

    Accepts int, float, fractions, numpy scalars, arrays and torch tensors with one entry. With
    `share` the question asks for a share of 1, and the catalogue knows the answer in per cent.
    """

    rtol: float = 1e-3
    atol: float = 1e-6
    share: bool = False

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.share:
            self.catalogue["in per cent"] = Wrong(self._hundredfold, _PER_CENT)

    def _hundredfold(self, **given: Any) -> float:
        return 100 * as_number(self.reference(**given))

    def read(self, answer: Any, given: Mapping[str, Any]) -> float:
        return as_number(answer)

    def same(self, left: Any, right: Any) -> bool:
        return close(left, right, self.rtol, self.atol)

    def generic(self, answer: Any, expected: Any) -> str:
        return f"{answer:.6g} is too {'low' if answer < expected else 'high'}."

    def kind_forms(self, reference: Any) -> dict[str, Any]:
        value = as_number(reference)
        return {"float": value, **numeric_forms([value], scalar=True)}


@dataclass(kw_only=True, eq=False, repr=False)
class Array(Question):
    """Numbers in a shape: nested lists or tuples, numpy, torch, pandas."""

    rtol: float = 1e-3
    atol: float = 1e-5

    def read(self, answer: Any, given: Mapping[str, Any]) -> Any:
        return as_array(answer)

    def same(self, left: Any, right: Any) -> bool:
        return same_array(left, right, self.rtol, self.atol)

    def form_fault(self, seen: Any, expected: Any) -> str:
        if seen.shape == expected.shape:
            return ""
        return f"An array of shape {expected.shape} is expected; yours has shape {seen.shape}."

    def generic(self, answer: Any, expected: Any) -> str:
        import numpy as np

        off = ~np.isclose(answer, expected, rtol=self.rtol, atol=self.atol)
        place = [int(i) for i in np.argwhere(off)[0]]
        value = answer[tuple(place)]
        return (
            f"The shape is right; {int(off.sum())} of {off.size} entries are not. The first is at "
            f"{place} (yours {value:.6g})."
        )

    def kind_forms(self, reference: Any) -> dict[str, Any]:
        return numeric_forms(as_array(reference).tolist())


@dataclass(kw_only=True, eq=False, repr=False)
class Choice(Question):
    """One of `choices`: words, numbers or True and False. Case and outer spaces do not count."""

    choices: Sequence[Any] = ()

    def read(self, answer: Any, given: Mapping[str, Any]) -> Any:
        value = as_scalar(answer)
        for choice in self.choices:
            same_kind = isinstance(value, bool) == isinstance(choice, bool)
            if same_kind and (folded(value) == folded(choice)):
                return choice
        allowed = ", ".join(repr(choice) for choice in self.choices)
        raise Unreadable(f"One of {allowed} is expected; yours is {short(answer)}.")

    def generic(self, answer: Any, expected: Any) -> str:
        return f"{answer!r} is not it."

    def kind_forms(self, reference: Any) -> dict[str, Any]:
        if not isinstance(reference, str):
            return {}
        return {"upper case": reference.upper(), "spaces": f"  {reference} "}


@dataclass(kw_only=True, eq=False, repr=False)
class Text(Question):
    """A word or a short text; case, outer spaces and the Unicode form do not count.

    `also` holds further right answers, such as a second spelling.
    """

    also: Collection[str] = ()

    def read(self, answer: Any, given: Mapping[str, Any]) -> str:
        value = as_scalar(answer)
        if not isinstance(value, str):
            raise Unreadable(f"A text in quotes is expected; yours is {short(answer)}.")
        return folded(value)

    def same(self, left: Any, right: Any) -> bool:
        # `right` is the reference or a catalogued answer; only for the reference `also` counts.
        if left == right:
            return True
        is_reference = right == folded(self.reference())
        return is_reference and left in {folded(text) for text in self.also}

    def generic(self, answer: Any, expected: Any) -> str:
        return f"{answer!r} is not it."

    def kind_forms(self, reference: Any) -> dict[str, Any]:
        forms = {"upper case": reference.upper(), "NFD": unicodedata.normalize("NFD", reference)}
        return forms | {f"also {text}": text for text in self.also}


@dataclass(kw_only=True, eq=False, repr=False)
class Words(Question):
    """Several words, in any order unless `ordered`. Lists, tuples, sets, numpy and pandas."""

    ordered: bool = False

    def read(self, answer: Any, given: Mapping[str, Any]) -> list[str]:
        words = [folded(word) for word in as_words(answer)]
        return words if self.ordered else sorted(set(words))

    def generic(self, answer: Any, expected: Any) -> str:
        extra = sorted(set(answer) - set(expected))
        missing = len(set(expected) - set(answer))
        if not extra and not missing:
            return "These are the right words in another order."
        parts = [f"{len(set(answer) & set(expected))} of {len(set(expected))} words are there"]
        if extra:
            parts.append(f"not among them: {', '.join(repr(word) for word in extra[:5])}")
        return "; ".join(parts) + "."

    def kind_forms(self, reference: Any) -> dict[str, Any]:
        import numpy as np

        words = as_words(reference)
        forms: dict[str, Any] = {
            "list": list(words),
            "tuple": tuple(words),
            "numpy": np.array(words),
            "generator": (word for word in words),
        }
        return forms if self.ordered else {**forms, "set": set(words), "reversed": words[::-1]}


@dataclass(kw_only=True, eq=False, repr=False)
class Numbers(Question):
    """A dict (or pandas Series) from names to numbers. `share` as in `Number`, for all of them."""

    rtol: float = 1e-3
    atol: float = 1e-6
    share: bool = False

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.share:
            self.catalogue["in per cent"] = Wrong(self._hundredfold, _PER_CENT)

    def _hundredfold(self, **given: Any) -> dict[Any, float]:
        return {key: 100 * as_number(value) for key, value in self.reference(**given).items()}

    def read(self, answer: Any, given: Mapping[str, Any]) -> dict[Any, float]:
        if hasattr(answer, "to_dict") and not isinstance(answer, Mapping):
            answer = answer.to_dict()
        if not isinstance(answer, Mapping):
            raise Unreadable(
                f"A dict from names to numbers is expected; yours is {type_name(answer)}."
            )
        return {key: as_number(value, f" at {short(key)}") for key, value in answer.items()}

    def form_fault(self, seen: Any, expected: Any) -> str:
        missing = [key for key in expected if key not in seen]
        extra = [key for key in seen if key not in expected]
        if not missing and not extra:
            return ""
        keys = ", ".join(repr(key) for key in expected)
        return f"The keys {keys} are expected; yours are {', '.join(map(short, seen)) or 'none'}."

    def same(self, left: Any, right: Any) -> bool:
        return left.keys() == right.keys() and all(
            close(left[key], right[key], self.rtol, self.atol) for key in right
        )

    def generic(self, answer: Any, expected: Any) -> str:
        off = [k for k in expected if not close(answer[k], expected[k], self.rtol, self.atol)]
        return f"Not right yet: {', '.join(short(key) for key in off)}."

    def kind_forms(self, reference: Any) -> dict[str, Any]:
        import numpy as np

        return {"numpy float32": {key: np.float32(value) for key, value in reference.items()}}


@dataclass(kw_only=True, eq=False, repr=False)
class Custom(Question):
    """Any other check: ``verify(answer, **given)`` returns None when the answer is right, the
    name of an entry of `wrong`, or a sentence for the learner. It may raise `Unreadable`.
    """

    verify: Callable[..., str | None]

    def judge(self, answer: Any, given: Mapping[str, Any]) -> Outcome:
        try:
            verdict = call_with(self.verify, self.values(given), answer)
        except Unreadable as error:
            return self.recognise(answer, given) or WrongForm(str(error), question=self.id)
        if verdict is None:
            return Correct(self.why, question=self.id)
        if verdict in self.catalogue:
            message = self.catalogue[verdict].message
            return Incorrect(message, misconception=verdict, question=self.id)
        return self.recognise(answer, given) or self._incorrect(verdict)


@dataclass(kw_only=True, eq=False, repr=False)
class Function(Question):
    """The learner writes a function: ``q.check(my_function)`` runs it on hidden inputs.

    `answer` is the reference function, `cases(**given)` returns tuples of arguments, `wrong`
    holds factories that *return* a function, and `seconds` is how long one call may take.
    A misconception is recognised when the learner's function gives what the wrong one gives on
    every case. Arguments are copied for each call. Where the reference returns None, stopping with
    one of `refusals` counts as the same, and is named.
    """

    cases: Callable[..., Sequence[tuple[Any, ...]]]
    refusals: tuple[type[Exception], ...] = ()
    seconds: float = 10.0
    rtol: float = 1e-3
    atol: float = 1e-5

    def __post_init__(self) -> None:
        super().__post_init__()
        self._cases: list[tuple[Any, ...]] | None = None

    def reference(self, **given: Any) -> Any:
        return self.answer

    def source(self) -> str:
        return function_source(self.answer)

    def same(self, left: Any, right: Any) -> bool:
        return same_value(left, right, self.rtol, self.atol)

    def kind_forms(self, reference: Any) -> dict[str, Any]:
        def as_lists(*arguments: Any) -> Any:
            result = reference(*arguments)
            return result.tolist() if hasattr(result, "tolist") else result

        return {"lists": as_lists}

    def judge(self, answer: Any, given: Mapping[str, Any]) -> Outcome:
        if not callable(answer):
            return WrongForm(
                f"The function itself is expected, as in `{self.short_name}.check(my_function)` "
                f"without brackets after its name; yours is {type_name(answer)}.",
                question=self.id,
            )
        cases = [tuple(case) for case in call_with(self.cases, self.values(given))]
        if not accepts(answer, cases[0]):
            return WrongForm(
                f"The function should take {_parameters(self.answer)}; yours cannot be called "
                "with that.",
                question=self.id,
            )
        runs = [run(answer, case, self.seconds) for case in cases[:1]]
        if not runs[0].timed_out:
            runs += [run(answer, case, self.seconds) for case in cases[1:]]
        expected = [run(self.answer, case, self.seconds) for case in cases]
        if all(one.empty for one in runs):
            return NotAttempted(
                f"The function returns nothing yet. {self.prompt}", question=self.id
            )
        first_bad = next(
            (i for i, one in enumerate(runs) if not self._right(one, expected[i])),
            None,
        )
        if first_bad is None:
            return Correct(" ".join(filter(None, (_refused(runs), self.why))), question=self.id)
        known = self._known(runs, cases, given)
        return known or self._explain(runs[first_bad], expected[first_bad], cases[first_bad])

    def _right(self, seen: Run, expected: Run) -> bool:
        return (not seen.failed or self._refuses(seen, expected)) and self._agree(seen, expected)

    def _refuses(self, seen: Run, expected: Run) -> bool:
        """Whether a function stopped, in a way that counts, where None is asked for."""
        asked = not expected.failed and expected.value is None
        return asked and isinstance(seen.error, self.refusals)

    def _agree(self, left: Run, right: Run) -> bool:
        if self._refuses(left, right):
            return True
        if left.failed or right.failed:
            return left.failed and right.failed and type(left.error) is type(right.error)
        return bool(quietly(lambda: self.same(left.value, right.value)))

    def _known(
        self, runs: list[Run], cases: list[tuple[Any, ...]], given: Mapping[str, Any]
    ) -> Incorrect | None:
        if any(one.timed_out for one in runs):
            return None
        for name, wrong in self.catalogue.items():
            example = call_with(wrong.make, self.values(given))
            theirs = [run(example, case, self.seconds) for case in cases]
            if all(self._agree(a, b) for a, b in zip(runs, theirs, strict=True)):
                return Incorrect(wrong.message, misconception=name, question=self.id)
        return None

    def _explain(self, seen: Run, expected: Run, case: tuple[Any, ...]) -> Outcome:
        call = f"With the input {', '.join(short(value) for value in case)}"
        printed = f"\nIt printed: {seen.printed}" if seen.printed else ""
        if seen.timed_out:
            return self._incorrect(
                f"{call} the function had not finished after {self.seconds:g} seconds and was "
                f"stopped.{printed}"
            )
        if seen.failed:
            return self._incorrect(
                f"{call} the function stopped with {brief(seen.error)}.{printed}"
            )
        cause = "" if not_finite(expected.value) else not_finite(seen.value)
        more = f" {cause}" * bool(cause) + printed
        if form_of(expected.value) != form_of(seen.value):
            wanted, found = described(expected.value), described(seen.value)
            return WrongForm(
                f"{call} the function should return {wanted}; yours returned {found}.{more}",
                question=self.id,
            )
        return self._incorrect(
            f"{call} the function returned {short(seen.value)}, which is not right.{more}"
        )


@dataclass(frozen=True)
class Option:
    """One choice of a `Quiz`: what it says, and why it is right or wrong.

    `belief` names the misconception behind a wrong one, in a few words; without it the choice's
    own text stands for it.
    """

    text: str
    why: str
    right: bool = False
    belief: str = ""

    @property
    def label(self) -> str:
        """What stands over the explanation of a wrong choice."""
        return self.belief or f"“{self.text}”"


@dataclass(kw_only=True, eq=False, repr=False)
class Quiz(Question):
    """A question with lettered choices, each with its own explanation.

    ``q`` alone shows the choices; the learner answers ``q.check("b")``, or ``q.check("a", "c")``
    is written ``q.check(["a", "c"])`` where several are right.
    """

    options: Mapping[str, Option]
    answer: Any = None

    def __post_init__(self) -> None:
        right = [letter for letter, option in self.options.items() if option.right]
        if not right or len(right) == len(self.options):
            raise ValueError(f"{self.id}: a quiz needs right and wrong options")
        self.right = frozenset(right)
        self.answer = right[0] if len(right) == 1 else right
        if not self.wrong:
            self.wrong = self._wrong_options()
        if not self.why:
            self.why = " ".join(self.options[letter].why for letter in right)
        super().__post_init__()

    def _wrong_options(self) -> dict[str, Wrong]:
        def fixed(letter: str) -> Callable[[], Any]:
            return lambda: letter if len(self.right) == 1 else [letter]

        return {
            option.label: Wrong(fixed(letter), option.why)
            for letter, option in self.options.items()
            if not option.right
        }

    def read(self, answer: Any, given: Mapping[str, Any]) -> frozenset[str]:
        items = [answer] if isinstance(answer, str) else as_words(answer)
        letters = {folded(letter): letter for letter in self.options}
        texts = {folded(option.text): letter for letter, option in self.options.items()}
        named = {**texts, **letters}
        unknown = [item for item in items if folded(item) not in named]
        if unknown or not items:
            allowed = ", ".join(repr(letter) for letter in self.options)
            raise Unreadable(f"One of {allowed} is expected; yours is {short(answer)}.")
        return frozenset(named[folded(item)] for item in items)

    def judge(self, answer: Any, given: Mapping[str, Any]) -> Outcome:
        try:
            chosen = self.read(answer, given)
        except Unreadable as error:
            return WrongForm(str(error), question=self.id)
        if chosen == self.right:
            return Correct(self.why, question=self.id)
        first_wrong = next((key for key in self.options if key in chosen - self.right), None)
        if first_wrong is None:
            return self._incorrect("What you chose is right, and there is more.")
        option = self.options[first_wrong]
        return Incorrect(option.why, misconception=option.label, question=self.id)

    def letters(self, answer: Any) -> str:
        try:
            read = self.read(answer, {})
        except Exception:  # what cannot be read names no letter
            return ""
        return "".join(letter for letter in self.options if letter in read)

    def body(self) -> str:
        lines = [f"{letter}) {option.text}" for letter, option in self.options.items()]
        call = f"xl.exercises.{self.id}"
        example = next(iter(self.options))
        return "\n".join([self.prompt, *lines, f'`{call}.check("{example}")`'])

    def kind_forms(self, reference: Any) -> dict[str, Any]:
        letters = [reference] if isinstance(reference, str) else list(reference)
        return {
            "list": letters,
            "set": set(letters),
            "upper case": [letter.upper() for letter in letters],
            "the option's text": [self.options[letter].text for letter in letters],
        }


# ── sources ──────────────────────────────────────────────────────────────────────────────────────


_TYPES = re.compile(r": Any\b|\s*-> Any\b")


def function_source(function: Callable[..., Any]) -> str:
    """The source of a function, ready for a cell: without types, whose names it may not have."""
    return _TYPES.sub("", textwrap.dedent(inspect.getsource(function))).rstrip()


def body_source(function: Callable[..., Any]) -> str:
    """The body of a function as cell code: its last `return x` becomes `answer = x`.

    Raises:
        ValueError: when the function does not end in a return statement or has another one.
    """
    lines = function_source(function).splitlines()
    tree = ast.parse("\n".join(lines)).body[0]
    if not isinstance(tree, ast.FunctionDef):
        raise ValueError("a named function is expected")
    body = tree.body[1:] if ast.get_docstring(tree) is not None else tree.body
    returns = [node for node in ast.walk(tree) if isinstance(node, ast.Return)]
    if not body or len(returns) != 1 or returns[0] is not body[-1]:
        raise ValueError(f"{function.__name__}: exactly one return, as the last line, is expected")
    first = body[0].lineno - 1
    while lines[first - 1].strip().startswith("#"):
        first -= 1
    last = body[-1].lineno - 1
    lines[last] = lines[last].replace("return ", "answer = ", 1)
    return textwrap.dedent("\n".join(lines[first:])).rstrip()


def accepts(function: Callable[..., Any], arguments: tuple[Any, ...]) -> bool:
    """Whether a function can be called with these positional arguments, as far as it tells."""
    try:
        inspect.signature(function).bind(*arguments)
    except TypeError:
        return False
    except ValueError:  # built-in functions may have no signature
        return True
    return True


def _refused(runs: Sequence[Run]) -> str:
    """What is said to a right function that stops where None was asked for."""
    error = next((one.error for one in runs if one.error is not None), None)
    if error is None:
        return ""
    name = type(error).__name__
    return (
        f"Where None is asked for, yours stops with {name}: that counts too, and is never missed."
    )


def _parameters(function: Callable[..., Any]) -> str:
    names = ", ".join(f"`{name}`" for name in inspect.signature(function).parameters)
    return f"the parameters {names}"


def call_with(function: Callable[..., Any], values: Mapping[str, Any], *first: Any) -> Any:
    """Call `function` with `first` and those of `values` that it has parameters for."""
    parameters = inspect.signature(function).parameters
    if any(p.kind is inspect.Parameter.VAR_KEYWORD for p in parameters.values()):
        return function(*first, **values)
    taken = list(parameters)[: len(first)]
    wanted = {name: values[name] for name in parameters if name in values and name not in taken}
    return function(*first, **wanted)
