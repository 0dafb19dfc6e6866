"""reports/index.html: what was reproduced first, then the numbers, the pictures, and how it was all made."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import nbformat
from markupsafe import Markup

from stages import params, paths
from stages.params import PAPER_IMAGES, Settings, UserError
from stages.paths import ROOT
from stages.report import claims, committed, costs, evidence, pages, paper, runner, tables, variations
from stages.report.paper import Paper
from stages.report.records import Result, finals, read_json, results
from stages.report.tables import RECIPE_NAMES
from stages.style import CLASS_COLOURS, CLASSES, dataset_title

OVERVIEW = "tables"  # the notebook that draws it


@dataclass(frozen=True)
class ShownFigure:
    """A figure as the index shows it: the picture as a data address, its alternative text and the paper's caption."""

    name: str
    number: str
    title: str
    caption: str
    source: str
    alt: str


def build(root: Path = ROOT) -> dict[str, str]:
    """The pages by file name, from results/, the executed notebooks, the dataset's statistics and paper.yaml.

    Returns: index.html, and claims/<id>.html for each claim.

    Raises:
        UserError: one of them is missing or of another dataset.
    """
    settings, printed = params.load(root), paper.load(root)
    measured = results(settings, root)
    dataset = settings.params.dataset
    complete, _ = committed.load(printed, root)
    trained = complete[dataset].trained if dataset in complete else finals(dataset, root)
    found = claims.findings(printed, settings, measured, trained)
    others = tables.other_rows(printed, settings, measured)
    cost = costs.load(root)
    growth = costs.picture(cost)
    page = pages.render(
        "index.html",
        title=f"Learning label uncertainty, reproduced on {dataset_title(dataset)}",
        dataset=dataset_title(dataset),
        is_cityscapes=dataset == "cityscapes",
        paper=printed,
        found=found,
        summary=claims.summary(found),
        headlines=claims.headlines(printed, settings, measured),
        recipe_names=RECIPE_NAMES,
        committed=complete,
        single=all(len(result.runs) == 1 for result in measured.values()),
        tables=[_markup(table) for table in tables.paper_tables(printed, settings, measured)],
        others=_markup(others),
        variations=_markup(variations.table(settings, trained)),
        flips=_markup(tables.flip_table(settings, measured)),
        shapes=_markup(tables.shape_table(settings, measured)),
        overview=_picture(OVERVIEW, root),
        figures=[_figure(name, printed, root) for name in runner.FIGURES],
        legend=[(CLASSES[label], CLASS_COLOURS[label]) for label in (0, 1, 2)],
        statistics=dataset_statistics(dataset, root),
        settings=settings,
        setting=_setting(settings),
        made=_made(measured),
        recipes=_recipes(measured),
        scaled=scaled,
        growth=(pages.data_uri(growth.png()), growth.alt, costs.said(cost)),
        rows=[_row_provenance(name, settings, measured[name]) for name in settings.order],
    )
    evidences = {f"claims/{f.claim.id}.html": evidence.claim_page(f, settings, complete, root) for f in found}
    return {"index.html": page} | evidences


def _markup(table: tables.Table | None) -> Markup | None:
    return None if table is None else Markup(table.html())


def _figure(name: str, printed: Paper, root: Path) -> ShownFigure:
    source, alt = _picture(name, root)
    about = printed.figures[name]
    return ShownFigure(name, name.removeprefix("figure"), about.title, about.caption, source, alt)


def _picture(name: str, root: Path) -> tuple[str, str]:
    """The one picture of an executed notebook: its data address and alternative text."""
    path = paths.reports(root) / f"{name}.ipynb"
    try:
        shown = runner.pictures(nbformat.read(path, as_version=4))
    except FileNotFoundError:
        raise UserError(f"reports/{name}.ipynb is missing: `dvc repro {name}` makes it") from None
    except (nbformat.ValidationError, nbformat.reader.NotJSONError):
        raise UserError(f"reports/{name}.ipynb is no notebook: `dvc repro -f {name}` makes it again") from None
    if len(shown) != 1:
        raise UserError(f"reports/{name}.ipynb shows {len(shown)} pictures, one is expected: `dvc repro -f {name}`")
    png, alt = shown[0]
    return pages.data_uri(png), alt


