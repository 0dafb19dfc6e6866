"""Run one notebook into reports/ so that the same inputs give the same bytes: python -m stages.report.notebooks figure1

Papermill executes it with the interpreter that runs this program; what changes between two equal runs (times, versions,
random cell ids) is then taken out.
"""

import argparse
import base64
import contextlib
import json
import logging
import os
import sys
import tempfile
import warnings
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import nbformat
from nbformat import NotebookNode

from stages import config, paths
from stages.analysis import paper
from stages.analysis.naming import dataset_title
from stages.config import Settings
from stages.errors import UserError, run
from stages.report import pages

FIGURES = tuple(f"figure{number}" for number in range(1, 7))
"""The notebooks that draw one picture each."""
READS: Mapping[str, tuple[str, ...]] = {
    **dict.fromkeys(("figure2", "figure3", "figure5", "figure6"), ("dataset", "seed")),
    "figure1": (),
    "figure4": ("tau", "temperature"),
    "collapse": ("dataset", "seed", "tau", "temperature", "pp_chance"),
    "stability": (),
    "annotation": (),
    "tables": (),
}
"""Every notebook and the parameters that it takes; `tables` and `annotation` read the files themselves."""
TITLES = {
    "collapse": "When the literal loss collapses",
    "stability": "Where the multi-class loss is unstable",
    "annotation": "Which labels to buy",
    "tables": "Tables 1–3",
}
WITHOUT_DATA = {
    **dict.fromkeys(("figure1", "figure4"), "from the loss functions, no data"),
    "stability": "from the loss functions and committed trainings",
    "annotation": "from committed trainings",
}
"""What the pages are of that show nothing of the dataset."""

PACKAGE_PARENT = Path(__file__).resolve().parent.parent.parent
KERNEL = "python3"
LANGUAGE = {"name": "python"}


def execute(notebook: Path, root: Path, parameters: Mapping[str, Any]) -> NotebookNode:
    """Execute a notebook with `root` as working directory and return it, free of what changes between runs.

    Args:
        notebook: Its file.
        root: The project.
        parameters: Replace those of the notebook's cell tagged `parameters`.

    Raises:
        UserError: There is no such notebook, or a cell fails; names notebook, cell (counted from 1) and error.
    """
    shown = f"notebooks/{notebook.name}"
    if not notebook.is_file():
        raise UserError(f"{shown}: no such notebook in {notebook.parent.parent}")
    import papermill  # costs a second

    logging.getLogger("papermill").setLevel(logging.ERROR)
    with tempfile.TemporaryDirectory() as scratch, _own_kernel(Path(scratch)), warnings.catch_warnings():
        warnings.simplefilter("ignore")
        output = Path(scratch) / notebook.name
        try:
            papermill.execute_notebook(
                str(notebook),
                str(output),
                dict(parameters),
                kernel_name=KERNEL,
                language="python",
                cwd=str(root),
                progress_bar=False,
            )
        except papermill.PapermillExecutionError as error:
            raise UserError(f"{shown}, cell {_failed_cell(output)}: {_reason(error)}") from None
        return strip(nbformat.read(output, as_version=4))


def _failed_cell(output: Path) -> int:
    """Return the number of the failing cell in the source, counted from 1, without the cells that papermill put in."""
    own = {"papermill-error-cell-tag", "injected-parameters"}
    cells = [c for c in nbformat.read(output, as_version=4).cells if not own & set(c.metadata.get("tags", []))]
    failed = (any(o.output_type == "error" for o in cell.get("outputs", [])) for cell in cells)
    return 1 + list(failed).index(True)


def _reason(error: Any) -> str:
    """Return a kernel's error on one line; a UserError says what to do by itself."""
    first = (str(error.evalue).strip().splitlines() or [""])[0]
    return first if error.ename == "UserError" else f"{error.ename}: {first}"


