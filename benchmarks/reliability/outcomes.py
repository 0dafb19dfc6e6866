"""A command in a damaged or hindered project, and what came of it."""

import os
import shutil
import subprocess
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from benchmarks.reliability.clones import ENVIRONMENT, MADE, content

PLACES = (*MADE, "dvc.lock", ".checkpoints", ".dvc/cache", "reference")
"""What a case may damage or change, and `Project.put_back` brings back."""
SECONDS = 900.0
"""A command that takes longer has come to a standstill."""

OUTCOMES = {
    "named": "it ended with one line that names the file or its folder",
    "made anew": "the file was found damaged and made again, and all outputs are those of the undamaged run",
    "harmless": "all outputs are those of the undamaged run",
    "trusted": "the program alone took a flipped bit for what was written, and its outputs differ; "
    "`dvc repro`, which hashes what a program reads, did not",
    "verify": "nothing but `python -m stages.verify` named the file, which hashes what dvc takes for unchanged",
    "unclear": "it failed without one line that names the file or its folder",
    "wrong": "it ended well, and outputs differ from those of the undamaged run without a word",
    "traceback": "it ended with a traceback",
    "not run": "the system does not allow it",
}
"""What may come of a case, and what that means."""
DEFECTS = ("unclear", "wrong", "traceback")


@dataclass(frozen=True)
class Ended:
    """A command that has ended.

    Attributes:
        status: Its exit status.
        text: What it wrote to stdout and stderr.
    """

    status: int
    text: str

    @property
    def errors(self) -> list[str]:
        """The lines that say what went wrong: this project's start with `error: `, dvc's with `ERROR: ` or its file."""
        lines = self.text.replace("\r", "\n").splitlines()
        return [line for line in lines if line.startswith(("error: ", "ERROR: ", "'./dvc."))]


class Project:
    """A miniature in which everything has run, with a copy to compare with and to go back to."""

    def __init__(self, path: Path):
        """Copy what has run.

        Args:
            path: The clone.
        """
        self.path, self.whole = path, path.with_name(f"{path.name}-whole")
        for place in PLACES:
            if (path / place).is_dir():
                shutil.copytree(path / place, self.whole / place)
            elif (path / place).is_file():
                self.whole.mkdir(exist_ok=True)
                shutil.copy2(path / place, self.whole / place)

    def put_back(self) -> None:
        """Make every place what it was; a file that is the same stays untouched, with its time and inode."""
        for place in PLACES:
            before, now = self.whole / place, self.path / place
            old, new = set(_below(before)), set(_below(now))
            for path in sorted(new - old):
                (now / path).unlink()
            for folder in sorted((path for path in now.rglob("*") if path.is_dir()), reverse=True):
                if not (before / folder.relative_to(now)).is_dir():  # an empty one would trip dvc's run-cache
                    folder.rmdir()
            for path in sorted(old):
                _copy(before / path, now / path)

    def differing(self, places: Sequence[str] = MADE) -> list[str]:
        """Return the files below `places` that are not what they were, times apart."""
        found = []
        for place in places:
            before, now = self.whole / place, self.path / place
            old, new = set(_below(before)), set(_below(now))
            changed = {path for path in old & new if not _same(before / path, now / path)}
            found += [(Path(place) / path).as_posix() for path in sorted((old ^ new) | changed)]
        return found

    def run(self, *command: str, environ: Mapping[str, str] | None = None, without: Sequence[str] = ()) -> Ended:
        """Run a command in the project.

        Args:
            command: Its words.
            environ: What it sees besides this process's environment.
            without: Names of variables that it does not see.
        """
        seen = {key: value for key, value in (ENVIRONMENT | dict(environ or {})).items() if key not in without}
        process = self.start(*command, environ=seen)
        try:
            text, _ = process.communicate(timeout=SECONDS)
        except subprocess.TimeoutExpired:
            process.kill()
            text, _ = process.communicate()
        return Ended(process.returncode, text)

    def start(self, *command: str, environ: Mapping[str, str] = ENVIRONMENT) -> subprocess.Popen[str]:
        """Start a command in the project, its stdout and stderr in one pipe."""
        return subprocess.Popen(
            command, cwd=self.path, env=environ, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
        )

    def said(self, ended: Ended) -> str:
        """Return the line that says what went wrong, the project's own before dvc's, without this machine's paths."""
        own = [line for line in ended.errors if line.startswith("error: ")]
        last = [line for line in ended.text.splitlines() if line.strip()][-1:]
        line = next(iter([*own, *ended.errors, *(last if ended.status else [])]), "")
        return line.replace(str(self.path), "PROJECT")


def judge(project: Project, ended: Ended, names: Sequence[str], damaged: str = "") -> str:
    """Return what came of a case, a key of OUTCOMES.

    Args:
        project: Where it ran.
        ended: How it ended.
        names: Of which an error line has to hold one.
        damaged: The damaged file; none where the surroundings are what is wrong.
    """
    if "Traceback (most recent call last)" in ended.text:
        return "traceback"
    if ended.status:
        own = [line for line in ended.errors if line.startswith("error: ")]
        known = bool(ended.errors) and any(name in project.said(ended) for name in names)
        return "named" if known and len(own) <= 1 else "unclear"
    if [name for name in project.differing() if name != damaged]:
        return "wrong"
    return "made anew" if damaged and not project.differing([damaged]) else "harmless"


def _below(place: Path) -> Iterator[str]:
    """Yield the files at or below a place, relative to it; `.` is the place itself."""
    if place.is_file():
        yield "."
    for path in place.rglob("*"):
        if path.is_file():
            yield path.relative_to(place).as_posix()


def _same(one: Path, other: Path) -> bool:
    """Return whether two files hold the same, times apart."""
    if one.read_bytes() == other.read_bytes():
        return True
    try:
        return content(one) == content(other)
    except ValueError:  # damaged JSON
        return False


def _copy(source: Path, target: Path) -> None:
    """Make a file what another is: content, time and mode; one that is the same stays untouched."""
    status = source.stat()
    if target.is_file():
        same = target.stat().st_mtime_ns == status.st_mtime_ns
        if same and target.read_bytes() == source.read_bytes():  # not filecmp, which goes by time and size
            return
        target.chmod(0o644)
    target.parent.mkdir(parents=True, exist_ok=True)
    target.write_bytes(source.read_bytes())
    target.chmod(status.st_mode)
    os.utime(target, ns=(status.st_atime_ns, status.st_mtime_ns))
