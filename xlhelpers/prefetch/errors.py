"""What can go wrong when files are fetched beforehand."""

from __future__ import annotations

from xlhelpers.errors import CourseError


class PrefetchError(CourseError):
    """Something could not be fetched, or must not be used as it came.

    Attributes:
        network: whether it may be had once the network, or the server, is well again.
        fatal: whether trying for the other things makes no sense.
    """

    def __init__(
        self, problem: str, remedy: str = "", *, network: bool = False, fatal: bool = False
    ) -> None:
        super().__init__(problem, remedy)
        self.network, self.fatal = network, fatal
