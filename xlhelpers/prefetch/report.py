"""The tables before and after: what is needed, how large it is, what was done."""

from __future__ import annotations

from collections.abc import Sequence

from xlhelpers.prefetch import Item, Plan
from xlhelpers.shelves import readable


def before(plan: Plan) -> str:
    """What there is to fetch, with sizes and the total, and what cannot be had."""
    rows = [("", "files", "size", "to fetch", "notebooks")]
    for item in plan.items:
        missing = _size(item.missing, item.about) if item.problem is None else "not to be had"
        total = _size(item.total, item.about) if item.total else ""
        count = str(item.count or "")
        rows.append((item.name, count, total, missing, " ".join(plan.whose(item))))
    count = str(sum(item.count for item in plan.items))
    sizes = (_size(plan.total, plan.about), _size(plan.missing, plan.about))
    rows.append(("in all", count, *sizes, ""))
    disks = [f"{readable(free)} free on the disk of {at}" for at, free in plan.place.free()]
    where = plan.place.cache if not plan.place.links else plan.place.hub
    lines = [f"Notebooks {' '.join(plan.notebooks)} with XL_MODELS=hub, into {where}", ""]
    lines += [*_table(rows), "", *disks]
    if not plan.asked:
        lines += ["The hub cannot be reached; all of this is here already."]
    return "\n".join([*lines, *problems(plan)])


def progress(item: Item, plan: Plan) -> str:
    """One line for an item that has been dealt with."""
    number = plan.items.index(item) + 1
    done = "FAILED" if item.problem else f"{item.done}, {_size(item.total, False)}"
    return f"[{number}/{len(plan.items)}] {item.name}: {done}"


def after(plan: Plan) -> str:
    """What was done, and for which notebooks all is there now."""
    rows = [("", "files", "size", "", "notebooks")]
    for item in plan.items:
        done = "FAILED" if item.problem else item.done
        count, total = str(item.count or ""), _size(item.total, False) if item.total else ""
        rows.append((item.name, count, total, done, " ".join(plan.whose(item))))
    lacking = plan.lacking
    ready = [number for number in plan.notebooks if number not in lacking]
    lines = [*_table(rows, "l"), *problems(plan), ""]
    if ready:
        lines += [f"Ready without a network, checksums compared: notebooks {' '.join(ready)}."]
    if lacking:
        lines += [f"Not ready: notebooks {' '.join(lacking)}."]
    return "\n".join(lines)


def problems(plan: Plan) -> list[str]:
    """What is wrong, who needs it, and what to do; nothing when all is well."""
    lines = []
    for item in plan.items:
        if item.problem is not None:
            numbers = plan.whose(item)
            whose = f"notebook{'s' * (len(numbers) != 1)} {' '.join(numbers)}"
            lines += ["", f"{item.name} (for {whose}): {item.problem.problem}"]
            if item.problem.remedy:
                lines += [f"  Remedy: {item.problem.remedy}"]
    return lines


def _size(size: int, about: bool) -> str:
    if not size:
        return "-"
    return ("about " if about else "") + readable(size)


def _table(rows: Sequence[tuple[str, str, str, str, str]], fourth: str = "r") -> list[str]:
    """Columns side by side: names and notebooks to the left, numbers to the right."""
    widths = [max(len(row[column]) for row in rows) for column in range(5)]
    lines = []
    for name, *numbers, notebooks in rows:
        count, total, last = (
            text.rjust(width) for text, width in zip(numbers, widths[1:4], strict=True)
        )
        if fourth == "l":
            last = numbers[2].ljust(widths[3])
        lines.append(f"{name.ljust(widths[0])}  {count}  {total}  {last}  {notebooks}".rstrip())
    return lines
