"""The error of everything that serves."""

from __future__ import annotations

from xlhelpers.errors import CourseError


class ServingError(CourseError, ValueError):
    """A model cannot be served, or a request not be answered; the message says why."""
