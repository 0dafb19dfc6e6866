"""reports/index.html: the answer and what it looks like first, then the numbers, the pictures, and how all was made."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import nbformat

from stages import config, paths
from stages.analysis import annotation, claims, methods, paper, reference_results, runtime
from stages.analysis.naming import RECIPE_NAMES, dataset_title
from stages.analysis.own import ranking
from stages.analysis.paper import Paper
from stages.analysis.results import (
    Result,
    Results,
    all_classes,
    dataset_statistics,
    left_out_rows,
    results,
)
from stages.arrays import VOID
from stages.config import PAPER_IMAGES, Row, Settings
from stages.errors import UserError
from stages.figures import front, table2
from stages.figures import runtime as runtime_figure
from stages.figures.style import CLASS_COLOURS, Picture
from stages.paths import ROOT
from stages.report import answer, claims_table, methods_table, notebooks, own, pages
from stages.report.claim_page import claim_page
from stages.report.paper_tables import Comparison, paper_tables
from stages.report.run_tables import flip_table, other_rows, parts_table, shape_table
from stages.report.sensitivity import sensitivity_table
from stages.report.tables import NONE

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
    """Return the pages by file name, from results/, the executed notebooks, the dataset's statistics and paper/.

    Returns:
        index.html, and claims/<id>.html for each claim.

    Raises:
        UserError: One of the files is missing or of another dataset.
    """
    settings, printed = config.load(root), paper.load(root)
    found = results(settings, root)
    if settings.profile.train.rows == "own":
        return {"index.html": _own_page(settings, printed, found, root)}
    dataset, seed = settings.params.dataset, settings.params.seeds[0]
    reference, _ = reference_results.load(printed, settings.rows, root)
    trained = reference[dataset].entries if dataset in reference else reference_results.entries(dataset, root)
    comparison = Comparison(printed, settings.rows, dataset, found, left_out_rows(root))
    judged = claims.judge_claims(printed, settings.rows, found, trained, comparison.left_out)
    listed = list(reference.values())
    sources = [found, *(one.results for one in listed)]
    cost = runtime.load(root)
    page = pages.render(
        "index.html",
        title="Learning label uncertainty, reproduced",
        dataset=comparison.title,
        is_cityscapes=dataset == "cityscapes",
        verdict=answer.verdict(printed, dataset, found),
        reference_verdicts=[answer.of_reference(printed, settings.rows, one) for one in listed],
        front=_address(front.draw(dataset, seed, root)),
        front_narrow=_address(front.draw(dataset, seed, root, front.NARROW)),
        closed=answer.closed(comparison),
        chart=_address(table2.draw(printed, dataset, found)),
        gaps=answer.gaps(printed, sources),
        shares=[*answer.shares(printed, sources), *answer.over_draws(printed, listed, before=1)],
        least_gap=printed.asked.gap.least,
        regime=[claims.judge_regime(printed, source) for source in sources],
        paper=printed,
        judged=judged,
        summary=claims.summary(judged),
        recipe_names=list(RECIPE_NAMES.values()),
        by_recipe=claims_table.by_recipe,
        word_of=claims_table.word_of,
        numbers_of=claims_table.numbers_of,
        reference=reference,
        reference_summaries={key: claims.summary(one.claims) for key, one in reference.items()},
        single=all(len(result.runs) == 1 for result in found.values()),
        tables=[table.html() for table in paper_tables(comparison)],
        others=_html(other_rows(comparison)),
        parts=_html(parts_table(comparison)),
        methods=_methods(printed, root),
        elsewhere=methods_table.ELSEWHERE,
        sensitivity=_html(sensitivity_table(Comparison(printed, settings.rows, dataset, trained))) if trained else None,
        flips=flip_table(comparison).html(),
        shapes=shape_table(comparison).html(),
        overview=_picture(OVERVIEW, root),
        figures=[_figure(name, printed, root) for name in notebooks.FIGURES],
        legend=[*zip(comparison.classes, CLASS_COLOURS.values(), strict=False), ("void", CLASS_COLOURS[VOID])],
        statistics=dataset_statistics(dataset, root),
        settings=settings,
        labels=_labels(settings, printed, root),
        setting=_setting(settings),
        made=_made(found),
        recipes=_recipes(found, settings.rows),
        scaled=scaled,
        growth=(*_address(runtime_figure.draw(cost)), runtime.caption(cost)),
        rows=[_row_provenance(name, settings, found[name]) for name in found],
        left_out=_by_reason(comparison.left_out),
    )
    evidence = {f"claims/{one.claim.id}.html": claim_page(one, settings, reference, root) for one in judged}
    return {"index.html": page} | evidence


def _methods(printed: Paper, root: Path) -> list[dict[str, Any]]:
    """Return what the page says of other methods, for each dataset."""
    tried, most = methods.tried(root), printed.most_overhead
    return [
        {
            "answers": methods_table.answers(name, found),
            "standing": methods_table.standing(name, found, printed.asked.confidence),
            "overhead": methods_table.overhead(name, found, most),
            "table": methods_table.methods_table(name, found, tried).html(),
        }
        for name, found in methods.load(printed, root).items()
    ]


def _own_page(settings: Settings, printed: Paper, found: Results, root: Path) -> str:
    """Return the front page of a run on data of one's own."""
    dataset = settings.params.dataset
    ranked = ranking(settings.rows, found, printed.asked.confidence)
    statistics = dataset_statistics(dataset, root)
    best = next((one.row for one in ranked if not one.full), "")
    worst = own.worst_picture(best, settings, root) if best else None
    return pages.render(
        "own.html",
        title=f"Learning label uncertainty on {dataset}",
        dataset=dataset_title(dataset),
        answer=own.answer(ranked, dataset, statistics["images"]["val"]),
        ranking=own.ranking_table(ranked, found, dataset).html(),
        single=all(len(result.runs) == 1 for result in found.values()),
        left_out=_by_reason(left_out_rows(root)),
        best=best,
        relabels=next((one.row for one in ranked if settings.rows[one.row].bootstraps), None),
        seed=settings.params.seeds[0],
        worst=(best, *_address(worst)) if worst else None,
        legend=[*zip(all_classes(found.values()), CLASS_COLOURS.values(), strict=False), ("void", CLASS_COLOURS[VOID])],
        statistics=statistics,
        setting=_setting(settings),
        made=_made(found),
        recipes=_recipes(found, settings.rows),
        rows=[_row_provenance(name, settings, found[name]) for name in found],
    )


