"""A bit that a disk has lost, in DVC's cache and in the committed reference."""

import os
import sys
from pathlib import Path

import pytest

from stages import verify
from stages.errors import UserError
from tests.pipeline.clones import Clone, copy_project

COMMAND = [sys.executable, "-m", "stages.verify"]


def lose_a_bit(file: Path) -> None:
    """Flip the lowest bit of the first byte, and keep the file's times, as a disk does."""
    status = file.stat()
    content = bytearray(file.read_bytes())
    content[0] ^= 1
    file.chmod(0o644)
    file.write_bytes(content)
    os.utime(file, ns=(status.st_atime_ns, status.st_mtime_ns))


@pytest.fixture(scope="module")
def clone(tmp_path_factory: pytest.TempPathFactory) -> Clone:
    """A project of which some stages have run."""
    clone = copy_project(tmp_path_factory.mktemp("whole") / "project")
    clone.dvc("repro", "code")
    return clone


@pytest.mark.integration
def test_what_is_whole_is_said_to_be(clone: Clone) -> None:
    said = clone.run(*COMMAND).stdout
    files = len([path for path in (clone.path / "reference").rglob("*") if path.is_file()])
    objects = len(verify.cached(clone.path / ".dvc" / "cache"))
    outs = len(list((clone.path / "data" / "code").iterdir())) + len(["data/valid.txt"])
    assert said == (
        f"DVC's cache: {objects} objects; outs: {outs} files; reference: {files} files; all as they were written\n"
    )
    assert objects > 5 and outs > 5 and files > 100


@pytest.mark.integration
def test_a_lost_bit_of_an_out_is_found_that_dvc_takes_for_unchanged(clone: Clone) -> None:
    rotten = clone.path / "data" / "code" / "train.txt"
    content = rotten.read_bytes()
    lose_a_bit(rotten)
    assert "code" not in clone.changed()
    done = clone.run(*COMMAND, check=False)
    assert done.returncode == 1 and "Traceback" not in done.stderr
    line = "data/code/train.txt: is not what dvc.lock says; delete it, and `dvc repro` brings it back"
    assert line in done.stderr.replace("\r", "\n").splitlines()
    rotten.unlink()
    clone.dvc("repro", "code")
    assert rotten.read_bytes() == content


@pytest.mark.integration
def test_an_out_that_dvc_knows_to_be_changed_is_not_called_lost(clone: Clone) -> None:
    file = clone.path / "data" / "valid.txt"
    file.write_text("written by hand")
    assert clone.run(*COMMAND).stdout.endswith("all as they were written\n")
    clone.dvc("repro", "code")


def test_a_lock_that_is_none_is_one_line(tmp_path: Path) -> None:
    (tmp_path / "dvc.lock").write_text("stages: {code: {outs: [{path: a}]}}")
    with pytest.raises(UserError, match=r"dvc.lock: not what this version writes \(KeyError\('md5'\)\); `dvc repro`"):
        verify.recorded(tmp_path, tmp_path)
    assert verify.recorded(tmp_path / "none", tmp_path) == {}


@pytest.mark.integration
def test_a_lost_bit_is_found_and_named(clone: Clone) -> None:
    objects = verify.cached(clone.path / ".dvc" / "cache")
    folder = next(path for path in objects if path.suffix == ".dir")
    plain = next(path for path in objects if path.suffix != ".dir")
    committed = "reference/cost.json"
    for file in (folder, plain, clone.path / committed):
        lose_a_bit(file)
    done = clone.run(*COMMAND, check=False)
    lines = [line for line in done.stderr.replace("\r", "\n").splitlines() if ": " in line and "objects" not in line]
    assert done.returncode == 1 and "Traceback" not in done.stderr
    assert f"{committed}: is not what is committed; `git checkout -- {committed}` brings it back" in lines
    assert {line.split(": ")[0] for line in lines if "its name says" in line} == {str(folder), str(plain)}
    assert lines[-1].startswith("error: 3 of ")


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    (line,) = verify.changed_files(tmp_path, {"reference/a.json": "0"})
    assert line == "reference/a.json: is missing; `git checkout -- reference/a.json` brings it back"


def test_without_a_cache_there_is_nothing_to_hash(tmp_path: Path) -> None:
    assert verify.cached(tmp_path / "none") == []


def test_without_a_commit_nothing_is_said_to_be_whole(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="git ls-tree failed in .*, so reference has nothing to be compared with"):
        verify.in_git(tmp_path)
