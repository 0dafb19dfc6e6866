"""How a program ends with an error."""

import errno
import os
import subprocess
import sys
from pathlib import Path

import pytest

from stages.errors import UserError, of_system, run, writing


@pytest.mark.parametrize(
    ("message", "shown"),
    [
        ("a\nb\r.png: no picture", r"a\nb\r.png: no picture"),
        ("\x1b[31m\x85\u2028", r"\x1b[31m\x85\u2028"),
        ("caf\udce9", r"caf\udce9"),
        ("ü 山: plain", "ü 山: plain"),
    ],
)
def test_an_error_is_one_line_whatever_a_name_holds(message, shown):
    def stop():
        raise UserError(message)

    with pytest.raises(SystemExit) as end:
        run(stop)
    assert end.value.code == f"error: {shown}"


@pytest.mark.parametrize(
    ("error", "shown"),
    [
        (
            OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), "data/a.npy"),
            "data/a.npy: no space left on device; free some space, then run this again",
        ),
        (
            PermissionError(errno.EACCES, os.strerror(errno.EACCES), "runs"),
            "runs: permission denied; allow this user to read and write there, then run this again",
        ),
        (
            OSError(errno.EROFS, os.strerror(errno.EROFS), b"runs/\xe9"),
            "runs/\udce9: read-only file system; use a copy of the project on a file system that can be written to",
        ),
        (OSError(errno.ECONNRESET, "Connection reset by peer"), "connection reset by peer"),
        (OSError("what a library says"), "what a library says"),
    ],
)
def test_what_the_system_refuses_is_said_with_place_reason_and_remedy(error: OSError, shown: str):
    assert of_system(error) == shown


def test_a_full_disk_without_a_name_is_the_projects():
    text = of_system(OSError(errno.ENOSPC, os.strerror(errno.ENOSPC)))
    assert text == f"{Path.cwd()}: no space left on device; free some space, then run this again"


def test_a_refusal_of_the_system_ends_in_one_line():
    def stop():
        raise OSError(errno.EFBIG, "File too large", "a\nb")

    with pytest.raises(SystemExit) as end:
        run(stop)
    assert end.value.code.startswith(
        r"error: a\nb: file too large; raise the limit on the size of a file (`ulimit -f`)"
    )


def test_a_reader_that_goes_away_is_no_error():
    """As of `python -m stages.train | head -1`."""
    code = "from stages.errors import run\nrun(lambda: [print(i) for i in range(100000)])"
    command = f"{sys.executable} -c '{code}' | head -1"
    done = subprocess.run(["bash", "-c", command], capture_output=True, text=True, check=False)
    assert done.stdout == "0\n" and done.stderr == ""


def test_an_unfinished_file_is_taken_away_and_named(tmp_path: Path):
    file = tmp_path / "weights.pt"
    file.write_text("old")
    unfinished = tmp_path / "weights.tmp"
    with pytest.raises(OSError, match="No space") as caught, writing(file, unfinished):
        unfinished.write_text("half")
        raise OSError(errno.ENOSPC, "No space left on device")
    assert caught.value.filename == str(file)
    assert file.read_text() == "old" and not unfinished.exists()
