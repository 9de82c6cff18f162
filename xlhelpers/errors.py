"""The root of every error that the course raises on purpose.

A `CourseError` is a sentence for the learner: what is wrong, then what to do about it.
Anything else that escapes from `xlhelpers` is a defect of the course.
"""

from __future__ import annotations

import re

# A file's name, a number, a class in quotation marks or mBERT stay as they are.
_SMALL = re.compile(r"[a-z]+(?=[\s,;:])")


class CourseError(Exception):
    """Base class of the course's own errors.

    Attributes:
        problem: one sentence that says what is wrong.
        remedy: one sentence or command that puts it right; empty when there is none.
    """

    def __init__(self, problem: str, remedy: str = "") -> None:
        self.problem = problem
        self.remedy = remedy
        super().__init__(f"{problem}\n  Remedy: {remedy}" if remedy else problem)

    @property
    def sentences(self) -> str:
        """The same as a page shows it: sentences of their own, where a traceback has a clause.

        No stop behind the remedy, which may be a command.
        """
        problem = self.problem
        if _SMALL.match(problem):
            problem = problem[0].upper() + problem[1:]
        stop = "" if problem.endswith((".", "?", "…")) else "."
        return f"{problem}{stop} Remedy: {self.remedy}" if self.remedy else f"{problem}{stop}"

    def __reduce__(self) -> tuple[type[CourseError], tuple[str, str]]:
        # Errors travel between worker processes; the default would pass the joined text
        # back in as `problem` and lose the remedy.
        return (type(self), (self.problem, self.remedy))
