"""The one kind of error that a user sees, and how a program ends with it."""

import re
import sys
from collections.abc import Callable
from typing import Any


class UserError(Exception):
    """Something that the user can put right. The message is one line: what, where, and what is allowed."""


class NotFinite(UserError):
    """The loss of a training is no longer a finite number.

    Attributes:
        step: The first one at which it was looked at and found so.
    """

    def __init__(self, training: str, loss: float, step: int):
        """Say which `training` it is, and what its loss was at which step."""
        super().__init__(training, loss, step)
        self.training, self.loss, self.step = training, loss, step

    def __str__(self) -> str:
        """Return the line that a user sees."""
        return (
            f"{self.training}: the loss is {self.loss} at step {self.step}; "
            "allowed: a finite number (try a lower learning_rate)"
        )


def one_line(message: object) -> str:
    """Return a message as one line: control characters and bytes that are not UTF-8, as names may have, are escaped."""
    return re.sub(r"[\x00-\x1f\x7f-\x9f\u2028\u2029\ud800-\udfff]", lambda found: ascii(found[0])[1:-1], str(message))


def run(main: Callable[[], Any]) -> None:
    """Call `main()`; print a UserError as one line to stderr and exit with status 1, without a traceback."""
    try:
        main()
    except UserError as error:
        sys.exit(f"error: {one_line(error)}")
    except KeyboardInterrupt:
        sys.exit(130)