# ---- the dataset and the runs ----------------------------------------------------------------------------------------


def dataset_statistics(dataset: str, root: Path = ROOT) -> Mapping[str, Any]:
    """data/<dataset>/packed/statistics.json: per split and class, what the boxes are like.

    Raises:
        UserError: it is missing.
    """
    return read_json(paths.packed(dataset, root) / "statistics.json", "boxes", root)


def _setting(settings: Settings) -> list[tuple[str, str]]:
    """What params.yaml and the profile say of the training, as (name, value)."""
    chosen, train = settings.params, settings.profile.train
    width, height = settings.profile.boxes.size
    return [
        ("training size", f"{width} × {height} pixels"),
        ("network", f"ERFNet, width {train.width:g}" + ("" if train.width == 1 else " (the paper's is 1)")),
        ("steps", f"{settings.steps} of {chosen.batch_size} images"),
        ("learning rate", f"{settings.learning_rate:g}, {train.schedule} (paper: 5e-4, no schedule given)"),
        ("weight decay", f"{train.weight_decay:g}"),
        ("left-right flip", f"{train.flip:.0%} of draws"),
        ("τ, temperature", f"{chosen.tau:g}, {chosen.temperature:g}"),
        ("samples T", str(chosen.samples)),
        ("pixel-perfect chance", f"{chosen.pp_chance:.0%}, sampler {chosen.sampler}"),
        ("data seed", str(chosen.data_seed)),
        ("training seeds", ", ".join(map(str, chosen.seeds))),
    ]


def _made(measured: Mapping[str, Result]) -> list[tuple[str, str]]:
    """Where and with what the runs were made, as (name, value); differing values are all named."""
    runs = [run for result in measured.values() for run in result.runs]
    entries = [
        (key, _distinct(run.get(key) for run in runs))
        for key in ("device", "precision", "threads", "commit", "code", "data")
    ]
    names = sorted({name for run in runs for name in run.get("versions", {})})
    versions = [(name, _distinct(run.get("versions", {}).get(name) for run in runs)) for name in names]
    seconds = sum(run.get("seconds") or 0 for run in runs)
    total = [("trainings", f"{len(runs)}, {_duration(seconds)} in all")]
    return total + [(key, value) for key, value in [*entries, *versions] if value]


def _recipes(measured: Mapping[str, Result]) -> dict[str, list[tuple[str, str]]]:
    """Every recipe that a run names, with its fields as the run recorded them, as (name, value)."""
    recorded = [run["resolutions"] for result in measured.values() for run in result.runs if "resolutions" in run]
    return {
        recipe["name"]: [(key.replace("_", " "), _plain(value)) for key, value in recipe.items() if key != "name"]
        for recipe in recorded
    }


def _plain(value: Any) -> str:
    if isinstance(value, bool):
        return "yes" if value else "no"
    return "–" if value is None else str(value)


def _distinct(values: Iterable[Any]) -> str:
    return ", ".join(dict.fromkeys(str(value) for value in values if value is not None))


def _row_provenance(name: str, settings: Settings, result: Result) -> dict[str, str]:
    row = settings.rows[name]
    seconds = result.value("seconds")
    speed = result.value("images_per_second")
    return {
        "name": name,
        "counts": f"{row.pp or '/'} : {row.box or '/'}",
        "seeds": ", ".join(map(str, result.seeds)),
        "time": _duration(seconds.mean) if seconds else tables.NONE,
        "speed": f"{speed.mean:.1f}" if speed else tables.NONE,
        "device": _distinct(run.get("device") for run in result.runs) or tables.NONE,
        "commit": _distinct(str(run["commit"])[:10] for run in result.runs if run.get("commit")) or tables.NONE,
    }


def scaled(count: int, images: int) -> int:
    """A count of the paper's 2780 images as a share of `images`, at least one."""
    return max(1, round(count / PAPER_IMAGES * images))


def _duration(seconds: float) -> str:
    """Seconds as a person would say them: `48 s`, `3 min 20 s`, `2 h 05 min`."""
    minutes, rest = divmod(round(seconds), 60)
    if minutes >= 60:
        return f"{minutes // 60} h {minutes % 60:02d} min"
    return f"{minutes} min {rest:02d} s" if minutes else f"{rest} s"
