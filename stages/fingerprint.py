"""A hash of the code that a program runs: of all modules of this project that it imports, without their prose.

Comments, docstrings and layout do not count, so a change of words makes nothing run again. `python -m
stages.fingerprint` writes one file for each stage, on which the stage depends in dvc.yaml in place of its sources.
"""

import ast
import hashlib
import json
from collections.abc import Iterable, Iterator
from pathlib import Path

from stages import errors, paths
from stages.download.registry import SOURCES

PACKAGE = "stages"
SOURCE = Path(__file__).resolve().parent.parent
PROGRAMS = {
    "download": ["stages.download.__main__", *(f"stages.download.{name}" for name in SOURCES)],
    "boxes": ["stages.boxes.__main__"],
    "proposals": ["stages.proposals.__main__"],
    "train": ["stages.train.__main__"],
    "evaluate": ["stages.evaluate.__main__"],
    "gather": ["stages.evaluate.gather"],
    "report": ["stages.report.__main__"],
}
"""The modules that a stage starts with, by the stage's name in dvc.yaml; notebooks are read for what they import.
The sources of data are imported by name (see stages/download/registry.py)."""
NOTEBOOK_PROGRAM = "stages.report.notebooks"


def fingerprint(modules: Iterable[str], source: Path = SOURCE) -> str:
    """Return the SHA-256 (hex) of the code of these modules and of all that they import of this project.

    Args:
        modules: Dotted names, e.g. `stages.train.__main__`.
        source: The folder that holds the package.

    Raises:
        UserError: A module has a syntax error.
    """
    digest = hashlib.sha256()
    for name, file in sorted(closure(modules, source).items()):
        digest.update(name.encode() + b"\0" + _code(file).encode() + b"\0")
    return digest.hexdigest()


def closure(modules: Iterable[str], source: Path = SOURCE) -> dict[str, Path]:
    """Return the files of these modules and of all that they import, at any place in their code, by module name."""
    found: dict[str, Path] = {}
    waiting = list(modules)
    while waiting:
        name = waiting.pop()
        file = _file(name, source)
        if name in found or file is None:
            continue
        found[name] = file
        parts = name.split(".")
        waiting += [".".join(parts[:k]) for k in range(1, len(parts))]  # packages run before what they hold
        waiting += _imports(_tree(file), name)
    return found


def notebook_imports(notebook: Path) -> list[str]:
    """Return the modules of this project that the code of a notebook imports.

    Raises:
        UserError: It is missing or no notebook.
    """
    try:
        cells = json.loads(notebook.read_text(encoding="utf-8"))["cells"]
        code = "\n".join("".join(cell["source"]) for cell in cells if cell["cell_type"] == "code")
        return list(_imports(ast.parse(code), ""))
    except (OSError, ValueError, KeyError, TypeError, SyntaxError) as error:
        raise errors.UserError(f"notebooks/{notebook.name}: no notebook that can be read ({error})") from None


def _file(name: str, source: Path) -> Path | None:
    base = source.joinpath(*name.split("."))
    return next((file for file in (base.with_suffix(".py"), base / "__init__.py") if file.is_file()), None)


def _tree(file: Path) -> ast.Module:
    try:
        return ast.parse(file.read_bytes(), filename=str(file))
    except SyntaxError as error:
        raise errors.UserError(f"{file}, line {error.lineno}: {error.msg}") from None


def _imports(tree: ast.Module, module: str) -> Iterator[str]:
    """Give every module of the project that a tree may import: `from a import b` may mean the module a.b."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names if alias.name.split(".")[0] == PACKAGE)
        elif isinstance(node, ast.ImportFrom) and node.module and node.module.split(".")[0] == PACKAGE:
            yield node.module
            yield from (f"{node.module}.{alias.name}" for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.level:
            raise errors.UserError(f"{module}: imports relatively; allowed: from {PACKAGE}...")


def _code(file: Path) -> str:
    """Return what a module does, as a text in which its comments, docstrings and layout have no part."""
    tree = _tree(file)
    for node in ast.walk(tree):
        if isinstance(node, ast.Module | ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef):
            prose = [s for s in node.body if isinstance(s, ast.Expr) and isinstance(s.value, ast.Constant)]
            node.body = [s for s in node.body if s not in prose] or [ast.Pass()]
    return ast.dump(tree)


def write(root: Path = paths.ROOT) -> None:
    """Write data/code/<stage>.txt for every stage and every notebook under `root`.

    Raises:
        UserError: A module or a notebook cannot be read.
    """
    out = paths.code(root)
    out.mkdir(parents=True, exist_ok=True)
    notebooks = sorted((root / "notebooks").glob("*.ipynb"))
    programs = PROGRAMS | {file.stem: [NOTEBOOK_PROGRAM, *notebook_imports(file)] for file in notebooks}
    for name, modules in programs.items():
        paths.reset(out / f"{name}.txt").write_text(f"{fingerprint(modules, root)}\n", encoding="utf-8")


def main() -> None:
    """Write the fingerprints of the project in the working directory."""
    write()


if __name__ == "__main__":
    errors.run(main)
