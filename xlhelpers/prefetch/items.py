"""What is fetched, one row of the table each: a repository of the hub, vectors, dictionaries.

An item knows how large it is, what of it is there, and how the rest is brought in. The doors in
`hub` and `datasets` find it afterwards without asking anybody.
"""

from __future__ import annotations

import shutil
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Any

from xlhelpers import assets, files, hub, needs, net, settings, shelves
from xlhelpers.datasets import PUBLIC, WIKIPEDIA, PublicSet, public
from xlhelpers.errors import CourseError
from xlhelpers.needs import Need
from xlhelpers.prefetch import asking
from xlhelpers.prefetch.errors import PrefetchError
from xlhelpers.prefetch.places import Place, RepoFile, checksum


@dataclass
class Item:
    """Something that comes from elsewhere.

    Attributes:
        name: what the table says.
        needs: which needs it serves.
        place: where it goes.
        sources: where else on this machine it may lie already.
        count: of files.
        total, missing: bytes, and those of them that are to be fetched or copied.
        about: whether the sizes are estimates.
        problem: why it cannot be had; empty when all is well.
        done: what was done, once it has been.
        only_read: whether `place` is a folder that others have filled, and nothing is written.
    """

    name: str
    needs: tuple[Need, ...]
    place: Place
    sources: tuple[Place, ...] = ()
    count: int = 0
    total: int = 0
    missing: int = 0
    about: bool = False
    problem: PrefetchError | None = None
    done: str = ""
    only_read: bool = False

    @property
    def notebooks(self) -> tuple[str, ...]:
        """Numbers of the notebooks that need it, sorted."""
        return tuple(sorted({number for need in self.needs for number in needs.who_needs(need)}))

    @property
    def host(self) -> str:
        """Who is asked for it."""
        return shelves.endpoint()

    def ask(self) -> None:
        """Find out how large it is and what is missing.

        Raises:
            PrefetchError: it is gone, or its server cannot be asked.
        """
        raise NotImplementedError

    def there_at(self, place: Place) -> bool:
        """Whether the doors would find all of it in a place, without a network."""
        raise NotImplementedError

    def look(self, shared: Sequence[Place]) -> bool:
        """Whether all of it is in its place, or else in one of those that the doors read too."""
        for place in (self.place, *shared):
            if self.there_at(place):
                self.only_read = place != self.place
                self.place = place
                return True
        return False

    def measure(self) -> None:
        """Find out how large it is without asking anybody; all of it is there."""
        self.ask()

    def bring(self) -> str:
        """Fetch what is missing and compare all with its checksums; what was done, in words.

        Raises:
            PrefetchError: it could not be had whole.
        """
        raise NotImplementedError


