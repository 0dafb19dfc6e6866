"""What files from elsewhere may do: nothing. The code by its syntax, and the places that take names from data."""

import ast
import zipfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from stages.download import cityscapes
from stages.download.coco_items import Finder, NotFound
from stages.paths import ROOT

MODULES = sorted([*(ROOT / "stages").rglob("*.py"), *(ROOT / "benchmarks").rglob("*.py")])
FORBIDDEN = {"eval", "exec", "os.system", "os.popen", "pickle.load", "pickle.loads", "tempfile.mktemp"}
RUN = {f"subprocess.{name}" for name in ("run", "Popen", "call", "check_call", "check_output")}


def calls(file: Path) -> Iterator[tuple[str, ast.Call]]:
    """Each call of a module, by the name that it is written with."""
    for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name | ast.Attribute):
            yield ast.unparse(node.func), node


def constant(call: ast.Call, keyword: str) -> object:
    """The constant that a call gives a keyword; None without it."""
    return next((word.value.value for word in call.keywords if word.arg == keyword), None)  # type: ignore[attr-defined]


@pytest.mark.parametrize("file", MODULES, ids=lambda file: file.relative_to(ROOT).as_posix())
def test_no_module_runs_what_a_file_or_a_text_says(file: Path) -> None:
    for name, call in calls(file):
        where = f"{file}:{call.lineno}: {name}"
        assert name not in FORBIDDEN, where
        if name == "torch.load":
            assert constant(call, "weights_only") is True, where
        if name in ("np.load", "numpy.load"):
            assert constant(call, "allow_pickle") in (None, False), where
        if name == "YAML":
            assert constant(call, "typ") in (None, "rt", "safe"), where  # both make plain values alone
        if name in RUN:
            assert constant(call, "shell") in (None, False), where
            assert not isinstance(call.args[0], ast.JoinedStr | ast.Constant), where  # a list of words, never a text


def test_the_walk_above_sees_what_it_looks_for(tmp_path: Path) -> None:
    file = tmp_path / "bad.py"
    file.write_text("import torch\ntorch.load('x')\neval('1')\n")
    assert {name for name, _ in calls(file)} == {"torch.load", "eval"}
    with pytest.raises(AssertionError, match="bad.py:2: torch.load"):
        test_no_module_runs_what_a_file_or_a_text_says(file)


@pytest.mark.parametrize("name", ["../secret.png", "../../secret.png", "/secret.png", "sub/../../secret.png"])
def test_a_coco_files_names_cannot_leave_the_folder_of_pictures(tmp_path: Path, name: str) -> None:
    root = tmp_path / "pictures"
    (root / "sub").mkdir(parents=True)
    (root / "a.png").touch()
    (tmp_path / "secret.png").touch()
    finder = Finder(root, [root / "a.png"])
    with pytest.raises(NotFound, match="is not in"):
        finder.find(name, root)


def test_an_archives_names_cannot_leave_its_folder(tmp_path: Path) -> None:
    package, folder = tmp_path / "package.zip", tmp_path / "data" / "gtFine"
    folder.parent.mkdir()
    link = zipfile.ZipInfo("gtFine/train/link.png")
    link.external_attr = 0o120777 << 16  # a symbolic link, whose content is where it leads to
    with zipfile.ZipFile(package, "w") as archive:
        archive.writestr("gtFine/train/a.png", "a")
        archive.writestr("gtFine/train/../../../../evil.png", "evil")
        archive.writestr("/gtFine/train/b.png", "b")
        archive.writestr(link, "/etc/passwd")
    cityscapes._unpack(package, folder)
    files = [path for path in tmp_path.rglob("*") if path.is_file() and path != package]
    assert all(path.is_relative_to(folder) for path in files), files
    assert (folder / "train" / "link.png").read_text() == "/etc/passwd"
    assert not any(path.is_symlink() for path in files)
