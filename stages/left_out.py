"""Rows that a dataset cannot fill, or does not ask for: their stages write the reason in place of results."""

import json
from pathlib import Path

from stages.arrays import PAPER_MASKS, Classes, Contents, write_json
from stages.config import Row, Settings

FILE = "left_out.json"


def reason(settings: Settings, name: str, contents: Contents) -> str | None:
    """Return why a row is left out of the run on a dataset, or None where it is trained.

    Args:
        settings: Names the dataset, and says whether it asks for all rows or for those marked `own`.
        name: Of a row in configs/rows.yaml.
        contents: Of the dataset's packed folder.
    """
    row, dataset, tasks = settings.rows[name], settings.params.dataset, contents.classes.tasks
    if row.group == "methods":
        if name not in settings.methods:
            return f"not one of the other methods that `methods` names for {dataset}"
    elif settings.profile.train.rows == "own" and not (row.own and row.classes == tasks[-1]):
        return f"not one of the rows for data of one's own with {_counted(contents)}"
    if lacking := lacks_classes(row, contents.classes, dataset):
        return lacking
    if not contents.complete and row.pp > PAPER_MASKS:
        images = len(contents.ids["train"])
        return f"needs more masks than boxes alone; {contents.masked} of {images} training images have masks"
    return None


def lacks_classes(row: Row, classes: Classes, dataset: str) -> str | None:
    """Return why a dataset of these classes cannot fill a row; None where it can."""
    if row.classes in classes.tasks:
        return None
    return f"needs {_needed(row)} classes; {dataset} has {', '.join(classes.boxed)}"


def _counted(contents: Contents) -> str:
    classes = len(contents.classes.boxed)
    return "one class" if classes == 1 else f"{classes} classes"


def _needed(row: Row) -> str:
    return {"one": "one or more", "few": "two or more", "all": "three or more"}[row.classes]


def write(folder: Path, why: str) -> None:
    """Write the reason into the folder of a row's stage, in place of what it would have made."""
    folder.mkdir(parents=True, exist_ok=True)
    for file in folder.iterdir():
        file.unlink()
    write_json(folder / FILE, {"left_out": why})


def read(folder: Path) -> str | None:
    """Return the reason in the folder of a row's stage; None where the row is not left out."""
    try:
        return json.loads((folder / FILE).read_text(encoding="utf-8"))["left_out"]
    except (OSError, ValueError, KeyError, TypeError):
        return None
