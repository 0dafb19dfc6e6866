"""The one kind of error that a user sees, and how a program ends with it."""

import errno
import os
import re
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

from stages.beside import end_with_dvc


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


REMEDIES = {
    errno.ENOSPC: "free some space, then run this again",
    errno.EDQUOT: "free some of your quota, then run this again",
    errno.EFBIG: "raise the limit on the size of a file (`ulimit -f`), then run this again",
    errno.EACCES: "allow this user to read and write there, then run this again",
    errno.EPERM: "allow this user to read and write there, then run this again",
    errno.EROFS: "use a copy of the project on a file system that can be written to",
    errno.EMFILE: "raise the limit on open files (`ulimit -n`), then run this again",
    errno.ENFILE: "end what holds many files open, then run this again",
    errno.ENOMEM: "end what holds much memory, then run this again",
    errno.EIO: "the disk failed: check it, then run this again",
    errno.ENOTDIR: "move away the file that stands where a folder should, then run this again",
    errno.EISDIR: "move away the folder that stands where a file should, then run this again",
    errno.ENAMETOOLONG: "use a shorter name",
    errno.ELOOP: "mend the link, then run this again",
}
"""What to do about an error of the operating system."""
OF_DISK = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EIO)
"""What is wrong with the disk, not with who uses it."""


def of_system(error: OSError) -> str:
    """Return an error of the operating system as a user sees it: where, what, and what to do.

    Args:
        error: Any OSError; one without a number says what it says.
    """
    if error.errno is None:
        return str(error) or type(error).__name__
    where = error.filename2 or error.filename
    if not isinstance(where, str | bytes | os.PathLike):  # a write to an open file, which is most likely of the project
        where = Path.cwd() if error.errno in OF_DISK else ""
    place = f"{os.fsdecode(where)}: " if where else ""
    what = error.strerror or os.strerror(error.errno)
    remedy = REMEDIES.get(error.errno)
    return f"{place}{what[:1].lower()}{what[1:]}" + (f"; {remedy}" if remedy else "")


@contextmanager
def writing(file: Path, unfinished: Path | None = None) -> Iterator[None]:
    """Name the file that an OSError of the block is about, and take away what is unfinished of it.

    The system names no file where a write fails that was opened before.

    Args:
        file: That the block writes.
        unfinished: Where it does so, if under another name.
    """
    try:
        yield
    except OSError as error:
        with suppress(OSError):
            (unfinished or file).unlink(missing_ok=True)
        error.filename = str(file)
        raise


@contextmanager
def reading(file: Path | str, remedy: str) -> Iterator[None]:
    """Name the file whose content the block takes apart, where it is not what this version writes.

    Args:
        file: As users know it.
        remedy: What the user can do; ends the message.

    Raises:
        UserError: A key or an entry is missing, or a value is of another type.
    """
    try:
        yield
    except (ArithmeticError, AttributeError, LookupError, TypeError, ValueError) as error:
        raise UserError(f"{file}: not what this version writes ({error!r}); {remedy}") from None


def one_line(message: object) -> str:
    """Return a message as one line: control characters and bytes that are not UTF-8, as names may have, are escaped."""
    return re.sub(r"[\x00-\x1f\x7f-\x9f\u2028\u2029\ud800-\udfff]", lambda found: ascii(found[0])[1:-1], str(message))


def run(main: Callable[[], Any]) -> None:
    """Call `main()`; print a UserError, or what the system refused, as one line to stderr and exit with status 1.

    So there is no traceback. A BrokenPipeError, whoever read the output having gone, ends quietly; a stage ends with
    the dvc that started it.
    """
    end_with_dvc()
    try:
        main()
    except UserError as error:
        sys.exit(f"error: {one_line(error)}")
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())  # or the exit would try to write once more
        sys.exit(1)
    except OSError as error:
        sys.exit(f"error: {one_line(of_system(error))}")
    except KeyboardInterrupt:
        sys.exit(130)
