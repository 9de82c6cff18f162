"""lingua among the course's twelve languages: how often right, and what saying nothing buys.

    python benchmarks/language_id.py --write benchmarks/language_id.md

Texts of the twelve: the hand-written set (reviews, news, premises and hypotheses), whole and cut
to 1, 2, 3 and 5 words in a row (of Chinese, 2 signs a word), drawn with a fixed seed. Texts of
other languages: the everyday sentences in nine more, whole and cut likewise. Intervals are
Wilson's. Rows of different languages say the same, and so are not independent: across languages
the true intervals are somewhat wider. The defaults of `LanguageIdentifier` are round numbers
that were chosen with these tables in sight. Writes Markdown.
"""

from __future__ import annotations

import argparse
import random
import time
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path

import _common

from xlhelpers import datasets
from xlhelpers.alignment.evaluation import wilson
from xlhelpers.serving.identification import Detection, LanguageIdentifier

CODES = tuple("ar de en es fr hi nl pt ru sw yo zh".split())
WORDS = (0, 5, 3, 2, 1)
THRESHOLDS = (0.0, 0.5, 0.7, 0.9, 0.99)
Rows = list[tuple[str, Detection]]


def cut(text: str, words: Sequence[str], n: int, gap: str, rng: random.Random) -> str | None:
    """Return n words in a row, the whole text for 0, or None where there are fewer."""
    if n == 0:
        return text
    if len(words) < n:
        return None
    start = rng.randrange(len(words) - n + 1)
    return gap.join(words[start : start + n])


def served(n: int, limit: int | None) -> Iterable[tuple[str, str]]:
    """Texts in the twelve languages, with their code."""
    for code in CODES:
        rng = random.Random(f"{code} {n}")
        texts = [row["text"] for row in datasets.handwritten("sentiment", code)]
        texts += [row["text"] for row in datasets.handwritten("ner", code)]
        pairs = datasets.handwritten("nli", code)
        texts += [row[side] for side in ("premise", "hypothesis") for row in pairs]
        for text in texts[:limit]:
            words, gap = text.split(), " "
            if code == "zh":
                signs = [sign for sign in text if sign.isalnum()]
                words = ["".join(signs[i : i + 2]) for i in range(0, len(signs) - 1, 2)]
                gap = ""
            found = cut(text, words, n, gap, rng)
            if found is not None:
                yield code, found


def others(n: int, limit: int | None) -> Iterable[tuple[str, str]]:
    """Texts in nine languages that are not served, with their code."""
    words = datasets.everyday_words()
    for code, texts in datasets.everyday().items():
        if code in CODES:
            continue
        rng = random.Random(f"{code} {n}")
        gap = "" if code in ("ja", "th") else " "
        for text, own in list(zip(texts, words[code], strict=True))[:limit]:
            found = cut(text, own, n, gap, rng)
            if found is not None:
                yield code, found


def mixed(limit: int | None) -> Iterable[tuple[str, str]]:
    """A hand-written text in one language, followed by one in another."""
    texts = {c: [row["text"] for row in datasets.handwritten("sentiment", c)] for c in CODES}
    rng = random.Random("mixed")
    for _ in range(1000 if limit is None else limit):
        one, other = rng.sample(CODES, 2)
        yield "mixed", f"{rng.choice(texts[one])} {rng.choice(texts[other])}"


def share(k: int, n: int) -> str:
    """A percentage with its interval."""
    if not n:
        return "–"
    low, high = wilson(k, n)
    return f"{100 * k / n:.1f} ({100 * low:.1f} to {100 * high:.1f})"


def table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """A Markdown table."""
    lines = [head, ["---"] * len(head), *rows]
    return "\n".join("| " + " | ".join(line) + " |" for line in lines)


def asked(identifier: LanguageIdentifier, texts: Iterable[tuple[str, str]]) -> Rows:
    """What an identifier says of texts."""
    return [(code, identifier.identify(text)) for code, text in texts]


