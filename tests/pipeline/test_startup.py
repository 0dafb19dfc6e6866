"""What a stage's process imports: starting one costs as much as the work of a small stage."""

import subprocess
import sys

import pytest

from stages.paths import ROOT

pytestmark = pytest.mark.integration

LIGHT = ["stages.validate", "stages.download.__main__", "stages.boxes.__main__", "stages.evaluate.gather"]


def imported(code: str) -> set[str]:
    """The packages that are there after a piece of Python has run."""
    code += "\nimport sys; print(*{name.split('.')[0] for name in sys.modules})"
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True)
    return set(done.stdout.split())


@pytest.mark.parametrize("module", [*LIGHT, "stages.report.notebooks", "stages.reproduce", "stages.studies.__main__"])
def test_what_computes_nothing_with_tensors_imports_no_torch(module):
    assert "torch" not in imported(f"import {module}")


@pytest.mark.parametrize(
    "module",
    [*LIGHT, "stages.report.notebooks", "stages.reproduce", "stages.train.__main__", "stages.studies.__main__"],
)
def test_what_draws_nothing_imports_neither_matplotlib_nor_pandas(module):
    assert not imported(f"import {module}") & {"matplotlib", "pandas", "seaborn"}


def test_reading_a_notebook_compiles_no_grammars():
    assert "lark" not in imported("import stages.report.notebooks, nbformat")
