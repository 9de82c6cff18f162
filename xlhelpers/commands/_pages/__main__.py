"""`python -m xlhelpers.commands._pages [01 ...] [--check]`."""

from __future__ import annotations

import sys

from xlhelpers.commands._pages.tool import main
from xlhelpers.errors import CourseError

try:
    sys.exit(main(sys.argv[1:]))
except CourseError as error:
    sys.exit(str(error))