@dataclass
class Repository(Item):
    """A model or a data set of the hub.

    Attributes:
        kind: `"model"` or `"dataset"`.
        repo: its id.
        files: what is wanted of it, once asked.
        branches: which revision is at which commit.
        conversion: pull request and commit of weights that are on no branch.
    """

    kind: str = "model"
    repo: str = ""
    files: list[RepoFile] = field(default_factory=list)
    branches: dict[str, str] = field(default_factory=dict)
    conversion: tuple[str, str] = ("", "")

    def ask(self) -> None:
        found: list[RepoFile] = []
        for need in self.needs:
            found += self._rows(need) if self.kind == "dataset" else self._model(need)
        self.files = list(dict.fromkeys(found))
        self.count = len(self.files)
        self.total = sum(file.bytes for file in self.files)
        self.missing = sum(file.bytes for file in self.files if self.place.find(file) is None)

    def _model(self, need: Need) -> list[RepoFile]:
        revision = need.parts[1] if len(need.parts) > 1 else "main"
        at = self.branches[revision] = self._commit(revision)
        found = asking.files("model", self.repo, at, "", hub.wanted_files(need.kind))
        if need.kind == "tokenizer" or any(file.path.endswith(".safetensors") for file in found):
            if found:
                return found
            raise asking.gone(self.repo, "holds no tokenizer")
        if len(need.parts) > 1:
            raise asking.gone(self.repo, "holds no safetensors")
        return self._converted()

    def _converted(self) -> list[RepoFile]:
        """The files of the pull request that the door takes where a branch has pickles only."""
        taken = hub.conversion_taken(self.repo)
        if taken is None:
            try:
                reference = hub.conversion(self.repo)
            except hub.HubError as error:
                raise PrefetchError(error.problem, error.remedy, network=True) from error
            if reference is None:
                raise asking.gone(self.repo, "holds no safetensors, and nobody offers them")
            taken = reference, asking.commit("model", self.repo, reference)
        self.conversion = taken
        return asking.files("model", self.repo, taken[1], "", hub.wanted_files("weights"))

    def _rows(self, need: Need) -> list[RepoFile]:
        read = public_set(self.repo)
        patterns = public.patterns(read, *need.parts[1:])
        folder, at = read.folders[need.parts[1]], read.revision
        found = asking.files("dataset", self.repo, at, folder, patterns)
        # The set has its files in one of two layouts; the door takes the first that it finds.
        for pattern in patterns:
            if fitting := [file for file in found if fnmatchcase(file.path, pattern)]:
                return fitting
        raise asking.gone(self.repo, f"has no longer the rows in {folder}")

    def _commit(self, revision: str) -> str:
        """The commit that is here already, else the hub's: a course does not change half-way."""
        for place in (self.place, *self.sources):
            if here := place.commit(self.kind, self.repo, revision):
                return here
        return asking.commit(self.kind, self.repo, revision)

    def there_at(self, place: Place) -> bool:
        return all(self._is_there(need, place.hub) for need in self.needs)

    def _is_there(self, need: Need, cache: Path) -> bool:
        if self.kind == "dataset":
            _, language, split = need.parts
            return bool(public.cached(public_set(self.repo), language, split, cache))
        revision = need.parts[1] if len(need.parts) > 1 else None
        return hub.cached(need.kind, self.repo, revision, cache) is not None

    def _folders(self, need: Need) -> tuple[str, Path, list[Path]]:
        """Name in the records, folder and files of a need that is there."""
        if self.kind == "dataset":
            _, language, split = need.parts
            there = public.cached(public_set(self.repo), language, split, self.place.hub)
            return public.label(public_set(self.repo), language), there[0].parent, there
        revision = need.parts[1] if len(need.parts) > 1 else None
        folder = hub.cached(need.kind, self.repo, revision, self.place.hub)
        assert folder is not None, "only asked where `there_at` has said yes"
        patterns = hub.wanted_files(need.kind)
        there = [file for pattern in patterns for file in folder.glob(pattern) if file.is_file()]
        return self.repo, folder, there

    def measure(self) -> None:
        there = {file for need in self.needs for file in self._folders(need)[2]}
        self.count, self.total = len(there), sum(file.stat().st_size for file in there)

    def _compare(self) -> str:
        """Compare what is there with the checksums that were noted when it was fetched."""
        with _cache_at(self.place.cache), _as_prefetch():
            for name, folder in {self._folders(need)[:2] for need in self.needs}:
                hub.compare_checksums(name, folder)
        return "there"

    def bring(self) -> str:
        if not self.files:  # nobody was asked, since all of it is there
            return self._compare()
        done = [self._one(file) for file in self.files]
        if self.only_read:
            return "there"
        for revision, at in self.branches.items():
            self.place.set_commit(self.kind, self.repo, revision, at)
        if self.conversion[0]:
            hub.note_conversion(self.repo, *self.conversion, cache=self.place.cache)
        self._note_checksums()
        for folder in {self.place.part(file).parent for file in self.files}:
            if folder.is_dir() and not any(folder.iterdir()):
                folder.rmdir()
        return _summed(done)

    def _one(self, file: RepoFile) -> str:
        """Put one file in place, if it is not there and right."""
        how = "fetched"
        if self.place.find(file) is not None:
            found = self.place.good(file)
            if found is not None:
                if found != self.place.snapshot(file):
                    self.place.point(file)
                return "there"
            if not self.only_read:
                self.place.remove(file)
            how = "fetched anew: it was altered"
        if self.only_read:
            raise _not_whole(self.place.snapshot(file))
        part = self.place.part(file)
        for source in self.sources:
            if (ready := source.good(file)) is not None:
                self._copied(file, ready, part)
                return "copied"
        self._downloaded(file, part)
        return how

    def _copied(self, file: RepoFile, ready: Path, part: Path) -> None:
        net.discard(part)
        part.parent.mkdir(parents=True, exist_ok=True)
        with net.room_for(part):
            shutil.copyfile(ready, part)
        if checksum(part, file.checksum) != file.checksum:
            net.discard(part)
            raise PrefetchError(f"{file.path} of {file.repo} came altered onto the other disk")
        self.place.put(file, part)

    def _downloaded(self, file: RepoFile, part: Path) -> None:
        # Twice: what an earlier attempt left may be of another version, and a line can flip bits.
        for _ in range(2):
            url, headers = file.url(shelves.endpoint()), shelves.http_headers()
            net.collect(url, part, expected=file.bytes, headers=headers)
            if checksum(part, file.checksum) == file.checksum:
                self.place.put(file, part)
                net.forget(part)
                return
            net.discard(part)
        raise PrefetchError(
            f"{file.path} of {file.repo} arrived altered, twice (its checksum differs from the "
            "hub's)",
            "nothing of it was kept; try another network, or run this again later",
        )

    def _note_checksums(self) -> None:
        """Where names of files tell nothing, leave the hub's checksums beside them."""
        folders: dict[tuple[str, Path], dict[str, str]] = {}
        for file in self.files:
            path = self.place.snapshot(file)
            if path.is_symlink():
                continue
            label, folder = self.repo, path.parents[file.path.count("/")]
            if self.kind == "dataset":
                label = public.label_of(public_set(self.repo), file.path)
                folder = path.parent
            digest = file.checksum if len(file.checksum) == 64 else files.sha256(path)
            folders.setdefault((label, folder), {})[path.relative_to(folder).as_posix()] = digest
        for (label, folder), digests in folders.items():
            hub.note_checksums(label, folder, digests, cache=self.place.cache)


