"""What may come in over HTTP and what goes out: limits, parsing, errors. No Ray in here.

Everything that can be refused without a model is refused here, with a status and a sentence that
names the remedy. No error repeats a text.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import math
import re
import uuid
from collections.abc import AsyncIterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from xlhelpers.serving._errors import ServingError
from xlhelpers.serving._service import SURROGATE

_ID = re.compile(r"[\x21-\x7e]{1,128}")
_EXAMPLE = '{"texts": ["The soup was cold."], "languages": ["en"]}'
_KEYS = ("texts", "languages")
_DISCARDED = 16 * 2**20


@dataclass(frozen=True, slots=True)
class Limits:
    """What a client may ask for, and how long it may take; whatever is beyond is refused.

    Attributes:
        bytes: of a request's body; more is 413, whether announced or found while reading.
        texts: of a request; more is 413.
        characters: of a text, or of each of a pair; more is 413.
        serves: codes of the languages that are answered; another is 422. Empty for any.
        body_seconds: until the whole body has come; a slower client gets 408.
        seconds: from the whole body to the answer; then 504, and the work is called off.
        waiting: requests that wait in a gate for a free replica; one more gets 429 at once. One
            that is just being handed over counts, so that a burst of more may lose some although
            replicas are free.
        connections: requests inside the gate, slow clients included; one more gets 429.
        retry_after: seconds that a client is told to wait after 429 and 503.
    """

    bytes: int = 262_144
    texts: int = 64
    characters: int = 10_000
    serves: tuple[str, ...] = ()
    body_seconds: float = 10.0
    seconds: float = 30.0
    waiting: int = 128
    connections: int = 512
    retry_after: int = 1

    def __post_init__(self) -> None:
        for name in ("bytes", "texts", "characters", "waiting", "connections", "retry_after"):
            require_whole(name, getattr(self, name), 1)
        for name in ("body_seconds", "seconds"):
            require_number(name, getattr(self, name), zero=False)
        require_codes("serves", self.serves)


class Refused(Exception):
    """A request that is not answered.

    Attributes:
        status: of HTTP.
        problem, remedy: as in every error of the course.
        headers: that go with it.
    """

    def __init__(
        self, status: int, problem: str, remedy: str, headers: Mapping[str, str] | None = None
    ) -> None:
        self.status, self.problem, self.remedy = status, problem, remedy
        self.headers = dict(headers or {})
        super().__init__(problem)

    def json(self, id: str) -> dict[str, str]:
        """Return it as the body of a response."""
        return {"id": id, "error": self.problem, "remedy": self.remedy}


@dataclass(frozen=True, slots=True)
class Asked:
    """A request that has passed every check.

    Attributes:
        id: it travels with the texts to the model and back.
        texts: n texts, or pairs of texts.
        languages: n codes; None where the client does not know it.
    """

    id: str
    texts: tuple[str | tuple[str, str], ...] = field(repr=False)
    languages: tuple[str | None, ...]


def request_id(given: str | None) -> str:
    """Return the id that a client has given a request, or a new one.

    Raises:
        Refused: 400, it is longer than 128 characters or not of visible ASCII characters.
    """
    if given is None:
        return uuid.uuid4().hex
    if not _ID.fullmatch(given):
        raise Refused(
            400,
            "the header X-Request-ID is not 1 to 128 visible ASCII characters",
            "send a shorter one, or none: one is made then",
        )
    return given


def check_headers(headers: Mapping[str, str], limits: Limits) -> None:
    """Refuse by the headers alone what need not be read.

    Args:
        headers: names in lower case.

    Raises:
        Refused: 413 or 415.
    """
    # A form in a web page can send any other type to a service on the visitor's own machine.
    kind = headers.get("content-type", "").partition(";")[0].strip().lower()
    if kind != "application/json":
        raise Refused(415, "the body is not said to be JSON", "send Content-Type: application/json")
    if headers.get("content-encoding", "identity").strip().lower() != "identity":
        raise Refused(415, "the body is compressed", "send it as it is")
    length = headers.get("content-length", "0").strip()
    # Beyond 15 digits no number is needed, and Python refuses to make one of thousands.
    if length.isascii() and length.isdigit() and (len(length) > 15 or int(length) > limits.bytes):
        raise _too_big(limits)


async def read_body(chunks: AsyncIterable[bytes], limits: Limits) -> bytes:
    """Return a body that comes in parts; no more of it is kept than is allowed.

    Raises:
        Refused: 408, it has not come in time; 413, it is too big.
    """
    out = bytearray()
    try:
        async with asyncio.timeout(limits.body_seconds):
            async for chunk in chunks:
                out += chunk
                if len(out) > limits.bytes:
                    raise _too_big(limits)
    except TimeoutError:
        raise Refused(
            408,
            f"the body has not come within {limits.body_seconds:g} seconds",
            "send it at once, or in smaller requests",
            {"Connection": "close"},
        ) from None
    return bytes(out)


async def discard(chunks: AsyncIterable[bytes], limits: Limits) -> None:
    """Read what is left of a body that is refused, and keep nothing of it.

    A connection that is closed while its client still sends is reset, and a reset can take the
    answer along: the client would never learn why. So it is heard out, for as long as a body may
    take and up to 16 MB.
    """
    left = _DISCARDED
    with contextlib.suppress(TimeoutError):
        async with asyncio.timeout(limits.body_seconds):
            async for chunk in chunks:
                left -= len(chunk)
                if left < 0:
                    return


def parse(body: bytes, id: str, limits: Limits) -> Asked:
    """Return what a body asks.

    Raises:
        Refused: 400, no JSON in UTF-8; 413, too many or too long texts; 422, another shape, or
            a language that is not served.
    """
    try:
        found = json.loads(body.decode("utf-8"))
    except UnicodeDecodeError as error:
        raise Refused(
            400, f"byte {error.start} of the body is not UTF-8", "encode the body as UTF-8"
        ) from None
    except (ValueError, RecursionError) as error:
        where = f" at character {error.pos}" if isinstance(error, json.JSONDecodeError) else ""
        raise Refused(400, f"the body is no JSON{where}", f"send such as {_EXAMPLE}") from None
    if not isinstance(found, dict) or "texts" not in found:
        raise _wrong('the body is no object with "texts"')
    if strange := sorted(set(found) - set(_KEYS)):
        raise _wrong(f"the body has {len(strange)} key(s) beside {' and '.join(_KEYS)}")
    texts = _texts(found["texts"], limits)
    return Asked(id, texts, _languages(found.get("languages"), len(texts), limits))


# ── inside ───────────────────────────────────────────────────────────────────────────────


def _texts(given: Any, limits: Limits) -> tuple[str | tuple[str, str], ...]:
    if not isinstance(given, list) or not given:
        raise _wrong('"texts" is no list with a text in it')
    if len(given) > limits.texts:
        raise Refused(
            413,
            f"there are {len(given)} texts, and at most {limits.texts} are read at once",
            "send several requests",
        )
    return tuple(_text(i, text, limits) for i, text in enumerate(given))


def _text(index: int, given: Any, limits: Limits) -> str | tuple[str, str]:
    sides = given if isinstance(given, list) and len(given) == 2 else [given]
    for side in sides:
        if not isinstance(side, str):
            raise _wrong(f"texts[{index}] is neither a text nor a pair of texts")
        if len(side) > limits.characters:
            raise Refused(
                413,
                f"texts[{index}] has {len(side)} characters, and at most {limits.characters} "
                "are read",
                "divide it",
            )
        if SURROGATE.search(side):
            raise _wrong(f"texts[{index}] has half of a character (a lone surrogate)")
    return sides[0] if len(sides) == 1 else (sides[0], sides[1])


def _languages(given: Any, count: int, limits: Limits) -> tuple[str | None, ...]:
    if given is None:
        return (None,) * count
    if not isinstance(given, list) or len(given) != count:
        raise _wrong(f'"languages" is no list of {count}, one for each text (null: not known)')
    for i, code in enumerate(given):
        if code is None:
            continue
        if not isinstance(code, str) or not re.fullmatch(r"[A-Za-z][A-Za-z0-9-]{1,34}", code):
            raise _wrong(f'languages[{i}] is no code such as "de"')
        if limits.serves and code not in limits.serves:
            raise Refused(
                422,
                f"languages[{i}] is {code!r}, which is not served",
                f"served are {', '.join(limits.serves)}; null where it is not known",
            )
    return tuple(given)


def _wrong(problem: str) -> Refused:
    return Refused(422, problem, f"send such as {_EXAMPLE}")


def _too_big(limits: Limits) -> Refused:
    return Refused(
        413, f"the body has more than {limits.bytes} bytes", "send several smaller requests"
    )


# ── checks of settings, shared with app ──────────────────────────────────────────────────


def require_whole(name: str, value: Any, least: int) -> None:
    """Raise a ServingError unless a value is a whole number from `least`."""
    if isinstance(value, bool) or not isinstance(value, int) or value < least:
        raise ServingError(f"{name} is {value!r}", f"choose a whole number from {least}")


def require_number(name: str, value: Any, *, zero: bool) -> None:
    """Raise a ServingError unless a value is a finite number above 0, or 0 where that will do."""
    good = isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value)
    if not good or value < 0 or (value == 0 and not zero):
        raise ServingError(f"{name} is {value!r}", "choose a number above 0")


def require_codes(name: str, value: Any) -> None:
    """Raise a ServingError unless a value is a tuple of codes."""
    if not isinstance(value, tuple) or not all(isinstance(code, str) and code for code in value):
        raise ServingError(f"{name} is {value!r:.60}", "give codes of languages: ('de', 'en')")
