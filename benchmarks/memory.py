"""What a notebook takes as on Binder: JupyterLab and its kernel together, under an enforced limit.

    python benchmarks/memory.py [--limit 2.0] [01 04 ...]

JupyterLab is started as `course.py lab` starts it, without a browser; a session is opened through
its own interface, every code cell is sent over its websocket, and the notebook is saved with its
outputs, as a browser would.

The resident memory of the server, the kernel and all their children is added up 50 times a second;
above the limit all of them are killed, and the notebook has failed. Shared pages count once in each
process, and pages of mapped files count although the system could drop them, so the sum is never
below what a container's limit would see. What two looks might miss is taken from the system's own
record of the largest size of each process (VmHWM): server and kernel added must stay below the
limit, too, although their largest moments need not be the same.

Why not the limits that a shell can set: RLIMIT_AS counts what is only mapped, torch's libraries
before all; RLIMIT_DATA counts what is only reserved (1.9 GB in notebook 01, where 0.8 GB are
used); RLIMIT_RSS does nothing on Linux. A container has a limit of its own, which is better than
this one; the script is for where there is none.

Linux only.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import os
import secrets
import signal
import socket
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.request
import uuid
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import psutil
import websocket

from xlhelpers.commands import ROOT, find_notebooks, lab
from xlhelpers.commands._execute import Memory, resident, summit

PAUSE = 0.02
START_SECONDS = 60
CELL_SECONDS = 600


@dataclass
class Taken:
    """What one notebook took.

    Attributes:
        seconds: wall-clock, the start of the server left out.
        idle: bytes of the server before a kernel is there.
        kernel: bytes, the largest resident size of the kernel alone.
        everything: bytes, the largest sum over all processes at one moment.
        summit: bytes, the largest sizes of server and kernel added, whenever each was.
        failures: a line for each cell that failed.
    """

    seconds: float = 0.0
    idle: int = 0
    kernel: int = 0
    everything: int = 0
    summit: int = 0
    failures: list[str] = field(default_factory=list)


class Server:
    """A JupyterLab of our own, asked as a browser asks."""

    def __init__(self, folder: str) -> None:
        with socket.create_server(("127.0.0.1", 0)) as free:
            self.port = free.getsockname()[1]
        self.token = secrets.token_hex(16)
        line = lab.command(
            ["--no-browser", "--ip=127.0.0.1", f"--port={self.port}", "--ServerApp.port_retries=0"],
            superuser=os.geteuid() == 0,
        )
        variables = lab.environment(os.environ)
        variables |= {"JUPYTER_TOKEN": self.token, "JUPYTER_RUNTIME_DIR": folder, "XL_REUSE": "0"}
        variables["XL_PROGRESS_FILE"] = str(Path(folder) / "progress.json")

        quiet = subprocess.DEVNULL
        self.process = subprocess.Popen(
            line, env=variables, stdout=quiet, stderr=quiet, start_new_session=True
        )

    def ask(self, method: str, path: str, body: Any = None) -> Any:
        """One request; the answer's JSON, None when it is empty."""
        data = None if body is None else json.dumps(body).encode()
        request = urllib.request.Request(
            f"http://127.0.0.1:{self.port}/{path}", data, method=method
        )
        request.add_header("Authorization", f"token {self.token}")
        with urllib.request.urlopen(request, timeout=60) as answer:
            text = answer.read()
        return json.loads(text) if text else None

    def wait(self) -> None:
        """Until it answers."""
        end = time.monotonic() + START_SECONDS
        while True:
            try:
                self.ask("GET", "api/status")
                return
            except (OSError, urllib.error.URLError):
                if time.monotonic() > end or self.process.poll() is not None:
                    raise
                time.sleep(0.1)

    def stop(self) -> None:
        """End the server and everything below it."""
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self.process.pid, signal.SIGTERM)
        try:
            self.process.wait(20)
        except subprocess.TimeoutExpired:
            os.killpg(self.process.pid, signal.SIGKILL)


def message(kind: str, content: dict[str, Any], session: str) -> dict[str, Any]:
    """A message of Jupyter's protocol on the shell channel."""
    header = {"msg_id": uuid.uuid4().hex, "msg_type": kind, "session": session,
              "username": "", "version": "5.3", "date": ""}  # fmt: skip
    return {"header": header, "parent_header": {}, "metadata": {}, "content": content,
            "channel": "shell", "buffers": []}  # fmt: skip