@dataclass
class Vectors(Item):
    """The most frequent words of fastText's vectors in one language."""

    @property
    def _asked(self) -> tuple[str, int]:
        language, words = self.needs[0].parts
        return language, int(words)

    @property
    def host(self) -> str:
        return shelves.fasttext_endpoint()

    def ask(self) -> None:
        self.count, self.about = 1, True
        language, words = self._asked
        if self.there_at(self.place):
            self.about = False
            self.total = hub.vectors_file(language, words, self.place.cache).stat().st_size
            return
        self.total = asking.vectors_size(hub.vectors_url(language, words), words, self.name)
        self.missing = self.total

    def there_at(self, place: Place) -> bool:
        return hub.is_recorded(hub.vectors_file(*self._asked, place.cache))

    def bring(self) -> str:
        target = hub.vectors_file(*self._asked, self.place.cache)
        done = _from_elsewhere(self, target, [source.cache for source in self.sources])
        altered = target.exists() and not hub.is_unaltered(target)
        if altered and self.only_read:
            raise _not_whole(target)
        if self.only_read:
            return "there"
        with _cache_at(self.place.cache), _as_prefetch():
            hub.fasttext_vectors(*self._asked, refresh=altered)
        self.total = target.stat().st_size
        return "fetched anew: it was altered" if altered else done


@dataclass
class Dictionaries(Item):
    """Dictionaries of MUSE."""

    @property
    def host(self) -> str:
        return shelves.fasttext_endpoint()

    def ask(self) -> None:
        self.count = len(self.needs)
        self.total = self.missing = 0
        for need in self.needs:
            file = self._file(need, self.place)
            here = hub.is_recorded(file)
            size = file.stat().st_size if here else asking.size(self._url(need), file.name)
            self.total += size
            self.missing += 0 if here else size

    def there_at(self, place: Place) -> bool:
        return all(hub.is_recorded(self._file(need, place)) for need in self.needs)

    def bring(self) -> str:
        done = []
        for need in self.needs:
            target = self._file(need, self.place)
            altered = target.exists() and not hub.is_unaltered(target)
            if altered and self.only_read:
                raise _not_whole(target)
            if altered:  # first, so that one that is whole elsewhere is copied in its place
                target.unlink()
            how = _from_elsewhere(self, target, [source.cache for source in self.sources])
            if altered:
                how = "fetched anew: it was altered"
            if not self.only_read:
                with _cache_at(self.place.cache), _as_prefetch():
                    hub.muse_dictionary(*need.parts)
            done.append(how)
        return _summed(done)

    def _file(self, need: Need, place: Place) -> Path:
        source, target, split = need.parts
        return hub.muse_file(source, target, split, place.cache)

    def _url(self, need: Need) -> str:
        return hub.muse_url(*need.parts)


@dataclass
class Listed(Item):
    """A file of the course's own manifest that is too large for the repository."""

    @property
    def host(self) -> str:
        return assets.get(self.name).url

    def ask(self) -> None:
        asset = assets.get(self.name)
        self.count, self.total = 1, asset.bytes
        self.missing = 0 if self.there_at(self.place) else asset.bytes

    def there_at(self, place: Place) -> bool:
        with _cache_at(place.cache):
            return assets.get(self.name).file.is_file()

    def look(self, shared: Sequence[Place]) -> bool:
        # The door to these files reads its own cache only: they are copied there.
        return super().look(())

    def bring(self) -> str:
        asset, how = assets.get(self.name), "there"
        with _cache_at(self.place.cache):
            target = asset.file
        for source in self.sources:
            there = source.cache / target.relative_to(self.place.cache)
            if not target.exists() and there.is_file():
                with files.replacing(target) as temporary, net.room_for(target):
                    shutil.copyfile(there, temporary)
                how = "copied"
        with _cache_at(self.place.cache), _as_prefetch():
            done = assets.fetch([self.name])[self.name]
        return how if done == "already there" else "fetched"


