"""`course.py mirror`: serve what `fetch --hub` has fetched to the other computers in a room."""

from __future__ import annotations

import argparse
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path

from xlhelpers.commands import ROOT, find_notebooks


def parser() -> argparse.ArgumentParser:
    """The command's arguments."""
    made = argparse.ArgumentParser(
        prog="python3 course.py mirror",
        description="Serve the files that `fetch --hub` has fetched, in the hub's own protocol. "
        "Only this computer can ask, unless --lan or --host is given. It ends with Ctrl-C.",
    )
    made.add_argument("names", nargs="*", metavar="02", help="notebooks; all when none is named")
    made.add_argument("--port", type=int, default=None, help="8767 unless told otherwise")
    where = made.add_mutually_exclusive_group()
    where.add_argument("--lan", action="store_true", help="let the local network ask")
    where.add_argument("--host", metavar="ADDRESS", help="listen at this address only")
    made.add_argument(
        "--without-course", action="store_true", help="do not serve the course itself"
    )
    return made


def main(argv: Sequence[str]) -> int:
    """Serve until Ctrl-C."""
    from xlhelpers import mirror, shelves

    options = parser().parse_args(list(argv))
    numbers = [path.stem.split("_")[0] for path in find_notebooks(options.names)]
    made = mirror.catalogue(numbers)
    host = "0.0.0.0" if options.lan else options.host or mirror.LOOPBACK
    port = mirror.PORT if options.port is None else options.port
    with tempfile.TemporaryDirectory(prefix="course-mirror-") as folder:
        if not options.without_course:
            archive = mirror.pack_course(ROOT, Path(folder), "multilingual-nlp-course")
            if archive is not None:
                mirror.add_course(made, archive)
            else:
                print("The course itself is not served: git cannot pack it here.", file=sys.stderr)
        with mirror.Mirror(made, host, port) as running:
            seen = mirror.local_address() if options.lan else host
            url = f"http://{seen}:{running.port}"
            mirror.add_instructions(made, url)
            print(mirror.instructions(url, mirror.ARCHIVE in made.answers))
            if options.lan and seen == mirror.LOOPBACK:
                print("Others need this computer's own address in place of 127.0.0.1: it is not")
                print("known here, as in a network without a router. See ip addr, or ipconfig.\n")
            for need in made.missing[:5]:
                print(f"Not here, so not served: {need}")
            if len(made.missing) > 5:
                print(f"... and {len(made.missing) - 5} more: python3 course.py fetch --hub")
            whom = "the local network" if options.lan else f"who reaches {host}"
            print(f"Serving {shelves.readable(made.size)} to {whom}; Ctrl-C ends it.", flush=True)
            try:
                running.wait()
            except KeyboardInterrupt:
                told = f"{len(running.clients)} computers, {shelves.readable(running.sent)}"
                print(f"\nServed {told}.", file=sys.stderr)
    return 0