def answers(wire: websocket.WebSocket, parent: str) -> Iterator[dict[str, Any]]:
    """What the kernel says about one request, until it is idle and has replied."""
    idle = replied = False
    while not (idle and replied):
        received = wire.recv()
        if not isinstance(received, str) or not received:
            if received:
                continue  # a widget's picture: binary
            raise ConnectionError("the server has gone")
        said = json.loads(received)
        if said.get("parent_header", {}).get("msg_id") != parent:
            continue
        idle = idle or said["content"].get("execution_state") == "idle"
        replied = replied or said["msg_type"] == "execute_reply"
        yield said


OUTPUTS = ("stream", "display_data", "execute_result", "error")


def execute(server: Server, path: Path, taken: Taken) -> None:
    """Open, run and save one notebook through the server."""
    name = path.relative_to(ROOT).as_posix()
    node = server.ask("GET", f"api/contents/{name}")["content"]
    body = {"path": name, "name": name, "type": "notebook", "kernel": {"name": "python3"}}
    kernel = server.ask("POST", "api/sessions", body)["kernel"]["id"]
    session = uuid.uuid4().hex
    wire = websocket.create_connection(
        f"ws://127.0.0.1:{server.port}/api/kernels/{kernel}/channels?session_id={session}",
        header=[f"Authorization: token {server.token}"], timeout=CELL_SECONDS,
    )  # fmt: skip
    for cell in node["cells"]:
        if cell["cell_type"] == "code":
            cell["outputs"] = run_cell(wire, "".join(cell["source"]), session)
            expected = "raises-exception" in cell["metadata"].get("tags", [])
            for output in cell["outputs"]:
                if output["output_type"] == "error" and not expected:
                    taken.failures.append(f"{cell['id']}: {output['ename']}: {output['evalue']}")
    own = psutil.Process(server.process.pid).children()
    taken.kernel = max(summit(one.pid) for one in own)
    body = {"type": "notebook", "format": "json", "content": node}
    copy = name.replace(".ipynb", "-memory.ipynb")
    server.ask("PUT", f"api/contents/{copy}", body)
    server.ask("DELETE", f"api/contents/{copy}")
    taken.summit = taken.kernel + summit(server.process.pid)
    wire.close()


def run_cell(wire: websocket.WebSocket, code: str, session: str) -> list[dict[str, Any]]:
    """Run a cell; its outputs as a notebook keeps them."""
    request = message("execute_request", {"code": code, "silent": False, "store_history": True,
                      "allow_stdin": False, "stop_on_error": False}, session)  # fmt: skip
    wire.send(json.dumps(request))
    outputs = []
    for said in answers(wire, request["header"]["msg_id"]):
        if said["msg_type"] in OUTPUTS:
            content = {k: v for k, v in said["content"].items() if k != "transient"}
            outputs.append({"output_type": said["msg_type"], **content})
    return outputs


def measure(path: Path, limit: float) -> Taken:
    """One notebook in a server of its own. `limit` in bytes."""
    taken = Taken()
    with tempfile.TemporaryDirectory(prefix="memory-") as folder:
        begun = time.monotonic()
        server = Server(folder)
        watch = Memory(server.process.pid, limit, PAUSE)
        try:
            server.wait()
            taken.idle = resident(server.process.pid)
            watch.start()
            begun = time.monotonic()
            execute(server, path, taken)
        except (OSError, websocket.WebSocketException) as error:
            taken.failures.append("killed" if watch.crossed else f"{type(error).__name__}: {error}")
        finally:
            taken.seconds = time.monotonic() - begun
            taken.everything = watch.stop()
            server.stop()
    return taken


def main(argv: Sequence[str]) -> int:
    """Print one row a notebook; 1 when one was killed or failed."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("names", nargs="*")
    parser.add_argument("--limit", type=float, default=2.0, help="GB (10^9 bytes); default 2")
    options = parser.parse_args(list(argv))
    print(f"limit {options.limit:g} GB; sizes in GB")
    print("| notebook | server, idle | kernel | all at one moment | summits added | s | |")
    print("|---|---|---|---|---|---|---|")
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))  # so that the server is stopped, too
    bad, limit = 0, options.limit * 1e9
    for path in find_notebooks(options.names):
        t = measure(path, limit)
        word = "; ".join(t.failures) or ("passed" if t.summit <= limit else "above the limit")
        bad += word != "passed"
        sizes = [f"{x / 1e9:.2f}" for x in (t.idle, t.kernel, t.everything, t.summit)]
        print("|", " | ".join([path.stem, *sizes, f"{t.seconds:.0f}", word]), "|",
              flush=True)  # fmt: skip
    return 1 if bad else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
