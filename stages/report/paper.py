"""paper.yaml: what the paper prints, typed."""

from pathlib import Path
from typing import Any

from pydantic import ValidationError
from ruamel.yaml import YAML
from ruamel.yaml.error import YAMLError

from stages.params import Model, UserError
from stages.paths import ROOT

NAME = "paper.yaml"


class About(Model):
    """The paper itself."""

    title: str
    authors: str
    data: str
    train_images: int


class PaperRow(Model):
    """What the paper prints for one row: IoU in percent by class (`mean` for the mean), and each place."""

    iou: dict[str, float]
    places: list[str]
    mark: str = ""
    note: str = ""


class Entry(Model):
    """One line of a table: the row and the paper's name for its loss."""

    row: str
    loss: str


class PaperTable(Model):
    """One of the paper's tables."""

    title: str
    caption: str
    classes: list[str]
    rows: list[Entry]


class PaperFigure(Model):
    """One of the paper's figures, its caption in our words."""

    title: str
    caption: str


class Inconsistency(Model):
    """Numbers of the paper that do not agree."""

    place: str
    text: str


class Resolution(Model):
    """Something that the paper leaves open, and how it is read here."""

    place: str
    missing: str
    resolution: str


class Paper(Model):
    """All of paper.yaml."""

    paper: About
    rows: dict[str, PaperRow]
    tables: dict[str, PaperTable]
    figures: dict[str, PaperFigure]
    inconsistencies: list[Inconsistency]
    resolutions: list[Resolution]

    def row(self, name: str, recipe: str | None = None) -> PaperRow | None:
        """What the paper prints for a row; a recipe's row has the number of the row without the recipe's suffix."""
        return self.rows.get(name) or self.rows.get(name.removesuffix(f"-{recipe}"))

    def iou(self, name: str, label: str) -> float:
        """The printed IoU (percent) of a row and class.

        Raises:
            KeyError: the paper prints none.
        """
        return self.rows[name].iou[label]


def load(root: Path = ROOT) -> Paper:
    """Read and check paper.yaml under `root`.

    Raises:
        UserError: it is missing, no YAML, or has unknown, missing or mistyped keys.
    """
    try:
        data: Any = YAML(typ="safe", pure=True).load((root / NAME).read_text(encoding="utf-8"))
        return Paper.model_validate(data)
    except FileNotFoundError:
        raise UserError(f"{NAME}: no such file in {root}") from None
    except YAMLError as error:
        raise UserError(f"{NAME}: not YAML: {str(error).splitlines()[0]}") from None
    except ValidationError as error:
        detail = error.errors()[0]
        raise UserError(f"{NAME}: {'.'.join(map(str, detail['loc']))}: {detail['msg'].lower()}") from None
