"""The root of every error that the course raises on purpose.

A `CourseError` is a sentence for the learner: what is wrong, then what to do about it.
Anything else that escapes from `xlhelpers` is a defect of the course.
"""

from __future__ import annotations


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

    def __reduce__(self) -> tuple[type[CourseError], tuple[str, str]]:
        # Errors travel between worker processes; the default would pass the joined text
        # back in as `problem` and lose the remedy.
        return (type(self), (self.problem, self.remedy))
