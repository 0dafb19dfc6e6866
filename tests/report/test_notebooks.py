"""Notebooks are kept as sources and run to the same bytes."""

import json
import subprocess
import sys
from pathlib import Path

import nbformat
import pytest
from nbformat import v4

from stages.errors import UserError
from stages.report import notebooks
from stages.report.notebooks import READS, report_notebook
from tests import miniature

SOURCES = sorted((miniature.REPOSITORY / "notebooks").glob("*.ipynb"))


def write(root: Path, *sources: str, tags: tuple[str, ...] = ()) -> Path:
    cells = [v4.new_code_cell(source, metadata={"tags": list(tags)}) for source in sources]
    path = root / "notebooks" / "small.ipynb"
    path.parent.mkdir(parents=True, exist_ok=True)
    nbformat.write(v4.new_notebook(cells=cells), path)
    return path


def test_there_is_a_notebook_for_each_report():
    assert {path.stem for path in SOURCES} == set(READS)


@pytest.mark.parametrize("path", SOURCES, ids=lambda path: path.stem)
def test_notebooks_hold_sources_only(path: Path):
    notebook = nbformat.read(path, as_version=4)
    nbformat.validate(notebook)
    for cell in notebook.cells:
        if cell.cell_type == "code":
            assert cell.outputs == []
            assert cell.execution_count is None
    assert set(notebook.metadata) == {"kernelspec", "language_info"}


@pytest.mark.parametrize("path", SOURCES, ids=lambda path: path.stem)
def test_a_notebook_has_a_parameter_for_each_that_it_is_given(path: Path):
    cells = [c for c in nbformat.read(path, as_version=4).cells if "parameters" in c.metadata.get("tags", [])]
    names = {line.split(" = ")[0] for cell in cells for line in cell.source.splitlines()}
    assert names == set(READS[path.stem])


@pytest.mark.parametrize("path", SOURCES, ids=lambda path: path.stem)
def test_notebooks_begin_with_a_heading_and_need_no_mathjax(path: Path):
    markdown = [c.source for c in nbformat.read(path, as_version=4).cells if c.cell_type == "markdown"]
    assert markdown[0].startswith("# ")
    assert "$" not in "".join(markdown)


@pytest.mark.integration
def test_the_kernel_is_this_interpreter_and_knows_the_parameters(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("PATH", "/nonexistent")  # as with an environment that is not activated
    foreign = tmp_path / "jupyter" / "kernels" / "python3"
    foreign.mkdir(parents=True)
    kernel = {"argv": ["/bin/false"], "display_name": "a user's own", "language": "python"}
    (foreign / "kernel.json").write_text(json.dumps(kernel))
    monkeypatch.setenv("JUPYTER_PATH", str(tmp_path / "jupyter"))
    code = "import os, sys\nimport stages\nprint(sys.executable, os.getcwd(), x)"
    notebook = notebooks.execute(write(tmp_path, "x = 1", code, tags=("parameters",)), tmp_path, {"x": 2})
    assert notebook.cells[-1].outputs[0].text == f"{sys.executable} {tmp_path} 2\n"


@pytest.mark.integration
def test_what_changes_between_runs_is_taken_out(tmp_path: Path):
    path = write(tmp_path, "1 + 1")
    first, second = (nbformat.writes(notebooks.execute(path, tmp_path, {"a": 1})) for _ in range(2))
    assert first == second
    assert "papermill" not in first
    assert sys.version.split()[0] not in first


@pytest.mark.integration
def test_a_failing_cell_is_one_line_with_notebook_cell_and_error(tmp_path: Path):
    path = write(tmp_path, "x = 1", "1 / 0")
    with pytest.raises(UserError, match=r"^notebooks/small\.ipynb, cell 2: ZeroDivisionError: division by zero$"):
        notebooks.execute(path, tmp_path, {"y": 1})


def test_no_notebook_is_one_line(tmp_path: Path):
    with pytest.raises(UserError, match=r"^notebooks/figure9\.ipynb: no such notebook"):
        notebooks.execute(tmp_path / "notebooks" / "figure9.ipynb", tmp_path, {})


def reports_twice(project: Path, name: str) -> dict[str, bytes]:
    """Run a report twice; the files of the first run, which those of the second must equal."""

    def files() -> dict[str, bytes]:
        found = sorted((project / "reports").rglob("*"))
        return {str(path.relative_to(project / "reports")): path.read_bytes() for path in found if path.is_file()}

    report_notebook(name, project)
    first = files()
    report_notebook(name, project)
    assert files() == first
    return first


@pytest.mark.integration
def test_a_figures_report_is_the_same_bytes_again(project: Path):
    files = reports_twice(project, "figure2")
    assert set(files) == {"figure2.ipynb", "figure2.html", "figure2.png"}
    page = files["figure2.html"].decode()
    assert "<h1>Figure 2: Trained on boxes alone · synthetic street scenes</h1>" in page
    assert 'alt="4 validation pictures on synthetic street scenes' in page


@pytest.mark.integration
def test_the_tables_report_is_the_same_bytes_again(project: Path):
    files = reports_twice(project, "tables")
    assert {"tables.ipynb", "tables.html", "tables/table1.csv", "tables/table3.md", "tables/results.md"} <= set(files)
    page = files["tables.html"].decode()
    for number in ("86.9", "69.18", "85.45", "81*", "98.21", "53.2"):
        assert f">{number}</td>" in page


@pytest.mark.slow
@pytest.mark.parametrize("name", ["figure1", "figure3", "figure4", "figure5", "figure6"])
def test_the_other_figures_reports_are_the_same_bytes_again(project: Path, name: str):
    assert set(reports_twice(project, name)) == {f"{name}.ipynb", f"{name}.html", f"{name}.png"}


@pytest.mark.integration
def test_which_labels_to_buy_follows_from_params_and_is_the_same_bytes_again(project: Path):
    files = reports_twice(project, "annotation")
    assert set(files) == {"annotation.ipynb", "annotation.html", "annotation.png"}
    page = files["annotation.html"].decode()
    assert "Nuclei: masks on 18 % of the images" in page and ">3.9</td>" in page
    text = (project / "params.yaml").read_text()
    (project / "params.yaml").write_text(text.replace("mask_seconds: 79 ", "mask_seconds: 158 "))
    assert ">7.9</td>" in reports_twice(project, "annotation")["annotation.html"].decode()


@pytest.mark.slow
def test_the_collapse_is_the_same_bytes_again_and_shows_seven_pictures(project: Path):
    files = reports_twice(project, "collapse")
    assert set(files) == {"collapse.ipynb", "collapse.html"}
    assert files["collapse.html"].count(b"<img") == 7


@pytest.mark.integration
def test_a_missing_input_ends_the_command_with_one_line(project: Path):
    (project / "results" / "ce-500.json").unlink()
    command = [sys.executable, "-m", "stages.report"]
    env = {"PYTHONPATH": str(miniature.REPOSITORY)}
    done = subprocess.run(command, cwd=project, env=env, capture_output=True, text=True, check=False)
    assert done.returncode == 1
    assert done.stderr == "error: results/ce-500.json is missing: `dvc repro gather` makes it\n"
