"""What a data set is handed out as: rows in columns, with ids that run through all languages."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, ClassVar, Generic, Self, TypeVar, cast, overload

from xlhelpers.errors import CourseError

if TYPE_CHECKING:
    import pandas as pd


class DatasetError(CourseError):
    """The data asked for does not exist or is not what it should be."""


@dataclass(frozen=True, kw_only=True, repr=False)
class Table:
    """Rows of one task, language and split; what `Labelled`, `Tagged` and `Pairs` share.

    `len(data)`, `data[3]` (a row, as a dict), `data[10:20]`, iteration over rows, `subset` and
    `frame` work alike for all three. Columns are tuples of one length: nothing changes them.

    Attributes:
        ids: one a row, unique; the same id says the same in every language.
        names: what the labels or tags are called, in the order of their numbers.
        held: what training text never had (`"pair"`, `"template"`, `"scene"`), or `""`.
        language: language code.
        source: where the rows come from.
    """

    ids: tuple[str, ...]
    names: tuple[str, ...]
    held: tuple[str, ...]
    language: str
    source: str

    # The columns, by attribute, and what a row calls them.
    _columns: ClassVar[Mapping[str, str]] = {"ids": "id", "held": "held"}

    def __post_init__(self) -> None:
        for column in self._columns:
            if len(getattr(self, column)) != len(self.ids):
                raise DatasetError(
                    f"{self.source}: {len(getattr(self, column))} {column} for {len(self.ids)} ids",
                    "give every column one value a row",
                )
        twice = [id_ for id_, times in Counter(self.ids).items() if times > 1]
        if twice:
            raise DatasetError(f"{self.source}: the id {twice[0]!r} occurs twice", "number anew")

    def __len__(self) -> int:
        return len(self.ids)

    def __iter__(self) -> Iterator[dict[str, Any]]:
        return (self[i] for i in range(len(self)))

    @overload
    def __getitem__(self, index: int) -> dict[str, Any]: ...
    @overload
    def __getitem__(self, index: slice) -> Self: ...
    def __getitem__(self, index: int | slice) -> dict[str, Any] | Self:
        """Return one row as a dict, or the rows of a slice."""
        if isinstance(index, slice):
            return self._take(range(len(self))[index])
        return {name: getattr(self, column)[index] for column, name in self._columns.items()}

    def __repr__(self) -> str:
        kind = type(self).__name__
        return f"{kind}({len(self)} rows, {self.language}, {self.source})"

    def subset(self, keep: Iterable[bool] | Iterable[str]) -> Self:
        """Return some of the rows.

        Args:
            keep: a mask, one truth value a row (list, numpy array, pandas column), or ids. With
                ids in a list the rows come in that order; with a set, in their own.

        Raises:
            DatasetError: the mask has another length, an id is unknown or asked for twice, or
                it is neither of the two.
        """
        # numpy and pandas give Python's own values through `tolist`.
        kept = cast(Any, keep).tolist() if hasattr(keep, "tolist") else keep
        if isinstance(kept, (set, frozenset)):
            return self._by_ids(sorted(kept, key=self._positions(kept).__getitem__))
        kept = list(kept)
        if kept and all(isinstance(item, bool) for item in kept):
            if len(kept) != len(self):
                raise DatasetError(
                    f"a mask of {len(kept)} values for {len(self)} rows",
                    "make it from the same data set that it is used on",
                )
            return self._take([i for i, wanted in enumerate(kept) if wanted])
        return self._by_ids(kept)

    def frame(self) -> pd.DataFrame:
        """Return the rows as a pandas table, one column each, and the language."""
        import pandas as pd

        columns = {name: list(getattr(self, column)) for column, name in self._columns.items()}
        return pd.DataFrame(columns).assign(language=self.language)

    def _by_ids(self, wanted: list[str]) -> Self:
        positions = self._positions(wanted)
        if len(positions) < len(wanted):
            twice = next(id_ for id_, times in Counter(wanted).items() if times > 1)
            raise DatasetError(f"the id {twice!r} is asked for twice", "name every row once")
        return self._take([positions[id_] for id_ in wanted])

    def _positions(self, wanted: Collection[str]) -> dict[str, int]:
        places = {id_: i for i, id_ in enumerate(self.ids)}
        for id_ in wanted:
            if not isinstance(id_, str):
                raise DatasetError(
                    f"{id_!r} is neither a truth value nor an id",
                    "give a mask, or ids; for rows by number: [data.ids[i] for i in numbers]",
                )
            if id_ not in places:
                raise DatasetError(
                    f"{self.source} has no row {id_!r}", "data.ids lists the ids that there are"
                )
        return {id_: places[id_] for id_ in wanted}

    def _take(self, positions: Iterable[int]) -> Self:
        places = list(positions)
        changes: dict[str, Any] = {
            column: tuple(getattr(self, column)[i] for i in places) for column in self._columns
        }
        return replace(self, **changes)


@dataclass(frozen=True, kw_only=True, repr=False)
class Labelled(Table):
    """Texts with one label each.

    Attributes:
        texts: one a row.
        labels: names such as `"negative"`, one a row; all of them are in `names`.
    """

    texts: tuple[str, ...]
    labels: tuple[str, ...]

    _columns: ClassVar[Mapping[str, str]] = {
        "ids": "id",
        "texts": "text",
        "labels": "label",
        "held": "held",
    }


@dataclass(frozen=True, kw_only=True, repr=False)
class Pairs(Table):
    """Premises and hypotheses with one label a pair.

    Attributes:
        premises, hypotheses: one each a row.
        labels: `"entailment"`, `"neutral"` or `"contradiction"`, one a row.
    """

    premises: tuple[str, ...]
    hypotheses: tuple[str, ...]
    labels: tuple[str, ...]

    _columns: ClassVar[Mapping[str, str]] = {
        "ids": "id",
        "premises": "premise",
        "hypotheses": "hypothesis",
        "labels": "label",
        "held": "held",
    }

    @property
    def pairs(self) -> list[tuple[str, str]]:
        """Every (premise, hypothesis), as tokenizers take them."""
        return list(zip(self.premises, self.hypotheses, strict=True))


@dataclass(frozen=True, kw_only=True, repr=False)
class Tagged(Table):
    """Sentences in words with one entity tag a word.

    Attributes:
        texts: the sentences as written.
        sentences: their words, one tuple a sentence.
        tags: IOB2 (`"B-PER"`, `"I-PER"`, `"O"` ...), one a word.
        upos: universal part-of-speech tags, one a word; empty tuples where a set has none.
        name_marks: `"unseen"` where training text never has at least one of the sentence's
            names, `"seen"`, or `""` where that is not known.
    """

    texts: tuple[str, ...]
    sentences: tuple[tuple[str, ...], ...]
    tags: tuple[tuple[str, ...], ...]
    upos: tuple[tuple[str, ...], ...]
    name_marks: tuple[str, ...]

    _columns: ClassVar[Mapping[str, str]] = {
        "ids": "id",
        "texts": "text",
        "sentences": "words",
        "tags": "tags",
        "upos": "upos",
        "held": "held",
        "name_marks": "names",
    }


T = TypeVar("T", bound=Table)


class Parallel(Mapping[str, T], Generic[T]):
    """Rows that say the same, in the same order, by language: `rows["de"][3]`, `rows["sw"][3]`.

    Attributes:
        ids: the ids that all languages share, in the order of the first.
        source: where the rows come from.
    """

    def __init__(self, tables: Mapping[str, T]) -> None:
        """Keep what all tables share.

        Raises:
            DatasetError: there is no table, no id is shared, or the same id has different
                labels: then the ids do not say the same.
        """
        if not tables:
            raise DatasetError("no language was named", 'name some, such as ["en", "de"]')
        shared = set.intersection(*(set(table.ids) for table in tables.values()))
        first = next(iter(tables.values()))
        if not shared:
            raise DatasetError(
                f"the rows of {', '.join(tables)} have no id in common",
                "use sets of one task and split, whose ids run through the languages",
            )
        self.ids = tuple(id_ for id_ in first.ids if id_ in shared)
        self.source = first.source
        self._tables = {code: table.subset(self.ids) for code, table in tables.items()}
        self._compare_labels()

    def __getitem__(self, language: str) -> T:
        if language in self._tables:
            return self._tables[language]
        raise DatasetError(
            f"these rows have no language {language!r}",
            f"they have {', '.join(self._tables)}; name more when you ask for them",
        )

    def __contains__(self, language: object) -> bool:
        return language in self._tables

    def __iter__(self) -> Iterator[str]:
        return iter(self._tables)

    def __len__(self) -> int:
        """Return the number of languages; the number of rows is `len(rows.ids)`."""
        return len(self._tables)

    def __repr__(self) -> str:
        return f"Parallel({len(self.ids)} rows in {', '.join(self)}; {self.source})"

    def texts(self, distinct: bool = True) -> dict[str, list[str]]:
        """Return plain texts by language, as retrieval takes them: place i says the same in all.

        Of pairs, premise and hypothesis count as two texts.

        Args:
            distinct: leave out what any of the languages has said before. Without that, a
                retrieval of translations is punished for finding the other copy.
        """
        columns = [_texts(table) for table in self._tables.values()]
        seen: list[set[str]] = [set() for _ in columns]
        kept: list[tuple[str, ...]] = []
        for row in zip(*columns, strict=True):
            new = all(text not in said for text, said in zip(row, seen, strict=True))
            if new or not distinct:
                kept.append(row)
                for text, said in zip(row, seen, strict=True):
                    said.add(text)
        return {code: [row[i] for row in kept] for i, code in enumerate(self._tables)}

    def _compare_labels(self) -> None:
        first, *others = self._tables.items()
        wanted = getattr(first[1], "labels", ())
        for code, table in others:
            for id_, ours, theirs in zip(
                self.ids, wanted, getattr(table, "labels", ()), strict=False
            ):
                if ours != theirs:
                    raise DatasetError(
                        f"{id_} is {ours!r} in {first[0]} and {theirs!r} in {code}: the ids do not "
                        "run through these languages",
                        "do not use these sets as parallel rows, and report it",
                    )


def _texts(table: Table) -> list[str]:
    if isinstance(table, Pairs):
        return [text for pair in table.pairs for text in pair]
    return list(cast("Labelled | Tagged", table).texts)
