"""The command line of exports, but for the files themselves."""

import os
import sys

import pytest

from stages.errors import UserError
from stages.export import __main__ as program
from tests.predict.trained import BINARY, PLAIN


@pytest.fixture
def call(monkeypatch):
    """A function that exports with arguments."""

    def run(*arguments):
        monkeypatch.setattr(sys, "argv", ["export", *map(str, arguments)])
        program.main()

    return run


def test_what_was_written_is_said(call, run_of, tmp_path, capsys):
    for row, outputs in ((BINARY, "mean, variance, classes"), (PLAIN, "mean, classes; loss bce has no variance")):
        file = tmp_path / "sub" / f"{row}.pt"
        call("--run", run_of(row), "--format", "torchscript", "--out", file)
        assert capsys.readouterr().out == f"{file}: TorchScript; input images, outputs {outputs}\n"
        assert [path.name for path in file.parent.glob(f"*{row}*")] == [file.name]


def test_a_file_is_not_written_over_without_force(call, run_of, tmp_path):
    file = tmp_path / "network.pt"
    file.write_text("mine")
    arguments = ("--run", run_of(PLAIN), "--format", "torchscript", "--out", file)
    with pytest.raises(UserError, match=r"network\.pt: exists already; .*--force"):
        call(*arguments)
    assert file.read_text() == "mine"
    call(*arguments, "--force")
    assert file.stat().st_size > 10_000


@pytest.mark.parametrize("kind", ["pipe", "link", "folder"])
def test_force_replaces_regular_files_alone(call, run_of, tmp_path, kind):
    file = tmp_path / "network.pt"
    {"pipe": os.mkfifo, "link": lambda path: path.symlink_to("mine"), "folder": os.mkdir}[kind](file)
    before = file.lstat()
    with pytest.raises(UserError, match=r"network\.pt: exists and is no regular file; take another --out$"):
        call("--run", run_of(PLAIN), "--format", "torchscript", "--out", file, "--force")
    assert file.lstat() == before


@pytest.mark.parametrize(
    ("out", "message"),
    [("", "^--out is empty; "), (".", "is no regular file"), ("n" * 300, "cannot be written: a name in it takes 3")],
)
def test_an_impossible_out_is_one_line(call, run_of, tmp_path, monkeypatch, out, message):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(UserError, match=message):
        call("--run", run_of(PLAIN), "--format", "torchscript", "--out", out)
    assert list(tmp_path.iterdir()) == []


def test_an_export_that_fails_leaves_no_part(call, run_of, tmp_path, monkeypatch):
    def stop(graph, file, metadata):
        file.write_text("half")
        raise RuntimeError("stop")

    monkeypatch.setitem(program.FORMATS, "torchscript", stop)
    with pytest.raises(RuntimeError, match="stop"):
        call("--run", run_of(PLAIN), "--format", "torchscript", "--out", tmp_path / "network.pt")
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("run", "message"), [("nope", "--run nope: no such folder"), (".", r"run\.json: no such file")]
)
def test_no_such_run_is_one_line(call, tmp_path, monkeypatch, run, message):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(UserError, match=message) as error:
        call("--run", run, "--format", "onnx", "--out", "network.onnx")
    assert "\n" not in str(error.value) and list(tmp_path.iterdir()) == []
