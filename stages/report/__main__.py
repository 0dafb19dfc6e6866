"""Run one notebook into reports/ (`python -m stages.report figure1`), or write the report itself (`index`)."""

import argparse
from pathlib import Path

import nbformat

from stages import params, paths
from stages.params import Settings, UserError
from stages.report import pages, paper, runner

NOTEBOOKS = (*runner.FIGURES, "collapse", "tables")
READS = {
    **dict.fromkeys(("figure2", "figure3", "figure5", "figure6"), ("dataset", "seed")),
    "figure1": (),
    "figure4": ("tau", "temperature"),
    "collapse": ("dataset", "seed", "tau", "temperature", "pp_chance"),
    "tables": (),
}
"""The parameters that each notebook takes; `tables` reads params.yaml itself, since it needs all of it."""


def report_notebook(name: str, root: Path) -> None:
    """Execute notebooks/<name>.ipynb into reports/<name>.ipynb and .html, and a figure's picture into <name>.png.

    Raises:
        UserError: the notebook is missing or fails, or a figure's notebook does not show exactly one picture.
    """
    settings = params.load(root)
    notebook = runner.execute(root / "notebooks" / f"{name}.ipynb", root, _parameters(name, settings))
    shown = runner.pictures(notebook)
    if name in runner.FIGURES and len(shown) != 1:
        raise UserError(f"notebooks/{name}.ipynb shows {len(shown)} pictures; a figure's notebook shows one")
    reports = paths.reports(root)
    reports.mkdir(exist_ok=True)
    nbformat.write(notebook, paths.fresh(reports / f"{name}.ipynb"))
    paths.fresh(reports / f"{name}.html").write_text(_page(name, notebook, settings, root), encoding="utf-8")
    if name != "collapse":
        paths.fresh(reports / f"{name}.png").write_bytes(shown[0][0])


def _parameters(name: str, settings: Settings) -> dict[str, object]:
    values = {"seed": settings.params.seeds[0], **settings.params.model_dump()}
    return {key: values[key] for key in READS[name]}


def _page(name: str, notebook: nbformat.NotebookNode, settings: Settings, root: Path) -> str:
    printed = paper.load(root)
    titles = {figure: f"Figure {figure[-1]}: {printed.figures[figure].title}" for figure in runner.FIGURES}
    title = (titles | {"collapse": "Why the literal loss collapses", "tables": "Tables 1–3"})[name]
    if name in ("figure1", "figure4"):
        return pages.notebook_page(notebook, title, "from the loss functions, no data")
    from stages.style import dataset_title  # with matplotlib, which only the kernel needs so far

    dataset = dataset_title(settings.params.dataset)
    kicker = dataset if name == "tables" else f"{dataset} · seed {settings.params.seeds[0]}"
    return pages.notebook_page(notebook, f"{title} · {dataset}", kicker)


def main() -> None:
    """Parse the command line and write one report."""
    parser = argparse.ArgumentParser(prog="python -m stages.report", description=__doc__)
    parser.add_argument("name", choices=[*NOTEBOOKS, "index"])
    name = parser.parse_args().name
    if name == "index":
        from stages.report import index  # with pandas and matplotlib, a second of every notebook's stage

        built = index.build(paths.ROOT)
        (paths.reports() / "claims").mkdir(parents=True, exist_ok=True)
        for file, page in built.items():
            paths.fresh(paths.reports() / file).write_text(page, encoding="utf-8")
    else:
        report_notebook(name, paths.ROOT)


if __name__ == "__main__":
    params.run(main)
