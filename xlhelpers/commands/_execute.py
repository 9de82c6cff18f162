"""Running one notebook headless: all cells, whatever fails, with time and memory taken."""

from __future__ import annotations

import contextlib
import math
import sys
import threading
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TextIO

BAR = 24
POLL_SECONDS = 0.1
EXPECTED = "raises-exception"


@dataclass
class Execution:
    """One notebook after its run.

    Attributes:
        notebook: the file that was read (it is not written).
        node: the notebook with its outputs.
        seconds: wall-clock, the kernel's start included.
        peak: bytes, the largest resident size of the kernel with its children.
        failures: one line for each cell that failed, `cell 7: NameError: ...`.
    """

    notebook: Path
    node: Any
    seconds: float = 0.0
    peak: int = 0
    failures: list[str] = field(default_factory=list)


class Progress:
    """A bar that moves with each cell; plain lines where there is no terminal."""

    def __init__(self, title: str, cells: int, stream: TextIO | None = None) -> None:
        self.title, self.cells = title, cells
        self.stream = stream or sys.stderr
        self.tty = self.stream.isatty()
        self.done, self.start = 0, time.monotonic()
        self.cell_start = self.start

    def begin(self) -> None:
        """A code cell starts."""
        self.cell_start = time.monotonic()
        if self.tty:
            self._draw()

    def end(self) -> None:
        """A code cell has ended."""
        self.done += 1
        if self.tty:
            self._draw()
            return
        took = time.monotonic() - self.cell_start
        print(
            f"{self.title}: cell {self.done}/{self.cells}, {took:.1f} s",
            file=self.stream,
            flush=True,
        )

    def close(self) -> None:
        """Leave the line."""
        if self.tty:
            print(file=self.stream, flush=True)

    def _draw(self) -> None:
        full = BAR * self.done // max(self.cells, 1)
        bar = "#" * full + "." * (BAR - full)
        took = time.monotonic() - self.start
        text = f"\r{self.title} [{bar}] {self.done}/{self.cells} cells, {took:.0f} s "
        print(text, end="", file=self.stream, flush=True)


class Memory(threading.Thread):
    """Watches the resident size of a process and its children until stopped.

    Attributes:
        peak: bytes, the largest size so far.
        limit: bytes; above them all of these processes are ended.
        pause: seconds between two looks.
        crossed: whether that has happened.
    """

    def __init__(self, pid: int, limit: float = math.inf, pause: float = POLL_SECONDS) -> None:
        super().__init__(daemon=True)
        self.pid, self.limit, self.pause = pid, limit, pause
        self.peak, self.crossed = 0, False
        self._stopped = threading.Event()

    def run(self) -> None:
        """Poll until stopped, once at least; a process that has ended counts nothing."""
        while True:
            # Between two looks memory may come and go; the system's own record has no gaps.
            self.peak = max(self.peak, resident(self.pid), summit(self.pid))
            if self.peak > self.limit:
                self.crossed = True
                end(self.pid)
            if self.crossed or self._stopped.wait(self.pause):
                break

    def stop(self) -> int:
        """End the watch; the largest size seen, in bytes."""
        self._stopped.set()
        if self.is_alive():
            self.join()
        return self.peak


def resident(pid: int) -> int:
    """Bytes of memory in use by a process and its children; 0 when it is gone."""
    import psutil

    try:
        process = psutil.Process(pid)
        tree = [process, *process.children(recursive=True)]
    except psutil.Error:
        return 0
    total = 0
    for one in tree:
        try:
            total += one.memory_info().rss
        except psutil.Error:
            continue  # it ended between the two calls
    return total


def summit(pid: int) -> int:
    """Bytes, the largest that a process itself has been; 0 where the system keeps no record."""
    with contextlib.suppress(OSError):
        for line in Path(f"/proc/{pid}/status").read_text().splitlines():
            if line.startswith("VmHWM:"):
                return int(line.split()[1]) * 1024
    return 0


def end(pid: int) -> None:
    """End a process and its children at once."""
    import psutil

    with contextlib.suppress(psutil.Error):
        process = psutil.Process(pid)
        for one in [*process.children(recursive=True), process]:
            with contextlib.suppress(psutil.Error):
                one.kill()


def execute(notebook: Path, environment: Mapping[str, str], timeout: int) -> Execution:
    """Run all code cells of a notebook in its folder and a kernel of its own.

    A failing cell is noted and the next one runs; so is a cell that takes longer than
    `timeout` seconds, which is interrupted. A kernel that dies ends this notebook only.
    """
    import nbformat
    from nbclient.exceptions import CellTimeoutError, DeadKernelError

    node = nbformat.read(notebook, as_version=4)
    wipe(node)
    cells = sum(cell.cell_type == "code" and bool(cell.source.strip()) for cell in node.cells)
    progress = Progress(notebook.stem, cells)
    result = Execution(notebook, node)
    watch: list[Memory] = []
    client = _client(node, notebook, timeout, progress, watch)
    start = time.monotonic()
    try:
        client.execute(env=dict(environment), cwd=str(notebook.parent))
    except DeadKernelError:
        result.failures.append("the kernel died (memory, or a crash in a compiled library)")
    except CellTimeoutError:
        result.failures.append(f"a cell took longer than {timeout} s and could not be interrupted")
    finally:
        progress.close()
        result.seconds = time.monotonic() - start
        result.peak = max((one.stop() for one in watch), default=0)
    result.failures += failed_cells(node)
    return result


def _client(
    node: Any, notebook: Path, timeout: int, progress: Progress, watch: list[Memory]
) -> Any:
    from nbclient import NotebookClient

    def started(**_: Any) -> None:
        pid = getattr(getattr(client.km, "provisioner", None), "pid", None)
        if pid is not None:
            watch.append(Memory(pid))
            watch[-1].start()

    client = NotebookClient(
        node,
        timeout=timeout,
        allow_errors=True,
        interrupt_on_timeout=True,
        record_timing=False,
        coalesce_streams=True,
        kernel_name="python3",
        # ipykernel warns on every start that a connection within this machine is not encrypted
        extra_arguments=["--IPKernelApp.log_level=40"],
        resources={"metadata": {"path": str(notebook.parent)}},
        on_notebook_start=started,
        on_cell_execute=lambda **_: progress.begin(),
        on_cell_executed=lambda **_: progress.end(),
    )
    return client


def wipe(node: Any) -> None:
    """Take earlier outputs away, so that none is mistaken for one of this run."""
    for cell in node.cells:
        if cell.cell_type == "code":
            cell.outputs, cell.execution_count = [], None


def failed_cells(node: Any) -> list[str]:
    """A line for each code cell with an error that it did not announce by its tag."""
    lines = []
    code = [cell for cell in node.cells if cell.cell_type == "code"]
    for number, cell in enumerate(code, start=1):
        if EXPECTED in cell.metadata.get("tags", []):
            continue
        for output in cell.outputs:
            if output.output_type == "error":
                text = f"{output.ename}: {output.evalue}".splitlines()[0]
                lines.append(f"cell {number}: {text[:200]}")
    return lines
