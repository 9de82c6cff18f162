"""Everything that notebooks need with `XL_MODELS=hub`, fetched the evening before.

    plan = prefetch.plan(["02", "04"])      # asks the hub what is missing and how large it is
    prefetch.fetch(plan)                    # fetches, resumes, compares checksums

What a notebook needs is noted by `xlhelpers.needs`. Files lie where the doors look for them: in
the caches of this machine, or in a folder to carry to other machines, which `xl.setup()` finds as
`hub-files` beside the repository or by `XL_HUB_FILES`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

from xlhelpers import files, hub, needs, net, settings, shelves
from xlhelpers.errors import CourseError
from xlhelpers.prefetch.errors import PrefetchError
from xlhelpers.prefetch.items import Item, explained, items
from xlhelpers.prefetch.places import Place, RepoFile, checksum

__all__ = [
    "Item",
    "Place",
    "Plan",
    "PrefetchError",
    "RepoFile",
    "checksum",
    "fetch",
    "plan",
]

# What is left free on a disk, for the computer to go on working.
MARGIN = 500_000_000

README = """\
Models, data sets and word vectors for the course's notebooks with XL_MODELS=hub.

Put this folder beside the folder of the course (or into it) under the name hub-files; or leave it
where it is and set the variable XL_HUB_FILES to its path. Then switch the notebooks to it with
XL_MODELS=hub, or xl.use("hub") in the first cell. xl.setup() says that it was found. The folder is
only read: a stick or a share that cannot be written to will do.

Made by: python3 course.py fetch --hub --to FOLDER
"""


@dataclass
class Plan:
    """What is to be had, what of it is there, and where the rest will go.

    Attributes:
        notebooks: their numbers.
        items: one row of the table each.
        place: where files go.
        asked: whether the hub could be asked; else what is there was only looked at.
    """

    notebooks: tuple[str, ...]
    items: list[Item]
    place: Place
    asked: bool = True

    @property
    def total(self) -> int:
        """Bytes of everything."""
        return sum(item.total for item in self.items)

    @property
    def missing(self) -> int:
        """Bytes that are still to be fetched or copied."""
        return sum(item.missing for item in self.items)

    @property
    def about(self) -> bool:
        """Whether a part of the sizes is estimated."""
        return any(item.about for item in self.items)

    @property
    def problems(self) -> list[Item]:
        """What cannot be had."""
        return [item for item in self.items if item.problem is not None]

    def whose(self, item: Item) -> tuple[str, ...]:
        """Return which of these notebooks need an item, sorted."""
        return tuple(number for number in item.notebooks if number in self.notebooks)

    @property
    def lacking(self) -> list[str]:
        """The notebooks for which something is not there, sorted."""
        return sorted({number for item in self.problems for number in self.whose(item)})

    def check_room(self) -> None:
        """Compare what is missing with what is free, on each disk that is written to.

        Raises:
            PrefetchError: it does not fit.
        """
        for folder, free in self.place.free():
            if self.missing and free < self.missing + MARGIN:
                raise PrefetchError(
                    f"{shelves.readable(self.missing)} are missing, and the disk of {folder} has "
                    f"{shelves.readable(free)} free",
                    "make room, name another disk (HF_HOME and XL_CACHE, or --to FOLDER), or "
                    "fetch for fewer notebooks: fetch --hub 02",
                    fatal=True,
                )


def plan(notebooks: Iterable[str] | None = None, to: Path | None = None) -> Plan:
    """Ask the hub what notebooks need and subtract what is there.

    An item that is gone, or whose server does not answer, carries a `problem`; the others are
    planned. Without a network, what is there is looked at and nothing else.

    Args:
        notebooks: numbers such as `"02"`; all that the list has when left out.
        to: a folder to carry; left out, the caches of this machine.

    Raises:
        HubError: a record of what was fetched is damaged.
        NeedsError: the list has no such notebook.
        PrefetchError: the hub cannot be reached and something is missing.
    """
    numbers = tuple(sorted(set(needs.listed() if notebooks is None else notebooks)))
    own = Place.own()
    place = own if to is None else Place.portable(to.expanduser().absolute())
    folder = settings.current().hub_files
    filled = [] if folder is None else [Place.portable(folder)]
    sources = [other for other in (own, *filled) if other != place]
    # What the doors read as well needs no copy; into a folder to carry, everything goes.
    shared = filled if to is None else []
    made = Plan(numbers, items(needs.of(numbers), place, sources), place)
    made.asked = hub.reachable() or not any(item.host == shelves.endpoint() for item in made.items)
    absent = [item.name for item in made.items if not item.look(shared)]
    if made.asked:
        _ask(made)
    else:
        _refuse_without_network(made, absent)
        for item in made.items:
            item.measure()
    return made


def _ask(made: Plan) -> None:
    for item in made.items:
        try:
            item.ask()
        except CourseError as error:
            item.problem = explained(error)


def _refuse_without_network(made: Plan, absent: Sequence[str]) -> None:
    if absent:
        raise PrefetchError(
            f"the hub cannot be reached, and {len(absent)} of {len(made.items)} things are not "
            f"here: {', '.join(absent[:3])}{' ...' if len(absent) > 3 else ''}",
            "connect this computer to the internet and run this again; it carries on where it "
            "stopped",
            network=True,
        )


def fetch(plan: Plan, tell: Callable[[Item], None] = lambda item: None) -> None:
    """Bring in what a plan says is missing, and compare everything with its checksums.

    What fails carries a `problem` afterwards; the rest is fetched all the same, but for servers
    that have stopped answering and for a disk that is full. Files have their names only once they
    are whole and right, and an interrupted download goes on where it stopped.

    Args:
        tell: called after each item.

    Raises:
        PrefetchError: what is missing does not fit on the disk; nothing was fetched then.
        FileLockedError: another process is fetching into the same place.
    """
    plan.check_room()
    with files.lock(plan.place.cache / "locks" / "prefetch.lock", timeout=1):
        silent: set[str] = set()
        for item in plan.items:
            if item.problem is None and item.host in silent:
                item.problem = PrefetchError(
                    "its server has stopped answering", "run this again", network=True
                )
            if item.problem is None:
                _bring(item)
            if item.problem is not None and item.problem.network:
                silent.add(item.host)
            tell(item)
            if item.problem is not None and item.problem.fatal:
                _give_up(plan)
                break
        _sign(plan)


def _give_up(plan: Plan) -> None:
    for item in plan.items:
        if not item.done and item.problem is None:
            item.problem = PrefetchError("was not tried any more", "run this again")


def _bring(item: Item) -> None:
    try:
        with net.room_for(item.place.hub):
            item.done = item.bring()
        item.missing = 0
    except CourseError as error:
        item.problem = explained(error)
    except OSError as error:  # one folder that may not be written must not keep the others back
        item.problem = PrefetchError(
            f"{item.name} could not be put in its place ({hub.first_line(error)})",
            "check that you may write there, or name other folders (HF_HOME and XL_CACHE, or --to)",
        )


def _sign(plan: Plan) -> None:
    """Write down which needs are met, for `xl.setup()` and for the folder's readers."""
    # What is read from a folder of others is in that folder's record, and goes with it.
    met = {need for item in plan.items if item.done and not item.only_read for need in item.needs}
    lost = {
        need
        for item in plan.items
        if item.problem is not None and not item.there_at(plan.place)
        for need in item.needs
    }
    shelves.note_fetched(met, lost, plan.place.cache)
    if not plan.place.links:
        files.write_text(plan.place.cache / "README.txt", README)
