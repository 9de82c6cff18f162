"""Keep the figures of `serving.py` where notebook 08 reads them: `data/serving/speed.csv`.

    python benchmarks/serving.py --parts speed --threads 2 --folder build/benchmarks
    python benchmarks/serving_figures.py --threads 2 --folder build/benchmarks

Nothing is run here: the medians are those of the runs that `serving.py` has kept beside its
models (`runs-base.json`, `runs-mini.json`). `xl.serving.measured("speed")` reads what is written.
"""

from __future__ import annotations

import argparse
import json
import re
from pathlib import Path

import _common
import serving
from _common import Contender

COLUMNS = "model group way title texts wall cpu runs file_mb peak_gb".split()


def rows(options: argparse.Namespace) -> list[list[str]]:
    """One row a contender that was run, in the order of the tables."""
    found = []
    for model in ("base", "mini"):
        kept = options.folder / f"runs-{model}.json"
        if not kept.exists():
            continue
        runs = json.loads(kept.read_text("utf-8"))
        for group, contenders in (("bulk", serving.BULK), ("one", serving.ONE)):
            for way, title in contenders.items():
                if way in runs:
                    one = Contender(way, title, "", [], len(runs[way]), runs[way])
                    found.append([model, group, way, title, *_numbers(options, model, one)])
    if not found:
        raise SystemExit(f"no runs in {options.folder}: run serving.py with --parts speed first")
    return found


def _numbers(options: argparse.Namespace, model: str, one: Contender) -> list[str]:
    return [
        str(int(one.median("texts"))),
        f"{one.median('wall'):.3f}",
        f"{one.median('cpu'):.3f}",
        str(one.runs),
        f"{serving._file(options, model, one) / 1e6:.1f}",
        f"{one.median('peak') / 1e9:.2f}",
    ]


def write(options: argparse.Namespace, target: Path) -> None:
    """Write the rows, the machine in the first line, and enter the file into the manifest."""
    from xlhelpers import assets, files

    # How busy the machine is now says nothing of how busy it was.
    where = re.sub(r", load [\d.]+", "", _common.machine(options.threads).partition(". Medians")[0])
    lines = [f"# machine: {where.replace('(s)', 's' * (options.threads > 1))}", ",".join(COLUMNS)]
    for row in rows(options):
        row[3] = f'"{row[3]}"'  # a title has commas
        lines.append(",".join(row))
    files.write_text(target, "\n".join(lines) + "\n")
    assets.register(
        target,
        "shipped",
        "CC BY 4.0",
        "python benchmarks/serving.py, python benchmarks/serving_figures.py",
        note="texts a second and size of the ways to run one classifier",
    )


def main() -> None:
    made = _common.parser(__doc__)
    made.add_argument("--tiny", action="store_true", help=argparse.SUPPRESS)
    options = made.parse_args()
    write(options, _common.ROOT / "data" / "serving" / "speed.csv")


if __name__ == "__main__":
    main()
