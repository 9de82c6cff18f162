"""Reading answers in whatever form a learner has them, comparing them, and naming them in words.

numpy is imported when an answer is read; torch only looked at when somebody else imported it.
"""

from __future__ import annotations

import decimal
import itertools
import math
import numbers
import sys
import unicodedata
import warnings
from collections.abc import Callable, Iterable, Mapping
from typing import Any


class Unreadable(Exception):
    """Raised while an answer is read: its text says what is expected and what was found."""


def as_scalar(value: Any) -> Any:
    """A plain Python value out of numpy and torch scalars and arrays with one entry."""
    value = from_torch(value)
    if hasattr(value, "item") and getattr(value, "size", 1) == 1:
        return value.item()
    return value


def as_number(value: Any, where: str = "") -> float:
    """A finite float.

    Raises:
        Unreadable: for texts, truth values, collections with more than one entry, NaN and infinity.
    """
    found = as_scalar(value)
    if isinstance(found, (list, tuple)) and len(found) == 1:
        found = as_scalar(found[0])
    if isinstance(found, bool) or not _is_real(found):
        raise Unreadable(f"A number is expected{where}; yours is {described(value)}.")
    try:
        number = float(found)
    except (OverflowError, ValueError):
        raise Unreadable(f"The number{where} is out of range.") from None
    if not math.isfinite(number):
        cause = not_finite(number)
        raise Unreadable(f"A finite number is expected{where}; yours is {number}. {cause}")
    return number


def _is_real(value: Any) -> bool:
    return isinstance(value, (numbers.Real, decimal.Decimal))


def as_array(value: Any, shape: tuple[int, ...] | None = None, finite: bool = True) -> Any:
    """A float64 array, shape as found; `shape`, if given, is required.

    Raises:
        Unreadable: for ragged or non-numeric values, another shape and, unless `finite` is False,
            NaN and infinity.
    """
    import numpy as np

    try:
        array = np.asarray(from_torch(value))
    except Exception:  # ragged lists and objects with a broken __array__
        complaint = f"Numbers in an array are expected; yours is {type_name(value)}."
        raise Unreadable(complaint) from None
    if array.dtype.kind not in "fiub" or (array.dtype.kind == "b" and array.ndim == 0):
        array = _array_of_tensors(value)
    array = array.astype(np.float64)
    if finite and not np.isfinite(array).all():
        raise Unreadable(not_finite(array))
    if shape is not None and array.shape != shape:
        raise Unreadable(f"An array of shape {shape} is expected; yours has shape {array.shape}.")
    return array


def _array_of_tensors(value: Any) -> Any:
    """The array for a list of torch tensors; otherwise the complaint."""
    import numpy as np

    if isinstance(value, (list, tuple)) and value:
        rows = [from_torch(row) for row in value]
        if all(isinstance(row, np.ndarray) and row.dtype.kind in "fiu" for row in rows):
            if len({row.shape for row in rows}) == 1:
                return np.stack(rows)
    found = f"a list of {len(value)}" if isinstance(value, (list, tuple)) else type_name(value)
    raise Unreadable(f"Numbers in an array are expected; yours is {found}.")


def as_words(value: Any) -> list[str]:
    """A list of words out of any collection of texts; of a generator the first 10,000.

    Raises:
        Unreadable: for one text, for what is no collection, and for entries that are no texts.
    """
    if isinstance(value, (str, bytes)) or not isinstance(value, Iterable):
        raise Unreadable(f"A list of words is expected; yours is {short(value)}.")
    if hasattr(value, "tolist"):
        value = value.tolist()
        if not isinstance(value, list):
            raise Unreadable(f"A list of words is expected; yours is {short(value)}.")
    items = [as_scalar(item) for item in itertools.islice(value, 10_000)]
    odd = [item for item in items if not isinstance(item, str)]
    if odd:
        raise Unreadable(f"A list of words is expected; yours has {short(odd[0])} in it.")
    return items


def from_torch(value: Any) -> Any:
    """A numpy array for a torch tensor, whatever its device and precision; others unchanged."""
    torch = sys.modules.get("torch")  # a tensor cannot exist unless somebody imported torch
    if torch is None or not isinstance(value, torch.Tensor):
        return value
    plain = value.detach()
    if plain.layout is not torch.strided:
        plain = plain.to_dense()
    if plain.dtype in (torch.bfloat16, torch.float16):
        plain = plain.float()
    return plain.cpu().numpy()


def numeric_forms(nested: list[Any], scalar: bool = False) -> dict[str, Any]:
    """The same numbers as list, tuple, numpy float32 and torch tensor."""
    import numpy as np

    forms: dict[str, Any] = {
        "list": nested,
        "tuple": _as_tuples(nested),
        "numpy float32": np.float32(nested[0]) if scalar else np.array(nested, np.float32),
    }
    try:
        import torch
    except ImportError:
        return forms
    source = nested[0] if scalar else nested
    forms["torch tensor"] = torch.tensor(source, dtype=torch.float32, requires_grad=True)
    return forms


def _as_tuples(nested: Any) -> Any:
    return tuple(_as_tuples(item) for item in nested) if isinstance(nested, list) else nested


# ── comparing ────────────────────────────────────────────────────────────────────────────────────


