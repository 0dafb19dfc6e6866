"""The one kind of error that a user sees, and how a program ends with it."""

import sys
from collections.abc import Callable
from typing import Any


class UserError(Exception):
    """Something that the user can put right. The message is one line: what, where, and what is allowed."""


def run(main: Callable[[], Any]) -> None:
    """Call `main()`; print a UserError as one line to stderr and exit with status 1, without a traceback."""
    try:
        main()
    except UserError as error:
        sys.exit(f"error: {error}")
    except KeyboardInterrupt:
        sys.exit(130)
