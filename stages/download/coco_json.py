"""COCO instance files, read and checked: what annotation tools and their converters write."""

import json
from pathlib import Path
from typing import Annotated, Any

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from stages.errors import UserError
from stages.yaml_files import shown

REMEDY = "export it again in COCO's format, or name the right files as scenes.annotations in configs/datasets.yaml"


class Part(BaseModel):
    """Keys that the project does not read are allowed; a string is no number, NaN neither."""

    model_config = ConfigDict(extra="ignore", frozen=True, strict=True, allow_inf_nan=False)


class Rle(Part):
    """A mask as lengths of runs, column by column, in turn outside and inside; compressed where it is a string."""

    size: Annotated[list[int], Field(min_length=2, max_length=2)]
    """Height and width."""
    counts: list[int] | str


class Annotation(Part):
    """One object, or one region of many (a crowd)."""

    id: Any = None
    image_id: int
    category_id: int
    bbox: list[float] | None = None
    """x, y, width, height in pixels."""
    segmentation: list[list[float]] | Rle | None = None
    """Polygons x, y, x, y ..., or a mask."""
    iscrowd: bool | int = 0

    @property
    def has_box(self) -> bool:
        """Whether a box is given; some tools write an empty list for none."""
        return bool(self.bbox)

    @property
    def has_mask(self) -> bool:
        """Whether a mask is given; some tools write empty lists for none."""
        return any(self.segmentation) if isinstance(self.segmentation, list) else self.segmentation is not None


class Picture(Part):
    """One picture, by its name."""

    id: int
    file_name: str
    width: int | None = None
    height: int | None = None


class Category(Part):
    """One class."""

    id: int
    name: str


class Document(Part):
    """What the project reads of a file."""

    images: list[Picture]
    annotations: list[Annotation]
    categories: list[Category]


def read(file: Path) -> Document:
    """Read one COCO file.

    Raises:
        UserError: It cannot be read, is cut off, is no JSON, or is not COCO's; naming the first value at fault.
    """
    try:
        content = json.loads(file.read_bytes())
    except OSError as error:
        raise UserError(f"{file}: cannot be read ({error.strerror})") from None
    except (ValueError, RecursionError) as error:
        raise UserError(f"{file}: not JSON, or cut off ({str(error).splitlines()[0]}); {REMEDY}") from None
    lacking = [key for key in Document.model_fields if not isinstance(content, dict) or key not in content]
    if lacking:
        raise UserError(f"{file}: not a COCO instance file, it has no {', '.join(lacking)}; {REMEDY}")
    try:
        return Document.model_validate(content)
    except ValidationError as error:
        detail = error.errors()[0]
        place, said = _place(detail["loc"]), detail["msg"][0].lower() + detail["msg"][1:]
        more = f" (and {error.error_count() - 1} more)" if error.error_count() > 1 else ""
        raise UserError(f"{file}: {place} is {shown(detail['input'])}: {said}; {REMEDY}{more}") from None


def _place(location: tuple[int | str, ...]) -> str:
    """Return where in a file a value stands, like annotations[3].bbox[0]; pydantic names members of unions too."""
    known = {name for part in (Document, Annotation, Picture, Category, Rle) for name in part.model_fields}
    words = [
        f"[{key}]" if isinstance(key, int) else f".{key}" for key in location if isinstance(key, int) or key in known
    ]
    return "".join(words).lstrip(".")