def close(left: float, right: float, rtol: float, atol: float) -> bool:
    """|left - right| <= atol + rtol |right|."""
    return abs(left - right) <= atol + rtol * abs(right)


def same_array(left: Any, right: Any, rtol: float = 1e-3, atol: float = 1e-5) -> bool:
    """Same shape and close in every entry."""
    import numpy as np

    return left.shape == right.shape and bool(np.allclose(left, right, rtol=rtol, atol=atol))


def same_value(left: Any, right: Any, rtol: float = 1e-3, atol: float = 1e-5) -> bool:
    """Equality across containers: numbers and arrays by tolerance, the rest by value."""
    if left is right:
        return True
    if left is None or right is None:
        return False
    if isinstance(right, Mapping):
        return (
            isinstance(left, Mapping)
            and left.keys() == right.keys()
            and all(same_value(left[key], right[key], rtol, atol) for key in right)
        )
    if isinstance(right, (set, frozenset)):
        return isinstance(left, (set, frozenset)) and left == right
    try:
        return same_array(as_array(left), as_array(right), rtol, atol)
    except Unreadable:
        return _same_sequence(left, right, rtol, atol)


def _same_sequence(left: Any, right: Any, rtol: float, atol: float) -> bool:
    left, right = as_scalar(left), as_scalar(right)
    left = left.tolist() if hasattr(left, "tolist") else left
    right = right.tolist() if hasattr(right, "tolist") else right
    if isinstance(left, (list, tuple)) and isinstance(right, (list, tuple)):
        return len(left) == len(right) and all(
            same_value(a, b, rtol, atol) for a, b in zip(left, right, strict=True)
        )
    return type(left) is type(right) and bool(left == right)


def folded(value: Any) -> Any:
    """A text without the differences that do not count: case, outer spaces, Unicode form."""
    if not isinstance(value, str):
        return value
    return unicodedata.normalize("NFC", value).strip().casefold()


# ── words about values ───────────────────────────────────────────────────────────────────────────


def type_name(value: Any) -> str:
    """The type in a learner's words."""
    names = {
        "str": "a text",
        "bytes": "bytes",
        "list": "a list",
        "tuple": "a tuple",
        "dict": "a dict",
        "set": "a set",
        "frozenset": "a set",
        "bool": "True or False",
        "int": "a whole number",
        "float": "a number",
        "complex": "a complex number",
        "ndarray": "an array",
        "Tensor": "a tensor",
        "function": "a function",
        "NoneType": "None",
    }
    name = type(value).__name__
    return names.get(name, f"an object of type {name}")


def form_of(value: Any) -> str:
    """Type and shape, coarse enough that a list and an array of the same numbers agree."""
    if value is None or isinstance(value, (str, Mapping, set, frozenset)):
        return type_name(value)
    try:
        array = as_array(value, finite=False)
    except Unreadable:
        if isinstance(value, (list, tuple)):
            return f"a list of {len(value)}"  # to compare; `described` says it to learners
        return type_name(value)
    return "a number" if array.ndim == 0 else f"an array of shape {array.shape}"


def described(value: Any) -> str:
    """`form_of` as a learner is told it: a list is called a list, and what is in it is said."""
    if not isinstance(value, (list, tuple)):
        return form_of(value)
    kind = type_name(value)
    if value and all(isinstance(item, str) for item in value):
        return f"{kind} of {len(value)} text{'s' * (len(value) > 1)}"
    try:
        array = as_array(value, finite=False)
    except Unreadable:
        return f"{kind} of {len(value)}"
    if array.ndim == 1:
        return f"{kind} of {len(value)} number{'s' * (len(value) != 1)}"
    return f"{kind} of shape {array.shape}"


def not_finite(value: Any) -> str:
    """What most often makes nan or infinity, as a sentence; empty where all numbers are finite."""
    import numpy as np

    try:
        array = as_array(value, finite=False)
    except Unreadable:
        return ""
    for name, found, source in (
        ("nan (not a number)", np.isnan(array), "a mean of nothing or from 0 / 0"),
        ("infinite", np.isinf(array), "a division by 0 or from the logarithm of 0"),
    ):
        if found.any():
            count = f"{int(found.sum())} of {array.size} entries are" if array.ndim else "It is"
            return f"{count} {name}: that most often comes from {source}."
    return ""


def short(value: Any, length: int = 80) -> str:
    """A repr that fits in a sentence; big arrays by shape. Never raises."""
    try:
        array = from_torch(value)
        if hasattr(array, "shape") and hasattr(array, "size") and array.size > 9:
            return f"an array of shape {tuple(array.shape)}"
        text = repr(array.tolist() if hasattr(array, "tolist") else array)
    except Exception:  # a broken __repr__ is the learner's, not ours
        return type_name(value)
    text = " ".join(text.split())
    return text if len(text) <= length else text[: length - 1] + "…"


def brief(error: BaseException | None) -> str:
    """An exception as one line: its kind and what it says."""
    if error is None:
        return "an error"
    try:
        text = " ".join(str(error).split())
    except Exception:
        text = ""
    name = type(error).__name__
    return f"{name}: {text[:160]}" if text else name


def quietly(question: Callable[[], bool]) -> bool:
    """The answer to a yes-no question about a learner's object; no when asking fails."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            return bool(question())
    except Exception:  # an object whose comparison fails is no match
        return False