def items(wanted: Iterable[Need], place: Place, sources: Sequence[Place] = ()) -> list[Item]:
    """Return what serves these needs, repositories first, in the order of their names."""
    groups: dict[tuple[str, str], list[Need]] = {}
    for need in sorted(set(wanted)):
        groups.setdefault(_group(need), []).append(need)
    made: list[Item] = []
    for (what, name), group in sorted(groups.items()):
        common: dict[str, Any] = {"needs": tuple(group), "place": place, "sources": tuple(sources)}
        if what in ("1 model", "2 dataset"):
            made.append(Repository(name, kind=what[2:], repo=name, **common))
        else:
            kind = {"3 vectors": Vectors, "4 dictionary": Dictionaries, "5 file": Listed}[what]
            made.append(kind(name, **common))
    return made


def public_set(repo: str) -> PublicSet:
    """Return the data set of the hub that has this id.

    Raises:
        PrefetchError: the course reads no such set.
    """
    for known in (*PUBLIC.values(), WIKIPEDIA):
        if known.id == repo:
            return known
    raise PrefetchError(f"the course reads no data set {repo}", "git checkout xlhelpers/needs.json")


def _group(need: Need) -> tuple[str, str]:
    if need.kind in ("tokenizer", "weights"):
        return "1 model", need.parts[0]
    if need.kind == "rows":
        return "2 dataset", need.parts[0]
    if need.kind == "vectors":
        return "3 vectors", f"fastText vectors, {need.parts[0]}, {int(need.parts[1]):,} words"
    if need.kind == "dictionary":
        return "4 dictionary", "MUSE dictionaries"
    return "5 file", need.parts[0]


def _not_whole(file: Path) -> PrefetchError:
    """The sentence for a file that is read from a folder which others have filled."""
    what = "has been altered since it was fetched" if file.exists() else "is missing"
    return PrefetchError(
        f"{file} {what}",
        "copy the folder anew from where it is whole",
    )


def _summed(done: Sequence[str]) -> str:
    """One phrase for what was done to several files: the most notable of it."""
    for phrase in ("fetched anew: it was altered", "fetched", "copied"):
        if count := sum(how == phrase for how in done):
            return phrase if count == len(done) else f"{phrase} ({count} of {len(done)})"
    return "there"


def _from_elsewhere(item: Item, target: Path, folders: Sequence[Path]) -> str:
    """Copy a recorded file from another cache of this machine, if one has it and it is whole."""
    if hub.is_recorded(target):
        return "there"
    beside = hub.record_beside
    for folder in folders:
        ready = folder / target.relative_to(item.place.cache)
        if hub.is_recorded(ready) and hub.is_unaltered(ready):
            for one, other in ((ready, target), (beside(ready), beside(target))):
                with net.room_for(other), files.replacing(other) as temporary:
                    shutil.copyfile(one, temporary)
            return "copied"
    return "fetched"


@contextmanager
def _cache_at(cache: Path) -> Iterator[None]:
    """Let the doors work on the cache of another place while a block runs."""
    before = settings.current().cache
    settings.use(cache=cache)
    try:
        yield
    finally:
        settings.use(cache=before)


@contextmanager
def _as_prefetch() -> Iterator[None]:
    """Turn what the doors and the downloader raise into a `PrefetchError`."""
    try:
        yield
    except CourseError as error:
        raise explained(error) from error


def explained(error: CourseError) -> PrefetchError:
    """Return the same trouble as a `PrefetchError` that knows whether the network is at fault."""
    if isinstance(error, PrefetchError):
        return error
    cause: BaseException = error
    while not isinstance(cause, net.DownloadError) and cause.__cause__ is not None:
        cause = cause.__cause__
    if isinstance(cause, net.DiskFullError):
        return PrefetchError(cause.problem, cause.remedy, fatal=True)
    network = (
        isinstance(cause, net.DownloadError)
        and not isinstance(cause, net.ChangedError)
        and cause.status not in (401, 403, 404, 410)
    )
    return PrefetchError(error.problem, error.remedy, network=network)