def name(n: int) -> str:
    return "whole" if n == 0 else f"{n} word{'s' if n > 1 else ''}"


def forced(rows: dict[int, Rows]) -> str:
    """Accuracy where an answer is forced, by language."""
    head = ["read", "texts", "all", *CODES]
    body = []
    for n, found in rows.items():
        right = [code == one.guess for code, one in found]
        by = [
            f"{100 * sum(r for r, (c, _) in zip(right, found, strict=True) if c == code) / m:.0f}"
            for code in CODES
            if (m := sum(c == code for c, _ in found))
        ]
        body.append([name(n), str(len(found)), share(sum(right), len(found)), *by])
    return table(head, body)


def rejecting(inside: dict[int, Rows], outside: dict[int, Rows], gated: bool) -> str:
    """What is kept, how often it is right and what is let in, by threshold."""
    head = ["read", "least confidence", "kept, of ours", "right, of these", "let in, of others"]
    body = []
    for n in inside:
        for least in THRESHOLDS:
            keeps: Callable[[Detection], bool] = lambda one, least=least: (  # noqa: E731
                one.confidence > least and (not gated or one.outside < 0.99)
            )
            kept = [(code, one) for code, one in inside[n] if keeps(one)]
            right = sum(code == one.guess for code, one in kept)
            wrongly = sum(keeps(one) for _, one in outside[n])
            body.append(
                [name(n), f"{least:g}", share(len(kept), len(inside[n])), share(right, len(kept)),
                 share(wrongly, len(outside[n]))]
            )  # fmt: skip
    return table(head, body)


def verdicts(groups: dict[str, Rows]) -> str:
    """How often each verdict falls, with the defaults."""
    names = ("accepted", "unserved", "mixed", "too short", "unsure", "wordless")
    head = ["texts", "number", *names, "right, of accepted"]
    body = []
    for title, rows in groups.items():
        count = {v: sum(one.verdict == v for _, one in rows) for v in names}
        right = sum(code == one.language for code, one in rows)
        cells = [f"{100 * count[v] / len(rows):.1f}" for v in names]
        ours = any(code in CODES for code, _ in rows)
        body.append(
            [title, str(len(rows)), *cells, share(right, count["accepted"]) if ours else "–"]
        )
    return table(head, body)


def main() -> None:
    made = argparse.ArgumentParser(description=__doc__)
    made.add_argument("--write", type=Path, help="file for the tables")
    made.add_argument("--limit", type=int, help="texts a language, to try it out")
    options = made.parse_args()
    identifier = LanguageIdentifier(CODES)
    identifier.identify("Das lädt die Modelle.")
    cpu = time.process_time()
    inside = {n: asked(identifier, served(n, options.limit)) for n in WORDS}
    seconds = (time.process_time() - cpu) / sum(map(len, inside.values()))
    outside = {n: asked(identifier, others(n, options.limit)) for n in WORDS}
    groups = {f"ours, {name(n)}": rows for n, rows in inside.items()}
    groups |= {f"others, {name(n)}": rows for n, rows in outside.items()}
    groups["two of ours in one"] = asked(identifier, mixed(options.limit))
    text = "\n\n".join(
        [
            "# lingua among twelve languages",
            f"`python benchmarks/language_id.py`. {_common.machine(1).partition(' Medians')[0]} "
            f"{1000 * seconds:.2f} CPU-ms a text, peak memory of the process "
            f"{_common.peak_bytes() / 1e6:.0f} MB. Per cent, with 95 % intervals.",
            "## An answer is forced", forced(inside),
            "## A threshold on the confidence among the twelve", rejecting(inside, outside, False),
            "## The same, when all 75 languages were asked before",
            rejecting(inside, outside, True),
            "## Verdicts, with the defaults", verdicts(groups),
        ]
    )  # fmt: skip
    print(text)
    if options.write is not None:
        options.write.write_text(text + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