def _by_reason(left_out: Mapping[str, str]) -> dict[str, list[str]]:
    """Return the rows that were left out by the reason."""
    reasons: dict[str, list[str]] = {}
    for row, why in left_out.items():
        reasons.setdefault(why, []).append(row)
    return reasons


def _html(table: Any) -> str | None:
    return None if table is None else table.html()


def _address(picture: Picture) -> tuple[str, str]:
    return pages.data_uri(picture.png()), picture.alt


def _figure(name: str, printed: Paper, root: Path) -> ShownFigure:
    source, alt = _picture(name, root)
    about = printed.readings.figures[name]
    return ShownFigure(name, name.removeprefix("figure"), about.title, about.caption, source, alt)


def _picture(name: str, root: Path) -> tuple[str, str]:
    """Return the one picture of an executed notebook: its data address and alternative text."""
    path = paths.reports(root) / f"{name}.ipynb"
    try:
        shown = notebooks.pictures(nbformat.read(path, as_version=4))
    except FileNotFoundError:
        raise UserError(f"reports/{name}.ipynb is missing: `dvc repro {name}` makes it") from None
    except OSError:
        raise
    except Exception:  # noqa: BLE001 - a damaged or an older notebook leads nbformat to raise anything
        raise UserError(f"reports/{name}.ipynb is no notebook: `dvc repro -f {name}` makes it again") from None
    if len(shown) != 1:
        raise UserError(f"reports/{name}.ipynb shows {len(shown)} pictures, one is expected: `dvc repro -f {name}`")
    png, alt = shown[0]
    return pages.data_uri(png), alt


# ---- the dataset and the runs ----------------------------------------------------------------------------------------


def _labels(settings: Settings, printed: Paper, root: Path) -> dict[str, Any]:
    """Return what the committed trainings say of masks and boxes: sentences, and the picture."""
    curves = annotation.load(settings.rows, settings.params, printed.asked.confidence, root)
    return {"sentences": list(map(annotation.advice, curves)), "picture": _picture("annotation", root)}


def _setting(settings: Settings) -> list[tuple[str, str]]:
    """Return what params.yaml and the profile say of the training, as (name, value)."""
    chosen, train = settings.params, settings.profile.train
    width, height = settings.profile.boxes.size
    return [
        ("training size", f"{width} × {height} pixels"),
        ("network", f"ERFNet, width {train.width:g}" + ("" if train.width == 1 else " (the paper's is 1)")),
        ("steps", f"{settings.steps} of {chosen.batch_size} images"),
        ("learning rate", f"{settings.learning_rate:g}, {train.schedule} (paper: 5e-4, no schedule given)"),
        ("weight decay", f"{train.weight_decay:g}"),
        ("horizontal flip", f"{train.horizontal_flip:.0%} of draws"),
        ("τ, temperature", f"{chosen.tau:g}, {chosen.temperature:g}"),
        ("samples T", str(chosen.mc_samples)),
        ("pixel-perfect chance", f"{chosen.pp_chance:.0%}, sampler {chosen.sampler}"),
        ("data seed", str(chosen.data_seed)),
        ("training seeds", ", ".join(map(str, chosen.seeds))),
    ]


def _made(measured: Results) -> list[tuple[str, str]]:
    """Return where and with what the runs were made, as (name, value); differing values are all named."""
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


def _recipes(measured: Results, rows: Mapping[str, Row]) -> dict[str, list[tuple[str, str]]]:
    """Return every recipe that a run names, with its fields as the run recorded them, as (name, value).

    Of a row without overrides, where there is one.
    """
    plain_last = sorted(measured, key=lambda name: not rows[name].overrides.model_dump(exclude_none=True))
    recorded = [run["resolutions"] for name in plain_last for run in measured[name].runs if "resolutions" in run]
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
        "time": _duration(seconds.mean) if seconds else NONE,
        "speed": f"{speed.mean:.1f}" if speed else NONE,
        "device": _distinct(run.get("device") for run in result.runs) or NONE,
        "commit": _distinct(str(run["commit"])[:10] for run in result.runs if run.get("commit")) or NONE,
    }


def scaled(count: int, images: int) -> int:
    """Return a count of the paper's 2780 images as a share of `images`, at least one."""
    return max(1, round(count / PAPER_IMAGES * images))


def _duration(seconds: float) -> str:
    """Return seconds as a person would say them: `48 s`, `3 min 20 s`, `2 h 05 min`."""
    minutes, rest = divmod(round(seconds), 60)
    if minutes >= 60:
        return f"{minutes // 60} h {minutes % 60:02d} min"
    return f"{minutes} min {rest:02d} s" if minutes else f"{rest} s"
