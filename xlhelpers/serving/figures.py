"""Figures of speed and size that were measured beforehand, since they take minutes and gigabytes.

`benchmarks/serving.py` measures, `benchmarks/serving_figures.py` keeps. They are of one machine,
which the table names: for comparing one way with another there, not for planning elsewhere.
"""

from __future__ import annotations

import io
from typing import TYPE_CHECKING

from xlhelpers import assets
from xlhelpers.serving._errors import ServingError

if TYPE_CHECKING:
    import pandas as pd


def measured(name: str = "speed") -> pd.DataFrame:
    """Return a table of `data/serving/`, one row a way to run a classifier.

    Returns:
        Of `"speed"`: `model` (`"base"`: dimensions of XLM-R base, random weights; `"mini"`: ours),
        `group` (`"bulk"`: all texts at once; `"one"`: one by one), `way`, `title`, `texts`, `wall`
        and `cpu` (seconds for all of them, medians of `runs`), `file_mb` (10⁶ bytes), `peak_gb`
        (10⁹ bytes), and `rate`, texts a second by the clock. `.attrs["machine"]` says where.

    Raises:
        ServingError: there is no such table.
        AssetError: the file has been altered.
    """
    import pandas as pd

    known = [row.split("/")[1] for row in assets.manifest() if row.startswith("serving/")]
    if f"{name}.csv" not in known:
        raise ServingError(
            f"there are no figures {name!r}",
            f"choose among {', '.join(sorted(file.removesuffix('.csv') for file in known))}",
        )
    first, _, rest = assets.read_bytes(f"serving/{name}.csv").decode("utf-8").partition("\n")
    table = pd.read_csv(io.StringIO(rest))
    table["rate"] = table["texts"] / table["wall"]
    table.attrs["machine"] = first.removeprefix("# machine: ")
    return table


__all__ = ["measured"]
