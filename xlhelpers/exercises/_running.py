"""Running a learner's function: its own thread, a soft time limit, nothing thrown."""

from __future__ import annotations

import ctypes
import inspect
import io
import itertools
import threading
import warnings
from collections.abc import Callable
from contextlib import redirect_stderr, redirect_stdout
from copy import deepcopy
from dataclasses import dataclass
from typing import Any


class _TimeUp(BaseException):
    """Thrown into the learner's thread; not an Exception, so `except Exception` lets it pass."""


@dataclass
class Run:
    """One call of a learner's function: what it returned, raised and printed."""

    value: Any = None
    error: BaseException | None = None
    timed_out: bool = False
    printed: str = ""

    @property
    def failed(self) -> bool:
        """Whether there is no value to look at."""
        return self.error is not None or self.timed_out

    @property
    def empty(self) -> bool:
        """Whether the function is still a stub: returns None or ..., or says so itself."""
        if isinstance(self.error, NotImplementedError):
            return True
        return not self.failed and (self.value is None or self.value is Ellipsis)


def run(function: Callable[..., Any], arguments: tuple[Any, ...], seconds: float) -> Run:
    """Call `function` on copies of `arguments` in a thread, at most `seconds` long.

    The limit is soft: Python code is stopped when time is up, a long call into compiled code ends
    by itself later.
    """
    result = Run()
    copies = tuple(_copied(value) for value in arguments)

    def target() -> None:
        try:
            value = function(*copies)
            # a generator has done nothing yet: run it here, where time is counted
            if inspect.isgenerator(value):
                value = list(itertools.islice(value, 1_000_000))
            result.value = value
        except _TimeUp:
            result.timed_out = True
        except BaseException as error:  # exit() in a learner's function too
            result.error = error

    output = io.StringIO()
    thread = threading.Thread(target=target, daemon=True, name="xl-exercise")
    with redirect_stdout(output), redirect_stderr(output), warnings.catch_warnings():
        warnings.simplefilter("ignore")
        thread.start()
        try:
            thread.join(seconds)
        finally:
            if thread.is_alive():
                result.timed_out = True
                _stop(thread)
    lines = output.getvalue().strip().splitlines()
    result.printed = "\n".join(line[:200] for line in lines[:5])
    return result


def _stop(thread: threading.Thread) -> None:
    """Ask the interpreter to raise in `thread`; returns after at most a second."""
    for _ in range(10):
        if thread.ident is None or not thread.is_alive():
            return
        ctypes.pythonapi.PyThreadState_SetAsyncExc(
            ctypes.c_ulong(thread.ident), ctypes.py_object(_TimeUp)
        )
        thread.join(0.1)


def _copied(value: Any) -> Any:
    try:
        return deepcopy(value)
    except Exception:  # what cannot be copied is handed over as it is
        return value
