"""`python -m xlhelpers.build.grammar check|show|tags CODE …`, for authors of grammar files."""

from __future__ import annotations

import argparse
import json
import random
import re
import sys
from collections import Counter
from collections.abc import Iterator, Sequence

from xlhelpers.build.grammar import check, load_world, read, realise
from xlhelpers.build.grammar.check import untagged
from xlhelpers.build.grammar.language import Fault, Grammar
from xlhelpers.build.grammar.sampling import plausible
from xlhelpers.build.grammar.world import GrammarError, folder
from xlhelpers.errors import CourseError

_SHOWN = 200


def show(
    grammar: Grammar,
    template: str,
    n: int = 5,
    seed: int | None = None,
    beside: Grammar | None = None,
) -> Iterator[str]:
    """Yield n random sentences of a template; in the news with entities and tags.

    Args:
        seed: repeats what was shown.
        beside: a second language that says the same below each, in its first wording.

    Raises:
        GrammarError: no such template, or a form is missing.
    """
    if template not in grammar.world.templates:
        raise GrammarError(f"there is no template {template!r}", "name one of world.toml")
    rng = random.Random(None if seed is None else f"{seed} {template}")
    for _ in range(n):
        meaning = plausible(grammar.world, grammar.world.templates[template], rng)
        sentence = realise(meaning, grammar, rng, writer=rng.choice("mf"))
        yield sentence.text
        if beside is not None:
            yield f"    {realise(meaning, beside).text}"
        if sentence.upos:
            rows = zip(sentence.tokens, sentence.upos, sentence.entities, strict=True)
            tagged = (f"{t}/{u}" + ("" if e == "O" else f"[{e}]") for t, u, e in rows)
            yield "    " + " ".join(tagged)


def _check(codes: Sequence[str]) -> int:
    bad = 0
    for code in codes or sorted(f.stem for f in folder().glob("??.toml")):
        faults = check(read(code, load_world()))
        real = [fault for fault in faults if not fault.note]
        for fault in _few(faults):
            print(fault)
        print(f"{code}: {len(real)} faults, {len(faults) - len(real)} notes")
        bad += len(real)
    return 1 if bad else 0


def _few(faults: Sequence[Fault]) -> Iterator[str]:
    """Yield the first faults; a file in the making has hundreds of rows missing."""
    missing = Counter(f.where.split()[1] for f in faults if f.problem == "is missing")
    for table, count in missing.items():
        yield f"{table}: {count} rows are missing"
    rest = [fault for fault in faults if fault.problem != "is missing"]
    few = [fault for fault in faults if fault.problem == "is missing"]
    yield from map(str, [*few, *rest] if len(few) <= 20 else [*few[:20], *rest][:_SHOWN])
    if len(rest) > _SHOWN:
        yield f"… and {len(rest) - _SHOWN} more"


def _tags(code: str) -> int:
    """Print the words that [tags] lacks as rows to be filled; exit status 1 where there are any."""
    missing = untagged(read(code, load_world()))
    for word, where in sorted(missing.items()):
        key = word if re.fullmatch("[a-z0-9_-]+", word) else json.dumps(word, ensure_ascii=False)
        print(f'{key} = ""  # {where}')
    return 1 if missing else 0


def _show(code: str, templates: Sequence[str], n: int, seed: int | None, beside: str | None) -> int:
    grammar = read(code, load_world())
    other = read(beside, grammar.world) if beside else None
    for name in _templates(grammar, templates):
        print(f"── {name}")
        try:
            for line in show(grammar, name, n, seed, other):
                print(line)
        except GrammarError as error:
            print(f"   {error.problem} ({error.remedy})")
    return 0


def _templates(grammar: Grammar, names: Sequence[str]) -> list[str]:
    """Return templates by full name, short name or domain; all without names."""
    known = list(grammar.world.templates)
    wanted = [t for t in known if not names or {t, *t.split(".")} & set(names)]
    if not wanted:
        raise GrammarError(f"there is no template {' '.join(names)}", "name some of world.toml")
    return wanted


def main(argv: Sequence[str] | None = None) -> int:
    """Run one command; exit status 1 where a file has faults."""
    parser = argparse.ArgumentParser(prog="python -m xlhelpers.build.grammar", description=__doc__)
    commands = parser.add_subparsers(dest="command", required=True)
    checking = commands.add_parser("check", help="list what is wrong with files")
    checking.add_argument("codes", nargs="*", help="language codes (default: all)")
    showing = commands.add_parser("show", help="print random sentences")
    showing.add_argument("code")
    showing.add_argument("templates", nargs="*", help="review.plain, plain or review")
    showing.add_argument("--n", type=int, default=3, help="sentences a template")
    showing.add_argument("--seed", type=int, help="repeat what you saw")
    showing.add_argument("--beside", metavar="CODE", help="say the same in a second language")
    tagging = commands.add_parser("tags", help="print the words that have no part of speech")
    tagging.add_argument("code")
    given = parser.parse_args(argv)
    if given.command == "check":
        return _check(given.codes)
    if given.command == "tags":
        return _tags(given.code)
    return _show(given.code, given.templates, given.n, given.seed, given.beside)


if __name__ == "__main__":
    try:
        sys.exit(main())
    except CourseError as error:
        print(error, file=sys.stderr)
        sys.exit(1)
