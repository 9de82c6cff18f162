"""A widget together with what stands in for it where no widget can be shown."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

_VIEW = "application/vnd.jupyter.widget-view+json"
_hidden = 0


class Shown:
    """A widget together with what stands in for it elsewhere.

    A notebook stores all forms and shows the best that it can.
    """

    def __init__(self, widget: Any, text: str, page: str) -> None:
        self.widget = widget
        self.text = text
        self.page = page

    def __repr__(self) -> str:
        return self.text

    def _repr_mimebundle_(self, include: Any = None, exclude: Any = None) -> dict[str, Any]:
        bundle: dict[str, Any] = {"text/plain": self.text, "text/html": self.page}
        if self.widget is not None:
            bundle[_VIEW] = {
                "version_major": 2,
                "version_minor": 0,
                "model_id": self.widget.model_id,
            }
        return bundle


def has_front_end() -> bool:
    """Whether there is a notebook kernel, and so a page that could show a widget."""
    if _hidden:
        return False
    try:
        from IPython import get_ipython
    except ImportError:
        return False
    return getattr(get_ipython(), "kernel", None) is not None


@contextmanager
def without_front_end() -> Iterator[None]:
    """No widget is made while the block runs: cells are run whose output nobody will see."""
    global _hidden
    _hidden += 1
    try:
        yield
    finally:
        _hidden -= 1
