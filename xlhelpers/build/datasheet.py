"""The tables of `data/README.md`, filled from the files themselves."""

from __future__ import annotations

import re
from collections.abc import Iterator

from xlhelpers import assets, datasets, embeddings, files, languages, settings
from xlhelpers.errors import CourseError

_BLOCK = r"(<!-- table: {name} -->\n).*?(<!-- end -->)"


def datasheet_step() -> str:
    """Fill the tables of the datasheet; return one line on what was done."""
    file = settings.current().data / "README.md"
    page = file.read_text(encoding="utf-8")
    tables = {"vectors": _vectors(), "dictionaries": _dictionaries()}
    for name, lines in tables.items():
        page = _fill(page, name, "".join(f"{line}\n" for line in lines))
    files.write_text(file, page)
    return f"{len(tables)} tables of data/README.md"


def _fill(page: str, name: str, table: str) -> str:
    pattern = re.compile(_BLOCK.format(name=name), re.DOTALL)
    if not pattern.search(page):
        raise CourseError(
            f"data/README.md has no place for the table {name!r}",
            f"put <!-- table: {name} --> and <!-- end --> where it belongs",
        )
    return pattern.sub(lambda found: found[1] + table + found[2], page)


def _vectors() -> Iterator[str]:
    yield "| language | text | words of text | different | words kept | bytes |"
    yield "|---|---|---|---|---|---|"
    for name, asset in sorted(assets.manifest().items()):
        if not name.startswith("vectors/"):
            continue
        language, title, size = asset.note.split("; ")
        words, different = re.findall(r"\d[\d,]*\b", size)
        kept = len(embeddings.load_npz(assets.path(name)))
        yield f"| {language} | {title} | {words} | {different} | {kept:,} | {asset.bytes:,} |"


def _dictionaries() -> Iterator[str]:
    yield "| language | entries | of these names | pairs | test entries | spelled as in English |"
    yield "|---|---|---|---|---|---|"
    for code in datasets.dictionary_languages():
        # Not `lexicon`, which gives those of MUSE under the hub set.
        content = assets.read_bytes(f"dictionaries/en-{code}.tsv").decode("utf-8")
        whole = datasets.parse_lexicon(content, code)
        pairs = whole.pairs()
        test = sum(datasets.side(entry.word) == "test" for entry in whole)
        yield (
            f"| {languages.get(code).name} | {len(whole):,} | {sum(e.name for e in whole)} "
            f"| {len(pairs):,} | {test} "
            f"| {sum(a == b for a, b in pairs)} |"
        )