@contextlib.contextmanager
def _own_kernel(scratch: Path) -> Iterator[None]:
    """Let `python3` mean this interpreter, whatever kernels the user has and whether or not its venv is activated."""
    folder = scratch / "kernels" / KERNEL
    folder.mkdir(parents=True)
    path = os.pathsep.join(filter(None, [str(PACKAGE_PARENT), os.environ.get("PYTHONPATH")]))
    spec = {
        "argv": [sys.executable, "-m", "ipykernel_launcher", "-f", "{connection_file}", "--log-level=CRITICAL"],
        "display_name": "Python 3",
        "language": "python",
        "env": {"PYTHONPATH": path, "PYTHONHASHSEED": "0", "PYDEVD_DISABLE_FILE_VALIDATION": "1"},
    }
    (folder / "kernel.json").write_text(json.dumps(spec), encoding="utf-8")
    own = {
        "JUPYTER_PATH": os.pathsep.join(filter(None, [str(scratch), os.environ.get("JUPYTER_PATH")])),
        "JUPYTER_RUNTIME_DIR": str(scratch / "runtime"),
        "IPYTHONDIR": str(scratch / "ipython"),  # a user's start-up files do not belong in the report
    }
    before = {key: os.environ.get(key) for key in own}
    os.environ.update(own)
    try:
        yield
    finally:
        for key, value in before.items():
            if value is None:
                os.environ.pop(key)
            else:
                os.environ[key] = value


def strip(notebook: NotebookNode) -> NotebookNode:
    """Take out times, versions and papermill's records, and number the cells, in place; returns the notebook."""
    notebook.metadata = {
        "kernelspec": {"display_name": "Python 3", "language": "python", "name": KERNEL},
        "language_info": LANGUAGE,
    }
    notebook.nbformat, notebook.nbformat_minor = 4, 5
    for number, cell in enumerate(notebook.cells):
        cell.id = f"cell-{number}"
        for key in ("papermill", "execution", "collapsed", "scrolled"):
            cell.metadata.pop(key, None)
    return notebook


def pictures(notebook: NotebookNode) -> list[tuple[bytes, str]]:
    """Return every PNG that an executed notebook shows, with its alternative text."""
    found = []
    for cell in notebook.cells:
        for output in cell.get("outputs", []):
            png = output.get("data", {}).get("image/png")
            if png:
                alt = output.get("metadata", {}).get("image/png", {}).get("alt", "")
                found.append((base64.b64decode(png), alt))
    return found


def report_notebook(name: str, root: Path) -> None:
    """Execute notebooks/<name>.ipynb into reports/<name>.ipynb and .html, and its first picture into <name>.png.

    Raises:
        UserError: The notebook is missing or fails, or a figure's notebook does not show exactly one picture.
    """
    settings = config.load(root)
    values = {"seed": settings.params.seeds[0], **settings.params.model_dump()}
    notebook = execute(root / "notebooks" / f"{name}.ipynb", root, {key: values[key] for key in READS[name]})
    shown = pictures(notebook)
    if name in FIGURES and len(shown) != 1:
        raise UserError(f"notebooks/{name}.ipynb shows {len(shown)} pictures; a figure's notebook shows one")
    reports = paths.reports(root)
    reports.mkdir(exist_ok=True)
    nbformat.write(notebook, paths.reset(reports / f"{name}.ipynb"))
    paths.reset(reports / f"{name}.html").write_text(_page(name, notebook, settings, root), encoding="utf-8")
    if name != "collapse":
        paths.reset(reports / f"{name}.png").write_bytes(shown[0][0])


def _page(name: str, notebook: NotebookNode, settings: Settings, root: Path) -> str:
    title = TITLES.get(name) or f"Figure {name[-1]}: {paper.load_readings(root).figures[name].title}"
    if kicker := WITHOUT_DATA.get(name):
        return pages.notebook_page(notebook, title, kicker)
    dataset = dataset_title(settings.params.dataset)
    kicker = dataset if name == "tables" else f"{dataset} · seed {settings.params.seeds[0]}"
    return pages.notebook_page(notebook, f"{title} · {dataset}", kicker)


def main() -> None:
    """Read the command line and run one notebook."""
    parser = argparse.ArgumentParser(prog="python -m stages.report.notebooks", description=__doc__.splitlines()[0])
    parser.add_argument("name", choices=list(READS))
    report_notebook(parser.parse_args().name, paths.ROOT)


if __name__ == "__main__":
    run(main)
